//! Has more gone missing than can be explained? Interval arithmetic, and nothing else.
//!
//! What is missing at a moment is known to lie between two bounds. They come in as two kinds of points, *low* and *high*.
//! What was lost between two moments is at least the low one of the later less the high one of the earlier. The width
//! of the bounds does not grow with time and loss does, so any loss is seen in the end. Of the high points the lowest
//! of each span of time is kept, [`STARTS`] of them: a moment in which traffic paused is a sharp one, and is found again
//! however long ago it was.

use std::collections::VecDeque;

use super::Settings;

/// Beginnings that are kept; when there are more, two neighbours become one.
const STARTS: usize = 12;
/// How long the span of one is at first, seconds.
const SPAN_S: f64 = 60.0;
/// Beginnings of spans longer than this are forgotten instead, the oldest first.
const LONGEST_SPAN_S: f64 = 3600.0;
/// How long bounds are given for a window in which nothing is lost, before it begins anew.
const CALM_S: f64 = 4.0 * 3600.0;
/// Frames that would have been lost had it gone on, before the absence of loss is health.
const PROOF_FRAMES: f64 = 20.0;
/// Of what is told so much must be ruled out.
const CLEAR: f64 = 0.25;
/// Standard deviations on both sides of which 95 % lie.
const TWO_SIDED_95: f64 = 1.96;
/// More than this part of the frames missing, and hardly an octet: the ends count in different units.
const OTHER_UNITS: f64 = 0.05;

/// A bound of what is missing at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point {
    /// Seconds on our clock.
    pub at_s: f64,
    /// Frames sent so far.
    pub sent: f64,
    /// Frames missing so far, if all that the ends admit is a part of them.
    pub missing: f64,
    /// What the ends admit to have lost so far.
    pub admitted: f64,
    /// Octets sent and received so far.
    pub octets: [f64; 2],
}

impl Point {
    /// What goes missing in health is taken off by the path that is tested.
    fn path(&self, settings: &Settings, baseline_pps: f64) -> f64 {
        self.missing - baseline_pps * self.at_s - tolerated(settings) * self.sent
    }
}

/// A ratio that is not looked at.
fn tolerated(settings: &Settings) -> f64 {
    settings.warning / 10.0
}

/// Frames lost between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub since_s: f64,
    pub until_s: f64,
    pub sent: f64,
    pub lost: f64,
    /// Bounds of `lost`.
    pub at_least: f64,
    pub at_most: f64,
}

impl Estimate {
    /// Lost of all sent.
    pub fn ratio(&self) -> f64 {
        (self.lost / self.sent).clamp(0.0, 1.0)
    }

    /// How wide the interval of the ratio is.
    pub fn width(&self) -> f64 {
        (self.at_most - self.at_least) / self.sent.max(1.0)
    }
}

/// The sharpest high point of a span, and the low point before it.
#[derive(Clone, Copy, Debug)]
struct Start {
    high: Point,
    low: Point,
    from_s: f64,
}

/// One source of bounds of one direction.
#[derive(Debug, Default)]
pub struct Watch {
    starts: VecDeque<Start>,
    span_s: f64,
    /// Where the window begins for which bounds are given while nothing is lost.
    calm: Option<Start>,
    low: Option<Point>,
    high: Option<Point>,
    /// Since then no loss was proven.
    clear_from: Option<Point>,
}

impl Watch {
    /// Totals begin anew.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// At this moment at most so much is missing.
    pub fn high(&mut self, settings: &Settings, baseline_pps: f64, high: Point) {
        self.high = Some(high);
        let Some(low) = self.low else { return };
        self.span_s = self.span_s.max(SPAN_S);
        let start = Start { high, low, from_s: high.at_s };
        if self.calm.is_none_or(|calm| high.at_s - calm.from_s > CALM_S) {
            self.calm = Some(start);
        }
        match self.starts.back_mut() {
            Some(newest) if high.at_s - newest.from_s < self.span_s => {
                if high.path(settings, baseline_pps) < newest.high.path(settings, baseline_pps) {
                    (newest.high, newest.low) = (high, low);
                }
            }
            _ => self.starts.push_back(start),
        }
        if self.starts.len() > STARTS {
            if self.span_s >= LONGEST_SPAN_S {
                self.starts.pop_front();
                return;
            }
            self.span_s *= 2.0;
            let mut merged: VecDeque<Start> = VecDeque::with_capacity(STARTS + 1);
            for (at, start) in std::mem::take(&mut self.starts).into_iter().enumerate() {
                match merged.back_mut() {
                    Some(before) if at % 2 == 1 => {
                        if start.high.path(settings, baseline_pps) < before.high.path(settings, baseline_pps) {
                            (before.high, before.low) = (start.high, start.low);
                        }
                    }
                    _ => merged.push_back(start),
                }
            }
            self.starts = merged;
        }
    }

    /// At this moment at least so much is missing. True if that is a loss, beyond doubt.
    pub fn low(&mut self, settings: &Settings, baseline_pps: f64, low: Point) -> bool {
        self.low = Some(low);
        let path = low.path(settings, baseline_pps);
        let least = self.starts.iter().map(|start| start.high.path(settings, baseline_pps));
        least.fold(f64::INFINITY, f64::min) + settings.minimum_frames < path
            && self.estimate(settings, baseline_pps).is_some_and(|loss| loss.at_least > 0.0)
    }

    /// The loss since the beginning from which the largest ratio is proven; where none is, the closest bounds of one.
    pub fn estimate(&self, settings: &Settings, baseline_pps: f64) -> Option<Estimate> {
        let (low, high) = (self.low?, self.high?);
        let starts = self.starts.iter().chain(&self.calm);
        let estimates = starts.filter_map(|start| estimate(settings, baseline_pps, start, &low, &high));
        let proven = |loss: &Estimate| loss.at_least / loss.sent;
        estimates.reduce(|best, next| {
            let better = if proven(&best).max(proven(&next)) > 0.0 {
                proven(&next) > proven(&best)
            } else {
                next.width() < best.width()
            };
            if better { next } else { best }
        })
    }

    /// It is told, in this ratio. Is it over?
    pub fn is_over(&mut self, settings: &Settings, baseline_pps: f64, ratio: f64) -> Option<bool> {
        let (low, high) = (self.low?, self.high?);
        let from = *self.clear_from.get_or_insert(low);
        let later = self.starts.iter().filter(|start| start.high.at_s > from.at_s);
        let least = later.map(|start| start.high.path(settings, baseline_pps)).fold(f64::INFINITY, f64::min);
        if low.path(settings, baseline_pps) > least + settings.minimum_frames / 2.0 {
            self.clear_from = Some(low);
            return Some(false);
        }
        let sent = high.sent - from.sent;
        let lost = high.missing + high.admitted
            - from.missing
            - from.admitted
            - baseline_pps.min(0.0) * (high.at_s - from.at_s);
        (ratio * sent >= PROOF_FRAMES && lost < CLEAR * ratio * sent).then_some(true)
    }

    /// It was told and is over: what was lost until now is no part of what comes.
    pub fn is_well(&mut self) {
        let (low, high) = (self.low, self.high);
        *self = Self { low, high, ..Self::default() };
    }
}

fn estimate(settings: &Settings, baseline_pps: f64, start: &Start, low: &Point, high: &Point) -> Option<Estimate> {
    let (sent, seconds) = (low.sent - start.high.sent, low.at_s - start.high.at_s);
    if sent < 1.0 || seconds <= 0.0 {
        return None;
    }
    let allowed = baseline_pps.max(0.0) * seconds;
    let chance = |frames: f64| TWO_SIDED_95 * frames.max(0.0).sqrt();
    let least = low.missing - start.high.missing - allowed.max(baseline_pps * seconds);
    let most = high.missing + high.admitted
        - start.low.missing
        - start.low.admitted
        - baseline_pps.min(0.0) * (high.at_s - start.low.at_s);
    let (least, most) = (least.clamp(0.0, sent), most.clamp(0.0, sent));
    let [sent_octets, received_octets] = [0, 1].map(|at| low.octets[at] - start.high.octets[at]);
    let units = least > OTHER_UNITS * sent
        && received_octets > 0.0
        && sent_octets - received_octets < least / sent / 4.0 * sent_octets;
    if units || most < least {
        return None;
    }
    let lost = if least > settings.minimum_frames || most < 1.0 { f64::midpoint(least, most) } else { least };
    Some(Estimate {
        since_s: start.high.at_s,
        until_s: low.at_s,
        sent,
        lost,
        at_least: (least - chance(least)).max(0.0),
        at_most: (most + chance(most + 1.0)).min(sent),
    })
}
