//! `selvedge drops`: where and why this machine loses packets, looked at directly; no running instance is needed.
//!
//! Exit status 0: nothing was lost; 1: something was, or it cannot look; 2: the command line is wrong. With `--follow` it
//! goes on until it is interrupted.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Format;
#[cfg(target_os = "linux")]
use crate::collect::host::drops::HostDrops;
use crate::fabric::{HostLoss, HostLosses};

/// Options of `selvedge drops`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Go on until interrupted, and show what is new after every interval
    #[arg(long, short)]
    follow: bool,
    /// How long to look, or how often with --follow
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = interval)]
    interval: Duration,
    /// Show harmless drops too: frames for others, duplicates, what a closed socket had not read
    #[arg(long, short)]
    all: bool,
    /// How to report; JSON is one object, or one a line with --follow
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn interval(text: &str) -> Result<Duration, String> {
    let span = crate::config::duration(text).map_err(|why| format!("{text:?} {why}; write 1s or 500ms"))?;
    let fits = (Duration::from_millis(100)..=Duration::from_secs(86_400)).contains(&span);
    if fits { Ok(span) } else { Err("write from 100ms to 1d".into()) }
}

/// Do it.
#[cfg(target_os = "linux")]
pub fn run(args: Args) -> ExitCode {
    match watch(&args) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(why) => {
            anstream::eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Do it, where it cannot be done.
#[cfg(not(target_os = "linux"))]
pub fn run(_: Args) -> ExitCode {
    anstream::eprintln!("error: drops are looked at on Linux alone");
    ExitCode::FAILURE
}

/// True if something was lost.
#[cfg(target_os = "linux")]
fn watch(args: &Args) -> Result<bool, String> {
    let mut drops = HostDrops::open("/".as_ref(), crate::collect::clock::now()).map_err(|error| error.to_string())?;
    if let Some(why) = drops.untraced() {
        anstream::eprintln!("counters alone, without reasons: {why}");
    }
    let began = Instant::now();
    let mut before = HostLosses::default();
    let mut looked_at = began;
    loop {
        std::thread::sleep(args.interval);
        let losses = drops.look().map_err(|error| format!("what is lost cannot be read: {error}"))?;
        let report = Report {
            losses: &losses,
            before: &before,
            // Timers are late under load: the span is what it really was.
            over: std::mem::replace(&mut looked_at, Instant::now()).elapsed(),
            looked: began.elapsed(),
            untraced: drops.untraced(),
            all: args.all,
        };
        let text = match args.format {
            Format::Json => format!("{}\n", report.json()),
            Format::Human if args.follow && std::io::stdout().is_terminal() => {
                // Home and clear: a table that stands still and whose numbers move.
                format!("\x1b[H\x1b[J{}", report.human())
            }
            // Piped, only what is new is worth lines.
            Format::Human if args.follow && losses == before => String::new(),
            Format::Human => report.human(),
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(!losses.losses.is_empty()),
            Err(error) => return Err(format!("cannot print: {error}")),
            Ok(()) => {}
        }
        if !args.follow {
            return Ok(!losses.losses.is_empty());
        }
        before = losses;
    }
}

struct Report<'a> {
    losses: &'a HostLosses,
    before: &'a HostLosses,
    over: Duration,
    looked: Duration,
    untraced: Option<&'a str>,
    all: bool,
}

type RowKey<'a> = (&'a str, Option<&'a str>, Option<u32>, &'a str, Option<&'a str>, u16);

/// A line of the table.
struct Row<'a> {
    key: RowKey<'a>,
    packets: u64,
    class: &'static str,
    place: &'static str,
    /// What stands where the reason does.
    reason: String,
}

fn rows_of(losses: &HostLosses, all: bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for loss in &losses.losses {
        let (class, place, cause) = (loss.cause.class().as_str(), loss.cause.place().as_str(), loss.cause.as_str());
        for of in &loss.reasons {
            let (interface, site) = (of.interface.as_deref(), of.site.as_deref());
            let key = (cause, interface, loss.namespace, &*of.reason, site, of.ether_type);
            rows.push(Row { key, packets: of.packets, class, place, reason: of.reason.to_string() });
        }
        let rest = loss.unexplained();
        if rest > 0 {
            let key = (cause, loss.interface.as_deref(), loss.namespace, "", None, 0);
            let reason = format!("({}, no reason seen)", loss.counter.unwrap_or("counted"));
            rows.push(Row { key, packets: rest, class, place, reason });
        }
    }
    for of in losses.harmless.iter().filter(|_| all) {
        let key = ("harmless", of.interface.as_deref(), None, &*of.reason, of.site.as_deref(), of.ether_type);
        rows.push(Row { key, packets: of.packets, class: "-", place: "-", reason: of.reason.to_string() });
    }
    rows
}

impl Report<'_> {
    fn rows(&self) -> Vec<(Row<'_>, f64)> {
        let before: HashMap<RowKey<'_>, u64> =
            rows_of(self.before, self.all).iter().map(|row| (row.key, row.packets)).collect();
        let seconds = self.over.as_secs_f64();
        let rate =
            |row: &Row<'_>| row.packets.saturating_sub(before.get(&row.key).copied().unwrap_or(0)) as f64 / seconds;
        let mut rows: Vec<_> = rows_of(self.losses, self.all).into_iter().map(|row| (rate(&row), row)).collect();
        rows.sort_by(|(one, left), (other, right)| other.total_cmp(one).then(right.packets.cmp(&left.packets)));
        rows.into_iter().map(|(rate, row)| (row, rate)).collect()
    }

    fn human(&self) -> String {
        let rows = self.rows();
        let mut out = String::new();
        let seconds = self.looked.as_secs_f64();
        if rows.is_empty() {
            out += &format!("no packet lost in {seconds:.1} s\n");
        } else {
            let lost: u64 = self.losses.losses.iter().map(|loss| loss.packets).sum();
            out += &format!("{lost} packets lost in {seconds:.1} s\n");
            let mut table = Table::new();
            let titles =
                ["packets", "per s", "class", "place", "cause", "interface", "netns", "protocol", "reason", "where"];
            table.load_style(presets::NOTHING).set_header(titles);
            if std::io::stdout().is_terminal() {
                table.set_content_arrangement(ContentArrangement::Dynamic);
            }
            for (row, rate) in &rows {
                let (cause, interface, namespace, _, site, ether_type) = row.key;
                table.add_row([
                    row.packets.to_string(),
                    format!("{rate:.0}"),
                    row.class.into(),
                    row.place.into(),
                    cause.into(),
                    interface.unwrap_or("-").into(),
                    namespace.map_or_else(|| "-".into(), |inode| inode.to_string()),
                    protocol(ether_type),
                    row.reason.clone(),
                    site.unwrap_or("-").into(),
                ]);
            }
            for column in 0..2 {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            out += &format!("{table}\n");
        }
        let harmless: u64 = self.losses.harmless.iter().map(|of| of.packets).sum();
        if harmless > 0 && !self.all {
            out += &format!("{harmless} harmless drops not shown (--all shows them)\n");
        }
        let HostLosses { overflowed, missed, .. } = self.losses;
        if *overflowed > 0 {
            out += &format!("{overflowed} drops found no room in the table of reasons\n");
        }
        if *missed > 0 {
            out += &format!("{missed} drops came while another was being counted, and have no reason here\n");
        }
        out
    }

    fn json(&self) -> Value {
        let rates: HashMap<_, _> = self
            .before
            .losses
            .iter()
            .map(|loss| ((loss.cause, loss.interface.clone(), loss.namespace), loss.packets))
            .collect();
        let loss = |loss: &HostLoss| {
            let before = rates.get(&(loss.cause, loss.interface.clone(), loss.namespace)).copied().unwrap_or(0);
            let mut value = json!({
                "place": loss.cause.place().as_str(),
                "class": loss.cause.class().as_str(),
                "rate_pps": loss.packets.saturating_sub(before) as f64 / self.over.as_secs_f64(),
                "unexplained": loss.unexplained(),
            });
            if let (Value::Object(value), Ok(Value::Object(rest))) = (&mut value, serde_json::to_value(loss)) {
                value.extend(rest);
            }
            value
        };
        json!({
            "since": self.losses.since.to_string(),
            "seconds": self.looked.as_secs_f64(),
            "untraced": self.untraced,
            "losses": self.losses.losses.iter().map(loss).collect::<Vec<_>>(),
            "harmless": if self.all { json!(self.losses.harmless) } else { Value::Null },
            "overflowed": self.losses.overflowed,
            "missed": self.losses.missed,
        })
    }
}

/// The protocols that people know by name.
fn protocol(ether_type: u16) -> String {
    match ether_type {
        0 => "-".into(),
        0x0800 => "IPv4".into(),
        0x86dd => "IPv6".into(),
        0x0806 => "ARP".into(),
        0x88cc => "LLDP".into(),
        other => format!("{other:#06x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{HostCause, TracedReason};

    fn losses(packets: u64) -> HostLosses {
        let reason = |reason: &str, packets| TracedReason {
            reason: reason.into(),
            site: Some("tbf_enqueue+0x8f".into()),
            interface: Some("eth0".into()),
            ether_type: 0x0800,
            packets,
        };
        HostLosses {
            losses: vec![HostLoss {
                cause: HostCause::QueueFull,
                interface: Some("eth0".into()),
                namespace: None,
                packets,
                counted: Some(packets),
                traced: Some(packets - 3),
                counter: Some("qdisc drops"),
                reasons: vec![reason("QDISC_DROP", packets - 3)],
            }],
            harmless: vec![reason("OTHERHOST", 7)],
            missed: 3,
            ..HostLosses::default()
        }
    }

    #[test]
    fn rows_are_reasons_and_what_they_leave() {
        let (before, now) = (losses(103), losses(203));
        let mut report = Report {
            losses: &now,
            before: &before,
            over: Duration::from_secs(2),
            looked: Duration::from_secs(4),
            untraced: None,
            all: false,
        };
        let text = report.human();
        assert!(text.starts_with("203 packets lost in 4.0 s\n"), "{text}");
        let line = |word: &str| {
            text.lines()
                .find(|line| line.contains(word))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            line("QDISC_DROP").as_deref(),
            Some("200 50 congestion qdisc queue_full eth0 - IPv4 QDISC_DROP tbf_enqueue+0x8f")
        );
        assert_eq!(
            line("no reason").as_deref(),
            Some("3 0 congestion qdisc queue_full eth0 - - (qdisc drops, no reason seen) -")
        );
        assert!(text.contains("7 harmless drops not shown") && !text.contains("OTHERHOST"), "{text}");
        let json = report.json();
        let loss = &json["losses"][0];
        assert_eq!((loss["rate_pps"].as_f64(), loss["unexplained"].as_u64()), (Some(50.0), Some(3)));
        assert_eq!(
            (&loss["cause"], &loss["class"], &loss["place"]),
            (&json!("queue_full"), &json!("congestion"), &json!("qdisc"))
        );
        report.all = true;
        assert!(report.human().contains("OTHERHOST"));
    }
}
