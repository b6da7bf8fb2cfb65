//! `selvedge poll TARGET`: one look at a device, as a table or as JSON; with `--count` rates as well.
//!
//! Exit status 0: it answered; 1: it did not; 2: the command line is wrong.

mod explain;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use super::Format;
use super::device::{self, DeviceArgs, FromConfig, ProgressLine};
use crate::collect::snmp::AskError;
use crate::collect::snmp::look::Survey;

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
    let mut line = ProgressLine::new();
    let mut survey = match Survey::take(&mut client, &stats, &mut |stage, rows| line.stage(stage, rows)).await {
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
                report.explain();
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
