//! Numbers and moments as an engineer reads them at three in the morning.

use std::time::Duration;

use crate::fabric::{InterfaceInfo, Percentiles, Rate, Timestamp};

/// `9.60 Gbit/s`
pub(super) fn bits(bps: f64) -> String {
    scaled(bps, &[(1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")], "bit/s")
}

/// A speed: `10 Gbit/s`, without the decimals that a measurement has.
pub(super) fn speed(bps: u64) -> String {
    let text = bits(bps as f64);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// `1.20 k packets/s`
pub(super) fn packets(pps: f64) -> String {
    scaled(pps, &[(1e6, "M packets/s"), (1e3, "k packets/s")], "packets/s")
}

fn scaled(value: f64, scales: &[(f64, &str)], unit: &str) -> String {
    // A little below the next scale it would print as 1000.
    let (scale, unit) = scales.iter().copied().find(|(scale, _)| value >= scale * 0.9995).unwrap_or((1.0, unit));
    format!("{} {unit}", three_digits(value / scale))
}

/// Three digits that count.
fn three_digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 || v == 0.0 => format!("{v:.2}"),
        v if v >= 1e-9 => format!("{v:.*}", (1.0 - v.log10()).ceil() as usize),
        v => format!("{v:.1e}"),
    }
}

/// `96.0 %`, of a ratio from 0 to 1.
pub(super) fn percent(ratio: f64) -> String {
    format!("{} %", three_digits(ratio * 100.0))
}

/// `in the last hour p50 12.0 %, p99 93.0 %, at most 99.0 %`
pub(super) fn spread(hour: &Percentiles) -> String {
    let Percentiles { p50, p99, max, .. } = hour;
    format!("in the last hour p50 {}, p99 {}, at most {}", percent(*p50), percent(*p99), percent(*max))
}

/// `2 min 10 s`
pub(super) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// `since 2026-11-24T05:30:00.000Z (2 min 10 s)`
pub(super) fn since(then: Option<Timestamp>, now: Timestamp) -> String {
    match then {
        Some(then) if now.since(then) < Duration::from_secs(1) => format!("since {then}"),
        Some(then) => format!("since {then} ({})", span(now.since(then))),
        None => "since before we started".to_owned(),
    }
}

/// A known rate in words, an unknown one with its reason.
pub(super) fn or_unknown(rate: Rate, words: impl FnOnce(f64) -> String) -> String {
    match rate {
        Rate::Known(value) => words(value),
        Rate::Unknown(why) => format!("unknown ({})", why.as_str()),
    }
}

/// What people wrote on the port, ready to follow its name; empty where they wrote nothing.
pub(super) fn alias(info: &InterfaceInfo) -> String {
    let alias: String = info.if_alias.chars().filter(|c| !c.is_control()).take(80).collect();
    let alias = alias.trim();
    if alias.is_empty() || *alias == *info.if_name { String::new() } else { format!(" \"{alias}\"") }
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 5 more`
pub(super) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 4;
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [init @ .., last] if init.len() < SHOWN => format!("{} and {last}", init.join(", ")),
        _ => format!("{} and {} more", items[..SHOWN].join(", "), items.len() - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        assert_eq!(bits(9.6e9), "9.60 Gbit/s");
        assert_eq!(bits(999.9e6), "1.00 Gbit/s");
        assert_eq!(bits(0.0), "0.00 bit/s");
        assert_eq!(speed(10_000_000_000), "10 Gbit/s");
        assert_eq!(speed(100_000_000_000), "100 Gbit/s");
        assert_eq!(speed(2_500_000_000), "2.5 Gbit/s");
        assert_eq!(packets(1200.0), "1.20 k packets/s");
        assert_eq!(percent(0.96), "96.0 %");
        assert_eq!(percent(1.2e-5), "0.0012 %");
        assert_eq!(percent(5e-4), "0.050 %");
        assert_eq!(span(Duration::from_secs(130)), "2 min 10 s");
        assert_eq!(span(Duration::from_millis(400)), "400 ms");
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list(1..=9), "1, 2, 3, 4 and 5 more");
    }
}
