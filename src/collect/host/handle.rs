//! The collector as others hold it.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::machine::Machine;
use super::worker::Worker;
use super::{Ability, Clock, Stats, Status};
use crate::collect::{HostSettings, SampleSink};
use crate::fabric::DeviceId;

/// Stops the collector when it is dropped.
#[derive(Debug)]
pub struct Handle {
    device: DeviceId,
    shared: Arc<Shared>,
    /// None where no thread could be started.
    thread: Option<(JoinHandle<()>, UnixStream)>,
}

/// What the handle and the thread share. The locks are held for a copy only.
#[derive(Debug, Default)]
pub(super) struct Shared {
    orders: Mutex<(HostSettings, bool)>,
    status: Mutex<Status>,
    pub count: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count {
    pub dumps: AtomicU64,
    pub notices: AtomicU64,
    pub lost: AtomicU64,
    pub events: AtomicU64,
    pub lldp_units: AtomicU64,
    pub lldp_malformed: AtomicU64,
}

impl Shared {
    /// The settings that hold, and whether to stop.
    pub fn orders(&self) -> (HostSettings, bool) {
        lock(&self.orders).clone()
    }

    pub fn status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }
}

/// What is behind the locks is always whole, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    pub(super) fn start(root: PathBuf, settings: HostSettings, sink: SampleSink, clock: Clock) -> Self {
        let machine = Machine::new(root);
        let device = DeviceId::from(machine.host_name());
        let shared = Arc::new(Shared::default());
        *lock(&shared.orders) = (settings.clone(), false);
        if !settings.enabled {
            shared.status(|status| (status.counters, status.lldp) = (Ability::Off, Ability::Off));
        }
        let started = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            let (device, shared) = (device.clone(), Arc::clone(&shared));
            let worker = Worker { machine, device, sink, clock, shared, wake: theirs, settings, watch: None };
            let thread = std::thread::Builder::new().name("host".into()).spawn(move || worker.run())?;
            Ok((thread, ours))
        });
        let thread = match started {
            Ok(thread) => Some(thread),
            Err(error) => {
                let unable = || Ability::Unable { why: format!("no thread could be started for it: {error}") };
                shared.status(|status| (status.counters, status.lldp) = (unable(), unable()));
                None
            }
        };
        Self { device, shared, thread }
    }

    /// The name by which this machine is known: it does not change while the collector lives.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Other settings hold from now on. Switched off, the device is retired.
    pub fn reconfigure(&self, settings: HostSettings) {
        lock(&self.shared.orders).0 = settings;
        self.wake();
    }

    /// What works and what does not, and why.
    pub fn status(&self) -> Status {
        lock(&self.shared.status).clone()
    }

    /// What was done.
    pub fn stats(&self) -> Stats {
        let count = &self.shared.count;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            dumps: of(&count.dumps),
            notices: of(&count.notices),
            lost: of(&count.lost),
            events: of(&count.events),
            lldp_units: of(&count.lldp_units),
            lldp_malformed: of(&count.lldp_malformed),
        }
    }

    /// Stop it, and wait for it.
    pub fn stop(self) {
        drop(self);
    }

    fn wake(&self) {
        if let Some((_, wake)) = &self.thread {
            // A full pipe wakes as well as one more byte would.
            let _ = (&*wake).write(&[0]);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        lock(&self.shared.orders).1 = true;
        self.wake();
        if let Some((thread, _)) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
