//! One interface in the writer's hands: what a reading makes of its cell.
//!
//! The last reading's values lie in the cell. They are the values of the base reading too, the one
//! that rates are taken from: readings after it either repeat them or become the new base.

mod status;

use std::sync::Arc;
use std::time::Duration;

use super::algebra::{self, Clock, Moment, Span, Step};
use super::cell::{self, Flags, InterfaceCell, pack_unknown, rate_at, value_at};
use super::directory::SpreadPlace;
use super::refresh::Refresh;
use super::seqlock::Write;
use super::speed::Speed;
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, InterfacePoll, OperStatus, Timestamp, Unknown, Uptime,
};

/// The age of the first reading's values is not known; no cache that is believed in is older (see `refresh`).
const AGE_OF_FIRST: Duration = Duration::from_secs(33);

/// The cache of net-snmp, and of drivers: seldom seen behind polls that are further apart.
const OFTEN_UNSEEN: Duration = Duration::from_secs(3);

/// One interface.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name, in the very allocation that polls bring, so that they are told apart by address.
    pub name: Arc<str>,
    /// What is known of its speed.
    pub speed: Speed,
    base: Moment,
    /// How long before the base reading its values may have been counted, at most: microseconds, and no more than
    /// [`AGE_OF_FIRST`].
    base_age_us: u32,
    /// Counters that the base reading had, by slot.
    based: u32,
    discontinuity: Option<Uptime>,
    /// When an event told the status that no poll has confirmed.
    event_at: EventAt,
    state: State,
}

/// A moment or none, in one word: a fabric has many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct EventAt(Timestamp);

impl EventAt {
    /// The epoch stands for none: no event is that old.
    fn new(at: Option<Timestamp>) -> Self {
        Self(at.unwrap_or_default())
    }

    fn get(self) -> Option<Timestamp> {
        (self != Self::default()).then_some(self.0)
    }
}

/// What its rates are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// There are none yet, or they are zero.
    #[default]
    Idle,
    /// They rest on a reading whose values may have been old when they were read.
    Provisional,
    /// They rest on two refreshes of the device's cache.
    Busy,
    /// The next reading is of something else: it was renumbered.
    Broken,
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A status that is not the one before; not for the first ever told.
    pub oper_changed: Option<(OperStatus, OperStatus)>,
    /// What became of the counters.
    pub counters: Fate,
}

/// What became of a reading's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// They were taken.
    #[default]
    Taken,
    /// There were none.
    None,
    /// They were read before those already known.
    Late,
    /// They were read too soon after the last ones.
    Hasty,
}

/// What a device tells its rows.
pub struct Context<'a> {
    /// When the sample was read.
    pub now: Moment,
    /// See [`crate::aggregate::Settings`].
    pub tolerance: f64,
    /// When the device's cache is refreshed.
    pub refresh: &'a mut Refresh,
    /// A refresh that rows further on in the same sample show: certainly after this.
    pub ahead: Option<Timestamp>,
    /// The span of the row before, which is nearly always this row's too.
    pub span: Option<(Moment, Result<Span, Unknown>)>,
}

impl Context<'_> {
    fn span_since(&mut self, base: Moment) -> Result<Span, Unknown> {
        match self.span {
            Some((before, span)) if before == base => span,
            _ => {
                let span = algebra::span(base, self.now);
                self.span = Some((base, span));
                span
            }
        }
    }
}

impl Row {
    /// An interface of which nothing was read yet.
    pub fn new(name: Arc<str>) -> Self {
        Self { name, ..Self::default() }
    }

    fn base_age(&self) -> Duration {
        Duration::from_micros(self.base_age_us.into())
    }

    /// The interface was renumbered, so its counters may be others.
    pub fn renumbered(&mut self) {
        self.state = State::Broken;
    }

    /// When the counters last read differ from these, the moment at which they were.
    pub fn moved_since(&self, cell: &InterfaceCell, poll: &InterfacePoll, now: Timestamp) -> Option<Timestamp> {
        let flags = Flags::unpack(cell.peek(cell::FLAGS));
        let polled_at = Timestamp::from_micros(cell.peek(cell::POLLED_AT) as i64);
        (flags.polled && polled_at < now && moved(cell, flags.present & self.based, &poll.counters))
            .then_some(polled_at)
    }

    /// A poll read it.
    pub fn poll(
        &mut self,
        cell: &InterfaceCell,
        spread: &SpreadPlace,
        poll: &InterfacePoll,
        context: &mut Context<'_>,
    ) -> Outcome {
        let at = context.now.at;
        let mut flags = Flags::unpack(cell.peek(cell::FLAGS));
        if flags.polled && at < Timestamp::from_micros(cell.peek(cell::POLLED_AT) as i64) {
            return Outcome { oper_changed: None, counters: Fate::Late };
        }
        let mut write = cell.write();

        let mut oper_changed = None;
        if self.believes(at, poll.oper_status, flags.oper_status) {
            oper_changed = self.tell(&mut write, &mut flags, at, poll.oper_status);
        }
        if poll.admin_status != AdminStatus::Unknown {
            flags.admin_status = poll.admin_status;
        }

        let base = self.base.at;
        let counters = self.count(cell, &mut write, &mut flags, poll, context);
        write.set(cell::FLAGS, flags.pack());
        drop(write);
        // Rates that rest on a new base hold for the time since the last one; those that may be taken back are not kept.
        if counters == Fate::Taken && self.base.at == at && matches!(self.state, State::Busy | State::Idle) {
            note_spread(spread, base, at, cell::utilizations(cell, flags));
        }
        Outcome { oper_changed, counters }
    }

    fn count(
        &mut self,
        cell: &InterfaceCell,
        write: &mut Write<'_, { cell::INTERFACE_WORDS }>,
        flags: &mut Flags,
        poll: &InterfacePoll,
        context: &mut Context<'_>,
    ) -> Fate {
        let now = context.now;
        let counters = &poll.counters;
        if counters.is_empty() {
            return Fate::None;
        }
        let before = *flags;
        let polled_at = Timestamp::from_micros(cell.peek(cell::POLLED_AT) as i64);
        let gap = now.at.since(polled_at);
        if before.polled {
            if now.at == polled_at {
                return Fate::Late;
            }
            // A poll to confirm an event, right after the regular one: too short for a rate.
            if context.refresh.is_hasty(gap) {
                return Fate::Hasty;
            }
            context.refresh.polled(now.at, gap);
        }

        let reading = Reading { cell, counters, write, before, flags };
        let discontinuity_changed =
            matches!((self.discontinuity, poll.discontinuity), (Some(was), Some(is)) if was != is);
        self.discontinuity = poll.discontinuity.or(self.discontinuity);
        let was = self.state;
        if !before.polled {
            self.rebase(reading, now, AGE_OF_FIRST, Unknown::FirstSample);
            self.state = State::Idle;
            return Fate::Taken;
        }
        let moved = moved(cell, before.present & self.based, counters);
        if moved {
            context.refresh.moved(polled_at, now.at);
        }
        let span = context.span_since(self.base);
        match span {
            Ok(span) if !discontinuity_changed && was != State::Broken => {
                if moved {
                    let provisional = was == State::Idle && self.base_age() > gap * 2 && !context.refresh.is_periodic();
                    self.advance(reading, span, gap, provisional, context);
                    self.state = if provisional { State::Provisional } else { State::Busy };
                } else if self.is_idle(now.at, was, context) {
                    self.zero(reading, span, context);
                    self.state = State::Idle;
                } else {
                    let withdraw = was == State::Provisional;
                    self.stand(reading, now.at, withdraw);
                    if withdraw {
                        self.state = State::Idle;
                    }
                }
            }
            _ => {
                self.rebase(reading, now, gap.min(AGE_OF_FIRST), Unknown::Discontinuity);
                self.state = State::Busy;
            }
        }
        Fate::Taken
    }

    /// Whether a reading that repeats the last tells of no traffic, and not only of the device's cache.
    fn is_idle(&self, now: Timestamp, was: State, context: &Context<'_>) -> bool {
        let refreshed = |after| context.refresh.is_later(after, self.base.at);
        refreshed(context.refresh.surely_after())
            // The cache may have been refreshed between this row and one further on, if rarely: an interface that was
            // busy is not called idle on that alone.
            || (was == State::Idle && refreshed(context.ahead))
            || now.since(self.base.at) > context.refresh.longest_silence()
    }

    /// No rates come out of this reading: the next ones begin with it.
    fn rebase(&mut self, reading: Reading<'_, '_>, now: Moment, age: Duration, why: Unknown) {
        let Reading { counters, write, flags, .. } = reading;
        (flags.present, flags.narrow) = (0, 0);
        for (counter, value) in counters.iter() {
            let slot = counter.slot();
            write.set(value_at(slot), value);
            write.set(rate_at(slot), pack_unknown(why));
            note(flags, slot, counters.width(counter));
        }
        write.set(cell::SPAN, 0);
        self.note_base(write, flags, now, age);
    }

    /// New values: the rates since the base.
    fn advance(
        &mut self,
        reading: Reading<'_, '_>,
        span: Span,
        gap: Duration,
        provisional: bool,
        context: &Context<'_>,
    ) {
        let Reading { cell, counters, write, before, flags } = reading;
        let gap = gap.min(AGE_OF_FIRST);
        let age_before = self.base_age().min(context.refresh.longest_silence());
        let (seconds, cache_uncertainty) =
            context.refresh.between(span.seconds, age_before.as_secs_f64(), gap.as_secs_f64());
        let limit_bps = self.speed.limit_bps(flags.oper_status.is_up() || before.oper_status.is_up());
        let limits = (limit_bps != 0).then(|| Limits::new(limit_bps, context.tolerance));
        let per_second = 1.0 / seconds;
        // A cache that is refreshed between two polls makes the span seem short; what a longer one explains is no lie.
        let longest_s = seconds + cache_uncertainty;
        let unseen = context.refresh.unseen(age_before.max(gap));
        // Many agents refresh every few seconds by themselves: what one refresh more brings is no lie either.
        let plausible_s = longest_s + unseen.min(OFTEN_UNSEEN).as_secs_f64();

        let (mut present, mut narrow) = (0, 0);
        let mut reset = false;
        for (counter, value) in counters.iter() {
            let (slot, bit) = (counter.slot(), 1 << counter.slot());
            present |= bit;
            let width = counters.width(counter);
            if width == CounterWidth::Bits32 {
                narrow |= bit;
            }
            let word = if self.based & before.present & bit == 0 {
                pack_unknown(Unknown::FirstSample)
            } else if before.width(slot) != width {
                // Another object than the last time.
                pack_unknown(Unknown::Discontinuity)
            } else {
                let was = cell.peek(value_at(slot));
                let limit = limits.map(|limits| limits.of(counter));
                match algebra::step(counter, was, value, width, limit.map(|limit| limit * longest_s)) {
                    Step::Rose(rise) | Step::Wrapped(rise) => {
                        let rate = rise as f64 * per_second;
                        match limit {
                            Some(limit) if rise as f64 > limit * plausible_s => pack_unknown(Unknown::Implausible),
                            Some(limit) => rate.min(limit).to_bits(),
                            None => rate.to_bits(),
                        }
                    }
                    Step::Fell => {
                        // A wide counter that falls a little is one that the device sums up badly; a deep fall, or that
                        // of a narrow one that cannot have wrapped, is a reset of all that the interface counts.
                        // Drops by class are a table of the vendor's, cleared by itself.
                        reset |= !counter.is_drops() && (width == CounterWidth::Bits32 || value < was / 2);
                        pack_unknown(algebra::why_it_fell(width))
                    }
                    Step::Ambiguous => pack_unknown(Unknown::Ambiguous),
                    Step::Impossible => pack_unknown(Unknown::Missing),
                }
            };
            write.set(value_at(slot), value);
            write.set(rate_at(slot), word);
        }
        if reset {
            // A counter that rose nevertheless did so from zero, and one that seems to have wrapped did not.
            for slot in slots(present) {
                if cell.peek(rate_at(slot)) & NOT_KNOWN != NOT_KNOWN {
                    write.set(rate_at(slot), pack_unknown(Unknown::Discontinuity));
                }
            }
        }
        (flags.present, flags.narrow) = (present, narrow);
        flags.device_clock = span.clock == Clock::Device;
        let cache_uncertainty =
            if provisional { age_before.as_secs_f64().max(cache_uncertainty) } else { cache_uncertainty };
        let uncertainty_us = ((cache_uncertainty + span.uncertainty()) * 1e6).ceil() as u64;
        write.set(cell::SPAN, cell::pack_span((seconds * 1e6) as u64, uncertainty_us, unseen.as_micros() as u64));
        self.note_base(write, flags, context.now, gap);
    }

    /// A repeated reading of an idle interface: nothing was counted since the base.
    fn zero(&mut self, reading: Reading<'_, '_>, span: Span, context: &Context<'_>) {
        let Reading { counters, write, before, flags, .. } = reading;
        let mask = self.based & before.present;
        (flags.present, flags.narrow) = (0, 0);
        for (counter, value) in counters.iter() {
            let slot = counter.slot();
            let known = mask >> slot & 1 == 1 && before.width(slot) == counters.width(counter);
            write.set(value_at(slot), value);
            write.set(rate_at(slot), if known { 0.0_f64.to_bits() } else { pack_unknown(Unknown::FirstSample) });
            note(flags, slot, counters.width(counter));
        }
        flags.device_clock = span.clock == Clock::Device;
        write.set(cell::SPAN, cell::pack_span((span.seconds * 1e6) as u64, 0, 0));
        // What it repeats was counted after the refresh that is certain, or as long ago as the cache may live.
        let oldest = context.refresh.longest_silence().min(AGE_OF_FIRST);
        let certain = context.refresh.surely_after().max(context.ahead);
        let certain = certain.filter(|_| context.refresh.is_later(certain, self.base.at));
        let age = certain.map_or(oldest, |after| context.now.at.since(after).min(oldest));
        self.note_base(write, flags, context.now, age);
    }

    /// A repeated reading that tells nothing: the rates stand, except those that a repeat makes doubtful.
    fn stand(&mut self, reading: Reading<'_, '_>, now: Timestamp, withdraw: bool) {
        let Reading { counters, write, before, flags, .. } = reading;
        (flags.present, flags.narrow) = (0, 0);
        for (counter, value) in counters.iter() {
            let slot = counter.slot();
            let known = before.present >> slot & 1 == 1 && before.width(slot) == counters.width(counter);
            if withdraw || !known {
                write.set(value_at(slot), value);
                write.set(rate_at(slot), pack_unknown(Unknown::FirstSample));
            }
            if !known {
                self.based &= !(1 << slot);
            }
            note(flags, slot, counters.width(counter));
        }
        self.based &= flags.present;
        write.set(cell::POLLED_AT, now.as_micros() as u64);
    }

    fn note_base(
        &mut self,
        write: &mut Write<'_, { cell::INTERFACE_WORDS }>,
        flags: &mut Flags,
        now: Moment,
        age: Duration,
    ) {
        flags.polled = true;
        self.based = flags.present;
        self.base = now;
        self.base_age_us = age.min(AGE_OF_FIRST).as_micros() as u32;
        write.set(cell::POLLED_AT, now.at.as_micros() as u64);
    }

    /// It was not read for longer than `limit`: its rates are stale. True if some just became so.
    pub fn expire(&mut self, cell: &InterfaceCell, now: Timestamp, limit: Duration) -> bool {
        let flags = Flags::unpack(cell.peek(cell::FLAGS));
        let polled_at = Timestamp::from_micros(cell.peek(cell::POLLED_AT) as i64);
        let stale = pack_unknown(Unknown::Stale);
        if !flags.polled || now.since(polled_at) <= limit {
            return false;
        }
        let fresh = |slot: &usize| cell.peek(rate_at(*slot)) != stale;
        if !slots(flags.present).any(|slot| fresh(&slot)) {
            return false;
        }
        let mut write = cell.write();
        slots(flags.present).filter(fresh).for_each(|slot| write.set(rate_at(slot), stale));
        true
    }
}

/// Keep how busy it was; from the first traffic on.
fn note_spread(place: &SpreadPlace, from: Timestamp, to: Timestamp, [received, sent]: [Option<f64>; 2]) {
    let busy = |value: Option<f64>| value.is_some_and(|value| value > 0.0);
    let kept = match place.get() {
        Some(kept) => kept,
        None if busy(received) || busy(sent) => place.get_or_init(Arc::default),
        None => return,
    };
    kept.record(from, to, received, sent);
}

/// All bits of a word that holds no number.
const NOT_KNOWN: u64 = 0x7FF8_0000_0000_0000;

/// A reading on its way into a cell.
struct Reading<'a, 'w> {
    cell: &'a InterfaceCell,
    counters: &'a Counters,
    write: &'a mut Write<'w, { cell::INTERFACE_WORDS }>,
    before: Flags,
    flags: &'a mut Flags,
}

/// The most that an interface can count per second.
#[derive(Clone, Copy)]
struct Limits {
    octets: f64,
    discarded: f64,
    frames: f64,
}

impl Limits {
    fn new(speed_bps: u64, tolerance: f64) -> Self {
        let of = |counter| algebra::ceiling(counter, speed_bps, tolerance);
        Self { octets: of(Counter::InOctets), discarded: of(Counter::OutDiscards), frames: of(Counter::InUcastPkts) }
    }

    fn of(self, counter: Counter) -> f64 {
        match counter {
            Counter::InOctets | Counter::OutOctets => self.octets,
            Counter::OutDiscards | Counter::DropsCongestionOut | Counter::DropsPolicyOut => self.discarded,
            _ => self.frames,
        }
    }
}

fn note(flags: &mut Flags, slot: usize, width: CounterWidth) {
    flags.present |= 1 << slot;
    flags.narrow |= u32::from(width == CounterWidth::Bits32) << slot;
}

fn slots(mask: u32) -> impl Iterator<Item = usize> {
    (0..Counter::COUNT).filter(move |slot| mask >> slot & 1 == 1)
}

/// Whether any of these counters, by slot, differs from the last reading.
fn moved(cell: &InterfaceCell, slots: u32, counters: &Counters) -> bool {
    counters.iter().any(|(counter, value)| {
        let slot = counter.slot();
        slots >> slot & 1 == 1 && cell.peek(value_at(slot)) != value
    })
}
