//! How a device is spoken to: community (RFC 1901, RFC 3416) or user (RFC 3414, RFC 3826, RFC 7860).

use crate::fabric::Secret;

/// What proves to a device who we are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// SNMPv2c.
    Community(Secret),
    /// SNMPv3 with the user-based security model.
    User(User),
}

/// A user of the user-based security model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// usmUserSecurityName.
    pub name: String,
    /// Authentication, if any.
    pub auth: Option<(AuthProtocol, Secret)>,
    /// Privacy, if any; never without authentication.
    pub privacy: Option<(PrivProtocol, Secret)>,
    /// contextName; empty is the default context.
    pub context: String,
}

/// Authentication protocols: RFC 3414 (MD5, SHA-1) and RFC 7860 (SHA-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthProtocol {
    /// usmHMACMD5AuthProtocol
    Md5,
    /// usmHMACSHAAuthProtocol
    Sha1,
    /// usmHMAC128SHA224AuthProtocol
    Sha224,
    /// usmHMAC192SHA256AuthProtocol
    Sha256,
    /// usmHMAC256SHA384AuthProtocol
    Sha384,
    /// usmHMAC384SHA512AuthProtocol
    Sha512,
}

/// Privacy protocols: RFC 3414 (DES), RFC 3826 (AES-128), and the longer AES keys that devices offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrivProtocol {
    /// usmDESPrivProtocol
    Des,
    /// usmAesCfb128Protocol
    Aes128,
    /// AES-192, key extended as in draft-blumenthal-aes-usm-04 (net-snmp, Juniper).
    Aes192,
    /// AES-256, key extended as in draft-blumenthal-aes-usm-04.
    Aes256,
    /// AES-192, key extended as in draft-reeder-snmpv3-usm-3desede-00 (Cisco).
    Aes192Reeder,
    /// AES-256, key extended as in draft-reeder-snmpv3-usm-3desede-00.
    Aes256Reeder,
}
