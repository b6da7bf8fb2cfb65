//! Two kinds of time: ours, and the device's own.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on our clock: microseconds since 1970-01-01T00:00:00Z.
///
/// Drivers make it from a clock that never steps backwards while the process lives, so that two of
/// them may be subtracted. Pure code is handed one and never asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the epoch with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339, in UTC, to the millisecond: `2026-11-24T05:30:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// sysUpTime (RFC 3418) as the device gave it: hundredths of a second since its agent started.
///
/// Wraps to zero after 2^32 of them, 497.1 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uptime(pub u32);

impl Uptime {
    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 as u64 * 10
    }

    /// The device time that passed since `earlier`, if the counter wrapped at most once.
    pub const fn wrapping_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.wrapping_sub(earlier.0) as u64 * 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc3339_to_the_millisecond() {
        assert_eq!(Timestamp::from_micros(1_795_498_200_123_456).to_string(), "2026-11-24T05:30:00.123Z");
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string(), format!("{}us", i64::MIN));
    }

    #[test]
    fn since_is_never_negative() {
        let (early, late) = (Timestamp::from_secs(10), Timestamp::from_secs(12));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn uptime_passes_its_wrap() {
        assert_eq!(Uptime(50).wrapping_since(Uptime(u32::MAX - 49)), Duration::from_secs(1));
    }
}
