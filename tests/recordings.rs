//! What `selvedge poll --format json` says of recorded devices is what the recording says: for each file in
//! `tests/recordings/`, read here by a naive reader that shares nothing with the product's own.
//!
//! Sound values must be there to the digit and to the letter. Where the recording is broken the value must be unknown,
//! for a reason, and the rest must stand: [`BROKEN`] lists every such value.
//!
//! With `RECORDINGS=DIR` the files of that folder are read instead, and every difference is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use selvedge::fabric::Secret;
use selvedge::simulate::{Agents, Place, read_recording};
use serde_json::Value;

const IF_ENTRY: &str = "1.3.6.1.2.1.2.2.1";
const IF_X_ENTRY: &str = "1.3.6.1.2.1.31.1.1.1";
const DOT3_STATS_ENTRY: &str = "1.3.6.1.2.1.10.7.2.1";

/// Every counter that is read: its object, where that is, and the object that counts the same in other bits.
const COUNTERS: [(&str, &str, u32, &str); 28] = [
    ("ifHCInOctets", IF_X_ENTRY, 6, "ifInOctets"),
    ("ifHCInUcastPkts", IF_X_ENTRY, 7, "ifInUcastPkts"),
    ("ifHCInMulticastPkts", IF_X_ENTRY, 8, "ifInMulticastPkts"),
    ("ifHCInBroadcastPkts", IF_X_ENTRY, 9, "ifInBroadcastPkts"),
    ("ifHCOutOctets", IF_X_ENTRY, 10, "ifOutOctets"),
    ("ifHCOutUcastPkts", IF_X_ENTRY, 11, "ifOutUcastPkts"),
    ("ifHCOutMulticastPkts", IF_X_ENTRY, 12, "ifOutMulticastPkts"),
    ("ifHCOutBroadcastPkts", IF_X_ENTRY, 13, "ifOutBroadcastPkts"),
    ("ifInMulticastPkts", IF_X_ENTRY, 2, "ifHCInMulticastPkts"),
    ("ifInBroadcastPkts", IF_X_ENTRY, 3, "ifHCInBroadcastPkts"),
    ("ifOutMulticastPkts", IF_X_ENTRY, 4, "ifHCOutMulticastPkts"),
    ("ifOutBroadcastPkts", IF_X_ENTRY, 5, "ifHCOutBroadcastPkts"),
    ("ifInOctets", IF_ENTRY, 10, "ifHCInOctets"),
    ("ifInUcastPkts", IF_ENTRY, 11, "ifHCInUcastPkts"),
    ("ifInDiscards", IF_ENTRY, 13, ""),
    ("ifInErrors", IF_ENTRY, 14, ""),
    ("ifInUnknownProtos", IF_ENTRY, 15, ""),
    ("ifOutOctets", IF_ENTRY, 16, "ifHCOutOctets"),
    ("ifOutUcastPkts", IF_ENTRY, 17, "ifHCOutUcastPkts"),
    ("ifOutDiscards", IF_ENTRY, 19, ""),
    ("ifOutErrors", IF_ENTRY, 20, ""),
    ("dot3StatsAlignmentErrors", DOT3_STATS_ENTRY, 2, ""),
    ("dot3StatsFCSErrors", DOT3_STATS_ENTRY, 3, ""),
    ("dot3StatsLateCollisions", DOT3_STATS_ENTRY, 8, ""),
    ("dot3StatsInternalMacTransmitErrors", DOT3_STATS_ENTRY, 10, ""),
    ("dot3StatsFrameTooLongs", DOT3_STATS_ENTRY, 13, ""),
    ("dot3StatsInternalMacReceiveErrors", DOT3_STATS_ENTRY, 16, ""),
    ("dot3StatsSymbolErrors", DOT3_STATS_ENTRY, 18, ""),
];

/// Values that the hand-made recordings have broken on purpose: file, ifIndex, what, and what is to be said of it: a
/// reason, a state, a speed or a value.
const BROKEN: &[(&str, u32, &str, &str)] = &[
    // 64-bit counters that stay at 0 give way to those that count.
    ("hc-zero", 1, "ifInOctets", "7000"),
    ("hc-zero", 1, "ifOutOctets", "8000"),
    ("hc-zero", 1, "ifInUcastPkts", "70"),
    // Being below the other says nothing against one.
    ("hc-zero", 2, "ifHCInOctets", "1000"),
    ("no-uptime", 1, "name", "Loopback#1"),
    ("no-uptime", 2, "name", "Loopback#2"),
    ("states", 4, "ifOperStatus", "unknown"),
    ("states", 5, "ifOperStatus", "unknown"),
    ("states", 6, "ifOperStatus", "unknown"),
    ("states", 6, "ifAdminStatus", "unknown"),
    ("states", 7, "ifOperStatus", "unknown"),
    ("states", 8, "ifOperStatus", "up"),
    ("states", 9, "ifOperStatus", "unknown"),
    ("states", 10, "ifOperStatus", "unknown"),
    ("speeds", 3, "speed_bps", "100000000"),
    ("speeds", 4, "speed_bps", "null"),
    ("speeds", 5, "speed_bps", "null"),
    ("speeds", 6, "speed_bps", "null"),
    ("speeds", 7, "speed_bps", "1000000000"),
    ("speeds", 8, "speed_bps", "10000000"),
    ("speeds", 9, "speed_bps", "99999999"),
    ("speeds", 10, "speed_bps", "10000000000"),
    ("speeds", 12, "speed_bps", "10000000"),
    ("types", 1, "ifHCInOctets", "5000000001"),
    ("types", 1, "ifHCOutOctets", "4000000000"),
    ("types", 1, "ifHCInUcastPkts", "50000001"),
    ("types", 1, "ifHCOutUcastPkts", "60000001"),
    ("types", 2, "ifHCInOctets", "not a counter"),
    ("types", 2, "ifInDiscards", "not a counter"),
    ("types", 2, "ifOutDiscards", "missing"),
    ("types", 3, "ifHCInOctets", "9223372036854775813"),
    ("types", 3, "ifHCInUcastPkts", "9223372036854775808"),
    ("types", 3, "ifHCOutOctets", "all ones"),
    ("types", 3, "ifInDiscards", "all ones"),
    ("types", 3, "ifOutDiscards", "negative"),
    // The same bits, seen as a number without sign.
    ("types", 4, "ifHCInOctets", "9223372036854775817"),
    ("types", 4, "ifInErrors", "4294967294"),
    ("types", 4, "ifInDiscards", "7"),
    ("odd-tags", 1, "ifName", "lo1\r\n"),
    ("odd-tags", 1, "ifAlias", "\u{1b}[2Ja\0"),
    ("odd-tags", 1, "name", "lo1"),
    ("odd-tags", 2, "ifName", "tab\there\u{7}"),
    ("odd-tags", 3, "ifName", "caf\u{e9}"),
    ("odd-tags", 4, "ifName", "\0"),
    ("odd-tags", 4, "name", "NUL for a name"),
    ("broken", 1, "ifAlias", "said twice"),
    ("broken", 2, "ifAlias", "port 2"),
    ("broken", 2, "ifInDiscards", "missing"),
    ("broken", 3, "ifInErrors", "missing"),
];

/// A recording as anybody would read it: type and value by name, the later of two lines counts.
struct Naive(BTreeMap<String, (u32, Vec<u8>)>);

impl Naive {
    fn read(path: &Path) -> Self {
        let mut map = BTreeMap::new();
        for line in std::fs::read(path).unwrap().split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some((oid, rest)) = split(line) else { continue };
            let Some((tag, value)) = split(rest) else { continue };
            let (oid, tag) = (String::from_utf8_lossy(oid), String::from_utf8_lossy(tag));
            let digits: String = tag.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse() else { continue };
            let value = match tag[digits.len()..].chars().last() {
                None => Some(value.to_vec()),
                Some('x') => hex(value),
                Some('e') => Some(unescaped(value)),
                Some(_) => None,
            };
            if let Some(value) = value {
                map.insert(oid.trim_start_matches('.').to_owned(), (number, value));
            }
        }
        Self(map)
    }

    fn column(&self, entry: &str, column: u32, index: u32) -> Option<&(u32, Vec<u8>)> {
        self.0.get(&format!("{entry}.{column}.{index}"))
    }

    fn text(&self, entry: &str, column: u32, index: u32) -> String {
        match self.column(entry, column, index) {
            Some((4, bytes)) => text(bytes),
            _ => String::new(),
        }
    }

    /// A number of a type that has numbers.
    fn number(&self, entry: &str, column: u32, index: u32) -> Option<i128> {
        let (tag, bytes) = self.column(entry, column, index)?;
        matches!(tag, 2 | 65 | 66 | 67 | 70).then(|| text(bytes).trim().parse().ok())?
    }

    /// The rows of ifTable and ifXTable.
    fn indexes(&self) -> BTreeSet<u32> {
        let row = |name: &String| {
            let rest = [IF_ENTRY, IF_X_ENTRY].iter().find_map(|entry| name.strip_prefix(*entry)?.strip_prefix('.'))?;
            let (column, index) = rest.split_once('.')?;
            let read = name.starts_with(IF_X_ENTRY) || column.parse::<u32>().ok()? != 1;
            index.parse().ok().filter(|_| read)
        };
        self.0.keys().filter_map(row).collect()
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'|')?;
    Some((&line[..at], &line[at + 1..]))
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn hex(value: &[u8]) -> Option<Vec<u8>> {
    let digits: String = value.iter().map(|byte| char::from(*byte)).filter(|c| !c.is_whitespace()).collect();
    digits.len().is_multiple_of(2).then_some(())?;
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

fn unescaped(value: &[u8]) -> Vec<u8> {
    let text = text(value);
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let byte = match c {
            '\\' => match rest.next() {
                Some('n') => 10,
                Some('r') => 13,
                Some('t') => 9,
                Some('x') => u8::from_str_radix(&rest.by_ref().take(2).collect::<String>(), 16).unwrap(),
                Some(other) => other as u8,
                None => b'\\',
            },
            c => c as u8,
        };
        out.push(byte);
    }
    out
}

fn poll(address: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["poll", address, "--community", "public", "--format", "json"])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where what is said of a device is not what its recording says.
fn differences(file: &str, naive: &Naive, said: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let interfaces: BTreeMap<u32, &Value> = said["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interface| (interface["ifIndex"].as_u64().unwrap() as u32, interface))
        .collect();
    let expected = naive.indexes();
    if interfaces.keys().copied().collect::<BTreeSet<_>>() != expected {
        differences.push(format!("{file}: interfaces {:?} instead of {expected:?}", interfaces.keys()));
    }
    let sys_name = naive.0.get("1.3.6.1.2.1.1.5.0").map(|(_, bytes)| text(bytes)).unwrap_or_default();
    if said["device"]["sysName"] != sys_name.as_str() {
        differences.push(format!("{file}: sysName {} instead of {sys_name:?}", said["device"]["sysName"]));
    }
    for (index, interface) in interfaces {
        let broken = |what: &str| {
            let of = |entry: &&(&str, u32, &str, &str)| (entry.0, entry.1, entry.2) == (file, index, what);
            BROKEN.iter().find(of).map(|entry| entry.3)
        };
        let mut differ = |what: &str, said: &str, expected: &str| {
            if said != broken(what).unwrap_or(expected) {
                let expected = broken(what).unwrap_or(expected);
                differences.push(format!("{file}: interface {index}: {what} is {said:?} instead of {expected:?}"));
            }
        };
        let descr = naive.text(IF_ENTRY, 2, index);
        let name = naive.text(IF_X_ENTRY, 1, index);
        differ("ifDescr", interface["ifDescr"].as_str().unwrap(), &descr);
        differ("ifAlias", interface["ifAlias"].as_str().unwrap(), &naive.text(IF_X_ENTRY, 18, index));
        let number = format!("ifIndex-{index}");
        let name = [&name, &descr, &number].into_iter().find(|name| !name.is_empty()).unwrap();
        differ("ifName", interface["ifName"].as_str().unwrap(), name);
        if let Some(expected) = broken("name") {
            differ("name", interface["name"].as_str().unwrap(), expected);
        }
        const STATES: [&str; 7] = ["up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown"];
        let state = |column, most: i128| match naive.number(IF_ENTRY, column, index) {
            Some(value) if (1..=most).contains(&value) => STATES[value as usize - 1],
            _ => "unknown",
        };
        differ("ifOperStatus", interface["ifOperStatus"].as_str().unwrap(), state(8, 7));
        differ("ifAdminStatus", interface["ifAdminStatus"].as_str().unwrap(), state(7, 3));
        let expected = match (naive.number(IF_X_ENTRY, 15, index), naive.number(IF_ENTRY, 5, index)) {
            (None | Some(0), None | Some(0 | 4_294_967_295)) => "null".to_owned(),
            (None | Some(0), Some(speed)) => speed.to_string(),
            (Some(high), Some(speed)) if (high * 1_000_000).abs_diff(speed) <= 500_000 => speed.to_string(),
            (Some(high), _) => (high * 1_000_000).to_string(),
        };
        differ("speed_bps", &interface["speed_bps"].to_string(), &expected);
        let object = |object: &str| COUNTERS.iter().find(|counter| counter.0 == object);
        for (said, value) in interface["counters"].as_object().unwrap() {
            let expected = object(said).and_then(|(_, entry, column, _)| naive.number(entry, *column, index));
            differ(said, &value.to_string(), &expected.map_or("nothing".to_owned(), |value| value.to_string()));
        }
        for (said, why) in interface["unknown"].as_object().unwrap() {
            let twin = object(said).map_or("", |counter| counter.3);
            let known = [said.as_str(), twin].iter().find_map(|name| {
                let (_, entry, column, _) = object(name)?;
                naive.number(entry, *column, index)
            });
            // Packets that cannot be true beside their octets are told apart elsewhere.
            if known.is_some() && why != "contradicted by octets" {
                differ(said, why.as_str().unwrap(), &known.unwrap_or_default().to_string());
            } else if broken(said).is_some_and(|expected| why != expected) {
                differ(said, why.as_str().unwrap(), "");
            }
        }
        // Nothing that the recording has may be passed over in silence.
        for (name, entry, column, twin) in COUNTERS {
            let told = |name: &str| !interface["counters"][name].is_null() || !interface["unknown"][name].is_null();
            if naive.column(entry, column, index).is_some() && !told(name) && !told(twin) {
                differ(name, "passed over", "told");
            }
        }
    }
    differences
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_recording_says_is_what_poll_says() {
    let by_hand = std::env::var_os("RECORDINGS").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let folder = by_hand.clone().unwrap_or(own);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "snmprec"));
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let trees = files.iter().map(|path| (name(path), read_recording(path).unwrap().tree)).collect();
    let place = Place { address: Ipv4Addr::new(127, 77, 0, 1), port: 0, community: Secret::new("public") };
    let agents = Agents::serve(trees, &place).await.unwrap();
    let mut found = Vec::new();
    for (path, agent) in files.iter().zip(agents.addresses()) {
        let address = agent.address.to_string();
        let said = tokio::task::spawn_blocking(move || poll(&address)).await.unwrap();
        found.extend(differences(&agent.name, &Naive::read(path), &said));
    }
    if by_hand.is_none() {
        for (file, ..) in BROKEN {
            assert!(files.iter().any(|path| name(path) == *file), "{file} is not there");
        }
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn lines_that_mean_nothing_are_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/broken.snmprec");
    let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    let skipped = read_recording(&path).unwrap().skipped;
    let lines: Vec<&str> = skipped.iter().map(|(number, _)| text.lines().nth(number - 1).unwrap()).collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines.contains(&"no bars at all") && lines.contains(&"1.3.six|4|x"), "{lines:?}");
    assert!(lines[0].ends_with("|4|port 1"), "of an OID that comes twice the earlier line is left out: {lines:?}");
}
