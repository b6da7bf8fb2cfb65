//! A link or interface that was up passes no packets.

use std::time::Duration;

/// `[detect.link]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be up again before it counts as resolved.
    pub keep_firing_for: Duration,
    /// Tell of interfaces without a known neighbour too, once they have been seen up.
    pub edge_ports: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::ZERO, keep_firing_for: Duration::ZERO, edge_ports: true }
    }
}
