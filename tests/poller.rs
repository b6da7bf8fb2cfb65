//! The poller and the trap listener against net-snmp's snmpd, on loopback.
//!
//! Where snmpd is not installed the tests say that they were left out; where `CI` is set that is a failure.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use selvedge::collect::snmp::{NameChange, Poke, Poller, Who};
use selvedge::collect::traps::TrapListener;
use selvedge::collect::{SampleSink, Target, TrapSettings, clock};
use selvedge::fabric::{
    Counter, CounterWidth, DeviceId, Labels, Medium, OperStatus, Reading, Sample, Secret, UnreachableReason,
};
use selvedge::snmp::{AuthProtocol, Credentials, LocalEngine, PrivProtocol, User};
use tokio::sync::mpsc;

fn installed(program: &str) -> bool {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {program} is not installed");
        eprintln!("LEFT OUT: {program} is not installed (Debian packages snmpd and snmp)");
    }
    found
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A real agent; stopped when it is dropped.
struct Snmpd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Snmpd {
    fn start(port: u16, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Self::spawn(port, name, &folder);
        Self { child, port, folder }
    }

    fn spawn(port: u16, name: &str, folder: &tempfile::TempDir) -> Child {
        let configuration = format!(
            "rocommunity public\nsysName {name}\nagentaddress udp:127.0.0.1:{port}\n\
             createUser watcher SHA authpass123 AES privpass123\nrouser watcher authpriv\n"
        );
        std::fs::write(folder.path().join("snmpd.conf"), configuration).unwrap();
        let child = Command::new("snmpd")
            .args(["-f", "-Ln", "-C", "-I", "-smux", "-c"])
            .arg(folder.path().join("snmpd.conf"))
            .env("SNMP_PERSISTENT_DIR", folder.path().join("persistent"))
            .env("PATH", "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            assert!(Instant::now() < deadline, "snmpd does not listen on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn restart(&mut self, name: &str) {
        self.kill();
        self.child = Self::spawn(self.port, name, &self.folder);
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn community(text: &str) -> Arc<Credentials> {
    Arc::new(Credentials::Community(Secret::new(text)))
}

fn user(auth: &str, privacy: &str) -> Arc<Credentials> {
    Arc::new(Credentials::User(User {
        name: "watcher".into(),
        auth: Some((AuthProtocol::Sha1, Secret::new(auth))),
        privacy: Some((PrivProtocol::Aes128, Secret::new(privacy))),
        context: String::new(),
    }))
}

/// A user that the agent knows and lets see nothing without encryption.
fn authenticated_only() -> Arc<Credentials> {
    Arc::new(Credentials::User(User {
        name: "watcher".into(),
        auth: Some((AuthProtocol::Sha1, Secret::new("authpass123"))),
        privacy: None,
        context: String::new(),
    }))
}

fn target(address: &str, credentials: Arc<Credentials>) -> Target {
    Target {
        address: address.into(),
        credentials,
        auth: "test".into(),
        labels: Labels::new(),
        interval: Duration::from_millis(500),
        timeout: Duration::from_millis(300),
        retries: 1,
    }
}

/// A poller and everything that it says.
struct Watch {
    poller: Arc<Poller>,
    sink: SampleSink,
    samples: mpsc::UnboundedReceiver<Sample>,
    names: mpsc::UnboundedReceiver<NameChange>,
}

impl Watch {
    async fn start(targets: Vec<Target>) -> Self {
        Self::start_knowing(HashMap::new(), targets).await
    }

    async fn start_knowing(known: HashMap<String, DeviceId>, targets: Vec<Target>) -> Self {
        let (to_samples, samples) = mpsc::unbounded_channel();
        let (to_names, names) = mpsc::unbounded_channel();
        let sink: SampleSink = Arc::new(move |sample| _ = to_samples.send(sample));
        let poller = Poller::start(known, sink.clone(), Arc::new(move |change| _ = to_names.send(change))).unwrap();
        poller.reconfigure(targets).await;
        Self { poller: Arc::new(poller), sink, samples, names }
    }

    /// The next sample for which `wanted` gives something, within so many seconds.
    async fn wait<T>(&mut self, seconds: u64, what: &str, mut wanted: impl FnMut(&Sample) -> Option<T>) -> T {
        let mut passed = Vec::new();
        let found = tokio::time::timeout(Duration::from_secs(seconds), async {
            loop {
                let sample = self.samples.recv().await.expect("the poller lives");
                if let Some(found) = wanted(&sample) {
                    return found;
                }
                passed.push(format!("{}: {}", sample.device, kind(&sample.reading)));
            }
        })
        .await;
        found.unwrap_or_else(|_| {
            let counters: Vec<_> = self.poller.stats().counters().filter(|(_, count)| *count > 0).collect();
            panic!("no {what} within {seconds} s, but {passed:?}; {counters:?}")
        })
    }
}

fn kind(reading: &Reading) -> String {
    match reading {
        Reading::Identity(identity) => format!("identity of {}", identity.sys_name),
        Reading::Inventory(interfaces) => format!("inventory of {}", interfaces.len()),
        Reading::Poll(rows) => format!("poll of {}", rows.len()),
        Reading::Neighbors(rows) => format!("neighbors {}", rows.len()),
        other => format!("{other:?}"),
    }
}

fn poll_of(name: &str) -> impl Fn(&Sample) -> Option<selvedge::fabric::InterfacePoll> + '_ {
    move |sample| match &sample.reading {
        Reading::Poll(rows) => rows.iter().find(|row| &*row.if_name == name).cloned(),
        _ => None,
    }
}

fn unreachable(sample: &Sample) -> Option<(DeviceId, UnreachableReason)> {
    match sample.reading {
        Reading::Unreachable(reason) => Some((sample.device.clone(), reason)),
        _ => None,
    }
}

#[tokio::test]
async fn a_device_is_learned_and_polled() {
    if !installed("snmpd") {
        return;
    }
    let agent = Snmpd::start(free_port(), "switch-one");
    for credentials in [community("public"), user("authpass123", "privpass123")] {
        let mut watch = Watch::start(vec![target(&agent.address(), credentials)]).await;

        let first = watch.wait(10, "first reading", |sample| Some(sample.clone())).await;
        let Reading::Identity(identity) = &first.reading else { panic!("first came {}", kind(&first.reading)) };
        assert_eq!(identity.sys_name, "switch-one");
        assert_eq!(identity.address, Some(agent.address().parse().unwrap()));
        assert!(identity.sys_object_id.starts_with("1.3.6.1.4.1.8072."), "{}", identity.sys_object_id);
        assert_eq!(first.device, DeviceId::from("switch-one"));
        assert!(first.device_uptime.is_none(), "what is told again later would turn the device's clock back");

        let (mut polled, mut managed) = (false, None);
        let inventory = watch
            .wait(10, "inventory", |sample| match &sample.reading {
                Reading::Inventory(inventory) => Some(inventory.clone()),
                Reading::Identity(identity) => {
                    managed = identity.management_interface.clone();
                    None
                }
                Reading::Poll(_) => {
                    polled = true;
                    None
                }
                _ => None,
            })
            .await;
        assert!(!polled, "a poll before the inventory");
        let lo = inventory.iter().find(|info| &*info.if_name == "lo").expect("loopback");
        assert_eq!((lo.if_index, lo.if_type), (1, 24));

        let poll = watch.wait(10, "poll", poll_of("lo")).await;
        assert_eq!(poll.oper_status, OperStatus::Up);
        assert!(poll.counters.get(Counter::InOctets).is_some_and(|octets| octets > 0));
        assert_eq!(poll.counters.width(Counter::InOctets), CounterWidth::Bits64);
        assert!(poll.counters.get(Counter::OutDiscards).is_some());
        assert_eq!(poll.counters.get(Counter::FcsErrors), None, "snmpd has no EtherLike-MIB");

        // The address we poll is loopback's: told as soon as the inventory is known.
        assert_eq!(managed.as_deref(), Some("lo"));

        let (one, two) = (
            watch.wait(10, "poll", |sample| poll_of("lo")(sample).map(|_| sample.clone())).await,
            watch.wait(10, "poll", |sample| poll_of("lo")(sample).map(|_| sample.clone())).await,
        );
        let (ours, theirs) =
            (two.taken_at.since(one.taken_at), two.device_uptime.unwrap().wrapping_since(one.device_uptime.unwrap()));
        assert!(ours.abs_diff(theirs) < Duration::from_millis(100), "{ours:?} {theirs:?}");
        let progress = watch.poller.progress();
        assert_eq!((progress.targets, progress.answered, progress.failed), (1, 1, 0));
        let named = watch.names.recv().await.unwrap();
        assert_eq!(named, NameChange::Named { address: agent.address(), device: "switch-one".into() });
    }
}

#[tokio::test]
async fn what_does_not_answer_says_why() {
    if !installed("snmpd") {
        return;
    }
    let agent = Snmpd::start(free_port(), "switch-two");
    let dead = format!("127.0.0.1:{}", free_port());
    for (address, credentials, reason) in [
        (agent.address(), community("wrong"), UnreachableReason::Timeout),
        (agent.address(), user("wrong-pass", "privpass123"), UnreachableReason::Authentication),
        (agent.address(), authenticated_only(), UnreachableReason::Authentication),
        (dead, community("public"), UnreachableReason::Refused),
        ("no-such-host.invalid:161".into(), community("public"), UnreachableReason::NameResolution),
    ] {
        let mut watch = Watch::start(vec![target(&address, credentials)]).await;
        let told = watch.wait(15, "word of failure", unreachable).await;
        let name = address.strip_suffix(":161").unwrap_or(&address);
        assert_eq!(told, (DeviceId::from(name), reason));
        assert_eq!(watch.poller.progress().failed, 1);
        assert!(watch.names.try_recv().is_err(), "a name was decided without an answer");
    }
}

#[tokio::test]
async fn a_device_that_comes_back_is_noticed_and_keeps_its_name() {
    if !installed("snmpd") {
        return;
    }
    let mut agent = Snmpd::start(free_port(), "switch-three");
    let mut watch = Watch::start(vec![target(&agent.address(), community("public"))]).await;
    watch.wait(10, "poll", poll_of("lo")).await;

    agent.kill();
    let told = watch.wait(10, "word of failure", unreachable).await;
    assert_eq!(told.0, DeviceId::from("switch-three"));
    // Long enough for its retries to be as rare as they get.
    tokio::time::sleep(Duration::from_secs(8)).await;

    agent.restart("renamed");
    let back = Instant::now();
    let sample = watch.wait(10, "poll", |sample| poll_of("lo")(sample).map(|_| sample.clone())).await;
    assert_eq!(sample.device, DeviceId::from("switch-three"), "decided once, kept");
    assert!(back.elapsed() < Duration::from_secs(7), "noticed after {:?}", back.elapsed());
    let name = watch
        .wait(10, "its new name", |sample| match &sample.reading {
            Reading::Identity(identity) if identity.sys_name == "renamed" => Some(sample.device.clone()),
            _ => None,
        })
        .await;
    assert_eq!(name, DeviceId::from("switch-three"));
}

#[tokio::test]
async fn a_name_that_was_not_known_takes_the_place_of_the_address() {
    if !installed("snmpd") {
        return;
    }
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut watch = Watch::start(vec![target(&address, community("public"))]).await;
    assert_eq!(watch.wait(10, "word of failure", unreachable).await.0, DeviceId::from(&address));
    let _agent = Snmpd::start(port, "late-riser");
    let retired = watch
        .wait(15, "the address as a name to go", |sample| match &sample.reading {
            Reading::Retired => Some(sample.device.clone()),
            Reading::Identity(_) => panic!("a new name before the old one is gone"),
            _ => None,
        })
        .await;
    assert_eq!(retired, DeviceId::from(&address));
    let named = watch.wait(5, "identity", |sample| Some(sample.device.clone())).await;
    assert_eq!(named, DeviceId::from("late-riser"));
}

#[tokio::test]
async fn two_devices_of_one_name_are_two() {
    if !installed("snmpd") {
        return;
    }
    let agents = [Snmpd::start(free_port(), "twin"), Snmpd::start(free_port(), "twin")];
    let targets = agents.iter().map(|agent| target(&agent.address(), community("public"))).collect();
    let mut watch = Watch::start(targets).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let NameChange::Named { address, device } = watch.names.recv().await.unwrap() else { panic!() };
        names.push((address, device));
    }
    assert_eq!(names[0].1, DeviceId::from("twin"));
    assert_eq!(names[1].1, DeviceId::from(&names[1].0), "the second is called by its address");
    // After a restart that asks them in the other order, each has the name it had.
    let known: HashMap<_, _> = names.iter().cloned().collect();
    let targets = agents.iter().rev().map(|agent| target(&agent.address(), community("public"))).collect();
    let mut again = Watch::start_knowing(known.clone(), targets).await;
    for _ in 0..2 {
        let (address, device) = again
            .wait(10, "identity", |sample| match &sample.reading {
                Reading::Identity(identity) => Some((identity.address.unwrap().to_string(), sample.device.clone())),
                _ => None,
            })
            .await;
        assert_eq!(known[&address], device);
    }
    watch.poller.poke(&Who::Device("twin".into()), Poke::All);
}

#[tokio::test]
async fn a_reload_touches_only_what_changed() {
    if !installed("snmpd") {
        return;
    }
    let agents = [Snmpd::start(free_port(), "stays"), Snmpd::start(free_port(), "goes")];
    let targets: Vec<Target> = agents.iter().map(|agent| target(&agent.address(), community("public"))).collect();
    let mut watch = Watch::start(targets.clone()).await;
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 2 {
        seen.insert(watch.wait(10, "poll", |sample| poll_of("lo")(sample).map(|_| sample.device.clone())).await);
    }
    // The one that stays has other labels and is polled less often.
    let mut stays = targets[0].clone();
    stays.labels.insert("role".into(), "spine".into());
    stays.interval = Duration::from_secs(30);
    watch.poller.reconfigure(vec![stays]).await;

    let (mut retired, mut relabelled) = (false, false);
    while !(retired && relabelled) {
        watch
            .wait(5, "retirement and labels", |sample| {
                assert!(!(retired && sample.device == DeviceId::from("goes")), "a reading after its retirement");
                match &sample.reading {
                    Reading::Retired => {
                        assert_eq!(sample.device, DeviceId::from("goes"));
                        retired = true;
                        Some(())
                    }
                    Reading::Identity(identity) if identity.labels.contains_key("role") => {
                        assert_eq!(sample.device, DeviceId::from("stays"));
                        relabelled = true;
                        Some(())
                    }
                    Reading::Inventory(_) if sample.device == DeviceId::from("stays") => panic!("it was learned anew"),
                    _ => None,
                }
            })
            .await;
    }
    assert_eq!(watch.poller.progress().targets, 1);
    while watch.samples.try_recv().is_ok() {}
    tokio::time::sleep(Duration::from_secs(2)).await;
    // (Some answers of one poll may come one by one.)
    let polls =
        std::iter::from_fn(|| watch.samples.try_recv().ok()).filter_map(|sample| poll_of("lo")(&sample)).count();
    assert!(polls <= 1, "{polls} polls within 2 s of an interval of 30 s");
}

#[tokio::test]
async fn dead_devices_cost_the_others_nothing() {
    if !installed("snmpd") {
        return;
    }
    let agent = Snmpd::start(free_port(), "alive");
    // Sockets that swallow everything: nothing refuses, nothing answers.
    let holes: Vec<UdpSocket> = (0..200).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let mut targets: Vec<Target> = holes
        .iter()
        .map(|hole| Target {
            timeout: Duration::from_secs(2),
            ..target(&hole.local_addr().unwrap().to_string(), community("x"))
        })
        .collect();
    targets.push(target(&agent.address(), community("public")));
    let mut watch = Watch::start(targets).await;
    watch.wait(10, "poll", poll_of("lo")).await;
    let begun = Instant::now();
    for _ in 0..6 {
        watch.wait(5, "poll", poll_of("lo")).await;
    }
    let took = begun.elapsed();
    assert!((2_400..3_600).contains(&took.as_millis()), "6 polls of 500 ms took {took:?}");
    let skipped = watch.poller.stats().counters().find(|(name, _)| *name == "polls_skipped").unwrap().1;
    assert_eq!(skipped, 0);
}

async fn with_traps(credentials: Arc<Credentials>, agent: &Snmpd) -> (Watch, TrapListener) {
    let slow = Target { interval: Duration::from_secs(60), ..target(&agent.address(), credentials) };
    let mut watch = Watch::start(vec![slow]).await;
    // It is polled, and its walks are over too; which of the two comes first is nobody's business.
    let (mut polled, mut walked) = (false, false);
    let both = |sample: &Sample| {
        polled |= poll_of("lo")(sample).is_some();
        walked |= matches!(sample.reading, Reading::Neighbors(_));
        (polled && walked).then_some(())
    };
    watch.wait(10, "poll and neighbours", both).await;
    let engine = LocalEngine { id: Box::new([0x80, 0, 0xff, 0xff, 5, 1, 2, 3]), boots: 1, started: clock::now() };
    let settings = TrapSettings { listen: "127.0.0.1:0".parse().unwrap() };
    let traps = TrapListener::start(&settings, engine, watch.poller.clone(), watch.sink.clone()).unwrap();
    (watch, traps)
}

fn send(program: &str, how: &[&str], to: &TrapListener, objects: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    Command::new(program)
        .args(how)
        .arg(to.address().to_string())
        .args(objects)
        .env("SNMP_PERSISTENT_DIR", folder.path())
        .env("SNMPCONFPATH", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

const LINK_DOWN: &[&str] = &["", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.1", "i", "1"];
const V2C: &[&str] = &["-v2c", "-c", "public"];
const V3: &[&str] =
    &["-v3", "-u", "watcher", "-l", "authPriv", "-a", "SHA", "-A", "authpass123", "-x", "AES", "-X", "privpass123"];

fn counted(traps: &TrapListener, name: &str) -> u64 {
    traps.stats().counters().find(|(counter, _)| *counter == name).unwrap().1
}

#[tokio::test]
async fn a_trap_is_an_event_at_once_and_confirmed_by_polls() {
    if !installed("snmpd") || !installed("snmptrap") {
        return;
    }
    let agent = Snmpd::start(free_port(), "trapper");
    let (mut watch, traps) = with_traps(community("public"), &agent).await;
    assert!(send("snmptrap", V2C, &traps, LINK_DOWN));
    let event = watch
        .wait(2, "event", |sample| match &sample.reading {
            Reading::Event { if_name, oper_status, medium } => {
                Some((sample.device.clone(), if_name.to_string(), *oper_status, *medium))
            }
            _ => None,
        })
        .await;
    assert_eq!(event, ("trapper".into(), "lo".into(), OperStatus::Down, Medium::Trap));
    // At once, and when no cache can be older than the event.
    let told = Instant::now();
    watch.wait(2, "first confirmation", poll_of("lo")).await;
    watch.wait(8, "second confirmation", poll_of("lo")).await;
    assert!(told.elapsed() > Duration::from_secs(5), "{:?}", told.elapsed());

    assert!(send("snmptrap", V2C, &traps, &["", "1.0.8802.1.1.2.0.0.1"]));
    watch.wait(3, "neighbours", |sample| matches!(sample.reading, Reading::Neighbors(_)).then_some(())).await;
    assert!(send("snmptrap", V2C, &traps, &["", "1.3.6.1.6.3.1.1.5.1"]));
    watch.wait(3, "inventory", |sample| matches!(sample.reading, Reading::Inventory(_)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn informs_are_acknowledged_in_both_versions() {
    if !installed("snmpd") || !installed("snmpinform") {
        return;
    }
    let agent = Snmpd::start(free_port(), "informer");
    for (how, credentials) in [(V2C, community("public")), (V3, user("authpass123", "privpass123"))] {
        let (mut watch, traps) = with_traps(credentials, &agent).await;
        // snmpinform waits for the acknowledgement: let our side run meanwhile.
        let sent = tokio::task::block_in_place(|| send("snmpinform", how, &traps, LINK_DOWN));
        assert!(sent, "the inform was not acknowledged; {:?}", traps.stats());
        watch.wait(2, "event", |sample| matches!(sample.reading, Reading::Event { .. }).then_some(())).await;
        assert_eq!(counted(&traps, "informs"), 1);
    }
}

#[tokio::test]
async fn what_is_not_from_a_device_of_ours_is_counted_and_dropped() {
    if !installed("snmpd") || !installed("snmptrap") {
        return;
    }
    let agent = Snmpd::start(free_port(), "guarded");
    let (mut watch, traps) = with_traps(community("public"), &agent).await;
    assert!(send("snmptrap", &["-v2c", "-c", "guess"], &traps, LINK_DOWN));
    // From an address of loopback that no target has.
    let stranger = UdpSocket::bind("127.0.0.99:0").unwrap();
    stranger.send_to(b"\x30\x03\x02\x01\x01", traps.address()).unwrap();
    let neighbor = UdpSocket::bind("127.0.0.1:0").unwrap();
    for garbage in [&b""[..], b"\x30", b"\x30\xb3", b"\xff\xff\xff\xff", &[0x30; 1_400]] {
        neighbor.send_to(garbage, traps.address()).unwrap();
    }
    // Many at once are a few looks, and no more events than the rate allows.
    for _ in 0..300 {
        neighbor.send_to(b"\x30\x00", traps.address()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(counted(&traps, "received"), 307);
    assert_eq!(counted(&traps, "refused"), 1);
    assert_eq!(counted(&traps, "unknown_sources"), 1);
    assert!(counted(&traps, "undecodable") >= 90, "{:?}", traps.stats());
    assert!(counted(&traps, "limited") >= 150, "{:?}", traps.stats());
    while let Ok(sample) = watch.samples.try_recv() {
        assert!(!matches!(sample.reading, Reading::Event { .. }), "a forged event was believed");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // (Some answers of one poll may come one by one.)
    let polls =
        std::iter::from_fn(|| watch.samples.try_recv().ok()).filter_map(|sample| poll_of("lo")(&sample)).count();
    assert!(polls <= 4, "a storm of traps made {polls} polls");
}
