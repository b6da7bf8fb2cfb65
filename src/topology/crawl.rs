//! A crawl over what devices announce of each other (IEEE 802.1AB): whom to ask next, and who has been found.
//!
//! ```text
//!  seed --offer--> suspect --next--> asked --answered--> device --its neighbours--> suspects ...
//!                     ^                 |
//!                     +---- failed -----+  its next address, if it announced several
//! ```
//!
//! A suspect is somebody of whom we heard; a device is somebody who answered. Each address is asked at most once,
//! and a device that is known by its chassis id is not asked again under another address. Management addresses
//! carry no port: a suspect is asked at the port of the device that told of it.
//!
//! Everything here grows with what neighbours say, so everything is bounded: addresses of a suspect, suspects, devices.

mod prefix;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

pub use prefix::{Prefix, PrefixError};

use crate::fabric::{ChassisId, UnreachableReason};
use crate::mib::lldp::{self, HeardDevice};

/// Addresses of one suspect that are looked at: devices announce one or two, some one for each routed interface.
const ADDRESSES_MAX: usize = 64;
/// Suspects kept for each device that may be found: a switch with a host on every port has about as many.
const SUSPECTS_PER_DEVICE: usize = 64;

/// How far a crawl goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who may be asked, beside what was offered.
    pub allow: Vec<Prefix>,
    /// How many devices are found at most.
    pub max_devices: usize,
}

/// A question that [`Crawl::next_ask`] wants put to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where.
    pub address: SocketAddr,
    /// The credentials most likely to be right, by their place.
    pub likely: Option<usize>,
    suspect: usize,
}

/// Who answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// sysName; may be empty.
    pub sys_name: String,
    /// lldpLocChassisId.
    pub chassis_id: Option<ChassisId>,
    /// The credentials that worked, by their place.
    pub credentials: usize,
    /// Whom it hears.
    pub heard: Vec<HeardDevice>,
}

/// A device that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it first answered.
    pub address: SocketAddr,
    /// Other addresses at which it answered.
    pub also: Vec<SocketAddr>,
    /// sysName; may be empty.
    pub sys_name: String,
    /// lldpLocChassisId.
    pub chassis_id: Option<ChassisId>,
    /// The credentials that worked, by their place.
    pub credentials: usize,
    /// The device that told of it, by its place; none for what was offered.
    pub heard_from: Option<usize>,
    /// How many devices it hears.
    pub hears: usize,
}

/// Why somebody of whom we heard was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It announces no address that it can be managed by.
    NoAddress,
    /// None of its addresses is in the allow-list.
    NotAllowed,
    /// It did not answer.
    Silent(UnreachableReason),
    /// Another device answers at its address: this one, by its place.
    Another(usize),
    /// As many devices as may be were found before.
    TooMany,
}

/// Somebody who was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfound {
    /// sysName, else the chassis id in words, else the address.
    pub name: String,
    /// What it announces.
    pub addresses: Vec<SocketAddr>,
    /// The device that told of it, by its place; none for what was offered.
    pub heard_from: Option<usize>,
    /// Why.
    pub why: Why,
}

/// What came of asking an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not known yet.
    Asking,
    /// This device answered, by its place.
    Device(usize),
    /// Nobody did.
    Silent(UnreachableReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Waiting,
    Asking,
    Found,
    /// All its addresses are used up.
    Exhausted,
}

#[derive(Debug)]
struct Suspect {
    sys_name: String,
    chassis_id: Option<ChassisId>,
    /// Offered by the operator: the allow-list does not bind it.
    offered: bool,
    heard_from: Option<usize>,
    likely: Option<usize>,
    addresses: Vec<SocketAddr>,
    next: usize,
    stand: Stand,
}

/// A crawl under way.
#[derive(Debug)]
pub struct Crawl {
    settings: Settings,
    suspects: Vec<Suspect>,
    waiting: VecDeque<usize>,
    suspect_of: HashMap<ChassisId, usize>,
    outcomes: HashMap<SocketAddr, Outcome>,
    devices: Vec<Device>,
    by_chassis: HashMap<ChassisId, usize>,
    /// The first device of each name.
    by_name: HashMap<String, usize>,
    asking: usize,
    dropped: usize,
}

impl Crawl {
    /// Nothing is known yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            suspects: Vec::new(),
            waiting: VecDeque::new(),
            suspect_of: HashMap::new(),
            outcomes: HashMap::new(),
            devices: Vec::new(),
            by_chassis: HashMap::new(),
            by_name: HashMap::new(),
            asking: 0,
            dropped: 0,
        }
    }

    /// Ask this address too: a seed, or a target that is known from before.
    pub fn offer(&mut self, address: SocketAddr, likely: Option<usize>) {
        self.waiting.push_back(self.suspects.len());
        self.suspects.push(Suspect {
            sys_name: String::new(),
            chassis_id: None,
            offered: true,
            heard_from: None,
            likely,
            addresses: vec![address],
            next: 0,
            stand: Stand::Waiting,
        });
    }

    /// What to ask next; none where nothing waits, or as many are being asked or found as may be.
    pub fn next_ask(&mut self) -> Option<Ask> {
        while self.devices.len() + self.asking < self.settings.max_devices {
            let number = self.waiting.pop_front()?;
            let suspect = &mut self.suspects[number];
            if suspect.stand != Stand::Waiting {
                continue;
            }
            suspect.stand = Stand::Exhausted;
            while let Some(&address) = suspect.addresses.get(suspect.next) {
                suspect.next += 1;
                let allowed = suspect.offered || self.settings.allow.iter().any(|prefix| prefix.contains(address.ip()));
                if allowed && !self.outcomes.contains_key(&address) {
                    suspect.stand = Stand::Asking;
                    self.outcomes.insert(address, Outcome::Asking);
                    self.asking += 1;
                    return Some(Ask { address, likely: suspect.likely, suspect: number });
                }
            }
        }
        None
    }

    /// Somebody answered.
    pub fn answered(&mut self, ask: &Ask, answer: Answer) {
        self.asking = self.asking.saturating_sub(1);
        let suspect = &mut self.suspects[ask.suspect];
        // An agent without lldpLocChassisId is whom we looked for if it stands where that one is said to stand,
        // unless it has another name.
        let is_it = match (&suspect.chassis_id, &answer.chassis_id) {
            (Some(sought), Some(found)) if sought == found => true,
            (Some(_), _) => suspect.sys_name.is_empty() || suspect.sys_name == answer.sys_name,
            (None, _) => true,
        };
        let heard_from = suspect.heard_from;
        if is_it {
            suspect.stand = Stand::Found;
        } else if suspect.stand == Stand::Asking {
            suspect.stand = Stand::Waiting;
            self.waiting.push_back(ask.suspect);
        }
        if let Some(sought) = answer.chassis_id.as_ref().and_then(|chassis| self.suspect_of.get(chassis)) {
            self.suspects[*sought].stand = Stand::Found;
        }
        if let Some(known) = self.same(&answer) {
            self.outcomes.insert(ask.address, Outcome::Device(known));
            self.devices[known].also.push(ask.address);
            return;
        }
        let number = self.devices.len();
        self.outcomes.insert(ask.address, Outcome::Device(number));
        if let Some(chassis) = &answer.chassis_id {
            self.by_chassis.insert(chassis.clone(), number);
        }
        self.by_name.entry(answer.sys_name.clone()).or_insert(number);
        self.devices.push(Device {
            address: ask.address,
            also: Vec::new(),
            sys_name: answer.sys_name,
            chassis_id: answer.chassis_id,
            credentials: answer.credentials,
            heard_from,
            hears: answer.heard.len(),
        });
        for heard in answer.heard {
            self.hear(number, ask.address.port(), answer.credentials, heard);
        }
    }

    /// Nobody answered there.
    pub fn failed(&mut self, ask: &Ask, reason: UnreachableReason) {
        self.asking = self.asking.saturating_sub(1);
        self.outcomes.insert(ask.address, Outcome::Silent(reason));
        let suspect = &mut self.suspects[ask.suspect];
        if suspect.stand == Stand::Asking {
            suspect.stand = Stand::Waiting;
            self.waiting.push_back(ask.suspect);
        }
    }

    /// The device that this answer is from, if it is known under another address. Where both have a chassis id
    /// that decides, for names are not always given; else the name does.
    fn same(&self, answer: &Answer) -> Option<usize> {
        if let Some(known) = answer.chassis_id.as_ref().and_then(|chassis| self.by_chassis.get(chassis)) {
            return Some(*known);
        }
        let known = *self.by_name.get(&answer.sys_name).filter(|_| !answer.sys_name.is_empty())?;
        (answer.chassis_id.is_none() || self.devices[known].chassis_id.is_none()).then_some(known)
    }

    fn hear(&mut self, from: usize, port: u16, likely: usize, heard: HeardDevice) {
        if self.by_chassis.contains_key(&heard.chassis_id) {
            return;
        }
        let addresses = heard.addresses.into_iter().map(|address| SocketAddr::new(address, port));
        if let Some(&number) = self.suspect_of.get(&heard.chassis_id) {
            let suspect = &mut self.suspects[number];
            for address in addresses {
                if suspect.addresses.len() < ADDRESSES_MAX && !suspect.addresses.contains(&address) {
                    suspect.addresses.push(address);
                }
            }
            if suspect.sys_name.is_empty() {
                suspect.sys_name = heard.sys_name;
            }
            if suspect.stand == Stand::Exhausted && suspect.next < suspect.addresses.len() {
                suspect.stand = Stand::Waiting;
                self.waiting.push_back(number);
            }
            return;
        }
        if self.suspects.len() >= self.settings.max_devices.saturating_mul(SUSPECTS_PER_DEVICE) {
            self.dropped += 1;
            return;
        }
        let number = self.suspects.len();
        self.suspect_of.insert(heard.chassis_id.clone(), number);
        self.waiting.push_back(number);
        self.suspects.push(Suspect {
            sys_name: heard.sys_name,
            chassis_id: Some(heard.chassis_id),
            offered: false,
            heard_from: Some(from),
            likely: Some(likely),
            addresses: addresses.take(ADDRESSES_MAX).collect(),
            next: 0,
            stand: Stand::Waiting,
        });
    }

    /// Who was found, in the order of their answers.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Questions that are out, and suspects that wait (some of whom will not be asked).
    pub fn under_way(&self) -> (usize, usize) {
        (self.asking, self.waiting.len())
    }

    /// Neighbours of which no note was taken, because there were too many.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// What came of asking this address; none where it was not asked.
    pub fn outcome(&self, address: &SocketAddr) -> Option<Outcome> {
        self.outcomes.get(address).copied()
    }

    /// Who was not found, and why, in the order in which they were heard of. To be asked at the end.
    pub fn unfound(&self) -> Vec<Unfound> {
        let unfound = self.suspects.iter().filter(|suspect| suspect.stand != Stand::Found);
        unfound
            .filter_map(|suspect| Some((suspect, self.why(suspect)?)))
            .map(|(suspect, why)| suspect.told(why))
            .collect()
    }

    /// Why a suspect was not found; none where it was, under somebody else's question.
    fn why(&self, suspect: &Suspect) -> Option<Why> {
        if suspect.addresses.is_empty() {
            return Some(Why::NoAddress);
        }
        let mut why = if suspect.stand == Stand::Waiting { Why::TooMany } else { Why::NotAllowed };
        for address in &suspect.addresses {
            match self.outcomes.get(address) {
                Some(Outcome::Device(number)) => {
                    let device = &self.devices[*number];
                    let differ = suspect.chassis_id.is_some()
                        && device.chassis_id.is_some()
                        && suspect.chassis_id != device.chassis_id
                        && suspect.sys_name != device.sys_name;
                    if !differ {
                        return None;
                    }
                    why = Why::Another(*number);
                }
                Some(Outcome::Silent(reason)) if why == Why::NotAllowed => why = Why::Silent(*reason),
                _ => {}
            }
        }
        let allowed = |address: &SocketAddr| self.settings.allow.iter().any(|prefix| prefix.contains(address.ip()));
        if why == Why::TooMany && !suspect.offered && !suspect.addresses.iter().any(allowed) {
            why = Why::NotAllowed;
        }
        Some(why)
    }
}

impl Suspect {
    fn told(&self, why: Why) -> Unfound {
        let name = match (&self.chassis_id, self.addresses.first()) {
            _ if !self.sys_name.is_empty() => self.sys_name.clone(),
            (Some(chassis), _) => lldp::chassis_text(chassis),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        };
        Unfound { name, addresses: self.addresses.clone(), heard_from: self.heard_from, why }
    }
}

#[cfg(test)]
mod tests;
