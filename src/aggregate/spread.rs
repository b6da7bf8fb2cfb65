//! Utilisation over the last minute, hour and day: histograms in bounded memory.
//!
//! ```text
//!   a direction:  32 slots of 2 s | 20 min now, 3 x 20 min before | 8 h now, 3 x 8 h before
//! ```
//!
//! - **Buckets** are those of an HdrHistogram of one significant digit over 0 to 255, in 256ths of the speed: 80 of them,
//!   a 256th wide below an eighth of the speed, a sixteenth of their lower edge or less above.
//! - **Weights** are time, on a grid of our clock, since polls are not regular. The part of an hour or day that goes on
//!   has 16 bits for each bucket; one that is over is kept in 8 bits, its cumulative shares rounded to 255ths, so that
//!   no rank is off by more than 1/510.
//! - The greatest value of each part is kept beside, in 65535ths.
//!
//! All of it lies in one [`SeqCell`] per interface, made when the interface first carries traffic: readers copy it and
//! merge, the writer does not wait. Nothing here allocates after that.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::seqlock::{SeqCell, Write};
use crate::fabric::{Percentiles, Spread, Timestamp, UtilizationSpread};

/// Buckets of a histogram.
const BUCKETS: usize = 80;
/// Buckets of one value each, as many as an HdrHistogram of one digit has.
const LINEAR: usize = 32;
/// Parts of an hour or day that are over.
const CLOSED: usize = 3;
/// Slots of the last minute.
const SLOTS: usize = 32;
const SLOT_US: i64 = 2_000_000;
/// A part that is over is kept in shares of this many.
const SHARES: u64 = 255;

/// A window made of parts.
#[derive(Clone, Copy)]
struct Window {
    /// The place of its first word within a direction's.
    at: usize,
    /// The half of the second header word that has the number of its part.
    half: u32,
    part_us: i64,
    /// Time is counted in units of this; a part has fewer than 2^16.
    unit_us: i64,
}

const MINUTE_WORDS: usize = SLOTS / 8;
const COUNT_WORDS: usize = BUCKETS / 4;
const SHARE_WORDS: usize = BUCKETS / 8;
/// Counts, shares of what is over, maxima and totals of all four.
const WINDOW_WORDS: usize = COUNT_WORDS + CLOSED * SHARE_WORDS + 2;
const MAXIMA: usize = COUNT_WORDS + CLOSED * SHARE_WORDS;
const TOTALS: usize = MAXIMA + 1;
const DIRECTION_WORDS: usize = MINUTE_WORDS + 2 * WINDOW_WORDS;
/// The newest slot of the minute, and the parts of hour and day.
const HEADER_WORDS: usize = 2;
const WORDS: usize = HEADER_WORDS + 2 * DIRECTION_WORDS;

const HOUR: Window = Window { at: MINUTE_WORDS, half: 0, part_us: 20 * 60 * 1_000_000, unit_us: 25_000 };
const DAY: Window =
    Window { at: MINUTE_WORDS + WINDOW_WORDS, half: 1, part_us: 8 * 3_600 * 1_000_000, unit_us: 500_000 };

/// What is kept of one interface's utilisation.
#[derive(Default)]
pub struct SpreadCell(SeqCell<WORDS>);

/// The bucket of a utilisation.
fn bucket(utilization: f64) -> usize {
    let value = (utilization * 256.0).clamp(0.0, 255.0) as usize;
    if value < LINEAR {
        return value;
    }
    let shift = (value.ilog2() - 4) as usize;
    LINEAR + LINEAR / 2 * (shift - 1) + (value >> shift) - LINEAR / 2
}

/// The lower edge of a bucket and its width, in 256ths.
fn edges(bucket: usize) -> (u64, u64) {
    if bucket < LINEAR {
        return (bucket as u64, 1);
    }
    let (shift, rest) = ((bucket - LINEAR) / (LINEAR / 2) + 1, (bucket - LINEAR) % (LINEAR / 2));
    (((LINEAR / 2 + rest) << shift) as u64, 1 << shift)
}

/// What is said of a value in a bucket. Of the first one it is idle.
fn middle(bucket: usize) -> f64 {
    let (low, width) = edges(bucket);
    if bucket == 0 { 0.0 } else { (low as f64 + width as f64 / 2.0) / 256.0 }
}

/// A field of `BITS` bits in a run of words.
fn get<const BITS: usize>(word: impl Fn(usize) -> u64, at: usize, index: usize) -> u64 {
    let each = 64 / BITS;
    word(at + index / each) >> (index % each * BITS) & ((1 << BITS) - 1)
}

impl SpreadCell {
    /// Utilisation of both directions, where it is known, from one moment to a later one. For the writer only, and for
    /// spans that follow one another.
    pub fn record(&self, from: Timestamp, to: Timestamp, received: Option<f64>, sent: Option<f64>) {
        let (from, to) = (from.as_micros().max(0), to.as_micros().max(0));
        if from >= to {
            return;
        }
        let mut writer = Writer { cell: &self.0, write: self.0.write() };
        let values = [received, sent];
        writer.minute(from, to, values);
        for window in [HOUR, DAY] {
            let mut start = from.max(to - (CLOSED as i64 + 1) * window.part_us);
            while start < to {
                let part = start / window.part_us;
                let end = to.min((part + 1) * window.part_us);
                writer.roll(window, part as u32);
                let units = (end / window.unit_us - start / window.unit_us) as u64;
                for (direction, value) in values.into_iter().enumerate() {
                    if let Some(value) = value {
                        writer.count(window, direction, value, units);
                    }
                }
                start = end;
            }
        }
    }

    /// What is known of the windows that end now.
    pub fn read(&self, now: Timestamp) -> UtilizationSpread {
        let reading = Reading { words: self.0.read(), now: now.as_micros().max(0) };
        UtilizationSpread { received: reading.spread(0), sent: reading.spread(1) }
    }
}

struct Writer<'a> {
    cell: &'a SeqCell<WORDS>,
    write: Write<'a, WORDS>,
}

impl Writer<'_> {
    fn get<const BITS: usize>(&self, at: usize, index: usize) -> u64 {
        get::<BITS>(|word| self.cell.peek(word), at, index)
    }

    fn set<const BITS: usize>(&mut self, at: usize, index: usize, value: u64) {
        let each = 64 / BITS;
        let (word, shift) = (at + index / each, index % each * BITS);
        let mask = ((1_u64 << BITS) - 1) << shift;
        self.write.set(word, self.cell.peek(word) & !mask | value << shift & mask);
    }

    /// The slots that a span touches. One that two spans share has the greater value; 0 stands for nothing known.
    fn minute(&mut self, from: i64, to: i64, values: [Option<f64>; 2]) {
        let newest = self.cell.peek(0) as i64;
        let last = (to - 1) / SLOT_US;
        let first = (from / SLOT_US).max(last - SLOTS as i64 + 1);
        if last < newest {
            return;
        }
        for (direction, value) in values.into_iter().enumerate() {
            let at = HEADER_WORDS + direction * DIRECTION_WORDS;
            for slot in (newest + 1).max(last - SLOTS as i64 + 1)..first {
                self.set::<8>(at, slot as usize % SLOTS, 0);
            }
            let mark = value.map_or(0, |value| bucket(value) as u64 + 1);
            for slot in first..=last {
                let index = slot as usize % SLOTS;
                let before = if slot <= newest { self.get::<8>(at, index) } else { 0 };
                self.set::<8>(at, index, before.max(mark));
            }
        }
        self.write.set(0, last as u64);
    }

    /// Close the parts of a window that ended before this one.
    fn roll(&mut self, window: Window, part: u32) {
        let current = self.get::<32>(1, window.half as usize) as u32;
        if part <= current {
            return;
        }
        for direction in 0..2 {
            let at = HEADER_WORDS + direction * DIRECTION_WORDS + window.at;
            for _ in 0..(part - current).min(CLOSED as u32 + 1) {
                self.close(at);
            }
        }
        self.set::<32>(1, window.half as usize, u64::from(part));
    }

    /// What goes on is over; the oldest is forgotten.
    fn close(&mut self, at: usize) {
        let shares = at + COUNT_WORDS;
        for word in (shares + SHARE_WORDS..shares + CLOSED * SHARE_WORDS).rev() {
            self.write.set(word, self.cell.peek(word - SHARE_WORDS));
        }
        let total = self.get::<16>(at + TOTALS, 0);
        let (mut counted, mut given) = (0, 0);
        for index in 0..BUCKETS {
            counted += self.get::<16>(at, index);
            let upto = (counted * SHARES + total / 2).checked_div(total).unwrap_or(0);
            self.set::<8>(shares, index, upto - given);
            given = upto;
        }
        for word in 0..COUNT_WORDS {
            self.write.set(at + word, 0);
        }
        for field in [MAXIMA, TOTALS] {
            self.write.set(at + field, self.cell.peek(at + field) << 16);
        }
    }

    fn count(&mut self, window: Window, direction: usize, value: f64, units: u64) {
        let at = HEADER_WORDS + direction * DIRECTION_WORDS + window.at;
        let index = bucket(value);
        // Spans that follow one another never fill a part beyond its units; those that do not are cut.
        let units = units.min(u64::from(u16::MAX) - self.get::<16>(at + TOTALS, 0));
        self.set::<16>(at, index, self.get::<16>(at, index) + units);
        self.set::<16>(at + TOTALS, 0, self.get::<16>(at + TOTALS, 0) + units);
        let max = (value.clamp(0.0, 1.0) * 65_535.0).round() as u64;
        self.set::<16>(at + MAXIMA, 0, self.get::<16>(at + MAXIMA, 0).max(max));
    }
}

/// A copy, as one write left it.
struct Reading {
    words: [u64; WORDS],
    now: i64,
}

impl Reading {
    fn get<const BITS: usize>(&self, at: usize, index: usize) -> u64 {
        get::<BITS>(|word| self.words[word], at, index)
    }

    fn spread(&self, direction: usize) -> Spread {
        let at = HEADER_WORDS + direction * DIRECTION_WORDS;
        Spread { minute: self.minute(at), hour: self.window(at, HOUR), day: self.window(at, DAY) }
    }

    fn minute(&self, at: usize) -> Option<Percentiles> {
        let newest = self.words[0] as i64;
        let oldest = ((self.now - 1).max(newest * SLOT_US) / SLOT_US - SLOTS as i64 + 1).max(0);
        let mut merged = Merged::default();
        for slot in oldest..=newest {
            if let Some(index) = (self.get::<8>(at, slot as usize % SLOTS) as usize).checked_sub(1) {
                let (low, width) = edges(index);
                let top = if index == 0 { 0.0 } else { (low + width) as f64 / 256.0 };
                merged.add(index, 1);
                merged.max = merged.max.max(top);
                merged.covered_us += SLOT_US;
            }
        }
        merged.percentiles()
    }

    fn window(&self, at: usize, window: Window) -> Option<Percentiles> {
        let at = at + window.at;
        let current = self.get::<32>(1, window.half as usize) as i64;
        let passed = self.now / window.part_us - current;
        let mut merged = Merged::default();
        for part in 0..=CLOSED {
            let total = self.get::<16>(at + TOTALS, part);
            if passed + part as i64 > CLOSED as i64 || total == 0 {
                continue;
            }
            for index in 0..BUCKETS {
                let weight = match part.checked_sub(1) {
                    None => self.get::<16>(at, index) * SHARES,
                    Some(closed) => self.get::<8>(at + COUNT_WORDS + closed * SHARE_WORDS, index) * total,
                };
                merged.add(index, weight);
            }
            merged.max = merged.max.max(self.get::<16>(at + MAXIMA, part) as f64 / 65_535.0);
            merged.covered_us += total as i64 * window.unit_us;
        }
        merged.percentiles()
    }
}

/// Parts put together.
struct Merged {
    weights: [u64; BUCKETS],
    max: f64,
    covered_us: i64,
}

impl Default for Merged {
    fn default() -> Self {
        Self { weights: [0; BUCKETS], max: 0.0, covered_us: 0 }
    }
}

impl Merged {
    fn add(&mut self, index: usize, weight: u64) {
        self.weights[index] += weight;
    }

    fn percentiles(self) -> Option<Percentiles> {
        // The bounds are right, so that neither of these can fail.
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 255, 1).ok()?;
        let mut sum = 0.0;
        for (index, weight) in self.weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0) {
            histogram.record_n(edges(index).0, weight).ok()?;
            sum += weight as f64 * middle(index);
        }
        if histogram.is_empty() {
            return None;
        }
        let value = |quantile| middle(bucket(histogram.value_at_quantile(quantile) as f64 / 256.0)).min(self.max);
        Some(Percentiles {
            covered: Duration::from_micros(self.covered_us as u64),
            mean: (sum / histogram.len() as f64).min(self.max),
            p50: value(0.5),
            p95: value(0.95),
            p99: value(0.99),
            max: self.max,
        })
    }
}

#[cfg(test)]
mod tests;
