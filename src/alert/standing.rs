//! Whether people hear of an alert that fires, and if not, why not.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fabric::{Labels, Severity};

use super::{Alert, Fingerprint, Maintenance};

/// So many of those that a cause explains are named; the rest is counted.
pub const NAMED: usize = 10;

/// Why nobody is told of an alert though it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quiet {
    /// A maintenance window holds.
    Maintenance,
    /// Somebody silenced it.
    Silenced,
    /// Another alert explains it, and that one is told.
    Explained,
    /// It may have a cause that is not certain yet; told before long if not.
    Held,
}

/// An alert, as others name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// Its name among machines.
    pub fingerprint: Fingerprint,
    /// Its name among people: `DeviceUnreachable spine2`.
    pub name: String,
}

impl Reference {
    /// To this alert.
    pub fn to(alert: &Alert) -> Self {
        let key = alert.key();
        Self { fingerprint: alert.fingerprint, name: format!("{} {}", key.kind.as_str(), key.subject) }
    }
}

/// What a cause explains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// How many alerts.
    pub count: usize,
    /// The first of them, [`NAMED`] at most.
    pub alerts: Vec<Reference>,
}

/// How an alert stands with those who are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// How urgent it was when people last heard of it; none where nobody was told of this episode.
    pub told: Option<Severity>,
    /// Why nobody hears of it now.
    pub quiet: Option<Quiet>,
    /// What explains it.
    pub explained_by: Vec<Reference>,
    /// What it explains.
    pub explains: Explained,
    /// The silences that hold for it, by id.
    pub silenced_by: Vec<String>,
    /// The maintenance windows that hold for it, by name.
    pub maintenance: Vec<String>,
    /// The line that it is about, as the operator named it.
    pub circuit: Option<Arc<str>>,
    /// The labels that the operator gave to its device, as last known: after a restart the device is yet to be read.
    pub configured: Labels,
}

/// What the operator sets about who is told when.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A link whose far device has not answered since it went down, and what rests on such a link, is held for so long
    /// at most: the device is asked at once, and is nearly always heard within milliseconds. Long enough for a dead
    /// device to be known as one: all retries of a request. 10 seconds by default; zero holds nothing.
    pub hold: Duration,
    /// What a device that restarted took with it is held for so long: its ports need a while to come up. 3 minutes by
    /// default.
    pub restart_grace: Duration,
    /// Lines by their ends.
    pub circuits: Vec<Circuit>,
    /// Lines by redundancy group: its name and the line's.
    pub group_circuits: Vec<(String, Arc<str>)>,
    /// `[[maintenance]]`
    pub maintenance: Vec<Maintenance>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(10),
            restart_grace: Duration::from_secs(180),
            circuits: Vec::new(),
            group_circuits: Vec::new(),
            maintenance: Vec::new(),
        }
    }
}

/// The line behind an interface, by the name that its owner gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// The device's name, `*` stands for any run of characters.
    pub device: String,
    /// The interface's name, likewise.
    pub interface: String,
    /// The line.
    pub name: Arc<str>,
}
