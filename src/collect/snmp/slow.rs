//! The tables that are read far less often than counters: who is heard by other protocols than LLDP-MIB's, aggregates, gateways,
//! spanning tree, default routes, optics.
//!
//! ```text
//!            due          table by table            whole
//!   waiting ------> family under way ------> news ------> waiting, its usual time
//!      ^                   |  broke off
//!      |                   +--------------------------> waiting, its usual time; what was known stands
//!      |                   |  has no row
//!      +-------------------+--------------------------> waiting, RARELY
//! ```
//!
//! Nothing here asks or waits: [`Slow::next`] says which table to walk, [`Slow::learned`] takes it. A table that breaks off hurts
//! its own family alone. A row of an aggregate that vanished is news only when it is not there the second time either: an agent
//! that starts anew fills its tables one by one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::walks::Table;
use crate::fabric::{InterfaceInfo, Neighbor, Reading, Timestamp};
use crate::mib::entity::Parts;
use crate::mib::gateways::{self, GatewayRows};
use crate::mib::lldp::{RemoteIndex, RemoteRow};
use crate::mib::routes::{self, RouteRows};
use crate::mib::sensors::{SensorRows, ThresholdRows};
use crate::mib::{bridge, cdp, lag, lldp, lldp_v2, sensors};

/// How often a family is looked for on a device that has nothing of it.
const RARELY: Duration = Duration::from_secs(600);
/// How often parts and thresholds are read: they change when somebody pulls an optic.
const PARTS_EVERY: Duration = Duration::from_secs(1_800);
/// After this long rows that vanished are looked for once more.
const SURELY: Duration = Duration::from_secs(3);

/// Tables that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Aggregation,
    NeighborsV2,
    Cdp,
    SpanningTree,
    Optics,
    Gateways,
    Routes,
}

const FAMILIES: [Family; 7] = [
    Family::Cdp,
    Family::NeighborsV2,
    Family::Aggregation,
    Family::Gateways,
    Family::SpanningTree,
    Family::Routes,
    Family::Optics,
];

impl Family {
    /// How often it is read on a device that has it, where a minute would be slow for counters too.
    fn every(self, usual: Duration) -> Duration {
        match self {
            Self::Aggregation | Self::NeighborsV2 | Self::Cdp | Self::Gateways => usual,
            Self::SpanningTree | Self::Optics | Self::Routes => usual * 2,
        }
    }

    /// Its first table.
    fn first(self) -> Ask {
        match self {
            Self::Aggregation => Ask::Aggregation,
            Self::NeighborsV2 => Ask::RemotesV2,
            Self::Cdp => Ask::Cdp,
            Self::SpanningTree => Ask::Bridge,
            Self::Optics => Ask::CiscoSensors,
            Self::Gateways => Ask::Vrrp,
            Self::Routes => Ask::InetRoutesV4,
        }
    }
}

/// A table to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Aggregation,
    RemotesV2,
    RemoteAddressesV2,
    Cdp,
    Bridge,
    CiscoSensors,
    CiscoThresholds,
    Sensors,
    AristaThresholds,
    Parts,
    PartAliases,
    Vrrp,
    VrrpAddresses,
    VrrpV3,
    VrrpV3Addresses,
    Hsrp,
    InetRoutesV4,
    InetRoutesV6,
    CidrRoutes,
}

impl Ask {
    fn table(self) -> Table {
        match self {
            Self::Aggregation => Table::Aggregation(lag::PortRows::new()),
            Self::RemotesV2 => Table::RemotesV2(BTreeMap::new()),
            Self::RemoteAddressesV2 => Table::RemoteAddressesV2(Vec::new()),
            Self::Cdp => Table::Cdp(cdp::CacheRows::new()),
            Self::Bridge => Table::Bridge(bridge::PortRows::new()),
            Self::CiscoSensors => Table::CiscoSensors(SensorRows::default()),
            Self::CiscoThresholds => Table::CiscoThresholds(ThresholdRows::default()),
            Self::Sensors => Table::Sensors(SensorRows::default()),
            Self::AristaThresholds => Table::AristaThresholds(ThresholdRows::default()),
            Self::Parts => Table::Parts(Parts::default()),
            Self::PartAliases => Table::PartAliases(Parts::default()),
            Self::Vrrp => Table::Vrrp(GatewayRows::default()),
            Self::VrrpAddresses => Table::VrrpAddresses(GatewayRows::default()),
            Self::VrrpV3 => Table::VrrpV3(GatewayRows::default()),
            Self::VrrpV3Addresses => Table::VrrpV3Addresses(GatewayRows::default()),
            Self::Hsrp => Table::Hsrp(GatewayRows::default()),
            Self::InetRoutesV4 => Table::InetRoutesV4(RouteRows::default()),
            Self::InetRoutesV6 => Table::InetRoutesV6(RouteRows::default()),
            Self::CidrRoutes => Table::CidrRoutes(RouteRows::default()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    due: Timestamp,
    /// It had rows the last time.
    present: bool,
}

/// The slow tables of one device, and what was read of them.
pub struct Slow {
    usual: Duration,
    schedules: [Schedule; FAMILIES.len()],
    under_way: Option<(usize, VecDeque<Ask>)>,
    /// Whom it hears, by the protocol that tells; none before LLDP-MIB was read.
    lldp: Option<Vec<Neighbor>>,
    lldp_v2: Vec<Neighbor>,
    cdp: Vec<Neighbor>,
    remotes_v2: BTreeMap<RemoteIndex, RemoteRow>,
    aggregation: lag::PortRows,
    /// Rows were missing the last time; this time it is believed.
    suspect: bool,
    sensors: SensorRows,
    thresholds: ThresholdRows,
    parts: Parts,
    parts_due: Timestamp,
    gateways: GatewayRows,
    routes: RouteRows,
    /// Rows that could not be used.
    pub unusable: usize,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            usual: Self::usual(Duration::from_secs(10)),
            schedules: Default::default(),
            under_way: None,
            lldp: None,
            lldp_v2: Vec::new(),
            cdp: Vec::new(),
            remotes_v2: BTreeMap::new(),
            aggregation: lag::PortRows::new(),
            suspect: false,
            sensors: SensorRows::default(),
            thresholds: ThresholdRows::default(),
            parts: Parts::default(),
            parts_due: Timestamp::default(),
            gateways: GatewayRows::default(),
            routes: RouteRows::default(),
            unusable: 0,
        }
    }
}

impl Slow {
    /// Of a device whose counters are read this often.
    pub fn new(interval: Duration) -> Self {
        Self { usual: Self::usual(interval), ..Self::default() }
    }

    /// Its counters are read this often from now on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.usual = Self::usual(interval);
    }

    /// Every third time that counters are read, but not more often than agents renew what they show, nor less than once a minute.
    fn usual(interval: Duration) -> Duration {
        (interval * 3).clamp(Duration::from_secs(5), Duration::from_secs(60))
    }

    /// When something is to be asked.
    pub fn due(&self) -> Timestamp {
        if self.under_way.is_some() {
            return Timestamp::default();
        }
        self.schedules.iter().map(|schedule| schedule.due).min().unwrap_or_default()
    }

    /// Something happened at a port: what the device has of aggregates and spanning tree is read again soon.
    pub fn hurry(&mut self, now: Timestamp) {
        for (schedule, family) in self.schedules.iter_mut().zip(FAMILIES) {
            let at_ports =
                matches!(family, Family::Aggregation | Family::SpanningTree | Family::Gateways | Family::Routes);
            if schedule.present && at_ports {
                schedule.due = schedule.due.min(now + Duration::from_secs(1));
            }
        }
    }

    /// The device may be another one by now: look for everything.
    pub fn anew(&mut self, now: Timestamp) {
        for schedule in &mut self.schedules {
            schedule.due = schedule.due.min(now);
        }
        self.parts_due = now;
    }

    /// The table to walk now.
    pub fn next(&mut self, now: Timestamp) -> Option<Table> {
        if self.under_way.is_none() {
            let due = |at: &usize| self.schedules[*at].due <= now;
            let at = (0..FAMILIES.len()).filter(due).min_by_key(|at| self.schedules[*at].due)?;
            self.under_way = Some((at, VecDeque::from([FAMILIES[at].first()])));
        }
        let (_, queue) = self.under_way.as_mut()?;
        queue.pop_front().map(Ask::table)
    }

    /// The device stopped to answer: what was under way begins again when it is back.
    pub fn interrupted(&mut self) {
        self.under_way = None;
    }

    /// The family under way broke off.
    pub fn failed(&mut self, now: Timestamp) {
        if let Some((at, _)) = self.under_way.take() {
            let schedule = &mut self.schedules[at];
            schedule.due = now + if schedule.present { FAMILIES[at].every(self.usual) } else { RARELY };
        }
    }

    /// A table was walked; `whole` says that nothing of it is missing. Gives what is news.
    pub fn learned(
        &mut self,
        now: Timestamp,
        table: Table,
        whole: bool,
        inventory: &[Arc<InterfaceInfo>],
    ) -> Option<Reading> {
        let mut next: Vec<Ask> = Vec::new();
        let (mut present, mut soon) = (true, None);
        let news = match table {
            Table::Aggregation(rows) => {
                let vanished = whole && self.aggregation.keys().any(|port| !rows.contains_key(port));
                if vanished && !self.suspect {
                    self.suspect = true;
                    soon = Some(now + SURELY);
                    None
                } else {
                    self.suspect = false;
                    present = !rows.is_empty() || !self.aggregation.is_empty();
                    if whole {
                        self.aggregation = rows;
                    } else {
                        // A row that was not reached is not gone.
                        self.aggregation.extend(rows);
                    }
                    let (members, unusable) = lag::members(&self.aggregation, inventory);
                    self.unusable += unusable;
                    present.then_some(Reading::Aggregations(members))
                }
            }
            Table::RemotesV2(rows) => {
                if rows.is_empty() {
                    present = false;
                    self.heard_v2(Vec::new())
                } else {
                    self.remotes_v2 = rows;
                    next.push(Ask::RemoteAddressesV2);
                    None
                }
            }
            Table::RemoteAddressesV2(addresses) => {
                let rows = std::mem::take(&mut self.remotes_v2);
                let (neighbors, unusable) = lldp::neighbors(&rows, &addresses, &lldp_v2::local_ports(inventory));
                self.unusable += unusable;
                self.heard_v2(neighbors)
            }
            Table::Cdp(rows) => {
                let (neighbors, unusable) = cdp::neighbors(&rows, inventory);
                self.unusable += unusable;
                present = !rows.is_empty();
                let news = self.cdp != neighbors;
                self.cdp = neighbors;
                self.neighbors().filter(|_| news || present)
            }
            Table::Bridge(rows) => {
                let (ports, unusable) = bridge::ports(&rows, inventory);
                self.unusable += unusable;
                present = !ports.is_empty();
                (present || self.was_present()).then_some(Reading::SpanningTree(ports))
            }
            Table::CiscoSensors(rows) => {
                let asks = self.parts_due <= now;
                if rows.is_empty() {
                    next.push(Ask::Sensors);
                } else {
                    self.sensors = rows;
                    if asks {
                        next.extend([Ask::CiscoThresholds, Ask::Parts]);
                    }
                }
                if next.is_empty() { self.optics(inventory) } else { None }
            }
            Table::Sensors(rows) => {
                present = !rows.is_empty();
                self.sensors = rows;
                if present && self.parts_due <= now {
                    next.extend([Ask::AristaThresholds, Ask::Parts]);
                    None
                } else {
                    (present || self.was_present()).then(|| self.optics(inventory)).flatten()
                }
            }
            Table::CiscoThresholds(rows) | Table::AristaThresholds(rows) => {
                self.thresholds = rows;
                None
            }
            Table::Parts(parts) => {
                self.parts = parts;
                next.push(Ask::PartAliases);
                None
            }
            Table::PartAliases(aliases) => {
                self.parts.join(aliases);
                self.parts_due = now + PARTS_EVERY;
                self.optics(inventory)
            }
            Table::Vrrp(rows) => {
                // Addresses are asked for only where there is something to have them.
                next.extend((!rows.is_empty()).then_some(Ask::VrrpAddresses));
                next.push(Ask::VrrpV3);
                self.gateways = rows;
                None
            }
            Table::VrrpV3(rows) => {
                next.extend((!rows.is_empty()).then_some(Ask::VrrpV3Addresses));
                next.push(Ask::Hsrp);
                self.gateways.join(rows);
                None
            }
            Table::VrrpAddresses(rows) | Table::VrrpV3Addresses(rows) => {
                self.gateways.join(rows);
                None
            }
            Table::Hsrp(rows) => {
                self.gateways.join(rows);
                let rows = std::mem::take(&mut self.gateways);
                let (gateways, unusable) = gateways::gateways(&rows, inventory);
                self.unusable += unusable;
                present = !rows.is_empty();
                (present || self.was_present()).then_some(Reading::Gateways(gateways))
            }
            Table::InetRoutesV4(rows) => {
                self.routes = rows;
                next.push(Ask::InetRoutesV6);
                None
            }
            Table::InetRoutesV6(rows) => {
                self.routes.join(rows);
                if self.routes.is_empty() {
                    next.push(Ask::CidrRoutes);
                    None
                } else {
                    self.ways(inventory)
                }
            }
            Table::CidrRoutes(rows) => {
                present = !rows.is_empty();
                self.routes = rows;
                (present || self.was_present()).then(|| self.ways(inventory)).flatten()
            }
            // The others are read by those who poll.
            _ => None,
        };
        if let Some((at, queue)) = &mut self.under_way {
            queue.extend(next);
            if queue.is_empty() {
                let schedule = &mut self.schedules[*at];
                schedule.present = present;
                schedule.due = soon.unwrap_or(now + if present { FAMILIES[*at].every(self.usual) } else { RARELY });
                self.under_way = None;
            }
        }
        news
    }

    /// LLDP-MIB was read: everybody who is heard, by any protocol.
    pub fn heard(&mut self, lldp: Vec<Neighbor>) -> Vec<Neighbor> {
        self.lldp = Some(lldp);
        self.joined()
    }

    /// Everybody who is heard, with the protocol that tells.
    pub fn heard_by(&self) -> Vec<(&'static str, Neighbor)> {
        let (lldp, v2) = (self.lldp.as_deref().unwrap_or_default(), &self.lldp_v2);
        let protocol = |neighbor: &Neighbor| {
            if lldp.contains(neighbor) || v2.contains(neighbor) { "LLDP" } else { "CDP" }
        };
        self.joined().into_iter().map(|neighbor| (protocol(&neighbor), neighbor)).collect()
    }

    fn heard_v2(&mut self, neighbors: Vec<Neighbor>) -> Option<Reading> {
        let news = !neighbors.is_empty() || !self.lldp_v2.is_empty();
        self.lldp_v2 = neighbors;
        self.neighbors().filter(|_| news)
    }

    fn neighbors(&self) -> Option<Reading> {
        self.lldp.as_ref().map(|_| Reading::Neighbors(self.joined()))
    }

    fn optics(&self, inventory: &[Arc<InterfaceInfo>]) -> Option<Reading> {
        Some(Reading::Sensors(sensors::sensors(&self.sensors, &self.thresholds, &self.parts, inventory)))
    }

    fn ways(&self, inventory: &[Arc<InterfaceInfo>]) -> Option<Reading> {
        Some(Reading::NextHops(routes::next_hops(&self.routes, inventory)))
    }

    fn was_present(&self) -> bool {
        self.under_way.as_ref().is_some_and(|(at, _)| self.schedules[*at].present)
    }

    /// A port is told by one protocol: the same neighbour under two names would look like two.
    fn joined(&self) -> Vec<Neighbor> {
        let mut neighbors = self.lldp.clone().unwrap_or_default();
        for more in [&self.lldp_v2, &self.cdp] {
            let told: std::collections::HashSet<Arc<str>> =
                neighbors.iter().map(|neighbor| Arc::clone(&neighbor.local)).collect();
            neighbors.extend(more.iter().filter(|neighbor| !told.contains(&neighbor.local)).cloned());
        }
        neighbors
    }
}

#[cfg(test)]
mod tests;
