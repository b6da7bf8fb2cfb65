//! What each kind of receiver is sent, looked at as strictly as its own documentation asks.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use selvedge::deliver::{ReceiverKind, ReceiverSettings};
use selvedge::fabric::Secret;
use selvedge::fabric::Severity::{Critical, Warning};
use selvedge::http::Authority;
use serde_json::{Value, json};

use super::receiver::{Manner, Receiver, Request};
use super::{eventually, start, word};

const GRACE: Duration = Duration::from_secs(2);

/// What a receiver of this kind is sent while one device fails, fails worse and is well again.
async fn story(settings: ReceiverSettings, receiver: &Receiver, requests: usize) -> Vec<Request> {
    let data = tempfile::tempdir().unwrap();
    let (mut book, deliverer) = start(data.path(), vec![settings], vec![]);
    for severity in [Some(Warning), Some(Critical), None] {
        deliverer.submit(word(&mut book, "spine<1>&", severity));
    }
    eventually("all is acknowledged", || deliverer.stats().acknowledged.count() == 3).await;
    deliverer.stop(GRACE).await;
    let heard = receiver.requests();
    assert_eq!(heard.len(), requests);
    heard
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_signed_and_carry_our_headers() {
    let receiver = Receiver::well().await;
    let kind = ReceiverKind::Webhook { url: Secret::new(receiver.url()), hmac: Some(Secret::new("KEY")) };
    let headers = vec![("x-team".to_owned(), Secret::new("net")), ("authorization".to_owned(), Secret::new("T 1"))];
    for request in story(ReceiverSettings { headers, ..ReceiverSettings::new("hook", kind) }, &receiver, 3).await {
        assert_eq!((request.header("x-team"), request.header("authorization")), (Some("net"), Some("T 1")));
        let signature = request.header("x-selvedge-signature").unwrap().strip_prefix("sha256=").unwrap();
        let bytes: Vec<u8> =
            (0..signature.len()).step_by(2).map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap()).collect();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"KEY").unwrap();
        mac.update(&request.bytes);
        mac.verify_slice(&bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_gets_one_incident() {
    let receiver = Receiver::start([Manner::Answer(429, ""), Manner::Answer(503, "")], Manner::Answer(202, "")).await;
    let kind = ReceiverKind::PagerDuty { url: Secret::new(receiver.url()), routing_key: Secret::new("R0UT1NG") };
    let heard = story(ReceiverSettings::new("pager", kind), &receiver, 5).await;
    assert_eq!(heard[0].bytes, heard[1].bytes, "429 and 503 are tried again, word for word");
    assert_eq!(heard[1].bytes, heard[2].bytes);
    let [trigger, worse, resolve] = [&heard[2].body, &heard[3].body, &heard[4].body];

    assert_eq!(keys(trigger), ["routing_key", "event_action", "dedup_key", "payload", "client", "client_url"]);
    assert_eq!((&trigger["routing_key"], &trigger["event_action"]), (&json!("R0UT1NG"), &json!("trigger")));
    let key = trigger["dedup_key"].as_str().unwrap();
    assert!((1..=255).contains(&key.len()));
    let payload = &trigger["payload"];
    assert_eq!(keys(payload), ["summary", "source", "severity", "timestamp", "class", "custom_details"]);
    assert_eq!(payload["summary"], "spine<1>& does not answer");
    assert_eq!((&payload["source"], &payload["class"]), (&json!("spine<1>&"), &json!("DeviceUnreachable")));
    assert_eq!(payload["severity"], "warning");
    payload["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(payload["custom_details"]["evidence"], "3 polls without an answer.");
    assert_eq!(payload["custom_details"]["role"], "spine");
    assert_eq!(trigger["client_url"], format!("http://monitor:9750/#/alerts?open={key}"));

    assert_eq!((&worse["event_action"], &worse["payload"]["severity"]), (&json!("trigger"), &json!("critical")));
    assert_eq!(worse["dedup_key"], key);
    assert_eq!(*resolve, json!({"routing_key": "R0UT1NG", "event_action": "resolve", "dedup_key": key}));
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_refuses_one_and_gets_the_next() {
    let receiver = Receiver::start([Manner::Answer(400, "")], Manner::Answer(202, "")).await;
    let kind = ReceiverKind::PagerDuty { url: Secret::new(receiver.url()), routing_key: Secret::new("R") };
    let data = tempfile::tempdir().unwrap();
    let (mut book, deliverer) = start(data.path(), vec![ReceiverSettings::new("pager", kind)], vec![]);
    for device in ["a", "b"] {
        deliverer.submit(word(&mut book, device, Some(Critical)));
    }
    eventually("the second is taken", || deliverer.stats().acknowledged.count() == 1).await;
    let stats = deliverer.stats().receivers();
    // The clerk hears of it after the courier counted it.
    eventually("nothing waits", || stats[0].waiting() == 0).await;
    assert_eq!(stats[0].refused(), 1);
    deliverer.stop(GRACE).await;
    assert_eq!(receiver.requests()[1].body["payload"]["source"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_gets_short_messages_without_foreign_markup() {
    let receiver = Receiver::well().await;
    let kind = ReceiverKind::Slack { url: Secret::new(receiver.url()) };
    let heard = story(ReceiverSettings::new("chat", kind), &receiver, 3).await;
    for request in &heard {
        let body = &request.body;
        assert_eq!(keys(body), ["text", "unfurl_links", "attachments"]);
        let [attachment] = &body["attachments"].as_array().unwrap()[..] else { panic!("{body}") };
        assert_eq!(keys(attachment), ["color", "blocks"]);
        for block in attachment["blocks"].as_array().unwrap() {
            let text = match block["type"].as_str().unwrap() {
                "section" => &block["text"],
                "context" => &block["elements"][0],
                other => panic!("{other} is not among the blocks we write"),
            };
            assert_eq!((keys(text), &text["type"]), (vec!["type", "text"], &json!("mrkdwn")));
            let text = text["text"].as_str().unwrap();
            assert!(text.chars().count() <= 3_000);
            assert!(!text.contains("<1>"), "{text}");
        }
    }
    let attachment = |at: usize| &heard[at].body["attachments"][0];
    let texts: Vec<_> = heard.iter().map(|request| request.body["text"].as_str().unwrap()).collect();
    let name = "spine&lt;1&gt;&amp; does not answer";
    assert_eq!(texts, [format!("[WARNING] {name}"), format!("[CRITICAL] {name}"), format!("[RESOLVED] {name}")]);
    assert_eq!([0, 1, 2].map(|at| &attachment(at)["color"]), ["#de9e31", "#d50200", "#2eb886"]);
    let action = &attachment(0)["blocks"][2]["text"]["text"];
    assert_eq!(action, "*Action:* Look at spine&lt;1&gt;&amp;'s console.");
    let link = attachment(0)["blocks"][3]["elements"][0]["text"].as_str().unwrap();
    assert!(link.contains("<http://monitor:9750/#/alerts?open=") && link.ends_with("|Open in Selvedge>"), "{link}");
}

/// An HTTPS server of one connection after another, with a certificate of our own authority.
fn https() -> u16 {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // One read holds the head; the body is left to the closing.
            if stream.read(&mut [0; 16 << 10]).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.read(&mut [0; 16 << 10]);
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_our_own_is_believed_and_no_other() {
    let url = format!("https://localhost:{}/", https());
    let kind = || ReceiverKind::Webhook { url: Secret::new(&url), hmac: None };
    let own = Authority::new(include_bytes!("tls/ca.pem")).unwrap();
    let believed = ReceiverSettings { ca: Some(own), ..ReceiverSettings::new("own", kind()) };
    // Any other authority: here the server's own certificate, which vouches for nobody.
    let other = Authority::new(include_bytes!("tls/server.pem"));
    let data = tempfile::tempdir().unwrap();
    let mut receivers = vec![believed, ReceiverSettings::new("system", kind())];
    if let Ok(other) = other {
        receivers.push(ReceiverSettings { ca: Some(other), ..ReceiverSettings::new("other", kind()) });
    }
    let count = receivers.len();
    let (mut book, deliverer) = start(data.path(), receivers, vec![]);
    deliverer.submit(word(&mut book, "leaf1", Some(Critical)));
    let stats = deliverer.stats().receivers();
    eventually("one is believed", || stats[0].acknowledged() == 1).await;
    eventually("the others are not", || stats[1..count].iter().all(|stats| stats.failure().is_some())).await;
    assert_eq!(stats[1].acknowledged(), 0);
    deliverer.stop(Duration::ZERO).await;
    assert!(Authority::new(b"").is_err() && Authority::new(include_bytes!("tls/server-key.pem")).is_err());
}

/// `selvedge check --send-test NAME`, with all kinds at one server. Gives exit status and what was said.
fn check(config: &std::path::Path, name: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["check", "--send-test", name, "--config"])
        .arg(config)
        .args(more)
        .output()
        .unwrap();
    (output.status.code(), [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_goes_to_every_kind() {
    let receiver = Receiver::well().await;
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("selvedge.toml");
    let url = receiver.url();
    let text = format!(
        "[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}\"\nhmac = \"K\"\n\
         [[receiver]]\nname = \"pager\"\nkind = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = \"K\"\n\
         [[receiver]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"{url}\"\n\
         [[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [\"{url}\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let run = |name: &'static str, more: &'static [&str]| {
        let file = file.clone();
        tokio::task::spawn_blocking(move || check(&file, name, more))
    };
    for (number, name) in ["hook", "pager", "chat", "am"].into_iter().enumerate() {
        let (status, said) = run(name, &[]).await.unwrap();
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(&format!("{name}: test alert firing: taken: 200 OK: ok\n")), "{said}");
        assert!(said.contains(&format!("{name}: test alert resolved: taken: 200 OK: ok\n")), "{said}");
        assert!(!said.contains("TOKEN"), "{said}");
        let heard = receiver.requests();
        assert_eq!(heard.len(), number * 2 + 2);
        assert!(heard[number * 2].body.to_string().contains("SelvedgeTest"), "{}", heard[number * 2].body);
    }
    receiver.usual(Manner::Answer(403, ""));
    let (status, said) = run("hook", &[]).await.unwrap();
    assert_eq!(status, Some(1));
    assert!(said.contains("hook: test alert firing: NOT taken: 403 Forbidden"), "{said}");
    let (status, said) = run("hook", &["--format", "json"]).await.unwrap();
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &json["ok"], &json["test"]["ok"]), (Some(1), &json!(true), &json!(false)));
    receiver.down().await;
    let (status, said) = run("hook", &[]).await.unwrap();
    assert!(status == Some(1) && said.contains("cannot connect") && !said.contains("TOKEN"), "{said}");
    let (status, said) = run("hok", &[]).await.unwrap();
    assert!(status == Some(1) && said.contains("there is no receiver or export \"hok\""), "{said}");
}
