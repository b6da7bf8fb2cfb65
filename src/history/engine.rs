//! The files: fjall keyspaces, their keys, and the partitions that make forgetting cheap.
//!
//! ```text
//! names      d NAME -> device id          i DEVICE NAME -> interface id       (ids count from 1)
//!            n DEVICE -> last interface id given (DEVICE 0: last device id)
//!            p PARTITION -> made, first, last
//! head       DEVICE TIME -> one poll of one device (row.rs)
//! blocks-N   DEVICE 0 START -> when and sysUpTime       DEVICE INTERFACE START -> its columns (block.rs)
//! ```
//! The coarser tiers have the same two, `head-5m` and `blocks-5m-N`, `head-1h` and `blocks-1h-N` (tier.rs).
//! `names` holds besides: c DEVICE -> the last readings that were sealed, which the next rates begin with.
//!
//! Integers in keys are big-endian, so that the order of keys is that of time. Times are microseconds since
//! 1970. A block lies in the partition that was current when it was sealed; the oldest partition is dropped
//! as a whole, which frees its disk at once and rewrites nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};

use super::tier::Tier;
use super::{Damaged, OpenError};

/// Cache of file blocks: a page that draws a few interfaces fits.
const CACHE_BYTES: u64 = 2 << 20;
/// Memtables: `head` turns over once per block and device, the others see little.
const HEAD_MEMTABLE_BYTES: u64 = 2 << 20;
const MEMTABLE_BYTES: u64 = 1 << 20;
/// The least that fjall takes; journals come to about twice that on disk, most of it not yet written.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Open files; the default of 900 is for servers that do nothing else.
const OPEN_FILES: usize = 128;

/// How the levels are named on disk: the head, the prefix of the partitions, the first byte of their keys.
const LEVEL_NAMES: [(&str, &str, u8); Tier::COUNT] =
    [("head", "blocks-", b'p'), ("head-5m", "blocks-5m-", b'q'), ("head-1h", "blocks-1h-", b'r')];

/// Whatever goes wrong with the store while it runs.
#[derive(Debug)]
pub(super) enum StoreError {
    Engine(fjall::Error),
    Damaged(Damaged),
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(fjall::Error::Io(why) | fjall::Error::Storage(fjall::LsmError::Io(why))) => {
                if is_full(why) {
                    f.write_str("disk full")
                } else {
                    write!(f, "{why}")
                }
            }
            Self::Engine(fjall::Error::Poisoned) => f.write_str("an earlier write failed"),
            Self::Engine(other) => write!(f, "{other:?}"),
            Self::Damaged(damaged) => f.write_str(damaged.0),
        }
    }
}

/// No room: on the disk, or in the user's quota.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// A stretch of sealed blocks.
#[derive(Clone)]
pub(super) struct Partition {
    pub(super) number: u64,
    pub(super) keyspace: Keyspace,
    /// When it was made.
    pub(super) made_at: u64,
    /// The oldest row in it; `u64::MAX` while it is empty.
    pub(super) first: u64,
    /// The newest row in it; 0 while it is empty.
    pub(super) last: u64,
}

/// The open store. Readers and the one writer share it.
pub(super) struct Engine {
    pub(super) db: Database,
    pub(super) names: Keyspace,
    levels: [Level; Tier::COUNT],
}

/// One tier: rows that are young, blocks that are not.
pub(super) struct Level {
    pub(super) head: Keyspace,
    prefix: &'static str,
    key: u8,
    /// Oldest first, never empty once the writer has begun. Widened before a block is written and shortened
    /// after a partition is gone, so that a reader who takes its snapshot first misses nothing.
    pub(super) partitions: ArcSwap<Vec<Partition>>,
}

impl Engine {
    /// Open or make the store in `path`.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(|why| OpenError::Io(path.into(), why))?;
        // Files that were damaged from outside may break assumptions inside the engine: a panic there is one
        // more way to say so.
        match catch_unwind(AssertUnwindSafe(|| Self::open_inner(path))) {
            Ok(Ok(engine)) => Ok(engine),
            Ok(Err(StoreError::Engine(fjall::Error::Locked))) => Err(OpenError::Locked(path.into())),
            Ok(Err(StoreError::Engine(fjall::Error::Io(why) | fjall::Error::Storage(fjall::LsmError::Io(why)))))
                if !matches!(
                    why.kind(),
                    std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData | std::io::ErrorKind::NotFound
                ) =>
            {
                Err(OpenError::Io(path.into(), why))
            }
            Ok(Err(other)) => Err(OpenError::Corrupt(path.into(), other.to_string())),
            Err(_) => Err(OpenError::Corrupt(path.into(), "its files contradict each other".into())),
        }
    }

    fn open_inner(path: &Path) -> Result<Self, StoreError> {
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads(1)
            .open()?;
        let names = db.keyspace("names", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
        let mut levels = Vec::new();
        for (head, prefix, key) in LEVEL_NAMES {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(HEAD_MEMTABLE_BYTES);
            let head = db.keyspace(head, options)?;
            let mut partitions = Vec::new();
            for name in db.list_keyspace_names() {
                let Some(number) = name.strip_prefix(prefix).and_then(|number| number.parse().ok()) else {
                    continue;
                };
                let keyspace = db.keyspace(&name, partition_options)?;
                let (made_at, first, last) = match names.get(partition_key(key, number))? {
                    Some(value) => partition_value(&value)?,
                    // Made just before the end, nothing in it yet.
                    None => (0, u64::MAX, 0),
                };
                partitions.push(Partition { number, keyspace, made_at, first, last });
            }
            partitions.sort_by_key(|partition| partition.number);
            levels.push(Level { head, prefix, key, partitions: ArcSwap::new(Arc::new(partitions)) });
        }
        let levels = levels.try_into().map_err(|_| Damaged("a tier is missing"))?;
        Ok(Self { db, names, levels })
    }

    /// What belongs to a tier.
    pub(super) fn level(&self, tier: Tier) -> &Level {
        &self.levels[tier as usize]
    }

    /// What the data takes on disk. The journal comes on top; most of its files is room not yet written.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.levels.iter().map(Level::disk_bytes).sum::<u64>() + self.names.disk_space()
    }

    /// Begin a new partition: from now on blocks are sealed into it.
    pub(super) fn add_partition(&self, tier: Tier, now: u64) -> Result<(), StoreError> {
        let level = self.level(tier);
        let mut partitions = level.partitions.load().as_ref().clone();
        let number = partitions.last().map_or(1, |newest| newest.number + 1);
        let keyspace = self.db.keyspace(&format!("{}{number}", level.prefix), partition_options)?;
        let partition = Partition { number, keyspace, made_at: now, first: u64::MAX, last: 0 };
        self.names.insert(partition_key(level.key, number), encode_partition(&partition))?;
        partitions.push(partition);
        level.partitions.store(Arc::new(partitions));
        Ok(())
    }

    /// Drop the oldest partition with all that is in it.
    pub(super) fn drop_oldest_partition(&self, tier: Tier) -> Result<(), StoreError> {
        let level = self.level(tier);
        let mut partitions = level.partitions.load().as_ref().clone();
        if partitions.is_empty() {
            return Ok(());
        }
        let oldest = partitions.remove(0);
        level.partitions.store(Arc::new(partitions));
        self.db.delete_keyspace(oldest.keyspace)?;
        self.names.remove(partition_key(level.key, oldest.number))?;
        Ok(())
    }

    /// The newest partition will hold rows from `first` to `last`: told to readers at once, and written in `batch`.
    pub(super) fn widen_newest(
        &self,
        tier: Tier,
        first: u64,
        last: u64,
        batch: &mut OwnedWriteBatch,
    ) -> Option<Keyspace> {
        let level = self.level(tier);
        let mut partitions = level.partitions.load().as_ref().clone();
        let newest = partitions.last_mut()?;
        newest.first = newest.first.min(first);
        newest.last = newest.last.max(last);
        batch.insert(&self.names, partition_key(level.key, newest.number), encode_partition(newest));
        let keyspace = newest.keyspace.clone();
        level.partitions.store(Arc::new(partitions));
        Some(keyspace)
    }
}

impl Level {
    /// What it takes on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        let partitions = self.partitions.load();
        partitions.iter().map(|partition| partition.keyspace.disk_space()).sum::<u64>() + self.head.disk_space()
    }
}

fn partition_options() -> KeyspaceCreateOptions {
    // What is in them is packed already, and read by the block.
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .data_block_size_policy(BlockSizePolicy::all(16 * 1024))
        .data_block_compression_policy(CompressionPolicy::disabled())
}

fn partition_key(level: u8, number: u64) -> Vec<u8> {
    [[level].as_slice(), &number.to_be_bytes()].concat()
}

fn encode_partition(partition: &Partition) -> Vec<u8> {
    [partition.made_at, partition.first, partition.last].map(u64::to_be_bytes).concat()
}

fn partition_value(value: &[u8]) -> Result<(u64, u64, u64), Damaged> {
    let mut numbers = value.chunks_exact(8).map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap_or_default()));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(made_at), Some(first), Some(last)) => Ok((made_at, first, last)),
        _ => Err(Damaged("a partition's bounds are cut short")),
    }
}

pub(super) fn device_name_key(name: &str) -> Vec<u8> {
    [b"d", name.as_bytes()].concat()
}

pub(super) fn interface_name_key(device: u32, name: &str) -> Vec<u8> {
    [b"i".as_slice(), &device.to_be_bytes(), name.as_bytes()].concat()
}

/// Where the last id given to an interface of `device` is kept; device 0: the last id given to a device.
pub(super) fn last_id_key(device: u32) -> Vec<u8> {
    [b"n".as_slice(), &device.to_be_bytes()].concat()
}

/// Where the last sealed readings of a device are kept.
pub(super) fn carry_key(device: u32) -> Vec<u8> {
    [b"c".as_slice(), &device.to_be_bytes()].concat()
}

pub(super) fn head_key(device: u32, time: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&device.to_be_bytes());
    key[4..].copy_from_slice(&time.to_be_bytes());
    key
}

/// The device and the time of a key of `head`.
pub(super) fn head_key_parts(key: &[u8]) -> Result<(u32, u64), Damaged> {
    let (device, time) = key.split_first_chunk::<4>().ok_or(Damaged("a key of the head is cut short"))?;
    let time = time.first_chunk::<8>().ok_or(Damaged("a key of the head is cut short"))?;
    Ok((u32::from_be_bytes(*device), u64::from_be_bytes(*time)))
}

pub(super) fn block_key(device: u32, interface: u32, start: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&device.to_be_bytes());
    key[4..8].copy_from_slice(&interface.to_be_bytes());
    key[8..].copy_from_slice(&start.to_be_bytes());
    key
}

/// An id or a last id as stored.
pub(super) fn id_value(value: &[u8]) -> Result<u32, Damaged> {
    Ok(u32::from_be_bytes(*value.first_chunk::<4>().ok_or(Damaged("an id is cut short"))?))
}
