//! A large device answers a poll in many parts, each handed over by itself. Those that belong to one poll are joined, so
//! that they are one row of the store: a row has a cost of its own, and blocks are packed the better the more of a series
//! lies in one.
//!
//! Parts belong together while no interface comes twice and the first is not long ago. A poll is complete when the next
//! one begins, or at the next tick of the writer, which is what a crash may cost.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::writer::Part;
use crate::fabric::DeviceId;

/// From the first part of a poll to its last: half of the shortest interval that a device is usually polled at.
const LONGEST_POLL_US: i64 = 500_000;

/// Polls that may yet get more parts, one per device.
#[derive(Default)]
pub(super) struct Joiner(HashMap<DeviceId, Pending>);

#[derive(Default)]
struct Pending {
    names: HashSet<Arc<str>>,
    parts: Vec<Part>,
}

impl Joiner {
    /// Take a part; gives the poll before it where it belongs to another.
    pub(super) fn take(&mut self, device: DeviceId, part: Part) -> Option<(DeviceId, Vec<Part>)> {
        let pending = self.0.entry(device.clone()).or_default();
        let same_poll = match (pending.parts.first(), pending.parts.last()) {
            (Some(first), Some(last)) => {
                let since_first = part.taken_at.as_micros().saturating_sub(first.taken_at.as_micros());
                part.taken_at >= last.taken_at
                    && since_first <= LONGEST_POLL_US
                    && !part.polls.iter().any(|poll| pending.names.contains(&poll.if_name))
                    // A restart between two parts: the clocks of the rows must move on.
                    && part.uptime.zip(first.uptime).is_none_or(|(now, then)| now.0 >= then.0)
                    && part.uptime.is_some() == first.uptime.is_some()
            }
            _ => true,
        };
        let before = if same_poll { Pending::default() } else { std::mem::take(pending) };
        pending.names.extend(part.polls.iter().map(|poll| poll.if_name.clone()));
        pending.parts.push(part);
        (!before.parts.is_empty()).then_some((device, before.parts))
    }

    /// Everything, whether more would come or not.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (DeviceId, Vec<Part>)> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(device, pending)| (device, pending.parts))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{AdminStatus, Counters, InterfacePoll, OperStatus, Timestamp, Uptime};

    fn part(at_ms: i64, uptime: u32, names: &[&str]) -> Part {
        let poll = |name: &&str| InterfacePoll {
            if_name: (*name).into(),
            oper_status: OperStatus::Up,
            admin_status: AdminStatus::Up,
            discontinuity: None,
            counters: Counters::default(),
        };
        let polls = names.iter().map(poll).collect();
        Part { taken_at: Timestamp::from_micros(at_ms * 1_000), uptime: Some(Uptime(uptime)), polls }
    }

    #[test]
    fn parts_of_one_poll_are_joined_and_others_are_not() {
        let mut joiner = Joiner::default();
        let mut take = |device: &str, part| joiner.take(device.into(), part).map(|(_, parts)| parts.len());
        assert_eq!(take("a", part(0, 100, &["e1", "e2"])), None);
        assert_eq!(take("a", part(7, 101, &["e3"])), None);
        assert_eq!(take("b", part(8, 5, &["e3"])), None, "another device");
        // An interface again: the next poll.
        assert_eq!(take("a", part(100, 110, &["e1"])), Some(2));
        // Too late to be of that one.
        assert_eq!(take("a", part(700, 170, &["e2"])), Some(1));
        // The device began anew.
        assert_eq!(take("a", part(710, 1, &["e3"])), Some(1));
        let mut left: Vec<_> = joiner.drain().map(|(device, parts)| (device.to_string(), parts.len())).collect();
        left.sort();
        assert_eq!(left, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert!(joiner.is_empty());
    }
}
