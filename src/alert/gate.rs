//! Between the book and those who are told: one cause, one page.
//!
//! ```text
//!                        maintenance | silence | cause ----> quiet: shown, not told
//!   firing --- may have a cause that is not certain yet ---> held: a bounded while
//!          \-- nothing of this ----------------------------> told, at once
//! ```
//!
//! | what fires | explains |
//! |---|---|
//! | `DeviceUnreachable`, critical: it is silent altogether | all of the device's interfaces and links; a group whose missing links, and a single point of failure whose failed links, all end at such devices |
//! | `DeviceRestarted`, for the restart grace | the same |
//! | `LinkDown` | what else is told of the link and its two ports, if not more urgent than itself |
//!
//! Not explained: redundancy that is gone because a link is down, since that is a truth of its own with an action of its
//! own; the single point of failure that this leaves; optics out of range, which may be the cause itself. A device that
//! answers but cannot be read explains nothing: its links are judged by their other ends.
//!
//! A link may go down because the device at its far end died, which takes all retries of a request to know. So while a
//! watched end has neither said itself that the link is down nor answered since, the link's alert, and that of a group
//! that misses it, is held and the device is asked at once ([`Gate::asks`]). Nearly always it answers within milliseconds.
//!
//! When a cause is over, what it explained is held for as long again, as its end is seen one reading before theirs; what
//! still stands is told then. What was told stays told: nothing that is quiet later takes it back, and its end is told
//! to those who heard of it, silence or not, so that no incident stays open.
//!
//! All of it is decided anew from the alerts, the silences and the settings; what must survive a restart (was anybody
//! told?) is in each alert's [`Standing`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::fabric::{DeviceId, FindingKey, FindingKind, InterfaceId, Labels, LinkId, Severity, Subject, Timestamp};

use super::matcher::fits;
use super::standing::{Explained, NAMED, Quiet, Reference, Settings};
use super::{Alert, AlertState, Book, Change, Silences, Standing, Tell, Transition};

/// Silences and windows begin and end to the second.
const LOOK: Duration = Duration::from_secs(1);

/// A pending cause is waited for so much longer than its time, as it fires with the tick after it.
const SLACK: Duration = Duration::from_secs(1);

/// How the gate looks at the rest of the house.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The labels that the operator gave to a device; none where it is not known yet.
    pub labels: &'a dyn Fn(&DeviceId) -> Option<Labels>,
    /// The link in a port.
    pub link_at: &'a dyn Fn(&InterfaceId) -> Option<Subject>,
    /// The links of a group that do not work.
    pub missing: &'a dyn Fn(&str) -> Vec<Subject>,
    /// The links by whose failure a single point of failure arose; none while the ledger does not know it (again).
    pub because: &'a dyn Fn(&FindingKey) -> Option<Vec<Subject>>,
    /// The devices at the ends of a link that are watched, have not said themselves that it is down, and have not
    /// answered since.
    pub silent: &'a dyn Fn(&LinkId, Timestamp) -> Vec<DeviceId>,
}

/// Decides who hears of what.
#[derive(Debug, Default)]
pub struct Gate {
    settings: Settings,
    silences: Silences,
    /// Active alerts by the devices that they touch, and back.
    at_device: HashMap<DeviceId, BTreeSet<FindingKey>>,
    devices_of: HashMap<FindingKey, Vec<DeviceId>>,
    /// What each cause explains, and back.
    explains: HashMap<FindingKey, BTreeSet<FindingKey>>,
    explained_by: HashMap<FindingKey, Vec<FindingKey>>,
    /// When an alert is to be looked at again by time alone.
    deadlines: BTreeSet<(Timestamp, FindingKey)>,
    due: HashMap<FindingKey, Timestamp>,
    /// What is held until a device is heard, and back.
    waiting: HashMap<DeviceId, BTreeSet<FindingKey>>,
    waits_for: HashMap<FindingKey, Vec<DeviceId>>,
    /// Devices to be asked now.
    asks: Vec<DeviceId>,
    /// The silences and windows that held at the last look.
    held_mutes: Vec<String>,
    looked_at: Timestamp,
    /// Everything is to be looked at again.
    all: bool,
}

/// What the gate thinks of an alert.
#[derive(Default)]
struct Judgement {
    causes: Vec<FindingKey>,
    silenced_by: Vec<String>,
    maintenance: Vec<String>,
    held: bool,
    due: Option<Timestamp>,
    waits_for: Vec<DeviceId>,
    labels: Labels,
}

/// What a possible cause says of an alert.
enum Word {
    Explains(FindingKey, Option<Timestamp>),
    Wait(Timestamp),
}

impl Gate {
    /// With the silences that were made before.
    pub fn new(settings: Settings, silences: Silences) -> Self {
        Self { settings, silences, all: true, ..Self::default() }
    }

    /// Take over the alerts of a restored book.
    pub fn restore(&mut self, book: &Book, view: View<'_>) {
        for alert in book.alerts().filter(|alert| alert.is_active()) {
            self.index(alert, view);
        }
        self.all = true;
    }

    /// Take other settings.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
        self.all = true;
    }

    /// The silences.
    pub fn silences(&self) -> &Silences {
        &self.silences
    }

    /// The silences, to be changed: all alerts are looked at again with the next [`Gate::tick`].
    pub fn silences_mut(&mut self) -> &mut Silences {
        self.all = true;
        &mut self.silences
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Devices that somebody should ask now whether they live; each is named once for what is held.
    pub fn asks(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.asks)
    }

    /// Is anything held until this device is heard?
    pub fn waits_for(&self, device: &DeviceId) -> bool {
        self.waiting.contains_key(device)
    }

    /// How many alerts are held until a device is heard or their time is up.
    pub fn holding(&self) -> usize {
        self.due.len()
    }

    /// When [`Gate::tick`] has something to do, if nothing comes before.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        if self.all {
            return Some(now);
        }
        let mutes = self.silences.iter().next().is_some() || !self.settings.maintenance.is_empty();
        let look = mutes.then(|| self.looked_at + LOOK);
        self.deadlines.first().map(|(due, _)| *due).into_iter().chain(look).min()
    }

    /// A device was heard: what waited for that is decided.
    pub fn heard(&mut self, now: Timestamp, device: &DeviceId, book: &mut Book, view: View<'_>) -> Vec<Transition> {
        let dirty = self.waiting.get(device).into_iter().flatten().cloned().collect();
        self.decide(now, book, Vec::new(), dirty, view)
    }

    /// What the passing of time brings: holds that end, silences and windows that begin and end.
    pub fn tick(&mut self, now: Timestamp, book: &mut Book, view: View<'_>) -> Vec<Transition> {
        let mut dirty = BTreeSet::new();
        while self.deadlines.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.deadlines.pop_first() else { break };
            self.due.remove(&key);
            dirty.insert(key);
        }
        if self.all || now.since(self.looked_at) >= LOOK {
            self.looked_at = now;
            let mutes = self.mutes(now);
            if std::mem::take(&mut self.all) || mutes != self.held_mutes {
                self.held_mutes = mutes;
                dirty.extend(self.devices_of.keys().cloned());
            }
        }
        if dirty.is_empty() { Vec::new() } else { self.decide(now, book, Vec::new(), dirty, view) }
    }

    /// What the book told passes through here on its way to people: who hears of it is decided, and what else follows
    /// from it is added.
    pub fn pass(&mut self, now: Timestamp, book: &mut Book, steps: Vec<Transition>, view: View<'_>) -> Vec<Transition> {
        if steps.is_empty() {
            return steps;
        }
        let mut dirty = BTreeSet::new();
        for step in &steps {
            let key = step.alert.key();
            if book.get(key).is_some_and(Alert::is_active) {
                self.index(&step.alert, view);
                dirty.insert(key.clone());
            } else {
                self.forget(key, &mut dirty);
            }
            self.touch(key, &mut dirty);
        }
        self.decide(now, book, steps, dirty, view)
    }

    /// What must be looked at again because this alert changed.
    fn touch(&self, key: &FindingKey, dirty: &mut BTreeSet<FindingKey>) {
        let near = |device: &DeviceId| self.at_device.get(device).into_iter().flatten();
        match (key.kind, &key.subject) {
            (FindingKind::DeviceUnreachable | FindingKind::DeviceRestarted, Subject::Device(device)) => {
                dirty.extend(near(device).cloned());
            }
            (FindingKind::LinkDown, Subject::Link { a, b, .. }) => {
                let concerned = |other: &&FindingKey| match &other.subject {
                    Subject::Group { .. } => true,
                    Subject::Link { .. } => other.subject == key.subject,
                    Subject::Interface(port) => port == a || port == b,
                    Subject::Device(_) => false,
                };
                dirty.extend([a, b].into_iter().flat_map(|end| near(&end.device)).filter(concerned).cloned());
            }
            _ => {}
        }
    }

    fn decide(
        &mut self,
        now: Timestamp,
        book: &mut Book,
        mut steps: Vec<Transition>,
        mut dirty: BTreeSet<FindingKey>,
        view: View<'_>,
    ) -> Vec<Transition> {
        // Before anything is told all is judged: a cause and its symptoms may come in one go.
        let mut changed = BTreeSet::new();
        let mut standings: HashMap<FindingKey, Standing> = HashMap::new();
        for key in std::mem::take(&mut dirty) {
            let Some(alert) = book.get(&key).filter(|alert| alert.is_active()) else { continue };
            let judgement = self.judge(now, book, alert, view);
            let standing = self.note(book, alert, judgement, &mut changed);
            standings.insert(key, standing);
        }
        for key in changed {
            let Some(alert) = book.get(&key).filter(|alert| alert.is_active()) else { continue };
            let standing = standings.entry(key.clone()).or_insert_with(|| alert.standing.clone());
            standing.explains = self.explained(book, &key);
        }
        // The last step of each alert in this batch carries what was decided.
        let mut seen = HashSet::new();
        for step in steps.iter_mut().rev() {
            let key = step.alert.key().clone();
            let last = seen.insert(key.clone());
            if let (true, Some(standing)) = (last, standings.remove(&key)) {
                step.alert.standing = standing;
            }
            step.tell = match step.change {
                Change::Fired | Change::Severity { .. } if last => tell(&mut step.alert),
                Change::Resolved => step.alert.standing.told.is_some().then_some(Tell::Over),
                _ => None,
            };
            if last {
                book.stand(&key, step.alert.standing.clone());
            }
        }
        let mut rest: Vec<(FindingKey, Standing)> = standings.into_iter().collect();
        rest.sort_by(|one, other| one.0.cmp(&other.0));
        for (key, standing) in rest {
            let Some(alert) = book.get(&key) else { continue };
            let mut alert = Alert { standing, ..alert.clone() };
            let told = if alert.state == AlertState::Firing { tell(&mut alert) } else { None };
            let same = book.get(&key).is_some_and(|old| old.standing == alert.standing);
            if told.is_none() && same {
                continue;
            }
            let observed_at = if told.is_some() { now } else { alert.finding.observed_at };
            book.stand(&key, alert.standing);
            let change = if told.is_some() { Change::Released } else { Change::Standing };
            steps.extend(book.restate(now, observed_at, change, told, &key));
        }
        steps
    }

    /// Of an active alert, with nothing changed.
    fn judge(&self, now: Timestamp, book: &Book, alert: &Alert, view: View<'_>) -> Judgement {
        let key = alert.key();
        let mut judgement = Judgement { labels: self.configured(alert, view), ..Judgement::default() };
        if alert.state != AlertState::Firing {
            return judgement;
        }
        let circuit = self.circuit(&key.subject);
        let mut labels = alert.labels(&judgement.labels);
        if let Some(circuit) = circuit {
            labels.insert("circuit".into(), circuit.to_string());
        }
        let known = missing(key, view);
        let missing = known.as_deref().unwrap_or_default();
        // Work on all that a group misses, or that made a single point of failure, is work on that.
        let parts: Vec<Labels> = missing.iter().map(|link| self.link_labels(link, view)).collect();
        let meant =
            |matches: &dyn Fn(&Labels) -> bool| matches(&labels) || (!parts.is_empty() && parts.iter().all(matches));
        for silence in self.silences.active(now).filter(|one| meant(&|labels| one.matches(labels))) {
            judgement.silenced_by.push(silence.id.clone());
        }
        for window in self.settings.maintenance.iter().filter(|one| meant(&|labels| one.matches(labels))) {
            if window.current(now).is_some() {
                judgement.maintenance.push(window.name.clone());
            }
        }
        let (sets, links): (Vec<Vec<FindingKey>>, Vec<Option<&LinkId>>) = match &key.subject {
            subject if matches!(subject, Subject::Group { .. }) || key.kind == FindingKind::SinglePointOfFailure => {
                missing.iter().map(|link| (deaths(link), link_id(link))).unzip()
            }
            subject => {
                let own = link_id(subject).filter(|_| key.kind == FindingKind::LinkDown);
                (vec![self.candidates(key.kind, subject, view)], vec![own])
            }
        };
        let (mut causes, mut covered) = (BTreeSet::new(), !sets.is_empty());
        for (set, link) in sets.iter().zip(links) {
            let words = || set.iter().filter_map(|cause| self.word(now, book, alert, cause));
            if let Some((cause, due)) = words().find_map(|word| match word {
                Word::Explains(cause, due) => Some((cause, due)),
                Word::Wait(_) => None,
            }) {
                causes.insert(cause);
                judgement.due = earlier(judgement.due, due);
                continue;
            }
            let wait = words().find_map(|word| if let Word::Wait(until) = word { Some(until) } else { None });
            let until = alert.fired_at.unwrap_or(alert.since) + self.settings.hold;
            let silent = match link {
                Some(link) if now < until => (view.silent)(link, alert.since),
                _ => Vec::new(),
            };
            let wait = if silent.is_empty() { wait } else { wait.max(Some(until)) };
            judgement.waits_for.extend(silent);
            judgement.held |= wait.is_some();
            judgement.due = earlier(judgement.due, wait);
            covered &= wait.is_some();
        }
        if !covered {
            // One part without a cause is enough to be told.
            (judgement.held, judgement.due) = (false, None);
            judgement.waits_for.clear();
        } else if !judgement.held {
            judgement.causes = causes.into_iter().collect();
        }
        if known.is_none() {
            // After a restart the ledger has to be written first.
            (judgement.held, judgement.due) = (true, Some(now + LOOK));
        }
        if alert.standing.told.is_some() {
            // What people know is not held any more.
            judgement.held = false;
            judgement.waits_for.clear();
        }
        judgement
    }

    /// What could explain something about an interface, a link or a device.
    fn candidates(&self, kind: FindingKind, subject: &Subject, view: View<'_>) -> Vec<FindingKey> {
        // What has not happened is explained by nothing that has.
        if matches!(kind, FindingKind::OpticsOutOfRange | FindingKind::HeadroomExceeded) {
            return Vec::new();
        }
        let mut candidates = deaths(subject);
        match subject {
            Subject::Device(_) if kind != FindingKind::PollerOverrun => candidates.clear(),
            Subject::Interface(port) if kind != FindingKind::LinkDown => {
                candidates.extend((view.link_at)(port).map(link_down));
            }
            Subject::Link { .. } if kind != FindingKind::LinkDown => candidates.push(link_down(subject.clone())),
            _ => {}
        }
        candidates
    }

    fn word(&self, now: Timestamp, book: &Book, alert: &Alert, cause: &FindingKey) -> Option<Word> {
        let found = book.get(cause).filter(|found| found.key() != alert.key())?;
        let explains = || match cause.kind {
            FindingKind::LinkDown => found.severity() >= alert.severity(),
            FindingKind::DeviceUnreachable => found.severity() == Severity::Critical,
            _ => true,
        };
        let wait = |until: Timestamp| (now < until && explains()).then_some(Word::Wait(until));
        match (found.state, cause.kind) {
            (AlertState::Firing, FindingKind::DeviceRestarted) => {
                let until = found.fired_at.unwrap_or(found.since) + self.settings.restart_grace;
                (now < until).then(|| Word::Explains(cause.clone(), Some(until)))
            }
            (AlertState::Firing, _) => explains().then(|| Word::Explains(cause.clone(), None)),
            (AlertState::Pending, FindingKind::DeviceUnreachable) => {
                wait(found.since + found.finding.pending_for + SLACK)
            }
            (AlertState::Pending, _) | (AlertState::Resolved, FindingKind::DeviceRestarted) => None,
            (AlertState::Resolved, _) => {
                let over = found.resolved_at.filter(|over| alert.since <= *over)?;
                wait(over + self.settings.hold)
            }
        }
    }

    /// Write down what was judged. `changed` gathers the causes that explain something else than before.
    fn note(
        &mut self,
        book: &Book,
        alert: &Alert,
        judgement: Judgement,
        changed: &mut BTreeSet<FindingKey>,
    ) -> Standing {
        let key = alert.key();
        let Judgement { causes, silenced_by, maintenance, held, due, waits_for, labels } = judgement;
        let explained_by = causes.iter().filter_map(|cause| book.get(cause)).map(Reference::to).collect::<Vec<_>>();
        let quiet = match () {
            () if !maintenance.is_empty() => Some(Quiet::Maintenance),
            () if !silenced_by.is_empty() => Some(Quiet::Silenced),
            () if !explained_by.is_empty() => Some(Quiet::Explained),
            () => held.then_some(Quiet::Held),
        };
        self.set_causes(key, causes, changed);
        self.set_due(key, due);
        self.set_waits(key, waits_for);
        Standing {
            told: alert.standing.told,
            quiet,
            explained_by,
            explains: alert.standing.explains.clone(),
            silenced_by,
            maintenance,
            circuit: self.circuit(&key.subject),
            configured: labels,
        }
    }

    fn set_causes(&mut self, key: &FindingKey, causes: Vec<FindingKey>, changed: &mut BTreeSet<FindingKey>) {
        let before = match causes.is_empty() {
            true => self.explained_by.remove(key).unwrap_or_default(),
            false => self.explained_by.insert(key.clone(), causes.clone()).unwrap_or_default(),
        };
        if before == causes {
            return;
        }
        for cause in &before {
            if let Some(of) = self.explains.get_mut(cause) {
                of.remove(key);
                if of.is_empty() {
                    self.explains.remove(cause);
                }
            }
        }
        for cause in &causes {
            self.explains.entry(cause.clone()).or_default().insert(key.clone());
        }
        changed.extend(before);
        changed.extend(causes);
    }

    fn set_due(&mut self, key: &FindingKey, due: Option<Timestamp>) {
        let before = match due {
            Some(due) => self.due.insert(key.clone(), due),
            None => self.due.remove(key),
        };
        if before != due {
            before.map(|before| self.deadlines.remove(&(before, key.clone())));
            self.deadlines.extend(due.map(|due| (due, key.clone())));
        }
    }

    fn set_waits(&mut self, key: &FindingKey, mut devices: Vec<DeviceId>) {
        devices.sort();
        devices.dedup();
        let before = match devices.is_empty() {
            true => self.waits_for.remove(key).unwrap_or_default(),
            false => self.waits_for.insert(key.clone(), devices.clone()).unwrap_or_default(),
        };
        for device in before.iter().filter(|device| !devices.contains(device)) {
            remove_from(&mut self.waiting, device, key);
        }
        for device in devices.into_iter().filter(|device| !before.contains(device)) {
            let waiting = self.waiting.entry(device.clone()).or_default();
            if waiting.is_empty() {
                self.asks.push(device);
            }
            waiting.insert(key.clone());
        }
    }

    fn explained(&self, book: &Book, cause: &FindingKey) -> Explained {
        let Some(keys) = self.explains.get(cause) else { return Explained::default() };
        let alerts = keys.iter().take(NAMED).filter_map(|key| book.get(key)).map(Reference::to).collect();
        Explained { count: keys.len(), alerts }
    }

    fn index(&mut self, alert: &Alert, view: View<'_>) {
        let key = alert.key();
        let mut devices = devices_of(&key.subject);
        devices.extend(missing(key, view).iter().flatten().flat_map(devices_of));
        devices.sort();
        devices.dedup();
        let before = self.devices_of.insert(key.clone(), devices.clone()).unwrap_or_default();
        for device in before.iter().filter(|device| !devices.contains(device)) {
            remove_from(&mut self.at_device, device, key);
        }
        for device in devices {
            self.at_device.entry(device).or_default().insert(key.clone());
        }
    }

    fn forget(&mut self, key: &FindingKey, dirty: &mut BTreeSet<FindingKey>) {
        for device in self.devices_of.remove(key).unwrap_or_default() {
            remove_from(&mut self.at_device, &device, key);
        }
        let mut causes = BTreeSet::new();
        self.set_causes(key, Vec::new(), &mut causes);
        dirty.extend(causes);
        // What it explained is looked at again.
        dirty.extend(self.explains.get(key).into_iter().flatten().cloned());
        self.set_due(key, None);
        self.set_waits(key, Vec::new());
    }

    /// The labels that the operator gave to the device of an alert: as known now, else as last known.
    fn configured(&self, alert: &Alert, view: View<'_>) -> Labels {
        let device = match &alert.key().subject {
            Subject::Device(device) => Some(device),
            Subject::Interface(port) => Some(&port.device),
            Subject::Link { a, .. } => Some(&a.device),
            Subject::Group { device, .. } => device.as_ref(),
        };
        device.and_then(view.labels).unwrap_or_else(|| alert.standing.configured.clone())
    }

    fn link_labels(&self, link: &Subject, view: View<'_>) -> Labels {
        let Subject::Link { id, a, b } = link else { return Labels::new() };
        let mut labels = (view.labels)(&a.device).unwrap_or_default();
        let pairs = [
            ("link", id.as_str()),
            ("device", a.device.as_str()),
            ("interface", &a.if_name),
            ("peer_device", b.device.as_str()),
            ("peer_interface", &b.if_name),
        ];
        labels.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        labels.extend(self.circuit(link).map(|circuit| ("circuit".to_owned(), circuit.to_string())));
        labels
    }

    fn circuit(&self, subject: &Subject) -> Option<std::sync::Arc<str>> {
        let at = |port: &InterfaceId| {
            let found = self.settings.circuits.iter();
            let mut found =
                found.filter(|one| fits(&one.device, port.device.as_str()) && fits(&one.interface, &port.if_name));
            found.next().map(|one| one.name.clone())
        };
        match subject {
            Subject::Device(_) => None,
            Subject::Interface(port) => at(port),
            Subject::Link { a, b, .. } => at(a).or_else(|| at(b)),
            Subject::Group { name, .. } => {
                let mut groups = self.settings.group_circuits.iter();
                groups.find(|(group, _)| **group == **name).map(|(_, circuit)| circuit.clone())
            }
        }
    }

    fn mutes(&self, now: Timestamp) -> Vec<String> {
        let silences = self.silences.active(now).map(|one| one.id.clone());
        let windows = self.settings.maintenance.iter().filter(|one| one.current(now).is_some());
        silences.chain(windows.map(|one| one.name.clone())).collect()
    }
}

/// The failed links that an alert rests on, where it is about more than one part; none where they are not known.
fn missing(key: &FindingKey, view: View<'_>) -> Option<Vec<Subject>> {
    match &key.subject {
        _ if key.kind == FindingKind::SinglePointOfFailure => (view.because)(key),
        // A group may be a shared risk, which misses nothing.
        _ if key.kind == FindingKind::HeadroomExceeded => Some(Vec::new()),
        Subject::Group { name, .. } => Some((view.missing)(name)),
        _ => Some(Vec::new()),
    }
}

/// Whether people hear of an alert that fires, now that it stands as it does; and what of it.
fn tell(alert: &mut Alert) -> Option<Tell> {
    let now = alert.severity();
    let standing = &mut alert.standing;
    if standing.quiet.is_some() {
        // What became less urgent meanwhile is news when it is more so again.
        standing.told = standing.told.map(|told| told.min(now));
        return None;
    }
    match standing.told.replace(now) {
        None => Some(Tell::Began),
        Some(told) => (now > told).then_some(Tell::Worse),
    }
}

/// The deaths and restarts of the devices of a subject.
fn deaths(subject: &Subject) -> Vec<FindingKey> {
    let devices = devices_of(subject);
    let key =
        |kind| move |device: &DeviceId| FindingKey { kind, subject: Subject::Device(device.clone()), direction: None };
    let dead = devices.iter().map(key(FindingKind::DeviceUnreachable));
    dead.chain(devices.iter().map(key(FindingKind::DeviceRestarted))).collect()
}

fn link_down(subject: Subject) -> FindingKey {
    FindingKey { kind: FindingKind::LinkDown, subject, direction: None }
}

fn link_id(subject: &Subject) -> Option<&LinkId> {
    if let Subject::Link { id, .. } = subject { Some(id) } else { None }
}

fn devices_of(subject: &Subject) -> Vec<DeviceId> {
    match subject {
        Subject::Device(device) => vec![device.clone()],
        Subject::Interface(port) => vec![port.device.clone()],
        Subject::Link { a, b, .. } => vec![a.device.clone(), b.device.clone()],
        Subject::Group { device, .. } => device.iter().cloned().collect(),
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

fn remove_from(map: &mut HashMap<DeviceId, BTreeSet<FindingKey>>, device: &DeviceId, key: &FindingKey) {
    if let Some(keys) = map.get_mut(device) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(device);
        }
    }
}

#[cfg(test)]
mod tests;
