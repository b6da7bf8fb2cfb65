use std::collections::BTreeMap;

use super::*;
use crate::fabric::{CounterWidth, Counters, InterfaceId, OperStatus, Rates, Snapshot, SpeedSource};

fn state(alias: &str) -> InterfaceState {
    let mut counters = Counters::default();
    for (at, counter) in Counter::ALL.into_iter().enumerate() {
        counters.set(counter, 1_000 + at as u64, CounterWidth::Bits64);
    }
    let info = InterfaceInfo {
        if_name: "et-0/0/1".into(),
        if_alias: alias.to_owned(),
        if_descr: "an \"optic\"".to_owned(),
        if_index: 7,
        speed_bps: Some(10_000_000_000),
        ..InterfaceInfo::default()
    };
    InterfaceState {
        id: InterfaceId::new("leaf1", "et-0/0/1"),
        info: Arc::new(info),
        speed_bps: Some(2_500_000_000),
        speed_source: Some(SpeedSource::Declared),
        oper_status: OperStatus::LowerLayerDown,
        admin_status: AdminStatus::Up,
        oper_changed_at: None,
        seen_up: true,
        polled_at: None,
        counters,
        rates: Rates::default(),
        utilization_in: Rate::Known(0.25),
        utilization_out: Rate::Unknown(crate::fabric::Unknown::Stale),
    }
}

type Series = BTreeMap<Vec<(String, String)>, f64>;

fn read(out: &[u8]) -> Series {
    let request = WriteRequest::decode(out).unwrap();
    let mut series = Series::new();
    for one in request.timeseries {
        assert!(one.labels.is_sorted_by(|a, b| a.name < b.name), "{:?}", one.labels);
        assert!(one.labels.iter().all(|label| !label.value.is_empty()));
        let labels = one.labels.into_iter().map(|label| (label.name, label.value)).collect();
        assert_eq!(series.insert(labels, one.samples[0].value), None, "each series once");
    }
    series
}

#[test]
fn names_labels_and_values_are_those_of_the_scrape() {
    for alias in ["to spine1", "", "a\\b\"c\nd, e=f {g}"] {
        let state = state(alias);
        let mut written = Vec::new();
        let mut encoder = RemoteWrite::new(&[]);
        let device = state.id.device.clone();
        let count =
            encoder.interfaces(&mut written, &device, Timestamp::from_secs(1), true, std::slice::from_ref(&state));
        let written = read(&written);
        assert_eq!(count, written.len());
        let fabric = Snapshot { interfaces: vec![state], ..Snapshot::default() };
        let mut scraped = Vec::new();
        RemoteWrite::new(&[]).picture(&mut scraped, &Picture { fabric, alerts: Arc::default() });
        let scraped: Series =
            read(&scraped).into_iter().filter(|(labels, _)| labels.iter().any(|(name, _)| name == "ifName")).collect();
        assert_eq!(written, scraped);
    }
}

#[test]
fn samples_of_a_series_grow_in_time() {
    let (state, mut encoder) = (state("x"), RemoteWrite::new(&[("site".into(), "paris".into())]));
    let mut out = Vec::new();
    for at_us in [5_000, 5_100, 5_900, 4_000, 9_000] {
        let at = Timestamp::from_micros(at_us);
        encoder.interfaces(&mut out, &state.id.device.clone(), at, false, std::slice::from_ref(&state));
    }
    let request = WriteRequest::decode(&*out).unwrap();
    let times: Vec<i64> = request.timeseries.iter().map(|series| series.samples[0].timestamp).collect();
    assert_eq!(times, [5, 6, 7, 8, 9]);
    assert!(request.timeseries[0].describe().starts_with("ifOperStatus{device=\"leaf1\",ifAlias=\"x\""));
    assert!(request.timeseries[0].describe().contains("site=\"paris\""));
}
