//! Collectors: they look at devices and tell the core.

mod settings;

pub use settings::{HostSettings, Target, TrapSettings};
