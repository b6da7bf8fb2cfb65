//! What links and groups do now: the plan seen together with what the core knows of their ends.

use std::sync::Arc;

use crate::fabric::{
    Counter, DeviceHealth, DeviceState, Direction, EndState, GroupState, InterfaceState, LinkEnd, LinkHealth, LinkId,
    LinkState, OperStatus, Rate, Timestamp, Unknown,
};

use super::{EndReport, Group, Link, LinkReport, View};

/// What the core knows of one end; nothing where it is not watched or its device does not answer, for what was
/// read before then says nothing of now.
struct Sight {
    interface: Option<InterfaceState>,
    device: Option<DeviceState>,
}

impl Sight {
    fn of(end: &LinkEnd, view: View<'_>) -> Self {
        if !end.watched {
            return Self { interface: None, device: None };
        }
        let device = (view.device)(&end.interface.device);
        let answers = device.as_ref().is_some_and(|device| device.health == DeviceHealth::Ok);
        let interface = if answers { (view.interface)(&end.interface) } else { None };
        Self { interface, device }
    }

    fn oper_status(&self) -> OperStatus {
        self.interface.as_ref().map_or(OperStatus::Unknown, |interface| interface.oper_status)
    }

    fn speed_bps(&self) -> Option<u64> {
        self.interface.as_ref()?.speed_bps.filter(|speed| *speed > 0)
    }

    fn rate(&self, counter: Counter) -> Rate {
        self.interface.as_ref().map_or(Rate::Unknown(Unknown::Stale), |interface| interface.rates[counter])
    }

    fn discards(&self, direction: Direction) -> Rate {
        let rates = self.interface.as_ref().map(|interface| interface.rates.discards(direction));
        rates.unwrap_or(Rate::Unknown(Unknown::Stale))
    }

    /// What it tells of its own load, against a speed that is not above its own.
    fn share(&self, of_bps: u64, load: impl Fn(&InterfaceState) -> Rate) -> Rate {
        match (&self.interface, self.speed_bps()) {
            (Some(interface), Some(speed_bps)) => {
                load(interface).map(|share| (share * (speed_bps as f64 / of_bps as f64)).min(1.0))
            }
            _ => Rate::Unknown(Unknown::Stale),
        }
    }

    fn report(&self) -> EndReport {
        let interface = self.interface.as_ref();
        let device = self.device.as_ref();
        EndReport {
            admin_status: interface.map(|interface| interface.admin_status).unwrap_or_default(),
            oper_changed_at: interface.and_then(|interface| interface.oper_changed_at),
            device: device.map(|device| device.health).unwrap_or_default(),
            unreachable: device.and_then(|device| device.unreachable),
        }
    }

    /// Since when we cannot say.
    fn unknown_since(&self) -> Option<Timestamp> {
        self.device.as_ref().filter(|device| device.health != DeviceHealth::Ok)?.health_since
    }
}

/// The first known of the two, else why the first is not known.
fn either(first: Rate, second: Rate) -> Rate {
    if first.known().is_some() || second.known().is_none() { first } else { second }
}

/// The sum, known only if both are: a part that is missing is not zero.
fn sum(one: Rate, other: Rate) -> Rate {
    match (one, other) {
        (Rate::Known(one), Rate::Known(other)) => Rate::Known(one + other),
        (unknown @ Rate::Unknown(_), _) | (_, unknown) => unknown,
    }
}

fn end_state(end: &LinkEnd, own: &Sight, far: &Sight) -> EndState {
    let bits = |octets: Rate| octets.map(|octets_per_s| octets_per_s * 8.0);
    let out_bps = either(bits(own.rate(Counter::OutOctets)), bits(far.rate(Counter::InOctets)));
    EndState {
        end: end.clone(),
        oper_status: own.oper_status(),
        speed_bps: own.speed_bps(),
        speed_source: own.interface.as_ref().and_then(|interface| interface.speed_source),
        out_bps,
        utilization_out: utilization_out(own, far, out_bps),
        out_drops_pps: sum(own.discards(Direction::Out), own.rate(Counter::OutErrors)),
        in_drops_pps: sum(own.discards(Direction::In), own.rate(Counter::InErrors)),
    }
}

/// What a direction takes of the slower end's speed, 0 to 1. An interface tells its own share best, for it knows what lies
/// between frames beside the octets that are counted: the slower end is asked first, then the other, and octets alone
/// only where neither can say.
fn utilization_out(own: &Sight, far: &Sight, out_bps: Rate) -> Rate {
    let (near, distant) = (own.speed_bps(), far.speed_bps());
    let Some(slower_bps) = near.into_iter().chain(distant).min() else {
        return if out_bps.known().is_some() { Rate::Unknown(Unknown::NoSpeed) } else { out_bps };
    };
    let sent = own.share(slower_bps, |interface| interface.utilization_out);
    let received = far.share(slower_bps, |interface| interface.utilization_in);
    let share = if near == Some(slower_bps) { either(sent, received) } else { either(received, sent) };
    match share {
        Rate::Known(_) => share,
        Rate::Unknown(_) => out_bps.map(|bps| (bps / slower_bps as f64).min(1.0)),
    }
}

/// Health and since when, by the ends that are known.
fn health(link: &Link, ends: [&Sight; 2]) -> (LinkHealth, Timestamp) {
    let changed = |sight: &&Sight| sight.interface.as_ref().and_then(|interface| interface.oper_changed_at);
    let down = || ends.into_iter().filter(|sight| sight.oper_status().is_down());
    let up = || ends.into_iter().filter(|sight| sight.oper_status().is_up());
    if down().next().is_some() {
        // The end that lost it first knows best when.
        let since = down().filter_map(|sight| changed(&sight)).min();
        (LinkHealth::Down, since.or(link.missing_since).unwrap_or(link.known_since))
    } else if up().next().is_some() {
        (LinkHealth::Up, up().filter_map(|sight| changed(&sight)).max().unwrap_or(link.known_since))
    } else {
        let since = ends.into_iter().filter_map(Sight::unknown_since).max();
        (LinkHealth::Unknown, since.or(link.missing_since).unwrap_or(link.known_since))
    }
}

pub(super) fn link_report(link: &Link, groups: &[Arc<str>], view: View<'_>) -> LinkReport {
    let (a, b) = (Sight::of(&link.a, view), Sight::of(&link.b, view));
    let (health, since) = health(link, [&a, &b]);
    let state = LinkState {
        id: link.id.clone(),
        a: end_state(&link.a, &a, &b),
        b: end_state(&link.b, &b, &a),
        health,
        since,
        heard_at: link.heard_at,
        groups: groups.to_vec(),
        stands_by: false,
    };
    LinkReport { state, a: a.report(), b: b.report(), missing: link.missing_since.is_some() }
}

pub(super) fn group_state(group: &Group, health: impl Fn(&LinkId) -> LinkHealth) -> GroupState {
    let those = |wanted: LinkHealth| group.planned.iter().filter(|id| health(id) == wanted).cloned().collect();
    GroupState {
        name: group.name.clone(),
        kind: group.kind,
        device: group.device.clone(),
        planned: group.planned.clone(),
        working: those(LinkHealth::Up),
        unknown: those(LinkHealth::Unknown),
        reasons: Vec::new(),
    }
}
