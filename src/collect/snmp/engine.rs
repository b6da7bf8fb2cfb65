//! The thread that owns the sockets and polls all devices that are known.
//!
//! ```text
//!   devices' tasks --Command--> Engine { wheel: when?  hot: what?  outbox, inbox: how } --Sample--> SampleSink
//!         ^   ^                    |      |
//!         |   +------- Word -------+      |
//!         +------- datagrams (by Wire's routes) of what is asked besides polls
//! ```
//!
//! It looks round and round: takes what has come, lets the time pass, begins the polls that are due, sends what
//! there is to send, and sleeps when there is nothing. All that comes or goes in one round goes through one system
//! call each. No device waits for another, but for its turn to send: no more requests are in flight than answers fit
//! into the socket's buffer, and one that is not answered at once stops counting as in flight ([`FLIGHT`]).

mod hot;
mod wheel;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;

pub use hot::{Course, Failure, Habits, Word};
pub(super) use hot::{Desk, Hot};

use self::wheel::Wheel;
use super::schedule::Ticks;
use super::stats::{add, count};
use super::wire::{Ground, plain};
use crate::collect::sys::mmsg::{BATCH, Datagram, Inbox, Outbox};
use crate::collect::sys::wait;
use crate::collect::{SampleSink, clock};
use crate::fabric::{DeviceId, Timestamp};
use crate::snmp::{Expired, Outcome, RequestError, RequestId};

/// Requests of polls that may be in flight. With those of everything else it stays below what the socket's buffer
/// holds answers for.
const IN_FLIGHT: usize = 1_024;
/// How long an unanswered request counts as in flight. Answers take milliseconds; beyond this the device is slow or
/// dead, and must not keep others from asking.
const FLIGHT: Duration = Duration::from_millis(200);
/// Room for one datagram: more than any that was asked for. (Not a power of two, so that buffers do not fight for the
/// same lines of the cache.)
const DATAGRAM: usize = 16_384 + 9 * 64;
/// Datagrams that may wait to be sent in one round.
const OUTBOX: usize = 2 * IN_FLIGHT;
/// Rounds sleep no longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What the tasks of devices want done. Each speaks for a seat, a number that is never used again.
pub(super) enum Command {
    /// Poll this device from now on.
    Seat(u64, Box<Hot>),
    /// It was learned anew.
    Follow(u64, Arc<Course>),
    /// Look at it, and perhaps once more.
    Look(u64, Timestamp, Option<Timestamp>),
    /// Other times for its polls.
    KeepTime(u64, Ticks),
    /// It has another name.
    Rename(u64, DeviceId),
    /// It does not answer.
    Rest(u64),
    /// It answers again.
    Resume(u64),
    /// It is not to be polled any more.
    Leave(u64),
    /// Say when all that was said before is done.
    Settle(tokio::sync::oneshot::Sender<()>),
}

/// The thread's own.
pub(super) struct Engine {
    ground: Arc<Ground>,
    commands: Receiver<Command>,
    sink: SampleSink,
    hots: Vec<Option<Box<Hot>>>,
    free: Vec<u32>,
    seats: HashMap<u64, u32>,
    by_address: HashMap<SocketAddr, Vec<u32>>,
    wheel: Wheel,
    due: Vec<(u32, Timestamp)>,
    /// Requests that count as in flight, and those that were sent, the oldest first.
    in_flight: usize,
    flights: VecDeque<(Timestamp, u32, RequestId)>,
    /// Devices that may not send yet.
    line: VecDeque<u32>,
    desk: Desk,
    out: Vec<u8>,
    outboxes: [Outbox; 2],
    inbox: Option<Inbox>,
}

impl Engine {
    pub(super) fn new(ground: Arc<Ground>, commands: Receiver<Command>, sink: SampleSink) -> Self {
        let outbox = || Outbox::new(OUTBOX, OUTBOX * 512, true);
        Self {
            desk: Desk::new(ground.stats.clone()),
            ground,
            commands,
            sink,
            hots: Vec::new(),
            free: Vec::new(),
            seats: HashMap::new(),
            by_address: HashMap::new(),
            wheel: Wheel::new(clock::now()),
            due: Vec::new(),
            in_flight: 0,
            flights: VecDeque::new(),
            line: VecDeque::new(),
            out: Vec::new(),
            outboxes: [outbox(), outbox()],
            inbox: Some(Inbox::new(BATCH, DATAGRAM)),
        }
    }

    /// Until the ground is closed.
    pub(super) fn run(mut self) {
        while !self.ground.is_closed() {
            let now = clock::now();
            self.obey(now);
            let came = self.receive();
            let now = clock::now();
            self.pass(now);
            self.admit(now);
            self.flush();
            self.hand_on();
            if !came {
                self.sleep(now);
            }
        }
    }

    fn obey(&mut self, now: Timestamp) {
        // What comes meanwhile waits for the next round.
        for _ in 0..self.commands.len() {
            let Ok(command) = self.commands.try_recv() else { return };
            match command {
                Command::Seat(seat, hot) => self.seat(seat, hot),
                Command::Leave(seat) => self.leave(seat),
                Command::Settle(done) => {
                    self.hand_on();
                    // Nobody listens any more: then nobody waits.
                    let _ = done.send(());
                }
                Command::Follow(seat, course) => self.with(seat, |hot| hot.follow(course)),
                Command::Look(seat, at, confirm_until) => self.with(seat, |hot| hot.want(at, confirm_until)),
                Command::KeepTime(seat, ticks) => self.with(seat, |hot| hot.keep_time(ticks)),
                Command::Rename(seat, id) => self.with(seat, |hot| hot.id = id),
                Command::Rest(seat) => self.with(seat, Hot::rest),
                Command::Resume(seat) => self.with(seat, |hot| hot.resume(now)),
            }
        }
    }

    fn with(&mut self, seat: u64, change: impl FnOnce(&mut Hot)) {
        if let Some(slot) = self.seats.get(&seat).copied()
            && let Some(hot) = self.hots[slot as usize].as_mut()
        {
            change(hot);
            self.arm(slot);
        }
    }

    fn seat(&mut self, seat: u64, mut hot: Box<Hot>) {
        hot.recall();
        let address = plain(hot.address);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.hots[slot as usize] = Some(hot);
                slot
            }
            None => {
                self.hots.push(Some(hot));
                (self.hots.len() - 1) as u32
            }
        };
        self.seats.insert(seat, slot);
        self.by_address.entry(address).or_insert_with(|| Vec::with_capacity(1)).push(slot);
        self.arm(slot);
    }

    fn leave(&mut self, seat: u64) {
        let Some(slot) = self.seats.remove(&seat) else { return };
        let Some(hot) = self.hots[slot as usize].take() else { return };
        self.in_flight -= hot.flying.len();
        hot.door.keep_habits(hot.habits());
        let address = plain(hot.address);
        if let Some(here) = self.by_address.get_mut(&address) {
            here.retain(|other| *other != slot);
            if here.is_empty() {
                self.by_address.remove(&address);
            }
        }
        self.free.push(slot);
    }

    /// Take one batch from each socket; true, if there may be more.
    fn receive(&mut self) -> bool {
        let Some(mut inbox) = self.inbox.take() else { return false };
        let ground = self.ground.clone();
        let mut came = false;
        for socket in ground.sockets() {
            match inbox.receive(socket.as_fd()) {
                Ok(0) => {}
                Ok(_) => {
                    came = true;
                    let now = clock::now();
                    inbox.each(|datagram| self.take(now, datagram));
                }
                // Such as an ICMP error that the kernel reports here: it ends no conversation of others.
                Err(error) => {
                    came = true;
                    tracing::debug!(%error, "reading the poll socket");
                }
            }
        }
        self.inbox = Some(inbox);
        came
    }

    fn take(&mut self, now: Timestamp, datagram: Datagram<'_>) {
        let from = plain(datagram.from);
        let Self { hots, by_address, desk, out, ground, .. } = self;
        if datagram.truncated {
            count(&desk.stats.truncated);
        }
        let bytes = datagram.bytes;
        let here = by_address.get(&from).map_or(&[][..], Vec::as_slice);
        for at in 0..here.len() {
            let slot = here[at];
            let Some(hot) = hots[slot as usize].as_mut() else { continue };
            let Hot { session, .. } = &mut **hot;
            // A datagram that answers none of this session's requests is left as it was.
            let (request, over) = match session.receive(now, bytes, out) {
                Outcome::Unexpected => continue,
                Outcome::Response { request, response, round_trip } => {
                    desk.stats.answered(round_trip);
                    (Some(request), hot.answered(now, request, &response, desk))
                }
                Outcome::Failed { request, error } => {
                    let refused = matches!(error, RequestError::Authentication(_));
                    count(if refused { &desk.stats.refusals } else { &desk.stats.timeouts });
                    (Some(request), hot.failed(now, request, error, desk))
                }
                Outcome::Resend { .. } => {
                    count(&desk.stats.resends);
                    let address = hot.address;
                    let out = std::mem::take(out);
                    self.post(address, &out);
                    self.out = out;
                    self.arm(slot);
                    return;
                }
                Outcome::Forged => {
                    count(&desk.stats.forged);
                    return;
                }
                // Whose it was cannot be told: others at this address may have a better idea.
                Outcome::Undecodable(_) if here.len() > 1 => continue,
                Outcome::Undecodable(_) if ground.expects(from) => continue,
                Outcome::Undecodable(_) => {
                    count(&desk.stats.undecodable);
                    return;
                }
            };
            if let Some(request) = request {
                self.land(slot, request);
            }
            if over {
                self.arm(slot);
            } else {
                self.pump(slot, now);
            }
            return;
        }
        ground.hand_over(from, bytes, now, !here.is_empty());
    }

    /// Let the time pass: tries that ran out, polls that are due.
    fn pass(&mut self, now: Timestamp) {
        while let Some(&(sent, slot, request)) = self.flights.front()
            && now.since(sent) >= FLIGHT
        {
            self.flights.pop_front();
            self.land(slot, request);
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for (slot, at) in due.drain(..) {
            self.look_at(slot, at, now);
        }
        self.due = due;
    }

    fn look_at(&mut self, slot: u32, at: Timestamp, now: Timestamp) {
        let Some(hot) = self.hots[slot as usize].as_mut() else { return };
        if hot.armed != Some(at) {
            return;
        }
        hot.armed = None;
        while let Some(hot) = self.hots[slot as usize].as_mut()
            && let Some(expired) = hot.session.poll_timeout(now, &mut self.out)
        {
            match expired {
                Expired::Resend { .. } => {
                    count(&self.desk.stats.resends);
                    hot.lost();
                    let address = hot.address;
                    let out = std::mem::take(&mut self.out);
                    self.post(address, &out);
                    self.out = out;
                }
                Expired::GaveUp { request, error } => {
                    count(&self.desk.stats.timeouts);
                    hot.failed(now, request, error, &mut self.desk);
                    self.land(slot, request);
                }
            }
        }
        if let Some(hot) = self.hots[slot as usize].as_mut() {
            if hot.is_polling() {
                self.pump(slot, now);
            } else if hot.is_due(now) {
                self.stand_in_line(slot);
            } else {
                self.arm(slot);
            }
        }
    }

    fn stand_in_line(&mut self, slot: u32) {
        if let Some(hot) = self.hots[slot as usize].as_mut()
            && !std::mem::replace(&mut hot.in_line, true)
        {
            self.line.push_back(slot);
        }
    }

    /// Let those in line send, as far as there is room.
    fn admit(&mut self, now: Timestamp) {
        while self.in_flight < IN_FLIGHT
            && let Some(slot) = self.line.pop_front()
        {
            let Some(hot) = self.hots[slot as usize].as_mut() else { continue };
            hot.in_line = false;
            if hot.is_due(now) {
                hot.begin(now, &self.desk.stats);
            }
            self.pump(slot, now);
        }
    }

    /// Send what a device may be asked now.
    fn pump(&mut self, slot: u32, now: Timestamp) {
        loop {
            if self.in_flight >= IN_FLIGHT {
                self.stand_in_line(slot);
                break;
            }
            let Some(hot) = self.hots[slot as usize].as_mut() else { return };
            let Some(request) = hot.ask(now, &mut self.desk, &mut self.out) else { break };
            hot.flying.push(request);
            let address = hot.address;
            self.in_flight += 1;
            self.flights.push_back((now, slot, request));
            count(&self.desk.stats.requests);
            let out = std::mem::take(&mut self.out);
            self.post(address, &out);
            self.out = out;
        }
        self.arm(slot);
    }

    /// A request does not count as in flight any more.
    fn land(&mut self, slot: u32, request: RequestId) {
        if let Some(hot) = self.hots[slot as usize].as_mut()
            && let Some(at) = hot.flying.iter().position(|flying| *flying == request)
        {
            hot.flying.swap_remove(at);
            self.in_flight -= 1;
        }
    }

    /// Have the wheel tell of a device in time.
    fn arm(&mut self, slot: u32) {
        if let Some(hot) = self.hots[slot as usize].as_mut()
            && let Some(at) = hot.next()
            && hot.armed.is_none_or(|armed| armed > at)
        {
            hot.armed = Some(at);
            self.wheel.arm(slot, at);
        }
    }

    fn post(&mut self, to: SocketAddr, bytes: &[u8]) {
        let which = usize::from(to.is_ipv6());
        if self.ground.socket(to).is_none() {
            return count(&self.desk.stats.send_failures);
        }
        if !self.outboxes[which].push(to, None, bytes) {
            self.flush();
            if !self.outboxes[which].push(to, None, bytes) {
                // The socket takes nothing: the request's retries may do better.
                count(&self.desk.stats.send_failures);
            }
        }
    }

    fn flush(&mut self) {
        for (outbox, socket) in self.outboxes.iter_mut().zip(self.ground.sockets()) {
            if !outbox.is_empty() {
                let flushed = outbox.flush(socket.as_fd());
                add(&self.desk.stats.send_failures, flushed.refused);
                if let Some(error) = flushed.error {
                    let error = std::io::Error::from_raw_os_error(error);
                    tracing::debug!(%error, refused = flushed.refused, "requests could not be sent");
                }
            }
        }
    }

    fn hand_on(&mut self) {
        for sample in self.desk.samples.drain(..) {
            (self.sink)(sample);
        }
    }

    fn sleep(&mut self, now: Timestamp) {
        let mut most = LONGEST_SLEEP;
        if !self.line.is_empty()
            && let Some((sent, ..)) = self.flights.front()
        {
            most = (*sent + FLIGHT).since(now);
        }
        if self.outboxes.iter().any(|outbox| !outbox.is_empty()) {
            most = most.min(Duration::from_millis(1));
        }
        let idle = self.wheel.idle_for(now, most);
        if idle.is_zero() {
            return;
        }
        let ground = self.ground.clone();
        if ground.doze() {
            let mut sockets = ground.sockets();
            let fds = [sockets.next().map(|s| s.as_fd()), sockets.next().map(|s| s.as_fd()), Some(ground.bell())];
            if let Err(error) = wait::readable(fds, idle) {
                tracing::warn!(%error, "waiting for the poll sockets");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        ground.wake_up();
    }
}
