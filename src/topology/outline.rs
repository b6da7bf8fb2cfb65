//! What the ledger needs to know of the plan beside links and groups: who is how far up, which cables are no part of the
//! fabric, what could be lost at once, and what must be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, InterfaceId, Labels, LinkId};

use super::ledger::Device;
use super::{Group, Protect, Settings, SharedRisk};

/// Links and devices that could be lost at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// As the operator calls it.
    pub name: String,
    /// Sorted.
    pub links: Vec<LinkId>,
    /// Sorted.
    pub devices: Vec<DeviceId>,
}

/// The plan, but for links and groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Every device that is watched, or was before a restart, by name.
    pub devices: Vec<Device>,
    /// Links by which devices are managed: no part of the fabric.
    pub management: BTreeSet<LinkId>,
    /// By name.
    pub risks: Vec<Risk>,
    /// `[[protect]]`
    pub protect: Vec<Protect>,
}

impl Outline {
    pub(super) fn new<'a>(
        settings: &Settings,
        devices: impl Iterator<Item = (&'a DeviceId, &'a Labels)>,
        tiers: &BTreeMap<&DeviceId, u32>,
        groups: &BTreeMap<Arc<str>, Group>,
        is_management: impl Fn(&LinkId) -> bool,
        links: impl Iterator<Item = &'a LinkId>,
        link_at: impl Fn(&InterfaceId) -> Option<&'a LinkId>,
    ) -> Self {
        let mut risks: BTreeMap<&str, (BTreeSet<LinkId>, BTreeSet<DeviceId>)> = BTreeMap::new();
        for SharedRisk { name, links, devices } in &settings.shared_risks {
            let risk = risks.entry(name).or_default();
            risk.0.extend(links.iter().filter_map(&link_at).cloned());
            risk.1.extend(devices.iter().cloned());
        }
        for group in groups.values() {
            for name in &group.shared_risk {
                risks.entry(name).or_default().0.extend(group.planned.iter().cloned());
            }
        }
        let risk = |(name, (links, devices)): (&str, (BTreeSet<LinkId>, BTreeSet<DeviceId>))| Risk {
            name: name.to_owned(),
            links: links.into_iter().collect(),
            devices: devices.into_iter().collect(),
        };
        let device = |(name, labels): (&DeviceId, &Labels)| Device {
            name: name.clone(),
            labels: labels.clone(),
            tier: tiers.get(name).copied(),
        };
        let mut devices: Vec<Device> = devices.map(device).collect();
        devices.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            devices,
            management: links.filter(|id| is_management(id)).cloned().collect(),
            risks: risks.into_iter().map(risk).collect(),
            protect: settings.protect.clone(),
        }
    }
}
