//! The planned links: heard of once, and not given up since.
//!
//! ```text
//!                      heard                      no end that speaks hears it
//!   (nothing) ------------------------> standing ----------------------------> missing
//!        ^                                 |  ^                                 |  |
//!        |   another neighbour in a port,  |  +------------- heard -------------+  |
//!        +---- or a device retired --------+                                       |
//!        |                                                                         |
//!        +---- the same, or missing for `forget_after` ----------------------------+
//! ```
//!
//! Invariant: a port that we watch is in one link at most, and [`Links::at`] tells in which.

use std::collections::{BTreeMap, BTreeSet};

use crate::fabric::{ChassisId, DeviceId, InterfaceId, LinkEnd, LinkId, Timestamp};

use super::{Change, Link};

/// A planned link with what proves it.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) link: Link,
    /// What the table of `a` announced of `b` when both were known to be a pair, and the other way round: the
    /// same words later, when less is known (a restart, a row of the other end gone), mean the same link.
    pub(super) hears: [Option<InterfaceId>; 2],
    /// For a one-sided link: what tells the far end from its namesakes.
    pub(super) chassis: Option<ChassisId>,
}

impl Planned {
    /// A two-ended link.
    pub(super) fn two(one: &InterfaceId, other: &InterfaceId, now: Timestamp) -> Self {
        Self::new(one, true, other, true, now)
    }

    /// A link of which one end is only heard of.
    pub(super) fn one(near: &InterfaceId, far: &InterfaceId, chassis: Option<ChassisId>, now: Timestamp) -> Self {
        Self { chassis, ..Self::new(near, true, far, false, now) }
    }

    /// A link that only the operator knows.
    pub(super) fn declared(near: &InterfaceId, far: &InterfaceId, now: Timestamp) -> Self {
        let mut planned = Self::new(near, true, far, false, now);
        planned.link.heard_at = None;
        planned
    }

    fn new(one: &InterfaceId, one_watched: bool, other: &InterfaceId, other_watched: bool, now: Timestamp) -> Self {
        let id = LinkId::new(one, other);
        let one = LinkEnd { interface: one.clone(), watched: one_watched };
        let other = LinkEnd { interface: other.clone(), watched: other_watched };
        let (a, b) = if one.interface <= other.interface { (one, other) } else { (other, one) };
        let link = Link { id, a, b, known_since: now, heard_at: Some(now), missing_since: None };
        Self { link, hears: [None, None], chassis: None }
    }

    /// The end opposite to a port that we watch, if that end is watched too.
    pub(super) fn watched_far(&self, near: &InterfaceId) -> Option<&InterfaceId> {
        let (a, b) = (&self.link.a, &self.link.b);
        let far = if a.interface == *near { b } else { a };
        far.watched.then_some(&far.interface)
    }

    /// The far end's name as seen from a port that we watch.
    pub(super) fn far(&self, near: &InterfaceId) -> &InterfaceId {
        if self.link.a.interface == *near { &self.link.b.interface } else { &self.link.a.interface }
    }

    /// What `near` was heard to announce of its far end.
    pub(super) fn hears(&mut self, near: &InterfaceId) -> &mut Option<InterfaceId> {
        &mut self.hears[usize::from(self.link.a.interface != *near)]
    }

    pub(super) fn is_declared(&self) -> bool {
        self.link.heard_at.is_none()
    }
}

/// All planned links.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Planned>,
    at: BTreeMap<InterfaceId, LinkId>,
    missing: BTreeSet<(Timestamp, LinkId)>,
    appeared: BTreeSet<LinkId>,
    gone: BTreeSet<LinkId>,
    replaced: Vec<(LinkId, LinkId)>,
    /// Some link came, went or has other ends, maybe under the same name.
    reshaped: bool,
}

impl Links {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Planned> {
        self.by_id.values()
    }

    pub(super) fn get(&self, id: &LinkId) -> Option<&Planned> {
        self.by_id.get(id)
    }

    /// The link in a port that we watch (or that the operator declared).
    pub(super) fn at(&self, port: &InterfaceId) -> Option<&Planned> {
        self.by_id.get(self.at.get(port)?)
    }

    /// The ports of a device that are in a link.
    pub(super) fn ports_of(&self, device: &DeviceId) -> impl Iterator<Item = &InterfaceId> {
        let first = InterfaceId { device: device.clone(), if_name: "".into() };
        self.at.range(first..).map(|(port, _)| port).take_while(move |port| port.device == *device)
    }

    /// Plan a link; what is in its ports by now is given up for it.
    pub(super) fn plan(&mut self, mut planned: Planned) {
        let id = planned.link.id.clone();
        if let Some(known) = self.by_id.get(&id) {
            let (a, b) = (&known.link.a, &known.link.b);
            if a.interface != planned.link.a.interface || b.interface != planned.link.b.interface {
                // Another cable whose ends spell the same name: possible only with crafted names. First come.
                return;
            }
            // Both ends announce each other's very names: what was one-sided from each side is one link.
            planned.link.a.watched |= a.watched;
            planned.link.b.watched |= b.watched;
            planned.link.known_since = known.link.known_since;
            planned.link.heard_at = known.link.heard_at;
        }
        let ends = [planned.link.a.clone(), planned.link.b.clone()];
        let ports: Vec<InterfaceId> = ends.into_iter().filter(|end| end.watched).map(|end| end.interface).collect();
        for port in &ports {
            if let Some(old) = self.at.get(port).filter(|old| **old != id).cloned() {
                self.give_up(&old);
                self.replaced.push((old, id.clone()));
            }
        }
        for port in ports {
            self.at.insert(port, id.clone());
        }
        self.reshaped = true;
        if let Some(old) = self.by_id.insert(id.clone(), planned) {
            if let Some(since) = old.link.missing_since {
                self.missing.remove(&(since, id));
            }
        } else if !self.gone.remove(&id) {
            self.appeared.insert(id);
        }
    }

    /// Put a remembered link back; it is no news.
    pub(super) fn restore(&mut self, planned: Planned) {
        let id = planned.link.id.clone();
        let ends = [&planned.link.a, &planned.link.b];
        let ports: Vec<_> = ends.into_iter().filter(|end| end.watched).map(|end| end.interface.clone()).collect();
        // A file may hold anything: the invariant is kept whatever it says.
        if ports.is_empty() || ports.iter().any(|port| self.at.contains_key(port)) || self.by_id.contains_key(&id) {
            return;
        }
        self.at.extend(ports.into_iter().map(|port| (port, id.clone())));
        if let Some(since) = planned.link.missing_since {
            self.missing.insert((since, id.clone()));
        }
        self.by_id.insert(id, planned);
    }

    /// The link in this port stands: some table holds it, whenever that was read ([`Self::refresh`] knows).
    pub(super) fn confirm(&mut self, port: &InterfaceId, announced: Option<&InterfaceId>) {
        let Some(id) = self.at.get(port) else { return };
        let Some(planned) = self.by_id.get_mut(id) else { return };
        if let Some(announced) = announced
            && planned.hears(port).as_ref() != Some(announced)
        {
            *planned.hears(port) = Some(announced.clone());
        }
        if let Some(since) = planned.link.missing_since.take() {
            self.missing.remove(&(since, id.clone()));
        }
    }

    /// A table that was just read holds the link in this port.
    pub(super) fn refresh(&mut self, port: &InterfaceId, now: Timestamp) {
        let Some(id) = self.at.get(port) else { return };
        let Some(planned) = self.by_id.get_mut(id) else { return };
        if !planned.is_declared() && planned.link.missing_since.is_none() {
            planned.link.heard_at = Some(now);
        }
    }

    /// No end that speaks hears the link in this port; true if that is news.
    pub(super) fn miss(&mut self, port: &InterfaceId, now: Timestamp) -> bool {
        let Some(id) = self.at.get(port) else { return false };
        let Some(planned) = self.by_id.get_mut(id) else { return false };
        if planned.is_declared() || planned.link.missing_since.is_some() {
            return false;
        }
        planned.link.missing_since = Some(now);
        self.missing.insert((now, id.clone()));
        true
    }

    /// The link is no more.
    pub(super) fn give_up(&mut self, id: &LinkId) {
        let Some(planned) = self.by_id.remove(id) else { return };
        if let Some(since) = planned.link.missing_since {
            self.missing.remove(&(since, id.clone()));
        }
        for end in [&planned.link.a.interface, &planned.link.b.interface] {
            if self.at.get(end) == Some(id) {
                self.at.remove(end);
            }
        }
        self.reshaped = true;
        if !self.appeared.remove(id) {
            self.gone.insert(id.clone());
        }
    }

    /// The link that has been missing the longest, and since when.
    pub(super) fn longest_missing(&self) -> Option<&(Timestamp, LinkId)> {
        self.missing.first()
    }

    /// Hand over what changed since the last call.
    pub(super) fn take_change(&mut self) -> Change {
        let replaced = std::mem::take(&mut self.replaced);
        // Names that came and went in between are nobody's business.
        let next: BTreeMap<LinkId, LinkId> = replaced.iter().cloned().collect();
        let last = |id: &LinkId| {
            let mut id = id.clone();
            for _ in 0..replaced.len() {
                match next.get(&id) {
                    Some(new) if !self.by_id.contains_key(&id) => id = new.clone(),
                    _ => break,
                }
            }
            id
        };
        let follow = |(old, new): &(LinkId, LinkId)| Some((old.clone(), last(new))).filter(|_| self.gone.contains(old));
        let mut replaced: Vec<_> = replaced.iter().filter_map(follow).collect();
        replaced.retain(|(_, new)| self.by_id.contains_key(new));
        replaced.sort();
        replaced.dedup();
        self.reshaped = false;
        Change {
            appeared: std::mem::take(&mut self.appeared).into_iter().collect(),
            gone: std::mem::take(&mut self.gone).into_iter().collect(),
            replaced,
            ..Change::default()
        }
    }

    /// Whether links came, went or have other ends since [`Self::take_change`].
    pub(super) fn changed(&self) -> bool {
        self.reshaped
    }
}
