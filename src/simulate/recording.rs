//! Recordings of devices: `.snmprec` files as snmpsim writes them, one instance a line, `OID|TAG|VALUE`.
//!
//! The tag is the ASN.1 type's number; a suffix `x` says that the value is in hexadecimal, `e` that it is written with
//! backslash escapes. Recordings are served as they are: a value that does not fit its type is served as an octet string, a
//! line that cannot be read at all is reported and left out. Variation modules (tags with a colon) are not known here.

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
    /// No line of it means anything; the first that did not, and why.
    Nothing(PathBuf, Option<(usize, &'static str)>),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
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
    let recording = parse(&bytes);
    if recording.tree.is_empty() {
        return Err(RecordingError::Nothing(path.to_owned(), recording.skipped.first().copied()));
    }
    Ok(recording)
}

/// Read the content of a file. Any bytes will do.
pub fn parse(bytes: &[u8]) -> Recording {
    let mut entries = Vec::new();
    let mut skipped = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match instance(line) {
            Ok(entry) => entries.push(entry),
            Err(why) => skipped.push((number + 1, why)),
        }
    }
    Recording { tree: Tree::new(entries), skipped }
}

fn instance(line: &[u8]) -> Result<(Oid, Cell), &'static str> {
    let mut parts = line.splitn(3, |&byte| byte == b'|');
    let mut part = || parts.next().ok_or("a line is OID|TAG|VALUE");
    let (oid, tag, value) = (part()?, part()?, part()?);
    let oid = std::str::from_utf8(oid).ok().and_then(|text| text.trim_start_matches('.').parse().ok());
    let oid: Oid = oid.ok_or("the OID cannot be read")?;
    let tag = std::str::from_utf8(tag).map_err(|_| "the tag is not a number")?;
    let digits = tag.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u32 = digits.parse().map_err(|_| "the tag is not a number")?;
    let value = match &tag[digits.len()..] {
        "" => value.to_vec(),
        suffix if suffix.ends_with('x') => from_hex(value).ok_or("the value is not hexadecimal")?,
        suffix if suffix.ends_with('e') => unescape(value),
        _ => return Err("the tag's suffix is not known"),
    };
    Ok((oid, cell(number, value)))
}

/// The value as its type wants it; what does not fit the type is served as octets.
fn cell(tag: u32, value: Vec<u8>) -> Cell {
    let text = std::str::from_utf8(&value).unwrap_or("").trim();
    let fit = match tag {
        2 => text.parse().ok().map(Cell::Integer),
        5 => Some(Cell::Null),
        6 => text.trim_start_matches('.').parse().ok().map(Cell::Oid),
        64 => {
            text.parse().ok().or_else(|| <[u8; 4]>::try_from(value.as_slice()).ok().map(Into::into)).map(Cell::Address)
        }
        // Devices give 32-bit numbers with a sign, or wider than they may be: the low 32 bits are what they sent.
        65 => text.parse::<i128>().ok().map(|number| Cell::Counter32(number as u32)),
        66 => text.parse::<i128>().ok().map(|number| Cell::Gauge32(number as u32)),
        67 => text.parse::<i128>().ok().map(|number| Cell::Ticks(number as u32)),
        68 => Some(Cell::Opaque(value.as_slice().into())),
        70 => text.parse::<i128>().ok().map(|number| Cell::Counter64(number as u64)),
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn any_bytes_will_do(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let recording = parse(&bytes);
            prop_assert!(recording.tree.len() <= bytes.len());
        }
    }
}
