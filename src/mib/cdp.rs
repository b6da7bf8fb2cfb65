//! CISCO-CDP-MIB (arc 1.3.6.1.4.1.9.9.23): whom a device hears by the Cisco Discovery Protocol.
//!
//! The index of cdpCacheTable begins with the ifIndex of the port that hears. A neighbour names itself by a text whose form
//! is its own choice: its name, its name and serial number `name(FOC123)`, a serial number, or a MAC address.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::lldp::HeardDevice;
use super::{Column, value};
use crate::fabric::{ChassisId, InterfaceInfo, ManagementAddress, Neighbor, PortId};
use crate::snmp::Value;

macro_rules! columns {
    ($($(#[$doc:meta])* $id:ident = $name:literal $arc:literal;)*) => {
        $($(#[$doc])* pub const $id: Column =
            Column { name: $name, oid: &[1, 3, 6, 1, 4, 1, 9, 9, 23, 1, 2, 1, 1, $arc] };)*
    };
}

columns! {
    /// What kind of address cdpCacheAddress is.
    ADDRESS_TYPE = "cdpCacheAddressType" 3;
    /// The first address that the neighbour announces.
    ADDRESS = "cdpCacheAddress" 4;
    /// Who is heard.
    DEVICE_ID = "cdpCacheDeviceId" 6;
    /// Which of its ports.
    DEVICE_PORT = "cdpCacheDevicePort" 7;
    /// Its sysName, where it says it.
    SYS_NAME = "cdpCacheSysName" 17;
    /// What kind of address cdpCachePrimaryMgmtAddr is.
    PRIMARY_MGMT_ADDR_TYPE = "cdpCachePrimaryMgmtAddrType" 19;
    /// The address at which it answers SNMP.
    PRIMARY_MGMT_ADDR = "cdpCachePrimaryMgmtAddr" 20;
}

/// cdpCacheTable, by ifIndex and a number of the device's own.
pub const CACHE_COLUMNS: [Column; 7] =
    [ADDRESS_TYPE, ADDRESS, DEVICE_ID, DEVICE_PORT, SYS_NAME, PRIMARY_MGMT_ADDR_TYPE, PRIMARY_MGMT_ADDR];

/// CiscoNetworkProtocol: ip.
const IP: u32 = 1;
/// LldpChassisIdSubtype and LldpPortIdSubtype, which links are named by.
const CHASSIS_MAC_ADDRESS: u8 = 4;
const CHASSIS_LOCAL: u8 = 7;
const PORT_INTERFACE_NAME: u8 = 5;

/// One row of cdpCacheTable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheRow {
    address_type: u32,
    address: Vec<u8>,
    device_id: String,
    device_port: String,
    sys_name: String,
    management_type: u32,
    management: Vec<u8>,
}

/// All rows, by ifIndex and number.
pub type CacheRows = BTreeMap<(u32, u32), CacheRow>;

/// From the index part of an instance; `None` for an index that the table does not have.
pub fn index(arcs: &[u32]) -> Option<(u32, u32)> {
    match *arcs {
        [if_index, device_index] => Some((if_index, device_index)),
        _ => None,
    }
}

impl CacheRow {
    /// Note a value of one of [`CACHE_COLUMNS`].
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        // More octets than an IPv6 address has are no address.
        let octets = || value::octets(value).map(|octets| octets[..octets.len().min(16)].to_vec()).unwrap_or_default();
        match *column {
            ADDRESS_TYPE => self.address_type = value::unsigned(value).unwrap_or(0),
            ADDRESS => self.address = octets(),
            DEVICE_ID => self.device_id = value::text(value),
            DEVICE_PORT => self.device_port = value::text(value),
            SYS_NAME => self.sys_name = value::text(value),
            PRIMARY_MGMT_ADDR_TYPE => self.management_type = value::unsigned(value).unwrap_or(0),
            PRIMARY_MGMT_ADDR => self.management = octets(),
            _ => {}
        }
    }

    /// Who it is: a MAC address where the text spells one, else the text.
    fn chassis_id(&self) -> ChassisId {
        match mac_address(&self.device_id) {
            Some(value) => ChassisId { subtype: CHASSIS_MAC_ADDRESS, value },
            None => ChassisId { subtype: CHASSIS_LOCAL, value: self.device_id.clone().into_bytes() },
        }
    }

    /// Its name; empty where it says none.
    fn name(&self) -> String {
        if !self.sys_name.is_empty() {
            return self.sys_name.clone();
        }
        if mac_address(&self.device_id).is_some() {
            return String::new();
        }
        let without_serial = match self.device_id.split_once('(') {
            Some((name, rest)) if rest.ends_with(')') && !name.is_empty() => name,
            _ => &self.device_id,
        };
        without_serial.trim().to_owned()
    }

    /// Where it can be managed, the best address first.
    fn addresses(&self) -> Vec<ManagementAddress> {
        let mut addresses = Vec::new();
        for (kind, octets) in [(self.management_type, &self.management), (self.address_type, &self.address)] {
            let Some(address) = <[u8; 4]>::try_from(octets.as_slice()).ok().map(Ipv4Addr::from) else { continue };
            let address = IpAddr::V4(address);
            // Agents that do not know of the second type leave it out.
            if matches!(kind, 0 | IP) && !address.is_unspecified() && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// A MAC address as it is spelled: pairs or fours of hexadecimal digits, or twelve of them.
fn mac_address(text: &str) -> Option<Vec<u8>> {
    let separators = text.bytes().filter(|octet| matches!(octet, b':' | b'-' | b'.')).count();
    let digits: Vec<u8> = text.bytes().filter(|octet| !matches!(octet, b':' | b'-' | b'.')).collect();
    if digits.len() != 12 || !matches!(separators, 0 | 2 | 5) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks_exact(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

/// The neighbours that the rows describe, and how many rows could not be used: no name, no port, or heard on an interface that
/// is not known.
pub fn neighbors(rows: &CacheRows, inventory: &[Arc<InterfaceInfo>]) -> (Vec<Neighbor>, usize) {
    let names: HashMap<u32, &Arc<str>> = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
    let mut unusable = 0;
    let mut neighbors = Vec::new();
    for ((if_index, _), row) in rows {
        let Some(local) = names.get(if_index).filter(|_| !row.device_id.is_empty() && !row.device_port.is_empty())
        else {
            unusable += 1;
            continue;
        };
        neighbors.push(Neighbor {
            local: Arc::clone(local),
            chassis_id: row.chassis_id(),
            port_id: PortId { subtype: PORT_INTERFACE_NAME, value: row.device_port.clone().into_bytes() },
            port_descr: String::new(),
            sys_name: row.name(),
            management_addresses: row.addresses(),
        });
    }
    (neighbors, unusable)
}

/// The devices that the rows describe, each once.
pub fn devices_heard(rows: &CacheRows) -> Vec<HeardDevice> {
    let mut devices: BTreeMap<&str, HeardDevice> = BTreeMap::new();
    for row in rows.values().filter(|row| !row.device_id.is_empty()) {
        let device = devices.entry(&row.device_id).or_insert_with(|| HeardDevice {
            chassis_id: row.chassis_id(),
            sys_name: row.name(),
            addresses: Vec::new(),
        });
        for address in row.addresses() {
            // A device has an address for each port that it speaks at; a crawl looks at few of them.
            if device.addresses.len() < 64 && !device.addresses.contains(&address) {
                device.addresses.push(address);
            }
        }
    }
    devices.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::fixture::Recording;
    use crate::mib::interfaces::inventory;

    const INTERFACES: &str = "1.3.6.1.2.1.31.1.1.1.1.1|4|Gi1/0/1\n1.3.6.1.2.1.31.1.1.1.1.2|4|Gi1/0/2\n";

    fn row(at: &str, device: &str, port: &str, address: &str, more: &str) -> String {
        let column = |arc: u32| format!("1.3.6.1.4.1.9.9.23.1.2.1.1.{arc}.{at}");
        format!(
            "{}|2|1\n{}|4x|{address}\n{}|4|{device}\n{}|4|{port}\n{more}",
            column(3),
            column(4),
            column(6),
            column(7)
        )
    }

    fn rows(text: &str) -> CacheRows {
        let recording = Recording::parse(text);
        let mut rows = CacheRows::new();
        for column in CACHE_COLUMNS {
            for (arcs, value) in recording.column(&column) {
                if let Some(index) = index(arcs) {
                    rows.entry(index).or_default().learn(&column, &value);
                }
            }
        }
        rows
    }

    #[test]
    fn names_serial_numbers_and_mac_addresses() {
        let text = INTERFACES.to_owned()
            + &row("1.7", "leaf1.example.net(FOC1234)", "Ethernet1/49", "0a630001", "")
            + &row("2.1", "b0c53cf2ad13", "gi16", "00000000", "1.3.6.1.4.1.9.9.23.1.2.1.1.17.2.1|4|annex\n")
            + &row("9.1", "who", "gi1", "0a630002", "")
            + &row("2.2", "nobody", "", "0a630002", "");
        let recording = Recording::parse(&text);
        let (neighbors, unusable) = neighbors(&rows(&text), &inventory(&recording.interface_rows()));
        assert_eq!(unusable, 2, "no such interface, no port");
        let expected = [
            Neighbor {
                local: "Gi1/0/1".into(),
                chassis_id: ChassisId { subtype: 7, value: b"leaf1.example.net(FOC1234)".to_vec() },
                port_id: PortId { subtype: 5, value: b"Ethernet1/49".to_vec() },
                port_descr: String::new(),
                sys_name: "leaf1.example.net".into(),
                management_addresses: vec!["10.99.0.1".parse().unwrap()],
            },
            Neighbor {
                local: "Gi1/0/2".into(),
                chassis_id: ChassisId { subtype: 4, value: vec![0xb0, 0xc5, 0x3c, 0xf2, 0xad, 0x13] },
                port_id: PortId { subtype: 5, value: b"gi16".to_vec() },
                port_descr: String::new(),
                sys_name: "annex".into(),
                management_addresses: vec![],
            },
        ];
        assert_eq!(neighbors, expected);
    }

    #[test]
    fn the_address_for_management_comes_first() {
        let management = "1.3.6.1.4.1.9.9.23.1.2.1.1.19.1.1|2|1\n1.3.6.1.4.1.9.9.23.1.2.1.1.20.1.1|4x|0a6300fe\n";
        let text =
            row("1.1", "spine1", "Eth1/1", "c0000201", management) + &row("2.1", "spine1", "Eth1/2", "c0000202", "");
        let devices = devices_heard(&rows(&text));
        assert_eq!(devices.len(), 1);
        let addresses: Vec<String> = devices[0].addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.99.0.254", "192.0.2.1", "192.0.2.2"]);
    }

    #[test]
    fn words_that_are_no_mac_address() {
        for text in ["b0c53cf2ad1", "b0:c5:3c:f2:ad:1x", "switch-12-ab", "", "b0c5:3cf2ad13"] {
            assert_eq!(mac_address(text), None, "{text}");
        }
        assert_eq!(mac_address("b0c5.3cf2.ad13"), mac_address("B0:C5:3C:F2:AD:13"));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn anything_may_be_in_a_row(
            cells in proptest::collection::vec((0u32..4, 0usize..7, proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)), 0..24),
        ) {
            let mut table = CacheRows::new();
            for (at, column, octets) in &cells {
                table.entry((*at, 1)).or_default().learn(&CACHE_COLUMNS[*column], &Value::OctetString(octets));
            }
            let info = InterfaceInfo { if_name: "p1".into(), if_index: 1, ..InterfaceInfo::default() };
            let (found, unusable) = neighbors(&table, &[Arc::new(info)]);
            proptest::prop_assert_eq!(found.len() + unusable, table.len());
            proptest::prop_assert!(devices_heard(&table).iter().all(|device| device.addresses.len() <= 64));
        }
    }
}
