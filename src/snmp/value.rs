//! What an object's instance holds (RFC 2578 §7, RFC 3416 §3), borrowed from the message it came in.

use std::fmt;
use std::net::Ipv4Addr;

use super::ber::{self, DecodeError, Reader, tag};
use super::oid::OidRef;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// INTEGER. The standard allows 32 bits with sign; devices send more, which is kept.
    Integer(i64),
    /// OCTET STRING.
    OctetString(&'a [u8]),
    /// NULL.
    Null,
    /// OBJECT IDENTIFIER.
    Oid(OidRef<'a>),
    /// IpAddress.
    IpAddress(Ipv4Addr),
    /// Counter32.
    Counter32(u32),
    /// Gauge32 and Unsigned32.
    Gauge32(u32),
    /// TimeTicks: hundredths of a second.
    TimeTicks(u32),
    /// Opaque: what is wrapped, undecoded.
    Opaque(&'a [u8]),
    /// Counter64.
    Counter64(u64),
    /// The agent has no such object.
    NoSuchObject,
    /// The object exists, this instance does not.
    NoSuchInstance,
    /// Nothing lies behind the name that was asked for.
    EndOfMibView,
    /// Something that does not mean anything: an unknown type, or content that its type does not allow.
    Unsupported {
        /// The type it claims.
        tag: u8,
        /// Its content.
        content: &'a [u8],
    },
}

impl<'a> Value<'a> {
    /// A number without sign, whatever type it travels in.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(value).ok(),
            Self::Counter32(value) | Self::Gauge32(value) | Self::TimeTicks(value) => Some(value.into()),
            Self::Counter64(value) => Some(value),
            _ => None,
        }
    }

    /// A number with sign, whatever type it travels in.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            other => other.as_u64().and_then(|value| i64::try_from(value).ok()),
        }
    }

    /// The bytes of an octet string.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::OctetString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it stands for the absence of a value.
    pub fn is_exception(self) -> bool {
        matches!(self, Self::NoSuchObject | Self::NoSuchInstance | Self::EndOfMibView)
    }

    fn from_element(tag: u8, content: &'a [u8]) -> Self {
        let narrow = || ber::unsigned(content).and_then(|value| u32::try_from(value).ok());
        let value = match tag {
            tag::COUNTER32 => narrow().map(Self::Counter32),
            tag::COUNTER64 => ber::unsigned(content).map(Self::Counter64),
            tag::OCTET_STRING => Some(Self::OctetString(content)),
            tag::INTEGER => ber::signed(content).map(Self::Integer),
            tag::GAUGE32 | tag::UINTEGER32 => narrow().map(Self::Gauge32),
            tag::TIME_TICKS => narrow().map(Self::TimeTicks),
            tag::OBJECT_IDENTIFIER => OidRef::from_bytes(content).ok().map(Self::Oid),
            tag::NULL => Some(Self::Null),
            tag::NO_SUCH_OBJECT => Some(Self::NoSuchObject),
            tag::NO_SUCH_INSTANCE => Some(Self::NoSuchInstance),
            tag::END_OF_MIB_VIEW => Some(Self::EndOfMibView),
            tag::IP_ADDRESS => <[u8; 4]>::try_from(content).ok().map(|octets| Self::IpAddress(octets.into())),
            tag::OPAQUE => Some(Self::Opaque(content)),
            _ => None,
        };
        value.unwrap_or(Self::Unsupported { tag, content })
    }

    /// From its encoding, which must be all there is; what cannot be read is kept as it is.
    pub(super) fn decode(encoded: &'a [u8]) -> Self {
        match Reader::new(encoded).element() {
            Ok((tag, content)) => Self::from_element(tag, content),
            Err(_) => Self::Unsupported {
                tag: encoded.first().copied().unwrap_or(0),
                content: encoded.get(1..).unwrap_or_default(),
            },
        }
    }

    /// The length of its encoded content.
    pub(super) fn content_size(&self) -> usize {
        match self {
            Self::Integer(value) => ber::signed_size(*value),
            Self::OctetString(bytes) | Self::Opaque(bytes) | Self::Unsupported { content: bytes, .. } => bytes.len(),
            Self::Oid(oid) => oid.as_bytes().len(),
            Self::IpAddress(_) => 4,
            Self::Counter32(value) | Self::Gauge32(value) | Self::TimeTicks(value) => {
                ber::unsigned_size(u64::from(*value))
            }
            Self::Counter64(value) => ber::unsigned_size(*value),
            Self::Null | Self::NoSuchObject | Self::NoSuchInstance | Self::EndOfMibView => 0,
        }
    }

    /// A number that is not negative, with its tag.
    fn as_number(self) -> Option<(u8, u64)> {
        Some(match self {
            Self::Counter64(value) => (tag::COUNTER64, value),
            Self::Counter32(value) => (tag::COUNTER32, value.into()),
            Self::Gauge32(value) => (tag::GAUGE32, value.into()),
            Self::TimeTicks(value) => (tag::TIME_TICKS, value.into()),
            Self::Integer(value) => (tag::INTEGER, u64::try_from(value).ok()?),
            _ => return None,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => ber::put_integer(out, *value),
            Self::OctetString(bytes) => ber::put(out, tag::OCTET_STRING, bytes),
            Self::Null => ber::put(out, tag::NULL, &[]),
            Self::Oid(oid) => ber::put(out, tag::OBJECT_IDENTIFIER, oid.as_bytes()),
            Self::IpAddress(address) => ber::put(out, tag::IP_ADDRESS, &address.octets()),
            Self::Counter32(value) => ber::put_unsigned(out, tag::COUNTER32, u64::from(*value)),
            Self::Gauge32(value) => ber::put_unsigned(out, tag::GAUGE32, u64::from(*value)),
            Self::TimeTicks(value) => ber::put_unsigned(out, tag::TIME_TICKS, u64::from(*value)),
            Self::Opaque(bytes) => ber::put(out, tag::OPAQUE, bytes),
            Self::Counter64(value) => ber::put_unsigned(out, tag::COUNTER64, *value),
            Self::NoSuchObject => ber::put(out, tag::NO_SUCH_OBJECT, &[]),
            Self::NoSuchInstance => ber::put(out, tag::NO_SUCH_INSTANCE, &[]),
            Self::EndOfMibView => ber::put(out, tag::END_OF_MIB_VIEW, &[]),
            Self::Unsupported { tag, content } => ber::put(out, *tag, content),
        }
    }
}

/// For people: text where it is text, hexadecimal where it is not.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::OctetString(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
                _ => hex(f, bytes),
            },
            Self::Null => f.write_str("NULL"),
            Self::Oid(oid) => oid.fmt(f),
            Self::IpAddress(address) => address.fmt(f),
            Self::Counter32(value) | Self::Gauge32(value) | Self::TimeTicks(value) => value.fmt(f),
            Self::Opaque(bytes) => hex(f, bytes),
            Self::Counter64(value) => value.fmt(f),
            Self::NoSuchObject => f.write_str("noSuchObject"),
            Self::NoSuchInstance => f.write_str("noSuchInstance"),
            Self::EndOfMibView => f.write_str("endOfMibView"),
            Self::Unsupported { tag, content } => {
                write!(f, "type {tag:#04x}: ")?;
                hex(f, content)
            }
        }
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VarBind<'a> {
    /// The instance.
    pub name: OidRef<'a>,
    /// What it holds.
    pub value: Value<'a>,
}

/// A binding whose value has not been looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawVarBind<'a> {
    pub(super) name: OidRef<'a>,
    /// The encoded value, tag and all.
    pub(super) value: &'a [u8],
}

impl<'a> RawVarBind<'a> {
    /// From the content of its SEQUENCE.
    fn decode(content: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(content);
        let name = OidRef::from_bytes(reader.expect(tag::OBJECT_IDENTIFIER)?)?;
        Ok(Self { name, value: reader.rest() })
    }
}

impl<'a> VarBind<'a> {
    fn content_size(&self) -> usize {
        let (name, value) = (self.name.as_bytes().len(), self.value.content_size());
        ber::header_size(name) + name + ber::header_size(value) + value
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let _ = self.put_within(usize::MAX, out);
    }

    /// Write it, unless `out` would then be longer than `limit`; tells whether it was written.
    pub(super) fn put_within(&self, limit: usize, out: &mut Vec<u8>) -> bool {
        let name = self.name.as_bytes();
        if let Some((tag, value)) = self.value.as_number()
            && name.len() < 100
        {
            // Nearly all of what is polled: every length takes one byte, and no piece is looked at twice.
            let digits = (64 - value.leading_zeros() as usize) / 8 + 1;
            let content = name.len() + digits + 4;
            if out.len() + content + 2 > limit {
                return false;
            }
            out.extend_from_slice(&[tag::SEQUENCE, content as u8, tag::OBJECT_IDENTIFIER, name.len() as u8]);
            out.extend_from_slice(name);
            let mut tail = [0; 11];
            (tail[0], tail[1]) = (tag, digits as u8);
            // The digits from the front; where there are nine the first is zero.
            let leading = (u128::from(value) << (8 * (16 - digits))).to_be_bytes();
            tail[2..].copy_from_slice(&leading[..9]);
            let end = out.len() + 2 + digits;
            out.extend_from_slice(&tail);
            out.truncate(end);
            return true;
        }
        let content = self.content_size();
        if ber::header_size(content) + content > limit.saturating_sub(out.len()) {
            return false;
        }
        ber::put_header(out, tag::SEQUENCE, content);
        ber::put(out, tag::OBJECT_IDENTIFIER, name);
        self.value.put(out);
        true
    }
}

/// The variable bindings of a message, decoded as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct VarBinds<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cut: bool,
}

impl<'a> VarBinds<'a> {
    /// Each in turn. One that has no readable name is an error in its place, and the rest follow it; where
    /// the list itself is cut off, the error is the last item.
    pub fn iter(&self) -> VarBindIter<'a> {
        VarBindIter { reader: Reader::new(self.bytes), cut: self.cut, broken: false }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the list ends before its end: what is here is right, and there was more.
    pub fn is_cut(&self) -> bool {
        let mut reader = Reader::new(self.bytes);
        while !reader.is_empty() {
            if reader.element().is_err() {
                return true;
            }
        }
        self.cut
    }

    /// The encoded list, for those that keep positions within it.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for VarBinds<'a> {
    type Item = Result<VarBind<'a>, DecodeError>;
    type IntoIter = VarBindIter<'a>;

    fn into_iter(self) -> VarBindIter<'a> {
        self.iter()
    }
}

/// Iterator of [`VarBinds`].
#[derive(Clone, Debug)]
pub struct VarBindIter<'a> {
    reader: Reader<'a>,
    cut: bool,
    broken: bool,
}

impl<'a> VarBindIter<'a> {
    /// Whether the list turned out to be cut off.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The next one, with its value left as it is.
    pub(super) fn next_raw(&mut self) -> Option<Result<RawVarBind<'a>, DecodeError>> {
        if self.reader.is_empty() {
            self.broken |= self.cut;
            return std::mem::take(&mut self.cut).then_some(Err(DecodeError::Truncated));
        }
        match self.reader.element() {
            Ok((tag::SEQUENCE, content)) => Some(RawVarBind::decode(content)),
            Ok((found, _)) => Some(Err(DecodeError::UnexpectedTag { expected: tag::SEQUENCE, found })),
            Err(error) => {
                // Without a frame there is no next one.
                (self.reader, self.cut, self.broken) = (Reader::new(&[]), false, true);
                Some(Err(error))
            }
        }
    }
}

impl<'a> Iterator for VarBindIter<'a> {
    type Item = Result<VarBind<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.next_raw()?;
        Some(raw.map(|raw| VarBind { name: raw.name, value: Value::decode(raw.value) }))
    }
}
