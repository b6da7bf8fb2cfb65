//! A failure in a sentence.

use super::{After, Basis, Case, Method};
use crate::topology::ledger::PartName;

/// As people say it: 13.1 Gbit/s.
pub(crate) fn bits(bps: f64) -> String {
    let (value, unit) = scaled(bps);
    format!("{value} {unit}")
}

fn scaled(bps: f64) -> (String, &'static str) {
    let (value, unit) = match bps {
        bps if bps >= 1e12 => (bps / 1e12, "Tbit/s"),
        bps if bps >= 1e9 => (bps / 1e9, "Gbit/s"),
        bps if bps >= 1e6 => (bps / 1e6, "Mbit/s"),
        bps if bps >= 1e3 => (bps / 1e3, "kbit/s"),
        bps => (bps, "bit/s"),
    };
    let text = format!("{value:.1}");
    (text.strip_suffix(".0").map_or(text.clone(), str::to_owned), unit)
}

/// What a part is called.
pub(crate) fn part(part: &PartName) -> String {
    match part {
        PartName::Device { name } => name.to_string(),
        PartName::Link { name, .. } => name.to_string(),
        PartName::Risk { name } => name.clone(),
    }
}

/// What would have to go over a link, and what can.
pub(crate) fn load(after: &After) -> String {
    let (capacity, unit) = scaled(after.capacity_bps);
    let (load, of) = scaled(after.after_bps);
    let limit = if unit == of { capacity } else { format!("{capacity} {unit}") };
    let within = match after.method {
        Method::Split => String::new(),
        Method::Estimate if after.within_bps < 0.005 * after.capacity_bps => " (estimated)".into(),
        Method::Estimate => format!(" (estimated, give or take {})", bits(after.within_bps)),
    };
    format!("{} to {} ({}) runs at {load} {of} of {limit}{within}", after.from, after.to, after.link)
}

pub(super) fn summary(case: &Case) -> String {
    let lost = part(&case.part);
    let Some(worst) = case.over.first() else { return format!("lose {lost} and all links hold") };
    let more = match case.over_total - 1 {
        0 => String::new(),
        1 => ", and 1 more link is too full".into(),
        more => format!(", and {more} more links are too full"),
    };
    let when = if worst.basis == Basis::Busy { " in the busy hour" } else { "" };
    format!("lose {lost}{when} and {}{more}", load(worst))
}
