//! One receiver after another that does not do what it should.

use std::time::{Duration, Instant};

use selvedge::alert::Route;
use selvedge::fabric::Severity::{Critical, Warning};

use super::receiver::{Manner, Receiver};
use super::{eventually, start, webhook, word};

const GRACE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn tells_at_once_in_alertmanagers_words() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.submit(word(&mut book, "spine1", Some(Critical)));
    deliverer.submit(word(&mut book, "spine1", None));
    eventually("two requests", || receiver.requests().len() == 2).await;
    deliverer.stop(GRACE).await;

    let requests = receiver.requests();
    let [firing, resolved] = &requests[..] else { panic!() };
    assert_eq!(firing.connection, resolved.connection, "the connection is kept");
    assert!(firing.head.starts_with("POST /hook?token=TOKEN HTTP/1.1\r\n"), "{}", firing.head);
    let body = &firing.body;
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "receiver",
            "status",
            "alerts",
            "groupLabels",
            "commonLabels",
            "commonAnnotations",
            "externalURL",
            "version",
            "groupKey",
            "truncatedAlerts"
        ]
    );
    assert_eq!(
        (&body["version"], &body["receiver"], &body["status"]),
        (&"4".into(), &"oncall".into(), &"firing".into())
    );
    let alert = &body["alerts"][0];
    assert_eq!(
        alert["labels"],
        serde_json::json!(
            {"alertname": "DeviceUnreachable", "severity": "critical", "device": "spine1", "role": "spine"}
        )
    );
    assert_eq!(alert["annotations"]["summary"], "spine1 does not answer");
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    let (was, is) = (alert, &resolved.body["alerts"][0]);
    assert_eq!(is["status"], "resolved");
    assert_eq!((&was["fingerprint"], &was["startsAt"]), (&is["fingerprint"], &is["startsAt"]));
    assert_ne!(is["endsAt"], "0001-01-01T00:00:00Z");
    assert_ne!(firing.key, resolved.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_notification_leaves_within_milliseconds() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    for number in 0..200 {
        deliverer.submit(word(&mut book, &format!("leaf{number}"), Some(Critical)));
        eventually("acknowledged", || deliverer.stats().acknowledged.count() == number + 1).await;
    }
    let stats = deliverer.stats();
    println!(
        "from reading to request, with the disk's sync: p50 {:?} p99 {:?}; to acknowledged: p50 {:?} p99 {:?}; one write: p50 {:?}",
        stats.sent.quantile(0.5),
        stats.sent.quantile(0.99),
        stats.acknowledged.quantile(0.5),
        stats.acknowledged.quantile(0.99),
        stats.written.quantile(0.5),
    );
    // The target is 10 ms; a busy machine and a debug build get room.
    assert!(stats.sent.quantile(0.5) < Duration::from_millis(50));
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_resets_and_silence_only_delay() {
    let script = [Manner::Answer(503, ""), Manner::Reset, Manner::Hang, Manner::Answer(500, "")];
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(script, Manner::Answer(204, "")).await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    deliverer.submit(word(&mut book, "leaf1", None));
    let own = deliverer.stats().receivers()[0].clone();
    eventually("a failure that is told", || own.failure().is_some()).await;
    assert_eq!(own.waiting(), 2);
    eventually("both heard", || receiver.heard() == ["firing leaf1", "resolved leaf1"]).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 6);
    assert!(requests[..5].iter().all(|request| request.key == requests[0].key), "one notification, one key");
    let gaps: Vec<_> = requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps[0] >= Duration::from_millis(250) && gaps[1] >= Duration::from_millis(500), "{gaps:?}");
    eventually("well again", || own.failure().is_none() && own.waiting() == 0).await;
    assert_eq!((own.failed_attempts(), own.acknowledged()), (4, 2));
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_is_given_as_asked_for() {
    let script = [Manner::Answer(429, "Retry-After: 2\r\n")];
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(script, Manner::Answer(200, "")).await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    eventually("heard", || receiver.heard().len() == 1).await;
    let requests = receiver.requests();
    let gap = requests[1].at - requests[0].at;
    assert!(gap >= Duration::from_secs(2) && gap < Duration::from_secs(4), "{gap:?}");
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_does_not_block_the_rest() {
    let script = [Manner::Answer(400, "")];
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(script, Manner::Answer(200, "")).await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    deliverer.submit(word(&mut book, "leaf2", Some(Warning)));
    eventually("the second heard", || receiver.heard() == ["firing leaf2"]).await;
    let own = deliverer.stats().receivers()[0].clone();
    eventually("nothing waits", || own.waiting() == 0).await;
    assert_eq!((own.refused(), own.failed_attempts()), (1, 0));
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_a_moved_page_loses_nothing_at_once() {
    let script = [Manner::Answer(401, ""), Manner::Answer(302, "Location: /login\r\n"), Manner::Answer(404, "")];
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(script, Manner::Answer(200, "")).await);
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    let own = deliverer.stats().receivers()[0].clone();
    eventually("a reason", || own.failure().is_some_and(|why| why.contains("302"))).await;
    eventually("heard", || receiver.heard() == ["firing leaf1"]).await;
    assert_eq!((own.refused(), own.failed_attempts()), (0, 3));
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_delays_no_other() {
    let (data, good) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let bad = Receiver::start([], Manner::Hang).await;
    let receivers = vec![webhook("bad", &bad.url()), webhook("good", &good.url())];
    let (mut book, deliverer) = start(data.path(), receivers, vec![]);
    let began = Instant::now();
    for number in 0..50 {
        deliverer.submit(word(&mut book, &format!("leaf{number}"), Some(Critical)));
    }
    eventually("50 heard", || good.heard().len() == 50).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(deliverer.stats().receivers()[0].waiting(), 50);
    assert!(bad.requests().iter().all(|request| request.device() == "leaf0"), "in order");
    deliverer.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_over_a_restart_hears_all_in_order() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let settings = vec![webhook("oncall", &receiver.url())];
    let (mut book, deliverer) = start(data.path(), settings.clone(), vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    eventually("heard", || receiver.heard() == ["firing leaf1"]).await;

    receiver.down().await;
    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    deliverer.submit(word(&mut book, "leaf2", Some(Warning)));
    deliverer.submit(word(&mut book, "leaf2", None));
    let own = deliverer.stats().receivers()[0].clone();
    eventually("it fails", || own.failure().is_some_and(|why| why.contains("cannot connect"))).await;
    assert!(!own.failure().unwrap().contains("TOKEN"));
    let began = Instant::now();
    deliverer.stop(Duration::from_secs(30)).await;
    assert!(began.elapsed() < Duration::from_secs(5), "a stop does not wait for one that is down");

    // The book comes back too, and who was told of leaf1 hears of its end.
    let (mut book, deliverer) = start(data.path(), settings, vec![]);
    assert_eq!((book.active(), book.alerts().count()), (1, 2));
    deliverer.submit(word(&mut book, "leaf1", None));
    deliverer.settle();
    receiver.up().await;
    let all = ["firing leaf1", "firing leaf1", "firing leaf2", "resolved leaf2", "resolved leaf1"]
        .map(str::to_owned)
        .to_vec();
    eventually("all heard", || receiver.heard() == all).await;
    let severities: Vec<_> = receiver.requests()[..2]
        .iter()
        .map(|request| request.body["commonLabels"]["severity"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(severities, ["warning", "critical"]);
    deliverer.stop(GRACE).await;

    // Nothing acknowledged comes again.
    let (_, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    deliverer.stop(GRACE).await;
    assert_eq!(receiver.heard(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_hears_the_rest_and_nobody_else_does() {
    let (data, all, oncall) = (tempfile::tempdir().unwrap(), Receiver::well().await, Receiver::well().await);
    let route = |receiver: &str, severity: &[&str]| Route {
        receiver: receiver.into(),
        matchers: severity.iter().map(|value| ("severity".to_owned(), value.to_string())).collect(),
    };
    let receivers = vec![webhook("all", &all.url()), webhook("oncall", &oncall.url())];
    let (mut book, deliverer) = start(data.path(), receivers, vec![route("all", &[]), route("oncall", &["critical"])]);
    for (device, severity) in [
        ("a", Some(Warning)),
        ("b", Some(Warning)),
        ("a", Some(Critical)),
        ("a", Some(Warning)),
        ("a", None),
        ("b", None),
    ] {
        deliverer.submit(word(&mut book, device, severity));
    }
    // That a became less was told to nobody.
    eventually("all heard", || all.heard() == ["firing a", "firing b", "firing a", "resolved a", "resolved b"]).await;
    eventually("oncall heard", || oncall.heard() == ["firing a", "resolved a"]).await;
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_come_go_and_change_while_it_runs() {
    let (data, first, second) = (tempfile::tempdir().unwrap(), Receiver::well().await, Receiver::well().await);
    first.usual(Manner::Answer(500, ""));
    let (mut book, deliverer) = start(data.path(), vec![webhook("oncall", &first.url())], vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Warning)));
    // By now it waits for two seconds at least.
    eventually("it fails", || first.requests().len() >= 4).await;

    // Another address: what waits goes there at once.
    let began = Instant::now();
    deliverer.reconfigure(vec![webhook("oncall", &second.url())], vec![]);
    eventually("heard", || second.heard() == ["firing leaf1"]).await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());

    // Gone, and back under its name: it hears what it missed, and the end of what it was told.
    second.usual(Manner::Hang);
    deliverer.submit(word(&mut book, "leaf2", Some(Warning)));
    eventually("leaf2 is out", || second.requests().len() == 2).await;
    deliverer.reconfigure(vec![], vec![]);
    deliverer.submit(word(&mut book, "leaf2", None));
    deliverer.submit(word(&mut book, "leaf3", Some(Warning)));
    deliverer.settle();
    assert!(deliverer.stats().receivers().is_empty());
    second.usual(Manner::Answer(200, ""));
    let mut quiet = webhook("oncall", &second.url());
    quiet.send_resolved = false;
    deliverer.reconfigure(vec![quiet], vec![]);
    eventually("the rest", || second.heard() == ["firing leaf1", "firing leaf2", "resolved leaf2"]).await;
    deliverer.submit(word(&mut book, "leaf1", None));
    deliverer.submit(word(&mut book, "leaf4", Some(Warning)));
    eventually("only what fires", || second.heard().last().unwrap() == "firing leaf4").await;
    assert_eq!(second.heard().len(), 4);
    deliverer.stop(GRACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_found_again() {
    let data = tempfile::tempdir().unwrap();
    let (_, deliverer) = start(data.path(), vec![], vec![]);
    deliverer.put_document("topology", serde_json::json!({"links": ["a - b"]}));
    deliverer.stop(GRACE).await;
    let store = selvedge::deliver::Store::open(data.path()).unwrap();
    assert_eq!(store.document("topology").unwrap(), Some(serde_json::json!({"links": ["a - b"]})));
}
