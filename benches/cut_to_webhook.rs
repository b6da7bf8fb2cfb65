//! From a pulled cable to the webhook, and what watching costs in calm: measured in the lab, on real agents.
//!
//! `cargo bench --bench cut_to_webhook` builds a fabric of network namespaces (root, snmpd, lldpd, nftables), polls it every
//! second, pulls cables one after the other, and prints
//!
//! - the whole way: carrier lost to request received, which contains the agents' own delay;
//! - our part of it: the trap's or poll's arrival to the request sent, by Selvedge's own histogram;
//! - CPU and memory over a calm minute.
//!
//! Peers on the same cut (Prometheus 2.42, snmp_exporter, Alertmanager): 43.9 to 46.9 s with their stock intervals, 1.9 to
//! 3.0 s with every interval at one second.

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::time::{Duration, Instant};

use lab::{Lab, wait_for};

const CABLES: [(&str, &str); 4] = [("leaf1", "spine1"), ("leaf2", "spine2"), ("leaf1", "spine2"), ("leaf2", "spine1")];
const ROUNDS: usize = 6;
const CALM: Duration = Duration::from_secs(60);

fn main() {
    // `cargo test --benches` runs this too, to see that it builds; measuring takes minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let selvedge = lab.selvedge(&lab.config(4, "[detect.flapping]\nenabled = false\n"));
    wait_for("all cables are known", Duration::from_secs(60), || {
        let links = lab.get("/api/links").ok()?;
        let up = links.as_array()?.iter().filter(|link| link["state"] == "up").count();
        (up == 6).then_some(())
    });

    let (cpu_before, _) = selvedge.cost();
    let started = Instant::now();
    std::thread::sleep(CALM);
    let (cpu, resident) = selvedge.cost();
    println!(
        "calm, 4 switches of 18 interfaces polled every second: {:.2} % of one core (goal 1 %), {:.1} MiB (goal 50 MiB)",
        100.0 * (cpu - cpu_before) / started.elapsed().as_secs_f64(),
        resident as f64 / f64::from(1 << 20),
    );

    let mut ways = Vec::new();
    for (a, b) in CABLES.into_iter().cycle().take(CABLES.len() * ROUNDS) {
        let from = receiver.heard().len();
        let cut = Instant::now();
        lab.run(&format!("cut {a} {b}"));
        let heard = receiver.wait(from, "LinkDown", "firing", Duration::from_secs(30));
        ways.push(heard.at.duration_since(cut).as_secs_f64());
        receiver.wait(from, "RedundancyDegraded", "firing", Duration::from_secs(30));
        let from = receiver.heard().len();
        lab.run(&format!("mend {a} {b}"));
        receiver.wait(from, "LinkDown", "resolved", Duration::from_secs(30));
        receiver.wait(from, "RedundancyDegraded", "resolved", Duration::from_secs(30));
        // Let the agents come to rest; then cut at any phase of the 3 s for which snmpd answers from its cache, since most of
        // the way is that.
        std::thread::sleep(Duration::from_secs(3) + Duration::from_millis(rand::random_range(0..3_000)));
    }
    ways.sort_by(f64::total_cmp);
    let at = |share: f64| ways[((ways.len() - 1) as f64 * share).round() as usize];
    println!(
        "cut to webhook received, {} cuts: median {:.3} s, p90 {:.3} s, worst {:.3} s (peers: 1.9 to 3.0 s tuned, 44 to 47 s stock)",
        ways.len(),
        at(0.5),
        at(0.9),
        at(1.0),
    );
    let metrics = lab.get_text("/metrics").unwrap_or_default();
    for line in metrics.lines().filter(|line| line.starts_with("selvedge_alert_latency_seconds{")) {
        println!("event reached us to request sent: {line}");
    }
    selvedge.stop();
}
