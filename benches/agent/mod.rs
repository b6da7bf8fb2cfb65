//! Many switches in a process of their own, for benches: so that what is measured is the poller alone.
//!
//! Each has 48 ports with ten counters: octets, unicast and multicast packets both ways, discards and errors both ways.

#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use selvedge::collect::sys::mmsg::{self, BATCH, Inbox, Outbox};
use selvedge::fabric::{Secret, Timestamp};
use selvedge::simulate::{Device, Fleet, FleetPlan};
use selvedge::snmp::agent::DEFAULT_MESSAGE_SIZE;
use selvedge::snmp::{
    Access, Agent, AuthProtocol, Credentials, LocalEngine, ObjectTree, Oid, OidRef, PrivProtocol, User, Value, VarBind,
};

/// Ports of each device.
pub const PORTS: u32 = 48;
/// Counters of each port.
pub const COUNTERS: u64 = 10;
/// The first device's address; the others follow it.
pub const FIRST: Ipv4Addr = Ipv4Addr::new(127, 20, 0, 1);

/// The address of a device.
pub fn address(number: u32, port: u16) -> SocketAddr {
    (Ipv4Addr::from(u32::from(FIRST) + number), port).into()
}

/// What the agents let in: a community, or a user with SHA-256 and AES-128.
pub fn credentials(v3: bool) -> Credentials {
    if !v3 {
        return Credentials::Community(Secret::new("public"));
    }
    Credentials::User(User {
        name: "bench".into(),
        auth: Some((AuthProtocol::Sha256, Secret::new("authpass123"))),
        privacy: Some((PrivProtocol::Aes128, Secret::new("privpass123"))),
        context: String::new(),
    })
}

/// The agents' process; it ends with this.
pub struct Agents {
    child: Child,
    /// Where they all listen.
    pub port: u16,
}

impl Agents {
    /// Start this very program anew, as agents.
    pub fn start(devices: u32, v3: bool) -> Self {
        let program = std::env::current_exe().expect("this program");
        let version = if v3 { "3" } else { "2c" };
        let mut child = Command::new(program)
            .args(["agents", &devices.to_string(), version])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the agents");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the agents' port");
        Self { child, port: line.trim().parse().expect("the agents' port") }
    }

    /// CPU seconds that they used.
    pub fn cpu_s(&self) -> f64 {
        cpu_s(self.child.id())
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of a process: of all its threads, also of those that ended.
pub fn cpu_s(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// CPU seconds of this process' threads with this name.
pub fn threads_cpu_s(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named =
        tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
    let nanos = named.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// Be the agents, if that is what this process was started for.
pub fn be_agents() -> bool {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, devices, version, ..] = &words[..] else { return false };
    if role != "agents" {
        return false;
    }
    // They end with whoever started them.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0; 1]);
        std::process::exit(0);
    });
    serve(devices.parse().expect("how many"), version == "3");
    true
}

fn serve(devices: u32, v3: bool) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("bind");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
    mmsg::prepare(socket.as_fd(), false, false).expect("prepare");
    println!("{}", socket.local_addr().expect("address").port());
    std::io::stdout().flush().expect("tell");
    let plan = FleetPlan { devices, ports: PORTS, ..FleetPlan::default() };
    let fleet = Fleet::new(plan).expect("build");
    let access = Access::new(&credentials(v3)).expect("keys");
    let engine = LocalEngine { id: LocalEngine::id_from_random(7), boots: 1, started: Timestamp::default() };
    let mut agent = Agent::new(access, engine, DEFAULT_MESSAGE_SIZE, 7);
    let (mut inbox, mut outbox) = (Inbox::new(BATCH, 4_096 + 64), Outbox::new(BATCH, BATCH * 2_048, false));
    let mut out = Vec::new();
    let started = Instant::now();
    loop {
        if inbox.receive(socket.as_fd()).is_err() {
            continue;
        }
        let now = Timestamp::default() + started.elapsed();
        inbox.each(|request| {
            let Some(IpAddr::V4(ip)) = request.to else { return };
            let Some(number) = u32::from(ip).checked_sub(u32::from(FIRST)) else { return };
            let device = Ten(fleet.device(number, started.elapsed()));
            let _ = agent.answer(now, request.bytes, &device, &mut out);
            let _ = out.is_empty() || outbox.push(request.from, request.to, &out);
        });
        outbox.flush(socket.as_fd());
    }
}

/// A device that counts ten things.
struct Ten<'a>(Device<'a>);

/// What it does not have: broadcasts, ifInUnknownProtos, EtherLike-MIB. The name of each, and the one behind it.
static HIDDEN: [(Oid, Oid); 6] = [
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 2, 2, 1, 15]), Oid::literal(&[1, 3, 6, 1, 2, 1, 2, 2, 1, 15, u32::MAX])),
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 10, 7]), Oid::literal(&[1, 3, 6, 1, 2, 1, 10, 7, u32::MAX])),
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 3]), Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 3, u32::MAX])),
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 5]), Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 5, u32::MAX])),
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 9]), Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 9, u32::MAX])),
    (Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 13]), Oid::literal(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 13, u32::MAX])),
];

fn hidden(name: OidRef<'_>) -> Option<&'static Oid> {
    HIDDEN.iter().find(|(object, _)| name.strip_prefix(object.as_ref()).is_some()).map(|(_, behind)| behind)
}

impl ObjectTree for Ten<'_> {
    fn get(&self, name: OidRef<'_>) -> Value<'_> {
        if hidden(name).is_some() { Value::NoSuchObject } else { self.0.get(name) }
    }

    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>> {
        self.next_in_run(name, &mut 0)
    }

    fn next_in_run(&self, name: OidRef<'_>, place: &mut usize) -> Option<VarBind<'_>> {
        let mut found = self.0.next_in_run(name, place)?;
        while let Some(behind) = hidden(found.name) {
            found = self.0.next_in_run(behind.as_ref(), place)?;
        }
        Some(found)
    }
}
