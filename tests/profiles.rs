//! Profiles from the device to the alert: simulated switches that count drops by queue and by access list, polled by the real
//! poller, told by the real detectors; and `selvedge poll` against the same.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use selvedge::alert::Alert;
use selvedge::config;
use selvedge::fabric::{Direction, DropClass, FindingKind, Secret};
use selvedge::run::Selvedge;
use selvedge::simulate::{Fabric, Place, Plan, Simulation, Vendor};
use serde_json::Value;

/// A UDP port that is free on all loopback addresses now.
fn free_port() -> u16 {
    std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

async fn simulated(first: Ipv4Addr) -> Simulation {
    let plan = Plan { spines: 1, leaves: 2, hosts: 1, vendor: Some(Vendor::Arista), ..Plan::default() };
    let place = Place { address: first, port: free_port(), community: Secret::new("public") };
    Simulation::start(Fabric::new(plan), &place, None).await.expect("agents on loopback")
}

fn get(page: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(page).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
}

async fn wait_for<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drops_are_told_with_the_class_that_the_profile_gives_them() {
    let simulation = simulated(Ipv4Addr::new(127, 0, 91, 1)).await;
    let house = tempfile::tempdir().unwrap();
    let file = house.path().join("selvedge.toml");
    let mut text = "[web]\nlisten = \"127.0.0.1:0\"\n[history]\npath = \"data\"\n[host]\nenabled = false\n[snmp]\ninterval = \"1s\"\n\
                    [snmp.auth.lab]\nversion = \"2c\"\ncommunity = \"public\"\n"
        .to_owned();
    for agent in simulation.addresses() {
        text += &format!("[[snmp.target]]\naddress = \"{}\"\nauth = \"lab\"\n", agent.address);
    }
    std::fs::write(&file, text).unwrap();
    let settings = config::load(Some(&file)).unwrap_or_else(|errors| panic!("{errors}")).settings;
    let selvedge = Selvedge::start(settings).await.expect("it starts");
    simulation
        .alter(|fabric| {
            fabric.burst("spine1", "leaf1", 0.05);
            fabric.deny("leaf2", "spine1", 0.2);
        })
        .await;

    let alert = |kind: FindingKind, subject: &'static str| {
        let views = selvedge.views().clone();
        move || {
            let of = |alert: &&Alert| alert.key().kind == kind && alert.key().subject.to_string() == subject;
            views.alerts().iter().find(of).cloned()
        }
    };
    let congestion = wait_for("queue drops of spine1", alert(FindingKind::DropsCongestion, "spine1:Ethernet1")).await;
    assert_eq!(congestion.key().direction, Some(Direction::Out));
    assert_eq!(congestion.finding.class, Some(DropClass::Congestion));
    assert!(
        congestion.finding.evidence.evidence.starts_with("dropsCongestionOut "),
        "{:?}",
        congestion.finding.evidence
    );
    let policy = wait_for("what leaf2's access list drops", alert(FindingKind::DropsPolicy, "leaf2:Ethernet1")).await;
    assert_eq!(policy.key().direction, Some(Direction::In));
    assert_eq!(policy.finding.class, Some(DropClass::Policy));
    // The same packets are in ifInDiscards, and are not told as congestion as well.
    let twice = alert(FindingKind::DropsCongestion, "leaf2:Ethernet1")();
    assert!(twice.is_none(), "{twice:?}");

    let page = selvedge.page();
    let metrics = get(page, "/metrics");
    for wanted in ["class=\"policy\",direction=\"in\"", "class=\"congestion\",direction=\"out\""] {
        let line = metrics.lines().find(|line| {
            line.starts_with("selvedge_interface_dropped_packets_total{")
                && line.contains(wanted)
                && !line.ends_with(" 0")
        });
        assert!(line.is_some(), "{wanted} in {metrics:.2000}");
    }
    let interfaces: Value = serde_json::from_str(&get(page, "/api/interfaces")).unwrap();
    let port = interfaces
        .as_array()
        .unwrap()
        .iter()
        .find(|port| port["device"] == "leaf2" && port["interface"] == "Ethernet1");
    let port = port.unwrap();
    assert!(port["counters"]["dropsPolicyIn"].as_u64() > Some(0), "{port}");
    assert!(port["unknown"].get("dropsNoRouteIn").is_none(), "what a vendor does not count is no news: {port}");
    selvedge.stop().await;
}

fn poll(arguments: &[&str]) -> (bool, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["poll", "--community", "public", "--timeout", "2"])
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (run.status.success(), text(run.stdout), text(run.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_the_profile_and_single_values() {
    let simulation = simulated(Ipv4Addr::new(127, 0, 92, 1)).await;
    simulation.alter(|fabric| fabric.deny("spine1", "leaf1", 0.5)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let address = simulation.addresses()[0].address.to_string();
    let looks = tokio::task::spawn_blocking(move || {
        [
            poll(&[&address, "--explain", "--format", "json"]),
            poll(&[&address, "--explain"]),
            poll(&[&address, "--get", "sysName.0", "1.3.6.1.2.1.31.1.1.1.1.1", "--format", "json"]),
            poll(&[&address, "--walk", "ARISTA-QUEUE-MIB::aristaEgressQueuePktsDropped"]),
            poll(&[&address, "--walk", "1.3.6.1.2.1", "--limit", "5", "--format", "json"]),
            poll(&[&address, "--get", "ifName.99"]),
            poll(&[&address, "--get", "NO-MIB::thing.0"]),
        ]
    });
    let [json, human, got, walked, limited, missing, unknown] = looks.await.unwrap();

    let report: Value = serde_json::from_str(&json.1).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    assert_eq!(report["profile"]["name"], "arista");
    assert_eq!(report["profile"]["why"], "sysObjectID begins with 1.3.6.1.4.1.30065");
    let objects = report["profile"]["objects"].as_array().unwrap();
    let present: Vec<&str> = objects
        .iter()
        .filter(|object| object["present"] == true)
        .map(|object| object["object"].as_str().unwrap())
        .collect();
    assert_eq!(present, ["ARISTA-QUEUE-MIB::aristaEgressQueuePktsDropped", "ARISTA-IF-MIB::aristaIfInAclDrops"]);
    let counters = &report["interfaces"][0]["drops"];
    assert!(counters["dropsPolicyIn"].as_u64() > Some(0) && counters["dropsCongestionOut"].is_u64(), "{counters}");
    assert!(human.1.contains("arista (built in)") && human.1.contains("drops by class"), "{}", human.1);

    assert_eq!(
        serde_json::from_str::<Value>(&got.1).unwrap(),
        serde_json::json!([
            { "oid": "1.3.6.1.2.1.1.5.0", "name": "sysName.0", "type": "OCTET STRING", "value": "spine1" },
            { "oid": "1.3.6.1.2.1.31.1.1.1.1.1", "name": "ifName.1", "type": "OCTET STRING", "value": "Ethernet1" },
        ])
    );
    assert_eq!(walked.1.lines().count(), 8, "four queues of two ports: {}", walked.1);
    assert!(walked.1.starts_with("ARISTA-QUEUE-MIB::aristaEgressQueuePktsDropped.1.0.1 = Counter64: "), "{}", walked.1);
    let five: Value = serde_json::from_str(&limited.1).unwrap();
    assert_eq!((limited.0, five.as_array().map(Vec::len)), (false, Some(5)));
    assert!(limited.2.contains("there is more"), "{}", limited.2);
    assert!(!missing.0 && missing.2.contains("no such instance"), "{}", missing.2);
    assert!(!unknown.0 && unknown.2.contains("no MIB module"), "{}", unknown.2);
}
