use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

fn moment(at_s: f64, uptime_s: impl Into<Option<f64>>) -> Moment {
    let uptime = uptime_s.into().map(|uptime_s: f64| Uptime(((uptime_s * 100.0) as u64) as u32));
    Moment { at: Timestamp::from_micros((at_s * 1e6) as i64), uptime }
}

fn between(before: Moment, after: Moment) -> Result<(f64, Clock), Unknown> {
    span(before, after).map(|span| ((span.seconds * 100.0).round() / 100.0, span.clock))
}

/// 497.1 days.
const TURN_S: f64 = 42_949_672.96;

#[test]
fn device_time_is_used_where_it_moves_sanely() {
    use Clock::{Device, Ours};
    let sane = |was, is, ours| between(moment(1e6, was), moment(1e6 + ours, is));
    assert_eq!(sane(Some(5000.0), Some(5010.2), 10.0), Ok((10.2, Device)));
    assert_eq!(sane(Some(TURN_S - 4.0), Some(TURN_S + 6.0), 10.1), Ok((10.0, Device)), "its wrap is no restart");
    assert_eq!(sane(None, Some(5010.0), 10.0), Ok((10.0, Ours)));
    assert_eq!(sane(Some(5000.0), Some(5000.0), 10.0), Ok((10.0, Ours)), "frozen");
    assert_eq!(sane(Some(5000.0), Some(5013.0), 10.0), Ok((10.0, Ours)), "runs away");
    assert_eq!(sane(Some(5000.0), Some(95_000.0), 10.0), Ok((10.0, Ours)), "set forward");
    assert_eq!(sane(Some(5000.0), Some(5005.0), 10.0), Ok((10.0, Ours)), "slow");
    assert_eq!(sane(Some(5000.0), Some(4999.99), 0.05), Ok((0.05, Ours)), "jitter of hundredths");
    assert_eq!(sane(Some(5000.0), Some(5000.1), 0.1), Ok((0.1, Ours)), "too short for hundredths");
}

#[test]
fn a_device_that_started_anew_is_told() {
    let restarted = |was, is, ours| span(moment(1e6, was), moment(1e6 + ours, is)) == Err(Unknown::Discontinuity);
    assert!(restarted(5000.0, 3.0, 10.0));
    assert!(restarted(5000.0, 3.0, 1.0), "its age may be off by a second");
    assert!(restarted(2.0, 5.0, 60.0), "uptime rose, but it is younger than the last reading");
    assert!(restarted(TURN_S - 2_000_000.0, 4.0, 10.0), "not near enough to its wrap");
    assert!(restarted(1e6, 5e5, 10.0), "fell, whatever it claims");
    assert!(!restarted(TURN_S - 4.0, TURN_S + 6.0, 10.0));
    assert_eq!(span(moment(5.0, None), moment(5.0, None)), Err(Unknown::Ambiguous));
}

#[test]
fn every_reading_of_two_values() {
    use CounterWidth::{Bits32, Bits64};
    const TOP: u64 = u32::MAX as u64;
    let octets = |before, after, width, most| step(Counter::InOctets, before, after, width, most);
    assert_eq!(octets(5, 5, Bits64, None), Step::Rose(0));
    assert_eq!(octets(5, u64::MAX, Bits64, None), Step::Rose(u64::MAX - 5));
    assert_eq!(octets(5, 4, Bits64, Some(1e18)), Step::Fell, "64 bits do not wrap");
    assert_eq!(octets(TOP - 9, 10, Bits32, Some(1e6)), Step::Wrapped(20));
    assert_eq!(octets(TOP - 9, 10, Bits32, None), Step::Ambiguous, "nothing bounds it");
    assert_eq!(octets(TOP - 9, 10, Bits32, Some(5e9)), Step::Ambiguous, "may have wrapped twice");
    assert_eq!(octets(1_000_000, 10, Bits32, Some(1e6)), Step::Fell, "too far below its top");
    assert_eq!(octets(0, 10, Bits32, Some(4.2e9)), Step::Rose(10));
    assert_eq!(octets(0, 10, Bits32, Some(4.3e9)), Step::Ambiguous, "a whole turn more is possible");
    assert_eq!(octets(0, 10, Bits32, None), Step::Rose(10));
    assert_eq!(step(Counter::InErrors, 0, 10, Bits32, Some(4.3e9)), Step::Rose(10), "2^32 errors are not");
    assert_eq!(octets(0, TOP + 1, Bits32, None), Step::Impossible);
    assert_eq!(octets(TOP + 1, 0, Bits32, None), Step::Impossible);
}

#[test]
fn more_than_the_speed_is_implausible() {
    let second = Span { seconds: 1.0, clock: Clock::Ours };
    let at = |counter, rise, speed| rate(counter, 0, rise, CounterWidth::Bits64, second, speed, 0.05);
    let gigabit = Some(1_000_000_000);
    assert_eq!(at(Counter::InOctets, 131_000_000, gigabit), Rate::Known(131e6), "1.048 Gbit/s, within tolerance");
    assert_eq!(at(Counter::InOctets, 132_000_000, gigabit), Rate::Unknown(Unknown::Implausible));
    assert_eq!(at(Counter::InOctets, 132_000_000, None), Rate::Known(132e6));
    assert_eq!(at(Counter::InUcastPkts, 1_488_095, gigabit), Rate::Known(1_488_095.0), "frames of 64 octets");
    assert_eq!(at(Counter::InUcastPkts, 1_600_000, gigabit), Rate::Unknown(Unknown::Implausible));
    assert_eq!(at(Counter::FcsErrors, 1_600_000, gigabit), Rate::Unknown(Unknown::Implausible));
    assert_eq!(at(Counter::OutDiscards, 1_600_000, gigabit), Rate::Known(1_600_000.0), "many ports send into one");
    assert_eq!(at(Counter::InOctets, u64::MAX, gigabit), Rate::Unknown(Unknown::Implausible));
}

/// A device as it really is, in integers that do not end.
#[derive(Clone, Debug)]
struct Truth {
    /// What was counted since the beginning of the world.
    counted: u128,
    /// Where the counter the device shows began.
    origin: u128,
    /// Seconds since the device's agent started.
    uptime_s: f64,
}

impl Truth {
    fn shown(&self, width: CounterWidth) -> u64 {
        let since = self.counted - self.origin;
        match width {
            CounterWidth::Bits32 => (since % (1 << 32)) as u64,
            CounterWidth::Bits64 => (since % (1 << 64)) as u64,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, rng_seed: RngSeed::Fixed(2863), ..ProptestConfig::default() })]

    /// No finite rate is off by more than the clock it was measured with, whatever the device does, if the device's
    /// resets show in its uptime.
    #[test]
    fn a_known_rate_is_right(
        wide in any::<bool>(), start in any::<u64>(), uptime_s in 0.0..2.0 * TURN_S,
        speed_exponent in 6..12_u32, load in 0.0..1.0_f64, span_s in 0.5..120.0_f64, drift in -0.002..0.002_f64,
        delay_s in 0.0..0.02_f64, restarts in prop::bool::weighted(0.2), restart_at in 0.0..1.0_f64,
        no_uptime in prop::bool::weighted(0.2), octets in any::<bool>(),
    ) {
        let width = if wide { CounterWidth::Bits64 } else { CounterWidth::Bits32 };
        let counter = if octets { Counter::InOctets } else { Counter::OutUcastPkts };
        let speed_bps = 10_u64.pow(speed_exponent);
        let rate_per_s = ceiling(counter, speed_bps, 0.0) * load;
        let mut truth = Truth { counted: u128::from(start), origin: 0, uptime_s };
        let told = |truth: &Truth, at_s: f64| moment(at_s, (!no_uptime).then_some(truth.uptime_s % TURN_S));
        let (before, at) = (truth.shown(width), told(&truth, 1000.0));
        let rise = (rate_per_s * span_s) as u128;
        truth.counted += rise;
        truth.uptime_s += span_s * (1.0 + drift);
        let resets = restarts && !no_uptime;
        if resets {
            // It restarted somewhere on the way and counted only what came after.
            truth.origin = truth.counted - (rate_per_s * span_s * (1.0 - restart_at)) as u128;
            truth.uptime_s = span_s * (1.0 - restart_at);
        }
        let (after, later) = (truth.shown(width), told(&truth, 1000.0 + span_s + delay_s));
        let measured = match span(at, later) {
            Ok(measured) => measured,
            Err(why) => {
                prop_assert_eq!(why, Unknown::Discontinuity);
                // A restart must be one; the first seconds of uptime may look like one.
                prop_assert!(resets, "a restart that was none");
                return Ok(());
            }
        };
        prop_assert!(!resets, "a restart went unseen: {at:?} {later:?}");
        let known = rate(counter, before, after, width, measured, Some(speed_bps), 0.05);
        let most = ceiling(counter, speed_bps, 0.05) * measured.seconds;
        if let Rate::Known(known) = known {
            // Whole units, the clock's own steps, its drift, and the delay that only our clock feels.
            let off_s = measured.uncertainty() + span_s * 0.002 + 0.02;
            let wrong = (known * measured.seconds - rise as f64).abs();
            prop_assert!(wrong <= 1.0 + rise as f64 * 1e-12, "{wrong} of {rise} counted wrongly");
            prop_assert!((measured.seconds - span_s).abs() <= off_s, "{} for {span_s}", measured.seconds);
        } else if wide {
            prop_assert!(start.checked_add(rise as u64).is_none(), "{known:?} for a calm counter");
        } else {
            let turns = (u64::from(start as u32) as u128 + rise) >> 32;
            prop_assert!(turns > 0 || most >= 4294967296.0, "{known:?} without a reason");
        }
    }

    /// Any two readings give a rate that is finite, not negative and within the speed, or a reason.
    #[test]
    fn nonsense_gives_a_bounded_rate_or_a_reason(
        before in any::<u64>(), after in any::<u64>(), wide in any::<bool>(), was in any::<Option<u32>>(),
        is in any::<Option<u32>>(), at in any::<i64>(), later in any::<i64>(), speed in any::<Option<u64>>(),
        slot in 0..Counter::COUNT,
    ) {
        let width = if wide { CounterWidth::Bits64 } else { CounterWidth::Bits32 };
        let moment = |at, uptime: Option<u32>| Moment { at: Timestamp::from_micros(at), uptime: uptime.map(Uptime) };
        let Ok(span) = span(moment(at, was), moment(later, is)) else { return Ok(()) };
        prop_assert!(span.seconds > 0.0 && span.seconds.is_finite());
        let counter = Counter::ALL[slot];
        if let Rate::Known(rate) = rate(counter, before, after, width, span, speed, 0.05) {
            prop_assert!(rate.is_finite() && rate >= 0.0);
            prop_assert!(speed.is_none_or(|speed| rate <= ceiling(counter, speed, 0.05) * 1.000_001));
        }
    }
}
