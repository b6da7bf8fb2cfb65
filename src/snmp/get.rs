//! Reads single instances, over as many PDUs as it takes (RFC 3416 §4.2.1), without input or output.

use super::message::ErrorStatus;
use super::oid::Oid;
use super::session::{Request, RequestError, Response};
use super::table::Progress;
use super::value::Value;

/// What became of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got<'a> {
    /// Its value, or one of the exceptions in place of a value (version 1's noSuchName is given as
    /// [`Value::NoSuchObject`]).
    Value(Value<'a>),
    /// The device refused this name.
    Error(ErrorStatus),
    /// The device answered without it.
    Missing,
}

/// Reads a list of instances.
#[derive(Debug)]
pub struct GetList {
    _todo: (),
}

impl GetList {
    /// For these instances; `reply_size` is the size of a reply that is aimed at, bytes.
    pub fn new(names: Vec<Oid>, reply_size: usize) -> Self {
        let _ = (names, reply_size);
        todo!()
    }

    /// What to ask now; none where it is over.
    pub fn request(&mut self) -> Option<Request<'_>> {
        todo!()
    }

    /// The response to that request; `got` is called with the place in the list of each name that is
    /// thereby settled. Every name is settled once, unless the whole ends by a failure.
    pub fn response(&mut self, response: &Response<'_>, got: impl FnMut(usize, Got<'_>)) -> Progress {
        let _ = (response, got);
        todo!()
    }

    /// That request failed.
    pub fn failed(&mut self, error: RequestError) -> Progress {
        let _ = error;
        todo!()
    }
}

#[allow(unused)]
fn _unused(_: ErrorStatus) {}
