//! A direction of an interface near its capacity.

use std::time::Duration;

/// `[detect.saturation]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Utilisation (0 to 1) from which it is a warning.
    pub warning: f64,
    /// Utilisation from which it is critical.
    pub critical: f64,
    /// How far below the threshold it must fall to count as over (0 to 1).
    pub hysteresis: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            warning: 0.80,
            critical: 0.95,
            hysteresis: 0.05,
            pending_for: Duration::from_secs(10),
            keep_firing_for: Duration::from_secs(30),
        }
    }
}
