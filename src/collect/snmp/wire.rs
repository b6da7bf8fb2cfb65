//! The sockets that all devices share: one for each address family.
//!
//! A datagram is handed to whoever asked the exact socket address that it came from; the session there
//! decides whether it belongs to a request. What comes from anywhere else is counted and dropped before it
//! is looked at.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::stats::{Stats, count};
use crate::collect::clock;
use crate::fabric::Timestamp;

/// What the kernel may hold for us while we are busy. Replies come in bursts; with less than this, replies
/// of some two thousand requests in flight were lost.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Requests that may be in flight over all devices, for the same reason.
const IN_FLIGHT: usize = 1_024;

/// Datagrams kept for one device. Nobody asks a device more than one thing at a time; the rest is room for
/// late and doubled ones.
const MAILBOX: usize = 16;

/// A datagram and when it came.
pub(super) struct Datagram {
    pub(super) bytes: Vec<u8>,
    pub(super) received_at: Timestamp,
}

struct Route {
    id: u64,
    mailbox: mpsc::Sender<Datagram>,
}

type Routes = Arc<Mutex<HashMap<SocketAddr, Vec<Route>>>>;

/// The sockets.
pub struct Wire {
    v4: Arc<UdpSocket>,
    v6: Option<Arc<UdpSocket>>,
    routes: Routes,
    next_route: AtomicU64,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) stats: Arc<Stats>,
    readers: Vec<JoinHandle<()>>,
}

impl Wire {
    /// Open the sockets and begin to read them. Where the machine has no IPv6 devices with such an address
    /// cannot be reached, and the rest can.
    pub fn open(stats: Arc<Stats>) -> io::Result<Arc<Self>> {
        let v4 = Arc::new(bind((Ipv4Addr::UNSPECIFIED, 0).into())?);
        let v6 = bind((Ipv6Addr::UNSPECIFIED, 0).into()).ok().map(Arc::new);
        let routes = Routes::default();
        let readers = std::iter::once(&v4)
            .chain(&v6)
            .map(|socket| tokio::spawn(read(socket.clone(), routes.clone(), stats.clone())))
            .collect();
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
        Ok(Arc::new(Self { v4, v6, routes, next_route: AtomicU64::new(0), in_flight, stats, readers }))
    }

    /// From now on hear what this address sends.
    pub(super) fn listen(self: &Arc<Self>, address: SocketAddr) -> Ear {
        let (mailbox, datagrams) = mpsc::channel(MAILBOX);
        let id = self.next_route.fetch_add(1, Ordering::Relaxed);
        let address = plain(address);
        self.routes().entry(address).or_default().push(Route { id, mailbox });
        Ear { wire: self.clone(), address, id, datagrams }
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Vec<Route>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) {
        let sent = match (to, &self.v6) {
            (SocketAddr::V4(_), _) => self.v4.send_to(bytes, to).await,
            (SocketAddr::V6(_), Some(socket)) => socket.send_to(bytes, to).await,
            (SocketAddr::V6(_), None) => Err(io::ErrorKind::Unsupported.into()),
        };
        // The request stays open: its retries may do better, and if not, it runs out like any other.
        if let Err(error) = sent {
            count(&self.stats.send_failures);
            tracing::debug!(%to, %error, "a request could not be sent");
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

/// Hears one address, and speaks to it.
pub(super) struct Ear {
    wire: Arc<Wire>,
    address: SocketAddr,
    id: u64,
    datagrams: mpsc::Receiver<Datagram>,
}

impl Ear {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    pub(super) async fn send(&self, bytes: &[u8]) {
        self.wire.send(bytes, self.address).await;
    }

    /// The next datagram; pends for ever once the sockets are gone.
    pub(super) async fn receive(&mut self) -> Datagram {
        match self.datagrams.recv().await {
            Some(datagram) => datagram,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut routes = self.wire.routes();
        if let Some(here) = routes.get_mut(&self.address) {
            here.retain(|route| route.id != self.id);
            if here.is_empty() {
                routes.remove(&self.address);
            }
        }
    }
}

async fn read(socket: Arc<UdpSocket>, routes: Routes, stats: Arc<Stats>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(read) => read,
            Err(error) => {
                // Such as an ICMP error that the kernel reports here: it ends no conversation of others.
                tracing::debug!(%error, "reading the poll socket");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let received_at = clock::now();
        let routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = routes.get(&plain(from)) else {
            count(&stats.stray);
            continue;
        };
        for route in here {
            let datagram = Datagram { bytes: buffer[..length].to_vec(), received_at };
            if route.mailbox.try_send(datagram).is_err() {
                count(&stats.overflowed);
            }
        }
    }
}

/// The same address always in the same form: as a key, flow labels and mapped IPv4 do not count.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut six) => match six.ip().to_ipv4_mapped() {
            Some(four) => (four, six.port()).into(),
            None => {
                six.set_flowinfo(0);
                six.into()
            }
        },
        four => four,
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel may grant less (net.core.rmem_max); that is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
