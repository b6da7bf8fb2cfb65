//! The user-based security model (RFC 3414, RFC 3826, RFC 7860).
//!
//! Order is everything here: a message's engine is looked up, its MAC is checked, then its time, and only
//! then is anything of it believed or decrypted.

mod authentication;
mod authority;
mod clock;
mod key;
mod privacy;
mod seal;

pub use authority::LocalEngine;
pub use key::{KeyError, UserKeys};

pub(super) use authority::Authority;
pub(super) use clock::Clock;
pub(super) use key::EngineKeys;
pub(super) use privacy::Salts;
pub(super) use seal::{Envelope, OpenError, Sealed, open, seal, verify};

/// usmStats and their like: the objects that a Report names (RFC 3414 §5, RFC 3413 §4, RFC 3412 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    UnsupportedSecurityLevel,
    NotInTimeWindow,
    UnknownUserName,
    UnknownEngineId,
    WrongDigest,
    DecryptionError,
    UnknownContext,
}

const USM_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 15, 1, 1];
const SNMP_UNAVAILABLE_CONTEXTS: &[u32] = &[1, 3, 6, 1, 6, 3, 12, 1, 4, 0];
const SNMP_UNKNOWN_CONTEXTS: &[u32] = &[1, 3, 6, 1, 6, 3, 12, 1, 5, 0];

impl Report {
    /// Which of them an object is; none for one that this model does not know.
    pub(super) fn from_name(name: super::OidRef<'_>) -> Option<Self> {
        if name.arcs().eq(SNMP_UNKNOWN_CONTEXTS.iter().copied())
            || name.arcs().eq(SNMP_UNAVAILABLE_CONTEXTS.iter().copied())
        {
            return Some(Self::UnknownContext);
        }
        let mut arcs = name.arcs();
        if !USM_STATS.iter().all(|arc| arcs.next() == Some(*arc)) {
            return None;
        }
        // Some agents leave the instance's zero out.
        match (arcs.next()?, arcs.next().unwrap_or(0), arcs.next()) {
            (1, 0, None) => Some(Self::UnsupportedSecurityLevel),
            (2, 0, None) => Some(Self::NotInTimeWindow),
            (3, 0, None) => Some(Self::UnknownUserName),
            (4, 0, None) => Some(Self::UnknownEngineId),
            (5, 0, None) => Some(Self::WrongDigest),
            (6, 0, None) => Some(Self::DecryptionError),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
