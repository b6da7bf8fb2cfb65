//! What the operator may set about the core.

/// Settings of the core.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The speed of an Ethernet interface (ifType 6) that is up and does not say its own, bit/s; none to leave
    /// its utilisation unknown.
    pub default_speed_bps: Option<u64>,
    /// The operator's word on single interfaces: shaped ports, leased lines. The first that fits counts.
    pub speed_overrides: Vec<SpeedOverride>,
    /// A rate above speed times (1 + this) is implausible. A ratio, 0.05 by default: clocks of device and
    /// poller differ, and framing that is not counted by all devices alike.
    pub tolerance: f64,
    /// After how many missed intervals without a reading a rate is stale.
    pub stale_after_intervals: f64,
}

/// One interface whose real capacity is not the port's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeedOverride {
    /// The device's name, `*` stands for any run of characters.
    pub device: String,
    /// The interface's name, likewise.
    pub interface: String,
    /// Bit/s.
    pub speed_bps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_speed_bps: Some(10_000_000_000),
            speed_overrides: Vec::new(),
            tolerance: 0.05,
            stale_after_intervals: 3.0,
        }
    }
}
