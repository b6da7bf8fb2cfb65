//! Traps and informs from senders of every kind.

use proptest::prelude::*;

use super::*;
use crate::fabric::Secret;
use crate::snmp::message::{PduHeader, put_pdu};
use crate::snmp::proving::{ENGINE_ID, at, engine, oid, user, user_named, v2c};
use crate::snmp::usm::{Envelope, Salts, UserKeys};
use crate::snmp::{Agent, AuthProtocol, PrivProtocol, User, VarBind};

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";
const IF_INDEX: &str = "1.3.6.1.2.1.2.2.1.1.7";

fn own_engine() -> LocalEngine {
    LocalEngine { id: [0x80, 0, 0x7f, 0xd9, 5, 1, 2, 3].into(), boots: 2, started: at(-1_000) }
}

fn receiver(accesses: Vec<Access>) -> Receiver {
    Receiver::new(accesses, own_engine(), 5)
}

/// The bindings of a linkDown.
fn with_bindings<T>(then: impl FnOnce(&[VarBind<'_>]) -> T) -> T {
    let (uptime, trap, link_down, index) = (SYS_UP_TIME, SNMP_TRAP_OID, oid(LINK_DOWN), oid(IF_INDEX));
    then(&[
        VarBind { name: uptime.as_ref(), value: Value::TimeTicks(4_711) },
        VarBind { name: trap.as_ref(), value: Value::Oid(link_down.as_ref()) },
        VarBind { name: index.as_ref(), value: Value::Integer(7) },
    ])
}

fn trap(agent: &mut Agent, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    with_bindings(|bindings| agent.trap(now, bindings, &mut out));
    out
}

fn is_link_down(notification: &Notification<'_>) -> bool {
    let index = notification.varbinds.iter().flatten().any(|varbind| varbind.name == oid(IF_INDEX).as_ref());
    notification.trap == oid(LINK_DOWN) && notification.uptime == Some(Uptime(4_711)) && index
}

#[track_caller]
fn accepted(received: Received<'_>) -> Notification<'_> {
    match received {
        Received::Notification(notification) => notification,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn rejected(received: Received<'_>) -> Rejected {
    match received {
        Received::Rejected(rejected) => rejected,
        other => panic!("{other:?}"),
    }
}

#[test]
fn traps_are_taken_from_those_who_are_known() {
    let secured = user(Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128));
    let mut receiver = receiver(vec![v2c("other"), v2c("public"), user(None, None), secured.clone()]);
    // The third has the fourth's name, and is told apart by its security level.
    for (place, access) in [(1, v2c("public")), (2, user(None, None)), (3, secured)] {
        let mut sender = Agent::new(access, engine(3, -500), 1_472, 9);
        let (mut datagram, mut reply) = (trap(&mut sender, at(0)), vec![1]);
        let notification = accepted(receiver.receive(at(0), &mut datagram, &mut reply));
        assert!(is_link_down(&notification), "{notification:?}");
        assert_eq!((notification.access, notification.inform), (place, false));
        assert_eq!(notification.engine_id, if place == 3 || place == 2 { &ENGINE_ID[..] } else { &[] });
        assert!(reply.is_empty());
    }
}

#[test]
fn rejections_are_told_apart() {
    let (auth, privacy) = (AuthProtocol::Sha256, PrivProtocol::Aes128);
    let ours = user_named("watcher", Some((auth, "maplesyrup")), Some((privacy, "pancakes!")));
    let mut receiver = receiver(vec![v2c("public"), ours]);
    for (access, reason) in [
        (v2c("private"), Rejected::UnknownCommunity),
        (user_named("nobody", None, None), Rejected::UnknownUser),
        (user_named("watcher", None, None), Rejected::UnsupportedSecurityLevel),
        (user_named("watcher", Some((auth, "maplesyrup")), None), Rejected::UnsupportedSecurityLevel),
        (user_named("watcher", Some((auth, "wrong-password")), Some((privacy, "pancakes!"))), Rejected::WrongDigest),
        (user_named("watcher", Some((auth, "maplesyrup")), Some((privacy, "waffles!!"))), Rejected::DecryptionError),
    ] {
        let mut datagram = trap(&mut Agent::new(access.clone(), engine(3, -500), 1_472, 9), at(0));
        let received = receiver.receive(at(0), &mut datagram, &mut Vec::new());
        assert_eq!(rejected(received), reason, "{access:?}");
    }
    let mut reply = Vec::new();
    let garbage = rejected(receiver.receive(at(0), &mut [0x30, 0xb3], &mut reply));
    assert_eq!(garbage, Rejected::Undecodable(DecodeError::Truncated));
    let header = PduHeader { kind: PduKind::Get, request_id: 1, error_status: 0, error_index: 0 };
    let mut request = Vec::new();
    message::encode_community(Version::V2c, b"public", header, [], &mut request);
    assert_eq!(rejected(receiver.receive(at(0), &mut request, &mut reply)), Rejected::NotANotification);
    let header = PduHeader { kind: PduKind::TrapV2, ..header };
    let mut nameless = Vec::new();
    message::encode_community(Version::V2c, b"public", header, [], &mut nameless);
    assert_eq!(rejected(receiver.receive(at(0), &mut nameless, &mut reply)), Rejected::NotANotification);
}

#[test]
fn an_old_trap_is_not_believed_twice() {
    let access = user(Some(AuthProtocol::Sha1), None);
    let mut receiver = receiver(vec![access.clone()]);
    let mut sender = Agent::new(access.clone(), engine(3, -500), 1_472, 9);
    let (old, mut new) = (trap(&mut sender, at(0)), trap(&mut sender, at(200)));
    assert!(is_link_down(&accepted(receiver.receive(at(0), &mut old.clone(), &mut Vec::new()))));
    assert!(is_link_down(&accepted(receiver.receive(at(200), &mut new, &mut Vec::new()))));
    let again = rejected(receiver.receive(at(201), &mut old.clone(), &mut Vec::new()));
    assert_eq!(again, Rejected::NotInTimeWindow);
    // After its next start, nothing of the one before.
    let mut restarted = Agent::new(access, engine(4, 210), 1_472, 9);
    accepted(receiver.receive(at(211), &mut trap(&mut restarted, at(211)), &mut Vec::new()));
    let again = rejected(receiver.receive(at(212), &mut trap(&mut sender, at(212)), &mut Vec::new()));
    assert_eq!(again, Rejected::NotInTimeWindow);
}

#[test]
fn version_1_is_mapped() {
    let mut receiver = receiver(vec![v2c("public")]);
    let enterprise = oid("1.3.6.1.4.1.9.1");
    let index = oid(IF_INDEX);
    for (generic, specific, address, named) in [
        (0, 0, [10, 0, 0, 1], "1.3.6.1.6.3.1.1.5.1"),
        (2, 0, [0, 0, 0, 0], LINK_DOWN),
        (6, 42, [10, 0, 0, 1], "1.3.6.1.4.1.9.1.0.42"),
        (6, -1, [10, 0, 0, 1], "1.3.6.1.4.1.9.1.0.4294967295"),
    ] {
        let trap = TrapV1 {
            enterprise: enterprise.as_ref(),
            agent_address: address.into(),
            generic,
            specific,
            timestamp: 4_711,
            varbinds: VarBinds { bytes: &[], cut: false },
        };
        let mut datagram = Vec::new();
        let varbind = VarBind { name: index.as_ref(), value: Value::Integer(7) };
        message::encode_trap_v1(b"public", &trap, [varbind], &mut datagram);
        let mut reply = Vec::new();
        let notification = accepted(receiver.receive(at(0), &mut datagram, &mut reply));
        assert_eq!(notification.trap, oid(named));
        assert_eq!((notification.version, notification.uptime), (Version::V1, Some(Uptime(4_711))));
        assert_eq!(notification.agent_address, (address != [0; 4]).then(|| address.into()));
        assert_eq!((notification.enterprise, notification.varbinds.iter().count()), (Some(enterprise.clone()), 1));
    }
}

fn inform_header() -> PduHeader {
    PduHeader { kind: PduKind::Inform, request_id: 77, error_status: 0, error_index: 0 }
}

#[test]
fn an_inform_is_acknowledged() {
    let mut receiver = receiver(vec![v2c("public")]);
    let (mut datagram, mut reply) = (Vec::new(), Vec::new());
    with_bindings(|bindings| {
        let bindings = bindings.iter().copied();
        message::encode_community(Version::V2c, b"public", inform_header(), bindings, &mut datagram);
    });
    let notification = accepted(receiver.receive(at(0), &mut datagram, &mut reply));
    assert!(notification.inform && is_link_down(&notification));
    let Ok(Message::Community(CommunityMessage { body: Body::Pdu(pdu), .. })) = message::decode(&reply) else {
        panic!("{reply:02x?}")
    };
    assert_eq!(pdu.header, PduHeader { kind: PduKind::Response, ..inform_header() });
    assert_eq!(pdu.varbinds.iter().count(), 3);
}

/// A sender of informs as RFC 3414 has it: it asks for the engine, then for its time, then informs.
#[test]
fn an_inform_of_version_3_is_discovered_and_acknowledged() {
    let access = user(Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128));
    let Access::User(watcher) = &access else { panic!() };
    let mut receiver =
        receiver(vec![user_named("watcher", Some((AuthProtocol::Sha256, "another-one")), None), access.clone()]);
    let (mut reply, mut salts) = (Vec::new(), Salts::new(3));

    let mut probe = Vec::new();
    let header = PduHeader { kind: PduKind::Get, ..inform_header() };
    usm::seal(&Envelope::discovery(1), (None, None), &mut salts, |out| put_pdu(header, [], out), &mut probe);
    assert!(matches!(receiver.receive(at(0), &mut probe, &mut reply), Received::Discovery));
    let (engine_id, ..) = told(&reply, 1);
    assert_eq!(engine_id, *own_engine().id);
    let keys = watcher.localize(&engine_id);

    let inform = |boots: u32, time: u32, salts: &mut Salts| {
        let envelope = Envelope {
            msg_id: 2,
            reportable: true,
            engine_id: &engine_id,
            boots,
            time,
            user: b"watcher",
            context_engine_id: &engine_id,
            context_name: &[],
        };
        let mut out = Vec::new();
        with_bindings(|bindings| {
            let put_pdu = |out: &mut Vec<u8>| put_pdu(inform_header(), bindings.iter().copied(), out);
            usm::seal(&envelope, keys.both(), salts, put_pdu, &mut out);
        });
        out
    };
    assert!(matches!(receiver.receive(at(0), &mut inform(0, 0, &mut salts), &mut reply), Received::Discovery));
    let (_, boots, time) = told(&reply, 2);
    assert_eq!((boots, time), (2, 1_000));
    let Ok(Message::V3(report)) = message::decode(&reply) else { panic!() };
    assert!(usm::verify(&report, keys.auth.as_ref().unwrap()), "time is told authentically");

    let mut datagram = inform(boots, time, &mut salts);
    let notification = accepted(receiver.receive(at(0), &mut datagram, &mut reply));
    assert!(notification.inform && is_link_down(&notification));
    assert_eq!(notification.access, 1, "of two users of one name, the one with this password");
    let Ok(Message::V3(answer)) = message::decode(&reply) else { panic!("{reply:02x?}") };
    assert!(answer.flags.privacy && usm::verify(&answer, keys.auth.as_ref().unwrap()));
    let sealed = Sealed::new(&reply, &answer);
    let scoped = usm::open(&mut reply, &sealed, keys.privacy.as_ref()).unwrap();
    assert_eq!(scoped.pdu.header, PduHeader { kind: PduKind::Response, ..inform_header() });

    let late = rejected(receiver.receive(at(500), &mut inform(boots, time, &mut salts), &mut reply));
    assert_eq!((late, told(&reply, 2).2), (Rejected::NotInTimeWindow, 1_500));
}

/// What a Report says of the engine that sent it.
fn told(report: &[u8], msg_id: i32) -> (Vec<u8>, u32, u32) {
    match message::decode(report) {
        Ok(Message::V3(message)) => {
            assert_eq!(message.msg_id, msg_id);
            (message.usm.engine_id.to_vec(), message.usm.boots, message.usm.time)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn engines_are_not_remembered_without_end() {
    let user = User {
        name: "watcher".into(),
        auth: Some((AuthProtocol::Sha1, Secret::new("maplesyrup"))),
        privacy: None,
        context: String::new(),
    };
    let keys = std::sync::Arc::new(UserKeys::derive(&user).unwrap());
    let mut receiver = receiver(vec![Access::User(keys.clone())]);
    let peer = || Peer { keys: keys.localize(&ENGINE_ID), clock: Clock::new(1, 1, at(0)), heard: at(0) };
    for engine in 0..MOST_PEERS as u32 {
        let heard = at(i64::from(engine));
        receiver.peers.insert((engine.to_be_bytes().into(), 0), Peer { heard, ..peer() });
    }
    let mut sender = Agent::new(Access::User(keys.clone()), engine(3, -500), 1_472, 9);
    let now = at(1_000_000);
    accepted(receiver.receive(now, &mut trap(&mut sender, now), &mut Vec::new()));
    assert_eq!(receiver.peers.len(), MOST_PEERS / 2);
    assert!(receiver.peers.contains_key(&(ENGINE_ID[..].into(), 0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        random in prop::collection::vec(any::<u8>(), 0..200),
        which in 0usize..2,
    ) {
        let accesses = vec![v2c("public"), user(None, None)];
        let mut sender = Agent::new(accesses[which].clone(), engine(3, -500), 1_472, 9);
        let mut receiver = receiver(accesses);
        let whole = trap(&mut sender, at(0));
        let mut reply = Vec::new();
        for (place, byte) in noise {
            let mut datagram = whole.clone();
            let place = place.index(datagram.len());
            datagram[place] = byte;
            receiver.receive(at(0), &mut datagram, &mut reply);
            datagram.truncate(place);
            receiver.receive(at(0), &mut datagram, &mut reply);
        }
        receiver.receive(at(0), &mut random.clone(), &mut reply);
        prop_assert!(reply.len() < 1_000);
    }
}
