//! A direction of an interface near its capacity.
//!
//! What A sends is what B receives: of a cable's two counters for one direction only the sender's is told,
//! `Out` at the sending interface. Where the sender does not answer, the receiver's counter stands in for it
//! under the same key. `In` is told only where nobody watches the sender.

use std::time::Duration;

use crate::fabric::{
    Counter, Direction, EndState, Evidence, Finding, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkState,
    OperStatus, Rate, SpeedSource, Subject, Timestamp, Verdict,
};

use super::phrase;
use super::threshold::{Judgement, Live, Threshold, Thresholds, judge};

/// `[detect.saturation]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Utilisation (0 to 1) from which it is a warning.
    pub warning: f64,
    /// Utilisation from which it is critical.
    pub critical: f64,
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

/// Judge one direction.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    flow: &Flow<'_>,
    live: &mut Option<Live>,
) -> Option<(FindingKey, Verdict)> {
    let verdict = match judge(now, flow.utilization, &settings.thresholds(), live) {
        Judgement::Calm => return None,
        Judgement::Over => Verdict::Absent,
        Judgement::Unknown(why) => Verdict::Unknown(why),
        Judgement::Present(live) => Verdict::Present(Box::new(Finding {
            key: key(flow.subject, flow.direction),
            severity: live.severity,
            class: None,
            evidence: evidence(settings, now, flow, live),
            observed_at: flow.read.polled_at.unwrap_or(now),
            pending_for: settings.pending_for,
            keep_firing_for: settings.keep_firing_for,
        })),
    };
    Some((key(flow.subject, flow.direction), verdict))
}

fn evidence(settings: &Settings, now: Timestamp, flow: &Flow<'_>, live: Live) -> Evidence {
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
        (true, Direction::Out) => read.rates.discards(Direction::Out),
        (true, Direction::In) => read.rates.discards(Direction::In),
        _ => Rate::default(),
    };
    let lossy = discards.known().is_some_and(|pps| pps > 0.0);
    let cause = if lossy {
        format!(
            "More traffic than the port can carry: it already discards {}.",
            phrase::or_unknown(discards, phrase::packets)
        )
    } else {
        "The traffic has grown to the port's capacity; bursts shorter than a poll may be lost already.".to_owned()
    };
    let measured = if own { "read there" } else { "read at the receiving end, as the sender does not answer" };
    Evidence {
        summary: format!("{subject}{alias} {verb} {bps}{far}, {percent} of {capacity}"),
        cause,
        evidence: format!(
            "{bps} {} ({measured}, by the last two polls) against {capacity}{assumed} is {percent}; warning from {}, critical from {}; {}.",
            direction.as_str(),
            phrase::percent(settings.warning),
            phrase::percent(settings.critical),
            phrase::since(live.since, now),
        ),
        action: "See who sends it (flows, top talkers), move or shape traffic, check that parallel links carry their \
                 share, or add capacity."
            .to_owned(),
    }
}
