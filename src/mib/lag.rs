//! IEEE8023-LAG-MIB (IEEE 802.1AX, annex; arc 1.2.840.10006.300.43): which ports form an aggregate, and how each of them and
//! its partner stand.
//!
//! dot3adAggPortTable alone tells it: a port names the aggregate that it selected and the one that it is attached to.
//! Deliberately absent: dot3adAggTable (keys and system ids, which nobody asks for) and dot3adAggPortListTable (the same
//! members again, as a bit string over bridge ports).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Column;
use super::value;
use crate::fabric::{AggregationMember, InterfaceInfo, LacpState};
use crate::snmp::Value;

macro_rules! columns {
    ($($(#[$doc:meta])* $id:ident = $name:literal $arc:literal;)*) => {
        $($(#[$doc])* pub const $id: Column =
            Column { name: $name, oid: &[1, 2, 840, 10006, 300, 43, 1, 2, 1, 1, $arc] };)*
    };
}

columns! {
    /// The aggregate that the port wants to be in; 0 for none.
    SELECTED_AGG_ID = "dot3adAggPortSelectedAggID" 12;
    /// The aggregate that it is in; 0 for none.
    ATTACHED_AGG_ID = "dot3adAggPortAttachedAggID" 13;
    /// What it says of itself.
    ACTOR_OPER_STATE = "dot3adAggPortActorOperState" 21;
    /// What its partner said last.
    PARTNER_OPER_STATE = "dot3adAggPortPartnerOperState" 23;
}

/// dot3adAggPortTable, by dot3adAggPortIndex, which is an ifIndex.
pub const PORT_COLUMNS: [Column; 4] = [SELECTED_AGG_ID, ATTACHED_AGG_ID, ACTOR_OPER_STATE, PARTNER_OPER_STATE];

/// One row of dot3adAggPortTable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortRow {
    selected: Option<u32>,
    attached: Option<u32>,
    actor: Option<LacpState>,
    partner: Option<LacpState>,
}

/// All rows, by ifIndex.
pub type PortRows = BTreeMap<u32, PortRow>;

impl PortRow {
    /// Note a value of one of [`PORT_COLUMNS`].
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        match *column {
            SELECTED_AGG_ID => self.selected = value::unsigned(value),
            ATTACHED_AGG_ID => self.attached = value::unsigned(value),
            ACTOR_OPER_STATE => self.actor = state(value),
            PARTNER_OPER_STATE => self.partner = state(value),
            _ => {}
        }
    }

    /// The aggregate that the port belongs to: that it wants to be in counts, for one that it fell out of is what we are
    /// here to see. Agents without the object show the other.
    fn aggregator(&self) -> Option<u32> {
        self.selected.filter(|&index| index != 0).or(self.attached).filter(|&index| index != 0)
    }
}

/// BITS, in one octet; some agents send a number.
fn state(value: &Value<'_>) -> Option<LacpState> {
    let octet = match value::octets(value) {
        Some(octets) => *octets.first()?,
        None => u8::try_from(value::unsigned(value)?).ok()?,
    };
    Some(LacpState::from_bits(octet))
}

/// The ports in aggregates, and how many rows could not be used since they name an interface that is not known.
///
/// A port that is an aggregate of its own (802.1AX has one for each port that stands alone) is in none.
pub fn members(rows: &PortRows, inventory: &[Arc<InterfaceInfo>]) -> (Vec<AggregationMember>, usize) {
    let names: HashMap<u32, &Arc<str>> = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
    let mut unusable = 0;
    let mut members = Vec::new();
    for (&port, row) in rows {
        let Some(aggregator) = row.aggregator().filter(|&aggregator| aggregator != port) else { continue };
        let (Some(if_name), Some(aggregator_name)) = (names.get(&port), names.get(&aggregator)) else {
            unusable += 1;
            continue;
        };
        members.push(AggregationMember {
            if_name: Arc::clone(if_name),
            aggregator: Arc::clone(aggregator_name),
            attached: row.attached.map(|attached| attached == aggregator),
            actor: row.actor,
            partner: row.partner,
        });
    }
    (members, unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::fixture::Recording;
    use crate::mib::interfaces::inventory;

    const INTERFACES: &str = "1.3.6.1.2.1.31.1.1.1.1.1|4|Ethernet1\n1.3.6.1.2.1.31.1.1.1.1.2|4|Ethernet2\n\
                              1.3.6.1.2.1.31.1.1.1.1.3|4|Ethernet3\n1.3.6.1.2.1.31.1.1.1.1.100|4|Port-Channel1\n";

    fn read(text: &str) -> (Vec<AggregationMember>, usize) {
        let recording = Recording::parse(text);
        let mut rows = PortRows::new();
        for column in PORT_COLUMNS {
            for (index, value) in recording.column(&column) {
                if let [index] = *index {
                    rows.entry(index).or_default().learn(&column, &value);
                }
            }
        }
        members(&rows, &inventory(&recording.interface_rows()))
    }

    fn row(port: u32, selected: u32, attached: u32, actor: &str, partner: &str) -> String {
        let at = |column: u32| format!("1.2.840.10006.300.43.1.2.1.1.{column}.{port}");
        format!("{}|2|{selected}\n{}|2|{attached}\n{}|4x|{actor}\n{}|4x|{partner}\n", at(12), at(13), at(21), at(23))
    }

    #[test]
    fn members_with_their_states() {
        let text = INTERFACES.to_owned()
            + &row(1, 100, 100, "bc", "3d")
            + &row(2, 100, 0, "86", "82")
            + &row(3, 3, 3, "82", "00")
            + &row(7, 100, 100, "bc", "bc");
        let (members, unusable) = read(&text);
        assert_eq!(unusable, 1, "a port that is no interface");
        let told: Vec<_> = members.iter().map(|m| (&*m.if_name, &*m.aggregator, m.attached)).collect();
        assert_eq!(told, [("Ethernet1", "Port-Channel1", Some(true)), ("Ethernet2", "Port-Channel1", Some(false))]);
        assert_eq!(members[0].actor, members[0].partner, "in either order of bits");
        assert!(members[1].partner.unwrap().has_lost_partner());
    }

    #[test]
    fn a_device_that_tells_the_selected_aggregate_alone() {
        let text =
            INTERFACES.to_owned() + "1.2.840.10006.300.43.1.2.1.1.12.1|2|100\n1.2.840.10006.300.43.1.2.1.1.12.2|2|0\n";
        let (members, _) = read(&text);
        assert_eq!(members.len(), 1);
        assert_eq!((members[0].attached, members[0].actor, members[0].partner), (None, None, None));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn anything_may_be_in_a_row(
            rows in proptest::collection::vec((0u32..6, 0usize..4, proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4), proptest::prelude::any::<i64>()), 0..24),
        ) {
            let mut table = PortRows::new();
            for (port, column, octets, number) in &rows {
                let row = table.entry(*port).or_default();
                row.learn(&PORT_COLUMNS[*column], &Value::OctetString(octets));
                row.learn(&PORT_COLUMNS[*column], &Value::Integer(*number));
            }
            let info = |index: u32| Arc::new(InterfaceInfo { if_name: format!("p{index}").into(), if_index: index, ..InterfaceInfo::default() });
            let inventory: Vec<_> = (0..6).map(info).collect();
            let (members, unusable) = members(&table, &inventory);
            proptest::prop_assert!(members.len() + unusable <= table.len());
            proptest::prop_assert!(members.iter().all(|member| member.if_name != member.aggregator));
        }
    }
}
