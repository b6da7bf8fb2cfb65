//! What one agent has to tell: instances in order, each a fixed value or a number that moves.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use super::names::Names;
use super::port::Port;
use crate::fabric::Counter;
use crate::snmp::{ObjectTree, Oid, OidRef, Value, VarBind};

/// What an instance holds.
#[derive(Clone, Debug)]
pub enum Cell {
    /// INTEGER
    Integer(i64),
    /// OCTET STRING
    Octets(Box<[u8]>),
    /// NULL
    Null,
    /// OBJECT IDENTIFIER
    Oid(Oid),
    /// IpAddress
    Address(Ipv4Addr),
    /// Counter32
    Counter32(u32),
    /// Gauge32
    Gauge32(u32),
    /// TimeTicks
    Ticks(u32),
    /// Opaque
    Opaque(Box<[u8]>),
    /// Counter64
    Counter64(u64),
    /// sysName of a switch.
    Name(Box<[u8]>),
    /// A MAC address of a switch: of its chassis (0) or of a port, by its number from 1.
    Mac(u16, [u8; 6]),
    /// sysUpTime of a running model.
    Uptime(Arc<AtomicU64>),
    /// ifOperStatus of a port.
    OperStatus(Arc<Port>),
    /// A port's counter, as Counter32.
    Narrow(Arc<Port>, Counter),
    /// A port's counter, as Counter64.
    Wide(Arc<Port>, Counter),
    /// Part `nth` of so many parts of a port's counter, as Counter64: together they are the whole.
    Part(Arc<Port>, Counter, u64, u64),
    /// Something that exists only while the port has carrier: a row of lldpRemTable.
    WhileUp(Arc<Port>, Box<Cell>),
    /// Something that exists only while the port is up and in its aggregate: a row of dot3adAggPortTable.
    WhileAggregated(Arc<Port>, Box<Cell>),
    /// dot1dStpPortState of a port.
    StpState(Arc<Port>),
    /// Light that reaches a port's optic, in tenths of a microwatt.
    Light(Arc<Port>),
}

impl Cell {
    /// What it holds now; none while it does not exist.
    pub(super) fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Integer(value) => Value::Integer(*value),
            Self::Octets(bytes) | Self::Name(bytes) => Value::OctetString(bytes),
            Self::Mac(_, mac) => Value::OctetString(mac),
            Self::Null => Value::Null,
            Self::Oid(oid) => Value::Oid(oid.as_ref()),
            Self::Address(address) => Value::IpAddress(*address),
            Self::Counter32(value) => Value::Counter32(*value),
            Self::Gauge32(value) => Value::Gauge32(*value),
            Self::Ticks(value) => Value::TimeTicks(*value),
            Self::Opaque(bytes) => Value::Opaque(bytes),
            Self::Counter64(value) => Value::Counter64(*value),
            Self::Uptime(clock) => Value::TimeTicks(clock.load(atomic::Ordering::Relaxed) as u32),
            Self::OperStatus(port) => Value::Integer(if port.is_up() { 1 } else { 2 }),
            Self::Narrow(port, counter) => Value::Counter32(port.count(*counter) as u32),
            Self::Wide(port, counter) => Value::Counter64(port.count(*counter)),
            Self::WhileAggregated(port, cell) => {
                return if port.is_up() && port.is_aggregated() { cell.value() } else { None };
            }
            Self::StpState(port) => Value::Integer(if port.is_blocked() { 2 } else { 5 }),
            Self::Light(port) => Value::Integer(port.light()),
            Self::Part(port, counter, nth, of) => Value::Counter64((port.count(*counter) + nth) / of),
            Self::WhileUp(port, cell) => return if port.is_up() { cell.value() } else { None },
        })
    }
}

/// The instances of one agent.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    names: Names,
    cells: Vec<Cell>,
}

impl Tree {
    /// From instances in any order; of two with one name the first counts.
    pub fn new(mut entries: Vec<(Oid, Cell)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| one.as_ref().cmp(&other.as_ref()));
        entries.dedup_by(|(later, _), (earlier, _)| later.as_bytes() == earlier.as_bytes());
        let names = Names::new(entries.iter().map(|(oid, _)| oid));
        Self { names, cells: entries.into_iter().map(|(_, cell)| cell).collect() }
    }

    /// How many instances there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

impl Tree {
    /// The value of an instance, read by `read`.
    pub(super) fn get_by<'a>(&'a self, name: OidRef<'_>, read: impl Fn(&'a Cell) -> Option<Value<'a>>) -> Value<'a> {
        match self.names.find(name) {
            Ok(at) => read(&self.cells[at]).unwrap_or(Value::NoSuchInstance),
            Err(at) => self.names.absent(name, at),
        }
    }

    /// The instance after a name, read by `read`; `place` as in [`ObjectTree::next_in_run`].
    pub(super) fn next_by<'a>(
        &'a self,
        name: OidRef<'_>,
        place: &mut usize,
        read: impl Fn(&'a Cell) -> Option<Value<'a>>,
    ) -> Option<VarBind<'a>> {
        let after = self.names.after(name, *place);
        (after..self.cells.len()).find_map(|at| {
            let value = read(&self.cells[at])?;
            *place = at;
            Some(VarBind { name: self.names.at(at), value })
        })
    }
}

impl ObjectTree for Tree {
    fn get(&self, name: OidRef<'_>) -> Value<'_> {
        self.get_by(name, Cell::value)
    }

    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>> {
        self.next_in_run(name, &mut 0)
    }

    fn next_in_run(&self, name: OidRef<'_>, place: &mut usize) -> Option<VarBind<'_>> {
        self.next_by(name, place, Cell::value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(arcs: &[u32]) -> Oid {
        Oid::from_arcs(arcs).unwrap()
    }

    #[test]
    fn the_order_is_that_of_arcs_and_the_absent_is_passed_over() {
        let port = Arc::new(Port::new("p".into(), String::new(), 1, [0; 6], 1));
        let tree = Tree::new(vec![
            (oid(&[1, 3, 200]), Cell::Integer(3)),
            (oid(&[1, 3, 7, 1]), Cell::Integer(1)),
            (oid(&[1, 3, 7, 2]), Cell::WhileUp(port.clone(), Box::new(Cell::Integer(2)))),
            (oid(&[1, 3, 7, 1]), Cell::Integer(9)),
        ]);
        let walk = || {
            let mut at = oid(&[0, 0]);
            let mut seen = Vec::new();
            while let Some(VarBind { name, value }) = tree.next(at.as_ref()) {
                seen.push(value.as_i64().unwrap());
                at = name.to_owned();
            }
            seen
        };
        assert_eq!(walk(), [1, 2, 3]);
        port.set_up(false);
        assert_eq!(walk(), [1, 3]);
        assert_eq!(tree.get(oid(&[1, 3, 7, 2]).as_ref()), Value::NoSuchInstance);
        assert_eq!(tree.get(oid(&[1, 3, 7, 9]).as_ref()), Value::NoSuchInstance);
        assert_eq!(tree.get(oid(&[1, 4, 7, 9]).as_ref()), Value::NoSuchObject);
    }
}
