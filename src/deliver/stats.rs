//! What the way out counts of itself, for `/metrics` and the page.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hdrhistogram::Histogram;

/// Counters and latencies of the whole way out.
#[derive(Default)]
pub struct Stats {
    transitions: AtomicU64,
    after_stop: AtomicU64,
    store_errors: AtomicU64,
    store_failing: AtomicBool,
    unsaved: AtomicU64,
    unreadable: AtomicU64,
    /// From the clerk taking changes up to their being safe on disk, per write.
    pub written: Latency,
    /// From the reading that told to the first attempt to notify, per notification.
    pub sent: Latency,
    /// From the reading that told to its acknowledgement, per notification.
    pub acknowledged: Latency,
    receivers: ArcSwap<Vec<Arc<ReceiverStats>>>,
}

impl Stats {
    /// Transitions taken over from the book.
    pub fn transitions(&self) -> u64 {
        self.transitions.load(Relaxed)
    }

    /// What was handed over after the stop and is therefore not written down.
    pub fn after_stop(&self) -> u64 {
        self.after_stop.load(Relaxed)
    }

    /// Writes that failed.
    pub fn store_errors(&self) -> u64 {
        self.store_errors.load(Relaxed)
    }

    /// The disk does not take our writes now: alerts are kept in memory only.
    pub fn store_failing(&self) -> bool {
        self.store_failing.load(Relaxed)
    }

    /// Changes that wait in memory for the disk.
    pub fn unsaved(&self) -> u64 {
        self.unsaved.load(Relaxed)
    }

    /// Notifications found damaged in the outbox and thrown away.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Relaxed)
    }

    /// Per receiver, in the order of the configuration.
    pub fn receivers(&self) -> Arc<Vec<Arc<ReceiverStats>>> {
        self.receivers.load_full()
    }

    pub(super) fn count_transitions(&self, count: usize) {
        self.transitions.fetch_add(count as u64, Relaxed);
    }

    pub(super) fn count_after_stop(&self) {
        self.after_stop.fetch_add(1, Relaxed);
    }

    pub(super) fn count_unreadable(&self) {
        self.unreadable.fetch_add(1, Relaxed);
    }

    pub(super) fn count_store_error(&self) {
        self.store_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn set_store(&self, unsaved: Option<usize>) {
        self.store_failing.store(unsaved.is_some(), Relaxed);
        self.unsaved.store(unsaved.unwrap_or(0) as u64, Relaxed);
    }

    pub(super) fn set_receivers(&self, receivers: Vec<Arc<ReceiverStats>>) {
        self.receivers.store(Arc::new(receivers));
    }
}

/// Counters of one receiver.
pub struct ReceiverStats {
    name: String,
    pub(super) waiting: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) failed_attempts: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) held: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl ReceiverStats {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            waiting: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            failed_attempts: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            held: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notifications that wait, the one on its way included.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// Notifications acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// Attempts that failed and were, or will be, repeated.
    pub fn failed_attempts(&self) -> u64 {
        self.failed_attempts.load(Relaxed)
    }

    /// Notifications that it refused for good and that were thrown away.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Notifications thrown away because too many waited.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Notifications that had to wait for the rate limit.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Why the last attempt failed; none while it takes what it is sent. Never holds the address.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// A distribution of spans, 1 us to one hour, to 1 %; longer ones count as one hour.
pub struct Latency(Mutex<Histogram<u64>>);

impl Default for Latency {
    fn default() -> Self {
        // Fails only for bounds out of order or more than five digits.
        Self(Mutex::new(Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("bounds are in order")))
    }
}

impl Latency {
    pub(super) fn record(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The span that a share of all does not exceed; zero where there is none.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.lock().unwrap_or_else(PoisonError::into_inner).value_at_quantile(share))
    }

    /// Read more of it: values are in microseconds.
    pub fn with<T>(&self, read: impl FnOnce(&Histogram<u64>) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
