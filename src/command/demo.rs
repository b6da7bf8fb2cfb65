//! `selvedge demo`: a simulated fabric, watched in the same process, while things go wrong.
//!
//! Nothing is staged beyond the fabric itself: its switches are polled by SNMP, send traps, and a receiver on loopback
//! gets the webhooks that on-call would get. What it gets is printed.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::post;
use axum::{Json, Router};
use clap::Args as ClapArgs;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::run::{Signals, with_runtime};
use crate::collect::{HostSettings, Target, TrapSettings};
use crate::config::Settings;
use crate::deliver::{ReceiverKind, ReceiverSettings};
use crate::fabric::{Labels, Secret};
use crate::history;
use crate::run::Selvedge;
use crate::simulate::{Fabric, Place, Plan, Simulation};
use crate::snmp::Credentials;
use crate::{detect, web};

/// Notifications that may wait to be printed; who sends more waits.
const PRINTED: usize = 256;
/// How long the fabric may take to be known before the story begins all the same.
const DISCOVERY: Duration = Duration::from_secs(15);

/// Options of `selvedge demo`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where the page is served
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9750")]
    listen: SocketAddr,
    /// The first simulated agent's address; the next has the address after it
    #[arg(long, default_value = "127.0.3.1")]
    address: Ipv4Addr,
    /// The port of all simulated agents
    #[arg(long, default_value_t = 1161)]
    port: u16,
    /// Tell the story once and end, instead of again and again until Ctrl-C
    #[arg(long)]
    once: bool,
}

/// One thing that happens: when, counted from the start of the story, what is said, and what is done.
struct Scene {
    at_s: u64,
    says: &'static str,
    deed: Deed,
}

enum Deed {
    Surge(&'static str, f64),
    Burst(&'static str, &'static str, f64),
    Corrupt(&'static str, &'static str, f64),
    Cut(&'static str, &'static str),
    Mend(&'static str, &'static str),
    Nothing,
}

const STORY: [Scene; 9] = [
    Scene { at_s: 0, says: "all is well: every leaf has two ways up", deed: Deed::Nothing },
    Scene {
        at_s: 4,
        says: "a backup starts on leaf1: its hosts send three times as much as before",
        deed: Deed::Surge("leaf1", 3.4),
    },
    Scene { at_s: 22, says: "the backup is over", deed: Deed::Surge("leaf1", 1.0) },
    Scene { at_s: 26, says: "somebody pulls the cable between leaf2 and spine1", deed: Deed::Cut("leaf2", "spine1") },
    Scene {
        at_s: 34,
        says: "bursts overflow spine2's port to leaf3, though its mean is calm",
        deed: Deed::Burst("spine2", "leaf3", 0.02),
    },
    Scene {
        at_s: 42,
        says: "the cable between leaf4 and spine1 goes bad: one frame in 500 is damaged",
        deed: Deed::Corrupt("leaf4", "spine1", 0.002),
    },
    Scene { at_s: 50, says: "the cable is put back", deed: Deed::Mend("leaf2", "spine1") },
    Scene { at_s: 54, says: "the bursts are over", deed: Deed::Burst("spine2", "leaf3", 0.0) },
    Scene { at_s: 56, says: "the bad cable is replaced", deed: Deed::Corrupt("leaf4", "spine1", 0.0) },
];
/// The story begins again after this: by then its alerts are resolved.
const STORY_LENGTH: Duration = Duration::from_secs(100);

/// Run the demo.
pub fn run(args: Args) -> ExitCode {
    with_runtime("warn", demo(args))
}

async fn demo(args: Args) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (heard, notifications) = mpsc::channel(PRINTED);
    let receiver = receive(heard).await.map_err(|error| format!("cannot receive webhooks on loopback: {error}"))?;
    // A port for the traps that is free now; both ends of the demo must know it before either starts.
    let traps = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .map_err(|error| format!("cannot receive traps on loopback: {error}"))?;
    let place = Place { address: args.address, port: args.port, community: Secret::new("public") };
    let fabric = Fabric::new(Plan::default());
    let simulation = Simulation::start(fabric, &place, Some(traps)).await.map_err(|error| error.to_string())?;
    let data = Scratch::new().map_err(|error| format!("cannot make a temporary folder: {error}"))?;

    let selvedge = Selvedge::start(settings(&args, &simulation, receiver, traps, &data))
        .await
        .map_err(|error| error.to_string())?;
    say("", &format!("a leaf-spine fabric of {} simulated switches, watched live", simulation.addresses().len()));
    say("", &format!("the page: http://{}/", selvedge.page()));
    let printing = tokio::spawn(print(notifications));
    tokio::select! {
        () = tell(&args, &simulation, &selvedge) => {}
        _ = signals.next() => {}
    }
    selvedge.stop().await;
    printing.abort();
    Ok(())
}

/// Wait until the fabric is known, then let things happen.
async fn tell(args: &Args, simulation: &Simulation, selvedge: &Selvedge) {
    let started = Instant::now();
    loop {
        let links = selvedge.views().drawing().links.len();
        let progress = selvedge.progress();
        if (progress.answered == progress.targets && links > 0) || started.elapsed() > DISCOVERY {
            say(
                "",
                &format!(
                    "{} devices and {links} links found in {:.1} s",
                    progress.answered,
                    started.elapsed().as_secs_f64()
                ),
            );
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    loop {
        let begun = Instant::now();
        for scene in &STORY {
            tokio::time::sleep_until((begun + Duration::from_secs(scene.at_s)).into()).await;
            say("--", scene.says);
            happen(&scene.deed, simulation).await;
        }
        tokio::time::sleep_until((begun + STORY_LENGTH).into()).await;
        if args.once {
            return;
        }
        say("--", "and once more; Ctrl-C ends it");
    }
}

async fn happen(deed: &Deed, simulation: &Simulation) {
    match *deed {
        Deed::Surge(leaf, factor) => simulation.alter(move |fabric| fabric.surge(leaf, factor)).await,
        Deed::Burst(node, peer, share) => simulation.alter(move |fabric| fabric.burst(node, peer, share)).await,
        Deed::Corrupt(one, other, share) => {
            simulation
                .alter(move |fabric| {
                    if let Some(cable) = fabric.cable(one, other) {
                        fabric.corrupt(cable, share);
                    }
                })
                .await;
        }
        Deed::Cut(one, other) => simulation.set_carrier(one, other, false).await,
        Deed::Mend(one, other) => simulation.set_carrier(one, other, true).await,
        Deed::Nothing => {}
    }
}

/// The settings that a configuration file would give, with durations short enough for a demonstration.
fn settings(args: &Args, simulation: &Simulation, receiver: SocketAddr, traps: SocketAddr, data: &Scratch) -> Settings {
    let credentials = Arc::new(Credentials::Community(Secret::new("public")));
    let role = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let targets = simulation.addresses().iter().map(|agent| Target {
        address: agent.address.to_string(),
        credentials: Arc::clone(&credentials),
        auth: "demo".into(),
        labels: Labels::from([("role".into(), role(&agent.name))]),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        retries: 1,
    });
    let brief = Duration::from_secs(3);
    let mut detect = detect::Settings::default();
    (detect.saturation.pending_for, detect.saturation.keep_firing_for) = (brief, brief);
    detect.drops.keep_firing_for = brief;
    Settings {
        web: web::Settings { listen: args.listen, ..web::Settings::default() },
        history: history::Settings { path: data.0.clone(), ..history::Settings::default() },
        targets: targets.collect(),
        traps: Some(TrapSettings { listen: traps }),
        host: HostSettings { enabled: false, ..HostSettings::default() },
        detect,
        receivers: vec![ReceiverSettings::new(
            "demo",
            ReceiverKind::Webhook { url: Secret::new(format!("http://{receiver}/")), hmac: None },
        )],
        ..Settings::default()
    }
}

/// A receiver of webhooks on loopback that hands on what it gets.
async fn receive(heard: mpsc::Sender<Value>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let take = move |Json(body): Json<Value>| {
        let heard = heard.clone();
        async move {
            // Gone only when the demo ends.
            let _ = heard.send(body).await;
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    Ok(address)
}

async fn print(mut notifications: mpsc::Receiver<Value>) {
    while let Some(body) = notifications.recv().await {
        for alert in body["alerts"].as_array().into_iter().flatten() {
            let text = |part: &str, name: &str| alert[part][name].as_str().unwrap_or_default().to_owned();
            let resolved = alert["status"] == "resolved";
            let name = text("labels", "alertname");
            if resolved {
                let place = ["link", "interface", "group", "device"].map(|label| text("labels", label));
                let [link, interface, group, device] = &place;
                let port = format!("{device}:{interface}");
                let place = match (link.is_empty(), interface.is_empty(), group.is_empty()) {
                    (false, _, _) => link,
                    (_, false, _) => &port,
                    (_, _, false) => group,
                    _ => device,
                };
                say("OK", &format!("{name} resolved: {place}"));
            } else {
                let mark = if text("labels", "severity") == "critical" { "!!" } else { " !" };
                say(mark, &format!("{name}: {}", text("annotations", "summary")));
                say("", &format!("   {}", text("annotations", "cause")));
            }
        }
    }
}

/// A line of the demo, with the time.
fn say(mark: &str, text: &str) {
    use anstyle::{AnsiColor, Style};
    let style = match mark {
        "!!" => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        " !" => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        "OK" => Style::new().fg_color(Some(AnsiColor::Green.into())),
        "--" => Style::new().bold(),
        _ => Style::new(),
    };
    let now = crate::collect::clock::now().to_string();
    let time = now.get(11..19).unwrap_or_default();
    let mut out = anstream::stdout().lock();
    // A closed pipe ends nothing: the page goes on.
    let _ = writeln!(out, "{time} {style}{mark:>2} {text}{style:#}");
}

/// A folder that is gone with the demo.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path =
            std::env::temp_dir().join(format!("selvedge-demo-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
