//! Fabrics at one moment, and what the ledger says of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fabric::{Labels, LinkEnd};
use crate::topology::{Protect, Risk, Survive};

fn at(secs: i64) -> Timestamp {
    // 2026-11-24T12:00:00Z
    Timestamp::from_secs(1_795_521_600 + secs)
}

fn end(device: &str, port: &str, watched: bool) -> LinkEnd {
    LinkEnd { interface: InterfaceId::new(device, port), watched }
}

/// Cables `a b` or `a b down@secs` or `a b unknown`; a name in brackets is only heard of. Ports are named after the far end.
fn scene(devices: &[(&str, u32, &str)], cables: &[&str]) -> Scene {
    let mut scene = Scene { taken_at: at(3_600), ..Scene::default() };
    for (name, tier, labels) in devices {
        let labels: Labels =
            labels.split_whitespace().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        scene.devices.push(Device { name: (*name).into(), labels, tier: Some(*tier) });
    }
    let mut parallel: HashMap<(&str, &str), usize> = HashMap::new();
    for cable in cables {
        let words: Vec<&str> = cable.split(' ').collect();
        let n = parallel.entry((words[0], words[1])).or_default();
        *n += 1;
        let suffix = if *n > 1 { format!(".{n}") } else { String::new() };
        let name = |text: &str| text.trim_matches(['[', ']']).to_owned();
        let one = |near: &str, far: &str| end(&name(near), &format!("{}{suffix}", name(far)), !near.starts_with('['));
        let (mut a, mut b) = (one(words[0], words[1]), one(words[1], words[0]));
        if a.interface > b.interface {
            std::mem::swap(&mut a, &mut b);
        }
        let state = words.get(2).copied().unwrap_or("up");
        let (health, since) = match state.split_once('@') {
            Some((_, secs)) => (LinkHealth::Down, at(secs.parse().unwrap())),
            None if state == "unknown" => (LinkHealth::Unknown, at(0)),
            None => (LinkHealth::Up, at(0)),
        };
        let id = LinkId::new(&a.interface, &b.interface);
        scene.links.push(Link { id, a, b, health, since, capacity_bps: Some(10_000_000_000) });
    }
    scene.devices.sort_by(|one, other| one.name.cmp(&other.name));
    scene.links.sort_by(|one, other| one.id.cmp(&other.id));
    scene
}

fn audit(scene: &Scene) -> Audit {
    let mut auditor = Auditor::default();
    assert!(auditor.sync(scene));
    auditor.audit(scene)
}

fn without(scene: &Scene, what: &[&str]) -> Result<Ledger, WithoutError> {
    let mut auditor = Auditor::default();
    auditor.sync(scene);
    let what: Vec<Without> = what.iter().map(|what| what.parse().unwrap()).collect();
    auditor.ledger_without(scene, &what, true)
}

/// What is news, in words; and what is told with something else is left out.
fn news(ledger: &Ledger) -> Vec<&str> {
    let told = |point: &&Point| point.told_by.is_none() && (!point.planned || point.protected);
    ledger.points.iter().filter(told).map(|point| point.summary.as_str()).collect()
}

const CLOS: [(&str, u32, &str); 5] =
    [("leaf1", 1, ""), ("leaf2", 1, ""), ("leaf3", 1, ""), ("spine1", 2, ""), ("spine2", 2, "")];

const MESH: [&str; 6] =
    ["leaf1 spine1", "leaf1 spine2", "leaf2 spine1", "leaf2 spine2", "leaf3 spine1", "leaf3 spine2"];

#[test]
fn a_whole_fabric_has_no_single_point() {
    let ledger = audit(&scene(&CLOS, &MESH)).ledger;
    assert_eq!((ledger.points.len(), ledger.findings), (0, 0));
    let ways = without(&scene(&CLOS, &MESH), &[]).unwrap().ways;
    assert_eq!(ways.len(), 3);
    assert!(ways.iter().all(|ways| (ways.by_links, ways.by_devices) == (Some(2), Some(2))), "{ways:?}");
}

#[test]
fn a_cut_makes_the_other_uplink_a_single_point_and_says_since_when() {
    let mut cables = MESH;
    cables[0] = "leaf1 spine1 down@187";
    let scene = scene(&CLOS, &cables);
    let ledger = audit(&scene).ledger;
    assert_eq!(
        news(&ledger),
        [
            "spine2 is the only way from leaf1 to the rest of the fabric since leaf1:spine1 - spine1:leaf1 failed at 12:03:07 UTC"
        ]
    );
    // Its cable is told with it.
    let cable = ledger.points.iter().find(|point| matches!(point.part, PartName::Link { .. })).unwrap();
    assert_eq!(cable.told_by, Some("spine2".into()));
    assert_eq!(ledger.findings, 1);
}

#[test]
fn the_latest_of_two_failures_is_the_one_that_made_it_a_point() {
    let devices = [("leaf1", 1, ""), ("leaf2", 1, ""), ("s1", 2, ""), ("s2", 2, ""), ("s3", 2, "")];
    let cables = ["leaf1 s1 down@60", "leaf1 s2 down@120", "leaf1 s3", "leaf2 s1", "leaf2 s2", "leaf2 s3"];
    let ledger = audit(&scene(&devices, &cables)).ledger;
    let point = &ledger.points[0];
    assert_eq!(point.part, PartName::Device { name: "s3".into() });
    assert_eq!(
        point.because.iter().map(LinkId::as_str).collect::<Vec<_>>(),
        ["leaf1:s2 - s2:leaf1", "leaf1:s1 - s1:leaf1"]
    );
    assert_eq!(point.since, Some(at(120)));
}

#[test]
fn what_was_never_doubled_is_no_news() {
    // A chain below a doubled top.
    let devices = [("a", 1, ""), ("b", 2, ""), ("c", 3, "")];
    let ledger = audit(&scene(&devices, &["a b", "b c"])).ledger;
    assert!(!ledger.points.is_empty() && ledger.points.iter().all(|point| point.planned));
    assert_eq!((news(&ledger).len(), ledger.findings), (0, 0));
    // Asked for, it is told, though it always was.
    let mut asked = scene(&devices, &["a b", "b c"]);
    let survive = Survive { device: true, link: true, shared_risk: true };
    asked.protect = vec![Protect { from: "a".parse().unwrap(), to: "c".parse().unwrap(), survive }];
    let ledger = audit(&asked).ledger;
    assert_eq!(
        news(&ledger),
        ["b is the only way from a to c, and always was", "c is the only way from a to c, and always was",]
    );
}

#[test]
fn a_ring_that_is_cut_hangs_on_every_part_of_it() {
    let ring = [("a", 0, ""), ("b", 0, ""), ("c", 0, ""), ("d", 0, "")];
    assert_eq!(audit(&scene(&ring, &["a b", "b c", "c d", "a d"])).ledger.points, []);
    let ledger = audit(&scene(&ring, &["a b", "b c", "c d", "a d down@60"])).ledger;
    let parts: BTreeSet<String> = ledger
        .points
        .iter()
        .map(|point| match &point.part {
            PartName::Device { name } => name.to_string(),
            PartName::Link { name, .. } => name.to_string(),
            PartName::Risk { name } => name.clone(),
        })
        .collect();
    assert_eq!(parts, ["b", "c", "a:b - b:a", "b:c - c:b", "c:d - d:c"].map(str::to_owned).into());
    assert!(ledger.points.iter().all(|point| point.since == Some(at(60))));
}

#[test]
fn a_rack_is_cut_off_when_all_its_leaves_are() {
    let devices = [
        ("leaf13", 1, "rack=7"),
        ("leaf14", 1, "rack=7"),
        ("leaf15", 1, "rack=8"),
        ("leaf16", 1, "rack=8"),
        ("spine1", 2, ""),
        ("spine2", 2, ""),
        ("gw1", 3, "internet=yes"),
        ("gw2", 3, "internet=yes"),
    ];
    let mut cables = vec![
        "leaf13 spine1",
        "leaf14 spine2",
        "leaf15 spine1",
        "leaf16 spine2",
        "spine1 gw1",
        "spine1 gw2",
        "spine2 gw1",
        "spine2 gw2",
    ];
    let survive = Survive { device: true, link: true, shared_risk: true };
    let protect = Protect { from: "label:rack".parse().unwrap(), to: "label:internet".parse().unwrap(), survive };
    let mut whole = scene(&devices, &cables);
    whole.protect = vec![protect.clone()];
    assert_eq!(audit(&whole).ledger.findings, 0);
    cables[0] = "leaf13 spine1 down@187";
    let mut cut = scene(&devices, &cables);
    cut.protect = vec![protect];
    let ledger = audit(&cut).ledger;
    assert_eq!(
        news(&ledger),
        [
            "leaf14 is the only way from rack 7 to internet since leaf13:spine1 - spine1:leaf13 failed at 12:03:07 UTC",
            "spine2 is the only way from rack 7 to internet since leaf13:spine1 - spine1:leaf13 failed at 12:03:07 UTC",
        ]
    );
    assert!(ledger.points.iter().all(|point| point.protected && !point.planned));
    // Nobody has the label.
    cut.protect[0].to = "label:wan".parse().unwrap();
    assert_eq!(audit(&cut).ledger.unmatched, ["label:wan"]);
}

#[test]
fn a_shared_risk_is_a_point_where_all_ways_run_through_it() {
    let mut scene = scene(&CLOS, &MESH);
    let link = |scene: &Scene, name: &str| scene.links.iter().find(|link| link.id.as_str() == name).unwrap().id.clone();
    let links = vec![link(&scene, "leaf1:spine1 - spine1:leaf1"), link(&scene, "leaf1:spine2 - spine2:leaf1")];
    scene.risks = vec![
        Risk { name: "duct-7".into(), links, devices: vec![] },
        // One spine and one cable of it: leaf2 has no way around both.
        Risk {
            name: "feed-b".into(),
            links: vec![link(&scene, "leaf2:spine2 - spine2:leaf2")],
            devices: vec!["spine1".into()],
        },
        Risk { name: "harmless".into(), links: vec![], devices: vec!["leaf3".into()] },
    ];
    let ledger = audit(&scene).ledger;
    let summaries: Vec<&str> = ledger.points.iter().map(|point| point.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "duct-7 holds every way from leaf1 to the rest of the fabric, and always was",
            "feed-b holds every way from leaf2 to the rest of the fabric, and always was",
        ]
    );
    assert!(ledger.points.iter().all(|point| point.planned));
    let what_if = without(&scene, &["risk:duct-7"]).unwrap().what_if.unwrap();
    assert_eq!(what_if.cut_off.iter().map(|cut| cut.name.as_str()).collect::<BTreeSet<_>>(), ["leaf1"].into());
    let error = without(&scene, &["risk:duct-8"]).unwrap_err().to_string();
    assert!(error.contains("duct-8") && error.contains("among the 3"), "{error}");
}

#[test]
fn a_host_with_two_cables_is_no_way_between_two_leaves() {
    let mut cables = MESH.to_vec();
    cables.extend(["leaf1 [h1]", "leaf2 [h1]"]);
    cables[0] = "leaf1 spine1 down@60";
    let ledger = audit(&scene(&CLOS, &cables)).ledger;
    assert_eq!(news(&ledger).len(), 1);
    // It is an end, if it is asked for: cut off when both its leaves are.
    let mut asked = scene(&CLOS, &cables);
    let survive = Survive { device: true, link: true, shared_risk: true };
    asked.protect = vec![Protect { from: "h1".parse().unwrap(), to: "label:none".parse().unwrap(), survive }];
    asked.protect[0].to = "spine2".parse().unwrap();
    let ledger = audit(&asked).ledger;
    assert_eq!(news(&ledger), ["spine2 is the only way from h1 to spine2, and always was"]);
    cables[7] = "leaf2 [h1] down@120";
    let asked = Scene { protect: asked.protect, ..scene(&CLOS, &cables) };
    let ledger = audit(&asked).ledger;
    let words = "leaf1 is the only way from h1 to spine2 since h1:leaf2 - leaf2:h1 failed at 12:02:00 UTC";
    assert!(news(&ledger).contains(&words), "{:?}", news(&ledger));
    let cable = ledger.points.iter().find(|point| point.summary.starts_with("h1:leaf1 - leaf1:h1 is the only cable"));
    assert_eq!(cable.unwrap().told_by, Some("leaf1".into()));
}

#[test]
fn what_cannot_be_seen_is_possible_and_not_told() {
    let mut cables = MESH;
    cables[0] = "leaf1 spine1 unknown";
    let audit = audit(&scene(&CLOS, &cables));
    assert_eq!(news(&audit.ledger), [""; 0]);
    assert!(audit.possible.contains(&PartName::Device { name: "spine2".into() }));
    assert!(audit.unseen.is_empty());
    cables[1] = "leaf1 spine2 unknown";
    assert_eq!(super::tests::audit(&scene(&CLOS, &cables)).unseen, ["leaf1".to_owned()].into());
}

#[test]
fn maintenance_is_asked_before_it_is_done() {
    let mut scene = scene(&CLOS, &MESH);
    let group = |leaf: &str, scene: &Scene| {
        let planned: Vec<LinkId> =
            scene.links.iter().map(|link| link.id.clone()).filter(|id| id.as_str().starts_with(leaf)).collect();
        let (name, device) = (format!("{leaf} uplinks").into(), Some(leaf.into()));
        Group { name, kind: GroupKind::Uplinks, device, working: planned.clone(), planned, unknown: vec![] }
    };
    scene.groups = ["leaf1", "leaf2", "leaf3"].map(|leaf| group(leaf, &scene)).into();
    let spine = without(&scene, &["spine1"]).unwrap().what_if.unwrap();
    assert_eq!(spine.cut_off, []);
    assert_eq!(
        spine.groups.iter().map(|loss| (loss.before, loss.after, loss.state)).collect::<Vec<_>>(),
        [(2, 1, Standing::Critical); 3]
    );
    assert_eq!(spine.points, ["spine2 is the only way from leaf1, leaf2 and leaf3 to the rest of the fabric"]);
    // A leaf takes nobody with it, and its own uplinks are no loss.
    let leaf = without(&scene, &["leaf3"]).unwrap().what_if.unwrap();
    assert_eq!(leaf.findings(), 0, "{leaf:?}");
    let cable = without(&scene, &["link:leaf1:spine1", "link:leaf1:spine2 - spine2:leaf1"]).unwrap();
    assert_eq!(cable.what_if.as_ref().unwrap().cut_off[0].name, "leaf1");
    assert_eq!(cable.groups[0].state, Standing::Lost);
    assert!(without(&scene, &["leaf9"]).is_err() && without(&scene, &["link:leaf1:x"]).is_err());
    // The next failure of what is left.
    let one = without(&scene, &["link:leaf1:spine1"]).unwrap();
    assert_eq!(
        one.groups[0].next,
        "The loss of leaf1:spine2 - spine2:leaf1 would cut leaf1 off from the rest of the fabric."
    );
}

#[test]
fn json_is_read_back() {
    let mut cables = MESH;
    cables[0] = "leaf1 spine1 down@60";
    let scene = scene(&CLOS, &cables);
    let json = serde_json::to_string(&scene).unwrap();
    assert_eq!(serde_json::from_str::<Scene>(&json).unwrap(), scene);
    let ledger = without(&scene, &["spine1"]).unwrap();
    let json = serde_json::to_string(&ledger).unwrap();
    assert!(json.contains("\"taken_at\":\"2026-11-24T13:00:00.000Z\""), "{json}");
    assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A graph that follows a fabric through its changes says what a fresh one says.
    #[test]
    fn following_is_as_good_as_looking_anew(
        steps in prop::collection::vec(prop::collection::vec((0..6u8, 0..6u8, 0..3u8), 0..12), 1..6)
    ) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut following = Auditor::default();
        for step in steps {
            let cables: Vec<String> = step.iter().filter(|(a, b, _)| a < b).map(|(a, b, state)| {
                let state = ["up", "down@9", "unknown"][usize::from(*state)];
                format!("{} {} {state}", names[usize::from(*a)], names[usize::from(*b)])
            }).collect();
            let cables: Vec<&str> = cables.iter().map(String::as_str).collect();
            let devices: Vec<(&str, u32, &str)> = names.iter().enumerate().map(|(n, name)| (*name, n as u32 / 2, "")).collect();
            let scene = scene(&devices, &cables);
            following.sync(&scene);
            let mut fresh = Auditor::default();
            fresh.sync(&scene);
            let (one, other) = (following.audit(&scene), fresh.audit(&scene));
            prop_assert_eq!(one.ledger.points.iter().map(|p| &p.part).collect::<Vec<_>>(), other.ledger.points.iter().map(|p| &p.part).collect::<Vec<_>>());
            prop_assert_eq!(one.ledger.cut_off, other.ledger.cut_off);
            prop_assert_eq!(one.possible, other.possible);
            prop_assert!(!following.sync(&scene), "nothing changed");
        }
    }

    /// Whoever is said to be cut off by a what-if has no way left, and nobody else, by walking.
    #[test]
    fn what_if_is_what_walking_says(
        pairs in prop::collection::btree_set((0..7u8, 0..7u8), 0..14), gone in 0..7u8
    ) {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let cables: Vec<String> = pairs.iter().filter(|(a, b)| a < b).map(|(a, b)| format!("{} {}", names[usize::from(*a)], names[usize::from(*b)])).collect();
        let texts: Vec<&str> = cables.iter().map(String::as_str).collect();
        let devices: Vec<(&str, u32, &str)> = names.iter().map(|name| (*name, u32::from(*name == "a") + 1, "")).collect();
        let mut scene = scene(&devices, &texts);
        let survive = Survive { device: true, link: true, shared_risk: true };
        scene.protect = vec![Protect { from: "label:all".parse().unwrap(), to: "a".parse().unwrap(), survive }];
        for device in &mut scene.devices {
            device.labels.insert("all".into(), device.name.to_string());
        }
        let found = without(&scene, &[names[usize::from(gone)]]).unwrap().what_if.unwrap();
        let reached = |gone: Option<u8>| {
            let mut reached: BTreeSet<u8> = BTreeSet::from([0]).into_iter().filter(|n| Some(*n) != gone).collect();
            for _ in 0..7 {
                for (a, b) in pairs.iter().filter(|(a, b)| a < b && Some(*a) != gone && Some(*b) != gone) {
                    if reached.contains(a) || reached.contains(b) {
                        reached.extend([*a, *b]);
                    }
                }
            }
            reached
        };
        let after = reached(Some(gone));
        let expected: BTreeSet<String> = reached(None)
            .into_iter()
            .filter(|n| *n != 0 && *n != gone && !after.contains(n))
            .map(|n| format!("all {}", names[usize::from(n)]))
            .collect();
        prop_assert_eq!(found.cut_off.into_iter().map(|cut| cut.name).collect::<BTreeSet<_>>(), expected);
    }
}
