//! The task of one device: one request at a time, the most urgent first.
//!
//! ```text
//!            name resolves            answers who it is           inventory read
//!  Unresolved ---------> Undiscovered ---------------> Known ---------------------> Polled
//!      ^                     | ^                        | ^                          | ^
//!      |   every 6th failure v | asked again            v | probed                   v | probed
//!      +------------------ failing --------------------failing ------------------- failing
//! ```
//!
//! While it is polled: what was wished for or is due goes first, then the next step of a walk under way,
//! then walks that are due. So a poll waits for one exchange at most, not for a walk of minutes.
//!
//! A device that fails is asked for its sysUpTime alone, after 1, 2, 4, then every 5 seconds; with its answer
//! everything begins where it was.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::client::{Client, reason};
use super::door::{Door, Doors, Status, View};
use super::facts::{self, AskError, Facts};
use super::look;
use super::names::{NameChange, Names};
use super::schedule::{Ticks, Wish, retry_after};
use super::stats::{Stats, add, count};
use super::walks::{Step, Table, Walk, cut_columns};
use super::wire::Wire;
use crate::collect::{SampleSink, Target, clock};
use crate::fabric::{
    DeviceId, DeviceIdentity, InterfaceInfo, ManagementAddress, Reading, Sample, Timestamp, UnreachableReason, Uptime,
};
use crate::mib::interfaces::{self, InterfaceRows};
use crate::mib::lldp::{self, LocalPort, LocalPorts, RemoteIndex, RemoteRow};
use crate::mib::plan::PollPlan;
use crate::mib::{Column, system, value};
use crate::snmp::table::WalkEnd;
use crate::snmp::{Access, Got, Limits, Pace, Patience, Progress, RequestError, TablePlan, TableWalk};

/// How often the inventory is read where nothing tells of a change.
const INVENTORY_EVERY: Duration = Duration::from_secs(60);
/// How often neighbours are.
const NEIGHBORS_EVERY: Duration = Duration::from_secs(30);
/// Least time between two inventories that a poll asks for; doubled while they find nothing new.
const INVENTORY_AGAIN: Duration = Duration::from_secs(5);
/// Least time between two looks that somebody wished for: a storm of traps is two looks a second.
const LOOKS_APART: Duration = Duration::from_millis(500);
/// net-snmp answers from a cache for 3 s; other agents do so for up to 5. A look this long after an event
/// sees what was so after it.
const CACHES_PASS: Duration = Duration::from_millis(5_500);
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
    Poll,
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
    rows: Option<InterfaceRows>,
    inventory: Vec<Arc<InterfaceInfo>>,
    plan: PollPlan,
    table_plan: Option<Arc<TablePlan>>,
    scalars: Vec<Column>,
    optional: Option<HashSet<Column>>,
    port_rows: BTreeMap<u32, LocalPort>,
    ports: LocalPorts,
    addresses: Vec<ManagementAddress>,
    identity: Option<Arc<DeviceIdentity>>,
    pace: Pace,
    last_uptime: Option<(Timestamp, Uptime)>,
    last_changes: Vec<Option<u32>>,

    failures: u32,
    failed_at: Timestamp,
    retry_at: Timestamp,
    ticks: Option<Ticks>,
    look: Wish,
    confirm_until: Timestamp,
    inventory_at: Timestamp,
    inventory_again: Duration,
    inventory_asked_at: Timestamp,
    neighbors_at: Timestamp,
    walk: Option<(Wanted, Walk)>,
    queue: VecDeque<Wanted>,
    remotes: BTreeMap<RemoteIndex, RemoteRow>,
}

impl Device {
    /// Nothing is sent before it runs. `nth` spreads the polls of devices over the interval.
    pub(super) fn new(shared: Arc<Shared>, door: Arc<Door>, nth: u64, target: Target, access: Access) -> Self {
        let id = shared.names().provisional(&target.address);
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
            rows: None,
            inventory: Vec::new(),
            plan: PollPlan::default(),
            table_plan: None,
            scalars: Vec::new(),
            optional: None,
            port_rows: BTreeMap::new(),
            ports: LocalPorts::default(),
            addresses: Vec::new(),
            identity: None,
            pace: Pace::default(),
            last_uptime: None,
            last_changes: Vec::new(),
            failures: 0,
            failed_at: Timestamp::default(),
            retry_at: Timestamp::default(),
            ticks: None,
            look: Wish::default(),
            confirm_until: Timestamp::default(),
            inventory_at: Timestamp::default(),
            inventory_again: INVENTORY_AGAIN,
            inventory_asked_at: Timestamp::default(),
            neighbors_at: Timestamp::default(),
            walk: None,
            queue: VecDeque::new(),
            remotes: BTreeMap::new(),
        }
    }

    /// Until it is stopped from outside, which may be at any await: nothing here needs an end.
    pub(super) async fn run(mut self) {
        loop {
            self.serve_door();
            match self.next(clock::now()) {
                Next::Resolve => self.resolve().await,
                Next::Discover => self.discover().await,
                Next::Probe => self.probe().await,
                Next::Poll => self.poll().await,
                Next::Walk => self.walk().await,
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
        let polls = self.ticks.map(|ticks| ticks.next()).into_iter().chain(self.look.due());
        let poll_at = polls.min().filter(|_| self.table_plan.is_some());
        if poll_at.is_some_and(|at| at <= now) {
            return Next::Poll;
        }
        if self.walk.is_some() || !self.queue.is_empty() || self.inventory_at <= now || self.neighbors_at <= now {
            return Next::Walk;
        }
        Next::Wait(poll_at.into_iter().fold(self.inventory_at.min(self.neighbors_at), Timestamp::min))
    }

    fn serve_door(&mut self) {
        let knocks = self.door.open();
        let now = clock::now();
        if let Some((target, access)) = knocks.retarget {
            self.retarget(now, target, access);
        }
        if knocks.states {
            self.look.want(now);
            self.confirm_until = now + CACHES_PASS;
            // It gives a sign of life: ask it before its turn.
            self.retry_at = self.retry_at.min((self.failed_at + LOOKS_APART).max(now));
        }
        if knocks.all {
            self.inventory_at = now;
        }
        if knocks.all || knocks.neighbors {
            self.neighbors_at = now;
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
        if before.interval != self.target.interval && self.ticks.is_some() {
            self.ticks = Some(Ticks::new(self.shared.origin, self.nth, self.target.interval, now));
        }
        if before.labels != self.target.labels && self.identity.is_some() {
            self.emit_identity(now);
        }
    }

    fn connect(&mut self, address: SocketAddr) {
        let patience = Patience { timeout: self.target.timeout, retries: self.target.retries };
        self.client = Some(Client::new(&self.shared.wire, address, self.access.clone(), patience));
        self.shared.doors.enter(&self.door, address.ip());
        let interfaces = self.door.view().map(|view| view.interfaces).unwrap_or_default();
        let credentials = self.target.credentials.clone();
        self.door.show(View { device: self.id.clone(), address, credentials, interfaces });
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
                (self.inventory_at, self.neighbors_at) = (now + INVENTORY_EVERY, now + NEIGHBORS_EVERY);
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
        let identity = facts.identity(client.address(), labels, &self.inventory, &self.ports, &self.addresses);
        let identity = Arc::new(identity);
        self.identity = Some(identity.clone());
        self.shared.emit(&self.id, taken_at, facts.uptime, Reading::Identity(identity));
        let interfaces = self.inventory.iter().map(|info| (info.if_index, info.if_name.clone()));
        let interfaces: Arc<HashMap<_, _>> = Arc::new(interfaces.collect());
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
                self.look.want(now);
                // Whatever kept it from answering may have changed it.
                self.inventory_at = now;
                self.neighbors_at = now;
            }
            Err(error) => self.unanswered(&error).await,
        }
    }

    fn answered(&mut self) {
        self.failures = 0;
        self.door.set_status(Status::Answered);
    }

    fn failed(&mut self, reason: UnreachableReason) {
        let now = clock::now();
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
        self.retry_at = now + retry_after(self.failures);
        self.door.set_status(Status::Failed);
        self.walk = None;
        self.queue.clear();
        self.shown_undecided |= self.facts.is_none();
        if self.failures.is_multiple_of(RESOLVE_AGAIN) {
            self.client = None;
        }
        if let Some(ticks) = &mut self.ticks {
            ticks.pass(now);
        }
        self.shared.emit(&self.id, now, None, Reading::Unreachable(reason));
    }

    async fn poll(&mut self) {
        let (Some(client), Some(table_plan)) = (&mut self.client, &self.table_plan) else { return };
        let stats = &self.shared.stats;
        let begun = clock::now();
        count(&stats.polls);
        if let Some(ticks) = self.ticks.as_mut().filter(|ticks| ticks.next() <= begun) {
            ticks.begin();
        }
        self.look.served(begun, LOOKS_APART);

        let columns = table_plan.columns.len();
        let mut walk = TableWalk::new(table_plan.clone(), Limits::default(), self.pace);
        let mut seen = Seen::default();
        // The answer before this one, where it held only the beginning of a row.
        let mut begun_at = None;
        let end = loop {
            let mut polls = Vec::new();
            let mut uptime = None;
            let mut received_at = None;
            let progress = client
                .step(&mut walk, |row, at| {
                    let taken_at = if row.is_spread() { begun_at.unwrap_or(at) } else { at };
                    received_at.get_or_insert(taken_at);
                    if uptime.is_none() {
                        uptime = row.scalar(0).as_ref().and_then(value::unsigned).map(Uptime);
                        seen.changes = (1..=self.scalars.len())
                            .map(|at| row.scalar(at).as_ref().and_then(value::unsigned))
                            .collect();
                    }
                    let Some(index) = row.index().single() else { return };
                    let cells: Vec<_> = (0..columns).map(|column| row.get(column)).collect();
                    match self.plan.read(index, &cells) {
                        Ok(poll) => {
                            seen.rows += 1;
                            polls.push(poll);
                        }
                        Err(_) => seen.refused += 1,
                    }
                })
                .await;
            match received_at {
                Some(taken_at) => {
                    seen.uptime = uptime.map(|uptime| (taken_at, uptime)).or(seen.uptime);
                    seen.answers += 1;
                    self.shared.emit(&self.id, taken_at, uptime, Reading::Poll(polls));
                    begun_at = None;
                }
                None => begun_at = begun_at.or(Some(clock::now())),
            }
            match progress {
                Progress::More => {}
                Progress::Done(end) => break end,
            }
        };
        self.pace = walk.pace();
        let cut = cut_columns(&walk, columns);
        add(&stats.columns_cut, cut);
        add(&stats.rows, seen.rows);
        add(&stats.rows_refused, seen.refused);

        let now = clock::now();
        if let Some(ticks) = &mut self.ticks {
            add(&stats.polls_skipped, ticks.pass(now) as usize);
        }
        if self.confirm_until > begun {
            self.look.want(self.confirm_until);
        }
        match end {
            WalkEnd::Failed(error) if seen.answers == 0 => {
                count(&stats.polls_failed);
                return self.unanswered(&error).await;
            }
            WalkEnd::Complete => {}
            _ => count(&stats.polls_truncated),
        }
        if seen.answers == 0 && cut > 0 {
            // It answers, and shows us nothing any more.
            return self.failed(UnreachableReason::Authentication);
        }
        if seen.answers == 0 {
            // It answers, and has no interface at all to tell of.
            self.shared.emit(&self.id, now, None, Reading::Poll(Vec::new()));
        }
        let complete = end == WalkEnd::Complete;
        self.notice(now, &seen, complete);
    }

    /// What a poll told besides counters: that the inventory or the neighbours are to be read anew.
    fn notice(&mut self, now: Timestamp, seen: &Seen, complete: bool) {
        let restarted = match (self.last_uptime, seen.uptime) {
            (Some((before_at, before)), Some((at, uptime))) => fell(before, uptime, at.since(before_at)),
            _ => false,
        };
        self.last_uptime = seen.uptime.or(self.last_uptime);
        let changed = |at: usize| {
            let (before, now) = (self.last_changes.get(at).copied().flatten(), seen.changes.get(at).copied().flatten());
            before.is_some() && now.is_some() && before != now
        };
        let mut interfaces_changed = false;
        for (_, column) in self.scalars.iter().enumerate().filter(|(at, _)| changed(*at)) {
            if *column == lldp::REM_TABLES_LAST_CHANGE {
                self.neighbors_at = now;
            } else {
                interfaces_changed = true;
            }
        }
        if !seen.changes.is_empty() {
            self.last_changes = seen.changes.clone();
        }
        if restarted {
            self.neighbors_at = now;
        }
        let rows_moved = seen.refused > 0 || (complete && seen.rows != self.plan.interfaces());
        if (restarted || interfaces_changed || rows_moved) && now >= self.inventory_asked_at + self.inventory_again {
            self.inventory_asked_at = now;
            self.inventory_at = now;
        }
    }

    /// One step of the walk under way, or the first of the next.
    async fn walk(&mut self) {
        let now = clock::now();
        if self.walk.is_none() && self.queue.is_empty() {
            if self.inventory_at <= now {
                self.inventory_at = now + INVENTORY_EVERY;
                self.neighbors_at = now + NEIGHBORS_EVERY;
                self.queue.extend(ALL);
            } else if self.neighbors_at <= now {
                self.neighbors_at = now + NEIGHBORS_EVERY;
                self.queue.extend([Wanted::Remotes, Wanted::RemoteAddresses]);
            }
        }
        let Some(client) = &mut self.client else { return };
        let Some((wanted, mut walk)) = self.walk.take().or_else(|| {
            let wanted = *self.queue.front()?;
            let table = match wanted {
                Wanted::Facts => return None,
                Wanted::Interfaces => Table::interfaces(),
                Wanted::LocalPorts => Table::LocalPorts(BTreeMap::new()),
                Wanted::LocalAddresses => Table::LocalAddresses(Vec::new()),
                Wanted::Remotes => Table::Remotes(BTreeMap::new()),
                Wanted::RemoteAddresses => Table::RemoteAddresses(Vec::new()),
            };
            self.queue.pop_front();
            Some((wanted, Walk::new(table, self.pace)))
        }) else {
            if self.queue.pop_front() == Some(Wanted::Facts) {
                match facts::ask(client).await {
                    Ok(facts) => self.identified(facts),
                    Err(AskError::Request(error)) => self.walk_failed(WalkEnd::Failed(error)),
                    Err(denied) => self.failed(denied.reason()),
                }
            }
            return;
        };
        match walk.step(client, &self.shared.stats).await {
            Step::More => self.walk = Some((wanted, walk)),
            Step::Failed(end) => self.walk_failed(end),
            Step::Done { whole } => {
                self.pace = walk.pace();
                self.learned(walk.table, whole).await;
            }
        }
    }

    /// A walk broke off: what was known before stands.
    fn walk_failed(&mut self, end: WalkEnd) {
        count(&self.shared.stats.walks_failed);
        self.queue.clear();
        match end {
            WalkEnd::Failed(error) if self.table_plan.is_none() => self.failed(reason(&error)),
            // A poll tells whether it is dead or only does not like to be walked.
            WalkEnd::Failed(_) => {
                self.look.want(clock::now());
            }
            _ => tracing::warn!(device = %self.id, ?end, "a table of this device has no end"),
        }
        let now = clock::now();
        self.inventory_at = self.inventory_at.min(now + INVENTORY_EVERY);
        if self.table_plan.is_none() {
            self.inventory_at = now + INVENTORY_AGAIN;
        }
    }

    async fn learned(&mut self, table: Table, whole: bool) {
        let now = clock::now();
        match table {
            Table::Interfaces(rows) => self.learned_interfaces(now, rows, whole).await,
            Table::LocalPorts(rows) => self.port_rows = rows,
            Table::LocalAddresses(addresses) => {
                self.addresses = addresses;
                self.ports = LocalPorts::join(&self.port_rows, &self.inventory);
                self.emit_identity(now);
            }
            Table::Remotes(rows) => {
                if !whole {
                    // A row that was not read is not a neighbour that is gone.
                    return self.walk_failed(WalkEnd::RowLimit);
                }
                self.remotes = rows;
            }
            Table::RemoteAddresses(addresses) => {
                let rows = std::mem::take(&mut self.remotes);
                let (neighbors, unusable) = lldp::neighbors(&rows, &addresses, &self.ports);
                count(&self.shared.stats.neighbor_tables);
                add(&self.shared.stats.neighbors_unusable, unusable);
                self.shared.emit(&self.id, now, None, Reading::Neighbors(neighbors));
            }
        }
    }

    async fn learned_interfaces(&mut self, now: Timestamp, mut rows: InterfaceRows, whole: bool) {
        count(&self.shared.stats.inventories);
        let before = self.rows.take();
        if !whole && let Some(before) = &before {
            // A column ended before the table did: what it did not reach is not gone.
            for (index, row) in before {
                rows.entry(*index).or_insert_with(|| row.clone());
            }
        }
        if self.optional.is_none()
            && let Some(client) = &mut self.client
        {
            match facts::ask_optional_columns(client).await {
                Ok(columns) => self.optional = Some(columns),
                Err(error) => return self.walk_failed(WalkEnd::Failed(error)),
            }
        }
        let inventory = interfaces::inventory(&rows);
        let changed = inventory != self.inventory;
        self.inventory_again = if changed { INVENTORY_AGAIN } else { (self.inventory_again * 2).min(INVENTORY_EVERY) };
        let has = |column: &Column| self.optional.as_ref().is_none_or(|columns| columns.contains(column));
        self.plan = PollPlan::learn(&rows, before.as_ref(), &inventory, has);
        self.rows = Some(rows);
        self.inventory = inventory;

        self.scalars = self.facts.as_ref().map(|facts| facts.change_scalars.clone()).unwrap_or_default();
        let scalars = [system::SYS_UP_TIME].iter().chain(&self.scalars).map(Column::object_id).collect();
        let columns = self.plan.columns().iter().map(Column::object_id).collect();
        let table_plan = TablePlan { scalars, columns };
        if self.table_plan.as_deref() != Some(&table_plan) {
            // Values by place: they mean something else in another plan.
            self.last_changes.clear();
            self.table_plan = Some(Arc::new(table_plan));
        }
        self.ports = LocalPorts::join(&self.port_rows, &self.inventory);
        self.emit_identity(now);
        self.shared.emit(&self.id, now, None, Reading::Inventory(self.inventory.clone()));
        if self.ticks.is_none() {
            // The first poll at once, the next at the device's own time.
            let from = now + self.target.interval / 2;
            self.ticks = Some(Ticks::new(self.shared.origin, self.nth, self.target.interval, from));
            self.look.want(now);
        } else if changed {
            self.look.want(now);
        }
    }
}

/// What a poll saw, over all of its answers.
#[derive(Default)]
struct Seen {
    answers: usize,
    rows: usize,
    refused: usize,
    uptime: Option<(Timestamp, Uptime)>,
    changes: Vec<Option<u32>>,
}

/// The agent started anew between two readings: its uptime fell, and not because it passed its end (497 days).
fn fell(before: Uptime, now: Uptime, elapsed: Duration) -> bool {
    /// Clocks differ, answers are late: this much either way is no reset.
    const SLACK: Duration = Duration::from_secs(60);
    now.0 < before.0 && now.wrapping_since(before) > elapsed + SLACK
}

/// The first address of `host:port`, IPv4 before IPv6 where a name has both.
pub async fn resolve(address: &str) -> Option<SocketAddr> {
    let found = tokio::net::lookup_host(address).await.ok()?;
    found.min_by_key(SocketAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_that_fell_is_a_restart_unless_it_passed_its_end() {
        let ten = Duration::from_secs(10);
        assert!(fell(Uptime(100_000), Uptime(500), ten));
        assert!(!fell(Uptime(100_000), Uptime(101_000), ten));
        assert!(!fell(Uptime(u32::MAX - 499), Uptime(500), ten), "its end, 497 days");
        assert!(fell(Uptime(u32::MAX / 2), Uptime(500), ten));
        assert!(!fell(Uptime(u32::MAX - 499), Uptime(500), Duration::from_secs(3_600)));
    }
}
