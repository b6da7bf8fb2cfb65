use super::*;
use crate::fabric::{Counters, InterfacePoll, Timestamp, Uptime};

fn row(at: i64, uptime: u32, octets: u64, width: CounterWidth) -> PolledRow {
    let mut counters = Counters::default();
    counters.set(Counter::InOctets, octets, width);
    let poll = InterfacePoll {
        if_name: "p1".into(),
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        discontinuity: None,
        counters,
    };
    PolledRow { poll, counters: Vec::new(), taken_at: Timestamp::from_secs(at), uptime: Some(Uptime(uptime)) }
}

fn octets(before: &PolledRow, after: &PolledRow, speed_bps: Option<u64>) -> Rate {
    rate(Some(before), after, Counter::InOctets, speed_bps)
}

use CounterWidth::{Bits32, Bits64};

#[test]
fn rates_are_over_the_device_s_own_time() {
    let (before, after) = (row(100, 5_000, 1_000, Bits64), row(111, 6_000, 3_000, Bits64));
    assert_eq!(octets(&before, &after, None), Rate::Known(200.0));
    // A clock that stands still is not one.
    let stopped = row(110, 5_000, 3_000, Bits64);
    assert_eq!(octets(&before, &stopped, None), Rate::Known(200.0));
}

#[test]
fn what_fell_is_not_a_rate() {
    let before = row(100, 5_000, 4_000_000_000, Bits64);
    assert_eq!(octets(&before, &row(110, 6_000, 5, Bits64), None), Rate::Unknown(Unknown::Discontinuity));
    // The agent started anew.
    assert_eq!(octets(&before, &row(110, 6, 5_000_000_000, Bits64), None), Rate::Unknown(Unknown::Discontinuity));
}

#[test]
fn a_wrap_is_one_only_if_the_speed_says_so() {
    let before = row(100, 5_000, 4_294_967_000, Bits32);
    let after = row(110, 6_000, 704, Bits32);
    assert_eq!(octets(&before, &after, Some(100_000_000)), Rate::Known(100.0));
    assert_eq!(octets(&before, &after, None), Rate::Unknown(Unknown::Ambiguous));
    assert_eq!(octets(&before, &after, Some(10_000_000_000)), Rate::Unknown(Unknown::Ambiguous), "it may be three");
    assert_eq!(octets(&before, &after, Some(100)), Rate::Unknown(Unknown::Ambiguous), "it may be a reset");
}

#[test]
fn a_counter_that_changed_its_width_begins_anew() {
    let (before, after) = (row(100, 5_000, 1_000, Bits32), row(110, 6_000, 3_000, Bits64));
    assert_eq!(octets(&before, &after, None), Rate::Unknown(Unknown::Discontinuity));
    assert_eq!(rate(None, &after, Counter::InOctets, None), Rate::Unknown(Unknown::FirstSample));
    assert_eq!(rate(Some(&before), &after, Counter::OutOctets, None), Rate::Unknown(Unknown::Missing));
}

#[test]
fn objects_have_the_name_they_were_read_by() {
    assert_eq!(object_name(Counter::InOctets, Bits32), "ifInOctets");
    assert_eq!(object_name(Counter::InOctets, Bits64), "ifHCInOctets");
    assert_eq!(object_name(Counter::InDiscards, Bits32), "ifInDiscards");
}

#[test]
fn numbers_for_people() {
    for (value, text) in [
        (0.0, "0"),
        (0.25, "0.25"),
        (999.0, "999"),
        (1_000.0, "1k"),
        (12_345_678.0, "12.3M"),
        (123_456_789.0, "123M"),
        (10_000_000_000.0, "10G"),
        (2.5e9, "2.50G"),
    ] {
        assert_eq!(scaled(value), text);
    }
    assert_eq!(span(59_999), "59s");
    assert_eq!(span(3_599_000), "59m 59s");
    assert_eq!(span(86_399_000), "23h 59m");
    assert_eq!(span(90_000_000), "1d 1h");
}
