//! From a sample to the request that tells on-call, while a million interfaces are watched and a thousand alerts fire at
//! once: through the queue, the table, the detectors, the book and the durable outbox on a real disk to an HTTP receiver on
//! loopback.
//!
//! `cargo bench --bench alert_burst`, or with other sizes: `cargo bench --bench alert_burst -- INTERFACES ALERTS`.
//!
//! Two ways to fire: all at once, each after the one before it has been heard of (what one alert costs by itself).

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge::aggregate::{self, Changes, SampleReceiver, Table};
use selvedge::alert::Book;
use selvedge::deliver::{Deliverer, ReceiverKind, ReceiverSettings, Store, Surroundings};
use selvedge::detect::{self, Detectors};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, InterfaceInfo, InterfacePoll, Labels, Medium, OperStatus, Reading,
    Sample, Secret, Timestamp,
};

const PORTS: usize = 48;

fn main() {
    // `cargo test --benches` runs this too, to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let devices = numbers.first().copied().unwrap_or(1_000_000).div_ceil(PORTS);
    let alerts = numbers.get(1).copied().unwrap_or(1_000).min(devices);
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let receiver = Receiver::start();

    let kind = ReceiverKind::Webhook { url: Secret::new(format!("http://{}/", receiver.address)), hmac: None };
    let surroundings = Surroundings {
        external_url: "http://localhost".into(),
        clock: Arc::new(now),
        device_labels: Arc::new(|_| Labels::new()),
        runtime: runtime.handle().clone(),
    };
    let store = Store::open(folder.path()).expect("a store");
    let deliverer = Deliverer::start(store, vec![ReceiverSettings::new("oncall", kind)], Vec::new(), surroundings)
        .expect("a deliverer");

    let (sender, samples) = aggregate::queue(16_384);
    let (mut table, _reader) = Table::new(aggregate::Settings::default());
    let mut changes = Changes::default();
    for device in 0..devices {
        table.apply(&inventory(device), &mut changes);
        for poll in 0..3 {
            table.apply(&polled(device, poll), &mut changes);
        }
    }
    println!("{} interfaces watched, {alerts} alerts", devices * PORTS);
    let core =
        Core { samples, table, detectors: Detectors::new(detect::Settings::default()), book: Book::new(), deliverer };
    let core = thread::spawn(move || core.run());

    // All at once: linkDown of one port on each of so many devices, in between the polls of others.
    let mut pushed = HashMap::new();
    let stride = devices / alerts;
    for alert in 0..alerts {
        let device = alert * stride;
        pushed.insert(name(device), Instant::now());
        sender.push(event(device, 7));
        if stride > 1 {
            sender.push(polled(device + 1, 3));
        }
    }
    receiver.wait(alerts);
    report("at once", &receiver.latencies(&pushed, 0));

    // One after the other.
    let mut alone = Vec::new();
    for alert in 0..200.min(alerts) {
        let heard = receiver.count();
        let device = alert * stride;
        let pushed = HashMap::from([(name(device), Instant::now())]);
        sender.push(event(device, 9));
        receiver.wait(heard + 1);
        alone.extend(receiver.latencies(&pushed, heard));
    }
    alone.sort_unstable();
    report("one by one", &alone);
    drop(sender);
    core.join().expect("the core ended");
}

fn report(what: &str, latencies: &[Duration]) {
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    let line = |name: &str, value: &dyn Display| println!("{what:<12}{name:<8}{value:>10} ms");
    for (name, share) in [("median", 0.5), ("p99", 0.99), ("worst", 1.0)] {
        line(name, &format_args!("{:.2}", at(share)));
    }
}

/// The core's loop, as `run` has it, without a topology.
struct Core {
    samples: SampleReceiver,
    table: Table,
    detectors: Detectors,
    book: Book,
    deliverer: Deliverer,
}

impl Core {
    fn run(mut self) {
        let mut changes = Changes::default();
        let mut quiet_since = Instant::now();
        // It ends when nobody sends any more.
        while quiet_since.elapsed() < Duration::from_secs(5) {
            self.samples.wait(Duration::from_millis(100));
            while let Some(sample) = self.samples.pop() {
                quiet_since = Instant::now();
                self.table.apply(&sample, &mut changes);
                let mut told = Vec::new();
                for slot in &changes.interfaces {
                    let Some(state) = self.table.interface_at(*slot) else { continue };
                    let table = &self.table;
                    let spread = |id: &_| table.spread(id, sample.taken_at);
                    for (key, verdict) in self.detectors.interface(sample.taken_at, &state, None, &spread) {
                        told.extend(self.book.observe(sample.taken_at, &key, verdict));
                    }
                }
                if !told.is_empty() {
                    self.deliverer.submit(told);
                }
            }
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}

fn name(device: usize) -> String {
    format!("leaf{device}")
}

fn sample(device: usize, taken_at: Timestamp, reading: Reading) -> Sample {
    Sample { device: name(device).as_str().into(), taken_at, device_uptime: None, reading }
}

fn inventory(device: usize) -> Sample {
    let info = |port| InterfaceInfo {
        if_name: format!("Ethernet{port}").into(),
        if_index: port as u32 + 1,
        if_type: 6,
        speed_bps: Some(100_000_000_000),
        ..InterfaceInfo::default()
    };
    sample(device, Timestamp::default(), Reading::Inventory((0..PORTS).map(|port| Arc::new(info(port))).collect()))
}

fn polled(device: usize, poll: u64) -> Sample {
    let row = |port: usize| {
        let mut counters = Counters::default();
        for counter in Counter::ALL.into_iter().take(8) {
            counters.set(counter, (poll + 1) * (port as u64 + 1) * 100_000, CounterWidth::Bits64);
        }
        let if_name = format!("Ethernet{port}").into();
        let (oper_status, admin_status) = (OperStatus::Up, AdminStatus::Up);
        InterfacePoll { if_name, oper_status, admin_status, discontinuity: None, counters }
    };
    let at = now() + Duration::from_secs(10 * poll) - Duration::from_secs(40);
    sample(device, at, Reading::Poll((0..PORTS).map(row).collect()))
}

fn event(device: usize, port: usize) -> Sample {
    let if_name = format!("Ethernet{port}").into();
    sample(device, now(), Reading::Event { if_name, oper_status: OperStatus::Down, medium: Medium::Netlink })
}

/// When a request of a device had come, as a whole.
type Heard = Arc<Mutex<Vec<(String, Instant)>>>;

/// An HTTP receiver that takes everything.
struct Receiver {
    address: SocketAddr,
    heard: Heard,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Heard::default();
        let all = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&all);
                thread::spawn(move || serve(stream, &heard));
            }
        });
        Self { address, heard }
    }

    fn count(&self) -> usize {
        self.heard.lock().expect("nobody panics").len()
    }

    fn wait(&self, count: usize) {
        let began = Instant::now();
        while self.count() < count {
            assert!(began.elapsed() < Duration::from_secs(120), "{} of {count} heard", self.count());
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// From the push to the request, for what was heard after the first so many; sorted.
    fn latencies(&self, pushed: &HashMap<String, Instant>, after: usize) -> Vec<Duration> {
        let heard = self.heard.lock().expect("nobody panics");
        let mut seen = HashSet::new();
        let first = heard[after..].iter().filter(|(device, _)| seen.insert(device));
        let mut latencies: Vec<_> =
            first.filter_map(|(device, at)| Some(at.duration_since(*pushed.get(device)?))).collect();
        latencies.sort_unstable();
        latencies
    }
}

fn serve(stream: TcpStream, heard: &Heard) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let at = Instant::now();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let devices = body["alerts"].as_array().into_iter().flatten();
        let devices = devices.filter_map(|alert| alert["labels"]["device"].as_str());
        heard.lock().expect("nobody panics").extend(devices.map(|device| (device.to_owned(), at)));
        if reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}
