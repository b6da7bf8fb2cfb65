use super::super::report::fixture::interface;
use super::*;
use crate::fabric::Rate;

#[test]
fn many_ports_with_one_reason_are_one_line() {
    let mut ports: Vec<Interface> = (1..=48).map(|n| interface(n, Some(1_000))).collect();
    assert_eq!(text(&unknowns(&ports), 48), "\nNothing is unknown.\n");
    for port in &mut ports {
        port.unknown.insert("ifInDiscards", Unusable::Missing);
        port.unknown.insert("ifOutDiscards", Unusable::Missing);
    }
    for port in &mut ports[..10] {
        port.unknown.insert("ifHCInUcastPkts", Unusable::Contradicted);
    }
    ports[3].speed_bps = None;
    let told = unknowns(&ports);
    let lines: Vec<String> = text(&told, 48).lines().filter(|line| line.ends_with(':')).map(str::to_owned).collect();
    let mut expected = [
        "  ifHCInUcastPkts on p1, p2, p3, p4, p5, p6 and 4 more:",
        "  ifInDiscards, ifOutDiscards on all 48 interfaces:",
        "  speed on p4:",
    ];
    expected.sort_unstable();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
    let all = told.iter().find(|explanation| explanation.reason == "missing").unwrap();
    assert_eq!(all.interfaces.len(), 48, "scripts have them all");
}

#[test]
fn every_unknown_is_told_once() {
    let mut port = interface(1, Some(1_000));
    port.unknown.insert("ifInErrors", Unusable::NotACounter);
    port.rates = Some(
        [
            ("ifInErrors", Rate::Unknown(Unknown::Missing)),
            ("ifHCInOctets", Rate::Unknown(Unknown::Discontinuity)),
            ("ifHCOutOctets", Rate::Known(1.0)),
        ]
        .into(),
    );
    let told = unknowns(&[port]);
    let told: Vec<(&str, &str)> =
        told.iter().flat_map(|why| why.values.iter().map(|value| (value.as_str(), why.reason))).collect();
    assert_eq!(told, [("ifHCInOctets/s", "discontinuity"), ("ifInErrors", "not a counter")]);
}
