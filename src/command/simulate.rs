//! `selvedge simulate`: SNMP agents on loopback: a leaf-spine with moving traffic, recordings of devices, or as many
//! switches as one wants.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use serde_json::json;

use super::run::Signals;
use super::{Format, complete};
use crate::fabric::Secret;
use crate::simulate::{
    AgentAddress, Agents, Fabric, Fleet, FleetPlan, Place, Plan, Simulation, Tables, Tree, Vendor, read_recording,
};

/// Options of `selvedge simulate`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Spine switches
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    spines: u32,
    /// Leaf switches
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    leaves: u32,
    /// Hosts on each leaf (they speak LLDP, not SNMP)
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=48))]
    hosts: u32,
    /// Mean load of the uplinks, in percent
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=100))]
    load: u32,
    /// The same seed gives the same traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whose switches they are: they have that vendor's own drop counters
    #[arg(long, value_enum)]
    vendor: Option<VendorName>,
    /// Serve every .snmprec file of this folder, or this one file, instead of a leaf-spine
    #[arg(long, value_name = "DIR", conflicts_with_all = ["spines", "leaves", "hosts", "load", "seed", "devices", "vendor"])]
    recordings: Option<PathBuf>,
    /// Tables that switches have beside the usual ones; may be given several times
    #[arg(long, value_enum, value_name = "TABLE", conflicts_with_all = ["recordings", "devices"])]
    table: Vec<TableName>,
    /// Serve so many switches of equal build instead of a leaf-spine: steady traffic, no neighbours, next to no memory
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000_000),
          conflicts_with_all = ["spines", "leaves", "hosts", "load", "recordings", "traps", "vendor"])]
    devices: Option<u32>,
    /// Ports of each of these switches
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=4096), requires = "devices")]
    ports: u32,
    /// Write the agents to this file as well, for `[[snmp.targets_from]]` or any other reader of Prometheus' file_sd
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// The first agent's address; the next has the address after it
    #[arg(long, default_value = "127.0.3.1")]
    address: Ipv4Addr,
    /// The port of all agents
    #[arg(long, default_value_t = 1161)]
    port: u16,
    /// The community they answer to
    #[arg(long, default_value = "public")]
    community: String,
    /// Send linkDown and linkUp traps to this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    traps: Option<SocketAddr>,
    /// How the list of agents is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A table that not every device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TableName {
    /// The uplinks of each leaf are one aggregate
    Aggregates,
    /// Optics tell their light and temperature
    Optics,
    /// Spanning tree
    SpanningTree,
    /// CDP in place of LLDP
    Cdp,
}

/// A [`Vendor`] on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum VendorName {
    /// Arista: drops by queue and by access list.
    Arista,
}

/// Serve until SIGINT or SIGTERM.
pub fn run(args: Args) -> ExitCode {
    complete(tokio::runtime::Builder::new_multi_thread().worker_threads(2), serve(args))
}

async fn serve(args: Args) -> Result<(), String> {
    let place = Place { address: args.address, port: args.port, community: Secret::new(&args.community) };
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    // Whatever is served lives until the end of this function.
    let (_agents, _simulation);
    let addresses = if let Some(folder) = &args.recordings {
        _agents = Agents::serve(recordings(folder)?, &place).await.map_err(|error| error.to_string())?;
        _agents.addresses()
    } else if let Some(devices) = args.devices {
        let plan = FleetPlan { devices, ports: args.ports, seed: args.seed, ..FleetPlan::default() };
        let fleet = Fleet::new(plan).map_err(|error| error.to_string())?;
        _agents = Agents::serve_fleet(Arc::new(fleet), &place).await.map_err(|error| error.to_string())?;
        _agents.addresses()
    } else {
        let plan = Plan {
            spines: args.spines,
            leaves: args.leaves,
            hosts: args.hosts,
            load: f64::from(args.load) / 100.0,
            seed: args.seed,
            tables: Tables {
                aggregates: args.table.contains(&TableName::Aggregates),
                optics: args.table.contains(&TableName::Optics),
                spanning_tree: args.table.contains(&TableName::SpanningTree),
                cdp: args.table.contains(&TableName::Cdp),
            },
            vendor: args.vendor.map(|VendorName::Arista| Vendor::Arista),
            ..Plan::default()
        };
        _simulation =
            Simulation::start(Fabric::new(plan), &place, args.traps).await.map_err(|error| error.to_string())?;
        _simulation.addresses()
    };
    if let Some(path) = &args.targets {
        std::fs::write(path, targets(addresses)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    announce(addresses, args.format).map_err(|error| format!("cannot print the list of agents: {error}"))?;
    // A terminal that is closed ends it too: there is nothing to read anew.
    let _ = signals.next().await;
    Ok(())
}

/// The agents as Prometheus' file_sd has them, one a line.
fn targets(agents: &[AgentAddress]) -> String {
    let lines: Vec<String> = agents.iter().map(|agent| format!("  {:?}", agent.address.to_string())).collect();
    format!("[{{\"targets\": [\n{}\n]}}]\n", lines.join(",\n"))
}

/// As many agents are listed for people; of more the first and the last are enough.
const LISTED: usize = 1_000;

fn announce(agents: &[AgentAddress], format: Format) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", json!({ "agents": agents }))?,
        Format::Human => {
            let width = agents.iter().map(|agent| agent.name.chars().count()).max().unwrap_or(0);
            let listed = match agents {
                [first, .., last] if agents.len() > LISTED => vec![first, last],
                all => all.iter().collect(),
            };
            for agent in listed {
                writeln!(out, "{:width$}  {}", agent.name, agent.address)?;
            }
            writeln!(out, "{} agents; stop with Ctrl-C", agents.len())?;
        }
    }
    out.flush()
}

/// Lines left out of one recording that are named; the rest is counted.
const LINES_NAMED: usize = 10;

/// Every recording of the folder, by name; or the one that this is.
fn recordings(folder: &Path) -> Result<Vec<(String, Tree)>, String> {
    let mut paths: Vec<PathBuf> = if folder.is_file() {
        vec![folder.to_owned()]
    } else {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (taken, other): (Vec<PathBuf>, Vec<PathBuf>) = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file())
            .partition(|path| path.extension().is_some_and(|end| end == "snmprec"));
        other.iter().filter_map(|path| Some((path, not_read(path)?))).for_each(|(path, why)| {
            eprintln!("left out: {}: {why}", path.display());
        });
        taken
    };
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: no .snmprec file in this folder", folder.display()));
    }
    let mut trees = Vec::new();
    for path in paths {
        match read_recording(&path) {
            Ok(recording) => {
                for (line, why) in recording.skipped.iter().take(LINES_NAMED) {
                    eprintln!("{}:{line}: left out: {why}", path.display());
                }
                if let Some(more) = recording.skipped.len().checked_sub(LINES_NAMED).filter(|more| *more > 0) {
                    eprintln!("{}: {more} more lines left out", path.display());
                }
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                trees.push((name, recording.tree));
            }
            // One bad file does not stop the rest.
            Err(error) => eprintln!("left out: {error}"),
        }
    }
    if trees.is_empty() { Err(format!("{}: no recording can be read", folder.display())) } else { Ok(trees) }
}

/// Why a file is not served that may well be a recording, of another kind.
fn not_read(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()? {
        "snmpwalk" | "walk" | "sapwalk" | "mvc" => {
            "another form of recording: make it .snmprec, one line OID|TAG|VALUE for each instance"
        }
        "gz" | "bz2" | "xz" | "zst" | "zip" => "compressed: unpack it",
        _ => return None,
    })
}
