//! The model: a leaf-spine fabric, what its hosts want to send, which way it goes, and what does not fit.
//!
//! Leaves spread what they send to another leaf over all spines that lead there (ECMP, with the uneven split that hashing
//! gives). A port that is offered more than it can send drops the rest and counts it as ifOutDiscards; what was dropped does
//! not reach the next port. A cut cable takes both its ports down, and the load moves to what is left.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::port::Port;
use crate::fabric::Counter;

/// Mean octets of a frame.
const FRAME_OCTETS: f64 = 900.0;
/// The model moves on in steps no longer than this.
const LONGEST_STEP: Duration = Duration::from_millis(250);

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Switches of the upper tier, 1 to 64.
    pub spines: u32,
    /// Switches of the lower tier, 1 to 1,000.
    pub leaves: u32,
    /// Hosts on each leaf, 0 to 48.
    pub hosts: u32,
    /// Bit/s of every port.
    pub speed_bps: u64,
    /// Mean load of the uplinks, 0 to 1.
    pub load: f64,
    /// The same seed gives the same traffic.
    pub seed: u64,
    /// What switches tell beside the usual tables.
    pub tables: Tables,
    /// Whose switches they are: whose own objects they answer beside the standard ones.
    pub vendor: Option<Vendor>,
}

/// Tables that not every device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// The uplinks of a leaf are the ports of one aggregate (its spines are a pair that looks like one); the row of a port that
    /// dies is taken away.
    pub aggregates: bool,
    /// Optics have sensors.
    pub optics: bool,
    /// Spanning tree has something to say of every port.
    pub spanning_tree: bool,
    /// Switches speak CDP and not LLDP.
    pub cdp: bool,
}

/// A vendor whose own drop counters the simulated switches have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// ARISTA-QUEUE-MIB and ARISTA-IF-MIB: drops by queue, and by access list.
    Arista,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            spines: 2,
            leaves: 4,
            hosts: 4,
            speed_bps: 10_000_000_000,
            load: 0.3,
            seed: 1,
            tables: Tables::default(),
            vendor: None,
        }
    }
}

/// A node of the fabric.
#[derive(Debug)]
pub struct Node {
    /// sysName.
    pub name: String,
    /// Its own MAC address: the chassis id.
    pub mac: [u8; 6],
    /// Hosts have no agent.
    pub is_switch: bool,
    /// Its ports, by ifIndex from 1.
    pub ports: Vec<Arc<Port>>,
}

/// A cable between `(node, port)` and `(node, port)`; numbers count from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cable {
    /// One end.
    pub a: (usize, usize),
    /// The other.
    pub b: (usize, usize),
}

/// Traffic that one leaf's hosts send to another's.
struct Demand {
    from: usize,
    to: usize,
    mean_bps: f64,
    /// Slow swing: amplitude is a share of the mean.
    amplitude: f64,
    period_s: f64,
    phase: f64,
    /// How hashing splits it over the spines; sums to one.
    split: Vec<f64>,
    /// What a story multiplies it by.
    factor: f64,
}

/// The running model.
pub struct Fabric {
    plan: Plan,
    nodes: Vec<Node>,
    cables: Vec<Cable>,
    /// The cable in each port of each node.
    wires: Vec<Vec<usize>>,
    demands: Vec<Demand>,
    /// Share of frames that a cable damages, per cable.
    corrupt: BTreeMap<usize, f64>,
    /// Share of frames that a cable loses, per cable; nobody counts them.
    lost: BTreeMap<usize, f64>,
    /// Share of frames that a port drops although the mean fits, by (node, port): bursts.
    bursts: BTreeMap<(usize, usize), f64>,
    /// Share of what a port receives that a rule drops, by (node, port).
    denied: BTreeMap<(usize, usize), f64>,
    clock: Arc<AtomicU64>,
    elapsed: Duration,
    rng: SmallRng,
    /// What is left of a count below one, by (node, port, counter).
    remainders: BTreeMap<(usize, usize, Counter), f64>,
}

impl Fabric {
    /// Build it; all cables are in and the clock stands at zero.
    pub fn new(plan: Plan) -> Self {
        let mut rng = SmallRng::seed_from_u64(plan.seed);
        let (spines, leaves, hosts) = (plan.spines as usize, plan.leaves as usize, plan.hosts as usize);
        let mut nodes = Vec::new();
        for n in 0..spines {
            nodes.push(node(format!("spine{}", n + 1), nodes.len(), true));
        }
        for n in 0..leaves {
            nodes.push(node(format!("leaf{}", n + 1), nodes.len(), true));
        }
        let mut cables = Vec::new();
        for leaf in spines..spines + leaves {
            for spine in 0..spines {
                cables.push(connect(&mut nodes, leaf, spine, plan.speed_bps));
            }
            for host in 0..hosts {
                let name = format!("h{}-{}", leaf - spines + 1, host + 1);
                nodes.push(node(name, nodes.len(), false));
                let host = nodes.len() - 1;
                cables.push(connect(&mut nodes, leaf, host, plan.speed_bps));
            }
        }
        let mut wires: Vec<Vec<usize>> = nodes.iter().map(|node| vec![0; node.ports.len()]).collect();
        for (index, cable) in cables.iter().enumerate() {
            wires[cable.a.0][cable.a.1] = index;
            wires[cable.b.0][cable.b.1] = index;
        }
        let others = leaves.saturating_sub(1).max(1) as f64;
        let mean_bps = plan.load * plan.speed_bps as f64 * f64::from(plan.spines) / others;
        let mut demands = Vec::new();
        for from in spines..spines + leaves {
            for to in (spines..spines + leaves).filter(|&to| to != from) {
                let mut split: Vec<f64> = (0..spines).map(|_| rng.random_range(0.85..1.15)).collect();
                let sum: f64 = split.iter().sum();
                split.iter_mut().for_each(|share| *share /= sum);
                demands.push(Demand {
                    from,
                    to,
                    mean_bps,
                    amplitude: rng.random_range(0.1..0.4),
                    period_s: rng.random_range(40.0..240.0),
                    phase: rng.random_range(0.0..TAU),
                    split,
                    factor: 1.0,
                });
            }
        }
        Self {
            plan,
            nodes,
            cables,
            wires,
            demands,
            corrupt: BTreeMap::new(),
            lost: BTreeMap::new(),
            bursts: BTreeMap::new(),
            denied: BTreeMap::new(),
            clock: Arc::default(),
            elapsed: Duration::ZERO,
            rng,
            remainders: BTreeMap::new(),
        }
    }

    /// Whose switches they are.
    pub fn vendor(&self) -> Option<Vendor> {
        self.plan.vendor
    }

    /// All nodes: spines, leaves, then hosts.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All cables.
    pub fn cables(&self) -> &[Cable] {
        &self.cables
    }

    /// The clock that the agents' sysUpTime is read from: hundredths of a second.
    pub fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clock)
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The cable between two nodes.
    pub fn cable(&self, one: &str, other: &str) -> Option<usize> {
        self.cables.iter().position(|cable| {
            let (a, b) = (self.nodes[cable.a.0].name.as_str(), self.nodes[cable.b.0].name.as_str());
            (a, b) == (one, other) || (a, b) == (other, one)
        })
    }

    /// Pull a cable, or put it back: the ends with their node and port, whose state turned.
    pub fn set_carrier(&mut self, cable: usize, up: bool) -> Vec<(usize, Arc<Port>)> {
        let Some(&Cable { a, b }) = self.cables.get(cable) else { return Vec::new() };
        let ends = [a, b].map(|(node, port)| (node, Arc::clone(&self.nodes[node].ports[port])));
        ends.into_iter().filter(|(_, port)| port.is_up() != up).inspect(|(_, port)| port.set_up(up)).collect()
    }

    /// Multiply what a leaf sends to all others.
    pub fn surge(&mut self, leaf: &str, factor: f64) {
        let nodes = &self.nodes;
        self.demands.iter_mut().filter(|d| nodes[d.from].name == leaf).for_each(|d| d.factor = factor);
    }

    /// From now on a cable damages this share of its frames, both ways; zero ends it.
    pub fn corrupt(&mut self, cable: usize, share: f64) {
        self.corrupt.insert(cable, share);
    }

    /// From now on this share of the frames that enter a cable vanishes in it, both ways: sent, received by nobody, and
    /// counted by no one as lost; zero ends it.
    pub fn lose(&mut self, cable: usize, share: f64) {
        self.lost.insert(cable, share);
    }

    /// From now on bursts make the port of `node` towards `peer` drop this share of its frames; zero ends it.
    pub fn burst(&mut self, node: &str, peer: &str, share: f64) {
        if let Some(cable) = self.cable(node, peer) {
            let Cable { a, b } = self.cables[cable];
            let end = if self.nodes[a.0].name == node { a } else { b };
            self.bursts.insert(end, share);
        }
    }

    /// What was built.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn port_between(&self, node: &str, peer: &str) -> Option<&Arc<Port>> {
        let Cable { a, b } = self.cables[self.cable(node, peer)?];
        let (node, port) = if self.nodes[a.0].name == node { a } else { b };
        self.nodes[node].ports.get(port)
    }

    /// The port of `node` towards `peer` leaves its aggregate, or is in it again.
    pub fn aggregate(&mut self, node: &str, peer: &str, aggregated: bool) {
        if let Some(port) = self.port_between(node, peer) {
            port.set_aggregated(aggregated);
        }
    }

    /// From now on so much light reaches the optic of `node` towards `peer`.
    pub fn light(&mut self, node: &str, peer: &str, dbm: f64) {
        if let Some(port) = self.port_between(node, peer) {
            port.set_light(dbm);
        }
    }

    /// From now on spanning tree blocks the port of `node` towards `peer`, or does not.
    pub fn block(&mut self, node: &str, peer: &str, blocked: bool) {
        if let Some(port) = self.port_between(node, peer) {
            port.set_blocked(blocked);
        }
    }

    /// From now on a rule of `node` drops this share of what it receives from `peer`; zero ends it.
    pub fn deny(&mut self, node: &str, peer: &str, share: f64) {
        if let Some(cable) = self.cable(node, peer) {
            let Cable { a, b } = self.cables[cable];
            let end = if self.nodes[a.0].name == node { a } else { b };
            self.denied.insert(end, share);
        }
    }

    /// Let time pass.
    pub fn advance(&mut self, span: Duration) {
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(LONGEST_STEP);
            self.step(step);
            left -= step;
        }
    }

    fn step(&mut self, span: Duration) {
        self.elapsed += span;
        self.clock.store(u64::try_from(self.elapsed.as_millis() / 10).unwrap_or(u64::MAX), Ordering::Relaxed);
        let seconds = span.as_secs_f64();
        let (spines, hosts) = (self.plan.spines as usize, self.plan.hosts as usize);
        let per_leaf = spines + hosts;
        let capacity = self.plan.speed_bps as f64;

        // What each leaf wants to send over each spine, and to whom.
        let now_s = self.elapsed.as_secs_f64();
        let mut up = BTreeMap::<(usize, usize), f64>::new();
        let mut routed = Vec::with_capacity(self.demands.len() * spines);
        for demand in &self.demands {
            let swing = 1.0 + demand.amplitude * (TAU * now_s / demand.period_s + demand.phase).sin();
            let jitter = self.rng.random_range(0.97..1.03);
            let bps = demand.mean_bps * demand.factor * swing * jitter;
            let carries = |spine: usize| {
                let uplink = |leaf: usize| self.nodes[leaf].ports[spine].is_up();
                uplink(demand.from) && uplink(demand.to)
            };
            let whole: f64 = (0..spines).filter(|&s| carries(s)).map(|s| demand.split[s]).sum();
            for spine in (0..spines).filter(|&s| carries(s)) {
                let share = bps * demand.split[spine] / whole;
                *up.entry((demand.from, spine)).or_default() += share;
                routed.push((demand.from, spine, demand.to, share));
            }
        }
        // First hop: leaf to spine. What does not fit is dropped there and goes no further.
        let fits = |offered: f64| if offered > capacity { capacity / offered } else { 1.0 };
        let mut down = BTreeMap::<(usize, usize), f64>::new();
        let mut from_hosts = BTreeMap::<usize, f64>::new();
        for &(from, spine, to, bps) in &routed {
            *from_hosts.entry(from).or_default() += bps;
            *down.entry((spine, to)).or_default() += bps * fits(up[&(from, spine)]);
        }
        let mut to_hosts = BTreeMap::<usize, f64>::new();
        for (&(spine, to), &bps) in &down {
            *to_hosts.entry(to).or_default() += bps * fits(bps);
            self.carry((spine, to - spines), bps, seconds);
        }
        for (&(from, spine), &bps) in &up {
            self.carry((from, spine), bps, seconds);
        }
        for leaf in spines..spines + self.plan.leaves as usize {
            for host in 0..hosts {
                let node = spines + self.plan.leaves as usize + (leaf - spines) * hosts + host;
                let share = |total: &BTreeMap<usize, f64>| total.get(&leaf).copied().unwrap_or(0.0) / hosts as f64;
                self.carry((node, 0), share(&from_hosts), seconds);
                self.carry((leaf, per_leaf - hosts + host), share(&to_hosts), seconds);
            }
        }
        // A fabric is never quite silent: LLDP and routing keep every port that is up alive.
        for index in 0..self.cables.len() {
            let Cable { a, b } = self.cables[index];
            for end in [a, b] {
                self.count(end, Counter::OutMulticastPkts, seconds * 0.5);
                self.count(end, Counter::OutOctets, seconds * 120.0);
            }
        }
    }

    /// Send `bps` out of a port for a while: count it there and at the other end of its cable.
    fn carry(&mut self, out: (usize, usize), offered_bps: f64, seconds: f64) {
        let port = &self.nodes[out.0].ports[out.1];
        if !port.is_up() {
            return;
        }
        let cable = self.wires[out.0][out.1];
        let Cable { a, b } = self.cables[cable];
        let far = if a == out { b } else { a };
        let sent_bps = offered_bps.min(port.speed_bps as f64);
        let burst = self.bursts.get(&out).copied().unwrap_or(0.0);
        let offered = offered_bps * seconds / 8.0 / FRAME_OCTETS;
        let sent = sent_bps * seconds / 8.0 / FRAME_OCTETS * (1.0 - burst);
        let damaged = sent * self.corrupt.get(&cable).copied().unwrap_or(0.0);
        let denied = (sent - damaged) * self.denied.get(&far).copied().unwrap_or(0.0);
        self.count(out, Counter::OutDiscards, offered - sent);
        self.count(out, Counter::DropsCongestionOut, offered - sent);
        // Received all right, and then not passed on.
        self.count(far, Counter::InDiscards, denied);
        self.count(far, Counter::DropsPolicyIn, denied);
        self.count(out, Counter::OutUcastPkts, sent);
        self.count(out, Counter::OutOctets, sent * FRAME_OCTETS);
        // What the cable loses never arrives, damaged or not.
        let arrives = 1.0 - self.lost.get(&cable).copied().unwrap_or(0.0);
        let (sent, damaged) = (sent * arrives, damaged * arrives);
        self.count(far, Counter::InUcastPkts, sent - damaged);
        self.count(far, Counter::InOctets, (sent - damaged) * FRAME_OCTETS);
        self.count(far, Counter::InErrors, damaged);
        self.count(far, Counter::FcsErrors, damaged);
    }

    fn count(&mut self, (node, port): (usize, usize), counter: Counter, amount: f64) {
        let state = &self.nodes[node].ports[port];
        if !state.is_up() || amount <= 0.0 {
            return;
        }
        let remainder = self.remainders.entry((node, port, counter)).or_default();
        *remainder += amount;
        let whole = remainder.floor();
        *remainder -= whole;
        state.add(counter, whole as u64);
    }
}

fn node(name: String, number: usize, is_switch: bool) -> Node {
    Node { name, mac: mac(number, 0), is_switch, ports: Vec::new() }
}

/// A locally administered address for the port (0 is the chassis) of the node.
fn mac(node: usize, port: usize) -> [u8; 6] {
    [0x02, 0x5e, (node >> 8) as u8, node as u8, (port >> 8) as u8, port as u8]
}

/// A new port on both nodes and a cable between them.
fn connect(nodes: &mut [Node], one: usize, other: usize, speed_bps: u64) -> Cable {
    let mut plug = |node: usize, peer: usize| {
        let alias = format!("to {}", nodes[peer].name);
        let number = nodes[node].ports.len();
        let name = if nodes[node].is_switch { format!("Ethernet{}", number + 1) } else { format!("eth{number}") };
        let index = number as u32 + 1;
        let mac = mac(node, number + 1);
        nodes[node].ports.push(Arc::new(Port::new(name, alias, index, mac, speed_bps)));
        (node, number)
    };
    Cable { a: plug(one, other), b: plug(other, one) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(port: &Port, counter: Counter, fabric: &mut Fabric, seconds: u64) -> f64 {
        let before = port.count(counter);
        fabric.advance(Duration::from_secs(seconds));
        (port.count(counter) - before) as f64 / seconds as f64
    }

    fn port(fabric: &Fabric, node: &str, peer: &str) -> Arc<Port> {
        let Cable { a, b } = fabric.cables[fabric.cable(node, peer).unwrap()];
        let end = if fabric.nodes[a.0].name == node { a } else { b };
        Arc::clone(&fabric.nodes[end.0].ports[end.1])
    }

    #[test]
    fn what_a_port_sends_the_other_end_receives() {
        let mut fabric = Fabric::new(Plan::default());
        fabric.advance(Duration::from_secs(30));
        for cable in fabric.cables.clone() {
            let [a, b] = [cable.a, cable.b].map(|(node, port)| Arc::clone(&fabric.nodes[node].ports[port]));
            for (out, into) in [(&a, &b), (&b, &a)] {
                let (sent, received) = (out.count(Counter::OutUcastPkts), into.count(Counter::InUcastPkts));
                assert!(sent.abs_diff(received) <= 1, "{} sent {sent}, {} received {received}", out.name, into.name);
                assert_eq!(out.count(Counter::OutDiscards), 0);
            }
        }
    }

    #[test]
    fn a_cut_moves_the_load_and_a_surge_overflows() {
        let mut fabric = Fabric::new(Plan::default());
        let (one, two) = (port(&fabric, "leaf1", "spine1"), port(&fabric, "leaf1", "spine2"));
        let calm = rate(&two, Counter::OutOctets, &mut fabric, 20);
        let cable = fabric.cable("leaf1", "spine1").unwrap();
        assert_eq!(fabric.set_carrier(cable, false).len(), 2);
        assert!(fabric.set_carrier(cable, false).is_empty(), "it is out already");
        assert_eq!(rate(&one, Counter::OutOctets, &mut fabric, 20), 0.0);
        assert!(rate(&two, Counter::OutOctets, &mut fabric, 20) > 1.6 * calm);
        fabric.surge("leaf1", 3.0);
        assert!(rate(&two, Counter::OutDiscards, &mut fabric, 20) > 100_000.0);
        assert!(rate(&two, Counter::OutOctets, &mut fabric, 20) * 8.0 <= 1.001 * two.speed_bps as f64);
        fabric.set_carrier(cable, true);
        assert!(rate(&one, Counter::OutOctets, &mut fabric, 20) > calm);
    }

    #[test]
    fn damage_is_counted_where_it_arrives() {
        let mut fabric = Fabric::new(Plan::default());
        let cable = fabric.cable("spine1", "leaf2").unwrap();
        fabric.corrupt(cable, 0.01);
        fabric.advance(Duration::from_secs(10));
        let leaf = port(&fabric, "leaf2", "spine1");
        let share = leaf.count(Counter::FcsErrors) as f64
            / (leaf.count(Counter::InUcastPkts) + leaf.count(Counter::FcsErrors)) as f64;
        assert!((share - 0.01).abs() < 1e-4, "{share}");
    }

    #[test]
    fn what_a_cable_loses_nobody_counts() {
        let mut fabric = Fabric::new(Plan::default());
        let cable = fabric.cable("leaf1", "spine1").unwrap();
        fabric.lose(cable, 0.02);
        fabric.advance(Duration::from_secs(10));
        let (leaf, spine) = (port(&fabric, "leaf1", "spine1"), port(&fabric, "spine1", "leaf1"));
        for (out, into) in [(&leaf, &spine), (&spine, &leaf)] {
            let share = 1.0 - into.count(Counter::InUcastPkts) as f64 / out.count(Counter::OutUcastPkts) as f64;
            assert!((share - 0.02).abs() < 1e-4, "{share}");
            assert_eq!((into.count(Counter::InErrors), out.count(Counter::OutDiscards)), (0, 0));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_traffic() {
        let counts = |seed| {
            let mut fabric = Fabric::new(Plan { seed, ..Plan::default() });
            fabric.advance(Duration::from_secs(5));
            fabric.nodes[0].ports.iter().map(|port| port.count(Counter::InOctets)).collect::<Vec<_>>()
        };
        assert_eq!(counts(7), counts(7));
        assert_ne!(counts(7), counts(8));
    }
}
