//! The forecast's thread: it reads the history of directions that may fill up and hands what comes of it to the core.
//!
//! ```text
//!   every hour: candidates --one by one--> History::interface --hours--> detect::forecast --Command--> core
//! ```
//!
//! It is in no hurry: after each interface it sleeps nine times as long as that took, so that it never takes more than a
//! tenth of one core, and a round may take as long as it likes. Directions that are nowhere near their capacity are not
//! looked at; what was said of a direction is looked at again until it is over.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender};

use super::core::Command;
use super::views::Views;
use crate::collect::clock;
use crate::detect::forecast::{self, Hours, Settings, Subjected};
use crate::fabric::{Direction, FindingKind, InterfaceId, LinkState, Subject, Timestamp};
use crate::history::History;

/// The first round begins so long after the start: by then devices have been read.
const FIRST_AFTER: Duration = Duration::from_secs(120);
/// So far the history is read back. More than a quarter of a year says little of the next month.
const LOOK_BACK_H: i64 = 8 * 7 * 24;
/// Directions whose highest utilisation of the last day was below this share of the threshold are far from it.
const NEAR: f64 = 1.0 / 3.0;
/// It sleeps so many times as long as it works.
const REST: u32 = 9;
const HOUR_S: i64 = 3_600;

/// The thread. It ends when this is dropped.
pub(super) struct Forecaster {
    settings: Arc<ArcSwap<Settings>>,
    /// Taken when it is dropped, which ends the thread's sleep.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Forecaster {
    pub(super) fn start(
        settings: Settings,
        history: History,
        views: Arc<Views>,
        core: Sender<Command>,
    ) -> std::io::Result<Self> {
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (stop, stopped) = channel::bounded(0);
        let worker = Worker { settings: Arc::clone(&settings), history, views, core, stopped };
        let thread = std::thread::Builder::new().name("forecast".into()).spawn(move || worker.run())?;
        Ok(Self { settings, stop: Some(stop), thread: Some(thread) })
    }

    /// Other settings hold from the next interface on.
    pub(super) fn reconfigure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }
}

impl Drop for Forecaster {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the forecast ended in a panic");
        }
    }
}

struct Worker {
    settings: Arc<ArcSwap<Settings>>,
    history: History,
    views: Arc<Views>,
    core: Sender<Command>,
    stopped: Receiver<()>,
}

/// A direction to be looked at.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    interface: InterfaceId,
    direction: Direction,
    capacity_bps: u64,
}

impl Worker {
    fn run(self) {
        let mut sleep = FIRST_AFTER;
        while !self.sleeps(sleep) {
            let began = Instant::now();
            if self.settings.load().enabled && self.round() {
                return;
            }
            sleep = self.settings.load().every.saturating_sub(began.elapsed());
        }
    }

    /// True if it is to end.
    fn sleeps(&self, span: Duration) -> bool {
        !matches!(self.stopped.recv_timeout(span), Err(RecvTimeoutError::Timeout))
    }

    /// One look at everything. True if it is to end.
    fn round(&self) -> bool {
        let settings = self.settings.load_full();
        let told = self.told();
        for candidate in candidates(&self.views, &settings, &told, clock::now()) {
            let began = Instant::now();
            if let Some(of) = look(&settings, &self.history, candidate, clock::now())
                && self.core.send(Command::Forecast(Box::new(of))).is_err()
            {
                // The core is gone: so will this be.
                return true;
            }
            if self.sleeps(began.elapsed() * REST) {
                return true;
            }
        }
        false
    }

    /// Directions that something was said of.
    fn told(&self) -> HashSet<(InterfaceId, Direction)> {
        let alerts = self.views.alerts();
        let told = alerts.iter().filter(|alert| alert.is_active()).map(|alert| alert.key());
        told.filter(|key| key.kind == FindingKind::SaturationForecast)
            .filter_map(|key| match (&key.subject, key.direction) {
                (Subject::Interface(id), Some(direction)) => Some((id.clone(), direction)),
                _ => None,
            })
            .collect()
    }
}

/// Directions that may fill up, and those that something was said of.
fn candidates(
    views: &Views,
    settings: &Settings,
    told: &HashSet<(InterfaceId, Direction)>,
    now: Timestamp,
) -> Vec<Candidate> {
    let drawing = views.drawing();
    let mut linked: Vec<(&InterfaceId, &LinkState)> =
        drawing.links.iter().flat_map(|link| [&link.a, &link.b].map(|end| (&end.end.interface, link))).collect();
    linked.sort_unstable_by(|one, other| one.0.cmp(other.0));
    let table = views.table();
    let mut found = Vec::new();
    for device in table.devices() {
        for state in table.interfaces_of(&device.id) {
            let link = linked.binary_search_by(|(id, _)| (*id).cmp(&state.id)).ok().map(|at| linked[at].1);
            // Of a cable the slower end is the capacity, and the sender tells where it is watched.
            let far = link.map(|link| if link.a.end.interface == state.id { &link.b } else { &link.a });
            let far_bps = far.and_then(|far| far.speed_bps);
            let Some(capacity_bps) = [state.speed_bps, far_bps].into_iter().flatten().min() else { continue };
            let spread = table.spread(&state.id, now);
            for direction in [Direction::Out, Direction::In] {
                if direction == Direction::In && far.is_some_and(|far| far.end.watched) {
                    continue;
                }
                let day = spread.and_then(|spread| match direction {
                    Direction::Out => spread.sent.day,
                    Direction::In => spread.received.day,
                });
                let scale = state.speed_bps.map_or(1.0, |own| own as f64 / capacity_bps as f64);
                let near = day.is_some_and(|day| day.scaled(scale).max >= settings.threshold * NEAR);
                if near || told.contains(&(state.id.clone(), direction)) {
                    found.push(Candidate { interface: state.id.clone(), direction, capacity_bps });
                }
            }
        }
    }
    found
}

/// The outlook of one direction; none where the history cannot be read, which it says itself.
fn look(settings: &Settings, history: &History, of: Candidate, now: Timestamp) -> Option<Subjected> {
    let Candidate { interface, direction, capacity_bps } = of;
    // Whole hours: the one that goes on is not over.
    let to = now.as_micros() / 1_000_000 / HOUR_S * HOUR_S;
    let from = to - LOOK_BACK_H * HOUR_S;
    let series = history.interface(&interface, from, to, HOUR_S as u32).ok()?;
    let bps = match direction {
        Direction::Out => series.out_bps,
        Direction::In => series.in_bps,
    };
    let means = bps.into_iter().map(|bps| bps.map(|bps| bps / capacity_bps as f64)).collect();
    let hours = Hours { from: Timestamp::from_secs(from), means };
    Some(Subjected { outlook: forecast::outlook(settings, &hours), interface, direction, capacity_bps })
}

#[cfg(test)]
mod tests;
