//! What is learned of a device between polls: its inventory and its neighbours, walked step by step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{ALL, Device, Wanted};
use crate::collect::clock;
use crate::collect::snmp::client::reason;
use crate::collect::snmp::engine::Course;
use crate::collect::snmp::facts::{self, AskError};
use crate::collect::snmp::stats::{add, count};
use crate::collect::snmp::vendor;
use crate::collect::snmp::walks::{Step, Table, Walk};
use crate::fabric::{Reading, Timestamp};
use crate::mib::interfaces::{self, InterfaceRows};
use crate::mib::lldp::{self, LocalPorts};
use crate::mib::plan::PollPlan;
use crate::mib::{Column, system};
use crate::snmp::TablePlan;
use crate::snmp::table::WalkEnd;

/// How often the inventory is read where nothing tells of a change; of a device that is polled rarely, every sixth
/// poll.
pub(super) const INVENTORY_EVERY: Duration = Duration::from_secs(60);
/// How often neighbours are; every third poll, likewise.
pub(super) const NEIGHBORS_EVERY: Duration = Duration::from_secs(30);
/// Least time between two inventories that a poll asks for; doubled while they find nothing new.
pub(super) const INVENTORY_AGAIN: Duration = Duration::from_secs(5);

impl Device {
    pub(super) fn inventory_every(&self) -> Duration {
        INVENTORY_EVERY.max(self.target.interval * 6)
    }

    pub(super) fn neighbors_every(&self) -> Duration {
        NEIGHBORS_EVERY.max(self.target.interval * 3)
    }

    /// One step of the walk under way, or the first of the next.
    pub(super) async fn walk(&mut self) {
        let now = clock::now();
        if self.walk.is_none() && self.queue.is_empty() {
            if self.inventory_at <= now {
                self.inventory_at = now + self.inventory_every();
                self.neighbors_at = now + self.neighbors_every();
                self.queue.extend(ALL);
            } else if self.neighbors_at <= now {
                self.neighbors_at = now + self.neighbors_every();
                self.queue.extend([Wanted::Remotes, Wanted::RemoteAddresses]);
            }
        }
        let Some(client) = &mut self.client else { return };
        let Some((wanted, mut walk)) = self.walk.take().or_else(|| {
            let Some(wanted) = self.queue.front().copied() else {
                return self.slow.next(now).map(|table| (Wanted::Slow, Walk::new(table, self.pace)));
            };
            let table = match wanted {
                Wanted::Facts | Wanted::Slow => return None,
                Wanted::Interfaces => Table::interfaces(),
                Wanted::LocalPorts => Table::LocalPorts(BTreeMap::new()),
                Wanted::LocalAddresses => Table::LocalAddresses(Vec::new()),
                Wanted::Remotes => Table::Remotes(BTreeMap::new()),
                Wanted::RemoteAddresses => Table::RemoteAddresses(Vec::new()),
            };
            self.queue.pop_front();
            Some((wanted, Walk::new(table, self.pace)))
        }) else {
            if self.queue.pop_front() == Some(Wanted::Facts) {
                match facts::ask(client).await {
                    Ok(facts) => self.identified(facts),
                    Err(AskError::Request(error)) => self.walk_failed(WalkEnd::Failed(error)),
                    Err(denied) => self.failed(denied.reason()),
                }
            }
            return;
        };
        match walk.step(client, &self.shared.stats).await {
            Step::More => self.walk = Some((wanted, walk)),
            Step::Failed(_) if wanted == Wanted::Slow => {
                count(&self.shared.stats.walks_failed);
                self.slow.failed(clock::now());
                // A poll tells whether it is dead or only does not like to be walked.
                self.look(clock::now());
            }
            Step::Failed(end) => self.walk_failed(end),
            Step::Done { whole } => {
                self.pace = walk.pace();
                self.learned(walk.table, whole).await;
            }
        }
    }

    /// A walk broke off: what was known before stands.
    fn walk_failed(&mut self, end: WalkEnd) {
        count(&self.shared.stats.walks_failed);
        self.queue.clear();
        let now = clock::now();
        match end {
            WalkEnd::Failed(error) if self.course.is_none() => self.failed(reason(&error)),
            // A poll tells whether it is dead or only does not like to be walked.
            WalkEnd::Failed(_) => self.look(now),
            _ => tracing::warn!(device = %self.id, ?end, "a table of this device has no end"),
        }
        if self.course.is_none() {
            self.inventory_at = now + INVENTORY_EVERY;
        }
    }

    async fn learned(&mut self, table: Table, whole: bool) {
        let now = clock::now();
        match table {
            Table::Interfaces(rows) => self.learned_interfaces(now, rows, whole).await,
            Table::LocalPorts(rows) => self.port_rows = rows,
            Table::LocalAddresses(addresses) => {
                self.addresses = addresses;
                self.emit_identity(now);
            }
            Table::Remotes(rows) => {
                if whole {
                    self.remotes = rows;
                } else {
                    // A row that was not reached is not a neighbour that is gone.
                    self.remotes.extend(rows);
                }
            }
            Table::RemoteAddresses(addresses) => {
                let ports = LocalPorts::join(&self.port_rows, &self.inventory);
                let (neighbors, unusable) = lldp::neighbors(&self.remotes, &addresses, &ports);
                count(&self.shared.stats.neighbor_tables);
                add(&self.shared.stats.neighbors_unusable, unusable);
                let neighbors = self.slow.heard(neighbors);
                self.shared.emit(&self.id, now, None, Reading::Neighbors(neighbors));
            }
            table => {
                count(&self.shared.stats.slow_tables);
                if let Some(reading) = self.slow.learned(now, table, whole, &self.inventory) {
                    self.shared.emit(&self.id, now, None, reading);
                }
                add(&self.shared.stats.slow_rows_unusable, std::mem::take(&mut self.slow.unusable));
            }
        }
    }

    async fn learned_interfaces(&mut self, now: Timestamp, mut rows: InterfaceRows, whole: bool) {
        count(&self.shared.stats.inventories);
        let before = self.course.clone();
        let before = before.as_ref().map(|course| course.plan());
        if !whole && let Some(before) = &before {
            // A column ended before the table did: what it did not reach is not gone.
            for (index, row) in before.rows() {
                rows.entry(index).or_insert(row);
            }
        }
        if self.optional.is_none()
            && let Some(client) = &mut self.client
        {
            match facts::ask_optional_columns(client).await {
                Ok(columns) => self.optional = Some(columns),
                Err(error) => return self.walk_failed(WalkEnd::Failed(error)),
            }
        }
        if let (Some(client), Some(facts)) = (&mut self.client, &self.facts) {
            let profiles = self.shared.profiles.load_full();
            let before = self.vendor.as_ref();
            match vendor::reader(client, &profiles, &facts.sys_object_id, &facts.sys_descr, before).await {
                Ok(reader) => self.vendor = reader,
                Err(error) => return self.walk_failed(WalkEnd::Failed(error)),
            }
        }
        let mut inventory: Arc<[_]> = interfaces::inventory(&rows).into();
        let changed = inventory != self.inventory;
        if !changed {
            // One and the same for everybody who has it.
            inventory = self.inventory.clone();
        }
        if changed {
            self.slow.anew(now);
        }
        self.inventory_again = if changed { INVENTORY_AGAIN } else { (self.inventory_again * 2).min(INVENTORY_EVERY) };
        let has = |column: &Column| self.optional.as_ref().is_none_or(|columns| columns.contains(column));
        let plan = PollPlan::learn(&rows, before, &inventory, has);
        self.inventory = inventory;

        let scalars = self.facts.as_ref().map(|facts| facts.change_scalars.clone()).unwrap_or_default();
        let names = [system::SYS_UP_TIME].iter().chain(&scalars).map(Column::object_id).collect();
        let own = self.vendor.iter().flat_map(|reader| reader.row_columns());
        let columns = plan.columns().iter().map(Column::object_id).chain(own).collect();
        let table = Arc::new(TablePlan { scalars: names, columns });
        let course = Arc::new(Course::new(plan, table, scalars, self.vendor.clone()));
        self.course = Some(course.clone());
        self.emit_identity(now);
        self.shared.emit(&self.id, now, None, Reading::Inventory(self.inventory.to_vec()));
        match &self.seat {
            Some(seat) => {
                seat.follow(course);
                if changed {
                    seat.look(now, None);
                }
            }
            None => self.take_seat(),
        }
    }

    fn look(&self, at: Timestamp) {
        if let Some(seat) = &self.seat {
            seat.look(at, None);
        }
    }
}
