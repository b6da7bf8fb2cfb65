//! The handle that the rest of the program holds: a bounded way in, and queries beside it.

use std::sync::Arc;

use super::{OpenError, QueryError, Series, Settings};
use crate::fabric::{InterfaceId, Sample, Timestamp};

/// How the history does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It records.
    Recording,
    /// It does not, for this reason, and tries again by itself: `disk full`.
    Stopped(String),
}

/// What the history counted, for telemetry and the status page.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Whether it records.
    pub state: State,
    /// Polls written.
    pub appended: u64,
    /// Polls in which nothing had moved, left out.
    pub quiet: u64,
    /// Polls lost because the queue was full or the store stopped.
    pub dropped: u64,
    /// Blocks sealed.
    pub sealed: u64,
    /// What the store takes on disk, bytes.
    pub disk_bytes: u64,
}

/// Embedded history: one thread writes, anybody asks. Cheap to clone; the last one dropped stops the thread.
#[derive(Clone)]
pub struct History(Arc<()>);

impl History {
    /// Open the store under `settings.path` and start the thread.
    ///
    /// # Errors
    /// When the folder cannot be used: each names the path and what to do.
    pub fn start(_settings: &Settings) -> Result<Self, OpenError> {
        todo!()
    }

    /// Hand over a look at a device. Never blocks: when the queue is full the sample is dropped and counted.
    /// Everything but a poll is ignored.
    pub fn offer(&self, _sample: Sample) {
        todo!()
    }

    /// Rates of one interface from `from` to `to` (seconds since 1970), one point every `step_s` seconds.
    /// Reads the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the range is nonsense, too many points are asked for, or the store cannot be read.
    pub fn interface(&self, _id: &InterfaceId, _from: i64, _to: i64, _step_s: u32) -> Result<Series, QueryError> {
        todo!()
    }

    /// How it does.
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Write what is queued, sync, and stop the thread. Later offers are dropped and counted.
    pub fn stop(&self) {
        todo!()
    }
}

#[allow(dead_code)]
fn _unused(_: Timestamp) {}
