//! What is stored of an interface at each poll, and how it is numbered on disk.
//!
//! The numbers are the store's own and never change: [`Counter`] may grow or be sorted anew without
//! turning old files into nonsense.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::fabric::{Counter, CounterWidth, InterfacePoll};

/// How many columns there may ever be: one bit each in a row.
pub(super) const COLUMNS: usize = 32;
/// How long after its row's time the interface was read, microseconds: a poll that came in several answers.
pub(super) const DELAY: u8 = 27;
/// How much later the device's own clock was by then, hundredths of a second.
pub(super) const UPTIME_DELAY: u8 = 28;
/// ifOperStatus in the high four bits of a byte, ifAdminStatus in the low ones.
pub(super) const STATUS: u8 = 29;
/// ifCounterDiscontinuityTime, hundredths of a second.
pub(super) const DISCONTINUITY: u8 = 30;
/// One bit for each column that was read from a 32-bit counter.
pub(super) const NARROW: u8 = 31;

/// The column of a counter.
pub(super) const fn column(counter: Counter) -> u8 {
    match counter {
        Counter::InOctets => 0,
        Counter::OutOctets => 1,
        Counter::InUcastPkts => 2,
        Counter::OutUcastPkts => 3,
        Counter::InMulticastPkts => 4,
        Counter::OutMulticastPkts => 5,
        Counter::InBroadcastPkts => 6,
        Counter::OutBroadcastPkts => 7,
        Counter::InDiscards => 8,
        Counter::OutDiscards => 9,
        Counter::InErrors => 10,
        Counter::OutErrors => 11,
        Counter::InUnknownProtos => 12,
        Counter::FcsErrors => 13,
        Counter::AlignmentErrors => 14,
        Counter::SymbolErrors => 15,
        Counter::FrameTooLongs => 16,
        Counter::InternalMacReceiveErrors => 17,
        Counter::InternalMacTransmitErrors => 18,
        Counter::LateCollisions => 19,
        Counter::DropsCongestionIn => 20,
        Counter::DropsCongestionOut => 21,
        Counter::DropsPolicyIn => 22,
        Counter::DropsPolicyOut => 23,
        Counter::DropsNoRouteIn => 24,
    }
}

/// One interface in one row: a value per column, absent where its bit in `mask` is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) mask: u32,
    values: [u64; COLUMNS],
}

impl Cells {
    pub(super) const EMPTY: Self = Self { mask: 0, values: [0; COLUMNS] };

    pub(super) fn of(poll: &InterfacePoll) -> Self {
        let mut cells = Self::EMPTY;
        let mut narrow = 0;
        for (counter, value) in poll.counters.iter() {
            cells.set(column(counter), value);
            if poll.counters.width(counter) == CounterWidth::Bits32 {
                narrow |= 1 << column(counter);
            }
        }
        let admin = match poll.admin_status {
            crate::fabric::AdminStatus::Up => 1,
            crate::fabric::AdminStatus::Down => 2,
            crate::fabric::AdminStatus::Testing => 3,
            crate::fabric::AdminStatus::Unknown => 0,
        };
        cells.set(STATUS, u64::from(poll.oper_status.value() << 4 | admin));
        if let Some(moment) = poll.discontinuity {
            cells.set(DISCONTINUITY, u64::from(moment.0));
        }
        if narrow != 0 {
            cells.set(NARROW, narrow);
        }
        cells
    }

    pub(super) fn set(&mut self, column: u8, value: u64) {
        self.mask |= 1 << column;
        self.values[usize::from(column)] = value;
    }

    pub(super) fn get(&self, column: u8) -> Option<u64> {
        (self.mask & (1 << column) != 0).then(|| self.values[usize::from(column)])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (0..COLUMNS as u8).filter_map(|column| Some((column, self.get(column)?)))
    }

    /// Tells whether anything moved since the row before without keeping that row.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.mask & !(1 << DELAY | 1 << UPTIME_DELAY)).hash(&mut hasher);
        for (_, value) in self.iter().filter(|(column, _)| !matches!(*column, DELAY | UPTIME_DELAY)) {
            value.hash(&mut hasher);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_column_below_the_others() {
        let mut seen = 0u32;
        for counter in Counter::ALL {
            let bit = 1u32 << column(counter);
            assert_eq!(seen & bit, 0, "{counter:?}");
            assert!(column(counter) < DELAY);
            seen |= bit;
        }
    }
}
