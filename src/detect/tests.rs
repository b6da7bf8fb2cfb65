//! Scenes on a leaf-spine of two and two with a host on each leaf: what is said, how often, and in which words.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fabric::{
    AdminStatus, ChassisId, Counter, Counters, DeviceHealth, DeviceIdentity, DropClass, Finding, InterfaceInfo,
    Neighbor, OperStatus, Percentiles, PortId, Rate, Rates, Severity, Unknown, UnreachableReason, Uptime,
};
use crate::topology::{self, Topology, View};

const GBPS: f64 = 1e9;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_795_498_200 + secs)
}

struct World {
    now: Timestamp,
    topology: Topology,
    detectors: Detectors,
    interfaces: BTreeMap<InterfaceId, InterfaceState>,
    devices: BTreeMap<DeviceId, DeviceState>,
    spreads: BTreeMap<InterfaceId, UtilizationSpread>,
}

const CABLES: [(&str, &str); 4] = [("leaf1", "spine1"), ("leaf1", "spine2"), ("leaf2", "spine1"), ("leaf2", "spine2")];

fn interface(device: &str, name: &str) -> InterfaceState {
    let mut rates = Rates::default();
    for counter in Counter::ALL {
        rates[counter] = Rate::Known(match counter {
            Counter::InUcastPkts | Counter::OutUcastPkts => 100_000.0,
            Counter::InOctets | Counter::OutOctets => GBPS / 8.0,
            _ => 0.0,
        });
        if counter.is_drops() {
            rates[counter] = Rate::Unknown(Unknown::Missing);
        }
    }
    InterfaceState {
        id: InterfaceId::new(device, name),
        info: Arc::new(InterfaceInfo {
            if_name: name.into(),
            if_type: 6,
            speed_bps: Some(10_000_000_000),
            ..InterfaceInfo::default()
        }),
        speed_bps: Some(10_000_000_000),
        speed_source: None,
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        oper_changed_at: None,
        seen_up: true,
        polled_at: Some(at(0)),
        counters: Counters::default(),
        rates,
        utilization_in: Rate::Known(0.1),
        utilization_out: Rate::Known(0.1),
    }
}

fn row(local: &str, device: &str, port: &str) -> Neighbor {
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
    fn new() -> Self {
        let mut world = Self {
            now: at(0),
            topology: Topology::new(topology::Settings::default(), None),
            detectors: Detectors::new(Settings::default()),
            interfaces: BTreeMap::new(),
            devices: BTreeMap::new(),
            spreads: BTreeMap::new(),
        };
        for (n, device) in ["leaf1", "leaf2", "spine1", "spine2"].into_iter().enumerate() {
            let far: Vec<&str> = CABLES
                .iter()
                .filter_map(|(a, b)| [(*a, *b), (*b, *a)].into_iter().find(|(a, _)| *a == device))
                .map(|(_, b)| b)
                .collect();
            let mut names = far.clone();
            if device.starts_with("leaf") {
                names.push("host");
            }
            let identity = Arc::new(DeviceIdentity {
                address: Some(format!("10.99.0.{}:161", n + 1).parse().unwrap()),
                sys_name: device.to_owned(),
                ..DeviceIdentity::default()
            });
            let id = DeviceId::from(device);
            world.devices.insert(
                id.clone(),
                DeviceState {
                    id: id.clone(),
                    identity: identity.clone(),
                    health: DeviceHealth::Ok,
                    unreachable: None,
                    health_since: Some(at(0)),
                    uptime: Some(Uptime(1_000_000)),
                    answered_at: Some(at(0)),
                    interfaces: names.len(),
                },
            );
            let states: Vec<_> = names.iter().map(|name| interface(device, name)).collect();
            let inventory: Vec<_> = states.iter().map(|state| state.info.clone()).collect();
            world.topology.learn_identity(at(0), &id, &identity);
            world.topology.learn_inventory(at(0), &id, &inventory);
            for state in states {
                world.topology.learn_status(at(0), &state.id, state.oper_status);
                world.interfaces.insert(state.id.clone(), state);
            }
            let rows: Vec<_> = far.iter().map(|far| row(far, far, device)).collect();
            world.topology.learn_neighbors(at(0), &id, &rows);
        }
        world.topology.settle(at(0));
        world
    }

    fn port(&mut self, device: &str, name: &str) -> &mut InterfaceState {
        self.interfaces.get_mut(&InterfaceId::new(device, name)).unwrap()
    }

    fn set(&mut self, device: &str, name: &str, oper: OperStatus) {
        let now = self.now;
        let port = self.port(device, name);
        (port.oper_status, port.oper_changed_at) = (oper, Some(now));
        let id = port.id.clone();
        self.topology.learn_status(now, &id, oper);
    }

    fn cut(&mut self, a: &str, b: &str) {
        self.set(a, b, OperStatus::Down);
        self.set(b, a, OperStatus::Down);
    }

    fn mend(&mut self, a: &str, b: &str) {
        self.set(a, b, OperStatus::Up);
        self.set(b, a, OperStatus::Up);
    }

    fn silence(&mut self, device: &str, silent: bool) {
        let now = self.now;
        let device = self.devices.get_mut(&DeviceId::from(device)).unwrap();
        device.health = if silent { DeviceHealth::Unreachable } else { DeviceHealth::Ok };
        device.unreachable = silent.then_some(UnreachableReason::Timeout);
        device.health_since = Some(now);
    }

    fn out(&mut self, device: &str, name: &str, gbps: f64) {
        let share = |port: &InterfaceState| Rate::Known(gbps * GBPS / port.speed_bps.unwrap() as f64);
        let port = self.port(device, name);
        port.rates[Counter::OutOctets] = Rate::Known(gbps * GBPS / 8.0);
        port.utilization_out = share(port);
        let far = InterfaceId::new(name, device);
        if let Some(far) = self.interfaces.get_mut(&far) {
            far.rates[Counter::InOctets] = Rate::Known(gbps * GBPS / 8.0);
            far.utilization_in = share(far);
        }
    }

    /// One poll of every device that answers, as the driver does it.
    fn look(&mut self) -> Vec<(FindingKey, Verdict)> {
        self.now = self.now + Duration::from_secs(1);
        let now = self.now;
        let Self { topology, detectors, interfaces, devices, .. } = self;
        let mut said = Verdicts::new();
        for device in devices.values_mut() {
            if device.health == DeviceHealth::Ok {
                let passed = now.since(device.answered_at.unwrap_or(now)).as_millis() / 10;
                device.uptime = device.uptime.map(|uptime| Uptime(uptime.0.wrapping_add(passed as u32)));
                device.answered_at = Some(now);
            }
            said.extend(detectors.device(now, device));
        }
        for state in interfaces.values_mut() {
            state.polled_at = Some(now);
        }
        let view = View { interface: &|id| interfaces.get(id).cloned(), device: &|id| devices.get(id).cloned() };
        for state in interfaces.values() {
            if devices[&state.id.device].health != DeviceHealth::Ok {
                continue;
            }
            let report = topology.link_at(&state.id).and_then(|link| topology.link_report(now, &link.id, view));
            let spreads = &self.spreads;
            let link = report.as_ref().map(|report| &report.state);
            said.extend(detectors.interface(now, state, link, &|id| spreads.get(id).copied()));
            let Some(report) = report else { continue };
            said.extend(detectors.link(now, &report));
            if detectors.concerns_groups(&report.state) {
                for group in &report.state.groups {
                    said.extend(detectors.group(now, &topology.group_report(now, group, view).unwrap()));
                }
            }
        }
        said
    }

    /// The findings that are present after a look, each once, and the keys that are over.
    fn found(&mut self) -> (BTreeMap<String, Finding>, Vec<String>) {
        let name = |key: &FindingKey| {
            let direction = key.direction.map(|direction| format!(" {}", direction.as_str())).unwrap_or_default();
            format!("{} {}{direction}", key.kind.as_str(), key.subject)
        };
        let (mut present, mut over) = (BTreeMap::new(), Vec::new());
        for (key, verdict) in self.look() {
            match verdict {
                Verdict::Present(finding) => {
                    assert_eq!(finding.key, key);
                    let Evidence { summary, cause, evidence, action } = &finding.evidence;
                    for text in [summary, cause, evidence, action] {
                        assert!(!text.is_empty() && !text.contains('\n') && !text.contains("  "), "{text:?}");
                    }
                    present.insert(name(&key), *finding);
                }
                Verdict::Absent => over.push(name(&key)),
                Verdict::Unknown(_) => {}
            }
        }
        (present, over)
    }

    /// Nothing at all is said, and, when the traces of losses are gone, nothing is remembered but uptimes.
    fn assert_calm(&mut self) {
        self.now = self.now + drops::TRACE_KEPT;
        self.look();
        let said = self.look();
        assert_eq!(said, vec![]);
        assert_eq!(said.capacity(), 0);
        let Detectors { interfaces, links, groups, .. } = &self.detectors;
        assert!(interfaces.is_empty() && links.is_empty() && groups.is_empty());
    }
}

use crate::fabric::Evidence;

fn names(found: &BTreeMap<String, Finding>) -> Vec<&str> {
    found.keys().map(String::as_str).collect()
}

const LINK: &str = "LinkDown leaf1:spine1 - spine1:leaf1";
const DEGRADED: &str = "RedundancyDegraded leaf1 uplinks";
const LOST: &str = "RedundancyLost leaf1 uplinks";

#[test]
fn a_cut_is_one_link_and_one_redundancy_finding() {
    let mut world = World::new();
    world.assert_calm();
    world.cut("leaf1", "spine1");
    let (found, over) = world.found();
    assert_eq!((names(&found), over.len()), (vec![LINK, DEGRADED], 0));
    let link = &found[LINK];
    assert_eq!(link.severity, Severity::Critical);
    assert_eq!(link.evidence.summary, "Link leaf1:spine1 - spine1:leaf1 (10 Gbit/s) is down");
    assert_eq!(link.evidence.cause, "Both ends lost it, both together: the cable is cut or pulled, or an optic died.");
    let degraded = &found[DEGRADED];
    assert_eq!(degraded.severity, Severity::Critical);
    assert_eq!(degraded.evidence.summary, "leaf1 uplinks have lost 1 of 2 links, 1 left");
    assert!(degraded.evidence.evidence.contains("left: leaf1:spine2 - spine2:leaf1"), "{}", degraded.evidence.evidence);
    assert!(degraded.evidence.evidence.ends_with(
        "The next failure, of leaf1:spine2 - spine2:leaf1, would cut leaf1 and all that is behind it off from the fabric."
    ));

    // The other one too: lost, not degraded.
    world.cut("leaf1", "spine2");
    let (found, over) = world.found();
    assert_eq!(names(&found), ["LinkDown leaf1:spine1 - spine1:leaf1", "LinkDown leaf1:spine2 - spine2:leaf1", LOST]);
    assert_eq!(over, [DEGRADED]);
    world.mend("leaf1", "spine2");
    let (found, over) = world.found();
    assert_eq!(names(&found), [LINK, DEGRADED]);
    assert_eq!(over, [LOST, "LinkDown leaf1:spine2 - spine2:leaf1"]);
    world.mend("leaf1", "spine1");
    let (found, mut over) = world.found();
    over.sort();
    assert_eq!((found.len(), over), (0, vec![LINK.to_owned(), DEGRADED.to_owned()]));
    world.assert_calm();
}

#[test]
fn one_end_alone_and_the_operator_are_told_apart() {
    let mut world = World::new();
    world.set("leaf1", "spine1", OperStatus::Down);
    let (found, _) = world.found();
    assert!(found[LINK].evidence.cause.starts_with("leaf1:spine1 lost it just now, spine1:leaf1 has yet to tell"));
    world.now = world.now + Duration::from_secs(10);
    let (found, _) = world.found();
    assert!(found[LINK].evidence.cause.starts_with("Only leaf1:spine1 lost it, spine1:leaf1 says up"));
    world.port("leaf1", "spine1").admin_status = AdminStatus::Down;
    world.set("spine1", "leaf1", OperStatus::Down);
    let (found, _) = world.found();
    assert_eq!(found[LINK].severity, Severity::Warning);
    assert_eq!(found[LINK].evidence.cause, "Shut down by the operator at leaf1:spine1.");
    world.port("leaf1", "spine1").admin_status = AdminStatus::Up;
    world.now = world.now + Duration::from_secs(2);
    world.set("leaf1", "spine1", OperStatus::NotPresent);
    let (found, _) = world.found();
    assert!(found[LINK].evidence.cause.starts_with("A part of leaf1:spine1 is missing"));
}

#[test]
fn silence_is_not_a_link_that_is_down_and_mends_nothing() {
    let mut world = World::new();
    world.found();
    world.silence("spine1", true);
    let (found, _) = world.found();
    assert_eq!(names(&found), ["DeviceUnreachable spine1"]);
    assert_eq!(found["DeviceUnreachable spine1"].pending_for, Duration::from_secs(5));
    world.silence("spine1", false);
    assert_eq!(world.found().1, ["DeviceUnreachable spine1"]);

    // One end is down, then its device falls silent: the other end's word does not make the link whole.
    world.set("spine1", "leaf1", OperStatus::Down);
    assert_eq!(names(&world.found().0), [LINK, DEGRADED]);
    world.silence("spine1", true);
    let (found, over) = world.found();
    assert!(!found.contains_key(LINK) && over.iter().all(|key| key != LINK), "{over:?}");
    world.mend("leaf1", "spine1");
    world.silence("spine1", false);
    assert!(world.found().1.contains(&LINK.to_owned()));
    world.assert_calm();
}

#[test]
fn a_port_without_a_neighbour_is_told_by_itself_once_it_was_up() {
    let mut world = World::new();
    world.set("leaf1", "host", OperStatus::Down);
    let (found, _) = world.found();
    assert_eq!(names(&found), ["LinkDown leaf1:host"]);
    assert_eq!(found["LinkDown leaf1:host"].severity, Severity::Warning);
    // What is told stays told for as long as it lasts; an old story is not told anew.
    world.now = world.now + Duration::from_secs(7_200);
    assert_eq!(names(&world.found().0), ["LinkDown leaf1:host"]);
    let mut late = World::new();
    late.set("leaf1", "host", OperStatus::Down);
    late.now = late.now + Duration::from_secs(7_200);
    late.assert_calm();
    world.port("leaf1", "host").admin_status = AdminStatus::Down;
    assert_eq!(world.found(), (BTreeMap::new(), vec!["LinkDown leaf1:host".to_owned()]));
    world.assert_calm();

    for (seen_up, if_type, admin) in [
        (false, 6, AdminStatus::Up),
        (true, 24, AdminStatus::Up),
        (true, 136, AdminStatus::Up),
        (true, 6, AdminStatus::Down),
    ] {
        let port = world.port("leaf2", "host");
        port.info = Arc::new(InterfaceInfo { if_type, ..InterfaceInfo::clone(&port.info) });
        (port.seen_up, port.admin_status) = (seen_up, admin);
        world.set("leaf2", "host", OperStatus::Down);
        world.assert_calm();
    }
}

#[test]
fn saturation_is_told_once_per_cable_and_direction_at_the_sender() {
    let mut world = World::new();
    let sender = "Saturation leaf1:spine1 out";
    world.out("leaf1", "spine1", 8.5);
    let (found, _) = world.found();
    assert_eq!(names(&found), [sender]);
    assert_eq!(found[sender].severity, Severity::Warning);
    assert_eq!(found[sender].evidence.summary, "leaf1:spine1 sends 8.50 Gbit/s to spine1:leaf1, 85.0 % of 10 Gbit/s");
    // Within the band it stays, above the next threshold it grows, and both ways back.
    for (gbps, severity) in
        [(7.6, Severity::Warning), (9.6, Severity::Critical), (9.1, Severity::Critical), (8.9, Severity::Warning)]
    {
        world.out("leaf1", "spine1", gbps);
        assert_eq!(world.found().0[sender].severity, severity, "{gbps}");
    }
    // The sender falls silent: the receiver's counter says the same under the same key.
    world.silence("leaf1", true);
    world.out("leaf1", "spine1", 9.7);
    let (found, _) = world.found();
    assert!(found[sender].evidence.evidence.contains("read at the receiving end"));
    assert!(found.keys().filter(|key| key.starts_with("Saturation")).count() == 1);
    world.silence("leaf1", false);
    // What is not known resolves nothing.
    let sent = world.port("leaf1", "spine1");
    sent.rates[Counter::OutOctets] = Rate::Unknown(Unknown::Discontinuity);
    sent.utilization_out = Rate::Unknown(Unknown::Discontinuity);
    let received = world.port("spine1", "leaf1");
    received.rates[Counter::InOctets] = Rate::Unknown(Unknown::Stale);
    received.utilization_in = Rate::Unknown(Unknown::Stale);
    let (found, over) = world.found();
    assert_eq!((found.len(), over), (0, vec!["DeviceUnreachable leaf1".to_owned()]));
    world.out("leaf1", "spine1", 7.4);
    assert_eq!(world.found(), (BTreeMap::new(), vec![sender.to_owned()]));
    world.assert_calm();
    // A port that leads out tells both directions itself.
    world.port("leaf1", "host").utilization_in = Rate::Known(0.99);
    assert_eq!(names(&world.found().0), ["Saturation leaf1:host in"]);
}

#[test]
fn bursts_and_sustained_load_are_told_apart() {
    let mut world = World::new();
    let hour = |p50, p99, max| Percentiles { p50, p99, max, ..Percentiles::default() };
    let sender = InterfaceId::new("leaf1", "spine1");
    let mut spread = UtilizationSpread::default();
    spread.sent.hour = Some(hour(0.12, 0.97, 0.99));
    world.spreads.insert(sender.clone(), spread);
    let key = "Saturation leaf1:spine1 out";

    // 12 of 200,000 packets: too small a share to be told as loss, too many for chance.
    world.out("leaf1", "spine1", 2.0);
    world.port("leaf1", "spine1").rates[Counter::OutUcastPkts] = Rate::Known(200_000.0);
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(12.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), [key]);
    let said = &found[key].evidence;
    assert_eq!(found[key].severity, Severity::Warning);
    assert_eq!(
        said.summary,
        "leaf1:spine1 discards 12.0 packets/s in bursts to spine1:leaf1, at a mean of 20.0 % of 10 Gbit/s"
    );
    assert!(said.cause.starts_with("Bursts: its queue overflows (12.0 packets/s discarded) at a mean of 20.0 %"));
    assert!(said.evidence.contains("in the last hour p50 12.0 %, p99 97.0 %, at most 99.0 %"), "{}", said.evidence);

    // The mean grows: the same alert, sustained now; a peak as long as most of the hour was calm.
    world.out("leaf1", "spine1", 9.7);
    let (found, _) = world.found();
    assert_eq!((names(&found), found[key].severity), (vec![key], Severity::Critical));
    assert!(found[key].evidence.cause.starts_with("More traffic than the port can carry, all the time"));
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(0.0);
    assert!(world.found().0[key].evidence.cause.starts_with("A peak: "));
    spread.sent.hour = Some(hour(0.96, 0.97, 0.99));
    world.spreads.insert(sender, spread);
    assert!(world.found().0[key].evidence.cause.starts_with("The traffic has grown"));

    // Both are over: so is the alert.
    world.out("leaf1", "spine1", 2.0);
    assert_eq!(world.found(), (BTreeMap::new(), vec![key.to_owned()]));
    // A share that is told as loss is told once, and names the bursts.
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(120.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), ["DropsCongestion leaf1:spine1 out"]);
    assert!(found["DropsCongestion leaf1:spine1 out"].evidence.cause.contains("p99 97.0 %"));
}

#[test]
fn the_slower_end_is_the_capacity() {
    let mut world = World::new();
    world.port("spine1", "leaf1").speed_bps = Some(1_000_000_000);
    world.out("leaf1", "spine1", 0.96);
    let (found, _) = world.found();
    // One gigabit each way: both directions of the cable are full, each told at its sender.
    assert!(found["Saturation leaf1:spine1 out"].evidence.summary.ends_with("96.0 % of 1 Gbit/s"));
}

#[test]
fn drops_are_told_where_they_are_counted_with_share_and_rate() {
    let mut world = World::new();
    let congestion = "DropsCongestion leaf1:spine1 out";
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(50.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), [congestion]);
    let finding = &found[congestion];
    assert_eq!((finding.severity, finding.class), (Severity::Warning, Some(crate::fabric::DropClass::Congestion)));
    assert_eq!(finding.evidence.summary, "leaf1:spine1 discards 50.0 packets/s on the way out to spine1:leaf1");
    assert!(
        finding
            .evidence
            .evidence
            .starts_with("ifOutDiscards 50.0 packets/s by the last two polls: 0.050 % of 100 k packets/s in all"),
        "{}",
        finding.evidence.evidence
    );
    assert!(finding.evidence.cause.contains("bursts"));
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(2_000.0);
    assert_eq!(world.found().0[congestion].severity, Severity::Critical);
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Unknown(Unknown::Discontinuity);
    assert_eq!(world.found(), (BTreeMap::new(), vec![]));
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(0.0);
    assert_eq!(world.found().1, [congestion]);
    world.assert_calm();

    let corruption = "DropsCorruption spine1:leaf1 in";
    world.port("spine1", "leaf1").rates[Counter::InErrors] = Rate::Known(20.0);
    world.port("spine1", "leaf1").rates[Counter::FcsErrors] = Rate::Known(20.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), [corruption]);
    assert!(found[corruption].evidence.evidence.contains("dot3StatsFCSErrors 20/s"));
}

#[test]
fn what_a_port_loses_while_its_link_goes_is_told_by_the_link() {
    let mut world = World::new();
    world.cut("leaf1", "spine1");
    world.port("leaf1", "spine1").rates[Counter::OutDiscards] = Rate::Known(500.0);
    assert_eq!(names(&world.found().0), [LINK, DEGRADED]);
    world.mend("leaf1", "spine1");
    assert_eq!(world.found().0.len(), 0, "the last rates still hold what was lost before");
    world.now = world.now + Duration::from_secs(60);
    assert_eq!(names(&world.found().0), ["DropsCongestion leaf1:spine1 out"], "this is lost with the link up");
}

#[test]
fn a_few_lost_packets_are_noise_until_they_go_on() {
    let mut world = World::new();
    let key = "DropsCorruption spine1:leaf1 in";
    let port = world.port("spine1", "leaf1");
    port.rates[Counter::InUcastPkts] = Rate::Known(10.0);
    port.rates[Counter::InErrors] = Rate::Known(1.0);
    assert_eq!(world.found(), (BTreeMap::new(), vec![]));
    world.port("spine1", "leaf1").rates[Counter::InErrors] = Rate::Known(0.0);
    assert_eq!(world.found(), (BTreeMap::new(), vec![]));
    world.assert_calm();
    world.port("spine1", "leaf1").rates[Counter::InErrors] = Rate::Known(1.0);
    for _ in 0..2 {
        assert_eq!(world.found().0.len(), 0);
    }
    assert_eq!(names(&world.found().0), [key]);
    // Without packet counts the rate alone decides, and the reason is said.
    let port = world.port("spine2", "leaf1");
    port.rates[Counter::InUcastPkts] = Rate::Unknown(Unknown::Missing);
    port.rates[Counter::InErrors] = Rate::Known(9.0);
    assert_eq!(names(&world.found().0), [key]);
    world.port("spine2", "leaf1").rates[Counter::InErrors] = Rate::Known(11.0);
    let (found, _) = world.found();
    let finding = &found["DropsCorruption spine2:leaf1 in"];
    assert!(finding.evidence.evidence.contains("their share is unknown, for the packet counts are (missing)"));
    assert_eq!(finding.severity, Severity::Warning);
}

#[test]
fn classes_are_believed_where_a_device_has_them_and_no_packet_is_told_twice() {
    let mut world = World::new();
    let port = world.port("leaf1", "spine1");
    // All that it discards on the way in is a rule's doing, and its queues drop nothing.
    port.rates[Counter::InDiscards] = Rate::Known(3_000.0);
    port.rates[Counter::DropsPolicyIn] = Rate::Known(3_000.0);
    port.rates[Counter::OutDiscards] = Rate::Known(5_000.0);
    port.rates[Counter::DropsCongestionOut] = Rate::Known(0.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), ["DropsPolicy leaf1:spine1 in"]);
    let policy = &found["DropsPolicy leaf1:spine1 in"];
    assert_eq!((policy.severity, policy.class), (Severity::Warning, Some(DropClass::Policy)));
    assert_eq!(policy.key.direction, Some(Direction::In));
    let evidence = &policy.evidence.evidence;
    assert!(evidence.starts_with("dropsPolicyIn 3.00 k packets/s by the last two polls"), "{evidence}");
    assert!(evidence.contains("; ifInDiscards beside it 3.00 k packets/s"), "{evidence}");

    // Queues that drop are congestion, however the port counts them beside.
    let port = world.port("leaf1", "spine1");
    port.rates[Counter::DropsPolicyIn] = Rate::Known(0.0);
    port.rates[Counter::InDiscards] = Rate::Known(0.0);
    port.rates[Counter::DropsCongestionOut] = Rate::Known(2_000.0);
    let (found, _) = world.found();
    assert_eq!(names(&found), ["DropsCongestion leaf1:spine1 out"]);
    let congestion = &found["DropsCongestion leaf1:spine1 out"];
    assert_eq!((congestion.severity, congestion.key.direction), (Severity::Critical, Some(Direction::Out)));
    assert!(congestion.evidence.evidence.starts_with("dropsCongestionOut 2.00 k"), "{}", congestion.evidence.evidence);

    // Queues that are not known for once end nothing.
    world.port("leaf1", "spine1").rates[Counter::DropsCongestionOut] = Rate::Unknown(Unknown::FirstSample);
    let (found, over) = world.found();
    assert!(found.is_empty() && over.is_empty(), "{:?} {over:?}", names(&found));

    // A part of the discards has a class that is not congestion: only the rest is taken for congestion.
    let port = world.port("leaf2", "spine1");
    port.rates[Counter::InDiscards] = Rate::Known(3_000.0);
    port.rates[Counter::DropsNoRouteIn] = Rate::Known(2_000.0);
    let (found, _) = world.found();
    assert!(found.contains_key("DropsNoRoute leaf2:spine1 in"), "{:?}", names(&found));
    let rest = &found["DropsCongestion leaf2:spine1 in"];
    assert!(rest.evidence.evidence.starts_with("ifInDiscards 1.00 k"), "{}", rest.evidence.evidence);
}

#[test]
fn a_restart_is_an_event_and_nothing_else() {
    let mut world = World::new();
    world.found();
    let device = world.devices.get_mut(&DeviceId::from("leaf1")).unwrap();
    device.uptime = Some(Uptime(500));
    for (id, state) in &mut world.interfaces {
        if id.device.as_str() == "leaf1" {
            for counter in Counter::ALL {
                state.rates[counter] = Rate::Unknown(Unknown::Discontinuity);
            }
            state.utilization_in = Rate::Unknown(Unknown::Discontinuity);
            state.utilization_out = Rate::Unknown(Unknown::Discontinuity);
        }
    }
    let (found, _) = world.found();
    assert_eq!(names(&found), ["DeviceRestarted leaf1"]);
    assert_eq!(found["DeviceRestarted leaf1"].severity, Severity::Info);
    for _ in 0..299 {
        assert_eq!(names(&world.found().0), ["DeviceRestarted leaf1"]);
    }
    assert_eq!(world.found(), (BTreeMap::new(), vec!["DeviceRestarted leaf1".to_owned()]));
    world.assert_calm();
}

#[test]
fn what_was_wrong_before_a_restart_is_ended_when_it_is_seen_fine() {
    let mut world = World::new();
    world.cut("leaf1", "spine1");
    world.out("leaf2", "spine1", 9.9);
    world.port("leaf2", "spine2").rates[Counter::OutDiscards] = Rate::Known(5_000.0);
    world.set("leaf1", "host", OperStatus::Down);
    world.silence("spine2", true);
    let keys: Vec<FindingKey> = world
        .look()
        .into_iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Present(_)))
        .map(|(key, _)| key)
        .collect();
    let keys: std::collections::BTreeSet<FindingKey> = keys.into_iter().collect();
    assert_eq!(keys.len(), 6, "{keys:?}");

    let mut fresh = World::new();
    fresh.detectors.prime(&keys);
    // Nothing is known yet of leaf1 and its ports; that ends nothing.
    for device in ["leaf1", "leaf2", "spine1", "spine2"] {
        fresh.silence(device, true);
    }
    assert_eq!(fresh.found().1.len(), 0);
    for device in ["leaf1", "leaf2", "spine1", "spine2"] {
        fresh.silence(device, false);
    }
    let over: std::collections::BTreeSet<String> = fresh.found().1.into_iter().collect();
    // Four devices were silent meanwhile, one of them had been before.
    assert_eq!(over.len(), 6 + 3, "{over:?}");
    fresh.assert_calm();
}

#[test]
fn what_is_retired_or_switched_off_is_over() {
    let mut world = World::new();
    world.cut("leaf1", "spine1");
    world.out("leaf1", "spine2", 9.9);
    world.silence("spine2", true);
    world.found();
    let id = DeviceId::from("leaf1");
    let over = world.detectors.forget(&id);
    assert_eq!(over.iter().map(|(key, _)| key.kind).collect::<Vec<_>>(), [FindingKind::Saturation]);
    world.topology.forget(world.now, &id);
    let change = world.topology.settle(world.now);
    assert_eq!(change.gone.len(), 0, "spine1 still hears it: the link is one-sided now, under the same name");
    assert_eq!(change.groups_gone, [("leaf1 uplinks".into(), Some(id.clone()))]);
    let over = world.detectors.follow(&change);
    assert_eq!(
        over.iter().map(|(key, verdict)| (key.kind, verdict.clone())).collect::<Vec<_>>(),
        [(FindingKind::RedundancyDegraded, Verdict::Absent)]
    );

    let mut world = World::new();
    world.cut("leaf1", "spine1");
    world.out("leaf1", "spine2", 9.9);
    world.found();
    let mut settings = Settings::default();
    settings.link.enabled = false;
    settings.saturation.enabled = false;
    settings.redundancy.enabled = false;
    assert_eq!(world.detectors.reconfigure(settings).len(), 3);
    world.assert_calm();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Healthy states of any kind, with gaps in what is known, restarts and silences: nothing but those is told.
    #[test]
    fn calm_is_calm(steps in prop::collection::vec((0usize..12, 0usize..12, 0.0f64..0.79, 0usize..5), 1..60)) {
        let mut world = World::new();
        let ids: Vec<InterfaceId> = world.interfaces.keys().cloned().collect();
        for (which, counter, load, kind) in steps {
            let id = &ids[which % ids.len()];
            let state = world.interfaces.get_mut(id).unwrap();
            match kind {
                0 => {
                    let unknown = [Unknown::FirstSample, Unknown::Discontinuity, Unknown::Stale, Unknown::Missing][counter % 4];
                    state.rates[Counter::ALL[counter]] = Rate::Unknown(unknown);
                    state.utilization_out = Rate::Unknown(unknown);
                }
                1 => {
                    let silent = world.devices[&id.device].health == DeviceHealth::Ok;
                    world.silence(id.device.as_str(), silent);
                }
                2 => {
                    let device = world.devices.get_mut(&id.device).unwrap();
                    if device.health == DeviceHealth::Ok {
                        device.uptime = Some(Uptime(100));
                    }
                }
                3 => state.oper_status = [OperStatus::Unknown, OperStatus::Up, OperStatus::Dormant][counter % 3],
                _ => {
                    state.utilization_in = Rate::Known(load);
                    state.utilization_out = Rate::Known(load);
                    state.rates[Counter::InOctets] = Rate::Known(load * 1.25e9);
                    state.rates[Counter::OutOctets] = Rate::Known(load * 1.25e9);
                    state.rates[Counter::InErrors] = Rate::Known(load / 8.0);
                }
            }
            for (key, verdict) in world.look() {
                let told = matches!(key.kind, FindingKind::DeviceUnreachable | FindingKind::DeviceRestarted);
                prop_assert!(told, "{:?} {:?}", key, verdict);
            }
        }
    }

    /// While something is wrong, whatever becomes unknown neither raises nor resolves anything of it.
    #[test]
    fn the_unknown_changes_nothing(silences in prop::collection::vec(0usize..4, 1..20)) {
        let mut world = World::new();
        world.cut("leaf1", "spine1");
        world.out("leaf2", "spine1", 9.9);
        world.port("leaf2", "spine2").rates[Counter::OutDiscards] = Rate::Known(5_000.0);
        let before: Vec<String> = names(&world.found().0).into_iter().map(str::to_owned).collect();
        for device in silences {
            let device = ["leaf1", "leaf2", "spine1", "spine2"][device];
            let silent = world.devices[&DeviceId::from(device)].health == DeviceHealth::Ok;
            world.silence(device, silent);
            let (found, over) = world.found();
            for key in found.keys().chain(&over) {
                let device = key.starts_with("DeviceUnreachable");
                prop_assert!(device || (before.contains(key) && found.contains_key(key)), "{key}");
            }
        }
    }
}
