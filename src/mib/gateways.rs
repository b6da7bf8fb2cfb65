//! VRRP-MIB (RFC 2787), VRRPV3-MIB (RFC 6527) and CISCO-HSRP-MIB: the addresses that a router shares with others, and whether
//! it answers for them.
//!
//! Routers share an address if protocol, group and address are the same. VRRP's tables name the address in the index of another
//! table; a virtual router without an address there is left out, for nobody can tell with whom it is shared.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{Column, value};
use crate::fabric::{Gateway, GatewayProtocol, GatewayRole, InterfaceInfo};
use crate::snmp::Value;

/// vrrpOperTable, by ifIndex and virtual router: the state.
pub const VRRP_OPER_STATE: Column = Column { name: "vrrpOperState", oid: &[1, 3, 6, 1, 2, 1, 68, 1, 3, 1, 3] };
/// vrrpAssoIpAddrTable, by ifIndex, virtual router and address.
pub const VRRP_ASSO_IP_ADDR_ROW_STATUS: Column =
    Column { name: "vrrpAssoIpAddrRowStatus", oid: &[1, 3, 6, 1, 2, 1, 68, 1, 4, 1, 2] };
/// vrrpv3OperationsTable, by ifIndex, virtual router and kind of address: the state.
pub const VRRPV3_OPERATIONS_STATUS: Column =
    Column { name: "vrrpv3OperationsStatus", oid: &[1, 3, 6, 1, 2, 1, 207, 1, 1, 1, 1, 6] };
/// vrrpv3AssociatedIpAddrTable, by ifIndex, virtual router, kind of address and address.
pub const VRRPV3_ASSOCIATED_IP_ADDR_ROW_STATUS: Column =
    Column { name: "vrrpv3AssociatedIpAddrRowStatus", oid: &[1, 3, 6, 1, 2, 1, 207, 1, 1, 2, 1, 2] };
/// cHsrpGrpTable, by ifIndex and group: the address.
pub const HSRP_VIRTUAL_IP_ADDR: Column =
    Column { name: "cHsrpGrpVirtualIpAddr", oid: &[1, 3, 6, 1, 4, 1, 9, 9, 106, 1, 2, 1, 1, 11] };
/// cHsrpGrpTable: the state.
pub const HSRP_STANDBY_STATE: Column =
    Column { name: "cHsrpGrpStandbyState", oid: &[1, 3, 6, 1, 4, 1, 9, 9, 106, 1, 2, 1, 1, 15] };

/// cHsrpGrpTable, by ifIndex and group.
pub const HSRP_COLUMNS: [Column; 2] = [HSRP_VIRTUAL_IP_ADDR, HSRP_STANDBY_STATE];

/// Rows kept of one device: a gateway for each VLAN of each kind of address.
const ROWS_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    role: Option<GatewayRole>,
    address: Option<IpAddr>,
}

/// Which row: protocol, ifIndex, group, and whether its address is of version 6.
type RowKey = (GatewayProtocol, u32, u32, bool);

/// All rows of all tables.
#[derive(Clone, Debug, Default)]
pub struct GatewayRows {
    rows: BTreeMap<RowKey, Row>,
}

impl GatewayRows {
    /// Nothing was read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of another table as well.
    pub fn join(&mut self, other: Self) {
        for (key, row) in other.rows {
            if let Some(known) = self.row(key) {
                known.role = row.role.or(known.role);
                known.address = row.address.or(known.address);
            }
        }
    }

    fn row(&mut self, key: RowKey) -> Option<&mut Row> {
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            return None;
        }
        Some(self.rows.entry(key).or_default())
    }

    /// Note a value of [`VRRP_OPER_STATE`] or [`VRRPV3_OPERATIONS_STATUS`].
    pub fn learn_vrrp_state(&mut self, index: &[u32], value: &Value<'_>) {
        let (if_index, group, is_v6) = match *index {
            [if_index, group] => (if_index, group, false),
            [if_index, group, kind @ (1 | 2)] => (if_index, group, kind == 2),
            _ => return,
        };
        let role = match value::number(value) {
            Some(3) => GatewayRole::Master,
            Some(2) => GatewayRole::Backup,
            Some(1) => GatewayRole::Idle,
            _ => return,
        };
        if let Some(row) = self.row((GatewayProtocol::Vrrp, if_index, group, is_v6)) {
            row.role = Some(role);
        }
    }

    /// Note a row of [`VRRP_ASSO_IP_ADDR_ROW_STATUS`] or [`VRRPV3_ASSOCIATED_IP_ADDR_ROW_STATUS`]: of several addresses the
    /// lowest counts, so that all routers name the same.
    pub fn learn_vrrp_address(&mut self, index: &[u32]) {
        let (if_index, group, is_v6, octets) = match index {
            [if_index, group, rest @ ..] if rest.len() == 4 => (*if_index, *group, false, rest),
            [if_index, group, 1, 4, rest @ ..] if rest.len() == 4 => (*if_index, *group, false, rest),
            [if_index, group, 2, 16, rest @ ..] if rest.len() == 16 => (*if_index, *group, true, rest),
            _ => return,
        };
        let Some(address) = address(octets) else { return };
        if let Some(row) = self.row((GatewayProtocol::Vrrp, if_index, group, is_v6)) {
            row.address = Some(row.address.map_or(address, |known| known.min(address)));
        }
    }

    /// Note a value of one of [`HSRP_COLUMNS`].
    pub fn learn_hsrp(&mut self, index: &[u32], column: &Column, value: &Value<'_>) {
        let &[if_index, group] = index else { return };
        let Some(row) = self.row((GatewayProtocol::Hsrp, if_index, group, false)) else { return };
        match *column {
            HSRP_VIRTUAL_IP_ADDR => {
                let address = match value {
                    Value::IpAddress(address) => Some(*address),
                    value => {
                        value::octets(value).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(Ipv4Addr::from)
                    }
                };
                row.address = address.filter(|address| !address.is_unspecified()).map(IpAddr::V4);
            }
            HSRP_STANDBY_STATE => {
                row.role = match value::number(value) {
                    Some(6) => Some(GatewayRole::Master),
                    Some(5) => Some(GatewayRole::Backup),
                    // Of three routers and more all but two listen, ready to take part.
                    Some(3 | 4) => Some(GatewayRole::Backup),
                    Some(1 | 2) => Some(GatewayRole::Idle),
                    _ => None,
                }
            }
            _ => {}
        }
    }
}

fn address(arcs: &[u32]) -> Option<IpAddr> {
    let octets = arcs.iter().map(|&arc| u8::try_from(arc).ok()).collect::<Option<Vec<u8>>>()?;
    let address = match octets.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
    };
    (!address.is_unspecified()).then_some(address)
}

/// The shared addresses that a device takes part in, and how many rows could not be used.
pub fn gateways(rows: &GatewayRows, inventory: &[Arc<InterfaceInfo>]) -> (Vec<Gateway>, usize) {
    let names: HashMap<u32, &Arc<str>> = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
    let mut unusable = 0;
    let mut gateways = Vec::new();
    for (&(protocol, if_index, group, _), row) in &rows.rows {
        match (names.get(&if_index), row.address, row.role) {
            (Some(if_name), Some(address), Some(role)) => {
                gateways.push(Gateway { if_name: Arc::clone(if_name), protocol, group, address, role });
            }
            _ => unusable += 1,
        }
    }
    (gateways, unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Vec<Arc<InterfaceInfo>> {
        let info = InterfaceInfo { if_name: "Vlan10".into(), if_index: 7, ..InterfaceInfo::default() };
        vec![Arc::new(info)]
    }

    #[test]
    fn vrrp_of_both_versions_and_hsrp() {
        let mut rows = GatewayRows::default();
        rows.learn_vrrp_state(&[7, 10], &Value::Integer(3));
        rows.learn_vrrp_address(&[7, 10, 10, 0, 10, 2]);
        rows.learn_vrrp_address(&[7, 10, 10, 0, 10, 1]);
        let mut more = GatewayRows::default();
        more.learn_vrrp_state(&[7, 10, 2], &Value::Integer(2));
        let v6 = [7, 10, 2, 16, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        more.learn_vrrp_address(&v6);
        more.learn_vrrp_state(&[7, 20, 1], &Value::Integer(1));
        more.learn_hsrp(&[7, 30], &HSRP_VIRTUAL_IP_ADDR, &Value::IpAddress([10, 0, 30, 1].into()));
        more.learn_hsrp(&[7, 30], &HSRP_STANDBY_STATE, &Value::Integer(5));
        more.learn_hsrp(&[8, 30], &HSRP_STANDBY_STATE, &Value::Integer(6));
        rows.join(more);
        let (gateways, unusable) = gateways(&rows, &inventory());
        let told: Vec<_> =
            gateways.iter().map(|g| (g.protocol.as_str(), g.group, g.address.to_string(), g.role.as_str())).collect();
        let expected = [
            ("VRRP", 10, "10.0.10.1".to_owned(), "master"),
            ("VRRP", 10, "fe80::1".to_owned(), "backup"),
            ("HSRP", 30, "10.0.30.1".to_owned(), "backup"),
        ];
        assert_eq!(told, expected);
        assert_eq!(unusable, 2, "no address, no interface");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn any_index_is_read_or_refused(index in proptest::collection::vec(proptest::prelude::any::<u32>(), 0..24), state in -2i64..9) {
            let mut rows = GatewayRows::default();
            rows.learn_vrrp_state(&index, &Value::Integer(state));
            rows.learn_vrrp_address(&index);
            rows.learn_hsrp(&index, &HSRP_STANDBY_STATE, &Value::Integer(state));
            proptest::prop_assert!(gateways(&rows, &inventory()).0.len() <= 2);
        }
    }
}
