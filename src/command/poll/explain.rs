//! `selvedge poll --explain`: why values are unknown, each reason once with everything that it holds for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::Interface;
use crate::fabric::{AdminStatus, OperStatus, Unknown};
use crate::mib::value::Unusable;

/// Interfaces that are named on a line; the rest is counted.
const NAMES_MAX: usize = 6;

/// One reason, and what is unknown for it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Explanation {
    /// What is unknown: objects as they are named in IF-MIB, those of rates with `/s`.
    values: Vec<String>,
    /// On which interfaces, by name, in the order of their ifIndex.
    interfaces: Vec<String>,
    /// In one word, as in `unknown`.
    reason: &'static str,
    /// In a sentence.
    sentence: &'static str,
}

/// Everything that is unknown of these interfaces.
pub(super) fn unknowns(interfaces: &[Interface]) -> Vec<Explanation> {
    // What has the same reason on the same interfaces is told together.
    let mut by: BTreeMap<(String, Reason), Vec<usize>> = BTreeMap::new();
    for (place, interface) in interfaces.iter().enumerate() {
        let mut note = |value: &str, reason| by.entry((value.to_owned(), reason)).or_default().push(place);
        for (object, why) in &interface.unknown {
            note(object, counter(*why));
        }
        for (object, rate) in interface.rates.iter().flatten() {
            // A counter that was not read is told of already.
            if let Some(why) = rate.why().filter(|_| !interface.unknown.contains_key(object)) {
                note(&format!("{object}/s"), self::rate(why));
            }
        }
        if interface.speed_bps.is_none() {
            note("speed", SPEED);
        }
        if interface.state.0 == OperStatus::Unknown {
            note("ifOperStatus", STATUS);
        }
        if interface.state.1 == AdminStatus::Unknown {
            note("ifAdminStatus", STATUS);
        }
    }
    let mut together: BTreeMap<(Reason, Vec<usize>), Vec<String>> = BTreeMap::new();
    for ((value, reason), places) in by {
        together.entry((reason, places)).or_default().push(value);
    }
    let explained = together.into_iter().map(|((reason, places), values)| Explanation {
        values,
        interfaces: places.into_iter().map(|place| interfaces[place].name.clone()).collect(),
        reason: reason.0,
        sentence: reason.1,
    });
    explained.collect()
}

/// For people; `all` is how many interfaces there are.
pub(super) fn text(explanations: &[Explanation], all: usize) -> String {
    if explanations.is_empty() {
        return "\nNothing is unknown.\n".into();
    }
    let bold = anstyle::Style::new().bold();
    let mut text = format!("\n{bold}Unknown, and why{bold:#}\n");
    for explanation in explanations {
        let names = &explanation.interfaces;
        let on = match names.len() {
            1 => names[0].clone(),
            count if count == all => format!("all {all} interfaces"),
            count if count <= NAMES_MAX => names.join(", "),
            count => format!("{} and {} more", names[..NAMES_MAX].join(", "), count - NAMES_MAX),
        };
        text += &format!("  {} on {on}:\n    {}\n", explanation.values.join(", "), explanation.sentence);
    }
    text
}

/// In a word and in a sentence.
type Reason = (&'static str, &'static str);

const SPEED: Reason = (
    "no speed",
    "The device gives no speed: ifHighSpeed and ifSpeed are missing, 0, or at their limit. Shares of it are unknown too; \
     [[interface]] in the configuration can say it.",
);
const STATUS: Reason = (
    "unknown",
    "The object is missing, or the device itself says unknown, or a value that the standard does not have.",
);

fn counter(why: Unusable) -> Reason {
    let sentence = match why {
        Unusable::Missing => "The device does not have this object here, or does not show it to these credentials.",
        Unusable::NotACounter => {
            "The device answers with something that is no counter: another type, or a text without a number."
        }
        Unusable::Negative => "The device answers with a negative number, which no counter can be.",
        Unusable::AllOnes => "Every bit of the value is one: so some agents say that they do not count this.",
        Unusable::Contradicted => {
            "Contradicted by the octets of the same direction: so many cannot have come in so few packets."
        }
        Unusable::Changed => {
            "It is a sum over queues, and these are not the queues of the reading before: from the next one on it counts again."
        }
        Unusable::Truncated => "The answers broke off before this value was reached; ask again.",
    };
    (why.as_str(), sentence)
}

fn rate(why: Unknown) -> Reason {
    let sentence = match why {
        Unknown::FirstSample => "There is only one reading so far; a rate needs two.",
        Unknown::Discontinuity => {
            "The counter began anew between the two readings: it fell, its discontinuity time or its width changed, or the device \
             restarted."
        }
        Unknown::Ambiguous => {
            "The 32-bit counter fell, and at this speed it cannot be told whether it wrapped once, wrapped more often or was reset."
        }
        Unknown::Stale => {
            "The device answered from its cache: not one counter of it moved, and equal is not idle. Let more seconds pass (--interval)."
        }
        Unknown::Implausible => "It would be more than the interface can carry.",
        Unknown::Missing => "The counter was read only once: in the other reading the device did not have it.",
        Unknown::NoSpeed => "The speed of the interface is not known.",
    };
    (why.as_str(), sentence)
}

#[cfg(test)]
mod tests;
