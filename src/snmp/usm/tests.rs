//! Keys, MACs and ciphers against the standards' vectors, against an independent implementation, and
//! against noise.

use async_snmp::message::{
    MsgFlags, MsgGlobalData, ScopedPdu as TheirScoped, SecurityLevel, V3Message as TheirMessage, V3MessageData,
};
use async_snmp::v3::auth::{authenticate_message, verify_message};
use async_snmp::v3::{
    DesSaltState, LocalizedKey, MasterKey as TheirMasterKey, PrivKey as TheirPrivKey, SaltCounter, UsmSecurityParams,
};
use async_snmp::{DecodeConfig, MessageSize};
use proptest::prelude::*;

use super::key::MasterKey;
use super::*;
use crate::snmp::ber::range_within;
use crate::snmp::message::{self, Message, PduHeader, PduKind, ScopedPdu};
use crate::snmp::proving::{AUTHS, ENGINE_ID, PRIVS, user};
use crate::snmp::session::Access;
use crate::snmp::{AuthProtocol, Oid, PrivProtocol, Value, VarBind};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The engine of RFC 3414 §A.3.
const ENGINE: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// RFC 3414 §A.3.1 and §A.3.2.
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

fn their_auth(protocol: AuthProtocol) -> async_snmp::AuthProtocol {
    use async_snmp::AuthProtocol as Theirs;
    match protocol {
        AuthProtocol::Md5 => Theirs::Md5,
        AuthProtocol::Sha1 => Theirs::Sha1,
        AuthProtocol::Sha224 => Theirs::Sha224,
        AuthProtocol::Sha256 => Theirs::Sha256,
        AuthProtocol::Sha384 => Theirs::Sha384,
        AuthProtocol::Sha512 => Theirs::Sha512,
    }
}

fn their_privacy(protocol: PrivProtocol) -> async_snmp::PrivProtocol {
    use async_snmp::PrivProtocol as Theirs;
    match protocol {
        PrivProtocol::Des => Theirs::Des,
        PrivProtocol::Aes128 => Theirs::Aes128,
        PrivProtocol::Aes192 => Theirs::Aes192Blumenthal,
        PrivProtocol::Aes256 => Theirs::Aes256Blumenthal,
        PrivProtocol::Aes192Reeder => Theirs::Aes192Reeder,
        PrivProtocol::Aes256Reeder => Theirs::Aes256Reeder,
    }
}

fn keys(access: &Access) -> EngineKeys {
    match access {
        Access::User(user) => user.localize(&ENGINE_ID),
        Access::Community { .. } => panic!("not a user"),
    }
}

static NAME: Oid = Oid::literal(&[1, 3, 6, 1, 2, 1, 1, 5, 0]);

fn header() -> PduHeader {
    PduHeader { kind: PduKind::Response, request_id: 77, error_status: 0, error_index: 0 }
}

fn sealed_by_us(keys: &EngineKeys, text: &[u8]) -> Vec<u8> {
    let envelope = Envelope {
        msg_id: 4_711,
        reportable: true,
        engine_id: &ENGINE_ID,
        boots: 3,
        time: 99_999,
        user: b"watcher",
        context_engine_id: &ENGINE_ID,
        context_name: b"ctx",
    };
    let varbind = VarBind { name: NAME.as_ref(), value: Value::OctetString(text) };
    let mut out = Vec::new();
    let put_pdu = |out: &mut Vec<u8>| message::put_pdu(header(), [varbind], out);
    seal(&envelope, keys.both(), &mut Salts::new(42), put_pdu, &mut out);
    out
}

/// Decode, verify, decrypt: the text, or none where any of it fails.
fn opened_by_us(datagram: &mut [u8], keys: &EngineKeys) -> Option<Vec<u8>> {
    let Ok(Message::V3(message)) = message::decode(datagram) else { return None };
    assert_eq!((message.usm.boots, message.usm.time, message.usm.engine_id), (3, 99_999, &ENGINE_ID[..]));
    if !verify(&message, keys.auth.as_ref()?) {
        return None;
    }
    let sealed = Sealed::new(datagram, &message);
    let scoped: ScopedPdu<'_> = open(datagram, &sealed, keys.privacy.as_ref()).ok()?;
    assert_eq!((scoped.context_name, scoped.pdu.header), (&b"ctx"[..], header()));
    scoped.pdu.varbinds.iter().next()?.ok()?.value.as_bytes().map(<[u8]>::to_vec)
}

/// Their keys are ours, their messages are read by us and ours by them, whatever the protocols.
#[test]
fn speaks_with_an_independent_implementation() {
    let des = DesSaltState::install(|_| Ok::<_, std::io::Error>(())).unwrap();
    let salts = SaltCounter::new().unwrap();
    for auth in AUTHS {
        let their_key = LocalizedKey::from_password(their_auth(auth), b"maplesyrup", &ENGINE_ID).unwrap();
        let their_master = TheirMasterKey::from_password(their_auth(auth), b"pancakes!").unwrap();
        let local = MasterKey::from_password(auth, b"maplesyrup").localize(&ENGINE_ID);
        assert_eq!(local.bytes(), their_key.as_bytes(), "{auth:?}");
        // Keys are long enough from SHA-256 on, and all alike.
        let extends = matches!(auth, AuthProtocol::Md5 | AuthProtocol::Sha1 | AuthProtocol::Sha256);
        for privacy in PRIVS.into_iter().filter(|privacy| extends || *privacy == PrivProtocol::Aes256) {
            let keys = keys(&user(Some(auth), Some(privacy)));
            let their_priv = TheirPrivKey::from_master_key(&their_master, their_privacy(privacy), &ENGINE_ID).unwrap();
            let text = vec![b'x'; 300 + auth as usize];

            // Theirs, read by us.
            let varbind = async_snmp::VarBind::new(
                async_snmp::Oid::new(NAME.arcs()),
                async_snmp::Value::OctetString(text.clone().into()),
            );
            let pdu = async_snmp::ResponsePdu::success(async_snmp::Version::V3, 77, vec![varbind]).unwrap();
            let scoped = TheirScoped::new(ENGINE_ID.to_vec(), &b"ctx"[..], pdu.into_raw()).encode_to_bytes().unwrap();
            let (encrypted, salt) = match privacy {
                PrivProtocol::Des => their_priv.encrypt_des_family(&scoped, &des).unwrap(),
                _ => their_priv.encrypt_aes(&scoped, 3, 99_999, &salts).unwrap(),
            };
            let usm = UsmSecurityParams::new(ENGINE_ID.to_vec(), 3, 99_999, &b"watcher"[..])
                .and_then(|usm| usm.with_auth_placeholder(their_key.mac_len()))
                .and_then(|usm| usm.with_priv_params(salt))
                .unwrap();
            let flags = MsgFlags::new(SecurityLevel::AuthPriv, true);
            let global = MsgGlobalData::new(4_711, MessageSize::new(65_507).unwrap(), flags).unwrap();
            let their =
                TheirMessage::new_with_opaque_encrypted_scoped_pdu(global, usm.encode().unwrap(), encrypted).unwrap();
            let mut datagram = their.encode().unwrap().to_vec();
            let mac = mac_place(&datagram);
            authenticate_message(&their_key, &mut datagram, mac.start, mac.len()).unwrap();
            assert_eq!(opened_by_us(&mut datagram, &keys), Some(text.clone()), "{auth:?} {privacy:?}");

            // Ours, read by them.
            let datagram = sealed_by_us(&keys, &text);
            let mac = mac_place(&datagram);
            assert!(verify_message(&their_key, &datagram, mac.start, mac.len()).unwrap(), "{auth:?}");
            let their = TheirMessage::decode(datagram.into(), DecodeConfig::STRICT).unwrap().value;
            let usm = UsmSecurityParams::decode(their.security_params().clone(), DecodeConfig::STRICT).unwrap().value;
            let V3MessageData::Encrypted(encrypted) = their.data() else { panic!("not encrypted") };
            let opened =
                their_priv.decrypt(encrypted, usm.engine_boots(), usm.engine_time(), usm.priv_params()).unwrap();
            let scoped = ScopedPdu::decode(&opened).unwrap();
            let found = scoped.pdu.varbinds.iter().next().unwrap().unwrap();
            assert_eq!(found.value, Value::OctetString(&text), "{auth:?} {privacy:?}");
        }
    }
}

fn mac_place(datagram: &[u8]) -> std::ops::Range<usize> {
    match message::decode(datagram) {
        Ok(Message::V3(message)) => range_within(datagram, message.usm.mac),
        other => panic!("{other:?}"),
    }
}

#[test]
fn salts_do_not_repeat() {
    for privacy in [PrivProtocol::Des, PrivProtocol::Aes128] {
        let keys = keys(&user(Some(AuthProtocol::Sha1), Some(privacy)));
        let mut salts = Salts::new(u64::MAX - 5);
        let seen: std::collections::HashSet<[u8; 8]> =
            (0..1_000).map(|_| keys.privacy.as_ref().unwrap().salt(3, &mut salts)).collect();
        assert_eq!(seen.len(), 1_000);
    }
}

#[test]
fn no_key_from_nothing() {
    let user = |auth: Option<&str>, privacy: Option<&str>| crate::snmp::User {
        name: "watcher".into(),
        auth: auth.map(|password| (AuthProtocol::Sha1, crate::fabric::Secret::new(password))),
        privacy: privacy.map(|password| (PrivProtocol::Aes128, crate::fabric::Secret::new(password))),
        context: String::new(),
    };
    let error = |auth, privacy| UserKeys::derive(&user(auth, privacy)).err();
    assert_eq!(error(Some(""), None), Some(KeyError::EmptyPassword));
    assert_eq!(error(Some("maplesyrup"), Some("")), Some(KeyError::EmptyPassword));
    assert_eq!(error(None, Some("pancakes!")), Some(KeyError::PrivacyWithoutAuthentication));
    assert_eq!(error(None, None), None);
    let shown = format!("{:?}", UserKeys::derive(&user(Some("maplesyrup"), Some("pancakes!"))).unwrap());
    assert_eq!(shown, "UserKeys(watcher, ***)");
}

#[test]
fn reports_are_told_apart() {
    let name = |text: &str| Report::from_name(text.parse::<Oid>().unwrap().as_ref());
    assert_eq!(name("1.3.6.1.6.3.15.1.1.1.0"), Some(Report::UnsupportedSecurityLevel));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.2.0"), Some(Report::NotInTimeWindow));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.3.0"), Some(Report::UnknownUserName));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.4"), Some(Report::UnknownEngineId));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.5.0"), Some(Report::WrongDigest));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.6.0"), Some(Report::DecryptionError));
    assert_eq!(name("1.3.6.1.6.3.12.1.5.0"), Some(Report::UnknownContext));
    assert_eq!(name("1.3.6.1.6.3.15.1.1.7.0"), None);
    assert_eq!(name("1.3.6.1.6.3.15.1.1.5.0.0"), None);
    assert_eq!(name("1.3.6.1.2.1.1.3.0"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// One changed byte anywhere, and nothing is believed.
    #[test]
    fn a_touched_message_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255, length in 0usize..200) {
        static KEYS: std::sync::OnceLock<EngineKeys> = std::sync::OnceLock::new();
        let keys = KEYS.get_or_init(|| keys(&user(Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128))));
        let mut datagram = sealed_by_us(keys, &vec![7; length]);
        prop_assert!(opened_by_us(&mut datagram.clone(), keys).is_some());
        let at = at.index(datagram.len());
        datagram[at] ^= flip;
        let believed = match message::decode(&datagram) {
            Ok(Message::V3(message)) => message.flags.auth && verify(&message, keys.auth.as_ref().unwrap()),
            _ => false,
        };
        prop_assert!(!believed);
    }
}
