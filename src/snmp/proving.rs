//! What the tests of several files need: users, engines, and a device to speak with.

use super::agent::{AsValue, SortedObjects};
use super::session::Access;
use super::usm::{LocalEngine, UserKeys};
use super::{Agent, AuthProtocol, Oid, PrivProtocol, User, Value, Version};
use crate::fabric::{Secret, Timestamp};

pub(super) const AUTHS: [AuthProtocol; 6] = [
    AuthProtocol::Md5,
    AuthProtocol::Sha1,
    AuthProtocol::Sha224,
    AuthProtocol::Sha256,
    AuthProtocol::Sha384,
    AuthProtocol::Sha512,
];

pub(super) const PRIVS: [PrivProtocol; 6] = [
    PrivProtocol::Des,
    PrivProtocol::Aes128,
    PrivProtocol::Aes192,
    PrivProtocol::Aes256,
    PrivProtocol::Aes192Reeder,
    PrivProtocol::Aes256Reeder,
];

pub(super) const ENGINE_ID: [u8; 12] = [0x80, 0, 0x1f, 0x88, 4, b's', b'p', b'i', b'n', b'e', b'1', b'!'];

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// An engine that started its `boots`th boot `secs` seconds into the test.
pub(super) fn engine(boots: u32, secs: i64) -> LocalEngine {
    LocalEngine { id: ENGINE_ID.into(), boots, started: at(secs) }
}

pub(super) fn user_named(
    name: &str,
    auth: Option<(AuthProtocol, &str)>,
    privacy: Option<(PrivProtocol, &str)>,
) -> Access {
    let user = User {
        name: name.into(),
        auth: auth.map(|(protocol, password)| (protocol, Secret::new(password))),
        privacy: privacy.map(|(protocol, password)| (protocol, Secret::new(password))),
        context: String::new(),
    };
    Access::User(UserKeys::derive(&user).unwrap().into())
}

pub(super) fn user(auth: Option<AuthProtocol>, privacy: Option<PrivProtocol>) -> Access {
    user_named("watcher", auth.map(|auth| (auth, "maplesyrup")), privacy.map(|privacy| (privacy, "pancakes!")))
}

pub(super) fn v2c(community: &str) -> Access {
    Access::Community { version: Version::V2c, community: Secret::new(community) }
}

pub(super) fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

/// A value that owns its text.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Text(String),
    Ticks(u32),
    Counter64(u64),
}

impl AsValue for Held {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::OctetString(text.as_bytes()),
            Self::Ticks(ticks) => Value::TimeTicks(*ticks),
            Self::Counter64(count) => Value::Counter64(*count),
        }
    }
}

pub(super) const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";
pub(super) const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";

/// sysUpTime, sysName, and ifHCInOctets and ifHCOutOctets of so many interfaces.
pub(super) fn objects(interfaces: u32) -> SortedObjects<Held> {
    let mut objects = vec![(oid(SYS_UP_TIME), Held::Ticks(4_711)), (oid(SYS_NAME), Held::Text("spine1".into()))];
    for column in [6, 10] {
        for interface in 1..=interfaces {
            let name = oid(&format!("1.3.6.1.2.1.31.1.1.1.{column}.{interface}"));
            objects.push((name, Held::Counter64(u64::MAX - u64::from(interface))));
        }
    }
    SortedObjects::new(objects)
}

pub(super) fn agent(access: &Access, engine: LocalEngine) -> Agent {
    Agent::new(access.clone(), engine, super::agent::DEFAULT_MESSAGE_SIZE, 7)
}
