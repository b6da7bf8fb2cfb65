//! The fabric in line protocol.
//!
//! | measurement | tags beside the operator's and the device's labels | when |
//! |---|---|---|
//! | `selvedge_interface` | device, ifName, ifAlias | every poll; every change of status |
//! | `selvedge_drops` | device, ifName, ifAlias, class, direction | every poll, where the device counts by class |
//! | `selvedge_device` | device | every picture |
//! | `selvedge_link` | link, a_device, a_interface, b_device, b_interface | every picture |
//! | `selvedge_group` | group, device | every picture |
//! | `selvedge_loss` | link, direction | every picture, where both ends are watched |
//! | `selvedge_optic` | device, ifName, sensor | every picture |
//! | `selvedge_alert` | those of the alert | every transition |
//!
//! ifIndex and ifDescr are not tags: the one is renumbered, the other says what ifName says, and each change would make
//! another series.

use std::collections::HashMap;
use std::sync::Arc;

use super::feed::Picture;
use super::line::{Fields, tag};
use super::settings::Precision;
use crate::alert::Transition;
use crate::fabric::{
    AdminStatus, Counter, DeviceHealth, DeviceId, DeviceIdentity, Direction, InterfaceInfo, InterfaceState, Labels,
    LinkHealth, Quantity, Rate, Timestamp,
};

/// Tags of ours that no label may take the place of.
const OWN: [&str; 15] = [
    "alertname",
    "a_device",
    "a_interface",
    "b_device",
    "b_interface",
    "class",
    "device",
    "direction",
    "group",
    "ifAlias",
    "ifName",
    "link",
    "sensor",
    "severity",
    "time",
];

/// Writes points; remembers what is the same in all points of a series.
pub struct Influx {
    tags: Labels,
    precision: Precision,
    devices: HashMap<DeviceId, Device>,
}

struct Device {
    identity: Option<Arc<DeviceIdentity>>,
    /// `,device=...,label=...`
    tags: Vec<u8>,
    interfaces: HashMap<Arc<str>, (Arc<InterfaceInfo>, Vec<u8>)>,
}

impl Influx {
    /// With tags for everything.
    pub fn new(tags: &[(String, String)], precision: Precision) -> Self {
        Self { tags: tags.iter().cloned().collect(), precision, devices: HashMap::new() }
    }

    /// The interfaces of one poll, or those whose status an event told; how many points were written.
    pub fn interfaces(
        &mut self,
        out: &mut Vec<u8>,
        device: &DeviceId,
        identity: Option<&Arc<DeviceIdentity>>,
        at: Timestamp,
        polled: bool,
        states: &[InterfaceState],
    ) -> usize {
        let precision = self.precision;
        let known = self.devices.get_mut(device);
        let known = match known {
            Some(known) if same(known.identity.as_ref(), identity) => known,
            _ => {
                let tags = device_tags(&self.tags, device, identity);
                let entry = Device { identity: identity.cloned(), tags, interfaces: HashMap::new() };
                self.devices.insert(device.clone(), entry);
                // It was put there a line above.
                let Some(known) = self.devices.get_mut(device) else { return 0 };
                known
            }
        };
        // Names that come and go do not pile up.
        if polled && known.interfaces.len() > 2 * states.len() + 256 {
            known.interfaces.clear();
        }
        let mut points = 0;
        for state in states {
            let current =
                known.interfaces.get(&state.id.if_name).is_some_and(|(info, _)| Arc::ptr_eq(info, &state.info));
            if !current {
                let mut tags = known.tags.clone();
                tag(&mut tags, "ifName", &state.id.if_name);
                tag(&mut tags, "ifAlias", &state.info.if_alias);
                known.interfaces.insert(Arc::clone(&state.id.if_name), (Arc::clone(&state.info), tags));
            }
            let Some((_, tags)) = known.interfaces.get(&state.id.if_name) else { continue };
            points += interface(out, tags, at, precision, polled, state);
        }
        points
    }

    /// Devices, links and groups as of one moment.
    pub fn picture(&mut self, out: &mut Vec<u8>, picture: &Picture) -> usize {
        let (at, precision) = (picture.fabric.taken_at, self.precision);
        let mut points = 0;
        for device in &picture.fabric.devices {
            let tags = device_tags(&self.tags, &device.id, Some(&device.identity));
            let mut fields = Fields::begin(out, "selvedge_device", &[&tags]);
            match device.health {
                DeviceHealth::Ok => fields.integer("up", 1),
                DeviceHealth::Unreachable => fields.integer("up", 0),
                DeviceHealth::Unknown => {}
            }
            if let Some(uptime) = device.uptime {
                fields.unsigned("sysUpTime", u64::from(uptime.0));
            }
            fields.integer("interfaces", device.interfaces as i64);
            points += fields.end(at, precision);
        }
        for link in &picture.fabric.links {
            let (a, b) = (&link.a.end.interface, &link.b.end.interface);
            let tags = self.tags(&[
                ("link", link.id.as_str()),
                ("a_device", a.device.as_str()),
                ("a_interface", &a.if_name),
                ("b_device", b.device.as_str()),
                ("b_interface", &b.if_name),
            ]);
            let mut fields = Fields::begin(out, "selvedge_link", &[&tags]);
            match link.health {
                LinkHealth::Up => fields.integer("up", 1),
                LinkHealth::Down => fields.integer("up", 0),
                LinkHealth::Unknown => {}
            }
            rate(&mut fields, "utilization_a_to_b", link.a.utilization_out);
            rate(&mut fields, "utilization_b_to_a", link.b.utilization_out);
            rate(&mut fields, "bps_a_to_b", link.a.out_bps);
            rate(&mut fields, "bps_b_to_a", link.b.out_bps);
            rate(&mut fields, "a_out_drops_pps", link.a.out_drops_pps);
            rate(&mut fields, "a_in_drops_pps", link.a.in_drops_pps);
            rate(&mut fields, "b_out_drops_pps", link.b.out_drops_pps);
            rate(&mut fields, "b_in_drops_pps", link.b.in_drops_pps);
            points += fields.end(at, precision);
        }
        for group in &picture.fabric.groups {
            let device = group.device.as_ref().map_or("", |device| device.as_str());
            let tags = self.tags(&[("group", &group.name), ("device", device)]);
            let mut fields = Fields::begin(out, "selvedge_group", &[&tags]);
            fields.integer("planned", group.planned.len() as i64);
            fields.integer("working", group.working.len() as i64);
            fields.integer("unknown", group.unknown.len() as i64);
            points += fields.end(at, precision);
        }
        for loss in &picture.fabric.losses {
            for (direction, estimate) in [("a_to_b", loss.a_to_b), ("b_to_a", loss.b_to_a)] {
                let Ok(estimate) = estimate else { continue };
                let tags = self.tags(&[("link", loss.link.as_str()), ("direction", direction)]);
                let mut fields = Fields::begin(out, "selvedge_loss", &[&tags]);
                fields.number("ratio", estimate.ratio);
                fields.number("low_ratio", estimate.low);
                fields.number("high_ratio", estimate.high);
                points += fields.end(at, precision);
            }
        }
        for state in &picture.fabric.sensors {
            let Some(value) = state.sensor.value else { continue };
            let (device, if_name) = (state.interface.device.as_str(), &state.interface.if_name);
            let tags = self.tags(&[("device", device), ("ifName", if_name), ("sensor", &state.sensor.name)]);
            let mut fields = Fields::begin(out, "selvedge_optic", &[&tags]);
            let name = match state.sensor.quantity {
                Quantity::ReceivedPower => "received_power_dbm",
                Quantity::TransmittedPower => "transmitted_power_dbm",
                Quantity::BiasCurrent => "bias_current_ma",
                Quantity::Temperature => "temperature_celsius",
                Quantity::Voltage => "voltage_v",
            };
            fields.number(name, value);
            points += fields.end(at, precision);
        }
        // What is not watched any more is forgotten.
        if self.devices.len() > picture.fabric.devices.len() {
            let now: std::collections::HashSet<&DeviceId> = picture.fabric.devices.iter().map(|one| &one.id).collect();
            self.devices.retain(|id, _| now.contains(id));
        }
        points
    }

    /// Steps of alerts, as annotations want them: a title, a text, and tags.
    pub fn alerts(&mut self, out: &mut Vec<u8>, transitions: &[Transition]) -> usize {
        let mut points = 0;
        for step in transitions {
            let alert = &step.alert;
            let labels = alert.labels(&self.tags);
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut tags = Vec::new();
            for (name, value) in labels {
                tag(&mut tags, name, value);
            }
            let words = &alert.finding.evidence;
            let text: Vec<&str> =
                [&*words.cause, &*words.evidence, &*words.action].into_iter().filter(|text| !text.is_empty()).collect();
            let mut fields = Fields::begin(out, "selvedge_alert", &[&tags]);
            fields.integer("firing", i64::from(alert.state == crate::alert::AlertState::Firing));
            fields.text("state", alert.state.as_str());
            fields.text("title", &words.summary);
            fields.text("text", &text.join(" "));
            fields.text("fingerprint", &alert.fingerprint.to_string());
            points += fields.end(step.at, self.precision);
        }
        points
    }

    fn tags(&self, own: &[(&str, &str)]) -> Vec<u8> {
        let mut tags = Vec::new();
        for (name, value) in own {
            tag(&mut tags, name, value);
        }
        for (name, value) in &self.tags {
            if !OWN.contains(&name.as_str()) {
                tag(&mut tags, name, value);
            }
        }
        tags
    }
}

fn same(one: Option<&Arc<DeviceIdentity>>, other: Option<&Arc<DeviceIdentity>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The device, the labels that its target has, and the operator's tags, each name once.
fn device_tags(tags: &Labels, device: &DeviceId, identity: Option<&Arc<DeviceIdentity>>) -> Vec<u8> {
    let mut all = tags.clone();
    all.extend(identity.iter().flat_map(|identity| identity.labels.clone()));
    let mut out = Vec::new();
    tag(&mut out, "device", device.as_str());
    for (name, value) in all.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        tag(&mut out, name, value);
    }
    out
}

fn rate(fields: &mut Fields<'_>, name: &str, rate: Rate) {
    if let Rate::Known(value) = rate {
        fields.number(name, value);
    }
}

fn interface(
    out: &mut Vec<u8>,
    tags: &[u8],
    at: Timestamp,
    precision: Precision,
    polled: bool,
    state: &InterfaceState,
) -> usize {
    let mut fields = Fields::begin(out, "selvedge_interface", &[tags]);
    fields.integer("ifOperStatus", i64::from(state.oper_status.value()));
    if !polled {
        return fields.end(at, precision);
    }
    match state.admin_status {
        AdminStatus::Up => fields.integer("ifAdminStatus", 1),
        AdminStatus::Down => fields.integer("ifAdminStatus", 2),
        AdminStatus::Testing => fields.integer("ifAdminStatus", 3),
        AdminStatus::Unknown => {}
    }
    if let Some(speed_bps) = state.speed_bps {
        fields.unsigned("speed_bps", speed_bps);
    }
    for (counter, value) in state.counters.iter().filter(|(counter, _)| !counter.is_drops()) {
        fields.unsigned(counter.as_str(), value);
    }
    rate(&mut fields, "in_bps", state.rates[Counter::InOctets].map(|octets| octets * 8.0));
    rate(&mut fields, "out_bps", state.rates[Counter::OutOctets].map(|octets| octets * 8.0));
    rate(&mut fields, "utilization_in", state.utilization_in);
    rate(&mut fields, "utilization_out", state.utilization_out);
    rate(&mut fields, "in_discards_pps", state.rates.discards(Direction::In));
    rate(&mut fields, "out_discards_pps", state.rates.discards(Direction::Out));
    rate(&mut fields, "in_errors_pps", state.rates[Counter::InErrors]);
    rate(&mut fields, "out_errors_pps", state.rates[Counter::OutErrors]);
    let mut points = fields.end(at, precision);
    for (counter, class, direction) in Counter::DROPS {
        let Some(value) = state.counters.get(counter) else { continue };
        let mut own = Vec::with_capacity(48);
        tag(&mut own, "class", class.as_str());
        tag(&mut own, "direction", direction.as_str());
        let mut fields = Fields::begin(out, "selvedge_drops", &[tags, &own]);
        fields.unsigned("packets", value);
        rate(&mut fields, "pps", state.rates[counter]);
        points += fields.end(at, precision);
    }
    points
}
