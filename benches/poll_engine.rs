//! What a counter costs from the bytes of its answer to the rate in the table: CPU seconds per million, and interfaces
//! per second and core; beside async-snmp, which decodes and no more, and beside a loop over `sendmmsg` and `recvmmsg`
//! that does not even do that: the limit.
//!
//! `cargo bench --bench poll_engine`, or with another length: `cargo bench --bench poll_engine -- SECONDS DEVICES`.
//! The agents are a process of their own; each poller's CPU time is its own process' or thread's.

mod agent;

use std::collections::HashMap;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_snmp::transport::UdpTransport;
use selvedge::aggregate::{self, Changes, Table};
use selvedge::collect::snmp::Poller;
use selvedge::collect::sys::mmsg::{BATCH, Inbox, Outbox};
use selvedge::collect::{SampleSink, Target};
use selvedge::fabric::{Counter, InterfaceId, Labels, Secret, Timestamp};
use selvedge::snmp::{Access, Credentials, Oid, Patience, Request, Session};

use agent::{Agents, COUNTERS, PORTS, address, cpu_s, credentials, threads_cpu_s};

/// What is asked of each port beside its counters (name, states, discontinuity) and the counters.
const COLUMNS: [&[u32]; 14] = [
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 7],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 7],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 11],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 8],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 12],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 13],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 14],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 19],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 20],
];
const SCALARS: [&[u32]; 2] = [&[1, 3, 6, 1, 2, 1, 1, 3], &[1, 3, 6, 1, 2, 1, 2, 1]];
/// Rows that fit into an answer of 1,400 bytes.
const ROWS: u32 = 4;

/// What was read, and what it cost.
struct Cost {
    interfaces: f64,
    cpu_s: f64,
    wall_s: f64,
}

impl Cost {
    fn per_million(&self) -> f64 {
        self.cpu_s / (self.interfaces * COUNTERS as f64 / 1e6)
    }

    fn print(&self, what: &str, limit: Option<&Cost>) {
        let times = limit.map_or(String::new(), |limit| format!("{:.2}", self.per_million() / limit.per_million()));
        println!(
            "{what:<44}{:>9.3}{:>14.0}{:>14.0}{times:>10}",
            self.per_million(),
            self.interfaces / self.cpu_s,
            self.interfaces / self.wall_s,
        );
    }
}

fn main() {
    if agent::be_agents() {
        return;
    }
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let length = Duration::from_secs(numbers.first().copied().unwrap_or(8));
    let devices = numbers.get(1).copied().unwrap_or(1_000) as u32;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    println!("{devices} devices of {PORTS} ports, {COUNTERS} counters each, {} s a line", length.as_secs());
    println!("{:<44}{:>9}{:>14}{:>14}{:>10}", "", "CPU s/1M", "interfaces/s", "interfaces/s", "x limit");
    println!("{:<44}{:>9}{:>14}{:>14}", "", "counters", "per core", "(wall clock)");
    for v3 in [false, true] {
        let agents = Agents::start(devices, v3);
        let security = if v3 { "v3 authPriv" } else { "v2c" };
        let limit = (!v3).then(|| limit(agents.port, devices, length));
        if let Some(limit) = &limit {
            limit.print("mmsg loop that decodes nothing, v2c", Some(limit));
        }
        let (ours, parts) = runtime.block_on(ours(agents.port, devices, v3, length));
        ours.print(&format!("selvedge, bytes to rate, {security}"), limit.as_ref());
        parts.iter().for_each(|(name, cost)| cost.print(&format!("  of which thread {name}"), limit.as_ref()));
        let theirs = runtime.block_on(theirs(agents.port, devices.min(512), v3, length));
        theirs.print(&format!("async-snmp, bytes to values, {security}"), limit.as_ref());
    }
}

/// Measure what `count` counts and `cpu` uses meanwhile.
async fn measure(length: Duration, count: impl Fn() -> f64, cpu: impl Fn() -> f64) -> Cost {
    let (counted, used, started) = (count(), cpu(), Instant::now());
    tokio::time::sleep(length).await;
    Cost { interfaces: count() - counted, cpu_s: cpu() - used, wall_s: started.elapsed().as_secs_f64() }
}

/// The whole pipeline: poller, queue, table.
async fn ours(port: u16, devices: u32, v3: bool, length: Duration) -> (Cost, Vec<(&'static str, Cost)>) {
    let (sender, mut receiver) = aggregate::queue(1 << 16);
    let (mut table, reader) = Table::new(aggregate::Settings::default());
    let core = std::thread::Builder::new()
        .name("table".into())
        .spawn(move || {
            let mut changes = Changes::default();
            while !receiver.is_closed() {
                receiver.wait(Duration::from_millis(100));
                while let Some(sample) = receiver.pop() {
                    table.apply(&sample, &mut changes);
                }
            }
        })
        .expect("a thread");
    let samples = sender.clone();
    let sink: SampleSink = Arc::new(move |sample| samples.push(sample));
    let poller = Poller::start(HashMap::new(), sink, Arc::new(|_| {})).expect("sockets");
    let credentials = Arc::new(credentials(v3));
    // More than anybody can do, so that what is measured is what can be done.
    let interval = Duration::from_secs_f64(f64::from(devices * PORTS) / 1e6);
    let target = |number| Target {
        address: address(number, port).to_string(),
        credentials: credentials.clone(),
        auth: "bench".into(),
        labels: Labels::new(),
        interval,
        timeout: Duration::from_secs(2),
        retries: 2,
    };
    poller.reconfigure((0..devices).map(target).collect()).await;
    let counted = |name: &str| poller.stats().counters().find(|(other, _)| *other == name).map_or(0, |(_, n)| n);
    while counted("inventories") < u64::from(devices) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rows = || counted("rows") as f64;
    let threads = ["snmp-polls", "table"];
    let before = threads.map(threads_cpu_s);
    let cost = measure(length, rows, || cpu_s(std::process::id())).await;
    let parts = threads.iter().zip(before).map(|(name, before)| {
        let cpu_s = threads_cpu_s(name) - before;
        (*name, Cost { cpu_s, ..cost })
    });
    let parts = parts.collect();
    // What was measured did happen.
    let name = reader.devices().first().expect("a device").identity.sys_name.clone();
    let known = (1..=PORTS).filter(|port| {
        let interface = reader.interface(&InterfaceId::new(name.as_str(), format!("Ethernet{port}")));
        interface.is_some_and(|interface| interface.rates[Counter::InOctets].known().is_some())
    });
    assert!(known.count() as u32 >= PORTS / 2, "there are no rates");
    let troubles = ["timeouts", "resends", "late", "forged", "polls_odd", "polls_truncated", "rows_refused", "too_big"];
    let troubles: Vec<_> = troubles.iter().map(|name| (name, counted(name))).filter(|(_, n)| *n > 0).collect();
    let dropped = sender.stats().polls_dropped;
    if !troubles.is_empty() || dropped > 0 {
        println!("  ({troubles:?}, {dropped} samples dropped by the queue)");
    }
    drop(poller);
    drop(sender);
    let _ = core.join();
    (cost, parts)
}

/// Requests and answers, of which no more is read than whose they are.
fn limit(port: u16, devices: u32, length: Duration) -> Cost {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
    let access = Access::new(&Credentials::Community(Secret::new("public"))).expect("access");
    let patience = Patience { timeout: Duration::from_secs(1), retries: 0 };
    let requests: Vec<Vec<u8>> = (0..PORTS / ROWS)
        .map(|at| {
            let mut names: Vec<Oid> = SCALARS.iter().map(|arcs| Oid::from_arcs(arcs).expect("a name")).collect();
            let row = |arcs: &&[u32]| Oid::from_arcs(&[arcs, &[at * ROWS][..]].concat()).expect("a name");
            names.extend(COLUMNS.iter().map(row));
            let request = Request::GetBulk { non_repeaters: 2, max_repetitions: ROWS as u16, names: &names };
            let mut out = Vec::new();
            Session::new(access.clone(), patience, u64::from(at)).request(Timestamp::default(), &request, &mut out);
            out
        })
        .collect();
    let (mut inbox, mut outbox) = (Inbox::new(BATCH, 2_048 + 64), Outbox::new(BATCH, 1 << 18, false));
    let (mut next, mut answers) = (0_u32, 0_u64);
    let mut ask = |outbox: &mut Outbox| {
        let request = &requests[(next % (PORTS / ROWS)) as usize];
        let _ = outbox.push(address(next / (PORTS / ROWS) % devices, port), None, request);
        next = next.wrapping_add(1);
    };
    let cpu = || cpu_s(std::process::id());
    let (started, used) = (Instant::now(), cpu());
    for _ in 0..1_024 {
        if outbox.len() == BATCH {
            outbox.flush(socket.as_fd());
        }
        ask(&mut outbox);
    }
    outbox.flush(socket.as_fd());
    while started.elapsed() < length {
        if inbox.receive(socket.as_fd()).unwrap_or(0) == 0 {
            (0..256).for_each(|_| ask(&mut outbox));
        }
        inbox.each(|datagram| {
            answers += u64::from(datagram.bytes.len() > 1_000);
            ask(&mut outbox);
        });
        outbox.flush(socket.as_fd());
    }
    Cost {
        interfaces: (answers * u64::from(ROWS)) as f64,
        cpu_s: cpu() - used,
        wall_s: started.elapsed().as_secs_f64(),
    }
}

/// async-snmp, one task for each device, over one socket.
async fn theirs(port: u16, devices: u32, v3: bool, length: Duration) -> Cost {
    let transport = UdpTransport::bind("0.0.0.0:0").await.expect("bind");
    let interfaces = Arc::new(AtomicU64::new(0));
    let name = |arcs: &[u32]| async_snmp::Oid::new(arcs.iter().copied());
    let mut tasks = Vec::new();
    for number in 0..devices {
        let auth: async_snmp::Auth = if v3 {
            let user = async_snmp::UsmConfig::new("bench");
            let user = user.auth_priv(
                async_snmp::AuthProtocol::Sha256,
                "authpass123",
                async_snmp::PrivProtocol::Aes128,
                "privpass123",
            );
            user.expect("a user").into()
        } else {
            async_snmp::Auth::v2c("public")
        };
        let address = address(number, port);
        let client = async_snmp::Client::builder((address.ip().to_string(), address.port()), auth)
            .request_timeout(Duration::from_secs(2))
            .build_with(&transport)
            .await
            .expect("a client");
        let interfaces = interfaces.clone();
        tasks.push(tokio::spawn(async move {
            let mut row = 0;
            loop {
                let mut names: Vec<_> = SCALARS.iter().map(|arcs| name(arcs)).collect();
                names.extend(COLUMNS.iter().map(|arcs| name(&[arcs, &[row][..]].concat())));
                if let Ok(found) = client.get_bulk(&names, 2, ROWS).await {
                    let counters = found.iter().filter(|found| found.value.as_u64().is_some()).count();
                    if counters >= (ROWS as usize) * 10 {
                        interfaces.fetch_add(u64::from(ROWS), Ordering::Relaxed);
                    }
                }
                row = (row + ROWS) % PORTS;
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counted = || interfaces.load(Ordering::Relaxed) as f64;
    let cost = measure(length, counted, || cpu_s(std::process::id())).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    cost
}
