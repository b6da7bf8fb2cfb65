//! The client's side of a conversation with one device (RFC 3412 §7, RFC 3414 §3.1, §3.2 and §4), without
//! input or output.
//!
//! [`Session::request`] gives the bytes to send; [`Session::receive`] is told every datagram that came from
//! the device; [`Session::next_deadline`] says when [`Session::poll_timeout`] wants to be called. Several
//! requests may be outstanding. With version 3 the first requests discover the device's engine by
//! themselves, and a device that restarted is synchronised with again; neither is seen by the caller but as
//! [`Outcome::Resend`].

use std::sync::Arc;
use std::time::Duration;

use super::message::{ErrorStatus, Version};
use super::usm::{KeyError, UserKeys};
use super::value::VarBinds;
use super::{Credentials, DecodeError, Oid};
use crate::fabric::{Secret, Timestamp};

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
        let _ = credentials;
        todo!()
    }
}

/// How long one try waits, and how many follow the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time before a request is sent again.
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

/// A conversation with one device.
#[derive(Debug)]
pub struct Session {
    _todo: (),
}

impl Session {
    /// Nothing is sent before it is asked to. `seed` makes its numbers and salts unpredictable: it must be
    /// random, and another one for each session.
    pub fn new(access: Access, patience: Patience, seed: u64) -> Self {
        let _ = (access, patience, seed);
        todo!()
    }

    /// Begin a request: `out` is overwritten with the datagram to send.
    pub fn request(&mut self, now: Timestamp, request: &Request<'_>, out: &mut Vec<u8>) -> RequestId {
        let _ = (now, request, out);
        todo!()
    }

    /// A datagram came from the device; it is decrypted where it lies. `out` is overwritten if something is
    /// to be sent at once.
    pub fn receive<'a>(&mut self, now: Timestamp, datagram: &'a mut [u8], out: &mut Vec<u8>) -> Outcome<'a> {
        let _ = (now, datagram, out);
        todo!()
    }

    /// When the next try runs out; none where nothing is outstanding.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        todo!()
    }

    /// One of the tries that ran out by `now`; call again until there is none. `out` is overwritten where
    /// something is to be sent.
    pub fn poll_timeout(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<Expired> {
        let _ = (now, out);
        todo!()
    }

    /// Forget a request: its answer becomes [`Outcome::Unexpected`].
    pub fn cancel(&mut self, request: RequestId) {
        let _ = request;
        todo!()
    }

    /// How many requests are outstanding.
    pub fn outstanding(&self) -> usize {
        todo!()
    }
}
