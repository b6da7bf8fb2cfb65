//! A port as the agent sees it: fixed facts, and numbers that the model moves while the agent reads them.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

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
    aggregated: AtomicBool,
    blocked: AtomicBool,
    /// Light that arrives, in tenths of a microwatt: the steps of SFF-8472.
    light: AtomicI64,
    counters: [AtomicU64; Counter::COUNT],
}

impl Port {
    pub(super) fn new(name: String, alias: String, index: u32, mac: [u8; 6], speed_bps: u64) -> Self {
        let counters = std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            name,
            alias,
            index,
            mac,
            speed_bps,
            up: AtomicBool::new(true),
            aggregated: AtomicBool::new(true),
            blocked: AtomicBool::new(false),
            // -3 dBm, as a short fibre gives.
            light: AtomicI64::new(5_012),
            counters,
        }
    }

    /// Whether it is in the aggregate that it belongs to.
    pub fn is_aggregated(&self) -> bool {
        self.aggregated.load(Ordering::Relaxed)
    }

    /// Whether spanning tree blocks it.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Light that reaches its optic, in tenths of a microwatt; none without carrier.
    pub fn light(&self) -> i64 {
        if self.is_up() { self.light.load(Ordering::Relaxed) } else { 0 }
    }

    pub(super) fn set_aggregated(&self, aggregated: bool) {
        self.aggregated.store(aggregated, Ordering::Relaxed);
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    pub(super) fn set_light(&self, dbm: f64) {
        self.light.store((10f64.powf(dbm / 10.0) * 10_000.0) as i64, Ordering::Relaxed);
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
