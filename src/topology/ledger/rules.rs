//! Who must reach whom: the operator's `[[protect]]` resolved to devices, or what every fabric wants.
//!
//! Without `[[protect]]` the leaves (all devices of the lowest tier) must reach each other, and the top tier where there
//! is one above them. Where nothing tells the tiers apart, all devices must reach each other.

use std::collections::BTreeMap;

use crate::topology::graph::{Graph, Name, Node};
use crate::topology::{Selector, Survive};

use super::Scene;

/// One requirement.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Who must reach, as people say it.
    pub(super) from: String,
    /// What must be reached.
    pub(super) to: String,
    pub(super) ends: Vec<End>,
    pub(super) goals: Vec<Node>,
    pub(super) survive: Survive,
    /// The operator asked for it.
    pub(super) asked: bool,
    /// The goal is the rest of the ends: it stands for all of them, and its own loss is looked at from elsewhere.
    pub(super) mutual: bool,
}

/// Who must reach a goal; cut off when none of its devices does.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    /// It does not forward: its ways are those of the devices that it has a cable to.
    pub(super) heard_of: bool,
}

/// What a rule asks for that the fabric does not have.
pub(super) struct Unmatched(pub(super) String);

/// All requirements.
pub(super) fn rules(scene: &Scene, graph: &Graph) -> (Vec<Rule>, Vec<Unmatched>) {
    if scene.protect.is_empty() {
        return (usual(scene, graph), Vec::new());
    }
    let (mut rules, mut unmatched) = (Vec::new(), Vec::new());
    for protect in &scene.protect {
        let mut ends = ends(scene, graph, &protect.from);
        let goals: Vec<Node> = self::ends(scene, graph, &protect.to).into_iter().flat_map(|end| end.nodes).collect();
        for (selector, empty) in [(&protect.from, ends.is_empty()), (&protect.to, goals.is_empty())] {
            if empty {
                unmatched.push(Unmatched(selector.to_string()));
            }
        }
        // Who is there already has no way to lose.
        ends.retain(|end| !end.nodes.iter().any(|node| goals.contains(node)));
        let (from, to) = (title(&protect.from), title(&protect.to));
        rules.push(Rule { from, to, ends, goals, survive: protect.survive, asked: true, mutual: false });
    }
    (rules, unmatched)
}

/// `label:internet` reads as "internet".
fn title(selector: &Selector) -> String {
    match selector {
        Selector::Label(key) => key.clone(),
        Selector::Value(key, value) => format!("{key} {value}"),
        Selector::Device(device) => device.to_string(),
    }
}

fn ends(scene: &Scene, graph: &Graph, selector: &Selector) -> Vec<End> {
    let watched = |name: &crate::fabric::DeviceId| graph.find(&Name { device: name.clone(), watched: true });
    match selector {
        Selector::Label(key) => {
            let mut by_value: BTreeMap<&str, Vec<Node>> = BTreeMap::new();
            for device in &scene.devices {
                if let (Some(value), Some(node)) = (device.labels.get(key), watched(&device.name)) {
                    by_value.entry(value).or_default().push(node);
                }
            }
            by_value
                .into_iter()
                .map(|(value, nodes)| End { name: format!("{key} {value}"), nodes, heard_of: false })
                .collect()
        }
        Selector::Value(key, value) => scene
            .devices
            .iter()
            .filter(|device| device.labels.get(key) == Some(value))
            .filter_map(|device| single(device.name.as_str(), watched(&device.name)?, false))
            .collect(),
        Selector::Device(device) => {
            let heard_of = || graph.find(&Name { device: device.clone(), watched: false });
            let found = watched(device).map(|node| (node, false)).or_else(|| Some((heard_of()?, true)));
            found.and_then(|(node, heard_of)| single(device.as_str(), node, heard_of)).into_iter().collect()
        }
    }
}

fn single(name: &str, node: Node, heard_of: bool) -> Option<End> {
    Some(End { name: name.to_owned(), nodes: vec![node], heard_of })
}

fn usual(scene: &Scene, graph: &Graph) -> Vec<Rule> {
    let placed: Vec<(u32, End)> = scene
        .devices
        .iter()
        .filter_map(|device| {
            let node = graph.find(&Name { device: device.name.clone(), watched: true })?;
            Some((device.tier?, single(device.name.as_str(), node, false)?))
        })
        .collect();
    let top = placed.iter().map(|(tier, _)| *tier).max().unwrap_or(0);
    // Tier 0 is this host, or a fabric where nothing tells the tiers apart.
    let lowest = placed.iter().map(|(tier, _)| *tier).filter(|tier| *tier > 0 || top == 0).min().unwrap_or(0);
    let of = |tier: u32| placed.iter().filter(move |(t, _)| *t == tier).map(|(_, end)| end.clone());
    let survive = Survive { device: true, link: true, shared_risk: true };
    let leaves: Vec<End> = of(lowest).collect();
    let rule = Rule {
        from: "leaves".into(),
        to: if lowest == top { "the other devices" } else { "the other leaves" }.into(),
        ends: leaves.clone(),
        goals: Vec::new(),
        survive,
        asked: false,
        mutual: true,
    };
    let mut rules = Vec::new();
    if top > lowest {
        let goals = of(top).flat_map(|end| end.nodes).collect();
        rules.push(Rule { to: "the rest of the fabric".into(), goals, mutual: false, ..rule.clone() });
    }
    if leaves.len() >= 2 {
        rules.push(rule);
    }
    rules
}
