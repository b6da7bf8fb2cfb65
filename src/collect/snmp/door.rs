//! Where others knock at a device's task, and see what it shows: the only way in while it runs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::engine::{Habits, Word};
use crate::collect::Target;
use crate::fabric::{DeviceId, InterfaceInfo};
use crate::snmp::{Access, Credentials};

/// What to look at, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poke {
    /// States and counters; again when the agent's own cache is sure to have caught up.
    States,
    /// The same, and its neighbours.
    Neighbors,
    /// Everything: it started anew.
    All,
}

/// What is wished for and not yet begun.
#[derive(Default)]
pub(super) struct Knocks {
    /// Other settings for the same target.
    pub(super) retarget: Option<(Target, Access)>,
    /// What polls told.
    pub(super) word: Word,
    pub(super) states: bool,
    pub(super) neighbors: bool,
    pub(super) all: bool,
}

/// What a task shows of its device once it knows where it is.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub device: DeviceId,
    /// Where it is asked.
    pub address: SocketAddr,
    /// What it is asked with.
    pub credentials: Arc<Credentials>,
    /// Its last inventory, in the order of ifIndex.
    pub interfaces: Arc<[Arc<InterfaceInfo>]>,
}

impl View {
    /// The name of the interface with this index.
    pub fn interface(&self, if_index: u32) -> Option<&Arc<str>> {
        let at = self.interfaces.binary_search_by_key(&if_index, |info| info.if_index).ok()?;
        self.interfaces.get(at).map(|info| &info.if_name)
    }
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    /// Not asked yet, or no answer yet.
    Waiting,
    /// Answers.
    Answered,
    /// Did not answer the last time it was asked.
    Failed,
}

/// The door of one task.
pub(super) struct Door {
    knocks: Mutex<Knocks>,
    bell: Notify,
    view: Mutex<Option<View>>,
    /// How it likes to be asked, when nobody polls it.
    habits: Mutex<Option<Habits>>,
    status: AtomicU8,
}

impl Door {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            knocks: Mutex::default(),
            bell: Notify::new(),
            view: Mutex::default(),
            habits: Mutex::default(),
            status: AtomicU8::new(Status::Waiting as u8),
        })
    }

    /// From outside: wish for a look. False where an equal wish is still waiting.
    pub(super) fn poke(&self, what: Poke) -> bool {
        let mut knocks = lock(&self.knocks);
        let wishes = (knocks.states, knocks.neighbors, knocks.all);
        knocks.states = true;
        knocks.neighbors |= what == Poke::Neighbors;
        knocks.all |= what == Poke::All;
        let new = wishes != (knocks.states, knocks.neighbors, knocks.all);
        drop(knocks);
        self.bell.notify_one();
        new
    }

    /// From outside: the target's settings have changed.
    pub(super) fn retarget(&self, target: Target, access: Access) {
        lock(&self.knocks).retarget = Some((target, access));
        self.bell.notify_one();
    }

    /// From whoever polls it: what a poll told.
    pub(super) fn tell(&self, word: Word) {
        let mut knocks = lock(&self.knocks);
        knocks.word.failed = word.failed.or(knocks.word.failed);
        knocks.word.inventory |= word.inventory;
        knocks.word.neighbors |= word.neighbors;
        drop(knocks);
        self.bell.notify_one();
    }

    /// From whoever polls it: what was learned of how it likes to be asked.
    pub(super) fn keep_habits(&self, habits: Habits) {
        *lock(&self.habits) = Some(habits);
    }

    pub(super) fn habits(&self) -> Option<Habits> {
        *lock(&self.habits)
    }

    pub(super) fn view(&self) -> Option<View> {
        lock(&self.view).clone()
    }

    pub(super) fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            1 => Status::Answered,
            2 => Status::Failed,
            _ => Status::Waiting,
        }
    }

    /// From inside: what was wished for since the last time.
    pub(super) fn open(&self) -> Knocks {
        std::mem::take(&mut lock(&self.knocks))
    }

    /// From inside: wait for somebody.
    pub(super) async fn wait(&self) {
        self.bell.notified().await;
    }

    pub(super) fn show(&self, view: View) {
        *lock(&self.view) = Some(view);
    }

    /// From inside: other names or settings for what is shown already.
    pub(super) fn amend(&self, amend: impl FnOnce(&mut View)) {
        if let Some(view) = lock(&self.view).as_mut() {
            amend(view);
        }
    }

    pub(super) fn set_status(&self, status: Status) {
        self.status.store(status as u8, Ordering::Relaxed);
    }
}

/// Which doors lead to the devices at an address: several where agents share one.
#[derive(Default)]
pub(super) struct Doors(Mutex<HashMap<IpAddr, Vec<Arc<Door>>>>);

impl Doors {
    /// A device has been found at this address; it is no more at the one before.
    pub(super) fn enter(&self, door: &Arc<Door>, address: IpAddr) {
        self.leave(door, Some(address));
        let mut doors = lock(&self.0);
        let here = doors.entry(address).or_default();
        if !here.iter().any(|other| Arc::ptr_eq(other, door)) {
            here.push(door.clone());
        }
    }

    /// A device is at no address any more but this one.
    pub(super) fn leave(&self, door: &Arc<Door>, but: Option<IpAddr>) {
        let Some(address) = door.view().map(|view| view.address.ip()).filter(|at| Some(*at) != but) else { return };
        let mut doors = lock(&self.0);
        if let Some(here) = doors.get_mut(&address) {
            here.retain(|other| !Arc::ptr_eq(other, door));
            if here.is_empty() {
                doors.remove(&address);
            }
        }
    }

    /// All that lead to this address.
    pub(super) fn at(&self, address: IpAddr) -> Vec<Arc<Door>> {
        lock(&self.0).get(&address).cloned().unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
