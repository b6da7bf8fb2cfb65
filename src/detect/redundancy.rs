//! One of several parallel ways is gone.

use std::time::Duration;

/// `[detect.redundancy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be whole again before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::ZERO, keep_firing_for: Duration::ZERO }
    }
}
