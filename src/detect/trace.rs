//! Whether a loss follows the load: how much of what was sent was lost, at which load, over the time of the loss.
//!
//! What is damaged is damaged at any load; what finds no buffer is lost when there is much. Readings are kept in a few
//! buckets that grow longer as time goes on, so that an hour takes no more room than a minute. A word is given only where
//! the load moved enough, and where chance (of rare losses) cannot have brought it about.

use std::time::Duration;

use crate::fabric::Timestamp;

use super::phrase;

/// So many buckets at most.
const BUCKETS: usize = 24;
/// The load must have moved by so much (of the speed) to say anything.
const MOVED: f64 = 0.15;
/// A share that is so many times another is another.
const APART: f64 = 3.0;
/// So many losses must be expected on both sides.
const EXPECTED: f64 = 5.0;
/// A silence that is longer than this was not watched.
const LONGEST_GAP: Duration = Duration::from_secs(600);

/// Some time of a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bucket {
    secs: f64,
    /// The load times the seconds.
    load: f64,
    packets: f64,
    lost: f64,
}

impl Bucket {
    fn mean_load(self) -> f64 {
        if self.secs > 0.0 { self.load / self.secs } else { 0.0 }
    }

    fn share(self) -> f64 {
        if self.packets > 0.0 { self.lost / self.packets } else { 0.0 }
    }

    fn and(self, other: Self) -> Self {
        Self {
            secs: self.secs + other.secs,
            load: self.load + other.load,
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
        }
    }
}

fn sum<'a>(buckets: impl IntoIterator<Item = &'a Bucket>) -> Bucket {
    buckets.into_iter().fold(Bucket::default(), |sum, bucket| sum.and(*bucket))
}

/// The course of a loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trace {
    buckets: Vec<Bucket>,
    /// How long a bucket is before the next begins, in seconds; it doubles when there is no room.
    span: f64,
    last: Option<Timestamp>,
}

/// What the course says; shares are of packets, loads of the speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Course {
    /// The same share at any load.
    Stays { share: f64, from: f64, to: f64 },
    /// More at a higher load.
    Follows { below: f64, above: f64, middle: f64 },
}

impl Trace {
    /// A reading: its load (0 to 1), packets and losses per second.
    pub(super) fn note(&mut self, at: Timestamp, load: f64, pps: f64, lost_pps: f64) {
        let secs = match self.last {
            Some(last) if at <= last => return,
            Some(last) => at.since(last).min(LONGEST_GAP).as_secs_f64(),
            // The interval of the first is not known here, but no poll is shorter than a second.
            None => 1.0,
        };
        self.last = Some(at);
        let next = Bucket { secs, load: load * secs, packets: pps * secs, lost: lost_pps * secs };
        if let Some(open) = self.buckets.last_mut().filter(|open| open.secs < self.span) {
            *open = open.and(next);
            return;
        }
        if self.buckets.len() == BUCKETS {
            self.span = 2.0 * self.span.max(secs);
            self.buckets = self.buckets.chunks(2).map(sum).collect();
        }
        self.buckets.push(next);
    }

    /// Whether the loss follows the load; none where that cannot be said.
    pub(super) fn course(&self) -> Option<Course> {
        let loads = || self.buckets.iter().map(|bucket| bucket.mean_load());
        let (from, to) = (loads().fold(f64::INFINITY, f64::min), loads().fold(0.0, f64::max));
        if to - from < MOVED {
            return None;
        }
        let middle = f64::midpoint(from, to);
        let below = sum(self.buckets.iter().filter(|bucket| bucket.mean_load() < middle));
        let above = sum(self.buckets.iter().filter(|bucket| bucket.mean_load() >= middle));
        let share = below.and(above).share();
        if share * below.packets.min(above.packets) < EXPECTED {
            return None;
        }
        let times = above.share() / below.share().max(f64::MIN_POSITIVE);
        if times >= APART {
            Some(Course::Follows { below: below.share(), above: above.share(), middle })
        } else if times > 1.0 / APART {
            Some(Course::Stays { share, from, to })
        } else {
            None
        }
    }

    /// The share at first and of late, where it has risen.
    pub(super) fn rise(&self) -> Option<(f64, f64)> {
        let quarter = self.buckets.len() / 4;
        if quarter < 2 {
            return None;
        }
        let first = sum(&self.buckets[..quarter]);
        let last = sum(&self.buckets[self.buckets.len() - quarter..]);
        let sure = first.share() * last.packets >= EXPECTED || last.lost >= 4.0 * EXPECTED;
        (sure && last.share() >= 2.0 * first.share()).then(|| (first.share(), last.share()))
    }

    /// In words, with a blank before; empty where nothing can be said.
    pub(super) fn words(&self) -> String {
        let percent = phrase::percent;
        let course = match self.course() {
            Some(Course::Stays { share, from, to }) => format!(
                " It stays at {} of packets whether the link is at {} or {}: it does not follow the load.",
                percent(share),
                percent(from),
                percent(to),
            ),
            Some(Course::Follows { below, above, middle }) => format!(
                " It was {} of packets below {} utilisation and {} above: it follows the load.",
                percent(below),
                percent(middle),
                percent(above),
            ),
            None => String::new(),
        };
        let within = || phrase::span(Duration::from_secs_f64(sum(&self.buckets).secs));
        // What follows the load rises with it.
        let rise = self.rise().filter(|_| !matches!(self.course(), Some(Course::Follows { .. })));
        let rise = rise.map(|(first, last)| {
            format!(" It rises: from {} to {} of packets within {}.", percent(first), percent(last), within())
        });
        course + rise.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace(readings: impl IntoIterator<Item = (f64, f64)>) -> Trace {
        let mut trace = Trace::default();
        for (n, (load, share)) in readings.into_iter().enumerate() {
            let pps = load * 1e6;
            trace.note(Timestamp::from_secs(10 * n as i64), load, pps, pps * share);
        }
        trace
    }

    #[test]
    fn damage_stays_and_congestion_follows() {
        let loads = [0.05, 0.2, 0.7, 0.6, 0.1, 0.5];
        let damage = trace(loads.map(|load| (load, 3e-5)));
        assert!(matches!(damage.course(), Some(Course::Stays { .. })));
        assert!(damage.words().contains("0.0030 % of packets whether the link is at 5.00 % or 70.0 %"));
        let queue = trace(loads.map(|load| (load, if load > 0.4 { 1e-3 } else { 1e-5 })));
        assert!(matches!(queue.course(), Some(Course::Follows { .. })));
    }

    #[test]
    fn nothing_is_said_of_a_load_that_did_not_move_or_of_a_few_packets() {
        assert_eq!(trace((0..20).map(|_| (0.5, 1e-3))).course(), None);
        assert_eq!(trace([(0.1, 1e-6), (0.9, 1e-6), (0.1, 1e-6)]).course(), None);
    }

    #[test]
    fn what_rises_is_told() {
        assert!(trace((0..40).map(|n| (0.5, 1e-5 * f64::from(n + 1)))).rise().is_some());
        assert_eq!(trace((0..40).map(|_| (0.5, 1e-5))).rise(), None);
        assert_eq!(trace((0..40).map(|n| (0.5, 1e-4 / f64::from(n + 1)))).rise(), None);
    }

    proptest! {
        /// However long it goes on, it takes no more room and loses nothing.
        #[test]
        fn bounded_and_whole(readings in prop::collection::vec((0.0..1.0f64, 0.0..1e-2f64), 1..600)) {
            let trace = trace(readings.iter().copied());
            prop_assert!(trace.buckets.len() <= BUCKETS);
            let secs = |n| if n == 0 { 1.0 } else { 10.0 };
            let packets: f64 = readings.iter().enumerate().map(|(n, (load, _))| load * 1e6 * secs(n)).sum();
            prop_assert!((sum(&trace.buckets).packets - packets).abs() <= 1e-6 * packets.max(1.0));
        }
    }
}
