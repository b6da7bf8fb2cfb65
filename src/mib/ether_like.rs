//! EtherLike-MIB (RFC 3635): dot3StatsTable, the damage that Ethernet ports see.
//!
//! Only the counters that tell damage apart are read. The rest of the table (collisions of half duplex,
//! SQE tests) says nothing about a switched fabric.

use super::Column;
use super::interfaces::CounterObject;
use crate::fabric::{Counter, CounterWidth};

/// dot3StatsTable, indexed by dot3StatsIndex, which is an ifIndex.
const fn object(counter: Counter, name: &'static str, oid: &'static [u32]) -> CounterObject {
    CounterObject { counter, width: CounterWidth::Bits32, column: Column { name, oid } }
}

/// The counters that are read where a device has them.
pub const COUNTERS: [CounterObject; 7] = [
    object(Counter::AlignmentErrors, "dot3StatsAlignmentErrors", &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 2]),
    object(Counter::FcsErrors, "dot3StatsFCSErrors", &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 3]),
    object(Counter::LateCollisions, "dot3StatsLateCollisions", &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 8]),
    object(
        Counter::InternalMacTransmitErrors,
        "dot3StatsInternalMacTransmitErrors",
        &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 10],
    ),
    object(Counter::FrameTooLongs, "dot3StatsFrameTooLongs", &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 13]),
    object(
        Counter::InternalMacReceiveErrors,
        "dot3StatsInternalMacReceiveErrors",
        &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 16],
    ),
    object(Counter::SymbolErrors, "dot3StatsSymbolErrors", &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1, 18]),
];

/// Their columns.
pub const COLUMNS: [Column; COUNTERS.len()] = {
    let mut columns = [COUNTERS[0].column; COUNTERS.len()];
    let mut at = 0;
    while at < COUNTERS.len() {
        columns[at] = COUNTERS[at].column;
        at += 1;
    }
    columns
};
