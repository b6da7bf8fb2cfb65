//! The commands that people type: one file each.

pub mod audit;
pub mod check;
pub mod demo;
mod device;
pub mod discover;
pub mod poll;
pub mod record;
pub mod run;
pub mod silence;
pub mod simulate;
pub mod top;

pub use device::{DeviceArgs, FromConfig, SpeechArgs, from_config};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For scripts: JSON on stdout
    Json,
}

/// Do the work on a runtime of its own and turn what came of it into an exit status; errors are told in a line.
fn complete(
    runtime: &mut tokio::runtime::Builder,
    work: impl Future<Output = Result<(), String>>,
) -> std::process::ExitCode {
    let outcome = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(problem) => {
            anstream::eprintln!("error: {problem}");
            std::process::ExitCode::FAILURE
        }
    }
}
