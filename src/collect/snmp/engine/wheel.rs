//! When each of very many devices is to be looked at next: a hashed timer wheel.
//!
//! Arming and expiring cost the same whether there are ten timers or a hundred thousand. A timer is armed anew
//! more often than it is due (with each request, most of which are answered), so nothing is ever taken out: whoever
//! is told that a timer is due knows whether it still is.

use std::time::Duration;

use crate::fabric::Timestamp;

/// The grain of time: no later than this is a timer told of.
const GRAIN_US: i64 = 1_000;
/// Buckets; a timer further off than all of them is passed by once a round, which costs next to nothing.
const BUCKETS: usize = 8_192;

/// Timers, each a number and a time.
pub struct Wheel {
    buckets: Box<[Vec<(u32, Timestamp)>]>,
    /// A bit for each bucket that has any.
    occupied: Box<[u64]>,
    /// All grains up to this one have been told of.
    told: i64,
}

impl Wheel {
    /// None is armed; time begins at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            occupied: vec![0; BUCKETS / 64].into(),
            told: now.as_micros().div_euclid(GRAIN_US),
        }
    }

    /// Tell of `timer` when `at` has come.
    pub fn arm(&mut self, timer: u32, at: Timestamp) {
        let grain = (at.as_micros() + GRAIN_US - 1).div_euclid(GRAIN_US).max(self.told + 1);
        let bucket = grain.rem_euclid(BUCKETS as i64) as usize;
        self.buckets[bucket].push((timer, at));
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
    }

    /// Add the timers that have become due to `due`, with the times they were armed for.
    pub fn expire(&mut self, now: Timestamp, due: &mut Vec<(u32, Timestamp)>) {
        let grain = now.as_micros().div_euclid(GRAIN_US);
        let first = (self.told + 1).max(grain - BUCKETS as i64 + 1);
        for grain in first..=grain {
            let bucket = grain.rem_euclid(BUCKETS as i64) as usize;
            if self.occupied[bucket / 64] >> (bucket % 64) & 1 == 0 {
                continue;
            }
            due.extend(self.buckets[bucket].extract_if(.., |(_, at)| *at <= now));
            if self.buckets[bucket].is_empty() {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
                // What a crowd once filled need not be kept for ever.
                self.buckets[bucket].shrink_to(64);
            }
        }
        self.told = self.told.max(grain);
    }

    /// How long nothing will be due, at least; no longer than `most`.
    pub fn idle_for(&self, now: Timestamp, most: Duration) -> Duration {
        let from = self.told + 1;
        let grains = (most.as_micros() as i64 / GRAIN_US).min(BUCKETS as i64 - 1);
        let mut grain = from;
        while grain <= from + grains {
            let bucket = grain.rem_euclid(BUCKETS as i64) as usize;
            let left = self.occupied[bucket / 64] >> (bucket % 64);
            if left != 0 {
                let at = Timestamp::from_micros((grain + i64::from(left.trailing_zeros())) * GRAIN_US);
                return at.since(now).min(most);
            }
            grain += 64 - (bucket % 64) as i64;
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + micros)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Each timer is told of once, not before its time and within a grain of the first look after it; and
        /// whoever sleeps as long as is said sleeps past none.
        #[test]
        fn every_timer_is_told_of_once_and_in_time(
            steps in prop::collection::vec((0_i64..3_000_000, prop::collection::vec(0_i64..40_000_000, 0..4)), 1..80),
        ) {
            let mut wheel = Wheel::new(at(0));
            let mut waiting: Vec<(u32, Timestamp)> = Vec::new();
            let (mut now, mut next) = (0, 0);
            for (step, timers) in steps {
                let idle = wheel.idle_for(at(now), Duration::from_secs(5));
                let earliest = waiting.iter().map(|(_, at)| *at).min();
                if let Some(earliest) = earliest {
                    prop_assert!(at(now) + idle < earliest + Duration::from_millis(2) || earliest <= at(now));
                }
                now += step;
                let mut due = Vec::new();
                wheel.expire(at(now), &mut due);
                for timer in due {
                    prop_assert!(timer.1 <= at(now), "before its time");
                    let place = waiting.iter().position(|waits| *waits == timer);
                    prop_assert!(place.is_some(), "told of twice, or never armed");
                    waiting.swap_remove(place.unwrap());
                }
                let late = at(now - GRAIN_US);
                prop_assert!(waiting.iter().all(|(_, at)| *at > late), "forgotten");
                for ahead in timers {
                    waiting.push((next, at(now + ahead)));
                    wheel.arm(next, at(now + ahead));
                    next += 1;
                }
            }
        }
    }
}
