//! The commands that people type: one file each.

pub mod check;
pub mod demo;
mod device;
pub mod poll;
pub mod record;
pub mod run;
pub mod simulate;

pub use device::{DeviceArgs, FromConfig, from_config};
