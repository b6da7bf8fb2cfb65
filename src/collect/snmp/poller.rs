//! The poller: one task for each target, started and stopped as the configuration changes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use super::device::{Device, NameSink, Shared};
use super::door::{Door, Doors, Poke, Status, View};
use super::names::Names;
use super::stats::{Stats, count};
use super::wire::Wire;
use crate::collect::{SampleSink, Target, clock};
use crate::fabric::{DeviceId, Reading, UnreachableReason};
use crate::mib::profile::Profiles;
use crate::snmp::{Access, Credentials};

/// Polls all targets until it is dropped.
pub struct Poller {
    shared: Arc<Shared>,
    tasks: Mutex<HashMap<String, Task>>,
    keys: Mutex<Keys>,
    /// One reconfiguration at a time.
    changing: tokio::sync::Mutex<()>,
    next_nth: AtomicU64,
}

struct Task {
    target: Target,
    door: Arc<Door>,
    running: JoinHandle<()>,
}

/// Credentials made ready, each once: turning a password into a key takes a millisecond.
#[derive(Default)]
struct Keys {
    generation: u64,
    ready: Vec<(Arc<Credentials>, Access)>,
}

/// Which devices are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By name.
    Device(DeviceId),
    /// All at this address, whatever their ports.
    Address(IpAddr),
}

/// How far the targets have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many there are.
    pub targets: usize,
    /// How many answer.
    pub answered: usize,
    /// How many did not answer the last time they were asked.
    pub failed: usize,
}

impl Poller {
    /// Open the sockets; nothing is polled before [`Poller::reconfigure`] names targets. `known` are the names
    /// decided before a restart; `on_name` hears of every change to them, to be kept for the next one.
    ///
    /// # Errors
    /// No socket can be had.
    pub fn start(known: HashMap<String, DeviceId>, sink: SampleSink, on_name: NameSink) -> io::Result<Self> {
        let stats = Arc::new(Stats::default());
        let shared = Shared {
            wire: Wire::open_for_polls(stats.clone(), sink.clone())?,
            stats,
            sink,
            names: Mutex::new(Names::new(known)),
            on_name,
            doors: Doors::default(),
            origin: clock::now(),
            profiles: ArcSwap::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            tasks: Mutex::default(),
            keys: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            next_nth: AtomicU64::new(0),
        })
    }

    /// From now on these are the targets. Those that were there before keep what is known of them, their
    /// sessions and their schedule; those that are gone are retired; of two with one address the first counts.
    pub async fn reconfigure(&self, targets: Vec<Target>) {
        let _changing = self.changing.lock().await;
        let mut wanted: HashMap<String, Target> = HashMap::new();
        let mut order = Vec::new();
        for target in targets {
            if wanted.contains_key(&target.address) {
                tracing::warn!(address = target.address, "this target is listed twice; the first counts");
                continue;
            }
            order.push(target.address.clone());
            wanted.insert(target.address.clone(), target);
        }
        let gone: Vec<(String, Task)> =
            lock(&self.tasks).extract_if(|address, _| !wanted.contains_key(address)).collect();
        for (address, task) in gone {
            self.retire(address, task).await;
        }
        // Names kept from before a restart whose targets were taken off the list meanwhile.
        let stale: Vec<String> =
            self.shared.names().addresses().into_iter().filter(|address| !wanted.contains_key(address)).collect();
        for address in stale {
            // What was told of it before the restart is over: nobody will speak of it any more.
            let device = self.shared.names().provisional(&address);
            self.forget_name(&address);
            self.shared.emit(&device, clock::now(), None, Reading::Retired);
        }
        lock(&self.keys).retain(wanted.values().map(|target| &target.credentials).collect());
        for address in order {
            if let Some(target) = wanted.remove(&address) {
                self.aim(target);
            }
        }
    }

    /// From now on these tell what is read of which devices beside the standard tables; those that are polled already are looked
    /// at anew.
    pub fn set_profiles(&self, profiles: Arc<Profiles>) {
        if self.shared.profiles.load().as_ref() == profiles.as_ref() {
            return;
        }
        self.shared.profiles.store(profiles);
        for task in lock(&self.tasks).values() {
            task.door.poke(Poke::All);
        }
    }

    fn aim(&self, target: Target) {
        let access = match lock(&self.keys).access(&target.credentials) {
            Ok(access) => access,
            Err(error) => {
                tracing::error!(address = target.address, auth = target.auth, ?error, "credentials that give no key");
                let device = self.shared.names().provisional(&target.address);
                let reading = Reading::Unreachable(UnreachableReason::Authentication);
                return self.shared.emit(&device, clock::now(), None, reading);
            }
        };
        let mut tasks = lock(&self.tasks);
        match tasks.get_mut(&target.address) {
            Some(task) if task.target == target => {}
            Some(task) => {
                task.target = target.clone();
                task.door.retarget(target, access);
            }
            None => {
                let door = Door::new();
                let nth = self.next_nth.fetch_add(1, Ordering::Relaxed);
                let device = Device::new(self.shared.clone(), door.clone(), nth, target.clone(), access);
                let running = tokio::spawn(device.run());
                tasks.insert(target.address.clone(), Task { target, door, running });
            }
        }
    }

    async fn retire(&self, address: String, task: Task) {
        task.running.abort();
        // Its last word is out before the device is said to be gone.
        let _ = task.running.await;
        self.shared.wire.settle().await;
        self.shared.doors.leave(&task.door, None);
        let device = task.door.view().map(|view| view.device);
        let device = device.unwrap_or_else(|| self.shared.names().provisional(&address));
        self.forget_name(&address);
        self.shared.emit(&device, clock::now(), None, Reading::Retired);
    }

    fn forget_name(&self, address: &str) {
        let change = self.shared.names().forget(address);
        if let Some(change) = change {
            (self.shared.on_name)(change);
        }
    }

    /// Look at a device now and not when it is due. Wishes that come faster than looks are served together.
    pub fn poke(&self, who: &Who, what: Poke) {
        let doors = match who {
            Who::Address(address) => self.shared.doors.at(address.to_canonical()),
            Who::Device(device) => {
                let named = |door: &&Arc<Door>| door.view().is_some_and(|view| view.device == *device);
                lock(&self.tasks).values().map(|task| &task.door).filter(named).cloned().collect()
            }
        };
        for door in doors {
            count(&self.shared.stats.pokes);
            if !door.poke(what) {
                count(&self.shared.stats.pokes_coalesced);
            }
        }
    }

    /// The devices that are asked at an address, whatever their ports.
    pub fn devices_at(&self, address: IpAddr) -> Vec<View> {
        self.shared.doors.at(address.to_canonical()).iter().filter_map(|door| door.view()).collect()
    }

    /// All credentials in use, ready, and a number that changes when they do.
    pub fn credentials(&self) -> (u64, Vec<(Arc<Credentials>, Access)>) {
        let keys = lock(&self.keys);
        (keys.generation, keys.ready.clone())
    }

    /// The number that [`Poller::credentials`] gives, without them.
    pub fn credentials_generation(&self) -> u64 {
        lock(&self.keys).generation
    }

    /// How far the targets have come.
    pub fn progress(&self) -> Progress {
        let tasks = lock(&self.tasks);
        let with = |status| tasks.values().filter(|task| task.door.status() == status).count();
        Progress { targets: tasks.len(), answered: with(Status::Answered), failed: with(Status::Failed) }
    }

    /// What it counts about itself.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.shared.stats
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        for task in lock(&self.tasks).values() {
            task.running.abort();
        }
    }
}

impl Keys {
    fn access(&mut self, credentials: &Arc<Credentials>) -> Result<Access, crate::snmp::usm::KeyError> {
        if let Some((_, access)) = self.ready.iter().find(|(known, _)| known == credentials) {
            return Ok(access.clone());
        }
        let access = Access::new(credentials)?;
        self.ready.push((credentials.clone(), access.clone()));
        self.generation += 1;
        Ok(access)
    }

    fn retain(&mut self, used: HashSet<&Arc<Credentials>>) {
        let before = self.ready.len();
        self.ready.retain(|(credentials, _)| used.contains(credentials));
        self.generation += u64::from(self.ready.len() != before);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
