//! The SNMP poller: thousands of devices on two sockets.
//!
//! ```text
//!  Poller ---- one task for each target ------------------------------------------> SampleSink
//!    |  ^          device   what next? (schedule, door)                     samples
//!    |  |            |  facts, walks   what is asked, what it meant (mib)
//!    |  pokes        |  client         asks, waits, asks again (snmp::Session)
//!    |               |  wire           two sockets, one reader each; replies by source address
//!    names           stats
//! ```
//!
//! A task asks its device one thing at a time, which is what agents are built for; a device that is slow or
//! dead holds up nothing but its own task. What tasks share is the sockets, the names and the counters.

mod client;
mod device;
mod door;
mod facts;
pub mod look;
mod names;
mod poller;
mod schedule;
mod slow;
mod stats;
mod vendor;
mod walks;
mod wire;

pub use client::{Client, reason};
pub use device::{NameSink, resolve};
pub use door::{Poke, View};
pub use facts::{AskError, Facts};
pub use names::{NameChange, Names};
pub use poller::{Poller, Progress, Who};
pub use slow::Slow;
pub use stats::Stats;
pub use walks::{Step, Table, Walk};
pub use wire::Wire;

#[cfg(test)]
mod tests;
