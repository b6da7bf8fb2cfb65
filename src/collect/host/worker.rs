//! The thread that asks and hears the kernel.
//!
//! ```text
//!  rtnetlink notices --at once--> Event, Inventory, Poll (states only)
//!  every second, or `interval` if that is shorter: dump --> what notices did not tell; every `interval`: Poll
//!  LLDP frames --> Neighbors, at once where they change something
//!  Handle --wake--> new settings, stop
//! ```

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::interfaces::{Ask, Changes, Interfaces};
use super::kernel::{Address, Kernel, Notice};
use super::lldp::Lldp;
use super::machine::{Machine, is_port};
use super::{Ability, Clock, Shared};
use crate::collect::sys::wait;
use crate::collect::{HostSettings, SampleSink};
use crate::fabric::{DeviceId, DeviceIdentity, Medium, Reading, Sample, Timestamp};

/// Notices may be lost, and some drivers do not send any: so often all is looked at anyway.
const RECONCILE: Duration = Duration::from_secs(1);
/// Speeds are files, which cost more than all counters: so often they are read without a reason.
const READ_SPEEDS: Duration = Duration::from_secs(30);
/// The kernel refused us a socket: so often we ask again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Datagrams of notices taken before other things get their turn.
const MOST_AT_ONCE: usize = 256;

pub(super) struct Worker {
    pub machine: Machine,
    pub device: DeviceId,
    pub sink: SampleSink,
    pub clock: Clock,
    pub shared: Arc<Shared>,
    pub wake: UnixStream,
    pub settings: HostSettings,
    pub watch: Option<Watching>,
}

/// What there is while this host is watched.
pub(super) struct Watching {
    kernel: Kernel,
    interfaces: Interfaces,
    addresses: Vec<Address>,
    identity: Option<Arc<DeviceIdentity>>,
    lldp: Option<Lldp>,
    next_dump: Instant,
    next_poll: Instant,
    next_speeds: Instant,
}

impl Worker {
    /// Run until the handle says stop.
    pub fn run(mut self) {
        let mut try_again = Instant::now();
        loop {
            let now = Instant::now();
            if self.settings.enabled && self.watch.is_none() && now >= try_again {
                if !self.begin() {
                    try_again = now + TRY_AGAIN;
                }
                continue;
            }
            if self.watch.as_ref().is_some_and(|watch| now >= watch.next_dump) {
                self.dump(now);
                continue;
            }
            let next = match &self.watch {
                Some(watch) => watch.next_dump,
                None if self.settings.enabled => try_again,
                None => now + Duration::from_secs(3_600),
            };
            let notices = self.watch.as_ref().map(|watch| watch.kernel.fd());
            let frames = self.watch.as_ref().and_then(|watch| watch.lldp.as_ref()).map(Lldp::fd);
            let timeout = next.saturating_duration_since(now);
            let Ok(ready) = wait::readable([notices, frames, Some(self.wake.as_fd())], timeout) else {
                // Cannot be, but if it is, not without end.
                std::thread::sleep(RECONCILE);
                continue;
            };
            if ready[0] {
                self.hear();
            }
            if ready[1] {
                self.hear_lldp();
            }
            if ready[2] && !self.obey() {
                return;
            }
        }
    }

    /// New settings, or the end: then false.
    fn obey(&mut self) -> bool {
        let mut bytes = [0; 64];
        // Nothing to read any more: the handle is gone.
        let gone = matches!(self.wake.read(&mut bytes), Ok(0));
        let (settings, stop) = self.shared.orders();
        if stop || gone {
            return false;
        }
        let before = std::mem::replace(&mut self.settings, settings);
        if !self.settings.enabled {
            self.end();
            return true;
        }
        let at = (self.clock)();
        let interval = self.settings.interval;
        if let Some(watch) = &mut self.watch {
            if interval != before.interval {
                watch.next_dump = Instant::now();
                watch.next_poll = watch.next_dump;
            }
            if self.settings.lldp != before.lldp {
                self.start_lldp();
                self.tell_neighbors(at);
            }
            self.tell_identity(at);
        }
        true
    }

    /// Open the sockets; false if that did not work.
    fn begin(&mut self) -> bool {
        let kernel = match Kernel::open() {
            Ok(kernel) => kernel,
            Err(error) => {
                let why = format!("the kernel does not tell of its interfaces (rtnetlink): {error}");
                self.shared.status(|status| status.counters = Ability::Unable { why });
                return false;
            }
        };
        let now = Instant::now();
        self.watch = Some(Watching {
            kernel,
            interfaces: Interfaces::default(),
            addresses: Vec::new(),
            identity: None,
            lldp: None,
            next_dump: now,
            next_poll: now,
            next_speeds: now + READ_SPEEDS,
        });
        self.read_addresses();
        self.start_lldp();
        true
    }

    /// The operator does not want this host watched any more.
    fn end(&mut self) {
        if self.watch.take().is_some() {
            self.send((self.clock)(), Reading::Retired);
        }
        self.shared.status(|status| (status.counters, status.lldp) = (Ability::Off, Ability::Off));
    }

    fn start_lldp(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        watch.lldp = None;
        let ability = if !self.settings.lldp {
            Ability::Off
        } else {
            match Lldp::open((self.clock)()) {
                Ok(lldp) => {
                    for (if_index, known) in watch.interfaces.iter() {
                        if is_port(known) {
                            lldp.join(if_index);
                        }
                    }
                    watch.lldp = Some(lldp);
                    Ability::Running
                }
                Err(why) => Ability::Unable { why },
            }
        };
        self.shared.status(|status| status.lldp = ability);
    }

    /// All interfaces: what has changed unheard, and, if it is time, all counters.
    fn dump(&mut self, now: Instant) {
        // What waits is older than the dump will be.
        self.hear();
        let period = self.settings.interval.min(RECONCILE);
        let interval = self.settings.interval;
        let Some(watch) = &mut self.watch else { return };
        watch.next_dump = later(watch.next_dump, period, now);
        let polls = now >= watch.next_poll;
        if polls {
            watch.next_poll = later(watch.next_poll, interval, now);
        }
        let read_speeds = now >= watch.next_speeds;
        if read_speeds {
            watch.next_speeds = now + READ_SPEEDS;
        }
        let links = match watch.kernel.links() {
            Ok(links) => links,
            Err(error) => {
                let why = format!("the kernel does not list its interfaces (rtnetlink): {error}");
                self.shared.status(|status| status.counters = Ability::Unable { why });
                return;
            }
        };
        let at = (self.clock)();
        self.shared.count.dumps.fetch_add(1, Ordering::Relaxed);
        let machine = &self.machine;
        let ask = Ask { speed: &|name| machine.speed_bps(name), uptime: &|| machine.uptime() };
        let changes = watch.interfaces.dump(&links, ask, read_speeds);
        let readings = polls.then(|| watch.interfaces.iter().map(|(_, known)| known.poll(true)).collect());
        let expired = match &mut watch.lldp {
            Some(lldp) => lldp.tick(at, |index| watch.interfaces.get(index).is_some()),
            None => false,
        };
        self.shared.status(|status| status.counters = Ability::Running);
        self.tell(at, changes);
        if let Some(readings) = readings {
            self.send(at, Reading::Poll(readings));
        }
        if expired {
            self.tell_neighbors(at);
        }
    }

    /// Notices of the kernel.
    fn hear(&mut self) {
        let mut addresses = false;
        for _ in 0..MOST_AT_ONCE {
            let Some(watch) = &mut self.watch else { return };
            let notices = match watch.kernel.hear() {
                Ok(notices) if notices.is_empty() => break,
                Ok(notices) => notices,
                Err(_) => vec![Notice::Lost],
            };
            let at = (self.clock)();
            for notice in notices {
                let Some(watch) = &mut self.watch else { return };
                self.shared.count.notices.fetch_add(1, Ordering::Relaxed);
                let machine = &self.machine;
                let ask = Ask { speed: &|name| machine.speed_bps(name), uptime: &|| machine.uptime() };
                let changes = match notice {
                    // Older than the first dump, which tells all.
                    Notice::Link(_) | Notice::Gone(_) if !watch.interfaces.started() => continue,
                    Notice::Link(link) => watch.interfaces.link(&link, ask),
                    Notice::Gone(if_index) => watch.interfaces.gone(if_index),
                    Notice::Addresses => {
                        addresses = true;
                        continue;
                    }
                    Notice::Lost => {
                        self.shared.count.lost.fetch_add(1, Ordering::Relaxed);
                        // The states that matter come with the dump; addresses are asked for again too.
                        addresses = true;
                        watch.next_dump = Instant::now();
                        continue;
                    }
                };
                self.tell(at, changes);
            }
        }
        if addresses {
            self.read_addresses();
            self.tell_identity((self.clock)());
        }
    }

    fn hear_lldp(&mut self) {
        let at = (self.clock)();
        let Some(lldp) = self.watch.as_mut().and_then(|watch| watch.lldp.as_mut()) else { return };
        let hearing = lldp.hear(at);
        self.shared.count.lldp_units.fetch_add(hearing.units, Ordering::Relaxed);
        self.shared.count.lldp_malformed.fetch_add(hearing.malformed, Ordering::Relaxed);
        if hearing.changed {
            self.tell_neighbors(at);
        }
    }

    fn read_addresses(&mut self) {
        if let Some(watch) = &mut self.watch
            && let Ok(addresses) = watch.kernel.addresses()
        {
            watch.addresses = addresses;
        }
    }

    /// In the order in which the core can make sense of it: who, what there is, what it does.
    fn tell(&mut self, at: Timestamp, changes: Changes) {
        if changes.inventory {
            self.tell_identity(at);
        }
        let Some(watch) = &mut self.watch else { return };
        let mut readings = Vec::new();
        if changes.inventory {
            readings.push(Reading::Inventory(watch.interfaces.inventory()));
        }
        for if_index in &changes.came {
            if let (Some(lldp), Some(known)) = (&watch.lldp, watch.interfaces.get(*if_index))
                && is_port(known)
            {
                lldp.join(*if_index);
            }
        }
        // Before the event, so that a port that was switched off is not taken for one that failed.
        let states = changes.came.iter().chain(&changes.admin).filter_map(|index| watch.interfaces.get(*index));
        let states: Vec<_> = states.map(|known| known.poll(false)).collect();
        if !states.is_empty() {
            readings.push(Reading::Poll(states));
        }
        for (if_name, oper_status) in changes.oper {
            self.shared.count.events.fetch_add(1, Ordering::Relaxed);
            readings.push(Reading::Event { if_name, oper_status, medium: Medium::Netlink });
        }
        for reading in readings {
            self.send(at, reading);
        }
    }

    fn tell_identity(&mut self, at: Timestamp) {
        let Some(watch) = &mut self.watch else { return };
        let identity =
            self.machine.identity(self.device.as_str(), &watch.interfaces, &watch.addresses, &self.settings.labels);
        if watch.identity.as_deref() != Some(&identity) {
            let identity = Arc::new(identity);
            watch.identity = Some(Arc::clone(&identity));
            self.send(at, Reading::Identity(identity));
        }
    }

    fn tell_neighbors(&mut self, at: Timestamp) {
        let Some(watch) = &mut self.watch else { return };
        let interfaces = &watch.interfaces;
        let name = |index| interfaces.get(index).map(|known| Arc::clone(&known.info.if_name));
        let table = watch.lldp.as_mut().map(|lldp| lldp.table(name)).unwrap_or_default();
        self.send(at, Reading::Neighbors(table));
    }

    fn send(&self, taken_at: Timestamp, reading: Reading) {
        (self.sink)(Sample { device: self.device.clone(), taken_at, device_uptime: None, reading });
    }
}

/// The next deadline in step with the last, without catching up on those that passed.
fn later(last: Instant, period: Duration, now: Instant) -> Instant {
    let next = last + period;
    if next > now { next } else { now + period }
}
