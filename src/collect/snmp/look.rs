//! One look at one device from beginning to end, for people who want to see what it says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::facts::{self, AskError, Facts};
use super::slow::Slow;
use super::stats::Stats;
use super::vendor;
use super::walks::{Step, Table, Walk};
use crate::collect::clock;
use crate::fabric::{
    AggregationMember, BridgePort, InterfaceInfo, InterfacePoll, Neighbor, Reading, Sensor, Timestamp, Uptime,
};
use crate::mib::interfaces::{self, InterfaceRows};
use crate::mib::lldp::{self, LocalPorts};
use crate::mib::plan::{Explained, PollPlan};
use crate::mib::profile::{Profiles, Reader as Vendor};
use crate::mib::{Column, cdp, system, value};
use crate::snmp::table::WalkEnd;
use crate::snmp::{Access, Limits, Pace, Patience, Progress, Request, RequestError, Session, TablePlan, TableWalk};

/// What a device is and whom it hears.
pub struct Survey {
    /// Who it says it is.
    pub facts: Facts,
    /// Its interfaces, in the order of ifIndex.
    pub inventory: Vec<Arc<InterfaceInfo>>,
    /// What the inventory was made of, by ifIndex.
    pub rows: InterfaceRows,
    /// Its neighbours, with the protocol by which they are heard.
    pub neighbors: Vec<(&'static str, Neighbor)>,
    /// Its ports in aggregates.
    pub aggregations: Vec<AggregationMember>,
    /// Its ports in spanning tree.
    pub spanning_tree: Vec<BridgePort>,
    /// The sensors of its optics.
    pub sensors: Vec<Sensor>,
    /// What could not be read of it, in words; empty where nothing is missing.
    pub missing: Vec<String>,
    plan: PollPlan,
    vendor: Option<Vendor>,
    pace: Pace,
}

/// A stage of a survey and how many rows it has read, to show that something goes on.
pub type Tell<'a> = &'a mut (dyn FnMut(&str, usize) + Send);

impl Survey {
    /// Read everything but counters.
    ///
    /// # Errors
    /// It does not answer, or shows nothing. What is missing beyond that is told in
    /// [`Survey::missing`].
    pub async fn take(
        client: &mut Client,
        stats: &Stats,
        profiles: &Profiles,
        tell: Tell<'_>,
    ) -> Result<Self, AskError> {
        tell("asking who it is", 0);
        let facts = facts::ask(client).await?;
        let mut reader = Reader { client, stats, tell, pace: Pace::default(), missing: Vec::new() };

        let mut rows = InterfaceRows::new();
        if let Some(Table::Interfaces(read)) =
            reader.read("interfaces", Table::interfaces()).await.map_err(AskError::Request)?
        {
            rows = read;
        }
        let inventory = interfaces::inventory(&rows);
        let optional = facts::ask_optional_columns(reader.client).await.map_err(AskError::Request)?;
        let plan = PollPlan::learn(&rows, None, &inventory, |column| optional.contains(column));
        let vendor = vendor::reader(reader.client, profiles, &facts.sys_object_id, &facts.sys_descr, None);
        let vendor = vendor.await.map_err(AskError::Request)?.map(Arc::unwrap_or_clone);

        let mut ports = LocalPorts::join(&BTreeMap::new(), &inventory);
        if let Some(Table::LocalPorts(read)) =
            reader.read("LLDP ports", Table::LocalPorts(BTreeMap::new())).await.map_err(AskError::Request)?
        {
            ports = LocalPorts::join(&read, &inventory);
        }
        let mut neighbors = Vec::new();
        if let Some(Table::Remotes(remotes)) =
            reader.read("neighbours", Table::Remotes(BTreeMap::new())).await.map_err(AskError::Request)?
        {
            let mut addresses = Vec::new();
            let table = Table::RemoteAddresses(Vec::new());
            if let Some(Table::RemoteAddresses(read)) =
                reader.read("neighbours' addresses", table).await.map_err(AskError::Request)?
            {
                addresses = read;
            }
            let unusable;
            (neighbors, unusable) = lldp::neighbors(&remotes, &addresses, &ports);
            if unusable > 0 {
                reader.missing.push(format!("{unusable} rows of neighbours name no port or interface that is known"));
            }
        }
        let mut slow = Slow::default();
        slow.heard(neighbors);
        let (mut aggregations, mut spanning_tree, mut sensors) = (Vec::new(), Vec::new(), Vec::new());
        // Whatever is due at one moment is everything, once.
        let now = clock::now();
        while let Some(table) = if slow.due() <= now { slow.next(now) } else { None } {
            match reader.read("other tables", table).await {
                Ok(Some(table)) => match slow.learned(now, table, true, &inventory) {
                    Some(Reading::Aggregations(members)) => aggregations = members,
                    Some(Reading::SpanningTree(ports)) => spanning_tree = ports,
                    Some(Reading::Sensors(read)) => sensors = read,
                    _ => {}
                },
                Ok(None) => slow.failed(now),
                Err(_) => {
                    reader.missing.push("aggregates, spanning tree, optics: the device stopped to answer".into());
                    break;
                }
            }
        }
        let neighbors = slow.heard_by();
        let (pace, missing) = (reader.pace, reader.missing);
        Ok(Self {
            facts,
            inventory,
            rows,
            neighbors,
            aggregations,
            spanning_tree,
            sensors,
            missing,
            plan,
            vendor,
            pace,
        })
    }

    /// Read the counters of all its interfaces once.
    ///
    /// # Errors
    /// It does not answer at all.
    pub async fn poll(&mut self, client: &mut Client, tell: Tell<'_>) -> Result<Polled, RequestError> {
        if let Some(reader) = &mut self.vendor {
            tell("queues", 0);
            self.pace = vendor::walk(client, reader, self.plan.interfaces(), self.pace).await;
        }
        let standard = self.plan.columns().len();
        let own = self.vendor.iter().flat_map(Vendor::row_columns);
        let plan = TablePlan {
            scalars: vec![system::SYS_UP_TIME.object_id()],
            columns: self.plan.columns().iter().map(Column::object_id).chain(own).collect(),
        };
        let columns = plan.columns.len();
        let mut walk = TableWalk::new(Arc::new(plan), Limits::default(), self.pace);
        let mut rows = BTreeMap::new();
        let end = loop {
            let progress = client
                .step(&mut walk, |row, taken_at| {
                    let Some(index) = row.index().single() else { return };
                    let cells: Vec<_> = (0..columns).map(|column| row.get(column)).collect();
                    let (Ok(mut poll), Ok(mut counters)) =
                        (self.plan.read(index, &cells), self.plan.explain(index, &cells))
                    else {
                        return;
                    };
                    if let (Some(reader), Some(own)) = (&mut self.vendor, cells.get(standard..)) {
                        counters.extend(reader.explain(index, own, &mut poll.counters));
                    }
                    let uptime = row.scalar(0).as_ref().and_then(value::unsigned).map(Uptime);
                    rows.insert(index, PolledRow { poll, counters, taken_at, uptime });
                })
                .await;
            tell("counters", rows.len());
            match progress {
                Progress::More => {}
                Progress::Done(end) => break end,
            }
        };
        self.pace = walk.pace();
        match end {
            WalkEnd::Failed(error) if rows.is_empty() => Err(error),
            end => Ok(Polled { rows, complete: end == WalkEnd::Complete }),
        }
    }

    /// What its profile adds; none where there is no profile for it.
    pub fn vendor(&self) -> Option<&Vendor> {
        self.vendor.as_ref()
    }

    /// Every counter that an interface should have.
    pub fn expected(&self) -> impl Iterator<Item = &'static str> {
        interfaces::PAIRS
            .iter()
            .map(|pair| pair.wide.name)
            .chain(interfaces::LOSSES.iter().map(|object| object.column.name))
    }
}

/// The counters of a device.
pub struct Polled {
    /// By ifIndex.
    pub rows: BTreeMap<u32, PolledRow>,
    /// The table was read to its end.
    pub complete: bool,
}

/// The counters of one interface.
pub struct PolledRow {
    /// States and counters.
    pub poll: InterfacePoll,
    /// Each counter by the name of the object that was read, or why it was not.
    pub counters: Vec<Explained>,
    /// When the answer came.
    pub taken_at: Timestamp,
    /// sysUpTime in the same answer.
    pub uptime: Option<Uptime>,
}

struct Reader<'a, 't> {
    client: &'a mut Client,
    stats: &'a Stats,
    tell: Tell<'t>,
    pace: Pace,
    missing: Vec<String>,
}

impl Reader<'_, '_> {
    /// A whole table; what was read of it where it broke off, with a word about that. Nothing of it at all
    /// because the device has stopped to answer is an error.
    async fn read(&mut self, what: &str, table: Table) -> Result<Option<Table>, RequestError> {
        let mut walk = Walk::new(table, self.pace);
        loop {
            let step = walk.step(self.client, self.stats).await;
            (self.tell)(what, walk.rows());
            match step {
                Step::More => {}
                Step::Done { whole } => {
                    self.pace = walk.pace();
                    if !whole {
                        self.missing.push(format!("{what}: the device repeats itself or has no answer for a part"));
                    }
                    return Ok(Some(walk.table));
                }
                Step::Failed(WalkEnd::Failed(error)) if walk.rows() == 0 => return Err(error),
                Step::Failed(_) => {
                    self.missing.push(format!("{what}: the answers broke off after {} rows", walk.rows()));
                    return Ok(Some(walk.table));
                }
            }
        }
    }
}

/// Who a device is and whom it hears, without its interfaces: a fraction of a [`Survey`].
pub struct Hearing {
    /// Who it says it is.
    pub facts: Facts,
    /// Whom it hears.
    pub devices: Vec<lldp::HeardDevice>,
    /// What could not be read of it, in words; empty where nothing is missing.
    pub missing: Vec<String>,
}

impl Hearing {
    /// Ask who it is and read its neighbours.
    ///
    /// # Errors
    /// It does not answer, or shows nothing.
    pub async fn take(client: &mut Client, stats: &Stats) -> Result<Self, AskError> {
        let facts = facts::ask(client).await?;
        let tell: Tell<'_> = &mut |_, _| {};
        let mut reader = Reader { client, stats, tell, pace: Pace::default(), missing: Vec::new() };
        let remotes = reader.read("neighbours", Table::Remotes(BTreeMap::new())).await;
        let mut devices = Vec::new();
        if let Some(Table::Remotes(remotes)) = remotes.map_err(AskError::Request)? {
            let addresses = if remotes.is_empty() {
                None
            } else {
                let table = Table::RemoteAddresses(Vec::new());
                reader.read("neighbours' addresses", table).await.map_err(AskError::Request)?
            };
            let addresses =
                if let Some(Table::RemoteAddresses(addresses)) = addresses { addresses } else { Vec::new() };
            devices = lldp::devices_heard(&remotes, &addresses);
        }
        for heard in [Self::by_lldp_v2(&mut reader).await, Self::by_cdp(&mut reader).await] {
            // Who stopped to answer in between has told what it has told.
            for device in heard.unwrap_or_default() {
                // A device that speaks several protocols has a chassis id in each.
                let known = devices.iter().any(|known| {
                    (!known.sys_name.is_empty() && known.sys_name == device.sys_name)
                        || known.addresses.iter().any(|address| device.addresses.contains(address))
                });
                if !known {
                    devices.push(device);
                }
            }
        }
        Ok(Self { facts, devices, missing: reader.missing })
    }

    async fn by_lldp_v2(reader: &mut Reader<'_, '_>) -> Result<Vec<lldp::HeardDevice>, RequestError> {
        let table = reader.read("neighbours (LLDP-V2)", Table::RemotesV2(BTreeMap::new())).await?;
        let Some(Table::RemotesV2(remotes)) =
            table.filter(|table| !matches!(table, Table::RemotesV2(rows) if rows.is_empty()))
        else {
            return Ok(Vec::new());
        };
        let table = reader.read("neighbours' addresses", Table::RemoteAddressesV2(Vec::new())).await?;
        let addresses = if let Some(Table::RemoteAddressesV2(addresses)) = table { addresses } else { Vec::new() };
        Ok(lldp::devices_heard(&remotes, &addresses))
    }

    async fn by_cdp(reader: &mut Reader<'_, '_>) -> Result<Vec<lldp::HeardDevice>, RequestError> {
        match reader.read("neighbours (CDP)", Table::Cdp(cdp::CacheRows::new())).await? {
            Some(Table::Cdp(rows)) => Ok(cdp::devices_heard(&rows)),
            _ => Ok(Vec::new()),
        }
    }
}

/// Whether the host itself says that nothing listens there. A socket of its own asks, since only one that is
/// connected hears of that; hosts may keep silent, and filters mostly do.
pub async fn nothing_listens(address: SocketAddr, access: Access) -> bool {
    const WAIT: Duration = Duration::from_millis(300);
    let patience = Patience { timeout: WAIT, retries: 0 };
    let mut datagram = Vec::new();
    let names = [system::SYS_UP_TIME.object_id()];
    Session::new(access, patience, rand::random()).request(clock::now(), &Request::Get(&names), &mut datagram);
    let ask = async {
        let any: SocketAddr = if address.is_ipv6() {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
        };
        let socket = tokio::net::UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        socket.send(&datagram).await?;
        socket.recv(&mut [0; 16]).await
    };
    let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    matches!(tokio::time::timeout(WAIT, ask).await, Ok(Err(error)) if refused(&error))
}
