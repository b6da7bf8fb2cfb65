//! PromQL, as far as dashboards and Grafana's Explore use it, over any source of series.
//!
//! ```text
//! parse (promql-parser) -> Query -> evaluate at every step at once -> Answer
//!                                        |
//!                                        +--select(matchers, from, to)--> Source
//! ```
//! What is not known here is refused with its name. A window holds the samples in `(t - range, t]`, and a series without a
//! sample for five minutes is absent. There are no histograms, and no staleness markers.
//!
//! Everything is bounded: the length and depth of a query, steps, series, samples, values and time.

mod aggregate;
mod binary;
mod evaluate;
mod labels;
mod select;
mod value;
mod window;

use std::fmt;
use std::time::Instant;

use promql_parser::parser::{self, Expr};

pub use labels::{Labels, NAME};
pub use promql_parser::label::{MatchOp, Matcher};
pub use select::matchers_of;

/// A longer query is refused, bytes,
const LONGEST_QUERY: usize = 8 << 10;
/// and one with more operators and parentheses: they nest, and what nests takes stack.
const MOST_NESTING: usize = 150;
/// How old the newest sample of a series may be, milliseconds.
const LOOKBACK_MS: i64 = 300_000;
/// The most steps of one answer.
pub const MOST_STEPS: i64 = 11_000;

/// The series that a query is about.
pub trait Source {
    /// The series that all matchers match, with their samples in `[from_ms, to_ms]` and perhaps some around, in order of
    /// time. More than `most` samples are refused.
    ///
    /// # Errors
    /// Too many samples, or what is wrong with the store.
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, most: usize) -> Result<Vec<Series>, Fault>;
}

/// One series of a source.
#[derive(Clone, Debug)]
pub struct Series {
    /// With the metric's name.
    pub labels: Labels,
    /// Milliseconds since 1970, and values; in order of time, no time twice.
    pub samples: Vec<(i64, f64)>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The query cannot be read, means nothing, or is not supported.
    Bad(String),
    /// It asks for more than may be answered.
    TooMuch(String),
    /// It took too long.
    Timeout,
    /// The source failed.
    Source(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(why) | Self::TooMuch(why) | Self::Source(why) => f.write_str(why),
            Self::Timeout => f.write_str("the query took too long: ask for a shorter range or for fewer series"),
        }
    }
}

impl std::error::Error for Fault {}

fn unsupported(what: &str) -> Fault {
    Fault::Bad(format!("{what} is not supported; the README lists what is"))
}

/// What one answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Samples read, all selectors together.
    pub samples: usize,
    /// Values held at a time: series times steps.
    pub values: usize,
    /// When to give up.
    pub deadline: Instant,
}

/// When an expression is looked at, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first step.
    pub start_ms: i64,
    /// No step is later.
    pub end_ms: i64,
    /// Between two steps.
    pub step_ms: i64,
}

/// A series of an answer: its labels, times in milliseconds and values.
pub type Points = (Labels, Vec<(i64, f64)>);

/// The answer at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Instantly {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// Series with a value each.
    Vector(Vec<(Labels, f64)>),
    /// Series with the samples of a window.
    Matrix(Vec<Points>),
}

/// A query that was read.
pub struct Query(Expr);

impl Query {
    /// Read a query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > LONGEST_QUERY {
            return Err(Fault::TooMuch(format!("the query is longer than {LONGEST_QUERY} bytes")));
        }
        if nesting(text) > MOST_NESTING {
            return Err(Fault::TooMuch(format!("the query has more than {MOST_NESTING} operators and parentheses")));
        }
        parser::parse(text).map(Self).map_err(Fault::Bad)
    }

    /// Its value at one moment.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn at(&self, source: &dyn Source, time_ms: i64, limits: Limits) -> Result<Instantly, Fault> {
        evaluate::instantly(&self.0, source, time_ms, limits)
    }

    /// Its values over a range; what is absent at a step is left out.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn over(&self, source: &dyn Source, times: Times, limits: Limits) -> Result<Vec<Points>, Fault> {
        evaluate::over(&self.0, source, times, limits)
    }
}

/// At least how deep the tree of a query can be.
fn nesting(text: &str) -> usize {
    let (mut count, mut quote) = (0, None);
    let mut escaped = false;
    let mut word = String::new();
    for c in text.chars() {
        if let Some(open) = quote {
            let closes = c == open && !escaped;
            escaped = c == '\\' && !escaped && open != '`';
            if closes {
                quote = None;
            }
            continue;
        }
        if c.is_alphanumeric() || c == '_' || c == ':' {
            word.push(c);
            continue;
        }
        if ["and", "or", "unless", "atan2"].iter().any(|op| word.eq_ignore_ascii_case(op)) {
            count += 1;
        }
        word.clear();
        match c {
            '"' | '\'' | '`' => quote = Some(c),
            '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' | '(' | '[' => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests;
