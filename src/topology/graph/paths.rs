//! How many ways share no cable, and how many share no device: unit flows, augmented one by one (Ford and Fulkerson,
//! Menger). The bound is small, and each search keeps only what it touches, so that a count costs what lies between.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use super::{Edge, Graph, Lens, Node};

/// What may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disjoint {
    /// Ways share no cable.
    Edges,
    /// Ways share no device and no cable.
    Nodes,
}

/// Where ways begin.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'s> {
    /// The devices, one entry for each cable into them where they are not the end itself.
    pub attachments: &'s [Node],
    /// The single attachment is the end itself: all ways may leave from it.
    pub itself: bool,
    /// Each entry is one cable, which one way alone may use.
    pub by_cable: bool,
}

/// A device as a way comes to it, and as it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    In(Node),
    Out(Node),
}

/// One step of a search: how a gate was reached.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// From outside, by this entry of the sources.
    Begin(usize),
    /// Along a cable, or back along one in use.
    Cable(Gate, Edge),
    /// Within a device.
    Through(Gate),
}

/// All ways found so far.
struct Flow<'g> {
    graph: &'g Graph,
    lens: &'g Lens,
    kind: Disjoint,
    /// The device that a cable in use is left for.
    toward: HashMap<Edge, Node>,
    /// The cable by which the one way through a device comes in; none where it begins there.
    through: HashMap<Node, Option<Edge>>,
    begun: HashSet<usize>,
}

impl Graph {
    /// How many disjoint ways lead from the sources to the goals, at most `bound`. None where looking at more than
    /// `budget` cables would not tell; what was looked at is taken from it.
    pub fn disjoint_paths(
        &self,
        lens: &Lens,
        sources: Sources<'_>,
        is_goal: &dyn Fn(Node) -> bool,
        kind: Disjoint,
        bound: usize,
        budget: &mut usize,
    ) -> Option<usize> {
        let mut flow =
            Flow { graph: self, lens, kind, toward: HashMap::new(), through: HashMap::new(), begun: HashSet::new() };
        for found in 0..bound {
            match flow.augment(sources, is_goal, budget) {
                None => return None,
                Some(false) => return Some(found),
                Some(true) => {}
            }
        }
        Some(bound)
    }
}

impl Flow<'_> {
    /// One way more? None where the budget ended.
    fn augment(&mut self, sources: Sources<'_>, is_goal: &dyn Fn(Node) -> bool, budget: &mut usize) -> Option<bool> {
        let free_source = |node: Node| sources.itself && sources.attachments == [node];
        let mut came: HashMap<Gate, Step> = HashMap::new();
        let mut queue = VecDeque::new();
        for (entry, node) in sources.attachments.iter().enumerate() {
            if !self.lens.forwards(*node) || (sources.by_cable && self.begun.contains(&entry)) {
                continue;
            }
            let gate = if free_source(*node) { Gate::Out(*node) } else { Gate::In(*node) };
            if note(&mut came, gate, Step::Begin(entry)) {
                queue.push_back(gate);
            }
        }
        while let Some(gate) = queue.pop_front() {
            let mut reach = |to: Gate, step: Step| {
                if note(&mut came, to, step) {
                    queue.push_back(to);
                }
            };
            match gate {
                Gate::In(node) => match self.through.get(&node) {
                    // One way passes: the only move is to send it elsewhere, back where it came from.
                    Some(by) if self.kind == Disjoint::Nodes => {
                        if let Some(edge) = by {
                            reach(Gate::Out(self.graph.wire(*edge).far(node)), Step::Cable(gate, *edge));
                        }
                    }
                    _ => reach(Gate::Out(node), Step::Through(gate)),
                },
                Gate::Out(node) => {
                    if is_goal(node) {
                        self.take(gate, &came);
                        return Some(true);
                    }
                    if self.kind == Disjoint::Nodes && self.through.contains_key(&node) && !free_source(node) {
                        reach(Gate::In(node), Step::Through(gate));
                    }
                    let beside = self.graph.beside(node);
                    *budget = budget.checked_sub(beside.len())?;
                    for half in beside {
                        if !self.lens.is_open(half.edge) || !self.lens.forwards(half.far) || half.far == node {
                            continue;
                        }
                        let back = match self.toward.get(&half.edge) {
                            Some(toward) if *toward == half.far => continue,
                            Some(_) => true,
                            None => false,
                        };
                        if self.kind == Disjoint::Nodes && (back || free_source(half.far)) {
                            // Back along a way is told at the device's way in; and nobody needs to come back home.
                            continue;
                        }
                        let to = if self.kind == Disjoint::Edges { Gate::Out(half.far) } else { Gate::In(half.far) };
                        reach(to, Step::Cable(gate, half.edge));
                    }
                }
            }
        }
        Some(false)
    }

    /// Use the way that ends in this gate.
    fn take(&mut self, end: Gate, came: &HashMap<Gate, Step>) {
        let mut steps = Vec::new();
        let mut gate = end;
        while let Some(step) = came.get(&gate) {
            steps.push((gate, *step));
            gate = match step {
                Step::Begin(_) => break,
                Step::Cable(from, _) | Step::Through(from) => *from,
            };
        }
        // Backward moves first free what forward moves then take.
        for (gate, step) in &steps {
            if let (Step::Cable(Gate::In(node), edge), Gate::Out(_)) = (step, gate)
                && self.kind == Disjoint::Nodes
            {
                self.toward.remove(edge);
                self.through.remove(node);
            }
        }
        for (gate, step) in steps.into_iter().rev() {
            match (step, gate) {
                (Step::Begin(entry), gate) => {
                    self.begun.insert(entry);
                    if let Gate::In(node) = gate {
                        self.through.insert(node, None);
                    }
                }
                (Step::Cable(Gate::Out(_), edge), Gate::In(node)) => {
                    self.toward.insert(edge, node);
                    self.through.insert(node, Some(edge));
                }
                (Step::Cable(Gate::Out(_), edge), Gate::Out(node)) => {
                    // Two ways that meet head-on on a cable both turn back.
                    if self.toward.remove(&edge).is_none() {
                        self.toward.insert(edge, node);
                    }
                }
                (Step::Cable(Gate::In(_), _) | Step::Through(_), _) => {}
            }
        }
    }
}

/// Note how a gate was reached; false if it was before.
fn note(came: &mut HashMap<Gate, Step>, gate: Gate, step: Step) -> bool {
    match came.entry(gate) {
        Entry::Occupied(_) => false,
        Entry::Vacant(entry) => {
            entry.insert(step);
            true
        }
    }
}
