//! The network that a script tells of: devices that count what they carry, and what a poller reads of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use selvedge::fabric::{
    AdminStatus, AggregationMember, ChassisId, Counter, CounterWidth, Counters, DeviceId, DeviceIdentity,
    InterfaceInfo, InterfacePoll, Medium, Neighbor, OperStatus, PortId, Quantity, Reading, Sample, Sensor, Timestamp,
    UnreachableReason, Uptime,
};

use crate::script::{Line, bps};

/// All packets are of this many octets.
const PACKET: f64 = 1_000.0;
/// How long a poller tries before it says that a device does not answer: three times two seconds.
const PATIENCE: Duration = Duration::from_secs(6);
/// From a question to its answer.
const ROUND_TRIP: Duration = Duration::from_millis(5);
/// A device has been up for so long when a script begins: 30 days.
const UP_BEFORE: f64 = 30.0 * 86_400.0;

struct Port {
    if_index: u32,
    speed_bps: u64,
    oper: OperStatus,
    admin: AdminStatus,
    /// Per second, and what was counted so far.
    rates: [f64; Counter::COUNT],
    counts: [f64; Counter::COUNT],
    received_dbm: Option<f64>,
    bundle: Option<Arc<str>>,
    is_bundle: bool,
}

struct Device {
    ports: BTreeMap<Arc<str>, Port>,
    every: Duration,
    caches: Option<Duration>,
    narrow: bool,
    labels: BTreeMap<String, String>,
    answers: bool,
    uptime: f64,
    uptime_runs: f64,
    poll_takes: Duration,
    overrun: Option<bool>,
    counted_at: Timestamp,
    /// What a caching agent shows, and since when.
    shown: Option<(Timestamp, BTreeMap<Arc<str>, Counters>)>,
    polled_next: Timestamp,
    /// Its tables are read anew with the next poll.
    relearn: bool,
}

/// All devices and cables.
pub struct World {
    devices: BTreeMap<String, Device>,
    cables: Vec<[String; 2]>,
    start: Timestamp,
    /// What is on its way to us.
    coming: Vec<Sample>,
}

impl World {
    pub fn new(start: Timestamp) -> Self {
        Self { devices: BTreeMap::new(), cables: Vec::new(), start, coming: Vec::new() }
    }

    /// A line without a time.
    pub fn build(&mut self, line: &Line) {
        if let Some(cable) = &line.cable {
            cable.iter().for_each(|end| drop(self.port(end)));
            self.cables.push(cable.clone());
        }
        if let (Some(name), Some(ports)) = (&line.device, &line.ports) {
            let speed_bps = line.speed.as_deref().map_or(10_000_000_000, |speed| bps(speed) as u64);
            let plain = |n: usize, name: &String, is_bundle| {
                let mut port = Port {
                    if_index: n as u32 + 1,
                    speed_bps,
                    oper: OperStatus::Up,
                    admin: AdminStatus::Up,
                    rates: [0.0; Counter::COUNT],
                    counts: [1e9; Counter::COUNT],
                    received_dbm: None,
                    bundle: None,
                    is_bundle,
                };
                carry(&mut port, true, speed_bps as f64 / 10.0);
                carry(&mut port, false, speed_bps as f64 / 10.0);
                (Arc::from(name.as_str()), port)
            };
            let mut all: BTreeMap<Arc<str>, Port> =
                ports.iter().enumerate().map(|(n, name)| plain(n, name, false)).collect();
            for (bundle, members) in line.bundles.iter().flatten() {
                for member in members {
                    all.get_mut(member.as_str()).expect("a member is a port").bundle = Some(bundle.as_str().into());
                }
                let (name, mut port) = plain(all.len(), bundle, true);
                port.speed_bps = speed_bps * members.len() as u64;
                all.insert(name, port);
            }
            let device = Device {
                ports: all,
                every: Duration::from_secs_f64(line.every.unwrap_or(10.0)),
                caches: line.caches.map(Duration::from_secs_f64),
                narrow: line.narrow == Some(true),
                labels: line.labels.clone().unwrap_or_default(),
                answers: true,
                uptime: UP_BEFORE,
                uptime_runs: 1.0,
                poll_takes: Duration::ZERO,
                overrun: None,
                counted_at: self.start,
                shown: None,
                polled_next: self.start,
                relearn: true,
            };
            self.devices.insert(name.clone(), device);
        } else if line.port.is_some() {
            self.happens(self.start, line);
        }
    }

    /// A line with a time.
    pub fn happens(&mut self, now: Timestamp, line: &Line) {
        for device in self.devices.values_mut() {
            device.count(now);
        }
        for (end, oper) in [(&line.cut, OperStatus::Down), (&line.mend, OperStatus::Up)] {
            let Some(end) = end else { continue };
            let ends = self.cables.iter().find(|ends| ends.contains(end)).expect("a cable").clone();
            ends.iter().for_each(|end| self.port(end).1.oper = oper);
        }
        if let Some(name) = &line.device {
            let device = self.devices.get_mut(name).expect("a device");
            device.answers = line.answers.unwrap_or(device.answers);
            device.uptime_runs = line.uptime_runs.unwrap_or(device.uptime_runs);
            device.poll_takes = line.poll_takes.map_or(device.poll_takes, Duration::from_secs_f64);
            device.caches = line.caches.map(Duration::from_secs_f64).or(device.caches);
            if line.restarts == Some(true) {
                device.uptime = 0.0;
                device.shown = None;
                device.relearn = true;
                device.ports.values_mut().for_each(|port| port.counts = [0.0; Counter::COUNT]);
            }
            if line.renumbers == Some(true) {
                device.ports.values_mut().for_each(|port| port.if_index += 100);
                device.relearn = true;
            }
        }
        if let Some(end) = &line.port {
            self.change(now, end, line);
        }
    }

    fn change(&mut self, now: Timestamp, end: &str, line: &Line) {
        let far = self.cables.iter().find(|ends| ends.iter().any(|one| one == end));
        let far = far.and_then(|ends| ends.iter().find(|one| *one != end)).cloned();
        let (device, port) = self.port(end);
        if let Some(is) = &line.is {
            port.oper = match is.as_str() {
                "up" => OperStatus::Up,
                "down" => OperStatus::Down,
                "unknown" => OperStatus::Unknown,
                _ => panic!("`is` is up, down or unknown"),
            };
        }
        if let Some(admin) = &line.admin {
            port.admin = if admin == "down" { AdminStatus::Down } else { AdminStatus::Up };
        }
        let mut relearn = false;
        if let Some(speed) = &line.speed {
            port.speed_bps = bps(speed) as u64;
            relearn = true;
        }
        if let Some(sends) = &line.sends {
            carry(port, true, bps(sends));
        }
        if let Some(receives) = &line.receives {
            carry(port, false, bps(receives));
        }
        for (name, pps) in line.loses.iter().flatten() {
            port.rates[counter(name).slot()] = *pps;
        }
        if line.resets == Some(true) {
            port.counts = [0.0; Counter::COUNT];
        }
        for (name, value) in line.counts.iter().flatten() {
            port.counts[counter(name).slot()] = *value as f64;
        }
        port.received_dbm = line.receives_dbm.or(port.received_dbm);
        if line.leaves_bundle == Some(true) {
            port.bundle = None;
        }
        let oper = port.oper;
        relearn |= line.receives_dbm.is_some() || line.leaves_bundle.is_some();
        let (id, if_name) = (DeviceId::from(&device), end.split_once(':').unwrap().1.into());
        let device = self.devices.get_mut(&device).unwrap();
        device.relearn |= relearn;
        if line.trap == Some(true) {
            let reading = Reading::Event { if_name, oper_status: oper, medium: Medium::Trap };
            self.coming.push(Sample { device: id.clone(), taken_at: now, device_uptime: None, reading });
            self.ask(now, &id);
        }
        if let (Some(far), Some(sends)) = (far, &line.sends) {
            carry(self.port(&far).1, false, bps(sends));
        }
    }

    /// `device:port`
    fn port(&mut self, end: &str) -> (String, &mut Port) {
        let (device, port) = end.split_once(':').unwrap_or_else(|| panic!("{end}: not DEVICE:PORT"));
        let ports = &mut self.devices.get_mut(device).unwrap_or_else(|| panic!("{end}: no such device")).ports;
        (device.to_owned(), ports.get_mut(port).unwrap_or_else(|| panic!("{end}: no such port")))
    }

    /// The states of this device are asked for at once, its counters are not.
    pub fn ask(&mut self, now: Timestamp, id: &DeviceId) {
        let Some(device) = self.devices.get_mut(id.as_str()) else { return };
        if !device.answers {
            self.silent(now, id.clone());
            return;
        }
        let at = now + ROUND_TRIP;
        device.count(at);
        let rows = device.ports.iter().map(|(name, port)| row(name, port, Counters::default())).collect();
        let uptime = device.uptime();
        self.coming.push(Sample {
            device: id.clone(),
            taken_at: at,
            device_uptime: uptime,
            reading: Reading::Poll(rows),
        });
    }

    /// A question at this time finds no answer.
    fn silent(&mut self, now: Timestamp, id: DeviceId) {
        let reading = Reading::Unreachable(UnreachableReason::Timeout);
        self.coming.push(Sample { device: id, taken_at: now + PATIENCE, device_uptime: None, reading });
    }

    /// What reaches us by now.
    pub fn samples(&mut self, now: Timestamp) -> Vec<Sample> {
        let names: Vec<String> = self.devices.keys().cloned().collect();
        for name in names {
            while self.devices[&name].polled_next <= now {
                self.poll(&name);
            }
        }
        self.coming.sort_by_key(|sample| sample.taken_at);
        let later = self.coming.partition_point(|sample| sample.taken_at <= now);
        let rest = self.coming.split_off(later);
        std::mem::replace(&mut self.coming, rest)
    }

    fn poll(&mut self, name: &str) {
        let neighbors = self.neighbors(name);
        let number = self.devices.keys().position(|key| key == name).unwrap() + 1;
        let device = self.devices.get_mut(name).unwrap();
        let at = device.polled_next;
        device.polled_next = at + device.every;
        let id = DeviceId::from(name);
        if !device.answers {
            self.silent(at, id);
            return;
        }
        device.count(at);
        let uptime = device.uptime();
        let mut say = |reading| {
            self.coming.push(Sample { device: id.clone(), taken_at: at, device_uptime: uptime, reading });
        };
        if std::mem::take(&mut device.relearn) {
            say(Reading::Identity(Arc::new(DeviceIdentity {
                address: Some(format!("10.0.{}.{}:161", number / 250, number % 250).parse().unwrap()),
                sys_name: name.to_owned(),
                labels: device.labels.clone(),
                ..DeviceIdentity::default()
            })));
            say(Reading::Inventory(device.ports.iter().map(|(name, port)| info(name, port)).collect()));
            say(Reading::Neighbors(neighbors));
            if device.ports.values().any(|port| port.is_bundle) {
                let member = |(name, port): (&Arc<str>, &Port)| {
                    Some(AggregationMember {
                        if_name: Arc::clone(name),
                        aggregator: port.bundle.clone()?,
                        attached: Some(true),
                        actor: None,
                        partner: None,
                    })
                };
                say(Reading::Aggregations(device.ports.iter().filter_map(member).collect()));
            }
            let optic = |(name, port): (&Arc<str>, &Port)| {
                Some(Sensor {
                    if_name: Arc::clone(name),
                    name: format!("{name} receive power").into(),
                    quantity: Quantity::ReceivedPower,
                    value: Some(port.received_dbm?),
                    limits: selvedge::fabric::Limits::default(),
                })
            };
            let optics: Vec<Sensor> = device.ports.iter().filter_map(optic).collect();
            if !optics.is_empty() {
                say(Reading::Sensors(optics));
            }
        }
        // As the poller does it: ticks that fall into a poll are left out.
        let done = at + device.poll_takes;
        let mut skipped = 0;
        while device.polled_next <= done && device.poll_takes > Duration::ZERO {
            device.polled_next = device.polled_next + device.every;
            skipped += 1;
        }
        let pace = Reading::Pace { interval: device.every, took: device.poll_takes, skipped };
        let tells = skipped > 0 || device.overrun != Some(false);
        device.overrun = Some(skipped > 0);
        let fresh =
            device.shown.as_ref().is_none_or(|(since, _)| device.caches.is_none_or(|span| at.since(*since) >= span));
        if fresh {
            let narrow = device.narrow;
            let shown = device.ports.iter().map(|(name, port)| (Arc::clone(name), counters(port, narrow))).collect();
            device.shown = Some((at, shown));
        }
        let shown = &device.shown.as_ref().unwrap().1;
        say(Reading::Poll(device.ports.iter().map(|(name, port)| row(name, port, shown[name])).collect()));
        if tells {
            self.coming.push(Sample { device: id, taken_at: done, device_uptime: None, reading: pace });
        }
    }

    fn neighbors(&self, name: &str) -> Vec<Neighbor> {
        let cables = self.cables.iter().flat_map(|[a, b]| [(a, b), (b, a)]);
        cables
            .filter_map(|(near, far)| {
                let ((device, local), (far_device, far_port)) = (near.split_once(':')?, far.split_once(':')?);
                (device == name).then(|| Neighbor {
                    local: local.into(),
                    chassis_id: ChassisId { subtype: 7, value: far_device.into() },
                    port_id: PortId { subtype: 5, value: far_port.into() },
                    port_descr: String::new(),
                    sys_name: far_device.to_owned(),
                    management_addresses: Vec::new(),
                })
            })
            .collect()
    }
}

impl Device {
    /// Count up to this moment.
    fn count(&mut self, now: Timestamp) {
        let secs = now.since(self.counted_at).as_secs_f64();
        self.counted_at = self.counted_at.max(now);
        self.uptime += secs * self.uptime_runs;
        for port in self.ports.values_mut().filter(|port| port.oper.is_up()) {
            for (count, rate) in port.counts.iter_mut().zip(port.rates) {
                *count += rate * secs;
            }
        }
    }

    fn uptime(&self) -> Option<Uptime> {
        Some(Uptime((self.uptime * 100.0).round() as u64 as u32))
    }
}

/// Traffic in one direction.
fn carry(port: &mut Port, sends: bool, bps: f64) {
    let (octets, packets) = match sends {
        true => (Counter::OutOctets, Counter::OutUcastPkts),
        false => (Counter::InOctets, Counter::InUcastPkts),
    };
    port.rates[octets.slot()] = bps / 8.0;
    port.rates[packets.slot()] = bps / 8.0 / PACKET;
}

fn counter(name: &str) -> Counter {
    Counter::ALL.into_iter().find(|counter| counter.as_str() == name).unwrap_or_else(|| panic!("no counter {name}"))
}

fn counters(port: &Port, narrow: bool) -> Counters {
    let mut counters = Counters::default();
    for counter in Counter::ALL {
        let value = port.counts[counter.slot()] as u64;
        // The classes of vendors: only where the script speaks of them.
        if counter.is_drops() && port.rates[counter.slot()] == 0.0 && value == 1_000_000_000 {
            continue;
        }
        match narrow {
            true => counters.set(counter, value & u64::from(u32::MAX), CounterWidth::Bits32),
            false => counters.set(counter, value, CounterWidth::Bits64),
        }
    }
    counters
}

fn info(name: &Arc<str>, port: &Port) -> Arc<InterfaceInfo> {
    Arc::new(InterfaceInfo {
        if_name: Arc::clone(name),
        if_index: port.if_index,
        if_descr: name.to_string(),
        if_type: if port.is_bundle { 161 } else { 6 },
        phys_address: vec![2, 0, 0, 0, 0, port.if_index as u8],
        speed_bps: Some(port.speed_bps),
        ..InterfaceInfo::default()
    })
}

fn row(name: &Arc<str>, port: &Port, counters: Counters) -> InterfacePoll {
    InterfacePoll {
        if_name: Arc::clone(name),
        oper_status: port.oper,
        admin_status: port.admin,
        discontinuity: Some(Uptime(0)),
        counters,
    }
}
