//! `kill -9` of the process that exports, at random moments, with the database there or away.
//!
//! The process that is killed is this test binary itself, started anew with [`CHILD`] set.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::receiver::{Manner, Receiver};
use super::*;

const CHILD: &str = "SELVEDGE_EXPORT_KILL_TEST";
const KILLS: u64 = 12;

#[test]
fn what_was_written_down_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([], Manner::Slow(Duration::from_millis(3)));
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut from, mut safe) = (0, BTreeSet::new());
    for round in 0..KILLS {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        receiver.usual(match round % 3 {
            0 => Manner::Answer(503, ""),
            _ => Manner::Slow(Duration::from_millis(3)),
        });
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder.path())
            .env("SELVEDGE_EXPORT_URL", receiver.url())
            .env("SELVEDGE_EXPORT_FROM", from.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: String| line.strip_prefix("safe ").and_then(|text| text.parse::<u64>().ok());
        let mut last = lines.by_ref().find_map(number).expect("the child says something");
        std::thread::sleep(Duration::from_micros(chance % 80_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said in the meantime is in the pipe.
        last = lines.filter_map(number).last().unwrap_or(last);
        safe.extend(from..last);
        from = last + 10_000;
    }
    receiver.usual(Manner::Well);
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    eventually("all of it was sent", || report(&exports).points_waiting == 0);
    exports.stop();
    let mut found: BTreeMap<u64, usize> = BTreeMap::new();
    for line in receiver.lines() {
        // Every line is whole: nothing torn is ever sent.
        let value = line.split_once("ifHCInOctets=").unwrap().1.split_once("u ").unwrap().0;
        *found.entry(value.parse().unwrap()).or_default() += 1;
    }
    let missing: Vec<&u64> = safe.iter().filter(|number| !found.contains_key(number)).collect();
    assert!(missing.is_empty(), "{} of {} missing: {:?}", missing.len(), safe.len(), &missing[..missing.len().min(5)]);
    // Only what was on its way when it died comes again: no more than the window holds, each time.
    let repeated = found.values().filter(|count| **count > 1).count();
    assert!(repeated as u64 <= KILLS * 16 * 100, "{repeated}");
    let report = report(&exports);
    assert_eq!((report.records_damaged, report.points_evicted), (0, 0));
    println!(
        "{KILLS} kills, {} points safe, {} found, {repeated} of them sent again after a kill",
        safe.len(),
        found.len()
    );
}

#[test]
#[ignore = "the process that is killed"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let url = std::env::var("SELVEDGE_EXPORT_URL").unwrap();
    let from: u64 = std::env::var("SELVEDGE_EXPORT_FROM").unwrap().parse().unwrap();
    // Written down at once, so that the test knows what is.
    let patience = Patience { spill_after: Duration::ZERO, ..hurried() };
    let exports = start(folder.as_ref(), influx(&url), patience);
    // What was left behind is being sent already; nothing else is. A point stops waiting a moment before it counts as sent, so
    // that the largest of some sums is the true one.
    let sum = || {
        let report = report(&exports);
        report.points_sent + report.points_waiting
    };
    let inherited = (0..50)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            sum()
        })
        .max()
        .unwrap();
    let begin = now();
    for chunk in 0.. {
        let numbers = from + chunk * 100..from + (chunk + 1) * 100;
        let offered = inherited + (chunk + 1) * 100;
        offer(&exports, begin, numbers.clone(), 1);
        eventually("the batch was made", || sum() >= offered);
        println!("safe {}", numbers.end);
    }
}
