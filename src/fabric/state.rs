//! What is known now: states of devices, interfaces, links and groups, and the snapshot that readers get.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AdminStatus, Counter, Counters, DeviceId, DeviceIdentity, Direction, GroupKind, InterfaceId, InterfaceInfo,
    LinkEnd, LinkId, LinkLoss, OperStatus, Rate, SensorState, Timestamp, UnreachableReason, Uptime,
};

/// The rate of every counter of an interface, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates([Rate; Counter::COUNT]);

impl Default for Rates {
    fn default() -> Self {
        Self([Rate::default(); Counter::COUNT])
    }
}

impl Rates {
    /// Packets dropped in a direction, damage apart: what the interface counts as discarded, or, where that is more, what its
    /// vendor counts by class. Devices differ in whether the one holds the other, so the two are never added.
    pub fn discards(&self, direction: Direction) -> Rate {
        let all = self[match direction {
            Direction::In => Counter::InDiscards,
            Direction::Out => Counter::OutDiscards,
        }];
        let of_class = Counter::DROPS.into_iter().filter(|(.., way)| *way == direction);
        let known = of_class.filter_map(|(counter, ..)| self[counter].known());
        match (all, known.reduce(|sum, pps| sum + pps)) {
            (Rate::Known(all), Some(by_class)) => Rate::Known(all.max(by_class)),
            (Rate::Unknown(_), Some(by_class)) => Rate::Known(by_class),
            (all, None) => all,
        }
    }
}

impl std::ops::Index<Counter> for Rates {
    type Output = Rate;
    fn index(&self, counter: Counter) -> &Rate {
        &self.0[counter.slot()]
    }
}

impl std::ops::IndexMut<Counter> for Rates {
    fn index_mut(&mut self, counter: Counter) -> &mut Rate {
        &mut self.0[counter.slot()]
    }
}

/// Who says how fast an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeedSource {
    /// The device.
    Stated,
    /// The operator, in `[[interface]]`.
    Declared,
    /// The ports of an aggregate that carry their share, together.
    Members,
    /// Nobody: it is Ethernet, up, and taken for `[interfaces] default_speed`.
    Assumed,
}

/// An interface as now known.
#[derive(Clone, Debug)]
pub struct InterfaceState {
    /// Which.
    pub id: InterfaceId,
    /// What it is.
    pub info: Arc<InterfaceInfo>,
    /// The speed that utilisation is measured against, bit/s: the operator's override, else what the device
    /// says, else the configured default for Ethernet; none where nothing is known.
    pub speed_bps: Option<u64>,
    /// Who says so; none where nothing is known.
    pub speed_source: Option<SpeedSource>,
    /// What it does, by the last poll or event.
    pub oper_status: OperStatus,
    /// What it should do.
    pub admin_status: AdminStatus,
    /// When `oper_status` last changed while we watched; none where it never did.
    pub oper_changed_at: Option<Timestamp>,
    /// It has been up at some time while we watched.
    pub seen_up: bool,
    /// When its counters were last read.
    pub polled_at: Option<Timestamp>,
    /// The last counters read.
    pub counters: Counters,
    /// Per second, over the last interval between two different readings.
    pub rates: Rates,
    /// Received bits against speed, 0 to 1.
    pub utilization_in: Rate,
    /// Sent bits against speed, 0 to 1.
    pub utilization_out: Rate,
}

/// Whether a device answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceHealth {
    /// It answered the last poll.
    Ok,
    /// It did not.
    Unreachable,
    /// Not asked yet.
    #[default]
    Unknown,
}

/// A device as now known.
#[derive(Clone, Debug)]
pub struct DeviceState {
    /// Which.
    pub id: DeviceId,
    /// Who it says it is.
    pub identity: Arc<DeviceIdentity>,
    /// Whether it answers.
    pub health: DeviceHealth,
    /// Why it does not.
    pub unreachable: Option<UnreachableReason>,
    /// Since when `health` is as it is.
    pub health_since: Option<Timestamp>,
    /// Its last sysUpTime.
    pub uptime: Option<Uptime>,
    /// When it last answered.
    pub answered_at: Option<Timestamp>,
    /// How many interfaces it has.
    pub interfaces: usize,
}

/// Whether a link passes packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkHealth {
    /// No end is down and at least one is up.
    Up,
    /// At least one end is down.
    Down,
    /// Neither can be said.
    #[default]
    Unknown,
}

/// One end of a link with what is known of it.
#[derive(Clone, Debug)]
pub struct EndState {
    /// Which.
    pub end: LinkEnd,
    /// Its state; unknown where the end is not watched or does not answer.
    pub oper_status: OperStatus,
    /// Bit/s it can send; none where not known.
    pub speed_bps: Option<u64>,
    /// Who says so; none where nothing is known.
    pub speed_source: Option<SpeedSource>,
    /// Bit/s it sends into the link.
    pub out_bps: Rate,
    /// `out_bps` against the slower of both ends.
    pub utilization_out: Rate,
    /// Discards and errors it counts in the direction out, per second.
    pub out_drops_pps: Rate,
    /// Discards and errors it counts in the direction in, per second.
    pub in_drops_pps: Rate,
}

/// A link as now known: counters belong to an end, a link has two.
#[derive(Clone, Debug)]
pub struct LinkState {
    /// Which.
    pub id: LinkId,
    /// The end that sorts first.
    pub a: EndState,
    /// The other.
    pub b: EndState,
    /// Does it pass packets?
    pub health: LinkHealth,
    /// Since when.
    pub since: Timestamp,
    /// When a neighbour protocol last confirmed it; none for a declared link.
    pub heard_at: Option<Timestamp>,
    /// The redundancy groups it belongs to, by name.
    pub groups: Vec<Arc<str>>,
    /// Spanning tree blocks it at one end: it carries nothing, and stands by.
    pub stands_by: bool,
}

/// A redundancy group as now known.
#[derive(Clone, Debug, Serialize)]
pub struct GroupState {
    /// Its name: `leaf1 uplinks`, `leaf1 - spine1 parallel`, or the operator's.
    pub name: Arc<str>,
    /// What kind of doubling.
    pub kind: GroupKind,
    /// The device whose doubling it is; none for a declared group over several.
    pub device: Option<DeviceId>,
    /// Links that should work: all ever seen together and not given up by the operator.
    pub planned: Vec<LinkId>,
    /// Those that pass packets now.
    pub working: Vec<LinkId>,
    /// Those of which we cannot say.
    pub unknown: Vec<LinkId>,
    /// Why those that do not work do not, where more is known than that they are down.
    pub reasons: Vec<(LinkId, Arc<str>)>,
}

/// Everything that is known, at one moment. Readers share it and keep it as long as they like.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Sorted by name.
    pub devices: Vec<DeviceState>,
    /// Sorted by device and name.
    pub interfaces: Vec<InterfaceState>,
    /// Sorted by id.
    pub links: Vec<LinkState>,
    /// Sorted by name.
    pub groups: Vec<GroupState>,
    /// Sorted by interface.
    pub sensors: Vec<SensorState>,
    /// Frames that vanish between the two ends of links, where both are watched; sorted by link.
    pub losses: Vec<LinkLoss>,
}
