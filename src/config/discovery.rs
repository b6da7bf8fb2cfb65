//! `[[snmp.targets_from]]`: targets out of other files, as Prometheus' file_sd has them:
//! `[{"targets": ["10.0.0.1", ...], "labels": {"role": "leaf"}}, ...]`, as JSON or YAML, or over HTTP as its http_sd.
//!
//! A bad file does not stop the rest: it is told with the file and the entry, and the targets it last held
//! when it was good stay in force.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::context::{At, Context, quote};
use super::fetch::TargetsUrl;
use super::problem::Severity;
use super::reader::Section;
use super::snmp::{Auths, PORT, Pace, Paces, Targets, check_label, read_labels};
use super::watch::Stamp;
use super::{glob, receivers, secret, units, yaml};
use crate::fabric::Labels;
use crate::snmp::Credentials;

/// A file of targets is not longer than this, bytes: about half a million targets.
pub(super) const LONGEST: u64 = 64 << 20;

/// A file with more wrong than this is told in part.
const MOST_PROBLEMS: usize = 20;

/// What becomes of a URL whose answer is not here yet.
const FETCHED: &str = "its targets are taken as soon as `selvedge run` has asked it";

/// What each file held when it was last good.
pub(super) type LastGood = BTreeMap<PathBuf, Vec<Listed>>;

/// A target as a file lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Canonical, with port.
    address: String,
    /// `__param_auth`
    auth: Option<String>,
    labels: Labels,
    /// `[3].targets[1]`
    entry: String,
}

/// One `[[snmp.targets_from]]`; gives the URL if it is one. `data` is the folder for what is kept.
pub(super) fn read(
    mut section: Section<'_>,
    data: &Path,
    paces: &Paces,
    auths: &mut Auths,
    targets: &mut Targets,
    last_good: &mut LastGood,
) -> Option<TargetsUrl> {
    let context = section.context;
    section.hint("files", "did you mean `file`? One pattern each; write [[snmp.targets_from]] again for more");
    section.hint("path", "did you mean `file`?");
    section.hint("url", "did you mean `http`?");
    let file = section.name("file", "write a path with wildcards, such as \"targets/*.json\"");
    let http = read_http(&mut section, data);
    let http_at = section.spanned("http").map(|(_, at)| at);
    if file.is_some() && http.is_some() {
        context.error(&section.at, "`file` and `http` together", "write [[snmp.targets_from]] once for each");
    } else if !section.has("http") {
        section.require("file", "write file = \"targets/*.json\", or http = \"https://...\"");
    }
    let auth = section.name("auth", "write the NAME of a section [snmp.auth.NAME], in quotes");
    let mut default = None;
    if let Some(found) = auth {
        match auths.find(&found.value) {
            Ok(credentials) => default = Some((found.value, credentials)),
            Err((what, help)) => {
                context.error(&found.at, what, help);
                default = Some((found.value, None));
            }
        }
    }
    let labels = read_labels(&mut section);
    let pace = Pace::read(&mut section);
    section.finish();

    // Where the targets lie, and what people know that place by.
    let mut places = Vec::new();
    if let Some(file) = file {
        let found = matching(context, &context.folder.join(&file.value), &file.at);
        places.extend(found.into_iter().map(|path| (path.clone(), path)));
    }
    if let (Some(http), Some(at)) = (&http, &http_at) {
        if http.copy.is_file() {
            places.push((http.copy.clone(), PathBuf::from(http.shown())));
        } else {
            context.files.borrow_mut().read(&http.copy, None);
            context.warn(at, format!("{} has not been asked yet", http.shown()), FETCHED);
        }
    }
    for (path, shown) in places {
        let (listed, sound) = read_file(context, &path, &shown);
        let mut source =
            Source { context, path: &shown, default: &default, labels: &labels, pace, paces, auths, targets };
        if source.credentials_known(&listed) && sound {
            last_good.insert(path.clone(), listed.clone());
            source.add(&listed);
        } else {
            let kept = last_good.get(&path).cloned();
            source.add(kept.as_deref().unwrap_or(&listed));
        }
    }
    http
}

/// `http` and what belongs to it.
fn read_http(section: &mut Section<'_>, data: &Path) -> Option<TargetsUrl> {
    let given = section.has("http");
    let url = secret::secret(section, "http").and_then(|url| receivers::read_url(section, url));
    let headers = receivers::read_headers(section);
    let ca = receivers::read_ca(section);
    let mut refresh = Duration::from_secs(60);
    section.duration("refresh", &mut refresh, Duration::from_secs(1)..=Duration::from_secs(86_400));
    if !given {
        for key in ["headers", "ca", "refresh"] {
            if let Some((_, at)) = section.spanned(key) {
                section.context.error(&at, format!("`{key}` belongs to `http`"), "files are read when they change");
            }
        }
    }
    let url = url?;
    Some(TargetsUrl { copy: TargetsUrl::copy_of(&url, data), url, refresh, headers, ca })
}

/// The pattern's files, noted for the watch.
fn matching(context: &Context<'_>, pattern: &Path, at: &At) -> Vec<PathBuf> {
    let (paths, errors) = glob::expand(pattern);
    context.files.borrow_mut().pattern(pattern);
    for (folder, error) in errors {
        context.warn(
            at,
            format!("{} cannot be listed: {error}", folder.display()),
            "the folder must be readable by the user that runs Selvedge",
        );
    }
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| path.is_file()).collect();
    if paths.is_empty() {
        context.warn(
            at,
            format!("no file matches {}", pattern.display()),
            "its targets are taken as soon as there is one; the path is relative to the configuration file",
        );
    }
    paths
}

/// What a file lists, as far as it can be read; and whether all of it could.
fn read_file(context: &Context<'_>, path: &Path, shown: &Path) -> (Vec<Listed>, bool) {
    let tell = |place, key: &str, what: String, help: &str| {
        context.other(Severity::Error, shown, place, key, what, help.to_owned());
    };
    let stamp = Stamp::of(path);
    context.files.borrow_mut().read(path, stamp);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)) {
        Err(error) => {
            tell(None, "", format!("it cannot be read: {error}"), "");
            return (Vec::new(), false);
        }
        Ok(_) if bytes.len() as u64 > LONGEST => {
            tell(None, "", format!("it is longer than {} MiB", LONGEST >> 20), "split it");
            return (Vec::new(), false);
        }
        Ok(_) => {}
    }
    let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let value = match if is_yaml { yaml::yaml(&bytes) } else { yaml::json(&bytes) } {
        Ok(value) => value,
        Err(error) => {
            let help = if is_yaml { "it must be a list of groups" } else { "it must be a JSON array" };
            tell(error.place, "", error.reason, help);
            return (Vec::new(), false);
        }
    };
    let mut problems = Vec::new();
    let listed = read_entries(&value, &mut problems);
    for (entry, what, help) in problems.iter().take(MOST_PROBLEMS) {
        tell(None, entry, what.clone(), help);
    }
    if problems.len() > MOST_PROBLEMS {
        tell(None, "", format!("{} more errors are not shown", problems.len() - MOST_PROBLEMS), "");
    }
    (listed, problems.is_empty())
}

/// The entry, what is wrong with it, and what to do.
type EntryProblem = (String, String, String);

fn read_entries(value: &Value, problems: &mut Vec<EntryProblem>) -> Vec<Listed> {
    let mut listed = Vec::new();
    let form = "write [{\"targets\": [\"10.0.0.1\"], \"labels\": {\"role\": \"leaf\"}}]";
    let mut tell = |entry: String, what: &str, help: &str| problems.push((entry, what.to_owned(), help.to_owned()));
    let Value::Array(groups) = value else {
        tell(String::new(), "expected an array of groups", form);
        return listed;
    };
    for (index, group) in groups.iter().enumerate() {
        let entry = format!("[{index}]");
        let Value::Object(group) = group else {
            tell(entry, "expected an object with `targets`", form);
            continue;
        };
        let mut labels = Labels::new();
        let mut auth = None;
        match group.get("labels") {
            None | Some(Value::Null) => {}
            Some(Value::Object(pairs)) => {
                for (name, value) in pairs {
                    let Value::String(value) = value else {
                        tell(format!("{entry}.labels.{name}"), "expected a string", "labels are texts");
                        continue;
                    };
                    if name == "__param_auth" {
                        auth = Some(value.clone());
                    } else if name.starts_with("__") {
                        // Notes of the discovery to itself.
                    } else if let Err((what, help)) = check_label(name) {
                        tell(format!("{entry}.labels.{name}"), &what, help);
                    } else {
                        labels.insert(name.clone(), value.clone());
                    }
                }
            }
            Some(_) => tell(format!("{entry}.labels"), "expected an object", form),
        }
        let Some(Value::Array(addresses)) = group.get("targets") else {
            tell(format!("{entry}.targets"), "expected an array of addresses", form);
            continue;
        };
        for (number, address) in addresses.iter().enumerate() {
            let entry = format!("{entry}.targets[{number}]");
            let Value::String(text) = address else {
                tell(entry, "expected an address in quotes", form);
                continue;
            };
            match units::host_port(text, PORT) {
                Ok(address) => listed.push(Listed { address, auth: auth.clone(), labels: labels.clone(), entry }),
                Err(reason) => tell(entry, &format!("{} {reason}", quote(text)), "write HOST or HOST:PORT"),
            }
        }
        if let Some(unknown) = group.keys().find(|key| !matches!(key.as_str(), "targets" | "labels")) {
            tell(format!("{entry}.{unknown}"), "unknown key", "known here: labels, targets");
        }
    }
    listed
}

/// One file, on its way into the list of targets.
struct Source<'a, 'c> {
    context: &'a Context<'c>,
    path: &'a Path,
    default: &'a Option<(String, Option<Arc<Credentials>>)>,
    labels: &'a Labels,
    pace: Pace,
    paces: &'a Paces,
    auths: &'a mut Auths,
    targets: &'a mut Targets,
}

impl Source<'_, '_> {
    /// Does every auth name lead somewhere? What does not is told once a name.
    fn credentials_known(&mut self, listed: &[Listed]) -> bool {
        let mut told = Vec::new();
        for target in listed {
            let problem = match (&target.auth, self.default) {
                (Some(name), _) => self.auths.find(name).err(),
                (None, Some(_)) => None,
                (None, None) => Some((
                    "no auth is known for it".to_owned(),
                    "write auth = \"NAME\" in [[snmp.targets_from]], or a label __param_auth in the file".to_owned(),
                )),
            };
            if let Some((what, help)) = problem
                && !told.contains(&target.auth)
            {
                self.context.other(Severity::Error, self.path, None, &target.entry, what, help);
                told.push(target.auth.clone());
                if told.len() == MOST_PROBLEMS {
                    break;
                }
            }
        }
        told.is_empty()
    }

    fn add(&mut self, listed: &[Listed]) {
        let mut repeated = 0_usize;
        for target in listed {
            if let Some(first) = self.targets.named.get(&target.address) {
                repeated += 1;
                if repeated <= MOST_PROBLEMS {
                    self.context.other(
                        Severity::Warning,
                        self.path,
                        None,
                        &target.entry,
                        format!("{} is a target already; this entry is left out", quote(&target.address)),
                        format!("it is named first at {first}"),
                    );
                }
                continue;
            }
            let (auth, credentials) = match (&target.auth, self.default) {
                (Some(name), _) => (name, self.auths.find(name).ok().flatten()),
                (None, Some((name, credentials))) => (name, credentials.clone()),
                (None, None) => continue,
            };
            let Some(credentials) = credentials else { continue };
            let place = format!("{} {}", self.path.display(), target.entry);
            self.targets.named.insert(target.address.clone(), place);
            // The file knows its targets better than the section that names many files.
            let mut labels = self.labels.clone();
            labels.extend(target.labels.clone());
            let named = (target.address.clone(), auth.clone());
            self.targets.list.push(self.paces.target(named, credentials, labels, Pace::default(), self.pace));
        }
    }
}
