//! The whole transition table in virtual time, and random histories against a model that is too slow and
//! too plain to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fabric::{
    DeviceId, Direction, DropClass, Evidence, FindingKind, InterfaceId, Labels, LinkId, Severity, Subject,
};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn key(name: &str) -> FindingKey {
    FindingKey { kind: FindingKind::DeviceUnreachable, subject: Subject::Device(name.into()), direction: None }
}

fn finding(key: &FindingKey, severity: Severity, pending: u64, keep: u64) -> Finding {
    Finding {
        key: key.clone(),
        severity,
        class: None,
        evidence: Evidence { summary: format!("{} is silent", key.subject), ..Evidence::default() },
        observed_at: at(0),
        pending_for: Duration::from_secs(pending),
        keep_firing_for: Duration::from_secs(keep),
    }
}

/// A book, one key, and the words of a detector at given seconds.
struct Story {
    book: Book,
    key: FindingKey,
    pending: u64,
    keep: u64,
}

impl Story {
    fn new(pending: u64, keep: u64) -> Self {
        Self { book: Book::new(), key: key("leaf1"), pending, keep }
    }

    fn see(&mut self, secs: i64, severity: Severity) -> Option<Change> {
        let verdict = Verdict::Present(Box::new(finding(&self.key, severity, self.pending, self.keep)));
        self.book.observe(at(secs), &self.key, verdict).map(|step| step.change)
    }

    fn warn(&mut self, secs: i64) -> Option<Change> {
        self.see(secs, Severity::Warning)
    }

    fn absent(&mut self, secs: i64) -> Option<Change> {
        self.book.observe(at(secs), &self.key, Verdict::Absent).map(|step| step.change)
    }

    fn unknown(&mut self, secs: i64) {
        assert_eq!(self.book.observe(at(secs), &self.key, Verdict::Unknown(Unknown::Stale)), None);
    }

    fn tick(&mut self, secs: i64) -> Vec<Change> {
        self.book.tick(at(secs)).into_iter().map(|step| step.change).collect()
    }

    fn state(&self) -> Option<AlertState> {
        self.book.get(&self.key).map(|alert| alert.state)
    }
}

const PENDING: Option<AlertState> = Some(AlertState::Pending);
const FIRING: Option<AlertState> = Some(AlertState::Firing);
const RESOLVED: Option<AlertState> = Some(AlertState::Resolved);
const WARNING: Change = Change::Severity { from: Severity::Warning };

#[test]
fn inactive_hears_only_present() {
    let mut story = Story::new(10, 10);
    story.unknown(0);
    assert_eq!((story.absent(1), story.state()), (None, None));
    assert_eq!(story.book.next_deadline(), None);
    assert_eq!((story.warn(2), story.state()), (Some(Change::Pending), PENDING));
}

#[test]
fn zero_pending_fires_at_once_and_zero_keep_resolves_at_once() {
    let mut story = Story::new(0, 0);
    assert_eq!((story.warn(5), story.state()), (Some(Change::Fired), FIRING));
    assert_eq!((story.absent(6), story.state()), (Some(Change::Resolved), RESOLVED));
    let alert = story.book.get(&story.key).unwrap();
    assert_eq!((alert.since, alert.fired_at, alert.resolved_at), (at(5), Some(at(5)), Some(at(6))));
}

#[test]
fn pending_fires_when_its_time_is_up() {
    let mut story = Story::new(10, 0);
    story.warn(0);
    assert_eq!(story.book.next_deadline(), Some(at(10)));
    assert_eq!(story.tick(9), []);
    assert_eq!((story.tick(10), story.state()), (vec![Change::Fired], FIRING));
    assert_eq!(story.book.next_deadline(), None);

    let mut by_word = Story::new(10, 0);
    by_word.warn(0);
    assert_eq!(by_word.warn(9), None);
    assert_eq!(by_word.warn(10), Some(Change::Fired));
    assert_eq!(by_word.tick(10), [], "only once");
}

#[test]
fn pending_is_withdrawn_by_absent_and_starts_over() {
    let mut story = Story::new(10, 60);
    story.warn(0);
    assert_eq!((story.absent(5), story.state()), (Some(Change::Withdrawn), None));
    assert_eq!(story.tick(100), []);
    story.warn(101);
    assert_eq!(story.book.next_deadline(), Some(at(111)));
}

#[test]
fn pending_waits_while_nothing_is_known() {
    let mut story = Story::new(10, 0);
    story.warn(0);
    story.unknown(5);
    assert_eq!((story.tick(50), story.state(), story.book.next_deadline()), (vec![], PENDING, None));
    assert_eq!(story.book.get(&story.key).unwrap().unknown, Some(Unknown::Stale));
    assert_eq!(story.warn(51), Some(Change::Fired), "its clock ran on");

    let mut early = Story::new(10, 0);
    early.warn(0);
    early.unknown(2);
    assert_eq!(early.warn(4), None);
    assert_eq!(early.book.next_deadline(), Some(at(10)), "known again, so that time may act");

    let mut gone = Story::new(10, 0);
    gone.warn(0);
    gone.unknown(2);
    assert_eq!(gone.absent(60), Some(Change::Withdrawn));
}

#[test]
fn firing_tells_of_severity_and_of_nothing_else() {
    let mut story = Story::new(0, 60);
    story.warn(0);
    assert_eq!(story.warn(1), None);
    assert_eq!(story.see(2, Severity::Critical), Some(WARNING));
    assert_eq!(story.see(3, Severity::Critical), None);
    assert_eq!(story.warn(4), Some(Change::Severity { from: Severity::Critical }));
    story.unknown(5);
    assert_eq!((story.tick(10_000), story.state()), (vec![], FIRING), "missing data never resolves");
}

#[test]
fn firing_resolves_after_being_gone_for_long_enough() {
    let mut story = Story::new(0, 60);
    story.warn(0);
    assert_eq!((story.absent(10), story.state()), (None, FIRING));
    assert_eq!(story.absent(30), None, "the time counts from the first");
    assert_eq!(story.book.next_deadline(), Some(at(70)));
    assert_eq!(story.tick(69), []);
    assert_eq!((story.tick(70), story.state()), (vec![Change::Resolved], RESOLVED));

    let mut by_word = Story::new(0, 60);
    by_word.warn(0);
    by_word.absent(10);
    assert_eq!(by_word.absent(70), Some(Change::Resolved));
}

#[test]
fn clearing_is_called_off_by_present() {
    let mut story = Story::new(0, 60);
    story.warn(0);
    story.absent(10);
    assert_eq!(story.warn(40), None);
    assert_eq!((story.tick(100), story.book.next_deadline()), (vec![], None));
    story.absent(110);
    assert_eq!(story.book.next_deadline(), Some(at(170)));
    assert_eq!(story.see(120, Severity::Critical), Some(WARNING), "back, and worse");
}

#[test]
fn clearing_waits_while_nothing_is_known() {
    let mut story = Story::new(0, 60);
    story.warn(0);
    story.absent(10);
    story.unknown(20);
    assert_eq!((story.tick(1_000), story.state()), (vec![], FIRING));
    assert_eq!(story.absent(1_001), Some(Change::Resolved));

    let mut back = Story::new(0, 60);
    back.warn(0);
    back.absent(10);
    back.unknown(20);
    assert_eq!((back.warn(1_000), back.state()), (None, FIRING));
}

#[test]
fn resolved_is_forgotten_or_begins_anew() {
    let kept = RESOLVED_KEPT.as_secs() as i64;
    let mut story = Story::new(0, 0);
    story.warn(0);
    story.absent(1);
    story.unknown(2);
    assert_eq!(story.absent(3), None);
    assert_eq!(story.book.next_deadline(), Some(at(1 + kept)));
    assert_eq!(story.tick(kept), []);
    assert_eq!((story.tick(kept + 1), story.state()), (vec![Change::Forgotten], None));
    assert_eq!(story.book.next_deadline(), None);

    let mut again = Story::new(10, 0);
    again.warn(0);
    again.tick(10);
    again.absent(11);
    let first = again.book.get(&again.key).unwrap().fingerprint;
    assert_eq!((again.warn(20), again.state()), (Some(Change::Pending), PENDING));
    let alert = again.book.get(&again.key).unwrap();
    assert_eq!((alert.since, alert.fired_at, alert.resolved_at), (at(20), None, None));
    assert_eq!(alert.fingerprint, first);
    assert_eq!(again.tick(30), [Change::Fired]);
    assert_eq!(again.tick(11 + kept), [], "the old episode's end is not the new one's");
}

#[test]
fn retire_ends_what_nobody_speaks_of_any_more() {
    let mut book = Book::new();
    for (name, pending) in [("a", 0), ("b", 10), ("c", 0)] {
        let key = key(name);
        let present = Verdict::Present(Box::new(finding(&key, Severity::Info, pending, 60)));
        book.observe(at(0), &key, present);
    }
    let gone = |key: &FindingKey| key.subject != Subject::Device("c".into());
    let steps = book.retire(at(5), gone);
    assert_eq!(steps.iter().map(|step| step.change).collect::<Vec<_>>(), [Change::Resolved, Change::Withdrawn]);
    assert_eq!(steps[0].alert.annotations()["cause"], "It is no longer watched.");
    assert_eq!((book.active(), book.alerts().count()), (1, 2));
    assert_eq!(book.retire(at(6), gone), []);
    assert_eq!(book.tick(at(6)), []);
}

#[test]
fn a_full_book_takes_no_more_and_counts_it() {
    let mut book = Book::with_limit(2);
    let mut see = |secs, name: &str| {
        let key = key(name);
        let present = Verdict::Present(Box::new(finding(&key, Severity::Info, 0, 0)));
        book.observe(at(secs), &key, present).is_some()
    };
    assert!(see(0, "a") && see(0, "b") && !see(0, "c"));
    assert_eq!(book.overflowed(), 1);
    // Resolved ones do not keep new ones out, and are bounded too.
    for (secs, name) in [(1, "a"), (2, "b")] {
        book.observe(at(secs), &key(name), Verdict::Absent);
    }
    for (secs, name) in [(3, "c"), (4, "d")] {
        let key = key(name);
        book.observe(at(secs), &key, Verdict::Present(Box::new(finding(&key, Severity::Info, 0, 0)))).unwrap();
        book.observe(at(secs), &key, Verdict::Absent).unwrap();
    }
    assert!(book.next_deadline().unwrap() <= at(4));
    let forgotten: Vec<_> = book.tick(at(4)).into_iter().map(|step| step.alert.key().clone()).collect();
    assert_eq!(forgotten, [key("a"), key("b")]);
    assert_eq!(book.alerts().count(), 2);
}

#[test]
fn after_a_restart_time_alone_does_nothing() {
    let mut book = Book::new();
    let keys = ["pending", "firing", "clearing", "resolved"].map(key);
    for (key, pending) in keys.iter().zip([10, 0, 0, 0]) {
        let keep = if key.subject == Subject::Device("resolved".into()) { 0 } else { 60 };
        book.observe(at(0), key, Verdict::Present(Box::new(finding(key, Severity::Info, pending, keep))));
    }
    book.observe(at(1), &keys[2], Verdict::Absent);
    book.observe(at(1), &keys[3], Verdict::Absent);
    let json = serde_json::to_string(&book.alerts().collect::<Vec<_>>()).unwrap();

    let mut later = Book::new();
    later.restore(Saved { alerts: serde_json::from_str(&json).unwrap(), sequence: 40 });
    assert_eq!(later.active(), 3);
    let kept = at(1) + RESOLVED_KEPT;
    assert_eq!(later.next_deadline(), Some(kept));
    let steps = later.tick(kept);
    assert_eq!(steps.iter().map(|step| (step.change, step.sequence)).collect::<Vec<_>>(), [(Change::Forgotten, 41)]);

    let absent = |book: &mut Book, key| book.observe(at(5_000), key, Verdict::Absent).map(|step| step.change);
    assert_eq!(absent(&mut later, &keys[0]), Some(Change::Withdrawn));
    assert_eq!(absent(&mut later, &keys[1]), None, "its time begins now");
    assert_eq!(absent(&mut later, &keys[2]), Some(Change::Resolved), "its time began before");
}

#[test]
fn a_transition_tells_when_it_was_caused() {
    let mut book = Book::new();
    let key = key("leaf1");
    let mut first = finding(&key, Severity::Warning, 10, 0);
    first.observed_at = at(99);
    let pending = book.observe(at(100), &key, Verdict::Present(Box::new(first))).unwrap();
    assert_eq!((pending.at, pending.observed_at, pending.sequence), (at(100), at(99), 1));
    let fired = book.tick(at(112)).pop().unwrap();
    assert_eq!((fired.at, fired.observed_at, fired.sequence), (at(112), at(110), 2));
    assert_eq!(fired.alert.fired_at, Some(at(112)));
    assert_eq!(fired.alert, *book.get(&key).unwrap());
}

#[test]
fn labels_say_who_and_where() {
    let (a, b) = (InterfaceId::new("leaf1", "eth1"), InterfaceId::new("spine1", "eth7"));
    let id = LinkId::new(&a, &b);
    let configured: Labels = [("severity", "mine"), ("role", "spine")].map(|(n, v)| (n.into(), v.into())).into();
    let shown = |kind, subject, direction, class| {
        let key = FindingKey { kind, subject, direction };
        let mut finding = finding(&key, Severity::Critical, 0, 0);
        finding.class = class;
        let step = Book::new().observe(at(0), &key, Verdict::Present(Box::new(finding))).unwrap();
        let labels = step.alert.labels(&configured);
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(",")
    };
    assert_eq!(
        shown(FindingKind::LinkDown, Subject::Link { id, a: a.clone(), b }, None, None),
        "alertname=LinkDown,device=leaf1,interface=eth1,link=leaf1:eth1 - spine1:eth7,peer_device=spine1,\
         peer_interface=eth7,role=spine,severity=critical"
    );
    assert_eq!(
        shown(FindingKind::DropsCongestion, Subject::Interface(a), Some(Direction::Out), Some(DropClass::Congestion)),
        "alertname=DropsCongestion,class=congestion,device=leaf1,direction=out,interface=eth1,role=spine,\
         severity=critical"
    );
    let device = Some(DeviceId::from("leaf1"));
    assert_eq!(
        shown(FindingKind::RedundancyDegraded, Subject::Group { name: "leaf1 uplinks".into(), device }, None, None),
        "alertname=RedundancyDegraded,device=leaf1,group=leaf1 uplinks,role=spine,severity=critical"
    );
}

#[test]
fn is_shown_as_scripts_expect() {
    let mut story = Story::new(10, 0);
    story.warn(1_795_498_200);
    story.unknown(1_795_498_201);
    let alert = story.book.get(&story.key).unwrap();
    assert_eq!(
        serde_json::to_value(alert.view(&Labels::new())).unwrap(),
        serde_json::json!({
            "fingerprint": alert.fingerprint.to_string(),
            "labels": {"alertname": "DeviceUnreachable", "severity": "warning", "device": "leaf1"},
            "annotations": {"summary": "leaf1 is silent"},
            "state": "pending",
            "since": "2026-11-24T05:30:00.000Z",
            "fired_at": null,
            "resolved_at": null,
            "unknown": "stale",
            "told": false,
            "quiet": null,
            "explained_by": [],
            "explains": {"count": 0, "alerts": []},
            "silenced_by": [],
            "maintenance": [],
        })
    );
}

// --- random histories against a naive model ---

/// One key by itself: no queue of deadlines, every clock looked at every time.
#[derive(Clone, Debug, Default)]
struct Naive {
    state: Option<AlertState>,
    severity: Option<Severity>,
    pending: i64,
    keep: i64,
    since: i64,
    clearing: Option<i64>,
    resolved: i64,
    certain: bool,
}

impl Naive {
    fn hear(&mut self, now: i64, word: &Word) -> Option<Change> {
        match (*word, self.state) {
            (Word::Present(severity, pending, keep), None | RESOLVED) => {
                let state = if pending == 0 { AlertState::Firing } else { AlertState::Pending };
                *self = Self {
                    state: Some(state),
                    severity: Some(severity),
                    pending,
                    keep,
                    since: now,
                    certain: true,
                    ..Self::default()
                };
                Some(if pending == 0 { Change::Fired } else { Change::Pending })
            }
            (Word::Present(severity, pending, keep), Some(_)) => {
                let from = self.severity.replace(severity)?;
                (self.pending, self.keep, self.clearing, self.certain) = (pending, keep, None, true);
                if self.state == PENDING {
                    (now - self.since >= pending).then(|| {
                        self.state = FIRING;
                        Change::Fired
                    })
                } else {
                    (from != severity).then_some(Change::Severity { from })
                }
            }
            (Word::Absent, PENDING) => {
                *self = Self::default();
                Some(Change::Withdrawn)
            }
            (Word::Absent, FIRING) => {
                self.certain = true;
                let from = *self.clearing.get_or_insert(now);
                (now - from >= self.keep).then(|| {
                    (self.state, self.resolved, self.clearing) = (RESOLVED, now, None);
                    Change::Resolved
                })
            }
            (Word::Unknown, PENDING | FIRING) => {
                self.certain = false;
                None
            }
            _ => None,
        }
    }

    fn due(&self) -> Option<i64> {
        match self.state? {
            AlertState::Pending => self.certain.then_some(self.since + self.pending),
            AlertState::Firing => self.clearing.filter(|_| self.certain).map(|from| from + self.keep),
            AlertState::Resolved => Some(self.resolved + RESOLVED_KEPT.as_secs() as i64),
        }
    }

    fn time(&mut self, now: i64) -> Option<Change> {
        if self.due()? > now {
            return None;
        }
        Some(match self.state? {
            AlertState::Pending => {
                self.state = FIRING;
                Change::Fired
            }
            AlertState::Firing => {
                (self.state, self.resolved, self.clearing) = (RESOLVED, now, None);
                Change::Resolved
            }
            AlertState::Resolved => {
                *self = Self::default();
                Change::Forgotten
            }
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Present(Severity, i64, i64),
    Absent,
    Unknown,
}

fn word() -> impl Strategy<Value = Word> {
    let severity = prop::sample::select(vec![Severity::Info, Severity::Warning, Severity::Critical]);
    let span = || prop::sample::select(vec![0, 1, 10, 60]);
    prop_oneof![
        4 => (severity, span(), span()).prop_map(|(severity, pending, keep)| Word::Present(severity, pending, keep)),
        3 => Just(Word::Absent),
        2 => Just(Word::Unknown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: proptest::test_runner::RngSeed::Fixed(6), ..ProptestConfig::default() })]

    /// Every step: time passes, it acts or not, then one key is spoken of.
    #[test]
    fn agrees_with_the_naive_model(
        steps in prop::collection::vec((0..40i64, any::<bool>(), 0..4usize, prop::option::weighted(0.9, word())), 1..150),
        long in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let keys = ["a", "b", "c", "d"].map(key);
        let mut book = Book::new();
        let mut naive: BTreeMap<FindingKey, Naive> = keys.iter().map(|key| (key.clone(), Naive::default())).collect();
        let long: Vec<usize> = long.iter().map(|index| index.index(steps.len())).collect();
        let (mut now, mut sequence) = (1_000, 0);
        for (step, (pause, tick, which, word)) in steps.iter().enumerate() {
            now += pause + if long.contains(&step) { 1_000 } else { 0 };
            let mut told = Vec::new();
            let mut expected = Vec::new();
            if *tick {
                told.extend(book.tick(at(now)));
                expected.extend(naive.iter_mut().filter_map(|(key, model)| Some((key.clone(), model.time(now)?))));
            }
            if let Some(word) = word {
                let key = &keys[*which];
                let verdict = match *word {
                    Word::Present(severity, pending, keep) => {
                        Verdict::Present(Box::new(finding(key, severity, pending as u64, keep as u64)))
                    }
                    Word::Absent => Verdict::Absent,
                    Word::Unknown => Verdict::Unknown(Unknown::Stale),
                };
                told.extend(book.observe(at(now), key, verdict));
                if let Some(change) = naive.get_mut(key).and_then(|model| model.hear(now, word)) {
                    expected.push((key.clone(), change));
                }
            }
            for transition in &told {
                sequence += 1;
                prop_assert_eq!(transition.sequence, sequence);
                prop_assert_eq!(transition.at, at(now));
                prop_assert!(transition.observed_at <= at(now));
            }
            let mut told: Vec<_> = told.into_iter().map(|step| (step.alert.key().clone(), step.change)).collect();
            // The book acts in the order of deadlines, the model in that of keys; a stable sort keeps each key's order.
            told.sort_by(|one, other| one.0.cmp(&other.0));
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            prop_assert_eq!(told, expected);
            for (key, model) in &naive {
                prop_assert_eq!(book.get(key).map(|alert| alert.state), model.state);
            }
            let due = naive.values().filter_map(Naive::due).min();
            prop_assert_eq!(book.next_deadline(), due.map(at));
            let active = naive.values().filter(|model| matches!(model.state, PENDING | FIRING)).count();
            prop_assert_eq!(book.active(), active);
        }
    }

    /// Writing the book down and reading it back at any moment changes no state, and frees nothing to act.
    #[test]
    fn survives_a_restart_at_any_moment(words in prop::collection::vec((1..30i64, word()), 1..40)) {
        let key = key("a");
        let mut book = Book::new();
        let mut now = 0;
        for (pause, word) in words {
            now += pause;
            let verdict = match word {
                Word::Present(severity, pending, keep) => {
                    Verdict::Present(Box::new(finding(&key, severity, pending as u64, keep as u64)))
                }
                Word::Absent => Verdict::Absent,
                Word::Unknown => Verdict::Unknown(Unknown::Stale),
            };
            let sequence = book.observe(at(now), &key, verdict).map_or(0, |step| step.sequence);
            let json = serde_json::to_vec(&book.alerts().collect::<Vec<_>>()).unwrap();
            let mut restored = Book::new();
            restored.restore(Saved { alerts: serde_json::from_slice(&json).unwrap(), sequence });
            let state = |book: &Book| book.get(&key).map(|alert| (alert.state, alert.since, alert.fired_at));
            prop_assert_eq!(state(&book), state(&restored));
            let active = book.active();
            prop_assert!(restored.tick(at(now + 500)).is_empty() || active == 0);
        }
    }
}
