//! All single points of failure of a large fabric, beside petgraph's articulation points and bridges on the same graph.
//!
//! A fabric of 100,000 devices and 500,000 links: pods of leaves and spines below cores, with a hundredth of the cables
//! cut. Ours also says whom each part cuts off and takes in shared risks; petgraph's lists say that a part matters.

use std::time::{Duration, Instant};

use petgraph::algo::articulation_points::articulation_points;
use petgraph::algo::bridges::bridges;
use petgraph::graph::UnGraph;
use selvedge::fabric::{InterfaceId, LinkEnd, LinkHealth, LinkId, Timestamp};
use selvedge::topology::Risk;
use selvedge::topology::graph::{Cuts, EdgeState, Graph, Lens, Name, Nearness, Node, Severing, Wire};
use selvedge::topology::ledger::{Auditor, Device, Link, Scene};

const PODS: usize = 1_000;
const LEAVES: usize = 94;
const SPINES: usize = 5;
const CORES: usize = 1_000;
const RISKS: usize = 10_000;
/// Devices with one cable each, whose leaf is a point.
const STUBS: usize = 3_000;

/// Names with tiers.
type Devices = Vec<(String, u32)>;
/// Between the devices' numbers.
type Cables = Vec<(usize, usize)>;

fn fabric() -> (Devices, Cables) {
    let mut devices: Vec<(String, u32)> = (0..CORES).map(|n| (format!("core{n}"), 3)).collect();
    let mut cables = Vec::new();
    for pod in 0..PODS {
        let first = devices.len();
        devices.extend((0..SPINES).map(|n| (format!("pod{pod}-spine{n}"), 2)));
        for spine in 0..SPINES {
            cables.extend((0..6).map(|n| (first + spine, (pod * 7 + spine * 131 + n * 17) % CORES)));
        }
        for leaf in 0..LEAVES {
            let at = devices.len();
            devices.push((format!("pod{pod}-leaf{leaf}"), 1));
            cables.extend((0..SPINES).map(|spine| (at, first + spine)));
        }
    }
    for stub in 0..STUBS {
        let leaf = CORES + stub % PODS * (SPINES + LEAVES) + SPINES + stub % LEAVES;
        cables.push((devices.len(), leaf));
        devices.push((format!("stub{stub}"), 0));
    }
    (devices, cables)
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn main() {
    let (devices, cables) = fabric();
    let is_cut = |n: usize| n % 97 == 5;
    let mut graph = Graph::default();
    let nodes: Vec<Node> =
        devices.iter().map(|(name, _)| graph.node(&Name { device: name.into(), watched: true })).collect();
    let mut scene = Scene { taken_at: Timestamp::from_secs(1_795_521_600), ..Scene::default() };
    for (name, tier) in &devices {
        scene.devices.push(Device { name: name.into(), labels: Default::default(), tier: Some(*tier) });
    }
    for (n, (a, b)) in cables.iter().enumerate() {
        let end = |at: usize| LinkEnd { interface: InterfaceId::new(&devices[at].0, format!("e{n}")), watched: true };
        let (mut one, mut other) = (end(*a), end(*b));
        if one.interface > other.interface {
            std::mem::swap(&mut one, &mut other);
        }
        let id = LinkId::new(&one.interface, &other.interface);
        let state = if is_cut(n) { EdgeState::Down } else { EdgeState::Works };
        let health = if is_cut(n) { LinkHealth::Down } else { LinkHealth::Up };
        graph.set_edge(&id, Wire { a: nodes[*a], b: nodes[*b], capacity_bps: 0, state });
        let since = Timestamp::from_secs(1_795_500_000 + n as i64 % 20_000);
        scene.links.push(Link { id, a: one, b: other, health, since, capacity_bps: None });
    }
    scene.devices.sort_by(|one, other| one.name.cmp(&other.name));
    scene.links.sort_by(|one, other| one.id.cmp(&other.id));
    println!("{} devices, {} links, one in 97 cut", devices.len(), cables.len());

    let goals: Vec<Node> = nodes[..CORES].to_vec();
    let lens = Lens::hopeful(&graph);
    let mut found = 0;
    let ours = median(|| {
        let cuts = Cuts::of(&graph, &lens, &goals);
        let ends: Vec<[Node; 1]> = nodes[CORES..].iter().map(|node| [*node]).collect();
        let dependence = cuts.dependence(ends.iter().map(|end| (&end[..], true)));
        found = dependence.points().count();
    });
    println!("ours: all devices and links that cut somebody off, with whom: {ours:?} ({found} points)");

    let mut theirs: UnGraph<(), ()> = UnGraph::with_capacity(devices.len(), cables.len());
    let numbers: Vec<_> = devices.iter().map(|_| theirs.add_node(())).collect();
    for (_, (a, b)) in cables.iter().enumerate().filter(|(n, _)| !is_cut(*n)) {
        theirs.add_edge(numbers[*a], numbers[*b], ());
    }
    // It recurses: on a stack that is deep enough.
    let run = move || {
        let (mut points, mut links) = (0, 0);
        let articulation = median(|| points = articulation_points(&theirs).len());
        let bridge = median(|| links = bridges(&theirs).count());
        (articulation, bridge, points, links)
    };
    let thread = std::thread::Builder::new().stack_size(4 << 30).spawn(run).expect("a thread");
    let (articulation, bridge, points, links) = thread.join().expect("petgraph");
    println!("petgraph: articulation points {articulation:?} ({points}), bridges {bridge:?} ({links})");
    let ratio = (articulation + bridge).as_secs_f64() / ours.as_secs_f64();
    println!("petgraph's two by ours: {ratio:.1}");

    let nearness = Nearness::of(&graph, &lens, &goals);
    let mut severing = Severing::new(&graph, &lens, &nearness);
    let mut severed = 0;
    let risks = median(|| {
        severed = 0;
        for risk in 0..RISKS {
            let edges: Vec<u32> = (0..8).map(|n| ((risk * 49 + n * 5) % cables.len()) as u32).collect();
            severed += severing.without(&[], &edges).len();
        }
    });
    println!("{RISKS} shared risks of 8 links each: {risks:?} ({severed} devices severed)");

    scene.risks = (0..100)
        .map(|n| {
            let links = (0..8).map(|k| scene.links[(n * 4_999 + k * 3) % scene.links.len()].id.clone()).collect();
            Risk { name: format!("duct-{n:03}"), links, devices: Vec::new() }
        })
        .collect();
    let mut auditor = Auditor::default();
    let began = Instant::now();
    auditor.sync(&scene);
    println!("the graph from nothing: {:?}", began.elapsed());
    let mut changed = true;
    let unchanged = median(|| changed = auditor.sync(&scene));
    assert!(!changed, "nothing changed");
    let mut points = 0;
    let whole = median(|| points = auditor.audit(&scene).ledger.points.len());
    println!("a look at an unchanged fabric: {unchanged:?}; the whole ledger, in words: {whole:?} ({points} points)");
    println!("of one second: {:.2}", whole.as_secs_f64());
}
