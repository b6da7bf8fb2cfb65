//! From stored counters to rates.
//!
//! Between two neighbouring readings a rate is constant; a point is the mean of the known rates within its
//! step. What cannot be vouched for is left out, and a step with nothing known is null: a counter that fell,
//! a device that started anew, more than three intervals without a look, an object the device does not have.

use std::collections::VecDeque;
use std::fmt;

use fjall::Readable;
use serde::Serialize;

use super::block::{self, Column};
use super::column::{Cells, DISCONTINUITY, column};
use super::engine::{
    Engine, StoreError, block_key, device_name_key, head_key, head_key_parts, id_value, interface_name_key,
};
use super::row::RowReader;
use super::writer::QUIET_US;
use super::{BLOCK_LAG, BLOCK_SPAN_US, BLOCK_TIME, BLOCK_UPTIME, Damaged};
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
            Self::Stopped(why) => write!(f, "the history has stopped: {why}"),
            Self::Store(why) => write!(f, "the history cannot be read: {why}"),
        }
    }
}

impl std::error::Error for QueryError {}

/// A quantity: counters that are summed, and what one of them counts in units of the rate. Those in `needed`
/// must be there; of the others those that the device has are taken.
struct Quantity {
    needed: &'static [Counter],
    others: &'static [Counter],
    factor: f64,
}

/// In the order of the columns of [`Series`].
const QUANTITIES: [Quantity; 6] = [
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
pub(super) struct Reading {
    pub(super) time: u64,
    lag_ms: Option<u64>,
    uptime: Option<Uptime>,
    pub(super) cells: Cells,
}

/// Answer from the store.
pub(super) fn interface(
    engine: &Engine,
    id: &InterfaceId,
    from: i64,
    to: i64,
    step_s: u32,
) -> Result<Series, QueryError> {
    let mut sums = Sums::new(from, to, step_s)?;
    walk(engine, id, sums.from_us, sums.to_us, |rows| sums.take(rows))
        .map_err(|error| QueryError::Store(error.to_string()))?;
    Ok(sums.finish())
}

/// Hand over the readings of an interface from a little before `from` to a little after `to`, a block at a time.
pub(super) fn walk(
    engine: &Engine,
    id: &InterfaceId,
    from_us: u64,
    to_us: u64,
    mut take: impl FnMut(&[Reading]),
) -> Result<(), StoreError> {
    // The snapshot comes first: what the list of partitions has lost or won since then is not in it.
    let snapshot = engine.db.snapshot();
    let partitions = engine.partitions.load_full();
    let Some(device) = snapshot.get(&engine.names, device_name_key(id.device.as_str()))? else { return Ok(()) };
    let device = id_value(&device)?;
    let Some(interface) = snapshot.get(&engine.names, interface_name_key(device, &id.if_name))? else {
        return Ok(());
    };
    let interface = id_value(&interface)?;

    // A rate needs the reading before it, which may lie in the block before; and the one after.
    let earliest = from_us.saturating_sub(2 * BLOCK_SPAN_US);
    let latest = to_us.saturating_add(BLOCK_SPAN_US);
    for partition in &*partitions {
        if partition.first > latest || partition.last < earliest {
            continue;
        }
        let shared = block_key(device, 0, earliest)..=block_key(device, 0, latest);
        for guard in snapshot.range(&partition.keyspace, shared) {
            let (key, shared) = guard.into_inner()?;
            let start = key.last_chunk::<8>().map(|start| u64::from_be_bytes(*start)).ok_or(Damaged("short key"))?;
            if let Some(own) = snapshot.get(&partition.keyspace, block_key(device, interface, start))? {
                take(&block_rows(&shared, &own)?);
            }
        }
    }

    let mut rows = Vec::new();
    for guard in snapshot.range(&engine.head, head_key(device, earliest)..=head_key(device, latest)) {
        let (key, value) = guard.into_inner()?;
        let mut reader = RowReader::new(&value)?;
        while let Some((id, entry)) = reader.next_entry()? {
            if id == interface {
                rows.push(Reading {
                    time: head_key_parts(&key)?.1,
                    lag_ms: reader.head.lag_ms,
                    uptime: reader.head.uptime,
                    cells: entry.cells()?,
                });
                break;
            }
        }
    }
    take(&rows);
    Ok(())
}

fn block_rows(shared: &[u8], own: &[u8]) -> Result<Vec<Reading>, StoreError> {
    let (rows, shared) = block::decode(shared, |_| true)?;
    let wanted = QUANTITIES.iter().flat_map(|quantity| quantity.needed.iter().chain(quantity.others));
    let wanted = wanted.fold(1u32 << DISCONTINUITY, |mask, counter| mask | 1 << column(*counter));
    let (own_rows, own) = block::decode(own, |id| id < 32 && wanted & (1 << id) != 0)?;
    if own_rows != rows {
        return Err(Damaged("blocks of unequal length").into());
    }
    let of = |id: u8, row: usize| {
        shared.iter().find(|column: &&Column| column.id == id).and_then(|column| column.values[row])
    };
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
        readings.push(Reading {
            time: of(BLOCK_TIME, row).ok_or(Damaged("a row without its time"))?,
            lag_ms: of(BLOCK_LAG, row),
            uptime: of(BLOCK_UPTIME, row).and_then(|ticks| u32::try_from(ticks).ok()).map(Uptime),
            cells,
        });
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

struct Sums {
    from_us: u64,
    to_us: u64,
    step_us: u64,
    before: Option<Before>,
    /// The last few lags, whatever block they were in.
    recent_lags_ms: VecDeque<u64>,
    quantities: [Amounts; QUANTITIES.len()],
}

impl Sums {
    fn new(from: i64, to: i64, step_s: u32) -> Result<Self, QueryError> {
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
        let empty = vec![(0.0, 0.0); points as usize];
        let quantities = std::array::from_fn(|_| empty.clone());
        Ok(Self { from_us, to_us, step_us, before: None, recent_lags_ms: VecDeque::new(), quantities })
    }

    /// Readings in order of time, following those taken before.
    fn take(&mut self, rows: &[Reading]) {
        for (at, row) in rows.iter().enumerate() {
            let usual_ms = usual_lag_ms(&self.recent_lags_ms, &rows[at..]);
            if let Some(before) = self.before.take() {
                self.pair(&before, row, longest_lag_ms(usual_ms));
            }
            if let Some(lag_ms) = row.lag_ms {
                self.recent_lags_ms.truncate(LAGS_BESIDE - 1);
                self.recent_lags_ms.push_front(lag_ms);
            }
            self.before = Some(Before { time: row.time, uptime: row.uptime, cells: row.cells });
        }
    }

    fn pair(&mut self, before: &Before, row: &Reading, longest_lag_ms: u64) {
        let Reading { time, lag_ms, cells, .. } = row;
        if *time <= before.time || *time <= self.from_us || before.time >= self.to_us {
            return;
        }
        // What did not move was not kept each time, and what the writer forgot it cannot tell the lag of.
        let apart_ms = (time - before.time) / 1_000;
        if lag_ms.unwrap_or(apart_ms) > longest_lag_ms || apart_ms > (QUIET_US / 1_000).saturating_add(longest_lag_ms) {
            return;
        }
        if before.cells.get(DISCONTINUITY) != cells.get(DISCONTINUITY) {
            return;
        }
        let Some(seconds) = device_seconds(before, row) else { return };
        for (quantity, amounts) in QUANTITIES.iter().zip(&mut self.quantities) {
            let Some(delta) = quantity.delta(&before.cells, cells) else { continue };
            spread(amounts, self.from_us, self.to_us, self.step_us, (before.time, *time), delta / seconds);
        }
    }

    fn finish(self) -> Series {
        let points = self.quantities[0].len();
        let t = (0..points as u64).map(|point| ((self.from_us + point * self.step_us) / 1_000_000) as i64).collect();
        let [in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps] = self.quantities.map(|amounts| {
            amounts.into_iter().map(|(amount, seconds)| (seconds > 0.0).then(|| amount / seconds)).collect()
        });
        Series { t, in_bps, out_bps, in_pps, out_pps, in_drops_pps, out_drops_pps }
    }
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

/// Add a rate that held over `span` to the steps it touches.
fn spread(amounts: &mut Amounts, from_us: u64, to_us: u64, step_us: u64, span: (u64, u64), rate: f64) {
    let (begin, end) = (span.0.max(from_us), span.1.min(to_us));
    let mut at = begin;
    while at < end {
        let point = (at - from_us) / step_us;
        let next = (from_us + (point + 1) * step_us).min(end);
        let seconds = (next - at) as f64 / 1e6;
        if let Some((amount, known)) = amounts.get_mut(point as usize) {
            *amount += rate * seconds;
            *known += seconds;
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
