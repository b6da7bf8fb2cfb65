//! Silent loss and a black hole on real cables between real agents: found, measured, and told of no other cable.

mod lab;

use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::{Lab, wait_for};
use serde_json::Value;

const CABLE: &str = "leaf1 spine1";
const LOSSY: &str = "leaf1:spine1 - spine1:leaf1";
const CLEAN: &str = "leaf2:spine1 - spine1:leaf2";

/// What `/api/links` says of a direction.
fn loss_of(lab: &Lab, id: &str, way: &str) -> Option<Value> {
    let links = lab.get("/api/links").ok()?;
    let link = links.as_array()?.iter().find(|link| link["id"] == id)?.clone();
    Some(link["loss_ratio"][way].clone()).filter(|loss| !loss.is_null())
}

/// Frames that the cable swallowed so far, both ways together.
fn swallowed(lab: &Lab) -> f64 {
    let count = |line: &str| line.split_whitespace().nth(1).and_then(|count| count.parse().ok()).unwrap_or(0.0);
    lab.run(&format!("lost {CABLE}")).lines().map(count).sum()
}

/// UDP from h1-1 to h2-1, 10,000 packets a second.
fn load(lab: &Lab, seconds: u32) {
    let quiet = |node: &str, arguments: &str| {
        let mut command = lab.command_on(node, "iperf3");
        command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let mut server = quiet("h2-1", "-s -1").spawn().expect("iperf3 runs");
    std::thread::sleep(Duration::from_millis(500));
    let done = quiet("h1-1", &format!("-c 10.77.2.6 -u -b 28M -l 700 -P 2 -t {seconds}")).status();
    let _ = server.kill();
    let _ = server.wait();
    assert!(done.is_ok_and(|status| status.success()));
}

#[test]
fn one_frame_in_a_thousand_that_vanishes_is_found_and_a_black_hole_too_and_clean_cables_are_quiet() {
    let Some(lab) = Lab::up(1, 2, 1) else { return };
    let receiver = lab.receiver();
    let on = "[detect.silent_loss]\nenabled = true\n[detect.black_hole]\nenabled = true\n";
    let selvedge = lab.selvedge(&lab.config(3, on));
    for id in [LOSSY, CLEAN] {
        wait_for("both ends are compared", Duration::from_secs(60), || loss_of(&lab, id, "a_to_b"));
    }
    // net-snmp's cache is known by then, so that a pause is one after some seconds.
    std::thread::sleep(Duration::from_secs(20));
    lab.run(&format!("lossy {CABLE} 1"));
    load(&lab, 12);
    let lost = receiver.wait(0, "SilentLoss", "firing", Duration::from_secs(60));
    assert_eq!((lost.label("link"), lost.label("direction")), (LOSSY, "out"), "{lost:?}");
    let close = |loss: &Value| loss["high"].as_f64().is_some_and(|high| high < 4e-3);
    let loss = wait_for("the measure is close", Duration::from_secs(20), || {
        loss_of(&lab, LOSSY, "a_to_b").filter(|loss| close(loss))
    });
    println!("{}; {} swallowed; {loss}", lost.annotations["evidence"], swallowed(&lab));
    let (low, high) = (loss["low"].as_f64().unwrap(), loss["high"].as_f64().unwrap());
    let (sent, truth) = (loss["sent"].as_f64().unwrap(), swallowed(&lab));
    // A few of the swallowed may be hellos before or after, or have gone the other way.
    assert!(low * sent <= truth && truth <= high * sent + 10.0, "{truth} of {sent} is not in {low} to {high}");
    assert!(receiver.heard().iter().all(|heard| heard.label("link") == LOSSY), "{:#?}", receiver.heard());

    lab.run(&format!("clean {CABLE}"));
    let from = receiver.heard().len();
    // Some hundred datagrams a second, to nobody who would miss them.
    let mut datagrams = lab
        .command_on("h1-1", "timeout")
        .args(["60", "bash", "-c", "exec 3>/dev/udp/10.77.2.6/9; while :; do echo >&3; sleep 0.01; done"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(5));
    lab.run("blackhole leaf2 spine1");
    let began = Instant::now();
    let hole = receiver.wait(from, "BlackHole", "firing", Duration::from_secs(30));
    println!("black hole told after {:.1} s: {}", began.elapsed().as_secs_f64(), hole.annotations["evidence"]);
    assert_eq!(hole.label("link"), CLEAN);
    // The cable that is idle now, since nobody answers, is no hole.
    assert!(receiver.heard().iter().all(|told| told.label("alertname") != "BlackHole" || told.label("link") == CLEAN));
    lab.run("clean leaf2 spine1");
    receiver.wait(from, "BlackHole", "resolved", Duration::from_secs(40));
    let _ = datagrams.kill();
    let _ = datagrams.wait();
    selvedge.stop();
}
