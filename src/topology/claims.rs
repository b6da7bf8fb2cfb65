//! What each port says of the port at the other end.
//!
//! A row of a neighbour table becomes a *claim*: this port hears that port. [`pairing`] weighs them.

mod pairing;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use crate::fabric::{ChassisId, DeviceId, InterfaceId, Neighbor, PortId};

use super::announced::{ID_MAX, device_name, port_name};
use super::directory::{Directory, Key, bounded_port, keys_of_row};

pub(super) use pairing::Pairing;

/// Rows kept of one device: far more than any switch has ports.
const ROWS_MAX: usize = 8192;

/// Rows kept of one port: more agents than this behind one port are a crowd, not a cable.
const ROWS_PER_PORT_MAX: usize = 16;

/// With more unmatched ports than this between two devices nobody can tell which belongs to which.
const UNMATCHED_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    /// This very port.
    Port(InterfaceId),
    /// A port of this device; which one is not told.
    Device(DeviceId),
    /// Something that we do not watch.
    Foreign,
    /// Itself: a loop plug, a hub that sends back.
    Own,
}

#[derive(Debug)]
struct Row {
    local: InterfaceId,
    keys: Vec<Key>,
    chassis: ChassisId,
    port: PortId,
    port_descr: String,
    announced: InterfaceId,
    /// It said a name, so that people know it.
    named: bool,
    claim: Claim,
}

#[derive(Debug, Default)]
struct Port {
    rows: BTreeSet<u64>,
    claimed_by: BTreeMap<InterfaceId, u32>,
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    rows: HashMap<u64, Row>,
    next_row: u64,
    tables: HashMap<DeviceId, BTreeMap<u64, u64>>,
    listeners: HashMap<Key, BTreeSet<u64>>,
    claiming: HashMap<DeviceId, BTreeSet<u64>>,
    ports: HashMap<InterfaceId, Port>,
    unmatched: HashMap<(DeviceId, DeviceId), BTreeMap<InterfaceId, u32>>,
    hasher: RandomState,
    /// Rows that were too many.
    pub(super) rows_left_out: u64,
}

impl Claims {
    /// The device has told a table since we started.
    pub(super) fn has_table(&self, device: &DeviceId) -> bool {
        self.tables.contains_key(device)
    }

    /// The ports of a device that hear something.
    pub(super) fn ports_of<'a>(&'a self, device: &DeviceId) -> impl Iterator<Item = &'a InterfaceId> {
        self.tables.get(device).into_iter().flatten().filter_map(|(_, row)| Some(&self.rows.get(row)?.local))
    }

    /// Whether a port hears anything.
    pub(super) fn hears(&self, port: &InterfaceId) -> bool {
        self.ports.get(port).is_some_and(|port| !port.rows.is_empty())
    }

    /// Take a device's table. None if it is as it was; else the ports to look at again.
    pub(super) fn learn(
        &mut self,
        directory: &Directory,
        device: &DeviceId,
        table: &[Neighbor],
    ) -> Option<BTreeSet<InterfaceId>> {
        let hash = |row: &Neighbor| {
            let addresses = &row.management_addresses;
            let (chassis, port) = (&row.chassis_id, &row.port_id);
            self.hasher.hash_one((&row.local, chassis, port, &row.port_descr, &row.sys_name, addresses))
        };
        let mut per_port: HashMap<&str, usize> = HashMap::new();
        let mut fresh: BTreeMap<u64, &Neighbor> = BTreeMap::new();
        let mut left_out = 0;
        for row in table {
            let hash = hash(row);
            if fresh.contains_key(&hash) {
                continue;
            }
            let of_port = per_port.entry(&row.local).or_default();
            if fresh.len() >= ROWS_MAX || *of_port >= ROWS_PER_PORT_MAX {
                left_out += 1;
                continue;
            }
            *of_port += 1;
            fresh.insert(hash, row);
        }
        let old = self.tables.get(device);
        if old.is_some_and(|old| old.keys().eq(fresh.keys())) {
            return None;
        }
        self.rows_left_out += left_out;
        let mut dirty = BTreeSet::new();
        let old = self.tables.remove(device).unwrap_or_default();
        let mut now = BTreeMap::new();
        for (hash, row) in &old {
            if fresh.contains_key(hash) {
                now.insert(*hash, *row);
            } else {
                self.drop_row(*row, &mut dirty);
            }
        }
        for (hash, neighbor) in fresh {
            if let std::collections::btree_map::Entry::Vacant(entry) = now.entry(hash) {
                entry.insert(self.add_row(directory, device, neighbor, &mut dirty));
            }
        }
        self.tables.insert(device.clone(), now);
        Some(self.reach(dirty))
    }

    /// A device is no more: neither are its rows.
    pub(super) fn forget(&mut self, device: &DeviceId) -> BTreeSet<InterfaceId> {
        let mut dirty = BTreeSet::new();
        for (_, row) in self.tables.remove(device).unwrap_or_default() {
            self.drop_row(row, &mut dirty);
        }
        self.reach(dirty)
    }

    /// Understand again the rows that may mean something else now that a device goes by other keys or ports.
    pub(super) fn reread(
        &mut self,
        directory: &Directory,
        device: &DeviceId,
        keys: &[Key],
        ports: bool,
    ) -> BTreeSet<InterfaceId> {
        let mut rows: BTreeSet<u64> =
            keys.iter().filter_map(|key| self.listeners.get(key)).flatten().copied().collect();
        if ports {
            rows.extend(self.claiming.get(device).into_iter().flatten());
        }
        let mut dirty = BTreeSet::new();
        for id in rows {
            let Some(row) = self.rows.get(&id) else { continue };
            let claim = understand(directory, row);
            if claim != row.claim {
                self.retract(id, &mut dirty);
                if let Some(row) = self.rows.get_mut(&id) {
                    row.claim = claim;
                }
                self.assert(id, &mut dirty);
            }
        }
        self.reach(dirty)
    }

    fn add_row(
        &mut self,
        directory: &Directory,
        device: &DeviceId,
        neighbor: &Neighbor,
        dirty: &mut BTreeSet<InterfaceId>,
    ) -> u64 {
        let (port, port_descr) = bounded_port(neighbor);
        let mut chassis = neighbor.chassis_id.clone();
        chassis.value.truncate(ID_MAX + 1);
        let mut row = Row {
            local: InterfaceId { device: device.clone(), if_name: neighbor.local.clone() },
            keys: keys_of_row(neighbor),
            chassis,
            port,
            port_descr,
            announced: InterfaceId::new(device_name(neighbor), port_name(neighbor)),
            named: !neighbor.sys_name.trim().is_empty(),
            claim: Claim::Own,
        };
        row.claim = understand(directory, &row);
        let id = self.next_row;
        self.next_row += 1;
        for key in &row.keys {
            self.listeners.entry(key.clone()).or_default().insert(id);
        }
        self.ports.entry(row.local.clone()).or_default().rows.insert(id);
        self.rows.insert(id, row);
        self.assert(id, dirty);
        id
    }

    fn drop_row(&mut self, id: u64, dirty: &mut BTreeSet<InterfaceId>) {
        self.retract(id, dirty);
        let Some(row) = self.rows.remove(&id) else { return };
        for key in row.keys {
            if let Some(rows) = self.listeners.get_mut(&key) {
                rows.remove(&id);
                if rows.is_empty() {
                    self.listeners.remove(&key);
                }
            }
        }
        if let Some(port) = self.ports.get_mut(&row.local) {
            port.rows.remove(&id);
        }
        self.tidy_port(&row.local);
    }

    fn tidy_port(&mut self, id: &InterfaceId) {
        if self.ports.get(id).is_some_and(|port| port.rows.is_empty() && port.claimed_by.is_empty()) {
            self.ports.remove(id);
        }
    }

    /// Enter a row's claim into the indices.
    fn assert(&mut self, id: u64, dirty: &mut BTreeSet<InterfaceId>) {
        let Some(row) = self.rows.get(&id) else { return };
        dirty.insert(row.local.clone());
        match &row.claim {
            Claim::Port(far) => {
                dirty.insert(far.clone());
                self.claiming.entry(far.device.clone()).or_default().insert(id);
                *self.ports.entry(far.clone()).or_default().claimed_by.entry(row.local.clone()).or_default() += 1;
            }
            Claim::Device(device) => {
                self.claiming.entry(device.clone()).or_default().insert(id);
                let between = (row.local.device.clone(), device.clone());
                *self.unmatched.entry(between).or_default().entry(row.local.clone()).or_default() += 1;
            }
            // Which of its own ports it hears may yet be told.
            Claim::Own => drop(self.claiming.entry(row.local.device.clone()).or_default().insert(id)),
            Claim::Foreign => {}
        }
    }

    /// Take a row's claim out of the indices.
    fn retract(&mut self, id: u64, dirty: &mut BTreeSet<InterfaceId>) {
        fn less(counts: &mut BTreeMap<InterfaceId, u32>, key: &InterfaceId) {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
        let Some(row) = self.rows.get(&id) else { return };
        let local = row.local.clone();
        let claim = row.claim.clone();
        dirty.insert(local.clone());
        let device = match &claim {
            Claim::Port(far) => {
                // Those who depended on what this claim made of the far port look again too.
                dirty.insert(far.clone());
                if let Some(port) = self.ports.get_mut(far) {
                    less(&mut port.claimed_by, &local);
                }
                self.tidy_port(far);
                &far.device
            }
            Claim::Device(device) => {
                let between = (local.device.clone(), device.clone());
                if let Some(ports) = self.unmatched.get_mut(&between) {
                    less(ports, &local);
                    dirty.extend(ports.keys().take(UNMATCHED_MAX).cloned());
                    if ports.is_empty() {
                        self.unmatched.remove(&between);
                    }
                }
                let back = (between.1, between.0);
                let there = self.unmatched.get(&back).into_iter().flat_map(|ports| ports.keys());
                dirty.extend(there.take(UNMATCHED_MAX + 1).cloned());
                device
            }
            Claim::Own => &local.device,
            Claim::Foreign => return,
        };
        if let Some(rows) = self.claiming.get_mut(device) {
            rows.remove(&id);
            if rows.is_empty() {
                self.claiming.remove(device);
            }
        }
    }

    /// The ports whose pairing may have changed with these: a pairing looks two claims far.
    fn reach(&self, mut dirty: BTreeSet<InterfaceId>) -> BTreeSet<InterfaceId> {
        for _ in 0..2 {
            let mut more = Vec::new();
            for id in &dirty {
                let Some(port) = self.ports.get(id) else { continue };
                more.extend(port.claimed_by.keys().cloned());
                for row in port.rows.iter().filter_map(|row| self.rows.get(row)) {
                    match &row.claim {
                        Claim::Port(far) => more.push(far.clone()),
                        Claim::Device(device) => {
                            let here = (id.device.clone(), device.clone());
                            let there = (device.clone(), id.device.clone());
                            let both = [here, there];
                            let crowd = both.iter().filter_map(|between| self.unmatched.get(between));
                            more.extend(crowd.flat_map(|ports| ports.keys().take(UNMATCHED_MAX + 1)).cloned());
                        }
                        Claim::Foreign | Claim::Own => {}
                    }
                }
            }
            dirty.extend(more);
        }
        dirty
    }

    /// What a port's first row announces, whatever it is understood as.
    pub(super) fn announced_at(&self, id: &InterfaceId) -> Option<&InterfaceId> {
        self.rows_at(id).map(|row| &row.announced).min()
    }

    /// Whether a port hears just what cannot be understood, and this among it.
    pub(super) fn still_hears(&self, id: &InterfaceId, announced: &InterfaceId) -> bool {
        let mut found = false;
        for row in self.rows_at(id) {
            match row.claim {
                Claim::Port(_) => return false,
                Claim::Device(_) | Claim::Foreign => found |= row.announced == *announced,
                Claim::Own => {}
            }
        }
        found
    }
}

fn understand(directory: &Directory, row: &Row) -> Claim {
    let Some(device) = directory.find_device(&row.keys, &row.chassis) else { return Claim::Foreign };
    match directory.find_port(device, &row.port, &row.port_descr) {
        Some(if_name) if *device == row.local.device && *if_name == row.local.if_name => Claim::Own,
        Some(if_name) => Claim::Port(InterfaceId { device: device.clone(), if_name: if_name.clone() }),
        None if *device == row.local.device => Claim::Own,
        None => Claim::Device(device.clone()),
    }
}
