//! Neighbours joined to links, links to redundancy groups.

mod settings;

pub use settings::{DeclaredGroup, Settings};
