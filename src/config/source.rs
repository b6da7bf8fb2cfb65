//! The text of a file, with its lines: turns offsets into places and quotes lines without their secrets.

use std::ops::Range;

use super::mask;
use super::problem::Snippet;

/// No quoted line is longer than this, in characters: a generated file may be one line.
const SNIPPET_CHARS: usize = 160;

pub(super) struct Source {
    text: String,
    line_starts: Vec<usize>,
    /// Sorted, not overlapping.
    secrets: Vec<Range<usize>>,
}

impl Source {
    pub fn new(text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let secrets = mask::secrets(&text);
        Self { text, line_starts, secrets }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters) of an offset, both counted from 1.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line_of(offset);
        let before = self.text.get(self.line_starts[line]..offset.min(self.text.len())).unwrap_or("");
        (line + 1, before.chars().count() + 1)
    }

    /// The line on which the span starts, with its secrets masked.
    pub fn snippet(&self, span: Range<usize>) -> Snippet {
        let line = self.line_of(span.start);
        let start = self.line_starts[line];
        let end = self.line_starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let mut secret = self.secrets.partition_point(|range| range.end <= start);
        let mut masking = None;
        let (mut shown, mut caret, mut caret_end) = (Vec::new(), None, None);
        for (at, char) in self.text[start..end].char_indices().map(|(at, char)| (start + at, char)) {
            if at >= span.start {
                caret.get_or_insert(shown.len());
            }
            if at >= span.end {
                caret_end.get_or_insert(shown.len());
            }
            while self.secrets.get(secret).is_some_and(|range| range.end <= at) {
                secret += 1;
            }
            if self.secrets.get(secret).is_some_and(|range| range.contains(&at)) {
                if masking != Some(secret) {
                    masking = Some(secret);
                    shown.extend(['*'; 3]);
                }
            } else if char != '\r' {
                shown.push(if char.is_control() { ' ' } else { char });
            }
        }
        let caret = caret.unwrap_or(shown.len()).min(shown.len());
        let width = caret_end.unwrap_or(shown.len()).saturating_sub(caret).max(1);
        window(&shown, caret, width)
    }

    fn line_of(&self, offset: usize) -> usize {
        // The first line starts at 0, so that the point is at least 1.
        self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }
}

/// The part of a long line that holds the caret.
fn window(line: &[char], caret: usize, width: usize) -> Snippet {
    if line.len() <= SNIPPET_CHARS {
        return Snippet { text: line.iter().collect::<String>().trim_end().to_owned(), caret, width };
    }
    let from = caret.saturating_sub(SNIPPET_CHARS / 3).min(line.len() - SNIPPET_CHARS);
    let to = from + SNIPPET_CHARS;
    let head = if from > 0 { "..." } else { "" };
    let tail = if to < line.len() { "..." } else { "" };
    let text = format!("{head}{}{tail}", line[from..to].iter().collect::<String>());
    let caret = caret - from + head.len();
    Snippet { width: width.min(SNIPPET_CHARS + head.len() - caret.min(SNIPPET_CHARS)).max(1), text, caret }
}
