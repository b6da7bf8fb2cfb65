//! The fabric as Prometheus reads it: the greater part of what /metrics answers.
//!
//! What is in IF-MIB keeps IF-MIB's name; what is ours is `selvedge_*` in base units. What is not known is
//! absent, never zero.

use crate::alert::{Alert, AlertState};
use crate::fabric::{
    AdminStatus, Counter, DeviceHealth, DeviceState, InterfaceId, InterfaceState, LinkHealth, LinkId, LinkLoss,
    LossEstimate, Percentiles, Rate, Severity, Snapshot, UtilizationSpread,
};
use crate::telemetry::{Exposition, Kind, render_labels};

/// All that is known of the fabric. `spread` tells how the utilisation of an interface was spread, where that is known.
pub fn fabric(
    snapshot: &Snapshot,
    alerts: &[Alert],
    spread: &dyn Fn(&InterfaceId) -> Option<UtilizationSpread>,
) -> String {
    let mut text = Exposition::new();
    build(&mut text);
    interfaces(&mut text, &snapshot.interfaces, spread);
    devices(&mut text, &snapshot.devices);
    links(&mut text, snapshot);
    losses(&mut text, snapshot);
    groups(&mut text, snapshot);
    self::alerts(&mut text, alerts);
    text.finish()
}

fn build(text: &mut Exposition) {
    text.family("selvedge_build_info", Kind::Gauge, "Always 1; the version is in the label.").sample_u64(
        "",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
}

fn interfaces(
    text: &mut Exposition,
    interfaces: &[InterfaceState],
    spread: &dyn Fn(&InterfaceId) -> Option<UtilizationSpread>,
) {
    // Rendered once: there are some thirty families.
    let labels: Vec<String> = interfaces
        .iter()
        .map(|interface| {
            render_labels(&[
                ("device", interface.id.device.as_str()),
                ("ifName", &interface.id.if_name),
                ("ifAlias", &interface.info.if_alias),
                ("ifDescr", &interface.info.if_descr),
                ("ifIndex", &interface.info.if_index.to_string()),
            ])
        })
        .collect();
    let each = || interfaces.iter().zip(&labels);

    for counter in Counter::ALL.into_iter().filter(|counter| !counter.is_drops()) {
        let mut family = text.family(counter.as_str(), Kind::Counter, help(counter));
        for (interface, labels) in each() {
            if let Some(value) = interface.counters.get(counter) {
                family.line("", labels, value);
            }
        }
    }
    let help = "Packets dropped, by class and direction, where the device counts them by class.";
    let mut family = text.family("selvedge_interface_dropped_packets_total", Kind::Counter, help);
    for (interface, labels) in each() {
        for (counter, class, direction) in Counter::DROPS {
            if let Some(value) = interface.counters.get(counter) {
                let labels = format!("{labels},class=\"{}\",direction=\"{}\"", class.as_str(), direction.as_str());
                family.line("", &labels, value);
            }
        }
    }
    let statuses = "1 up, 2 down, 3 testing, 4 unknown, 5 dormant, 6 notPresent, 7 lowerLayerDown";
    let help = format!("The state of the interface: {statuses} (RFC 2863).");
    let mut family = text.family("ifOperStatus", Kind::Gauge, &help);
    for (interface, labels) in each() {
        family.line("", labels, interface.oper_status.value());
    }
    let help = "The state that the interface is set to: 1 up, 2 down, 3 testing (RFC 2863).";
    let mut family = text.family("ifAdminStatus", Kind::Gauge, help);
    for (interface, labels) in each() {
        let value = match interface.admin_status {
            AdminStatus::Up => 1,
            AdminStatus::Down => 2,
            AdminStatus::Testing => 3,
            AdminStatus::Unknown => continue,
        };
        family.line("", labels, value);
    }
    let help = "Speed as the device gives it, in 1,000,000 bit/s (RFC 2863).";
    let mut family = text.family("ifHighSpeed", Kind::Gauge, help);
    for (interface, labels) in each() {
        if let Some(speed_bps) = interface.info.speed_bps {
            family.line("", labels, speed_bps as f64 / 1e6);
        }
    }
    let help = "Speed that utilization is measured against, bit/s.";
    let mut family = text.family("selvedge_interface_speed_bits_per_second", Kind::Gauge, help);
    for (interface, labels) in each() {
        if let Some(speed_bps) = interface.speed_bps {
            family.line("", labels, speed_bps);
        }
    }
    let help = "Bits sent or received against the speed, 0 to 1, over the last interval.";
    let mut family = text.family("selvedge_interface_utilization_ratio", Kind::Gauge, help);
    for (interface, labels) in each() {
        for (direction, rate) in [("in", interface.utilization_in), ("out", interface.utilization_out)] {
            if let Rate::Known(ratio) = rate {
                family.line("", &format!("{labels},direction=\"{direction}\""), ratio);
            }
        }
    }
    let help = "Quantiles of the utilization of the last hour, 0 to 1, weighted by time; quantile 1 is the greatest.";
    let mut family = text.family("selvedge_interface_utilization_1h_quantile_ratio", Kind::Gauge, help);
    for (interface, labels) in each() {
        let Some(spread) = spread(&interface.id) else { continue };
        for (direction, hour) in [("in", spread.received.hour), ("out", spread.sent.hour)] {
            let Some(Percentiles { p50, p95, p99, max, .. }) = hour else { continue };
            for (quantile, ratio) in [("0.5", p50), ("0.95", p95), ("0.99", p99), ("1", max)] {
                family.line("", &format!("{labels},direction=\"{direction}\",quantile=\"{quantile}\""), ratio);
            }
        }
    }
}

fn devices(text: &mut Exposition, devices: &[DeviceState]) {
    let mut family =
        text.family("selvedge_device_up", Kind::Gauge, "1 where the device answered the last poll, else 0.");
    for device in devices {
        let value = match device.health {
            DeviceHealth::Ok => 1,
            DeviceHealth::Unreachable => 0,
            DeviceHealth::Unknown => continue,
        };
        family.sample_u64("", &[("device", device.id.as_str())], value);
    }
    let help = "Hundredths of a second since the agent of the device started (RFC 3418).";
    let mut family = text.family("sysUpTime", Kind::Gauge, help);
    for device in devices {
        if let Some(uptime) = device.uptime {
            family.sample_u64("", &[("device", device.id.as_str())], u64::from(uptime.0));
        }
    }
}

fn links(text: &mut Exposition, snapshot: &Snapshot) {
    let mut family =
        text.family("selvedge_link_up", Kind::Gauge, "1 where the link passes packets, 0 where it does not.");
    for link in &snapshot.links {
        let value = match link.health {
            LinkHealth::Up => 1,
            LinkHealth::Down => 0,
            LinkHealth::Unknown => continue,
        };
        let (a, b) = (&link.a.end.interface, &link.b.end.interface);
        let labels = [
            ("link", link.id.as_str()),
            ("a_device", a.device.as_str()),
            ("a_interface", &a.if_name),
            ("b_device", b.device.as_str()),
            ("b_interface", &b.if_name),
        ];
        family.sample_u64("", &labels, value);
    }
    let help = "Bits sent into the link against the slower of its ends, 0 to 1, over the last interval.";
    let mut family = text.family("selvedge_link_utilization_ratio", Kind::Gauge, help);
    for link in &snapshot.links {
        for (direction, rate) in [("a_to_b", link.a.utilization_out), ("b_to_a", link.b.utilization_out)] {
            if let Rate::Known(ratio) = rate {
                family.sample("", &[("link", link.id.as_str()), ("direction", direction)], ratio);
            }
        }
    }
}

fn losses(text: &mut Exposition, snapshot: &Snapshot) {
    let ways = |loss: &LinkLoss| [("a_to_b", loss.a_to_b.ok()), ("b_to_a", loss.b_to_a.ok())];
    type Value = fn(&LossEstimate) -> f64;
    let families: [(_, _, Value); 3] = [
        (
            "selvedge_link_silent_loss_ratio",
            "Frames that vanish between two ends that count everything as fine, of all sent.",
            |loss| loss.ratio,
        ),
        (
            "selvedge_link_silent_loss_low_ratio",
            "At least this much of selvedge_link_silent_loss_ratio, with 95 % confidence.",
            |loss| loss.low,
        ),
        (
            "selvedge_link_silent_loss_high_ratio",
            "At most this much of selvedge_link_silent_loss_ratio, with 95 % confidence.",
            |loss| loss.high,
        ),
    ];
    for (name, help, value) in families {
        let mut family = text.family(name, Kind::Gauge, help);
        for loss in &snapshot.losses {
            for (direction, estimate) in ways(loss) {
                if let Some(estimate) = estimate {
                    family.sample("", &[("link", loss.link.as_str()), ("direction", direction)], value(&estimate));
                }
            }
        }
    }
}

fn groups(text: &mut Exposition, snapshot: &Snapshot) {
    type Links = fn(&crate::fabric::GroupState) -> &[LinkId];
    let families: [(&str, &str, Links); 3] = [
        ("selvedge_group_planned", "Links of the redundancy group that should work.", |group| &group.planned),
        ("selvedge_group_working", "Links of the redundancy group that pass packets.", |group| &group.working),
        ("selvedge_group_unknown", "Links of the redundancy group of which nothing is known.", |group| &group.unknown),
    ];
    for (name, help, links) in families {
        let mut family = text.family(name, Kind::Gauge, help);
        for group in &snapshot.groups {
            let device = group.device.as_ref().map_or("", |device| device.as_str());
            family.sample_u64("", &[("group", &group.name), ("device", device)], links(group).len() as u64);
        }
    }
}

fn alerts(text: &mut Exposition, alerts: &[Alert]) {
    let mut family = text.family("selvedge_alerts", Kind::Gauge, "Alerts in the book.");
    for state in [AlertState::Pending, AlertState::Firing] {
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            let count = alerts.iter().filter(|alert| alert.state == state && alert.severity() == severity).count();
            family.sample_u64("", &[("state", state.as_str()), ("severity", severity.as_str())], count as u64);
        }
    }
}

const fn help(counter: Counter) -> &'static str {
    match counter {
        Counter::InOctets => "Octets received, framing included (RFC 2863).",
        Counter::OutOctets => "Octets sent, framing included (RFC 2863).",
        Counter::InUcastPkts => "Unicast packets received (RFC 2863).",
        Counter::OutUcastPkts => "Unicast packets sent (RFC 2863).",
        Counter::InMulticastPkts => "Multicast packets received (RFC 2863).",
        Counter::OutMulticastPkts => "Multicast packets sent (RFC 2863).",
        Counter::InBroadcastPkts => "Broadcast packets received (RFC 2863).",
        Counter::OutBroadcastPkts => "Broadcast packets sent (RFC 2863).",
        Counter::InDiscards => "Packets without error that were not delivered upwards (RFC 2863).",
        Counter::OutDiscards => "Packets without error that were not sent (RFC 2863).",
        Counter::InErrors => "Packets received with an error (RFC 2863).",
        Counter::OutErrors => "Packets not sent because of an error (RFC 2863).",
        Counter::InUnknownProtos => "Packets of an unknown protocol (RFC 2863).",
        Counter::FcsErrors => "Frames that failed the check sequence (RFC 3635).",
        Counter::AlignmentErrors => "Frames that are not a whole number of octets (RFC 3635).",
        Counter::SymbolErrors => "Symbol errors of the physical layer (RFC 3635).",
        Counter::FrameTooLongs => "Frames longer than allowed (RFC 3635).",
        Counter::InternalMacReceiveErrors => "Frames lost inside the MAC on the way in (RFC 3635).",
        Counter::InternalMacTransmitErrors => "Frames lost inside the MAC on the way out (RFC 3635).",
        Counter::LateCollisions => "Late collisions (RFC 3635).",
        // One family of ours, with labels.
        Counter::DropsCongestionIn
        | Counter::DropsCongestionOut
        | Counter::DropsPolicyIn
        | Counter::DropsPolicyOut
        | Counter::DropsNoRouteIn => "Packets dropped, by class.",
    }
}

#[cfg(test)]
mod tests;
