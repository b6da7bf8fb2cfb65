//! The core's thread: it owns the [`Pipeline`] (the table, the topology, the detectors, the book, the gate) and is the only one
//! to drive it.
//!
//! ```text
//!   queue --sample--> pipeline --transitions--> deliverer
//!                      ^  \--> views (links, groups, alerts) --> auditor (a thread of its own)
//!                      +----- ledger ------------------------------/
//! ```
//!
//! Nothing here waits: samples come from a bounded queue, transitions go to a deliverer that writes them down in a thread of
//! its own, history and exports take what they can, and readers take what was last shown.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError};

use super::pipeline::{Pipeline, PipelineSettings};
use super::views::{Drawing, Views};
use crate::aggregate::SampleReceiver;
use crate::alert::{Change, Mutes, Silence, Transition};
use crate::deliver::{Clock, Deliverer};
use crate::detect;
use crate::export::Exports;
use crate::fabric::{DeviceId, Reading, Timestamp};
use crate::history::History;
use crate::topology::headroom::Headroom;
use crate::topology::ledger::Audit;

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
    Reconfigure(Box<PipelineSettings>),
    /// A direction's history was looked at.
    Forecast(Box<detect::forecast::Subjected>),
    /// Silence alerts, and say when that is written down or why it is not.
    Silence(Box<Silence>, Sender<Result<Silence, String>>),
    /// End a silence by its id, likewise.
    EndSilence(String, Sender<Result<Silence, String>>),
    /// The ledger was written anew.
    Audited(Box<Audit>),
    /// It was looked where load would go.
    Headroom(Arc<Headroom>),
    /// End.
    Stop,
}

/// Who asks a device whether it lives, at once.
pub(super) type Ask = Box<dyn Fn(DeviceId) + Send>;

/// All that the thread owns.
pub(super) struct Core {
    pub samples: SampleReceiver,
    pub commands: Receiver<Command>,
    pub pipeline: Pipeline,
    pub ask: Ask,
    pub deliverer: Arc<Deliverer>,
    pub history: Option<History>,
    pub exports: Exports,
    pub views: Arc<Views>,
    pub clock: Clock,
    /// Asks the auditor to look at what was just drawn. It holds one: a later drawing is looked at instead of an earlier.
    pub audits: Sender<()>,
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
        self.show_silences();
        self.views.show_alerts(self.pipeline.book.alerts().cloned().collect());
        loop {
            self.samples.wait(TICK);
            let now = (self.clock)();
            loop {
                let steps = match self.commands.try_recv() {
                    Ok(Command::Reconfigure(settings)) => {
                        pace.stale = true;
                        let steps = self.pipeline.reconfigure(now, *settings);
                        self.show_silences();
                        steps
                    }
                    Ok(Command::Forecast(of)) => self.pipeline.forecast(now, &of),
                    Ok(Command::Silence(silence, answer)) => {
                        let silences = self.pipeline.gate.silences_mut();
                        let done = silences.add(now, (*silence).clone()).map(|()| *silence);
                        self.silenced(done, &answer);
                        continue;
                    }
                    Ok(Command::EndSilence(id, answer)) => {
                        let done = self.pipeline.gate.silences_mut().end(now, &id).cloned();
                        self.silenced(done, &answer);
                        continue;
                    }
                    Ok(Command::Audited(audit)) => self.pipeline.audit(now, audit),
                    Ok(Command::Headroom(headroom)) => self.pipeline.headroom(now, &headroom),
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                        self.remember();
                        return;
                    }
                    Err(TryRecvError::Empty) => break,
                };
                self.hand_over(now, steps, &mut pace);
            }
            for _ in 0..BURST {
                let Some(sample) = self.samples.pop() else { break };
                self.pipeline.keep_touched = self.exports.is_active();
                let steps = self.pipeline.take(now, &sample);
                let touched = std::mem::take(&mut self.pipeline.touched);
                if !touched.is_empty() {
                    let polled = matches!(sample.reading, Reading::Poll(_));
                    self.exports.offer(&sample.device, sample.taken_at, polled, touched);
                }
                pace.stale = true;
                // An alert does not wait for the rest of the burst.
                if !steps.is_empty() {
                    pace.drawn_at = Timestamp::default();
                    self.hand_over(now, steps, &mut pace);
                }
                if let (Some(history), Reading::Poll(_)) = (&self.history, &sample.reading) {
                    history.offer(sample);
                }
            }
            let now = (self.clock)();
            self.pass(now, &mut pace);
            self.show(now, &mut pace);
            self.views.ticked(now);
        }
    }

    /// What the mere passing of time brings.
    fn pass(&mut self, now: Timestamp, pace: &mut Pace) {
        let (steps, changed) = self.pipeline.pass(now);
        if changed {
            pace.forgotten = true;
            pace.stale = true;
            pace.drawn_at = Timestamp::default();
        }
        let since = now.since(pace.remembered_at);
        if since >= REMEMBER_AT_LEAST_EVERY || (pace.forgotten && since >= REMEMBER_EVERY) {
            self.remember();
            pace.remembered_at = now;
            pace.forgotten = false;
        }
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
        if let Ok(json) = serde_json::to_value(self.pipeline.gate.silences()) {
            self.deliverer.put_document(SILENCES_DOCUMENT, json);
        }
        self.show_silences();
    }

    fn show_silences(&self) {
        let maintenance = self.pipeline.gate.settings().maintenance.clone();
        self.views.show_mutes(Mutes { silences: self.pipeline.gate.silences().clone(), maintenance });
    }

    /// Hand over to those who tell, and show it to those who look.
    fn hand_over(&mut self, now: Timestamp, told: Vec<Transition>, pace: &mut Pace) {
        for device in self.pipeline.gate.asks() {
            (self.ask)(device);
        }
        if now.since(pace.forgot_at) >= FORGET_EVERY {
            pace.forgot_at = now;
            if self.pipeline.gate.silences_mut().forget(now) {
                self.remember_silences();
            }
        }
        if told.is_empty() {
            return;
        }
        // Databases get what happened, whoever is told of it: not what the gate alone adds.
        if self.exports.is_active() {
            let happened = |step: &&Transition| !matches!(step.change, Change::Standing | Change::Released);
            let happened: Vec<Transition> = told.iter().filter(happened).cloned().collect();
            if !happened.is_empty() {
                self.exports.offer_alerts(&happened);
            }
        }
        // Handed over first, so that it is on disk when the alert is.
        if now.since(pace.remembered_at) >= REMEMBER_EVERY {
            self.remember();
            pace.remembered_at = now;
            pace.forgotten = false;
        }
        self.deliverer.submit(told);
        self.views.show_alerts(self.pipeline.book.alerts().cloned().collect());
    }

    /// Draw links and groups anew: at once when something turned, else at a calm pace.
    fn show(&self, now: Timestamp, pace: &mut Pace) {
        if pace.stale && now.since(pace.drawn_at) >= DRAW_EVERY {
            let (links, groups) = self.pipeline.snapshot(now);
            let sensors = self.pipeline.sensors.values().flatten().cloned().collect();
            let (losses, outline) = (self.pipeline.detectors.losses(), Arc::clone(self.pipeline.topology.outline()));
            self.views.show_drawing(Drawing { links, groups, sensors, losses, outline });
            // Full: it will look at this drawing anyway.
            let _ = self.audits.try_send(());
            // What alerts rest on moves on too, without a transition.
            if self.pipeline.book.active() > 0 {
                self.views.show_alerts(self.pipeline.book.alerts().cloned().collect());
            }
            pace.drawn_at = now;
            pace.stale = false;
        }
    }

    fn remember(&self) {
        if let Ok(json) = serde_json::to_value(self.pipeline.topology.memory()) {
            self.deliverer.put_document(TOPOLOGY_DOCUMENT, json);
        }
    }
}
