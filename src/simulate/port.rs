//! A port as the agent sees it: fixed facts, and numbers that the model moves while the agent reads them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fabric::Counter;

/// One port of a simulated switch.
#[derive(Debug)]
pub struct Port {
    /// ifName.
    pub name: String,
    /// ifAlias.
    pub alias: String,
    /// ifIndex.
    pub index: u32,
    /// ifPhysAddress.
    pub mac: [u8; 6],
    /// Bit/s for one direction.
    pub speed_bps: u64,
    up: AtomicBool,
    counters: [AtomicU64; Counter::COUNT],
}

impl Port {
    pub(super) fn new(name: String, alias: String, index: u32, mac: [u8; 6], speed_bps: u64) -> Self {
        let counters = std::array::from_fn(|_| AtomicU64::new(0));
        Self { name, alias, index, mac, speed_bps, up: AtomicBool::new(true), counters }
    }

    /// Whether it has carrier.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// A counter as it stands.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters[counter.slot()].load(Ordering::Relaxed)
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    pub(super) fn add(&self, counter: Counter, count: u64) {
        self.counters[counter.slot()].fetch_add(count, Ordering::Relaxed);
    }
}
