//! The core: counters become rates that can be vouched for.
//!
//! ```text
//!  collectors --Sample--> queue() --> Table::apply --Changes--> detectors
//!                                         |
//!                                       cells  <-- TableReader, from any thread
//! ```
//!
//! - [`algebra`]: two readings of a counter and what may be said of the time between them. Pure functions.
//! - `refresh`: when a device refreshes the counters it answers with; why a repeat is not zero.
//! - `row`, `device`: what one reading makes of one interface, one sample of one device.
//! - [`Table`]: the one writer. [`TableReader`]: readers, who never make it wait.
//! - `seqlock`, `cell`, `directory`: how state lies in memory so that both hold.
//! - `spread`: how utilisation was spread over the last minute, hour and day.
//! - [`queue`]: the bounded way in.
//!
//! # What a rate means
//!
//! A rate is taken between two refreshes of the device's counters as its answers show them, and stands until the
//! next. [`Basis`] tells over which span, on whose clock, and how far that span may be off. An interface is idle, its
//! rates 0, when its counters repeat although the device refreshed them for certain, or when nothing of the device
//! moved for longer than its cache can live. The first rate of an interface on a device that proves to cache is taken
//! back, since its first reading was of unknown age.

pub mod algebra;
mod cell;
mod changes;
mod device;
mod directory;
mod queue;
mod refresh;
mod row;
mod seqlock;
mod settings;
mod speed;
mod spread;
mod table;

pub use cell::Basis;
pub use changes::{Changes, OperChange, Slot};
pub use directory::{TableReader, TableStats};
pub use queue::{QueueStats, SampleReceiver, SampleSender, queue};
pub use settings::{Settings, SpeedOverride};
pub use table::Table;

/// What the sequence lock is made of; its model test puts other things in their place.
mod sync {
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};

    /// Wait a little: a write takes a tenth of a microsecond, unless the writer was just put to sleep.
    pub fn pause(attempt: u32) {
        if attempt < 64 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}
