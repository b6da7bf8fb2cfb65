//! Random fabrics described by their own agents in any mix of subtypes and any order: exactly the true links.

mod scenes;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fabric::{ChassisId, PortId};

/// A small generator, so that one seed tells a whole fabric.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.roll(at + 1));
        }
    }
}

const PORTS: usize = 8;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

fn name(device: usize) -> DeviceId {
    format!("sw{device}").into()
}

fn if_name(port: usize) -> Arc<str> {
    format!("swp{port}").into()
}

fn port(device: usize, port: usize) -> InterfaceId {
    InterfaceId { device: name(device), if_name: if_name(port) }
}

fn mac(device: usize, port: usize) -> Vec<u8> {
    vec![2, 0, 0, 1, device as u8, port as u8]
}

fn inventory(device: usize) -> Vec<Arc<InterfaceInfo>> {
    let info = |n: usize| {
        Arc::new(InterfaceInfo {
            if_name: if_name(n),
            if_index: 1000 + n as u32,
            if_descr: format!("Ethernet port {n} of {device}"),
            if_alias: format!("to rack {device}/{n}"),
            if_type: 6,
            phys_address: mac(device, n),
            speed_bps: Some(10_000_000_000),
        })
    };
    // All have one address in common, as virtual interfaces do: it names the device, but none of them.
    let shared = (0..2).map(|n| {
        let (if_name, phys_address) = (format!("vlan{n}").into(), mac(device, 99));
        Arc::new(InterfaceInfo { if_name, if_type: 135, phys_address, ..InterfaceInfo::default() })
    });
    (0..PORTS).map(info).chain(shared).collect()
}

struct Fabric {
    identities: Vec<Arc<DeviceIdentity>>,
    tables: Vec<Vec<Neighbor>>,
    links: BTreeSet<(InterfaceId, InterfaceId)>,
    one_sided: BTreeSet<InterfaceId>,
}

fn identity(dice: &mut Dice, device: usize) -> Arc<DeviceIdentity> {
    let chassis = |subtype, value: Vec<u8>| Some(ChassisId { subtype, value });
    let domain = ["", ".example.net"][dice.roll(2)];
    Arc::new(DeviceIdentity {
        address: Some(format!("10.0.0.{}:161", device + 1).parse().unwrap()),
        sys_name: format!("{}{domain}", if dice.roll(2) == 0 { format!("sw{device}") } else { format!("SW{device}") }),
        chassis_id: match dice.roll(4) {
            0 => chassis(4, mac(device, 77)),
            1 => chassis(7, format!("serial-{device}").into()),
            2 => chassis(6, format!("chassis of {device}").into()),
            _ => None,
        },
        local_ports: (0..PORTS)
            .map(|n| (if_name(n), PortId { subtype: 7, value: format!("local {}", n * 7).into() }))
            .collect(),
        management_addresses: vec![format!("192.168.9.{}", device + 1).parse().unwrap()],
        ..DeviceIdentity::default()
    })
}

/// How `far` announces itself to whoever is at the other end of it.
fn announce(
    dice: &mut Dice,
    local: usize,
    identity: &DeviceIdentity,
    device: usize,
    far: usize,
    findable: bool,
) -> Neighbor {
    let mut row = Neighbor {
        local: if_name(local),
        chassis_id: ChassisId { subtype: 7, value: b"nobody knows this".into() },
        port_id: PortId { subtype: 7, value: b"nobody knows this".into() },
        port_descr: String::new(),
        sys_name: String::new(),
        management_addresses: Vec::new(),
    };
    let own = identity.chassis_id.clone();
    match (dice.roll(5), own) {
        (0, Some(own)) => row.chassis_id = own,
        (1, _) => row.chassis_id = ChassisId { subtype: 4, value: mac(device, far) },
        (2, _) => row.chassis_id = ChassisId { subtype: 5, value: vec![1, 10, 0, 0, device as u8 + 1] },
        (3, _) => row.management_addresses.push(format!("192.168.9.{}", device + 1).parse().unwrap()),
        (_, own) => {
            // By name alone, and of the chassis what the device itself says, if anything.
            row.chassis_id = own.unwrap_or(row.chassis_id);
            row.sys_name = [format!("sw{device}"), format!("Sw{device}.example.net")][dice.roll(2)].clone();
        }
    }
    let info = &inventory(device)[far];
    let id = |subtype, value: &str| PortId { subtype, value: value.into() };
    if !findable {
        row.port_id = PortId { subtype: 3, value: mac(device, 99) };
        return row;
    }
    row.port_id = match dice.roll(9) {
        0 => id(5, &info.if_name),
        1 => id(5, &info.if_descr),
        2 => PortId { subtype: 3, value: mac(device, far) },
        3 => id(1, &info.if_alias),
        4 => id(7, &format!("local {}", far * 7)),
        5 => id(7, &info.if_name),
        6 => id(7, &info.if_index.to_string()),
        7 => id(7, &info.if_descr),
        _ => {
            row.port_descr = [&*info.if_name, &*info.if_descr, &*info.if_alias][dice.roll(3)].to_owned();
            [id(2, "slot?"), id(6, "circuit"), PortId { subtype: 3, value: mac(device, 99) }][dice.roll(3)].clone()
        }
    };
    row
}

fn fabric(dice: &mut Dice) -> Fabric {
    let devices = 2 + dice.roll(5);
    let identities: Vec<_> = (0..devices).map(|device| identity(dice, device)).collect();
    let mut ports: Vec<(usize, usize)> = (0..devices).flat_map(|device| (0..PORTS).map(move |n| (device, n))).collect();
    dice.shuffle(&mut ports);
    let mut fabric =
        Fabric { identities, tables: vec![Vec::new(); devices], links: BTreeSet::new(), one_sided: BTreeSet::new() };
    let cables = dice.roll(ports.len() / 2 - 2) + 1;
    for pair in ports.chunks_exact(2).take(cables) {
        let [one, other] = [pair[0], pair[1]];
        let ids = [port(one.0, one.1), port(other.0, other.1)];
        fabric.links.insert((ids[0].clone().min(ids[1].clone()), ids[0].clone().max(ids[1].clone())));
        // At most one end is dumb: it does not tell, or nobody can tell which port it means.
        let dumb = dice.roll(6);
        for (n, (near, far)) in [(one, other), (other, one)].into_iter().enumerate() {
            if dumb == n {
                continue;
            }
            let row =
                announce(dice, near.1, &fabric.identities[far.0], far.0, far.1, dumb != 2 + n || one.0 == other.0);
            fabric.tables[near.0].push(row.clone());
            if dice.roll(8) == 0 {
                fabric.tables[near.0].push(row);
            }
        }
    }
    for &(device, n) in ports.iter().skip(2 * cables).take(dice.roll(4)) {
        let chassis_id = ChassisId { subtype: 4, value: vec![2, 9, 9, 9, device as u8, n as u8] };
        let port_id = PortId { subtype: 3, value: vec![2, 9, 9, 9, device as u8, n as u8] };
        let sys_name = ["", "host", "localhost"][dice.roll(3)].to_owned();
        let local = if_name(n);
        let row =
            Neighbor { local, chassis_id, port_id, port_descr: "eth0".into(), sys_name, management_addresses: vec![] };
        fabric.tables[device].push(row);
        fabric.one_sided.insert(port(device, n));
    }
    fabric
}

impl Fabric {
    /// Tell all of it, in an order that the dice choose.
    fn tell(&self, dice: &mut Dice, now: Timestamp, topology: &mut Topology) {
        let mut steps: Vec<(usize, usize)> =
            (0..self.tables.len()).flat_map(|device| (0..3).map(move |n| (device, n))).collect();
        dice.shuffle(&mut steps);
        for (device, step) in steps {
            let id = name(device);
            match step {
                0 => drop(topology.learn_identity(now, &id, &self.identities[device])),
                1 => drop(topology.learn_inventory(now, &id, &inventory(device))),
                _ => {
                    let mut table = self.tables[device].clone();
                    dice.shuffle(&mut table);
                    topology.learn_neighbors(now, &id, &table);
                }
            }
            if dice.roll(3) == 0 {
                topology.settle(now);
            }
            check_ports(topology);
        }
        topology.settle(now);
    }
}

/// Each watched end leads to its link, and no port is in two.
fn check_ports(topology: &Topology) {
    let mut ports = BTreeSet::new();
    for link in topology.links() {
        for end in [&link.a, &link.b].into_iter().filter(|end| end.watched) {
            assert!(ports.insert(end.interface.clone()), "{} is in two links", end.interface);
            assert_eq!(topology.link_at(&end.interface), Some(link));
        }
    }
}

fn two_ended(topology: &Topology) -> BTreeSet<(InterfaceId, InterfaceId)> {
    let both = topology.links().filter(|link| link.a.watched && link.b.watched);
    both.map(|link| (link.a.interface.clone(), link.b.interface.clone())).collect()
}

fn one_sided(topology: &Topology) -> BTreeSet<InterfaceId> {
    let one = topology.links().filter(|link| !(link.a.watched && link.b.watched));
    one.map(|link| if link.a.watched { link.a.interface.clone() } else { link.b.interface.clone() }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn exactly_the_true_links_in_any_order(seed in 1u64..) {
        let mut dice = Dice(seed);
        let fabric = fabric(&mut dice);
        let mut topology = Topology::new(Settings::default(), None);
        fabric.tell(&mut dice, at(0), &mut topology);
        prop_assert_eq!(&two_ended(&topology), &fabric.links);
        prop_assert_eq!(&one_sided(&topology), &fabric.one_sided);
        // Again in another order: nothing is news.
        fabric.tell(&mut dice, at(10), &mut topology);
        prop_assert_eq!(topology.settle(at(10)), Change::default());
        prop_assert!(topology.links().all(|link| link.heard_at == Some(at(10)) && link.missing_since.is_none()));
    }

    #[test]
    fn a_cut_is_missing_and_stays_planned_over_a_restart(seed in 1u64..) {
        let mut dice = Dice(seed);
        let mut fabric = fabric(&mut dice);
        let mut topology = Topology::new(Settings::default(), None);
        fabric.tell(&mut dice, at(0), &mut topology);
        let groups: Vec<Group> = topology.groups().cloned().collect();
        let links: Vec<Link> = topology.links().cloned().collect();

        // One cable is cut: both rows go, one after the other.
        let cut = links[dice.roll(links.len())].clone();
        let ends = [&cut.a.interface, &cut.b.interface];
        for (device, table) in fabric.tables.iter_mut().enumerate() {
            let id = name(device);
            table.retain(|row| !ends.iter().any(|end| end.device == id && end.if_name == row.local));
        }
        let restart = dice.roll(2) == 0;
        if restart {
            let json = serde_json::to_string(&topology.memory()).unwrap();
            topology = Topology::new(Settings::default(), Some(serde_json::from_str(&json).unwrap()));
            topology.settle(at(5));
        }
        fabric.tell(&mut dice, at(10), &mut topology);
        let ids = |links: &[Link]| links.iter().map(|link| link.id.clone()).collect::<Vec<_>>();
        let found: Vec<Link> = topology.links().cloned().collect();
        prop_assert_eq!(ids(&found), ids(&links));
        for link in &found {
            prop_assert_eq!(link.missing_since.is_some(), link.id == cut.id, "{}", link.id);
            prop_assert_eq!(link.heard_at, Some(at(if link.id == cut.id { 0 } else { 10 })));
        }
        prop_assert_eq!(topology.groups().cloned().collect::<Vec<_>>(), groups);

        // Gone for a week, it is forgotten; nothing else is.
        let week = Duration::from_secs(7 * 24 * 3600);
        prop_assert_eq!(topology.next_deadline(), topology.link(&cut.id).unwrap().missing_since.map(|at| at + week));
        prop_assert_eq!(topology.settle(at(9) + week).gone, vec![]);
        prop_assert_eq!(topology.settle(at(10) + week).gone, vec![cut.id.clone()]);
        prop_assert_eq!(topology.links().count(), links.len() - 1);
    }

    #[test]
    fn whatever_agents_say_each_port_is_in_one_link(
        seed in 1u64..,
        rows in prop::collection::vec(
            (0usize..3, 0usize..4, 0usize..3, 0usize..5, 0u8..9, prop::collection::vec(any::<u8>(), 0..9), "[a-z\\x00-\\x1f.]{0,9}"), 0..40),
    ) {
        let mut dice = Dice(seed);
        let mut topology = Topology::new(Settings::default(), None);
        let identities: Vec<_> = (0..3).map(|device| identity(&mut dice, device)).collect();
        for round in 0..3 {
            for (device, identity) in identities.iter().enumerate() {
                let of = rows.iter().filter(|row| row.0 == device && dice.roll(3) > 0);
                let table: Vec<Neighbor> = of.map(|(_, local, far, far_port, subtype, octets, text)| {
                    let known = *subtype % 2 == 0;
                    let chassis_id = ChassisId { subtype: 4, value: if known { mac(*far, 0) } else { octets.clone() } };
                    let value = if known { if_name(*far_port).as_bytes().to_vec() } else { octets.clone() };
                    let port_id = PortId { subtype: if known { 5 } else { *subtype }, value };
                    let (port_descr, sys_name) = (text.clone(), text.clone());
                    Neighbor { local: if_name(*local), chassis_id, port_id, port_descr, sys_name, management_addresses: vec![] }
                }).collect();
                topology.learn_neighbors(at(round), &name(device), &table);
                check_ports(&topology);
                if dice.roll(2) == 0 {
                    topology.learn_inventory(at(round), &name(device), &inventory(device));
                }
                if dice.roll(4) == 0 {
                    topology.learn_identity(at(round), &name(device), identity);
                }
                if dice.roll(9) == 0 {
                    topology.forget(at(round), &name(device));
                }
                check_ports(&topology);
            }
            topology.settle(at(round));
            prop_assert!(topology.links().count() <= 12);
        }
        // What is understood depends on what is there now, not on how it came: the same tables, fresh.
        for device in 0..3 {
            topology.forget(at(9), &name(device));
        }
        prop_assert_eq!(topology.links().count(), 0);
        let memory = serde_json::to_string(&topology.memory()).unwrap();
        prop_assert_eq!(memory, r#"{"links":[],"devices":[]}"#);
    }
}

mod bundled;
