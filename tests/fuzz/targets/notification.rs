//! Traps and informs of any bytes: no panic, and no reply that is larger than what came by much.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use selvedge::fabric::{Secret, Timestamp};
use selvedge::snmp::{Access, LocalEngine, Receiver, User, UserKeys, Version};

fuzz_target!(|datagrams: Vec<Vec<u8>>| {
    let user = User { name: "u".into(), auth: None, privacy: None, context: String::new() };
    let accesses = vec![
        Access::Community { version: Version::V2c, community: Secret::new("c") },
        Access::User(Arc::new(UserKeys::derive(&user).expect("without passwords there is nothing to derive"))),
    ];
    let engine = LocalEngine { id: [1, 2, 3, 4, 5].into(), boots: 1, started: Timestamp::from_secs(0) };
    let (mut receiver, mut reply) = (Receiver::new(accesses, engine, 1), Vec::new());
    for mut datagram in datagrams {
        let length = datagram.len();
        let _ = receiver.receive(Timestamp::from_secs(9), &mut datagram, &mut reply);
        assert!(reply.len() <= length + 256);
    }
});
