//! The tree of an expression, evaluated at every step at once.

use std::time::Instant;

use promql_parser::parser::{Call, Expr, SubqueryExpr};
use regex::Regex;

use super::aggregate::{aggregate, is_known};
use super::binary::binary;
use super::labels::{Labels, NAME};
use super::select::{Looks, matchers};
use super::value::{ABSENT, Line, Value, is_absent, merge};
use super::window::{OverTime, Window, by_name};
use super::{Fault, Instantly, Limits, MOST_STEPS, Points, Series, Source, Times, unsupported};

/// The step of a subquery that names none: Prometheus' usual interval of evaluation.
const SUBQUERY_STEP_MS: i64 = 60_000;

pub(super) struct Evaluator<'a> {
    pub(super) source: &'a dyn Source,
    /// The steps of this expression,
    pub(super) times: Times,
    /// and those of the whole query, which `@ start()` means.
    pub(super) whole: Times,
    pub(super) samples_left: usize,
    limits: Limits,
}

pub(super) fn instantly(expr: &Expr, source: &dyn Source, time_ms: i64, limits: Limits) -> Result<Instantly, Fault> {
    let times = Times { start_ms: time_ms, end_ms: time_ms, step_ms: 1 };
    let mut evaluator = Evaluator { source, times, whole: times, samples_left: limits.samples, limits };
    if let Some((series, looks, range_ms)) = evaluator.windows(expr)? {
        let at = looks.at_ms.first().copied().unwrap_or(time_ms);
        let inside = |samples: Vec<(i64, f64)>| -> Vec<(i64, f64)> {
            samples.into_iter().filter(|(time, _)| *time > at - range_ms && *time <= at).collect()
        };
        let series = series.into_iter().map(|series| (series.labels, inside(series.samples)));
        return Ok(Instantly::Matrix(series.filter(|(_, samples)| !samples.is_empty()).collect()));
    }
    Ok(match evaluator.value(expr)? {
        Value::Scalar(numbers) => Instantly::Scalar(numbers.first().copied().unwrap_or(f64::NAN)),
        Value::Text(text) => Instantly::Text(text),
        Value::Vector(lines) => {
            let present = lines.into_iter().filter(|line| !is_absent(line.values[0]));
            Instantly::Vector(present.map(|line| (line.labels, line.values[0])).collect())
        }
    })
}

pub(super) fn over(expr: &Expr, source: &dyn Source, times: Times, limits: Limits) -> Result<Vec<Points>, Fault> {
    if times.step_ms <= 0 {
        return Err(Fault::Bad("zero or negative query resolution step widths are not accepted".into()));
    }
    if times.end_ms < times.start_ms {
        return Err(Fault::Bad("end timestamp must not be before start time".into()));
    }
    if (times.end_ms.saturating_sub(times.start_ms)) / times.step_ms >= MOST_STEPS {
        return Err(Fault::TooMuch(format!("more than {MOST_STEPS} points per series: take a longer step")));
    }
    let mut evaluator = Evaluator { source, times, whole: times, samples_left: limits.samples, limits };
    let steps: Vec<i64> = evaluator.steps().collect();
    let lines = match evaluator.value(expr)? {
        Value::Scalar(values) => vec![Line { labels: Labels::default(), values }],
        Value::Vector(mut lines) => {
            lines.sort_by(|one, other| one.labels.cmp(&other.labels));
            lines
        }
        Value::Text(_) => return Err(Fault::Bad("a text has no values over a range".into())),
    };
    let points = |values: Vec<f64>| -> Vec<(i64, f64)> {
        steps.iter().copied().zip(values).filter(|(_, value)| !is_absent(*value)).collect()
    };
    let series = lines.into_iter().map(|line| (line.labels, points(line.values)));
    Ok(series.filter(|(_, points)| !points.is_empty()).collect())
}

impl Evaluator<'_> {
    pub(super) fn steps(&self) -> impl Iterator<Item = i64> + use<> {
        let Times { start_ms, end_ms, step_ms } = self.times;
        (0..=(end_ms - start_ms) / step_ms).map(move |step| start_ms + step * step_ms)
    }

    fn count(&self) -> usize {
        ((self.times.end_ms - self.times.start_ms) / self.times.step_ms) as usize + 1
    }

    /// So many series may be held, and there is time left.
    pub(super) fn check(&self, series: usize) -> Result<(), Fault> {
        if series.saturating_mul(self.count()) > self.limits.values {
            return Err(Fault::TooMuch(
                "too many series times steps: select fewer series or take a longer step".into(),
            ));
        }
        if Instant::now() > self.limits.deadline { Err(Fault::Timeout) } else { Ok(()) }
    }

    fn value(&mut self, expr: &Expr) -> Result<Value, Fault> {
        self.check(0)?;
        match expr {
            Expr::NumberLiteral(number) => Ok(Value::Scalar(vec![number.val; self.count()])),
            Expr::StringLiteral(text) => Ok(Value::Text(text.val.clone())),
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::Unary(inner) => Ok(match self.value(&inner.expr)? {
                Value::Scalar(numbers) => Value::Scalar(numbers.into_iter().map(|number| -number).collect()),
                Value::Vector(lines) => Value::Vector(each(lines, |value| -value)?),
                Value::Text(_) => return Err(Fault::Bad("`-` does not take a text".into())),
            }),
            Expr::VectorSelector(selector) => self.selected(selector, false).map(Value::Vector),
            Expr::MatrixSelector(_) | Expr::Subquery(_) => {
                Err(Fault::Bad("a window of time needs a function such as rate() around it".into()))
            }
            Expr::Binary(both) => {
                let (lhs, rhs) = (self.value(&both.lhs)?, self.value(&both.rhs)?);
                binary(&both.op.to_string(), lhs, rhs, both.modifier.as_ref())
            }
            Expr::Aggregate(of) => {
                if !is_known(&of.op.to_string()) {
                    return Err(unsupported(&format!("the aggregation `{}`", of.op)));
                }
                let param = of.param.as_ref().map(|param| self.number(param)).transpose()?;
                let lines = self.vector(&of.expr)?;
                let op = of.op.to_string();
                aggregate(&op, lines, of.modifier.as_ref(), param.as_deref(), self.count()).map(Value::Vector)
            }
            Expr::Call(call) => self.call(call),
            Expr::Extension(_) => Err(unsupported("this extension")),
        }
    }

    fn vector(&mut self, expr: &Expr) -> Result<Vec<Line>, Fault> {
        match self.value(expr)? {
            Value::Vector(lines) => Ok(lines),
            Value::Scalar(_) | Value::Text(_) => Err(Fault::Bad("a vector of series is expected here".into())),
        }
    }

    fn number(&mut self, expr: &Expr) -> Result<Vec<f64>, Fault> {
        match self.value(expr)? {
            Value::Scalar(numbers) => Ok(numbers),
            Value::Vector(_) | Value::Text(_) => Err(Fault::Bad("a number is expected here".into())),
        }
    }

    fn text(&mut self, expr: Option<&Expr>) -> Result<String, Fault> {
        match expr.map(|expr| self.value(expr)).transpose()? {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Fault::Bad("a text is expected here".into())),
        }
    }

    fn call(&mut self, call: &Call) -> Result<Value, Fault> {
        let name = call.func.name;
        let args: Vec<&Expr> = call.args.args.iter().map(|arg| &**arg).collect();
        if let Some(function) = by_name(name) {
            return self.over_time(name, function, &args).map(Value::Vector);
        }
        let steps = self.count();
        let first = |args: &[&'_ Expr]| args.first().map(|expr| (*expr).clone());
        let need = |arg: Option<Expr>| arg.ok_or_else(|| Fault::Bad(format!("{name}() needs an argument")));
        let plain: Option<fn(f64) -> f64> = match name {
            "abs" => Some(f64::abs),
            "ceil" => Some(f64::ceil),
            "floor" => Some(f64::floor),
            "sqrt" => Some(f64::sqrt),
            "exp" => Some(f64::exp),
            "ln" => Some(f64::ln),
            "log2" => Some(f64::log2),
            "log10" => Some(f64::log10),
            "sgn" => Some(|value| if value == 0.0 || value.is_nan() { value } else { value.signum() }),
            _ => None,
        };
        if let Some(function) = plain {
            let lines = self.vector(&need(first(&args))?)?;
            return each(lines, function).map(Value::Vector);
        }
        let at = |args: &[&Expr], place: usize| args.get(place).map(|expr| (*expr).clone());
        match name {
            "round" => {
                let lines = self.vector(&need(first(&args))?)?;
                let to = match at(&args, 1) {
                    Some(to) => self.number(&to)?,
                    None => vec![1.0; steps],
                };
                each_with(lines, |step, value| {
                    // Halves go up, as they do there.
                    let inverse = 1.0 / to[step];
                    (value * inverse + 0.5).floor() / inverse
                })
            }
            "clamp" => {
                let lines = self.vector(&need(first(&args))?)?;
                let low = self.number(&need(at(&args, 1))?)?;
                let high = self.number(&need(at(&args, 2))?)?;
                each_with(lines, |step, value| match (low[step], high[step]) {
                    (low, high) if low > high => ABSENT,
                    (low, high) if low.is_nan() || high.is_nan() => f64::NAN,
                    (low, high) => go_max(low, go_min(high, value)),
                })
            }
            "clamp_min" | "clamp_max" => {
                let lines = self.vector(&need(first(&args))?)?;
                let bound = self.number(&need(at(&args, 1))?)?;
                let is_min = name == "clamp_min";
                each_with(
                    lines,
                    |step, value| {
                        if is_min { go_max(bound[step], value) } else { go_min(bound[step], value) }
                    },
                )
            }
            "time" => Ok(Value::Scalar(self.steps().map(|at| at as f64 / 1e3).collect())),
            "vector" => {
                let values = self.number(&need(first(&args))?)?;
                Ok(Value::Vector(vec![Line { labels: Labels::default(), values }]))
            }
            "scalar" => {
                let lines = self.vector(&need(first(&args))?)?;
                let only = |step: usize| {
                    let mut present = lines.iter().map(|line| line.values[step]).filter(|value| !is_absent(*value));
                    match (present.next(), present.next()) {
                        (Some(value), None) => value,
                        _ => f64::NAN,
                    }
                };
                Ok(Value::Scalar((0..steps).map(only).collect()))
            }
            "timestamp" => match need(first(&args))? {
                Expr::VectorSelector(selector) => {
                    let lines = self.selected(&selector, true)?;
                    each(lines, |value| value).map(Value::Vector)
                }
                other => {
                    let lines = self.vector(&other)?;
                    let at: Vec<f64> = self.steps().map(|at| at as f64 / 1e3).collect();
                    each_with(lines, |step, _| at[step])
                }
            },
            "absent" => {
                let arg = need(first(&args))?;
                let lines = self.vector(&arg)?;
                Ok(Value::Vector(vec![absent(&arg, steps, |step| {
                    lines.iter().all(|line| is_absent(line.values[step]))
                })?]))
            }
            "absent_over_time" => {
                let arg = need(first(&args))?;
                let count = by_name("count_over_time").ok_or(Fault::Timeout)?;
                let lines = self.over_time(name, count, &args)?;
                Ok(Value::Vector(vec![absent(&arg, steps, |step| {
                    lines.iter().all(|line| is_absent(line.values[step]))
                })?]))
            }
            "sort" | "sort_desc" => {
                let mut lines = self.vector(&need(first(&args))?)?;
                if steps == 1 {
                    lines.retain(|line| !is_absent(line.values[0]));
                    let rising = name == "sort";
                    lines.sort_by(|one, other| {
                        let (one, other) = (one.values[0], other.values[0]);
                        match (one.is_nan(), other.is_nan()) {
                            (false, false) if rising => one.total_cmp(&other),
                            (false, false) => other.total_cmp(&one),
                            (one, other) => one.cmp(&other),
                        }
                    });
                }
                Ok(Value::Vector(lines))
            }
            "label_replace" => {
                let lines = self.vector(&need(first(&args))?)?;
                let mut texts = Vec::new();
                for place in 1..5 {
                    texts.push(self.text(args.get(place).copied())?);
                }
                replaced(lines, &texts).map(Value::Vector)
            }
            "label_join" => {
                let mut lines = self.vector(&need(first(&args))?)?;
                let (to, between) = (self.text(args.get(1).copied())?, self.text(args.get(2).copied())?);
                check_label(&to)?;
                let mut from = Vec::new();
                for arg in args.iter().skip(3) {
                    from.push(self.text(Some(arg))?);
                }
                for line in &mut lines {
                    let parts: Vec<&str> = from.iter().map(|name| line.labels.get(name)).collect();
                    line.labels = line.labels.with(&to, &parts.join(&between));
                }
                merge(lines).map(Value::Vector)
            }
            other => Err(unsupported(&format!("the function {other}()"))),
        }
    }

    /// A function of windows over every series; the argument that is no window is a number.
    fn over_time(&mut self, name: &str, function: OverTime, args: &[&Expr]) -> Result<Vec<Line>, Fault> {
        let mut number = None;
        let mut window = None;
        for arg in args {
            match self.windows(arg)? {
                Some(found) => window = Some(found),
                None => number = Some(self.number(arg)?),
            }
        }
        let (series, looks, range_ms) = window.ok_or_else(|| Fault::Bad(format!("{name}() needs a window of time")))?;
        if name == "predict_linear" && !looks.at_ms.iter().copied().eq(self.steps()) {
            return Err(unsupported("predict_linear() with `offset` or `@`"));
        }
        // This one says which sample it is, so that the metric stays the same.
        let keeps_name = name == "last_over_time";
        let mut lines = Vec::with_capacity(series.len());
        for (at, Series { labels, samples }) in series.into_iter().enumerate() {
            if at % 256 == 0 {
                self.check(lines.len())?;
            }
            let (mut low, mut high) = (0, 0);
            let mut values = Vec::with_capacity(looks.at_ms.len());
            for (step, end_ms) in looks.at_ms.iter().enumerate() {
                let start_ms = end_ms - range_ms;
                while samples.get(high).is_some_and(|(time, _)| time <= end_ms) {
                    high += 1;
                }
                while low < high && samples[low].0 <= start_ms {
                    low += 1;
                }
                let window = Window { samples: &samples[low..high], start_ms, end_ms: *end_ms };
                let number = number.as_ref().map_or(f64::NAN, |number| number[step]);
                values.push(if window.samples.is_empty() { None } else { function(window, number) }.unwrap_or(ABSENT));
            }
            if values.iter().any(|value| !is_absent(*value)) {
                lines.push(Line { labels: if keeps_name { labels } else { labels.unnamed() }, values });
            }
        }
        merge(lines)
    }

    /// The samples behind an expression that is a window of time, when it is looked at, and how long the window is.
    fn windows(&mut self, expr: &Expr) -> Result<Option<(Vec<Series>, Looks, i64)>, Fault> {
        match expr {
            Expr::Paren(inner) => self.windows(&inner.expr),
            Expr::MatrixSelector(matrix) => {
                let range_ms = i64::try_from(matrix.range.as_millis()).unwrap_or(i64::MAX / 4);
                let looks = self.looks(matrix.vs.offset.as_ref(), matrix.vs.at.as_ref())?;
                let series = self.samples(&matrix.vs, &looks, range_ms)?;
                Ok(Some((series, looks, range_ms)))
            }
            Expr::Subquery(query) => self.subquery(query).map(Some),
            _ => Ok(None),
        }
    }

    fn subquery(&mut self, query: &SubqueryExpr) -> Result<(Vec<Series>, Looks, i64), Fault> {
        let range_ms = i64::try_from(query.range.as_millis()).unwrap_or(i64::MAX / 4);
        let step = query.step.map(|step| i64::try_from(step.as_millis()).unwrap_or(i64::MAX));
        let step_ms = step.filter(|step| *step > 0).unwrap_or(SUBQUERY_STEP_MS);
        let looks = self.looks(query.offset.as_ref(), query.at.as_ref())?;
        let (first, last) = looks.span();
        // Its steps are multiples of their length, whenever it is asked.
        let earliest = first.saturating_sub(range_ms);
        let mut start_ms = earliest.div_euclid(step_ms) * step_ms;
        if start_ms <= earliest {
            start_ms += step_ms;
        }
        if last.saturating_sub(start_ms) / step_ms > 10 * MOST_STEPS {
            return Err(Fault::TooMuch("the subquery has too many steps: take a longer one".into()));
        }
        if last < start_ms {
            return Ok((Vec::new(), looks, range_ms));
        }
        let times = Times { start_ms, end_ms: last, step_ms };
        let (limits, samples_left) = (self.limits, self.samples_left);
        let mut inner = Evaluator { source: self.source, times, whole: self.whole, samples_left, limits };
        let steps: Vec<i64> = inner.steps().collect();
        let lines = match inner.value(&query.expr)? {
            Value::Vector(lines) => lines,
            Value::Scalar(values) => vec![Line { labels: Labels::default(), values }],
            Value::Text(_) => return Err(Fault::Bad("a text has no values over a range".into())),
        };
        self.samples_left = inner.samples_left;
        let points = |values: Vec<f64>| -> Vec<(i64, f64)> {
            steps.iter().copied().zip(values).filter(|(_, value)| !is_absent(*value)).collect()
        };
        let series = lines.into_iter().map(|line| Series { labels: line.labels, samples: points(line.values) });
        Ok((series.collect(), looks, range_ms))
    }
}

/// The greater; what is not a number wins.
fn go_max(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

fn go_min(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.min(other) }
}

fn each(lines: Vec<Line>, function: impl Fn(f64) -> f64) -> Result<Vec<Line>, Fault> {
    match each_with(lines, |_, value| function(value))? {
        Value::Vector(lines) => Ok(lines),
        _ => Ok(Vec::new()),
    }
}

fn each_with(mut lines: Vec<Line>, function: impl Fn(usize, f64) -> f64) -> Result<Value, Fault> {
    for line in &mut lines {
        for (step, value) in line.values.iter_mut().enumerate() {
            if !is_absent(*value) {
                *value = function(step, *value);
            }
        }
        line.labels = line.labels.unnamed();
    }
    merge(lines).map(Value::Vector)
}

/// 1 where nothing is, with the labels that the selector is sure of.
fn absent(arg: &Expr, steps: usize, is_absent_at: impl Fn(usize) -> bool) -> Result<Line, Fault> {
    let selector = match arg {
        Expr::VectorSelector(selector) => Some(selector),
        Expr::MatrixSelector(matrix) => Some(&matrix.vs),
        _ => None,
    };
    let mut labels = Labels::default();
    if let Some(selector) = selector {
        let all = matchers(selector)?;
        for matcher in all.iter().filter(|matcher| matcher.name != NAME) {
            let alone = all.iter().filter(|other| other.name == matcher.name).count() == 1;
            let sure = alone && matches!(matcher.op, super::MatchOp::Equal);
            labels = labels.with(&matcher.name, if sure { &matcher.value } else { "" });
        }
    }
    let values = (0..steps).map(|step| if is_absent_at(step) { 1.0 } else { ABSENT }).collect();
    Ok(Line { labels, values })
}

fn check_label(name: &str) -> Result<(), Fault> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(Fault::Bad(format!("{name:?} is not the name of a label")))
}

/// `texts` are the label to set, what to set it to, the label to look at, and the pattern.
fn replaced(mut lines: Vec<Line>, texts: &[String]) -> Result<Vec<Line>, Fault> {
    let [to, replacement, from, pattern] = texts else {
        return Err(Fault::Bad("label_replace() needs five arguments".into()));
    };
    check_label(to)?;
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|_| Fault::Bad(format!("invalid regular expression in label_replace(): {pattern}")))?;
    for line in &mut lines {
        if let Some(captures) = regex.captures(line.labels.get(from)) {
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            line.labels = line.labels.with(to, &value);
        }
    }
    merge(lines)
}
