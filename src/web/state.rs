//! What the web room is given: closures over what others own, so that it depends on none of them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::aggregate::Basis;
use crate::alert::{Alert, Mutes, Silence};
use crate::fabric::{InterfaceId, Snapshot, UtilizationSpread};
use crate::history::History;
use crate::topology::headroom::Headroom;
use crate::topology::ledger::Scene;

/// A source of something that others own.
pub type Source<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// The same for one interface, where it is known.
pub type Lookup<T> = Arc<dyn Fn(&InterfaceId) -> Option<T> + Send + Sync>;

/// All that the routes show. Cheap to clone. The closures are called on every request and once a second
/// while somebody listens to events, and must not block.
#[derive(Clone)]
pub struct WebState {
    /// The newest snapshot.
    pub snapshot: Source<Arc<Snapshot>>,
    /// How the utilisation of an interface was spread over the last minute, hour and day.
    pub spread: Lookup<UtilizationSpread>,
    /// What the rates of an interface rest on.
    pub basis: Lookup<Basis>,
    /// The alerts of the book: pending, firing and lately resolved.
    pub alerts: Source<Arc<Vec<Alert>>>,
    /// Silences and maintenance windows.
    pub mutes: Source<Arc<Mutes>>,
    /// Changes a silence; returns when that is written down, and so may block for a moment.
    pub edit: Arc<dyn Fn(Edit) -> Result<Silence, String> + Send + Sync>,
    /// What the ledger is written from.
    pub scene: Source<Arc<Scene>>,
    /// What links would carry after each failure.
    pub headroom: Source<Arc<Headroom>>,
    /// The history, where it is kept.
    pub history: Option<History>,
    /// What `/api/host` shows: what this machine loses.
    pub host: Source<Value>,
    /// What `/api/status` shows.
    pub status: Source<Value>,
    /// Our own metrics as exposition text, such as [`crate::telemetry::Registry::render`] makes it.
    pub telemetry: Source<String>,
    /// Does the process live? Asked by `/healthz`: the core loop ticked within 5 s.
    pub health: Source<Probe>,
    /// Is it ready? Asked by `/readyz`: every target was tried once, the store is open.
    pub readiness: Source<Probe>,
}

/// What may be changed from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Make a silence.
    Silence(Silence),
    /// End one, by its id.
    End(String),
}

/// The answer to a health question: fine where no reason speaks against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What is not fine, each a sentence.
    pub reasons: Vec<String>,
}

impl Probe {
    /// Nothing speaks against it.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}
