//! The whole path on a real fabric: real agents, real cables that are cut, a real receiver that is told.
//!
//! What these tests measure they print; nothing is asserted about time beyond what a person would wait for.

mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::{Lab, Receiver, Selvedge, wait_for};
use serde_json::Value;

/// The links that the page would show as up: `leaf1:spine1 - spine1:leaf1`.
fn links_up(lab: &Lab) -> BTreeSet<String> {
    let links = lab.get("/api/links").unwrap_or(Value::Null);
    let links = links.as_array().cloned().unwrap_or_default();
    links.iter().filter(|link| link["state"] == "up").map(|link| link["id"].as_str().unwrap().to_owned()).collect()
}

fn devices_ok(lab: &Lab) -> BTreeSet<String> {
    let devices = lab.get("/api/devices").unwrap_or(Value::Null);
    let devices = devices.as_array().cloned().unwrap_or_default();
    devices.iter().filter(|d| d["state"] == "ok").map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

const CABLES: [&str; 6] = [
    "h1-1:leaf1 - leaf1:h1-1",
    "h2-1:leaf2 - leaf2:h2-1",
    "leaf1:spine1 - spine1:leaf1",
    "leaf1:spine2 - spine2:leaf1",
    "leaf2:spine1 - spine1:leaf2",
    "leaf2:spine2 - spine2:leaf2",
];

/// Start Selvedge on a fresh lab and wait until it knows the whole fabric.
fn discovered(lab: &Lab, config: &str) -> Selvedge {
    let started = Instant::now();
    let selvedge = lab.selvedge(config);
    let expected: BTreeSet<String> = CABLES.iter().map(|&id| id.to_owned()).collect();
    wait_for("all six cables are known and up", Duration::from_secs(30), || (links_up(lab) == expected).then_some(()));
    wait_for("all four switches answer", Duration::from_secs(10), || (devices_ok(lab).len() == 4).then_some(()));
    println!("4 switches and 6 cables found in {:.1} s", started.elapsed().as_secs_f64());
    selvedge
}

/// What was told since `from`, as `alertname status`, sorted.
fn told(receiver: &Receiver, from: usize) -> Vec<String> {
    let mut told: Vec<String> =
        receiver.heard().iter().skip(from).map(|h| format!("{} {}", h.label("alertname"), h.status)).collect();
    told.sort();
    told
}

#[test]
fn a_cut_cable_is_one_link_alert_one_of_redundancy_and_one_of_what_is_left_and_mending_resolves_all() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let selvedge = discovered(&lab, &lab.config(4, ""));

    lab.run("cut leaf1 spine1");
    let cut = Instant::now();
    let down = receiver.wait(0, "LinkDown", "firing", Duration::from_secs(10));
    let degraded = receiver.wait(0, "RedundancyDegraded", "firing", Duration::from_secs(10));
    println!("cut to webhook: {:.3} s", down.at.duration_since(cut).as_secs_f64());
    assert_eq!(down.label("link"), "leaf1:spine1 - spine1:leaf1");
    assert_eq!(down.label("severity"), "critical");
    assert!(degraded.annotations["summary"].as_str().unwrap().contains("leaf1"), "{degraded:?}");
    // What is left is named, and since when it is all that is left.
    let single = receiver.wait(0, "SinglePointOfFailure", "firing", Duration::from_secs(15));
    assert_eq!((single.label("device"), single.label("severity")), ("spine2", "critical"));
    let summary = single.annotations["summary"].as_str().unwrap();
    let words =
        "spine2 is the only way from leaf1 to the rest of the fabric since leaf1:spine1 - spine1:leaf1 failed at ";
    assert!(summary.starts_with(words), "{summary}");
    let audit = lab.get("/api/audit").unwrap();
    assert_eq!(audit["points"][0]["because"], serde_json::json!(["leaf1:spine1 - spine1:leaf1"]));
    assert_eq!(
        audit["ways"][0],
        serde_json::json!({ "name": "leaf1", "to": "the rest of the fabric", "by_links": 1, "by_devices": 1 })
    );
    let without = lab.get("/api/audit?without=spine2").unwrap();
    assert_eq!(without["what_if"]["cut_off"][0]["name"], "leaf1");
    // Both ends' traps, the neighbours that vanish and several polls come after it: none is a second alert.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(told(&receiver, 0), ["LinkDown firing", "RedundancyDegraded firing", "SinglePointOfFailure firing"]);

    let before = receiver.heard().len();
    lab.run("mend leaf1 spine1");
    receiver.wait(before, "LinkDown", "resolved", Duration::from_secs(20));
    receiver.wait(before, "RedundancyDegraded", "resolved", Duration::from_secs(20));
    receiver.wait(before, "SinglePointOfFailure", "resolved", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(2));
    let resolved = ["LinkDown resolved", "RedundancyDegraded resolved", "SinglePointOfFailure resolved"];
    assert_eq!(told(&receiver, before), resolved);
    assert_eq!(lab.get("/api/audit").unwrap()["findings"], 0);
    selvedge.stop();
}

#[test]
fn a_calm_fabric_is_quiet_and_costs_little() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let selvedge = discovered(&lab, &lab.config(4, ""));
    let (cpu_before, _) = selvedge.cost();
    let started = Instant::now();
    std::thread::sleep(Duration::from_secs(120));
    let (cpu, resident) = selvedge.cost();
    println!(
        "idle, 4 switches polled every second: {:.2} % of one core, {:.1} MiB resident (this build: {})",
        100.0 * (cpu - cpu_before) / started.elapsed().as_secs_f64(),
        resident as f64 / f64::from(1 << 20),
        if cfg!(debug_assertions) { "debug" } else { "release" },
    );
    assert_eq!(told(&receiver, 0), [""; 0], "{:#?}", receiver.heard());
    selvedge.stop();
}

#[test]
fn a_shaped_port_under_load_is_saturated() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let mut overrides = String::from("[detect.saturation]\nfor = \"3s\"\n");
    for spine in ["spine1", "spine2"] {
        lab.run(&format!("shape leaf1 {spine} 50mbit"));
        overrides += &format!("[[interface]]\ndevice = \"leaf1\"\nname = \"{spine}\"\nspeed = \"50M\"\n");
    }
    let selvedge = discovered(&lab, &lab.config(4, &overrides));
    let mut server =
        lab.command_on("h2-1", "iperf3").args(["-s", "-1"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut client = lab
        .command_on("h1-1", "iperf3")
        .args(["-c", "10.77.2.6", "-t", "40", "-P", "16"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let saturated = receiver.wait(0, "Saturation", "firing", Duration::from_secs(40));
    assert_eq!(saturated.label("device"), "leaf1", "the sending end is told, once: {saturated:?}");
    assert_eq!(saturated.label("direction"), "out");
    println!("saturation: {}", saturated.annotations["evidence"]);
    let _ = client.kill();
    let _ = client.wait();
    let _ = server.kill();
    let _ = server.wait();
    receiver.wait(0, "Saturation", "resolved", Duration::from_secs(60));
    assert!(!told(&receiver, 0).iter().any(|t| t.starts_with("LinkDown")), "{:?}", told(&receiver, 0));
    selvedge.stop();
}

#[test]
fn neither_a_killed_selvedge_nor_a_dead_receiver_loses_or_repeats_an_alert() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let config = lab.config(4, "");
    let selvedge = discovered(&lab, &config);

    // The receiver is down when the cable is cut, and Selvedge is killed before it is back.
    receiver.refuse(true);
    lab.run("cut leaf2 spine2");
    wait_for("the alert fires", Duration::from_secs(10), || {
        let alerts = lab.get("/api/alerts").ok()?;
        let firing = alerts.as_array()?.iter().filter(|alert| alert["state"] == "firing").count();
        (firing == 2).then_some(())
    });
    selvedge.kill();
    assert!(receiver.heard().is_empty());
    receiver.refuse(false);
    let selvedge = lab.selvedge(&config);
    receiver.wait(0, "LinkDown", "firing", Duration::from_secs(20));
    receiver.wait(0, "RedundancyDegraded", "firing", Duration::from_secs(20));
    receiver.wait(0, "SinglePointOfFailure", "firing", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(5));
    let fired = ["LinkDown firing", "RedundancyDegraded firing", "SinglePointOfFailure firing"];
    assert_eq!(told(&receiver, 0), fired, "{:#?}", receiver.heard());

    // Killed again with nothing owed: nothing is repeated, though the trouble still stands.
    selvedge.kill();
    let selvedge = lab.selvedge(&config);
    wait_for("all switches answer again", Duration::from_secs(20), || (devices_ok(&lab).len() == 4).then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(receiver.heard().len(), 3, "{:#?}", receiver.heard());

    // Killed while the cable is mended: the resolution is still told, once.
    selvedge.kill();
    lab.run("mend leaf2 spine2");
    let selvedge = lab.selvedge(&config);
    for name in ["LinkDown", "RedundancyDegraded", "SinglePointOfFailure"] {
        receiver.wait(3, name, "resolved", Duration::from_secs(40));
    }
    std::thread::sleep(Duration::from_secs(2));
    let resolved = ["LinkDown resolved", "RedundancyDegraded resolved", "SinglePointOfFailure resolved"];
    assert_eq!(told(&receiver, 3), resolved);
    selvedge.stop();
}

#[test]
fn targets_come_and_go_while_the_others_keep_their_state() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let selvedge = discovered(&lab, &lab.config(4, ""));
    let answered_since = |device: &str| {
        let devices = lab.get("/api/devices").unwrap();
        devices.as_array().unwrap().iter().find(|d| d["name"] == device).map(|d| d["since"].clone())
    };
    let since = answered_since("leaf1");

    // Without the last target; taken up from the file alone, with no signal.
    std::fs::write(lab.scratch.path().join("selvedge.toml"), lab.config(3, "")).unwrap();
    wait_for("leaf2 is gone", Duration::from_secs(10), || answered_since("leaf2").is_none().then_some(()));
    assert_eq!(answered_since("leaf1"), since);

    // Found by a targets file of Prometheus' kind, and lost with it.
    let with_files = lab.config(3, "[[snmp.targets_from]]\nfile = \"targets/*.json\"\nauth = \"core\"\n");
    std::fs::write(lab.scratch.path().join("selvedge.toml"), with_files).unwrap();
    let folder = lab.scratch.path().join("targets");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("rack1.json"), r#"[{"targets": ["10.99.0.4"], "labels": {"rack": "1"}}]"#).unwrap();
    wait_for("leaf2 is back", Duration::from_secs(20), || answered_since("leaf2"));
    assert_eq!(answered_since("leaf1"), since);
    std::fs::remove_file(folder.join("rack1.json")).unwrap();
    wait_for("leaf2 is gone again", Duration::from_secs(10), || answered_since("leaf2").is_none().then_some(()));

    // A file with a mistake changes nothing and is told.
    std::fs::write(lab.scratch.path().join("selvedge.toml"), "[snmp\n").unwrap();
    selvedge.signal(rustix::process::Signal::HUP);
    wait_for("the mistake is told", Duration::from_secs(10), || {
        selvedge.log().contains("selvedge.toml:1").then_some(())
    });
    assert_eq!(devices_ok(&lab).len(), 3);

    std::fs::write(lab.scratch.path().join("selvedge.toml"), lab.config(4, "")).unwrap();
    selvedge.signal(rustix::process::Signal::HUP);
    wait_for("leaf2 is back", Duration::from_secs(20), || (devices_ok(&lab).len() == 4).then_some(()));
    assert_eq!(answered_since("leaf1"), since);
    selvedge.stop();
}

#[test]
fn a_dead_device_and_garbage_traps_are_counted_and_harm_nobody() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let selvedge = discovered(&lab, &lab.config(4, ""));

    lab.within(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for garbage in [&b"\x30\xb3"[..], b"", b"\x30\x84\xff\xff\xff\xff", &[0x30; 1400]] {
            socket.send_to(garbage, "127.0.0.1:162").unwrap();
        }
    });
    lab.run("kill spine2");
    let unreachable = receiver.wait(0, "DeviceUnreachable", "firing", Duration::from_secs(30));
    assert_eq!(unreachable.label("device"), "spine2");
    // Its links pass packets still: no link is said to be down, and the others are polled as before.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(told(&receiver, 0), ["DeviceUnreachable firing"]);
    assert_eq!(devices_ok(&lab).len(), 3);
    lab.run("revive spine2");
    receiver.wait(0, "DeviceUnreachable", "resolved", Duration::from_secs(30));
    let metrics = lab.get_text("/metrics").unwrap();
    println!("{}", metrics.lines().filter(|line| line.starts_with("selvedge_trap")).collect::<Vec<_>>().join("\n"));

    // Dead again, and taken off the list while Selvedge is down: what was told of it is over, nobody will speak of it.
    let before = receiver.heard().len();
    lab.run("kill spine2");
    receiver.wait(before, "DeviceUnreachable", "firing", Duration::from_secs(30));
    selvedge.kill();
    let target = "[[snmp.target]]\naddress = \"10.99.0.2\"\nauth = \"lab\"\n";
    let config = lab.config(4, "");
    assert!(config.contains(target));
    let selvedge = lab.selvedge(&config.replace(target, ""));
    receiver.wait(before, "DeviceUnreachable", "resolved", Duration::from_secs(20));
    selvedge.stop();
}

#[test]
fn a_port_of_this_host_is_told_by_the_kernel_at_once() {
    let Some(lab) = Lab::up(1, 1, 0) else { return };
    let receiver = lab.receiver();
    let ip = |arguments: &str| {
        let status = lab.command_on("mgmt", "ip").args(arguments.split_whitespace()).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    };
    ip("link add up0 type veth peer name up1");
    ip("link set up0 up");
    ip("link set up1 up");
    // Ten cuts in a row are flapping, which is damped: here each is to be told.
    let config = lab.config(0, "[detect.flapping]\nenabled = false\n");
    let config = config.replace("[host]\nenabled = false", "[host]\nenabled = true");
    let selvedge = lab.selvedge(&config);
    let is_up = |name: &str| {
        let interfaces = lab.get("/api/interfaces").ok()?;
        interfaces.as_array()?.iter().find(|i| i["interface"] == name).filter(|i| i["ifOperStatus"] == "up").map(|_| ())
    };
    wait_for("the port is seen up", Duration::from_secs(15), || is_up("up0"));

    // Polls come once a second; only the kernel's notice is faster.
    let mut ways = Vec::new();
    for _ in 0..10 {
        let from = receiver.heard().len();
        let cut = Instant::now();
        ip("link set up1 down");
        let down = receiver.wait(from, "LinkDown", "firing", Duration::from_secs(10));
        ways.push(down.at.duration_since(cut).as_secs_f64() * 1e3);
        assert_eq!((down.label("interface"), down.label("severity")), ("up0", "warning"));
        ip("link set up1 up");
        receiver.wait(from, "LinkDown", "resolved", Duration::from_secs(10));
    }
    ways.sort_by(f64::total_cmp);
    println!("a cut at this host to the webhook, 10 cuts: median {:.0} ms, worst {:.0} ms", ways[5], ways[9]);
    assert!(!told(&receiver, 0).iter().any(|told| !told.starts_with("LinkDown")), "{:?}", told(&receiver, 0));
    selvedge.stop();
}

#[test]
fn a_dead_device_is_one_page_and_a_silence_is_kept_over_a_kill() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    let receiver = lab.receiver();
    let config = lab.config(4, "");
    let selvedge = discovered(&lab, &config);

    // Dead: its agent is silent and all of its cables carry nothing, as its neighbours say.
    lab.run("kill spine2");
    lab.run("cut leaf1 spine2");
    lab.run("cut leaf2 spine2");
    let page = receiver.wait(0, "DeviceUnreachable", "firing", Duration::from_secs(60));
    assert_eq!(page.label("device"), "spine2");
    let alerts = wait_for("all that it explains is attached to it", Duration::from_secs(20), || {
        let alerts = lab.get("/api/alerts").ok()?;
        let explained = alerts.as_array()?.iter().filter(|alert| alert["quiet"] == "explained").count();
        // Two links, two doublings, and that spine1 is all that is left.
        (explained == 5).then_some(alerts)
    });
    assert_eq!(told(&receiver, 0), ["DeviceUnreachable firing"], "{alerts:#}");

    // Silenced by the command, and killed: the end of the cause is told, what still stands is not.
    let run = |arguments: &[&str]| {
        let output =
            lab.command_on("mgmt", env!("CARGO_BIN_EXE_selvedge")).arg("silence").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let id = run(&["add", "device=~leaf*", "--for", "1h", "--comment", "known", "--author", "ada"]);
    assert!(run(&["list"]).contains(&id));
    selvedge.kill();
    let selvedge = lab.selvedge(&config);
    lab.run("revive spine2");
    receiver.wait(1, "DeviceUnreachable", "resolved", Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!(told(&receiver, 1), ["DeviceUnreachable resolved"]);
    run(&["end", &id]);
    receiver.wait(2, "LinkDown", "firing", Duration::from_secs(20));
    selvedge.stop();
}
