//! What devices are called. Decided once for each target and kept, over restarts too: alerts hang on it.

use std::collections::HashMap;

use crate::fabric::DeviceId;

/// A change that is worth keeping on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameChange {
    /// The target at this address has this name from now on.
    Named {
        /// As configured.
        address: String,
        /// Its name.
        device: DeviceId,
    },
    /// The target is no more; its name is free.
    Forgotten {
        /// As configured.
        address: String,
    },
}

/// The names of all targets.
#[derive(Debug, Default)]
pub struct Names {
    by_address: HashMap<String, DeviceId>,
    taken: HashMap<DeviceId, String>,
}

impl Names {
    /// With what was decided before a restart. Of two addresses that claim one name, one keeps it.
    pub fn new(known: HashMap<String, DeviceId>) -> Self {
        let mut names = Self::default();
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort();
        for (address, device) in known {
            if !names.taken.contains_key(&device) {
                names.taken.insert(device.clone(), address.clone());
                names.by_address.insert(address, device);
            }
        }
        names
    }

    /// The name of a target before it has ever answered: the one it is known by, else its address.
    pub fn provisional(&self, address: &str) -> DeviceId {
        self.by_address.get(address).cloned().unwrap_or_else(|| spelled(address))
    }

    /// The name of a target that answered; `None` in the second place where it was decided already.
    ///
    /// sysName, unless that is empty or another target's (the first to answer has it); else the address.
    pub fn decide(&mut self, address: &str, sys_name: &str) -> (DeviceId, Option<NameChange>) {
        if let Some(device) = self.by_address.get(address) {
            return (device.clone(), None);
        }
        let wanted = DeviceId::from(sys_name);
        let free = |name: &DeviceId| !self.taken.contains_key(name);
        let device = [wanted, spelled(address), DeviceId::from(address)]
            .into_iter()
            .find(|name| !name.as_str().is_empty() && free(name))
            // Some device's sysName is this one's address.
            .unwrap_or_else(|| DeviceId::from(format!("{sys_name}@{address}")));
        self.taken.insert(device.clone(), address.to_owned());
        self.by_address.insert(address.to_owned(), device.clone());
        (device.clone(), Some(NameChange::Named { address: address.to_owned(), device }))
    }

    /// A target is no more.
    pub fn forget(&mut self, address: &str) -> Option<NameChange> {
        let device = self.by_address.remove(address)?;
        self.taken.remove(&device);
        Some(NameChange::Forgotten { address: address.to_owned() })
    }

    /// All addresses that have a name.
    pub fn addresses(&self) -> Vec<String> {
        self.by_address.keys().cloned().collect()
    }
}

/// An address as a name: without the port that goes without saying.
fn spelled(address: &str) -> DeviceId {
    let host = address.strip_suffix(":161").unwrap_or(address);
    // `2001:db8::161` ends in a group, not in a port; only what stands in brackets has a port.
    let is_bare_v6 = address.matches(':').count() > 1 && !address.starts_with('[');
    DeviceId::from(if is_bare_v6 { address } else { host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_has_the_name() {
        let mut names = Names::default();
        let named = |address: &str, device: &str| {
            let (address, device) = (address.to_owned(), DeviceId::from(device));
            (device.clone(), Some(NameChange::Named { address, device }))
        };
        assert_eq!(names.decide("10.0.0.1:161", "leaf"), named("10.0.0.1:161", "leaf"));
        assert_eq!(names.decide("10.0.0.2:161", "leaf"), named("10.0.0.2:161", "10.0.0.2"));
        assert_eq!(names.decide("10.0.0.3:1161", ""), named("10.0.0.3:1161", "10.0.0.3:1161"));
    }

    #[test]
    fn a_name_stays_whatever_the_device_says_later() {
        let mut names = Names::new(HashMap::from([("a:161".to_owned(), DeviceId::from("old"))]));
        assert_eq!(names.provisional("a:161"), DeviceId::from("old"));
        assert_eq!(names.decide("a:161", "new"), (DeviceId::from("old"), None));
        assert_eq!(names.decide("b:161", "old").0, DeviceId::from("b"));
    }

    #[test]
    fn a_name_is_free_when_its_target_is_gone() {
        let mut names = Names::default();
        names.decide("a:161", "x");
        assert_eq!(names.forget("a:161"), Some(NameChange::Forgotten { address: "a:161".into() }));
        assert_eq!(names.forget("a:161"), None);
        assert_eq!(names.decide("b:161", "x").0, DeviceId::from("x"));
    }

    #[test]
    fn two_known_addresses_cannot_share_a_name() {
        let known = ["b:161", "a:161"].map(|address| (address.to_owned(), DeviceId::from("x")));
        let mut names = Names::new(known.into());
        assert_eq!(names.decide("a:161", "y").0, DeviceId::from("x"));
        assert_eq!(names.decide("b:161", "y").0, DeviceId::from("y"));
    }

    #[test]
    fn an_address_is_spelled_without_the_usual_port() {
        for (address, name) in [
            ("10.0.0.1:161", "10.0.0.1"),
            ("10.0.0.1:1161", "10.0.0.1:1161"),
            ("[2001:db8::1]:161", "[2001:db8::1]"),
            ("2001:db8::161", "2001:db8::161"),
            ("switch.example:161", "switch.example"),
        ] {
            assert_eq!(Names::default().provisional(address), DeviceId::from(name));
        }
    }
}
