//! Who is who: the devices that we watch, by everything that a neighbour may call them and their ports.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::fabric::{ChassisId, DeviceId, DeviceIdentity, InterfaceInfo, Neighbor, PortId};

use super::announced::{ID_MAX, Mac, NAME_MAX, address_of, mac_of, tells_apart, text_of, tidy};

/// A key that more devices share than this tells nothing (`localhost`, a virtual router's MAC). It also bounds
/// how often one more device with that key makes rows be looked at again.
const CROWD: usize = 8;

/// More management addresses than this of one neighbour are not looked at.
const ADDRESSES_MAX: usize = 8;

/// One thing a device may be called by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Key {
    /// Chassis id, subtype and value.
    Chassis(u8, Box<[u8]>),
    /// A MAC address of any of its interfaces, or of its chassis.
    Mac(Mac),
    /// An address it is polled or managed by.
    Address(IpAddr),
    /// Its whole name in lower case.
    Name(Box<str>),
    /// Its name without the domain, where it has one.
    Short(Box<str>),
}

/// The name without its domain; none where there is none to cut off.
fn short(name: &str) -> Option<&str> {
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    name.split_once('.').map(|(short, _)| short).filter(|short| !short.is_empty())
}

fn chassis_keys(keys: &mut Vec<Key>, ChassisId { subtype, value }: &ChassisId) {
    if value.is_empty() || value.len() > ID_MAX {
        return;
    }
    match subtype {
        4 => keys.extend(mac_of(value).map(Key::Mac)),
        5 => keys.extend(address_of(value).filter(|address| tells_apart(*address)).map(Key::Address)),
        _ => keys.push(Key::Chassis(*subtype, value.as_slice().into())),
    }
}

/// By what a row may be found, the strongest first.
pub(super) fn keys_of_row(row: &Neighbor) -> Vec<Key> {
    let mut keys = Vec::new();
    chassis_keys(&mut keys, &row.chassis_id);
    let addresses = row.management_addresses.iter().take(ADDRESSES_MAX);
    keys.extend(addresses.copied().filter(|address| tells_apart(*address)).map(Key::Address));
    let local = if matches!(row.chassis_id.subtype, 4 | 5) { None } else { text_of(&row.chassis_id.value) };
    for name in local.into_iter().chain([tidy(&row.sys_name)]).filter(|name| !name.is_empty()) {
        let name = name.to_lowercase();
        keys.push(Key::Name(name.as_str().into()));
        match short(&name) {
            // `leaf1.example.net` is the `leaf1` that says no domain, but never the `leaf1` of another domain.
            Some(short) => keys.push(Key::Name(short.into())),
            None => keys.push(Key::Short(name.into())),
        }
    }
    keys
}

fn keys_of_device(id: &DeviceId, identity: &DeviceIdentity, ports: &Ports) -> BTreeSet<Key> {
    let mut keys = Vec::new();
    if let Some(chassis) = &identity.chassis_id {
        chassis_keys(&mut keys, chassis);
    }
    let addresses = identity.address.iter().map(std::net::SocketAddr::ip);
    let addresses = addresses.chain(identity.management_addresses.iter().copied());
    keys.extend(addresses.filter(|address| tells_apart(*address)).map(Key::Address));
    for name in [id.as_str(), identity.sys_name.as_str()] {
        let name = tidy(name).to_lowercase();
        if name.is_empty() {
            continue;
        }
        if let Some(short) = short(&name) {
            keys.push(Key::Short(short.into()));
        }
        keys.push(Key::Name(name.into()));
    }
    keys.into_iter().chain(ports.by_mac.keys().copied().map(Key::Mac)).collect()
}

/// The ports of one device by everything they may be called; `None` where two ports share it.
#[derive(Debug, Default)]
struct Ports {
    by_name: HashMap<String, Option<Arc<str>>>,
    by_descr: HashMap<String, Option<Arc<str>>>,
    by_alias: HashMap<String, Option<Arc<str>>>,
    by_mac: HashMap<Mac, Option<Arc<str>>>,
    by_index: HashMap<u32, Option<Arc<str>>>,
    by_local: HashMap<(u8, Vec<u8>), Option<Arc<str>>>,
}

fn note<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Option<Arc<str>>>, key: K, port: &Arc<str>) {
    map.entry(key)
        .and_modify(|known| {
            if known.as_ref() != Some(port) {
                *known = None;
            }
        })
        .or_insert_with(|| Some(port.clone()));
}

impl Ports {
    fn new(inventory: &[Arc<InterfaceInfo>], identity: &DeviceIdentity) -> Self {
        let mut ports = Self::default();
        for info in inventory {
            let name = &info.if_name;
            note(&mut ports.by_name, tidy(name), name);
            for (map, text) in [(&mut ports.by_descr, &info.if_descr), (&mut ports.by_alias, &info.if_alias)] {
                let text = tidy(text);
                if !text.is_empty() {
                    note(map, text, name);
                }
            }
            if let Some(mac) = mac_of(&info.phys_address) {
                note(&mut ports.by_mac, mac, name);
            }
            if info.if_index != 0 {
                note(&mut ports.by_index, info.if_index, name);
            }
        }
        for (name, PortId { subtype, value }) in &identity.local_ports {
            if !value.is_empty() && value.len() <= ID_MAX {
                note(&mut ports.by_local, (*subtype, value.clone()), name);
            }
        }
        ports
    }

    /// The one port that fits, by the strongest evidence that there is.
    fn find(&self, PortId { subtype, value }: &PortId, descr: &str) -> Option<&Arc<str>> {
        fn unique<'a, K, Q>(map: &'a HashMap<K, Option<Arc<str>>>, key: &Q) -> Option<&'a Arc<str>>
        where
            K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
            Q: std::hash::Hash + Eq + ?Sized,
        {
            map.get(key)?.as_ref()
        }
        // The device's own word for its port is as good as it gets, whatever the subtype.
        if let Some(port) = unique(&self.by_local, &(*subtype, value.clone())) {
            return Some(port);
        }
        let text = text_of(value);
        let text = text.as_deref();
        let by_name = || text.and_then(|text| unique(&self.by_name, text).or_else(|| unique(&self.by_descr, text)));
        let by_alias = || text.and_then(|text| unique(&self.by_alias, text));
        let by_index = || text.and_then(|text| unique(&self.by_index, &text.parse().ok()?));
        let port = match subtype {
            1 => by_alias().or_else(by_name),
            3 => mac_of(value).and_then(|mac| unique(&self.by_mac, &mac)),
            7 => by_name().or_else(by_index),
            2 | 5 => by_name(),
            _ => None,
        };
        port.or_else(|| {
            if descr.is_empty() {
                return None;
            }
            unique(&self.by_name, descr)
                .or_else(|| unique(&self.by_descr, descr))
                .or_else(|| unique(&self.by_alias, descr))
        })
    }
}

/// One device that we watch.
#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) identity: Arc<DeviceIdentity>,
    pub(super) inventory: HashMap<Arc<str>, Arc<InterfaceInfo>>,
    /// It told something since we started; false while it is only remembered.
    pub(super) seen: bool,
    keys: BTreeSet<Key>,
    ports: Ports,
}

/// What became different about a device: whoever depends on it looks again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shift {
    /// Keys that it gained or lost.
    pub(super) keys: Vec<Key>,
    /// Its ports go by other names.
    pub(super) ports: bool,
}

/// All devices that we watch.
#[derive(Debug, Default)]
pub(super) struct Directory {
    devices: HashMap<DeviceId, Device>,
    by_key: HashMap<Key, BTreeSet<DeviceId>>,
}

impl Directory {
    pub(super) fn get(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        self.devices.iter()
    }

    /// Note that a device exists; `seen` says that it is no mere memory.
    pub(super) fn meet(&mut self, id: &DeviceId, seen: bool) -> Shift {
        let known = self.devices.contains_key(id);
        let device = self.devices.entry(id.clone()).or_default();
        device.seen |= seen;
        if known { Shift::default() } else { self.reindex(id) }
    }

    pub(super) fn learn_identity(&mut self, id: &DeviceId, identity: &Arc<DeviceIdentity>) -> Shift {
        let device = self.devices.entry(id.clone()).or_default();
        if device.identity == *identity {
            return Shift::default();
        }
        let ports = device.identity.local_ports != identity.local_ports;
        device.identity = identity.clone();
        if ports {
            let inventory: Vec<_> = device.inventory.values().cloned().collect();
            device.ports = Ports::new(&inventory, &device.identity);
        }
        Shift { ports, ..self.reindex(id) }
    }

    pub(super) fn learn_inventory(&mut self, id: &DeviceId, interfaces: &[Arc<InterfaceInfo>]) -> Shift {
        let device = self.devices.entry(id.clone()).or_default();
        let same = device.inventory.len() == interfaces.len()
            && interfaces.iter().all(|info| device.inventory.get(&info.if_name) == Some(info));
        if same {
            return Shift::default();
        }
        device.inventory = interfaces.iter().map(|info| (info.if_name.clone(), info.clone())).collect();
        device.ports = Ports::new(interfaces, &device.identity);
        Shift { ports: true, ..self.reindex(id) }
    }

    pub(super) fn forget(&mut self, id: &DeviceId) -> Shift {
        let Some(device) = self.devices.remove(id) else { return Shift::default() };
        let mut shift = Shift { keys: Vec::new(), ports: true };
        for key in device.keys {
            if let Some(devices) = self.by_key.get_mut(&key) {
                let crowded = devices.len() > CROWD + 1;
                devices.remove(id);
                if devices.is_empty() {
                    self.by_key.remove(&key);
                }
                if !crowded {
                    shift.keys.push(key);
                }
            }
        }
        shift
    }

    fn reindex(&mut self, id: &DeviceId) -> Shift {
        let Some(device) = self.devices.get_mut(id) else { return Shift::default() };
        let keys = keys_of_device(id, &device.identity, &device.ports);
        let old = std::mem::replace(&mut device.keys, keys);
        let mut shift = Shift::default();
        for key in old.symmetric_difference(&device.keys) {
            let devices = self.by_key.entry(key.clone()).or_default();
            let before = devices.len();
            if device.keys.contains(key) {
                devices.insert(id.clone());
            } else {
                devices.remove(id);
            }
            if before.min(devices.len()) <= CROWD {
                shift.keys.push(key.clone());
            }
            if devices.is_empty() {
                self.by_key.remove(key);
            }
        }
        shift
    }

    /// The one device that fits all that is said, or none: never a guess between two.
    pub(super) fn find_device(&self, keys: &[Key], chassis: &ChassisId) -> Option<&DeviceId> {
        let mut narrowed: Option<Vec<&DeviceId>> = None;
        for key in keys {
            let Some(devices) = self.by_key.get(key).filter(|devices| devices.len() <= CROWD) else { continue };
            let fits = |id: &&DeviceId| match key {
                Key::Name(_) | Key::Short(_) => !self.denies(id, chassis),
                _ => true,
            };
            let fitting: Vec<&DeviceId> = match &narrowed {
                None => devices.iter().filter(fits).collect(),
                Some(narrowed) => narrowed.iter().copied().filter(|id| devices.contains(*id)).filter(fits).collect(),
            };
            match fitting.as_slice() {
                [] => {}
                [one] => return Some(one),
                _ => narrowed = Some(fitting),
            }
        }
        None
    }

    /// A name alone does not make a device: one that is known to announce another chassis id of the same kind
    /// is only a namesake.
    fn denies(&self, id: &DeviceId, chassis: &ChassisId) -> bool {
        let Some(device) = self.devices.get(id) else { return true };
        let Some(own) = &device.identity.chassis_id else { return false };
        if own.subtype != chassis.subtype || own.value == chassis.value {
            return false;
        }
        match chassis.subtype {
            4 => match (mac_of(&own.value), mac_of(&chassis.value)) {
                (Some(own), Some(said)) => own != said && !device.ports.by_mac.contains_key(&said),
                _ => false,
            },
            _ => true,
        }
    }

    /// The one port of the device that fits.
    pub(super) fn find_port(&self, id: &DeviceId, port: &PortId, descr: &str) -> Option<&Arc<str>> {
        self.devices.get(id)?.ports.find(port, descr)
    }
}

/// A row's port id and description, cut to what the standard allows.
pub(super) fn bounded_port(row: &Neighbor) -> (PortId, String) {
    let mut port = row.port_id.clone();
    port.value.truncate(ID_MAX + 1);
    let descr = if row.port_descr.len() > 4 * NAME_MAX { String::new() } else { tidy(&row.port_descr) };
    (port, descr)
}
