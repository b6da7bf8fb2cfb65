//! Message authentication codes (RFC 3414 §6 and §7, RFC 7860 §4).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::snmp::AuthProtocol;

/// The longest MAC, bytes.
pub(super) const MAX_MAC: usize = 48;

/// A localized key; the part of the HMAC that does not depend on the message is done.
pub(in crate::snmp) enum AuthKey {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha224(Hmac<Sha224>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl AuthKey {
    pub(super) fn new(protocol: AuthProtocol, key: &[u8]) -> Self {
        fn keyed<M: KeyInit>(key: &[u8]) -> M {
            // An HMAC takes a key of any length.
            M::new_from_slice(key).unwrap_or_else(|_| unreachable!())
        }
        match protocol {
            AuthProtocol::Md5 => Self::Md5(keyed(key)),
            AuthProtocol::Sha1 => Self::Sha1(keyed(key)),
            AuthProtocol::Sha224 => Self::Sha224(keyed(key)),
            AuthProtocol::Sha256 => Self::Sha256(keyed(key)),
            AuthProtocol::Sha384 => Self::Sha384(keyed(key)),
            AuthProtocol::Sha512 => Self::Sha512(keyed(key)),
        }
    }

    /// The length of a MAC within a message, bytes.
    pub(super) fn mac_size(&self) -> usize {
        match self {
            Self::Md5(_) | Self::Sha1(_) => 12,
            Self::Sha224(_) => 16,
            Self::Sha256(_) => 24,
            Self::Sha384(_) => 32,
            Self::Sha512(_) => 48,
        }
    }

    /// The MAC of a message whose field for it holds zeros.
    pub(super) fn sign(&self, message: &[u8], mac: &mut [u8]) {
        fn sign<M: Mac + Clone>(keyed: &M, message: &[u8], mac: &mut [u8]) {
            let mut hmac = keyed.clone();
            hmac.update(message);
            mac.copy_from_slice(&hmac.finalize().into_bytes()[..mac.len()]);
        }
        match self {
            Self::Md5(keyed) => sign(keyed, message, mac),
            Self::Sha1(keyed) => sign(keyed, message, mac),
            Self::Sha224(keyed) => sign(keyed, message, mac),
            Self::Sha256(keyed) => sign(keyed, message, mac),
            Self::Sha384(keyed) => sign(keyed, message, mac),
            Self::Sha512(keyed) => sign(keyed, message, mac),
        }
    }

    /// Whether `mac` is right for the message that has `before` and `after` around it; the comparison
    /// takes the same time wherever they differ.
    pub(super) fn verify(&self, before: &[u8], mac: &[u8], after: &[u8]) -> bool {
        fn verify<M: Mac + Clone>(keyed: &M, parts: [&[u8]; 3], mac: &[u8]) -> bool {
            let mut hmac = keyed.clone();
            parts.iter().for_each(|part| hmac.update(part));
            hmac.verify_truncated_left(mac).is_ok()
        }
        if mac.len() != self.mac_size() {
            return false;
        }
        let parts = [before, &[0; MAX_MAC][..mac.len()], after];
        match self {
            Self::Md5(keyed) => verify(keyed, parts, mac),
            Self::Sha1(keyed) => verify(keyed, parts, mac),
            Self::Sha224(keyed) => verify(keyed, parts, mac),
            Self::Sha256(keyed) => verify(keyed, parts, mac),
            Self::Sha384(keyed) => verify(keyed, parts, mac),
            Self::Sha512(keyed) => verify(keyed, parts, mac),
        }
    }
}
