//! One failure: only what crossed the failed part moves. Towards each destination the change is pushed from where a next hop
//! is gone towards the goal, hop by hop; where a node has no next hop left, that destination alone is routed anew.

use std::collections::BTreeMap;

use super::fit::{FAR, Fit, Towards, hops_to};
use super::net::{NONE, Net};

/// What fails at once: links and devices by their places in the scene.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    pub links: Vec<u32>,
    pub devices: Vec<u32>,
}

/// Keeps its memory from one failure to the next.
pub(super) struct Reroute<'n> {
    net: &'n Net,
    fit: &'n Fit,
    /// What is added to each arc, bit/s.
    added: Vec<f64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// What is added to single cables of twins.
    pub cables: BTreeMap<(u32, u8), f64>,
    pub dead_arc: Vec<bool>,
    dead_arcs: Vec<u32>,
    dead_node: Vec<bool>,
    dead_nodes: Vec<u32>,
    at_node: Vec<f64>,
    is_queued: Vec<bool>,
    levels: Vec<Vec<u32>>,
    hops: Vec<u16>,
    order: Vec<u32>,
    flow: Vec<f64>,
    /// What has no way any more, bit/s.
    pub stranded_bps: f64,
}

impl<'n> Reroute<'n> {
    pub(super) fn new(net: &'n Net, fit: &'n Fit) -> Self {
        let (nodes, arcs) = (net.len(), net.arcs.len());
        Self {
            net,
            fit,
            added: vec![0.0; arcs],
            touched: Vec::new(),
            is_touched: vec![false; arcs],
            cables: BTreeMap::new(),
            dead_arc: vec![false; arcs],
            dead_arcs: Vec::new(),
            dead_node: vec![false; nodes],
            dead_nodes: Vec::new(),
            at_node: vec![0.0; nodes],
            is_queued: vec![false; nodes],
            levels: Vec::new(),
            hops: vec![FAR; nodes],
            order: Vec::new(),
            flow: vec![0.0; nodes],
            stranded_bps: 0.0,
        }
    }

    /// The arcs that carry more or less, and by how much.
    pub(super) fn touched(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.touched.iter().map(|arc| (*arc, self.added[*arc as usize]))
    }

    /// The arcs that are gone.
    pub(super) fn dead_arcs(&self) -> &[u32] {
        &self.dead_arcs
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        self.forget();
        let net = self.net;
        let mut guests: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for device in &failure.devices {
            let node = net.node_of[*device as usize];
            // A twin that is gone takes its own traffic with it and moves nobody else's.
            if net.members[node as usize].len() == 1 && !self.dead_node[node as usize] {
                self.dead_node[node as usize] = true;
                self.dead_nodes.push(node);
                for arc in &net.out[node as usize] {
                    self.kill(*arc);
                }
            }
        }
        for link in &failure.links {
            let Some(ends) = net.ends[*link as usize] else { continue };
            let arc = net.arc_of[*link as usize][0];
            if arc == NONE {
                continue;
            }
            match ends.into_iter().find(|device| net.members[net.node_of[*device as usize] as usize].len() > 1) {
                Some(twin) if !failure.devices.contains(&twin) => guests.entry(twin).or_default().push(*link),
                Some(_) => {}
                None => self.kill(arc),
            }
        }
        if !self.dead_arcs.is_empty() {
            for towards in &self.fit.towards {
                self.reroute(towards);
            }
        }
        for (device, links) in guests {
            self.guest(device, &links);
        }
    }

    fn forget(&mut self) {
        for arc in self.touched.drain(..) {
            self.added[arc as usize] = 0.0;
            self.is_touched[arc as usize] = false;
        }
        for arc in self.dead_arcs.drain(..) {
            self.dead_arc[arc as usize] = false;
        }
        for node in self.dead_nodes.drain(..) {
            self.dead_node[node as usize] = false;
        }
        self.cables.clear();
        self.stranded_bps = 0.0;
    }

    /// Both directions of it.
    fn kill(&mut self, arc: u32) {
        for arc in [arc, self.net.arcs[arc as usize].back] {
            if !std::mem::replace(&mut self.dead_arc[arc as usize], true) {
                self.dead_arcs.push(arc);
            }
        }
    }

    fn add(&mut self, arc: u32, bps: f64) {
        self.added[arc as usize] += bps;
        if !std::mem::replace(&mut self.is_touched[arc as usize], true) {
            self.touched.push(arc);
        }
    }

    fn queue(&mut self, towards: &Towards, node: u32) {
        if !std::mem::replace(&mut self.is_queued[node as usize], true) {
            let level = usize::from(towards.hops[node as usize]);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Vec::new);
            }
            self.levels[level].push(node);
        }
    }

    fn reroute(&mut self, towards: &Towards) {
        let (net, goal) = (self.net, towards.node);
        if self.dead_node[goal as usize] {
            self.carry(towards, 1.0, None, -1.0);
            return;
        }
        let mut concerned = false;
        for at in 0..self.dead_arcs.len() {
            let arc = self.dead_arcs[at];
            let from = net.arcs[arc as usize].from;
            if self.dead_node[from as usize] || !towards.leads(net, arc) {
                continue;
            }
            let flow = if from == goal { towards.demand[goal as usize] } else { towards.flow[from as usize] };
            if flow <= 0.0 {
                continue;
            }
            concerned = true;
            if from != goal && !net.out[from as usize].iter().any(|arc| self.is_way(towards, *arc)) {
                self.anew(towards);
                return;
            }
        }
        let dead = self.dead_nodes.iter().any(|node| towards.flow[*node as usize] > 0.0);
        if !concerned && !dead {
            return;
        }
        self.twins(towards);
        for at in 0..self.dead_arcs.len() {
            let from = net.arcs[self.dead_arcs[at] as usize].from;
            if from != goal && towards.hops[from as usize] != FAR && towards.flow[from as usize] > 0.0 {
                self.queue(towards, from);
            }
        }
        self.push(towards);
    }

    fn is_way(&self, towards: &Towards, arc: u32) -> bool {
        towards.leads(self.net, arc) && !self.dead_arc[arc as usize]
    }

    /// What twins send each other moves to what is left above them.
    fn twins(&mut self, towards: &Towards) {
        let (net, goal) = (self.net, towards.node);
        let own = towards.demand[goal as usize];
        let out = &net.out[goal as usize];
        if own <= 0.0 || !out.iter().any(|arc| self.dead_arc[*arc as usize]) {
            return;
        }
        let weight = |arc: &u32| self.fit.weight[*arc as usize];
        let before: f64 = out.iter().map(weight).sum();
        let after: f64 = out.iter().filter(|arc| !self.dead_arc[**arc as usize]).map(weight).sum();
        if after <= 0.0 {
            self.stranded_bps += own;
        }
        for arc in out {
            let weight = self.fit.weight[*arc as usize];
            let stays = !self.dead_arc[*arc as usize] && after > 0.0;
            let moved = own * (if stays { weight / after } else { 0.0 } - weight / before);
            self.add(*arc, moved);
            let up = net.arcs[*arc as usize].to;
            self.at_node[up as usize] += moved;
            self.queue(towards, up);
        }
    }

    /// From the farthest on.
    fn push(&mut self, towards: &Towards) {
        let net = self.net;
        for level in (1..self.levels.len()).rev() {
            while let Some(node) = self.levels[level].pop() {
                self.is_queued[node as usize] = false;
                let added = std::mem::take(&mut self.at_node[node as usize]);
                let before = towards.flow[node as usize];
                let after = if self.dead_node[node as usize] { 0.0 } else { (before + added).max(0.0) };
                let (mut all, mut left) = (0.0, 0.0);
                for arc in &net.out[node as usize] {
                    if towards.leads(net, *arc) {
                        let weight = self.fit.weight[*arc as usize];
                        all += weight;
                        left += if self.dead_arc[*arc as usize] { 0.0 } else { weight };
                    }
                }
                if all <= 0.0 {
                    continue;
                }
                if left <= 0.0 && after > 0.0 {
                    // Only what moved here since has no way on: it was checked before that others had.
                    self.stranded_bps += after;
                }
                for arc in &net.out[node as usize] {
                    if !towards.leads(net, *arc) {
                        continue;
                    }
                    let weight = self.fit.weight[*arc as usize];
                    let goes = if self.dead_arc[*arc as usize] { 0.0 } else { after * weight / left };
                    let moved = goes - before * weight / all;
                    if moved == 0.0 {
                        continue;
                    }
                    self.add(*arc, moved);
                    let to = net.arcs[*arc as usize].to;
                    if to != towards.node {
                        self.at_node[to as usize] += moved;
                        self.queue(towards, to);
                    }
                }
            }
        }
    }

    /// Take away all that goes to this destination, and route it again over what is left.
    fn anew(&mut self, towards: &Towards) {
        self.carry(towards, 1.0, None, -1.0);
        let (mut hops, mut order) = (std::mem::take(&mut self.hops), std::mem::take(&mut self.order));
        let dead = &self.dead_arc;
        hops_to(self.net, &[(towards.node, 0)], |arc| !dead[arc as usize], &mut hops, &mut order);
        self.carry(towards, 1.0, Some((&hops, &order)), 1.0);
        (self.hops, self.order) = (hops, order);
    }

    /// Add or take away all that goes to a destination, on the ways it takes or on others.
    fn carry(&mut self, towards: &Towards, share: f64, ways: Option<(&[u16], &[u32])>, sign: f64) {
        let (net, goal) = (self.net, towards.node);
        let is_new = ways.is_some();
        let (hops, order) = ways.unwrap_or((&towards.hops, &towards.order));
        let mut flow = std::mem::take(&mut self.flow);
        for (node, demand) in towards.demand.iter().enumerate() {
            flow[node] = demand * share;
            if is_new {
                let gone = self.dead_node[node];
                if hops[node] == FAR && !gone {
                    self.stranded_bps += flow[node];
                }
                if gone || hops[node] == FAR {
                    flow[node] = 0.0;
                }
            }
        }
        let own = std::mem::take(&mut flow[goal as usize]);
        let leads = |this: &Self, arc: u32| {
            let on = &net.arcs[arc as usize];
            let (from, to) = (hops[on.from as usize], hops[on.to as usize]);
            to != FAR && from == to.saturating_add(1) && !(is_new && this.dead_arc[arc as usize])
        };
        if own > 0.0 {
            let open = |this: &Self, arc: u32| !(is_new && this.dead_arc[arc as usize]);
            let weight = self.fit.weight.as_slice();
            let all: f64 =
                net.out[goal as usize].iter().filter(|arc| open(self, **arc)).map(|arc| weight[*arc as usize]).sum();
            if all <= 0.0 && is_new {
                self.stranded_bps += own;
            }
            for arc in &net.out[goal as usize] {
                if open(self, *arc) && all > 0.0 {
                    let part = own * self.fit.weight[*arc as usize] / all;
                    self.add(*arc, sign * part);
                    flow[net.arcs[*arc as usize].to as usize] += part;
                }
            }
        }
        for node in order.iter().rev() {
            let here = flow[*node as usize];
            if *node == goal || here <= 0.0 {
                continue;
            }
            let out = &net.out[*node as usize];
            let all: f64 = out.iter().filter(|arc| leads(self, **arc)).map(|arc| self.fit.weight[*arc as usize]).sum();
            for arc in out {
                if leads(self, *arc) {
                    let part = here * self.fit.weight[*arc as usize] / all;
                    self.add(*arc, sign * part);
                    flow[net.arcs[*arc as usize].to as usize] += part;
                }
            }
        }
        self.flow = flow;
    }

    /// One of several twins loses cables: its own traffic moves, its twins' does not.
    fn guest(&mut self, device: u32, lost: &[u32]) {
        let (net, fit) = (self.net, self.fit);
        let class = net.node_of[device as usize];
        let out = &net.out[class as usize];
        // Its own cable in each place, and what that carries both ways.
        let cable = |arc: u32| {
            net.arcs[arc as usize]
                .cables
                .iter()
                .find(|(link, _)| net.ends[*link as usize].is_some_and(|ends| ends.contains(&device)))
        };
        let own: Vec<(u32, (u32, u8), bool)> =
            out.iter().filter_map(|arc| cable(*arc).map(|cable| (*arc, *cable, lost.contains(&cable.0)))).collect();
        let load = |(link, way): (u32, u8)| net.load_bps[link as usize][usize::from(way)];
        let total = |way: fn(u8) -> u8, one: bool| -> f64 {
            own.iter()
                .map(|(arc, (link, own_way), _)| {
                    if one {
                        load((*link, way(*own_way)))
                    } else {
                        let arc = if way(0) == 0 { *arc } else { net.arcs[*arc as usize].back };
                        net.arcs[arc as usize].load_bps
                    }
                })
                .filter(|bps| bps.is_finite())
                .sum()
        };
        let share = |way: fn(u8) -> u8| {
            let (one, all) = (total(way, true), total(way, false));
            if all > 0.0 { one / all } else { 0.0 }
        };
        let (sends, gets) = (share(|way| way), share(|way| 1 - way));
        let weight: Vec<f64> = own
            .iter()
            .map(|(_, cable, _)| load(*cable))
            .map(|bps| if bps.is_finite() { bps.max(1.0) } else { 1.0 })
            .collect();
        for towards in &fit.towards {
            let flow = towards.demand[class as usize] * sends;
            if flow <= 0.0 {
                continue;
            }
            let far = |arc: u32| towards.hops[net.arcs[arc as usize].to as usize];
            let nearest = |with_lost: bool| {
                own.iter().filter(|(_, _, gone)| with_lost || !gone).map(|(arc, ..)| far(*arc)).min().unwrap_or(FAR)
            };
            let (before, after) = (nearest(true), nearest(false));
            if after == FAR {
                self.stranded_bps += flow;
            }
            let sum = |near: u16, with_lost: bool| -> f64 {
                let way =
                    own.iter().zip(&weight).filter(|((arc, _, gone), _)| far(*arc) == near && (with_lost || !gone));
                way.map(|(_, weight)| *weight).sum()
            };
            let (all, left) = (sum(before, true), sum(after, false));
            for ((arc, cable, gone), weight) in own.iter().zip(&weight) {
                let was = if far(*arc) == before { flow * weight / all } else { 0.0 };
                let is = if after != FAR && !gone && far(*arc) == after { flow * weight / left } else { 0.0 };
                if was != is {
                    *self.cables.entry(*cable).or_default() += is - was;
                    let up = net.arcs[*arc as usize].to;
                    if up != towards.node {
                        self.at_node[up as usize] += is - was;
                        self.queue(towards, up);
                    }
                }
            }
            self.push(towards);
        }
        self.received_by_guest(class, &own, gets);
    }

    /// What others send to the twin.
    fn received_by_guest(&mut self, class: u32, own: &[(u32, (u32, u8), bool)], gets: f64) {
        let (net, fit) = (self.net, self.fit);
        let Ok(at) = fit.towards.binary_search_by_key(&class, |towards| towards.node) else { return };
        let towards = &fit.towards[at];
        if gets <= 0.0 {
            return;
        }
        let seeds: Vec<(u32, u16)> =
            own.iter().filter(|(_, _, gone)| !gone).map(|(arc, ..)| (net.arcs[*arc as usize].to, 1)).collect();
        let (mut hops, mut order) = (std::mem::take(&mut self.hops), std::mem::take(&mut self.order));
        hops_to(net, &seeds, |_| true, &mut hops, &mut order);
        // Before: as its class. After: to the devices that are left above it.
        for (sign, hops, order) in [(-1.0, &towards.hops, &towards.order), (1.0, &hops, &order)] {
            let mut flow = std::mem::take(&mut self.flow);
            for (node, demand) in towards.demand.iter().enumerate() {
                flow[node] = demand * gets;
            }
            // What its twins send goes up first.
            let all: f64 = net.out[class as usize].iter().map(|arc| fit.weight[*arc as usize]).sum();
            let twins = std::mem::take(&mut flow[class as usize]);
            for (arc, _, gone) in own {
                let up = net.arcs[*arc as usize].to as usize;
                let part = twins * fit.weight[*arc as usize] / all;
                let reaches = sign < 0.0 || !gone || hops[up] == 1;
                if reaches {
                    flow[up] += part;
                    continue;
                }
                // A device above that lost it is no next hop of its twins any more.
                self.add(*arc, -part);
                let stays = own.iter().filter(|(_, _, gone)| !gone).map(|(arc, ..)| *arc);
                let left: f64 = stays.clone().map(|arc| fit.weight[arc as usize]).sum();
                for other in stays {
                    let moved = part * fit.weight[other as usize] / left;
                    self.add(other, moved);
                    flow[net.arcs[other as usize].to as usize] += moved;
                }
            }
            for node in order.iter().rev() {
                let here = flow[*node as usize];
                if (*node == class && sign < 0.0) || here <= 0.0 {
                    continue;
                }
                if hops[*node as usize] == 1 {
                    let down = own
                        .iter()
                        .filter(|(arc, _, gone)| net.arcs[*arc as usize].to == *node && (sign < 0.0 || !gone));
                    let count = down.clone().count().max(1) as f64;
                    for (_, (link, way), _) in down {
                        *self.cables.entry((*link, 1 - way)).or_default() += sign * here / count;
                    }
                    continue;
                }
                let leads =
                    |arc: &&u32| hops[*node as usize] == hops[net.arcs[**arc as usize].to as usize].saturating_add(1);
                let out = &net.out[*node as usize];
                let all: f64 = out.iter().filter(leads).map(|arc| fit.weight[*arc as usize]).sum();
                for arc in out.iter().filter(leads) {
                    let part = here * fit.weight[*arc as usize] / all;
                    self.add(*arc, sign * part);
                    flow[net.arcs[*arc as usize].to as usize] += part;
                }
            }
            self.flow = flow;
        }
        (self.hops, self.order) = (hops, order);
    }
}
