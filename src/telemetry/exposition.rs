//! Prometheus' text format, version 0.0.4.
//!
//! The format wants all series of a family together under one HELP and TYPE; [`Exposition::family`] keeps
//! it so. Names are ours and fixed; only label values come from outside, and only they are escaped.

use std::fmt::Write as _;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family is, in the format's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Quantiles with a sum and a count.
    Summary,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
        }
    }
}

/// Text under construction.
#[derive(Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begin a family. Its head is written with the first sample: a family without samples is absent.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> Family<'a> {
        Family { text: &mut self.text, name, kind, help, begun: false }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// One metric with all its series.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
    kind: Kind,
    help: &'a str,
    begun: bool,
}

impl Family<'_> {
    /// One series. `suffix` is `_sum` or `_count` in a summary, else empty.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.line(suffix, &render_labels(labels), value);
    }

    /// One series whose value is a whole number, written with all its digits.
    pub fn sample_u64(&mut self, suffix: &str, labels: &[(&str, &str)], value: u64) {
        self.line(suffix, &render_labels(labels), value);
    }

    /// One series whose labels were rendered before by [`render_labels`].
    pub fn line(&mut self, suffix: &str, labels: &str, value: impl std::fmt::Display) {
        if !self.begun {
            self.begun = true;
            // Writing into a String does not fail.
            let _ = writeln!(self.text, "# HELP {} {}\n# TYPE {0} {}", self.name, self.help, self.kind.as_str());
        }
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// `name="value",...` with the values escaped.
pub fn render_labels(labels: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out
}
