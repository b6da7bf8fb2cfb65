//! What a neighbour announces of itself, as names and keys (IEEE 802.1AB, 8.5.2 and 8.5.3).
//!
//! All of it came from the wire and may be anything: names are cut to a length that fits a page, and control
//! characters and the marks that turn text around are left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fabric::{ChassisId, Neighbor, PortId};

/// The longest name kept, in characters: lldpRemSysName and lldpRemPortId end at 255 octets by standard.
pub(super) const NAME_MAX: usize = 255;

/// An identifier is at most 255 octets by standard; what is longer is no identifier.
pub(super) const ID_MAX: usize = 255;

/// A MAC address that can tell devices apart.
pub(super) type Mac = [u8; 6];

/// One line of readable text, maybe empty.
pub(super) fn tidy(text: &str) -> String {
    let readable = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    // The look-ahead is bounded too: a text of nothing but control characters is not read to its end.
    let kept: String = text.chars().take(4 * NAME_MAX).filter(readable).take(NAME_MAX).collect();
    kept.trim().to_owned()
}

/// Octets as text, where they are text.
pub(super) fn text_of(octets: &[u8]) -> Option<String> {
    let octets = &octets[..octets.len().min(ID_MAX)];
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&octets[..end]).ok()?;
    if text.chars().any(char::is_control) {
        return None;
    }
    let text = tidy(text);
    (!text.is_empty()).then_some(text)
}

/// A MAC address in octets, or written out as some agents do.
pub(super) fn mac_of(octets: &[u8]) -> Option<Mac> {
    let mac: Mac = match octets.len() {
        6 => octets.try_into().ok()?,
        12..=17 => {
            let text = std::str::from_utf8(octets).ok()?;
            let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b':' | b'-' | b'.' | b' ')).collect();
            if digits.len() != 12 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            let mut mac = [0; 6];
            for (octet, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
                *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            mac
        }
        _ => return None,
    };
    // None at all, broadcast, and other group addresses name no device.
    (mac != [0; 6] && mac[0] & 1 == 0).then_some(mac)
}

/// A networkAddress: an octet of IANA address family, then the address. Some agents leave the family out.
pub(super) fn address_of(octets: &[u8]) -> Option<IpAddr> {
    fn v4(octets: &[u8]) -> Option<IpAddr> {
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into())
    }
    fn v6(octets: &[u8]) -> Option<IpAddr> {
        Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into())
    }
    match octets {
        [1, rest @ ..] if rest.len() == 4 => v4(rest),
        [2, rest @ ..] if rest.len() == 16 => v6(rest),
        _ => v4(octets).or_else(|| v6(octets)),
    }
}

/// An address that belongs to one device: not unspecified, not each machine's own 127.0.0.1.
pub(super) fn tells_apart(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && address != IpAddr::V4(Ipv4Addr::LOCALHOST)
        && address != IpAddr::V6(Ipv6Addr::LOCALHOST)
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for (index, octet) in octets.iter().take(20).enumerate() {
        if index > 0 {
            text.push(':');
        }
        text.push_str(&format!("{octet:02x}"));
    }
    text
}

/// The name of the device that a row announces; never empty.
pub(super) fn device_name(row: &Neighbor) -> String {
    let name = tidy(&row.sys_name);
    if !name.is_empty() {
        return name;
    }
    let ChassisId { subtype, value } = &row.chassis_id;
    let chassis = match subtype {
        4 => mac_of(value).map(|mac| hex(&mac)),
        5 => address_of(value).map(|address| address.to_string()),
        _ => text_of(value),
    };
    chassis
        .or_else(|| (!value.is_empty()).then(|| hex(value)))
        .or_else(|| row.management_addresses.first().map(IpAddr::to_string))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The name of the port that a row announces; never empty. Where the identifier is an address, the description
/// is what people know the port by.
pub(super) fn port_name(row: &Neighbor) -> String {
    let PortId { subtype, value } = &row.port_id;
    let described = Some(tidy(&row.port_descr)).filter(|text| !text.is_empty());
    let named = match subtype {
        3 => described.clone().or_else(|| mac_of(value).map(|mac| hex(&mac))),
        4 => described.clone().or_else(|| address_of(value).map(|address| address.to_string())),
        _ => text_of(value),
    };
    named.or(described).or_else(|| (!value.is_empty()).then(|| hex(value))).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_addresses_as_agents_write_them() {
        let mac = [0x02, 0, 0x5e, 0x10, 0, 0xff];
        assert_eq!(mac_of(&mac), Some(mac));
        for text in ["02:00:5e:10:00:ff", "02-00-5E-10-00-FF", "0200.5e10.00ff", "02005e1000ff"] {
            assert_eq!(mac_of(text.as_bytes()), Some(mac), "{text}");
        }
        assert_eq!(mac_of(&[0; 6]), None);
        assert_eq!(mac_of(&[0xff; 6]), None);
        assert_eq!(address_of(&[1, 10, 0, 0, 1]), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(address_of(&[10, 0, 0, 1]), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(address_of(&[9, 10, 0, 0, 1]), None);
        assert_eq!(text_of(b"swp1\0\0"), Some("swp1".to_owned()));
        assert_eq!(text_of(&[0xff, 0xfe]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn names_are_short_and_readable_whatever_comes(
            subtype in any::<u8>(), chassis in prop::collection::vec(any::<u8>(), 0..400),
            port in prop::collection::vec(any::<u8>(), 0..400), descr in any::<String>(), name in any::<String>(),
        ) {
            let row = Neighbor {
                local: "x".into(),
                chassis_id: ChassisId { subtype, value: chassis },
                port_id: PortId { subtype, value: port },
                port_descr: descr,
                sys_name: name.repeat(9),
                management_addresses: vec![],
            };
            for name in [device_name(&row), port_name(&row)] {
                prop_assert!(!name.is_empty() && name.chars().count() <= NAME_MAX);
                prop_assert!(!name.chars().any(char::is_control));
            }
        }
    }
}
