//! One device in the writer's hands: who it is, which interfaces it has, whether it answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Settings;
use super::algebra::{self, Moment};
use super::cell::{DeviceWords, InterfaceCell};
use super::changes::{Changes, OperChange, Slot};
use super::directory::{Directory, Entry, Roster, Work};
use super::refresh::Refresh;
use super::row::{Context, Fate, Outcome, Row};
use super::speed::{LAG, Speed};
use crate::fabric::{
    AggregationMember, DeviceHealth, DeviceId, DeviceIdentity, InterfaceId, InterfaceInfo, InterfacePoll, LacpState,
    Reading, Sample, Timestamp, Unknown,
};

/// A device and its interfaces.
pub struct Device {
    /// What readers see of it.
    pub entry: Arc<Entry>,
    /// Its roster, the very one that readers see.
    pub roster: Arc<Roster>,
    /// One for each interface of the roster.
    pub rows: Vec<Row>,
    /// When it refreshes its counters.
    pub refresh: Refresh,
    words: DeviceWords,
    /// Its ports in aggregates that carry their share, as far as its tables say.
    members: Vec<(Arc<str>, Arc<str>)>,
    /// The last time that its uptime was told.
    moment: Option<Moment>,
}

impl Device {
    /// A device that just joined.
    pub fn new(entry: Arc<Entry>) -> Self {
        Self {
            roster: entry.roster.load_full(),
            entry,
            rows: Vec::new(),
            refresh: Refresh::default(),
            words: DeviceWords::default(),
            members: Vec::new(),
            moment: None,
        }
    }

    /// It says who it is.
    pub fn identify(&mut self, identity: &Arc<DeviceIdentity>, changes: &mut Changes) {
        self.refresh.set_local(identity.address.is_none());
        if **self.entry.identity.load() != **identity {
            changes.device = true;
            self.entry.identity.store(Arc::clone(identity));
        }
    }

    /// Replace the roster by this inventory, if it says anything new.
    pub fn enlist(
        &mut self,
        number: u32,
        infos: &[Arc<InterfaceInfo>],
        settings: &Settings,
        directory: &Directory,
        changes: &mut Changes,
    ) {
        let mut names = HashSet::with_capacity(infos.len());
        let infos: Box<[_]> = infos.iter().filter(|info| names.insert(Arc::clone(&info.if_name))).cloned().collect();
        let old = Arc::clone(&self.roster);
        if old.infos == infos {
            return;
        }
        changes.inventory = true;
        let same_names =
            old.infos.len() == infos.len() && old.infos.iter().zip(&infos).all(|(was, is)| was.if_name == is.if_name);
        let (cells, spreads) = if same_names {
            (Arc::clone(&old.cells), Arc::clone(&old.spreads))
        } else {
            changes.removed.extend(
                old.infos
                    .iter()
                    .filter(|info| !names.contains(&info.if_name))
                    .map(|info| interface_id(&self.entry.id, info)),
            );
            let mut old_rows = std::mem::take(&mut self.rows);
            let place = |info: &Arc<InterfaceInfo>| old.find(&info.if_name);
            self.rows = infos
                .iter()
                .map(|info| match place(info) {
                    Some(index) => std::mem::take(&mut old_rows[index]),
                    None => Row::new(Arc::clone(&info.if_name)),
                })
                .collect();
            let copy = |index: usize| {
                let cell = InterfaceCell::default();
                let words = old.cells[index].read();
                let mut write = cell.write();
                words.into_iter().enumerate().for_each(|(at, word)| write.set(at, word));
                drop(write);
                cell
            };
            let spread = |index: usize| old.spreads[index].clone();
            (
                infos.iter().map(|info| place(info).map(copy).unwrap_or_default()).collect(),
                infos.iter().map(|info| place(info).map(spread).unwrap_or_default()).collect(),
            )
        };
        for (index, info) in infos.iter().enumerate() {
            let before = old.find(&info.if_name).map(|index| &old.infos[index]);
            if before.is_some_and(|before| before.if_index != info.if_index) {
                self.rows[index].renumbered();
            }
            let speed = Speed::resolve(settings, self.entry.id.as_str(), info);
            if speed != self.rows[index].speed {
                self.rows[index].set_speed(&cells[index], speed);
            }
            let slot = Slot { device: number, interface: index as u32 };
            if before != Some(info) {
                changes.interfaces.push(slot);
            }
            if let Some(before) = before.filter(|before| before.speed_bps != info.speed_bps) {
                changes.speeds.push((slot, before.speed_bps.unwrap_or(0)));
            }
        }
        self.roster = Arc::new(Roster::new(infos, cells, spreads, directory.hasher.clone()));
        self.entry.roster.store(Arc::clone(&self.roster));
        self.add_up(settings);
    }

    /// It told which of its ports form aggregates.
    pub fn aggregate(&mut self, members: &[AggregationMember], settings: &Settings) {
        let carries = |member: &&AggregationMember| {
            let distributes = |state: LacpState| state.is_empty() || state.has(LacpState::DISTRIBUTING);
            member.attached != Some(false) && member.actor.is_none_or(distributes)
        };
        let pair = |member: &AggregationMember| (Arc::clone(&member.if_name), Arc::clone(&member.aggregator));
        self.members = members.iter().filter(carries).map(pair).collect();
        self.add_up(settings);
    }

    /// The speed of each aggregate is that of its ports that are up, together.
    pub fn add_up(&mut self, settings: &Settings) {
        let mut sums: HashMap<&str, u64> = HashMap::new();
        for (port, aggregator) in &self.members {
            let Some(at) = self.roster.find(port) else { continue };
            let up = self.roster.state(&self.entry.id, at).is_some_and(|state| state.oper_status.is_up());
            let sum = sums.entry(aggregator).or_default();
            *sum = sum.saturating_add(if up { self.rows[at].speed.capacity_bps(true) } else { 0 });
        }
        for (at, info) in self.roster.infos.iter().enumerate().filter(|(_, info)| info.if_type == LAG) {
            let sum = sums.get(&*info.if_name).copied().unwrap_or(0);
            let speed = Speed::resolve(settings, self.entry.id.as_str(), info).with_members(sum);
            if speed != self.rows[at].speed {
                self.rows[at].set_speed(&self.roster.cells[at], speed);
            }
        }
    }

    /// Some of its interfaces were polled.
    pub fn poll(
        &mut self,
        number: u32,
        sample: &Sample,
        polls: &[InterfacePoll],
        settings: &Settings,
        work: &Work,
        changes: &mut Changes,
    ) {
        let now = Moment { at: sample.taken_at, uptime: sample.device_uptime };
        let ahead = self.first_that_moved(polls, now.at);
        let Self { roster, rows, refresh, .. } = self;
        let mut context = Context { now, tolerance: settings.tolerance, refresh, ahead, span: None };
        let (mut next, mut strangers, mut late, mut hasty) = (0, 0, 0, 0);
        let mut turned = false;
        for poll in polls {
            let Some(index) = place(rows, roster, next, &poll.if_name) else {
                strangers += 1;
                continue;
            };
            next = index + 1;
            let outcome = rows[index].poll(&roster.cells[index], &roster.spreads[index], poll, &mut context);
            match outcome.counters {
                Fate::Late => late += 1,
                Fate::Hasty => hasty += 1,
                Fate::Taken | Fate::None => {}
            }
            turned |= outcome.oper_changed.is_some();
            if outcome.counters != Fate::Late || outcome.oper_changed.is_some() {
                note(changes, Slot { device: number, interface: index as u32 }, outcome, now.at);
            }
        }
        Work::add(&work.rows, polls.len() as u64);
        Work::add(&work.strangers, strangers);
        Work::add(&work.late, late);
        Work::add(&work.hasty, hasty);
        if turned && !self.members.is_empty() {
            self.add_up(settings);
        }
    }

    /// The previous reading of the first row whose counters moved: the cache was refreshed after it.
    fn first_that_moved(&mut self, polls: &[InterfacePoll], now: Timestamp) -> Option<Timestamp> {
        let mut next = 0;
        polls.iter().find_map(|poll| {
            let index = place(&mut self.rows, &self.roster, next, &poll.if_name)?;
            next = index + 1;
            self.rows[index].moved_since(&self.roster.cells[index], poll, now)
        })
    }

    /// What every sample tells of its device: that it answers, or that it does not.
    pub fn hear(&mut self, sample: &Sample, changes: &mut Changes) {
        let at = sample.taken_at;
        let before = self.words;
        match &sample.reading {
            Reading::Unreachable(reason) => {
                (self.words.health, self.words.unreachable) = (DeviceHealth::Unreachable, Some(*reason));
            }
            Reading::Identity(_)
            | Reading::Inventory(_)
            | Reading::Poll(_)
            | Reading::Neighbors(_)
            | Reading::Aggregations(_)
            | Reading::SpanningTree(_)
            | Reading::Sensors(_)
            | Reading::NextHops(_)
            | Reading::Gateways(_)
            | Reading::HostLosses(_) => {
                (self.words.health, self.words.unreachable) = (DeviceHealth::Ok, None);
                self.words.answered_at = self.words.answered_at.max(Some(at));
                if let Some(uptime) = sample.device_uptime {
                    let now = Moment { at, uptime: Some(uptime) };
                    if self.moment.is_none_or(|earlier| earlier.at <= at) {
                        let since = self.moment.map(|earlier| algebra::span(earlier, now));
                        changes.restarted = since == Some(Err(Unknown::Discontinuity));
                        self.moment = Some(now);
                        self.words.uptime = Some(uptime);
                    }
                }
            }
            // A trap shows that the device lives, not that it answers; who sent it nobody has proved.
            Reading::Event { .. } | Reading::Pace { .. } | Reading::Retired => return,
        }
        if before.health != self.words.health {
            self.words.health_since = Some(at);
        }
        changes.device |=
            (before.health, before.unreachable) != (self.words.health, self.words.unreachable) || changes.restarted;
        self.words.store(&self.entry.cell);
    }
}

/// The row of a name: nearly always the one after the last, as rows come in the same order each time.
fn place(rows: &mut [Row], roster: &Roster, next: usize, if_name: &Arc<str>) -> Option<usize> {
    if let Some(row) = rows.get(next) {
        if Arc::ptr_eq(&row.name, if_name) {
            return Some(next);
        }
        if row.name == *if_name {
            rows[next].name = Arc::clone(if_name);
            return Some(next);
        }
    }
    roster.find(if_name)
}

/// Note an interface that was touched, and what became of its status.
pub fn note(changes: &mut Changes, slot: Slot, outcome: Outcome, at: Timestamp) {
    changes.interfaces.push(slot);
    if let Some((before, after)) = outcome.oper_changed {
        changes.oper.push(OperChange { slot, before, after, at });
    }
}

/// The name of an interface.
pub fn interface_id(device: &DeviceId, info: &InterfaceInfo) -> InterfaceId {
    InterfaceId { device: device.clone(), if_name: Arc::clone(&info.if_name) }
}
