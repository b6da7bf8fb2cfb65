//! The commands that people type: one file each.

mod device;
pub mod poll;
pub mod record;

pub use device::{DeviceArgs, FromConfig};
