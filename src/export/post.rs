//! One request to a database, and what its answer means.
//!
//! | answer | InfluxDB 2 | Prometheus remote write |
//! |---|---|---|
//! | 2xx | taken | taken |
//! | 400, 413, 422 | refuses this body: split it | refuses this body: split it |
//! | 401, 403, 404, 3xx | refuses us: hold everything, and say so | the same |
//! | other 4xx | refuses us | refuses this body (the specification: never again) |
//! | 408, 429, 5xx, no answer | cannot now: again, later | the same |

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};

use super::batch::Format;
use super::settings::{ExportKind, ExportSettings};
use crate::http;

/// Of an answer's body so much is kept, for people.
const SHOWN_BYTES: usize = 2 << 10;
/// And so much of it is shown.
const SHOWN: usize = 200;

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    RefusesBody(String),
    RefusesUs(String),
    Later(String, Option<Duration>),
}

/// Speaks to one database.
pub(super) struct Post {
    client: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    series: bool,
    secrets: Vec<String>,
}

impl Post {
    /// From settings.
    ///
    /// # Errors
    /// Says what of them cannot be used; names no secret.
    pub fn new(settings: &ExportSettings) -> Result<Self, String> {
        let url = write_url(settings)?;
        let builder = http::client(std::slice::from_ref(&url), settings.ca.as_ref())
            .map_err(|_| "the certificates cannot be read")?
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.timeout)
            .pool_max_idle_per_host(super::sender::IN_FLIGHT);
        let client = builder.build().map_err(|_| "no connection can be made with these settings")?;
        let mut headers = HeaderMap::new();
        let (media, coding, series) = match settings.kind {
            ExportKind::InfluxDb2 { .. } => ("text/plain; charset=utf-8", "gzip", false),
            ExportKind::Prometheus => ("application/x-protobuf", "snappy", true),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        if series {
            headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static("0.1.0"));
        }
        let mut secrets = vec![settings.url.reveal().to_owned()];
        secrets.extend(url.password().map(str::to_owned));
        if let Some(token) = &settings.token {
            let scheme = if series { "Bearer" } else { "Token" };
            let mut value = HeaderValue::from_str(&format!("{scheme} {}", token.reveal()))
                .map_err(|_| "the token is not fit for a header")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            secrets.push(token.reveal().to_owned());
        }
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not fit for HTTP")?;
            let mut text = HeaderValue::from_str(value.reveal()).map_err(|_| "a header's value is not fit for HTTP")?;
            text.set_sensitive(true);
            headers.insert(name, text);
            secrets.push(value.reveal().to_owned());
        }
        secrets.retain(|secret| !secret.is_empty());
        // One may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self { client, url, headers, timeout: settings.timeout, series, secrets })
    }

    /// Of what it sends.
    pub fn format(&self) -> Format {
        if self.series { Format::Series } else { Format::Lines }
    }

    /// Send one body.
    pub async fn send(&self, body: Vec<u8>) -> Answer {
        let request = self.client.post(self.url.clone()).timeout(self.timeout).headers(self.headers.clone()).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::Later(http::explain(error, self.timeout), None),
        };
        let (status, retry_after) = (response.status(), http::retry_after(response.headers()));
        let mut words = http::beginning(response, SHOWN_BYTES).await;
        if status.is_success() {
            return Answer::Taken;
        }
        for secret in &self.secrets {
            words = words.replace(secret.as_str(), "***");
        }
        let mut why = format!("answers {status}");
        if !words.is_empty() {
            let _ = write!(why, ": {}", words.chars().take(SHOWN).collect::<String>().escape_debug());
        }
        judge(status.as_u16(), self.series, why, retry_after)
    }
}

fn judge(status: u16, series: bool, why: String, retry_after: Option<Duration>) -> Answer {
    match status {
        200..=299 => Answer::Taken,
        400 | 413 | 422 => Answer::RefusesBody(why),
        408 | 429 => Answer::Later(why, retry_after),
        401 | 403 | 404 | 300..=399 => Answer::RefusesUs(why),
        402..=499 if series => Answer::RefusesBody(why),
        402..=499 => Answer::RefusesUs(why),
        _ => Answer::Later(why, retry_after),
    }
}

/// Where points are posted to. Prometheus' URL is written whole; InfluxDB's is that of the server, whatever path it has.
fn write_url(settings: &ExportSettings) -> Result<Url, String> {
    let mut url = Url::parse(settings.url.reveal()).map_err(|error| format!("the URL cannot be read: {error}"))?;
    if let ExportKind::InfluxDb2 { org, bucket, precision } = &settings.kind {
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/api/v2/write") {
            url.set_path(&format!("{path}/api/v2/write"));
        }
        let mut query = url.query_pairs_mut();
        if !org.is_empty() {
            query.append_pair("org", org);
        }
        query.append_pair("bucket", bucket).append_pair("precision", precision.as_str());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Precision;
    use crate::fabric::Secret;

    #[test]
    fn judges_every_status() {
        for (status, series) in (100..=999).flat_map(|status| [(status, false), (status, true)]) {
            let answer = judge(status, series, String::new(), None);
            let expected = match status {
                200..=299 => answer == Answer::Taken,
                400 | 413 | 422 => matches!(answer, Answer::RefusesBody(_)),
                408 | 429 => matches!(answer, Answer::Later(..)),
                401 | 403 | 404 | 300..=399 => matches!(answer, Answer::RefusesUs(_)),
                402..=499 if series => matches!(answer, Answer::RefusesBody(_)),
                402..=499 => matches!(answer, Answer::RefusesUs(_)),
                _ => matches!(answer, Answer::Later(..)),
            };
            assert!(expected, "{status} {series}");
        }
    }

    #[test]
    fn the_path_of_a_server_behind_a_proxy_stays() {
        let kind =
            |org: &str| ExportKind::InfluxDb2 { org: org.into(), bucket: "a b".into(), precision: Precision::Micros };
        let url = |url: &str, kind| write_url(&ExportSettings::new("x", kind, Secret::new(url))).unwrap().to_string();
        assert_eq!(url("http://h:8086", kind("o")), "http://h:8086/api/v2/write?org=o&bucket=a+b&precision=us");
        assert_eq!(url("https://h/influx/", kind("")), "https://h/influx/api/v2/write?bucket=a+b&precision=us");
        assert_eq!(url("https://h/api/v2/write", kind("")), "https://h/api/v2/write?bucket=a+b&precision=us");
        assert_eq!(url("http://h/api/v1/write", ExportKind::Prometheus), "http://h/api/v1/write");
    }
}
