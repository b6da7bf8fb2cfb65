//! The task that tells one receiver, one notification at a time, until it is acknowledged or refused for good.
//!
//! | answer | what it means |
//! |---|---|
//! | 2xx | acknowledged |
//! | 400, 413, 415, 422 | it refuses this very body: thrown away, counted, logged |
//! | other 3xx and 4xx | it refuses us (moved, wrong token, not yet deployed): tried again like a failure, but after ten minutes of nothing else each notification gets one attempt and is thrown away, counted and logged |
//! | 408, 429, 5xx, no answer, no connection | it cannot now: tried again for as long as it takes |
//!
//! Redirections are not followed: a POST that was turned into a GET would be acknowledged by a page.

use std::error::Error as _;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::{mpsc, watch};

use super::entry::Entry;
use super::patience::Patience;
use super::{ReceiverKind, ReceiverSettings, ReceiverStats, Stats, Surroundings, webhook};

/// Of an answer's body no more than this is read, to keep the connection.
const ANSWER_BYTES: usize = 64 << 10;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it, or will never take it: it may go.
    Done,
    /// The courier was called off: it is still to be told.
    Returned,
}

/// A courier's word to the clerk.
#[derive(Debug)]
pub(super) struct Report {
    pub receiver: String,
    pub number: u64,
    pub outcome: Outcome,
}

pub(super) struct Courier {
    pub settings: watch::Receiver<ReceiverSettings>,
    pub surroundings: Surroundings,
    pub stats: Arc<Stats>,
    pub own: Arc<ReceiverStats>,
    pub reports: Sender<Report>,
    client: Option<Client>,
    patience: Patience,
}

enum Answer {
    Acknowledged,
    RefusesBody(String),
    RefusesUs(String),
    Later { why: String, retry_after: Option<Duration> },
}

impl Courier {
    pub fn new(
        settings: watch::Receiver<ReceiverSettings>,
        surroundings: Surroundings,
        stats: Arc<Stats>,
        own: Arc<ReceiverStats>,
        reports: Sender<Report>,
    ) -> Self {
        Self { settings, surroundings, stats, own, reports, client: None, patience: Patience::default() }
    }

    /// Deliver what comes until the clerk closes the channel.
    pub async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        while let Some(entry) = entries.recv().await {
            let outcome = self.deliver(&entry).await;
            let report = Report { receiver: self.own.name().to_owned(), number: entry.number, outcome };
            if self.reports.send(report).is_err() {
                return;
            }
        }
    }

    async fn deliver(&mut self, entry: &Entry) -> Outcome {
        let mut first = true;
        loop {
            if self.settings.has_changed().unwrap_or(false) {
                self.begin_anew();
            }
            let settings = self.settings.borrow_and_update().clone();
            if std::mem::take(&mut first) {
                self.stats.sent.record((self.surroundings.clock)().since(entry.observed_at));
            }
            let pause = match self.attempt(&settings, entry).await {
                Answer::Acknowledged => {
                    self.stats.acknowledged.record((self.surroundings.clock)().since(entry.observed_at));
                    self.own.acknowledged.fetch_add(1, Relaxed);
                    if self.own.is_failing() {
                        tracing::info!(receiver = self.own.name(), "takes notifications again");
                    }
                    self.all_is_well();
                    return Outcome::Done;
                }
                Answer::RefusesBody(why) => {
                    self.refused(entry, &why);
                    self.all_is_well();
                    return Outcome::Done;
                }
                Answer::RefusesUs(why) => {
                    self.failed(&why);
                    match self.patience.refuses(Instant::now(), &mut rand::rng()) {
                        Some(pause) => pause,
                        None => {
                            self.refused(entry, &why);
                            return Outcome::Done;
                        }
                    }
                }
                Answer::Later { why, retry_after } => {
                    self.failed(&why);
                    self.patience.cannot(retry_after, &mut rand::rng())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.settings.changed() => match changed {
                    Ok(()) => self.begin_anew(),
                    Err(_) => return Outcome::Returned,
                },
            }
        }
    }

    async fn attempt(&mut self, settings: &ReceiverSettings, entry: &Entry) -> Answer {
        let later = |why: String| Answer::Later { why, retry_after: None };
        let body = match settings.kind {
            ReceiverKind::Webhook => webhook::body(&entry.notice, &settings.name, &self.surroundings.external_url),
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => return Answer::RefusesBody(format!("it cannot be written as JSON: {error}")),
        };
        let client = match self.client(settings) {
            Ok(client) => client,
            Err(error) => return later(explain(error, settings.timeout)),
        };
        let sent = client
            .post(settings.url.reveal())
            .timeout(settings.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &entry.idempotency_key)
            .body(body)
            .send()
            .await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return later(explain(error, settings.timeout)),
        };
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // The status is the answer. The rest is read only so that the connection can be used again.
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > ANSWER_BYTES {
                break;
            }
        }
        judge(status, retry_after)
    }

    /// The connection to the receiver, made when it is first needed.
    fn client(&mut self, settings: &ReceiverSettings) -> reqwest::Result<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        // Somebody else in the process may have been first: then theirs serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(1);
        // One that cannot be read fails with the attempt, and says so.
        if let Ok(url) = Url::parse(settings.url.reveal()) {
            if url.scheme() == "http" {
                // Without TLS there is no need for a certificate store: it may be missing, and costs memory.
                builder = builder.tls_certs_only([]);
            }
            if is_loopback(&url) {
                builder = builder.no_proxy();
            }
        }
        let client = builder.build()?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// New settings are a new chance, and may need another client.
    fn begin_anew(&mut self) {
        self.client = None;
        self.patience = Patience::default();
    }

    fn all_is_well(&mut self) {
        self.own.set_failure(None);
        self.patience = Patience::default();
    }

    fn failed(&self, why: &str) {
        self.own.failed_attempts.fetch_add(1, Relaxed);
        if !self.own.is_failing() {
            tracing::warn!(
                receiver = self.own.name(),
                why,
                "does not take notifications; they wait, and are tried again"
            );
        }
        self.own.set_failure(Some(why.to_owned()));
    }

    fn refused(&self, entry: &Entry, why: &str) {
        self.own.refused.fetch_add(1, Relaxed);
        tracing::error!(
            receiver = self.own.name(),
            alertname = entry.notice.labels.get("alertname"),
            fingerprint = %entry.notice.fingerprint,
            firing = entry.notice.firing,
            why,
            "refused a notification; it is thrown away"
        );
    }
}

/// On this very machine: no proxy that the environment names has a part in it.
fn is_loopback(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

fn judge(status: StatusCode, retry_after: Option<Duration>) -> Answer {
    let why = format!("answers {status}");
    match status.as_u16() {
        200..=299 => Answer::Acknowledged,
        400 | 413 | 415 | 422 => Answer::RefusesBody(why),
        408 | 429 => Answer::Later { why, retry_after },
        300..=399 => Answer::RefusesUs(format!("{why}, which is not followed")),
        400..=499 => Answer::RefusesUs(why),
        _ => Answer::Later { why, retry_after },
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

/// In people's words, and without the address: it may hold a token.
fn explain(error: reqwest::Error, timeout: Duration) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("no answer within {timeout:?}");
    }
    let mut why = String::from(if error.is_connect() { "cannot connect" } else { "the exchange failed" });
    let mut source = error.source();
    if source.is_none() {
        let _ = write!(why, ": {error}");
    }
    while let Some(cause) = source {
        // Layers like to repeat what is below them.
        let text = cause.to_string();
        if !why.contains(&text) {
            let _ = write!(why, ": {text}");
        }
        source = cause.source();
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        let asked = retry_after(&headers("Fri, 01 Jan 2100 00:00:00 GMT")).unwrap();
        assert!(asked > Duration::from_secs(86_400 * 365 * 50), "{asked:?}");
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&headers("-1")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn judges_every_status() {
        for status in 100..=999 {
            let answer = judge(StatusCode::from_u16(status).unwrap(), None);
            let expected = match status {
                200..=299 => matches!(answer, Answer::Acknowledged),
                400 | 413 | 415 | 422 => matches!(answer, Answer::RefusesBody(_)),
                408 | 429 => matches!(answer, Answer::Later { .. }),
                300..=499 => matches!(answer, Answer::RefusesUs(_)),
                _ => matches!(answer, Answer::Later { .. }),
            };
            assert!(expected, "{status}");
        }
    }

    #[test]
    fn knows_its_own_machine() {
        let own = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(own("http://127.0.0.1:1/x") && own("https://[::1]/") && own("http://localhost:8080"));
        assert!(!own("http://10.0.0.1/") && !own("https://localhost.example.org/") && !own("http://[2001:db8::1]/"));
    }

    #[tokio::test]
    async fn errors_never_show_the_address() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().tls_certs_only([]).build().unwrap();
        for url in ["http://127.0.0.1:1/TOKEN?key=TOKEN", "TOKEN", "http://TOKEN:TOKEN@127.0.0.1:1/", "http://[TOKEN/"]
        {
            let error = client.post(url).send().await.unwrap_err();
            let shown = explain(error, Duration::from_secs(1));
            assert!(!shown.contains("TOKEN") && !shown.contains("token"), "{shown}");
        }
    }
}
