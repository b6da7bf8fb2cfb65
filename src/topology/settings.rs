//! What the operator declares because no protocol tells it.

use crate::fabric::InterfaceId;

/// Settings of the topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[[redundancy.group]]`
    pub groups: Vec<DeclaredGroup>,
}

/// Lines that stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredGroup {
    /// Its name.
    pub name: String,
    /// One end of each line.
    pub links: Vec<InterfaceId>,
    /// What the lines have in common and could lose together.
    pub shared_risk: Vec<String>,
}
