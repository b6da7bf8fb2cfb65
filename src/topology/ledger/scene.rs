//! What the ledger is written from: the fabric at one moment, as plain data. It can be saved and looked at later, or
//! elsewhere, and "what if" be asked of it there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, GroupKind, GroupState, Labels, LinkEnd, LinkHealth, LinkId, LinkState, Timestamp};
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
        }
    }
}
