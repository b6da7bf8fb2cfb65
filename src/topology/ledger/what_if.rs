//! What if these were gone? Resolved by name, and compared with what is.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, LinkId};
use crate::topology::graph::{Edge, Graph, Lens, Name, Node};
use crate::topology::headroom::{self, Case};

use super::{CutOff, Ledger, PartName, Scene, Standing, search};

/// Something to be taken away: `leaf3`, `device:leaf3`, `link:ID`, `link:leaf3:eth1`, `risk:duct-7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Without {
    /// A device.
    Device(String),
    /// A link by its name, or by the port at one of its ends.
    Link(String),
    /// A shared risk.
    Risk(String),
}

impl FromStr for Without {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        let after = |prefix: &str| text.strip_prefix(prefix).map(|rest| rest.trim().to_owned());
        Ok(after("link:")
            .map(Self::Link)
            .or_else(|| after("risk:").map(Self::Risk))
            .or_else(|| after("device:").map(Self::Device))
            .unwrap_or_else(|| Self::Device(text.to_owned())))
    }
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(name) if name.starts_with("link:") || name.starts_with("risk:") => write!(f, "device:{name}"),
            Self::Device(name) => f.write_str(name),
            Self::Link(name) => write!(f, "link:{name}"),
            Self::Risk(name) => write!(f, "risk:{name}"),
        }
    }
}

/// It is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithoutError {
    what: Without,
    known: usize,
}

impl fmt::Display for WithoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known;
        match &self.what {
            Without::Device(name) => write!(
                f,
                "there is no device {name:?} among the {known} of this fabric; a link is written link:DEVICE:PORT, a shared risk risk:NAME"
            ),
            Without::Link(name) => write!(
                f,
                "there is no link {name:?} among the {known} of this fabric; name it as in /api/links, or by the port at one end, as in link:leaf1:eth1"
            ),
            Without::Risk(name) => write!(
                f,
                "there is no shared risk {name:?} among the {known} that are declared by [[shared_risk]] or shared_risk of a [[redundancy.group]]"
            ),
        }
    }
}

impl std::error::Error for WithoutError {}

/// What is taken away, by number and by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    pub(super) nodes: HashSet<Node>,
    pub(super) edges: HashSet<Edge>,
    pub(super) devices: HashSet<DeviceId>,
    /// Those of the devices among them.
    pub(super) links: HashSet<LinkId>,
}

impl Lost {
    /// Take it out of a look.
    pub(super) fn close(&self, lens: &mut Lens) {
        for node in &self.nodes {
            lens.close_node(*node);
        }
        for edge in &self.edges {
            lens.close_edge(*edge);
        }
    }

    fn take(&mut self, graph: &Graph, nodes: &[Node], edges: &[Edge]) {
        for node in nodes {
            self.nodes.insert(*node);
            self.devices.insert(graph.name(*node).device.clone());
            self.edges.extend(graph.beside(*node).iter().map(|half| half.edge));
        }
        self.edges.extend(edges);
        self.links.extend(self.edges.iter().filter_map(|edge| graph.link(*edge)).cloned());
    }
}

/// Find what is to be taken away.
pub(super) fn resolve(graph: &Graph, scene: &Scene, without: &[Without]) -> Result<Lost, WithoutError> {
    let mut lost = Lost::default();
    for what in without {
        let missing = |known: usize| WithoutError { what: what.clone(), known };
        match what {
            Without::Device(name) => {
                let find = |watched| graph.find(&Name { device: name.into(), watched });
                let node = find(true).or_else(|| find(false)).ok_or_else(|| missing(scene.devices.len()))?;
                lost.take(graph, &[node], &[]);
            }
            Without::Link(name) => {
                let port =
                    |link: &&super::Link| [&link.a, &link.b].into_iter().any(|end| end.interface.to_string() == *name);
                let named = scene.links.iter().find(|link| link.id.as_str() == name);
                let link = named.or_else(|| scene.links.iter().find(port));
                let edge = link.and_then(|link| graph.edge(&link.id)).ok_or_else(|| missing(scene.links.len()))?;
                lost.take(graph, &[], &[edge]);
            }
            Without::Risk(name) => {
                let risk = scene.risks.iter().find(|risk| risk.name == *name);
                let risk = risk.ok_or_else(|| missing(scene.risks.len()))?;
                let (nodes, edges) = search::parts_of(graph, risk);
                lost.take(graph, &nodes, &edges);
            }
        }
    }
    Ok(lost)
}

/// What would be lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// What was taken away.
    pub without: Vec<String>,
    /// Who would have no way; what is taken away is not among them.
    pub cut_off: Vec<CutOff>,
    /// Groups that would lose links; those of a device that is taken away are not among them.
    pub groups: Vec<GroupLoss>,
    /// What would become a single point of failure, in a sentence each.
    pub points: Vec<String>,
    /// Links that would be too full, and by how much; none where all would fit or loads are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Case>,
}

/// A group that would lose links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLoss {
    /// Which.
    pub name: String,
    /// Links that are planned.
    pub planned: usize,
    /// That work, or may, now.
    pub before: usize,
    /// That would be left.
    pub after: usize,
    /// How it would stand.
    pub state: Standing,
}

impl WhatIf {
    /// Whoever would be cut off, doubling that would be gone, and points that would be new.
    pub fn findings(&self) -> usize {
        let gone = self.groups.iter().filter(|group| matches!(group.state, Standing::Lost | Standing::Critical));
        let full = usize::from(self.headroom.is_some());
        self.cut_off.len() + gone.count() + self.points.len() + full
    }
}

/// Where the load would go.
pub(super) fn headroom(graph: &Graph, scene: &Scene, without: &[Without], lost: &Lost) -> Option<Case> {
    if scene.loads.is_empty() {
        return None;
    }
    let part = match (without, lost.edges.iter().next()) {
        ([Without::Device(_)], _) => PartName::Device { name: lost.devices.iter().next()?.clone() },
        ([Without::Link(_)], Some(edge)) => {
            let id = graph.link(*edge)?;
            let at = scene.links.binary_search_by(|link| link.id.cmp(id)).ok()?;
            let super::Link { id, a, b, .. } = &scene.links[at];
            PartName::Link { name: id.clone(), a: a.interface.clone(), b: b.interface.clone() }
        }
        _ => {
            let names: Vec<String> = without.iter().map(ToString::to_string).collect();
            PartName::Risk { name: names.join(" and ") }
        }
    };
    let devices: Vec<DeviceId> = lost.devices.iter().cloned().collect();
    let links: Vec<LinkId> = lost.links.iter().cloned().collect();
    headroom::without(scene, &part, &devices, &links)
}

/// The difference that it makes.
pub(super) fn compare(without: &[Without], lost: &Lost, before: &Ledger, after: &Ledger) -> WhatIf {
    let standing: HashMap<&str, usize> =
        before.groups.iter().map(|group| (group.name.as_str(), group.working.len() + group.unknown.len())).collect();
    let groups =
        after.groups.iter().filter(|group| group.device.as_ref().is_none_or(|device| !lost.devices.contains(device)));
    let groups = groups
        .filter_map(|group| {
            let (was, left) = (*standing.get(group.name.as_str())?, group.working.len() + group.unknown.len());
            let name = group.name.clone();
            (left < was).then_some(GroupLoss {
                name,
                planned: group.planned.len(),
                before: was,
                after: left,
                state: group.state,
            })
        })
        .collect();
    let known: HashMap<&PartName, usize> = before
        .points
        .iter()
        .map(|point| (&point.part, point.effects.iter().map(|effect| effect.total).sum()))
        .collect();
    let is_new = |point: &&super::Point| {
        let total: usize = point.effects.iter().map(|effect| effect.total).sum();
        point.told_by.is_none() && known.get(&point.part).is_none_or(|was| total > *was)
    };
    WhatIf {
        without: without.iter().map(ToString::to_string).collect(),
        cut_off: after.cut_off.iter().filter(|one| !before.cut_off.contains(one)).cloned().collect(),
        groups,
        points: after.points.iter().filter(is_new).map(|point| point.summary.clone()).collect(),
        headroom: None,
    }
}
