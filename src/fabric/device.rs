//! A device: a switch, a router, or the host we run on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ChassisId, ManagementAddress};

/// Labels that the configuration or service discovery put on a target.
pub type Labels = BTreeMap<String, String>;

/// The name by which people know a device: its sysName where that is set and unique, else its address.
///
/// Cheap to clone. Collectors decide it once and keep it, over restarts too: alerts hang on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for DeviceId {
    fn from(name: T) -> Self {
        Self(name.as_ref().into())
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Who a device says it is (RFC 3418 system group, IEEE 802.1AB local system data).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceIdentity {
    /// Where we reach it; none for this host.
    pub address: Option<SocketAddr>,
    /// sysName, as the device spells it; may be empty.
    pub sys_name: String,
    /// sysDescr; may be empty.
    pub sys_descr: String,
    /// sysObjectID in dotted form; may be empty.
    pub sys_object_id: String,
    /// lldpLocChassisId, where it speaks LLDP.
    pub chassis_id: Option<ChassisId>,
    /// lldpLocPortId per interface: `(if_name, port id)`.
    pub local_ports: Vec<(Arc<str>, super::PortId)>,
    /// Addresses that neighbours may name it by.
    pub management_addresses: Vec<ManagementAddress>,
    /// The interface that carries the address we poll, where the device tells: not part of the fabric.
    pub management_interface: Option<Arc<str>>,
    /// Labels from configuration.
    pub labels: Labels,
}
