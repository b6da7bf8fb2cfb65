//! Tags, lengths and integers (X.690, the part of it that RFC 3417 §8 allows).
//!
//! Reading forgives what devices get wrong without doubt about the meaning (padded lengths and integers,
//! counters without their leading zero byte) and refuses the rest; nothing recurses and nothing is
//! allocated. Writing gives the shortest form.

use std::fmt;
use std::ops::Range;

use super::oid::OidError;

/// Tags of SNMP (RFC 2578, RFC 3416).
pub(super) mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const IP_ADDRESS: u8 = 0x40;
    pub const COUNTER32: u8 = 0x41;
    pub const GAUGE32: u8 = 0x42;
    pub const TIME_TICKS: u8 = 0x43;
    pub const OPAQUE: u8 = 0x44;
    pub const COUNTER64: u8 = 0x46;
    /// RFC 1442's UInteger32, from before Unsigned32 became Gauge32.
    pub const UINTEGER32: u8 = 0x47;
    pub const NO_SUCH_OBJECT: u8 = 0x80;
    pub const NO_SUCH_INSTANCE: u8 = 0x81;
    pub const END_OF_MIB_VIEW: u8 = 0x82;
}

/// Why bytes are no SNMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before what they announce.
    Truncated,
    /// A length in the indefinite form, or of more than four bytes.
    BadLength,
    /// Something else stands where `expected` should.
    UnexpectedTag {
        /// The tag that belongs there.
        expected: u8,
        /// The tag that is there.
        found: u8,
    },
    /// An integer without bytes, or too large for its field.
    BadInteger,
    /// An object identifier that is none.
    BadOid(OidError),
    /// A version other than 1, 2c and 3.
    UnknownVersion(i64),
    /// A PDU of a kind that does not exist.
    UnknownPdu(u8),
    /// A security model other than the user-based one.
    UnknownSecurityModel(i64),
    /// Header flags that contradict themselves: privacy without authentication.
    BadFlags(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message is cut off"),
            Self::BadLength => f.write_str("a length is indefinite or absurd"),
            Self::UnexpectedTag { expected, found } => write!(f, "tag {found:#04x} where {expected:#04x} belongs"),
            Self::BadInteger => f.write_str("an integer of the header is empty or too large"),
            Self::BadOid(error) => error.fmt(f),
            Self::UnknownVersion(version) => write!(f, "version number {version} is none of SNMP's"),
            Self::UnknownPdu(tag) => write!(f, "a PDU of unknown kind {tag:#04x}"),
            Self::UnknownSecurityModel(model) => write!(f, "security model {model} is not the user-based one"),
            Self::BadFlags(flags) => write!(f, "message flags {flags:#04x} ask for privacy without authentication"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<OidError> for DecodeError {
    fn from(error: OidError) -> Self {
        Self::BadOid(error)
    }
}

/// Reads elements one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Result<u8, DecodeError> {
        self.rest.first().copied().ok_or(DecodeError::Truncated)
    }

    /// The next element's tag and the length that it announces; the reader then stands at its content.
    fn header(&mut self) -> Result<(u8, usize), DecodeError> {
        let (tag, first, rest) = match self.rest {
            [tag, first, rest @ ..] => (*tag, *first, rest),
            _ => return Err(DecodeError::Truncated),
        };
        if first < 0x80 {
            self.rest = rest;
            return Ok((tag, usize::from(first)));
        }
        let count = usize::from(first & 0x7f);
        // Padded lengths are met; more than four significant bytes cannot be true of a datagram.
        if count == 0 || first == 0xff {
            return Err(DecodeError::BadLength);
        }
        let (digits, rest) = rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        let significant = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        if significant.len() > 4 {
            return Err(DecodeError::BadLength);
        }
        self.rest = rest;
        Ok((tag, significant.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))))
    }

    /// The next element: tag and content.
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), DecodeError> {
        let (tag, length) = self.header()?;
        let (content, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok((tag, content))
    }

    /// The next element, which must have this tag.
    pub(super) fn expect(&mut self, expected: u8) -> Result<&'a [u8], DecodeError> {
        let found = self.peek()?;
        if found != expected {
            return Err(DecodeError::UnexpectedTag { expected, found });
        }
        Ok(self.element()?.1)
    }

    /// Enter a container whose end may be cut off; `true` where it is.
    pub(super) fn enter(&mut self, expected: u8) -> Result<(Reader<'a>, bool), DecodeError> {
        let found = self.peek()?;
        if found != expected {
            return Err(DecodeError::UnexpectedTag { expected, found });
        }
        let (_, length) = self.header()?;
        let cut = length > self.rest.len();
        let (content, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Ok((Reader { rest: content }, cut))
    }

    /// The next element as an INTEGER of at most 64 bits.
    pub(super) fn integer(&mut self) -> Result<i64, DecodeError> {
        signed(self.expect(tag::INTEGER)?).ok_or(DecodeError::BadInteger)
    }

    /// The next element as an INTEGER of 32 bits.
    pub(super) fn integer32(&mut self) -> Result<i32, DecodeError> {
        i32::try_from(self.integer()?).map_err(|_| DecodeError::BadInteger)
    }
}

/// Where a part that was borrowed from `whole` lies in it.
pub(super) fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

/// Two's complement, padded or not; none where empty or wider than 64 bits.
pub(super) fn signed(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.first()? & 0x80 != 0;
    let pad = if negative { 0xff } else { 0 };
    if bytes.len() <= 8 {
        let start = if negative { -1i64 } else { 0 };
        return Some(bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)));
    }
    let (padding, digits) = bytes.split_at(bytes.len() - 8);
    let value = digits.iter().fold(0i64, |value, byte| value << 8 | i64::from(*byte));
    (padding.iter().all(|byte| *byte == pad) && (value < 0) == negative).then_some(value)
}

/// The bytes as a number without sign: agents that forget the leading zero byte mean it so. None where
/// empty or wider than 64 bits.
pub(super) fn unsigned(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let digits = match bytes.len() {
        0..=8 => bytes,
        longer => {
            let (padding, digits) = bytes.split_at(longer - 8);
            padding.iter().all(|byte| *byte == 0).then_some(digits)?
        }
    };
    Some(digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Where a container was opened, for [`close`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

/// Begin a container; its length is written when it is closed.
pub(super) fn open(out: &mut Vec<u8>, tag: u8) -> Mark {
    out.extend_from_slice(&[tag, 0]);
    Mark(out.len())
}

/// End a container: how far its content moved to make room for a long length.
pub(super) fn close(out: &mut Vec<u8>, mark: Mark) -> usize {
    let length = out.len() - mark.0;
    if length < 0x80 {
        out[mark.0 - 1] = length as u8;
        return 0;
    }
    let digits = (length as u64).to_be_bytes();
    let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
    let end = out.len();
    out.resize(end + digits.len(), 0);
    out.copy_within(mark.0..end, mark.0 + digits.len());
    out[mark.0 - 1] = 0x80 | digits.len() as u8;
    out[mark.0..mark.0 + digits.len()].copy_from_slice(digits);
    digits.len()
}

/// How many bytes tag and length take before content of this length.
pub(super) fn header_size(length: usize) -> usize {
    match length {
        0..0x80 => 2,
        0x80..0x100 => 3,
        0x100..0x1_0000 => 4,
        0x1_0000..0x100_0000 => 5,
        _ => 6,
    }
}

/// Tag and length before content of this length.
pub(super) fn put_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    if length < 0x80 {
        out.extend_from_slice(&[tag, length as u8]);
        return;
    }
    let digits = (length as u64).to_be_bytes();
    let digits = &digits[8 - (header_size(length) - 2)..];
    out.extend_from_slice(&[tag, 0x80 | digits.len() as u8]);
    out.extend_from_slice(digits);
}

/// An element.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    put_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// An INTEGER.
pub(super) fn put_integer(out: &mut Vec<u8>, value: i64) {
    let bytes = value.to_be_bytes();
    put(out, tag::INTEGER, &bytes[8 - signed_size(value)..]);
}

/// A number without sign.
pub(super) fn put_unsigned(out: &mut Vec<u8>, tag: u8, value: u64) {
    let bytes = value.to_be_bytes();
    match unsigned_size(value) {
        9 => {
            out.extend_from_slice(&[tag, 9, 0]);
            out.extend_from_slice(&bytes);
        }
        size => put(out, tag, &bytes[8 - size..]),
    }
}

/// How many bytes a signed integer's shortest content takes.
pub(super) fn signed_size(value: i64) -> usize {
    let magnitude = if value < 0 { !value } else { value };
    (64 - magnitude.leading_zeros()) as usize / 8 + 1
}

/// How many bytes an unsigned integer's shortest content takes.
pub(super) fn unsigned_size(value: u64) -> usize {
    (64 - value.leading_zeros()) as usize / 8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_may_be_padded_but_not_indefinite() {
        assert_eq!(Reader::new(&[4, 0x82, 0, 1, 7]).element(), Ok((4, &[7u8][..])));
        assert_eq!(Reader::new(&[4, 0x86, 0, 0, 0, 0, 0, 1, 7]).element(), Ok((4, &[7u8][..])));
        assert_eq!(Reader::new(&[0x30, 0x80, 0, 0]).element(), Err(DecodeError::BadLength));
        assert_eq!(Reader::new(&[4, 0x85, 1, 0, 0, 0, 0]).element(), Err(DecodeError::BadLength));
        assert_eq!(Reader::new(&[0x30, 0xb3]).element(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0x30]).element(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[4, 0x84, 0xff, 0xff, 0xff, 0xff]).element(), Err(DecodeError::Truncated));
    }

    #[test]
    fn integers_may_be_padded_and_counters_may_lack_their_zero() {
        assert_eq!(signed(&[0xff; 12]), Some(-1));
        assert_eq!(signed(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 5]), Some(5));
        assert_eq!(signed(&[0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(signed(&[]), None);
        assert_eq!(unsigned(&[0xff; 8]), Some(u64::MAX));
        assert_eq!(unsigned(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some(u64::MAX));
        assert_eq!(unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(unsigned(&[0xff; 4]), Some(0xffff_ffff));
        assert_eq!(unsigned(&[]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: i64, number: u64, length in 0usize..70_000) {
            let mut out = Vec::new();
            put_integer(&mut out, value);
            put_unsigned(&mut out, tag::COUNTER64, number);
            let outer = open(&mut out, tag::SEQUENCE);
            let head = out.len();
            put(&mut out, tag::OCTET_STRING, &vec![7; length]);
            prop_assert_eq!(out.len() - head, header_size(length) + length);
            close(&mut out, outer);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.integer(), Ok(value));
            let (found, content) = reader.element().unwrap();
            prop_assert_eq!((found, unsigned(content)), (tag::COUNTER64, Some(number)));
            prop_assert!(content.len() == 1 || !(content[0] == 0 && content[1] < 0x80), "shortest form");
            let inner = reader.expect(tag::SEQUENCE).unwrap();
            prop_assert!(reader.is_empty());
            prop_assert_eq!(Reader::new(inner).expect(tag::OCTET_STRING).unwrap().len(), length);
        }
    }
}
