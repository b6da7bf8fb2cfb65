//! A fabric of SNMP agents in one process: switches with moving traffic and cables that fail, or recordings of devices.
//!
//! ```text
//!   Simulation (task) --owns--> Fabric (model: demands, paths, loads) --moves--> Port (atomics)
//!        |  traps                                                                  ^ reads
//!        v                                                                         |
//!   who listens            Agents (UDP, a task each) --answers from--> Tree (OIDs of one agent)
//!                                                                          ^
//!   recording (.snmprec) --------------------------------------------------+
//! ```
//!
//! The model knows no clock and no socket: tests advance it by hand, `selvedge simulate` by the real time.
//!
//! Not here: SNMPv3 on the agents' side, and devices that misbehave over time; recordings bring odd devices as they are.

mod fabric;
mod fleet;
mod names;
mod port;
pub mod recording;
mod serve;
mod switch;
mod tables;
mod tree;

pub use fabric::{Cable, Fabric, Node, Plan, Tables, Vendor};
pub use fleet::{Device, Fleet, FleetPlan};
pub use port::Port;
pub use recording::{Recording, RecordingError, parse as parse_recording, read as read_recording};
pub use serve::{AgentAddress, Agents, Place, ServeError, Simulation};
pub use tree::{Cell, Tree};
