//! One rule looked for in one graph: which parts would break it, whom they would cut off, and since which failure.

use std::collections::{HashMap, HashSet};

use crate::fabric::{LinkId, Timestamp};
use crate::topology::Risk;
use crate::topology::graph::{
    Cuts, Dependence, Disjoint, Edge, EdgeState, Graph, Lens, Name, Nearness, Node, Part, Severing, Sources,
};

use super::rules::{End, Rule};
use super::{Lost, MOST_NAMES, Scene, Ways};

/// Ends that are looked at of each point, to tell what is planned from what arose.
const LOOKED_AT: usize = 256;
/// Failed links that are looked at as the cause of a point, the latest first.
const MOST_CAUSES: usize = 512;
/// Links that are named as the cause of one point.
const MOST_BLAMED: usize = 8;
/// Ways are counted up to this.
pub(super) const MOST_WAYS: usize = 4;
/// Cables that are looked at to count ways in one ledger: about a second's work.
pub(super) const BUDGET: usize = 20_000_000;

/// A part, or a risk of the scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Part(Part),
    Risk(usize),
}

/// A point, as one rule sees it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) names: Vec<String>,
    pub(super) total: usize,
    pub(super) planned: bool,
    pub(super) because: Vec<Edge>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) points: Vec<Found>,
    /// Ends without a way, though one is planned.
    pub(super) cut_off: Vec<String>,
}

/// How an end is attached, in one look.
struct Attached {
    nodes: Vec<Node>,
    /// The cables of an end that is only heard of, in the order of `nodes`.
    cables: Vec<Edge>,
    itself: bool,
}

impl Attached {
    fn of(graph: &Graph, lens: &Lens, end: &End) -> Self {
        if !end.heard_of {
            return Self { nodes: end.nodes.clone(), cables: Vec::new(), itself: end.nodes.len() == 1 };
        }
        let halves = end.nodes.iter().flat_map(|node| graph.beside(*node));
        let open = halves.filter(|half| lens.is_open(half.edge) && lens.forwards(half.far));
        let (nodes, cables) = open.map(|half| (half.far, half.edge)).unzip();
        Self { nodes, cables, itself: false }
    }
}

/// Search a rule in what `live` shows. What `planned` shows too is no news, and is said so.
pub(super) fn search(
    graph: &Graph,
    scene: &Scene,
    rule: &Rule,
    mut live: Lens,
    planned: Option<(Lens, &HashMap<LinkId, Timestamp>)>,
    lost: &Lost,
) -> Outcome {
    let mut planned = planned;
    open_goals(graph, &mut live, &rule.goals);
    if let Some((planned, _)) = &mut planned {
        open_goals(graph, planned, &rule.goals);
    }
    lost.close(&mut live);
    let ends: Vec<&End> =
        rule.ends.iter().filter(|end| !end.nodes.iter().all(|node| lost.nodes.contains(node))).collect();
    let causes = match &planned {
        Some((planned, since)) => causes(graph, &live, planned, since),
        None => Vec::new(),
    };
    let planned = planned.as_ref().map(|(lens, _)| lens);
    let look = |goals: &[Node]| Look {
        graph,
        scene,
        rule,
        ends: &ends,
        goals: goals.to_vec(),
        live: &live,
        planned,
        causes: &causes,
    };
    if !rule.mutual {
        return look(&rule.goals).run(|_| true);
    }
    let Some((first, second)) = anchors(graph, &live, &ends) else { return Outcome::default() };
    let touches = |key: Key, anchor: Node| match key {
        Key::Part(part) => part == Part::Node(anchor),
        Key::Risk(risk) => {
            let name = graph.name(anchor);
            scene.risks[risk].devices.binary_search(&name.device).is_ok()
        }
    };
    let mut outcome = look(&[first]).run(|key| !touches(key, first));
    if let Some(second) = second {
        outcome.points.extend(look(&[second]).run(|key| touches(key, first)).points);
    }
    outcome
}

/// How many ways each end of a rule has.
pub(super) fn ways(graph: &Graph, rule: &Rule, lost: &Lost, budget: &mut usize) -> Vec<Ways> {
    let mut lens = Lens::hopeful(graph);
    open_goals(graph, &mut lens, &rule.goals);
    lost.close(&mut lens);
    let ends = rule.ends.iter().filter(|end| !end.nodes.iter().all(|node| lost.nodes.contains(node)));
    let goals: Vec<Node> = match rule.mutual {
        true => {
            rule.ends.iter().flat_map(|end| &end.nodes).copied().find(|node| lens.forwards(*node)).into_iter().collect()
        }
        false => rule.goals.clone(),
    };
    let is_goal: HashSet<Node> = goals.into_iter().collect();
    ends.filter(|end| !end.nodes.iter().any(|node| is_goal.contains(node)))
        .map(|end| {
            let attached = Attached::of(graph, &lens, end);
            let sources = Sources {
                attachments: &attached.nodes,
                itself: attached.itself,
                by_cable: !attached.cables.is_empty(),
            };
            let mut count =
                |kind| graph.disjoint_paths(&lens, sources, &|node| is_goal.contains(&node), kind, MOST_WAYS, budget);
            let (by_links, by_devices) = (count(Disjoint::Edges), count(Disjoint::Nodes));
            Ways { name: end.name.clone(), to: rule.to.clone(), by_links, by_devices }
        })
        .collect()
}

/// A goal that nobody watches is where ways end: it may be walked into.
fn open_goals(graph: &Graph, lens: &mut Lens, goals: &[Node]) {
    for goal in goals.iter().filter(|goal| !graph.name(**goal).watched) {
        lens.open_node(*goal);
    }
}

/// Two ends that stand for all: the first in the largest part (it is looked for a few times), and another there.
fn anchors(graph: &Graph, live: &Lens, ends: &[&End]) -> Option<(Node, Option<Node>)> {
    let nodes: Vec<Node> =
        ends.iter().filter_map(|end| end.nodes.first().copied()).filter(|node| live.forwards(*node)).collect();
    let mut best: Option<(usize, Node, Option<Node>)> = None;
    let mut next = nodes.first().copied();
    for _ in 0..3 {
        let Some(anchor) = next else { break };
        let nearness = Nearness::of(graph, live, &[anchor]);
        let together = |node: &&Node| nearness.steps(**node).is_some();
        let count = nodes.iter().filter(together).count();
        let other = nodes.iter().filter(together).copied().find(|node| *node != anchor);
        if best.is_none_or(|(most, ..)| count > most) {
            best = Some((count, anchor, other));
        }
        next = nodes.iter().copied().find(|node| nearness.steps(*node).is_none()).filter(|_| count * 2 < nodes.len());
    }
    best.map(|(_, first, second)| (first, second))
}

/// Cables that are planned and do not work, the latest to fail first.
fn causes(graph: &Graph, live: &Lens, planned: &Lens, since: &HashMap<LinkId, Timestamp>) -> Vec<Edge> {
    let down = graph.links().filter(|(_, edge)| {
        graph.wire(*edge).state == EdgeState::Down && planned.is_open(*edge) && !live.is_open(*edge)
    });
    let mut causes: Vec<(Option<Timestamp>, Edge)> = down.map(|(id, edge)| (since.get(id).copied(), edge)).collect();
    causes.sort_by(|one, other| other.cmp(one));
    causes.into_iter().take(MOST_CAUSES).map(|(_, edge)| edge).collect()
}

/// One look from one set of goals.
struct Look<'l> {
    graph: &'l Graph,
    scene: &'l Scene,
    rule: &'l Rule,
    ends: &'l [&'l End],
    goals: Vec<Node>,
    live: &'l Lens,
    planned: Option<&'l Lens>,
    causes: &'l [Edge],
}

impl Look<'_> {
    fn run(&self, keep: impl Fn(Key) -> bool) -> Outcome {
        let attach =
            |lens| -> Vec<Attached> { self.ends.iter().map(|end| Attached::of(self.graph, lens, end)).collect() };
        let attached = attach(self.live);
        let cuts = Cuts::of(self.graph, self.live, &self.goals);
        let dependence = cuts.dependence(attached.iter().map(|at| (&at.nodes[..], at.itself)));
        let before = self.planned.map(|lens| (attach(lens), Cuts::of(self.graph, lens, &self.goals)));
        let before = before
            .as_ref()
            .map(|(attached, cuts)| (attached, cuts.dependence(attached.iter().map(|at| (&at.nodes[..], at.itself)))));
        let mut outcome = Outcome::default();
        if let Some((_, before)) = &before {
            let cut = (0..self.ends.len() as u32).filter(|end| before.reaches(*end) && !dependence.reaches(*end));
            outcome.cut_off = cut.map(|end| self.ends[end as usize].name.clone()).collect();
        }
        for (part, ends) in dependence.points() {
            let wanted = match part {
                Part::Node(_) => self.rule.survive.device,
                Part::Edge(_) => self.rule.survive.link,
            };
            if !wanted || !keep(Key::Part(part)) {
                continue;
            }
            let total = ends.len();
            let ends: Vec<u32> = ends.take(self.most(total)).collect();
            let planned = |end: u32| before.as_ref().is_some_and(|(_, before)| before.depends(self.graph, end, part));
            let planned_total = before.as_ref().map_or(0, |(_, before)| before.count(self.graph, part));
            let blame = |ends: &[u32]| {
                let away =
                    self.away(ends, before.as_ref().map(|(attached, _)| &attached[..]), |node| cuts.reaches(node));
                let below = |node: Node| away.contains(&node) || cuts.hangs_below(self.graph, node, part);
                let beside = |node: Node| cuts.reaches(node) && !below(node) && part != Part::Node(node);
                self.blamed(part, below, beside)
            };
            outcome.points.push(self.found(Key::Part(part), ends, total, planned_total, planned, blame));
        }
        if self.rule.survive.link {
            self.single_cables(
                &attached,
                &dependence,
                before.as_ref().map(|(attached, _)| &attached[..]),
                &mut outcome,
            );
        }
        if self.rule.survive.shared_risk && !self.scene.risks.is_empty() {
            self.risks(&attached, before.as_ref().map(|(attached, _)| &attached[..]), &keep, &mut outcome);
        }
        outcome
    }

    /// So many ends are looked at; all, where the others may be the ones to be named.
    fn most(&self, total: usize) -> usize {
        if self.rule.mutual && total * 2 > self.ends.len() { total } else { LOOKED_AT }
    }

    fn found(
        &self,
        key: Key,
        ends: Vec<u32>,
        total: usize,
        planned_total: usize,
        planned: impl Fn(u32) -> bool,
        blame: impl FnOnce(&[u32]) -> Vec<Edge>,
    ) -> Found {
        let arose: Vec<u32> = ends.iter().copied().take(LOOKED_AT).filter(|end| !planned(*end)).collect();
        let is_planned = arose.is_empty();
        let because = if is_planned || self.planned.is_none() { Vec::new() } else { blame(&arose) };
        let mut total = if is_planned { total } else { total.saturating_sub(planned_total).max(arose.len()) };
        let mut named = if is_planned { ends } else { arose };
        // Of two sides that are cut off from each other the smaller one is named.
        if self.rule.mutual && total * 2 > self.ends.len() {
            let cut: HashSet<u32> = named.iter().copied().collect();
            let is_part = |end: &u32| key == Key::Part(Part::Node(self.ends[*end as usize].nodes[0]));
            let others: Vec<u32> =
                (0..self.ends.len() as u32).filter(|end| !cut.contains(end) && !is_part(end)).collect();
            if !others.is_empty() && others.len() < total {
                total = others.len();
                named = others;
            }
        }
        let names = named.iter().take(MOST_NAMES).map(|end| self.ends[*end as usize].name.clone()).collect();
        Found { key, names, total, planned: is_planned, because }
    }

    /// Devices that these ends had ways by and have none any more, and ends that are only heard of: with what hangs below
    /// a part they are where a cable that came back would help.
    fn away(&self, ends: &[u32], before: Option<&[Attached]>, reaches: impl Fn(Node) -> bool) -> HashSet<Node> {
        let mut away = HashSet::new();
        for end in ends.iter().map(|end| *end as usize) {
            if self.ends[end].heard_of {
                away.extend(&self.ends[end].nodes);
            }
            let had = before.map(|before| &before[end].nodes[..]).unwrap_or_default();
            away.extend(had.iter().copied().filter(|node| !reaches(*node)));
        }
        away
    }

    /// Which failed cables would end a point if they came back: those that lead around the part. Where no single one
    /// does, those that begin in what is cut off.
    fn blamed(&self, part: Part, below: impl Fn(Node) -> bool, beside: impl Fn(Node) -> bool) -> Vec<Edge> {
        let failed = || self.causes.iter().copied().filter(|edge| part != Part::Edge(*edge));
        let leads_around = |edge: &Edge| {
            let wire = self.graph.wire(*edge);
            (below(wire.a) && beside(wire.b)) || (below(wire.b) && beside(wire.a))
        };
        let blamed: Vec<Edge> = failed().filter(leads_around).take(MOST_BLAMED).collect();
        if !blamed.is_empty() {
            return blamed;
        }
        let begins = |edge: &Edge| {
            let wire = self.graph.wire(*edge);
            below(wire.a) != below(wire.b)
        };
        failed().filter(begins).take(MOST_BLAMED).collect()
    }

    /// Ends that are only heard of and hang on one cable.
    fn single_cables(
        &self,
        attached: &[Attached],
        dependence: &Dependence<'_>,
        before: Option<&[Attached]>,
        outcome: &mut Outcome,
    ) {
        for (end, at) in attached.iter().enumerate() {
            let &[cable] = &at.cables[..] else { continue };
            if !dependence.reaches(end as u32) {
                continue;
            }
            let planned = |_| before.is_some_and(|before| before[end].cables.len() == 1);
            let own = self.ends[end].nodes[0];
            let blame = |_: &[u32]| self.blamed(Part::Edge(cable), |node| node == own, |node| node != own);
            let key = Key::Part(Part::Edge(cable));
            outcome.points.push(self.found(key, vec![end as u32], 1, 0, planned, blame));
        }
    }

    fn risks(
        &self,
        attached: &[Attached],
        before: Option<&[Attached]>,
        keep: &impl Fn(Key) -> bool,
        outcome: &mut Outcome,
    ) {
        let graph = self.graph;
        let mut ends_at: HashMap<Node, Vec<u32>> = HashMap::new();
        for (end, at) in attached.iter().enumerate() {
            for node in at.nodes.iter().chain(&self.ends[end].nodes) {
                ends_at.entry(*node).or_default().push(end as u32);
            }
        }
        let nearness = Nearness::of(graph, self.live, &self.goals);
        let mut severing = Severing::new(graph, self.live, &nearness);
        let planned = self.planned.map(|lens| (lens, Nearness::of(graph, lens, &self.goals)));
        let mut planned = planned.as_ref().map(|(lens, nearness)| (Severing::new(graph, lens, nearness), nearness));
        for (index, risk) in self.scene.risks.iter().enumerate() {
            if !keep(Key::Risk(index)) {
                continue;
            }
            let (nodes, edges) = parts_of(graph, risk);
            let cut = severing.without(&nodes, &edges);
            let far = edges.iter().flat_map(|edge| [graph.wire(*edge).a, graph.wire(*edge).b]);
            let touched: HashSet<u32> = cut
                .iter()
                .chain(&nodes)
                .copied()
                .chain(far)
                .flat_map(|node| ends_at.get(&node).into_iter().flatten().copied())
                .collect();
            let hit = Hit { nodes: &nodes, edges: &edges };
            let mut lost: Vec<u32> =
                touched.into_iter().filter(|end| hit.ends(&attached[*end as usize], &severing, &nearness)).collect();
            if lost.is_empty() {
                continue;
            }
            lost.sort_unstable();
            let was: HashSet<u32> = match (&mut planned, before) {
                (Some((severing, nearness)), Some(before)) => {
                    severing.without(&nodes, &edges);
                    let looked_at = lost.iter().copied().take(LOOKED_AT);
                    looked_at.filter(|end| hit.ends(&before[*end as usize], severing, nearness)).collect()
                }
                _ => HashSet::new(),
            };
            let blame = |ends: &[u32]| {
                let away = self.away(ends, before, |node| nearness.steps(node).is_some());
                let below = |node: Node| away.contains(&node) || severing.is_severed(node);
                let beside = |node: Node| !below(node) && !severing.is_lost(node) && nearness.steps(node).is_some();
                let mut blamed = self.blamed(Part::Node(crate::topology::graph::NONE), below, beside);
                blamed.retain(|edge| !edges.contains(edge));
                blamed
            };
            let total = lost.len();
            lost.truncate(self.most(total));
            outcome.points.push(self.found(Key::Risk(index), lost, total, was.len(), |end| was.contains(&end), blame));
        }
    }
}

/// What a risk takes with it.
struct Hit<'h> {
    nodes: &'h [Node],
    edges: &'h [Edge],
}

impl Hit<'_> {
    /// Had this end a way, and has it none now? A device that goes itself loses no way of its own.
    fn ends(&self, at: &Attached, severing: &Severing<'_>, nearness: &Nearness) -> bool {
        if at.itself && self.nodes.contains(&at.nodes[0]) {
            return false;
        }
        let reached = |n: &usize| nearness.steps(at.nodes[*n]).is_some();
        let stands = |n: usize| {
            let cable = at.cables.get(n).is_none_or(|cable| !self.edges.contains(cable));
            cable && !severing.is_severed(at.nodes[n]) && !self.nodes.contains(&at.nodes[n])
        };
        let mut all = (0..at.nodes.len()).filter(reached).peekable();
        all.peek().is_some() && !all.any(stands)
    }
}

/// The numbers of what a risk takes with it.
pub(super) fn parts_of(graph: &Graph, risk: &Risk) -> (Vec<Node>, Vec<Edge>) {
    let node = |device: &crate::fabric::DeviceId| graph.find(&Name { device: device.clone(), watched: true });
    let nodes = risk.devices.iter().filter_map(node).collect();
    let edges = risk.links.iter().filter_map(|id| graph.edge(id)).collect();
    (nodes, edges)
}
