//! Detectors: functions over state. One file each, one line here each.

pub mod device;
pub mod drops;
pub mod link;
pub mod redundancy;
pub mod saturation;

/// `[detect.*]`: every detector's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[detect.link]`
    pub link: link::Settings,
    /// `[detect.saturation]`
    pub saturation: saturation::Settings,
    /// `[detect.drops]`
    pub drops: drops::Settings,
    /// `[detect.redundancy]`
    pub redundancy: redundancy::Settings,
    /// `[detect.device]`
    pub device: device::Settings,
}

use crate::fabric::{DeviceId, DeviceState, FindingKey, InterfaceId, InterfaceState, LinkState, Timestamp, Verdict};
use crate::topology::{Change, GroupReport, LinkReport};

/// What detectors have to say: a verdict for each key that is wrong, was wrong and is fine, or was wrong and
/// cannot be told. Empty (and not allocated) in calm.
pub type Verdicts = Vec<(FindingKey, Verdict)>;

/// All detectors with what they must remember of subjects that are in trouble.
#[derive(Debug)]
pub struct Detectors {}

impl Detectors {
    /// Start in calm.
    pub fn new(_settings: Settings) -> Self {
        todo!()
    }
    /// These were wrong before a restart: look until they are seen fine.
    pub fn prime<'a>(&mut self, _keys: impl IntoIterator<Item = &'a FindingKey>) {}
    /// Take new settings. What a detector that is switched off now had raised becomes absent.
    pub fn reconfigure(&mut self, _settings: Settings) -> Verdicts {
        todo!()
    }
    /// An interface was read; `link` is the link in it, if there is one.
    pub fn interface(&mut self, _now: Timestamp, _state: &InterfaceState, _link: Option<&LinkState>) -> Verdicts {
        todo!()
    }
    /// One end of a link was read or an event told of it.
    pub fn link(&mut self, _now: Timestamp, _report: &LinkReport) -> Verdicts {
        todo!()
    }
    /// Whether this link's state may change what is said of its groups. False in calm.
    pub fn concerns_groups(&self, _link: &LinkState) -> bool {
        todo!()
    }
    /// A group was looked at.
    pub fn group(&mut self, _now: Timestamp, _report: &GroupReport) -> Verdicts {
        todo!()
    }
    /// A device was asked.
    pub fn device(&mut self, _now: Timestamp, _state: &DeviceState) -> Verdicts {
        todo!()
    }
    /// The topology changed: what was said of links and groups that are no more becomes absent.
    pub fn follow(&mut self, _change: &Change) -> Verdicts {
        todo!()
    }
    /// An interface is gone from its device's inventory: what was said of it becomes absent.
    pub fn forget_interface(&mut self, _interface: &InterfaceId) -> Verdicts {
        todo!()
    }
    /// A device is retired: what was said of it and its interfaces becomes absent.
    pub fn forget(&mut self, _device: &DeviceId) -> Verdicts {
        todo!()
    }
}
