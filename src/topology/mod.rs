//! Neighbours joined to links, links to redundancy groups (IEEE 802.1AB, and what the operator declares).
//!
//! The driver feeds what devices tell (`learn_*`, `forget`), calls [`Topology::settle`] when one of them said
//! that something changed and at [`Topology::next_deadline`], and asks for states with a [`View`] of the core.
//! Links are right after each `learn_*`; groups are as of the last `settle`.

mod settings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{
    AdminStatus, DeviceHealth, DeviceId, DeviceIdentity, DeviceState, GroupKind, GroupState, InterfaceId,
    InterfaceInfo, InterfaceState, LinkEnd, LinkId, LinkState, Neighbor, OperStatus, Timestamp, UnreachableReason,
};

pub use settings::{DeclaredGroup, Settings};

/// A planned link: heard of by one end at least, or declared, and not given up since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub id: LinkId,
    /// The end that sorts first.
    pub a: LinkEnd,
    /// The other.
    pub b: LinkEnd,
    /// When we first knew of it.
    pub known_since: Timestamp,
    /// When a neighbour table last held it; none for a declared link.
    pub heard_at: Option<Timestamp>,
    /// Since when the ends that speak do not hear it any more; none while one does.
    pub missing_since: Option<Timestamp>,
}

/// Links that stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `leaf1 uplinks`, `leaf1 - spine1 parallel`, or the operator's name.
    pub name: Arc<str>,
    /// What kind of doubling.
    pub kind: GroupKind,
    /// The device whose doubling it is; none for a declared one.
    pub device: Option<DeviceId>,
    /// All its links, sorted.
    pub planned: Vec<LinkId>,
    /// Those of `planned` whose loss this group tells. A link may lie in the groups of both its ends and in a
    /// parallel one; of these exactly one tells, so that one cut is one finding. Declared groups tell all.
    pub told: Vec<LinkId>,
    /// What the lines have in common and could lose together, by the operator's word.
    pub shared_risk: Vec<String>,
}

/// What has changed since the last [`Topology::settle`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Links that are new.
    pub appeared: Vec<LinkId>,
    /// Links that are no more, those replaced among them.
    pub gone: Vec<LinkId>,
    /// `(old, new)`: the same cable under a new name, or another cable in the same port. Alerts may follow.
    pub replaced: Vec<(LinkId, LinkId)>,
    /// Groups that are new or have other members.
    pub groups_changed: Vec<Arc<str>>,
    /// Groups that are no more, with their device.
    pub groups_gone: Vec<(Arc<str>, Option<DeviceId>)>,
}

/// How the topology looks into the core: by two questions.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What is known of an interface.
    pub interface: &'a dyn Fn(&InterfaceId) -> Option<InterfaceState>,
    /// What is known of a device.
    pub device: &'a dyn Fn(&DeviceId) -> Option<DeviceState>,
}

/// A link's state with what explains it.
#[derive(Clone, Debug)]
pub struct LinkReport {
    /// The state that readers get.
    pub state: LinkState,
    /// More on the end `a`.
    pub a: EndReport,
    /// More on the end `b`.
    pub b: EndReport,
}

/// What more is known of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndReport {
    /// What the operator wants of the port.
    pub admin_status: AdminStatus,
    /// When the port's state last changed while we watched.
    pub oper_changed_at: Option<Timestamp>,
    /// Does its device answer?
    pub device: DeviceHealth,
    /// Why it does not.
    pub unreachable: Option<UnreachableReason>,
}

/// A group's state with what explains it.
#[derive(Clone, Debug)]
pub struct GroupReport {
    /// The state that readers get.
    pub state: GroupState,
    /// Its links, in the order of `state.planned`.
    pub members: Vec<LinkState>,
    /// As [`Group::told`].
    pub told: Vec<LinkId>,
    /// As [`Group::shared_risk`].
    pub shared_risk: Vec<String>,
}

/// What survives a restart, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {}

/// The graph of the fabric as planned, learnt from neighbour tables.
#[derive(Debug)]
pub struct Topology {}

impl Topology {
    /// Start from the settings and what was remembered.
    pub fn new(_settings: Settings, _memory: Option<Memory>) -> Self {
        todo!()
    }
    /// Take new settings at once; true if something changed.
    pub fn reconfigure(&mut self, _now: Timestamp, _settings: Settings) -> bool {
        todo!()
    }
    /// A device said who it is; true if that changed a link or may change a group.
    pub fn learn_identity(&mut self, _now: Timestamp, _device: &DeviceId, _identity: &Arc<DeviceIdentity>) -> bool {
        todo!()
    }
    /// A device said which interfaces it has.
    pub fn learn_inventory(&mut self, _now: Timestamp, _device: &DeviceId, _interfaces: &[Arc<InterfaceInfo>]) -> bool {
        todo!()
    }
    /// A device told its whole neighbour table.
    pub fn learn_neighbors(&mut self, _now: Timestamp, _device: &DeviceId, _rows: &[Neighbor]) -> bool {
        todo!()
    }
    /// An interface's state was read for the first time, or changed. Tells which ports lead out of the fabric.
    pub fn learn_status(&mut self, _now: Timestamp, _interface: &InterfaceId, _oper_status: OperStatus) -> bool {
        todo!()
    }
    /// The device is retired: its links go, or become one-sided where the other end still hears it.
    pub fn forget(&mut self, _now: Timestamp, _device: &DeviceId) -> bool {
        todo!()
    }
    /// Expire, regroup, and tell what changed since the last call. Cheap where nothing did.
    pub fn settle(&mut self, _now: Timestamp) -> Change {
        todo!()
    }
    /// When `settle` has something to do even if nothing is learnt.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        todo!()
    }
    /// All planned links, sorted by id.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        std::iter::empty()
    }
    /// One link.
    pub fn link(&self, _id: &LinkId) -> Option<&Link> {
        todo!()
    }
    /// The link in a port that we watch.
    pub fn link_at(&self, _interface: &InterfaceId) -> Option<&Link> {
        todo!()
    }
    /// All groups, sorted by name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        std::iter::empty()
    }
    /// One group.
    pub fn group(&self, _name: &str) -> Option<&Group> {
        todo!()
    }
    /// The groups that a link belongs to, by name.
    pub fn groups_of(&self, _link: &LinkId) -> &[Arc<str>] {
        todo!()
    }
    /// What to keep for the next start.
    pub fn memory(&self) -> Memory {
        todo!()
    }
    /// The states of all links and groups, both sorted.
    pub fn snapshot(&self, _now: Timestamp, _view: View<'_>) -> (Vec<LinkState>, Vec<GroupState>) {
        todo!()
    }
    /// The state of one link.
    pub fn link_state(&self, _now: Timestamp, _id: &LinkId, _view: View<'_>) -> Option<LinkState> {
        todo!()
    }
    /// The state of one link with what explains it, for the detectors.
    pub fn link_report(&self, _now: Timestamp, _id: &LinkId, _view: View<'_>) -> Option<LinkReport> {
        todo!()
    }
    /// The state of one group with what explains it, for the detectors.
    pub fn group_report(&self, _now: Timestamp, _name: &str, _view: View<'_>) -> Option<GroupReport> {
        todo!()
    }
}
