//! Aggregation over series: `sum by (device) (...)`, `topk(5, ...)`.

use std::collections::HashMap;

use promql_parser::parser::LabelModifier;

use super::labels::{Labels, NAME};
use super::value::{ABSENT, Line, is_absent};
use super::window::{quantile, sum, variance};
use super::{Fault, unsupported};

/// The labels that a group is known by.
fn group_of(labels: &Labels, modifier: Option<&LabelModifier>) -> Labels {
    match modifier {
        None => Labels::default(),
        Some(LabelModifier::Include(kept)) => labels.filtered(|name| kept.labels.iter().any(|kept| kept == name)),
        Some(LabelModifier::Exclude(gone)) => {
            labels.filtered(|name| name != NAME && !gone.labels.iter().any(|gone| gone == name))
        }
    }
}

/// Those that there are here.
pub(super) fn is_known(op: &str) -> bool {
    let all = ["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"];
    all.contains(&op)
}

/// Aggregate; `param` is the number of `topk`, `bottomk` and `quantile`.
pub(super) fn aggregate(
    op: &str,
    lines: Vec<Line>,
    modifier: Option<&LabelModifier>,
    param: Option<&[f64]>,
    steps: usize,
) -> Result<Vec<Line>, Fault> {
    let mut groups: Vec<(Labels, Vec<Line>)> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for line in lines {
        let group = group_of(&line.labels, modifier);
        let place = *places.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(line);
    }
    if matches!(op, "topk" | "bottomk") {
        let counts = param.ok_or_else(|| Fault::Bad(format!("{op} needs a number")))?;
        return Ok(groups.into_iter().flat_map(|(_, lines)| best(lines, counts, op == "topk")).collect());
    }
    type Fold = fn(Vec<f64>, f64) -> f64;
    let fold: Fold = match op {
        "sum" => |values, _| sum(values.into_iter()),
        "avg" => |values, _| {
            let count = values.len() as f64;
            sum(values.into_iter()) / count
        },
        "count" => |values, _| values.len() as f64,
        "group" => |_, _| 1.0,
        "min" => |values, _| {
            values.into_iter().reduce(|low, v| if v < low || low.is_nan() { v } else { low }).unwrap_or(ABSENT)
        },
        "max" => |values, _| {
            values.into_iter().reduce(|top, v| if v > top || top.is_nan() { v } else { top }).unwrap_or(ABSENT)
        },
        "stddev" => |values, _| variance(values.into_iter()).sqrt(),
        "stdvar" => |values, _| variance(values.into_iter()),
        "quantile" => |values, rank| quantile(rank, values),
        other => return Err(unsupported(&format!("the aggregation `{other}`"))),
    };
    let mut results = Vec::with_capacity(groups.len());
    for (labels, lines) in groups {
        let mut out = vec![ABSENT; steps];
        for (step, out) in out.iter_mut().enumerate() {
            let values: Vec<f64> =
                lines.iter().map(|line| line.values[step]).filter(|value| !is_absent(*value)).collect();
            if !values.is_empty() {
                *out = fold(values, param.map_or(f64::NAN, |param| param[step]));
            }
        }
        results.push(Line { labels, values: out });
    }
    Ok(results)
}

/// The greatest or least of a group at each step. At a single step the best comes first.
fn best(mut lines: Vec<Line>, counts: &[f64], greatest: bool) -> Vec<Line> {
    let mut order: Vec<usize> = Vec::with_capacity(lines.len());
    for (step, count) in counts.iter().enumerate() {
        order.clear();
        order.extend((0..lines.len()).filter(|line| !is_absent(lines[*line].values[step])));
        let rank = |line: &usize| lines[*line].values[step];
        // What is not a number is never best.
        let compare = |one: &usize, other: &usize| match (rank(one).is_nan(), rank(other).is_nan()) {
            (false, false) if greatest => rank(other).total_cmp(&rank(one)),
            (false, false) => rank(one).total_cmp(&rank(other)),
            (one, other) => one.cmp(&other),
        };
        let count = if count.is_nan() { 0 } else { (*count).max(0.0) as usize };
        if count < order.len() {
            if count > 0 {
                order.select_nth_unstable_by(count, compare);
            }
            for line in order.split_off(count) {
                lines[line].values[step] = ABSENT;
            }
        }
    }
    if counts.len() == 1 {
        let key = |line: &Line| line.values[0];
        lines.retain(|line| !is_absent(line.values[0]));
        lines.sort_by(|one, other| match (key(one).is_nan(), key(other).is_nan()) {
            (false, false) if greatest => key(other).total_cmp(&key(one)),
            (false, false) => key(one).total_cmp(&key(other)),
            (one, other) => one.cmp(&other),
        });
    }
    lines
}
