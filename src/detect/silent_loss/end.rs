//! One end of a link: its counters as totals that only rise, and for each reading the span of time in which it was counted.
//!
//! - **When.** sysUpTime of the same PDU tells the device's own time to the hundredth of a second; the smallest difference
//!   between our clock and the device's within the last minutes is the quickest way between the two. A slow answer is put
//!   back to where its uptime says.
//! - **How old.** An agent may answer from a cache. A reading that differs from the one before was counted after that one
//!   was answered. Any reading was counted within the life of the cache, which is bounded by what was seen: `k` changes in
//!   a row within `s` seconds are `k` refreshes, so the cache lives no longer than `s / k`. Until then 33 s are allowed for.
//!   This takes the cache to be one (its life a constant of the device, by timer or on demand), and nothing else.
//! - **Epochs.** A restart, a discontinuity, a renumbering, a counter that fell, another set of counters begin a new
//!   epoch: totals of two epochs are never compared.

use std::collections::VecDeque;

use crate::aggregate::algebra::{self, Moment, Step};
use crate::fabric::{Counter, Counters, Timestamp, Uptime};

/// Readings kept. What a lost one could have told is lost, and nothing else.
const READINGS_MAX: usize = 96;
/// How far a moment may be off that sysUpTime tells: its hundredth, the drift of two clocks within two minutes, and
/// answers that differ in how quick they are.
const DEVICE_TIME_S: f64 = 0.02;
/// The same for this host's kernel, which is read directly.
const LOCAL_TIME_S: f64 = 0.005;
/// The same for a device that tells no usable uptime: an answer may have been on its way for so long.
const RECEIPT_S: f64 = 1.0;
/// The quickest way to a device is looked for within one to two of these.
const QUICKEST_OF_S: f64 = 60.0;
/// The longest cache that is believed in.
const LONGEST_CACHE_S: f64 = 33.0;
/// Changes in a row whose spacing bounds the life of the cache.
const CHANGES: usize = 8;

/// What is counted of one direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets, of all classes that are counted.
    pub frames: u64,
    /// Discards, errors and, received, unknown protocols: losses that are admitted.
    pub admitted: u64,
    /// Octets.
    pub octets: u64,
}

/// Totals, as they were at some moment of a span.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When it was read, seconds on our clock.
    pub at_s: f64,
    /// It was counted after this.
    pub from_s: f64,
    /// And before this.
    pub until_s: f64,
    /// It differs from the one before.
    pub changed: bool,
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

/// One end.
#[derive(Debug, Default)]
pub struct End {
    last: Option<Last>,
    clock: Clock,
    sent: Side,
    received: Side,
    /// The poll before, and how far that moment may be off.
    polled: Option<(f64, f64)>,
    /// The latest changes: when they were seen, and the poll before each.
    changes: VecDeque<(f64, f64)>,
    /// The cache lives no longer, seconds; once it is known.
    cache_s: Option<f64>,
    /// Both multicast and broadcast are counted, by direction: out, in.
    pub counts_others: [bool; 2],
    /// Totals of another epoch are not comparable.
    pub epoch: u32,
    /// In order of time. Of equal ones the first and the newest are kept.
    pub readings: VecDeque<Reading>,
    /// The latest polls, as if each were of the moment it was read.
    pub polls: VecDeque<Reading>,
}

/// The counters without which nothing can be compared.
const NEEDED: [Counter; 2] = [Counter::OutUcastPkts, Counter::InUcastPkts];

impl End {
    /// Begin anew: what was counted before is not compared with what comes.
    pub fn restart(&mut self) {
        *self = Self { cache_s: self.cache_s, epoch: self.epoch.wrapping_add(1), ..Self::default() };
    }

    /// The oldest that a value can be when it is read, seconds.
    fn oldest_s(&self) -> f64 {
        self.cache_s.unwrap_or(LONGEST_CACHE_S)
    }

    /// The packets of both directions are counted at all.
    pub fn counts_packets(&self) -> bool {
        self.last.is_some_and(|last| NEEDED.iter().all(|counter| last.counters.get(*counter).is_some()))
    }

    /// The newest totals that were counted before a moment.
    pub fn before(&self, at_s: f64) -> Option<&Reading> {
        self.readings.iter().rev().find(|reading| reading.until_s <= at_s)
    }

    /// Take a reading; none if it says nothing new.
    pub fn read(&mut self, look: Look<'_>) -> Option<Reading> {
        let at_s = look.at.as_secs_f64();
        let moment = Moment { at: look.at, uptime: look.uptime };
        let now = Last { moment, discontinuity: look.discontinuity, if_index: look.if_index, counters: *look.counters };
        if NEEDED.iter().any(|counter| look.counters.get(*counter).is_none()) {
            self.restart();
            self.last = Some(now);
            return None;
        }
        let last = self.last.filter(|_| self.polled.is_some());
        if last.is_some_and(|last| look.at <= last.moment.at) {
            return None;
        }
        let rise = last.map(|last| rise(&last, &now, look.speed_bps));
        if matches!(rise, None | Some(None)) {
            self.restart();
            let both = |one, other| look.counters.get(one).is_some() && look.counters.get(other).is_some();
            self.counts_others = [
                both(Counter::OutMulticastPkts, Counter::OutBroadcastPkts),
                both(Counter::InMulticastPkts, Counter::InBroadcastPkts),
            ];
        }
        self.last = Some(now);
        let (placed_s, off_s) = self.clock.place(at_s, look.uptime, look.local);
        let rise = rise.flatten();
        if let Some(rise) = &rise {
            add(&mut self.sent, rise.sent);
            add(&mut self.received, rise.received);
        }
        let changed = rise.is_some_and(|rise| rise.changed);
        let before = self.polled.replace((placed_s, off_s));
        let mut from_s = placed_s - off_s - self.oldest_s();
        if let Some((before_s, off_s)) = before.filter(|_| changed) {
            self.learn_cache(before_s, placed_s);
            from_s = from_s.max(before_s - off_s);
        }
        let newest = self.readings.back();
        let from_s = newest.map_or(from_s, |newest| from_s.max(newest.from_s));
        let until_s = (placed_s + off_s).min(at_s.max(placed_s));
        let reading = Reading { at_s: placed_s, from_s, until_s, changed, sent: self.sent, received: self.received };
        self.keep(reading);
        Some(reading)
    }

    fn keep(&mut self, reading: Reading) {
        if self.polls.len() >= 4 {
            self.polls.pop_front();
        }
        self.polls.push_back(reading);
        // An equal one that was read later says all that an earlier one did, but for the first.
        if !reading.changed && self.readings.len() > 1 && self.readings.back().is_some_and(|newest| !newest.changed) {
            self.readings.pop_back();
        } else if self.readings.len() >= READINGS_MAX {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    /// A change was seen at `at_s`, and not yet at `before_s`.
    fn learn_cache(&mut self, before_s: f64, at_s: f64) {
        if self.changes.back().is_some_and(|(_, last_s)| at_s - last_s > LONGEST_CACHE_S) {
            self.changes.clear();
        }
        self.changes.push_back((before_s, at_s));
        if self.changes.len() > CHANGES + 1 {
            self.changes.pop_front();
        }
        if let Some((first_s, _)) = self.changes.front().filter(|_| self.changes.len() > CHANGES) {
            // A tenth and a little for a timer that is late.
            let cache_s = (at_s - first_s) / CHANGES as f64 * 1.1 + 0.05;
            self.cache_s = Some(self.cache_s.map_or(cache_s, |known| known.min(cache_s)).min(LONGEST_CACHE_S));
        }
    }
}

struct Rise {
    sent: Side,
    received: Side,
    changed: bool,
}

fn add(total: &mut Side, rise: Side) {
    total.frames = total.frames.wrapping_add(rise.frames);
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
        frames: of(Counter::OutUcastPkts)? + of(Counter::OutMulticastPkts)? + of(Counter::OutBroadcastPkts)?,
        admitted: of(Counter::OutDiscards)? + of(Counter::OutErrors)?,
        // A narrow counter of octets turns within seconds on a fast port: then there are none, which is said by zero.
        octets: of(Counter::OutOctets).unwrap_or(0),
    };
    let received = Side {
        frames: of(Counter::InUcastPkts)? + of(Counter::InMulticastPkts)? + of(Counter::InBroadcastPkts)?,
        admitted: of(Counter::InDiscards)? + of(Counter::InErrors)? + of(Counter::InUnknownProtos)?,
        octets: of(Counter::InOctets).unwrap_or(0),
    };
    Some(Rise { sent, received, changed })
}
