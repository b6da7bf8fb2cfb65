use proptest::prelude::*;

use super::*;
use crate::snmp::message::{self, Body, Message, PduHeader, PduKind};
use crate::snmp::{Oid, VarBind, Version};

const LIMITS: Limits = Limits { rows: 1_000, requests: 1_000, reply_size: 1_400 };

fn plan(columns: u32) -> Arc<TablePlan> {
    let column = |n| Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 2, 2, 1, n]).unwrap();
    let scalars = vec![Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 1, 3, 0]).unwrap()];
    Arc::new(TablePlan { scalars, columns: (1..=columns).map(column).collect() })
}

fn encode(error_status: i32, found: &[(Oid, u64)]) -> Vec<u8> {
    let header = PduHeader { kind: PduKind::Response, request_id: 7, error_status, error_index: 0 };
    let varbinds = found.iter().map(|(name, value)| VarBind { name: name.as_ref(), value: Value::Counter64(*value) });
    let mut out = Vec::new();
    message::encode_community(Version::V2c, b"public", header, varbinds, &mut out);
    out
}

fn with_response<T>(message: &[u8], then: impl FnOnce(&Response<'_>) -> T) -> Option<T> {
    let Ok(Message::Community(decoded)) = message::decode(message) else { return None };
    let Body::Pdu(pdu) = decoded.body else { return None };
    Some(then(&Response {
        error_status: ErrorStatus(pdu.header.error_status),
        error_index: 0,
        varbinds: pdu.varbinds,
        size: message.len(),
    }))
}

/// What an honest agent with these rows answers to a request, row by row.
fn honest(plan: &TablePlan, rows: &[u32], grid: &Grid, asked: Span) -> Vec<(Oid, u64)> {
    honest_with_holes(plan, rows, |_, _| true, grid, asked)
}

/// The same, of an agent that has the cells that `has` says, by row and column.
fn honest_with_holes(
    plan: &TablePlan,
    rows: &[u32],
    has: impl Fn(u32, usize) -> bool,
    grid: &Grid,
    asked: Span,
) -> Vec<(Oid, u64)> {
    let has = &has;
    let mut encoded = Vec::new();
    grid.put_names(asked, &mut encoded);
    let list = crate::snmp::VarBinds { bytes: &encoded, cut: false };
    let names: Vec<Oid> = list.iter().map(|found| found.unwrap().name.to_owned()).collect();
    let objects: std::collections::BTreeMap<Oid, u64> = plan
        .columns
        .iter()
        .enumerate()
        .flat_map(|(at, column)| {
            let rows = rows.iter().filter(move |row| has(**row, at));
            rows.map(move |row| (column.child(*row).unwrap(), at as u64 * 1_000 + u64::from(*row)))
        })
        .chain([(plan.scalars[0].clone(), 4_711)])
        .collect();
    let next = |name: &Oid| {
        let mut behind = objects.range((std::ops::Bound::Excluded(name.clone()), std::ops::Bound::Unbounded));
        behind.next().map_or((name.clone(), 0), |(name, value)| (name.clone(), *value))
    };
    let mut told = vec![next(&names[0])];
    let mut at = names[1..].to_vec();
    for _ in 0..asked.count {
        for name in &mut at {
            let found = next(name);
            name.clone_from(&found.0);
            told.push(found);
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Of an honest agent every row comes with its own values; a row that came or went is never taken for another.
    #[test]
    fn rows_are_read_as_they_are(
        rows in prop::collection::btree_set(1_u32..400_000, 1..30),
        columns in 1_u32..12,
        from in 0_usize..30,
        count in 1_usize..8,
        gone in prop::option::of(0_usize..30),
        cut in prop::option::of(0_usize..90),
    ) {
        let rows: Vec<u32> = rows.into_iter().collect();
        let (plan, asked) = (plan(columns), Span { from: from % rows.len(), count });
        let grid = Grid::new(plan.clone(), rows.clone()).unwrap();
        let mut has = rows.clone();
        if let Some(gone) = gone {
            has.remove(gone % rows.len());
        }
        let mut told = honest(&plan, &has, &grid, asked);
        told.truncate(cut.unwrap_or(usize::MAX));
        let message = encode(0, &told);
        let (mut pace, mut cells) = (Pace::default(), Cells::default());
        with_response(&message, |response| {
            let fit = grid.read(asked, response, &LIMITS, &mut pace, &mut cells);
            if gone.is_none() && cut.is_none() {
                assert_eq!(fit, Fit::Rows(count.min(rows.len() - asked.from)));
            }
            let Fit::Rows(whole) = fit else { return };
            assert_eq!(grid.scalar(0, &cells, response), Some(Value::Counter64(4_711)));
            for row in 0..whole {
                let index = grid.index(asked.from + row).unwrap();
                assert!(has.contains(&index), "a row that is gone was read");
                let expected = (0..u64::from(columns)).map(|at| Some(Value::Counter64(at * 1_000 + u64::from(index))));
                assert!(grid.row(row, &cells, response).eq(expected));
            }
        }).unwrap();
    }

    /// Where rows have holes, every cell that is there comes with its own value and no other comes, in as many requests as
    /// it takes; a cell that came or went is noticed or not asked for, and never taken for another.
    #[test]
    fn rows_with_holes_are_read_as_they_are(
        rows in prop::collection::btree_map(1_u32..400_000, any::<u8>(), 1..40),
        columns in 1_u32..9,
        turned in prop::option::of((0_usize..40, 0_usize..9)),
        behind in 0_usize..2,
        most in 9_usize..60,
        cut in prop::option::of(0_usize..90),
    ) {
        // The first column is every row's.
        let masks: Vec<u128> = rows.values().map(|mask| (u128::from(*mask) | 1) & ((1 << columns) - 1)).collect();
        let rows: Vec<u32> = rows.into_keys().collect();
        let plan = plan(columns);
        let Some(grid) = Grid::new(plan.clone(), rows.clone()).unwrap().with_holes(&masks) else {
            return Err(TestCaseError::reject("more kinds than are a pattern"));
        };
        let mut truth = masks.clone();
        if let Some((row, column)) = turned {
            truth[row % rows.len()] ^= 1 << (column % columns as usize);
        }
        let has = |row: u32, column: usize| truth[rows.binary_search(&row).unwrap()] >> column & 1 == 1;
        let mut pace = Pace::default();
        pace.too_much(most * 4 / 3);
        let mut cells = Cells::default();
        let mut from = 0;
        while from < rows.len() {
            let count = grid.rows_at_once(from, &pace, &LIMITS).min(rows.len() - from);
            assert!(count > 0);
            let asked = Span { from, count: count + if from + count == rows.len() { behind } else { 0 } };
            let mut told = honest_with_holes(&plan, &rows, has, &grid, asked);
            told.truncate(cut.unwrap_or(usize::MAX));
            let whole = with_response(&encode(0, &told), |response| {
                let fit = grid.read(asked, response, &LIMITS, &mut pace, &mut cells);
                if turned.is_none() && cut.is_none() {
                    assert_eq!(fit, Fit::Rows(count));
                }
                let Fit::Rows(whole) = fit else { return 0 };
                for row in 0..whole {
                    for (column, value) in grid.row(row, &cells, response).enumerate() {
                        let index = rows[from + row];
                        let there = Value::Counter64(column as u64 * 1_000 + u64::from(index));
                        match value {
                            Some(value) => assert!(value == there && has(index, column)),
                            // What came there since is not asked for.
                            None => assert!(masks[from + row] >> column & 1 == 0),
                        }
                    }
                }
                whole
            }).unwrap();
            from += if whole == 0 { count } else { whole };
        }
    }

    #[test]
    fn any_answer_is_taken_or_left(bytes in prop::collection::vec(any::<u8>(), 0..300), from in 0_usize..9, count in 1_usize..5) {
        let grid = Grid::new(plan(3), vec![1, 2, 300, 70_000]).unwrap();
        let response = Response {
            error_status: ErrorStatus::NO_ERROR,
            error_index: 0,
            varbinds: crate::snmp::VarBinds { bytes: &bytes, cut: false },
            size: bytes.len(),
        };
        grid.read(Span { from, count }, &response, &LIMITS, &mut Pace::default(), &mut Cells::default());
        let holes = grid.with_holes(&[1, 7, 5, 2]).unwrap();
        holes.read(Span { from, count }, &response, &LIMITS, &mut Pace::default(), &mut Cells::default());
    }

    #[test]
    fn arcs_are_encoded_as_they_are_everywhere(arc: u32) {
        let (bytes, length) = encode_arc(arc);
        let index = crate::snmp::Index::from_arcs(&[arc]).unwrap();
        prop_assert_eq!(&bytes[..length], index.as_ref().as_bytes());
    }
}

#[test]
fn a_row_behind_the_last_is_noticed_when_asked_for() {
    let plan = plan(2);
    let grid = Grid::new(plan.clone(), vec![1, 2, 3]).unwrap();
    let fit = |has: &[u32], count| {
        let asked = Span { from: 2, count };
        let message = encode(0, &honest(&plan, has, &grid, asked));
        with_response(&message, |response| {
            grid.read(asked, response, &LIMITS, &mut Pace::default(), &mut Cells::default())
        })
    };
    assert_eq!(fit(&[1, 2, 3], 2), Some(Fit::Rows(1)));
    assert_eq!(fit(&[1, 2, 3, 4], 1), Some(Fit::Rows(1)));
    assert_eq!(fit(&[1, 2, 3, 4], 2), Some(Fit::Odd));
}

#[test]
fn a_refusal_is_no_row() {
    let grid = Grid::new(plan(2), vec![1, 2, 3]).unwrap();
    let fit = |status| {
        with_response(&encode(status, &[]), |response| {
            grid.read(Span { from: 0, count: 1 }, response, &LIMITS, &mut Pace::default(), &mut Cells::default())
        })
    };
    assert_eq!(fit(1), Some(Fit::TooBig));
    assert_eq!(fit(5), Some(Fit::Odd));
    assert_eq!(fit(0), Some(Fit::Odd), "an empty answer");
    assert!(Grid::new(plan(2), vec![2, 1]).is_none());
    assert!(Grid::new(plan(2), vec![]).is_none());
}
