//! Collectors: they look at devices and tell the core.

pub mod bpf;
pub mod clock;
pub mod host;
mod settings;
pub mod snmp;
#[cfg(target_os = "linux")]
pub mod sys;
pub mod traps;

use std::sync::Arc;

use crate::fabric::Sample;

pub use settings::{HostSettings, Target, TrapSettings};

/// Where collectors put what they read. It never blocks: what is behind it drops the oldest when full, and
/// counts that.
pub type SampleSink = Arc<dyn Fn(Sample) + Send + Sync>;
