//! The polls of one device, without input or output: what it is asked next, and what its answers meant.
//!
//! ```text
//!   idle --begin--> queues (a profile's tables, one request open) --all walked or broken off--+
//!     |                                                                                        |
//!     +---begin, no such tables---------> rows <-----------------------------------------------+
//!
//!   rows: grid (rows known, many requests open) ---every row read---> idle
//!           | an answer that is not what it must be                    ^
//!         walk (one request open) --------------every column ended-----+
//! ```
//!
//! How much a device is asked at once is learned from its answers ([`Habits`]): rows in a request from the size of
//! its replies, from tooBig and from answers that were cut short; open requests grow with every poll that lost
//! nothing, and are halved by one that did.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::collect::snmp::door::Door;
use crate::collect::snmp::schedule::{Ticks, Wish};
use crate::collect::snmp::stats::{Stats, add, count};
use crate::collect::snmp::vendor;
use crate::collect::snmp::walks::cut_columns;
use crate::fabric::{DeviceId, InterfacePoll, Reading, Sample, Timestamp, Uptime};
use crate::mib::plan::PollPlan;
use crate::mib::profile::Reader;
use crate::mib::{Column, lldp, value};
use crate::snmp::table::{Cells, Fit, Grid, Holes, Span, WalkEnd};
use crate::snmp::{
    Access, Limits, Pace, Patience, Progress, RequestError, RequestId, Response, Session, TablePlan, TableWalk, Value,
};

/// Least time between two looks that somebody wished for: a storm of traps is two looks a second.
pub const LOOKS_APART: Duration = Duration::from_millis(500);
/// Requests open at one device at most. Agents have small buffers, and answer one after the other.
const WINDOW_MAX: u8 = 16;
/// Every so many polls also ask what lies behind the last row: a table that grew at its end shows nowhere else on
/// agents that keep neither ifNumber nor ifTableLastChange.
const LOOK_BEHIND_EVERY: u32 = 6;
/// After so many polls in a row whose answers were not what they must be, a device is walked...
const MOST_ODD: u8 = 3;
/// ...for this many polls.
const WALKS: u16 = 64;
/// A device whose rows have holes is walked after so many polls, to see whether they still do.
const HOLES_AGAIN: u32 = 128;
/// Polls without loss until a window is tried again in which something was lost.
const CALM_POLLS: u16 = 32;

/// What a device is polled for; replaced as a whole when it is learned anew.
pub struct Course {
    plan: PollPlan,
    table: Arc<TablePlan>,
    scalars: Vec<Column>,
    /// As it is before anything was read by it.
    vendor: Option<Arc<Reader>>,
    grid: Option<Arc<Grid>>,
}

impl Course {
    /// `table` is `plan`'s columns and then those of `vendor`, with sysUpTime and then `scalars` before them.
    pub fn new(plan: PollPlan, table: Arc<TablePlan>, scalars: Vec<Column>, vendor: Option<Arc<Reader>>) -> Self {
        let grid = Grid::new(table.clone(), plan.indices()).map(Arc::new);
        Self { plan, table, scalars, vendor, grid }
    }

    /// What is polled.
    pub fn plan(&self) -> &PollPlan {
        &self.plan
    }

    fn reader(&self) -> Option<Box<Reader>> {
        self.vendor.as_deref().map(|reader| Box::new(reader.clone()))
    }
}

/// How a device likes to be asked; worth keeping for as long as it is a target.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pace: Pace,
    /// Rows that it puts into one answer at most, whatever was asked.
    rows: u16,
    /// Open requests.
    window: u8,
    /// Open requests in which nothing was lost lately.
    window_max: u8,
    calm: u16,
    odd: u8,
    walks: u16,
}

impl Default for Habits {
    fn default() -> Self {
        Self { pace: Pace::default(), rows: u16::MAX, window: 1, window_max: WINDOW_MAX, calm: 0, odd: 0, walks: 0 }
    }
}

impl Habits {
    fn lost(&mut self) {
        self.window_max = (self.window / 2).max(1);
        self.window = self.window_max;
        self.calm = 0;
    }

    fn went_well(&mut self) {
        self.calm = self.calm.saturating_add(1);
        if self.calm >= CALM_POLLS {
            self.calm = 0;
            self.window_max = self.window_max.saturating_mul(2).min(WINDOW_MAX);
            self.rows = self.rows.saturating_mul(2);
        }
        self.window = self.window.saturating_mul(2).min(self.window_max);
    }
}

/// What a poll told that is for the device's task to act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Nothing was answered: polls rest until the task says that it is back.
    pub failed: Option<Failure>,
    /// The interfaces are not what they were.
    pub inventory: bool,
    /// The neighbours are not.
    pub neighbors: bool,
}

/// Why a poll brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request failed.
    Request(RequestError),
    /// It answers, and shows us nothing any more.
    Denied,
}

/// Where the results of polls go, and memory that all of them use in turn.
pub struct Desk {
    /// What was counted.
    pub stats: Arc<Stats>,
    /// What was read, to be handed on.
    pub samples: Vec<Sample>,
    cells: Cells,
    names: Vec<u8>,
}

impl Desk {
    /// Nothing read yet.
    pub fn new(stats: Arc<Stats>) -> Self {
        Self { stats, samples: Vec::new(), cells: Cells::default(), names: Vec::new() }
    }
}

/// One device.
pub struct Hot {
    /// Where word of it goes.
    pub door: Arc<Door>,
    /// Its name.
    pub id: DeviceId,
    /// Where it is asked.
    pub address: SocketAddr,
    /// The conversation of its polls.
    pub session: Session,
    /// Requests that count as in flight.
    pub flying: Vec<RequestId>,
    /// When the wheel tells of it next.
    pub armed: Option<Timestamp>,
    /// It stands in the line of those that may not send yet.
    pub in_line: bool,
    course: Arc<Course>,
    /// The course's, with what was read by it.
    vendor: Option<Box<Reader>>,
    /// The course's, with the holes that a walk found in it.
    grid: Option<Arc<Grid>>,
    habits: Habits,
    ticks: Ticks,
    look: Wish,
    confirm_until: Timestamp,
    resting: bool,
    polls: u32,
    last_uptime: Option<(Timestamp, Uptime)>,
    last_changes: Vec<Option<u32>>,
    /// Whether the core was last told that polls are left out; none before the first poll.
    told_overrun: Option<bool>,
    poll: Option<Box<Poll>>,
}

/// A poll under way.
struct Poll {
    begun: Timestamp,
    seen: Seen,
    way: Way,
}

enum Way {
    Queues {
        /// Which of the reader's walks.
        nth: usize,
        walk: Box<TableWalk>,
        open: Option<RequestId>,
    },
    Grid {
        /// The first row that was not asked for yet.
        next: usize,
        /// Rows to be asked for again.
        again: Vec<Span>,
        open: Vec<(RequestId, Span)>,
        look_behind: bool,
    },
    Walk {
        walk: Box<TableWalk>,
        open: Option<RequestId>,
        /// When the answer came that held the beginning of a row and no more.
        begun_at: Option<Timestamp>,
        /// The columns of each row so far; none where they are not the rows that are known.
        found: Option<Vec<u128>>,
    },
}

/// What a poll saw, over all of its answers.
#[derive(Default)]
struct Seen {
    answers: usize,
    rows: usize,
    refused: usize,
    lost: bool,
    uptime: Option<(Timestamp, Uptime)>,
    changes: Vec<Option<u32>>,
}

impl Hot {
    /// Its first poll is at once, the next at its own ticks.
    pub fn new(
        (door, id): (Arc<Door>, DeviceId),
        (address, access, patience): (SocketAddr, Access, Patience),
        (course, ticks): (Arc<Course>, Ticks),
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let mut look = Wish::default();
        look.want(now);
        Self {
            door,
            id,
            address,
            session: Session::new(access, patience, seed),
            flying: Vec::new(),
            armed: None,
            in_line: false,
            vendor: course.reader(),
            grid: course.grid.clone(),
            course,
            habits: Habits::default(),
            ticks,
            look,
            confirm_until: Timestamp::default(),
            resting: false,
            polls: 0,
            last_uptime: None,
            last_changes: Vec::new(),
            told_overrun: None,
            poll: None,
        }
    }

    /// What was learned of it when it was polled before holds again.
    pub fn recall(&mut self) {
        self.habits = self.door.habits().unwrap_or(self.habits);
    }

    /// It was learned anew. A poll under way goes on by the old course.
    pub fn follow(&mut self, course: Arc<Course>) {
        if course.table != self.course.table {
            // Values by place: they mean something else in another plan.
            self.last_changes.clear();
        }
        match (&mut self.vendor, &course.vendor) {
            // What it read before is what the next poll is compared with.
            (Some(own), Some(new)) if own.is_like(new) => {}
            (own, _) => *own = course.reader(),
        }
        match (&self.grid, &course.grid) {
            // Its holes are known.
            (Some(own), Some(new)) if own.is_like(new) => {}
            (_, new) => self.grid = new.clone(),
        }
        if self.poll.is_some() {
            // What is asked from now on would not be what was asked before.
            self.abandon();
            self.look.want(Timestamp::default());
        }
        self.course = course;
    }

    /// Another interval.
    pub fn keep_time(&mut self, ticks: Ticks) {
        self.ticks = ticks;
    }

    /// Wish for a look.
    pub fn want(&mut self, at: Timestamp, confirm_until: Option<Timestamp>) {
        self.look.want(at);
        self.confirm_until = self.confirm_until.max(confirm_until.unwrap_or_default());
    }

    /// Polls rest: it does not answer.
    pub fn rest(&mut self) {
        self.resting = true;
        self.abandon();
    }

    /// It answers again.
    pub fn resume(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.resting) {
            self.ticks.pass(now);
            self.look.want(now);
        }
    }

    /// What was learned of how it likes to be asked.
    pub fn habits(&self) -> Habits {
        self.habits
    }

    fn abandon(&mut self) {
        if let Some(poll) = self.poll.take() {
            match poll.way {
                Way::Grid { open, .. } => open.iter().for_each(|(id, _)| self.session.cancel(*id)),
                Way::Walk { open, .. } | Way::Queues { open, .. } => {
                    open.into_iter().for_each(|id| self.session.cancel(id))
                }
            }
        }
    }

    /// When it wants to be looked at next, and why not earlier.
    pub fn next(&self) -> Option<Timestamp> {
        if self.poll.is_some() {
            return self.session.next_deadline();
        }
        if self.resting { None } else { Some(self.due()) }
    }

    fn due(&self) -> Timestamp {
        self.look.due().map_or(self.ticks.next(), |look| look.min(self.ticks.next()))
    }

    /// Whether a poll is to begin now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.poll.is_none() && !self.resting && self.due() <= now
    }

    /// A poll is under way.
    pub fn is_polling(&self) -> bool {
        self.poll.is_some()
    }

    /// Begin a poll; how late that is by its schedule.
    pub fn begin(&mut self, now: Timestamp, stats: &Stats) {
        count(&stats.polls);
        if self.ticks.next() <= now {
            stats.start_delay.record(now.since(self.ticks.next()));
            self.ticks.begin();
        }
        self.look.served(now, LOOKS_APART);
        self.polls = self.polls.wrapping_add(1);
        if let Some(reader) = &mut self.vendor {
            reader.begin(self.course.plan.interfaces());
        }
        let way = match self.queue(0) {
            Some(queue) => queue,
            None => self.rows(),
        };
        self.poll = Some(Box::new(Poll { begun: now, seen: Seen::default(), way }));
    }

    /// Walk one of the tables that come before the rows.
    fn queue(&self, nth: usize) -> Option<Way> {
        let (_, plan) = self.vendor.as_ref()?.walks().nth(nth)?;
        Some(Way::Queues { nth, walk: Box::new(vendor::walk_of(plan.clone(), self.habits.pace)), open: None })
    }

    fn rows(&mut self) -> Way {
        let again = |grid: &Grid| grid.holes().is_some() && self.polls.is_multiple_of(HOLES_AGAIN);
        match &self.grid {
            Some(grid) if self.habits.walks == 0 && !again(grid) => Way::Grid {
                next: 0,
                again: Vec::new(),
                open: Vec::new(),
                look_behind: self.polls.is_multiple_of(LOOK_BEHIND_EVERY),
            },
            _ => {
                self.habits.walks = self.habits.walks.saturating_sub(1);
                self.walk()
            }
        }
    }

    fn walk(&self) -> Way {
        // More rows than the inventory had are new ones; a table without end is none of ours.
        let limits = Limits { rows: 2 * self.course.plan.interfaces() + 1_000, ..Limits::default() };
        let walk = TableWalk::new(self.course.table.clone(), limits, self.habits.pace);
        let found = self.grid.as_ref().map(|grid| Vec::with_capacity(grid.rows()));
        Way::Walk { walk: Box::new(walk), open: None, begun_at: None, found }
    }

    /// The next request, if there is one that may be made now; `out` is overwritten with it.
    pub fn ask(&mut self, now: Timestamp, desk: &mut Desk, out: &mut Vec<u8>) -> Option<RequestId> {
        let poll = self.poll.as_mut()?;
        if let (Way::Grid { next, again, open, look_behind }, Some(grid)) = (&mut poll.way, &self.grid) {
            if open.len() >= usize::from(self.habits.window) {
                return None;
            }
            let mut span = match again.pop() {
                Some(span) => span,
                None if *next < grid.rows() => Span { from: *next, count: grid.rows() - *next },
                None => return None,
            };
            let rows = grid.rows_at_once(span.from, &self.habits.pace, &Limits::default());
            let rows = rows.min(usize::from(self.habits.rows));
            if rows > 0 {
                let rest = Span { from: span.from + rows, count: span.count.saturating_sub(rows) };
                span.count = span.count.min(rows);
                if span.from >= *next {
                    *next = span.from + span.count;
                } else if rest.count > 0 {
                    again.push(rest);
                }
                if *look_behind && span.from + span.count == grid.rows() {
                    span.count += 1;
                }
                desk.names.clear();
                grid.put_names(span, &mut desk.names);
                let numbers = (grid.scalars() as u16, span.count as u16);
                let id = self.session.get_bulk_encoded(now, numbers, &desk.names, out);
                open.push((id, span));
                return Some(id);
            }
            if !open.is_empty() {
                again.push(span);
                return None;
            }
            // A row does not fit into a reply.
            self.go_walking();
        }
        let poll = self.poll.as_mut()?;
        let (Way::Walk { walk, open, .. } | Way::Queues { walk, open, .. }) = &mut poll.way else { return None };
        if open.is_some() {
            return None;
        }
        let id = self.session.request(now, &walk.request()?, out);
        *open = Some(id);
        Some(id)
    }

    /// Read the table by a walk: its rows are not what they were.
    fn go_walking(&mut self) {
        let walk = self.walk();
        let Some(poll) = self.poll.as_mut() else { return };
        if let Way::Grid { open, .. } = &mut poll.way {
            open.drain(..).for_each(|(id, _)| self.session.cancel(id));
        }
        // What was read before is read again.
        (poll.seen.rows, poll.seen.refused) = (0, 0);
        poll.way = walk;
    }

    /// A request was answered. True, when the poll is over.
    pub fn answered(&mut self, now: Timestamp, request: RequestId, response: &Response<'_>, desk: &mut Desk) -> bool {
        let course = self.course.clone();
        let Some(poll) = self.poll.as_mut() else { return true };
        let Poll { seen, way, .. } = &mut **poll;
        let vendor = self.vendor.as_deref_mut();
        match way {
            Way::Queues { nth, walk, open } => {
                if *open != Some(request) {
                    return false;
                }
                *open = None;
                let nth = *nth;
                let progress = match vendor {
                    Some(reader) => {
                        walk.response(response, |row| reader.walked(nth, row.index(), |column| row.get(column)))
                    }
                    None => Progress::Done(WalkEnd::Complete),
                };
                self.queue_walked(progress);
                false
            }
            Way::Grid { next, again, open, .. } => {
                let (Some(grid), Some(at)) = (&self.grid, open.iter().position(|(id, _)| *id == request)) else {
                    return false;
                };
                let span = open.swap_remove(at).1;
                let limits = Limits::default();
                match grid.read(span, response, &limits, &mut self.habits.pace, &mut desk.cells) {
                    Fit::Rows(whole) => {
                        seen.answers += 1;
                        take_rows(&course, vendor, (grid, span, whole), now, response, &self.id, seen, desk);
                        let missing = span.count.min(grid.rows() - span.from) - whole;
                        if missing > 0 {
                            self.habits.rows = u16::try_from(whole).unwrap_or(u16::MAX);
                            again.push(Span { from: span.from + whole, count: missing });
                        }
                        let over = *next >= grid.rows() && again.is_empty() && open.is_empty();
                        if over {
                            self.habits.odd = 0;
                            self.finish(now, WalkEnd::Complete, 0, desk);
                        }
                        over
                    }
                    Fit::TooBig if span.count > 1 => {
                        count(&desk.stats.too_big);
                        grid.too_much(span, &mut self.habits.pace);
                        again.push(Span { from: span.from, count: span.count.min(grid.rows() - span.from) });
                        false
                    }
                    Fit::TooBig | Fit::Odd => {
                        count(&desk.stats.polls_odd);
                        self.habits.odd += 1;
                        if self.habits.odd >= MOST_ODD {
                            (self.habits.odd, self.habits.walks) = (0, WALKS);
                        }
                        self.go_walking();
                        false
                    }
                }
            }
            Way::Walk { walk, open, begun_at, found } => {
                if *open != Some(request) {
                    return false;
                }
                *open = None;
                let mut vendor = vendor;
                let grid = &self.grid;
                let columns = course.table.columns.len();
                let (mut polls, mut uptime, mut taken_at) = (Vec::new(), None, None);
                let progress = walk.response(response, |row| {
                    // A row of several answers is as old as the first of them.
                    let at = if row.is_spread() { begun_at.unwrap_or(now) } else { now };
                    if taken_at.is_none() {
                        taken_at = Some(at);
                        uptime = row.scalar(0).as_ref().and_then(value::unsigned).map(Uptime);
                        seen.changes = (1..=course.scalars.len())
                            .map(|at| row.scalar(at).as_ref().and_then(value::unsigned))
                            .collect();
                    }
                    let Some(index) = row.index().single() else { return };
                    let cells: Vec<_> = (0..columns).map(|column| row.get(column)).collect();
                    match found {
                        Some(rows) if grid.as_ref().and_then(|grid| grid.index(rows.len())) == Some(index) => {
                            rows.push(columns_of(&cells));
                        }
                        _ => *found = None,
                    }
                    take_row(&course.plan, vendor.as_deref_mut(), index, &cells, &mut polls, seen);
                });
                match taken_at {
                    Some(taken_at) => {
                        seen.answers += 1;
                        seen.uptime = uptime.map(|uptime| (taken_at, uptime)).or(seen.uptime);
                        desk.samples.push(sample(&self.id, taken_at, uptime, polls));
                        *begun_at = None;
                    }
                    None => *begun_at = begun_at.or(Some(now)),
                }
                self.walked(now, progress, desk)
            }
        }
    }

    /// A request was not answered for a while and is asked again: what was too much may be less.
    pub fn lost(&mut self) {
        if let Some(poll) = self.poll.as_mut().filter(|poll| !poll.seen.lost) {
            poll.seen.lost = true;
            self.habits.lost();
        }
    }

    /// A request has no answer. True, when the poll is over.
    pub fn failed(&mut self, now: Timestamp, request: RequestId, error: RequestError, desk: &mut Desk) -> bool {
        let Some(poll) = self.poll.as_mut() else { return true };
        match &mut poll.way {
            Way::Queues { walk, open, .. } => {
                if *open != Some(request) {
                    return false;
                }
                *open = None;
                let progress = walk.failed(error);
                self.queue_walked(progress);
                false
            }
            Way::Grid { open, .. } => {
                let Some(at) = open.iter().position(|(id, _)| *id == request) else { return false };
                let span = open.swap_remove(at).1;
                if let Some(grid) = &self.grid {
                    grid.perhaps_too_much(span, &mut self.habits.pace);
                }
                open.drain(..).for_each(|(id, _)| self.session.cancel(id));
                self.finish(now, WalkEnd::Failed(error), 0, desk);
                true
            }
            Way::Walk { walk, open, .. } => {
                if *open != Some(request) {
                    return false;
                }
                *open = None;
                let progress = walk.failed(error);
                self.walked(now, progress, desk)
            }
        }
    }

    /// On to the next table, or to the rows.
    fn queue_walked(&mut self, progress: Progress) {
        let (Progress::Done(end), Some(poll)) = (progress, self.poll.as_deref()) else { return };
        let Way::Queues { nth, walk, .. } = &poll.way else { return };
        self.habits.pace = walk.pace();
        let next = nth + 1;
        let Some(reader) = &mut self.vendor else { return };
        let columns = reader.walks().nth(*nth).map_or(0, |(_, plan)| plan.columns.len());
        if end != WalkEnd::Complete || cut_columns(walk, columns) > 0 {
            reader.broke_off();
        }
        // A device that stopped to answer is not asked for its other tables.
        let queue = if matches!(end, WalkEnd::Failed(_)) { None } else { self.queue(next) };
        let way = match queue {
            Some(queue) => queue,
            None => self.rows(),
        };
        if let Some(poll) = self.poll.as_mut() {
            poll.way = way;
        }
    }

    fn walked(&mut self, now: Timestamp, progress: Progress, desk: &mut Desk) -> bool {
        let Progress::Done(end) = progress else { return false };
        let Some(Poll { way: Way::Walk { walk, found, .. }, .. }) = self.poll.as_deref_mut() else { return true };
        self.habits.pace = walk.pace();
        let cut = cut_columns(walk, self.course.table.columns.len());
        let found = found.take().filter(|_| end == WalkEnd::Complete && cut == 0);
        self.learn_holes(&found.unwrap_or_default());
        self.finish(now, end, cut, desk);
        true
    }

    /// A walk found these columns in its rows, which are those that are known.
    fn learn_holes(&mut self, found: &[u128]) {
        let Some(grid) = &self.grid else { return };
        match grid.with_holes(found) {
            Some(new) if new.holes() != grid.holes() => {
                // That it was odd has its reason.
                (self.habits.odd, self.habits.walks) = (0, 0);
                self.grid = Some(Arc::new(new));
            }
            _ => {}
        }
    }

    fn finish(&mut self, now: Timestamp, end: WalkEnd, cut: usize, desk: &mut Desk) {
        let Some(poll) = self.poll.take() else { return };
        let (stats, seen) = (&desk.stats, &poll.seen);
        add(&stats.columns_cut, cut);
        add(&stats.rows, seen.rows);
        add(&stats.rows_refused, seen.refused);
        let skipped = self.ticks.pass(now);
        add(&stats.polls_skipped, skipped as usize);
        if end == WalkEnd::Complete && (skipped > 0 || self.told_overrun != Some(false)) {
            self.told_overrun = Some(skipped > 0);
            let (interval, took) = (self.ticks.interval(), now.since(poll.begun));
            let reading = Reading::Pace { interval, took, skipped: u32::try_from(skipped).unwrap_or(u32::MAX) };
            desk.samples.push(Sample { device: self.id.clone(), taken_at: now, device_uptime: None, reading });
        }
        if self.confirm_until > poll.begun {
            self.look.want(self.confirm_until);
        }
        if !seen.lost && end == WalkEnd::Complete {
            self.habits.went_well();
        }
        match end {
            WalkEnd::Failed(error) if seen.answers == 0 => {
                count(&stats.polls_failed);
                return self.give_up(Failure::Request(error));
            }
            WalkEnd::Complete => {}
            _ => count(&stats.polls_truncated),
        }
        if seen.answers == 0 {
            if cut > 0 {
                return self.give_up(Failure::Denied);
            }
            // It answers, and has no interface at all to tell of.
            desk.samples.push(sample(&self.id, now, None, Vec::new()));
        }
        let word = self.notice(poll.seen, end == WalkEnd::Complete);
        if word != Word::default() {
            self.door.tell(word);
        }
    }

    fn give_up(&mut self, failure: Failure) {
        self.resting = true;
        self.door.tell(Word { failed: Some(failure), ..Word::default() });
    }

    /// What a poll told besides counters: that the inventory or the neighbours are to be read anew.
    fn notice(&mut self, seen: Seen, complete: bool) -> Word {
        let restarted = match (self.last_uptime, seen.uptime) {
            (Some((before_at, before)), Some((at, uptime))) => fell(before, uptime, at.since(before_at)),
            _ => false,
        };
        self.last_uptime = seen.uptime.or(self.last_uptime);
        let changed = |at: usize| {
            let (before, now) = (self.last_changes.get(at).copied().flatten(), seen.changes.get(at).copied().flatten());
            before.is_some() && now.is_some() && before != now
        };
        let mut word = Word { failed: None, inventory: restarted, neighbors: restarted };
        for (_, column) in self.course.scalars.iter().enumerate().filter(|(at, _)| changed(*at)) {
            if *column == lldp::REM_TABLES_LAST_CHANGE {
                word.neighbors = true;
            } else {
                word.inventory = true;
            }
        }
        if !seen.changes.is_empty() {
            self.last_changes = seen.changes;
        }
        word.inventory |= seen.refused > 0 || (complete && seen.rows != self.course.plan.interfaces());
        word
    }
}

#[expect(clippy::too_many_arguments, reason = "parts of one device that are borrowed apart")]
fn take_rows(
    course: &Course,
    mut vendor: Option<&mut Reader>,
    (grid, span, whole): (&Grid, Span, usize),
    now: Timestamp,
    response: &Response<'_>,
    id: &DeviceId,
    seen: &mut Seen,
    desk: &mut Desk,
) {
    let number = |at: usize| grid.scalar(at, &desk.cells, response).as_ref().and_then(value::unsigned);
    let uptime = number(0).map(Uptime);
    seen.uptime = uptime.map(|uptime| (now, uptime)).or(seen.uptime);
    seen.changes.clear();
    seen.changes.extend((1..grid.scalars()).map(number));
    let mut polls = Vec::with_capacity(whole);
    let mut values: Vec<Option<Value<'_>>> = Vec::with_capacity(course.table.columns.len());
    for row in 0..whole {
        let Some(index) = grid.index(span.from + row) else { break };
        values.clear();
        values.extend(grid.row(row, &desk.cells, response));
        take_row(&course.plan, vendor.as_deref_mut(), index, &values, &mut polls, seen);
    }
    desk.samples.push(sample(id, now, uptime, polls));
}

/// Which cells are there.
fn columns_of(cells: &[Option<Value<'_>>]) -> u128 {
    let there = cells.iter().take(Holes::MOST_COLUMNS).enumerate().filter(|(_, cell)| cell.is_some());
    there.fold(0, |columns, (at, _)| columns | 1 << at)
}

fn take_row(
    plan: &PollPlan,
    vendor: Option<&mut Reader>,
    index: u32,
    cells: &[Option<Value<'_>>],
    polls: &mut Vec<InterfacePoll>,
    seen: &mut Seen,
) {
    match plan.read(index, cells) {
        Ok(mut poll) => {
            if let (Some(reader), Some(own)) = (vendor, cells.get(plan.columns().len()..)) {
                reader.read(index, own, &mut poll.counters);
            }
            seen.rows += 1;
            polls.push(poll);
        }
        Err(_) => seen.refused += 1,
    }
}

fn sample(id: &DeviceId, taken_at: Timestamp, uptime: Option<Uptime>, polls: Vec<InterfacePoll>) -> Sample {
    Sample { device: id.clone(), taken_at, device_uptime: uptime, reading: Reading::Poll(polls) }
}

/// The agent started anew between two readings: its uptime fell, and not because it passed its end (497 days).
fn fell(before: Uptime, now: Uptime, elapsed: Duration) -> bool {
    /// Clocks differ, answers are late: this much either way is no reset.
    const SLACK: Duration = Duration::from_secs(60);
    now.0 < before.0 && now.wrapping_since(before) > elapsed + SLACK
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

    #[test]
    fn open_requests_grow_while_nothing_is_lost_and_shrink_when_something_is() {
        let mut habits = Habits::default();
        (0..5).for_each(|_| habits.went_well());
        assert_eq!(habits.window, WINDOW_MAX);
        habits.lost();
        assert_eq!(habits.window, WINDOW_MAX / 2);
        (0..CALM_POLLS - 1).for_each(|_| habits.went_well());
        assert_eq!(habits.window, WINDOW_MAX / 2, "what lost something is not tried again at once");
        habits.went_well();
        assert_eq!(habits.window, WINDOW_MAX);
        (0..9).for_each(|_| habits.lost());
        assert_eq!(habits.window, 1);
    }
}
