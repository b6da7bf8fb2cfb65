//! The clock of collectors: real time at the start of the process, and from there on only ever forward.
//!
//! Wall clocks are set back and slewed; two readings of this one may always be subtracted. It is
//! tokio's clock, so that its moments are those of timers.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::fabric::Timestamp;

fn anchor() -> (Timestamp, Instant) {
    static ANCHOR: OnceLock<(Timestamp, Instant)> = OnceLock::new();
    *ANCHOR.get_or_init(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Timestamp::default() + since_epoch, Instant::now())
    })
}

/// Now.
pub fn now() -> Timestamp {
    let (start, instant) = anchor();
    start + instant.elapsed()
}

/// The same moment for tokio's timers.
pub fn instant(at: Timestamp) -> Instant {
    let (start, instant) = anchor();
    // A deadline of ten years is as good as none, and far from any overflow.
    instant + at.since(start).min(Duration::from_secs(10 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_forward_and_is_the_timers_own() {
        let before = now();
        let later = before + Duration::from_secs(1);
        assert!(now() >= before);
        let from_now = instant(later).saturating_duration_since(Instant::now());
        assert!(from_now <= Duration::from_secs(1) && from_now > Duration::from_millis(500), "{from_now:?}");
    }
}
