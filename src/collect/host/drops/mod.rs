//! Where and why this machine loses packets.
//!
//! ```text
//! counters.rs  /proc/net: protocols, backlog      --+ totals
//! ../kernel.rs qdiscs and rings of all interfaces --+--> ledger.rs --> HostLosses
//! tracer.rs    reasons, counted in the kernel     --+ attribution
//!   reasons.rs what they mean; symbols.rs names of functions
//! ```
//!
//! Counters are of the network namespace that we run in (the backlog's are the machine's), reasons of all. Without the rights to
//! trace, the counters alone tell, and why there are no reasons is said.
//!
//! Absent, on purpose: a ring of every drop with its headers, which costs five times as much; packets that no counter and no
//! tracepoint has, as when a socket of AF_PACKET is full.

mod counters;
mod ledger;
mod reasons;
mod symbols;
mod tracer;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netlink_packet_route::link::{LinkFlags, State};

use self::counters::Counted;
use self::ledger::{Ledger, Traced};
use self::symbols::Symbols;
use self::tracer::{Key, Tracer};
use super::kernel::Kernel;
use crate::fabric::{HostCause, HostLosses, Timestamp};

pub use worker::{DropsHandle, DropsStatus};

/// Why nothing can be told at all.
#[derive(Debug)]
pub enum LookError {
    /// No netlink.
    Netlink(io::Error),
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netlink(error) => write!(f, "the kernel does not tell of its interfaces (rtnetlink): {error}"),
        }
    }
}

impl std::error::Error for LookError {}

/// An interface as the account needs it.
struct Port {
    name: Arc<str>,
    carrier: bool,
    /// Packets for which its card had no room in a ring.
    missed: Option<u64>,
}

/// Looks again and again at what this machine loses.
pub struct HostDrops {
    root: PathBuf,
    kernel: Kernel,
    tracer: Result<Tracer, String>,
    symbols: Symbols,
    ledger: Ledger,
    names: HashMap<u32, Arc<str>>,
    ours: u32,
    squeezed: (u64, u64),
}

impl HostDrops {
    /// Begin: what is lost from now on is counted. Must be looked at by the thread that opened it, whose network
    /// namespace it is about.
    ///
    /// # Errors
    /// [`LookError`]; that drops cannot be traced is none, but told by [`Self::untraced`].
    pub fn open(root: &Path, now: Timestamp) -> Result<Self, LookError> {
        let kernel = Kernel::open().map_err(LookError::Netlink)?;
        let inode = std::fs::metadata("/proc/thread-self/ns/net").map(|file| file.st_ino() as u32);
        let mut drops = Self {
            root: root.to_owned(),
            kernel,
            tracer: Err(String::new()),
            symbols: Symbols::new(root),
            ledger: Ledger::new(now),
            names: HashMap::new(),
            ours: inode.unwrap_or(0),
            squeezed: (0, 0),
        };
        // The totals begin before the reasons, so that no reason is without its packet.
        let ports = drops.ports().map_err(LookError::Netlink)?;
        let counted = drops.counted(&ports);
        drops.ledger.count(&counted, true);
        drops.tracer = Tracer::open(root).map_err(|error| error.to_string());
        Ok(drops)
    }

    /// Why there are no reasons, and what to grant; none where there are.
    pub fn untraced(&self) -> Option<&str> {
        self.tracer.as_ref().err().map(String::as_str)
    }

    /// How often a processor had more packets to take than it may at a time, and TCP segments that were sent again: no losses
    /// themselves, but signs of them. Since the machine was started.
    pub fn squeezed_and_retransmitted(&self) -> (u64, u64) {
        self.squeezed
    }

    /// All that was lost since it was opened.
    ///
    /// # Errors
    /// The kernel does not list its interfaces.
    pub fn look(&mut self) -> io::Result<HostLosses> {
        let ports = self.ports()?;
        let mut tracing = None;
        // Reasons before totals: those of packets that come in between are told at the next look.
        if let Ok(tracer) = &mut self.tracer {
            let rows = tracer.read()?;
            tracing = Some((tracer.overflowed()?, tracer.missed()?));
            self.symbols.learn(rows.iter().map(|(key, _)| key.location));
            let traced = rows.into_iter().map(|(key, packets)| self.traced(key, packets, &ports)).collect();
            self.ledger.trace(traced);
        }
        let counted = self.counted(&ports);
        self.ledger.count(&counted, false);
        Ok(self.ledger.losses(tracing))
    }

    fn ports(&mut self) -> io::Result<HashMap<u32, Port>> {
        let port = |link: super::kernel::Link| {
            let running = link.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
            let carrier = running && !matches!(link.state, State::Down | State::LowerLayerDown | State::NotPresent);
            let missed = link.stats.map(|stats| stats.rx_missed_errors);
            (link.if_index, Port { name: link.name.into(), carrier, missed })
        };
        Ok(self.kernel.links()?.into_iter().map(port).collect())
    }

    fn counted(&mut self, ports: &HashMap<u32, Port>) -> Vec<Counted> {
        let (mut counted, squeezed) = counters::read(&self.root);
        self.squeezed = (squeezed.time_squeeze, squeezed.retransmitted);
        let qdisc = |qdisc: super::kernel::Qdisc| Counted {
            cause: HostCause::QueueFull,
            interface: ports.get(&qdisc.if_index).map(|port| Arc::clone(&port.name)),
            name: "qdisc drops",
            value: u64::from(qdisc.dropped),
        };
        counted.extend(self.kernel.root_qdiscs().unwrap_or_default().into_iter().map(qdisc));
        // Drivers that count the same in rx_fifo_errors and rx_over_errors count it here too.
        let missed = |port: &Port| {
            let interface = Some(Arc::clone(&port.name));
            Some(Counted { cause: HostCause::RingOverrun, interface, name: "rx_missed_errors", value: port.missed? })
        };
        counted.extend(ports.values().filter_map(missed));
        counted.retain(|one| one.name != "qdisc drops" || one.interface.is_some());
        counted
    }

    fn traced(&mut self, key: Key, packets: u64, ports: &HashMap<u32, Port>) -> Traced {
        let ours = key.namespace == self.ours || key.namespace == 0;
        let port = ports.get(&key.if_index).filter(|_| ours);
        let reason = match (&self.tracer, self.names.get(&key.reason)) {
            (_, Some(name)) => Arc::clone(name),
            (Ok(tracer), None) => {
                let name: Arc<str> = tracer.name(key.reason).into();
                self.names.insert(key.reason, Arc::clone(&name));
                name
            }
            (Err(_), None) => "unknown".into(),
        };
        Traced {
            reason,
            site: self.symbols.name(key.location),
            interface: match (port, key.if_index) {
                (_, 0) => None,
                (Some(port), _) => Some(Arc::clone(&port.name)),
                (None, index) => Some(format!("if{index}").into()),
            },
            namespace: (!ours).then_some(key.namespace),
            ether_type: key.ether_type,
            // Of interfaces elsewhere it is not known, and what is down rarely sends.
            carrier: port.is_none_or(|port| port.carrier),
            packets,
        }
    }
}

#[cfg(test)]
mod tests;
