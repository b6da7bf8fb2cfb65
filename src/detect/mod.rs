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
