//! What readers hold: which devices and interfaces there are, and where their cells lie.
//!
//! A [`Roster`] belongs to one device and never changes: who joins or leaves gets a new roster, and
//! new cells into which the writer copied the old ones. A cell therefore belongs to one interface
//! for all its life, and a reader that still holds an old roster reads what was true when that was
//! replaced, never a mix of two interfaces. Memory goes when the last reader lets go.
//!
//! Devices are found by hash in shards of an immutable map each, so that a device that joins costs a
//! copy of one shard and not of all.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::cell::{self, Basis, DeviceCell, DeviceWords, InterfaceCell};
use super::spread::SpreadCell;
use crate::fabric::{
    DeviceId, DeviceIdentity, DeviceState, InterfaceId, InterfaceInfo, InterfaceState, Timestamp, UtilizationSpread,
};

const SHARDS: usize = 256;

/// Where the spread of an interface's utilisation lies, from its first traffic on. An interface takes it along from
/// roster to roster.
pub type SpreadPlace = OnceLock<Arc<SpreadCell>>;

/// The interfaces of one device.
#[derive(Default)]
pub struct Roster {
    /// In the order of the device's inventory; no two of one name.
    pub infos: Box<[Arc<InterfaceInfo>]>,
    /// Hashes of the names with their indices into `infos`, by hash: one name is looked at to find one, not a dozen
    /// all over memory.
    by_hash: Box<[(u32, u32)]>,
    hasher: RandomState,
    /// One for each of `infos`.
    pub cells: Arc<[InterfaceCell]>,
    /// One for each of `infos`.
    pub spreads: Arc<[SpreadPlace]>,
}

impl Roster {
    /// Interfaces and their cells, which are as many.
    pub fn new(
        infos: Box<[Arc<InterfaceInfo>]>,
        cells: Arc<[InterfaceCell]>,
        spreads: Arc<[SpreadPlace]>,
        hasher: RandomState,
    ) -> Self {
        debug_assert_eq!((infos.len(), infos.len()), (cells.len(), spreads.len()));
        let mut by_hash: Box<[_]> =
            infos.iter().zip(0..).map(|(info, index)| (hash(&hasher, &info.if_name), index)).collect();
        by_hash.sort_unstable();
        Self { infos, by_hash, hasher, cells, spreads }
    }

    /// The index of the interface of this name.
    pub fn find(&self, if_name: &str) -> Option<usize> {
        let wanted = hash(&self.hasher, if_name);
        let from = self.by_hash.partition_point(|(hash, _)| *hash < wanted);
        let same = self.by_hash[from..].iter().take_while(|(hash, _)| *hash == wanted);
        same.map(|(_, index)| *index as usize).find(|index| *self.infos[*index].if_name == *if_name)
    }

    /// Its interfaces' states, by name.
    fn states(&self, device: &DeviceId, states: &mut Vec<InterfaceState>) {
        let mut order: Vec<usize> = (0..self.infos.len()).collect();
        order.sort_unstable_by(|a, b| self.infos[*a].if_name.cmp(&self.infos[*b].if_name));
        states.extend(order.into_iter().filter_map(|index| self.state(device, index)));
    }

    /// How the utilisation of one of its interfaces was spread; none of one that never carried traffic.
    pub fn spread(&self, index: usize, now: Timestamp) -> Option<UtilizationSpread> {
        Some(self.spreads.get(index)?.get()?.read(now))
    }

    /// The state of one of its interfaces.
    pub fn state(&self, device: &DeviceId, index: usize) -> Option<InterfaceState> {
        let (info, cell) = (self.infos.get(index)?, self.cells.get(index)?);
        Some(cell::interface_state(&cell.read(), device, info))
    }
}

fn hash(hasher: &RandomState, if_name: &str) -> u32 {
    hasher.hash_one(if_name) as u32
}

/// A device as readers see it.
pub struct Entry {
    /// Its name.
    pub id: DeviceId,
    /// Who it says it is.
    pub identity: ArcSwap<DeviceIdentity>,
    /// Its interfaces.
    pub roster: ArcSwap<Roster>,
    /// Its health.
    pub cell: DeviceCell,
}

impl Entry {
    /// A device of which nothing is known.
    pub fn new(id: DeviceId) -> Self {
        Self { id, identity: ArcSwap::default(), roster: ArcSwap::default(), cell: DeviceCell::default() }
    }

    /// Its state.
    pub fn state(&self) -> DeviceState {
        let interfaces = self.roster.load().infos.len();
        DeviceWords::load(&self.cell).state(self.id.clone(), self.identity.load_full(), interfaces)
    }
}

type Shard = HashMap<DeviceId, Arc<Entry>>;

/// All devices.
pub struct Directory {
    shards: Box<[ArcSwap<Shard>]>,
    /// Names come from the network: nobody shall know which of them collide.
    pub hasher: RandomState,
    /// What the writer has done.
    pub work: Work,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            work: Work::default(),
        }
    }
}

impl Directory {
    fn shard(&self, id: &DeviceId) -> &ArcSwap<Shard> {
        &self.shards[self.hasher.hash_one(id) as usize % SHARDS]
    }

    /// Let readers see a device. For the writer only.
    pub fn insert(&self, entry: Arc<Entry>) {
        let shard = self.shard(&entry.id);
        let mut devices = Shard::clone(&shard.load());
        devices.insert(entry.id.clone(), entry);
        shard.store(Arc::new(devices));
    }

    /// Hide a device. For the writer only.
    pub fn remove(&self, id: &DeviceId) {
        let shard = self.shard(id);
        let mut devices = Shard::clone(&shard.load());
        devices.remove(id);
        shard.store(Arc::new(devices));
    }

    fn entry(&self, id: &DeviceId) -> Option<Arc<Entry>> {
        self.shard(id).load().get(id).cloned()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> =
            self.shards.iter().flat_map(|shard| shard.load().values().cloned().collect::<Vec<_>>()).collect();
        entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        entries
    }
}

macro_rules! work {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the writer has done, counted.
        #[derive(Default)]
        pub struct Work { $(pub $name: AtomicU64,)* }

        /// What the table has done since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct TableStats { $($(#[$doc])* pub $name: u64,)* }

        impl Work {
            fn stats(&self) -> TableStats {
                TableStats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

work! {
    /// Samples applied.
    samples,
    /// Rows of polls applied.
    rows,
    /// Rows and events of devices or interfaces that are in no inventory: passed over.
    strangers,
    /// Rows that were read before ones already applied: passed over.
    late,
    /// Rows read so soon after the last that only their status was taken.
    hasty,
}

impl Work {
    /// Count some more. For the writer only: not atomic between several.
    pub fn add(counter: &AtomicU64, more: u64) {
        if more > 0 {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }
}

/// Reads the table from any thread, without a lock and without making the writer wait.
///
/// Every interface and every device is read as one poll left it; several of them are not one moment.
#[derive(Clone)]
pub struct TableReader {
    directory: Arc<Directory>,
}

impl TableReader {
    /// Reads this directory.
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        Self { directory }
    }

    /// All devices, by name.
    pub fn devices(&self) -> Vec<DeviceState> {
        self.directory.entries().iter().map(|entry| entry.state()).collect()
    }

    /// All interfaces, by device and name.
    pub fn interfaces(&self) -> Vec<InterfaceState> {
        let rosters: Vec<_> =
            self.directory.entries().into_iter().map(|entry| (entry.id.clone(), entry.roster.load_full())).collect();
        let mut states = Vec::with_capacity(rosters.iter().map(|(_, roster)| roster.infos.len()).sum());
        for (device, roster) in &rosters {
            roster.states(device, &mut states);
        }
        states
    }

    /// One device.
    pub fn device(&self, id: &DeviceId) -> Option<DeviceState> {
        Some(self.directory.entry(id)?.state())
    }

    /// The interfaces of one device, by name; none of a device that is not known.
    pub fn interfaces_of(&self, id: &DeviceId) -> Vec<InterfaceState> {
        let Some(entry) = self.directory.entry(id) else { return Vec::new() };
        let mut states = Vec::new();
        entry.roster.load().states(&entry.id, &mut states);
        states
    }

    /// One interface.
    pub fn interface(&self, id: &InterfaceId) -> Option<InterfaceState> {
        let shard = self.directory.shard(&id.device).load();
        let entry = shard.get(&id.device)?;
        let roster = entry.roster.load();
        roster.state(&entry.id, roster.find(&id.if_name)?)
    }

    /// How its utilisation was spread over the windows that end now; none of an interface that never carried traffic.
    pub fn spread(&self, id: &InterfaceId, now: Timestamp) -> Option<UtilizationSpread> {
        let shard = self.directory.shard(&id.device).load();
        let roster = shard.get(&id.device)?.roster.load();
        roster.spread(roster.find(&id.if_name)?, now)
    }

    /// What an interface's rates rest on; none while it has none.
    pub fn basis(&self, id: &InterfaceId) -> Option<Basis> {
        let entry = self.directory.entry(&id.device)?;
        let roster = entry.roster.load();
        cell::basis(&roster.cells.get(roster.find(&id.if_name)?)?.read())
    }

    /// What the table has done since the start.
    pub fn stats(&self) -> TableStats {
        self.directory.work.stats()
    }
}
