//! The embedded history: samples taken per second by its one thread, bytes per sample on disk (coarser tiers and all), a day
//! of one link, and the top of a fabric, beside VictoriaMetrics (Debian: victoria-metrics) with the same samples.
//!
//! `cargo bench --bench history`, or with another number of devices of 48 ports: `cargo bench --bench history -- DEVICES`.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceId, InterfaceId, InterfacePoll, OperStatus, Reading, Sample,
    Timestamp, Uptime,
};
use selvedge::history::promql::{Instantly, Limits, Query};
use selvedge::history::{History, Settings};

const PORTS: usize = 48;
const INTERVAL_S: i64 = 10;
const DAY_S: i64 = 86_400;
const COUNTERS: [Counter; 10] = [
    Counter::InOctets,
    Counter::OutOctets,
    Counter::InUcastPkts,
    Counter::OutUcastPkts,
    Counter::InMulticastPkts,
    Counter::OutMulticastPkts,
    Counter::InDiscards,
    Counter::OutDiscards,
    Counter::InErrors,
    Counter::OutErrors,
];

fn main() {
    let devices: usize = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(6);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let start_s = now_s - now_s % 3_600 - DAY_S - 3_600;
    let samples = devices * PORTS * COUNTERS.len() * (DAY_S / INTERVAL_S) as usize;
    println!(
        "{devices} devices of {PORTS} ports, {} counters each, a day at {INTERVAL_S} s: {samples} samples",
        COUNTERS.len()
    );

    let folder = tempfile::tempdir().unwrap();
    let history = History::start(&Settings { path: folder.path().into(), ..Settings::default() }).unwrap();
    let started = Instant::now();
    fill(&history, devices, start_s, DAY_S / INTERVAL_S, INTERVAL_S, COUNTERS.len());
    let took = started.elapsed();
    println!("ours: taken {:>6.2} M samples/s", samples as f64 / took.as_secs_f64() / 1e6);
    let stats = history.stats();
    println!(
        "ours: {} blocks sealed, {:.2} bytes/sample in all",
        stats.sealed,
        stats.disk_bytes as f64 / samples as f64
    );

    let id = InterfaceId::new("leaf0", "eth7");
    let ours = median(|| {
        let series = history.interface(&id, start_s, start_s + DAY_S, 120).unwrap();
        assert!(series.in_bps.iter().flatten().count() > 700);
    });
    println!("ours: a day of one link, 6 quantities: {:.2} ms", ours.as_secs_f64() * 1e3);
    let rate = "rate(ifHCInOctets{device=\"leaf0\",ifName=\"eth7\"}[5m])";
    let end_s = start_s + DAY_S;
    let day = median(|| {
        let times = selvedge::history::promql::Times {
            start_ms: (start_s + 300) * 1_000,
            end_ms: end_s * 1_000,
            step_ms: 120_000,
        };
        let answer = history.ask(&|_| Vec::new(), |source| Query::parse(rate)?.over(source, times, limits())).unwrap();
        assert_eq!(answer.len(), 1);
    });
    println!("ours: a day of {rate}: {:.2} ms", day.as_secs_f64() * 1e3);
    history.stop();
    if Path::new("/usr/bin/victoria-metrics").exists() {
        beside(devices, start_s, samples, rate, day);
    } else {
        println!("LEFT OUT: victoria-metrics is not installed");
    }

    // A whole fabric for an hour, a minute apart.
    let folder = tempfile::tempdir().unwrap();
    let history = History::start(&Settings { path: folder.path().into(), ..Settings::default() }).unwrap();
    let many = 100_000 / PORTS + 1;
    fill(&history, many, now_s - 3_700, 61, 60, 2);
    let top = median(|| {
        let query = Query::parse("topk(50, rate(ifHCInOctets[1h]))").unwrap();
        let at_ms = (now_s - 40) * 1_000;
        match history.ask(&|_| Vec::new(), |source| query.at(source, at_ms, limits())).unwrap() {
            Instantly::Vector(top) => assert_eq!(top.len(), 50),
            other => panic!("{other:?}"),
        }
    });
    println!("ours: top 50 of {} interfaces over an hour at 60 s: {:.0} ms", many * PORTS, top.as_secs_f64() * 1e3);
    history.stop();
}

fn limits() -> Limits {
    Limits { samples: 100_000_000, values: 100_000_000, deadline: Instant::now() + Duration::from_secs(120) }
}

fn median(mut act: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let started = Instant::now();
            act();
            started.elapsed()
        })
        .collect();
    took.sort();
    took[2]
}

/// The value of a counter at a poll: busy ones, slow ones and idle ones.
fn value(device: usize, port: usize, counter: usize, n: i64) -> u64 {
    let mut seed = (device * 7_919 + port * 104_729 + counter) as u64 ^ (n as u64) << 20;
    seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise = (seed >> 44) ^ (seed >> 50);
    let n = n as u64;
    match counter {
        0 | 1 => n * (20_000_000 + port as u64 * 1_000_000) + noise,
        2 | 3 => n * (20_000 + port as u64 * 1_000) + noise % 1_000,
        4 | 5 => n * 3 + noise % 3,
        _ if port.is_multiple_of(16) => n / 50,
        _ => 0,
    }
}

fn fill(history: &History, devices: usize, start_s: i64, polls: i64, interval_s: i64, counters: usize) {
    let names: Vec<_> = (0..PORTS).map(|port| std::sync::Arc::<str>::from(format!("eth{port}"))).collect();
    let mut offered = 0;
    for n in 0..polls {
        for device in 0..devices {
            let polls = names.iter().enumerate().map(|(port, name)| {
                let mut read = Counters::default();
                for (at, counter) in COUNTERS.iter().enumerate().take(counters) {
                    read.set(*counter, value(device, port, at, n), CounterWidth::Bits64);
                }
                InterfacePoll {
                    if_name: name.clone(),
                    oper_status: OperStatus::Up,
                    admin_status: AdminStatus::Up,
                    discontinuity: None,
                    counters: read,
                }
            });
            history.offer(Sample {
                device: DeviceId::from(format!("leaf{device}").as_str()),
                taken_at: Timestamp::from_secs(start_s + n * interval_s),
                device_uptime: Some(Uptime((n * interval_s * 100) as u32)),
                reading: Reading::Poll(polls.collect()),
            });
            offered += 1;
            // Those that wait to be joined with more of their poll are one per device.
            while history.stats().appended + history.stats().quiet + 600 + (devices as u64) < offered {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
    while history.stats().appended + history.stats().quiet + history.stats().dropped < offered {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(history.stats().dropped, 0);
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same samples and the same question.
fn beside(devices: usize, start_s: i64, samples: usize, rate: &str, ours: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("/usr/bin/victoria-metrics")
        .arg(format!("-storageDataPath={}", folder.path().display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .args(["-retentionPeriod=10y", "-search.disableCache"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(server);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let polls = DAY_S / INTERVAL_S;
    let mut times = String::new();
    for n in 0..polls {
        let _ = write!(times, "{}{}", if n > 0 { "," } else { "" }, (start_s + n * INTERVAL_S) * 1_000);
    }
    let mut took = Duration::ZERO;
    for device in 0..devices {
        for port_of in 0..PORTS {
            let mut body = String::new();
            for (at, counter) in COUNTERS.iter().enumerate() {
                let name = counter.as_str();
                let _ = write!(body, "{{\"metric\":{{\"__name__\":\"{name}\",\"device\":\"leaf{device}\",");
                let _ = write!(body, "\"ifName\":\"eth{port_of}\"}},\"values\":[");
                for n in 0..polls {
                    let _ = write!(body, "{}{}", if n > 0 { "," } else { "" }, value(device, port_of, at, n));
                }
                let _ = writeln!(body, "],\"timestamps\":[{times}]}}");
            }
            let started = Instant::now();
            let answer = http(port, "POST", "/api/v1/import", &body);
            assert!(answer.contains(" 204 "), "{answer}");
            took += started.elapsed();
        }
    }
    println!("VictoriaMetrics: taken {:>6.2} M samples/s (JSON lines)", samples as f64 / took.as_secs_f64() / 1e6);
    http(port, "GET", "/internal/force_flush", "");
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={}&step=120",
        rate.bytes().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "%{byte:02X}");
            out
        }),
        start_s + 300,
        start_s + DAY_S
    );
    let theirs = median(|| assert!(http(port, "GET", &path, "").contains("eth7")));
    println!(
        "VictoriaMetrics: the same day: {:.2} ms, {:.1} times ours",
        theirs.as_secs_f64() * 1e3,
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
    http(port, "GET", "/internal/force_merge", "");
    std::thread::sleep(Duration::from_secs(10));
    let bytes = folder_bytes(&folder.path().join("data"));
    println!("VictoriaMetrics: {:.2} bytes/sample", bytes as f64 / samples as f64);
}

fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn http(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
        .unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
