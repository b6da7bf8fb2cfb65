//! Operators between two expressions, with the matching of labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use promql_parser::parser::{BinModifier, LabelModifier, VectorMatchCardinality};

use super::labels::{Labels, NAME};
use super::value::{ABSENT, Line, Value, is_absent, merge};
use super::{Fault, unsupported};

/// What an operator makes of two numbers: the value, and whether a comparison holds.
type Apply = fn(f64, f64) -> (f64, bool);

fn by_symbol(op: &str) -> Option<(Apply, bool)> {
    Some(match op {
        "+" => (|a, b| (a + b, true), false),
        "-" => (|a, b| (a - b, true), false),
        "*" => (|a, b| (a * b, true), false),
        "/" => (|a, b| (a / b, true), false),
        "%" => (|a, b| (a % b, true), false),
        "^" => (|a, b| (a.powf(b), true), false),
        "atan2" => (|a, b| (a.atan2(b), true), false),
        "==" => (|a, b| (a, a == b), true),
        "!=" => (|a, b| (a, a != b), true),
        ">" => (|a, b| (a, a > b), true),
        "<" => (|a, b| (a, a < b), true),
        ">=" => (|a, b| (a, a >= b), true),
        "<=" => (|a, b| (a, a <= b), true),
        _ => return None,
    })
}

pub(super) fn binary(op: &str, lhs: Value, rhs: Value, modifier: Option<&BinModifier>) -> Result<Value, Fault> {
    let wants_bool = modifier.is_some_and(|modifier| modifier.return_bool);
    if modifier.is_some_and(|modifier| modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()) {
        return Err(unsupported("`fill`"));
    }
    if matches!(op, "and" | "or" | "unless") {
        return match (lhs, rhs) {
            (Value::Vector(lhs), Value::Vector(rhs)) => Ok(Value::Vector(set(op, lhs, rhs, modifier)?)),
            _ => Err(Fault::Bad(format!("`{op}` stands between two vectors"))),
        };
    }
    let (apply, compares) = by_symbol(op).ok_or_else(|| unsupported(&format!("the operator `{op}`")))?;
    let truth = |holds: bool| f64::from(u8::from(holds));
    match (lhs, rhs) {
        (Value::Scalar(lhs), Value::Scalar(rhs)) => {
            if compares && !wants_bool {
                return Err(Fault::Bad("comparisons between scalars must use the bool modifier".into()));
            }
            let both = lhs.into_iter().zip(rhs).map(|(a, b)| apply(a, b));
            Ok(Value::Scalar(both.map(|(value, holds)| if compares { truth(holds) } else { value }).collect()))
        }
        (Value::Vector(lines), Value::Scalar(numbers)) => with_scalar(lines, &numbers, compares, wants_bool, apply),
        (Value::Scalar(numbers), Value::Vector(lines)) => {
            with_scalar(lines, &numbers, compares, wants_bool, |of_line, number| {
                let (value, holds) = apply(number, of_line);
                (if compares { of_line } else { value }, holds)
            })
        }
        (Value::Vector(lhs), Value::Vector(rhs)) => {
            Ok(Value::Vector(matched(lhs, rhs, modifier, compares, wants_bool, apply)?))
        }
        _ => Err(Fault::Bad(format!("`{op}` does not take a text"))),
    }
}

fn with_scalar(
    mut lines: Vec<Line>,
    numbers: &[f64],
    compares: bool,
    wants_bool: bool,
    apply: impl Fn(f64, f64) -> (f64, bool),
) -> Result<Value, Fault> {
    for line in &mut lines {
        for (value, number) in line.values.iter_mut().zip(numbers) {
            if is_absent(*value) {
                continue;
            }
            let (result, holds) = apply(*value, *number);
            *value = match (compares, wants_bool) {
                (true, true) => f64::from(u8::from(holds)),
                (true, false) if !holds => ABSENT,
                _ => result,
            };
        }
        if !compares || wants_bool {
            line.labels = line.labels.unnamed();
        }
    }
    Ok(Value::Vector(merge(lines)?))
}

/// What two series must have in common.
fn signature(labels: &Labels, matching: Option<&LabelModifier>) -> Labels {
    match matching {
        None => labels.unnamed(),
        Some(LabelModifier::Include(on)) => labels.filtered(|name| on.labels.iter().any(|on| on == name)),
        Some(LabelModifier::Exclude(ignored)) => {
            labels.filtered(|name| name != NAME && !ignored.labels.iter().any(|ignored| ignored == name))
        }
    }
}

fn by_signature(lines: &[Line], matching: Option<&LabelModifier>) -> HashMap<Labels, Vec<usize>> {
    let mut groups: HashMap<Labels, Vec<usize>> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        groups.entry(signature(&line.labels, matching)).or_default().push(at);
    }
    groups
}

fn set(op: &str, mut lhs: Vec<Line>, mut rhs: Vec<Line>, modifier: Option<&BinModifier>) -> Result<Vec<Line>, Fault> {
    let matching = modifier.and_then(|modifier| modifier.matching.as_ref());
    let present = |lines: &[Line], of: Option<&Vec<usize>>, step: usize| {
        of.is_some_and(|of| of.iter().any(|at| !is_absent(lines[*at].values[step])))
    };
    if op == "or" {
        let left = by_signature(&lhs, matching);
        for line in &mut rhs {
            let of = left.get(&signature(&line.labels, matching));
            for (step, value) in line.values.iter_mut().enumerate() {
                if present(&lhs, of, step) {
                    *value = ABSENT;
                }
            }
        }
        lhs.extend(rhs);
        return merge(lhs);
    }
    let right = by_signature(&rhs, matching);
    for line in &mut lhs {
        let of = right.get(&signature(&line.labels, matching));
        for (step, value) in line.values.iter_mut().enumerate() {
            if present(&rhs, of, step) != (op == "and") {
                *value = ABSENT;
            }
        }
    }
    Ok(lhs)
}

fn matched(
    lhs: Vec<Line>,
    rhs: Vec<Line>,
    modifier: Option<&BinModifier>,
    compares: bool,
    wants_bool: bool,
    apply: Apply,
) -> Result<Vec<Line>, Fault> {
    let matching = modifier.and_then(|modifier| modifier.matching.as_ref());
    let card = modifier.map_or(&VectorMatchCardinality::OneToOne, |modifier| &modifier.card);
    let swapped = matches!(card, VectorMatchCardinality::OneToMany(_));
    let included: &[String] = card.labels().map_or(&[], |labels| &labels.labels);
    let one_to_one = matches!(card, VectorMatchCardinality::OneToOne);
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };

    let of_one = by_signature(&one, matching);
    let side = if swapped { "left" } else { "right" };
    let steps = one.first().map_or(0, |line| line.values.len());
    // Which of the one side stands at each step.
    let mut standing: HashMap<Labels, Vec<usize>> = HashMap::with_capacity(of_one.len());
    for (group, of) in of_one {
        let mut at = vec![usize::MAX; steps];
        for candidate in of {
            for (step, at) in at.iter_mut().enumerate() {
                if is_absent(one[candidate].values[step]) {
                    continue;
                }
                if *at != usize::MAX {
                    let what = "many-to-many matching not allowed: matching labels must be unique on one side";
                    return Err(Fault::Bad(format!("found duplicate series on the {side} hand-side; {what}")));
                }
                *at = candidate;
            }
        }
        standing.insert(group, at);
    }

    let mut results: Vec<Line> = Vec::new();
    let mut places: HashMap<(Labels, Labels), usize> = HashMap::new();
    // By signature: the steps that have a result, which one to one there may be one of.
    let mut taken: HashMap<Labels, Vec<bool>> = HashMap::new();
    for line in many {
        let group = signature(&line.labels, matching);
        let Some(standing) = standing.get(&group) else { continue };
        // With the same partner the labels are the same.
        let mut of_partner: HashMap<usize, usize> = HashMap::new();
        for (step, value) in line.values.iter().enumerate() {
            let partner = standing[step];
            if is_absent(*value) || partner == usize::MAX {
                continue;
            }
            let other = one[partner].values[step];
            let (result, holds) = if swapped { apply(other, *value) } else { apply(*value, other) };
            let result = match (compares, wants_bool) {
                (true, true) => f64::from(u8::from(holds)),
                (true, false) if !holds => continue,
                _ => result,
            };
            if one_to_one {
                let taken = taken.entry(group.clone()).or_insert_with(|| vec![false; steps]);
                if std::mem::replace(&mut taken[step], true) {
                    let what = "many-to-one matching must be explicit (group_left/group_right)";
                    return Err(Fault::Bad(format!("multiple matches for labels: {what}")));
                }
            }
            let place = match of_partner.entry(partner) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let mut labels = if compares && !wants_bool { line.labels.clone() } else { line.labels.unnamed() };
                    if one_to_one {
                        labels = match matching {
                            None => labels,
                            Some(LabelModifier::Include(on)) => {
                                labels.filtered(|name| on.labels.iter().any(|on| on == name))
                            }
                            Some(LabelModifier::Exclude(ignored)) => {
                                labels.filtered(|name| !ignored.labels.iter().any(|ignored| ignored == name))
                            }
                        };
                    }
                    for name in included {
                        labels = labels.with(name, one[partner].labels.get(name));
                    }
                    let place = *places.entry((group.clone(), labels.clone())).or_insert_with(|| {
                        results.push(Line { labels, values: vec![ABSENT; steps] });
                        results.len() - 1
                    });
                    *new.insert(place)
                }
            };
            let slot = &mut results[place].values[step];
            if !is_absent(*slot) {
                let what = "grouping labels must ensure unique matches";
                return Err(Fault::Bad(format!("multiple matches for labels: {what}")));
            }
            *slot = result;
        }
    }
    merge(results)
}
