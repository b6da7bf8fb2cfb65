//! The sequential test: has the difference of two counters drifted further than its readings can be off?
//!
//! A [`Scale`] takes points one by one, takes the mean of so many of them, and remembers of all means the one that
//! lies lowest. What a mean may be off is either a hard bound (the scale of single points) or learned from how far
//! means lie from the line between their neighbours. See the module above for the model.

/// Blocks kept for learning: twice the longer lag, and one.
const KEPT: usize = 2 * LAGS[1] + 1;
/// A mean is compared with the line between its neighbours so many blocks before and after.
const LAGS: [usize; 2] = [1, 4];
/// Comparisons before what is learned is believed.
const LEARNED_FROM: f64 = 8.0;
/// Comparisons over which it is remembered.
const REMEMBERED: f64 = 64.0;
/// What is learned is never believed to be smaller than this part of the measure it is learned against.
const SMALLEST: f64 = 0.01;
/// Noise with outliers goes so much beyond the largest seen.
const PEAKS: f64 = 2.0;
/// Traffic is even if its fastest is not more than so many times its slowest within a mean.
const EVEN: f64 = 4.0;
/// What is left of the largest seen with each comparison.
const PEAK_KEPT: f64 = 0.99;
/// The scale of single points looks on so many times before it speaks.
const POINTS_FROM: u32 = 8;
/// How long the window of an estimate in calm is, at least.
const CALM_WINDOW_S: f64 = 600.0;

/// Both ends at one moment, as one difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point {
    /// Seconds on our clock.
    pub at_s: f64,
    /// Frames sent so far.
    pub sent: f64,
    /// Frames missing so far: the difference `D`.
    pub missing: f64,
    /// The same, without what a link may miss in health: the path that is tested.
    pub path: f64,
    /// Frames that `missing` may be off by what is known of both clocks and caches.
    pub off: f64,
    /// How noisy it is, as a measure to compare points by.
    pub noise: f64,
    /// Frames per second around it.
    pub pps: f64,
}

/// A mean of points.
#[derive(Clone, Copy, Debug, Default)]
pub struct Block {
    /// The mean.
    pub mean: Point,
    /// Frames that it may be off, all told.
    pub off: f64,
    /// How noisy it is, as a measure to compare means by.
    noise: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u32,
    weight: f64,
    at_s: f64,
    sent: f64,
    missing: f64,
    path: f64,
    off: f64,
    /// The slowest and the fastest.
    pps: Option<(f64, f64)>,
}

/// How noisy means are against their measure: the mean square, and of how many comparisons.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    square: f64,
    count: f64,
    /// The largest of late, for noise with outliers.
    peak: f64,
}

/// One scale.
#[derive(Debug)]
pub struct Scale {
    /// Points in a mean.
    size: u32,
    /// Standard deviations that a mean may be off.
    z: f64,
    sum: Sum,
    recent: Vec<Block>,
    noise: [Noise; 2],
    seen: u32,
    /// The mean that lies lowest, its uncertainty added, and the two largest steps since.
    lowest: Option<Block>,
    steps: [f64; 2],
    calm: [Option<Block>; 2],
    /// Since when health is looked for.
    pub healthy_from: Option<Block>,
}

impl Scale {
    /// Means of so many points.
    pub fn new(size: u32, z: f64) -> Self {
        Self {
            size,
            z,
            sum: Sum::default(),
            recent: Vec::new(),
            noise: [Noise::default(); 2],
            seen: 0,
            lowest: None,
            steps: [0.0; 2],
            calm: [None; 2],
            healthy_from: None,
        }
    }

    /// Forget all but how noisy it is.
    pub fn restart(&mut self) {
        *self = Self { noise: self.noise, ..Self::new(self.size, self.z) };
    }

    /// Take a point; a block if one is complete.
    pub fn take(&mut self, point: Point) -> Option<Block> {
        // Half a frame, for counters are whole.
        let weight = 1.0 / (point.noise * point.noise + 0.25);
        let sum = &mut self.sum;
        sum.count += 1;
        sum.weight += weight;
        sum.at_s += weight * point.at_s;
        sum.sent += weight * point.sent;
        sum.missing += weight * point.missing;
        sum.path += weight * point.path;
        sum.off += weight * point.off;
        let (slowest, fastest) = sum.pps.unwrap_or((point.pps, point.pps));
        sum.pps = Some((slowest.min(point.pps), fastest.max(point.pps)));
        if sum.count < self.size {
            return None;
        }
        let Sum { weight, .. } = *sum;
        let mean = Point {
            at_s: sum.at_s / weight,
            sent: sum.sent / weight,
            missing: sum.missing / weight,
            path: sum.path / weight,
            off: sum.off / weight,
            noise: (1.0 / weight).sqrt(),
            pps: point.pps,
        };
        // What was learned of even traffic says nothing of bursts.
        let even = sum.pps.is_some_and(|(slowest, fastest)| fastest <= EVEN * slowest);
        *sum = Sum::default();
        let learned = self.noisiness().filter(|_| self.size > 1 && even).map(|deviations| deviations * mean.noise);
        let off = learned.map_or(mean.off, |learned| learned.min(mean.off)) + 0.5;
        let block = Block { mean, off, noise: mean.noise };
        self.learn(block);
        self.seen = self.seen.saturating_add(1);
        Some(block)
    }

    /// What a mean may be off against its measure, once that is known.
    fn noisiness(&self) -> Option<f64> {
        if self.noise[0].count < LEARNED_FROM {
            return None;
        }
        let of = |noise: &Noise| {
            let deviation = noise.square.sqrt() * (1.0 + 2.0 / noise.count.max(1.0).sqrt());
            (self.z * deviation).max(PEAKS * noise.peak)
        };
        Some(self.noise.iter().map(of).fold(SMALLEST, f64::max))
    }

    fn learn(&mut self, block: Block) {
        if self.recent.len() == KEPT {
            self.recent.remove(0);
        }
        self.recent.push(block);
        for (lag, noise) in LAGS.into_iter().zip(&mut self.noise) {
            let newest = self.recent.len() - 1;
            let Some(first) = newest.checked_sub(2 * lag) else { continue };
            let [first, middle, last] = [self.recent[first], self.recent[newest - lag], block];
            let sent = last.mean.sent - first.mean.sent;
            if sent <= 0.0 {
                continue;
            }
            let part = (middle.mean.sent - first.mean.sent) / sent;
            let off_line = middle.mean.missing - first.mean.missing - part * (last.mean.missing - first.mean.missing);
            let square = |noise: f64| noise * noise;
            let expected = square(middle.noise) + square((1.0 - part) * first.noise) + square(part * last.noise);
            if lag == LAGS[0] {
                // A loss that begins is a kink, which is small from one mean to the next.
                noise.peak = (noise.peak * PEAK_KEPT).max((off_line * off_line / expected.max(0.25)).sqrt());
            }
            let mut ratio = off_line * off_line / expected.max(0.25);
            if noise.count >= LEARNED_FROM {
                // Likewise.
                ratio = ratio.min(9.0 * noise.square.max(SMALLEST * SMALLEST));
            }
            noise.count = (noise.count + 1.0).min(REMEMBERED);
            noise.square += (ratio - noise.square) / noise.count;
        }
    }

    /// Compare a block with the lowest so far. The block where a loss began, if it is one beyond doubt of at least so
    /// many frames.
    pub fn test(&mut self, block: Block, minimum: f64) -> Option<Block> {
        let ready = self.size > 1 || self.seen > POINTS_FROM;
        let Some(lowest) = self.lowest.filter(|_| ready) else {
            self.lowest = Some(block);
            self.steps = [0.0; 2];
            return None;
        };
        let before = self.recent.len().checked_sub(2).map_or(lowest, |at| self.recent[at]);
        let step = block.mean.path - before.mean.path;
        if step > self.steps[0] {
            self.steps = [step, self.steps[0]];
        } else if step > self.steps[1] {
            self.steps[1] = step;
        }
        if block.mean.path + block.off < lowest.mean.path + lowest.off {
            self.lowest = Some(block);
            self.steps = [0.0; 2];
            return None;
        }
        let rise = block.mean.path - lowest.mean.path;
        let needed = block.off + lowest.off + minimum;
        // A device that answers with counters of another age all at once makes one step, or two in means; a loss makes
        // many.
        let without_steps = rise - self.steps[0] - self.steps[1];
        (rise > needed && without_steps > needed / 3.0).then_some(lowest)
    }

    /// Where the lowest mean lies in time.
    pub fn lowest_at_s(&self) -> Option<f64> {
        self.lowest.map(|block| block.mean.at_s)
    }

    /// The newest means.
    pub fn recent(&self) -> &[Block] {
        &self.recent
    }

    /// The window over which calm is estimated: where it began.
    pub fn calm_since(&mut self, block: Block) -> Block {
        match self.calm {
            [_, Some(newer)] if block.mean.at_s - newer.mean.at_s >= CALM_WINDOW_S => {
                self.calm = [Some(newer), Some(block)];
                newer
            }
            [Some(older), Some(_)] => older,
            [_, Some(newer)] => newer,
            _ => {
                self.calm = [None, Some(block)];
                block
            }
        }
    }
}
