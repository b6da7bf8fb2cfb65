//! Exports against databases that fail in every way, real ones (Debian: victoria-metrics, prometheus), and a process that is
//! killed: every sample is found again, once.

mod faults;
mod kill;
mod real;
mod receiver;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge::export::{ExportKind, ExportReport, ExportSettings, Exports, Patience, Picture, Precision, Surroundings};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceId, DeviceIdentity, InterfaceId, InterfaceInfo, InterfaceState,
    OperStatus, Rate, Rates, Secret, Snapshot, Timestamp, Unknown,
};

fn hurried() -> Patience {
    Patience {
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        held_pause: Duration::from_millis(300),
        spill_after: Duration::from_millis(200),
    }
}

fn influx(url: &str) -> ExportSettings {
    let kind = ExportKind::InfluxDb2 { org: "o".into(), bucket: "b".into(), precision: Precision::Millis };
    ExportSettings { timeout: Duration::from_secs(1), batch: 100, ..ExportSettings::new("db", kind, Secret::new(url)) }
}

fn remote_write(url: &str) -> ExportSettings {
    ExportSettings { kind: ExportKind::Prometheus, ..influx(url) }
}

fn surroundings() -> Surroundings {
    Surroundings {
        picture: Arc::new(|| Picture {
            fabric: Snapshot { taken_at: now(), ..Snapshot::default() },
            alerts: Arc::default(),
        }),
        identity: Arc::new(|_| None::<Arc<DeviceIdentity>>),
    }
}

fn start(folder: &Path, settings: ExportSettings, patience: Patience) -> Exports {
    Exports::start_with(folder, vec![settings], surroundings(), patience).unwrap()
}

fn report(exports: &Exports) -> ExportReport {
    exports.stats()[0].report()
}

/// Interfaces of one device; each tells `value`, which no other look has.
fn look(device: &str, interfaces: usize, value: u64) -> Vec<InterfaceState> {
    let mut counters = Counters::default();
    counters.set(Counter::InOctets, value, CounterWidth::Bits64);
    let state = |number: usize| {
        let name = format!("et-{number}");
        let info = InterfaceInfo {
            if_name: name.as_str().into(),
            if_alias: format!("to spine{number}, \\rack=7\\\nx"),
            if_index: number as u32,
            ..InterfaceInfo::default()
        };
        InterfaceState {
            id: InterfaceId::new(device, &name),
            info: Arc::new(info),
            speed_bps: None,
            speed_source: None,
            oper_status: OperStatus::Up,
            admin_status: AdminStatus::Unknown,
            oper_changed_at: None,
            seen_up: true,
            polled_at: None,
            counters,
            rates: Rates::default(),
            utilization_in: Rate::Unknown(Unknown::FirstSample),
            utilization_out: Rate::Unknown(Unknown::FirstSample),
        }
    };
    (0..interfaces).map(state).collect()
}

/// When the look with this number is: whole milliseconds, as databases have them.
fn at(begin: Timestamp, number: u64) -> Timestamp {
    begin + Duration::from_millis(100 * number)
}

fn offer(exports: &Exports, begin: Timestamp, numbers: std::ops::Range<u64>, interfaces: usize) {
    for number in numbers {
        exports.offer(&DeviceId::from("leaf1"), at(begin, number), true, look("leaf1", interfaces, number));
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64)
}

/// `interface number` of every look that should be there.
fn expected(numbers: std::ops::Range<u64>, interfaces: usize) -> BTreeSet<(String, u64)> {
    numbers.flat_map(|number| (0..interfaces).map(move |one| (format!("et-{one}"), number))).collect()
}

/// Wait for something, and say what it was when it does not come.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
