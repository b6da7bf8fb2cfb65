//! Our own counters and latency histograms.
//!
//! Whoever counts something asks the [`Registry`] once for a handle and keeps it; what somebody else counts
//! already is read when it is asked for, through [`Registry::provide`]. All of it is shown on /metrics.

mod exposition;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

pub use exposition::{CONTENT_TYPE, Exposition, Family, Kind, render_labels};

/// Label names and values of one series.
pub type SeriesLabels = Vec<(&'static str, String)>;

/// A number that only grows. Cheap to clone, free to add to.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Add one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Add some.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Set it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// As last set; zero before.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Quantiles shown for every latency.
const QUANTILES: [(f64, &str); 4] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99"), (1.0, "1")];
/// Quantiles look back between one and two of these; sum and count go back to the start.
const WINDOW: Duration = Duration::from_secs(300);
/// Longest latency told apart, microseconds: one hour. What is longer counts as that.
const LONGEST_US: u64 = 3_600_000_000;

/// Latencies, to within 1 %.
#[derive(Clone)]
pub struct Latency(Arc<Mutex<Window>>);

struct Window {
    current: Histogram<u32>,
    previous: Histogram<u32>,
    turned_at: Instant,
    count: u64,
    sum_us: u64,
}

/// What a [`Latency`] holds at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencySummary {
    /// How many were ever recorded.
    pub count: u64,
    /// Their sum, seconds.
    pub sum_s: f64,
    /// Quantile and seconds, over the last 5 to 10 minutes; empty when nothing came in that time.
    pub quantiles: Vec<(f64, f64)>,
}

impl Latency {
    /// On its own, outside of any registry.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Window {
            current: empty_histogram(),
            previous: empty_histogram(),
            turned_at: Instant::now(),
            count: 0,
            sum_us: 0,
        })))
    }

    /// Note one.
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(LONGEST_US);
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn(Instant::now());
        window.current.saturating_record(micros);
        window.count += 1;
        window.sum_us = window.sum_us.saturating_add(micros);
    }

    /// What was recorded so far.
    pub fn summary(&self) -> LatencySummary {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn(Instant::now());
        let mut both = window.current.clone();
        // Both have the same bounds, so that adding cannot fail; if it ever did the older half is left out.
        let _ = both.add(&window.previous);
        let quantiles = if both.is_empty() {
            Vec::new()
        } else {
            QUANTILES.iter().map(|&(q, _)| (q, both.value_at_quantile(q) as f64 / 1e6)).collect()
        };
        LatencySummary { count: window.count, sum_s: window.sum_us as f64 / 1e6, quantiles }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

impl Window {
    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.turned_at);
        if passed < WINDOW {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.reset();
        if passed >= WINDOW * 2 {
            self.previous.reset();
        }
        self.turned_at = now;
    }
}

#[allow(clippy::expect_used)]
fn empty_histogram() -> Histogram<u32> {
    // Constant bounds that the crate accepts: low 1, high over twice that, 2 digits.
    Histogram::new_with_bounds(1, LONGEST_US, 2).expect("constant bounds are valid")
}

type Provider = Box<dyn Fn() -> Vec<(SeriesLabels, f64)> + Send + Sync>;

enum Cell {
    Counter(SeriesLabels, Counter),
    Gauge(SeriesLabels, Gauge),
    Latency(SeriesLabels, Latency),
    Provider(Provider),
}

struct Group {
    kind: Kind,
    help: &'static str,
    cells: Vec<Cell>,
}

/// All that is counted, by metric name. Cheap to clone; every clone is the same registry.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<&'static str, Group>>>);

impl Registry {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter. The name ends in `_total`. Asked for again with the same labels, it is the same counter.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: SeriesLabels) -> Counter {
        self.with_family(name, Kind::Counter, help, |cells| {
            for cell in &*cells {
                if let Cell::Counter(have, counter) = cell
                    && *have == labels
                {
                    return counter.clone();
                }
            }
            let counter = Counter::default();
            cells.push(Cell::Counter(labels, counter.clone()));
            counter
        })
    }

    /// A gauge. Asked for again with the same labels, it is the same gauge.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: SeriesLabels) -> Gauge {
        self.with_family(name, Kind::Gauge, help, |cells| {
            for cell in &*cells {
                if let Cell::Gauge(have, gauge) = cell
                    && *have == labels
                {
                    return gauge.clone();
                }
            }
            let gauge = Gauge::default();
            cells.push(Cell::Gauge(labels, gauge.clone()));
            gauge
        })
    }

    /// Latencies, shown as a summary. The name ends in `_seconds`.
    pub fn latency(&self, name: &'static str, help: &'static str, labels: SeriesLabels) -> Latency {
        self.with_family(name, Kind::Summary, help, |cells| {
            for cell in &*cells {
                if let Cell::Latency(have, latency) = cell
                    && *have == labels
                {
                    return latency.clone();
                }
            }
            let latency = Latency::new();
            cells.push(Cell::Latency(labels, latency.clone()));
            latency
        })
    }

    /// Something that another room counts: asked for whenever the metrics are. `kind` is a counter or a gauge.
    /// `read` must not come back to the registry.
    pub fn provide(
        &self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        read: impl Fn() -> Vec<(SeriesLabels, f64)> + Send + Sync + 'static,
    ) {
        self.with_family(name, kind, help, |cells| cells.push(Cell::Provider(Box::new(read))));
    }

    /// Prometheus text of everything here.
    pub fn render(&self) -> String {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Exposition::new();
        for (name, family) in &*families {
            let mut out = text.family(name, family.kind, family.help);
            for cell in &family.cells {
                match cell {
                    Cell::Counter(labels, counter) => out.sample_u64("", &borrowed(labels), counter.value()),
                    Cell::Gauge(labels, gauge) => out.sample("", &borrowed(labels), gauge.value()),
                    Cell::Latency(labels, latency) => {
                        let summary = latency.summary();
                        let mut labels = borrowed(labels);
                        for (&(_, name), (_, value)) in QUANTILES.iter().zip(&summary.quantiles) {
                            labels.push(("quantile", name));
                            out.sample("", &labels, *value);
                            labels.pop();
                        }
                        out.sample("_sum", &labels, summary.sum_s);
                        out.sample_u64("_count", &labels, summary.count);
                    }
                    Cell::Provider(read) => {
                        for (labels, value) in read() {
                            out.sample("", &borrowed(&labels), value);
                        }
                    }
                }
            }
        }
        text.finish()
    }

    fn with_family<T>(
        &self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        act: impl FnOnce(&mut Vec<Cell>) -> T,
    ) -> T {
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Group { kind, help, cells: Vec::new() });
        debug_assert_eq!(family.kind, kind, "{name} has two kinds");
        act(&mut family.cells)
    }
}

/// What the kernel says of this process, under the names that Prometheus' own libraries use. Absent on a machine
/// without procfs.
pub fn process(registry: &Registry) {
    registry.provide("process_resident_memory_bytes", Kind::Gauge, "Memory of this process that is in RAM.", || {
        resident_bytes().map(|bytes| (Vec::new(), bytes as f64)).into_iter().collect()
    });
    registry.provide("process_cpu_seconds_total", Kind::Counter, "CPU time of this process, user and system.", || {
        cpu_seconds().map(|seconds| (Vec::new(), seconds)).into_iter().collect()
    });
}

/// Memory of this process that is in RAM, bytes.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// CPU time of this process, user and system.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    // USER_HZ is 100 wherever Linux shows these to programs.
    Some((user + system) as f64 / 100.0)
}

fn borrowed(labels: &SeriesLabels) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_and_labels_are_the_same_counter() {
        let registry = Registry::new();
        registry.counter("selvedge_polls_total", "Polls.", vec![("result", "ok".into())]).add(2);
        registry.counter("selvedge_polls_total", "Polls.", vec![("result", "ok".into())]).increment();
        registry.counter("selvedge_polls_total", "Polls.", vec![("result", "timeout".into())]).increment();
        let text = registry.render();
        assert_eq!(
            text,
            "# HELP selvedge_polls_total Polls.\n# TYPE selvedge_polls_total counter\n\
             selvedge_polls_total{result=\"ok\"} 3\nselvedge_polls_total{result=\"timeout\"} 1\n"
        );
    }

    #[test]
    fn latencies_have_quantiles_to_one_percent_and_what_is_too_long_is_bounded() {
        let latency = Latency::new();
        for millis in 1..=1000 {
            latency.record(Duration::from_millis(millis));
        }
        let summary = latency.summary();
        assert_eq!(summary.count, 1000);
        assert!((summary.sum_s - 500.5).abs() < 1e-6);
        for (q, value) in summary.quantiles {
            assert!((value - q).abs() / q < 0.01, "{q}: {value}");
        }
        latency.record(Duration::from_secs(1 << 40));
        assert!(latency.summary().quantiles[3].1 <= 3_600.0 * 1.01);
    }

    #[test]
    fn quantiles_forget_after_two_windows_but_the_sum_does_not() {
        let latency = Latency::new();
        latency.record(Duration::from_secs(1));
        {
            let mut window = latency.0.lock().unwrap();
            let later = window.turned_at + WINDOW;
            window.turn(later);
            assert_eq!((window.current.len(), window.previous.len()), (0, 1));
            window.turn(later + WINDOW);
            assert_eq!((window.current.len(), window.previous.len()), (0, 0));
            window.turned_at = Instant::now();
        }
        let summary = latency.summary();
        assert_eq!((summary.count, summary.sum_s, summary.quantiles.len()), (1, 1.0, 0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_knows_itself() {
        let registry = Registry::new();
        process(&registry);
        assert!(resident_bytes().unwrap() > 1 << 20);
        let before = cpu_seconds().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {
            std::hint::black_box(0);
        }
        assert!(cpu_seconds().unwrap() > before);
        assert!(registry.render().contains("\nprocess_resident_memory_bytes "));
    }

    #[test]
    fn latency_without_a_recording_shows_no_quantile() {
        let registry = Registry::new();
        registry.latency("selvedge_alert_latency_seconds", "From reading to delivery.", vec![]);
        registry
            .provide("selvedge_queue_length", Kind::Gauge, "Waiting.", || vec![(vec![("queue", "core".into())], 7.0)]);
        assert_eq!(
            registry.render(),
            "# HELP selvedge_alert_latency_seconds From reading to delivery.\n\
             # TYPE selvedge_alert_latency_seconds summary\n\
             selvedge_alert_latency_seconds_sum 0\nselvedge_alert_latency_seconds_count 0\n\
             # HELP selvedge_queue_length Waiting.\n# TYPE selvedge_queue_length gauge\n\
             selvedge_queue_length{queue=\"core\"} 7\n"
        );
    }
}
