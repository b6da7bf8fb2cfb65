//! What is cut off when several parts go at once: a duct, a power feed, a line card, a site.
//!
//! Nothing is separated but what hung on a lost part, so the search begins there and goes towards the goals first, by
//! the distances of one sweep. Where doubling holds it ends after a few steps; where it does not it walks through what
//! is cut off, and no farther. Searches of one question share what they found.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{Edge, Graph, Lens, NONE, Node};

/// How far every node is from the goals, for any number of questions.
#[derive(Clone, Debug)]
pub struct Nearness {
    steps: Vec<u32>,
}

impl Nearness {
    /// One sweep from the goals over all that counts.
    pub fn of(graph: &Graph, lens: &Lens, goals: &[Node]) -> Self {
        let mut steps = vec![NONE; graph.node_count()];
        let mut queue = VecDeque::new();
        for goal in goals.iter().filter(|goal| lens.forwards(**goal)) {
            if steps[*goal as usize] == NONE {
                steps[*goal as usize] = 0;
                queue.push_back(*goal);
            }
        }
        while let Some(node) = queue.pop_front() {
            for half in graph.beside(node) {
                if lens.is_open(half.edge) && lens.forwards(half.far) && steps[half.far as usize] == NONE {
                    steps[half.far as usize] = steps[node as usize] + 1;
                    queue.push_back(half.far);
                }
            }
        }
        Self { steps }
    }

    /// Steps to the nearest goal; none where there is no way.
    pub fn steps(&self, node: Node) -> Option<u32> {
        Some(self.steps[node as usize]).filter(|steps| *steps != NONE)
    }
}

/// Answers "what if these were lost?" again and again; its arrays are kept from one question to the next.
#[derive(Debug)]
pub struct Severing<'g> {
    graph: &'g Graph,
    lens: &'g Lens,
    nearness: &'g Nearness,
    question: u32,
    lost_node: Vec<u32>,
    lost_edge: Vec<u32>,
    /// The question in which a node was found to reach a goal, and not to.
    saved: Vec<u32>,
    severed: Vec<u32>,
    seen: Vec<u32>,
    search: u32,
}

impl<'g> Severing<'g> {
    /// For questions of one look at a graph.
    pub fn new(graph: &'g Graph, lens: &'g Lens, nearness: &'g Nearness) -> Self {
        let (n, m) = (graph.node_count(), graph.edge_count());
        Self {
            graph,
            lens,
            nearness,
            question: 0,
            lost_node: vec![0; n],
            lost_edge: vec![0; m],
            saved: vec![0; n],
            severed: vec![0; n],
            seen: vec![0; n],
            search: 0,
        }
    }

    /// The nodes that reached a goal and would not without these, the lost ones themselves not among them. Goals are
    /// those with no step to go.
    pub fn without(&mut self, nodes: &[Node], edges: &[Edge]) -> Vec<Node> {
        self.question += 1;
        let mut beside = Vec::new();
        for node in nodes {
            self.lost_node[*node as usize] = self.question;
            beside.extend(
                self.graph.beside(*node).iter().filter(|half| self.lens.is_open(half.edge)).map(|half| half.far),
            );
        }
        for edge in edges.iter().filter(|edge| self.lens.is_open(**edge)) {
            self.lost_edge[*edge as usize] = self.question;
            let wire = self.graph.wire(*edge);
            beside.extend([wire.a, wire.b]);
        }
        let mut cut = Vec::new();
        for node in beside {
            if self.stands(node) && self.nearness.steps(node).is_some() {
                self.look(node, &mut cut);
            }
        }
        cut
    }

    /// Was this node cut off in the last question?
    pub fn is_severed(&self, node: Node) -> bool {
        self.severed[node as usize] == self.question && self.question != 0
    }

    /// Was it among what was lost?
    pub fn is_lost(&self, node: Node) -> bool {
        self.lost_node[node as usize] == self.question && self.question != 0
    }

    fn stands(&self, node: Node) -> bool {
        self.lens.forwards(node) && self.lost_node[node as usize] != self.question
    }

    fn look(&mut self, from: Node, cut: &mut Vec<Node>) {
        let known = |at: &[u32], node: Node, question| at[node as usize] == question;
        if known(&self.saved, from, self.question) || known(&self.severed, from, self.question) {
            return;
        }
        self.search += 1;
        let mut found = Vec::new();
        let mut queue = BinaryHeap::from([Reverse((self.nearness.steps[from as usize], from))]);
        self.seen[from as usize] = self.search;
        while let Some(Reverse((steps, node))) = queue.pop() {
            found.push(node);
            if steps == 0 || known(&self.saved, node, self.question) {
                for node in found {
                    self.saved[node as usize] = self.question;
                }
                return;
            }
            for half in self.graph.beside(node) {
                if self.lens.is_open(half.edge)
                    && self.lost_edge[half.edge as usize] != self.question
                    && self.stands(half.far)
                    && self.seen[half.far as usize] != self.search
                {
                    self.seen[half.far as usize] = self.search;
                    queue.push(Reverse((self.nearness.steps[half.far as usize], half.far)));
                }
            }
        }
        for node in &found {
            self.severed[*node as usize] = self.question;
        }
        cut.extend(found);
    }
}
