//! Frames that vanish between two ports that both count everything as fine, and black holes.
//!
//! # The model
//!
//! **What is observed.** Of each end, at each poll, totals of the frames sent and received, and of the losses that the
//! end admits (discards, errors). For one direction let `S(t)` be what the sender counted until `t` and `R(t)` what the
//! receiver did, both put to the same instants: where one end has a reading the other's is interpolated between two of
//! its own ([`end`] says how a reading gets its moment). `D(t) = S - R - admitted` is what is missing. On a healthy link
//! `D` stands still but for three things:
//!
//! 1. *Alignment.* A reading may be off in time by `e` seconds, so `D` by `rate * e` frames: 20 ms for each end where the
//!    device tells its own time, half the time between two polls where it answers from a cache. This noise is bounded and
//!    does not accumulate; loss does. It shrinks with the rate of the moment: when traffic pauses `D` is exact.
//! 2. *Accounts.* RFC 2863 counts frames that were discarded on the way out among those sent, and those discarded on the
//!    way in not among those received. Some devices do otherwise, and some do not count multicast and broadcast at all.
//!    Each such account is first taken to explain what is missing. If it explains more than is missing, so that more was
//!    received than can have been sent, it is no part of the account from then on ([`direction`]).
//! 3. *Control frames* that only one end counts: some a second, whatever the traffic. The baseline is the least per second
//!    that any window of ten minutes or longer has missed (by its upper bound), never above `control_pps`. It only falls,
//!    until other hardware is plugged in. Since a loss follows the traffic and the baseline is that of the quietest window,
//!    a loss cannot be learned away but for what it takes in that window; one that is above `control_pps` not at all.
//!    Until ten minutes are seen the baseline is `control_pps` itself.
//!
//! A constant *ratio* is never learned: it is what a loss looks like. Only where more than a fifth of the frames and hardly
//! any octets are missing do the ends count in different units (segments against what they were made of), and nothing is said.
//!
//! **What is tested.** The path `Y = D - baseline * t - (warning / 4) * S` falls on a healthy link. This is a CUSUM: the
//! loss began where `Y`, its uncertainty added, was lowest, and is told when `Y` less its uncertainty is above that by
//! `minimum_frames`. It runs on three scales at once ([`drift`]): single points with the hard bound of alignment, which
//! needs no statistics and finds a loss as soon as traffic pauses; means of 16 and of 128 points, whose noise is learned from
//! how far a mean lies from the line between its neighbours. A line takes out any loss, so that loss is not learned as
//! noise; neighbours 1 and 4 means away are taken, and the larger noise counts, for noise that is correlated.
//!
//! **The stated rate of false alarms.** A healthy link is told only if some mean is off by more than `z` standard
//! deviations. With at most 1,000 means in an hour (a point at each poll of each end, a second apart) and sub-Gaussian noise the union bound
//! gives `z = sqrt(2 ln(1000 / false_alarms_per_hour))`: 6.1 for one in 100,000 hours of a direction. That asks for no
//! independence. A finite number of comparisons makes the learned deviation larger by `1 + 2 / sqrt(n)`.
//!
//! **What cannot be told.** Where an end answers from a cache that outlives the polls nothing is said of loss. The rate of false
//! alarms follows from the model and has not been measured over thousands of hours. A device whose counters are older than its answers by a time that shifts, while no answer
//! ever repeats (a cache that lives shorter than the polls are apart), makes a step in `D`; a rise that is not left when
//! its two largest steps are taken away is not told, so a loss that fits between two polls is not either. If such a
//! cache beats against the polls so slowly that it looks steady for hours it can look like a small loss. A loss below
//! `control_pps` that was there before we began and never changes with the traffic is a baseline. Control frames that
//! an operator switches on later may look like a loss of that many.
//!
//! **When it is over.** When so many frames have passed that 20 would have been lost had it gone on, and less than a quarter
//! of that can be missing. Carrier that turns, restarts, resets and renumbering begin the totals anew and end nothing.
//!
//! Members of aggregates are cables and compared as such. Aggregates themselves are not: their totals jump when a member
//! comes or goes. Ports that hear several neighbours are no links ([`crate::topology`]), so shared segments never get here.
//!
//! Memory for a link: some readings of each end (two to four, at most 32) and a few hundred numbers; about 5 kB.

mod black_hole;
mod direction;
mod drift;
mod end;
mod words;

use std::collections::HashMap;
use std::time::Duration;

use crate::fabric::{
    Direction, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkId, LinkLoss, LossEstimate, OperStatus,
    Subject, Timestamp, Unknown, Uptime, Verdict,
};
use crate::topology::LinkReport;

use super::link::LAG;
use direction::{Estimate, Live, Meeting, Totals, Turn, Way};
use end::{End, Mark, Side};

/// `[detect.silent_loss]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off unless it is switched on: it has not been measured on enough real links.
    pub enabled: bool,
    /// Share of frames (0 to 1) from which a loss is a warning. A quarter of it is not looked at.
    pub warning: f64,
    /// ... and critical.
    pub critical: f64,
    /// Frames per second that one end alone may count on a healthy link.
    pub control_pps: f64,
    /// Fewer lost frames than this are never told.
    pub minimum_frames: f64,
    /// The rate of false alarms that is accepted, for one direction of a link.
    pub false_alarms_per_hour: f64,
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
            false_alarms_per_hour: 1e-5,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
        }
    }
}

/// Means that are tested in an hour at most, of both scales that need statistics.
const TESTS_PER_HOUR: f64 = 1_000.0;

impl Settings {
    /// Standard deviations that a mean may be off.
    pub(crate) fn deviations(&self) -> f64 {
        (2.0 * (TESTS_PER_HOUR / self.false_alarms_per_hour.clamp(1e-12, 1.0)).ln()).sqrt()
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

/// Readings closer together than this are not compared.
const SHORTEST_STEP_S: f64 = 0.2;
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
    pub(super) fn losses(&self) -> impl Iterator<Item = LinkLoss> + '_ {
        self.links.iter().map(|(id, entry)| {
            let [a_to_b, b_to_a] = match entry {
                Ok(pair) => [0, 1].map(|way| pair.loss(way)),
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
                    pair.ways[way].live = Some(Live { start: None, estimate: None });
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

    fn loss(&self, way: usize) -> Result<LossEstimate, &'static str> {
        if self.hole.is_some() {
            return Err("nothing arrives");
        }
        if self.ends.iter().any(End::caches) {
            return Err("an end answers from a cache that outlives the polls");
        }
        let state = &self.ways[way];
        let estimate = state.live.map_or(state.calm, |live| live.estimate.or(state.calm));
        match estimate {
            Some(_) if state.counts_differently() => Err("the two ends count frames in different units"),
            Some(estimate) => Ok(told(&estimate)),
            None if !self.ends.iter().all(End::counts_packets) => Err("an end does not count its packets"),
            None if !state.accounts.others[1] => Err("the receiving end does not count multicast and broadcast"),
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
        self.ends[at].read(end::Look {
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
            self.ends[1 - at].marks.drain(..self.ends[1 - at].marks.len().saturating_sub(1));
            self.met_s = 0.0;
        }
        while let Some(meetings) = self.meeting() {
            let turns = [0, 1].map(|way| {
                let others = [self.ends[way].counts_others[0], self.ends[1 - way].counts_others[1]];
                self.ways[way].meet(settings, meetings[way], others)
            });
            if holes.enabled {
                self.judge_hole(holes, look, tell);
            }
            // The age of a cached value under bursts is not bounded well enough yet to say anything of a loss.
            let caches = self.ends.iter().any(End::caches);
            if settings.enabled && self.hole.is_none() && !caches {
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

    /// The next moment at which both ends are known, and both ways at it.
    fn meeting(&mut self) -> Option<[Meeting; 2]> {
        let newest = |end: &End| end.marks.back().map(|mark| mark.at_s);
        let at_s = newest(&self.ends[0])?.min(newest(&self.ends[1])?);
        if at_s < self.met_s + SHORTEST_STEP_S {
            return None;
        }
        let [a, b] = [0, 1].map(|end| around(&mut self.ends[end], at_s));
        let ((a_before, a_after), (b_before, b_after)) = (a?, b?);
        self.met_s = at_s;
        let off_s = a_before.off_s.max(a_after.off_s) + b_before.off_s.max(b_after.off_s);
        let meet = |sender: (Mark, Mark), receiver: (Mark, Mark)| {
            let (sent, sent_pps, sent_uneven) = totals(sender, at_s, |mark| mark.sent);
            let (received, received_pps, received_uneven) = totals(receiver, at_s, |mark| mark.received);
            let pps = sent_pps.max(received_pps);
            let [off, noise] = [0, 1].map(|at| sent_uneven[at] + received_uneven[at]);
            Meeting { at_s, sent, received, off: pps * off_s + off, noise: pps * off_s / 4.0 + noise, pps }
        };
        Some([meet((a_before, a_after), (b_before, b_after)), meet((b_before, b_after), (a_before, a_after))])
    }

    fn judge_loss(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        turns: [Turn; 2],
        tell: &mut impl FnMut(FindingKey, Verdict),
    ) {
        for (way, turn) in turns.into_iter().enumerate() {
            let key = self.key(way);
            match (turn, self.ways[way].live) {
                (Turn::Healed, _) => {
                    self.told[way] = false;
                    tell(key, Verdict::Absent);
                }
                (Turn::Losing | Turn::Unsure, Some(Live { start: Some(_), estimate: Some(estimate) })) => {
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

/// The readings around a moment; those before are dropped.
fn around(end: &mut End, at_s: f64) -> Option<(Mark, Mark)> {
    while end.marks.len() > 2 && end.marks[1].at_s < at_s {
        end.marks.pop_front();
    }
    let (before, after) = (*end.marks.front()?, *end.marks.get(1)?);
    (before.at_s <= at_s && at_s <= after.at_s).then_some((before, after))
}

/// Totals at a moment between two readings, frames per second between them, and how many frames the totals may be off
/// because the traffic between two readings was not even: at most, where all of it may have been before or after the
/// moment; and as a measure, for traffic that is nearly even.
fn totals((before, after): (Mark, Mark), at_s: f64, side: impl Fn(Mark) -> Side) -> (Totals, f64, [f64; 2]) {
    let seconds = after.at_s - before.at_s;
    let part = if seconds > 0.0 { ((at_s - before.at_s) / seconds).clamp(0.0, 1.0) } else { 1.0 };
    let totals = |part| Totals::between(side(before), side(after), part);
    let rise = totals(1.0).all() - totals(0.0).all();
    let uneven = if part <= 0.0 || part >= 1.0 { 0.0 } else { part.max(1.0 - part) };
    (totals(part), rise / seconds.max(1e-3), [uneven * rise, 0.02 * rise * (part * (1.0 - part)).sqrt()])
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
