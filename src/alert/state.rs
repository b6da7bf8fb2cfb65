//! One alert: a finding with a history.

use serde::{Deserialize, Serialize};

use crate::fabric::{Finding, FindingKey, Labels, Severity, Subject, Timestamp, Unknown};

use super::{Explained, Fingerprint, Quiet, Reference, Standing};

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Seen, and not yet for as long as its detector asks.
    Pending,
    /// People have been told.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One trouble at one place, from the time it is first seen until it is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its name among machines.
    pub fingerprint: Fingerprint,
    /// The latest word of its detector; the key within it never changes.
    pub finding: Finding,
    /// Where it stands.
    pub state: AlertState,
    /// When this episode was first seen.
    pub since: Timestamp,
    /// When this episode began to fire.
    pub fired_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// When its detector last said that it is there.
    pub last_seen: Timestamp,
    /// It fires, and its detector has been saying since then that it is gone: the time of keep_firing_for runs.
    pub clearing_since: Option<Timestamp>,
    /// Nothing can be said of it now, and why. Its state is that of the last certain word.
    #[serde(skip)]
    pub unknown: Option<Unknown>,
    /// The sequence number of its last transition.
    pub sequence: u64,
    /// Whether people hear of it.
    #[serde(default)]
    pub standing: Standing,
}

impl Alert {
    /// What it is about.
    pub fn key(&self) -> &FindingKey {
        &self.finding.key
    }

    /// How urgent it is now.
    pub fn severity(&self) -> Severity {
        self.finding.severity
    }

    /// Pending or firing.
    pub fn is_active(&self) -> bool {
        self.state != AlertState::Resolved
    }

    /// Its labels: `alertname` and `severity` always, and of the rest what it has. `configured` are labels that
    /// the operator gave to the device; they never take the place of ours.
    ///
    /// A link has two ends: `device` and `interface` are the end that sorts first, `peer_device` and
    /// `peer_interface` the other. A group's `device` is the one whose doubling it is.
    pub fn labels(&self, configured: &Labels) -> Labels {
        let key = self.key();
        let mut labels = configured.clone();
        let mut set = |name: &str, value: &str| {
            labels.insert(name.to_owned(), value.to_owned());
        };
        set("alertname", key.kind.as_str());
        set("severity", self.severity().as_str());
        if let Some(class) = self.finding.class {
            set("class", class.as_str());
        }
        if let Some(direction) = key.direction {
            set("direction", direction.as_str());
        }
        match &key.subject {
            Subject::Device(device) => set("device", device.as_str()),
            Subject::Interface(interface) => {
                set("device", interface.device.as_str());
                set("interface", &interface.if_name);
            }
            Subject::Link { id, a, b } => {
                set("link", id.as_str());
                set("device", a.device.as_str());
                set("interface", &a.if_name);
                set("peer_device", b.device.as_str());
                set("peer_interface", &b.if_name);
            }
            Subject::Group { name, device } => {
                set("group", name);
                if let Some(device) = device {
                    set("device", device.as_str());
                }
            }
        }
        if let Some(circuit) = &self.standing.circuit {
            labels.insert("circuit".to_owned(), circuit.to_string());
        }
        labels
    }

    /// Its words for people: `summary`, `cause`, `evidence`, `action`, as far as the detector gave them; and `explains`
    /// where it explains others.
    pub fn annotations(&self) -> Labels {
        let words = &self.finding.evidence;
        let explains = self.explains();
        [
            ("summary", &words.summary),
            ("cause", &words.cause),
            ("evidence", &words.evidence),
            ("action", &words.action),
            ("explains", &explains),
        ]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.to_owned(), text.clone()))
        .collect()
    }

    /// What else would be told without it, in a sentence; empty where nothing would.
    fn explains(&self) -> String {
        let Explained { count, alerts } = &self.standing.explains;
        let names: Vec<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
        let more = count.saturating_sub(names.len());
        match (count, more) {
            (0, _) => String::new(),
            (1, _) => format!("It explains one more alert: {}.", names.join(", ")),
            (_, 0) => format!("It explains {count} more alerts: {}.", names.join(", ")),
            _ => format!("It explains {count} more alerts: {} and {more} others.", names.join(", ")),
        }
    }

    /// As `/api/alerts` shows it.
    pub fn view(&self, configured: &Labels) -> AlertView {
        AlertView {
            fingerprint: self.fingerprint,
            labels: self.labels(configured),
            annotations: self.annotations(),
            state: self.state,
            since: self.since.to_string(),
            fired_at: self.fired_at.map(|at| at.to_string()),
            resolved_at: self.resolved_at.map(|at| at.to_string()),
            unknown: self.unknown.map(Unknown::as_str),
            told: self.standing.told.is_some(),
            quiet: self.standing.quiet,
            explained_by: self.standing.explained_by.clone(),
            explains: self.standing.explains.clone(),
            silenced_by: self.standing.silenced_by.clone(),
            maintenance: self.standing.maintenance.clone(),
        }
    }
}

/// One element of `/api/alerts`; times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    /// Its name among machines.
    pub fingerprint: Fingerprint,
    /// Who, where, how urgent.
    pub labels: Labels,
    /// Words for people.
    pub annotations: Labels,
    /// Where it stands.
    pub state: AlertState,
    /// When it was first seen.
    pub since: String,
    /// When it began to fire.
    pub fired_at: Option<String>,
    /// When it was over.
    pub resolved_at: Option<String>,
    /// Why nothing can be said of it now; null where something can.
    pub unknown: Option<&'static str>,
    /// People were told of it.
    pub told: bool,
    /// Why nobody is told of it now, though it fires; null where that is not so.
    pub quiet: Option<Quiet>,
    /// The alerts that explain it.
    pub explained_by: Vec<Reference>,
    /// The alerts that it explains.
    pub explains: Explained,
    /// Silences that hold for it, by id.
    pub silenced_by: Vec<String>,
    /// Maintenance windows that hold for it, by name.
    pub maintenance: Vec<String>,
}
