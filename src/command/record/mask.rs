//! What a recording tells beyond the network's shape, and how `--mask` takes it out.
//!
//! Addresses are replaced, each by the same other one wherever it stands: in values, in texts, in the indexes of
//! the tables that we keep. So who is whose neighbour can still be told. What cannot be judged is taken out:
//! every text of a vendor's own objects.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Line, Lines, Recorded};
use crate::snmp::Credentials;

/// Left out: who talks to whom, what runs where, and who may log in.
const LEFT_OUT: [&[u32]; 17] = [
    &[1, 3, 6, 1, 2, 1, 3],           // atTable
    &[1, 3, 6, 1, 2, 1, 4, 21],       // ipRouteTable
    &[1, 3, 6, 1, 2, 1, 4, 22],       // ipNetToMediaTable
    &[1, 3, 6, 1, 2, 1, 4, 24],       // IP-FORWARD-MIB
    &[1, 3, 6, 1, 2, 1, 4, 32],       // ipAddressPrefixTable
    &[1, 3, 6, 1, 2, 1, 4, 35],       // ipNetToPhysicalTable
    &[1, 3, 6, 1, 2, 1, 4, 37],       // ipDefaultRouterTable
    &[1, 3, 6, 1, 2, 1, 6, 13],       // tcpConnTable
    &[1, 3, 6, 1, 2, 1, 6, 19],       // tcpConnectionTable
    &[1, 3, 6, 1, 2, 1, 6, 20],       // tcpListenerTable
    &[1, 3, 6, 1, 2, 1, 7, 5],        // udpTable
    &[1, 3, 6, 1, 2, 1, 7, 7],        // udpEndpointTable
    &[1, 3, 6, 1, 2, 1, 17, 4, 3],    // dot1dTpFdbTable
    &[1, 3, 6, 1, 2, 1, 17, 7, 1, 2], // dot1qTpFdbTable and its kin
    &[1, 3, 6, 1, 2, 1, 25, 4],       // hrSWRunTable: command lines
    &[1, 3, 6, 1, 2, 1, 25, 6],       // hrSWInstalledTable
    &[1, 3, 6, 1, 6, 3],              // engine, users, communities, views, targets
];

/// Texts that are replaced whole.
const SECRET_TEXTS: [(&[u32], &str); 5] = [
    (&[1, 3, 6, 1, 2, 1, 1, 4], "contact"),
    (&[1, 3, 6, 1, 2, 1, 1, 6], "location"),
    (&[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11], "serial"), // entPhysicalSerialNum
    (&[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 15], "asset"),  // entPhysicalAssetID
    (&[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 19], "uuid"),   // entPhysicalUUID
];

const ENTERPRISES: &[u32] = &[1, 3, 6, 1, 4, 1];
/// ipAdEntAddr and its siblings: the index is an address.
const IP_ADDR_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 20, 1];
/// ipAdEntNetMask: an IpAddress that is no address.
const IP_AD_ENT_NET_MASK: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 20, 1, 3];
/// ipAddressEntry: type, length, octets.
const IP_ADDRESS_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 34, 1];
/// lldpLocManAddrEntry: family, length, octets.
const LLDP_LOC_MAN_ADDR_ENTRY: &[u32] = &[1, 0, 8802, 1, 1, 2, 1, 3, 8, 1];
/// lldpRemManAddrEntry: the row of lldpRemTable, family, length, octets.
const LLDP_REM_MAN_ADDR_ENTRY: &[u32] = &[1, 0, 8802, 1, 1, 2, 1, 4, 2, 1];

/// Replaces what should not leave the house.
pub(super) struct Mask {
    community: Option<String>,
    v4: HashMap<Ipv4Addr, Ipv4Addr>,
    v6: HashMap<Ipv6Addr, Ipv6Addr>,
    macs: HashMap<[u8; 6], [u8; 6]>,
    secrets: HashMap<Vec<u8>, usize>,
}

impl Mask {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let community = match credentials {
            // A community of a letter or two would tear every text apart.
            Credentials::Community(community) => Some(community.reveal().to_owned()).filter(|text| text.len() > 3),
            Credentials::User(_) => None,
        };
        Self { community, v4: HashMap::new(), v6: HashMap::new(), macs: HashMap::new(), secrets: HashMap::new() }
    }

    /// All lines that stay, masked, in their new order.
    pub(super) fn apply(&mut self, lines: Lines) -> Lines {
        lines
            .into_iter()
            .filter(|(oid, _)| !LEFT_OUT.iter().any(|root| oid.starts_with(root)))
            .map(|(oid, line)| {
                let line = self.line(&oid, line);
                (self.oid(oid), line)
            })
            .collect()
    }

    fn oid(&mut self, mut oid: Vec<u32>) -> Vec<u32> {
        let at = if oid.starts_with(IP_ADDR_ENTRY) {
            // The column, then the bare address.
            let at = IP_ADDR_ENTRY.len() + 1;
            if oid.len() == at + 4 {
                self.arcs(&mut oid[at..]);
            }
            return oid;
        } else if oid.starts_with(IP_ADDRESS_ENTRY) {
            IP_ADDRESS_ENTRY.len() + 2
        } else if oid.starts_with(LLDP_LOC_MAN_ADDR_ENTRY) {
            LLDP_LOC_MAN_ADDR_ENTRY.len() + 2
        } else if oid.starts_with(LLDP_REM_MAN_ADDR_ENTRY) {
            LLDP_REM_MAN_ADDR_ENTRY.len() + 5
        } else {
            return oid;
        };
        // The length, then so many octets.
        if let Some(octets) = oid.get_mut(at + 1..) {
            self.arcs(octets);
        }
        oid
    }

    /// An address in an index, by its length: four, six or sixteen octets (and what some agents put behind).
    fn arcs(&mut self, arcs: &mut [u32]) {
        let length = match arcs.len() {
            4 | 5 => 4,
            6 => 6,
            16.. => 16,
            _ => return,
        };
        let octets: Vec<u8> = arcs[..length].iter().filter_map(|&arc| u8::try_from(arc).ok()).collect();
        if octets.len() != length {
            return;
        }
        let masked = self.address(&octets);
        arcs.iter_mut().zip(masked).for_each(|(arc, octet)| *arc = octet.into());
    }

    fn line(&mut self, oid: &[u32], line: Line) -> Line {
        let Line { tag, value } = line;
        let value = match value {
            Recorded::Plain(text) if tag == 64 && !oid.starts_with(IP_AD_ENT_NET_MASK) => match text.parse() {
                Ok(address) => Recorded::Plain(self.v4(address).to_string()),
                Err(_) => Recorded::Plain(text),
            },
            Recorded::Plain(text) if tag == 6 => Recorded::Plain(self.row_pointer(&text)),
            Recorded::Plain(text) => Recorded::Plain(text),
            Recorded::Octets(octets) => Recorded::Octets(self.octets(oid, octets)),
        };
        Line { tag, value }
    }

    /// An identifier that points at a row whose index is an address.
    fn row_pointer(&mut self, text: &str) -> String {
        match text.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>() {
            Ok(oid) => super::dotted(&self.oid(oid)),
            Err(_) => text.to_owned(),
        }
    }

    fn octets(&mut self, oid: &[u32], octets: Vec<u8>) -> Vec<u8> {
        if octets.is_empty() {
            return octets;
        }
        if let Some((_, word)) = SECRET_TEXTS.iter().find(|(root, _)| oid.starts_with(root)) {
            let next = self.secrets.len() + 1;
            let nth = *self.secrets.entry(octets).or_insert(next);
            return format!("{word}-{nth}").into_bytes();
        }
        if oid.starts_with(ENTERPRISES) {
            return vec![b'x'; octets.len()];
        }
        let text = std::str::from_utf8(&octets).ok().filter(|text| text.bytes().all(|octet| octet >= 0x20));
        match text {
            // Six printable octets are a word, not a MAC address.
            Some(text) => self.text(text).into_bytes(),
            // An address with its family before it: LLDP's networkAddress.
            None if octets.len() == 5 && octets[0] == 1 => [&[1], &*self.address(&octets[1..])].concat(),
            None if octets.len() == 17 && octets[0] == 2 => [&[2], &*self.address(&octets[1..])].concat(),
            None if matches!(octets.len(), 6 | 16) => self.address(&octets),
            None => octets,
        }
    }

    /// Addresses and the community within a text.
    fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(community) = &self.community {
            text = text.replace(community.as_str(), "community");
        }
        let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '-');
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (start, end) = match rest.find(is_part) {
                Some(start) => (start, rest[start..].find(|c| !is_part(c)).map_or(rest.len(), |length| start + length)),
                None => (rest.len(), rest.len()),
            };
            masked.push_str(&rest[..start]);
            masked.push_str(&self.word(&rest[start..end]));
            rest = &rest[end..];
        }
        masked
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':', '-']);
        let tail = &word[bare.len()..];
        if let Ok(address) = bare.parse::<Ipv4Addr>() {
            return format!("{}{tail}", self.v4(address));
        }
        if let Some((host, port)) = bare.split_once(':')
            && let Ok(address) = host.parse::<Ipv4Addr>()
        {
            return format!("{}:{port}{tail}", self.v4(address));
        }
        if let Some((mac, by)) = mac_of(bare) {
            let masked = self.mac(mac);
            let pairs: Vec<String> = masked.iter().map(|octet| format!("{octet:02x}")).collect();
            let text = match by {
                '.' => format!("{0}{1}.{2}{3}.{4}{5}", pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5]),
                by => pairs.join(&by.to_string()),
            };
            return text + tail;
        }
        if bare.contains(':')
            && let Ok(address) = bare.parse::<Ipv6Addr>()
        {
            return format!("{}{tail}", self.v6(address));
        }
        word.to_owned()
    }

    fn address(&mut self, octets: &[u8]) -> Vec<u8> {
        if let Ok(four) = <[u8; 4]>::try_from(octets) {
            return self.v4(four.into()).octets().to_vec();
        }
        if let Ok(six) = <[u8; 6]>::try_from(octets) {
            return self.mac(six).to_vec();
        }
        match <[u8; 16]>::try_from(octets) {
            Ok(sixteen) => self.v6(sixteen.into()).octets().to_vec(),
            Err(_) => octets.to_vec(),
        }
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let says_nothing = address.is_unspecified()
            || address.is_loopback()
            || address.is_broadcast()
            || address.is_multicast()
            || address.octets()[0] == 255;
        if says_nothing {
            return address;
        }
        let next = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + self.v4.len() as u32 + 1;
        *self.v4.entry(address).or_insert_with(|| next.into())
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return address;
        }
        let next = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)) + self.v6.len() as u128 + 1;
        *self.v6.entry(address).or_insert_with(|| next.into())
    }

    fn mac(&mut self, mac: [u8; 6]) -> [u8; 6] {
        // Groups and all zeros say nothing of anybody.
        if mac[0] & 1 == 1 || mac == [0; 6] {
            return mac;
        }
        let next = (self.macs.len() as u32 + 1).to_be_bytes();
        *self.macs.entry(mac).or_insert([0x02, 0x00, next[0], next[1], next[2], next[3]])
    }
}

/// A MAC address as people write it, and what stands between its parts: `00:1b:..`, `00-1b-..`, `001b.2101..`.
fn mac_of(text: &str) -> Option<([u8; 6], char)> {
    let (by, digits) = [(':', 2), ('-', 2), ('.', 4)].into_iter().find(|(by, _)| text.contains(*by))?;
    let parts: Vec<&str> = text.split(by).collect();
    if parts.len() * digits != 12 || parts.iter().any(|part| part.len() != digits) {
        return None;
    }
    let joined = parts.concat();
    let octet = |at: usize| u8::from_str_radix(joined.get(at * 2..at * 2 + 2)?, 16).ok();
    Some(([octet(0)?, octet(1)?, octet(2)?, octet(3)?, octet(4)?, octet(5)?], by))
}
