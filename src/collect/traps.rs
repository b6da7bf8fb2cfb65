//! The trap listener: what devices tell unasked (RFC 3416 §4.2.6 and §4.2.7), acted on at once.
//!
//! A trap is a hint. Of a link it is passed on as an event in the moment it arrives, and the device is polled
//! to confirm it; of anything else it only makes us look. It is believed only from the address of a device
//! that we poll, with the credentials that we poll it with: everything else is counted and dropped.
//!
//! **A poll may contradict the trap that caused it.** Agents answer from caches (net-snmp for 3 s, others up
//! to 5 s), while the trap was made the moment the link went. The poller passes on what a device says, when
//! it says it; so it is for the core to hold an event against polls that come within five seconds of it,
//! until one agrees. The poller looks at once, and again after 5.5 s, when no cache can be older than the
//! event.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::snmp::{Poke, Poller, View, Who};
use super::{SampleSink, TrapSettings, clock};
use crate::fabric::{Medium, OperStatus, Reading, Sample, Timestamp};
use crate::mib::value;
use crate::snmp::{Credentials, LocalEngine, Notification, Oid, Received, Receiver, Rejected, VarBinds};

/// What the kernel may hold for us: a device that loses a line card sends hundreds of traps in one breath.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Traps of one device that are acted on: this many at once, and so many a second from there on. Beyond that
/// they only make us look, which a poll of the whole device answers for any number of links.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 20.0;

/// Devices whose rate is remembered. One that sends traps is known and few do at a time; where there are more
/// the calmest are forgotten.
const BUCKETS: usize = 4_096;

/// snmpTraps (RFC 3418): coldStart(1), warmStart(2), linkDown(3), linkUp(4) below it.
const SNMP_TRAPS: [u32; 9] = [1, 3, 6, 1, 6, 3, 1, 1, 5];
/// lldpRemTablesChange (IEEE 802.1AB).
const LLDP_REM_TABLES_CHANGE: [u32; 9] = [1, 0, 8802, 1, 1, 2, 0, 0, 1];

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What the listener counts: all of it only grows. Names fit `selvedge_traps_<name>_total`.
        #[derive(Debug, Default)]
        pub struct TrapStats { $($(#[$doc])* pub $field: AtomicU64,)* }

        impl TrapStats {
            /// Every counter by name.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field.load(Ordering::Relaxed)),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams that came.
    received,
    /// From an address that no target has.
    unknown_sources,
    /// Beyond the rate of one device: looked at by a poll, not one by one.
    limited,
    /// That cannot be read.
    undecodable,
    /// With a community or user that we do not have, or one that this device is not polled with.
    refused,
    /// With a wrong key, or content that does not decrypt.
    forged,
    /// Authentic, and sent again later by somebody, or very late.
    outside_time_window,
    /// That are neither trap nor inform.
    not_notifications,
    /// Informs that were acknowledged.
    informs,
    /// Links that went up or down, passed on as events.
    link_events,
    /// Of a link whose interface we do not know, or of one of several agents at one address: looked at by a poll.
    unmatched_links,
    /// Of changed neighbours.
    neighbor_changes,
    /// Of a start.
    restarts,
    /// Of anything else: nothing is done.
    others,
}

/// Listens until it is dropped.
pub struct TrapListener {
    stats: Arc<TrapStats>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl TrapListener {
    /// Open the port and begin to listen. `engine` is who we are to senders of version 3 informs: the same id
    /// after a restart, with one more boot.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn start(
        settings: &TrapSettings,
        engine: LocalEngine,
        poller: Arc<Poller>,
        sink: SampleSink,
    ) -> io::Result<Self> {
        let socket = bind(settings.listen)?;
        let address = socket.local_addr()?;
        let stats = Arc::new(TrapStats::default());
        let listener = Listener {
            receiver: Receiver::new(Vec::new(), engine, rand::random()),
            known: Vec::new(),
            generation: 0,
            buckets: HashMap::new(),
            poller,
            sink,
            stats: stats.clone(),
        };
        Ok(Self { stats, address, task: tokio::spawn(listener.run(socket)) })
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<TrapStats> {
        &self.stats
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TrapListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listener {
    receiver: Receiver,
    /// The credentials that the receiver has, in its order.
    known: Vec<Arc<Credentials>>,
    generation: u64,
    buckets: HashMap<IpAddr, Bucket>,
    poller: Arc<Poller>,
    sink: SampleSink,
    stats: Arc<TrapStats>,
}

impl Listener {
    async fn run(mut self, socket: UdpSocket) {
        let mut buffer = vec![0; 65_536];
        let mut reply = Vec::new();
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::debug!(%error, "reading the trap port");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            reply.clear();
            self.hear(clock::now(), from.ip().to_canonical(), &mut buffer[..length], &mut reply);
            if !reply.is_empty() {
                // A sender that cannot be reached sends its inform again, and gets this one again.
                let _ = socket.send_to(&reply, from).await;
            }
        }
    }

    fn hear(&mut self, now: Timestamp, from: IpAddr, datagram: &mut [u8], reply: &mut Vec<u8>) {
        count(&self.stats.received);
        let devices = self.poller.devices_at(from);
        if devices.is_empty() {
            return count(&self.stats.unknown_sources);
        }
        if !self.within_rate(now, from) {
            count(&self.stats.limited);
            return self.poller.poke(&Who::Address(from), Poke::States);
        }
        if self.poller.credentials_generation() != self.generation {
            let (generation, credentials) = self.poller.credentials();
            let (known, accesses) = credentials.into_iter().unzip();
            self.receiver.reconfigure(accesses);
            (self.generation, self.known) = (generation, known);
        }
        match self.receiver.receive(now, datagram, reply) {
            Received::Notification(notification) => {
                let used = self.known.get(notification.access);
                let devices: Vec<View> =
                    devices.into_iter().filter(|device| Some(&device.credentials) == used).collect();
                if devices.is_empty() {
                    reply.clear();
                    return count(&self.stats.refused);
                }
                if notification.inform {
                    count(&self.stats.informs);
                }
                act(now, from, &notification, &devices, &self.poller, &self.sink, &self.stats);
            }
            Received::Discovery => {}
            Received::Rejected(why) => count(match why {
                Rejected::Undecodable(_) => &self.stats.undecodable,
                Rejected::UnknownCommunity
                | Rejected::UnknownUser
                | Rejected::UnknownEngine
                | Rejected::UnsupportedSecurityLevel => &self.stats.refused,
                Rejected::WrongDigest | Rejected::DecryptionError => &self.stats.forged,
                Rejected::NotInTimeWindow => &self.stats.outside_time_window,
                Rejected::NotANotification => &self.stats.not_notifications,
            }),
        }
    }

    fn within_rate(&mut self, now: Timestamp, from: IpAddr) -> bool {
        if self.buckets.len() >= BUCKETS && !self.buckets.contains_key(&from) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= BUCKETS {
                return false;
            }
        }
        self.buckets.entry(from).or_insert(Bucket { tokens: BURST, filled_at: now }).take(now)
    }
}

/// What a notification says, as far as we act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Link { if_index: Option<u32>, status: Option<OperStatus> },
    Neighbors,
    Started,
    Other,
}

fn act(
    now: Timestamp,
    from: IpAddr,
    notification: &Notification<'_>,
    devices: &[View],
    poller: &Poller,
    sink: &SampleSink,
    stats: &TrapStats,
) {
    let poke = |what| poller.poke(&Who::Address(from), what);
    match told(&notification.trap, &notification.varbinds) {
        Told::Link { if_index, status } => {
            let event = || {
                let [device] = devices else { return None };
                let (if_name, oper_status) = (device.interface(if_index?)?.clone(), status?);
                Some(Sample {
                    device: device.device.clone(),
                    taken_at: now,
                    device_uptime: notification.uptime,
                    reading: Reading::Event { if_name, oper_status, medium: Medium::Trap },
                })
            };
            match event() {
                Some(event) => {
                    count(&stats.link_events);
                    sink(event);
                }
                None => count(&stats.unmatched_links),
            }
            poke(Poke::States);
        }
        Told::Neighbors => {
            count(&stats.neighbor_changes);
            poke(Poke::Neighbors);
        }
        Told::Started => {
            count(&stats.restarts);
            poke(Poke::All);
        }
        Told::Other => count(&stats.others),
    }
}

fn told(trap: &Oid, varbinds: &VarBinds<'_>) -> Told {
    let arcs: Vec<u32> = trap.arcs().collect();
    let started = |arc| arcs.len() == SNMP_TRAPS.len() + 1 && arcs.starts_with(&SNMP_TRAPS) && arcs.ends_with(&[arc]);
    if started(1) || started(2) {
        return Told::Started;
    }
    if arcs == LLDP_REM_TABLES_CHANGE {
        return Told::Neighbors;
    }
    if !started(3) && !started(4) {
        return Told::Other;
    }
    let link = link_objects(varbinds);
    let status = match (started(4), link.oper_status) {
        // Of linkDown, ifOperStatus may be the state that is being left (RFC 2863 §4): only a kind of down counts.
        (false, Some(status)) if status.is_down() => Some(status),
        (false, _) => Some(OperStatus::Down),
        // A link that came up and is down tells nothing: the poll will.
        (true, Some(OperStatus::Down)) => None,
        (true, Some(status)) if status != OperStatus::Unknown => Some(status),
        (true, _) => Some(OperStatus::Up),
    };
    Told::Link { if_index: link.if_index, status }
}

#[derive(Default)]
struct Link {
    if_index: Option<u32>,
    oper_status: Option<OperStatus>,
}

/// ifIndex, by its value or as the index of any of the row's objects; and ifOperStatus.
fn link_objects(varbinds: &VarBinds<'_>) -> Link {
    /// ifEntry.
    const IF_ENTRY: [u32; 9] = [1, 3, 6, 1, 2, 1, 2, 2, 1];
    const IF_INDEX: u32 = 1;
    const IF_OPER_STATUS: u32 = 8;
    let mut link = Link::default();
    let mut by_name = None;
    // A notification of a link has five; one of many more is not worth the reading.
    for varbind in varbinds.iter().take(64).flatten() {
        let mut arcs = varbind.name.arcs();
        if !IF_ENTRY.iter().all(|arc| arcs.next() == Some(*arc)) {
            continue;
        }
        let (column, index) = (arcs.next(), arcs.next());
        match column {
            Some(IF_INDEX) => link.if_index = value::unsigned(&varbind.value).or(index),
            Some(column) => {
                by_name = by_name.or(index);
                if column == IF_OPER_STATUS {
                    link.oper_status = value::number(&varbind.value).map(OperStatus::from_value);
                }
            }
            None => {}
        }
    }
    link.if_index = link.if_index.or(by_name);
    link
}

/// A token bucket.
struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    fn fill(&self, now: Timestamp) -> f64 {
        let elapsed: Duration = now.since(self.filled_at);
        (self.tokens + elapsed.as_secs_f64() * PER_SECOND).min(BURST)
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.fill(now) >= BURST
    }

    fn take(&mut self, now: Timestamp) -> bool {
        (self.tokens, self.filled_at) = (self.fill(now), now);
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel may grant less; that is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests;
