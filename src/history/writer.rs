//! The one writer: takes polls into the head, seals the head into blocks, forgets what is too old.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use fjall::{PersistMode, Readable};

use super::block::{self, Column};
use super::column::{COLUMNS, Cells};
use super::engine::{
    Engine, StoreError, block_key, device_name_key, head_key, head_key_parts, id_value, interface_name_key, last_id_key,
};
use super::row::{self, RowHead, RowReader};
use super::{BLOCK_LAG, BLOCK_ROWS, BLOCK_SPAN_US, BLOCK_TIME, BLOCK_UPTIME, Settings};
use crate::fabric::{DeviceId, InterfacePoll, Timestamp, Uptime};

/// What did not move is kept all the same when it was last kept so long ago.
pub(super) const QUIET_US: u64 = 30_000_000;
/// How many values the sealing of a block may hold in memory at a time (16 bytes each).
const SEAL_VALUES: usize = 1 << 18;
/// Into how many partitions the retention and the disk budget are cut: what is forgotten at a time.
const PARTITIONS: u32 = 16;

/// What became of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// It is in the head.
    Kept,
    /// Nothing had moved since the one before.
    Quiet,
}

/// What the writer remembers of a device. What it does not, it finds in the store.
struct Device {
    id: u32,
    interfaces: HashMap<Arc<str>, Interface>,
    last_interface_id: u32,
    /// Rows in the head, and the times of the oldest and the newest.
    rows: usize,
    first: u64,
    last: Option<u64>,
}

/// A large device answers a poll in many parts, each with a time of its own and a row of its own. So what is remembered
/// of time is remembered of an interface, and not of its device.
struct Interface {
    id: u32,
    /// Of the cells last read.
    fingerprint: u64,
    /// Time of the last reading, and of the last that was kept.
    polled_at: Option<u64>,
    kept_at: Option<u64>,
}

/// The one writer of a store.
pub(super) struct Writer {
    engine: Arc<Engine>,
    devices: HashMap<DeviceId, Device>,
    last_device_id: u32,
    retention_us: u64,
    max_bytes: u64,
    dirty: bool,
    /// Blocks sealed since it began.
    pub(super) sealed: u64,
}

impl Writer {
    pub(super) fn new(engine: Arc<Engine>, settings: &Settings, now: Timestamp) -> Result<Self, StoreError> {
        let last_device_id = match engine.names.get(last_id_key(0))? {
            Some(value) => id_value(&value)?,
            None => 0,
        };
        if engine.partitions.load().is_empty() {
            engine.add_partition(micros(now).unwrap_or(0))?;
        }
        Ok(Self {
            engine,
            devices: HashMap::new(),
            last_device_id,
            retention_us: u64::try_from(settings.retention.as_micros()).unwrap_or(u64::MAX),
            max_bytes: settings.max_bytes,
            dirty: false,
            sealed: 0,
        })
    }

    /// Take a poll. Atomic: after a crash it is there as a whole or not at all.
    pub(super) fn append(
        &mut self,
        device: &DeviceId,
        taken_at: Timestamp,
        uptime: Option<Uptime>,
        polls: &[InterfacePoll],
    ) -> Result<Appended, StoreError> {
        let Some(time) = micros(taken_at) else { return Ok(Appended::Quiet) };
        let mut batch = self.engine.db.batch();
        if !self.devices.contains_key(device) {
            let loaded = self.load(device, &mut batch)?;
            self.devices.insert(device.clone(), loaded);
        }
        let Some(state) = self.devices.get_mut(device) else { return Ok(Appended::Quiet) };

        // Parts that came within one microsecond are rows all the same.
        let time = if state.last == Some(time) { time + 1 } else { time };
        let mut moved = false;
        let mut lag_us = None;
        let mut cells = Vec::with_capacity(polls.len());
        for poll in polls {
            let now = Cells::of(poll);
            let fingerprint = now.fingerprint();
            let interface = match state.interfaces.get_mut(&poll.if_name) {
                Some(interface) => interface,
                None => {
                    let key = interface_name_key(state.id, &poll.if_name);
                    let (id, polled_at) = match self.engine.names.get(&key)? {
                        // Forgotten by us: it was not looked at later than the device was.
                        Some(value) => (id_value(&value)?, state.last),
                        None => {
                            state.last_interface_id += 1;
                            batch.insert(&self.engine.names, key, state.last_interface_id.to_be_bytes());
                            batch.insert(
                                &self.engine.names,
                                last_id_key(state.id),
                                state.last_interface_id.to_be_bytes(),
                            );
                            (state.last_interface_id, None)
                        }
                    };
                    let unread = Interface { id, fingerprint, polled_at, kept_at: None };
                    state.interfaces.entry(poll.if_name.clone()).or_insert(unread)
                }
            };
            moved |= interface.fingerprint != fingerprint
                || interface.kept_at.is_none_or(|kept_at| time.abs_diff(kept_at) >= QUIET_US);
            // One that was away for longer than the others makes the row late: no rate is drawn across.
            lag_us = lag_us.max(interface.polled_at.and_then(|before| time.checked_sub(before)));
            (interface.fingerprint, interface.polled_at) = (fingerprint, Some(time));
            cells.push((interface.id, now));
        }
        if !moved {
            return Ok(Appended::Quiet);
        }
        for poll in polls {
            if let Some(interface) = state.interfaces.get_mut(&poll.if_name) {
                interface.kept_at = Some(time);
            }
        }

        let full = state.rows >= BLOCK_ROWS || (state.rows > 0 && time.abs_diff(state.first) >= BLOCK_SPAN_US);
        let head = RowHead { lag_ms: lag_us.map(|lag| lag / 1_000), uptime };
        batch.insert(&self.engine.head, head_key(state.id, time), row::encode(head, &cells));
        let id = state.id;
        if full {
            // The row that comes now begins the next block.
            self.seal(id)?;
        }
        batch.commit()?;
        self.dirty = true;
        if let Some(state) = self.devices.get_mut(device) {
            if full {
                state.rows = 0;
                // Names that come and go (containers' veths) must not pile up here.
                let first = state.first;
                state.interfaces.retain(|_, interface| interface.polled_at.is_some_and(|at| at >= first));
            }
            if state.rows == 0 || time < state.first {
                state.first = time;
            }
            state.rows += 1;
            state.last = Some(time);
        }
        Ok(Appended::Kept)
    }

    /// Make what was taken safe from loss of power. What a killed process had taken is safe already.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.dirty {
            self.engine.db.persist(PersistMode::SyncData)?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Is there something to sync?
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Seal heads that wait for a device that went silent, begin a new partition when it is time, and forget
    /// what is too old or too much.
    pub(super) fn maintain(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let now = micros(now).unwrap_or(0);
        for (id, first) in self.heads()? {
            if now.saturating_sub(first) > BLOCK_SPAN_US + QUIET_US {
                self.seal(id)?;
                // The next poll, if one ever comes, finds its way from the store again.
                self.devices.retain(|_, device| device.id != id);
            }
        }

        let partitions = self.engine.partitions.load_full();
        if let Some(newest) = partitions.last() {
            let long = (self.retention_us / u64::from(PARTITIONS)).max(BLOCK_SPAN_US);
            let big = self.max_bytes / u64::from(PARTITIONS);
            let empty = newest.last == 0;
            if !empty && (now.saturating_sub(newest.made_at) >= long || newest.keyspace.disk_space() >= big) {
                self.engine.add_partition(now)?;
            }
        }
        loop {
            let partitions = self.engine.partitions.load_full();
            let [oldest, _, ..] = partitions.as_slice() else { return Ok(()) };
            let expired = oldest.last < now.saturating_sub(self.retention_us);
            if !expired && self.engine.disk_bytes() <= self.max_bytes {
                return Ok(());
            }
            drop(partitions);
            self.engine.drop_oldest_partition()?;
        }
    }

    /// Every device that has rows in the head, with the time of its first.
    fn heads(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let mut heads = Vec::new();
        let mut next = 0u32;
        while let Some(guard) = self.engine.head.range(head_key(next, 0)..).next() {
            let (device, first) = head_key_parts(&guard.key()?)?;
            heads.push((device, first));
            match device.checked_add(1) {
                Some(id) => next = id,
                None => break,
            }
        }
        Ok(heads)
    }

    /// Find a device in the store, or give it an id.
    fn load(&mut self, name: &DeviceId, batch: &mut fjall::OwnedWriteBatch) -> Result<Device, StoreError> {
        let engine = &self.engine;
        let key = device_name_key(name.as_str());
        let id = match engine.names.get(&key)? {
            Some(value) => id_value(&value)?,
            None => {
                self.last_device_id += 1;
                batch.insert(&engine.names, key, self.last_device_id.to_be_bytes());
                batch.insert(&engine.names, last_id_key(0), self.last_device_id.to_be_bytes());
                self.last_device_id
            }
        };
        let last_interface_id = match engine.names.get(last_id_key(id))? {
            Some(value) => id_value(&value)?,
            None => 0,
        };
        let (mut rows, mut first, mut last) = (0, 0, None);
        for guard in engine.head.range(of_device(id)) {
            let (_, time) = head_key_parts(&guard.key()?)?;
            if rows == 0 {
                first = time;
            }
            rows += 1;
            last = Some(time);
        }
        Ok(Device { id, interfaces: HashMap::new(), last_interface_id, rows, first, last })
    }

    /// Turn the rows of a device's head into blocks, in one atomic step.
    fn seal(&mut self, device: u32) -> Result<(), StoreError> {
        let engine = &self.engine;
        let snapshot = engine.db.snapshot();
        let (mut times, mut lags, mut uptimes) = (Vec::new(), Vec::new(), Vec::new());
        let mut interfaces = BTreeSet::new();
        for guard in snapshot.range(&engine.head, of_device(device)) {
            let (key, value) = guard.into_inner()?;
            let mut reader = RowReader::new(&value)?;
            times.push(Some(head_key_parts(&key)?.1));
            lags.push(reader.head.lag_ms);
            uptimes.push(reader.head.uptime.map(|uptime| u64::from(uptime.0)));
            while let Some((id, _)) = reader.next_entry()? {
                interfaces.insert(id);
            }
        }
        let (Some(Some(first)), Some(Some(last))) = (times.first().copied(), times.last().copied()) else {
            return Ok(());
        };
        let rows = times.len();
        let mut batch = engine.db.batch();
        let Some(blocks) = engine.widen_newest(first, last, &mut batch) else { return Ok(()) };
        // Only a clock that was set back makes two blocks of a device start at one time.
        let mut start = first;
        while blocks.contains_key(block_key(device, 0, start))? {
            start = start.saturating_sub(1);
        }

        let interfaces: Vec<u32> = interfaces.into_iter().collect();
        for some in interfaces.chunks((SEAL_VALUES / (rows * COLUMNS)).max(1)) {
            let mut table = vec![vec![Cells::EMPTY; rows]; some.len()];
            for (row, guard) in snapshot.range(&engine.head, of_device(device)).enumerate() {
                let value = guard.value()?;
                let mut reader = RowReader::new(&value)?;
                while let Some((id, entry)) = reader.next_entry()? {
                    if let Ok(at) = some.binary_search(&id) {
                        table[at][row] = entry.cells()?;
                    }
                }
            }
            for (id, cells) in some.iter().zip(table) {
                let mask = cells.iter().fold(0, |mask, cells| mask | cells.mask);
                let columns: Vec<Column> = (0..COLUMNS as u8)
                    .filter(|column| mask & (1 << column) != 0)
                    .map(|id| Column { id, values: cells.iter().map(|cells| cells.get(id)).collect() })
                    .collect();
                batch.insert(&blocks, block_key(device, *id, start), block::encode(rows, &columns)?);
            }
        }
        for time in times.iter().flatten() {
            batch.remove(&engine.head, head_key(device, *time));
        }
        let shared = [
            Column { id: BLOCK_TIME, values: times },
            Column { id: BLOCK_LAG, values: lags },
            Column { id: BLOCK_UPTIME, values: uptimes },
        ];
        batch.insert(&blocks, block_key(device, 0, start), block::encode(rows, &shared)?);
        batch.commit()?;
        self.dirty = true;
        self.sealed += 1;
        Ok(())
    }
}

/// All keys of a device's head.
pub(super) fn of_device(device: u32) -> RangeInclusive<[u8; 12]> {
    head_key(device, 0)..=head_key(device, u64::MAX)
}

/// Microseconds since 1970; none for a clock that is not set.
fn micros(time: Timestamp) -> Option<u64> {
    u64::try_from(time.as_micros()).ok()
}
