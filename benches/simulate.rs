//! How many requests the simulated agents answer with one core, beside Debian's snmpd asked the same in the same run.
//!
//! A request is what a poller sends: GetBulk of sysUpTime.0 and ten columns, five rows each. It goes over UDP on
//! loopback; agents run on one core, whoever asks on the other. What counts is answers per second of the agent's CPU
//! time, system calls and the kernel's work in them included.
//!
//! `cargo bench --bench simulate`, or with another duration: `cargo bench --bench simulate -- SECONDS`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use selvedge::collect::sys::mmsg::{Inbox, Outbox};
use selvedge::fabric::Secret;
use selvedge::simulate::{AgentAddress, Agents, Fabric, Fleet, FleetPlan, Place, Plan, Simulation};
use selvedge::snmp::message::{PduHeader, PduKind, encode_community};
use selvedge::snmp::{Oid, Value, VarBind, Version};

/// ifTable and ifXTable: octets, unicast packets, discards and errors both ways, and the two states.
const COLUMNS: [&str; 10] = [
    "1.3.6.1.2.1.31.1.1.1.6",
    "1.3.6.1.2.1.31.1.1.1.10",
    "1.3.6.1.2.1.31.1.1.1.7",
    "1.3.6.1.2.1.31.1.1.1.11",
    "1.3.6.1.2.1.2.2.1.13",
    "1.3.6.1.2.1.2.2.1.19",
    "1.3.6.1.2.1.2.2.1.14",
    "1.3.6.1.2.1.2.2.1.20",
    "1.3.6.1.2.1.2.2.1.7",
    "1.3.6.1.2.1.2.2.1.8",
];
const ROWS: i32 = 5;
/// Requests that are on their way at any time.
const IN_FLIGHT: usize = 512;

fn main() {
    // `cargo test --benches` runs this too, to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let seconds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(3);
    let span = Duration::from_secs(seconds);
    println!("GetBulk of sysUpTime.0 and {} columns x {ROWS}, {IN_FLIGHT} in flight, {seconds} s each", COLUMNS.len());
    let snmpd = snmpd(span);
    for (what, devices) in [("one switch of 48 ports", 1), ("100,000 switches of 48 ports", 100_000)] {
        let served = serve(move |place| async move {
            let fleet = Fleet::new(FleetPlan { devices, ..FleetPlan::default() }).expect("names");
            let agents = Agents::serve_fleet(Arc::new(fleet), &place).await.expect("loopback is free");
            let addresses = agents.addresses().to_vec();
            (addresses, Box::new(agents) as Box<dyn Send>)
        });
        measure(what, &served, span, snmpd);
    }
    let served = serve(|place| async move {
        let fabric = Fabric::new(Plan { leaves: 1, hosts: 46, ..Plan::default() });
        let simulation = Simulation::start(fabric, &place, None).await.expect("loopback is free");
        let leaf = simulation.addresses().last().expect("a leaf").clone();
        (vec![leaf], Box::new(simulation) as Box<dyn Send>)
    });
    measure("a leaf of a moving fabric, 48 ports", &served, span, snmpd);
}

/// A thread that serves.
struct Served {
    agents: Vec<AgentAddress>,
    thread: i32,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

/// Serve on a thread of its own, on the first core.
fn serve<F>(start: impl FnOnce(Place) -> F + Send + 'static) -> Served
where
    F: Future<Output = (Vec<AgentAddress>, Box<dyn Send>)>,
{
    let (told, tell) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let handle = std::thread::spawn(move || {
        pin(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let place = Place { address: Ipv4Addr::new(127, 64, 0, 1), port: 0, community: Secret::new("public") };
            let (agents, _served) = start(place).await;
            told.send((agents, rustix::thread::gettid().as_raw_nonzero().get())).expect("somebody waits");
            let _ = stopped.await;
        });
    });
    let (agents, thread) = tell.recv().expect("it serves");
    Served { agents, thread, stop: Some(stop), handle: Some(handle) }
}

fn measure(what: &str, served: &Served, span: Duration, snmpd: f64) {
    let agents: Vec<SocketAddr> = served.agents.iter().map(|agent| agent.address).collect();
    let task = format!("/proc/self/task/{}", served.thread);
    let cpu = || cpu_s(&task);
    let asked = ask(&agents, 48, span, cpu);
    asked.print(what);
    println!("  {:.0} times snmpd", asked.per_core() / snmpd);
}

/// The same of snmpd, if it is there: answers per second of CPU.
fn snmpd(span: Duration) -> f64 {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let config = folder.path().join("snmpd.conf");
    std::fs::write(&config, format!("agentaddress 127.0.0.1:{port}\nrocommunity public\n")).expect("a file");
    let child = Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Lf", "/dev/null", "-I", "-smux", "-C", "-c"])
        .arg(&config)
        .arg("-p")
        .arg(folder.path().join("pid"))
        .env("SNMP_PERSISTENT_DIR", folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        println!("snmpd is not installed: no comparison");
        return f64::NAN;
    };
    let child = Killed(child);
    let _ = rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(child.0.id() as i32), &core(0));
    std::thread::sleep(Duration::from_secs(2));
    let process = format!("/proc/{}", child.0.id());
    let asked = ask(&[SocketAddr::from(([127, 0, 0, 1], port))], 1, span, || cpu_s(&process));
    asked.print("snmpd");
    asked.per_core()
}

struct Asked {
    answers: u64,
    octets: u64,
    wall_s: f64,
    cpu_s: f64,
}

impl Asked {
    fn per_core(&self) -> f64 {
        self.answers as f64 / self.cpu_s
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {:.0} answers/s per core of the agent's CPU ({:.2} us each), {:.0} answers/s came, {} octets each",
            self.per_core(),
            self.cpu_s * 1e6 / self.answers as f64,
            self.answers as f64 / self.wall_s,
            self.octets / self.answers.max(1),
        );
    }
}

/// Ask them in turn, as fast as they answer.
fn ask(agents: &[SocketAddr], ports: u32, span: Duration, cpu: impl Fn() -> f64) -> Asked {
    pin(1);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let requests: Vec<Vec<u8>> = (0..ports).step_by(ROWS as usize).map(request).collect();
    let mut inbox = Inbox::new(128, 2_048);
    let mut outbox = Outbox::new(128, 1 << 17, false);
    let mut turn = 0;
    let mut asked = Asked { answers: 0, octets: 0, wall_s: 0.0, cpu_s: 0.0 };
    let mut missing = IN_FLIGHT;
    let started = Instant::now();
    let cpu_before = cpu();
    while started.elapsed() < span {
        while missing > 0 {
            for _ in 0..missing.min(128) {
                let agent = agents[turn / requests.len() % agents.len()];
                if !outbox.push(agent, None, &requests[turn % requests.len()]) {
                    break;
                }
                turn += 1;
                missing -= 1;
            }
            outbox.flush(socket.as_fd());
        }
        match inbox.receive(socket.as_fd()) {
            // Those that were asked for are lost.
            Ok(0) | Err(_) => missing = IN_FLIGHT,
            Ok(_) => inbox.each(|answer| {
                missing += 1;
                asked.answers += 1;
                asked.octets += answer.bytes.len() as u64;
            }),
        }
    }
    asked.cpu_s = cpu() - cpu_before;
    asked.wall_s = started.elapsed().as_secs_f64();
    assert!(asked.answers > 0, "nothing was answered");
    asked
}

/// The request for the five rows after this ifIndex.
fn request(after: u32) -> Vec<u8> {
    let name = |text: &str| text.parse::<Oid>().expect("a name");
    let columns = COLUMNS.iter().map(|column| match after {
        0 => name(column),
        row => name(column).child(row).expect("a name"),
    });
    // The name before sysUpTime.0.
    let names: Vec<Oid> = std::iter::once(name("1.3.6.1.2.1.1.3")).chain(columns).collect();
    let header =
        PduHeader { kind: PduKind::GetBulk, request_id: after as i32 + 1_000_000, error_status: 1, error_index: ROWS };
    let mut out = Vec::new();
    let varbinds = names.iter().map(|name| VarBind { name: name.as_ref(), value: Value::Null });
    encode_community(Version::V2c, b"public", header, varbinds, &mut out);
    out
}

/// CPU time of a task, as `/proc` tells it.
fn cpu_s(task: &str) -> f64 {
    let text = std::fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).map_or(f64::NAN, |nanos| nanos / 1e9)
}

fn core(number: usize) -> rustix::thread::CpuSet {
    let mut set = rustix::thread::CpuSet::new();
    set.set(number);
    set
}

/// Keep to a core, where there are several.
fn pin(number: usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _ = rustix::thread::sched_setaffinity(None, &core(number % cores));
}
