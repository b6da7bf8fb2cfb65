//! The only wiring: build all rooms, start them, reload them, stop them.
//!
//! ```text
//!   threads   core (table, topology, detectors, book), auditor (ledger), alert-clerk (outbox), history, forecast, export and export-send
//!   tasks     poller (one for each target), traps, host, web, couriers (one for each receiver)
//! ```

mod auditor;
mod core;
mod forecast;
pub mod pipeline;
mod status;
mod views;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{self, Sender};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::auditor::Desk;
use self::core::{Command, Core, SILENCES_DOCUMENT, TOPOLOGY_DOCUMENT};
use self::forecast::Forecaster;
use self::pipeline::{Pipeline, PipelineSettings};
use self::status::Status;
pub use self::views::{Drawing, Views};
use crate::aggregate::{self, Table};
use crate::alert::{Book, Gate, Silences};
use crate::collect::host::drops::DropsHandle;
use crate::collect::host::{self, Host};
use crate::collect::snmp::{NameChange, NameSink, Poke, Poller, Progress, Who};
use crate::collect::traps::TrapListener;
use crate::collect::{SampleSink, TrapSettings, clock};
use crate::config::Settings;
use crate::deliver::{self, Deliverer, Store, Surroundings};
use crate::detect::Detectors;
use crate::export::{self, Exports};
use crate::fabric::{DeviceId, Snapshot};
use crate::history::{self, History};
use crate::snmp::LocalEngine;
use crate::topology::{Memory, Topology};
use crate::web::{self, Server};

/// Samples that may wait for the core. It takes a sample in microseconds, so that this many pile up only when the machine
/// itself stalls; then the oldest go, because newer ones of the same devices follow.
const QUEUE: usize = 16_384;
/// How long receivers that answer are given at the end.
const GRACE: Duration = Duration::from_secs(2);
/// The name under which the devices' names are remembered.
const NAMES_DOCUMENT: &str = "device-names";
/// The name under which our SNMP engine is remembered.
const ENGINE_DOCUMENT: &str = "snmp-engine";

/// Why it does not start. Each tells what to do.
#[derive(Debug)]
pub enum StartError {
    /// The alert store cannot be opened or read.
    Store(String),
    /// The alerts cannot be delivered.
    Deliver(deliver::StartError),
    /// The history cannot be opened.
    History(history::OpenError),
    /// The page cannot be served.
    Web(web::BindError),
    /// Traps cannot be received there.
    Traps(SocketAddr, std::io::Error),
    /// No sockets or threads are to be had.
    System(&'static str, std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => f.write_str(why),
            Self::Deliver(error) => error.fmt(f),
            Self::History(error) => error.fmt(f),
            Self::Web(error) => error.fmt(f),
            Self::Traps(address, error) => write!(
                f,
                "cannot receive traps on {address}: {error}; stop what listens there, give the right to use ports below 1024 \
                 (CAP_NET_BIND_SERVICE), or set another [traps] listen"
            ),
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running Selvedge.
pub struct Selvedge {
    settings: Settings,
    views: Arc<Views>,
    poller: Arc<Poller>,
    traps: Option<TrapListener>,
    host: Arc<host::Handle>,
    drops: Arc<DropsHandle>,
    history: Option<History>,
    exports: Exports,
    deliverer: Arc<Deliverer>,
    commands: Sender<Command>,
    forecaster: Option<Forecaster>,
    core: JoinHandle<()>,
    auditor: JoinHandle<()>,
    stop_web: watch::Sender<bool>,
    web: tokio::task::JoinHandle<()>,
    page: SocketAddr,
}

impl Selvedge {
    /// Start everything. Returns when all is running; devices are discovered from then on.
    ///
    /// # Errors
    /// Whatever cannot be had is named with what to do; nothing is left running then.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // First what fails most easily and harms nothing: the page's port.
        let server = Server::bind(&settings.web).await.map_err(StartError::Web)?;
        let page = server.local_addr();
        let store = Store::open(&settings.history.path).map_err(|error| StartError::Store(error.to_string()))?;
        let unreadable = |error: deliver::ReadError| StartError::Store(error.to_string());
        let saved = store.load().map_err(unreadable)?;
        let memory = remembered::<Memory>(&store, TOPOLOGY_DOCUMENT).map_err(unreadable)?;
        let names = remembered::<BTreeMap<String, DeviceId>>(&store, NAMES_DOCUMENT).map_err(unreadable)?;
        let names = names.unwrap_or_default();
        let silences = remembered::<Silences>(&store, SILENCES_DOCUMENT).map_err(unreadable)?.unwrap_or_default();
        let engine = remembered::<Engine>(&store, ENGINE_DOCUMENT).map_err(unreadable)?.unwrap_or_default().rebooted();
        let history = match settings.history.enabled {
            true => Some(History::start(&settings.history).map_err(StartError::History)?),
            false => None,
        };

        let (samples, queue) = aggregate::queue(QUEUE);
        let (table, reader) = Table::new(settings.aggregate.clone());
        let views = Arc::new(Views::new(reader.clone(), clock::now()));
        let exports = Exports::start(&settings.history.path, settings.exports.clone(), export_surroundings(&views))
            .map_err(|error| StartError::System("start the exports' threads", error))?;
        let surroundings = Surroundings {
            external_url: format!("http://{page}"),
            clock: Arc::new(clock::now),
            device_labels: Arc::new(move |id| reader.device(id).map(|d| d.identity.labels.clone()).unwrap_or_default()),
            runtime: Handle::current(),
        };
        let deliverer = Deliverer::start(store, settings.receivers.clone(), settings.routes.clone(), surroundings)
            .map_err(StartError::Deliver)?;
        let deliverer = Arc::new(deliverer);

        let mut detectors = Detectors::new(settings.detect.clone());
        detectors.prime(saved.alerts.iter().filter(|alert| alert.is_active()).map(|alert| alert.key()));
        let mut book = Book::new();
        book.restore(saved);
        // The poller starts after the core: whom it should ask before that is asked with the first poll anyway.
        let asked: Arc<OnceLock<Weak<Poller>>> = Arc::default();
        let asker = Arc::clone(&asked);
        let (commands, inbox) = channel::unbounded();
        let (audits, drawn) = channel::bounded(1);
        let desk =
            Desk { views: Arc::clone(&views), asked: drawn, tell: commands.clone(), clock: Arc::new(clock::now) };
        let core = Core {
            samples: queue,
            commands: inbox,
            pipeline: Pipeline::new(
                table,
                Topology::new(settings.topology.clone(), memory),
                detectors,
                book,
                Gate::new(settings.alerts.clone(), silences),
            ),
            ask: Box::new(move |device| {
                if let Some(poller) = asker.get().and_then(Weak::upgrade) {
                    poller.poke(&Who::Device(device), Poke::States);
                }
            }),
            deliverer: Arc::clone(&deliverer),
            history: history.clone(),
            exports: exports.clone(),
            views: Arc::clone(&views),
            clock: Arc::new(clock::now),
            audits,
        };
        let core = std::thread::Builder::new()
            .name("core".into())
            .spawn(move || core.run())
            .map_err(|error| StartError::System("start the core's thread", error))?;
        let auditor = std::thread::Builder::new()
            .name("auditor".into())
            .spawn(move || desk.run())
            .map_err(|error| StartError::System("start the auditor's thread", error))?;

        let forecaster = match &history {
            Some(history) => Some(
                Forecaster::start(
                    settings.detect.forecast.clone(),
                    history.clone(),
                    Arc::clone(&views),
                    commands.clone(),
                )
                .map_err(|error| StartError::System("start the forecast's thread", error))?,
            ),
            None => None,
        };
        let queue_stats = samples.clone();
        let sink: SampleSink = Arc::new(move |sample| samples.push(sample));
        let poller = Poller::start(
            names.clone().into_iter().collect::<HashMap<_, _>>(),
            Arc::clone(&sink),
            keep_names(names, Arc::clone(&deliverer)),
        )
        .map_err(|error| StartError::System("open sockets for SNMP", error))?;
        let poller = Arc::new(poller);
        let _ = asked.set(Arc::downgrade(&poller));
        let traps = match &settings.traps {
            Some(wanted) => {
                // Kept before it is used: no sender of informs may see a boot twice.
                deliverer.put_document(ENGINE_DOCUMENT, serde_json::json!(engine));
                Some(receive_traps(wanted, &engine, &poller, &sink)?)
            }
            None => None,
        };
        let host = Arc::new(Host::start(settings.host.clone(), Arc::clone(&sink), Arc::new(clock::now)));
        let drops = DropsHandle::start(
            "/".into(),
            settings.host.clone(),
            host.device().clone(),
            Arc::clone(&sink),
            Arc::new(clock::now),
        );
        let drops = Arc::new(drops);
        poller.set_profiles(Arc::clone(&settings.snmp.profiles));
        poller.reconfigure(settings.targets.clone()).await;

        let status = Status {
            views: Arc::clone(&views),
            poller: Arc::clone(&poller),
            traps: traps.as_ref().map(|traps| Arc::clone(traps.stats())),
            host: Arc::clone(&host),
            drops: Arc::clone(&drops),
            history: history.clone(),
            exports: exports.clone(),
            deliverer: Arc::clone(&deliverer),
            queue: queue_stats,
            commands: commands.clone(),
            started_at: clock::now(),
        };
        let (stop_web, stopped) = watch::channel(false);
        let web = tokio::spawn(server.serve(status.web_state(), stopped));
        Ok(Self {
            settings,
            views,
            poller,
            traps,
            host,
            drops,
            history,
            exports,
            deliverer,
            commands,
            forecaster,
            core,
            auditor,
            stop_web,
            web,
            page,
        })
    }

    /// Where the page is.
    pub fn page(&self) -> SocketAddr {
        self.page
    }

    /// What is known, for readers.
    pub fn views(&self) -> &Arc<Views> {
        &self.views
    }

    /// How far the targets have come.
    pub fn progress(&self) -> Progress {
        self.poller.progress()
    }

    /// What this machine loses.
    pub fn drops(&self) -> &DropsHandle {
        &self.drops
    }

    /// The collector of this machine.
    pub fn host(&self) -> &host::Handle {
        &self.host
    }

    /// Take other settings: what is the same keeps its state. What cannot change while running is told.
    pub async fn reload(&mut self, settings: Settings) {
        if settings.web != self.settings.web || settings.history != self.settings.history {
            tracing::warn!("changes of [web] and [history] take effect with the next start");
        }
        if settings.traps != self.settings.traps {
            tracing::warn!("changes of [traps] take effect with the next start");
        }
        let core = PipelineSettings {
            aggregate: settings.aggregate.clone(),
            topology: settings.topology.clone(),
            detect: settings.detect.clone(),
            alerts: settings.alerts.clone(),
        };
        if let Some(forecaster) = &self.forecaster {
            forecaster.reconfigure(settings.detect.forecast.clone());
        }
        // The core ends only after this has been dropped.
        let _ = self.commands.send(Command::Reconfigure(Box::new(core)));
        if settings.receivers != self.settings.receivers || settings.routes != self.settings.routes {
            self.deliverer.reconfigure(settings.receivers.clone(), settings.routes.clone());
        }
        if settings.exports != self.settings.exports {
            self.exports.reconfigure(settings.exports.clone());
        }
        self.host.reconfigure(settings.host.clone());
        self.drops.reconfigure(settings.host.clone());
        self.poller.set_profiles(Arc::clone(&settings.snmp.profiles));
        self.poller.reconfigure(settings.targets.clone()).await;
        self.settings = settings;
    }

    /// Stop: first those who ask and those who bring, then the core, then those who tell; what was not told stays on
    /// disk.
    pub async fn stop(self) {
        let _ = self.stop_web.send(true);
        let _ = self.web.await;
        drop(self.traps);
        // Their last holders: both end here, the host's thread within a blink.
        drop(self.drops);
        drop(self.host);
        drop(self.poller);
        let forecaster = self.forecaster;
        let _ = tokio::task::spawn_blocking(move || drop(forecaster)).await;
        let _ = self.commands.send(Command::Stop);
        // The auditor ends when the core does, for nobody asks it any more.
        for (name, thread) in [("core", self.core), ("auditor", self.auditor)] {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the {name} ended in a panic");
            }
        }
        self.deliverer.stop(GRACE).await;
        let exports = self.exports;
        let _ = tokio::task::spawn_blocking(move || exports.stop()).await;
        if let Some(history) = self.history {
            let _ = tokio::task::spawn_blocking(move || history.stop()).await;
        }
    }
}

/// What exports ask: interfaces are left out, as they are handed over with every poll.
fn export_surroundings(views: &Arc<Views>) -> export::Surroundings {
    let (picture, identity) = (Arc::clone(views), Arc::clone(views));
    export::Surroundings {
        picture: Arc::new(move || {
            let drawing = picture.drawing();
            let fabric = Snapshot {
                taken_at: clock::now(),
                devices: picture.table().devices(),
                interfaces: Vec::new(),
                links: drawing.links.clone(),
                groups: drawing.groups.clone(),
                sensors: drawing.sensors.clone(),
                losses: drawing.losses.clone(),
            };
            export::Picture { fabric, alerts: picture.alerts() }
        }),
        identity: Arc::new(move |device| identity.table().device(device).map(|device| device.identity)),
    }
}

/// Who we are to senders of version 3 informs (RFC 3414 §2.2): the same id for ever, one more boot with each start.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Engine {
    id: Box<[u8]>,
    boots: u32,
}

impl Default for Engine {
    fn default() -> Self {
        Self { id: LocalEngine::id_from_random(rand::random()), boots: 0 }
    }
}

impl Engine {
    fn rebooted(self) -> Self {
        Self { boots: self.boots.saturating_add(1), ..self }
    }
}

fn receive_traps(
    settings: &TrapSettings,
    engine: &Engine,
    poller: &Arc<Poller>,
    sink: &SampleSink,
) -> Result<TrapListener, StartError> {
    let engine = LocalEngine { id: engine.id.clone(), boots: engine.boots, started: clock::now() };
    TrapListener::start(settings, engine, Arc::clone(poller), Arc::clone(sink))
        .map_err(|error| StartError::Traps(settings.listen, error))
}

/// A document of the store; one that cannot be understood any more is as good as none, and said so.
fn remembered<T: serde::de::DeserializeOwned>(store: &Store, name: &str) -> Result<Option<T>, deliver::ReadError> {
    let Some(json) = store.document(name)? else { return Ok(None) };
    match serde_json::from_value(json) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            tracing::warn!("what was remembered as {name} cannot be understood and is left behind: {error}");
            Ok(None)
        }
    }
}

/// Writes down every change of the devices' names.
fn keep_names(names: BTreeMap<String, DeviceId>, deliverer: Arc<Deliverer>) -> NameSink {
    // Names change when a device is seen for the first time: a lock nobody waits for.
    let names = Mutex::new(names);
    Arc::new(move |change| {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            NameChange::Named { address, device } => drop(names.insert(address, device)),
            NameChange::Forgotten { address } => drop(names.remove(&address)),
        }
        if let Ok(json) = serde_json::to_value(&*names) {
            deliverer.put_document(NAMES_DOCUMENT, json);
        }
    })
}
