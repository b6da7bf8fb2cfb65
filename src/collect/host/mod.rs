//! This machine itself: interfaces, counters, link states and LLDP neighbours, on the same pipeline as every
//! other device. Its name is its host name, as `uname -n` says it.
//!
//! ```text
//! kernel.rs      rtnetlink: dumps and notices          --+
//! machine.rs     /proc and /sys                         --+-- worker.rs, one thread --Sample--> sink
//! lldp.rs        packet socket, lldpdu.rs, neighbors.rs --+
//! interfaces.rs  what is known, and what of it is new
//! ```
//!
//! Samples carry no `device_uptime`: our clock and the device's are the same, and ours is finer. Not here, on
//! purpose: sending LLDP, which is lldpd's business. What the machine loses inside is looked at by a thread of its own
//! (`drops/`).

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::{HostSettings, SampleSink};
use crate::fabric::Timestamp;

#[cfg(target_os = "linux")]
pub mod drops;
#[cfg(target_os = "linux")]
mod handle;
#[cfg(target_os = "linux")]
mod interfaces;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod lldp;
pub mod lldpdu;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod neighbors;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
pub use handle::Handle;
#[cfg(target_os = "linux")]
use handle::Shared;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Handle;

/// Our clock; must not step backwards.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The collector of this machine.
#[derive(Debug)]
pub struct Host;

impl Host {
    /// Start it. It never fails: what it cannot do is told by [`Handle::status`], and the rest goes on.
    pub fn start(settings: HostSettings, sink: SampleSink, clock: Clock) -> Handle {
        Self::start_at("/".into(), settings, sink, clock)
    }

    /// The same, with `/proc` and `/sys` under another root.
    pub fn start_at(root: PathBuf, settings: HostSettings, sink: SampleSink, clock: Clock) -> Handle {
        Handle::start(root, settings, sink, clock)
    }
}

/// Whether something works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Ability {
    /// Not wanted.
    Off,
    /// Not tried yet.
    #[default]
    Starting,
    /// It works.
    Running,
    /// It does not.
    Unable {
        /// Why, and what to do.
        why: String,
    },
}

/// What of this machine is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Interfaces, counters and link states.
    pub counters: Ability,
    /// Neighbours.
    pub lldp: Ability,
}

/// What the collector has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Looks at all interfaces.
    pub dumps: u64,
    /// Notices that the kernel sent.
    pub notices: u64,
    /// How often notices were lost, and all was looked at again for it.
    pub lost: u64,
    /// Changes of an operational status.
    pub events: u64,
    /// LLDP units heard.
    pub lldp_units: u64,
    /// Those that were discarded.
    pub lldp_malformed: u64,
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
