//! `selvedge run`: watch, until told to stop.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use super::complete;
use crate::collect::host::Ability;
use crate::collect::snmp::Progress;
use crate::config::{self, Fetching, Loaded, Problem, Watch};
use crate::run::Selvedge;

/// How often files are looked at, and progress is told.
const LOOK: Duration = Duration::from_secs(1);
/// After this long the rest of the targets is no longer waited for: they are unreachable, and alerts tell so.
const DISCOVERY: Duration = Duration::from_secs(30);
/// A second request to stop that comes sooner after the first is the same one.
const BREATH: Duration = Duration::from_millis(500);

/// Options of `selvedge run`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Configuration file [default: selvedge.toml in the working directory, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Watch until SIGINT or SIGTERM.
pub fn run(args: Args) -> ExitCode {
    let loaded = match config::load(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(errors) => {
            tell(&errors.problems);
            return ExitCode::FAILURE;
        }
    };
    with_runtime("warn,selvedge=info", watch(args.config, loaded))
}

/// Set up logging, work, and turn the outcome into an exit status.
pub(super) fn with_runtime(logs: &str, work: impl Future<Output = Result<(), String>>) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SELVEDGE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(logs));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    complete(tokio::runtime::Builder::new_multi_thread().worker_threads(2), work)
}

async fn watch(path: Option<PathBuf>, loaded: Loaded) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    tell(&loaded.warnings);
    let mut selvedge = Selvedge::start(loaded.settings.clone()).await.map_err(|error| error.to_string())?;
    introduce(&loaded, &selvedge).map_err(|error| format!("cannot print: {error}"))?;

    let mut files = Watch::new(path.as_deref(), &loaded);
    let mut fetching = Fetching::default();
    fetching.reconfigure(&loaded.settings.snmp.targets_over_http);
    let mut telling = Telling::new();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let hung_up = tokio::select! {
            signal = signals.next() => match signal {
                Signal::HangUp => true,
                Signal::Stop => break,
            },
            _ = looks.tick() => false,
        };
        telling.tell(selvedge.progress(), &selvedge);
        // Files may lie on a disk that hangs: not in a task that others wait for.
        let looked = tokio::task::spawn_blocking(move || {
            let result = if hung_up { Some(files.reload()) } else { files.poll() };
            (files, result)
        });
        let (back, result) = looked.await.map_err(|error| format!("reading the configuration failed: {error}"))?;
        files = back;
        match result {
            None => {}
            Some(Ok(loaded)) => {
                tell(&loaded.warnings);
                tracing::info!("configuration read: {} targets", loaded.settings.targets.len());
                fetching.reconfigure(&loaded.settings.snmp.targets_over_http);
                selvedge.reload(loaded.settings).await;
            }
            Some(Err(errors)) => {
                tell(&errors.problems);
                tracing::error!("the configuration has errors; what was valid before stays in force");
            }
        }
    }
    tracing::info!("stopping; what is not told yet stays on disk");
    tokio::select! {
        () = selvedge.stop() => Ok(()),
        () = insisted(&mut signals) => Err("stopped at once, on a second signal".into()),
    }
}

/// Errors and warnings of the configuration, each with its place.
fn tell(problems: &[Problem]) {
    for problem in problems {
        anstream::eprintln!("{}", problem.coloured());
    }
}

/// Who asks again means it; but some send one request twice in the same breath, to the process and to its group.
async fn insisted(signals: &mut Signals) {
    let first = Instant::now();
    loop {
        signals.stop().await;
        if first.elapsed() >= BREATH {
            return;
        }
    }
}

pub(super) enum Signal {
    Stop,
    HangUp,
}

pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Until somebody asks to stop.
    pub(super) async fn stop(&mut self) {
        while !matches!(self.next().await, Signal::Stop) {}
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

/// What it watches and where the page is, in a few lines.
fn introduce(loaded: &Loaded, selvedge: &Selvedge) -> std::io::Result<()> {
    let settings = &loaded.settings;
    let mut out = anstream::stdout().lock();
    let mut line = |what: &str, value: String| writeln!(out, "  {what:<9} {value}");
    line("selvedge", env!("CARGO_PKG_VERSION").into())?;
    match &loaded.file {
        Some(file) => line("config", file.display().to_string())?,
        None => line("config", format!("none ({} is read where there is one)", config::DEFAULT_FILE))?,
    }
    match settings.targets.len() {
        0 => line("targets", "none".into())?,
        n => line("targets", format!("{n} by SNMP"))?,
    }
    line("host", this_machine(settings.host.enabled, selvedge))?;
    if let Some(traps) = &settings.traps {
        line("traps", traps.listen.to_string())?;
    }
    match settings.receivers.as_slice() {
        [] => line("alerts", "on the page only (no [[receiver]])".into())?,
        receivers => {
            line("alerts", format!("to {}", receivers.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ")))?
        }
    }
    line("data", settings.history.path.display().to_string())?;
    line("page", format!("http://{}/", selvedge.page()))?;
    out.flush()
}

/// What of this machine is watched; what cannot be is told with what to do.
fn this_machine(wanted: bool, selvedge: &Selvedge) -> String {
    if !wanted {
        return "not watched ([host] enabled = false)".into();
    }
    // It starts in a blink; whoever reads this wants to know what became of it.
    let mut status = selvedge.host().status();
    let mut reasons = selvedge.drops().status().reasons;
    for _ in 0..20 {
        if ![&status.counters, &status.lldp, &reasons].contains(&&Ability::Starting) {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
        status = selvedge.host().status();
        reasons = selvedge.drops().status().reasons;
    }
    let part = |name: &str, ability: &Ability| match ability {
        Ability::Running => name.to_owned(),
        Ability::Starting => format!("{name} (starting)"),
        Ability::Off => format!("{name} (off)"),
        Ability::Unable { why } => format!("no {name}: {why}"),
    };
    let parts = [
        part("interfaces", &status.counters),
        part("LLDP neighbours", &status.lldp),
        part("reasons for drops", &reasons),
    ];
    format!("{}: {}", selvedge.host().device(), parts.join(", "))
}

/// Tells how discovery goes: one line that moves on a terminal, else a line where something changed.
struct Telling {
    since: Instant,
    last: Option<Progress>,
    done: bool,
    terminal: bool,
}

impl Telling {
    fn new() -> Self {
        Self { since: Instant::now(), last: None, done: false, terminal: std::io::stderr().is_terminal() }
    }

    fn tell(&mut self, progress: Progress, selvedge: &Selvedge) {
        if self.done || progress.targets == 0 {
            return;
        }
        let complete = progress.answered + progress.failed >= progress.targets;
        self.done = progress.answered == progress.targets || (complete && self.since.elapsed() >= DISCOVERY);
        if self.last == Some(progress) && !self.done {
            return;
        }
        self.last = Some(progress);
        let failed = match progress.failed {
            0 => String::new(),
            failed => format!(", {failed} do not answer"),
        };
        let text = format!("discovering: {} of {} targets answer{failed}", progress.answered, progress.targets);
        if self.done {
            let interfaces: usize = selvedge.views().table().devices().iter().map(|device| device.interfaces).sum();
            let end = if self.terminal { "\r\x1b[K" } else { "" };
            eprintln!(
                "{end}discovered: {} of {} targets answer{failed}; {interfaces} interfaces",
                progress.answered, progress.targets
            );
        } else if self.terminal {
            eprint!("\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }
}
