//! Scenes that lose a known number of packets, each in a network namespace of its own, on the real kernel. They need root,
//! iproute2 and nftables; without root there is nothing to see.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use super::HostDrops;
use crate::collect::sys::netns;
use crate::collect::sys::packet::PacketSocket;
use crate::fabric::{DropClass, HostCause, HostPlace, Timestamp};

const IPV4: u16 = 0x0800;

/// The stage: a thread in a namespace of its own, and the account of it.
struct Scene {
    drops: HostDrops,
}

/// What one cause lost in this namespace.
#[derive(Debug, Default)]
struct Lost {
    packets: u64,
    counted: Option<u64>,
    traced: u64,
    missed: u64,
    reasons: Vec<String>,
}

/// Play it, where this machine can.
fn play(scene: impl FnOnce(&mut Scene) + Send + 'static) {
    let played = std::thread::spawn(move || {
        if let Err(error) = netns::unshare_network() {
            assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {error}");
            eprintln!("LEFT OUT: no network namespace: {error}");
            return;
        }
        // Neighbour discovery would add packets of its own.
        set("ipv6/conf/all/disable_ipv6", "1");
        set("ipv6/conf/default/disable_ipv6", "1");
        ip("link set lo up");
        let drops = HostDrops::open("/".as_ref(), Timestamp::default()).expect("netlink");
        assert_eq!(drops.untraced(), None, "as root drops can be traced");
        scene(&mut Scene { drops });
    });
    if let Err(panic) = played.join() {
        std::panic::resume_unwind(panic);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

fn set(path: &str, value: &str) {
    let _ = std::fs::write(format!("/proc/sys/net/{path}"), value);
}

/// A veth pair; `near` has this address.
fn wire(near: &str, far: &str, address: &str) {
    ip(&format!("link add name {near} type veth peer name {far}"));
    ip(&format!("link set {near} up"));
    ip(&format!("link set {far} up"));
    ip(&format!("addr add {address} dev {near}"));
}

impl Scene {
    /// Look until a cause has lost so many packets, or for long enough that it never will.
    fn until(&mut self, cause: HostCause, interface: Option<&str>, packets: u64) -> Lost {
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            let losses = self.drops.look().expect("a look");
            let here = |loss: &&crate::fabric::HostLoss| {
                loss.cause == cause && loss.interface.as_deref() == interface && loss.namespace.is_none()
            };
            let lost = losses.losses.iter().find(here).map(|loss| Lost {
                packets: loss.packets,
                counted: loss.counted,
                traced: loss.traced.unwrap_or(0),
                missed: losses.missed,
                reasons: loss.reasons.iter().map(|of| of.reason.to_string()).collect(),
            });
            let lost = lost.unwrap_or_default();
            if lost.packets >= packets || Instant::now() > deadline {
                assert_eq!(lost.packets, packets, "{cause:?}: {lost:?} of {losses:#?}");
                // What the kernel did not show it says so of.
                assert!(lost.traced + lost.missed >= packets, "{lost:?}");
                return lost;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn sender() -> UdpSocket {
    UdpSocket::bind("0.0.0.0:0").expect("a socket")
}

fn is(cause: HostCause, place: HostPlace, class: DropClass) -> HostCause {
    assert_eq!((cause.place(), cause.class()), (place, class));
    cause
}

fn index(name: &str) -> u32 {
    let mut kernel = crate::collect::host::kernel::Kernel::open().expect("netlink");
    let links = kernel.links().expect("links");
    links.into_iter().find(|link| link.name == name).expect("the interface").if_index
}

fn mac(name: &str) -> [u8; 6] {
    let mut kernel = crate::collect::host::kernel::Kernel::open().expect("netlink");
    let links = kernel.links().expect("links");
    let link = links.into_iter().find(|link| link.name == name).expect("the interface");
    link.address.try_into().expect("six octets")
}

/// An IPv4 packet (RFC 791) of UDP to port 9, not to be fragmented.
fn packet(from: [u8; 4], to: [u8; 4], payload: usize) -> Vec<u8> {
    let length = 28 + payload as u16;
    let mut bytes = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0];
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes.extend(from);
    bytes.extend(to);
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend([0x30, 0x39, 0, 9]);
    bytes.extend((8 + payload as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.resize(28 + payload, 0);
    bytes
}

#[test]
fn a_socket_that_nobody_reads_and_a_port_where_nobody_listens() {
    play(|scene| {
        let (from, reader) = (sender(), UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        let to = reader.local_addr().expect("an address");
        for _ in 0..2_000 {
            from.send_to(&[0; 500], to).expect("sent");
        }
        reader.set_nonblocking(true).expect("set");
        let read = (0..2_000).take_while(|_| reader.recv(&mut [0; 500]).is_ok()).count();
        let lost = 2_000 - read as u64;
        assert!(lost > 100, "the buffer took {read}");
        let cause = is(HostCause::SocketBufferFull, HostPlace::Socket, DropClass::Host);
        let told = scene.until(cause, None, lost);
        assert_eq!((told.counted, told.reasons), (Some(lost), vec!["SOCKET_RCVBUFF".to_owned()]));

        for _ in 0..123 {
            from.send_to(b"x", "127.0.0.1:9").expect("sent");
        }
        let cause = is(HostCause::NoListener, HostPlace::Socket, DropClass::NoRoute);
        let told = scene.until(cause, None, 123);
        assert_eq!((told.counted, told.reasons), (Some(123), vec!["NO_SOCKET".to_owned()]));
    });
}

#[test]
fn a_queue_that_overflows_and_a_wire_that_is_cut() {
    play(|scene| {
        wire("near", "far", "10.9.0.1/24");
        ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev near nud permanent");
        scene.drops.look().expect("a look");
        // Room for no packet at all: each is dropped.
        run("tc", &"qdisc add dev near root tbf rate 8kbit burst 2000 limit 1".split(' ').collect::<Vec<_>>());
        let from = sender();
        for _ in 0..500 {
            // Some are refused with an error, which is how a local sender learns of it.
            let _ = from.send_to(&[0; 1_000], "10.9.0.2:9");
        }
        let cause = is(HostCause::QueueFull, HostPlace::Qdisc, DropClass::Congestion);
        let told = scene.until(cause, Some("near"), 500);
        assert_eq!((told.counted, told.reasons), (Some(500), vec!["QDISC_DROP".to_owned()]));

        run("tc", &["qdisc", "del", "dev", "near", "root"]);
        ip("link set far down");
        std::thread::sleep(Duration::from_millis(50));
        scene.drops.look().expect("a look");
        let (socket, port) = (PacketSocket::open(0x88b5).expect("a packet socket"), index("near"));
        for _ in 0..25 {
            let _ = socket.send(port, [2, 0, 0, 0, 0, 2], 0x88b5, &[0; 60]);
        }
        let cause = is(HostCause::NoCarrier, HostPlace::Driver, DropClass::Host);
        scene.until(cause, Some("near"), 25);
        scene.until(HostCause::QueueFull, Some("near"), 500);
    });
}

#[test]
fn a_rule_that_drops() {
    play(|scene| {
        run(
            "nft",
            &["add table ip t; add chain ip t in { type filter hook input priority 0; }; \
                      add rule ip t in udp dport 7777 drop"],
        );
        for _ in 0..77 {
            let _ = sender().send_to(b"x", "127.0.0.1:7777");
        }
        let cause = is(HostCause::Filtered, HostPlace::Firewall, DropClass::Policy);
        let told = scene.until(cause, None, 77);
        assert_eq!((told.counted, told.reasons), (None, vec!["NETFILTER_DROP".to_owned()]));
    });
}

#[test]
fn no_route_a_forged_source_a_small_mtu_and_a_silent_neighbor() {
    play(|scene| {
        wire("near", "far", "10.9.0.1/24");
        wire("west", "east", "10.8.0.1/24");
        // Where errors are told to, nobody is asked for.
        ip("neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev near nud permanent");
        ip("link set west mtu 1000");
        set("ipv4/ip_forward", "1");
        set("ipv4/conf/all/rp_filter", "0");
        set("ipv4/conf/near/rp_filter", "1");
        let (socket, port, to) = (PacketSocket::open(0x88b5).expect("a packet socket"), index("far"), mac("near"));
        let send = |packets: usize, packet: &[u8]| {
            for _ in 0..packets {
                socket.send(port, to, IPV4, packet).expect("sent");
            }
        };
        send(40, &packet([203, 0, 113, 9], [10, 9, 0, 1], 10));
        let cause = is(HostCause::ReversePath, HostPlace::Routing, DropClass::Policy);
        let told = scene.until(cause, None, 40);
        assert_eq!((told.counted, told.reasons), (Some(40), vec!["IP_RPFILTER".to_owned()]));

        send(30, &packet([10, 9, 0, 7], [198, 51, 100, 1], 10));
        let told = scene.until(is(HostCause::NoRoute, HostPlace::Routing, DropClass::NoRoute), None, 30);
        assert_eq!(told.counted, Some(30));

        send(20, &packet([10, 9, 0, 7], [10, 8, 0, 2], 1_200));
        let told = scene.until(is(HostCause::TooBig, HostPlace::Routing, DropClass::NoRoute), None, 20);
        assert_eq!((told.counted, told.reasons), (Some(20), vec!["PKT_TOO_BIG".to_owned()]));

        set("ipv4/neigh/west/retrans_time_ms", "20");
        set("ipv4/neigh/west/mcast_solicit", "1");
        let from = sender();
        for _ in 0..10 {
            from.send_to(b"x", "10.8.0.99:9").expect("sent");
        }
        let told = scene.until(is(HostCause::NoNeighbor, HostPlace::Routing, DropClass::NoRoute), None, 10);
        assert_eq!((told.counted, told.reasons), (None, vec!["NEIGH_FAILED".to_owned()]));
    });
}
