//! Rows that are known already, read many requests at a time (RFC 3416 §4.2.3), without input or output.
//!
//! A walk has to hear one answer before it can ask the next question. Where the rows of a table are known from an
//! earlier walk, each question can be asked on its own: "what follows row 4, four times" must be answered with
//! rows 5 to 8 in every column, cell by cell. An answer that is exactly this is taken apart without any further
//! bookkeeping. Where rows are known not to have all columns ([`Holes`]) the same question has another answer, just as
//! certain: in each column the next four rows that have it. Anything else ([`Fit::Odd`]) is for a [`TableWalk`](super::TableWalk) to make sense of: rows that
//! came or went, holes, devices with a mind of their own.

use std::ops::Range;
use std::sync::Arc;

use super::holes::Holes;
use super::pace::Pace;
use super::{Limits, REPLY_OVERHEAD, TablePlan};
use crate::snmp::ber::{Reader, tag};
use crate::snmp::message::ErrorStatus;
use crate::snmp::session::Response;
use crate::snmp::value::Value;

/// A table whose rows are known: their indices are one arc each, as in ifTable.
#[derive(Debug)]
pub struct Grid {
    plan: Arc<TablePlan>,
    rows: Box<[u32]>,
    /// Where not every row has every column.
    holes: Option<Holes>,
    /// The encoded bindings that ask for the scalars.
    scalars: Box<[u8]>,
}

/// Rows next to each other, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: usize,
    /// How many, one at least.
    pub count: usize,
}

/// Where the cells of an answer lie; kept by the caller for its memory.
#[derive(Debug, Default)]
pub struct Cells {
    scalars: Vec<Option<Range<u32>>>,
    cells: Vec<Range<u32>>,
    /// Where there are holes: the row that each column has come to.
    at: Vec<usize>,
}

/// The place of a cell that a row does not have.
const NOWHERE: Range<u32> = u32::MAX..u32::MAX;
/// Of the cells asked for, at least this share is to be of the rows asked for; the others are of rows behind them.
const USEFUL: (u32, u32) = (3, 4);

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// So many of the rows that were asked for, from the first on, each one whole.
    Rows(usize),
    /// The device says that the answer would be too large.
    TooBig,
    /// Something else than what was expected.
    Odd,
}

impl Grid {
    /// None where the rows do not increase, there are no rows or columns, or a name cannot be asked for in this way.
    pub fn new(plan: Arc<TablePlan>, rows: Vec<u32>) -> Option<Self> {
        let increases = rows.windows(2).all(|pair| pair[0] < pair[1]);
        // Short enough that every length is one byte.
        let short = plan.columns.iter().chain(&plan.scalars).all(|name| name.as_bytes().len() < 100);
        if rows.is_empty() || plan.columns.is_empty() || !increases || !short {
            return None;
        }
        let mut scalars = Vec::new();
        for scalar in &plan.scalars {
            // What precedes a scalar instance is its object's name.
            put_name(scalar.parent()?.as_bytes(), &[], &mut scalars);
        }
        Some(Self { plan, rows: rows.into(), holes: None, scalars: scalars.into() })
    }

    /// The same rows, of which these cells are known to be there. None where that is no pattern to ask by.
    pub fn with_holes(&self, rows: &[u128]) -> Option<Self> {
        let columns = self.plan.columns.len();
        if rows.len() != self.rows.len() || columns > Holes::MOST_COLUMNS {
            return None;
        }
        let all = u128::MAX >> (Holes::MOST_COLUMNS - columns);
        let holes = if rows.iter().all(|row| *row == all) { None } else { Some(Holes::learn(rows)?) };
        Some(Self { plan: self.plan.clone(), rows: self.rows.clone(), holes, scalars: self.scalars.clone() })
    }

    /// Where not every row has every column.
    pub fn holes(&self) -> Option<&Holes> {
        self.holes.as_ref()
    }

    /// Whether it is of the same table and the same rows; of which cells they have nothing is said.
    pub fn is_like(&self, other: &Self) -> bool {
        self.rows == other.rows && self.plan == other.plan
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The index of a row.
    pub fn index(&self, row: usize) -> Option<u32> {
        self.rows.get(row).copied()
    }

    /// How many scalars come first.
    pub fn scalars(&self) -> usize {
        self.plan.scalars.len()
    }

    /// How many rows from this one on a request should ask for; none where not even one fits into a reply.
    pub fn rows_at_once(&self, from: usize, pace: &Pace, limits: &Limits) -> usize {
        let names: usize = self.plan.columns.iter().map(|column| column.as_bytes().len()).sum();
        let columns = self.plan.columns.len();
        let guess = limits.reply_size.saturating_sub(REPLY_OVERHEAD) / (names / columns + 12);
        let cells = pace.cells(guess);
        let Some(holes) = &self.holes else { return cells / columns };
        let (mut union, mut useful, mut count) = (0_u128, 0, 0);
        for row in from..holes.rows() {
            union |= holes.row(row);
            useful += holes.row(row).count_ones();
            let told = union.count_ones() * (count as u32 + 1);
            if told as usize > cells || (count > 0 && useful * USEFUL.1 < told * USEFUL.0) {
                break;
            }
            count += 1;
        }
        count
    }

    /// How many columns a request for these rows asks for.
    fn width(&self, asked: Span) -> usize {
        self.holes
            .as_ref()
            .map_or(self.plan.columns.len(), |holes| holes.union(asked.from, asked.count).count_ones() as usize)
    }

    /// The encoded bindings that ask for these rows.
    pub fn put_names(&self, asked: Span, out: &mut Vec<u8>) {
        let from = asked.from;
        out.extend_from_slice(&self.scalars);
        // No row of ifTable has index 0, and names of one length can travel together.
        let before = match from.checked_sub(1).and_then(|before| self.rows.get(before)) {
            Some(before) => Some(*before),
            None => self.rows.first().filter(|first| **first > 0).map(|_| 0),
        };
        let (bytes, length) = before.map_or(([0; 5], 0), encode_arc);
        let wanted = self.holes.as_ref().map(|holes| holes.union(asked.from, asked.count));
        for (at, column) in self.plan.columns.iter().enumerate() {
            if wanted.is_none_or(|wanted| wanted >> at & 1 == 1) {
                put_name(column.as_bytes(), &bytes[..length], out);
            }
        }
    }

    /// Compare an answer with what it must be, note where its cells lie, and learn from its size.
    pub fn read(
        &self,
        asked: Span,
        response: &Response<'_>,
        limits: &Limits,
        pace: &mut Pace,
        cells: &mut Cells,
    ) -> Fit {
        cells.scalars.clear();
        cells.cells.clear();
        match response.error_status {
            ErrorStatus::NO_ERROR => {}
            ErrorStatus::TOO_BIG => return Fit::TooBig,
            _ => return Fit::Odd,
        }
        let list = response.varbinds.bytes();
        let mut reader = Reader::new(list);
        let place = |rest: &[u8], value: &[u8]| {
            // `value` ends where `rest` begins; datagrams are shorter than 64 KiB.
            let end = list.len() - rest.len();
            (end - value.len()) as u32..end as u32
        };
        for scalar in &self.plan.scalars {
            let Ok((tag::SEQUENCE, content)) = reader.element() else { return Fit::Odd };
            let value = value_of(content, scalar.as_bytes(), &[]);
            cells.scalars.push(value.map(|value| place(reader.rest(), value)));
        }
        let begun = list.len() - reader.rest().len();
        let columns = &self.plan.columns;
        if let Some(holes) = &self.holes {
            let Some((whole, told)) = self.read_around(holes, asked, list, &mut reader, cells) else {
                return Fit::Odd;
            };
            if whole == asked.count {
                let size = list.len() - reader.rest().len() - begun;
                learn(pace, limits, (told, size), response.size.saturating_sub(list.len() - begun));
            }
            return Fit::Rows(whole.min(self.rows.len().saturating_sub(asked.from)));
        }
        let mut whole = 0;
        'rows: for row in self.rows.iter().skip(asked.from).take(asked.count) {
            let (bytes, length) = encode_arc(*row);
            for column in columns {
                if reader.is_empty() {
                    break 'rows;
                }
                let content = match reader.element() {
                    Ok((tag::SEQUENCE, content)) => content,
                    // The datagram was cut here.
                    Err(_) => break 'rows,
                    Ok(_) => return Fit::Odd,
                };
                let Some(value) = value_of(content, column.as_bytes(), &bytes[..length]) else { return Fit::Odd };
                cells.cells.push(place(reader.rest(), value));
            }
            whole += 1;
        }
        let (told, told_until) = (cells.cells.len(), list.len() - reader.rest().len());
        if whole == 0 {
            return Fit::Odd;
        }
        let expected = asked.count.min(self.rows.len().saturating_sub(asked.from));
        if whole == expected && asked.count > expected {
            // Asked for more rows than are known: what follows must not be one. (At the end of everything an agent
            // repeats the last name.)
            let next = reader.element().ok().and_then(|(_, content)| name_of(content));
            let index = next.and_then(|name| name.strip_prefix(columns[0].as_bytes()));
            let last = self.rows.last().map_or(([0; 5], 0), |last| encode_arc(*last));
            if index.is_some_and(|index| *index != last.0[..last.1]) {
                return Fit::Odd;
            }
        }
        if whole == expected {
            learn(pace, limits, (told, told_until - begun), response.size.saturating_sub(list.len() - begun));
        }
        Fit::Rows(whole)
    }

    /// Read an answer in whose columns not every row is. Gives how often each column was told, and how many cells that
    /// were; none where anything is not what it must be.
    ///
    /// A column that was told n times has told of its next n rows; among the first n rows it has n at most. So the first
    /// n rows are whole.
    fn read_around(
        &self,
        holes: &Holes,
        asked: Span,
        list: &[u8],
        reader: &mut Reader<'_>,
        cells: &mut Cells,
    ) -> Option<(usize, usize)> {
        let columns = &self.plan.columns;
        let known = asked.count.min(self.rows.len().saturating_sub(asked.from));
        let wanted = holes.union(asked.from, asked.count);
        cells.at.clear();
        cells.at.resize(columns.len(), asked.from);
        cells.cells.resize(known * columns.len(), NOWHERE);
        let (mut whole, mut told) = (0, 0);
        'times: for _ in 0..asked.count {
            for (nth, column) in columns.iter().enumerate().filter(|(nth, _)| wanted >> nth & 1 == 1) {
                if reader.is_empty() {
                    break 'times;
                }
                let content = match reader.element() {
                    Ok((tag::SEQUENCE, content)) => content,
                    // The datagram was cut here.
                    Err(_) => break 'times,
                    Ok(_) => return None,
                };
                told += 1;
                let Some(row) = holes.next(cells.at[nth], nth) else {
                    // It has no more rows: what is told must be of something else, or the end of everything.
                    cells.at[nth] = self.rows.len();
                    let index = name_of(content)?.strip_prefix(column.as_bytes());
                    let is_end = content.ends_with(&[tag::END_OF_MIB_VIEW, 0]);
                    let is_last = |index: &[u8]| {
                        let (bytes, length) = holes.last(nth).map_or(([0; 5], 0), |row| encode_arc(self.rows[row]));
                        *index == bytes[..length]
                    };
                    if index.is_some_and(|index| !is_end && !is_last(index)) {
                        return None;
                    }
                    continue;
                };
                let (bytes, length) = encode_arc(self.rows[row]);
                let value = value_of(content, column.as_bytes(), &bytes[..length])?;
                cells.at[nth] = row + 1;
                if row - asked.from < known {
                    let end = list.len() - reader.rest().len();
                    // Datagrams are shorter than 64 KiB.
                    cells.cells[(row - asked.from) * columns.len() + nth] = (end - value.len()) as u32..end as u32;
                }
            }
            whole += 1;
        }
        (whole > 0).then_some((whole, told))
    }

    /// A request for so many rows was too much, for certain.
    pub fn too_much(&self, asked: Span, pace: &mut Pace) {
        pace.too_much(asked.count * self.width(asked));
    }

    /// A request for so many rows was not answered.
    pub fn perhaps_too_much(&self, asked: Span, pace: &mut Pace) {
        pace.perhaps_too_much(asked.count * self.width(asked));
    }

    /// A scalar of the answer last read; none where the device has none.
    pub fn scalar<'a>(&self, scalar: usize, cells: &Cells, response: &Response<'a>) -> Option<Value<'a>> {
        let range = cells.scalars.get(scalar)?.clone()?;
        Some(Value::decode(slice(response.varbinds.bytes(), &range)))
    }

    /// The cells of a row of the answer last read, counted from its first, in the order of the columns.
    pub fn row<'a>(
        &self,
        row: usize,
        cells: &Cells,
        response: &Response<'a>,
    ) -> impl Iterator<Item = Option<Value<'a>>> {
        let columns = self.plan.columns.len();
        let list = response.varbinds.bytes();
        let ranges = cells.cells.get(row * columns..(row + 1) * columns).unwrap_or_default();
        ranges.iter().map(move |range| (*range != NOWHERE).then(|| Value::decode(slice(list, range))))
    }
}

/// So many cells of so many bytes were answered in full, and so many bytes were not cells.
fn learn(pace: &mut Pace, limits: &Limits, (told, size): (usize, usize), fixed: usize) {
    let cell = (size / told.max(1)).max(8);
    pace.answered(told, limits.reply_size.saturating_sub(fixed) / cell);
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// The name of a binding, as encoded.
fn name_of(content: &[u8]) -> Option<&[u8]> {
    Reader::new(content).expect(tag::OBJECT_IDENTIFIER).ok()
}

/// The encoded value of a binding, if its name is this column with this index.
fn value_of<'a>(content: &'a [u8], column: &[u8], index: &[u8]) -> Option<&'a [u8]> {
    let length = column.len() + index.len();
    let name = content.get(2..2 + length)?;
    let is_it = content[0] == tag::OBJECT_IDENTIFIER
        && usize::from(content[1]) == length
        && name[..column.len()] == *column
        && name[column.len()..] == *index;
    is_it.then(|| &content[2 + length..])
}

/// A binding without a value.
fn put_name(column: &[u8], index: &[u8], out: &mut Vec<u8>) {
    let length = (column.len() + index.len()) as u8;
    out.extend_from_slice(&[tag::SEQUENCE, length + 4, tag::OBJECT_IDENTIFIER, length]);
    out.extend_from_slice(column);
    out.extend_from_slice(index);
    out.extend_from_slice(&[tag::NULL, 0]);
}

/// An arc in base 128: the bytes, and how many of them.
fn encode_arc(arc: u32) -> ([u8; 5], usize) {
    let length = match arc {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    };
    let mut bytes = [0; 5];
    for (at, byte) in bytes[..length].iter_mut().enumerate() {
        let more = if at + 1 < length { 0x80 } else { 0 };
        *byte = (arc >> (7 * (length - 1 - at))) as u8 & 0x7f | more;
    }
    (bytes, length)
}

#[cfg(test)]
mod tests;
