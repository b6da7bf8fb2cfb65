//! Who is at the other end of this machine's ports: what LLDP told, for as long as it holds (IEEE 802.1AB,
//! 9.2.7.7). Pure: `now` is handed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::lldpdu::Lldpdu;
use crate::fabric::{Neighbor, Timestamp};

/// A port with more neighbours than this is no fabric port, or somebody makes them up.
const MOST_PER_PORT: usize = 16;

/// The table: by ifIndex, chassis and port (the standard's MSAP identifier).
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    heard: BTreeMap<Key, (Lldpdu, Timestamp)>,
    /// Units that were left out for want of room.
    pub left_out: u64,
}

type Key = (u32, (u8, Vec<u8>), (u8, Vec<u8>));

/// What a unit did to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It says something new, or takes something back.
    Changed,
    /// It says again what is known.
    Same,
}

impl Neighbors {
    /// A unit came in.
    pub fn hear(&mut self, now: Timestamp, if_index: u32, unit: Lldpdu) -> Heard {
        let key = (
            if_index,
            (unit.chassis_id.subtype, unit.chassis_id.value.clone()),
            (unit.port_id.subtype, unit.port_id.value.clone()),
        );
        if unit.ttl_s == 0 {
            return if self.heard.remove(&key).is_some() { Heard::Changed } else { Heard::Same };
        }
        let until = now + Duration::from_secs(unit.ttl_s.into());
        if let Some((known, deadline)) = self.heard.get_mut(&key) {
            *deadline = until;
            let same = known.port_descr == unit.port_descr
                && known.sys_name == unit.sys_name
                && known.management_addresses == unit.management_addresses;
            *known = unit;
            return if same { Heard::Same } else { Heard::Changed };
        }
        let lowest = (if_index, (0, Vec::new()), (0, Vec::new()));
        if self.heard.range(lowest..).take_while(|(key, _)| key.0 == if_index).count() >= MOST_PER_PORT {
            self.left_out += 1;
            return Heard::Same;
        }
        self.heard.insert(key, (unit, until));
        Heard::Changed
    }

    /// Forget what does not hold any more and what was heard on interfaces that are gone. True if there was any.
    pub fn expire(&mut self, now: Timestamp, exists: impl Fn(u32) -> bool) -> bool {
        let before = self.heard.len();
        self.heard.retain(|(if_index, ..), (_, until)| *until > now && exists(*if_index));
        self.heard.len() != before
    }

    /// The table, with the names that interfaces have now.
    pub fn table(&self, name: impl Fn(u32) -> Option<Arc<str>>) -> Vec<Neighbor> {
        let rows = self.heard.iter().filter_map(|((if_index, ..), (unit, _))| {
            Some(Neighbor {
                local: name(*if_index)?,
                chassis_id: unit.chassis_id.clone(),
                port_id: unit.port_id.clone(),
                port_descr: unit.port_descr.clone(),
                sys_name: unit.sys_name.clone(),
                management_addresses: unit.management_addresses.clone(),
            })
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lldpdu::tests::unit;
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn from(chassis: u8, ttl_s: u16, name: &str) -> Lldpdu {
        Lldpdu::parse(&unit(&[2, 0, 0, 0, 0, chassis], "swp1", ttl_s, name)).unwrap()
    }

    fn names(neighbors: &Neighbors) -> Vec<String> {
        let table = neighbors.table(|index| Some(format!("eth{index}").into()));
        table.iter().map(|row| format!("{}:{}", row.local, row.sys_name)).collect()
    }

    #[test]
    fn holds_as_long_as_the_sender_says() {
        let mut table = Neighbors::default();
        assert_eq!(table.hear(at(0), 1, from(1, 120, "spine1")), Heard::Changed);
        assert_eq!(table.hear(at(30), 1, from(1, 120, "spine1")), Heard::Same);
        assert_eq!(table.hear(at(30), 2, from(2, 10, "spine2")), Heard::Changed);
        assert_eq!(table.hear(at(31), 1, from(1, 120, "spine-1")), Heard::Changed);
        assert_eq!(names(&table), ["eth1:spine-1", "eth2:spine2"]);
        assert!(!table.expire(at(39), |_| true));
        assert!(table.expire(at(40), |_| true));
        assert_eq!(names(&table), ["eth1:spine-1"]);
        assert!(!table.expire(at(150), |_| true));
        assert!(table.expire(at(151), |_| true));
        assert_eq!(names(&table), [""; 0]);
    }

    #[test]
    fn a_sender_that_stops_is_gone_at_once() {
        let mut table = Neighbors::default();
        table.hear(at(0), 1, from(1, 120, "spine1"));
        assert_eq!(table.hear(at(1), 1, from(2, 0, "")), Heard::Same);
        assert_eq!(table.hear(at(1), 1, from(1, 0, "")), Heard::Changed);
        assert_eq!(names(&table), [""; 0]);
    }

    #[test]
    fn an_interface_that_is_gone_takes_its_neighbours_along() {
        let mut table = Neighbors::default();
        table.hear(at(0), 1, from(1, 120, "spine1"));
        table.hear(at(0), 2, from(1, 120, "spine1"));
        assert!(table.expire(at(1), |index| index == 2));
        assert_eq!(names(&table), ["eth2:spine1"]);
    }

    #[test]
    fn invented_neighbours_are_bounded() {
        let mut table = Neighbors::default();
        for chassis in 0..=255 {
            table.hear(at(0), 1, from(chassis, 120, "x"));
        }
        table.hear(at(0), 2, from(1, 120, "y"));
        assert_eq!(names(&table).len(), MOST_PER_PORT + 1);
        assert_eq!(table.left_out, 256 - MOST_PER_PORT as u64);
    }
}
