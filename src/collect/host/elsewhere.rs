//! Where there is no rtnetlink: says so.

use std::path::PathBuf;

use super::{Ability, Clock, Stats, Status};
use crate::collect::{HostSettings, SampleSink};
use crate::fabric::DeviceId;

/// A collector that cannot run here.
#[derive(Debug)]
pub struct Handle {
    device: DeviceId,
}

impl Handle {
    pub(super) fn start(_root: PathBuf, _settings: HostSettings, _sink: SampleSink, _clock: Clock) -> Self {
        Self { device: "localhost".into() }
    }

    /// The name of this machine.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Nothing to do.
    pub fn reconfigure(&self, _settings: HostSettings) {}

    /// Why it does nothing.
    pub fn status(&self) -> Status {
        let unable =
            || Ability::Unable { why: "watching this host is not available on this system (Linux only)".into() };
        Status { counters: unable(), lldp: unable() }
    }

    /// Nothing was done.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Nothing to stop.
    pub fn stop(self) {}
}
