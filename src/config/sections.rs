//! The sections that are simple: one key, one field.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use toml::de::DeValue;

use super::context::{At, Found, quote};
use super::reader::{Section, as_section, elements, kind};
use super::snmp::read_labels;
use crate::aggregate::SpeedOverride;
use crate::collect::{HostSettings, TrapSettings};
use crate::fabric::InterfaceId;
use crate::topology::DeclaredGroup;
use crate::{aggregate, alert, detect, history, topology, web};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn read_web(root: &mut Section<'_>) -> web::Settings {
    let mut settings = web::Settings::default();
    if let Some(mut section) = root.section("web", "write [web]") {
        section.hint("port", "write the port behind the address: listen = \"127.0.0.1:9750\"");
        read_listen(&mut section, &mut settings.listen, "127.0.0.1:9750");
        read_changes(&mut section, &mut settings.changes);
        section.finish();
    }
    settings
}

fn read_changes(section: &mut Section<'_>, slot: &mut web::Changes) {
    let help = "write changes = \"loopback\", \"never\" or \"anywhere\"";
    let Some(found) = section.text("changes", help) else { return };
    match web::Changes::from_word(&found.value) {
        Some(changes) => *slot = changes,
        None => section.context.error(&found.at, format!("{} is not known", quote(&found.value)), help),
    }
}

pub(super) fn read_traps(root: &mut Section<'_>) -> Option<TrapSettings> {
    let mut section = root.section("traps", "write [traps]")?;
    let mut listen = SocketAddr::from(([0, 0, 0, 0], 162));
    read_listen(&mut section, &mut listen, "0.0.0.0:162");
    section.finish();
    Some(TrapSettings { listen })
}

fn read_listen(section: &mut Section<'_>, slot: &mut SocketAddr, example: &str) {
    let help = format!("write an address of this machine and a port, such as \"{example}\" or \"[::]:9750\"");
    let Some(found) = section.text("listen", &help) else { return };
    match found.value.parse() {
        Ok(address) => *slot = address,
        Err(_) => {
            let what = if found.value.parse::<IpAddr>().is_ok() {
                format!("{} has no port", quote(&found.value))
            } else {
                format!("{} is not an address with a port", quote(&found.value))
            };
            section.context.error(&found.at, what, help);
        }
    }
}

pub(super) fn read_history(root: &mut Section<'_>) -> history::Settings {
    let mut settings = history::Settings::default();
    if let Some(mut section) = root.section("history", "write [history]") {
        section.boolean("enabled", &mut settings.enabled);
        if let Some(path) = section.name("path", "write the path of a folder, in quotes") {
            settings.path = path.value.into();
        }
        section.duration("retention", &mut settings.retention, Duration::from_secs(3_600)..=DAY * 3_650);
        section.duration("retention_5m", &mut settings.retention_5m, DAY..=DAY * 3_650);
        section.duration("retention_1h", &mut settings.retention_1h, DAY * 2..=DAY * 3_650);
        section.size("max_bytes", &mut settings.max_bytes, 16 << 20);
        section.finish();
    }
    settings.path = root.context.folder.join(settings.path);
    settings
}

pub(super) fn read_host(root: &mut Section<'_>) -> HostSettings {
    let mut settings = HostSettings::default();
    if let Some(mut section) = root.section("host", "write [host]") {
        section.boolean("enabled", &mut settings.enabled);
        section.duration("interval", &mut settings.interval, Duration::from_millis(100)..=Duration::from_secs(3_600));
        section.boolean("lldp", &mut settings.lldp);
        section.boolean("drops", &mut settings.drops);
        settings.labels = read_labels(&mut section);
        section.finish();
    }
    settings
}

/// `[interfaces]` and `[[interface]]`
pub(super) fn read_interfaces(root: &mut Section<'_>, alerts: &mut alert::Settings) -> aggregate::Settings {
    let mut settings = aggregate::Settings::default();
    if let Some(mut section) = root.section("interfaces", "write [interfaces]; for one of them, [[interface]]") {
        if section.is_false("default_speed") {
            settings.default_speed_bps = None;
        } else if let Some(speed) = section.speed("default_speed") {
            settings.default_speed_bps = Some(speed.value);
        }
        section.number("tolerance", &mut settings.tolerance, 0.0..=1.0);
        section.number("stale_after_intervals", &mut settings.stale_after_intervals, 1.0..=1_000.0);
        section.finish();
    }
    let mut named = BTreeSet::new();
    for mut section in root.sections("interface", "write [[interface]], with two brackets") {
        let context = section.context;
        section.hint("interface", "did you mean `name`?");
        section.require("device", "write device = \"NAME\"; * stands for any run of characters");
        let device = section.name("device", "write the device's name, in quotes");
        section.require("name", "write name = \"et-0/0/1\"; * stands for any run of characters");
        let interface = section.name("name", "write the interface's name, in quotes");
        let circuit = section.name("circuit", "write circuit = \"ID\", the line's name by its owner, in quotes");
        if circuit.is_none() {
            section.require("speed", "write speed = \"1G\", or circuit = \"ID\"");
        }
        let speed = section.speed("speed");
        let at = section.at.clone();
        section.finish();
        let (Some(device), Some(interface)) = (device, interface) else { continue };
        if !named.insert((device.value.clone(), interface.value.clone())) {
            context.error(
                &at,
                format!("{} of {} is set twice", quote(&interface.value), quote(&device.value)),
                "the first [[interface]] that fits counts; remove one",
            );
            continue;
        }
        if let Some(circuit) = circuit {
            alerts.circuits.push(alert::Circuit {
                device: device.value.clone(),
                interface: interface.value.clone(),
                name: circuit.value.into(),
            });
        }
        if let Some(speed) = speed {
            settings.speed_overrides.push(SpeedOverride {
                device: device.value,
                interface: interface.value,
                speed_bps: speed.value,
            });
        }
    }
    settings
}

/// `[detect.*]`
pub(super) fn read_detect(root: &mut Section<'_>) -> detect::Settings {
    let mut settings = detect::Settings::default();
    let Some(mut detect) = root.section("detect", "write [detect.saturation] and the like") else { return settings };
    let help = "a detector's settings are a section: [detect.NAME]";
    if let Some(mut section) = detect.section("link", help) {
        let link = &mut settings.link;
        read_timing(&mut section, &mut link.enabled, &mut link.pending_for, &mut link.keep_firing_for);
        section.boolean("edge_ports", &mut link.edge_ports);
        section.finish();
    }
    if let Some(mut section) = detect.section("flapping", help) {
        let flapping = &mut settings.flapping;
        section.boolean("enabled", &mut flapping.enabled);
        let places = (
            section.number("reuse", &mut flapping.reuse, 0.2..=1e3),
            section.number("suppress", &mut flapping.suppress, 0.5..=1e3),
        );
        check_order(&section, places, ("reuse", flapping.reuse), ("suppress", flapping.suppress));
        let places = (None, section.number("ceiling", &mut flapping.ceiling, 1.0..=1e3));
        check_order(&section, places, ("suppress", flapping.suppress), ("ceiling", flapping.ceiling));
        section.duration("half_life", &mut flapping.half_life, Duration::from_secs(1)..=DAY);
        section.duration("stays_for", &mut flapping.stays_for, Duration::ZERO..=DAY);
        section.finish();
    }
    if let Some(mut section) = detect.section("speed", help) {
        let speed = &mut settings.speed;
        read_timing(&mut section, &mut speed.enabled, &mut speed.pending_for, &mut speed.keep_firing_for);
        section.duration("accept_after", &mut speed.accept_after, Duration::from_secs(60)..=DAY * 365);
        section.finish();
    }
    if let Some(mut section) = detect.section("saturation", help) {
        let saturation = &mut settings.saturation;
        read_timing(
            &mut section,
            &mut saturation.enabled,
            &mut saturation.pending_for,
            &mut saturation.keep_firing_for,
        );
        let places = (
            section.number("warning", &mut saturation.warning, 0.0..=1.0),
            section.number("critical", &mut saturation.critical, 0.0..=1.0),
        );
        check_order(&section, places, ("warning", saturation.warning), ("critical", saturation.critical));
        section.number("burst_discards_pps", &mut saturation.burst_discards_pps, 0.0..=1e9);
        let place = section.number("hysteresis", &mut saturation.hysteresis, 0.0..=1.0);
        if saturation.hysteresis >= saturation.warning {
            section.context.error(
                &place.unwrap_or_else(|| section.at.clone()),
                format!(
                    "with hysteresis {} it is never over: that is not less than the warning at {}",
                    saturation.hysteresis, saturation.warning
                ),
                "hysteresis is how far below the threshold utilisation must fall; 0.05 is usual",
            );
        }
        section.finish();
    }
    if let Some(mut section) = detect.section("forecast", help) {
        let forecast = &mut settings.forecast;
        section.boolean("enabled", &mut forecast.enabled);
        section.number("threshold", &mut forecast.threshold, 0.01..=1.0);
        section.duration("within", &mut forecast.within, DAY..=DAY * 365);
        section.duration("minimum_history", &mut forecast.minimum_history, DAY * 14..=DAY * 56);
        section.duration("every", &mut forecast.every, Duration::from_secs(600)..=DAY);
        section.finish();
    }
    if let Some(mut section) = detect.section("drops", help) {
        let drops = &mut settings.drops;
        read_timing(&mut section, &mut drops.enabled, &mut drops.pending_for, &mut drops.keep_firing_for);
        let places = (
            section.number("congestion_warning", &mut drops.congestion_warning, 0.0..=1.0),
            section.number("congestion_critical", &mut drops.congestion_critical, 0.0..=1.0),
        );
        let (warning, critical) = (drops.congestion_warning, drops.congestion_critical);
        check_order(&section, places, ("congestion_warning", warning), ("congestion_critical", critical));
        let places = (
            section.number("corruption_warning", &mut drops.corruption_warning, 0.0..=1.0),
            section.number("corruption_critical", &mut drops.corruption_critical, 0.0..=1.0),
        );
        let (warning, critical) = (drops.corruption_warning, drops.corruption_critical);
        check_order(&section, places, ("corruption_warning", warning), ("corruption_critical", critical));
        section.number("policy_warning", &mut drops.policy_warning, 0.0..=1.0);
        section.number("no_route_warning", &mut drops.no_route_warning, 0.0..=1.0);
        section.number("minimum_pps", &mut drops.minimum_pps, 0.0..=1e9);
        section.finish();
    }
    if let Some(mut section) = detect.section("silent_loss", help) {
        let loss = &mut settings.silent_loss;
        read_timing(&mut section, &mut loss.enabled, &mut loss.pending_for, &mut loss.keep_firing_for);
        let places = (
            section.number("warning", &mut loss.warning, 1e-9..=1.0),
            section.number("critical", &mut loss.critical, 1e-9..=1.0),
        );
        check_order(&section, places, ("warning", loss.warning), ("critical", loss.critical));
        section.number("control_pps", &mut loss.control_pps, 0.0..=1e6);
        section.number("minimum_frames", &mut loss.minimum_frames, 1.0..=1e9);
        section.finish();
    }
    if let Some(mut section) = detect.section("black_hole", help) {
        let hole = &mut settings.black_hole;
        read_timing(&mut section, &mut hole.enabled, &mut hole.pending_for, &mut hole.keep_firing_for);
        section.finish();
    }
    if let Some(mut section) = detect.section("redundancy", help) {
        let redundancy = &mut settings.redundancy;
        read_timing(
            &mut section,
            &mut redundancy.enabled,
            &mut redundancy.pending_for,
            &mut redundancy.keep_firing_for,
        );
        section.finish();
    }
    if let Some(mut section) = detect.section("single_points", help) {
        let points = &mut settings.single_points;
        read_timing(&mut section, &mut points.enabled, &mut points.pending_for, &mut points.keep_firing_for);
        section.finish();
    }
    if let Some(mut section) = detect.section("headroom", help) {
        let headroom = &mut settings.headroom;
        section.boolean("estimates", &mut headroom.estimates);
        read_timing(&mut section, &mut headroom.enabled, &mut headroom.pending_for, &mut headroom.keep_firing_for);
        section.finish();
    }
    if let Some(mut section) = detect.section("device", help) {
        let device = &mut settings.device;
        read_timing(&mut section, &mut device.enabled, &mut device.pending_for, &mut device.keep_firing_for);
        section.number("clock_tolerance", &mut device.clock_tolerance, 0.02..=1.0);
        section.duration("overrun_for", &mut device.overrun_for, Duration::ZERO..=DAY);
        section.finish();
    }
    if let Some(mut section) = detect.section("host_drops", help) {
        let drops = &mut settings.host_drops;
        read_timing(&mut section, &mut drops.enabled, &mut drops.pending_for, &mut drops.keep_firing_for);
        let places = (
            section.number("warning_pps", &mut drops.warning_pps, 0.001..=1e12),
            section.number("critical_pps", &mut drops.critical_pps, 0.001..=1e12),
        );
        check_order(&section, places, ("warning_pps", drops.warning_pps), ("critical_pps", drops.critical_pps));
        section.boolean("other_namespaces", &mut drops.other_namespaces);
        section.number("policy_warning_pps", &mut drops.policy_warning_pps, 0.001..=1e12);
        section.number("no_route_warning_pps", &mut drops.no_route_warning_pps, 0.001..=1e12);
        section.number("clear_below", &mut drops.clear_below, 0.0..=1.0);
        section.finish();
    }
    if let Some(mut section) = detect.section("optics", help) {
        let optics = &mut settings.optics;
        read_timing(&mut section, &mut optics.enabled, &mut optics.pending_for, &mut optics.keep_firing_for);
        let places = (
            section.number("received_critical_dbm", &mut optics.received_critical_dbm, -60.0..=20.0),
            section.number("received_warning_dbm", &mut optics.received_warning_dbm, -60.0..=20.0),
        );
        let (critical, warning) = (optics.received_critical_dbm, optics.received_warning_dbm);
        check_order(&section, places, ("received_critical_dbm", critical), ("received_warning_dbm", warning));
        let places = (
            section.number("temperature_warning_c", &mut optics.temperature_warning_c, -40.0..=150.0),
            section.number("temperature_critical_c", &mut optics.temperature_critical_c, -40.0..=150.0),
        );
        let (warning, critical) = (optics.temperature_warning_c, optics.temperature_critical_c);
        check_order(&section, places, ("temperature_warning_c", warning), ("temperature_critical_c", critical));
        section.finish();
    }
    detect.finish();
    settings
}

/// What every detector has.
fn read_timing(
    section: &mut Section<'_>,
    enabled: &mut bool,
    pending_for: &mut Duration,
    keep_firing_for: &mut Duration,
) {
    section.hint("pending_for", "it is written `for`, as in Prometheus' rules");
    section.boolean("enabled", enabled);
    section.duration("for", pending_for, Duration::ZERO..=DAY);
    section.duration("keep_firing_for", keep_firing_for, Duration::ZERO..=DAY);
}

/// A warning comes before its critical.
fn check_order(
    section: &Section<'_>,
    places: (Option<At>, Option<At>),
    (lower, warning): (&str, f64),
    (upper, critical): (&str, f64),
) {
    if warning < critical {
        return;
    }
    let Some(at) = places.1.or(places.0) else { return };
    section.context.error(
        &at,
        format!("`{lower}` ({warning}) is not below `{upper}` ({critical})"),
        format!("let `{lower}` be less than `{upper}`; one that is not written has its default"),
    );
}

/// `[redundancy]` and `[[redundancy.group]]`
pub(super) fn read_topology(root: &mut Section<'_>, alerts: &mut alert::Settings) -> topology::Settings {
    let mut settings = topology::Settings::default();
    let Some(mut redundancy) = root.section("redundancy", "write [[redundancy.group]]") else { return settings };
    redundancy.duration("forget_after", &mut settings.forget_after, Duration::from_secs(60)..=DAY * 3_650);
    redundancy.duration("edge_after", &mut settings.edge_after, Duration::ZERO..=DAY);
    let mut names: Vec<Found<String>> = Vec::new();
    for mut section in redundancy.sections("group", "write [[redundancy.group]], with two brackets") {
        let context = section.context;
        section.require("name", "write name = \"NAME\", for alerts and for people");
        let name = section.name("name", "write a name, in quotes");
        if let Some(name) = &name {
            context.take_name(&mut names, name, "groups");
        }
        section.require("links", "write links = [\"edge1:et-0/0/1\", \"edge2:et-0/0/1\"]");
        let links = read_links(&mut section);
        let shared_risk = section.texts("shared_risk", "write shared_risk = [\"duct-7\"]");
        let shared_risk = shared_risk.into_iter().map(|found| found.value).collect();
        let circuit = section.name("circuit", "write circuit = \"ID\", the line's name by its owner, in quotes");
        section.finish();
        if let (Some(name), Some(circuit)) = (&name, circuit) {
            alerts.group_circuits.push((name.value.clone(), circuit.value.into()));
        }
        if let (Some(name), Some(links)) = (name, links) {
            settings.groups.push(DeclaredGroup { name: name.value, links, shared_risk });
        }
    }
    redundancy.finish();
    settings
}

/// At least two lines that stand in for each other.
fn read_links(section: &mut Section<'_>) -> Option<Vec<InterfaceId>> {
    let links = read_ports(section)?;
    if let Some(found) = section.value("links")
        && matches!(found.value, DeValue::Array(items) if items.len() < 2)
    {
        section.context.error(&found.at, "one line alone has nothing to stand in for it", "name at least two lines");
    }
    Some(links)
}

/// One end of each line, as `device:interface` or, where a name has a colon, `{ device, interface }`.
pub(super) fn read_ports(section: &mut Section<'_>) -> Option<Vec<InterfaceId>> {
    let context = section.context;
    let help = "name one end of each line, \"device:interface\", or { device = \"...\", interface = \"...\" }";
    let found = section.value("links")?;
    let DeValue::Array(items) = found.value else {
        context.error(&found.at, format!("expected an array, found {}", kind(found.value)), help);
        return None;
    };
    let mut links = Vec::new();
    for (value, at) in elements(items, &found.at) {
        let link = match value.get_ref() {
            DeValue::String(text) => match text.split_once(':') {
                Some((device, interface)) if !device.is_empty() && !interface.is_empty() => {
                    InterfaceId::new(device, interface)
                }
                _ => {
                    context.error(&at, format!("{} is not \"device:interface\"", quote(text)), help);
                    continue;
                }
            },
            DeValue::Table(_) => {
                let Some(mut table) = as_section(context, value, at.clone(), help) else { continue };
                table.require("device", help);
                table.require("interface", help);
                let pair = table.name("device", help).zip(table.name("interface", help));
                table.finish();
                let Some((device, interface)) = pair else { continue };
                InterfaceId::new(device.value, interface.value)
            }
            other => {
                context.error(&at, format!("expected \"device:interface\", found {}", kind(other)), help);
                continue;
            }
        };
        if links.contains(&link) {
            context.error(&at, format!("{} is named twice", quote(&link.to_string())), "name each line once");
        } else {
            links.push(link);
        }
    }
    Some(links)
}
