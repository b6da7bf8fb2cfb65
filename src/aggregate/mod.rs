//! The core: counters become rates that can be vouched for.

mod settings;

pub use settings::{Settings, SpeedOverride};
