//! A value of the wire read as what its object should be (RFC 2578 section 7.1), or the reason why it
//! cannot be.
//!
//! Lenient where a device's slip leaves no doubt (a number sent as text, a counter of another width),
//! strict where it does: what is not certain is not a number.

use crate::fabric::CounterWidth;
use crate::snmp::Value;

/// Longest text kept of a DisplayString or SnmpAdminString, octets: both may have 255.
const TEXT_MAX: usize = 255;

/// Why a value cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// The device does not have this instance.
    #[default]
    Missing,
    /// Of a type that no counter has, or a text that is not a number.
    NotACounter,
    /// A counter cannot be negative.
    Negative,
    /// Every bit is one: how some agents say that they do not count this.
    AllOnes,
    /// The octets of the same direction cannot have come in so few packets.
    Contradicted,
    /// The walk ended before this value was reached.
    Truncated,
    /// A sum over other queues than the last time: what came or went is no count of packets.
    Changed,
}

impl Unusable {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotACounter => "not a counter",
            Self::Negative => "negative",
            Self::AllOnes => "all ones",
            Self::Contradicted => "contradicted by octets",
            Self::Truncated => "truncated",
            Self::Changed => "changed",
        }
    }
}

/// A counter, and the width at which it wraps.
///
/// `declared` is the width of the object in its MIB. A 64-bit object sent in a 32-bit type wraps at 32
/// bits; a 32-bit object sent as Counter64 is a 64-bit counter.
pub fn counter(value: &Value<'_>, declared: CounterWidth) -> Result<(u64, CounterWidth), Unusable> {
    let narrow = |value: u32| match value {
        u32::MAX => Err(Unusable::AllOnes),
        value => Ok((u64::from(value), CounterWidth::Bits32)),
    };
    let wide = |value: u64| match value {
        u64::MAX => Err(Unusable::AllOnes),
        value => Ok((value, CounterWidth::Bits64)),
    };
    match value {
        Value::Counter64(value) => wide(*value),
        Value::Counter32(value) | Value::Gauge32(value) => narrow(*value),
        Value::Integer(value) => match u64::try_from(*value) {
            Ok(value) if value <= u64::from(u32::MAX) => Ok((value, CounterWidth::Bits32)),
            Ok(value) => Ok((value, CounterWidth::Bits64)),
            Err(_) => Err(Unusable::Negative),
        },
        Value::OctetString(octets) => match decimal(octets) {
            Some(value) if value == u64::MAX => Err(Unusable::AllOnes),
            Some(value) if declared == CounterWidth::Bits32 && value == u64::from(u32::MAX) => Err(Unusable::AllOnes),
            // The text does not say its width: the object's own, unless the value does not fit it.
            Some(value) if value <= u64::from(u32::MAX) => Ok((value, declared)),
            Some(value) => Ok((value, CounterWidth::Bits64)),
            None => Err(Unusable::NotACounter),
        },
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView | Value::Null => Err(Unusable::Missing),
        _ => Err(Unusable::NotACounter),
    }
}

/// A number of any numeric type, or of a text that spells one.
pub fn number(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::OctetString(octets) => decimal(octets).and_then(|value| i64::try_from(value).ok()),
        value => value.as_i64(),
    }
}

/// A number that is not negative and fits 32 bits.
pub fn unsigned(value: &Value<'_>) -> Option<u32> {
    number(value).and_then(|value| u32::try_from(value).ok())
}

/// The octets of a string, as they came.
pub fn octets<'a>(value: &Value<'a>) -> Option<&'a [u8]> {
    value.as_bytes()
}

/// A text fit to be shown: UTF-8, else Latin-1; control characters become spaces, so that no device can
/// move a terminal's cursor or break a line; without white space or NULs around it; at most 255 octets
/// of it. What is no string at all is the empty text.
pub fn text(value: &Value<'_>) -> String {
    octets(value).map(clean).unwrap_or_default()
}

/// A text to the letter, with whatever control characters it has: UTF-8, else Latin-1, which loses nothing; at most 255
/// octets of it. What is no string at all is the empty text.
pub fn exact_text(value: &Value<'_>) -> String {
    let octets = octets(value).unwrap_or_default();
    let octets = &octets[..octets.len().min(TEXT_MAX)];
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(error) if cut_inside(&error, octets) => {
            String::from_utf8_lossy(&octets[..error.valid_up_to()]).into_owned()
        }
        Err(_) => octets.iter().map(|&octet| char::from(octet)).collect(),
    }
}

/// Not Latin-1, but UTF-8 that was cut inside of a character.
fn cut_inside(error: &std::str::Utf8Error, octets: &[u8]) -> bool {
    error.error_len().is_none() && octets.len() == TEXT_MAX
}

/// [`text`] of octets that are already at hand.
pub fn clean(octets: &[u8]) -> String {
    let octets = octets.split(|&octet| octet == 0).find(|part| !part.is_empty()).unwrap_or_default();
    let octets = &octets[..octets.len().min(TEXT_MAX)];
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = match std::str::from_utf8(octets) {
        Ok(text) => text.chars().map(printable).collect(),
        Err(error) if cut_inside(&error, octets) => {
            String::from_utf8_lossy(&octets[..error.valid_up_to()]).chars().map(printable).collect()
        }
        Err(_) => octets.iter().map(|&octet| printable(char::from(octet))).collect(),
    };
    text.trim().to_owned()
}

/// A MAC address: six octets, or a text of six pairs of hex digits (some agents send that).
pub fn phys_address(octets: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 32; // InfiniBand has 20
    if octets.len() == 17
        && let Ok(text) = std::str::from_utf8(octets)
    {
        let pairs: Option<Vec<u8>> =
            text.split([':', '-']).map(|pair| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?).collect();
        if let Some(pairs) = pairs.filter(|pairs| pairs.len() == 6) {
            return pairs;
        }
    }
    octets[..octets.len().min(LONGEST)].to_vec()
}

fn decimal(octets: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(octets).ok()?.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use CounterWidth::{Bits32, Bits64};

    #[test]
    fn counters_keep_their_width() {
        assert_eq!(counter(&Value::Counter64(1 << 63), Bits64), Ok((1 << 63, Bits64)));
        assert_eq!(counter(&Value::Counter32(7), Bits32), Ok((7, Bits32)));
        // A 64-bit object in a 32-bit type wraps where that type does.
        assert_eq!(counter(&Value::Counter32(7), Bits64), Ok((7, Bits32)));
        assert_eq!(counter(&Value::Gauge32(7), Bits64), Ok((7, Bits32)));
        assert_eq!(counter(&Value::Integer(7), Bits32), Ok((7, Bits32)));
        assert_eq!(counter(&Value::Counter64(7), Bits32), Ok((7, Bits64)));
    }

    #[test]
    fn a_number_in_text_is_a_number() {
        assert_eq!(counter(&Value::OctetString(b"00123\0"), Bits64), Ok((123, Bits64)));
        assert_eq!(counter(&Value::OctetString(b"5000000000"), Bits32), Ok((5_000_000_000, Bits64)));
        assert_eq!(counter(&Value::OctetString(b"12a"), Bits64), Err(Unusable::NotACounter));
        assert_eq!(counter(&Value::OctetString(b""), Bits64), Err(Unusable::NotACounter));
        assert_eq!(counter(&Value::OctetString(b"99999999999999999999999"), Bits64), Err(Unusable::NotACounter));
        assert_eq!(number(&Value::OctetString(b" 42 ")), Some(42));
    }

    #[test]
    fn what_is_not_a_counter_says_why() {
        assert_eq!(counter(&Value::NoSuchInstance, Bits64), Err(Unusable::Missing));
        assert_eq!(counter(&Value::Null, Bits64), Err(Unusable::Missing));
        assert_eq!(counter(&Value::Integer(-1), Bits32), Err(Unusable::Negative));
        assert_eq!(counter(&Value::Counter64(u64::MAX), Bits64), Err(Unusable::AllOnes));
        assert_eq!(counter(&Value::Counter32(u32::MAX), Bits32), Err(Unusable::AllOnes));
        assert_eq!(counter(&Value::IpAddress([10, 0, 0, 1].into()), Bits32), Err(Unusable::NotACounter));
    }

    #[test]
    fn text_is_safe_to_show() {
        assert_eq!(clean(b"  eth0\0\0"), "eth0");
        assert_eq!(clean(b"a\x1b[2Jb\nc"), "a [2Jb c");
        assert_eq!(clean(b"caf\xe9"), "caf\u{e9}");
        assert_eq!(clean("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(clean(&[b'x'; 900]).len(), 255);
        assert_eq!(clean("\u{e9}".repeat(300).as_bytes()).chars().count(), 127);
        assert_eq!(clean(b"\0\0"), "");
    }

    #[test]
    fn the_exact_text_loses_nothing() {
        assert_eq!(exact_text(&Value::OctetString(b" a\x1b[2J\n\0")), " a\u{1b}[2J\n\0");
        assert_eq!(exact_text(&Value::OctetString(b"caf\xe9")), "caf\u{e9}");
        assert_eq!(exact_text(&Value::OctetString("\u{e9}".repeat(300).as_bytes())).chars().count(), 127);
        assert_eq!(exact_text(&Value::Integer(1)), "");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn any_octets_become_a_short_line(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let text = clean(&octets);
            proptest::prop_assert!(!text.chars().any(char::is_control) && text.chars().count() <= 255);
            proptest::prop_assert!(phys_address(&octets).len() <= 32);
            let value = Value::OctetString(&octets);
            let _ = (counter(&value, Bits64), number(&value));
        }
    }

    #[test]
    fn mac_addresses_in_text() {
        assert_eq!(phys_address(b"00:1b:21:0A:ff:07"), [0, 0x1b, 0x21, 0x0a, 0xff, 7]);
        assert_eq!(phys_address(&[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(phys_address(b"not a mac address"), b"not a mac address");
        assert_eq!(phys_address(&[9; 300]).len(), 32);
    }
}
