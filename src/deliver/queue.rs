//! The order in which one receiver is told, and what goes when too much waits. Holds no notification itself,
//! only where each stands: the rest is in the store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::alert::Fingerprint;
use crate::fabric::Timestamp;

use super::entry::{Entry, Step};

/// So many notifications may wait for one receiver: some 80 bytes each here and a kilobyte on disk.
pub(super) const LIMIT: usize = 100_000;

/// So many leave together at most: some 200 kB.
pub(super) const MOST_TOGETHER: usize = 100;

/// What waits for one receiver, by number.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    in_flight: BTreeSet<u64>,
    /// Those that leave together were decided and written down, by the number of the first.
    sealed: BTreeMap<u64, BTreeSet<u64>>,
    limit: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    fingerprint: Fingerprint,
    step: Step,
    created_at: Timestamp,
    group: Arc<str>,
}

/// What leaves next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These, in this order; never none.
    Now(Vec<u64>),
    /// Nothing before this moment, unless something comes; none where nothing waits or something is out.
    At(Option<Timestamp>),
}

impl Default for Queue {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Queue {
    fn with_limit(limit: usize) -> Self {
        Self { waiting: BTreeMap::new(), in_flight: BTreeSet::new(), sealed: BTreeMap::new(), limit }
    }

    /// Add at the end. Answers with the numbers of those that had to go for it.
    pub fn push(&mut self, entry: &Entry) -> Vec<u64> {
        let evicted = if self.waiting.len() >= self.limit { self.evict() } else { Vec::new() };
        let Entry { number, created_at, step, ref notice, ref group, batch, .. } = *entry;
        let group = group.as_str().into();
        self.waiting.insert(number, Waiting { fingerprint: notice.fingerprint, step, created_at, group });
        if let Some(batch) = batch {
            self.sealed.entry(batch).or_default().insert(number);
        }
        evicted
    }

    /// Those whose turn it is, unless some are out. `ready_at` says when a group may be told; `all` joins everything that
    /// waits, whatever its group.
    pub fn next(&self, now: Timestamp, ready_at: impl Fn(&str) -> Timestamp, all: bool) -> Next {
        if !self.in_flight.is_empty() {
            return Next::At(None);
        }
        if let Some((_, numbers)) = self.sealed.first_key_value() {
            return Next::Now(numbers.iter().copied().collect());
        }
        if all {
            let numbers: Vec<u64> = self.waiting.keys().take(MOST_TOGETHER).copied().collect();
            return if numbers.is_empty() { Next::At(None) } else { Next::Now(numbers) };
        }
        // An alert's steps stay in their order, also where they are of several groups.
        let mut blocked = HashSet::new();
        let mut earliest: Option<Timestamp> = None;
        let mut chosen: Option<&Arc<str>> = None;
        let mut numbers = Vec::new();
        for (number, waiting) in &self.waiting {
            let free = !blocked.contains(&waiting.fingerprint);
            let taken = match chosen {
                Some(group) => free && waiting.group == *group,
                None => {
                    let ready = ready_at(&waiting.group);
                    earliest = if free && ready > now { earliest.into_iter().chain([ready]).min() } else { earliest };
                    free && ready <= now
                }
            };
            if !taken {
                blocked.insert(waiting.fingerprint);
                continue;
            }
            numbers.push(*number);
            if waiting.group.is_empty() || numbers.len() == MOST_TOGETHER {
                break;
            }
            chosen = Some(&waiting.group);
        }
        if numbers.is_empty() { Next::At(earliest) } else { Next::Now(numbers) }
    }

    /// What one that waits is told together with.
    pub fn group(&self, number: u64) -> Option<Arc<str>> {
        self.waiting.get(&number).map(|waiting| waiting.group.clone())
    }

    /// They leave together, from now on and for ever.
    pub fn seal(&mut self, numbers: &[u64]) {
        if let Some(first) = numbers.first() {
            self.sealed.insert(*first, numbers.iter().copied().collect());
        }
    }

    /// They do not leave together after all: each is told by itself.
    pub fn unseal(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.sealed.remove(number);
            if let Some(waiting) = self.waiting.get_mut(number) {
                waiting.group = "".into();
            }
        }
    }

    /// They were given to the courier.
    pub fn sent(&mut self, numbers: &[u64]) {
        self.in_flight.extend(numbers);
    }

    /// The courier has given it back, undone: it keeps its place.
    pub fn returned(&mut self, number: u64) {
        self.in_flight.remove(&number);
    }

    /// It is done with.
    pub fn remove(&mut self, number: u64) {
        self.returned(number);
        self.waiting.remove(&number);
        self.sealed.retain(|_, numbers| {
            numbers.remove(&number);
            !numbers.is_empty()
        });
    }

    /// It is on its way, or was decided to be: it is not to be taken out.
    fn is_leaving(&self, number: u64) -> bool {
        self.in_flight.contains(&number) || self.sealed.values().any(|numbers| numbers.contains(&number))
    }

    /// Take out all that were accepted before this time and are not out.
    pub fn remove_older(&mut self, than: Timestamp) -> Vec<u64> {
        let old: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(number, waiting)| waiting.created_at < than && !self.is_leaving(**number))
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
        let candidates = || self.waiting.iter().filter(|(number, _)| !self.is_leaving(**number));
        for (number, waiting) in candidates() {
            if evicted.len() >= wanted {
                break;
            }
            match waiting.step {
                Step::Fired => {
                    begun.insert(waiting.fingerprint, vec![*number]);
                }
                Step::Severity | Step::Again => {
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
            group: String::new(),
            batch: None,
        }
    }

    /// The next one, where each is told by itself.
    fn next(queue: &Queue) -> Option<u64> {
        match queue.next(Timestamp::default(), |_| Timestamp::default(), false) {
            Next::Now(numbers) => Some(numbers[0]),
            Next::At(_) => None,
        }
    }

    #[test]
    fn one_is_out_at_a_time_and_keeps_its_place() {
        let mut queue = Queue::default();
        assert_eq!(next(&queue), None);
        queue.push(&entry(1, "a", Step::Fired));
        queue.push(&entry(2, "b", Step::Fired));
        queue.sent(&[1]);
        assert_eq!(next(&queue), None);
        queue.returned(1);
        assert_eq!(next(&queue), Some(1));
        queue.sent(&[1]);
        queue.remove(1);
        assert_eq!((next(&queue), queue.len()), (Some(2), 1));
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
        queue.sent(&[1]);
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
        queue.sent(&[1]);
        assert_eq!(queue.remove_older(Timestamp::from_secs(3)), [2]);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn a_group_leaves_together_when_it_is_ready_and_an_alert_keeps_its_order() {
        let grouped =
            |number, device: &str, group: &str| Entry { group: group.into(), ..entry(number, device, Step::Fired) };
        let mut queue = Queue::default();
        for (number, device, group) in [(1, "a", "x"), (2, "b", "y"), (3, "c", "x"), (4, "a", "y"), (5, "d", "y")] {
            queue.push(&grouped(number, device, group));
        }
        let at = |secs| Timestamp::from_secs(secs);
        let ready = |group: &str| if group == "x" { at(100) } else { at(0) };
        assert_eq!(
            queue.next(at(50), ready, false),
            Next::Now(vec![2, 5]),
            "the fourth waits for the first of its alert"
        );
        assert_eq!(queue.next(at(100), ready, false), Next::Now(vec![1, 3]));
        assert_eq!(queue.next(at(50), ready, true), Next::Now(vec![1, 2, 3, 4, 5]));
        queue.seal(&[2, 5]);
        assert_eq!(queue.next(at(100), ready, false), Next::Now(vec![2, 5]), "what was decided holds");
        queue.sent(&[2, 5]);
        assert_eq!(queue.next(at(100), ready, false), Next::At(None));
        queue.remove(2);
        queue.remove(5);
        assert_eq!(queue.next(at(50), ready, false), Next::At(Some(at(100))));
        queue.seal(&[1, 3]);
        queue.unseal(&[1, 3]);
        assert_eq!(queue.next(at(50), ready, false), Next::Now(vec![1]), "apart");
    }
}
