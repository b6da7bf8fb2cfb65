//! The name of an alert among machines: the same trouble at the same place has the same fingerprint,
//! over restarts, versions of Selvedge and severities.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fabric::{FindingKey, Subject};

/// 64 bits, printed as 16 hexadecimal digits as Alertmanager prints its own.
///
/// They are the first 8 bytes of SHA-256 over the key's canonical text. A cryptographic hash because
/// the names in a key come from the network: nobody can name a port so that it hides another's alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(u64);

/// Ends every part of the canonical text. It cannot occur in UTF-8, so that no two keys share a text.
const END: [u8; 1] = [0xff];

impl Fingerprint {
    /// Of a key. The canonical text never changes: receivers remember what is made of it.
    pub fn of(key: &FindingKey) -> Self {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update(text.as_bytes());
            hash.update(END);
        };
        part(key.kind.as_str());
        match &key.subject {
            Subject::Device(device) => {
                part("device");
                part(device.as_str());
            }
            Subject::Interface(interface) => {
                part("interface");
                part(interface.device.as_str());
                part(&interface.if_name);
            }
            // The ends, not the link's name: names joined by text can be made to look like others.
            Subject::Link { id: _, a, b } => {
                part("link");
                for end in [a, b] {
                    part(end.device.as_str());
                    part(&end.if_name);
                }
            }
            Subject::Group { name, device } => {
                part("group");
                part(name);
                part(device.as_ref().map_or("", |device| device.as_str()));
            }
        }
        part(key.direction.map_or("", |direction| direction.as_str()));
        let digest = hash.finalize();
        Self(digest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{DeviceId, Direction, FindingKind, InterfaceId, LinkId};

    fn key(kind: FindingKind, subject: Subject) -> FindingKey {
        FindingKey { kind, subject, direction: None }
    }

    /// Receivers and stores hold these for years: when this test fails, the code is wrong, not the test.
    #[test]
    fn never_changes() {
        let (a, b) = (InterfaceId::new("leaf1", "spine1"), InterfaceId::new("spine1", "leaf1"));
        let link = Subject::Link { id: LinkId::new(&a, &b), a: a.clone(), b };
        let group = Subject::Group { name: "leaf1 uplinks".into(), device: Some("leaf1".into()) };
        let mut saturation = key(FindingKind::Saturation, Subject::Interface(a));
        saturation.direction = Some(Direction::Out);
        let shown = [
            key(FindingKind::LinkDown, link),
            saturation,
            key(FindingKind::RedundancyLost, group),
            key(FindingKind::DeviceUnreachable, Subject::Device("leaf1".into())),
        ]
        .map(|key| Fingerprint::of(&key).to_string());
        assert_eq!(shown, ["9f21477ef6f866e0", "2ef9c03659e91771", "af4499be39a4bb71", "4a306574bd4bd8b1"]);
    }

    #[test]
    fn tells_names_apart_that_read_alike() {
        let interface = |device: &str, port: &str| {
            Fingerprint::of(&key(FindingKind::LinkDown, Subject::Interface(InterfaceId::new(device, port))))
        };
        assert_ne!(interface("a", "b:c"), interface("a:b", "c"));
        assert_ne!(interface("ab", "c"), interface("a", "bc"));
        assert_ne!(
            Fingerprint::of(&key(FindingKind::LinkDown, Subject::Device(DeviceId::from("a")))),
            Fingerprint::of(&key(FindingKind::LinkDown, Subject::Group { name: "a".into(), device: None })),
        );
    }

    #[test]
    fn is_read_back_from_json() {
        let fingerprint = Fingerprint::of(&key(FindingKind::LinkDown, Subject::Device("x".into())));
        let json = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(json.len(), 18);
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
        assert!(serde_json::from_str::<Fingerprint>("\"no hex\"").is_err());
    }
}
