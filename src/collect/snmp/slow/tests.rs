use super::*;
use crate::mib::lag::{PortRow, SELECTED_AGG_ID};
use crate::snmp::Value;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000 + secs)
}

fn inventory() -> Vec<Arc<InterfaceInfo>> {
    let port = |(name, if_index): (&str, u32)| {
        Arc::new(InterfaceInfo { if_name: name.into(), if_index, ..InterfaceInfo::default() })
    };
    [("e1", 1), ("e2", 2), ("Po1", 100)].map(port).to_vec()
}

fn rows(ports: &[u32]) -> lag::PortRows {
    let row = |port: &u32| {
        let mut row = PortRow::default();
        row.learn(&SELECTED_AGG_ID, &Value::Integer(100));
        (*port, row)
    };
    ports.iter().map(row).collect()
}

/// Walk everything that is due; the device has aggregates with these ports and nothing else.
fn round(slow: &mut Slow, now: Timestamp, ports: &[u32], whole: bool) -> Vec<usize> {
    let mut told = Vec::new();
    while slow.due() <= now {
        let Some(table) = slow.next(now) else { break };
        let table = if let Table::Aggregation(_) = table { Table::Aggregation(rows(ports)) } else { table };
        match slow.learned(now, table, whole, &inventory()) {
            Some(Reading::Aggregations(members)) => told.push(members.len()),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    told
}

#[test]
fn what_a_device_lacks_is_looked_for_rarely() {
    let mut slow = Slow::default();
    assert_eq!(round(&mut slow, at(0), &[1, 2], true), [2]);
    assert_eq!(slow.due(), at(30), "aggregates again");
    assert_eq!(round(&mut slow, at(30), &[1, 2], true), [2]);
    let mut asked = 0;
    for second in 31..630 {
        while slow.due() <= at(second) {
            let table = slow.next(at(second)).unwrap();
            let ours = matches!(table, Table::Aggregation(_));
            asked += usize::from(!ours);
            let table = if ours { Table::Aggregation(rows(&[1, 2])) } else { table };
            slow.learned(at(second), table, true, &inventory());
        }
    }
    // LLDP-V2, CDP, spanning tree once each, and two kinds of sensors, three of gateways, three of routes.
    assert_eq!(asked, 11);
}

#[test]
fn a_vanished_row_is_looked_for_twice() {
    let mut slow = Slow::default();
    assert_eq!(round(&mut slow, at(0), &[1, 2], true), [2]);
    assert_eq!(round(&mut slow, at(30), &[1], true), [0; 0], "not yet");
    assert_eq!(slow.due(), at(33));
    assert_eq!(round(&mut slow, at(33), &[1], true), [1]);
    assert_eq!(round(&mut slow, at(63), &[1, 2], true), [2]);
    assert_eq!(round(&mut slow, at(93), &[1], true), [0; 0]);
    assert_eq!(round(&mut slow, at(96), &[1, 2], true), [2], "it was only slow to fill its table");
    // A table that broke off says nothing of what it did not reach.
    assert_eq!(round(&mut slow, at(126), &[1], false), [2]);
}

#[test]
fn events_hurry_what_is_there_and_failures_hurt_their_own_family() {
    let mut slow = Slow::default();
    round(&mut slow, at(0), &[1, 2], true);
    slow.hurry(at(5));
    assert_eq!(slow.due(), at(6));
    assert!(matches!(slow.next(at(6)), Some(Table::Aggregation(_))));
    slow.failed(at(6));
    assert_eq!(slow.due(), at(36));
    slow.next(at(36));
    slow.interrupted();
    assert_eq!(slow.due(), at(36), "again when the device is back");
}

#[test]
fn a_port_is_told_by_one_protocol() {
    let row = |local: &str, name: &str| Neighbor {
        local: local.into(),
        chassis_id: crate::fabric::ChassisId { subtype: 7, value: name.into() },
        port_id: crate::fabric::PortId { subtype: 5, value: b"p".to_vec() },
        port_descr: String::new(),
        sys_name: name.into(),
        management_addresses: vec![],
    };
    let mut slow = Slow { cdp: vec![row("e1", "by cdp"), row("e2", "by cdp")], ..Slow::default() };
    assert!(slow.neighbors().is_none(), "not before LLDP-MIB was read");
    let names: Vec<_> = slow.heard(vec![row("e1", "by lldp")]).into_iter().map(|n| (n.local, n.sys_name)).collect();
    assert_eq!(names, [("e1".into(), "by lldp".into()), ("e2".into(), "by cdp".into())]);
}
