//! What the kernel says of its own types: BTF, as `/sys/kernel/btf/vmlinux` has it
//! (Documentation/bpf/btf.rst in the kernel's sources).
//!
//! Whatever the bytes are, reading them ends, allocates no more than a word for each type, and gives nothing that
//! is not in them.

use std::fmt;

/// Types behind each other inside of types, at most: the kernel's own limit is 32.
const DEEPEST: usize = 32;
/// Members looked at for one question, at most.
const MOST_MEMBERS: usize = 1 << 16;

const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC_PROTO: u32 = 13;
const ENUM64: u32 = 19;

/// Why the bytes are no BTF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BtfError {
    /// No BTF, or of another byte order.
    Magic,
    /// It ends in the middle.
    Truncated,
    /// It has a kind of type that nobody knows the length of.
    UnknownKind(u32),
    /// It does not have this type or member.
    Missing(String),
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it is not BTF"),
            Self::Truncated => f.write_str("it ends in the middle"),
            Self::UnknownKind(kind) => write!(f, "it has types of the unknown kind {kind}"),
            Self::Missing(name) => write!(f, "it does not tell of {name}"),
        }
    }
}

impl std::error::Error for BtfError {}

/// The kernel's types.
pub struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins; type 0 is void, and is not here.
    types: Vec<u32>,
    strings: usize,
    strings_end: usize,
}

#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    flag: bool,
    count: usize,
    /// Size or type, after the kind.
    with: u32,
    /// Where what belongs to it begins.
    rest: usize,
}

impl Btf {
    /// Read it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let word = |at: usize| read_u32(&bytes, at).ok_or(BtfError::Truncated);
        if bytes.get(..2) != Some(&0xeb9f_u16.to_ne_bytes()) {
            return Err(BtfError::Magic);
        }
        let header = word(4)? as usize;
        let section = |at: usize| -> Result<(usize, usize), BtfError> {
            let start = header.checked_add(word(at)? as usize).ok_or(BtfError::Truncated)?;
            let end = start.checked_add(word(at + 4)? as usize).filter(|end| *end <= bytes.len());
            Ok((start, end.ok_or(BtfError::Truncated)?))
        };
        let ((mut at, end), (strings, strings_end)) = (section(8)?, section(16)?);
        let mut types = Vec::new();
        while at < end {
            let Some(found) = read_type(&bytes, at) else { return Err(BtfError::Truncated) };
            let length = match found.kind {
                1 | 14 | 17 => 4,
                ARRAY => 12,
                STRUCT | UNION | 15 | ENUM64 => found.count * 12,
                ENUM | FUNC_PROTO => found.count * 8,
                PTR | 7..=12 | 16 | 18 => 0,
                kind => return Err(BtfError::UnknownKind(kind)),
            };
            types.push(at as u32);
            at = found.rest + length;
        }
        if at != end {
            return Err(BtfError::Truncated);
        }
        Ok(Self { bytes, types, strings, strings_end })
    }

    fn type_at(&self, id: u32) -> Option<Type> {
        let at = *self.types.get((id as usize).checked_sub(1)?)?;
        read_type(&self.bytes, at as usize)
    }

    fn word(&self, at: usize) -> Option<u32> {
        read_u32(&self.bytes, at)
    }

    fn is_named(&self, offset: u32, name: &str) -> bool {
        let text = self.bytes.get(self.strings + offset as usize..self.strings_end).unwrap_or_default();
        text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    fn name(&self, offset: u32) -> Option<&str> {
        let text = self.bytes.get(self.strings + offset as usize..self.strings_end)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&text[..end]).ok()
    }

    fn find(&self, name: &str, kinds: &[u32]) -> Option<(u32, Type)> {
        (1..=self.types.len() as u32).find_map(|id| {
            let found = self.type_at(id)?;
            (kinds.contains(&found.kind) && self.is_named(found.name, name)).then_some((id, found))
        })
    }

    /// What a type is behind its names and qualifiers.
    fn plain(&self, mut id: u32) -> Option<(u32, Type)> {
        for _ in 0..DEEPEST {
            let found = self.type_at(id)?;
            match found.kind {
                // typedef, volatile, const, restrict, type tag
                TYPEDEF..=11 | 18 => id = found.with,
                _ => return Some((id, found)),
            }
        }
        None
    }

    /// Where a member lies in a structure, octets: `["nd_net", "net"]` is the member of a member. Unions and structures
    /// without a name are looked through, as in C.
    ///
    /// # Errors
    /// [`BtfError::Missing`]
    pub fn offset(&self, structure: &str, path: &[&str]) -> Result<i16, BtfError> {
        let missing = || BtfError::Missing(format!("{structure}.{}", path.join(".")));
        let (_, mut inside) = self.find(structure, &[STRUCT]).ok_or_else(missing)?;
        let mut bits = 0_u64;
        let mut budget = MOST_MEMBERS;
        for name in path {
            let (offset, id) = self.member(inside, name, 0, &mut budget).ok_or_else(missing)?;
            bits += offset;
            if let Some((_, next)) = self.plain(id) {
                inside = next;
            }
        }
        // Bit fields lie between octets; none of them is asked for.
        bits.is_multiple_of(8).then(|| i16::try_from(bits / 8).ok()).flatten().ok_or_else(missing)
    }

    /// Where a member lies, bits, and its type.
    fn member(&self, inside: Type, name: &str, depth: usize, budget: &mut usize) -> Option<(u64, u32)> {
        if depth > DEEPEST || !matches!(inside.kind, STRUCT | UNION) {
            return None;
        }
        for at in 0..inside.count {
            *budget = budget.checked_sub(1)?;
            let row = inside.rest + at * 12;
            let (member, id, place) = (self.word(row)?, self.word(row + 4)?, self.word(row + 8)?);
            let place = u64::from(if inside.flag { place & 0xff_ffff } else { place });
            if self.is_named(member, name) {
                return Some((place, id));
            }
            if self.is_named(member, "")
                && let Some((_, next)) = self.plain(id)
                && let Some((offset, found)) = self.member(next, name, depth + 1, budget)
            {
                return Some((place + offset, found));
            }
        }
        None
    }

    /// The values of an enumeration with their names.
    ///
    /// # Errors
    /// [`BtfError::Missing`]
    pub fn values(&self, enumeration: &str) -> Result<Vec<(u32, &str)>, BtfError> {
        let missing = || BtfError::Missing(format!("enum {enumeration}"));
        let (_, found) = self.find(enumeration, &[ENUM, ENUM64]).ok_or_else(missing)?;
        let width = if found.kind == ENUM { 8 } else { 12 };
        let row = |at| {
            let row = found.rest + at * width;
            Some((self.word(row + 4)?, self.name(self.word(row)?)?))
        };
        Ok((0..found.count).filter_map(row).collect())
    }

    /// The type to attach to for a tracepoint, and how many arguments it has.
    ///
    /// # Errors
    /// [`BtfError::Missing`]
    pub fn tracepoint(&self, name: &str) -> Result<(u32, usize), BtfError> {
        let missing = || BtfError::Missing(format!("the tracepoint {name}"));
        let (id, named) = self.find(&format!("btf_trace_{name}"), &[TYPEDEF]).ok_or_else(missing)?;
        let pointer = self.type_at(named.with).filter(|found| found.kind == PTR).ok_or_else(missing)?;
        let (_, proto) = self.plain(pointer.with).filter(|(_, found)| found.kind == FUNC_PROTO).ok_or_else(missing)?;
        // The first is the tracepoint's own.
        Ok((id, proto.count.saturating_sub(1)))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_type(bytes: &[u8], at: usize) -> Option<Type> {
    let info = read_u32(bytes, at + 4)?;
    Some(Type {
        name: read_u32(bytes, at)?,
        kind: info >> 24 & 0x1f,
        flag: info >> 31 == 1,
        count: (info & 0xffff) as usize,
        with: read_u32(bytes, at + 8)?,
        rest: at + 12,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `struct box { union { struct { int a; int b; }; long all; }; pair c; }; typedef struct { int x; int y; } pair;`,
    /// an enumeration, and a tracepoint of two arguments.
    fn small() -> Vec<u8> {
        let mut strings = vec![0];
        let mut name = |text: &str| {
            let at = strings.len() as u32;
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let kind = |kind: u32, count: u32| kind << 24 | count;
        let types: Vec<u32> = [
            vec![name("int"), kind(1, 0), 4, 32],                                 // 1
            vec![0, kind(STRUCT, 2), 8, name("a"), 1, 0, name("b"), 1, 32],       // 2
            vec![0, kind(UNION, 2), 8, 0, 2, 0, name("all"), 1, 0],               // 3
            vec![0, kind(STRUCT, 2), 8, name("x"), 1, 0, name("y"), 1, 32],       // 4
            vec![name("pair"), kind(TYPEDEF, 0), 4],                              // 5
            vec![name("box"), kind(STRUCT, 2), 16, 0, 3, 0, name("c"), 5, 64],    // 6
            vec![name("why"), kind(ENUM, 2), 4, name("FINE"), 0, name("BAD"), 7], // 7
            vec![0, kind(FUNC_PROTO, 3), 0, 0, 1, 0, 1, 0, 1],                    // 8
            vec![0, kind(PTR, 0), 8],                                             // 9
            vec![name("btf_trace_gone"), kind(TYPEDEF, 0), 9],                    // 10
        ]
        .concat();
        let length = types.len() as u32 * 4;
        let header = [0x1_eb9f, 24, 0, length, length, strings.len() as u32];
        let words = header.into_iter().chain(types).flat_map(u32::to_ne_bytes);
        words.chain(strings).collect()
    }

    #[test]
    fn finds_members_values_and_tracepoints() {
        let btf = Btf::parse(small()).unwrap();
        assert_eq!(btf.offset("box", &["b"]), Ok(4));
        assert_eq!(btf.offset("box", &["all"]), Ok(0));
        assert_eq!(btf.offset("box", &["c", "y"]), Ok(12));
        assert_eq!(btf.offset("box", &["d"]), Err(BtfError::Missing("box.d".into())));
        assert_eq!(btf.offset("bo", &["b"]), Err(BtfError::Missing("bo.b".into())));
        assert_eq!(btf.values("why"), Ok(vec![(0, "FINE"), (7, "BAD")]));
        assert_eq!(btf.tracepoint("gone"), Ok((10, 2)));
        assert!(btf.tracepoint("come").is_err());
        assert_eq!(Btf::parse(b"not".to_vec()).err(), Some(BtfError::Magic));
    }

    fn ask(bytes: Vec<u8>) {
        if let Ok(btf) = Btf::parse(bytes) {
            let _ =
                (btf.offset("box", &["b"]), btf.offset("box", &["c", "y"]), btf.values("why"), btf.tracepoint("gone"));
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_do_no_harm(changes in prop::collection::vec((0_usize..400, any::<u8>()), 1..6), cut in 0_usize..500) {
            let mut bytes = small();
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut);
            ask(bytes);
        }

        #[test]
        fn nor_do_any(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            ask([&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0][..], &bytes].concat());
        }
    }

    #[test]
    fn the_running_kernel_tells_of_packets() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let btf = Btf::parse(bytes).unwrap();
        assert!(btf.offset("sk_buff", &["dev"]).is_ok_and(|offset| offset > 0));
        assert!(btf.offset("net_device", &["nd_net", "net"]).is_ok_and(|offset| offset > 0));
        assert!(btf.tracepoint("kfree_skb").is_ok_and(|(_, arguments)| arguments >= 2));
    }
}
