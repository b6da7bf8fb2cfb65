//! How long a try waits before the request is sent again (RFC 6298, Karn's rule): as long as the device is used to take,
//! and some more; never longer than the configured timeout.
//!
//! A lost datagram is so made good in a fraction of a second. That is all it changes: a device is given up no sooner
//! than after the configured timeout for each try, since the last try waits for what is left of it.

use std::time::Duration;

/// Devices are busy at times, and answers to long questions take longer than those to short ones.
const LEAST: Duration = Duration::from_millis(250);

/// What is known of a device's round trips.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rto {
    /// Smoothed round trip and its mean deviation, s; none before the first answer.
    smoothed: Option<(f32, f32)>,
    /// The doubling that the last tries came to; it stays until an answer is certain to be one to a single try.
    doublings: u8,
}

impl Rto {
    /// A request that was sent once was answered after so long.
    pub(super) fn answered(&mut self, round_trip: Duration) {
        let trip = round_trip.as_secs_f32();
        self.smoothed = Some(match self.smoothed {
            None => (trip, trip / 2.0),
            Some((mean, deviation)) => (mean * 0.875 + trip * 0.125, deviation * 0.75 + (mean - trip).abs() * 0.25),
        });
        self.doublings = 0;
    }

    /// A try ran out: the next waits twice as long.
    pub(super) fn ran_out(&mut self) {
        // 2^8 times the least wait is a minute: more than any timeout.
        self.doublings = (self.doublings + 1).min(8);
    }

    /// How long the next try waits.
    pub(super) fn wait(&self, timeout: Duration) -> Duration {
        let Some((mean, deviation)) = self.smoothed else { return timeout };
        // Both are bounded: answers count only within the time of all tries.
        let usual = Duration::try_from_secs_f32(mean + 4.0 * deviation).unwrap_or(timeout);
        usual.max(LEAST).saturating_mul(1 << self.doublings).min(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_follow_the_device_within_bounds() {
        let mut rto = Rto::default();
        assert_eq!(rto.wait(TIMEOUT), TIMEOUT, "nothing is known");
        (0..50).for_each(|_| rto.answered(MS(2)));
        assert_eq!(rto.wait(TIMEOUT), LEAST);
        assert_eq!(rto.wait(MS(100)), MS(100), "what is configured is the most");
        (0..50).for_each(|_| rto.answered(MS(600)));
        assert!((MS(600)..MS(700)).contains(&rto.wait(TIMEOUT)), "{:?}", rto.wait(TIMEOUT));
        (0..50).for_each(|_| rto.answered(MS(5_000)));
        assert_eq!(rto.wait(TIMEOUT), TIMEOUT);
    }

    #[test]
    fn tries_that_run_out_double_the_wait_until_an_answer_is_certain() {
        let mut rto = Rto::default();
        rto.answered(MS(2));
        let waits = [(); 6].map(|()| {
            let wait = rto.wait(TIMEOUT);
            rto.ran_out();
            wait
        });
        assert_eq!(waits, [MS(250), MS(500), MS(1_000), TIMEOUT, TIMEOUT, TIMEOUT]);
        (0..300).for_each(|_| rto.ran_out());
        assert_eq!(rto.wait(TIMEOUT), TIMEOUT);
        rto.answered(MS(2));
        assert_eq!(rto.wait(TIMEOUT), LEAST);
    }
}
