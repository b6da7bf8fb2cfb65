//! A file of targets as Prometheus' file_sd has them, `[{"targets": ["10.0.0.1:161"], "labels": {...}}, ...]`, and how
//! what was found is joined with what it held.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::command::device::with_port;
use crate::fabric::UnreachableReason;
use crate::topology::crawl::{Crawl, Outcome};

/// No file of targets is longer, bytes: about half a million targets.
const LONGEST: u64 = 64 << 20;

const AUTH: &str = "__param_auth";
const SYS_NAME: &str = "sysName";

/// The groups of a file.
#[derive(Debug, Default)]
pub(super) struct TargetsFile {
    groups: Vec<Value>,
}

/// A target as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// As it is written.
    pub target: String,
    /// With its port.
    pub address: String,
    /// The label `__param_auth`.
    pub auth: Option<String>,
    /// The label `sysName`.
    sys_name: Option<String>,
}

/// What a new look found against what the file held.
#[derive(Debug, Default, Serialize)]
pub(super) struct Diff {
    /// Devices that the file did not have.
    pub added: Vec<Added>,
    /// Targets that do not answer.
    pub gone: Vec<Gone>,
    /// Targets of which a label is not true any more.
    pub changed: Vec<Changed>,
}

/// A device that the file did not have.
#[derive(Debug, Serialize)]
pub(super) struct Added {
    pub target: String,
    #[serde(rename = "sysName")]
    pub sys_name: String,
    pub auth: Option<String>,
}

/// A target that does not answer.
#[derive(Debug, Serialize)]
pub(super) struct Gone {
    pub target: String,
    pub reason: &'static str,
    /// It is silent as the dead are: nobody refused us, and its name was found. Such a one may be removed.
    #[serde(skip)]
    pub prunable: bool,
}

/// A label that is not true any more.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub target: String,
    pub label: &'static str,
    pub from: String,
    pub to: String,
}

impl TargetsFile {
    /// Read it; where there is none it is empty.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let wrong =
            |what: &dyn std::fmt::Display| format!("{}: {what}; nothing was asked and nothing written", path.display());
        let mut bytes = Vec::new();
        match std::fs::File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&error)),
            Ok(_) if bytes.len() as u64 > LONGEST => return Err(wrong(&"it is longer than 64 MiB")),
            Ok(_) => {}
        }
        let groups: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
        let sound = |group: &Value| {
            let targets = group.get("targets").and_then(Value::as_array);
            targets.is_some_and(|targets| targets.iter().all(Value::is_string))
                && group.get("labels").is_none_or(|labels| labels.is_object() || labels.is_null())
        };
        match groups.iter().position(|group| !sound(group)) {
            Some(place) => Err(wrong(&format!(
                "entry {place} is not of the form {{\"targets\": [\"10.0.0.1:161\"], \"labels\": {{}}}}"
            ))),
            None => Ok(Self { groups }),
        }
    }

    /// Its targets; those that are no addresses are left alone.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let mut listed = Vec::new();
        for group in &self.groups {
            let label = |name: &str| Some(group.get("labels")?.get(name)?.as_str()?.to_owned());
            for target in group.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if let Ok(address) = with_port(target) {
                    listed.push(Listed {
                        target: target.into(),
                        address,
                        auth: label(AUTH),
                        sys_name: label(SYS_NAME),
                    });
                }
            }
        }
        listed
    }

    /// What the crawl found against what is listed.
    pub(super) fn compare(
        &self,
        listed: &[(Listed, Option<SocketAddr>)],
        crawl: &Crawl,
        auth_of: impl Fn(usize) -> Option<String>,
    ) -> Diff {
        let mut diff = Diff::default();
        let mut known = vec![false; crawl.devices().len()];
        for (target, address) in listed {
            let reason = match address.as_ref().map(|address| crawl.outcome(address)) {
                None => UnreachableReason::NameResolution,
                // Not asked: nothing is known of it.
                Some(None | Some(Outcome::Asking)) => continue,
                Some(Some(Outcome::Silent(reason))) => reason,
                Some(Some(Outcome::Device(number))) => {
                    known[number] = true;
                    let device = &crawl.devices()[number];
                    let mut compare = |label, from: &Option<String>, to: Option<String>| {
                        if let (Some(from), Some(to)) = (from, to)
                            && *from != to
                        {
                            diff.changed.push(Changed { target: target.target.clone(), label, from: from.clone(), to });
                        }
                    };
                    compare(SYS_NAME, &target.sys_name, Some(device.sys_name.clone()).filter(|name| !name.is_empty()));
                    compare(AUTH, &target.auth, auth_of(device.credentials));
                    continue;
                }
            };
            let prunable = matches!(reason, UnreachableReason::Timeout | UnreachableReason::Refused);
            diff.gone.push(Gone { target: target.target.clone(), reason: reason.as_str(), prunable });
        }
        let new = crawl.devices().iter().zip(known).filter(|(_, known)| !known);
        diff.added.extend(new.map(|(device, _)| Added {
            target: device.address.to_string(),
            sys_name: device.sys_name.clone(),
            auth: auth_of(device.credentials),
        }));
        diff
    }

    /// Add what is new, and with `prune` remove what is gone; all else stays as it was. Tells whether that changed
    /// anything.
    pub(super) fn merge(&mut self, diff: &Diff, prune: bool) -> bool {
        let gone: std::collections::HashSet<&str> =
            diff.gone.iter().filter(|gone| gone.prunable && prune).map(|gone| gone.target.as_str()).collect();
        if !gone.is_empty() {
            self.groups.retain_mut(|group| {
                let Some(targets) = group.get_mut("targets").and_then(Value::as_array_mut) else { return true };
                let before = targets.len();
                targets.retain(|target| target.as_str().is_none_or(|target| !gone.contains(target)));
                // A group that somebody left empty on purpose stays.
                targets.len() == before || !targets.is_empty()
            });
        }
        let mut added: Vec<&Added> = diff.added.iter().collect();
        added.sort_by(|a, b| (&a.sys_name, &a.target).cmp(&(&b.sys_name, &b.target)));
        for device in added {
            let mut labels = Map::new();
            if let Some(auth) = &device.auth {
                labels.insert(AUTH.into(), json!(auth));
            }
            if !device.sys_name.is_empty() {
                labels.insert(SYS_NAME.into(), json!(device.sys_name));
            }
            self.groups.push(json!({ "targets": [device.target], "labels": labels }));
        }
        !gone.is_empty() || !diff.added.is_empty()
    }

    /// Its groups.
    pub(super) fn groups(&self) -> &[Value] {
        &self.groups
    }

    /// As it is written.
    pub(super) fn text(&self) -> Result<String, String> {
        Ok(serde_json::to_string_pretty(&self.groups).map_err(|error| error.to_string())? + "\n")
    }
}
