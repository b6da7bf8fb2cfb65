//! Object identifiers (RFC 2578 §3.5; X.690 §8.19), kept as the bytes they have on the wire.
//!
//! An [`Oid`] names an object or an instance; an [`Index`] is what follows a column's name. Both own a
//! small inline buffer and reach for the heap only when unusually long; [`OidRef`] and [`IndexRef`]
//! borrow from a message. Every value of these types holds checked, canonical encoding: equality and
//! prefixes are comparisons of bytes, and no comparison depends on what a device sent elsewhere.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Most arcs that an identifier may have (RFC 2578 §3.5).
pub const MAX_ARCS: usize = 128;

/// Why bytes, arcs or a text are no object identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidError {
    /// An object identifier has at least two arcs.
    TooShort,
    /// More than [`MAX_ARCS`] arcs.
    TooLong,
    /// The first arc is above 2, or the second above 39 under the first two.
    BadRoot,
    /// An arc above 2^32 - 1.
    ArcOverflow,
    /// The encoding ends within an arc, or an arc is padded.
    BadEncoding,
    /// Not digits and dots.
    BadText,
}

impl fmt::Display for OidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "an object identifier has at least two arcs",
            Self::TooLong => "an object identifier has at most 128 arcs",
            Self::BadRoot => "the first two arcs of the object identifier are impossible",
            Self::ArcOverflow => "an arc of the object identifier is above 4294967295",
            Self::BadEncoding => "the object identifier is badly encoded",
            Self::BadText => "an object identifier is written as numbers with dots between them",
        })
    }
}

impl std::error::Error for OidError {}

/// An object identifier that owns its bytes: 62 of them inline.
#[derive(Clone)]
pub struct Oid(Bytes<62>);

/// An object identifier within a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OidRef<'a>(&'a [u8]);

/// The arcs after a column's name, owned: which row.
#[derive(Clone)]
pub struct Index(Bytes<30>);

/// The arcs after a column's name, within a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexRef<'a>(&'a [u8]);

impl Oid {
    /// From arcs.
    pub fn from_arcs(arcs: &[u32]) -> Result<Self, OidError> {
        let [first, second, rest @ ..] = arcs else { return Err(OidError::TooShort) };
        if arcs.len() > MAX_ARCS {
            return Err(OidError::TooLong);
        }
        if *first > 2 || (*first < 2 && *second > 39) {
            return Err(OidError::BadRoot);
        }
        let root = second.checked_add(first * 40).ok_or(OidError::ArcOverflow)?;
        let mut bytes = Vec::with_capacity(arcs.len() + 8);
        push_arc(&mut bytes, root);
        rest.iter().for_each(|arc| push_arc(&mut bytes, *arc));
        Ok(Self(Bytes::new(&bytes)))
    }

    /// An identifier known when the program is compiled, so that tables of objects may be constants.
    ///
    /// # Panics
    /// Where the arcs are no identifier of at most 62 bytes: an error of compilation in a constant, and
    /// it is meant for nothing else.
    pub const fn literal(arcs: &[u32]) -> Self {
        assert!(arcs.len() >= 2 && arcs[0] <= 2 && (arcs[0] == 2 || arcs[1] < 40) && arcs[1] < 1 << 31);
        let mut bytes = [0; 62];
        let mut len = 0;
        let mut at = 1;
        while at < arcs.len() {
            let arc = if at == 1 { arcs[0] * 40 + arcs[1] } else { arcs[at] };
            let mut groups = 1;
            while groups < 5 && arc >> (7 * groups) != 0 {
                groups += 1;
            }
            while groups > 0 {
                groups -= 1;
                let more = if groups > 0 { 0x80 } else { 0 };
                bytes[len] = (arc >> (7 * groups)) as u8 & 0x7f | more;
                len += 1;
            }
            at += 1;
        }
        Self(Bytes::Inline { len: len as u8, bytes })
    }

    /// This identifier as the borrowed kind.
    pub fn as_ref(&self) -> OidRef<'_> {
        OidRef(self.0.as_slice())
    }

    /// The bytes of its encoding, without tag and length.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Its arcs.
    pub fn arcs(&self) -> impl Iterator<Item = u32> + '_ {
        self.as_ref().arcs()
    }

    /// With one more arc.
    pub fn child(&self, arc: u32) -> Result<Self, OidError> {
        self.join(Index::from_arcs(&[arc])?.as_ref())
    }

    /// With an index behind it.
    pub fn join(&self, index: IndexRef<'_>) -> Result<Self, OidError> {
        self.as_ref().join(index)
    }

    /// Make this `column` with `index` behind it, in place; unchanged on error.
    pub fn set_joined(&mut self, column: OidRef<'_>, index: IndexRef<'_>) -> Result<(), OidError> {
        *self = column.join(index)?;
        Ok(())
    }

    /// Without its last arc; none where only two are left.
    pub fn parent(&self) -> Option<Self> {
        let bytes = self.as_bytes();
        let last = bytes.len().checked_sub(1)?;
        let start = bytes[..last].iter().rposition(|byte| byte & 0x80 == 0)? + 1;
        Some(Self(Bytes::new(&bytes[..start])))
    }

    /// Whether this is `prefix` or lies below it.
    pub fn starts_with(&self, prefix: &Oid) -> bool {
        self.as_ref().strip_prefix(prefix.as_ref()).is_some()
    }
}

impl<'a> OidRef<'a> {
    /// Check the content of an encoded OBJECT IDENTIFIER. Empty content is let through: agents give it
    /// for "no identifier" (`sysObjectID` of some), and it compares below every other.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, OidError> {
        // The first sub-identifier holds two arcs.
        check(bytes, MAX_ARCS - 1)?;
        Ok(Self(bytes))
    }

    /// From bytes that are those of an [`Oid`].
    pub(crate) fn from_checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes of its encoding, without tag and length.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its arcs; none at all where the encoding was empty.
    pub fn arcs(self) -> impl Iterator<Item = u32> + 'a {
        let mut arcs = Arcs(self.0);
        let root = arcs.next();
        let two = root.map(|root| match root {
            0..40 => [0, root],
            40..80 => [1, root - 40],
            _ => [2, root - 80],
        });
        two.into_iter().flatten().chain(arcs)
    }

    /// How many arcs it has.
    pub fn arc_count(self) -> usize {
        count(self.0) + usize::from(!self.0.is_empty())
    }

    /// What follows `prefix`, where this is `prefix` or lies below it.
    pub fn strip_prefix(self, prefix: OidRef<'_>) -> Option<IndexRef<'a>> {
        // Both end with an arc, so that a prefix of bytes is a prefix of arcs.
        self.0.strip_prefix(prefix.0).filter(|_| !prefix.0.is_empty()).map(IndexRef)
    }

    /// With an index behind it.
    pub fn join(self, index: IndexRef<'_>) -> Result<Oid, OidError> {
        // An arc takes a byte at least, and the first byte holds two.
        let short = self.0.len() + index.0.len() < MAX_ARCS;
        if !short && self.arc_count() + index.arc_count() > MAX_ARCS {
            return Err(OidError::TooLong);
        }
        Ok(Oid(Bytes::concat(self.0, index.0)))
    }

    /// An owned copy.
    pub fn to_owned(self) -> Oid {
        Oid(Bytes::new(self.0))
    }
}

impl Index {
    /// From arcs.
    pub fn from_arcs(arcs: &[u32]) -> Result<Self, OidError> {
        if arcs.len() > MAX_ARCS {
            return Err(OidError::TooLong);
        }
        let mut bytes = Vec::with_capacity(arcs.len() + 8);
        arcs.iter().for_each(|arc| push_arc(&mut bytes, *arc));
        Ok(Self(Bytes::new(&bytes)))
    }

    /// This index as the borrowed kind.
    pub fn as_ref(&self) -> IndexRef<'_> {
        IndexRef(self.0.as_slice())
    }

    /// Its arcs.
    pub fn arcs(&self) -> impl Iterator<Item = u32> + '_ {
        self.as_ref().arcs()
    }

    /// The arc where there is exactly one, as in ifTable.
    pub fn single(&self) -> Option<u32> {
        self.as_ref().single()
    }
}

impl<'a> IndexRef<'a> {
    /// No arcs.
    pub const EMPTY: IndexRef<'static> = IndexRef(&[]);

    /// Its arcs.
    pub fn arcs(self) -> impl Iterator<Item = u32> + 'a {
        Arcs(self.0)
    }

    /// How many arcs it has.
    pub fn arc_count(self) -> usize {
        count(self.0)
    }

    /// The arc where there is exactly one, as in ifTable.
    pub fn single(self) -> Option<u32> {
        let mut arcs = Arcs(self.0);
        arcs.next().filter(|_| arcs.0.is_empty())
    }

    /// The bytes of its encoding.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// An owned copy.
    pub fn to_owned(self) -> Index {
        Index(Bytes::new(self.0))
    }

    /// A part of an identifier that was checked when it was decoded.
    pub(super) fn from_checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// Walks checked sub-identifiers.
struct Arcs<'a>(&'a [u8]);

impl Iterator for Arcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut arc = 0u32;
        for (at, byte) in self.0.iter().enumerate() {
            arc = arc << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(arc);
            }
        }
        None
    }
}

/// How many sub-identifiers checked bytes hold.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0x80 == 0).count()
}

/// That `bytes` are whole, unpadded sub-identifiers of at most 32 bits, and at most `most` of them.
fn check(bytes: &[u8], most: usize) -> Result<(), OidError> {
    // The usual identifier has no arc above 127: one byte each, and nothing to look at.
    if bytes.is_ascii() && bytes.len() <= most {
        return Ok(());
    }
    if bytes.last().is_some_and(|last| last & 0x80 != 0) {
        return Err(OidError::BadEncoding);
    }
    let (mut continued, mut run, mut lead) = (0, 0, 0);
    for byte in bytes {
        if byte & 0x80 != 0 {
            if run == 0 {
                if *byte == 0x80 {
                    return Err(OidError::BadEncoding);
                }
                lead = *byte;
            }
            run += 1;
            continued += 1;
            if run > 4 || (run == 4 && lead > 0x8f) {
                return Err(OidError::ArcOverflow);
            }
        } else {
            run = 0;
        }
    }
    if bytes.len() - continued > most {
        return Err(OidError::TooLong);
    }
    Ok(())
}

fn push_arc(bytes: &mut Vec<u8>, arc: u32) {
    for shift in [28, 21, 14, 7] {
        if arc >> shift != 0 {
            bytes.push((arc >> shift) as u8 | 0x80);
        }
    }
    bytes.push(arc as u8 & 0x7f);
}

/// Order of the arcs, from canonical bytes: an arc of more bytes is the greater one.
#[inline]
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    if let ([l], [r]) = (left, right) {
        // Most indexes of tables.
        return l.cmp(r);
    }
    let same = common_prefix(left, right);
    let (l, r) = (&left[same..], &right[same..]);
    match (l.first(), r.first()) {
        // The two arcs that differ began at the same place: what is left of them tells their lengths.
        (Some(x), Some(y)) => arc_end(l).cmp(&arc_end(r)).then(x.cmp(y)),
        (x, y) => x.is_some().cmp(&y.is_some()),
    }
}

/// How many bytes two begin with alike. Names that are compared mostly share a column, so eight at a time.
fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let (left_words, right_words) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let mut same = 0;
    for (l, r) in left_words.iter().zip(right_words) {
        let differing = u64::from_le_bytes(*l) ^ u64::from_le_bytes(*r);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + left[same..].iter().zip(&right[same..]).take_while(|(l, r)| l == r).count()
}

fn arc_end(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte & 0x80 != 0).count()
}

/// A short run of bytes, inline where it fits.
#[derive(Clone)]
enum Bytes<const N: usize> {
    Inline { len: u8, bytes: [u8; N] },
    Heap(Box<[u8]>),
}

impl<const N: usize> Bytes<N> {
    fn new(from: &[u8]) -> Self {
        Self::concat(from, &[])
    }

    fn concat(head: &[u8], tail: &[u8]) -> Self {
        let len = head.len() + tail.len();
        if len > N {
            return Self::Heap([head, tail].concat().into());
        }
        let mut bytes = [0; N];
        bytes[..head.len()].copy_from_slice(head);
        bytes[head.len()..len].copy_from_slice(tail);
        Self::Inline { len: len as u8, bytes }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

macro_rules! ordered_bytes {
    ($owned:ty, $borrowed:ident) => {
        impl PartialEq for $owned {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_slice() == other.0.as_slice()
            }
        }
        impl Eq for $owned {}
        impl Hash for $owned {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.as_slice().hash(state);
            }
        }
        impl Ord for $owned {
            fn cmp(&self, other: &Self) -> Ordering {
                compare(self.0.as_slice(), other.0.as_slice())
            }
        }
        impl PartialOrd for $owned {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $borrowed<'_> {
            fn cmp(&self, other: &Self) -> Ordering {
                compare(self.0, other.0)
            }
        }
        impl PartialOrd for $borrowed<'_> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        /// Dotted.
        impl fmt::Display for $borrowed<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (at, arc) in self.arcs().enumerate() {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    write!(f, "{arc}")?;
                }
                Ok(())
            }
        }
        impl fmt::Debug for $borrowed<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
        impl fmt::Display for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_ref().fmt(f)
            }
        }
        impl fmt::Debug for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}
ordered_bytes!(Oid, OidRef);
ordered_bytes!(Index, IndexRef);

/// Dotted, with or without a leading dot.
impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        let mut arcs = Vec::new();
        for part in text.strip_prefix('.').unwrap_or(text).split('.') {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(OidError::BadText);
            }
            if arcs.len() == MAX_ARCS {
                return Err(OidError::TooLong);
            }
            arcs.push(part.parse().map_err(|_| OidError::ArcOverflow)?);
        }
        Self::from_arcs(&arcs)
    }
}

#[cfg(test)]
mod tests;
