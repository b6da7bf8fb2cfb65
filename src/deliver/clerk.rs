//! The thread that writes down what the book tells before anybody else hears of it, and hands the couriers one
//! notification at a time. It alone touches the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, Sender};
use tokio::sync::{mpsc, watch};

use crate::alert::{self, Change, Fingerprint, Route, Transition};
use crate::fabric::{DeviceId, Labels, Subject, Timestamp};

use super::courier::{Courier, Errand, Outcome, Report};
use super::entry::{Entry, Notice, Step};
use super::letter::takes_several;
use super::pace::Spoken;
use super::queue::{Next, Queue};
use super::store::{Batch, StoredAlert};
use super::{ReadError, ReceiverSettings, ReceiverStats, Stats, Store, Surroundings, WriteError};

/// So many waiting commands are taken into one write at most.
const COMMANDS_PER_WRITE: usize = 1_024;

/// How long the outbox of a receiver that is not configured any more is kept.
const ORPHANS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// How often a failing store is looked after, and a stop is looked at.
const RETRY: Duration = Duration::from_secs(1);
const STOP_LOOK: Duration = Duration::from_millis(10);

/// How often it is looked who is to be told again of what fires.
const REPEAT_LOOK: Duration = Duration::from_secs(1);

/// What the clerk is told.
pub(super) enum Command {
    Transitions(Vec<Transition>),
    Document { name: String, json: serde_json::Value },
    Reconfigure { receivers: Vec<ReceiverSettings>, routes: Vec<Route> },
    Settle { written: Sender<()> },
    Stop { grace: Duration },
}

pub(super) struct Clerk {
    store: Store,
    /// In the order of the configuration.
    desks: Vec<Desk>,
    /// Queues of receivers that are not configured now.
    orphans: BTreeMap<String, Queue>,
    routes: Vec<Route>,
    /// Who heard that an alert fires, and how it was put.
    told: HashMap<Fingerprint, Told>,
    /// The highest number in use.
    sequence: u64,
    surroundings: Surroundings,
    stats: Arc<Stats>,
    reports: (Sender<Report>, Receiver<Report>),
    /// Who waits for the next write.
    settling: Vec<Sender<()>>,
    stop_by: Option<Instant>,
    repeat_at: Instant,
}

/// What was told of an alert that fires.
#[derive(Clone, Default)]
struct Told {
    receivers: Vec<String>,
    notice: Option<Notice>,
    /// When they heard of it last.
    spoken_at: Option<Timestamp>,
    /// Nobody is to hear of it now.
    quiet: bool,
}

/// A receiver, as the clerk sees it.
struct Desk {
    settings: ReceiverSettings,
    queue: Queue,
    errands: mpsc::Sender<Errand>,
    changes: watch::Sender<ReceiverSettings>,
    stats: Arc<ReceiverStats>,
    /// When it is to be reminded of what fires, where its kind needs that. At first at once: while we were away it
    /// may have forgotten.
    remind_at: Instant,
    /// When it was spoken to.
    spoken: Spoken,
    /// Nothing leaves before this, unless something comes or goes.
    asleep_until: Option<Timestamp>,
}

impl Clerk {
    pub fn new(
        store: Store,
        receivers: Vec<ReceiverSettings>,
        routes: Vec<Route>,
        surroundings: Surroundings,
        stats: Arc<Stats>,
    ) -> Result<Self, ReadError> {
        let mut orphans: BTreeMap<String, Queue> = BTreeMap::new();
        let mut damaged = Batch::default();
        let mut sequence = store.load()?.sequence;
        store.entries(|receiver, entry| match entry {
            Ok(entry) => {
                sequence = sequence.max(entry.number);
                for number in orphans.entry(receiver.to_owned()).or_default().push(&entry) {
                    damaged.remove_entry(receiver, number);
                }
            }
            Err((number, error)) => {
                stats.count_unreadable();
                tracing::error!(receiver, %error, "a notification in the outbox is damaged and thrown away");
                damaged.remove_entry(receiver, number);
            }
        })?;
        let told = store.stored_alerts()?.into_iter().map(|stored| {
            let StoredAlert { alert, told: receivers, notice, spoken_at } = stored;
            let quiet = alert.standing.quiet.is_some();
            (alert.fingerprint, Told { receivers, notice, spoken_at, quiet })
        });
        let told = told.collect();
        let mut clerk = Self {
            store,
            desks: Vec::new(),
            orphans,
            routes: Vec::new(),
            told,
            sequence,
            surroundings,
            stats,
            reports: channel::unbounded(),
            settling: Vec::new(),
            stop_by: None,
            repeat_at: Instant::now(),
        };
        clerk.reconfigure(receivers, routes, &mut damaged);
        clerk.write(damaged);
        Ok(clerk)
    }

    /// Work until told to stop, or until nobody can tell us anything any more.
    pub fn run(mut self, inbox: &Receiver<Command>) {
        let reports = self.reports.1.clone();
        self.hand_out();
        self.remind();
        while !self.may_stop() {
            let mut commands = Vec::new();
            let mut done = Vec::new();
            let wait = match (self.stop_by, self.store.unsaved()) {
                (Some(_), _) => STOP_LOOK,
                (None, Some(_)) => RETRY,
                (None, None) => Duration::from_secs(3_600),
            };
            let wait = self.next_paced().map_or(wait, |pause| wait.min(pause));
            let wait = self.next_reminder().map_or(wait, |at| wait.min(at.saturating_duration_since(Instant::now())));
            channel::select! {
                recv(inbox) -> command => match command {
                    Ok(command) => commands.push(command),
                    // Dropped without a stop: what is handed over is written below, nothing more is sent.
                    Err(_) => commands.push(Command::Stop { grace: Duration::ZERO }),
                },
                recv(reports) -> report => done.extend(report),
                default(wait) => {}
            }
            let taken_at = Instant::now();
            commands.extend(inbox.try_iter().take(COMMANDS_PER_WRITE));
            done.extend(reports.try_iter());

            let mut batch = Batch::default();
            let has_transitions = commands.iter().any(|command| matches!(command, Command::Transitions(_)));
            for report in done {
                self.report(report, &mut batch);
            }
            for command in commands {
                self.take(command, &mut batch);
            }
            self.repeat(&mut batch);
            self.write(batch);
            for written in std::mem::take(&mut self.settling) {
                let _ = written.send(());
            }
            if has_transitions {
                self.stats.written.record(taken_at.elapsed());
            }
            self.hand_out();
            self.remind();
        }
        self.close();
    }

    fn take(&mut self, command: Command, batch: &mut Batch) {
        match command {
            Command::Transitions(transitions) => {
                self.stats.count_transitions(transitions.len());
                for transition in transitions {
                    self.transition(transition, batch);
                }
            }
            Command::Document { name, json } => {
                batch.put_document(&name, &json);
                batch.needs_sync();
            }
            Command::Reconfigure { receivers, routes } => self.reconfigure(receivers, routes, batch),
            Command::Settle { written } => self.settling.push(written),
            Command::Stop { grace } => self.stop_by = Some(Instant::now() + grace),
        }
    }

    /// Write one step of an alert, and a notification for each who hears of it.
    fn transition(&mut self, transition: Transition, batch: &mut Batch) {
        // The book's numbers grow; if they ever did not, nothing in the outbox may be overwritten.
        self.sequence = transition.sequence.max(self.sequence + 1);
        let number = self.sequence;
        batch.put_sequence(number);
        if let Some(step) = Step::of(&transition) {
            self.notify(&transition, step, number, batch);
            batch.needs_sync();
        }
        let fingerprint = transition.fingerprint();
        if transition.change.is_end() {
            self.told.remove(&fingerprint);
            batch.remove_alert(&transition.alert);
        } else {
            if transition.change == Change::Pending {
                self.told.remove(&fingerprint);
            }
            let quiet = transition.alert.standing.quiet.is_some();
            if let Some(told) = self.told.get_mut(&fingerprint) {
                told.quiet = quiet;
            }
            let Told { receivers: told, notice, spoken_at, .. } =
                self.told.get(&fingerprint).cloned().unwrap_or_default();
            batch.put_alert(&StoredAlert { alert: transition.alert, told, notice, spoken_at });
        }
    }

    fn notify(&mut self, transition: &Transition, step: Step, number: u64, batch: &mut Batch) {
        let configured = device_of(&transition.alert.key().subject)
            .map_or_else(Labels::new, |device| (self.surroundings.device_labels)(device));
        let labels = transition.alert.labels(&configured);
        let names = self.desks.iter().map(|desk| desk.settings.name.as_str());
        let routed = || alert::receivers(&self.routes, &labels, names.clone()).into_iter().map(str::to_owned);
        let told = self.told.entry(transition.fingerprint()).or_default();
        match step {
            Step::Fired => *told = Told { receivers: routed().collect(), ..Told::default() },
            Step::Severity => {
                for name in routed() {
                    if !told.receivers.contains(&name) {
                        told.receivers.push(name);
                    }
                }
            }
            Step::Again | Step::Resolved => {}
        }
        let created_at = (self.surroundings.clock)();
        told.spoken_at = Some(created_at);
        let mut entry = Entry::new(transition, step, number, created_at, labels);
        entry.replaces = told.notice.take().map(|notice| notice.labels).filter(|old| *old != entry.notice.labels);
        let hearers = if step == Step::Resolved {
            std::mem::take(told).receivers
        } else {
            told.notice = Some(entry.notice.clone());
            told.receivers.clone()
        };
        for name in &hearers {
            self.enqueue(name, &entry, batch);
        }
    }

    /// Put a notification into a receiver's outbox.
    fn enqueue(&mut self, name: &str, entry: &Entry, batch: &mut Batch) {
        if let Some(desk) = self.desks.iter_mut().find(|desk| desk.settings.name == name) {
            if entry.step == Step::Resolved && !desk.settings.send_resolved {
                return;
            }
            let pace = &desk.settings.pace;
            let entry = Entry { group: pace.group_of(&entry.notice.labels), ..entry.clone() };
            if desk.spoken.blocked_until(entry.created_at, pace).is_some() {
                desk.spoken.held += 1;
                desk.stats.held.fetch_add(1, Relaxed);
                batch.put_document(&spoken_document(name), &serde_json::json!(desk.spoken));
            }
            batch.put_entry(name, &entry);
            for evicted in desk.queue.push(&entry) {
                batch.remove_entry(name, evicted);
                desk.stats.evicted.fetch_add(1, Relaxed);
            }
            desk.asleep_until = None;
        } else if let Some(queue) = self.orphans.get_mut(name).filter(|queue| !queue.is_empty()) {
            // Should it come back, it must not hear of a beginning without its end.
            batch.put_entry(name, entry);
            for evicted in queue.push(entry) {
                batch.remove_entry(name, evicted);
            }
        }
    }

    /// Tell again of what has been firing for long, where a receiver wants that.
    fn repeat(&mut self, batch: &mut Batch) {
        if self.stop_by.is_some() || Instant::now() < self.repeat_at {
            return;
        }
        self.repeat_at = Instant::now() + REPEAT_LOOK;
        let wants = |desk: &Desk| Some((desk.settings.name.clone(), desk.settings.pace.repeat_interval?));
        let every: Vec<(String, Duration)> = self.desks.iter().filter_map(wants).collect();
        if every.is_empty() {
            return;
        }
        let now = (self.surroundings.clock)();
        let mut due = Vec::new();
        for (fingerprint, told) in &self.told {
            let (false, Some(notice), Some(spoken_at)) = (told.quiet, &told.notice, told.spoken_at) else { continue };
            let hears =
                |(name, every): &&(String, Duration)| told.receivers.contains(name) && now.since(spoken_at) >= *every;
            let names: Vec<String> = every.iter().filter(hears).map(|(name, _)| name.clone()).collect();
            if !names.is_empty() {
                due.push((*fingerprint, notice.clone(), names));
            }
        }
        due.sort_by_key(|(fingerprint, ..)| *fingerprint);
        for (fingerprint, notice, names) in due {
            // One that still waits to be told of it needs no reminder of it.
            self.sequence += 1;
            batch.put_sequence(self.sequence);
            let entry = Entry::again(notice, self.sequence, now);
            for name in names {
                self.enqueue(&name, &entry, batch);
            }
            if let Some(told) = self.told.get_mut(&fingerprint) {
                told.spoken_at = Some(now);
            }
            if let Ok(Some(stored)) = self.store.stored_alert(fingerprint) {
                batch.put_alert(&StoredAlert { spoken_at: Some(now), ..stored });
            }
            batch.needs_sync();
        }
    }

    /// How long until something may leave that is kept back by a receiver's pace.
    fn next_paced(&self) -> Option<Duration> {
        let now = (self.surroundings.clock)();
        let repeats = self.desks.iter().any(|desk| desk.settings.pace.repeat_interval.is_some());
        let asleep = self.desks.iter().filter_map(|desk| desk.asleep_until).map(|until| until.since(now));
        asleep.chain(repeats.then_some(REPEAT_LOOK)).min()
    }

    fn report(&mut self, report: Report, batch: &mut Batch) {
        let Report { receiver, numbers, outcome } = report;
        let now = (self.surroundings.clock)();
        let mut desk = self.desks.iter_mut().find(|desk| desk.settings.name == receiver);
        if let Some(desk) = &mut desk {
            desk.asleep_until = None;
            if outcome == Outcome::Done {
                let groups = numbers.iter().filter_map(|number| desk.queue.group(*number));
                desk.spoken.note(now, &desk.settings.pace, groups.map(|group| group.to_string()).collect::<Vec<_>>());
                if !desk.spoken.is_blank() {
                    batch.put_document(&spoken_document(&receiver), &serde_json::json!(desk.spoken));
                }
            }
        }
        let Some(queue) = desk.map(|desk| &mut desk.queue).or_else(|| self.orphans.get_mut(&receiver)) else { return };
        match outcome {
            Outcome::Done => {
                for number in numbers {
                    queue.remove(number);
                    batch.remove_entry(&receiver, number);
                }
                batch.needs_sync();
            }
            Outcome::Returned => numbers.into_iter().for_each(|number| queue.returned(number)),
            Outcome::Apart => {
                queue.unseal(&numbers);
                for number in numbers {
                    queue.returned(number);
                    if let Ok(Some(entry)) = self.store.entry(&receiver, number) {
                        batch.put_entry(&receiver, &Entry { group: String::new(), batch: None, ..entry });
                    }
                }
                batch.needs_sync();
            }
        }
    }

    fn reconfigure(&mut self, receivers: Vec<ReceiverSettings>, routes: Vec<Route>, batch: &mut Batch) {
        self.routes = routes;
        let mut old: Vec<Desk> = std::mem::take(&mut self.desks);
        for settings in receivers {
            if self.desks.iter().any(|desk| desk.settings.name == settings.name) {
                tracing::error!(receiver = settings.name, "is configured twice; the first one is used");
                continue;
            }
            let desk = match old.iter().position(|desk| desk.settings.name == settings.name) {
                Some(position) => {
                    let mut desk = old.swap_remove(position);
                    if desk.settings != settings {
                        desk.settings = settings.clone();
                        desk.asleep_until = None;
                        desk.changes.send_replace(settings);
                    }
                    desk
                }
                None => self.open_desk(settings),
            };
            self.desks.push(desk);
        }
        for desk in old {
            // Its courier ends when its channels close, and reports what it had in hand.
            self.orphans.insert(desk.settings.name, desk.queue);
        }
        let kept_from = (self.surroundings.clock)() - ORPHANS_KEPT;
        for (receiver, queue) in &mut self.orphans {
            let old = queue.remove_older(kept_from);
            if !old.is_empty() {
                tracing::warn!(
                    receiver,
                    notifications = old.len(),
                    "is not configured; what waited for it for a week is thrown away"
                );
            }
            for number in old {
                batch.remove_entry(receiver, number);
            }
        }
        self.orphans.retain(|_, queue| !queue.is_empty());
        self.stats.set_receivers(self.desks.iter().map(|desk| Arc::clone(&desk.stats)).collect());
    }

    fn open_desk(&mut self, settings: ReceiverSettings) -> Desk {
        // One notification is out at a time, and a reminder is given only where nothing waits: there is always room.
        let (errands, jobs) = mpsc::channel(2);
        let (changes, watched) = watch::channel(settings.clone());
        let stats = Arc::new(ReceiverStats::new(&settings.name));
        let courier = Courier::new(
            watched,
            self.surroundings.clone(),
            Arc::clone(&self.stats),
            Arc::clone(&stats),
            self.reports.0.clone(),
        );
        self.surroundings.runtime.spawn(courier.run(jobs));
        let queue = self.orphans.remove(&settings.name).unwrap_or_default();
        let spoken = self.store.document(&spoken_document(&settings.name)).ok().flatten();
        let spoken = spoken.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default();
        Desk { settings, queue, errands, changes, stats, remind_at: Instant::now(), spoken, asleep_until: None }
    }

    /// Write, or keep in memory what cannot be written.
    fn write(&mut self, batch: Batch) {
        let was_failing = self.store.unsaved().is_some();
        let written = if batch.is_empty() { self.store.recover() } else { self.store.commit(batch) };
        match written {
            Ok(()) if was_failing => tracing::info!("the alert store takes writes again; nothing was lost"),
            Ok(()) => {}
            Err(error) => self.store_failed(&error, was_failing),
        }
        self.stats.set_store(self.store.unsaved());
    }

    fn store_failed(&self, error: &WriteError, was_failing: bool) {
        if !error.is_repeated() {
            self.stats.count_store_error();
        }
        if !was_failing {
            tracing::error!(%error, "alerts are kept in memory only, and delivered from there, until the disk takes them");
        }
    }

    /// Give every idle courier its next notification.
    fn hand_out(&mut self) {
        let now = (self.surroundings.clock)();
        let mut damaged = Batch::default();
        for at in 0..self.desks.len() {
            while let Some(numbers) = self.due(at, now) {
                let name = self.desks[at].settings.name.clone();
                let mut entries = Vec::with_capacity(numbers.len());
                let (mut lost, mut unreadable) = (Vec::new(), false);
                for number in &numbers {
                    match self.store.entry(&name, *number) {
                        Ok(Some(entry)) => entries.push(entry),
                        Ok(None) => lost.push(*number),
                        // The store is being opened anew: it is still there, and its turn comes again.
                        Err(_) => unreadable = true,
                    }
                }
                for number in &lost {
                    self.stats.count_unreadable();
                    tracing::error!(receiver = name, "a notification in the outbox is damaged and thrown away");
                    self.desks[at].queue.remove(*number);
                    damaged.remove_entry(&name, *number);
                }
                if unreadable {
                    break;
                }
                if entries.is_empty() {
                    continue;
                }
                self.tell(at, entries);
                break;
            }
            let desk = &self.desks[at];
            desk.stats.waiting.store(desk.queue.len() as u64, Relaxed);
        }
        if !damaged.is_empty() {
            self.write(damaged);
        }
    }

    /// What is to leave for a receiver now.
    fn due(&mut self, at: usize, now: Timestamp) -> Option<Vec<u64>> {
        let desk = &mut self.desks[at];
        if desk.asleep_until.is_some_and(|until| now < until) || desk.queue.is_empty() {
            return None;
        }
        desk.asleep_until = None;
        let (pace, spoken) = (&desk.settings.pace, &desk.spoken);
        if let Some(until) = spoken.blocked_until(now, pace) {
            desk.asleep_until = Some(until);
            return None;
        }
        // What had to wait for the rate is told in one go.
        let all = spoken.held > 0 && takes_several(&desk.settings.kind);
        match desk.queue.next(now, |group| spoken.group_at(pace, group), all) {
            Next::Now(numbers) => Some(numbers),
            Next::At(until) => {
                desk.asleep_until = until;
                None
            }
        }
    }

    /// Hand notifications that leave together to a courier, after it is written down that they do.
    fn tell(&mut self, at: usize, mut entries: Vec<Entry>) {
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        if numbers.len() > 1 && entries.iter().any(|entry| entry.batch != Some(numbers[0])) {
            let mut batch = Batch::default();
            for entry in &mut entries {
                entry.batch = Some(numbers[0]);
                batch.put_entry(&self.desks[at].settings.name, entry);
            }
            batch.needs_sync();
            self.write(batch);
            self.desks[at].queue.seal(&numbers);
        }
        let desk = &mut self.desks[at];
        let errand = Errand::Tell { entries, held: desk.spoken.held };
        if desk.errands.try_send(errand).is_ok() {
            desk.queue.sent(&numbers);
        }
    }

    /// Give those that forget the alerts that they have taken and that fire. A reminder travels the same way as the
    /// notifications: what is resolved after it was made is told after it.
    fn remind(&mut self) {
        if self.stop_by.is_some() {
            return;
        }
        let now = Instant::now();
        for desk in &mut self.desks {
            let Some(every) = desk.settings.kind.resend_every().filter(|_| desk.remind_at <= now) else { continue };
            desk.remind_at = now + every;
            if desk.errands.capacity() < desk.errands.max_capacity() {
                // It is busy with an errand already; this one would be old when its turn comes.
                continue;
            }
            let untold = desk.queue.alerts();
            let hears = |told: &&Told| told.receivers.contains(&desk.settings.name);
            let known = self.told.iter().filter(|(fingerprint, _)| !untold.contains(fingerprint));
            let firing: Vec<Notice> =
                known.map(|(_, told)| told).filter(hears).filter_map(|told| told.notice.clone()).collect();
            if !firing.is_empty() {
                // There is room, or the courier has ended: then its desk is closed.
                let _ = desk.errands.try_send(Errand::Remind { firing, made_at: now });
            }
        }
    }

    fn next_reminder(&self) -> Option<Instant> {
        if self.stop_by.is_some() {
            return None;
        }
        self.desks.iter().filter(|desk| desk.settings.kind.resend_every().is_some()).map(|desk| desk.remind_at).min()
    }

    /// Told to stop, and either nothing is left that could be sent soon or the grace is over.
    fn may_stop(&self) -> bool {
        self.stop_by.is_some_and(|by| {
            Instant::now() >= by
                || self
                    .desks
                    .iter()
                    .all(|desk| desk.queue.is_empty() || desk.stats.is_failing() || desk.asleep_until.is_some())
        })
    }

    /// Call the couriers off, and note what they still got acknowledged.
    fn close(mut self) {
        self.desks.clear();
        let mut batch = Batch::default();
        let reports: Vec<Report> = self.reports.1.try_iter().collect();
        for report in reports {
            if report.outcome == Outcome::Done {
                for number in report.numbers {
                    batch.remove_entry(&report.receiver, number);
                }
                batch.needs_sync();
            }
        }
        self.write(batch);
    }
}

/// Under which name it is remembered when a receiver was spoken to.
fn spoken_document(receiver: &str) -> String {
    format!("spoken/{receiver}")
}

/// The device whose configured labels an alert carries: for a link that of the end that sorts first.
fn device_of(subject: &Subject) -> Option<&DeviceId> {
    match subject {
        Subject::Device(device) => Some(device),
        Subject::Interface(interface) => Some(&interface.device),
        Subject::Link { a, .. } => Some(&a.device),
        Subject::Group { device, .. } => device.as_ref(),
    }
}
