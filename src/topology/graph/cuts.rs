//! Every device and every cable whose loss alone cuts something off from the goals, in one walk.
//!
//! Tarjan's low links, walked from an imagined root that has a cable to every goal. A device cuts off what hangs below
//! it in the tree of cut vertices (for an undirected graph that is the tree of dominators), a cable what hangs below it
//! in the walk's tree. Parallel cables are told apart by their numbers, so neither of two is a bridge.

use super::tree::Tree;
use super::{Edge, Graph, Half, Lens, NONE, Node};

/// A single part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A device with all its cables.
    Node(Node),
    /// One cable.
    Edge(Edge),
}

/// What one walk found.
#[derive(Clone, Debug)]
pub struct Cuts {
    /// The node with each number of the walk; number 0 is the imagined root.
    order: Vec<Node>,
    /// Each node's number, 0 where it is not reached.
    number: Vec<u32>,
    /// The edge by which each number was reached.
    came_by: Vec<Edge>,
    low: Vec<u32>,
    walk: Tree,
    dominators: Tree,
}

impl Cuts {
    /// Walk from the goals over all that counts.
    pub fn of(graph: &Graph, lens: &Lens, goals: &[Node]) -> Self {
        let n = graph.node_count();
        let mut is_goal = vec![false; n];
        for goal in goals {
            is_goal[*goal as usize] = true;
        }
        let (mut order, mut number) = (vec![NONE], vec![0u32; n]);
        let (mut came_by, mut parent, mut low) = (vec![NONE], vec![0u32], vec![0u32]);
        // (number, how many of its cables were followed)
        let mut path: Vec<(u32, u32)> = Vec::new();
        // Enter the node by the edge, from a number.
        let mut entering = Vec::new();
        for goal in goals.iter().filter(|goal| lens.forwards(**goal)) {
            if number[*goal as usize] != 0 {
                continue;
            }
            entering.push((*goal, NONE, 0u32));
            loop {
                if let Some((node, edge, from)) = entering.pop() {
                    let at = order.len() as u32;
                    number[node as usize] = at;
                    order.push(node);
                    came_by.push(edge);
                    parent.push(from);
                    // A goal that is not entered from the root has a cable back to it.
                    low.push(if from != 0 && is_goal[node as usize] { 0 } else { at });
                    path.push((at, 0));
                }
                let Some((at, followed)) = path.last_mut() else { break };
                let at = *at;
                let node = order[at as usize];
                if let Some(Half { far, edge }) = graph.beside(node).get(*followed as usize).copied() {
                    *followed += 1;
                    if edge == came_by[at as usize] || !lens.is_open(edge) || !lens.forwards(far) {
                        continue;
                    }
                    match number[far as usize] {
                        0 => entering.push((far, edge, at)),
                        seen => low[at as usize] = low[at as usize].min(seen),
                    }
                } else {
                    path.pop();
                    let above = parent[at as usize] as usize;
                    low[above] = low[above].min(low[at as usize]);
                }
            }
        }
        // A node is in one block with its way up unless it closes no ring around its parent.
        let mut dominator = vec![0u32; order.len()];
        for v in 1..order.len() {
            let p = parent[v];
            dominator[v] = if low[v] >= p { p } else { dominator[p as usize] };
        }
        Self { order, number, came_by, low, walk: Tree::new(parent), dominators: Tree::new(dominator) }
    }

    /// The goals can be reached from it.
    pub fn reaches(&self, node: Node) -> bool {
        self.number[node as usize] != 0
    }

    /// How many nodes reach the goals.
    pub fn reached(&self) -> usize {
        self.order.len() - 1
    }

    /// Who depends on what: give the ends, then ask.
    ///
    /// An end has one or more attachments, and is cut off when none of them reaches a goal. `itself` says that it is the
    /// attachment: then that device's own loss is no loss of its ways. Ends that reach no goal are left out.
    pub fn dependence<'e>(&self, ends: impl Iterator<Item = (&'e [Node], bool)>) -> Dependence<'_> {
        let (mut by_node, mut by_edge, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (end, (attachments, itself)) in ends.enumerate() {
            let mut reached = attachments.iter().map(|node| self.number[*node as usize]).filter(|at| *at != 0);
            let Some(first) = reached.next() else {
                places.push(None);
                continue;
            };
            let (mut node, mut edge) = (first, first);
            for other in reached {
                node = self.dominators.meet(node, other);
                edge = self.walk.meet(edge, other);
            }
            if itself && attachments.len() == 1 {
                node = self.dominators.parent(node);
            }
            let (node, edge) = (self.dominators.place(node), self.walk.place(edge));
            by_node.push((node, end as u32));
            by_edge.push((edge, end as u32));
            places.push(Some((node, edge)));
        }
        by_node.sort_unstable();
        by_edge.sort_unstable();
        Dependence { cuts: self, by_node, by_edge, places }
    }

    /// Does the node hang below the part, so that the part's loss cuts it off? A device does not hang below itself.
    pub fn hangs_below(&self, graph: &Graph, node: Node, part: Part) -> bool {
        let at = self.number[node as usize];
        if at == 0 {
            return false;
        }
        match part {
            Part::Node(top) => {
                let top = self.number[top as usize];
                top != 0 && at != top && self.dominators.is_below(at, top)
            }
            Part::Edge(edge) => self.bridge(graph, edge).is_some_and(|top| self.walk.is_below(at, top)),
        }
    }

    /// The number that this cable is the only way to.
    fn bridge(&self, graph: &Graph, edge: Edge) -> Option<u32> {
        let super::Wire { a, b, .. } = graph.wire(edge);
        let mut ends = [a, b].into_iter().map(|end| self.number[end as usize]);
        ends.find(|top| *top != 0 && self.came_by[*top as usize] == edge && self.is_bridge(*top))
    }

    /// Is the cable by which this number was reached the only way to it?
    fn is_bridge(&self, at: u32) -> bool {
        self.low[at as usize] == at && self.came_by[at as usize] != NONE
    }
}

/// Which ends depend on which parts.
#[derive(Debug)]
pub struct Dependence<'c> {
    cuts: &'c Cuts,
    /// `(place, end)` in the tree of dominators: what is above cuts the end off.
    by_node: Vec<(u32, u32)>,
    /// The same in the tree of the walk.
    by_edge: Vec<(u32, u32)>,
    /// Each end's places in both trees; none where it reaches no goal.
    places: Vec<Option<(u32, u32)>>,
}

impl<'c> Dependence<'c> {
    /// Does this end reach a goal?
    pub fn reaches(&self, end: u32) -> bool {
        self.places[end as usize].is_some()
    }

    /// Would the part's loss cut this end off?
    pub fn depends(&self, graph: &Graph, end: u32, part: Part) -> bool {
        let Some((by_node, by_edge)) = self.places[end as usize] else { return false };
        let cuts = self.cuts;
        match part {
            Part::Node(node) => {
                let top = cuts.number[node as usize];
                top != 0 && cuts.dominators.below(top).contains(&by_node)
            }
            Part::Edge(edge) => cuts.bridge(graph, edge).is_some_and(|top| cuts.walk.below(top).contains(&by_edge)),
        }
    }

    /// How many ends the part's loss would cut off.
    pub fn count(&self, graph: &Graph, part: Part) -> usize {
        let cuts = self.cuts;
        match part {
            Part::Node(node) => match cuts.number[node as usize] {
                0 => 0,
                top => within(&self.by_node, cuts.dominators.below(top)).len(),
            },
            Part::Edge(edge) => {
                cuts.bridge(graph, edge).map_or(0, |top| within(&self.by_edge, cuts.walk.below(top)).len())
            }
        }
    }

    /// Every part whose loss cuts off at least one end, with the ends it cuts off.
    pub fn points(&self) -> impl Iterator<Item = (Part, impl ExactSizeIterator<Item = u32> + use<'_, 'c>)> {
        let cuts = self.cuts;
        let numbers = 1..cuts.order.len() as u32;
        let nodes = numbers
            .clone()
            .map(|at| (Part::Node(cuts.order[at as usize]), within(&self.by_node, cuts.dominators.below(at))));
        let bridges = numbers
            .filter(|at| cuts.is_bridge(*at))
            .map(|at| (Part::Edge(cuts.came_by[at as usize]), within(&self.by_edge, cuts.walk.below(at))));
        nodes
            .chain(bridges)
            .filter(|(_, ends)| !ends.is_empty())
            .map(|(part, ends)| (part, ends.iter().map(|(_, end)| *end)))
    }
}

fn within(sorted: &[(u32, u32)], places: std::ops::Range<u32>) -> &[(u32, u32)] {
    let from = sorted.partition_point(|(place, _)| *place < places.start);
    let to = sorted.partition_point(|(place, _)| *place < places.end);
    &sorted[from..to]
}
