//! How often one receiver is spoken to: groups, repeats and a rate.
//!
//! | | |
//! |---|---|
//! | `group_by` | what has the same values of these labels is told together: the first at once, what follows after `group_interval` |
//! | `repeat_interval` | what still fires, and is not silenced or explained meanwhile, is told again |
//! | `rate_limit` | at most so many notifications in a span; what is more waits, and the next one says how many waited |
//!
//! Nothing is lost by any of it: what waits is in the outbox. When somebody was spoken to last is remembered with every
//! acknowledgement, so that a restart neither hastens nor delays anything.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fabric::{Labels, Timestamp};

/// Groups that are remembered at most; of one that is forgotten the next notification leaves at once.
const MOST_GROUPS: usize = 10_000;

/// Of one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Labels by which notifications are joined; empty joins none.
    pub group_by: Vec<String>,
    /// How long a group that was told waits before it is told again.
    pub group_interval: Duration,
    /// How often what fires is told again; none for never.
    pub repeat_interval: Option<Duration>,
    /// At most so many notifications in so long.
    pub rate_limit: Option<(u32, Duration)>,
}

impl Pace {
    /// The group of an alert with these labels; empty where it is told by itself.
    pub(super) fn group_of(&self, labels: &Labels) -> String {
        let value = |name: &String| format!("{name}={:?}", labels.get(name).map_or("", String::as_str));
        self.group_by.iter().map(value).collect::<Vec<_>>().join(",")
    }
}

/// When a receiver was spoken to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Spoken {
    /// When each group was told last.
    groups: BTreeMap<String, Timestamp>,
    /// The notifications of the last span of the rate.
    sent: VecDeque<Timestamp>,
    /// How many have had to wait for the rate since the last notification.
    pub held: u64,
}

impl Spoken {
    /// A notification was taken: of this group, which is empty where it is of none or of several.
    pub fn note(&mut self, now: Timestamp, pace: &Pace, groups: impl IntoIterator<Item = String>) {
        self.groups.retain(|_, told| now.since(*told) < pace.group_interval);
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            if self.groups.len() < MOST_GROUPS {
                self.groups.insert(group, now);
            }
        }
        self.held = 0;
        if let Some((most, per)) = pace.rate_limit {
            self.sent.push_back(now);
            while self.sent.len() > most as usize || self.sent.front().is_some_and(|sent| now.since(*sent) >= per) {
                self.sent.pop_front();
            }
        }
    }

    /// Until when the rate lets nothing more through; none where it does.
    pub fn blocked_until(&self, now: Timestamp, pace: &Pace) -> Option<Timestamp> {
        let (most, per) = pace.rate_limit?;
        // The oldest of the last so many.
        let oldest = self.sent.iter().rev().nth((most as usize).saturating_sub(1))?;
        Some(*oldest + per).filter(|until| *until > now)
    }

    /// When a group may be told.
    pub fn group_at(&self, pace: &Pace, group: &str) -> Timestamp {
        match self.groups.get(group) {
            Some(told) if !group.is_empty() => *told + pace.group_interval,
            _ => Timestamp::default(),
        }
    }

    /// Anything to be remembered?
    pub fn is_blank(&self) -> bool {
        self.groups.is_empty() && self.sent.is_empty() && self.held == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    #[test]
    fn a_rate_lets_so_many_through_in_any_span() {
        let pace = Pace { rate_limit: Some((2, Duration::from_secs(60))), ..Pace::default() };
        let mut spoken = Spoken::default();
        assert_eq!(spoken.blocked_until(at(0), &pace), None);
        spoken.note(at(0), &pace, []);
        assert_eq!(spoken.blocked_until(at(1), &pace), None);
        spoken.note(at(10), &pace, []);
        assert_eq!(spoken.blocked_until(at(11), &pace), Some(at(60)));
        assert_eq!(spoken.blocked_until(at(60), &pace), None);
        spoken.note(at(60), &pace, []);
        assert_eq!(spoken.blocked_until(at(61), &pace), Some(at(70)));
        let json = serde_json::to_string(&spoken).unwrap();
        assert_eq!(serde_json::from_str::<Spoken>(&json).unwrap(), spoken, "over a restart");
    }

    #[test]
    fn a_group_waits_for_its_interval_and_no_other_does() {
        let pace =
            Pace { group_by: vec!["device".into()], group_interval: Duration::from_secs(300), ..Pace::default() };
        let labels = |device: &str| Labels::from([("device".to_owned(), device.to_owned())]);
        let (one, other) = (pace.group_of(&labels("a")), pace.group_of(&labels("b")));
        assert_ne!(one, other);
        assert_ne!(pace.group_of(&Labels::new()), "");
        assert_eq!(Pace::default().group_of(&labels("a")), "");
        let mut spoken = Spoken::default();
        spoken.note(at(0), &pace, [one.clone()]);
        assert_eq!(spoken.group_at(&pace, &one), at(300));
        assert_eq!(spoken.group_at(&pace, &other), Timestamp::default());
        spoken.note(at(400), &pace, [other]);
        assert_eq!(spoken.group_at(&pace, &one), Timestamp::default(), "forgotten when it has no more meaning");
    }
}
