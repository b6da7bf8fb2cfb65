//! What is watched, and how.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::fabric::Labels;
use crate::snmp::Credentials;

/// One device to poll by SNMP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Host name or address with port, `10.99.0.1:161`, `[2001:db8::1]:161`: what makes it the same target
    /// after a reload.
    pub address: String,
    /// What proves to it who we are.
    pub credentials: Arc<Credentials>,
    /// The auth section's name, for people.
    pub auth: String,
    /// Labels for its alerts and metrics.
    pub labels: Labels,
    /// How often counters are read.
    pub interval: Duration,
    /// How long one request may take before it is asked again.
    pub timeout: Duration,
    /// How often it is asked again.
    pub retries: u32,
}

/// `[traps]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapSettings {
    /// Where traps arrive; the port is 162 by standard.
    pub listen: SocketAddr,
}

/// `[host]`: this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Off on a pure collector.
    pub enabled: bool,
    /// How often counters are read.
    pub interval: Duration,
    /// Listen for LLDP frames on this machine's ports (needs CAP_NET_RAW).
    pub lldp: bool,
    /// Look where and why this machine loses packets (reasons need CAP_BPF and CAP_PERFMON).
    pub drops: bool,
    /// Labels for its alerts and metrics.
    pub labels: Labels,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(1), lldp: true, drops: true, labels: Labels::new() }
    }
}
