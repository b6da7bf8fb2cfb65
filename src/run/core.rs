//! The core thread: it owns the table, the topology, the detectors and the book, and is the only one to write them.
//!
//! ```text
//!   queue --sample--> table.apply --touched--> detectors --verdicts--> book --transitions--> deliverer
//!                         |                       ^                                \--> views (alerts)
//!                         +--> topology.learn ----+--> views (links, groups)
//! ```
//!
//! Nothing here waits: samples come from a bounded queue, transitions go to a deliverer that writes them down in a thread of
//! its own, history and exports take what they can, and readers take what was last shown.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, TryRecvError};

use super::views::{Drawing, Views};
use crate::aggregate::{Changes, SampleReceiver, Table};
use crate::alert::{Book, Transition};
use crate::deliver::{Clock, Deliverer};
use crate::detect::{Detectors, Verdicts};
use crate::export::Exports;
use crate::fabric::{DeviceId, FindingKey, InterfaceId, LinkId, Reading, Sample, Subject, Timestamp};
use crate::history::History;
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

/// What the thread is told beside samples.
pub(super) enum Command {
    /// New settings.
    Reconfigure(Box<CoreSettings>),
    /// End.
    Stop,
}

/// The settings of the rooms that this thread owns.
pub(super) struct CoreSettings {
    pub aggregate: aggregate::Settings,
    pub topology: topology::Settings,
    pub detect: detect::Settings,
}

/// All that the thread owns.
pub(super) struct Core {
    pub samples: SampleReceiver,
    pub commands: Receiver<Command>,
    pub table: Table,
    pub topology: Topology,
    pub detectors: Detectors,
    pub book: Book,
    pub deliverer: Arc<Deliverer>,
    pub history: Option<History>,
    pub exports: Exports,
    pub views: Arc<Views>,
    pub clock: Clock,
    /// What the last sample changed; kept for its memory.
    pub changes: Changes,
}

/// How the topology looks into the table.
macro_rules! view {
    ($table:expr) => {
        View { interface: &|id| $table.interface(id), device: &|id| $table.device(id) }
    };
}

/// What was told and shown when.
#[derive(Default)]
struct Pace {
    drawn_at: Timestamp,
    remembered_at: Timestamp,
    /// Numbers changed since the last drawing.
    stale: bool,
    /// Links or groups changed since they were last written down.
    forgotten: bool,
}

impl Core {
    /// Run until told to stop or until nobody can send samples any more.
    pub(super) fn run(mut self) {
        let mut pace = Pace::default();
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
                if let (Some(history), Reading::Poll(_)) = (&self.history, &sample.reading) {
                    history.offer(sample);
                }
            }
            let now = (self.clock)();
            self.pass(now, &mut told, &mut pace);
            self.submit(now, told, &mut pace);
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
                // The book says it better than the detectors' "absent": it is no longer watched.
                told.extend(self.book.retire(now, |key| concerns(key, device)));
            }
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
        for &slot in &changes.interfaces {
            let Some(state) = self.table.interface_at(slot) else { continue };
            // Before the first poll its status is unknown, which is no reading.
            if heard {
                self.topology.learn_status(now, &state.id, state.oper_status);
            }
            let link = self.topology.link_at(&state.id);
            let report = link.and_then(|link| self.topology.link_report(now, &link.id, view!(self.table)));
            let verdicts = self.detectors.interface(now, &state, report.as_ref().map(|report| &report.state));
            self.observe(now, verdicts, told);
            if let Some(report) = report {
                self.judge_link(now, &report, told);
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
        self.table.reconfigure(settings.aggregate);
        self.topology.reconfigure(settings.topology);
        let verdicts = self.detectors.reconfigure(settings.detect);
        self.observe(now, verdicts, told);
    }

    /// Hand over to those who tell, and show it to those who look.
    fn submit(&self, now: Timestamp, told: Vec<Transition>, pace: &mut Pace) {
        if told.is_empty() {
            return;
        }
        // Handed over first, so that it is on disk when the alert is.
        if now.since(pace.remembered_at) >= REMEMBER_EVERY {
            self.remember();
            pace.remembered_at = now;
            pace.forgotten = false;
        }
        if self.exports.is_active() {
            self.exports.offer_alerts(&told);
        }
        self.deliverer.submit(told);
        self.views.show_alerts(self.book.alerts().cloned().collect());
    }

    /// Draw links and groups anew: at once when something turned, else at a calm pace.
    fn show(&self, now: Timestamp, pace: &mut Pace) {
        if pace.stale && now.since(pace.drawn_at) >= DRAW_EVERY {
            let (links, groups) = self.topology.snapshot(now, view!(self.table));
            self.views.show_drawing(Drawing { links, groups });
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
