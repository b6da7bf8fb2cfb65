//! When a device is looked at next: pure functions of time.

use std::time::Duration;

use crate::fabric::Timestamp;

/// A device that does not answer is asked again after this long, doubled with each failure...
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// ...up to this long, so that it is noticed within seconds when it is back.
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Regular polls: at `origin + n * interval`, for ever, however late one of them was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    interval: Duration,
    next: Timestamp,
}

impl Ticks {
    /// The ticks of the `nth` device, of which the first is not before `from`. However many devices there
    /// are and whichever of them leave, their ticks lie evenly over the interval.
    pub fn new(origin: Timestamp, nth: u64, interval: Duration, from: Timestamp) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let mut ticks = Self { interval, next: origin + interval.mul_f64(spread(nth)) };
        if ticks.next < from {
            ticks.pass(from);
            if ticks.next < from {
                ticks.next = ticks.next + interval;
            }
        }
        ticks
    }

    /// The next one.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// From one to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The tick that was due has been served from now on.
    pub fn begin(&mut self) {
        self.next = self.next + self.interval;
    }

    /// The poll is over; ticks that fell into it are left out. How many?
    pub fn pass(&mut self, now: Timestamp) -> u64 {
        if self.next > now {
            return 0;
        }
        let missed = now.since(self.next).as_micros() / self.interval.as_micros() + 1;
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.next = self.next + self.interval * missed;
        u64::from(missed)
    }
}

/// Fractions of an interval that lie evenly for any count of them: multiples of the golden ratio, modulo 1.
fn spread(nth: u64) -> f64 {
    // 2^64 divided by the golden ratio.
    nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 2f64.powi(64)
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

    #[test]
    fn ticks_do_not_drift_however_late_a_poll_begins() {
        let mut ticks = Ticks::new(secs(100), 0, TEN, secs(100));
        assert_eq!(ticks.next(), secs(100));
        ticks.begin();
        assert_eq!((ticks.pass(secs(103)), ticks.next()), (0, secs(110)));
        ticks.begin();
        assert_eq!((ticks.pass(secs(119)), ticks.next()), (0, secs(120)));
    }

    #[test]
    fn ticks_within_a_poll_are_left_out_and_counted() {
        let mut ticks = Ticks::new(secs(100), 0, TEN, secs(100));
        ticks.begin();
        assert_eq!((ticks.pass(secs(135)), ticks.next()), (3, secs(140)));
        assert_eq!((ticks.pass(secs(140)), ticks.next()), (1, secs(150)));
    }

    #[test]
    fn the_first_tick_is_not_before_it_is_wanted() {
        for nth in 0..50 {
            let ticks = Ticks::new(secs(0), nth, TEN, secs(12_345));
            assert!((secs(12_345)..=secs(12_355)).contains(&ticks.next()), "{nth}: {}", ticks.next());
        }
    }

    #[test]
    fn devices_are_spread_evenly_over_the_interval() {
        for devices in [2u64, 7, 100, 5_000] {
            let mut at: Vec<f64> = (0..devices).map(spread).collect();
            at.sort_by(f64::total_cmp);
            let widest = at.windows(2).map(|pair| pair[1] - pair[0]).fold(at[0] + 1.0 - at[at.len() - 1], f64::max);
            assert!(widest < 2.7 / devices as f64, "{devices} devices leave a hole of {widest}");
        }
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
