//! The task that tells one receiver, one notification at a time, until it is acknowledged or refused for good.
//!
//! | it | the notification |
//! |---|---|
//! | acknowledges | is done |
//! | refuses this very body | is thrown away, counted, logged |
//! | refuses us | is tried again like a failure, but after ten minutes of nothing else each notification gets one attempt and is thrown away, counted and logged |
//! | cannot now | is tried again for as long as it takes |
//!
//! Which answer is which: see `post`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam::channel::Sender;
use reqwest::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::entry::{Entry, Notice};
use super::letter::{self, Letter};
use super::patience::Patience;
use super::post::{self, Answer};
use super::{ReceiverSettings, ReceiverStats, Stats, Surroundings, alertmanager};
use crate::http;

/// What a courier is given.
#[derive(Debug)]
pub(super) enum Errand {
    /// To be told together, until they are acknowledged or refused for good, and reported; never none. So many had to
    /// wait for the rate.
    Tell { entries: Vec<Entry>, held: u64 },
    /// What the receiver knows to fire: to be told again, once. What fails is in the next reminder too.
    Remind { firing: Vec<Notice>, made_at: Instant },
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it, or will never take it: it may go.
    Done,
    /// The courier was called off: it is still to be told.
    Returned,
    /// It takes them apart at most, not together.
    Apart,
}

/// A courier's word to the clerk.
#[derive(Debug)]
pub(super) struct Report {
    pub receiver: String,
    pub numbers: Vec<u64>,
    pub outcome: Outcome,
}

pub(super) struct Courier {
    pub settings: watch::Receiver<ReceiverSettings>,
    pub surroundings: Surroundings,
    pub stats: Arc<Stats>,
    pub own: Arc<ReceiverStats>,
    pub reports: Sender<Report>,
    client: Option<Client>,
    patience: Patience,
    /// Members of a cluster that took nothing the last time, by their place.
    silent: BTreeSet<usize>,
}

impl Courier {
    pub fn new(
        settings: watch::Receiver<ReceiverSettings>,
        surroundings: Surroundings,
        stats: Arc<Stats>,
        own: Arc<ReceiverStats>,
        reports: Sender<Report>,
    ) -> Self {
        let (client, patience, silent) = Default::default();
        Self { settings, surroundings, stats, own, reports, client, patience, silent }
    }

    /// Deliver what comes until the clerk closes the channel.
    pub async fn run(mut self, mut errands: mpsc::Receiver<Errand>) {
        while let Some(errand) = errands.recv().await {
            let (entries, held) = match errand {
                Errand::Tell { entries, held } => (entries, held),
                Errand::Remind { firing, made_at } => {
                    self.remind(&firing, made_at).await;
                    continue;
                }
            };
            let numbers = entries.iter().map(|entry| entry.number).collect();
            let outcome = self.deliver(&entries, held).await;
            let report = Report { receiver: self.own.name().to_owned(), numbers, outcome };
            if self.reports.send(report).is_err() {
                return;
            }
        }
    }

    async fn deliver(&mut self, entries: &[Entry], held: u64) -> Outcome {
        let mut first = true;
        loop {
            if self.settings.has_changed().unwrap_or(false) {
                self.begin_anew();
            }
            let settings = self.settings.borrow_and_update().clone();
            if std::mem::take(&mut first) {
                let now = (self.surroundings.clock)();
                entries.iter().for_each(|entry| self.stats.sent.record(now.since(entry.observed_at)));
            }
            let pause = match self.attempt(&settings, entries, held).await {
                Answer::Acknowledged => {
                    let now = (self.surroundings.clock)();
                    entries.iter().for_each(|entry| self.stats.acknowledged.record(now.since(entry.observed_at)));
                    self.own.acknowledged.fetch_add(entries.len() as u64, Relaxed);
                    if self.own.is_failing() {
                        tracing::info!(receiver = self.own.name(), "takes notifications again");
                    }
                    self.all_is_well();
                    return Outcome::Done;
                }
                Answer::RefusesBody(_) if entries.len() > 1 => {
                    self.all_is_well();
                    return Outcome::Apart;
                }
                Answer::RefusesBody(why) => {
                    self.refused(entries, &why);
                    self.all_is_well();
                    return Outcome::Done;
                }
                Answer::RefusesUs(why) => {
                    self.failed(&why);
                    match self.patience.refuses(Instant::now(), &mut rand::rng()) {
                        Some(pause) => pause,
                        None => {
                            self.refused(entries, &why);
                            return Outcome::Done;
                        }
                    }
                }
                Answer::Later { why, retry_after } => {
                    self.failed(&why);
                    self.patience.cannot(retry_after, &mut rand::rng())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.settings.changed() => match changed {
                    Ok(()) => self.begin_anew(),
                    Err(_) => return Outcome::Returned,
                },
            }
        }
    }

    async fn attempt(&mut self, settings: &ReceiverSettings, entries: &[Entry], held: u64) -> Answer {
        let mut notices: Vec<Notice> = entries.iter().map(|entry| entry.notice.clone()).collect();
        if let (true, Some((most, per)), Some(first)) = (held > 0, settings.pace.rate_limit, notices.first_mut()) {
            let words = format!("{held} notifications had to wait for the rate limit of {most} in {per:?}.");
            first.annotations.insert("held".into(), words);
        }
        let (replaces, key) = match entries {
            [one] => (one.replaces.as_ref(), one.idempotency_key.clone()),
            several => (
                None,
                several
                    .first()
                    .map_or_else(String::new, |first| format!("{}-{}", first.idempotency_key, several.len())),
            ),
        };
        let (now, external_url) = ((self.surroundings.clock)(), &self.surroundings.external_url);
        match letter::letters(settings, &notices, replaces, external_url, now) {
            Ok(letters) => self.post(settings, letters, Some(&key)).await,
            Err(error) => Answer::RefusesBody(format!("it cannot be written as JSON: {error}")),
        }
    }

    /// Tell again of what fires; stops at the first failure, and leaves the rest to the next reminder.
    async fn remind(&mut self, firing: &[Notice], made_at: Instant) {
        if self.settings.has_changed().unwrap_or(false) {
            self.begin_anew();
        }
        let settings = self.settings.borrow_and_update().clone();
        // It waited behind a notification that could not be told: what has ended since would seem to fire again.
        if settings.kind.resend_every().is_none_or(|every| made_at.elapsed() > every) {
            return;
        }
        for part in firing.chunks(alertmanager::ALERTS_PER_POST) {
            let (now, external_url) = ((self.surroundings.clock)(), &self.surroundings.external_url);
            let answer = match letter::reminders(&settings, part, external_url, now) {
                Ok(letters) if letters.is_empty() => return,
                Ok(letters) => self.post(&settings, letters, None).await,
                Err(error) => Answer::RefusesBody(format!("it cannot be written as JSON: {error}")),
            };
            match answer.why() {
                None => self.own.set_failure(None),
                Some(why) => {
                    self.failed(why);
                    return;
                }
            }
        }
    }

    /// Post all letters at once. One that is taken is enough; where none is, the answer that lets us hope most holds.
    async fn post(&mut self, settings: &ReceiverSettings, letters: Vec<Letter>, key: Option<&str>) -> Answer {
        let client = match self.client(settings, &letters) {
            Ok(client) => client,
            Err(error) => return Answer::later(http::explain(error, settings.timeout)),
        };
        let mut posts = JoinSet::new();
        for (member, letter) in letters.into_iter().enumerate() {
            let (client, settings, key) = (client.clone(), settings.clone(), key.map(str::to_owned));
            posts.spawn(async move { (member, post::post(&client, &settings, letter, key.as_deref()).await.answer) });
        }
        let several = posts.len() > 1;
        let mut best: Option<Answer> = None;
        while let Some(joined) = posts.join_next().await {
            let Ok((member, answer)) = joined else { continue };
            if several {
                self.note_member(member, &answer);
            }
            if best.as_ref().is_none_or(|best| hope(&answer) > hope(best)) {
                best = Some(answer);
            }
        }
        best.unwrap_or_else(|| Answer::later("the attempt was broken off".into()))
    }

    /// Say once of a cluster's member that it takes nothing, and once that it does again.
    fn note_member(&mut self, member: usize, answer: &Answer) {
        match answer.why() {
            Some(why) if self.silent.insert(member) => {
                tracing::warn!(receiver = self.own.name(), member = member + 1, why, "a member takes no alerts");
            }
            None if self.silent.remove(&member) => {
                tracing::info!(receiver = self.own.name(), member = member + 1, "a member takes alerts again");
            }
            _ => {}
        }
    }

    /// The connection to the receiver, made when it is first needed.
    fn client(&mut self, settings: &ReceiverSettings, letters: &[Letter]) -> reqwest::Result<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let urls: Vec<&str> = letters.iter().map(|letter| letter.url.reveal()).collect();
        let client = post::client(settings, &urls)?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// New settings are a new chance, and may need another client.
    fn begin_anew(&mut self) {
        self.client = None;
        self.silent.clear();
        self.patience = Patience::default();
    }

    fn all_is_well(&mut self) {
        self.own.set_failure(None);
        self.patience = Patience::default();
    }

    fn failed(&self, why: &str) {
        self.own.failed_attempts.fetch_add(1, Relaxed);
        if !self.own.is_failing() {
            tracing::warn!(
                receiver = self.own.name(),
                why,
                "does not take notifications; they wait, and are tried again"
            );
        }
        self.own.set_failure(Some(why.to_owned()));
    }

    fn refused(&self, entries: &[Entry], why: &str) {
        self.own.refused.fetch_add(entries.len() as u64, Relaxed);
        for entry in entries {
            self.refused_one(entry, why);
        }
    }

    fn refused_one(&self, entry: &Entry, why: &str) {
        tracing::error!(
            receiver = self.own.name(),
            alertname = entry.notice.labels.get("alertname"),
            fingerprint = %entry.notice.fingerprint,
            firing = entry.notice.firing,
            why,
            "refused a notification; it is thrown away"
        );
    }
}

/// Which of several answers counts.
fn hope(answer: &Answer) -> u8 {
    match answer {
        Answer::Acknowledged => 3,
        Answer::Later { .. } => 2,
        Answer::RefusesUs(_) => 1,
        Answer::RefusesBody(_) => 0,
    }
}
