//! Version 3 messages on their way out and in (RFC 3414 §3.1 and §3.2): one place where MACs and ciphers
//! meet bytes.

use std::ops::Range;

use super::authentication::AuthKey;
use super::privacy::{PrivKey, Salts};
use crate::snmp::DecodeError;
use crate::snmp::ber::{self, range_within, tag};
use crate::snmp::message::{Flags, ScopedData, ScopedPdu, V3Message};

/// What we say we can take: the largest UDP payload of IPv4.
const MAX_SIZE: i64 = 65_507;

/// The outside of a message to send.
pub(in crate::snmp) struct Envelope<'a> {
    pub(in crate::snmp) msg_id: i32,
    pub(in crate::snmp) reportable: bool,
    /// The authoritative engine, its boots and its time.
    pub(in crate::snmp) engine_id: &'a [u8],
    pub(in crate::snmp) boots: u32,
    pub(in crate::snmp) time: u32,
    pub(in crate::snmp) user: &'a [u8],
    /// Scope of the PDU.
    pub(in crate::snmp) context_engine_id: &'a [u8],
    pub(in crate::snmp) context_name: &'a [u8],
}

impl Envelope<'_> {
    /// Of a question to whoever is there (RFC 3414 §4).
    pub(in crate::snmp) fn discovery(msg_id: i32) -> Self {
        Envelope {
            msg_id,
            reportable: true,
            engine_id: &[],
            boots: 0,
            time: 0,
            user: &[],
            context_engine_id: &[],
            context_name: &[],
        }
    }
}

/// Write a message behind what `out` holds, secured with the keys that are given. `put_pdu` writes the PDU.
pub(in crate::snmp) fn seal(
    envelope: &Envelope<'_>,
    (auth, privacy): (Option<&AuthKey>, Option<&PrivKey>),
    salts: &mut Salts,
    put_pdu: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let flags = Flags { auth: auth.is_some(), privacy: privacy.is_some(), reportable: envelope.reportable };
    let salt = privacy.map(|key| key.salt(envelope.boots, salts));

    let message = ber::open(out, tag::SEQUENCE);
    ber::put_integer(out, 3);
    let global = ber::open(out, tag::SEQUENCE);
    ber::put_integer(out, i64::from(envelope.msg_id));
    ber::put_integer(out, MAX_SIZE);
    ber::put(out, tag::OCTET_STRING, &[flags.bits()]);
    ber::put_integer(out, 3);
    ber::close(out, global);

    let outer = ber::open(out, tag::OCTET_STRING);
    let parameters = ber::open(out, tag::SEQUENCE);
    ber::put(out, tag::OCTET_STRING, envelope.engine_id);
    ber::put_integer(out, i64::from(envelope.boots));
    ber::put_integer(out, i64::from(envelope.time));
    ber::put(out, tag::OCTET_STRING, envelope.user);
    let mac_size = auth.map_or(0, AuthKey::mac_size);
    ber::put(out, tag::OCTET_STRING, &[0; super::authentication::MAX_MAC][..mac_size]);
    // Closing a container may move what lies in it.
    let mut mac_at = out.len() - mac_size;
    ber::put(out, tag::OCTET_STRING, salt.as_ref().map_or(&[], |salt| &salt[..]));
    mac_at += ber::close(out, parameters);
    mac_at += ber::close(out, outer);

    let encrypted = privacy.map(|_| ber::open(out, tag::OCTET_STRING));
    let text_at = out.len();
    let scoped = ber::open(out, tag::SEQUENCE);
    ber::put(out, tag::OCTET_STRING, envelope.context_engine_id);
    ber::put(out, tag::OCTET_STRING, envelope.context_name);
    put_pdu(out);
    ber::close(out, scoped);
    if let (Some(key), Some(salt), Some(encrypted)) = (privacy, salt, encrypted) {
        let padding = key.padding(out.len() - text_at);
        out.resize(out.len() + padding, 0);
        key.encrypt(envelope.boots, envelope.time, salt, &mut out[text_at..]);
        ber::close(out, encrypted);
    }
    mac_at += ber::close(out, message);

    if let Some(key) = auth {
        let mut mac = [0; super::authentication::MAX_MAC];
        key.sign(&out[start..], &mut mac[..mac_size]);
        out[mac_at..mac_at + mac_size].copy_from_slice(&mac[..mac_size]);
    }
}

/// Whether the message's MAC is right under this key.
pub(in crate::snmp) fn verify(message: &V3Message<'_>, key: &AuthKey) -> bool {
    let mac = range_within(message.whole, message.usm.mac);
    key.verify(&message.whole[..mac.start], message.usm.mac, &message.whole[mac.end..])
}

/// The place of a scoped PDU in its datagram, and what opening it takes: owned, so that the datagram can be
/// decrypted where it lies.
#[derive(Clone, Debug)]
pub(in crate::snmp) struct Sealed {
    boots: u32,
    time: u32,
    salt: Option<[u8; 8]>,
    encrypted: bool,
    range: Range<usize>,
}

impl Sealed {
    pub(in crate::snmp) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub(in crate::snmp) fn new(datagram: &[u8], message: &V3Message<'_>) -> Self {
        let (encrypted, data) = match message.data {
            ScopedData::Plain(data) => (false, data),
            ScopedData::Encrypted(data) => (true, data),
        };
        Self {
            boots: message.usm.boots,
            time: message.usm.time,
            salt: message.usm.salt.try_into().ok(),
            encrypted,
            range: range_within(datagram, data),
        }
    }
}

/// Decrypt where it lies, if it is encrypted, and take the scoped PDU apart.
pub(in crate::snmp) fn open<'a>(
    datagram: &'a mut [u8],
    sealed: &Sealed,
    privacy: Option<&PrivKey>,
) -> Result<ScopedPdu<'a>, OpenError> {
    let data = datagram.get_mut(sealed.range.clone()).ok_or(OpenError::Undecodable(DecodeError::Truncated))?;
    if !sealed.encrypted {
        return ScopedPdu::decode(data).map_err(OpenError::Undecodable);
    }
    let (Some(key), Some(salt)) = (privacy, sealed.salt) else { return Err(OpenError::Undecryptable) };
    if !key.decrypt(sealed.boots, sealed.time, salt, data) {
        return Err(OpenError::Undecryptable);
    }
    // What a wrong key decrypts to is garbage.
    ScopedPdu::decode(data).map_err(|_| OpenError::Undecryptable)
}

/// Why a message that is authentic has no readable content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::snmp) enum OpenError {
    /// It cannot be decrypted: another key, or no salt.
    Undecryptable,
    /// It is in clear, and cannot be read.
    Undecodable(DecodeError),
}
