//! A link is a cable with two ends, and what each end says of the other (IEEE 802.1AB).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InterfaceId;

/// LldpChassisIdSubtype and the value it qualifies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChassisId {
    /// 1 chassisComponent, 2 interfaceAlias, 3 portComponent, 4 macAddress, 5 networkAddress, 6 interfaceName, 7 local.
    pub subtype: u8,
    /// The octets as they came.
    pub value: Vec<u8>,
}

/// LldpPortIdSubtype and the value it qualifies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortId {
    /// 1 interfaceAlias, 2 portComponent, 3 macAddress, 4 networkAddress, 5 interfaceName, 6 agentCircuitId, 7 local.
    pub subtype: u8,
    /// The octets as they came.
    pub value: Vec<u8>,
}

/// An address under which a device can be managed.
pub type ManagementAddress = IpAddr;

/// One row of lldpRemTable: what is at the other end of a local port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbor {
    /// The local interface that hears it.
    pub local: Arc<str>,
    /// Who it is.
    pub chassis_id: ChassisId,
    /// Which of its ports.
    pub port_id: PortId,
    /// lldpRemPortDesc; may be empty.
    pub port_descr: String,
    /// lldpRemSysName; may be empty.
    pub sys_name: String,
    /// lldpRemManAddr.
    pub management_addresses: Vec<ManagementAddress>,
}

/// One end of a link: an interface that we watch, or a port of something that we only hear of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkEnd {
    /// Device and port.
    #[serde(flatten)]
    pub interface: InterfaceId,
    /// We poll this end. Where false the names are those the neighbour announced.
    pub watched: bool,
}

/// A link's stable name: both ends in order, `leaf1:spine1 - spine1:leaf1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(Arc<str>);

impl LinkId {
    /// From its ends, in either order.
    pub fn new(one: &InterfaceId, other: &InterfaceId) -> Self {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        Self(format!("{a} - {b}").into())
    }

    /// The cable in a port whose far end nobody names: `leaf1:h1-1 - ?`.
    pub fn to_nobody(near: &InterfaceId) -> Self {
        Self(format!("{near} - ?").into())
    }

    /// A part of a redundancy group that is no cable: what a device does at a port, `leaf1:Vlan10`, maybe over a next hop.
    pub fn to_part(port: &InterfaceId, via: Option<IpAddr>) -> Self {
        match via {
            None => Self(port.to_string().into()),
            Some(address) => Self(format!("{port} via {address}").into()),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of doubling a redundancy group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// Several cables between the same two devices.
    Parallel,
    /// The ways from a device up into the fabric.
    Uplinks,
    /// The ports of one aggregate (IEEE 802.1AX).
    Lag,
    /// The next hops to one prefix.
    Ecmp,
    /// The routers that share one address (VRRP, HSRP).
    Gateways,
    /// Named by the operator: leased lines, pairs that no protocol shows.
    Declared,
}
