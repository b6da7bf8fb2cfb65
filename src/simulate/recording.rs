//! Recordings of devices: `.snmprec` files as snmpsim writes them, one instance a line, `OID|TAG|VALUE`.
//!
//! The tag is the ASN.1 type's number; a suffix `x` says that the value is in hexadecimal, `e` that it is written with
//! backslash escapes. Lines may come in any order and end with CR LF; of two lines with one OID the later counts, as it
//! does for whoever reads the file into a dictionary. Recordings are served as they are: a value that does not fit its
//! type is served as an octet string, a line that cannot be read at all is reported and left out. Variation modules (tags
//! with a colon) are not known here, nor is anything that is compressed.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::{Cell, Tree};
use crate::snmp::Oid;

/// Why a recording cannot be served.
#[derive(Debug)]
pub enum RecordingError {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// It is compressed, by what.
    Compressed(PathBuf, &'static str),
    /// No line of it means anything; the first that did not, and why.
    Nothing(PathBuf, Option<(usize, &'static str)>),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Compressed(path, by) => {
                write!(f, "{}: compressed ({by}): unpack it, recordings are read as plain text", path.display())
            }
            Self::Nothing(path, Some((line, why))) => write!(f, "{}:{line}: {why}", path.display()),
            Self::Nothing(path, None) => write!(f, "{}: the recording is empty", path.display()),
        }
    }
}

impl std::error::Error for RecordingError {}

/// A recording and the lines that were left out, each with its number and why.
#[derive(Debug)]
pub struct Recording {
    /// What it tells.
    pub tree: Tree,
    /// Lines left out.
    pub skipped: Vec<(usize, &'static str)>,
}

/// Read a file.
///
/// # Errors
/// It cannot be read, or holds nothing of use.
pub fn read(path: &Path) -> Result<Recording, RecordingError> {
    let bytes = fs::read(path).map_err(|error| RecordingError::Io(path.to_owned(), error))?;
    if let Some(by) = compressed(&bytes) {
        return Err(RecordingError::Compressed(path.to_owned(), by));
    }
    let recording = parse(&bytes);
    if recording.tree.is_empty() {
        return Err(RecordingError::Nothing(path.to_owned(), recording.skipped.first().copied()));
    }
    Ok(recording)
}

/// How compressed files begin. No line of a recording begins so.
fn compressed(bytes: &[u8]) -> Option<&'static str> {
    const BEGIN: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"PK\x03\x04", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ];
    BEGIN.into_iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, by)| by)
}

/// Read the content of a file. Any bytes will do.
pub fn parse(bytes: &[u8]) -> Recording {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut entries: Vec<(Oid, Cell)> = Vec::new();
    let mut skipped = Vec::new();
    // Which entry has the OID, and on which line.
    let mut known: HashMap<Oid, (usize, usize)> = HashMap::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = number + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        match instance(line) {
            Ok((oid, cell)) => match known.get_mut(&oid) {
                Some((place, earlier)) => {
                    entries[*place].1 = cell;
                    skipped.push((std::mem::replace(earlier, number), "a later line has the same OID"));
                }
                None => {
                    known.insert(oid.clone(), (entries.len(), number));
                    entries.push((oid, cell));
                }
            },
            Err(why) => skipped.push((number, why)),
        }
    }
    skipped.sort_by_key(|(line, _)| *line);
    Recording { tree: Tree::new(entries), skipped }
}

fn instance(line: &[u8]) -> Result<(Oid, Cell), &'static str> {
    let mut parts = line.splitn(3, |&byte| byte == b'|');
    let mut part = || parts.next().ok_or("a line is OID|TAG|VALUE");
    let (oid, tag, value) = (part()?, part()?, part()?);
    let oid = std::str::from_utf8(oid).ok().and_then(|text| text.trim().trim_start_matches('.').parse().ok());
    let oid: Oid = oid.ok_or("the OID cannot be read")?;
    let tag = std::str::from_utf8(tag).map_err(|_| "the tag is not a number")?.trim();
    if tag.contains(':') {
        return Err("variation modules are not known");
    }
    let digits = tag.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u32 = digits.parse().map_err(|_| "the tag is not a number")?;
    let value = match &tag[digits.len()..] {
        "" => value.to_vec(),
        suffix if suffix.ends_with('x') => from_hex(value).ok_or("the value is not hexadecimal")?,
        suffix if suffix.ends_with('e') => unescape(value),
        _ => return Err("the tag's suffix is not known"),
    };
    if (128..=130).contains(&number) {
        return Err("the device had no value here");
    }
    Ok((oid, cell(number, value)))
}

/// The value as its type wants it; what does not fit the type is served as octets.
fn cell(tag: u32, value: Vec<u8>) -> Cell {
    let text = std::str::from_utf8(&value).unwrap_or("").trim();
    // Devices give 32-bit numbers with a sign, or wider than they may be: the low bits are what they sent.
    let number = || text.parse::<i128>().ok();
    let fit = match tag {
        2 => text.parse().ok().map(Cell::Integer),
        5 => Some(Cell::Null),
        6 => text.trim_start_matches('.').parse().ok().map(Cell::Oid),
        64 => {
            text.parse().ok().or_else(|| <[u8; 4]>::try_from(value.as_slice()).ok().map(Into::into)).map(Cell::Address)
        }
        65 => number().map(|number| Cell::Counter32(number as u32)),
        // 71 is what Unsigned32 was before it became the same as Gauge32.
        66 | 71 => number().map(|number| Cell::Gauge32(number as u32)),
        67 => number().map(|number| Cell::Ticks(number as u32)),
        68 => Some(Cell::Opaque(value.as_slice().into())),
        70 => number().map(|number| Cell::Counter64(number as u64)),
        _ => None,
    };
    fit.unwrap_or_else(|| Cell::Octets(value.into()))
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let [high, low] = pair else { return None };
            let digit = |byte: u8| (byte as char).to_digit(16);
            Some((digit(*high)? * 16 + digit(*low)?) as u8)
        })
        .collect()
}

/// Backslash escapes: `\n \r \t \\ \' \" \0` and `\xHH`; anything else stays as it is.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.first() {
            Some(b'x') if rest.len() >= 3 && from_hex(&rest[1..3]).is_some() => {
                out.extend(from_hex(&rest[1..3]).unwrap_or_default());
                rest = &rest[3..];
            }
            Some(escape) => {
                let plain = match escape {
                    b'n' => Some(b'\n'),
                    b'r' => Some(b'\r'),
                    b't' => Some(b'\t'),
                    b'0' => Some(0),
                    b'\\' | b'\'' | b'"' => Some(*escape),
                    _ => None,
                };
                if let Some(plain) = plain {
                    out.push(plain);
                    rest = &rest[1..];
                } else {
                    out.push(byte);
                }
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snmp::{ObjectTree, Value};

    fn value_of<'a>(recording: &'a Recording, oid: &str) -> Value<'a> {
        recording.tree.get(oid.parse::<Oid>().unwrap().as_ref())
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = b"# a comment\r\n1.3.6.1.2.1.1.1.0|4|a | bar\r\n1.3.6.1.2.1.1.3.0|67|4294967296\n\
            .1.3.6.1.2.1.1.2.0|6|.1.3.6.1.4.1.9\n1.3.1|4x|00 ff0A\n1.3.2|64e|\\n\\xee\\x02\\x19\n1.3.3|64|10.0.0.1\n\
            1.3.4|70|18446744073709551615\n1.3.5|65|text\n1.3.6|2|-7\n1.3.7|64x|0A000002\n1.3.8|5|\n";
        let recording = parse(text);
        assert_eq!(recording.skipped, []);
        assert_eq!(value_of(&recording, "1.3.6.1.2.1.1.1.0"), Value::OctetString(b"a | bar"));
        assert_eq!(value_of(&recording, "1.3.6.1.2.1.1.3.0"), Value::TimeTicks(0));
        assert_eq!(value_of(&recording, "1.3.1"), Value::OctetString(&[0, 255, 10]));
        assert_eq!(value_of(&recording, "1.3.2"), Value::IpAddress([10, 0xee, 2, 0x19].into()));
        assert_eq!(value_of(&recording, "1.3.3"), Value::IpAddress([10, 0, 0, 1].into()));
        assert_eq!(value_of(&recording, "1.3.4"), Value::Counter64(u64::MAX));
        assert_eq!(value_of(&recording, "1.3.5"), Value::OctetString(b"text"));
        assert_eq!(value_of(&recording, "1.3.6"), Value::Integer(-7));
        assert_eq!(value_of(&recording, "1.3.7"), Value::IpAddress([10, 0, 0, 2].into()));
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_stands() {
        let recording = parse(b"1.3.1|2|1\nnonsense\n1.3.2|two|2\n1.3.3|4x|0\n1.3.4|2|4");
        assert_eq!(recording.tree.len(), 2);
        assert_eq!(recording.skipped.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn what_devices_and_editors_do_to_a_file_is_taken() {
        let text = b"\xef\xbb\xbf1.3.9|4|z\r\n 1.3.1 | 2 |1\r\n\r\n  # a comment\n1.3.1|2|2\n1.3.2|71|7\n1.3.3|129|\n\
            1.3.4|2:numeric|rate=1\n1.3.5|40|c0a80101\n1.3.6|4xx|6162\n1.3.7|68x|9f78 04 42";
        let recording = parse(text);
        assert_eq!(recording.skipped.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 7, 8]);
        assert_eq!(value_of(&recording, "1.3.9"), Value::OctetString(b"z"));
        // Of two lines the later counts.
        assert_eq!(value_of(&recording, "1.3.1"), Value::Integer(2));
        assert_eq!(value_of(&recording, "1.3.2"), Value::Gauge32(7));
        assert_eq!(value_of(&recording, "1.3.3"), Value::NoSuchInstance);
        assert_eq!(value_of(&recording, "1.3.5"), Value::OctetString(b"c0a80101"));
        assert_eq!(value_of(&recording, "1.3.6"), Value::OctetString(b"ab"));
        assert_eq!(value_of(&recording, "1.3.7"), Value::Opaque(&[0x9f, 0x78, 4, 0x42]));
        assert_eq!(compressed(b"\x1f\x8b\x08"), Some("gzip"));
        assert_eq!(compressed(text), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn any_bytes_will_do(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let recording = parse(&bytes);
            prop_assert!(recording.tree.len() <= bytes.len());
        }
    }
}
