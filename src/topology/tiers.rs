//! How far up in the fabric a device is.
//!
//! The operator's `role` label counts where it is given. Without it, a device with edge ports is a leaf
//! (tier 1) and every other is one higher than the lowest device it has a cable to; this host is tier 0. Tiers
//! come from planned links, so a cut moves nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::fabric::{DeviceId, DeviceIdentity};

/// Tiers by role label.
const ROLES: [(&[&str], u32); 4] = [
    (&["host", "server"], 0),
    (&["leaf", "tor", "access", "edge"], 1),
    (&["spine", "aggregation", "distribution"], 2),
    (&["core", "superspine", "super-spine"], 3),
];

/// The tier that the role label gives; none without one that is known.
pub(super) fn tier_of_role(identity: &DeviceIdentity) -> Option<u32> {
    let role = identity.labels.get("role")?.trim().to_lowercase();
    ROLES.iter().find(|(names, _)| names.contains(&role.as_str())).map(|(_, tier)| *tier)
}

/// What is known of a device's place before its cables are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// By its role, or because it is this host.
    pub(super) tier: Option<u32>,
    /// It has ports that lead out of the fabric.
    pub(super) edge: bool,
}

/// The tier of every device that has a cable. Where nothing tells, all are alike.
pub(super) fn tiers<'a>(
    cables: impl Iterator<Item = (&'a DeviceId, &'a DeviceId)>,
    place: impl Fn(&DeviceId) -> Place,
) -> BTreeMap<&'a DeviceId, u32> {
    let mut beside: BTreeMap<&DeviceId, BTreeSet<&DeviceId>> = BTreeMap::new();
    for (one, other) in cables {
        beside.entry(one).or_default().insert(other);
        beside.entry(other).or_default().insert(one);
    }
    let mut tiers: BTreeMap<&DeviceId, u32> = BTreeMap::new();
    // Dijkstra's queue: every step is one tier, so a set in order of (tier, name) will do.
    let mut queue: BTreeSet<(u32, &DeviceId)> = BTreeSet::new();
    for device in beside.keys() {
        let Place { tier, edge } = place(device);
        if let Some(tier) = tier.or(edge.then_some(1)) {
            tiers.insert(device, tier);
            queue.insert((tier, device));
        }
    }
    while let Some((tier, device)) = queue.pop_first() {
        for far in beside.get(device).into_iter().flatten() {
            // Those placed first have the lowest tier they can have.
            if !tiers.contains_key(far) {
                tiers.insert(far, tier + 1);
                queue.insert((tier + 1, far));
            }
        }
    }
    for device in beside.into_keys() {
        tiers.entry(device).or_insert(0);
    }
    tiers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers_of(cables: &[(&str, &str)], places: &[(&str, Place)]) -> Vec<(String, u32)> {
        let cables: Vec<(DeviceId, DeviceId)> = cables.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let place = |device: &DeviceId| {
            places.iter().find(|(name, _)| *name == device.as_str()).map(|(_, place)| *place).unwrap_or_default()
        };
        tiers(cables.iter().map(|(a, b)| (a, b)), place).into_iter().map(|(d, t)| (d.to_string(), t)).collect()
    }

    const EDGE: Place = Place { tier: None, edge: true };

    #[test]
    fn distance_from_the_edge_counts_where_no_role_is_given() {
        let cables = [("l1", "s1"), ("l1", "s2"), ("l2", "s1"), ("l2", "s2"), ("s1", "c"), ("s2", "c")];
        let expect = |list: &[(&str, u32)]| list.iter().map(|(d, t)| (d.to_string(), *t)).collect::<Vec<_>>();
        let found = tiers_of(&cables, &[("l1", EDGE), ("l2", EDGE)]);
        assert_eq!(found, expect(&[("c", 3), ("l1", 1), ("l2", 1), ("s1", 2), ("s2", 2)]));
        // Nothing known: all alike.
        assert_eq!(tiers_of(&cables[..1], &[]), expect(&[("l1", 0), ("s1", 0)]));
        // A role is believed against the distance.
        let core = Place { tier: Some(3), edge: true };
        let found = tiers_of(&cables, &[("l1", EDGE), ("l2", EDGE), ("c", core)]);
        assert_eq!(found[0], ("c".to_owned(), 3));
    }

    #[test]
    fn roles_are_read_in_any_case() {
        let role = |role: &str| {
            let labels = [("role".to_owned(), role.to_owned())].into();
            tier_of_role(&DeviceIdentity { labels, ..DeviceIdentity::default() })
        };
        assert_eq!(role("Leaf"), Some(1));
        assert_eq!(role(" SUPERSPINE"), Some(3));
        assert_eq!(role("coffee machine"), None);
        assert_eq!(tier_of_role(&DeviceIdentity::default()), None);
    }
}
