//! Conversations with an agent of ours, in virtual time.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fabric::Secret;
use crate::snmp::proving::{self, AUTHS, PRIVS, agent, at, engine, objects, oid, user, user_named, v2c};
use crate::snmp::{Agent, AuthProtocol, LocalEngine, Oid, PrivProtocol};

const PATIENCE: Patience = Patience { timeout: Duration::from_secs(2), retries: 2 };

fn session(access: &Access) -> Session {
    Session::new(access.clone(), PATIENCE, 99)
}

/// How a request ended.
#[derive(Debug, PartialEq)]
enum Ending {
    Answered(Vec<String>),
    Failed(RequestError),
}

/// Carry datagrams between a session and an agent until the request ends; how many were sent.
fn converse(session: &mut Session, agent: &mut Agent, now: Timestamp, names: &[Oid]) -> (Ending, usize) {
    let objects = objects(4);
    let (mut question, mut answer, mut sent) = (Vec::new(), Vec::new(), 1);
    let id = session.request(now, &Request::Get(names), &mut question);
    loop {
        let _ = agent.answer(now, &mut question, &objects, &mut answer);
        if answer.is_empty() {
            match session.poll_timeout(session.next_deadline().unwrap(), &mut question) {
                Some(Expired::Resend { request }) => assert_eq!(request, id),
                Some(Expired::GaveUp { request, error }) => {
                    assert_eq!(request, id);
                    return (Ending::Failed(error), sent);
                }
                None => panic!("a deadline without a reason"),
            }
            sent += 1;
            continue;
        }
        match session.receive(now, &mut answer, &mut question) {
            Outcome::Response { request, response, .. } => {
                assert_eq!((request, response.error_status), (id, ErrorStatus::NO_ERROR));
                let values = response.varbinds.iter().map(|varbind| varbind.unwrap().value.to_string());
                return (Ending::Answered(values.collect()), sent);
            }
            Outcome::Failed { request, error } => {
                assert_eq!(request, id);
                return (Ending::Failed(error), sent);
            }
            Outcome::Resend { request } => assert_eq!(request, id),
            _ => {
                question.clear();
                answer.clear();
            }
        }
        sent += 1;
    }
}

fn names() -> Vec<Oid> {
    vec![oid(proving::SYS_NAME), oid(proving::SYS_UP_TIME)]
}

fn answered() -> Ending {
    Ending::Answered(vec!["spine1".into(), "4711".into()])
}

#[test]
fn every_security_level_is_spoken() {
    let mut levels = vec![v2c("public"), user(None, None)];
    levels.extend(AUTHS.map(|auth| user(Some(auth), None)));
    levels.extend(PRIVS.map(|privacy| user(Some(AuthProtocol::Sha256), Some(privacy))));
    for (place, access) in levels.iter().enumerate() {
        let mut session = session(access);
        let mut agent = agent(access, engine(3, -500));
        let first = converse(&mut session, &mut agent, at(0), &names());
        // Version 3 asks who is there first; the time comes with it.
        assert_eq!(first, (answered(), if place == 0 { 1 } else { 2 }), "{access:?}");
        assert_eq!(converse(&mut session, &mut agent, at(9_000), &names()), (answered(), 1));
        assert_eq!(session.outstanding(), 0);
    }
}

#[test]
fn a_device_that_restarts_is_met_again() {
    let access = user(Some(AuthProtocol::Sha1), Some(PrivProtocol::Aes128));
    let mut session = session(&access);
    assert_eq!(converse(&mut session, &mut agent(&access, engine(3, -500)), at(0), &names()).1, 2);
    // Its clock began again, and it says so authentically.
    let mut restarted = agent(&access, engine(4, 50));
    assert_eq!(converse(&mut session, &mut restarted, at(60), &names()), (answered(), 2));
    assert_eq!(converse(&mut session, &mut restarted, at(61), &names()), (answered(), 1));
    // It forgot how often it started.
    let mut forgetful = agent(&access, engine(1, 90));
    assert_eq!(converse(&mut session, &mut forgetful, at(100), &names()), (answered(), 2));
    // It is another device.
    let other = LocalEngine { id: [1, 2, 3, 4, 5, 6].into(), ..engine(9, 0) };
    let mut other = agent(&access, other);
    assert_eq!(converse(&mut session, &mut other, at(200), &names()), (answered(), 2));
    assert_eq!(session.engine_id(), Some(&[1, 2, 3, 4, 5, 6][..]));
}

#[test]
fn refusals_are_told_apart() {
    let (auth, privacy) = (AuthProtocol::Sha256, PrivProtocol::Aes128);
    let theirs = user_named("watcher", Some((auth, "maplesyrup")), Some((privacy, "pancakes!")));
    for (access, refusal) in [
        (user_named("nobody", Some((auth, "maplesyrup")), None), Refusal::UnknownUserName),
        (user_named("watcher", Some((auth, "wrong-password")), Some((privacy, "pancakes!"))), Refusal::WrongDigest),
        (
            user_named("watcher", Some((AuthProtocol::Sha1, "maplesyrup")), Some((privacy, "pancakes!"))),
            Refusal::WrongDigest,
        ),
        (user_named("watcher", Some((auth, "maplesyrup")), None), Refusal::UnsupportedSecurityLevel),
        (user_named("watcher", None, None), Refusal::UnsupportedSecurityLevel),
    ] {
        let ending = converse(&mut session(&access), &mut agent(&theirs, engine(3, -500)), at(0), &names());
        assert_eq!(ending, (Ending::Failed(RequestError::Authentication(refusal)), 2), "{access:?}");
    }
    let refused = converse(&mut session(&v2c("wrong")), &mut agent(&v2c("public"), engine(1, 0)), at(0), &names());
    assert_eq!(refused, (Ending::Failed(RequestError::Timeout), 3));
}

#[test]
fn what_is_lost_is_asked_again_soon_and_given_up_no_sooner() {
    let mut session = session(&v2c("public"));
    let mut agent = agent(&v2c("public"), engine(1, 0));
    for second in 0..3 {
        assert_eq!(converse(&mut session, &mut agent, at(second), &names()).0, answered());
    }
    let mut out = Vec::new();
    let request = session.request(at(10), &Request::Get(&names()), &mut out);
    let resent = session.next_deadline().unwrap();
    assert!(resent < at(11), "{resent}");
    assert_eq!(session.poll_timeout(resent, &mut out), Some(Expired::Resend { request }));
    let again = session.next_deadline().unwrap();
    assert!(again > resent && again < at(12), "{again}");
    assert_eq!(session.poll_timeout(again, &mut out), Some(Expired::Resend { request }));
    // Three tries of two seconds are what was configured.
    assert_eq!(session.next_deadline(), Some(at(16)));
    assert_eq!(session.poll_timeout(at(16), &mut out), Some(Expired::GaveUp { request, error: RequestError::Timeout }));
}

#[test]
fn tries_again_and_gives_up_on_time() {
    let mut session = session(&v2c("public"));
    let mut out = Vec::new();
    assert_eq!(session.next_deadline(), None);
    let request = session.request(at(0), &Request::Get(&names()), &mut out);
    let first = out.clone();
    assert_eq!(session.poll_timeout(at(1), &mut out), None);
    assert_eq!(session.next_deadline(), Some(at(2)));
    assert_eq!(session.poll_timeout(at(2), &mut out), Some(Expired::Resend { request }));
    assert_eq!(out, first, "a late answer to the first try is an answer to the second");
    assert_eq!(session.poll_timeout(at(2), &mut out), None);
    assert_eq!(session.poll_timeout(at(4), &mut out), Some(Expired::Resend { request }));
    assert_eq!(session.poll_timeout(at(6), &mut out), Some(Expired::GaveUp { request, error: RequestError::Timeout }));
    assert_eq!((session.poll_timeout(at(99), &mut out), session.next_deadline()), (None, None));
}

#[test]
fn answers_find_their_requests() {
    let access = user(Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128));
    for access in [v2c("public"), access] {
        let (mut session, mut agent) = (session(&access), agent(&access, engine(3, -500)));
        converse(&mut session, &mut agent, at(0), &names());
        let (objects, mut scratch) = (objects(4), Vec::new());
        let mut ask = |session: &mut Session, name: &str| {
            let (mut question, mut answer) = (Vec::new(), Vec::new());
            let id = session.request(at(1), &Request::Get(&[oid(name)]), &mut question);
            agent.answer(at(1), &mut question, &objects, &mut answer).unwrap();
            (id, answer)
        };
        let (one, mut to_one) = ask(&mut session, proving::SYS_NAME);
        let (other, mut to_other) = ask(&mut session, proving::SYS_UP_TIME);
        let (cancelled, mut to_cancelled) = ask(&mut session, proving::SYS_UP_TIME);
        session.cancel(cancelled);
        assert_eq!(session.outstanding(), 2);
        let again = to_one.clone();
        for (id, datagram, value) in [(other, &mut to_other, "4711"), (one, &mut to_one, "spine1")] {
            match session.receive(at(2), datagram, &mut scratch) {
                Outcome::Response { request, response, round_trip } => {
                    assert_eq!((request, round_trip), (id, Duration::from_secs(1)));
                    assert_eq!(response.varbinds.iter().next().unwrap().unwrap().value.to_string(), value);
                }
                other => panic!("{other:?}"),
            }
        }
        for mut datagram in [again, to_cancelled.clone()] {
            assert!(matches!(session.receive(at(2), &mut datagram, &mut scratch), Outcome::Unexpected));
        }
        to_cancelled.truncate(9);
        assert!(matches!(session.receive(at(2), &mut to_cancelled, &mut scratch), Outcome::Undecodable(_)));
    }
}

#[test]
fn nothing_unproven_is_believed() {
    let access = user(Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128));
    let (mut session, mut agent) = (session(&access), agent(&access, engine(3, -500)));
    converse(&mut session, &mut agent, at(0), &names());
    let known = session.engine.as_ref().unwrap().clock;
    let (mut question, mut answer, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let request = session.request(at(1), &Request::Get(&names()), &mut question);
    agent.answer(at(1), &mut question.clone(), &objects(4), &mut answer).unwrap();

    // With another time, or with another MAC.
    for place in 0..answer.len() {
        let mut forged = answer.clone();
        forged[place] ^= 0x40;
        assert!(!matches!(session.receive(at(1), &mut forged, &mut scratch), Outcome::Response { .. }));
        assert_eq!((session.engine.as_ref().unwrap().clock, session.outstanding()), (known, 1), "byte {place}");
    }
    // In clear, by somebody who saw the question.
    let Ok(Message::V3(asked)) = message::decode(&question) else { panic!() };
    let header = PduHeader { kind: PduKind::Response, request_id: request.0, error_status: 0, error_index: 0 };
    let envelope = Envelope {
        msg_id: asked.msg_id,
        reportable: false,
        engine_id: asked.usm.engine_id,
        boots: 9,
        time: 9,
        user: b"watcher",
        context_engine_id: asked.usm.engine_id,
        context_name: &[],
    };
    let mut forged = Vec::new();
    let put_pdu = |out: &mut Vec<u8>| message::put_pdu(header, [], out);
    usm::seal(&envelope, (None, None), &mut Salts::new(1), put_pdu, &mut forged);
    assert!(matches!(session.receive(at(1), &mut forged, &mut scratch), Outcome::Forged));
    assert_eq!(session.engine.as_ref().unwrap().clock, known);
    // The true one still counts.
    assert!(matches!(session.receive(at(1), &mut answer.clone(), &mut scratch), Outcome::Response { .. }));

    // An answer that was held back for too long is none.
    session.request(at(2), &Request::Get(&names()), &mut question);
    agent.answer(at(2), &mut question, &objects(4), &mut answer).unwrap();
    let mut clock = session.engine.as_ref().unwrap().clock.unwrap();
    assert!(clock.accept(3, 502 + 151, at(2)));
    session.engine.as_mut().unwrap().clock = Some(clock);
    assert!(matches!(session.receive(at(2), &mut answer, &mut scratch), Outcome::Forged));
    let mut end = None;
    while let Some(expired) = session.poll_timeout(session.next_deadline().unwrap_or(at(0)), &mut scratch) {
        end = Some(expired);
    }
    assert!(matches!(end, Some(Expired::GaveUp { error: RequestError::Forged, .. })));
}

#[test]
fn reports_without_end_end() {
    let access = user(Some(AuthProtocol::Sha256), None);
    let mut session = session(&access);
    let (mut question, mut answer) = (Vec::new(), Vec::new());
    session.request(at(0), &Request::Get(&names()), &mut question);
    for round in 0..20u8 {
        // Every time somebody else is there.
        let stranger = LocalEngine { id: [round + 1; 8].into(), ..engine(1, 0) };
        let _ = agent(&access, stranger).answer(at(0), &mut question, &objects(1), &mut answer);
        match session.receive(at(0), &mut answer, &mut question) {
            Outcome::Resend { .. } => (),
            Outcome::Failed { error, .. } => {
                assert_eq!((error, round), (RequestError::EngineUnsettled, MOST_REPORTS));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("for ever");
}

#[test]
fn version_1_asks_one_by_one() {
    let access = Access::Community { version: Version::V1, community: Secret::new("public") };
    let mut session = session(&access);
    let (mut question, mut answer) = (Vec::new(), Vec::new());
    let names = [oid("1.3.6.1.2.1.1.3"), oid("1.3.6.1.2.1.1.4")];
    session.request(at(0), &Request::GetBulk { non_repeaters: 1, max_repetitions: 9, names: &names }, &mut question);
    agent(&access, engine(1, 0)).answer(at(0), &mut question.clone(), &objects(4), &mut answer).unwrap();
    match session.receive(at(0), &mut answer, &mut question) {
        Outcome::Response { response, .. } => assert_eq!(response.varbinds.iter().count(), 2),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever arrives: no panic, and a request ends at its deadline all the same.
    #[test]
    fn noise_is_survived(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        random in prop::collection::vec(any::<u8>(), 0..200),
        secured: bool,
    ) {
        let access = if secured { user(None, None) } else { v2c("public") };
        let (mut session, mut agent) = (session(&access), agent(&access, engine(3, -500)));
        let (mut question, mut answer) = (Vec::new(), Vec::new());
        session.request(at(0), &Request::Get(&names()), &mut question);
        let _ = agent.answer(at(0), &mut question, &objects(4), &mut answer);
        for (place, byte) in noise {
            let mut noisy = answer.clone();
            let place = place.index(noisy.len());
            noisy[place] = byte;
            session.receive(at(0), &mut noisy, &mut question);
            noisy.truncate(place);
            session.receive(at(0), &mut noisy, &mut question);
        }
        session.receive(at(0), &mut random.clone(), &mut question);
        let mut turns = 0;
        while let Some(deadline) = session.next_deadline() {
            session.poll_timeout(deadline, &mut question);
            turns += 1;
            prop_assert!(turns <= 3);
        }
    }
}
