//! `selvedge discover SEED...`: a crawl over LLDP from a few devices on, written down as a file of targets
//! (Prometheus file_sd), which `[[snmp.targets_from]]` reads.
//!
//! Safe to run again: what the file holds stays as it is, labels of people's own too; only what is new is added.
//! The targets in it are asked as well, so that what does not answer any more is told, and removed with `--prune`.
//!
//! Exit status 0: the fabric was crawled; 1: a seed did not answer, or the file cannot be read or written; 2: the command
//! line or the configuration is wrong.

mod report;
mod targets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::device::{self, ProgressLine, SpeechArgs};
use super::{Format, complete, record};
use crate::collect::snmp::look::{self, Hearing};
use crate::collect::snmp::{Client, Stats, Wire, resolve};
use crate::config;
use crate::fabric::UnreachableReason;
use crate::snmp::{Access, Credentials, Patience};
use crate::topology::crawl::{Answer, Ask, Crawl, Outcome, Prefix, Settings};
use report::Report;
use targets::{Listed, TargetsFile};

/// Devices that are asked at the same time. Each is asked one thing at a time; a silent one takes seconds.
const AT_ONCE: usize = 64;

/// Crawl a fabric over what its devices say of their neighbours, and write its targets down.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to begin: host names or addresses, with a port if it is not 161. Neighbours are asked at the same port.
    #[arg(value_name = "SEED", required = true)]
    pub seeds: Vec<String>,
    /// Try the configuration's section [snmp.auth.NAME]; may be given several times, and they are tried in this order.
    /// Without any, all sections are tried.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["community", "v3_user"])]
    pub auth: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub speech: SpeechArgs,
    /// Ask devices in this block of addresses, such as 10.0.0.0/8; may be given several times. Without any, those around
    /// the seeds: their /24, for IPv6 their /64. The credentials are sent to addresses that devices announce, so name no
    /// more than what is yours.
    #[arg(long, value_name = "CIDR")]
    pub allow: Vec<Prefix>,
    /// Find no more devices than this.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_devices: u32,
    /// The file of targets. Without this they go to stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Remove targets from the file that do not answer any more (only if all seeds do).
    #[arg(long, requires = "output")]
    pub prune: bool,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// One way to speak to a device.
struct Voice {
    /// The section [snmp.auth.NAME]; none for credentials from the command line.
    name: Option<String>,
    access: Access,
}

/// All ways, in the order in which they are tried.
struct Voices {
    voices: Vec<Voice>,
    patience: Patience,
}

impl Voices {
    fn place_of(&self, name: &str) -> Option<usize> {
        self.voices.iter().position(|voice| voice.name.as_deref() == Some(name))
    }
}

/// Run the command.
pub fn run(args: Args) -> ExitCode {
    let prepared = (|| {
        let seeds = args.seeds.iter().map(|seed| device::with_port(seed)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, String>((seeds, voices(&args)?))
    })();
    match prepared {
        Ok((seeds, voices)) => {
            let work = async {
                let (report, silent) = discover(&args, &seeds, voices).await?;
                report.print(args.format, args.output.as_deref())?;
                if silent.is_empty() { Ok(()) } else { Err(silent.join("; ")) }
            };
            complete(&mut tokio::runtime::Builder::new_multi_thread(), work)
        }
        Err(problem) => {
            anstream::eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn voices(args: &Args) -> Result<Voices, String> {
    let defaults = config::SnmpSettings::default();
    let (mut timeout, mut retries) = (defaults.timeout, defaults.retries);
    let mut found: Vec<(Option<String>, Arc<Credentials>)> = Vec::new();
    if let Some(credentials) = args.speech.credentials()? {
        found.push((None, Arc::new(credentials)));
    } else {
        let loaded = config::load(args.speech.config.as_deref()).map_err(|errors| errors.to_string())?;
        let snmp = loaded.settings.snmp;
        (timeout, retries) = (snmp.timeout, snmp.retries);
        let file = loaded.file.map_or_else(|| config::DEFAULT_FILE.into(), |file| file.display().to_string());
        for name in &args.auth {
            let credentials = snmp.auths.get(name).ok_or_else(|| format!("{file} has no [snmp.auth.{name}]"))?;
            found.push((Some(name.clone()), credentials.clone()));
        }
        if args.auth.is_empty() {
            found.extend(snmp.auths.iter().map(|(name, credentials)| (Some(name.clone()), credentials.clone())));
        }
        if found.is_empty() {
            return Err(format!(
                "nothing to speak to devices with: {file} has no [snmp.auth.NAME], and there is neither --community nor --v3-user"
            ));
        }
    }
    let patience =
        Patience { timeout: args.speech.timeout.unwrap_or(timeout), retries: args.speech.retries.unwrap_or(retries) };
    let voice = |(name, credentials): (_, Arc<Credentials>)| match Access::new(&credentials) {
        Ok(access) => Ok(Voice { name, access }),
        Err(error) => Err(format!("the credentials give no key: {error:?}")),
    };
    Ok(Voices { voices: found.into_iter().map(voice).collect::<Result<_, _>>()?, patience })
}

/// A seed, and where it is if its name tells.
type Seed = (String, Option<SocketAddr>);

/// Crawl and write the file; gives what there is to report, and the seeds that did not answer.
async fn discover(args: &Args, seeds: &[String], voices: Voices) -> Result<(Report, Vec<String>), String> {
    let mut file = match &args.output {
        Some(path) => TargetsFile::read(path)?,
        None => TargetsFile::default(),
    };
    let mut places: Vec<Seed> = Vec::new();
    for seed in seeds {
        places.push((seed.clone(), resolve(seed).await));
    }
    let mut allow = args.allow.clone();
    if allow.is_empty() {
        allow.extend(places.iter().filter_map(|(_, address)| Some(Prefix::around(address.as_ref()?.ip()))));
    }
    let mut listed: Vec<(Listed, Option<SocketAddr>)> = Vec::new();
    for target in file.listed() {
        let address = resolve(&target.address).await;
        listed.push((target, address));
    }

    let mut crawl = Crawl::new(Settings { allow, max_devices: args.max_devices as usize });
    for address in places.iter().filter_map(|(_, address)| *address) {
        crawl.offer(address, None);
    }
    for (target, address) in &listed {
        // A target whose credentials are not among ours would only seem to be silent.
        let likely = target.auth.as_deref().map(|name| voices.place_of(name));
        if let (Some(address), None | Some(Some(_))) = (address, likely) {
            crawl.offer(*address, likely.flatten());
        }
    }
    let voices = Arc::new(voices);
    let mut notes = Vec::new();
    go(&mut crawl, &voices, &mut notes).await?;
    if crawl.dropped() > 0 {
        notes.push(format!("{} neighbours more were announced than are looked at", crawl.dropped()));
    }

    let silent = silent_seeds(&places, &crawl);
    let auth_of = |place: usize| voices.voices.get(place).and_then(|voice| voice.name.clone());
    let diff = file.compare(&listed, &crawl, auth_of);
    let pruned = args.prune && silent.is_empty();
    if args.prune && !pruned && !diff.gone.is_empty() {
        notes.push("nothing was pruned: not every seed answers".into());
    }
    let changed = file.merge(&diff, pruned);
    let mut written = false;
    if let (Some(path), true) = (&args.output, changed) {
        let text = file.text()?;
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        record::replace(path, |out| out.write_all(text.as_bytes())).map_err(failed)?;
        written = true;
    }
    Ok((Report::new(&crawl, &file, diff, pruned, written, notes, auth_of), silent))
}

/// Ask until nobody is left to be asked.
async fn go(crawl: &mut Crawl, voices: &Arc<Voices>, notes: &mut Vec<String>) -> Result<(), String> {
    let stats = Arc::new(Stats::default());
    let wire = Wire::open(stats.clone()).map_err(|error| format!("no socket to ask with: {error}"))?;
    let mut line = ProgressLine::new();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < AT_ONCE {
            let Some(question) = crawl.next_ask() else { break };
            asked.spawn(ask(question, wire.clone(), stats.clone(), voices.clone()));
        }
        let (asking, waiting) = crawl.under_way();
        line.tell(&format!("found {}, asking {asking}, {waiting} more heard of", crawl.devices().len()));
        match asked.join_next().await {
            None => return Ok(()),
            Some(Ok((question, Ok((answer, missing))))) => {
                let name =
                    if answer.sys_name.is_empty() { question.address.to_string() } else { answer.sys_name.clone() };
                notes.extend(missing.into_iter().map(|missing| format!("{name}: {missing}")));
                crawl.answered(&question, answer);
            }
            Some(Ok((question, Err(reason)))) => crawl.failed(&question, reason),
            Some(Err(error)) => return Err(format!("a question was broken off: {error}")),
        }
    }
}

/// Put a question in every way that we have; the answer comes with what could not be read.
async fn ask(
    question: Ask,
    wire: Arc<Wire>,
    stats: Arc<Stats>,
    voices: Arc<Voices>,
) -> (Ask, Result<(Answer, Vec<String>), UnreachableReason>) {
    let rest = (0..voices.voices.len()).filter(|place| Some(*place) != question.likely);
    let mut why = UnreachableReason::Timeout;
    for place in question.likely.into_iter().chain(rest) {
        let Some(voice) = voices.voices.get(place) else { continue };
        let mut client = Client::new(&wire, question.address, voice.access.clone(), voices.patience);
        match Hearing::take(&mut client, &stats).await {
            Ok(hearing) => {
                let answer = Answer {
                    sys_name: hearing.facts.sys_name,
                    chassis_id: hearing.facts.chassis_id,
                    credentials: place,
                    heard: hearing.devices,
                };
                return (question, Ok((answer, hearing.missing)));
            }
            Err(error) => match error.reason() {
                UnreachableReason::Timeout => {
                    if look::nothing_listens(question.address, voice.access.clone()).await {
                        return (question, Err(UnreachableReason::Refused));
                    }
                }
                // That it refused one of several says more than its silence to others.
                reason => why = reason,
            },
        }
    }
    (question, Err(why))
}

fn silent_seeds(seeds: &[Seed], crawl: &Crawl) -> Vec<String> {
    let why = |address: &Option<SocketAddr>| match address {
        None => Some(UnreachableReason::NameResolution.as_str()),
        Some(address) => match crawl.outcome(address) {
            Some(Outcome::Device(_)) => None,
            Some(Outcome::Silent(reason)) => Some(reason.as_str()),
            Some(Outcome::Asking) | None => Some("not asked: as many devices as --max-devices were found before"),
        },
    };
    seeds.iter().filter_map(|(seed, address)| Some(format!("seed {seed}: {}", why(address)?))).collect()
}

#[cfg(test)]
mod tests;
