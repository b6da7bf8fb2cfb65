//! The same bounds, much closer, where both ends are seen to answer with fresh counters and traffic is even.
//!
//! Neighbours are polled at nearly the same moment, and what one of them counted in between is interpolated. What is
//! missing is then known but for a noise of some hundredths of a second of traffic, which is not bounded by logic, but
//! measured: how far a point lies from the line between its neighbours. The polls are dithered, so that an agent with a
//! cache shows itself by that noise: what it says does not move with the moment of the poll. Where the noise is larger
//! than clocks explain nothing comes from here.
//!
//! Of [`POINTS`] points the least is a low bound, the largest a high one. That all of so many points lie above all of as
//! many others by chance has a probability of 1 in 600 million, whatever the noise is like, as long as it is independent
//! from poll to poll; the dither sees to that. Beyond that a margin is asked for.

use super::watch::Point;

/// Points of one bound.
const POINTS: usize = 16;
/// Seconds of traffic that a point may lie beside the line between its neighbours.
const NOISE_S: f64 = 0.03;
/// Frames likewise.
const NOISE_FRAMES: f64 = 2.0;
/// Each noisy point doubles how many even ones are asked for, up to so many: a cache may look fresh for some polls.
const ASKED_MOST: u32 = 512;
/// Frames that a bound is loosened by.
const MARGIN_FRAMES: f64 = 10.0;
/// Seconds of traffic that fresh counters may be old: where the rate changes, so many of the difference are in doubt.
const LAG_S: f64 = 0.1;

/// The newest points of a direction, or of means of points.
#[derive(Debug, Default)]
pub struct Even {
    points: Vec<(Point, f64)>,
    /// The rate at which the beginning was taken.
    pps: Option<f64>,
    /// Points of the mean that is being made.
    mean: Vec<(Point, f64)>,
    /// Points without noise that are asked for before anything is said, and those seen so far.
    asked: u32,
    seen: u32,
}

/// A low and a high bound, and what the noise is like.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub low: Point,
    pub high: Point,
    /// The mean of both.
    pub mean: Point,
    /// How far that may be off.
    pub off: f64,
}

/// What a point brought.
#[derive(Clone, Copy, Debug)]
pub enum Sight {
    /// Not yet.
    Wait,
    /// Nothing can be said: what was known is void.
    Void,
    /// This is known.
    Known(Bounds),
}

impl Even {
    /// Take a point, and the frames per second around it.
    pub fn take(&mut self, point: Point, pps: f64) -> Sight {
        self.points.push((point, pps));
        let [.., (first, _), (middle, _), (last, _)] = self.points.as_slice() else { return Sight::Wait };
        let seconds = last.at_s - first.at_s;
        let part = if seconds > 0.0 { (middle.at_s - first.at_s) / seconds } else { 0.5 };
        let off = middle.missing - first.missing - part * (last.missing - first.missing);
        if off.abs() > NOISE_FRAMES.max(NOISE_S * pps) {
            let asked = (2 * self.asked).clamp(2 * POINTS as u32, ASKED_MOST);
            *self = Self { asked, ..Self::default() };
            return Sight::Void;
        }
        self.seen = self.seen.saturating_add(1);
        if self.points.len() < POINTS {
            return Sight::Wait;
        }
        if self.seen < self.asked {
            self.points.remove(0);
            return Sight::Wait;
        }
        self.bounds()
    }

    /// Take a point of which the mean of so many counts as one.
    pub fn take_mean(&mut self, point: Point, pps: f64) -> Sight {
        self.mean.push((point, pps));
        if self.mean.len() < POINTS {
            return Sight::Wait;
        }
        let (mean, pps) = mean(&self.mean);
        self.mean.clear();
        self.points.push((mean, pps));
        if self.points.len() < POINTS { Sight::Wait } else { self.bounds() }
    }

    fn bounds(&mut self) -> Sight {
        let (middle, pps) = mean(&self.points);
        let then_pps = *self.pps.get_or_insert(pps);
        let margin = MARGIN_FRAMES + LAG_S * (pps - then_pps).abs();
        let missing = self.points.iter().map(|(point, _)| point.missing);
        let least = missing.clone().fold(f64::INFINITY, f64::min);
        let most = missing.fold(f64::NEG_INFINITY, f64::max);
        let (Some(&(oldest, _)), Some(&(newest, _))) = (self.points.first(), self.points.last()) else {
            return Sight::Wait;
        };
        self.points.remove(0);
        Sight::Known(Bounds {
            low: Point { missing: least - margin, ..newest },
            high: Point { missing: most + margin, ..oldest },
            mean: middle,
            // Four standard deviations of a mean, for a noise that is spread evenly.
            off: 0.3 * (most - least) + margin - MARGIN_FRAMES,
        })
    }
}

fn mean(points: &[(Point, f64)]) -> (Point, f64) {
    let part = 1.0 / points.len().max(1) as f64;
    let of = |get: &dyn Fn(&(Point, f64)) -> f64| points.iter().map(get).sum::<f64>() * part;
    let point = Point {
        at_s: of(&|(point, _)| point.at_s),
        sent: of(&|(point, _)| point.sent),
        missing: of(&|(point, _)| point.missing),
        admitted: of(&|(point, _)| point.admitted),
        octets: [of(&|(point, _)| point.octets[0]), of(&|(point, _)| point.octets[1])],
    };
    (point, of(&|(_, pps)| *pps))
}
