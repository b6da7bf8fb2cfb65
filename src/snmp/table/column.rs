//! Where one column of a walk stands.

use std::cmp::Ordering;

use super::row::Cell;
use crate::snmp::ber::tag;
use crate::snmp::oid::{Index, Oid};
use crate::snmp::value::RawVarBind;

/// Why a column ended where it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnEnd {
    /// Still being read (the walk ended early).
    #[default]
    Open,
    /// The device has no more of it.
    Complete,
    /// A name did not follow the one before it: the rest is unknown.
    NotIncreasing,
    /// The device gives errors for it, even asked for it alone, and does so row after row: the rest is
    /// unknown.
    Unanswered,
}

/// A column of a walk.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) end: ColumnEnd,
    /// It has told in this round what follows the frontier.
    pub(super) told: bool,
    /// Nothing lies between the frontier and this row: not worth asking until the others come near.
    pub(super) ahead: Option<Index>,
    /// It would not tell, in this round: what it has in the next row is unknown.
    pub(super) skipped: bool,
    /// How often that was so.
    skips: u8,
    /// A binding in its place could not be read.
    pub(super) unreadable: bool,
    /// Its part of the round, in order.
    pub(super) cells: Vec<Cell>,
    /// How many of them are handed out.
    pub(super) given: usize,
}

/// Rows in which a column may be passed over before it is given up.
const MOST_SKIPS: u8 = 8;

impl Column {
    /// A binding in this column's place.
    pub(super) fn take(&mut self, found: RawVarBind<'_>, name: &Oid, frontier: &Index, list: &[u8], base: usize) {
        if self.end != ColumnEnd::Open {
            return;
        }
        let exception =
            matches!(found.value.first(), Some(&tag::NO_SUCH_OBJECT | &tag::NO_SUCH_INSTANCE | &tag::END_OF_MIB_VIEW));
        let index = found.name.strip_prefix(name.as_ref()).filter(|_| !exception);
        let Some(index) = index else {
            // What lies behind a column's last row is another column.
            self.end = ColumnEnd::Complete;
            return;
        };
        // All cells of a column in a round come from one PDU.
        let before = self.cells.last().map_or(frontier.as_ref(), |cell| cell.index_in(list, base));
        match index.cmp(&before) {
            Ordering::Greater => self.cells.push(Cell::new(list, base, index.as_bytes(), found.value)),
            // The same again is no harm where something else follows.
            Ordering::Equal => (),
            Ordering::Less => self.end = ColumnEnd::NotIncreasing,
        }
    }

    /// The PDU is read: a column that was told of and did not move never will.
    pub(super) fn settle(&mut self) {
        self.told = true;
        let unreadable = std::mem::take(&mut self.unreadable);
        if self.end == ColumnEnd::Open && self.cells.is_empty() {
            if unreadable {
                self.skip();
            } else {
                self.end = ColumnEnd::NotIncreasing;
            }
        }
    }

    /// It cannot be had: go on without it for a row, but not for ever.
    pub(super) fn skip(&mut self) {
        (self.told, self.skipped) = (true, true);
        self.skips += 1;
        if self.skips > MOST_SKIPS {
            self.end = ColumnEnd::Unanswered;
        }
    }
}
