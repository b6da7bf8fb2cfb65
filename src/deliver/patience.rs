//! How long to wait before a receiver is asked again, and when its refusal is believed.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A receiver may ask for this much patience at most.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// A receiver that did nothing but refuse for so long is taken at its word.
const BELIEVED_AFTER: Duration = Duration::from_secs(600);

/// What the last attempts have taught.
#[derive(Debug)]
pub(super) struct Patience {
    pause: Duration,
    refused_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, refused_since: None }
    }
}

impl Patience {
    /// It cannot now: how long to wait, where it did not ask for a time itself.
    pub fn cannot(&mut self, retry_after: Option<Duration>, random: &mut impl Rng) -> Duration {
        self.refused_since = None;
        let pause = self.next_pause(random);
        retry_after.map_or(pause, |asked| asked.clamp(FIRST_PAUSE, LONGEST_RETRY_AFTER))
    }

    /// It refuses us: how long to wait, or none when it is to be believed.
    pub fn refuses(&mut self, now: Instant, random: &mut impl Rng) -> Option<Duration> {
        let since = *self.refused_since.get_or_insert(now);
        (now.saturating_duration_since(since) < BELIEVED_AFTER).then(|| self.next_pause(random))
    }

    /// Twice as long every time, less up to a half, so that many do not come back at the same moment.
    fn next_pause(&mut self, random: &mut impl Rng) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let random = &mut StdRng::seed_from_u64(1);
        let mut patience = Patience::default();
        for full in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            let pause = patience.cannot(None, random).as_millis();
            assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
        }
    }

    #[test]
    fn a_wish_is_granted_within_bounds() {
        let random = &mut StdRng::seed_from_u64(1);
        let mut patience = Patience::default();
        let mut asked = |secs| patience.cannot(Some(Duration::from_secs(secs)), random);
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(0), FIRST_PAUSE);
        assert_eq!(asked(u64::MAX), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn only_a_lasting_refusal_is_believed() {
        let random = &mut StdRng::seed_from_u64(1);
        let mut patience = Patience::default();
        let began = Instant::now();
        let after = |secs| began + Duration::from_secs(secs);
        assert!(patience.refuses(began, random).is_some());
        assert!(patience.refuses(after(599), random).is_some());
        assert_eq!(patience.refuses(after(600), random), None);
        assert_eq!(patience.refuses(after(601), random), None, "and from then on every time");
        patience.cannot(None, random);
        assert!(patience.refuses(after(700), random).is_some(), "anything else between is a new beginning");
        assert!(patience.refuses(after(1_299), random).is_some());
        assert_eq!(patience.refuses(after(1_300), random), None);
    }
}
