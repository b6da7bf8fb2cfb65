//! Requests and their answers, by the book.

use proptest::prelude::*;

use super::*;
use crate::snmp::message::CommunityMessage;
use crate::snmp::proving::{Held, SYS_NAME, SYS_UP_TIME, at, engine, objects, oid, v2c};
use crate::snmp::table::{Limits, Pace, Progress, TablePlan, TableWalk, WalkEnd};
use crate::snmp::{Outcome, Patience, Session};

fn request(version: Version, kind: PduKind, status: i32, index: i32, names: &[&str]) -> Vec<u8> {
    let header = PduHeader { kind, request_id: 77, error_status: status, error_index: index };
    let names: Vec<Oid> = names.iter().map(|name| oid(name)).collect();
    let mut out = Vec::new();
    let varbinds = names.iter().map(|name| VarBind { name: name.as_ref(), value: Value::Null });
    message::encode_community(version, b"public", header, varbinds, &mut out);
    out
}

/// error-status, error-index and the bindings as text.
fn answer(max_size: usize, mut datagram: Vec<u8>) -> (i32, i32, Vec<String>) {
    let mut agent = Agent::new(v2c("public"), engine(1, 0), max_size, 7);
    let mut out = Vec::new();
    agent.answer(at(0), &mut datagram, &objects(4), &mut out).unwrap();
    assert!(out.len() <= max_size.max(100), "{} bytes", out.len());
    let Ok(Message::Community(CommunityMessage { body: Body::Pdu(pdu), .. })) = message::decode(&out) else {
        panic!("{out:02x?}")
    };
    assert_eq!((pdu.header.kind, pdu.header.request_id), (PduKind::Response, 77));
    let shown = pdu.varbinds.iter().map(|varbind| {
        let varbind = varbind.unwrap();
        format!("{}={}", varbind.name, varbind.value)
    });
    (pdu.header.error_status, pdu.header.error_index, shown.collect())
}

const HC_IN: &str = "1.3.6.1.2.1.31.1.1.1.6";
const HC_OUT: &str = "1.3.6.1.2.1.31.1.1.1.10";

#[test]
fn get_and_getnext() {
    let get = |names: &[&str]| answer(1_472, request(Version::V2c, PduKind::Get, 0, 0, names));
    assert_eq!(
        get(&[SYS_NAME, "1.3.6.1.2.1.1.5.1", SYS_UP_TIME]),
        (
            0,
            0,
            vec![
                format!("{SYS_NAME}=spine1"),
                "1.3.6.1.2.1.1.5.1=noSuchInstance".into(),
                format!("{SYS_UP_TIME}=4711")
            ]
        )
    );
    assert_eq!(get(&[]), (0, 0, vec![]));
    let next = |names: &[&str]| answer(1_472, request(Version::V2c, PduKind::GetNext, 0, 0, names));
    assert_eq!(
        next(&["1.3", SYS_NAME, &format!("{HC_OUT}.4")]),
        (
            0,
            0,
            vec![
                format!("{SYS_UP_TIME}=4711"),
                format!("{HC_IN}.1={}", u64::MAX - 1),
                format!("{HC_OUT}.4=endOfMibView")
            ]
        )
    );
}

#[test]
fn getbulk_repeats_until_the_end_or_the_limit() {
    let bulk = |max_size, once, times, names: &[&str]| {
        answer(max_size, request(Version::V2c, PduKind::GetBulk, once, times, names)).2
    };
    let found = bulk(1_472, 1, 2, &["1.3.6.1.2.1.1.3", HC_IN, HC_OUT]);
    assert_eq!(found.len(), 5);
    assert!(found[3].starts_with(&format!("{HC_IN}.2=")) && found[4].starts_with(&format!("{HC_OUT}.2=")));
    // 4 rows, then the next column and the end; it stops when all has ended.
    assert_eq!(bulk(1_472, 0, 100, &[HC_OUT]).len(), 5);
    assert!(bulk(1_472, 0, 100, &[HC_IN, HC_OUT]).last().unwrap().ends_with("=endOfMibView"));
    assert_eq!(bulk(1_472, -5, -5, &[HC_IN]), Vec::<String>::new());
    assert_eq!(bulk(1_472, 9, i32::MAX, &[HC_IN]).len(), 1);
    let cut = bulk(200, 0, 100, &[HC_IN, HC_OUT]).len();
    assert!((4..8).contains(&cut), "{cut}");
}

#[test]
fn what_does_not_fit_is_too_big() {
    let names = vec![SYS_NAME; 50];
    assert_eq!(answer(484, request(Version::V2c, PduKind::Get, 0, 0, &names)), (1, 0, vec![]));
    assert_eq!(answer(484, request(Version::V2c, PduKind::GetNext, 0, 0, &names)), (1, 0, vec![]));
}

#[test]
fn version_1_knows_no_exceptions_and_no_counter64() {
    let v1 = |kind, names: &[&str]| answer(1_472, request(Version::V1, kind, 0, 0, names));
    assert_eq!(v1(PduKind::Get, &[SYS_NAME]).2, [format!("{SYS_NAME}=spine1")]);
    let echoed = vec![format!("{SYS_NAME}=NULL"), "1.3.9=NULL".to_string()];
    assert_eq!(v1(PduKind::Get, &[SYS_NAME, "1.3.9"]), (2, 2, echoed));
    assert_eq!(v1(PduKind::Get, &[&format!("{HC_IN}.1")]).0, 2);
    assert_eq!(v1(PduKind::GetNext, &[SYS_NAME]).0, 2, "nothing but Counter64 follows");
}

#[test]
fn others_are_not_answered() {
    let mut agent = Agent::new(v2c("public"), engine(1, 0), 1_472, 7);
    let mut out = vec![1];
    let mut ask = |mut datagram: Vec<u8>| (agent.answer(at(0), &mut datagram, &objects(1), &mut out), out.is_empty());
    let mut wrong = request(Version::V2c, PduKind::Get, 0, 0, &[SYS_NAME]);
    wrong[8] ^= 1;
    assert_eq!(ask(wrong), (Err(Unanswered::Refused), true));
    let set = request(Version::V2c, PduKind::Set, 0, 0, &[SYS_NAME]);
    assert_eq!(ask(set), (Err(Unanswered::NotARequest), true));
    let bulk = request(Version::V1, PduKind::GetBulk, 0, 5, &[SYS_NAME]);
    assert_eq!(ask(bulk), (Err(Unanswered::NotARequest), true));
    assert_eq!(ask(vec![0x30, 0xb3]), (Err(Unanswered::Undecodable(DecodeError::Truncated)), true));
}

/// The whole path: a walk, a session and an agent, at every message size.
#[test]
fn a_walk_reads_what_an_agent_has() {
    for max_size in [100, 200, 484, 1_472, 9_000] {
        let access = v2c("public");
        let mut agent = Agent::new(access.clone(), engine(1, 0), max_size, 7);
        let patience = Patience { timeout: std::time::Duration::from_secs(1), retries: 0 };
        let mut session = Session::new(access, patience, 3);
        let plan = TablePlan { scalars: vec![oid(SYS_UP_TIME)], columns: vec![oid(HC_IN), oid(HC_OUT)] };
        let mut walk = TableWalk::new(plan.into(), Limits::default(), Pace::default());
        let (objects, mut question, mut reply, mut rows) = (objects(100), Vec::new(), Vec::new(), Vec::new());
        while let Some(asked) = walk.request() {
            session.request(at(0), &asked, &mut question);
            agent.answer(at(0), &mut question, &objects, &mut reply).unwrap();
            let Outcome::Response { response, .. } = session.receive(at(0), &mut reply, &mut question) else {
                panic!("no response")
            };
            let progress = walk.response(&response, |row| {
                assert_eq!(row.scalar(0), Some(Value::TimeTicks(4_711)));
                assert_eq!(row.get(0), row.get(1));
                rows.push((row.index().single().unwrap(), row.get(0).unwrap().as_u64().unwrap()));
            });
            if let Progress::Done(end) = progress {
                assert_eq!(end, WalkEnd::Complete);
            }
        }
        assert!(rows.into_iter().eq((1..=100).map(|row| (row, u64::MAX - u64::from(row)))), "{max_size}");
    }
}

#[test]
fn sorted_objects_keep_the_first_of_a_name() {
    let mut tree = SortedObjects::new(vec![
        (oid("1.3.9"), Held::Ticks(3)),
        (oid("1.3.5"), Held::Ticks(1)),
        (oid("1.3.9"), Held::Ticks(4)),
    ]);
    assert_eq!(tree.get(oid("1.3.9").as_ref()), Value::TimeTicks(3));
    *tree.get_mut(&oid("1.3.9")).unwrap() = Held::Ticks(8);
    assert_eq!(tree.iter_mut().count(), 2);
    assert_eq!(tree.next(oid("1.3.5").as_ref()).unwrap().value, Value::TimeTicks(8));
    assert!(tree.next(oid("1.3.9").as_ref()).is_none() && tree.get_mut(&oid("1.3.7")).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16),
        random in prop::collection::vec(any::<u8>(), 0..200),
        times: i32,
    ) {
        let mut agent = Agent::new(v2c("public"), engine(1, 0), 1_472, 7);
        let (objects, mut out) = (objects(4), Vec::new());
        let whole = request(Version::V2c, PduKind::GetBulk, 1, times, &["1.3.6.1.2.1.1.3", HC_IN, HC_OUT]);
        for (place, byte) in noise {
            let mut datagram = whole.clone();
            let place = place.index(datagram.len());
            datagram[place] = byte;
            let _ = agent.answer(at(0), &mut datagram, &objects, &mut out);
            prop_assert!(out.len() <= 1_472);
        }
        let _ = agent.answer(at(0), &mut random.clone(), &objects, &mut out);
    }
}
