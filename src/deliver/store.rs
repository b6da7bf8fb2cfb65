//! What must survive a kill: the book's alerts, the outbox, and small documents, in one fjall database.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `alerts` | fingerprint | [`StoredAlert`] as JSON |
//! | `outbox` | receiver, 0xff, number (64 bits, big-endian) | [`Entry`] as JSON |
//! | `documents` | name; 0xff for the highest sequence number | JSON |
//!
//! One thread owns the store; that another process does not is the database's own lock.
//!
//! A write that fails is not lost: it stays in memory, over what is on disk, and is written again when the disk
//! takes it. fjall accepts nothing more after an error, so that the database is opened anew then; but only after
//! a probe file could be written, so that a full disk does not also cost us what can still be read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Fingerprint, Saved};
use crate::fabric::Timestamp;

use super::entry::{Entry, Notice};

/// Blocks read back from disk: nearly nothing is, so that little is enough.
const CACHE_BYTES: u64 = 1 << 20;

/// What is kept in memory per keyspace before it is sorted into a table on disk.
const MEMTABLE_BYTES: u64 = 1 << 20;

/// The least that fjall allows.
const JOURNALS_BYTES: u64 = 64 << 20;

/// A disk that failed is asked again after this time.
const RETRY: Duration = Duration::from_secs(2);

/// What must fit on the disk before it counts as healthy again.
const PROBE_BYTES: usize = 4 << 20;

/// Ends a receiver's name in a key, and stands before names of our own: it cannot occur in UTF-8.
const END: u8 = 0xff;

/// An alert with those who were told of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAlert {
    pub alert: Alert,
    /// Receivers that heard that it fires.
    pub told: Vec<String>,
    /// What they heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// When they heard it, for those who are told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoken_at: Option<Timestamp>,
}

/// The opened store.
pub struct Store {
    path: PathBuf,
    tables: Option<Tables>,
    /// What the disk has not taken, newest state per key. Empty while all is well.
    unsaved: BTreeMap<(Table, Vec<u8>), Unsaved>,
    /// Since when not to try the disk: until then.
    retry_at: Option<Instant>,
}

struct Tables {
    database: Database,
    alerts: Keyspace,
    outbox: Keyspace,
    documents: Keyspace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Alerts,
    Outbox,
    Documents,
}

struct Unsaved {
    /// None: to be removed.
    value: Option<Vec<u8>>,
    /// A write of this key was tried: the disk may hold it.
    tried: bool,
}

/// Changes that are written together or not at all.
#[derive(Default)]
pub(super) struct Batch {
    changes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    sync: bool,
}

impl Batch {
    /// Write an alert as it is now.
    pub fn put_alert(&mut self, stored: &StoredAlert) {
        self.put(Table::Alerts, stored.alert.fingerprint.to_string().into_bytes(), stored);
    }

    /// The book has forgotten an alert.
    pub fn remove_alert(&mut self, alert: &Alert) {
        self.changes.push((Table::Alerts, alert.fingerprint.to_string().into_bytes(), None));
    }

    /// Write a notification into a receiver's outbox.
    pub fn put_entry(&mut self, receiver: &str, entry: &Entry) {
        self.put(Table::Outbox, outbox_key(receiver, entry.number), entry);
    }

    /// A notification is done with.
    pub fn remove_entry(&mut self, receiver: &str, number: u64) {
        self.changes.push((Table::Outbox, outbox_key(receiver, number), None));
    }

    /// Write a document.
    pub fn put_document(&mut self, name: &str, json: &serde_json::Value) {
        self.put(Table::Documents, name.as_bytes().to_vec(), json);
    }

    /// Remember the highest sequence number.
    pub fn put_sequence(&mut self, sequence: u64) {
        self.put(Table::Documents, vec![END], &sequence);
    }

    /// It counts only when it is on the disk.
    pub fn needs_sync(&mut self) {
        self.sync = true;
    }

    /// There is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: &impl Serialize) {
        // Our own types of strings, numbers and maps keyed by strings: this does not fail.
        if let Ok(json) = serde_json::to_vec(value) {
            self.changes.push((table, key, Some(json)));
        }
    }
}

impl Store {
    /// Open or create the store in the folder `alerts` under the data folder.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        let path = data.join("alerts");
        let tables = match Tables::open(&path) {
            Ok(tables) => tables,
            Err(reason) => return Err(OpenError { path, reason }),
        };
        Ok(Self { path, tables: Some(tables), unsaved: BTreeMap::new(), retry_at: None })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The book as its last transitions left it. An alert that cannot be read, such as one that a newer version
    /// wrote, is left where it is and told in the log.
    ///
    /// # Errors
    /// The disk does not give back what it holds.
    pub fn load(&self) -> Result<Saved, ReadError> {
        let alerts = self.stored_alerts()?.into_iter().map(|stored| stored.alert).collect();
        let sequence = match self.read(Table::Documents, &[END])? {
            Some(json) => serde_json::from_slice(&json).map_err(|error| self.damaged(&error))?,
            None => 0,
        };
        Ok(Saved { alerts, sequence })
    }

    /// A document as it was last put.
    ///
    /// # Errors
    /// The disk does not give back what it holds, or it is no JSON any more.
    pub fn document(&self, name: &str) -> Result<Option<serde_json::Value>, ReadError> {
        let Some(json) = self.read(Table::Documents, name.as_bytes())? else { return Ok(None) };
        serde_json::from_slice(&json).map(Some).map_err(|error| self.damaged(&error))
    }

    /// All alerts with those who were told.
    pub(super) fn stored_alerts(&self) -> Result<Vec<StoredAlert>, ReadError> {
        let mut alerts = Vec::new();
        self.scan(Table::Alerts, |key, json| match serde_json::from_slice::<StoredAlert>(json) {
            Ok(mut stored) => {
                // Written by a version that told of all that fired.
                if stored.notice.is_some() && stored.alert.is_active() && stored.alert.standing.told.is_none() {
                    stored.alert.standing.told = Some(stored.alert.severity());
                }
                alerts.push(stored);
            }
            Err(error) => tracing::warn!(
                path = %self.path.display(),
                fingerprint = %String::from_utf8_lossy(key),
                %error,
                "an alert in the store cannot be read and is left alone"
            ),
        })?;
        Ok(alerts)
    }

    /// One alert with those who were told; none where it is not there or cannot be read.
    pub(super) fn stored_alert(&self, fingerprint: Fingerprint) -> Result<Option<StoredAlert>, ReadError> {
        let json = self.read(Table::Alerts, fingerprint.to_string().as_bytes())?;
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Every notification in the outbox, in order for each receiver.
    pub(super) fn entries(
        &self,
        mut each: impl FnMut(&str, Result<Entry, (u64, serde_json::Error)>),
    ) -> Result<(), ReadError> {
        self.scan(Table::Outbox, |key, json| {
            let Some((receiver, number)) = split_outbox_key(key) else { return };
            each(receiver, serde_json::from_slice(json).map_err(|error| (number, error)));
        })
    }

    /// One notification; none where it is not there or damaged.
    pub(super) fn entry(&self, receiver: &str, number: u64) -> Result<Option<Entry>, ReadError> {
        let json = self.read(Table::Outbox, &outbox_key(receiver, number))?;
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Write a batch. When this fails, and until it succeeds again, the changes are kept in memory and are seen by
    /// every read.
    ///
    /// # Errors
    /// The disk did not take it.
    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), WriteError> {
        let Batch { changes, sync } = batch;
        if !self.unsaved.is_empty() || self.tables.is_none() {
            self.keep(changes, false);
            return self.recover();
        }
        let Some(tables) = &self.tables else { return Ok(()) };
        if let Err(source) = tables.write(changes.iter().map(|(table, key, value)| (*table, key, value)), sync) {
            self.keep(changes, true);
            self.retry_at = Some(Instant::now() + RETRY);
            return Err(self.write_error(source));
        }
        Ok(())
    }

    /// Try to write what the disk has not taken, if there is such and it is time.
    ///
    /// # Errors
    /// It still does not take it.
    pub(super) fn recover(&mut self) -> Result<(), WriteError> {
        if self.unsaved.is_empty() && self.tables.is_some() {
            return Ok(());
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(self.write_error(Reason::Waiting));
        }
        self.retry_at = Some(Instant::now() + RETRY);
        probe(&self.path).map_err(|error| self.write_error(Reason::Io(error)))?;
        // The lock is held by the old database until it is dropped.
        self.tables = None;
        let opened = Tables::open(&self.path).map_err(|reason| self.write_error(reason))?;
        let tables = self.tables.insert(opened);
        for unsaved in self.unsaved.values_mut() {
            unsaved.tried = true;
        }
        let changes = self.unsaved.iter().map(|((table, key), unsaved)| (*table, key, &unsaved.value));
        match tables.write(changes, true) {
            Ok(()) => {
                self.unsaved.clear();
                self.retry_at = None;
                Ok(())
            }
            Err(reason) => Err(self.write_error(reason)),
        }
    }

    /// How many changes wait in memory; none while all is well.
    pub(super) fn unsaved(&self) -> Option<usize> {
        (!self.unsaved.is_empty() || self.tables.is_none()).then_some(self.unsaved.len())
    }

    fn keep(&mut self, changes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>, tried: bool) {
        for (table, key, value) in changes {
            let key = (table, key);
            let tried = tried || self.unsaved.get(&key).is_some_and(|old| old.tried);
            // An outbox key is written once and removed once: what came and went while the disk failed, without ever
            // being tried, leaves no trace.
            if table == Table::Outbox && value.is_none() && !tried && self.unsaved.remove(&key).is_some() {
                continue;
            }
            self.unsaved.insert(key, Unsaved { value, tried });
        }
    }

    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(unsaved) = self.unsaved.get(&(table, key.to_vec())) {
            return Ok(unsaved.value.clone());
        }
        let Some(tables) = &self.tables else { return Err(self.read_error(Reason::Waiting)) };
        let value = guarded(|| tables.keyspace(table).get(key)).map_err(|reason| self.read_error(reason))?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// Called before anything was written by this process: what is in memory only needs no look.
    fn scan(&self, table: Table, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), ReadError> {
        let Some(tables) = &self.tables else { return Err(self.read_error(Reason::Waiting)) };
        guarded(|| {
            for pair in tables.keyspace(table).iter() {
                let (key, value) = pair.into_inner()?;
                each(&key, &value);
            }
            Ok(())
        })
        .map_err(|reason| self.read_error(reason))
    }

    fn read_error(&self, reason: Reason) -> ReadError {
        ReadError { path: self.path.clone(), reason }
    }

    fn write_error(&self, reason: Reason) -> WriteError {
        WriteError { path: self.path.clone(), reason }
    }

    fn damaged(&self, error: &serde_json::Error) -> ReadError {
        self.read_error(Reason::Damaged(error.to_string()))
    }
}

impl Tables {
    fn open(path: &Path) -> Result<Self, Reason> {
        fs::create_dir_all(path).map_err(Reason::Io)?;
        guarded(|| {
            let database = Database::builder(path)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNALS_BYTES)
                .worker_threads(1)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            Ok(Self {
                alerts: database.keyspace("alerts", options)?,
                outbox: database.keyspace("outbox", options)?,
                documents: database.keyspace("documents", options)?,
                database,
            })
        })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        match table {
            Table::Alerts => &self.alerts,
            Table::Outbox => &self.outbox,
            Table::Documents => &self.documents,
        }
    }

    fn write<'a>(
        &self,
        changes: impl Iterator<Item = (Table, &'a Vec<u8>, &'a Option<Vec<u8>>)>,
        sync: bool,
    ) -> Result<(), Reason> {
        guarded(|| {
            let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
            let mut batch = self.database.batch().durability(Some(mode));
            for (table, key, value) in changes {
                match value {
                    Some(value) => batch.insert(self.keyspace(table), key.as_slice(), value.as_slice()),
                    None => batch.remove(self.keyspace(table), key.as_slice()),
                }
            }
            batch.commit()
        })
    }
}

/// Damaged files can make the database panic where it should fail: to us both are failures of the store.
fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, Reason> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fjall::Error::Locked)) => Err(Reason::InUse),
        Ok(Err(fjall::Error::Io(error))) => Err(Reason::Io(error)),
        Ok(Err(error)) => Err(Reason::Damaged(error.to_string())),
        Err(_) => Err(Reason::Damaged("the database gave up on its files".into())),
    }
}

/// Does the disk take a few megabytes?
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(".probe");
    let written = File::create(&path).and_then(|mut file| {
        let block = [0x5a; 64 << 10];
        for _ in 0..PROBE_BYTES / block.len() {
            file.write_all(&block)?;
        }
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn outbox_key(receiver: &str, number: u64) -> Vec<u8> {
    let mut key = receiver.as_bytes().to_vec();
    key.push(END);
    key.extend(number.to_be_bytes());
    key
}

fn split_outbox_key(key: &[u8]) -> Option<(&str, u64)> {
    let (name, number) = key.split_last_chunk::<8>()?;
    Some((std::str::from_utf8(name.strip_suffix(&[END])?).ok()?, u64::from_be_bytes(*number)))
}

/// Why the store does not do what it should.
#[derive(Debug)]
enum Reason {
    InUse,
    Io(io::Error),
    Damaged(String),
    Waiting,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another Selvedge is running on this folder"),
            Self::Io(error) => error.fmt(f),
            Self::Damaged(what) => write!(f, "what is in it cannot be read ({what})"),
            Self::Waiting => f.write_str("it failed a moment ago"),
        }
    }
}

/// The store cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    reason: Reason,
}

impl OpenError {
    /// Another process has it open.
    pub fn is_in_use(&self) -> bool {
        matches!(self.reason, Reason::InUse)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, reason } = self;
        let advice = match reason {
            Reason::InUse => "stop it, or give this one another folder by [history] path",
            Reason::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "give the user it runs as the right to write there, or another folder by [history] path"
            }
            Reason::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space, or give another folder by [history] path"
            }
            Reason::Io(_) | Reason::Waiting => "check the disk, or give another folder by [history] path",
            Reason::Damaged(_) => {
                "move the folder away to start afresh; alerts that still hold are then told once more"
            }
        };
        write!(f, "cannot open the alert store {}: {reason}; {advice}", path.display())
    }
}

impl std::error::Error for OpenError {}

/// The store does not give back what it holds.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    reason: Reason,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the alert store {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for ReadError {}

/// The store takes nothing; what should be written waits in memory.
#[derive(Debug)]
pub struct WriteError {
    path: PathBuf,
    reason: Reason,
}

impl WriteError {
    /// Nothing was tried this time: the disk failed a moment ago.
    pub(super) fn is_repeated(&self) -> bool {
        matches!(self.reason, Reason::Waiting)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write the alert store {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for WriteError {}

#[cfg(test)]
mod tests;
