//! Who sends how much to whom, estimated from what is measured on links.
//!
//! - **Start**: gravity. What enters at one node goes to all others in proportion to what leaves there (Zhang, Roughan,
//!   Duffield, Greenberg: Fast Accurate Computation of Large-Scale IP Traffic Matrices from Link Loads, SIGMETRICS 2003).
//! - **Refined** by expectation maximisation until the routed matrix gives back the measured loads (Vardi: Network
//!   Tomography, JASA 91, 1996): each demand is multiplied by the mean, over the links that it crosses, of what is measured
//!   by what is predicted. What enters and leaves at a node counts as a link.
//! - **Routed** over shortest paths by hops. A node splits over all next hops; hashing is not even, so the weight of each
//!   arc is fitted too. What is not measured takes no part.
//!
//! Loads on links do not determine a matrix: what is left is shown as each link's residual.

use super::net::Net;

/// Rounds of refining at most.
const ROUNDS: usize = 60;
/// It is enough when the mean residual is no more than this share of the load.
const ENOUGH: f64 = 5e-4;
/// No correction in one round is greater than by this factor.
const MOST: f64 = 8.0;
/// Not reached.
pub(super) const FAR: u16 = u16::MAX;
/// Places that are kept at most, destinations times nodes: 14 bytes each.
const MOST_PLACES: usize = 8_000_000;

/// Everything towards one destination.
#[derive(Debug)]
pub(super) struct Towards {
    pub node: u32,
    /// Hops to it.
    pub hops: Vec<u16>,
    /// Nodes that reach it, the nearest first.
    pub order: Vec<u32>,
    /// What passes each node on its way there, bit/s; what the node itself sends is part of it.
    pub flow: Vec<f64>,
    /// What each node sends there.
    pub demand: Vec<f64>,
}

/// The estimate.
#[derive(Debug, Default)]
pub(super) struct Fit {
    pub towards: Vec<Towards>,
    /// How a node splits over its arcs.
    pub weight: Vec<f64>,
    /// What the matrix gives for each arc.
    pub predicted_bps: Vec<f64>,
    /// What stays at each node.
    local: Vec<f64>,
}

/// Breadth first from a node, and the order of it.
pub(super) fn hops_to(
    net: &Net,
    seeds: &[(u32, u16)],
    open: impl Fn(u32) -> bool,
    hops: &mut [u16],
    order: &mut Vec<u32>,
) {
    hops.fill(FAR);
    order.clear();
    for (node, at) in seeds {
        if hops[*node as usize] == FAR {
            hops[*node as usize] = *at;
            order.push(*node);
        }
    }
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        let beyond = hops[node as usize].saturating_add(1);
        for arc in &net.out[node as usize] {
            let arc = &net.arcs[*arc as usize];
            if hops[arc.to as usize] == FAR && open(arc.back) {
                hops[arc.to as usize] = beyond;
                order.push(arc.to);
            }
        }
    }
}

impl Towards {
    /// Does this arc lead nearer? Twins reach each other over all that is above them.
    pub(super) fn leads(&self, net: &Net, arc: u32) -> bool {
        let arc = &net.arcs[arc as usize];
        let (own, far) = (self.hops[arc.from as usize], self.hops[arc.to as usize]);
        far != FAR && (own == far.saturating_add(1) || (arc.from == self.node && own == 0))
    }
}

impl Fit {
    /// Estimate; nothing where the fabric is too large for it.
    pub(super) fn of(net: &Net) -> Option<Self> {
        let nodes = net.len();
        // Where what enters is not known, what the cables carry is where it starts from.
        let fabric = |node: usize, side: usize| -> f64 {
            let arcs = net.out[node].iter().map(|arc| &net.arcs[*arc as usize]);
            let load = arcs.map(|arc| if side == 0 { arc.load_bps } else { net.arcs[arc.back as usize].load_bps });
            load.filter(|load| load.is_finite()).sum()
        };
        let start = |node: usize, side: usize| {
            let known = net.edge_bps[node][side];
            if known.is_finite() { known } else { fabric(node, side) }
        };
        let enters: Vec<f64> = (0..nodes).map(|node| start(node, 0)).collect();
        let leaves: Vec<f64> = (0..nodes).map(|node| start(node, 1)).collect();
        let all = leaves.iter().sum::<f64>();
        let goals: Vec<u32> = (0..nodes as u32).filter(|node| leaves[*node as usize] > 0.0).collect();
        if goals.is_empty() || all <= 0.0 || goals.len().saturating_mul(nodes) > MOST_PLACES {
            return None;
        }
        let mut fit = Self {
            towards: Vec::with_capacity(goals.len()),
            weight: vec![1.0; net.arcs.len()],
            predicted_bps: vec![0.0; net.arcs.len()],
            local: vec![0.0; nodes],
        };
        for goal in goals {
            let (mut hops, mut order) = (vec![FAR; nodes], Vec::new());
            hops_to(net, &[(goal, 0)], |_| true, &mut hops, &mut order);
            let to = leaves[goal as usize];
            let mut demand: Vec<f64> = enters.iter().map(|from| from * to / all).collect();
            let twins = net.members[goal as usize].len() as f64;
            fit.local[goal as usize] = demand[goal as usize] / twins;
            demand[goal as usize] *= (twins - 1.0) / twins;
            for (node, hops) in hops.iter().enumerate() {
                if *hops == FAR {
                    demand[node] = 0.0;
                }
            }
            fit.towards.push(Towards { node: goal, hops, order, flow: vec![0.0; nodes], demand });
        }
        for _ in 0..ROUNDS {
            fit.route(net);
            if fit.residual(net) < ENOUGH {
                return Some(fit);
            }
            fit.refine(net);
        }
        fit.route(net);
        Some(fit)
    }

    /// Send the whole matrix.
    fn route(&mut self, net: &Net) {
        self.predicted_bps.fill(0.0);
        let Self { towards, weight, predicted_bps, .. } = self;
        for towards in towards {
            towards.flow.copy_from_slice(&towards.demand);
            for at in (0..towards.order.len()).rev() {
                let node = towards.order[at];
                // What reached the goal has arrived; only what its twins send each other goes on, and before it is counted.
                if node == towards.node {
                    continue;
                }
                let flow = towards.flow[node as usize];
                if flow > 0.0 {
                    spread(net, towards, weight, node, flow, predicted_bps, true);
                }
            }
            let own = towards.demand[towards.node as usize];
            if own > 0.0 {
                between_twins(net, towards, weight, own, predicted_bps);
            }
        }
    }

    /// Mean residual as a share of the load.
    pub(super) fn residual(&self, net: &Net) -> f64 {
        let known = net.arcs.iter().zip(&self.predicted_bps).filter(|(arc, _)| arc.load_bps.is_finite());
        let (off, all) =
            known.fold((0.0, 0.0), |(off, all), (arc, guess)| (off + (arc.load_bps - guess).abs(), all + arc.load_bps));
        if all > 0.0 { off / all } else { 0.0 }
    }

    fn refine(&mut self, net: &Net) {
        let off = |measured: f64, guess: f64| (measured.max(1.0) / guess.max(1.0)).clamp(1.0 / MOST, MOST);
        let ratio: Vec<f64> =
            net.arcs.iter().zip(&self.predicted_bps).map(|(arc, guess)| off(arc.load_bps, *guess)).collect();
        let ratio: Vec<Option<f64>> =
            ratio.into_iter().zip(&net.arcs).map(|(ratio, arc)| arc.load_bps.is_finite().then_some(ratio)).collect();
        let mut sent = self.local.clone();
        let mut got = self.local.clone();
        for towards in &self.towards {
            for (node, demand) in towards.demand.iter().enumerate() {
                sent[node] += demand;
                got[towards.node as usize] += demand;
            }
        }
        let edge = |node: usize, side: usize, guess: f64| {
            let known = net.edge_bps[node][side];
            known.is_finite().then(|| off(known, guess))
        };
        let (mut sum, mut count) = (vec![0.0; net.len()], vec![0.0; net.len()]);
        for towards in &mut self.towards {
            let goal = towards.node as usize;
            let exit = edge(goal, 1, got[goal]);
            for at in 0..towards.order.len() {
                let node = towards.order[at] as usize;
                // How the links to the goal are off, on average over the ways there.
                let (mut off, mut links, mut whole) = (0.0, 0.0, 0.0);
                if node == goal {
                    (sum[node], count[node]) = (exit.unwrap_or(0.0), if exit.is_some() { 1.0 } else { 0.0 });
                    continue;
                }
                for arc in &net.out[node] {
                    if towards.leads(net, *arc) {
                        let (weight, to) = (self.weight[*arc as usize], net.arcs[*arc as usize].to as usize);
                        let known = ratio[*arc as usize];
                        off += weight * (sum[to] + known.unwrap_or(0.0));
                        links += weight * (count[to] + if known.is_some() { 1.0 } else { 0.0 });
                        whole += weight;
                    }
                }
                if whole > 0.0 {
                    (sum[node], count[node]) = (off / whole, links / whole);
                }
                let entry = edge(node, 0, sent[node]);
                let (off, links) =
                    (sum[node] + entry.unwrap_or(0.0), count[node] + if entry.is_some() { 1.0 } else { 0.0 });
                if links > 0.0 {
                    towards.demand[node] *= off / links;
                }
            }
            // Twins among themselves: up, down, and both edges.
            let ups = net.out[goal]
                .iter()
                .filter_map(|arc| Some((ratio[*arc as usize]?, ratio[net.arcs[*arc as usize].back as usize]?)));
            let (mut off, mut links) = (0.0, 0.0);
            for (up, down) in ups {
                (off, links) = (off + up + down, links + 2.0);
            }
            if links > 0.0 {
                towards.demand[goal] *= off / links;
            }
            let ends = [edge(goal, 0, sent[goal]), exit];
            let known = ends.into_iter().flatten().count() as f64;
            if known > 0.0 {
                self.local[goal] *= ends.into_iter().flatten().sum::<f64>() / known;
            }
        }
        for (weight, ratio) in self.weight.iter_mut().zip(&ratio) {
            if let Some(ratio) = ratio {
                *weight = (*weight * ratio.sqrt()).clamp(1e-3, 1e3);
            }
        }
    }
}

/// Split what is at a node over its next hops.
fn spread(net: &Net, towards: &mut Towards, weight: &[f64], node: u32, flow: f64, loads: &mut [f64], carry: bool) {
    let out = &net.out[node as usize];
    let whole: f64 = out.iter().filter(|arc| towards.leads(net, **arc)).map(|arc| weight[*arc as usize]).sum();
    for arc in out {
        if towards.leads(net, *arc) {
            let share = flow * weight[*arc as usize] / whole;
            loads[*arc as usize] += share;
            if carry {
                towards.flow[net.arcs[*arc as usize].to as usize] += share;
            }
        }
    }
}

fn between_twins(net: &Net, towards: &mut Towards, weight: &[f64], own: f64, loads: &mut [f64]) {
    let whole: f64 = net.out[towards.node as usize].iter().map(|arc| weight[*arc as usize]).sum();
    for arc in &net.out[towards.node as usize] {
        let share = own * weight[*arc as usize] / whole;
        loads[*arc as usize] += share;
        let up = net.arcs[*arc as usize].to;
        // What came up goes down with the rest that passes there.
        towards.flow[up as usize] += share;
        spread(net, towards, weight, up, share, loads, false);
    }
}
