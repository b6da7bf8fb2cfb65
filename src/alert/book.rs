//! The book of all alerts: a machine that is told verdicts and the time, and answers with transitions.
//! The whole transition diagram stands at the head of this room.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::fabric::{Finding, FindingKey, Timestamp, Unknown, Verdict};

use super::{Alert, AlertState, Change, Fingerprint, Standing, Tell, Transition};

/// So many alerts may be pending or firing at once, and as many resolved ones are remembered. In a storm of
/// more than this nobody reads single alerts any more.
pub const MAX_ACTIVE: usize = 100_000;

/// A resolved alert is shown for so long before the book forgets it.
pub const RESOLVED_KEPT: Duration = Duration::from_secs(15 * 60);

/// What a store gives back after a restart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The alerts as their last transitions left them.
    pub alerts: Vec<Alert>,
    /// The highest sequence number ever used.
    pub sequence: u64,
}

/// All alerts that are pending, firing or lately resolved.
#[derive(Debug)]
pub struct Book {
    alerts: HashMap<FindingKey, Alert>,
    /// When a pending alert fires and when a clearing one resolves, if nothing else is heard.
    deadlines: BTreeSet<(Timestamp, FindingKey)>,
    /// When a resolved alert is forgotten: one entry for each.
    forgets: BTreeSet<(Timestamp, FindingKey)>,
    sequence: u64,
    overflowed: u64,
    limit: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self::with_limit(MAX_ACTIVE)
    }
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty book with another bound than [`MAX_ACTIVE`].
    pub fn with_limit(limit: usize) -> Self {
        Self {
            alerts: HashMap::new(),
            deadlines: BTreeSet::new(),
            forgets: BTreeSet::new(),
            sequence: 0,
            overflowed: 0,
            limit,
        }
    }

    /// Take over what was known before a restart. Of every active alert nothing is known until its detector
    /// speaks again: none fires or resolves by the mere passing of time.
    pub fn restore(&mut self, saved: Saved) {
        self.sequence = self.sequence.max(saved.sequence);
        for mut alert in saved.alerts {
            self.sequence = self.sequence.max(alert.sequence);
            if alert.is_active() && self.active() >= self.limit {
                self.overflowed += 1;
                continue;
            }
            alert.unknown = alert.is_active().then_some(Unknown::FirstSample);
            alert.fingerprint = Fingerprint::of(alert.key());
            if let Some(old) = self.alerts.insert(alert.key().clone(), alert.clone()) {
                self.unschedule(&old);
            }
            self.schedule(&alert);
        }
    }

    /// A detector's word on a key at this moment.
    pub fn observe(&mut self, now: Timestamp, key: &FindingKey, verdict: Verdict) -> Option<Transition> {
        match verdict {
            Verdict::Present(finding) => self.present(now, key, *finding),
            Verdict::Absent => self.absent(now, key),
            Verdict::Unknown(why) => {
                self.unknown(key, why);
                None
            }
        }
    }

    /// Let time act: pending alerts fire, clearing ones resolve, old ones are forgotten.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Transition> {
        let mut transitions = Vec::new();
        while self.deadlines.first().is_some_and(|(due, _)| *due <= now) {
            let Some((due, key)) = self.deadlines.pop_first() else { break };
            let Some(mut alert) = self.alerts.remove(&key) else { continue };
            let change =
                if alert.state == AlertState::Pending { fire(&mut alert, now) } else { resolve(&mut alert, now) };
            transitions.push(self.keep(now, due, change, alert));
        }
        while self.forgets.first().is_some_and(|(due, _)| *due <= now) || self.forgets.len() > self.limit {
            let Some((due, key)) = self.forgets.pop_first() else { break };
            let Some(alert) = self.alerts.remove(&key) else { continue };
            transitions.push(self.step(now, due.min(now), Change::Forgotten, alert));
        }
        transitions
    }

    /// When [`Book::tick`] has something to do, if nothing is observed before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.forgets.len() > self.limit {
            return Some(Timestamp::default());
        }
        [&self.deadlines, &self.forgets].into_iter().filter_map(|queue| Some(queue.first()?.0)).min()
    }

    /// Nobody will speak of these keys any more: the operator took the device off the list, or switched the
    /// detector off. What fires is resolved, with that as its cause.
    pub fn retire(&mut self, now: Timestamp, gone: impl Fn(&FindingKey) -> bool) -> Vec<Transition> {
        let mut keys: Vec<_> = self
            .alerts
            .values()
            .filter(|alert| alert.is_active() && gone(alert.key()))
            .map(Alert::key)
            .cloned()
            .collect();
        keys.sort();
        let mut transitions = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(mut alert) = self.alerts.remove(&key) else { continue };
            self.unschedule(&alert);
            if alert.state == AlertState::Pending {
                transitions.push(self.step(now, now, Change::Withdrawn, alert));
            } else {
                alert.finding.evidence.cause = "It is no longer watched.".into();
                let change = resolve(&mut alert, now);
                transitions.push(self.keep(now, now, change, alert));
            }
        }
        transitions
    }

    /// All alerts, in no particular order.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// The alert of a key, if there is one.
    pub fn get(&self, key: &FindingKey) -> Option<&Alert> {
        self.alerts.get(key)
    }

    /// Note how an alert stands with those who are told.
    pub(super) fn stand(&mut self, key: &FindingKey, standing: Standing) {
        if let Some(alert) = self.alerts.get_mut(key) {
            alert.standing = standing;
        }
    }

    /// Tell of an alert that stands differently.
    pub(super) fn restate(
        &mut self,
        now: Timestamp,
        observed_at: Timestamp,
        change: Change,
        tell: Option<Tell>,
        key: &FindingKey,
    ) -> Option<Transition> {
        let step = self.told(now, observed_at, change, key)?;
        Some(Transition { tell, ..step })
    }

    /// How many are pending or firing.
    pub fn active(&self) -> usize {
        self.alerts.len() - self.forgets.len()
    }

    /// How often a new alert found the book full and was not taken.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn present(&mut self, now: Timestamp, key: &FindingKey, finding: Finding) -> Option<Transition> {
        debug_assert_eq!(*key, finding.key, "a finding speaks of its own key");
        let observed_at = finding.observed_at;
        let Some(alert) = self.alerts.get_mut(key).filter(|alert| alert.is_active()) else {
            return self.begin(now, key, finding);
        };
        // In the steady state, which is nearly always, nothing is scheduled before or after.
        let due = deadline(alert);
        let from = alert.severity();
        alert.finding = finding;
        alert.last_seen = now;
        alert.unknown = None;
        alert.clearing_since = None;
        let change = match alert.state {
            AlertState::Pending if now.since(alert.since) >= alert.finding.pending_for => Some(fire(alert, now)),
            AlertState::Firing if alert.severity() != from => Some(Change::Severity { from }),
            _ => None,
        };
        self.reschedule(key, due);
        change.and_then(|change| self.told(now, observed_at, change, key))
    }

    fn begin(&mut self, now: Timestamp, key: &FindingKey, finding: Finding) -> Option<Transition> {
        if self.active() >= self.limit {
            self.overflowed += 1;
            return None;
        }
        if let Some(old) = self.alerts.remove(key) {
            self.unschedule(&old);
        }
        let observed_at = finding.observed_at;
        let mut alert = Alert {
            fingerprint: Fingerprint::of(key),
            state: AlertState::Pending,
            since: now,
            fired_at: None,
            resolved_at: None,
            last_seen: now,
            clearing_since: None,
            unknown: None,
            sequence: 0,
            standing: Standing::default(),
            finding,
        };
        let change = if alert.finding.pending_for.is_zero() { fire(&mut alert, now) } else { Change::Pending };
        Some(self.keep(now, observed_at, change, alert))
    }

    fn absent(&mut self, now: Timestamp, key: &FindingKey) -> Option<Transition> {
        let alert = self.alerts.get_mut(key)?;
        let due = deadline(alert);
        match alert.state {
            AlertState::Resolved => None,
            AlertState::Pending => {
                let alert = self.alerts.remove(key)?;
                self.unschedule(&alert);
                Some(self.step(now, now, Change::Withdrawn, alert))
            }
            AlertState::Firing => {
                alert.unknown = None;
                let clearing_since = *alert.clearing_since.get_or_insert(now);
                let change = (now.since(clearing_since) >= alert.finding.keep_firing_for).then(|| resolve(alert, now));
                self.reschedule(key, due);
                change.and_then(|change| self.told(now, now, change, key))
            }
        }
    }

    fn unknown(&mut self, key: &FindingKey, why: Unknown) {
        let Some(alert) = self.alerts.get_mut(key).filter(|alert| alert.is_active()) else { return };
        let due = deadline(alert);
        alert.unknown = Some(why);
        self.reschedule(key, due);
    }

    /// Put an alert into the book that was taken out or is new, and tell of its step.
    fn keep(&mut self, now: Timestamp, observed_at: Timestamp, change: Change, alert: Alert) -> Transition {
        let transition = self.step(now, observed_at, change, alert);
        self.schedule(&transition.alert);
        self.alerts.insert(transition.alert.key().clone(), transition.alert.clone());
        transition
    }

    /// Tell of the step of an alert that is in the book.
    fn told(&mut self, now: Timestamp, observed_at: Timestamp, change: Change, key: &FindingKey) -> Option<Transition> {
        self.sequence += 1;
        let alert = self.alerts.get_mut(key)?;
        alert.sequence = self.sequence;
        Some(Transition {
            sequence: self.sequence,
            at: now,
            observed_at,
            change,
            tell: change.tells(alert),
            alert: alert.clone(),
        })
    }

    fn step(&mut self, now: Timestamp, observed_at: Timestamp, change: Change, mut alert: Alert) -> Transition {
        self.sequence += 1;
        alert.sequence = self.sequence;
        Transition { sequence: self.sequence, at: now, observed_at, change, tell: change.tells(&alert), alert }
    }

    fn reschedule(&mut self, key: &FindingKey, due: Option<Timestamp>) {
        let Some(alert) = self.alerts.get(key) else { return };
        if due == deadline(alert) && alert.is_active() {
            return;
        }
        if let Some(due) = due {
            self.deadlines.remove(&(due, key.clone()));
        }
        let alert = alert.clone();
        self.schedule(&alert);
    }

    fn schedule(&mut self, alert: &Alert) {
        if let Some(due) = deadline(alert) {
            self.deadlines.insert((due, alert.key().clone()));
        }
        if let Some(due) = forget_at(alert) {
            self.forgets.insert((due, alert.key().clone()));
        }
    }

    fn unschedule(&mut self, alert: &Alert) {
        if let Some(due) = deadline(alert) {
            self.deadlines.remove(&(due, alert.key().clone()));
        }
        if let Some(due) = forget_at(alert) {
            self.forgets.remove(&(due, alert.key().clone()));
        }
    }
}

fn fire(alert: &mut Alert, now: Timestamp) -> Change {
    alert.state = AlertState::Firing;
    alert.fired_at = Some(now);
    Change::Fired
}

fn resolve(alert: &mut Alert, now: Timestamp) -> Change {
    alert.state = AlertState::Resolved;
    alert.resolved_at = Some(now);
    alert.clearing_since = None;
    alert.unknown = None;
    alert.standing.quiet = None;
    Change::Resolved
}

/// When time alone moves this alert on. A clock that may not act, because nothing is known, has none.
fn deadline(alert: &Alert) -> Option<Timestamp> {
    if alert.unknown.is_some() {
        return None;
    }
    match alert.state {
        AlertState::Pending => Some(alert.since + alert.finding.pending_for),
        AlertState::Firing => Some(alert.clearing_since? + alert.finding.keep_firing_for),
        AlertState::Resolved => None,
    }
}

/// When a resolved alert is dropped.
fn forget_at(alert: &Alert) -> Option<Timestamp> {
    (alert.state == AlertState::Resolved).then(|| alert.resolved_at.unwrap_or_default() + RESOLVED_KEPT)
}

#[cfg(test)]
mod tests;
