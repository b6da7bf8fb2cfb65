//! Packets lost, as a share of all packets, by class (draft-ietf-opsawg-discardmodel). Each is told at the
//! interface that counts it.
//!
//! Where the device's own objects tell classes (`mib::profile`) they are believed: queue drops are congestion, what
//! a rule dropped is policy. Where they do not, a discard is taken for congestion, less what is counted as policy
//! or as without a route in the same direction. So no packet is told twice. Errors are corruption.
//!
//! One lost packet in a quiet interval makes a high share and means nothing: a run of lossy readings must have
//! lost a few before it is told.

use std::time::Duration;

use crate::fabric::{
    Counter, Direction, DropClass, Evidence, Finding, FindingKey, FindingKind, InterfaceState, LinkState, Rate,
    Severity, Subject, Timestamp, Unknown, Verdict,
};

use super::threshold::{Judgement, Live, Threshold, Thresholds, settle};
use super::trace::{Course, Trace};
use super::{SpreadOf, phrase};

/// `[detect.drops]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Share of packets (0 to 1) discarded from which congestion is a warning.
    pub congestion_warning: f64,
    /// ... and critical.
    pub congestion_critical: f64,
    /// Share of packets damaged from which corruption is a warning.
    pub corruption_warning: f64,
    /// ... and critical.
    pub corruption_critical: f64,
    /// Share of packets dropped by rules from which it is a warning; it is never critical, for rules are somebody's
    /// will.
    pub policy_warning: f64,
    /// Share of packets without a route or destination from which it is a warning.
    pub no_route_warning: f64,
    /// A share below its threshold times this counts as over (0 to 1).
    pub clear_below: f64,
    /// Fewer lost packets per second than this are never told.
    pub minimum_pps: f64,
    /// Fewer discards per second than this in the direction in are never told: devices count there what was not
    /// for them (unknown protocols, other VLANs) along with what they had no buffer for.
    pub minimum_in_discards_pps: f64,
    /// Fewer lost packets than this in one run of lossy readings are never told.
    pub minimum_packets: f64,
    /// Lost packets per second from which it is a warning where the device does not count its packets, so that
    /// the share is not known.
    pub warning_pps_without_packets: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            congestion_warning: 1e-4,
            congestion_critical: 1e-2,
            corruption_warning: 1e-5,
            corruption_critical: 1e-3,
            policy_warning: 1e-2,
            no_route_warning: 1e-2,
            clear_below: 0.5,
            minimum_pps: 0.1,
            minimum_in_discards_pps: 1.0,
            minimum_packets: 3.0,
            warning_pps_without_packets: 10.0,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::from_secs(60),
        }
    }
}

/// What is looked at, in the order of the slots of [`Memory`].
const LOSSES: [Loss; 7] = [
    Loss { kind: FindingKind::DropsCongestion, class: DropClass::Congestion, direction: Direction::Out },
    Loss { kind: FindingKind::DropsCongestion, class: DropClass::Congestion, direction: Direction::In },
    Loss { kind: FindingKind::DropsCorruption, class: DropClass::Corruption, direction: Direction::In },
    Loss { kind: FindingKind::DropsCorruption, class: DropClass::Corruption, direction: Direction::Out },
    Loss { kind: FindingKind::DropsPolicy, class: DropClass::Policy, direction: Direction::In },
    Loss { kind: FindingKind::DropsPolicy, class: DropClass::Policy, direction: Direction::Out },
    Loss { kind: FindingKind::DropsNoRoute, class: DropClass::NoRoute, direction: Direction::In },
];

/// Rates that still contain a turn of the carrier: an agent's cache and a poll interval later they do not.
const TURN: Duration = Duration::from_secs(30);

/// How long the course of a loss is kept when it is over.
pub(super) const TRACE_KEPT: Duration = Duration::from_secs(900);

#[derive(Clone, Copy)]
struct Loss {
    kind: FindingKind,
    class: DropClass,
    direction: Direction,
}

impl Loss {
    /// The counter that tells it at this interface, and what it says per second.
    fn read(self, state: &InterfaceState) -> (Counter, Rate) {
        let rates = &state.rates;
        let own = Counter::drops(self.class, self.direction);
        if let Some(own) = own.filter(|own| !matches!(rates[*own], Rate::Unknown(Unknown::Missing))) {
            return (own, rates[own]);
        }
        let counter = match (self.class, self.direction) {
            (DropClass::Corruption, Direction::In) => Counter::InErrors,
            (DropClass::Corruption, Direction::Out) => Counter::OutErrors,
            (DropClass::Congestion, Direction::In) => Counter::InDiscards,
            (DropClass::Congestion, Direction::Out) => Counter::OutDiscards,
            _ => return (own.unwrap_or(Counter::InDiscards), Rate::Unknown(Unknown::Missing)),
        };
        let mut rate = rates[counter];
        if self.class == DropClass::Congestion {
            let others = Counter::DROPS.into_iter().filter(|(_, _, way)| *way == self.direction);
            let others: f64 = others.filter_map(|(other, ..)| rates[other].known()).sum();
            rate = rate.map(|pps| (pps - others).max(0.0));
        }
        (counter, rate)
    }

    /// Never worth waking up for: rules are somebody's will, and a discard on the way in may be traffic that was not for
    /// this port.
    fn is_mild(self, counter: Counter) -> bool {
        matches!(self.class, DropClass::Policy | DropClass::NoRoute) || counter == Counter::InDiscards
    }
}

/// Packets dropped for want of a buffer per second: by the device's own class where it has one, else what it discards for no
/// other reason.
pub(super) fn congestion(state: &InterfaceState, direction: Direction) -> Rate {
    Loss { kind: FindingKind::DropsCongestion, class: DropClass::Congestion, direction }.read(state).1
}

/// A run of readings that lose packets.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    live: Option<Live>,
    /// How it went with the load: kept for a while when it is over, as it may come again.
    trace: Option<Box<Trace>>,
    /// When it last lost any.
    lossy_at: Option<Timestamp>,
    /// How many were lost in it, at least.
    lost: f64,
    /// The last reading that was counted.
    counted_at: Option<Timestamp>,
}

/// The losses of one interface that are told or may be soon.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory([Option<Run>; LOSSES.len()]);

impl Memory {
    pub(super) fn is_calm(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// This was told before a restart.
    pub(super) fn prime(&mut self, kind: FindingKind, direction: Direction) {
        for (loss, run) in LOSSES.iter().zip(&mut self.0) {
            if loss.kind == kind && loss.direction == direction {
                *run = Some(Run { live: Some(Live::PRIMED), ..Run::default() });
            }
        }
    }

    /// What is told now.
    pub(super) fn told(&self) -> impl Iterator<Item = (FindingKind, Direction)> + '_ {
        let told = LOSSES.iter().zip(&self.0).filter(|(_, run)| run.as_ref().is_some_and(|run| run.live.is_some()));
        told.map(|(loss, _)| (loss.kind, loss.direction))
    }
}

/// Packets that went in this direction, per second, those lost among them, and whether only unicast is known.
fn packets(state: &InterfaceState, direction: Direction, lost: f64) -> (Rate, bool) {
    let (unicast, others) = match direction {
        Direction::In => (Counter::InUcastPkts, [Counter::InMulticastPkts, Counter::InBroadcastPkts]),
        Direction::Out => (Counter::OutUcastPkts, [Counter::OutMulticastPkts, Counter::OutBroadcastPkts]),
    };
    let mut unicast_only = false;
    let mut all = match state.rates[unicast] {
        Rate::Known(pps) => pps,
        unknown => return (unknown, false),
    };
    for other in others {
        match state.rates[other] {
            Rate::Known(pps) => all += pps,
            // 32-bit tables lack them; then the share is of what is counted, and says so.
            Rate::Unknown(Unknown::Missing) => unicast_only = true,
            unknown => return (unknown, false),
        }
    }
    // RFC 2863 counts what was lost on the way out among the packets out, on the way in not; not all agents do.
    let all = match direction {
        Direction::In => all + lost,
        Direction::Out => all.max(lost),
    };
    (Rate::Known(all), unicast_only)
}

/// One look at one interface.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) state: &'a InterfaceState,
    /// The link in it, for its name.
    pub(super) link: Option<&'a LinkState>,
    pub(super) spread: &'a SpreadOf<'a>,
}

/// Judge all losses of an interface.
pub(super) fn look(at: Look<'_>, memory: &mut Memory, mut say: impl FnMut(FindingKey, Verdict)) {
    let state = at.state;
    for (loss, slot) in LOSSES.iter().zip(&mut memory.0) {
        let (_, rate) = loss.read(state);
        // The calm path: nothing is lost and nothing was.
        if slot.is_none() && rate.known().is_none_or(|pps| pps == 0.0) {
            continue;
        }
        let mut run = slot.take().unwrap_or_default();
        let verdict = match judge(at, *loss, &mut run) {
            Judgement::Calm => None,
            Judgement::Over => Some(Verdict::Absent),
            Judgement::Unknown(why) => Some(Verdict::Unknown(why)),
            Judgement::Present(live) => Some(Verdict::Present(Box::new(finding(at, *loss, live, &run)))),
        };
        // A run that is over is forgotten; one that is unknown is not.
        let lossy = run.lossy_at.is_some_and(|then| at.now.since(then) < TRACE_KEPT);
        *slot = (run.live.is_some() || run.lost > 0.0 || lossy).then_some(run);
        if let Some(verdict) = verdict {
            say(key(state, *loss), verdict);
        }
    }
}

fn key(state: &InterfaceState, loss: Loss) -> FindingKey {
    FindingKey { kind: loss.kind, subject: Subject::Interface(state.id.clone()), direction: Some(loss.direction) }
}

/// A port counts what it is given while it has no carrier as discarded, and frames that are cut short as damaged: the link
/// that is down is told, and it explains them.
pub(super) fn is_turning(state: &InterfaceState, now: Timestamp) -> bool {
    state.oper_status.is_down() || state.oper_changed_at.is_some_and(|changed| now.since(changed) < TURN)
}

fn judge(at: Look<'_>, loss: Loss, run: &mut Run) -> Judgement {
    let Look { settings, now, state, .. } = at;
    let unknown = |run: &Run, why| if run.live.is_some() { Judgement::Unknown(why) } else { Judgement::Calm };
    if is_turning(state, now) {
        (run.lost, run.counted_at, run.lossy_at) = (0.0, None, None);
        return unknown(run, Unknown::Discontinuity);
    }
    let (counter, rate) = loss.read(state);
    let pps = match rate {
        Rate::Known(pps) => pps,
        Rate::Unknown(why) => return unknown(run, why),
    };
    let read_at = state.polled_at.unwrap_or(now);
    note(state, loss, (read_at, pps), run);
    let minimum = match counter {
        Counter::InDiscards => settings.minimum_in_discards_pps.max(settings.minimum_pps),
        _ => settings.minimum_pps,
    };
    let level = match packets(state, loss.direction, pps).0 {
        _ if pps < minimum => None,
        Rate::Known(all) => {
            let share = if all > 0.0 { pps / all } else { 0.0 };
            thresholds(settings, loss.class).level(share, run.live.map(|live| live.severity))
        }
        Rate::Unknown(Unknown::Missing) => (pps >= settings.warning_pps_without_packets).then_some(Severity::Warning),
        Rate::Unknown(why) => return unknown(run, why),
    };
    let level = if loss.is_mild(counter) { level.min(Some(Severity::Warning)) } else { level };
    if level.is_none() {
        run.lost = 0.0;
        run.counted_at = None;
        return settle(now, None, &mut run.live);
    }
    // The first reading of a run covers an interval that is not known here, but no poll is shorter than a second.
    match run.counted_at {
        None => run.lost += pps,
        Some(before) => run.lost += pps * read_at.since(before).as_secs_f64(),
    }
    run.counted_at = Some(read_at);
    if run.live.is_none() && run.lost < settings.minimum_packets {
        return Judgement::Calm;
    }
    settle(now, level, &mut run.live)
}

/// Note how the loss goes with the load.
fn note(state: &InterfaceState, loss: Loss, (read_at, lost_pps): (Timestamp, f64), run: &mut Run) {
    let load = match loss.direction {
        Direction::In => state.utilization_in,
        Direction::Out => state.utilization_out,
    };
    if lost_pps > 0.0 {
        run.lossy_at = Some(read_at);
    }
    if let (Rate::Known(load), (Rate::Known(pps), _)) = (load, packets(state, loss.direction, lost_pps)) {
        run.trace.get_or_insert_default().note(read_at, load, pps, lost_pps);
    }
}

fn thresholds(settings: &Settings, class: DropClass) -> Thresholds {
    let threshold = |from: f64| Threshold { from, until: from * settings.clear_below };
    let (warning, critical) = match class {
        DropClass::Congestion | DropClass::Host => (settings.congestion_warning, settings.congestion_critical),
        DropClass::Corruption => (settings.corruption_warning, settings.corruption_critical),
        DropClass::Policy => (settings.policy_warning, f64::INFINITY),
        DropClass::NoRoute => (settings.no_route_warning, f64::INFINITY),
    };
    Thresholds { warning: threshold(warning), critical: threshold(critical) }
}

fn finding(at: Look<'_>, loss: Loss, live: Live, run: &Run) -> Finding {
    let Look { settings, now, state, link, spread } = at;
    let (counter, rate) = loss.read(state);
    let pps = rate.known().unwrap_or(0.0);
    let (all, unicast_only) = packets(state, loss.direction, pps);
    let share = match all {
        Rate::Known(all) if all > 0.0 => format!(
            "{} of {} {}",
            phrase::percent(pps / all),
            phrase::packets(all),
            if unicast_only { "(unicast only, the device counts no other)" } else { "in all" }
        ),
        Rate::Known(_) => "no packets beside them".to_owned(),
        Rate::Unknown(why) => format!("their share is unknown, for the packet counts are ({})", why.as_str()),
    };
    let far = link.map(|link| {
        let (a, b) = (&link.a.end.interface, &link.b.end.interface);
        if *a == state.id { b } else { a }
    });
    let id = &state.id;
    let lost = phrase::packets(pps);
    let class = loss.class;
    let towards = far.map(|far| format!(" to {far}")).unwrap_or_default();
    let from = far.map(|far| format!(" from {far}")).unwrap_or_default();
    let course = run.trace.as_ref().and_then(|trace| trace.course());
    let late = state.rates[Counter::LateCollisions].known().is_some_and(|pps| pps > 0.0);
    let (what, cause, action) = match (class, loss.direction) {
        (DropClass::Congestion, Direction::Out) => (
            format!("discards {lost} on the way out{towards}"),
            match state.utilization_out {
                _ if matches!(course, Some(Course::Follows { .. })) => {
                    "More packets want out than the port can send: the loss follows the load.".to_owned()
                }
                Rate::Known(_) if matches!(course, Some(Course::Stays { .. })) => {
                    "Not for want of capacity, for it is the same at any load: a shaper, a small queue, or packets that the port may not send."
                        .to_owned()
                }
                Rate::Known(used) if used < 0.8 => format!(
                    "Its output queue overflows at {} utilisation{}: bursts shorter than a poll, or a shaper or queue smaller than the port.",
                    phrase::percent(used),
                    match spread(id).and_then(|spread| spread.sent.hour) {
                        Some(hour) => format!(" ({})", phrase::spread(&hour)),
                        None => String::new(),
                    }
                ),
                _ => "More packets want out than the port can send; its queue is full.".to_owned(),
            },
            "Look at bursts and queue settings, spread the load, or add capacity.",
        ),
        (DropClass::Congestion, _) if counter != Counter::InDiscards => (
            format!("has no buffer for {lost} of what it receives{from}"),
            "Its ingress buffers or queues overflow: more comes in than the device can take or pass on.".to_owned(),
            "Look at the device's buffers and at the ports that this traffic leaves by.",
        ),
        (DropClass::Policy, direction) => (
            match direction {
                Direction::In => format!("drops {lost} of what it receives{from} by a rule"),
                Direction::Out => format!("drops {lost} on the way out{towards} by a rule"),
            },
            "A filter, an access list or a rate limit of this port drops them.".to_owned(),
            "Look at the access lists and policers of this port; where they are meant to drop this much, raise [detect.drops] policy_warning.",
        ),
        (DropClass::NoRoute, _) => (
            format!("receives {lost}{from} that it has no route for"),
            "The device knows no route or no neighbour for their destination.".to_owned(),
            "Look at its routing table, and at who sends them this way.",
        ),
        (DropClass::Congestion, _) => (
            format!("discards {lost} of what it receives{from}"),
            "No buffer on the way in, or packets that this port does not take (an unknown VLAN or protocol)."
                .to_owned(),
            "Compare VLANs and protocols at both ends, then look at the device's buffers and CPU.",
        ),
        (_, Direction::In) => (
            format!("receives {lost} damaged{from}"),
            match course {
                Some(Course::Stays { .. }) => {
                    "Damage on the way, the same at any load: a dirty or failing optic, or a bad cable.".to_owned()
                }
                Some(Course::Follows { .. }) => {
                    "Damage that grows with the load: a duplex mismatch, a port that overruns, or too little power.".to_owned()
                }
                None => "Damage on the way: a dirty or failing optic, a bad cable, or a duplex mismatch.".to_owned(),
            },
            "Clean and swap the optics and the cable of this link, and compare speed and duplex at both ends.",
        ),
        (_, Direction::Out) => (
            format!("fails to send {lost}{towards}"),
            match late {
                true => "Late collisions: this end runs at half duplex and the other at full duplex.".to_owned(),
                false => "The port itself cannot send them: a transmitter or driver fault, or collisions.".to_owned(),
            },
            "Look at the port's hardware counters and the device's log, and compare duplex at both ends.",
        ),
    };
    let parts = [Counter::FcsErrors, Counter::AlignmentErrors, Counter::SymbolErrors, Counter::LateCollisions];
    let parts = parts.into_iter().filter(|_| class == DropClass::Corruption).filter_map(|counter| {
        let pps = state.rates[counter].known().filter(|pps| *pps > 0.0)?;
        Some(format!("; {} {}/s", counter.as_str(), pps.round().max(1.0)))
    });
    // What the port discards beyond its classes has another reason, or the device counts it elsewhere.
    let beside = match (counter.as_drops(), loss.direction) {
        (None, _) => String::new(),
        (_, direction) => {
            let all = if direction == Direction::In { Counter::InDiscards } else { Counter::OutDiscards };
            let told = |pps| format!("; {} beside it {}", all.as_str(), phrase::packets(pps));
            state.rates[all].known().filter(|pps| *pps > 0.0).map(told).unwrap_or_default()
        }
    };
    Finding {
        key: key(state, loss),
        severity: live.severity,
        class: Some(class),
        evidence: Evidence {
            summary: format!("{id}{} {what}", phrase::alias(&state.info)),
            cause,
            evidence: format!(
                "{} {lost} by the last two polls: {share}; at least {:.0} lost {}{}{beside}.{}",
                counter.as_str(),
                run.lost,
                phrase::since(live.since, now),
                parts.collect::<String>(),
                run.trace.as_ref().map(|trace| trace.words()).unwrap_or_default(),
            ),
            action: action.to_owned(),
        },
        observed_at: state.polled_at.unwrap_or(now),
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}
