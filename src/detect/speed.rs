//! A port runs at another speed than it did: 10 Gbit/s that came back as 1 Gbit/s after somebody touched a cable.
//!
//! A speed is another only while the port is up: ports say 0, or anything, while they are down. What is not set back is
//! accepted after a while as the new one. Bundles are passed over: their speed follows their ports, which is told as lost
//! redundancy.

use std::time::Duration;

use crate::fabric::{
    Evidence, Finding, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkState, Severity, Subject, Timestamp,
    Unknown, Verdict,
};

use super::{link, phrase};

/// `[detect.speed]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be as before until it counts as resolved.
    pub keep_firing_for: Duration,
    /// After this long the new speed is the usual one.
    pub accept_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            accept_after: Duration::from_secs(7 * 86_400),
        }
    }
}

/// A port whose speed is, or may be, another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    /// None where it was told before a restart.
    usual_bps: Option<u64>,
    since: Option<Timestamp>,
    told: bool,
}

impl Memory {
    /// This was told before a restart.
    pub(super) const PRIMED: Self = Self { usual_bps: None, since: None, told: true };

    pub(super) fn is_told(&self) -> bool {
        self.told
    }
}

pub(super) fn key(id: &InterfaceId) -> FindingKey {
    FindingKey { kind: FindingKind::SpeedChanged, subject: Subject::Interface(id.clone()), direction: None }
}

/// The inventory gives another speed than before.
pub(super) fn changed(now: Timestamp, state: &InterfaceState, before_bps: u64, slot: &mut Option<Memory>) {
    if state.info.if_type == link::LAG || before_bps == 0 {
        return;
    }
    slot.get_or_insert(Memory { usual_bps: Some(before_bps), since: Some(now), told: false });
}

/// Judge a port.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    state: &InterfaceState,
    link: Option<&LinkState>,
    slot: &mut Option<Memory>,
) -> Option<(FindingKey, Verdict)> {
    let memory = slot.as_mut()?;
    let since = *memory.since.get_or_insert(now);
    // What the device says, whatever the operator declared of the line behind the port.
    let speed = state.info.speed_bps.filter(|bps| *bps > 0 && state.oper_status.is_up());
    let told = memory.told;
    if now.since(since) >= settings.accept_after || (speed.is_some() && speed == memory.usual_bps) {
        *slot = None;
        return told.then(|| (key(&state.id), Verdict::Absent));
    }
    let (Some(usual_bps), Some(speed_bps)) = (memory.usual_bps, speed) else {
        return told.then(|| (key(&state.id), Verdict::Unknown(Unknown::NoSpeed)));
    };
    memory.told = true;
    let finding = finding(settings, now, state, link, (usual_bps, speed_bps, since));
    Some((key(&state.id), Verdict::Present(Box::new(finding))))
}

fn finding(
    settings: &Settings,
    now: Timestamp,
    state: &InterfaceState,
    link: Option<&LinkState>,
    (usual_bps, speed_bps, since): (u64, u64, Timestamp),
) -> Finding {
    let id = &state.id;
    let slower = speed_bps < usual_bps;
    let (usual, speed) = (phrase::speed(usual_bps), phrase::speed(speed_bps));
    let far = link.map(|link| if link.a.end.interface == *id { &link.b } else { &link.a });
    let far = far.filter(|far| far.end.watched).map(|far| match far.speed_bps {
        Some(bps) => format!("; {} says {}", far.end.interface, phrase::speed(bps)),
        None => format!("; {} does not say how fast it is", far.end.interface),
    });
    Finding {
        key: key(id),
        severity: if slower { Severity::Warning } else { Severity::Info },
        class: None,
        evidence: Evidence {
            summary: format!("{id}{} runs at {speed}, it was {usual}", phrase::alias(&state.info)),
            cause: match slower {
                true => {
                    "Both ends agreed on less: a cable or an optic of a lower grade, a broken pair, or somebody set it."
                        .to_owned()
                }
                false => "It was upgraded, or set.".to_owned(),
            },
            evidence: format!(
                "ifHighSpeed was {usual} until {since} and is {speed} now{}. If it stays so it counts as usual from {} on.",
                far.unwrap_or_default(),
                since + settings.accept_after,
            ),
            action: match slower {
                true => {
                    "Compare speed and autonegotiation at both ends, and check the cable and the optics.".to_owned()
                }
                false => "Nothing, if it was planned.".to_owned(),
            },
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{AdminStatus, Counters, InterfaceInfo, OperStatus, Rate, Rates};
    use std::sync::Arc;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_795_498_200 + secs as i64)
    }

    fn port(gbps: Option<u64>, oper_status: OperStatus) -> InterfaceState {
        let speed_bps = gbps.map(|gbps| gbps * 1_000_000_000);
        InterfaceState {
            id: InterfaceId::new("leaf1", "spine1"),
            info: Arc::new(InterfaceInfo { if_type: 6, speed_bps, ..InterfaceInfo::default() }),
            speed_bps,
            speed_source: None,
            oper_status,
            admin_status: AdminStatus::Up,
            oper_changed_at: None,
            seen_up: true,
            polled_at: Some(at(0)),
            counters: Counters::default(),
            rates: Rates::default(),
            utilization_in: Rate::Known(0.1),
            utilization_out: Rate::Known(0.1),
        }
    }

    fn step(slot: &mut Option<Memory>, secs: u64, state: &InterfaceState) -> Option<Verdict> {
        look(&Settings::default(), at(secs), state, None, slot).map(|(_, verdict)| verdict)
    }

    #[test]
    fn a_port_that_comes_back_slower_is_told_until_it_is_as_before_or_long_enough() {
        use OperStatus::{Down, Up};
        let mut slot = None;
        assert_eq!(step(&mut slot, 0, &port(Some(10), Up)), None);
        // Down, it says nothing; then it comes back with less.
        changed(at(10), &port(None, Down), 10_000_000_000, &mut slot);
        assert_eq!(step(&mut slot, 10, &port(None, Down)), None);
        changed(at(20), &port(Some(1), Up), 0, &mut slot);
        let Some(Verdict::Present(finding)) = step(&mut slot, 20, &port(Some(1), Up)) else { panic!("not told") };
        assert_eq!(finding.evidence.summary, "leaf1:spine1 runs at 1 Gbit/s, it was 10 Gbit/s");
        assert_eq!(finding.severity, Severity::Warning);
        assert!(matches!(step(&mut slot, 30, &port(None, Down)), Some(Verdict::Unknown(_))), "down is not as before");
        assert_eq!(step(&mut slot, 40, &port(Some(10), Up)), Some(Verdict::Absent));
        assert_eq!(slot, None);

        changed(at(50), &port(Some(1), Up), 10_000_000_000, &mut slot);
        assert!(matches!(step(&mut slot, 50, &port(Some(1), Up)), Some(Verdict::Present(_))));
        assert_eq!(step(&mut slot, 50 + 7 * 86_400, &port(Some(1), Up)), Some(Verdict::Absent), "accepted");
        assert_eq!(step(&mut slot, 60 + 7 * 86_400, &port(Some(1), Up)), None);
    }

    #[test]
    fn told_before_a_restart_it_is_not_over_for_want_of_a_memory() {
        let mut slot = Some(Memory::PRIMED);
        assert!(matches!(step(&mut slot, 0, &port(Some(1), OperStatus::Up)), Some(Verdict::Unknown(_))));
        assert_eq!(step(&mut slot, 7 * 86_400, &port(Some(1), OperStatus::Up)), Some(Verdict::Absent));
    }
}
