//! What waits for one database: in memory, and on disk once it waits long.
//!
//! ```text
//!  push --> tail (memory) --------------------------------> window (on its way) --acknowledged--> gone
//!             |  older than `spill_after`, too much,            ^
//!             v  or something is on disk already                |
//!           spool (disk) ------ read in order, paced -----------+
//! ```
//! Order: window, spool, tail. While nothing waits the disk is not touched. As soon as anything is written to the spool, what is
//! on its way is written first, so that a process that dies leaves the whole row behind; what had not been acknowledged for less
//! than `spill_after` is all that it can lose.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::batch::Batch;
use super::spool::Spool;
use super::stats::ExportStats;

/// What may wait in memory, bytes: a minute of a large fabric, compressed.
const MEMORY_BYTES: usize = 16 << 20;
/// What may be on its way: what requests carry at once, and what waits for its turn behind a failure.
const WINDOW: usize = 16;
/// A disk that failed is tried again after this time.
const SPOOL_RETRY: Duration = Duration::from_secs(5);

/// The queue of one export, shared by the thread that fills and the task that sends.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when there is something to take.
    pub filled: Notify,
    stats: Arc<ExportStats>,
    spill_after: Duration,
}

struct State {
    folder: PathBuf,
    bound: u64,
    spool: Option<Spool>,
    retry_at: Option<Instant>,
    next: u64,
    window: VecDeque<Entry>,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    synced_at: Instant,
}

struct Entry {
    sequence: u64,
    batch: Arc<Batch>,
    since: Instant,
    on_disk: bool,
    flying: bool,
    done: bool,
}

/// A batch on its way.
pub(super) struct Taken {
    pub sequence: u64,
    pub batch: Arc<Batch>,
    /// It comes from the disk: sent at a bounded rate.
    pub replayed: bool,
}

impl Queue {
    /// With what an earlier process left in the folder.
    pub fn new(folder: PathBuf, bound: u64, stats: Arc<ExportStats>, spill_after: Duration, now: Instant) -> Self {
        let state = State {
            folder,
            bound,
            spool: None,
            retry_at: None,
            next: 1,
            window: VecDeque::new(),
            tail: VecDeque::new(),
            tail_bytes: 0,
            synced_at: now,
        };
        let queue = Self { state: Mutex::new(state), filled: Notify::new(), stats, spill_after };
        let mut state = queue.lock();
        if let Err(error) = state.open() {
            // What is there has numbers that we cannot see: ours are those of now, which no earlier process had.
            state.next = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(1);
            queue.disk_fails(&mut state, &error, now);
        }
        queue.show(&mut state);
        drop(state);
        queue
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add one at the end.
    pub fn push(&self, batch: Batch, now: Instant) {
        let mut state = self.lock();
        let sequence = state.next;
        state.next += 1;
        state.tail_bytes += batch.body.len();
        let entry = Entry { sequence, batch: Arc::new(batch), since: now, on_disk: false, flying: false, done: false };
        state.tail.push_back(entry);
        self.settle(&mut state, now);
        drop(state);
        self.filled.notify_one();
    }

    /// What the passing of time asks for: call it about once a second.
    pub fn tick(&self, now: Instant) {
        let mut state = self.lock();
        self.settle(&mut state, now);
        if now.duration_since(state.synced_at) >= Duration::from_secs(1) {
            state.synced_at = now;
            if let Some(Err(error)) = state.spool.as_mut().map(Spool::sync) {
                self.disk_fails(&mut state, &error, now);
            }
        }
    }

    /// The next to send; none where there is nothing, or enough is on its way.
    pub fn take(&self, now: Instant) -> Option<Taken> {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(entry) = state.window.iter_mut().find(|entry| !entry.flying && !entry.done) {
            entry.flying = true;
            return Some(Taken { sequence: entry.sequence, batch: Arc::clone(&entry.batch), replayed: false });
        }
        if state.window.len() >= WINDOW {
            return None;
        }
        match state.spool.as_mut().map(Spool::read) {
            Some(Ok(Some((sequence, batch)))) => {
                let batch = Arc::new(batch);
                let entry =
                    Entry { sequence, batch: Arc::clone(&batch), since: now, on_disk: true, flying: true, done: false };
                state.window.push_back(entry);
                self.show(state);
                return Some(Taken { sequence, batch, replayed: true });
            }
            Some(Err(error)) => {
                // What lies on the disk comes before what is in memory: it is tried again.
                self.disk_fails(state, &error, now);
                return None;
            }
            Some(Ok(None)) | None => {}
        }
        let mut entry = state.tail.pop_front()?;
        state.tail_bytes -= entry.batch.body.len();
        entry.flying = true;
        let taken = Taken { sequence: entry.sequence, batch: Arc::clone(&entry.batch), replayed: false };
        state.window.push_back(entry);
        Some(taken)
    }

    /// It was taken, or is lost: either way it is not sent again.
    pub fn done(&self, sequence: u64, now: Instant) {
        let mut state = self.lock();
        if let Some(entry) = state.window.iter_mut().find(|entry| entry.sequence == sequence) {
            entry.done = true;
        }
        let mut on_disk = None;
        while state.window.front().is_some_and(|entry| entry.done) {
            if let Some(entry) = state.window.pop_front()
                && entry.on_disk
            {
                on_disk = Some(entry.sequence);
            }
        }
        if let (Some(sequence), Some(spool)) = (on_disk, state.spool.as_mut())
            && let Err(error) = spool.acknowledge(sequence)
        {
            self.disk_fails(&mut state, &error, now);
        }
        self.show(&mut state);
    }

    /// It has to be sent again, or what is left of it.
    pub fn give_back(&self, sequence: u64, rest: Option<Batch>) {
        let mut state = self.lock();
        if let Some(entry) = state.window.iter_mut().find(|entry| entry.sequence == sequence) {
            entry.flying = false;
            if let Some(rest) = rest {
                entry.batch = Arc::new(rest);
            }
        }
        self.show(&mut state);
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        let state = self.lock();
        state.window.is_empty() && state.tail.is_empty() && !state.spool.as_ref().is_some_and(Spool::has_unread)
    }

    /// Write down all that waits: the process ends.
    pub fn close(&self, now: Instant) {
        let mut state = self.lock();
        state.retry_at = None;
        if state.window.iter().any(|entry| !entry.on_disk && !entry.done) || !state.tail.is_empty() {
            self.spill(&mut state, now);
        }
        let synced = state.spool.as_mut().map(Spool::sync);
        if let Some(Err(error)) = synced {
            self.disk_fails(&mut state, &error, now);
        }
        self.show(&mut state);
    }

    fn settle(&self, state: &mut State, now: Instant) {
        let old = |entry: &Entry| !entry.on_disk && !entry.done && now.duration_since(entry.since) >= self.spill_after;
        let unread = state.spool.as_ref().is_some_and(Spool::has_unread);
        if state.tail_bytes > MEMORY_BYTES
            || (unread && !state.tail.is_empty())
            || state.window.iter().any(old)
            || state.tail.front().is_some_and(old)
        {
            self.spill(state, now);
        }
        // Only where the disk took nothing.
        while state.tail_bytes > MEMORY_BYTES
            && let Some(entry) = state.tail.pop_front()
        {
            state.tail_bytes -= entry.batch.body.len();
            self.stats.dropped.fetch_add(u64::from(entry.batch.points), Relaxed);
        }
        self.show(state);
    }

    /// Write what is in memory to the disk, oldest first.
    fn spill(&self, state: &mut State, now: Instant) {
        if state.retry_at.is_some_and(|at| now < at) {
            return;
        }
        match state.spill() {
            Ok(()) => {
                state.retry_at = None;
                if self.stats.set_spool_failure(None) {
                    tracing::info!(export = self.stats.name, "the spool takes writes again");
                }
            }
            Err(error) => self.disk_fails(state, &error, now),
        }
    }

    fn disk_fails(&self, state: &mut State, error: &io::Error, now: Instant) {
        state.retry_at = Some(now + SPOOL_RETRY);
        let why = format!("{}: {error}", state.folder.display());
        if self.stats.set_spool_failure(Some(why.clone())) {
            tracing::error!(export = self.stats.name, "the spool does not work, what waits stays in memory: {why}");
        }
    }

    fn show(&self, state: &mut State) {
        let waiting = |entries: &VecDeque<Entry>| -> u64 {
            entries.iter().filter(|entry| !entry.done).map(|entry| u64::from(entry.batch.points)).sum()
        };
        let spool = state.spool.as_mut();
        let on_disk = spool.as_ref().map_or(0, |spool| spool.unread_points());
        self.stats.waiting.store(waiting(&state.window) + waiting(&state.tail) + on_disk, Relaxed);
        if let Some(spool) = spool {
            self.stats.spool_bytes.store(spool.bytes(), Relaxed);
            let counts = std::mem::take(&mut spool.counts);
            self.stats.evicted.fetch_add(counts.evicted, Relaxed);
            self.stats.damaged.fetch_add(counts.damaged, Relaxed);
        }
    }
}

impl State {
    fn open(&mut self) -> io::Result<()> {
        if self.spool.is_none() {
            let spool = Spool::open(&self.folder, self.bound)?;
            self.next = self.next.max(spool.last_sequence() + 1);
            self.spool = Some(spool);
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.open()?;
        let Some(spool) = self.spool.as_mut() else { return Ok(()) };
        if !spool.has_unread() {
            // Acknowledged by the highest number of the row: only what is in order may go there.
            let floor = spool.last_sequence();
            for entry in self.window.iter_mut().filter(|entry| !entry.on_disk && !entry.done && entry.sequence > floor)
            {
                spool.append(entry.sequence, &entry.batch, true)?;
                entry.on_disk = true;
            }
        }
        while let Some(entry) = self.tail.front() {
            spool.append(entry.sequence, &entry.batch, false)?;
            self.tail_bytes -= entry.batch.body.len();
            self.tail.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
