//! The client's side of a conversation with one device (RFC 3412 §7, RFC 3414 §3.1, §3.2 and §4), without
//! input or output.
//!
//! [`Session::request`] gives the bytes to send; [`Session::receive`] is told every datagram that came from
//! the device; [`Session::next_deadline`] says when [`Session::poll_timeout`] wants to be called. Several
//! requests may be outstanding. With version 3 the first requests discover the device's engine by
//! themselves, and a device that restarted is synchronised with again; neither is seen by the caller but as
//! [`Outcome::Resend`].

mod exchange;
mod rto;

use super::message::{self, Body, CommunityMessage, ErrorStatus, Message, Pdu, PduHeader, PduKind, V3Message, Version};
use super::usm::{self, Clock, EngineKeys, Envelope, OpenError, Report, Salts, Sealed};
use super::value::{Value, VarBind};
use crate::fabric::Timestamp;

use self::rto::Rto;
pub use exchange::{Access, Expired, Outcome, Patience, Refusal, Request, RequestError, RequestId, Response};

/// A conversation with one device.
#[derive(Debug)]
pub struct Session {
    access: Access,
    patience: Patience,
    rto: Rto,
    engine: Option<Box<Engine>>,
    next_request: i32,
    next_message: i32,
    salts: Salts,
    outstanding: Vec<Outstanding>,
    /// Buffers of requests that ended, for those to come.
    spare: Vec<Vec<u8>>,
}

/// What is known of the device's engine.
#[derive(Debug)]
struct Engine {
    id: Box<[u8]>,
    keys: EngineKeys,
    /// Its clock by authentic messages.
    clock: Option<Clock>,
    /// Its clock by messages that prove nothing: good enough to write into a request, for a device that has
    /// another time tells us so, authentically. Not good enough to judge what it sends.
    hint: Clock,
    /// Nothing is answered any more: ask who is there before the next request.
    doubted: bool,
}

#[derive(Debug)]
struct Outstanding {
    id: RequestId,
    header: PduHeader,
    /// The encoded bindings.
    varbinds: Vec<u8>,
    /// msgIDs of the latest transmissions.
    messages: [i32; 4],
    begun: Timestamp,
    sent: Timestamp,
    deadline: Timestamp,
    retries: u32,
    /// The latest transmission only asked who is there.
    probing: bool,
    /// How often a Report had it sent again.
    reports: u8,
    /// What came instead of an answer.
    trouble: Option<RequestError>,
}

/// Discovery takes one Report, synchronisation another, and a restart between them two more.
const MOST_REPORTS: u8 = 4;

/// A buffer that grew for one large request is not worth keeping.
const SPARE_BUFFERS: usize = 4;

impl Session {
    /// Nothing is sent before it is asked to. `seed` makes its numbers and salts unpredictable: it must be
    /// random, and another one for each session.
    pub fn new(access: Access, patience: Patience, seed: u64) -> Self {
        let mut seed = seed;
        Self {
            access,
            patience,
            rto: Rto::default(),
            engine: None,
            next_request: scramble(&mut seed) as i32,
            next_message: scramble(&mut seed) as i32,
            salts: Salts::new(scramble(&mut seed)),
            outstanding: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Begin a request: `out` is overwritten with the datagram to send.
    pub fn request(&mut self, now: Timestamp, request: &Request<'_>, out: &mut Vec<u8>) -> RequestId {
        let (kind, error_status, error_index, names) = match *request {
            Request::Get(names) => (PduKind::Get, 0, 0, names),
            Request::GetBulk { names, .. } if self.is_v1() => (PduKind::GetNext, 0, 0, names),
            Request::GetNext(names) => (PduKind::GetNext, 0, 0, names),
            Request::GetBulk { non_repeaters, max_repetitions, names } => {
                (PduKind::GetBulk, i32::from(non_repeaters), i32::from(max_repetitions), names)
            }
        };
        let nulls = names.iter().map(|name| VarBind { name: name.as_ref(), value: Value::Null });
        self.begin(now, kind, (error_status, error_index), |out| message::put_varbinds(nulls, out), out)
    }

    /// The same as [`Request::GetBulk`], with names that are encoded already: a sequence of bindings without values.
    pub fn get_bulk_encoded(
        &mut self,
        now: Timestamp,
        (non_repeaters, max_repetitions): (u16, u16),
        names: &[u8],
        out: &mut Vec<u8>,
    ) -> RequestId {
        let (kind, numbers) = match self.is_v1() {
            true => (PduKind::GetNext, (0, 0)),
            false => (PduKind::GetBulk, (i32::from(non_repeaters), i32::from(max_repetitions))),
        };
        self.begin(now, kind, numbers, |out| message::put_encoded_varbinds(names, out), out)
    }

    fn begin(
        &mut self,
        now: Timestamp,
        kind: PduKind,
        (error_status, error_index): (i32, i32),
        put_varbinds: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> RequestId {
        let id = loop {
            let id = RequestId(advance(&mut self.next_request));
            if self.find(id).is_none() {
                break id;
            }
        };
        let mut varbinds = self.spare.pop().unwrap_or_default();
        varbinds.clear();
        put_varbinds(&mut varbinds);
        self.outstanding.push(Outstanding {
            id,
            header: PduHeader { kind, request_id: id.0, error_status, error_index },
            varbinds,
            messages: [0; 4],
            begun: now,
            sent: now,
            deadline: now,
            retries: self.patience.retries,
            probing: false,
            reports: 0,
            trouble: None,
        });
        self.transmit(self.outstanding.len() - 1, now, out);
        id
    }

    /// A datagram came from the device; it is decrypted where it lies. `out` is overwritten if something is
    /// to be sent at once.
    pub fn receive<'a>(&mut self, now: Timestamp, datagram: &'a mut [u8], out: &mut Vec<u8>) -> Outcome<'a> {
        if message::is_v3(datagram) {
            return self.receive_v3(now, datagram, out);
        }
        match message::decode(datagram) {
            Err(error) => self.trouble(None, RequestError::Undecodable(error)),
            Ok(Message::Community(message)) => self.receive_community(now, &message, datagram.len()),
            Ok(Message::V3(_)) => Outcome::Unexpected,
        }
    }

    /// When the next try runs out; none where nothing is outstanding.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.outstanding.iter().map(|outstanding| outstanding.deadline).min()
    }

    /// One of the tries that ran out by `now`; call again until there is none. `out` is overwritten where
    /// something is to be sent.
    pub fn poll_timeout(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<Expired> {
        let at = self.outstanding.iter().position(|outstanding| outstanding.deadline <= now)?;
        let outstanding = &mut self.outstanding[at];
        let request = outstanding.id;
        if outstanding.retries > 0 {
            outstanding.retries -= 1;
            self.rto.ran_out();
            self.transmit(at, now, out);
            return Some(Expired::Resend { request });
        }
        let error = outstanding.trouble.unwrap_or(RequestError::Timeout);
        if let Some(engine) = &mut self.engine {
            engine.doubted = true;
        }
        self.end(at);
        Some(Expired::GaveUp { request, error })
    }

    /// Forget a request: its answer becomes [`Outcome::Unexpected`].
    pub fn cancel(&mut self, request: RequestId) {
        if let Some(at) = self.find(request) {
            self.end(at);
        }
    }

    /// How many requests are outstanding.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The device's snmpEngineID, once it is known (version 3).
    pub fn engine_id(&self) -> Option<&[u8]> {
        self.engine.as_ref().map(|engine| &*engine.id)
    }

    fn is_v1(&self) -> bool {
        matches!(self.access, Access::Community { version: Version::V1, .. })
    }

    fn find(&self, id: RequestId) -> Option<usize> {
        self.outstanding.iter().position(|outstanding| outstanding.id == id)
    }

    fn end(&mut self, at: usize) {
        let ended = self.outstanding.swap_remove(at);
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(ended.varbinds);
        }
    }

    /// Write an outstanding request as it must look now, and start its clock.
    fn transmit(&mut self, at: usize, now: Timestamp, out: &mut Vec<u8>) {
        let Self { access, patience, rto, engine, next_message, salts, outstanding, .. } = self;
        let outstanding = &mut outstanding[at];
        outstanding.sent = now;
        outstanding.deadline = match outstanding.retries {
            0 => (now + patience.timeout).max(outstanding.begun + patience.timeout * (patience.retries + 1)),
            _ => now + rto.wait(patience.timeout),
        };
        out.clear();
        match access {
            Access::Community { version, community } => {
                let community = community.reveal().as_bytes();
                message::put_community(*version, community, |out| outstanding.put_pdu(out), out);
            }
            Access::User(user) => {
                let msg_id = advance(next_message);
                outstanding.messages.rotate_right(1);
                outstanding.messages[0] = msg_id;
                let engine = engine.as_deref().filter(|engine| !engine.doubted);
                outstanding.probing = engine.is_none();
                match engine {
                    Some(engine) => {
                        let (boots, time) = engine.clock.unwrap_or(engine.hint).at(now);
                        let envelope = Envelope {
                            msg_id,
                            reportable: true,
                            engine_id: &engine.id,
                            boots,
                            time,
                            user: user.name(),
                            context_engine_id: &engine.id,
                            context_name: user.context(),
                        };
                        usm::seal(&envelope, engine.keys.both(), salts, |out| outstanding.put_pdu(out), out);
                    }
                    // Nobody in particular is asked for nothing, and says who it is (RFC 3414 §4).
                    None => {
                        let header = PduHeader {
                            kind: PduKind::Get,
                            request_id: outstanding.id.0,
                            error_status: 0,
                            error_index: 0,
                        };
                        let envelope = Envelope::discovery(msg_id);
                        usm::seal(&envelope, (None, None), salts, |out| message::put_pdu(header, [], out), out);
                    }
                }
            }
        }
    }

    fn receive_community<'a>(&mut self, now: Timestamp, message: &CommunityMessage<'a>, size: usize) -> Outcome<'a> {
        let Access::Community { version, community } = &self.access else { return Outcome::Unexpected };
        let Body::Pdu(pdu) = message.body else { return Outcome::Unexpected };
        if pdu.header.kind != PduKind::Response {
            return Outcome::Unexpected;
        }
        match self.find(RequestId(pdu.header.request_id)) {
            None => Outcome::Unexpected,
            Some(at) if message.version != *version || message.community != community.reveal().as_bytes() => {
                self.trouble(Some(at), RequestError::Forged)
            }
            Some(at) => self.answered(now, at, pdu, size),
        }
    }

    fn receive_v3<'a>(&mut self, now: Timestamp, datagram: &'a mut [u8], out: &mut Vec<u8>) -> Outcome<'a> {
        let size = datagram.len();
        let (at, claim) = match message::decode(datagram) {
            Err(error) => return self.trouble(None, RequestError::Undecodable(error)),
            Ok(Message::Community(_)) => return Outcome::Unexpected,
            Ok(Message::V3(message)) => {
                let Access::User(user) = &self.access else { return Outcome::Unexpected };
                let asked = |outstanding: &Outstanding| outstanding.messages.contains(&message.msg_id);
                let Some(at) = self.outstanding.iter().position(asked).filter(|_| message.msg_id != 0) else {
                    return Outcome::Unexpected;
                };
                // What claims to be authentic is believed in nothing before it is. (What makes no such claim
                // may be a Report, of which only little is believed.)
                let authentic = || {
                    let engine = self.engine.as_ref()?;
                    let key = engine.keys.auth.as_ref()?;
                    let known = message.usm.engine_id == &*engine.id && message.usm.user == user.name();
                    Some(known && usm::verify(&message, key))
                };
                if message.flags.auth && authentic() != Some(true) {
                    return self.trouble(Some(at), RequestError::Forged);
                }
                (at, Claim::new(datagram, &message, self.engine.as_deref()))
            }
        };
        let privacy = self.engine.as_ref().and_then(|engine| engine.keys.privacy.as_ref());
        let scoped = match usm::open(datagram, &claim.sealed, privacy) {
            Ok(scoped) => scoped,
            Err(OpenError::Undecodable(error)) => return self.trouble(Some(at), RequestError::Undecodable(error)),
            Err(OpenError::Undecryptable) => {
                return self.trouble(Some(at), RequestError::Authentication(Refusal::DecryptionError));
            }
        };
        match scoped.pdu.header.kind {
            PduKind::Report => self.reported(now, at, &claim, &scoped.pdu, out),
            PduKind::Response => {
                let secured = self.engine.as_mut().is_some_and(|engine| engine.has_secured(&claim, now));
                if !secured || scoped.pdu.header.request_id != self.outstanding[at].id.0 {
                    return self.trouble(Some(at), RequestError::Forged);
                }
                self.answered(now, at, scoped.pdu, size)
            }
            _ => Outcome::Unexpected,
        }
    }

    /// The device says why it does not answer (RFC 3414 §3.2, §4).
    fn reported<'a>(
        &mut self,
        now: Timestamp,
        at: usize,
        claim: &Claim,
        pdu: &Pdu<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome<'a> {
        let report = pdu.varbinds.iter().find_map(|varbind| Report::from_name(varbind.ok()?.name));
        let refusal = match report {
            // Whatever it has against the probe: it said who it is.
            _ if self.outstanding[at].probing => return self.meet(now, at, claim, out),
            Some(Report::UnknownEngineId) => return self.meet(now, at, claim, out),
            Some(Report::NotInTimeWindow) => {
                let Some(engine) = &mut self.engine else { return self.trouble(Some(at), RequestError::Forged) };
                let told = Clock::new(claim.boots, claim.time, now);
                if claim.auth {
                    // It answers a msgID that nobody could foresee, so it is no repetition, and may set the
                    // clock back too: devices lose their boots.
                    engine.clock = Some(told);
                } else if engine.clock.is_none() {
                    engine.hint = told;
                } else {
                    return self.trouble(Some(at), RequestError::Forged);
                }
                return self.resend(now, at, out);
            }
            Some(Report::WrongDigest) => Refusal::WrongDigest,
            Some(Report::UnknownUserName) => Refusal::UnknownUserName,
            Some(Report::DecryptionError) => Refusal::DecryptionError,
            Some(Report::UnsupportedSecurityLevel) => Refusal::UnsupportedSecurityLevel,
            Some(Report::UnknownContext) => Refusal::UnknownContext,
            None => return self.trouble(Some(at), RequestError::Forged),
        };
        let request = self.outstanding[at].id;
        self.end(at);
        Outcome::Failed { request, error: RequestError::Authentication(refusal) }
    }

    /// Learn which engine is there, and ask it what we wanted to know.
    fn meet<'a>(&mut self, now: Timestamp, at: usize, claim: &Claim, out: &mut Vec<u8>) -> Outcome<'a> {
        let Access::User(user) = &self.access else { return Outcome::Unexpected };
        match (&claim.stranger, &mut self.engine) {
            (None, Some(engine)) => engine.doubted = false,
            // RFC 3411 allows 5 to 32 bytes, and devices less.
            (Some(id), engine) if (1..=32).contains(&id.len()) => {
                *engine = Some(Box::new(Engine {
                    id: id.clone(),
                    keys: user.localize(id),
                    clock: None,
                    hint: Clock::new(claim.boots, claim.time, now),
                    doubted: false,
                }));
            }
            _ => return self.trouble(Some(at), RequestError::Forged),
        }
        self.resend(now, at, out)
    }

    fn resend<'a>(&mut self, now: Timestamp, at: usize, out: &mut Vec<u8>) -> Outcome<'a> {
        let outstanding = &mut self.outstanding[at];
        let request = outstanding.id;
        outstanding.reports += 1;
        if outstanding.reports > MOST_REPORTS {
            self.end(at);
            return Outcome::Failed { request, error: RequestError::EngineUnsettled };
        }
        self.transmit(at, now, out);
        Outcome::Resend { request }
    }

    fn answered<'a>(&mut self, now: Timestamp, at: usize, pdu: Pdu<'a>, size: usize) -> Outcome<'a> {
        let Outstanding { id: request, sent, retries, .. } = self.outstanding[at];
        if retries == self.patience.retries {
            self.rto.answered(now.since(sent));
        }
        self.end(at);
        let response = Response {
            error_status: ErrorStatus(pdu.header.error_status),
            error_index: u32::try_from(pdu.header.error_index).unwrap_or(0),
            varbinds: pdu.varbinds,
            size,
        };
        Outcome::Response { request, response, round_trip: now.since(sent) }
    }

    /// Something came that is no answer: remember it as the reason, should none follow.
    fn trouble<'a>(&mut self, at: Option<usize>, error: RequestError) -> Outcome<'a> {
        match at {
            Some(at) => self.outstanding[at].trouble = Some(error),
            // Whose answer it was is not known; what is known weighs more.
            None => self.outstanding.iter_mut().for_each(|outstanding| {
                outstanding.trouble.get_or_insert(error);
            }),
        }
        match error {
            RequestError::Undecodable(error) => Outcome::Undecodable(error),
            _ => Outcome::Forged,
        }
    }
}

impl Engine {
    /// Whether a message whose MAC was right is secured as this engine's must be, and recent.
    fn has_secured(&mut self, claim: &Claim, now: Timestamp) -> bool {
        let as_agreed = claim.stranger.is_none()
            && claim.auth == self.keys.auth.is_some()
            && claim.sealed.is_encrypted() == self.keys.privacy.is_some();
        as_agreed
            && (!claim.auth || {
                let clock = self.clock.get_or_insert(Clock::new(claim.boots, claim.time, now));
                clock.accept(claim.boots, claim.time, now)
            })
    }
}

impl Outstanding {
    fn put_pdu(&self, out: &mut Vec<u8>) {
        let pdu = message::open_pdu(self.header, out);
        out.extend_from_slice(&self.varbinds);
        super::ber::close(out, pdu);
    }
}

/// What a version 3 message says of itself: owned, so that the datagram can be decrypted where it lies.
struct Claim {
    /// Its engine, where it is not the one that we know.
    stranger: Option<Box<[u8]>>,
    boots: u32,
    time: u32,
    auth: bool,
    sealed: Sealed,
}

impl Claim {
    fn new(datagram: &[u8], message: &V3Message<'_>, known: Option<&Engine>) -> Self {
        let is_known = known.is_some_and(|engine| &*engine.id == message.usm.engine_id);
        Self {
            stranger: (!is_known).then(|| message.usm.engine_id.into()),
            boots: message.usm.boots,
            time: message.usm.time,
            auth: message.flags.auth,
            sealed: Sealed::new(datagram, message),
        }
    }
}

/// The next of the positive numbers.
fn advance(number: &mut i32) -> i32 {
    *number = number.wrapping_add(1) & i32::MAX;
    if *number == 0 {
        *number = 1;
    }
    *number
}

/// SplitMix64: several numbers from one seed.
fn scramble(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
