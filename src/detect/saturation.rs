//! A direction of an interface near its capacity: all the time, or in bursts.
//!
//! **Sustained** is what the mean between two polls shows. **Bursts** are what it hides: a port that discards for want of
//! buffers while its mean is far below its capacity was full for moments shorter than a poll. They are told here where
//! the loss is too small a share for [`super::drops`] to tell, which names the same bursts as its cause otherwise. How
//! the last hour was spread (p99, maximum) stands beside the mean in the evidence of both.
//!
//! What A sends is what B receives: of a cable's two counters for one direction only the sender's is told,
//! `Out` at the sending interface. Where the sender does not answer, the receiver's counter stands in for it
//! under the same key. `In` is told only where nobody watches the sender.

use std::time::Duration;

use crate::fabric::{
    Counter, Direction, EndState, Evidence, Finding, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkState,
    OperStatus, Rate, Severity, SpeedSource, Subject, Timestamp, Verdict,
};

use super::threshold::{Judgement, Live, Threshold, Thresholds, judge, settle};
use super::{SpreadOf, phrase};

/// `[detect.saturation]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Utilisation (0 to 1) from which it is a warning.
    pub warning: f64,
    /// Utilisation from which it is critical.
    pub critical: f64,
    /// Packets per second, discarded on the way out at a mean below the warning, from which bursts are told.
    pub burst_discards_pps: f64,
    /// How far below the threshold it must fall to count as over (0 to 1).
    pub hysteresis: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            warning: 0.80,
            critical: 0.95,
            burst_discards_pps: 10.0,
            hysteresis: 0.05,
            pending_for: Duration::from_secs(10),
            keep_firing_for: Duration::from_secs(30),
        }
    }
}

impl Settings {
    fn thresholds(&self) -> Thresholds {
        let threshold = |from: f64| Threshold { from, until: from - self.hysteresis };
        Thresholds { warning: threshold(self.warning), critical: threshold(self.critical) }
    }
}

/// One direction of one interface, with what explains it.
pub(super) struct Flow<'a> {
    /// The interface that the finding is about.
    pub(super) subject: &'a InterfaceId,
    pub(super) direction: Direction,
    /// Who is at the other end, where that is known.
    far: Option<&'a InterfaceId>,
    utilization: Rate,
    bps: Rate,
    capacity_bps: Option<u64>,
    /// The interface that was read.
    read: &'a InterfaceState,
}

/// Whether an interface's speed is a capacity: a cable's, or one that somebody set. The nominal speeds of
/// loopbacks, tunnels and VLANs are not.
fn has_capacity(state: &InterfaceState) -> bool {
    super::link::has_cable(&state.info)
        || state.info.if_type == super::link::LAG
        || (state.speed_bps.is_some() && state.speed_bps != state.info.speed_bps)
}

/// The directions that a look at this interface tells of, `Out` first.
pub(super) fn flows<'a>(state: &'a InterfaceState, link: Option<&'a LinkState>) -> [Option<Flow<'a>>; 2] {
    if !has_capacity(state) {
        return [None, None];
    }
    let Some((own, far)) = link.and_then(|link| ends(link, &state.id)) else {
        let flow = |direction, utilization, octets: Rate| Flow {
            subject: &state.id,
            direction,
            far: None,
            utilization,
            bps: octets.map(|octets_per_s| octets_per_s * 8.0),
            capacity_bps: state.speed_bps,
            read: state,
        };
        return [
            Some(flow(Direction::Out, state.utilization_out, state.rates[Counter::OutOctets])),
            Some(flow(Direction::In, state.utilization_in, state.rates[Counter::InOctets])),
        ];
    };
    let capacity_bps = [own.speed_bps, far.speed_bps].into_iter().flatten().min();
    let flow = |sender: &'a EndState, subject: &'a EndState, direction| Flow {
        subject: &subject.end.interface,
        direction,
        far: Some(if std::ptr::eq(subject, own) { &far.end.interface } else { &own.end.interface }),
        utilization: sender.utilization_out,
        bps: sender.out_bps,
        capacity_bps,
        read: state,
    };
    let received = if !far.end.watched {
        Some(flow(far, own, Direction::In))
    } else if far.oper_status == OperStatus::Unknown {
        Some(flow(far, far, Direction::Out))
    } else {
        None
    };
    [Some(flow(own, own, Direction::Out)), received]
}

/// This interface's end of the link, and the other.
fn ends<'a>(link: &'a LinkState, id: &InterfaceId) -> Option<(&'a EndState, &'a EndState)> {
    let is_own = |end: &EndState| end.end.watched && end.end.interface == *id;
    if is_own(&link.a) {
        Some((&link.a, &link.b))
    } else if is_own(&link.b) {
        Some((&link.b, &link.a))
    } else {
        None
    }
}

/// The key of a direction of an interface.
pub(super) fn key(subject: &InterfaceId, direction: Direction) -> FindingKey {
    FindingKey {
        kind: FindingKind::Saturation,
        subject: Subject::Interface(subject.clone()),
        direction: Some(direction),
    }
}

/// What one look may see.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) spread: &'a SpreadOf<'a>,
    /// The loss on the way out is told as such already.
    pub(super) loss_is_told: bool,
}

/// How it is full.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Sustained,
    /// Discarding so many packets per second at a low mean.
    Bursts(f64),
}

/// Judge one direction.
pub(super) fn look(at: Look<'_>, flow: &Flow<'_>, live: &mut Option<Live>) -> Option<(FindingKey, Verdict)> {
    let Look { settings, now, .. } = at;
    let thresholds = settings.thresholds();
    let mut shape = Shape::Sustained;
    let judgement = match (flow.utilization, bursts(at, flow, live.is_some())) {
        (Rate::Known(mean), Some(discards_pps)) if thresholds.level(mean, live.map(|live| live.severity)).is_none() => {
            shape = Shape::Bursts(discards_pps);
            settle(now, Some(Severity::Warning), live)
        }
        (mean, _) => judge(now, mean, &thresholds, live),
    };
    let verdict = match judgement {
        Judgement::Calm => return None,
        Judgement::Over => Verdict::Absent,
        Judgement::Unknown(why) => Verdict::Unknown(why),
        Judgement::Present(live) => Verdict::Present(Box::new(Finding {
            key: key(flow.subject, flow.direction),
            severity: live.severity,
            class: None,
            evidence: evidence(at, flow, live, shape),
            observed_at: flow.read.polled_at.unwrap_or(now),
            pending_for: settings.pending_for,
            keep_firing_for: settings.keep_firing_for,
        })),
    };
    Some((key(flow.subject, flow.direction), verdict))
}

/// Packets discarded per second, where they tell of bursts: so many that chance is no explanation, on a port that has been
/// up for a while.
fn bursts(at: Look<'_>, flow: &Flow<'_>, told: bool) -> Option<f64> {
    if flow.read.id != *flow.subject || flow.direction != Direction::Out || (at.loss_is_told && !told) {
        return None;
    }
    let discards_pps = super::drops::congestion(flow.read, Direction::Out).known()?;
    (discards_pps >= at.settings.burst_discards_pps && !super::drops::is_turning(flow.read, at.now))
        .then_some(discards_pps)
}

fn evidence(at: Look<'_>, flow: &Flow<'_>, live: Live, shape: Shape) -> Evidence {
    let Look { settings, now, spread, .. } = at;
    let Flow { subject, direction, far, utilization, bps, capacity_bps, read } = flow;
    let percent = phrase::or_unknown(*utilization, phrase::percent);
    let bps = phrase::or_unknown(*bps, phrase::bits);
    let capacity = capacity_bps.map(phrase::speed).unwrap_or_else(|| "an unknown speed".to_owned());
    let assumed = match read.speed_source {
        Some(SpeedSource::Assumed) => " (assumed: the device does not say how fast it is)",
        Some(SpeedSource::Declared) => " (declared)",
        Some(SpeedSource::Members) => " (the ports that carry their share, together)",
        _ => "",
    };
    let (verb, preposition) = match direction {
        Direction::Out => ("sends", "to"),
        Direction::In => ("receives", "from"),
    };
    let far = far.map(|far| format!(" {preposition} {far}")).unwrap_or_default();
    let own = read.id == **subject;
    let alias = if own { phrase::alias(&read.info) } else { String::new() };
    let discards = match (own, direction) {
        (true, direction) => super::drops::congestion(read, *direction),
        _ => Rate::default(),
    };
    let lossy = discards.known().is_some_and(|pps| pps > 0.0);
    let hour = spread(&read.id).and_then(|spread| match own == (*direction == Direction::Out) {
        true => spread.sent.hour,
        false => spread.received.hour,
    });
    // Of a link the slower end is the capacity.
    let hour = hour.map(|hour| match (read.speed_bps, capacity_bps) {
        (Some(own_bps), Some(capacity_bps)) => hour.scaled(own_bps as f64 / *capacity_bps as f64),
        _ => hour,
    });
    let cause = match shape {
        Shape::Bursts(pps) => format!(
            "Bursts: its queue overflows ({} discarded) at a mean of {percent}, so it is full for moments shorter than a poll.",
            phrase::packets(pps)
        ),
        Shape::Sustained if lossy => format!(
            "More traffic than the port can carry, all the time: it already discards {}.",
            phrase::or_unknown(discards, phrase::packets)
        ),
        Shape::Sustained if hour.is_some_and(|hour| hour.p50 < settings.warning) => {
            "A peak: the traffic has grown to the port's capacity, above what it was for most of the last hour; bursts \
             shorter than a poll may be lost already."
                .to_owned()
        }
        Shape::Sustained => {
            "The traffic has grown to the port's capacity; bursts shorter than a poll may be lost already.".to_owned()
        }
    };
    let measured = if own { "read there" } else { "read at the receiving end, as the sender does not answer" };
    let hour = hour.map(|hour| format!("; {}", phrase::spread(&hour))).unwrap_or_default();
    let summary = match shape {
        Shape::Sustained => format!("{subject}{alias} {verb} {bps}{far}, {percent} of {capacity}"),
        Shape::Bursts(pps) => format!(
            "{subject}{alias} discards {} in bursts{far}, at a mean of {percent} of {capacity}",
            phrase::packets(pps)
        ),
    };
    Evidence {
        summary,
        cause,
        evidence: format!(
            "{bps} {} ({measured}, by the last two polls) against {capacity}{assumed} is {percent}{hour}; warning from {}, critical from {}; {}.",
            direction.as_str(),
            phrase::percent(settings.warning),
            phrase::percent(settings.critical),
            phrase::since(live.since, now),
        ),
        action: match shape {
            Shape::Sustained => {
                "See who sends it (flows, top talkers), move or shape traffic, check that parallel links carry their \
                 share, or add capacity."
            }
            Shape::Bursts(_) => {
                "Look at queue and buffer settings, pace or shape who sends in bursts (many senders at once, storage, \
                 backups), or add capacity; more of the mean would not have told."
            }
        }
        .to_owned(),
    }
}
