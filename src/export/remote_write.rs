//! The fabric in Prometheus' remote write, version 1.0: names and labels are those of /metrics.
//!
//! Series are written as bytes from a cache of encoded labels; what is read back, to split a batch that was refused, goes
//! through the same messages as structs. Samples of one series leave in the order of their time, each later than the one
//! before it: Prometheus takes no other.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::feed::Picture;
use super::prometheus;
use crate::fabric::{AdminStatus, Counter, DeviceId, InterfaceInfo, InterfaceState, Rate, Timestamp};

/// `prometheus.WriteRequest`, as far as it is used.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// One element for each series and look.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// `prometheus.TimeSeries`
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Sorted by name, none empty.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Sorted by time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// `prometheus.Label`
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Label {
    /// `__name__` is the metric's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `prometheus.Sample`
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// What was measured.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

impl TimeSeries {
    /// For people: `ifHCInOctets{device="leaf1"} 7 @1795498200123`.
    pub fn describe(&self) -> String {
        let name = self.labels.iter().find(|label| label.name == "__name__").map_or("", |label| &label.value);
        let labels: Vec<(&str, &str)> = self
            .labels
            .iter()
            .filter(|label| label.name != "__name__")
            .map(|label| (label.name.as_str(), label.value.as_str()))
            .collect();
        let mut text = format!("{name}{{{}}}", crate::telemetry::render_labels(&labels));
        for sample in &self.samples {
            text += &format!(" {} @{}", sample.value, sample.timestamp);
        }
        text
    }
}

/// Families of an interface beside its counters.
const OPER_STATUS: usize = Counter::COUNT;
const ADMIN_STATUS: usize = OPER_STATUS + 1;
const HIGH_SPEED: usize = OPER_STATUS + 2;
const SPEED: usize = OPER_STATUS + 3;
const UTILIZATION_IN: usize = OPER_STATUS + 4;
const UTILIZATION_OUT: usize = OPER_STATUS + 5;
const FAMILIES: usize = OPER_STATUS + 6;

/// Name, class and direction of a family by its number.
fn family(number: usize) -> (&'static str, &'static str, &'static str) {
    match number {
        OPER_STATUS => ("ifOperStatus", "", ""),
        ADMIN_STATUS => ("ifAdminStatus", "", ""),
        HIGH_SPEED => ("ifHighSpeed", "", ""),
        SPEED => ("selvedge_interface_speed_bits_per_second", "", ""),
        UTILIZATION_IN => ("selvedge_interface_utilization_ratio", "", "in"),
        UTILIZATION_OUT => ("selvedge_interface_utilization_ratio", "", "out"),
        number => {
            let counter = Counter::ALL[number];
            match counter.as_drops() {
                Some((class, direction)) => {
                    ("selvedge_interface_dropped_packets_total", class.as_str(), direction.as_str())
                }
                None => (counter.as_str(), "", ""),
            }
        }
    }
}

/// Writes series; remembers their labels as bytes.
pub struct RemoteWrite {
    labels: Vec<(String, String)>,
    devices: HashMap<DeviceId, Device>,
    /// Of the last picture.
    pictured_at_ms: i64,
}

#[derive(Default)]
struct Device {
    last_ms: i64,
    interfaces: HashMap<Arc<str>, Interface>,
}

struct Interface {
    info: Arc<InterfaceInfo>,
    /// By number of the family; empty until it is first written.
    series: Vec<Vec<u8>>,
}

impl RemoteWrite {
    /// With labels for everything.
    pub fn new(labels: &[(String, String)]) -> Self {
        Self { labels: labels.to_vec(), devices: HashMap::new(), pictured_at_ms: i64::MIN }
    }

    /// The interfaces of one poll, or those whose status an event told; how many samples were written.
    pub fn interfaces(
        &mut self,
        out: &mut Vec<u8>,
        device: &DeviceId,
        at: Timestamp,
        polled: bool,
        states: &[InterfaceState],
    ) -> usize {
        if !self.devices.contains_key(device) {
            self.devices.insert(device.clone(), Device::default());
        }
        let Some(known) = self.devices.get_mut(device) else { return 0 };
        // Two looks within one millisecond keep their order.
        let at_ms = at.as_millis().max(known.last_ms + 1);
        known.last_ms = at_ms;
        if polled && known.interfaces.len() > 2 * states.len() + 256 {
            known.interfaces.clear();
        }
        let mut samples = 0;
        for state in states {
            let current =
                known.interfaces.get(&state.id.if_name).is_some_and(|one| Arc::ptr_eq(&one.info, &state.info));
            if !current {
                let entry = Interface { info: Arc::clone(&state.info), series: vec![Vec::new(); FAMILIES] };
                known.interfaces.insert(Arc::clone(&state.id.if_name), entry);
            }
            let Some(interface) = known.interfaces.get_mut(&state.id.if_name) else { continue };
            let labels = &self.labels;
            values(state, polled, |number, value| {
                let series = &mut interface.series[number];
                if series.is_empty() {
                    *series = interface_labels(labels, number, state);
                }
                write(out, series, value, at_ms);
                samples += 1;
            });
        }
        samples
    }

    /// Everything else, as /metrics shows it.
    pub fn picture(&mut self, out: &mut Vec<u8>, picture: &Picture) -> usize {
        let at_ms = picture.fabric.taken_at.as_millis().max(self.pictured_at_ms.saturating_add(1));
        self.pictured_at_ms = at_ms;
        let text = prometheus::fabric(&picture.fabric, &picture.alerts, &|_| None);
        let mut samples = 0;
        for (name, labels, value) in text.lines().filter_map(read_line) {
            let labels = encode_labels(labels.iter().map(|(name, value)| (*name, &**value)), name, &self.labels);
            write(out, &labels, value, at_ms);
            samples += 1;
        }
        if self.devices.len() > picture.fabric.devices.len() {
            let now: std::collections::HashSet<&DeviceId> = picture.fabric.devices.iter().map(|one| &one.id).collect();
            self.devices.retain(|id, _| now.contains(id));
        }
        samples
    }
}

/// Every value of an interface that is known, by the number of its family.
fn values(state: &InterfaceState, polled: bool, mut found: impl FnMut(usize, f64)) {
    found(OPER_STATUS, f64::from(state.oper_status.value()));
    if !polled {
        return;
    }
    for (counter, value) in state.counters.iter() {
        found(counter.slot(), value as f64);
    }
    match state.admin_status {
        AdminStatus::Up => found(ADMIN_STATUS, 1.0),
        AdminStatus::Down => found(ADMIN_STATUS, 2.0),
        AdminStatus::Testing => found(ADMIN_STATUS, 3.0),
        AdminStatus::Unknown => {}
    }
    if let Some(speed_bps) = state.info.speed_bps {
        found(HIGH_SPEED, speed_bps as f64 / 1e6);
    }
    if let Some(speed_bps) = state.speed_bps {
        found(SPEED, speed_bps as f64);
    }
    for (number, rate) in [(UTILIZATION_IN, state.utilization_in), (UTILIZATION_OUT, state.utilization_out)] {
        if let Rate::Known(ratio) = rate {
            found(number, ratio);
        }
    }
}

fn interface_labels(own: &[(String, String)], number: usize, state: &InterfaceState) -> Vec<u8> {
    let (name, class, direction) = family(number);
    let index = state.info.if_index.to_string();
    let labels = [
        ("class", class),
        ("device", state.id.device.as_str()),
        ("direction", direction),
        ("ifAlias", &*state.info.if_alias),
        ("ifDescr", &*state.info.if_descr),
        ("ifIndex", index.as_str()),
        ("ifName", &*state.id.if_name),
    ];
    encode_labels(labels, name, own)
}

/// The labels of a series, as the fields of its message: sorted, none empty, ours before the operator's.
fn encode_labels<'a>(
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    name: &'a str,
    own: &'a [(String, String)],
) -> Vec<u8> {
    let mut all: Vec<(&str, &str)> = vec![("__name__", name)];
    all.extend(labels);
    all.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.retain(|(_, value)| !value.is_empty());
    // Stable: of two with the same name the first stays.
    all.sort_by_key(|(name, _)| *name);
    all.dedup_by_key(|(name, _)| *name);
    let mut out = Vec::with_capacity(160);
    for (name, value) in all {
        let value = super::line::cut(value);
        let label = Label { name: name.to_owned(), value: value.to_owned() };
        encode_key(1, WireType::LengthDelimited, &mut out);
        encode_varint(label.encoded_len() as u64, &mut out);
        out.extend(label.encode_to_vec());
    }
    out
}

/// One series with one sample, as a field of the request.
fn write(out: &mut Vec<u8>, labels: &[u8], value: f64, at_ms: i64) {
    let sample = Sample { value, timestamp: at_ms };
    let length = sample.encoded_len();
    encode_key(1, WireType::LengthDelimited, out);
    encode_varint((labels.len() + 2 + length) as u64, out);
    out.extend(labels);
    encode_key(2, WireType::LengthDelimited, out);
    // One byte: a sample takes at most 20.
    encode_varint(length as u64, out);
    // Writing into a Vec does not fail.
    let _ = sample.encode(out);
}

/// Name, labels and value.
type ExpositionLine<'a> = (&'a str, Vec<(&'a str, String)>, f64);

/// A line of our own exposition.
fn read_line(line: &str) -> Option<ExpositionLine<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, mut rest)) = head.split_once('{') else { return Some((head, Vec::new(), value)) };
    let mut labels = Vec::new();
    while let Some((label, text)) = rest.split_once("=\"") {
        let (mut read, mut chars) = (String::new(), text.chars());
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => read.push(match chars.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => read.push(other),
            }
        }
        labels.push((label, read));
        rest = chars.as_str().trim_start_matches(',');
    }
    Some((name, labels, value))
}

#[cfg(test)]
mod tests;
