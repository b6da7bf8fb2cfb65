//! Who is told, and how.

use std::time::Duration;

use super::Pace;
use crate::fabric::Secret;
use crate::http::Authority;

/// `[[receiver]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// Its name, as routes use it.
    pub name: String,
    /// How it is spoken to, and where.
    pub kind: ReceiverKind,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Tell it of resolved alerts too.
    pub send_resolved: bool,
    /// Headers of our own for every request, with names that are fit for HTTP.
    pub headers: Vec<(String, Secret)>,
    /// Whose certificates are believed; none: those that this machine believes.
    pub ca: Option<Authority>,
    /// How often it is spoken to.
    pub pace: Pace,
}

impl ReceiverSettings {
    /// A receiver with the defaults of all that is not asked for.
    pub fn new(name: impl Into<String>, kind: ReceiverKind) -> Self {
        let timeout = Duration::from_secs(10);
        Self {
            name: name.into(),
            kind,
            timeout,
            send_resolved: true,
            headers: Vec::new(),
            ca: None,
            pace: Pace { group_interval: Duration::from_secs(300), ..Pace::default() },
        }
    }

    /// Every text that must not be shown.
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        let mut secrets: Vec<&Secret> = self.headers.iter().map(|(_, value)| value).collect();
        match &self.kind {
            ReceiverKind::Webhook { url, hmac } => secrets.extend([url].into_iter().chain(hmac)),
            ReceiverKind::PagerDuty { url, routing_key } => secrets.extend([url, routing_key]),
            ReceiverKind::Slack { url } => secrets.push(url),
            ReceiverKind::Alertmanager { urls, .. } => secrets.extend(urls),
        }
        secrets
    }
}

/// The kinds of receivers. A URL may hold a token, so that none is ever shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// Alertmanager's webhook body, version 4, by POST.
    Webhook {
        /// Where.
        url: Secret,
        /// Sign each body with it.
        hmac: Option<Secret>,
    },
    /// PagerDuty's Events API, version 2.
    PagerDuty {
        /// Where; [`ReceiverKind::PAGERDUTY_URL`] but for tests and proxies.
        url: Secret,
        /// Which of its services.
        routing_key: Secret,
    },
    /// Slack's incoming webhook.
    Slack {
        /// Where; the URL is the permission.
        url: Secret,
    },
    /// Alertmanager's API, version 2.
    Alertmanager {
        /// Every member of the cluster, as its page is reached; never empty.
        urls: Vec<Secret>,
        /// How often it is told again of what still fires.
        resend_every: Duration,
    },
}

impl ReceiverKind {
    /// Where PagerDuty takes events.
    pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

    /// How often it is to be told again of what fires; none where once is enough.
    pub const fn resend_every(&self) -> Option<Duration> {
        match self {
            Self::Alertmanager { resend_every, .. } => Some(*resend_every),
            _ => None,
        }
    }

    /// Its word in the configuration.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Slack { .. } => "slack",
            Self::Alertmanager { .. } => "alertmanager",
        }
    }
}
