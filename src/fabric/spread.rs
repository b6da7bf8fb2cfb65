//! How utilisation was spread over a window of time: what a mean hides.

use std::time::Duration;

/// Utilisation, 0 to 1, of one direction over one window, each value weighted by the time it held.
///
/// A quantile and the mean are within 1/256 of the speed, or within 1/32 of themselves where that is more; a quantile
/// may be that of a rank 0.2 % beside. `max` of an hour or a day is exact to 1/65536.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// For how much of the window utilisation was known.
    pub covered: Duration,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// For 95 % of the time it was at most this.
    pub p95: f64,
    /// For 99 % of the time it was at most this.
    pub p99: f64,
    /// It was never more, between two readings taken as a whole.
    pub max: f64,
}

impl Percentiles {
    /// The same against another speed, by which it is this many times as much; nothing is more than 1.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let scale = |value: f64| (value * factor).min(1.0);
        let Self { covered, mean, p50, p95, p99, max } = self;
        Self { covered, mean: scale(mean), p50: scale(p50), p95: scale(p95), p99: scale(p99), max: scale(max) }
    }
}

/// One direction over three sliding windows; none where nothing was known in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The last minute.
    pub minute: Option<Percentiles>,
    /// The last hour: 60 to 80 minutes.
    pub hour: Option<Percentiles>,
    /// The last day: 24 to 32 hours.
    pub day: Option<Percentiles>,
}

/// Both directions of an interface that carried traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UtilizationSpread {
    /// Received.
    pub received: Spread,
    /// Sent.
    pub sent: Spread,
}
