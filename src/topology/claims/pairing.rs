//! Which two ports are a pair.
//!
//! Two ports are a pair where both claim each other, or where one claims the other and nothing else fits either
//! of them. The pairing is a function of the tables as they stand, so the order in which they were learnt does
//! not matter:
//!
//! | what a port hears and who hears it | pairing |
//! |---|---|
//! | one port, mutually | [`Pairing::Two`] |
//! | several ports mutually: a hub, an unmanaged bridge | [`Pairing::Shared`]: that is no cable between two |
//! | nothing mutual, one port that fits one-way | [`Pairing::Two`] |
//! | nothing mutual, several one-way | [`Pairing::Shared`]: no guess between them |
//! | a watched device, but no port that fits | [`Pairing::Two`] if each device has one such port for the other, else one-sided |
//! | only what we do not watch | [`Pairing::One`] |

use crate::fabric::{ChassisId, DeviceId, InterfaceId};

use super::{Claim, Claims, Row, UNMATCHED_MAX};

/// What is at the other end of a port, by all tables together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::topology) enum Pairing {
    /// Another port that we watch.
    Two(InterfaceId),
    /// Something that is only heard of.
    One(Far),
    /// Several that fit: no cable between two.
    Shared,
    /// It hears something, but what it hears is surely elsewhere by now.
    Stale,
    /// Nothing is heard.
    Nothing,
}

/// The far end of a one-sided link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::topology) struct Far {
    /// Device and port as announced (the device by its right name where we watch it).
    pub(in crate::topology) announced: InterfaceId,
    /// What tells it from its namesakes; none where it is a device that we watch.
    pub(in crate::topology) chassis: Option<ChassisId>,
    named: bool,
}

impl Claims {
    pub(super) fn rows_at(&self, id: &InterfaceId) -> impl Iterator<Item = &Row> {
        self.ports.get(id).into_iter().flat_map(|port| &port.rows).filter_map(|row| self.rows.get(row))
    }

    fn claimed_at(&self, id: &InterfaceId) -> impl Iterator<Item = &InterfaceId> {
        self.rows_at(id).filter_map(|row| match &row.claim {
            Claim::Port(far) => Some(far),
            _ => None,
        })
    }

    fn is_claimed_by(&self, id: &InterfaceId, by: &InterfaceId) -> bool {
        self.ports.get(id).is_some_and(|port| port.claimed_by.contains_key(by))
    }

    /// Whom a port hears and is heard by: at most two, more make no difference.
    fn mutual(&self, id: &InterfaceId) -> Vec<&InterfaceId> {
        let mut mutual = Vec::new();
        for far in self.claimed_at(id) {
            if !mutual.contains(&far) && self.is_claimed_by(id, far) {
                mutual.push(far);
                if mutual.len() == 2 {
                    break;
                }
            }
        }
        mutual
    }

    /// Whom a port hears or is heard by and who has no better partner: at most two.
    fn one_way(&self, id: &InterfaceId) -> Vec<&InterfaceId> {
        let mut found: Vec<&InterfaceId> = Vec::new();
        let heard_by = self.ports.get(id).into_iter().flat_map(|port| port.claimed_by.keys());
        for far in self.claimed_at(id).chain(heard_by) {
            if !found.contains(&far) && self.mutual(far).is_empty() {
                found.push(far);
                if found.len() == 2 {
                    break;
                }
            }
        }
        found
    }

    /// The devices that a port hears without a port that fits.
    fn unmatched_at(&self, id: &InterfaceId) -> impl Iterator<Item = &DeviceId> {
        self.rows_at(id).filter_map(|row| match &row.claim {
            Claim::Device(device) => Some(device),
            _ => None,
        })
    }

    /// The only port of `device` that hears `far` without a port that fits, and is not spoken for otherwise.
    fn only_unmatched(&self, device: &DeviceId, far: &DeviceId) -> Option<&InterfaceId> {
        let ports = self.unmatched.get(&(device.clone(), far.clone()))?;
        if ports.len() > UNMATCHED_MAX {
            return None;
        }
        let mut free =
            ports.keys().filter(|port| self.claimed_at(port).next().is_none() && self.one_way(port).is_empty());
        let only = free.next()?;
        free.next().is_none().then_some(only)
    }

    /// What is at the other end of this port. `keep` is the far end of the one-sided link known there: it is
    /// preferred as long as it is heard.
    pub(in crate::topology) fn pairing(&self, id: &InterfaceId, keep: Option<&InterfaceId>) -> Pairing {
        let mutual = self.mutual(id);
        match mutual.as_slice() {
            [far] if self.mutual(far).len() == 1 => return Pairing::Two((*far).clone()),
            [] => {}
            _ => return Pairing::Shared,
        }
        let one_way = self.one_way(id);
        match one_way.as_slice() {
            [far] => {
                // A port of a third device that is heard here as well: two stories, no cable.
                if self.unmatched_at(id).any(|device| *device != far.device) {
                    return Pairing::Shared;
                }
                let back = self.one_way(far);
                let third = self.unmatched_at(far).any(|device| *device != id.device);
                return match back.as_slice() {
                    [one] if *one == id && !third => Pairing::Two((*far).clone()),
                    _ => Pairing::Shared,
                };
            }
            [] => {}
            _ => return Pairing::Shared,
        }
        let mut devices: Vec<&DeviceId> = self.unmatched_at(id).collect();
        devices.dedup();
        if let [device] = devices.as_slice()
            && self.only_unmatched(&id.device, device) == Some(id)
            && let Some(far) = self.only_unmatched(device, &id.device)
            && self.unmatched_at(far).all(|device| *device == id.device)
        {
            return Pairing::Two(far.clone());
        }
        let far = |row: &Row| match &row.claim {
            Claim::Device(device) => Some(Far {
                announced: InterfaceId { device: device.clone(), if_name: row.announced.if_name.clone() },
                chassis: None,
                named: true,
            }),
            Claim::Foreign => {
                Some(Far { announced: row.announced.clone(), chassis: Some(row.chassis.clone()), named: row.named })
            }
            Claim::Port(_) | Claim::Own => None,
        };
        let order = |far: &Far| (Some(&far.announced) != keep, !far.named, far.announced.clone());
        let best = self.rows_at(id).filter_map(far).filter(|far| far.announced != *id).min_by_key(order);
        match best {
            Some(far) => Pairing::One(far),
            None if self.rows_at(id).any(|row| row.claim != Claim::Own) => Pairing::Stale,
            None => Pairing::Nothing,
        }
    }
}
