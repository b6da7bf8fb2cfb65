//! The ledger in people's words.

use std::collections::HashMap;
use std::time::Duration;

use crate::fabric::{LinkId, Timestamp};

use super::{Effect, PartName, Point, Standing};

/// `spine2 is the only way from rack 7 to the internet since leaf14:49 - spine1:14 failed at 12:03:07 UTC`
pub(super) fn summary(point: &Point, now: Timestamp) -> String {
    let Some(effect) = point.effects.first() else { return String::new() };
    let between = between(effect);
    let since = match (point.planned, point.because.first(), point.since) {
        (true, ..) => ", and always was".to_owned(),
        (false, Some(link), Some(since)) => format!(" since {link} failed {}", moment(since, now)),
        // Taken out in a what-if, or several failures of which none alone decides.
        (false, ..) => String::new(),
    };
    match &point.part {
        PartName::Device { name } => format!("{name} is the only way from {between}{since}"),
        PartName::Link { name, .. } => format!("{name} is the only cable from {between}{since}"),
        PartName::Risk { name } => format!("{name} holds every way from {between}{since}"),
    }
}

/// `rack 7 to the internet`
fn between(effect: &Effect) -> String {
    format!("{} to {}", some(&effect.cut_off, effect.total), effect.to)
}

/// `a`, `a and b`, `a, b, c and 5 more`
pub(super) fn some(names: &[String], total: usize) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => format!("{total} more"),
        [one] if total == 1 => one.clone(),
        [init @ .., last] if total == names.len() && total <= SHOWN => format!("{} and {last}", init.join(", ")),
        _ => {
            let shown = names.len().min(SHOWN);
            format!("{} and {} more", names[..shown].join(", "), total.saturating_sub(shown))
        }
    }
}

/// `at 12:03:07 UTC`, with the day where it is not within the last one.
pub(super) fn moment(then: Timestamp, now: Timestamp) -> String {
    let text = then.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(_), Some(time)) if now.since(then) < Duration::from_secs(20 * 3600) => format!("at {time} UTC"),
        (Some(day), Some(time)) => format!("on {day} at {time} UTC"),
        _ => format!("at {text}"),
    }
}

/// What the next failure within a group would do.
pub(super) fn next(
    state: Standing,
    working: &[LinkId],
    unknown: &[LinkId],
    points: &HashMap<&LinkId, &Point>,
) -> String {
    match (state, working, unknown) {
        (Standing::Lost, ..) => "Nothing is left.".into(),
        (Standing::Unknown, ..) => "It cannot be said: what is not seen may not work.".into(),
        (Standing::Critical, [last], _) => match points.get(last).and_then(|point| point.effects.first()) {
            Some(effect) => {
                let who = some(&effect.cut_off, effect.total);
                format!("The loss of {last} would cut {who} off from {}.", effect.to)
            }
            None => format!("{last} is the last; other ways than this group's remain."),
        },
        (Standing::Critical, _, [last]) => format!("{last} is the last, and it cannot be said whether it works."),
        _ => match working.len() + unknown.len() {
            1 => "It has one link only.".into(),
            left => format!("The next failure leaves {}.", left - 1),
        },
    }
}
