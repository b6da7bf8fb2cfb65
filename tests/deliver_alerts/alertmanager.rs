//! Against a real Alertmanager (Debian: prometheus-alertmanager), which says itself what it knows.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use selvedge::deliver::{ReceiverKind, ReceiverSettings};
use selvedge::fabric::Secret;
use selvedge::fabric::Severity::{Critical, Info, Warning};
use serde_json::Value;

use super::receiver::{Manner, Receiver};
use super::{eventually, now, start, word};

const GRACE: Duration = Duration::from_secs(2);
const PROGRAM: &str = "prometheus-alertmanager";

/// One that is killed when it is dropped.
struct Alertmanager(Child);

impl Alertmanager {
    async fn start(folder: &Path, port: u16) -> Self {
        let config = folder.join("alertmanager.yml");
        std::fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n").unwrap();
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("storage").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let alertmanager = Self(child);
        within("Alertmanager is there", port, |alerts| alerts.is_some()).await;
        alertmanager
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The alerts that it holds to be active; none while it does not answer.
async fn alerts(port: u16) -> Option<Vec<Value>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let answer = client.get(format!("http://127.0.0.1:{port}/api/v2/alerts")).send().await.ok()?;
    answer.json().await.ok()
}

/// Device and severity of each, sorted.
fn short(alerts: &[Value]) -> Vec<String> {
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap().to_owned();
    let mut short: Vec<_> =
        alerts.iter().map(|alert| format!("{} {}", label(alert, "device"), label(alert, "severity"))).collect();
    short.sort();
    short
}

async fn within(what: &str, port: u16, holds: impl Fn(Option<&[Value]>) -> bool) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let alerts = alerts(port).await;
        if holds(alerts.as_deref()) {
            return alerts.unwrap_or_default();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}; it knows {alerts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn knows(port: u16, expected: &[&str]) -> Vec<Value> {
    within(&format!("{expected:?}"), port, |alerts| alerts.is_some_and(|alerts| short(alerts) == expected)).await
}

fn settings(urls: &[String]) -> ReceiverSettings {
    let urls = urls.iter().map(Secret::new).collect();
    let kind = ReceiverKind::Alertmanager { urls, resend_every: Duration::from_secs(1) };
    ReceiverSettings { timeout: Duration::from_millis(500), ..ReceiverSettings::new("am", kind) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_one_knows_what_fires_and_nothing_else() {
    let found = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "nothing may be left out in CI: {PROGRAM} is not installed");
    if !found {
        eprintln!("LEFT OUT: {PROGRAM} is not installed (Debian: {PROGRAM})");
        return;
    }
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, folder, data) = (free(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A member of the cluster is down all the time: nobody minds.
    let urls = [format!("http://127.0.0.1:{port}/"), format!("http://127.0.0.1:{}", free())];
    let began = || Alertmanager::start(folder.path(), port);
    let alertmanager = began().await;

    let (mut book, deliverer) = start(data.path(), vec![settings(&urls)], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    deliverer.submit(word(&mut book, "leaf2", Some(Critical)));
    let alerts = knows(port, &["leaf1 warning", "leaf2 critical"]).await;
    let alert = alerts.iter().find(|alert| alert["labels"]["device"] == "leaf1").unwrap();
    assert_eq!(alert["labels"]["role"], "leaf");
    assert_eq!(alert["annotations"]["summary"], "leaf1 does not answer");
    assert!(alert["generatorURL"].as_str().unwrap().starts_with("http://monitor:9750/#/alerts?open="), "{alert}");

    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    knows(port, &["leaf1 critical", "leaf2 critical"]).await;
    deliverer.submit(word(&mut book, "leaf2", None));
    knows(port, &["leaf1 critical"]).await;

    // Longer than what was told lasts without reminders.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    knows(port, &["leaf1 critical"]).await;

    // It forgets everything, and is told again.
    drop(alertmanager);
    let alertmanager = began().await;
    knows(port, &["leaf1 critical"]).await;

    // Both forget: what was told comes from the disk.
    deliverer.stop(GRACE).await;
    drop(deliverer);
    drop(alertmanager);
    let _alertmanager = began().await;
    knows(port, &[]).await;
    let (mut book, deliverer) = start(data.path(), vec![settings(&urls)], vec![]);
    knows(port, &["leaf1 critical"]).await;

    // Less urgent is not told; and yet what ends is what was told.
    deliverer.submit(word(&mut book, "leaf1", Some(Info)));
    deliverer.settle();
    knows(port, &["leaf1 critical"]).await;
    deliverer.submit(word(&mut book, "leaf1", None));
    knows(port, &[]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    knows(port, &[]).await;
    deliverer.stop(GRACE).await;

    let trials = selvedge::deliver::send_test(&settings(&urls), "http://monitor:9750", now()).await;
    let taken: Vec<_> = trials.iter().map(|trial| (trial.told, trial.member, trial.taken)).collect();
    let (first, second) = (Some(1), Some(2));
    let expected =
        [("firing", first, true), ("firing", second, false), ("resolved", first, true), ("resolved", second, false)];
    assert_eq!(taken, expected, "{trials:?}");
    knows(port, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_told_and_one_that_takes_it_is_enough() {
    let members = [Receiver::well().await, Receiver::start([], Manner::Answer(500, "")).await];
    let urls: Vec<String> = members.iter().map(|member| format!("http://{}", member.address)).collect();
    let data = tempfile::tempdir().unwrap();
    let (mut book, deliverer) = start(data.path(), vec![settings(&urls)], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    eventually("taken", || deliverer.stats().acknowledged.count() == 1).await;
    for member in &members {
        let first = &member.requests()[0];
        assert!(first.head.starts_with("POST /api/v2/alerts HTTP/1.1\r\n"), "{}", first.head);
        let names: Vec<_> = first.body[0].as_object().unwrap().keys().collect();
        assert_eq!(names, ["labels", "annotations", "startsAt", "endsAt", "generatorURL"]);
    }
    // Where no member takes it, it waits.
    members[0].usual(Manner::Answer(503, ""));
    deliverer.submit(word(&mut book, "leaf1", None));
    eventually("tried", || deliverer.stats().receivers()[0].failed_attempts() > 0).await;
    assert_eq!(deliverer.stats().receivers()[0].waiting(), 1);
    members[1].usual(Manner::Answer(200, ""));
    eventually("taken by the other", || deliverer.stats().acknowledged.count() == 2).await;
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_the_label_set_that_was_told() {
    let (receiver, data) = (Receiver::well().await, tempfile::tempdir().unwrap());
    let kind = ReceiverKind::Alertmanager {
        urls: vec![Secret::new(format!("http://{}", receiver.address))],
        resend_every: Duration::from_secs(60),
    };
    let settings = ReceiverSettings::new("am", kind);
    let (mut book, deliverer) = start(data.path(), vec![settings.clone()], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    eventually("both are taken", || deliverer.stats().acknowledged.count() == 2).await;
    deliverer.stop(GRACE).await;
    drop(deliverer);
    let (mut book, deliverer) = start(data.path(), vec![settings], vec![]);
    eventually("it is reminded at once", || receiver.requests().len() == 3).await;
    // Less urgent: not told.
    deliverer.submit(word(&mut book, "leaf1", Some(Info)));
    deliverer.submit(word(&mut book, "leaf1", None));
    eventually("the end is taken", || deliverer.stats().acknowledged.count() == 1).await;
    deliverer.stop(GRACE).await;

    // Severity of each alert, and in how many minutes it ends.
    let told: Vec<Vec<(String, i64)>> = receiver
        .requests()
        .iter()
        .map(|request| {
            let alerts = request.body.as_array().unwrap();
            let time = |alert: &Value, name: &str| alert[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            let ends_in = |alert: &Value| (time(alert, "endsAt").as_second() - now().as_micros() / 1_000_000 + 30) / 60;
            assert!(alerts.iter().all(|alert| time(alert, "startsAt") <= time(alert, "endsAt")));
            let severity = |alert: &Value| alert["labels"]["severity"].as_str().unwrap().to_owned();
            alerts.iter().map(|alert| (severity(alert), ends_in(alert))).collect()
        })
        .collect();
    let alert = |severity: &str, minutes| (severity.to_owned(), minutes);
    assert_eq!(
        told,
        [
            vec![alert("warning", 4)],
            vec![alert("warning", 0), alert("critical", 4)],
            vec![alert("critical", 4)],
            vec![alert("critical", 0)],
        ]
    );
}
