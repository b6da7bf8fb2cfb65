//! The commands that people type: one file each.

pub mod check;
