//! Detectors: functions over state. One file each, one line here each.
//!
//! A verdict is given only where something is wrong, or was wrong and is fine or cannot be told any more; so
//! calm costs a few comparisons and no allocation. What is remembered is remembered of subjects in trouble
//! alone (and of each device its last uptime).
//!
//! Absent here, on purpose: how long a trouble lasts before anybody is told (the alert book's, by the finding's
//! `pending_for` and `keep_firing_for`), and which trouble explains which.

pub mod device;
pub mod drops;
pub mod link;
mod phrase;
pub mod redundancy;
pub mod saturation;
pub mod single_points;
mod threshold;

use std::collections::HashMap;
use std::sync::Arc;

use crate::fabric::{
    DeviceId, DeviceState, Direction, FindingKey, FindingKind, InterfaceId, InterfaceState, LinkHealth, LinkId,
    LinkState, Subject, Timestamp, Verdict,
};
use crate::topology::ledger::Audit;
use crate::topology::{Change, GroupReport, LinkReport};

use threshold::Live;

/// `[detect.*]`: every detector's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[detect.link]`
    pub link: link::Settings,
    /// `[detect.saturation]`
    pub saturation: saturation::Settings,
    /// `[detect.drops]`
    pub drops: drops::Settings,
    /// `[detect.redundancy]`
    pub redundancy: redundancy::Settings,
    /// `[detect.single_points]`
    pub single_points: single_points::Settings,
    /// `[detect.device]`
    pub device: device::Settings,
}

/// What detectors have to say: a verdict for each key that is wrong, was wrong and is fine, or was wrong and
/// cannot be told. Empty (and not allocated) in calm.
pub type Verdicts = Vec<(FindingKey, Verdict)>;

/// The troubles of one interface.
#[derive(Clone, Debug, Default)]
struct InterfaceMemory {
    /// Down, as a port without a known neighbour.
    down: bool,
    /// By direction: out, in.
    saturation: [Option<Live>; 2],
    drops: drops::Memory,
}

impl InterfaceMemory {
    fn is_calm(&self) -> bool {
        !self.down && self.saturation == [None, None] && self.drops.is_calm()
    }

    /// The keys that are told.
    fn told(&self, id: &InterfaceId) -> Vec<FindingKey> {
        let mut keys = Vec::new();
        if self.down {
            keys.push(link::edge_key(id));
        }
        for direction in [Direction::Out, Direction::In] {
            if self.saturation[slot(direction)].is_some() {
                keys.push(saturation::key(id, direction));
            }
        }
        let key = |(kind, direction)| FindingKey {
            kind,
            subject: Subject::Interface(id.clone()),
            direction: Some(direction),
        };
        keys.extend(self.drops.told().map(key));
        keys
    }
}

fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Out => 0,
        Direction::In => 1,
    }
}

/// All detectors with what they must remember.
///
/// The driver calls, with `now` the moment of the reading: [`device`](Self::device) and
/// [`interface`](Self::interface) for what was read; [`link`](Self::link) for the link in it; and where
/// [`concerns_groups`](Self::concerns_groups) says so, [`group`](Self::group) for its groups. After
/// `Topology::settle` it calls [`follow`](Self::follow), then `group` for the groups that changed.
#[derive(Debug)]
pub struct Detectors {
    settings: Settings,
    interfaces: HashMap<InterfaceId, InterfaceMemory>,
    links: HashMap<LinkId, link::Memory>,
    groups: HashMap<Arc<str>, redundancy::Memory>,
    devices: HashMap<DeviceId, device::Memory>,
    single_points: single_points::Memory,
}

impl Detectors {
    /// Start in calm.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            interfaces: HashMap::new(),
            links: HashMap::new(),
            groups: HashMap::new(),
            devices: HashMap::new(),
            single_points: single_points::Memory::new(),
        }
    }

    /// These were wrong before a restart: they stay so until they are seen fine.
    pub fn prime<'a>(&mut self, keys: impl IntoIterator<Item = &'a FindingKey>) {
        for key in keys {
            let FindingKey { kind, subject, direction } = key;
            match (subject, kind, direction) {
                (Subject::Link { id, .. }, FindingKind::LinkDown, _) => {
                    self.links.insert(id.clone(), link::Memory::primed(key.clone()));
                }
                (Subject::Interface(id), FindingKind::LinkDown, _) => {
                    self.interfaces.entry(id.clone()).or_default().down = true;
                }
                (Subject::Interface(id), FindingKind::Saturation, Some(direction)) => {
                    let memory = self.interfaces.entry(id.clone()).or_default();
                    memory.saturation[slot(*direction)] = Some(Live::PRIMED);
                }
                (
                    Subject::Interface(id),
                    FindingKind::DropsCongestion | FindingKind::DropsCorruption,
                    Some(direction),
                ) => {
                    self.interfaces.entry(id.clone()).or_default().drops.prime(*kind, *direction);
                }
                (Subject::Group { name, device }, FindingKind::RedundancyDegraded | FindingKind::RedundancyLost, _) => {
                    let memory = self.groups.entry(name.clone()).or_default();
                    memory.device = device.clone();
                    memory.degraded |= *kind == FindingKind::RedundancyDegraded;
                    memory.lost |= *kind == FindingKind::RedundancyLost;
                }
                (Subject::Device(id), FindingKind::DeviceUnreachable | FindingKind::DeviceRestarted, _) => {
                    self.devices.entry(id.clone()).or_default().prime(*kind);
                }
                (_, FindingKind::SinglePointOfFailure, _) => single_points::prime(key, &mut self.single_points),
                // Of a detector that is not here (any more): nobody else would ever end it.
                _ => {}
            }
        }
    }

    /// Take new settings. What a detector that is now off had raised becomes absent; the rest is judged anew by
    /// the next look.
    pub fn reconfigure(&mut self, settings: Settings) -> Verdicts {
        self.settings = settings;
        let mut verdicts = Verdicts::new();
        if !self.settings.link.enabled {
            verdicts.extend(self.links.drain().map(|(_, memory)| (memory.key, Verdict::Absent)));
        }
        if !self.settings.redundancy.enabled {
            for (name, memory) in self.groups.drain() {
                verdicts.extend(group_over(&name, &memory));
            }
        }
        if !self.settings.single_points.enabled {
            verdicts.extend(self.single_points.drain().map(|(key, _)| (key, Verdict::Absent)));
        }
        if !self.settings.device.enabled {
            for (id, memory) in &mut self.devices {
                verdicts.extend(memory.told().map(|kind| (device::key(kind, id), Verdict::Absent)));
                memory.calm();
            }
        }
        let Settings { link, saturation, drops, .. } = &self.settings;
        self.interfaces.retain(|id, memory| {
            let before = memory.told(id);
            memory.down &= link.enabled && link.edge_ports;
            if !saturation.enabled {
                memory.saturation = [None, None];
            }
            if !drops.enabled {
                memory.drops = drops::Memory::default();
            }
            let after = memory.told(id);
            verdicts.extend(before.into_iter().filter(|key| !after.contains(key)).map(|key| (key, Verdict::Absent)));
            !memory.is_calm()
        });
        verdicts
    }

    /// An interface was read; `link` is the state of the link in it, if there is one.
    pub fn interface(&mut self, now: Timestamp, state: &InterfaceState, link: Option<&LinkState>) -> Verdicts {
        let mut verdicts = Verdicts::new();
        let known = self.interfaces.get_mut(&state.id);
        let was_known = known.is_some();
        let mut fresh = InterfaceMemory::default();
        let memory = known.unwrap_or(&mut fresh);
        if self.settings.link.enabled {
            match link {
                None => verdicts.extend(link::look_at_edge(&self.settings.link, now, state, &mut memory.down)),
                // Told by the link from now on.
                Some(_) if std::mem::take(&mut memory.down) => {
                    verdicts.push((link::edge_key(&state.id), Verdict::Absent));
                }
                Some(_) => {}
            }
        }
        if self.settings.drops.enabled {
            let say = |key, verdict| verdicts.push((key, verdict));
            drops::look(drops::Look { settings: &self.settings.drops, now, state, link }, &mut memory.drops, say);
        }
        let mut received_elsewhere = None;
        if self.settings.saturation.enabled {
            let flows = saturation::flows(state, link);
            // The direction in is told at the sender's by now, if it is told at all.
            let tells_in = flows[1].as_ref().is_some_and(|flow| flow.subject == &state.id);
            if !tells_in && memory.saturation[slot(Direction::In)].take().is_some() {
                verdicts.push((saturation::key(&state.id, Direction::In), Verdict::Absent));
            }
            for flow in flows.into_iter().flatten() {
                if flow.subject == &state.id {
                    let live = &mut memory.saturation[slot(flow.direction)];
                    verdicts.extend(saturation::look(&self.settings.saturation, now, &flow, live));
                } else {
                    received_elsewhere = Some(flow);
                }
            }
        }
        match (was_known, memory.is_calm()) {
            (true, true) => drop(self.interfaces.remove(&state.id)),
            (false, false) => drop(self.interfaces.insert(state.id.clone(), fresh)),
            _ => {}
        }
        if let Some(flow) = received_elsewhere {
            let known = self.interfaces.get_mut(flow.subject);
            let was_known = known.is_some();
            let mut fresh = InterfaceMemory::default();
            let memory = known.unwrap_or(&mut fresh);
            let live = &mut memory.saturation[slot(flow.direction)];
            verdicts.extend(saturation::look(&self.settings.saturation, now, &flow, live));
            match (was_known, memory.is_calm()) {
                (true, true) => drop(self.interfaces.remove(flow.subject)),
                (false, false) => drop(self.interfaces.insert(flow.subject.clone(), fresh)),
                _ => {}
            }
        }
        verdicts
    }

    /// One end of a link was read or an event told of it.
    pub fn link(&mut self, now: Timestamp, report: &LinkReport) -> Verdicts {
        if !self.settings.link.enabled {
            return Verdicts::new();
        }
        link::look(&self.settings.link, now, report, &mut self.links).into_iter().collect()
    }

    /// Whether this link's state may change what is said of its groups. False in calm.
    pub fn concerns_groups(&self, link: &LinkState) -> bool {
        !link.groups.is_empty()
            && (link.health != LinkHealth::Up || link.groups.iter().any(|name| self.groups.contains_key(name)))
    }

    /// A group was looked at.
    pub fn group(&mut self, now: Timestamp, report: &GroupReport) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if !self.settings.redundancy.enabled {
            return verdicts;
        }
        let name = &report.state.name;
        let known = self.groups.get_mut(name);
        let was_known = known.is_some();
        let mut fresh = redundancy::Memory { device: report.state.device.clone(), ..Default::default() };
        let memory = known.unwrap_or(&mut fresh);
        let tell = |key, verdict| verdicts.push((key, verdict));
        redundancy::look(&self.settings.redundancy, now, report, memory, tell);
        match (was_known, memory.is_calm()) {
            (true, true) => drop(self.groups.remove(name)),
            (false, false) => drop(self.groups.insert(name.clone(), fresh)),
            _ => {}
        }
        verdicts
    }

    /// The ledger was written anew.
    pub fn audit(&mut self, now: Timestamp, audit: &Audit) -> Verdicts {
        if !self.settings.single_points.enabled {
            return Verdicts::new();
        }
        single_points::look(&self.settings.single_points, now, audit, &mut self.single_points)
    }

    /// A device was asked.
    pub fn device(&mut self, now: Timestamp, state: &DeviceState) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if !self.settings.device.enabled {
            return verdicts;
        }
        if !self.devices.contains_key(&state.id) {
            self.devices.insert(state.id.clone(), device::Memory::default());
        }
        if let Some(memory) = self.devices.get_mut(&state.id) {
            let tell = |key, verdict| verdicts.push((key, verdict));
            device::look(&self.settings.device, now, state, memory, tell);
        }
        verdicts
    }

    /// The topology changed: what was said of links and groups that are no more becomes absent.
    pub fn follow(&mut self, change: &Change) -> Verdicts {
        let links =
            change.gone.iter().filter_map(|id| self.links.remove(id)).map(|memory| (memory.key, Verdict::Absent));
        let mut verdicts: Verdicts = links.collect();
        for (name, _) in &change.groups_gone {
            if let Some(memory) = self.groups.remove(name) {
                verdicts.extend(group_over(name, &memory));
            }
        }
        verdicts
    }

    /// An interface is gone from its device's inventory: what was said of it becomes absent.
    pub fn forget_interface(&mut self, interface: &InterfaceId) -> Verdicts {
        let memory = self.interfaces.remove(interface).unwrap_or_default();
        memory.told(interface).into_iter().map(|key| (key, Verdict::Absent)).collect()
    }

    /// A device is retired: what was said of it and its interfaces becomes absent. Its links and groups follow
    /// by [`Self::follow`].
    pub fn forget(&mut self, device: &DeviceId) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if let Some(memory) = self.devices.remove(device) {
            verdicts.extend(memory.told().map(|kind| (device::key(kind, device), Verdict::Absent)));
        }
        self.interfaces.retain(|id, memory| {
            if id.device == *device {
                verdicts.extend(memory.told(id).into_iter().map(|key| (key, Verdict::Absent)));
            }
            id.device != *device
        });
        verdicts
    }
}

fn group_over(name: &Arc<str>, memory: &redundancy::Memory) -> Verdicts {
    memory.told().map(|kind| (redundancy::key(kind, name, &memory.device), Verdict::Absent)).collect()
}

#[cfg(test)]
mod tests;
