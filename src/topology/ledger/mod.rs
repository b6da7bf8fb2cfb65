//! The ledger: for every redundancy group what is planned and what works, the single points of failure in people's words,
//! how many ways share nothing, and what would be if something were gone.
//!
//! ```text
//!   Scene (plain data) --sync--> Auditor (graph kept) --look--> Ledger
//!                                                   \--look_without--> Ledger with `what_if`
//! ```
//!
//! Three looks at the graph keep claims honest: a point is **present** where it is one even if every cable of which we
//! cannot say works; it is **planned** where it would be one with all planned cables working, so that nothing that was
//! never doubled is told as news; and it is **possible** where it would be one if the cables that we cannot see were
//! down, so that not knowing never ends an alert.

mod moment;
mod rules;
mod scene;
mod search;
#[cfg(test)]
mod tests;
mod what_if;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, GroupKind, InterfaceId, LinkHealth, LinkId, Timestamp};
use crate::topology::graph::{Edge, EdgeState, Graph, Lens, Name, Node, Part, Wire};
use crate::topology::headroom::Headroom;

pub use scene::{Device, EdgeLoad, Group, Link, LinkLoad, Scene};
pub use what_if::{GroupLoss, WhatIf, Without, WithoutError};

use what_if::Lost;

/// Points that are listed at most; the rest is counted.
const MOST_POINTS: usize = 2_000;
/// Ends that are named of each point at most; the rest is counted.
const MOST_NAMES: usize = 50;

/// One part that could be lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PartName {
    /// A device with all its cables.
    Device {
        /// Its name.
        name: DeviceId,
    },
    /// A cable.
    Link {
        /// Its name.
        name: LinkId,
        /// The end that sorts first.
        a: InterfaceId,
        /// The other.
        b: InterfaceId,
    },
    /// What would be lost at once.
    Risk {
        /// As the operator calls it.
        name: String,
    },
}

/// Whom a point would cut off from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Who must reach, as the rule says.
    pub from: String,
    /// What must be reached.
    pub to: String,
    /// Who would be cut off: so many are named.
    pub cut_off: Vec<String>,
    /// How many would be.
    pub total: usize,
}

/// A single point of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// What.
    #[serde(flatten)]
    pub part: PartName,
    /// It would be one even if all that is planned worked.
    pub planned: bool,
    /// The operator asked for what it breaks.
    pub protected: bool,
    /// Whom its loss would cut off.
    pub effects: Vec<Effect>,
    /// Links whose failure made it one, the latest first: any of them back would end it.
    pub because: Vec<LinkId>,
    /// When the latest of these failed: since then.
    #[serde(with = "moment::maybe")]
    pub since: Option<Timestamp>,
    /// A device at one end whose loss cuts off the same and maybe more, which tells of both.
    pub told_by: Option<DeviceId>,
    /// In one sentence.
    pub summary: String,
}

/// An end that has no way now, though one is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// Who.
    pub name: String,
    /// From what.
    pub to: String,
    /// The operator asked for it.
    pub protected: bool,
}

/// A redundancy group, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Its name.
    pub name: String,
    /// What kind of doubling.
    pub kind: GroupKind,
    /// The device whose doubling it is.
    pub device: Option<DeviceId>,
    /// How it stands.
    pub state: Standing,
    /// Links that should work.
    pub planned: Vec<LinkId>,
    /// Those that do.
    pub working: Vec<LinkId>,
    /// Those of which we cannot say.
    pub unknown: Vec<LinkId>,
    /// What the next failure would do.
    pub next: String,
}

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// None is left.
    Lost,
    /// One at most is left.
    Critical,
    /// Some are gone, and more than one is left.
    Degraded,
    /// It cannot be said.
    Unknown,
    /// All that is planned works.
    Ok,
}

/// How many ways of an end share nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// Who.
    pub name: String,
    /// To what.
    pub to: String,
    /// Ways that share no link; none where it was too much to count.
    pub by_links: Option<usize>,
    /// Ways that share no device either.
    pub by_devices: Option<usize>,
}

/// What is not as it should be, and what there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// When it was so.
    #[serde(with = "moment")]
    pub taken_at: Timestamp,
    /// How many things are not as they should be; with `what_if`, how many would be lost by it.
    pub findings: usize,
    /// What was asked: as if this were gone.
    pub what_if: Option<WhatIf>,
    /// Ends that have no way now.
    pub cut_off: Vec<CutOff>,
    /// Single points of failure: those that arose by failures first, then by how much they would cut off.
    pub points: Vec<Point>,
    /// How many more there are.
    pub points_left_out: usize,
    /// Every redundancy group, the worst first.
    pub groups: Vec<GroupLine>,
    /// Every end with its ways, where they were asked for.
    pub ways: Vec<Ways>,
    /// Ways are counted up to this.
    pub ways_bound: usize,
    /// What `[[protect]]` names and the fabric does not have.
    pub unmatched: Vec<String>,
    /// The shared risks that are declared.
    pub risks: Vec<String>,
    /// What links would carry after each failure, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Headroom>,
}

impl Ledger {
    /// With what links would carry after each failure: those that would not be survived are findings.
    #[must_use]
    pub fn with_headroom(mut self, headroom: Headroom) -> Self {
        self.findings += headroom.cases.len() + headroom.cases_left_out;
        self.headroom = Some(headroom.listed());
        self
    }
}

/// A ledger, and what may be true beside it.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// What is certain.
    pub ledger: Ledger,
    /// Parts that would be single points if all that cannot be seen were down.
    pub possible: HashSet<PartName>,
    /// Ends of which it cannot be seen whether they have a way.
    pub unseen: HashSet<String>,
}

/// Keeps the graph from one look to the next: what did not change costs a comparison.
#[derive(Debug, Default)]
pub struct Auditor {
    graph: Graph,
    /// The links of the last scene, with the time of their last change.
    since: HashMap<LinkId, Timestamp>,
    /// The last scene's devices and links, in their order.
    devices: Vec<DeviceId>,
    links: Vec<Link>,
}

impl Auditor {
    /// Take over what changed; true if anything that matters did. Both scenes are sorted: what is as it was costs a
    /// comparison, and only what is new, gone or otherwise is looked up.
    pub fn sync(&mut self, scene: &Scene) -> bool {
        let mut changed = false;
        if !self.devices.iter().eq(scene.devices.iter().map(|device| &device.name)) {
            for device in &scene.devices {
                let known = self.graph.node_count();
                self.graph.node(&Name { device: device.name.clone(), watched: true });
                changed |= self.graph.node_count() != known;
            }
            self.devices = scene.devices.iter().map(|device| device.name.clone()).collect();
        }
        let same_places = self.links.len() == scene.links.len()
            && self.links.iter().zip(&scene.links).all(|(was, is)| was.id == is.id);
        let before = std::mem::take(&mut self.links);
        if same_places {
            self.links = before;
            for (at, link) in scene.links.iter().enumerate() {
                if self.links[at] != *link {
                    changed |= self.set(link);
                    self.links[at] = link.clone();
                }
            }
            return changed;
        }
        let mut was = before.into_iter().peekable();
        let mut links = Vec::with_capacity(scene.links.len());
        for link in &scene.links {
            while let Some(gone) = was.next_if(|was| was.id < link.id) {
                changed |= self.graph.remove_edge(&gone.id);
                self.since.remove(&gone.id);
            }
            match was.next_if(|was| was.id == link.id) {
                Some(known) if known == *link => links.push(known),
                _ => {
                    changed |= self.set(link);
                    links.push(link.clone());
                }
            }
        }
        for gone in was {
            changed |= self.graph.remove_edge(&gone.id);
            self.since.remove(&gone.id);
        }
        self.links = links;
        changed
    }

    /// A link is new, or otherwise.
    fn set(&mut self, link: &Link) -> bool {
        let mut node = |end: &crate::fabric::LinkEnd| {
            self.graph.node(&Name { device: end.interface.device.clone(), watched: end.watched })
        };
        let (a, b) = (node(&link.a), node(&link.b));
        let state = match link.health {
            LinkHealth::Up => EdgeState::Works,
            LinkHealth::Unknown => EdgeState::Unknown,
            LinkHealth::Down => EdgeState::Down,
        };
        self.since.insert(link.id.clone(), link.since);
        self.graph.set_edge(&link.id, Wire { a, b, capacity_bps: link.capacity_bps.unwrap_or(0), state })
    }

    /// The graph as of the last `sync`.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What is certain of this scene, which was the last to be handed to `sync`; and what is possible, where some of it
    /// cannot be seen.
    pub fn audit(&self, scene: &Scene) -> Audit {
        let ledger = self.ledger(scene, false);
        let unseen = scene.links.iter().any(|link| link.health == LinkHealth::Unknown);
        let mut audit = Audit { ledger, ..Audit::default() };
        if unseen {
            let (graph, nothing) = (&self.graph, Lost::default());
            for rule in rules::rules(scene, graph).0 {
                let planned = Some((Lens::planned(graph), &self.since));
                let found = search::search(graph, scene, &rule, Lens::certain(graph), planned, &nothing);
                audit.possible.extend(found.points.into_iter().filter_map(|found| self.part_name(scene, found.key)));
                audit.unseen.extend(found.cut_off);
            }
        }
        audit
    }

    /// The ledger as of now; counting the ways of every end takes longer than all the rest.
    pub fn ledger(&self, scene: &Scene, with_ways: bool) -> Ledger {
        self.look(scene, &Lost::default(), with_ways)
    }

    /// The ledger as if all this were gone, beside what is.
    ///
    /// # Errors
    /// What is named is not there.
    pub fn ledger_without(&self, scene: &Scene, without: &[Without], with_ways: bool) -> Result<Ledger, WithoutError> {
        if without.is_empty() {
            return Ok(self.ledger(scene, with_ways));
        }
        let lost = what_if::resolve(&self.graph, scene, without)?;
        let before = self.look(scene, &Lost::default(), false);
        let mut after = self.look(scene, &lost, with_ways);
        let mut what_if = what_if::compare(without, &lost, &before, &after);
        what_if.headroom = what_if::headroom(&self.graph, scene, without, &lost);
        after.findings = what_if.findings();
        after.what_if = Some(what_if);
        Ok(after)
    }

    fn look(&self, scene: &Scene, lost: &Lost, with_ways: bool) -> Ledger {
        let graph = &self.graph;
        let (rules, unmatched) = rules::rules(scene, graph);
        let mut merged: BTreeMap<search::Key, Merged> = BTreeMap::new();
        let (mut cut_off, mut ways) = (Vec::new(), Vec::new());
        let mut budget = search::BUDGET;
        for rule in &rules {
            let found = search::search(
                graph,
                scene,
                rule,
                Lens::hopeful(graph),
                Some((Lens::planned(graph), &self.since)),
                lost,
            );
            // How many ways lead up says how many lead to the other leaves.
            if with_ways && (rules.len() == 1 || !rule.mutual) {
                ways.extend(search::ways(graph, rule, lost, &mut budget));
            }
            cut_off.extend(found.cut_off.into_iter().map(|name| CutOff {
                name,
                to: rule.to.clone(),
                protected: rule.asked,
            }));
            for found in found.points {
                merged.entry(found.key).or_default().add(rule, found);
            }
        }
        fold(graph, &mut merged);
        let mut points: Vec<Point> =
            merged.into_iter().filter_map(|(key, merged)| self.point(scene, key, merged)).collect();
        points.sort_by_cached_key(|point| {
            let most = point.effects.iter().map(|effect| effect.total).max().unwrap_or(0);
            (point.planned, !point.protected, std::cmp::Reverse(most), point.part.clone())
        });
        let points_left_out = points.len().saturating_sub(MOST_POINTS);
        points.truncate(MOST_POINTS);
        let mut groups = groups(scene, lost, &points);
        groups.sort_by(|one, other| (one.state, &one.name).cmp(&(other.state, &other.name)));
        let told = points.iter().filter(|point| point.told_by.is_none() && (!point.planned || point.protected)).count();
        let broken = groups.iter().filter(|group| !matches!(group.state, Standing::Ok | Standing::Unknown)).count();
        Ledger {
            taken_at: scene.taken_at,
            findings: told + points_left_out + broken + cut_off.len(),
            what_if: None,
            cut_off,
            points,
            points_left_out,
            groups,
            ways,
            ways_bound: search::MOST_WAYS,
            unmatched: unmatched.into_iter().map(|unmatched| unmatched.0).collect(),
            risks: scene.risks.iter().map(|risk| risk.name.clone()).collect(),
            headroom: None,
        }
    }

    fn part_name(&self, scene: &Scene, key: search::Key) -> Option<PartName> {
        Some(match key {
            search::Key::Part(Part::Node(node)) => PartName::Device { name: self.graph.name(node).device.clone() },
            search::Key::Part(Part::Edge(edge)) => {
                let id = self.graph.link(edge)?;
                let at = scene.links.binary_search_by(|link| link.id.cmp(id)).ok()?;
                let Link { id, a, b, .. } = &scene.links[at];
                PartName::Link { name: id.clone(), a: a.interface.clone(), b: b.interface.clone() }
            }
            search::Key::Risk(risk) => PartName::Risk { name: scene.risks.get(risk)?.name.clone() },
        })
    }

    fn point(&self, scene: &Scene, key: search::Key, merged: Merged) -> Option<Point> {
        let part = self.part_name(scene, key)?;
        let mut because: Vec<(Timestamp, LinkId)> = merged
            .because
            .into_iter()
            .filter_map(|edge| {
                let id = self.graph.link(edge)?;
                Some((self.since.get(id).copied().unwrap_or_default(), id.clone()))
            })
            .collect();
        because.sort_by(|one, other| other.cmp(one));
        because.dedup();
        let since = because.first().map(|(since, _)| *since);
        let mut point = Point {
            part,
            planned: merged.planned,
            protected: merged.asked,
            effects: merged.effects,
            because: because.into_iter().map(|(_, id)| id).collect(),
            since,
            told_by: merged.told_by.map(|node| self.graph.name(node).device.clone()),
            summary: String::new(),
        };
        point.summary = words::summary(&point, scene.taken_at);
        Some(point)
    }
}

/// One part as all rules see it.
#[derive(Debug)]
struct Merged {
    planned: bool,
    asked: bool,
    effects: Vec<Effect>,
    because: Vec<Edge>,
    told_by: Option<Node>,
}

impl Default for Merged {
    fn default() -> Self {
        Self { planned: true, asked: false, effects: Vec::new(), because: Vec::new(), told_by: None }
    }
}

impl Merged {
    fn add(&mut self, rule: &rules::Rule, found: search::Found) {
        self.asked |= rule.asked;
        let effect = Effect { from: rule.from.clone(), to: rule.to.clone(), cut_off: found.names, total: found.total };
        if self.planned && !found.planned {
            // What arose is what is told first.
            self.effects.insert(0, effect);
        } else {
            self.effects.push(effect);
        }
        self.planned &= found.planned;
        self.because.extend(found.because);
    }

    /// Does the device cut off what this cable does, and maybe more?
    fn is_within(&self, device: &Self) -> bool {
        self.effects.iter().all(|effect| {
            let same = |other: &&Effect| (&other.from, &other.to) == (&effect.from, &effect.to);
            device.effects.iter().find(same).is_some_and(|other| other.total >= effect.total)
        })
    }
}

/// A cable that cuts off no more than one of its devices does is told with the device.
fn fold(graph: &Graph, merged: &mut BTreeMap<search::Key, Merged>) {
    let mut told_by = Vec::new();
    for (key, point) in merged.iter() {
        let search::Key::Part(Part::Edge(edge)) = *key else { continue };
        let Wire { a, b, .. } = graph.wire(edge);
        let device = [a, b].into_iter().find(|node| {
            merged.get(&search::Key::Part(Part::Node(*node))).is_some_and(|device| {
                device.planned == point.planned && device.asked == point.asked && point.is_within(device)
            })
        });
        if let Some(device) = device {
            told_by.push((*key, device));
        }
    }
    for (key, device) in told_by {
        if let Some(point) = merged.get_mut(&key) {
            point.told_by = Some(device);
        }
    }
}

fn groups(scene: &Scene, lost: &Lost, points: &[Point]) -> Vec<GroupLine> {
    let of_link: HashMap<&LinkId, &Point> = points
        .iter()
        .filter_map(|point| match &point.part {
            PartName::Link { name, .. } => Some((name, point)),
            _ => None,
        })
        .collect();
    let line = |group: &Group| {
        let stays = |id: &&LinkId| !lost.links.contains(*id);
        let working: Vec<LinkId> = group.working.iter().filter(stays).cloned().collect();
        let unknown: Vec<LinkId> = group.unknown.iter().filter(stays).cloned().collect();
        let gone = group.planned.len().saturating_sub(working.len() + unknown.len());
        let state = match (gone, working.len(), unknown.len()) {
            (0, _, 0) if !working.is_empty() => Standing::Ok,
            (0, ..) => Standing::Unknown,
            (_, 0, 0) => Standing::Lost,
            (_, works, unknown) if works + unknown == 1 => Standing::Critical,
            _ => Standing::Degraded,
        };
        let next = words::next(state, &working, &unknown, &of_link);
        GroupLine {
            name: group.name.to_string(),
            kind: group.kind,
            device: group.device.clone(),
            state,
            planned: group.planned.clone(),
            working,
            unknown,
            next,
        }
    };
    scene.groups.iter().map(line).collect()
}
