//! Aggregates between two switches, as the driver sees them: what is planned, what works, and who tells.

use super::*;
use crate::fabric::{DeviceState, GroupKind, InterfaceState, LacpState, Uptime};

/// Two leaves and a spine; two cables between `leaf1` and `spine1` in an aggregate, one to `leaf2`.
struct World {
    topology: Topology,
    down: BTreeSet<InterfaceId>,
    silent: BTreeSet<DeviceId>,
}

fn member(port: &str, aggregator: &str) -> AggregationMember {
    AggregationMember {
        if_name: port.into(),
        aggregator: aggregator.into(),
        attached: Some(true),
        actor: Some(LacpState::from_bits(0xbc)),
        partner: Some(LacpState::from_bits(0xbc)),
    }
}

fn heard(local: &str, device: &str, port: &str) -> Neighbor {
    Neighbor {
        local: local.into(),
        chassis_id: ChassisId { subtype: 7, value: device.into() },
        port_id: PortId { subtype: 5, value: port.into() },
        port_descr: String::new(),
        sys_name: device.to_owned(),
        management_addresses: vec![],
    }
}

impl World {
    fn new(memory: Option<Memory>) -> Self {
        let mut world = Self {
            topology: Topology::new(Settings::default(), memory),
            down: BTreeSet::new(),
            silent: BTreeSet::new(),
        };
        for (device, role) in [("leaf1", "leaf"), ("leaf2", "leaf"), ("spine1", "spine")] {
            let id = DeviceId::from(device);
            let identity = DeviceIdentity {
                sys_name: device.into(),
                address: Some("10.0.0.1:161".parse().unwrap()),
                labels: [("role".to_owned(), role.to_owned())].into(),
                ..DeviceIdentity::default()
            };
            let port = |(name, if_type): (&str, u32)| {
                Arc::new(InterfaceInfo { if_name: name.into(), if_type, ..InterfaceInfo::default() })
            };
            let inventory = [("e1", 6), ("e2", 6), ("e3", 6), ("e9", 6), ("Po1", 161)].map(port);
            world.topology.learn_identity(at(0), &id, &Arc::new(identity));
            world.topology.learn_inventory(at(0), &id, &inventory);
        }
        world
    }

    fn told() -> Self {
        let mut world = Self::new(None);
        world.neighbors();
        for device in ["leaf1", "spine1"] {
            world.topology.learn_aggregations(at(1), &device.into(), &[member("e1", "Po1"), member("e2", "Po1")]);
        }
        world.topology.settle(at(2));
        world
    }

    fn neighbors(&mut self) {
        let rows = [
            ("leaf1", vec![heard("e1", "spine1", "e1"), heard("e2", "spine1", "e2"), heard("Po1", "spine1", "Po1")]),
            ("spine1", vec![heard("e1", "leaf1", "e1"), heard("e2", "leaf1", "e2"), heard("e3", "leaf2", "e3")]),
            ("leaf2", vec![heard("e3", "spine1", "e3")]),
        ];
        for (device, rows) in rows {
            self.topology.learn_neighbors(at(1), &device.into(), &rows);
        }
    }

    fn report(&self, name: &str) -> GroupReport {
        let interface = |id: &InterfaceId| {
            let oper_status = if self.down.contains(id) { OperStatus::Down } else { OperStatus::Up };
            Some(InterfaceState {
                id: id.clone(),
                info: Arc::new(InterfaceInfo::default()),
                speed_bps: None,
                speed_source: None,
                oper_status,
                admin_status: crate::fabric::AdminStatus::Up,
                oper_changed_at: None,
                seen_up: true,
                polled_at: None,
                counters: Default::default(),
                rates: Default::default(),
                utilization_in: Default::default(),
                utilization_out: Default::default(),
            })
        };
        let device = |id: &DeviceId| {
            let health = if self.silent.contains(id) { DeviceHealth::Unreachable } else { DeviceHealth::Ok };
            Some(DeviceState {
                id: id.clone(),
                identity: Arc::default(),
                health,
                unreachable: None,
                health_since: None,
                uptime: Some(Uptime(1)),
                answered_at: None,
                interfaces: 4,
            })
        };
        let view = View { interface: &interface, device: &device };
        self.topology.group_report(at(9), name, view).expect("there is such a group")
    }

    /// Working, unknown, down with reasons, told of.
    fn standing(&self, name: &str) -> (usize, usize, Vec<String>, usize) {
        let report = self.report(name);
        let reasons = report.state.reasons.iter().map(|(id, reason)| format!("{id}: {reason}")).collect();
        (report.state.working.len(), report.state.unknown.len(), reasons, report.told.len())
    }
}

const LAG: &str = "leaf1 Po1";

#[test]
fn both_ends_of_an_aggregate_are_one_group_and_no_cable_is_doubled() {
    let mut world = World::told();
    let names: Vec<_> = world.topology.groups().map(|group| (&*group.name, group.kind)).collect();
    assert_eq!(names, [(LAG, GroupKind::Lag), ("leaf1 uplinks", GroupKind::Uplinks)]);
    assert!(world.topology.group("leaf1 uplinks").unwrap().told.is_empty(), "the aggregate tells of its cables");
    assert_eq!(world.topology.group(LAG).unwrap().device, Some("leaf1".into()), "the lower device's");
    assert_eq!(world.standing(LAG), (2, 0, vec![], 2));
    // The aggregate's own row is no third cable, whether it comes before the aggregate is known or after.
    world.neighbors();
    world.topology.settle(at(3));
    let links: Vec<_> = world.topology.links().map(|link| link.id.as_str()).collect();
    assert_eq!(links, ["leaf1:e1 - spine1:e1", "leaf1:e2 - spine1:e2", "leaf2:e3 - spine1:e3"]);
}

#[test]
fn a_row_that_vanishes_a_partner_that_is_lost_and_a_cut_cable() {
    let mut world = World::told();
    world.topology.learn_aggregations(at(60), &"spine1".into(), &[member("e1", "Po1")]);
    let change = world.topology.settle(at(60));
    assert_eq!(change.groups_changed, [LAG.into()], "it is told at once");
    let (working, unknown, reasons, told) = world.standing(LAG);
    assert_eq!((working, unknown, told), (1, 0, 2));
    assert!(reasons[0].starts_with("leaf1:e2 - spine1:e2: missing since 1970-01-12"), "{reasons:?}");
    assert!(reasons[0].ends_with("spine1 does not list it any more"), "{reasons:?}");
    // Uplinks know nothing of it.
    assert_eq!(world.standing("leaf1 uplinks").0, 2);

    // Remembered over a restart, although nobody lists it by now.
    let memory: Memory = serde_json::from_str(&serde_json::to_string(&world.topology.memory()).unwrap()).unwrap();
    let mut again = World::new(Some(memory));
    again.neighbors();
    again.topology.learn_aggregations(at(90), &"spine1".into(), &[member("e1", "Po1")]);
    again.topology.learn_aggregations(at(90), &"leaf1".into(), &[member("e1", "Po1"), member("e2", "Po1")]);
    again.topology.settle(at(90));
    assert_eq!(again.standing(LAG).0, 1);

    // Its device falls silent: nobody can say.
    again.silent.insert("spine1".into());
    assert_eq!(again.standing(LAG).0, 2, "leaf1 says that both distribute");
    again.silent.insert("leaf1".into());
    assert_eq!(again.standing(LAG), (0, 2, vec![], 2));

    let mut lost = member("e1", "Po1");
    (lost.attached, lost.actor) = (Some(false), Some(LacpState::from_bits(0x82)));
    world.topology.learn_aggregations(at(70), &"leaf1".into(), &[lost, member("e2", "Po1")]);
    world.topology.settle(at(70));
    let (working, _, reasons, _) = world.standing(LAG);
    assert_eq!(working, 0);
    assert_eq!(reasons[0], "leaf1:e1 - spine1:e1: not distributing: partner lost");

    let mut cut = World::told();
    cut.down.insert(InterfaceId::new("leaf1", "e1"));
    assert_eq!(cut.standing(LAG), (1, 0, vec![], 2));
}

#[test]
fn what_is_missing_for_long_is_planned_no_more() {
    let mut world = World::told();
    world.topology.learn_aggregations(at(60), &"leaf1".into(), &[member("e1", "Po1")]);
    world.topology.settle(at(60));
    let forget_after = Settings::default().forget_after;
    assert_eq!(world.topology.next_deadline(), Some(at(60) + forget_after));
    world.topology.settle(at(60) + forget_after);
    // What the other end still lists is its group by now.
    assert_eq!(world.standing("spine1 Po1"), (2, 0, vec![], 2));
}

#[test]
fn ports_of_an_aggregate_without_neighbors_are_members_all_the_same() {
    let mut world = World::new(None);
    world.topology.learn_neighbors(at(1), &"leaf2".into(), &[]);
    world.topology.learn_aggregations(at(1), &"leaf2".into(), &[member("e1", "Po1"), member("e2", "Po1")]);
    world.topology.settle(at(2));
    assert_eq!(world.standing("leaf2 Po1"), (2, 0, vec![], 2));
    assert_eq!(world.topology.groups_at(&InterfaceId::new("leaf2", "e2")), ["leaf2 Po1".into()]);
    world.down.insert(InterfaceId::new("leaf2", "e2"));
    let report = world.report("leaf2 Po1");
    assert_eq!(report.state.working.len(), 1);
    assert_eq!(report.state.planned[1].as_str(), "leaf2:e2 - ?");
}

#[test]
fn a_blocked_port_makes_its_cable_stand_by() {
    let mut world = World::told();
    let port = |name: &str, state| BridgePort { if_name: name.into(), state };
    let ports = [port("Po1", BridgePortState::Blocking), port("e3", BridgePortState::Forwarding)];
    world.topology.learn_spanning_tree(at(3), &"leaf1".into(), &ports);
    let report = world.report(LAG);
    assert!(report.members.iter().all(|link| link.stands_by), "the aggregate's ports");
    assert_eq!(report.state.working.len(), 2, "they stand by, they are not lost");
    world.topology.learn_spanning_tree(at(4), &"leaf1".into(), &[port("Po1", BridgePortState::Forwarding)]);
    assert!(!world.report(LAG).members.iter().any(|link| link.stands_by));
}
