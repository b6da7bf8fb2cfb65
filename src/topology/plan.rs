//! What the topology tells of: links, groups, what changed, and their states with what explains them.

use std::sync::Arc;

use crate::fabric::{
    AdminStatus, DeviceHealth, DeviceId, DeviceState, GroupKind, GroupState, InterfaceId, InterfaceState, LinkEnd,
    LinkId, LinkState, Timestamp, UnreachableReason,
};

use super::bundles::{BundleKey, PartKey};

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

/// The far end's device and port where nobody says who is there.
pub const NOBODY: &str = "?";

impl Link {
    /// The cable in a port that leads out of the fabric.
    pub(super) fn to_nobody(port: &InterfaceId, known_since: Timestamp) -> Self {
        let near = LinkEnd { interface: port.clone(), watched: true };
        let far = LinkEnd { interface: InterfaceId::new(NOBODY, NOBODY), watched: false };
        Self { id: LinkId::to_nobody(port), a: near, b: far, known_since, heard_at: None, missing_since: None }
    }

    /// A part of a bundle that is no cable that we know, so that it has a state as links have.
    pub(super) fn of_part(id: &LinkId, port: &InterfaceId, known_since: Timestamp) -> Self {
        Self { id: id.clone(), ..Self::to_nobody(port, known_since) }
    }
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
    /// What its members rest on where a device bundles them: the member, the bundle, and which part of that.
    pub parts: Vec<(LinkId, BundleKey, PartKey)>,
}

/// What has changed since the last [`Topology::settle`](super::Topology::settle).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Links that are new.
    pub appeared: Vec<LinkId>,
    /// Links that are no more, those replaced among them.
    pub gone: Vec<LinkId>,
    /// `(old, new)`: the same cable under a new name, or another cable in the same port. Alerts may follow.
    pub replaced: Vec<(LinkId, LinkId)>,
    /// Groups that are new, have other members, or are told of otherwise by the device that bundles them.
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
    /// The ends that speak do not hear each other any more.
    pub missing: bool,
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
    /// As [`Group::told`], and those of which this group alone knows that they do not work.
    pub told: Vec<LinkId>,
    /// As [`Group::shared_risk`].
    pub shared_risk: Vec<String>,
}
