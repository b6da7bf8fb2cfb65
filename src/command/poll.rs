//! `selvedge poll TARGET`: one look at a device, as a table or as JSON; with `--count` rates as well.
//!
//! Exit status 0: it answered; 1: it did not; 2: the command line is wrong.

mod explain;
mod profile;
mod report;
mod values;

use std::process::ExitCode;
use std::time::Duration;

use super::Format;
use super::device::{self, DeviceArgs, FromConfig, ProgressLine};
use crate::collect::snmp::AskError;
use crate::collect::snmp::look::{self, Survey};

/// Look at one device: its interfaces, their counters, its neighbours.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
    /// How often to read the counters; from the second time on their rates are shown.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// Seconds between two readings. Many agents renew their counters only every 3 to 5 seconds.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = device::seconds)]
    pub interval: Duration,
    /// Say of every value that is unknown why it is.
    #[arg(long)]
    pub explain: bool,
    /// Ask for these objects and nothing else: `ifName.7`, `MODULE::descriptor.INDEX` or numbers.
    #[arg(long, value_name = "OBJECT", num_args = 1..)]
    pub get: Vec<String>,
    /// Read all that is below these objects and nothing else.
    #[arg(long, value_name = "OBJECT", num_args = 1..)]
    pub walk: Vec<String>,
    /// So many values at most by --walk.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// How to report; JSON is one object for each reading (with --count, for each but the first), one a line.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Run the command.
pub fn run(args: Args, from_config: FromConfig) -> ExitCode {
    device::with_target(&args.device, from_config, async |target| poll(&args, target).await)
}

async fn poll(args: &Args, target: &crate::collect::Target) -> Result<(), String> {
    let (mut client, stats, access) = device::connect(target).await?;
    let vendors = device::vendors(args.device.speech.config.as_deref())?;
    if !args.get.is_empty() || !args.walk.is_empty() {
        let limit = args.limit as usize;
        let who = (&mut client, access);
        return values::values(&args.get, &args.walk, limit, args.format, &vendors, target, who).await;
    }
    let mut line = ProgressLine::new();
    let tell: look::Tell<'_> = &mut |stage, rows| line.stage(stage, rows);
    let mut survey = match Survey::take(&mut client, &stats, &vendors.profiles, tell).await {
        Ok(survey) => survey,
        Err(AskError::Request(error)) => return Err(device::explain(error, target, &client, access).await),
        Err(AskError::Denied) => {
            return Err(format!(
                "{}: it answers, and shows nothing: an empty view, or a user that must be authenticated and encrypted",
                target.address
            ));
        }
    };
    let mut before = None;
    let mut due = tokio::time::Instant::now();
    for nth in 1..=args.count {
        let polled = match survey.poll(&mut client, &mut |stage, rows| line.stage(stage, rows)).await {
            Ok(polled) => polled,
            Err(error) => return Err(device::explain(error, target, &client, access).await),
        };
        if nth > 1 || args.count == 1 {
            line.clear();
            let mut report = report::Report::new(client.address(), &survey, &polled, before.as_ref());
            if args.explain {
                report.explain(&survey);
            }
            report.print(args.format, args.count > 1)?;
        }
        before = Some(polled);
        if nth < args.count {
            due += args.interval;
            line.stage(&format!("reading {nth} of {} done, waiting", args.count), 0);
            tokio::time::sleep_until(due).await;
        }
    }
    Ok(())
}
