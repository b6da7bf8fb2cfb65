//! One part whose loss would cut off somebody, told once for each part.
//!
//! ```text
//!   the ledger says              told
//!   point that arose             present, critical: it was doubled, and a failure has used that up
//!   point that always was        present, warning, where the operator asked for protection; else the ledger alone has it
//!   no point, but possible       as it was: what cannot be seen, or is cut off by now, ends nothing
//!   no point                     over
//! ```
//!
//! A cable that cuts off no more than one of its devices does is told with the device.

use std::collections::HashMap;
use std::time::Duration;

use crate::fabric::{Evidence, Finding, FindingKey, FindingKind, Severity, Subject, Timestamp, Unknown, Verdict};
use crate::topology::ledger::{Audit, PartName, Point};

use super::{Verdicts, phrase};

/// `[detect.single_points]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off; the ledger is kept all the same.
    pub enabled: bool,
    /// How long a point that arose must last before anybody is told: 5 seconds by default, longer than a port flaps.
    /// One that always was is told after ten minutes at least, when the fabric has been heard out.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, pending_for: Duration::from_secs(5), keep_firing_for: Duration::from_secs(10) }
    }
}

/// No hurry to tell what always was, and neighbours are still being heard.
const HEARD_OUT: Duration = Duration::from_secs(600);

/// The points that are told, by key.
pub(super) type Memory = HashMap<FindingKey, Told>;

/// What must be seen to be fine before a point is over.
#[derive(Clone, Debug)]
pub(super) struct Told {
    part: Option<PartName>,
    /// Who would be cut off; none where it was told before a restart, and may be anybody.
    names: Option<Vec<String>>,
}

impl Told {
    /// Can it not be said that it is over? A point whose ends are cut off by now is not mended either.
    fn holds(&self, audit: &Audit) -> bool {
        let unseen = match &self.names {
            Some(names) => names
                .iter()
                .any(|name| audit.unseen.contains(name) || audit.ledger.cut_off.iter().any(|cut| cut.name == *name)),
            None => !audit.unseen.is_empty(),
        };
        unseen || self.part.as_ref().is_some_and(|part| audit.possible.contains(part))
    }
}

/// The identity of the finding about a part.
pub fn key(part: &PartName) -> FindingKey {
    FindingKey { kind: FindingKind::SinglePointOfFailure, subject: subject(part), direction: None }
}

/// What a part is to those who are told.
pub(super) fn subject(part: &PartName) -> Subject {
    match part {
        PartName::Device { name } => Subject::Device(name.clone()),
        PartName::Link { name, a, b } => Subject::Link { id: name.clone(), a: a.clone(), b: b.clone() },
        PartName::Risk { name } => Subject::Group { name: name.as_str().into(), device: None },
    }
}

/// The part that a key is about.
pub(super) fn part(key: &FindingKey) -> Option<PartName> {
    Some(match &key.subject {
        Subject::Device(name) => PartName::Device { name: name.clone() },
        Subject::Link { id, a, b } => PartName::Link { name: id.clone(), a: a.clone(), b: b.clone() },
        Subject::Group { name, .. } => PartName::Risk { name: name.to_string() },
        Subject::Interface(_) => return None,
    })
}

/// This was told before a restart.
pub(super) fn prime(key: &FindingKey, memory: &mut Memory) {
    memory.insert(key.clone(), Told { part: part(key), names: None });
}

/// Judge what the ledger says now.
pub(super) fn look(settings: &Settings, now: Timestamp, audit: &Audit, memory: &mut Memory) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let mut before = std::mem::take(memory);
    for point in &audit.ledger.points {
        if point.told_by.is_some() || (point.planned && !point.protected) {
            continue;
        }
        let key = key(&point.part);
        before.remove(&key);
        let names = point.effects.iter().flat_map(|effect| &effect.cut_off).cloned().collect();
        memory.insert(key.clone(), Told { part: Some(point.part.clone()), names: Some(names) });
        let with = audit.ledger.points.iter().filter(|other| match (&other.told_by, &point.part) {
            (Some(device), PartName::Device { name }) => device == name,
            _ => false,
        });
        let finding = finding(settings, now, key.clone(), point, &with.take(MOST_CABLES).collect::<Vec<_>>());
        verdicts.push((key, Verdict::Present(Box::new(finding))));
    }
    // A ledger that could not list all of them ends none.
    let cut_short = audit.ledger.points_left_out > 0;
    for (key, told) in before {
        if cut_short || told.holds(audit) {
            memory.insert(key.clone(), told);
            verdicts.push((key, Verdict::Unknown(Unknown::Stale)));
        } else {
            verdicts.push((key, Verdict::Absent));
        }
    }
    verdicts
}

/// Cables that are named with their device.
const MOST_CABLES: usize = 5;

fn finding(settings: &Settings, now: Timestamp, key: FindingKey, point: &Point, with: &[&Point]) -> Finding {
    let name = match &point.part {
        PartName::Device { name } => name.to_string(),
        PartName::Link { name, .. } => name.to_string(),
        PartName::Risk { name } => name.clone(),
    };
    let cause = match (point.because.as_slice(), point.planned) {
        (_, true) => "No second way is planned: this was never doubled.".to_owned(),
        ([], false) => "Several failures together have used up what was doubled.".to_owned(),
        ([one], false) => format!("{one} is down {}.", phrase::since(point.since, now)),
        (several, false) => {
            format!("{} are down, the last {}.", phrase::list(several), phrase::since(point.since, now))
        }
    };
    let effects = point.effects.iter().map(|effect| {
        let more = effect.total.saturating_sub(effect.cut_off.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more} would be cut off from {}", phrase::list(&effect.cut_off), effect.to)
    });
    let mut evidence = format!("If {name} fails: {}.", effects.collect::<Vec<_>>().join("; "));
    if !with.is_empty() {
        let cables = phrase::list(with.iter().filter_map(|point| match &point.part {
            PartName::Link { name, .. } => Some(name),
            _ => None,
        }));
        evidence.push_str(&format!(" So would some be by a single cable: {cables}."));
    }
    let action = match point.because.as_slice() {
        _ if point.planned => format!("Give those behind {name} a second way, or leave them out of [[protect]]."),
        [] => format!("No work on {name} until a second way is back."),
        several => format!("Bring back {}; no work on {name} until then.", phrase::list(several)),
    };
    Finding {
        key,
        severity: if point.planned { Severity::Warning } else { Severity::Critical },
        class: None,
        evidence: Evidence { summary: point.summary.clone(), cause, evidence, action },
        observed_at: now,
        pending_for: if point.planned { settings.pending_for.max(HEARD_OUT) } else { settings.pending_for },
        keep_firing_for: settings.keep_firing_for,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::ledger::{CutOff, Effect, Ledger};

    fn point(name: &str, planned: bool, protected: bool) -> Point {
        let effect = Effect {
            from: "leaves".into(),
            to: "the top of the fabric".into(),
            cut_off: vec!["leaf1".into()],
            total: 1,
        };
        Point {
            part: PartName::Device { name: name.into() },
            planned,
            protected,
            effects: vec![effect],
            because: Vec::new(),
            since: None,
            told_by: None,
            summary: format!("{name} is the only way from leaf1 to the top of the fabric"),
        }
    }

    fn audit(points: Vec<Point>) -> Audit {
        Audit { ledger: Ledger { points, ..Ledger::default() }, ..Audit::default() }
    }

    fn said(audit: &Audit, memory: &mut Memory) -> Vec<(String, Option<Severity>, bool)> {
        let now = Timestamp::from_secs(1_000);
        let mut said: Vec<_> = look(&Settings::default(), now, audit, memory)
            .into_iter()
            .map(|(key, verdict)| match verdict {
                Verdict::Present(finding) => (key.subject.to_string(), Some(finding.severity), false),
                Verdict::Absent => (key.subject.to_string(), None, true),
                Verdict::Unknown(_) => (key.subject.to_string(), None, false),
            })
            .collect();
        said.sort();
        said
    }

    #[test]
    fn the_whole_table() {
        let mut memory = Memory::new();
        let told = |name: &str| (name.to_owned(), Some(Severity::Critical), false);
        // What always was is told where protection was asked for, and not as news.
        let first = audit(vec![point("arose", false, false), point("always", true, false), point("asked", true, true)]);
        assert_eq!(said(&first, &mut memory), [told("arose"), ("asked".into(), Some(Severity::Warning), false)]);
        // Gone, but possible: as it was.
        let mut unseen = audit(Vec::new());
        unseen.possible.insert(PartName::Device { name: "arose".into() });
        assert_eq!(said(&unseen, &mut memory), [("arose".into(), None, false), ("asked".into(), None, true)]);
        // Nor does it end when those whom it would cut off are not seen, or have been cut off.
        let mut unseen = audit(Vec::new());
        unseen.unseen.insert("leaf1".into());
        assert_eq!(said(&unseen, &mut memory), [("arose".into(), None, false)]);
        let mut worse = audit(Vec::new());
        worse.ledger.cut_off.push(CutOff { name: "leaf1".into(), to: "the top".into(), protected: false });
        assert_eq!(said(&worse, &mut memory), [("arose".into(), None, false)]);
        assert_eq!(said(&audit(Vec::new()), &mut memory), [("arose".into(), None, true)]);
        assert_eq!(said(&audit(Vec::new()), &mut memory), []);
        // A ledger that was cut short ends nothing.
        assert_eq!(said(&audit(vec![point("arose", false, false)]), &mut memory), [told("arose")]);
        let mut short = audit(Vec::new());
        short.ledger.points_left_out = 1;
        assert_eq!(said(&short, &mut memory), [("arose".into(), None, false)]);
        // What fired before a restart ends when the ledger does not know it.
        let mut memory = Memory::new();
        prime(&key(&PartName::Risk { name: "duct-7".into() }), &mut memory);
        assert_eq!(said(&audit(Vec::new()), &mut memory), [("duct-7".into(), None, true)]);
    }

    #[test]
    fn a_cable_is_told_with_its_device() {
        let mut cable = point("unused", false, false);
        let (a, b) = (crate::fabric::InterfaceId::new("leaf1", "e1"), crate::fabric::InterfaceId::new("spine2", "e1"));
        cable.part = PartName::Link { name: crate::fabric::LinkId::new(&a, &b), a, b };
        cable.told_by = Some("spine2".into());
        let audit = audit(vec![point("spine2", false, false), cable]);
        let verdicts = look(&Settings::default(), Timestamp::from_secs(5), &audit, &mut Memory::new());
        let [(_, Verdict::Present(finding))] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        assert_eq!(
            finding.evidence.evidence,
            "If spine2 fails: leaf1 would be cut off from the top of the fabric. So would some be by a single cable: leaf1:e1 - spine2:e1."
        );
    }
}
