//! Embedded time series, so that no database is needed.
//!
//! ```text
//! History::offer --bounded queue--> Writer --append--> head   (a row per device and poll: the newest minutes)
//!                                      |
//!                                      +---seal every 720 rows or 2 h---> blocks   (pco, a value per interface)
//! History::interface <--query-- head and blocks, from one snapshot
//! ```
//!
//! Counters are stored as they were read; rates are made when somebody asks. Whenever a head is sealed its rates go into
//! the coarser tiers as well (tier.rs). fjall's journal is what makes a crash harmless.

mod block;
mod column;
mod engine;
mod join;
pub mod promql;
mod query;
mod recorder;
mod row;
mod store_source;
mod tier;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use query::{Columns, QueryError, Series, SpreadSeries};
pub use recorder::{History, State, Stats};
pub use store_source::LabelsOf;

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off keeps no history (alerts and topology memory are kept all the same, under `path`).
    pub enabled: bool,
    /// Folder of the store.
    pub path: PathBuf,
    /// How long samples are kept as they were read,
    pub retention: Duration,
    /// in steps of five minutes,
    pub retention_5m: Duration,
    /// and in steps of an hour.
    pub retention_1h: Duration,
    /// How much disk the data may take, bytes; the oldest goes first. A journal of up to 128 MiB comes on top.
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            enabled: true,
            path: "data".into(),
            retention: days(2),
            retention_5m: days(30),
            retention_1h: days(400),
            max_bytes: 4 << 30,
        }
    }
}

/// A block is sealed when the head of a device has this many rows: what compression was measured with.
const BLOCK_ROWS: usize = 720;
/// Or when its first row is this old: two hours.
const BLOCK_SPAN_US: u64 = 7_200_000_000;
/// The columns that all interfaces of a device share: when a row was read,
const BLOCK_TIME: u8 = 0;
/// how long before it its interfaces had been polled, milliseconds,
const BLOCK_LAG: u8 = 1;
/// and sysUpTime.
const BLOCK_UPTIME: u8 = 2;

/// What was read from the store is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Damaged(&'static str);

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

#[cfg(test)]
mod tests;
