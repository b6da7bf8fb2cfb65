//! What expressions come to: a number, a vector of series or a text, at every step at once.

use std::collections::HashMap;

use super::Fault;
use super::labels::Labels;

/// Stands at a step where a series has no value. It is a NaN that no arithmetic makes.
pub(super) const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

pub(super) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// One series with a value, or [`ABSENT`], per step.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) labels: Labels,
    pub(super) values: Vec<f64>,
}

pub(super) enum Value {
    Scalar(Vec<f64>),
    Vector(Vec<Line>),
    Text(String),
}

/// Two lines that became one by losing what told them apart are joined, unless both have a value at a step.
pub(super) fn merge(lines: Vec<Line>) -> Result<Vec<Line>, Fault> {
    let mut at: HashMap<Labels, usize> = HashMap::with_capacity(lines.len());
    let mut merged: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match at.get(&line.labels) {
            None => {
                at.insert(line.labels.clone(), merged.len());
                merged.push(line);
            }
            Some(place) => {
                for (own, other) in merged[*place].values.iter_mut().zip(line.values) {
                    if is_absent(other) {
                        continue;
                    }
                    if !is_absent(*own) {
                        return Err(Fault::Bad("vector cannot contain metrics with the same labelset".into()));
                    }
                    *own = other;
                }
            }
        }
    }
    Ok(merged)
}
