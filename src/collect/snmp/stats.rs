//! What the poller counts about itself. Everything that is dropped, refused or late has its own counter.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The poller's own counters: all of them only grow. Names fit `selvedge_snmp_<name>_total`.
        #[derive(Debug)]
        pub struct Stats {
            $($(#[$doc])* pub $field: AtomicU64,)*
            round_trip: Latencies,
            pub(super) start_delay: Latencies,
        }

        impl Stats {
            /// Every counter by name.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field.load(Ordering::Relaxed)),)*].into_iter()
            }
        }

        impl Default for Stats {
            fn default() -> Self {
                Self {
                    $($field: AtomicU64::new(0),)*
                    round_trip: Latencies::default(),
                    start_delay: Latencies::default(),
                }
            }
        }
    };
}

counters! {
    /// Datagrams sent as first try of a request.
    requests,
    /// Datagrams sent again because no answer came in time, or because the device asked for it.
    resends,
    /// Requests that were answered.
    responses,
    /// Requests that nobody answered, after all retries.
    timeouts,
    /// Requests that the device answered by refusing our credentials.
    refusals,
    /// Datagrams that could not be sent: no route, no buffer, no such address family.
    send_failures,
    /// Datagrams from an address that was not asked.
    stray,
    /// Datagrams from an address that was asked, for no request that is open: late or doubled.
    late,
    /// Datagrams that did not prove to be from the device.
    forged,
    /// Datagrams that cannot be read.
    undecodable,
    /// Datagrams that were longer than any that was asked for: their end is lost.
    truncated,
    /// Datagrams dropped because a device sent more than was asked of it.
    overflowed,
    /// Requests that a device found too large to answer: it is asked for less.
    too_big,
    /// Counter polls begun.
    polls,
    /// Counter polls of which no part was answered.
    polls_failed,
    /// Counter polls that broke off after some rows.
    polls_truncated,
    /// Counter polls whose answers were not of the rows that were asked for: read by a walk instead.
    polls_odd,
    /// Counter polls left out because the one before them was not over when they were due.
    polls_skipped,
    /// Rows of polls that were believed.
    rows,
    /// Rows of polls that were not, because their index does not belong to the interface it did.
    rows_refused,
    /// Columns that ended before their table did: the device repeats itself, or has no answer for the rest.
    columns_cut,
    /// Inventories read.
    inventories,
    /// Walks of an inventory or of neighbours that broke off: what was known before stands.
    walks_failed,
    /// Neighbour tables read.
    neighbor_tables,
    /// Rows of neighbour tables without an id, or on a port whose interface cannot be told.
    neighbors_unusable,
    /// Slow tables read: aggregates, spanning tree, optics, neighbours by other protocols.
    slow_tables,
    /// Rows of slow tables that name no interface that is known.
    slow_rows_unusable,
    /// Wishes to look at a device at once.
    pokes,
    /// Such wishes that one look served together with others.
    pokes_coalesced,
}

/// A histogram that is written by few and read now and then.
#[derive(Debug)]
pub(super) struct Latencies(Mutex<Histogram<u64>>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Mutex::new(empty()))
    }
}

fn empty() -> Histogram<u64> {
    // From 1 us to a minute at two digits: bounds that hdrhistogram accepts, and nothing else can fail.
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("constant bounds in order")
}

impl Latencies {
    pub(super) fn record(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        if let Ok(mut histogram) = self.0.lock() {
            histogram.saturating_record(micros.max(1));
        }
    }

    fn read(&self) -> Histogram<u64> {
        self.0.lock().map(|histogram| histogram.clone()).unwrap_or_else(|_| empty())
    }
}

impl Stats {
    pub(super) fn answered(&self, round_trip: Duration) {
        count(&self.responses);
        self.round_trip.record(round_trip);
    }

    /// Round trips since the start, us.
    pub fn round_trips_us(&self) -> Histogram<u64> {
        self.round_trip.read()
    }

    /// How late polls began by their schedule since the start, us.
    pub fn start_delays_us(&self) -> Histogram<u64> {
        self.start_delay.read()
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Some more.
pub(super) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}
