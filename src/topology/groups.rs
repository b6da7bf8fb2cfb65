//! Which links stand in for each other, and which group tells of a loss.
//!
//! - **Uplinks** of a device are its links to a strictly higher tier. A device without any (nothing tells the
//!   tiers apart, or it hangs below its equals) takes the links to its equals that lie on a ring: those have
//!   another way round. (A tree of equals doubles nothing that we could see; role labels help.)
//! - A link between equals is **told** by one of its ends alone: by the one that has no way up where the other
//!   has one; else by the one with the fewest planned ways (it has the most to lose), then by name.
//! - A device with a single way up counts its links to equals as further ways (two leaves with an uplink each
//!   and a cable between them).
//! - **Parallel** links join the same two devices. They tell what no uplinks group tells already.
//! - **Declared** groups tell all: the operator asked for it.
//!
//! - **Bundles** are what a device itself bundles: aggregates, next hops, gateways. The two ends of one aggregate are one group, of
//!   the lower device; it tells of its cables, and what its cables doubled otherwise (a parallel group, uplinks) does not. Next
//!   hops tell of what no other group tells.
//!
//! So one cut is one finding among the discovered groups. All this comes from planned links: a cut changes
//! nothing here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::fabric::{ChassisId, DeviceId, GroupKind, InterfaceId, LinkId};

use super::bundles::{BundleKey, Bundles, PartKey};
use super::{DeclaredGroup, Group};

/// A planned link as the grouping sees it.
#[derive(Clone, Debug)]
pub(super) struct Cable<'a> {
    pub(super) id: &'a LinkId,
    pub(super) a: &'a DeviceId,
    /// The end that is not watched, if one is not.
    pub(super) b: &'a DeviceId,
    /// Both ends are watched.
    pub(super) two_ended: bool,
    /// What tells `b` from its namesakes, where it is not a device that we watch.
    pub(super) chassis: Option<&'a ChassisId>,
}

/// What tells a device that is only heard of from its namesakes.
type Chassis<'a> = Option<(u8, &'a [u8])>;

/// A device, watched or only heard of.
type Node<'a> = (&'a DeviceId, Chassis<'a>);

/// All groups, by name.
pub(super) fn groups<'a>(
    cables: &[Cable<'a>],
    tiers: &BTreeMap<&DeviceId, u32>,
    declared: &[DeclaredGroup],
    link_at: impl Fn(&InterfaceId) -> Option<&'a LinkId>,
) -> BTreeMap<Arc<str>, Group> {
    let mut groups = BTreeMap::new();
    let mut add = |group: Group| {
        groups.entry(group.name.clone()).or_insert(group);
    };
    for DeclaredGroup { name, links, shared_risk } in declared {
        let planned: BTreeSet<&LinkId> = links.iter().filter_map(&link_at).collect();
        let planned: Vec<LinkId> = planned.into_iter().cloned().collect();
        let told = planned.clone();
        let (name, shared_risk) = (name.as_str().into(), shared_risk.clone());
        add(Group { name, kind: GroupKind::Declared, device: None, planned, told, shared_risk, parts: Vec::new() });
    }
    let mut parallel = parallel(cables, tiers);
    let uplinks = uplinks(cables, tiers, &parallel);
    let told: BTreeSet<&LinkId> = uplinks.iter().flat_map(|group| &group.told).collect();
    for group in &mut parallel {
        group.told.retain(|id| !told.contains(id));
    }
    uplinks.into_iter().chain(parallel).for_each(add);
    groups
}

/// Join what devices bundle to the other groups.
pub(super) fn join_bundles<'a>(
    groups: &mut BTreeMap<Arc<str>, Group>,
    bundles: &Bundles,
    tiers: &BTreeMap<&DeviceId, u32>,
    link_at: impl Fn(&InterfaceId) -> Option<&'a LinkId>,
) {
    let tier = |device: &DeviceId| tiers.get(device).copied().unwrap_or(0);
    let mut found: Vec<Group> = Vec::new();
    let mut lags: HashMap<Vec<LinkId>, usize> = HashMap::new();
    for (key, parts) in bundles.iter().filter(|(_, parts)| parts.len() >= 2) {
        let id = |part: &PartKey| {
            let alone = || parts.keys().filter(|other| other.port == part.port).count() == 1;
            match key {
                BundleKey::Lag(_) => link_at(&part.port).cloned().unwrap_or_else(|| LinkId::to_nobody(&part.port)),
                BundleKey::Ecmp(..) if alone() => {
                    link_at(&part.port).cloned().unwrap_or_else(|| LinkId::to_part(&part.port, part.via))
                }
                _ => LinkId::to_part(&part.port, part.via),
            }
        };
        let parts: Vec<_> = parts.keys().map(|part| (id(part), key.clone(), part.clone())).collect();
        let planned: BTreeSet<LinkId> = parts.iter().map(|(id, ..)| id.clone()).collect();
        let planned: Vec<LinkId> = planned.into_iter().collect();
        let (name, device) = match key {
            BundleKey::Lag(aggregator) => {
                (format!("{} {}", aggregator.device, aggregator.if_name), Some(aggregator.device.clone()))
            }
            BundleKey::Ecmp(device, prefix) => (format!("{device} ways to {prefix}"), Some(device.clone())),
            BundleKey::Gateways(protocol, group, address) => {
                (format!("gateway {address} ({} {group})", protocol.as_str()), None)
            }
        };
        let told = planned.clone();
        let group =
            Group { name: name.into(), kind: key.kind(), device, planned, told, shared_risk: Vec::new(), parts };
        if group.kind != GroupKind::Lag {
            found.push(group);
            continue;
        }
        match lags.get(&group.planned) {
            // The other end of the same aggregate: one group, the lower device's.
            Some(&at) => {
                let place = |group: &Group| group.device.as_ref().map(|device| (tier(device), device.clone()));
                let mut upper = group;
                if place(&upper) < place(&found[at]) {
                    std::mem::swap(&mut upper, &mut found[at]);
                }
                found[at].parts.append(&mut upper.parts);
            }
            None => {
                lags.insert(group.planned.clone(), found.len());
                found.push(group);
            }
        }
    }
    let mut in_lags: BTreeSet<LinkId> = BTreeSet::new();
    for group in found.iter_mut().filter(|group| group.kind == GroupKind::Lag) {
        // A port of an aggregate whose ends do not agree is told by the first.
        group.told.retain(|id| in_lags.insert(id.clone()));
    }
    let lag_of: HashMap<&LinkId, usize> = found
        .iter()
        .enumerate()
        .filter(|(_, group)| group.kind == GroupKind::Lag)
        .flat_map(|(at, lag)| lag.told.iter().map(move |id| (id, at)))
        .collect();
    groups.retain(|_, group| {
        let mut lags = group.planned.iter().map(|id| lag_of.get(id));
        let first = lags.next().flatten();
        group.kind != GroupKind::Parallel || first.is_none() || !lags.all(|lag| lag == first)
    });
    for group in groups.values_mut().filter(|group| group.kind != GroupKind::Declared) {
        group.told.retain(|id| !in_lags.contains(id));
    }
    let told: BTreeSet<LinkId> =
        groups.values().flat_map(|group| group.told.iter().cloned()).chain(in_lags.iter().cloned()).collect();
    for mut group in found {
        if group.kind == GroupKind::Ecmp {
            group.told.retain(|id| !told.contains(id));
        }
        groups.entry(group.name.clone()).or_insert(group);
    }
}

fn parallel(cables: &[Cable<'_>], tiers: &BTreeMap<&DeviceId, u32>) -> Vec<Group> {
    type Pair<'a> = (&'a DeviceId, &'a DeviceId, Chassis<'a>);
    let mut pairs: BTreeMap<Pair<'_>, Vec<LinkId>> = BTreeMap::new();
    for cable in cables.iter().filter(|cable| cable.a != cable.b) {
        let (one, other) = (cable.a.min(cable.b), cable.a.max(cable.b));
        let chassis = cable.chassis.map(|chassis| (chassis.subtype, chassis.value.as_slice()));
        pairs.entry((one, other, chassis)).or_default().push(cable.id.clone());
    }
    let group = |((one, other, _), mut planned): (Pair<'_>, Vec<LinkId>)| {
        planned.sort();
        // Whose doubling: the lower one's, for it is the one that would be cut off.
        let tier = |device| tiers.get(device).copied().unwrap_or(0);
        let device = if tier(other) < tier(one) { other } else { one };
        Group {
            name: format!("{one} - {other} parallel").into(),
            kind: GroupKind::Parallel,
            device: Some(device.clone()),
            told: planned.clone(),
            planned,
            shared_risk: Vec::new(),
            parts: Vec::new(),
        }
    };
    pairs.into_iter().filter(|(_, planned)| planned.len() >= 2).map(group).collect()
}

/// The ways of one device.
#[derive(Default)]
struct Ways<'a> {
    up: BTreeSet<&'a LinkId>,
    /// To equals, on a ring.
    beside: BTreeSet<&'a LinkId>,
    told: BTreeSet<&'a LinkId>,
}

fn uplinks(cables: &[Cable<'_>], tiers: &BTreeMap<&DeviceId, u32>, parallel: &[Group]) -> Vec<Group> {
    let tier = |device| tiers.get(device).copied().unwrap_or(0);
    let bridges = bridges(cables);
    let counts = |cable: &&Cable<'_>| cable.two_ended && cable.a != cable.b;
    let mut ways: BTreeMap<&DeviceId, Ways<'_>> = BTreeMap::new();
    for (index, cable) in cables.iter().enumerate().filter(|(_, cable)| counts(cable)) {
        let (a, b) = (tier(cable.a), tier(cable.b));
        if a != b {
            let ways = ways.entry(if a < b { cable.a } else { cable.b }).or_default();
            ways.up.insert(cable.id);
            ways.told.insert(cable.id);
        } else if !bridges[index] {
            for device in [cable.a, cable.b] {
                ways.entry(device).or_default().beside.insert(cable.id);
            }
        }
    }
    // Who tells of a link between equals.
    for cable in cables.iter().filter(counts) {
        let has = |device| ways.get(device).is_some_and(|ways: &Ways<'_>| ways.beside.contains(cable.id));
        if !has(cable.a) {
            continue;
        }
        let claim = |device| {
            let Ways { up, beside, .. } = &ways[device];
            // Several ways up: the link is none of them, and no loss to speak of.
            let speaks = up.len() < 2 && up.len() + beside.len() >= 2;
            (!speaks, up.len(), beside.len(), device)
        };
        let (a, b) = (claim(cable.a), claim(cable.b));
        let (mute, _, _, teller) = a.min(b);
        if !mute && let Some(ways) = ways.get_mut(teller) {
            ways.told.insert(cable.id);
        }
    }
    let mut groups = Vec::new();
    for (device, Ways { up, beside, told }) in ways {
        let strict = up.len() >= 2;
        let planned: Vec<LinkId> = if strict {
            up.into_iter().cloned().collect()
        } else {
            up.union(&beside).map(|id| (*id).clone()).collect()
        };
        // All to one and the same device and nothing says that it is higher: the parallel group says it better.
        let doubled = !strict && parallel.iter().any(|group| group.planned == planned);
        if planned.len() < 2 || doubled {
            continue;
        }
        groups.push(Group {
            name: format!("{device} uplinks").into(),
            kind: GroupKind::Uplinks,
            device: Some(device.clone()),
            told: told.into_iter().filter(|id| planned.binary_search(id).is_ok()).cloned().collect(),
            planned,
            shared_risk: Vec::new(),
            parts: Vec::new(),
        });
    }
    groups
}

/// For each cable: would its loss split what it joins? Rings close through devices that are only heard of, too.
/// (Tarjan's low links, without recursion, since a hostile fabric may be a very long chain.)
fn bridges(cables: &[Cable<'_>]) -> Vec<bool> {
    let mut index: HashMap<Node<'_>, usize> = HashMap::new();
    let mut beside: Vec<Vec<(usize, usize)>> = Vec::new();
    for (cable, ends) in cables.iter().enumerate() {
        let chassis = ends.chassis.map(|chassis| (chassis.subtype, chassis.value.as_slice()));
        let [a, b] = [(ends.a, None), (ends.b, chassis)].map(|node| {
            *index.entry(node).or_insert_with(|| {
                beside.push(Vec::new());
                beside.len() - 1
            })
        });
        beside[a].push((b, cable));
        beside[b].push((a, cable));
    }
    let mut is_bridge = vec![false; cables.len()];
    let (mut found_at, mut low) = (vec![0; beside.len()], vec![0; beside.len()]);
    let mut clock = 0;
    for root in 0..beside.len() {
        if found_at[root] != 0 {
            continue;
        }
        clock += 1;
        (found_at[root], low[root]) = (clock, clock);
        // (device, the cable we came by, how many of its cables were followed)
        let mut path = vec![(root, usize::MAX, 0)];
        while let Some((device, came_by, followed)) = path.last_mut() {
            let (device, came_by) = (*device, *came_by);
            if let Some((far, cable)) = beside[device].get(*followed).copied() {
                *followed += 1;
                if cable == came_by {
                    continue;
                }
                if found_at[far] == 0 {
                    clock += 1;
                    (found_at[far], low[far]) = (clock, clock);
                    path.push((far, cable, 0));
                } else {
                    low[device] = low[device].min(found_at[far]);
                }
            } else {
                path.pop();
                if let Some((parent, _, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[device]);
                    is_bridge[came_by] = low[device] > found_at[*parent];
                }
            }
        }
    }
    is_bridge
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plan(Vec<(LinkId, DeviceId, DeviceId)>);

    fn plan(cables: &[(&str, &str)]) -> Plan {
        let link = |(n, (a, b)): (usize, &(&str, &str))| {
            let id = LinkId::new(&InterfaceId::new(a, format!("{b}.{n}")), &InterfaceId::new(b, format!("{a}.{n}")));
            (id, DeviceId::from(a), DeviceId::from(b))
        };
        Plan(cables.iter().enumerate().map(link).collect())
    }

    impl Plan {
        fn groups(&self, tiers: &[(&str, u32)]) -> BTreeMap<Arc<str>, Group> {
            let cable = |(id, a, b)| Cable { id, a, b, two_ended: true, chassis: None };
            let cables: Vec<_> = self.0.iter().map(|(id, a, b)| cable((id, a, b))).collect();
            let names: Vec<(DeviceId, u32)> = tiers.iter().map(|(name, tier)| ((*name).into(), *tier)).collect();
            groups(&cables, &names.iter().map(|(name, tier)| (name, *tier)).collect(), &[], |_| None)
        }

        /// How many groups tell of each cable.
        fn tellers(&self, tiers: &[(&str, u32)]) -> Vec<usize> {
            let groups = self.groups(tiers);
            self.0.iter().map(|(id, ..)| groups.values().filter(|group| group.told.contains(id)).count()).collect()
        }
    }

    fn names(groups: &BTreeMap<Arc<str>, Group>) -> Vec<&str> {
        groups.values().filter(|group| !group.told.is_empty()).map(|group| &*group.name).collect()
    }

    const SQUARE: [(&str, &str); 4] = [("l1", "s1"), ("l1", "s2"), ("l2", "s1"), ("l2", "s2")];

    #[test]
    fn a_leaf_tells_of_its_uplinks_and_a_spine_of_nothing() {
        let plan = plan(&SQUARE);
        let groups = plan.groups(&[("l1", 1), ("l2", 1), ("s1", 2), ("s2", 2)]);
        assert_eq!(groups.keys().map(|name| &**name).collect::<Vec<_>>(), ["l1 uplinks", "l2 uplinks"]);
        assert_eq!(groups["l1 uplinks"].planned.len(), 2);
        assert_eq!(plan.tellers(&[("l1", 1), ("l2", 1), ("s1", 2), ("s2", 2)]), [1; 4]);
    }

    #[test]
    fn one_cut_is_one_finding_where_nothing_tells_the_tiers_apart() {
        let rings: [&[(&str, &str)]; 4] = [
            &SQUARE,
            &[("a", "b"), ("b", "c"), ("c", "a")],
            &[("a", "b"), ("a", "b")],
            &[("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")],
        ];
        for cables in rings {
            assert_eq!(plan(cables).tellers(&[]), vec![1; cables.len()], "{cables:?}");
        }
        assert_eq!(names(&plan(&SQUARE).groups(&[])), ["l1 uplinks", "l2 uplinks"]);
        assert_eq!(names(&plan(rings[2]).groups(&[])), ["a - b parallel"]);
        // A chain doubles nothing.
        assert_eq!(plan(&[("a", "b"), ("b", "c"), ("c", "d")]).tellers(&[]), [0; 3]);
    }

    #[test]
    fn one_switch_with_a_stray_edge_port_does_not_hide_a_cut() {
        // s1 has a firewall on it and so counts as a leaf.
        let plan = plan(&SQUARE);
        let tiers = [("l1", 1), ("l2", 1), ("s1", 1), ("s2", 2)];
        assert_eq!(plan.tellers(&tiers), [1; 4]);
        assert_eq!(plan.groups(&tiers)["l1 uplinks"].planned.len(), 2);
    }

    #[test]
    fn a_cable_between_two_leaves_that_have_their_uplinks_is_no_uplink() {
        let mut cables = SQUARE.to_vec();
        cables.push(("l1", "l2"));
        let tiers = [("l1", 1), ("l2", 1), ("s1", 2), ("s2", 2)];
        let found = plan(&cables);
        assert_eq!(found.tellers(&tiers), [1, 1, 1, 1, 0]);
        // Doubled it is a pair of its own.
        cables.push(("l1", "l2"));
        assert_eq!(plan(&cables).tellers(&tiers), [1; 6]);
        // With one uplink each it is the second way of both.
        let found = plan(&[("l1", "s1"), ("l2", "s2"), ("s1", "s2"), ("l1", "l2")]);
        let groups = found.groups(&tiers);
        assert_eq!(groups["l1 uplinks"].planned.len(), 2);
        assert_eq!(groups["l2 uplinks"].planned.len(), 2);
        assert_eq!(found.tellers(&tiers)[3], 1);
    }

    #[test]
    fn a_bundle_in_the_uplinks_is_told_once() {
        let plan = plan(&[("l1", "s1"), ("l1", "s1"), ("l1", "s2"), ("l1", "s2")]);
        let tiers = [("l1", 1), ("s1", 2), ("s2", 2)];
        assert_eq!(plan.tellers(&tiers), [1; 4]);
        let groups = plan.groups(&tiers);
        assert_eq!(groups.len(), 3);
        assert_eq!(groups["l1 - s1 parallel"].device, Some("l1".into()));
    }

    mod bridges_agree_with_cutting {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(200))]
            #[test]
            fn each_cable(ends in prop::collection::vec((0u8..8, 0u8..8), 0..16)) {
                let ends: Vec<_> = ends.into_iter().filter(|(a, b)| a != b).collect();
                let names: Vec<DeviceId> = (0..8).map(|n| DeviceId::from(format!("d{n}"))).collect();
                let id = |n: usize| LinkId::new(&InterfaceId::new("x", n.to_string()), &InterfaceId::new("y", "y"));
                let ids: Vec<LinkId> = (0..ends.len()).map(id).collect();
                let cable = |(n, (a, b)): (usize, &(u8, u8))| Cable {
                    id: &ids[n], a: &names[usize::from(*a)], b: &names[usize::from(*b)], two_ended: true, chassis: None,
                };
                let cables: Vec<_> = ends.iter().enumerate().map(cable).collect();
                let found = bridges(&cables);
                // Where nothing tells the tiers apart, each cable on a ring is told once and no other at all.
                let groups = groups(&cables, &BTreeMap::new(), &[], |_| None);
                for (id, bridge) in ids.iter().zip(&found) {
                    let told = groups.values().filter(|group| group.told.contains(id)).count();
                    prop_assert_eq!(told, usize::from(!bridge));
                }
                for (cut, (a, b)) in ends.iter().enumerate() {
                    let mut reached = BTreeSet::from([*a]);
                    for _ in 0..8 {
                        for (n, (x, y)) in ends.iter().enumerate() {
                            if n != cut && (reached.contains(x) || reached.contains(y)) {
                                reached.extend([*x, *y]);
                            }
                        }
                    }
                    prop_assert_eq!(found[cut], !reached.contains(b));
                }
            }
        }
    }
}
