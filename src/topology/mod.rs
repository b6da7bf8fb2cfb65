//! Neighbours joined to links, links to redundancy groups (IEEE 802.1AB, and what the operator declares).
//!
//! The driver feeds what devices tell (`learn_*`, `forget`), calls [`Topology::settle`] when one of them said
//! that something changed and at [`Topology::next_deadline`], and asks for states with a [`View`] of the core.
//! Links are right after each `learn_*`; groups are as of the last `settle`.

mod announced;
mod bundles;
mod claims;
pub mod crawl;
mod directory;
mod edges;
pub mod graph;
mod groups;
pub mod headroom;
pub mod ledger;
mod links;
mod memory;
mod outline;
mod plan;
mod settings;
mod state;
mod tiers;
mod weigh;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::fabric::{
    AggregationMember, BridgePort, BridgePortState, DeviceHealth, DeviceId, DeviceIdentity, Gateway, GroupState,
    InterfaceId, InterfaceInfo, LinkHealth, LinkId, LinkState, Neighbor, NextHop, OperStatus, Timestamp,
};

use bundles::Bundles;
use claims::Claims;
use directory::{Directory, Shift};
use edges::Edges;
use links::{Links, Planned};

pub use bundles::{BundleKey, PartKey, RememberedPart};
pub use memory::{Memory, RememberedDevice, RememberedLink};
pub use outline::{Outline, Risk};
pub use plan::{Change, EndReport, Group, GroupReport, Link, LinkReport, NOBODY, View};
pub use settings::{DeclaredGroup, Protect, Selector, Settings, SharedRisk, Survive};

/// The graph of the fabric as planned, learnt from neighbour tables.
#[derive(Debug, Default)]
pub struct Topology {
    settings: Settings,
    directory: Directory,
    claims: Claims,
    links: Links,
    edges: Edges,
    bundles: Bundles,
    /// Ports that spanning tree blocks.
    blocked: HashMap<DeviceId, BTreeSet<Arc<str>>>,
    groups: BTreeMap<Arc<str>, Group>,
    groups_of: HashMap<LinkId, Vec<Arc<str>>>,
    /// The groups that rest on a port by what its device says of it.
    groups_at: HashMap<InterfaceId, Vec<Arc<str>>>,
    outline: Arc<Outline>,
    /// Links, roles, edges or settings changed since the groups were made.
    stale_groups: bool,
    /// The first moment we were handed.
    started_at: Option<Timestamp>,
    /// Devices remembered from before the restart that did not come back yet.
    awaited: BTreeSet<DeviceId>,
}

impl Topology {
    /// Start from the settings and what was remembered.
    pub fn new(settings: Settings, memory: Option<Memory>) -> Self {
        let mut topology = Self { settings, stale_groups: true, ..Self::default() };
        let Memory { links, devices, parts } = memory.unwrap_or_default();
        for RememberedDevice { id, identity, edge_ports } in devices {
            topology.directory.meet(&id, false);
            topology.directory.learn_identity(&id, &Arc::new(identity));
            for port in edge_ports {
                topology.edges.insert(&InterfaceId { device: id.clone(), if_name: port });
            }
            topology.awaited.insert(id);
        }
        for link in links {
            topology.links.restore(link.into_planned());
        }
        for part in parts {
            topology.bundles.restore(part);
        }
        topology
    }

    /// Take new settings at once; true if they differ.
    pub fn reconfigure(&mut self, settings: Settings) -> bool {
        let changed = self.settings != settings;
        self.settings = settings;
        self.stale_groups |= changed;
        changed
    }

    /// A device said who it is. Like its siblings: true if there is something to [`settle`](Self::settle).
    pub fn learn_identity(&mut self, now: Timestamp, device: &DeviceId, identity: &Arc<DeviceIdentity>) -> bool {
        let mut shift = self.meet(now, device);
        let place = |topology: &Self| {
            let known = topology.directory.get(device).map(|known| known.identity.clone()).unwrap_or_default();
            (topology.place(device), known.management_interface.clone(), known.labels.clone())
        };
        let before = place(self);
        let learnt = self.directory.learn_identity(device, identity);
        self.stale_groups |= place(self) != before;
        shift.keys.extend(learnt.keys);
        shift.ports |= learnt.ports;
        self.reread(now, device, &shift)
    }

    /// A device said which interfaces it has.
    pub fn learn_inventory(&mut self, now: Timestamp, device: &DeviceId, interfaces: &[Arc<InterfaceInfo>]) -> bool {
        let mut shift = self.meet(now, device);
        let learnt = self.directory.learn_inventory(device, interfaces);
        if learnt != Shift::default() {
            let ports =
                interfaces.iter().map(|info| InterfaceId { device: device.clone(), if_name: info.if_name.clone() });
            self.edges.look_again(now, ports, self.settings.edge_after);
        }
        shift.keys.extend(learnt.keys);
        shift.ports |= learnt.ports;
        self.reread(now, device, &shift)
    }

    /// A device told its whole neighbour table.
    pub fn learn_neighbors(&mut self, now: Timestamp, device: &DeviceId, rows: &[Neighbor]) -> bool {
        let shift = self.meet(now, device);
        if shift != Shift::default() {
            self.reread(now, device, &shift);
        }
        let first = !self.claims.has_table(device);
        let rows = self.without_doubles(device, rows);
        if let Some(mut dirty) = self.claims.learn(&self.directory, device, &rows) {
            if first {
                dirty.extend(self.links.ports_of(device).cloned());
                if let Some(known) = self.directory.get(device) {
                    let port = |if_name: &Arc<str>| InterfaceId { device: device.clone(), if_name: if_name.clone() };
                    self.edges.look_again(now, known.inventory.keys().map(port), self.settings.edge_after);
                }
            }
            self.weigh(now, dirty);
        }
        for port in self.claims.ports_of(device) {
            self.links.refresh(port, now);
        }
        self.is_unsettled(now)
    }

    /// An interface's state was read for the first time, or changed. Tells which ports lead out of the fabric.
    pub fn learn_status(&mut self, now: Timestamp, interface: &InterfaceId, oper_status: OperStatus) -> bool {
        self.edges.status(now, interface, oper_status.is_up(), self.settings.edge_after);
        self.is_unsettled(now)
    }

    /// A device told of all its ports in aggregates.
    pub fn learn_aggregations(&mut self, now: Timestamp, device: &DeviceId, members: &[AggregationMember]) -> bool {
        self.meet(now, device);
        self.bundles.learn_aggregations(now, device, members);
        // What the aggregate itself was said to hear before it was known for one is the cables in its ports.
        let port = |if_name: &Arc<str>| InterfaceId { device: device.clone(), if_name: Arc::clone(if_name) };
        let in_cable = |port: &InterfaceId| self.links.at(port).is_some_and(|planned| !planned.is_declared());
        let doubled = |(aggregator, mut ports): (&InterfaceId, Box<dyn Iterator<Item = &Arc<str>> + '_>)| {
            (in_cable(aggregator) && ports.any(|name| in_cable(&port(name)))).then(|| self.links.at(aggregator))?
        };
        let lags = self.bundles.lags_of(device);
        let doubled: Vec<LinkId> = lags.filter_map(doubled).map(|planned| planned.link.id.clone()).collect();
        for id in doubled {
            self.links.give_up(&id);
        }
        self.is_unsettled(now)
    }

    /// A device told of all its next hops to the prefixes that are looked at.
    pub fn learn_next_hops(&mut self, now: Timestamp, device: &DeviceId, hops: &[NextHop]) -> bool {
        self.meet(now, device);
        self.bundles.learn_next_hops(now, device, hops);
        self.is_unsettled(now)
    }

    /// A device told of all shared addresses that it takes part in.
    pub fn learn_gateways(&mut self, now: Timestamp, device: &DeviceId, gateways: &[Gateway]) -> bool {
        self.meet(now, device);
        self.bundles.learn_gateways(now, device, gateways);
        self.is_unsettled(now)
    }

    /// A device told which of its ports spanning tree blocks.
    pub fn learn_spanning_tree(&mut self, now: Timestamp, device: &DeviceId, ports: &[BridgePort]) -> bool {
        self.meet(now, device);
        let blocks = |port: &&BridgePort| port.state == BridgePortState::Blocking;
        let blocked: BTreeSet<_> = ports.iter().filter(blocks).map(|port| Arc::clone(&port.if_name)).collect();
        if blocked.is_empty() {
            self.blocked.remove(device);
        } else {
            self.blocked.insert(device.clone(), blocked);
        }
        self.is_unsettled(now)
    }

    /// The device is retired: its links go, or become one-sided where the other end still hears it.
    pub fn forget(&mut self, now: Timestamp, device: &DeviceId) -> bool {
        self.started_at.get_or_insert(now);
        self.awaited.remove(device);
        self.edges.forget(device);
        self.bundles.forget(device);
        self.blocked.remove(device);
        let shift = self.directory.forget(device);
        let mut dirty = self.claims.forget(device);
        let ports: Vec<_> = self.links.ports_of(device).cloned().collect();
        for port in ports {
            let Some(planned) = self.links.at(&port) else { continue };
            dirty.extend(planned.watched_far(&port).cloned());
            let id = planned.link.id.clone();
            self.links.give_up(&id);
        }
        dirty.extend(self.claims.reread(&self.directory, device, &shift.keys, true));
        self.weigh(now, dirty);
        self.stale_groups = true;
        self.is_unsettled(now)
    }

    /// Expire, regroup, and tell what changed since the last call. Costs next to nothing where nothing did; a
    /// regrouping looks at all links, so many small changes are better settled together.
    pub fn settle(&mut self, now: Timestamp) -> Change {
        let started_at = *self.started_at.get_or_insert(now);
        while let Some((since, id)) = self.links.longest_missing() {
            if *since + self.settings.forget_after > now {
                break;
            }
            let id = id.clone();
            self.links.give_up(&id);
        }
        while let Some((since, key, part)) = self.bundles.longest_missing() {
            if *since + self.settings.forget_after > now {
                break;
            }
            let (key, part) = (key.clone(), part.clone());
            self.bundles.give_up(&key, &part);
        }
        if !self.awaited.is_empty() && started_at + self.settings.forget_after <= now {
            for device in std::mem::take(&mut self.awaited) {
                self.forget(now, &device);
            }
        }
        for port in self.edges.take_due(now) {
            if self.leads_out(now, &port) {
                self.stale_groups |= self.edges.insert(&port);
            }
        }
        if self.stale_groups || self.links.changed() {
            self.plan_declared(now);
        }
        let stale = std::mem::take(&mut self.stale_groups) | self.links.changed() | self.bundles.changed();
        let mut change = self.links.take_change();
        if stale {
            self.regroup(&mut change);
        }
        let touched = self.bundles.take_touched();
        if !touched.is_empty() {
            let told = |group: &&Group| group.parts.iter().any(|(_, key, _)| touched.contains(key));
            let names: Vec<_> = self.groups.values().filter(told).map(|group| group.name.clone()).collect();
            change.groups_changed.extend(names);
            change.groups_changed.sort();
            change.groups_changed.dedup();
        }
        change
    }

    /// When `settle` has something to do even if nothing is learnt.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let missing = self.links.longest_missing().map(|(since, _)| *since + self.settings.forget_after);
        let awaited = self.started_at.filter(|_| !self.awaited.is_empty()).map(|at| at + self.settings.forget_after);
        let part = self.bundles.longest_missing().map(|(since, ..)| *since + self.settings.forget_after);
        [missing, awaited, part, self.edges.next_due()].into_iter().flatten().min()
    }

    /// All planned links, sorted by id.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().map(|planned| &planned.link)
    }

    /// One link.
    pub fn link(&self, id: &LinkId) -> Option<&Link> {
        self.links.get(id).map(|planned| &planned.link)
    }

    /// The link in a port that we watch.
    pub fn link_at(&self, interface: &InterfaceId) -> Option<&Link> {
        self.links.at(interface).map(|planned| &planned.link)
    }

    /// All groups, sorted by name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// One group.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The groups that a link belongs to, by name.
    pub fn groups_of(&self, link: &LinkId) -> &[Arc<str>] {
        self.groups_of.get(link).map(Vec::as_slice).unwrap_or_default()
    }

    /// The groups that rest on a port by what its device says of it (its aggregate, its part in a gateway), by name.
    pub fn groups_at(&self, port: &InterfaceId) -> &[Arc<str>] {
        self.groups_at.get(port).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the ledger needs to know of the plan beside links and groups; as of the last `settle`.
    pub fn outline(&self) -> &Arc<Outline> {
        &self.outline
    }

    /// Neighbour rows that were too many to keep, since the start.
    pub fn rows_left_out(&self) -> u64 {
        self.claims.rows_left_out
    }

    /// What to keep for the next start.
    pub fn memory(&self) -> Memory {
        let mut devices: Vec<_> = self
            .directory
            .iter()
            .map(|(id, device)| {
                let identity = DeviceIdentity {
                    sys_descr: String::new(),
                    local_ports: Vec::new(),
                    ..DeviceIdentity::clone(&device.identity)
                };
                RememberedDevice { id: id.clone(), identity, edge_ports: self.edges.of(id).cloned().collect() }
            })
            .collect();
        devices.sort_by(|one, other| one.id.cmp(&other.id));
        Memory {
            links: self.links.iter().filter_map(RememberedLink::of).collect(),
            devices,
            parts: self.bundles.memory(),
        }
    }

    /// The states of all links and groups, both sorted.
    ///
    /// A port that leads out of the fabric has a cable too, to somebody who does not say who it is: it is shown as a
    /// link to [`NOBODY`]. It is no planned link: no group counts on it, and its port's alerts are its interface's.
    pub fn snapshot(&self, now: Timestamp, view: View<'_>) -> (Vec<LinkState>, Vec<GroupState>) {
        let report = |link: &Link| self.report(link, view).state;
        let unheard = self
            .edges
            .iter()
            .filter(|port| self.links.at(port).is_none())
            .map(|port| report(&Link::to_nobody(&port, self.started_at.unwrap_or(now))));
        let mut links: Vec<LinkState> = self.links().map(report).chain(unheard).collect();
        links.sort_by(|one, other| one.id.cmp(&other.id));
        let health = |id: &LinkId| match links.binary_search_by(|link| link.id.cmp(id)) {
            Ok(at) => links[at].health,
            Err(_) => LinkHealth::Unknown,
        };
        let state = |group: &Group| {
            if group.parts.is_empty() { state::group_state(group, health) } else { self.members(now, group, view).0 }
        };
        let groups = self.groups.values().map(state).collect();
        (links, groups)
    }

    /// The state of one link.
    pub fn link_state(&self, now: Timestamp, id: &LinkId, view: View<'_>) -> Option<LinkState> {
        self.link_report(now, id, view).map(|report| report.state)
    }

    /// The state of one link with what explains it, for the detectors.
    pub fn link_report(&self, _now: Timestamp, id: &LinkId, view: View<'_>) -> Option<LinkReport> {
        self.link(id).map(|link| self.report(link, view))
    }

    fn report(&self, link: &Link, view: View<'_>) -> LinkReport {
        let mut report = state::link_report(link, self.groups_of(&link.id), view);
        let blocked = |end: &InterfaceId| {
            let blocks =
                |port: &InterfaceId| self.blocked.get(&port.device).is_some_and(|ports| ports.contains(&port.if_name));
            // Spanning tree knows an aggregate and not its ports.
            !self.blocked.is_empty() && (blocks(end) || self.bundles.lag_of(end).is_some_and(blocks))
        };
        // Of a port without carrier some agents say that it blocks.
        report.state.stands_by =
            report.state.health == LinkHealth::Up && (blocked(&link.a.interface) || blocked(&link.b.interface));
        report
    }

    /// The state of one group with what explains it, for the detectors.
    pub fn group_report(&self, now: Timestamp, name: &str, view: View<'_>) -> Option<GroupReport> {
        let group = self.group(name)?;
        let (state, members, own) = self.members(now, group, view);
        let mut told = group.told.clone();
        told.extend(own.into_iter().filter(|id| !group.told.contains(id)));
        told.sort();
        Some(GroupReport { state, told, shared_risk: group.shared_risk.clone(), members })
    }

    /// The state of a group, those of its members, and which members are down by what this group alone knows.
    fn members(&self, now: Timestamp, group: &Group, view: View<'_>) -> (GroupState, Vec<LinkState>, Vec<LinkId>) {
        let (mut reasons, mut own) = (Vec::new(), Vec::new());
        let mut members = Vec::with_capacity(group.planned.len());
        for id in &group.planned {
            let parts = || group.parts.iter().filter(|(part_of, ..)| part_of == id);
            let link = self.link(id).cloned().or_else(|| {
                let (_, _, part) = parts().next()?;
                Some(Link::of_part(id, &part.port, self.started_at.unwrap_or(now)))
            });
            let Some(mut state) = link.map(|link| self.report(&link, view).state) else { continue };
            // What was told before its device fell silent says nothing of now.
            let answers =
                |device: &DeviceId| (view.device)(device).is_some_and(|device| device.health == DeviceHealth::Ok);
            let spoken = parts().filter(|(_, _, part)| answers(&part.port.device));
            let spoken: Vec<_> =
                spoken.filter_map(|(_, key, part)| Some((part, self.bundles.part(key, part)?))).collect();
            match spoken.iter().find_map(|(key, part)| part.fault(key)) {
                Some(fault) => {
                    if state.health != LinkHealth::Down {
                        state.since = fault.since;
                        own.push(id.clone());
                    }
                    state.health = LinkHealth::Down;
                    reasons.push((id.clone(), fault.reason));
                }
                None if state.health == LinkHealth::Unknown
                    && !spoken.is_empty()
                    && spoken.len() == parts().count() =>
                {
                    state.health = LinkHealth::Up;
                    state.since = spoken.iter().map(|(_, part)| part.known_since).max().unwrap_or(state.since);
                }
                None => {}
            }
            members.push(state);
        }
        let health =
            |id: &LinkId| members.iter().find(|link| link.id == *id).map(|link| link.health).unwrap_or_default();
        (GroupState { reasons, ..state::group_state(group, health) }, members, own)
    }

    /// A port and the aggregate it is in may both be said to hear the same neighbour: that is one cable, in the port.
    fn without_doubles<'a>(&self, device: &DeviceId, rows: &'a [Neighbor]) -> Cow<'a, [Neighbor]> {
        let heard: HashSet<&Arc<str>> = rows.iter().map(|row| &row.local).collect();
        let mut doubled: HashSet<&Arc<str>> = HashSet::new();
        for (aggregator, mut ports) in self.bundles.lags_of(device) {
            if heard.contains(&aggregator.if_name) && ports.any(|port| heard.contains(port)) {
                doubled.insert(&aggregator.if_name);
            }
        }
        if doubled.is_empty() {
            return Cow::Borrowed(rows);
        }
        Cow::Owned(rows.iter().filter(|row| !doubled.contains(&row.local)).cloned().collect())
    }

    /// A device speaks.
    fn meet(&mut self, now: Timestamp, device: &DeviceId) -> Shift {
        self.started_at.get_or_insert(now);
        self.awaited.remove(device);
        self.directory.meet(device, true)
    }

    /// A device goes by other names: understand again who speaks of it.
    fn reread(&mut self, now: Timestamp, device: &DeviceId, shift: &Shift) -> bool {
        if *shift != Shift::default() {
            let dirty = self.claims.reread(&self.directory, device, &shift.keys, shift.ports);
            self.weigh(now, dirty);
        }
        self.is_unsettled(now)
    }

    fn is_unsettled(&self, now: Timestamp) -> bool {
        self.stale_groups
            || self.links.changed()
            || self.bundles.has_news()
            || self.next_deadline().is_some_and(|at| at <= now)
    }

    /// An Ethernet port that is up and hears nobody, on a device that would tell.
    fn leads_out(&self, now: Timestamp, port: &InterfaceId) -> bool {
        let Some(device) = self.directory.get(&port.device) else { return false };
        self.edges.is_up(now, port, self.settings.edge_after)
            && self.claims.has_table(&port.device)
            && device.inventory.get(&port.if_name).is_some_and(|info| edges::is_ethernet(info))
            && !edges::is_management(&device.identity, &port.if_name)
            && !self.claims.hears(port)
            && self.links.at(port).is_none()
    }

    fn is_management(&self, port: &InterfaceId) -> bool {
        let device = self.directory.get(&port.device);
        edges::is_management(
            device.map(|device| &*device.identity).unwrap_or(&DeviceIdentity::default()),
            &port.if_name,
        )
    }

    fn place(&self, device: &DeviceId) -> tiers::Place {
        let identity = self.directory.get(device).map(|device| &device.identity);
        let role = identity.and_then(|identity| tiers::tier_of_role(identity));
        // What has a name of its own but no address to be polled at is the host that we run on.
        let host = identity.is_some_and(|identity| identity.address.is_none() && !identity.sys_name.is_empty());
        tiers::Place { tier: role.or(host.then_some(0)), edge: self.edges.has(device) }
    }

    /// Lines that only the operator knows become links, so that they have a state; those withdrawn go.
    fn plan_declared(&mut self, now: Timestamp) {
        let mut wanted: BTreeMap<InterfaceId, InterfaceId> = BTreeMap::new();
        for group in &self.settings.groups {
            for port in group.links.iter().filter(|port| self.links.at(port).is_none_or(Planned::is_declared)) {
                wanted.entry(port.clone()).or_insert_with(|| InterfaceId::new(&group.name, "far end"));
            }
        }
        let ids: BTreeSet<LinkId> = wanted.iter().map(|(port, far)| LinkId::new(port, far)).collect();
        let withdrawn = |planned: &&Planned| planned.is_declared() && !ids.contains(&planned.link.id);
        let withdrawn: Vec<_> = self.links.iter().filter(withdrawn).map(|planned| planned.link.id.clone()).collect();
        for id in withdrawn {
            self.links.give_up(&id);
        }
        for (port, far) in wanted {
            if self.links.at(&port).is_none() {
                self.links.plan(Planned::declared(&port, &far, now));
            }
        }
    }

    fn regroup(&mut self, change: &mut Change) {
        let mut outside: BTreeSet<&DeviceId> = BTreeSet::new();
        let mut cables = Vec::new();
        for planned in self.links.iter().filter(|planned| !planned.is_declared()) {
            let Link { id, a, b, .. } = &planned.link;
            if self.is_management(&a.interface) || self.is_management(&b.interface) {
                continue;
            }
            let two_ended = a.watched && b.watched;
            let (near, far) = if a.watched { (a, b) } else { (b, a) };
            let (near, far) = (&near.interface.device, &far.interface.device);
            let chassis = planned.chassis.as_ref().filter(|_| !two_ended);
            if chassis.is_some() {
                outside.insert(near);
            }
            cables.push(groups::Cable { id, a: near, b: far, two_ended, chassis });
        }
        let between =
            cables.iter().filter(|cable| cable.two_ended && cable.a != cable.b).map(|cable| (cable.a, cable.b));
        let tiers = tiers::tiers(between, |device| {
            let place = self.place(device);
            tiers::Place { edge: place.edge || outside.contains(device), ..place }
        });
        let link_at = |port: &InterfaceId| self.links.at(port).map(|planned| &planned.link.id);
        let mut groups = groups::groups(&cables, &tiers, &self.settings.groups, link_at);
        groups::join_bundles(&mut groups, &self.bundles, &tiers, link_at);
        change.groups_changed = groups
            .values()
            .filter(|group| self.groups.get(&group.name) != Some(group))
            .map(|group| group.name.clone())
            .collect();
        let gone = self.groups.values().filter(|group| !groups.contains_key(&group.name));
        change.groups_gone = gone.map(|group| (group.name.clone(), group.device.clone())).collect();
        self.groups_of.clear();
        self.groups_at.clear();
        for group in groups.values() {
            for (_, _, part) in &group.parts {
                let at = self.groups_at.entry(part.port.clone()).or_default();
                if at.last() != Some(&group.name) {
                    at.push(group.name.clone());
                }
            }
            for link in &group.planned {
                self.groups_of.entry(link.clone()).or_default().push(group.name.clone());
            }
        }
        let is_management = |id: &LinkId| {
            let link = self.links.get(id).map(|planned| &planned.link);
            link.is_some_and(|link| self.is_management(&link.a.interface) || self.is_management(&link.b.interface))
        };
        self.outline = Arc::new(Outline::new(
            &self.settings,
            self.directory.iter().map(|(id, device)| (id, &device.identity.labels)),
            &tiers,
            &groups,
            is_management,
            self.links.iter().map(|planned| &planned.link.id),
            link_at,
        ));
        self.groups = groups;
    }
}

#[cfg(test)]
mod tests;
