use proptest::prelude::*;

use super::*;
use CounterWidth::{Bits32, Bits64};

fn row(name: &str, descr: &str) -> InterfaceRow {
    InterfaceRow { name: name.into(), descr: descr.into(), ..InterfaceRow::default() }
}

fn named(rows: &[(u32, &str, &str)]) -> Vec<String> {
    let rows = rows.iter().map(|&(index, name, descr)| (index, row(name, descr))).collect();
    names(&rows).iter().map(ToString::to_string).collect()
}

#[test]
fn the_name_is_if_name_else_if_descr_else_the_index() {
    assert_eq!(named(&[(1, "lo", "Loopback"), (7, "", "Port 7"), (9, "", "")]), ["lo", "Port 7", "ifIndex-9"]);
}

#[test]
fn shared_names_all_get_their_index_whatever_the_order() {
    assert_eq!(named(&[(1, "p", ""), (2, "p", ""), (3, "q", "")]), ["p#1", "p#2", "q"]);
    // An ifDescr that is another's ifName is a shared name as well.
    assert_eq!(named(&[(1, "p", ""), (2, "", "p")]), ["p#1", "p#2"]);
    assert_eq!(named(&[(1, "p", ""), (2, "p", ""), (3, "p#1", "")]), ["p#1#1", "p#2", "p#1#3"]);
    // Naming that defeats both passes is not believed at all.
    assert_eq!(
        named(&[(1, "p", ""), (2, "p", ""), (3, "p#1", ""), (4, "p#1#1", "")]),
        ["ifIndex-1", "ifIndex-2", "ifIndex-3", "ifIndex-4"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_two_interfaces_share_a_name(rows in prop::collection::btree_map(0u32..20, ("(p|p#1|p#2|p#1#1|ifIndex-3|)", "(p|d|)"), 0..12)) {
        let rows: InterfaceRows = rows.into_iter().map(|(index, (name, descr))| (index, row(&name, &descr))).collect();
        let names = names(&rows);
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        prop_assert_eq!(distinct.len(), rows.len());
    }

    #[test]
    fn a_port_by_the_book_has_its_exact_speed(speed in 1_000_000u64..1_600_000_000_000) {
        let high = u32::try_from((speed + 500_000) / 1_000_000).unwrap();
        let low = u32::try_from(speed.min(u64::from(u32::MAX))).unwrap();
        let told = speed_bps(Some(high), Some(low)).unwrap();
        prop_assert!(told.abs_diff(speed) <= 500_000, "{} told as {}", speed, told);
    }
}

#[test]
fn speeds_of_devices_that_follow_the_standard() {
    assert_eq!(speed_bps(Some(10_000), Some(u32::MAX)), Some(10_000_000_000));
    assert_eq!(speed_bps(Some(1_000), Some(1_000_000_000)), Some(1_000_000_000));
    assert_eq!(speed_bps(Some(2), Some(1_544_000)), Some(1_544_000), "the exact one of two that agree");
    assert_eq!(speed_bps(Some(6_400_000), Some(u32::MAX)), Some(6_400_000_000_000), "a bundle of 8 x 800G");
}

#[test]
fn speeds_that_are_not_told() {
    assert_eq!(speed_bps(Some(0), Some(0)), None);
    assert_eq!(speed_bps(Some(0), Some(u32::MAX)), None);
    assert_eq!(speed_bps(None, Some(u32::MAX)), None);
    assert_eq!(speed_bps(None, None), None);
    assert_eq!(speed_bps(Some(1_000_000_000), None), None, "a million and more without ifSpeed: which unit?");
}

#[test]
fn one_of_the_two_is_enough() {
    assert_eq!(speed_bps(Some(0), Some(100_000_000)), Some(100_000_000));
    assert_eq!(speed_bps(None, Some(64_000)), Some(64_000));
    assert_eq!(speed_bps(Some(40_000), None), Some(40_000_000_000));
    assert_eq!(speed_bps(Some(40_000), Some(0)), Some(40_000_000_000));
}

#[test]
fn speeds_in_the_wrong_unit() {
    assert_eq!(speed_bps(Some(1_000_000_000), Some(1_000_000_000)), Some(1_000_000_000), "bit/s");
    assert_eq!(speed_bps(Some(1_000_000), Some(1_000_000_000)), Some(1_000_000_000), "kbit/s");
    assert_eq!(speed_bps(Some(194_969_600), Some(122_880_000)), Some(194_969_600), "a radio's rate in bit/s");
    assert_eq!(speed_bps(Some(100_000_000), Some(1_000_000_000)), Some(1_000_000_000), "no reading fits: ifSpeed");
    assert_eq!(speed_bps(Some(400_000_000), Some(u32::MAX)), Some(400_000_000_000), "kbit/s, ifSpeed at its limit");
}

#[test]
fn an_if_speed_that_forgot_its_limit() {
    assert_eq!(speed_bps(Some(10_000), Some(1_410_065_408)), Some(10_000_000_000), "10^10 modulo 2^32");
    assert_eq!(speed_bps(Some(10_000), Some(3_000_000_000)), Some(10_000_000_000));
}

#[test]
fn two_units_that_both_fit_are_no_speed() {
    // 10 Mbit/s with ifHighSpeed in kbit/s, or 10 Gbit/s with ifSpeed in kbit/s?
    assert_eq!(speed_bps(Some(10_000), Some(10_000_000)), None);
    assert_eq!(speed_bps(Some(64_000), Some(64_000)), None);
}

#[test]
fn states_outside_of_the_standard_are_unknown() {
    for value in [0, 8, -1, 65_535] {
        assert_eq!(oper_status(Some(&Value::Integer(value))), OperStatus::Unknown);
    }
    assert_eq!(oper_status(Some(&Value::Integer(7))), OperStatus::LowerLayerDown);
    assert_eq!(oper_status(Some(&Value::OctetString(b"2"))), OperStatus::Down);
    assert_eq!(oper_status(Some(&Value::OctetString(b"up"))), OperStatus::Unknown);
    assert_eq!(oper_status(None), OperStatus::Unknown);
    assert_eq!(admin_status(Some(&Value::Integer(4))), AdminStatus::Unknown);
}

#[test]
fn the_object_to_believe() {
    const NONE: Reading = Err(Unusable::Missing);
    let wide = |value| Ok((value, Bits64));
    let narrow = |value| Ok((value, Bits32));
    // (before, 64-bit, 32-bit) -> choice
    type Both = (Reading, Reading);
    let table: [(Option<Both>, Reading, Reading, Choice); 13] = [
        (None, NONE, NONE, Choice::Neither),
        (None, wide(5), NONE, Choice::Wide),
        (None, Err(Unusable::AllOnes), Err(Unusable::NotACounter), Choice::Wide),
        (None, NONE, Err(Unusable::NotACounter), Choice::Narrow),
        (None, NONE, narrow(5), Choice::Narrow),
        (None, wide(5), narrow(5), Choice::Wide),
        (None, wide(0), narrow(0), Choice::Wide),
        (None, wide(0), narrow(5), Choice::Narrow),
        (None, wide(5), narrow(9), Choice::Wide),
        (Some((wide(5), narrow(9))), wide(6), narrow(10), Choice::Wide),
        (Some((wide(5), narrow(9))), wide(5), narrow(9), Choice::Wide),
        (Some((wide(5), narrow(9))), wide(5), narrow(10), Choice::Narrow),
        (Some((NONE, narrow(9))), wide(5), narrow(10), Choice::Wide),
    ];
    for (before, wide, narrow, expected) in table {
        let stands = before.is_some_and(|(wide_before, narrow_before)| wide == wide_before && narrow != narrow_before);
        assert_eq!(choose(stands, wide, narrow), expected, "{before:?} {wide:?} {narrow:?}");
    }
}

#[test]
fn octets_without_packets_make_the_packets_unknown() {
    let counters = |values: &[(Counter, u64, CounterWidth)]| {
        let mut counters = Counters::default();
        values.iter().for_each(|&(counter, value, width)| counters.set(counter, value, width));
        contradicted(&counters).collect::<Vec<_>>()
    };
    let packets_in = [Counter::InUcastPkts, Counter::InMulticastPkts, Counter::InBroadcastPkts];
    use Counter::{InMulticastPkts, InOctets, InUcastPkts, OutOctets};
    assert_eq!(counters(&[(InOctets, 393_864_159, Bits64), (InUcastPkts, 0, Bits64)]), packets_in);
    assert_eq!(counters(&[(InOctets, 393_864_159, Bits64), (InUcastPkts, 0, Bits32)]), packets_in);
    // A few multicasts cannot have brought that much.
    let few = [(InOctets, 393_864_159, Bits64), (InUcastPkts, 0, Bits64), (InMulticastPkts, 12, Bits64)];
    assert_eq!(counters(&few), packets_in);
    // Nor can 32-bit counters be told from wrapped ones.
    assert_eq!(counters(&[(InOctets, 393_864_159, Bits64), (InUcastPkts, 12, Bits32)]), []);
    assert_eq!(counters(&[(InOctets, 0, Bits64), (InUcastPkts, 0, Bits64)]), []);
    assert_eq!(counters(&[(InOctets, 65_000, Bits64), (InUcastPkts, 1, Bits64)]), []);
    assert_eq!(counters(&[(InUcastPkts, 5, Bits64)]), [], "no octets, no contradiction");
    assert_eq!(counters(&[(OutOctets, 5, Bits64)]).len(), 3);
}
