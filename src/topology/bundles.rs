//! Ways that a device itself bundles: the ports of an aggregate (IEEE 802.1AX), the next hops to a prefix, the routers that share
//! an address (VRRP, HSRP).
//!
//! ```text
//!                 told                        told no more
//!   (nothing) ----------> standing, or at fault ----------> missing
//!                              ^                              |  |
//!                              +------------ told ------------+  |
//!      (nothing) <----------- missing for `forget_after` --------+
//! ```
//!
//! A part that is not told any more is *missing*, not forgotten: some devices (NX-OS) take the row of an aggregate's port away
//! when the port dies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{
    AggregationMember, DeviceId, Gateway, GatewayProtocol, GatewayRole, GroupKind, InterfaceId, LacpState, NextHop,
    Timestamp,
};

/// Parts kept of one device: more than any switch has ports.
const PARTS_MAX: usize = 8_192;

/// Parts of one bundle: IEEE 802.1AX and routers know of up to some dozens.
const BUNDLE_MAX: usize = 256;

/// Which bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BundleKey {
    /// The aggregate with this interface of its own.
    Lag(InterfaceId),
    /// The next hops of a device to a prefix.
    Ecmp(DeviceId, Arc<str>),
    /// The routers that share an address.
    Gateways(GatewayProtocol, u32, IpAddr),
}

impl BundleKey {
    /// What kind of group it makes.
    pub(super) fn kind(&self) -> GroupKind {
        match self {
            Self::Lag(_) => GroupKind::Lag,
            Self::Ecmp(..) => GroupKind::Ecmp,
            Self::Gateways(..) => GroupKind::Gateways,
        }
    }
}

/// Which part of a bundle: a port, maybe with the router that is reached over it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartKey {
    /// The port.
    #[serde(flatten)]
    pub port: InterfaceId,
    /// The next hop.
    pub via: Option<IpAddr>,
}

/// Why a part does not work, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Arc<str>,
    pub(super) since: Timestamp,
}

/// A part that should work.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) known_since: Timestamp,
    pub(super) missing_since: Option<Timestamp>,
    fault: Option<Fault>,
}

impl Part {
    /// What keeps it from working, if anything does.
    pub(super) fn fault(&self, key: &PartKey) -> Option<Fault> {
        match self.missing_since {
            Some(since) => {
                let reason = format!("missing since {since}, {} does not list it any more", key.port.device);
                Some(Fault { reason: reason.into(), since })
            }
            None => self.fault.clone(),
        }
    }
}

/// What survives a restart of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RememberedPart {
    /// Of which bundle.
    pub bundle: BundleKey,
    /// Which part.
    pub part: PartKey,
    /// When we first knew of it.
    pub known_since: Timestamp,
    /// Since when it is not told any more.
    pub missing_since: Option<Timestamp>,
}

/// What a device tells of its parts now: why each does not work, or nothing if it does.
type Told = BTreeMap<BundleKey, BTreeMap<PartKey, Option<&'static str>>>;

/// All bundles.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    by_key: BTreeMap<BundleKey, BTreeMap<PartKey, Part>>,
    of_device: HashMap<DeviceId, BTreeSet<(BundleKey, PartKey)>>,
    /// The aggregate that each port is in.
    lag_at: HashMap<InterfaceId, InterfaceId>,
    missing: BTreeSet<(Timestamp, BundleKey, PartKey)>,
    touched: BTreeSet<BundleKey>,
    reshaped: bool,
}

impl Bundles {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&BundleKey, &BTreeMap<PartKey, Part>)> {
        self.by_key.iter()
    }

    pub(super) fn part(&self, bundle: &BundleKey, part: &PartKey) -> Option<&Part> {
        self.by_key.get(bundle)?.get(part)
    }

    /// The aggregates' own interfaces on a device, with the ports in each.
    pub(super) fn lags_of<'a>(
        &'a self,
        device: &'a DeviceId,
    ) -> impl Iterator<Item = (&'a InterfaceId, Box<dyn Iterator<Item = &'a Arc<str>> + 'a>)> {
        let first = BundleKey::Lag(InterfaceId { device: device.clone(), if_name: "".into() });
        self.by_key.range(first..).map_while(move |(key, parts)| match key {
            BundleKey::Lag(aggregator) if aggregator.device == *device => {
                let ports: Box<dyn Iterator<Item = &Arc<str>>> = Box::new(parts.keys().map(|part| &part.port.if_name));
                Some((aggregator, ports))
            }
            _ => None,
        })
    }

    /// The aggregate that a port is in.
    pub(super) fn lag_of(&self, port: &InterfaceId) -> Option<&InterfaceId> {
        self.lag_at.get(port)
    }

    /// A device told of all its ports in aggregates.
    pub(super) fn learn_aggregations(&mut self, now: Timestamp, device: &DeviceId, members: &[AggregationMember]) {
        let mut told = Told::new();
        for member in members.iter().take(PARTS_MAX) {
            let port = |if_name: &Arc<str>| InterfaceId { device: device.clone(), if_name: Arc::clone(if_name) };
            let part = PartKey { port: port(&member.if_name), via: None };
            told.entry(BundleKey::Lag(port(&member.aggregator))).or_default().insert(part, lacp_fault(member));
        }
        // A port that moved to another aggregate is not missing in the first.
        let now_in: HashMap<&PartKey, &BundleKey> =
            told.iter().flat_map(|(key, parts)| parts.keys().map(move |part| (part, key))).collect();
        let moved = |(key, part): &&(BundleKey, PartKey)| {
            matches!(key, BundleKey::Lag(_)) && now_in.get(part).is_some_and(|other| *other != key)
        };
        let moved: Vec<_> = self.of(device).filter(moved).cloned().collect();
        for (key, part) in moved {
            self.give_up(&key, &part);
        }
        self.tell(now, device, GroupKind::Lag, told);
    }

    /// A device told of all its next hops to the prefixes that are looked at.
    pub(super) fn learn_next_hops(&mut self, now: Timestamp, device: &DeviceId, hops: &[NextHop]) {
        let mut told = Told::new();
        for hop in hops.iter().take(PARTS_MAX) {
            let Some(if_name) = &hop.if_name else { continue };
            let port = InterfaceId { device: device.clone(), if_name: Arc::clone(if_name) };
            let part = PartKey { port, via: Some(hop.address) };
            told.entry(BundleKey::Ecmp(device.clone(), Arc::clone(&hop.prefix))).or_default().insert(part, None);
        }
        // One way that takes the place of another doubles nothing, and as many ways as were planned are a new plan.
        told.retain(|key, parts| parts.len() >= 2 || self.by_key.contains_key(key));
        for (key, parts) in &told {
            let known = self.by_key.get(key).map_or(0, BTreeMap::len);
            if parts.len() >= known.max(2) {
                let gone = self.by_key.get(key).into_iter().flat_map(BTreeMap::keys);
                let gone: Vec<PartKey> = gone.filter(|part| !parts.contains_key(*part)).cloned().collect();
                for part in gone {
                    self.give_up(key, &part);
                }
            }
        }
        self.tell(now, device, GroupKind::Ecmp, told);
    }

    /// A device told of all shared addresses that it takes part in.
    pub(super) fn learn_gateways(&mut self, now: Timestamp, device: &DeviceId, gateways: &[Gateway]) {
        let mut told = Told::new();
        for gateway in gateways.iter().take(PARTS_MAX) {
            let port = InterfaceId { device: device.clone(), if_name: Arc::clone(&gateway.if_name) };
            let key = BundleKey::Gateways(gateway.protocol, gateway.group, gateway.address);
            let fault = match gateway.role {
                GatewayRole::Master | GatewayRole::Backup => None,
                GatewayRole::Idle => Some("it takes no part: its interface is down, or it hears no other router"),
            };
            told.entry(key).or_default().insert(PartKey { port, via: None }, fault);
        }
        self.tell(now, device, GroupKind::Gateways, told);
    }

    fn of(&self, device: &DeviceId) -> impl Iterator<Item = &(BundleKey, PartKey)> {
        self.of_device.get(device).into_iter().flatten()
    }

    /// Bring the parts of one kind of a device in line with what it tells.
    fn tell(&mut self, now: Timestamp, device: &DeviceId, kind: GroupKind, told: Told) {
        let is_told = |key: &BundleKey, part: &PartKey| told.get(key).is_some_and(|parts| parts.contains_key(part));
        let known: Vec<_> = self.of(device).filter(|(key, _)| key.kind() == kind).cloned().collect();
        for (key, part) in known.into_iter().filter(|(key, part)| !is_told(key, part)) {
            let Some(state) = self.by_key.get_mut(&key).and_then(|parts| parts.get_mut(&part)) else { continue };
            if state.missing_since.is_none() {
                state.missing_since = Some(now);
                self.missing.insert((now, key.clone(), part));
                self.touched.insert(key);
            }
        }
        for (key, parts) in told {
            for (part, reason) in parts {
                let full = self.by_key.get(&key).is_some_and(|parts| parts.len() >= BUNDLE_MAX);
                let known = self.by_key.get_mut(&key).and_then(|parts| parts.get_mut(&part));
                let Some(state) = known else {
                    if full {
                        continue;
                    }
                    let fault = reason.map(|reason| Fault { reason: reason.into(), since: now });
                    self.insert(key.clone(), part, Part { known_since: now, missing_since: None, fault });
                    continue;
                };
                if let Some(since) = state.missing_since.take() {
                    self.missing.remove(&(since, key.clone(), part));
                    self.touched.insert(key.clone());
                }
                if state.fault.as_ref().map(|fault| &*fault.reason) != reason {
                    state.fault = reason.map(|reason| Fault { reason: reason.into(), since: now });
                    self.touched.insert(key.clone());
                }
            }
        }
    }

    fn insert(&mut self, key: BundleKey, part: PartKey, state: Part) {
        if let Some(since) = state.missing_since {
            self.missing.insert((since, key.clone(), part.clone()));
        }
        self.of_device.entry(part.port.device.clone()).or_default().insert((key.clone(), part.clone()));
        if let BundleKey::Lag(aggregator) = &key {
            self.lag_at.insert(part.port.clone(), aggregator.clone());
        }
        self.touched.insert(key.clone());
        self.by_key.entry(key).or_default().insert(part, state);
        self.reshaped = true;
    }

    /// The part is planned no more.
    pub(super) fn give_up(&mut self, key: &BundleKey, part: &PartKey) {
        let Some(parts) = self.by_key.get_mut(key) else { return };
        let Some(state) = parts.remove(part) else { return };
        if parts.is_empty() {
            self.by_key.remove(key);
        }
        if let Some(since) = state.missing_since {
            self.missing.remove(&(since, key.clone(), part.clone()));
        }
        if let BundleKey::Lag(aggregator) = key
            && self.lag_at.get(&part.port) == Some(aggregator)
        {
            self.lag_at.remove(&part.port);
        }
        let device = &part.port.device;
        if let Some(parts) = self.of_device.get_mut(device) {
            parts.remove(&(key.clone(), part.clone()));
            if parts.is_empty() {
                self.of_device.remove(device);
            }
        }
        self.reshaped = true;
    }

    /// The device is retired.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        for (key, part) in self.of_device.get(device).cloned().unwrap_or_default() {
            self.give_up(&key, &part);
        }
    }

    /// The part that has been missing the longest.
    pub(super) fn longest_missing(&self) -> Option<&(Timestamp, BundleKey, PartKey)> {
        self.missing.first()
    }

    /// Parts came or went since [`Self::take_touched`].
    pub(super) fn changed(&self) -> bool {
        self.reshaped
    }

    /// Something is told otherwise than at the last [`Self::take_touched`].
    pub(super) fn has_news(&self) -> bool {
        self.reshaped || !self.touched.is_empty()
    }

    /// Bundles of which something else is told now.
    pub(super) fn take_touched(&mut self) -> BTreeSet<BundleKey> {
        self.reshaped = false;
        std::mem::take(&mut self.touched)
    }

    pub(super) fn memory(&self) -> Vec<RememberedPart> {
        let part = |(bundle, parts): (&BundleKey, &BTreeMap<PartKey, Part>)| -> Vec<RememberedPart> {
            parts
                .iter()
                .map(|(part, state)| RememberedPart {
                    bundle: bundle.clone(),
                    part: part.clone(),
                    known_since: state.known_since,
                    missing_since: state.missing_since,
                })
                .collect()
        };
        self.by_key.iter().flat_map(part).collect()
    }

    pub(super) fn restore(&mut self, remembered: RememberedPart) {
        let RememberedPart { bundle, part, known_since, missing_since } = remembered;
        if self.part(&bundle, &part).is_none() {
            self.insert(bundle, part, Part { known_since, missing_since, fault: None });
        }
    }
}

/// What keeps a port of an aggregate from carrying its share.
fn lacp_fault(member: &AggregationMember) -> Option<&'static str> {
    let spoken = |state: Option<LacpState>| state.filter(|state| !state.is_empty());
    let (actor, partner) = (spoken(member.actor), spoken(member.partner));
    let distributes = |state: LacpState| state.has(LacpState::DISTRIBUTING);
    match (actor, partner) {
        (Some(actor), _) if !distributes(actor) && actor.has_lost_partner() => Some("not distributing: partner lost"),
        _ if member.attached == Some(false) => Some("not attached to its aggregate"),
        (Some(actor), _) if !distributes(actor) && !actor.has(LacpState::SYNCHRONIZATION) => {
            Some("not distributing: out of synchronization with its aggregate")
        }
        (Some(actor), _) if !distributes(actor) => Some("not distributing: its partner is not ready"),
        // A partner that is only assumed says nothing.
        (Some(actor), Some(partner)) if !actor.has_lost_partner() && !distributes(partner) => {
            Some("its partner does not distribute")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
