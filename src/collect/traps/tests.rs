use super::*;
use crate::snmp::message::{self, Body, Message, PduHeader, PduKind};
use crate::snmp::{Value, VarBind, Version};

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

/// What a notification with these objects tells.
fn tells(trap: &str, objects: &[(&str, Value<'_>)]) -> Told {
    let names: Vec<Oid> = objects.iter().map(|(name, _)| oid(name)).collect();
    let varbinds = names.iter().zip(objects).map(|(name, (_, value))| VarBind { name: name.as_ref(), value: *value });
    let header = PduHeader { kind: PduKind::TrapV2, request_id: 1, error_status: 0, error_index: 0 };
    let mut datagram = Vec::new();
    message::encode_community(Version::V2c, b"public", header, varbinds, &mut datagram);
    let Ok(Message::Community(decoded)) = message::decode(&datagram) else { panic!("not readable") };
    let Body::Pdu(pdu) = decoded.body else { panic!("no pdu") };
    told(&oid(trap), &pdu.varbinds)
}

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";
const LINK_UP: &str = "1.3.6.1.6.3.1.1.5.4";

fn link(if_index: impl Into<Option<u32>>, status: impl Into<Option<OperStatus>>) -> Told {
    Told::Link { if_index: if_index.into(), status: status.into() }
}

#[test]
fn links_are_named_by_value_or_by_instance() {
    let index = ("1.3.6.1.2.1.2.2.1.1.7", Value::Integer(7));
    assert_eq!(tells(LINK_DOWN, &[index]), link(7, OperStatus::Down));
    assert_eq!(tells(LINK_UP, &[index]), link(7, OperStatus::Up));
    assert_eq!(tells(LINK_UP, &[("1.3.6.1.2.1.2.2.1.8.9", Value::Integer(1))]), link(9, OperStatus::Up));
    assert_eq!(tells(LINK_UP, &[("1.3.6.1.2.1.2.2.1.2.9", Value::OctetString(b"x"))]), link(9, OperStatus::Up));
    // The value of ifIndex counts more than where it stands: some agents put it under another instance.
    assert_eq!(tells(LINK_UP, &[("1.3.6.1.2.1.2.2.1.1.0", Value::Integer(5))]), link(5, OperStatus::Up));
    assert_eq!(tells(LINK_DOWN, &[]), link(None, OperStatus::Down));
    assert_eq!(tells(LINK_DOWN, &[("1.3.6.1.4.1.9.1.7", Value::Integer(1))]), link(None, OperStatus::Down));
}

#[test]
fn the_state_in_a_link_trap_counts_only_where_it_may() {
    let with = |trap, status| tells(trap, &[("1.3.6.1.2.1.2.2.1.8.7", Value::Integer(status))]);
    // linkDown: the state may be the one that is being left.
    assert_eq!(with(LINK_DOWN, 1), link(7, OperStatus::Down));
    assert_eq!(with(LINK_DOWN, 2), link(7, OperStatus::Down));
    assert_eq!(with(LINK_DOWN, 7), link(7, OperStatus::LowerLayerDown));
    assert_eq!(with(LINK_DOWN, 99), link(7, OperStatus::Down));
    // linkUp: the state is the one that was reached.
    assert_eq!(with(LINK_UP, 1), link(7, OperStatus::Up));
    assert_eq!(with(LINK_UP, 5), link(7, OperStatus::Dormant));
    assert_eq!(with(LINK_UP, 7), link(7, OperStatus::LowerLayerDown));
    assert_eq!(with(LINK_UP, 99), link(7, OperStatus::Up));
    assert_eq!(with(LINK_UP, 2), link(7, None), "up and down at once is no event");
}

#[test]
fn other_notifications() {
    assert_eq!(tells("1.3.6.1.6.3.1.1.5.1", &[]), Told::Started);
    assert_eq!(tells("1.3.6.1.6.3.1.1.5.2", &[]), Told::Started);
    assert_eq!(tells("1.3.6.1.6.3.1.1.5.5", &[]), Told::Other, "authenticationFailure");
    assert_eq!(tells("1.0.8802.1.1.2.0.0.1", &[]), Told::Neighbors);
    assert_eq!(tells("1.3.6.1.6.3.1.1.5", &[]), Told::Other);
    assert_eq!(tells("1.3.6.1.6.3.1.1.5.3.1", &[]), Told::Other);
}

#[test]
fn a_bucket_lets_a_burst_through_and_then_the_rate() {
    let start = Timestamp::from_secs(100);
    let mut bucket = Bucket { tokens: BURST, filled_at: start };
    let taken = (0..1_000).filter(|_| bucket.take(start)).count();
    assert_eq!(taken, 100);
    let later: usize = (1..=10_000).filter(|ms| bucket.take(start + Duration::from_millis(*ms))).count();
    assert!((199..=201).contains(&later), "{later} in ten seconds");
    assert!(!bucket.is_full(start + Duration::from_secs(10)));
    assert!(bucket.is_full(start + Duration::from_secs(20)));
}
