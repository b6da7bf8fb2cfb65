//! One direction of a link: what was sent less what was received, account by account, and what follows from it.

use super::drift::{Block, Point, Scale};
use super::end::Side;
use super::{Settings, black_hole::Hole};

/// Points in a mean, by scale: a point by its hard bound, and two whose noise is learned.
const SIZES: [u32; 3] = [1, 16, 128];
/// How long a window of the baseline is, at least and at most.
const BASELINE_WINDOW_S: [f64; 2] = [600.0, 4.0 * 3600.0];
/// For how many points half of what a reading was seen off is remembered.
const FORGET_OFF_IN: f64 = 1024.0;
/// Frames that would have been lost had it gone on, before the absence of loss is health.
const PROOF_FRAMES: f64 = 20.0;
/// Standard deviations on both sides of which 95 % lie.
const TWO_SIDED_95: f64 = 1.96;

/// Both ends of a direction at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meeting {
    /// Seconds on our clock.
    pub at_s: f64,
    /// How many frames the two totals may be off, together.
    pub off: f64,
    /// How noisy they are compared with those of other moments.
    pub noise: f64,
    /// The sender's totals.
    pub sent: Totals,
    /// The receiver's.
    pub received: Totals,
    /// The fastest that either counted around this moment, frames per second.
    pub pps: f64,
}

/// A [`Side`] between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub unicast: f64,
    pub others: f64,
    pub admitted: f64,
    pub octets: f64,
}

impl Totals {
    /// The totals between two readings, at this part of the way.
    pub fn between(before: Side, after: Side, part: f64) -> Self {
        let at = |before: u64, after: u64| before as f64 + part * after.saturating_sub(before) as f64;
        Self {
            unicast: at(before.unicast, after.unicast),
            others: at(before.others, after.others),
            admitted: at(before.admitted, after.admitted),
            octets: at(before.octets, after.octets),
        }
    }

    /// Whatever was counted.
    pub fn all(&self) -> f64 {
        self.unicast + self.others + self.admitted
    }

    fn less(&self, other: &Self) -> Self {
        Self {
            unicast: self.unicast - other.unicast,
            others: self.others - other.others,
            admitted: self.admitted - other.admitted,
            octets: self.octets - other.octets,
        }
    }
}

/// Counters that some devices count among the packets and others do not. Each is first taken to explain what is
/// missing; if it explains more than is missing it is not part of the account.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// The sender counts multicast and broadcast; the receiver does.
    pub others: [bool; 2],
    /// By account: the sender's admitted losses, the receiver's, the classes that the receiver alone counts.
    explains: [bool; 3],
}

impl Accounts {
    fn new(others: [bool; 2]) -> Self {
        Self { others, explains: [true; 3] }
    }

    /// Frames sent and frames received, and the frames of each account.
    fn of(&self, sent: &Totals, received: &Totals) -> (f64, f64, [f64; 3]) {
        if self.others[0] {
            (sent.unicast + sent.others, received.unicast + received.others, [sent.admitted, received.admitted, 0.0])
        } else {
            // All that is sent may be counted as unicast, or unicast alone.
            (sent.unicast, received.unicast, [sent.admitted, received.admitted, received.others])
        }
    }
}

/// A loss that is told.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Where it began, by the scale that found it; none if it was told before a restart.
    pub start: Option<Block>,
    /// The newest estimate.
    pub estimate: Option<Estimate>,
}

/// Frames lost between two blocks.
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

    fn width(&self) -> f64 {
        (self.at_most - self.at_least) / self.sent.max(1.0)
    }
}

/// What a meeting brought.
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
#[derive(Debug)]
pub struct Way {
    pub accounts: Accounts,
    last: Option<Meeting>,
    /// The newest points; what a reading is off is learned from them.
    points: [Option<Point>; 3],
    /// Frames that the path is higher or lower than `missing`.
    path: f64,
    missing: f64,
    sent: f64,
    /// Frames per second that a healthy link misses at most: one end alone counts them.
    pub baseline_pps: f64,
    /// Where its windows begin, by scale.
    baseline_from: [Option<Block>; 3],
    /// Seconds that a reading was seen to be off.
    seen_off_s: f64,
    scales: [Scale; 3],
    /// The same test the other way round: more arrives than can have been sent.
    surplus: Scale,
    accounted: [f64; 3],
    /// The frames of each account when the surplus began.
    accounted_then: (f64, [f64; 3]),
    octets: [f64; 2],
    pub calm: Option<Estimate>,
    pub live: Option<Live>,
    pub hole: Hole,
}

impl Way {
    /// Nothing is known yet.
    pub fn new(settings: &Settings) -> Self {
        let z = settings.deviations();
        Self {
            accounts: Accounts::new([true; 2]),
            last: None,
            points: [None; 3],
            path: 0.0,
            missing: 0.0,
            sent: 0.0,
            baseline_pps: settings.control_pps,
            baseline_from: [None; 3],
            seen_off_s: 0.0,
            scales: SIZES.map(|size| Scale::new(size, z)),
            surplus: Scale::new(SIZES[1], z),
            accounted: [0.0; 3],
            accounted_then: (0.0, [0.0; 3]),
            octets: [0.0; 2],
            calm: None,
            live: None,
            hole: Hole::default(),
        }
    }

    /// Totals begin anew. What was learned of the link and what is told of it stays.
    pub fn restart(&mut self) {
        self.last = None;
        self.points = [None; 3];
        (self.path, self.missing, self.sent) = (0.0, 0.0, 0.0);
        self.baseline_from = [None; 3];
        self.scales.iter_mut().for_each(Scale::restart);
        self.surplus.restart();
        self.accounted = [0.0; 3];
        self.accounted_then = (0.0, [0.0; 3]);
        self.octets = [0.0; 2];
        self.calm = None;
        if let Some(live) = &mut self.live {
            live.start = None;
        }
        self.hole.restart();
    }

    /// Other ends: nothing that was learned holds.
    pub fn forget(&mut self, settings: &Settings) {
        let live = self.live.take();
        *self = Self { live, ..Self::new(settings) };
        self.restart();
    }

    /// The receiver counts frames in other units than the sender: many are missing, and hardly an octet is.
    pub fn counts_differently(&self) -> bool {
        let [sent, received] = self.octets;
        let lost = self.missing / self.sent.max(1.0);
        let octets = 1.0 - received / sent.max(1.0);
        self.sent >= 1000.0 && sent > 0.0 && received > 0.0 && lost > 0.2 && octets < lost / 4.0
    }

    /// Take what both ends counted until one moment.
    pub fn meet(&mut self, settings: &Settings, meeting: Meeting, others: [bool; 2]) -> Turn {
        if self.accounts.others != others {
            self.accounts = Accounts::new(others);
            self.restart();
        }
        let Some(last) = self.last else {
            self.last = Some(meeting);
            self.hole.begin(&meeting);
            return self.unsure();
        };
        if self.hole.is_open(&meeting) {
            // All or nothing is the other detector's to tell; what is missing is counted when frames arrive again.
            return self.unsure();
        }
        if !others[1] {
            // Multicast that the sender counts as unicast would look like a loss.
            return self.unsure();
        }
        self.last = Some(meeting);
        let (sent, received) = (meeting.sent.less(&last.sent), meeting.received.less(&last.received));
        let (out, into, accounts) = self.accounts.of(&sent, &received);
        let explained: f64 = (0..3).filter(|at| self.accounts.explains[*at]).map(|at| accounts[at]).sum();
        let seconds = meeting.at_s - last.at_s;
        let missing = out - into - explained;
        let on_wire = if self.accounts.explains[0] { (out - accounts[0]).max(0.0) } else { out };
        self.missing += missing;
        self.sent += on_wire;
        let allowed_pps = self.baseline_pps + 0.1 * self.baseline_pps.abs();
        self.path += missing - allowed_pps * seconds - settings.warning / 4.0 * on_wire;
        (0..3).for_each(|at| self.accounted[at] += accounts[at]);
        self.octets = [self.octets[0] + sent.octets, self.octets[1] + received.octets];

        self.seen_off_s *= 0.5_f64.powf(1.0 / FORGET_OFF_IN);
        let off = meeting.off.max(meeting.pps * self.seen_off_s);
        let point = Point {
            at_s: meeting.at_s,
            sent: self.sent,
            missing: self.missing,
            path: self.path,
            off,
            noise: meeting.noise,
            pps: meeting.pps,
        };
        self.learn_off(point, meeting.pps);
        if self.refute(settings, point) {
            return self.unsure();
        }
        self.judge(settings, point)
    }

    fn unsure(&self) -> Turn {
        if self.live.is_some() { Turn::Unsure } else { Turn::Calm }
    }

    /// How far a point lies from the line between its neighbours, in seconds of traffic.
    fn learn_off(&mut self, point: Point, pps: f64) {
        self.points = [self.points[1], self.points[2], Some(point)];
        let [Some(first), Some(middle), Some(last)] = self.points else { return };
        let sent = last.sent - first.sent;
        if sent <= 0.0 || pps <= 0.0 {
            return;
        }
        let part = (middle.sent - first.sent) / sent;
        let off = (middle.missing - first.missing - part * (last.missing - first.missing)).abs() - 1.0;
        let fastest = pps.max(sent / (last.at_s - first.at_s).max(1e-3));
        self.seen_off_s = self.seen_off_s.max(off / fastest);
    }

    /// More was received than can have been sent if all accounts explain something: then one of them does not.
    fn refute(&mut self, settings: &Settings, point: Point) -> bool {
        let path = -point.missing - settings.control_pps * point.at_s;
        let Some(block) = self.surplus.take(Point { missing: -point.missing, path, ..point }) else { return false };
        let start = self.surplus.test(block, settings.minimum_frames);
        let lowest_at_s = self.surplus.lowest_at_s().unwrap_or(0.0);
        if lowest_at_s != self.accounted_then.0 {
            self.accounted_then = (lowest_at_s, self.accounted);
        }
        let Some(start) = start else { return false };
        let surplus = block.mean.missing - start.mean.missing;
        let grew = |at: &usize| self.accounted[*at] - self.accounted_then.1[*at];
        let candidates = (0..3).filter(|at| self.accounts.explains[*at] && grew(at) >= surplus / 4.0);
        let Some(at) = candidates.max_by(|one, other| grew(one).total_cmp(&grew(other))) else {
            // Frames that the sender does not count: it misses fewer than none, which is nothing to tell.
            self.surplus.restart();
            return false;
        };
        self.accounts.explains[at] = false;
        let last = self.last;
        self.restart();
        self.last = last;
        true
    }

    fn judge(&mut self, settings: &Settings, point: Point) -> Turn {
        let (mut found, mut losing, mut healed) = (None, false, false);
        let mut estimates: [Option<Estimate>; 3] = [None; 3];
        for (at, scale) in self.scales.iter_mut().enumerate() {
            let Some(block) = scale.take(point) else { continue };
            let start = scale.test(block, settings.minimum_frames);
            let calm_since = scale.calm_since(block);
            let since = match (&self.live, start) {
                (None, None) => calm_since,
                (Some(Live { start: Some(start), .. }), _) => *start,
                (_, start) => start.unwrap_or(calm_since),
            };
            estimates[at] = estimate(since, block, self.baseline_pps);
            found = found.or(start);
            if let Some(live) = &self.live {
                let ratio = live.estimate.map_or(settings.warning, |estimate| estimate.ratio());
                let clear = (ratio / 4.0).max(settings.warning / 2.0);
                // A closer beginning is a better one: health is looked for from a block that is known well.
                let from = scale.healthy_from.filter(|from| from.off <= 2.0 * block.off).unwrap_or(block);
                scale.healthy_from = Some(from);
                let sent = block.mean.sent - from.mean.sent;
                let missing = block.mean.missing - from.mean.missing;
                let off = block.off + from.off;
                let seconds = block.mean.at_s - from.mean.at_s;
                if missing - off - self.baseline_pps.max(0.0) * seconds > clear * sent + settings.minimum_frames / 2.0 {
                    losing = true;
                    scale.healthy_from = Some(block);
                } else if ratio * sent >= PROOF_FRAMES
                    && missing + off - self.baseline_pps.min(0.0) * seconds < clear * sent
                {
                    healed = true;
                }
            }
            if let Some(missed_pps) = missed_pps(block, &mut self.baseline_from[at]) {
                self.baseline_pps = self.baseline_pps.min(missed_pps).max(-settings.control_pps);
            }
        }
        let best = estimates.into_iter().flatten().min_by(|one, other| one.width().total_cmp(&other.width()));
        match &mut self.live {
            None => {
                self.calm = match (best, self.calm) {
                    // A coarser scale speaks rarely; what it said is kept while it is closer.
                    (Some(best), Some(kept)) if best.width() > kept.width() && best.until_s - kept.until_s < 900.0 => {
                        Some(kept)
                    }
                    (best, kept) => best.or(kept),
                };
                let Some(start) = found else { return Turn::Calm };
                if self.counts_differently() {
                    return Turn::Calm;
                }
                let (start, estimate) = sharpest(&self.scales, start, self.baseline_pps);
                self.live = Some(Live { start: Some(start), estimate: estimate.or(best) });
                self.scales.iter_mut().for_each(|scale| scale.healthy_from = None);
                Turn::Losing
            }
            Some(live) => {
                if let Some(found) = found.filter(|_| live.start.is_none()) {
                    losing = true;
                    let (start, estimate) = sharpest(&self.scales, found, self.baseline_pps);
                    *live = Live { start: Some(start), estimate };
                }
                if live.start.is_some() {
                    live.estimate = match (best, live.estimate) {
                        (Some(best), Some(kept))
                            if best.width() > kept.width() && best.until_s - kept.until_s < 300.0 =>
                        {
                            Some(kept)
                        }
                        (best, kept) => best.or(kept),
                    };
                }
                if healed && !losing {
                    self.live = None;
                    self.calm = None;
                    self.scales.iter_mut().for_each(Scale::restart);
                    self.points = [None; 3];
                    Turn::Healed
                } else if losing {
                    Turn::Losing
                } else {
                    Turn::Unsure
                }
            }
        }
    }
}

/// Where a loss that is found began: noise may have found it a place long before. It is the beginning from which the
/// most is lost for certain.
fn sharpest(scales: &[Scale; 3], found: Block, baseline_pps: f64) -> (Block, Option<Estimate>) {
    let mut best: Option<(f64, Block, Estimate)> = None;
    for scale in scales {
        let Some(newest) = scale.recent().last() else { continue };
        for &since in std::iter::once(&found).chain(scale.recent()) {
            let Some(estimate) = estimate(since, *newest, baseline_pps) else { continue };
            let proven = estimate.at_least / estimate.sent;
            if best.is_none_or(|(most, ..)| proven > most) {
                best = Some((proven, since, estimate));
            }
        }
    }
    best.map_or((found, None), |(_, since, estimate)| (since, Some(estimate)))
}

/// Frames lost between two blocks, with what they may be off: the readings, the baseline, and chance.
fn estimate(since: Block, until: Block, baseline_pps: f64) -> Option<Estimate> {
    let sent = until.mean.sent - since.mean.sent;
    let seconds = until.mean.at_s - since.mean.at_s;
    if sent < 1.0 || seconds <= 0.0 {
        return None;
    }
    let lost = until.mean.missing - since.mean.missing - baseline_pps.min(0.0) * seconds;
    let off = until.off + since.off;
    let at_least = lost - off - baseline_pps.max(0.0) * seconds;
    let chance = |frames: f64| TWO_SIDED_95 * frames.max(0.0).sqrt();
    Some(Estimate {
        since_s: since.mean.at_s,
        until_s: until.mean.at_s,
        sent,
        lost: lost.clamp(0.0, sent),
        at_least: (at_least - chance(lost)).clamp(0.0, sent),
        at_most: (lost + off + chance(lost + 1.0)).clamp(0.0, sent),
    })
}

/// What a window has missed per second, at most. The baseline is the least of all of these: it follows no traffic, so a
/// loss, which does, only ever makes it too high by what is lost in the quietest of all windows.
fn missed_pps(block: Block, from: &mut Option<Block>) -> Option<f64> {
    let start = *from.get_or_insert(block);
    let seconds = block.mean.at_s - start.mean.at_s;
    // The first blocks are of before anything was learned.
    if seconds > BASELINE_WINDOW_S[1] || start.off > 2.0 * block.off {
        *from = Some(block);
    }
    let missed = block.mean.missing - start.mean.missing + block.off + start.off;
    (seconds >= BASELINE_WINDOW_S[0]).then(|| missed / seconds)
}
