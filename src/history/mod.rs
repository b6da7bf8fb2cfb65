//! Embedded time series, so that no database is needed.

use std::path::PathBuf;
use std::time::Duration;

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off keeps no history (alerts and topology memory are kept all the same, under `path`).
    pub enabled: bool,
    /// Folder of the store.
    pub path: PathBuf,
    /// How long samples are kept.
    pub retention: Duration,
    /// How much disk the store may take, bytes; the oldest goes first.
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, path: "data".into(), retention: Duration::from_secs(30 * 86_400), max_bytes: 4 << 30 }
    }
}
