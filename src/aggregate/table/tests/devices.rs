//! Devices as they are: they cache, jitter, wrap, reset, restart, leave things out and lie. What the table says of them
//! is held against what they really counted.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(2863), failure_persistence: None, ..ProptestConfig::default() }
}

/// How an agent keeps the counters it answers with.
#[derive(Clone, Copy, Debug)]
enum Cache {
    Fresh,
    Timer { period_s: f64, phase_s: f64 },
    OnDemand { lifetime_s: f64 },
}

/// A device whose interfaces send at a constant rate, or not at all.
struct Agent {
    cache: Cache,
    refreshed_s: f64,
    /// Octets per second by interface, from the first moment to the second, outside of which it is silent.
    loads: Vec<(f64, f64, f64)>,
}

impl Agent {
    /// When what it answers at this moment was counted.
    fn refreshed(&mut self, now_s: f64) -> f64 {
        self.refreshed_s = match self.cache {
            Cache::Fresh => now_s,
            Cache::Timer { period_s, phase_s } => ((now_s - phase_s) / period_s).floor() * period_s + phase_s,
            Cache::OnDemand { lifetime_s } if now_s - self.refreshed_s >= lifetime_s => now_s,
            Cache::OnDemand { .. } => self.refreshed_s,
        };
        self.refreshed_s
    }

    fn counted(&self, index: usize, at_s: f64) -> u64 {
        let (rate, from, to) = self.loads[index];
        (rate * (at_s.clamp(from, to) - from)) as u64 + 1_000_000
    }
}

fn caches(interval_s: f64) -> impl Strategy<Value = Cache> {
    prop_oneof![
        Just(Cache::Fresh),
        (2.0..(30.0 / interval_s).max(2.1), 0.0..30.0)
            .prop_map(move |(polls, phase_s)| Cache::Timer { period_s: (polls * interval_s).min(30.0), phase_s }),
        // Shorter than two polls, down to one that no poll can see.
        (0.05..2.0, 0.0..30.0).prop_map(move |(polls, phase_s)| Cache::Timer { period_s: polls * interval_s, phase_s }),
        (0.1..30.0).prop_map(|lifetime_s| Cache::OnDemand { lifetime_s }),
    ]
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn no_rate_of_a_caching_device_is_off_by_more_than_stated(
        (interval_s, cache) in prop_oneof![Just(1.0), Just(2.0), Just(5.0), Just(10.0)]
            .prop_flat_map(|interval_s| (Just(interval_s), caches(interval_s))),
        loads in prop::collection::vec(
            (prop_oneof![Just(0.0), 1e4..1e8], 0.0..400.0_f64, 100.0..2_000.0_f64, any::<bool>()), 1..8),
        pdus in 1..4_usize, jitters in prop::collection::vec(0.0..0.08_f64, 64),
    ) {
        let loads: Vec<_> = loads
            .into_iter()
            .map(|(rate, from, length, steady)| if steady { (rate, -100.0, 1e9) } else { (rate, from, from + length) })
            .collect();
        let mut agent = Agent { cache, refreshed_s: -1e9, loads };
        let names: Vec<_> = (0..agent.loads.len()).map(|index| format!("eth{index}")).collect();
        let mut bench = Bench::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut jitters = jitters.into_iter().cycle();
        let mut jitter = move || jitters.next().unwrap_or(0.0);
        let per_pdu = names.len().div_ceil(pdus);
        for poll in 0..200 {
            let mut now_s = f64::from(poll) * interval_s + jitter() * interval_s.min(2.0);
            for (number, chunk) in names.chunks(per_pdu).enumerate() {
                now_s += 0.005 + jitter() * 0.2;
                let counted_s = agent.refreshed(now_s);
                let rows = chunk
                    .iter()
                    .enumerate()
                    .map(|(at, name)| octets(name, agent.counted(number * per_pdu + at, counted_s)))
                    .collect();
                let delay_s = jitter() * 0.1;
                bench.apply(now_s + delay_s, 100_000.0 + now_s, Reading::Poll(rows));
            }
            for (name, (rate, from, to)) in names.iter().zip(&agent.loads) {
                let Rate::Known(known) = bench.octets_in(name) else {
                    // Never at a loss for long: a first reading, or the first after a silence, one generation that was
                    // taken back, and the next.
                    let began_s = from.max(0.0);
                    prop_assert!(now_s < 100.0 || (began_s..began_s + 75.0).contains(&now_s), "{name} at {now_s}");
                    continue;
                };
                let basis = bench.reader.basis(&InterfaceId::new("leaf1", name)).unwrap();
                let span_s = basis.span.as_secs_f64();
                // Delays of up to 8 ms that our clock feels, one octet of rounding, and what the first PDU of a poll
                // made the agent read a little before it answers the last: too young a cache to be seen.
                let off_s = (basis.uncertainty + basis.unseen).as_secs_f64() + 0.017 + 0.021 * pdus as f64;
                let (low, high) = (rate * (1.0 - off_s / span_s) - 2.0 / span_s, rate * (1.0 + off_s / span_s) + 2.0 / span_s);
                prop_assert!(known <= high, "{known} of {rate} at {now_s}: {basis:?}");
                // While it sent all the time that a rate may look back on, it is not less either, and never idle.
                if *from < now_s - 75.0 && *to > now_s {
                    prop_assert!(known >= low, "{known} of {rate} at {now_s}: {basis:?}");
                    prop_assert!(known > 0.0 || *rate < 1.0);
                }
                // Long after it stopped it is idle.
                if *rate > 0.0 && *to < now_s - 75.0 {
                    prop_assert_eq!(known, 0.0, "{} still sends at {}", name, now_s);
                }
            }
        }
    }
}

/// One thing that happens to a device between two polls.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// Nothing.
    None,
    /// It restarts: counters and uptime begin anew.
    Restart,
    /// Its counters begin anew and nothing tells so.
    SilentReset,
    /// Its counters begin anew and ifCounterDiscontinuityTime tells so.
    ToldReset,
    /// The poll is lost.
    Lost,
    /// The row lacks its octets.
    Missing,
    /// It answers with a value of its fancy.
    Lie(u64),
    /// An old answer arrives once more.
    Late,
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        12 => Just(Mishap::None),
        1 => Just(Mishap::Restart),
        1 => Just(Mishap::SilentReset),
        1 => Just(Mishap::ToldReset),
        1 => Just(Mishap::Lost),
        1 => Just(Mishap::Missing),
        1 => any::<u64>().prop_map(Mishap::Lie),
        1 => Just(Mishap::Late),
    ]
}

/// What one reading really was.
#[derive(Clone, Copy, Debug)]
struct Really {
    at_s: f64,
    /// Counted since the beginning of the world.
    octets: u128,
    packets: u128,
    /// How often the counters began anew.
    life: u32,
    octets_shown: bool,
    lied: bool,
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_rate_is_wrong_whatever_happens_to_the_device(
        steps in prop::collection::vec((mishaps(), 0.0..1.0_f64, 0.9..1.1_f64), 5..60),
        wide in any::<bool>(), start in 200_000_000..3_900_000_000_u64, uptime_s in 0.0..86_000_000.0_f64,
        has_uptime in prop::bool::weighted(0.8),
    ) {
        const INTERVAL_S: f64 = 10.0;
        const TURN_S: f64 = 42_949_672.96;
        let (width, modulus) = if wide { (CounterWidth::Bits64, 1_u128 << 64) } else { (CounterWidth::Bits32, 1 << 32) };
        let mut bench = Bench::new(&["eth0"]);
        let limit = GIGABIT as f64 / 8.0;
        // Octets, packets, and where the device's counters began to count them.
        let (mut octets, mut packets, mut origin) = (u128::from(start), u128::from(start), (0_u128, 0_u128));
        let (mut now_s, mut started_s, mut life, mut discontinuity) = (1_000.0, 1_000.0 - uptime_s, 0, 5_u32);
        let mut before: Option<Really> = None;
        let mut late: Option<(f64, f64, InterfacePoll)> = None;
        for (mishap, load, pace) in steps {
            let span_s = INTERVAL_S * pace;
            now_s += span_s;
            let rise = limit * load * span_s;
            octets += rise as u128 + 1;
            packets += (rise / 1_000.0) as u128 + 1;
            let resets = matches!(mishap, Mishap::Restart | Mishap::SilentReset | Mishap::ToldReset)
                // Without uptime a restart is a silent reset.
                && octets - origin.0 > 200_000_000 && packets - origin.1 > 200_000_000;
            if resets {
                // It counts the last tenth of the interval.
                origin = (octets - (rise / 10.0) as u128, packets - (rise / 10_000.0) as u128);
                life += 1;
                match mishap {
                    Mishap::Restart => started_s = now_s - span_s / 10.0,
                    Mishap::ToldReset => discontinuity += 1,
                    _ => {}
                }
            }
            let uptime_s = has_uptime.then_some((now_s - started_s) % TURN_S);
            let mut poll = row("eth0", &[]);
            poll.discontinuity = Some(Uptime(discontinuity));
            let octets_shown = !matches!(mishap, Mishap::Missing);
            if octets_shown {
                let shown = match mishap {
                    Mishap::Lie(value) => value,
                    _ => ((octets - origin.0) % modulus) as u64,
                };
                poll.counters.set(Counter::InOctets, shown, width);
            }
            poll.counters.set(Counter::InUcastPkts, ((packets - origin.1) % modulus) as u64, width);
            match mishap {
                Mishap::Lost => continue,
                Mishap::Late => {
                    if let Some((at_s, uptime_s, poll)) = late.clone() {
                        bench.apply(at_s, has_uptime.then_some(uptime_s), Reading::Poll(vec![poll]));
                        continue;
                    }
                }
                _ => {}
            }
            late = Some((now_s - 25.0, uptime_s.unwrap_or(0.0), poll.clone()));
            bench.apply(now_s, uptime_s, Reading::Poll(vec![poll]));

            let now = Really { at_s: now_s, octets, packets, life, octets_shown, lied: matches!(mishap, Mishap::Lie(_)) };
            let rates = bench.state("eth0").rates;
            if let Some(before) = before {
                let passed_s = now.at_s - before.at_s;
                let check = |known: Rate, rise: u128| {
                    let Some(known) = known.known() else { return Ok(()) };
                    prop_assert_eq!(now.life, before.life, "{:?}: a rate over a reset", mishap);
                    let truth = rise as f64 / passed_s;
                    // Hundredths of a second at each end.
                    prop_assert!((known / truth - 1.0).abs() < 0.011 / passed_s + 1e-9, "{known} for {truth} after {mishap:?}");
                    Ok(())
                };
                check(rates[Counter::InUcastPkts], now.packets - before.packets)?;
                if now.lied || before.lied {
                    prop_assert!(rates[Counter::InOctets].known().is_none_or(|rate| rate <= limit * 1.050_001));
                } else {
                    if let Rate::Known(_) = rates[Counter::InOctets] {
                        prop_assert!(before.octets_shown && now.octets_shown);
                    }
                    check(rates[Counter::InOctets], now.octets - before.octets)?;
                }
                let calm = now.life == before.life && before.octets_shown && now.octets_shown && !now.lied && !before.lied;
                if calm && wide {
                    prop_assert!(rates[Counter::InOctets].known().is_some(), "{:?} in calm", rates[Counter::InOctets]);
                }
            }
            before = Some(now);
        }
    }
}
