//! How fast points are written: ours, compressed, and beside them the crate `influxdb2`, in one run.
//!
//! ```text
//! cargo bench --bench export
//! ```
//! Every point has the same tags and fields for both: an interface with ten counters and four rates, values that move. Each figure
//! is the best of five rounds of one thread; ratios are what counts.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use influxdb2::models::{DataPoint, WriteDataPoint as _};
use selvedge::export::{Influx, Precision, RemoteWrite};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceId, InterfaceId, InterfaceInfo, InterfaceState, OperStatus,
    Rate, Rates, SpeedSource, Timestamp,
};

const INTERFACES: usize = 48;
const LOOKS: usize = 400;
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

fn states() -> Vec<InterfaceState> {
    let state = |number: usize| {
        let name = format!("et-0/0/{number}");
        let info = InterfaceInfo {
            if_name: name.as_str().into(),
            if_alias: format!("to spine{number}, rack {number}"),
            if_index: number as u32,
            speed_bps: Some(100_000_000_000),
            ..InterfaceInfo::default()
        };
        InterfaceState {
            id: InterfaceId::new("leaf17.pod3.example", &name),
            info: Arc::new(info),
            speed_bps: Some(100_000_000_000),
            speed_source: Some(SpeedSource::Stated),
            oper_status: OperStatus::Up,
            admin_status: AdminStatus::Up,
            oper_changed_at: None,
            seen_up: true,
            polled_at: None,
            counters: Counters::default(),
            rates: Rates::default(),
            utilization_in: Rate::default(),
            utilization_out: Rate::default(),
        }
    };
    (0..INTERFACES).map(state).collect()
}

/// The interfaces as they are at a look.
fn advance(states: &mut [InterfaceState], look: usize) {
    for (number, state) in states.iter_mut().enumerate() {
        for (at, counter) in COUNTERS.into_iter().enumerate() {
            let value =
                (number as u64 + 1) * 1_234_567_891 + look as u64 * (98_765_431 >> (3 * at)) * (number as u64 + 7);
            state.counters.set(counter, value, CounterWidth::Bits64);
        }
        let rate = 1e6 * (1.0 + number as f64 + 0.001 * look as f64);
        state.rates[Counter::InOctets] = Rate::Known(rate);
        state.rates[Counter::OutOctets] = Rate::Known(rate * 0.7);
        state.utilization_in = Rate::Known(rate * 8e-11);
        state.utilization_out = Rate::Known(rate * 5.6e-11);
    }
}

/// The same point by the crate.
fn data_point(state: &InterfaceState, at_ns: i64) -> DataPoint {
    let octets = |counter| match state.rates[counter] {
        Rate::Known(value) => value * 8.0,
        Rate::Unknown(_) => 0.0,
    };
    let mut point = DataPoint::builder("selvedge_interface")
        .tag("device", state.id.device.as_str())
        .tag("ifName", &*state.id.if_name)
        .tag("ifAlias", &*state.info.if_alias)
        .field("ifOperStatus", 1_i64)
        .field("ifAdminStatus", 1_i64)
        .field("speed_bps", 100_000_000_000_i64);
    for (counter, value) in state.counters.iter() {
        point = point.field(counter.as_str(), value as i64);
    }
    point
        .field("in_bps", octets(Counter::InOctets))
        .field("out_bps", octets(Counter::OutOctets))
        .field("utilization_in", state.utilization_in.known().unwrap_or_default())
        .field("utilization_out", state.utilization_out.known().unwrap_or_default())
        .timestamp(at_ns)
        .build()
        .expect("it has fields")
}

/// Points per second, best of five rounds.
fn best(mut round: impl FnMut() -> usize) -> f64 {
    (0..5)
        .map(|_| {
            let began = Instant::now();
            round() as f64 / began.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

fn main() {
    let device = DeviceId::from("leaf17.pod3.example");
    let mut looks = Vec::new();
    let mut now = states();
    for look in 0..LOOKS {
        advance(&mut now, look);
        looks.push(now.clone());
    }
    let at = |look: usize| Timestamp::from_micros(1_795_498_200_000_000 + look as i64 * 10_000_000);

    let mut plain = Vec::new();
    let ours = best(|| {
        let mut influx = Influx::new(&[], Precision::Nanos);
        plain.clear();
        (0..LOOKS).map(|look| influx.interfaces(&mut plain, &device, None, at(look), true, &looks[look])).sum()
    });
    let points = INTERFACES * LOOKS;
    let bytes = plain.len();
    let mut theirs_plain = Vec::new();
    let theirs = best(|| {
        theirs_plain.clear();
        for (look, states) in looks.iter().enumerate() {
            for state in states {
                let point = data_point(state, at(look).as_micros() * 1_000);
                point.write_data_point_to(&mut theirs_plain).expect("into memory");
            }
        }
        points
    });
    let mut series = Vec::new();
    let mut samples = 0;
    let remote = best(|| {
        let mut encoder = RemoteWrite::new(&[]);
        series.clear();
        samples = (0..LOOKS).map(|look| encoder.interfaces(&mut series, &device, at(look), true, &looks[look])).sum();
        samples
    });
    let mut packed = 0;
    let mut gzip = |level: u32| {
        let speed = best(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&plain).expect("into memory");
            packed = black_box(encoder.finish().expect("into memory")).len();
            points
        });
        (speed, packed)
    };
    let ((fast, fast_bytes), (slow, slow_bytes)) = (gzip(1), gzip(9));
    let mut snappy_bytes = 0;
    let snappy = best(|| {
        snappy_bytes = black_box(snap::raw::Encoder::new().compress_vec(&series).expect("into memory")).len();
        samples
    });

    println!("line protocol, {} octets a point", bytes / points);
    println!("  own encoder          {:>8.0} k points/s   {:.1} times influxdb2", ours / 1e3, ours / theirs);
    println!(
        "  influxdb2 DataPoint  {:>8.0} k points/s   {} octets a point",
        theirs / 1e3,
        theirs_plain.len() / points
    );
    let share = |packed: usize| 100.0 * packed as f64 / bytes as f64;
    println!("  gzip level 1         {:>8.0} k points/s   {:.0} % of the size", fast / 1e3, share(fast_bytes));
    println!("  gzip level 9         {:>8.0} k points/s   {:.0} % of the size", slow / 1e3, share(slow_bytes));
    println!("  encoder and gzip 1   {:>8.0} k points/s", 1e-3 / (1.0 / ours + 1.0 / fast));
    println!("remote write, {} octets a sample", series.len() / samples);
    println!(
        "  own encoder          {:>8.0} k samples/s  ({:.0} k interfaces/s)",
        remote / 1e3,
        remote / 1e3 * points as f64 / samples as f64
    );
    println!(
        "  snappy               {:>8.0} k samples/s  {:.0} % of the size",
        snappy / 1e3,
        100.0 * snappy_bytes as f64 / series.len() as f64
    );
}
