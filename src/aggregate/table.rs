//! The table of all interfaces: one writer, [`Table`], and any number of readers.
//!
//! The writer is handed samples and the time, one after the other, by whoever owns it. It changes
//! cells in place, and replaces a device's roster or the directory only when somebody joins or
//! leaves. Once everybody has joined, applying a poll or an event allocates nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::algebra::{self, Moment};
use super::cell::{DeviceWords, InterfaceCell};
use super::directory::{Directory, Entry, Roster, TableReader, Work};
use super::refresh::Refresh;
use super::row::{Context, Fate, Outcome, Row};
use super::speed::Speed;
use super::{Basis, Settings, cell};
use crate::fabric::{
    DeviceHealth, DeviceId, DeviceIdentity, DeviceState, InterfaceId, InterfaceInfo, InterfacePoll, InterfaceState,
    OperStatus, Reading, Sample, Timestamp, Unknown,
};

/// Rows that one [`Table::tick`] looks at, at most: some milliseconds of work.
const ROWS_PER_TICK: usize = 16_384;

/// Where an interface lies in the table: good for asking the table until the next sample is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    device: u32,
    interface: u32,
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
    /// Interfaces that are gone.
    pub removed: Vec<InterfaceId>,
}

impl Changes {
    /// Nothing changed; the memory is kept.
    pub fn clear(&mut self) {
        let Self { device, restarted, inventory, neighbors, retired, interfaces, oper, removed } = self;
        (*device, *restarted, *inventory, *neighbors, *retired) = (false, false, false, false, false);
        interfaces.clear();
        oper.clear();
        removed.clear();
    }
}

struct Device {
    entry: Arc<Entry>,
    roster: Arc<Roster>,
    rows: Vec<Row>,
    refresh: Refresh,
    words: DeviceWords,
    /// The last time that its uptime was told.
    moment: Option<Moment>,
}

/// The writer's end of the table.
pub struct Table {
    settings: Settings,
    directory: Arc<Directory>,
    numbers: HashMap<DeviceId, u32>,
    devices: Vec<Option<Device>>,
    free: Vec<u32>,
    /// Where the next tick goes on.
    tick_at: (usize, usize),
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings) -> (Self, TableReader) {
        let directory = Arc::new(Directory::default());
        let table = Self {
            settings,
            directory: Arc::clone(&directory),
            numbers: HashMap::new(),
            devices: Vec::new(),
            free: Vec::new(),
            tick_at: (0, 0),
        };
        (table, TableReader::new(directory))
    }

    /// Take in a sample; `changes` is overwritten with what it changed.
    ///
    /// A device joins with its identity, its inventory, or the news that it does not answer. Polls and events of
    /// devices and interfaces that never joined are counted and passed over.
    pub fn apply(&mut self, sample: &Sample, changes: &mut Changes) {
        changes.clear();
        let directory = Arc::clone(&self.directory);
        Work::add(&directory.work.samples, 1);
        if matches!(sample.reading, Reading::Retired) {
            self.retire(&sample.device, changes);
            return;
        }
        let number = match self.numbers.get(&sample.device) {
            Some(number) => *number,
            None => match &sample.reading {
                Reading::Identity(_) | Reading::Inventory(_) | Reading::Unreachable(_) => {
                    changes.device = true;
                    self.join(&sample.device)
                }
                Reading::Neighbors(_) => {
                    changes.neighbors = true;
                    return;
                }
                Reading::Poll(rows) => {
                    Work::add(&directory.work.strangers, rows.len() as u64);
                    return;
                }
                Reading::Event { .. } | Reading::Retired => {
                    Work::add(&directory.work.strangers, 1);
                    return;
                }
            },
        };
        let Some(device) = self.devices.get_mut(number as usize).and_then(Option::as_mut) else { return };
        match &sample.reading {
            Reading::Identity(identity) => device.identify(identity, changes),
            Reading::Inventory(infos) => device.enlist(number, infos, &self.settings, &directory, changes),
            Reading::Poll(rows) => device.poll(number, sample, rows, &self.settings, &directory.work, changes),
            Reading::Event { if_name, oper_status, medium } => match device.roster.find(if_name) {
                Some(index) => {
                    let cell = &device.roster.cells[index];
                    let outcome = device.rows[index].event(cell, sample.taken_at, *oper_status, *medium);
                    note(changes, Slot { device: number, interface: index as u32 }, outcome, sample.taken_at);
                }
                None => Work::add(&directory.work.strangers, 1),
            },
            Reading::Neighbors(_) => changes.neighbors = true,
            Reading::Unreachable(_) | Reading::Retired => {}
        }
        device.hear(sample, changes);
    }

    fn join(&mut self, id: &DeviceId) -> u32 {
        let entry = Arc::new(Entry::new(id.clone()));
        let device = Device {
            roster: entry.roster.load_full(),
            entry: Arc::clone(&entry),
            rows: Vec::new(),
            refresh: Refresh::default(),
            words: DeviceWords::default(),
            moment: None,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.devices[number as usize] = Some(device);
                number
            }
            None => {
                self.devices.push(Some(device));
                (self.devices.len() - 1) as u32
            }
        };
        self.numbers.insert(id.clone(), number);
        self.directory.insert(entry);
        number
    }

    fn retire(&mut self, id: &DeviceId, changes: &mut Changes) {
        let Some(number) = self.numbers.remove(id) else { return };
        self.directory.remove(id);
        if let Some(device) = self.devices[number as usize].take() {
            changes.removed.extend(device.roster.infos.iter().map(|info| interface_id(id, info)));
            changes.retired = true;
            self.free.push(number);
        }
    }

    /// Let time pass: what has not been read for too long becomes stale. Looks at a bounded part of the table and goes
    /// on with the next one the next time; `changes` is overwritten.
    pub fn tick(&mut self, now: Timestamp, changes: &mut Changes) {
        changes.clear();
        let (mut number, mut from) = self.tick_at;
        let (mut left, mut visited) = (ROWS_PER_TICK, 0);
        while left > 0 && visited < self.devices.len() {
            if number >= self.devices.len() {
                (number, from) = (0, 0);
            }
            if let Some(device) = &mut self.devices[number] {
                let to = device.rows.len().min(from + left);
                if let Some(interval) = device.refresh.interval() {
                    let limit = scale(interval, self.settings.stale_after_intervals);
                    for index in from..to {
                        if device.rows[index].expire(&device.roster.cells[index], now, limit) {
                            changes.interfaces.push(Slot { device: number as u32, interface: index as u32 });
                        }
                    }
                }
                left -= to.saturating_sub(from);
                if to < device.rows.len() {
                    from = to;
                    continue;
                }
            }
            (number, from) = (number + 1, 0);
            visited += 1;
        }
        self.tick_at = (number, from);
    }

    /// Other settings hold from now on.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
        for device in self.devices.iter_mut().flatten() {
            for (index, row) in device.rows.iter_mut().enumerate() {
                let speed = Speed::resolve(&self.settings, device.entry.id.as_str(), &device.roster.infos[index]);
                if speed != row.speed {
                    row.set_speed(&device.roster.cells[index], speed);
                }
            }
        }
    }

    /// The slot of an interface.
    pub fn slot(&self, id: &InterfaceId) -> Option<Slot> {
        let number = *self.numbers.get(&id.device)?;
        let interface = self.devices[number as usize].as_ref()?.roster.find(&id.if_name)?;
        Some(Slot { device: number, interface: interface as u32 })
    }

    /// An interface as now known.
    pub fn interface(&self, id: &InterfaceId) -> Option<InterfaceState> {
        self.interface_at(self.slot(id)?)
    }

    /// An interface as now known, without looking for its name.
    pub fn interface_at(&self, slot: Slot) -> Option<InterfaceState> {
        let device = self.device_of(slot)?;
        device.roster.state(&device.entry.id, slot.interface as usize)
    }

    /// What an interface's rates rest on; none while it has none.
    pub fn basis_at(&self, slot: Slot) -> Option<Basis> {
        cell::basis(&self.device_of(slot)?.roster.cells.get(slot.interface as usize)?.read())
    }

    /// A device as now known.
    pub fn device(&self, id: &DeviceId) -> Option<DeviceState> {
        let number = *self.numbers.get(id)?;
        Some(self.devices[number as usize].as_ref()?.entry.state())
    }

    /// The device of an interface, as now known.
    pub fn device_at(&self, slot: Slot) -> Option<DeviceState> {
        Some(self.device_of(slot)?.entry.state())
    }

    /// All devices, in no order.
    pub fn devices(&self) -> impl Iterator<Item = DeviceState> + '_ {
        self.devices.iter().flatten().map(|device| device.entry.state())
    }

    /// The slots of a device's interfaces.
    pub fn interfaces_of(&self, id: &DeviceId) -> impl Iterator<Item = Slot> + '_ {
        let number = self.numbers.get(id).copied();
        let count = number.and_then(|number| self.devices[number as usize].as_ref()).map_or(0, |d| d.rows.len() as u32);
        (0..count).map(move |interface| Slot { device: number.unwrap_or(0), interface })
    }

    fn device_of(&self, slot: Slot) -> Option<&Device> {
        self.devices.get(slot.device as usize)?.as_ref()
    }
}

impl Device {
    fn identify(&mut self, identity: &Arc<DeviceIdentity>, changes: &mut Changes) {
        self.refresh.set_local(identity.address.is_none());
        if **self.entry.identity.load() != **identity {
            changes.device = true;
            self.entry.identity.store(Arc::clone(identity));
        }
    }

    /// Replace the roster by this inventory, if it says anything new.
    fn enlist(
        &mut self,
        number: u32,
        infos: &[Arc<InterfaceInfo>],
        settings: &Settings,
        directory: &Directory,
        changes: &mut Changes,
    ) {
        let mut names = HashSet::with_capacity(infos.len());
        let infos: Box<[_]> = infos.iter().filter(|info| names.insert(Arc::clone(&info.if_name))).cloned().collect();
        let old = Arc::clone(&self.roster);
        if old.infos == infos {
            return;
        }
        changes.inventory = true;
        let same_names =
            old.infos.len() == infos.len() && old.infos.iter().zip(&infos).all(|(was, is)| was.if_name == is.if_name);
        let cells = if same_names {
            Arc::clone(&old.cells)
        } else {
            changes.removed.extend(
                old.infos
                    .iter()
                    .filter(|info| !names.contains(&info.if_name))
                    .map(|info| interface_id(&self.entry.id, info)),
            );
            let mut old_rows = std::mem::take(&mut self.rows);
            let place = |info: &Arc<InterfaceInfo>| old.find(&info.if_name);
            self.rows = infos
                .iter()
                .map(|info| match place(info) {
                    Some(index) => std::mem::take(&mut old_rows[index]),
                    None => Row::new(Arc::clone(&info.if_name)),
                })
                .collect();
            let copy = |index: usize| {
                let cell = InterfaceCell::default();
                let words = old.cells[index].read();
                let mut write = cell.write();
                words.into_iter().enumerate().for_each(|(at, word)| write.set(at, word));
                drop(write);
                cell
            };
            infos.iter().map(|info| place(info).map(copy).unwrap_or_default()).collect()
        };
        for (index, info) in infos.iter().enumerate() {
            let before = old.find(&info.if_name).map(|index| &old.infos[index]);
            if before.is_some_and(|before| before.if_index != info.if_index) {
                self.rows[index].renumbered();
            }
            let speed = Speed::resolve(settings, self.entry.id.as_str(), info);
            if speed != self.rows[index].speed {
                self.rows[index].set_speed(&cells[index], speed);
            }
            if before != Some(info) {
                changes.interfaces.push(Slot { device: number, interface: index as u32 });
            }
        }
        self.roster = Arc::new(Roster::new(infos, cells, directory.hasher.clone()));
        self.entry.roster.store(Arc::clone(&self.roster));
    }

    fn poll(
        &mut self,
        number: u32,
        sample: &Sample,
        polls: &[InterfacePoll],
        settings: &Settings,
        work: &Work,
        changes: &mut Changes,
    ) {
        let now = Moment { at: sample.taken_at, uptime: sample.device_uptime };
        let ahead = self.first_that_moved(polls, now.at);
        let Self { roster, rows, refresh, .. } = self;
        let mut context = Context { now, tolerance: settings.tolerance, refresh, ahead, span: None };
        let (mut next, mut strangers, mut late, mut hasty) = (0, 0, 0, 0);
        for poll in polls {
            let Some(index) = place(rows, roster, next, &poll.if_name) else {
                strangers += 1;
                continue;
            };
            next = index + 1;
            let outcome = rows[index].poll(&roster.cells[index], poll, &mut context);
            match outcome.counters {
                Fate::Late => late += 1,
                Fate::Hasty => hasty += 1,
                Fate::Taken | Fate::None => {}
            }
            if outcome.counters != Fate::Late || outcome.oper_changed.is_some() {
                note(changes, Slot { device: number, interface: index as u32 }, outcome, now.at);
            }
        }
        Work::add(&work.rows, polls.len() as u64);
        Work::add(&work.strangers, strangers);
        Work::add(&work.late, late);
        Work::add(&work.hasty, hasty);
    }

    /// The previous reading of the first row whose counters moved: the cache was refreshed after it.
    fn first_that_moved(&mut self, polls: &[InterfacePoll], now: Timestamp) -> Option<Timestamp> {
        let mut next = 0;
        polls.iter().find_map(|poll| {
            let index = place(&mut self.rows, &self.roster, next, &poll.if_name)?;
            next = index + 1;
            self.rows[index].moved_since(&self.roster.cells[index], poll, now)
        })
    }

    /// What every sample tells of its device: that it answers, or that it does not.
    fn hear(&mut self, sample: &Sample, changes: &mut Changes) {
        let at = sample.taken_at;
        let before = self.words;
        match &sample.reading {
            Reading::Unreachable(reason) => {
                (self.words.health, self.words.unreachable) = (DeviceHealth::Unreachable, Some(*reason));
            }
            Reading::Identity(_) | Reading::Inventory(_) | Reading::Poll(_) | Reading::Neighbors(_) => {
                (self.words.health, self.words.unreachable) = (DeviceHealth::Ok, None);
                self.words.answered_at = self.words.answered_at.max(Some(at));
                if let Some(uptime) = sample.device_uptime {
                    let now = Moment { at, uptime: Some(uptime) };
                    if self.moment.is_none_or(|earlier| earlier.at <= at) {
                        let since = self.moment.map(|earlier| algebra::span(earlier, now));
                        changes.restarted = since == Some(Err(Unknown::Discontinuity));
                        self.moment = Some(now);
                        self.words.uptime = Some(uptime);
                    }
                }
            }
            // A trap shows that the device lives, not that it answers; who sent it nobody has proved.
            Reading::Event { .. } | Reading::Retired => return,
        }
        if before.health != self.words.health {
            self.words.health_since = Some(at);
        }
        changes.device |=
            (before.health, before.unreachable) != (self.words.health, self.words.unreachable) || changes.restarted;
        self.words.store(&self.entry.cell);
    }
}

/// The row of a name: nearly always the one after the last, as rows come in the same order each time.
fn place(rows: &mut [Row], roster: &Roster, next: usize, if_name: &Arc<str>) -> Option<usize> {
    if let Some(row) = rows.get(next) {
        if Arc::ptr_eq(&row.name, if_name) {
            return Some(next);
        }
        if row.name == *if_name {
            rows[next].name = Arc::clone(if_name);
            return Some(next);
        }
    }
    roster.find(if_name)
}

fn note(changes: &mut Changes, slot: Slot, outcome: Outcome, at: Timestamp) {
    changes.interfaces.push(slot);
    if let Some((before, after)) = outcome.oper_changed {
        changes.oper.push(OperChange { slot, before, after, at });
    }
}

fn interface_id(device: &DeviceId, info: &InterfaceInfo) -> InterfaceId {
    InterfaceId { device: device.clone(), if_name: Arc::clone(&info.if_name) }
}

fn scale(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
