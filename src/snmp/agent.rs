//! The agent's side (RFC 3416 §4.2.1 to §4.2.3), without input or output: what a simulated device answers
//! with.

use super::DecodeError;
use super::oid::OidRef;
use super::session::Access;
use super::usm::LocalEngine;
use super::value::{Value, VarBind};
use crate::fabric::Timestamp;

/// What an agent has to tell.
pub trait ObjectTree {
    /// The value of an instance; [`Value::NoSuchObject`] or [`Value::NoSuchInstance`] where there is none.
    fn get(&self, name: OidRef<'_>) -> Value<'_>;

    /// The instance after a name, and its value; none at the end.
    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>>;
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
#[derive(Debug)]
pub struct Agent {
    _todo: (),
}

/// The message size of old: 1,500 bytes of Ethernet less the headers of IPv4 and UDP.
pub const DEFAULT_MESSAGE_SIZE: usize = 1_472;

impl Agent {
    /// An agent that lets in who has this access. `engine` matters with version 3 only.
    pub fn new(access: Access, engine: LocalEngine, max_message_size: usize, seed: u64) -> Self {
        let _ = (access, engine, max_message_size, seed);
        todo!()
    }

    /// Answer a request: `out` is overwritten with what to send. A GetBulk's answer is cut to fit the
    /// message size; other answers that do not fit become tooBig. An error may come with a Report in `out`.
    pub fn answer(
        &mut self,
        now: Timestamp,
        datagram: &mut [u8],
        objects: &impl ObjectTree,
        out: &mut Vec<u8>,
    ) -> Result<(), Unanswered> {
        let _ = (now, datagram, objects, out);
        todo!()
    }

    /// Write a trap (with version 1 or 2c access a version 2c one): `out` is overwritten. `varbinds` begin
    /// with sysUpTime.0 and snmpTrapOID.0.
    pub fn trap(&mut self, now: Timestamp, varbinds: &[VarBind<'_>], out: &mut Vec<u8>) {
        let _ = (now, varbinds, out);
        todo!()
    }
}
