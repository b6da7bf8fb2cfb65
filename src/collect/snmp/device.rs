//! The task of one device: it learns what there is to poll, and has the engine poll it.
//!
//! ```text
//!            name resolves            answers who it is           inventory read
//!  Unresolved ---------> Undiscovered ---------------> Known ---------------------> Polled
//!      ^                     | ^                        | ^                          | ^
//!      |   every 6th failure v | asked again            v | probed                   v | probed
//!      +------------------ failing --------------------failing ------------------- failing
//! ```
//!
//! Polls go on by themselves ([`Hot`]), also while a long walk is under way here; word comes through the door when
//! one of them failed or told of something to be read anew.
//!
//! A device that fails is asked for its sysUpTime alone, after 1, 2, 4, then every 5 seconds; with its answer
//! everything begins where it was.

mod learning;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::client::{Client, reason};
use super::door::{Door, Doors, Status, View};
use super::engine::{Course, Failure, Hot, Word};
use super::facts::{self, AskError, Facts};
use super::look;
use super::names::{NameChange, Names};
use super::schedule::{Ticks, retry_after};
use super::slow::Slow;
use super::stats::Stats;
use super::walks::Walk;
use super::wire::{Seat, Wire};
use crate::collect::{SampleSink, Target, clock};
use crate::fabric::{
    DeviceId, DeviceIdentity, InterfaceInfo, ManagementAddress, Reading, Sample, Timestamp, UnreachableReason, Uptime,
};
use crate::mib::lldp::{LocalPort, LocalPorts, RemoteIndex, RemoteRow};
use crate::mib::profile::{Profiles, Reader};
use crate::mib::{Column, system};
use crate::snmp::{Access, Got, Pace, Patience, RequestError};
use learning::INVENTORY_AGAIN;

/// net-snmp answers from a cache for 3 s; other agents do so for up to 5. A look this long after an event
/// sees what was so after it.
const CACHES_PASS: Duration = Duration::from_millis(5_500);
/// A device that failed and gives a sign of life is asked again no sooner than this after it failed.
const ASK_APART: Duration = Duration::from_millis(500);
/// After so many failures in a row the name is resolved again: the device may have moved.
const RESOLVE_AGAIN: u32 = 6;

/// Hears of names.
pub type NameSink = Arc<dyn Fn(NameChange) + Send + Sync>;

/// What all tasks share.
pub(super) struct Shared {
    pub(super) wire: Arc<Wire>,
    pub(super) stats: Arc<Stats>,
    pub(super) sink: SampleSink,
    pub(super) names: Mutex<Names>,
    pub(super) on_name: NameSink,
    pub(super) doors: Doors,
    pub(super) origin: Timestamp,
    /// Taken anew by each device with its next inventory.
    pub(super) profiles: ArcSwap<Profiles>,
}

impl Shared {
    pub(super) fn emit(&self, device: &DeviceId, taken_at: Timestamp, uptime: Option<Uptime>, reading: Reading) {
        (self.sink)(Sample { device: device.clone(), taken_at, device_uptime: uptime, reading });
    }

    pub(super) fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be done next.
enum Next {
    Resolve,
    Discover,
    Probe,
    Fail(Failure),
    Walk,
    Wait(Timestamp),
}

/// The tables, in the order in which they are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Facts,
    Interfaces,
    LocalPorts,
    LocalAddresses,
    Remotes,
    RemoteAddresses,
    /// Of [`Slow`], whichever is due; not in a queue.
    Slow,
}

const ALL: [Wanted; 6] = [
    Wanted::Facts,
    Wanted::Interfaces,
    Wanted::LocalPorts,
    Wanted::LocalAddresses,
    Wanted::Remotes,
    Wanted::RemoteAddresses,
];

/// The task of one device.
pub(super) struct Device {
    shared: Arc<Shared>,
    door: Arc<Door>,
    nth: u64,
    target: Target,
    access: Access,
    client: Option<Client>,

    id: DeviceId,
    /// A reading went out under a name that was not decided yet.
    shown_undecided: bool,
    facts: Option<Facts>,
    inventory: Arc<[Arc<InterfaceInfo>]>,
    course: Option<Arc<Course>>,
    /// Its place among those that are polled.
    seat: Option<Seat>,
    /// What its profile adds.
    vendor: Option<Arc<Reader>>,
    optional: Option<HashSet<Column>>,
    port_rows: BTreeMap<u32, LocalPort>,
    addresses: Vec<ManagementAddress>,
    identity: Option<Arc<DeviceIdentity>>,
    pace: Pace,

    failures: u32,
    failed_at: Timestamp,
    retry_at: Timestamp,
    /// What a poll told and was not acted on yet.
    failure: Option<Failure>,
    inventory_at: Timestamp,
    inventory_again: Duration,
    inventory_asked_at: Timestamp,
    neighbors_at: Timestamp,
    walk: Option<(Wanted, Walk)>,
    queue: VecDeque<Wanted>,
    remotes: BTreeMap<RemoteIndex, RemoteRow>,
    slow: Slow,
}

impl Device {
    /// Nothing is sent before it runs. `nth` spreads the polls of devices over the interval.
    pub(super) fn new(shared: Arc<Shared>, door: Arc<Door>, nth: u64, target: Target, access: Access) -> Self {
        let id = shared.names().provisional(&target.address);
        let slow = Slow::new(target.interval);
        Self {
            shared,
            door,
            nth,
            target,
            access,
            client: None,
            id,
            shown_undecided: false,
            facts: None,
            inventory: Arc::new([]),
            course: None,
            seat: None,
            vendor: None,
            optional: None,
            port_rows: BTreeMap::new(),
            addresses: Vec::new(),
            identity: None,
            pace: Pace::default(),
            failures: 0,
            failed_at: Timestamp::default(),
            retry_at: Timestamp::default(),
            failure: None,
            inventory_at: Timestamp::default(),
            inventory_again: INVENTORY_AGAIN,
            inventory_asked_at: Timestamp::default(),
            neighbors_at: Timestamp::default(),
            walk: None,
            queue: VecDeque::new(),
            remotes: BTreeMap::new(),
            slow,
        }
    }

    /// Until it is stopped from outside, which may be at any await: nothing here needs an end.
    pub(super) async fn run(mut self) {
        loop {
            self.serve_door();
            match self.next(clock::now()) {
                // What each of these needs meanwhile is thousands of bytes, and most devices wait most of the time.
                Next::Resolve => Box::pin(self.resolve()).await,
                Next::Discover => Box::pin(self.discover()).await,
                Next::Probe => Box::pin(self.probe()).await,
                Next::Fail(failure) => Box::pin(self.poll_failed(failure)).await,
                Next::Walk => Box::pin(self.walk()).await,
                Next::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(clock::instant(until)) => {}
                        () = self.door.wait() => {}
                    }
                }
            }
        }
    }

    fn next(&self, now: Timestamp) -> Next {
        let failing = self.failures > 0 && self.retry_at > now;
        if failing {
            return Next::Wait(self.retry_at);
        }
        if self.client.is_none() {
            return Next::Resolve;
        }
        if self.facts.is_none() {
            return Next::Discover;
        }
        if self.failures > 0 {
            return Next::Probe;
        }
        if let Some(failure) = self.failure {
            return Next::Fail(failure);
        }
        let walk_at = self.inventory_at.min(self.neighbors_at).min(self.slow.due());
        if self.walk.is_some() || !self.queue.is_empty() || walk_at <= now {
            return Next::Walk;
        }
        Next::Wait(walk_at)
    }

    fn serve_door(&mut self) {
        let knocks = self.door.open();
        let now = clock::now();
        if let Some((target, access)) = knocks.retarget {
            self.retarget(now, target, access);
        }
        self.hear(now, knocks.word);
        if knocks.states {
            if let Some(seat) = &self.seat {
                seat.look(now, Some(now + CACHES_PASS));
            }
            self.slow.hurry(now);
            // It gives a sign of life: ask it before its turn.
            self.retry_at = self.retry_at.min((self.failed_at + ASK_APART).max(now));
        }
        if knocks.all {
            self.inventory_at = now;
            self.slow.anew(now);
        }
        if knocks.all || knocks.neighbors {
            self.neighbors_at = now;
        }
    }

    /// What polls told.
    fn hear(&mut self, now: Timestamp, word: Word) {
        if self.seat.is_none() || self.failures > 0 {
            return;
        }
        self.failure = word.failed.or(self.failure);
        if word.inventory {
            // A device that tells of changes with every poll is not read anew with every poll.
            let at = now.max(self.inventory_asked_at + self.inventory_again);
            self.inventory_asked_at = at;
            self.inventory_at = self.inventory_at.min(at);
        }
        if word.neighbors {
            self.neighbors_at = now;
        }
    }

    async fn poll_failed(&mut self, failure: Failure) {
        self.failure = None;
        match failure {
            Failure::Request(error) => self.unanswered(&error).await,
            Failure::Denied => self.failed(UnreachableReason::Authentication),
        }
    }

    /// Have it polled by what was learned.
    fn take_seat(&mut self) {
        // The seat before, if there is one, is left first: what was learned there is taken along.
        self.seat = None;
        let (Some(course), Some(client)) = (&self.course, &self.client) else { return };
        let now = clock::now();
        // The first poll at once, the next at the device's own time.
        let from = now + self.target.interval / 2;
        let ticks = Ticks::new(self.shared.origin, self.nth, self.target.interval, from);
        let patience = Patience { timeout: self.target.timeout, retries: self.target.retries };
        self.seat = Some(self.shared.wire.seat(Hot::new(
            (self.door.clone(), self.id.clone()),
            (client.address(), self.access.clone(), patience),
            (course.clone(), ticks),
            rand::random(),
            now,
        )));
        if self.failures > 0
            && let Some(seat) = &self.seat
        {
            seat.rest();
        }
    }

    fn retarget(&mut self, now: Timestamp, target: Target, access: Access) {
        let before = std::mem::replace(&mut self.target, target);
        self.access = access;
        let credentials = self.target.credentials.clone();
        self.door.amend(|view| view.credentials = credentials);
        let speaks_otherwise = before.credentials != self.target.credentials
            || (before.timeout, before.retries) != (self.target.timeout, self.target.retries);
        if let Some(address) = self.client.as_ref().map(Client::address).filter(|_| speaks_otherwise) {
            self.connect(address);
            self.retry_at = now;
        }
        self.slow.set_interval(self.target.interval);
        if before.interval != self.target.interval
            && let Some(seat) = &self.seat
        {
            seat.keep_time(Ticks::new(self.shared.origin, self.nth, self.target.interval, now));
        }
        if before.labels != self.target.labels && self.identity.is_some() {
            self.emit_identity(now);
        }
    }

    fn connect(&mut self, address: SocketAddr) {
        let patience = Patience { timeout: self.target.timeout, retries: self.target.retries };
        self.client = Some(Client::new(&self.shared.wire, address, self.access.clone(), patience));
        self.shared.doors.enter(&self.door, address.ip());
        let interfaces = self.inventory.clone();
        let credentials = self.target.credentials.clone();
        self.door.show(View { device: self.id.clone(), address, credentials, interfaces });
        self.take_seat();
    }

    async fn resolve(&mut self) {
        match resolve(&self.target.address).await {
            Some(address) => {
                self.connect(address);
                // What failed before was another address, maybe.
                self.retry_at = clock::now();
            }
            None => self.failed(UnreachableReason::NameResolution),
        }
    }

    async fn discover(&mut self) {
        let Some(client) = &mut self.client else { return };
        match facts::ask(client).await {
            Ok(facts) => {
                self.identified(facts);
                self.answered();
                self.queue.extend(ALL.into_iter().skip(1));
                let now = clock::now();
                (self.inventory_at, self.neighbors_at) = (now + self.inventory_every(), now + self.neighbors_every());
            }
            Err(AskError::Request(error)) => self.unanswered(&error).await,
            Err(denied) => self.failed(denied.reason()),
        }
    }

    /// No answer at all; if it is because nothing listens there, say so.
    async fn unanswered(&mut self, error: &RequestError) {
        let mut reason = reason(error);
        if let (UnreachableReason::Timeout, Some(client)) = (reason, &self.client)
            && look::nothing_listens(client.address(), self.access.clone()).await
        {
            reason = UnreachableReason::Refused;
        }
        self.failed(reason);
    }

    fn identified(&mut self, facts: Facts) {
        let (id, news) = self.shared.names().decide(&self.target.address, &facts.sys_name);
        if id != self.id {
            if self.shown_undecided {
                // It failed before it ever said its name: who knows it by its address shall forget that.
                self.shared.emit(&self.id, facts.taken_at, None, Reading::Retired);
            }
            self.id = id;
            if let Some(seat) = &self.seat {
                seat.rename(self.id.clone());
            }
        }
        self.shown_undecided = false;
        if let Some(news) = news {
            (self.shared.on_name)(news);
        }
        let taken_at = facts.taken_at;
        self.facts = Some(facts);
        self.emit_identity(taken_at);
    }

    fn emit_identity(&mut self, taken_at: Timestamp) {
        let (Some(facts), Some(client)) = (&self.facts, &self.client) else { return };
        let labels = &self.target.labels;
        let ports = LocalPorts::join(&self.port_rows, &self.inventory);
        let identity = facts.identity(client.address(), labels, &self.inventory, &ports, &self.addresses);
        let identity = Arc::new(identity);
        self.identity = Some(identity.clone());
        // The facts may be older than this moment, and polls in between know better how long it has been up: an uptime
        // that seems to fall is a restart to everybody.
        self.shared.emit(&self.id, taken_at, None, Reading::Identity(identity));
        let interfaces = self.inventory.clone();
        self.door.amend(|view| {
            view.device = self.id.clone();
            view.interfaces = interfaces;
        });
    }

    /// Ask for one value, to see whether it is back.
    async fn probe(&mut self) {
        let Some(client) = &mut self.client else { return };
        let mut shown = false;
        let names = vec![system::SYS_UP_TIME.object_id(), system::SYS_NAME.object_id()];
        match client.get(names, |_, got, _| shown |= matches!(got, Got::Value(value) if !value.is_exception())).await {
            Ok(()) if !shown => self.failed(UnreachableReason::Authentication),
            Ok(()) => {
                self.answered();
                let now = clock::now();
                // Whatever kept it from answering may have changed it.
                self.inventory_at = now;
                self.neighbors_at = now;
            }
            Err(error) => self.unanswered(&error).await,
        }
    }

    fn answered(&mut self) {
        self.failures = 0;
        self.failure = None;
        if let Some(seat) = &self.seat {
            seat.resume();
        }
        self.door.set_status(Status::Answered);
    }

    fn failed(&mut self, reason: UnreachableReason) {
        let now = clock::now();
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
        self.retry_at = now + retry_after(self.failures);
        self.door.set_status(Status::Failed);
        self.walk = None;
        self.slow.interrupted();
        self.queue.clear();
        self.shown_undecided |= self.facts.is_none();
        if let Some(seat) = &self.seat {
            seat.rest();
        }
        if self.failures.is_multiple_of(RESOLVE_AGAIN) {
            self.client = None;
        }
        self.shared.emit(&self.id, now, None, Reading::Unreachable(reason));
    }
}

/// The first address of `host:port`, IPv4 before IPv6 where a name has both.
pub async fn resolve(address: &str) -> Option<SocketAddr> {
    let found = tokio::net::lookup_host(address).await.ok()?;
    found.min_by_key(SocketAddr::is_ipv6)
}
