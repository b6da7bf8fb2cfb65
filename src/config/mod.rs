//! From a file to settings: raw first, then resolved once, with the place of every error.
//!
//! ```text
//!  selvedge.toml --toml--> tables with spans --reader, sections--> Settings   (all errors, not the first)
//!  secrets' files, environment --secret--^   ^--discovery-- targets/*.json <--fetch-- http://...
//!                                            ^--profiles, mibs-- mibs/*
//!  watch: compares the files with what was read, and reads all again
//! ```
//!
//! Paths in a file are relative to the file's folder. Not here on purpose: `include`, templates and
//! environment variables inside of texts; a secret is the only thing that comes from outside.

mod alerts;
mod context;
mod discovery;
mod exporter;
mod exports;
mod fetch;
mod glob;
mod mask;
pub mod mibs;
mod problem;
mod profiles;
mod protect;
mod reader;
mod receivers;
mod secret;
mod sections;
mod snmp;
mod source;
mod suggest;
mod units;
mod watch;
mod yaml;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

pub use self::fetch::{Fetching, TargetsUrl};
pub use self::problem::{Errors, Problem, Severity, Snippet};
pub use self::watch::{Files, Watch};

use self::context::Context;
use self::reader::Section;
use self::watch::Stamp;
use crate::alert::{self, Route};
use crate::collect::{HostSettings, Target, TrapSettings};
use crate::deliver::ReceiverSettings;
use crate::export::ExportSettings;
use crate::mib::profile::Profiles;
use crate::snmp::Credentials;
use crate::{aggregate, detect, history, topology, web};

/// A duration as the configuration has it: `30m`, `1h30m`, `3d`. Where it is none, half a sentence says why.
///
/// # Errors
/// It is no duration.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    units::duration(text)
}

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "selvedge.toml";

/// No configuration is longer, bytes.
const LONGEST: u64 = 64 << 20;

/// All that the operator set, resolved and checked. Never changed: a reload makes a new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[web]`
    pub web: web::Settings,
    /// `[history]`
    pub history: history::Settings,
    /// `[snmp]` without its targets.
    pub snmp: SnmpSettings,
    /// `[[snmp.target]]` and what `[[snmp.targets_from]]` files hold now; no address twice.
    pub targets: Vec<Target>,
    /// `[traps]`; none without the section.
    pub traps: Option<TrapSettings>,
    /// `[host]`
    pub host: HostSettings,
    /// `[[interface]]` and `[interfaces]`
    pub aggregate: aggregate::Settings,
    /// `[detect.*]`
    pub detect: detect::Settings,
    /// `[redundancy]`, `[[redundancy.group]]`, `[[shared_risk]]` and `[[protect]]`
    pub topology: topology::Settings,
    /// `[[receiver]]`
    pub receivers: Vec<ReceiverSettings>,
    /// `[[route]]`
    pub routes: Vec<Route>,
    /// `[[export]]`
    pub exports: Vec<ExportSettings>,
    /// `[alerts]`, `[[maintenance]]`, and the circuits of `[[interface]]` and `[[redundancy.group]]`
    pub alerts: alert::Settings,
}

/// `[snmp]`: what targets have that do not say otherwise, and all credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpSettings {
    /// How often counters are read.
    pub interval: Duration,
    /// How long one request may take before it is asked again.
    pub timeout: Duration,
    /// How often it is asked again.
    pub retries: u32,
    /// `[snmp.auth.NAME]` by name.
    pub auths: BTreeMap<String, Arc<Credentials>>,
    /// What is read of which devices beside the standard tables.
    pub profiles: Arc<Profiles>,
    /// The operator's folder of profiles and MIB modules, where there is one.
    pub mibs: Option<PathBuf>,
    /// `[[snmp.targets_from]]` with `http`: what keeps their copies fresh reads this.
    pub targets_over_http: Vec<TargetsUrl>,
}

impl Default for SnmpSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            retries: 2,
            auths: BTreeMap::new(),
            profiles: profiles::shipped(),
            mibs: None,
            targets_over_http: Vec::new(),
        }
    }
}

/// Settings that may be used, and what came with them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is odd about them. Problems of target files are here too, even those of severity error: one bad
    /// file does not stop the rest.
    pub warnings: Vec<Problem>,
    /// The configuration file; none where there is none and defaults hold.
    pub file: Option<PathBuf>,
    /// Everything that was looked at.
    pub files: Files,
    last_good: discovery::LastGood,
}

/// Read a configuration: the named file, else `selvedge.toml` in the working directory if it is there, else
/// the defaults, which watch this host.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn load(path: Option<&Path>) -> Result<Loaded, Errors> {
    load_with(path, &|name| std::env::var_os(name), &discovery::LastGood::new())
}

fn load_with(
    path: Option<&Path>,
    env: &dyn Fn(&str) -> Option<OsString>,
    last_good: &discovery::LastGood,
) -> Result<Loaded, Errors> {
    let file = path.unwrap_or(Path::new(DEFAULT_FILE));
    let mut files = Files::default();
    files.read(file, Stamp::of(file));
    match read_text(file) {
        Ok(text) => read(Context::new(file, text, files, env), last_good.clone()),
        Err(Unreadable::Missing) if path.is_none() => {
            let (settings, warnings, last_good) = Default::default();
            Ok(Loaded { settings, warnings, file: None, files, last_good })
        }
        Err(reason) => {
            let (what, help, place) = reason.explain();
            let (line, column) = place.unzip();
            let (severity, file, key, snippet) = (Severity::Error, file.to_owned(), String::new(), None);
            Err(Errors { problems: vec![Problem { severity, file, line, column, key, what, help, snippet }], files })
        }
    }
}

enum Unreadable {
    Missing,
    Failed(io::Error),
    TooLong,
    /// Line and column of the first byte that is not UTF-8.
    NotText(usize, usize),
}

impl Unreadable {
    fn explain(self) -> (String, String, Option<(usize, usize)>) {
        match self {
            Self::Missing => (
                "there is no such file".into(),
                "name the right one by --config FILE; without it Selvedge watches this host with defaults".into(),
                None,
            ),
            Self::Failed(error) => (
                format!("it cannot be read: {error}"),
                "it must be a file that the user who runs Selvedge may read".into(),
                None,
            ),
            Self::TooLong => (format!("it is longer than {} MiB", LONGEST >> 20), "is it the right file?".into(), None),
            Self::NotText(line, column) => {
                ("it is not UTF-8 text".into(), "save it as UTF-8".into(), Some((line, column)))
            }
        }
    }
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Failed(error),
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Unreadable::TooLong);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let last = good.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        Unreadable::NotText(line, String::from_utf8_lossy(last).chars().count() + 1)
    })
}

/// The words for what is wrong with the text itself: what, what to do, and whether the other keys can still be
/// looked at, as the parser went on with the value taken for what it most likely is.
fn explain_syntax(message: &str) -> (&str, &str, bool) {
    let begins = |start: &str| message.starts_with(start);
    if begins("string values must be quoted") {
        ("a text without quotes", "write the value in quotes", true)
    } else if ["float", "integer", "boolean", "datetime"].iter().any(|kind| begins(&format!("invalid {kind}"))) {
        ("this is not a value", "write texts in quotes, and numbers, true and false without", true)
    } else if begins("duplicate key") {
        ("this key or section is here already", "each is written once; join the two", true)
    } else {
        (message, "this is not TOML: strings are in quotes, sections in [brackets]", false)
    }
}

fn read(context: Context<'_>, mut last_good: discovery::LastGood) -> Result<Loaded, Errors> {
    let settings = {
        let (table, errors) = DeTable::parse_recoverable(context.source.text());
        let mut readable = true;
        for error in &errors {
            let (what, help, local) = explain_syntax(error.message());
            readable &= local;
            let end = context.source.text().len();
            context.broken(error.span().unwrap_or(end..end), what, help);
        }
        if readable { resolve(&context, table.get_ref(), &mut last_good) } else { Settings::default() }
    };
    let file = Some(context.file.clone());
    let fatal = |problem: &Problem| problem.severity == Severity::Error && Some(&problem.file) == file.as_ref();
    let (problems, files) = context.finish();
    if problems.iter().any(fatal) {
        return Err(Errors { problems, files });
    }
    // What is remembered of files that are not read any more is of no use.
    last_good.retain(|path, _| files.paths().any(|known| known == path));
    Ok(Loaded { settings, warnings: problems, file, files, last_good })
}

fn resolve<'a>(context: &'a Context<'a>, table: &'a DeTable<'a>, last_good: &mut discovery::LastGood) -> Settings {
    let mut root = Section::root(context, table);
    root.hint("target", "targets are written [[snmp.target]]");
    root.hint("receivers", "each receiver is a table of its own: [[receiver]]");
    root.hint("exports", "each export is a table of its own: [[export]]");
    root.hint("routes", "each route is a table of its own: [[route]]");
    let history = sections::read_history(&mut root);
    let snmp = root.section("snmp", "write [snmp]");
    let (snmp, targets) = snmp::read(snmp, context, &history.path, last_good);
    let (receivers, names) = receivers::read_receivers(&mut root);
    let routes = receivers::read_routes(&mut root, &names, &targets);
    let mut alerts = alerts::read_alerts(&mut root);
    let host = sections::read_host(&mut root);
    let mut topology = sections::read_topology(&mut root, &mut alerts);
    protect::read(&mut root, &mut topology, &targets, &host);
    let settings = Settings {
        web: sections::read_web(&mut root),
        history,
        snmp,
        targets,
        traps: sections::read_traps(&mut root),
        host,
        aggregate: sections::read_interfaces(&mut root, &mut alerts),
        detect: sections::read_detect(&mut root),
        topology,
        receivers,
        routes,
        exports: exports::read_exports(&mut root),
        alerts,
    };
    if names.is_empty() {
        context.warn_file(
            "no receiver is configured: alerts are shown on the page and told to nobody",
            "add a [[receiver]]",
        );
    }
    if settings.targets.is_empty() && !settings.host.enabled {
        context.warn_file("nothing is watched", "add a [[snmp.target]], or switch [host] on");
    }
    root.finish();
    settings
}

#[cfg(test)]
mod tests;
