//! Packets lost, as a share of all packets, by class.

use std::time::Duration;

/// `[detect.drops]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Share of packets (0 to 1) discarded from which congestion is a warning.
    pub congestion_warning: f64,
    /// ... and critical.
    pub congestion_critical: f64,
    /// Share of packets damaged from which corruption is a warning.
    pub corruption_warning: f64,
    /// ... and critical.
    pub corruption_critical: f64,
    /// Fewer lost packets per second than this are never told.
    pub minimum_pps: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            congestion_warning: 1e-4,
            congestion_critical: 1e-2,
            corruption_warning: 1e-5,
            corruption_critical: 1e-3,
            minimum_pps: 0.1,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::from_secs(60),
        }
    }
}
