//! Selectors: which series, and which of their samples at each step.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{AtModifier, Expr, Offset, VectorSelector};

use super::evaluate::Evaluator;
use super::labels::NAME;
use super::value::{ABSENT, Line};
use super::{Fault, LOOKBACK_MS, Query, Series, unsupported};

/// When a selector looks, at each step.
pub(super) struct Looks {
    pub(super) at_ms: Vec<i64>,
}

impl Looks {
    pub(super) fn span(&self) -> (i64, i64) {
        let low = self.at_ms.iter().copied().min().unwrap_or(0);
        (low, self.at_ms.iter().copied().max().unwrap_or(0))
    }
}

pub(super) fn matchers(selector: &VectorSelector) -> Result<Vec<Matcher>, Fault> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(unsupported("`or` within a selector"));
    }
    let mut matchers = selector.matchers.matchers.clone();
    if let Some(name) = &selector.name {
        matchers.push(Matcher::new(MatchOp::Equal, NAME, name));
    }
    Ok(matchers)
}

/// The matchers of a text that is a selector: what `match[]` holds.
///
/// # Errors
/// It is something else.
pub fn matchers_of(text: &str) -> Result<Vec<Matcher>, Fault> {
    match Query::parse(text)?.0 {
        Expr::VectorSelector(selector) if selector.at.is_none() && selector.offset.is_none() => matchers(&selector),
        _ => Err(Fault::Bad(format!("{text:?} is not a selector of series"))),
    }
}

impl Evaluator<'_> {
    pub(super) fn looks(&self, offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<Looks, Fault> {
        let millis = |span: &std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(span)) => millis(span),
            Some(Offset::Neg(span)) => -millis(span),
        };
        let fixed = match at {
            None => None,
            Some(AtModifier::Start) => Some(self.whole.start_ms),
            Some(AtModifier::End) => Some(self.whole.end_ms),
            Some(AtModifier::At(time)) => {
                let since = time.duration_since(std::time::UNIX_EPOCH);
                Some(since.map_or_else(|before| -millis(&before.duration()), |since| millis(&since)))
            }
        };
        let at_ms = self.steps().map(|step| fixed.unwrap_or(step).saturating_sub(offset_ms)).collect();
        Ok(Looks { at_ms })
    }

    /// Samples of the selected series from `before_ms` before the first look on.
    pub(super) fn samples(
        &mut self,
        selector: &VectorSelector,
        looks: &Looks,
        before_ms: i64,
    ) -> Result<Vec<Series>, Fault> {
        let (first, last) = looks.span();
        let from_ms = first.saturating_sub(before_ms);
        let series = self.source.select(&matchers(selector)?, from_ms, last, self.samples_left)?;
        let count: usize = series.iter().map(|series| series.samples.len()).sum();
        self.samples_left = self
            .samples_left
            .checked_sub(count)
            .ok_or_else(|| Fault::TooMuch("the query reads too many samples: take a shorter range".into()))?;
        self.check(series.len())?;
        Ok(series)
    }

    /// The newest sample at each step: its value, or when it was taken.
    pub(super) fn selected(&mut self, selector: &VectorSelector, want_times: bool) -> Result<Vec<Line>, Fault> {
        let looks = self.looks(selector.offset.as_ref(), selector.at.as_ref())?;
        let series = self.samples(selector, &looks, LOOKBACK_MS)?;
        let mut lines = Vec::with_capacity(series.len());
        for Series { labels, samples } in series {
            let mut next = 0;
            let mut values = Vec::with_capacity(looks.at_ms.len());
            for at in &looks.at_ms {
                // Looks only ever go forward.
                while samples.get(next).is_some_and(|(time, _)| time <= at) {
                    next += 1;
                }
                let newest = next.checked_sub(1).map(|at| samples[at]);
                values.push(match newest {
                    Some((time, value)) if time > at - LOOKBACK_MS => {
                        if want_times {
                            time as f64 / 1e3
                        } else {
                            value
                        }
                    }
                    _ => ABSENT,
                });
            }
            if values.iter().any(|value| !super::value::is_absent(*value)) {
                lines.push(Line { labels, values });
            }
        }
        Ok(lines)
    }
}
