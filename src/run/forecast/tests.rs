use super::*;
use crate::aggregate::{self, Changes, Table};
use crate::detect::forecast::TooLittle;
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, InterfaceInfo, InterfacePoll, OperStatus, Reading, Sample,
};
use crate::history;

const GIGABIT: u64 = 1_000_000_000;

fn sample(at_s: i64, octets: u64) -> Sample {
    let mut counters = Counters::default();
    counters.set(Counter::OutOctets, octets, CounterWidth::Bits64);
    let reading = Reading::Poll(vec![InterfacePoll {
        if_name: "wan".into(),
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        discontinuity: None,
        counters,
    }]);
    Sample { device: "edge1".into(), taken_at: Timestamp::from_secs(at_s), device_uptime: None, reading }
}

/// Three weeks of a line that grows by 60 Mbit/s a week, from the real history to what the core is told.
#[test]
fn what_the_history_holds_becomes_a_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let history =
        History::start(&history::Settings { path: folder.path().into(), ..history::Settings::default() }).unwrap();
    let (mut table, reader) = Table::new(aggregate::Settings::default());
    let mut changes = Changes::default();
    let info =
        InterfaceInfo { if_name: "wan".into(), if_type: 6, speed_bps: Some(GIGABIT), ..InterfaceInfo::default() };
    let now_s = clock::now().as_micros() / 1_000_000;
    let begin_s = (now_s / HOUR_S - 21 * 24) * HOUR_S;
    let join = Sample { reading: Reading::Inventory(vec![Arc::new(info)]), ..sample(begin_s, 0) };
    table.apply(&join, &mut changes);

    const STEP_S: i64 = 900;
    let (mut octets, mut offered) = (0_u64, 0);
    for at_s in (begin_s..=now_s).step_by(STEP_S as usize) {
        let hour = (at_s - begin_s) as f64 / 3_600.0;
        let load = 0.45 + 0.06 * hour / 168.0 + 0.1 * (hour / 24.0 * std::f64::consts::TAU).sin();
        octets += (load * GIGABIT as f64 / 8.0 * STEP_S as f64) as u64;
        let sample = sample(at_s, octets);
        table.apply(&sample, &mut changes);
        history.offer(sample);
        offered += 1;
        // The queue into the history is bounded, and this is faster than any poller.
        while history.stats().appended + 100 < offered {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while history.stats().appended < offered {
        std::thread::sleep(Duration::from_millis(1));
    }

    let (core, told) = channel::unbounded();
    let (stop, stopped) = channel::bounded(0);
    let settings = Arc::new(ArcSwap::from_pointee(Settings::default()));
    let views = Arc::new(Views::new(reader, Timestamp::from_secs(now_s)));
    let worker = Worker { settings: Arc::clone(&settings), history, views, core, stopped };
    assert!(!worker.round());
    let Ok(Command::Forecast(of)) = told.try_recv() else { panic!("it is near its capacity") };
    let outlook = of.outlook.unwrap();
    assert_eq!(
        (of.interface.to_string(), of.direction, of.capacity_bps),
        ("edge1:wan".into(), Direction::Out, GIGABIT)
    );
    assert!((outlook.growth_per_week - 0.06).abs() < 0.003, "{outlook:?}");
    assert!(outlook.known_hours >= 21 * 24 - 2 && outlook.reached_at.is_some(), "{outlook:?}");
    assert!(told.try_recv().is_err(), "the direction in carries nothing");

    settings.store(Arc::new(Settings { minimum_history: Duration::from_secs(28 * 86_400), ..Settings::default() }));
    assert!(!worker.round());
    let Ok(Command::Forecast(of)) = told.try_recv() else { panic!("that it cannot be said is told too") };
    assert_eq!(of.outlook.unwrap_err(), TooLittle::Span);
    // Far from its capacity it is not even looked at, unless something was said of it.
    let far = Settings { threshold: 0.999, ..Settings::default() };
    let none = HashSet::new();
    let now = Timestamp::from_secs(now_s + 40 * 3_600);
    assert_eq!(candidates(&worker.views, &far, &none, now), []);
    let said = HashSet::from([(InterfaceId::new("edge1", "wan"), Direction::In)]);
    assert_eq!(candidates(&worker.views, &far, &said, now).len(), 1);
    drop(stop);
    assert!(worker.round(), "told to end, it ends");
}
