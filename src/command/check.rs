//! `selvedge check`: is the configuration fine, and if not, all that is wrong with it.
//!
//! Exit status 0: it is, warnings or not; 1: it is not; 2: the command line is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::Format;
use crate::config::{self, Errors, Loaded, Problem, Settings, Severity};

/// Check a configuration without starting anything.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration; without it selvedge.toml in the working directory, if it is there.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Run the command.
pub fn run(args: Args) -> ExitCode {
    let report = Report::new(config::load(args.config.as_deref()));
    match args.format {
        Format::Human => {
            for problem in &report.problems {
                // Colours are taken out again where stderr is not a terminal.
                anstream::eprintln!("{}", problem.coloured());
            }
            if report.ok {
                anstream::println!("{}", report.verdict);
            } else {
                anstream::eprintln!("{}", report.verdict);
            }
        }
        Format::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => anstream::println!("{json}"),
            Err(error) => anstream::eprintln!("error: the report cannot be written: {error}"),
        },
    }
    if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    /// None: there is none, defaults hold.
    config: Option<PathBuf>,
    /// How many devices are polled.
    targets: usize,
    receivers: usize,
    host: bool,
    problems: Vec<Problem>,
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
            host: shown.host.enabled,
            problems,
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
