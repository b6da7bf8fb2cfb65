//! Which cells the rows of a table have: ports of one kind have columns that ports of another kind do not (RFC 3635's are
//! Ethernet's alone), and GETBULK steps over what a row does not have.

/// More kinds of rows than this are no pattern.
const MOST_KINDS: usize = 64;

/// A table's rows by the columns that they have: bit n stands for column n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holes {
    kinds: Box<[u128]>,
    of: Box<[u8]>,
}

impl Holes {
    /// The most columns a table may have whose holes are to be known.
    pub const MOST_COLUMNS: usize = 128;

    /// From what a walk found, row by row. None where rows have nothing in common, or one has nothing at all.
    pub fn learn(rows: &[u128]) -> Option<Self> {
        let mut kinds: Vec<u128> = Vec::new();
        let mut of = Vec::with_capacity(rows.len());
        for row in rows {
            let kind = kinds.iter().position(|kind| kind == row).unwrap_or_else(|| {
                kinds.push(*row);
                kinds.len() - 1
            });
            if *row == 0 || kind >= MOST_KINDS {
                return None;
            }
            of.push(kind as u8);
        }
        Some(Self { kinds: kinds.into(), of: of.into() })
    }

    /// How many rows are known.
    pub(super) fn rows(&self) -> usize {
        self.of.len()
    }

    /// The columns of a row.
    pub(super) fn row(&self, row: usize) -> u128 {
        self.of.get(row).and_then(|kind| self.kinds.get(usize::from(*kind))).copied().unwrap_or(0)
    }

    /// The columns that any of these rows has.
    pub(super) fn union(&self, from: usize, count: usize) -> u128 {
        let rows = self.of.iter().skip(from).take(count);
        rows.fold(0, |union, kind| union | self.kinds.get(usize::from(*kind)).copied().unwrap_or(0))
    }

    /// The first row from `from` on that has this column.
    pub(super) fn next(&self, from: usize, column: usize) -> Option<usize> {
        (from..self.of.len()).find(|row| self.row(*row) >> column & 1 == 1)
    }

    /// The last row that has this column.
    pub(super) fn last(&self, column: usize) -> Option<usize> {
        (0..self.of.len()).rev().find(|row| self.row(*row) >> column & 1 == 1)
    }
}
