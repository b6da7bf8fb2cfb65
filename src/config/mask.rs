//! Finds the secrets in the text of a configuration, well formed or not, so that a quoted line does not
//! show them.
//!
//! It errs on the safe side: in sections that hold secrets every string is one unless its key is known not
//! to be, and elsewhere a key that is nearly spelled like a secret's is taken for one.

use std::ops::Range;

use super::suggest::distance;

/// Where the secrets are, sorted; without their quotes.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut scan = Scan { text, at: 0, section: String::new(), key: String::new(), found: Vec::new() };
    scan.run();
    scan.found
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    section: String,
    key: String,
    found: Vec<Range<usize>>,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let mut line_start = true;
        // The word or string last passed: a key, if `=` follows.
        let mut word = 0..0;
        while let Some(char) = self.rest().chars().next() {
            match char {
                '[' if line_start => self.header(),
                '#' => self.at += self.line_rest().len(),
                '=' => {
                    self.key = self.text[word.clone()].trim_matches(['"', '\'', ' ', '\t']).to_owned();
                    self.at += 1;
                    self.value();
                }
                '"' | '\'' => {
                    let start = self.at;
                    let inside = self.string();
                    word = start..self.at;
                    // A string in an array, or a key; a key says nothing that must be hidden unless it was
                    // meant to be a value.
                    let is_key = self.line_rest().trim_start().starts_with(['=', '.']);
                    if !is_key && self.is_secret() {
                        self.found.push(inside);
                    }
                }
                '\n' => {
                    self.at += 1;
                    line_start = true;
                    word = self.at..self.at;
                    continue;
                }
                ' ' | '\t' | '\r' => self.at += 1,
                ',' | '{' | '}' | '[' | ']' => {
                    self.at += 1;
                    word = self.at..self.at;
                }
                _ => {
                    let start = if word.end == self.at { word.start } else { self.at };
                    self.at += char.len_utf8();
                    word = start..self.at;
                }
            }
            line_start = line_start && char.is_whitespace();
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn line_rest(&self) -> &'a str {
        let rest = self.rest();
        rest.find('\n').map_or(rest, |end| &rest[..end])
    }

    /// `[a.b]`, or an array that begins a line, which then ends the section: its strings have no key.
    fn header(&mut self) {
        let line = self.line_rest();
        let name = line.trim_start_matches('[').split([']', '#']).next().unwrap_or("");
        if name.contains('=') {
            // A header without its end: what follows on the line is a value.
            self.at += 1;
            return;
        }
        self.section = name.replace([' ', '\t', '"', '\'', '\r'], "");
        self.key.clear();
        self.at += line.len();
    }

    /// Behind `=`: a bare word is a value too, one whose quotes were forgotten.
    fn value(&mut self) {
        let line = self.line_rest();
        let blank = line.len() - line.trim_start().len();
        let value = &line[blank..];
        if value.starts_with(['"', '\'', '{', '[']) {
            self.at += blank;
            return;
        }
        let end = value.find([',', '}', '#', '\r']).unwrap_or(value.len());
        let start = self.at + blank;
        if self.is_secret() && end > 0 {
            self.found.push(start..start + value[..end].trim_end().len());
        }
        self.at = start + end;
    }

    /// Step over a string; gives what is inside of its quotes. One without end takes the rest of its line
    /// (of the text, where it has three quotes).
    fn string(&mut self) -> Range<usize> {
        let rest = self.rest();
        let quote = &rest[..1];
        let triple = quote.repeat(3);
        let (open, close, text) = match rest.strip_prefix(&triple) {
            Some(inner) => (3, triple.as_str(), inner),
            None => (1, quote, &self.line_rest()[1..]),
        };
        let mut length = text.len();
        let mut skip = false;
        for (at, char) in text.char_indices() {
            if skip {
                skip = false;
            } else if char == '\\' && quote == "\"" {
                skip = true;
            } else if text[at..].starts_with(close) {
                length = at;
                break;
            }
        }
        let start = self.at + open;
        self.at = (start + length + close.len()).min(self.text.len());
        if length == text.len() {
            self.at = start + length;
        }
        start..start + length
    }

    fn is_secret(&self) -> bool {
        let leaf = self.key.rsplit('.').next().unwrap_or("").trim_matches(['"', '\'', ' ']);
        if leaf == "env" || leaf == "file" {
            return false;
        }
        if self.section.starts_with("snmp.auth") {
            return !matches!(leaf, "version" | "user" | "context" | "protocol");
        }
        if self.section.starts_with("receiver") {
            // The names of headers are the user's own.
            let is_header = self.section.ends_with(".headers") || self.key.starts_with("headers.");
            return is_header || !matches!(leaf, "name" | "kind" | "timeout" | "send_resolved" | "resend_every" | "ca");
        }
        matches!(leaf, "url" | "http" | "priv" | "key" | "token")
            || ["community", "password", "passphrase", "secret"].iter().any(|secret| distance(leaf, secret) <= 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str) -> String {
        let mut out = text.to_owned();
        for range in secrets(text).into_iter().rev() {
            out.replace_range(range, "***");
        }
        out
    }

    #[test]
    fn hides_secrets_and_nothing_else() {
        for (text, want) in [
            ("community = \"hush\"", "community = \"***\""),
            ("comunity='hush' # c", "comunity='***' # c"),
            ("community = hush", "community = ***"),
            ("community = \"hush", "community = \"***"),
            ("\"community\" = \"hu\\\"sh\"\nuser = \"bob\"", "\"community\" = \"***\"\nuser = \"bob\""),
            ("snmp.auth.lab.community = \"hush\"", "snmp.auth.lab.community = \"***\""),
            ("community = { env = \"NAME\" }", "community = { env = \"NAME\" }"),
            (
                "[snmp.auth.core]\nauth = { protocol = \"SHA\", password = \"hush\" }",
                "[snmp.auth.core]\nauth = { protocol = \"SHA\", password = \"***\" }",
            ),
            ("[snmp.auth.core]\nauth = \"hush\"\nuser = \"bob\"", "[snmp.auth.core]\nauth = \"***\"\nuser = \"bob\""),
            ("[[receiver]]\nname = \"a\"\nurl = \"https://t@h/\"", "[[receiver]]\nname = \"a\"\nurl = \"***\""),
            ("password = \"\"\"\nhush\nhush\"\"\"\nx = 1", "password = \"\"\"***\"\"\"\nx = 1"),
            ("password = \"\"\"\nhush", "password = \"\"\"***"),
            ("[web]\nlisten = \"a\" # \"b\"", "[web]\nlisten = \"a\" # \"b\""),
            ("[[snmp.target]]\nauth = \"lab\"\n", "[[snmp.target]]\nauth = \"lab\"\n"),
            ("password = [\"hush\", \"hush\"]", "password = [\"***\", \"***\"]"),
        ] {
            assert_eq!(masked(text), want, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn any_text_gives_sorted_ranges(text in "(community|[\\[\\]\"'=#{}\\\\ \n,.]|\"\"\"|é|a){0,40}") {
            let mut end = 0;
            for range in secrets(&text) {
                prop_assert!(range.start >= end && text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
