//! rtnetlink(7): the kernel's word on this machine's interfaces and addresses.
//!
//! Two sockets: one that asks for dumps, one that hears of changes. Of the messages only what is needed is
//! read, and what a newer kernel adds is passed over: a message is never lost to an attribute.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlaBuffer, NlasIterator,
};
use netlink_packet_route::address::{AddressHeader, AddressScope};
use netlink_packet_route::link::{LinkFlags, LinkHeader, State, Stats64};
use netlink_packet_route::{AddressFamily, link::LinkLayerType};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::collect::sys::wait;

const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
/// struct tcmsg
const QDISC_HEADER_LEN: usize = 20;
/// The kernel packs dumps into messages of up to 32 KiB; one link with many virtual functions may take more.
const BUFFER_LEN: usize = 256 << 10;
/// Notifications that may wait for us: some thousand. More, and the kernel says so, and we ask for a dump.
const QUEUE_BYTES: u32 = 4 << 20;
/// A dump is answered by the kernel while it is asked; so long only if the machine hardly moves.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A dump that changes came in between of is asked again, so often at most.
const DUMP_TRIES: usize = 4;

/// An interface as the kernel tells of it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub if_index: u32,
    pub name: String,
    pub alias: String,
    pub address: Vec<u8>,
    pub layer: LinkLayerType,
    pub flags: LinkFlags,
    pub state: State,
    /// The driver's name for a virtual interface: veth, bond, bridge, vlan, tun...; empty for a real one.
    pub kind: String,
    /// It lies on top of another interface.
    pub stacked: bool,
    /// It is a port of another interface: of a bridge or a bond.
    pub enslaved: bool,
    /// Absent in a notification about something else.
    pub stats: Option<Stats64>,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub if_index: u32,
    pub address: IpAddr,
    /// It can be reached from elsewhere.
    pub global: bool,
}

/// A queueing discipline (tc(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qdisc {
    pub if_index: u32,
    pub kind: String,
    /// Octets that wait.
    pub backlog_bytes: u32,
    pub dropped: u32,
}

/// What the kernel tells of its own accord.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// An interface is new or changed.
    Link(Box<Link>),
    /// An interface is gone.
    Gone(u32),
    /// Addresses changed.
    Addresses,
    /// Notices were lost: only a dump tells what is.
    Lost,
}

/// Both sockets.
pub(super) struct Kernel {
    asking: Socket,
    hearing: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Kernel {
    /// Open the sockets; from now on changes are kept for [`Self::hear`].
    pub fn open() -> io::Result<Self> {
        let mut hearing = Socket::new(NETLINK_ROUTE)?;
        hearing.bind_auto()?;
        hearing.set_non_blocking(true)?;
        // More than the default where we may, the default where not.
        let _ = hearing.set_rx_buf_sz(QUEUE_BYTES);
        for group in [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR] {
            hearing.add_membership(group)?;
        }
        let mut asking = Socket::new(NETLINK_ROUTE)?;
        asking.bind_auto()?;
        asking.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { asking, hearing, buffer: vec![0; BUFFER_LEN], sequence: 0 })
    }

    /// Readable when there is something to hear.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.hearing.as_fd()
    }

    /// All interfaces, with their counters.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        self.dump(libc::RTM_GETLINK, LINK_HEADER_LEN, |kind, payload| {
            (kind == libc::RTM_NEWLINK).then(|| parse_link(payload)).flatten()
        })
    }

    /// All addresses.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        self.dump(libc::RTM_GETADDR, ADDRESS_HEADER_LEN, |kind, payload| {
            (kind == libc::RTM_NEWADDR).then(|| parse_address(payload)).flatten()
        })
    }

    /// The queueing disciplines that interfaces have as their root: what a class or an inner one drops is in them.
    pub fn root_qdiscs(&mut self) -> io::Result<Vec<Qdisc>> {
        self.dump(libc::RTM_GETQDISC, QDISC_HEADER_LEN, |kind, payload| {
            (kind == libc::RTM_NEWQDISC).then(|| parse_qdisc(payload)).flatten()
        })
    }

    fn dump<T>(&mut self, kind: u16, header_len: usize, read: impl Fn(u16, &[u8]) -> Option<T>) -> io::Result<Vec<T>> {
        let mut rows = Vec::new();
        for _ in 0..DUMP_TRIES {
            rows.clear();
            if self.dump_once(kind, header_len, &read, &mut rows)? {
                break;
            }
        }
        Ok(rows)
    }

    /// False if something changed in between, so that a row may be missing or be there twice.
    fn dump_once<T>(
        &mut self,
        kind: u16,
        header_len: usize,
        read: &impl Fn(u16, &[u8]) -> Option<T>,
        rows: &mut Vec<T>,
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        // A family header of zeros asks for all.
        let mut request = [0; 16 + QDISC_HEADER_LEN];
        let length = 16 + header_len;
        let mut header = NetlinkBuffer::new(&mut request[..]);
        header.set_length(length as u32);
        header.set_message_type(kind);
        header.set_flags(NLM_F_REQUEST | NLM_F_DUMP);
        header.set_sequence_number(self.sequence);
        self.asking.send(&request[..length], 0)?;

        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut consistent = true;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer"));
            }
            if !wait::readable([Some(self.asking.as_fd())], left)?[0] {
                continue;
            }
            let length = self.asking.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC)?;
            let Some(datagram) = self.buffer.get(..length) else {
                return Err(io::Error::other("the kernel's answer is longer than any should be"));
            };
            for message in messages(datagram) {
                if message.sequence_number() != self.sequence {
                    // What is left of a dump that we gave up.
                    continue;
                }
                consistent &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    NLMSG_DONE => return Ok(consistent),
                    NLMSG_ERROR => return Err(refusal(message.payload())),
                    kind => rows.extend(read(kind, message.payload())),
                }
            }
        }
    }

    /// The notices that wait, at most one datagram's; empty where there are none.
    pub fn hear(&mut self) -> io::Result<Vec<Notice>> {
        let length = match self.hearing.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(vec![Notice::Lost]),
            Err(error) => return Err(error),
        };
        let Some(datagram) = self.buffer.get(..length) else { return Ok(vec![Notice::Lost]) };
        Ok(messages(datagram)
            .filter_map(|message| match message.message_type() {
                libc::RTM_NEWLINK => parse_link(message.payload()).map(|link| Notice::Link(Box::new(link))),
                libc::RTM_DELLINK => link_header(message.payload()).map(|header| Notice::Gone(header.index)),
                libc::RTM_NEWADDR | libc::RTM_DELADDR => Some(Notice::Addresses),
                _ => None,
            })
            .collect())
    }
}

/// The messages of a datagram, up to the first that cannot be read.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let next = (message.length() as usize).next_multiple_of(4).min(datagram.len());
        datagram = &datagram[next..];
        Some(message)
    })
}

fn refusal(payload: &[u8]) -> io::Error {
    match payload.first_chunk() {
        Some(code) => io::Error::from_raw_os_error(i32::from_ne_bytes(*code).wrapping_neg()),
        None => io::Error::other("the kernel refused and did not say why"),
    }
}

/// The header, if the message is about the interface itself: a bridge tells of its ports in messages of the same
/// type, where "gone" means gone from the bridge.
fn link_header(payload: &[u8]) -> Option<LinkHeader> {
    LinkHeader::parse(payload).ok().filter(|header| header.interface_family == AddressFamily::Unspec)
}

fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// struct tcmsg: family, padding, interface, handle, parent, info; then TCA_KIND, TCA_STATS2 and more.
fn parse_qdisc(payload: &[u8]) -> Option<Qdisc> {
    const ROOT: u32 = 0xffff_ffff;
    const KIND: u16 = 1;
    const STATS: u16 = 7;
    const STATS_QUEUE: u16 = 3;
    let word = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    if word(payload, 12)? != ROOT {
        return None;
    }
    let mut qdisc = Qdisc { if_index: word(payload, 4)?, kind: String::new(), backlog_bytes: 0, dropped: 0 };
    for attribute in attributes(payload.get(QDISC_HEADER_LEN..)?) {
        match attribute.kind() {
            KIND => qdisc.kind = text(attribute.value()),
            STATS => {
                // struct gnet_stats_queue: packets, octets, dropped, requeued, over limits.
                let queue = attributes(attribute.value()).find(|inner| inner.kind() == STATS_QUEUE);
                if let Some(queue) = queue {
                    qdisc.backlog_bytes = word(queue.value(), 4)?;
                    qdisc.dropped = word(queue.value(), 8)?;
                }
            }
            _ => {}
        }
    }
    Some(qdisc)
}

fn parse_link(payload: &[u8]) -> Option<Link> {
    let header = link_header(payload)?;
    let mut link = Link {
        if_index: header.index,
        name: String::new(),
        alias: String::new(),
        address: Vec::new(),
        layer: header.link_layer_type,
        flags: header.flags,
        state: State::Unknown,
        kind: String::new(),
        stacked: false,
        enslaved: false,
        stats: None,
    };
    for attribute in attributes(payload.get(LINK_HEADER_LEN..)?) {
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_IFALIAS => link.alias = text(value),
            libc::IFLA_ADDRESS => link.address = value.to_vec(),
            libc::IFLA_OPERSTATE => link.state = State::from(*value.first()?),
            libc::IFLA_LINK => {
                link.stacked = value.first_chunk().map(|index| u32::from_ne_bytes(*index)) != Some(header.index)
            }
            libc::IFLA_MASTER => {
                link.enslaved = value.first_chunk().is_some_and(|index| u32::from_ne_bytes(*index) != 0)
            }
            libc::IFLA_STATS64 => link.stats = Stats64::parse(value).ok(),
            libc::IFLA_LINKINFO => {
                let kind = attributes(value).find(|inner| inner.kind() == libc::IFLA_INFO_KIND);
                link.kind = kind.map(|kind| text(kind.value())).unwrap_or_default();
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn parse_address(payload: &[u8]) -> Option<Address> {
    let header = AddressHeader::parse(payload).ok()?;
    let mut found = None;
    for attribute in attributes(payload.get(ADDRESS_HEADER_LEN..)?) {
        let address = match attribute.value() {
            value if value.len() == 4 => IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
            value if value.len() == 16 => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
            _ => continue,
        };
        match attribute.kind() {
            // On a point-to-point interface IFA_ADDRESS is the other end's and IFA_LOCAL ours.
            libc::IFA_LOCAL => found = Some(address),
            libc::IFA_ADDRESS if found.is_none() => found = Some(address),
            _ => {}
        }
    }
    Some(Address { if_index: header.index, address: found?, global: header.scope == AddressScope::Universe })
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (parse_link(&bytes), parse_address(&bytes), refusal(&bytes));
            for message in messages(&bytes) {
                let _ = parse_link(message.payload());
            }
        }
    }
}
