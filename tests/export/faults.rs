//! A database that is away, slow, choosy, or refuses us.

use std::collections::BTreeSet;

use selvedge::export::ExportSettings;
use selvedge::fabric::Secret;

use super::receiver::{Manner, Receiver};
use super::*;

/// Interface and value of each line.
fn read(lines: &[String]) -> BTreeSet<(String, u64)> {
    let between = |line: &str, from: &str, to: char| -> String {
        let rest = line.split_once(from).unwrap_or_else(|| panic!("{from} in {line}")).1;
        rest.split(to).next().unwrap().to_owned()
    };
    let found: Vec<(String, u64)> = lines
        .iter()
        .map(|line| (between(line, "ifName=", ','), between(line, "ifHCInOctets=", 'u').parse().unwrap()))
        .collect();
    let set: BTreeSet<(String, u64)> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "nothing comes twice");
    set
}

#[test]
fn failures_of_every_kind_lose_nothing_and_repeat_nothing() {
    let script = [
        Manner::Answer(500, ""),
        Manner::Well,
        Manner::Answer(429, "Retry-After: 0\r\n"),
        Manner::Reset,
        Manner::Answer(503, ""),
        Manner::Slow(Duration::from_millis(300)),
        Manner::Answer(502, ""),
    ];
    let receiver = Receiver::start(script, Manner::Well);
    let folder = tempfile::tempdir().unwrap();
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    let begin = now();
    for chunk in 0..20 {
        offer(&exports, begin, chunk * 20..(chunk + 1) * 20, 10);
        std::thread::sleep(Duration::from_millis(20));
    }
    eventually("all of it is there", || receiver.lines().len() >= 4_000);
    assert_eq!(read(&receiver.lines()), expected(0..400, 10));
    eventually("nothing waits", || report(&exports).points_waiting == 0);
    let report = report(&exports);
    assert_eq!((report.points_sent, report.points_refused, report.points_dropped), (4_000, 0, 0));
    assert!(report.failed_attempts >= 5 && report.state == "sending", "{report:?}");
    let head = receiver.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("post /api/v2/write?org=o&bucket=b&precision=ms "), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    exports.stop();
}

#[test]
fn of_a_refused_batch_only_the_bad_line_is_set_aside_and_named() {
    let receiver = Receiver::start([], Manner::Picky("ifHCInOctets=37u"));
    let folder = tempfile::tempdir().unwrap();
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    offer(&exports, now(), 0..100, 1);
    eventually("the rest is there", || receiver.lines().len() >= 99);
    eventually("it is done", || report(&exports).points_waiting == 0);
    let mut all = expected(0..100, 1);
    all.remove(&("et-0".to_owned(), 37));
    assert_eq!(read(&receiver.lines()), all);
    let report = report(&exports);
    assert_eq!((report.points_sent, report.points_refused, report.state), (99, 1, "sending"));
    assert!(report.last_refused.unwrap().contains("ifHCInOctets=37u"));
    let kept = std::fs::read_to_string(folder.path().join("export/db/refused.txt")).unwrap();
    assert!(kept.contains("ifHCInOctets=37u") && kept.lines().count() == 1, "{kept}");
    exports.stop();
}

#[test]
fn a_failure_amid_the_halves_goes_on_where_it_was() {
    let script =
        [Manner::Answer(400, ""), Manner::Well, Manner::Answer(400, ""), Manner::Well, Manner::Answer(500, "")];
    let receiver = Receiver::start(script, Manner::Well);
    let folder = tempfile::tempdir().unwrap();
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    offer(&exports, now(), 0..100, 1);
    eventually("it is done", || report(&exports).points_sent == 100);
    assert_eq!(read(&receiver.lines()), expected(0..100, 1));
    assert_eq!(report(&exports).points_refused, 0);
    exports.stop();
}

#[test]
fn a_body_that_is_too_large_is_halved() {
    let receiver = Receiver::start([], Manner::Small(30));
    let folder = tempfile::tempdir().unwrap();
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    offer(&exports, now(), 0..100, 1);
    eventually("it is done", || report(&exports).points_sent == 100);
    assert_eq!(read(&receiver.lines()), expected(0..100, 1));
    exports.stop();
}

#[test]
fn a_database_that_refuses_us_is_not_asked_hot_and_loses_nothing() {
    for status in [401, 404] {
        let receiver = Receiver::start([], Manner::Answer(status, ""));
        let folder = tempfile::tempdir().unwrap();
        let settings = ExportSettings { token: Some(Secret::new("T0KEN")), ..influx(&receiver.url()) };
        let exports = start(folder.path(), settings, Patience { held_pause: Duration::from_secs(3600), ..hurried() });
        offer(&exports, now(), 0..300, 1);
        eventually("it is said", || report(&exports).state == "held");
        eventually("it waits on disk", || report(&exports).spool_bytes > 0);
        let said = report(&exports).failure.unwrap();
        assert!(said.contains(&status.to_string()) && !said.contains("T0KEN"), "{said}");
        // What was sent at once before the first answer, and not one more.
        let asked = receiver.heads().len();
        assert!(asked <= 8, "{asked}");
        assert!(receiver.heads()[0].contains("Token T0KEN"));
        exports.stop();
        assert_eq!(receiver.heads().len(), asked);
        // Begun anew, with the right token let us say, everything is there.
        receiver.usual(Manner::Well);
        let exports = start(folder.path(), influx(&receiver.url()), hurried());
        eventually("all of it is there", || receiver.lines().len() >= 300);
        assert_eq!(read(&receiver.lines()), expected(0..300, 1));
        exports.stop();
    }
}

#[test]
fn a_server_that_refuses_every_line_is_not_believed_at_once() {
    let receiver = Receiver::start([], Manner::Answer(400, ""));
    let folder = tempfile::tempdir().unwrap();
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    offer(&exports, now(), 0..100, 1);
    eventually("it is said", || report(&exports).state == "held");
    receiver.usual(Manner::Well);
    eventually("it is done", || report(&exports).points_sent == 100);
    assert_eq!(read(&receiver.lines()), expected(0..100, 1));
    assert_eq!(report(&exports).points_refused, 0);
    exports.stop();
}

#[test]
fn a_full_disk_stops_the_spool_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("export")).unwrap();
    // A folder that cannot be one.
    std::fs::write(folder.path().join("export/db"), "").unwrap();
    let receiver = Receiver::start([], Manner::Answer(503, ""));
    let exports = start(folder.path(), influx(&receiver.url()), hurried());
    offer(&exports, now(), 0..500, 1);
    eventually("it is said", || report(&exports).spool_failure.is_some());
    receiver.usual(Manner::Well);
    eventually("memory was kept", || receiver.lines().len() >= 500);
    assert_eq!(read(&receiver.lines()), expected(0..500, 1));
    exports.stop();
}
