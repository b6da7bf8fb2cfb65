//! Every answer against removing the part and looking.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const DEVICES: u8 = 9;

fn name(node: Node) -> Name {
    Name { device: format!("d{node}").into(), watched: true }
}

fn id(edge: usize) -> LinkId {
    let end = |side: &str| crate::fabric::InterfaceId::new(side, edge.to_string());
    LinkId::new(&end("x"), &end("y"))
}

fn graph(cables: &[(u8, u8)]) -> Graph {
    let mut graph = Graph::default();
    for node in 0..DEVICES {
        graph.node(&name(node.into()));
    }
    for (edge, (a, b)) in cables.iter().enumerate() {
        graph.set_edge(&id(edge), Wire { a: (*a).into(), b: (*b).into(), capacity_bps: 0, state: EdgeState::Works });
    }
    graph
}

/// What reaches a goal when these parts are gone, by looking again and again.
fn reached(graph: &Graph, goals: &[Node], nodes: &[Node], edges: &[Edge]) -> BTreeSet<Node> {
    let mut reached: BTreeSet<Node> = goals.iter().copied().filter(|goal| !nodes.contains(goal)).collect();
    loop {
        let before = reached.len();
        for (_, edge) in graph.links().filter(|(_, edge)| !edges.contains(edge)) {
            let Wire { a, b, .. } = graph.wire(edge);
            if !nodes.contains(&a) && !nodes.contains(&b) && (reached.contains(&a) || reached.contains(&b)) {
                reached.extend([a, b]);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

fn cables(most: usize) -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec((0..DEVICES, 0..DEVICES), 0..most)
}

/// One to three devices.
fn some() -> impl Strategy<Value = Vec<Node>> {
    prop::collection::btree_set(0..Node::from(DEVICES), 1..4).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn single_points_are_those_whose_removal_cuts_off(
        cables in cables(20), goals in some(), ends in prop::collection::vec(some(), 1..4),
    ) {
        let graph = graph(&cables);
        let cuts = Cuts::of(&graph, &Lens::planned(&graph), &goals);
        let before = reached(&graph, &goals, &[], &[]);
        prop_assert_eq!(cuts.reached(), before.len());
        let ends: Vec<(Vec<Node>, bool)> = ends.into_iter().map(|end| { let itself = end.len() == 1; (end, itself) }).collect();
        let dependence = cuts.dependence(ends.iter().map(|(nodes, itself)| (&nodes[..], *itself)));
        let mut found: Vec<(Part, u32)> =
            dependence.points().flat_map(|(part, ends)| ends.map(move |end| (part, end)).collect::<Vec<_>>()).collect();
        found.sort();
        for (part, end) in &found {
            prop_assert!(dependence.depends(&graph, *end, *part));
        }
        let all = (0..Node::from(DEVICES)).map(Part::Node).chain(graph.links().map(|(_, edge)| Part::Edge(edge)));
        let depends = |part| (0..ends.len() as u32).filter(|end| dependence.depends(&graph, *end, part)).count();
        prop_assert_eq!(all.map(depends).sum::<usize>(), found.len());
        let mut expected = Vec::new();
        for (n, (nodes, itself)) in ends.iter().enumerate() {
            let cut_off = |after: &BTreeSet<Node>| {
                nodes.iter().any(|node| before.contains(node)) && !nodes.iter().any(|node| after.contains(node))
            };
            for node in 0..Node::from(DEVICES) {
                if !(*itself && nodes[..] == [node]) && cut_off(&reached(&graph, &goals, &[node], &[])) {
                    expected.push((Part::Node(node), n as u32));
                }
            }
            for (_, edge) in graph.links() {
                if cut_off(&reached(&graph, &goals, &[], &[edge])) {
                    expected.push((Part::Edge(edge), n as u32));
                }
            }
        }
        expected.sort();
        prop_assert_eq!(&found, &expected);
        // And who hangs below a part is who loses the goals with it.
        for part in expected.iter().map(|(part, _)| *part).collect::<BTreeSet<_>>() {
            let after = match part {
                Part::Node(node) => reached(&graph, &goals, &[node], &[]),
                Part::Edge(edge) => reached(&graph, &goals, &[], &[edge]),
            };
            for node in (0..Node::from(DEVICES)).filter(|node| part != Part::Node(*node)) {
                prop_assert_eq!(
                    cuts.hangs_below(&graph, node, part),
                    before.contains(&node) && !after.contains(&node),
                    "{} below {:?}", node, part
                );
            }
        }
    }

    #[test]
    fn several_parts_at_once(
        cables in cables(20), goals in some(),
        questions in prop::collection::vec((prop::collection::vec(0..Node::from(DEVICES), 0..3), prop::collection::vec(0..20u32, 0..5)), 1..5),
    ) {
        let graph = graph(&cables);
        let lens = Lens::planned(&graph);
        let nearness = Nearness::of(&graph, &lens, &goals);
        let mut severing = Severing::new(&graph, &lens, &nearness);
        let before = reached(&graph, &goals, &[], &[]);
        for (nodes, edges) in questions {
            let edges: Vec<Edge> = edges.into_iter().filter(|edge| graph.link(*edge).is_some()).collect();
            let found: BTreeSet<Node> = severing.without(&nodes, &edges).into_iter().collect();
            let after = reached(&graph, &goals, &nodes, &edges);
            let expected: BTreeSet<Node> =
                before.iter().copied().filter(|node| !after.contains(node) && !nodes.contains(node)).collect();
            prop_assert_eq!(&found, &expected);
            for node in 0..Node::from(DEVICES) {
                prop_assert_eq!(severing.is_severed(node), expected.contains(&node));
                prop_assert_eq!(severing.is_lost(node), nodes.contains(&node));
            }
        }
    }
}

/// Subsets of up to `most` of these.
fn subsets(items: &[u32], most: usize) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    for item in items {
        let longer: Vec<Vec<u32>> =
            all.iter().filter(|set| set.len() < most).map(|set| [&set[..], &[*item]].concat()).collect();
        all.extend(longer);
    }
    all.sort_by_key(Vec::len);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Menger: as many ways share nothing as parts must be removed to leave none.
    #[test]
    fn disjoint_ways_are_as_many_as_must_be_cut(cables in cables(15), goals in some(), from in some()) {
        let graph = graph(&cables);
        let lens = Lens::planned(&graph);
        let from: Vec<Node> = from.into_iter().filter(|node| !goals.contains(node)).collect();
        let itself = from.len() == 1;
        let sources = Sources { attachments: &from, itself, by_cable: false };
        let count = |kind| {
            let mut budget = usize::MAX;
            graph.disjoint_paths(&lens, sources, &|node| goals.contains(&node), kind, 3, &mut budget).unwrap()
        };
        let parted = |nodes: &[Node], edges: &[Edge]| {
            let after = reached(&graph, &goals, nodes, edges);
            !from.iter().any(|node| after.contains(node))
        };
        let edges: Vec<Edge> = graph.links().map(|(_, edge)| edge).collect();
        let cut = subsets(&edges, 3).into_iter().find(|edges| parted(&[], edges)).map_or(3, |cut| cut.len());
        prop_assert_eq!(count(Disjoint::Edges), cut.min(3));
        // A cable straight to a goal is no device: losing the goal ends it.
        let nodes: Vec<Node> = (0..Node::from(DEVICES)).filter(|node| !(itself && from[..] == [*node])).collect();
        let cut = subsets(&nodes, 3).into_iter().find(|nodes| parted(nodes, &[])).map_or(3, |cut| cut.len());
        prop_assert_eq!(count(Disjoint::Nodes), cut.min(3));
    }

    /// A graph that was changed step by step is the graph that was made at once.
    #[test]
    fn changes_leave_no_trace(steps in prop::collection::vec((0..12usize, 0..DEVICES, 0..DEVICES, any::<bool>()), 0..40)) {
        let mut changed = graph(&[]);
        let mut kept: std::collections::BTreeMap<usize, Wire> = Default::default();
        for (edge, a, b, present) in steps {
            let wire = Wire { a: a.into(), b: b.into(), capacity_bps: u64::from(a), state: EdgeState::Unknown };
            if present {
                prop_assert_eq!(changed.set_edge(&id(edge), wire), kept.insert(edge, wire) != Some(wire));
            } else {
                prop_assert_eq!(changed.remove_edge(&id(edge)), kept.remove(&edge).is_some());
            }
        }
        for node in 0..Node::from(DEVICES) {
            let mut beside: Vec<(LinkId, Node)> =
                changed.beside(node).iter().map(|half| (changed.link(half.edge).unwrap().clone(), half.far)).collect();
            beside.sort();
            let mut expected: Vec<(LinkId, Node)> = Vec::new();
            for (edge, wire) in kept.iter().filter(|(_, wire)| wire.a == node || wire.b == node) {
                expected.push((id(*edge), wire.far(node)));
            }
            expected.sort();
            prop_assert_eq!(beside, expected);
        }
        for (edge, wire) in &kept {
            prop_assert_eq!(changed.wire(changed.edge(&id(*edge)).unwrap()), *wire);
        }
        prop_assert_eq!(changed.links().count(), kept.len());
    }
}

#[test]
fn a_chain_of_a_hundred_thousand_is_walked_without_recursion() {
    let mut graph = Graph::default();
    let nodes: Vec<Node> = (0..100_000).map(|n| graph.node(&name(n))).collect();
    for (n, pair) in nodes.windows(2).enumerate() {
        graph.set_edge(&id(n), Wire { a: pair[0], b: pair[1], capacity_bps: 0, state: EdgeState::Works });
    }
    let cuts = Cuts::of(&graph, &Lens::planned(&graph), &[0]);
    let last = [99_999];
    let dependence = cuts.dependence(std::iter::once((&last[..], true)));
    // All devices but the last, and all cables.
    assert_eq!(dependence.points().count(), 99_999 + 99_999);
}
