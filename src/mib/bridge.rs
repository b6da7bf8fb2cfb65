//! BRIDGE-MIB (RFC 4188) with what RSTP-MIB (RFC 4318) leaves as it is: which ports of a bridge spanning tree blocks.
//!
//! dot1dStpPort is a number of the bridge's own; dot1dBasePortIfIndex says which interface it is. Both tables have the same
//! index, so one walk reads both. Deliberately absent: the trees of single VLANs, which no standard object tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Column, value};
use crate::fabric::{BridgePort, BridgePortState, InterfaceInfo};
use crate::snmp::Value;

/// The interface behind a bridge port.
pub const BASE_PORT_IF_INDEX: Column =
    Column { name: "dot1dBasePortIfIndex", oid: &[1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2] };
/// What spanning tree lets the port do.
pub const STP_PORT_STATE: Column = Column { name: "dot1dStpPortState", oid: &[1, 3, 6, 1, 2, 1, 17, 2, 15, 1, 3] };

/// dot1dBasePortTable and dot1dStpPortTable, by bridge port.
pub const PORT_COLUMNS: [Column; 2] = [BASE_PORT_IF_INDEX, STP_PORT_STATE];

/// One row of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRow {
    if_index: Option<u32>,
    state: Option<BridgePortState>,
}

/// All rows, by bridge port.
pub type PortRows = BTreeMap<u32, PortRow>;

impl PortRow {
    /// Note a value of one of [`PORT_COLUMNS`].
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        match *column {
            BASE_PORT_IF_INDEX => self.if_index = value::unsigned(value),
            STP_PORT_STATE => self.state = value::number(value).and_then(BridgePortState::from_value),
            _ => {}
        }
    }
}

/// The ports that take part in spanning tree, and how many could not be used since their interface is not known.
pub fn ports(rows: &PortRows, inventory: &[Arc<InterfaceInfo>]) -> (Vec<BridgePort>, usize) {
    let names: HashMap<u32, &Arc<str>> = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
    let mut unusable = 0;
    let mut ports = Vec::new();
    for row in rows.values() {
        let Some(state) = row.state else { continue };
        match row.if_index.and_then(|index| names.get(&index)) {
            Some(if_name) => ports.push(BridgePort { if_name: Arc::clone(if_name), state }),
            None => unusable += 1,
        }
    }
    (ports, unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::fixture::Recording;
    use crate::mib::interfaces::inventory;

    #[test]
    fn bridge_ports_are_no_interfaces() {
        let text = "1.3.6.1.2.1.31.1.1.1.1.101|4|p1\n1.3.6.1.2.1.31.1.1.1.1.102|4|p2\n\
                    1.3.6.1.2.1.17.1.4.1.2.1|2|101\n1.3.6.1.2.1.17.1.4.1.2.2|2|102\n1.3.6.1.2.1.17.1.4.1.2.3|2|999\n\
                    1.3.6.1.2.1.17.2.15.1.3.1|2|5\n1.3.6.1.2.1.17.2.15.1.3.2|2|2\n1.3.6.1.2.1.17.2.15.1.3.3|2|2\n\
                    1.3.6.1.2.1.17.2.15.1.3.4|2|77\n";
        let recording = Recording::parse(text);
        let mut rows = PortRows::new();
        for column in PORT_COLUMNS {
            for (index, value) in recording.column(&column) {
                rows.entry(index[0]).or_default().learn(&column, &value);
            }
        }
        let (ports, unusable) = ports(&rows, &inventory(&recording.interface_rows()));
        let told: Vec<_> = ports.iter().map(|port| (&*port.if_name, port.state)).collect();
        assert_eq!(told, [("p1", BridgePortState::Forwarding), ("p2", BridgePortState::Blocking)]);
        assert_eq!(unusable, 1);
    }
}
