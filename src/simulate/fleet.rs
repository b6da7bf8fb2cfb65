//! Many switches in little memory: what sets one apart from its like is computed from its number and the time, and
//! nothing is stored of it.
//!
//! Every port sends and receives at a rate of its own, which follows from the seed and never changes; counters are that
//! rate times the device's uptime. So whoever reads them can be told exactly what he should find ([`Fleet::count`]). Of
//! each port ten counters are told: octets, unicast and multicast packets, discards and errors, both ways.

use std::cell::OnceCell;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::fabric::Node;
use super::port::Port;
use super::switch;
use super::tree::{Cell, Tree};
use crate::fabric::Counter;
use crate::snmp::{ObjectTree, OidError, OidRef, Value, VarBind};

/// Octets of every unicast frame.
const FRAME_OCTETS: u64 = 900;
/// Longest uptime of a device when the fleet begins.
const OLDEST: Duration = Duration::from_secs(100 * 86_400);

/// What is counted.
const COUNTERS: [Counter; 10] = [
    Counter::InOctets,
    Counter::OutOctets,
    Counter::InUcastPkts,
    Counter::OutUcastPkts,
    Counter::InMulticastPkts,
    Counter::OutMulticastPkts,
    Counter::InDiscards,
    Counter::OutDiscards,
    Counter::InErrors,
    Counter::OutErrors,
];

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetPlan {
    /// How many devices.
    pub devices: u32,
    /// Ports of each, at most 4,096.
    pub ports: u32,
    /// Bit/s of every port.
    pub speed_bps: u64,
    /// The same seed gives the same traffic.
    pub seed: u64,
}

impl Default for FleetPlan {
    fn default() -> Self {
        Self { devices: 1, ports: 48, speed_bps: 10_000_000_000, seed: 1 }
    }
}

/// All devices.
#[derive(Debug)]
pub struct Fleet {
    plan: FleetPlan,
    /// What all of them have alike.
    model: Tree,
}

impl Fleet {
    /// Build it.
    ///
    /// # Errors
    /// A name that is longer than names may be: never, with at most 4,096 ports.
    pub fn new(plan: FleetPlan) -> Result<Self, OidError> {
        let port = |index: u32| {
            let (name, alias) = (format!("Ethernet{index}"), format!("port {index}"));
            Arc::new(Port::new(name, alias, index, [0; 6], plan.speed_bps))
        };
        let ports = (1..=plan.ports.min(4_096)).map(port).collect();
        // As a spine it names its ports in LLDP by their names.
        let node = Node { name: "spine".into(), mac: [0; 6], is_switch: true, ports };
        Ok(Self { plan, model: switch::alone(&node, &COUNTERS)? })
    }

    /// What was asked for.
    pub fn plan(&self) -> FleetPlan {
        self.plan
    }

    /// The name of device `number`; they count from zero.
    pub fn name(number: u32) -> String {
        format!("sim{number}")
    }

    /// Device `number` as it is when the fleet has run for so long.
    pub fn device(&self, number: u32, elapsed: Duration) -> Device<'_> {
        let uptime = self.uptime(number, elapsed);
        let mut name = [0; 16];
        let mut free = &mut name[..];
        // A number has at most ten digits: it fits.
        let _ = write!(free, "sim{number}");
        let name_length = 16 - free.len();
        Device { fleet: self, number, uptime_ms: uptime.as_millis() as u64, name, name_length, macs: OnceCell::new() }
    }

    /// sysUpTime of a device.
    pub fn uptime(&self, number: u32, elapsed: Duration) -> Duration {
        let age = mix(self.plan.seed ^ u64::from(number) << 32) % OLDEST.as_secs();
        Duration::from_secs(age) + elapsed
    }

    /// What a counter of a port, by its ifIndex, stands at.
    pub fn count(&self, number: u32, if_index: u32, counter: Counter, elapsed: Duration) -> u64 {
        self.total(number, if_index, counter, self.uptime(number, elapsed).as_millis() as u64)
    }

    fn total(&self, number: u32, if_index: u32, counter: Counter, uptime_ms: u64) -> u64 {
        let luck = self.luck(number, if_index);
        if !is_up(luck) {
            return 0;
        }
        // Up to three quarters of the speed, each way its own share.
        let octets_per_ms = |share: u64| self.plan.speed_bps / 8_000 * (share & 0xff) * 3 / 1_024;
        let input = || octets_per_ms(luck >> 8) * uptime_ms;
        let output = || octets_per_ms(luck >> 16) * uptime_ms;
        let lossy = luck >> 32 & 0xff == 0;
        match counter {
            Counter::InOctets => input() + uptime_ms / 8,
            Counter::OutOctets => output() + uptime_ms / 8,
            Counter::InUcastPkts => input() / FRAME_OCTETS,
            Counter::OutUcastPkts => output() / FRAME_OCTETS,
            // Two a second, of 60 octets or so.
            Counter::InMulticastPkts | Counter::OutMulticastPkts => uptime_ms / 500,
            Counter::OutDiscards if lossy => output() / FRAME_OCTETS / 10_000,
            _ => 0,
        }
    }

    fn luck(&self, number: u32, if_index: u32) -> u64 {
        mix(self.plan.seed ^ u64::from(number) << 32 ^ u64::from(if_index) << 12)
    }
}

/// One port in 64 has no cable.
fn is_up(luck: u64) -> bool {
    luck & 0x3f != 0
}

/// A number that has nothing to do with this one (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// One device at one moment.
#[derive(Debug)]
pub struct Device<'a> {
    fleet: &'a Fleet,
    number: u32,
    uptime_ms: u64,
    name: [u8; 16],
    name_length: usize,
    /// Of the chassis, then of the ports; few ask for them.
    macs: OnceCell<Box<[[u8; 6]]>>,
}

impl Device<'_> {
    fn value<'v>(&'v self, cell: &'v Cell) -> Option<Value<'v>> {
        let count = |port: &Port, counter| self.fleet.total(self.number, port.index, counter, self.uptime_ms);
        Some(match cell {
            Cell::Wide(port, counter) => Value::Counter64(count(port, *counter)),
            Cell::Narrow(port, counter) => Value::Counter32(count(port, *counter) as u32),
            Cell::OperStatus(port) => {
                Value::Integer(if is_up(self.fleet.luck(self.number, port.index)) { 1 } else { 2 })
            }
            Cell::Uptime(_) => Value::TimeTicks((self.uptime_ms / 10) as u32),
            Cell::Name(_) => Value::OctetString(&self.name[..self.name_length]),
            Cell::Mac(place, _) => Value::OctetString(self.macs().get(usize::from(*place))?),
            fixed => return fixed.value(),
        })
    }

    fn macs(&self) -> &[[u8; 6]] {
        let [_, high, middle, low] = self.number.to_be_bytes();
        self.macs.get_or_init(|| {
            let mac = |place: u32| [0x06, high, middle, low, (place >> 8) as u8, place as u8];
            (0..=self.fleet.plan.ports).map(mac).collect()
        })
    }
}

impl ObjectTree for Device<'_> {
    fn get(&self, name: OidRef<'_>) -> Value<'_> {
        self.fleet.model.get_by(name, |cell| self.value(cell))
    }

    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>> {
        self.next_in_run(name, &mut 0)
    }

    fn next_in_run(&self, name: OidRef<'_>, place: &mut usize) -> Option<VarBind<'_>> {
        self.fleet.model.next_by(name, place, |cell| self.value(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snmp::Oid;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn get<'a>(device: &'a Device<'_>, oid: &str) -> Value<'a> {
        device.get(oid.parse::<Oid>().unwrap().as_ref())
    }

    #[test]
    fn devices_differ_and_their_counters_are_those_that_it_tells() {
        let fleet = Fleet::new(FleetPlan { devices: 100_000, ..FleetPlan::default() }).unwrap();
        let (one, other) = (fleet.device(7, HOUR), fleet.device(99_999, HOUR));
        assert_eq!(get(&one, "1.3.6.1.2.1.1.5.0"), Value::OctetString(b"sim7"));
        assert_eq!(get(&other, "1.3.6.1.2.1.1.5.0"), Value::OctetString(b"sim99999"));
        assert_ne!(get(&one, "1.3.6.1.2.1.2.2.1.6.3"), get(&other, "1.3.6.1.2.1.2.2.1.6.3"));
        assert_eq!(get(&one, "1.3.6.1.2.1.2.2.1.6.3"), Value::OctetString(&[6, 0, 0, 7, 0, 3]));
        assert_eq!(get(&one, "1.3.6.1.2.1.2.1.0"), Value::Integer(48));
        let octets = fleet.count(7, 3, Counter::InOctets, HOUR);
        assert_eq!(get(&one, "1.3.6.1.2.1.31.1.1.1.6.3"), Value::Counter64(octets));
        assert_eq!(get(&one, "1.3.6.1.2.1.2.2.1.10.3"), Value::Counter32(octets as u32));
        assert_eq!(get(&one, "1.3.6.1.2.1.31.1.1.1.6.49"), Value::NoSuchInstance);
    }

    #[test]
    fn counters_only_rise_and_no_faster_than_the_port_is() {
        let fleet = Fleet::new(FleetPlan { devices: 50, ..FleetPlan::default() }).unwrap();
        let mut dark = 0;
        for (number, if_index) in (0..50).flat_map(|number| (1..=48).map(move |index| (number, index))) {
            let at = |counter, elapsed| fleet.count(number, if_index, counter, elapsed);
            for counter in Counter::ALL {
                assert!(at(counter, HOUR) <= at(counter, HOUR * 2), "{counter:?}");
            }
            let octets = at(Counter::OutOctets, HOUR * 2) - at(Counter::OutOctets, HOUR);
            assert!(octets * 8 / 3_600 < fleet.plan.speed_bps);
            dark += usize::from(octets == 0);
        }
        assert!((1..200).contains(&dark), "{dark} of 2,400 ports are dark");
    }
}
