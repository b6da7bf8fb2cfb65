//! A rate is known or it is not, and then it says why. Unknown is never zero.

use serde::{Deserialize, Serialize};

/// Why a rate is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// Only one reading so far.
    FirstSample,
    /// The counters started anew between the two readings: restart, reset, renumbering.
    Discontinuity,
    /// The counter fell, and whether it wrapped or was reset cannot be told.
    Ambiguous,
    /// The last good reading is too old.
    Stale,
    /// More than the interface can carry.
    Implausible,
    /// The device does not have this object, or gave no usable value.
    Missing,
    /// A ratio of which a part is not known, such as utilisation of an interface of unknown speed.
    NoSpeed,
}

impl Unknown {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstSample => "first sample",
            Self::Discontinuity => "discontinuity",
            Self::Ambiguous => "ambiguous",
            Self::Stale => "stale",
            Self::Implausible => "implausible",
            Self::Missing => "missing",
            Self::NoSpeed => "no speed",
        }
    }
}

/// A quantity per second (or a ratio), or the reason why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Finite, not negative.
    Known(f64),
    /// Not known.
    Unknown(Unknown),
}

impl Default for Rate {
    fn default() -> Self {
        Self::Unknown(Unknown::FirstSample)
    }
}

impl Rate {
    /// The value, where it is known.
    pub fn known(self) -> Option<f64> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why it is not known.
    pub fn why(self) -> Option<Unknown> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }

    /// Apply a function to a known value.
    pub fn map(self, f: impl FnOnce(f64) -> f64) -> Self {
        match self {
            Self::Known(value) => Self::Known(f(value)),
            unknown => unknown,
        }
    }
}

/// A known rate is a number in JSON, an unknown one is null.
impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}
