//! The one writer: takes polls into the head, seals the head into blocks, forgets what is too old.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use fjall::{PersistMode, Readable};

use super::block::{self, Column};
use super::column::{COLUMNS, Cells, DELAY, UPTIME_DELAY};
use super::engine::{
    Engine, StoreError, block_key, carry_key, device_name_key, head_key, head_key_parts, id_value, interface_name_key,
    last_id_key,
};
use super::query::Reading;
use super::row::{self, Entries, RowHead, RowReader};
use super::tier::{self, Tier, counters_id, spread_id};
use super::{BLOCK_LAG, BLOCK_ROWS, BLOCK_SPAN_US, BLOCK_TIME, BLOCK_UPTIME, Damaged, Settings};
use crate::fabric::{DeviceId, InterfacePoll, Timestamp, Uptime};

/// What did not move is kept all the same when it was last kept so long ago.
pub(super) const QUIET_US: u64 = 30_000_000;
/// How many values the sealing of a block may hold in memory at a time (16 bytes each).
const SEAL_VALUES: usize = 1 << 18;
/// Into how many partitions the retention and the disk budget are cut: what is forgotten at a time.
const PARTITIONS: u32 = 16;
/// How much of the buckets of a device is held in memory until it is put in rows: two thousand interfaces are one row each.
const BUCKET_BYTES: usize = 4 << 20;

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

/// A large device answers a poll in many parts, each with a time of its own. So what is remembered of time is remembered of
/// an interface, and not of its device.
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
    retention_us: [u64; Tier::COUNT],
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
        for tier in Tier::ALL {
            if engine.level(tier).partitions.load().is_empty() {
                engine.add_partition(tier, micros(now).unwrap_or(0))?;
            }
        }
        let retentions = [settings.retention, settings.retention_5m, settings.retention_1h];
        Ok(Self {
            engine,
            devices: HashMap::new(),
            last_device_id,
            retention_us: retentions.map(|span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
            max_bytes: settings.max_bytes,
            dirty: false,
            sealed: 0,
        })
    }

    /// Take an answer that is a whole poll.
    #[cfg(test)]
    pub(super) fn append(
        &mut self,
        device: &DeviceId,
        taken_at: Timestamp,
        uptime: Option<Uptime>,
        polls: &[InterfacePoll],
    ) -> Result<Appended, StoreError> {
        self.append_parts(device, &[Part { taken_at, uptime, polls: polls.to_vec() }])
    }

    /// Take the answers that are one poll together, in order of time. Atomic: after a crash it is there as a whole or not
    /// at all.
    pub(super) fn append_parts(&mut self, device: &DeviceId, parts: &[Part]) -> Result<Appended, StoreError> {
        let Some(first) = parts.first() else { return Ok(Appended::Quiet) };
        let Some(time) = micros(first.taken_at) else { return Ok(Appended::Quiet) };
        let mut batch = self.engine.db.batch();
        if !self.devices.contains_key(device) {
            let loaded = self.load(device, &mut batch)?;
            self.devices.insert(device.clone(), loaded);
        }
        let Some(state) = self.devices.get_mut(device) else { return Ok(Appended::Quiet) };

        // Two within one microsecond are rows all the same.
        let time = if state.last == Some(time) { time + 1 } else { time };
        let mut moved = false;
        let mut lag_us = None;
        let mut cells = Vec::with_capacity(parts.iter().map(|part| part.polls.len()).sum());
        let row_time = time;
        for (part, poll) in parts.iter().flat_map(|part| part.polls.iter().map(move |poll| (part, poll))) {
            let time = micros(part.taken_at).unwrap_or(0).max(row_time);
            let mut now = Cells::of(poll);
            let fingerprint = now.fingerprint();
            if time > row_time {
                now.set(DELAY, time - row_time);
                if let (Some(start), Some(uptime)) = (first.uptime, part.uptime)
                    && uptime != start
                {
                    now.set(UPTIME_DELAY, u64::from(uptime.0.wrapping_sub(start.0)));
                }
            }
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
        for poll in parts.iter().flat_map(|part| &part.polls) {
            if let Some(interface) = state.interfaces.get_mut(&poll.if_name) {
                interface.kept_at = interface.polled_at;
            }
        }

        let full = state.rows >= BLOCK_ROWS || (state.rows > 0 && time.abs_diff(state.first) >= BLOCK_SPAN_US);
        let head = RowHead { lag_ms: lag_us.map(|lag| lag / 1_000), uptime: first.uptime };
        batch.insert(&self.engine.level(Tier::Full).head, head_key(state.id, time), row::encode(head, &cells));
        let id = state.id;
        if full {
            // The row that comes now begins the next block.
            self.seal(Tier::Full, id)?;
            self.seal_tiers(id)?;
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
                self.seal(Tier::Full, id)?;
                self.seal_tiers(id)?;
                // The next poll, if one ever comes, finds its way from the store again.
                self.devices.retain(|_, device| device.id != id);
            }
        }

        for tier in Tier::ALL {
            let partitions = self.engine.level(tier).partitions.load_full();
            let Some(newest) = partitions.last() else { continue };
            let long = (self.retention_us[tier as usize] / u64::from(PARTITIONS)).max(BLOCK_SPAN_US);
            let big = tier.share(self.max_bytes) / u64::from(PARTITIONS);
            let empty = newest.last == 0;
            if !empty && (now.saturating_sub(newest.made_at) >= long || newest.keyspace.disk_space() >= big) {
                self.engine.add_partition(tier, now)?;
            }
            drop(partitions);
            loop {
                let partitions = self.engine.level(tier).partitions.load_full();
                let [oldest, _, ..] = partitions.as_slice() else { break };
                if oldest.last >= now.saturating_sub(self.retention_us[tier as usize]) {
                    break;
                }
                drop(partitions);
                self.engine.drop_oldest_partition(tier)?;
            }
        }
        while self.engine.disk_bytes() > self.max_bytes {
            let Some(tier) = self.most_over_its_share() else { return Ok(()) };
            self.engine.drop_oldest_partition(tier)?;
        }
        Ok(())
    }

    /// Who has to give: a coarser tier that has more than its share, else the finest that has something to give.
    fn most_over_its_share(&self) -> Option<Tier> {
        let can_give = |tier: &Tier| self.engine.level(*tier).partitions.load().len() > 1;
        let over = |tier: &Tier| self.engine.level(*tier).disk_bytes() > tier.share(self.max_bytes);
        Tier::COARSE
            .into_iter()
            .find(|tier| over(tier) && can_give(tier))
            .or_else(|| Tier::ALL.into_iter().find(can_give))
    }

    /// Every device that has rows in the head, with the time of its first.
    fn heads(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let mut heads = Vec::new();
        let mut next = 0u32;
        while let Some(guard) = self.engine.level(Tier::Full).head.range(head_key(next, 0)..).next() {
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
        for guard in engine.level(Tier::Full).head.range(of_device(id)) {
            let (_, time) = head_key_parts(&guard.key()?)?;
            if rows == 0 {
                first = time;
            }
            rows += 1;
            last = Some(time);
        }
        Ok(Device { id, interfaces: HashMap::new(), last_interface_id, rows, first, last })
    }

    /// Seal what a device has in the coarser tiers where that is much.
    fn seal_tiers(&mut self, device: u32) -> Result<(), StoreError> {
        for tier in Tier::COARSE {
            let (mut rows, mut first, mut last) = (0, u64::MAX, 0);
            for guard in self.engine.level(tier).head.range(of_device(device)) {
                let (_, time) = head_key_parts(&guard.key()?)?;
                rows += 1;
                (first, last) = (first.min(time), last.max(time));
            }
            if rows >= tier.block_rows() || last.saturating_sub(first) >= tier.block_span_us() {
                self.seal(tier, device)?;
            }
        }
        Ok(())
    }

    /// Turn the rows of a device's head into blocks, and those as they were read into buckets too, in one atomic step.
    fn seal(&mut self, tier: Tier, device: u32) -> Result<(), StoreError> {
        let engine = &self.engine;
        let head = &engine.level(tier).head;
        let snapshot = engine.db.snapshot();
        let (mut times, mut lags, mut uptimes) = (Vec::new(), Vec::new(), Vec::new());
        let mut interfaces = BTreeSet::new();
        for guard in snapshot.range(head, of_device(device)) {
            let (key, value) = guard.into_inner()?;
            let mut reader = RowReader::new(&value)?;
            times.push(head_key_parts(&key)?.1);
            lags.push(reader.head.lag_ms);
            uptimes.push(reader.head.uptime);
            while let Some((id, _)) = reader.next_entry()? {
                interfaces.insert(id);
            }
        }
        let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
            return Ok(());
        };
        let rows = times.len();
        let mut batch = engine.db.batch();
        let Some(blocks) = engine.widen_newest(tier, first, last, &mut batch) else { return Ok(()) };
        // Only a clock that was set back makes two blocks of a device start at one time.
        let mut start = first;
        while blocks.contains_key(block_key(device, 0, start))? {
            start = start.saturating_sub(1);
        }

        let mut carry = match snapshot.get(&engine.names, carry_key(device))? {
            Some(value) if tier == Tier::Full => Carry::read(&value)?,
            _ => Carry::default(),
        };
        let (mut buckets, mut newest) = (Buckets::default(), Carry::default());
        let interfaces: Vec<u32> = interfaces.into_iter().collect();
        for some in interfaces.chunks((SEAL_VALUES / (rows * COLUMNS)).max(1)) {
            let mut table = vec![vec![Cells::EMPTY; rows]; some.len()];
            for (row, guard) in snapshot.range(head, of_device(device)).enumerate() {
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
                if tier != Tier::Full {
                    continue;
                }
                let before = carry.0.remove(id);
                let mut readings = Vec::with_capacity(rows + 1);
                readings.extend(before);
                for (row, cells) in cells.into_iter().enumerate().filter(|(_, cells)| cells.mask != 0) {
                    readings.push(Reading::of_row(times[row], lags[row], uptimes[row], cells));
                }
                buckets.take(*id, &readings, before.is_some());
                if buckets.bytes >= BUCKET_BYTES {
                    buckets.write(engine, &snapshot, device, &mut batch)?;
                }
                if let Some(last) = readings.last() {
                    newest.0.insert(*id, *last);
                }
            }
        }
        if tier == Tier::Full {
            batch.insert(&engine.names, carry_key(device), newest.encode(last));
            buckets.write(engine, &snapshot, device, &mut batch)?;
        }
        for time in &times {
            batch.remove(head, head_key(device, *time));
        }
        let shared = [
            Column { id: BLOCK_TIME, values: times.into_iter().map(Some).collect() },
            Column { id: BLOCK_LAG, values: lags },
            Column {
                id: BLOCK_UPTIME,
                values: uptimes.iter().map(|uptime| uptime.map(|it| u64::from(it.0))).collect(),
            },
        ];
        batch.insert(&blocks, block_key(device, 0, start), block::encode(rows, &shared)?);
        batch.commit()?;
        self.dirty = true;
        self.sealed += u64::from(tier == Tier::Full);
        Ok(())
    }
}

/// One answer of a poll.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) taken_at: Timestamp,
    pub(super) uptime: Option<Uptime>,
    pub(super) polls: Vec<InterfacePoll>,
}

/// Buckets on their way into the heads of the coarser tiers.
#[derive(Default)]
struct Buckets {
    /// How often they were written already for the block that is being sealed.
    writes: u64,
    rows: BTreeMap<(Tier, u64), Entries>,
    bytes: usize,
}

impl Buckets {
    fn take(&mut self, interface: u32, readings: &[Reading], carried: bool) {
        for tier in Tier::COARSE {
            for (bucket, (counters, spread)) in tier::buckets(readings, carried, tier) {
                let entries = self.rows.entry((tier, bucket)).or_default();
                let before = entries.len();
                if counters.mask != 0 {
                    entries.push(counters_id(interface), &counters);
                }
                if spread.mask != 0 {
                    entries.push(spread_id(interface), &spread);
                }
                self.bytes += entries.len() - before;
            }
        }
    }

    /// Each bucket gets a row that is not there yet: the first microsecond of the bucket that is free, apart by a stride
    /// for each time that this seal writes, because it does not see itself.
    fn write(
        &mut self,
        engine: &Engine,
        snapshot: &impl Readable,
        device: u32,
        batch: &mut fjall::OwnedWriteBatch,
    ) -> Result<(), StoreError> {
        const STRIDE: u64 = 1_000;
        self.bytes = 0;
        self.writes += 1;
        for ((tier, bucket), entries) in std::mem::take(&mut self.rows) {
            let head = &engine.level(tier).head;
            let mut time = bucket + (self.writes - 1) * STRIDE;
            while snapshot.contains_key(head, head_key(device, time))? {
                time += 1;
            }
            batch.insert(head, head_key(device, time), entries.finish(RowHead { lag_ms: None, uptime: None }));
        }
        Ok(())
    }
}

/// The last sealed reading of every interface of a device.
///
/// ```text
/// newest row(8) | { time(8) | length | a row of one } ...
/// ```
#[derive(Default)]
pub(super) struct Carry(HashMap<u32, Reading>);

impl Carry {
    /// When the newest row was taken that has been sealed.
    pub(super) fn sealed_to(bytes: &[u8]) -> Result<u64, Damaged> {
        Ok(u64::from_be_bytes(*bytes.first_chunk::<8>().ok_or(Damaged("a carry is cut short"))?))
    }

    fn encode(&self, sealed_to: u64) -> Vec<u8> {
        let mut out = sealed_to.to_be_bytes().to_vec();
        for (id, reading) in &self.0 {
            let mut cells = reading.cells;
            cells.mask &= !(1 << DELAY | 1 << UPTIME_DELAY);
            let row = row::encode(RowHead { lag_ms: reading.lag_ms, uptime: reading.uptime }, &[(*id, cells)]);
            out.extend(reading.time.to_be_bytes());
            row::put(&mut out, row.len() as u64);
            out.extend(row);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let cut = Damaged("a carry is cut short");
        let mut bytes = bytes.get(8..).ok_or(cut)?;
        let mut readings = HashMap::new();
        while !bytes.is_empty() {
            let (time, rest) = bytes.split_first_chunk::<8>().ok_or(cut)?;
            bytes = rest;
            let length = usize::try_from(row::take(&mut bytes)?).map_err(|_| cut)?;
            let (row, rest) = bytes.split_at_checked(length).ok_or(cut)?;
            bytes = rest;
            let mut reader = RowReader::new(row)?;
            while let Some((id, entry)) = reader.next_entry()? {
                let (time, head) = (u64::from_be_bytes(*time), reader.head);
                readings.insert(id, Reading::of_row(time, head.lag_ms, head.uptime, entry.cells()?));
            }
        }
        Ok(Self(readings))
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
