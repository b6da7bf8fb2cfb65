//! Reads columns of tables row by row (RFC 3416 §4.2.3), without input or output.
//!
//! A [`TableWalk`] says what to ask next and is told the response; it hands out rows as soon as every column
//! has passed them. All cells of a row come from one PDU, together with the scalars (sysUpTime) of that PDU,
//! unless one row does not fit into a PDU. Between two responses it keeps nothing but where each column
//! stands, so its memory does not grow with the table.

use std::sync::Arc;

use super::oid::{IndexRef, Oid};
use super::session::{Request, RequestError, Response};
use super::value::Value;

/// What a walk reads: shared by all devices that are read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// Scalar instances that are read again in each PDU; each must end in `.0`.
    pub scalars: Vec<Oid>,
    /// Columns whose rows have the same index.
    pub columns: Vec<Oid>,
}

/// How far a walk may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows handed out.
    pub rows: usize,
    /// Requests made.
    pub requests: usize,
    /// Size of a reply that is aimed at, bytes.
    pub reply_size: usize,
}

impl Default for Limits {
    /// 1,400 bytes pass every usual path unfragmented.
    fn default() -> Self {
        Self { rows: 100_000, requests: 100_000, reply_size: 1_400 }
    }
}

/// How a device likes to be asked; learned by a walk and worth keeping for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    _todo: (),
}

impl Default for Pace {
    fn default() -> Self {
        todo!()
    }
}

/// Why a column ended where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnEnd {
    /// Still being read (the walk ended early).
    Open,
    /// The device has no more of it.
    Complete,
    /// A name did not follow the one before it: the rest is unknown.
    NotIncreasing,
    /// The device gives nothing for it, even asked for it alone: the rest is unknown.
    Unanswered,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every column ended; [`TableWalk::column_end`] says how each did.
    Complete,
    /// [`Limits::rows`] was reached.
    RowLimit,
    /// [`Limits::requests`] was reached.
    RequestLimit,
    /// A request failed, and asking for less did not help.
    Failed(RequestError),
}

/// Whether there is more to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ask [`TableWalk::request`].
    More,
    /// The walk is over.
    Done(WalkEnd),
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    _todo: &'a (),
}

impl<'a> Row<'a> {
    /// Which row.
    pub fn index(&self) -> IndexRef<'a> {
        todo!()
    }

    /// The value in a column of the plan, counted from 0; none where the row has a hole there.
    pub fn get(&self, column: usize) -> Option<Value<'a>> {
        let _ = column;
        todo!()
    }

    /// A scalar of the plan, counted from 0, as it was in the PDU that this row came with.
    pub fn scalar(&self, scalar: usize) -> Option<Value<'a>> {
        let _ = scalar;
        todo!()
    }

    /// Whether the row did not fit into one PDU, so that its cells (and the scalars, which are the first
    /// PDU's) were taken a round trip or more apart.
    pub fn is_spread(&self) -> bool {
        todo!()
    }
}

/// A walk over one device's table.
#[derive(Debug)]
pub struct TableWalk {
    _todo: (),
}

impl TableWalk {
    /// A walk from the first row.
    pub fn new(plan: Arc<TablePlan>, limits: Limits, pace: Pace) -> Self {
        let _ = (plan, limits, pace);
        todo!()
    }

    /// What to ask now; none where it is over. Asking twice without a response gives the same.
    pub fn request(&mut self) -> Option<Request<'_>> {
        todo!()
    }

    /// The response to that request; `row` is called for each row that is thereby complete, in order of
    /// the index.
    pub fn response(&mut self, response: &Response<'_>, row: impl FnMut(Row<'_>)) -> Progress {
        let _ = (response, row);
        todo!()
    }

    /// That request failed.
    pub fn failed(&mut self, error: RequestError) -> Progress {
        let _ = error;
        todo!()
    }

    /// How a column of the plan ended.
    pub fn column_end(&self, column: usize) -> ColumnEnd {
        let _ = column;
        todo!()
    }

    /// What was learned about the device.
    pub fn pace(&self) -> Pace {
        todo!()
    }

    /// Rows handed out so far.
    pub fn rows(&self) -> usize {
        todo!()
    }

    /// Requests made so far.
    pub fn requests(&self) -> usize {
        todo!()
    }
}
