//! Profiles: which objects of a vendor's own MIBs count what on which devices.
//!
//! IF-MIB knows "discarded" and nothing of why (RFC 2863). Vendors count drops by queue, by filter, by
//! reason; a profile says where, for devices of a sysObjectID, and what each object means in the words of
//! draft-ietf-opsawg-discardmodel. A device of no profile is read by the standard tables alone, which no
//! profile takes away: these are compiled in ([`super::interfaces`], [`super::ether_like`]).
//!
//! ```text
//!   mibs/*.toml --config--> Profiles --sysObjectID--> Profile --columns it has--> Reader --rows--> Counters
//! ```
//!
//! Deliberately absent: profiles that include others, expressions over objects (a scale and a sum are enough
//! for counters), gauges, and tables whose index leads to the interface only through another table.

mod index;
mod reader;

use std::fmt;
use std::sync::Arc;

pub use index::{IndexError, IndexForm};
pub use reader::Reader;

use crate::fabric::{Counter, CounterWidth};
use crate::snmp::Oid;

/// Objects that one profile may have. Each costs its column in every poll of every device that has it.
pub const OBJECTS_MAX: usize = 64;

/// One object of a profile: where it is read, and what it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `MODULE::descriptor`, for people.
    pub name: String,
    /// The column.
    pub oid: Oid,
    /// How its index leads to the interface.
    pub index: IndexForm,
    /// What it counts.
    pub counter: Counter,
    /// Its width by the MIB, where the value on the wire does not tell.
    pub width: CounterWidth,
    /// Packets (or octets) for each that it counts.
    pub scale: u32,
    /// Of the objects of one counter those with the lowest rank that an interface has are read together; the
    /// others stand in where it has none.
    pub rank: u32,
}

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is built in.
    Shipped,
    /// The operator's file.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("built in"),
            Self::File(path) => f.write_str(path),
        }
    }
}

/// What is read of one kind of device beside the standard tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name: that of its file.
    pub name: String,
    /// What it is for, in words; may be empty.
    pub description: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The device's sysObjectID begins with one of these; any does where there is none.
    pub prefixes: Vec<Oid>,
    /// The device's sysDescr contains one of these; any does where there is none.
    pub descriptions: Vec<String>,
    /// What is read.
    pub objects: Vec<Object>,
}

/// All profiles, the operator's behind the shipped ones that they did not replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles(pub Vec<Arc<Profile>>);

/// A profile, and why it was taken.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The profile.
    pub profile: Arc<Profile>,
    /// For people: what of the device fits it.
    pub why: String,
}

impl Profiles {
    /// The profile for a device: one that knows its description before one that knows only the vendor, then
    /// the one with the longest prefix, then the operator's.
    pub fn choose(&self, sys_object_id: &str, sys_descr: &str) -> Option<Chosen> {
        let id: Vec<u32> = sys_object_id.split('.').map_while(|arc| arc.parse().ok()).collect();
        let fits = self.0.iter().enumerate().filter_map(|(place, profile)| {
            let fit = profile.fit(&id, sys_descr)?;
            Some(((fit.words.map(str::len), fit.prefix.map(|prefix| prefix.arcs().count()), place), fit, profile))
        });
        let (_, fit, profile) = fits.max_by_key(|(rank, ..)| *rank)?;
        let reasons = [
            fit.words.map(|words| format!("sysDescr has \"{words}\"")),
            fit.prefix.map(|prefix| format!("sysObjectID begins with {prefix}")),
        ];
        let why = reasons.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        Some(Chosen { profile: Arc::clone(profile), why })
    }
}

/// What of a device fits a profile.
struct Fit<'p> {
    prefix: Option<&'p Oid>,
    words: Option<&'p str>,
}

impl Profile {
    fn fit<'p>(&'p self, id: &[u32], sys_descr: &str) -> Option<Fit<'p>> {
        let begins = |prefix: &&Oid| id.starts_with(&prefix.arcs().collect::<Vec<_>>());
        let prefix = self.prefixes.iter().filter(begins).max_by_key(|prefix| prefix.arcs().count());
        let words = self.descriptions.iter().map(String::as_str).filter(|words| sys_descr.contains(words));
        let words = words.max_by_key(|words| words.len());
        let fits = (prefix.is_some() || self.prefixes.is_empty())
            && (words.is_some() || self.descriptions.is_empty())
            && (prefix.is_some() || words.is_some());
        fits.then_some(Fit { prefix, words })
    }
}

#[cfg(test)]
mod tests;
