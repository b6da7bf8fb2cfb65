//! Alertmanager's webhook body, version 4, so that receivers that exist work unchanged.
//!
//! Where alerts are not grouped each is a group of one, of which the group labels are those that say where the alert is
//! and not how bad it is, so that the group key stays the same while the severity changes. An alert of which several
//! steps are told at once is there several times, in their order.

use std::collections::BTreeMap;
use std::fmt::Write;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use crate::alert::Fingerprint;
use crate::fabric::{Labels, Secret};

use super::entry::Notice;
use super::letter::page_of;

/// The labels that tell one alert from another.
const IDENTITY: [&str; 8] =
    ["alertname", "device", "interface", "peer_device", "peer_interface", "link", "group", "direction"];

/// What stands for "not yet" in Alertmanager's bodies.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The body. The names of its fields, and their order, are Alertmanager's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<AlertBody>,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertBody {
    status: &'static str,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: Fingerprint,
}

/// The body that tells `receiver` of one alert, or of several that are grouped by these labels.
pub(super) fn body(
    notices: &[Notice],
    receiver: &str,
    group_by: &[String],
    external_url: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let status = |firing| if firing { "firing" } else { "resolved" };
    let common_labels = common(notices.iter().map(|notice| &notice.labels));
    let is_group_label = |name: &str| match group_by {
        [] => IDENTITY.contains(&name),
        names => names.iter().any(|known| known == name),
    };
    let group_labels: Labels = common_labels
        .iter()
        .filter(|(name, _)| is_group_label(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // The last word on each alert counts.
    let last: BTreeMap<Fingerprint, bool> = notices.iter().map(|notice| (notice.fingerprint, notice.firing)).collect();
    let alert = |notice: &'_ Notice| AlertBody {
        status: status(notice.firing),
        starts_at: notice.starts_at.to_string(),
        ends_at: notice.ends_at.map_or_else(|| NEVER.to_owned(), |at| at.to_string()),
        generator_url: page_of(notice, external_url),
        fingerprint: notice.fingerprint,
        labels: notice.labels.clone(),
        annotations: notice.annotations.clone(),
    };
    serde_json::to_vec(&Body {
        receiver,
        status: status(last.values().any(|firing| *firing)),
        alerts: notices.iter().map(alert).collect(),
        group_key: group_key(&group_labels),
        group_labels,
        common_annotations: common(notices.iter().map(|notice| &notice.annotations)),
        common_labels,
        external_url,
        version: "4",
        truncated_alerts: 0,
    })
}

/// What all have alike.
fn common<'a>(mut of: impl Iterator<Item = &'a Labels>) -> Labels {
    let first = of.next().cloned().unwrap_or_default();
    of.fold(first, |mut common, other| {
        common.retain(|name, value| other.get(name) == Some(value));
        common
    })
}

/// The value of `X-Selvedge-Signature`: `sha256=` and, in hexadecimal, the HMAC-SHA-256 (RFC 2104) of the body as
/// it is sent, with the secret's bytes as key. With it a receiver knows who wrote, and that nobody changed it.
pub(super) fn signature(key: &Secret, body: &[u8]) -> String {
    // Any length of key is fit for an HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).expect("keys of any length will do");
    mac.update(body);
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// As Alertmanager writes it: the route's matchers, of which there are none, and the group's labels.
fn group_key(labels: &Labels) -> String {
    let mut key = String::from("{}:{");
    for (position, (name, value)) in labels.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(key, "{separator}{name}={value:?}");
    }
    key.push('}');
    key
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alert::Fingerprint;
    use crate::fabric::{FindingKey, FindingKind, Subject, Timestamp};

    pub(in crate::deliver) fn notice() -> Notice {
        let subject = Subject::Device("leaf1".into());
        let key = FindingKey { kind: FindingKind::DeviceUnreachable, subject, direction: None };
        let labels =
            [("alertname", "DeviceUnreachable"), ("device", "leaf1"), ("severity", "critical"), ("site", "ber")];
        Notice {
            fingerprint: Fingerprint::of(&key),
            firing: true,
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            annotations: [("summary".to_owned(), "leaf1 does not answer".to_owned())].into(),
            starts_at: Timestamp::from_micros(1_795_498_200_123_456),
            ends_at: None,
        }
    }

    #[test]
    fn is_alertmanagers_version_4() {
        let body: serde_json::Value =
            serde_json::from_slice(&body(&[notice()], "oncall", &[], "http://monitor:9750/").unwrap()).unwrap();
        let labels = serde_json::json!(
            {"alertname": "DeviceUnreachable", "device": "leaf1", "severity": "critical", "site": "ber"}
        );
        assert_eq!(
            body,
            serde_json::json!({
                "receiver": "oncall",
                "status": "firing",
                "alerts": [{
                    "status": "firing",
                    "labels": labels,
                    "annotations": {"summary": "leaf1 does not answer"},
                    "startsAt": "2026-11-24T05:30:00.123Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "http://monitor:9750/#/alerts?open=4a306574bd4bd8b1",
                    "fingerprint": "4a306574bd4bd8b1",
                }],
                "groupLabels": {"alertname": "DeviceUnreachable", "device": "leaf1"},
                "commonLabels": labels,
                "commonAnnotations": {"summary": "leaf1 does not answer"},
                "externalURL": "http://monitor:9750/",
                "version": "4",
                "groupKey": r#"{}:{alertname="DeviceUnreachable", device="leaf1"}"#,
                "truncatedAlerts": 0,
            })
        );
    }

    #[test]
    fn says_when_it_ended() {
        let resolved = Notice { firing: false, ends_at: Some(Timestamp::from_secs(1_795_498_260)), ..notice() };
        let body: serde_json::Value = serde_json::from_slice(&body(&[resolved], "oncall", &[], "").unwrap()).unwrap();
        assert_eq!(body["status"], "resolved");
        assert_eq!(body["alerts"][0]["status"], "resolved");
        assert_eq!(body["alerts"][0]["endsAt"], "2026-11-24T05:31:00.000Z");
    }

    #[test]
    fn signs_as_rfc_4231_does() {
        // Test case 2.
        assert_eq!(
            signature(&Secret::new("Jefe"), b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn quotes_what_the_network_says() {
        let labels: Labels = [("device".to_owned(), "a\"b\\\n".to_owned())].into();
        assert_eq!(group_key(&labels), r#"{}:{device="a\"b\\\n"}"#);
    }

    #[test]
    fn a_group_has_what_its_alerts_have_alike() {
        let other = Notice {
            fingerprint: Fingerprint::of(&FindingKey {
                kind: FindingKind::DeviceRestarted,
                subject: Subject::Device("leaf1".into()),
                direction: None,
            }),
            labels: Labels::from([("alertname".into(), "DeviceRestarted".into()), ("device".into(), "leaf1".into())]),
            firing: false,
            ..notice()
        };
        let over = Notice { firing: false, ..notice() };
        let by = ["device".to_owned(), "site".to_owned()];
        let json = |notices: &[Notice]| {
            serde_json::from_slice::<serde_json::Value>(&body(notices, "oncall", &by, "").unwrap()).unwrap()
        };
        let group = json(&[notice(), other.clone()]);
        assert_eq!(group["commonLabels"], serde_json::json!({"device": "leaf1"}));
        assert_eq!(group["groupKey"], r#"{}:{device="leaf1"}"#);
        assert_eq!((group["alerts"].as_array().unwrap().len(), &group["status"]), (2, &"firing".into()));
        assert_eq!(json(&[notice(), other, over])["status"], "resolved", "the last word on each counts");
    }
}
