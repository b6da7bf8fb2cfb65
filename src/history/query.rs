//! From stored counters to rates.
//!
//! What lies long ago, or is asked for in long steps, comes out of the coarser tiers (tier.rs).
//!
//! Between two neighbouring readings a rate is constant; a point is the mean of the known rates within its
//! step. What cannot be vouched for is left out, and a step with nothing known is null: a counter that fell,
//! a device that started anew, more than three intervals without a look, an object the device does not have.

use std::collections::VecDeque;
use std::fmt;

use fjall::Readable;
use serde::Serialize;

use super::block::{self, Column};
use super::column::{Cells, DELAY, DISCONTINUITY, UPTIME_DELAY, column};
use super::engine::{
    Engine, StoreError, block_key, carry_key, device_name_key, head_key, head_key_parts, id_value, interface_name_key,
};
use super::row::RowReader;
use super::tier::{Summary, Tier, quantile_99, spread_id};
use super::writer::{Carry, QUIET_US};
use super::{BLOCK_LAG, BLOCK_TIME, BLOCK_UPTIME, Damaged};
use crate::fabric::{Counter, InterfaceId, Uptime};

/// The most points that one answer holds.
const MOST_POINTS: u64 = 11_000;
/// A longer silence than this many intervals is a gap.
const GAP_INTERVALS: u64 = 3;
/// Slack for a poll that comes late, ms: polls are never as regular as asked.
const GAP_SLACK_MS: u64 = 500;
/// How many lags before and after a row its usual interval is taken from.
const LAGS_BESIDE: usize = 5;

/// Rates of one interface over time, one column per quantity. A point that is not known is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// Start of each step, seconds since 1970.
    pub t: Vec<i64>,
    /// Bits received per second.
    pub in_bps: Vec<Option<f64>>,
    /// Bits sent per second.
    pub out_bps: Vec<Option<f64>>,
    /// Packets received per second.
    pub in_pps: Vec<Option<f64>>,
    /// Packets sent per second.
    pub out_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way in, per second.
    pub in_drops_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way out, per second.
    pub out_drops_pps: Vec<Option<f64>>,
    /// How each quantity was spread within a step, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<SpreadSeries>,
}

/// What the means of a [`Series`] hide.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SpreadSeries {
    /// The least rate between two readings that touched the step.
    pub min: Columns,
    /// The greatest.
    pub max: Columns,
    /// It was at most this for 99 % of the time; out of a coarser tier never less than that.
    pub p99: Columns,
}

/// A column per quantity, as in [`Series`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Columns {
    /// Bits received per second.
    pub in_bps: Vec<Option<f64>>,
    /// Bits sent per second.
    pub out_bps: Vec<Option<f64>>,
    /// Packets received per second.
    pub in_pps: Vec<Option<f64>>,
    /// Packets sent per second.
    pub out_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way in, per second.
    pub in_drops_pps: Vec<Option<f64>>,
    /// Discards and errors counted on the way out, per second.
    pub out_drops_pps: Vec<Option<f64>>,
}

/// Why there is no series.
#[derive(Debug)]
pub enum QueryError {
    /// `to` is not after `from`, or the step is zero.
    Nonsense(&'static str),
    /// More points than one answer may hold.
    TooManyPoints {
        /// How many were asked for.
        asked: u64,
        /// How many there may be.
        most: u64,
    },
    /// More readings than one answer may be made of.
    TooMuch,
    /// The history has stopped: there is nothing to read from now.
    Stopped(String),
    /// The store cannot be read.
    Store(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonsense(what) => f.write_str(what),
            Self::TooManyPoints { asked, most } => {
                write!(f, "{asked} points asked for, at most {most}: take a longer step")
            }
            Self::TooMuch => f.write_str("too many readings for one answer: take a shorter range"),
            Self::Stopped(why) => write!(f, "the history has stopped: {why}"),
            Self::Store(why) => write!(f, "the history cannot be read: {why}"),
        }
    }
}

impl std::error::Error for QueryError {}

/// A quantity: counters that are summed, and what one of them counts in units of the rate. Those in `needed`
/// must be there; of the others those that the device has are taken.
pub(super) struct Quantity {
    needed: &'static [Counter],
    others: &'static [Counter],
    factor: f64,
}

/// In the order of the columns of [`Series`].
pub(super) const QUANTITIES: [Quantity; 6] = [
    Quantity { needed: &[Counter::InOctets], others: &[], factor: 8.0 },
    Quantity { needed: &[Counter::OutOctets], others: &[], factor: 8.0 },
    Quantity {
        needed: &[Counter::InUcastPkts],
        others: &[Counter::InMulticastPkts, Counter::InBroadcastPkts],
        factor: 1.0,
    },
    Quantity {
        needed: &[Counter::OutUcastPkts],
        others: &[Counter::OutMulticastPkts, Counter::OutBroadcastPkts],
        factor: 1.0,
    },
    Quantity { needed: &[], others: &[Counter::InDiscards, Counter::InErrors], factor: 1.0 },
    Quantity { needed: &[], others: &[Counter::OutDiscards, Counter::OutErrors], factor: 1.0 },
];

/// What a row says of one interface.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) time: u64,
    pub(super) lag_ms: Option<u64>,
    pub(super) uptime: Option<Uptime>,
    pub(super) cells: Cells,
}

impl Reading {
    /// Out of a row: the times of the row are those of its first part.
    pub(super) fn of_row(time: u64, lag_ms: Option<u64>, uptime: Option<Uptime>, cells: Cells) -> Self {
        let time = time.saturating_add(cells.get(DELAY).unwrap_or(0));
        let ticks = cells.get(UPTIME_DELAY).unwrap_or(0) as u32;
        Self { time, lag_ms, uptime: uptime.map(|uptime| Uptime(uptime.0.wrapping_add(ticks))), cells }
    }
}

/// Where an interface lies in the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) device: u32,
    pub(super) interface: u32,
}

/// Find an interface.
pub(super) fn find(engine: &Engine, snapshot: &impl Readable, id: &InterfaceId) -> Result<Option<Place>, StoreError> {
    let Some(device) = snapshot.get(&engine.names, device_name_key(id.device.as_str()))? else { return Ok(None) };
    let device = id_value(&device)?;
    let Some(interface) = snapshot.get(&engine.names, interface_name_key(device, &id.if_name))? else {
        return Ok(None);
    };
    Ok(Some(Place { device, interface: id_value(&interface)? }))
}

/// Answer from the store.
pub(super) fn interface(
    engine: &Engine,
    id: &InterfaceId,
    from: i64,
    to: i64,
    step_s: u32,
    with_spread: bool,
) -> Result<Series, QueryError> {
    let mut sums = Sums::new(from, to, step_s, with_spread)?;
    let (from_us, to_us) = (sums.from_us, sums.to_us);
    let taken = (|| {
        let snapshot = engine.db.snapshot();
        let Some(place) = find(engine, &snapshot, id)? else { return Ok(()) };
        for (tier, from_us, to_us) in plan(engine, &snapshot, place.device, from_us, to_us, sums.step_us)? {
            sums.window = (from_us, to_us);
            match tier {
                Tier::Full => {
                    let wanted = wanted_by_rates();
                    walk(engine, &snapshot, tier, place, wanted, from_us, to_us, |rows| sums.take(rows))?;
                }
                coarse => {
                    let place = Place { interface: spread_id(place.interface), ..place };
                    walk(engine, &snapshot, coarse, place, u32::MAX, from_us, to_us, |rows| {
                        sums.take_buckets(rows, coarse.step_us());
                    })?;
                }
            }
        }
        Ok(())
    })();
    taken.map_err(|error: StoreError| QueryError::Store(error.to_string()))?;
    sums.finish()
}

/// Which tier answers for which part of a range, in order of time.
///
/// What has not been sealed yet is in the head alone. Of the rest a step that is made of whole buckets, or of many, asks
/// the coarsest tier that fits; where that does not reach back far enough, or nothing finer is kept any more, another.
pub(super) fn plan(
    engine: &Engine,
    snapshot: &impl Readable,
    device: u32,
    from_us: u64,
    to_us: u64,
    step_us: u64,
) -> Result<Vec<(Tier, u64, u64)>, StoreError> {
    let sealed_to = match snapshot.get(&engine.names, carry_key(device))? {
        Some(carry) => Carry::sealed_to(&carry)?,
        None => 0,
    };
    let fits = |tier: Tier| {
        let bucket_us = tier.step_us();
        tier == Tier::Full
            || (step_us.is_multiple_of(bucket_us) && from_us.is_multiple_of(bucket_us))
            || step_us >= 4 * bucket_us
    };
    let mut order: Vec<Tier> = Tier::ALL.into_iter().rev().filter(|tier| fits(*tier)).collect();
    order.extend(Tier::ALL.into_iter().filter(|tier| !fits(*tier)));
    let mut plan = Vec::new();
    if to_us > sealed_to {
        plan.push((Tier::Full, from_us.max(sealed_to), to_us));
    }
    let mut open_to = to_us.min(sealed_to);
    for tier in order {
        if from_us >= open_to {
            break;
        }
        let first = first_of(engine, snapshot, tier, device)?;
        if first < open_to {
            plan.push((tier, first.max(from_us), open_to));
            open_to = first;
        }
    }
    plan.reverse();
    Ok(plan)
}

/// How far back a tier reaches.
fn first_of(engine: &Engine, snapshot: &impl Readable, tier: Tier, device: u32) -> Result<u64, StoreError> {
    let level = engine.level(tier);
    let blocks = level.partitions.load().iter().map(|partition| partition.first).min().unwrap_or(u64::MAX);
    let head = match snapshot.range(&level.head, head_key(device, 0)..=head_key(device, u64::MAX)).next() {
        Some(guard) => head_key_parts(&guard.key()?)?.1,
        None => u64::MAX,
    };
    // A bucket begins where its step does.
    let first = blocks.min(head);
    Ok(first - first % tier.step_us())
}

/// The columns that rates are made of.
fn wanted_by_rates() -> u32 {
    let wanted = QUANTITIES.iter().flat_map(|quantity| quantity.needed.iter().chain(quantity.others));
    wanted.fold(1u32 << DISCONTINUITY, |mask, counter| mask | 1 << column(*counter))
}

/// Hand over the readings of an interface from a little before `from` to a little after `to`, a block at a time.
#[allow(clippy::too_many_arguments)]
pub(super) fn walk(
    engine: &Engine,
    snapshot: &impl Readable,
    tier: Tier,
    place: Place,
    wanted: u32,
    from_us: u64,
    to_us: u64,
    mut take: impl FnMut(&[Reading]),
) -> Result<(), StoreError> {
    // The snapshot came first: what the list of partitions has lost or won since then is not in it.
    let level = engine.level(tier);
    let partitions = level.partitions.load_full();
    let Place { device, interface } = place;
    // A rate needs the reading before it, which may lie in the block before; and the one after.
    let earliest = from_us.saturating_sub(2 * tier.block_span_us());
    let latest = to_us.saturating_add(tier.block_span_us());
    for partition in &*partitions {
        if partition.first > latest || partition.last < earliest {
            continue;
        }
        let shared = block_key(device, 0, earliest)..=block_key(device, 0, latest);
        for guard in snapshot.range(&partition.keyspace, shared) {
            let (key, shared) = guard.into_inner()?;
            let start = key.last_chunk::<8>().map(|start| u64::from_be_bytes(*start)).ok_or(Damaged("short key"))?;
            if let Some(own) = snapshot.get(&partition.keyspace, block_key(device, interface, start))? {
                take(&block_rows(&shared, &own, wanted)?);
            }
        }
    }

    let mut rows = Vec::new();
    for guard in snapshot.range(&level.head, head_key(device, earliest)..=head_key(device, latest)) {
        let (key, value) = guard.into_inner()?;
        let mut reader = RowReader::new(&value)?;
        while let Some((id, entry)) = reader.next_entry()? {
            if id == interface {
                let time = head_key_parts(&key)?.1;
                rows.push(Reading::of_row(time, reader.head.lag_ms, reader.head.uptime, entry.cells()?));
                break;
            }
        }
    }
    take(&rows);
    Ok(())
}

pub(super) fn block_rows(shared: &[u8], own: &[u8], wanted: u32) -> Result<Vec<Reading>, StoreError> {
    let (rows, shared) = block::decode(shared, |_| true)?;
    let wanted = wanted | 1 << DELAY | 1 << UPTIME_DELAY;
    let (own_rows, own) = block::decode(own, |id| id < 32 && wanted & (1 << id) != 0)?;
    if own_rows != rows {
        return Err(Damaged("blocks of unequal length").into());
    }
    let of = |id: u8| shared.iter().find(move |column: &&Column| column.id == id);
    let (times, lags, uptimes) = (of(BLOCK_TIME), of(BLOCK_LAG), of(BLOCK_UPTIME));
    let at = |column: Option<&Column>, row: usize| column.and_then(|column| column.values[row]);
    let mut readings = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut cells = Cells::EMPTY;
        for column in &own {
            if let Some(value) = column.values[row] {
                cells.set(column.id, value);
            }
        }
        if cells.mask == 0 {
            continue;
        }
        let time = at(times, row).ok_or(Damaged("a row without its time"))?;
        let uptime = at(uptimes, row).and_then(|ticks| u32::try_from(ticks).ok()).map(Uptime);
        readings.push(Reading::of_row(time, at(lags, row), uptime, cells));
    }
    Ok(readings)
}

/// The reading before.
struct Before {
    time: u64,
    uptime: Option<Uptime>,
    cells: Cells,
}

/// One column under construction: known amount and known time per step.
type Amounts = Vec<(f64, f64)>;

/// Turns readings into rates, one pair of neighbours after the other.
#[derive(Default)]
pub(super) struct Pairs {
    before: Option<Before>,
    /// The last few lags, whatever block they were in.
    recent_lags_ms: VecDeque<u64>,
}

impl Pairs {
    /// Readings in order of time, following those taken before. `found` gets the quantity, the time over which a rate
    /// held, and the rate; `window` is what it wants to know of.
    pub(super) fn take(&mut self, rows: &[Reading], window: (u64, u64), mut found: impl FnMut(usize, (u64, u64), f64)) {
        for (at, row) in rows.iter().enumerate() {
            if let Some(before) = self.before.take()
                && row.time > before.time
                && row.time > window.0
                && before.time < window.1
            {
                let usual_ms = usual_lag_ms(&self.recent_lags_ms, &rows[at..]);
                pair(&before, row, longest_lag_ms(usual_ms), &mut found);
            }
            if let Some(lag_ms) = row.lag_ms {
                self.recent_lags_ms.truncate(LAGS_BESIDE - 1);
                self.recent_lags_ms.push_front(lag_ms);
            }
            self.before = Some(Before { time: row.time, uptime: row.uptime, cells: row.cells });
        }
    }
}

fn pair(before: &Before, row: &Reading, longest_lag_ms: u64, found: &mut impl FnMut(usize, (u64, u64), f64)) {
    let Reading { time, lag_ms, cells, .. } = row;
    // What did not move was not kept each time, and what the writer forgot it cannot tell the lag of.
    let apart_ms = (time - before.time) / 1_000;
    if lag_ms.unwrap_or(apart_ms) > longest_lag_ms || apart_ms > (QUIET_US / 1_000).saturating_add(longest_lag_ms) {
        return;
    }
    if before.cells.get(DISCONTINUITY) != cells.get(DISCONTINUITY) {
        return;
    }
    let Some(seconds) = device_seconds(before, row) else { return };
    for (at, quantity) in QUANTITIES.iter().enumerate() {
        if let Some(delta) = quantity.delta(&before.cells, cells) {
            found(at, (before.time, *time), delta / seconds);
        }
    }
}

/// The rates that touched one step, with the time that each is known for.
type Spreads = Vec<Vec<(f64, f64)>>;
/// And how many of them there may be in one answer.
const MOST_SPREAD: usize = 2_000_000;

struct Sums {
    from_us: u64,
    to_us: u64,
    step_us: u64,
    /// The part of the range that is being filled.
    window: (u64, u64),
    pairs: Pairs,
    quantities: [Amounts; QUANTITIES.len()],
    spread: Option<Box<[Spread; QUANTITIES.len()]>>,
    spread_left: usize,
}

/// Least, greatest, and the rates for the quantiles, per step.
#[derive(Clone)]
struct Spread {
    min: Vec<f64>,
    max: Vec<f64>,
    high: Spreads,
}

impl Spread {
    fn note(&mut self, point: usize, summary: &Summary) {
        if let (Some(min), Some(max), Some(high)) =
            (self.min.get_mut(point), self.max.get_mut(point), self.high.get_mut(point))
        {
            (*min, *max) = (min.min(summary.min), max.max(summary.max));
            high.push((summary.p99, summary.known_s));
        }
    }
}

impl Sums {
    fn new(from: i64, to: i64, step_s: u32, with_spread: bool) -> Result<Self, QueryError> {
        let seconds = |at: i64| u64::try_from(at).ok().and_then(|at| at.checked_mul(1_000_000));
        let from_us = seconds(from).ok_or(QueryError::Nonsense("`from` is not a time"))?;
        let to_us = seconds(to).ok_or(QueryError::Nonsense("`to` is not a time"))?;
        let step_us = u64::from(step_s) * 1_000_000;
        if step_us == 0 {
            return Err(QueryError::Nonsense("`step` must be at least one second"));
        }
        if to_us <= from_us {
            return Err(QueryError::Nonsense("`to` must be after `from`"));
        }
        let points = (to_us - from_us).div_ceil(step_us);
        if points > MOST_POINTS {
            return Err(QueryError::TooManyPoints { asked: points, most: MOST_POINTS });
        }
        let points = points as usize;
        let empty = vec![(0.0, 0.0); points];
        let quantities = std::array::from_fn(|_| empty.clone());
        let unknown = Spread {
            min: vec![f64::INFINITY; points],
            max: vec![f64::NEG_INFINITY; points],
            high: vec![Vec::new(); points],
        };
        let spread = with_spread.then(|| Box::new(std::array::from_fn(|_| unknown.clone())));
        let (window, pairs) = ((from_us, to_us), Pairs::default());
        Ok(Self { from_us, to_us, step_us, window, pairs, quantities, spread, spread_left: MOST_SPREAD })
    }

    /// Readings in order of time, following those taken before.
    fn take(&mut self, rows: &[Reading]) {
        let Self { from_us, to_us, step_us, window, pairs, quantities, spread, spread_left } = self;
        let (from_us, step_us) = (*from_us, *step_us);
        let window = (window.0.max(from_us), window.1.min(*to_us));
        pairs.take(rows, window, |quantity, span, rate| {
            add(&mut quantities[quantity], from_us, step_us, clip(span, window), (rate, 1.0), |point, known_s| {
                if let Some(spread) = spread
                    && *spread_left > 0
                {
                    *spread_left -= 1;
                    let summary = Summary { known_s, mean: rate, min: rate, max: rate, p99: rate };
                    spread[quantity].note(point, &summary);
                }
            });
        });
    }

    /// Buckets of a coarser tier.
    fn take_buckets(&mut self, rows: &[Reading], bucket_us: u64) {
        let window = (self.window.0.max(self.from_us), self.window.1.min(self.to_us));
        for row in rows {
            let bucket = row.time - row.time % bucket_us;
            // The newest bucket knows of nothing after what was sealed, where the readings go on.
            let open_end = if window.1 < self.to_us { window.1 } else { u64::MAX };
            let whole = (bucket, bucket.saturating_add(bucket_us).min(open_end));
            let span = clip(whole, window);
            if span.0 >= span.1 {
                continue;
            }
            for (quantity, amounts) in self.quantities.iter_mut().enumerate() {
                let Some(summary) = Summary::of_cells(&row.cells, quantity) else { continue };
                let known = summary.known_s / ((whole.1 - whole.0) as f64 / 1e6);
                let (spread, left) = (&mut self.spread, &mut self.spread_left);
                add(amounts, self.from_us, self.step_us, span, (summary.mean, known), |point, known_s| {
                    if let Some(spread) = spread
                        && *left > 0
                    {
                        *left -= 1;
                        spread[quantity].note(point, &Summary { known_s, ..summary });
                    }
                });
            }
        }
    }

    fn finish(self) -> Result<Series, QueryError> {
        if self.spread_left == 0 {
            return Err(QueryError::TooMuch);
        }
        let points = self.quantities[0].len();
        let t = (0..points as u64).map(|point| ((self.from_us + point * self.step_us) / 1_000_000) as i64).collect();
        let [in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps] = self.quantities.map(|amounts| {
            amounts.into_iter().map(|(amount, seconds)| (seconds > 0.0).then(|| amount / seconds)).collect()
        });
        let spread = self.spread.map(|mut spread| {
            let p99 = Columns::of(std::array::from_fn(|quantity| {
                let high = spread[quantity].high.iter_mut().map(|rates| {
                    rates.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
                    let known_s = rates.iter().map(|(_, seconds)| seconds).sum();
                    (!rates.is_empty()).then(|| quantile_99(rates, known_s))
                });
                high.collect()
            }));
            let known = |values: &[f64]| values.iter().map(|value| value.is_finite().then_some(*value)).collect();
            let min = Columns::of(std::array::from_fn(|quantity| known(&spread[quantity].min)));
            let max = Columns::of(std::array::from_fn(|quantity| known(&spread[quantity].max)));
            SpreadSeries { min, max, p99 }
        });
        Ok(Series { t, in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps, spread })
    }
}

impl Columns {
    fn of(columns: [Vec<Option<f64>>; QUANTITIES.len()]) -> Self {
        let [in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps] = columns;
        Self { in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps }
    }
}

fn clip(span: (u64, u64), window: (u64, u64)) -> (u64, u64) {
    (span.0.max(window.0), span.1.min(window.1))
}

impl Quantity {
    /// How much came, in units of the rate; none where a part of it is not known.
    fn delta(&self, before: &Cells, now: &Cells) -> Option<f64> {
        let mut sum = 0.0;
        let mut any = false;
        for counter in self.needed.iter().chain(self.others) {
            match (before.get(column(*counter)), now.get(column(*counter))) {
                (Some(before), Some(now)) => {
                    sum += now.checked_sub(before)? as f64;
                    any = true;
                }
                (None, None) if !self.needed.contains(counter) => {}
                _ => return None,
            }
        }
        any.then_some(sum * self.factor)
    }
}

/// Add a rate that held over `span`, or was known for a part of it, to the steps it touches; `touched` gets each of them
/// with the seconds known.
fn add(
    amounts: &mut Amounts,
    from_us: u64,
    step_us: u64,
    span: (u64, u64),
    (rate, known): (f64, f64),
    mut touched: impl FnMut(usize, f64),
) {
    let (mut at, end) = span;
    while at < end {
        let point = ((at - from_us) / step_us) as usize;
        let next = (from_us + (point as u64 + 1) * step_us).min(end);
        let seconds = (next - at) as f64 / 1e6 * known;
        if let Some((amount, all)) = amounts.get_mut(point) {
            *amount += rate * seconds;
            *all += seconds;
            touched(point, seconds);
        }
        at = next;
    }
}

/// The longest time without a look over which a rate still stands.
fn longest_lag_ms(usual_ms: u64) -> u64 {
    usual_ms.saturating_mul(GAP_INTERVALS).saturating_add(GAP_SLACK_MS)
}

/// The median lag around a reading: the interval that the interface is polled at there.
fn usual_lag_ms(before: &VecDeque<u64>, from_here: &[Reading]) -> u64 {
    let mut lags = [0; 2 * LAGS_BESIDE + 1];
    let mut count = 0;
    let after = from_here.iter().take(LAGS_BESIDE + 1).filter_map(|row| row.lag_ms);
    for (lag, place) in before.iter().copied().chain(after).zip(&mut lags) {
        *place = lag;
        count += 1;
    }
    let lags = &mut lags[..count];
    lags.sort_unstable();
    // Of two the shorter: a poll that came in time tells more than one that did not.
    lags.get(count.saturating_sub(1) / 2).copied().unwrap_or(u64::MAX)
}

/// The time between two readings by the device's own clock where that moves as ours does; none where the device
/// started anew in between.
fn device_seconds(before: &Before, row: &Reading) -> Option<f64> {
    let ours = (row.time - before.time) as f64 / 1e6;
    let (Some(then), Some(now)) = (before.uptime, row.uptime) else { return Some(ours) };
    let theirs = now.wrapping_since(then).as_secs_f64();
    // A tenth, or the half second that the request was on its way.
    let tolerance = (ours * 0.1).max(0.5);
    if (theirs - ours).abs() <= tolerance && theirs > 0.0 {
        Some(theirs)
    } else if now.0 < then.0 {
        None
    } else {
        // It stands still or runs wild: not a clock.
        Some(ours)
    }
}
