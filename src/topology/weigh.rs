//! Bringing the planned links in line with what is claimed now, where something changed.

use std::collections::BTreeSet;

use crate::fabric::{InterfaceId, LinkId, Timestamp};

use super::Topology;
use super::claims::Pairing;
use super::links::Planned;

impl Topology {
    /// Bring the links in these ports in line with what is claimed.
    pub(super) fn weigh(&mut self, now: Timestamp, dirty: BTreeSet<InterfaceId>) {
        let mut queue: Vec<InterfaceId> = dirty.into_iter().collect();
        // Each port is looked at once, and once more for each link that is given up for another; the bound only
        // keeps a mistake here from hanging the process.
        let mut budget = 8 * (queue.len() + 8);
        while let Some(port) = queue.pop() {
            budget -= 1;
            if budget == 0 {
                break;
            }
            if self.directory.get(&port.device).is_none() {
                continue;
            }
            let known = self.links.at(&port);
            let two = known.and_then(|known| known.watched_far(&port)).cloned();
            let one = known.filter(|_| two.is_none()).map(|known| known.far(&port).clone());
            match self.claims.pairing(&port, one.as_ref()) {
                Pairing::Two(far) => {
                    if two.as_ref() != Some(&far) {
                        let others = [&port, &far].map(|end| self.links.at(end)?.watched_far(end).cloned());
                        queue.extend(others.into_iter().flatten().filter(|other| *other != port && *other != far));
                        self.links.plan(Planned::two(&port, &far, now));
                    }
                    for end in [&port, &far] {
                        self.links.confirm(end, self.claims.announced_at(end));
                        self.stale_groups |= self.edges.remove(end);
                    }
                }
                Pairing::One(far) => {
                    let same = known.is_some_and(|known| known.link.id == LinkId::new(&port, &far.announced));
                    if !same && !self.stands_by_its_words(&port) {
                        queue.extend(two);
                        self.links.plan(Planned::one(&port, &far.announced, far.chassis, now));
                    }
                    self.links.confirm(&port, None);
                }
                Pairing::Shared | Pairing::Stale => self.give_up_at(&port, &mut queue),
                Pairing::Nothing => match two {
                    Some(far) if self.stands_by_its_words(&far) => self.links.confirm(&port, None),
                    Some(far) if self.claims.hears(&far) => self.give_up_at(&port, &mut queue),
                    far => {
                        let tells = |port: &InterfaceId| self.claims.has_table(&port.device);
                        if tells(&port) || far.as_ref().is_some_and(tells) {
                            self.links.miss(&port, now);
                        }
                    }
                },
            }
        }
    }

    fn give_up_at(&mut self, port: &InterfaceId, queue: &mut Vec<InterfaceId>) {
        let Some(planned) = self.links.at(port).filter(|planned| !planned.is_declared()) else { return };
        queue.extend(planned.watched_far(port).cloned());
        let id = planned.link.id.clone();
        self.links.give_up(&id);
    }

    /// The port's table cannot be understood any more, but says of the far end the very same as when it could:
    /// so it is the same far end, if that one does not say otherwise.
    fn stands_by_its_words(&self, port: &InterfaceId) -> bool {
        let Some(planned) = self.links.at(port) else { return false };
        let Some(far) = planned.watched_far(port) else { return false };
        let [of_a, of_b] = &planned.hears;
        let (here, there) = if planned.link.a.interface == *port { (of_a, of_b) } else { (of_b, of_a) };
        let still = |port, said: &Option<InterfaceId>| {
            said.as_ref().is_some_and(|announced| self.claims.still_hears(port, announced))
        };
        still(port, here) && (!self.claims.hears(far) || still(far, there))
    }
}
