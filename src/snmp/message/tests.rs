//! Our codec against itself, against an independent one, and against noise.

use async_snmp::message::{CommunityMessage as TheirMessage, CommunityPdu};
use async_snmp::pdu::{GenericTrap, TrapV1Notification};
use async_snmp::{DecodeConfig, GetBulkPdu, NotificationPdu, RequestPdu, ResponsePdu};
use proptest::prelude::*;

use super::*;
use crate::snmp::Value;
use crate::snmp::oid::Oid;

/// A value that owns what it says.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Integer(i32),
    Octets(Vec<u8>),
    Null,
    Oid(Oid),
    Address([u8; 4]),
    Counter32(u32),
    Gauge32(u32),
    Ticks(u32),
    Opaque(Vec<u8>),
    Counter64(u64),
    NoSuchObject,
    NoSuchInstance,
    EndOfMibView,
}

impl Owned {
    fn ours(&self) -> Value<'_> {
        match self {
            Self::Integer(value) => Value::Integer((*value).into()),
            Self::Octets(bytes) => Value::OctetString(bytes),
            Self::Null => Value::Null,
            Self::Oid(oid) => Value::Oid(oid.as_ref()),
            Self::Address(octets) => Value::IpAddress((*octets).into()),
            Self::Counter32(value) => Value::Counter32(*value),
            Self::Gauge32(value) => Value::Gauge32(*value),
            Self::Ticks(value) => Value::TimeTicks(*value),
            Self::Opaque(bytes) => Value::Opaque(bytes),
            Self::Counter64(value) => Value::Counter64(*value),
            Self::NoSuchObject => Value::NoSuchObject,
            Self::NoSuchInstance => Value::NoSuchInstance,
            Self::EndOfMibView => Value::EndOfMibView,
        }
    }

    fn theirs(&self) -> async_snmp::Value {
        use async_snmp::Value as Theirs;
        match self {
            Self::Integer(value) => Theirs::Integer(*value),
            Self::Octets(bytes) => Theirs::OctetString(bytes.clone().into()),
            Self::Null => Theirs::Null,
            Self::Oid(oid) => Theirs::ObjectIdentifier(their_oid(oid)),
            Self::Address(octets) => Theirs::IpAddress(*octets),
            Self::Counter32(value) => Theirs::Counter32(*value),
            Self::Gauge32(value) => Theirs::Gauge32(*value),
            Self::Ticks(value) => Theirs::TimeTicks(*value),
            Self::Opaque(bytes) => Theirs::Opaque(bytes.clone().into()),
            Self::Counter64(value) => Theirs::Counter64(*value),
            Self::NoSuchObject => Theirs::NoSuchObject,
            Self::NoSuchInstance => Theirs::NoSuchInstance,
            Self::EndOfMibView => Theirs::EndOfMibView,
        }
    }
}

fn their_oid(oid: &Oid) -> async_snmp::Oid {
    async_snmp::Oid::new(oid.arcs())
}

fn oid() -> impl Strategy<Value = Oid> {
    prop::collection::vec(prop_oneof![0u32..200, any::<u32>()], 0..20)
        .prop_map(|arcs| Oid::from_arcs(&[&[1, 3, 6][..], &arcs].concat()).unwrap())
}

fn value() -> impl Strategy<Value = Owned> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        any::<i32>().prop_map(Owned::Integer),
        bytes().prop_map(Owned::Octets),
        Just(Owned::Null),
        oid().prop_map(Owned::Oid),
        any::<[u8; 4]>().prop_map(Owned::Address),
        any::<u32>().prop_map(Owned::Counter32),
        any::<u32>().prop_map(Owned::Gauge32),
        any::<u32>().prop_map(Owned::Ticks),
        bytes().prop_map(Owned::Opaque),
        any::<u64>().prop_map(Owned::Counter64),
        Just(Owned::NoSuchObject),
        Just(Owned::NoSuchInstance),
        Just(Owned::EndOfMibView),
    ]
}

fn varbinds() -> impl Strategy<Value = Vec<(Oid, Owned)>> {
    prop::collection::vec((oid(), value()), 0..30)
}

fn ours(varbinds: &[(Oid, Owned)]) -> impl Iterator<Item = VarBind<'_>> {
    varbinds.iter().map(|(name, value)| VarBind { name: name.as_ref(), value: value.ours() })
}

fn theirs(varbinds: &[(Oid, Owned)]) -> Vec<async_snmp::VarBind> {
    varbinds.iter().map(|(name, value)| async_snmp::VarBind::new(their_oid(name), value.theirs())).collect()
}

fn community(bytes: &[u8]) -> CommunityMessage<'_> {
    match decode(bytes).unwrap() {
        Message::Community(message) => message,
        Message::V3(_) => panic!("not a community message"),
    }
}

fn pdu(bytes: &[u8]) -> Pdu<'_> {
    match community(bytes).body {
        Body::Pdu(pdu) => pdu,
        Body::TrapV1(_) => panic!("not a PDU"),
    }
}

fn response() -> PduHeader {
    PduHeader { kind: PduKind::Response, request_id: 0x1234_5678, error_status: 0, error_index: 0 }
}

/// What a notification may carry.
fn is_concrete(value: &async_snmp::Value) -> bool {
    !value.is_exception() && *value != async_snmp::Value::Null
}

/// A response with one binding whose value is these bytes.
fn with_value(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let varbind = VarBind { name: Oid::literal(&[1, 3]).as_ref(), value: Value::Null }.name.to_owned();
    put_community(
        Version::V2c,
        b"public",
        |out| {
            let pdu = open_pdu(response(), out);
            let list = ber::open(out, tag::SEQUENCE);
            let one = ber::open(out, tag::SEQUENCE);
            ber::put(out, tag::OBJECT_IDENTIFIER, varbind.as_bytes());
            out.extend_from_slice(encoded);
            ber::close(out, one);
            VarBind { name: varbind.as_ref(), value: Value::Integer(1) }.put(out);
            ber::close(out, list);
            ber::close(out, pdu);
        },
        &mut out,
    );
    out
}

#[test]
fn values_are_taken_as_devices_mean_them() {
    for (encoded, value) in [
        (&[0x46, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], Value::Counter64(u64::MAX)),
        (&[0x46, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], Value::Counter64(u64::MAX - 1)),
        (&[0x41, 4, 0xff, 0xff, 0xff, 0xfe], Value::Counter32(u32::MAX - 1)),
        (&[0x41, 5, 0, 0xff, 0xff, 0xff, 0xff], Value::Counter32(u32::MAX)),
        (&[0x42, 8, 0, 0, 0, 0, 0, 0, 0, 7], Value::Gauge32(7)),
        (&[0x47, 1, 7], Value::Gauge32(7)),
        (&[0x43, 0x81, 1, 7], Value::TimeTicks(7)),
        (&[0x02, 5, 0, 0xff, 0xff, 0xff, 0xff], Value::Integer(0xffff_ffff)),
        (&[0x02, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf9], Value::Integer(-7)),
        (&[0x06, 0], Value::Oid(OidRef::from_bytes(&[]).unwrap())),
    ] {
        let message = with_value(encoded);
        let mut found = pdu(&message).varbinds.iter();
        assert_eq!(found.next().unwrap().unwrap().value, value, "{encoded:02x?}");
        assert_eq!(found.next().unwrap().unwrap().value, Value::Integer(1));
    }
}

#[test]
fn one_bad_value_does_not_lose_the_rest() {
    for encoded in [
        &[0x41, 0][..],
        &[0x41, 5, 1, 0, 0, 0, 0],
        &[0x46, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x41, 11, b'n', b'o', b't', b' ', b'a', b' ', b'n', b'u', b'm', b'b', b'r'],
        &[0x40, 3, 1, 2, 3],
        &[0x06, 1, 0x80],
        &[0x45, 1, 1],
        &[0x9f, 0x78, 4, 0, 0, 0, 0],
        &[0x04, 99, 1],
        &[0x30, 0x80],
        &[],
    ] {
        let message = with_value(encoded);
        let found: Vec<_> = pdu(&message).varbinds.iter().collect();
        let bad = found[0].unwrap().value;
        assert!(matches!(bad, Value::Unsupported { .. }), "{encoded:02x?} is {bad:?}");
        assert_eq!(found[1].unwrap().value, Value::Integer(1));
    }
}

#[test]
fn a_binding_without_a_name_is_an_error_in_its_place() {
    let mut message = with_value(&[0x05, 0]);
    let at = message.windows(3).position(|bytes| bytes == [0x06, 1, 0x2b]).unwrap();
    message[at] = 0x04;
    let found: Vec<_> = pdu(&message).varbinds.iter().collect();
    assert_eq!(found[0], Err(DecodeError::UnexpectedTag { expected: 6, found: 4 }));
    assert!(found[1].is_ok());
}

#[test]
fn what_is_cut_off_keeps_its_beginning() {
    let varbinds: Vec<_> = (0..10).map(|at| (Oid::from_arcs(&[1, 3, at]).unwrap(), Owned::Counter64(7))).collect();
    let mut whole = Vec::new();
    encode_community(Version::V2c, b"public", response(), ours(&varbinds), &mut whole);
    whole.extend_from_slice(b"behind");
    assert!(!pdu(&whole).varbinds.is_cut());
    assert_eq!(pdu(&whole).varbinds.iter().count(), 10);
    let cut = &whole[..whole.len() - 20];
    let found: Vec<_> = pdu(cut).varbinds.iter().collect();
    assert!(pdu(cut).varbinds.is_cut());
    assert!((8..10).contains(&found.iter().filter(|found| found.is_ok()).count()));
    assert_eq!(found.last(), Some(&Err(DecodeError::Truncated)));
}

#[test]
fn refuses_what_is_no_message() {
    let refused = |bytes: &[u8]| decode(bytes).unwrap_err();
    assert_eq!(refused(&[]), DecodeError::Truncated);
    assert_eq!(refused(&[0x30, 0xb3]), DecodeError::Truncated);
    assert_eq!(refused(&[0x30, 0x80, 0x02, 1, 1, 0, 0]), DecodeError::BadLength);
    assert_eq!(refused(&[0x30, 3, 0x02, 1, 7]), DecodeError::UnknownVersion(7));
    assert_eq!(refused(&[0x04, 0]), DecodeError::UnexpectedTag { expected: 0x30, found: 4 });
    assert_eq!(refused(&[0x30, 8, 2, 1, 1, 4, 0, 0xa9, 0, 0]), DecodeError::UnknownPdu(0xa9));
    // Nothing recurses.
    assert!(decode(&[0x30; 60_000]).is_err());
    assert!(decode(&[&[0x30, 0x83, 1, 0, 0][..]; 12_000].concat()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ours_reads_ours_and_theirs_reads_ours(
        varbinds in varbinds(),
        secret in prop::collection::vec(any::<u8>(), 0..40),
        request_id: i32,
    ) {
        let header = PduHeader { request_id, ..response() };
        let mut out = Vec::new();
        encode_community(Version::V2c, &secret, header, ours(&varbinds), &mut out);
        prop_assert_eq!(community(&out).community, &secret[..]);
        let decoded = pdu(&out);
        prop_assert_eq!(decoded.header, header);
        let found: Result<Vec<_>, _> = decoded.varbinds.iter().collect();
        prop_assert_eq!(found, Ok(ours(&varbinds).collect()));
        for varbind in ours(&varbinds) {
            let mut one = Vec::new();
            varbind.put(&mut one);
            // It needs all of its room, and no more than that.
            let mut within = b"before".to_vec();
            prop_assert!(!varbind.put_within(within.len() + one.len() - 1, &mut within));
            prop_assert_eq!(&within, b"before");
            prop_assert!(varbind.put_within(within.len() + one.len(), &mut within));
            prop_assert_eq!(&within[6..], one);
        }
        let outcome = TheirMessage::decode(out.into(), DecodeConfig::STRICT).unwrap();
        let CommunityPdu::Standard(their) = outcome.value.pdu() else { panic!() };
        prop_assert_eq!(their.varbinds(), &theirs(&varbinds)[..]);
    }

    #[test]
    fn ours_reads_theirs(varbinds in varbinds(), request_id: i32, kind in 0..6, m in 0i32..1_000, n in 0i32..9) {
        let names: Vec<_> = varbinds.iter().map(|(name, _)| their_oid(name)).collect();
        let version = async_snmp::Version::V2c;
        let values: Vec<_> = theirs(&varbinds).into_iter().filter(|varbind| is_concrete(&varbind.value)).collect();
        let null = |varbinds: &[(Oid, Owned)]| -> Vec<(Oid, Owned)> {
            varbinds.iter().map(|(name, _)| (name.clone(), Owned::Null)).collect()
        };
        let concrete = || -> Vec<(Oid, Owned)> {
            varbinds.iter().filter(|(_, value)| is_concrete(&value.theirs())).cloned().collect()
        };
        let trap = Oid::literal(&[1, 3, 6, 1, 6, 3, 1, 1, 5, 3]);
        let with_head = || {
            let head = [
                (Oid::literal(&[1, 3, 6, 1, 2, 1, 1, 3, 0]), Owned::Ticks(99)),
                (Oid::literal(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0]), Owned::Oid(trap.clone())),
            ];
            [&head[..], &concrete()].concat()
        };
        let (their, kind, status, index, expected): (CommunityPdu, _, _, _, _) = match kind {
            0 => (RequestPdu::get(version, request_id, &names).unwrap().into_raw().into(), PduKind::Get, 0, 0, null(&varbinds)),
            1 => (RequestPdu::get_next(version, request_id, &names).unwrap().into_raw().into(), PduKind::GetNext, 0, 0, null(&varbinds)),
            2 => {
                let n = n.min(names.len() as i32);
                let bulk = GetBulkPdu::new(version, request_id, n as u32, m as u32, theirs(&null(&varbinds))).unwrap();
                (bulk.into_raw().into(), PduKind::GetBulk, n, m, null(&varbinds))
            }
            3 => (ResponsePdu::success(version, request_id, theirs(&varbinds)).unwrap().into_raw().into(), PduKind::Response, 0, 0, varbinds.clone()),
            4 => (NotificationPdu::trap_v2(version, request_id, 99, &their_oid(&trap), values).unwrap().into_raw().into(), PduKind::TrapV2, 0, 0, with_head()),
            _ => (NotificationPdu::inform(version, request_id, 99, &their_oid(&trap), values).unwrap().into_raw().into(), PduKind::Inform, 0, 0, with_head()),
        };
        let CommunityPdu::Standard(their) = their else { panic!() };
        let bytes = TheirMessage::v2c(&b"public"[..], their).unwrap().encode().unwrap();
        let decoded = pdu(&bytes);
        let header = PduHeader { kind, request_id, error_status: status, error_index: index };
        prop_assert_eq!(decoded.header, header);
        let found: Result<Vec<_>, _> = decoded.varbinds.iter().collect();
        prop_assert_eq!(found, Ok(ours(&expected).collect()));
        // And ours are the same bytes.
        let mut out = Vec::new();
        encode_community(Version::V2c, b"public", header, ours(&expected), &mut out);
        prop_assert_eq!(out, bytes.to_vec());
    }

    #[test]
    fn traps_of_version_1_go_both_ways(enterprise in oid(), address: [u8; 4], generic in 0i32..7, specific: i32, ticks: u32) {
        let their = TrapV1Notification::new(
            their_oid(&enterprise), address, GenericTrap::from_i32(generic), specific, ticks, vec![],
        ).unwrap();
        let bytes = TheirMessage::v1_trap(&b"public"[..], their.into_raw()).unwrap().encode().unwrap();
        let Body::TrapV1(trap) = community(&bytes).body else { panic!() };
        prop_assert_eq!(trap.enterprise, enterprise.as_ref());
        prop_assert_eq!(trap.agent_address.octets(), address);
        prop_assert_eq!((trap.generic, trap.specific, trap.timestamp), (generic, specific, ticks));
        let mut out = Vec::new();
        encode_trap_v1(b"public", &trap, [], &mut out);
        prop_assert_eq!(out, bytes.to_vec());
    }

    /// Whatever arrives: no panic, and no more bindings than bytes.
    #[test]
    fn noise_is_survived(
        varbinds in varbinds(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        encode_community(Version::V2c, b"public", response(), ours(&varbinds), &mut bytes);
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(keep.index(bytes.len() + 1).max(bytes.len() / 2));
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..300), lead in 0usize..3) {
        let prefix: &[u8] = [&[][..], &[0x30, 0x82, 1, 0, 2, 1, 1, 4, 0, 0xa2], &[0x30, 0x7f, 2, 1, 3, 0x30]][lead];
        bytes.splice(..0, prefix.iter().copied());
        read_all(&bytes);
        // What a wrong key decrypts to.
        let _ = ScopedPdu::decode(&bytes);
    }
}

fn read_all(bytes: &[u8]) {
    let varbinds = match decode(bytes) {
        Ok(Message::Community(CommunityMessage { body: Body::Pdu(pdu), .. })) => pdu.varbinds,
        Ok(Message::Community(CommunityMessage { body: Body::TrapV1(trap), .. })) => trap.varbinds,
        Ok(Message::V3(V3Message { data: ScopedData::Plain(text), .. })) => match ScopedPdu::decode(text) {
            Ok(scoped) => scoped.pdu.varbinds,
            Err(_) => return,
        },
        _ => return,
    };
    let found = varbinds.iter().inspect(|found| drop(format!("{found:?}"))).count();
    assert!(found <= bytes.len());
    varbinds.is_cut();
}
