//! The texts that stand for quantities: durations, sizes, speeds, addresses.
//!
//! Every reader gives, where it fails, the reason as half a sentence that follows the text itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// `10s`, `500ms`, `1h30m`, `1.5s`, `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const NO_UNIT: &str = "has no unit";
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty");
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (number, tail) = number(rest).ok_or("is not a duration")?;
        let end = tail.find(|char: char| !char.is_alphabetic()).unwrap_or(tail.len());
        let seconds = match &tail[..end] {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 7.0 * 86_400.0,
            "" => return Err(NO_UNIT),
            _ => return Err("has a unit that is not known"),
        };
        total += number * seconds;
        rest = tail[end..].trim_start();
    }
    // Whole microseconds: nothing here is finer, and 0.1 s shall be 100 ms.
    let micros = (total * 1e6).round();
    if micros <= 1e18 { Ok(Duration::from_micros(micros as u64)) } else { Err("is too long") }
}

/// A duration as it is written.
pub(super) fn show_duration(span: Duration) -> String {
    let millis = span.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if !millis.is_multiple_of(1_000) => format!("{millis}ms"),
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ => format!("{}s", millis / 1_000),
    }
}

/// `4GiB`, `500MB`, `1024`: bytes.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = number(text.trim()).ok_or("is not a size")?;
    let factor = match unit.trim() {
        "" | "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err("has a unit that is not known"),
    };
    whole(number * factor).ok_or("is too large")
}

/// `10G`, `2.5G`, `100M`, `100Mbit/s`, `10000000`: bit/s, in powers of ten as links have them.
pub(super) fn speed(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = number(text.trim()).ok_or("is not a speed")?;
    let unit = unit.trim();
    let (factor, tail) = match unit.chars().next() {
        Some('k' | 'K') => (1e3, &unit[1..]),
        Some('M') => (1e6, &unit[1..]),
        Some('G') => (1e9, &unit[1..]),
        Some('T') => (1e12, &unit[1..]),
        _ => (1.0, unit),
    };
    match tail {
        "" | "b/s" | "bps" | "bit" | "bit/s" | "bits/s" => {}
        tail if tail.starts_with('B') => return Err("is in bytes; speeds are in bits"),
        _ => return Err("has a unit that is not known"),
    }
    match whole(number * factor) {
        Some(0) => Err("is no speed at all"),
        // Ten thousand of the fastest ports there are.
        Some(speed) if speed <= 10_000_000_000_000_000 => Ok(speed),
        _ => Err("is too large"),
    }
}

/// The number that a text begins with, digits and at most one point; and the rest.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    // "1." and ".5" are more often slips than meant.
    if digits.is_empty() || digits.starts_with('.') || digits.ends_with('.') || digits.len() > 30 {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

fn whole(number: f64) -> Option<u64> {
    (number < 1.8e19).then_some(number.round() as u64)
}

/// `10.99.0.1:161`, `leaf1.example:161`, `[2001:db8::1]:161` from any way to write it, with the port if it is
/// left out: what makes two spellings the same target.
pub(super) fn host_port(text: &str, default_port: u16) -> Result<String, String> {
    let plain = |reason: &str| Err(reason.to_owned());
    if text.is_empty() {
        return plain("is empty");
    }
    if text.len() > 300 || text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return plain("holds blanks, or is too long");
    }
    if text.contains("://") {
        return plain("is a URL; write only host or host:port");
    }
    if text.contains('/') {
        return plain("holds a slash; a target is one address, ranges are for `selvedge discover`");
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return usable(address.into(), default_port);
    }
    if text.starts_with('[') || text.matches(':').count() > 1 {
        return ipv6(text, default_port);
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, self::port(port)?),
        None => (text, default_port),
    };
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return usable(address.into(), port);
    }
    if host.is_empty() {
        return plain("has no host before its port");
    }
    if host.chars().all(|char| char.is_ascii_digit() || char == '.') {
        return plain("is not an IPv4 address");
    }
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > 253 || !name.split('.').all(fits) {
        return plain("is neither an address nor a host name");
    }
    Ok(format!("{}:{port}", name.to_ascii_lowercase()))
}

fn ipv6(text: &str, default_port: u16) -> Result<String, String> {
    let bracketed = |text: &str| text.parse::<SocketAddrV6>().ok();
    // The standard parser knows zones by number only, and wants a port.
    let (with_port, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, "")) => (format!("{text}:{default_port}"), default_port),
        Some((_, tail)) => match tail.strip_prefix(':') {
            Some(digits) => (text.to_owned(), port(digits)?),
            None => return Err("has something other than :port after its bracket".into()),
        },
        None => (format!("[{text}]:{default_port}"), default_port),
    };
    match bracketed(&with_port) {
        Some(address) if address.scope_id() == 0 => usable((*address.ip()).into(), port),
        Some(address) => Ok(address.to_string()),
        None if text.contains('%') => {
            Err("has a zone by name; write the interface's number, as in [fe80::1%2]:161".into())
        }
        None => Err("is not an IPv6 address; with a port it is written [2001:db8::1]:161".into()),
    }
}

fn port(digits: &str) -> Result<u16, String> {
    match digits.parse() {
        Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(format!("has the port \"{}\", which is not a number from 1 to 65535", digits.escape_debug())),
    }
}

fn usable(address: IpAddr, port: u16) -> Result<String, String> {
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err("is not the address of one device".into());
    }
    Ok(SocketAddr::new(address, port).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("30d", 30 * 86_400_000),
            ("4h", 14_400_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("0.1s", 100),
            ("0s", 0),
            ("2w", 14 * 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", " ", "10", "s", "10x", "-1s", "1.s", ".5s", "1e9s", "10s!", "1..2s", "99999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_speeds() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("500 MB"), Ok(500_000_000));
        assert_eq!(size("1024"), Ok(1024));
        assert!(size("4G").is_err() && size("-1").is_err() && size("99999999999TiB").is_err());
        assert_eq!(speed("10G"), Ok(10_000_000_000));
        assert_eq!(speed("2.5G"), Ok(2_500_000_000));
        assert_eq!(speed("100Mbit/s"), Ok(100_000_000));
        assert_eq!(speed("64k"), Ok(64_000));
        assert_eq!(speed("1000000"), Ok(1_000_000));
        assert!(speed("10GB").is_err() && speed("0").is_err() && speed("10g").is_err() && speed("1é").is_err());
    }

    #[test]
    fn targets() {
        for (text, want) in [
            ("10.99.0.1", "10.99.0.1:161"),
            ("127.0.3.7:1161", "127.0.3.7:1161"),
            ("Leaf1", "leaf1:161"),
            ("leaf1.example.", "leaf1.example:161"),
            ("leaf_1.example:16100", "leaf_1.example:16100"),
            ("2001:DB8:0::1", "[2001:db8::1]:161"),
            ("[2001:db8::1]", "[2001:db8::1]:161"),
            ("[2001:db8::1]:1161", "[2001:db8::1]:1161"),
            ("fe80::1%2", "[fe80::1%2]:161"),
            ("[fe80::1%2]:1161", "[fe80::1%2]:1161"),
        ] {
            assert_eq!(host_port(text, 161).as_deref(), Ok(want), "{text}");
        }
        for text in [
            "",
            ":161",
            "a b",
            "10.0.0.0/24",
            "http://leaf1",
            "999.1.1.1",
            "10.0.0",
            "leaf1:",
            "leaf1:0",
            "leaf1:99999",
            "leaf1:+5",
            "1:2:3",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "fe80::1%eth0",
            "0.0.0.0",
            "224.0.0.1",
            "::",
            "-leaf",
            "le@f",
            "leaf..x",
        ] {
            assert!(host_port(text, 161).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-zA-Z.:%\\[\\]/ é-]{0,24}") {
            let _ = (duration(&text), size(&text), speed(&text));
            // What is accepted is its own canonical form.
            if let Ok(address) = host_port(&text, 161) {
                prop_assert_eq!(host_port(&address, 161), Ok(address.clone()));
            }
        }

        #[test]
        fn a_duration_reads_back(millis in 0_u64..100_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(span)), Ok(span));
        }
    }
}
