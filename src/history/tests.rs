//! The store as a whole: what goes in comes out, whatever happens to the process, the disk and the files.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::engine::Engine;
use super::tier::{self, Summary, Tier};
use super::writer::{Appended, Writer};
use super::{History, OpenError, QueryError, Settings, State, query};
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceId, InterfaceId, InterfacePoll, OperStatus, Reading, Sample,
    Timestamp, Uptime,
};

/// 2026-11-24T00:00:00Z.
const T0: i64 = 1_795_478_400;

fn settings(path: &Path) -> Settings {
    Settings { path: path.into(), ..Settings::default() }
}

/// In memory where there is such a file system: what is tested here is not the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn writer(path: &Path) -> (Arc<Engine>, Writer) {
    writer_with(&settings(path))
}

fn writer_with(settings: &Settings) -> (Arc<Engine>, Writer) {
    let engine = Arc::new(Engine::open(&settings.path.join("history")).unwrap());
    let writer = Writer::new(engine.clone(), settings, Timestamp::from_secs(T0)).unwrap();
    (engine, writer)
}

fn poll(name: &str, counters: &[(Counter, u64)]) -> InterfacePoll {
    let mut read = Counters::default();
    for (counter, value) in counters {
        read.set(*counter, *value, CounterWidth::Bits64);
    }
    InterfacePoll {
        if_name: name.into(),
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        discontinuity: None,
        counters: read,
    }
}

fn octets(name: &str, octets: u64) -> InterfacePoll {
    poll(name, &[(Counter::InOctets, octets)])
}

fn append(writer: &mut Writer, second: i64, polls: &[InterfacePoll]) -> Appended {
    let at = Timestamp::from_secs(T0 + second);
    writer.append(&"leaf1".into(), at, Some(Uptime((second + 1000) as u32 * 100)), polls).unwrap()
}

fn in_bps(engine: &Engine, from: i64, to: i64, step: u32) -> Vec<Option<f64>> {
    query::interface(engine, &InterfaceId::new("leaf1", "eth0"), T0 + from, T0 + to, step, false).unwrap().in_bps
}

/// All that a tier holds of an interface; in a coarse one its counters, and then how its rates were spread.
fn walk(engine: &Engine, tier: Tier, id: &InterfaceId, mut take: impl FnMut(&[query::Reading])) {
    let snapshot = engine.db.snapshot();
    let Some(place) = query::find(engine, &snapshot, id).unwrap() else { return };
    let kept = match tier {
        Tier::Full => vec![place.interface],
        _ => vec![tier::counters_id(place.interface), tier::spread_id(place.interface)],
    };
    for interface in kept {
        let place = query::Place { interface, ..place };
        query::walk(engine, &snapshot, tier, place, u32::MAX, 0, u64::MAX, &mut take).unwrap();
    }
}

#[test]
fn rates_come_out_of_head_and_blocks_alike() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    // 1,000 polls a second apart: the first 720 are sealed on the way.
    for second in 0..1000 {
        append(&mut writer, second, &[octets("eth0", 5_000 + second as u64 * 125), octets("eth1", 7)]);
    }
    assert_eq!(writer.sealed, 1);
    assert!(in_bps(&engine, 0, 999, 1).iter().all(|rate| *rate == Some(1000.0)));
    assert!(in_bps(&engine, 3, 993, 10).iter().all(|rate| *rate == Some(1000.0)));
    // Before the first and after the last reading nothing is known.
    assert_eq!(
        in_bps(&engine, -10, 2, 1)[..11],
        [None; 11][..10].iter().copied().chain([Some(1000.0)]).collect::<Vec<_>>()
    );
    assert_eq!(in_bps(&engine, 998, 1010, 1)[..2], [Some(1000.0), None]);
    let idle = query::interface(&engine, &InterfaceId::new("leaf1", "eth1"), T0, T0 + 999, 1, false).unwrap();
    assert!(idle.in_bps.iter().all(|rate| *rate == Some(0.0)));
    assert!(idle.out_bps.iter().all(Option::is_none), "what was never read is not zero");
    let stranger = query::interface(&engine, &InterfaceId::new("leaf9", "eth1"), T0, T0 + 5, 1, false).unwrap();
    assert_eq!(stranger.in_bps, [None; 5]);
}

#[test]
fn every_quantity_has_its_counters_and_an_incomplete_sum_is_unknown() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    let all = |n: u64| {
        [
            (Counter::InOctets, n * 10),
            (Counter::OutOctets, n * 20),
            (Counter::InUcastPkts, n),
            (Counter::InMulticastPkts, n * 2),
            (Counter::InBroadcastPkts, n * 3),
            (Counter::OutUcastPkts, n * 7),
            (Counter::InDiscards, n),
            (Counter::InErrors, n * 4),
            (Counter::OutDiscards, n * 9),
        ]
    };
    append(&mut writer, 0, &[poll("eth0", &all(100))]);
    append(&mut writer, 1, &[poll("eth0", &all(101))]);
    append(&mut writer, 2, &[poll("eth0", &all(102)[..5])]);
    let mut fell = all(103);
    fell[7].1 = 0;
    append(&mut writer, 3, &[poll("eth0", &fell)]);
    let got = query::interface(&engine, &InterfaceId::new("leaf1", "eth0"), T0, T0 + 3, 1, false).unwrap();
    assert_eq!(got.in_bps, [Some(80.0); 3]);
    assert_eq!(got.out_bps, [Some(160.0); 3]);
    assert_eq!(got.in_pps, [Some(6.0); 3]);
    assert_eq!(got.out_pps, [Some(7.0), None, None]);
    assert_eq!(got.in_drops_pps, [Some(5.0), None, None]);
    assert_eq!(got.out_drops_pps, [Some(9.0), None, None]);
}

#[test]
fn what_cannot_be_vouched_for_is_unknown() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    for second in 0..10 {
        append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
    }
    // A counter that fell.
    append(&mut writer, 10, &[octets("eth0", 1)]);
    append(&mut writer, 11, &[octets("eth0", 126)]);
    assert_eq!(in_bps(&engine, 8, 11, 1), [Some(1000.0), None, Some(1000.0)]);
    // Ten seconds without a look, while the counter went on.
    append(&mut writer, 21, &[octets("eth0", 126 + 1250)]);
    append(&mut writer, 22, &[octets("eth0", 126 + 1375)]);
    assert_eq!(in_bps(&engine, 10, 22, 1)[..11], [&[Some(1000.0)][..], &[None; 10]].concat());
    assert_eq!(in_bps(&engine, 21, 22, 1), [Some(1000.0)]);
    // Gone from one poll and back: what it counted meanwhile is spread, no spike. From four polls: unknown.
    append(&mut writer, 23, &[octets("eth1", 1)]);
    append(&mut writer, 24, &[octets("eth0", 126 + 1375 + 250)]);
    assert_eq!(in_bps(&engine, 22, 24, 1), [Some(1000.0); 2]);
    for second in 25..29 {
        append(&mut writer, second, &[octets("eth1", second as u64)]);
    }
    append(&mut writer, 29, &[octets("eth0", 1_000_000)]);
    assert_eq!(in_bps(&engine, 24, 29, 1), [None; 5]);
    // The device started anew, and its counters overtook the old ones in the meantime.
    let at = |second| Timestamp::from_secs(T0 + second);
    writer.append(&"leaf1".into(), at(30), Some(Uptime(50)), &[octets("eth0", 2_000_000)]).unwrap();
    writer.append(&"leaf1".into(), at(31), Some(Uptime(150)), &[octets("eth0", 2_000_125)]).unwrap();
    assert_eq!(in_bps(&engine, 29, 31, 1), [None, Some(1000.0)]);
    // The same by ifCounterDiscontinuityTime.
    let mut jumped = octets("eth0", 9_000_000);
    jumped.discontinuity = Some(Uptime(200));
    writer.append(&"leaf1".into(), at(32), Some(Uptime(250)), &[jumped]).unwrap();
    assert_eq!(in_bps(&engine, 31, 32, 1), [None]);
}

/// A large device tells of its interfaces in one answer after the other, and each is handed over by itself.
#[test]
fn a_poll_that_comes_in_parts_gives_the_same_rates() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    let part = |writer: &mut Writer, second: i64, part: i64, polls: &[InterfacePoll]| {
        let at = Timestamp::from_micros((T0 + second) * 1_000_000 + part * 700);
        writer.append(&"leaf1".into(), at, Some(Uptime((second + 1000) as u32 * 100)), polls).unwrap()
    };
    let rates = |name: &str, from, to| {
        query::interface(&engine, &InterfaceId::new("leaf1", name), T0 + from, T0 + to, 1, false).unwrap().in_bps
    };
    // Twelve parts; the sixth does not move. Blocks are sealed in the midst of polls.
    for second in 0..200 {
        for n in 0..12 {
            let count = if n == 6 { 7 } else { second as u64 * 125 };
            part(&mut writer, second, n, &[octets(&format!("eth{n}"), count), octets(&format!("vlan{n}"), count)]);
        }
    }
    assert!(writer.sealed >= 2, "{}", writer.sealed);
    let steady = |rates: &[Option<f64>], wanted: f64| {
        assert!(rates.iter().all(|rate| rate.is_some_and(|rate| (rate - wanted).abs() < 1e-6)), "{rates:?}");
    };
    for n in [0, 1, 11] {
        steady(&rates(&format!("eth{n}"), 1, 199), 1000.0);
        steady(&rates(&format!("vlan{n}"), 1, 199), 1000.0);
    }
    // Known to be still until it was last kept, which is not every second.
    steady(&rates("eth6", 1, 170), 0.0);

    // One answer of twelve is lost four times: nothing is drawn across for its interfaces, and the others go on.
    for second in 200..220 {
        for n in (0..12).filter(|n| *n != 3 || second >= 204) {
            part(&mut writer, second, n, &[octets(&format!("eth{n}"), second as u64 * 125)]);
        }
    }
    steady(&rates("eth2", 1, 219), 1000.0);
    let lost = rates("eth3", 195, 210);
    steady(&lost[..4], 1000.0);
    assert_eq!(lost[5..9], [None; 4]);
    steady(&lost[10..], 1000.0);
    // The writer starts anew, and so do its memories.
    drop(writer);
    drop(engine);
    let (engine, mut writer) = self::writer(folder.path());
    for second in 220..240 {
        for n in 0..12 {
            part(&mut writer, second, n, &[octets(&format!("eth{n}"), second as u64 * 125)]);
        }
    }
    let id = InterfaceId::new("leaf1", "eth2");
    steady(&query::interface(&engine, &id, T0 + 1, T0 + 239, 1, false).unwrap().in_bps, 1000.0);
}

#[test]
fn sysuptime_is_the_denominator_and_passes_its_wrap() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    let mut take = |micros, uptime, octets_in| {
        let at = Timestamp::from_micros(T0 * 1_000_000 + micros);
        writer.append(&"leaf1".into(), at, Some(Uptime(uptime)), &[octets("eth0", octets_in)]).unwrap();
    };
    // Our clock saw 1.1 s (the answer was late), the device 1.0 s.
    take(0, u32::MAX - 99, 0);
    take(1_100_000, 0, 125);
    take(2_000_000, 100, 250);
    let got = in_bps(&engine, 0, 2, 1);
    assert_eq!(got, [Some(1000.0), Some(1000.0)]);
}

#[test]
fn cached_counters_give_rates_between_real_refreshes() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    // An agent that reads its kernel every 3 s, asked every second.
    let mut kept = 0;
    for second in 0..90i64 {
        let refreshed = second / 3 * 3;
        let result = append(&mut writer, second, &[octets("eth0", refreshed as u64 * 125), octets("eth1", 1)]);
        kept += usize::from(result == Appended::Kept);
    }
    assert_eq!(kept, 30);
    assert!(in_bps(&engine, 0, 87, 1).iter().all(|rate| *rate == Some(1000.0)), "{:?}", in_bps(&engine, 0, 87, 1));
    // A quiet device is kept every 30 s, and its rate is known to be zero.
    let quiet: Vec<_> = (90..180).map(|second| append(&mut writer, second, &[octets("eth0", 87 * 125)])).collect();
    assert_eq!(quiet.iter().filter(|result| **result == Appended::Kept).count(), 3);
    assert!(in_bps(&engine, 87, 177, 1).iter().all(|rate| *rate == Some(0.0)), "{:?}", in_bps(&engine, 87, 177, 1));
    // A changed state is kept even where no counter moved.
    let mut down = octets("eth0", 87 * 125);
    down.oper_status = OperStatus::Down;
    assert_eq!(append(&mut writer, 180, &[down]), Appended::Kept);
}

#[test]
fn nonsense_is_refused() {
    let folder = scratch();
    let (engine, _writer) = writer(folder.path());
    let id = InterfaceId::new("leaf1", "eth0");
    for (from, to, step) in
        [(10, 10, 1), (10, 5, 1), (-1, 5, 1), (0, 5, 0), (0, i64::MAX, 1), (i64::MIN, i64::MAX, u32::MAX)]
    {
        let refused = query::interface(&engine, &id, from, to, step, false);
        assert!(matches!(refused, Err(QueryError::Nonsense(_))), "{from} {to} {step}: {refused:?}");
    }
    let refused = query::interface(&engine, &id, 0, T0, 1, false);
    assert!(matches!(refused, Err(QueryError::TooManyPoints { .. })), "{refused:?}");
}

#[test]
fn a_store_opened_again_goes_on() {
    let folder = scratch();
    for round in 0..4 {
        let (engine, mut writer) = writer(folder.path());
        for second in round * 250..(round + 1) * 250 {
            append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
        }
        assert_eq!(writer.sealed, u64::from(round == 2));
        let got = in_bps(&engine, 0, (round + 1) * 250 - 1, 1);
        assert!(got.iter().all(|rate| *rate == Some(1000.0)), "round {round}: {got:?}");
    }
}

#[test]
fn the_oldest_goes_first_by_age_and_by_size() {
    let folder = scratch();
    let span = Duration::from_secs(86_400);
    let day = Settings { retention: span, retention_5m: span, retention_1h: span, ..settings(folder.path()) };
    let (engine, mut writer) = writer_with(&day);
    // Three days, a poll every three minutes.
    for minute in (0..3 * 1440i64).step_by(3) {
        let second = minute * 60;
        append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
        if minute % 120 == 0 {
            writer.maintain(Timestamp::from_secs(T0 + second)).unwrap();
        }
    }
    assert!(
        engine.level(Tier::Full).partitions.load().len() <= 18,
        "{}",
        engine.level(Tier::Full).partitions.load().len()
    );
    let end = 3 * 86_400;
    let kept = in_bps(&engine, 0, end, 3600);
    let mut oldest = u64::MAX;
    walk(&engine, Tier::Full, &InterfaceId::new("leaf1", "eth0"), |rows| {
        oldest = rows.iter().map(|row| row.time).min().unwrap_or(u64::MAX).min(oldest);
    });
    assert!(oldest > (T0 as u64 + 40 * 3_600) * 1_000_000);
    assert!(kept[48..72].iter().all(|rate| *rate == Some(1000.0)), "{kept:?}");

    let folder = scratch();
    let small = Settings { max_bytes: 320 << 10, ..settings(folder.path()) };
    let (engine, mut writer) = writer_with(&small);
    let mut seed = 1u64;
    let mut count = |sum: &mut u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *sum += seed >> 24;
        *sum
    };
    // Ten days, a poll every ten minutes, which is twelve rows a block.
    let mut sums = [0u64; 60];
    let mut most = 0;
    for second in (0..10 * 86_400i64).step_by(600) {
        let polls: Vec<_> =
            sums.iter_mut().enumerate().map(|(port, sum)| octets(&format!("eth{port}"), count(sum))).collect();
        append(&mut writer, second, &polls);
        if second % 14_400 == 0 {
            engine.level(Tier::Full).partitions.load().last().unwrap().keyspace.rotate_memtable_and_wait().unwrap();
            most = most.max(engine.disk_bytes());
            writer.maintain(Timestamp::from_secs(T0 + second)).unwrap();
            assert!(engine.disk_bytes() <= 320 << 10, "{} bytes", engine.disk_bytes());
        }
    }
    assert!(most > 320 << 10, "{most}: the budget was never reached");
    let got = in_bps(&engine, 0, 10 * 86_400 - 600, 3600);
    assert!(got[192..].iter().all(Option::is_some), "{got:?}");
}

#[test]
fn a_device_that_fell_silent_is_sealed_all_the_same() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    for second in 0..50 {
        append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
    }
    writer.maintain(Timestamp::from_secs(T0 + 3600)).unwrap();
    assert_eq!(writer.sealed, 0);
    writer.maintain(Timestamp::from_secs(T0 + 3 * 3600)).unwrap();
    assert_eq!(writer.sealed, 1);
    assert!(engine.level(Tier::Full).head.is_empty().unwrap());
    assert_eq!(in_bps(&engine, 0, 49, 1), [Some(1000.0); 49]);
    append(&mut writer, 4 * 3600, &[octets("eth0", 1 << 40)]);
    append(&mut writer, 4 * 3600 + 1, &[octets("eth0", (1 << 40) + 125)]);
    assert_eq!(in_bps(&engine, 4 * 3600 - 2, 4 * 3600 + 1, 1), [None, None, Some(1000.0)]);
}

#[test]
fn a_clock_set_back_loses_nothing_and_makes_no_spike() {
    let folder = scratch();
    let (engine, mut writer) = writer(folder.path());
    for second in 3000..3800 {
        append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
    }
    for second in 3000..3800 {
        append(&mut writer, second, &[octets("eth0", (1 << 40) + second as u64 * 125)]);
    }
    for second in 3800..4600 {
        append(&mut writer, second, &[octets("eth0", (1 << 40) + second as u64 * 125)]);
    }
    let got = in_bps(&engine, 3000, 4599, 1);
    assert!(got.iter().flatten().all(|rate| *rate == 1000.0), "{got:?}");
    assert!(got.iter().flatten().count() > 1500);
}

/// A reading of a model device: what is appended at a time.
#[derive(Clone, Debug)]
struct Step {
    gap_s: i64,
    present: [bool; 3],
    counts: [u64; 3],
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![20 => Just(1i64), 3 => 2..40i64, 1 => 60..20_000i64],
        proptest::array::uniform3(proptest::bool::weighted(0.9)),
        proptest::array::uniform3(prop_oneof![Just(0u64), 0..1_000_000u64, any::<u64>()]),
    )
        .prop_map(|(gap_s, present, counts)| Step { gap_s, present, counts });
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// What was appended is what is read: every cell, through seals, restarts of the writer and maintenance.
    #[test]
    fn what_was_appended_is_what_is_read(steps in steps(), seals in proptest::collection::vec(0..120usize, 0..4)) {
        let folder = scratch();
        let (mut engine, mut writer) = writer(folder.path());
        let mut model: [BTreeMap<u64, u64>; 3] = Default::default();
        let mut second = 0;
        for (at, step) in steps.iter().enumerate() {
            second += step.gap_s;
            let polls: Vec<_> = (0..3)
                .filter(|port| step.present[*port])
                .map(|port| octets(&format!("eth{port}"), step.counts[port]))
                .collect();
            if append(&mut writer, second, &polls) == Appended::Kept {
                for port in (0..3).filter(|port| step.present[*port]) {
                    model[port].insert((T0 + second) as u64 * 1_000_000, step.counts[port]);
                }
            }
            if seals.contains(&at) {
                if at % 2 == 0 {
                    writer.maintain(Timestamp::from_secs(T0 + second + 8000)).unwrap();
                } else {
                    drop(writer);
                    drop(engine);
                    (engine, writer) = self::writer(folder.path());
                }
            }
        }
        for (port, model) in model.iter().enumerate() {
            let id = InterfaceId::new("leaf1", format!("eth{port}"));
            let mut got = BTreeMap::new();
            walk(&engine, Tier::Full, &id, |rows| {
                for row in rows {
                    if let Some(value) = row.cells.get(0) {
                        got.insert(row.time, value);
                    }
                }
            });
            prop_assert_eq!(&got, model);
        }
    }
}

#[test]
fn a_store_in_use_or_in_the_way_says_so() {
    let folder = scratch();
    let history = History::start(&settings(folder.path())).unwrap();
    let Err(error) = History::start(&settings(folder.path())) else { panic!("opened twice") };
    assert!(matches!(error, OpenError::Locked(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&folder.path().join("history").display().to_string()) && text.contains("stop the other"),
        "{text}"
    );
    history.stop();
    drop(history);

    let folder = scratch();
    std::fs::write(folder.path().join("history"), "a file").unwrap();
    let Err(error) = History::start(&settings(folder.path())) else { panic!("opened a file") };
    assert!(matches!(error, OpenError::Io(..)), "{error:?}");
}

#[test]
fn damaged_files_are_an_error_and_never_a_panic() {
    let mut refused = 0;
    for round in 0..24u64 {
        let folder = scratch();
        {
            let (engine, mut writer) = writer(folder.path());
            for second in 0..800 {
                append(&mut writer, second, &[octets("eth0", second as u64 * 125)]);
            }
            engine.level(Tier::Full).partitions.load()[0].keyspace.rotate_memtable_and_wait().unwrap();
            engine.level(Tier::Full).head.rotate_memtable_and_wait().unwrap();
        }
        let mut files = Vec::new();
        let mut folders = vec![folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        let victim = &files[round as usize % files.len()];
        let mut bytes = std::fs::read(victim).unwrap();
        bytes.truncate(100_000);
        match round / files.len() as u64 % 3 {
            0 => bytes.iter_mut().skip(3).step_by(17).for_each(|byte| *byte ^= 0x5a),
            1 => bytes.truncate(bytes.len() / 2),
            _ => bytes.clear(),
        }
        std::fs::write(victim, bytes).unwrap();
        match History::start(&settings(folder.path())) {
            Ok(history) => {
                let id = InterfaceId::new("leaf1", "eth0");
                let asked =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.interface(&id, T0, T0 + 800, 1)));
                if let Ok(Ok(series)) = asked {
                    assert!(series.in_bps.iter().flatten().all(|rate| *rate == 1000.0), "{}", victim.display());
                }
                history.stop();
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
            }
        }
    }
    assert!(refused > 3, "{refused}");
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let folder = scratch();
    let history = History::start(&settings(folder.path())).unwrap();
    let polls: Vec<_> = (0..64).map(|port| octets(&format!("eth{port}"), 1)).collect();
    let begun = Instant::now();
    const OFFERED: u64 = 3_000;
    for round in 0..OFFERED {
        history.offer(Sample {
            device: DeviceId::from(format!("leaf{}", round % 50)),
            taken_at: Timestamp::from_secs(T0 + (round / 50) as i64),
            device_uptime: None,
            reading: Reading::Poll(polls.clone()),
        });
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    history.stop();
    let stats = history.stats();
    assert_eq!(stats.appended + stats.quiet + stats.dropped, OFFERED);
    assert!(stats.dropped > 0 && stats.appended > 0, "{stats:?}");
    assert_eq!(stats.state, State::Stopped("the program ends".into()));
    let asked = history.interface(&InterfaceId::new("leaf1", "eth0"), T0, T0 + 10, 1);
    assert!(matches!(asked, Err(QueryError::Stopped(_))), "{asked:?}");
}

/// What the killed child runs: appends as fast as it can and says how far it got.
#[test]
#[ignore = "run by `a_killed_process_loses_nothing_it_had_told_of`"]
fn child_that_appends() {
    let Some(path) = std::env::var_os("SELVEDGE_TEST_STORE") else { return };
    let path = Path::new(&path);
    let (engine, mut writer) = writer(path);
    let mut second = last_second(&engine).map_or(0, |last| last + 1);
    loop {
        append(&mut writer, second, &[octets("eth0", second as u64 * 125), octets("eth1", second as u64)]);
        if second % 50 == 0 {
            writer.sync().unwrap();
            writer.maintain(Timestamp::from_secs(T0 + second)).unwrap();
        }
        println!("appended {second}");
        second += 1;
    }
}

/// Every bucket of the steady counter says what the readings in it say, and nothing was sealed twice or not at all.
fn tiers_agree(engine: &Engine, round: i32) {
    let id = InterfaceId::new("leaf1", "eth0");
    let sealed = {
        let snapshot = engine.db.snapshot();
        let place = query::find(engine, &snapshot, &id).unwrap().unwrap();
        let to = ((T0 + 1_000_000) as u64) * 1_000_000;
        let plan = query::plan(engine, &snapshot, place.device, 0, to, 3_600_000_000).unwrap();
        plan.into_iter().find(|(tier, ..)| *tier == Tier::Hour).map(|(.., to)| to)
    };
    let Some(sealed) = sealed else { return };
    let sealed_seconds = (sealed / 1_000_000) as i64 - T0;
    for tier in Tier::COARSE {
        let mut known_s = 0.0;
        let mut last = 0;
        walk(engine, tier, &id, |rows| {
            for row in rows {
                match row.cells.get(super::column::DELAY).filter(|_| row.cells.get(super::column::STATUS).is_some()) {
                    Some(_) => {
                        let second = (row.time / 1_000_000) as i64 - T0;
                        assert_eq!(row.cells.get(0), Some(second as u64 * 125), "round {round}");
                        last = last.max(second);
                    }
                    None => {
                        let summary = Summary::of_cells(&row.cells, 0).unwrap();
                        let Summary { mean, min, max, p99, .. } = summary;
                        assert_eq!([mean, min, max, p99], [1000.0; 4], "round {round}");
                        known_s += summary.known_s;
                    }
                }
            }
        });
        assert_eq!((last, known_s.round() as i64), (sealed_seconds, sealed_seconds), "round {round}: {tier:?}");
    }
}

fn last_second(engine: &Engine) -> Option<i64> {
    let mut last = None;
    walk(engine, Tier::Full, &InterfaceId::new("leaf1", "eth0"), |rows| {
        for row in rows {
            last = last.max(Some((row.time / 1_000_000) as i64 - T0));
        }
    });
    last
}

#[test]
fn a_killed_process_loses_nothing_it_had_told_of() {
    let folder = scratch();
    let mut seed = 7u64;
    let mut told = -1;
    for round in 0..24 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::child_that_appends", "--ignored", "--nocapture"])
            .env("SELVEDGE_TEST_STORE", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut left = seed >> 56;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after so many rows, and then whatever it had told before it died counts too.
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(second) = line.rsplit(' ').next().and_then(|second| second.parse::<i64>().ok()) {
                told = told.max(second);
                if left == 0 {
                    break;
                }
                left -= 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(second) = line.strip_prefix("appended ").and_then(|second| second.parse::<i64>().ok()) {
                told = told.max(second);
            }
        }
        let (engine, _) = writer(folder.path());
        let last = last_second(&engine).unwrap();
        assert!(last >= told, "round {round}: told of {told}, found {last}");
        // And all before it, whole.
        let mut seconds = Vec::new();
        walk(&engine, Tier::Full, &InterfaceId::new("leaf1", "eth0"), |rows| {
            for row in rows {
                let second = (row.time / 1_000_000) as i64 - T0;
                assert_eq!(row.cells.get(0), Some(second as u64 * 125));
                seconds.push(second);
            }
        });
        assert_eq!(seconds, (0..=last).collect::<Vec<_>>(), "round {round}");
        tiers_agree(&engine, round);
    }
    assert!(told > 1000, "{told}");
}

/// What the child on the tiny disk runs.
#[test]
#[ignore = "run by `a_full_disk_stops_the_history_and_nothing_else`"]
fn child_on_a_tiny_disk() {
    let Some(path) = std::env::var_os("SELVEDGE_TEST_STORE") else { return };
    let path = Path::new(&path);
    let history = History::start_retrying(&settings(path), Duration::from_millis(200)).unwrap();
    let filler = path.join("filler");
    let mut second = 0;
    let mut offer = || {
        let polls: Vec<_> = (0..40).map(|port| octets(&format!("eth{port}"), second * 12_345)).collect();
        history.offer(Sample {
            device: "leaf1".into(),
            taken_at: Timestamp::from_secs(T0 + second as i64),
            device_uptime: None,
            reading: Reading::Poll(polls),
        });
        second += 1;
        std::thread::sleep(Duration::from_millis(1));
    };
    for _ in 0..200 {
        offer();
    }
    assert_eq!(history.stats().state, State::Recording);
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    let deadline = Instant::now() + Duration::from_secs(30);
    while history.stats().state == State::Recording && Instant::now() < deadline {
        offer();
    }
    assert_eq!(history.stats().state, State::Stopped("disk full".into()));
    let dropped = history.stats().dropped;
    for _ in 0..50 {
        offer();
    }
    assert!(Instant::now() < deadline, "an offer waited");
    assert!(history.stats().dropped > dropped);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while history.stats().state != State::Recording && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(history.stats().state, State::Recording);
    for _ in 0..20 {
        offer();
    }
    std::thread::sleep(Duration::from_millis(200));
    let series = history.interface(&InterfaceId::new("leaf1", "eth0"), T0, T0 + second as i64, 1).unwrap();
    assert!(series.in_bps[..199].iter().all(|rate| *rate == Some(98_760.0)), "{:?}", series.in_bps);
    history.stop();
    println!("SURVIVED");
}

fn left_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {why}");
    eprintln!("LEFT OUT: {why}");
}

#[test]
fn a_full_disk_stops_the_history_and_nothing_else() {
    let folder = scratch();
    let script = "mount -t tmpfs -o size=6m none \"$SELVEDGE_TEST_STORE\" || exit 77; exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "history::tests::child_on_a_tiny_disk", "--ignored", "--nocapture"])
        .env("SELVEDGE_TEST_STORE", folder.path())
        .output();
    match child {
        Ok(output)
            if output.status.code() == Some(77)
                || String::from_utf8_lossy(&output.stderr).contains("not permitted") =>
        {
            left_out("a small file system cannot be mounted here (needs root)");
        }
        Err(why) => left_out(&format!("unshare cannot be run: {why}")),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("SURVIVED"),
                "{text}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

/// A link whose rate changes all the time, polled every ten seconds with a silence now and then: what the coarser tiers say
/// of an hour is what the readings say.
#[test]
fn coarser_tiers_say_what_the_readings_said() {
    let folders = [scratch(), scratch()];
    let keep = Settings { retention: Duration::from_secs(30 * 86_400), ..settings(folders[0].path()) };
    let drop = Settings { retention: Duration::from_secs(3_600), ..settings(folders[1].path()) };
    let (kept, mut keeps) = writer_with(&keep);
    let (dropped, mut drops) = writer_with(&drop);
    let mut seed = 7u64;
    let mut sum = 0u64;
    for n in 0..3 * 8_640i64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sum += if n % 400 < 20 { 50_000_000 } else { (seed >> 40) % 1_000_000 };
        let end = n * 10;
        if n % 1_000 < 6 {
            continue;
        }
        for writer in [&mut keeps, &mut drops] {
            append(writer, end, &[octets("eth0", sum)]);
            if n % 360 == 0 {
                writer.maintain(Timestamp::from_secs(T0 + end)).unwrap();
            }
        }
    }
    let id = InterfaceId::new("leaf1", "eth0");
    let ask = |engine: &Engine, step: u32| query::interface(engine, &id, T0, T0 + 2 * 86_400, step, true).unwrap();
    // A step that is no bucket's asks the readings where there are any.
    let readings = ask(&kept, 20);
    assert!(dropped.level(Tier::Full).partitions.load()[0].first > ((T0 + 86_400) as u64) * 1_000_000);
    for engine in [&kept, &dropped] {
        for step in [300usize, 3_600] {
            let tier = ask(engine, step as u32);
            let spread = tier.spread.as_ref().unwrap();
            let (mut looked_at, each) = (0, step / 20);
            for (at, got) in tier.in_bps.iter().enumerate() {
                let part = &readings.in_bps[at * each..(at + 1) * each];
                let of = readings.spread.as_ref().unwrap();
                if part.iter().any(Option::is_none) {
                    continue;
                }
                let wanted = part.iter().flatten().sum::<f64>() / each as f64;
                let near = |got: Option<f64>, wanted: f64| (got.unwrap() - wanted).abs() <= wanted * 1e-4;
                // The steps next to a silence are known in part only.
                if at == 0
                    || readings.in_bps[at * each - 1].is_none()
                    || readings.in_bps.get((at + 1) * each).is_none_or(Option::is_none)
                {
                    continue;
                }
                let range = at * each..(at + 1) * each;
                let least = of.min.in_bps[range.clone()].iter().flatten().copied().fold(f64::INFINITY, f64::min);
                let most = of.max.in_bps[range].iter().flatten().copied().fold(0.0, f64::max);
                assert!(near(*got, wanted), "{step} {at}: {got:?} {wanted}");
                assert!(near(spread.min.in_bps[at], least), "{step} {at}");
                assert!(near(spread.max.in_bps[at], most), "{step} {at}");
                let p99 = spread.p99.in_bps[at].unwrap();
                assert!(p99 <= most * 1.0001 && p99 >= wanted, "{step} {at}: {p99}");
                looked_at += 1;
            }
            assert!(looked_at > tier.in_bps.len() / 2, "{looked_at}");
        }
        // A fine step where only the coarse is left: its means, and never more.
        let fine = query::interface(engine, &id, T0 + 7_200, T0 + 10_800, 60, false).unwrap();
        assert!(fine.in_bps.iter().all(Option::is_some));
    }
}
