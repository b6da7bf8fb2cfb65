//! The thread that looks once a second, and what others may ask it.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use super::super::{Ability, Clock};
use super::HostDrops;
use crate::collect::{HostSettings, SampleSink};
use crate::fabric::{DeviceId, HostLosses, Reading, Sample};

/// How often is looked. The kernel counts meanwhile, so that nothing is lost by looking rarely.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where it could not begin: so often it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What the collector does and saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DropsStatus {
    /// Losses by the kernel's counters.
    pub counters: Ability,
    /// Reasons for them.
    pub reasons: Ability,
    /// What was lost since it began.
    #[serde(flatten)]
    pub losses: Arc<HostLosses>,
    /// How often a processor had more packets to take than it may at a time (softnet's time_squeeze).
    pub time_squeeze: u64,
    /// TCP segments sent again.
    pub tcp_retransmitted: u64,
}

/// Stops the thread when it is dropped.
#[derive(Debug)]
pub struct DropsHandle {
    status: Arc<Mutex<DropsStatus>>,
    orders: Sender<HostSettings>,
    thread: Option<JoinHandle<()>>,
}

impl DropsHandle {
    /// Start it. It never fails: what it cannot do its status tells.
    pub fn start(root: PathBuf, settings: HostSettings, device: DeviceId, sink: SampleSink, clock: Clock) -> Self {
        let status = Arc::new(Mutex::new(DropsStatus::default()));
        let (orders, inbox) = channel();
        let shared = Arc::clone(&status);
        let work = move || {
            let mut settings = settings;
            let mut drops: Option<HostDrops> = None;
            loop {
                let wanted = settings.enabled && settings.drops;
                if !wanted {
                    if drops.take().is_some() {
                        let reading = Reading::HostLosses(Arc::default());
                        sink(Sample { device: device.clone(), taken_at: clock(), device_uptime: None, reading });
                    }
                    set(&shared, |status| {
                        *status =
                            DropsStatus { counters: Ability::Off, reasons: Ability::Off, ..DropsStatus::default() };
                    });
                } else if drops.is_none() {
                    match HostDrops::open(&root, clock()) {
                        Ok(opened) => drops = Some(opened),
                        Err(error) => {
                            let unable = Ability::Unable { why: error.to_string() };
                            set(&shared, |status| (status.counters, status.reasons) = (unable.clone(), unable));
                        }
                    }
                }
                if let Some(drops) = &mut drops {
                    look(drops, &device, &sink, &clock, &shared);
                }
                let pause = if drops.is_some() || !wanted { LOOK_EVERY } else { TRY_AGAIN };
                match inbox.recv_timeout(pause) {
                    Ok(other) => settings = other,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("host-drops".into()).spawn(work);
        let thread = thread
            .map_err(|error| {
                let unable = Ability::Unable { why: format!("no thread could be started for it: {error}") };
                set(&status, |status| (status.counters, status.reasons) = (unable.clone(), unable));
            })
            .ok();
        Self { status, orders, thread }
    }

    /// Other settings hold from now on.
    pub fn reconfigure(&self, settings: HostSettings) {
        // A thread that never started has said so.
        let _ = self.orders.send(settings);
    }

    /// What it does and saw.
    pub fn status(&self) -> DropsStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DropsHandle {
    fn drop(&mut self) {
        // The thread ends when nobody can give orders any more.
        self.orders = channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn set(status: &Mutex<DropsStatus>, change: impl FnOnce(&mut DropsStatus)) {
    change(&mut status.lock().unwrap_or_else(PoisonError::into_inner));
}

fn look(drops: &mut HostDrops, device: &DeviceId, sink: &SampleSink, clock: &Clock, shared: &Mutex<DropsStatus>) {
    let losses = match drops.look() {
        Ok(losses) => Arc::new(losses),
        Err(error) => {
            let unable = Ability::Unable { why: format!("what is lost cannot be read: {error}") };
            set(shared, |status| status.counters = unable);
            return;
        }
    };
    let reasons = match drops.untraced() {
        Some(why) => Ability::Unable { why: why.to_owned() },
        None => Ability::Running,
    };
    let (time_squeeze, tcp_retransmitted) = drops.squeezed_and_retransmitted();
    let told = Arc::clone(&losses);
    set(shared, |status| {
        *status = DropsStatus { counters: Ability::Running, reasons, losses: told, time_squeeze, tcp_retransmitted };
    });
    sink(Sample {
        device: device.clone(),
        taken_at: clock(),
        device_uptime: None,
        reading: Reading::HostLosses(losses),
    });
}
