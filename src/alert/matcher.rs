//! Conditions on labels, as silences and maintenance windows have them: `device=spine2`, `alertname!=LinkDown`,
//! `interface=~et-0/0/*`, `role!~leaf*`.
//!
//! A pattern is a text with `*` for any run of characters and `?` for one: matching takes time in proportion to the
//! product of both lengths at worst, whatever somebody writes. `device` and `interface` stand for either end of a link.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fabric::Labels;

/// Longer names and values than this are refused, bytes.
const LONGEST: usize = 512;

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `=~`
    Like,
    /// `!~`
    NotLike,
}

impl Comparison {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Like => "=~",
            Self::NotLike => "!~",
        }
    }
}

/// One condition. A label that is absent has the value "".
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Matcher {
    label: String,
    comparison: Comparison,
    value: String,
}

impl Matcher {
    /// From its parts.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn new(label: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if label.is_empty() || !label.bytes().all(name) {
            return Err(format!("{label:?} is not the name of a label; they have letters, digits and _"));
        }
        if label.len() + value.len() > LONGEST {
            return Err(format!("the condition on {label} is longer than {LONGEST} bytes"));
        }
        let pattern = matches!(comparison, Comparison::Like | Comparison::NotLike);
        if pattern && (value.contains(".*") || value.contains(".+") || value.contains(['|', '^', '$', '\\'])) {
            return Err(format!(
                "{value:?} looks like a regular expression; here * stands for any run of characters and ? for one"
            ));
        }
        Ok(Self { label: label.to_owned(), comparison, value: value.to_owned() })
    }

    /// Does it hold?
    pub fn matches(&self, labels: &Labels) -> bool {
        let holds = |name: &str| {
            let found = labels.get(name).map_or("", String::as_str);
            match self.comparison {
                Comparison::Is | Comparison::IsNot => found == self.value,
                Comparison::Like | Comparison::NotLike => fits(&self.value, found),
            }
        };
        let far = match self.label.as_str() {
            "device" => labels.contains_key("peer_device").then(|| holds("peer_device")),
            "interface" => labels.contains_key("peer_interface").then(|| holds("peer_interface")),
            _ => None,
        };
        let any = holds(&self.label) || far.unwrap_or(false);
        any == matches!(self.comparison, Comparison::Is | Comparison::Like)
    }

    /// It matches alerts without the label too, and so narrows nothing down by itself.
    pub fn matches_nothing_named(&self) -> bool {
        self.matches(&Labels::new())
    }

    /// The label's name.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.comparison.as_str(), self.value)
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> Self {
        matcher.to_string()
    }
}

impl TryFrom<String> for Matcher {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `label=value`, `label!=value`, `label=~pattern`, `label!~pattern`; the value may stand in double quotes.
impl FromStr for Matcher {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no condition; write label=value, label!=value, label=~pattern or label!~pattern");
        let at = text.find(['=', '!']).ok_or_else(wrong)?;
        let (label, rest) = text.split_at(at);
        let (comparison, value) = [Comparison::Like, Comparison::NotLike, Comparison::IsNot, Comparison::Is]
            .into_iter()
            .find_map(|one| Some((one, rest.strip_prefix(one.as_str())?)))
            .ok_or_else(wrong)?;
        let bare = value.trim();
        let quoted = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Self::new(label.trim(), comparison, quoted.unwrap_or(bare))
    }
}

/// All of them hold.
pub(super) fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// Does a text fit a pattern?
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    // By bytes, but that `?` takes a whole character.
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&char) if char == '?' || char == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn every_comparison_on_every_kind_of_label() {
        let link = labels(&[("alertname", "LinkDown"), ("device", "leaf1"), ("peer_device", "spine2")]);
        for (text, holds) in [
            ("alertname=LinkDown", true),
            ("alertname=\"LinkDown\"", true),
            ("alertname = LinkDown", true),
            ("alertname=Link", false),
            ("alertname!=LinkDown", false),
            ("alertname!=Saturation", true),
            ("alertname=~Link*", true),
            ("alertname=~link*", false),
            ("alertname!~Link*", false),
            ("alertname=~Link????", true),
            ("alertname=~Link???", false),
            ("device=leaf1", true),
            ("device=spine2", true),
            ("device=spine1", false),
            ("device!=spine2", false),
            ("device!=spine1", true),
            ("device=~spine*", true),
            ("role=", true),
            ("role=spine", false),
            ("role!=spine", true),
            ("peer_device=spine2", true),
        ] {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.matches(&link), holds, "{text}");
            assert_eq!(matcher.to_string().parse(), Ok(matcher), "{text}");
        }
        for text in ["", "device", "=x", "a b=c", "device!leaf1", "device=~leaf.*", "device=~a|b", "d\u{e9}=x"] {
            assert!(text.parse::<Matcher>().is_err(), "{text}");
        }
        assert!(format!("device={}", "x".repeat(600)).parse::<Matcher>().is_err());
    }

    #[test]
    fn what_narrows_nothing_down_is_known() {
        let open = |text: &str| text.parse::<Matcher>().unwrap().matches_nothing_named();
        assert!(open("role!=leaf") && open("role=") && open("device=~*"));
        assert!(!open("role=leaf") && !open("device=~?*"));
    }

    /// Too slow and too plain to be wrong.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => plain(rest, text),
            (Some(('*', rest)), Some((_, tail))) => plain(rest, text) || plain(pattern, tail),
            (Some((char, rest)), Some((other, tail))) => (*char == '?' || char == other) && plain(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_by_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &text), plain(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(matcher) = text.parse::<Matcher>() {
                prop_assert_eq!(matcher.to_string().parse::<Matcher>(), Ok(matcher));
            }
        }
    }
}
