//! The way out: a durable outbox and those who are told.
//!
//! ```text
//!   core thread --submit--> clerk (thread, owns the store) --one entry--> courier (task, one per receiver) --POST-->
//!                             ^   write down, sync, then hand out           |
//!                             +------------- acknowledged / refused --------+
//! ```
//!
//! What holds, also when the process is killed at any moment:
//!
//! - **Nothing accepted is lost.** A step of an alert and the notifications it brings are one atomic write,
//!   synced to the disk before anybody is told. Each receiver hears all of its notifications, in order, none
//!   taken back or merged: who was down while an alert fired and resolved hears of both, one after the other.
//! - **Nothing acknowledged is repeated.** A notification leaves the outbox with a synced write before the next
//!   one goes out. Only the one notification that was acknowledged just before a kill, its removal not yet on
//!   the disk, is sent once more, with the same `Idempotency-Key`.
//! - **Who was told of an alert hears the rest of it**, even if its new severity would now take another route.
//! - **One slow receiver delays nobody else.**
//! - **A full or failing disk stops no alert.** The clerk then works from memory, says so, and writes everything
//!   down as soon as the disk takes it. What happens in that time does not survive a kill.
//!
//! How often a receiver is spoken to (groups, repeats, a rate) is its own, see [`Pace`]: without a word in the
//! configuration each alert is told by itself, at once and once. Those that leave together are decided once and written
//! down before they leave, so that each attempt, also after a kill, tells the same under the same key. Alertmanager is
//! reminded of what fires, because it forgets: made from what was told it, and not written down, as the next reminder
//! holds all again.

mod alertmanager;
mod clerk;
mod courier;
mod entry;
mod letter;
mod pace;
mod pagerduty;
mod patience;
mod post;
mod queue;
mod settings;
mod slack;
mod stats;
mod store;
mod trial;
mod webhook;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{self, Sender};
use tokio::runtime::Handle;

use crate::alert::{Route, Transition};
use crate::fabric::{DeviceId, Labels, Timestamp};

use clerk::{Clerk, Command};

pub use pace::Pace;
pub use settings::{ReceiverKind, ReceiverSettings};
pub use stats::{Latency, ReceiverStats, Stats};
pub use store::{OpenError, ReadError, Store, WriteError};
pub use trial::{Trial, send_test};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The labels that the operator gave to a device.
pub type DeviceLabels = Arc<dyn Fn(&DeviceId) -> Labels + Send + Sync>;

/// So many handed-over batches may wait for the clerk. It takes all that wait at once and syncs once, so that
/// they pile up only while the disk hangs for long; the core thread then waits too, because nothing may be lost.
const INBOX: usize = 16_384;

/// What the way out needs to know of the rest of the house.
#[derive(Clone)]
pub struct Surroundings {
    /// Where the page is reached, such as `http://monitor:9750`; part of every notification.
    pub external_url: String,
    /// Where the time comes from.
    pub clock: Clock,
    /// Labels that the operator gave to devices.
    pub device_labels: DeviceLabels,
    /// Where couriers run.
    pub runtime: Handle,
}

/// The running way out. Dropping it without [`Deliverer::stop`] keeps on disk what was not sent.
pub struct Deliverer {
    inbox: Sender<Command>,
    stats: Arc<Stats>,
    clerk: Mutex<Option<JoinHandle<()>>>,
}

impl Deliverer {
    /// Start the clerk and the couriers; what the store still holds for these receivers is sent at once.
    ///
    /// # Errors
    /// The outbox cannot be read, or the system gives no thread.
    pub fn start(
        store: Store,
        receivers: Vec<ReceiverSettings>,
        routes: Vec<Route>,
        surroundings: Surroundings,
    ) -> Result<Self, StartError> {
        let (inbox, commands) = channel::bounded(INBOX);
        let stats = Arc::new(Stats::default());
        let clerk = Clerk::new(store, receivers, routes, surroundings, Arc::clone(&stats))?;
        let thread = std::thread::Builder::new()
            .name("alert-clerk".into())
            .spawn(move || clerk.run(&commands))
            .map_err(StartError::Thread)?;
        Ok(Self { inbox, stats, clerk: Mutex::new(Some(thread)) })
    }

    /// Hand over what the book told, in its order. Returns at once; waits only if the disk has been hanging for so
    /// long that the inbox is full. May be called from any plain thread.
    pub fn submit(&self, transitions: Vec<Transition>) {
        if !transitions.is_empty() {
            self.send(Command::Transitions(transitions));
        }
    }

    /// Keep a small document under a name, for [`Store::document`] after a restart. Returns at once.
    pub fn put_document(&self, name: &str, json: serde_json::Value) {
        self.send(Command::Document { name: name.to_owned(), json });
    }

    /// Wait until all that was handed over before is on the disk; or in memory, where the disk fails.
    pub fn settle(&self) {
        let (written, wait) = channel::bounded(1);
        self.send(Command::Settle { written });
        // An error says that the clerk has stopped: then there is nothing to wait for.
        let _ = wait.recv();
    }

    /// Take other receivers and routes from here on. A receiver that stays keeps its queue, and tries again at once
    /// if it was waiting. What waits for one that is gone is kept for a week, in case it comes back under its name.
    pub fn reconfigure(&self, receivers: Vec<ReceiverSettings>, routes: Vec<Route>) {
        self.send(Command::Reconfigure { receivers, routes });
    }

    /// Send what can be sent within `grace`, keep the rest on disk, and close the store. A receiver that fails just
    /// now is not waited for.
    pub async fn stop(&self, grace: Duration) {
        self.send(Command::Stop { grace });
        let thread = self.clerk.lock().ok().and_then(|mut clerk| clerk.take());
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Counters and latencies.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    fn send(&self, command: Command) {
        if self.inbox.send(command).is_err() {
            tracing::error!("alerts were handed over after the stop; they are neither written down nor told");
            self.stats.count_after_stop();
        }
    }
}

/// Why the way out does not start.
#[derive(Debug)]
pub enum StartError {
    /// What is in the outbox cannot be read.
    Read(ReadError),
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "cannot start the thread that delivers alerts: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ReadError> for StartError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
