//! One end of a link: its counters as totals that only rise, each with the moment at which it was counted.
//!
//! - **When.** An answer reaches us some time after the counters were read. sysUpTime of the same PDU tells the
//!   device's own time to the hundredth of a second, and the smallest difference between our clock and the device's
//!   within the last minutes is the quickest way between the two: the reading was taken within the hundredth that
//!   follows. A slow answer is put back there.
//! - **Caches.** An agent that repeats itself under traffic answers from a cache. From then on only a change is a
//!   reading; it was counted between the poll before and this one, and within that the even spacing of a timer is
//!   followed. Repeats for longer than the cache lives are no traffic, which is a reading too.
//! - **Epochs.** A restart, a discontinuity, a renumbering, a counter that fell, another set of counters begin a new
//!   epoch: totals of two epochs are never compared.

use std::collections::VecDeque;

use crate::aggregate::algebra::{self, Moment, Step};
use crate::fabric::{Counter, Counters, Timestamp, Uptime};

/// Readings kept until the other end has one of the same time; more are thinned out.
const MARKS_MAX: usize = 32;
/// How far a moment may be off that sysUpTime tells: its hundredth, the drift of two clocks within two minutes, and
/// answers that differ in how quick they are.
const DEVICE_TIME_S: f64 = 0.02;
/// The same for this host's kernel, which is read directly.
const LOCAL_TIME_S: f64 = 0.005;
/// The same for a device that tells no usable uptime.
const RECEIPT_S: f64 = 0.1;
/// The quickest way to a device is looked for within one to two of these.
const QUICKEST_OF_S: f64 = 60.0;
/// The longest cache that is believed in.
const LONGEST_CACHE_S: f64 = 33.0;
/// Changes without a repeat until a device counts as fresh again.
const CACHES_FOR: u32 = 256;
/// So many changes before their spacing is followed.
const FOLLOWED_FROM: u32 = 4;
/// So many changes under traffic without a repeat between them, before a repeat is taken for quiet at once.
const FRESH_FROM: u32 = 16;
/// Frames from one reading to the next that are traffic, and not a neighbour's hello.
const BUSY_FRAMES: u64 = 20;

/// What is counted of one direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Unicast packets.
    pub unicast: u64,
    /// Multicast and broadcast packets; without meaning where the device does not count them.
    pub others: u64,
    /// Discards, errors and, received, unknown protocols: losses that are admitted.
    pub admitted: u64,
    /// Octets.
    pub octets: u64,
}

/// A reading in its place in time.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Seconds on our clock.
    pub at_s: f64,
    /// How far `at_s` may be off, apart from what never changes.
    pub off_s: f64,
    /// Totals since the epoch began.
    pub sent: Side,
    /// Likewise.
    pub received: Side,
}

/// What is handed in of one poll of one end.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Our clock at receipt.
    pub at: Timestamp,
    /// sysUpTime out of the same PDU.
    pub uptime: Option<Uptime>,
    /// ifCounterDiscontinuityTime.
    pub discontinuity: Option<Uptime>,
    /// ifIndex now.
    pub if_index: u32,
    /// Bit/s; what it can carry bounds how often a narrow counter may have turned.
    pub speed_bps: Option<u64>,
    /// What was read.
    pub counters: &'a Counters,
    /// Read from this host's kernel.
    pub local: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    moment: Moment,
    discontinuity: Option<Uptime>,
    if_index: u32,
    counters: Counters,
}

/// The device's clock seen from ours.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    last: Option<(Uptime, f64)>,
    device_s: f64,
    quickest_s: [Option<f64>; 2],
    bucket_s: f64,
}

impl Clock {
    /// The moment of a reading, and how far it may be off.
    fn place(&mut self, at_s: f64, uptime: Option<Uptime>, local: bool) -> (f64, f64) {
        let by_receipt = (at_s, if local { LOCAL_TIME_S } else { RECEIPT_S });
        let Some(uptime) = uptime.filter(|_| !local) else { return by_receipt };
        if let Some((was, was_s)) = self.last {
            if was == uptime && at_s - was_s > 0.5 {
                // It stands still: it says nothing.
                return by_receipt;
            }
            self.device_s += uptime.wrapping_since(was).as_secs_f64();
        }
        self.last = Some((uptime, at_s));
        if at_s - self.bucket_s > QUICKEST_OF_S {
            self.quickest_s = [None, self.quickest_s[0]];
            self.bucket_s = at_s;
        }
        let way_s = at_s - self.device_s;
        self.quickest_s[0] = Some(self.quickest_s[0].map_or(way_s, |quickest| quickest.min(way_s)));
        let quickest = self.quickest_s.into_iter().flatten().fold(way_s, f64::min);
        let earliest = self.device_s + quickest;
        (at_s.clamp(earliest, earliest + 0.01), DEVICE_TIME_S)
    }
}

/// What is known of the agent's cache.
#[derive(Clone, Copy, Debug, Default)]
struct Cache {
    /// Changes to come for which the device is taken to cache.
    caches_for: u32,
    /// The last change brought traffic, and it was repeated since.
    repeats: u32,
    /// Changes under traffic, one after the other, that no repeat was between.
    fresh: u32,
    was_busy: bool,
    changed_at_s: f64,
    read_at_s: f64,
    /// The shortest time between two refreshes seen under traffic.
    shortest_s: f64,
    /// The time between the two newest polls.
    gap_s: f64,
    /// The even spacing of the cache's timer.
    run: Option<Run>,
}

/// Changes one after the other.
#[derive(Clone, Copy, Debug)]
struct Run {
    start_s: f64,
    last_s: f64,
    count: u32,
}

/// One end.
#[derive(Debug, Default)]
pub struct End {
    last: Option<Last>,
    clock: Clock,
    cache: Cache,
    sent: Side,
    received: Side,
    /// Both multicast and broadcast are counted, by direction: out, in.
    pub counts_others: [bool; 2],
    /// Totals of another epoch are not comparable.
    pub epoch: u32,
    /// The newest readings, in order of time.
    pub marks: VecDeque<Mark>,
}

/// The counters without which nothing can be compared.
const NEEDED: [Counter; 2] = [Counter::OutUcastPkts, Counter::InUcastPkts];

impl End {
    /// Begin anew: what was counted before is not compared with what comes.
    pub fn restart(&mut self) {
        self.last = None;
        self.clock = Clock::default();
        self.cache = Cache { caches_for: self.cache.caches_for, shortest_s: self.cache.shortest_s, ..Cache::default() };
        (self.sent, self.received) = (Side::default(), Side::default());
        self.marks.clear();
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// It answers from a cache.
    pub fn caches(&self) -> bool {
        self.cache.caches_for > 0
    }

    /// How long a value may have been counted before it is read: refreshes seem no more than a poll too close.
    fn longest_cache_s(&self) -> f64 {
        if !self.caches() {
            return if self.cache.fresh >= FRESH_FROM { 0.0 } else { LONGEST_CACHE_S };
        }
        (self.cache.shortest_s + 2.0 * self.cache.gap_s).clamp(1.0, LONGEST_CACHE_S)
    }

    /// The packets of both directions are counted at all.
    pub fn counts_packets(&self) -> bool {
        self.last.is_some_and(|last| NEEDED.iter().all(|counter| last.counters.get(*counter).is_some()))
    }

    /// Take a reading. True if there is a new mark.
    pub fn read(&mut self, look: Look<'_>) -> bool {
        let at_s = look.at.as_secs_f64();
        let moment = Moment { at: look.at, uptime: look.uptime };
        let now = Last { moment, discontinuity: look.discontinuity, if_index: look.if_index, counters: *look.counters };
        if NEEDED.iter().any(|counter| look.counters.get(*counter).is_none()) {
            self.restart();
            self.last = Some(now);
            return false;
        }
        let Some(last) = self.last else { return self.begin(now, look) };
        if look.at <= last.moment.at {
            return false;
        }
        let Some(rise) = rise(&last, &now, look.speed_bps) else {
            self.restart();
            return self.begin(now, look);
        };
        self.last = Some(now);
        let (placed_s, off_s) = self.clock.place(at_s, look.uptime, look.local);
        if rise.changed {
            add(&mut self.sent, rise.sent);
            add(&mut self.received, rise.received);
        }
        let frames = rise.sent.unicast + rise.sent.others + rise.received.unicast + rise.received.others;
        self.cache.gap_s = placed_s - self.cache.read_at_s;
        let marked = self.mark(placed_s, off_s, rise.changed, frames >= BUSY_FRAMES);
        self.cache.read_at_s = placed_s;
        marked
    }

    fn begin(&mut self, now: Last, look: Look<'_>) -> bool {
        let both = |one, other| look.counters.get(one).is_some() && look.counters.get(other).is_some();
        self.counts_others = [
            both(Counter::OutMulticastPkts, Counter::OutBroadcastPkts),
            both(Counter::InMulticastPkts, Counter::InBroadcastPkts),
        ];
        self.last = Some(now);
        let (at_s, off_s) = self.clock.place(look.at.as_secs_f64(), look.uptime, look.local);
        self.cache.read_at_s = at_s;
        // Of unknown age if it comes from a cache; the first change is the first reading then.
        if !self.caches() {
            self.push(Mark { at_s, off_s, sent: self.sent, received: self.received });
        }
        true
    }

    /// Note a change or a repeat. True if a mark came of it.
    fn mark(&mut self, at_s: f64, off_s: f64, changed: bool, busy: bool) -> bool {
        let (sent, received) = (self.sent, self.received);
        let read_at_s = self.cache.read_at_s;
        if !changed {
            self.cache.repeats += 1;
            let quiet_s = at_s - self.longest_cache_s();
            if quiet_s > self.cache.changed_at_s {
                self.cache.run = None;
                return self.push(Mark { at_s: quiet_s, off_s, sent, received });
            }
            return false;
        }
        let cache = &mut self.cache;
        let was_fresh = cache.caches_for == 0;
        let spacing_s = at_s - cache.changed_at_s;
        if busy && cache.was_busy && cache.repeats > 0 && spacing_s <= LONGEST_CACHE_S {
            let known = if cache.caches_for > 0 { cache.shortest_s * 1.002 } else { spacing_s };
            cache.shortest_s = known.min(spacing_s);
            cache.caches_for = CACHES_FOR;
            cache.fresh = 0;
        } else if busy && cache.was_busy && cache.repeats == 0 {
            cache.fresh = cache.fresh.saturating_add(1);
            cache.caches_for = cache.caches_for.saturating_sub(1);
        }
        (cache.was_busy, cache.repeats, cache.changed_at_s) = (busy, 0, at_s);
        if cache.caches_for == 0 {
            return self.push(Mark { at_s, off_s, sent, received });
        }
        if was_fresh {
            // What was taken for fresh so far was of unknown age.
            let (last, cache, clock) = (self.last, self.cache, self.clock);
            self.restart();
            (self.last, self.cache, self.clock) = (last, cache, clock);
            return true;
        }
        let placed_s = cache.place(read_at_s, at_s);
        let off_s = off_s + (at_s - placed_s).max(placed_s - read_at_s);
        self.push(Mark { at_s: placed_s, off_s, sent, received })
    }

    fn push(&mut self, mark: Mark) -> bool {
        if self.marks.back().is_some_and(|last| mark.at_s <= last.at_s) {
            return false;
        }
        if self.marks.len() >= MARKS_MAX {
            // Coarser, never wrong: totals are cumulative.
            let mut keep = 0;
            let newest = self.marks.len() - 1;
            self.marks.retain(|_| {
                keep += 1;
                keep % 2 == 1 || keep > newest
            });
        }
        self.marks.push_back(mark);
        true
    }
}

impl Cache {
    /// The moment of a change seen between two polls: by the even spacing of a timer where that is within the two.
    fn place(&mut self, after_s: f64, until_s: f64) -> f64 {
        let middle = f64::midpoint(after_s, until_s);
        let Some(run) = &mut self.run else {
            self.run = Some(Run { start_s: middle, last_s: middle, count: 0 });
            return middle;
        };
        let spacing_s = if run.count > 0 { (run.last_s - run.start_s) / f64::from(run.count) } else { 0.0 };
        if run.count < FOLLOWED_FROM || spacing_s <= 0.0 {
            (run.count, run.last_s) = (run.count + 1, middle);
            return middle;
        }
        let periods = ((middle - run.last_s) / spacing_s).round().max(1.0);
        let placed_s = (run.last_s + periods * spacing_s).clamp(after_s, until_s);
        (run.count, run.last_s) = (run.count + periods as u32, placed_s);
        placed_s
    }
}

struct Rise {
    sent: Side,
    received: Side,
    changed: bool,
}

fn add(total: &mut Side, rise: Side) {
    total.unicast = total.unicast.wrapping_add(rise.unicast);
    total.others = total.others.wrapping_add(rise.others);
    total.admitted = total.admitted.wrapping_add(rise.admitted);
    total.octets = total.octets.wrapping_add(rise.octets);
}

/// How far all counters rose; none where the two readings cannot be compared.
fn rise(last: &Last, now: &Last, speed_bps: Option<u64>) -> Option<Rise> {
    let span = algebra::span(last.moment, now.moment).ok()?;
    let discontinuous = matches!((last.discontinuity, now.discontinuity), (Some(was), Some(is)) if was != is);
    if discontinuous || last.if_index != now.if_index {
        return None;
    }
    let mut changed = false;
    let mut of = |counter: Counter| -> Option<u64> {
        let (was, is) = match (last.counters.get(counter), now.counters.get(counter)) {
            (Some(was), Some(is)) => (was, is),
            (None, None) => return Some(0),
            _ => return None,
        };
        let width = now.counters.width(counter);
        if last.counters.width(counter) != width {
            return None;
        }
        // A cache may hold the traffic of more than the time between two readings.
        let seconds = span.seconds + LONGEST_CACHE_S;
        let most = speed_bps.map(|bps| algebra::ceiling(counter, bps, 0.05) * seconds);
        match algebra::step(counter, was, is, width, most) {
            Step::Rose(rise) | Step::Wrapped(rise) => {
                changed |= rise > 0;
                Some(rise)
            }
            Step::Fell | Step::Ambiguous | Step::Impossible => None,
        }
    };
    let sent = Side {
        unicast: of(Counter::OutUcastPkts)?,
        others: of(Counter::OutMulticastPkts)? + of(Counter::OutBroadcastPkts)?,
        admitted: of(Counter::OutDiscards)? + of(Counter::OutErrors)?,
        // A narrow counter of octets turns within seconds on a fast port: then there are none, which is said by zero.
        octets: of(Counter::OutOctets).unwrap_or(0),
    };
    let received = Side {
        unicast: of(Counter::InUcastPkts)?,
        others: of(Counter::InMulticastPkts)? + of(Counter::InBroadcastPkts)?,
        admitted: of(Counter::InDiscards)? + of(Counter::InErrors)? + of(Counter::InUnknownProtos)?,
        octets: of(Counter::InOctets).unwrap_or(0),
    };
    Some(Rise { sent, received, changed })
}
