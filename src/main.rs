//! Parse, call one command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use selvedge::command;

/// See the link near its limit, the drop and its cause, and the doubling that is gone.
///
/// Without a command, `run`.
#[derive(Parser)]
#[command(name = "selvedge", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: command::run::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Watch: collect, detect, alert, and serve the page (the default)
    Run(command::run::Args),
    /// Read the configuration and name everything wrong with it
    Check(command::check::Args),
    /// One look at a device: interfaces, counters, rates, neighbours
    Poll(command::poll::Args),
    /// Crawl the fabric from a few devices on, and write a file of targets
    Discover(command::discover::Args),
    /// What is doubled, what hangs on a single part, and what would be lost without something
    Audit(command::audit::Args),
    /// Record a device's walk to a .snmprec file
    Record(command::record::Args),
    /// Serve SNMP agents on loopback: a leaf-spine with moving traffic, or recordings
    Simulate(command::simulate::Args),
    /// A simulated fabric, watched, while things go wrong: no network needed
    Demo(command::demo::Args),
    /// Links, alerts and devices of a running instance, live in the terminal
    Top(command::top::Args),
    /// Keep alerts of a running instance from being told for a while
    Silence(command::silence::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => command::run::run(args),
        Command::Check(args) => command::check::run(args),
        Command::Poll(args) => command::poll::run(args, command::from_config),
        Command::Discover(args) => command::discover::run(args),
        Command::Audit(args) => command::audit::run(args),
        Command::Record(args) => command::record::run(args, command::from_config),
        Command::Simulate(args) => command::simulate::run(args),
        Command::Demo(args) => command::demo::run(args),
        Command::Top(args) => command::top::run(args),
        Command::Silence(args) => command::silence::run(args),
    }
}
