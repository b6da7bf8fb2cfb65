//! The store as a source of PromQL: what /metrics shows of interfaces, with its past.
//!
//! A series is known by the device and the name of the interface; the labels beside those are as they are now. Where
//! samples as they were read are no longer kept, those of the coarser tiers stand: one per five minutes, or hour.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fjall::Readable;

use super::column::{STATUS, column};
use super::engine::{Engine, StoreError, block_key, head_key, head_key_parts, id_value};
use super::promql::{Fault, Labels, MatchOp, Matcher, NAME, Series, Source};
use super::query::{Reading, block_rows, plan};
use super::row::RowReader;
use super::tier::{Tier, counters_id};
use super::{BLOCK_TIME, Damaged};
use crate::fabric::{Counter, InterfaceId};

/// The labels of an interface beside `device` and `ifName`, as they are now.
pub type LabelsOf = dyn Fn(&InterfaceId) -> Vec<(&'static str, String)> + Send + Sync;

const DROPPED: &str = "selvedge_interface_dropped_packets_total";
const OPER_STATUS: &str = "ifOperStatus";
const ADMIN_STATUS: &str = "ifAdminStatus";
/// More interfaces than one query may select.
const MOST_SERIES: usize = 500_000;

/// What of a reading is a sample of a metric.
#[derive(Clone, Copy)]
enum Of {
    Column(u8),
    Oper,
    Admin,
}

impl Of {
    fn column(self) -> u8 {
        match self {
            Self::Column(column) => column,
            Self::Oper | Self::Admin => STATUS,
        }
    }

    fn value(self, reading: &Reading) -> Option<f64> {
        let value = reading.cells.get(self.column())?;
        match self {
            Self::Column(_) => Some(value as f64),
            Self::Oper => Some((value >> 4) as f64),
            // Not known is absent.
            Self::Admin => Some((value & 0xf) as f64).filter(|value| *value > 0.0),
        }
    }
}

/// A metric: its name, the labels that tell its kinds apart, and what it is made of.
pub(super) struct Metric {
    pub(super) name: &'static str,
    kind: Vec<(&'static str, &'static str)>,
    of: Of,
    pub(super) is_counter: bool,
}

/// All that the store knows.
pub(super) fn metrics() -> Vec<Metric> {
    let mut metrics = Vec::new();
    for counter in Counter::ALL {
        let (name, kind) = match counter.as_drops() {
            None => (counter.as_str(), Vec::new()),
            Some((class, direction)) => (DROPPED, vec![("class", class.as_str()), ("direction", direction.as_str())]),
        };
        metrics.push(Metric { name, kind, of: Of::Column(column(counter)), is_counter: true });
    }
    for (name, of) in [(OPER_STATUS, Of::Oper), (ADMIN_STATUS, Of::Admin)] {
        metrics.push(Metric { name, kind: Vec::new(), of, is_counter: false });
    }
    metrics
}

/// The store behind a query.
pub(super) struct StoreSource<'a> {
    pub(super) engine: &'a Engine,
    pub(super) labels_of: &'a LabelsOf,
}

/// A series that was selected.
struct Selected {
    device: u32,
    interface: u32,
    of: Of,
    labels: Labels,
}

impl Source for StoreSource<'_> {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, most: usize) -> Result<Vec<Series>, Fault> {
        let snapshot = self.engine.db.snapshot();
        let selected = self.selected(&snapshot, matchers).map_err(source_fault)??;
        let micros = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000);
        let (from_us, to_us) = (micros(from_ms), micros(to_ms).saturating_add(999));
        let mut series: Vec<Series> = Vec::with_capacity(selected.len());
        let mut devices: BTreeMap<u32, HashMap<u32, Vec<(Of, usize)>>> = BTreeMap::new();
        for Selected { device, interface, of, labels } in selected {
            devices.entry(device).or_default().entry(interface).or_default().push((of, series.len()));
            series.push(Series { labels, samples: Vec::new() });
        }
        let mut left = most;
        for (device, wanted) in devices {
            let parts = plan(self.engine, &snapshot, device, from_us, to_us, 1).map_err(source_fault)?;
            for (tier, part_from, part_to) in parts {
                // At the end of the last part what is there counts.
                let part_to = if part_to == to_us { to_us.saturating_add(1) } else { part_to };
                self.load(&snapshot, tier, device, &wanted, (part_from, part_to), &mut series, &mut left)
                    .map_err(source_fault)?;
                if left == 0 {
                    let what = "the query reads too many samples: select fewer series or take a shorter range";
                    return Err(Fault::TooMuch(what.into()));
                }
            }
        }
        for one in &mut series {
            // In order but for a clock that was set back, and for the seam of two parts.
            if !one.samples.is_sorted_by_key(|(time, _)| *time) {
                one.samples.sort_by_key(|(time, _)| *time);
            }
            one.samples.dedup_by_key(|(time, _)| *time);
        }
        series.retain(|one| !one.samples.is_empty());
        Ok(series)
    }
}

fn source_fault(error: StoreError) -> Fault {
    Fault::Source(format!("the history cannot be read: {error}"))
}

impl StoreSource<'_> {
    /// Every series there is whose labels match, samples or not.
    pub(super) fn labels(&self, matchers: &[Matcher]) -> Result<Vec<Labels>, Fault> {
        let snapshot = self.engine.db.snapshot();
        let selected = self.selected(&snapshot, matchers).map_err(source_fault)??;
        Ok(selected.into_iter().map(|one| one.labels).collect())
    }

    fn selected(
        &self,
        snapshot: &impl Readable,
        matchers: &[Matcher],
    ) -> Result<Result<Vec<Selected>, Fault>, StoreError> {
        let matching = |name: &str, value: &str| {
            matchers.iter().filter(|matcher| matcher.name == name).all(|matcher| matcher.is_match(value))
        };
        let metrics: Vec<Metric> = metrics()
            .into_iter()
            .filter(|metric| {
                let kind = |name: &str| metric.kind.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value);
                matching(NAME, metric.name)
                    && matching("class", kind("class"))
                    && matching("direction", kind("direction"))
            })
            .collect();
        let mut found = Vec::new();
        if metrics.is_empty() {
            return Ok(Ok(found));
        }
        let shared = ["class", "device", "direction", "ifName", NAME];
        let others: Vec<&Matcher> = matchers.iter().filter(|one| !shared.contains(&&*one.name)).collect();
        let names: Vec<Arc<str>> = metrics.iter().map(|metric| Arc::from(metric.name)).collect();
        let exact = matchers.iter().find(|one| one.name == "device" && matches!(one.op, MatchOp::Equal));
        let prefix = [b"d".as_slice(), exact.map_or(&b""[..], |one| one.value.as_bytes())].concat();
        let label: HashMap<&str, Arc<str>> = ["device", "ifName", "ifAlias", "ifDescr", "ifIndex", NAME]
            .into_iter()
            .map(|name| (name, Arc::from(name)))
            .collect();
        let intern = |name: &str| label.get(name).cloned().unwrap_or_else(|| Arc::from(name));
        for guard in snapshot.prefix(&self.engine.names, &prefix) {
            let (key, id) = guard.into_inner()?;
            let device = id_value(&id)?;
            let device_name = text(key.get(1..).unwrap_or_default())?;
            if !matching("device", device_name) {
                continue;
            }
            let device_label: Arc<str> = device_name.into();
            let interfaces = [b"i".as_slice(), &device.to_be_bytes()].concat();
            for guard in snapshot.prefix(&self.engine.names, &interfaces) {
                let (key, id) = guard.into_inner()?;
                let interface = id_value(&id)?;
                let if_name = text(key.get(interfaces.len()..).unwrap_or_default())?;
                if !matching("ifName", if_name) {
                    continue;
                }
                let more = (self.labels_of)(&InterfaceId::new(device_name, if_name));
                let value = |name: &str| more.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value);
                if !others.iter().all(|matcher| matcher.is_match(value(&matcher.name))) {
                    continue;
                }
                if found.len() + metrics.len() > MOST_SERIES {
                    return Ok(Err(Fault::TooMuch(format!("more than {MOST_SERIES} series: select fewer"))));
                }
                let if_label: Arc<str> = if_name.into();
                let more: Vec<(Arc<str>, Arc<str>)> =
                    more.into_iter().map(|(name, value)| (intern(name), Arc::from(value))).collect();
                for (metric, name) in metrics.iter().zip(&names) {
                    let own = [(NAME, name), ("device", &device_label), ("ifName", &if_label)];
                    let own = own.map(|(name, value)| (intern(name), value.clone()));
                    let kind = metric.kind.iter().map(|(name, value)| (intern(name), Arc::from(*value)));
                    let labels = Labels::new(more.iter().cloned().chain(own).chain(kind));
                    found.push(Selected { device, interface, of: metric.of, labels });
                }
            }
        }
        Ok(Ok(found))
    }

    /// The samples of some interfaces of a device within `[from, to)`.
    #[allow(clippy::too_many_arguments)]
    fn load(
        &self,
        snapshot: &impl Readable,
        tier: Tier,
        device: u32,
        wanted: &HashMap<u32, Vec<(Of, usize)>>,
        (from_us, to_us): (u64, u64),
        series: &mut [Series],
        left: &mut usize,
    ) -> Result<(), StoreError> {
        let stored = |interface: u32| if tier == Tier::Full { interface } else { counters_id(interface) };
        let mut take = |samples: &[(Of, usize)], reading: &Reading| {
            if reading.time < from_us || reading.time >= to_us {
                return;
            }
            for (of, at) in samples {
                if let Some(value) = of.value(reading) {
                    *left = left.saturating_sub(1);
                    if *left > 0 {
                        series[*at].samples.push(((reading.time / 1_000) as i64, value));
                    }
                }
            }
        };
        let level = self.engine.level(tier);
        let earliest = from_us.saturating_sub(2 * tier.block_span_us());
        for partition in &*level.partitions.load_full() {
            if partition.first > to_us || partition.last.saturating_add(tier.step_us()) < from_us {
                continue;
            }
            let shared = block_key(device, 0, earliest)..=block_key(device, 0, to_us);
            for guard in snapshot.range(&partition.keyspace, shared) {
                let (key, shared) = guard.into_inner()?;
                let start =
                    key.last_chunk::<8>().map(|start| u64::from_be_bytes(*start)).ok_or(Damaged("short key"))?;
                if !reaches(&shared, from_us.saturating_sub(tier.step_us()))? {
                    continue;
                }
                for (interface, samples) in wanted {
                    let key = block_key(device, stored(*interface), start);
                    let Some(own) = snapshot.get(&partition.keyspace, key)? else { continue };
                    let columns = samples.iter().fold(0, |mask, (of, _)| mask | 1 << of.column());
                    block_rows(&shared, &own, columns)?.iter().for_each(|reading| take(samples, reading));
                }
            }
        }
        let by_stored: HashMap<u32, &Vec<(Of, usize)>> =
            wanted.iter().map(|(interface, samples)| (stored(*interface), samples)).collect();
        // A row may hold what was read a little later than its key says.
        let head = head_key(device, from_us.saturating_sub(tier.step_us().max(1_000_000)))..=head_key(device, to_us);
        for guard in snapshot.range(&level.head, head) {
            let (key, value) = guard.into_inner()?;
            let time = head_key_parts(&key)?.1;
            let mut reader = RowReader::new(&value)?;
            let mut missing = by_stored.len();
            while missing > 0
                && let Some((id, entry)) = reader.next_entry()?
            {
                if let Some(samples) = by_stored.get(&id) {
                    missing -= 1;
                    let head = reader.head;
                    take(samples, &Reading::of_row(time, head.lag_ms, head.uptime, entry.cells()?));
                }
            }
        }
        Ok(())
    }
}

/// Has a block rows at or after a time?
fn reaches(shared: &[u8], from_us: u64) -> Result<bool, StoreError> {
    let (_, columns) = super::block::decode(shared, |id| id == BLOCK_TIME)?;
    let newest = columns.first().and_then(|column| column.values.iter().rev().find_map(|time| *time));
    Ok(newest.is_some_and(|newest| newest >= from_us))
}

fn text(bytes: &[u8]) -> Result<&str, Damaged> {
    std::str::from_utf8(bytes).map_err(|_| Damaged("a name is not text"))
}
