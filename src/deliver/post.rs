//! One POST, and what its answer means.
//!
//! | answer | what it means |
//! |---|---|
//! | 2xx | acknowledged |
//! | 400, 413, 415, 422 | it refuses this very body |
//! | other 3xx and 4xx | it refuses us: moved, wrong token, not yet deployed |
//! | 408, 429, 5xx, no answer, no connection | it cannot now |
//!
//! Redirections are not followed: a POST that was turned into a GET would be acknowledged by a page.

use std::error::Error as _;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};

use super::ReceiverSettings;
use super::letter::Letter;

/// Of an answer's body no more than this is read, to keep the connection.
const ANSWER_BYTES: usize = 64 << 10;

/// Of an answer's body so much is kept, for people.
const SHOWN_BYTES: usize = 4 << 10;

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    Acknowledged,
    RefusesBody(String),
    RefusesUs(String),
    Later { why: String, retry_after: Option<Duration> },
}

impl Answer {
    pub fn later(why: String) -> Self {
        Self::Later { why, retry_after: None }
    }

    /// Why it is no acknowledgement.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Acknowledged => None,
            Self::RefusesBody(why) | Self::RefusesUs(why) | Self::Later { why, .. } => Some(why),
        }
    }
}

/// An answer with its words.
pub(super) struct Heard {
    pub answer: Answer,
    /// The status, or why there is none.
    pub status: String,
    /// The beginning of its body, as the receiver wrote it.
    pub body: String,
}

impl From<Answer> for Heard {
    fn from(answer: Answer) -> Self {
        let status = answer.why().unwrap_or_default().to_owned();
        Self { answer, status, body: String::new() }
    }
}

/// What speaks to a receiver.
pub(super) fn client(settings: &ReceiverSettings, urls: &[&str]) -> reqwest::Result<Client> {
    // Somebody else in the process may have been first: then theirs serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(1);
    // One that cannot be read fails with the attempt, and says so.
    let parsed: Vec<Url> = urls.iter().filter_map(|url| Url::parse(url).ok()).collect();
    if let Some(ca) = &settings.ca {
        builder = builder.tls_certs_only(ca.certificates()?);
    } else if !parsed.is_empty() && parsed.iter().all(|url| url.scheme() == "http") {
        // Without TLS there is no need for a certificate store: it may be missing, and costs memory.
        builder = builder.tls_certs_only([]);
    }
    if !parsed.is_empty() && parsed.iter().all(is_loopback) {
        builder = builder.no_proxy();
    }
    builder.build()
}

/// Send one letter, and hear what it meant.
pub(super) async fn post(
    client: &Client,
    settings: &ReceiverSettings,
    letter: Letter,
    idempotency_key: Option<&str>,
) -> Heard {
    let mut request = client.post(letter.url.reveal()).timeout(settings.timeout);
    for (name, value) in &settings.headers {
        request = request.header(name, value.reveal());
    }
    if let Some(signature) = letter.signature {
        request = request.header("X-Selvedge-Signature", signature);
    }
    if let Some(key) = idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let sent = request.header(CONTENT_TYPE, "application/json").body(letter.body).send().await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return Answer::later(explain(error, settings.timeout)).into(),
    };
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    // The status is the answer. The rest is read only so that the connection can be used again.
    let (mut read, mut shown) = (0, Vec::new());
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        let room = SHOWN_BYTES.saturating_sub(shown.len()).min(chunk.len());
        shown.extend(&chunk[..room]);
        if read > ANSWER_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&shown).trim().to_owned();
    Heard { answer: judge(status, retry_after), status: status.to_string(), body }
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
pub(super) fn explain(error: reqwest::Error, timeout: Duration) -> String {
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
