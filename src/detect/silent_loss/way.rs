//! One direction of a link: the bounds of what is missing in it, by logic and by measure, and what follows from them.

use super::Settings;
use super::black_hole::Hole;
use super::end::{End, Reading, Side};
use super::even::{Even, Sight};
use super::watch::{Estimate, Point, Watch};

/// How long a window of the baseline is, at least and at most.
const BASELINE_WINDOW_S: [f64; 2] = [600.0, 4.0 * 3600.0];

/// A loss that is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live {
    /// The newest estimate; none if it was told before a restart and nothing was proven since.
    pub estimate: Option<Estimate>,
}

/// What a reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is wrong.
    Calm,
    /// Loss, beyond doubt, or still.
    Losing,
    /// It was told, and neither more loss nor health can be said.
    Unsure,
    /// It was told and is over, beyond doubt.
    Healed,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Way {
    /// Frames per second that a healthy link misses at most: one end alone counts them.
    pub baseline_pps: f64,
    /// Where its windows begin, and how far that may be off.
    windows: [Option<(Point, f64)>; 3],
    /// More arrives than is sent, so that what is missing is hidden by it: nothing can be learned.
    surplus: bool,
    /// By logic; by measure, of points and of means.
    watches: [Watch; 3],
    evens: [Even; 2],
    pub live: Option<Live>,
    pub hole: Hole,
}

impl Way {
    /// Nothing is known yet.
    pub fn new(settings: &Settings) -> Self {
        Self { baseline_pps: settings.control_pps, ..Self::default() }
    }

    /// Totals begin anew. What was learned of the link and what is told of it stays.
    pub fn restart(&mut self) {
        *self = Self { baseline_pps: self.baseline_pps, surplus: self.surplus, live: self.live, ..Self::default() };
    }

    /// The receiver counts classes that the sender does not.
    pub fn hides(&mut self, settings: &Settings) {
        self.surplus = true;
        self.baseline_pps = settings.control_pps;
    }

    /// Other ends: nothing that was learned holds.
    pub fn forget(&mut self, settings: &Settings) {
        *self = Self { live: self.live, ..Self::new(settings) };
    }

    fn allowed_pps(&self) -> f64 {
        1.1 * self.baseline_pps
    }

    /// The sender was read: when that was counted at the earliest, it had sent no more, and the other end had received
    /// no less than it said before.
    pub fn sent(&mut self, settings: &Settings, reading: &Reading, receiver: &End) {
        self.hole.sent(reading);
        let Some(received) = receiver.before(reading.from_s) else { return };
        let high = point(reading.from_s, totals(&reading.sent), totals(&received.received));
        let allowed_pps = self.allowed_pps();
        self.watches[0].high(settings, allowed_pps, high);
        self.learn(settings, 0, high, 0.0);
    }

    /// The receiver was read: when that was counted at the earliest, it had received no more, and the sender had sent
    /// no less than it said before.
    pub fn received(&mut self, settings: &Settings, reading: &Reading, sender: &End) -> Turn {
        self.hole.received(reading, sender);
        let mut polls = sender.polls.iter().rev().map(|poll| poll.sent.frames);
        let sends = polls.next() != polls.next();
        if self.hole.is_open() || (self.hole.stands() && sends) {
            // All or nothing is the other detector's to tell; what is missing is counted when frames arrive again.
            return self.calm();
        }
        let Some(sent) = sender.before(reading.from_s) else { return self.calm() };
        let low = point(reading.from_s, totals(&sent.sent), totals(&reading.received));
        if self.windows[0].is_none() {
            self.windows[0] = Some((low, 0.0));
        }
        self.judge(settings, 0, low)
    }

    /// Both ends at one moment, as near as can be known.
    pub fn met(&mut self, settings: &Settings, at_s: f64, sent: [f64; 3], received: [f64; 3], pps: f64) -> Turn {
        if self.hole.is_open() {
            return self.calm();
        }
        let point = point(at_s, sent, received);
        let mut turn = self.calm();
        for scale in 0..self.evens.len() {
            let even = &mut self.evens[scale];
            let sight = if scale == 0 { even.take(point, pps) } else { even.take_mean(point, pps) };
            match sight {
                Sight::Wait => {}
                Sight::Void => {
                    self.evens[1] = Even::default();
                    self.watches[1..].iter_mut().for_each(Watch::restart);
                    self.windows[1..].fill(None);
                    return turn;
                }
                Sight::Known(bounds) => {
                    let at = scale + 1;
                    let allowed_pps = self.allowed_pps();
                    self.watches[at].high(settings, allowed_pps, bounds.high);
                    self.learn(settings, at, bounds.mean, bounds.off);
                    let of_scale = self.judge(settings, at, bounds.low);
                    if !matches!(turn, Turn::Losing | Turn::Healed) || matches!(of_scale, Turn::Losing | Turn::Healed) {
                        turn = of_scale;
                    }
                }
            }
        }
        turn
    }

    fn calm(&self) -> Turn {
        if self.live.is_some() { Turn::Unsure } else { Turn::Calm }
    }

    /// What a window has missed per second, at most. The baseline is the least of all of these: it follows no traffic, so
    /// a loss, which does, only ever makes it too high by what is lost in the quietest of all windows.
    fn learn(&mut self, settings: &Settings, at: usize, most: Point, off: f64) {
        let Some((from, from_off)) = self.windows[at] else {
            if at > 0 {
                self.windows[at] = Some((most, off));
            }
            return;
        };
        let seconds = most.at_s - from.at_s;
        if seconds < BASELINE_WINDOW_S[0] {
            return;
        }
        let missed = most.missing + most.admitted - from.missing - from.admitted + off + from_off;
        // By logic, that is; what is measured may be off by how clocks wander.
        self.surplus |= at == 0 && missed < 0.0;
        if self.surplus {
            self.baseline_pps = settings.control_pps;
            return;
        }
        if missed >= 0.0 {
            self.baseline_pps = self.baseline_pps.min(missed / seconds);
        }
        if seconds > BASELINE_WINDOW_S[1] {
            self.windows[at] = (at > 0).then_some((most, off));
        }
    }

    fn judge(&mut self, settings: &Settings, at: usize, low: Point) -> Turn {
        let allowed_pps = self.allowed_pps();
        let watch = &mut self.watches[at];
        let found = watch.low(settings, allowed_pps, low);
        let Some(live) = &mut self.live else {
            if !found {
                return Turn::Calm;
            }
            self.live = Some(Live { estimate: watch.estimate(settings, allowed_pps) });
            return Turn::Losing;
        };
        let Some(was) = live.estimate else {
            live.estimate = watch.estimate(settings, allowed_pps).filter(|_| found);
            return if found { Turn::Losing } else { Turn::Unsure };
        };
        match watch.is_over(settings, allowed_pps, was.ratio().max(settings.warning)) {
            Some(true) => {
                self.live = None;
                self.watches.iter_mut().for_each(Watch::is_well);
                Turn::Healed
            }
            over => {
                let newer = watch.estimate(settings, allowed_pps).filter(|_| found);
                if let Some(newer) = newer.filter(|newer| newer.width() <= was.width()) {
                    live.estimate = Some(newer);
                }
                if over == Some(false) { Turn::Losing } else { Turn::Unsure }
            }
        }
    }

    /// What is known of the loss.
    pub fn estimate(&self, settings: &Settings) -> Option<Estimate> {
        let calm = || {
            let estimates = self.watches.iter().filter_map(|watch| watch.estimate(settings, self.allowed_pps()));
            estimates.min_by(|one, other| one.width().total_cmp(&other.width()))
        };
        self.live.and_then(|live| live.estimate).or_else(calm)
    }
}

/// Frames, admitted losses, octets.
pub fn totals(side: &Side) -> [f64; 3] {
    [side.frames as f64, side.admitted as f64, side.octets as f64]
}

fn point(at_s: f64, sent: [f64; 3], received: [f64; 3]) -> Point {
    let admitted = sent[1] + received[1];
    Point { at_s, sent: sent[0], missing: sent[0] - received[0] - admitted, admitted, octets: [sent[2], received[2]] }
}
