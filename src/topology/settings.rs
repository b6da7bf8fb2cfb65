//! What the operator declares because no protocol tells it, and how long a link is remembered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, InterfaceId};

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
    /// `[[shared_risk]]`
    pub shared_risks: Vec<SharedRisk>,
    /// `[[protect]]`; without any, leaves must reach each other and the top tier.
    pub protect: Vec<Protect>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            forget_after: Duration::from_secs(7 * 24 * 3600),
            edge_after: Duration::from_secs(120),
            shared_risks: Vec::new(),
            protect: Vec::new(),
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

/// `[[shared_risk]]`: what several lines and devices could be lost with at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRisk {
    /// `duct-7`, `power feed B`, `line card 3 of spine1`.
    pub name: String,
    /// One end of each line.
    pub links: Vec<InterfaceId>,
    /// Devices.
    pub devices: Vec<DeviceId>,
}

/// `[[protect]]`: who must reach whom, whatever single part is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protect {
    /// Each of these ends must have a way...
    pub from: Selector,
    /// ...to one at least of these.
    pub to: Selector,
    /// What may be lost.
    pub survive: Survive,
}

/// The parts of which any single one may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survive {
    /// Any device, but for the end itself.
    pub device: bool,
    /// Any link.
    pub link: bool,
    /// Any shared risk.
    pub shared_risk: bool,
}

/// Which devices are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Selector {
    /// `label:KEY`: those that have the label; devices with one value are one end, which is cut off when all are.
    Label(String),
    /// `KEY=VALUE`: those whose label has the value, each an end of its own.
    Value(String, String),
    /// `NAME` or `device:NAME`: one device, watched or only heard of.
    Device(DeviceId),
}

impl std::str::FromStr for Selector {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let full =
            |part: &str| if part.trim().is_empty() { Err("a name is missing") } else { Ok(part.trim().to_owned()) };
        if let Some(key) = text.strip_prefix("label:") {
            return match key.split_once('=') {
                Some((key, value)) => Ok(Self::Value(full(key)?, full(value)?)),
                None => Ok(Self::Label(full(key)?)),
            };
        }
        if let Some(name) = text.strip_prefix("device:") {
            return Ok(Self::Device(full(name)?.into()));
        }
        match text.split_once('=') {
            Some((key, value)) => Ok(Self::Value(full(key)?, full(value)?)),
            None => Ok(Self::Device(full(text)?.into())),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => write!(f, "label:{key}"),
            Self::Value(key, value) => write!(f, "{key}={value}"),
            Self::Device(device) if device.as_str().contains(['=', ':']) => write!(f, "device:{device}"),
            Self::Device(device) => device.fmt(f),
        }
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl TryFrom<String> for Selector {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_and_written_alike() {
        for (text, selector) in [
            ("label:rack", Selector::Label("rack".into())),
            ("role=spine", Selector::Value("role".into(), "spine".into())),
            ("leaf1", Selector::Device("leaf1".into())),
            ("device:a=b", Selector::Device("a=b".into())),
        ] {
            assert_eq!(text.parse::<Selector>().unwrap(), selector);
            assert_eq!(selector.to_string(), text);
        }
        assert_eq!("label:role=leaf".parse::<Selector>().unwrap().to_string(), "role=leaf");
        for text in ["", "label:", "=x", "role=", "device: "] {
            assert!(text.parse::<Selector>().is_err(), "{text:?}");
        }
    }
}
