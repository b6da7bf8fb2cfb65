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

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};

use super::ReceiverSettings;
use super::letter::Letter;
use crate::http;

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
    // One that cannot be read fails with the attempt, and says so.
    let parsed: Vec<Url> = urls.iter().filter_map(|url| Url::parse(url).ok()).collect();
    http::client(&parsed, settings.ca.as_ref())?
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(1)
        .build()
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
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Answer::later(http::explain(error, settings.timeout)).into(),
    };
    let (status, retry_after) = (response.status(), http::retry_after(response.headers()));
    let body = http::beginning(response, SHOWN_BYTES).await;
    Heard { answer: judge(status, retry_after), status: status.to_string(), body }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
