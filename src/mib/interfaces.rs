//! IF-MIB (RFC 2863): what interfaces a device has, their names, states, speeds, and which of their
//! counters can be believed.
//!
//! Deliberately absent: ifInNUcastPkts and ifOutNUcastPkts (deprecated; devices with nothing better show
//! no multicast or broadcast count), ifOutQLen, ifLastChange (many agents leave it at 0; we see changes).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::value::{self, Unusable};
use super::{Column, Scalar};
use crate::fabric::{AdminStatus, Counter, CounterWidth, Counters, InterfaceInfo, OperStatus};
use crate::snmp::Value;

/// How many interfaces the device has.
pub const IF_NUMBER: Scalar = Scalar { name: "ifNumber", oid: &[1, 3, 6, 1, 2, 1, 2, 1, 0] };
/// sysUpTime at the last creation or deletion of a row. Many agents leave it at 0.
pub const IF_TABLE_LAST_CHANGE: Scalar = Scalar { name: "ifTableLastChange", oid: &[1, 3, 6, 1, 2, 1, 31, 1, 5, 0] };

macro_rules! columns {
    ($($(#[$doc:meta])* $id:ident = $name:literal [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub const $id: Column = Column { name: $name, oid: &[1, 3, 6, 1, 2, 1, $($arc),*] };)*
    };
}

columns! {
    /// Text about the interface; not always unique.
    IF_DESCR = "ifDescr" [2, 2, 1, 2];
    /// IANAifType.
    IF_TYPE = "ifType" [2, 2, 1, 3];
    /// Bit/s, at most 4,294,967,295.
    IF_SPEED = "ifSpeed" [2, 2, 1, 5];
    /// Its MAC address, as a rule.
    IF_PHYS_ADDRESS = "ifPhysAddress" [2, 2, 1, 6];
    /// What it should do.
    IF_ADMIN_STATUS = "ifAdminStatus" [2, 2, 1, 7];
    /// What it does.
    IF_OPER_STATUS = "ifOperStatus" [2, 2, 1, 8];
    /// Its name for the operator; not always unique, not always there.
    IF_NAME = "ifName" [31, 1, 1, 1, 1];
    /// Mbit/s.
    IF_HIGH_SPEED = "ifHighSpeed" [31, 1, 1, 1, 15];
    /// What people wrote on it.
    IF_ALIAS = "ifAlias" [31, 1, 1, 1, 18];
    /// sysUpTime when its counters last lost their continuity. Many agents leave it at 0 always.
    IF_COUNTER_DISCONTINUITY_TIME = "ifCounterDiscontinuityTime" [31, 1, 1, 1, 19];
}

/// A counter of the MIB, and which of ours it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterObject {
    /// What it counts.
    pub counter: Counter,
    /// Its width by the MIB.
    pub width: CounterWidth,
    /// Where it is read.
    pub column: Column,
}

/// A counter that a device may keep in 64 bits, in 32, or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterPair {
    /// What it counts.
    pub counter: Counter,
    /// The 64-bit object.
    pub wide: Column,
    /// The 32-bit object.
    pub narrow: Column,
}

const fn if_x(name: &'static str, oid: &'static [u32]) -> Column {
    Column { name, oid }
}

/// Traffic, both ways.
pub const PAIRS: [CounterPair; 8] = [
    CounterPair {
        counter: Counter::InOctets,
        wide: if_x("ifHCInOctets", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6]),
        narrow: if_x("ifInOctets", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 10]),
    },
    CounterPair {
        counter: Counter::OutOctets,
        wide: if_x("ifHCOutOctets", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10]),
        narrow: if_x("ifOutOctets", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 16]),
    },
    CounterPair {
        counter: Counter::InUcastPkts,
        wide: if_x("ifHCInUcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 7]),
        narrow: if_x("ifInUcastPkts", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 11]),
    },
    CounterPair {
        counter: Counter::OutUcastPkts,
        wide: if_x("ifHCOutUcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 11]),
        narrow: if_x("ifOutUcastPkts", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 17]),
    },
    CounterPair {
        counter: Counter::InMulticastPkts,
        wide: if_x("ifHCInMulticastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 8]),
        narrow: if_x("ifInMulticastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 2]),
    },
    CounterPair {
        counter: Counter::OutMulticastPkts,
        wide: if_x("ifHCOutMulticastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 12]),
        narrow: if_x("ifOutMulticastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 4]),
    },
    CounterPair {
        counter: Counter::InBroadcastPkts,
        wide: if_x("ifHCInBroadcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 9]),
        narrow: if_x("ifInBroadcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 3]),
    },
    CounterPair {
        counter: Counter::OutBroadcastPkts,
        wide: if_x("ifHCOutBroadcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 13]),
        narrow: if_x("ifOutBroadcastPkts", &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 5]),
    },
];

const fn loss(counter: Counter, name: &'static str, oid: &'static [u32]) -> CounterObject {
    CounterObject { counter, width: CounterWidth::Bits32, column: Column { name, oid } }
}

/// Packets that did not get through. IF-MIB has them in 32 bits only.
pub const LOSSES: [CounterObject; 5] = [
    loss(Counter::InDiscards, "ifInDiscards", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 13]),
    loss(Counter::InErrors, "ifInErrors", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 14]),
    loss(Counter::InUnknownProtos, "ifInUnknownProtos", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 15]),
    loss(Counter::OutDiscards, "ifOutDiscards", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 19]),
    loss(Counter::OutErrors, "ifOutErrors", &[1, 3, 6, 1, 2, 1, 2, 2, 1, 20]),
];

/// All counters of the MIB that are read somewhere.
pub const COUNTERS: [Column; 2 * PAIRS.len() + LOSSES.len()] = {
    let mut columns = [IF_NAME; 2 * PAIRS.len() + LOSSES.len()];
    let mut at = 0;
    while at < PAIRS.len() {
        columns[2 * at] = PAIRS[at].wide;
        columns[2 * at + 1] = PAIRS[at].narrow;
        at += 1;
    }
    let mut at = 0;
    while at < LOSSES.len() {
        columns[2 * PAIRS.len() + at] = LOSSES[at].column;
        at += 1;
    }
    columns
};

/// The columns that an inventory reads to say what an interface is; after them it reads both objects of
/// every pair, to see which of the two can be believed.
pub const INVENTORY: [Column; 7] = [IF_DESCR, IF_TYPE, IF_SPEED, IF_PHYS_ADDRESS, IF_NAME, IF_HIGH_SPEED, IF_ALIAS];

/// One row of ifTable and ifXTable as an inventory reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRow {
    /// ifDescr; empty where missing.
    pub descr: String,
    /// ifName; empty where missing.
    pub name: String,
    /// ifAlias; empty where missing.
    pub alias: String,
    /// ifType; 0 where missing.
    pub if_type: u32,
    /// ifPhysAddress.
    pub phys_address: Vec<u8>,
    /// ifSpeed.
    pub speed: Option<u32>,
    /// ifHighSpeed.
    pub high_speed: Option<u32>,
    /// Its texts as they were sent, where they are not as they are shown.
    pub sent: Option<Box<SentTexts>>,
    /// The 64-bit counters, in the order of [`PAIRS`].
    pub wide: [Reading; PAIRS.len()],
    /// The 32-bit counters, likewise.
    pub narrow: [Reading; PAIRS.len()],
}

/// What an interface's texts are to the letter, where that is not fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentTexts {
    /// ifDescr.
    pub descr: Option<String>,
    /// ifName.
    pub name: Option<String>,
    /// ifAlias.
    pub alias: Option<String>,
}

/// A counter as read: its value and width, or why there is none.
pub type Reading = Result<(u64, CounterWidth), Unusable>;

impl Default for InterfaceRow {
    fn default() -> Self {
        Self {
            descr: String::new(),
            name: String::new(),
            alias: String::new(),
            if_type: 0,
            phys_address: Vec::new(),
            speed: None,
            high_speed: None,
            sent: None,
            wide: [Err(Unusable::Missing); PAIRS.len()],
            narrow: [Err(Unusable::Missing); PAIRS.len()],
        }
    }
}

impl InterfaceRow {
    /// Note a value of one of the [`INVENTORY`] columns.
    pub fn learn(&mut self, column: &Column, value: &Value<'_>) {
        match *column {
            IF_DESCR => self.descr = self.text(value, |sent| &mut sent.descr),
            IF_NAME => self.name = self.text(value, |sent| &mut sent.name),
            IF_ALIAS => self.alias = self.text(value, |sent| &mut sent.alias),
            IF_TYPE => self.if_type = value::unsigned(value).unwrap_or(0),
            IF_PHYS_ADDRESS => self.phys_address = value::octets(value).map(value::phys_address).unwrap_or_default(),
            IF_SPEED => self.speed = value::unsigned(value),
            IF_HIGH_SPEED => self.high_speed = value::unsigned(value),
            _ => {}
        }
    }

    /// ifDescr to the letter.
    pub fn exact_descr(&self) -> &str {
        self.sent.as_ref().and_then(|sent| sent.descr.as_deref()).unwrap_or(&self.descr)
    }

    /// ifName to the letter.
    pub fn exact_name(&self) -> &str {
        self.sent.as_ref().and_then(|sent| sent.name.as_deref()).unwrap_or(&self.name)
    }

    /// ifAlias to the letter.
    pub fn exact_alias(&self) -> &str {
        self.sent.as_ref().and_then(|sent| sent.alias.as_deref()).unwrap_or(&self.alias)
    }

    /// A text as it is shown; as it was sent it is noted only where that is something else.
    fn text(&mut self, value: &Value<'_>, slot: impl Fn(&mut SentTexts) -> &mut Option<String>) -> String {
        let shown = value::text(value);
        let sent = value::exact_text(value);
        if sent != shown {
            *slot(self.sent.get_or_insert_default()) = Some(sent);
        } else if let Some(before) = &mut self.sent {
            *slot(before) = None;
        }
        shown
    }

    /// Note a value of one of the objects of [`PAIRS`].
    pub fn learn_counter(&mut self, pair: usize, width: CounterWidth, value: &Value<'_>) {
        let slots = match width {
            CounterWidth::Bits64 => &mut self.wide,
            CounterWidth::Bits32 => &mut self.narrow,
        };
        if let Some(slot) = slots.get_mut(pair) {
            *slot = value::counter(value, width);
        }
    }
}

/// All rows, by ifIndex.
pub type InterfaceRows = BTreeMap<u32, InterfaceRow>;

/// The interfaces that the rows describe, in the order of ifIndex.
pub fn inventory(rows: &InterfaceRows) -> Vec<Arc<InterfaceInfo>> {
    let names = names(rows);
    rows.iter()
        .zip(names)
        .map(|((&if_index, row), if_name)| {
            Arc::new(InterfaceInfo {
                if_name,
                if_index,
                if_descr: row.descr.clone(),
                if_alias: row.alias.clone(),
                if_type: row.if_type,
                phys_address: row.phys_address.clone(),
                speed_bps: speed_bps(row.high_speed, row.speed),
            })
        })
        .collect()
}

/// A name for every row, each different: ifName, else ifDescr, else `ifIndex-N`. Rows that share a name
/// all get `name#ifIndex`, the first of them too, so that no name depends on which came first.
fn names(rows: &InterfaceRows) -> Vec<Arc<str>> {
    let mut names: Vec<String> = rows
        .iter()
        .map(|(index, row)| match (row.name.as_str(), row.descr.as_str()) {
            ("", "") => format!("ifIndex-{index}"),
            ("", descr) => descr.to_owned(),
            (name, _) => name.to_owned(),
        })
        .collect();
    // A device might name one port `x#5` to begin with; a second pass tells that apart as well, and a device
    // that needs a third is not naming its ports.
    for _ in 0..2 {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        for name in &names {
            *seen.entry(name).or_default() += 1;
        }
        let shared: Vec<bool> = names.iter().map(|name| seen[name.as_str()] > 1).collect();
        if !shared.contains(&true) {
            return names.into_iter().map(Arc::from).collect();
        }
        for ((name, index), _) in names.iter_mut().zip(rows.keys()).zip(&shared).filter(|(_, shared)| **shared) {
            *name = format!("{name}#{index}");
        }
    }
    let mut seen = std::collections::HashSet::new();
    if names.iter().all(|name| seen.insert(name.as_str())) {
        return names.into_iter().map(Arc::from).collect();
    }
    rows.keys().map(|index| format!("ifIndex-{index}").into()).collect()
}

/// Speed in bit/s out of ifHighSpeed (Mbit/s) and ifSpeed (bit/s), or none where they do not tell.
///
/// The standard: ifSpeed is exact up to 4,294,967,294; beyond that it stays at 4,294,967,295 and
/// ifHighSpeed tells. What devices do besides, and how it is told:
///
/// * ifHighSpeed 0 or missing: ifSpeed, unless that is 0 or at its limit.
/// * Both agree within ifHighSpeed's rounding: ifSpeed, it is the exact one.
/// * ifHighSpeed claims more than ifSpeed can hold, yet ifSpeed is not at its limit. One of them is wrong.
///   If ifSpeed is ifHighSpeed's bit/s modulo 2^32 the device forgot the limit: ifHighSpeed. From a million
///   up, a terabit as Mbit/s, ifHighSpeed has another unit: bit/s or kbit/s, whichever is within a factor of
///   two of ifSpeed; if neither is, ifSpeed. Below a million, if ifSpeed has the same digits (as they are, or
///   a thousandfold), either of the two may have the wrong unit: no speed. Else ifHighSpeed.
/// * ifHighSpeed above 100,000,000 (a hundred terabit, beyond any port or bundle) with ifSpeed at its limit:
///   it is kbit/s. A million up to that stands as Mbit/s: bundles of 800-gigabit ports have that.
/// * ifHighSpeed of a million and more with no ifSpeed at all: nothing tells the unit, so no speed.
pub fn speed_bps(high_speed: Option<u32>, speed: Option<u32>) -> Option<u64> {
    const MBIT: u64 = 1_000_000;
    const KBIT: u64 = 1_000;
    const LIMIT: u64 = u32::MAX as u64;
    const TERABIT_IN_MBIT: u64 = 1_000_000;
    const BEYOND_ANY_IN_MBIT: u64 = 100_000_000;

    let high = u64::from(high_speed.unwrap_or(0));
    let low = u64::from(speed.unwrap_or(0));
    match (high, low) {
        (0, 0 | LIMIT) => None,
        (0, low) => Some(low),
        (high, 0) => (high < TERABIT_IN_MBIT).then_some(high * MBIT),
        (high, LIMIT) => Some(high * if high > BEYOND_ANY_IN_MBIT { KBIT } else { MBIT }),
        (high, low) if high * MBIT < LIMIT => {
            Some(if low.abs_diff(high * MBIT) <= MBIT / 2 { low } else { high * MBIT })
        }
        (high, low) if low == (high * MBIT) & LIMIT => Some(high * MBIT),
        (high, low) if high < TERABIT_IN_MBIT => (low != high && low != high * KBIT).then_some(high * MBIT),
        (high, low) => {
            let near = |reading: u64| reading <= low.saturating_mul(2) && low <= reading.saturating_mul(2);
            Some([high, high * KBIT].into_iter().find(|&reading| near(reading)).unwrap_or(low))
        }
    }
}

/// ifHighSpeed and ifSpeed of which [`speed_bps`] makes this speed.
pub fn speeds(speed_bps: Option<u64>) -> (Option<u32>, Option<u32>) {
    match speed_bps {
        None => (None, None),
        Some(speed) if speed < u64::from(u32::MAX) => (None, u32::try_from(speed).ok()),
        Some(speed) => (u32::try_from(speed / 1_000_000).ok(), Some(u32::MAX)),
    }
}

/// ifOperStatus; outside of 1..7, missing or no number is unknown.
pub fn oper_status(value: Option<&Value<'_>>) -> OperStatus {
    value.and_then(value::number).map(OperStatus::from_value).unwrap_or_default()
}

/// ifAdminStatus, likewise.
pub fn admin_status(value: Option<&Value<'_>>) -> AdminStatus {
    value.and_then(value::number).map(AdminStatus::from_value).unwrap_or_default()
}

/// Which of the two objects of a pair to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The 64-bit one.
    #[default]
    Wide,
    /// The 32-bit one.
    Narrow,
    /// The device has neither.
    Neither,
}

/// Decide which object of a pair to believe, from this inventory and the one before it.
///
/// The 64-bit one, unless it is not there, or is 0 while the 32-bit one is not, or stood still since the
/// last inventory while the 32-bit one moved (`stands`). That a 64-bit counter is *below* its 32-bit twin (stacked
/// switches do that) says nothing against it as long as it moves.
pub fn choose(stands: bool, wide: Reading, narrow: Reading) -> Choice {
    match (wide, narrow) {
        (Err(Unusable::Missing), Err(Unusable::Missing)) => Choice::Neither,
        // Of no use now, but there: it is read so that it can be said why.
        (Err(Unusable::Missing), Err(_)) => Choice::Narrow,
        (Err(_), Err(_)) => Choice::Wide,
        (Err(_), Ok(_)) => Choice::Narrow,
        (Ok(_), Err(_)) => Choice::Wide,
        (Ok((0, _)), Ok((narrow, _))) if narrow != 0 => Choice::Narrow,
        (Ok(_), Ok(_)) if stands => Choice::Narrow,
        (Ok(_), Ok(_)) => Choice::Wide,
    }
}

/// Packet counters that cannot be true beside the octets of their direction: more octets than the largest
/// packets hold, most of all octets without any packet.
///
/// net-snmp has ifInUcastPkts and its 64-bit twin at 0 for the first seconds of its life, until its cache is
/// filled a second time, with octets as they should be; believed, that is a burst of all packets ever received.
/// Some devices do not count packets at all, and say 0.
pub fn contradicted(counters: &Counters) -> impl Iterator<Item = Counter> + use<> {
    /// IPv6 and Linux's own segments have up to 64 KiB; more only with jumbograms that nobody routes.
    const PACKET_MAX: u64 = 65_600;
    const IN: [Counter; 4] =
        [Counter::InOctets, Counter::InUcastPkts, Counter::InMulticastPkts, Counter::InBroadcastPkts];
    const OUT: [Counter; 4] =
        [Counter::OutOctets, Counter::OutUcastPkts, Counter::OutMulticastPkts, Counter::OutBroadcastPkts];
    let judge = |[octets, packets @ ..]: [Counter; 4]| {
        let read = packets.iter().filter_map(|&counter| counters.get(counter));
        let sum = read.fold(0u64, u64::saturating_add);
        // 32-bit counters wrap: that they are small says nothing, unless all of them are 0.
        let tells = sum == 0 || packets.iter().all(|&counter| counters.width(counter) == CounterWidth::Bits64);
        let octets = counters.get(octets).unwrap_or(0);
        (tells && octets > sum.saturating_mul(PACKET_MAX)).then_some(packets)
    };
    [judge(IN), judge(OUT)].into_iter().flatten().flatten()
}

#[cfg(test)]
mod tests;
