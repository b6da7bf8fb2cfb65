//! Slow tables, from the wire to the alert: a simulated fabric whose switches tell of aggregates, optics and spanning tree, or
//! speak CDP alone.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use selvedge::collect::{HostSettings, Target};
use selvedge::config::Settings;
use selvedge::fabric::{Evidence, FindingKind, GroupKind, Labels, Secret, Severity};
use selvedge::run::Selvedge;
use selvedge::simulate::{Fabric, Place, Plan, Simulation, Tables};
use selvedge::snmp::Credentials;
use selvedge::{history, web};

/// A folder that is gone with the test.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("selvedge-bundles-{:08x}", rand::random::<u32>()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two spines and two leaves, at addresses of this test's own.
async fn simulation(subnet: u8, tables: Tables) -> Simulation {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).unwrap().port();
    let place = Place { address: Ipv4Addr::new(127, 41, subnet, 1), port, community: Secret::new("public") };
    let plan = Plan { leaves: 2, hosts: 1, tables, ..Plan::default() };
    Simulation::start(Fabric::new(plan), &place, None).await.expect("the simulated fabric starts")
}

async fn watch(simulation: &Simulation, data: &Scratch) -> Selvedge {
    let credentials = Arc::new(Credentials::Community(Secret::new("public")));
    let targets = simulation.addresses().iter().map(|agent| Target {
        address: agent.address.to_string(),
        credentials: Arc::clone(&credentials),
        auth: "lab".into(),
        labels: Labels::from([("role".into(), agent.name.trim_end_matches(char::is_numeric).into())]),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        retries: 1,
    });
    let settings = Settings {
        web: web::Settings { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Default::default() },
        history: history::Settings { enabled: false, path: data.0.clone(), ..history::Settings::default() },
        targets: targets.collect(),
        host: HostSettings { enabled: false, ..HostSettings::default() },
        ..Settings::default()
    };
    Selvedge::start(settings).await.expect("it starts")
}

/// Wait until something is so.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < Duration::from_secs(40), "not seen: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is said of this trouble now, with its severity and what it is about.
fn active(selvedge: &Selvedge, kind: FindingKind) -> Vec<(String, Severity, Evidence)> {
    let alerts = selvedge.views().alerts();
    let of_kind = alerts.iter().filter(|alert| alert.is_active() && alert.key().kind == kind);
    of_kind
        .map(|alert| (alert.key().subject.to_string(), alert.finding.severity, alert.finding.evidence.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_leaves_its_aggregate_and_an_optic_that_goes_dark_are_told() {
    let tables = Tables { aggregates: true, optics: true, spanning_tree: true, cdp: false };
    let simulation = simulation(1, tables).await;
    let data = Scratch::new();
    let selvedge = watch(&simulation, &data).await;
    let groups = || selvedge.views().drawing().groups.clone();
    until("both leaves' aggregates are whole", || {
        let whole = groups().into_iter().filter(|group| group.kind == GroupKind::Lag && group.working.len() == 2);
        (whole.count() == 2).then_some(())
    })
    .await;
    until("optics are read", || (selvedge.views().drawing().sensors.len() >= 16).then_some(())).await;
    assert_eq!(active(&selvedge, FindingKind::RedundancyDegraded).len(), 0);

    simulation
        .alter(|fabric| {
            fabric.light("spine1", "leaf1", -21.0);
            fabric.block("leaf1", "spine1", true);
        })
        .await;
    // Its row is gone, its cable is fine.
    simulation.alter(|fabric| fabric.aggregate("leaf1", "spine2", false)).await;
    let (group, severity, evidence) =
        until("the aggregate is degraded", || active(&selvedge, FindingKind::RedundancyDegraded).pop()).await;
    assert_eq!((group.as_str(), severity), ("leaf1 Port-Channel1", Severity::Critical), "one is left");
    assert_eq!(evidence.summary, "leaf1 Port-Channel1 has lost 1 of 2 ports, 1 left");
    assert!(evidence.cause.starts_with("leaf1:Ethernet2 - spine2:Ethernet1: missing since "), "{}", evidence.cause);
    assert_eq!(active(&selvedge, FindingKind::LinkDown).len(), 0);
    simulation.alter(|fabric| fabric.aggregate("leaf1", "spine2", true)).await;
    until("it is whole again", || active(&selvedge, FindingKind::RedundancyDegraded).is_empty().then_some(())).await;

    // A cut cable takes the row with it, and is told by the link and by the aggregate, once each.
    simulation.set_carrier("leaf2", "spine1", false).await;
    until("the link is down", || active(&selvedge, FindingKind::LinkDown).pop()).await;
    until("and the aggregate degraded", || active(&selvedge, FindingKind::RedundancyDegraded).pop()).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let told = |kind| active(&selvedge, kind).into_iter().map(|(subject, ..)| subject).collect::<Vec<_>>();
    assert_eq!(told(FindingKind::LinkDown), ["leaf2:Ethernet1 - spine1:Ethernet2"]);
    assert_eq!(told(FindingKind::RedundancyDegraded), ["leaf2 Port-Channel1"]);

    let (port, severity, evidence) =
        until("too little light arrives", || active(&selvedge, FindingKind::OpticsOutOfRange).pop()).await;
    assert_eq!((port.as_str(), severity), ("spine1:Ethernet1", Severity::Warning));
    assert!(evidence.summary.ends_with("received power is low, -21.02 dBm"), "{}", evidence.summary);
    until("a cable stands by", || {
        let drawing = selvedge.views().drawing();
        drawing.links.iter().find(|link| link.stands_by).map(|link| link.id.to_string())
    })
    .await;
    selvedge.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fabric_that_speaks_cdp_alone_is_discovered_and_drawn() {
    let simulation = simulation(2, Tables { cdp: true, ..Tables::default() }).await;
    let data = Scratch::new();
    let seed = simulation.addresses()[2].address.to_string();
    let command = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(["discover", &seed, "--community", "public", "--format", "json"])
            .output()
            .expect("selvedge runs")
    });
    let output = command.await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut names: Vec<&str> =
        report["devices"].as_array().unwrap().iter().map(|device| device["sysName"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["leaf1", "leaf2", "spine1", "spine2"]);

    let selvedge = watch(&simulation, &data).await;
    let cables = until("four cables between two watched ends", || {
        let drawing = selvedge.views().drawing();
        let both = drawing.links.iter().filter(|link| link.a.end.watched && link.b.end.watched);
        let ids: Vec<String> = both.map(|link| link.id.to_string()).collect();
        (ids.len() == 4).then_some(ids)
    })
    .await;
    assert_eq!(cables[0], "leaf1:Ethernet1 - spine1:Ethernet1");
    selvedge.stop().await;
}
