//! What a collector tells the core: one look at one device.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AdminStatus, AggregationMember, BridgePort, Counters, DeviceId, DeviceIdentity, Gateway, HostLosses, InterfaceInfo,
    Neighbor, NextHop, OperStatus, Sensor, Timestamp, Uptime,
};

/// One look at a device. All that is in it was read at the same moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The device looked at.
    pub device: DeviceId,
    /// Our clock when the answer or the event reached us.
    pub taken_at: Timestamp,
    /// sysUpTime out of the same PDU, where there is one.
    pub device_uptime: Option<Uptime>,
    /// What was read.
    pub reading: Reading,
}

/// The kinds of things a look may tell.
#[derive(Clone, Debug)]
pub enum Reading {
    /// Who the device is: comes first, and again when it changes.
    Identity(Arc<DeviceIdentity>),
    /// All interfaces the device now has. One that is absent is gone.
    Inventory(Vec<Arc<InterfaceInfo>>),
    /// States and counters of some of its interfaces.
    Poll(Vec<InterfacePoll>),
    /// An event told of one interface's state: acted on at once, confirmed by the next poll.
    Event {
        /// The interface.
        if_name: Arc<str>,
        /// The state it is said to have.
        oper_status: OperStatus,
        /// What told us.
        medium: Medium,
    },
    /// The whole neighbour table. A row that is absent is not heard any more.
    Neighbors(Vec<Neighbor>),
    /// All ports in aggregates. A row that is absent is not told any more: its port may have died.
    Aggregations(Vec<AggregationMember>),
    /// All ports that take part in spanning tree.
    SpanningTree(Vec<BridgePort>),
    /// All sensors of optics.
    Sensors(Vec<Sensor>),
    /// All next hops to the prefixes that are looked at.
    NextHops(Vec<NextHop>),
    /// All shared addresses that the device takes part in.
    Gateways(Vec<Gateway>),
    /// All that this host lost since its collector began to look.
    HostLosses(Arc<HostLosses>),
    /// How polling keeps to its interval: told with the first poll, with each that took too long, and with the first that
    /// was in time again.
    Pace {
        /// How often it should be polled.
        interval: Duration,
        /// How long the last poll took.
        took: Duration,
        /// So many polls were left out because the last was not over.
        skipped: u32,
    },
    /// The device did not answer this time, after all retries.
    Unreachable(UnreachableReason),
    /// The operator took the device off the list: forget it.
    Retired,
}

/// What one poll said of one interface.
#[derive(Clone, Debug)]
pub struct InterfacePoll {
    /// Name within the device.
    pub if_name: Arc<str>,
    /// ifOperStatus.
    pub oper_status: OperStatus,
    /// ifAdminStatus.
    pub admin_status: AdminStatus,
    /// ifCounterDiscontinuityTime, where the device has it.
    pub discontinuity: Option<Uptime>,
    /// What was counted.
    pub counters: Counters,
}

/// What told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// An SNMP trap or inform.
    Trap,
    /// The kernel of this host.
    Netlink,
    /// A poll.
    Poll,
}

/// Why a device gave no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreachableReason {
    /// No answer within the timeout and the retries (with v2c a wrong community looks the same).
    Timeout,
    /// It answers, but refuses our user, key or view.
    Authentication,
    /// It answers with something that cannot be read.
    Malformed,
    /// The network refused: no route, port closed.
    Refused,
    /// The name does not resolve.
    NameResolution,
}

impl UnreachableReason {
    /// In words, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "no answer (dead, filtered, or the wrong community)",
            Self::Authentication => "it refuses our credentials",
            Self::Malformed => "its answers cannot be read",
            Self::Refused => "nothing listens there",
            Self::NameResolution => "its name does not resolve",
        }
    }
}
