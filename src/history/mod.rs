//! Embedded time series, so that no database is needed.

mod query;
mod recorder;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use query::{QueryError, Series};
pub use recorder::{History, State, Stats};

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

/// Why the store cannot be opened. Each names the folder and what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    Locked(PathBuf),
    /// The folder cannot be made, read or written.
    Io(PathBuf, std::io::Error),
    /// What is there cannot be read.
    Corrupt(PathBuf, String),
    /// The thread could not be started.
    Thread(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(path) => write!(
                f,
                "the history in {} is in use by another process: stop the other selvedge, or set another [history] path",
                path.display()
            ),
            Self::Io(path, why) => write!(
                f,
                "the history in {} cannot be opened: {why}; make the folder writable, or set another [history] path",
                path.display()
            ),
            Self::Corrupt(path, why) => write!(
                f,
                "the history in {} is damaged ({why}): move the folder away to start a new one; alerts are not stored in it",
                path.display()
            ),
            Self::Thread(why) => write!(f, "the history's thread cannot be started: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}
