//! A link or port that goes down again and again.
//!
//! The idea of RFC 2439 §2: each time it goes down adds a penalty, which decays by half with every half-life. Above
//! `suppress` it flaps; below `reuse` it does no more. A ceiling bounds how long that takes.
//!
//! ```text
//!   penalty   4 |          /\
//!    suppress 3 |- - - - -/- \- - - - - - - - - - -   LinkFlapping begins
//!             2 |    /\  /    \
//!       reuse 1 |- -/- \/- - - - - \- - - - - - - -   ... and ends
//!               +--------------------------------->
//! ```
//!
//! While it flaps it is one page: that it is down is told, and told as over, only when it stays so for
//! [`Settings::stays_for`]; that a doubling with it is degraded is over only then too. What the operator shut down is no flap.

use std::time::Duration;

use crate::fabric::{Evidence, Finding, FindingKey, FindingKind, Severity, Subject, Timestamp, Unknown, Verdict};

use super::phrase;

/// `[detect.flapping]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off, and with it the damping.
    pub enabled: bool,
    /// The penalty from which it flaps; each time down is 1.
    pub suppress: f64,
    /// The penalty below which it flaps no more.
    pub reuse: f64,
    /// The penalty grows no further than this.
    pub ceiling: f64,
    /// In this time the penalty falls by half.
    pub half_life: Duration,
    /// A flapping link is told as down, or as up again, only when it stays so for this long.
    pub stays_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            suppress: 2.5,
            reuse: 1.0,
            ceiling: 8.0,
            half_life: Duration::from_secs(300),
            stays_for: Duration::from_secs(60),
        }
    }
}

/// So many of the last times down are named.
const NAMED: usize = 4;
/// A penalty that is less than this is none.
const FORGOTTEN: f64 = 0.1;

/// What is kept of a link that went down lately.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    penalty: f64,
    /// When `penalty` was what it says; none if it was told before a restart and was not looked at yet.
    at: Option<Timestamp>,
    flapping: bool,
    /// Since the penalty was last forgotten.
    times: u32,
    first: Option<Timestamp>,
    /// The last times that it went down, the latest first.
    last: [Option<Timestamp>; NAMED],
}

impl Memory {
    fn new() -> Self {
        Self { penalty: 0.0, at: None, flapping: false, times: 0, first: None, last: [None; NAMED] }
    }

    /// This was told before a restart: as if it had just begun.
    pub(super) fn primed(settings: &Settings) -> Self {
        Self { penalty: settings.suppress, flapping: true, ..Self::new() }
    }

    pub(super) fn is_flapping(&self) -> bool {
        self.flapping
    }

    fn decay(&mut self, settings: &Settings, now: Timestamp) {
        let since = self.at.map_or(0.0, |at| now.since(at).as_secs_f64());
        self.penalty *= (-since / settings.half_life.as_secs_f64()).exp2();
        self.at = Some(now);
    }

    fn went_down(&mut self, settings: &Settings, now: Timestamp) {
        self.penalty = (self.penalty + 1.0).min(settings.ceiling);
        self.times = self.times.saturating_add(1);
        self.first.get_or_insert(now);
        self.last.rotate_right(1);
        self.last[0] = Some(now);
    }
}

pub(super) fn key(subject: Subject) -> FindingKey {
    FindingKey { kind: FindingKind::LinkFlapping, subject, direction: None }
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It went down just now, and nobody shut it.
    WentDown,
    /// It is down or up.
    Same,
    /// Nothing is known of it.
    Unknown,
}

/// Judge a link or port. Calm costs one comparison.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    found: Found,
    subject: impl Fn() -> Subject,
    slot: &mut Option<Memory>,
) -> Option<(FindingKey, Verdict)> {
    if slot.is_none() && found != Found::WentDown {
        return None;
    }
    let memory = slot.get_or_insert_with(Memory::new);
    memory.decay(settings, now);
    if found == Found::WentDown {
        memory.went_down(settings, now);
    }
    let was = memory.flapping;
    memory.flapping = memory.penalty >= settings.suppress || (was && memory.penalty >= settings.reuse);
    if was && !memory.flapping && found == Found::Unknown {
        // Of what is not seen nobody can say that it is calm.
        memory.flapping = true;
    }
    let verdict = match (was, memory.flapping) {
        (_, true) if found == Found::Unknown => Some(Verdict::Unknown(Unknown::Stale)),
        (_, true) => Some(Verdict::Present(Box::new(finding(settings, now, subject(), memory)))),
        (true, false) => Some(Verdict::Absent),
        (false, false) => None,
    };
    if !memory.flapping && memory.penalty < FORGOTTEN {
        *slot = None;
    }
    verdict.map(|verdict| (key(subject()), verdict))
}

/// That a flapping link is down: it must stay so to be told.
pub(super) fn damp(settings: &Settings, verdict: &mut Verdict) {
    if let Verdict::Present(finding) = verdict {
        finding.pending_for = finding.pending_for.max(settings.stays_for);
    }
    linger(settings, verdict);
}

/// What rests on a flapping link: told at once, for another link may be gone too, and over only when it stays so.
pub(super) fn linger(settings: &Settings, verdict: &mut Verdict) {
    if let Verdict::Present(finding) = verdict {
        finding.keep_firing_for = finding.keep_firing_for.max(settings.stays_for);
    }
}

fn finding(settings: &Settings, now: Timestamp, subject: Subject, memory: &Memory) -> Finding {
    let what = match &subject {
        Subject::Link { id, .. } => format!("Link {id}"),
        subject => format!("Port {subject}"),
    };
    let (summary, evidence) = match memory.first {
        Some(first) => {
            let last = memory.last.iter().flatten();
            let last: Vec<String> = last.map(|at| format!("{} ago", phrase::span(now.since(*at)))).collect();
            (
                format!("{what} flaps: it went down {} times in {}", memory.times, phrase::span(now.since(first))),
                format!("It went down {} times since {first}, last {}", memory.times, phrase::list(last)),
            )
        }
        None => (format!("{what} flaps"), "It went down again and again before we started".to_owned()),
    };
    let calm = settings.half_life.mul_f64((memory.penalty / settings.reuse).log2().max(0.0));
    Finding {
        severity: match &subject {
            Subject::Link { .. } => Severity::Critical,
            _ => Severity::Warning,
        },
        key: key(subject),
        class: None,
        evidence: Evidence {
            summary,
            cause: "A loose or dirty connector, a failing optic, or two ends that do not agree on how to talk."
                .to_owned(),
            evidence: format!(
                "{evidence}. If it stays up it counts as calm in {}; that it is down is told apart only if it stays down for {}.",
                phrase::span(calm),
                phrase::span(settings.stays_for),
            ),
            action:
                "Reseat and clean the connectors, then swap the optic; take the link out of use until it is stable."
                    .to_owned(),
        },
        observed_at: now,
        pending_for: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_795_498_200 + secs as i64)
    }

    fn subject() -> Subject {
        Subject::Interface(crate::fabric::InterfaceId::new("leaf1", "spine1"))
    }

    fn step(slot: &mut Option<Memory>, secs: u64, found: Found) -> Option<Verdict> {
        look(&Settings::default(), at(secs), found, subject, slot).map(|(_, verdict)| verdict)
    }

    #[test]
    fn three_times_in_a_minute_flap_until_two_half_lives_later() {
        let mut slot = None;
        assert_eq!(step(&mut slot, 0, Found::Same), None);
        assert_eq!(slot, None, "calm is not remembered");
        assert_eq!(step(&mut slot, 0, Found::WentDown), None);
        assert_eq!(step(&mut slot, 20, Found::WentDown), None);
        assert!(matches!(step(&mut slot, 40, Found::WentDown), Some(Verdict::Present(_))));
        // 2.9 falls to 1 in 300 s * log2(2.9).
        assert!(matches!(step(&mut slot, 490, Found::Same), Some(Verdict::Present(_))));
        assert!(matches!(step(&mut slot, 499, Found::Unknown), Some(Verdict::Unknown(_))), "not seen is not calm");
        assert!(matches!(step(&mut slot, 900, Found::Unknown), Some(Verdict::Unknown(_))));
        assert_eq!(step(&mut slot, 901, Found::Same), Some(Verdict::Absent));
        assert_eq!(step(&mut slot, 902, Found::Same), None);
        step(&mut slot, 3_000, Found::Same);
        assert_eq!(slot, None, "and at last it is forgotten");
    }

    #[test]
    fn once_an_hour_is_no_flapping() {
        let mut slot = None;
        assert!((0..100).all(|n| step(&mut slot, n * 3_600, Found::WentDown).is_none()));
    }

    proptest! {
        /// However often it flapped, the ceiling bounds for how long it is told.
        #[test]
        fn calm_comes_in_bounded_time(gaps in prop::collection::vec(0u64..400, 3..60)) {
            let (mut slot, mut secs) = (None, 0);
            for gap in gaps {
                secs += gap;
                step(&mut slot, secs, Found::WentDown);
            }
            // 8 falls to 1 in three half-lives.
            step(&mut slot, secs + 901, Found::Same);
            prop_assert!(slot.is_none_or(|memory| !memory.is_flapping()));
        }
    }
}
