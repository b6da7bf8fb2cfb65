//! Two thresholds with a band below each, so that a value that wavers does not.

use crate::fabric::{Rate, Severity, Timestamp, Unknown};

/// Where a severity begins, and below what it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold {
    pub(super) from: f64,
    pub(super) until: f64,
}

/// A warning's threshold and a critical's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Thresholds {
    pub(super) warning: Threshold,
    pub(super) critical: Threshold,
}

impl Thresholds {
    /// How bad a value is, given how bad it was.
    pub(super) fn level(&self, value: f64, was: Option<Severity>) -> Option<Severity> {
        let holds = |threshold: &Threshold, severity: Severity| {
            value >= threshold.from || (was.is_some_and(|was| was >= severity) && value >= threshold.until)
        };
        if holds(&self.critical, Severity::Critical) {
            Some(Severity::Critical)
        } else if holds(&self.warning, Severity::Warning) {
            Some(Severity::Warning)
        } else {
            None
        }
    }
}

/// A trouble that is told of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Live {
    pub(super) severity: Severity,
    /// None if it began before we started.
    pub(super) since: Option<Timestamp>,
}

impl Live {
    /// From before a restart: how bad it was is not known, so the milder band holds it.
    pub(super) const PRIMED: Self = Self { severity: Severity::Warning, since: None };
}

/// What to say of a trouble after a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judgement {
    /// Nothing was wrong and nothing is.
    Calm,
    /// It was wrong and is fine.
    Over,
    /// It was wrong and cannot be told.
    Unknown(Unknown),
    /// It is wrong.
    Present(Live),
}

/// Judge a value and remember. What is not known changes nothing.
pub(super) fn judge(now: Timestamp, value: Rate, thresholds: &Thresholds, live: &mut Option<Live>) -> Judgement {
    match value {
        Rate::Known(value) => {
            let level = thresholds.level(value, live.map(|live| live.severity));
            settle(now, level, live)
        }
        Rate::Unknown(why) if live.is_some() => Judgement::Unknown(why),
        Rate::Unknown(_) => Judgement::Calm,
    }
}

/// Note how bad it is now.
pub(super) fn settle(now: Timestamp, level: Option<Severity>, live: &mut Option<Live>) -> Judgement {
    match (level, live.take()) {
        (Some(severity), was) => {
            let next = Live { severity, since: was.map_or(Some(now), |was| was.since) };
            *live = Some(next);
            Judgement::Present(next)
        }
        (None, Some(_)) => Judgement::Over,
        (None, None) => Judgement::Calm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition() {
        let thresholds = Thresholds {
            warning: Threshold { from: 0.8, until: 0.75 },
            critical: Threshold { from: 0.95, until: 0.9 },
        };
        use Severity::{Critical, Warning};
        for (value, was, is) in [
            (0.70, None, None),
            (0.79, None, None),
            (0.80, None, Some(Warning)),
            (0.95, None, Some(Critical)),
            (0.74, Some(Warning), None),
            (0.75, Some(Warning), Some(Warning)),
            (0.94, Some(Warning), Some(Warning)),
            (0.95, Some(Warning), Some(Critical)),
            (0.74, Some(Critical), None),
            (0.76, Some(Critical), Some(Warning)),
            (0.89, Some(Critical), Some(Warning)),
            (0.90, Some(Critical), Some(Critical)),
        ] {
            assert_eq!(thresholds.level(value, was), is, "{value} after {was:?}");
        }
    }
}
