//! `selvedge audit`: the ledger of redundancy, of an instance or of a snapshot that was saved, as it is or as it would be
//! without something. A gate before maintenance: exit status 1 when something would be lost.

mod report;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use reqwest::Url;

use self::report::Report;
use super::Format;
use crate::http;
use crate::topology::headroom::Headroom;
use crate::topology::ledger::{Auditor, Ledger, Scene, Without};

/// For the connection, and between two pieces of the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No snapshot is longer, bytes: half a million links take a quarter of it.
const LONGEST: u64 = 1 << 30;

/// Options of `selvedge audit`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// The instance to ask
    #[arg(
        long,
        env = "SELVEDGE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9750",
        conflicts_with = "from"
    )]
    url: Url,
    /// A snapshot that was saved, instead of an instance
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Save what the instance knows, to be asked later by --from
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    save: Option<PathBuf>,
    /// As if this were gone: a device, link:NAME, link:DEVICE:PORT or risk:NAME; may be given again
    #[arg(long, value_name = "WHAT")]
    without: Vec<String>,
    /// What makes the exit status 1
    #[arg(long, value_enum, default_value_t)]
    fail_on: FailOn,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What makes the exit status 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Anything that is not as it should be; with --without, anything that would be lost by it
    #[default]
    Any,
    /// Only that somebody has no way, or would have none
    CutOff,
}

/// Why there is no ledger.
enum Problem {
    /// The command line asks for what is not there: status 2.
    Usage(String),
    /// It cannot be had: status 1.
    Failure(String),
}

/// Print the ledger.
pub fn run(args: Args) -> ExitCode {
    match audit(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Problem::Usage(why)) => {
            anstream::eprintln!("error: {why}");
            ExitCode::from(2)
        }
        Err(Problem::Failure(why)) => {
            anstream::eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// True if all is as it should be.
fn audit(args: &Args) -> Result<bool, Problem> {
    let without: Vec<Without> = args.without.iter().filter_map(|what| what.parse().ok()).collect();
    let scene = match &args.from {
        Some(path) => read(path)?,
        None => ask(&args.url)?,
    };
    if let Some(path) = &args.save {
        save(path, &scene)?;
    }
    let mut auditor = Auditor::default();
    auditor.sync(&scene);
    let ledger = auditor.ledger_without(&scene, &without, true).map_err(|error| Problem::Usage(error.to_string()))?;
    let ledger = if without.is_empty() { ledger.with_headroom(Headroom::of_scene(&scene)) } else { ledger };
    print(&ledger, &scene, args.format)?;
    Ok(is_fine(&ledger, args.fail_on))
}

fn is_fine(ledger: &Ledger, fail_on: FailOn) -> bool {
    match (fail_on, &ledger.what_if) {
        (FailOn::Any, _) => ledger.findings == 0 && ledger.unmatched.is_empty(),
        (FailOn::CutOff, Some(what_if)) => what_if.cut_off.is_empty(),
        (FailOn::CutOff, None) => ledger.cut_off.is_empty(),
    }
}

fn print(ledger: &Ledger, scene: &Scene, format: Format) -> Result<(), Problem> {
    let mut out = anstream::stdout().lock();
    let printed = match format {
        Format::Json => {
            serde_json::to_string(ledger).map_err(std::io::Error::other).and_then(|json| writeln!(out, "{json}"))
        }
        Format::Human => write!(out, "{}", Report { ledger, scene }),
    };
    match printed {
        // A reader that had enough is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::Failure(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Scene, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::Failure(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| failed(&error))?;
    serde_json::from_reader(BufReader::new(file.take(LONGEST))).map_err(|error| {
        let why = format!("it is no snapshot that `selvedge audit --save` wrote ({error})");
        failed(&why)
    })
}

fn save(path: &Path, scene: &Scene) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::Failure(format!("cannot save {}: {error}", path.display()));
    let json = serde_json::to_vec(scene).map_err(|error| failed(std::io::Error::other(error)))?;
    std::fs::write(path, json).map_err(failed)
}

fn ask(url: &Url) -> Result<Scene, Problem> {
    let mut shown = url.clone();
    // Refused by addresses without a host, which have no password either.
    let _ = shown.set_password(None);
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::Usage(format!(
            "{shown} is no address of an instance: it begins with http:// or https://"
        )));
    }
    let failed = |why: String| {
        Problem::Failure(format!(
            "cannot ask {shown}: {why}\n  is `selvedge run` running there? another instance is named by --url or SELVEDGE_URL"
        ))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::Failure(format!("cannot start: {error}")))?;
    let bytes = runtime.block_on(fetch(url)).map_err(&failed)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| failed(format!("what answers is no Selvedge of this version ({error})")))
}

async fn fetch(url: &Url) -> Result<Vec<u8>, String> {
    let mut url = url.clone();
    let path = format!("{}/api/audit/snapshot", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let client = http::client(std::slice::from_ref(&url), None)
        .map_err(http::innermost)?
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(http::innermost)?;
    let mut response = client.get(url).send().await.map_err(http::innermost)?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(http::innermost)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > LONGEST {
            return Err("it sends more than a fabric has".into());
        }
    }
    Ok(bytes)
}
