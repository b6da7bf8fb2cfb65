//! What members of a group carry when one of them fails: its load goes to the others in proportion to what they carry now.
//! This rests on measured loads alone, and needs to know nothing of who sends to whom.

use std::collections::{BTreeSet, HashMap};

use crate::fabric::{GroupKind, LinkId};
use crate::topology::ledger::Scene;

use super::net::Net;
use super::reroute::Failure;

/// A group's members that work, as links of the scene.
#[derive(Debug)]
struct Members {
    kind: GroupKind,
    /// The device whose doubling it is, as in the scene.
    device: Option<u32>,
    links: Vec<u32>,
}

/// By link.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Members>,
    of: HashMap<u32, Vec<u32>>,
}

/// Where the load of a lost member goes.
#[derive(Debug)]
pub(super) struct Split {
    /// All of it stays here: an aggregate is one next hop, however many members it has.
    pub holds: bool,
    /// Link, direction, and what it would carry.
    pub after: Vec<(u32, u8, f64)>,
}

impl Groups {
    pub(super) fn of(scene: &Scene) -> Self {
        let at: HashMap<&LinkId, u32> = scene.links.iter().enumerate().map(|(n, link)| (&link.id, n as u32)).collect();
        let mut all = Self::default();
        for group in &scene.groups {
            let splits =
                matches!(group.kind, GroupKind::Lag | GroupKind::Parallel | GroupKind::Uplinks | GroupKind::Ecmp);
            let links: Vec<u32> = group.working.iter().filter_map(|id| at.get(id).copied()).collect();
            // Of a member that is not seen it is not known what it takes.
            if !splits || links.len() < 2 || !group.unknown.is_empty() {
                continue;
            }
            let name = group.device.as_ref();
            let device = name.and_then(|name| scene.devices.binary_search_by(|device| device.name.cmp(name)).ok());
            for link in &links {
                all.of.entry(*link).or_default().push(all.groups.len() as u32);
            }
            all.groups.push(Members { kind: group.kind, device: device.map(|at| at as u32), links });
        }
        all
    }

    /// As if all this were gone at once.
    pub(super) fn without(&self, net: &Net, failure: &Failure) -> Vec<Split> {
        // What ends in a device that is gone goes nowhere else: how much that is only the matrix says.
        if failure.devices.iter().any(|device| net.device_edge_bps[*device as usize] != [0.0; 2]) {
            return Vec::new();
        }
        let is_lost = |link: &u32| failure.links.binary_search(link).is_ok();
        // What stays within an aggregate concerns no wider group; uplinks are wider than next hops.
        let rank = |kind: GroupKind| match kind {
            GroupKind::Lag => 0,
            GroupKind::Uplinks => 1,
            GroupKind::Ecmp => 2,
            _ => 3,
        };
        let mut concerned = BTreeSet::new();
        let mut holds = true;
        for link in &failure.links {
            let groups = self.of.get(link).into_iter().flatten().filter(|at| {
                let group = &self.groups[**at as usize];
                let gone = group.device.is_some_and(|device| failure.devices.contains(&device));
                !gone && !group.links.iter().all(is_lost)
            });
            let groups: Vec<u32> = groups.copied().collect();
            let best = groups.iter().map(|at| rank(self.groups[*at as usize].kind)).min();
            holds &= best == Some(0);
            concerned.extend(groups.into_iter().filter(|at| Some(rank(self.groups[*at as usize].kind)) == best));
        }
        let groups = concerned.into_iter().map(|at| &self.groups[at as usize]);
        groups.filter_map(|group| group.split(net, &is_lost, holds)).collect()
    }
}

impl Members {
    fn split(&self, net: &Net, is_lost: &dyn Fn(&u32) -> bool, holds: bool) -> Option<Split> {
        let both = matches!(self.kind, GroupKind::Lag | GroupKind::Parallel);
        let mut after = Vec::new();
        // The direction that each end sends in.
        let ends = net.ends[*self.links.first()? as usize]?;
        let senders = if both { ends.to_vec() } else { self.device.into_iter().collect() };
        for end in senders {
            let sends = |link: &u32| -> Option<(u32, u8, f64)> {
                let way = net.ends[*link as usize]?.iter().position(|device| *device == end)?;
                let load = net.load_bps[*link as usize][way];
                load.is_finite().then_some((*link, way as u8, load))
            };
            let loads = |lost: bool| {
                self.links.iter().filter(|link| is_lost(link) == lost).map(sends).collect::<Option<Vec<_>>>()
            };
            let (Some(lost), Some(left)) = (loads(true), loads(false)) else { continue };
            let moved: f64 = lost.iter().map(|(.., load)| load).sum();
            let all: f64 = left.iter().map(|(.., load)| load).sum();
            let count = left.len() as f64;
            let share = |load: f64| if all > 0.0 { load / all } else { 1.0 / count };
            after.extend(left.into_iter().map(|(link, way, load)| (link, way, load + moved * share(load))));
        }
        (!after.is_empty()).then_some(Split { holds, after })
    }
}
