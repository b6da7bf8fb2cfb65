//! Where and why a host loses packets, in one scheme for what its kernel counts and what its kernel names.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DropClass, Timestamp};

/// The part of a host that lost them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPlace {
    /// The rings between the network card and the kernel.
    NicRing,
    /// The card's driver, or an interface that cannot send.
    Driver,
    /// What waits for a processor (`netdev_max_backlog`).
    Backlog,
    /// The queueing discipline of an interface.
    Qdisc,
    /// Filters: netfilter, tc, XDP, programs at cgroups and sockets.
    Firewall,
    /// Routes and neighbours.
    Routing,
    /// Sockets and those who should read them.
    Socket,
    /// The protocols' own checks.
    Stack,
}

impl HostPlace {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NicRing => "nic_ring",
            Self::Driver => "driver",
            Self::Backlog => "backlog",
            Self::Qdisc => "qdisc",
            Self::Firewall => "firewall",
            Self::Routing => "routing",
            Self::Socket => "socket",
            Self::Stack => "stack",
        }
    }
}

/// What a loss is counted by: a packet belongs to one cause, and within it to one interface, namespace or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostScope {
    /// An interface.
    Interface,
    /// A network namespace.
    Namespace,
    /// The whole machine.
    Machine,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $place:ident, $class:ident, $scope:ident;)*) => {
        /// Why packets were lost.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum HostCause { $($(#[$doc])* $variant,)* }

        impl HostCause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where.
            pub const fn place(self) -> HostPlace {
                match self { $(Self::$variant => HostPlace::$place,)* }
            }

            /// The class of loss.
            pub const fn class(self) -> DropClass {
                match self { $(Self::$variant => DropClass::$class,)* }
            }

            /// What it is counted by.
            pub const fn scope(self) -> HostScope {
                match self { $(Self::$variant => HostScope::$scope,)* }
            }
        }
    };
}

causes! {
    /// The card had no room in a ring.
    RingOverrun = "ring_overrun", NicRing, Host, Interface;
    /// The interface was down or without a carrier.
    NoCarrier = "no_carrier", Driver, Host, Interface;
    /// The driver could not take the packet.
    DriverRefused = "driver_refused", Driver, Host, Interface;
    /// More packets waited for a processor than may.
    BacklogFull = "backlog_full", Backlog, Host, Machine;
    /// The queue of an interface was full, or its shaper had no tokens.
    QueueFull = "queue_full", Qdisc, Congestion, Interface;
    /// A rule said so.
    Filtered = "filtered", Firewall, Policy, Namespace;
    /// The reverse path filter (RFC 3704) took the source for forged.
    ReversePath = "reverse_path", Routing, Policy, Namespace;
    /// No route.
    NoRoute = "no_route", Routing, NoRoute, Namespace;
    /// The next hop does not answer (ARP, RFC 4861).
    NoNeighbor = "no_neighbor", Routing, NoRoute, Namespace;
    /// Larger than the next link carries, and not to be fragmented.
    TooBig = "too_big", Routing, NoRoute, Namespace;
    /// Nobody listens on the port.
    NoListener = "no_listener", Socket, NoRoute, Namespace;
    /// The reader of a socket was too slow, or its buffer too small.
    SocketBufferFull = "socket_buffer_full", Socket, Host, Namespace;
    /// More connections waited to be accepted than may.
    ListenQueueFull = "listen_queue_full", Socket, Host, Namespace;
    /// A wrong checksum or header.
    Damaged = "damaged", Stack, Corruption, Namespace;
    /// No memory.
    NoMemory = "no_memory", Stack, Host, Namespace;
    /// The kernel gives a reason that is none of these, or none.
    Other = "other", Stack, Host, Namespace;
}

/// Packets lost for one cause at one place, since the collector began to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostLoss {
    /// Why.
    pub cause: HostCause,
    /// The interface, where the cause is counted by interface: its name here, or `if7` in another namespace.
    pub interface: Option<Arc<str>>,
    /// The network namespace, by its inode, where it is not this one.
    pub namespace: Option<u32>,
    /// Packets lost: what is counted, or what was traced where that is more or nothing counts them.
    pub packets: u64,
    /// What the kernel's counters say; none where none counts it.
    pub counted: Option<u64>,
    /// What the kernel named a reason for; none where it cannot be traced.
    pub traced: Option<u64>,
    /// The counter.
    pub counter: Option<&'static str>,
    /// The reasons, most packets first.
    pub reasons: Vec<TracedReason>,
}

impl HostLoss {
    /// Packets that a counter has and no reason explains.
    pub fn unexplained(&self) -> u64 {
        self.packets - self.traced.unwrap_or(0).min(self.packets)
    }
}

/// Packets that the kernel gave the same reason for at the same place of its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedReason {
    /// The kernel's own word, such as `QDISC_DROP`.
    pub reason: Arc<str>,
    /// The function that dropped them, where its name may be known.
    pub site: Option<Arc<str>>,
    /// The interface that they were on.
    pub interface: Option<Arc<str>>,
    /// The Ethernet type, such as 0x0800.
    pub ether_type: u16,
    /// How many.
    pub packets: u64,
}

/// All that a host lost. The default says that it is not looked at (any more).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostLosses {
    /// From when on it was counted; 0 where it is not.
    pub since: Timestamp,
    /// By cause, place and interface.
    pub losses: Vec<HostLoss>,
    /// What the kernel drops in the course of things: frames for others, duplicates.
    pub harmless: Vec<TracedReason>,
    /// Dropped packets that were seen and found no room in the table of reasons.
    pub overflowed: u64,
    /// Dropped packets that the kernel did not show since it was showing another on the same processor.
    pub missed: u64,
}
