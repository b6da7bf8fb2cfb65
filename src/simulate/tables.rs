//! Tables that not every device has: IEEE8023-LAG-MIB, ENTITY-MIB with ENTITY-SENSOR-MIB (RFC 3433), BRIDGE-MIB (RFC 4188),
//! CISCO-CDP-MIB.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::fabric::{Fabric, Node};
use super::port::Port;
use super::switch::{Rows, text};
use super::tree::Cell;
use crate::snmp::{Oid, OidError};

/// ifName of a leaf's aggregate.
pub(super) const AGGREGATE: &str = "Port-Channel1";
/// LacpState of a port that carries its share: active, aggregated, in synchronization, collecting, distributing.
const CARRIES: u8 = 0xbc;
/// entPhysicalIndex of a port, of its optic's light, and of its temperature: these and the port's ifIndex.
const PORT_PART: u32 = 1_000;
const LIGHT_PART: u32 = 20_000;
const HEAT_PART: u32 = 40_000;

/// The ports towards other switches, with those switches' numbers and ports.
fn uplinks(fabric: &Fabric, number: usize) -> impl Iterator<Item = (&Arc<Port>, (usize, usize))> {
    fabric.cables().iter().filter_map(move |cable| {
        let (near, far) = match (cable.a.0 == number, cable.b.0 == number) {
            (true, _) => (cable.a, cable.b),
            (_, true) => (cable.b, cable.a),
            _ => return None,
        };
        fabric.nodes()[far.0].is_switch.then(|| (&fabric.nodes()[near.0].ports[near.1], far))
    })
}

/// The aggregate of a leaf's uplinks, with its rows.
pub(super) fn aggregate(rows: &mut Rows, fabric: &Fabric, number: usize) -> Result<Arc<Port>, OidError> {
    let node = &fabric.nodes()[number];
    // After the management port.
    let index = node.ports.len() as u32 + 2;
    let mut speed_bps = 0;
    for (port, _) in uplinks(fabric, number) {
        speed_bps += port.speed_bps;
        let mut add = |column: u32, cell: Cell| {
            let column = [1, 2, 840, 10006, 300, 43, 1, 2, 1, 1, column];
            rows.add(&column, &[port.index], Cell::WhileAggregated(Arc::clone(port), Box::new(cell)))
        };
        add(12, Cell::Integer(index.into()))?;
        add(13, Cell::Integer(index.into()))?;
        add(21, Cell::Octets([CARRIES].into()))?;
        add(23, Cell::Octets([CARRIES].into()))?;
    }
    let alias = "uplinks".to_owned();
    Ok(Arc::new(Port::new(AGGREGATE.to_owned(), alias, index, node.mac, speed_bps)))
}

/// An optic in every port.
pub(super) fn optics(rows: &mut Rows, node: &Node) -> Result<(), OidError> {
    for port in &node.ports {
        let mut part = |index: u32, within: u32, class: i64, name: &str| {
            let mut add = |column: u32, cell| rows.add(&[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, column], &[index], cell);
            add(2, text(name))?;
            add(4, Cell::Integer(within.into()))?;
            add(5, Cell::Integer(class))?;
            add(7, text(name))
        };
        let [own, light, heat] = [PORT_PART, LIGHT_PART, HEAT_PART].map(|base| base + port.index);
        // PhysicalClass: port is 10, sensor 8.
        part(own, 0, 10, &port.name)?;
        part(light, own, 8, &format!("RX power of the optic in {}", port.name))?;
        part(heat, own, 8, "temperature of the optic")?;
        let if_index = Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 2, 2, 1, 1, port.index])?;
        rows.add(&[1, 3, 6, 1, 2, 1, 47, 1, 3, 2, 1, 2], &[own, 0], Cell::Oid(if_index))?;
        // Watts in steps of 0.1 uW, and whole degrees Celsius.
        for (index, kind, scale, precision, value) in
            [(light, 6, 7, 1, Cell::Light(Arc::clone(port))), (heat, 8, 9, 0, Cell::Integer(41))]
        {
            let mut add = |column: u32, cell| rows.add(&[1, 3, 6, 1, 2, 1, 99, 1, 1, 1, column], &[index], cell);
            add(1, Cell::Integer(kind))?;
            add(2, Cell::Integer(scale))?;
            add(3, Cell::Integer(precision))?;
            add(4, value)?;
            add(5, Cell::Integer(1))?;
        }
    }
    Ok(())
}

/// Every port is a port of one bridge, whose numbers are not those of the interfaces.
pub(super) fn spanning_tree(rows: &mut Rows, node: &Node) -> Result<(), OidError> {
    for port in &node.ports {
        let number = [port.index + 100];
        rows.add(&[1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2], &number, Cell::Integer(port.index.into()))?;
        rows.add(&[1, 3, 6, 1, 2, 1, 17, 2, 15, 1, 3], &number, Cell::StpState(Arc::clone(port)))?;
    }
    Ok(())
}

/// Whom a switch hears by CDP: other switches.
pub(super) fn cdp(rows: &mut Rows, fabric: &Fabric, number: usize, addresses: &[Ipv4Addr]) -> Result<(), OidError> {
    for (port, far) in uplinks(fabric, number) {
        let peer = &fabric.nodes()[far.0];
        let mut add = |column: u32, cell: Cell| {
            let column = [1, 3, 6, 1, 4, 1, 9, 9, 23, 1, 2, 1, 1, column];
            rows.add(&column, &[port.index, 1], Cell::WhileUp(Arc::clone(port), Box::new(cell)))
        };
        if let Some(address) = addresses.get(far.0) {
            add(3, Cell::Integer(1))?;
            add(4, Cell::Octets(address.octets().into()))?;
        }
        add(6, text(&format!("{}(SIM{:08})", peer.name, far.0)))?;
        add(7, text(&peer.ports[far.1].name))?;
    }
    Ok(())
}
