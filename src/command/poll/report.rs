//! What `selvedge poll` shows of a device.
//!
//! JSON has texts to the letter (what is not UTF-8 is read as ISO 8859-1, an octet a character); what people see on a
//! terminal has no control characters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::explain::{self, Explanation};
use super::profile::Told;
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::collect::snmp::look::{Polled, PolledRow, Survey};
use crate::command::Format;
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Direction, DropClass, LacpState, Limits, OperStatus, Quantity, Rate, Sensor,
    Unknown,
};
use crate::mib::interfaces::InterfaceRow;
use crate::mib::lldp;
use crate::mib::value::Unusable;

/// One reading. The field names are those of IF-MIB; scripts rely on them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    device: Device,
    interfaces: Vec<Interface>,
    neighbors: Vec<Heard>,
    /// Ports in aggregates (IEEE 802.1AX).
    aggregation: Vec<Aggregated>,
    /// What spanning tree lets ports do, by interface.
    spanning_tree: BTreeMap<String, &'static str>,
    /// What optics say of themselves.
    optics: Vec<Optic>,
    /// What could not be read, in words.
    missing: Vec<String>,
    /// What is read beside the standard tables, and why: where --explain asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Told>,
    /// Why values are unknown, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<Explanation>>,
}

#[derive(Debug, Serialize)]
#[allow(non_snake_case)]
struct Device {
    address: SocketAddr,
    sysName: String,
    sysObjectID: String,
    sysDescr: String,
    sysUpTime_ms: Option<u64>,
    /// sysName and sysDescr fit to be shown.
    #[serde(skip)]
    shown: (String, String),
}

#[derive(Debug, Serialize)]
#[allow(non_snake_case)]
pub(super) struct Interface {
    ifIndex: u32,
    /// What it is called everywhere else in Selvedge: fit to be shown, and no two on a device have one.
    pub(super) name: String,
    /// As the device gives it, else its ifDescr, else `ifIndex-N`.
    ifName: String,
    ifDescr: String,
    ifAlias: String,
    #[serde(skip)]
    alias_shown: String,
    pub(super) speed_bps: Option<u64>,
    ifOperStatus: &'static str,
    ifAdminStatus: &'static str,
    counters: BTreeMap<&'static str, u64>,
    /// Drops by class, where the device counts them: beside the standard counters, and counting the same packets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    drops: BTreeMap<&'static str, u64>,
    #[serde(serialize_with = "words")]
    pub(super) unknown: BTreeMap<&'static str, Unusable>,
    /// Per second, since the reading before; null where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rates: Option<BTreeMap<&'static str, Rate>>,
    #[serde(skip)]
    pub(super) state: (OperStatus, AdminStatus),
    #[serde(skip)]
    shown: BTreeMap<Counter, Rate>,
    #[serde(skip)]
    totals: BTreeMap<Counter, u64>,
}

#[derive(Debug, Serialize)]
struct Heard {
    local: String,
    device: String,
    port: String,
    protocol: &'static str,
}

#[derive(Debug, Serialize)]
struct Aggregated {
    aggregate: String,
    port: String,
    attached: Option<bool>,
    /// By the device's own state; null where it does not say.
    distributing: Option<bool>,
    /// By its partner's.
    partner_distributing: Option<bool>,
    partner_lost: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Optic {
    port: String,
    sensor: String,
    quantity: Quantity,
    unit: &'static str,
    value: Option<f64>,
    limits: Limits,
}

impl Report {
    pub(super) fn new(address: SocketAddr, survey: &Survey, polled: &Polled, before: Option<&Polled>) -> Self {
        let facts = &survey.facts;
        let uptime = polled.rows.values().find_map(|row| row.uptime).or(facts.uptime);
        // Not one counter of a device that answered us moved: it answers from a cache, and equal is not idle.
        let cached = before.is_some_and(|before| same_counters(before, polled));
        let interfaces = survey
            .inventory
            .iter()
            .map(|info| {
                let row = polled.rows.get(&info.if_index);
                let (mut counters, mut drops, mut unknown) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
                let is_drops = |name: &str| Counter::DROPS.iter().any(|(counter, ..)| counter.as_str() == name);
                match row {
                    Some(row) => {
                        for (name, value) in &row.counters {
                            match value {
                                Ok(value) if is_drops(name) => _ = drops.insert(*name, *value),
                                Ok(value) => _ = counters.insert(*name, *value),
                                Err(why) => _ = unknown.insert(*name, *why),
                            }
                        }
                    }
                    None => {
                        let why = if polled.complete { Unusable::Missing } else { Unusable::Truncated };
                        unknown.extend(survey.expected().map(|name| (name, why)));
                    }
                }
                let before = before.map(|polled| polled.rows.get(&info.if_index));
                let shown: BTreeMap<Counter, Rate> = match (before, row) {
                    (Some(before), Some(row)) => {
                        let of = |(counter, _)| {
                            let rate = rate(before, row, counter, info.speed_bps);
                            (counter, if cached { Rate::Unknown(Unknown::Stale) } else { rate })
                        };
                        row.poll.counters.iter().map(of).collect()
                    }
                    _ => BTreeMap::new(),
                };
                let rates = before.map(|_| {
                    let object = |(counter, rate): (&Counter, &Rate)| {
                        let width = row.map(|row| row.poll.counters.width(*counter));
                        (object_name(*counter, width.unwrap_or(CounterWidth::Bits64)), *rate)
                    };
                    shown.iter().map(object).collect()
                });
                let state = row.map_or_else(Default::default, |row| (row.poll.oper_status, row.poll.admin_status));
                let texts = survey.rows.get(&info.if_index);
                let exact = |text: fn(&InterfaceRow) -> &str| texts.map_or("", text).to_owned();
                let name = [exact(InterfaceRow::exact_name), exact(InterfaceRow::exact_descr)];
                let name = name.into_iter().find(|name| !name.is_empty());
                Interface {
                    ifIndex: info.if_index,
                    name: info.if_name.to_string(),
                    ifName: name.unwrap_or_else(|| info.if_name.to_string()),
                    ifDescr: exact(InterfaceRow::exact_descr),
                    ifAlias: exact(InterfaceRow::exact_alias),
                    alias_shown: info.if_alias.clone(),
                    speed_bps: info.speed_bps,
                    ifOperStatus: state.0.as_str(),
                    ifAdminStatus: state.1.as_str(),
                    counters,
                    drops,
                    unknown,
                    rates,
                    state,
                    shown,
                    totals: row.map(|row| row.poll.counters.iter().collect()).unwrap_or_default(),
                }
            })
            .collect();
        let neighbors = survey
            .neighbors
            .iter()
            .map(|(protocol, neighbor)| Heard {
                local: neighbor.local.to_string(),
                device: lldp::device_text(neighbor),
                port: lldp::port_text(neighbor),
                protocol,
            })
            .collect();
        let distributes = |state: Option<LacpState>| state.map(|state| state.has(LacpState::DISTRIBUTING));
        let mut aggregation: Vec<Aggregated> = survey
            .aggregations
            .iter()
            .map(|member| Aggregated {
                aggregate: member.aggregator.to_string(),
                port: member.if_name.to_string(),
                attached: member.attached,
                distributing: distributes(member.actor),
                partner_distributing: distributes(member.partner),
                partner_lost: member.actor.map(LacpState::has_lost_partner),
            })
            .collect();
        aggregation.sort_by(|one, other| one.aggregate.cmp(&other.aggregate));
        let spanning_tree =
            survey.spanning_tree.iter().map(|port| (port.if_name.to_string(), port.state.as_str())).collect();
        let optic = |sensor: &Sensor| Optic {
            port: sensor.if_name.to_string(),
            sensor: sensor.name.to_string(),
            quantity: sensor.quantity,
            unit: sensor.quantity.unit(),
            value: sensor.value,
            limits: sensor.limits,
        };
        let optics = survey.sensors.iter().map(optic).collect();
        let mut missing = survey.missing.clone();
        if cached {
            missing.push("rates: the device answered from its cache; let more seconds pass (--interval)".into());
        }
        if !polled.complete {
            missing.push(format!("counters: the answers broke off after {} interfaces", polled.rows.len()));
        }
        Self {
            device: Device {
                address,
                sysName: facts.sent.0.clone(),
                sysObjectID: facts.sys_object_id.clone(),
                sysDescr: facts.sent.1.clone(),
                sysUpTime_ms: uptime.map(|uptime| uptime.as_millis()),
                shown: (facts.sys_name.clone(), facts.sys_descr.clone()),
            },
            interfaces,
            neighbors,
            aggregation,
            spanning_tree,
            optics,
            missing,
            profile: None,
            explain: None,
        }
    }

    /// Say of every value that is unknown why it is, and what of the device's own is read.
    pub(super) fn explain(&mut self, survey: &Survey) {
        self.profile = Some(Told::of(survey));
        self.explain = Some(explain::unknowns(&self.interfaces));
    }

    pub(super) fn print(&self, format: Format, rates: bool) -> Result<(), String> {
        let text = match format {
            Format::Json => serde_json::to_string(self).map_err(|error| error.to_string())? + "\n",
            Format::Human => self.human(rates),
        };
        // A reader that has seen enough (`| head`) is not an error.
        match anstream::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("writing: {error}")),
            _ => Ok(()),
        }
    }

    fn human(&self, rates: bool) -> String {
        let bold = Style::new().bold();
        let (name, descr) = &self.device.shown;
        let name = if name.is_empty() { "(no sysName)" } else { name };
        let up = self.device.sysUpTime_ms.map_or("up for an unknown time".into(), |ms| format!("up {}", span(ms)));
        let mut text = format!("{bold}{name}{bold:#} at {}, {up}\n{descr}\n\n", self.device.address);
        text += &self.interfaces(rates);
        if self.neighbors.is_empty() {
            text += "\nNo neighbours by LLDP or CDP.\n";
        } else {
            let mut table = plain(&["port", "neighbour", "its port", "by"]);
            for heard in &self.neighbors {
                table.add_row([heard.local.as_str(), &heard.device, &heard.port, heard.protocol]);
            }
            text += "\n";
            text += &styled(&table, self.neighbors.iter().map(|_| Style::new()));
        }
        text += &self.bundles();
        text += &self.light();
        let unreadable = if self.explain.is_none() { self.unreadable() } else { Vec::new() };
        for missing in self.missing.iter().cloned().chain(unreadable) {
            let warning = AnsiColor::Yellow.on_default();
            text += &format!("\n{warning}not read:{warning:#} {missing}");
        }
        if !text.ends_with('\n') {
            text += "\n";
        }
        if let Some(explanations) = &self.explain {
            text += &self.profile.as_ref().map(Told::text).unwrap_or_default();
            text += &explain::text(explanations, self.interfaces.len());
        }
        text
    }

    fn interfaces(&self, rates: bool) -> String {
        let traffic = if rates {
            ["in bit/s", "out bit/s", "in %", "out %", "in pkt/s", "out pkt/s"]
        } else {
            ["in octets", "out octets", "", "", "in unicast", "out unicast"]
        };
        let losses = if rates { ["discards/s", "errors/s"] } else { ["discards in/out", "errors in/out"] };
        // Only devices that have them are given a column for them.
        let classed = self.interfaces.iter().any(|interface| interface.totals.keys().any(|counter| counter.is_drops()));
        let classes = classed.then_some(if rates { "drops/s by class" } else { "drops by class" });
        let heads: Vec<&str> = ["#", "interface", "alias", "state", "speed"]
            .into_iter()
            .chain(traffic)
            .chain(losses)
            .chain(classes)
            .filter(|head| !head.is_empty())
            .collect();
        let mut table = plain(&heads);
        for column in table.column_iter_mut().skip(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for interface in &self.interfaces {
            let state = match interface.state {
                (oper, AdminStatus::Down) if oper.is_down() => "off",
                (oper, _) => oper.as_str(),
            };
            let mut row = vec![
                interface.ifIndex.to_string(),
                interface.name.clone(),
                interface.alias_shown.clone(),
                state.to_owned(),
                interface.speed_bps.map_or("?".into(), |speed| scaled(speed as f64)),
            ];
            row.extend(if rates { interface.rate_cells() } else { interface.total_cells() });
            row.extend(classed.then(|| interface.class_cell(rates)));
            table.add_row(row);
        }
        let style = |interface: &Interface| match interface.state {
            (oper, AdminStatus::Down) if oper.is_down() => Style::new().dimmed(),
            (oper, _) if oper.is_down() => AnsiColor::Red.on_default(),
            (OperStatus::Up, _) => Style::new(),
            _ => AnsiColor::Yellow.on_default(),
        };
        styled(&table, self.interfaces.iter().map(style))
    }

    /// Aggregates, and the ports that spanning tree blocks.
    fn bundles(&self) -> String {
        let mut text = String::new();
        if !self.aggregation.is_empty() {
            let mut table = plain(&["aggregate", "port", "attached", "distributing", "partner"]);
            let word = |says: Option<bool>, yes: &'static str, no: &'static str| match says {
                Some(true) => yes,
                Some(false) => no,
                None => "?",
            };
            for member in &self.aggregation {
                let partner = match member.partner_lost {
                    Some(true) => "lost",
                    _ => word(member.partner_distributing, "distributing", "not distributing"),
                };
                table.add_row([
                    member.aggregate.as_str(),
                    &member.port,
                    word(member.attached, "yes", "no"),
                    word(member.distributing, "yes", "no"),
                    partner,
                ]);
            }
            let broken = |member: &Aggregated| member.attached == Some(false) || member.distributing == Some(false);
            let style = |member: &Aggregated| if broken(member) { AnsiColor::Red.on_default() } else { Style::new() };
            text += "\n";
            text += &styled(&table, self.aggregation.iter().map(style));
        }
        let blocked: Vec<&str> = self
            .spanning_tree
            .iter()
            .filter(|(_, state)| **state == "blocking")
            .map(|(port, _)| port.as_str())
            .collect();
        if !blocked.is_empty() {
            text += &format!("\nBlocked by spanning tree: {}\n", blocked.join(", "));
        }
        text
    }

    /// Optics that measure something.
    fn light(&self) -> String {
        let measured: Vec<&Optic> = self.optics.iter().filter(|optic| optic.value.is_some()).collect();
        if measured.is_empty() {
            return String::new();
        }
        let mut table = plain(&["port", "optic's", "value", "range", "sensor"]);
        let outside = |optic: &Optic| {
            let Some(value) = optic.value else { return false };
            let Limits { low_critical, low_warning, high_warning, high_critical } = optic.limits;
            low_warning.or(low_critical).is_some_and(|limit| value < limit)
                || high_warning.or(high_critical).is_some_and(|limit| value > limit)
        };
        for optic in &measured {
            let limit = |limit: Option<f64>| limit.map_or("?".into(), |limit| format!("{limit:.1}"));
            let range = if optic.limits.is_empty() {
                String::new()
            } else {
                let Limits { low_critical, low_warning, high_warning, high_critical } = optic.limits;
                format!("{} to {}", limit(low_warning.or(low_critical)), limit(high_warning.or(high_critical)))
            };
            let value = optic.value.map_or(String::new(), |value| format!("{value:.2} {}", optic.unit));
            table.add_row([optic.port.as_str(), optic.quantity.as_str(), &value, &range, &optic.sensor]);
        }
        let style = |optic: &&Optic| if outside(optic) { AnsiColor::Red.on_default() } else { Style::new() };
        format!("\n{}", styled(&table, measured.iter().map(style)))
    }

    /// Which counters are missing, and on how many interfaces: once each, not once an interface.
    fn unreadable(&self) -> Vec<String> {
        let mut by: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for interface in &self.interfaces {
            for (name, why) in &interface.unknown {
                *by.entry((name, why.as_str())).or_default() += 1;
            }
        }
        by.into_iter()
            .map(|((name, why), on)| format!("{name} on {on} of {} interfaces ({why})", self.interfaces.len()))
            .collect()
    }
}

impl Interface {
    fn rate_cells(&self) -> Vec<String> {
        let of = |counter| self.shown.get(&counter).copied().unwrap_or(Rate::Unknown(Unknown::Missing));
        let sum = |counters: &[Counter]| {
            let known: Vec<f64> = counters.iter().filter_map(|&counter| of(counter).known()).collect();
            // A part that the device does not count (multicast on old ones) does not hide the rest.
            if known.is_empty() { of(counters[0]) } else { Rate::Known(known.iter().sum()) }
        };
        let cell = |rate: Rate| rate.known().map_or("?".into(), scaled);
        let percent = |octets: Rate| match (octets.known(), self.speed_bps) {
            (Some(octets), Some(speed)) => format!("{:.1}", octets * 800.0 / speed as f64),
            _ => "?".into(),
        };
        let (input, output) = (of(Counter::InOctets), of(Counter::OutOctets));
        vec![
            cell(input.map(|octets| octets * 8.0)),
            cell(output.map(|octets| octets * 8.0)),
            percent(input),
            percent(output),
            cell(sum(&[Counter::InUcastPkts, Counter::InMulticastPkts, Counter::InBroadcastPkts])),
            cell(sum(&[Counter::OutUcastPkts, Counter::OutMulticastPkts, Counter::OutBroadcastPkts])),
            cell(sum(&[Counter::InDiscards, Counter::OutDiscards])),
            cell(sum(&[Counter::InErrors, Counter::OutErrors])),
        ]
    }

    /// `congestion out 12, policy in 3`: those that are not zero, or why they are not known.
    fn class_cell(&self, rates: bool) -> String {
        let of = |(counter, class, direction): (Counter, DropClass, Direction)| {
            let value = match (rates, self.shown.get(&counter), self.totals.get(&counter)) {
                (true, Some(rate), _) => rate.known().map_or(Some("?".into()), |pps| (pps > 0.0).then(|| scaled(pps))),
                (false, _, Some(total)) => (*total > 0).then(|| total.to_string()),
                _ => None,
            };
            Some(format!("{} {} {}", class.as_str(), direction.as_str(), value?))
        };
        let told: Vec<String> = Counter::DROPS.into_iter().filter_map(of).collect();
        let counted = self.totals.keys().any(|counter| counter.is_drops());
        if told.is_empty() && counted { "0".into() } else { told.join(", ") }
    }

    fn total_cells(&self) -> Vec<String> {
        let of = |counter| self.totals.get(&counter).map_or("?".into(), u64::to_string);
        let both = |one, other| format!("{} / {}", of(one), of(other));
        vec![
            of(Counter::InOctets),
            of(Counter::OutOctets),
            of(Counter::InUcastPkts),
            of(Counter::OutUcastPkts),
            both(Counter::InDiscards, Counter::OutDiscards),
            both(Counter::InErrors, Counter::OutErrors),
        ]
    }
}

fn words<S: serde::Serializer>(unknown: &BTreeMap<&'static str, Unusable>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(unknown.iter().map(|(name, why)| (name, why.as_str())))
}

/// The object that a counter of this width was read from.
fn object_name(counter: Counter, width: CounterWidth) -> &'static str {
    use crate::mib::interfaces::PAIRS;
    match PAIRS.iter().find(|pair| pair.counter == counter) {
        Some(pair) if width == CounterWidth::Bits32 => pair.narrow.name,
        _ => counter.as_str(),
    }
}

/// Per second between two readings of an interface. The core has finer ways (caches of agents, tolerance of
/// speeds) and more readings to judge by; this is for two readings that somebody looks at.
fn rate(before: Option<&PolledRow>, after: &PolledRow, counter: Counter, speed_bps: Option<u64>) -> Rate {
    const WRAP: f64 = 4_294_967_296.0;
    let Some(before) = before else { return Rate::Unknown(Unknown::FirstSample) };
    let (Some(from), Some(to)) = (before.poll.counters.get(counter), after.poll.counters.get(counter)) else {
        return Rate::Unknown(Unknown::Missing);
    };
    let ours = after.taken_at.since(before.taken_at);
    let theirs = before.uptime.zip(after.uptime).map(|(before, after)| after.wrapping_since(before));
    // Their clock, unless it jumped: agents start anew, and some do not move theirs at all.
    let elapsed = match theirs {
        Some(theirs) if theirs > ours * 3 + Duration::from_secs(60) => return Rate::Unknown(Unknown::Discontinuity),
        Some(theirs) if theirs > ours / 2 && theirs < ours * 2 => theirs,
        _ => ours,
    };
    let width = after.poll.counters.width(counter);
    if before.poll.discontinuity != after.poll.discontinuity || before.poll.counters.width(counter) != width {
        return Rate::Unknown(Unknown::Discontinuity);
    }
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return Rate::Unknown(Unknown::FirstSample);
    }
    let passed = match (to.checked_sub(from), width) {
        (Some(passed), _) => passed as f64,
        (None, CounterWidth::Bits64) => return Rate::Unknown(Unknown::Discontinuity),
        (None, CounterWidth::Bits32) => {
            let wrapped = to as f64 + WRAP - from as f64;
            // One wrap, if the speed leaves no room for two and enough for one.
            let most = speed_bps.map(|speed| speed as f64 / 8.0 * seconds);
            match most {
                Some(most)
                    if matches!(counter, Counter::InOctets | Counter::OutOctets) && wrapped <= most && most < WRAP =>
                {
                    wrapped
                }
                _ => return Rate::Unknown(Unknown::Ambiguous),
            }
        }
    };
    Rate::Known(passed / seconds)
}

fn same_counters(one: &Polled, other: &Polled) -> bool {
    let counters =
        |polled: &Polled| polled.rows.iter().map(|(index, row)| (*index, row.poll.counters)).collect::<Vec<_>>();
    counters(one) == counters(other)
}

fn plain(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    table
}

/// A table's lines, the first bold, each other in the style of its row. (Cells cannot have styles of their own:
/// the table would count the escape sequences into their width.)
fn styled(table: &Table, rows: impl Iterator<Item = Style>) -> String {
    let styles = std::iter::once(Style::new().bold()).chain(rows);
    table.lines().zip(styles).map(|(line, style)| format!("{style}{}{style:#}\n", line.trim_end())).collect()
}

/// With three digits and a prefix: 12.3M.
fn scaled(value: f64) -> String {
    const PREFIXES: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (factor, prefix): (f64, Cow<'_, str>) = PREFIXES
        .into_iter()
        .find(|(factor, _)| value >= *factor)
        .map_or((1.0, "".into()), |(factor, prefix)| (factor, prefix.into()));
    let value = value / factor;
    let digits = if value >= 100.0 || value.fract() == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{prefix}")
}

/// 3d 4h, 4h 5m, 5m 6s.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// An interface as tests of other files need one.
#[cfg(test)]
pub(super) mod fixture {
    use super::*;

    pub fn interface(if_index: u32, speed_bps: Option<u64>) -> Interface {
        Interface {
            ifIndex: if_index,
            name: format!("p{if_index}"),
            ifName: format!("p{if_index}"),
            ifDescr: String::new(),
            ifAlias: String::new(),
            alias_shown: String::new(),
            speed_bps,
            ifOperStatus: "up",
            ifAdminStatus: "up",
            counters: BTreeMap::new(),
            drops: BTreeMap::new(),
            unknown: BTreeMap::new(),
            rates: None,
            state: (OperStatus::Up, AdminStatus::Up),
            shown: BTreeMap::new(),
            totals: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
