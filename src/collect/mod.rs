//! Collectors: they look at devices and tell the core.

pub mod host;
mod settings;
#[cfg(target_os = "linux")]
mod sys;

pub use settings::{HostSettings, Target, TrapSettings};
