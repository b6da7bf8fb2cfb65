//! How the index of a vendor's table leads to the interface: `ifIndex`, `ifIndex.*`, `_.ifIndex.1-8`.

use std::fmt;

/// One part of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The interface.
    IfIndex,
    /// Any one number.
    Any,
    /// One of these numbers; rows of others are not counted.
    Within(u32, u32),
    /// Whatever follows, numbers or none.
    Rest,
}

/// The form of an index: its parts with dots between them. All rows of one interface are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexForm(Vec<Part>);

/// Why a text is no form of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexError {
    /// No part is `ifIndex`.
    NoInterface,
    /// More than one is.
    TwoInterfaces,
    /// `*` is not the last part.
    RestNotLast,
    /// Something else.
    Part(String),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface => f.write_str("has no part ifIndex"),
            Self::TwoInterfaces => f.write_str("has ifIndex twice"),
            Self::RestNotLast => f.write_str("has a * that is not its last part"),
            Self::Part(part) => write!(f, "has a part that is none: {}", part.escape_debug()),
        }
    }
}

/// No index of an instance is longer (RFC 2578 section 7.1.3: 128 arcs at most).
const PARTS_MAX: usize = 128;

impl IndexForm {
    /// From its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, IndexError> {
        let wrong = |part: &str| IndexError::Part(part.chars().take(20).collect());
        let mut parts = Vec::new();
        for part in text.split('.') {
            if parts.last() == Some(&Part::Rest) {
                return Err(IndexError::RestNotLast);
            }
            parts.push(match part.trim() {
                "ifIndex" if parts.contains(&Part::IfIndex) => return Err(IndexError::TwoInterfaces),
                "ifIndex" => Part::IfIndex,
                "_" => Part::Any,
                "*" => Part::Rest,
                numbers => {
                    let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
                    match (from.parse(), to.parse()) {
                        (Ok(from), Ok(to)) if from <= to => Part::Within(from, to),
                        _ => return Err(wrong(part)),
                    }
                }
            });
            if parts.len() > PARTS_MAX {
                return Err(wrong(part));
            }
        }
        if parts.contains(&Part::IfIndex) { Ok(Self(parts)) } else { Err(IndexError::NoInterface) }
    }

    /// It is the ifIndex alone: the object is read with the rows of IF-MIB.
    pub fn is_if_index(&self) -> bool {
        self.0 == [Part::IfIndex]
    }

    /// The ifIndex in an index of this form; none where the row is of another form, or not one to count.
    pub fn if_index(&self, arcs: impl Iterator<Item = u32>) -> Option<u32> {
        let mut arcs = arcs;
        let mut found = None;
        for part in &self.0 {
            match part {
                Part::Rest => return found,
                Part::IfIndex => found = Some(arcs.next()?),
                Part::Any => _ = arcs.next()?,
                Part::Within(from, to) => _ = arcs.next().filter(|arc| (*from..=*to).contains(arc))?,
            }
        }
        found.filter(|_| arcs.next().is_none())
    }
}

impl fmt::Display for IndexForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            match part {
                Part::IfIndex => f.write_str("ifIndex")?,
                Part::Any => f.write_str("_")?,
                Part::Rest => f.write_str("*")?,
                Part::Within(from, to) if from == to => write!(f, "{from}")?,
                Part::Within(from, to) => write!(f, "{from}-{to}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(form: &str, arcs: &[u32]) -> Option<u32> {
        IndexForm::parse(form).unwrap().if_index(arcs.iter().copied())
    }

    #[test]
    fn leads_to_the_interface() {
        assert_eq!(of("ifIndex", &[7]), Some(7));
        assert_eq!(of("ifIndex", &[7, 1]), None);
        assert_eq!(of("ifIndex._", &[7, 1]), Some(7));
        assert_eq!(of("ifIndex._", &[7]), None);
        assert_eq!(of("ifIndex.*", &[7]), Some(7));
        assert_eq!(of("ifIndex.*", &[7, 3, 97, 98, 99]), Some(7));
        assert_eq!(of("_.ifIndex._", &[1, 35_684_352, 3]), Some(35_684_352));
        assert_eq!(of("ifIndex.2.1-8", &[7, 2, 8]), Some(7));
        assert_eq!(of("ifIndex.2.1-8", &[7, 2, 9]), None, "the sum of the others");
        assert_eq!(of("ifIndex.2.1-8", &[7, 1, 8]), None, "the other direction");
        assert_eq!(of("ifIndex", &[]), None);
    }

    #[test]
    fn what_is_no_form_says_why() {
        let why = |form: &str| IndexForm::parse(form).unwrap_err();
        assert_eq!(why("_.queue"), IndexError::Part("queue".into()));
        assert_eq!(why("_._"), IndexError::NoInterface);
        assert_eq!(why("ifIndex.ifIndex"), IndexError::TwoInterfaces);
        assert_eq!(why("*.ifIndex"), IndexError::RestNotLast);
        assert_eq!(why("ifIndex.8-1"), IndexError::Part("8-1".into()));
        assert_eq!(why(""), IndexError::Part(String::new()));
        assert!(IndexForm::parse(&format!("ifIndex{}", "._".repeat(500))).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_text_is_a_form_or_not(text in "[ifIndex._*0-9-]{0,24}|.{0,40}", arcs in proptest::collection::vec(any::<u32>(), 0..8)) {
            if let Ok(form) = IndexForm::parse(&text) {
                prop_assert_eq!(IndexForm::parse(&form.to_string()), Ok(form.clone()));
                if let Some(found) = form.if_index(arcs.iter().copied()) {
                    prop_assert!(arcs.contains(&found));
                }
            }
        }
    }
}
