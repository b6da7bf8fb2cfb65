//! Small recordings in the tests' own text, in `.snmprec` form (`OID|TAG|VALUE`, `x` behind the tag for
//! hexadecimal), and the rows that a walk over them would bring.

use std::collections::BTreeMap;

use super::interfaces::{INVENTORY, InterfaceRows, PAIRS};
use super::lldp::{self, LocalPort, RemoteIndex, RemoteRow};
use super::{Column, plan};
use crate::fabric::{CounterWidth, ManagementAddress};
use crate::snmp::Value;

enum Kept {
    Number(u8, u64),
    Signed(i64),
    Octets(Vec<u8>),
}

/// A recording, by object identifier.
pub struct Recording(BTreeMap<Vec<u32>, Kept>);

impl Recording {
    pub fn parse(text: &str) -> Self {
        let mut kept = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut fields = line.splitn(3, '|');
            let (Some(oid), Some(tag), Some(value)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let Ok(oid) = oid.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>() else { continue };
            let hex = tag.ends_with('x');
            let Ok(tag) = tag.trim_end_matches(|c: char| c.is_alphabetic()).parse::<u8>() else { continue };
            let octets = || {
                if hex {
                    (0..value.len() / 2)
                        .filter_map(|at| u8::from_str_radix(value.get(at * 2..at * 2 + 2)?, 16).ok())
                        .collect()
                } else {
                    value.as_bytes().to_vec()
                }
            };
            let value = match tag {
                2 => value.parse().map_or_else(|_| Kept::Octets(octets()), Kept::Signed),
                65 | 66 | 67 | 70 => {
                    value.parse().map_or_else(|_| Kept::Octets(octets()), |number| Kept::Number(tag, number))
                }
                _ => Kept::Octets(octets()),
            };
            kept.insert(oid, value);
        }
        Self(kept)
    }

    fn value(kept: &Kept) -> Value<'_> {
        let narrow = |number: u64| number as u32;
        match kept {
            Kept::Number(70, number) => Value::Counter64(*number),
            Kept::Number(65, number) => Value::Counter32(narrow(*number)),
            Kept::Number(66, number) => Value::Gauge32(narrow(*number)),
            Kept::Number(_, number) => Value::TimeTicks(narrow(*number)),
            Kept::Signed(number) => Value::Integer(*number),
            Kept::Octets(octets) => Value::OctetString(octets),
        }
    }

    pub fn column(&self, column: &Column) -> impl Iterator<Item = (&[u32], Value<'_>)> {
        let prefix = column.oid;
        self.0
            .range(prefix.to_vec()..)
            .take_while(move |(oid, _)| oid.starts_with(prefix))
            .filter(move |(oid, _)| oid.len() > prefix.len())
            .map(move |(oid, kept)| (&oid[prefix.len()..], Self::value(kept)))
    }

    pub fn interface_rows(&self) -> InterfaceRows {
        let mut rows = InterfaceRows::new();
        for column in INVENTORY {
            for (index, value) in self.column(&column) {
                if let [index] = *index {
                    rows.entry(index).or_default().learn(&column, &value);
                }
            }
        }
        for (pair, objects) in PAIRS.iter().enumerate() {
            for (column, width) in [(objects.wide, CounterWidth::Bits64), (objects.narrow, CounterWidth::Bits32)] {
                for (index, value) in self.column(&column) {
                    if let [index] = *index {
                        rows.entry(index).or_default().learn_counter(pair, width, &value);
                    }
                }
            }
        }
        rows
    }

    /// The cells of a poll's row.
    pub fn cells(&self, plan: &plan::PollPlan, if_index: u32) -> Vec<plan::Cell<'_>> {
        let cell =
            |column: &Column| self.column(column).find(|(index, _)| *index == [if_index]).map(|(_, value)| value);
        plan.columns().iter().map(cell).collect()
    }

    pub fn has(&self, column: &Column) -> bool {
        self.column(column).next().is_some()
    }

    pub fn local_ports(&self) -> BTreeMap<u32, LocalPort> {
        let mut ports: BTreeMap<u32, LocalPort> = BTreeMap::new();
        for column in lldp::LOCAL_PORT_COLUMNS {
            for (index, value) in self.column(&column) {
                if let [number] = *index {
                    ports.entry(number).or_default().learn(&column, &value);
                }
            }
        }
        ports
    }

    pub fn remotes(&self) -> (BTreeMap<RemoteIndex, RemoteRow>, Vec<(RemoteIndex, ManagementAddress)>) {
        let mut rows: BTreeMap<RemoteIndex, RemoteRow> = BTreeMap::new();
        for column in lldp::REMOTE_COLUMNS {
            for (index, value) in self.column(&column) {
                if let Some(index) = RemoteIndex::parse(index) {
                    rows.entry(index).or_default().learn(&column, &value);
                }
            }
        }
        let addresses =
            self.column(&lldp::REM_MAN_ADDR_IF_SUBTYPE).filter_map(|(index, _)| lldp::remote_address(index)).collect();
        (rows, addresses)
    }
}
