//! How the state of an interface and of a device lies in the words of their cells.
//!
//! A reader gets all words of a cell as one write left them and unpacks them here; the writer packs
//! single words. A counter's value and its rate lie side by side, so that a poll of the usual dozen
//! counters touches four neighbouring cache lines.

use std::sync::Arc;
use std::time::Duration;

use super::algebra::Clock;
use super::seqlock::SeqCell;
use super::speed::LAG;
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceHealth, DeviceId, DeviceIdentity, DeviceState, InterfaceId,
    InterfaceInfo, InterfaceState, OperStatus, Rate, Rates, SpeedSource, Timestamp, Unknown, UnreachableReason, Uptime,
};

/// Words of an interface's cell.
pub const INTERFACE_WORDS: usize = FIRST_COUNTER + 2 * Counter::COUNT;
const FIRST_COUNTER: usize = 5;

/// An interface: 56 words with the sequence, seven cache lines.
pub type InterfaceCell = SeqCell<INTERFACE_WORDS>;
/// A device: one cache line.
pub type DeviceCell = SeqCell<3>;

/// The place of an interface's [`Flags`].
pub const FLAGS: usize = 0;
/// When its counters were last read; valid with [`Flags::polled`].
pub const POLLED_AT: usize = 1;
/// When its status last changed; valid with [`Flags::oper_changed`].
pub const OPER_CHANGED_AT: usize = 2;
/// Bit/s, 0 where not known.
pub const SPEED: usize = 3;
/// The place of the [`pack_span`] that the rates were taken over; 0 where there was none yet.
pub const SPAN: usize = 4;

/// What the two ways in which a span may be off are counted in, microseconds, and their bits: up to 33 s each, more than any
/// cache that is believed in.
const OFF_UNIT_US: u64 = 4_096;
const OFF_BITS: u32 = 13;

/// The span that rates were taken over, how far it may be off, and how much more for a cache that polls cannot see, all in
/// microseconds. The span is kept up to 3 days; the others are rounded up.
pub const fn pack_span(span_us: u64, uncertainty_us: u64, unseen_us: u64) -> u64 {
    const LONGEST: u64 = (1 << (64 - 2 * OFF_BITS)) - 1;
    const fn off(us: u64) -> u64 {
        const MOST: u64 = (1 << OFF_BITS) - 1;
        let units = us.div_ceil(OFF_UNIT_US);
        if units > MOST { MOST } else { units }
    }
    let span_us = if span_us > LONGEST { LONGEST } else { span_us };
    span_us << (2 * OFF_BITS) | off(uncertainty_us) << OFF_BITS | off(unseen_us)
}

fn unpack_span(word: u64) -> [Duration; 3] {
    let off = |units: u64| Duration::from_micros((units & ((1 << OFF_BITS) - 1)) * OFF_UNIT_US);
    [Duration::from_micros(word >> (2 * OFF_BITS)), off(word >> OFF_BITS), off(word)]
}

/// The place of a counter's value.
pub const fn value_at(slot: usize) -> usize {
    FIRST_COUNTER + 2 * slot
}

/// The place of a counter's rate.
pub const fn rate_at(slot: usize) -> usize {
    FIRST_COUNTER + 2 * slot + 1
}

/// All that is smaller than a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Counters of the last reading, by slot.
    pub present: u32,
    /// Those of them that are 32 bits wide.
    pub narrow: u32,
    /// What it does.
    pub oper_status: OperStatus,
    /// What it should do.
    pub admin_status: AdminStatus,
    /// Its status has been told at all.
    pub told: bool,
    /// It was up at some time.
    pub seen_up: bool,
    /// Its counters were read at least once.
    pub polled: bool,
    /// Its status changed while we watched.
    pub oper_changed: bool,
    /// The rates' span is in the device's time.
    pub device_clock: bool,
    /// Its speed counts preambles and gaps between frames too.
    pub counts_gaps: bool,
}

const SLOTS: u32 = Counter::COUNT as u32;
const ALL_SLOTS: u64 = (1 << SLOTS) - 1;

impl Flags {
    /// Into a word.
    pub fn pack(self) -> u64 {
        let bits = [self.told, self.seen_up, self.polled, self.oper_changed, self.device_clock, self.counts_gaps];
        let admin = match self.admin_status {
            AdminStatus::Up => 1,
            AdminStatus::Down => 2,
            AdminStatus::Testing => 3,
            AdminStatus::Unknown => 0,
        };
        bits.into_iter().enumerate().fold(
            u64::from(self.present)
                | u64::from(self.narrow) << SLOTS
                | u64::from(self.oper_status.value()) << (2 * SLOTS)
                | admin << (2 * SLOTS + 3),
            |word, (index, bit)| word | u64::from(bit) << (2 * SLOTS as usize + 5 + index),
        )
    }

    /// Out of a word.
    pub fn unpack(word: u64) -> Self {
        let bit = |index: u32| word >> (2 * SLOTS + 5 + index) & 1 == 1;
        Self {
            present: (word & ALL_SLOTS) as u32,
            narrow: (word >> SLOTS & ALL_SLOTS) as u32,
            oper_status: OperStatus::from_value((word >> (2 * SLOTS) & 7) as i64),
            admin_status: AdminStatus::from_value((word >> (2 * SLOTS + 3) & 3) as i64),
            told: bit(0),
            seen_up: bit(1),
            polled: bit(2),
            oper_changed: bit(3),
            device_clock: bit(4),
            counts_gaps: bit(5),
        }
    }

    /// The width of a counter in the last reading.
    pub fn width(self, slot: usize) -> CounterWidth {
        if self.narrow >> slot & 1 == 1 { CounterWidth::Bits32 } else { CounterWidth::Bits64 }
    }
}

const WHYS: [Unknown; 7] = [
    Unknown::FirstSample,
    Unknown::Discontinuity,
    Unknown::Ambiguous,
    Unknown::Stale,
    Unknown::Implausible,
    Unknown::Missing,
    Unknown::NoSpeed,
];
const NOT_A_NUMBER: u64 = 0x7FF8_0000_0000_0000;

/// An unknown rate as a word: a NaN that carries the reason. A known one is the number itself.
pub const fn pack_unknown(why: Unknown) -> u64 {
    NOT_A_NUMBER | why as u64
}

/// A rate out of a word.
pub fn unpack_rate(word: u64) -> Rate {
    if word & NOT_A_NUMBER == NOT_A_NUMBER {
        Rate::Unknown(WHYS.get((word & 7) as usize).copied().unwrap_or(Unknown::Missing))
    } else {
        Rate::Known(f64::from_bits(word))
    }
}

/// What the rates of an interface rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The time between the two readings, or, where the device is known to cache, between the two refreshes of its
    /// cache that they show.
    pub span: Duration,
    /// How far `span` may be off for what was seen of the device: its clock's steps, and its cache where it has one.
    pub uncertainty: Duration,
    /// How much more it may be off for what no poll can show: a cache that is refreshed between any two polls, as net-snmp
    /// refreshes its interfaces every 3 s by itself. Zero where the cache is seen. Over many polls this comes to nothing.
    pub unseen: Duration,
    /// Whose time it is.
    pub clock: Clock,
}

impl Basis {
    /// The least and the most that a rate of `rate` may truly be: the bound that is vouched for. The most is none where the
    /// span may have been as good as nothing. One unit of the counter comes on top, as does the difference between the
    /// delays of two answers where the clock is ours.
    pub fn bounds(self, rate: f64) -> (f64, Option<f64>) {
        let counted = rate * self.span.as_secs_f64();
        let off = self.uncertainty + self.unseen;
        let shortest = self.span.saturating_sub(off);
        let most = (!shortest.is_zero()).then(|| counted / shortest.as_secs_f64());
        (counted / (self.span + off).as_secs_f64(), most)
    }
}

/// The basis out of a cell's words; none while there are no rates.
pub fn basis(words: &[u64; INTERFACE_WORDS]) -> Option<Basis> {
    let [span, uncertainty, unseen] = unpack_span(words[SPAN]);
    (words[SPAN] != 0).then(|| Basis {
        span,
        uncertainty,
        unseen,
        clock: if Flags::unpack(words[FLAGS]).device_clock { Clock::Device } else { Clock::Ours },
    })
}

/// An interface's state out of its cell's words.
pub fn interface_state(words: &[u64; INTERFACE_WORDS], device: &DeviceId, info: &Arc<InterfaceInfo>) -> InterfaceState {
    let flags = Flags::unpack(words[FLAGS]);
    let mut counters = Counters::default();
    let mut rates = Rates::default();
    for counter in Counter::ALL {
        let slot = counter.slot();
        if flags.present >> slot & 1 == 1 {
            counters.set(counter, words[value_at(slot)], flags.width(slot));
            rates[counter] = unpack_rate(words[rate_at(slot)]);
        } else if flags.polled {
            rates[counter] = Rate::Unknown(Unknown::Missing);
        }
    }
    let speed_bps = (words[SPEED] != 0).then_some(words[SPEED]);
    // Gaps count where the speed is that of an Ethernet port itself, and only such a port's is ever assumed.
    let speed_source = speed_bps.map(|bps| match info.speed_bps {
        None if flags.counts_gaps && info.if_type == LAG => SpeedSource::Members,
        None if flags.counts_gaps => SpeedSource::Assumed,
        Some(stated) if stated == bps => SpeedSource::Stated,
        // An aggregate's speed is declared, or that of its ports.
        Some(_) if flags.counts_gaps => SpeedSource::Members,
        _ => SpeedSource::Declared,
    });
    let at = |index: usize, valid: bool| valid.then(|| Timestamp::from_micros(words[index] as i64));
    use Counter::{InOctets, OutOctets};
    let (frames_in, frames_out) = (flags.counts_gaps.then_some(FRAMES_IN), flags.counts_gaps.then_some(FRAMES_OUT));
    InterfaceState {
        id: InterfaceId { device: device.clone(), if_name: Arc::clone(&info.if_name) },
        info: Arc::clone(info),
        speed_bps,
        speed_source,
        oper_status: flags.oper_status,
        admin_status: flags.admin_status,
        oper_changed_at: at(OPER_CHANGED_AT, flags.oper_changed),
        seen_up: flags.seen_up,
        polled_at: at(POLLED_AT, flags.polled),
        utilization_in: utilization(|counter| rates[counter], InOctets, frames_in, speed_bps),
        utilization_out: utilization(|counter| rates[counter], OutOctets, frames_out, speed_bps),
        counters,
        rates,
    }
}

/// Octets of preamble, start delimiter and least gap that every Ethernet frame takes beside those that are counted
/// (IEEE 802.3).
const GAP_OCTETS: f64 = 20.0;

/// The share of the speed that is taken, 0 to 1.
///
/// ifHCInOctets and its like count a frame from address to check sequence. The wire is busy for 20 octets more with
/// each, so that a 10 Gbit/s port full of frames of 64 octets counts 7.6 Gbit/s. Where the frames are counted and the
/// speed is that of an Ethernet port these octets belong to the load; for a speed that the operator declared (a shaped
/// port, a leased line) they do not, because such a speed is sold and enforced in counted octets. What measures above
/// the speed, by tolerance or because a declared speed is not enforced, is 1; the rates tell by how much.
fn utilization(
    rate: impl Fn(Counter) -> Rate,
    octets: Counter,
    frames: Option<[Counter; 3]>,
    speed_bps: Option<u64>,
) -> Rate {
    let Some(speed_bps) = speed_bps else { return Rate::Unknown(Unknown::NoSpeed) };
    rate(octets).map(|octets_per_s| {
        let frames_per_s: f64 = frames.iter().flatten().filter_map(|frames| rate(*frames).known()).sum();
        ((octets_per_s + GAP_OCTETS * frames_per_s) * 8.0 / speed_bps as f64).min(1.0)
    })
}

const FRAMES_IN: [Counter; 3] = [Counter::InUcastPkts, Counter::InMulticastPkts, Counter::InBroadcastPkts];
const FRAMES_OUT: [Counter; 3] = [Counter::OutUcastPkts, Counter::OutMulticastPkts, Counter::OutBroadcastPkts];

/// Received and sent, as they lie in the cell now. For the writing thread only.
pub fn utilizations(cell: &InterfaceCell, flags: Flags) -> [Option<f64>; 2] {
    let rate = |counter: Counter| match flags.present >> counter.slot() & 1 {
        1 => unpack_rate(cell.peek(rate_at(counter.slot()))),
        _ => Rate::Unknown(Unknown::Missing),
    };
    let speed_bps = Some(cell.peek(SPEED)).filter(|speed_bps| *speed_bps != 0);
    [(Counter::InOctets, FRAMES_IN), (Counter::OutOctets, FRAMES_OUT)]
        .map(|(octets, frames)| utilization(rate, octets, flags.counts_gaps.then_some(frames), speed_bps).known())
}

const REASONS: [UnreachableReason; 5] = [
    UnreachableReason::Timeout,
    UnreachableReason::Authentication,
    UnreachableReason::Malformed,
    UnreachableReason::Refused,
    UnreachableReason::NameResolution,
];

/// A device's moving parts, as they lie in its cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceWords {
    /// Whether it answers.
    pub health: DeviceHealth,
    /// Why not.
    pub unreachable: Option<UnreachableReason>,
    /// Since when.
    pub health_since: Option<Timestamp>,
    /// Its last sysUpTime.
    pub uptime: Option<Uptime>,
    /// When it last answered.
    pub answered_at: Option<Timestamp>,
}

impl DeviceWords {
    /// Write them into the cell.
    pub fn store(self, cell: &DeviceCell) {
        let health = match self.health {
            DeviceHealth::Unknown => 0,
            DeviceHealth::Ok => 1,
            DeviceHealth::Unreachable => 2,
        };
        let reason = self.unreachable.map_or(0, |reason| reason as u64 + 1);
        let word = u64::from(self.uptime.unwrap_or_default().0)
            | health << 32
            | reason << 34
            | u64::from(self.uptime.is_some()) << 40
            | u64::from(self.health_since.is_some()) << 41
            | u64::from(self.answered_at.is_some()) << 42;
        let mut write = cell.write();
        write.set(0, word);
        write.set(1, self.health_since.unwrap_or_default().as_micros() as u64);
        write.set(2, self.answered_at.unwrap_or_default().as_micros() as u64);
    }

    /// Read them out of the cell.
    pub fn load(cell: &DeviceCell) -> Self {
        let words = cell.read();
        let at =
            |index: usize, bit: u32| (words[0] >> bit & 1 == 1).then(|| Timestamp::from_micros(words[index] as i64));
        Self {
            health: match words[0] >> 32 & 3 {
                1 => DeviceHealth::Ok,
                2 => DeviceHealth::Unreachable,
                _ => DeviceHealth::Unknown,
            },
            unreachable: (words[0] >> 34 & 7).checked_sub(1).and_then(|index| REASONS.get(index as usize).copied()),
            health_since: at(1, 41),
            uptime: (words[0] >> 40 & 1 == 1).then_some(Uptime(words[0] as u32)),
            answered_at: at(2, 42),
        }
    }

    /// As a state.
    pub fn state(self, id: DeviceId, identity: Arc<DeviceIdentity>, interfaces: usize) -> DeviceState {
        let Self { health, unreachable, health_since, uptime, answered_at } = self;
        DeviceState { id, identity, health, unreachable, health_since, uptime, answered_at, interfaces }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn flags_survive_packing(word in 0..1_u64 << 61) {
            // Values that the standards do not define have one spelling only.
            let flags = Flags::unpack(word);
            prop_assert_eq!(Flags::unpack(flags.pack()), flags);
        }

        #[test]
        fn known_rates_survive_packing(value in 0.0..1e15_f64) {
            prop_assert_eq!(unpack_rate(value.to_bits()), Rate::Known(value));
        }

        #[test]
        fn device_words_survive_packing(
            uptime in proptest::option::of(any::<u32>()), since in proptest::option::of(any::<i64>()),
            answered in proptest::option::of(any::<i64>()), reason in proptest::option::of(0..5_usize),
        ) {
            let words = DeviceWords {
                health: if reason.is_some() { DeviceHealth::Unreachable } else { DeviceHealth::Ok },
                unreachable: reason.map(|index| REASONS[index]),
                health_since: since.map(Timestamp::from_micros),
                uptime: uptime.map(Uptime),
                answered_at: answered.map(Timestamp::from_micros),
            };
            let cell = DeviceCell::default();
            words.store(&cell);
            prop_assert_eq!(DeviceWords::load(&cell), words);
        }
    }

    #[test]
    fn unknown_rates_survive_packing() {
        for why in WHYS {
            assert_eq!(unpack_rate(pack_unknown(why)), Rate::Unknown(why));
        }
        for (index, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn a_full_port_is_full_whatever_its_frames() {
        let mut rates = Rates::default();
        // 10 Gbit/s of frames of 64 octets: 14.88 million a second.
        let frames_per_s = 10e9 / 8.0 / 84.0;
        rates[Counter::InOctets] = Rate::Known(frames_per_s * 64.0);
        rates[Counter::InUcastPkts] = Rate::Known(frames_per_s);
        let frames = Some([Counter::InUcastPkts, Counter::InMulticastPkts, Counter::InBroadcastPkts]);
        let share = |frames, speed| utilization(|counter| rates[counter], Counter::InOctets, frames, speed);
        assert!((share(frames, Some(10_000_000_000)).known().unwrap() - 1.0).abs() < 1e-9);
        assert!((share(None, Some(10_000_000_000)).known().unwrap() - 64.0 / 84.0).abs() < 1e-9);
        assert_eq!(share(None, Some(1_000_000_000)), Rate::Known(1.0));
        assert_eq!(share(frames, None), Rate::Unknown(Unknown::NoSpeed));
        assert_eq!(
            utilization(|counter| rates[counter], Counter::OutOctets, frames, Some(1)),
            Rate::Unknown(Unknown::FirstSample),
            "an unknown rate says itself why"
        );
    }

    #[test]
    fn cells_fill_whole_cache_lines() {
        assert_eq!(size_of::<InterfaceCell>(), 448);
        assert_eq!(size_of::<DeviceCell>(), 64);
    }
}
