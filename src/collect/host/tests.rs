//! The collector against the kernel, each test in a network namespace of its own. Needs root and iproute2.

use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::kernel::Kernel;
use super::lldpdu::tests::unit;
use super::*;
use crate::collect::sys::netns;
use crate::collect::sys::packet::PacketSocket;
use crate::fabric::{
    AdminStatus, Counter, DeviceIdentity, InterfaceInfo, InterfacePoll, Medium, Neighbor, OperStatus, Reading, Sample,
    Uptime,
};

const PATIENCE: Duration = Duration::from_secs(10);
const LLDP: u16 = 0x88cc;
const NEAREST_BRIDGE: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0x0e];

/// Run a test on a thread in a network namespace of its own, which goes when the thread ends.
fn alone(test: impl FnOnce(Lab) + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let left_out = match netns::unshare_network() {
            Err(error) => format!("no network namespace of its own: {error} (needs root)"),
            Ok(()) if Command::new("ip").arg("-V").output().is_err() => "there is no `ip` (needs iproute2)".into(),
            Ok(()) => return test(Lab::new()),
        };
        assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {left_out}");
        eprintln!("LEFT OUT: {left_out}");
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A root with files, and a way to change the namespace's interfaces.
struct Lab {
    root: tempfile::TempDir,
    asking: Socket,
}

impl Lab {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut asking = Socket::new(NETLINK_ROUTE).unwrap();
        asking.bind_auto().unwrap();
        asking.connect(&SocketAddr::new(0, 0)).unwrap();
        let lab = Self { root, asking };
        lab.file("proc/sys/kernel/hostname", "testhost\n");
        lab.file("proc/uptime", "1000.00 1.0\n");
        lab
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn ip(&self, line: &str) {
        let output = Command::new("ip").args(line.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A veth pair, both ends up.
    fn pair(&self, a: &str, b: &str) {
        self.ip(&format!("link add name {a} type veth peer name {b}"));
        self.ip(&format!("link set dev {a} up"));
        self.ip(&format!("link set dev {b} up"));
        self.passes(&[a, b]);
    }

    /// Until then the kernel drops what is sent.
    fn passes(&self, names: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        let up = |link: &super::kernel::Link| link.state == netlink_packet_route::link::State::Up;
        while Instant::now() < deadline {
            let links = Kernel::open().unwrap().links().unwrap();
            if links.iter().filter(|link| up(link) && names.contains(&&*link.name)).count() == names.len() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{names:?} do not come up");
    }

    fn index(&self, name: &str) -> u32 {
        let links = Kernel::open().unwrap().links().unwrap();
        links.iter().find(|link| link.name == name).unwrap().if_index
    }

    fn set_up(&self, if_index: u32, up: bool) {
        self.set_flag(if_index, libc::IFF_UP, up);
    }

    /// RTM_NEWLINK with a flag: what `ip link set NAME up` does, without starting a process.
    fn set_flag(&self, if_index: u32, flag: libc::c_int, on: bool) {
        let mut request = [0; 32];
        let mut header = NetlinkBuffer::new(&mut request[..]);
        header.set_length(32);
        header.set_message_type(libc::RTM_NEWLINK);
        header.set_flags(NLM_F_REQUEST | NLM_F_ACK);
        request[20..24].copy_from_slice(&if_index.to_ne_bytes());
        request[24..28].copy_from_slice(&(if on { flag } else { 0 }).to_ne_bytes());
        request[28..32].copy_from_slice(&flag.to_ne_bytes());
        self.asking.send(&request, 0).unwrap();
        let mut answer = [0; 1_024];
        self.asking.recv(&mut &mut answer[..], 0).unwrap();
    }

    fn start(&self, settings: HostSettings) -> Watched {
        let (sender, samples) = channel();
        self.start_into(settings, samples, Arc::new(move |sample| _ = sender.send((Instant::now(), sample))))
    }

    fn start_into(&self, settings: HostSettings, samples: Receiver<(Instant, Sample)>, sink: SampleSink) -> Watched {
        let clock = Arc::new(|| Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        Watched { handle: Host::start_at(self.root.path().to_owned(), settings, sink, clock), samples }
    }
}

/// A collector and what it told.
struct Watched {
    handle: Handle,
    samples: Receiver<(Instant, Sample)>,
}

impl Watched {
    /// The first sample from now on of which `pick` makes something, and when it came.
    #[track_caller]
    fn wait<T>(&self, what: &str, mut pick: impl FnMut(&Reading) -> Option<T>) -> (Instant, T) {
        let deadline = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            match self.samples.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((at, sample)) => {
                    assert_eq!(sample.device, "testhost".into());
                    assert_eq!(sample.device_uptime, None);
                    if let Some(picked) = pick(&sample.reading) {
                        return (at, picked);
                    }
                    passed.push(format!("{:?}", sample.reading).chars().take(100).collect::<String>());
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {what}; but: {passed:#?}; {:?}", self.handle.stats());
                }
            }
        }
    }

    #[track_caller]
    fn event(&self, name: &str, status: OperStatus) -> Instant {
        self.wait(&format!("event {name} {status:?}"), |reading| match reading {
            Reading::Event { if_name, oper_status, medium: Medium::Netlink } => {
                (**if_name == *name && *oper_status == status).then_some(())
            }
            _ => None,
        })
        .0
    }

    #[track_caller]
    fn identity(&self) -> Arc<DeviceIdentity> {
        self.wait("identity", |reading| match reading {
            Reading::Identity(identity) => Some(Arc::clone(identity)),
            _ => None,
        })
        .1
    }

    #[track_caller]
    fn inventory(&self, fits: impl Fn(&[Arc<InterfaceInfo>]) -> bool) -> Vec<Arc<InterfaceInfo>> {
        self.wait("inventory", |reading| match reading {
            Reading::Inventory(infos) if fits(infos) => Some(infos.clone()),
            _ => None,
        })
        .1
    }

    /// The next poll of an interface that carries counters.
    #[track_caller]
    fn poll(&self, name: &str, fits: impl Fn(&InterfacePoll) -> bool) -> InterfacePoll {
        self.wait(&format!("poll of {name}"), |reading| match reading {
            Reading::Poll(polls) => polls.iter().find(|poll| *poll.if_name == *name && fits(poll)).cloned(),
            _ => None,
        })
        .1
    }

    #[track_caller]
    fn neighbors(&self, fits: impl Fn(&[Neighbor]) -> bool) -> Vec<Neighbor> {
        self.wait("neighbours", |reading| match reading {
            Reading::Neighbors(rows) if fits(rows) => Some(rows.clone()),
            _ => None,
        })
        .1
    }

    fn drain(&self) {
        while self.samples.try_recv().is_ok() {}
    }
}

fn quickly() -> HostSettings {
    HostSettings { interval: Duration::from_millis(100), ..HostSettings::default() }
}

fn find<'a>(infos: &'a [Arc<InterfaceInfo>], name: &str) -> Option<&'a InterfaceInfo> {
    infos.iter().find(|info| *info.if_name == *name).map(|info| &**info)
}

#[test]
fn tells_who_and_what_this_machine_is() {
    alone(|lab| {
        lab.pair("a", "b");
        lab.ip("link set dev b alias uplink");
        lab.ip("addr add 10.9.0.1/24 dev a");
        lab.ip("addr add 2001:db8::9/64 dev a nodad");
        lab.file("sys/class/net/a/speed", "10000\n");
        let labels = [("rack".to_owned(), "7".to_owned())].into();
        let watched = lab.start(HostSettings { labels, ..quickly() });
        assert_eq!(watched.handle.device(), &"testhost".into());

        let identity = watched.wait("identity first", |reading| match reading {
            Reading::Identity(identity) => Some(Arc::clone(identity)),
            other => panic!("{other:?}"),
        });
        let identity = identity.1;
        let infos = watched.inventory(|_| true);
        let (a, b, lo) = (find(&infos, "a").unwrap(), find(&infos, "b").unwrap(), find(&infos, "lo").unwrap());
        assert_eq!((a.if_type, lo.if_type), (6, 24));
        assert_eq!((a.speed_bps, b.speed_bps), (Some(10_000_000_000), None));
        assert_eq!((&*b.if_alias, a.phys_address.len(), lo.phys_address.len()), ("uplink", 6, 0));
        assert_eq!(a.if_index, lab.index("a"));

        assert_eq!((&*identity.sys_name, &*identity.labels["rack"]), ("testhost", "7"));
        // The end that was made first has the lower index, and is the first port.
        let first = if a.if_index < b.if_index { a } else { b };
        assert_eq!(identity.chassis_id.as_ref().unwrap().value, first.phys_address);
        let ports: Vec<_> = identity.local_ports.iter().map(|(name, id)| (&**name, id.subtype)).collect();
        assert!(ports.contains(&("a", 3)) && ports.contains(&("b", 5)) && ports.len() == 2, "{ports:?}");
        let addresses: Vec<_> = identity.management_addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.9.0.1", "2001:db8::9"]);

        let poll = watched.poll("a", |poll| !poll.counters.is_empty());
        assert_eq!((poll.oper_status, poll.admin_status), (OperStatus::Up, AdminStatus::Up));
        assert_eq!(poll.discontinuity, Some(Uptime(0)));
        assert_eq!(watched.poll("lo", |_| true).oper_status, OperStatus::Down);
        assert_eq!(watched.handle.status(), Status { counters: Ability::Running, lldp: Ability::Running });

        // An address that goes is told.
        lab.ip("addr del 10.9.0.1/24 dev a");
        assert_eq!(watched.identity().management_addresses.len(), 1);
        watched.handle.stop();
    });
}

#[test]
fn a_cut_is_told_at_once() {
    alone(|lab| {
        lab.pair("a", "b");
        let watched = lab.start(HostSettings { interval: Duration::from_secs(3_600), ..quickly() });
        watched.poll("a", |poll| poll.oper_status.is_up());
        let b = lab.index("b");
        let mut delays = Vec::new();
        for _ in 0..50 {
            watched.drain();
            let cut = Instant::now();
            lab.set_up(b, false);
            // That it was switched off comes before that it is down.
            watched.wait("b switched off", |reading| match reading {
                Reading::Poll(polls) => (polls[0].admin_status == AdminStatus::Down).then_some(()),
                Reading::Event { if_name, .. } if **if_name == *"b" => panic!("the event came first"),
                _ => None,
            });
            delays.push(watched.event("a", OperStatus::LowerLayerDown).duration_since(cut));
            lab.set_up(b, true);
            watched.event("a", OperStatus::Up);
        }
        delays.sort_unstable();
        let (median, worst) = (delays[25], delays[49]);
        println!("cut to event: median {median:?}, worst {worst:?}");
        // The reconcile would take up to a second.
        assert!(median < Duration::from_millis(20), "{median:?}");
        let stats = watched.handle.stats();
        assert!(stats.events >= 100 && stats.notices >= 100 && stats.lost == 0, "{stats:?}");
    });
}

#[test]
fn counters_move_with_the_packets() {
    alone(|lab| {
        lab.ip("link add name a type veth peer name b");
        // Without IPv6 nothing else is sent.
        for name in ["a", "b"] {
            lab.ip(&format!("link set dev {name} addrgenmode none up"));
        }
        lab.passes(&["a", "b"]);
        let watched = lab.start(quickly());
        let before = watched.poll("b", |poll| !poll.counters.is_empty()).counters;
        let socket = PacketSocket::open(0x88b5).unwrap();
        let (a, payload) = (lab.index("a"), [7; 986]);
        for _ in 0..100 {
            socket.send(a, [2, 0, 0, 0, 0, 9], 0x88b5, &payload).unwrap();
        }
        let rise = |poll: &InterfacePoll, counter| poll.counters.get(counter).unwrap() - before.get(counter).unwrap();
        let after = watched.poll("b", |poll| {
            !poll.counters.is_empty()
                && poll.counters.get(Counter::InOctets) >= before.get(Counter::InOctets).map(|n| n + 100_000)
        });
        assert_eq!((rise(&after, Counter::InOctets), rise(&after, Counter::InUcastPkts)), (100_000, 100));
        let sent = watched.poll("a", |poll| !poll.counters.is_empty()).counters;
        assert!(sent.get(Counter::OutOctets) >= Some(100_000) && sent.get(Counter::OutUcastPkts) >= Some(100));
    });
}

#[test]
fn interfaces_come_and_go_and_change_their_names() {
    alone(|lab| {
        let watched = lab.start(HostSettings { interval: Duration::from_secs(3_600), ..quickly() });
        watched.inventory(|infos| infos.len() == 1);
        lab.file("proc/uptime", "2000.00 1.0\n");
        lab.pair("a", "b");
        watched.inventory(|infos| find(infos, "a").is_some() && find(infos, "b").is_some());
        watched.event("a", OperStatus::Up);
        lab.ip("link set dev a down");
        lab.ip("link set dev a name c");
        watched.inventory(|infos| find(infos, "a").is_none() && find(infos, "c").is_some());
        lab.ip("link set dev c up");
        watched.event("c", OperStatus::Up);

        // A bridge's word that a port left it is not that the port is gone.
        lab.ip("link add name br0 type bridge");
        lab.ip("link set dev c master br0");
        watched.inventory(|infos| find(infos, "br0").is_some_and(|info| info.if_type == 209));
        lab.ip("link set dev c nomaster");
        lab.ip("link set dev br0 alias gone-from-bridge");
        let infos = watched.inventory(|infos| find(infos, "br0").is_some_and(|info| !info.if_alias.is_empty()));
        assert!(find(&infos, "c").is_some());

        lab.ip("link del dev c");
        watched.inventory(|infos| find(infos, "b").is_none() && find(infos, "c").is_none());
        lab.file("proc/uptime", "3000.00 1.0\n");
        lab.pair("c", "b");
        let anew = watched.poll("c", |_| true);
        assert_eq!(anew.discontinuity, Some(Uptime(300_000)));
    });
}

#[test]
fn a_hundred_interfaces_and_lost_notices() {
    alone(|lab| {
        for pair in 0..50 {
            lab.pair(&format!("a{pair}"), &format!("b{pair}"));
        }
        let (gate, gated) = channel::<()>();
        let gated = std::sync::Mutex::new(gated);
        let (sender, samples) = channel();
        // The core holds us up once, as it must not, while the kernel has more to say than it can keep.
        let sink: SampleSink = Arc::new(move |sample| {
            if matches!(sample.reading, Reading::Event { .. }) {
                let _ = gated.lock().unwrap().recv();
            }
            let _ = sender.send((Instant::now(), sample));
        });
        let hourly = HostSettings { interval: Duration::from_secs(3_600), ..quickly() };
        let watched = lab.start_into(hourly, samples, sink);
        assert_eq!(watched.inventory(|_| true).len(), 101);
        watched.poll("a49", |poll| !poll.counters.is_empty() && poll.oper_status.is_up());

        let (first, last) = (lab.index("b0"), lab.index("b49"));
        lab.set_up(first, false);
        for round in 0..20_000 {
            lab.set_flag(first, libc::IFF_NOARP, round % 2 == 0);
        }
        lab.set_up(last, false);
        drop(gate);
        watched.event("a0", OperStatus::LowerLayerDown);
        watched.event("a49", OperStatus::LowerLayerDown);
        let stats = watched.handle.stats();
        assert!(stats.lost > 0 && stats.notices < 20_000, "{stats:?}");
    });
}

#[test]
fn neighbours_are_heard_and_forgotten() {
    alone(|lab| {
        lab.pair("a", "b");
        let watched = lab.start(quickly());
        watched.poll("a", |_| true);
        let socket = PacketSocket::open(0x88b5).unwrap();
        let (a, b) = (lab.index("a"), lab.index("b"));
        let send = |port: u32, payload: &[u8]| socket.send(port, NEAREST_BRIDGE, LLDP, payload).unwrap();

        send(a, &unit(b"\x02\0\0\0\0\x01", "swp1", 120, "spine1"));
        let rows = watched.neighbors(|rows| !rows.is_empty());
        assert_eq!((&*rows[0].local, &*rows[0].sys_name, rows.len()), ("b", "spine1", 1));
        assert_eq!(rows[0].port_id.value, b"swp1");

        // A port that came later is listened to as well.
        lab.pair("c", "d");
        let c = lab.index("c");
        watched.inventory(|infos| find(infos, "d").is_some());
        send(c, &unit(b"\x02\0\0\0\0\x02", "swp2", 1, "spine2"));
        watched.neighbors(|rows| rows.iter().any(|row| &*row.local == "d"));
        // Its second passed.
        watched.neighbors(|rows| rows.len() == 1);

        send(b, b"\x02\x02junk");
        send(a, &unit(b"\x02\0\0\0\0\x01", "swp1", 0, ""));
        watched.neighbors(<[Neighbor]>::is_empty);
        let stats = watched.handle.stats();
        assert_eq!((stats.lldp_units, stats.lldp_malformed), (4, 1), "{stats:?}");
    });
}

/// Ends the process with the test, however that goes.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to end it takes its own children along.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A real lldpd on one end of a pair: it is heard on the other, and calls this machine and its port what our
/// identity calls them, so that a neighbour's word on this host leads to it.
#[test]
fn agrees_with_a_real_lldpd() {
    alone(|lab| {
        if Command::new("lldpd").arg("-v").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: there is no lldpd");
            return eprintln!("LEFT OUT: there is no lldpd");
        }
        lab.pair("p0", "p1");
        let watched = lab.start(quickly());
        let identity = watched.identity();
        let socket = lab.root.path().join("lldpd.sock");
        let mut command = Command::new("lldpd");
        command.arg("-d").arg("-u").arg(&socket);
        let _lldpd = Daemon(command.stderr(std::process::Stdio::null()).spawn().unwrap());
        let rows = watched.neighbors(|rows| rows.len() == 2);
        for row in rows {
            let remote = if *row.local == *"p1" { "p0" } else { "p1" };
            assert_eq!(Some(&row.chassis_id), identity.chassis_id.as_ref());
            let port = identity.local_ports.iter().find(|(name, _)| **name == *remote).map(|(_, id)| id);
            assert_eq!(Some(&row.port_id), port);
        }
    });
}

#[test]
fn without_the_capability_the_rest_goes_on() {
    alone(|lab| {
        lab.pair("a", "b");
        netns::drop_net_raw().unwrap();
        let watched = lab.start(quickly());
        watched.poll("a", |poll| poll.oper_status.is_up() && !poll.counters.is_empty());
        let status = watched.handle.status();
        assert_eq!(status.counters, Ability::Running);
        let Ability::Unable { why } = status.lldp else { panic!("{status:?}") };
        assert!(why.contains("setcap cap_net_raw+ep"), "{why}");
    });
}

#[test]
fn is_switched_off_and_on_by_new_settings() {
    alone(|lab| {
        let off = HostSettings { enabled: false, ..quickly() };
        let watched = lab.start(off.clone());
        assert_eq!(watched.handle.status().counters, Ability::Off);
        watched.handle.reconfigure(quickly());
        watched.poll("lo", |_| true);
        watched.handle.reconfigure(HostSettings {
            lldp: false,
            labels: [("a".into(), "b".into())].into(),
            ..quickly()
        });
        assert_eq!(watched.identity().labels["a"], "b");
        assert_eq!(watched.handle.status().lldp, Ability::Off);
        watched.handle.reconfigure(off);
        watched.wait("retired", |reading| matches!(reading, Reading::Retired).then_some(()));
        watched.drain();
        assert!(watched.samples.recv_timeout(Duration::from_millis(300)).is_err(), "it is silent");
        watched.handle.reconfigure(quickly());
        watched.identity();
        let samples = watched.samples;
        watched.handle.stop();
        // The sink is gone with the thread.
        while samples.recv_timeout(Duration::from_millis(100)).is_ok() {}
        assert_eq!(samples.recv_timeout(Duration::ZERO).unwrap_err(), RecvTimeoutError::Disconnected);
    });
}

/// By hand: `cargo test --release --lib host::tests::idle -- --ignored --nocapture`
#[test]
#[ignore = "takes half a minute; prints what an idle second costs"]
fn idle_costs_little() {
    for pairs in [5, 50] {
        alone(move |lab| {
            for pair in 0..pairs {
                lab.pair(&format!("a{pair}"), &format!("b{pair}"));
            }
            let watched = lab.start(HostSettings::default());
            watched.poll("lo", |_| true);
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let host = tasks
                .filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok())
                .filter(|tid| {
                    std::fs::read_to_string(format!("/proc/self/task/{tid}/comm")).is_ok_and(|name| name == "host\n")
                })
                .max()
                .unwrap();
            let before = netns::thread_cpu_ms(host);
            std::thread::sleep(Duration::from_secs(12));
            let spent = (netns::thread_cpu_ms(host) - before) / 12.0;
            println!("{} interfaces: {spent:.3} ms of CPU a second, {:.3} % of a core", 2 * pairs + 1, spent / 10.0);
            assert!(pairs > 5 || spent < 2.0);
        });
    }
}
