//! The aggregation core with a million interfaces: counter updates per second through to rates, the spread of utilisation
//! and the detectors' verdicts, bytes per interface, and the time to read one interface while it is written, beside a hash
//! map behind mutexes with the same counters and rates (it keeps no spread), and beside what the memory allows.
//!
//! `cargo bench --bench aggregate`, or with other sizes: `cargo bench --bench aggregate -- INTERFACES ROUNDS`.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use selvedge::aggregate::algebra::{self, Moment};
use selvedge::aggregate::{Changes, Settings, Table, TableReader};
use selvedge::detect::{self, Detectors};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceId, InterfaceId, InterfaceInfo, InterfacePoll, OperStatus,
    Rates, Reading, Sample, Timestamp, Uptime,
};

const PORTS: usize = 48;
const COUNTERS: usize = 10;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let devices = numbers.first().copied().unwrap_or(1_000_000).div_ceil(PORTS);
    let rounds = numbers.get(1).copied().unwrap_or(5);
    let interfaces = devices * PORTS;
    println!("{devices} devices, {interfaces} interfaces, {COUNTERS} counters each, {rounds} polls of everything");

    let mut fabric = Fabric::new(devices);
    let before_kib = resident_kib();
    let (mut table, reader) = Table::new(Settings::default());
    let mut changes = Changes::default();
    let started = Instant::now();
    for index in 0..devices {
        table.apply(&fabric.inventory(index), &mut changes);
    }
    line("to join", format_args!("{:.2} us per device", started.elapsed().as_secs_f64() * 1e6 / devices as f64));
    line("memory", format_args!("{} bytes per interface", (resident_kib() - before_kib) * 1024 / interfaces as u64));

    let cells = measure(&mut fabric, rounds, &reader, |samples, _| {
        samples.iter().for_each(|sample| table.apply(sample, &mut changes));
    });
    cells.print("table", interfaces);
    fabric.advance();
    let started = Instant::now();
    let mut seen = 0_usize;
    for sample in &fabric.samples {
        table.apply(sample, &mut changes);
        for slot in &changes.interfaces {
            seen += usize::from(
                table.interface_at(*slot).is_some_and(|state| state.rates[Counter::InOctets].known().is_some()),
            );
        }
    }
    let updates = (interfaces * COUNTERS) as f64 / started.elapsed().as_secs_f64();
    line("table, and every state built", format_args!("{:.1} million updates/s", updates / 1e6));
    assert_eq!(seen, interfaces);

    let mut detectors = Detectors::new(detect::Settings::default());
    let best = (0..rounds).map(|_| {
        fabric.advance();
        let started = Instant::now();
        for sample in &fabric.samples {
            table.apply(sample, &mut changes);
            for slot in &changes.interfaces {
                let Some(state) = table.interface_at(*slot) else { continue };
                let spread = |id: &InterfaceId| table.spread(id, sample.taken_at);
                let verdicts = detectors.interface(sample.taken_at, &state, None, &spread);
                assert!(verdicts.is_empty(), "{verdicts:?}");
            }
        }
        started.elapsed()
    });
    let to_detectors = best.min().unwrap_or_default();
    let updates = (interfaces * COUNTERS) as f64 / to_detectors.as_secs_f64();
    line("table, spread and detectors", format_args!("{:.1} million updates/s", updates / 1e6));
    line(
        "memory, with the spread",
        format_args!("{} bytes per interface", (resident_kib() - before_kib) * 1024 / interfaces as u64),
    );
    let mut spreads_ns: Vec<u64> = (0..20_000_usize)
        .map(|n| {
            let sample = &fabric.samples[n * 7_919 % fabric.samples.len()];
            let id = InterfaceId::new(sample.device.as_str(), format!("Ethernet{}", n % PORTS));
            let started = Instant::now();
            assert!(black_box(reader.spread(&id, sample.taken_at)).is_some());
            started.elapsed().as_nanos() as u64
        })
        .collect();
    spreads_ns.sort_unstable();
    line("all percentiles of an interface", format_args!("{} ns median", spreads_ns[spreads_ns.len() / 2]));
    drop(table);

    let map = Arc::new(Map::new());
    let locked = measure(&mut fabric, rounds, &map, |samples, map| samples.iter().for_each(|sample| map.apply(sample)));
    locked.print("mutexes", interfaces);
    line(
        "table against mutexes",
        format_args!("{:.2} times as fast", locked.apply.as_secs_f64() / cells.apply.as_secs_f64()),
    );

    let copied = fabric.copy_rounds(rounds);
    let updates = (interfaces * COUNTERS) as f64 / copied.as_secs_f64();
    line("copying the readings alone", format_args!("{:.1} million counters/s", updates / 1e6));
}

fn line(what: &str, value: impl Display) {
    println!("{what:<32}{value}");
}

/// All that is polled, and the rounds it is polled in.
struct Fabric {
    samples: Vec<Sample>,
    infos: Vec<Vec<Arc<InterfaceInfo>>>,
    round: u64,
}

impl Fabric {
    fn new(devices: usize) -> Self {
        let info = |port| InterfaceInfo {
            if_name: format!("Ethernet{port}").into(),
            if_type: 6,
            speed_bps: Some(100_000_000_000),
            ..InterfaceInfo::default()
        };
        let infos: Vec<Vec<_>> = (0..devices).map(|_| (0..PORTS).map(|port| Arc::new(info(port))).collect()).collect();
        let row = |info: &Arc<InterfaceInfo>| InterfacePoll {
            if_name: Arc::clone(&info.if_name),
            oper_status: OperStatus::Up,
            admin_status: AdminStatus::Up,
            discontinuity: Some(Uptime(0)),
            counters: Counters::default(),
        };
        let sample = |(index, infos): (usize, &Vec<Arc<InterfaceInfo>>)| Sample {
            device: DeviceId::from(format!("leaf{index}")),
            taken_at: Timestamp::default(),
            device_uptime: None,
            reading: Reading::Poll(infos.iter().map(row).collect()),
        };
        let mut fabric = Self { samples: infos.iter().enumerate().map(sample).collect(), infos, round: 0 };
        fabric.advance();
        fabric
    }

    fn inventory(&self, index: usize) -> Sample {
        Sample { reading: Reading::Inventory(self.infos[index].clone()), ..self.samples[index].clone() }
    }

    fn advance(&mut self) {
        self.round += 1;
        for (index, sample) in self.samples.iter_mut().enumerate() {
            sample.taken_at = Timestamp::from_secs(1_000 + 10 * self.round as i64);
            sample.device_uptime = Some(Uptime((100_000 + 1_000 * self.round) as u32));
            if let Reading::Poll(rows) = &mut sample.reading {
                for (port, row) in rows.iter_mut().enumerate() {
                    // From one to twenty hundredths of 100 Gbit/s for 10 s, another share each time; nothing is lost.
                    let mixed =
                        (self.round * 37 + port as u64 * 11 + index as u64 * 7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let octets = ((mixed >> 40) % 190 + 10) * 125_000_000;
                    for counter in Counter::ALL.into_iter().take(COUNTERS) {
                        let more = match counter {
                            Counter::InOctets => octets,
                            Counter::OutOctets => octets / 2,
                            Counter::InDiscards | Counter::OutDiscards => 0,
                            _ => octets / 4_000,
                        };
                        let value = row.counters.get(counter).unwrap_or(0) + more;
                        row.counters.set(counter, value, CounterWidth::Bits64);
                    }
                }
            }
        }
    }

    /// What the memory itself allows: every reading copied once.
    fn copy_rounds(&self, rounds: usize) -> Duration {
        let mut copies = vec![Counters::default(); self.samples.len() * PORTS];
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            let started = Instant::now();
            let mut to = copies.iter_mut();
            for sample in &self.samples {
                if let Reading::Poll(rows) = &sample.reading {
                    rows.iter().zip(&mut to).for_each(|(row, to)| *to = row.counters);
                }
            }
            black_box(&mut copies);
            best = best.min(started.elapsed());
        }
        best
    }
}

trait Read: Clone + Send + 'static {
    fn read(&self, id: &InterfaceId) -> bool;
}

impl Read for TableReader {
    fn read(&self, id: &InterfaceId) -> bool {
        black_box(self.interface(id)).is_some()
    }
}

impl Read for Arc<Map> {
    fn read(&self, id: &InterfaceId) -> bool {
        black_box(self.interface(id)).is_some()
    }
}

struct Measured {
    /// A poll of everything, the best round with nobody reading.
    apply: Duration,
    /// The same with somebody reading.
    apply_while_read: Duration,
    /// Nanoseconds of a read while everything is written: median, 99th percentile.
    read_ns: [u64; 2],
}

impl Measured {
    fn print(&self, name: &str, interfaces: usize) {
        let million = |round: Duration| (interfaces * COUNTERS) as f64 / round.as_secs_f64() / 1e6;
        line(name, format_args!("{:.1} million updates/s", million(self.apply)));
        line(&format!("{name}, while read"), format_args!("{:.1} million updates/s", million(self.apply_while_read)));
        let [median, p99] = self.read_ns;
        line(&format!("{name}, a read while written"), format_args!("{median} ns median, {p99} ns p99"));
    }
}

fn measure<R: Read>(fabric: &mut Fabric, rounds: usize, reader: &R, mut apply: impl FnMut(&[Sample], &R)) -> Measured {
    let mut round = |fabric: &mut Fabric| {
        fabric.advance();
        let started = Instant::now();
        apply(&fabric.samples, reader);
        started.elapsed()
    };
    round(fabric);
    let best = (0..rounds).map(|_| round(fabric)).min().unwrap_or_default();

    let ids: Vec<InterfaceId> = (0..1_000)
        .map(|n| {
            InterfaceId::new(
                fabric.samples[n * 7_919 % fabric.samples.len()].device.as_str(),
                format!("Ethernet{}", n % PORTS),
            )
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let reading = {
        let (reader, stop) = (reader.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            let mut times_ns = Vec::with_capacity(1 << 24);
            for id in ids.iter().cycle() {
                let started = Instant::now();
                assert!(reader.read(id));
                times_ns.push(started.elapsed().as_nanos() as u64);
                if stop.load(Ordering::Relaxed) || times_ns.len() == times_ns.capacity() {
                    break;
                }
            }
            times_ns.sort_unstable();
            [times_ns[times_ns.len() / 2], times_ns[times_ns.len() * 99 / 100]]
        })
    };
    let apply_while_read = (0..rounds).map(|_| round(fabric)).min().unwrap_or_default();
    stop.store(true, Ordering::Relaxed);
    let read_ns = reading.join().expect("the reader read");
    Measured { apply: best, apply_while_read, read_ns }
}

/// The plain way: hash maps behind mutexes, keyed by name, with the same algebra.
struct Map {
    shards: Vec<Mutex<HashMap<InterfaceId, Entry>>>,
}

#[derive(Clone, Copy)]
struct Entry {
    moment: Moment,
    oper_status: OperStatus,
    counters: Counters,
    rates: Rates,
}

impl Map {
    fn new() -> Self {
        Self { shards: (0..256).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, id: &InterfaceId) -> &Mutex<HashMap<InterfaceId, Entry>> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        &self.shards[hasher.finish() as usize % self.shards.len()]
    }

    fn apply(&self, sample: &Sample) {
        let Reading::Poll(rows) = &sample.reading else { return };
        let moment = Moment { at: sample.taken_at, uptime: sample.device_uptime };
        for row in rows {
            let id = InterfaceId { device: sample.device.clone(), if_name: Arc::clone(&row.if_name) };
            let mut shard = self.shard(&id).lock().expect("nobody panics");
            let entry = shard.entry(id).or_insert(Entry {
                moment,
                oper_status: row.oper_status,
                counters: row.counters,
                rates: Rates::default(),
            });
            entry.oper_status = row.oper_status;
            if let Ok(span) = algebra::span(entry.moment, moment) {
                for (counter, value) in row.counters.iter() {
                    if let Some(before) = entry.counters.get(counter) {
                        let width = row.counters.width(counter);
                        entry.rates[counter] =
                            algebra::rate(counter, before, value, width, span, Some(100_000_000_000), 0.05);
                    }
                }
                (entry.moment, entry.counters) = (moment, row.counters);
            }
        }
    }

    fn interface(&self, id: &InterfaceId) -> Option<Entry> {
        self.shard(id).lock().expect("nobody panics").get(id).copied()
    }
}

/// Memory of this process that is in use, from the kernel; 0 where it does not say.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
