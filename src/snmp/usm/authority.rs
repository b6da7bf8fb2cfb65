//! Where we are the authoritative engine (RFC 3414 §3.2): others address requests and informs to us, by our
//! clock, and are told by a Report what they have wrong.

use std::fmt;

use super::authentication::AuthKey;
use super::clock::TIME_WINDOW;
use super::key::EngineKeys;
use super::privacy::Salts;
use super::seal::{Envelope, seal, verify};
use super::{Report, UserKeys};
use crate::fabric::Timestamp;
use crate::snmp::message::{PduHeader, PduKind, ScopedData, ScopedPdu, V3Message, put_pdu};
use crate::snmp::oid::Oid;
use crate::snmp::value::{Value, VarBind};

/// Our own engine, where we are the authoritative one: we receive informs or answer requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEngine {
    /// snmpEngineID: 5 to 32 bytes, the same after a restart.
    pub id: Box<[u8]>,
    /// snmpEngineBoots: one more after each restart (the caller keeps it).
    pub boots: u32,
    /// When this boot began: snmpEngineTime counts from it.
    pub started: Timestamp,
}

impl LocalEngine {
    /// An engine id of the octets format (RFC 3411 §5, SnmpEngineID) from random bytes. The enterprise
    /// number is the one that RFC 5612 reserves for documentation: we have none of our own.
    pub fn id_from_random(random: u64) -> Box<[u8]> {
        let mut id = vec![0x80, 0, 0x7e, 0xd9, 5];
        id.extend_from_slice(&random.to_be_bytes());
        id.into()
    }

    /// snmpEngineTime.
    fn time(&self, now: Timestamp) -> u32 {
        u32::try_from(now.since(self.started).as_secs()).unwrap_or(u32::MAX).min(i32::MAX as u32)
    }
}

/// Our engine, our users' keys for it, and what went wrong so far (RFC 3414 §5).
pub(in crate::snmp) struct Authority {
    engine: LocalEngine,
    salts: Salts,
    counted: [u32; 7],
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Authority {
    pub(in crate::snmp) fn new(engine: LocalEngine, seed: u64) -> Self {
        Self { engine, salts: Salts::new(seed), counted: [0; 7] }
    }

    pub(in crate::snmp) fn engine_id(&self) -> &[u8] {
        &self.engine.id
    }

    /// Believe a message, or say why not and write the Report about it into `reply`. `user` is ours of the
    /// message's user name.
    pub(in crate::snmp) fn check(
        &mut self,
        now: Timestamp,
        message: &V3Message<'_>,
        user: Option<(&UserKeys, &EngineKeys)>,
        reply: &mut Vec<u8>,
    ) -> Result<(), Report> {
        if message.usm.engine_id != &*self.engine.id {
            return Err(self.report(now, message, Report::UnknownEngineId, None, reply));
        }
        let Some((user, keys)) = user else {
            return Err(self.report(now, message, Report::UnknownUserName, None, reply));
        };
        if message.flags.auth != user.authenticates() || message.flags.privacy != user.encrypts() {
            return Err(self.report(now, message, Report::UnsupportedSecurityLevel, None, reply));
        }
        let Some(key) = &keys.auth else { return Ok(()) };
        if !verify(message, key) {
            return Err(self.report(now, message, Report::WrongDigest, None, reply));
        }
        if message.usm.boots != self.engine.boots || message.usm.time.abs_diff(self.engine.time(now)) > TIME_WINDOW {
            return Err(self.report(now, message, Report::NotInTimeWindow, Some(key), reply));
        }
        Ok(())
    }

    /// Write an answer to an accepted message.
    pub(in crate::snmp) fn respond(
        &mut self,
        now: Timestamp,
        msg_id: i32,
        (user, keys): (&UserKeys, &EngineKeys),
        context: (&[u8], &[u8]),
        put_pdu: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let envelope = Envelope {
            msg_id,
            reportable: false,
            engine_id: &self.engine.id,
            boots: self.engine.boots,
            time: self.engine.time(now),
            user: user.name(),
            context_engine_id: context.0,
            context_name: context.1,
        };
        seal(&envelope, keys.both(), &mut self.salts, put_pdu, out);
    }

    /// Count a failure, and write the Report about it where one is wanted.
    fn report(
        &mut self,
        now: Timestamp,
        message: &V3Message<'_>,
        what: Report,
        secured: Option<&AuthKey>,
        reply: &mut Vec<u8>,
    ) -> Report {
        let counted = &mut self.counted[what as usize];
        *counted = counted.wrapping_add(1);
        let counted = *counted;
        // Never report about what may be a report: two engines would do so for ever.
        let plain = match message.data {
            ScopedData::Plain(text) => ScopedPdu::decode(text).ok().map(|scoped| scoped.pdu.header),
            ScopedData::Encrypted(_) => None,
        };
        if !plain.map_or(message.flags.reportable, |header| header.kind.is_confirmed()) {
            return what;
        }
        let header = PduHeader {
            kind: PduKind::Report,
            request_id: plain.map_or(0, |header| header.request_id),
            error_status: 0,
            error_index: 0,
        };
        let name = what.name();
        let varbind = VarBind { name: name.as_ref(), value: Value::Counter32(counted) };
        let envelope = Envelope {
            msg_id: message.msg_id,
            reportable: false,
            engine_id: &self.engine.id,
            boots: self.engine.boots,
            time: self.engine.time(now),
            user: message.usm.user,
            context_engine_id: &self.engine.id,
            context_name: &[],
        };
        // notInTimeWindows is told authentically, and nothing is told secretly (RFC 3414 §3.2 step 7).
        seal(&envelope, (secured, None), &mut self.salts, |out| put_pdu(header, [varbind], out), reply);
        what
    }
}

impl Report {
    fn name(self) -> Oid {
        const fn stats(arc: u32) -> Oid {
            Oid::literal(&[1, 3, 6, 1, 6, 3, 15, 1, 1, arc, 0])
        }
        match self {
            Self::UnsupportedSecurityLevel => stats(1),
            Self::NotInTimeWindow => stats(2),
            Self::UnknownUserName => stats(3),
            Self::UnknownEngineId => stats(4),
            Self::WrongDigest => stats(5),
            Self::DecryptionError => stats(6),
            Self::UnknownContext => Oid::literal(super::SNMP_UNKNOWN_CONTEXTS),
        }
    }
}
