//! A block of addresses, as 10.0.0.0/8 (RFC 4632) or 2001:db8::/32 (RFC 4291 section 2.3).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    /// 0 to 32, or to 128.
    length: u8,
}

/// Why a text is no [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// What stands before the slash is no address.
    Address(String),
    /// What stands behind it is no length that such an address can have.
    Length(String),
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) => write!(f, "{text:?} is no address; write 10.0.0.0/8 or 2001:db8::/32"),
            Self::Length(text) => write!(f, "{text:?} is no length of a prefix: 0 to 32, for IPv6 0 to 128"),
        }
    }
}

impl std::error::Error for PrefixError {}

impl Prefix {
    /// The network that hosts share as a rule: /24, or /64 for IPv6.
    pub fn around(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 24 } else { 64 } }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        // A shift by all 128 bits is none at all to the processor: length 0 is everything.
        (ours ^ theirs).checked_shr(width - u32::from(self.length)).unwrap_or(0) == 0
    }
}

/// An address alone is a prefix of its whole length. Bits behind the length do not count.
impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address(address.into()))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(text) => match text.parse() {
                Ok(length) if length <= width && text.bytes().all(|b| b.is_ascii_digit()) => length,
                _ => return Err(PrefixError::Length(text.into())),
            },
        };
        Ok(Self { address, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep = |bits: u128, width: u32| {
            let drop = width - u32::from(self.length);
            bits.checked_shr(drop).and_then(|bits| bits.checked_shl(drop)).unwrap_or(0)
        };
        match self.address {
            // What was made of 32 bits has no more.
            IpAddr::V4(address) => {
                let bits = keep(u128::from(address.to_bits()), 32) as u32;
                write!(f, "{}/{}", std::net::Ipv4Addr::from_bits(bits), self.length)
            }
            IpAddr::V6(address) => {
                write!(f, "{}/{}", Ipv6Addr::from_bits(keep(address.to_bits(), 128)), self.length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_what_begins_like_it() {
        for (prefix, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("127.0.3.9/24", "127.0.3.1", "127.0.4.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::1", "1.2.3.4"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
        ] {
            let prefix: Prefix = prefix.parse().unwrap();
            assert!(prefix.contains(inside.parse().unwrap()), "{prefix} {inside}");
            assert!(!prefix.contains(outside.parse().unwrap()), "{prefix} {outside}");
            assert_eq!(prefix.to_string().parse::<Prefix>().unwrap().to_string(), prefix.to_string());
        }
        assert_eq!("127.0.3.9/24".parse::<Prefix>().unwrap().to_string(), "127.0.3.0/24");
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "host"] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
    }
}
