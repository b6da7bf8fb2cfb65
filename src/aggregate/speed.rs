//! The speed that an interface is measured against.

use super::Settings;
use crate::fabric::InterfaceInfo;

/// ethernetCsmacd (IANAifType-MIB).
const ETHERNET: u32 = 6;
/// ieee8023adLag.
pub const LAG: u32 = 161;

/// What is known of an interface's speed, in bit/s; 0 stands for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speed {
    /// Declared by the operator.
    declared: u64,
    /// Given by the device.
    stated: u64,
    /// Assumed while it is up.
    assumed: u64,
    /// Of an aggregate, what those of its ports that carry their share have together.
    members: u64,
    ethernet: bool,
}

impl Speed {
    /// Of this interface of this device.
    pub fn resolve(settings: &Settings, device: &str, info: &InterfaceInfo) -> Self {
        let declared = settings
            .speed_overrides
            .iter()
            .find(|rule| fits(&rule.device, device) && fits(&rule.interface, &info.if_name))
            .map_or(0, |rule| rule.speed_bps);
        let assumed = if info.if_type == ETHERNET { settings.default_speed_bps.unwrap_or(0) } else { 0 };
        Self {
            declared,
            stated: info.speed_bps.unwrap_or(0),
            assumed,
            members: 0,
            ethernet: matches!(info.if_type, ETHERNET | LAG),
        }
    }

    /// The same for an aggregate whose live ports have so much together.
    pub fn with_members(self, members: u64) -> Self {
        Self { members, ..self }
    }

    /// What utilisation is measured against.
    pub fn capacity_bps(self, up: bool) -> u64 {
        match (self.declared, self.stated) {
            (0, _) if self.members > 0 => self.members,
            (0, 0) if up => self.assumed,
            (0, stated) => stated,
            (declared, _) => declared,
        }
    }

    /// What no rate can pass: a declared speed is what a line carries, not what the port in front of it can send.
    pub fn limit_bps(self, up: bool) -> u64 {
        match self.stated.max(self.declared).max(self.members) {
            0 if up => self.assumed,
            known => known,
        }
    }

    /// The gaps between frames take a part of the capacity: it is the speed of an Ethernet port itself.
    pub fn counts_gaps(self) -> bool {
        self.ethernet && self.declared == 0
    }
}

/// Whether a text fits a pattern in which `*` stands for any run of characters. Never slower than the product of
/// both lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last star is, and how far the text had been read when it took one octet more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(octet) if *octet == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::SpeedOverride;

    fn port(if_type: u32, speed_bps: Option<u64>) -> InterfaceInfo {
        InterfaceInfo { if_name: "et-0/0/1".into(), if_type, speed_bps, ..InterfaceInfo::default() }
    }

    #[test]
    fn the_operator_is_right_then_the_device_then_the_default() {
        let mut settings = Settings::default();
        let speed = |settings: &Settings, info| Speed::resolve(settings, "edge1", &info);
        assert_eq!(speed(&settings, port(6, Some(1_000))).capacity_bps(true), 1_000);
        assert_eq!(speed(&settings, port(6, None)).capacity_bps(true), 10_000_000_000);
        assert_eq!(speed(&settings, port(6, None)).capacity_bps(false), 0, "nothing is known of a port that is down");
        assert_eq!(speed(&settings, port(24, None)).capacity_bps(true), 0, "a loopback is no Ethernet");
        settings.speed_overrides = ["core*", "edge*", "*"]
            .into_iter()
            .zip(1..)
            .map(|(device, speed_bps)| SpeedOverride { device: device.into(), interface: "et-*/1".into(), speed_bps })
            .collect();
        let declared = speed(&settings, port(6, Some(1_000)));
        assert_eq!((declared.capacity_bps(true), declared.limit_bps(true)), (2, 1_000), "the first that fits");
        assert!(!declared.counts_gaps());
        assert!(speed(&Settings::default(), port(161, Some(1))).counts_gaps());
    }

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
            ("é*", "élan", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
