//! The SNMP poller: a hundred thousand devices on two sockets.
//!
//! ```text
//!  Poller ---- one task for each target, asleep but to learn --------> SampleSink
//!    |  ^          device   what next? (schedule, door)                     ^
//!    |  |            |  facts, walks   what is asked, what it meant (mib)   | samples
//!    |  pokes        |  client         asks, waits, asks again              |
//!    |               |  wire           two sockets, replies by source address
//!    names           |                                                      |
//!                    +---Command---> engine   one thread: all polls --------+
//!                    <-----Word-----          (snmp::Session, snmp::table)
//! ```
//!
//! A task learns its device (who it is, its interfaces, its neighbours) one question at a time, which is what agents
//! are built for. What repeats for ever, the polls, one thread does for all: it owns the sockets, and sends and
//! receives by the batch. A device that is slow or dead holds up nothing but itself.

mod client;
mod device;
mod door;
mod engine;
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
