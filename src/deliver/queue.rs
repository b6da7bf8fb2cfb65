//! The order in which one receiver is told, and what goes when too much waits. Holds no notification itself,
//! only where each stands: the rest is in the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::alert::Fingerprint;
use crate::fabric::Timestamp;

use super::entry::{Entry, Step};

/// So many notifications may wait for one receiver: some 80 bytes each here and a kilobyte on disk.
pub(super) const LIMIT: usize = 100_000;

/// What waits for one receiver, by number.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    in_flight: Option<u64>,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    fingerprint: Fingerprint,
    step: Step,
    created_at: Timestamp,
}

impl Default for Queue {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Queue {
    fn with_limit(limit: usize) -> Self {
        Self { waiting: BTreeMap::new(), in_flight: None, limit }
    }

    /// Add at the end. Answers with the numbers of those that had to go for it.
    pub fn push(&mut self, entry: &Entry) -> Vec<u64> {
        let evicted = if self.waiting.len() >= self.limit { self.evict() } else { Vec::new() };
        let Entry { number, created_at, step, ref notice, .. } = *entry;
        self.waiting.insert(number, Waiting { fingerprint: notice.fingerprint, step, created_at });
        evicted
    }

    /// The one whose turn it is, unless one is out.
    pub fn next(&self) -> Option<u64> {
        match self.in_flight {
            Some(_) => None,
            None => self.waiting.keys().next().copied(),
        }
    }

    /// It was given to the courier.
    pub fn sent(&mut self, number: u64) {
        self.in_flight = Some(number);
    }

    /// The courier has given it back, undone: it keeps its place.
    pub fn returned(&mut self, number: u64) {
        if self.in_flight == Some(number) {
            self.in_flight = None;
        }
    }

    /// It is done with.
    pub fn remove(&mut self, number: u64) {
        self.returned(number);
        self.waiting.remove(&number);
    }

    /// Take out all that were accepted before this time and are not out.
    pub fn remove_older(&mut self, than: Timestamp) -> Vec<u64> {
        let old: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(number, waiting)| waiting.created_at < than && self.in_flight != Some(**number))
            .map(|(number, _)| *number)
            .collect();
        for number in &old {
            self.waiting.remove(number);
        }
        old
    }

    /// Alerts of which the receiver has not yet taken all that is to be told.
    pub fn alerts(&self) -> HashSet<Fingerprint> {
        self.waiting.values().map(|waiting| waiting.fingerprint).collect()
    }

    /// How many wait, the one that is out included.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Make room for a hundredth of the limit at once, so that the walk is paid rarely. First go whole episodes, of
    /// which the receiver has heard nothing and that are over: no truth is lost with them. Then the oldest
    /// resolutions, then the oldest of all.
    fn evict(&mut self) -> Vec<u64> {
        let wanted = (self.limit / 100).max(1);
        let mut evicted = Vec::new();
        let mut begun: HashMap<Fingerprint, Vec<u64>> = HashMap::new();
        let candidates = || self.waiting.iter().filter(|(number, _)| self.in_flight != Some(**number));
        for (number, waiting) in candidates() {
            if evicted.len() >= wanted {
                break;
            }
            match waiting.step {
                Step::Fired => {
                    begun.insert(waiting.fingerprint, vec![*number]);
                }
                Step::Severity => {
                    if let Some(episode) = begun.get_mut(&waiting.fingerprint) {
                        episode.push(*number);
                    }
                }
                Step::Resolved => {
                    if let Some(episode) = begun.remove(&waiting.fingerprint) {
                        evicted.extend(episode);
                        evicted.push(*number);
                    }
                }
            }
        }
        if evicted.is_empty() {
            let resolved = candidates().filter(|(_, waiting)| waiting.step == Step::Resolved);
            evicted.extend(resolved.map(|(number, _)| *number).take(wanted));
        }
        if evicted.is_empty() {
            evicted.extend(candidates().map(|(number, _)| *number).take(wanted));
        }
        for number in &evicted {
            self.waiting.remove(number);
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::entry::Notice;
    use crate::fabric::{FindingKey, FindingKind, Subject};

    fn entry(number: u64, device: &str, step: Step) -> Entry {
        let subject = Subject::Device(device.into());
        let key = FindingKey { kind: FindingKind::DeviceUnreachable, subject, direction: None };
        Entry {
            number,
            idempotency_key: String::new(),
            created_at: Timestamp::from_secs(number as i64),
            observed_at: Timestamp::default(),
            step,
            notice: Notice {
                fingerprint: Fingerprint::of(&key),
                firing: step != Step::Resolved,
                labels: Default::default(),
                annotations: Default::default(),
                starts_at: Timestamp::default(),
                ends_at: None,
            },
            replaces: None,
        }
    }

    #[test]
    fn one_is_out_at_a_time_and_keeps_its_place() {
        let mut queue = Queue::default();
        assert_eq!(queue.next(), None);
        queue.push(&entry(1, "a", Step::Fired));
        queue.push(&entry(2, "b", Step::Fired));
        queue.sent(1);
        assert_eq!(queue.next(), None);
        queue.returned(1);
        assert_eq!(queue.next(), Some(1));
        queue.sent(1);
        queue.remove(1);
        assert_eq!((queue.next(), queue.len()), (Some(2), 1));
    }

    #[test]
    fn whole_episodes_go_first() {
        let mut queue = Queue::with_limit(5);
        queue.push(&entry(1, "a", Step::Resolved));
        queue.push(&entry(2, "b", Step::Fired));
        queue.push(&entry(3, "c", Step::Fired));
        queue.push(&entry(4, "c", Step::Severity));
        queue.push(&entry(5, "c", Step::Resolved));
        assert_eq!(queue.push(&entry(6, "d", Step::Fired)), [3, 4, 5]);
    }

    #[test]
    fn an_episode_whose_beginning_is_out_is_not_whole() {
        let mut queue = Queue::with_limit(2);
        queue.push(&entry(1, "a", Step::Fired));
        queue.sent(1);
        queue.push(&entry(2, "b", Step::Fired));
        assert_eq!(queue.push(&entry(3, "a", Step::Resolved)), [2], "the one that is out stays");
    }

    #[test]
    fn then_resolutions_then_the_oldest() {
        let mut queue = Queue::with_limit(3);
        for (number, step) in [(1, Step::Fired), (2, Step::Resolved), (3, Step::Severity)] {
            queue.push(&entry(number, &format!("device{number}"), step));
        }
        assert_eq!(queue.push(&entry(4, "d", Step::Fired)), [2]);
        assert_eq!(queue.push(&entry(5, "e", Step::Fired)), [1]);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn old_ones_can_be_cleared() {
        let mut queue = Queue::default();
        for number in 1..=4 {
            queue.push(&entry(number, "a", Step::Fired));
        }
        queue.sent(1);
        assert_eq!(queue.remove_older(Timestamp::from_secs(3)), [2]);
        assert_eq!(queue.len(), 3);
    }
}
