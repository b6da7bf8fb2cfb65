//! From a password to the keys of one engine (RFC 3414 §2.6, §A.2; RFC 7860 §9.3), and to keys longer than
//! the hash gives.

use std::fmt;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::authentication::AuthKey;
use super::privacy::PrivKey;
use crate::fabric::Secret;
use crate::snmp::{AuthProtocol, PrivProtocol, User};

/// How much of a repeated password is hashed (RFC 3414 §A.2).
const STRETCH: usize = 1 << 20;

/// Why a user has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A password is empty.
    EmptyPassword,
    /// Privacy is asked for without authentication.
    PrivacyWithoutAuthentication,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyPassword => "a password is empty",
            Self::PrivacyWithoutAuthentication => "privacy needs authentication",
        })
    }
}

impl std::error::Error for KeyError {}

/// A user's keys before they are bound to an engine: each password costs a millisecond, so they are made
/// once and shared. Never shown.
pub struct UserKeys {
    name: Box<[u8]>,
    context: Box<[u8]>,
    auth: Option<MasterKey>,
    privacy: Option<(PrivProtocol, MasterKey)>,
}

impl fmt::Debug for UserKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKeys({}, ***)", String::from_utf8_lossy(&self.name))
    }
}

impl UserKeys {
    /// Turn passwords into keys.
    pub fn derive(user: &User) -> Result<Self, KeyError> {
        let master = |protocol, secret: &Secret| match secret.reveal().as_bytes() {
            [] => Err(KeyError::EmptyPassword),
            password => Ok(MasterKey::from_password(protocol, password)),
        };
        let auth = user.auth.as_ref().map(|(protocol, secret)| master(*protocol, secret)).transpose()?;
        let privacy = match (&user.privacy, &auth) {
            (None, _) => None,
            (Some(_), None) => return Err(KeyError::PrivacyWithoutAuthentication),
            // The privacy password passes through the hash of the authentication protocol.
            (Some((protocol, secret)), Some(auth)) => Some((*protocol, master(auth.protocol, secret)?)),
        };
        Ok(Self { name: user.name.as_bytes().into(), context: user.context.as_bytes().into(), auth, privacy })
    }

    /// usmUserSecurityName.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// contextName.
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// Whether messages carry a MAC.
    pub fn authenticates(&self) -> bool {
        self.auth.is_some()
    }

    /// Whether messages are encrypted.
    pub fn encrypts(&self) -> bool {
        self.privacy.is_some()
    }

    /// The authentication key for one engine.
    pub(in crate::snmp) fn localize_auth(&self, engine_id: &[u8]) -> Option<AuthKey> {
        self.auth.as_ref().map(|master| AuthKey::new(master.protocol, master.localize(engine_id).bytes()))
    }

    /// The keys for one engine.
    pub(in crate::snmp) fn localize(&self, engine_id: &[u8]) -> EngineKeys {
        EngineKeys {
            auth: self.localize_auth(engine_id),
            privacy: self.privacy.as_ref().map(|(protocol, master)| privacy_key(*protocol, master, engine_id)),
        }
    }
}

/// A user's keys for one engine, ready for messages.
pub(in crate::snmp) struct EngineKeys {
    pub(in crate::snmp) auth: Option<AuthKey>,
    pub(in crate::snmp) privacy: Option<PrivKey>,
}

impl EngineKeys {
    /// Both, as [`seal`](super::seal) takes them.
    pub(in crate::snmp) fn both(&self) -> (Option<&AuthKey>, Option<&PrivKey>) {
        (self.auth.as_ref(), self.privacy.as_ref())
    }
}

impl fmt::Debug for EngineKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineKeys(***)")
    }
}

fn privacy_key(protocol: PrivProtocol, master: &MasterKey, engine_id: &[u8]) -> PrivKey {
    let local = master.localize(engine_id);
    let needed = PrivKey::key_size(protocol);
    if local.bytes().len() >= needed {
        return PrivKey::new(protocol, local.bytes());
    }
    // No protocol needs more than one extension: the shortest hash gives 16 bytes, the longest key has 32.
    let more = match protocol {
        // The localized key is the password of the next part (draft-reeder-snmpv3-usm-3desede-00 §2.1).
        PrivProtocol::Aes192Reeder | PrivProtocol::Aes256Reeder => {
            MasterKey::from_password(master.protocol, local.bytes()).localize(engine_id)
        }
        // The hash of what there is makes the next part (draft-blumenthal-aes-usm-04 §3.1.2.1).
        _ => Digested::of(master.protocol, &[local.bytes()]),
    };
    PrivKey::new(protocol, &[local.bytes(), more.bytes()].concat())
}

/// The hash of a stretched password.
pub(super) struct MasterKey {
    protocol: AuthProtocol,
    digest: Digested,
}

impl MasterKey {
    pub(super) fn from_password(protocol: AuthProtocol, password: &[u8]) -> Self {
        // Whole repetitions in one buffer, so that it can be hashed over and over.
        let cycle = password.repeat(4096usize.div_ceil(password.len().max(1)));
        let whole = std::iter::repeat_n(&cycle[..], STRETCH / cycle.len().max(1));
        let rest = &cycle[..STRETCH % cycle.len().max(1)];
        let parts: Vec<&[u8]> = whole.chain([rest]).collect();
        Self { protocol, digest: Digested::of(protocol, &parts) }
    }

    pub(super) fn localize(&self, engine_id: &[u8]) -> Digested {
        Digested::of(self.protocol, &[self.digest.bytes(), engine_id, self.digest.bytes()])
    }
}

/// The output of one of the hashes.
pub(super) struct Digested {
    bytes: [u8; 64],
    len: usize,
}

impl Digested {
    fn of(protocol: AuthProtocol, parts: &[&[u8]]) -> Self {
        fn hash<D: Digest>(parts: &[&[u8]]) -> Digested {
            let mut hash = D::new();
            parts.iter().for_each(|part| hash.update(part));
            let output = hash.finalize();
            let mut bytes = [0; 64];
            bytes[..output.len()].copy_from_slice(&output);
            Digested { bytes, len: output.len() }
        }
        match protocol {
            AuthProtocol::Md5 => hash::<Md5>(parts),
            AuthProtocol::Sha1 => hash::<Sha1>(parts),
            AuthProtocol::Sha224 => hash::<Sha224>(parts),
            AuthProtocol::Sha256 => hash::<Sha256>(parts),
            AuthProtocol::Sha384 => hash::<Sha384>(parts),
            AuthProtocol::Sha512 => hash::<Sha512>(parts),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
