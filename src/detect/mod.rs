//! Detectors: functions over state. One file each, one line here each.
//!
//! A verdict is given only where something is wrong, or was wrong and is fine or cannot be told any more; so
//! calm costs a few comparisons and no allocation. What is remembered is remembered of subjects in trouble
//! alone (and of each device its last uptime).
//!
//! Absent here, on purpose: how long a trouble lasts before anybody is told (the alert book's, by the finding's
//! `pending_for` and `keep_firing_for`), and which trouble explains which.

pub mod device;
pub mod drops;
pub mod flapping;
pub mod forecast;
pub mod headroom;
pub mod host_drops;
pub mod link;
pub mod optics;
mod phrase;
pub mod redundancy;
pub mod saturation;
pub mod silent_loss;
pub mod single_points;
pub mod speed;
mod threshold;
mod trace;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fabric::{
    AdminStatus, DeviceId, DeviceState, Direction, FindingKey, FindingKind, HostLosses, InterfaceId, InterfaceState,
    LinkHealth, LinkId, LinkLoss, LinkState, OperStatus, Sensor, Subject, Timestamp, UtilizationSpread, Verdict,
};
use crate::topology::headroom::Headroom;
use crate::topology::ledger::Audit;
use crate::topology::{Change, GroupReport, LinkReport};

use threshold::Live;

/// `[detect.*]`: every detector's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[detect.link]`
    pub link: link::Settings,
    /// `[detect.flapping]`
    pub flapping: flapping::Settings,
    /// `[detect.speed]`
    pub speed: speed::Settings,
    /// `[detect.saturation]`
    pub saturation: saturation::Settings,
    /// `[detect.forecast]`
    pub forecast: forecast::Settings,
    /// `[detect.drops]`
    pub drops: drops::Settings,
    /// `[detect.host_drops]`
    pub host_drops: host_drops::Settings,
    /// `[detect.silent_loss]`
    pub silent_loss: silent_loss::Settings,
    /// `[detect.black_hole]`
    pub black_hole: silent_loss::BlackHoleSettings,
    /// `[detect.redundancy]`
    pub redundancy: redundancy::Settings,
    /// `[detect.single_points]`
    pub single_points: single_points::Settings,
    /// `[detect.headroom]`
    pub headroom: headroom::Settings,
    /// `[detect.device]`
    pub device: device::Settings,
    /// `[detect.optics]`
    pub optics: optics::Settings,
}

/// How the utilisation of an interface was spread lately, for those that want to know.
pub type SpreadOf<'a> = dyn Fn(&InterfaceId) -> Option<UtilizationSpread> + 'a;

/// What detectors have to say: a verdict for each key that is wrong, was wrong and is fine, or was wrong and
/// cannot be told. Empty (and not allocated) in calm.
pub type Verdicts = Vec<(FindingKey, Verdict)>;

/// The troubles of one interface.
#[derive(Clone, Debug, Default)]
struct InterfaceMemory {
    /// Down, as a port without a known neighbour.
    down: bool,
    flapping: Option<flapping::Memory>,
    speed: Option<speed::Memory>,
    /// By direction: out, in.
    saturation: [Option<Live>; 2],
    drops: drops::Memory,
    optics: optics::Memory,
}

impl InterfaceMemory {
    fn is_calm(&self) -> bool {
        !self.down
            && self.flapping.is_none()
            && self.speed.is_none()
            && self.saturation == [None, None]
            && self.drops.is_calm()
            && self.optics.is_calm()
    }

    /// The keys that are told.
    fn told(&self, id: &InterfaceId) -> Vec<FindingKey> {
        let mut keys = Vec::new();
        if self.down {
            keys.push(link::edge_key(id));
        }
        if self.flapping.as_ref().is_some_and(flapping::Memory::is_flapping) {
            keys.push(flapping::key(Subject::Interface(id.clone())));
        }
        if self.speed.as_ref().is_some_and(speed::Memory::is_told) {
            keys.push(speed::key(id));
        }
        for direction in [Direction::Out, Direction::In] {
            if self.saturation[slot(direction)].is_some() {
                keys.push(saturation::key(id, direction));
            }
        }
        let key = |(kind, direction)| FindingKey {
            kind,
            subject: Subject::Interface(id.clone()),
            direction: Some(direction),
        };
        keys.extend(self.drops.told().map(key));
        keys.extend(self.optics.told().map(|direction| optics::key(id, direction)));
        keys
    }
}

/// Whether a port is down and whether it flaps, as long as no link tells that.
fn edge(
    settings: &Settings,
    now: Timestamp,
    (state, link): (&InterfaceState, Option<&LinkState>),
    memory: &mut InterfaceMemory,
    verdicts: &mut Verdicts,
) {
    match link {
        None => {
            let was = memory.down;
            let mut verdict = link::look_at_edge(&settings.link, now, state, &mut memory.down);
            if settings.flapping.enabled {
                let found = match state.oper_status {
                    _ if memory.down && !was => flapping::Found::WentDown,
                    OperStatus::Unknown => flapping::Found::Unknown,
                    _ => flapping::Found::Same,
                };
                let subject = || Subject::Interface(state.id.clone());
                let flaps = flapping::look(&settings.flapping, now, found, subject, &mut memory.flapping);
                if memory.flapping.as_ref().is_some_and(flapping::Memory::is_flapping)
                    && let Some((_, verdict)) = &mut verdict
                {
                    flapping::damp(&settings.flapping, verdict);
                }
                verdicts.extend(flaps);
            }
            verdicts.extend(verdict);
        }
        // Told by the link from now on.
        Some(_) => {
            if std::mem::take(&mut memory.down) {
                verdicts.push((link::edge_key(&state.id), Verdict::Absent));
            }
            if memory.flapping.take().is_some_and(|memory| memory.is_flapping()) {
                verdicts.push((flapping::key(Subject::Interface(state.id.clone())), Verdict::Absent));
            }
        }
    }
}

/// Look at an interface with what is remembered of it. What is calm is not kept, and costs no allocation.
fn remembering(
    interfaces: &mut HashMap<InterfaceId, InterfaceMemory>,
    id: &InterfaceId,
    look: impl FnOnce(&mut InterfaceMemory),
) {
    let known = interfaces.get_mut(id);
    let was_known = known.is_some();
    let mut fresh = InterfaceMemory::default();
    let memory = known.unwrap_or(&mut fresh);
    look(memory);
    match (was_known, memory.is_calm()) {
        (true, true) => drop(interfaces.remove(id)),
        (false, false) => drop(interfaces.insert(id.clone(), fresh)),
        _ => {}
    }
}

fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Out => 0,
        Direction::In => 1,
    }
}

/// All detectors with what they must remember.
///
/// The driver calls, with `now` the moment of the reading: [`device`](Self::device) and
/// [`interface`](Self::interface) for what was read; [`link`](Self::link) for the link in it; and where
/// [`concerns_groups`](Self::concerns_groups) says so, [`group`](Self::group) for its groups. After
/// `Topology::settle` it calls [`follow`](Self::follow), then `group` for the groups that changed.
#[derive(Debug)]
pub struct Detectors {
    settings: Settings,
    interfaces: HashMap<InterfaceId, InterfaceMemory>,
    links: HashMap<LinkId, link::Memory>,
    /// Links that went down lately, with their subjects.
    flapping: HashMap<LinkId, (Subject, flapping::Memory)>,
    pairs: silent_loss::Pairs,
    groups: HashMap<Arc<str>, redundancy::Memory>,
    devices: HashMap<DeviceId, device::Memory>,
    forecasts: HashMap<(InterfaceId, Direction), Live>,
    /// There is one host, the one we run on.
    host: host_drops::Memory,
    single_points: single_points::Memory,
    headroom: headroom::Memory,
}

impl Detectors {
    /// Start in calm.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            interfaces: HashMap::new(),
            links: HashMap::new(),
            flapping: HashMap::new(),
            pairs: silent_loss::Pairs::default(),
            groups: HashMap::new(),
            devices: HashMap::new(),
            forecasts: HashMap::new(),
            host: host_drops::Memory::default(),
            single_points: single_points::Memory::new(),
            headroom: headroom::Memory::new(),
        }
    }

    /// These were wrong before a restart: they stay so until they are seen fine.
    pub fn prime<'a>(&mut self, keys: impl IntoIterator<Item = &'a FindingKey>) {
        for key in keys {
            let FindingKey { kind, subject, direction } = key;
            match (subject, kind, direction) {
                (Subject::Link { id, .. }, FindingKind::LinkDown, _) => {
                    self.links.insert(id.clone(), link::Memory::primed(key.clone()));
                }
                (Subject::Link { id, .. }, FindingKind::LinkFlapping, _) => {
                    let memory = flapping::Memory::primed(&self.settings.flapping);
                    self.flapping.insert(id.clone(), (subject.clone(), memory));
                }
                (Subject::Interface(id), FindingKind::LinkFlapping, _) => {
                    let memory = flapping::Memory::primed(&self.settings.flapping);
                    self.interfaces.entry(id.clone()).or_default().flapping = Some(memory);
                }
                (Subject::Interface(id), FindingKind::SpeedChanged, _) => {
                    self.interfaces.entry(id.clone()).or_default().speed = Some(speed::Memory::PRIMED);
                }
                (Subject::Link { .. }, FindingKind::SilentLoss | FindingKind::BlackHole, _) => self.pairs.prime(key),
                (Subject::Interface(id), FindingKind::LinkDown, _) => {
                    self.interfaces.entry(id.clone()).or_default().down = true;
                }
                (Subject::Interface(id), FindingKind::Saturation, Some(direction)) => {
                    let memory = self.interfaces.entry(id.clone()).or_default();
                    memory.saturation[slot(*direction)] = Some(Live::PRIMED);
                }
                (
                    Subject::Interface(id),
                    FindingKind::DropsCongestion | FindingKind::DropsCorruption,
                    Some(direction),
                ) => {
                    self.interfaces.entry(id.clone()).or_default().drops.prime(*kind, *direction);
                }
                (Subject::Interface(id), FindingKind::OpticsOutOfRange, direction) => {
                    self.interfaces.entry(id.clone()).or_default().optics.prime(*direction);
                }
                (Subject::Group { name, device }, FindingKind::RedundancyDegraded | FindingKind::RedundancyLost, _) => {
                    let memory = self.groups.entry(name.clone()).or_default();
                    memory.device = device.clone();
                    memory.degraded |= *kind == FindingKind::RedundancyDegraded;
                    memory.lost |= *kind == FindingKind::RedundancyLost;
                }
                (
                    Subject::Device(id),
                    FindingKind::DeviceUnreachable
                    | FindingKind::DeviceRestarted
                    | FindingKind::PollerOverrun
                    | FindingKind::CountersDoubtful,
                    _,
                ) => {
                    self.devices.entry(id.clone()).or_default().prime(*kind);
                }
                (Subject::Interface(id), FindingKind::SaturationForecast, Some(direction)) => {
                    self.forecasts.insert((id.clone(), *direction), Live::PRIMED);
                }
                (subject, FindingKind::DropsHost, None) => self.host.prime(subject),
                (_, FindingKind::SinglePointOfFailure, _) => single_points::prime(key, &mut self.single_points),
                (_, FindingKind::HeadroomExceeded, _) => drop(self.headroom.insert(key.clone(), None)),
                // Of a detector that is not here (any more): nobody else would ever end it.
                _ => {}
            }
        }
    }

    /// Take new settings. What a detector that is now off had raised becomes absent; the rest is judged anew by
    /// the next look.
    pub fn reconfigure(&mut self, settings: Settings) -> Verdicts {
        self.settings = settings;
        let mut verdicts = Verdicts::new();
        if !self.settings.link.enabled {
            verdicts.extend(self.links.drain().map(|(_, memory)| (memory.key, Verdict::Absent)));
        }
        if !self.settings.flapping.enabled || !self.settings.link.enabled {
            let flapped = self.flapping.drain().filter(|(_, (_, memory))| memory.is_flapping());
            verdicts.extend(flapped.map(|(_, (subject, _))| (flapping::key(subject), Verdict::Absent)));
        }
        let (loss, hole) = (self.settings.silent_loss.enabled, self.settings.black_hole.enabled);
        verdicts.extend(self.pairs.reconfigure(loss, hole).into_iter().map(|key| (key, Verdict::Absent)));
        if !self.settings.redundancy.enabled {
            for (name, memory) in self.groups.drain() {
                verdicts.extend(group_over(&name, &memory));
            }
        }
        if !self.settings.single_points.enabled {
            verdicts.extend(self.single_points.drain().map(|(key, _)| (key, Verdict::Absent)));
        }
        if !self.settings.headroom.enabled {
            verdicts.extend(self.headroom.drain().map(|(key, _)| (key, Verdict::Absent)));
        }
        if !self.settings.device.enabled {
            for (id, memory) in &mut self.devices {
                verdicts.extend(memory.told().map(|kind| (device::key(kind, id), Verdict::Absent)));
                memory.calm();
            }
        }
        if !self.settings.forecast.enabled {
            verdicts.extend(self.forecasts.drain().map(|((id, way), _)| (forecast::key(&id, way), Verdict::Absent)));
        }
        if !self.settings.host_drops.enabled {
            verdicts.extend(self.host.forget(|_| true).into_iter().map(|key| (key, Verdict::Absent)));
        }
        let Settings { link, flapping, speed, saturation, drops, optics, .. } = &self.settings;
        self.interfaces.retain(|id, memory| {
            let before = memory.told(id);
            memory.down &= link.enabled && link.edge_ports;
            if !flapping.enabled || !link.enabled || !link.edge_ports {
                memory.flapping = None;
            }
            if !speed.enabled {
                memory.speed = None;
            }
            if !saturation.enabled {
                memory.saturation = [None, None];
            }
            if !drops.enabled {
                memory.drops = drops::Memory::default();
            }
            if !optics.enabled {
                memory.optics = optics::Memory::default();
            }
            let after = memory.told(id);
            verdicts.extend(before.into_iter().filter(|key| !after.contains(key)).map(|key| (key, Verdict::Absent)));
            !memory.is_calm()
        });
        verdicts
    }

    /// An interface was read; `link` is the state of the link in it, if there is one. `spread` is asked in trouble alone.
    pub fn interface(
        &mut self,
        now: Timestamp,
        state: &InterfaceState,
        link: Option<&LinkState>,
        spread: &SpreadOf<'_>,
    ) -> Verdicts {
        let mut verdicts = Verdicts::new();
        let (mut loss_is_told, mut received_elsewhere) = (false, None);
        remembering(&mut self.interfaces, &state.id, |memory| {
            if self.settings.link.enabled {
                edge(&self.settings, now, (state, link), memory, &mut verdicts);
            }
            if self.settings.speed.enabled {
                verdicts.extend(speed::look(&self.settings.speed, now, state, link, &mut memory.speed));
            }
            if self.settings.drops.enabled {
                let say = |key, verdict| verdicts.push((key, verdict));
                drops::look(
                    drops::Look { settings: &self.settings.drops, now, state, link, spread },
                    &mut memory.drops,
                    say,
                );
            }
            loss_is_told = memory.drops.told().any(|told| told == (FindingKind::DropsCongestion, Direction::Out));
            if self.settings.saturation.enabled {
                let flows = saturation::flows(state, link);
                let at = saturation::Look { settings: &self.settings.saturation, now, spread, loss_is_told };
                // The direction in is told at the sender's by now, if it is told at all.
                let tells_in = flows[1].as_ref().is_some_and(|flow| flow.subject == &state.id);
                if !tells_in && memory.saturation[slot(Direction::In)].take().is_some() {
                    verdicts.push((saturation::key(&state.id, Direction::In), Verdict::Absent));
                }
                for flow in flows.into_iter().flatten() {
                    if flow.subject == &state.id {
                        let live = &mut memory.saturation[slot(flow.direction)];
                        verdicts.extend(saturation::look(at, &flow, live));
                    } else {
                        received_elsewhere = Some(flow);
                    }
                }
            }
        });
        if let Some(flow) = received_elsewhere {
            remembering(&mut self.interfaces, flow.subject, |memory| {
                let live = &mut memory.saturation[slot(flow.direction)];
                let at = saturation::Look { settings: &self.settings.saturation, now, spread, loss_is_told };
                verdicts.extend(saturation::look(at, &flow, live));
            });
        }
        verdicts
    }

    /// The inventory gives an interface another speed than before: called before [`interface`](Self::interface).
    pub fn speed_changed(&mut self, now: Timestamp, state: &InterfaceState, before_bps: u64) {
        if self.settings.speed.enabled {
            let mut slot = self.interfaces.get_mut(&state.id).and_then(|memory| memory.speed.take());
            speed::changed(now, state, before_bps, &mut slot);
            if slot.is_some() {
                self.interfaces.entry(state.id.clone()).or_default().speed = slot;
            }
        }
    }

    /// The history of a direction was looked at, some time after it was asked for.
    pub fn forecast(&mut self, now: Timestamp, of: &forecast::Subjected) -> Verdicts {
        if !self.settings.forecast.enabled {
            return Verdicts::new();
        }
        let place = (of.interface.clone(), of.direction);
        let mut live = self.forecasts.remove(&place);
        let verdict = forecast::look(&self.settings.forecast, now, of, &mut live);
        if let Some(live) = live {
            self.forecasts.insert(place, live);
        }
        verdict.into_iter().collect()
    }

    /// What this host lost, all of it since its collector began.
    pub fn host_losses(&mut self, now: Timestamp, device: &DeviceId, losses: &HostLosses) -> Verdicts {
        if !self.settings.host_drops.enabled {
            return Verdicts::new();
        }
        if losses.since == Timestamp::default() {
            return self.host.forget(|_| true).into_iter().map(|key| (key, Verdict::Absent)).collect();
        }
        host_drops::look(&self.settings.host_drops, now, device, losses, &mut self.host)
    }

    /// The sensors of an interface's optic were read, all of them; none if it has no optic (any more).
    pub fn optics(&mut self, now: Timestamp, state: &InterfaceState, sensors: &[&Sensor]) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if !self.settings.optics.enabled {
            return verdicts;
        }
        remembering(&mut self.interfaces, &state.id, |memory| {
            let tell = |key, verdict| verdicts.push((key, verdict));
            optics::look(&self.settings.optics, now, state, sensors, &mut memory.optics, tell);
        });
        verdicts
    }

    /// Whether this group is told of now.
    pub fn tells_of_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// One end of a link was read or an event told of it.
    pub fn link(&mut self, now: Timestamp, report: &LinkReport) -> Verdicts {
        if !self.settings.link.enabled {
            return Verdicts::new();
        }
        let id = &report.state.id;
        let was_down = self.links.contains_key(id);
        let mut verdict = link::look(&self.settings.link, now, report, &mut self.links);
        let settings = &self.settings.flapping;
        // Calm: it is up, was up, and did not go down lately.
        if !settings.enabled || (verdict.is_none() && self.flapping.is_empty()) {
            return verdict.into_iter().collect();
        }
        let shut = [&report.a, &report.b].iter().any(|end| end.admin_status == AdminStatus::Down);
        let found = match report.state.health {
            LinkHealth::Down if !was_down && !shut => flapping::Found::WentDown,
            LinkHealth::Unknown => flapping::Found::Unknown,
            LinkHealth::Up | LinkHealth::Down => flapping::Found::Same,
        };
        let mut slot = self.flapping.remove(id).map(|(_, memory)| memory);
        let flaps = flapping::look(settings, now, found, || link::subject(report), &mut slot);
        if let Some(memory) = slot {
            if memory.is_flapping()
                && let Some((_, verdict)) = &mut verdict
            {
                flapping::damp(settings, verdict);
            }
            self.flapping.insert(id.clone(), (link::subject(report), memory));
        }
        flaps.into_iter().chain(verdict).collect()
    }

    /// One end of a link was polled: what it counted is compared with what the other end did.
    pub fn compare(&mut self, look: silent_loss::Look<'_>) -> Verdicts {
        let mut verdicts = Verdicts::new();
        let Settings { silent_loss, black_hole, .. } = &self.settings;
        if silent_loss.enabled || black_hole.enabled {
            self.pairs.look((silent_loss, black_hole), look, |key, verdict| verdicts.push((key, verdict)));
        }
        verdicts
    }

    /// What is known of frames that vanish, by link.
    pub fn losses(&self) -> Vec<LinkLoss> {
        let mut losses: Vec<LinkLoss> = self.pairs.losses(&self.settings.silent_loss).collect();
        losses.sort_by(|one, other| one.link.cmp(&other.link));
        losses
    }

    /// Whether this link's state may change what is said of its groups. False in calm.
    pub fn concerns_groups(&self, link: &LinkState) -> bool {
        !link.groups.is_empty()
            && (link.health != LinkHealth::Up || link.groups.iter().any(|name| self.groups.contains_key(name)))
    }

    /// A group was looked at.
    pub fn group(&mut self, now: Timestamp, report: &GroupReport) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if !self.settings.redundancy.enabled {
            return verdicts;
        }
        let name = &report.state.name;
        let known = self.groups.get_mut(name);
        let was_known = known.is_some();
        let mut fresh = redundancy::Memory { device: report.state.device.clone(), ..Default::default() };
        let memory = known.unwrap_or(&mut fresh);
        let flaps = |id: &LinkId| self.flapping.get(id).is_some_and(|(_, memory)| memory.is_flapping());
        let flapping = !self.flapping.is_empty() && report.state.planned.iter().any(flaps);
        let tell = |key, mut verdict| {
            if flapping {
                flapping::linger(&self.settings.flapping, &mut verdict);
            }
            verdicts.push((key, verdict));
        };
        redundancy::look(&self.settings.redundancy, now, report, memory, tell);
        match (was_known, memory.is_calm()) {
            (true, true) => drop(self.groups.remove(name)),
            (false, false) => drop(self.groups.insert(name.clone(), fresh)),
            _ => {}
        }
        verdicts
    }

    /// The ledger was written anew.
    pub fn audit(&mut self, now: Timestamp, audit: &Audit) -> Verdicts {
        if !self.settings.single_points.enabled {
            return Verdicts::new();
        }
        single_points::look(&self.settings.single_points, now, audit, &mut self.single_points)
    }

    /// It was looked where load would go.
    pub fn headroom(&mut self, now: Timestamp, headroom: &Headroom) -> Verdicts {
        if !self.settings.headroom.enabled {
            return Verdicts::new();
        }
        headroom::look(&self.settings.headroom, now, headroom, &mut self.headroom)
    }

    /// A device was asked.
    pub fn device(&mut self, now: Timestamp, state: &DeviceState) -> Verdicts {
        let mut verdicts = Verdicts::new();
        if !self.settings.device.enabled {
            return verdicts;
        }
        if !self.devices.contains_key(&state.id) {
            self.devices.insert(state.id.clone(), device::Memory::default());
        }
        if let Some(memory) = self.devices.get_mut(&state.id) {
            let tell = |key, verdict| verdicts.push((key, verdict));
            device::look(&self.settings.device, now, state, memory, tell);
        }
        verdicts
    }

    /// A poll of a device was over: how often it should be, how long it took, and how many were left out for that.
    pub fn pace(&mut self, now: Timestamp, id: &DeviceId, pace: (Duration, Duration, u32)) -> Verdicts {
        if !self.settings.device.enabled {
            return Verdicts::new();
        }
        let memory = self.devices.entry(id.clone()).or_default();
        device::pace(&self.settings.device, now, id, pace, memory).into_iter().collect()
    }

    /// The topology changed: what was said of links and groups that are no more becomes absent.
    pub fn follow(&mut self, change: &Change) -> Verdicts {
        let links =
            change.gone.iter().filter_map(|id| self.links.remove(id)).map(|memory| (memory.key, Verdict::Absent));
        let mut verdicts: Verdicts = links.collect();
        for id in &change.gone {
            let flapped = self.flapping.remove(id).filter(|(_, memory)| memory.is_flapping());
            verdicts.extend(flapped.map(|(subject, _)| (flapping::key(subject), Verdict::Absent)));
            verdicts.extend(self.pairs.forget(id).into_iter().map(|key| (key, Verdict::Absent)));
        }
        for (name, _) in &change.groups_gone {
            if let Some(memory) = self.groups.remove(name) {
                verdicts.extend(group_over(name, &memory));
            }
        }
        verdicts
    }

    /// An interface is gone from its device's inventory: what was said of it becomes absent.
    pub fn forget_interface(&mut self, interface: &InterfaceId) -> Verdicts {
        let memory = self.interfaces.remove(interface).unwrap_or_default();
        let mut verdicts = self.forget_forecasts(|id| id == interface);
        verdicts.extend(memory.told(interface).into_iter().map(|key| (key, Verdict::Absent)));
        let host = self.host.forget(|subject| matches!(subject, Subject::Interface(id) if id == interface));
        verdicts.extend(host.into_iter().map(|key| (key, Verdict::Absent)));
        verdicts
    }

    fn forget_forecasts(&mut self, concerns: impl Fn(&InterfaceId) -> bool) -> Verdicts {
        let gone = self.forecasts.extract_if(|(id, _), _| concerns(id));
        gone.map(|((id, direction), _)| (forecast::key(&id, direction), Verdict::Absent)).collect()
    }

    /// A device is retired: what was said of it and its interfaces becomes absent. Its links and groups follow
    /// by [`Self::follow`].
    pub fn forget(&mut self, device: &DeviceId) -> Verdicts {
        let mut verdicts = self.forget_forecasts(|id| id.device == *device);
        let host = self.host.forget(|subject| match subject {
            Subject::Device(id) => id == device,
            Subject::Interface(id) => id.device == *device,
            _ => false,
        });
        verdicts.extend(host.into_iter().map(|key| (key, Verdict::Absent)));
        if let Some(memory) = self.devices.remove(device) {
            verdicts.extend(memory.told().map(|kind| (device::key(kind, device), Verdict::Absent)));
        }
        self.interfaces.retain(|id, memory| {
            if id.device == *device {
                verdicts.extend(memory.told(id).into_iter().map(|key| (key, Verdict::Absent)));
            }
            id.device != *device
        });
        verdicts
    }
}

fn group_over(name: &Arc<str>, memory: &redundancy::Memory) -> Verdicts {
    memory.told().map(|kind| (redundancy::key(kind, name, &memory.device), Verdict::Absent)).collect()
}

#[cfg(test)]
mod tests;
