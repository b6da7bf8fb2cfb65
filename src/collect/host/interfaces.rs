//! This machine's interfaces as last told, in the words of RFC 2863; and what of it is new. Pure.
//!
//! What the kernel counts and what IF-MIB counts are not quite the same:
//!
//! | IF-MIB | kernel (`rtnl_link_stats64`) |
//! |---|---|
//! | ifHCInOctets, ifHCOutOctets | rx_bytes, tx_bytes |
//! | ifHCInMulticastPkts | multicast, as far as rx_packets rises with it: many NICs count it before their filters |
//! | ifHCInUcastPkts | the rest of rx_packets, broadcasts with it: the kernel does not tell them apart |
//! | ifHCOutUcastPkts | tx_packets, all of them |
//! | ifInDiscards | rx_dropped + rx_missed_errors (no buffer in the ring) |
//! | ifOutDiscards | tx_dropped |
//! | ifInErrors, ifOutErrors | rx_errors, tx_errors |
//! | dot3StatsFCSErrors, dot3StatsAlignmentErrors | rx_crc_errors, rx_frame_errors |
//! | dot3StatsLateCollisions | tx_window_errors |
//!
//! rx_dropped also counts frames that no protocol of this host wanted, such as a switch's spanning tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use netlink_packet_route::link::{LinkFlags, LinkLayerType, State, Stats64};

use super::kernel::Link;
use crate::fabric::{AdminStatus, Counter, CounterWidth, Counters, InterfaceInfo, InterfacePoll, OperStatus, Uptime};

/// IANAifType
mod if_type {
    pub const OTHER: u32 = 1;
    pub const ETHERNET_CSMACD: u32 = 6;
    pub const PPP: u32 = 23;
    pub const SOFTWARE_LOOPBACK: u32 = 24;
    pub const PROP_VIRTUAL: u32 = 53;
    pub const IEEE_80211: u32 = 71;
    pub const TUNNEL: u32 = 131;
    pub const L2_VLAN: u32 = 135;
    pub const IEEE_8023AD_LAG: u32 = 161;
    pub const INFINIBAND: u32 = 199;
    pub const BRIDGE: u32 = 209;
}

/// All interfaces, by ifIndex.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: BTreeMap<u32, Known>,
    /// The first dump was taken: what comes from now on was made while we watched.
    started: bool,
}

#[derive(Debug)]
pub(super) struct Known {
    pub info: Arc<InterfaceInfo>,
    pub oper_status: OperStatus,
    pub admin_status: AdminStatus,
    pub layer: LinkLayerType,
    pub kind: String,
    pub stacked: bool,
    discontinuity: Uptime,
    packets: PacketSplit,
    counters: Counters,
}

/// What a dump or a notice changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Interfaces came, went or are described differently.
    pub inventory: bool,
    /// Interfaces that came.
    pub came: Vec<u32>,
    /// Interfaces that do something else than before.
    pub oper: Vec<(Arc<str>, OperStatus)>,
    /// Interfaces that shall do something else than before.
    pub admin: Vec<u32>,
}

/// What is not in netlink; asked for only where it is needed.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// An interface's speed, bit/s, by its name.
    pub speed: &'a dyn Fn(&str) -> Option<u64>,
    /// How long this machine has been up.
    pub uptime: &'a dyn Fn() -> Uptime,
}

impl Interfaces {
    /// All interfaces there are; `read_speeds` reads the speeds of those known before again.
    pub fn dump(&mut self, links: &[Link], ask: Ask<'_>, read_speeds: bool) -> Changes {
        let mut changes = Changes::default();
        let before = self.known.len();
        self.known.retain(|index, _| links.iter().any(|link| link.if_index == *index));
        changes.inventory = self.known.len() != before || !self.started;
        for link in links {
            self.tell(link, ask, read_speeds, &mut changes);
        }
        self.started = true;
        changes
    }

    /// One interface that is new or changed.
    pub fn link(&mut self, link: &Link, ask: Ask<'_>) -> Changes {
        let mut changes = Changes::default();
        self.tell(link, ask, false, &mut changes);
        changes
    }

    /// One that is gone.
    pub fn gone(&mut self, if_index: u32) -> Changes {
        Changes { inventory: self.known.remove(&if_index).is_some(), ..Changes::default() }
    }

    fn tell(&mut self, link: &Link, ask: Ask<'_>, read_speed: bool, changes: &mut Changes) {
        let (oper_status, admin_status) = (oper_status(link), admin_status(link));
        let Some(known) = self.known.get_mut(&link.if_index) else {
            let speed_bps = speed_of(link, ask);
            let mut packets = PacketSplit::default();
            let counters = link.stats.map(|stats| counters(&stats, link.layer, &mut packets)).unwrap_or_default();
            let known = Known {
                info: Arc::new(info(link, link.name.as_str().into(), speed_bps)),
                oper_status,
                admin_status,
                layer: link.layer,
                kind: link.kind.clone(),
                stacked: link.stacked,
                // Its counters began when it was made; of those that were there before us we know no such moment.
                discontinuity: if self.started { Uptime((ask.uptime)().0.max(1)) } else { Uptime(0) },
                packets,
                counters,
            };
            self.known.insert(link.if_index, known);
            changes.inventory = true;
            changes.came.push(link.if_index);
            return;
        };
        if let Some(stats) = link.stats {
            known.counters = counters(&stats, link.layer, &mut known.packets);
        }
        known.stacked = link.stacked;
        // A port says its speed when its carrier comes; one that is down does not say any, and keeps its last.
        let came_up = oper_status.is_up() && !known.oper_status.is_up();
        let renamed = *known.info.if_name != *link.name;
        let speed_bps = if read_speed || came_up || renamed { speed_of(link, ask) } else { None };
        let name = if renamed { link.name.as_str().into() } else { Arc::clone(&known.info.if_name) };
        let fresh = info(link, name, speed_bps.or(known.info.speed_bps));
        if fresh != *known.info {
            known.info = Arc::new(fresh);
            changes.inventory = true;
        }
        if known.admin_status != admin_status {
            known.admin_status = admin_status;
            changes.admin.push(link.if_index);
        }
        if known.oper_status != oper_status {
            known.oper_status = oper_status;
            changes.oper.push((Arc::clone(&known.info.if_name), oper_status));
        }
    }

    /// All interfaces have been looked at once.
    pub fn started(&self) -> bool {
        self.started
    }

    /// By ifIndex.
    pub fn get(&self, if_index: u32) -> Option<&Known> {
        self.known.get(&if_index)
    }

    /// In the order of their ifIndex.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Known)> {
        self.known.iter().map(|(index, known)| (*index, known))
    }

    /// What an inventory says.
    pub fn inventory(&self) -> Vec<Arc<InterfaceInfo>> {
        self.known.values().map(|known| Arc::clone(&known.info)).collect()
    }
}

impl Known {
    /// State and counters; without counters where only the state is told.
    pub fn poll(&self, with_counters: bool) -> InterfacePoll {
        InterfacePoll {
            if_name: Arc::clone(&self.info.if_name),
            oper_status: self.oper_status,
            admin_status: self.admin_status,
            discontinuity: Some(self.discontinuity),
            counters: if with_counters { self.counters } else { Counters::default() },
        }
    }
}

/// RFC 2863 by the kernel's Documentation/networking/operstates: `unknown` is what drivers leave that do not set
/// it (loopback, tunnels); then the carrier says.
fn oper_status(link: &Link) -> OperStatus {
    match link.state {
        State::Up => OperStatus::Up,
        State::Down => OperStatus::Down,
        State::LowerLayerDown => OperStatus::LowerLayerDown,
        State::NotPresent => OperStatus::NotPresent,
        State::Testing => OperStatus::Testing,
        State::Dormant => OperStatus::Dormant,
        State::Unknown if !link.flags.contains(LinkFlags::Up) => OperStatus::Down,
        State::Unknown if link.flags.contains(LinkFlags::Running | LinkFlags::LowerUp) => OperStatus::Up,
        State::Unknown if !link.flags.contains(LinkFlags::LowerUp) => OperStatus::Down,
        _ => OperStatus::Unknown,
    }
}

fn admin_status(link: &Link) -> AdminStatus {
    if link.flags.contains(LinkFlags::Up) { AdminStatus::Up } else { AdminStatus::Down }
}

fn info(link: &Link, name: Arc<str>, speed_bps: Option<u64>) -> InterfaceInfo {
    InterfaceInfo {
        if_index: link.if_index,
        if_descr: link.name.clone(),
        if_alias: link.alias.clone(),
        if_type: if_type_of(link),
        phys_address: if link.address.iter().all(|octet| *octet == 0) { Vec::new() } else { link.address.clone() },
        speed_bps,
        if_name: name,
    }
}

fn if_type_of(link: &Link) -> u32 {
    match (link.layer, link.kind.as_str()) {
        (_, "bond" | "team") => if_type::IEEE_8023AD_LAG,
        (_, "bridge") => if_type::BRIDGE,
        (_, "vlan") => if_type::L2_VLAN,
        (_, "vxlan" | "geneve" | "gretap" | "ip6gretap" | "wireguard") => if_type::TUNNEL,
        // Ethernet in form only: no capacity, no cable.
        (_, "tun" | "dummy" | "ifb" | "nlmon" | "netdevsim") => if_type::PROP_VIRTUAL,
        // The host's end of a container's or a virtual machine's cable: it comes and goes with that, and nobody pulls it.
        (_, "veth") if link.enslaved => if_type::PROP_VIRTUAL,
        (LinkLayerType::Ether, _) => if_type::ETHERNET_CSMACD,
        (LinkLayerType::Loopback, _) => if_type::SOFTWARE_LOOPBACK,
        (LinkLayerType::Ppp, _) => if_type::PPP,
        (LinkLayerType::Infiniband, _) => if_type::INFINIBAND,
        (LinkLayerType::Ieee80211, _) => if_type::IEEE_80211,
        (LinkLayerType::Tunnel | LinkLayerType::Tunnel6 | LinkLayerType::Sit | LinkLayerType::Ipgre, _) => {
            if_type::TUNNEL
        }
        _ => if_type::OTHER,
    }
}

/// A tun device claims 10 Mbit/s whatever goes through it.
fn speed_of(link: &Link, ask: Ask<'_>) -> Option<u64> {
    if link.kind == "tun" { None } else { (ask.speed)(&link.name) }
}

/// Received packets, parted so that each part only ever rises and both together are rx_packets.
#[derive(Clone, Copy, Debug, Default)]
struct PacketSplit {
    last: Option<(u64, u64)>,
    unicast: u64,
    multicast: u64,
}

impl PacketSplit {
    fn advance(&mut self, packets: u64, multicast: u64) {
        let (packets_before, multicast_before) = match self.last {
            Some((packets_before, multicast_before)) if packets_before <= packets => (packets_before, multicast_before),
            // The first look, or the counters started anew: then so do ours, and fall as they must.
            _ => {
                (self.unicast, self.multicast) = (0, 0);
                (0, 0)
            }
        };
        let rise = packets - packets_before;
        let multicast_rise = multicast.saturating_sub(multicast_before).min(rise);
        self.multicast = self.multicast.saturating_add(multicast_rise);
        self.unicast = self.unicast.saturating_add(rise - multicast_rise);
        self.last = Some((packets, multicast));
    }
}

fn counters(stats: &Stats64, layer: LinkLayerType, packets: &mut PacketSplit) -> Counters {
    packets.advance(stats.rx_packets, stats.multicast);
    let mut counters = Counters::default();
    let mut set = |counter, value| counters.set(counter, value, CounterWidth::Bits64);
    set(Counter::InOctets, stats.rx_bytes);
    set(Counter::OutOctets, stats.tx_bytes);
    set(Counter::InUcastPkts, packets.unicast);
    set(Counter::InMulticastPkts, packets.multicast);
    set(Counter::OutUcastPkts, stats.tx_packets);
    set(Counter::InDiscards, stats.rx_dropped.saturating_add(stats.rx_missed_errors));
    set(Counter::OutDiscards, stats.tx_dropped);
    set(Counter::InErrors, stats.rx_errors);
    set(Counter::OutErrors, stats.tx_errors);
    if layer == LinkLayerType::Ether {
        set(Counter::FcsErrors, stats.rx_crc_errors);
        set(Counter::AlignmentErrors, stats.rx_frame_errors);
        set(Counter::LateCollisions, stats.tx_window_errors);
    }
    counters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(if_index: u32, name: &str, up: bool) -> Link {
        let flags = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp;
        Link {
            if_index,
            name: name.into(),
            alias: String::new(),
            address: vec![2, 0, 0, 0, 0, if_index as u8],
            layer: LinkLayerType::Ether,
            flags: if up { flags } else { LinkFlags::empty() },
            state: if up { State::Up } else { State::Down },
            kind: String::new(),
            stacked: false,
            enslaved: false,
            stats: Some(Stats64::default()),
        }
    }

    fn facts<'a>(speed: &'a dyn Fn(&str) -> Option<u64>, uptime: &'a dyn Fn() -> Uptime) -> Ask<'a> {
        Ask { speed, uptime }
    }

    fn ten_gig(_: &str) -> Option<u64> {
        Some(10_000_000_000)
    }

    #[test]
    fn operational_status_is_as_the_kernel_documents() {
        use LinkFlags as F;
        let told = |state, flags| oper_status(&Link { state, flags, ..link(1, "a", true) });
        let all = F::Up | F::Running | F::LowerUp;
        for (state, flags, want) in [
            (State::Up, all, OperStatus::Up),
            (State::Down, F::Up, OperStatus::Down),
            (State::LowerLayerDown, F::Up, OperStatus::LowerLayerDown),
            (State::NotPresent, F::empty(), OperStatus::NotPresent),
            (State::Testing, all, OperStatus::Testing),
            (State::Dormant, all, OperStatus::Dormant),
            (State::Unknown, all, OperStatus::Up),
            (State::Unknown, F::empty(), OperStatus::Down),
            (State::Unknown, F::Up, OperStatus::Down),
            (State::Unknown, F::Up | F::LowerUp, OperStatus::Unknown),
            (State::Other(9), all, OperStatus::Unknown),
        ] {
            assert_eq!(told(state, flags), want, "{state} {flags:?}");
        }
    }

    #[test]
    fn changes_are_told_once() {
        let mut interfaces = Interfaces::default();
        let first = interfaces.dump(&[link(1, "a", true), link(2, "b", true)], facts(&ten_gig, &|| Uptime(500)), false);
        assert!(first.inventory && first.oper.is_empty() && first.admin.is_empty());
        assert_eq!(first.came, [1, 2]);
        let again = interfaces.dump(&[link(1, "a", true), link(2, "b", true)], facts(&ten_gig, &|| Uptime(600)), false);
        assert!(!again.inventory && again.oper.is_empty() && again.came.is_empty());

        let down = interfaces.link(&link(2, "b", false), facts(&|_| None, &|| Uptime(700)));
        assert_eq!((&*down.oper[0].0, down.oper[0].1), ("b", OperStatus::Down));
        assert_eq!(down.admin, [2]);
        assert!(!down.inventory, "a port that is down keeps its speed");
        let up = interfaces.link(&link(2, "b", true), facts(&|_| Some(1_000_000_000), &|| Uptime(800)));
        assert!(up.inventory);
        assert_eq!(interfaces.get(2).unwrap().info.speed_bps, Some(1_000_000_000));

        let renamed = interfaces.link(&link(2, "c", true), facts(&ten_gig, &|| Uptime(900)));
        assert!(renamed.inventory && renamed.oper.is_empty());
        assert!(interfaces.gone(2).inventory);
        assert!(!interfaces.gone(2).inventory);
        // Lost notices: a dump tells all the same.
        let resync = interfaces.dump(&[link(3, "a", false)], facts(&ten_gig, &|| Uptime(1_000)), false);
        assert!(resync.inventory);
        assert_eq!(resync.came, [3]);
    }

    #[test]
    fn a_nic_made_anew_under_an_old_name_is_a_discontinuity() {
        let mut interfaces = Interfaces::default();
        interfaces.dump(&[link(1, "a", true)], facts(&ten_gig, &|| Uptime(500)), false);
        assert_eq!(interfaces.get(1).unwrap().poll(true).discontinuity, Some(Uptime(0)));
        interfaces.dump(&[link(7, "a", true)], facts(&ten_gig, &|| Uptime(600)), false);
        assert_eq!(interfaces.get(7).unwrap().poll(true).discontinuity, Some(Uptime(600)));
    }

    #[test]
    fn kinds_have_their_types_and_speeds() {
        for (layer, kind, want) in [
            (LinkLayerType::Ether, "", 6),
            (LinkLayerType::Ether, "veth", 6),
            (LinkLayerType::Ether, "bond", 161),
            (LinkLayerType::Ether, "bridge", 209),
            (LinkLayerType::Ether, "tun", 53),
            (LinkLayerType::Loopback, "", 24),
            (LinkLayerType::None, "wireguard", 131),
            (LinkLayerType::Can, "", 1),
        ] {
            assert_eq!(if_type_of(&Link { layer, kind: kind.into(), ..link(1, "a", true) }), want, "{layer:?} {kind}");
        }
        let container = Link { kind: "veth".into(), enslaved: true, ..link(1, "a", true) };
        assert_eq!(if_type_of(&container), if_type::PROP_VIRTUAL);
        let tun = Link { kind: "tun".into(), ..link(1, "a", true) };
        assert_eq!(speed_of(&tun, facts(&ten_gig, &Uptime::default)), None);
    }

    #[test]
    fn counters_are_where_people_look_for_them() {
        let mut stats = Stats64::default();
        (stats.rx_bytes, stats.rx_packets, stats.multicast) = (1_000, 10, 3);
        (stats.rx_dropped, stats.rx_missed_errors, stats.tx_dropped) = (2, 3, 4);
        (stats.rx_errors, stats.rx_crc_errors, stats.rx_frame_errors) = (9, 5, 1);
        let counters = counters(&stats, LinkLayerType::Ether, &mut PacketSplit::default());
        let of = |counter| counters.get(counter).unwrap();
        assert_eq!((of(Counter::InOctets), of(Counter::InUcastPkts), of(Counter::InMulticastPkts)), (1_000, 7, 3));
        assert_eq!((of(Counter::InDiscards), of(Counter::OutDiscards)), (5, 4));
        assert_eq!((of(Counter::InErrors), of(Counter::FcsErrors), of(Counter::AlignmentErrors)), (9, 5, 1));
        assert_eq!(counters.get(Counter::InBroadcastPkts), None);
        assert_eq!(counters.width(Counter::InOctets), CounterWidth::Bits64);
    }

    proptest! {
        /// However the NIC counts its multicasts, no part falls and nothing is counted twice.
        #[test]
        fn packets_are_parted_without_falling(steps in prop::collection::vec((0_u64..1_000, 0_u64..2_000), 1..50)) {
            let mut split = PacketSplit::default();
            let (mut packets, mut multicast, mut before) = (0, 0, (0, 0));
            for (more, more_multicast) in steps {
                packets += more;
                multicast += more_multicast;
                split.advance(packets, multicast);
                prop_assert_eq!(split.unicast + split.multicast, packets);
                prop_assert!(split.unicast >= before.0 && split.multicast >= before.1);
                before = (split.unicast, split.multicast);
            }
        }
    }
}
