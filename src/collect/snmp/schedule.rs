//! When a device is looked at next: pure functions of time.

use std::time::Duration;

use crate::fabric::Timestamp;

/// A device that does not answer is asked again after this long, doubled with each failure...
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// ...up to this long, so that it is noticed within seconds when it is back.
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Devices are asked so far apart, one after the other. The two ends of a link are then read at nearly the same moment,
/// which is what lets their counters be compared ([`crate::detect::silent_loss`]); more devices than fit into an interval
/// so lie evenly over it.
const APART: Duration = Duration::from_millis(1);
/// Polls are dithered by up to this, and an eighth of the interval at most: what an agent refreshes by a timer of its own
/// must not keep step with us.
const DITHER: Duration = Duration::from_millis(100);

/// Regular polls: within a dither after `origin + n * interval`, for ever, however late one of them was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    interval: Duration,
    /// The next one, without its dither.
    next: Timestamp,
    nth: u64,
    /// Ticks so far.
    count: u64,
}

impl Ticks {
    /// The ticks of the `nth` device, of which the first is not before `from`.
    pub fn new(origin: Timestamp, nth: u64, interval: Duration, from: Timestamp) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let mut ticks = Self { interval, next: origin + place(nth, interval), nth, count: 0 };
        if ticks.next < from {
            ticks.skip(from);
            if ticks.next < from {
                ticks.next = ticks.next + interval;
            }
        }
        ticks
    }

    /// The next one.
    pub fn next(&self) -> Timestamp {
        // Multiples of the golden ratio, modulo 1: evenly spread, and begun at another place for each device.
        let turn = self.nth.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(self.count);
        let part = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 2f64.powi(64);
        self.next + DITHER.min(self.interval / 8).mul_f64(part)
    }

    /// From one to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The tick that was due has been served from now on.
    pub fn begin(&mut self) {
        self.next = self.next + self.interval;
        self.count = self.count.wrapping_add(1);
    }

    /// The poll is over; ticks that fell into it are left out. How many?
    pub fn pass(&mut self, now: Timestamp) -> u64 {
        if self.next() > now {
            return 0;
        }
        self.skip(now)
    }

    fn skip(&mut self, now: Timestamp) -> u64 {
        if self.next > now {
            return 0;
        }
        let missed = now.since(self.next).as_micros() / self.interval.as_micros() + 1;
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.next = self.next + self.interval * missed;
        self.count = self.count.wrapping_add(u64::from(missed));
        u64::from(missed)
    }
}

/// Where in the interval a device is asked.
fn place(nth: u64, interval: Duration) -> Duration {
    let micros = (u128::from(nth) * APART.as_micros()) % interval.as_micros().max(1);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// How long to wait before a device is asked again that has failed so many times in a row (1 or more).
pub fn retry_after(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(RETRY_LAST)
}

/// Wishes to look at once: any number of them before the look are served by it, and looks keep their distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    wanted_at: Option<Timestamp>,
    not_before: Timestamp,
}

impl Wish {
    /// Wish for a look at this time; false where an earlier wish stands and will be served no later.
    pub fn want(&mut self, at: Timestamp) -> bool {
        let at = at.max(self.not_before);
        match self.wanted_at {
            Some(earlier) if earlier <= at => false,
            _ => {
                self.wanted_at = Some(at);
                true
            }
        }
    }

    /// When to look, where that is wished.
    pub fn due(&self) -> Option<Timestamp> {
        self.wanted_at
    }

    /// A look begins. The next wish is not served before `distance` has passed.
    pub fn served(&mut self, now: Timestamp, distance: Duration) {
        self.wanted_at = None;
        self.not_before = now + distance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    const TEN: Duration = Duration::from_secs(10);

    /// Within the dither after this moment.
    fn is_at(ticks: &Ticks, seconds: i64) -> bool {
        (secs(seconds)..secs(seconds) + DITHER).contains(&ticks.next())
    }

    #[test]
    fn ticks_do_not_drift_however_late_a_poll_begins() {
        let mut ticks = Ticks::new(secs(100), 0, TEN, secs(100));
        assert!(is_at(&ticks, 100));
        ticks.begin();
        assert!(ticks.pass(secs(103)) == 0 && is_at(&ticks, 110));
        ticks.begin();
        assert!(ticks.pass(secs(119)) == 0 && is_at(&ticks, 120));
    }

    #[test]
    fn ticks_within_a_poll_are_left_out_and_counted() {
        let mut ticks = Ticks::new(secs(100), 0, TEN, secs(100));
        ticks.begin();
        assert!(ticks.pass(secs(135)) == 3 && is_at(&ticks, 140));
        assert!(ticks.pass(secs(141)) == 1 && is_at(&ticks, 150));
    }

    #[test]
    fn the_first_tick_is_not_before_it_is_wanted() {
        for nth in 0..50 {
            let ticks = Ticks::new(secs(0), nth, TEN, secs(12_345));
            assert!((secs(12_345)..=secs(12_355) + DITHER).contains(&ticks.next()), "{nth}: {}", ticks.next());
        }
    }

    #[test]
    fn few_devices_are_asked_at_nearly_the_same_moment_and_many_evenly() {
        assert_eq!(place(99, TEN), Duration::from_millis(99));
        let mut seconds = [0; 10];
        (0..50_000).for_each(|nth| seconds[place(nth, TEN).as_secs() as usize] += 1);
        assert_eq!(seconds, [5_000; 10]);
    }

    #[test]
    fn the_dither_is_spread_and_differs_between_devices() {
        let dithers = |nth| {
            let mut ticks = Ticks::new(secs(0), nth, TEN, secs(0));
            (0..100).map(move |n| {
                let late = ticks.next().since(secs(10 * n) + place(nth, TEN));
                ticks.begin();
                late.as_secs_f64()
            })
        };
        let (one, other): (Vec<f64>, Vec<f64>) = (dithers(0).collect(), dithers(1).collect());
        for dithers in [&one, &other] {
            assert!(dithers.iter().filter(|late| **late < 0.05).count().abs_diff(50) < 5);
            assert!(dithers.iter().all(|late| *late <= 0.1));
        }
        assert!(one.iter().zip(&other).all(|(one, other)| one != other));
    }

    #[test]
    fn a_dead_device_is_asked_less_often_but_within_seconds() {
        let waits: Vec<u64> = (1..7).map(|failures| retry_after(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
        assert_eq!(retry_after(u32::MAX), RETRY_LAST);
    }

    #[test]
    fn a_storm_of_wishes_is_a_few_looks() {
        let mut wish = Wish::default();
        let mut looks = 0;
        // A wish every millisecond for ten seconds.
        for millis in 0..10_000 {
            let now = Timestamp::from_micros(millis * 1_000);
            wish.want(now);
            if wish.due().is_some_and(|due| due <= now) {
                looks += 1;
                wish.served(now, Duration::from_millis(500));
            }
        }
        assert_eq!(looks, 20);
    }

    #[test]
    fn an_earlier_wish_takes_the_place_of_a_later_one() {
        let mut wish = Wish::default();
        assert!(wish.want(secs(9)));
        assert!(wish.want(secs(3)));
        assert!(!wish.want(secs(5)));
        assert_eq!(wish.due(), Some(secs(3)));
        wish.served(secs(4), TEN);
        assert!(wish.want(secs(5)));
        assert_eq!(wish.due(), Some(secs(14)));
    }
}
