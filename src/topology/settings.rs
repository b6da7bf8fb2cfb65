//! What the operator declares because no protocol tells it, and how long a link is remembered.

use std::time::Duration;

use crate::fabric::InterfaceId;

/// Settings of the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[[redundancy.group]]`
    pub groups: Vec<DeclaredGroup>,
    /// How long a link that no end hears any more stays planned: it is missing, not forgotten. Any span; 7 days
    /// by default, so that a cable cut before a long weekend is still known after it.
    pub forget_after: Duration,
    /// How long an Ethernet port must have been up without a neighbour before it counts as one that leads out
    /// of the fabric. Longer than LLDP's message interval (30 s by default in IEEE 802.1AB), so that a cable put
    /// back does not look like a host for a moment; 2 minutes by default. Ports that were up before we looked
    /// need not wait.
    pub edge_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            forget_after: Duration::from_secs(7 * 24 * 3600),
            edge_after: Duration::from_secs(120),
        }
    }
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
