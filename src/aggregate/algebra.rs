//! From two readings of a counter to a rate that can be vouched for. Pure functions.
//!
//! What holds of every rate that comes out of here:
//!
//! - The denominator is the device's own time (sysUpTime, RFC 3418, of the same PDU) where it moves
//!   sanely against our clock, else our clock; [`Span`] remembers which, and how far it may be off.
//! - A Counter64 that fell was reset. A Counter32 that fell has wrapped only if one wrap is the only
//!   reading that the interface's speed allows. A Counter32 of traffic that rose, where the speed
//!   allows a whole turn more, is just as ambiguous.
//! - More than speed times (1 + tolerance) is implausible.
//!
//! What cannot be told, and is stated instead: a Counter32 that was reset in silence just below its
//! top looks like a wrap; such a rate is wrong, but never above what the speed allows. An interface
//! of unknown speed bounds nothing: its 32-bit counters are taken to turn less than once between two
//! readings if they rose. Errors and discards are taken so at every speed: 2^32 losses in one
//! interval are not.

use crate::fabric::{Counter, CounterWidth, Rate, Timestamp, Unknown, Uptime};

/// When a reading was taken, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Our clock at receipt.
    pub at: Timestamp,
    /// The device's, out of the same PDU.
    pub uptime: Option<Uptime>,
}

/// Whose clock a span was measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The device's sysUpTime.
    Device,
    /// Ours, at receipt.
    Ours,
}

/// The time between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Seconds, above 0.
    pub seconds: f64,
    /// Whose seconds.
    pub clock: Clock,
}

impl Span {
    /// How far it may be off for the clock's own sake, in seconds: sysUpTime counts hundredths. Our clock adds the
    /// difference between the delays of two answers, which nobody can measure from here: it is not in this figure.
    pub fn uncertainty(self) -> f64 {
        match self.clock {
            Clock::Device => 0.01,
            Clock::Ours => 0.000_002,
        }
    }
}

/// Device time is used from this span on: below, hundredths of a second are too coarse.
const SHORTEST_DEVICE_SPAN_S: f64 = 0.5;

/// The time from one reading to a later one.
///
/// # Errors
/// [`Unknown::Discontinuity`] where the device started anew in between; [`Unknown::Ambiguous`] where no time passed.
pub fn span(before: Moment, after: Moment) -> Result<Span, Unknown> {
    let ours = after.at.since(before.at).as_secs_f64();
    if ours <= 0.0 {
        return Err(Unknown::Ambiguous);
    }
    let by_our_clock = Ok(Span { seconds: ours, clock: Clock::Ours });
    let (Some(was), Some(is)) = (before.uptime, after.uptime) else { return by_our_clock };
    if was == is {
        // Frozen, or cached by the agent: says nothing.
        return by_our_clock;
    }
    // Of all the spans that are the same to a clock of 32 bits the one nearest to ours.
    let turn = 4_294_967_296.0 / 100.0;
    let forward = f64::from(is.0.wrapping_sub(was.0)) / 100.0;
    let device = if (forward - turn - ours).abs() < (forward - ours).abs() { forward - turn } else { forward };
    let apart = (device - ours).abs();
    // The second half of the 497 days is the only place to wrap from.
    let fell = is.0 < was.0 && was.0 < u32::MAX / 2;
    let age = f64::from(is.0) / 100.0;
    let slack = 1.0 + 0.1 * ours;
    let started_since =
        if fell { age < ours + slack || apart > slack } else { apart > slack && (is.0 < was.0 || age < ours) };
    if started_since {
        return Err(Unknown::Discontinuity);
    }
    if device >= SHORTEST_DEVICE_SPAN_S && apart <= 0.1 + 0.1 * ours {
        return Ok(Span { seconds: device, clock: Clock::Device });
    }
    by_our_clock
}

/// How a counter went from one reading to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It stands or rose by this much.
    Rose(u64),
    /// It passed its end once and went on: the only reading that the speed allows, unless it was reset in silence.
    Wrapped(u64),
    /// It fell and cannot have wrapped: it was reset.
    Fell,
    /// Reset, or wrapped any number of times: who knows.
    Ambiguous,
    /// A value that a counter of its width cannot have.
    Impossible,
}

/// The step between two values, where `most` bounds what the counter can have counted meanwhile, if that is known.
pub fn step(counter: Counter, before: u64, after: u64, width: CounterWidth, most: Option<f64>) -> Step {
    const TURN: u64 = 1 << 32;
    match width {
        CounterWidth::Bits64 if after >= before => Step::Rose(after - before),
        CounterWidth::Bits64 => Step::Fell,
        CounterWidth::Bits32 if after >= TURN || before >= TURN => Step::Impossible,
        CounterWidth::Bits32 if after >= before => {
            let rise = after - before;
            let may_have_turned = most.is_some_and(|most| (rise + TURN) as f64 <= most);
            if may_have_turned && !is_loss(counter) { Step::Ambiguous } else { Step::Rose(rise) }
        }
        CounterWidth::Bits32 => {
            let rise = after + TURN - before;
            match most {
                Some(most) if rise as f64 > most => Step::Fell,
                Some(most) if (rise + TURN) as f64 > most => Step::Wrapped(rise),
                _ => Step::Ambiguous,
            }
        }
    }
}

/// Counts what went wrong, not what went through.
const fn is_loss(counter: Counter) -> bool {
    counter.slot() > Counter::OutBroadcastPkts.slot()
}

/// Octets that the shortest frame takes on the wire: 64, preamble 8, gap 12 (IEEE 802.3).
const SHORTEST_FRAME_OCTETS: f64 = 84.0;
/// More than a port can send may be offered to it by all the others: so many times its own rate is believed of what it
/// discards on the way out.
const FAN_IN: f64 = 64.0;

/// The most that a counter can count per second on an interface of this speed.
pub fn ceiling(counter: Counter, speed_bps: u64, tolerance: f64) -> f64 {
    let octets_per_s = speed_bps as f64 / 8.0 * (1.0 + tolerance);
    match counter {
        Counter::InOctets | Counter::OutOctets => octets_per_s,
        Counter::OutDiscards | Counter::DropsCongestionOut | Counter::DropsPolicyOut => {
            octets_per_s / SHORTEST_FRAME_OCTETS * FAN_IN
        }
        _ => octets_per_s / SHORTEST_FRAME_OCTETS,
    }
}

/// The rate between two values of a counter, `span` apart, on an interface of this speed.
///
/// This is the whole algebra for one counter by itself; the table looks at all counters of an interface together.
pub fn rate(
    counter: Counter,
    before: u64,
    after: u64,
    width: CounterWidth,
    span: Span,
    speed_bps: Option<u64>,
    tolerance: f64,
) -> Rate {
    let most = speed_bps.map(|speed_bps| ceiling(counter, speed_bps, tolerance) * span.seconds);
    match step(counter, before, after, width, most) {
        Step::Rose(rise) | Step::Wrapped(rise) => match most {
            Some(most) if rise as f64 > most => Rate::Unknown(Unknown::Implausible),
            _ => Rate::Known(rise as f64 / span.seconds),
        },
        Step::Fell => Rate::Unknown(why_it_fell(width)),
        Step::Ambiguous => Rate::Unknown(Unknown::Ambiguous),
        Step::Impossible => Rate::Unknown(Unknown::Missing),
    }
}

/// The reason to give for a counter that fell and did not wrap.
pub const fn why_it_fell(width: CounterWidth) -> Unknown {
    match width {
        CounterWidth::Bits64 => Unknown::Discontinuity,
        CounterWidth::Bits32 => Unknown::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
