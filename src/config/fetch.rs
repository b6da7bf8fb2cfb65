//! `[[snmp.targets_from]] http = "..."`: Prometheus' http_sd.
//!
//! What a URL answers is kept as a file in the data folder, and from there on it is a file of targets like any other: it is
//! read, watched, and taken up when it changes. So a source that is away, or answers nonsense, changes nothing, over a
//! restart too.
//!
//! ```text
//!   URL --every `refresh`--> whole and JSON? --different?--> DATA/targets/HASH.json --Watch--> reload
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{ClientBuilder, Url};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::{discovery, yaml};

use crate::fabric::Secret;
use crate::http::{self, Authority};

/// An answer takes no longer, connecting included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A URL that answers with targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetsUrl {
    /// The URL, which may hold a token.
    pub url: Secret,
    /// Where its last good answer is kept.
    pub copy: PathBuf,
    /// How often it is asked.
    pub refresh: Duration,
    /// Sent with each request, such as an authorization.
    pub headers: Vec<(String, Secret)>,
    /// Who vouches for it, if not those whom the system believes.
    pub ca: Option<Authority>,
}

impl TargetsUrl {
    /// Where the answer of this URL is kept.
    pub(super) fn copy_of(url: &Secret, data: &Path) -> PathBuf {
        let mut name = String::new();
        for byte in &Sha256::digest(url.reveal().as_bytes())[..12] {
            // Writing to a text cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        data.join("targets").join(format!("{name}.json"))
    }

    /// The URL for people: without user, password, query and fragment, which may be secrets.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// Ask once.
    ///
    /// # Errors
    /// Why there is no answer that could be used, and nothing of the answer itself.
    pub async fn ask(&self) -> Result<Vec<u8>, String> {
        let parsed: Vec<Url> = Url::parse(self.url.reveal()).into_iter().collect();
        let client = http::client(&parsed, self.ca.as_ref()).and_then(ClientBuilder::build).map_err(explain)?;
        let mut request = client.get(self.url.reveal()).timeout(TIMEOUT).header(ACCEPT, "application/json");
        request = request.header("X-Prometheus-Refresh-Interval-Seconds", self.refresh.as_secs().max(1));
        for (name, value) in &self.headers {
            request = request.header(name, value.reveal());
        }
        let mut response = request.send().await.map_err(explain)?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > discovery::LONGEST {
                return Err(format!("its answer is longer than {} MiB", discovery::LONGEST >> 20));
            }
        }
        match yaml::json(&bytes) {
            Ok(serde_json::Value::Array(_)) => Ok(bytes),
            Ok(_) => Err("its answer is not a JSON array of groups".into()),
            Err(error) => Err(format!("its answer is {}", error.reason)),
        }
    }

    /// Keep an answer; true if it is another than before.
    fn keep(&self, bytes: &[u8]) -> std::io::Result<bool> {
        if std::fs::read(&self.copy).is_ok_and(|known| known == bytes) {
            return Ok(false);
        }
        let folder = self.copy.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // Whole or not at all: a reader never sees half of it, and neither does the next start.
        let fresh = self.copy.with_extension("fresh");
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.copy)?;
        Ok(true)
    }

    async fn follow(self) {
        let mut told = None;
        loop {
            let outcome = match self.ask().await {
                Ok(bytes) => {
                    let this = self.clone();
                    let kept = tokio::task::spawn_blocking(move || this.keep(&bytes)).await;
                    match kept {
                        Ok(Ok(_)) => Ok(()),
                        Ok(Err(error)) => Err(format!("its answer cannot be kept in {}: {error}", self.copy.display())),
                        Err(_) => Err("its answer cannot be kept".into()),
                    }
                }
                Err(why) => Err(why),
            };
            match (&outcome, &told) {
                (Err(why), told) if told.as_ref() != Some(why) => {
                    tracing::warn!("targets of {}: {why}; those known before stay", self.shown());
                }
                (Ok(()), Some(_)) => tracing::info!("targets of {}: it answers again", self.shown()),
                _ => {}
            }
            told = outcome.err();
            tokio::time::sleep(self.refresh).await;
        }
    }
}

/// Keeps the copies of all URLs fresh, for as long as it is held.
#[derive(Debug, Default)]
pub struct Fetching {
    tasks: Vec<(TargetsUrl, JoinHandle<()>)>,
}

impl Fetching {
    /// Ask these from now on, and no others. Must be called within a tokio runtime.
    pub fn reconfigure(&mut self, urls: &[TargetsUrl]) {
        self.tasks.retain(|(url, task)| {
            let stays = urls.contains(url);
            if !stays {
                task.abort();
            }
            stays
        });
        for url in urls {
            if !self.tasks.iter().any(|(known, _)| known == url) {
                self.tasks.push((url.clone(), tokio::spawn(url.clone().follow())));
            }
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.reconfigure(&[]);
    }
}

/// The URL for people.
pub(super) fn shown(url: &Secret) -> String {
    let Ok(mut parsed) = Url::parse(url.reveal()) else { return "an unreadable URL".into() };
    // These fail for URLs without a host only, which have none of it.
    let _ = (parsed.set_username(""), parsed.set_password(None));
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.to_string()
}

/// Why there was no answer, without the URL.
fn explain(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let (connect, redirect) = (error.is_connect(), error.is_redirect());
    match http::innermost(error) {
        why if connect => format!("it cannot be reached: {why}"),
        _ if redirect => "it leads in a circle".into(),
        why => format!("its answer cannot be read: {why}"),
    }
}
