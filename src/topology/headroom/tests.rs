//! Known demands are routed, measured, and every failure is predicted; then each is failed for real and compared.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::fabric::{Counter, GroupKind, InterfaceId, LinkEnd, LinkHealth};
use crate::simulate::{Fabric, Plan};
use crate::topology::ledger::{Device, EdgeLoad, Group, Link, LinkLoad};

const GIG: f64 = 1e9;

/// A fabric with demands, routed by a router of its own: each demand hop by hop, unevenly, as hashing does.
struct World {
    devices: Vec<(String, u32)>,
    cables: Vec<(usize, usize, f64)>,
    demands: Vec<(usize, usize, f64)>,
    /// How a device's hashing favours a cable.
    favour: Vec<[f64; 2]>,
}

impl World {
    fn new(
        devices: &[(&str, u32)],
        cables: &[(usize, usize, f64)],
        demands: Vec<(usize, usize, f64)>,
        seed: u64,
    ) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut favour = || rng.random_range(0.85..1.15);
        Self {
            devices: devices.iter().map(|(name, tier)| ((*name).to_owned(), *tier)).collect(),
            cables: cables.to_vec(),
            demands,
            favour: cables.iter().map(|_| [favour(), favour()]).collect(),
        }
    }

    /// Everybody among `ends` to everybody else, unevenly.
    fn mesh(ends: &[usize], mean_bps: f64, seed: u64) -> Vec<(usize, usize, f64)> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pairs =
            ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to))).filter(|(from, to)| from != to);
        pairs.map(|(from, to)| (from, to, mean_bps * rng.random_range(0.3..1.7))).collect()
    }

    /// Load of every cable in both directions, without some.
    fn route(&self, dead: &[usize], gone: &[usize]) -> Vec<[f64; 2]> {
        let open = |cable: usize| {
            let (a, b, _) = self.cables[cable];
            !dead.contains(&cable) && !gone.contains(&a) && !gone.contains(&b)
        };
        let mut loads = vec![[0.0; 2]; self.cables.len()];
        for (from, to, bps) in &self.demands {
            if gone.contains(from) || gone.contains(to) {
                continue;
            }
            let mut far = vec![usize::MAX; self.devices.len()];
            far[*to] = 0;
            for round in 0..self.devices.len() {
                for (n, (a, b, _)) in self.cables.iter().enumerate().filter(|(n, _)| open(*n)) {
                    let _ = n;
                    for (one, other) in [(*a, *b), (*b, *a)] {
                        if far[one] == round && far[other] == usize::MAX {
                            far[other] = round + 1;
                        }
                    }
                }
            }
            let mut at = BTreeMap::from([(*from, *bps)]);
            while let Some(node) =
                at.keys().copied().filter(|node| far[*node] != usize::MAX).max_by_key(|node| far[*node])
            {
                let here = at.remove(&node).unwrap();
                if node == *to {
                    continue;
                }
                let next: Vec<(usize, usize, usize)> = (0..self.cables.len())
                    .filter(|n| open(*n))
                    .filter_map(|n| {
                        let (a, b, _) = self.cables[n];
                        if a == node { Some((n, 0, b)) } else { (b == node).then_some((n, 1, a)) }
                    })
                    .filter(|(_, _, far_end)| far[*far_end] != usize::MAX && far[*far_end] + 1 == far[node])
                    .collect();
                let all: f64 = next.iter().map(|(n, way, _)| self.favour[*n][*way]).sum();
                for (n, way, far_end) in next {
                    let part = here * self.favour[n][way] / all;
                    loads[n][way] += part;
                    *at.entry(far_end).or_default() += part;
                }
            }
        }
        loads
    }

    /// As it is measured; and the cable of each of the scene's links, and whether it is turned round.
    fn scene(&self) -> (Scene, Vec<(usize, bool)>) {
        let mut scene = Scene { taken_at: Timestamp::from_secs(1_795_521_600), ..Scene::default() };
        for (name, tier) in &self.devices {
            scene.devices.push(Device { name: name.as_str().into(), labels: Default::default(), tier: Some(*tier) });
        }
        let loads = self.route(&[], &[]);
        let mut rows = Vec::new();
        for (n, (a, b, capacity)) in self.cables.iter().enumerate() {
            let end = |at: usize| LinkEnd {
                interface: InterfaceId::new(self.devices[at].0.as_str(), format!("e{n:05}")),
                watched: true,
            };
            let (mut one, mut other) = (end(*a), end(*b));
            let turned = one.interface > other.interface;
            let mut load = loads[n].map(Some);
            if turned {
                std::mem::swap(&mut one, &mut other);
                load.reverse();
            }
            let id = LinkId::new(&one.interface, &other.interface);
            let link = Link {
                id,
                a: one,
                b: other,
                health: LinkHealth::Up,
                since: Timestamp::default(),
                capacity_bps: Some(*capacity as u64),
            };
            rows.push((link, LinkLoad { now_bps: load, ..LinkLoad::default() }, (n, turned)));
        }
        rows.sort_by(|one, other| one.0.id.cmp(&other.0.id));
        let mut at = Vec::new();
        for (link, load, place) in rows {
            scene.links.push(link);
            scene.loads.push(load);
            at.push(place);
        }
        for (n, (name, _)) in self.devices.iter().enumerate() {
            let sum = |side: fn(&(usize, usize, f64)) -> usize| {
                Some(self.demands.iter().filter(|demand| side(demand) == n).map(|demand| demand.2).sum::<f64>())
            };
            let now_bps = [sum(|demand| demand.0), sum(|demand| demand.1)];
            if now_bps != [Some(0.0); 2] {
                scene.edges.push(EdgeLoad { device: name.as_str().into(), now_bps, busy_bps: [None; 2] });
            }
        }
        scene.devices.sort_by(|one, other| one.name.cmp(&other.name));
        scene.edges.sort_by(|one, other| one.device.cmp(&other.device));
        (scene, at)
    }

    /// Every link in every case of failure: predicted load less the real one, as a share of the capacity.
    fn errors(&self, twins: bool) -> Vec<f64> {
        self.compared(twins).into_iter().map(|(error, _)| error).collect()
    }

    /// With how it was predicted.
    fn compared(&self, twins: bool) -> Vec<(f64, Method)> {
        let (mut scene, at) = self.scene();
        add_uplinks(&mut scene);
        let study = Study::from_net(&scene, Basis::Now, Net::with_twins(&scene, Basis::Now, twins));
        let mut errors = Vec::new();
        for (part, failure) in study.failures() {
            let dead: Vec<usize> = failure.links.iter().map(|link| at[*link as usize].0).collect();
            let gone: Vec<usize> = failure
                .devices
                .iter()
                .map(|device| {
                    let name = scene.devices[*device as usize].name.as_str();
                    self.devices.iter().position(|(other, _)| other == name).unwrap()
                })
                .collect();
            if gone.iter().any(|device| self.devices[*device].1 == 1) {
                continue;
            }
            let truth = self.route(&dead, &gone);
            let mut run = Run::new(&study);
            run.case(0, &part, &failure);
            for peak in run.peaks.values() {
                let (cable, turned) = at[peak.effect.link as usize];
                let way = usize::from(peak.effect.way) ^ usize::from(turned);
                errors.push(((peak.effect.after_bps - truth[cable][way]) / self.cables[cable].2, peak.effect.method));
            }
        }
        errors
    }
}

/// The ways up of each device of the lowest tier.
fn add_uplinks(scene: &mut Scene) {
    for device in scene.devices.iter().filter(|device| device.tier == Some(1)) {
        let own = |link: &&Link| [&link.a, &link.b].into_iter().any(|end| end.interface.device == device.name);
        let planned: Vec<LinkId> = scene.links.iter().filter(own).map(|link| link.id.clone()).collect();
        scene.groups.push(Group {
            name: format!("{} uplinks", device.name).into(),
            kind: GroupKind::Uplinks,
            device: Some(device.name.clone()),
            working: planned.clone(),
            planned,
            unknown: vec![],
        });
    }
}

fn spread(mut errors: Vec<f64>) -> (f64, f64, f64, usize) {
    errors.iter_mut().for_each(|error| *error = error.abs());
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.95), at(1.0), errors.len())
}

fn clos(seed: u64) -> World {
    let names = ["l1", "l2", "l3", "l4", "l5", "l6", "s1", "s2", "s3"];
    let devices: Vec<(&str, u32)> =
        names.iter().map(|name| (*name, if name.starts_with('l') { 1 } else { 2 })).collect();
    let cables: Vec<_> = (0..6).flat_map(|leaf| (6..9).map(move |spine| (leaf, spine, 10.0 * GIG))).collect();
    World::new(&devices, &cables, World::mesh(&[0, 1, 2, 3, 4, 5], 2.5 * GIG, seed), seed)
}

/// Two pods with cores above.
fn pods(seed: u64) -> World {
    let (mut devices, mut cables) = (vec![("c1".to_owned(), 3), ("c2".to_owned(), 3)], Vec::new());
    let mut leaves = Vec::new();
    for pod in 0..3 {
        let spines: Vec<usize> = (0..2)
            .map(|n| {
                devices.push((format!("p{pod}s{n}"), 2));
                devices.len() - 1
            })
            .collect();
        for spine in &spines {
            cables.extend([(*spine, 0, 40.0 * GIG), (*spine, 1, 40.0 * GIG)]);
        }
        for n in 0..3 {
            devices.push((format!("p{pod}l{n}"), 1));
            let leaf = devices.len() - 1;
            leaves.push(leaf);
            cables.extend(spines.iter().map(|spine| (leaf, *spine, 10.0 * GIG)));
        }
    }
    let named: Vec<(&str, u32)> = devices.iter().map(|(name, tier)| (name.as_str(), *tier)).collect();
    World::new(&named, &cables, World::mesh(&leaves, GIG, seed), seed)
}

fn ring(seed: u64) -> World {
    let devices: Vec<(&str, u32)> = ["a", "b", "c", "d", "e", "f", "g"].iter().map(|name| (*name, 2)).collect();
    let cables: Vec<_> = (0..7).map(|n| (n, (n + 1) % 7, 10.0 * GIG)).collect();
    World::new(&devices, &cables, World::mesh(&[0, 1, 2, 3, 4, 5, 6], 0.4 * GIG, seed), seed)
}

/// Sites on two hubs each, the hubs in a mesh.
fn wan(seed: u64) -> World {
    let mut devices: Vec<(String, u32)> = (0..4).map(|n| (format!("hub{n}"), 2)).collect();
    let mut cables = vec![];
    for a in 0..4 {
        cables.extend((a + 1..4).map(|b| (a, b, 20.0 * GIG)));
    }
    for site in 0..8 {
        devices.push((format!("site{site}"), 2));
        cables.extend([(4 + site, site % 4, 10.0 * GIG), (4 + site, (site + 1 + site / 4) % 4, 10.0 * GIG)]);
    }
    let named: Vec<(&str, u32)> = devices.iter().map(|(name, tier)| (name.as_str(), *tier)).collect();
    let ends: Vec<usize> = (4..12).collect();
    World::new(&named, &cables, World::mesh(&ends, 0.6 * GIG, seed), seed)
}

#[test]
fn groups_of_a_clos_are_within_two_percent_of_the_truth() {
    for seed in 1..6 {
        for world in [clos(seed), pods(seed)] {
            let split = world.compared(false).into_iter().filter(|(_, method)| *method == Method::Split);
            let (_, p95, worst, count) = spread(split.map(|(error, _)| error).collect());
            assert!(count >= 36 && worst < 0.02, "seed {seed}: {p95} {worst} of {count}");
        }
    }
}

#[test]
fn whole_networks_are_estimated() {
    for seed in 1..4 {
        for (name, world) in [("pods", pods(seed)), ("ring", ring(seed)), ("wan", wan(seed))] {
            let (p50, p95, worst, count) = spread(world.errors(false));
            println!("{name} seed {seed}: p50 {p50:.4} p95 {p95:.4} worst {worst:.4} of {count}");
            assert!(count > 20 && p50 < 0.03 && p95 < 0.1, "{name} seed {seed}: {p50} {p95} {worst}");
        }
    }
}

#[test]
fn twins_put_together_say_nearly_the_same() {
    for seed in 1..4 {
        for world in [clos(seed), pods(seed)] {
            let (alone, together) = (spread(world.errors(false)), spread(world.errors(true)));
            println!("alone {alone:?}, together {together:?}");
            assert!(together.3 > 50 && together.1 < alone.1 + 0.08, "seed {seed}: {alone:?} {together:?}");
        }
    }
}

/// `cargo test --lib headroom -- --ignored --nocapture` prints the table of the README.
#[test]
#[ignore = "prints a table"]
fn error_distribution() {
    type Make = fn(u64) -> World;
    let split = (1..41).flat_map(|seed| clos(seed).compared(false)).filter(|(_, method)| *method == Method::Split);
    println!("groups {:?}", spread(split.map(|(error, _)| error).collect()));
    for (name, make) in [("clos", clos as Make), ("pods", pods), ("ring", ring), ("wan", wan)] {
        let estimated = |(error, method)| (method == Method::Estimate).then_some(error);
        let errors: Vec<f64> = (1..41).flat_map(|seed| make(seed).compared(false)).filter_map(estimated).collect();
        let (p50, p95, worst, count) = spread(errors);
        let [p50, p95, worst] = [p50, p95, worst].map(|share| share * 100.0);
        println!("| {name} | {count} | {p50:.2} % | {p95:.2} % | {worst:.2} % |");
    }
}

/// The simulator that `selvedge simulate` runs: two of one seed have the same traffic, and in one a cable is pulled.
#[test]
fn a_cable_pulled_in_the_simulator_does_what_was_said() {
    let plan = Plan { spines: 3, leaves: 5, hosts: 2, load: 0.4, ..Plan::default() };
    let ends = |fabric: &Fabric, cable: usize| {
        let cable = fabric.cables()[cable];
        [cable.a, cable.b].map(|(node, port)| (fabric.nodes()[node].name.clone(), node, port))
    };
    let uplinks: Vec<usize> = {
        let fabric = Fabric::new(plan);
        let is_switch = |at: &usize| ends(&fabric, *at).iter().all(|(_, node, _)| fabric.nodes()[*node].is_switch);
        (0..fabric.cables().len()).filter(is_switch).collect()
    };
    let measure = |cut: Option<usize>| {
        let mut fabric = Fabric::new(plan);
        if let Some(cable) = cut {
            fabric.set_carrier(cable, false);
        }
        fabric.advance(Duration::from_secs(60));
        let bps =
            |node: usize, port: usize| fabric.nodes()[node].ports[port].count(Counter::OutOctets) as f64 * 8.0 / 60.0;
        let load = |at: usize| ends(&fabric, at).map(|(_, node, port)| bps(node, port));
        (0..fabric.cables().len()).map(load).collect::<Vec<_>>()
    };
    let fabric = Fabric::new(plan);
    let calm = measure(None);
    let mut scene = Scene::default();
    let (mut rows, mut edges) = (Vec::new(), BTreeMap::<String, [f64; 2]>::new());
    for (at, load) in calm.iter().enumerate() {
        let [a, b] = ends(&fabric, at);
        let end = |(name, node, port): &(String, usize, usize)| LinkEnd {
            interface: InterfaceId::new(name.as_str(), fabric.nodes()[*node].ports[*port].name.as_str()),
            watched: fabric.nodes()[*node].is_switch,
        };
        let (one, other) = (end(&a), end(&b));
        if !other.watched {
            let edge = edges.entry(a.0.clone()).or_default();
            *edge = [edge[0] + load[1], edge[1] + load[0]];
            continue;
        }
        assert!(one.interface < other.interface, "leaves before spines");
        let id = LinkId::new(&one.interface, &other.interface);
        let (health, since) = (LinkHealth::Up, Timestamp::default());
        rows.push((Link { id, a: one, b: other, health, since, capacity_bps: Some(plan.speed_bps) }, at, *load));
    }
    rows.sort_by(|one, other| one.0.id.cmp(&other.0.id));
    let place: Vec<usize> = rows.iter().map(|row| row.1).collect();
    for (link, _, load) in rows {
        scene.links.push(link);
        scene.loads.push(LinkLoad { now_bps: load.map(Some), ..LinkLoad::default() });
    }
    for node in fabric.nodes().iter().filter(|node| node.is_switch) {
        let tier = if node.name.starts_with("leaf") { 1 } else { 2 };
        scene.devices.push(Device { name: node.name.as_str().into(), labels: Default::default(), tier: Some(tier) });
    }
    add_uplinks(&mut scene);
    scene.devices.sort_by(|one, other| one.name.cmp(&other.name));
    for (name, bps) in edges {
        scene.edges.push(EdgeLoad { device: name.as_str().into(), now_bps: bps.map(Some), busy_bps: [None; 2] });
    }
    let study = Study::new(&scene, Basis::Now);
    assert!(study.residual().unwrap() < 0.05, "{:?}", study.residual());
    let (mut split, mut compared) = (0, 0);
    for cut in uplinks {
        let truth = measure(Some(cut));
        let link = place.iter().position(|at| *at == cut).unwrap() as u32;
        let mut run = Run::new(&study);
        run.case(0, &study.link_part(link), &Failure { links: vec![link], devices: vec![] });
        for peak in run.peaks.values() {
            let real = truth[place[peak.effect.link as usize]][usize::from(peak.effect.way)];
            let off = (peak.effect.after_bps - real).abs() / plan.speed_bps as f64;
            compared += 1;
            split += usize::from(peak.effect.method == Method::Split);
            let bound = if peak.effect.method == Method::Split { 0.02 } else { 0.1 };
            assert!(off < bound, "cut {cut}: {:?} in truth {real}", peak.effect);
        }
    }
    assert!(split >= 30 && compared > split, "{split} of {compared}");
}

#[test]
fn what_is_said_in_words() {
    let mut world = clos(1);
    world.demands.iter_mut().for_each(|demand| demand.2 *= 1.6);
    let (scene, _) = world.scene();
    let headroom = Study::new(&scene, Basis::Now).all();
    let case = &headroom.cases[0];
    assert!(matches!(&case.part, PartName::Device { name } if name.as_str().starts_with('s')), "{case:?}");
    assert!(case.summary.starts_with("lose s") && case.summary.contains(" Gbit/s of 10"), "{}", case.summary);
    assert!(case.lost_bps > GIG && case.over_total > case.over.len() - 1);
    let worst = headroom.of(&case.over[0].link).unwrap();
    assert!(worst.utilization >= case.over[0].after_bps / case.over[0].capacity_bps - 1e-9);
}

#[test]
fn nothing_is_claimed_of_what_is_not_measured() {
    let (mut scene, _) = clos(1).scene();
    // A link that nobody measures: of it, and of what it would set free, nothing is said.
    scene.loads[0].now_bps = [None; 2];
    let dark = scene.links[0].id.clone();
    let headroom = Study::new(&scene, Basis::Now).all();
    assert!(headroom.of(&dark).is_none());
    let by_dark = |worst: &&Worst| matches!(&worst.without, PartName::Link { name, .. } if *name == dark);
    assert_eq!(headroom.links.iter().filter(by_dark).count(), 0);
    // Without any loads at all there is no estimate, and nobody is told anything.
    scene.loads.clear();
    scene.edges.clear();
    let headroom = Study::new(&scene, Basis::Now).all();
    assert!(headroom.links.is_empty() && headroom.cases.is_empty() && headroom.residual.is_none());
    assert!(!headroom.notes.is_empty());
}

#[test]
fn an_aggregate_keeps_its_load_within() {
    let world = World::new(
        &[("a", 1), ("b", 2), ("c", 2)],
        &[(0, 1, 10.0 * GIG), (0, 1, 10.0 * GIG), (0, 1, 10.0 * GIG), (0, 2, 10.0 * GIG)],
        vec![(0, 1, 24.0 * GIG), (0, 2, GIG)],
        3,
    );
    let (mut scene, _) = world.scene();
    let working: Vec<LinkId> =
        scene.links.iter().filter(|link| link.b.interface.device.as_str() == "b").map(|l| l.id.clone()).collect();
    let (name, device) = ("a lag".into(), Some("a".into()));
    scene.groups.push(Group { name, kind: GroupKind::Lag, device, planned: working.clone(), working, unknown: vec![] });
    let headroom = Study::new(&scene, Basis::Now).all();
    let case = headroom.cases.iter().find(|case| matches!(case.part, PartName::Link { .. })).unwrap();
    assert_eq!((case.over_total, case.over[0].method), (2, Method::Split));
    let sum: f64 = case.over.iter().map(|after| after.after_bps).sum();
    assert!((sum - 24.0 * GIG).abs() < 1e3, "{sum}");
}
