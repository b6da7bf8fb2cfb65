use super::*;
use crate::fabric::{AdminStatus, Counter, OperStatus};
use crate::mib::fixture::Recording;
use crate::mib::interfaces::inventory;

/// Two ports: the first with 64-bit counters, the second with none.
const MIXED: &str = "
    1.3.6.1.2.1.2.2.1.2.1|4|Port one
    1.3.6.1.2.1.2.2.1.2.2|4|Port two
    1.3.6.1.2.1.2.2.1.7.1|2|1
    1.3.6.1.2.1.2.2.1.7.2|2|1
    1.3.6.1.2.1.2.2.1.8.1|2|1
    1.3.6.1.2.1.2.2.1.8.2|2|2
    1.3.6.1.2.1.2.2.1.10.1|65|705032704
    1.3.6.1.2.1.2.2.1.10.2|65|7
    1.3.6.1.2.1.2.2.1.13.1|65|3
    1.3.6.1.2.1.2.2.1.13.2|4|many
    1.3.6.1.2.1.31.1.1.1.1.1|4|p1
    1.3.6.1.2.1.31.1.1.1.1.2|4|p2
    1.3.6.1.2.1.31.1.1.1.6.1|70|5000000000
    1.3.6.1.2.1.31.1.1.1.19.1|67|4711
    1.3.6.1.2.1.10.7.2.1.3.1|65|9
";

fn plan(recording: &Recording) -> PollPlan {
    let rows = recording.interface_rows();
    PollPlan::learn(&rows, None, &inventory(&rows), |column| recording.has(column))
}

fn names(plan: &PollPlan) -> Vec<&str> {
    plan.columns().iter().map(|column| column.name).collect()
}

#[test]
fn asks_for_what_the_device_has_and_nothing_else() {
    assert_eq!(
        names(&plan(&Recording::parse(MIXED))),
        [
            "ifName",
            "ifOperStatus",
            "ifAdminStatus",
            "ifCounterDiscontinuityTime",
            "ifHCInOctets",
            "ifInOctets",
            "ifInDiscards",
            "dot3StatsFCSErrors"
        ]
    );
}

#[test]
fn each_interface_is_read_at_its_own_width() {
    let recording = Recording::parse(MIXED);
    let plan = plan(&recording);
    let one = plan.read(1, &recording.cells(&plan, 1)).unwrap();
    assert_eq!((&*one.if_name, one.oper_status, one.admin_status), ("p1", OperStatus::Up, AdminStatus::Up));
    assert_eq!(one.discontinuity, Some(Uptime(4711)));
    assert_eq!(one.counters.get(Counter::InOctets), Some(5_000_000_000));
    assert_eq!(one.counters.width(Counter::InOctets), CounterWidth::Bits64);
    assert_eq!(one.counters.get(Counter::FcsErrors), Some(9));

    let two = plan.read(2, &recording.cells(&plan, 2)).unwrap();
    assert_eq!((two.oper_status, two.discontinuity), (OperStatus::Down, None));
    assert_eq!(two.counters.get(Counter::InOctets), Some(7));
    assert_eq!(two.counters.width(Counter::InOctets), CounterWidth::Bits32);
    assert_eq!(two.counters.get(Counter::InDiscards), None, "text is no counter, and nothing is not zero");
}

#[test]
fn explains_what_it_could_not_read() {
    let recording = Recording::parse(MIXED);
    let plan = plan(&recording);
    let two = plan.explain(2, &recording.cells(&plan, 2)).unwrap();
    let of = |name| two.iter().find(|(told, _)| *told == name).map(|(_, reading)| *reading);
    assert_eq!(of("ifInOctets"), Some(Ok(7)));
    assert_eq!(of("ifHCInOctets"), None, "it was not asked for");
    assert_eq!(of("ifInDiscards"), Some(Err(Unusable::NotACounter)));
    assert_eq!(of("ifOutDiscards"), Some(Err(Unusable::Missing)), "the device has it for no interface");
    assert_eq!(of("ifHCOutOctets"), Some(Err(Unusable::Missing)));
}

#[test]
fn packets_that_octets_contradict_are_not_read() {
    let text = MIXED.to_owned() + "1.3.6.1.2.1.31.1.1.1.7.1|70|0\n1.3.6.1.2.1.31.1.1.1.11.1|70|0\n";
    let recording = Recording::parse(&text);
    let plan = plan(&recording);
    let cells = recording.cells(&plan, 1);
    let counters = plan.read(1, &cells).unwrap().counters;
    assert_eq!(counters.get(Counter::InUcastPkts), None, "5 GB in no packet");
    assert_eq!(counters.get(Counter::OutUcastPkts), Some(0), "nothing was sent");
    assert_eq!(counters.get(Counter::InOctets), Some(5_000_000_000));
    let told = plan.explain(1, &cells).unwrap();
    assert!(told.contains(&("ifHCInUcastPkts", Err(Unusable::Contradicted))));
    assert!(told.contains(&("dot3StatsFCSErrors", Ok(9))));
    // The second port has no frames at all: nothing to tell.
    assert!(!plan.explain(2, &recording.cells(&plan, 2)).unwrap().iter().any(|(name, _)| name.starts_with("dot3")));
}

#[test]
fn a_64_bit_counter_that_stays_at_zero_is_not_believed() {
    let recording = Recording::parse(&MIXED.replace("70|5000000000", "70|0"));
    let plan = plan(&recording);
    let one = plan.read(1, &recording.cells(&plan, 1)).unwrap();
    assert_eq!(one.counters.get(Counter::InOctets), Some(705_032_704));
    assert_eq!(one.counters.width(Counter::InOctets), CounterWidth::Bits32);
    assert!(!names(&plan).contains(&"ifHCInOctets"));
}

#[test]
fn a_64_bit_counter_that_stands_still_is_not_believed() {
    let before = plan(&Recording::parse(MIXED));
    let later = Recording::parse(&MIXED.replace("65|705032704", "65|705032999"));
    let rows = later.interface_rows();
    let plan = PollPlan::learn(&rows, Some(&before), &inventory(&rows), |column| later.has(column));
    let one = plan.read(1, &later.cells(&plan, 1)).unwrap();
    assert_eq!(one.counters.get(Counter::InOctets), Some(705_032_999));

    // One that moved is believed for good.
    let later = Recording::parse(&MIXED.replace("70|5000000000", "70|5000000001"));
    let rows = later.interface_rows();
    let moved = PollPlan::learn(&rows, Some(&before), &inventory(&rows), |column| later.has(column));
    assert!(moved.interfaces.iter().all(|interface| interface.stood.is_none()));
    let later = Recording::parse(&MIXED.replace("70|5000000000", "70|5000000001").replace("65|705032704", "65|7"));
    let rows = later.interface_rows();
    let plan = PollPlan::learn(&rows, Some(&moved), &inventory(&rows), |column| later.has(column));
    assert_eq!(plan.read(1, &later.cells(&plan, 1)).unwrap().counters.get(Counter::InOctets), Some(5_000_000_001));
}

#[test]
fn what_is_kept_of_an_inventory_says_the_same_again() {
    for text in [MIXED, &MIXED.replace("4|p2", "4|p1"), &MIXED.replace("1.3.6.1.2.1.31.1.1.1.1.2|4|p2", "")] {
        let recording = Recording::parse(text);
        let first = plan(&recording);
        let rows = first.rows();
        assert_eq!(inventory(&rows), inventory(&recording.interface_rows()));
        let again = PollPlan::learn(&rows, Some(&first), &inventory(&rows), |column| recording.has(column));
        assert_eq!(names(&again), names(&first));
        let told = |plan: &PollPlan| plan.read(1, &recording.cells(plan, 1)).map(|row| row.counters);
        assert_eq!(told(&again), told(&first));
    }
    for speed in [None, Some(10_000_000), Some(4_294_967_294), Some(10_000_000_000), Some(800_000_000_000)] {
        let (high, low) = interfaces::speeds(speed);
        assert_eq!(interfaces::speed_bps(high, low), speed);
    }
}

#[test]
fn a_row_that_cannot_vouch_for_its_name_is_refused() {
    let recording = Recording::parse(MIXED);
    let plan = plan(&recording);
    let moved = Recording::parse(&MIXED.replace("4|p1", "4|p9"));
    assert_eq!(plan.read(1, &moved.cells(&plan, 1)).unwrap_err(), RowRefused::Renamed);
    let unnamed = Recording::parse(&MIXED.replace("1.3.6.1.2.1.31.1.1.1.1.1|", "1.3.6.1.2.1.31.1.1.1.1.99|"));
    assert_eq!(plan.read(1, &unnamed.cells(&plan, 1)).unwrap_err(), RowRefused::Renamed);
    assert_eq!(plan.read(3, &recording.cells(&plan, 1)).unwrap_err(), RowRefused::Unlisted);
    assert_eq!(plan.read(2, &[]).unwrap_err(), RowRefused::Renamed);
}

#[test]
fn where_if_name_is_missing_if_descr_vouches() {
    let recording = Recording::parse(&MIXED.replace("1.3.6.1.2.1.31.1.1.1.1.2|4|p2", ""));
    let plan = plan(&recording);
    assert_eq!(names(&plan)[..2], ["ifName", "ifDescr"]);
    assert_eq!(&*plan.read(2, &recording.cells(&plan, 2)).unwrap().if_name, "Port two");
    let moved = Recording::parse(&MIXED.replace("1.3.6.1.2.1.31.1.1.1.1.2|4|p2", "").replace("Port two", "Port 3"));
    assert_eq!(plan.read(2, &moved.cells(&plan, 2)).unwrap_err(), RowRefused::Renamed);
}

#[test]
fn shared_names_are_vouched_for_by_the_device_s_spelling() {
    let recording = Recording::parse(&MIXED.replace("4|p2", "4|p1"));
    let plan = plan(&recording);
    assert_eq!(&*plan.read(1, &recording.cells(&plan, 1)).unwrap().if_name, "p1#1");
    assert_eq!(&*plan.read(2, &recording.cells(&plan, 2)).unwrap().if_name, "p1#2");
    assert_eq!(plan.name_of(2).map(|name| &**name), Some("p1#2"));
}
