//! Functions of the samples within a window of time.
//!
//! `rate` and its kin extrapolate to the ends of the window where the samples come near them, as Prometheus does.

/// Samples in order of time, milliseconds.
pub(super) type Samples<'a> = &'a [(i64, f64)];

/// A window: all samples with a time in `(start, end]`.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) samples: Samples<'a>,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

pub(super) type OverTime = fn(Window<'_>, f64) -> Option<f64>;

/// A function of a window, by its name; the number is the other argument of those that have one.
pub(super) fn by_name(name: &str) -> Option<OverTime> {
    Some(match name {
        "rate" => |window, _| extrapolated(window, true, true),
        "increase" => |window, _| extrapolated(window, true, false),
        "delta" => |window, _| extrapolated(window, false, false),
        "irate" => |window, _| of_last_two(window, true),
        "idelta" => |window, _| of_last_two(window, false),
        "deriv" => |window, _| {
            let first = window.samples.first()?.0;
            (window.samples.len() > 1).then(|| regression(window.samples, first).0)
        },
        "predict_linear" => |window, seconds| {
            let (slope, intercept) = (window.samples.len() > 1).then(|| regression(window.samples, window.end_ms))?;
            Some(slope * seconds + intercept)
        },
        "avg_over_time" => |window, _| values(window).map(|v| sum(v.clone()) / v.count() as f64),
        "sum_over_time" => |window, _| values(window).map(sum),
        "count_over_time" => |window, _| values(window).map(|v| v.count() as f64),
        "min_over_time" => |window, _| values(window)?.reduce(|low, v| if v < low || low.is_nan() { v } else { low }),
        "max_over_time" => |window, _| values(window)?.reduce(|top, v| if v > top || top.is_nan() { v } else { top }),
        "last_over_time" => |window, _| values(window)?.last(),
        "present_over_time" => |window, _| values(window).map(|_| 1.0),
        "stddev_over_time" => |window, _| values(window).map(|v| variance(v).sqrt()),
        "stdvar_over_time" => |window, _| values(window).map(variance),
        "quantile_over_time" => |window, rank| values(window).map(|v| quantile(rank, v.collect())),
        "changes" => |window, _| {
            let moved = |pair: &&[(i64, f64)]| pair[0].1 != pair[1].1 && !(pair[0].1.is_nan() && pair[1].1.is_nan());
            values(window).map(|_| window.samples.windows(2).filter(moved).count() as f64)
        },
        "resets" => |window, _| {
            values(window).map(|_| window.samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).count() as f64)
        },
        _ => return None,
    })
}

/// The values; none of none.
fn values(window: Window<'_>) -> Option<impl Iterator<Item = f64> + Clone + '_> {
    (!window.samples.is_empty()).then(|| window.samples.iter().map(|(_, value)| *value))
}

/// What came in the window, or per second.
fn extrapolated(window: Window<'_>, is_counter: bool, per_second: bool) -> Option<f64> {
    let ([first, .., last], count) = (window.samples, window.samples.len()) else { return None };
    let mut came = last.1 - first.1;
    if is_counter {
        // A counter that fell began at zero again.
        for pair in window.samples.windows(2) {
            if pair[1].1 < pair[0].1 {
                came += pair[0].1;
            }
        }
    }
    let seconds = |ms: i64| ms as f64 / 1e3;
    let mut to_start = seconds(first.0 - window.start_ms);
    let to_end = seconds(window.end_ms - last.0);
    let sampled = seconds(last.0 - first.0);
    let apart = sampled / (count - 1) as f64;
    if is_counter && came > 0.0 && first.1 >= 0.0 {
        // It cannot have been below zero.
        to_start = to_start.min(sampled * (first.1 / came));
    }
    let near = apart * 1.1;
    let beyond = |gap: f64| if gap < near { gap } else { apart / 2.0 };
    let mut factor = (sampled + beyond(to_start) + beyond(to_end)) / sampled;
    if per_second {
        factor /= seconds(window.end_ms - window.start_ms);
    }
    Some(came * factor)
}

fn of_last_two(window: Window<'_>, per_second: bool) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    if last.0 == before.0 {
        return None;
    }
    if !per_second {
        return Some(last.1 - before.1);
    }
    let came = if last.1 < before.1 { last.1 } else { last.1 - before.1 };
    Some(came / ((last.0 - before.0) as f64 / 1e3))
}

/// Slope per second, and the value at `origin_ms`, by least squares.
fn regression(samples: Samples<'_>, origin_ms: i64) -> (f64, f64) {
    let first = samples[0].1;
    if samples.iter().all(|(_, value)| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let x = |at: i64| (at - origin_ms) as f64 / 1e3;
    let count = samples.len() as f64;
    let sum_x = sum(samples.iter().map(|(at, _)| x(*at)));
    let sum_y = sum(samples.iter().map(|(_, value)| *value));
    let sum_xy = sum(samples.iter().map(|(at, value)| x(*at) * value));
    let sum_xx = sum(samples.iter().map(|(at, _)| x(*at) * x(*at)));
    let slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count);
    (slope, sum_y / count - slope * sum_x / count)
}

/// Neumaier's sum: nothing small is lost beside what is large.
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        if next.is_infinite() {
            lost = 0.0;
        } else {
            lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        }
        sum = next;
    }
    if sum.is_infinite() { sum } else { sum + lost }
}

/// Of the population.
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let off = value - mean;
        mean += off / count;
        squares += off * (value - mean);
    }
    squares / count
}

/// Between two ranks the value lies on the line between theirs.
pub(super) fn quantile(rank: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || rank.is_nan() {
        return f64::NAN;
    }
    if rank < 0.0 {
        return f64::NEG_INFINITY;
    }
    if rank > 1.0 {
        return f64::INFINITY;
    }
    // What is not a number is the least.
    values.sort_unstable_by(|one, other| match (one.is_nan(), other.is_nan()) {
        (false, false) => one.total_cmp(other),
        (one, other) => other.cmp(&one),
    });
    let at = rank * (values.len() - 1) as f64;
    let (low, weight) = (at.floor() as usize, at - at.floor());
    let high = (low + 1).min(values.len() - 1);
    values[low] * (1.0 - weight) + values[high] * weight
}
