//! The table of all interfaces: one writer, [`Table`], and any number of readers.
//!
//! The writer is handed samples and the time, one after the other, by whoever owns it. It changes
//! cells in place, and replaces a device's roster or the directory only when somebody joins or
//! leaves. Once everybody has joined, applying a poll or an event allocates nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::changes::{Changes, Slot};
use super::device::{Device, interface_id, note};
use super::directory::{Directory, Entry, TableReader, Work};
use super::speed::Speed;
use super::{Basis, Settings, cell};
use crate::fabric::{
    DeviceId, DeviceState, InterfaceId, InterfaceState, Reading, Sample, Timestamp, UtilizationSpread,
};

/// Rows that one [`Table::tick`] looks at, at most: some milliseconds of work.
const ROWS_PER_TICK: usize = 16_384;

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
                // Not the table's.
                Reading::Aggregations(_)
                | Reading::SpanningTree(_)
                | Reading::Sensors(_)
                | Reading::NextHops(_)
                | Reading::Gateways(_)
                | Reading::HostLosses(_)
                | Reading::Pace { .. } => return,
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
            Reading::Aggregations(members) => device.aggregate(members, &self.settings),
            Reading::Unreachable(_)
            | Reading::Retired
            | Reading::SpanningTree(_)
            | Reading::Sensors(_)
            | Reading::NextHops(_)
            | Reading::Gateways(_)
            | Reading::HostLosses(_)
            | Reading::Pace { .. } => {}
        }
        device.hear(sample, changes);
    }

    fn join(&mut self, id: &DeviceId) -> u32 {
        let entry = Arc::new(Entry::new(id.clone()));
        let device = Device::new(Arc::clone(&entry));
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
            device.add_up(&self.settings);
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

    /// How its utilisation was spread over the windows that end now; none of an interface that never carried traffic.
    pub fn spread(&self, id: &InterfaceId, now: Timestamp) -> Option<UtilizationSpread> {
        let slot = self.slot(id)?;
        self.device_of(slot)?.roster.spread(slot.interface as usize, now)
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

fn scale(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
