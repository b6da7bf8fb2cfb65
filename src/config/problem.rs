//! What is wrong with a file: where, which key, what, and what to do about it; and how people and machines
//! get to read it.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::watch::Files;

/// Does it keep the settings from being used?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file, or the part of it that is named, is not used.
    Error,
    /// It is used, but is probably not what was meant.
    Warning,
}

/// One thing that is wrong. Holds no secret: the line it quotes is masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Line, counted from 1; none where it is not about a line.
    pub line: Option<usize>,
    /// Column in characters, counted from 1.
    pub column: Option<usize>,
    /// The key's path, `snmp.target[2].auth`; elements are counted from 0. May be empty.
    pub key: String,
    /// What is wrong.
    #[serde(rename = "message")]
    pub what: String,
    /// What to do about it; may be empty.
    pub help: String,
    /// The line itself.
    #[serde(skip)]
    pub snippet: Option<Snippet>,
}

/// A line with a part of it pointed at. Secrets are replaced by `***`, control characters by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    pub(super) text: String,
    pub(super) caret: usize,
    pub(super) width: usize,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FRAME: Style = AnsiColor::Blue.on_default().bold();
const STRONG: Style = Style::new().bold();

impl Problem {
    /// As a compiler would show it, in colours; without a terminal strip them (`anstream` does) or use
    /// `Display`.
    pub fn coloured(&self) -> String {
        self.render(|style, text| format!("{style}{text}{style:#}"))
    }

    fn render(&self, paint: impl Fn(Style, &str) -> String) -> String {
        let (style, word) = match self.severity {
            Severity::Error => (ERROR, "error"),
            Severity::Warning => (WARNING, "warning"),
        };
        let mut out = format!("{}{}\n", paint(style, word), paint(STRONG, &format!(": {}", self.what)));
        let number = self.line.map(|line| line.to_string()).unwrap_or_default();
        let gutter = " ".repeat(number.len().max(1));
        let mut place = self.file.display().to_string();
        if let (Some(line), Some(column)) = (self.line, self.column) {
            // Writing to a String cannot fail.
            let _ = write!(place, ":{line}:{column}");
        }
        out += &format!("{gutter}{} {place}\n", paint(FRAME, "-->"));
        let bar = paint(FRAME, "|");
        if let Some(snippet) = &self.snippet {
            let marks = " ".repeat(snippet.caret) + &paint(style, &"^".repeat(snippet.width.max(1)));
            out +=
                &format!("{gutter} {bar}\n{} {bar} {}\n{gutter} {bar} {marks}\n", paint(FRAME, &number), snippet.text);
        }
        for (word, text) in [("key", &self.key), ("help", &self.help)] {
            if !text.is_empty() {
                out += &format!("{gutter} {} {word}: {text}\n", paint(FRAME, "="));
            }
        }
        out
    }
}

/// As a compiler would show it, without colours; ends with a line break.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(|_, text| text.to_owned()))
    }
}

/// Why there are no settings: everything that is wrong, in the order of the file.
#[derive(Clone, Debug)]
pub struct Errors {
    /// At least one of them is an error; the warnings come along.
    pub problems: Vec<Problem>,
    /// What was looked at, so that a watch notices the repair.
    pub(super) files: Files,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
