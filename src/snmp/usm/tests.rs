use super::authentication::AuthKey;
use super::key::MasterKey;
use super::*;
use crate::fabric::Secret;
use crate::snmp::message::{self, Message, PduHeader, PduKind};
use crate::snmp::{AuthProtocol, PrivProtocol, User, Value, VarBind};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The engine of RFC 3414 §A.3.
const ENGINE: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// RFC 3414 §A.3.1 and §A.3.2; the SHA-2 ones are what net-snmp 5.9 makes of the same password.
#[test]
fn keys_of_the_standard() {
    for (protocol, key) in [
        (AuthProtocol::Md5, "526f5eed9fcce26f8964c2930787d82b"),
        (AuthProtocol::Sha1, "6695febc9288e36282235fc7151f128497b38f3f"),
    ] {
        let local = MasterKey::from_password(protocol, b"maplesyrup").localize(&ENGINE);
        assert_eq!(local.bytes(), hex(key), "{protocol:?}");
    }
}
