//! `selvedge check`: is the configuration fine, and if not, all that is wrong with it.
//!
//! With `--send-test` it also sends a test alert to one receiver, or a test point to one export, and says what that answered.
//!
//! Exit status 0: it is, warnings or not, and the receiver took the test; 1: not so; 2: the command line is wrong.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Format;
use crate::config::{self, Errors, Loaded, Problem, Settings, Severity};
use crate::deliver::{self, ReceiverSettings, Trial};
use crate::export::{self, ExportSettings};
use crate::fabric::Timestamp;

/// Check a configuration without starting anything.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration; without it selvedge.toml in the working directory, if it is there.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Send a test alert (SelvedgeTest, severity info) and its end to this receiver, or a test point to this export, and say
    /// what it answers.
    #[arg(long, value_name = "NAME")]
    pub send_test: Option<String>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Run the command.
pub fn run(args: Args) -> ExitCode {
    let loaded = config::load(args.config.as_deref());
    let chosen = match (&args.send_test, &loaded) {
        (Some(name), Ok(loaded)) => Some(choose(name, &loaded.settings)),
        _ => None,
    };
    let mut report = Report::new(loaded);
    let mut failed = false;
    match chosen {
        Some(Ok(Chosen::Receiver(receiver, page))) => match send(&receiver, &page) {
            Ok(trials) => {
                failed = trials.iter().any(|trial| !trial.taken);
                report.test = Some(TestReport { receiver: receiver.name, ok: !failed, requests: trials });
            }
            Err(error) => return complain(&error),
        },
        Some(Ok(Chosen::Export(export))) => match send_point(&export) {
            Ok(trial) => {
                failed = !trial.taken;
                report.export_test = Some(ExportTestReport { export: export.name, ok: !failed, answer: trial.answer });
            }
            Err(error) => return complain(&error),
        },
        Some(Err(error)) => return complain(&error),
        None => {}
    }
    match args.format {
        Format::Human => {
            for problem in &report.problems {
                // Colours are taken out again where stderr is not a terminal.
                anstream::eprintln!("{}", problem.coloured());
            }
            if report.ok {
                anstream::println!("{}", report.verdict);
                for line in report
                    .test
                    .iter()
                    .flat_map(TestReport::lines)
                    .chain(report.export_test.iter().map(ExportTestReport::line))
                {
                    anstream::println!("{line}");
                }
            } else {
                anstream::eprintln!("{}", report.verdict);
            }
        }
        Format::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => anstream::println!("{json}"),
            Err(error) => anstream::eprintln!("error: the report cannot be written: {error}"),
        },
    }
    if report.ok && !failed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(error: &str) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Who is to get a test.
#[derive(Debug)]
enum Chosen {
    /// And where the page is, for the link in the alert.
    Receiver(ReceiverSettings, String),
    Export(ExportSettings),
}

/// The receiver, or else the export, with this name.
fn choose(name: &str, settings: &Settings) -> Result<Chosen, String> {
    let page = format!("http://{}", settings.web.listen);
    match settings.receivers.iter().find(|receiver| receiver.name == name) {
        Some(receiver) => Ok(Chosen::Receiver(receiver.clone(), page)),
        None => match settings.exports.iter().find(|export| export.name == name) {
            Some(export) => Ok(Chosen::Export(export.clone())),
            None => Err(nobody(name, settings)),
        },
    }
}

fn nobody(name: &str, settings: &Settings) -> String {
    let receivers = settings.receivers.iter().map(|receiver| &receiver.name);
    let names = receivers.chain(settings.exports.iter().map(|export| &export.name));
    let known: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if known.is_empty() {
        format!("there is no receiver {name:?}; add a [[receiver]]")
    } else {
        format!("there is no receiver or export {name:?}; known are {}", known.join(", "))
    }
}

fn send_point(export: &ExportSettings) -> Result<export::Trial, String> {
    let (now, runtime) = begin()?;
    Ok(runtime.block_on(export::send_test(export, now)))
}

fn send(receiver: &ReceiverSettings, page: &str) -> Result<Vec<Trial>, String> {
    let (now, runtime) = begin()?;
    Ok(runtime.block_on(deliver::send_test(receiver, page, now)))
}

fn begin() -> Result<(Timestamp, tokio::runtime::Runtime), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock stands before 1970")?;
    let now = Timestamp::from_micros(i64::try_from(now.as_micros()).map_err(|_| "the clock is out of range")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    Ok((now, runtime))
}

/// What a receiver made of the test.
#[derive(Debug, Serialize)]
struct TestReport {
    receiver: String,
    ok: bool,
    requests: Vec<Trial>,
}

impl TestReport {
    fn lines(&self) -> impl Iterator<Item = String> {
        self.requests.iter().map(|trial| {
            let Trial { told, member, taken, answer } = trial;
            let member = member.map_or(String::new(), |member| format!(", member {member}"));
            let verdict = if *taken { "taken" } else { "NOT taken" };
            format!("{}{member}: test alert {told}: {verdict}: {answer}", self.receiver)
        })
    }
}

/// What a database made of the test.
#[derive(Debug, Serialize)]
struct ExportTestReport {
    export: String,
    ok: bool,
    answer: String,
}

impl ExportTestReport {
    fn line(&self) -> String {
        let verdict = if self.ok { "taken" } else { "NOT taken" };
        format!("{}: test point: {verdict}: {}", self.export, self.answer)
    }
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    /// None: there is none, defaults hold.
    config: Option<PathBuf>,
    /// How many devices are polled.
    targets: usize,
    receivers: usize,
    exports: usize,
    host: bool,
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<TestReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_test: Option<ExportTestReport>,
    #[serde(skip)]
    verdict: String,
}

impl Report {
    fn new(result: Result<Loaded, Errors>) -> Self {
        let (settings, problems, config) = match result {
            Ok(Loaded { settings, warnings, file, .. }) => (Some(settings), warnings, file),
            Err(errors) => {
                let file = errors.problems.first().map(|problem| problem.file.clone());
                (None, errors.problems, file)
            }
        };
        let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let warned = if warnings == 0 { String::new() } else { format!(", {}", some(warnings, "warning")) };
        let verdict = match (&settings, &config) {
            (Some(settings), Some(file)) if errors == 0 => {
                format!("{}: {}, fine{warned}", file.display(), watched(settings))
            }
            (Some(settings), None) => {
                format!("no {} here: the defaults watch {}, fine", config::DEFAULT_FILE, watched(settings))
            }
            (_, file) => {
                let file = file.as_deref().map_or_else(|| config::DEFAULT_FILE.into(), |file| file.to_string_lossy());
                format!("{file}: {}{warned}", some(errors, "error"))
            }
        };
        let defaults = Settings::default();
        let shown = settings.as_ref().unwrap_or(&defaults);
        Self {
            ok: errors == 0,
            config,
            targets: settings.as_ref().map_or(0, |settings| settings.targets.len()),
            receivers: settings.as_ref().map_or(0, |settings| settings.receivers.len()),
            exports: settings.as_ref().map_or(0, |settings| settings.exports.len()),
            host: shown.host.enabled,
            problems,
            test: None,
            export_test: None,
            verdict,
        }
    }
}

/// What the settings watch and tell, in a line.
fn watched(settings: &Settings) -> String {
    let mut parts = Vec::new();
    if !settings.targets.is_empty() || !settings.host.enabled {
        parts.push(some(settings.targets.len(), "target"));
    }
    if settings.host.enabled {
        parts.push("this host".to_owned());
    }
    if let Some(traps) = &settings.traps {
        parts.push(format!("traps on {}", traps.listen));
    }
    if !settings.receivers.is_empty() {
        parts.push(some(settings.receivers.len(), "receiver"));
    }
    if !settings.exports.is_empty() {
        parts.push(some(settings.exports.len(), "export"));
    }
    parts.push(format!("page on http://{}/", settings.web.listen));
    parts.join(", ")
}

fn some(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn report(text: &str) -> (Report, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("selvedge.toml");
        std::fs::write(&file, text).unwrap();
        (Report::new(config::load(Some(&file))), folder)
    }

    fn verdict(text: &str) -> String {
        let (report, folder) = report(text);
        report.verdict.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn says_in_a_line_what_is_watched() {
        let auth = "[snmp.auth.lab]\nversion = \"2c\"\ncommunity = \"c\"\n";
        let target = "[[snmp.target]]\naddress = \"a\"\nauth = \"lab\"\n";
        let receiver = "[[receiver]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://a/\"\n";
        assert_eq!(verdict(""), "selvedge.toml: this host, page on http://127.0.0.1:9750/, fine, 1 warning");
        assert_eq!(
            verdict(&format!("{auth}{target}{receiver}[traps]\n[host]\nenabled = false")),
            "selvedge.toml: 1 target, traps on 0.0.0.0:162, 1 receiver, page on http://127.0.0.1:9750/, fine"
        );
        assert_eq!(verdict("[webb]\nx = 1"), "selvedge.toml: 1 error, 1 warning");
        let missing = Report::new(config::load(Some("/nowhere.toml".as_ref())));
        assert_eq!((missing.ok, &*missing.verdict), (false, "/nowhere.toml: 1 error"));
    }

    #[test]
    fn a_bad_file_of_targets_is_a_failure() {
        let (_, folder) = report("");
        std::fs::write(folder.path().join("t.json"), "{").unwrap();
        let text = "[[snmp.targets_from]]\nfile = \"t.json\"";
        std::fs::write(folder.path().join("selvedge.toml"), text).unwrap();
        assert!(!Report::new(config::load(Some(&folder.path().join("selvedge.toml")))).ok);
    }

    #[test]
    fn json_names_the_place_of_every_problem() {
        let (report, folder) = report("[web]\nlisten = 7\n");
        let json = serde_json::to_value(&report).unwrap();
        let file = folder.path().join("selvedge.toml");
        assert_eq!(json["ok"], false);
        assert_eq!(
            json["problems"][0],
            serde_json::json!({
                "severity": "error", "file": file, "line": 2, "column": 10, "key": "web.listen",
                "message": "expected a string, found a whole number",
                "help": "write an address of this machine and a port, such as \"127.0.0.1:9750\" or \"[::]:9750\"",
            })
        );
    }

    #[test]
    fn the_command_line_is_understood() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.args);
        let args = parse("check --config a.toml --format json").unwrap();
        assert_eq!((args.config, args.format), (Some("a.toml".into()), Format::Json));
        assert_eq!(parse("check").unwrap().format, Format::Human);
        assert_eq!(parse("check --format xml").unwrap_err().exit_code(), 2);
    }
}
