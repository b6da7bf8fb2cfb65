//! The words of a conversation: with what rights, what is asked, what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::fabric::Secret;
use crate::snmp::message::{ErrorStatus, Version};
use crate::snmp::usm::{KeyError, UserKeys};
use crate::snmp::value::VarBinds;
use crate::snmp::{Credentials, DecodeError, Oid};

/// Credentials made ready to use: passwords are turned into keys once, which takes a millisecond, and
/// shared by all sessions. Clones are cheap.
#[derive(Clone, Debug)]
pub enum Access {
    /// Version 1 or 2c.
    Community {
        /// [`Version::V1`] or [`Version::V2c`].
        version: Version,
        /// The community.
        community: Secret,
    },
    /// Version 3.
    User(Arc<UserKeys>),
}

impl Access {
    /// Make credentials ready.
    pub fn new(credentials: &Credentials) -> Result<Self, KeyError> {
        Ok(match credentials {
            Credentials::Community(community) => {
                Self::Community { version: Version::V2c, community: community.clone() }
            }
            Credentials::User(user) => Self::User(Arc::new(UserKeys::derive(user)?)),
        })
    }
}

/// How long one try waits, and how many follow the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time before a request is sent again, at most: sooner, where the device is used to answer sooner.
    pub timeout: Duration,
    /// How often it is sent again.
    pub retries: u32,
}

/// What to ask of a device.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// These instances.
    Get(&'a [Oid]),
    /// What follows each of these.
    GetNext(&'a [Oid]),
    /// What follows each of the first `non_repeaters` names once, and what follows the others
    /// `max_repetitions` times. Version 1 has no such thing: there it is sent as [`Request::GetNext`],
    /// which is the same with one repetition.
    GetBulk {
        /// How many of the names are asked for once.
        non_repeaters: u16,
        /// How often the others are.
        max_repetitions: u16,
        /// All names.
        names: &'a [Oid],
    },
}

/// Names a request of a session; never zero or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub i32);

/// A device's answer.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// noError, or why there is no answer.
    pub error_status: ErrorStatus,
    /// Which of the names the error is about, counted from 1; 0 for none of them.
    pub error_index: u32,
    /// The answer.
    pub varbinds: VarBinds<'a>,
    /// Length of the datagram, bytes.
    pub size: usize,
}

/// Why a device refuses us (RFC 3414 §3.2; the names of its counters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// usmStatsWrongDigests: the authentication password or protocol is wrong.
    WrongDigest,
    /// usmStatsUnknownUserNames: it has no such user.
    UnknownUserName,
    /// usmStatsDecryptionErrors: the privacy password or protocol is wrong.
    DecryptionError,
    /// usmStatsUnsupportedSecLevels: the user may not be used with this security level.
    UnsupportedSecurityLevel,
    /// snmpUnknownContexts, snmpUnavailableContexts: it has no such context.
    UnknownContext,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongDigest => "the authentication password or protocol is wrong",
            Self::UnknownUserName => "it knows no such user",
            Self::DecryptionError => "the privacy password or protocol is wrong",
            Self::UnsupportedSecurityLevel => "the user may not be used with this security level",
            Self::UnknownContext => "it has no such context",
        })
    }
}

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// No try was answered.
    Timeout,
    /// The device refuses our credentials.
    Authentication(Refusal),
    /// It answered, but nothing that we may believe: the MAC was wrong, or it was not secured as asked.
    Forged,
    /// It answered, but with bytes that mean nothing.
    Undecodable(DecodeError),
    /// Its engine's identity or clock changed with every try.
    EngineUnsettled,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer"),
            Self::Authentication(refusal) => refusal.fmt(f),
            Self::Forged => f.write_str("its answers are not proven to be its own"),
            Self::Undecodable(error) => write!(f, "its answers cannot be read: {error}"),
            Self::EngineUnsettled => f.write_str("its engine is another one with every answer"),
        }
    }
}

impl std::error::Error for RequestError {}

/// What a datagram was.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The answer to a request, which thereby ends.
    Response {
        /// The request.
        request: RequestId,
        /// The answer.
        response: Response<'a>,
        /// Time since the request was sent last.
        round_trip: Duration,
    },
    /// A request ends without an answer.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        error: RequestError,
    },
    /// The device told something that we needed to know first: send what is in `out` now.
    Resend {
        /// The request.
        request: RequestId,
    },
    /// It belongs to no request that is outstanding: late, doubled, or not for us.
    Unexpected,
    /// It is not proven to be from the device, and was not believed.
    Forged,
    /// It cannot be read. Its request stays outstanding: what sent it may not be the device.
    Undecodable(DecodeError),
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// One try: send what is in `out` now.
    Resend {
        /// The request.
        request: RequestId,
    },
    /// The last try: the request ends.
    GaveUp {
        /// The request.
        request: RequestId,
        /// Why.
        error: RequestError,
    },
}
