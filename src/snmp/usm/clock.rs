//! What we know of another engine's boots and time (RFC 3414 §2.3, §3.2 step 7b).

use crate::fabric::Timestamp;

/// How far apart clocks may be, seconds.
pub(super) const TIME_WINDOW: u32 = 150;

/// An engine that has reached this many boots can prove nothing any more (RFC 3414 §2.2.2).
pub(super) const LAST_BOOTS: u32 = 0x7fff_ffff;

/// Another engine's clock, as we run it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::snmp) struct Clock {
    boots: u32,
    /// latestReceivedEngineTime, seconds, and when that was.
    time: u32,
    read_at: Timestamp,
}

impl Clock {
    /// What the engine said at `now`.
    pub(in crate::snmp) fn new(boots: u32, time: u32, now: Timestamp) -> Self {
        Self { boots, time, read_at: now }
    }

    /// Boots and time that it should have at `now`.
    pub(in crate::snmp) fn at(&self, now: Timestamp) -> (u32, u32) {
        let passed = u32::try_from(now.since(self.read_at).as_secs()).unwrap_or(u32::MAX);
        (self.boots, self.time.saturating_add(passed).min(LAST_BOOTS))
    }

    /// An authentic message said this: set the clock by it if it is news, and tell whether the message is
    /// recent enough to be believed.
    #[must_use]
    pub(in crate::snmp) fn accept(&mut self, boots: u32, time: u32, now: Timestamp) -> bool {
        if boots > self.boots || (boots == self.boots && time > self.time) {
            *self = Self::new(boots, time, now);
        }
        let (known_boots, known_time) = self.at(now);
        known_boots != LAST_BOOTS && boots == known_boots && time.saturating_add(TIME_WINDOW) >= known_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_and_refuses_what_is_old() {
        let at = Timestamp::from_secs;
        let mut clock = Clock::new(3, 1_000, at(0));
        assert_eq!(clock.at(at(200)), (3, 1_200));
        assert!(clock.accept(3, 1_190, at(200)), "news, if late");
        assert!(clock.accept(3, 1_040, at(200)), "150 s behind");
        assert!(!clock.accept(3, 1_039, at(200)), "151 s behind");
        assert_eq!(clock.at(at(200)), (3, 1_190), "what is old does not set the clock");
    }

    #[test]
    fn follows_a_restart_and_refuses_the_boot_before() {
        let at = Timestamp::from_secs;
        let mut clock = Clock::new(3, 1_000, at(0));
        assert!(clock.accept(4, 0, at(10)));
        assert!(!clock.accept(3, 1_010, at(10)));
        assert!(clock.accept(4, 5_000, at(11)), "an engine may run ahead");
        assert!(!clock.accept(LAST_BOOTS, 5, at(12)));
    }
}
