//! How much to ask of a device at once.
//!
//! The unit is a cell: one variable binding of a reply. What is learned is how many of them fit into a reply
//! of the size aimed at, and how many are more than the device can do.

/// How a device likes to be asked; learned by a walk and worth keeping for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Cells to ask for next; none before anything is known.
    cells: Option<u16>,
    /// More than this failed.
    ceiling: u16,
    /// Successes until more than the ceiling is tried, and how many it will take the next time.
    patience: u16,
    next_patience: u16,
    /// So much was answered: silence about it is loss.
    proven: u16,
    /// A GetBulk was answered once.
    pub(super) bulk_works: bool,
    /// GetBulk failed where GetNext did not.
    pub(super) bulk_refused: bool,
    /// GetNexts since then.
    nexts: u16,
}

/// The most cells in a request, whatever the reply's size.
const MOST_CELLS: u16 = 4_096;
/// How many successes it takes at first, and at most, until more than the ceiling is tried.
const PATIENCE: std::ops::RangeInclusive<u16> = 16..=4_096;
/// A device may have been deaf to GetBulk by accident.
const NEXTS_UNTIL_BULK: u16 = 4_096;

impl Default for Pace {
    fn default() -> Self {
        Self {
            cells: None,
            ceiling: MOST_CELLS,
            patience: *PATIENCE.start(),
            next_patience: *PATIENCE.start(),
            proven: 1,
            bulk_works: false,
            bulk_refused: false,
            nexts: 0,
        }
    }
}

impl Pace {
    /// Cells to ask for; `guess` where nothing is known yet.
    pub(super) fn cells(&self, guess: usize) -> usize {
        usize::from(self.cells.unwrap_or(u16::try_from(guess).unwrap_or(MOST_CELLS)).clamp(1, self.ceiling))
    }

    /// A request for `asked` cells was answered in full, and `fit` of them fit into the size aimed at.
    pub(super) fn answered(&mut self, asked: usize, fit: usize) {
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            self.patience = self.next_patience;
            self.ceiling = self.ceiling.saturating_add(self.ceiling / 4 + 1).min(MOST_CELLS);
        }
        self.proven = self.proven.max(narrow(asked));
        let grown = asked.saturating_mul(2).max(self.cells(1));
        self.cells = Some(narrow(fit.min(grown)).clamp(1, self.ceiling));
    }

    /// A GetNext was answered: whether GetBulk is to be tried again some day.
    pub(super) fn answered_next(&mut self) {
        self.nexts = self.nexts.saturating_add(1);
        if self.nexts >= NEXTS_UNTIL_BULK {
            (self.nexts, self.bulk_refused) = (0, false);
        }
    }

    /// A request for `asked` cells was too much, for certain.
    pub(super) fn too_much(&mut self, asked: usize) {
        self.perhaps_too_much(asked);
        self.ceiling = (narrow(asked) / 4 * 3).clamp(1, self.ceiling);
        self.next_patience = self.next_patience.saturating_mul(2).min(*PATIENCE.end());
        self.patience = self.next_patience;
    }

    /// A request for `asked` cells was not answered, which may have other reasons.
    pub(super) fn perhaps_too_much(&mut self, asked: usize) {
        self.cells = Some((narrow(asked) / 2).max(1));
    }

    /// Whether silence about `asked` cells may be about their number. What was proven once need not be true
    /// for ever.
    pub(super) fn doubts(&mut self, asked: usize) -> bool {
        let doubted = narrow(asked) > self.proven;
        self.proven = self.proven.min(narrow(asked) / 4 * 3).max(1);
        doubted
    }
}

fn narrow(cells: usize) -> u16 {
    u16::try_from(cells).unwrap_or(MOST_CELLS)
}
