//! Alerts against receivers that fail in every way, a process that is killed, and a disk that is full:
//! real sockets on loopback, real files.

mod alertmanager;
mod disk;
mod kill;
mod kinds;
mod outages;
mod pace;
mod receiver;
mod storm;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge::alert::{Book, Route, Transition};
use selvedge::deliver::{Deliverer, ReceiverKind, ReceiverSettings, Store, Surroundings};
use selvedge::fabric::{
    DeviceId, Evidence, Finding, FindingKey, FindingKind, Labels, Secret, Severity, Subject, Timestamp, Verdict,
};

fn now() -> Timestamp {
    Timestamp::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64)
}

fn surroundings() -> Surroundings {
    Surroundings {
        external_url: "http://monitor:9750".into(),
        clock: Arc::new(now),
        device_labels: Arc::new(|device: &DeviceId| {
            let role = if device.as_str().starts_with("spine") { "spine" } else { "leaf" };
            Labels::from([("role".to_owned(), role.to_owned())])
        }),
        runtime: tokio::runtime::Handle::current(),
    }
}

fn webhook(name: &str, url: &str) -> ReceiverSettings {
    let kind = ReceiverKind::Webhook { url: Secret::new(url), hmac: None };
    ReceiverSettings { timeout: Duration::from_millis(500), ..ReceiverSettings::new(name, kind) }
}

fn start(data: &Path, receivers: Vec<ReceiverSettings>, routes: Vec<Route>) -> (Book, Deliverer) {
    let store = Store::open(data).unwrap();
    let mut book = Book::new();
    book.restore(store.load().unwrap());
    (book, Deliverer::start(store, receivers, routes, surroundings()).unwrap())
}

fn key_of(device: &str) -> FindingKey {
    FindingKey { kind: FindingKind::DeviceUnreachable, subject: Subject::Device(device.into()), direction: None }
}

/// A device fails (`Some`, this badly) or is well again.
fn word(book: &mut Book, device: &str, severity: Option<Severity>) -> Vec<Transition> {
    let key = key_of(device);
    let verdict = match severity {
        None => Verdict::Absent,
        Some(severity) => Verdict::Present(Box::new(Finding {
            key: key.clone(),
            severity,
            class: None,
            evidence: Evidence {
                summary: format!("{device} does not answer"),
                cause: "It is off, or the way to it is cut.".into(),
                evidence: "3 polls without an answer.".into(),
                action: format!("Look at {device}'s console."),
            },
            observed_at: now(),
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
        })),
    };
    book.observe(now(), &key, verdict).into_iter().collect()
}

/// Wait for something, and say what it was when it does not come.
async fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_within(Duration::from_secs(20), what, holds).await;
}

async fn eventually_within(within: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < within, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
