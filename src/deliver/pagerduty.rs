//! PagerDuty's Events API, version 2.
//!
//! The alert's fingerprint is the `dedup_key`, so that all that is told of one alert, a higher severity and the
//! resolution too, belongs to one incident.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::alert::Fingerprint;
use crate::fabric::{Labels, Secret};

use super::entry::Notice;
use super::letter::{cut, page_of};

/// The longest summary that it takes, characters.
const SUMMARY: usize = 1_024;

/// An event may have 512 kB; with this no text of a device brings it there.
const DETAIL: usize = 4_096;

#[derive(Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: Fingerprint,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<String>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    class: String,
    custom_details: Map<String, Value>,
}

/// The event that tells of one alert. A resolution needs no more than its key.
pub(super) fn body(notice: &Notice, routing_key: &Secret, external_url: &str) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Event {
        routing_key: routing_key.reveal(),
        event_action: if notice.firing { "trigger" } else { "resolve" },
        dedup_key: notice.fingerprint,
        payload: notice.firing.then(|| payload(notice)),
        client: notice.firing.then_some("Selvedge"),
        client_url: notice.firing.then(|| page_of(notice, external_url)),
    })
}

fn payload(notice: &Notice) -> Payload {
    let Notice { labels, annotations, .. } = notice;
    let label = |name: &str| labels.get(name).map(|text| cut(text, DETAIL));
    let alertname = label("alertname").unwrap_or_default();
    let summary = annotations.get("summary").map_or(alertname.as_str(), String::as_str);
    Payload {
        summary: cut(summary, SUMMARY),
        source: label("device").or_else(|| label("group")).unwrap_or_else(|| "selvedge".into()),
        severity: match labels.get("severity").map(String::as_str) {
            Some("critical") => "critical",
            Some("warning") => "warning",
            _ => "info",
        },
        timestamp: notice.starts_at.to_string(),
        component: label("interface").or_else(|| label("link")),
        group: label("group"),
        class: alertname,
        custom_details: details(labels).chain(details(annotations)).collect(),
    }
}

fn details(texts: &Labels) -> impl Iterator<Item = (String, Value)> + '_ {
    texts.iter().map(|(name, text)| (name.clone(), cut(text, DETAIL).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::webhook::tests::notice;

    #[test]
    fn the_longest_texts_fit_into_an_event() {
        let mut notice = notice();
        for name in ["summary", "cause", "evidence", "action"] {
            notice.annotations.insert(name.into(), "\u{1}".repeat(1_000_000));
        }
        let bytes = body(&notice, &Secret::new("R"), "http://monitor:9750").unwrap();
        assert!(bytes.len() < 512_000, "{}", bytes.len());
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), SUMMARY);
    }
}
