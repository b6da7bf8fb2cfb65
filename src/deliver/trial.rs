//! A test alert, straight to one receiver, past the outbox: does the way to it work?

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

use crate::alert::Fingerprint;
use crate::fabric::{FindingKey, FindingKind, Labels, Subject, Timestamp};

use super::entry::Notice;
use super::letter::{cut, letters};
use super::post::{self, Answer, Heard};
use super::{ReceiverKind, ReceiverSettings};

/// Who the test alert is about; no device has this name, as names have no blanks.
const SUBJECT: &str = "Selvedge test alert";

/// So many characters of an answer are shown.
const SHOWN: usize = 200;

/// What a receiver answered to one request of the test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// What was told: `firing` or `resolved`.
    pub told: &'static str,
    /// Which member of a cluster, from 1; none where there is only one address.
    pub member: Option<usize>,
    /// It took it.
    pub taken: bool,
    /// Status and beginning of the answer, or why there is none; without secrets, on one line.
    pub answer: String,
}

/// Tell a receiver of the alert `SelvedgeTest`, severity info, and of its end. One attempt each; the end is not told
/// where nobody took the beginning, or where the receiver does not want to hear of ends.
pub async fn send_test(settings: &ReceiverSettings, external_url: &str, now: Timestamp) -> Vec<Trial> {
    let mut trials = Vec::new();
    for firing in [true, false] {
        let hears_ends = settings.send_resolved || matches!(settings.kind, ReceiverKind::Alertmanager { .. });
        let goes = firing || (hears_ends && trials.iter().any(|trial: &Trial| trial.taken));
        if !goes {
            break;
        }
        let told = if firing { "firing" } else { "resolved" };
        let letters = match letters(settings, &[notice(firing, now)], None, external_url, now) {
            Ok(letters) => letters,
            Err(error) => return vec![Trial { told, member: None, taken: false, answer: error.to_string() }],
        };
        let urls: Vec<&str> = letters.iter().map(|letter| letter.url.reveal()).collect();
        let client = post::client(settings, &urls);
        let several = letters.len() > 1;
        let key = format!("selvedge-test-{told}-{}", now.as_micros());
        for (number, letter) in letters.into_iter().enumerate() {
            let heard = match &client {
                Ok(client) => post::post(client, settings, letter, Some(&key)).await,
                Err(_) => Heard::from(Answer::later("no connection can be made with these settings".into())),
            };
            trials.push(Trial {
                told,
                member: several.then_some(number + 1),
                taken: matches!(heard.answer, Answer::Acknowledged),
                answer: shown(settings, &heard),
            });
        }
    }
    trials
}

/// On one line. A body may repeat what it was sent, and hold anything else.
fn shown(settings: &ReceiverSettings, heard: &Heard) -> String {
    let mut secrets = settings.secrets();
    // One may be a part of another.
    secrets.sort_by_key(|secret| Reverse(secret.reveal().len()));
    let body = secrets.into_iter().fold(heard.body.clone(), |body, secret| body.replace(secret.reveal(), "***"));
    match body.as_str() {
        "" => heard.status.clone(),
        body => format!("{}: {}", heard.status, cut(body, SHOWN).escape_debug()),
    }
}

fn notice(firing: bool, now: Timestamp) -> Notice {
    let subject = Subject::Device(SUBJECT.into());
    let key = FindingKey { kind: FindingKind::DeviceUnreachable, subject, direction: None };
    let texts = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    Notice {
        fingerprint: Fingerprint::of(&key),
        firing,
        labels: texts(&[("alertname", "SelvedgeTest"), ("severity", "info")]),
        annotations: texts(&[
            ("summary", "This is a test of Selvedge's alerts; nothing is wrong"),
            ("cause", "Somebody ran `selvedge check --send-test`."),
            ("action", "None: it resolves by itself at once."),
        ]),
        // What ends must have lasted.
        starts_at: now - Duration::from_secs(1),
        ends_at: (!firing).then_some(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::Secret;

    #[test]
    fn an_answer_shows_no_secret_and_stays_on_its_line() {
        let kind = ReceiverKind::PagerDuty { url: Secret::new("http://a/TOKEN"), routing_key: Secret::new("TOKEN") };
        let settings = ReceiverSettings::new("pager", kind);
        let body = "no such key: TOKEN\n\u{1b}[31m at http://a/TOKEN".to_owned();
        let heard = Heard { answer: Answer::RefusesBody(String::new()), status: "400 Bad Request".into(), body };
        assert_eq!(shown(&settings, &heard), r"400 Bad Request: no such key: ***\n\u{1b}[31m at ***");
        let long = Heard { body: "x".repeat(4_096), ..heard };
        assert!(shown(&settings, &long).chars().count() < 250);
    }
}
