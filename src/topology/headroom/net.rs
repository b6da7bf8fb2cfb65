//! The fabric as it routes: devices are nodes, each cable is two arcs, and leaves that hang on the very same devices are one
//! node, so that thousands of them cost what a pod costs.
//!
//! A class of such twins is never on the way between others: it is the lowest tier. Traffic between two of its members goes
//! up and down again, which is why a class reaches itself in two hops.

use std::collections::{BTreeMap, HashMap};

use crate::fabric::{DeviceId, LinkHealth};
use crate::topology::ledger::Scene;

use super::Basis;

/// Twins are put together in fabrics that have more devices than this.
const TWINS_FROM: usize = 256;
/// Not known.
const UNKNOWN: f64 = f64::NAN;

/// One direction of a cable between two nodes, or of the cables of all twins in the same place.
#[derive(Debug)]
pub(super) struct Arc {
    pub from: u32,
    pub to: u32,
    /// The other direction.
    pub back: u32,
    /// The cables: link by its place in the scene, and direction (0 is a to b).
    pub cables: Vec<(u32, u8)>,
    /// What is measured on all of them, bit/s; NaN where any is not known.
    pub load_bps: f64,
    /// The fullest of them, as a share of its capacity; 0 where that is not known.
    pub fullest: f64,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Net {
    pub arcs: Vec<Arc>,
    /// Arcs out of each node.
    pub out: Vec<Vec<u32>>,
    /// Devices in each node.
    pub members: Vec<Vec<u32>>,
    /// What enters the fabric at each node, and what leaves it there; NaN where not known.
    pub edge_bps: Vec<[f64; 2]>,
    /// The node of each device of the scene.
    pub node_of: Vec<u32>,
    /// By link and direction: the arc, where the link takes part.
    pub arc_of: Vec<[u32; 2]>,
    /// By link and direction, bit/s; NaN where not known.
    pub load_bps: Vec<[f64; 2]>,
    /// By link, bit/s; NaN where not known.
    pub capacity_bps: Vec<f64>,
    /// By link: the devices at both ends, where both are watched.
    pub ends: Vec<Option<[u32; 2]>>,
    /// By device: what enters and leaves the fabric there.
    pub device_edge_bps: Vec<[f64; 2]>,
}

/// No arc.
pub(super) const NONE: u32 = u32::MAX;

impl Net {
    pub(super) fn new(scene: &Scene, basis: Basis) -> Self {
        Self::with_twins(scene, basis, scene.devices.len() > TWINS_FROM)
    }

    pub(super) fn with_twins(scene: &Scene, basis: Basis, twins: bool) -> Self {
        let index: HashMap<&DeviceId, u32> =
            scene.devices.iter().enumerate().map(|(n, device)| (&device.name, n as u32)).collect();
        let mut net = Self {
            arcs: Vec::new(),
            out: Vec::new(),
            members: Vec::new(),
            edge_bps: Vec::new(),
            node_of: vec![NONE; scene.devices.len()],
            arc_of: vec![[NONE; 2]; scene.links.len()],
            load_bps: vec![[UNKNOWN; 2]; scene.links.len()],
            capacity_bps: vec![UNKNOWN; scene.links.len()],
            ends: vec![None; scene.links.len()],
            device_edge_bps: vec![[0.0; 2]; scene.devices.len()],
        };
        for edge in &scene.edges {
            if let Some(at) = index.get(&edge.device) {
                let ways = edge.ways(basis);
                net.device_edge_bps[*at as usize] = ways.map(|way| way.unwrap_or(UNKNOWN));
            }
        }
        let mut beside: Vec<Vec<(u32, u32)>> = vec![Vec::new(); scene.devices.len()];
        for (at, link) in scene.links.iter().enumerate() {
            let load = scene.loads.get(at);
            if let Some(load) = load {
                net.load_bps[at] = load.ways(basis).map(|way| way.unwrap_or(UNKNOWN));
            }
            net.capacity_bps[at] = link.capacity_bps.filter(|bps| *bps > 0).map_or(UNKNOWN, |bps| bps as f64);
            if !link.a.watched || !link.b.watched {
                continue;
            }
            let (a, b) = (index.get(&link.a.interface.device), index.get(&link.b.interface.device));
            let (Some(&a), Some(&b)) = (a, b) else { continue };
            net.ends[at] = Some([a, b]);
            if a != b && link.health != LinkHealth::Down && !load.is_some_and(|load| load.stands_by) {
                beside[a as usize].push((b, at as u32));
                beside[b as usize].push((a, at as u32));
            }
        }
        for cables in &mut beside {
            // By link within the same neighbour: which is the first of several is the same for all twins.
            cables.sort_unstable();
        }
        net.put_together(scene, &beside, twins);
        net.draw(&beside);
        net
    }

    /// Devices become nodes.
    fn put_together(&mut self, scene: &Scene, beside: &[Vec<(u32, u32)>], twins: bool) {
        let tier = |device: u32| scene.devices[device as usize].tier;
        let mut classes: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
        for device in 0..scene.devices.len() as u32 {
            let far = beside[device as usize].iter().map(|(far, _)| *far);
            let below = |far: u32| matches!((tier(device), tier(far)), (Some(own), Some(up)) if own < up);
            if twins && !beside[device as usize].is_empty() && far.clone().all(below) {
                classes.entry(far.collect()).or_default().push(device);
            } else {
                self.add_node(vec![device]);
            }
        }
        for members in classes.into_values() {
            self.add_node(members);
        }
    }

    fn add_node(&mut self, members: Vec<u32>) {
        let node = self.members.len() as u32;
        let mut edge = [0.0; 2];
        for device in &members {
            self.node_of[*device as usize] = node;
            let own = self.device_edge_bps[*device as usize];
            edge = [edge[0] + own[0], edge[1] + own[1]];
        }
        self.members.push(members);
        self.edge_bps.push(edge);
        self.out.push(Vec::new());
    }

    /// Cables become arcs.
    fn draw(&mut self, beside: &[Vec<(u32, u32)>]) {
        for node in 0..self.members.len() as u32 {
            let members = std::mem::take(&mut self.members[node as usize]);
            for (place, (far, _)) in beside[members[0] as usize].iter().enumerate() {
                let far = self.node_of[*far as usize];
                // Each cable once: from the twins, or from the lower number.
                if self.out_is_drawn_by(far, node, members.len()) {
                    continue;
                }
                let (forth, back) = (self.arcs.len() as u32, self.arcs.len() as u32 + 1);
                let mut cables = [Vec::new(), Vec::new()];
                for device in &members {
                    let (_, link) = beside[*device as usize][place];
                    let own = self.ends[link as usize].is_some_and(|[a, _]| a == *device);
                    let ways = if own { [0, 1] } else { [1, 0] };
                    for (way, cables) in ways.into_iter().zip(&mut cables) {
                        cables.push((link, way));
                    }
                    self.arc_of[link as usize][usize::from(ways[0])] = forth;
                    self.arc_of[link as usize][usize::from(ways[1])] = back;
                }
                let [up, down] = cables;
                self.add_arc(node, far, back, up);
                self.add_arc(far, node, forth, down);
            }
            self.members[node as usize] = members;
        }
    }

    /// Is the cable between these drawn from the far node?
    fn out_is_drawn_by(&self, far: u32, node: u32, members: usize) -> bool {
        let others = self.members[far as usize].len();
        match (members > 1, others > 1) {
            (true, _) => false,
            (_, true) => true,
            _ => far < node,
        }
    }

    fn add_arc(&mut self, from: u32, to: u32, back: u32, cables: Vec<(u32, u8)>) {
        let load = |(link, way): &(u32, u8)| self.load_bps[*link as usize][usize::from(*way)];
        let load_bps = cables.iter().map(load).sum();
        let share = |cable: &(u32, u8)| load(cable) / self.capacity_bps[cable.0 as usize];
        let fullest = cables.iter().map(share).filter(|share| share.is_finite()).fold(0.0, f64::max);
        self.out[from as usize].push(self.arcs.len() as u32);
        self.arcs.push(Arc { from, to, back, cables, load_bps, fullest });
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}
