//! Walks a parsed file: asks each section for the keys it may have, and reports what is there besides, what
//! is of the wrong type and what is out of range. It goes on after every error, so that all are told at once.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::context::{At, Context, Found, join, quote, tick};
use super::{suggest, units};

/// One table of the file.
pub(super) struct Section<'a> {
    pub context: &'a Context<'a>,
    pub at: At,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
    hints: Vec<(&'static str, &'static str)>,
}

impl<'a> Section<'a> {
    pub fn root(context: &'a Context<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(context, At { span: 0..0, key: String::new() }, table)
    }

    fn new(context: &'a Context<'a>, at: At, table: &'a DeTable<'a>) -> Self {
        Self { context, at, table, asked: Vec::new(), hints: Vec::new() }
    }

    /// A key that is often written here though it has another name or place, and what to do instead.
    pub fn hint(&mut self, key: &'static str, help: &'static str) {
        self.hints.push((key, help));
    }

    pub fn has(&mut self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    fn get(&mut self, key: &'static str) -> Option<(&'a Spanned<DeValue<'a>>, At)> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let value = self.table.get(key)?;
        Some((value, At { span: value.span(), key: join(&self.at.key, key) }))
    }

    /// Report a key that must be there and is not.
    pub fn require(&mut self, key: &'static str, help: impl Into<String>) -> bool {
        let present = self.has(key);
        if !present && !self.context.is_broken() {
            let at = At { span: self.at.span.clone(), key: join(&self.at.key, key) };
            self.context.error(&at, format!("`{key}` is missing"), help);
        }
        present
    }

    pub fn text(&mut self, key: &'static str, help: &str) -> Option<Found<String>> {
        let context = self.context;
        let (value, at) = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Found { value: text.as_ref().to_owned(), at }),
            other => {
                context.error(&at, format!("expected a string, found {}", kind(other)), help);
                None
            }
        }
    }

    /// A text that is not empty.
    pub fn name(&mut self, key: &'static str, help: &str) -> Option<Found<String>> {
        let found = self.text(key, help)?;
        if found.value.trim().is_empty() {
            self.context.error(&found.at, format!("`{key}` is empty"), help);
            return None;
        }
        Some(found)
    }

    pub fn boolean(&mut self, key: &'static str, slot: &mut bool) {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return };
        match value.get_ref() {
            DeValue::Boolean(value) => *slot = *value,
            other => context.error(
                &at,
                format!("expected true or false, found {}", kind(other)),
                "write true or false, without quotes",
            ),
        }
    }

    pub fn duration(&mut self, key: &'static str, slot: &mut Duration, range: RangeInclusive<Duration>) {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return };
        let help = "write a number with its unit in quotes, such as \"500ms\", \"10s\", \"4h\" or \"30d\"";
        match value.get_ref() {
            DeValue::String(text) => match units::duration(text) {
                Ok(span) if range.contains(&span) => *slot = span,
                Ok(_) => {
                    let (least, most) = (units::show_duration(*range.start()), units::show_duration(*range.end()));
                    context.error(
                        &at,
                        format!("{} is outside of {least} to {most}", quote(text)),
                        format!("write a duration from \"{least}\" to \"{most}\""),
                    );
                }
                Err(reason) => context.error(&at, format!("{} {reason}", quote(text)), help),
            },
            other => context.error(&at, format!("expected a duration, found {}", kind(other)), help),
        }
    }

    pub fn size(&mut self, key: &'static str, slot: &mut u64, least: u64) {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return };
        let help = "write a size such as \"500MiB\" or \"4GiB\", or a number of bytes";
        let read = match value.get_ref() {
            DeValue::String(text) => units::size(text).map_err(|reason| format!("{} {reason}", quote(text))),
            DeValue::Integer(number) => {
                integer(number).and_then(|number| number.try_into().ok()).ok_or("is not a size".to_owned())
            }
            other => Err(format!("expected a size, found {}", kind(other))),
        };
        match read {
            Ok(size) if size >= least => *slot = size,
            Ok(size) => context.error(&at, format!("{size} bytes is less than {least}"), help),
            Err(what) => context.error(&at, what, help),
        }
    }

    pub fn speed(&mut self, key: &'static str) -> Option<Found<u64>> {
        let context = self.context;
        let (value, at) = self.get(key)?;
        let help = "write a speed such as \"10G\", \"2.5G\" or \"100M\", or a number of bit/s";
        let read = match value.get_ref() {
            DeValue::String(text) => units::speed(text).map_err(|reason| format!("{} {reason}", quote(text))),
            DeValue::Integer(number) => units::speed(number.as_str())
                .ok()
                .filter(|_| number.radix() == 10)
                .ok_or_else(|| format!("{} is not a speed", quote(&number.to_string()))),
            other => Err(format!("expected a speed, found {}", kind(other))),
        };
        match read {
            Ok(value) => Some(Found { value, at }),
            Err(what) => {
                context.error(&at, what, help);
                None
            }
        }
    }

    /// A value that is exactly `false`: something is switched off.
    pub fn is_false(&mut self, key: &'static str) -> bool {
        matches!(self.get(key), Some((value, _)) if matches!(value.get_ref(), DeValue::Boolean(false)))
    }

    pub fn count(&mut self, key: &'static str, slot: &mut u32, range: RangeInclusive<u32>) {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return };
        let (least, most) = (range.start(), range.end());
        let help = format!("write a whole number from {least} to {most}, without quotes");
        match value.get_ref() {
            DeValue::Integer(number) => match integer(number).and_then(|number| u32::try_from(number).ok()) {
                Some(number) if range.contains(&number) => *slot = number,
                _ => context.error(&at, format!("{number} is outside of {least} to {most}"), help),
            },
            other => context.error(&at, format!("expected a whole number, found {}", kind(other)), help),
        }
    }

    /// A number; gives its place if it is there and in range.
    pub fn number(&mut self, key: &'static str, slot: &mut f64, range: RangeInclusive<f64>) -> Option<At> {
        let context = self.context;
        let (value, at) = self.get(key)?;
        let (least, most) = (range.start(), range.end());
        let (number, shown) = match value.get_ref() {
            DeValue::Integer(number) => (integer(number).map(|number| number as f64), number.to_string()),
            DeValue::Float(number) => (number.as_str().parse().ok(), number.to_string()),
            other => {
                context.error(
                    &at,
                    format!("expected a number, found {}", kind(other)),
                    format!("write a number from {least} to {most}, without quotes"),
                );
                return None;
            }
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => {
                *slot = number;
                Some(at)
            }
            None => {
                let percent = number.filter(|number| *most == 1.0 && (2.0..=100.0).contains(number));
                let help = match percent {
                    Some(percent) => format!("for {percent} % write {}", percent / 100.0),
                    None => format!("write a number from {least} to {most}"),
                };
                context.error(&at, format!("{shown} is outside of {least} to {most}"), help);
                None
            }
        }
    }

    /// A table under a key.
    pub fn section(&mut self, key: &'static str, help: &str) -> Option<Section<'a>> {
        let (value, at) = self.get(key)?;
        as_section(self.context, value, at, help)
    }

    /// An array of tables under a key; empty where it is not there.
    pub fn sections(&mut self, key: &'static str, help: &str) -> Vec<Section<'a>> {
        let context = self.context;
        let items = self.array(key, "an array of tables", help);
        items.into_iter().filter_map(|(value, at)| as_section(context, value, at, help)).collect()
    }

    /// All tables in this one, whatever their names: with their names.
    pub fn named_sections(self, help: &str) -> Vec<(Found<String>, Section<'a>)> {
        let mut sections = Vec::new();
        for (name, value) in self.table {
            let key = join(&self.at.key, name.get_ref());
            let at = At { span: value.span(), key: key.clone() };
            let found = Found { value: name.get_ref().as_ref().to_owned(), at: At { span: name.span(), key } };
            if let Some(section) = as_section(self.context, value, at, help) {
                sections.push((found, section));
            }
        }
        sections
    }

    /// An array of strings; empty where it is not there.
    pub fn texts(&mut self, key: &'static str, help: &str) -> Vec<Found<String>> {
        let context = self.context;
        let mut texts = Vec::new();
        for (value, at) in self.array(key, "an array of strings", help) {
            match value.get_ref() {
                DeValue::String(text) => texts.push(Found { value: text.as_ref().to_owned(), at }),
                other => context.error(&at, format!("expected a string, found {}", kind(other)), help),
            }
        }
        texts
    }

    /// The elements of an array with their places.
    pub fn array(&mut self, key: &'static str, expected: &str, help: &str) -> Vec<(&'a Spanned<DeValue<'a>>, At)> {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            context.error(&at, format!("expected {expected}, found {}", kind(value.get_ref())), help);
            return Vec::new();
        };
        elements(items, &at)
    }

    /// A table of names and texts, such as labels; empty where it is not there.
    pub fn text_map(&mut self, key: &'static str, help: &str) -> Vec<(Found<String>, Found<String>)> {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            context.error(&at, format!("expected a table, found {}", kind(value.get_ref())), help);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let key = join(&at.key, name.get_ref());
            let at = At { span: value.span(), key: key.clone() };
            match value.get_ref() {
                DeValue::String(text) => pairs.push((
                    Found { value: name.get_ref().as_ref().to_owned(), at: At { span: name.span(), key } },
                    Found { value: text.as_ref().to_owned(), at },
                )),
                other => context.error(&at, format!("expected a string, found {}", kind(other)), help),
            }
        }
        pairs
    }

    /// A table of names and values of several types; empty where it is not there.
    pub fn value_map(&mut self, key: &'static str, help: &str) -> Vec<(Found<String>, &'a Spanned<DeValue<'a>>, At)> {
        let context = self.context;
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            context.error(&at, format!("expected a table, found {}", kind(value.get_ref())), help);
            return Vec::new();
        };
        let pair = |(name, value): (&Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &toml::de::DeString<'_> = name.get_ref();
            let key = join(&at.key, name);
            let at = At { span: value.span(), key: key.clone() };
            (Found { value: name.as_ref().to_owned(), at: At { span: value.span(), key } }, value, at)
        };
        table.iter().map(pair).collect()
    }

    /// The value itself and its place, for values that stand in several ways.
    pub fn spanned(&mut self, key: &'static str) -> Option<(&'a Spanned<DeValue<'a>>, At)> {
        self.get(key)
    }

    /// The value itself, for keys of several types.
    pub fn value(&mut self, key: &'static str) -> Option<Found<&'a DeValue<'a>>> {
        let (value, at) = self.get(key)?;
        Some(Found { value: value.get_ref(), at })
    }

    /// Report the keys that nobody asked for.
    pub fn finish(self) {
        for (name, _) in self.table.iter() {
            let key = name.get_ref().as_ref();
            if self.asked.contains(&key) {
                continue;
            }
            let hint = self.hints.iter().find(|(hint, _)| *hint == key).map(|(_, help)| (*help).to_owned());
            let help = hint.unwrap_or_else(|| match suggest::nearest(key, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if self.asked.is_empty() => "remove it".to_owned(),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    format!("known here: {}", known.join(", "))
                }
            });
            let at = At { span: name.span(), key: join(&self.at.key, key) };
            self.context.error(&at, format!("unknown key {}", tick(key)), help);
        }
    }
}

/// The elements of an array, with their places; elements are counted from 0.
pub(super) fn elements<'a>(items: &'a DeArray<'a>, at: &At) -> Vec<(&'a Spanned<DeValue<'a>>, At)> {
    items
        .iter()
        .enumerate()
        .map(|(index, value)| (value, At { span: value.span(), key: format!("{}[{index}]", at.key) }))
        .collect()
}

/// A value that should be a table.
pub(super) fn as_section<'a>(
    context: &'a Context<'a>,
    value: &'a Spanned<DeValue<'a>>,
    at: At,
    help: &str,
) -> Option<Section<'a>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(Section::new(context, at, table)),
        other => {
            context.error(&at, format!("expected a table, found {}", kind(other)), help);
            None
        }
    }
}

/// What a value is, for people. Never the value itself: it may be a secret in the wrong place.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn integer(number: &toml::de::DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}
