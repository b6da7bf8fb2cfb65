//! One failure away from loss: if this part failed, what it carries would not fit elsewhere. Told once for each part, with the
//! worst link named and the rest counted.
//!
//! ```text
//!   the last look says                                        told
//!   a link would pass 100 %, by the split of its group        present, warning (by the estimate: where asked for)
//!   no more than 95 % of any link                               over
//!   between, or what was told cannot be traced any more         as it was
//! ```

use std::collections::HashMap;
use std::time::Duration;

use crate::fabric::{
    Evidence, Finding, FindingKey, FindingKind, LinkId, Severity, Subject, Timestamp, Unknown, Verdict,
};
use crate::topology::headroom::{After, Basis, Case, Headroom, Method, words};
use crate::topology::ledger::PartName;

use super::{Verdicts, single_points};

/// `[detect.headroom]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off; the audit shows headroom all the same.
    pub enabled: bool,
    /// Whether the estimated traffic matrix is believed too. Off by default: then only the measured split of a group is told,
    /// and estimates are for the audit.
    pub estimates: bool,
    /// How long it must last before anybody is told: ten minutes by default, for nothing has failed yet.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self { enabled: true, estimates: false, pending_for: ten_minutes, keep_firing_for: ten_minutes }
    }
}

/// What is told, with the link that was the worst; none where it was told before a restart.
pub(super) type Memory = HashMap<FindingKey, Option<LinkId>>;

fn key(part: &PartName) -> FindingKey {
    FindingKey { kind: FindingKind::HeadroomExceeded, subject: single_points::subject(part), direction: None }
}

/// Judge the last look.
pub(super) fn look(settings: &Settings, now: Timestamp, headroom: &Headroom, memory: &mut Memory) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let mut before = std::mem::take(memory);
    for case in &headroom.cases {
        let is_told = |after: &&After| after.is_certain() && (settings.estimates || after.method == Method::Split);
        let Some(worst) = case.over.iter().find(is_told) else { continue };
        let key = key(&case.part);
        before.remove(&key);
        memory.insert(key.clone(), Some(worst.link.clone()));
        verdicts.push((key.clone(), Verdict::Present(Box::new(finding(settings, now, key, case, worst)))));
    }
    for (key, link) in before {
        if holds(&key, link.as_ref(), headroom) {
            memory.insert(key.clone(), link);
            verdicts.push((key, Verdict::Unknown(Unknown::Stale)));
        } else {
            verdicts.push((key, Verdict::Absent));
        }
    }
    verdicts
}

/// Can it not be said that it is over?
fn holds(key: &FindingKey, link: Option<&LinkId>, headroom: &Headroom) -> bool {
    let Some(part) = single_points::part(key) else { return false };
    let is_listed = |parts: &[PartName]| parts.contains(&part);
    if headroom.cases_left_out > 0 || is_listed(&headroom.near) || is_listed(&headroom.dark) {
        return true;
    }
    // Too full by the estimate, and perhaps not.
    if headroom.cases.iter().any(|case| case.part == part) || link.is_some_and(|link| headroom.of(link).is_none()) {
        return true;
    }
    // What has failed by now is not mended.
    match &key.subject {
        Subject::Link { id, .. } => headroom.of(id).is_none(),
        Subject::Device(device) => {
            !headroom.links.iter().any(|worst| worst.after.from == *device || worst.after.to == *device)
        }
        _ => headroom.links.is_empty(),
    }
}

fn finding(settings: &Settings, now: Timestamp, key: FindingKey, case: &Case, worst: &After) -> Finding {
    let name = words::part(&case.part);
    let when = match worst.basis {
        Basis::Now => "now",
        Basis::Busy => "in the busy hour of the last day (what each link carries no more than for 99 % of it)",
    };
    let how = match worst.method {
        Method::Split => "by the measured split of its group".to_owned(),
        Method::Estimate => {
            format!(
                "by the estimated traffic matrix, which misses the load measured there by {} and may be off by more",
                words::bits(worst.within_bps)
            )
        }
    };
    let more = match case.over_total.saturating_sub(1) {
        0 => String::new(),
        1 => "; 1 more link would be too full".to_owned(),
        more => format!("; {more} more links would be too full"),
    };
    let evidence = Evidence {
        summary: case.summary.clone(),
        cause: format!("What {name} carries {when} does not fit on what would be left."),
        evidence: format!(
            "{} from {} to {} carries {} of {}, and would have to carry {}, {how}{more}; {} would not fit in all.",
            worst.link,
            worst.from,
            worst.to,
            words::bits(worst.before_bps),
            words::bits(worst.capacity_bps),
            words::bits(worst.after_bps),
            words::bits(case.lost_bps)
        ),
        action: format!("Move load away from {} or give it more capacity; work on {name} when it is calm.", worst.link),
    };
    Finding {
        key,
        severity: Severity::Warning,
        class: None,
        evidence,
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::InterfaceId;
    use crate::topology::headroom::Worst;

    fn after(after_gbps: f64, within_gbps: f64) -> After {
        After {
            link: LinkId::new(&InterfaceId::new("leaf3", "e2"), &InterfaceId::new("spine2", "e3")),
            from: "leaf3".into(),
            to: "spine2".into(),
            before_bps: 6.5e9,
            after_bps: after_gbps * 1e9,
            capacity_bps: 10e9,
            within_bps: within_gbps * 1e9,
            method: Method::Estimate,
            basis: Basis::Now,
        }
    }

    fn spine1() -> PartName {
        PartName::Device { name: "spine1".into() }
    }

    /// Spine1 has links of which something is known.
    fn headroom(case: Option<After>) -> Headroom {
        let mut seen = after(5.0, 0.0);
        seen.from = "spine1".into();
        seen.link = LinkId::new(&InterfaceId::new("leaf3", "e1"), &InterfaceId::new("spine1", "e3"));
        let worst = |after| Worst { without: spine1(), utilization: 0.5, after };
        let case = case.map(|after| Case {
            part: spine1(),
            over: vec![after],
            over_total: 3,
            lost_bps: 3.1e9,
            stranded_bps: 0.0,
            untraced_bps: 0.0,
            summary: "lose spine1 and it is too much".into(),
        });
        let links = vec![worst(seen), worst(after(5.0, 0.0))];
        Headroom { cases: case.into_iter().collect(), links, ..Headroom::default() }
    }

    fn said(headroom: &Headroom, memory: &mut Memory) -> Vec<&'static str> {
        let believing = Settings { estimates: true, ..Settings::default() };
        let verdicts = look(&believing, Timestamp::from_secs(1_000), headroom, memory);
        let word = |(_, verdict): (_, Verdict)| match verdict {
            Verdict::Present(_) => "present",
            Verdict::Absent => "absent",
            Verdict::Unknown(_) => "unknown",
        };
        verdicts.into_iter().map(word).collect()
    }

    #[test]
    fn the_whole_table() {
        let mut memory = Memory::new();
        // What may be off is not told; what is certain is.
        assert!(said(&headroom(Some(after(10.5, 0.6))), &mut memory).is_empty());
        assert_eq!(said(&headroom(Some(after(13.1, 0.2))), &mut memory), ["present"]);
        // Told, it stays while it is near, may be, or cannot be seen.
        assert_eq!(said(&headroom(Some(after(10.5, 0.6))), &mut memory), ["unknown"]);
        let near = Headroom { near: vec![spine1()], ..headroom(None) };
        assert_eq!(said(&near, &mut memory), ["unknown"]);
        let dark = Headroom { dark: vec![spine1()], ..headroom(None) };
        assert_eq!(said(&dark, &mut memory), ["unknown"]);
        assert_eq!(said(&Headroom::default(), &mut memory), ["unknown"]);
        let cut_short = Headroom { cases_left_out: 1, ..headroom(None) };
        assert_eq!(said(&cut_short, &mut memory), ["unknown"]);
        // Spine1 itself is gone.
        let mut gone = headroom(None);
        gone.links.remove(0);
        assert_eq!(said(&gone, &mut memory), ["unknown"]);
        assert_eq!(said(&headroom(None), &mut memory), ["absent"]);
        assert!(memory.is_empty());
    }

    #[test]
    fn the_finding_names_the_worst_and_counts_the_rest() {
        let measured = After { method: Method::Split, ..after(13.1, 0.0) };
        let estimated = look(
            &Settings::default(),
            Timestamp::from_secs(1_000),
            &headroom(Some(after(13.1, 0.2))),
            &mut Memory::new(),
        );
        assert!(estimated.is_empty(), "estimates are told where that is asked for");
        let headroom = headroom(Some(measured));
        let verdicts = look(&Settings::default(), Timestamp::from_secs(1_000), &headroom, &mut Memory::new());
        let Verdict::Present(finding) = &verdicts[0].1 else { panic!("not told") };
        assert_eq!(finding.severity, Severity::Warning);
        let text = &finding.evidence.evidence;
        assert!(text.contains("13.1 Gbit/s") && text.contains("2 more links") && text.contains("3.1 Gbit/s"), "{text}");
    }
}
