//! Tones and the small pieces that lists and pages share. A colour never says anything alone: words and marks do.

use ratatui::style::{Color, Modifier, Style};

use super::fabric::{Alert, BUSY, FULL, Link, Severity};
use super::text::{bar, percent, pps, right};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// Of less weight than what is around it.
    Faint,
    Title,
    Good,
    Warn,
    Bad,
}

/// How tones are shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// False where the terminal's user asks for none (`NO_COLOR`).
    pub color: bool,
}

impl Look {
    /// `old`: what is shown may not be so any more, and is greyed.
    pub fn style(self, tone: Tone, old: bool) -> Style {
        if old {
            let style = Style::new().add_modifier(Modifier::DIM);
            return if self.color { style.fg(Color::DarkGray) } else { style };
        }
        let color = |color| if self.color { Style::new().fg(color) } else { Style::new() };
        match tone {
            Tone::Plain => Style::new(),
            Tone::Faint => Style::new().add_modifier(Modifier::DIM),
            Tone::Title => color(Color::Cyan).add_modifier(Modifier::BOLD),
            Tone::Good => color(Color::Green),
            Tone::Warn => color(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => color(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

/// Pieces of a line.
pub type Pieces = Vec<(Tone, String)>;

/// Columns of [`load`] beside its bar.
pub const LOAD_COLUMNS: usize = 10;

/// One direction: `███▌····   42 %`, with `!` from 80 % and `!!` from 95 %; `?` where it is not known, `–` where the link is
/// down and there is nothing to know.
pub fn load(link: &Link, ratio: Option<f64>, bar_columns: usize) -> (Tone, String) {
    let (tone, ratio, words, mark) = match ratio {
        _ if link.state.as_str() == "down" => (Tone::Faint, None, "–".to_owned(), ""),
        None => (Tone::Faint, None, "?".to_owned(), ""),
        Some(ratio) => {
            let (tone, mark) = match ratio {
                full if full >= FULL => (Tone::Bad, "!!"),
                busy if busy >= BUSY => (Tone::Warn, "!"),
                _ => (Tone::Plain, ""),
            };
            (tone, Some(ratio), percent(ratio), mark)
        }
    };
    let bar = ratio.map_or_else(|| " ".repeat(bar_columns), |ratio| bar(ratio, bar_columns));
    (tone, format!("{bar} {}{mark:<2} ", right(&words, LOAD_COLUMNS - 4)))
}

/// Loss, with its unit.
pub fn drops(value: Option<f64>) -> (Tone, String) {
    match value {
        None => (Tone::Faint, "?".into()),
        Some(value) if value > 0.0 => (Tone::Warn, pps(value)),
        Some(_) => (Tone::Faint, "0 pps".into()),
    }
}

/// A state as a word that stands out without colour where it should.
pub fn state(state: &str) -> (Tone, String) {
    match state {
        "up" | "ok" => (Tone::Good, state.into()),
        "down" | "lost" | "unreachable" => (Tone::Bad, state.to_uppercase()),
        "degraded" => (Tone::Warn, state.to_uppercase()),
        "unknown" => (Tone::Faint, "?".into()),
        other => (Tone::Plain, other.into()),
    }
}

/// How urgent an alert is, and whether it is not yet or no longer.
pub fn urgency(alert: &Alert) -> (Tone, &'static str) {
    match (alert.state.as_str(), alert.severity()) {
        ("resolved", _) => (Tone::Good, "resolved"),
        ("pending", _) => (Tone::Faint, "pending"),
        (_, Severity::Critical) => (Tone::Bad, "CRITICAL"),
        (_, Severity::Warning) => (Tone::Warn, "WARNING"),
        (_, Severity::Info) => (Tone::Plain, "info"),
    }
}

/// Both ends: `leaf1:spine1 ⇄ spine1:leaf1`.
pub fn ends(link: &Link) -> String {
    let end = |end: &super::fabric::End| format!("{}:{}", end.device.as_str(), end.interface.as_str());
    format!("{} ⇄ {}", end(&link.a), end(&link.b))
}

/// Bit/s of the end that bounds what the link can carry: the slower one, or the only one that is known.
pub fn slower(link: &Link) -> Option<f64> {
    match (link.a.speed_bps, link.b.speed_bps) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
