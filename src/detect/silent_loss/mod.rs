//! Frames that vanish between two ports that both count everything as fine, and black holes.
//!
//! # The model
//!
//! For one direction let `S(t)` be what the sender counted until `t` and `R(t)` what the receiver did. Both only rise. A
//! reading says what one of them was at some moment of a known span ([`end`]): so much of the device's own time as clocks
//! leave open, and as much longer as its cache may be old. So at any `t` each of them is at least what the newest reading said
//! that was counted before `t`, and at most what the oldest said that was counted after: two bounds of `D = S - R`.
//!
//! **By logic** ([`watch`]). What is lost between two moments is at least the low bound of `D` at the later less the high
//! one at the earlier. Nothing is estimated, and no distribution assumed: where it is above what is allowed for it is a proof,
//! whatever the traffic, the caches and the polls are like. The bounds are as wide as the traffic of a poll interval and of the
//! life of a cache, and do not grow; loss does. Where traffic pauses they are exact.
//!
//! **By measure** ([`even`]). Where both ends answer with fresh counters and traffic is even the same bounds are taken from
//! sixteen interpolated points, which are closer by two orders. That the agents are fresh is seen by the noise: polls are
//! dithered. This is where a loss is told within a minute; where it cannot be trusted it does not speak, and logic goes on.
//!
//! **What is allowed for.**
//! 1. Frames that the ends admit to have lost (discards, errors). Devices differ in whether these are among the sent and the
//!    received: for the lower bound all of them explain something, for the upper none.
//! 2. Control frames that only one end counts: some a second, whatever the traffic. The baseline is the least per second
//!    that any window of ten minutes or longer has missed (by its upper bound), never above `control_pps`. It only falls,
//!    until other hardware is plugged in; where more arrives than is sent it is not learned at all. A loss that is above `control_pps` cannot be learned away.
//! 3. A tenth of the ratio `warning`. A larger constant *ratio* is never learned: it is what a loss looks like. Only where more
//!    than a twentieth of the frames and hardly any octets are missing do the ends count in different units, and nothing is said.
//!
//! **False alarms.** None by logic, as long as a cache is one cache whose life is a constant of the device. By measure, where
//! all of sixteen points lie above all of sixteen others by chance: 1 in 600 million for each pair of such groups, and then
//! only if the margin is passed too.
//!
//! **What cannot be told.** A loss below `control_pps` that was there before we began and never changes with the traffic is a
//! baseline. Control frames that an operator switches on later may look like a loss of that many. Where a receiver does not
//! count multicast and broadcast nothing is said.
//!
//! **When it is over.** When so many frames have passed that 20 would have been lost had it gone on, and less than a quarter
//! of that can be missing. Carrier that turns, restarts, resets and renumbering begin the totals anew and end nothing.
//!
//! Members of aggregates are cables and compared as such. Aggregates themselves are not: their totals jump when a member
//! comes or goes. Ports that hear several neighbours are no links ([`crate::topology`]), so shared segments never get here.
//!
//! Memory for a link: readings of a cache's life of each end (at most 96) and a few hundred numbers; about 12 kB.

mod black_hole;
mod end;
mod even;
mod watch;
mod way;
mod words;

use std::collections::HashMap;
use std::time::Duration;

use crate::fabric::{
    Direction, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkId, LinkLoss, LossEstimate, OperStatus,
    Subject, Timestamp, Unknown, Uptime, Verdict,
};
use crate::topology::LinkReport;

use super::link::LAG;
use end::{End, Reading, Side};
use watch::Estimate;
use way::{Live, Turn, Way, totals};

/// `[detect.silent_loss]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off unless it is switched on: it has been measured on too few real links.
    pub enabled: bool,
    /// Share of frames (0 to 1) from which a loss is a warning. A tenth of it is not looked at.
    pub warning: f64,
    /// ... and critical.
    pub critical: f64,
    /// Frames per second that one end alone may count on a healthy link.
    pub control_pps: f64,
    /// Fewer lost frames than this are never told.
    pub minimum_frames: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            warning: 1e-5,
            critical: 1e-3,
            control_pps: 1.0,
            minimum_frames: 10.0,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
        }
    }
}

/// `[detect.black_hole]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlackHoleSettings {
    /// Off unless it is switched on: it has not been measured on enough real links.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for BlackHoleSettings {
    fn default() -> Self {
        Self { enabled: false, pending_for: Duration::ZERO, keep_firing_for: Duration::ZERO }
    }
}

/// Polls of both ends no farther apart than this are of one moment, nearly.
const TOGETHER_S: f64 = 0.25;
/// What is said of a link of which one end is not polled.
pub const ONE_SIDED: &str = "the other end is not polled";

/// One end of a link was polled.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Our clock at receipt.
    pub now: Timestamp,
    /// sysUpTime out of the same PDU.
    pub uptime: Option<Uptime>,
    /// ifCounterDiscontinuityTime.
    pub discontinuity: Option<Uptime>,
    /// The interface, as just read.
    pub state: &'a InterfaceState,
    /// It is this host's own.
    pub local: bool,
    /// The link in it.
    pub report: &'a LinkReport,
}

/// Both ends of a link, and both ways through it.
#[derive(Debug)]
struct Pair {
    a: InterfaceId,
    b: InterfaceId,
    ends: [End; 2],
    epochs: [u32; 2],
    /// From a to b, from b to a.
    ways: [Way; 2],
    if_index: [u32; 2],
    carrier_changed_at: [Option<Timestamp>; 2],
    met_s: f64,
    /// Told as a black hole; since when, if we saw it begin.
    hole: Option<Option<f64>>,
    /// The directions that are told.
    told: [bool; 2],
}

/// All links whose both ends are polled.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    links: HashMap<LinkId, Result<Box<Pair>, &'static str>>,
    /// Told before a restart, of links not seen since.
    primed: HashMap<LinkId, Vec<FindingKey>>,
}

const WAYS: [Direction; 2] = [Direction::Out, Direction::In];

impl Pairs {
    /// These were told before a restart.
    pub(super) fn prime(&mut self, key: &FindingKey) {
        if let Subject::Link { id, .. } = &key.subject {
            self.primed.entry(id.clone()).or_default().push(key.clone());
        }
    }

    /// An end was polled.
    pub(super) fn look(
        &mut self,
        settings: (&Settings, &BlackHoleSettings),
        look: Look<'_>,
        mut tell: impl FnMut(FindingKey, Verdict),
    ) {
        let state = &look.report.state;
        if !(state.a.end.watched && state.b.end.watched) || state.a.end.interface == state.b.end.interface {
            return;
        }
        if !self.links.contains_key(&state.id) {
            let primed = self.primed.remove(&state.id).unwrap_or_default();
            let pair = Box::new(Pair::new(settings.0, look.report, primed));
            self.links.insert(state.id.clone(), Ok(pair));
        }
        let Some(entry) = self.links.get_mut(&state.id) else { return };
        if look.state.info.if_type == LAG {
            *entry = Err("an aggregate: its members are compared");
        }
        if let Ok(pair) = entry {
            pair.look(settings, look, &mut tell);
        }
    }

    /// What is known of all links, in no order.
    pub(super) fn losses<'a>(&'a self, settings: &'a Settings) -> impl Iterator<Item = LinkLoss> + 'a {
        self.links.iter().map(|(id, entry)| {
            let [a_to_b, b_to_a] = match entry {
                Ok(pair) => [0, 1].map(|way| pair.loss(settings, way)),
                Err(why) => [Err(*why); 2],
            };
            LinkLoss { link: id.clone(), a_to_b, b_to_a }
        })
    }

    /// A link is no more: what is told of it.
    pub(super) fn forget(&mut self, id: &LinkId) -> Vec<FindingKey> {
        let mut keys = self.primed.remove(id).unwrap_or_default();
        if let Some(Ok(pair)) = self.links.remove(id) {
            keys.extend(pair.keys());
        }
        keys
    }

    /// Switched off, one or both: what was told.
    pub(super) fn reconfigure(&mut self, loss: bool, hole: bool) -> Vec<FindingKey> {
        let off = |kind: FindingKind| if kind == FindingKind::BlackHole { !hole } else { !loss };
        let mut keys = Vec::new();
        for primed in self.primed.values_mut() {
            keys.extend(primed.extract_if(.., |key| off(key.kind)));
        }
        for pair in self.links.values_mut().filter_map(|entry| entry.as_mut().ok()) {
            keys.extend(pair.keys().filter(|key| off(key.kind)));
            if !hole {
                pair.hole = None;
            }
            if !loss {
                pair.told = [false; 2];
                pair.ways.iter_mut().for_each(|way| way.live = None);
            }
        }
        if !loss && !hole {
            self.links.clear();
        }
        keys
    }
}

impl Pair {
    fn new(settings: &Settings, report: &LinkReport, primed: Vec<FindingKey>) -> Self {
        let mut pair = Self {
            a: report.state.a.end.interface.clone(),
            b: report.state.b.end.interface.clone(),
            ends: [End::default(), End::default()],
            epochs: [0; 2],
            ways: [Way::new(settings), Way::new(settings)],
            if_index: [0; 2],
            carrier_changed_at: [report.a.oper_changed_at, report.b.oper_changed_at],
            met_s: 0.0,
            hole: None,
            told: [false; 2],
        };
        for key in primed {
            match (key.kind, key.direction) {
                (FindingKind::BlackHole, _) => pair.hole = Some(None),
                (_, direction) => {
                    let way = usize::from(direction == Some(Direction::In));
                    pair.told[way] = true;
                    pair.ways[way].live = Some(Live::default());
                }
            }
        }
        pair
    }

    fn subject(&self) -> Subject {
        Subject::Link { id: LinkId::new(&self.a, &self.b), a: self.a.clone(), b: self.b.clone() }
    }

    fn key(&self, way: usize) -> FindingKey {
        FindingKey { kind: FindingKind::SilentLoss, subject: self.subject(), direction: Some(WAYS[way]) }
    }

    fn hole_key(&self) -> FindingKey {
        FindingKey { kind: FindingKind::BlackHole, subject: self.subject(), direction: None }
    }

    /// What is told now.
    fn keys(&self) -> impl Iterator<Item = FindingKey> + '_ {
        let ways = (0..2).filter(|way| self.told[*way]).map(|way| self.key(way));
        ways.chain(self.hole.iter().map(|_| self.hole_key()))
    }

    /// Sender and receiver of a way.
    fn ends_of(&self, way: usize) -> [&InterfaceId; 2] {
        if way == 0 { [&self.a, &self.b] } else { [&self.b, &self.a] }
    }

    fn loss(&self, settings: &Settings, way: usize) -> Result<LossEstimate, &'static str> {
        if self.hole.is_some() {
            return Err("nothing arrives");
        }
        match self.ways[way].estimate(settings) {
            _ if !self.ends.iter().all(End::counts_packets) => Err("an end does not count its packets"),
            _ if !self.ends[1 - way].counts_others[1] => {
                Err("the receiving end does not count multicast and broadcast")
            }
            Some(estimate) => Ok(told(&estimate)),
            None => Err("too few frames compared yet"),
        }
    }

    fn restart(&mut self) {
        self.ends.iter_mut().for_each(End::restart);
        self.epochs = [self.ends[0].epoch, self.ends[1].epoch];
        self.ways.iter_mut().for_each(Way::restart);
    }

    fn look(
        &mut self,
        (settings, holes): (&Settings, &BlackHoleSettings),
        look: Look<'_>,
        tell: &mut impl FnMut(FindingKey, Verdict),
    ) {
        let Look { state, report, .. } = look;
        let at = usize::from(state.id != self.a);
        let carrier = [report.a.oper_changed_at, report.b.oper_changed_at];
        let down = [&report.state.a, &report.state.b].iter().any(|end| end.oper_status.is_down());
        if carrier != self.carrier_changed_at || down {
            // What a port counts while its carrier turns went nowhere.
            self.carrier_changed_at = carrier;
            self.restart();
            self.keep_told(down, tell);
        }
        if down || state.oper_status != OperStatus::Up {
            return;
        }
        let if_index = state.info.if_index;
        if self.if_index[at] != 0 && self.if_index[at] != if_index {
            self.restart();
            self.ways.iter_mut().for_each(|way| way.forget(settings));
        }
        self.if_index[at] = if_index;
        let reading = self.ends[at].read(end::Look {
            at: look.now,
            uptime: look.uptime,
            discontinuity: look.discontinuity,
            if_index,
            speed_bps: state.speed_bps,
            counters: &state.counters,
            local: look.local,
        });
        let epochs = [self.ends[0].epoch, self.ends[1].epoch];
        if epochs != self.epochs {
            // The other end's totals go on, but there is nothing to compare them with.
            self.epochs = epochs;
            self.ways.iter_mut().for_each(Way::restart);
            self.met_s = 0.0;
        }
        let Some(reading) = reading else { return };
        let other = &self.ends[1 - at];
        let mut turns = [Turn::Calm; 2];
        for (sender, receiver) in [(0, 1), (1, 0)] {
            let known = self.ends.iter().all(|end| !end.polls.is_empty());
            if known && !self.ends[sender].counts_others[0] && self.ends[receiver].counts_others[1] {
                self.ways[sender].hides(settings);
            }
        }
        // What it sends is one way, what it receives is the other.
        if self.hole.is_some() {
            self.ways[at].hole.sent(&reading);
            self.ways[1 - at].hole.received(&reading, other);
        } else {
            self.ways[at].sent(settings, &reading, other);
            turns[1 - at] = self.ways[1 - at].received(settings, &reading, other);
        }
        if holes.enabled {
            self.judge_hole(holes, look, tell);
        }
        if settings.enabled && self.hole.is_none() {
            self.judge_loss(settings, look.now, turns, tell);
            if let Some((at_s, [a, b])) = self.meeting() {
                let turns = [(0, a, b), (1, b, a)].map(|(way, sender, receiver)| {
                    let (sent, pps) = between(sender, at_s, |reading| reading.sent);
                    let (received, received_pps) = between(receiver, at_s, |reading| reading.received);
                    self.ways[way].met(settings, at_s, sent, received, pps.max(received_pps))
                });
                self.judge_loss(settings, look.now, turns, tell);
            }
        }
    }

    /// While the link is down nothing can be said of what is told.
    fn keep_told(&self, down: bool, tell: &mut impl FnMut(FindingKey, Verdict)) {
        if down {
            self.keys().for_each(|key| tell(key, Verdict::Unknown(Unknown::Discontinuity)));
        }
    }

    /// The newest moment that both ends were read at or after, and the polls of each around it.
    fn meeting(&mut self) -> Option<(f64, [[Reading; 2]; 2])> {
        let newest = |end: &End| end.polls.back().map(|poll| poll.at_s);
        let at_s = newest(&self.ends[0])?.min(newest(&self.ends[1])?);
        if at_s < self.met_s + TOGETHER_S {
            return None;
        }
        let around = |end: &End| {
            let after = end.polls.iter().position(|poll| poll.at_s >= at_s)?;
            let around = [*end.polls.get(after.checked_sub(1)?)?, end.polls[after]];
            around.iter().any(|poll| (poll.at_s - at_s).abs() <= TOGETHER_S).then_some(around)
        };
        let ends = [around(&self.ends[0])?, around(&self.ends[1])?];
        self.met_s = at_s;
        Some((at_s, ends))
    }

    fn judge_loss(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        turns: [Turn; 2],
        tell: &mut impl FnMut(FindingKey, Verdict),
    ) {
        for (way, turn) in turns.into_iter().enumerate() {
            if !self.ends[1 - way].counts_others[1] {
                // Multicast that the sender counts as unicast would look like a loss.
                continue;
            }
            let key = self.key(way);
            match (turn, self.ways[way].live) {
                (Turn::Healed, _) => {
                    self.told[way] = false;
                    tell(key, Verdict::Absent);
                }
                (Turn::Losing | Turn::Unsure, Some(Live { estimate: Some(estimate) })) => {
                    self.told[way] = true;
                    let finding = words::silent_loss(settings, now, key.clone(), self.ends_of(way), &estimate);
                    tell(key, Verdict::Present(Box::new(finding)));
                }
                (Turn::Losing | Turn::Unsure, Some(_)) if self.told[way] => {
                    tell(key, Verdict::Unknown(Unknown::FirstSample));
                }
                _ => {}
            }
        }
    }

    fn judge_hole(&mut self, settings: &BlackHoleSettings, look: Look<'_>, tell: &mut impl FnMut(FindingKey, Verdict)) {
        // Somebody was heard here, and nobody is any more.
        let unheard = look.report.state.heard_at.is_some() && look.report.missing;
        let proofs = [0, 1].map(|way| self.ways[way].hole.proof(self.ways[way].baseline_pps, unheard));
        if proofs.iter().any(Option::is_some) {
            let since_s = proofs.iter().flatten().map(|proof| proof.since_s).fold(f64::INFINITY, f64::min);
            let since_s = *self.hole.get_or_insert(Some(since_s));
            let key = self.hole_key();
            let named = [0, 1].map(|way| Some((self.ends_of(way), proofs[way]?)));
            let finding = words::black_hole(settings, look.now, key.clone(), since_s, named, unheard);
            tell(key, Verdict::Present(Box::new(finding)));
        } else if self.hole.is_some() {
            let key = self.hole_key();
            if self.ways.iter().all(|way| way.hole.is_over()) {
                self.hole = None;
                self.ways.iter_mut().for_each(Way::restart);
                tell(key, Verdict::Absent);
            } else {
                tell(key, Verdict::Unknown(Unknown::Stale));
            }
        }
    }
}

/// Totals at a moment between two polls, and frames per second between them.
fn between([before, after]: [Reading; 2], at_s: f64, side: impl Fn(&Reading) -> Side) -> ([f64; 3], f64) {
    let seconds = after.at_s - before.at_s;
    let part = if seconds > 0.0 { ((at_s - before.at_s) / seconds).clamp(0.0, 1.0) } else { 1.0 };
    let (before, after) = (totals(&side(&before)), totals(&side(&after)));
    let mut at = before;
    (0..at.len()).for_each(|n| at[n] += part * (after[n] - before[n]));
    (at, (after[0] - before[0]) / seconds.max(1e-3))
}

fn moment(at_s: f64) -> Timestamp {
    Timestamp::from_micros((at_s * 1e6) as i64)
}

fn told(estimate: &Estimate) -> LossEstimate {
    LossEstimate {
        ratio: estimate.ratio(),
        low: estimate.at_least / estimate.sent,
        high: (estimate.at_most / estimate.sent).min(1.0),
        lost: estimate.lost,
        sent: estimate.sent,
        since: moment(estimate.since_s),
        until: moment(estimate.until_s),
    }
}
