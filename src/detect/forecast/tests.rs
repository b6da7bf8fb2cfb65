use super::*;

/// Noise that is the same each time: of an hour, and of a day as a whole.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64 - 0.5
    }
}

/// Day and week as an uplink has them, on top of a trend.
fn shape(hour: usize) -> f64 {
    let day = (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
    let weekend = if hour / 24 % 7 >= 5 { -0.1 } else { 0.0 };
    0.15 * day + weekend
}

fn from() -> Timestamp {
    Timestamp::from_secs(1_795_478_400)
}

fn hours(weeks: usize, base: f64, growth_per_week: f64, noise: f64, seed: u64) -> Hours {
    let mut random = Noise(seed);
    let mut of_day = 0.0;
    let means = (0..weeks * WEEK_H)
        .map(|hour| {
            if hour % 24 == 0 {
                of_day = noise * random.next();
            }
            let trend = growth_per_week * hour as f64 / WEEK_H as f64;
            Some((base + trend + shape(hour) + of_day + noise * random.next()).max(0.0))
        })
        .collect();
    Hours { from: from(), means }
}

/// When a series without noise reaches the threshold, in hours.
fn truly(weeks: usize, base: f64, growth_per_week: f64, threshold: f64) -> usize {
    (weeks * WEEK_H..)
        .find(|hour| base + growth_per_week * *hour as f64 / WEEK_H as f64 + shape(*hour) >= threshold)
        .unwrap()
}

#[test]
fn a_trend_under_days_and_weeks_is_found_to_the_hour_without_noise() {
    let settings = Settings::default();
    let found = outlook(&settings, &hours(4, 0.4, 0.04, 0.0, 1)).unwrap();
    assert!((found.growth_per_week - 0.04).abs() < 1e-9, "{found:?}");
    let expected = from() + HOUR * truly(4, 0.4, 0.04, 0.8) as u32;
    assert_eq!(found.reached_at, Some(expected));
    assert_eq!((found.earliest, found.latest), (Some(expected), Some(expected)));
    assert_eq!((found.known_hours, found.rests_on), (4 * WEEK_H, DAY * 28));
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    let settings = Settings::default();
    for weeks in [3, 4, 8] {
        let held = (0..200)
            .filter(|seed| {
                let found = outlook(&settings, &hours(weeks, 0.35, 0.03, 0.06, 77 + seed)).unwrap();
                (found.growth_interval.0..=found.growth_interval.1).contains(&0.03)
            })
            .count();
        assert!((150..=200).contains(&held), "{held} of 200 with {weeks} weeks");
    }
}

#[test]
fn wild_hours_and_gaps_move_nothing() {
    let settings = Settings::default();
    let mut wild = hours(4, 0.4, 0.04, 0.02, 9);
    let calm = outlook(&settings, &wild).unwrap();
    let mut random = Noise(5);
    for mean in &mut wild.means {
        match random.next() {
            spike if spike > 0.42 => *mean = Some(1.0),
            gap if gap < -0.42 => *mean = None,
            _ => {}
        }
    }
    let found = outlook(&settings, &wild).unwrap();
    assert!((found.growth_per_week - calm.growth_per_week).abs() < 0.006, "{found:?} {calm:?}");
}

#[test]
fn with_too_little_nothing_is_said() {
    let settings = Settings::default();
    let full = hours(3, 0.4, 0.04, 0.0, 1);
    let cut = |hours: usize| Hours { from: full.from, means: full.means[..hours].to_vec() };
    assert_eq!(outlook(&settings, &cut(0)).unwrap_err(), TooLittle::Span);
    assert_eq!(outlook(&settings, &cut(14 * 24 - 1)).unwrap_err(), TooLittle::Span);
    assert!(outlook(&settings, &cut(14 * 24)).is_ok());
    let patient = Settings { minimum_history: DAY * 28, ..Settings::default() };
    assert_eq!(outlook(&patient, &full).unwrap_err(), TooLittle::Span);
    let mut gaps = full.clone();
    gaps.means.iter_mut().skip(1).step_by(4).for_each(|mean| *mean = None);
    assert_eq!(outlook(&settings, &gaps).unwrap_err(), TooLittle::Gaps);
    // Silence at both ends is no data.
    let mut late = Hours { from: full.from, means: vec![None; 300] };
    late.means.extend(full.means[..100].iter().copied());
    assert_eq!(outlook(&settings, &late).unwrap_err(), TooLittle::Span);
}

#[test]
fn it_is_told_once_growth_is_certain_and_near_and_ends_when_it_is_not() {
    let settings = Settings::default();
    let now = from() + DAY * 28;
    let subject = |base: f64, growth: f64, noise: f64| Subjected {
        interface: InterfaceId::new("edge1", "et-0/0/1"),
        direction: Direction::Out,
        capacity_bps: 10_000_000_000,
        outlook: outlook(&settings, &hours(4, base, growth, noise, 3)),
    };
    let mut live = None;
    let mut say = |of: &Subjected| look(&settings, now, of, &mut live).map(|(_, verdict)| verdict);
    assert_eq!(say(&subject(0.3, 0.0, 0.1)), None, "no growth");
    assert_eq!(say(&subject(0.3, 0.005, 0.3)), None, "growth that may be chance");
    assert_eq!(say(&subject(0.1, 0.02, 0.01)), None, "too far ahead");
    let Some(Verdict::Present(finding)) = say(&subject(0.4, 0.04, 0.01)) else { panic!("it grows") };
    assert_eq!(finding.severity, Severity::Warning);
    let said = finding.evidence;
    assert!(
        said.summary.starts_with("edge1:et-0/0/1 sends 80.0 % of 10 Gbit/s in its busiest hours in "),
        "{}",
        said.summary
    );
    assert!(said.cause.contains("Mbit/s a week"), "{}", said.cause);
    for words in [
        "in 80 of 100 cases between 2027-01-",
        "Rests on 672 hourly means over 28 d 0 h",
        "busiest hour of the coming week",
    ] {
        assert!(said.evidence.contains(words), "{words}: {}", said.evidence);
    }
    let unknown = Subjected { outlook: Err(TooLittle::Gaps), ..subject(0.4, 0.04, 0.01) };
    assert_eq!(say(&unknown), Some(Verdict::Unknown(Unknown::Stale)), "missing data resolves nothing");
    assert_eq!(say(&subject(0.3, 0.0, 0.01)), Some(Verdict::Absent));
    assert_eq!(say(&unknown), None);
}
