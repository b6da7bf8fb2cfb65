//! Silences: somebody says that alerts with these labels shall wake nobody up for a while, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fabric::{Labels, Timestamp};

use super::Maintenance;
use super::matcher::{Matcher, all_match};

/// So many are kept at most, those that are over included; when one more comes the oldest that is over goes, and where
/// none is over it is refused.
pub const MAX_SILENCES: usize = 1_000;

/// One that is over is shown for so long.
pub const EXPIRED_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// None is longer.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(366 * 86_400);

const MOST_MATCHERS: usize = 32;
const LONGEST_WORDS: usize = 1_000;

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It holds.
    Active,
    /// It will hold.
    Pending,
    /// It is over.
    Expired,
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its name among machines.
    pub id: String,
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        match now {
            now if now >= self.ends_at => SilenceState::Expired,
            now if now >= self.starts_at => SilenceState::Active,
            _ => SilenceState::Pending,
        }
    }

    /// Are alerts with these labels meant?
    pub fn matches(&self, labels: &Labels) -> bool {
        all_match(&self.matchers, labels)
    }

    fn check(&self, now: Timestamp) -> Result<(), String> {
        if self.matchers.is_empty() || self.matchers.iter().all(Matcher::matches_nothing_named) {
            return Err(
                "these conditions hold for every alert; name at least one label with a value that it has".into()
            );
        }
        if self.matchers.len() > MOST_MATCHERS {
            return Err(format!("there are more than {MOST_MATCHERS} conditions"));
        }
        if self.ends_at <= self.starts_at {
            return Err("it ends before it starts".into());
        }
        if self.ends_at <= now {
            return Err("it would be over already".into());
        }
        if self.ends_at.since(self.starts_at) > LONGEST_SILENCE || self.starts_at.since(now) > LONGEST_SILENCE {
            return Err("it lasts longer, or starts later, than a year".into());
        }
        if self.created_by.trim().is_empty() || self.comment.trim().is_empty() {
            return Err("say who makes it and why: both the author and the comment are asked for".into());
        }
        if self.created_by.len() > LONGEST_WORDS || self.comment.len() > LONGEST_WORDS {
            return Err(format!("author and comment may have {LONGEST_WORDS} bytes each"));
        }
        Ok(())
    }
}

/// All silences: those that hold, that will, and that are lately over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Silences(BTreeMap<String, Silence>);

impl Silences {
    /// Take one more.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&mut self, now: Timestamp, silence: Silence) -> Result<(), String> {
        silence.check(now)?;
        self.forget(now);
        if self.0.len() >= MAX_SILENCES {
            let over = self.0.values().filter(|one| one.state(now) == SilenceState::Expired);
            let Some(oldest) = over.min_by_key(|one| one.ends_at).map(|one| one.id.clone()) else {
                return Err(format!("there are {MAX_SILENCES} silences already; end some"));
            };
            self.0.remove(&oldest);
        }
        self.0.insert(silence.id.clone(), silence);
        Ok(())
    }

    /// End one now; one that has not begun never will.
    ///
    /// # Errors
    /// There is none with that id, or it is over.
    pub fn end(&mut self, now: Timestamp, id: &str) -> Result<&Silence, String> {
        let silence = self.0.get_mut(id).ok_or_else(|| format!("there is no silence {id:?}"))?;
        if silence.state(now) == SilenceState::Expired {
            return Err(format!("the silence {id:?} is over already"));
        }
        silence.ends_at = now;
        silence.starts_at = silence.starts_at.min(now);
        Ok(silence)
    }

    /// Drop those that have been over for long. Says whether there were any.
    pub fn forget(&mut self, now: Timestamp) -> bool {
        let before = self.0.len();
        self.0.retain(|_, one| now.since(one.ends_at) < EXPIRED_KEPT);
        self.0.len() != before
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.0.values()
    }

    /// Those that hold now.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.iter().filter(move |one| one.state(now) == SilenceState::Active)
    }
}

/// What keeps alerts from being told by somebody's will, for readers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mutes {
    /// Made while running.
    pub silences: Silences,
    /// By configuration.
    pub maintenance: Vec<Maintenance>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    fn silence(id: &str, from: i64, to: i64) -> Silence {
        Silence {
            id: id.into(),
            matchers: vec!["device=leaf1".parse().unwrap()],
            starts_at: at(from),
            ends_at: at(to),
            created_at: at(0),
            created_by: "ada".into(),
            comment: "new optics".into(),
        }
    }

    #[test]
    fn states_at_their_edges() {
        let one = silence("a", 10, 20);
        for (now, state) in [
            (9, SilenceState::Pending),
            (10, SilenceState::Active),
            (19, SilenceState::Active),
            (20, SilenceState::Expired),
        ] {
            assert_eq!(one.state(at(now)), state, "{now}");
        }
    }

    #[test]
    fn what_is_nonsense_is_refused() {
        let mut silences = Silences::default();
        let mut refused = |change: fn(&mut Silence)| {
            let mut one = silence("x", 10, 20);
            change(&mut one);
            silences.add(at(5), one).unwrap_err()
        };
        assert!(refused(|one| one.matchers.clear()).contains("every alert"));
        assert!(refused(|one| one.matchers = vec!["device!=x".parse().unwrap()]).contains("every alert"));
        assert!(refused(|one| one.ends_at = one.starts_at).contains("ends before"));
        assert!(refused(|one| (one.starts_at, one.ends_at) = (at(0), at(5))).contains("over already"));
        assert!(refused(|one| one.ends_at = one.starts_at + LONGEST_SILENCE * 2).contains("year"));
        assert!(refused(|one| one.comment = " ".into()).contains("who makes it and why"));
        assert!(refused(|one| one.comment = "x".repeat(2_000)).contains("bytes"));
        assert_eq!(silences.iter().count(), 0);
    }

    #[test]
    fn is_ended_once_kept_for_a_while_and_bounded() {
        let mut silences = Silences::default();
        silences.add(at(0), silence("a", 10, 1_000)).unwrap();
        silences.add(at(0), silence("b", 10, 1_000)).unwrap();
        assert_eq!(silences.end(at(5), "a").unwrap().state(at(5)), SilenceState::Expired, "never to begin");
        assert!(silences.end(at(6), "a").unwrap_err().contains("over already"));
        assert!(silences.end(at(6), "c").unwrap_err().contains("no silence"));
        assert_eq!(silences.active(at(15)).map(|one| one.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(!silences.forget(at(100)));
        assert!(silences.forget(at(5) + EXPIRED_KEPT));
        for number in silences.iter().count()..MAX_SILENCES {
            silences.add(at(20), silence(&format!("n{number}"), 10, 2_000)).unwrap();
        }
        assert!(silences.add(at(20), silence("more", 10, 2_000)).unwrap_err().contains("end some"));
        silences.end(at(21), "b").unwrap();
        silences.add(at(22), silence("more", 10, 2_000)).unwrap();
        assert_eq!(silences.iter().count(), MAX_SILENCES);
        assert!(silences.iter().all(|one| one.id != "b"));
    }
}
