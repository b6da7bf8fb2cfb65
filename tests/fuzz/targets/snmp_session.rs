//! A client hears anything at all, in version 2c and 3: no panic, and its request ends.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use selvedge::fabric::{Secret, Timestamp};
use selvedge::snmp::{Access, Oid, Patience, Request, Session, User, UserKeys, Version, message};

fuzz_target!(|input: (bool, Vec<Vec<u8>>)| {
    let (secured, datagrams) = input;
    let access = if secured {
        let user = User { name: "u".into(), auth: None, privacy: None, context: String::new() };
        Access::User(Arc::new(UserKeys::derive(&user).expect("without passwords there is nothing to derive")))
    } else {
        Access::Community { version: Version::V2c, community: Secret::new("c") }
    };
    let patience = Patience { timeout: Duration::from_secs(2), retries: 2 };
    let mut session = Session::new(access, patience, 1);
    let names = ["1.3.6.1.2.1.1.3.0".parse::<Oid>().expect("a name")];
    let (now, mut out) = (Timestamp::from_secs(1), Vec::new());
    session.request(now, &Request::Get(&names), &mut out);
    for mut datagram in datagrams {
        let _ = message::decode(&datagram);
        let _ = session.receive(now, &mut datagram, &mut out);
    }
    for _ in 0..8 {
        let Some(deadline) = session.next_deadline() else { return };
        session.poll_timeout(deadline, &mut out);
    }
    panic!("the request does not end");
});
