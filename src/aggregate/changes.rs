//! What a sample changed: what the loop behind the table needs to look at.

use crate::fabric::{InterfaceId, OperStatus, Timestamp};

/// Where an interface lies in the table: good for asking the table until the next sample is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub(super) device: u32,
    pub(super) interface: u32,
}

/// An interface's status is not the one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperChange {
    /// Which interface.
    pub slot: Slot,
    /// What it did.
    pub before: OperStatus,
    /// What it does.
    pub after: OperStatus,
    /// When the poll or the event that told so reached us.
    pub at: Timestamp,
}

/// What a sample, or the passing of time, changed. The caller keeps one and hands it in again and again.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The device's health, its reason, or its identity is another, or it is new.
    pub device: bool,
    /// The device started anew: its uptime fell.
    pub restarted: bool,
    /// Interfaces joined, left, or are described otherwise.
    pub inventory: bool,
    /// The sample is the device's neighbour table, which the table itself does not keep.
    pub neighbors: bool,
    /// The device is gone.
    pub retired: bool,
    /// Interfaces whose state may be another; each once, unless the sample itself names one twice.
    pub interfaces: Vec<Slot>,
    /// Those of them whose status changed. The first status ever told is no change.
    pub oper: Vec<OperChange>,
    /// Interfaces that are said to be as fast as they were not, with what was said before, bit/s.
    pub speeds: Vec<(Slot, u64)>,
    /// Interfaces that are gone.
    pub removed: Vec<InterfaceId>,
}

impl Changes {
    /// Nothing changed; the memory is kept.
    pub fn clear(&mut self) {
        let Self { device, restarted, inventory, neighbors, retired, interfaces, oper, speeds, removed } = self;
        (*device, *restarted, *inventory, *neighbors, *retired) = (false, false, false, false, false);
        interfaces.clear();
        oper.clear();
        speeds.clear();
        removed.clear();
    }
}
