//! Traps and informs that arrive here (RFC 3416 §4.2.6 and §4.2.7; version 1's mapped by RFC 3584 §3.1).
//!
//! A trap of version 3 is secured by its sender's engine, whose clock is followed; an inform is addressed to
//! ours. Nobody is believed without a community or a MAC that one of our credentials has.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::message::{
    self, Body, CommunityMessage, Flags, Message, Pdu, PduHeader, PduKind, ScopedPdu, TrapV1, V3Message, Version,
};
use super::oid::Oid;
use super::session::Access;
use super::usm::{self, Authority, Clock, EngineKeys, LocalEngine, OpenError, Report, Sealed, UserKeys};
use super::value::{Value, VarBinds};
use super::{DecodeError, ber};
use crate::fabric::{Timestamp, Uptime};

/// What a device tells unasked.
#[derive(Clone, Debug)]
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
    /// The sender's engine, with traps of version 3; empty otherwise.
    pub engine_id: Vec<u8>,
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
    /// An inform to another engine than ours.
    UnknownEngine,
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

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable(error) => error.fmt(f),
            Self::UnknownCommunity => f.write_str("no credentials of ours have its community"),
            Self::UnknownUser => f.write_str("no credentials of ours have its user"),
            Self::UnknownEngine => f.write_str("it is addressed to another engine"),
            Self::UnsupportedSecurityLevel => f.write_str("it is not secured as its user's messages must be"),
            Self::WrongDigest => f.write_str("it was made with another password or protocol, or by somebody else"),
            Self::NotInTimeWindow => f.write_str("it is too old"),
            Self::DecryptionError => f.write_str("it cannot be decrypted"),
            Self::NotANotification => f.write_str("it is neither trap nor inform"),
        }
    }
}

impl std::error::Error for Rejected {}

impl From<Report> for Rejected {
    fn from(report: Report) -> Self {
        match report {
            Report::UnsupportedSecurityLevel => Self::UnsupportedSecurityLevel,
            Report::NotInTimeWindow => Self::NotInTimeWindow,
            Report::UnknownUserName => Self::UnknownUser,
            Report::UnknownEngineId => Self::UnknownEngine,
            Report::WrongDigest => Self::WrongDigest,
            Report::DecryptionError => Self::DecryptionError,
            Report::UnknownContext => Self::NotANotification,
        }
    }
}

impl From<OpenError> for Rejected {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Undecryptable => Self::DecryptionError,
            OpenError::Undecodable(error) => Self::Undecodable(error),
        }
    }
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
pub struct Receiver {
    accesses: Vec<Access>,
    authority: Authority,
    /// Each access's keys for our engine, where it is a user.
    own_keys: Vec<Option<EngineKeys>>,
    peers: HashMap<PeerKey, Peer>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("accesses", &self.accesses).finish_non_exhaustive()
    }
}

/// An engine and an access.
type PeerKey = (Box<[u8]>, usize);

/// An engine that sent an authentic trap.
struct Peer {
    keys: EngineKeys,
    clock: Clock,
    heard: Timestamp,
}

/// Engines that are remembered; only those with a key of ours get here.
const MOST_PEERS: usize = 65_536;

impl Receiver {
    /// For these credentials. `engine` is what informs of version 3 are addressed to; `seed` must be random.
    pub fn new(accesses: Vec<Access>, engine: LocalEngine, seed: u64) -> Self {
        let mut receiver = Self {
            accesses: Vec::new(),
            authority: Authority::new(engine, seed),
            own_keys: Vec::new(),
            peers: HashMap::new(),
        };
        receiver.reconfigure(accesses);
        receiver
    }

    /// Replace the credentials. Where they differ, engines are met anew.
    pub fn reconfigure(&mut self, accesses: Vec<Access>) {
        let localize = |access: &Access| match access {
            Access::User(user) => Some(user.localize(self.authority.engine_id())),
            Access::Community { .. } => None,
        };
        self.own_keys = accesses.iter().map(localize).collect();
        self.accesses = accesses;
        self.peers.clear();
    }

    /// A datagram came; it is decrypted where it lies. `reply` is overwritten, and empty where nothing is
    /// to be sent back.
    pub fn receive<'a>(&mut self, now: Timestamp, datagram: &'a mut [u8], reply: &mut Vec<u8>) -> Received<'a> {
        reply.clear();
        let received = if message::is_v3(datagram) {
            self.receive_v3(now, datagram, reply)
        } else {
            self.receive_community(datagram, reply)
        };
        received.unwrap_or_else(Received::Rejected)
    }

    fn receive_community<'a>(&self, datagram: &'a [u8], reply: &mut Vec<u8>) -> Result<Received<'a>, Rejected> {
        let message = match message::decode(datagram).map_err(Rejected::Undecodable)? {
            Message::Community(message) => message,
            Message::V3(_) => return Err(Rejected::NotANotification),
        };
        let access = self.accesses.iter().position(|access| match access {
            // Devices send traps of version 1 and 2c under one community, whichever they are polled with.
            Access::Community { community, .. } => community.reveal().as_bytes() == message.community,
            Access::User(_) => false,
        });
        let access = access.ok_or(Rejected::UnknownCommunity)?;
        let notification = match &message.body {
            Body::TrapV1(trap) => from_v1(trap, access),
            Body::Pdu(pdu) => from_v2(message.version, pdu, access)?,
        };
        if let (true, Body::Pdu(pdu)) = (notification.inform, &message.body) {
            let CommunityMessage { version, community, .. } = message;
            message::put_community(version, community, |out| acknowledge(pdu, out), reply);
        }
        Ok(Received::Notification(notification))
    }

    fn receive_v3<'a>(
        &mut self,
        now: Timestamp,
        datagram: &'a mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Received<'a>, Rejected> {
        let message = match message::decode(datagram).map_err(Rejected::Undecodable)? {
            Message::V3(message) => message,
            Message::Community(_) => return Err(Rejected::NotANotification),
        };
        let addressed = message.usm.engine_id.is_empty() || message.usm.engine_id == self.authority.engine_id();
        if addressed || message.flags.reportable {
            // Who expects an answer addresses us.
            let access = self.informer(&message);
            let user = access.and_then(|at| Some((user_of(&self.accesses[at])?, self.own_keys[at].as_ref()?)));
            let asks = message.usm.engine_id.is_empty() || (message.usm.boots, message.usm.time) == (0, 0);
            match (self.authority.check(now, &message, user, reply), access) {
                // A trap has its sender's engine, and some senders want a report about it.
                (Err(Report::UnknownEngineId), _) if !addressed => (),
                (Err(Report::UnknownEngineId | Report::NotInTimeWindow), _) if asks && !reply.is_empty() => {
                    return Ok(Received::Discovery);
                }
                (Err(report), _) => return Err(report.into()),
                (Ok(()), None) => return Err(Rejected::UnknownUser),
                (Ok(()), Some(access)) => return self.inform(now, access, datagram, reply),
            }
        }
        let access = self.check_trap(now, &message)?;
        let engine_id = message.usm.engine_id.to_vec();
        let sealed = Sealed::new(datagram, &message);
        let peer = self.peers.get(&(engine_id.as_slice().into(), access));
        let scoped = usm::open(datagram, &sealed, peer.and_then(|peer| peer.keys.privacy.as_ref()))?;
        let notification = from_v2(Version::V3, &scoped.pdu, access)?;
        if notification.inform {
            // Addressed to another engine: the report about it stands in `reply`.
            return Err(Rejected::UnknownEngine);
        }
        reply.clear();
        Ok(Received::Notification(Notification { engine_id, ..notification }))
    }

    /// The places of a user's credentials: devices may know one name with different passwords.
    fn of_user(&self, name: &[u8]) -> impl Iterator<Item = usize> {
        let has_name = move |access: &Access| user_of(access).is_some_and(|user| user.name() == name);
        self.accesses.iter().enumerate().filter(move |(_, access)| has_name(access)).map(|(at, _)| at)
    }

    /// Whose inform it is: of credentials with one name, those whose MAC is right.
    fn informer(&self, message: &V3Message<'_>) -> Option<usize> {
        let verified = |at: &usize| {
            let key = self.own_keys[*at].as_ref().and_then(|keys| keys.auth.as_ref());
            key.is_some_and(|key| usm::verify(message, key))
        };
        self.of_user(message.usm.user).find(verified).or_else(|| self.of_user(message.usm.user).next())
    }

    /// An inform that is authentic: take it, and say so.
    fn inform<'a>(
        &mut self,
        now: Timestamp,
        access: usize,
        datagram: &'a mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Received<'a>, Rejected> {
        let (Some(user), Some(keys)) = (user_of(&self.accesses[access]), &self.own_keys[access]) else {
            return Err(Rejected::UnknownUser);
        };
        let (msg_id, sealed) = match message::decode(datagram) {
            Ok(Message::V3(message)) => (message.msg_id, Sealed::new(datagram, &message)),
            _ => return Err(Rejected::NotANotification),
        };
        let scoped: ScopedPdu<'a> = usm::open(datagram, &sealed, keys.privacy.as_ref())?;
        let notification = from_v2(Version::V3, &scoped.pdu, access)?;
        if notification.inform {
            let context = (scoped.context_engine_id, scoped.context_name);
            let put_pdu = |out: &mut Vec<u8>| acknowledge(&scoped.pdu, out);
            self.authority.respond(now, msg_id, (user, keys), context, put_pdu, reply);
        }
        Ok(Received::Notification(notification))
    }

    /// Whose trap it is, if it is authentic and recent (RFC 3414 §3.2).
    fn check_trap(&mut self, now: Timestamp, message: &V3Message<'_>) -> Result<usize, Rejected> {
        let candidates: Vec<usize> = self.of_user(message.usm.user).collect();
        let mut rejected = Rejected::UnknownUser;
        for access in candidates {
            match self.check_trap_of(now, access, message) {
                Ok(()) => return Ok(access),
                // What is said of the likeliest credentials: those that get furthest.
                Err(Rejected::UnsupportedSecurityLevel) if rejected != Rejected::UnknownUser => (),
                Err(reason) => rejected = reason,
            }
        }
        Err(rejected)
    }

    fn check_trap_of(&mut self, now: Timestamp, access: usize, message: &V3Message<'_>) -> Result<(), Rejected> {
        let Some(user) = user_of(&self.accesses[access]) else { return Err(Rejected::UnknownUser) };
        let Flags { auth, privacy, .. } = message.flags;
        if (auth, privacy) != (user.authenticates(), user.encrypts()) {
            return Err(Rejected::UnsupportedSecurityLevel);
        }
        if !auth {
            return Ok(());
        }
        let usm = &message.usm;
        if !(1..=32).contains(&usm.engine_id.len()) {
            return Err(Rejected::UnknownEngine);
        }
        let peer_key: PeerKey = (usm.engine_id.into(), access);
        if let Some(peer) = self.peers.get_mut(&peer_key) {
            if !peer.keys.auth.as_ref().is_some_and(|key| usm::verify(message, key)) {
                return Err(Rejected::WrongDigest);
            }
            if !peer.clock.accept(usm.boots, usm.time, now) {
                return Err(Rejected::NotInTimeWindow);
            }
            peer.heard = now;
            return Ok(());
        }
        // Privacy keys may be costly, and are made for nobody who has not proven to be worth it.
        if !user.localize_auth(usm.engine_id).is_some_and(|key| usm::verify(message, &key)) {
            return Err(Rejected::WrongDigest);
        }
        let keys = user.localize(usm.engine_id);
        if self.peers.len() >= MOST_PEERS {
            self.forget_half();
        }
        self.peers.insert(peer_key, Peer { keys, clock: Clock::new(usm.boots, usm.time, now), heard: now });
        Ok(())
    }

    /// Make room: those that were not heard for longest go.
    fn forget_half(&mut self) {
        let mut heard: Vec<Timestamp> = self.peers.values().map(|peer| peer.heard).collect();
        heard.sort_unstable();
        if let Some(middle) = heard.get(heard.len() / 2).copied() {
            self.peers.retain(|_, peer| peer.heard > middle);
        }
    }
}

fn user_of(access: &Access) -> Option<&UserKeys> {
    match access {
        Access::User(user) => Some(user),
        Access::Community { .. } => None,
    }
}

/// The Response to an inform: what it said, with no error.
fn acknowledge(inform: &Pdu<'_>, out: &mut Vec<u8>) {
    let header =
        PduHeader { kind: PduKind::Response, request_id: inform.header.request_id, error_status: 0, error_index: 0 };
    let pdu = message::open_pdu(header, out);
    ber::put(out, ber::tag::SEQUENCE, inform.varbinds.bytes());
    ber::close(out, pdu);
}

const SYS_UP_TIME: Oid = Oid::literal(&[1, 3, 6, 1, 2, 1, 1, 3, 0]);
const SNMP_TRAP_OID: Oid = Oid::literal(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0]);
const SNMP_TRAP_ENTERPRISE: Oid = Oid::literal(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 3, 0]);
const SNMP_TRAP_ADDRESS: Oid = Oid::literal(&[1, 3, 6, 1, 6, 3, 18, 1, 3, 0]);
const SNMP_TRAPS: Oid = Oid::literal(&[1, 3, 6, 1, 6, 3, 1, 1, 5]);

fn from_v2<'a>(version: Version, pdu: &Pdu<'a>, access: usize) -> Result<Notification<'a>, Rejected> {
    let inform = match pdu.header.kind {
        PduKind::TrapV2 => false,
        PduKind::Inform => true,
        _ => return Err(Rejected::NotANotification),
    };
    let (mut uptime, mut trap, mut enterprise, mut agent_address) = (None, None, None, None);
    for varbind in pdu.varbinds.iter().flatten() {
        match varbind.value {
            Value::TimeTicks(ticks) if varbind.name == SYS_UP_TIME.as_ref() => uptime = Some(Uptime(ticks)),
            Value::Oid(oid) if varbind.name == SNMP_TRAP_OID.as_ref() => trap = Some(oid.to_owned()),
            Value::Oid(oid) if varbind.name == SNMP_TRAP_ENTERPRISE.as_ref() => enterprise = Some(oid.to_owned()),
            Value::IpAddress(address) if varbind.name == SNMP_TRAP_ADDRESS.as_ref() => agent_address = Some(address),
            _ => (),
        }
    }
    Ok(Notification {
        version,
        access,
        inform,
        uptime,
        // Without it nobody knows what is told.
        trap: trap.ok_or(Rejected::NotANotification)?,
        agent_address,
        enterprise,
        engine_id: Vec::new(),
        varbinds: pdu.varbinds,
    })
}

/// RFC 3584 §3.1.
fn from_v1<'a>(trap: &TrapV1<'a>, access: usize) -> Notification<'a> {
    let generic = u32::try_from(trap.generic).ok().filter(|generic| *generic < 6);
    let named = match generic {
        Some(generic) => SNMP_TRAPS.child(generic + 1),
        None => {
            let specific = trap.specific.cast_unsigned();
            trap.enterprise.to_owned().child(0).and_then(|enterprise| enterprise.child(specific))
        }
    };
    Notification {
        version: Version::V1,
        access,
        inform: false,
        uptime: Some(Uptime(trap.timestamp)),
        // An enterprise that has no room for two more arcs is told as it is.
        trap: named.unwrap_or_else(|_| trap.enterprise.to_owned()),
        agent_address: Some(trap.agent_address).filter(|address| !address.is_unspecified()),
        enterprise: Some(trap.enterprise.to_owned()),
        engine_id: Vec::new(),
        varbinds: trap.varbinds,
    }
}

#[cfg(test)]
mod tests;
