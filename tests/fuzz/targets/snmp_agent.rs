//! Our agent is asked anything at all: it never answers more than it may.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use selvedge::fabric::{Secret, Timestamp};
use selvedge::snmp::agent::{AsValue, SortedObjects};
use selvedge::snmp::{Access, Agent, LocalEngine, User, UserKeys, Value, Version};

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (secured, mut datagram) = input;
    let access = if secured {
        let user = User { name: "u".into(), auth: None, privacy: None, context: String::new() };
        Access::User(Arc::new(UserKeys::derive(&user).expect("without passwords there is nothing to derive")))
    } else {
        Access::Community { version: Version::V2c, community: Secret::new("c") }
    };
    let engine = LocalEngine { id: [1, 2, 3, 4, 5].into(), boots: 1, started: Timestamp::from_secs(0) };
    let mut agent = Agent::new(access, engine, 1_472, 1);
    let objects = (1..200u32).map(|arc| (format!("1.3.{arc}").parse().expect("a name"), Count(arc))).collect();
    let mut out = Vec::new();
    let _ = agent.answer(Timestamp::from_secs(9), &mut datagram, &SortedObjects::new(objects), &mut out);
    assert!(out.len() <= 1_472);
});

struct Count(u32);

impl AsValue for Count {
    fn as_value(&self) -> Value<'_> {
        Value::Counter32(self.0)
    }
}
