//! Scenes: what happens to links and groups when something happens to the fabric.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::*;
use crate::fabric::{
    AdminStatus, ChassisId, Counter, Counters, DeviceHealth, DeviceState, InterfaceState, PortId, Rate, Rates, Unknown,
};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_795_498_200 + secs)
}

fn port(device: &str, name: &str) -> InterfaceId {
    InterfaceId::new(device, name)
}

fn row(local: &str, device: &str, port: &str) -> Neighbor {
    Neighbor {
        local: local.into(),
        chassis_id: ChassisId { subtype: 7, value: format!("chassis of {device}").into() },
        port_id: PortId { subtype: 5, value: port.into() },
        port_descr: String::new(),
        sys_name: device.to_owned(),
        management_addresses: vec![],
    }
}

/// Tell of a device whose ports are named after what they lead to.
fn tell(topology: &mut Topology, now: Timestamp, device: &str, role: Option<&str>, ports: &[&str]) {
    let labels = role.map(|role| ("role".to_owned(), role.to_owned())).into_iter().collect();
    let identity = DeviceIdentity {
        address: Some("10.0.0.1:161".parse().unwrap()),
        sys_name: device.to_owned(),
        management_interface: Some("m0".into()),
        labels,
        ..DeviceIdentity::default()
    };
    let info =
        |name: &&str| Arc::new(InterfaceInfo { if_name: (*name).into(), if_type: 6, ..InterfaceInfo::default() });
    topology.learn_identity(now, &device.into(), &Arc::new(identity));
    topology.learn_inventory(now, &device.into(), &ports.iter().map(info).collect::<Vec<_>>());
}

fn hear(topology: &mut Topology, now: Timestamp, device: &str, rows: &[Neighbor]) {
    topology.learn_neighbors(now, &device.into(), rows);
}

fn ids(topology: &Topology) -> Vec<String> {
    topology.links().map(|link| link.id.to_string()).collect()
}

fn group_names(topology: &Topology) -> Vec<&str> {
    topology.groups().map(|group| &*group.name).collect()
}

/// Leaves that sort after their spines, so that no name decides by luck: `x1`, `x2` below `a1`, `a2`.
fn square(topology: &mut Topology, now: Timestamp) {
    for (device, far) in [("x1", ["a1", "a2"]), ("x2", ["a1", "a2"]), ("a1", ["x1", "x2"]), ("a2", ["x1", "x2"])] {
        let leaf = device.starts_with('x');
        let ports: Vec<&str> = far.into_iter().chain(leaf.then_some("host")).chain(["m0"]).collect();
        tell(topology, now, device, None, &ports);
        for name in ports {
            topology.learn_status(now, &port(device, name), OperStatus::Up);
        }
        hear(topology, now, device, &far.map(|far| row(far, far, device)));
    }
}

#[test]
fn uplinks_are_those_of_the_leaves_and_stay_so_when_cables_and_hosts_go() {
    let mut topology = Topology::new(Settings::default(), None);
    square(&mut topology, at(0));
    let change = topology.settle(at(0));
    assert_eq!(change.appeared.len(), 4);
    assert_eq!(group_names(&topology), ["x1 uplinks", "x2 uplinks"]);
    let cut = LinkId::new(&port("x1", "a1"), &port("a1", "x1"));
    assert_eq!(topology.groups_of(&cut), ["x1 uplinks".into()]);

    // A cable is cut and the host is switched off.
    for id in [port("x1", "a1"), port("a1", "x1"), port("x1", "host")] {
        topology.learn_status(at(10), &id, OperStatus::Down);
    }
    hear(&mut topology, at(10), "x1", &[row("a2", "a2", "x1")]);
    assert_eq!(topology.link(&cut).unwrap().missing_since, None, "a1 still holds the row");
    hear(&mut topology, at(11), "a1", &[row("x2", "x2", "a1")]);
    assert_eq!(topology.link(&cut).unwrap().missing_since, Some(at(11)));
    assert_eq!(topology.settle(at(11)), Change::default());

    // It is put back: up before anybody is heard, and for longer than a moment, yet no way out of the fabric.
    for id in [port("x1", "a1"), port("a1", "x1")] {
        topology.learn_status(at(20), &id, OperStatus::Up);
    }
    assert_eq!(topology.settle(at(500)), Change::default());
    hear(&mut topology, at(501), "x1", &[row("a1", "a1", "x1"), row("a2", "a2", "x1")]);
    assert_eq!(topology.settle(at(501)), Change::default());
    assert_eq!(topology.link(&cut).unwrap().heard_at, Some(at(501)));
}

#[test]
fn a_new_cable_is_no_edge_port_for_as_long_as_its_neighbour_may_take_to_speak() {
    let mut topology = Topology::new(Settings::default(), None);
    square(&mut topology, at(0));
    tell(&mut topology, at(0), "a1", None, &["x1", "x2", "x3", "m0"]);
    topology.learn_status(at(0), &port("a1", "x3"), OperStatus::Down);
    topology.settle(at(0));
    topology.learn_status(at(10), &port("a1", "x3"), OperStatus::Up);
    assert_eq!(topology.next_deadline(), Some(at(130)));
    assert_eq!(topology.settle(at(129)), Change::default());
    // Nobody speaks: a1 has a port that leads out and so counts as a leaf's equal. Still each cut is told once.
    topology.settle(at(130));
    assert_eq!(group_names(&topology), ["a1 uplinks", "x1 uplinks", "x2 uplinks"]);
    for link in topology.links() {
        assert_eq!(topology.groups().filter(|group| group.told.contains(&link.id)).count(), 1, "{}", link.id);
    }
}

#[test]
fn role_labels_count_more_than_what_the_ports_look_like() {
    let mut topology = Topology::new(Settings::default(), None);
    for (device, role, far) in [("x1", "Spine", "a1"), ("x2", "spine", "a1"), ("a1", "LEAF", "x1")] {
        tell(&mut topology, at(0), device, Some(role), &[far, "x2", "host"]);
        topology.learn_status(at(0), &port(device, "host"), OperStatus::Up);
    }
    hear(&mut topology, at(0), "a1", &[row("x1", "x1", "a1"), row("x2", "x2", "a1")]);
    topology.settle(at(0));
    assert_eq!(group_names(&topology), ["a1 uplinks"]);
}

#[test]
fn a_one_sided_link_grows_its_other_end() {
    let mut topology = Topology::new(Settings::default(), None);
    tell(&mut topology, at(0), "a1", None, &["x1", "x2"]);
    let mut other = row("x2", "x2", "a1");
    other.port_id = PortId { subtype: 3, value: vec![2, 0, 0, 0, 0, 9] };
    hear(&mut topology, at(0), "a1", &[row("x1", "x1", "a1"), other]);
    topology.settle(at(0));
    assert_eq!(ids(&topology), ["a1:x1 - x1:a1", "a1:x2 - x2:02:00:00:00:00:09"]);
    assert!(topology.links().all(|link| !link.b.watched));

    // The names match: it is the same link.
    tell(&mut topology, at(10), "x1", None, &["a1"]);
    assert_eq!(topology.settle(at(10)).replaced, []);
    assert!(topology.link_at(&port("x1", "a1")).is_some_and(|link| link.a.watched && link.b.watched));
    assert_eq!(topology.link_at(&port("x1", "a1")).unwrap().heard_at, Some(at(0)));

    // They do not: the old name is told along with the new.
    tell(&mut topology, at(20), "x2", None, &["a1"]);
    hear(&mut topology, at(20), "x2", &[row("a1", "a1", "x2")]);
    let change = topology.settle(at(20));
    let (old, new) = (
        LinkId::new(&port("a1", "x2"), &port("x2", "02:00:00:00:00:09")),
        LinkId::new(&port("a1", "x2"), &port("x2", "a1")),
    );
    assert_eq!(change.replaced, [(old.clone(), new.clone())]);
    assert_eq!((change.gone, change.appeared), (vec![old], vec![new]));

    // Retired: the other end still hears it, so it is one-sided again.
    topology.forget(at(30), &"x1".into());
    topology.settle(at(30));
    assert_eq!(ids(&topology), ["a1:x1 - x1:a1", "a1:x2 - x2:a1"]);
    assert!(topology.link_at(&port("x1", "a1")).is_none());
    topology.forget(at(30), &"a1".into());
    topology.forget(at(30), &"x2".into());
    topology.settle(at(30));
    assert_eq!(ids(&topology), Vec::<String>::new());
    assert_eq!(topology.memory(), Memory::default());
}

#[test]
fn another_neighbour_in_the_port_ends_the_old_link() {
    let mut topology = Topology::new(Settings::default(), None);
    square(&mut topology, at(0));
    topology.settle(at(0));
    // The cable from x1 to a1 is pulled out of a1 and put into a new spine; a1 and its old row linger.
    tell(&mut topology, at(10), "a3", None, &["x1"]);
    hear(&mut topology, at(10), "a3", &[row("x1", "x1", "a1")]);
    hear(&mut topology, at(11), "x1", &[row("a1", "a3", "x1"), row("a2", "a2", "x1")]);
    let change = topology.settle(at(11));
    let old = LinkId::new(&port("x1", "a1"), &port("a1", "x1"));
    let new = LinkId::new(&port("x1", "a1"), &port("a3", "x1"));
    assert_eq!(change.replaced, [(old, new.clone())]);
    assert_eq!(topology.link_at(&port("x1", "a1")).map(|link| &link.id), Some(&new));
    assert!(topology.link_at(&port("a1", "x1")).is_none());
}

#[test]
fn a_hub_is_no_cable_between_two() {
    let mut topology = Topology::new(Settings::default(), None);
    let names = ["s1", "s2", "s3"];
    for device in names {
        tell(&mut topology, at(0), device, None, &["hub"]);
    }
    for device in names {
        let others: Vec<_> = names.iter().filter(|name| **name != device).map(|name| row("hub", name, "hub")).collect();
        hear(&mut topology, at(0), device, &others);
    }
    topology.settle(at(0));
    assert_eq!(ids(&topology), Vec::<String>::new());
    // One of them leaves: two that hear each other are a pair.
    hear(&mut topology, at(10), "s1", &[row("hub", "s2", "hub")]);
    hear(&mut topology, at(10), "s2", &[row("hub", "s1", "hub")]);
    hear(&mut topology, at(10), "s3", &[]);
    assert_eq!(ids(&topology), ["s1:hub - s2:hub"]);
    // Several agents on one host: one link, and it stays the same while its agent is heard.
    hear(&mut topology, at(20), "s3", &[row("hub", "b-host", "eth0")]);
    hear(&mut topology, at(21), "s3", &[row("hub", "a-nic", "eth0"), row("hub", "b-host", "eth0")]);
    assert_eq!(ids(&topology)[0], "b-host:eth0 - s3:hub");
    hear(&mut topology, at(22), "s3", &[row("hub", "a-nic", "eth0")]);
    assert_eq!(ids(&topology)[0], "a-nic:eth0 - s3:hub");
    // A loop plug is nobody.
    hear(&mut topology, at(23), "s3", &[row("hub", "s3", "hub")]);
    assert_eq!(ids(&topology).len(), 2);
    assert!(topology.link_at(&port("s3", "hub")).unwrap().missing_since.is_some());
}

#[test]
fn a_guess_that_fits_two_devices_is_not_made() {
    let mut topology = Topology::new(Settings::default(), None);
    for device in ["s1", "s2", "s3"] {
        tell(&mut topology, at(0), device, None, &["p"]);
    }
    for device in ["s2", "s3"] {
        let twin = DeviceIdentity {
            sys_name: "twin".into(),
            address: Some("10.0.0.9:161".parse().unwrap()),
            ..DeviceIdentity::default()
        };
        topology.learn_identity(at(0), &device.into(), &Arc::new(twin));
    }
    hear(&mut topology, at(0), "s1", &[row("p", "twin", "p")]);
    assert_eq!(ids(&topology), ["s1:p - twin:p"]);
    // The other end says who it means, and so it is clear.
    hear(&mut topology, at(1), "s3", &[row("p", "s1", "p")]);
    assert_eq!(ids(&topology), ["s1:p - s3:p"]);
    // A name is not enough where the chassis is known to be another.
    let known = DeviceIdentity {
        sys_name: "s9".into(),
        address: Some("10.0.0.8:161".parse().unwrap()),
        chassis_id: Some(ChassisId { subtype: 7, value: b"another".into() }),
        ..DeviceIdentity::default()
    };
    topology.learn_identity(at(2), &"s9".into(), &Arc::new(known));
    tell(&mut topology, at(2), "s4", None, &["p"]);
    hear(&mut topology, at(2), "s4", &[row("p", "s9", "p")]);
    assert!(!topology.link_at(&port("s4", "p")).unwrap().b.watched);
}

#[test]
fn less_known_after_a_restart_means_the_same_link() {
    let mut topology = Topology::new(Settings::default(), None);
    for device in ["s1", "s2"] {
        tell(&mut topology, at(0), device, None, &["p"]);
    }
    // What s1 hears cannot be understood; that s2 hears s1 makes it a link.
    let mut unreadable = row("p", "", "?");
    unreadable.chassis_id = ChassisId { subtype: 1, value: vec![0xff; 3] };
    hear(&mut topology, at(0), "s1", std::slice::from_ref(&unreadable));
    hear(&mut topology, at(0), "s2", &[row("p", "s1", "p")]);
    topology.settle(at(0));
    assert_eq!(ids(&topology), ["s1:p - s2:p"]);

    let json = serde_json::to_string(&topology.memory()).unwrap();
    let mut topology = Topology::new(Settings::default(), Some(serde_json::from_str(&json).unwrap()));
    topology.settle(at(100));
    hear(&mut topology, at(100), "s1", std::slice::from_ref(&unreadable));
    assert_eq!(topology.settle(at(100)), Change::default());
    assert_eq!(ids(&topology), ["s1:p - s2:p"]);
    // The row of s2 goes first when the cable is cut, that of s1 lingers: no other link appears for a moment.
    hear(&mut topology, at(110), "s2", &[]);
    assert_eq!(ids(&topology), ["s1:p - s2:p"]);
    hear(&mut topology, at(120), "s1", &[]);
    assert_eq!(topology.link_at(&port("s1", "p")).unwrap().missing_since, Some(at(120)));
    assert_eq!(topology.settle(at(120)), Change::default());
    // A device that never comes back is forgotten in the end, and its link with it.
    let mut topology = Topology::new(Settings::default(), Some(serde_json::from_str(&json).unwrap()));
    topology.settle(at(0));
    let week = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(topology.next_deadline(), Some(at(0) + week));
    topology.settle(at(0) + week);
    assert_eq!(ids(&topology), Vec::<String>::new());
}

#[test]
fn a_declared_line_has_a_link_whether_or_not_a_neighbour_is_heard() {
    let group = DeclaredGroup {
        name: "paris-london".into(),
        links: vec![port("e1", "wan"), port("e2", "wan")],
        shared_risk: vec!["duct-7".into()],
    };
    let settings = Settings { groups: vec![group], ..Settings::default() };
    let mut topology = Topology::new(settings, None);
    tell(&mut topology, at(0), "e1", None, &["wan"]);
    hear(&mut topology, at(0), "e1", &[]);
    topology.settle(at(0));
    assert_eq!(ids(&topology), ["e1:wan - paris-london:far end", "e2:wan - paris-london:far end"]);
    assert_eq!(group_names(&topology), ["paris-london"]);
    assert!(topology.links().all(|link| link.heard_at.is_none()));
    hear(&mut topology, at(10), "e1", &[row("wan", "london", "ge-0")]);
    let change = topology.settle(at(10));
    assert_eq!(change.replaced.len(), 1);
    assert_eq!(change.groups_changed, ["paris-london".into()]);
    let group = topology.group("paris-london").unwrap();
    assert_eq!((group.planned.len(), group.told.len(), &group.shared_risk[..]), (2, 2, &["duct-7".to_owned()][..]));
    assert!(topology.reconfigure(Settings::default()));
    topology.settle(at(20));
    assert_eq!(ids(&topology), ["e1:wan - london:ge-0"]);
    assert_eq!(topology.groups().count(), 0);
}

#[test]
fn a_hostile_agent_costs_what_it_sends_and_no_more() {
    let mut topology = Topology::new(Settings::default(), None);
    tell(&mut topology, at(0), "s1", None, &["p"]);
    let started = std::time::Instant::now();
    for round in 0..3 {
        let rows: Vec<Neighbor> = (0..20_000)
            .map(|n| {
                let mut row = row(&format!("p{}", n % 9_000), "s1", "p");
                row.port_descr = if n < 20 { "\u{1b}[2J".repeat(16_000) } else { format!("{round}") };
                if n % 2 == 0 {
                    row.sys_name = format!("ghost {n}");
                    row.management_addresses = (0..100).map(|n| std::net::Ipv4Addr::from(n).into()).collect();
                }
                row
            })
            .collect();
        hear(&mut topology, at(round), "evil", &rows);
        assert!(topology.links().count() <= 9_000);
    }
    topology.settle(at(9));
    assert!(topology.rows_left_out() > 0);
    assert!(topology.links().all(|link| link.id.as_str().len() < 2_000 && !link.id.as_str().contains('\u{1b}')));
    assert!(topology.link_at(&port("s1", "p")).is_none(), "thousands of ports that claim it are no cable");
    topology.forget(at(10), &"evil".into());
    topology.settle(at(10));
    assert_eq!(topology.links().count(), 0);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// The states of a link's two ends, as the core would tell them.
struct Core {
    interfaces: BTreeMap<InterfaceId, InterfaceState>,
    devices: BTreeMap<DeviceId, DeviceState>,
}

impl Core {
    fn new() -> Self {
        let mut core = Self { interfaces: BTreeMap::new(), devices: BTreeMap::new() };
        for (device, name) in [("s1", "p"), ("s2", "p")] {
            let id = port(device, name);
            core.interfaces.insert(
                id.clone(),
                InterfaceState {
                    id,
                    info: Arc::default(),
                    speed_bps: Some(10_000_000_000),
                    speed_source: None,
                    oper_status: OperStatus::Up,
                    admin_status: AdminStatus::Up,
                    oper_changed_at: None,
                    seen_up: true,
                    polled_at: None,
                    counters: Counters::default(),
                    rates: Rates::default(),
                    utilization_in: Rate::default(),
                    utilization_out: Rate::default(),
                },
            );
            core.devices.insert(
                device.into(),
                DeviceState {
                    id: device.into(),
                    identity: Arc::default(),
                    health: DeviceHealth::Ok,
                    unreachable: None,
                    health_since: Some(at(1)),
                    uptime: None,
                    answered_at: None,
                    interfaces: 1,
                },
            );
        }
        core
    }

    fn at(&mut self, device: &str) -> &mut InterfaceState {
        self.interfaces.get_mut(&port(device, "p")).unwrap()
    }

    fn report(&self, topology: &Topology) -> LinkReport {
        let view =
            View { interface: &|id| self.interfaces.get(id).cloned(), device: &|id| self.devices.get(id).cloned() };
        let id = topology.links().next().unwrap().id.clone();
        let report = topology.link_report(at(9), &id, view).unwrap();
        let (links, _) = topology.snapshot(at(9), view);
        assert_eq!((links[0].health, links[0].since), (report.state.health, report.state.since));
        report
    }
}

fn pair() -> Topology {
    let mut topology = Topology::new(Settings::default(), None);
    for (device, far) in [("s1", "s2"), ("s2", "s1")] {
        tell(&mut topology, at(0), device, None, &["p"]);
        hear(&mut topology, at(0), device, &[row("p", far, "p")]);
    }
    topology.settle(at(0));
    topology
}

#[test]
fn health_by_every_pair_of_states() {
    use LinkHealth::{Down, Unknown, Up};
    let topology = pair();
    let states = [
        OperStatus::Up,
        OperStatus::Down,
        OperStatus::Testing,
        OperStatus::Unknown,
        OperStatus::Dormant,
        OperStatus::NotPresent,
        OperStatus::LowerLayerDown,
    ];
    for one in states {
        for other in states {
            for (answers_one, answers_other) in [(true, true), (true, false), (false, false)] {
                let mut core = Core::new();
                core.at("s1").oper_status = one;
                core.at("s2").oper_status = other;
                for (device, answers) in [("s1", answers_one), ("s2", answers_other)] {
                    if !answers {
                        core.devices.get_mut(&device.into()).unwrap().health = DeviceHealth::Unreachable;
                    }
                }
                let known: Vec<_> =
                    [(one, answers_one), (other, answers_other)].into_iter().filter(|(_, answers)| *answers).collect();
                let expected = if known.iter().any(|(state, _)| state.is_down()) {
                    Down
                } else if known.iter().any(|(state, _)| state.is_up()) {
                    Up
                } else {
                    Unknown
                };
                let report = core.report(&topology);
                assert_eq!(report.state.health, expected, "{one:?} {other:?} {answers_one} {answers_other}");
                if !answers_other {
                    assert_eq!(report.state.b.oper_status, OperStatus::Unknown);
                }
            }
        }
    }
    let mut core = Core::new();
    for (device, secs) in [("s1", 7), ("s2", 5)] {
        core.at(device).oper_status = OperStatus::Down;
        core.at(device).oper_changed_at = Some(at(secs));
    }
    assert_eq!(core.report(&topology).state.since, at(5));
    core.at("s2").oper_status = OperStatus::Up;
    assert_eq!(core.report(&topology).state.since, at(7));
    core.at("s1").oper_status = OperStatus::Up;
    assert_eq!(core.report(&topology).state.since, at(7));
}

#[test]
fn what_one_end_does_not_tell_the_other_may() {
    let topology = pair();
    let mut core = Core::new();
    core.at("s2").speed_bps = Some(1_000_000_000);
    core.at("s2").rates[Counter::InOctets] = Rate::Known(62_500_000.0);
    core.at("s1").rates[Counter::OutDiscards] = Rate::Known(3.0);
    let state = core.report(&topology).state;
    assert_eq!((state.a.out_bps, state.a.utilization_out), (Rate::Known(5e8), Rate::Known(0.5)));
    assert_eq!(state.b.utilization_out, Rate::Unknown(Unknown::FirstSample));
    assert_eq!(state.a.out_drops_pps, Rate::Unknown(Unknown::FirstSample), "half of a sum is no sum");
    core.at("s1").rates[Counter::OutErrors] = Rate::Known(1.0);
    core.at("s1").rates[Counter::OutOctets] = Rate::Known(0.0);
    let state = core.report(&topology).state;
    assert_eq!((state.a.out_drops_pps, state.a.out_bps), (Rate::Known(4.0), Rate::Known(0.0)));
    core.at("s1").speed_bps = None;
    core.at("s2").speed_bps = Some(0);
    assert_eq!(core.report(&topology).state.a.utilization_out, Rate::Unknown(Unknown::NoSpeed));
}

#[test]
fn a_link_is_as_full_as_its_slower_end_says() {
    let topology = pair();
    let mut core = Core::new();
    // Full of small frames: 7.6 Gbit/s are counted, and there is no room for one more.
    core.at("s1").rates[Counter::OutOctets] = Rate::Known(0.95e9);
    core.at("s1").utilization_out = Rate::Known(1.0);
    assert_eq!(core.report(&topology).state.a.utilization_out, Rate::Known(1.0));
    // The far end is slower, by nature or by what it was sold as: what it says comes first.
    core.at("s2").speed_bps = Some(8_000_000_000);
    core.at("s2").utilization_in = Rate::Known(0.9);
    assert_eq!(core.report(&topology).state.a.utilization_out, Rate::Known(0.9));
    core.at("s2").utilization_in = Rate::Unknown(Unknown::FirstSample);
    core.at("s1").utilization_out = Rate::Known(0.4);
    assert_eq!(core.report(&topology).state.a.utilization_out, Rate::Known(0.5));
    core.at("s1").utilization_out = Rate::Unknown(Unknown::FirstSample);
    assert_eq!(core.report(&topology).state.a.utilization_out, Rate::Known(0.95), "by octets, if by nothing else");
}
