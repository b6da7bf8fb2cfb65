//! From the core to the databases: a bounded way in, one thread that writes batches, one that sends them.
//!
//! ```text
//!  core --offer--> bounded queue --> thread "export": encoders --batch of 5,000 points or 1 s--> queue and spool of each export
//!                                                                                               |
//!                                     thread "export-send": one task for each export <----------+
//! ```
//! The core never waits: what the queue cannot take is dropped and counted. Disk and network are touched by these two threads
//! alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender as Channel, bounded};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::batch::Format;
use super::influx::Influx;
use super::post::Post;
use super::queue::Queue;
use super::remote_write::RemoteWrite;
use super::sender::{Patience, Sender};
use super::settings::{ExportKind, ExportSettings};
use super::stats::ExportStats;
use crate::alert::{Alert, Transition};
use crate::fabric::{DeviceId, DeviceIdentity, InterfaceState, Snapshot, Timestamp};
use crate::telemetry::{Kind, Registry};

/// Looks at devices that may wait for the thread.
const QUEUE: usize = 4_096;
/// And interfaces in them, some 800 bytes each: what really takes the memory.
const QUEUE_INTERFACES: usize = 1 << 16;
/// A batch waits no longer for more points.
const BATCH_AGE: Duration = Duration::from_secs(1);
/// How often devices, links, groups and counts of alerts are written.
const PICTURE_EVERY: Duration = Duration::from_secs(10);
/// How long databases that answer are given at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Devices, links, groups and alerts as of one moment. Its interfaces are empty: they come with their polls.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What is known.
    pub fabric: Snapshot,
    /// The book.
    pub alerts: Arc<Vec<Alert>>,
}

/// Who a device is; none where nobody knows it.
pub type Identify = Arc<dyn Fn(&DeviceId) -> Option<Arc<DeviceIdentity>> + Send + Sync>;

/// What exports ask the rest of the program.
#[derive(Clone)]
pub struct Surroundings {
    /// How things stand now.
    pub picture: Arc<dyn Fn() -> Picture + Send + Sync>,
    /// Who a device is.
    pub identity: Identify,
}

/// What the core hands over.
enum Message {
    Interfaces { device: DeviceId, at: Timestamp, polled: bool, states: Vec<InterfaceState> },
    Alerts(Vec<Transition>),
    Reconfigure(Vec<ExportSettings>),
    Stop,
}

/// All exports. Cheap to clone.
#[derive(Clone)]
pub struct Exports(Arc<Handle>);

struct Handle {
    queue: Channel<Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    active: AtomicBool,
    queued_interfaces: AtomicUsize,
    lost: AtomicU64,
    stats: ArcSwap<Vec<Arc<ExportStats>>>,
}

impl Exports {
    /// Start the threads. Folders of spools lie in `export` under `path`.
    ///
    /// # Errors
    /// When no threads are to be had.
    pub fn start(path: &Path, settings: Vec<ExportSettings>, surroundings: Surroundings) -> std::io::Result<Self> {
        Self::start_with(path, settings, surroundings, Patience::default())
    }

    /// The same, in more of a hurry.
    ///
    /// # Errors
    /// When no threads are to be had.
    pub fn start_with(
        path: &Path,
        settings: Vec<ExportSettings>,
        surroundings: Surroundings,
        patience: Patience,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (queue, inbox) = bounded(QUEUE);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("export-send")
            .enable_all()
            .build()?;
        let mut feeder = Feeder {
            folder: path.join("export"),
            surroundings,
            patience,
            shared: Arc::clone(&shared),
            runtime,
            lines: Vec::new(),
        };
        feeder.reconfigure(settings);
        let thread = std::thread::Builder::new().name("export".into()).spawn(move || feeder.run(&inbox))?;
        Ok(Self(Arc::new(Handle { queue, shared, thread: Mutex::new(Some(thread)) })))
    }

    /// There is an export: where there is none nobody needs to gather anything.
    pub fn is_active(&self) -> bool {
        self.0.shared.active.load(Relaxed)
    }

    /// Hand over interfaces as a poll, or an event, left them. Never blocks: what cannot be taken is dropped and counted.
    pub fn offer(&self, device: &DeviceId, at: Timestamp, polled: bool, states: Vec<InterfaceState>) {
        let shared = &self.0.shared;
        let weight = states.len();
        if weight == 0 {
            return;
        }
        if shared.queued_interfaces.fetch_add(weight, Relaxed) + weight > QUEUE_INTERFACES.max(weight) {
            shared.queued_interfaces.fetch_sub(weight, Relaxed);
            shared.lost.fetch_add(weight as u64, Relaxed);
            return;
        }
        let message = Message::Interfaces { device: device.clone(), at, polled, states };
        if self.0.queue.try_send(message).is_err() {
            shared.queued_interfaces.fetch_sub(weight, Relaxed);
            shared.lost.fetch_add(weight as u64, Relaxed);
        }
    }

    /// Hand over steps of alerts. Never blocks.
    pub fn offer_alerts(&self, transitions: &[Transition]) {
        if self.0.queue.try_send(Message::Alerts(transitions.to_vec())).is_err() {
            self.0.shared.lost.fetch_add(transitions.len() as u64, Relaxed);
        }
    }

    /// Take other settings: an export that is the same goes on, the others are begun anew with what they have on disk.
    pub fn reconfigure(&self, settings: Vec<ExportSettings>) {
        // The thread is never busy for long, but for a disk that does not answer: then the next reload helps.
        if self.0.queue.send_timeout(Message::Reconfigure(settings), Duration::from_secs(1)).is_err() {
            tracing::error!("the exports are too busy to take their new settings; reload once more");
        }
    }

    /// Of each export, in the order of the configuration.
    pub fn stats(&self) -> Arc<Vec<Arc<ExportStats>>> {
        self.0.shared.stats.load_full()
    }

    /// Looks at interfaces, and steps of alerts, that were dropped because too many waited to be written.
    pub fn lost(&self) -> u64 {
        self.0.shared.lost.load(Relaxed)
    }

    /// Show what is counted here on /metrics.
    pub fn expose(&self, registry: &Registry) {
        type Read = fn(&ExportStats) -> u64;
        let families: [(&'static str, Kind, &'static str, Read); 9] = [
            ("selvedge_export_points_sent_total", Kind::Counter, "Points that the database took.", |s| {
                s.sent.load(Relaxed)
            }),
            ("selvedge_export_points_waiting", Kind::Gauge, "Points that wait, in memory and on disk.", |s| {
                s.waiting.load(Relaxed)
            }),
            ("selvedge_export_points_refused_total", Kind::Counter, "Points that the database refused.", |s| {
                s.refused.load(Relaxed)
            }),
            ("selvedge_export_points_dropped_total", Kind::Counter, "Points lost for want of memory and disk.", |s| {
                s.dropped.load(Relaxed)
            }),
            (
                "selvedge_export_points_evicted_total",
                Kind::Counter,
                "Points lost as the spool reached its bound.",
                |s| s.evicted.load(Relaxed),
            ),
            ("selvedge_export_records_damaged_total", Kind::Counter, "Damaged records of the spool, left out.", |s| {
                s.damaged.load(Relaxed)
            }),
            ("selvedge_export_attempts_failed_total", Kind::Counter, "Requests that failed and are repeated.", |s| {
                s.failed_attempts.load(Relaxed)
            }),
            ("selvedge_export_requests_total", Kind::Counter, "Requests.", |s| s.requests.load(Relaxed)),
            ("selvedge_export_spool_bytes", Kind::Gauge, "What waits on disk, bytes.", |s| s.spool_bytes.load(Relaxed)),
        ];
        for (name, kind, help, read) in families {
            let exports = self.clone();
            registry.provide(name, kind, help, move || {
                let stats = exports.stats();
                stats.iter().map(|one| (vec![("export", one.name.clone())], read(one) as f64)).collect()
            });
        }
        let exports = self.clone();
        let help = "Looks at interfaces dropped because too many waited to be written.";
        registry.provide("selvedge_export_looks_dropped_total", Kind::Counter, help, move || {
            if exports.is_active() { vec![(Vec::new(), exports.lost() as f64)] } else { Vec::new() }
        });
    }

    /// Send what can be sent within a second, write the rest down, and end. Blocks.
    pub fn stop(&self) {
        let Some(thread) = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        if self.0.queue.send_deadline(Message::Stop, deadline).is_err() {
            return;
        }
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What writes in the export's format.
enum Encoder {
    Influx(Influx),
    Series(RemoteWrite),
}

/// One export with what it needs.
struct Line {
    settings: ExportSettings,
    encoder: Encoder,
    format: Format,
    plain: Vec<u8>,
    points: usize,
    begun_at: Option<Instant>,
    pictured_at: Option<Instant>,
    /// When each device last went out.
    devices: HashMap<DeviceId, Timestamp>,
    queue: Arc<Queue>,
    stats: Arc<ExportStats>,
    stop: watch::Sender<Option<Instant>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

struct Feeder {
    folder: PathBuf,
    surroundings: Surroundings,
    patience: Patience,
    shared: Arc<Shared>,
    runtime: Runtime,
    lines: Vec<Line>,
}

impl Feeder {
    fn run(mut self, inbox: &Receiver<Message>) {
        let tick = Duration::from_millis(200).min(self.patience.spill_after);
        let mut tick_at = Instant::now() + tick;
        loop {
            match inbox.recv_deadline(tick_at) {
                Ok(Message::Interfaces { device, at, polled, states }) => {
                    self.shared.queued_interfaces.fetch_sub(states.len(), Relaxed);
                    let identity = (self.surroundings.identity)(&device);
                    for line in &mut self.lines {
                        line.interfaces(&device, identity.as_ref(), at, polled, &states);
                    }
                }
                Ok(Message::Alerts(transitions)) => self.lines.iter_mut().for_each(|line| line.alerts(&transitions)),
                Ok(Message::Reconfigure(settings)) => self.reconfigure(settings),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    let lines = std::mem::take(&mut self.lines);
                    self.end(lines);
                    self.runtime.shutdown_timeout(Duration::from_millis(100));
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= tick_at {
                tick_at = now + tick;
                self.tick(now);
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut picture = None;
        for line in &mut self.lines {
            let every = PICTURE_EVERY.max(line.settings.interval);
            if line.pictured_at.is_none_or(|at| now.duration_since(at) >= every) {
                line.pictured_at = Some(now);
                line.picture(picture.get_or_insert_with(|| (self.surroundings.picture)()));
            }
            if line.begun_at.is_some_and(|at| now.duration_since(at) >= BATCH_AGE) {
                line.flush(now);
            }
            line.queue.tick(now);
        }
    }

    fn reconfigure(&mut self, settings: Vec<ExportSettings>) {
        let (mut kept, mut old) = (Vec::new(), Vec::new());
        for line in std::mem::take(&mut self.lines) {
            if settings.contains(&line.settings) { kept.push(line) } else { old.push(line) }
        }
        self.end(old);
        for wanted in settings {
            match kept.iter().position(|line| line.settings == wanted) {
                Some(at) => self.lines.push(kept.swap_remove(at)),
                None => self.lines.push(self.begin(wanted)),
            }
        }
        self.shared.active.store(!self.lines.is_empty(), Relaxed);
        self.shared.stats.store(Arc::new(self.lines.iter().map(|line| Arc::clone(&line.stats)).collect()));
    }

    fn begin(&self, settings: ExportSettings) -> Line {
        let now = Instant::now();
        let folder = self.folder.join(&settings.name);
        let stats = Arc::new(ExportStats::new(&settings.name, settings.kind.as_str()));
        let queue =
            Queue::new(folder.clone(), settings.spool_bytes, Arc::clone(&stats), self.patience.spill_after, now);
        let queue = Arc::new(queue);
        let (encoder, format) = match &settings.kind {
            ExportKind::InfluxDb2 { precision, .. } => {
                (Encoder::Influx(Influx::new(&settings.tags, *precision)), Format::Lines)
            }
            ExportKind::Prometheus => (Encoder::Series(RemoteWrite::new(&settings.tags)), Format::Series),
        };
        let (stop, stopped) = watch::channel(None);
        let task = match Post::new(&settings) {
            Ok(post) => {
                let sender = Sender {
                    post: Arc::new(post),
                    queue: Arc::clone(&queue),
                    stats: Arc::clone(&stats),
                    patience: self.patience,
                    replay_pps: settings.replay_pps,
                    set_aside: folder.join("refused.txt"),
                };
                Some(self.runtime.spawn(sender.run(stopped)))
            }
            Err(why) => {
                tracing::error!(export = settings.name, "it cannot be sent to: {why}");
                stats.set_failure(Some((why, true)));
                None
            }
        };
        Line {
            settings,
            encoder,
            format,
            plain: Vec::new(),
            points: 0,
            begun_at: None,
            pictured_at: None,
            devices: HashMap::new(),
            queue,
            stats,
            stop,
            task,
        }
    }

    /// Give them a moment to send, then write down what is left.
    fn end(&self, mut lines: Vec<Line>) {
        let now = Instant::now();
        for line in &mut lines {
            line.flush(now);
            let _ = line.stop.send(Some(now + GRACE));
        }
        for line in &mut lines {
            if let Some(task) = line.task.take() {
                let late = Duration::from_millis(500);
                let _ = self.runtime.block_on(async { tokio::time::timeout(GRACE + late, task).await });
            }
            line.queue.close(Instant::now());
        }
    }
}

impl Line {
    fn interfaces(
        &mut self,
        device: &DeviceId,
        identity: Option<&Arc<DeviceIdentity>>,
        at: Timestamp,
        polled: bool,
        states: &[InterfaceState],
    ) {
        if polled && !self.settings.interval.is_zero() {
            // Polls are never quite on time: a tenth early is on time.
            let due = |last: &Timestamp| at.since(*last) * 10 >= self.settings.interval * 9;
            if self.devices.get(device).is_some_and(|last| !due(last)) {
                return;
            }
            self.devices.insert(device.clone(), at);
        }
        // So that a large device does not make a large batch.
        let step = (self.settings.batch / 8).max(1);
        let mut points = 0;
        for states in states.chunks(step) {
            points += match &mut self.encoder {
                Encoder::Influx(influx) => influx.interfaces(&mut self.plain, device, identity, at, polled, states),
                Encoder::Series(series) => series.interfaces(&mut self.plain, device, at, polled, states),
            };
            self.added(std::mem::take(&mut points));
        }
    }

    fn picture(&mut self, picture: &Picture) {
        let points = match &mut self.encoder {
            Encoder::Influx(influx) => influx.picture(&mut self.plain, picture),
            Encoder::Series(series) => series.picture(&mut self.plain, picture),
        };
        self.added(points);
        if self.devices.len() > picture.fabric.devices.len() {
            let now: std::collections::HashSet<&DeviceId> = picture.fabric.devices.iter().map(|one| &one.id).collect();
            self.devices.retain(|id, _| now.contains(id));
        }
    }

    fn alerts(&mut self, transitions: &[Transition]) {
        // Prometheus has the counts of alerts with every picture; steps have no place there.
        if let Encoder::Influx(influx) = &mut self.encoder {
            let points = influx.alerts(&mut self.plain, transitions);
            self.added(points);
        }
    }

    fn added(&mut self, points: usize) {
        if points == 0 {
            return;
        }
        self.points += points;
        let now = Instant::now();
        self.begun_at.get_or_insert(now);
        if self.points >= self.settings.batch {
            self.flush(now);
        }
    }

    fn flush(&mut self, now: Instant) {
        if self.points > 0 {
            self.queue.push(self.format.pack(&self.plain, self.points), now);
            self.plain.clear();
            self.points = 0;
        }
        self.begun_at = None;
    }
}
