//! Coarser tiers: what is left of old samples, and of how long ranges at any age.
//!
//! When the head of a device is sealed, its rates are cut into buckets of five minutes and of one hour. A bucket is a
//! row of the tier's own head, which is sealed into blocks of the same kind in its turn:
//!
//! ```text
//! id * 2      the counters as last read within the bucket
//! id * 2 + 1  per quantity: for how long it is known (ms), mean, min, max, p99
//! ```
//! A bucket in which a block ended comes in two parts, each a row with a time of its own within the bucket. What is
//! asked for puts them together: the mean by the time that each part knows of, p99 as the greater of the two, so that it is
//! never too low.

use std::collections::BTreeMap;

use super::column::{COLUMNS, Cells, DELAY};
use super::query::{Pairs, QUANTITIES, Reading};
use super::{BLOCK_ROWS, BLOCK_SPAN_US};

/// How fine a part of the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// As it was read.
    Full,
    /// Five minutes.
    FiveMinutes,
    /// One hour.
    Hour,
}

impl Tier {
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Full, Self::FiveMinutes, Self::Hour];
    /// Those that are made of the first.
    pub(super) const COARSE: [Self; 2] = [Self::FiveMinutes, Self::Hour];

    /// The length of a bucket; one microsecond, the resolution of our clock, where there are none.
    pub(super) const fn step_us(self) -> u64 {
        match self {
            Self::Full => 1,
            Self::FiveMinutes => 300_000_000,
            Self::Hour => 3_600_000_000,
        }
    }

    /// How many rows make a block,
    pub(super) const fn block_rows(self) -> usize {
        match self {
            Self::Full => BLOCK_ROWS,
            Self::FiveMinutes => 96,
            Self::Hour => 48,
        }
    }

    /// or how long a time.
    pub(super) const fn block_span_us(self) -> u64 {
        match self {
            Self::Full => BLOCK_SPAN_US,
            Self::FiveMinutes => 8 * 3_600_000_000,
            Self::Hour => 48 * 3_600_000_000,
        }
    }

    /// The part of the disk budget that it may always have. The first has what the others leave.
    pub(super) const fn share(self, max_bytes: u64) -> u64 {
        match self {
            Self::Full => max_bytes,
            Self::FiveMinutes => max_bytes / 100 * 30,
            Self::Hour => max_bytes / 100 * 20,
        }
    }
}

/// The id under which a tier keeps the counters of an interface.
pub(super) fn counters_id(interface: u32) -> u32 {
    interface.saturating_mul(2)
}

/// The id under which a tier keeps how its rates were spread.
pub(super) fn spread_id(interface: u32) -> u32 {
    interface.saturating_mul(2).saturating_add(1)
}

/// How one quantity was spread over one bucket, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) known_s: f64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) p99: f64,
}

/// Columns that a quantity takes.
const FIGURES: usize = 5;
const _: () = assert!(FIGURES * QUANTITIES.len() <= COLUMNS);

impl Summary {
    /// Of rates that held for so long each; none of none.
    pub(super) fn of(rates: &mut [(f64, f64)]) -> Option<Self> {
        rates.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let (min, max) = (rates.first()?.0, rates.last()?.0);
        let known_s: f64 = rates.iter().map(|(_, seconds)| seconds).sum();
        let mean = rates.iter().map(|(rate, seconds)| rate * seconds).sum::<f64>() / known_s;
        Some(Self { known_s, mean: mean.clamp(min, max), min, max, p99: quantile_99(rates, known_s) })
    }

    pub(super) fn of_cells(cells: &Cells, quantity: usize) -> Option<Self> {
        let figure = |at: usize| cells.get((quantity * FIGURES + at) as u8);
        Some(Self {
            known_s: figure(0)? as f64 / 1e3,
            mean: unpack(figure(1)?),
            min: unpack(figure(2)?),
            max: unpack(figure(3)?),
            p99: unpack(figure(4)?),
        })
    }

    fn write(&self, cells: &mut Cells, quantity: usize) {
        let known_ms = ((self.known_s * 1e3).round() as u64).max(1);
        let figures = [known_ms, pack(self.mean), pack(self.min), pack(self.max), pack(self.p99)];
        for (at, figure) in figures.into_iter().enumerate() {
            cells.set((quantity * FIGURES + at) as u8, figure);
        }
    }
}

/// The rate that was not exceeded for 99 % of the time; `rates` are in order.
pub(super) fn quantile_99(rates: &[(f64, f64)], known_s: f64) -> f64 {
    let mut passed = 0.0;
    for (rate, seconds) in rates {
        passed += seconds;
        if passed >= known_s * 0.99 {
            return *rate;
        }
    }
    rates.last().map_or(0.0, |(rate, _)| *rate)
}

/// Bits of a rate that are not kept: it is right to 1/32,768 of itself, and zero is zero.
const DROPPED_BITS: u32 = 52 - 14;

/// Keeps the order of what is not negative.
fn pack(rate: f64) -> u64 {
    rate.max(0.0).to_bits().saturating_add(1 << (DROPPED_BITS - 1)) >> DROPPED_BITS
}

fn unpack(packed: u64) -> f64 {
    f64::from_bits(packed << DROPPED_BITS)
}

/// What becomes of some readings of one interface in a tier: of each bucket the counters last read, and how the rates were
/// spread. The first reading may be an older one, of which only the rate up to the next is wanted.
pub(super) fn buckets(readings: &[Reading], carried: bool, tier: Tier) -> BTreeMap<u64, (Cells, Cells)> {
    let step_us = tier.step_us();
    let bucket_of = |time: u64| time - time % step_us;
    let mut rates: BTreeMap<u64, [Vec<(f64, f64)>; QUANTITIES.len()]> = BTreeMap::new();
    Pairs::default().take(readings, (0, u64::MAX), |quantity, span, rate| {
        let mut at = span.0;
        while at < span.1 {
            let bucket = bucket_of(at);
            let end = (bucket + step_us).min(span.1);
            rates.entry(bucket).or_default()[quantity].push((rate, (end - at) as f64 / 1e6));
            at = end;
        }
    });
    let mut buckets: BTreeMap<u64, (Cells, Cells)> = BTreeMap::new();
    for reading in readings.iter().skip(usize::from(carried)) {
        // The last one stands, with the time that it was read at.
        let bucket = bucket_of(reading.time);
        let mut cells = reading.cells;
        cells.set(DELAY, reading.time - bucket);
        buckets.entry(bucket).or_insert((Cells::EMPTY, Cells::EMPTY)).0 = cells;
    }
    for (bucket, quantities) in rates {
        let (_, spread) = buckets.entry(bucket).or_insert((Cells::EMPTY, Cells::EMPTY));
        for (quantity, mut rates) in quantities.into_iter().enumerate() {
            if let Some(summary) = Summary::of(&mut rates) {
                summary.write(spread, quantity);
            }
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_packed_rate_is_near_and_in_order(one in 0.0..1e13f64, other in 0.0..1e13f64) {
            prop_assert!((unpack(pack(one)) - one).abs() <= one / 32_768.0);
            prop_assert_eq!(pack(one) > pack(other), unpack(pack(one)) > unpack(pack(other)));
            prop_assert!(one <= other || pack(one) >= pack(other));
        }

        #[test]
        fn a_summary_is_what_a_naive_one_is(rates in proptest::collection::vec((0.0..1e9f64, 1..20u32), 1..80)) {
            // Every second by itself.
            let mut each: Vec<f64> = rates.iter().flat_map(|(rate, s)| vec![*rate; *s as usize]).collect();
            each.sort_by(f64::total_cmp);
            let mut weighted: Vec<(f64, f64)> = rates.iter().map(|(rate, s)| (*rate, f64::from(*s))).collect();
            let got = Summary::of(&mut weighted).unwrap();
            prop_assert_eq!((got.min, got.max), (each[0], each[each.len() - 1]));
            let mean = each.iter().sum::<f64>() / each.len() as f64;
            prop_assert!((got.mean - mean).abs() <= mean * 1e-9 + 1e-9);
            let rank = (each.len() as f64 * 0.99).ceil() as usize;
            prop_assert_eq!(got.p99, each[rank - 1]);
        }
    }

    #[test]
    fn zero_is_zero() {
        assert_eq!(unpack(pack(0.0)), 0.0);
        assert_eq!(pack(0.0), 0);
    }
}
