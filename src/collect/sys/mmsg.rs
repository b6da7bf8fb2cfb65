//! Many datagrams in one system call: `recvmmsg(2)` and `sendmmsg(2)`.
//!
//! ```text
//!  socket --receive--> Inbox  --each--> Datagram { bytes, from, to, truncated }
//!  socket <---flush--- Outbox <--push-- to, from, bytes
//! ```
//!
//! A socket bound to the wildcard address that was [`prepare`]d tells of each datagram which of the machine's
//! addresses it was sent to (`IP_PKTINFO`, RFC 3542 `IPV6_PKTINFO`), and an answer can leave from that address: so
//! one socket serves as many addresses as the machine has. Runs of equal length to one peer can travel through
//! the kernel as one (`UDP_SEGMENT`, `UDP_GRO`); on the wire, and to whoever uses this, they are single datagrams.
//!
//! Whether a call waits is the socket's own mode: a blocking one waits for the first datagram, never for a
//! second. All memory is taken once, when a box is made.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr::null_mut;

/// Messages handed to the kernel in one call at most. More gains nothing measurable, and the headers of so many
/// fit on the stack.
pub const BATCH: usize = 128;

/// The largest payload of one UDP datagram over IPv4.
pub const DATAGRAM_MAX: usize = 65_507;

/// Datagrams that travel as one at most: what the oldest kernels with `UDP_SEGMENT` take.
const SEGMENTS: usize = 64;

/// `UDP_SEGMENT` and `UDP_GRO` of linux/udp.h.
const UDP_SEGMENT: libc::c_int = 103;
const UDP_GRO: libc::c_int = 104;

/// Ask the kernel to tell, of each datagram, the address it was sent to; with `coalesce` also to hand over runs of
/// equal length in one piece. The buffers of the [`Inbox`] must then hold such a run, up to 64 KiB.
///
/// # Errors
/// What the kernel says; a kernel that cannot coalesce does without.
pub fn prepare(socket: BorrowedFd<'_>, ipv6: bool, coalesce: bool) -> io::Result<()> {
    let (level, option) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    set(socket, level, option, 1)?;
    if coalesce {
        let _ = set(socket, libc::IPPROTO_UDP, UDP_GRO, 1);
    }
    Ok(())
}

fn set(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, which lives during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A socket address as the kernel has it. Each field is plain numbers, for which any bits are valid.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    fn empty() -> Self {
        // SAFETY: plain numbers, for which zeros are valid.
        unsafe { zeroed() }
    }

    fn of(address: SocketAddr) -> Self {
        let mut name = Self::empty();
        match address {
            SocketAddr::V4(address) => {
                name.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: in_addr(*address.ip()),
                    sin_zero: [0; 8],
                };
            }
            SocketAddr::V6(address) => {
                name.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
            }
        }
        name
    }

    fn length(&self) -> usize {
        // SAFETY: any bits are a family.
        match i32::from(unsafe { self.family }) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            _ => size_of::<libc::sockaddr_in6>(),
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: any bits are valid in each field; the family says which the kernel wrote.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from(u32::from_be(self.v4.sin_addr.s_addr));
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let ip = Ipv6Addr::from(self.v6.sin6_addr.s6_addr);
                    let port = u16::from_be(self.v6.sin6_port);
                    Some(SocketAddrV6::new(ip, port, self.v6.sin6_flowinfo, self.v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }
}

fn in_addr(ip: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from(ip).to_be() }
}

/// Room for the control messages of one datagram, aligned as `cmsghdr` wants it: packet information of either
/// family (16 + 24 bytes) and a segment length (16 + 8).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

impl Control {
    const EMPTY: Self = Self([0; 64]);
}

/// What a control buffer said.
#[derive(Default)]
struct Told {
    to: Option<IpAddr>,
    segment: Option<usize>,
}

/// A datagram that came.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Its payload, as much of it as fitted. Mutable, because SNMPv3 is decrypted in place.
    pub bytes: &'a mut [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of our addresses it was sent to, where the socket was [`prepare`]d.
    pub to: Option<IpAddr>,
    /// It was longer than the buffer.
    pub truncated: bool,
}

#[derive(Clone, Copy)]
struct Arrived {
    length: usize,
    segment: usize,
    from: SocketAddr,
    to: Option<IpAddr>,
    truncated: bool,
}

/// Buffers for the datagrams of one receiving call.
pub struct Inbox {
    bytes: Box<[u8]>,
    size: usize,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    arrived: Vec<Arrived>,
}

impl Inbox {
    /// Room for so many messages ([`BATCH`] at most) of so many bytes each.
    pub fn new(messages: usize, size: usize) -> Self {
        let (messages, size) = (messages.clamp(1, BATCH), size.max(1));
        Self {
            bytes: vec![0; messages * size].into(),
            size,
            names: vec![Name::empty(); messages].into(),
            controls: vec![Control::EMPTY; messages].into(),
            arrived: Vec::with_capacity(messages),
        }
    }

    /// Take what the socket holds, as much as there is room for; what was here before is gone. Tells how many
    /// messages came: fewer than there is room for means that the socket was emptied, 0 that there was none now.
    ///
    /// # Errors
    /// What the kernel says, such as an ICMP error about a datagram sent earlier; that ends nothing.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.arrived.clear();
        let messages = self.names.len();
        // SAFETY: pointers and plain numbers, for which zeros are valid.
        let (mut headers, mut pieces): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) = unsafe { zeroed() };
        let buffers = self.bytes.chunks_exact_mut(self.size).zip(&mut self.names).zip(&mut self.controls);
        for (((bytes, name), control), (header, piece)) in buffers.zip(headers.iter_mut().zip(&mut pieces)) {
            piece.iov_base = bytes.as_mut_ptr().cast();
            piece.iov_len = bytes.len();
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.0.len() as _;
        }
        // SAFETY: `messages` headers are filled in, each with pointers to memory of the lengths given with them,
        // which belongs to `self` or this frame, lives during the call, and overlaps with no other's.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                messages as libc::c_uint,
                libc::MSG_WAITFORONE as _,
                null_mut(),
            )
        };
        if result < 0 {
            let error = io::Error::last_os_error();
            let none = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if none { Ok(0) } else { Err(error) };
        }
        for (at, header) in headers[..result as usize].iter().enumerate() {
            let told = control_messages(&self.controls[at].0, header.msg_hdr.msg_controllen as _);
            let length = (header.msg_len as usize).min(self.size);
            self.arrived.push(Arrived {
                length,
                segment: told.segment.filter(|segment| *segment > 0).unwrap_or(usize::MAX),
                // A UDP socket hears of no other families; were it to, the answer would go nowhere.
                from: self.names[at].address().unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
                to: told.to,
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            });
        }
        Ok(result as usize)
    }

    /// Look at each datagram of the last call, in the order in which they came; runs are taken apart.
    pub fn each(&mut self, mut look: impl FnMut(Datagram<'_>)) {
        for (arrived, bytes) in self.arrived.iter().zip(self.bytes.chunks_exact_mut(self.size)) {
            let Arrived { length, segment, from, to, truncated } = *arrived;
            let mut rest = &mut bytes[..length];
            loop {
                let (bytes, after) = rest.split_at_mut(segment.min(rest.len()));
                // Of a run that was cut, the last datagram is the one that is not whole.
                look(Datagram { bytes, from, to, truncated: truncated && after.is_empty() });
                if after.is_empty() {
                    break;
                }
                rest = after;
            }
        }
    }
}

/// Read the control messages that the kernel left in a buffer.
fn control_messages(control: &[u8], length: usize) -> Told {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let number = |at: &[u8]| at.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
    let mut told = Told::default();
    let mut rest = &control[..length.min(control.len())];
    // struct cmsghdr: length with header (size_t), level, type; then the data, and padding to a word.
    while let (Some(size), Some(header)) = (rest.first_chunk::<{ size_of::<usize>() }>(), rest.get(..HEADER)) {
        let size = usize::from_ne_bytes(*size);
        let Some(data) = rest.get(HEADER..size) else { break };
        let level = number(&header[HEADER - 8..]).unwrap_or(0) as libc::c_int;
        let kind = number(&header[HEADER - 4..]).unwrap_or(0) as libc::c_int;
        match (level, kind) {
            // struct in_pktinfo: interface, local address, address in the header.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let address = data.get(8..).and_then(|data| data.first_chunk::<4>());
                told.to = address.map(|octets| IpAddr::from(*octets));
            }
            // struct in6_pktinfo: address in the header, interface.
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                told.to = data.first_chunk::<16>().map(|octets| IpAddr::from(*octets).to_canonical());
            }
            (libc::IPPROTO_UDP, UDP_GRO) => told.segment = number(data).map(|segment| segment as usize),
            _ => {}
        }
        rest = rest.get(size.next_multiple_of(size_of::<usize>())..).unwrap_or(&[]);
    }
    told
}

/// Write one control message behind those that are there already; tells where it ends.
fn put_control(control: &mut Control, at: usize, level: libc::c_int, kind: libc::c_int, data: &[u8]) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let size = HEADER + data.len();
    let mut header = [0; HEADER];
    header[..size_of::<usize>()].copy_from_slice(&size.to_ne_bytes());
    header[HEADER - 8..HEADER - 4].copy_from_slice(&level.to_ne_bytes());
    header[HEADER - 4..].copy_from_slice(&kind.to_ne_bytes());
    // At most packet information and a segment length are written, for which there is room.
    control.0[at..at + HEADER].copy_from_slice(&header);
    control.0[at + HEADER..at + size].copy_from_slice(data);
    at + size.next_multiple_of(size_of::<usize>())
}

struct Letter {
    bytes: Range<usize>,
    to: SocketAddr,
    from: Option<IpAddr>,
}

/// What became of a flush.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    /// Datagrams that the kernel took.
    pub sent: usize,
    /// Datagrams that it refused; they are dropped.
    pub refused: usize,
    /// The last reason, as an OS error number.
    pub error: Option<i32>,
    /// The socket's buffer is full: the rest waits here for the next flush, when the socket can be written.
    pub full: bool,
}

/// Datagrams that wait to be sent together.
pub struct Outbox {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
    done: usize,
    segment: bool,
    names: Box<[Name]>,
    controls: Box<[Control]>,
}

impl Outbox {
    /// Room for so many datagrams that have so many bytes in all. With `segment`, runs of equal length to one
    /// peer are handed to the kernel in one piece, for as long as it takes them.
    pub fn new(messages: usize, bytes: usize, segment: bool) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes.max(DATAGRAM_MAX)),
            letters: Vec::with_capacity(messages.max(1)),
            done: 0,
            segment,
            names: vec![Name::empty(); BATCH].into(),
            controls: vec![Control::EMPTY; BATCH].into(),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.letters.len() - self.done
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Add a datagram to this peer, from this address of ours or from the one that the kernel picks. False, if it
    /// finds no room: flush first.
    #[must_use]
    pub fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, bytes: &[u8]) -> bool {
        let room = self.letters.len() < self.letters.capacity()
            && self.bytes.capacity() - self.bytes.len() >= bytes.len()
            && bytes.len() <= DATAGRAM_MAX;
        if room {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            self.letters.push(Letter { bytes: start..self.bytes.len(), to, from });
        }
        room
    }

    /// Hand everything to the kernel. What it refuses, such as a datagram to an address without a route, is
    /// dropped and the rest is sent.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Flushed {
        let mut flushed = Flushed::default();
        while self.done < self.letters.len() {
            let mut runs = [0_u16; BATCH];
            match self.send(socket, &mut runs) {
                Ok(messages) => {
                    let datagrams: usize = runs[..messages].iter().map(|run| usize::from(*run)).sum();
                    flushed.sent += datagrams;
                    self.done += datagrams;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    flushed.full = true;
                    return flushed;
                }
                // The first message was refused, as a run: its datagrams may go one by one. Interfaces that
                // cannot compute checksums and paths with a small MTU refuse runs.
                Err(_) if runs[0] > 1 => self.segment = false,
                Err(error) => {
                    flushed.refused += 1;
                    flushed.error = error.raw_os_error();
                    self.done += 1;
                }
            }
        }
        self.bytes.clear();
        self.letters.clear();
        self.done = 0;
        flushed
    }

    /// One call; `runs` is told how many datagrams each message was.
    fn send(&mut self, socket: BorrowedFd<'_>, runs: &mut [u16; BATCH]) -> io::Result<usize> {
        let Self { bytes, letters, done, segment, names, controls } = self;
        // SAFETY: pointers and plain numbers, for which zeros are valid.
        let (mut headers, mut pieces): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) = unsafe { zeroed() };
        let mut rest = &letters[*done..];
        let mut messages = 0;
        while let (Some(first), true) = (rest.first(), messages < BATCH) {
            let run = if *segment { run_length(rest) } else { 1 };
            let payload = &bytes[first.bytes.start..rest[run - 1].bytes.end];
            rest = &rest[run..];
            runs[messages] = run as u16;
            let (header, piece) = (&mut headers[messages].msg_hdr, &mut pieces[messages]);
            let (name, control) = (&mut names[messages], &mut controls[messages]);
            *name = Name::of(first.to);
            // The kernel does not write through it when sending.
            piece.iov_base = payload.as_ptr().cast_mut().cast();
            piece.iov_len = payload.len();
            header.msg_iov = piece;
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = name.length() as libc::socklen_t;
            let mut end = 0;
            end = match first.from {
                Some(IpAddr::V4(ip)) if first.to.is_ipv4() => {
                    // struct in_pktinfo: any interface, the address to send from, none in the header.
                    let mut data = [0; 12];
                    data[4..8].copy_from_slice(&ip.octets());
                    put_control(control, end, libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
                }
                Some(ip) if first.to.is_ipv6() => {
                    let ip = match ip {
                        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                        IpAddr::V6(ip) => ip,
                    };
                    let mut data = [0; 20];
                    data[..16].copy_from_slice(&ip.octets());
                    put_control(control, end, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
                }
                _ => end,
            };
            if run > 1 {
                let segment = (first.bytes.len() as u16).to_ne_bytes();
                end = put_control(control, end, libc::IPPROTO_UDP, UDP_SEGMENT, &segment);
            }
            if end > 0 {
                header.msg_control = control.0.as_mut_ptr().cast();
                header.msg_controllen = end as _;
            }
            messages += 1;
        }
        // SAFETY: `messages` headers are filled in, each with pointers to memory of the lengths given with them,
        // which belongs to `self` or this frame and lives during the call; the kernel only reads it.
        let result = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), messages as libc::c_uint, libc::MSG_NOSIGNAL as _)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as usize) }
    }
}

/// How many datagrams from the first on can travel as one: same peer, same source, same length but for the last,
/// which may be shorter. They lie behind each other in the box.
fn run_length(letters: &[Letter]) -> usize {
    let first = &letters[0];
    let size = first.bytes.len();
    let mut run = 1;
    let mut total = size;
    while let Some(next) = letters.get(run) {
        total += next.bytes.len();
        let joins = size > 0 && next.to == first.to && next.from == first.from && !next.bytes.is_empty();
        if !joins || next.bytes.len() > size || total > DATAGRAM_MAX || run == SEGMENTS {
            break;
        }
        run += 1;
        if next.bytes.len() < size {
            break;
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;

    use proptest::prelude::*;

    use super::*;

    type Heard = (Vec<u8>, SocketAddr, Option<IpAddr>, bool);

    fn socket(address: &str) -> UdpSocket {
        UdpSocket::bind(address).expect("bind")
    }

    fn heard(inbox: &mut Inbox, socket: &UdpSocket, wanted: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("timeout");
        while heard.len() < wanted {
            let came = inbox.receive(socket.as_fd()).expect("receive");
            assert!(came > 0, "nothing came");
            inbox.each(|datagram| {
                heard.push((datagram.bytes.to_vec(), datagram.from, datagram.to, datagram.truncated));
            });
        }
        heard
    }

    #[test]
    fn one_socket_answers_as_many_addresses() {
        let server = socket("0.0.0.0:0");
        prepare(server.as_fd(), false, false).expect("prepare");
        let port = server.local_addr().expect("address").port();
        let client = socket("127.0.0.1:0");
        let mut out = Outbox::new(200, 1 << 16, false);
        for at in 0..200_u16 {
            let to = SocketAddr::from((Ipv4Addr::from(0x7f00_0100 + u32::from(at)), port));
            assert!(out.push(to, None, &at.to_be_bytes()));
        }
        assert!(!out.push(client.local_addr().expect("address"), None, b"no room"));
        assert_eq!(out.flush(client.as_fd()), Flushed { sent: 200, ..Flushed::default() });
        let mut inbox = Inbox::new(64, 100);
        let mut back = Outbox::new(200, 1 << 16, false);
        for (bytes, from, to, truncated) in heard(&mut inbox, &server, 200) {
            assert!(!truncated);
            assert!(back.push(from, to, &bytes));
        }
        assert_eq!(back.flush(server.as_fd()).sent, 200);
        for (at, (bytes, from, ..)) in heard(&mut inbox, &client, 200).into_iter().enumerate() {
            assert_eq!(bytes, (at as u16).to_be_bytes());
            assert_eq!(from, SocketAddr::from((Ipv4Addr::from(0x7f00_0100 + at as u32), port)));
        }
    }

    #[test]
    fn the_address_sent_to_is_told_over_ipv6() {
        let Ok(server) = UdpSocket::bind("[::]:0") else { return };
        prepare(server.as_fd(), true, true).expect("prepare");
        let client = socket("[::1]:0");
        let to = SocketAddr::from((Ipv6Addr::LOCALHOST, server.local_addr().expect("address").port()));
        let mut out = Outbox::new(4, 1000, true);
        assert!(out.push(to, Some(Ipv6Addr::LOCALHOST.into()), b"ask"));
        assert_eq!(out.flush(client.as_fd()).sent, 1);
        let mut inbox = Inbox::new(4, 100);
        let from = client.local_addr().expect("address");
        assert_eq!(heard(&mut inbox, &server, 1), [(b"ask".to_vec(), from, Some(Ipv6Addr::LOCALHOST.into()), false)]);
    }

    #[test]
    fn what_is_too_long_is_told_and_what_has_no_way_is_dropped() {
        let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let to = server.local_addr().expect("address");
        let mut out = Outbox::new(4, 1000, false);
        assert!(out.push(to, None, &[1; 20]));
        // Broadcast is refused to a socket that did not ask for it.
        assert!(out.push("255.255.255.255:9".parse().expect("address"), None, &[2; 20]));
        assert!(out.push(to, None, &[3; 8]));
        let flushed = out.flush(client.as_fd());
        assert_eq!((flushed.sent, flushed.refused, flushed.full), (2, 1, false));
        assert_eq!(flushed.error, Some(libc::EACCES));
        let mut inbox = Inbox::new(4, 10);
        let came: Vec<_> = heard(&mut inbox, &server, 2).into_iter().map(|(bytes, .., cut)| (bytes, cut)).collect();
        assert_eq!(came, [(vec![1; 10], true), (vec![3; 8], false)]);
        server.set_nonblocking(true).expect("mode");
        assert_eq!(inbox.receive(server.as_fd()).expect("none"), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// Whatever is sent together, runs or not, comes one by one, whole and in order.
        #[test]
        fn everything_comes_as_it_was_sent(
            lengths in prop::collection::vec((prop::sample::select(vec![1_usize, 40, 40, 40, 90, 1400]), 1_u8..3), 1..150),
            segment: bool,
            coalesce: bool,
        ) {
            let servers = [socket("127.0.0.1:0"), socket("127.0.0.1:0")];
            for server in &servers {
                prepare(server.as_fd(), false, coalesce).expect("prepare");
            }
            let client = socket("127.0.0.1:0");
            let mut out = Outbox::new(200, 1 << 18, segment);
            let mut expected = [Vec::new(), Vec::new()];
            for (at, (length, server)) in lengths.iter().enumerate() {
                let server = usize::from(*server - 1);
                let bytes = vec![at as u8; *length];
                prop_assert!(out.push(servers[server].local_addr().expect("address"), None, &bytes));
                expected[server].push(bytes);
            }
            prop_assert_eq!(out.flush(client.as_fd()).sent, lengths.len());
            let mut inbox = Inbox::new(7, 65_536);
            for (server, expected) in servers.iter().zip(expected) {
                let came = heard(&mut inbox, server, expected.len());
                prop_assert_eq!(came.into_iter().map(|(bytes, ..)| bytes).collect::<Vec<_>>(), expected);
            }
        }

        /// Control buffers of any content are read to their end.
        #[test]
        fn control_messages_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64), length in 0_usize..100) {
            control_messages(&bytes, length);
        }
    }
}
