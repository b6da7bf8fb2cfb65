//! What the ledger is written from: the fabric at one moment, as plain data. It can be saved and looked at later, or
//! elsewhere, and "what if" be asked of it there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{
    DeviceId, EndState, GroupKind, GroupState, InterfaceId, Labels, LinkEnd, LinkHealth, LinkId, LinkState, Timestamp,
    UtilizationSpread,
};
use crate::topology::headroom::Basis;
use crate::topology::{NOBODY, Outline, Protect, Risk};

/// The fabric at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// When it was so.
    pub taken_at: Timestamp,
    /// The devices that are watched, sorted by name.
    pub devices: Vec<Device>,
    /// Planned links within the fabric, sorted by id.
    pub links: Vec<Link>,
    /// Redundancy groups, sorted by name.
    pub groups: Vec<Group>,
    /// What could be lost at once, sorted by name.
    pub risks: Vec<Risk>,
    /// Who must reach whom; none where the operator does not say.
    pub protect: Vec<Protect>,
    /// What each link carries, in the order of the links; empty where nobody asked.
    #[serde(default)]
    pub loads: Vec<LinkLoad>,
    /// What enters and leaves the fabric at each device that has ports which lead out of it, sorted by device.
    #[serde(default)]
    pub edges: Vec<EdgeLoad>,
}

/// Bit/s in both directions of a link, from a to b and back; none where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkLoad {
    /// As measured now.
    pub now_bps: [Option<f64>; 2],
    /// What it is no more than for 99 % of the last day; none where that is not known.
    pub busy_bps: [Option<f64>; 2],
    /// Spanning tree blocks it.
    #[serde(default)]
    pub stands_by: bool,
}

/// Bit/s that enter the fabric at a device, and that leave it there; none where any of its ports that lead out is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeLoad {
    /// Which.
    pub device: DeviceId,
    /// As measured now.
    pub now_bps: [Option<f64>; 2],
    /// What it is no more than for 99 % of the last day, were all its ports at that at once.
    pub busy_bps: [Option<f64>; 2],
}

impl LinkLoad {
    /// On this basis.
    pub fn ways(&self, basis: Basis) -> [Option<f64>; 2] {
        on(basis, self.now_bps, self.busy_bps)
    }
}

impl EdgeLoad {
    /// On this basis.
    pub fn ways(&self, basis: Basis) -> [Option<f64>; 2] {
        on(basis, self.now_bps, self.busy_bps)
    }
}

fn on(basis: Basis, now: [Option<f64>; 2], busy: [Option<f64>; 2]) -> [Option<f64>; 2] {
    match basis {
        Basis::Now => now,
        Basis::Busy => [0, 1].map(|way| busy[way].or(now[way])),
    }
}

/// A watched device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: DeviceId,
    /// The operator's labels.
    pub labels: Labels,
    /// How far up it is; none where it has no cable to another.
    pub tier: Option<u32>,
}

/// A planned link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub id: LinkId,
    /// The end that sorts first.
    pub a: LinkEnd,
    /// The other.
    pub b: LinkEnd,
    /// Does it pass packets?
    pub health: LinkHealth,
    /// Since when.
    pub since: Timestamp,
    /// Bit/s of the slower end; none where not known.
    pub capacity_bps: Option<u64>,
}

/// A redundancy group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// What kind of doubling.
    pub kind: GroupKind,
    /// The device whose doubling it is.
    pub device: Option<DeviceId>,
    /// Links that should work.
    pub planned: Vec<LinkId>,
    /// Those that do.
    pub working: Vec<LinkId>,
    /// Those of which we cannot say.
    pub unknown: Vec<LinkId>,
}

impl Scene {
    /// From what readers are shown.
    pub fn new(taken_at: Timestamp, links: &[LinkState], groups: &[GroupState], outline: &Outline) -> Self {
        let link = |state: &LinkState| Link {
            id: state.id.clone(),
            a: state.a.end.clone(),
            b: state.b.end.clone(),
            health: state.health,
            since: state.since,
            capacity_bps: state.a.speed_bps.into_iter().chain(state.b.speed_bps).min(),
        };
        let group = |state: &GroupState| Group {
            name: state.name.clone(),
            kind: state.kind,
            device: state.device.clone(),
            planned: state.planned.clone(),
            working: state.working.clone(),
            unknown: state.unknown.clone(),
        };
        // A cable to nobody leads out of the fabric.
        let within = |state: &&LinkState| {
            state.b.end.interface.device.as_str() != NOBODY && !outline.management.contains(&state.id)
        };
        Self {
            taken_at,
            devices: outline.devices.clone(),
            links: links.iter().filter(within).map(link).collect(),
            groups: groups.iter().map(group).collect(),
            risks: outline.risks.clone(),
            protect: outline.protect.clone(),
            ..Self::default()
        }
    }

    /// With what links carry: `links` are those of [`new`](Self::new), and `spread` tells how busy a port was.
    #[must_use]
    pub fn with_loads(
        mut self,
        links: &[LinkState],
        spread: &dyn Fn(&InterfaceId) -> Option<UtilizationSpread>,
    ) -> Self {
        let load = |link: &LinkState| LinkLoad {
            now_bps: [link.a.out_bps.known(), link.b.out_bps.known()],
            busy_bps: [busy_bps(&link.a, &link.b, spread), busy_bps(&link.b, &link.a, spread)],
            stands_by: link.stands_by,
        };
        let mut edges: BTreeMap<&DeviceId, [[Option<f64>; 2]; 2]> = BTreeMap::new();
        let mut within = self.links.iter().peekable();
        for link in links {
            let loads = load(link);
            if within.next_if(|own| own.id == link.id).is_some() {
                self.loads.push(loads);
            }
            // The end that is watched, where the other is not: what it receives enters the fabric.
            let (own, enters, leaves) = match (link.a.end.watched, link.b.end.watched) {
                (true, false) => (&link.a, 1, 0),
                (false, true) => (&link.b, 0, 1),
                _ => continue,
            };
            if link.health == LinkHealth::Down {
                continue;
            }
            let sums = edges.entry(&own.end.interface.device).or_insert([[Some(0.0); 2]; 2]);
            for (sum, load) in sums.iter_mut().zip([loads.now_bps, on(Basis::Busy, loads.now_bps, loads.busy_bps)]) {
                for (sum, way) in sum.iter_mut().zip([enters, leaves]) {
                    *sum = sum.zip(load[way]).map(|(sum, bps)| sum + bps);
                }
            }
        }
        let edge =
            |(device, [now_bps, busy_bps]): (&DeviceId, [_; 2])| EdgeLoad { device: device.clone(), now_bps, busy_bps };
        self.edges = edges.into_iter().map(edge).collect();
        self
    }
}

/// By what the sender sent; by what the receiver got where nobody watches the sender.
fn busy_bps(from: &EndState, to: &EndState, spread: &dyn Fn(&InterfaceId) -> Option<UtilizationSpread>) -> Option<f64> {
    let (share, speed_bps) = if from.end.watched {
        (spread(&from.end.interface)?.sent.day?.p99, from.speed_bps?)
    } else {
        (spread(&to.end.interface)?.received.day?.p99, to.speed_bps?)
    };
    Some(share * speed_bps as f64)
}
