//! The fabric as a graph: devices are nodes, cables are edges. Parallel cables (the members of an aggregation
//! among them) are edges of their own, so that losing one of two is not losing both.
//!
//! ```text
//!   set_edge, remove_edge (each costs what it touches)        Lens: which of it counts now
//!                       \                                     /
//!                        Graph  ----------------------------->  cuts     one part whose loss separates
//!                                                               severed  several parts lost together
//!                                                               paths    how many ways share nothing
//! ```
//!
//! Nodes and edges are small numbers that stay while what they stand for stays, so that whoever computes keeps its
//! own numbers (loads, distances) in arrays beside it. Nothing here recurses: a hostile fabric may be a long chain.
//!
//! Only devices that we watch forward: a host with two cables is no way from one switch to the other. What we do not
//! watch is an end, never a transit.

mod cuts;
mod paths;
mod severed;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

use crate::fabric::{DeviceId, LinkId};

pub use cuts::{Cuts, Dependence, Part};
pub use paths::{Disjoint, Sources};
pub use severed::{Nearness, Severing};

/// A node's number.
pub type Node = u32;
/// An edge's number.
pub type Edge = u32;
/// No node or edge.
pub const NONE: u32 = u32::MAX;

/// What an edge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeState {
    /// It passes packets.
    Works,
    /// It cannot be said.
    Unknown,
    /// It is planned and passes none.
    Down,
}

/// One end of a cable as seen from the device it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// The device at the far end.
    pub far: Node,
    /// The cable.
    pub edge: Edge,
}

/// A cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// One end.
    pub a: Node,
    /// The other.
    pub b: Node,
    /// Bit/s of the slower end; 0 where it is not known.
    pub capacity_bps: u64,
    /// What it does.
    pub state: EdgeState,
}

impl Wire {
    /// The end opposite to `node`.
    pub fn far(&self, node: Node) -> Node {
        if self.a == node { self.b } else { self.a }
    }
}

/// A device's name; one that we only hear of is never taken for a watched one of the same name, for anybody can
/// announce a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// As people know it.
    pub device: DeviceId,
    /// We poll it: it forwards.
    pub watched: bool,
}

/// The graph of planned cables.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    names: Vec<Name>,
    nodes: HashMap<Name, Node>,
    beside: Vec<Vec<Half>>,
    wires: Vec<Wire>,
    ids: Vec<Option<LinkId>>,
    edges: HashMap<LinkId, Edge>,
    free: Vec<Edge>,
}

impl Graph {
    /// The device's number, given now if it has none.
    pub fn node(&mut self, name: &Name) -> Node {
        if let Some(node) = self.nodes.get(name) {
            return *node;
        }
        let node = self.names.len() as Node;
        self.names.push(name.clone());
        self.nodes.insert(name.clone(), node);
        self.beside.push(Vec::new());
        node
    }

    /// The device's number, if it is known.
    pub fn find(&self, name: &Name) -> Option<Node> {
        self.nodes.get(name).copied()
    }

    /// A cable is here, or is otherwise than before. True if anything is new.
    pub fn set_edge(&mut self, id: &LinkId, wire: Wire) -> bool {
        if let Some(edge) = self.edges.get(id).copied() {
            let known = &mut self.wires[edge as usize];
            if *known == wire {
                return false;
            }
            if (known.a, known.b) == (wire.a, wire.b) {
                *known = wire;
                return true;
            }
            self.remove_edge(id);
        }
        let edge = match self.free.pop() {
            Some(edge) => {
                self.wires[edge as usize] = wire;
                self.ids[edge as usize] = Some(id.clone());
                edge
            }
            None => {
                self.wires.push(wire);
                self.ids.push(Some(id.clone()));
                (self.wires.len() - 1) as Edge
            }
        };
        self.edges.insert(id.clone(), edge);
        self.beside[wire.a as usize].push(Half { far: wire.b, edge });
        if wire.a != wire.b {
            self.beside[wire.b as usize].push(Half { far: wire.a, edge });
        }
        true
    }

    /// The cable is planned no more. Costs what its two devices have beside it.
    pub fn remove_edge(&mut self, id: &LinkId) -> bool {
        let Some(edge) = self.edges.remove(id) else { return false };
        let Wire { a, b, .. } = self.wires[edge as usize];
        for end in [a, b] {
            self.beside[end as usize].retain(|half| half.edge != edge);
        }
        self.wires[edge as usize].state = EdgeState::Down;
        self.ids[edge as usize] = None;
        self.free.push(edge);
        true
    }

    /// The cable's number.
    pub fn edge(&self, id: &LinkId) -> Option<Edge> {
        self.edges.get(id).copied()
    }

    /// The cable's name; none for a number that is free.
    pub fn link(&self, edge: Edge) -> Option<&LinkId> {
        self.ids.get(edge as usize)?.as_ref()
    }

    /// The device's name.
    pub fn name(&self, node: Node) -> &Name {
        &self.names[node as usize]
    }

    /// The cable.
    pub fn wire(&self, edge: Edge) -> Wire {
        self.wires[edge as usize]
    }

    /// The cables in a device.
    pub fn beside(&self, node: Node) -> &[Half] {
        &self.beside[node as usize]
    }

    /// How many numbers of nodes are in use.
    pub fn node_count(&self) -> usize {
        self.names.len()
    }

    /// How many numbers of edges are in use, or free in between.
    pub fn edge_count(&self) -> usize {
        self.wires.len()
    }

    /// All cables.
    pub fn links(&self) -> impl Iterator<Item = (&LinkId, Edge)> {
        self.ids.iter().enumerate().filter_map(|(edge, id)| Some((id.as_ref()?, edge as Edge)))
    }
}

/// Which nodes forward and which edges count in one look at the graph.
#[derive(Clone, Debug)]
pub struct Lens {
    forwards: Vec<bool>,
    open: Vec<bool>,
}

impl Lens {
    /// Everything that is planned, as if all of it worked.
    pub fn planned(graph: &Graph) -> Self {
        Self::of(graph, |_| true)
    }

    /// What works, and what may work.
    pub fn hopeful(graph: &Graph) -> Self {
        Self::of(graph, |state| state != EdgeState::Down)
    }

    /// What is known to work.
    pub fn certain(graph: &Graph) -> Self {
        Self::of(graph, |state| state == EdgeState::Works)
    }

    fn of(graph: &Graph, counts: impl Fn(EdgeState) -> bool) -> Self {
        let open = |(wire, id): (&Wire, &Option<LinkId>)| id.is_some() && counts(wire.state);
        Self {
            forwards: graph.names.iter().map(|name| name.watched).collect(),
            open: graph.wires.iter().zip(&graph.ids).map(open).collect(),
        }
    }

    /// With this device forwarding, though nobody watches it: where ways end, nothing is asked of what is beyond.
    pub fn open_node(&mut self, node: Node) {
        self.forwards[node as usize] = true;
    }

    /// Without this device.
    pub fn close_node(&mut self, node: Node) {
        self.forwards[node as usize] = false;
    }

    /// Without this cable.
    pub fn close_edge(&mut self, edge: Edge) {
        self.open[edge as usize] = false;
    }

    /// Does the device forward?
    pub fn forwards(&self, node: Node) -> bool {
        self.forwards[node as usize]
    }

    /// Does the cable count?
    pub fn is_open(&self, edge: Edge) -> bool {
        self.open[edge as usize]
    }
}
