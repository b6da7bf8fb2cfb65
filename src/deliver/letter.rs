//! What goes to a receiver of each kind: where, and which bytes.

use std::time::Duration;

use crate::fabric::{Labels, Secret, Timestamp};

use super::entry::Notice;
use super::{ReceiverKind, ReceiverSettings, alertmanager, pagerduty, slack, webhook};

/// One request to be made.
#[derive(Debug)]
pub(super) struct Letter {
    pub url: Secret,
    pub body: Vec<u8>,
    /// Goes with it as `X-Selvedge-Signature`.
    pub signature: Option<String>,
}

/// A receiver's letters for one notification: of one alert, or of several for kinds that take them ([`takes_several`]). One is enough where there are several: they go to members of a
/// cluster. `replaces` are the labels by which the receiver knows the alert, where they are other ones.
pub(super) fn letters(
    settings: &ReceiverSettings,
    notices: &[Notice],
    replaces: Option<&Labels>,
    external_url: &str,
    now: Timestamp,
) -> Result<Vec<Letter>, serde_json::Error> {
    let one = |url: &Secret, body: Vec<u8>| vec![Letter { url: url.clone(), body, signature: None }];
    // There is always one.
    let Some(notice) = notices.first() else { return Ok(Vec::new()) };
    Ok(match &settings.kind {
        ReceiverKind::Webhook { url, hmac } => {
            let body = webhook::body(notices, &settings.name, &settings.pace.group_by, external_url)?;
            let signature = hmac.as_ref().map(|key| webhook::signature(key, &body));
            vec![Letter { url: url.clone(), body, signature }]
        }
        ReceiverKind::PagerDuty { url, routing_key } => one(url, pagerduty::body(notice, routing_key, external_url)?),
        ReceiverKind::Slack { url } => one(url, slack::body(notices, external_url)?),
        ReceiverKind::Alertmanager { urls, resend_every } => {
            let lasting = alertmanager::lasting(*resend_every);
            alertmanager::letters(urls, alertmanager::step(notice, replaces, external_url, now, lasting)?)
        }
    })
}

/// Whether this kind takes several alerts in one notification. PagerDuty and Alertmanager join alerts themselves.
pub(super) const fn takes_several(kind: &ReceiverKind) -> bool {
    matches!(kind, ReceiverKind::Webhook { .. } | ReceiverKind::Slack { .. })
}

/// The letters that tell Alertmanager again of what still fires; none for other kinds.
pub(super) fn reminders(
    settings: &ReceiverSettings,
    firing: &[Notice],
    external_url: &str,
    now: Timestamp,
) -> Result<Vec<Letter>, serde_json::Error> {
    let ReceiverKind::Alertmanager { urls, resend_every } = &settings.kind else { return Ok(Vec::new()) };
    let lasting: Duration = alertmanager::lasting(*resend_every);
    Ok(alertmanager::letters(urls, alertmanager::reminder(firing, external_url, now, lasting)?))
}

/// Where on our page an alert is.
pub(super) fn page_of(notice: &Notice, external_url: &str) -> String {
    format!("{}/#/alerts?open={}", external_url.trim_end_matches('/'), notice.fingerprint)
}

/// At most so many characters, the last of which then says that there were more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}
