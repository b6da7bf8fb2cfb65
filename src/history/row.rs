//! One poll of one device as one value: the newest minutes lie in the store like this.
//!
//! ```text
//! format(1) | lag_ms + 1 or 0 | sysUpTime + 1 or 0 | interfaces | { id | length | mask(4) | values } ...
//! ```
//! Numbers are LEB128 but for the mask. The length lets a reader that looks for one interface step over
//! the others.

use super::Damaged;
use super::column::{COLUMNS, Cells};
use crate::fabric::Uptime;

const FORMAT: u8 = 1;

/// What a row says of the device as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowHead {
    /// How long before this row the device was last polled, whether that poll was kept or not; none where we
    /// had not been watching.
    pub(super) lag_ms: Option<u64>,
    /// sysUpTime.
    pub(super) uptime: Option<Uptime>,
}

/// Write a row.
pub(super) fn encode(head: RowHead, interfaces: &[(u32, Cells)]) -> Vec<u8> {
    let mut entries = Entries::default();
    for (id, cells) in interfaces {
        entries.push(*id, cells);
    }
    entries.finish(head)
}

/// A row under construction, without the memory that its cells would take.
#[derive(Default)]
pub(super) struct Entries {
    count: u64,
    bytes: Vec<u8>,
    entry: Vec<u8>,
}

impl Entries {
    pub(super) fn push(&mut self, id: u32, cells: &Cells) {
        self.entry.clear();
        self.entry.extend(cells.mask.to_le_bytes());
        for (_, value) in cells.iter() {
            put(&mut self.entry, value);
        }
        put(&mut self.bytes, u64::from(id));
        put(&mut self.bytes, self.entry.len() as u64);
        self.bytes.extend(&self.entry);
        self.count += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(self, head: RowHead) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.bytes.len());
        out.push(FORMAT);
        put(&mut out, head.lag_ms.map_or(0, |lag| lag.saturating_add(1)));
        put(&mut out, head.uptime.map_or(0, |uptime| u64::from(uptime.0) + 1));
        put(&mut out, self.count);
        out.extend(self.bytes);
        out
    }
}

/// Reads a row, one interface after the other.
pub(super) struct RowReader<'a> {
    pub(super) head: RowHead,
    left: u64,
    bytes: &'a [u8],
}

impl<'a> RowReader<'a> {
    pub(super) fn new(mut bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (&format, rest) = bytes.split_first().ok_or(Damaged("empty row"))?;
        if format != FORMAT {
            return Err(Damaged("row of an unknown format"));
        }
        bytes = rest;
        let lag_ms = take(&mut bytes)?.checked_sub(1);
        let uptime = match take(&mut bytes)?.checked_sub(1) {
            Some(ticks) => Some(Uptime(u32::try_from(ticks).map_err(|_| Damaged("uptime too long"))?)),
            None => None,
        };
        let left = take(&mut bytes)?;
        Ok(Self { head: RowHead { lag_ms, uptime }, left, bytes })
    }

    /// The next interface's id and its cells, still encoded.
    pub(super) fn next_entry(&mut self) -> Result<Option<(u32, Entry<'a>)>, Damaged> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let id = u32::try_from(take(&mut self.bytes)?).map_err(|_| Damaged("interface id too big"))?;
        let length = usize::try_from(take(&mut self.bytes)?).map_err(|_| Damaged("entry too long"))?;
        let (entry, rest) = self.bytes.split_at_checked(length).ok_or(Damaged("row cut short"))?;
        self.bytes = rest;
        Ok(Some((id, Entry(entry))))
    }
}

/// The cells of one interface, encoded.
pub(super) struct Entry<'a>(&'a [u8]);

impl Entry<'_> {
    pub(super) fn cells(&self) -> Result<Cells, Damaged> {
        let (mask, mut bytes) = self.0.split_first_chunk::<4>().ok_or(Damaged("entry cut short"))?;
        let mask = u32::from_le_bytes(*mask);
        let mut cells = Cells::EMPTY;
        for column in 0..COLUMNS as u8 {
            if mask & (1 << column) != 0 {
                cells.set(column, take(&mut bytes)?);
            }
        }
        Ok(cells)
    }
}

/// LEB128.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// LEB128.
pub(super) fn take(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Damaged("number cut short"))?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged("number too long"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Cells> {
        proptest::collection::vec((0..COLUMNS as u8, any::<u64>()), 0..COLUMNS).prop_map(|pairs| {
            let mut cells = Cells::EMPTY;
            for (column, value) in pairs {
                cells.set(column, value);
            }
            cells
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_row_reads_back(
            lag_ms in proptest::option::of(0..u64::MAX),
            uptime in proptest::option::of(any::<u32>().prop_map(Uptime)),
            interfaces in proptest::collection::vec((any::<u32>(), cells()), 0..6),
        ) {
            let head = RowHead { lag_ms, uptime };
            let bytes = encode(head, &interfaces);
            let mut reader = RowReader::new(&bytes).unwrap();
            prop_assert_eq!(reader.head, head);
            for (id, cells) in &interfaces {
                let (got, entry) = reader.next_entry().unwrap().unwrap();
                prop_assert_eq!((got, entry.cells().unwrap()), (*id, *cells));
            }
            prop_assert!(reader.next_entry().unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut reader) = RowReader::new(&bytes) {
                while let Ok(Some((_, entry))) = reader.next_entry() {
                    let _ = entry.cells();
                }
            }
        }
    }
}
