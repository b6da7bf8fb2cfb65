//! What a counter poll asks of one device, learned from its inventory, and what a row of its answer says.
//!
//! **Why the name is read with the counters.** An ifIndex is an address that devices give to another port
//! when they start anew or a card is moved; a counter believed under the wrong name is a spike on one port
//! and a silence on another. ifTableLastChange and ifNumber would tell of such moves, were they kept: many
//! agents leave them at 0. So each row of a poll carries the name that the index had *in that very answer*
//! (ifName, or ifDescr where that is what an interface is named by). It costs some 15 octets of the 400 in a
//! row, and makes the row its own proof: where the name is not that of the inventory the row is not used,
//! and the inventory is read anew at once.

use std::sync::Arc;

use super::interfaces::{
    self, Choice, IF_ADMIN_STATUS, IF_COUNTER_DISCONTINUITY_TIME, IF_DESCR, IF_NAME, IF_OPER_STATUS, InterfaceRow,
    InterfaceRows, LOSSES, PAIRS, Reading,
};
use super::value::{self, Unusable};
use super::{Column, ether_like};
use crate::fabric::{CounterWidth, Counters, InterfaceInfo, InterfacePoll, Uptime};
use crate::snmp::Value;

/// The columns that not every device has. Before a plan is made one GETNEXT of these tells which this one
/// has, so that no poll asks in vain.
pub fn optional_columns() -> Vec<Column> {
    let losses = LOSSES.iter().chain(&ether_like::COUNTERS).map(|object| object.column);
    [IF_COUNTER_DISCONTINUITY_TIME].into_iter().chain(losses).collect()
}

/// What one column of a poll is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Name,
    Descr,
    OperStatus,
    AdminStatus,
    Discontinuity,
    /// A pair's 64-bit object, by its place in [`PAIRS`].
    Wide(usize),
    /// A pair's 32-bit object, likewise.
    Narrow(usize),
    /// An object that has no twin.
    Single(interfaces::CounterObject),
}

/// What is known of an interface between two inventories. There are millions of these: what its info says is not said
/// again.
#[derive(Clone, Debug)]
struct Watched {
    info: Arc<InterfaceInfo>,
    /// ifName as the device spelled it, where its own name is another.
    spelled: Option<Box<str>>,
    /// ifName is its name; else it is named by its ifDescr.
    has_name: bool,
    choices: [Choice; PAIRS.len()],
    /// Both objects of each pair in the last inventory, where it is not certain yet that the 64-bit one moves.
    stood: Option<Box<[Stood; PAIRS.len()]>>,
}

impl Watched {
    /// ifName as the device spelled it; none where the interface is named by its ifDescr.
    fn name(&self) -> Option<&str> {
        self.has_name.then(|| self.spelled.as_deref().unwrap_or(&self.info.if_name))
    }
}

/// The two objects of a pair in an inventory, to see which of them moves until the next; none where one was not read.
type Stood = Option<(u32, u32)>;

/// Shorter than the value, and another one for another value but by a chance of 2^-32.
fn stood(reading: Reading) -> Option<u32> {
    let (value, _) = reading.ok()?;
    Some((value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32)
}

/// What to poll, and how to read it.
#[derive(Clone, Debug, Default)]
pub struct PollPlan {
    columns: Vec<Column>,
    roles: Vec<Role>,
    /// In the order of ifIndex.
    interfaces: Vec<Watched>,
}

/// Why a row of a poll cannot be used. Either asks for a new inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowRefused {
    /// The inventory has no interface of this index.
    Unlisted,
    /// The index belongs to an interface of another name by now, or its name did not come.
    Renamed,
}

/// One cell of a row: what the column holds, or none where the answer did not have it.
pub type Cell<'a> = Option<Value<'a>>;

/// A counter by its object's name, with its value or the reason why there is none.
pub type Explained = (&'static str, Result<u64, Unusable>);

impl PollPlan {
    /// Choose, from an inventory, the plan by the one before it (for counters that stand still), and the optional
    /// columns that the device has.
    pub fn learn(
        rows: &InterfaceRows,
        before: Option<&Self>,
        inventory: &[Arc<InterfaceInfo>],
        has: impl Fn(&Column) -> bool,
    ) -> Self {
        let mut plan = Self::default();
        let mut wanted = [(false, false); PAIRS.len()];
        for info in inventory {
            let Some(row) = rows.get(&info.if_index) else { continue };
            let before = before.and_then(|plan| plan.watched(info.if_index));
            let before = before.filter(|before| before.name().unwrap_or_default() == row.name);
            let now: [Stood; PAIRS.len()] =
                std::array::from_fn(|pair| stood(row.wide[pair]).zip(stood(row.narrow[pair])));
            let choices = std::array::from_fn(|pair| {
                let before = before.and_then(|before| before.stood.as_ref()).and_then(|stood| stood[pair]);
                let stands = before.zip(now[pair]).is_some_and(|(before, now)| before.0 == now.0 && before.1 != now.1);
                interfaces::choose(stands, row.wide[pair], row.narrow[pair])
            });
            // Where every 64-bit object has moved there is no more doubt.
            let moved = |pair: usize| {
                let before = before.map(|before| before.stood.as_ref().map(|stood| stood[pair]));
                now[pair].is_none()
                    || matches!(before, Some(None))
                    || before.flatten().flatten().zip(now[pair]).is_some_and(|(before, now)| before.0 != now.0)
            };
            let doubts = !(0..PAIRS.len()).all(moved);
            for (wanted, choice) in wanted.iter_mut().zip(choices) {
                match choice {
                    Choice::Wide => wanted.0 = true,
                    Choice::Narrow => wanted.1 = true,
                    Choice::Neither => {}
                }
            }
            plan.interfaces.push(Watched {
                info: info.clone(),
                spelled: (!row.name.is_empty() && row.name != *info.if_name).then(|| row.name.as_str().into()),
                has_name: !row.name.is_empty(),
                choices,
                stood: doubts.then(|| Box::new(now)),
            });
        }
        plan.interfaces.sort_unstable_by_key(|interface| interface.info.if_index);
        plan.interfaces.shrink_to_fit();
        if plan.interfaces.iter().any(|interface| interface.has_name) {
            plan.add(IF_NAME, Role::Name);
        }
        if plan.interfaces.iter().any(|interface| !interface.has_name && !interface.info.if_descr.is_empty()) {
            plan.add(IF_DESCR, Role::Descr);
        }
        plan.add(IF_OPER_STATUS, Role::OperStatus);
        plan.add(IF_ADMIN_STATUS, Role::AdminStatus);
        if has(&IF_COUNTER_DISCONTINUITY_TIME) {
            plan.add(IF_COUNTER_DISCONTINUITY_TIME, Role::Discontinuity);
        }
        for (pair, (wide, narrow)) in wanted.into_iter().enumerate() {
            if wide {
                plan.add(PAIRS[pair].wide, Role::Wide(pair));
            }
            if narrow {
                plan.add(PAIRS[pair].narrow, Role::Narrow(pair));
            }
        }
        for object in LOSSES.into_iter().chain(ether_like::COUNTERS).filter(|object| has(&object.column)) {
            plan.add(object.column, Role::Single(object));
        }
        plan
    }

    fn add(&mut self, column: Column, role: Role) {
        self.columns.push(column);
        self.roles.push(role);
    }

    /// What to ask for, in this order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many interfaces the inventory had.
    pub fn interfaces(&self) -> usize {
        self.interfaces.len()
    }

    /// Their indices, in order.
    pub fn indices(&self) -> Vec<u32> {
        self.interfaces.iter().map(|interface| interface.info.if_index).collect()
    }

    fn watched(&self, if_index: u32) -> Option<&Watched> {
        let at = self.interfaces.binary_search_by_key(&if_index, |interface| interface.info.if_index).ok()?;
        self.interfaces.get(at)
    }

    /// The rows of the inventory that this was learned from, as far as they are worth keeping: with their counters only
    /// it is known which object is believed.
    pub fn rows(&self) -> InterfaceRows {
        let row = |interface: &Watched| {
            let info = &interface.info;
            let mut row = InterfaceRow {
                descr: info.if_descr.clone(),
                name: interface.name().unwrap_or_default().to_owned(),
                alias: info.if_alias.clone(),
                if_type: info.if_type,
                phys_address: info.phys_address.clone(),
                ..InterfaceRow::default()
            };
            (row.high_speed, row.speed) = interfaces::speeds(info.speed_bps);
            for (pair, choice) in interface.choices.iter().enumerate() {
                match choice {
                    Choice::Wide => row.wide[pair] = Ok((1, CounterWidth::Bits64)),
                    Choice::Narrow => row.narrow[pair] = Ok((1, CounterWidth::Bits32)),
                    Choice::Neither => {}
                }
            }
            (info.if_index, row)
        };
        self.interfaces.iter().map(row).collect()
    }

    /// The name of the interface with this index, by the inventory.
    pub fn name_of(&self, if_index: u32) -> Option<&Arc<str>> {
        self.watched(if_index).map(|interface| &interface.info.if_name)
    }

    /// Read one row; the cells are in the order of [`PollPlan::columns`].
    pub fn read(&self, if_index: u32, cells: &[Cell<'_>]) -> Result<InterfacePoll, RowRefused> {
        let interface = self.vouched(if_index, cells)?;
        let mut counters = Counters::default();
        self.each_counter(interface, cells, |object, reading| {
            if let Ok((value, width)) = reading {
                counters.set(object.counter, value, width);
            }
        });
        // What is contradicted was not read.
        let mut believed = counters;
        let lies: Vec<_> =
            interfaces::contradicted(&counters).filter(|counter| counters.get(*counter).is_some()).collect();
        if !lies.is_empty() {
            believed = Counters::default();
            for (counter, value) in counters.iter().filter(|(counter, _)| !lies.contains(counter)) {
                believed.set(counter, value, counters.width(counter));
            }
        }
        Ok(InterfacePoll {
            if_name: interface.info.if_name.clone(),
            oper_status: interfaces::oper_status(self.cell(Role::OperStatus, cells)),
            admin_status: interfaces::admin_status(self.cell(Role::AdminStatus, cells)),
            discontinuity: self.cell(Role::Discontinuity, cells).and_then(value::unsigned).map(Uptime),
            counters: believed,
        })
    }

    /// Every counter that a row should have, by the name of the object that was read (or, where the device
    /// has none, that should have been), with its value or the reason why there is none.
    pub fn explain(&self, if_index: u32, cells: &[Cell<'_>]) -> Result<Vec<Explained>, RowRefused> {
        let interface = self.vouched(if_index, cells)?;
        let believed = self.read(if_index, cells)?.counters;
        let mut told = Vec::new();
        let mut frames = Vec::new();
        self.each_counter(interface, cells, |object, reading| {
            let reading = match reading {
                Ok(_) if believed.get(object.counter).is_none() => Err(Unusable::Contradicted),
                reading => reading.map(|(value, _)| value),
            };
            let is_frames = ether_like::COUNTERS.contains(object);
            if is_frames { &mut frames } else { &mut told }.push((object.column.name, reading));
        });
        // EtherLike-MIB is a matter of the kind of port: that a tunnel has no frames is nothing to tell.
        if frames.iter().any(|(_, reading)| *reading != Err(Unusable::Missing)) {
            told.append(&mut frames);
        }
        // Objects that the device has for no interface are not in the plan.
        for (pair, choice) in interface.choices.iter().enumerate() {
            if *choice == Choice::Neither {
                told.push((PAIRS[pair].wide.name, Err(Unusable::Missing)));
            }
        }
        for object in LOSSES {
            if !self.columns.contains(&object.column) {
                told.push((object.column.name, Err(Unusable::Missing)));
            }
        }
        Ok(told)
    }

    fn cell<'c, 'v>(&self, role: Role, cells: &'c [Cell<'v>]) -> Option<&'c Value<'v>> {
        let at = self.roles.iter().position(|&own| own == role)?;
        cells.get(at)?.as_ref()
    }

    /// The interface that the index had in the inventory, if the row itself says that it still is that one.
    fn vouched(&self, if_index: u32, cells: &[Cell<'_>]) -> Result<&Watched, RowRefused> {
        let interface = self.watched(if_index).ok_or(RowRefused::Unlisted)?;
        let same = |role, expected: &str| {
            self.cell(role, cells)
                .and_then(value::octets)
                .is_some_and(|octets| octets == expected.as_bytes() || value::clean(octets) == expected)
        };
        let is_it = match interface.name() {
            Some(name) => same(Role::Name, name),
            None if !interface.info.if_descr.is_empty() => same(Role::Descr, &interface.info.if_descr),
            // It has no name at all: `ifIndex-N` is its identity and its address in one.
            None => true,
        };
        if is_it { Ok(interface) } else { Err(RowRefused::Renamed) }
    }

    fn each_counter(
        &self,
        interface: &Watched,
        cells: &[Cell<'_>],
        mut told: impl FnMut(&interfaces::CounterObject, Reading),
    ) {
        let reading = |at: usize, width| match cells.get(at) {
            Some(Some(value)) => value::counter(value, width),
            _ => Err(Unusable::Missing),
        };
        for (at, role) in self.roles.iter().enumerate() {
            let (pair, choice, column, width) = match *role {
                Role::Wide(pair) => (pair, Choice::Wide, PAIRS[pair].wide, CounterWidth::Bits64),
                Role::Narrow(pair) => (pair, Choice::Narrow, PAIRS[pair].narrow, CounterWidth::Bits32),
                Role::Single(object) => {
                    told(&object, reading(at, object.width));
                    continue;
                }
                _ => continue,
            };
            if interface.choices[pair] == choice {
                let object = interfaces::CounterObject { counter: PAIRS[pair].counter, width, column };
                told(&object, reading(at, width));
            }
        }
    }
}

#[cfg(test)]
mod tests;
