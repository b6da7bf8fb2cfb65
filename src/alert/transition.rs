//! What the book tells when an alert changes.

use crate::fabric::{Severity, Timestamp};

use super::{Alert, Fingerprint};

/// One step of one alert, with the alert as it is after it.
///
/// It carries the whole alert, and so the cause and the evidence: who is told needs no other source. What
/// explains an alert will be part of [`Alert`], and then travels here by itself.
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
    /// The alert after it.
    pub alert: Alert,
}

impl Transition {
    /// Whose step it is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.alert.fingerprint
    }
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
    /// Resolved for long enough: the book drops it.
    Forgotten,
}

impl Change {
    /// People hear of it.
    pub const fn is_told(self) -> bool {
        matches!(self, Self::Fired | Self::Severity { .. } | Self::Resolved)
    }

    /// The book has no such alert any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Withdrawn | Self::Forgotten)
    }
}
