//! Groups, repeats and rates, with a receiver that takes everything.

use std::time::Duration;

use selvedge::deliver::{Pace, ReceiverSettings};
use selvedge::fabric::Severity::Critical;

use super::receiver::{Manner, Receiver};
use super::{eventually, start, webhook, word};

const GRACE: Duration = Duration::from_secs(2);

fn paced(url: &str, pace: Pace) -> Vec<ReceiverSettings> {
    vec![ReceiverSettings { pace, ..webhook("oncall", url) }]
}

/// Device and status of all alerts of a request.
fn said(request: &super::receiver::Request) -> Vec<String> {
    let alerts = request.body["alerts"].as_array().unwrap();
    let word = |alert: &serde_json::Value| {
        format!("{} {}", alert["status"].as_str().unwrap(), alert["labels"]["device"].as_str().unwrap())
    };
    alerts.iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_a_group_leaves_at_once_and_the_rest_together_over_a_restart_too() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let pace = Pace { group_by: vec!["role".into()], group_interval: Duration::from_secs(2), ..Pace::default() };
    let (mut book, deliverer) = start(data.path(), paced(&receiver.url(), pace.clone()), vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    eventually("the first", || receiver.requests().len() == 1).await;
    for device in ["leaf2", "leaf3", "spine1"] {
        deliverer.submit(word(&mut book, device, Some(Critical)));
    }
    deliverer.submit(word(&mut book, "leaf2", None));
    eventually("another group", || receiver.requests().len() == 2).await;
    deliverer.stop(GRACE).await;
    let (_book, deliverer) = start(data.path(), paced(&receiver.url(), pace), vec![]);
    eventually("the rest", || receiver.requests().len() == 3).await;
    deliverer.stop(GRACE).await;
    let requests = receiver.requests();
    assert_eq!(said(&requests[0]), ["firing leaf1"]);
    assert_eq!(said(&requests[1]), ["firing spine1"]);
    assert_eq!(said(&requests[2]), ["firing leaf2", "firing leaf3", "resolved leaf2"]);
    assert_eq!(requests[2].body["groupLabels"], serde_json::json!({"role": "leaf"}));
    assert_eq!(requests[0].body["groupKey"], requests[2].body["groupKey"]);
    assert!(requests[2].at - requests[0].at >= Duration::from_millis(1_900), "the interval holds over the restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_keeps_back_what_is_more_and_the_next_one_says_how_much() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let pace = Pace { rate_limit: Some((2, Duration::from_secs(2))), ..Pace::default() };
    let (mut book, deliverer) = start(data.path(), paced(&receiver.url(), pace), vec![]);
    for device in ["leaf1", "leaf2"] {
        deliverer.submit(word(&mut book, device, Some(Critical)));
    }
    let own = deliverer.stats().receivers()[0].clone();
    eventually("two", || own.acknowledged() == 2).await;
    for device in ["leaf3", "leaf4", "leaf5"] {
        deliverer.submit(word(&mut book, device, Some(Critical)));
    }
    eventually("three wait", || own.held() == 3).await;
    assert_eq!(receiver.requests().len(), 2);
    eventually("all", || own.acknowledged() == 5).await;
    deliverer.stop(GRACE).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3, "in one go");
    assert_eq!(said(&requests[2]), ["firing leaf3", "firing leaf4", "firing leaf5"]);
    let held = requests[2].body["alerts"][0]["annotations"]["held"].as_str().unwrap();
    assert!(held.starts_with("3 notifications had to wait"), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_fires_is_told_again_and_what_is_over_is_not() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::well().await);
    let pace = Pace { repeat_interval: Some(Duration::from_millis(1_500)), ..Pace::default() };
    let (mut book, deliverer) = start(data.path(), paced(&receiver.url(), pace.clone()), vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    deliverer.submit(word(&mut book, "leaf2", Some(Critical)));
    deliverer.submit(word(&mut book, "leaf2", None));
    eventually("again", || receiver.heard().iter().filter(|said| *said == "firing leaf1").count() == 2).await;
    deliverer.stop(GRACE).await;
    let (mut book, deliverer) = start(data.path(), paced(&receiver.url(), pace), vec![]);
    eventually("after a restart", || receiver.heard().iter().filter(|said| *said == "firing leaf1").count() == 3).await;
    deliverer.submit(word(&mut book, "leaf1", None));
    eventually("over", || receiver.heard().last().is_some_and(|said| said == "resolved leaf1")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    deliverer.stop(GRACE).await;
    let heard = receiver.heard();
    assert_eq!(heard.iter().filter(|said| *said == "firing leaf2").count(), 1);
    assert_eq!(heard.last().unwrap(), "resolved leaf1");
    let keys: std::collections::HashSet<String> = receiver.requests().into_iter().map(|request| request.key).collect();
    assert_eq!(keys.len(), heard.len(), "each has a key of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_refused_is_told_apart() {
    let script = [Manner::Answer(200, ""), Manner::Answer(413, "")];
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(script, Manner::Answer(200, "")).await);
    let pace = Pace { group_by: vec!["role".into()], group_interval: Duration::from_millis(300), ..Pace::default() };
    let (mut book, deliverer) = start(data.path(), paced(&receiver.url(), pace), vec![]);
    for device in ["leaf1", "leaf2", "leaf3"] {
        deliverer.submit(word(&mut book, device, Some(Critical)));
        eventually("one", || !receiver.requests().is_empty()).await;
    }
    eventually("all", || receiver.heard() == ["firing leaf1", "firing leaf2", "firing leaf3"]).await;
    deliverer.stop(GRACE).await;
    assert_eq!(receiver.requests().len(), 4);
}
