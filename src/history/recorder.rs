//! The handle that the rest of the program holds: a bounded way in, a thread that writes, and queries beside it.
//!
//! ```text
//!            first open                        a write failed
//! start() ------------> Recording ---------------------------------> Stopped(why)
//!                           ^                                             |
//!                           +---- every 15 s the store is opened again ---+
//! ```
//! Whatever the disk does, `offer` never waits, and the thread is the only one that does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::engine::{Engine, StoreError, is_full};
use super::join::Joiner;
use super::promql;
use super::query::{self, QueryError, Series};
use super::store_source::{self, LabelsOf, StoreSource};
use super::writer::{Appended, Part, Writer};
use super::{OpenError, Settings};
use crate::fabric::{DeviceId, InterfaceId, Reading, Sample, Timestamp};
use crate::telemetry::{Kind, Registry};

/// How many polls may wait: a fleet of a thousand devices for some seconds of a slow disk.
const QUEUE: usize = 1024;
/// And how many interfaces in them, 200 bytes each: what really takes the memory.
const QUEUE_INTERFACES: usize = 1 << 16;
/// How far the disk may be behind when the power goes.
const SYNC_EVERY: Duration = Duration::from_secs(1);
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(15);
/// A thread that has been in one call for so long is stuck in the disk.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// How the history does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It records.
    Recording,
    /// It does not, for this reason, and tries again by itself: `disk full`.
    Stopped(String),
}

/// What the history counted, for telemetry and the status page.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Whether it records.
    pub state: State,
    /// Polls written.
    pub appended: u64,
    /// Polls in which nothing had moved, left out.
    pub quiet: u64,
    /// Polls lost because the queue was full or the store stopped.
    pub dropped: u64,
    /// Blocks sealed.
    pub sealed: u64,
    /// What the data takes on disk, bytes.
    pub disk_bytes: u64,
}

/// Embedded history: one thread writes, anybody asks. Cheap to clone; when the last one is dropped the thread
/// writes what is queued and ends.
#[derive(Clone)]
pub struct History(Arc<Handle>);

struct Handle {
    queue: Sender<Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Poll(Sample),
    Stop,
}

#[derive(Default)]
struct Shared {
    /// None while stopped.
    engine: ArcSwapOption<Engine>,
    stopped: Mutex<Option<String>>,
    queued_interfaces: AtomicUsize,
    appended: AtomicU64,
    quiet: AtomicU64,
    dropped: AtomicU64,
    sealed: AtomicU64,
    /// When the thread began what it does now; none while it waits.
    busy_since: Mutex<Option<Instant>>,
}

impl History {
    /// Open the store in `history` under `settings.path` and start the thread.
    ///
    /// # Errors
    /// When the folder cannot be used: each names the path and what to do. A full disk is no error: the history
    /// begins stopped and tries again.
    pub fn start(settings: &Settings) -> Result<Self, OpenError> {
        Self::start_retrying(settings, RETRY_EVERY)
    }

    pub(super) fn start_retrying(settings: &Settings, retry_every: Duration) -> Result<Self, OpenError> {
        let path = settings.path.join("history");
        let shared = Arc::new(Shared::default());
        let opened = match open(&path, settings, &shared) {
            Ok(writer) => Some(writer),
            Err(OpenError::Io(_, why)) if is_full(&why) => {
                shared.stop("disk full".into());
                None
            }
            Err(error) => return Err(error),
        };
        let (queue, inbox) = bounded(QUEUE);
        let thread = Thread {
            path,
            settings: settings.clone(),
            shared: shared.clone(),
            writer: opened,
            retry_every,
            joiner: Joiner::default(),
        };
        let thread = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || thread.run(&inbox))
            .map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Handle { queue, shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Hand over a look at a device. Never blocks: when the queue is full the sample is dropped and counted.
    /// Everything but a poll is ignored.
    pub fn offer(&self, sample: Sample) {
        let Reading::Poll(polls) = &sample.reading else { return };
        let shared = &self.0.shared;
        let weight = polls.len();
        if shared.queued_interfaces.fetch_add(weight, Ordering::Relaxed) + weight > QUEUE_INTERFACES.max(weight) {
            shared.queued_interfaces.fetch_sub(weight, Ordering::Relaxed);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.0.queue.try_send(Message::Poll(sample)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                shared.queued_interfaces.fetch_sub(weight, Ordering::Relaxed);
                shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Rates of one interface from `from` to `to` (seconds since 1970), one point every `step_s` seconds. An
    /// interface that was never seen has a series of nulls. Reads the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the range is nonsense, too many points are asked for, or the store cannot be read.
    pub fn interface(&self, id: &InterfaceId, from: i64, to: i64, step_s: u32) -> Result<Series, QueryError> {
        query::interface(&*self.engine()?, id, from, to, step_s, false)
    }

    /// The same with how each quantity was spread within each step.
    ///
    /// # Errors
    /// As [`History::interface`], and when more readings would have to be looked at than is sane.
    pub fn interface_spread(&self, id: &InterfaceId, from: i64, to: i64, step_s: u32) -> Result<Series, QueryError> {
        query::interface(&*self.engine()?, id, from, to, step_s, true)
    }

    /// Ask with the store as the source of series; `labels_of` gives the labels that interfaces have now. Reads the disk:
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// The history has stopped, or what `ask` gives.
    pub fn ask<T>(
        &self,
        labels_of: &LabelsOf,
        ask: impl FnOnce(&dyn promql::Source) -> Result<T, promql::Fault>,
    ) -> Result<T, promql::Fault> {
        let engine = self.engine().map_err(|error| promql::Fault::Source(error.to_string()))?;
        ask(&StoreSource { engine: &engine, labels_of })
    }

    /// The labels of every series that the store has and all matchers match.
    ///
    /// # Errors
    /// The history has stopped or cannot be read, or there are too many.
    pub fn series(
        &self,
        labels_of: &LabelsOf,
        matchers: &[promql::Matcher],
    ) -> Result<Vec<promql::Labels>, promql::Fault> {
        let engine = self.engine().map_err(|error| promql::Fault::Source(error.to_string()))?;
        StoreSource { engine: &engine, labels_of }.labels(matchers)
    }

    /// The metrics that the store has, and whether each is a counter.
    pub fn metrics() -> Vec<(&'static str, bool)> {
        let mut metrics: Vec<_> =
            store_source::metrics().into_iter().map(|metric| (metric.name, metric.is_counter)).collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    fn engine(&self) -> Result<Arc<Engine>, QueryError> {
        let stopped = || QueryError::Stopped(self.0.shared.why_stopped().unwrap_or_default());
        self.0.shared.engine.load_full().ok_or_else(stopped)
    }

    /// How it does.
    pub fn stats(&self) -> Stats {
        let shared = &self.0.shared;
        let busy_since = *shared.busy_since.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match (shared.why_stopped(), busy_since) {
            (Some(why), _) => State::Stopped(why),
            (None, Some(since)) if since.elapsed() > STUCK_AFTER => {
                State::Stopped(format!("the disk has not answered for {} s", since.elapsed().as_secs()))
            }
            _ => State::Recording,
        };
        Stats {
            state,
            appended: shared.appended.load(Ordering::Relaxed),
            quiet: shared.quiet.load(Ordering::Relaxed),
            dropped: shared.dropped.load(Ordering::Relaxed),
            sealed: shared.sealed.load(Ordering::Relaxed),
            disk_bytes: shared.engine.load().as_ref().map_or(0, |engine| engine.disk_bytes()),
        }
    }

    /// Show what is counted here on /metrics.
    pub fn expose(&self, registry: &Registry) {
        let history = self.clone();
        registry.provide(
            "selvedge_history_polls_total",
            Kind::Counter,
            "Polls that the history kept, left out because nothing had moved, or lost.",
            move || {
                let stats = history.stats();
                let results = [("kept", stats.appended), ("quiet", stats.quiet), ("dropped", stats.dropped)];
                results.map(|(result, count)| (vec![("result", result.to_owned())], count as f64)).into()
            },
        );
        type Read = fn(Stats) -> f64;
        let gauges: [(&str, Kind, &str, Read); 3] = [
            (
                "selvedge_history_recording",
                Kind::Gauge,
                "1 while the history records, 0 while it is stopped.",
                |stats| f64::from(u8::from(stats.state == State::Recording)),
            ),
            ("selvedge_history_blocks_total", Kind::Counter, "Blocks sealed.", |stats| stats.sealed as f64),
            ("selvedge_history_disk_bytes", Kind::Gauge, "What the history's data takes on disk.", |stats| {
                stats.disk_bytes as f64
            }),
        ];
        for (name, kind, help, read) in gauges {
            let history = self.clone();
            registry.provide(name, kind, help, move || vec![(Vec::new(), read(history.stats()))]);
        }
    }

    /// Write what is queued, sync, and end the thread; later offers are dropped and counted. Blocks until it is
    /// done, or for ten seconds if the disk does not answer.
    pub fn stop(&self) {
        let Some(thread) = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        if self.0.queue.send_deadline(Message::Stop, deadline).is_err() {
            return;
        }
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // It catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn stop(&self, why: String) {
        self.engine.store(None);
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn why_stopped(&self) -> Option<String> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn busy(&self, since: Option<Instant>) {
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

fn open(path: &Path, settings: &Settings, shared: &Shared) -> Result<Writer, OpenError> {
    let engine = Arc::new(Engine::open(path)?);
    let writer = Writer::new(engine.clone(), settings, now()).map_err(|error| match error {
        StoreError::Engine(fjall::Error::Io(why) | fjall::Error::Storage(fjall::LsmError::Io(why))) => {
            OpenError::Io(path.into(), why)
        }
        other => OpenError::Corrupt(path.into(), other.to_string()),
    })?;
    shared.engine.store(Some(engine));
    *shared.stopped.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok(writer)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

struct Thread {
    path: PathBuf,
    settings: Settings,
    shared: Arc<Shared>,
    /// None while stopped.
    writer: Option<Writer>,
    retry_every: Duration,
    joiner: Joiner,
}

impl Thread {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut sync_at = Instant::now() + SYNC_EVERY;
        let mut maintain_at = Instant::now();
        loop {
            // Asleep with nothing to write until the next minute's sweep, or the next try.
            let wake_at = match &self.writer {
                Some(writer) if writer.is_dirty() || !self.joiner.is_empty() => sync_at.min(maintain_at),
                _ => maintain_at,
            };
            let message = inbox.recv_deadline(wake_at);
            self.shared.busy(Some(Instant::now()));
            match message {
                Ok(Message::Poll(sample)) => self.poll(sample),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    self.attempt(Writer::sync);
                    self.shared.stop("the program ends".into());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let moment = Instant::now();
            if moment >= sync_at {
                self.flush();
                self.attempt(Writer::sync);
                sync_at = moment + SYNC_EVERY;
            }
            if moment >= maintain_at {
                if self.writer.is_some() {
                    self.attempt(|writer| writer.maintain(now()));
                } else {
                    self.open_again();
                }
                let every = if self.writer.is_some() { MAINTAIN_EVERY } else { self.retry_every };
                maintain_at = moment + every;
            }
            self.shared.busy(None);
            if self.writer.is_none() {
                maintain_at = maintain_at.min(moment + self.retry_every);
            }
        }
    }

    fn open_again(&mut self) {
        match open(&self.path, &self.settings, &self.shared) {
            Ok(writer) => {
                tracing::info!(path = %self.path.display(), "the history records again");
                self.writer = Some(writer);
            }
            // A question that was under way still holds the old one: next time.
            Err(OpenError::Locked(_)) => {}
            Err(OpenError::Io(_, why)) if is_full(&why) => self.shared.stop("disk full".into()),
            Err(error) => self.shared.stop(error.to_string()),
        }
    }

    fn poll(&mut self, sample: Sample) {
        let Reading::Poll(polls) = sample.reading else { return };
        self.shared.queued_interfaces.fetch_sub(polls.len(), Ordering::Relaxed);
        let part = Part { taken_at: sample.taken_at, uptime: sample.device_uptime, polls };
        if let Some((device, parts)) = self.joiner.take(sample.device, part) {
            self.append(&device, &parts);
        }
    }

    /// Write what waits for more parts: all that would be lost if the process died now.
    fn flush(&mut self) {
        for (device, parts) in self.joiner.drain() {
            self.append(&device, &parts);
        }
    }

    fn append(&mut self, device: &DeviceId, parts: &[Part]) {
        let counter = match self.attempt(|writer| writer.append_parts(device, parts)) {
            Some(Appended::Kept) => &self.shared.appended,
            Some(Appended::Quiet) => &self.shared.quiet,
            None => &self.shared.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Do something with the store. When it fails the history stops: after a failed write the engine takes no
    /// more, and has to be opened anew.
    fn attempt<T>(&mut self, act: impl FnOnce(&mut Writer) -> Result<T, StoreError>) -> Option<T> {
        let writer = self.writer.as_mut()?;
        let why = match catch_unwind(AssertUnwindSafe(|| act(writer))) {
            Ok(Ok(done)) => {
                self.shared.sealed.store(writer.sealed, Ordering::Relaxed);
                return Some(done);
            }
            Ok(Err(StoreError::Engine(fjall::Error::Poisoned))) if self.disk_is_full() => "disk full".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store's files contradict each other".to_owned(),
        };
        tracing::error!(path = %self.path.display(), "the history stops: {why}");
        self.shared.stop(why);
        self.writer = None;
        None
    }

    /// The engine writes in the background too, and of a failure there tells only that there was one.
    fn disk_is_full(&self) -> bool {
        let probe = self.path.join("probe");
        let full = std::fs::write(&probe, [0u8; 1 << 16]).is_err_and(|why| is_full(&why));
        let _ = std::fs::remove_file(&probe);
        full
    }
}
