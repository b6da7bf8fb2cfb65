//! Some hundred polls of one series of columns as one value: pco (<https://github.com/pcodec/pcodec>) behind
//! a bitmap of the rows that have the column at all.
//!
//! ```text
//! format(1) | rows | columns | { id(1) | presence(1) [bitmap] | coding(1) | constant or length, pco } ...
//! ```
//! Numbers are LEB128. The columns of an interface lie in one value, because a question wants most of them;
//! what all interfaces of a device have in common (when, sysUpTime) is a block of its own.

use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec};

use super::Damaged;
use super::row::{put, take};

const FORMAT: u8 = 1;
/// More rows than any block of ours has: a bound on what a damaged one may ask for.
const MOST_ROWS: usize = 1 << 16;
/// The level at which counters were measured: 0.67 bytes a sample.
const LEVEL: usize = 4;

const PRESENT_ALL: u8 = 0;
const PRESENT_BITMAP: u8 = 1;
/// The same rows as the column before.
const PRESENT_AS_BEFORE: u8 = 2;
const CODING_CONSTANT: u8 = 0;
const CODING_PCO: u8 = 1;

/// One column: a value, or none, for every row of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) id: u8,
    pub(super) values: Vec<Option<u64>>,
}

/// Write the columns; each has `rows` values. Columns without any value are left out.
pub(super) fn encode(rows: usize, columns: &[Column]) -> Result<Vec<u8>, Damaged> {
    let mut out = vec![FORMAT];
    put(&mut out, rows as u64);
    let full = columns.iter().filter(|column| column.values.iter().any(Option::is_some));
    put(&mut out, full.clone().count() as u64);
    let mut before: Option<&Column> = None;
    for column in full {
        out.push(column.id);
        let same_rows = |before: &Column| {
            before.values.iter().zip(&column.values).all(|(one, other)| one.is_some() == other.is_some())
        };
        if column.values.iter().all(Option::is_some) {
            out.push(PRESENT_ALL);
        } else if before.is_some_and(same_rows) {
            out.push(PRESENT_AS_BEFORE);
        } else {
            out.push(PRESENT_BITMAP);
            let mut bitmap = vec![0u8; rows.div_ceil(8)];
            for (row, value) in column.values.iter().enumerate() {
                bitmap[row / 8] |= u8::from(value.is_some()) << (row % 8);
            }
            out.extend(bitmap);
        }
        let values: Vec<u64> = column.values.iter().copied().flatten().collect();
        match values[0] {
            first if values.iter().all(|value| *value == first) => {
                out.push(CODING_CONSTANT);
                put(&mut out, first);
            }
            _ => {
                out.push(CODING_PCO);
                let config =
                    ChunkConfig::default().with_compression_level(LEVEL).with_delta_spec(DeltaSpec::TryConsecutive(1));
                let packed = simple_compress(&values, &config).map_err(|_| Damaged("pco refused to encode"))?;
                put(&mut out, packed.len() as u64);
                out.extend(packed);
            }
        }
        before = Some(column);
    }
    Ok(out)
}

/// Read the columns whose id `wanted` says yes to; the number of rows comes first.
pub(super) fn decode(mut bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Result<(usize, Vec<Column>), Damaged> {
    let bytes = &mut bytes;
    if take_byte(bytes)? != FORMAT {
        return Err(Damaged("block of an unknown format"));
    }
    let rows = usize::try_from(take(bytes)?).ok().filter(|rows| *rows <= MOST_ROWS).ok_or(Damaged("too many rows"))?;
    let count = take(bytes)?;
    let mut columns = Vec::new();
    let mut present = vec![true; rows];
    for _ in 0..count {
        let id = take_byte(bytes)?;
        match take_byte(bytes)? {
            PRESENT_ALL => present.fill(true),
            PRESENT_AS_BEFORE => {}
            PRESENT_BITMAP => {
                let bitmap = take_slice(bytes, rows.div_ceil(8))?;
                for (row, present) in present.iter_mut().enumerate() {
                    *present = bitmap[row / 8] & (1 << (row % 8)) != 0;
                }
            }
            _ => return Err(Damaged("unknown presence")),
        }
        let values = match take_byte(bytes)? {
            CODING_CONSTANT => {
                let constant = take(bytes)?;
                if !wanted(id) {
                    continue;
                }
                present.iter().map(|present| present.then_some(constant)).collect()
            }
            CODING_PCO => {
                let length = usize::try_from(take(bytes)?).map_err(|_| Damaged("column too long"))?;
                let packed = take_slice(bytes, length)?;
                if !wanted(id) {
                    continue;
                }
                let count = present.iter().filter(|present| **present).count();
                let mut dense = vec![0u64; count];
                let progress = simple_decompress_into(packed, &mut dense).map_err(|_| Damaged("pco refused"))?;
                if progress.n_processed != count {
                    return Err(Damaged("column has too few values"));
                }
                let mut dense = dense.into_iter();
                present.iter().map(|present| if *present { dense.next() } else { None }).collect()
            }
            _ => return Err(Damaged("unknown coding")),
        };
        columns.push(Column { id, values });
    }
    Ok((rows, columns))
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Damaged> {
    let (&byte, rest) = bytes.split_first().ok_or(Damaged("block cut short"))?;
    *bytes = rest;
    Ok(byte)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (slice, rest) = bytes.split_at_checked(length).ok_or(Damaged("block cut short"))?;
    *bytes = rest;
    Ok(slice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(rows: usize) -> impl Strategy<Value = Vec<Option<u64>>> {
        prop_oneof![
            proptest::collection::vec(proptest::option::of(any::<u64>()), rows),
            proptest::collection::vec(any::<u64>().prop_map(Some), rows),
            any::<u64>().prop_map(move |value| vec![Some(value); rows]),
            Just(vec![None; rows]),
            (any::<u64>(), proptest::collection::vec(0..100_000u64, rows)).prop_map(|(start, steps)| {
                steps
                    .iter()
                    .scan(start, |sum, step| {
                        *sum = sum.wrapping_add(*step);
                        Some(Some(*sum))
                    })
                    .collect()
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_block_reads_back(columns in (1..300usize).prop_flat_map(|rows| proptest::collection::vec(column(rows), 1..6))) {
            let rows = columns[0].len();
            let columns: Vec<Column> =
                columns.into_iter().enumerate().map(|(id, values)| Column { id: id as u8, values }).collect();
            let bytes = encode(rows, &columns).unwrap();
            let (got_rows, got) = decode(&bytes, |_| true).unwrap();
            prop_assert_eq!(got_rows, rows);
            let full: Vec<Column> =
                columns.iter().filter(|column| column.values.iter().any(Option::is_some)).cloned().collect();
            prop_assert_eq!(&got, &full);
            let (_, odd) = decode(&bytes, |id| id % 2 == 1).unwrap();
            prop_assert_eq!(odd, full.into_iter().filter(|column| column.id % 2 == 1).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            (at, flip) in (0..200usize, any::<u8>()),
        ) {
            let _ = decode(&bytes, |_| true);
            let values = (0..100u64).map(|row| (row % 7 != 0).then_some(row * row)).collect();
            let mut block = encode(100, &[Column { id: 0, values }]).unwrap();
            let at = at % block.len();
            block[at] ^= flip;
            let _ = decode(&block, |_| true);
        }
    }

    #[test]
    fn a_steady_counter_takes_under_a_byte_and_an_idle_one_nearly_nothing() {
        let mut seed = 1u64;
        let mut sum = 1u64 << 40;
        let busy: Vec<Option<u64>> = (0..720)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += 1_000_000 + (seed >> 58);
                Some(sum)
            })
            .collect();
        let idle = vec![Some(17); 720];
        let bytes = encode(720, &[Column { id: 0, values: busy }, Column { id: 1, values: idle }]).unwrap();
        assert!(bytes.len() < 800, "{} bytes for 1440 samples", bytes.len());
    }
}
