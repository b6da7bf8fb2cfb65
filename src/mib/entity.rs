//! ENTITY-MIB (RFC 6933): the parts of a device, what lies in what, and which part is which interface.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Column, value};
use crate::fabric::InterfaceInfo;
use crate::snmp::Value;

macro_rules! columns {
    ($($(#[$doc:meta])* $id:ident = $name:literal [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub const $id: Column = Column { name: $name, oid: &[1, 3, 6, 1, 2, 1, 47, 1, $($arc),*] };)*
    };
}

columns! {
    /// The part in words.
    PHYSICAL_DESCR = "entPhysicalDescr" [1, 1, 1, 2];
    /// The part that it lies in; 0 for none.
    PHYSICAL_CONTAINED_IN = "entPhysicalContainedIn" [1, 1, 1, 4];
    /// Its name on the device; may be empty.
    PHYSICAL_NAME = "entPhysicalName" [1, 1, 1, 7];
    /// The object that the part is: `ifIndex.N` for a port.
    ALIAS_MAPPING_IDENTIFIER = "entAliasMappingIdentifier" [3, 2, 1, 2];
}

/// entPhysicalTable, by entPhysicalIndex.
pub const PHYSICAL_COLUMNS: [Column; 3] = [PHYSICAL_DESCR, PHYSICAL_CONTAINED_IN, PHYSICAL_NAME];

/// ifIndex, the object.
const IF_INDEX: [u32; 10] = [1, 3, 6, 1, 2, 1, 2, 2, 1, 1];
/// Parts kept of one device: the largest chassis have some thousands.
const PARTS_MAX: usize = 32_768;
/// A sensor lies in an optic in a port in a card in a slot in a chassis.
const DEPTH_MAX: usize = 12;

/// One row of entPhysicalTable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    descr: String,
    contained_in: u32,
    name: String,
}

/// The parts of a device, by entPhysicalIndex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    parts: BTreeMap<u32, Part>,
    if_index: BTreeMap<u32, u32>,
}

impl Parts {
    /// Note a value of one of [`PHYSICAL_COLUMNS`].
    pub fn learn(&mut self, index: u32, column: &Column, value: &Value<'_>) {
        if self.parts.len() >= PARTS_MAX && !self.parts.contains_key(&index) {
            return;
        }
        let part = self.parts.entry(index).or_default();
        match *column {
            PHYSICAL_DESCR => part.descr = value::text(value),
            PHYSICAL_CONTAINED_IN => part.contained_in = value::unsigned(value).unwrap_or(0),
            PHYSICAL_NAME => part.name = value::text(value),
            _ => {}
        }
    }

    /// Note a row of entAliasMappingTable: part, logical entity (0 for all of them).
    pub fn learn_alias(&mut self, index: &[u32], value: &Value<'_>) {
        let (&[part, _], Value::Oid(oid)) = (index, value) else { return };
        let mut arcs = oid.arcs();
        if !IF_INDEX.iter().all(|arc| arcs.next() == Some(*arc)) {
            return;
        }
        if let (Some(if_index), None) = (arcs.next(), arcs.next())
            && self.if_index.len() < PARTS_MAX
        {
            self.if_index.insert(part, if_index);
        }
    }

    /// The parts of another reading as well.
    pub fn join(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.if_index.extend(other.if_index);
    }

    /// The name of a part: entPhysicalName, else its description; empty where it has none.
    pub fn name(&self, index: u32) -> &str {
        match self.parts.get(&index) {
            Some(part) if !part.name.is_empty() => &part.name,
            Some(part) => &part.descr,
            None => "",
        }
    }

    /// Name and description, to find words in.
    pub fn words(&self, index: u32) -> impl Iterator<Item = &str> {
        self.parts.get(&index).into_iter().flat_map(|part| [part.name.as_str(), part.descr.as_str()])
    }
}

/// Which interface a part belongs to.
pub struct Interfaces<'a> {
    by_index: HashMap<u32, &'a Arc<str>>,
    by_word: HashMap<&'a str, Option<&'a Arc<str>>>,
}

impl<'a> Interfaces<'a> {
    /// Of this device.
    pub fn new(inventory: &'a [Arc<InterfaceInfo>]) -> Self {
        let by_index = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
        let mut by_word: HashMap<&str, Option<&Arc<str>>> = HashMap::new();
        for info in inventory {
            for word in [&*info.if_name, info.if_descr.as_str()] {
                // A word of digits alone is a port's name on some devices, and a lane or a slot in many sentences.
                if !word.is_empty() && !word.bytes().all(|octet| octet.is_ascii_digit()) {
                    by_word
                        .entry(word)
                        .and_modify(|only| *only = only.filter(|name| **name == info.if_name))
                        .or_insert(Some(&info.if_name));
                }
            }
        }
        Self { by_index, by_word }
    }

    /// The interface that the part's own words name, as a whole word; else the one that it, or a part around it, is.
    pub fn of(&self, parts: &Parts, index: u32) -> Option<&'a Arc<str>> {
        let named = parts.words(index).find_map(|text| self.named_in(text));
        named.or_else(|| {
            let mut at = index;
            for _ in 0..DEPTH_MAX {
                if let Some(if_index) = parts.if_index.get(&at) {
                    return self.by_index.get(if_index).copied();
                }
                at = parts.parts.get(&at)?.contained_in;
            }
            None
        })
    }

    fn named_in(&self, text: &str) -> Option<&'a Arc<str>> {
        let mut words = text.split([' ', ',', ';', '(', ')', '"']).map(|word| word.trim_end_matches([':', '.']));
        words.find_map(|word| self.by_word.get(word).copied().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snmp::Oid;

    fn port(name: &str, descr: &str, if_index: u32) -> Arc<InterfaceInfo> {
        Arc::new(InterfaceInfo {
            if_name: name.into(),
            if_descr: descr.to_owned(),
            if_index,
            ..InterfaceInfo::default()
        })
    }

    fn parts(rows: &[(u32, u32, &str)], aliases: &[(u32, u32)]) -> Parts {
        let mut parts = Parts::default();
        for (index, within, name) in rows {
            parts.learn(*index, &PHYSICAL_NAME, &Value::OctetString(name.as_bytes()));
            parts.learn(*index, &PHYSICAL_CONTAINED_IN, &Value::Integer((*within).into()));
        }
        for (part, if_index) in aliases {
            let oid = Oid::from_arcs(&[&IF_INDEX[..], &[*if_index]].concat()).unwrap();
            parts.learn_alias(&[*part, 0], &Value::Oid(oid.as_ref()));
        }
        parts
    }

    #[test]
    fn a_part_is_found_by_its_words_and_by_what_it_lies_in() {
        let inventory = [
            port("Et1", "Ethernet1", 1),
            port("Et1/1", "Ethernet1/1", 2),
            port("2", "", 3),
            port("Et4", "Ethernet4", 4),
        ];
        let interfaces = Interfaces::new(&inventory);
        let parts = parts(
            &[
                (10, 0, "chassis"),
                (11, 10, "port 4"),
                (12, 11, "optic"),
                (13, 12, "temperature"),
                (20, 10, "DOM RX Power Sensor for Ethernet1"),
                (21, 10, "Ethernet1/1 Lane 2 Transceiver Receive Power Sensor"),
                (30, 31, "round"),
                (31, 30, "and round"),
            ],
            &[(11, 4), (31, 999)],
        );
        let of = |index| interfaces.of(&parts, index).map(|name| &**name);
        assert_eq!([of(13), of(20), of(21)], [Some("Et4"), Some("Et1"), Some("Et1/1")]);
        assert_eq!([of(10), of(30), of(77)], [None; 3], "nothing, an unknown interface, an unknown part");
    }

    #[test]
    fn a_word_that_two_interfaces_share_names_neither() {
        let inventory = [port("a", "port", 1), port("b", "port", 2)];
        assert_eq!(Interfaces::new(&inventory).named_in("the port"), None);
    }
}
