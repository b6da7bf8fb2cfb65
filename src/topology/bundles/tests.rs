use super::*;

fn member(port: &str, attached: Option<bool>, actor: u8, partner: u8) -> AggregationMember {
    AggregationMember {
        if_name: port.into(),
        aggregator: "Po1".into(),
        attached,
        actor: Some(LacpState::from_bits(actor)),
        partner: Some(LacpState::from_bits(partner)),
    }
}

#[test]
fn what_the_bits_say() {
    for (attached, actor, partner, fault) in [
        (Some(true), 0xbc, 0xbc, None),
        (Some(true), 0x00, 0x00, None),
        (Some(true), 0x3e, 0x3e, None),
        (Some(true), 0xbc, 0x00, None),
        (Some(false), 0x82, 0x82, Some("not distributing: partner lost")),
        (Some(false), 0xa0, 0xb0, Some("not attached to its aggregate")),
        (Some(true), 0xa0, 0xb0, Some("not distributing: out of synchronization with its aggregate")),
        (Some(true), 0xb8, 0xa0, Some("not distributing: its partner is not ready")),
        (Some(true), 0xbc, 0xb8, Some("its partner does not distribute")),
    ] {
        assert_eq!(lacp_fault(&member("p", attached, actor, partner)), fault, "{attached:?} {actor:#x} {partner:#x}");
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn standing(bundles: &Bundles) -> Vec<(String, Option<String>)> {
    let of = |(key, part): (&PartKey, &Part)| {
        let via = key.via.map(|via| format!(" via {via}")).unwrap_or_default();
        (format!("{}{via}", key.port), part.fault(key).map(|fault| fault.reason.to_string()))
    };
    bundles.iter().flat_map(|(_, parts)| parts.iter().map(of)).collect()
}

#[test]
fn a_row_that_vanishes_is_missing_and_one_that_moves_is_not() {
    let device = DeviceId::from("leaf1");
    let mut bundles = Bundles::default();
    let both = [member("e1", Some(true), 0xbc, 0xbc), member("e2", Some(true), 0xbc, 0xbc)];
    bundles.learn_aggregations(at(0), &device, &both);
    assert!(bundles.has_news());
    bundles.take_touched();
    bundles.learn_aggregations(at(30), &device, &both);
    assert!(!bundles.has_news(), "the same again");
    bundles.learn_aggregations(at(60), &device, &both[..1]);
    assert_eq!(bundles.take_touched().len(), 1);
    let missing = "missing since 1970-01-01T00:01:00.000Z, leaf1 does not list it any more";
    assert_eq!(standing(&bundles), [("leaf1:e1".into(), None), ("leaf1:e2".into(), Some(missing.into()))]);
    assert_eq!(bundles.longest_missing().map(|(since, ..)| *since), Some(at(60)));

    // A restart between, and it is back in another aggregate.
    let mut again = Bundles::default();
    bundles.memory().into_iter().for_each(|part| again.restore(part));
    assert_eq!(standing(&again), standing(&bundles));
    let moved = AggregationMember { aggregator: "Po2".into(), ..both[1].clone() };
    again.learn_aggregations(at(90), &device, &[both[0].clone(), moved]);
    assert_eq!(standing(&again), [("leaf1:e1".into(), None), ("leaf1:e2".into(), None)]);
    assert_eq!((again.iter().count(), again.longest_missing()), (2, None));
    assert_eq!(again.lag_of(&InterfaceId::new("leaf1", "e2")), Some(&InterfaceId::new("leaf1", "Po2")));
    again.forget(&device);
    assert_eq!(again.iter().count(), 0);
}

#[test]
fn next_hops_that_replace_each_other_are_no_loss() {
    let device = DeviceId::from("leaf1");
    let hop = |port: &str, last: u8| NextHop {
        prefix: "0.0.0.0/0".into(),
        address: IpAddr::from([10, 0, 0, last]),
        if_name: Some(port.into()),
    };
    let mut bundles = Bundles::default();
    bundles.learn_next_hops(at(0), &device, &[hop("e1", 1)]);
    bundles.learn_next_hops(at(1), &device, &[hop("e2", 2)]);
    assert_eq!(standing(&bundles), [], "one way doubles nothing");
    bundles.learn_next_hops(at(2), &device, &[hop("e1", 1), hop("e2", 2)]);
    bundles.learn_next_hops(at(3), &device, &[hop("e3", 3), hop("e2", 2)]);
    assert_eq!(standing(&bundles), [("leaf1:e2 via 10.0.0.2".into(), None), ("leaf1:e3 via 10.0.0.3".into(), None)]);
    bundles.learn_next_hops(at(4), &device, &[hop("e3", 3)]);
    let standing = standing(&bundles);
    assert!(standing[0].1.as_ref().is_some_and(|reason| reason.starts_with("missing")), "{standing:?}");
    assert_eq!(standing[1].1, None);
    bundles.learn_next_hops(at(5), &device, &[]);
    assert!(self::standing(&bundles).iter().all(|(_, reason)| reason.is_some()), "no way at all");
}

#[test]
fn gateways_of_several_devices_are_one_bundle() {
    let gateway = |role| Gateway {
        if_name: "Vlan10".into(),
        protocol: GatewayProtocol::Vrrp,
        group: 10,
        address: IpAddr::from([10, 0, 10, 1]),
        role,
    };
    let mut bundles = Bundles::default();
    bundles.learn_gateways(at(0), &"leaf1".into(), &[gateway(GatewayRole::Master)]);
    bundles.learn_gateways(at(0), &"leaf2".into(), &[gateway(GatewayRole::Backup)]);
    assert_eq!(bundles.iter().count(), 1);
    assert!(standing(&bundles).iter().all(|(_, reason)| reason.is_none()));
    bundles.learn_gateways(at(9), &"leaf2".into(), &[gateway(GatewayRole::Idle)]);
    assert!(standing(&bundles)[1].1.is_some());
    bundles.learn_gateways(at(10), &"leaf1".into(), &[]);
    assert!(standing(&bundles)[0].1.is_some());
}
