//! The sockets that all devices share, one for each address family, and the thread that reads them.
//!
//! Polls are that thread's own business ([`Engine`]); what is asked besides (who a device is, its inventory, its
//! neighbours) goes out and comes in here. A datagram that answers no poll is handed to whoever asked the exact
//! socket address that it came from; the session there decides whether it belongs to a request. What comes from
//! anywhere else is counted and dropped before it is looked at.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::engine::{Command, Course, Engine, Hot};
use super::schedule::Ticks;
use super::stats::{Stats, count};
use crate::collect::SampleSink;
use crate::fabric::{DeviceId, Timestamp};

/// What the kernel may hold for us while we are busy. Replies come in bursts; with less than this, replies
/// of some two thousand requests in flight were lost.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Requests besides polls that may be in flight over all devices, for the same reason.
const IN_FLIGHT: usize = 512;

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
    /// A request is open: what comes may be its answer.
    expects: Arc<AtomicBool>,
    mailbox: mpsc::Sender<Datagram>,
}

/// What the thread and everybody else share.
pub(super) struct Ground {
    pub(super) stats: Arc<Stats>,
    v4: UdpSocket,
    v6: Option<UdpSocket>,
    routes: Mutex<HashMap<SocketAddr, Vec<Route>>>,
    closed: AtomicBool,
    asleep: AtomicBool,
    ring: Mutex<PipeWriter>,
    bell: PipeReader,
    /// Commands are only looked at here for whether there are any.
    commands: Receiver<Command>,
}

impl Ground {
    /// IPv4's, then IPv6's if there is one.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        std::iter::once(&self.v4).chain(&self.v6)
    }

    /// The one for an address.
    pub(super) fn socket(&self, to: SocketAddr) -> Option<&UdpSocket> {
        if to.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// From the thread: about to sleep; false, if somebody wants something after all.
    pub(super) fn doze(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`: either we see what is wanted, or they see that we sleep.
        fence(Ordering::SeqCst);
        self.commands.is_empty() && !self.is_closed()
    }

    /// From the thread: awake again.
    pub(super) fn wake_up(&self) {
        if !self.asleep.swap(false, Ordering::Relaxed) {
            // Somebody rang, or is about to: one byte, and only one.
            let _ = (&self.bell).read(&mut [0; 1]);
        }
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::Relaxed) {
            let _ = self.ring.lock().unwrap_or_else(PoisonError::into_inner).write(&[1]);
        }
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Vec<Route>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody but polls expects something of this address.
    pub(super) fn expects(&self, from: SocketAddr) -> bool {
        let expects = |route: &Route| route.expects.load(Ordering::Relaxed);
        self.routes().get(&from).is_some_and(|here| here.iter().any(expects))
    }

    /// Give a datagram to those who expect something of its sender. What nobody expects is late; what nobody asked is
    /// stray.
    pub(super) fn hand_over(&self, from: SocketAddr, bytes: &[u8], received_at: Timestamp, is_polled: bool) {
        let routes = self.routes();
        let here = routes.get(&from).map_or(&[][..], Vec::as_slice);
        if here.is_empty() && !is_polled {
            return count(&self.stats.stray);
        }
        let mut expected = false;
        for route in here.iter().filter(|route| route.expects.load(Ordering::Relaxed)) {
            expected = true;
            if route.mailbox.try_send(Datagram { bytes: bytes.to_vec(), received_at }).is_err() {
                count(&self.stats.overflowed);
            }
        }
        if !expected {
            count(&self.stats.late);
        }
    }
}

/// The way to the sockets. The thread ends with the last holder of this.
pub struct Wire {
    ground: Arc<Ground>,
    commands: Sender<Command>,
    next_route: AtomicU64,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) stats: Arc<Stats>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Open the sockets and begin to read them, for somebody who asks and does not poll. Where the machine has no
    /// IPv6 devices with such an address cannot be reached, and the rest can.
    ///
    /// # Errors
    /// No socket or thread can be had.
    pub fn open(stats: Arc<Stats>) -> io::Result<Arc<Self>> {
        Self::open_for_polls(stats, Arc::new(|_| {}))
    }

    /// The same for polls, whose samples go to the sink.
    ///
    /// # Errors
    /// No socket or thread can be had.
    pub fn open_for_polls(stats: Arc<Stats>, sink: SampleSink) -> io::Result<Arc<Self>> {
        // Every device's task says a few words at a time, and waits for their effect before it says more.
        let (commands, orders) = channel::unbounded();
        let (bell, ring) = io::pipe()?;
        let ground = Arc::new(Ground {
            stats: stats.clone(),
            v4: bind((Ipv4Addr::UNSPECIFIED, 0).into())?,
            v6: bind((Ipv6Addr::UNSPECIFIED, 0).into()).ok(),
            routes: Mutex::default(),
            closed: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            ring: Mutex::new(ring),
            bell,
            commands: orders.clone(),
        });
        let engine = Engine::new(ground.clone(), orders, sink);
        let thread = std::thread::Builder::new().name("snmp-polls".into()).spawn(move || engine.run())?;
        Ok(Arc::new(Self {
            ground,
            commands,
            next_route: AtomicU64::new(0),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            stats,
            thread: Some(thread),
        }))
    }

    /// From now on hear what this address sends.
    pub(super) fn listen(self: &Arc<Self>, address: SocketAddr) -> Ear {
        let (mailbox, datagrams) = mpsc::channel(MAILBOX);
        let id = self.next_route.fetch_add(1, Ordering::Relaxed);
        let address = plain(address);
        let expects = Arc::new(AtomicBool::new(false));
        let route = Route { id, expects: expects.clone(), mailbox };
        self.ground.routes().entry(address).or_default().push(route);
        Ear { wire: self.clone(), address, id, expects, datagrams }
    }

    /// From now on poll this device.
    pub(super) fn seat(self: &Arc<Self>, hot: Hot) -> Seat {
        let number = self.next_route.fetch_add(1, Ordering::Relaxed);
        self.command(Command::Seat(number, Box::new(hot)));
        Seat { wire: self.clone(), number }
    }

    /// Wait until all that was told the thread is done, and what it read before has been handed on.
    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        self.command(Command::Settle(done));
        let _ = settled.await;
    }

    fn command(&self, command: Command) {
        // It ends only after the last sender is gone.
        let _ = self.commands.send(command);
        self.ground.wake();
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) {
        let sent = match self.ground.socket(to) {
            Some(socket) => match socket.send_to(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The socket is full of polls that wait to leave; they take microseconds.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    socket.send_to(bytes, to)
                }
                sent => sent,
            },
            None => Err(io::ErrorKind::Unsupported.into()),
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
        self.ground.closed.store(true, Ordering::Release);
        self.ground.wake();
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, it has ended too.
            let _ = thread.join();
        }
    }
}

/// A device's place among those that are polled, for as long as this lives.
pub(super) struct Seat {
    wire: Arc<Wire>,
    number: u64,
}

impl Seat {
    pub(super) fn follow(&self, course: Arc<Course>) {
        self.wire.command(Command::Follow(self.number, course));
    }

    pub(super) fn look(&self, at: Timestamp, confirm_until: Option<Timestamp>) {
        self.wire.command(Command::Look(self.number, at, confirm_until));
    }

    pub(super) fn keep_time(&self, ticks: Ticks) {
        self.wire.command(Command::KeepTime(self.number, ticks));
    }

    pub(super) fn rename(&self, id: DeviceId) {
        self.wire.command(Command::Rename(self.number, id));
    }

    pub(super) fn rest(&self) {
        self.wire.command(Command::Rest(self.number));
    }

    pub(super) fn resume(&self) {
        self.wire.command(Command::Resume(self.number));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.wire.command(Command::Leave(self.number));
    }
}

/// Hears one address, and speaks to it.
pub(super) struct Ear {
    wire: Arc<Wire>,
    address: SocketAddr,
    id: u64,
    expects: Arc<AtomicBool>,
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

    /// From now on an answer is expected, or no more.
    pub(super) fn expect(&self, expects: bool) {
        self.expects.store(expects, Ordering::Relaxed);
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
        let mut routes = self.wire.ground.routes();
        if let Some(here) = routes.get_mut(&self.address) {
            here.retain(|route| route.id != self.id);
            if here.is_empty() {
                routes.remove(&self.address);
            }
        }
    }
}

/// The same address always in the same form: as a key, flow labels and mapped IPv4 do not count.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
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
    Ok(socket.into())
}
