use super::*;
use crate::fabric::{Counters, Direction, DropClass};
use crate::mib::value::Unusable;
use crate::snmp::{Index, Value};

const OUT: Counter = Counter::DropsCongestionOut;
const POLICY: Counter = Counter::DropsPolicyIn;

fn oid(text: &str) -> Oid {
    let arcs: Vec<u32> = text.split('.').map(|arc| arc.parse().unwrap()).collect();
    Oid::from_arcs(&arcs).unwrap()
}

fn object(column: &str, index: &str, counter: Counter, rank: u32) -> Object {
    Object {
        name: format!("TEST-MIB::c{column}"),
        oid: oid(&format!("1.3.6.1.4.1.99999.{column}")),
        index: IndexForm::parse(index).unwrap(),
        counter,
        width: CounterWidth::Bits64,
        scale: 1,
        rank,
    }
}

fn profile(objects: Vec<Object>) -> Arc<Profile> {
    Arc::new(Profile {
        name: "test".into(),
        description: String::new(),
        origin: Origin::Shipped,
        prefixes: vec![oid("1.3.6.1.4.1.99999")],
        descriptions: Vec::new(),
        objects,
    })
}

fn reader(objects: Vec<Object>) -> Reader {
    let has = vec![true; objects.len()];
    Reader::new(profile(objects), "it is a test".into(), has)
}

/// Two tables of queues, the finer one first, and a column beside the rows of IF-MIB.
fn two_ranks() -> Reader {
    reader(vec![
        object("1.1.2", "ifIndex._", OUT, 1),
        object("1.1.3", "ifIndex._", OUT, 1),
        object("2.1.5", "ifIndex", OUT, 2),
    ])
}

/// One poll: the queues of interface 7 (queue, tail drops, early drops), and the cells of its row.
fn poll(
    reader: &mut Reader,
    queues: &[(u32, u64, u64)],
    cells: &[Option<Value<'_>>],
) -> Vec<(&'static str, Result<u64, Unusable>)> {
    reader.begin(1);
    for (queue, tail, early) in queues {
        let index = Index::from_arcs(&[7, *queue]).unwrap();
        let values = [Value::Counter64(*tail), Value::Counter64(*early)];
        reader.walked(0, index.as_ref(), |column| values.get(column).copied());
    }
    reader.explain(7, cells, &mut Counters::default())
}

#[test]
fn queues_are_summed() {
    let mut reader = two_ranks();
    assert_eq!(reader.walks().count(), 1, "two columns of one table are one walk");
    assert_eq!(reader.row_columns().collect::<Vec<_>>(), [oid("1.3.6.1.4.1.99999.2.1.5")]);
    let row = [Some(Value::Counter64(1_000))];
    assert_eq!(poll(&mut reader, &[(1, 10, 1), (2, 20, 2)], &row), [("dropsCongestionOut", Ok(33))]);
    assert_eq!(poll(&mut reader, &[(2, 25, 2), (1, 10, 1)], &row), [("dropsCongestionOut", Ok(38))], "in any order");
}

#[test]
fn a_queue_that_comes_or_goes_is_no_drop() {
    let mut reader = two_ranks();
    let gone = [("dropsCongestionOut", Err(Unusable::Changed))];
    assert_eq!(poll(&mut reader, &[(1, 10, 0), (2, 20, 0)], &[None])[0].1, Ok(30));
    assert_eq!(poll(&mut reader, &[(1, 11, 0)], &[None]), gone, "one is gone");
    assert_eq!(poll(&mut reader, &[(1, 12, 0)], &[None])[0].1, Ok(12), "from here on it counts");
    assert_eq!(poll(&mut reader, &[(1, 12, 0), (3, 9_999, 0)], &[None]), gone, "one is new");
    assert_eq!(poll(&mut reader, &[(1, 12, 0), (4, 9_999, 0)], &[None]), gone, "another of the same value");
    assert_eq!(poll(&mut reader, &[], &[None]), [], "none is none, and nothing to tell");
    assert_eq!(poll(&mut reader, &[(1, 13, 0), (4, 9_999, 0)], &[None])[0].1, Ok(10_012));
}

#[test]
fn what_stands_in_is_another_sum() {
    let mut reader = two_ranks();
    let row = [Some(Value::Counter64(500))];
    assert_eq!(poll(&mut reader, &[(1, 10, 0)], &row)[0].1, Ok(10));
    assert_eq!(poll(&mut reader, &[], &row)[0].1, Err(Unusable::Changed), "500 is no leap of 490");
    assert_eq!(poll(&mut reader, &[], &row)[0].1, Ok(500));
}

#[test]
fn a_walk_that_broke_off_sums_nothing() {
    let mut reader = two_ranks();
    assert_eq!(poll(&mut reader, &[(1, 10, 0), (2, 20, 0)], &[None])[0].1, Ok(30));
    reader.begin(1);
    let index = Index::from_arcs(&[7, 1]).unwrap();
    reader.walked(0, index.as_ref(), |_| Some(Value::Counter64(11)));
    reader.broke_off();
    let told = reader.explain(7, &[None], &mut Counters::default());
    assert_eq!(told, [("dropsCongestionOut", Err(Unusable::Truncated))]);
    assert_eq!(poll(&mut reader, &[(1, 12, 0), (2, 20, 0)], &[None])[0].1, Ok(32), "the same queues as before");
}

#[test]
fn a_sum_of_32_bit_counters_wraps_as_one() {
    let mut narrow = object("3.1.1", "ifIndex._", OUT, 1);
    narrow.width = CounterWidth::Bits32;
    let mut reader = reader(vec![narrow]);
    let mut sums = Vec::new();
    for (one, two) in [(4_294_967_290, 4_294_967_000), (4, 4_294_967_010)] {
        reader.begin(1);
        for (queue, value) in [(1, one), (2, two)] {
            let index = Index::from_arcs(&[7, queue]).unwrap();
            reader.walked(0, index.as_ref(), |_| Some(Value::Counter32(value)));
        }
        let mut counters = Counters::default();
        reader.read(7, &[], &mut counters);
        assert_eq!(counters.width(OUT), CounterWidth::Bits32);
        sums.push(counters.get(OUT).unwrap());
    }
    assert_eq!((sums[1] + (1 << 32) - sums[0]) % (1 << 32), 20, "ten in each");
}

#[test]
fn rows_of_one_column_may_mean_different_things() {
    let mut reader = reader(vec![object("4.1.4", "ifIndex.2._", OUT, 1), object("4.1.4", "ifIndex.1._", POLICY, 1)]);
    reader.begin(1);
    for (direction, value) in [(1, 5), (2, 6), (3, 7)] {
        let index = Index::from_arcs(&[7, direction, 1]).unwrap();
        reader.walked(0, index.as_ref(), |column| (column == 0).then_some(Value::Counter64(value)));
    }
    let mut counters = Counters::default();
    reader.read(7, &[], &mut counters);
    assert_eq!((counters.get(OUT), counters.get(POLICY)), (Some(6), Some(5)));
    reader.read(8, &[], &mut counters);
    assert_eq!(counters.iter().count(), 2, "another interface adds nothing");
}

#[test]
fn the_scale_multiplies_and_what_is_no_counter_is_not_summed() {
    let mut scaled = object("5.1.1", "ifIndex", POLICY, 1);
    scaled.scale = 10;
    let mut reader = reader(vec![scaled]);
    reader.begin(1);
    let told = |reader: &mut Reader, value| reader.explain(7, &[Some(value)], &mut Counters::default());
    assert_eq!(told(&mut reader, Value::Counter64(4)), [("dropsPolicyIn", Ok(40))]);
    assert_eq!(told(&mut reader, Value::Integer(-1)), [("dropsPolicyIn", Err(Unusable::Negative))]);
    assert_eq!(told(&mut reader, Value::NoSuchInstance), [], "the interface has none");
}

#[test]
fn a_standard_object_that_the_device_has_is_its_own_word() {
    let mut reader = reader(vec![object("6.1.1", "ifIndex", Counter::InErrors, 1)]);
    reader.begin(1);
    let mut counters = Counters::default();
    reader.read(7, &[Some(Value::Counter64(9))], &mut counters);
    assert_eq!(counters.get(Counter::InErrors), Some(9), "it stands in");
    counters.set(Counter::InErrors, 3, CounterWidth::Bits32);
    reader.read(7, &[Some(Value::Counter64(9))], &mut counters);
    assert_eq!(counters.get(Counter::InErrors), Some(3));
}

#[test]
fn objects_that_the_device_does_not_have_are_not_asked_for() {
    let objects = vec![object("1.1.2", "ifIndex._", OUT, 1), object("2.1.5", "ifIndex", OUT, 2)];
    let reader = Reader::new(profile(objects), String::new(), vec![false, true]);
    assert_eq!((reader.walks().count(), reader.row_columns().count()), (0, 1));
    assert_eq!(reader.objects().map(|(_, has)| has).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_most_particular_profile_is_taken() {
    let named = |name: &str, prefixes: &[&str], words: &[&str]| {
        let mut profile = (*profile(Vec::new())).clone();
        profile.name = name.into();
        profile.prefixes = prefixes.iter().map(|prefix| oid(prefix)).collect();
        profile.descriptions = words.iter().map(|words| (*words).to_owned()).collect();
        Arc::new(profile)
    };
    let profiles = Profiles(vec![
        named("vendor", &["1.3.6.1.4.1.9"], &[]),
        named("family", &["1.3.6.1.4.1.9.12"], &[]),
        named("software", &[], &["SONiC"]),
        named("both", &["1.3.6.1.4.1.9"], &["IOS XR"]),
        named("mine", &["1.3.6.1.4.1.9.12"], &[]),
    ]);
    let chosen = |id: &str, descr: &str| profiles.choose(id, descr).map(|chosen| chosen.profile.name.clone());
    assert_eq!(chosen("1.3.6.1.4.1.9.1.2683", "IOS").as_deref(), Some("vendor"));
    assert_eq!(chosen("1.3.6.1.4.1.9.12.3", "NX-OS").as_deref(), Some("mine"), "the operator's of two alike");
    assert_eq!(chosen("1.3.6.1.4.1.9.1", "Cisco IOS XR").as_deref(), Some("both"));
    assert_eq!(chosen("1.3.6.1.4.1.8072.3.2.10", "SONiC Software").as_deref(), Some("software"));
    assert_eq!(chosen("1.3.6.1.4.1.99", "IOS"), None, "whole arcs only");
    assert_eq!(chosen("", ""), None);
    assert_eq!(chosen("1.3.6.1.4.1.8072.3.2.10", "IOS XR"), None, "both are asked for");
    let why = profiles.choose("1.3.6.1.4.1.9.1", "Cisco IOS XR").unwrap().why;
    assert_eq!(why, "sysDescr has \"IOS XR\" and sysObjectID begins with 1.3.6.1.4.1.9");
}

#[test]
fn every_class_that_is_told_has_its_counter() {
    for (counter, class, direction) in Counter::DROPS {
        assert_eq!(Counter::drops(class, direction), Some(counter));
        assert_eq!(counter.as_drops(), Some((class, direction)));
        assert!(counter.is_drops());
    }
    assert_eq!(Counter::ALL.into_iter().filter(|counter| counter.is_drops()).count(), Counter::DROPS.len());
    assert_eq!(Counter::drops(DropClass::Host, Direction::In), None);
}

mod any {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Whatever queues come and go: what is told is the sum of just the queues of the poll before, or nothing.
        #[test]
        fn no_sum_over_other_queues_is_told(polls in proptest::collection::vec(
            proptest::collection::btree_map(0..6_u32, 0..u64::MAX / 8, 0..5), 1..12,
        )) {
            let mut reader = reader(vec![object("1.1.2", "ifIndex._", OUT, 1)]);
            let mut before: Option<Vec<u32>> = None;
            for queues in polls {
                reader.begin(1);
                for (queue, value) in &queues {
                    let index = Index::from_arcs(&[7, *queue]).unwrap();
                    reader.walked(0, index.as_ref(), |_| Some(Value::Counter64(*value)));
                }
                let mut counters = Counters::default();
                reader.read(7, &[], &mut counters);
                let now: Vec<u32> = queues.keys().copied().collect();
                let expected = (!now.is_empty() && before.as_ref().is_none_or(|before| *before == now))
                    .then(|| queues.values().sum());
                prop_assert_eq!(counters.get(OUT), expected);
                if !now.is_empty() {
                    before = Some(now);
                }
            }
        }
    }
}
