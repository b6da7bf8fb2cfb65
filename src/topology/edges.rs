//! Which ports lead out of the fabric: up, Ethernet, and no neighbour to be heard. Devices that have such
//! ports are at the fabric's edge. What was seen once is remembered, so that a host that is switched off does
//! not turn a leaf into a spine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::fabric::{DeviceId, DeviceIdentity, InterfaceId, InterfaceInfo, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    NotUp,
    /// Since when; none if it was up before we looked.
    Up(Option<Timestamp>),
}

/// Edge ports, and those that may be.
#[derive(Debug, Default)]
pub(super) struct Edges {
    edge: BTreeMap<DeviceId, BTreeSet<Arc<str>>>,
    ports: HashMap<InterfaceId, Port>,
    due: BTreeSet<(Timestamp, InterfaceId)>,
}

impl Edges {
    /// A port's state was read.
    pub(super) fn status(&mut self, now: Timestamp, port: &InterfaceId, up: bool, edge_after: Duration) {
        let next = match (self.ports.get(port), up) {
            (Some(Port::Up(_)), true) | (Some(Port::NotUp), false) => return,
            (_, false) => Port::NotUp,
            (None, true) => Port::Up(None),
            (Some(Port::NotUp), true) => Port::Up(Some(now)),
        };
        if let Port::Up(since) = next {
            self.due.insert((since.map_or(now, |since| since + edge_after), port.clone()));
        }
        self.ports.insert(port.clone(), next);
    }

    /// More is known of a device: look at its ports (those that are up by now) again.
    pub(super) fn look_again(
        &mut self,
        now: Timestamp,
        ports: impl Iterator<Item = InterfaceId>,
        edge_after: Duration,
    ) {
        for port in ports {
            if let Some(Port::Up(since)) = self.ports.get(&port) {
                self.due.insert((since.map_or(now, |since| (since + edge_after).max(now)), port));
            }
        }
    }

    /// Ports whose time has come, each once.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<InterfaceId> {
        let mut ports = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            ports.extend(self.due.pop_first().map(|(_, port)| port));
        }
        ports
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Up by the last word, and for as long as it takes to hear a neighbour.
    pub(super) fn is_up(&self, now: Timestamp, port: &InterfaceId, edge_after: Duration) -> bool {
        match self.ports.get(port) {
            Some(Port::Up(None)) => true,
            Some(Port::Up(Some(since))) => now.since(*since) >= edge_after,
            _ => false,
        }
    }

    /// This port leads out of the fabric. True if that makes its device an edge device.
    pub(super) fn insert(&mut self, port: &InterfaceId) -> bool {
        let ports = self.edge.entry(port.device.clone()).or_default();
        ports.insert(port.if_name.clone()) && ports.len() == 1
    }

    /// It does not. True if its device is no edge device any more.
    pub(super) fn remove(&mut self, port: &InterfaceId) -> bool {
        let Some(ports) = self.edge.get_mut(&port.device) else { return false };
        ports.remove(&port.if_name);
        ports.is_empty() && self.edge.remove(&port.device).is_some()
    }

    pub(super) fn has(&self, device: &DeviceId) -> bool {
        self.edge.contains_key(device)
    }

    pub(super) fn of(&self, device: &DeviceId) -> impl Iterator<Item = &Arc<str>> {
        self.edge.get(device).into_iter().flatten()
    }

    /// All edge ports, by device and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = InterfaceId> + '_ {
        let of = |device: &DeviceId, name: &Arc<str>| InterfaceId { device: device.clone(), if_name: name.clone() };
        self.edge.iter().flat_map(move |(device, names)| names.iter().map(move |name| of(device, name)))
    }

    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.edge.remove(device);
        self.ports.retain(|port, _| port.device != *device);
        self.due.retain(|(_, port)| port.device != *device);
    }
}

/// ifTypes that are a socket for an Ethernet cable (IANAifType: ethernetCsmacd, fastEther, fastEtherFX,
/// gigabitEthernet).
pub(super) fn is_ethernet(info: &InterfaceInfo) -> bool {
    matches!(info.if_type, 6 | 62 | 69 | 117)
}

/// The port by which the device is managed is no part of the fabric. Many devices do not tell which that is,
/// but vendors name it alike.
pub(super) fn is_management(identity: &DeviceIdentity, if_name: &str) -> bool {
    if identity.management_interface.as_deref() == Some(if_name) {
        return true;
    }
    let name = if_name.to_ascii_lowercase();
    let numbered =
        |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name.starts_with("mgmt")
        || name.starts_with("management")
        || name.starts_with("oob")
        || ["fxp", "ma", "me", "vme"].into_iter().any(numbered)
        || name == "vme"
}
