//! What a simulated switch tells: system group (RFC 3418), IF-MIB (RFC 2863), EtherLike-MIB (RFC 3635), the interface of
//! its address (IP-MIB), and its neighbours (LLDP-MIB, IEEE 802.1AB).
//!
//! Spines name their ports to neighbours by interface name, leaves by MAC address, hosts by a local name, as devices do.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::fabric::{Fabric, Node, Vendor};
use super::port::Port;
use super::tables;
use super::tree::{Cell, Tree};
use crate::fabric::Counter;
use crate::snmp::{Oid, OidError};

/// ifType ethernetCsmacd.
const ETHERNET: i64 = 6;
/// ifType ieee8023adLag.
const LAG: i64 = 161;
/// LldpChassisIdSubtype and LldpPortIdSubtype.
const CHASSIS_MAC: i64 = 4;
const PORT_MAC: i64 = 3;
const PORT_INTERFACE_NAME: i64 = 5;
const PORT_LOCAL: i64 = 7;
/// AddressFamilyNumbers and LldpManAddrIfSubtype.
const IPV4: u32 = 1;
const MAN_ADDR_IF_INDEX: i64 = 2;

/// Everything that the switch `number` of the fabric tells. `addresses` are those of all switches, by their numbers.
pub(super) fn tree(fabric: &Fabric, number: usize, addresses: &[Ipv4Addr]) -> Result<Tree, OidError> {
    let node = &fabric.nodes()[number];
    let tables = fabric.plan().tables;
    // Spines stand apart: their ports lead to different leaves.
    let aggregates = tables.aggregates && !node.name.starts_with("spine");
    let mut rows = own(node, fabric.clock(), fabric.vendor(), !tables.cdp, i64::from(aggregates))?;
    if aggregates {
        let aggregate = tables::aggregate(&mut rows, fabric, number)?;
        interface(&mut rows, &aggregate)?;
    }
    if tables.optics {
        tables::optics(&mut rows, node)?;
    }
    if tables.spanning_tree {
        tables::spanning_tree(&mut rows, node)?;
    }
    if tables.cdp {
        tables::cdp(&mut rows, fabric, number, addresses)?;
    } else {
        neighbors(&mut rows, fabric, number, addresses)?;
    }
    if let Some(address) = addresses.get(number) {
        let octets = address.octets().map(u32::from);
        rows.add(&[1, 3, 6, 1, 2, 1, 4, 20, 1, 2], &octets, Cell::Integer(management_index(node)))?;
    }
    Ok(Tree::new(rows.0))
}

/// What a switch tells that has no neighbours, and of counters only these (so nothing of EtherLike-MIB).
pub(super) fn alone(node: &Node, counters: &[Counter]) -> Result<Tree, OidError> {
    let Rows(mut rows) = own(node, Arc::default(), None, true, 0)?;
    let ether_like = Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 10, 7])?;
    rows.retain(|(oid, cell)| match cell {
        Cell::Narrow(_, counter) | Cell::Wide(_, counter) => counters.contains(counter),
        _ => !oid.starts_with(&ether_like),
    });
    Ok(Tree::new(rows))
}

/// What it tells of itself.
fn own(
    node: &Node,
    clock: Arc<AtomicU64>,
    vendor: Option<Vendor>,
    lldp: bool,
    more_interfaces: i64,
) -> Result<Rows, OidError> {
    let mut rows = Rows(Vec::new());
    system(&mut rows, node, clock, vendor)?;
    for port in &node.ports {
        interface(&mut rows, port)?;
        if vendor == Some(Vendor::Arista) {
            arista(&mut rows, port)?;
        }
        if lldp {
            lldp_local(&mut rows, node, port)?;
        }
    }
    rows.add(&[1, 3, 6, 1, 2, 1, 2, 1], &[0], Cell::Integer(node.ports.len() as i64 + more_interfaces))?;
    Ok(rows)
}

/// The agent's address lies on no port of the fabric: it is given its own interface number, as a management port has.
fn management_index(node: &Node) -> i64 {
    node.ports.len() as i64 + 1
}

pub(super) struct Rows(Vec<(Oid, Cell)>);

impl Rows {
    pub(super) fn add(&mut self, column: &[u32], index: &[u32], cell: Cell) -> Result<(), OidError> {
        self.0.push((Oid::from_arcs(&[column, index].concat())?, cell));
        Ok(())
    }
}

pub(super) fn text(text: &str) -> Cell {
    Cell::Octets(text.as_bytes().into())
}

fn system(rows: &mut Rows, node: &Node, clock: Arc<AtomicU64>, vendor: Option<Vendor>) -> Result<(), OidError> {
    let group = [1, 3, 6, 1, 2, 1, 1];
    let mut scalar = |object: u32, cell| rows.add(&[&group[..], &[object]].concat(), &[0], cell);
    scalar(1, text("Selvedge simulated switch"))?;
    let identity: &[u32] = match vendor {
        // aristaProducts, and no product.
        Some(Vendor::Arista) => &[1, 3, 6, 1, 4, 1, 30065, 1],
        // net-snmp's arc for "unknown": there is no vendor here.
        None => &[1, 3, 6, 1, 4, 1, 8072, 3, 2, 255],
    };
    scalar(2, Cell::Oid(Oid::from_arcs(identity)?))?;
    scalar(3, Cell::Uptime(clock))?;
    scalar(4, text(""))?;
    scalar(5, Cell::Name(node.name.as_bytes().into()))?;
    scalar(6, text(""))
}

fn interface(rows: &mut Rows, port: &Arc<Port>) -> Result<(), OidError> {
    let index = [port.index];
    let wide = |counter| Cell::Wide(Arc::clone(port), counter);
    let narrow = |counter| Cell::Narrow(Arc::clone(port), counter);
    let mut if_entry = |column: u32, cell| rows.add(&[1, 3, 6, 1, 2, 1, 2, 2, 1, column], &index, cell);
    if_entry(1, Cell::Integer(port.index.into()))?;
    if_entry(2, text(&port.name))?;
    if_entry(3, Cell::Integer(if port.name == tables::AGGREGATE { LAG } else { ETHERNET }))?;
    if_entry(4, Cell::Integer(9_216))?;
    if_entry(5, Cell::Gauge32(u32::try_from(port.speed_bps).unwrap_or(u32::MAX)))?;
    if_entry(6, Cell::Mac(port.index as u16, port.mac))?;
    if_entry(7, Cell::Integer(1))?;
    if_entry(8, Cell::OperStatus(Arc::clone(port)))?;
    if_entry(9, Cell::Ticks(0))?;
    for (column, counter) in [
        (10, Counter::InOctets),
        (11, Counter::InUcastPkts),
        (13, Counter::InDiscards),
        (14, Counter::InErrors),
        (15, Counter::InUnknownProtos),
        (16, Counter::OutOctets),
        (17, Counter::OutUcastPkts),
        (19, Counter::OutDiscards),
        (20, Counter::OutErrors),
    ] {
        if_entry(column, narrow(counter))?;
    }
    let mut if_x_entry = |column: u32, cell| rows.add(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, column], &index, cell);
    if_x_entry(1, text(&port.name))?;
    for (column, counter) in [
        (6, Counter::InOctets),
        (7, Counter::InUcastPkts),
        (8, Counter::InMulticastPkts),
        (9, Counter::InBroadcastPkts),
        (10, Counter::OutOctets),
        (11, Counter::OutUcastPkts),
        (12, Counter::OutMulticastPkts),
        (13, Counter::OutBroadcastPkts),
    ] {
        if_x_entry(column, wide(counter))?;
    }
    if_x_entry(15, Cell::Gauge32(u32::try_from(port.speed_bps / 1_000_000).unwrap_or(u32::MAX)))?;
    if_x_entry(17, Cell::Integer(1))?;
    if_x_entry(18, text(&port.alias))?;
    if_x_entry(19, Cell::Ticks(0))?;
    let mut dot3_stats = |column: u32, cell| rows.add(&[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, column], &index, cell);
    dot3_stats(1, Cell::Integer(port.index.into()))?;
    for (column, counter) in [
        (2, Counter::AlignmentErrors),
        (3, Counter::FcsErrors),
        (8, Counter::LateCollisions),
        (10, Counter::InternalMacTransmitErrors),
        (13, Counter::FrameTooLongs),
        (16, Counter::InternalMacReceiveErrors),
        (18, Counter::SymbolErrors),
    ] {
        dot3_stats(column, narrow(counter))?;
    }
    Ok(())
}

/// Egress queues of a port.
const QUEUES: u64 = 4;

/// Drops by queue (ARISTA-QUEUE-MIB) and by access list (ARISTA-IF-MIB).
fn arista(rows: &mut Rows, port: &Arc<Port>) -> Result<(), OidError> {
    const UNICAST: u32 = 1;
    for queue in 0..QUEUES {
        let dropped = Cell::Part(Arc::clone(port), Counter::DropsCongestionOut, queue, QUEUES);
        let index = [port.index, queue as u32, UNICAST];
        rows.add(&[1, 3, 6, 1, 4, 1, 30065, 3, 6, 1, 2, 1, 6], &index, dropped)?;
    }
    let denied = Cell::Narrow(Arc::clone(port), Counter::DropsPolicyIn);
    rows.add(&[1, 3, 6, 1, 4, 1, 30065, 3, 15, 1, 1, 1, 9], &[port.index], denied)
}

const LLDP: [u32; 7] = [1, 0, 8802, 1, 1, 2, 1];

/// How a node names one of its ports to others.
fn port_id(node: &Node, port: &Port) -> (i64, Box<[u8]>) {
    match (node.is_switch, node.name.starts_with("spine")) {
        (true, true) => (PORT_INTERFACE_NAME, port.name.as_bytes().into()),
        (true, false) => (PORT_MAC, port.mac.into()),
        _ => (PORT_LOCAL, port.name.as_bytes().into()),
    }
}

fn lldp_local(rows: &mut Rows, node: &Node, port: &Port) -> Result<(), OidError> {
    let scalar = |object: u32| [&LLDP[..], &[3, object]].concat();
    if port.index == 1 {
        rows.add(&scalar(1), &[0], Cell::Integer(CHASSIS_MAC))?;
        rows.add(&scalar(2), &[0], Cell::Mac(0, node.mac))?;
        rows.add(&scalar(3), &[0], Cell::Name(node.name.as_bytes().into()))?;
    }
    let (subtype, id) = port_id(node, port);
    let column = |object: u32| [&LLDP[..], &[3, 7, 1, object]].concat();
    rows.add(&column(2), &[port.index], Cell::Integer(subtype))?;
    rows.add(&column(3), &[port.index], Cell::Octets(id))?;
    rows.add(&column(4), &[port.index], text(&port.name))
}

fn neighbors(rows: &mut Rows, fabric: &Fabric, number: usize, addresses: &[Ipv4Addr]) -> Result<(), OidError> {
    for cable in fabric.cables() {
        let (near, far) = match (cable.a.0 == number, cable.b.0 == number) {
            (true, _) => (cable.a, cable.b),
            (_, true) => (cable.b, cable.a),
            _ => continue,
        };
        let local = &fabric.nodes()[near.0].ports[near.1];
        let peer = &fabric.nodes()[far.0];
        let peer_port = &peer.ports[far.1];
        let (subtype, id) = port_id(peer, peer_port);
        // lldpRemTimeMark, lldpRemLocalPortNum, lldpRemIndex
        let index = [0, local.index, 1];
        let mut remote = |object: u32, cell| {
            let column = [&LLDP[..], &[4, 1, 1, object]].concat();
            rows.add(&column, &index, Cell::WhileUp(Arc::clone(local), Box::new(cell)))
        };
        remote(4, Cell::Integer(CHASSIS_MAC))?;
        remote(5, Cell::Octets(peer.mac.into()))?;
        remote(6, Cell::Integer(subtype))?;
        remote(7, Cell::Octets(id))?;
        remote(8, text(&peer_port.name))?;
        remote(9, text(&peer.name))?;
        remote(10, text(if peer.is_switch { "Selvedge simulated switch" } else { "simulated host" }))?;
        // lldpRemManAddrTable: hosts announce no address.
        if let Some(address) = addresses.get(far.0).filter(|_| peer.is_switch) {
            // The index goes on with the address family (IANA: 1 is IPv4), the length, and the octets.
            let index: Vec<u32> = index.into_iter().chain([IPV4, 4]).chain(address.octets().map(u32::from)).collect();
            let mut managed = |object: u32, cell| {
                let column = [&LLDP[..], &[4, 2, 1, object]].concat();
                rows.add(&column, &index, Cell::WhileUp(Arc::clone(local), Box::new(cell)))
            };
            managed(3, Cell::Integer(MAN_ADDR_IF_INDEX))?;
            managed(4, Cell::Integer(management_index(peer)))?;
            managed(5, Cell::Oid(Oid::from_arcs(&[0, 0])?))?;
        }
    }
    Ok(())
}
