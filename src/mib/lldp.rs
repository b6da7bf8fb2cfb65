//! LLDP-MIB (IEEE 802.1AB-2005, arc 1.0.8802.1.1.2): who a device is to its neighbours, and whom it hears.
//!
//! A row of lldpRemTable names the local port by lldpPortNum. The standard does not say that this is the
//! ifIndex, and on many devices it is not; [`LocalPorts`] finds the interface behind the number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::value::{self, clean};
use super::{Column, Scalar};
use crate::fabric::{ChassisId, InterfaceInfo, ManagementAddress, Neighbor, PortId};
use crate::snmp::Value;

macro_rules! objects {
    ($($(#[$doc:meta])* $id:ident = $name:literal [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub const $id: Column =
            Column { name: $name, oid: &[1, 0, 8802, 1, 1, 2, 1, $($arc),*] };)*
    };
}

objects! {
    /// What kind of value lldpLocPortId is.
    LOC_PORT_ID_SUBTYPE = "lldpLocPortIdSubtype" [3, 7, 1, 2];
    /// How the device names this port to its neighbours.
    LOC_PORT_ID = "lldpLocPortId" [3, 7, 1, 3];
    /// The port in words; by the standard ifDescr.
    LOC_PORT_DESC = "lldpLocPortDesc" [3, 7, 1, 4];
    /// Whose index holds the addresses that neighbours may name the device by.
    LOC_MAN_ADDR_IF_ID = "lldpLocManAddrIfId" [3, 8, 1, 5];
    /// What kind of value lldpRemChassisId is.
    REM_CHASSIS_ID_SUBTYPE = "lldpRemChassisIdSubtype" [4, 1, 1, 4];
    /// Who is heard.
    REM_CHASSIS_ID = "lldpRemChassisId" [4, 1, 1, 5];
    /// What kind of value lldpRemPortId is.
    REM_PORT_ID_SUBTYPE = "lldpRemPortIdSubtype" [4, 1, 1, 6];
    /// Which of its ports.
    REM_PORT_ID = "lldpRemPortId" [4, 1, 1, 7];
    /// That port in words.
    REM_PORT_DESC = "lldpRemPortDesc" [4, 1, 1, 8];
    /// Its name.
    REM_SYS_NAME = "lldpRemSysName" [4, 1, 1, 9];
    /// Whose index holds the addresses that it can be managed by.
    REM_MAN_ADDR_IF_SUBTYPE = "lldpRemManAddrIfSubtype" [4, 2, 1, 3];
}

/// What kind of value lldpLocChassisId is.
pub const LOC_CHASSIS_ID_SUBTYPE: Scalar =
    Scalar { name: "lldpLocChassisIdSubtype", oid: &[1, 0, 8802, 1, 1, 2, 1, 3, 1, 0] };
/// Who the device says it is.
pub const LOC_CHASSIS_ID: Scalar = Scalar { name: "lldpLocChassisId", oid: &[1, 0, 8802, 1, 1, 2, 1, 3, 2, 0] };
/// sysUpTime at the last change of the tables of neighbours. Agents without it have noSuchInstance here.
pub const REM_TABLES_LAST_CHANGE: Scalar =
    Scalar { name: "lldpStatsRemTablesLastChangeTime", oid: &[1, 0, 8802, 1, 1, 2, 1, 2, 1, 0] };

/// lldpLocPortTable, by lldpPortNum.
pub const LOCAL_PORT_COLUMNS: [Column; 3] = [LOC_PORT_ID_SUBTYPE, LOC_PORT_ID, LOC_PORT_DESC];
/// lldpRemTable, by time mark, lldpPortNum and row.
pub const REMOTE_COLUMNS: [Column; 6] =
    [REM_CHASSIS_ID_SUBTYPE, REM_CHASSIS_ID, REM_PORT_ID_SUBTYPE, REM_PORT_ID, REM_PORT_DESC, REM_SYS_NAME];

/// Longest chassis or port id kept, octets (IEEE 802.1AB: 255).
const ID_MAX: usize = 255;

// LldpPortIdSubtype
const PORT_INTERFACE_ALIAS: u8 = 1;
const PORT_MAC_ADDRESS: u8 = 3;
const PORT_INTERFACE_NAME: u8 = 5;
const PORT_LOCAL: u8 = 7;

/// One row of lldpLocPortTable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPort {
    /// lldpLocPortIdSubtype; 0 where missing.
    pub subtype: u8,
    /// lldpLocPortId.
    pub id: Vec<u8>,
    /// lldpLocPortDesc.
    pub descr: String,
}

impl LocalPort {
    /// Note a value of one of [`LOCAL_PORT_COLUMNS`].
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        match *column {
            LOC_PORT_ID_SUBTYPE => self.subtype = subtype(value),
            LOC_PORT_ID => self.id = id_octets(value),
            LOC_PORT_DESC => self.descr = value::text(value),
            _ => {}
        }
    }
}

/// One row of lldpRemTable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteRow {
    chassis_subtype: u8,
    chassis: Vec<u8>,
    port_subtype: u8,
    port: Vec<u8>,
    port_descr: String,
    sys_name: String,
}

impl RemoteRow {
    /// Note a value of one of [`REMOTE_COLUMNS`].
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        match *column {
            REM_CHASSIS_ID_SUBTYPE => self.chassis_subtype = subtype(value),
            REM_CHASSIS_ID => self.chassis = id_octets(value),
            REM_PORT_ID_SUBTYPE => self.port_subtype = subtype(value),
            REM_PORT_ID => self.port = id_octets(value),
            REM_PORT_DESC => self.port_descr = value::text(value),
            REM_SYS_NAME => self.sys_name = value::text(value),
            _ => {}
        }
    }
}

/// Which row of lldpRemTable: lldpRemTimeMark, lldpRemLocalPortNum, lldpRemIndex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteIndex {
    /// sysUpTime when the row last changed.
    pub time_mark: u32,
    /// The local port that hears it.
    pub port: u32,
    /// Which of those heard there.
    pub row: u32,
}

impl RemoteIndex {
    /// From the index part of an instance; `None` for an index that the table does not have.
    pub fn parse(index: &[u32]) -> Option<Self> {
        match *index {
            [time_mark, port, row] => Some(Self { time_mark, port, row }),
            _ => None,
        }
    }
}

/// The row and the address that an index of lldpRemManAddrTable holds; `None` for an address of a family
/// that is neither IPv4 nor IPv6 (a MAC address, mostly).
pub fn remote_address(index: &[u32]) -> Option<(RemoteIndex, ManagementAddress)> {
    let (row, address) = index.split_at_checked(3)?;
    Some((RemoteIndex::parse(row)?, address_of(address)?))
}

/// The address that an index of lldpLocManAddrTable holds.
pub fn local_address(index: &[u32]) -> Option<ManagementAddress> {
    address_of(index)
}

/// Address family (IANA), length, octets. Some agents count a closing NUL among the octets.
pub(super) fn address_of(index: &[u32]) -> Option<IpAddr> {
    let octets = |arcs: &[u32]| arcs.iter().map(|&arc| u8::try_from(arc).ok()).collect::<Option<Vec<u8>>>();
    let v4 = |arcs: &[u32]| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets(arcs)?).ok()?)));
    let v6 = |arcs: &[u32]| Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets(arcs)?).ok()?)));
    let address = match index {
        [1, 4, rest @ ..] if rest.len() == 4 => v4(rest),
        [2, 16, rest @ ..] if rest.len() == 16 => v6(rest),
        [1, 5, rest @ .., 0] if rest.len() == 4 => v4(rest),
        _ => None,
    }?;
    (!address.is_unspecified()).then_some(address)
}

/// The interface behind each lldpPortNum of a device.
#[derive(Clone, Debug, Default)]
pub struct LocalPorts {
    by_number: BTreeMap<u32, Arc<str>>,
    /// lldpPortNum is an ifIndex here, as far as is known: where the table has no row the number counts.
    numbers_are_indexes: bool,
    by_index: HashMap<u32, Arc<str>>,
    ids: Vec<(Arc<str>, PortId)>,
}

impl LocalPorts {
    /// Join lldpLocPortTable with the inventory.
    ///
    /// A port's own words come first: its id, read as its subtype says (interface name, alias, MAC address;
    /// local and absent subtypes as a name), then its description; a word counts only if it fits exactly
    /// one interface. What no word finds may be the interface whose ifIndex is the port's local id (where
    /// that is digits), else the one whose ifIndex is the port's number: each only on devices where the ports
    /// that words did find do not show the contrary, and never an interface that words gave to another port.
    pub fn join(ports: &BTreeMap<u32, LocalPort>, inventory: &[Arc<InterfaceInfo>]) -> Self {
        let words = Words::of(inventory);
        let by_index: HashMap<u32, Arc<str>> =
            inventory.iter().map(|info| (info.if_index, info.if_name.clone())).collect();
        let mut by_number: BTreeMap<u32, Arc<str>> = BTreeMap::new();
        // Ports found by words whose number (or id) is the ifIndex, less those where it is not.
        let (mut numbers, mut ids) = (0i64, 0i64);
        for (&number, port) in ports {
            if let Some(info) = words.find(port) {
                by_number.insert(number, info.if_name.clone());
                numbers += if info.if_index == number { 1 } else { -1 };
                ids += port.digits().map_or(0, |id| if info.if_index == id { 1 } else { -1 });
            }
        }
        let numbers_are_indexes = numbers >= 0;
        let taken: HashSet<Arc<str>> = by_number.values().cloned().collect();
        for (&number, port) in ports {
            let by_id = port.digits().filter(|_| ids >= 0).and_then(|id| by_index.get(&id));
            let found = by_id.or_else(|| by_index.get(&number).filter(|_| numbers_are_indexes));
            if let Some(name) = found.filter(|name| !taken.contains(*name)) {
                by_number.entry(number).or_insert_with(|| name.clone());
            }
        }
        let ids = by_number
            .iter()
            .filter_map(|(number, name)| {
                let port = ports.get(number).filter(|port| !port.id.is_empty())?;
                Some((name.clone(), PortId { subtype: port.subtype_or_guess(), value: port.id.clone() }))
            })
            .collect();
        Self { by_number, numbers_are_indexes, by_index, ids }
    }

    /// The interface behind a number, where it can be told.
    pub fn interface(&self, number: u32) -> Option<&Arc<str>> {
        self.by_number.get(&number).or_else(|| self.by_index.get(&number).filter(|_| self.numbers_are_indexes))
    }

    /// How the device names each of its interfaces to its neighbours.
    pub fn ids(&self) -> &[(Arc<str>, PortId)] {
        &self.ids
    }
}

impl LocalPort {
    /// A local id that is nothing but a number.
    fn digits(&self) -> Option<u32> {
        let text = clean(&self.id);
        let is_number = self.subtype_or_guess() == PORT_LOCAL && text.bytes().all(|octet| octet.is_ascii_digit());
        is_number.then(|| text.parse().ok())?
    }

    /// Agents that leave the subtype out mean a MAC address where it is six octets that are no text, else a
    /// name of their own.
    fn subtype_or_guess(&self) -> u8 {
        match self.subtype {
            0 if self.id.len() == 6 && !self.id.iter().all(|octet| (0x20..0x7f).contains(octet)) => PORT_MAC_ADDRESS,
            0 => PORT_LOCAL,
            subtype => subtype,
        }
    }
}

/// What interfaces are called, each word with the one interface that it fits (or none: it fits several).
#[derive(Default)]
struct Words<'a> {
    names: HashMap<&'a str, Option<&'a InterfaceInfo>>,
    descrs: HashMap<&'a str, Option<&'a InterfaceInfo>>,
    aliases: HashMap<&'a str, Option<&'a InterfaceInfo>>,
    macs: HashMap<&'a [u8], Option<&'a InterfaceInfo>>,
}

impl<'a> Words<'a> {
    fn of(inventory: &'a [Arc<InterfaceInfo>]) -> Self {
        fn note<'i, K: Hash + Eq>(words: &mut HashMap<K, Option<&'i InterfaceInfo>>, word: K, info: &'i InterfaceInfo) {
            words.entry(word).and_modify(|only| *only = None).or_insert(Some(info));
        }
        let mut words = Self::default();
        for info in inventory {
            note(&mut words.names, &*info.if_name, info);
            for (map, word) in [(&mut words.descrs, &info.if_descr), (&mut words.aliases, &info.if_alias)] {
                if !word.is_empty() {
                    note(map, word.as_str(), info);
                }
            }
            if !info.phys_address.is_empty() {
                note(&mut words.macs, &info.phys_address, info);
            }
        }
        words
    }

    fn find(&self, port: &LocalPort) -> Option<&'a InterfaceInfo> {
        let text = clean(&port.id);
        let name = |word: &str| one(&self.names, word).or_else(|| one(&self.descrs, word));
        let by_id = match port.subtype_or_guess() {
            PORT_INTERFACE_ALIAS => one(&self.aliases, text.as_str()).or_else(|| name(&text)),
            PORT_MAC_ADDRESS => one(&self.macs, value::phys_address(&port.id).as_slice()),
            PORT_INTERFACE_NAME => name(&text),
            // Digits alone are a number of the device's own, not a name.
            _ if text.bytes().all(|octet| octet.is_ascii_digit()) => None,
            _ => name(&text),
        };
        by_id.or_else(|| name(&port.descr)).or_else(|| one(&self.aliases, port.descr.as_str()))
    }
}

fn one<'a, K: Hash + Eq + std::borrow::Borrow<Q>, Q: Hash + Eq + ?Sized>(
    words: &HashMap<K, Option<&'a InterfaceInfo>>,
    word: &Q,
) -> Option<&'a InterfaceInfo> {
    words.get(word).copied().flatten()
}

/// The neighbours that the rows describe, and how many rows could not be used: no chassis or port id, or a
/// local port whose interface cannot be told.
///
/// Where one port has several rows of the same neighbour (agents that keep the old row beside the new),
/// the one with the latest time mark counts.
pub fn neighbors(
    rows: &BTreeMap<RemoteIndex, RemoteRow>,
    addresses: &[(RemoteIndex, ManagementAddress)],
    ports: &LocalPorts,
) -> (Vec<Neighbor>, usize) {
    let mut addresses_of: HashMap<RemoteIndex, Vec<ManagementAddress>> = HashMap::new();
    for (index, address) in addresses {
        addresses_of.entry(*index).or_default().push(*address);
    }
    let mut unusable = 0;
    let mut newest = BTreeMap::new();
    // In the order of time marks: a later row takes the place of an earlier one.
    for (index, row) in rows {
        let Some(local) = ports.interface(index.port).filter(|_| !row.chassis.is_empty() && !row.port.is_empty())
        else {
            unusable += 1;
            continue;
        };
        let neighbor = Neighbor {
            local: local.clone(),
            chassis_id: ChassisId { subtype: row.chassis_subtype, value: row.chassis.clone() },
            port_id: PortId { subtype: row.port_subtype, value: row.port.clone() },
            port_descr: row.port_descr.clone(),
            sys_name: row.sys_name.clone(),
            management_addresses: addresses_of.remove(index).unwrap_or_default(),
        };
        newest.insert((local.clone(), row.chassis.clone(), row.port.clone()), neighbor);
    }
    (newest.into_values().collect(), unusable)
}

/// A device that is heard, whichever port hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardDevice {
    /// lldpRemChassisId.
    pub chassis_id: ChassisId,
    /// lldpRemSysName; may be empty.
    pub sys_name: String,
    /// lldpRemManAddr of all its rows, each once.
    pub addresses: Vec<ManagementAddress>,
}

/// The devices that the rows describe, each once. Rows without a chassis id tell of nobody.
pub fn devices_heard(
    rows: &BTreeMap<RemoteIndex, RemoteRow>,
    addresses: &[(RemoteIndex, ManagementAddress)],
) -> Vec<HeardDevice> {
    let mut addresses_of: HashMap<RemoteIndex, Vec<ManagementAddress>> = HashMap::new();
    for (index, address) in addresses {
        addresses_of.entry(*index).or_default().push(*address);
    }
    let mut devices: BTreeMap<(u8, &[u8]), HeardDevice> = BTreeMap::new();
    let mut known = HashSet::new();
    for (index, row) in rows.iter().filter(|(_, row)| !row.chassis.is_empty()) {
        let key = (row.chassis_subtype, row.chassis.as_slice());
        let device = devices.entry(key).or_insert_with(|| HeardDevice {
            chassis_id: ChassisId { subtype: row.chassis_subtype, value: row.chassis.clone() },
            sys_name: String::new(),
            addresses: Vec::new(),
        });
        // In the order of time marks: the name in a later row is that of now.
        if !row.sys_name.is_empty() {
            device.sys_name.clone_from(&row.sys_name);
        }
        let told = addresses_of.remove(index).unwrap_or_default();
        device.addresses.extend(told.into_iter().filter(|address| known.insert((key, *address))));
    }
    devices.into_values().collect()
}

/// A chassis id in words.
pub fn chassis_text(chassis: &ChassisId) -> String {
    id_text(&chassis.value)
}

/// What a neighbour calls itself: its name, else its chassis id in words.
pub fn device_text(neighbor: &Neighbor) -> String {
    if neighbor.sys_name.is_empty() { id_text(&neighbor.chassis_id.value) } else { neighbor.sys_name.clone() }
}

/// What a neighbour calls its port: the id where that is a name, the description where the id is a MAC address
/// or a number of its own and there is a description.
pub fn port_text(neighbor: &Neighbor) -> String {
    let PortId { subtype, value } = &neighbor.port_id;
    let id = id_text(value);
    let says_nothing = *subtype == PORT_MAC_ADDRESS || id.bytes().all(|octet| octet.is_ascii_digit());
    if says_nothing && !neighbor.port_descr.is_empty() { neighbor.port_descr.clone() } else { id }
}

/// Octets as text where they are text, else in hexadecimal with colons.
fn id_text(octets: &[u8]) -> String {
    let printable = octets.iter().all(|octet| (0x20..0x7f).contains(octet));
    if printable && !octets.is_empty() {
        return clean(octets);
    }
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// lldpLocChassisId with its subtype, where the device has both.
pub fn local_chassis(subtype: u32, id: &[u8]) -> Option<ChassisId> {
    let subtype = u8::try_from(subtype).ok().filter(|&subtype| subtype != 0)?;
    let value = id[..id.len().min(ID_MAX)].to_vec();
    (!value.is_empty()).then_some(ChassisId { subtype, value })
}

fn subtype(value: &Value<'_>) -> u8 {
    value::unsigned(value).and_then(|subtype| u8::try_from(subtype).ok()).unwrap_or(0)
}

fn id_octets(value: &Value<'_>) -> Vec<u8> {
    value::octets(value).map(|octets| octets[..octets.len().min(ID_MAX)].to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
