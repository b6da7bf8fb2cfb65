//! When does a device refresh the counters that it answers with?
//!
//! Agents keep counters in a cache: net-snmp for some seconds, others for 30. Some refresh it by a
//! timer, some when they are asked after it expired. Polled faster than that, most readings repeat
//! the last, and a repeat under traffic is not zero.
//!
//! What can be known from the data, and is kept here per device:
//!
//! - A counter that moved tells that the cache was refreshed after that interface's previous
//!   reading and not after this one. Two such intervals that overlap may tell of the same refresh
//!   (it may fall between two PDUs of one poll); one that begins after the other ended tells of a
//!   new one: a **generation**.
//! - An interface that did not move since a reading, while the cache was refreshed after that
//!   reading for certain, was idle. [`Refresh::surely_after`] is the latest moment after which a
//!   refresh is certain; [`Refresh::is_later`] compares the two with care for answers that overtook
//!   each other.
//! - Where nothing moves at all there is either no refresh or no traffic. Longer than any cache
//!   keeps, [`Refresh::longest_silence`], it is no traffic.
//! - Generations seen at t0, t1, ... tk by polls that had been without news for g0, g1, ... gk bound
//!   the period R of a timer: (tk - t0 - gk) / k < R < (tk - t0 + g0) / k. As long as there is an R
//!   for which this holds for all k the device is periodic and R known ever closer; a cache that is
//!   refreshed on demand by regular polls looks the same. If there is none it is not periodic.
//!
//! All this takes a device to have one cache for all its interfaces. One that has several, each with
//! its own phase (line cards), makes its interfaces look idle in between; their mean stays right.
//! A cache that lives shorter than the poll interval cannot be seen at all: single rates are then off
//! by up to its period over the interval, which [`Refresh::unseen`] bounds, and again the mean is right.

use std::time::Duration;

use crate::fabric::Timestamp;

/// The longest cache that is believed in (30 s, with a tenth for the device's own slack).
const LONGEST_CACHE: Duration = Duration::from_secs(33);
/// The kernel of this host has no cache, but some drivers collect from the card once a second or two.
const LONGEST_DRIVER_CACHE: Duration = Duration::from_secs(3);
/// So many generations before their spacing is believed.
const GENERATIONS_TO_BELIEVE: u32 = 3;
/// So many polls before the time between them is believed.
const POLLS_TO_SETTLE: u32 = 3;
/// The period is used from this relative uncertainty down.
const CLOSE_ENOUGH: f64 = 0.05;
/// A run of generations is begun anew after so many, so that a period that drifts is followed.
const LONGEST_RUN: u32 = 64;

/// What is known of one device's cache.
#[derive(Clone, Debug)]
pub struct Refresh {
    longest_cache: Duration,
    /// The usual time between two polls.
    interval: Option<Duration>,
    polls: u32,
    unusual: u8,
    shortest_unusual: Duration,
    polled_at: Option<Timestamp>,
    surely_after: Option<Timestamp>,
    /// The first sample that showed the newest generation, and how long its interface had been without a reading.
    newest: Option<(Timestamp, Duration)>,
    generations: u32,
    /// The longest spacing among the latest 16 to 32 generations.
    longest: [Duration; 2],
    run: Run,
    period_s: Option<f64>,
    /// Generations to come for which the device is taken to cache, because one was seen to outlive a poll.
    caches_for: u32,
}

/// Consecutive generations that fit one period.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: Timestamp,
    start_gap_s: f64,
    count: u32,
    repeats: u32,
    at_least_s: f64,
    at_most_s: Option<f64>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            longest_cache: LONGEST_CACHE,
            interval: None,
            polls: 0,
            unusual: 0,
            shortest_unusual: Duration::ZERO,
            polled_at: None,
            surely_after: None,
            newest: None,
            generations: 0,
            longest: [Duration::ZERO; 2],
            run: Run::default(),
            period_s: None,
            caches_for: 0,
        }
    }
}

impl Refresh {
    /// Whether the counters come from this host's kernel.
    pub fn set_local(&mut self, local: bool) {
        self.longest_cache = if local { LONGEST_DRIVER_CACHE } else { LONGEST_CACHE };
    }

    /// The usual time between two polls; none before the second.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// So soon after the last poll this one is not a regular one.
    pub fn is_hasty(&self, gap: Duration) -> bool {
        self.polls >= POLLS_TO_SETTLE && self.interval.is_some_and(|interval| gap * 4 < interval)
    }

    /// The period of the device's cache is known.
    pub fn is_periodic(&self) -> bool {
        self.period_s.is_some()
    }

    /// An interface was read again at `now`, after `gap`. Counts once for all interfaces of one poll.
    pub fn polled(&mut self, now: Timestamp, gap: Duration) {
        let interval = self.interval.unwrap_or(gap);
        if self.polled_at.is_some_and(|earlier| now.since(earlier) * 2 < gap.min(interval)) {
            return;
        }
        self.polled_at = Some(now);
        self.polls = self.polls.saturating_add(1);
        if self.polls <= POLLS_TO_SETTLE {
            // The first gaps may hold an outage.
            self.interval = Some(interval.min(gap));
        } else if gap * 10 > interval * 7 && gap * 10 < interval * 14 {
            self.interval = Some((interval * 7 + gap) / 8);
            self.unusual = 0;
        } else {
            // An outage is one unusual gap; a new interval is many, and no longer than the shortest of them.
            self.shortest_unusual = if self.unusual == 0 { gap } else { self.shortest_unusual.min(gap) };
            self.unusual += 1;
            if self.unusual >= 3 {
                self.interval = Some(self.shortest_unusual);
                self.unusual = 0;
            }
        }
    }

    /// Counters of an interface read at `now` differ from those read at `previous`.
    pub fn moved(&mut self, previous: Timestamp, now: Timestamp) {
        self.surely_after = self.surely_after.max(Some(previous));
        let gap = now.since(previous);
        match self.newest {
            Some((seen, _)) if previous < seen => {}
            Some((seen, seen_gap)) => {
                self.newest = Some((now, gap));
                let missed_polls = self.interval.is_some_and(|interval| gap > interval * 2);
                let spacing = now.since(seen);
                if missed_polls || spacing > self.longest_cache.max(gap) {
                    self.run = Run::default();
                } else {
                    self.generation(seen, seen_gap, now, gap);
                }
            }
            None => self.newest = Some((now, gap)),
        }
    }

    fn generation(&mut self, seen: Timestamp, seen_gap: Duration, now: Timestamp, gap: Duration) {
        let spacing = now.since(seen);
        if self.generations.is_multiple_of(16) {
            self.longest = [Duration::ZERO, self.longest[0]];
        }
        self.generations = self.generations.saturating_add(1);
        self.longest[0] = self.longest[0].max(spacing);

        let repeated = spacing * 2 > gap * 3;
        self.caches_for = if repeated { LONGEST_RUN } else { self.caches_for.saturating_sub(1) };
        if self.caches_for == 0 {
            // So many polls without a repeat: it refreshes at every one now.
            self.period_s = None;
        }
        let run = &mut self.run;
        if run.count == 0 {
            *run = Run { start: seen, start_gap_s: seen_gap.as_secs_f64(), ..Run::default() };
        }
        run.count += 1;
        run.repeats += u32::from(repeated);
        let (passed_s, count) = (now.since(run.start).as_secs_f64(), f64::from(run.count));
        run.at_least_s = run.at_least_s.max((passed_s - gap.as_secs_f64()) / count);
        let at_most_s = (passed_s + run.start_gap_s) / count;
        let at_most_s = run.at_most_s.map_or(at_most_s, |earlier| earlier.min(at_most_s));
        run.at_most_s = Some(at_most_s);
        let (middle, spread) = ((run.at_least_s + at_most_s) / 2.0, at_most_s - run.at_least_s);
        if spread < 0.0 {
            self.run = Run::default();
            self.period_s = None;
        } else {
            if run.repeats > 0 && spread / 2.0 <= CLOSE_ENOUGH * middle {
                self.period_s = Some(middle);
            }
            if run.count >= LONGEST_RUN {
                self.run = Run::default();
            }
        }
    }

    /// The latest moment after which the cache was refreshed for certain.
    pub fn surely_after(&self) -> Option<Timestamp> {
        self.surely_after
    }

    /// Whether a refresh after the reading received at `after` is one after the reading received at `base` for certain.
    ///
    /// Readings of one PDU are of one moment. Those of different PDUs may have been answered in another order than they
    /// were received in, but not if they belong to different polls.
    pub fn is_later(&self, after: Option<Timestamp>, base: Timestamp) -> bool {
        let half = self.interval.unwrap_or(self.longest_cache) / 2;
        after.is_some_and(|after| after == base || after >= base + half)
    }

    /// Readings that repeat for longer than this are no cache: nothing moves.
    pub fn longest_silence(&self) -> Duration {
        if self.generations < GENERATIONS_TO_BELIEVE {
            return self.longest_cache;
        }
        (self.longest[0].max(self.longest[1]) * 3 / 2).min(self.longest_cache)
    }

    /// Some polls under traffic found nothing new: the device has a cache that outlives them. Until the first of them
    /// a device is taken to be fresh.
    pub fn repeats(&self) -> bool {
        self.caches_for > 0
    }

    /// How old what was read may be beside what polls so far apart can show: a cache that lives shorter than that is
    /// refreshed at every poll as far as anybody can see. None beside a cache that is seen.
    pub fn unseen(&self, gap: Duration) -> Duration {
        if self.repeats() { Duration::ZERO } else { gap.min(self.longest_cache) }
    }

    /// The time between the two refreshes that readings `span_s` apart show, and how far that may be off.
    ///
    /// The first reading showed a refresh at most `gap_before_s` old, the second one at most `gap_s` old; all in
    /// seconds. The result is always within what these allow.
    pub fn between(&self, span_s: f64, gap_before_s: f64, gap_s: f64) -> (f64, f64) {
        let (at_least, at_most) = ((span_s - gap_s).max(0.0), span_s + gap_before_s);
        let span = match self.period_s {
            Some(period_s) => {
                let periods = (at_least / period_s).floor() + 1.0;
                if periods * period_s < at_most { periods * period_s } else { span_s }
            }
            None => span_s,
        };
        if self.repeats() { (span, (at_most - span).max(span - at_least)) } else { (span, 0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls of one interface under steady traffic: the moments at which `refreshed` of the agent are read.
    fn watch(polls: impl Iterator<Item = f64>, refreshed: impl Fn(f64) -> i64) -> Refresh {
        let mut refresh = Refresh::default();
        let mut last: Option<(f64, i64)> = None;
        for at in polls {
            let now = Timestamp::from_micros((at * 1e6) as i64);
            let shown = refreshed(at);
            if let Some((previous, shown_before)) = last {
                let previous = Timestamp::from_micros((previous * 1e6) as i64);
                refresh.polled(now, now.since(previous));
                if shown != shown_before {
                    refresh.moved(previous, now);
                }
            }
            last = Some((at, shown));
        }
        refresh
    }

    fn timer(period_s: f64) -> impl Fn(f64) -> i64 {
        move |at| (at / period_s).floor() as i64
    }

    #[test]
    fn learns_the_period_of_a_timer() {
        for (period_s, poll_s, polls) in
            [(3.0, 1.0, 60), (3.0, 2.0, 80), (30.0, 10.0, 60), (3.3, 1.0, 60), (10.5, 10.0, 60)]
        {
            let refresh = watch((0..polls).map(|n| 1000.3 + f64::from(n) * poll_s), timer(period_s));
            let learned = refresh.period_s.unwrap_or_else(|| panic!("{period_s} s at {poll_s} s"));
            assert!((learned / period_s - 1.0).abs() <= CLOSE_ENOUGH, "{learned} for {period_s}");
            assert!(refresh.repeats());
            let silence = refresh.longest_silence().as_secs_f64();
            assert!(silence > period_s && silence <= (period_s + poll_s) * 1.5, "{silence} for {period_s}");
        }
    }

    #[test]
    fn rates_over_a_learned_period_are_not_torn_by_polls_that_beat_against_it() {
        let refresh = watch((0..80).map(|n| 1000.3 + f64::from(n) * 2.0), timer(3.0));
        for span_s in [2.0, 4.0] {
            let (span, off) = refresh.between(span_s, 2.0, 2.0);
            assert!((span - 3.0).abs() < 0.15, "{span}");
            assert!((span - 3.0).abs() <= off);
        }
        assert!((refresh.between(6.0, 2.0, 2.0).0 - 6.0).abs() < 0.3, "an idle generation in between");
    }

    #[test]
    fn a_device_that_is_new_at_every_poll_has_no_period_and_exact_spans() {
        let refresh = watch((0..200).map(|n| f64::from(n) * 10.0 + f64::from(n % 7) * 0.1), |at| (at * 1e6) as i64);
        assert_eq!((refresh.period_s, refresh.repeats()), (None, false));
        assert_eq!(refresh.between(10.1, 10.0, 10.0), (10.1, 0.0));
        let (interval, silence) = (refresh.interval().unwrap(), refresh.longest_silence());
        assert!(interval > Duration::from_millis(9_800) && interval < Duration::from_millis(10_200), "{interval:?}");
        assert!(silence > interval && silence < 2 * interval, "{silence:?}");
    }

    #[test]
    fn irregular_traffic_is_not_taken_for_a_period() {
        let mut random = 12345_u64;
        let mut shown = 0;
        let moves: Vec<i64> = (0..400)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shown += i64::from(random >> 33 & 3 == 0);
                shown
            })
            .collect();
        let refresh = watch((0..400).map(f64::from), |at| moves[at as usize]);
        assert_eq!(refresh.period_s, None);
    }

    #[test]
    fn a_refresh_between_two_pdus_of_one_poll_is_one_generation() {
        let at = |s: f64| Timestamp::from_micros((s * 1e6) as i64);
        let mut refresh = Refresh::default();
        refresh.moved(at(9.1), at(10.1));
        refresh.moved(at(10.0), at(11.0));
        assert_eq!(refresh.newest.map(|(seen, _)| seen), Some(at(10.1)));
        assert_eq!(
            refresh.surely_after(),
            Some(at(10.0)),
            "which is before the reading at 10.1, so that one may be as new"
        );
        refresh.moved(at(12.1), at(13.1));
        assert_eq!(refresh.newest.map(|(seen, _)| seen), Some(at(13.1)));
    }

    #[test]
    fn follows_a_new_interval_but_not_an_outage() {
        let mut refresh = Refresh::default();
        let mut now = Timestamp::from_secs(1_000);
        let mut polled = |refresh: &mut Refresh, seconds| {
            now = now + Duration::from_secs(seconds);
            // Each poll is of many rows.
            (0..10).for_each(|row| refresh.polled(now + Duration::from_millis(row), Duration::from_secs(seconds)));
        };
        (0..10).for_each(|_| polled(&mut refresh, 10));
        polled(&mut refresh, 600);
        assert_eq!(refresh.interval(), Some(Duration::from_secs(10)));
        polled(&mut refresh, 10);
        (0..3).for_each(|_| polled(&mut refresh, 60));
        assert_eq!(refresh.interval(), Some(Duration::from_secs(60)));
    }
}
