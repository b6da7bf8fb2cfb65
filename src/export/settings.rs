//! Where measurements go, and how.

use std::time::Duration;

use crate::fabric::Secret;
use crate::http::Authority;

/// `[[export]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Its name: of its folder on disk, and for people.
    pub name: String,
    /// What it speaks.
    pub kind: ExportKind,
    /// Where; it may hold a password.
    pub url: Secret,
    /// Goes into the header `Authorization`.
    pub token: Option<Secret>,
    /// Headers of our own for every request, with names that are fit for HTTP.
    pub headers: Vec<(String, Secret)>,
    /// Whose certificates are believed, in PEM; none: those that this machine believes.
    pub ca: Option<Authority>,
    /// How long one request may take.
    pub timeout: Duration,
    /// A device's polls closer together than this are left out; zero: every poll goes out.
    pub interval: Duration,
    /// Tags, or labels, of everything that goes there.
    pub tags: Vec<(String, String)>,
    /// How many points go into one request.
    pub batch: usize,
    /// What may wait on disk, bytes; the oldest goes first.
    pub spool_bytes: u64,
    /// How fast is sent what waited on disk, points per second.
    pub replay_pps: u32,
}

impl ExportSettings {
    /// With the defaults of all that is not asked for.
    pub fn new(name: impl Into<String>, kind: ExportKind, url: Secret) -> Self {
        Self {
            name: name.into(),
            kind,
            url,
            token: None,
            headers: Vec::new(),
            ca: None,
            timeout: Duration::from_secs(10),
            interval: Duration::ZERO,
            tags: Vec::new(),
            batch: 5_000,
            spool_bytes: 1 << 30,
            replay_pps: 100_000,
        }
    }
}

/// What a database speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Line protocol to `/api/v2/write`.
    InfluxDb2 {
        /// The organisation; empty where the server has none.
        org: String,
        /// The bucket, of InfluxDB 3 the database.
        bucket: String,
        /// Of timestamps.
        precision: Precision,
    },
    /// Prometheus' remote write, version 1.0.
    Prometheus,
}

impl ExportKind {
    /// Its word in the configuration.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::InfluxDb2 { .. } => "influxdb2",
            Self::Prometheus => "prometheus",
        }
    }
}

/// How fine timestamps are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds, as we measure.
    #[default]
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Precision {
    /// In the configuration and in the URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Nanos => "ns",
        }
    }

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];
}
