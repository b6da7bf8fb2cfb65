//! The rooms that think, one behind the other: what a sample changes, and whom it concerns. Pure: the time is handed in, and
//! nothing here waits, writes or sends. The core's thread drives it with real clocks, the scenarios of `tests/scenarios`
//! with virtual ones.
//!
//! ```text
//!   sample --> table --touched--> detectors --verdicts--> book --> gate --> transitions
//!                |                    ^
//!                +--> topology -------+
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aggregate::{self, Changes, Table};
use crate::alert::{self, Book, Gate, Transition};
use crate::detect::{self, Detectors, Verdicts};
use crate::fabric::{
    DeviceId, FindingKey, InterfaceId, InterfaceState, LinkHealth, LinkId, OperStatus, Reading, Sample, Sensor,
    SensorState, Subject, Timestamp,
};
use crate::topology::headroom::Headroom;
use crate::topology::ledger::Audit;
use crate::topology::{self, LinkReport, Topology, View};

/// The settings of these rooms.
#[derive(Clone, Debug, Default)]
pub struct PipelineSettings {
    /// The table's.
    pub aggregate: aggregate::Settings,
    /// The topology's.
    pub topology: topology::Settings,
    /// The detectors'.
    pub detect: detect::Settings,
    /// The gate's.
    pub alerts: alert::Settings,
}

/// The rooms, and what lies between them.
pub struct Pipeline {
    /// All interfaces.
    pub table: Table,
    /// Links and groups.
    pub topology: Topology,
    /// What looks at them.
    pub detectors: Detectors,
    /// What was found.
    pub book: Book,
    /// Who hears of it.
    pub gate: Gate,
    /// What optics last said, by device, in the order of interfaces.
    pub sensors: BTreeMap<DeviceId, Vec<SensorState>>,
    /// Keep the states of what a sample touched in [`Self::touched`], for whoever passes them on.
    pub keep_touched: bool,
    /// The interfaces that the last sample read, if that is kept.
    pub touched: Vec<InterfaceState>,
    /// What the last sample changed; kept for its memory.
    changes: Changes,
    /// What the auditor last said.
    audited: Option<Box<Audit>>,
}

/// How the topology looks into the table.
macro_rules! view {
    ($table:expr) => {
        View { interface: &|id| $table.interface(id), device: &|id| $table.device(id) }
    };
}

/// How the gate looks into the table and the topology.
macro_rules! with_view {
    ($core:ident, $view:ident => $call:expr) => {{
        let labels = |id: &DeviceId| $core.table.device(id).map(|device| device.identity.labels.clone());
        let link_at = |port: &InterfaceId| $core.topology.link_at(port).map(subject_of);
        let missing = |name: &str| {
            let planned = $core.topology.group(name).map(|group| group.planned.as_slice()).unwrap_or_default();
            let down = planned.iter().filter(|id| {
                let state = $core.topology.link_state(Timestamp::default(), id, view!($core.table));
                state.is_some_and(|state| state.health == LinkHealth::Down)
            });
            down.filter_map(|id| $core.topology.link(id)).map(subject_of).collect()
        };
        let silent = |id: &LinkId, since: Timestamp| {
            let Some(link) = $core.topology.link_state(since, id, view!($core.table)) else { return Vec::new() };
            let ends = [link.a, link.b].into_iter().filter(|end| end.end.watched && !says_down(end.oper_status));
            let devices = ends.map(|end| end.end.interface.device);
            let answered = |id: &DeviceId| $core.table.device(id).and_then(|device| device.answered_at);
            devices.filter(|id| answered(id).is_none_or(|at| at <= since)).collect()
        };
        let because = |key: &FindingKey| {
            let points = $core.audited.iter().flat_map(|audit| &audit.ledger.points);
            let mut points = points.filter(|point| detect::single_points::key(&point.part) == *key);
            let links = points.next()?.because.iter();
            Some(links.filter_map(|id| $core.topology.link(id)).map(subject_of).collect())
        };
        let $view =
            alert::View { labels: &labels, link_at: &link_at, missing: &missing, because: &because, silent: &silent };
        $call
    }};
}

impl Pipeline {
    /// Put the rooms together. Alerts of a restored book stand as they stood.
    pub fn new(table: Table, topology: Topology, detectors: Detectors, book: Book, gate: Gate) -> Self {
        let (sensors, changes) = (BTreeMap::new(), Changes::default());
        let (keep_touched, touched) = (false, Vec::new());
        let mut pipeline =
            Self { table, topology, detectors, book, gate, sensors, keep_touched, touched, changes, audited: None };
        with_view!(pipeline, view => pipeline.gate.restore(&pipeline.book, view));
        pipeline
    }

    /// One sample through all rooms; `now` is when it is taken in, a little later than it was read.
    pub fn take(&mut self, now: Timestamp, sample: &Sample) -> Vec<Transition> {
        let mut told = Vec::new();
        self.look(sample, &mut told);
        let mut steps = self.tell(now, told);
        let device = &sample.device;
        if self.gate.waits_for(device) && answers(&sample.reading) {
            steps.extend(with_view!(self, view => self.gate.heard(now, device, &mut self.book, view)));
        }
        steps
    }

    /// What the mere passing of time brings, and what samples changed in the topology since the last time. Says too
    /// whether links or groups changed.
    pub fn pass(&mut self, now: Timestamp) -> (Vec<Transition>, bool) {
        let mut told = Vec::new();
        self.table.tick(now, &mut self.changes);
        let change = self.topology.settle(now);
        let changed = change != topology::Change::default();
        if changed {
            let verdicts = self.detectors.follow(&change);
            self.observe(now, verdicts, &mut told);
            for id in &change.appeared {
                self.look_at_link(now, id, &mut told);
            }
            for name in &change.groups_changed {
                self.look_at_group(now, name, &mut told);
            }
        }
        told.extend(self.book.tick(now));
        let mut steps = self.tell(now, told);
        steps.extend(with_view!(self, view => self.gate.tick(now, &mut self.book, view)));
        (steps, changed)
    }

    /// A direction's history was looked at.
    pub fn forecast(&mut self, now: Timestamp, of: &detect::forecast::Subjected) -> Vec<Transition> {
        let verdicts = self.detectors.forecast(now, of);
        self.told(now, verdicts)
    }

    /// The ledger was written anew.
    pub fn audit(&mut self, now: Timestamp, audit: Box<Audit>) -> Vec<Transition> {
        let verdicts = self.detectors.audit(now, &audit);
        // What is told of a point is judged by what made it one.
        self.audited = Some(audit);
        self.told(now, verdicts)
    }

    /// It was looked where load would go.
    pub fn headroom(&mut self, now: Timestamp, headroom: &Headroom) -> Vec<Transition> {
        let verdicts = self.detectors.headroom(now, headroom);
        self.told(now, verdicts)
    }

    /// Take other settings.
    pub fn reconfigure(&mut self, now: Timestamp, settings: PipelineSettings) -> Vec<Transition> {
        self.gate.reconfigure(settings.alerts);
        self.table.reconfigure(settings.aggregate);
        self.topology.reconfigure(settings.topology);
        let mut verdicts = self.detectors.reconfigure(settings.detect);
        if let Some(audit) = &self.audited {
            verdicts.extend(self.detectors.audit(now, audit));
        }
        self.told(now, verdicts)
    }

    /// Links and groups as they are now.
    pub fn snapshot(&self, now: Timestamp) -> (Vec<crate::fabric::LinkState>, Vec<crate::fabric::GroupState>) {
        self.topology.snapshot(now, view!(self.table))
    }

    fn told(&mut self, now: Timestamp, verdicts: Verdicts) -> Vec<Transition> {
        let mut told = Vec::new();
        self.observe(now, verdicts, &mut told);
        self.tell(now, told)
    }

    /// What the book told: through the gate, which decides who hears of it.
    fn tell(&mut self, now: Timestamp, told: Vec<Transition>) -> Vec<Transition> {
        with_view!(self, view => self.gate.pass(now, &mut self.book, told, view))
    }

    fn look(&mut self, sample: &Sample, told: &mut Vec<Transition>) {
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
                self.sensors.remove(device);
                // The book says it better than the detectors' "absent": it is no longer watched.
                told.extend(self.book.retire(now, |key| concerns(key, device)));
            }
            Reading::Aggregations(members) => drop(self.topology.learn_aggregations(now, device, members)),
            Reading::SpanningTree(ports) => drop(self.topology.learn_spanning_tree(now, device, ports)),
            Reading::NextHops(hops) => drop(self.topology.learn_next_hops(now, device, hops)),
            Reading::Gateways(gateways) => drop(self.topology.learn_gateways(now, device, gateways)),
            Reading::Sensors(sensors) => self.look_at_optics(now, device, sensors, told),
            Reading::HostLosses(losses) => {
                let verdicts = self.detectors.host_losses(now, device, losses);
                self.observe(now, verdicts, told);
            }
            Reading::Pace { interval, took, skipped } => {
                let verdicts = self.detectors.pace(now, device, (*interval, *took, *skipped));
                self.observe(now, verdicts, told);
            }
            Reading::Poll(_) | Reading::Event { .. } | Reading::Unreachable(_) => {}
        }
        for interface in &changes.removed {
            let verdicts = self.detectors.forget_interface(interface);
            self.observe(now, verdicts, told);
        }
        for (slot, before_bps) in &changes.speeds {
            if let Some(state) = self.table.interface_at(*slot) {
                self.detectors.speed_changed(now, &state, *before_bps);
            }
        }
        let heard = matches!(sample.reading, Reading::Poll(_) | Reading::Event { .. });
        let keep = heard && self.keep_touched;
        if keep {
            self.touched.reserve_exact(changes.interfaces.len());
        }
        let rows = if let Reading::Poll(rows) = &sample.reading { rows.as_slice() } else { &[] };
        let mut row_at = 0;
        for &slot in &changes.interfaces {
            let Some(state) = self.table.interface_at(slot) else { continue };
            // Before the first poll its status is unknown, which is no reading.
            if heard {
                self.topology.learn_status(now, &state.id, state.oper_status);
            }
            let link = self.topology.link_at(&state.id);
            let report = link.and_then(|link| self.topology.link_report(now, &link.id, view!(self.table)));
            let table = &self.table;
            let link = report.as_ref().map(|report| &report.state);
            let verdicts = self.detectors.interface(now, &state, link, &|id| table.spread(id, now));
            self.observe(now, verdicts, told);
            match report {
                Some(report) => {
                    self.judge_link(now, &report, told);
                    // Rows and interfaces come in the same order, but for those that were passed over.
                    let row = (0..rows.len())
                        .map(|at| (row_at + at) % rows.len())
                        .find(|at| rows[*at].if_name == state.id.if_name);
                    if let Some(at) = row
                        && state.polled_at == Some(now)
                    {
                        row_at = at + 1;
                        let local = self.table.device(device).is_some_and(|device| device.identity.address.is_none());
                        let (uptime, discontinuity) = (sample.device_uptime, rows[at].discontinuity);
                        let look = detect::silent_loss::Look {
                            now,
                            uptime,
                            discontinuity,
                            state: &state,
                            local,
                            report: &report,
                        };
                        let verdicts = self.detectors.compare(look);
                        self.observe(now, verdicts, told);
                    }
                }
                // A port without a neighbour may be one of an aggregate's all the same.
                None => self.look_at_bundles(now, &state, told),
            }
            if keep {
                self.touched.push(state);
            }
        }
        if !changes.retired
            && let Some(state) = self.table.device(device)
        {
            let verdicts = self.detectors.device(now, &state);
            self.observe(now, verdicts, told);
        }
        self.changes = changes;
    }

    /// The groups that rest on a port without a link.
    fn look_at_bundles(&mut self, now: Timestamp, state: &InterfaceState, told: &mut Vec<Transition>) {
        let concerns = |name: &&Arc<str>| !state.oper_status.is_up() || self.detectors.tells_of_group(name);
        let names: Vec<_> = self.topology.groups_at(&state.id).iter().filter(concerns).cloned().collect();
        for name in names {
            self.look_at_group(now, &name, told);
        }
    }

    /// All sensors of a device: judged, and kept for those who look.
    fn look_at_optics(&mut self, now: Timestamp, device: &DeviceId, sensors: &[Sensor], told: &mut Vec<Transition>) {
        let of = |sensor: &Sensor| InterfaceId { device: device.clone(), if_name: Arc::clone(&sensor.if_name) };
        let mut by_port: BTreeMap<InterfaceId, Vec<&Sensor>> = BTreeMap::new();
        // One whose optic was pulled is looked at once more, without any.
        let before = self.sensors.get(device).into_iter().flatten();
        by_port.extend(before.map(|state| (state.interface.clone(), Vec::new())));
        for sensor in sensors {
            by_port.entry(of(sensor)).or_default().push(sensor);
        }
        for (port, sensors) in by_port {
            let Some(state) = self.table.interface(&port) else { continue };
            let verdicts = self.detectors.optics(now, &state, &sensors);
            self.observe(now, verdicts, told);
        }
        let kept = |sensor: &Sensor| SensorState { interface: of(sensor), sensor: sensor.clone(), read_at: now };
        self.sensors.insert(device.clone(), sensors.iter().map(kept).collect());
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

    fn observe(&mut self, now: Timestamp, verdicts: Verdicts, told: &mut Vec<Transition>) {
        for (key, verdict) in verdicts {
            told.extend(self.book.observe(now, &key, verdict));
        }
    }
}

fn subject_of(link: &topology::Link) -> Subject {
    Subject::Link { id: link.id.clone(), a: link.a.interface.clone(), b: link.b.interface.clone() }
}

/// A port of which its own device says that it passes nothing.
const fn says_down(status: OperStatus) -> bool {
    matches!(status, OperStatus::Down | OperStatus::LowerLayerDown | OperStatus::NotPresent | OperStatus::Dormant)
}

/// Does this show that the device answers? A trap does not: nobody has proved who sent it.
const fn answers(reading: &Reading) -> bool {
    matches!(reading, Reading::Poll(_) | Reading::Identity(_) | Reading::Inventory(_) | Reading::Neighbors(_))
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
