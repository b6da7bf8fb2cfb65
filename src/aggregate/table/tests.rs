use std::collections::HashSet;

use super::*;
use crate::aggregate::SpeedOverride;
use crate::aggregate::algebra::Clock;
use crate::fabric::SpeedSource;
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceHealth, DeviceIdentity, InterfaceInfo, InterfacePoll, Medium,
    OperStatus, Rate, Unknown, UnreachableReason, Uptime,
};

mod devices;

const GIGABIT: u64 = 1_000_000_000;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}

fn port(if_name: &str, if_index: u32) -> Arc<InterfaceInfo> {
    Arc::new(InterfaceInfo {
        if_name: if_name.into(),
        if_index,
        if_type: 6,
        speed_bps: Some(GIGABIT),
        ..InterfaceInfo::default()
    })
}

fn row(if_name: &str, values: &[(Counter, u64)]) -> InterfacePoll {
    let mut counters = Counters::default();
    values.iter().for_each(|(counter, value)| counters.set(*counter, *value, CounterWidth::Bits64));
    InterfacePoll {
        if_name: if_name.into(),
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        discontinuity: None,
        counters,
    }
}

fn octets(if_name: &str, value: u64) -> InterfacePoll {
    row(if_name, &[(Counter::InOctets, value)])
}

fn with_status(if_name: &str, oper_status: OperStatus) -> InterfacePoll {
    InterfacePoll { oper_status, ..row(if_name, &[]) }
}

/// One device, `leaf1`, and what is done to it.
struct Bench {
    table: Table,
    reader: TableReader,
    changes: Changes,
}

impl Bench {
    fn new(names: &[&str]) -> Self {
        let (table, reader) = Table::new(Settings::default());
        let mut bench = Self { table, reader, changes: Changes::default() };
        bench.identify();
        bench.enlist(names);
        bench
    }

    fn apply(&mut self, seconds: f64, uptime_s: impl Into<Option<f64>>, reading: Reading) -> &Changes {
        let device_uptime = uptime_s.into().map(|uptime_s: f64| Uptime((uptime_s * 100.0) as u64 as u32));
        let sample = Sample { device: "leaf1".into(), taken_at: at(seconds), device_uptime, reading };
        self.table.apply(&sample, &mut self.changes);
        &self.changes
    }

    fn identify(&mut self) {
        let address = Some("10.99.0.1:161".parse().unwrap());
        self.apply(0.0, None, Reading::Identity(Arc::new(DeviceIdentity { address, ..DeviceIdentity::default() })));
    }

    fn enlist(&mut self, names: &[&str]) -> &Changes {
        let infos = names.iter().zip(1..).map(|(if_name, if_index)| port(if_name, if_index)).collect();
        self.apply(0.0, None, Reading::Inventory(infos))
    }

    fn poll(&mut self, seconds: f64, rows: Vec<InterfacePoll>) -> &Changes {
        self.apply(seconds, 100_000.0 + seconds, Reading::Poll(rows))
    }

    fn event(&mut self, seconds: f64, oper_status: OperStatus, medium: Medium) -> &Changes {
        self.apply(seconds, None, Reading::Event { if_name: "eth0".into(), oper_status, medium })
    }

    fn state(&self, if_name: &str) -> InterfaceState {
        let state = self.table.interface(&InterfaceId::new("leaf1", if_name)).unwrap();
        let read = self.reader.interface(&state.id).unwrap();
        assert_eq!((read.rates, read.counters, read.polled_at), (state.rates, state.counters, state.polled_at));
        state
    }

    fn rate(&self, if_name: &str, counter: Counter) -> Rate {
        self.state(if_name).rates[counter]
    }

    fn octets_in(&self, if_name: &str) -> Rate {
        self.rate(if_name, Counter::InOctets)
    }
}

const FIRST: Rate = Rate::Unknown(Unknown::FirstSample);
const DISCONTINUITY: Rate = Rate::Unknown(Unknown::Discontinuity);

#[test]
fn a_fresh_device_has_rates_with_the_second_poll() {
    let mut bench = Bench::new(&["lo", "eth0", "eth1"]);
    assert_eq!(bench.octets_in("eth0"), FIRST);
    assert_eq!(bench.state("eth0").polled_at, None);
    bench.poll(10.0, vec![octets("lo", 7), octets("eth0", 1_000), octets("eth1", 5)]);
    assert_eq!(bench.octets_in("eth0"), FIRST);
    assert_eq!(bench.rate("eth0", Counter::OutOctets), Rate::Unknown(Unknown::Missing));
    bench.poll(20.0, vec![octets("lo", 7), octets("eth0", 11_000), octets("eth1", 5)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(1_000.0));
    for idle in ["lo", "eth1"] {
        assert_eq!(bench.octets_in(idle), Rate::Known(0.0), "{idle} repeats, but the device is known to be fresh");
    }
    bench.poll(30.0, vec![octets("lo", 7), octets("eth0", 31_000), octets("eth1", 10_005)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(2_000.0));
    assert_eq!(bench.octets_in("eth1"), Rate::Known(1_000.0));
    let basis = bench.reader.basis(&InterfaceId::new("leaf1", "eth0")).unwrap();
    assert_eq!((basis.span, basis.clock), (Duration::from_secs(10), Clock::Device));
    assert_eq!(basis.uncertainty, Duration::from_micros(12_288), "10 ms, rounded up to what is kept");
    bench.poll(40.0, vec![octets("lo", 7), octets("eth0", 31_000), octets("eth1", 20_005)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(2_000.0), "the rows behind it may be newer: one poll's patience");
    bench.poll(50.0, vec![octets("lo", 7), octets("eth0", 31_000), octets("eth1", 30_005)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(0.0));
}

#[test]
fn a_first_rate_is_taken_back_when_the_device_turns_out_to_cache() {
    let mut bench = Bench::new(&["eth0"]);
    // The cache holds 30 s: what is read at 10 was counted at 0.
    for (seconds, value, expected) in [
        (10.0, 0, FIRST),
        (20.0, 30_000, Rate::Known(3_000.0)),
        (30.0, 30_000, FIRST),
        (40.0, 30_000, FIRST),
        (50.0, 60_000, Rate::Known(1_000.0)),
        (60.0, 60_000, Rate::Known(1_000.0)),
    ] {
        bench.poll(seconds, vec![octets("eth0", value)]);
        assert_eq!(bench.octets_in("eth0"), expected, "at {seconds}");
        if seconds == 20.0 {
            let basis = bench.reader.basis(&InterfaceId::new("leaf1", "eth0")).unwrap();
            assert!(basis.uncertainty > Duration::from_secs(30), "and until then it is said to be doubtful");
        }
    }
}

#[test]
fn a_device_where_nothing_moves_is_idle_after_longer_than_any_cache() {
    let mut bench = Bench::new(&["eth0"]);
    for poll in 0..10 {
        let seconds = f64::from(poll) * 10.0;
        bench.poll(seconds, vec![octets("eth0", 42)]);
        let expected = if seconds > 33.0 { Rate::Known(0.0) } else { FIRST };
        assert_eq!(bench.octets_in("eth0"), expected, "at {seconds}");
    }
    // This host's kernel has no cache to speak of.
    let mut bench = Bench::new(&["eth0"]);
    bench.apply(0.0, None, Reading::Identity(Arc::default()));
    for poll in 0..5 {
        bench.poll(f64::from(poll), vec![octets("eth0", 42)]);
    }
    assert_eq!(bench.octets_in("eth0"), Rate::Known(0.0));
}

#[test]
fn traffic_that_stops_on_a_fresh_device_is_zero_with_the_second_silent_poll() {
    let mut bench = Bench::new(&["eth0"]);
    for poll in 0..8 {
        bench.poll(f64::from(poll) * 10.0, vec![octets("eth0", 5_000 * poll as u64)]);
    }
    bench.poll(80.0, vec![octets("eth0", 35_000)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(500.0), "one repeat may be a cache");
    bench.poll(90.0, vec![octets("eth0", 35_000)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(0.0));
}

#[test]
fn a_reset_is_never_a_spike() {
    let busy = |octets, packets, discards| {
        vec![row(
            "eth0",
            &[(Counter::InOctets, octets), (Counter::InUcastPkts, packets), (Counter::InDiscards, discards)],
        )]
    };
    let all = [Counter::InOctets, Counter::InUcastPkts, Counter::InDiscards];
    let rates = |bench: &Bench| all.map(|counter| bench.rate("eth0", counter));

    // Without a word: octets and packets fall, the few discards since look like a rise.
    let mut bench = Bench::new(&["eth0"]);
    bench.poll(0.0, busy(1_000_000, 1_000, 0));
    bench.poll(10.0, busy(2_000_000, 2_000, 0));
    assert_eq!(rates(&bench), [Rate::Known(100_000.0), Rate::Known(100.0), Rate::Known(0.0)]);
    bench.poll(20.0, busy(5_000, 5, 3));
    assert_eq!(rates(&bench), [DISCONTINUITY; 3]);
    bench.poll(30.0, busy(15_000, 15, 3));
    assert_eq!(rates(&bench), [Rate::Known(1_000.0), Rate::Known(1.0), Rate::Known(0.0)]);

    // The agent restarted and counters went on from elsewhere, higher than before.
    let changes = bench.apply(40.0, 4.0, Reading::Poll(busy(25_000, 25, 4)));
    assert!(changes.restarted && changes.device);
    assert_eq!(rates(&bench), [DISCONTINUITY; 3]);
    let changes = bench.apply(50.0, 14.0, Reading::Poll(busy(35_000, 35, 5)));
    assert!(!changes.restarted);
    assert_eq!(rates(&bench), [Rate::Known(1_000.0), Rate::Known(1.0), Rate::Known(0.1)]);

    // ifCounterDiscontinuityTime moved.
    for (seconds, discontinuity, value, expected) in [
        (60.0, Some(7), 45_000, Rate::Known(1_000.0)),
        (70.0, Some(7), 55_000, Rate::Known(1_000.0)),
        (80.0, Some(6_000), 65_000, DISCONTINUITY),
        (90.0, None, 75_000, Rate::Known(1_000.0)),
        (100.0, Some(6_000), 85_000, Rate::Known(1_000.0)),
    ] {
        let mut rows = busy(value, 35, 5);
        rows[0].discontinuity = discontinuity.map(Uptime);
        bench.apply(seconds, seconds - 36.0, Reading::Poll(rows));
        assert_eq!(bench.octets_in("eth0"), expected, "at {seconds}");
    }
}

#[test]
fn one_wide_counter_that_slips_back_a_little_is_alone_in_it() {
    let mut bench = Bench::new(&["eth0"]);
    for (seconds, octets, packets) in [(0.0, 1_000, 10), (10.0, 900, 20)] {
        bench.poll(seconds, vec![row("eth0", &[(Counter::InOctets, octets), (Counter::InUcastPkts, packets)])]);
    }
    assert_eq!(bench.octets_in("eth0"), DISCONTINUITY);
    assert_eq!(bench.rate("eth0", Counter::InUcastPkts), Rate::Known(1.0));
}

#[test]
fn narrow_counters_wrap_and_change_their_width() {
    let narrow = |value, width| {
        let mut row = row("eth0", &[]);
        row.counters.set(Counter::InOctets, value, width);
        vec![row]
    };
    let mut bench = Bench::new(&["eth0"]);
    for (seconds, value, width, expected) in [
        (0.0, 4_294_967_000, CounterWidth::Bits32, FIRST),
        (1.0, 704, CounterWidth::Bits32, Rate::Known(1_000.0)),
        (2.0, 4_294_000_000, CounterWidth::Bits32, Rate::Unknown(Unknown::Implausible)),
        (50.0, 5_000, CounterWidth::Bits32, Rate::Unknown(Unknown::Ambiguous)),
        (51.0, 5_100, CounterWidth::Bits64, DISCONTINUITY),
        (52.0, 5_200, CounterWidth::Bits64, Rate::Known(100.0)),
    ] {
        bench.poll(seconds, narrow(value, width));
        assert_eq!(bench.octets_in("eth0"), expected, "at {seconds}");
        assert_eq!(bench.state("eth0").counters.width(Counter::InOctets), width);
    }
}

#[test]
fn what_vanishes_for_a_poll_comes_back_without_a_spike() {
    let both = |eth0, eth1| vec![octets("eth0", eth0), octets("eth1", eth1)];
    let mut bench = Bench::new(&["eth0", "eth1"]);
    bench.poll(0.0, both(0, 0));
    bench.poll(10.0, both(1_000, 1_000));
    // A truncated walk: the row is missing.
    bench.poll(20.0, vec![octets("eth0", 2_000)]);
    assert_eq!(bench.octets_in("eth1"), Rate::Known(100.0));
    bench.poll(30.0, both(3_000, 5_000));
    assert_eq!(bench.octets_in("eth1"), Rate::Known(200.0), "over the 20 s that it was away");
    // The counter is missing, the row is there.
    bench.poll(40.0, vec![octets("eth0", 4_000), row("eth1", &[(Counter::OutOctets, 3)])]);
    assert_eq!(bench.octets_in("eth1"), Rate::Unknown(Unknown::Missing));
    assert_eq!(bench.state("eth1").counters.get(Counter::InOctets), None);
    bench.poll(50.0, both(5_000, 900_000));
    assert_eq!(bench.octets_in("eth1"), FIRST);
    bench.poll(60.0, both(6_000, 901_000));
    assert_eq!(bench.octets_in("eth1"), Rate::Known(100.0));
}

#[test]
fn late_and_hasty_rows_do_no_harm() {
    let mut bench = Bench::new(&["eth0"]);
    for poll in 0..4 {
        bench.poll(f64::from(poll) * 10.0 - 20.0, vec![octets("eth0", 1_000 * poll as u64)]);
    }
    let mut down = octets("eth0", 3_010);
    down.oper_status = OperStatus::Down;
    let changes = bench.poll(10.1, vec![down.clone()]);
    assert_eq!(changes.oper.len(), 1, "the status of a confirming poll counts");
    assert_eq!(bench.octets_in("eth0"), Rate::Known(100.0), "and its counters are too near for a rate");
    bench.poll(5.0, vec![octets("eth0", 500)]);
    assert_eq!(bench.state("eth0").oper_status, OperStatus::Down, "what is older does not count");
    bench.poll(20.0, vec![octets("eth0", 5_000)]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(200.0));
    let stats = bench.reader.stats();
    assert_eq!((stats.late, stats.hasty, stats.rows), (1, 1, 7));
}

#[test]
fn an_event_holds_against_the_agents_cache() {
    use OperStatus::{Down, Up};
    let mut bench = Bench::new(&["eth0"]);
    assert!(bench.poll(0.0, vec![with_status("eth0", Up)]).oper.is_empty(), "the first status is no change");
    assert_eq!((bench.state("eth0").seen_up, bench.state("eth0").oper_changed_at), (true, None));

    let change = bench.event(10.0, Down, Medium::Trap).oper[0];
    assert_eq!((change.before, change.after, change.at), (Up, Down, at(10.0)));
    assert_eq!(bench.state("eth0").oper_changed_at, Some(at(10.0)));
    assert!(bench.poll(10.5, vec![with_status("eth0", Up)]).oper.is_empty(), "the agent may not know yet");
    assert!(bench.poll(13.5, vec![with_status("eth0", Down)]).oper.is_empty(), "now it does");
    assert_eq!(bench.poll(14.0, vec![with_status("eth0", Up)]).oper.len(), 1, "so from now on it is believed");

    bench.event(20.0, Down, Medium::Trap);
    assert!(bench.poll(25.9, vec![with_status("eth0", Up)]).oper.is_empty());
    assert_eq!(bench.poll(26.0, vec![with_status("eth0", Up)]).oper.len(), 1, "the event was wrong, or is over");

    bench.event(30.0, Down, Medium::Netlink);
    assert_eq!(bench.poll(30.1, vec![with_status("eth0", Up)]).oper.len(), 1, "the kernel needs no patience");
    bench.event(40.0, Down, Medium::Trap);
    bench.poll(39.9, vec![with_status("eth0", Up)]);
    assert_eq!(bench.state("eth0").oper_status, Down, "a poll from before the event");
}

#[test]
fn health_is_not_link_state_and_missing_data_turns_stale() {
    let mut bench = Bench::new(&["eth0"]);
    for poll in 0..4 {
        bench.poll(f64::from(poll) * 10.0, vec![octets("eth0", 1_000 * poll as u64)]);
    }
    let timeout = Reading::Unreachable(UnreachableReason::Timeout);
    assert!(bench.apply(40.0, None, timeout.clone()).device);
    assert!(!bench.apply(50.0, None, timeout).device, "still");
    let device = bench.reader.device(&"leaf1".into()).unwrap();
    assert_eq!((device.health, device.unreachable), (DeviceHealth::Unreachable, Some(UnreachableReason::Timeout)));
    assert_eq!((device.health_since, device.answered_at), (Some(at(40.0)), Some(at(30.0))));
    assert!(bench.apply(50.0, None, Reading::Unreachable(UnreachableReason::Refused)).device, "another reason");

    let mut changes = Changes::default();
    bench.table.tick(at(59.9), &mut changes);
    assert!(changes.interfaces.is_empty());
    assert_eq!(bench.octets_in("eth0"), Rate::Known(100.0));
    bench.table.tick(at(60.1), &mut changes);
    assert_eq!(changes.interfaces.len(), 1);
    assert_eq!(bench.octets_in("eth0"), Rate::Unknown(Unknown::Stale));
    assert_eq!(bench.state("eth0").utilization_in, Rate::Unknown(Unknown::Stale));
    assert_eq!(bench.state("eth0").oper_status, OperStatus::Up, "the last that is known");
    bench.table.tick(at(70.0), &mut changes);
    assert!(changes.interfaces.is_empty(), "told once");

    assert!(bench.poll(630.0, vec![octets("eth0", 63_000)]).device);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(100.0), "the mean over the outage");
    assert_eq!(bench.reader.device(&"leaf1".into()).unwrap().health, DeviceHealth::Ok);
}

#[test]
fn a_tick_goes_round_the_whole_table() {
    let (mut table, _reader) = Table::new(Settings::default());
    let mut changes = Changes::default();
    let names: Vec<String> = (0..3_000).map(|index| format!("eth{index}")).collect();
    let (devices, now) = (12, 1_000.0);
    for device in 0..devices {
        let mut apply = |seconds, reading| {
            let sample =
                Sample { device: format!("d{device}").into(), taken_at: at(seconds), device_uptime: None, reading };
            table.apply(&sample, &mut changes);
        };
        apply(0.0, Reading::Inventory(names.iter().zip(1..).map(|(name, index)| port(name, index)).collect()));
        for poll in 0..2 {
            let rows = names.iter().map(|name| octets(name, poll * 100)).collect();
            apply(poll as f64, Reading::Poll(rows));
        }
    }
    let mut told = HashSet::new();
    for _ in 0..3 {
        table.tick(at(now), &mut changes);
        assert!(changes.interfaces.len() <= ROWS_PER_TICK);
        told.extend(changes.interfaces.iter().copied());
    }
    assert_eq!(told.len(), devices * names.len());
    let (mut empty, _) = Table::new(Settings::default());
    empty.tick(at(0.0), &mut changes);
}

#[test]
fn an_inventory_that_changes_keeps_what_stays() {
    let mut bench = Bench::new(&["eth0", "eth1"]);
    let rows = |value| vec![octets("eth0", value), octets("eth1", value)];
    bench.poll(0.0, rows(0));
    bench.poll(10.0, rows(1_000));
    assert!(!bench.enlist(&["eth0", "eth1"]).inventory, "nothing new");

    // eth1 keeps its index, eth0 leaves, two join before it.
    let infos = vec![port("aux0", 7), port("aux1", 8), port("eth1", 2), port("eth1", 9)];
    let changes = bench.apply(10.0, None, Reading::Inventory(infos));
    assert!(changes.inventory);
    assert_eq!(changes.removed, [InterfaceId::new("leaf1", "eth0")]);
    assert_eq!(changes.interfaces.len(), 2);
    assert_eq!(bench.reader.device(&"leaf1".into()).unwrap().interfaces, 3, "a name counts once");
    assert_eq!(bench.octets_in("eth1"), Rate::Known(100.0));
    assert_eq!(bench.octets_in("aux0"), FIRST);
    assert!(bench.table.interface(&InterfaceId::new("leaf1", "eth0")).is_none());
    bench.poll(20.0, rows(3_000));
    assert_eq!(bench.octets_in("eth1"), Rate::Known(200.0));
    assert_eq!(bench.reader.stats().strangers, 1);

    // Renumbered: the name is the same, what it counts may not be.
    bench.apply(20.0, None, Reading::Inventory(vec![port("eth1", 5)]));
    bench.poll(30.0, rows(5_000));
    assert_eq!(bench.octets_in("eth1"), DISCONTINUITY);
    bench.poll(40.0, rows(6_000));
    assert_eq!(bench.octets_in("eth1"), Rate::Known(100.0));
    let names: Vec<_> = bench.reader.interfaces().into_iter().map(|state| state.id.to_string()).collect();
    assert_eq!(names, ["leaf1:eth1"]);
}

#[test]
fn the_spread_follows_its_interface_and_leaves_out_what_is_not_known() {
    let mut bench = Bench::new(&["eth0", "eth1"]);
    let busy = |poll: u64| vec![octets("eth0", poll * GIGABIT / 16 * 10), octets("eth1", 7)];
    for poll in 0..6 {
        bench.poll(poll as f64 * 10.0, busy(poll));
    }
    let spread = |bench: &Bench, name: &str, now| bench.reader.spread(&InterfaceId::new("leaf1", name), at(now));
    assert_eq!(spread(&bench, "eth1", 50.0), None, "it never carried anything");
    let hour = spread(&bench, "eth0", 50.0).unwrap().received.hour.unwrap();
    assert_eq!(hour.covered, Duration::from_secs(40), "what might be taken back is not kept");
    assert!((hour.p50 - 0.5).abs() < 0.016 && (hour.max - 0.5).abs() < 1e-4, "{hour:?}");
    assert_eq!(spread(&bench, "eth0", 50.0).unwrap().sent.hour, None, "it does not count what it sends");

    bench.enlist(&["aux0", "eth0"]);
    assert_eq!(spread(&bench, "eth0", 50.0).unwrap().received.hour, Some(hour));
    assert_eq!(spread(&bench, "aux0", 50.0), None);
    // A reset: nothing is known of the time before it.
    bench.poll(60.0, vec![octets("eth0", 5)]);
    assert_eq!(spread(&bench, "eth0", 60.0).unwrap().received.hour, Some(hour));
    bench.poll(70.0, vec![octets("eth0", 5 + GIGABIT / 16 * 10)]);
    let hour = spread(&bench, "eth0", 70.0).unwrap().received.hour.unwrap();
    assert_eq!(hour.covered, Duration::from_secs(50));
}

#[test]
fn devices_join_leave_and_never_mix() {
    let mut bench = Bench::new(&["eth0"]);
    bench.poll(0.0, vec![octets("eth0", 0)]);
    bench.poll(10.0, vec![octets("eth0", 1_000)]);
    let changes = bench.apply(11.0, None, Reading::Retired);
    assert!(changes.retired);
    assert_eq!(changes.removed, [InterfaceId::new("leaf1", "eth0")]);
    assert!(bench.reader.devices().is_empty() && bench.reader.interfaces().is_empty());
    bench.poll(20.0, vec![octets("eth0", 2_000)]);
    bench.event(20.0, OperStatus::Down, Medium::Trap);
    assert!(bench.reader.devices().is_empty(), "what was still under way does not bring it back");
    assert_eq!(bench.reader.stats().strangers, 2);
    assert!(!bench.apply(21.0, None, Reading::Retired).retired);

    let mut changes = Changes::default();
    for device in ["spine2", "spine1"] {
        let reading = Reading::Unreachable(UnreachableReason::NameResolution);
        let sample = Sample { device: device.into(), taken_at: at(30.0), device_uptime: None, reading };
        bench.table.apply(&sample, &mut changes);
        assert!(changes.device, "a device that never answered is there, and says why");
    }
    let names: Vec<_> = bench.reader.devices().iter().map(|device| device.id.to_string()).collect();
    assert_eq!(names, ["spine1", "spine2"]);
    bench.enlist(&["eth0"]);
    assert_eq!(bench.octets_in("eth0"), FIRST, "it begins anew");
    assert_eq!(bench.table.interfaces_of(&"leaf1".into()).count(), 1);
}

#[test]
fn utilisation_is_against_the_speed_that_counts() {
    let mut bench = Bench::new(&["eth0"]);
    let frames =
        |poll: u64| row("eth0", &[(Counter::InOctets, poll * 7_600_000), (Counter::InUcastPkts, poll * 100_000)]);
    for poll in 0..3 {
        bench.poll(poll as f64, vec![frames(poll)]);
    }
    let state = bench.state("eth0");
    assert_eq!((state.speed_bps, state.speed_source), (Some(GIGABIT), Some(SpeedSource::Stated)));
    assert!((state.utilization_in.known().unwrap() - 9.6e6 * 8.0 / 1e9).abs() < 1e-9, "gaps count");
    let speed_overrides =
        vec![SpeedOverride { device: "leaf*".into(), interface: "eth0".into(), speed_bps: 100_000_000 }];
    bench.table.reconfigure(Settings { speed_overrides, ..Settings::default() });
    let state = bench.state("eth0");
    assert_eq!((state.speed_bps, state.speed_source), (Some(100_000_000), Some(SpeedSource::Declared)));
    assert!((state.utilization_in.known().unwrap() - 0.608).abs() < 1e-9, "against a declared speed they do not");
    bench.poll(3.0, vec![row("eth0", &[(Counter::InOctets, 2 * 7_600_000 + 30_000_000)])]);
    assert_eq!(bench.octets_in("eth0"), Rate::Known(30e6), "the port can do more than the line behind it");
    assert_eq!(bench.state("eth0").utilization_in, Rate::Known(1.0));

    // An Ethernet port that does not say its speed has the default while it is up.
    let mut unsaid = InterfaceInfo::clone(&port("eth0", 1));
    unsaid.speed_bps = None;
    bench.table.reconfigure(Settings::default());
    bench.apply(3.0, None, Reading::Inventory(vec![Arc::new(unsaid)]));
    let state = bench.state("eth0");
    assert_eq!((state.speed_bps, state.speed_source), (Some(10_000_000_000), Some(SpeedSource::Assumed)));
    bench.event(4.0, OperStatus::Down, Medium::Netlink);
    assert_eq!((bench.state("eth0").speed_bps, bench.state("eth0").speed_source), (None, None));
    assert_eq!(bench.state("eth0").utilization_in, Rate::Unknown(Unknown::NoSpeed));
}

#[test]
fn readers_see_whole_interfaces_while_they_are_written() {
    let mut bench = Bench::new(&["eth0", "eth1"]);
    let reader = bench.reader.clone();
    let id = InterfaceId::new("leaf1", "eth1");
    let watch = std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            let Some(state) = reader.interface(&id) else { return seen };
            let (octets, packets) = (state.counters.get(Counter::InOctets), state.counters.get(Counter::InUcastPkts));
            if let (Some(octets), Some(packets)) = (octets, packets) {
                assert_eq!(octets, packets * 1_000);
                assert!(octets >= seen, "never back");
                seen = octets;
                if let Rate::Known(rate) = state.rates[Counter::InOctets] {
                    let packets = state.rates[Counter::InUcastPkts].known().unwrap();
                    assert!((rate - packets * 1_000.0).abs() < 1e-6 * rate);
                }
            }
        }
    });
    for poll in 1..4_000_u64 {
        let packets = poll * poll / 8;
        let eth1 = row("eth1", &[(Counter::InOctets, packets * 1_000), (Counter::InUcastPkts, packets)]);
        bench.poll(poll as f64, vec![octets("eth0", poll), eth1]);
        if poll % 500 == 0 {
            let names: &[&str] = if poll % 1_000 == 0 { &["eth1", "eth0"] } else { &["aux", "eth0", "eth1"] };
            bench.enlist(names);
        }
    }
    bench.apply(1e6, None, Reading::Retired);
    assert!(watch.join().unwrap() > 0);
}

#[test]
fn an_aggregate_is_as_fast_as_its_live_ports_together() {
    use crate::fabric::{AggregationMember, LacpState};
    let mut bench = Bench::new(&["eth0", "eth1", "Po1"]);
    let mut infos: Vec<_> = ["eth0", "eth1"].iter().zip(1..).map(|(name, index)| port(name, index)).collect();
    // Configured for more than its ports have.
    let aggregate =
        InterfaceInfo { if_type: 161, speed_bps: Some(40 * GIGABIT), ..InterfaceInfo::clone(&port("Po1", 3)) };
    infos.push(Arc::new(aggregate));
    bench.apply(0.0, None, Reading::Inventory(infos.clone()));
    let polled = |status| {
        vec![with_status("eth0", OperStatus::Up), with_status("eth1", status), with_status("Po1", OperStatus::Up)]
    };
    bench.poll(1.0, polled(OperStatus::Up));
    let speed = |bench: &Bench| (bench.state("Po1").speed_bps, bench.state("Po1").speed_source);
    assert_eq!(speed(&bench), (Some(40 * GIGABIT), Some(SpeedSource::Stated)), "as long as nobody tells its ports");
    let member = |name: &str, attached| AggregationMember {
        if_name: name.into(),
        aggregator: "Po1".into(),
        attached: Some(attached),
        actor: Some(LacpState::from_bits(if attached { 0xbc } else { 0x82 })),
        partner: None,
    };
    let members = |second| Reading::Aggregations(vec![member("eth0", true), member("eth1", second)]);
    bench.apply(2.0, None, members(true));
    assert_eq!(speed(&bench), (Some(2 * GIGABIT), Some(SpeedSource::Members)));
    bench.poll(3.0, polled(OperStatus::Down));
    assert_eq!(speed(&bench).0, Some(GIGABIT), "a port that is down carries nothing");
    bench.poll(4.0, polled(OperStatus::Up));
    bench.apply(5.0, None, members(false));
    assert_eq!(speed(&bench).0, Some(GIGABIT), "nor does one that is not attached");
    bench.apply(6.0, None, Reading::Inventory(infos));
    assert_eq!(speed(&bench).0, Some(GIGABIT));
    let rule = SpeedOverride { device: "*".into(), interface: "Po1".into(), speed_bps: 5 };
    bench.table.reconfigure(Settings { speed_overrides: vec![rule], ..Settings::default() });
    assert_eq!(speed(&bench), (Some(5), Some(SpeedSource::Declared)), "the operator knows better");
}
