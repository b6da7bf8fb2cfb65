//! A hundred thousand switches of 48 ports, ten counters each, every 60 s: polls that were missed, memory of poller and
//! table together, how late polls begin, and what it all costs.
//!
//! `cargo bench --bench hundred_thousand`, or shorter: `cargo bench --bench hundred_thousand -- SECONDS DEVICES INTERVAL`.
//! The agents are a process of their own; memory and CPU time told are the poller's process'.

mod agent;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use selvedge::aggregate::{self, Changes, Table};
use selvedge::collect::snmp::Poller;
use selvedge::collect::{SampleSink, Target};
use selvedge::fabric::{Counter, InterfaceId, Labels};

use agent::{Agents, COUNTERS, PORTS, address, cpu_s, credentials, threads_cpu_s};

/// Targets that are added in one go, so that not all devices are learned at the same time.
const ADDED_AT_ONCE: u32 = 2_000;

fn main() {
    if agent::be_agents() {
        return;
    }
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let length = Duration::from_secs(numbers.first().copied().unwrap_or(300));
    let devices = numbers.get(1).copied().unwrap_or(100_000) as u32;
    let interval = Duration::from_secs(numbers.get(2).copied().unwrap_or(60));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    runtime.block_on(measure(length, devices, interval));
}

async fn measure(length: Duration, devices: u32, interval: Duration) {
    println!("{devices} devices of {PORTS} ports, {COUNTERS} counters each, every {} s", interval.as_secs());
    let agents = Agents::start(devices, false);
    let (sender, mut receiver) = aggregate::queue(1 << 16);
    let (mut table, reader) = Table::new(aggregate::Settings::default());
    let core = std::thread::Builder::new().name("table".into());
    let core = core.spawn(move || {
        let mut changes = Changes::default();
        while !receiver.is_closed() {
            receiver.wait(Duration::from_millis(100));
            while let Some(sample) = receiver.pop() {
                table.apply(&sample, &mut changes);
            }
        }
    });
    let samples = sender.clone();
    let sink: SampleSink = Arc::new(move |sample| samples.push(sample));
    let poller = Poller::start(HashMap::new(), sink, Arc::new(|_| {})).expect("sockets");
    let credentials = Arc::new(credentials(false));
    let target = |number| Target {
        address: address(number, agents.port).to_string(),
        credentials: credentials.clone(),
        auth: "bench".into(),
        labels: Labels::new(),
        interval,
        timeout: Duration::from_secs(2),
        retries: 2,
    };
    let counted = |name: &str| poller.stats().counters().find(|(other, _)| *other == name).map_or(0, |(_, n)| n);
    let (before, started) = (memory_mib("VmRSS"), Instant::now());
    let mut targets = Vec::new();
    while (targets.len() as u32) < devices {
        let from = targets.len() as u32;
        targets.extend((from..devices.min(from + ADDED_AT_ONCE)).map(target));
        poller.reconfigure(targets.clone()).await;
        while counted("inventories") < targets.len() as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(targets);
    println!("learned in {:.0} s; settling for {} s", started.elapsed().as_secs_f64(), interval.as_secs());
    // Until every device has been polled by its own schedule.
    tokio::time::sleep(interval).await;

    let names =
        ["polls", "polls_skipped", "polls_failed", "polls_truncated", "polls_odd", "timeouts", "resends", "late"];
    let threads = ["snmp-polls", "table"];
    let seen = names.map(counted);
    let (rows, delays) = (counted("rows"), poller.stats().start_delays_us());
    let (used, used_by, agents_used) = (cpu_s(std::process::id()), threads.map(threads_cpu_s), agents.cpu_s());
    let started = Instant::now();
    while started.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(10).min(length.saturating_sub(started.elapsed()))).await;
        let polls = counted("polls") - seen[0];
        println!("  {:>4.0} s {polls:>8} polls, {:.0} MiB", started.elapsed().as_secs_f64(), memory_mib("VmRSS"));
    }
    let wall_s = started.elapsed().as_secs_f64();

    let mut late = poller.stats().start_delays_us();
    late.subtract(&delays).expect("it only grows");
    let ms = |quantile| late.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "start of polls after their time: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    for (name, before) in names.iter().zip(seen) {
        print!("{name} {}  ", counted(name) - before);
    }
    println!("(due: {:.0})", f64::from(devices) * wall_s / interval.as_secs_f64());
    println!("samples dropped by the queue: {}", sender.stats().polls_dropped);
    let (now, most) = (memory_mib("VmRSS"), memory_mib("VmHWM"));
    let each = (now - before) * 1024.0 * 1024.0 / f64::from(devices * PORTS);
    println!("resident: {now:.0} MiB, at most {most:.0} MiB; {each:.0} bytes an interface");
    let cpu = cpu_s(std::process::id()) - used;
    let interfaces = (counted("rows") - rows) as f64;
    println!(
        "CPU: {:.2} of a core, {:.3} s per million counters; agents {:.2} of a core",
        cpu / wall_s,
        cpu / (interfaces * COUNTERS as f64 / 1e6),
        (agents.cpu_s() - agents_used) / wall_s
    );
    for (name, before) in threads.iter().zip(used_by) {
        println!("  of which thread {name}: {:.2}", (threads_cpu_s(name) - before) / wall_s);
    }
    // What was measured did happen.
    let known = |number: u32| {
        let interface = reader.interface(&InterfaceId::new(format!("sim{number}").as_str(), "Ethernet1"));
        interface.is_some_and(|interface| interface.rates[Counter::InOctets].known().is_some())
    };
    let with_rates = (0..devices).filter(|number| known(*number)).count();
    println!("devices whose first port has a rate: {with_rates}");
    drop(poller);
    drop(sender);
    let _ = core.map(std::thread::JoinHandle::join);
}

/// A figure of this process' memory.
fn memory_mib(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
