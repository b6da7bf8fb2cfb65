//! The walks by which a device is learned: its interfaces, its LLDP ports and addresses, its neighbours.
//!
//! Each is taken step by step, so that a poll that is due goes between two steps of a long walk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::Client;
use super::stats::{Stats, add};
use crate::fabric::{CounterWidth, ManagementAddress};
use crate::mib::entity::{self, Parts};
use crate::mib::gateways::{self, GatewayRows};
use crate::mib::interfaces::{INVENTORY, InterfaceRows, PAIRS};
use crate::mib::lldp::{self, LocalPort, RemoteIndex, RemoteRow};
use crate::mib::routes::{self, RouteRows};
use crate::mib::sensors::{self, SensorRows, ThresholdRows};
use crate::mib::{Column, bridge, cdp, lag, lldp_v2};
use crate::snmp::table::{ColumnEnd, WalkEnd};
use crate::snmp::{Limits, Pace, Progress, Row, TablePlan, TableWalk};

/// Rows of one table that we are ready to keep of one device: more than the largest chassis has interfaces,
/// and little enough that a device that never ends fills no memory.
const ROWS_MAX: usize = 65_536;

/// What a walk has read.
pub enum Table {
    /// ifTable with ifXTable.
    Interfaces(InterfaceRows),
    /// lldpLocPortTable.
    LocalPorts(BTreeMap<u32, LocalPort>),
    /// lldpLocManAddrTable.
    LocalAddresses(Vec<ManagementAddress>),
    /// lldpRemTable.
    Remotes(BTreeMap<RemoteIndex, RemoteRow>),
    /// lldpRemManAddrTable.
    RemoteAddresses(Vec<(RemoteIndex, ManagementAddress)>),
    /// lldpV2RemTable.
    RemotesV2(BTreeMap<RemoteIndex, RemoteRow>),
    /// lldpV2RemManAddrTable.
    RemoteAddressesV2(Vec<(RemoteIndex, ManagementAddress)>),
    /// cdpCacheTable.
    Cdp(cdp::CacheRows),
    /// dot3adAggPortTable.
    Aggregation(lag::PortRows),
    /// dot1dBasePortTable and dot1dStpPortTable.
    Bridge(bridge::PortRows),
    /// entPhysicalTable.
    Parts(Parts),
    /// entAliasMappingTable.
    PartAliases(Parts),
    /// entPhySensorTable.
    Sensors(SensorRows),
    /// entSensorValueTable of Cisco.
    CiscoSensors(SensorRows),
    /// entSensorThresholdTable of Cisco.
    CiscoThresholds(ThresholdRows),
    /// aristaEntSensorThresholdTable.
    AristaThresholds(ThresholdRows),
    /// vrrpOperTable.
    Vrrp(GatewayRows),
    /// vrrpAssoIpAddrTable.
    VrrpAddresses(GatewayRows),
    /// vrrpv3OperationsTable.
    VrrpV3(GatewayRows),
    /// vrrpv3AssociatedIpAddrTable.
    VrrpV3Addresses(GatewayRows),
    /// cHsrpGrpTable.
    Hsrp(GatewayRows),
    /// The default routes in inetCidrRouteTable, IPv4.
    InetRoutesV4(RouteRows),
    /// The same, IPv6.
    InetRoutesV6(RouteRows),
    /// The default routes in ipCidrRouteTable.
    CidrRoutes(RouteRows),
}

impl Table {
    /// Nothing read yet.
    pub fn interfaces() -> Self {
        Self::Interfaces(InterfaceRows::new())
    }

    fn columns(&self) -> Vec<Column> {
        match self {
            Self::Interfaces(_) => {
                let pairs = PAIRS.iter().flat_map(|pair| [pair.wide, pair.narrow]);
                INVENTORY.into_iter().chain(pairs).collect()
            }
            Self::LocalPorts(_) => lldp::LOCAL_PORT_COLUMNS.to_vec(),
            Self::LocalAddresses(_) => vec![lldp::LOC_MAN_ADDR_IF_ID],
            Self::Remotes(_) => lldp::REMOTE_COLUMNS.to_vec(),
            Self::RemoteAddresses(_) => vec![lldp::REM_MAN_ADDR_IF_SUBTYPE],
            Self::RemotesV2(_) => lldp_v2::REMOTE_COLUMNS.to_vec(),
            Self::RemoteAddressesV2(_) => vec![lldp_v2::REM_MAN_ADDR_IF_SUBTYPE],
            Self::Cdp(_) => cdp::CACHE_COLUMNS.to_vec(),
            Self::Aggregation(_) => lag::PORT_COLUMNS.to_vec(),
            Self::Bridge(_) => bridge::PORT_COLUMNS.to_vec(),
            Self::Parts(_) => entity::PHYSICAL_COLUMNS.to_vec(),
            Self::PartAliases(_) => vec![entity::ALIAS_MAPPING_IDENTIFIER],
            Self::Sensors(_) => sensors::COLUMNS.to_vec(),
            Self::CiscoSensors(_) => sensors::CISCO_COLUMNS.to_vec(),
            Self::CiscoThresholds(_) => sensors::CISCO_THRESHOLD_COLUMNS.to_vec(),
            Self::AristaThresholds(_) => sensors::ARISTA_THRESHOLD_COLUMNS.to_vec(),
            Self::Vrrp(_) => vec![gateways::VRRP_OPER_STATE],
            Self::VrrpAddresses(_) => vec![gateways::VRRP_ASSO_IP_ADDR_ROW_STATUS],
            Self::VrrpV3(_) => vec![gateways::VRRPV3_OPERATIONS_STATUS],
            Self::VrrpV3Addresses(_) => vec![gateways::VRRPV3_ASSOCIATED_IP_ADDR_ROW_STATUS],
            Self::Hsrp(_) => gateways::HSRP_COLUMNS.to_vec(),
            Self::InetRoutesV4(_) => routes::INET_DEFAULT_V4.to_vec(),
            Self::InetRoutesV6(_) => routes::INET_DEFAULT_V6.to_vec(),
            Self::CidrRoutes(_) => routes::CIDR_DEFAULT.to_vec(),
        }
    }

    fn take(&mut self, row: &Row<'_>, columns: &[Column]) {
        let index = row.index();
        let values = || columns.iter().enumerate().filter_map(|(at, column)| Some((at, column, row.get(at)?)));
        match self {
            Self::Interfaces(rows) => {
                let Some(index) = index.single() else { return };
                let kept = rows.entry(index).or_default();
                for (at, column, value) in values() {
                    match at.checked_sub(INVENTORY.len()) {
                        None => kept.learn(column, &value),
                        Some(at) if at % 2 == 0 => kept.learn_counter(at / 2, CounterWidth::Bits64, &value),
                        Some(at) => kept.learn_counter(at / 2, CounterWidth::Bits32, &value),
                    }
                }
            }
            Self::LocalPorts(ports) => {
                let Some(number) = index.single() else { return };
                let kept = ports.entry(number).or_default();
                values().for_each(|(_, column, value)| kept.learn(column, &value));
            }
            Self::Remotes(rows) => {
                let Some(index) = RemoteIndex::parse(&arcs(row)) else { return };
                let kept = rows.entry(index).or_default();
                values().for_each(|(_, column, value)| kept.learn(column, &value));
            }
            Self::LocalAddresses(addresses) => addresses.extend(lldp::local_address(&arcs(row))),
            Self::RemoteAddresses(addresses) => addresses.extend(lldp::remote_address(&arcs(row))),
            Self::RemotesV2(rows) => {
                let Some(index) = lldp_v2::index(&arcs(row)) else { return };
                let kept = rows.entry(index).or_default();
                values().for_each(|(at, _, value)| kept.learn(&lldp::REMOTE_COLUMNS[at], &value));
            }
            Self::RemoteAddressesV2(addresses) => addresses.extend(lldp_v2::remote_address(&arcs(row))),
            Self::Cdp(rows) => {
                let Some(index) = cdp::index(&arcs(row)) else { return };
                let kept = rows.entry(index).or_default();
                values().for_each(|(_, column, value)| kept.learn(column, &value));
            }
            Self::Aggregation(rows) => {
                let Some(index) = index.single() else { return };
                let kept = rows.entry(index).or_default();
                values().for_each(|(_, column, value)| kept.learn(column, &value));
            }
            Self::Bridge(rows) => {
                let Some(index) = index.single() else { return };
                let kept = rows.entry(index).or_default();
                values().for_each(|(_, column, value)| kept.learn(column, &value));
            }
            Self::Parts(parts) => {
                let Some(index) = index.single() else { return };
                values().for_each(|(_, column, value)| parts.learn(index, column, &value));
            }
            Self::PartAliases(parts) => {
                let index = arcs(row);
                values().for_each(|(_, _, value)| parts.learn_alias(&index, &value));
            }
            Self::Sensors(rows) | Self::CiscoSensors(rows) => {
                let Some(index) = index.single() else { return };
                values().for_each(|(at, _, value)| rows.learn(index, at, &value));
            }
            Self::CiscoThresholds(rows) => {
                let index = arcs(row);
                values().for_each(|(at, _, value)| rows.learn_cisco(&index, at, &value));
            }
            Self::AristaThresholds(rows) => {
                let Some(index) = index.single() else { return };
                values().for_each(|(at, _, value)| rows.learn_arista(index, at, &value));
            }
            Self::Vrrp(rows) | Self::VrrpV3(rows) => {
                let index = arcs(row);
                values().for_each(|(_, _, value)| rows.learn_vrrp_state(&index, &value));
            }
            Self::VrrpAddresses(rows) | Self::VrrpV3Addresses(rows) => rows.learn_vrrp_address(&arcs(row)),
            Self::Hsrp(rows) => {
                let index = arcs(row);
                values().for_each(|(_, column, value)| rows.learn_hsrp(&index, column, &value));
            }
            Self::InetRoutesV4(rows) | Self::InetRoutesV6(rows) => {
                let index = arcs(row);
                values().for_each(|(at, _, value)| rows.learn_inet(&index, at, &value));
            }
            Self::CidrRoutes(rows) => {
                let index = arcs(row);
                values().for_each(|(at, _, value)| rows.learn_cidr(&index, at, &value));
            }
        }
    }
}

fn arcs(row: &Row<'_>) -> Vec<u32> {
    row.index().arcs().collect()
}

/// How a walk stands after a step.
pub enum Step {
    /// There is more.
    More,
    /// All of the table was read; `whole` is false where a column ended before its table did.
    Done {
        /// Nothing is missing.
        whole: bool,
    },
    /// It broke off.
    Failed(WalkEnd),
}

/// A walk under way.
pub struct Walk {
    walk: TableWalk,
    columns: Vec<Column>,
    /// What it has read so far.
    pub table: Table,
}

impl Walk {
    /// From the first row. `pace` is what earlier walks learned of the device.
    pub fn new(table: Table, pace: Pace) -> Self {
        let columns = table.columns();
        let plan = TablePlan { scalars: Vec::new(), columns: columns.iter().map(Column::object_id).collect() };
        let limits = Limits { rows: ROWS_MAX, requests: ROWS_MAX, ..Limits::default() };
        Self { walk: TableWalk::new(Arc::new(plan), limits, pace), columns, table }
    }

    /// Ask once.
    pub async fn step(&mut self, client: &mut Client, stats: &Stats) -> Step {
        let Self { walk, columns, table } = self;
        match client.step(walk, |row, _| table.take(&row, columns)).await {
            Progress::More => Step::More,
            Progress::Done(WalkEnd::Complete) => {
                let cut = cut_columns(walk, columns.len());
                add(&stats.columns_cut, cut);
                Step::Done { whole: cut == 0 }
            }
            Progress::Done(end) => Step::Failed(end),
        }
    }

    /// What it learned of the device.
    pub fn pace(&self) -> Pace {
        self.walk.pace()
    }

    /// Rows read so far.
    pub fn rows(&self) -> usize {
        self.walk.rows()
    }
}

/// How many columns of a finished walk are not all there.
pub(super) fn cut_columns(walk: &TableWalk, columns: usize) -> usize {
    let cut = |column: &usize| matches!(walk.column_end(*column), ColumnEnd::NotIncreasing | ColumnEnd::Unanswered);
    (0..columns).filter(cut).count()
}
