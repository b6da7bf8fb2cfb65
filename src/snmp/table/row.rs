//! Cells and rows, as places within the bytes that they arrived in.

use std::ops::Range;

use crate::snmp::ber::range_within;
use crate::snmp::oid::IndexRef;
use crate::snmp::value::Value;

/// A cell: where its index and its encoded value lie.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    index: Range<u32>,
    value: Range<u32>,
}

impl Cell {
    /// `index` and `value` lie in `list`, which will lie at `base` of the bytes.
    pub(super) fn new(list: &[u8], base: usize, index: &[u8], value: &[u8]) -> Self {
        // Datagrams are shorter than 64 KiB, and a round has few of them.
        let place = |part| {
            let range = range_within(list, part);
            let shift = |at: usize| u32::try_from(base + at).unwrap_or(u32::MAX);
            shift(range.start)..shift(range.end)
        };
        Self { index: place(index), value: place(value) }
    }

    pub(super) fn index<'a>(&self, bytes: &'a [u8]) -> IndexRef<'a> {
        IndexRef::from_checked(slice(bytes, &self.index))
    }

    /// The index, from the list that the cell was made of.
    pub(super) fn index_in<'a>(&self, list: &'a [u8], base: usize) -> IndexRef<'a> {
        let place = |at: u32| (at as usize).saturating_sub(base);
        IndexRef::from_checked(list.get(place(self.index.start)..place(self.index.end)).unwrap_or_default())
    }

    pub(super) fn value<'a>(&self, bytes: &'a [u8]) -> Value<'a> {
        Value::decode(slice(bytes, &self.value))
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub(super) index: IndexRef<'a>,
    pub(super) bytes: &'a [u8],
    pub(super) cells: &'a [Option<Cell>],
    pub(super) scalars: &'a [Option<Cell>],
    pub(super) spread: bool,
}

impl<'a> Row<'a> {
    /// Which row.
    pub fn index(&self) -> IndexRef<'a> {
        self.index
    }

    /// The value in a column of the plan, counted from 0; none where the row has a hole there.
    pub fn get(&self, column: usize) -> Option<Value<'a>> {
        Some(self.cells.get(column)?.as_ref()?.value(self.bytes))
    }

    /// A scalar of the plan, counted from 0, as it was in the PDU that this row came with; none where the
    /// device has none.
    pub fn scalar(&self, scalar: usize) -> Option<Value<'a>> {
        Some(self.scalars.get(scalar)?.as_ref()?.value(self.bytes))
    }

    /// Whether the row did not fit into one PDU, so that its cells (and the scalars, which are the first
    /// PDU's) were taken a round trip or more apart.
    pub fn is_spread(&self) -> bool {
        self.spread
    }
}
