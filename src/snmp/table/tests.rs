use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::snmp::message::{self, Body, Message, PduHeader, PduKind};
use crate::snmp::{Value, VarBind, Version};

/// A naive agent: objects in a map, GetBulk by the book, and the vices of real ones.
#[derive(Clone, Debug, Default)]
struct Model {
    objects: BTreeMap<Oid, Vec<u8>>,
    /// GetBulk is cut to this many bytes; a GetNext that is longer becomes tooBig.
    max_size: Option<usize>,
    /// More cells than this are answered with tooBig, whatever was asked.
    too_big_over: Option<usize>,
    /// More cells than this are answered with silence.
    silent_over: Option<usize>,
    /// Datagrams end here.
    cut_at: Option<usize>,
    /// Every nth request is lost.
    lose: Option<usize>,
    no_bulk: bool,
    silent_about_bulk: bool,
    /// What follows a name, instead of the truth.
    astray: BTreeMap<Oid, Oid>,
    /// Instances that make the whole answer an error.
    poisoned: BTreeSet<Oid>,
    seen: usize,
}

impl Model {
    fn next(&self, name: &Oid) -> Option<(Oid, &[u8])> {
        if let Some(to) = self.astray.get(name) {
            return Some((to.clone(), self.objects.get(to).map_or(b"astray", |value| value)));
        }
        let range = (std::ops::Bound::Excluded(name.clone()), std::ops::Bound::Unbounded);
        self.objects.range(range).next().map(|(name, value)| (name.clone(), &value[..]))
    }

    fn answer(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.seen += 1;
        if self.lose.is_some_and(|nth| self.seen.is_multiple_of(nth)) {
            return None;
        }
        let (non_repeaters, repetitions, names, bulk) = match *request {
            Request::GetBulk { non_repeaters, max_repetitions, names } => {
                (usize::from(non_repeaters), max_repetitions, names, true)
            }
            Request::GetNext(names) => (names.len(), 0, names, false),
            Request::Get(_) => panic!("a walk does not GET"),
        };
        if bulk && self.silent_about_bulk {
            return None;
        }
        let (once, repeated) = names.split_at(non_repeaters.min(names.len()));
        let cells = if bulk { repeated.len() * usize::from(repetitions) } else { names.len() };
        if self.silent_over.is_some_and(|most| cells > most) {
            return None;
        }
        if self.too_big_over.is_some_and(|most| cells > most) {
            return Some(encode(1, 0, &[]));
        }
        if bulk && self.no_bulk {
            return Some(encode(5, 0, &[]));
        }
        let mut found: Vec<(Oid, Option<Vec<u8>>)> = Vec::new();
        let mut ask = |name: &Oid| {
            let (name, value) = match self.next(name) {
                Some((name, value)) => (name, Some(value.to_vec())),
                None => (name.clone(), None),
            };
            found.push((name.clone(), value));
            name
        };
        once.iter().for_each(|name| drop(ask(name)));
        let mut at = repeated.to_vec();
        for _ in 0..repetitions {
            at.iter_mut().for_each(|name| *name = ask(name));
        }
        if let Some(place) = found.iter().position(|(name, _)| self.poisoned.contains(name)) {
            return Some(encode(5, place as i32 + 1, &[]));
        }
        let mut message = encode(0, 0, &found);
        if let Some(most) = self.max_size {
            if !bulk && message.len() > most {
                return Some(encode(1, 0, &[]));
            }
            while message.len() > most && !found.is_empty() {
                found.pop();
                message = encode(0, 0, &found);
            }
        }
        message.truncate(self.cut_at.unwrap_or(usize::MAX));
        Some(message)
    }
}

fn encode(error_status: i32, error_index: i32, found: &[(Oid, Option<Vec<u8>>)]) -> Vec<u8> {
    let header = PduHeader { kind: PduKind::Response, request_id: 7, error_status, error_index };
    let varbinds = found.iter().map(|(name, value)| VarBind {
        name: name.as_ref(),
        value: value.as_ref().map_or(Value::EndOfMibView, |value| Value::OctetString(value)),
    });
    let mut out = Vec::new();
    message::encode_community(Version::V2c, b"public", header, varbinds, &mut out);
    out
}

fn with_response<T>(message: &[u8], then: impl FnOnce(&Response<'_>) -> T) -> Option<T> {
    let Ok(Message::Community(decoded)) = message::decode(message) else { return None };
    let Body::Pdu(pdu) = decoded.body else { return None };
    Some(then(&Response {
        error_status: ErrorStatus(pdu.header.error_status),
        error_index: pdu.header.error_index as u32,
        varbinds: pdu.varbinds,
        size: message.len(),
    }))
}

type Rows = Vec<(Index, Vec<Option<Vec<u8>>>)>;

/// Walk a model to the end.
fn walk(model: &mut Model, walk: &mut TableWalk) -> (Rows, WalkEnd) {
    let mut rows = Rows::new();
    let columns = walk.columns.len();
    loop {
        let message = match walk.request() {
            Some(request) => model.answer(&request),
            None => return (rows, walk.end.unwrap()),
        };
        let progress = message.as_deref().and_then(|message| {
            with_response(message, |response| {
                walk.response(response, |row| {
                    let cell = |column| match row.get(column)? {
                        Value::OctetString(bytes) => Some(bytes.to_vec()),
                        other => panic!("{other:?} was never sent"),
                    };
                    if let Some(uptime) = row.scalar(0) {
                        assert_eq!(uptime, Value::OctetString(b"uptime"));
                    }
                    rows.push((row.index().to_owned(), (0..columns).map(cell).collect()));
                })
            })
        });
        let progress = progress.unwrap_or_else(|| walk.failed(RequestError::Timeout));
        if let Progress::Done(end) = progress {
            assert!(walk.request().is_none());
            return (rows, end);
        }
    }
}

/// What a walk of an honest agent must give.
fn expected(model: &Model, columns: &[Oid]) -> Rows {
    let mut rows: BTreeMap<Index, Vec<Option<Vec<u8>>>> = BTreeMap::new();
    for (at, column) in columns.iter().enumerate() {
        for (name, value) in &model.objects {
            if let Some(index) = name.as_ref().strip_prefix(column.as_ref()) {
                rows.entry(index.to_owned()).or_insert_with(|| vec![None; columns.len()])[at] = Some(value.clone());
            }
        }
    }
    rows.into_iter().collect()
}

const UPTIME: Oid = Oid::literal(&[1, 3, 6, 1, 2, 1, 1, 3, 0]);

fn column(at: usize) -> Oid {
    Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 2, 2, 1, at as u32 + 1]).unwrap()
}

fn plan(columns: usize) -> Arc<TablePlan> {
    Arc::new(TablePlan { scalars: vec![UPTIME], columns: (0..columns).map(column).collect() })
}

/// A table of `rows` full rows in `columns` columns, and what lies around it.
fn full(columns: usize, rows: u32) -> Model {
    let mut model = Model::default();
    model.objects.insert(UPTIME, b"uptime".to_vec());
    model.objects.insert("1.3.6.1.9.1.0".parse().unwrap(), b"behind".to_vec());
    for at in 0..columns {
        for row in 1..=rows {
            model.objects.insert(column(at).child(row).unwrap(), format!("{at}/{row}").into_bytes());
        }
    }
    model
}

fn check_exact(mut model: Model, columns: usize) -> TableWalk {
    let plan = plan(columns);
    let mut table = TableWalk::new(plan.clone(), Limits::default(), Pace::default());
    let (rows, end) = walk(&mut model, &mut table);
    assert_eq!(end, WalkEnd::Complete);
    assert_eq!(rows, expected(&model, &plan.columns));
    table
}

#[test]
fn reads_a_table_in_few_requests() {
    let table = check_exact(full(10, 48), 10);
    assert_eq!(table.rows(), 48);
    // 10 columns of about 22 bytes: six rows a reply.
    assert!(table.requests() <= 12, "{} requests", table.requests());
    assert!((0..10).all(|at| table.column_end(at) == ColumnEnd::Complete));
}

#[test]
fn an_absent_table_takes_one_request() {
    assert_eq!(check_exact(full(0, 0), 3).requests(), 1);
    let mut empty = Model::default();
    let mut table = TableWalk::new(plan(3), Limits::default(), Pace::default());
    assert_eq!(walk(&mut empty, &mut table), (vec![], WalkEnd::Complete));
    let mut none = TableWalk::new(plan(0), Limits::default(), Pace::default());
    assert!(none.request().is_none());
}

#[test]
fn a_sparse_column_is_not_asked_again_and_again() {
    let mut model = full(3, 1_000);
    for row in 1..=990 {
        model.objects.remove(&column(1).child(row).unwrap());
    }
    let dense = check_exact(full(2, 1_000), 2).requests();
    let table = check_exact(model, 3);
    assert!(table.requests() <= dense + 4, "{} against {dense}", table.requests());
}

#[test]
fn asks_for_less_where_a_device_can_do_less() {
    for (model, most) in [
        (Model { too_big_over: Some(20), ..full(10, 100) }, 90),
        (Model { too_big_over: Some(3), ..full(10, 20) }, 130),
        (Model { silent_over: Some(20), ..full(10, 100) }, 90),
        (Model { max_size: Some(484), ..full(10, 100) }, 140),
        (Model { max_size: Some(120), ..full(10, 20) }, 140),
        (Model { cut_at: Some(600), ..full(10, 100) }, 90),
        (Model { lose: Some(7), ..full(10, 100) }, 60),
    ] {
        let table = check_exact(model.clone(), 10);
        let vices = Model { objects: BTreeMap::new(), ..model };
        assert!(table.requests() < most, "{} requests of {vices:?}", table.requests());
    }
}

#[test]
fn falls_back_to_getnext_and_remembers() {
    for model in [Model { no_bulk: true, ..full(4, 20) }, Model { silent_about_bulk: true, ..full(4, 20) }] {
        let table = check_exact(model.clone(), 4);
        let mut again = TableWalk::new(plan(4), Limits::default(), table.pace());
        assert!(matches!(again.request(), Some(Request::GetNext(names)) if names.len() == 5));
        walk(&mut model.clone(), &mut again);
        assert_eq!(again.requests(), 21);
    }
}

#[test]
fn a_dead_device_is_given_up_at_once() {
    let mut dead = Model { lose: Some(1), ..full(4, 20) };
    let mut table = TableWalk::new(plan(4), Limits::default(), Pace::default());
    assert_eq!(walk(&mut dead, &mut table), (vec![], WalkEnd::Failed(RequestError::Timeout)));
    assert_eq!(table.requests(), 2, "GetBulk, then GetNext");

    let known = check_exact(full(4, 20), 4).pace();
    let mut pace = known;
    for _ in 0..20 {
        let mut table = TableWalk::new(plan(4), Limits::default(), pace);
        walk(&mut dead, &mut table);
        assert_eq!(table.requests(), 1);
        pace = table.pace();
    }
    let mut back = TableWalk::new(plan(4), Limits::default(), pace);
    walk(&mut full(4, 200), &mut back);
    assert_eq!((back.rows(), back.requests() < 24), (200, true), "{} requests", back.requests());
}

#[test]
fn refused_credentials_end_a_walk() {
    let mut table = TableWalk::new(plan(4), Limits::default(), Pace::default());
    table.request();
    let refused = RequestError::Authentication(crate::snmp::session::Refusal::WrongDigest);
    assert_eq!(table.failed(refused), Progress::Done(WalkEnd::Failed(refused)));
}

#[test]
fn a_loop_ends_its_column_alone() {
    let name = |at, row| column(at).child(row).unwrap();
    let mut model = full(3, 30);
    model.astray.insert(name(1, 20), name(1, 3));
    let mut table = TableWalk::new(plan(3), Limits::default(), Pace::default());
    let (rows, end) = walk(&mut model, &mut table);
    assert_eq!((rows.len(), end), (30, WalkEnd::Complete));
    assert!(rows.iter().enumerate().all(|(at, (_, cells))| cells[1].is_some() == (at < 20)));
    assert_eq!(table.column_end(1), ColumnEnd::NotIncreasing);
    assert_eq!(table.column_end(2), ColumnEnd::Complete);
    // An agent whose successor of a name is that name.
    model.astray = BTreeMap::from([(name(0, 5), name(0, 5))]);
    let mut table = TableWalk::new(plan(3), Limits::default(), Pace::default());
    let (rows, _) = walk(&mut model, &mut table);
    assert_eq!((rows.len(), table.column_end(0)), (30, ColumnEnd::NotIncreasing));
}

#[test]
fn a_poisoned_cell_costs_itself_alone() {
    let mut model = full(4, 40);
    model.poisoned.insert(column(2).child(17).unwrap());
    let mut table = TableWalk::new(plan(4), Limits::default(), Pace::default());
    let (rows, end) = walk(&mut model, &mut table);
    assert_eq!(end, WalkEnd::Complete);
    let missing: Vec<_> = rows.iter().filter(|(_, cells)| cells.iter().any(Option::is_none)).collect();
    assert_eq!((rows.len(), missing.len()), (40, 1));
    assert_eq!(missing[0].0, Index::from_arcs(&[17]).unwrap());
}

#[test]
fn limits_hold() {
    let limits = Limits { rows: 13, ..Limits::default() };
    let mut table = TableWalk::new(plan(2), limits, Pace::default());
    let (rows, end) = walk(&mut full(2, 500), &mut table);
    assert_eq!((rows.len(), end, table.column_end(0)), (13, WalkEnd::RowLimit, ColumnEnd::Open));
    let limits = Limits { requests: 2, ..Limits::default() };
    let mut table = TableWalk::new(plan(2), limits, Pace::default());
    assert_eq!(walk(&mut full(2, 500), &mut table).1, WalkEnd::RequestLimit);
}

#[test]
fn a_binding_that_cannot_be_read_is_a_hole() {
    let mut table = TableWalk::new(plan(2), Limits::default(), Pace::default());
    table.request();
    let found: Vec<_> = [UPTIME, column(0).child(1).unwrap(), column(1).child(1).unwrap()]
        .into_iter()
        .chain([column(0).child(2).unwrap(), column(1).child(2).unwrap()])
        .map(|name| (name, Some(b"uptime".to_vec())))
        .collect();
    let mut message = encode(0, 0, &found);
    // The name of the first cell gets an impossible tag.
    let at = message.windows(4).position(|bytes| bytes == [2, 2, 1, 1]).unwrap();
    assert_eq!(message[at - 7], 6);
    message[at - 7] = 5;
    let mut rows = Vec::new();
    with_response(&message, |response| {
        table.response(response, |row| rows.push((row.index().to_string(), row.get(0).is_some(), row.get(1).is_some())))
    });
    assert_eq!(rows, [("1".to_string(), false, true), ("2".to_string(), true, true)]);
}

fn arbitrary_table() -> impl Strategy<Value = (usize, Model)> {
    let index = prop_oneof![
        (0u32..12).prop_map(|arc| vec![arc]),
        any::<u32>().prop_map(|arc| vec![arc]),
        prop::collection::vec(0u32..300, 1..4),
    ];
    let cells = prop::collection::btree_map(index, prop::collection::vec(any::<u8>(), 0..40), 0..40);
    (1usize..6).prop_flat_map(move |columns| prop::collection::vec(cells.clone(), columns)).prop_map(|tables| {
        let mut model = full(0, 0);
        for (at, table) in tables.iter().enumerate() {
            for (index, value) in table {
                let name = column(at).join(Index::from_arcs(index).unwrap().as_ref()).unwrap();
                model.objects.insert(name, value.clone());
            }
        }
        (tables.len(), model)
    })
}

fn one_in(times: u32, of: std::ops::Range<usize>) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![times => Just(None), 1 => of.prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever holes a table has and however little its agent can do, exactly the table comes out.
    #[test]
    fn honest_agents_are_read_exactly(
        (columns, mut model) in arbitrary_table(),
        max_size in one_in(1, 180..1_500),
        too_big_over in one_in(2, 2..60),
        cut_at in one_in(2, 200..1_400),
        lose in one_in(2, 4..9),
        no_bulk in prop::bool::weighted(0.2),
        reply_size in 150usize..4_000,
    ) {
        (model.max_size, model.too_big_over, model.cut_at, model.lose) = (max_size, too_big_over, cut_at, lose);
        model.no_bulk = no_bulk;
        let plan = plan(columns);
        let limits = Limits { reply_size, requests: 2_000, ..Limits::default() };
        let mut table = TableWalk::new(plan.clone(), limits, Pace::default());
        let (rows, end) = walk(&mut model, &mut table);
        prop_assert_eq!(end, WalkEnd::Complete);
        prop_assert_eq!(rows, expected(&model, &plan.columns));
    }

    /// Whatever an agent makes up, a walk ends, and its rows are in order.
    #[test]
    fn liars_are_left_alone(
        (columns, mut model) in arbitrary_table(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12),
        poison in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        max_size in one_in(1, 40..1_500),
        cut_at in one_in(1, 40..400),
        lose in one_in(2, 2..5),
    ) {
        let names: Vec<Oid> = model.objects.keys().cloned().collect();
        for (from, to) in &picks {
            model.astray.insert(from.get(&names).clone(), to.get(&names).clone());
        }
        model.poisoned = poison.iter().map(|at| at.get(&names).clone()).collect();
        (model.max_size, model.cut_at, model.lose) = (max_size, cut_at, lose);
        let limits = Limits { requests: 2_000, ..Limits::default() };
        let mut table = TableWalk::new(plan(columns), limits, Pace::default());
        let (rows, end) = walk(&mut model, &mut table);
        prop_assert!(rows.is_sorted_by(|one, other| one.0 < other.0));
        prop_assert_ne!(end, WalkEnd::RequestLimit);
        for (index, cells) in rows {
            for (at, cell) in cells.iter().enumerate().filter_map(|(at, cell)| Some((at, cell.as_ref()?))) {
                prop_assert_eq!(Some(cell), model.objects.get(&column(at).join(index.as_ref()).unwrap()));
            }
        }
    }
}
