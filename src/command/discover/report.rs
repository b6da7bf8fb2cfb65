//! What `selvedge discover` says: who was found, who was not and why, and what became of the file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;

use super::targets::{Diff, TargetsFile};
use crate::command::Format;
use crate::topology::crawl::{Crawl, Why};

/// Names that a line has room for; the rest is counted.
const NAMES_MAX: usize = 8;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    devices: Vec<Found>,
    not_found: Vec<Missed>,
    #[serde(flatten)]
    diff: Diff,
    /// Those that are gone were removed.
    pruned: bool,
    /// The file was written anew.
    written: bool,
    /// What could not be read or done.
    notes: Vec<String>,
    /// What the file holds now.
    targets: Vec<Value>,
}

#[derive(Debug, Serialize)]
#[allow(non_snake_case)]
struct Found {
    address: String,
    sysName: String,
    auth: Option<String>,
    /// Who told of it; none for seeds and what the file held.
    heard_from: Option<String>,
    /// How many devices it hears.
    neighbors: usize,
}

#[derive(Debug, Serialize)]
struct Missed {
    name: String,
    addresses: Vec<String>,
    heard_from: Option<String>,
    reason: String,
}

impl Report {
    pub(super) fn new(
        crawl: &Crawl,
        file: &TargetsFile,
        diff: Diff,
        pruned: bool,
        written: bool,
        notes: Vec<String>,
        auth_of: impl Fn(usize) -> Option<String>,
    ) -> Self {
        let name = |place: usize| {
            let device = crawl.devices().get(place)?;
            Some(if device.sys_name.is_empty() { device.address.to_string() } else { device.sys_name.clone() })
        };
        let devices = crawl.devices().iter().map(|device| Found {
            address: device.address.to_string(),
            sysName: device.sys_name.clone(),
            auth: auth_of(device.credentials),
            heard_from: device.heard_from.and_then(name),
            neighbors: device.hears,
        });
        let not_found = crawl.unfound().into_iter().map(|unfound| Missed {
            name: unfound.name,
            addresses: unfound.addresses.iter().map(ToString::to_string).collect(),
            heard_from: unfound.heard_from.and_then(name),
            reason: match unfound.why {
                Why::NoAddress => "it announces no management address".into(),
                Why::NotAllowed => "outside of what is allowed (--allow)".into(),
                Why::Silent(reason) => reason.as_str().into(),
                Why::Another(place) => format!("{} answers at its address", name(place).unwrap_or_default()),
                Why::TooMany => "not asked: there are as many devices as --max-devices".into(),
            },
        });
        let (devices, not_found) = (devices.collect(), not_found.collect());
        Self { devices, not_found, diff, pruned, written, notes, targets: file.groups().to_vec() }
    }

    /// Targets that no file takes go to stdout, and then what is said for people goes to stderr.
    pub(super) fn print(&self, format: Format, file: Option<&Path>) -> Result<(), String> {
        let text = match (format, file) {
            (Format::Json, _) => serde_json::to_string(self).map_err(|error| error.to_string())? + "\n",
            (Format::Human, Some(file)) => self.human() + &self.of_the_file(file),
            (Format::Human, None) => {
                anstream::eprint!("{}", self.human());
                serde_json::to_string_pretty(&self.targets).map_err(|error| error.to_string())? + "\n"
            }
        };
        match anstream::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("writing: {error}")),
            _ => Ok(()),
        }
    }

    fn human(&self) -> String {
        let (bold, dimmed, warning) = (Style::new().bold(), Style::new().dimmed(), AnsiColor::Yellow.on_default());
        let mut devices: Vec<&Found> = self.devices.iter().collect();
        devices.sort_by(|a, b| (&a.sysName, &a.address).cmp(&(&b.sysName, &b.address)));
        let name = |device: &Found| if device.sysName.is_empty() { "(no sysName)" } else { &device.sysName }.to_owned();
        let width = |of: &dyn Fn(&Found) -> usize| devices.iter().map(|device| of(device)).max().unwrap_or(0);
        let names = width(&|device| name(device).chars().count());
        let addresses = width(&|device| device.address.len());
        let auths = width(&|device| device.auth.as_ref().map_or(0, |auth| auth.chars().count()));
        let mut text = format!("{bold}{}{bold:#}\n", count(devices.len(), "device answers", "devices answer"));
        for device in devices {
            let auth = device.auth.as_ref().map_or_else(String::new, |auth| format!("{auth:auths$}  "));
            let from = device.heard_from.as_ref().map_or_else(|| "was named".into(), |from| format!("heard by {from}"));
            let (name, address) = (name(device), &device.address);
            text += &format!("  {name:names$}  {address:addresses$}  {auth}{dimmed}{from}{dimmed:#}\n");
        }
        if !self.not_found.is_empty() {
            let mut by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for missed in &self.not_found {
                let place = match missed.addresses.first() {
                    Some(address) if *address != missed.name => format!("{} ({address})", missed.name),
                    _ => missed.name.clone(),
                };
                by.entry(&missed.reason).or_default().push(place);
            }
            text += &format!("{bold}{} heard of and not found{bold:#}\n", self.not_found.len());
            for (reason, mut names) in by {
                let more = names.len().saturating_sub(NAMES_MAX);
                names.truncate(NAMES_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                text += &format!("  {reason}: {}{more}\n", names.join(", "));
            }
        }
        for note in &self.notes {
            text += &format!("{warning}note:{warning:#} {note}\n");
        }
        text
    }

    fn of_the_file(&self, file: &Path) -> String {
        let (green, red, yellow) =
            (AnsiColor::Green.on_default(), AnsiColor::Red.on_default(), AnsiColor::Yellow.on_default());
        let (file, mut text) = (file.display(), String::new());
        for added in &self.diff.added {
            text += &format!("{green}+ {} {}{green:#}\n", added.target, added.sys_name);
        }
        for gone in &self.diff.gone {
            let kept = match (self.pruned, gone.prunable) {
                (true, true) => "removed",
                (_, true) => "kept; --prune removes it",
                (_, false) => "kept",
            };
            text += &format!("{red}- {}{red:#}: {} ({kept})\n", gone.target, gone.reason);
        }
        for changed in &self.diff.changed {
            let (target, label, from, to) = (&changed.target, changed.label, &changed.from, &changed.to);
            text += &format!("{yellow}~ {target}{yellow:#}: {label} is {to}, not {from} (kept as it is)\n");
        }
        let targets: usize =
            self.targets.iter().filter_map(|group| Some(group.get("targets")?.as_array()?.len())).sum();
        let targets = count(targets, "target", "targets");
        text + &if self.written {
            format!("{file}: {targets}, written\n")
        } else {
            format!("{file}: {targets}, nothing to write\n")
        }
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
