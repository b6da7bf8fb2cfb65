//! Text and numbers as a terminal can show them: nothing in a name moves the cursor, and units are those of the page.

use ratatui::text::Span;
use serde::{Deserialize, Deserializer};

/// Longer than any name or sentence of ours; what comes from a stream may be longer, and is cut.
const LONGEST: usize = 4096;

/// Text that came from the network, safe to print: control characters and those that reorder or hide their neighbours
/// are replaced, and its length is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    pub fn new(raw: &str) -> Self {
        Self(raw.chars().take(LONGEST).map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(from)?))
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

fn width_of(c: char) -> usize {
    width(c.encode_utf8(&mut [0; 4]))
}

/// Exactly `columns` wide: padded, or cut with an ellipsis.
pub fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&out))));
    out
}

/// The same, against the right edge.
pub fn right(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(width(&cut)));
    out.push_str(&cut);
    out
}

fn cut(text: &str, columns: usize) -> String {
    let (mut out, mut used, mut end) = (String::new(), 0, 0);
    for c in text.chars() {
        let wide = width_of(c);
        if used + wide > columns {
            // The ellipsis takes the last column, where there is one.
            out.truncate(end);
            if columns > 0 {
                out.push('…');
            }
            return out;
        }
        out.push(c);
        used += wide;
        if used < columns {
            end = out.len();
        }
    }
    out
}

/// Lines of at most `columns`, broken between words where that is possible.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split_whitespace() {
        let wide = width(word);
        if used > 0 && used + 1 + wide > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = width_of(c);
            if used > 0 && used + wide > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Eighths of cells: `███▌····`, always `columns` wide. Whatever is more than nothing shows at least a sliver.
pub fn bar(ratio: f64, columns: usize) -> String {
    const PARTS: [char; 8] = ['·', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (ratio.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    let eighths = if ratio > 0.0 { eighths.max(1) } else { eighths };
    let mut out = "█".repeat((eighths / 8).min(columns));
    if eighths / 8 < columns {
        out.push(PARTS[eighths % 8]);
    }
    out.extend(std::iter::repeat_n('·', columns.saturating_sub(width(&out))));
    out
}

/// Three digits that count, and never "1000" where the next prefix would do.
fn scaled(value: f64) -> (String, &'static str) {
    const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut rest, mut power) = (value.abs(), 0);
    while rest >= 999.5 && power < PREFIXES.len() - 1 {
        rest /= 1000.0;
        power += 1;
    }
    let decimals = if rest >= 99.95 || (power == 0 && rest.fract() == 0.0) {
        0
    } else if rest >= 9.995 {
        1
    } else {
        2
    };
    (format!("{rest:.decimals$}"), PREFIXES[power])
}

/// `9.87 Gbit/s`
pub fn bps(value: f64) -> String {
    if value > 0.0 && value < 1.0 {
        return "<1 bit/s".into();
    }
    let (digits, prefix) = scaled(value.round());
    format!("{digits} {prefix}bit/s")
}

/// A nominal speed, without digits that say nothing: `10 Gbit/s`, `2.5 Gbit/s`.
pub fn speed(value: f64) -> String {
    let (digits, prefix) = scaled(value);
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {prefix}bit/s")
}

/// `12 pps`; small rates keep their digits, since one lost packet in a minute matters.
pub fn pps(value: f64) -> String {
    if value <= 0.0 {
        "0 pps".into()
    } else if value < 0.01 {
        "<0.01 pps".into()
    } else if value < 9.95 {
        let digits = if value < 0.0995 {
            format!("{value:.3}")
        } else if value < 0.995 {
            format!("{value:.2}")
        } else {
            format!("{value:.1}")
        };
        format!("{} pps", digits.trim_end_matches('0').trim_end_matches('.'))
    } else {
        let (digits, prefix) = scaled(value.round());
        format!("{digits} {prefix}pps")
    }
}

/// A ratio as percent: `<0.1 %`, `4.2 %`, `42 %`, and `99.7 %` rather than a rounded-up 100.
pub fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    if value <= 0.0 {
        "0 %".into()
    } else if value < 0.1 {
        "<0.1 %".into()
    } else if value < 9.95 || (99.0..99.95).contains(&value) {
        format!("{value:.1} %")
    } else {
        format!("{value:.0} %")
    }
}

/// `4 s`, `3 min`, `2 h 10 min`, `12 d 4 h`; a second part only while it still says something.
pub fn duration(ms: i64) -> String {
    const STEPS: [(&str, i64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)];
    let Some(at) = STEPS.iter().position(|(_, size)| ms >= *size) else { return "0 s".into() };
    let (name, size) = STEPS[at];
    let whole = ms / size;
    match STEPS.get(at + 1) {
        Some((next, part)) if *next != "s" && whole < 20 && (ms % size) / part > 0 => {
            format!("{whole} {name} {} {next}", (ms % size) / part)
        }
        _ => format!("{whole} {name}"),
    }
}

/// Sorts `eth2` before `eth10` by plain comparison.
pub fn natural_key(name: &str) -> String {
    let (mut out, mut digits) = (String::with_capacity(name.len() + 16), String::new());
    for c in name.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            out.push_str(&format!("{digits:0>10}"));
            digits.clear();
        }
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_on_the_page() {
        assert_eq!(
            [0.0, 0.0004, 0.042, 0.42, 0.997, 1.0].map(percent),
            ["0 %", "<0.1 %", "4.2 %", "42 %", "99.7 %", "100 %"]
        );
        assert_eq!(
            [0.0, 0.004, 0.05, 1.5, 12.4, 45_600.0].map(pps),
            ["0 pps", "<0.01 pps", "0.05 pps", "1.5 pps", "12 pps", "45.6 kpps"]
        );
        assert_eq!([0.5, 1e9, 9.87e9, 999_999.0].map(bps), ["<1 bit/s", "1.00 Gbit/s", "9.87 Gbit/s", "1.00 Mbit/s"]);
        assert_eq!([1e10, 2.5e9].map(speed), ["10 Gbit/s", "2.5 Gbit/s"]);
        assert_eq!(
            [-5, 4_000, 200_000, 7_800_000, 1_051_200_000].map(duration),
            ["0 s", "4 s", "3 min", "2 h 10 min", "12 d 4 h"]
        );
    }

    #[test]
    fn text_takes_the_columns_it_is_given() {
        assert_eq!(left("spine1", 4), "spi…");
        assert_eq!(left("up", 4), "up  ");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(
            (left("日本語", 4), left("日本語", 5), left("x", 0)),
            ("日… ".into(), "日本…".into(), String::new())
        );
        assert_eq!(wrap("one two threefour", 5), ["one", "two", "three", "four"]);
        assert_eq!(
            (bar(0.5, 4), bar(0.001, 4), bar(0.0, 4), bar(9.0, 4)),
            ("██··".into(), "▏···".into(), "····".into(), "████".into())
        );
        assert!(natural_key("eth2") < natural_key("eth10"));
    }

    #[test]
    fn nothing_in_a_name_moves_the_cursor() {
        let name = Text::new("leaf\u{1b}[2J1\u{202e}\n\u{9b}31m");
        assert_eq!(name.as_str(), "leaf\u{fffd}[2J1\u{fffd}\u{fffd}\u{fffd}31m");
        assert_eq!(Text::new(&"x".repeat(10_000)).as_str().len(), LONGEST);
    }
}
