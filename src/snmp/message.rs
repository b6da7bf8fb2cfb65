//! Messages and PDUs: SNMPv1 (RFC 1157 §4), SNMPv2c (RFC 1901, RFC 3416 §3), SNMPv3 (RFC 3412 §6,
//! RFC 3414 §2.4).
//!
//! [`decode`] takes apart what is outside of the variable bindings and borrows everything; the bindings are
//! decoded as they are asked for. A version 3 message comes apart as far as nothing secret is touched:
//! [`usm`](super::usm) says whether to believe it and opens what is encrypted.

use std::fmt;
use std::net::Ipv4Addr;

use super::ber::{self, DecodeError, Reader, tag};
use super::oid::OidRef;
use super::value::{VarBind, VarBinds};

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 1157.
    V1,
    /// RFC 1901.
    V2c,
    /// RFC 3412.
    V3,
}

impl Version {
    /// As it stands in a message.
    pub const fn number(self) -> i64 {
        match self {
            Self::V1 => 0,
            Self::V2c => 1,
            Self::V3 => 3,
        }
    }
}

/// What a PDU of the common form is for (RFC 3416 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PduKind {
    /// GetRequest-PDU
    Get,
    /// GetNextRequest-PDU
    GetNext,
    /// Response-PDU
    Response,
    /// SetRequest-PDU
    Set,
    /// GetBulkRequest-PDU
    GetBulk,
    /// InformRequest-PDU
    Inform,
    /// SNMPv2-Trap-PDU
    TrapV2,
    /// Report-PDU
    Report,
}

const TRAP_V1: u8 = 0xa4;

impl PduKind {
    const fn tag(self) -> u8 {
        match self {
            Self::Get => 0xa0,
            Self::GetNext => 0xa1,
            Self::Response => 0xa2,
            Self::Set => 0xa3,
            Self::GetBulk => 0xa5,
            Self::Inform => 0xa6,
            Self::TrapV2 => 0xa7,
            Self::Report => 0xa8,
        }
    }

    const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0xa0 => Self::Get,
            0xa1 => Self::GetNext,
            0xa2 => Self::Response,
            0xa3 => Self::Set,
            0xa5 => Self::GetBulk,
            0xa6 => Self::Inform,
            0xa7 => Self::TrapV2,
            0xa8 => Self::Report,
            _ => return None,
        })
    }

    /// Whether the receiver owes an answer (RFC 3411 §2.8, confirmed class).
    pub const fn is_confirmed(self) -> bool {
        matches!(self, Self::Get | Self::GetNext | Self::GetBulk | Self::Set | Self::Inform)
    }
}

/// error-status of a Response (RFC 3416 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorStatus(pub i32);

impl ErrorStatus {
    /// noError
    pub const NO_ERROR: Self = Self(0);
    /// tooBig
    pub const TOO_BIG: Self = Self(1);
    /// noSuchName, of version 1
    pub const NO_SUCH_NAME: Self = Self(2);
    /// genErr
    pub const GEN_ERR: Self = Self(5);
    /// noAccess
    pub const NO_ACCESS: Self = Self(6);
    /// resourceUnavailable
    pub const RESOURCE_UNAVAILABLE: Self = Self(13);
    /// authorizationError
    pub const AUTHORIZATION_ERROR: Self = Self(16);
    /// notWritable
    pub const NOT_WRITABLE: Self = Self(17);
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 19] = [
            "noError",
            "tooBig",
            "noSuchName",
            "badValue",
            "readOnly",
            "genErr",
            "noAccess",
            "wrongType",
            "wrongLength",
            "wrongEncoding",
            "wrongValue",
            "noCreation",
            "inconsistentValue",
            "resourceUnavailable",
            "commitFailed",
            "undoFailed",
            "authorizationError",
            "notWritable",
            "inconsistentName",
        ];
        match usize::try_from(self.0).ok().and_then(|at| NAMES.get(at)) {
            Some(name) => f.write_str(name),
            None => write!(f, "error-status {}", self.0),
        }
    }
}

/// What precedes the variable bindings in every PDU but version 1's trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PduHeader {
    /// What it is for.
    pub kind: PduKind,
    /// Joins an answer to its request.
    pub request_id: i32,
    /// error-status, or non-repeaters of a GetBulk.
    pub error_status: i32,
    /// error-index, or max-repetitions of a GetBulk.
    pub error_index: i32,
}

/// A PDU of the common form.
#[derive(Clone, Copy, Debug)]
pub struct Pdu<'a> {
    /// What precedes the bindings.
    pub header: PduHeader,
    /// The bindings.
    pub varbinds: VarBinds<'a>,
}

/// Version 1's Trap-PDU (RFC 1157 §4.1.6).
#[derive(Clone, Copy, Debug)]
pub struct TrapV1<'a> {
    /// sysObjectID of the sender, or the enterprise whose trap it is.
    pub enterprise: OidRef<'a>,
    /// Address of the object that sends it.
    pub agent_address: Ipv4Addr,
    /// generic-trap; 6 is enterpriseSpecific.
    pub generic: i32,
    /// specific-trap.
    pub specific: i32,
    /// sysUpTime when it was made, hundredths of a second.
    pub timestamp: u32,
    /// The bindings.
    pub varbinds: VarBinds<'a>,
}

/// What a message carries.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A PDU of the common form.
    Pdu(Pdu<'a>),
    /// Version 1's trap.
    TrapV1(TrapV1<'a>),
}

/// A message of version 1 or 2c.
#[derive(Clone, Copy, Debug)]
pub struct CommunityMessage<'a> {
    /// [`Version::V1`] or [`Version::V2c`].
    pub version: Version,
    /// The community, in clear as it travels.
    pub community: &'a [u8],
    /// What it carries.
    pub body: Body<'a>,
}

/// msgFlags of version 3 (RFC 3412 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// The message carries a MAC.
    pub auth: bool,
    /// Its scoped PDU is encrypted.
    pub privacy: bool,
    /// The receiver may answer with a Report.
    pub reportable: bool,
}

impl Flags {
    pub(super) const fn bits(self) -> u8 {
        self.auth as u8 | (self.privacy as u8) << 1 | (self.reportable as u8) << 2
    }
}

/// UsmSecurityParameters (RFC 3414 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsmParameters<'a> {
    /// msgAuthoritativeEngineID
    pub engine_id: &'a [u8],
    /// msgAuthoritativeEngineBoots
    pub boots: u32,
    /// msgAuthoritativeEngineTime, seconds
    pub time: u32,
    /// msgUserName
    pub user: &'a [u8],
    /// msgAuthenticationParameters: the MAC.
    pub mac: &'a [u8],
    /// msgPrivacyParameters: the salt.
    pub salt: &'a [u8],
}

/// ScopedPDU (RFC 3412 §6.8).
#[derive(Clone, Copy, Debug)]
pub struct ScopedPdu<'a> {
    /// contextEngineID
    pub context_engine_id: &'a [u8],
    /// contextName
    pub context_name: &'a [u8],
    /// The PDU.
    pub pdu: Pdu<'a>,
}

/// The data of a version 3 message.
#[derive(Clone, Copy, Debug)]
pub enum ScopedData<'a> {
    /// In clear: the encoded ScopedPDU.
    Plain(&'a [u8]),
    /// Encrypted.
    Encrypted(&'a [u8]),
}

/// A message of version 3 with the user-based security model, of which nothing has been proven.
#[derive(Clone, Copy, Debug)]
pub struct V3Message<'a> {
    /// Joins an answer to its request, below the PDU's request-id.
    pub msg_id: i32,
    /// The largest message that the sender takes, bytes.
    pub max_size: u32,
    /// Security level and whether reports are wanted.
    pub flags: Flags,
    /// What the security model says.
    pub usm: UsmParameters<'a>,
    /// What it carries.
    pub data: ScopedData<'a>,
    /// All of it, without what may follow it in the datagram: what the MAC is about.
    pub(super) whole: &'a [u8],
}

/// Any message.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Version 1 or 2c.
    Community(CommunityMessage<'a>),
    /// Version 3.
    V3(V3Message<'a>),
}

/// Take a datagram apart. Bytes behind the message are ignored. Where a community message's end is cut
/// off, the bindings that arrived whole stand, and their iterator ends with the error.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut outside = Reader::new(datagram);
    let (mut message, cut) = outside.enter(tag::SEQUENCE)?;
    let version = match message.integer()? {
        0 => Version::V1,
        1 => Version::V2c,
        3 if cut => return Err(DecodeError::Truncated),
        3 => {
            let whole = &datagram[..datagram.len() - outside.rest().len()];
            return decode_v3(message, whole).map(Message::V3);
        }
        other => return Err(DecodeError::UnknownVersion(other)),
    };
    let community = message.expect(tag::OCTET_STRING)?;
    Ok(Message::Community(CommunityMessage { version, community, body: decode_body(&mut message)? }))
}

/// Whether a datagram claims to be of version 3.
pub(super) fn is_v3(datagram: &[u8]) -> bool {
    let version = Reader::new(datagram).enter(tag::SEQUENCE).and_then(|(mut message, _)| message.integer());
    version == Ok(3)
}

fn decode_v3<'a>(mut message: Reader<'a>, whole: &'a [u8]) -> Result<V3Message<'a>, DecodeError> {
    let mut global = Reader::new(message.expect(tag::SEQUENCE)?);
    let msg_id = global.integer32()?;
    let max_size = u32::try_from(global.integer32()?).map_err(|_| DecodeError::BadInteger)?;
    let flags = match global.expect(tag::OCTET_STRING)? {
        [bits, ..] if bits & 0b11 == 0b10 => return Err(DecodeError::BadFlags(*bits)),
        [bits, ..] => Flags { auth: bits & 1 != 0, privacy: bits & 2 != 0, reportable: bits & 4 != 0 },
        [] => return Err(DecodeError::Truncated),
    };
    match global.integer()? {
        3 => (),
        other => return Err(DecodeError::UnknownSecurityModel(other)),
    }
    let mut usm = Reader::new(Reader::new(message.expect(tag::OCTET_STRING)?).expect(tag::SEQUENCE)?);
    let number = |usm: &mut Reader<'_>| -> Result<u32, DecodeError> {
        u32::try_from(usm.integer32()?).map_err(|_| DecodeError::BadInteger)
    };
    let usm = UsmParameters {
        engine_id: usm.expect(tag::OCTET_STRING)?,
        boots: number(&mut usm)?,
        time: number(&mut usm)?,
        user: usm.expect(tag::OCTET_STRING)?,
        mac: usm.expect(tag::OCTET_STRING)?,
        salt: usm.expect(tag::OCTET_STRING)?,
    };
    let data = if flags.privacy {
        ScopedData::Encrypted(message.expect(tag::OCTET_STRING)?)
    } else {
        let whole = message.rest();
        message.expect(tag::SEQUENCE)?;
        ScopedData::Plain(&whole[..whole.len() - message.rest().len()])
    };
    Ok(V3Message { msg_id, max_size, flags, usm, data, whole })
}

impl<'a> ScopedPdu<'a> {
    /// From its encoding; what follows it (a cipher's padding) is ignored.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut scoped = Reader::new(Reader::new(bytes).expect(tag::SEQUENCE)?);
        let context_engine_id = scoped.expect(tag::OCTET_STRING)?;
        let context_name = scoped.expect(tag::OCTET_STRING)?;
        match decode_body(&mut scoped)? {
            Body::Pdu(pdu) => Ok(Self { context_engine_id, context_name, pdu }),
            Body::TrapV1(_) => Err(DecodeError::UnknownPdu(TRAP_V1)),
        }
    }
}

fn decode_body<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, DecodeError> {
    let found = reader.peek()?;
    if found == TRAP_V1 {
        return decode_trap_v1(reader).map(Body::TrapV1);
    }
    let kind = PduKind::from_tag(found).ok_or(DecodeError::UnknownPdu(found))?;
    let (mut pdu, _) = reader.enter(found)?;
    let header =
        PduHeader { kind, request_id: pdu.integer32()?, error_status: pdu.integer32()?, error_index: pdu.integer32()? };
    Ok(Body::Pdu(Pdu { header, varbinds: decode_varbinds(&mut pdu)? }))
}

fn decode_trap_v1<'a>(reader: &mut Reader<'a>) -> Result<TrapV1<'a>, DecodeError> {
    let (mut pdu, _) = reader.enter(TRAP_V1)?;
    Ok(TrapV1 {
        enterprise: OidRef::from_bytes(pdu.expect(tag::OBJECT_IDENTIFIER)?)?,
        agent_address: <[u8; 4]>::try_from(pdu.expect(tag::IP_ADDRESS)?).map_err(|_| DecodeError::BadLength)?.into(),
        generic: pdu.integer32()?,
        specific: pdu.integer32()?,
        timestamp: ber::unsigned(pdu.expect(tag::TIME_TICKS)?)
            .and_then(|ticks| u32::try_from(ticks).ok())
            .ok_or(DecodeError::BadInteger)?,
        varbinds: decode_varbinds(&mut pdu)?,
    })
}

fn decode_varbinds<'a>(pdu: &mut Reader<'a>) -> Result<VarBinds<'a>, DecodeError> {
    // Every container around the list ends with it: where any was cut, the list was.
    let (list, cut) = pdu.enter(tag::SEQUENCE)?;
    Ok(VarBinds { bytes: list.rest(), cut })
}

/// Write a message of version 1 or 2c behind what `out` holds. ([`Version::V3`] needs keys:
/// [`usm`](super::usm).)
pub fn encode_community<'v>(
    version: Version,
    community: &[u8],
    header: PduHeader,
    varbinds: impl IntoIterator<Item = VarBind<'v>>,
    out: &mut Vec<u8>,
) {
    put_community(version, community, |out| put_pdu(header, varbinds, out), out);
}

/// A message of version 1 or 2c around what `put_pdu` writes.
pub(super) fn put_community(version: Version, community: &[u8], put_pdu: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let message = ber::open(out, tag::SEQUENCE);
    ber::put_integer(out, version.number());
    ber::put(out, tag::OCTET_STRING, community);
    put_pdu(out);
    ber::close(out, message);
}

/// Write version 1's trap behind what `out` holds.
pub fn encode_trap_v1<'v>(
    community: &[u8],
    trap: &TrapV1<'_>,
    varbinds: impl IntoIterator<Item = VarBind<'v>>,
    out: &mut Vec<u8>,
) {
    let message = ber::open(out, tag::SEQUENCE);
    ber::put_integer(out, Version::V1.number());
    ber::put(out, tag::OCTET_STRING, community);
    let pdu = ber::open(out, TRAP_V1);
    ber::put(out, tag::OBJECT_IDENTIFIER, trap.enterprise.as_bytes());
    ber::put(out, tag::IP_ADDRESS, &trap.agent_address.octets());
    ber::put_integer(out, i64::from(trap.generic));
    ber::put_integer(out, i64::from(trap.specific));
    ber::put_unsigned(out, tag::TIME_TICKS, u64::from(trap.timestamp));
    put_varbinds(varbinds, out);
    ber::close(out, pdu);
    ber::close(out, message);
}

/// A PDU of the common form.
pub(super) fn put_pdu<'v>(header: PduHeader, varbinds: impl IntoIterator<Item = VarBind<'v>>, out: &mut Vec<u8>) {
    let pdu = open_pdu(header, out);
    put_varbinds(varbinds, out);
    ber::close(out, pdu);
}

/// The start of a PDU, up to its bindings.
pub(super) fn open_pdu(header: PduHeader, out: &mut Vec<u8>) -> ber::Mark {
    let pdu = ber::open(out, header.kind.tag());
    ber::put_integer(out, i64::from(header.request_id));
    ber::put_integer(out, i64::from(header.error_status));
    ber::put_integer(out, i64::from(header.error_index));
    pdu
}

pub(super) fn put_varbinds<'v>(varbinds: impl IntoIterator<Item = VarBind<'v>>, out: &mut Vec<u8>) {
    let list = ber::open(out, tag::SEQUENCE);
    varbinds.into_iter().for_each(|varbind| varbind.put(out));
    ber::close(out, list);
}

/// The same of bindings that are encoded already.
pub(super) fn put_encoded_varbinds(varbinds: &[u8], out: &mut Vec<u8>) {
    ber::put(out, tag::SEQUENCE, varbinds);
}

#[cfg(test)]
mod tests;
