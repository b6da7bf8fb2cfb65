//! LLDP data units (IEEE 802.1AB-2016, clauses 8 and 9.2.7). Pure: bytes in, meaning out.
//!
//! The three mandatory TLVs come first and in order, else the unit is discarded as the standard demands
//! (9.2.7.7.1). An optional TLV that is malformed is passed over; one that runs past the end ends the unit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fabric::{ChassisId, ManagementAddress, PortId};

const END: u8 = 0;
const CHASSIS_ID: u8 = 1;
const PORT_ID: u8 = 2;
const TIME_TO_LIVE: u8 = 3;
const PORT_DESCRIPTION: u8 = 4;
const SYSTEM_NAME: u8 = 5;
const MANAGEMENT_ADDRESS: u8 = 8;

/// More addresses of one neighbour than this are not kept.
const MOST_ADDRESSES: usize = 16;

/// What one unit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lldpdu {
    /// Who sends.
    pub chassis_id: ChassisId,
    /// Out of which port.
    pub port_id: PortId,
    /// How long it holds, seconds; 0 says that the sender stops.
    pub ttl_s: u16,
    /// May be empty.
    pub port_descr: String,
    /// May be empty.
    pub sys_name: String,
    /// Where it can be managed.
    pub management_addresses: Vec<ManagementAddress>,
}

/// Why a unit is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends before the mandatory TLVs do.
    Truncated,
    /// Something else stands where this type of TLV must.
    Misplaced(u8),
    /// A mandatory TLV whose length cannot be.
    Length(u8),
    /// A mandatory TLV stands twice.
    Repeated(u8),
}

impl Lldpdu {
    /// Read the payload of an Ethernet frame of type 0x88cc; padding behind the end is passed over.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut tlvs = Tlvs(bytes);
        let chassis = tlvs.expect(CHASSIS_ID)?;
        let port = tlvs.expect(PORT_ID)?;
        let ttl = tlvs.expect(TIME_TO_LIVE)?;
        let (chassis_subtype, chassis_value) = identifier(CHASSIS_ID, chassis)?;
        let (port_subtype, port_value) = identifier(PORT_ID, port)?;
        let [high, low, ..] = *ttl else { return Err(Malformed::Length(TIME_TO_LIVE)) };
        let mut unit = Self {
            chassis_id: ChassisId { subtype: chassis_subtype, value: chassis_value },
            port_id: PortId { subtype: port_subtype, value: port_value },
            ttl_s: u16::from_be_bytes([high, low]),
            port_descr: String::new(),
            sys_name: String::new(),
            management_addresses: Vec::new(),
        };
        while let Some((kind, value)) = tlvs.next() {
            match kind {
                END => break,
                CHASSIS_ID | PORT_ID | TIME_TO_LIVE => return Err(Malformed::Repeated(kind)),
                PORT_DESCRIPTION if unit.port_descr.is_empty() => unit.port_descr = text(value),
                SYSTEM_NAME if unit.sys_name.is_empty() => unit.sys_name = text(value),
                MANAGEMENT_ADDRESS if unit.management_addresses.len() < MOST_ADDRESSES => {
                    unit.management_addresses.extend(management_address(value));
                }
                _ => {}
            }
        }
        Ok(unit)
    }
}

/// The TLVs of a unit: 7 bits of type, 9 bits of length, value.
struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[high, low], rest) = self.0.split_first_chunk()?;
        let length = usize::from(high & 1) << 8 | usize::from(low);
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((high >> 1, value))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], Malformed> {
        match self.next() {
            Some((kind, value)) if kind == wanted => Ok(value),
            Some(_) => Err(Malformed::Misplaced(wanted)),
            None => Err(Malformed::Truncated),
        }
    }
}

/// Subtype and 1 to 255 octets.
fn identifier(kind: u8, value: &[u8]) -> Result<(u8, Vec<u8>), Malformed> {
    match value {
        [subtype, id @ ..] if (1..=255).contains(&id.len()) => Ok((*subtype, id.to_vec())),
        _ => Err(Malformed::Length(kind)),
    }
}

/// Text for people: without what could act on a terminal.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').chars().filter(|char| !char.is_control()).collect()
}

/// Length, address family (IANA), address; what follows numbers an interface and is of no use here.
fn management_address(value: &[u8]) -> Option<ManagementAddress> {
    let (&length, rest) = value.split_first()?;
    match rest.get(..usize::from(length))? {
        [1, address @ ..] => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))),
        [2, address @ ..] => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?))),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A TLV as it goes over the wire.
    pub fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = value.len() as u16;
        let mut bytes = (u16::from(kind) << 9 | length).to_be_bytes().to_vec();
        bytes.extend(value);
        bytes
    }

    /// A unit as a switch sends it.
    pub fn unit(chassis: &[u8; 6], port: &str, ttl_s: u16, name: &str) -> Vec<u8> {
        [
            tlv(1, &[&[4], &chassis[..]].concat()),
            tlv(2, &[&[5], port.as_bytes()].concat()),
            tlv(3, &ttl_s.to_be_bytes()),
            tlv(4, b"to the host"),
            tlv(5, name.as_bytes()),
            tlv(7, &[0, 4, 0, 4]),
            tlv(8, &[5, 1, 10, 0, 0, 1, 2, 0, 0, 0, 1, 0]),
            tlv(8, &[&[17, 2][..], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[1, 2, 0, 0, 0, 1, 0]].concat()),
            tlv(127, &[0, 0x80, 0xc2, 1, 0, 1]),
            tlv(0, &[]),
        ]
        .concat()
    }

    #[test]
    fn reads_what_a_switch_sends() {
        let mut bytes = unit(b"\x02\0\0\0\0\x01", "swp1", 120, "spine1\0\x1b[31m");
        bytes.extend([0; 20]);
        assert_eq!(
            Lldpdu::parse(&bytes),
            Ok(Lldpdu {
                chassis_id: ChassisId { subtype: 4, value: vec![2, 0, 0, 0, 0, 1] },
                port_id: PortId { subtype: 5, value: b"swp1".to_vec() },
                ttl_s: 120,
                port_descr: "to the host".into(),
                sys_name: "spine1[31m".into(),
                management_addresses: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            })
        );
    }

    #[test]
    fn discards_what_the_standard_discards() {
        let (chassis, port, ttl) = (tlv(1, b"\x07a"), tlv(2, b"\x07b"), tlv(3, &[0, 9]));
        let parse = |parts: &[&[u8]]| Lldpdu::parse(&parts.concat()).map(|unit| unit.ttl_s);
        assert_eq!(parse(&[&chassis, &port, &ttl]), Ok(9));
        assert_eq!(parse(&[&chassis, &port, &ttl, &[0x0a]]), Ok(9), "an end cut off");
        assert_eq!(parse(&[&chassis, &port, &ttl, &[0x0a, 200, 1]]), Ok(9), "past the end");
        assert_eq!(parse(&[]), Err(Malformed::Truncated));
        assert_eq!(parse(&[&chassis, &port]), Err(Malformed::Truncated));
        assert_eq!(parse(&[&port, &chassis, &ttl]), Err(Malformed::Misplaced(1)));
        assert_eq!(parse(&[&chassis, &port, &ttl, &port]), Err(Malformed::Repeated(2)));
        assert_eq!(parse(&[&tlv(1, b"\x07"), &port, &ttl]), Err(Malformed::Length(1)));
        assert_eq!(parse(&[&tlv(1, &[7; 257]), &port, &ttl]), Err(Malformed::Length(1)));
        assert_eq!(parse(&[&chassis, &port, &tlv(3, &[1])]), Err(Malformed::Length(3)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Lldpdu::parse(&bytes);
        }

        #[test]
        fn a_damaged_unit_is_answered(at in 0_usize..120, byte: u8, keep in 0_usize..140) {
            let mut bytes = unit(b"\x02\0\0\0\0\x01", "swp1", 120, "spine1");
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(keep);
            if let Ok(unit) = Lldpdu::parse(&bytes) {
                prop_assert!(unit.management_addresses.len() <= MOST_ADDRESSES);
                prop_assert!(!unit.sys_name.contains(char::is_control));
            }
        }
    }
}
