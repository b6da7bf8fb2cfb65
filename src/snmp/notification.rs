//! Traps and informs that arrive here (RFC 3416 §4.2.6 and §4.2.7; version 1's mapped by RFC 3584 §3.1).

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::DecodeError;
use super::message::Version;
use super::oid::Oid;
use super::session::Access;
use super::usm::LocalEngine;
use super::value::VarBinds;
use crate::fabric::{Timestamp, Uptime};

/// What a device tells unasked.
#[derive(Debug)]
pub struct Notification<'a> {
    /// By which version it came.
    pub version: Version,
    /// Which of the receiver's credentials it used, counted from 0.
    pub access: usize,
    /// It is an inform: the acknowledgement is in `reply`.
    pub inform: bool,
    /// sysUpTime when it was made; none where the device left it out.
    pub uptime: Option<Uptime>,
    /// snmpTrapOID: which notification it is.
    pub trap: Oid,
    /// Version 1's agent address (or snmpTrapAddress): the device itself, where a relay sent the datagram.
    pub agent_address: Option<Ipv4Addr>,
    /// snmpTrapEnterprise, where given.
    pub enterprise: Option<Oid>,
    /// The sender's engine, with version 3; empty otherwise.
    pub engine_id: &'a [u8],
    /// The objects it speaks of; with versions 2c and 3 these begin with sysUpTime.0 and snmpTrapOID.0.
    pub varbinds: VarBinds<'a>,
}

/// Why a datagram was not a notification for us: each worth a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It cannot be read.
    Undecodable(DecodeError),
    /// No credentials of ours have this community.
    UnknownCommunity,
    /// No credentials of ours have this user.
    UnknownUser,
    /// It is secured less, or more, than its user is with us.
    UnsupportedSecurityLevel,
    /// Its MAC is wrong: another password or protocol, or a forgery.
    WrongDigest,
    /// It is authentic, but too old, or a repetition of one too old.
    NotInTimeWindow,
    /// Its content cannot be decrypted: another privacy password or protocol.
    DecryptionError,
    /// It is neither trap nor inform.
    NotANotification,
}

/// What a datagram was.
#[derive(Debug)]
pub enum Received<'a> {
    /// A trap or inform. Send `reply` where it is not empty.
    Notification(Notification<'a>),
    /// A sender of informs asks who we are or what time we have: send `reply`.
    Discovery,
    /// None of ours. Send `reply` where it is not empty (a Report, for an inform that was refused).
    Rejected(Rejected),
}

/// Believes notifications from those that it has credentials of.
#[derive(Debug)]
pub struct Receiver {
    _todo: (),
}

impl Receiver {
    /// For these credentials. `engine` is what informs of version 3 are addressed to.
    pub fn new(accesses: Vec<Access>, engine: LocalEngine, seed: u64) -> Self {
        let _ = (accesses, engine, seed);
        todo!()
    }

    /// Replace the credentials; what is known of the senders' engines stays.
    pub fn reconfigure(&mut self, accesses: Vec<Access>) {
        let _ = accesses;
        todo!()
    }

    /// A datagram came; it is decrypted where it lies. `reply` is overwritten, and empty where nothing is
    /// to be sent back.
    pub fn receive<'a>(&mut self, now: Timestamp, datagram: &'a mut [u8], reply: &mut Vec<u8>) -> Received<'a> {
        let _ = (now, datagram, reply);
        todo!()
    }
}

#[allow(unused)]
fn _unused(_: Arc<()>) {}
