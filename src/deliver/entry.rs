//! One notification for one receiver, as it waits in the outbox.

use serde::{Deserialize, Serialize};

use crate::alert::{AlertState, Fingerprint, Tell, Transition};
use crate::fabric::{Labels, Timestamp};

/// A notification, finished but for the spelling of its receiver's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its place in the receiver's queue.
    pub number: u64,
    /// Unique for ever, also over a store that was deleted: it holds the time. The same in every attempt.
    pub idempotency_key: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The reading that brought it about.
    pub observed_at: Timestamp,
    /// What it tells.
    pub step: Step,
    /// What it says.
    pub notice: Notice,
    /// The labels by which receivers know the alert until now, where they are other ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Labels>,
    /// What it is told together with; empty where it is told by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The number of the first of those with which it leaves: decided once, so that every attempt, also after a kill,
    /// tells the same under the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
}

/// What a notification tells of its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    /// It began.
    Fired,
    /// It fires with a higher severity.
    Severity,
    /// It fires still: told again.
    Again,
    /// It is over.
    Resolved,
}

impl Step {
    /// Of a transition; none where nobody is told of it.
    pub fn of(transition: &Transition) -> Option<Self> {
        Some(match transition.tell? {
            Tell::Began => Self::Fired,
            Tell::Worse => Self::Severity,
            Tell::Over => Self::Resolved,
        })
    }
}

/// The alert as a receiver sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Notice {
    pub fingerprint: Fingerprint,
    pub firing: bool,
    pub labels: Labels,
    pub annotations: Labels,
    pub starts_at: Timestamp,
    pub ends_at: Option<Timestamp>,
}

impl Entry {
    /// Of a step that people hear of.
    pub fn new(transition: &Transition, step: Step, number: u64, created_at: Timestamp, labels: Labels) -> Self {
        let alert = &transition.alert;
        Self {
            number,
            idempotency_key: format!("{}-{number}-{}", alert.fingerprint, transition.at.as_micros()),
            created_at,
            observed_at: transition.observed_at,
            step,
            notice: Notice {
                fingerprint: alert.fingerprint,
                firing: alert.state == AlertState::Firing,
                labels,
                annotations: alert.annotations(),
                starts_at: alert.fired_at.unwrap_or(alert.since),
                ends_at: alert.resolved_at,
            },
            replaces: None,
            group: String::new(),
            batch: None,
        }
    }

    /// Of an alert that people know and that fires still.
    pub fn again(notice: Notice, number: u64, now: Timestamp) -> Self {
        Self {
            number,
            idempotency_key: format!("{}-{number}-{}", notice.fingerprint, now.as_micros()),
            created_at: now,
            observed_at: now,
            step: Step::Again,
            notice,
            replaces: None,
            group: String::new(),
            batch: None,
        }
    }
}
