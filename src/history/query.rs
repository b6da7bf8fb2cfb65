//! From stored counters to rates.

use std::fmt;

use serde::Serialize;

/// Rates of one interface over time, one column per quantity. A point that is not known is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// Start of each step, seconds since 1970.
    pub t: Vec<i64>,
    /// Bits received per second.
    pub in_bps: Vec<Option<f64>>,
    /// Bits sent per second.
    pub out_bps: Vec<Option<f64>>,
    /// Packets received per second.
    pub in_pps: Vec<Option<f64>>,
    /// Packets sent per second.
    pub out_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way in, per second.
    pub in_drops_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way out, per second.
    pub out_drops_pps: Vec<Option<f64>>,
}

/// Why there is no series.
#[derive(Debug)]
pub enum QueryError {
    /// `to` is not after `from`, or the step is zero.
    Nonsense(&'static str),
    /// More points than one answer may hold.
    TooManyPoints {
        /// How many were asked for.
        asked: u64,
        /// How many there may be.
        most: u64,
    },
    /// The history has stopped: there is nothing to read from now.
    Stopped(String),
    /// The store cannot be read.
    Store(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonsense(what) => f.write_str(what),
            Self::TooManyPoints { asked, most } => {
                write!(f, "{asked} points asked for, at most {most}: take a longer step")
            }
            Self::Stopped(why) => write!(f, "the history has stopped: {why}"),
            Self::Store(why) => write!(f, "the history cannot be read: {why}"),
        }
    }
}

impl std::error::Error for QueryError {}
