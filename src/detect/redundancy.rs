//! One of several parallel ways is gone, or all of them are.
//!
//! ```text
//! members down   working   unknown     RedundancyDegraded    RedundancyLost
//! none           all       none        over                  over
//! some           some      any         present               over
//! some           none      some        present               as it was
//! all            none      none        over                  present
//! none           any       some        as it was             over if any works, else as it was
//! ```
//!
//! "Some down" counts for `RedundancyDegraded` only if this group tells of one of them
//! ([`Group::told`](crate::topology::Group::told)), so that one cut is one finding.

use std::sync::Arc;
use std::time::Duration;

use crate::fabric::{
    DeviceId, Evidence, Finding, FindingKey, FindingKind, GroupKind, LinkHealth, LinkId, LinkState, Severity, Subject,
    Timestamp, Unknown, Verdict,
};
use crate::topology::GroupReport;

use super::phrase;

/// `[detect.redundancy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be whole again before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::ZERO, keep_firing_for: Duration::ZERO }
    }
}

/// A group that is told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) device: Option<DeviceId>,
    pub(super) degraded: bool,
    pub(super) lost: bool,
}

impl Memory {
    pub(super) fn is_calm(&self) -> bool {
        !self.degraded && !self.lost
    }

    /// What is told now.
    pub(super) fn told(&self) -> impl Iterator<Item = FindingKind> + use<> {
        let degraded = self.degraded.then_some(FindingKind::RedundancyDegraded);
        degraded.into_iter().chain(self.lost.then_some(FindingKind::RedundancyLost))
    }
}

pub(super) fn key(kind: FindingKind, name: &Arc<str>, device: &Option<DeviceId>) -> FindingKey {
    FindingKey { kind, subject: Subject::Group { name: name.clone(), device: device.clone() }, direction: None }
}

/// What to say of one of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    Present,
    Over,
    AsItWas,
}

/// The table above.
fn say(report: &GroupReport) -> (Say, Say) {
    let state = &report.state;
    let of = |health: LinkHealth| report.members.iter().filter(move |link| link.health == health);
    let down_and_told = of(LinkHealth::Down).any(|link| report.told.contains(&link.id));
    let told_and_unknown = state.unknown.iter().any(|id| report.told.contains(id));
    let any_down = of(LinkHealth::Down).next().is_some();
    let works = !state.working.is_empty();
    if any_down && !works && state.unknown.is_empty() {
        // A doubling of which others tell the parts (a bundle within the uplinks) is no finding of its own.
        let speaks = !report.told.is_empty() || state.kind == GroupKind::Uplinks;
        return (Say::Over, if speaks { Say::Present } else { Say::Over });
    }
    let degraded = match (down_and_told, told_and_unknown) {
        (true, _) => Say::Present,
        (false, true) => Say::AsItWas,
        (false, false) => Say::Over,
    };
    (degraded, if works || state.planned.is_empty() { Say::Over } else { Say::AsItWas })
}

/// Judge a group.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    report: &GroupReport,
    memory: &mut Memory,
    mut tell: impl FnMut(FindingKey, Verdict),
) {
    let state = &report.state;
    if memory.device != state.device {
        for kind in memory.told() {
            tell(key(kind, &state.name, &memory.device), Verdict::Absent);
        }
        *memory = Memory { device: state.device.clone(), ..Memory::default() };
    }
    let (degraded, lost) = say(report);
    let kinds = [
        (FindingKind::RedundancyDegraded, degraded, &mut memory.degraded),
        (FindingKind::RedundancyLost, lost, &mut memory.lost),
    ];
    for (kind, say, told) in kinds {
        let verdict = match say {
            Say::Present => {
                *told = true;
                Verdict::Present(Box::new(finding(settings, now, report, kind)))
            }
            Say::Over if *told => {
                *told = false;
                Verdict::Absent
            }
            Say::AsItWas if *told => Verdict::Unknown(Unknown::Stale),
            Say::Over | Say::AsItWas => continue,
        };
        tell(key(kind, &state.name, &state.device), verdict);
    }
}

fn finding(settings: &Settings, now: Timestamp, report: &GroupReport, kind: FindingKind) -> Finding {
    let state = &report.state;
    let of = |health: LinkHealth| report.members.iter().filter(move |link| link.health == health);
    let down: Vec<&LinkState> = of(LinkHealth::Down).collect();
    let (name, planned, works) = (&state.name, state.planned.len(), state.working.len());
    let lost = kind == FindingKind::RedundancyLost;
    // "leaf1 uplinks have lost", "paris-london has lost"
    let has = if matches!(state.kind, GroupKind::Uplinks | GroupKind::Ecmp) { "have" } else { "has" };
    let first = down.iter().map(|link| link.since).min();
    let things = match state.kind {
        GroupKind::Lag => "ports",
        GroupKind::Ecmp => "next hops",
        GroupKind::Gateways => "routers",
        GroupKind::Parallel | GroupKind::Uplinks | GroupKind::Declared => "links",
    };
    let summary = if lost {
        format!("{name} {has} lost all {planned} {things}")
    } else {
        format!("{name} {has} lost {} of {planned} {things}, {works} left", down.len())
    };
    let reason = |link: &LinkState| state.reasons.iter().find(|(id, _)| *id == link.id).map(|(_, reason)| reason);
    let gone = phrase::list(down.iter().map(|link| match reason(link) {
        Some(reason) => format!("{} ({reason}) {}", link.id, phrase::since(Some(link.since), now)),
        None => format!("{} {}", link.id, phrase::since(Some(link.since), now)),
    }));
    let stands_by = |id: &LinkId| report.members.iter().any(|link| link.id == *id && link.stands_by);
    let left = |id: &LinkId| if stands_by(id) { format!("{id} (stands by)") } else { id.to_string() };
    let left =
        if works == 0 { String::new() } else { format!("; left: {}", phrase::list(state.working.iter().map(left))) };
    let unknown = match state.unknown.as_slice() {
        [] => String::new(),
        unknown => format!("; unknown: {}", phrase::list(unknown)),
    };
    let risk = match report.shared_risk.as_slice() {
        [] => String::new(),
        shared => format!("; all share {}", phrase::list(shared)),
    };
    let cause = match down.as_slice() {
        [one] => match reason(one) {
            Some(reason) => format!("{}: {reason}.", one.id),
            None => format!("{} is down {}.", one.id, phrase::since(Some(one.since), now)),
        },
        _ => format!("{} {things} are down, the first {}.", down.len(), phrase::since(first, now)),
    };
    // A member that is unknown may work, so only the certain ones decide that one is left.
    let last_one = works + state.unknown.len() <= 1;
    let cut_off = match (state.kind, &state.device) {
        (GroupKind::Uplinks, Some(device)) => format!("{device} and all that is behind it off from the fabric"),
        (GroupKind::Parallel, _) => {
            format!(
                "{} off from each other on the direct way",
                name.trim_end_matches(" parallel").replace(" - ", " and ")
            )
        }
        (GroupKind::Lag, _) => format!("{name} off altogether"),
        (GroupKind::Ecmp, Some(device)) => format!("{device} off from what these ways lead to"),
        (GroupKind::Gateways, _) => "all who use this gateway off".to_owned(),
        _ => format!("the last line of {name}"),
    };
    let next = match (lost, last_one, state.working.as_slice()) {
        (true, ..) => format!("This has cut {cut_off}."),
        (false, true, [last]) => format!("The next failure, of {last}, would cut {cut_off}."),
        (false, true, _) => format!("Nothing more may fail: the next failure would cut {cut_off}."),
        (false, false, _) => format!("{works} known to work carry the load of {planned}; check that it fits."),
    };
    Finding {
        key: key(kind, name, &state.device),
        severity: if lost || last_one { Severity::Critical } else { Severity::Warning },
        class: None,
        evidence: Evidence {
            summary,
            cause,
            evidence: format!("Down: {gone}{left}{unknown}{risk}. {next}"),
            action: format!(
                "Bring back {}; no work on what is left until then.",
                phrase::list(down.iter().map(|link| &link.id))
            ),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}
