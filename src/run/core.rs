//! The core thread: it owns the table, the topology, the detectors and the book, and is the only one to write them.
//!
//! ```text
//!   queue --sample--> table.apply --touched--> detectors --verdicts--> book --> gate --transitions--> deliverer
//!                         |                       ^                                \--> views (alerts)
//!                         +--> topology.learn ----+--> views (links, groups) --> auditor (a thread of its own)
//!                                                 ^---------- ledger --------------/
//! ```
//!
//! Nothing here waits: samples come from a bounded queue, transitions go to a deliverer that writes them down in a thread of
//! its own, history and exports take what they can, and readers take what was last shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError};

use super::views::{Drawing, Views};
use crate::aggregate::{Changes, SampleReceiver, Table};
use crate::alert::{self, Book, Gate, Mutes, Silence, Transition};
use crate::deliver::{Clock, Deliverer};
use crate::detect::{Detectors, Verdicts};
use crate::export::Exports;
use crate::fabric::{
    DeviceId, FindingKey, InterfaceId, InterfaceState, LinkHealth, LinkId, OperStatus, Reading, Sample, Sensor,
    SensorState, Subject, Timestamp,
};
use crate::history::History;
use crate::topology::ledger::Audit;
use crate::topology::{self, LinkReport, Topology, View};
use crate::{aggregate, detect};

/// How long the loop sleeps when nothing comes: durations and staleness are looked at this often.
const TICK: Duration = Duration::from_millis(100);
/// How often links and groups are drawn anew for readers while only numbers change.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How often the topology is written down at most, when it changed or when an alert is told: what an alert rests on must
/// be known after a restart too, or it would be told again under another name.
const REMEMBER_EVERY: Duration = Duration::from_secs(1);
/// How often it is written down in calm, since edge ports and `heard_at` move on without a word.
const REMEMBER_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// Samples taken in one go before time is looked at again.
const BURST: usize = 4_096;

/// The name under which the topology is remembered.
pub(super) const TOPOLOGY_DOCUMENT: &str = "topology";
/// The name under which silences are remembered.
pub(super) const SILENCES_DOCUMENT: &str = "silences";
/// How often silences that have been over for long are dropped.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// What the thread is told beside samples.
pub(super) enum Command {
    /// New settings.
    Reconfigure(Box<CoreSettings>),
    /// A direction's history was looked at.
    Forecast(Box<detect::forecast::Subjected>),
    /// Silence alerts, and say when that is written down or why it is not.
    Silence(Box<Silence>, Sender<Result<Silence, String>>),
    /// End a silence by its id, likewise.
    EndSilence(String, Sender<Result<Silence, String>>),
    /// The ledger was written anew.
    Audited(Box<Audit>),
    /// End.
    Stop,
}

/// The settings of the rooms that this thread owns.
pub(super) struct CoreSettings {
    pub aggregate: aggregate::Settings,
    pub topology: topology::Settings,
    pub detect: detect::Settings,
    pub alerts: alert::Settings,
}

/// Who asks a device whether it lives, at once.
pub(super) type Ask = Box<dyn Fn(DeviceId) + Send>;

/// All that the thread owns.
pub(super) struct Core {
    pub samples: SampleReceiver,
    pub commands: Receiver<Command>,
    pub table: Table,
    pub topology: Topology,
    pub detectors: Detectors,
    pub book: Book,
    pub gate: Gate,
    pub ask: Ask,
    pub deliverer: Arc<Deliverer>,
    pub history: Option<History>,
    pub exports: Exports,
    pub views: Arc<Views>,
    pub clock: Clock,
    /// What the last sample changed; kept for its memory.
    pub changes: Changes,
    /// What optics last said, by device, in the order of interfaces.
    pub sensors: BTreeMap<DeviceId, Vec<SensorState>>,
    /// Asks the auditor to look at what was just drawn. It holds one: a later drawing is looked at instead of an earlier.
    pub audits: Sender<()>,
    /// The last that it said.
    pub audited: Option<Box<Audit>>,
}

/// How the topology looks into the table.
macro_rules! view {
    ($table:expr) => {
        View { interface: &|id| $table.interface(id), device: &|id| $table.device(id) }
    };
}

/// How the gate looks into the table and the topology.
macro_rules! with_view {
    ($core:ident, $view:ident => $call:expr) => {{
        let labels = |id: &DeviceId| $core.table.device(id).map(|device| device.identity.labels.clone());
        let link_at = |port: &InterfaceId| $core.topology.link_at(port).map(subject_of);
        let missing = |name: &str| {
            let planned = $core.topology.group(name).map(|group| group.planned.as_slice()).unwrap_or_default();
            let down = planned.iter().filter(|id| {
                let state = $core.topology.link_state(Timestamp::default(), id, view!($core.table));
                state.is_some_and(|state| state.health == LinkHealth::Down)
            });
            down.filter_map(|id| $core.topology.link(id)).map(subject_of).collect()
        };
        let because = |key: &FindingKey| {
            let points = $core.audited.iter().flat_map(|audit| &audit.ledger.points);
            let mut points = points.filter(|point| detect::single_points::key(&point.part) == *key);
            let links = points.next()?.because.iter();
            Some(links.filter_map(|id| $core.topology.link(id)).map(subject_of).collect())
        };
        let silent = |id: &LinkId, since: Timestamp| {
            let Some(link) = $core.topology.link_state(since, id, view!($core.table)) else { return Vec::new() };
            let ends = [link.a, link.b].into_iter().filter(|end| end.end.watched && !says_down(end.oper_status));
            let devices = ends.map(|end| end.end.interface.device);
            let answered = |id: &DeviceId| $core.table.device(id).and_then(|device| device.answered_at);
            devices.filter(|id| answered(id).is_none_or(|at| at <= since)).collect()
        };
        let $view =
            alert::View { labels: &labels, link_at: &link_at, missing: &missing, because: &because, silent: &silent };
        $call
    }};
}

/// What was told and shown when.
#[derive(Default)]
struct Pace {
    drawn_at: Timestamp,
    remembered_at: Timestamp,
    forgot_at: Timestamp,
    /// Numbers changed since the last drawing.
    stale: bool,
    /// Links or groups changed since they were last written down.
    forgotten: bool,
}

impl Core {
    /// Run until told to stop or until nobody can send samples any more.
    pub(super) fn run(mut self) {
        let mut pace = Pace::default();
        with_view!(self, view => self.gate.restore(&self.book, view));
        self.show_silences();
        self.views.show_alerts(self.book.alerts().cloned().collect());
        loop {
            self.samples.wait(TICK);
            let now = (self.clock)();
            let mut told = Vec::new();
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Reconfigure(settings)) => {
                        self.reconfigure(now, *settings, &mut told);
                        pace.stale = true;
                    }
                    Ok(Command::Forecast(of)) => {
                        let verdicts = self.detectors.forecast(now, &of);
                        self.observe(now, verdicts, &mut told);
                    }
                    Ok(Command::Silence(silence, answer)) => {
                        let done = self.gate.silences_mut().add(now, (*silence).clone()).map(|()| *silence);
                        self.silenced(done, &answer);
                    }
                    Ok(Command::EndSilence(id, answer)) => {
                        let done = self.gate.silences_mut().end(now, &id).cloned();
                        self.silenced(done, &answer);
                    }
                    Ok(Command::Audited(audit)) => {
                        let verdicts = self.detectors.audit(now, &audit);
                        // What is told of a point is judged by what made it one.
                        self.audited = Some(audit);
                        self.observe(now, verdicts, &mut told);
                    }
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                        self.submit(now, told, &mut pace);
                        self.remember();
                        return;
                    }
                    Err(TryRecvError::Empty) => break,
                }
            }
            for _ in 0..BURST {
                let Some(sample) = self.samples.pop() else { break };
                let before = told.len();
                self.take(&sample, &mut told);
                pace.stale = true;
                // An alert does not wait for the rest of the burst.
                if told.len() > before {
                    self.submit(now, std::mem::take(&mut told), &mut pace);
                    pace.drawn_at = Timestamp::default();
                }
                if self.gate.waits_for(&sample.device) && answers(&sample.reading) {
                    let device = &sample.device;
                    let steps = with_view!(self, view => self.gate.heard(now, device, &mut self.book, view));
                    self.hand_over(now, steps, &mut pace);
                }
                if let (Some(history), Reading::Poll(_)) = (&self.history, &sample.reading) {
                    history.offer(sample);
                }
            }
            let now = (self.clock)();
            self.pass(now, &mut told, &mut pace);
            self.submit(now, told, &mut pace);
            let steps = with_view!(self, view => self.gate.tick(now, &mut self.book, view));
            self.hand_over(now, steps, &mut pace);
            self.show(now, &mut pace);
            self.views.ticked(now);
        }
    }

    /// One sample through all rooms.
    fn take(&mut self, sample: &Sample, told: &mut Vec<Transition>) {
        let now = sample.taken_at;
        let device = &sample.device;
        // Its memory is kept from sample to sample.
        let mut changes = std::mem::take(&mut self.changes);
        self.table.apply(sample, &mut changes);
        match &sample.reading {
            Reading::Identity(identity) => drop(self.topology.learn_identity(now, device, identity)),
            Reading::Inventory(interfaces) => drop(self.topology.learn_inventory(now, device, interfaces)),
            Reading::Neighbors(rows) => drop(self.topology.learn_neighbors(now, device, rows)),
            Reading::Retired => {
                self.topology.forget(now, device);
                self.detectors.forget(device);
                self.sensors.remove(device);
                // The book says it better than the detectors' "absent": it is no longer watched.
                told.extend(self.book.retire(now, |key| concerns(key, device)));
            }
            Reading::Aggregations(members) => drop(self.topology.learn_aggregations(now, device, members)),
            Reading::SpanningTree(ports) => drop(self.topology.learn_spanning_tree(now, device, ports)),
            Reading::NextHops(hops) => drop(self.topology.learn_next_hops(now, device, hops)),
            Reading::Gateways(gateways) => drop(self.topology.learn_gateways(now, device, gateways)),
            Reading::Sensors(sensors) => self.look_at_optics(now, device, sensors, told),
            Reading::Poll(_) | Reading::Event { .. } | Reading::Unreachable(_) => {}
        }
        for interface in &changes.removed {
            let verdicts = self.detectors.forget_interface(interface);
            self.observe(now, verdicts, told);
        }
        let heard = matches!(sample.reading, Reading::Poll(_) | Reading::Event { .. });
        let mut exported = Vec::new();
        if heard && self.exports.is_active() {
            exported.reserve_exact(changes.interfaces.len());
        }
        let rows = if let Reading::Poll(rows) = &sample.reading { rows.as_slice() } else { &[] };
        let mut row_at = 0;
        for &slot in &changes.interfaces {
            let Some(state) = self.table.interface_at(slot) else { continue };
            // Before the first poll its status is unknown, which is no reading.
            if heard {
                self.topology.learn_status(now, &state.id, state.oper_status);
            }
            let link = self.topology.link_at(&state.id);
            let report = link.and_then(|link| self.topology.link_report(now, &link.id, view!(self.table)));
            let table = &self.table;
            let link = report.as_ref().map(|report| &report.state);
            let verdicts = self.detectors.interface(now, &state, link, &|id| table.spread(id, now));
            self.observe(now, verdicts, told);
            match report {
                Some(report) => {
                    self.judge_link(now, &report, told);
                    // Rows and interfaces come in the same order, but for those that were passed over.
                    let row = (0..rows.len())
                        .map(|at| (row_at + at) % rows.len())
                        .find(|at| rows[*at].if_name == state.id.if_name);
                    if let Some(at) = row
                        && state.polled_at == Some(now)
                    {
                        row_at = at + 1;
                        let local = self.table.device(device).is_some_and(|device| device.identity.address.is_none());
                        let (uptime, discontinuity) = (sample.device_uptime, rows[at].discontinuity);
                        let look = detect::silent_loss::Look {
                            now,
                            uptime,
                            discontinuity,
                            state: &state,
                            local,
                            report: &report,
                        };
                        let verdicts = self.detectors.compare(look);
                        self.observe(now, verdicts, told);
                    }
                }
                // A port without a neighbour may be one of an aggregate's all the same.
                None => self.look_at_bundles(now, &state, told),
            }
            if exported.capacity() > 0 {
                exported.push(state);
            }
        }
        if !exported.is_empty() {
            self.exports.offer(device, now, matches!(sample.reading, Reading::Poll(_)), exported);
        }
        if !changes.retired
            && let Some(state) = self.table.device(device)
        {
            let verdicts = self.detectors.device(now, &state);
            self.observe(now, verdicts, told);
        }
        self.changes = changes;
    }

    /// The groups that rest on a port without a link.
    fn look_at_bundles(&mut self, now: Timestamp, state: &InterfaceState, told: &mut Vec<Transition>) {
        let concerns = |name: &&Arc<str>| !state.oper_status.is_up() || self.detectors.tells_of_group(name);
        let names: Vec<_> = self.topology.groups_at(&state.id).iter().filter(concerns).cloned().collect();
        for name in names {
            self.look_at_group(now, &name, told);
        }
    }

    /// All sensors of a device: judged, and kept for those who look.
    fn look_at_optics(&mut self, now: Timestamp, device: &DeviceId, sensors: &[Sensor], told: &mut Vec<Transition>) {
        let of = |sensor: &Sensor| InterfaceId { device: device.clone(), if_name: Arc::clone(&sensor.if_name) };
        let mut by_port: BTreeMap<InterfaceId, Vec<&Sensor>> = BTreeMap::new();
        // One whose optic was pulled is looked at once more, without any.
        let before = self.sensors.get(device).into_iter().flatten();
        by_port.extend(before.map(|state| (state.interface.clone(), Vec::new())));
        for sensor in sensors {
            by_port.entry(of(sensor)).or_default().push(sensor);
        }
        for (port, sensors) in by_port {
            let Some(state) = self.table.interface(&port) else { continue };
            let verdicts = self.detectors.optics(now, &state, &sensors);
            self.observe(now, verdicts, told);
        }
        let kept = |sensor: &Sensor| SensorState { interface: of(sensor), sensor: sensor.clone(), read_at: now };
        self.sensors.insert(device.clone(), sensors.iter().map(kept).collect());
    }

    /// A link and the groups it belongs to.
    fn look_at_link(&mut self, now: Timestamp, id: &LinkId, told: &mut Vec<Transition>) {
        if let Some(report) = self.topology.link_report(now, id, view!(self.table)) {
            self.judge_link(now, &report, told);
        }
    }

    fn judge_link(&mut self, now: Timestamp, report: &LinkReport, told: &mut Vec<Transition>) {
        let verdicts = self.detectors.link(now, report);
        self.observe(now, verdicts, told);
        if self.detectors.concerns_groups(&report.state) {
            for name in self.topology.groups_of(&report.state.id).to_vec() {
                self.look_at_group(now, &name, told);
            }
        }
    }

    fn look_at_group(&mut self, now: Timestamp, name: &str, told: &mut Vec<Transition>) {
        let Some(report) = self.topology.group_report(now, name, view!(self.table)) else { return };
        let verdicts = self.detectors.group(now, &report);
        self.observe(now, verdicts, told);
    }

    /// What the mere passing of time brings, and what the samples of this round changed in the topology.
    fn pass(&mut self, now: Timestamp, told: &mut Vec<Transition>, pace: &mut Pace) {
        let mut changes = std::mem::take(&mut self.changes);
        self.table.tick(now, &mut changes);
        self.changes = changes;
        let change = self.topology.settle(now);
        if change != topology::Change::default() {
            pace.forgotten = true;
            pace.stale = true;
            pace.drawn_at = Timestamp::default();
            let verdicts = self.detectors.follow(&change);
            self.observe(now, verdicts, told);
            for id in &change.appeared {
                self.look_at_link(now, id, told);
            }
            for name in &change.groups_changed {
                self.look_at_group(now, name, told);
            }
        }
        told.extend(self.book.tick(now));
        let since = now.since(pace.remembered_at);
        if since >= REMEMBER_AT_LEAST_EVERY || (pace.forgotten && since >= REMEMBER_EVERY) {
            self.remember();
            pace.remembered_at = now;
            pace.forgotten = false;
        }
    }

    fn observe(&mut self, now: Timestamp, verdicts: Verdicts, told: &mut Vec<Transition>) {
        for (key, verdict) in verdicts {
            told.extend(self.book.observe(now, &key, verdict));
        }
    }

    fn reconfigure(&mut self, now: Timestamp, settings: CoreSettings, told: &mut Vec<Transition>) {
        self.gate.reconfigure(settings.alerts);
        self.show_silences();
        self.table.reconfigure(settings.aggregate);
        self.topology.reconfigure(settings.topology);
        let mut verdicts = self.detectors.reconfigure(settings.detect);
        if let Some(audit) = &self.audited {
            verdicts.extend(self.detectors.audit(now, audit));
        }
        self.observe(now, verdicts, told);
    }

    /// What the book told: through the gate, which decides who hears of it.
    fn submit(&mut self, now: Timestamp, told: Vec<Transition>, pace: &mut Pace) {
        // Databases get what happened, whoever is told of it.
        if !told.is_empty() && self.exports.is_active() {
            self.exports.offer_alerts(&told);
        }
        let steps = with_view!(self, view => self.gate.pass(now, &mut self.book, told, view));
        self.hand_over(now, steps, pace);
    }

    /// A silence was made or ended, or not.
    fn silenced(&mut self, done: Result<Silence, String>, answer: &Sender<Result<Silence, String>>) {
        if done.is_ok() {
            self.remember_silences();
        }
        // Nobody waits for it any more where this fails; it holds all the same.
        let _ = answer.send(done);
    }

    fn remember_silences(&self) {
        if let Ok(json) = serde_json::to_value(self.gate.silences()) {
            self.deliverer.put_document(SILENCES_DOCUMENT, json);
        }
        self.show_silences();
    }

    fn show_silences(&self) {
        let maintenance = self.gate.settings().maintenance.clone();
        self.views.show_mutes(Mutes { silences: self.gate.silences().clone(), maintenance });
    }

    /// Hand over to those who tell, and show it to those who look.
    fn hand_over(&mut self, now: Timestamp, told: Vec<Transition>, pace: &mut Pace) {
        for device in self.gate.asks() {
            (self.ask)(device);
        }
        if now.since(pace.forgot_at) >= FORGET_EVERY {
            pace.forgot_at = now;
            if self.gate.silences_mut().forget(now) {
                self.remember_silences();
            }
        }
        if told.is_empty() {
            return;
        }
        // Handed over first, so that it is on disk when the alert is.
        if now.since(pace.remembered_at) >= REMEMBER_EVERY {
            self.remember();
            pace.remembered_at = now;
            pace.forgotten = false;
        }
        self.deliverer.submit(told);
        self.views.show_alerts(self.book.alerts().cloned().collect());
    }

    /// Draw links and groups anew: at once when something turned, else at a calm pace.
    fn show(&self, now: Timestamp, pace: &mut Pace) {
        if pace.stale && now.since(pace.drawn_at) >= DRAW_EVERY {
            let (links, groups) = self.topology.snapshot(now, view!(self.table));
            let sensors = self.sensors.values().flatten().cloned().collect();
            let (losses, outline) = (self.detectors.losses(), Arc::clone(self.topology.outline()));
            self.views.show_drawing(Drawing { links, groups, sensors, losses, outline });
            // Full: it will look at this drawing anyway.
            let _ = self.audits.try_send(());
            // What alerts rest on moves on too, without a transition.
            if self.book.active() > 0 {
                self.views.show_alerts(self.book.alerts().cloned().collect());
            }
            pace.drawn_at = now;
            pace.stale = false;
        }
    }

    fn remember(&self) {
        if let Ok(json) = serde_json::to_value(self.topology.memory()) {
            self.deliverer.put_document(TOPOLOGY_DOCUMENT, json);
        }
    }
}

fn subject_of(link: &topology::Link) -> Subject {
    Subject::Link { id: link.id.clone(), a: link.a.interface.clone(), b: link.b.interface.clone() }
}

/// A port of which its own device says that it passes nothing.
const fn says_down(status: OperStatus) -> bool {
    matches!(status, OperStatus::Down | OperStatus::LowerLayerDown | OperStatus::NotPresent | OperStatus::Dormant)
}

/// Does this show that the device answers? A trap does not: nobody has proved who sent it.
const fn answers(reading: &Reading) -> bool {
    matches!(reading, Reading::Poll(_) | Reading::Identity(_) | Reading::Inventory(_) | Reading::Neighbors(_))
}

/// Is this key about the device, alone or at one end?
fn concerns(key: &FindingKey, device: &DeviceId) -> bool {
    let at = |interface: &InterfaceId| interface.device == *device;
    match &key.subject {
        Subject::Device(id) => id == device,
        Subject::Interface(interface) => at(interface),
        Subject::Link { a, b, .. } => at(a) && at(b),
        Subject::Group { device: owner, .. } => owner.as_ref() == Some(device),
    }
}
