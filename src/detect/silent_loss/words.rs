//! What is said of a silent loss and of a black hole.

use crate::fabric::{Evidence, Finding, FindingKey, InterfaceId, Severity, Timestamp};

use super::black_hole::Proof;
use super::direction::Estimate;
use super::{BlackHoleSettings, Settings, moment, told};
use crate::detect::phrase;

/// `1 in 1,000`
fn one_in(ratio: f64) -> String {
    if ratio >= 0.1 {
        return phrase::percent(ratio);
    }
    format!("1 in {}", thousands((1.0 / ratio.max(1e-12)).round()))
}

/// `12,345`
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn silent_loss(
    settings: &Settings,
    now: Timestamp,
    key: FindingKey,
    [from, to]: [&InterfaceId; 2],
    estimate: &Estimate,
) -> Finding {
    let loss = told(estimate);
    let severity = if loss.low >= settings.critical { Severity::Critical } else { Severity::Warning };
    Finding {
        key,
        severity,
        class: None,
        evidence: Evidence {
            summary: format!(
                "{} frames from {from} to {to} vanishes; both ends count everything as fine",
                one_in(loss.ratio)
            ),
            cause: format!(
                "What {from} sends does not all reach {to}, and neither admits an error or a discard: something between their \
                 counters loses it, such as an optic, a media converter, a leased line's equipment, or a part of one of the two devices."
            ),
            evidence: format!(
                "{} of {} frames lost {}, beyond what both ends admit: {} of them (between {} and {} with 95 % confidence).",
                thousands(loss.lost),
                thousands(loss.sent),
                phrase::since(Some(loss.since), now),
                phrase::percent(loss.ratio),
                phrase::percent(loss.low),
                phrase::percent(loss.high),
            ),
            action: format!(
                "Take traffic off this link if there is another way, then change one thing at a time and watch the ratio: \
                 the optic at {from}, the fibre, the optic at {to}, the port."
            ),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

pub(super) fn black_hole(
    settings: &BlackHoleSettings,
    now: Timestamp,
    key: FindingKey,
    since_s: Option<f64>,
    ways: [Option<([&InterfaceId; 2], Proof)>; 2],
    unheard: bool,
) -> Finding {
    let told: Vec<_> = ways.iter().flatten().collect();
    let summary = match told.as_slice() {
        [([from, to], _)] => format!("Nothing of what {from} sends arrives at {to}; both ports say up"),
        [([one, other], _), ..] => format!("Nothing arrives between {one} and {other}, either way; both ports say up"),
        [] => String::new(),
    };
    let numbers: Vec<String> = told
        .iter()
        .map(|([from, to], proof)| {
            let span = phrase::span(std::time::Duration::from_secs_f64(proof.seconds.max(0.0)));
            format!("{from} sent {} frames in {span} and {to} counts none", thousands(proof.sent))
        })
        .collect();
    let heard = if unheard { "; the neighbours do not hear each other any more" } else { "" };
    Finding {
        key,
        severity: Severity::Critical,
        class: None,
        evidence: Evidence {
            summary,
            cause: if told.len() == 1 {
                "One direction is dead while carrier stays: one fibre of the pair, one optic's transmitter or receiver, or a converter \
                 between that keeps the carrier up."
                    .to_owned()
            } else {
                "Carrier stays and nothing passes: a converter or carrier equipment between the ends keeps both ports up, or a \
                 forwarding part behind one of them hangs."
                    .to_owned()
            },
            evidence: format!("{}{heard}; {}.", numbers.join("; "), phrase::since(since_s.map(moment), now)),
            action: "Shut the link down at one end so that traffic takes another way, then check what lies between the two ports."
                .to_owned(),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}
