use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

#[test]
fn buckets_are_those_of_an_hdr_histogram() {
    let histogram = Histogram::<u64>::new_with_bounds(1, 255, 1).unwrap();
    for value in 0..256_u64 {
        let (low, width) = edges(bucket(value as f64 / 256.0));
        assert_eq!(low, histogram.lowest_equivalent(value), "{value}");
        assert_eq!(low + width - 1, histogram.highest_equivalent(value), "{value}");
        assert!(bucket(value as f64 / 256.0) < BUCKETS);
    }
    assert_eq!(bucket(1.0), BUCKETS - 1);
    assert_eq!((bucket(0.0), bucket(-1.0), bucket(f64::NAN)), (0, 0, 0));
}

#[test]
fn one_interface_takes_at_most_two_kib() {
    // Beside the cell the two counts of an Arc, and the alignment.
    assert!(size_of::<SpreadCell>() + 64 <= 2_048, "{}", size_of::<SpreadCell>());
    const { assert!(HOUR.part_us / HOUR.unit_us < 1 << 16 && DAY.part_us / DAY.unit_us < 1 << 16) };
}

#[test]
fn a_burst_is_seen_beside_the_mean_and_leaves_with_its_window() {
    let at = |seconds: i64| Timestamp::from_secs(28_800 * 60_000 + seconds);
    let cell = SpreadCell::default();
    for poll in 0..360 {
        let sent = if poll % 50 == 49 { 0.9 } else { 0.1 };
        cell.record(at(poll * 10), at(poll * 10 + 10), Some(0.0), Some(sent));
    }
    let spread = cell.read(at(3_600));
    let hour = spread.sent.hour.unwrap();
    assert_eq!(hour.covered, Duration::from_secs(3_600));
    assert!((hour.p50 - 0.1).abs() < 0.004 && (hour.p95 - 0.1).abs() < 0.004, "{hour:?}");
    assert!((hour.p99 - 0.9).abs() < 0.029 && (hour.max - 0.9).abs() < 1e-4, "{hour:?}");
    assert!((hour.mean - 0.1156).abs() < 0.006, "{hour:?}");
    assert_eq!(spread.received.hour.map(|idle| (idle.p99, idle.max)), Some((0.0, 0.0)), "idle is zero, not a 256th");
    assert_eq!(spread.sent.day.map(|day| day.covered), Some(Duration::from_secs(3_600)));
    assert_eq!(spread.sent.minute.map(|minute| minute.covered), Some(Duration::from_secs(64)));

    assert_eq!(cell.read(at(3_700)).sent.minute, None, "nothing was read for longer than a minute");
    assert!(cell.read(at(3_700)).sent.hour.is_some());
    assert_eq!(cell.read(at(3_600 + 4 * 1_200)).sent.hour, None);
    assert_eq!(cell.read(at(5 * 28_800)).sent.day, None);
}

#[test]
fn what_is_not_known_has_no_weight() {
    let at = |seconds: i64| Timestamp::from_secs(2_000_000 + seconds);
    let cell = SpreadCell::default();
    assert_eq!(cell.read(at(0)), UtilizationSpread::default());
    cell.record(at(0), at(30), Some(0.5), None);
    let spread = cell.read(at(30));
    assert_eq!(spread.sent, Spread::default());
    assert_eq!(spread.received.hour.map(|hour| hour.covered), Some(Duration::from_secs(30)));
    cell.record(at(30), at(20), Some(0.5), None);
    cell.record(Timestamp::from_micros(i64::MIN), Timestamp::from_micros(-1), Some(0.5), None);
    assert_eq!(cell.read(at(30)), spread, "time that does not pass");
    cell.record(at(30), at(60), Some(7.0), Some(f64::INFINITY));
    assert_eq!(cell.read(at(60)).received.hour.map(|hour| hour.max), Some(1.0));
}

/// The least value at or below which the utilisation was for this share of the time; spans by value.
fn exact(spans: &[(f64, f64)], quantile: f64) -> f64 {
    let mut spans = spans.to_vec();
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let total: f64 = spans.iter().map(|(_, seconds)| seconds).sum();
    let mut passed = 0.0;
    for (value, seconds) in &spans {
        passed += seconds;
        if passed >= quantile.clamp(0.0, 1.0) * total {
            return *value;
        }
    }
    spans.last().map_or(0.0, |(value, _)| *value)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120, rng_seed: RngSeed::Fixed(1952), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Every quantile of hour and day is within the stated bound of the exact one, whatever came and however irregularly.
    #[test]
    fn quantiles_are_within_their_bound(
        start_s in 1_000_000_000..2_000_000_000_i64, interval_s in prop_oneof![Just(1.0), Just(10.0), Just(60.0), Just(300.0)],
        values in prop::collection::vec((prop_oneof![Just(0.0), 0.0..1.0_f64, 0.0..0.05_f64, 0.9..1.0_f64], 0.3..3.0_f64), 1..400),
        repeats in 1..6_usize, unknown_each in 5..50_usize,
    ) {
        let cell = SpreadCell::default();
        let mut now_us = start_s * 1_000_000;
        // From, to, value: what the windows really saw.
        let mut seen: Vec<(i64, i64, f64)> = Vec::new();
        for (number, (value, pace)) in values.iter().cycle().take(values.len() * repeats).enumerate() {
            let next_us = now_us + (interval_s * pace * 1e6) as i64;
            let known = number % unknown_each != 0;
            cell.record(Timestamp::from_micros(now_us), Timestamp::from_micros(next_us), known.then_some(*value), Some(0.25));
            if known {
                seen.push((now_us, next_us, *value));
            }
            now_us = next_us;
        }
        let spread = cell.read(Timestamp::from_micros(now_us)).received;
        for (window, found) in [(HOUR, spread.hour), (DAY, spread.day)] {
            // The last instant that was counted decides which parts there are.
            let from_us = ((now_us / window.part_us) - CLOSED as i64) * window.part_us;
            let spans: Vec<(f64, f64)> = seen
                .iter()
                .filter(|(_, to, _)| *to > from_us)
                .map(|(from, to, value)| (*value, (*to - (*from).max(from_us)) as f64 / 1e6))
                .collect();
            let total_s: f64 = spans.iter().map(|(_, seconds)| seconds).sum();
            let Some(found) = found else {
                prop_assert!(total_s * 1e6 <= window.unit_us as f64 * (spans.len() + 1) as f64);
                continue;
            };
            // Each span is a unit too long or too short at most, and a part that is over rounds to 1/255.
            let grid_s = window.unit_us as f64 / 1e6 * spans.len() as f64;
            prop_assert!((found.covered.as_secs_f64() - total_s).abs() <= grid_s + 1e-6);
            let rank = 0.5 / 255.0 + (grid_s / total_s).min(0.5) + 1e-9;
            for (quantile, value) in [(0.5, found.p50), (0.95, found.p95), (0.99, found.p99)] {
                let (low, high) = (exact(&spans, quantile - rank), exact(&spans, quantile + rank));
                let off = |of: f64| (1.0 / 256.0_f64).max(of / 32.0) + 1e-9;
                prop_assert!(value >= low - off(low) && value <= high + off(high), "{quantile}: {value} not in {low}..{high}");
            }
            let max = spans.iter().map(|(value, _)| *value).fold(0.0, f64::max);
            prop_assert!((found.max - max).abs() <= 1.0 / 65_536.0, "{} for {max}", found.max);
        }
        // The minute: slots of two seconds, the greater value where two share one.
        if let Some(minute) = spread.minute {
            let from_us = ((now_us - 1) / SLOT_US - SLOTS as i64 + 1) * SLOT_US;
            let last: Vec<f64> = seen.iter().filter(|(_, to, _)| *to > from_us).map(|(_, _, value)| *value).collect();
            let max = last.iter().copied().fold(0.0, f64::max);
            // Less than a 256th is idle.
            let least = if max < 1.0 / 256.0 { 0.0 } else { max };
            let within = least - 1e-9..=max + (1.0 / 256.0_f64).max(max / 16.0) + 1e-9;
            prop_assert!(within.contains(&minute.max), "{} for {max}, {last:?}", minute.max);
            prop_assert!(minute.covered <= Duration::from_secs(64));
        }
    }
}
