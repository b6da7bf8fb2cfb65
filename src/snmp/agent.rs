//! The agent's side (RFC 3416 §4.2.1 to §4.2.3), without input or output: what a simulated device answers
//! with.
//!
//! Values go from the tree of objects straight into the answer; nothing is allocated for a binding.

use std::fmt;
use std::ops::ControlFlow;

use super::DecodeError;
use super::ber::{self, tag};
use super::message::{self, Body, ErrorStatus, Message, Pdu, PduHeader, PduKind, ScopedPdu, V3Message, Version};
use super::oid::{Oid, OidRef};
use super::session::Access;
use super::usm::{self, Authority, EngineKeys, LocalEngine, Report, Sealed};
use super::value::{Value, VarBind};
use crate::fabric::Timestamp;

/// What an agent has to tell.
pub trait ObjectTree {
    /// The value of an instance; [`Value::NoSuchObject`] or [`Value::NoSuchInstance`] where there is none.
    fn get(&self, name: OidRef<'_>) -> Value<'_>;

    /// The instance after a name, and its value; none at the end.
    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>>;

    /// The same in a run of them: `place` is the tree's to note where the last one was found. It is 0 when a
    /// run begins.
    fn next_in_run(&self, name: OidRef<'_>, place: &mut usize) -> Option<VarBind<'_>> {
        let _ = place;
        self.next(name)
    }
}

/// Why a datagram has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be read.
    Undecodable(DecodeError),
    /// Another community, user or key than the agent's.
    Refused,
    /// Not a request that an agent answers.
    NotARequest,
}

/// An agent.
pub struct Agent {
    access: Access,
    authority: Authority,
    keys: Option<EngineKeys>,
    max_message_size: usize,
    next_notification: i32,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("access", &self.access)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// The message size of old: 1,500 bytes of Ethernet less the headers of IPv4 and UDP.
pub const DEFAULT_MESSAGE_SIZE: usize = 1_472;

/// Bytes by which the headers around the bindings may still grow when they are closed, and padding.
const CLOSING: usize = 8;
const CLOSING_V3: usize = 32;

/// Columns of a GetBulk that are kept track of without the heap.
const FEW_COLUMNS: usize = 32;

/// Objects that a request of version 1 may make us pass over, because it knows no Counter64.
const MOST_HIDDEN: usize = 10_000;

impl Agent {
    /// An agent that lets in who has this access (with a community, in version 1 as well as 2c). `engine`
    /// matters with version 3 only.
    pub fn new(access: Access, engine: LocalEngine, max_message_size: usize, seed: u64) -> Self {
        let keys = match &access {
            Access::User(user) => Some(user.localize(&engine.id)),
            Access::Community { .. } => None,
        };
        Self {
            access,
            keys,
            authority: Authority::new(engine, seed),
            max_message_size,
            next_notification: (seed >> 33) as i32,
        }
    }

    /// Answer a request: `out` is overwritten with what to send. A GetBulk's answer is cut to fit the
    /// message size; other answers that do not fit become tooBig. An error may come with a Report in `out`:
    /// send what is there.
    pub fn answer(
        &mut self,
        now: Timestamp,
        datagram: &mut [u8],
        objects: &impl ObjectTree,
        out: &mut Vec<u8>,
    ) -> Result<(), Unanswered> {
        out.clear();
        if message::is_v3(datagram) {
            return self.answer_v3(now, datagram, objects, out);
        }
        let message = match message::decode(datagram).map_err(Unanswered::Undecodable)? {
            Message::Community(message) => message,
            Message::V3(_) => return Err(Unanswered::NotARequest),
        };
        match &self.access {
            Access::Community { community, .. } if community.reveal().as_bytes() == message.community => (),
            _ => return Err(Unanswered::Refused),
        }
        let Body::Pdu(pdu) = message.body else { return Err(Unanswered::NotARequest) };
        let limit = self.max_message_size.saturating_sub(CLOSING);
        let answer = Answer::new(&pdu, message.version, objects)?;
        message::put_community(message.version, message.community, |out| answer.put(limit, out), out);
        Ok(())
    }

    fn answer_v3(
        &mut self,
        now: Timestamp,
        datagram: &mut [u8],
        objects: &impl ObjectTree,
        out: &mut Vec<u8>,
    ) -> Result<(), Unanswered> {
        let message = match message::decode(datagram).map_err(Unanswered::Undecodable)? {
            Message::V3(message) => message,
            Message::Community(_) => return Err(Unanswered::NotARequest),
        };
        let (Access::User(user), Some(keys)) = (&self.access, &self.keys) else { return Err(Unanswered::Refused) };
        let known = Some((&**user, keys)).filter(|(user, _)| user.name() == message.usm.user);
        self.authority.check(now, &message, known, out).map_err(|_: Report| Unanswered::Refused)?;
        let V3Message { msg_id, max_size, .. } = message;
        let sealed = Sealed::new(datagram, &message);
        let scoped: ScopedPdu<'_> =
            usm::open(datagram, &sealed, keys.privacy.as_ref()).map_err(|_| Unanswered::Refused)?;
        if scoped.context_name != user.context() {
            return Err(Unanswered::Refused);
        }
        // RFC 3412 §6.3: nobody may say that it takes less than 484 bytes.
        let most = usize::try_from(max_size).unwrap_or(usize::MAX).max(484).min(self.max_message_size);
        let limit = most.saturating_sub(CLOSING_V3);
        let answer = Answer::new(&scoped.pdu, Version::V3, objects)?;
        let context = (scoped.context_engine_id, scoped.context_name);
        self.authority.respond(now, msg_id, (user, keys), context, |out| answer.put(limit, out), out);
        Ok(())
    }

    /// Write a trap (with a community, a version 2c one): `out` is overwritten. `varbinds` begin with
    /// sysUpTime.0 and snmpTrapOID.0.
    pub fn trap(&mut self, now: Timestamp, varbinds: &[VarBind<'_>], out: &mut Vec<u8>) {
        out.clear();
        self.next_notification = self.next_notification.wrapping_add(1) & i32::MAX;
        let request_id = self.next_notification;
        let header = PduHeader { kind: PduKind::TrapV2, request_id, error_status: 0, error_index: 0 };
        let put_pdu = |out: &mut Vec<u8>| message::put_pdu(header, varbinds.iter().copied(), out);
        match (&self.access, &self.keys) {
            (Access::User(user), Some(keys)) => {
                let engine_id = self.authority.engine_id().to_vec();
                let context = (&engine_id[..], user.context());
                self.authority.respond(now, request_id, (user, keys), context, put_pdu, out);
            }
            (Access::Community { community, .. }, _) => {
                message::put_community(Version::V2c, community.reveal().as_bytes(), put_pdu, out);
            }
            // A user's keys are made with the agent.
            (Access::User(_), None) => (),
        }
    }
}

/// A request that is to be answered.
struct Answer<'a, T> {
    pdu: &'a Pdu<'a>,
    v1: bool,
    objects: &'a T,
}

impl<'a, T: ObjectTree> Answer<'a, T> {
    fn new(pdu: &'a Pdu<'a>, version: Version, objects: &'a T) -> Result<Self, Unanswered> {
        match pdu.header.kind {
            PduKind::GetBulk if version == Version::V1 => return Err(Unanswered::NotARequest),
            PduKind::Get | PduKind::GetNext | PduKind::GetBulk => (),
            _ => return Err(Unanswered::NotARequest),
        }
        // What the values are does not matter.
        let mut varbinds = pdu.varbinds.iter();
        while let Some(varbind) = varbinds.next_raw() {
            varbind.map_err(Unanswered::Undecodable)?;
        }
        Ok(Self { pdu, v1: version == Version::V1, objects })
    }

    /// The answer's PDU, so that `out` does not grow beyond `limit` by more than closing headers takes.
    fn put(&self, limit: usize, out: &mut Vec<u8>) {
        let start = out.len();
        let header = |status: ErrorStatus, index: usize| PduHeader {
            kind: PduKind::Response,
            request_id: self.pdu.header.request_id,
            error_status: status.0,
            error_index: i32::try_from(index).unwrap_or(i32::MAX),
        };
        let pdu = message::open_pdu(header(ErrorStatus::NO_ERROR, 0), out);
        let list = ber::open(out, tag::SEQUENCE);
        let fits = |varbind: VarBind<'_>, out: &mut Vec<u8>| {
            if varbind.put_within(limit, out) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break((ErrorStatus::TOO_BIG, 0))
            }
        };
        let done = match self.pdu.header.kind {
            PduKind::Get => self.get(fits, out),
            PduKind::GetNext => self.next(fits, out),
            _ => {
                // What does not fit is left out.
                let _ = self.bulk(fits, out);
                ControlFlow::Continue(())
            }
        };
        if let ControlFlow::Break((status, index)) = done {
            out.truncate(start);
            let pdu = message::open_pdu(header(status, index), out);
            // Version 1 gives the request back, later ones do not where it is about size.
            let echoed = if self.v1 { self.pdu.varbinds.bytes() } else { &[] };
            ber::put(out, tag::SEQUENCE, echoed);
            ber::close(out, pdu);
            return;
        }
        ber::close(out, list);
        ber::close(out, pdu);
    }

    fn names(&self) -> impl Iterator<Item = OidRef<'a>> {
        let mut varbinds = self.pdu.varbinds.iter();
        std::iter::from_fn(move || varbinds.next_raw()).flatten().map(|varbind| varbind.name)
    }

    fn get(&self, mut fits: impl FnMut(VarBind<'_>, &mut Vec<u8>) -> Put, out: &mut Vec<u8>) -> Put {
        for (at, name) in self.names().enumerate() {
            let value = self.objects.get(name);
            if self.v1 && !is_v1(value) {
                return ControlFlow::Break((ErrorStatus::NO_SUCH_NAME, at + 1));
            }
            fits(VarBind { name, value }, out)?;
        }
        ControlFlow::Continue(())
    }

    fn next(&self, mut fits: impl FnMut(VarBind<'_>, &mut Vec<u8>) -> Put, out: &mut Vec<u8>) -> Put {
        let mut hidden = MOST_HIDDEN;
        for (at, name) in self.names().enumerate() {
            let mut found = self.objects.next(name);
            while let Some(unseen) = found.filter(|found| self.v1 && !is_v1(found.value)) {
                if hidden == 0 {
                    return ControlFlow::Break((ErrorStatus::GEN_ERR, at + 1));
                }
                hidden -= 1;
                found = self.objects.next(unseen.name);
            }
            match found {
                None if self.v1 => return ControlFlow::Break((ErrorStatus::NO_SUCH_NAME, at + 1)),
                None => fits(VarBind { name, value: Value::EndOfMibView }, out)?,
                Some(varbind) => fits(varbind, out)?,
            }
        }
        ControlFlow::Continue(())
    }

    fn bulk(&self, mut fits: impl FnMut(VarBind<'_>, &mut Vec<u8>) -> Put, out: &mut Vec<u8>) -> Put {
        let count = |number: i32| usize::try_from(number).unwrap_or(0);
        let once = count(self.pdu.header.error_status);
        let mut names = self.names();
        for name in names.by_ref().take(once) {
            fits(self.objects.next(name).unwrap_or(VarBind { name, value: Value::EndOfMibView }), out)?;
        }
        // As many as pollers ask for need no heap.
        let mut few = [(OidRef::from_checked(&[]), 0); FEW_COLUMNS];
        let mut many = Vec::new();
        let mut columns = 0;
        for name in names {
            match few.get_mut(columns) {
                Some(cursor) => cursor.0 = name,
                None => {
                    if many.is_empty() {
                        many.extend_from_slice(&few);
                    }
                    many.push((name, 0));
                }
            }
            columns += 1;
        }
        let cursors = if many.is_empty() { &mut few[..columns] } else { &mut many[..] };
        for _ in 0..count(self.pdu.header.error_index) {
            let mut ended = true;
            for (name, place) in &mut *cursors {
                let found = self.objects.next_in_run(*name, place);
                ended &= found.is_none();
                let varbind = found.unwrap_or(VarBind { name: *name, value: Value::EndOfMibView });
                fits(varbind, out)?;
                *name = varbind.name;
            }
            if ended {
                break;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether a binding was written, or which error takes the place of all.
type Put = ControlFlow<(ErrorStatus, usize)>;

/// Whether version 1 has such a value.
fn is_v1(value: Value<'_>) -> bool {
    !value.is_exception() && !matches!(value, Value::Counter64(_))
}

/// A tree of objects in a sorted list: what recordings and tests need.
#[derive(Clone, Debug, Default)]
pub struct SortedObjects<V> {
    objects: Vec<(Oid, V)>,
}

impl<V> SortedObjects<V> {
    /// From objects in any order; of those with the same name the first stands.
    pub fn new(mut objects: Vec<(Oid, V)>) -> Self {
        objects.sort_by(|one, other| one.0.cmp(&other.0));
        objects.dedup_by(|later, first| later.0 == first.0);
        Self { objects }
    }

    /// All of them, in order; values may be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Oid, &mut V)> {
        self.objects.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// The place of a value.
    pub fn get_mut(&mut self, name: &Oid) -> Option<&mut V> {
        let at = self.objects.binary_search_by(|(other, _)| other.cmp(name)).ok()?;
        Some(&mut self.objects[at].1)
    }
}

/// What can be seen as a value.
pub trait AsValue {
    /// The value.
    fn as_value(&self) -> Value<'_>;
}

impl<V: AsValue> ObjectTree for SortedObjects<V> {
    fn get(&self, name: OidRef<'_>) -> Value<'_> {
        match self.objects.binary_search_by(|(other, _)| other.as_ref().cmp(&name)) {
            Ok(at) => self.objects[at].1.as_value(),
            Err(_) => Value::NoSuchInstance,
        }
    }

    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>> {
        self.next_in_run(name, &mut 0)
    }

    fn next_in_run(&self, name: OidRef<'_>, place: &mut usize) -> Option<VarBind<'_>> {
        let at = match self.objects.get(*place) {
            Some((last, _)) if last.as_ref() == name => *place + 1,
            _ => self.objects.partition_point(|(other, _)| other.as_ref() <= name),
        };
        let (name, value) = self.objects.get(at)?;
        *place = at;
        Some(VarBind { name: name.as_ref(), value: value.as_value() })
    }
}

#[cfg(test)]
mod tests;
