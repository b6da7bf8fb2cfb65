//! What the book tells when an alert changes.

use crate::fabric::{Severity, Timestamp};

use super::{Alert, Fingerprint};

/// One step of one alert, with the alert as it is after it.
///
/// It carries the whole alert, and so the cause and the evidence: who is told needs no other source.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Grows by one with every transition, over restarts too.
    pub sequence: u64,
    /// When the book made the step.
    pub at: Timestamp,
    /// The reading or the deadline that brought it about: from here latency is counted.
    pub observed_at: Timestamp,
    /// What changed.
    pub change: Change,
    /// What people hear of it; the book alone says what they would hear if nothing were kept back.
    pub tell: Option<Tell>,
    /// The alert after it.
    pub alert: Alert,
}

impl Transition {
    /// Whose step it is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.alert.fingerprint
    }
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// It began.
    Began,
    /// It became more urgent.
    Worse,
    /// It is over: told to those who heard of it before.
    Over,
}

/// The kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Seen, and not yet long enough to tell.
    Pending,
    /// It is certain now: people are told.
    Fired,
    /// It fires, and became more or less urgent.
    Severity {
        /// How urgent it was before.
        from: Severity,
    },
    /// It is over: whoever was told of it hears this too.
    Resolved,
    /// It was over before anybody was told.
    Withdrawn,
    /// It fires, and what kept it back is gone: people are told now.
    Released,
    /// It stands differently with other alerts or with those who are told; nobody is told.
    Standing,
    /// Resolved for long enough: the book drops it.
    Forgotten,
}

impl Change {
    /// What people hear of it where nothing is kept back. Trouble that becomes less is on the page: it wakes nobody up.
    pub fn tells(self, alert: &Alert) -> Option<Tell> {
        match self {
            Self::Fired | Self::Released => Some(Tell::Began),
            Self::Severity { from } => (alert.severity() > from).then_some(Tell::Worse),
            Self::Resolved => Some(Tell::Over),
            Self::Pending | Self::Withdrawn | Self::Standing | Self::Forgotten => None,
        }
    }

    /// The book has no such alert any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Withdrawn | Self::Forgotten)
    }
}
