//! A link or interface that was up passes no packets.
//!
//! A link has one key for both its ends. A port without a known neighbour that has been seen up is told by
//! itself. What the operator shut down is no alert at a single port; a link that it takes down is told as a
//! warning, for the other end did not ask for it.

use std::time::Duration;

use crate::fabric::{
    AdminStatus, DeviceHealth, EndState, Evidence, Finding, FindingKey, FindingKind, InterfaceId, InterfaceInfo,
    InterfaceState, LinkHealth, LinkId, OperStatus, Severity, Subject, Timestamp, Unknown, Verdict,
};
use crate::topology::{EndReport, LinkReport};

use super::phrase;

/// `[detect.link]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be up again before it counts as resolved.
    pub keep_firing_for: Duration,
    /// Tell of interfaces without a known neighbour too, once they have been seen up.
    pub edge_ports: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::ZERO, keep_firing_for: Duration::ZERO, edge_ports: true }
    }
}

/// ieee8023adLag: a bundle, not a socket. Its members tell of its cables.
pub(super) const LAG: u32 = 161;

/// Whether a cable goes into an interface (IANAifType); loopbacks, VLANs, tunnels and bundles have none.
pub(super) fn has_cable(info: &InterfaceInfo) -> bool {
    match info.if_type {
        // Ethernet in its many names, T1/E1, T3, serial lines, SONET, Fibre Channel, optical channels, InfiniBand.
        6 | 7 | 18 | 22 | 26 | 30 | 39 | 56 | 62 | 69 | 117 | 118 | 195 | 196 | 199 => true,
        // Not given: what has a hardware address is likely hardware.
        0 => !info.phys_address.is_empty(),
        _ => false,
    }
}

/// A port is told by itself only if it went down this recently: one whose link was down for a week and is
/// forgotten now is no news.
const FRESH: Duration = Duration::from_secs(3600);

/// A link that is told as down.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) key: FindingKey,
    /// Which ends were seen down and not seen otherwise since: each must be, before it is over.
    owing: [bool; 2],
}

impl Memory {
    /// This was told before a restart; which end was down is not known, so each must be seen.
    pub(super) fn primed(key: FindingKey) -> Self {
        Self { key, owing: [true; 2] }
    }
}

/// What is told of this link is about it.
pub(super) fn subject(report: &LinkReport) -> Subject {
    let (a, b) = (report.state.a.end.interface.clone(), report.state.b.end.interface.clone());
    Subject::Link { id: report.state.id.clone(), a, b }
}

fn key(report: &LinkReport) -> FindingKey {
    FindingKey { kind: FindingKind::LinkDown, subject: subject(report), direction: None }
}

/// Judge a link.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    report: &LinkReport,
    links: &mut std::collections::HashMap<LinkId, Memory>,
) -> Option<(FindingKey, Verdict)> {
    let state = &report.state;
    let ends = [&state.a, &state.b];
    if state.health == LinkHealth::Down {
        let memory = links.entry(state.id.clone()).or_insert_with(|| Memory { key: key(report), owing: [false; 2] });
        for (owing, end) in memory.owing.iter_mut().zip(ends) {
            *owing = end.oper_status.is_down() || (*owing && end.end.watched && end.oper_status == OperStatus::Unknown);
        }
        let key = memory.key.clone();
        return Some((key.clone(), Verdict::Present(Box::new(finding(settings, now, report, key)))));
    }
    let memory = links.get_mut(&state.id)?;
    for (owing, end) in memory.owing.iter_mut().zip(ends) {
        *owing &= end.end.watched && end.oper_status == OperStatus::Unknown;
    }
    // An end that was down and now says nothing does not make the link whole, whatever the other says.
    if state.health == LinkHealth::Unknown || memory.owing.contains(&true) {
        return Some((memory.key.clone(), Verdict::Unknown(Unknown::Stale)));
    }
    let memory = links.remove(&state.id)?;
    Some((memory.key, Verdict::Absent))
}

/// The two ends of a cable tell of it one after the other, and agents answer from caches meanwhile: only after this long
/// does their disagreement mean something.
const AGREEMENT: Duration = Duration::from_secs(10);

/// One end in words.
struct End<'a> {
    state: &'a EndState,
    report: &'a EndReport,
}

impl End<'_> {
    fn name(&self) -> &InterfaceId {
        &self.state.end.interface
    }

    fn is_shut(&self) -> bool {
        self.report.admin_status == AdminStatus::Down
    }

    fn describe(&self, now: Timestamp) -> String {
        let name = self.name();
        if !self.state.end.watched {
            return format!("{name} is not watched");
        }
        if self.report.device != DeviceHealth::Ok {
            let why = self.report.unreachable.map(|why| format!(": {}", why.as_str())).unwrap_or_default();
            return format!("{name} is unknown, {} does not answer{why}", name.device);
        }
        let since = match self.report.oper_changed_at {
            Some(_) => format!(" {}", phrase::since(self.report.oper_changed_at, now)),
            None => String::new(),
        };
        let (oper, admin) = (self.state.oper_status.as_str(), self.report.admin_status.as_str());
        format!("{name} is {oper}{since}, ifAdminStatus {admin}")
    }
}

fn finding(settings: &Settings, now: Timestamp, report: &LinkReport, key: FindingKey) -> Finding {
    let state = &report.state;
    let ends = [End { state: &state.a, report: &report.a }, End { state: &state.b, report: &report.b }];
    let shut: Vec<&End<'_>> = ends.iter().filter(|end| end.is_shut()).collect();
    let speed = [state.a.speed_bps, state.b.speed_bps].into_iter().flatten().min();
    let speed = speed.map(|bps| format!(" ({})", phrase::speed(bps))).unwrap_or_default();
    let heard = state.heard_at.map(|at| format!("; neighbours last heard {at}")).unwrap_or_default();
    let action = if shut.is_empty() {
        format!("Check the cable and the optics between {} and {}.", ends[0].name(), ends[1].name())
    } else {
        format!("If this is not planned work, enable {} again.", phrase::list(shut.iter().map(|end| end.name())))
    };
    Finding {
        key,
        severity: if shut.is_empty() { Severity::Critical } else { Severity::Warning },
        class: None,
        evidence: Evidence {
            summary: format!("Link {}{speed} is down", state.id),
            cause: cause(now, &ends, &shut),
            evidence: format!("{}; {}{heard}.", ends[0].describe(now), ends[1].describe(now)),
            action,
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

fn cause(now: Timestamp, ends: &[End<'_>; 2], shut: &[&End<'_>]) -> String {
    if !shut.is_empty() {
        return format!("Shut down by the operator at {}.", phrase::list(shut.iter().map(|end| end.name())));
    }
    let down: Vec<&End<'_>> = ends.iter().filter(|end| end.state.oper_status.is_down()).collect();
    if let Some(end) = down.iter().find(|end| end.state.oper_status == OperStatus::NotPresent) {
        return format!("A part of {} is missing: its optic or its line card was pulled or died.", end.name());
    }
    match down.as_slice() {
        [one, other] => {
            let order = match (one.report.oper_changed_at, other.report.oper_changed_at) {
                (Some(a), Some(b)) if a != b => {
                    let (first, second) = if a < b { (one, other) } else { (other, one) };
                    let span = phrase::span(a.max(b).since(a.min(b)));
                    format!("{} first and {} {span} later", first.name(), second.name())
                }
                _ => "both together".to_owned(),
            };
            format!("Both ends lost it, {order}: the cable is cut or pulled, or an optic died.")
        }
        [one] => {
            let Some(far) = ends.iter().find(|end| end.name() != one.name()) else { return String::new() };
            let (near, far_name) = (one.name(), far.name());
            if !far.state.end.watched {
                format!("{near} lost it; {far_name} is not watched: the cable, or {} itself is off.", far_name.device)
            } else if far.report.device == DeviceHealth::Unreachable {
                let device = &far_name.device;
                format!("{near} lost it and {device} does not answer: {device} itself may have failed.")
            } else if far.state.oper_status.is_up() {
                if one.report.oper_changed_at.is_some_and(|changed| now.since(changed) < AGREEMENT) {
                    format!(
                        "{near} lost it just now, {far_name} has yet to tell: the cable is cut or pulled, or an optic died."
                    )
                } else {
                    format!("Only {near} lost it, {far_name} says up: one fibre or one optic fails in one direction.")
                }
            } else {
                format!("{near} lost it; of {far_name} nothing is known.")
            }
        }
        _ => "Neither end passes packets.".to_owned(),
    }
}

/// Judge a port without a known neighbour. `told` remembers that it is told.
pub(super) fn look_at_edge(
    settings: &Settings,
    now: Timestamp,
    state: &InterfaceState,
    told: &mut bool,
) -> Option<(FindingKey, Verdict)> {
    let shut = state.admin_status == AdminStatus::Down;
    let down = state.oper_status.is_down();
    let fresh = state.oper_changed_at.is_some_and(|changed| now.since(changed) < FRESH);
    if settings.edge_ports && down && !shut && (*told || (fresh && state.seen_up && has_cable(&state.info))) {
        *told = true;
        let key = edge_key(&state.id);
        return Some((key.clone(), Verdict::Present(Box::new(edge_finding(settings, now, state, key)))));
    }
    if !*told {
        return None;
    }
    let verdict = if state.oper_status.is_up() || (down && shut) || !settings.edge_ports {
        *told = false;
        Verdict::Absent
    } else {
        Verdict::Unknown(Unknown::Missing)
    };
    Some((edge_key(&state.id), verdict))
}

/// The key of a port that is told by itself.
pub(super) fn edge_key(id: &InterfaceId) -> FindingKey {
    FindingKey { kind: FindingKind::LinkDown, subject: Subject::Interface(id.clone()), direction: None }
}

fn edge_finding(settings: &Settings, now: Timestamp, state: &InterfaceState, key: FindingKey) -> Finding {
    let (id, alias) = (&state.id, phrase::alias(&state.info));
    let speed = state.speed_bps.map(|bps| format!(" ({})", phrase::speed(bps))).unwrap_or_default();
    let oper = state.oper_status.as_str();
    Finding {
        key,
        severity: Severity::Warning,
        class: None,
        evidence: Evidence {
            summary: format!("Port {id}{alias}{speed} is down"),
            cause: match state.oper_status {
                OperStatus::NotPresent => {
                    "A part of it is missing: its optic or its line card was pulled or died.".to_owned()
                }
                OperStatus::LowerLayerDown => "An interface below it is down.".to_owned(),
                _ => "What is attached there was switched off or unplugged, or the cable is cut.".to_owned(),
            },
            evidence: format!(
                "ifOperStatus {oper} {}, ifAdminStatus {}; it was up before; no neighbour is known there.",
                phrase::since(state.oper_changed_at, now),
                state.admin_status.as_str(),
            ),
            action: format!("Check what is attached to {id}; if nothing should be, shut the port down."),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}
