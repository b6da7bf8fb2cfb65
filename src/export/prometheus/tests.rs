//! The text is read back by a reader of its own, written from the format's description.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fabric::{
    CounterWidth, EndState, InterfaceId, InterfaceInfo, LinkEnd, LinkState, OperStatus, Timestamp, Unknown,
};

/// A series: metric name, and labels by name.
type Key = (String, BTreeMap<String, String>);

/// Read an exposition, strictly: HELP and TYPE once per family and before its samples, families in one piece, no
/// series twice.
fn parse(text: &str) -> Result<BTreeMap<Key, f64>, String> {
    let mut series = BTreeMap::new();
    let mut done = BTreeSet::new();
    let mut family = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("no newline at the end".into());
    }
    let mut lines = text.split_terminator('\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap().to_owned();
            if !done.insert(family.clone()) {
                return Err(format!("{family} twice"));
            }
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {family} ")).map(str::to_owned));
            if !matches!(kind.as_deref(), Some("counter" | "gauge" | "summary")) {
                return Err(format!("{family} without type"));
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, mut rest) = line.split_at(end);
        if !name.starts_with(&family) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("{name} within {family}"));
        }
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (label, after) = rest.split_once("=\"").ok_or("label")?;
                let mut value = String::new();
                let mut chars = after.chars();
                loop {
                    match chars.next().ok_or("unclosed")? {
                        '"' => break,
                        '\\' => value.push(match chars.next() {
                            Some('n') => '\n',
                            Some(c @ ('"' | '\\')) => c,
                            other => return Err(format!("escape {other:?}")),
                        }),
                        c => value.push(c),
                    }
                }
                if labels.insert(label.to_owned(), value).is_some() {
                    return Err(format!("{label} twice"));
                }
                rest = chars.as_str();
                match rest.chars().next() {
                    Some(',') => rest = &rest[1..],
                    Some('}') => {
                        rest = &rest[1..];
                        break;
                    }
                    other => return Err(format!("after label: {other:?}")),
                }
            }
        }
        let value = rest.strip_prefix(' ').ok_or("no space")?.parse().map_err(|_| format!("value {rest:?}"))?;
        if series.insert((name.to_owned(), labels), value).is_some() {
            return Err(format!("{line} twice"));
        }
    }
    Ok(series)
}

fn interface(device: &str, name: &str, alias: &str, descr: &str, octets: Option<u64>) -> InterfaceState {
    let mut counters = crate::fabric::Counters::default();
    if let Some(octets) = octets {
        counters.set(Counter::InOctets, octets, CounterWidth::Bits64);
    }
    InterfaceState {
        id: InterfaceId::new(device, name),
        info: Arc::new(InterfaceInfo {
            if_name: name.into(),
            if_index: 7,
            if_descr: descr.into(),
            if_alias: alias.into(),
            ..InterfaceInfo::default()
        }),
        speed_bps: None,
        speed_source: None,
        oper_status: OperStatus::Dormant,
        admin_status: AdminStatus::Unknown,
        oper_changed_at: None,
        seen_up: false,
        polled_at: None,
        counters,
        rates: Default::default(),
        utilization_in: Rate::Known(0.25),
        utilization_out: Rate::Unknown(Unknown::Stale),
    }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a device calls its ports, the text reads back to just that.
    #[test]
    fn hostile_names_read_back(
        names in proptest::collection::btree_set((".{0,8}", "(.|\n|\"|\\\\|,|\\}|\r|#){0,12}"), 1..5),
        alias in "(.|\n|\"|\\\\|\\}){0,40}",
        descr in "(\n# TYPE ifHCInOctets gauge\n|\"\\} 1\n|\\\\n|.){0,4}",
        octets in proptest::option::of(0..1u64 << 53),
    ) {
        let interfaces = names.iter().map(|(device, name)| interface(device, name, &alias, &descr, octets)).collect();
        let snapshot = Snapshot { interfaces, ..Snapshot::default() };
        let series = parse(&fabric(&snapshot, &[], &|_| None)).map_err(TestCaseError::fail)?;
        for (device, name) in &names {
            let mut key =
                labels(&[("device", device), ("ifName", name), ("ifAlias", &alias), ("ifDescr", &descr), ("ifIndex", "7")]);
            let value = |metric: &str, key: &BTreeMap<String, String>| series.get(&(metric.to_owned(), key.clone())).copied();
            prop_assert_eq!(value("ifHCInOctets", &key), octets.map(|octets| octets as f64));
            prop_assert_eq!(value("ifOperStatus", &key), Some(5.0));
            prop_assert_eq!(value("ifHCOutOctets", &key), None, "absent where unknown");
            prop_assert_eq!(value("ifAdminStatus", &key), None);
            prop_assert_eq!(value("ifHighSpeed", &key), None);
            key.insert("direction".into(), "in".into());
            prop_assert_eq!(value("selvedge_interface_utilization_ratio", &key), Some(0.25));
            key.insert("direction".into(), "out".into());
            prop_assert_eq!(value("selvedge_interface_utilization_ratio", &key), None);
        }
    }
}

#[test]
fn links_groups_and_alerts_are_there_and_the_unknown_is_not() {
    let end = |device: &str, name: &str, utilization_out| EndState {
        end: LinkEnd { interface: InterfaceId::new(device, name), watched: true },
        oper_status: OperStatus::Up,
        speed_bps: None,
        speed_source: None,
        out_bps: Rate::default(),
        utilization_out,
        out_drops_pps: Rate::default(),
        in_drops_pps: Rate::default(),
    };
    let link = |port: &str, health| {
        let (a, b) = (end("leaf1", port, Rate::Known(0.5)), end("spine1", port, Rate::default()));
        let id = LinkId::new(&a.end.interface, &b.end.interface);
        LinkState {
            id,
            a,
            b,
            health,
            since: Timestamp::default(),
            heard_at: None,
            groups: Vec::new(),
            stands_by: false,
        }
    };
    let snapshot = Snapshot {
        links: vec![link("1", LinkHealth::Up), link("2", LinkHealth::Down), link("3", LinkHealth::Unknown)],
        ..Snapshot::default()
    };
    let series = parse(&fabric(&snapshot, &[], &|_| None)).unwrap();
    let ups: Vec<f64> = series.iter().filter(|((name, _), _)| name == "selvedge_link_up").map(|(_, up)| *up).collect();
    assert_eq!(ups, [1.0, 0.0]);
    let ratio = series
        .iter()
        .filter(|((name, labels), _)| name == "selvedge_link_utilization_ratio" && labels["direction"] == "b_to_a");
    assert_eq!(ratio.count(), 0);
    let alerts = series.iter().filter(|((name, _), _)| name == "selvedge_alerts");
    assert_eq!(alerts.map(|(_, count)| *count).collect::<Vec<_>>(), [0.0; 6]);
}

#[test]
fn big_counters_keep_all_their_digits() {
    let snapshot =
        Snapshot { interfaces: vec![interface("leaf1", "eth0", "", "", Some(u64::MAX))], ..Snapshot::default() };
    assert!(fabric(&snapshot, &[], &|_| None).contains("} 18446744073709551615\n"));
}

#[test]
fn the_reader_refuses_what_it_should() {
    for wrong in [
        "a 1\n# HELP a x\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a x\n# TYPE a gauge\na 1",
        "# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n# TYPE a gauge\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
