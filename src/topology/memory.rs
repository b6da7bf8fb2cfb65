//! What survives a restart, as JSON: planned links and the devices needed to name them. Groups follow from
//! these, so a cut that happened before the restart, or while nobody looked, is still known after it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{ChassisId, DeviceId, DeviceIdentity, InterfaceId, LinkEnd, Timestamp};

use super::bundles::RememberedPart;
use super::links::Planned;

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Planned links, sorted by id; declared ones come from the settings.
    pub links: Vec<RememberedLink>,
    /// The devices that were watched, sorted by id.
    pub devices: Vec<RememberedDevice>,
    /// What devices bundle: ports of aggregates, next hops, gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RememberedPart>,
}

/// A planned link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RememberedLink {
    /// The end that sorts first.
    pub a: LinkEnd,
    /// The other.
    pub b: LinkEnd,
    /// When we first knew of it.
    pub known_since: Timestamp,
    /// When a neighbour table last held it.
    pub heard_at: Timestamp,
    /// Since when it is not heard any more.
    pub missing_since: Option<Timestamp>,
    /// What `a` announced of `b`, and `b` of `a`.
    pub hears: [Option<InterfaceId>; 2],
    /// The chassis id of an end that is not watched.
    pub chassis: Option<ChassisId>,
}

/// A device that was watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RememberedDevice {
    /// Its name.
    pub id: DeviceId,
    /// Who it said it is, without what is long and learnt anew anyway.
    pub identity: DeviceIdentity,
    /// Its ports that lead out of the fabric.
    pub edge_ports: Vec<Arc<str>>,
}

impl RememberedLink {
    pub(super) fn of(planned: &Planned) -> Option<Self> {
        let link = &planned.link;
        Some(Self {
            a: link.a.clone(),
            b: link.b.clone(),
            known_since: link.known_since,
            heard_at: link.heard_at?,
            missing_since: link.missing_since,
            hears: planned.hears.clone(),
            chassis: planned.chassis.clone(),
        })
    }

    pub(super) fn into_planned(self) -> Planned {
        let mut planned = Planned::two(&self.a.interface, &self.b.interface, self.known_since);
        let swapped = self.a.interface > self.b.interface;
        let (a, b) = if swapped { (self.b, self.a) } else { (self.a, self.b) };
        let [one, other] = self.hears;
        (planned.link.a, planned.link.b) = (a, b);
        planned.hears = if swapped { [other, one] } else { [one, other] };
        planned.link.heard_at = Some(self.heard_at);
        planned.link.missing_since = self.missing_since;
        planned.chassis = self.chassis;
        planned
    }
}
