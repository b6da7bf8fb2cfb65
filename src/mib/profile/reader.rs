//! Reads a profile's objects of one device: some with the rows of IF-MIB, others by walks of their own, each
//! summed by interface and counter.
//!
//! **A sum is only as good as its parts.** A queue that is gone makes a sum fall, one that is new makes it
//! leap, and neither is a drop of packets. So of every sum the reader remembers which instances were in it; in
//! a poll in which they are not the same the counter is not read, and what follows counts from there.
//!
//! 32-bit counters are summed modulo 2^32: such a sum wraps as one 32-bit counter does, however many of its
//! parts do.
//!
//! What a walk brings is some milliseconds older than the row that it is told with. Walks come at the same
//! place of each poll, so that the time between two of them is the time between two rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Object, Profile};
use crate::fabric::{Counter, CounterWidth, Counters};
use crate::mib::interfaces::Reading;
use crate::mib::plan::{Cell, Explained};
use crate::mib::value::{self, Unusable};
use crate::snmp::{IndexRef, Oid, TablePlan, Value};

/// What several objects count together: one counter at one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    counter: Counter,
    rank: u32,
}

/// A table that is walked by itself.
#[derive(Clone, Debug)]
struct Walked {
    plan: Arc<TablePlan>,
    /// The objects of its columns.
    objects: Vec<usize>,
}

/// The sum of a lane at one interface, so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    sum: u64,
    narrow: bool,
    /// How many instances are in it.
    parts: u32,
    /// Which: the same instances in any order give the same number.
    signature: u64,
    unusable: Option<Unusable>,
}

impl Tally {
    fn add(&mut self, instance: u64, reading: Reading, scale: u32) {
        self.parts += 1;
        self.signature = self.signature.wrapping_add(instance);
        match reading {
            Ok((value, width)) => {
                self.sum = self.sum.wrapping_add(value.wrapping_mul(scale.into()));
                self.narrow |= width == CounterWidth::Bits32;
            }
            Err(why) => self.unusable = Some(why),
        }
    }

    fn join(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.narrow |= other.narrow;
        self.parts += other.parts;
        self.signature = self.signature.wrapping_add(other.signature);
        self.unusable = self.unusable.or(other.unusable);
    }

    fn reading(&self) -> Reading {
        match self.unusable {
            Some(why) => Err(why),
            None if self.narrow => Ok((self.sum & u64::from(u32::MAX), CounterWidth::Bits32)),
            None => Ok((self.sum, CounterWidth::Bits64)),
        }
    }
}

/// Reads a profile's objects of one device.
#[derive(Clone, Debug)]
pub struct Reader {
    profile: Arc<Profile>,
    why: String,
    has: Vec<bool>,
    lanes: Vec<Lane>,
    lane_of: Vec<usize>,
    /// The objects that are read with the rows of IF-MIB.
    in_row: Vec<usize>,
    walks: Vec<Walked>,
    /// What this poll's walks summed, by ifIndex.
    walked: HashMap<u32, Box<[Tally]>>,
    /// All of them came to their end in this poll.
    whole: bool,
    /// The instances of each counter's sum in the poll before, by ifIndex and place in `counters`.
    before: HashMap<u32, Box<[u64]>>,
    counters: Vec<Counter>,
    /// Room for one row.
    tallies: Vec<Tally>,
}

impl Reader {
    /// For a device that has these of the profile's objects; `why` it is the device's profile.
    pub fn new(profile: Arc<Profile>, why: String, has: Vec<bool>) -> Self {
        let present = |at: &usize| has.get(*at).copied().unwrap_or(false);
        let all = || (0..profile.objects.len()).filter(present);
        let lane = |object: &Object| Lane { counter: object.counter, rank: object.rank };
        let mut lanes: Vec<Lane> = all().map(|at| lane(&profile.objects[at])).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let lane_of = profile.objects.iter().map(|object| lanes.binary_search(&lane(object)).unwrap_or(0)).collect();
        let mut counters: Vec<Counter> = lanes.iter().map(|lane| lane.counter).collect();
        counters.dedup();
        let in_row = all().filter(|at| profile.objects[*at].index.is_if_index()).collect();
        let mut walks: Vec<Walked> = Vec::new();
        for at in all().filter(|at| !profile.objects[*at].index.is_if_index()) {
            let oid = &profile.objects[at].oid;
            // Columns of one table have the same rows.
            let beside = walks
                .iter_mut()
                .find(|walk| walk.plan.columns.first().is_some_and(|column| column.parent() == oid.parent()));
            let (mut columns, mut objects) = match &beside {
                Some(walk) => (walk.plan.columns.clone(), walk.objects.clone()),
                None => Default::default(),
            };
            // Several objects may be different rows of one column.
            if !columns.contains(oid) {
                columns.push(oid.clone());
            }
            objects.push(at);
            let walk = Walked { plan: Arc::new(TablePlan { scalars: Vec::new(), columns }), objects };
            match beside {
                Some(known) => *known = walk,
                None => walks.push(walk),
            }
        }
        let tallies = vec![Tally::default(); lanes.len()];
        Self {
            why,
            has,
            lane_of,
            in_row,
            walks,
            walked: HashMap::new(),
            whole: true,
            before: HashMap::new(),
            counters,
            tallies,
            lanes,
            profile,
        }
    }

    /// The profile.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Why it is this device's.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Each object of the profile, and whether the device has it.
    pub fn objects(&self) -> impl Iterator<Item = (&Object, bool)> {
        self.profile.objects.iter().zip(self.has.iter().copied().chain(std::iter::repeat(false)))
    }

    /// It would read the same.
    pub fn is_for(&self, profile: &Arc<Profile>, has: &[bool]) -> bool {
        self.profile == *profile && self.has == has
    }

    /// The other one reads the same.
    pub fn is_like(&self, other: &Self) -> bool {
        self.is_for(&other.profile, &other.has)
    }

    /// The columns to read with each row of IF-MIB, behind the standard ones.
    pub fn row_columns(&self) -> impl Iterator<Item = Oid> + '_ {
        self.in_row.iter().map(|at| self.profile.objects[*at].oid.clone())
    }

    /// The tables to walk before the rows of a poll are read; [`Reader::begin`] comes before them.
    pub fn walks(&self) -> impl Iterator<Item = (usize, &Arc<TablePlan>)> {
        self.walks.iter().map(|walk| &walk.plan).enumerate()
    }

    /// A poll begins, of a device with so many interfaces.
    pub fn begin(&mut self, interfaces: usize) {
        self.walked.clear();
        self.whole = true;
        // Devices that give every subscriber a new ifIndex must not fill the memory with those of old ones.
        if self.before.len() > 2 * interfaces + 1_000 {
            self.before.clear();
        }
    }

    /// A row of one of the walks; `value` gives what a column of its plan holds.
    pub fn walked<'v>(&mut self, walk: usize, index: IndexRef<'_>, value: impl Fn(usize) -> Option<Value<'v>>) {
        let Self { profile, walks, walked, lanes, lane_of, .. } = self;
        let Some(walk) = walks.get(walk) else { return };
        for &at in &walk.objects {
            let object = &profile.objects[at];
            let Some(if_index) = object.index.if_index(index.arcs()) else { continue };
            let column = walk.plan.columns.iter().position(|column| *column == object.oid);
            let Some(value) = column.and_then(&value) else { continue };
            let tallies = walked.entry(if_index).or_insert_with(|| vec![Tally::default(); lanes.len()].into());
            tallies[lane_of[at]].add(
                instance(at, index.as_bytes()),
                value::counter(&value, object.width),
                object.scale,
            );
        }
    }

    /// A walk broke off: what it sums is not known in this poll.
    pub fn broke_off(&mut self) {
        self.whole = false;
    }

    /// Add to a row's counters what the profile tells of the interface; `cells` are those of
    /// [`Reader::row_columns`].
    pub fn read(&mut self, if_index: u32, cells: &[Cell<'_>], counters: &mut Counters) {
        self.each(if_index, cells, |counter, reading| {
            // A standard object that the device has is its own word.
            if let (Ok((value, width)), None) = (reading, counters.get(counter)) {
                counters.set(counter, value, width);
            }
        });
    }

    /// As [`Reader::read`], and for each counter its value or the reason why there is none.
    pub fn explain(&mut self, if_index: u32, cells: &[Cell<'_>], counters: &mut Counters) -> Vec<Explained> {
        let mut told = Vec::new();
        self.each(if_index, cells, |counter, reading| {
            // That an interface has no queues is nothing to tell.
            if reading == Err(Unusable::Missing) || counters.get(counter).is_some() {
                return;
            }
            if let Ok((value, width)) = reading {
                counters.set(counter, value, width);
            }
            told.push((counter.as_str(), reading.map(|(value, _)| value)));
        });
        told
    }

    fn each(&mut self, if_index: u32, cells: &[Cell<'_>], mut told: impl FnMut(Counter, Reading)) {
        let Self { profile, lanes, lane_of, in_row, walked, whole, before, counters, tallies, .. } = self;
        if lanes.is_empty() {
            return;
        }
        tallies.fill(Tally::default());
        for (&at, cell) in in_row.iter().zip(cells) {
            let object = &profile.objects[at];
            match cell {
                Some(cell) if !cell.is_exception() => {
                    tallies[lane_of[at]].add(instance(at, &[]), value::counter(cell, object.width), object.scale);
                }
                _ => {}
            }
        }
        if let Some(walked) = walked.get(&if_index) {
            tallies.iter_mut().zip(walked).for_each(|(tally, walked)| tally.join(walked));
        }
        let known = before.entry(if_index).or_insert_with(|| vec![0; counters.len()].into());
        for (counter, known) in counters.iter().zip(known) {
            let lanes = || lanes.iter().zip(&*tallies).filter(|(lane, _)| lane.counter == *counter);
            if !*whole && lanes().next().is_some() {
                told(*counter, Err(Unusable::Truncated));
                continue;
            }
            // Lanes are in the order of their rank.
            let Some((lane, tally)) = lanes().find(|(_, tally)| tally.parts > 0) else {
                told(*counter, Err(Unusable::Missing));
                continue;
            };
            let signature = instance(lane.rank as usize, &tally.signature.to_be_bytes()).max(1);
            let same = std::mem::replace(known, signature);
            told(*counter, if same == 0 || same == signature { tally.reading() } else { Err(Unusable::Changed) });
        }
    }
}

/// A number for an instance of an object (FNV-1a): two sets of instances have different sums of them but by a
/// chance of 2^-64.
fn instance(object: usize, index: &[u8]) -> u64 {
    let octets = (object as u64).to_be_bytes();
    let mix = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = octets.iter().chain(index).fold(0xcbf2_9ce4_8422_2325, mix);
    // Neighbours differ in few bits, and sums of such numbers meet: spread them.
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
