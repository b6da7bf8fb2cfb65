//! What surrounds the reading of one configuration, and where its problems are gathered.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Severity};
use super::source::Source;
use super::watch::Files;

/// A file with more wrong than this is not a configuration; the rest is only counted.
const MOST_PROBLEMS: usize = 1_000;

/// What surrounds the reading of one configuration: its text, its folder, the environment; and what came up.
pub(super) struct Context<'c> {
    pub file: PathBuf,
    pub source: Source,
    /// Paths in the file are relative to it.
    pub folder: PathBuf,
    pub env: &'c dyn Fn(&str) -> Option<OsString>,
    pub files: RefCell<Files>,
    problems: RefCell<Vec<(usize, Problem)>>,
    /// How many problems were too many, and whether one of them was an error of this file.
    left_out: RefCell<(usize, bool)>,
    /// Lines on which the text itself is broken: what else is wrong there follows from that.
    broken_lines: RefCell<BTreeSet<usize>>,
}

/// Where a value stands, and under which key.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub span: Range<usize>,
    pub key: String,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub value: T,
    pub at: At,
}

impl<'c> Context<'c> {
    pub fn new(file: &Path, text: String, files: Files, env: &'c dyn Fn(&str) -> Option<OsString>) -> Self {
        Self {
            file: file.to_owned(),
            source: Source::new(text),
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
            env,
            files: RefCell::new(files),
            problems: RefCell::default(),
            left_out: RefCell::default(),
            broken_lines: RefCell::default(),
        }
    }

    /// The text is broken here; told once a line.
    pub fn broken(&self, span: Range<usize>, what: &str, help: &str) {
        if self.broken_lines.borrow_mut().insert(self.source.place(span.start).0) {
            self.push(Severity::Error, span, String::new(), what.to_owned(), help.to_owned());
        }
    }

    /// The text was broken somewhere: what is missing may be what could not be read.
    pub fn is_broken(&self) -> bool {
        !self.broken_lines.borrow().is_empty()
    }

    pub fn error(&self, at: &At, what: impl Into<String>, help: impl Into<String>) {
        self.tell(Severity::Error, at, what.into(), help.into());
    }

    /// Note that one of `what` (in the plural) has this name, and tell if another had it before.
    pub fn take_name(&self, names: &mut Vec<Found<String>>, name: &Found<String>, what: &str) {
        if let Some(first) = names.iter().find(|known| known.value == name.value) {
            let (line, _) = self.source.place(first.at.span.start);
            self.error(
                &name.at,
                format!("there are two {what} with the name {}", quote(&name.value)),
                format!("the first is on line {line}; give one of them another name"),
            );
        }
        names.push(name.clone());
    }

    pub fn warn(&self, at: &At, what: impl Into<String>, help: impl Into<String>) {
        self.tell(Severity::Warning, at, what.into(), help.into());
    }

    /// About the file as a whole.
    pub fn warn_file(&self, what: &str, help: &str) {
        self.other(Severity::Warning, &self.file, None, "", what.to_owned(), help.to_owned());
    }

    /// About another file.
    pub fn other(
        &self,
        severity: Severity,
        file: &Path,
        place: Option<(usize, usize)>,
        key: &str,
        what: String,
        help: String,
    ) {
        let (line, column) = place.unzip();
        let problem =
            Problem { severity, file: file.to_owned(), line, column, key: key.to_owned(), what, help, snippet: None };
        self.keep(usize::MAX, problem);
    }

    /// What came up in other files.
    pub fn adopt(&self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.keep(usize::MAX, problem));
    }

    fn tell(&self, severity: Severity, at: &At, what: String, help: String) {
        if !self.broken_lines.borrow().contains(&self.source.place(at.span.start).0) {
            self.push(severity, at.span.clone(), at.key.clone(), what, help);
        }
    }

    fn push(&self, severity: Severity, span: Range<usize>, key: String, what: String, help: String) {
        let (line, column) = self.source.place(span.start);
        let snippet = Some(self.source.snippet(span.clone()));
        let file = self.file.clone();
        self.keep(
            span.start,
            Problem { severity, file, line: Some(line), column: Some(column), key, what, help, snippet },
        );
    }

    fn keep(&self, order: usize, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MOST_PROBLEMS {
            problems.push((order, problem));
        } else {
            let mut left_out = self.left_out.borrow_mut();
            left_out.0 += 1;
            left_out.1 |= problem.severity == Severity::Error && problem.file == self.file;
        }
    }

    /// Everything that was told, in the order of the file, and what was looked at.
    pub fn finish(self) -> (Vec<Problem>, Files) {
        let (left_out, fatal) = self.left_out.into_inner();
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(order, _)| *order);
        let mut problems: Vec<Problem> = problems.into_iter().map(|(_, problem)| problem).collect();
        if left_out > 0 {
            problems.push(Problem {
                severity: if fatal { Severity::Error } else { Severity::Warning },
                file: self.file,
                line: None,
                column: None,
                key: String::new(),
                what: format!("{left_out} more problems are not shown"),
                help: String::new(),
                snippet: None,
            });
        }
        (problems, self.files.into_inner())
    }
}

/// A text of the file in quotes, without anything that could act on a terminal, and not without end.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", shorten(text))
}

/// A key of the file in backquotes.
pub(super) fn tick(text: &str) -> String {
    format!("`{}`", shorten(text))
}

fn shorten(text: &str) -> impl Display {
    const LONGEST: usize = 80;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short += "...";
    }
    short.replace("\\\"", "\"").replace("\\'", "'")
}

/// The path of a key within a table.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    let key = if bare { key.to_owned() } else { quote(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
