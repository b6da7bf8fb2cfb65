//! The user-based security model (RFC 3414, RFC 3826, RFC 7860).

use super::User;

/// Why a user has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A password is empty.
    EmptyPassword,
    /// Privacy is asked for without authentication.
    PrivacyWithoutAuthentication,
}

/// A user's keys before they are bound to an engine: costs a millisecond for each password to make, so it
/// is made once and shared. Never shown.
pub struct UserKeys {
    _todo: (),
}

impl std::fmt::Debug for UserKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserKeys(***)")
    }
}

impl UserKeys {
    /// Turn passwords into keys (RFC 3414 §A.2).
    pub fn derive(user: &User) -> Result<Self, KeyError> {
        let _ = user;
        todo!()
    }
}

/// Our own engine, where we are the authoritative one: we receive informs or answer requests.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    /// snmpEngineID: 5 to 32 bytes, the same after a restart.
    pub id: Box<[u8]>,
    /// snmpEngineBoots: one more after each restart (the caller keeps it).
    pub boots: u32,
    /// When this boot began: snmpEngineTime counts from it.
    pub started: crate::fabric::Timestamp,
}
