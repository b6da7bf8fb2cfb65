//! Alertmanager's API, version 2: `POST /api/v2/alerts`.
//!
//! To Alertmanager an alert *is* its label set, and one that it hears nothing more of is over. So:
//!
//! - a severity that rises is a new alert there, and the same request ends the old one;
//! - what fires is told with an end that lies four intervals ahead, and told again every interval (see `clerk`);
//! - a resolution ends the label set that was told, whatever the alert's labels have become since.
//!
//! Every member of a cluster is told, as they do not tell each other; one that takes it is enough. A member that
//! missed it hears of what fires with the next reminder, and what is over ends there by itself, four intervals
//! after the last that it heard: nothing is kept for it.

use std::time::Duration;

use serde::Serialize;

use crate::fabric::{Labels, Secret, Timestamp};

use super::entry::Notice;
use super::letter::{Letter, page_of};

/// An end so many intervals ahead: three reminders may get lost.
const INTERVALS_AHEAD: u32 = 4;

/// Alerts a request, some 2 kB each.
pub(super) const ALERTS_PER_POST: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

impl<'a> PostableAlert<'a> {
    fn new(notice: &'a Notice, labels: &'a Labels, ends_at: Timestamp, external_url: &str) -> Self {
        Self {
            labels,
            annotations: &notice.annotations,
            starts_at: notice.starts_at.to_string(),
            // It refuses an end before the beginning.
            ends_at: ends_at.max(notice.starts_at).to_string(),
            generator_url: page_of(notice, external_url),
        }
    }
}

/// How long what is told lasts without being told again.
pub(super) fn lasting(resend_every: Duration) -> Duration {
    resend_every * INTERVALS_AHEAD
}

/// The body that tells of one step.
pub(super) fn step(
    notice: &Notice,
    replaces: Option<&Labels>,
    external_url: &str,
    now: Timestamp,
    lasting: Duration,
) -> Result<Vec<u8>, serde_json::Error> {
    let alert = |labels, ends_at| PostableAlert::new(notice, labels, ends_at, external_url);
    let alerts = match (notice.firing, replaces) {
        (true, None) => vec![alert(&notice.labels, now + lasting)],
        (true, Some(old)) => vec![alert(old, now), alert(&notice.labels, now + lasting)],
        (false, old) => vec![alert(old.unwrap_or(&notice.labels), notice.ends_at.unwrap_or(now))],
    };
    serde_json::to_vec(&alerts)
}

/// The body that tells again of what fires.
pub(super) fn reminder(
    firing: &[Notice],
    external_url: &str,
    now: Timestamp,
    lasting: Duration,
) -> Result<Vec<u8>, serde_json::Error> {
    let alerts: Vec<_> =
        firing.iter().map(|notice| PostableAlert::new(notice, &notice.labels, now + lasting, external_url)).collect();
    serde_json::to_vec(&alerts)
}

/// The same body for every member.
pub(super) fn letters(urls: &[Secret], body: Vec<u8>) -> Vec<Letter> {
    let endpoint = |url: &Secret| Secret::new(format!("{}/api/v2/alerts", url.reveal().trim_end_matches('/')));
    urls.iter().map(|url| Letter { url: endpoint(url), body: body.clone(), signature: None }).collect()
}
