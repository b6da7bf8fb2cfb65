//! A device that does not answer, or that started anew.

use std::time::Duration;

/// `[detect.device]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must be silent before anybody is told.
    pub pending_for: Duration,
    /// How long it must answer again before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::from_secs(5), keep_firing_for: Duration::ZERO }
    }
}
