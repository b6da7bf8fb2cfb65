//! A device that does not answer, that started anew, whose clock runs at another speed than ours, or that is polled
//! more slowly than it should be.

use std::time::Duration;

use crate::fabric::{
    DeviceHealth, DeviceId, DeviceState, Evidence, Finding, FindingKey, FindingKind, Severity, Subject, Timestamp,
    Unknown, UnreachableReason, Uptime, Verdict,
};

use super::phrase;

/// `[detect.device]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must be silent before anybody is told.
    pub pending_for: Duration,
    /// How long it must answer again before it counts as resolved.
    pub keep_firing_for: Duration,
    /// A restart is an event, not a state: for how long it is told. Any span; 5 minutes by default.
    pub restart_told_for: Duration,
    /// How far its sysUpTime may run from our clock, as a share, before its rates are doubted (0.02 is 2 %).
    pub clock_tolerance: f64,
    /// For how long polls must have been left out before anybody is told.
    pub overrun_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            pending_for: Duration::from_secs(5),
            keep_firing_for: Duration::ZERO,
            restart_told_for: Duration::from_secs(300),
            clock_tolerance: 0.02,
            overrun_for: Duration::from_secs(60),
        }
    }
}

/// A restart that is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Restart {
    /// Told before we started ourselves. For all we know its time is up: the first look ends it.
    Primed,
    Noticed {
        at: Timestamp,
        before: Uptime,
        after: Uptime,
    },
}

/// What is kept of each device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// The last uptime and when it was read.
    last: Option<(Uptime, Timestamp)>,
    unreachable: bool,
    restart: Option<Restart>,
    /// From here its clock is compared with ours.
    compared: Option<(Uptime, Timestamp)>,
    doubtful: bool,
    overrun: bool,
}

/// Its clock is compared with ours over so long: an answer that is late, or from a cache, is less than 2 % of it.
const COMPARED_OVER: Duration = Duration::from_secs(1_800);

impl Memory {
    /// This was told before a restart of ours.
    pub(super) fn prime(&mut self, kind: FindingKind) {
        match kind {
            FindingKind::DeviceUnreachable => self.unreachable = true,
            FindingKind::DeviceRestarted => self.restart = Some(Restart::Primed),
            FindingKind::CountersDoubtful => self.doubtful = true,
            FindingKind::PollerOverrun => self.overrun = true,
            _ => {}
        }
    }

    /// What is told now.
    pub(super) fn told(&self) -> impl Iterator<Item = FindingKind> + use<> {
        let unreachable = self.unreachable.then_some(FindingKind::DeviceUnreachable);
        let restarted = self.restart.map(|_| FindingKind::DeviceRestarted);
        let doubtful = self.doubtful.then_some(FindingKind::CountersDoubtful);
        let overrun = self.overrun.then_some(FindingKind::PollerOverrun);
        unreachable.into_iter().chain(restarted).chain(doubtful).chain(overrun)
    }

    /// Nothing is told any more (but the uptime is kept).
    pub(super) fn calm(&mut self) {
        (self.unreachable, self.restart, self.doubtful, self.overrun) = (false, None, false, false);
    }
}

pub(super) fn key(kind: FindingKind, device: &DeviceId) -> FindingKey {
    FindingKey { kind, subject: Subject::Device(device.clone()), direction: None }
}

/// Judge a device.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    state: &DeviceState,
    memory: &mut Memory,
    mut tell: impl FnMut(FindingKey, Verdict),
) {
    let unreachable = match state.health {
        DeviceHealth::Unreachable => {
            memory.unreachable = true;
            Some(Verdict::Present(Box::new(unreachable_finding(settings, now, state))))
        }
        DeviceHealth::Ok => std::mem::take(&mut memory.unreachable).then_some(Verdict::Absent),
        DeviceHealth::Unknown => memory.unreachable.then_some(Verdict::Unknown(Unknown::FirstSample)),
    };
    if let Some(verdict) = unreachable {
        tell(key(FindingKind::DeviceUnreachable, &state.id), verdict);
    }
    if let (DeviceHealth::Ok, Some(uptime), Some(answered_at)) = (state.health, state.uptime, state.answered_at) {
        if let Some(last) = memory.last
            && started_between(last, (uptime, answered_at))
        {
            memory.restart = Some(Restart::Noticed { at: now, before: last.0, after: uptime });
            memory.compared = None;
        }
        memory.last = Some((uptime, answered_at));
        if let Some(verdict) = compare_clocks(settings, now, state, (uptime, answered_at), memory) {
            tell(key(FindingKind::CountersDoubtful, &state.id), verdict);
        }
    }
    let verdict = match memory.restart {
        None => return,
        Some(Restart::Noticed { at, before, after }) if now.since(at) < settings.restart_told_for => {
            Verdict::Present(Box::new(restart_finding(settings, at, state, (before, after))))
        }
        Some(_) => {
            memory.restart = None;
            Verdict::Absent
        }
    };
    tell(key(FindingKind::DeviceRestarted, &state.id), verdict);
}

/// Whether its clock runs as ours does; a word every [`COMPARED_OVER`] at most.
fn compare_clocks(
    settings: &Settings,
    now: Timestamp,
    state: &DeviceState,
    (uptime, at): (Uptime, Timestamp),
    memory: &mut Memory,
) -> Option<Verdict> {
    let (before, from) = *memory.compared.get_or_insert((uptime, at));
    let ours = at.since(from);
    if ours < COMPARED_OVER {
        return None;
    }
    memory.compared = Some((uptime, at));
    let its = uptime.wrapping_since(before);
    let off = its.as_secs_f64() / ours.as_secs_f64() - 1.0;
    let was = std::mem::replace(&mut memory.doubtful, off.abs() > settings.clock_tolerance);
    if !memory.doubtful {
        return was.then_some(Verdict::Absent);
    }
    let (id, percent) = (&state.id, phrase::percent(off.abs()));
    let way = if off > 0.0 { "fast" } else { "slow" };
    Some(Verdict::Present(Box::new(Finding {
        key: key(FindingKind::CountersDoubtful, id),
        severity: Severity::Warning,
        class: None,
        evidence: Evidence {
            summary: format!("{id}: its clock runs {percent} too {way}, so its rates are doubtful"),
            cause: "Its sysUpTime does not keep time: a virtual machine that is starved, a failing clock, or a fault of its agent."
                .to_owned(),
            evidence: format!(
                "sysUpTime moved by {} in {} of our time. Rates are taken over its own time and are off by as much.",
                phrase::span(its),
                phrase::span(ours),
            ),
            action: "Compare its clock with NTP; take its utilisation and rates with care until then.".to_owned(),
        },
        observed_at: now,
        pending_for: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
    })))
}

/// Judge how polling a device keeps to its interval.
pub(super) fn pace(
    settings: &Settings,
    now: Timestamp,
    id: &DeviceId,
    (interval, took, skipped): (Duration, Duration, u32),
    memory: &mut Memory,
) -> Option<(FindingKey, Verdict)> {
    let key = key(FindingKind::PollerOverrun, id);
    let was = std::mem::replace(&mut memory.overrun, skipped > 0);
    if skipped == 0 {
        return was.then_some((key, Verdict::Absent));
    }
    let (interval, took) = (phrase::span(interval), phrase::span(took));
    let finding = Finding {
        key: key.clone(),
        severity: Severity::Warning,
        class: None,
        evidence: Evidence {
            summary: format!("{id} is polled every {interval}, and a poll takes {took}"),
            cause:
                "The device answers slowly, answers are lost, or it has more interfaces than can be read in that time."
                    .to_owned(),
            evidence: format!("The last poll took {took}; {skipped} that fell into it were left out."),
            action: "Poll it less often (`interval`), or look at the load of its processor and at the way to it."
                .to_owned(),
        },
        observed_at: now,
        pending_for: settings.overrun_for,
        keep_firing_for: settings.keep_firing_for,
    };
    Some((key, Verdict::Present(Box::new(finding))))
}

/// Whether the device started anew between two readings of its uptime: it fell, or it is less than the time
/// that passed. The counter's own wrap after 497 days is no restart.
fn started_between((before, read_before): (Uptime, Timestamp), (after, read_after): (Uptime, Timestamp)) -> bool {
    /// Clocks differ, and agents with several processors do not agree to the second.
    const SLACK_MS: u64 = 5_000;
    const WRAP_MS: u64 = (u32::MAX as u64 + 1) * 10;
    let elapsed_ms = u64::try_from(read_after.since(read_before).as_millis()).unwrap_or(u64::MAX);
    let slack_ms = SLACK_MS.saturating_add(elapsed_ms / 100);
    let expected_ms = before.as_millis().saturating_add(elapsed_ms);
    if expected_ms.saturating_add(slack_ms) >= WRAP_MS {
        // Around the wrap: it is where it should be, on either side of it, or it is not.
        let off = (expected_ms % WRAP_MS).abs_diff(after.as_millis());
        return off.min(WRAP_MS - off) > slack_ms;
    }
    let fell = after.as_millis().saturating_add(SLACK_MS) < before.as_millis()
        || (after.0 < before.0 && after.as_millis() <= elapsed_ms);
    fell || after.as_millis().saturating_add(slack_ms) < elapsed_ms
}

fn unreachable_finding(settings: &Settings, now: Timestamp, state: &DeviceState) -> Finding {
    let id = &state.id;
    let why = state.unreachable.unwrap_or(UnreachableReason::Timeout);
    let address = state.identity.address.map(|address| format!(" at {address}")).unwrap_or_default();
    let answered = match state.answered_at {
        Some(at) => format!("It last answered {at}, {} ago", phrase::span(now.since(at))),
        None => "It has not answered since we started".to_owned(),
    };
    let up =
        state.uptime.map(|uptime| format!(", then up for {}", phrase::span(Duration::from_millis(uptime.as_millis()))));
    // What answers in some way is alive: that is a matter for office hours.
    let alive = matches!(why, UnreachableReason::Authentication | UnreachableReason::Malformed);
    let action = match why {
        UnreachableReason::Authentication => "Compare the credentials set here with those on the device.",
        UnreachableReason::Malformed => "Record a walk of it and report it; see whether its agent is healthy.",
        UnreachableReason::Refused => "See whether its agent runs and listens on that port.",
        UnreachableReason::NameResolution => "Check the name and the resolver.",
        UnreachableReason::Timeout => {
            "See whether its neighbours lost their links to it; if not, check its agent, the way to it, and filters."
        }
    };
    Finding {
        key: key(FindingKind::DeviceUnreachable, id),
        severity: if alive { Severity::Warning } else { Severity::Critical },
        class: None,
        evidence: Evidence {
            summary: format!("{id}{address} {}", if alive { "answers, but cannot be read" } else { "does not answer" }),
            cause: format!("{id}: {}.", why.as_str()),
            evidence: format!(
                "Without a reading {}. {answered}{}. What its {} interfaces do is unknown.",
                phrase::since(state.health_since, now),
                up.unwrap_or_default(),
                state.interfaces,
            ),
            action: action.to_owned(),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

fn restart_finding(
    settings: &Settings,
    noticed_at: Timestamp,
    state: &DeviceState,
    uptimes: (Uptime, Uptime),
) -> Finding {
    let id = &state.id;
    let up = |uptime: Uptime| phrase::span(Duration::from_millis(uptime.as_millis()));
    let (before, after) = uptimes;
    Finding {
        key: key(FindingKind::DeviceRestarted, id),
        severity: Severity::Info,
        class: None,
        evidence: Evidence {
            summary: format!("{id} has restarted, up for {}", up(after)),
            cause: "The device, or its agent, started anew.".to_owned(),
            evidence: format!(
                "sysUpTime fell from {} to {}: it started about {}.",
                up(before),
                up(after),
                noticed_at - Duration::from_millis(after.as_millis()),
            ),
            action: "If nobody planned it, look at its log for a crash, an upgrade or a power loss.".to_owned(),
        },
        observed_at: noticed_at,
        pending_for: Duration::ZERO,
        keep_firing_for: settings.keep_firing_for,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs as i64)
    }

    #[test]
    fn the_wrap_is_no_restart_and_a_quick_restart_is_one() {
        let between = |before, after, secs| started_between((Uptime(before), at(0)), (Uptime(after), at(secs)));
        assert!(!between(u32::MAX - 499, 500, 10));
        assert!(between(u32::MAX - 499, 90_000, 10));
        assert!(between(100_000, 500, 10));
        assert!(between(1_000, 900, 10), "ten seconds up, and nine after ten more");
        assert!(!between(100_000, 99_900, 10), "an agent that is off by a second");
        assert!(between(10_000, 300_000, 3_600), "it ran for 50 minutes of the hour");
        assert!(!between(10_000, 10_000, 10), "an agent that caches");
    }

    proptest! {
        #[test]
        fn a_device_that_runs_on_never_restarted(start in any::<u32>(), steps in prop::collection::vec(1u64..100_000, 1..20)) {
            let (mut last, mut secs) = ((Uptime(start), at(0)), 0);
            for step in steps {
                secs += step;
                let next = (Uptime(start.wrapping_add((secs * 100) as u32)), at(secs));
                prop_assert!(!started_between(last, next));
                last = next;
            }
        }
    }
}
