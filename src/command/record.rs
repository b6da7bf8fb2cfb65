//! `selvedge record TARGET`: a device's answers as a `.snmprec` file, to be simulated elsewhere.
//!
//! One object a line, `OID|TAG|VALUE`: the tag is the number of the ASN.1 type, with an `x` behind it where
//! the value is in hexadecimal. Lines are in the order of the object identifiers.
//!
//! Exit status 0: it is all there; 1: the device did not answer, or not to the end (what came is written all the
//! same), or the file cannot be written; 2: the command line is wrong.

mod mask;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::device::{self, DeviceArgs, FromConfig, ProgressLine};
use crate::collect::Target;
use crate::snmp::table::{ColumnEnd, WalkEnd};
use crate::snmp::{Limits, Oid, Pace, Progress, RequestError, TablePlan, TableWalk, Value};
use mask::Mask;

/// Record what a device answers, as a .snmprec file.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
    /// Where to write it; it takes its place when it is whole. Without this, to stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Everything the device has, not only what Selvedge and tools like it read.
    #[arg(long)]
    pub all: bool,
    /// Replace what should not leave the house: addresses (each always by the same other one), serial numbers,
    /// contact, location, communities, users and all texts of vendors' own objects; and leave out the tables
    /// that tell who talks to whom. Names of devices and interfaces stay.
    #[arg(long)]
    pub mask: bool,
}

/// What is read without `--all`: system, interfaces, addresses of our own, EtherLike-MIB, entities, LLDP, link
/// aggregation.
const USEFUL: [&[u32]; 9] = [
    &[1, 0, 8802, 1, 1, 2],
    &[1, 2, 840, 10006, 300, 43],
    &[1, 3, 6, 1, 2, 1, 1],
    &[1, 3, 6, 1, 2, 1, 2],
    &[1, 3, 6, 1, 2, 1, 4, 20],
    &[1, 3, 6, 1, 2, 1, 4, 34],
    &[1, 3, 6, 1, 2, 1, 10, 7],
    &[1, 3, 6, 1, 2, 1, 31],
    &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1],
];
const ALL: [&[u32]; 3] = [&[1, 0, 8802], &[1, 2, 840], &[1, 3, 6, 1]];

/// The longest recording: some 500 MB in memory.
const OBJECTS_MAX: usize = 5_000_000;

/// What has been read: tag and value by object identifier.
type Lines = BTreeMap<Vec<u32>, Line>;

/// One value as it stands in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    tag: u8,
    value: Recorded,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Recorded {
    /// Numbers, addresses and identifiers in their usual spelling.
    Plain(String),
    /// Octets: text where they are printable, else hexadecimal.
    Octets(Vec<u8>),
}

/// Run the command.
pub fn run(args: Args, from_config: FromConfig) -> ExitCode {
    device::with_target(&args.device, from_config, async |target| record(&args, target).await)
}

async fn record(args: &Args, target: &Target) -> Result<(), String> {
    let (mut client, _, access) = device::connect(target).await?;
    let mut line = ProgressLine::new();
    let roots: &[&[u32]] = if args.all { &ALL } else { &USEFUL };
    let mut lines = Lines::new();
    let mut broken = Vec::new();
    let mut pace = Pace::default();
    for root in roots {
        match subtree(&mut client, root, &mut pace, &mut lines, &mut line).await {
            Ok(()) => {}
            Err(Broken::Request(error)) if lines.is_empty() => {
                line.clear();
                return Err(device::explain(error, target, &client, access).await);
            }
            Err(Broken::Request(error)) => {
                let why = device::explain(error, target, &client, access.clone()).await;
                broken.push(format!("{}: {why}", dotted(root)));
                break;
            }
            Err(Broken::Endless) => {
                broken.push(format!("{}: no end in sight after {} objects", dotted(root), lines.len()));
                break;
            }
            // The other subtrees may be better.
            Err(Broken::Unordered) => broken.push(format!("{}: the device repeats itself there", dotted(root))),
            Err(Broken::Unanswered) => broken.push(format!("{}: the device has no answer there", dotted(root))),
        }
    }
    line.clear();
    let read = lines.len();
    if read == 0 {
        return Err(format!(
            "{}: it answers, and shows nothing: an empty view, or a user that must be authenticated and encrypted",
            target.address
        ));
    }
    if args.mask {
        lines = Mask::new(&target.credentials).apply(lines);
    }
    match &args.output {
        Some(path) => {
            replace(path, |file| write(file, &lines)).map_err(|error| format!("{}: {error}", path.display()))?;
            let left_out = read - lines.len();
            let masked = if left_out > 0 { format!(", {left_out} left out by --mask") } else { String::new() };
            anstream::eprintln!("{}: {} objects{masked}", path.display(), lines.len());
        }
        None => match write(&mut io::stdout().lock(), &lines) {
            // A reader that has seen enough (`| head`) is not an error.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(format!("writing: {error}")),
            _ => {}
        },
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("not all is recorded:\n  {}", broken.join("\n  "))) }
}

enum Broken {
    Request(RequestError),
    Endless,
    Unordered,
    Unanswered,
}

async fn subtree(
    client: &mut crate::collect::snmp::Client,
    root: &[u32],
    pace: &mut Pace,
    lines: &mut Lines,
    line: &mut ProgressLine,
) -> Result<(), Broken> {
    let columns = vec![Oid::literal(root)];
    let limits = Limits { rows: OBJECTS_MAX, requests: OBJECTS_MAX, ..Limits::default() };
    let mut walk = TableWalk::new(Arc::new(TablePlan { scalars: Vec::new(), columns }), limits, *pace);
    loop {
        let mut last = None;
        let progress = client
            .step(&mut walk, |row, _| {
                let Some(value) = row.get(0) else { return };
                let oid: Vec<u32> = root.iter().copied().chain(row.index().arcs()).collect();
                if let Some(recorded) = recorded(value) {
                    last = Some(oid.clone());
                    lines.insert(oid, recorded);
                }
            })
            .await;
        if let Some(oid) = last {
            line.tell(&format!("{} objects, at {}", lines.len(), dotted(&oid)));
        }
        if lines.len() >= OBJECTS_MAX {
            return Err(Broken::Endless);
        }
        match progress {
            Progress::More => {}
            Progress::Done(WalkEnd::Complete) => {
                *pace = walk.pace();
                return match walk.column_end(0) {
                    ColumnEnd::NotIncreasing => Err(Broken::Unordered),
                    ColumnEnd::Unanswered => Err(Broken::Unanswered),
                    ColumnEnd::Complete | ColumnEnd::Open => Ok(()),
                };
            }
            Progress::Done(WalkEnd::Failed(error)) => return Err(Broken::Request(error)),
            Progress::Done(WalkEnd::RowLimit | WalkEnd::RequestLimit) => return Err(Broken::Endless),
        }
    }
}

/// A value with the number of its ASN.1 type; none where there is no value.
fn recorded(value: Value<'_>) -> Option<Line> {
    let plain = |tag, text: String| Some(Line { tag, value: Recorded::Plain(text) });
    let octets = |tag, octets: &[u8]| Some(Line { tag, value: Recorded::Octets(octets.to_vec()) });
    match value {
        Value::Integer(number) => plain(2, number.to_string()),
        Value::OctetString(bytes) => octets(4, bytes),
        Value::Null => plain(5, String::new()),
        Value::Oid(oid) => plain(6, oid.to_string()),
        Value::IpAddress(address) => plain(64, address.to_string()),
        Value::Counter32(number) => plain(65, number.to_string()),
        Value::Gauge32(number) => plain(66, number.to_string()),
        Value::TimeTicks(number) => plain(67, number.to_string()),
        Value::Opaque(bytes) => octets(68, bytes),
        Value::Counter64(number) => plain(70, number.to_string()),
        // What the device sent is kept as it was sent, odd or not.
        Value::Unsupported { tag, content } => octets(tag, content),
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => None,
    }
}

fn write(out: &mut dyn Write, lines: &Lines) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for (oid, line) in lines {
        write!(out, "{}|{}", dotted(oid), line.tag)?;
        match &line.value {
            Recorded::Plain(text) => writeln!(out, "|{text}")?,
            Recorded::Octets(octets) => match as_text(octets).filter(|_| line.tag == 4) {
                Some(text) => writeln!(out, "|{text}")?,
                None => {
                    write!(out, "x|")?;
                    octets.iter().try_for_each(|octet| write!(out, "{octet:02x}"))?;
                    writeln!(out)?;
                }
            },
        }
    }
    out.flush()
}

/// Octets that a line may hold as they are: printable ASCII, without white space that a reader would trim.
fn as_text(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let printable = text.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    (printable && text.trim() == text).then_some(text)
}

fn dotted(oid: &[u32]) -> String {
    oid.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// Write a file beside its place, and put it there when it is whole: nobody ever sees a half of it.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this is no file name"))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = (|| {
        let mut file = std::fs::File::create_new(&beside)?;
        write(&mut file)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests;
