//! Who is told, and how.

use std::time::Duration;

use crate::fabric::Secret;

/// `[[receiver]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// Its name, as routes use it.
    pub name: String,
    /// How it is spoken to.
    pub kind: ReceiverKind,
    /// Where; may hold a token, so it is never shown.
    pub url: Secret,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Tell it of resolved alerts too.
    pub send_resolved: bool,
}

/// The kinds of receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// Alertmanager's webhook body, version 4, by POST.
    Webhook,
}
