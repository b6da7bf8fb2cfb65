//! Line protocol: `measurement,tag=value,... field=value,... timestamp`, one point on one line.
//!
//! Tag values come from devices and are hostile. The format has no escape for a line's end, and servers differ in what a
//! backslash before a comma, or two of them, mean. So what cannot be written in a way that all read alike is replaced:
//! control characters by a blank, a backslash by a slash. The rest is escaped.

use super::settings::Precision;
use crate::fabric::Timestamp;

/// Longer values of tags are cut, bytes: IF-MIB's texts have at most 255.
const LONGEST: usize = 1_024;

/// `,name=value`; nothing where the value is empty, which the format does not allow.
pub(super) fn tag(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = cut(value.trim());
    if value.is_empty() || name.is_empty() {
        return;
    }
    out.push(b',');
    escape(out, cut(name));
    out.push(b'=');
    escape(out, value);
}

fn escape(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            ',' | '=' | ' ' => out.extend([b'\\', c as u8]),
            '\\' => out.push(b'/'),
            // U+2028 and U+2029 end lines too, for some readers.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.extend(b"\\ "),
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The fields of one point, after its measurement and tags. Nothing of the point stays where no field was written.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    begun_at: usize,
    any: bool,
}

impl<'a> Fields<'a> {
    /// Begin a point; `tags` is what [`tag`] wrote.
    pub fn begin(out: &'a mut Vec<u8>, measurement: &str, tags: &[&[u8]]) -> Self {
        let begun_at = out.len();
        out.extend(measurement.as_bytes());
        for tags in tags {
            out.extend(*tags);
        }
        Self { out, begun_at, any: false }
    }

    fn name(&mut self, name: &str) {
        self.out.push(if self.any { b',' } else { b' ' });
        self.any = true;
        self.out.extend(name.as_bytes());
        self.out.push(b'=');
    }

    /// A counter, with all its 64 bits.
    pub fn unsigned(&mut self, name: &str, value: u64) {
        self.name(name);
        self.out.extend(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b'u');
    }

    /// A small whole number.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        self.out.extend(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b'i');
    }

    /// A measured number, to six decimals; one that is not finite is not written.
    pub fn number(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.name(name);
            number(self.out, value);
        }
    }

    /// Words for people, on one line.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.push(b'"');
        for c in value.chars().take(LONGEST) {
            match c {
                '"' => self.out.extend(b"\\\""),
                '\\' => self.out.push(b'/'),
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => self.out.push(b' '),
                c => self.out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.out.push(b'"');
    }

    /// End the point; how many were written, 0 or 1.
    pub fn end(self, at: Timestamp, precision: Precision) -> usize {
        if !self.any {
            self.out.truncate(self.begun_at);
            return 0;
        }
        self.out.push(b' ');
        let micros = at.as_micros();
        let at = match precision {
            Precision::Seconds => micros.div_euclid(1_000_000),
            Precision::Millis => micros.div_euclid(1_000),
            Precision::Micros => micros,
            Precision::Nanos => micros.saturating_mul(1_000),
        };
        self.out.extend(itoa::Buffer::new().format(at).as_bytes());
        self.out.push(b'\n');
        1
    }
}

/// To six decimals, without the zeros at the end.
fn number(out: &mut Vec<u8>, value: f64) {
    let millionths = (value.abs() * 1e6).round();
    if millionths >= 9e15 {
        // Beyond what a float holds exactly: its shortest form.
        out.extend(format!("{value}").as_bytes());
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let (whole, mut part) = ((millionths / 1e6).floor() as u64, millionths as u64 % 1_000_000);
    out.extend(itoa::Buffer::new().format(whole).as_bytes());
    if part > 0 {
        let mut digits = 6;
        while part % 10 == 0 {
            part /= 10;
            digits -= 1;
        }
        out.push(b'.');
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(part);
        out.extend(std::iter::repeat_n(b'0', digits - text.len()));
        out.extend(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader after the format's description, of one line: measurement, tags, the rest.
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let (mut parts, mut part, mut chars) = (Vec::new(), String::new(), line.chars());
        let mut rest = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    part.push('\\');
                    part.extend(chars.next());
                }
                ',' => parts.push(std::mem::take(&mut part)),
                ' ' => {
                    rest = chars.as_str().to_owned();
                    break;
                }
                c => part.push(c),
            }
        }
        parts.push(part);
        let plain = |text: &str| text.replace("\\ ", " ").replace("\\,", ",").replace("\\=", "=");
        let tags = parts[1..].iter().map(|part| {
            let at = part.char_indices().find(|(at, c)| *c == '=' && !part[..*at].ends_with('\\')).unwrap().0;
            (plain(&part[..at]), plain(&part[at + 1..]))
        });
        (parts[0].clone(), tags.collect(), rest)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_text_is_one_tag_of_one_line(
            alias in prop_oneof![any::<String>(), "[\\\\, =\"\n\r\t\u{0}a\u{2028}]{0,40}", ".{0,20}\\\\"],
            value in any::<u64>(), number in any::<f64>(),
        ) {
            let mut tags = Vec::new();
            tag(&mut tags, "device", "leaf1");
            tag(&mut tags, "ifAlias", &alias);
            tag(&mut tags, "last", "x");
            let mut out = Vec::new();
            let mut fields = Fields::begin(&mut out, "m", &[&tags]);
            fields.unsigned("c", value);
            fields.number("r", number);
            fields.text("t", &alias);
            prop_assert_eq!(fields.end(Timestamp::from_micros(17), Precision::Micros), 1);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.lines().count(), 1);
            prop_assert!(text.ends_with(" 17\n") && !text.contains("NaN") && !text.contains("inf,"), "{}", text);
            let (measurement, read, rest) = read(&text);
            prop_assert_eq!(measurement, "m");
            let expected: String = alias.trim().chars()
                .map(|c| if c == '\\' { '/' } else if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
                .collect();
            let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
            if expected.is_empty() {
                prop_assert_eq!(names, ["device", "last"]);
            } else {
                prop_assert_eq!(names, ["device", "ifAlias", "last"]);
                prop_assert_eq!(&read[1].1, cut(&expected));
            }
            let begin = format!("c={value}u");
            prop_assert!(rest.starts_with(&begin), "{}", rest);
        }

        #[test]
        fn numbers_come_back_to_six_decimals(value in prop_oneof![any::<f64>(), -1e6..1e6, 0.0..1.0]) {
            prop_assume!(value.is_finite());
            let mut out = Vec::new();
            number(&mut out, value);
            let read: f64 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert!((read - value).abs() <= 6e-7 || read == value, "{} {}", read, value);
        }
    }

    #[test]
    fn a_point_without_fields_is_not_written() {
        let mut out = b"before\n".to_vec();
        let mut fields = Fields::begin(&mut out, "m", &[b",a=b"]);
        fields.number("x", f64::NAN);
        fields.number("y", f64::INFINITY);
        assert_eq!(fields.end(Timestamp::default(), Precision::Seconds), 0);
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn numbers_are_short() {
        let shown = |value| {
            let mut out = Vec::new();
            number(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([0.0, 0.5, 12.000_010_4, 1e9].map(shown), ["0", "0.5", "12.00001", "1000000000"]);
        assert_eq!([-2.25, 0.000_000_4, 1e17].map(shown), ["-2.25", "0", "100000000000000000"]);
    }
}
