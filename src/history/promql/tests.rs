//! What is not compared with a real Prometheus (`tests/promql.rs`): bounds, refusals and hostile queries.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

struct Fixed(Vec<Series>);

impl Source for Fixed {
    fn select(&self, matchers: &[Matcher], _: i64, _: i64, most: usize) -> Result<Vec<Series>, Fault> {
        let matches = |series: &&Series| matchers.iter().all(|one| one.is_match(series.labels.get(&one.name)));
        let found: Vec<Series> = self.0.iter().filter(matches).cloned().collect();
        match found.iter().map(|series| series.samples.len()).sum::<usize>() > most {
            true => Err(Fault::TooMuch("samples".into())),
            false => Ok(found),
        }
    }
}

fn limits() -> Limits {
    Limits { samples: 10_000, values: 100_000, deadline: Instant::now() + Duration::from_secs(10) }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

/// A counter of 10 a second on two interfaces, from 0 to 1,000 s.
fn source() -> Fixed {
    let series = |name: &str, factor: f64| Series {
        labels: labels(&[(NAME, "octets"), ("ifName", name)]),
        samples: (0..=100).map(|n| (n * 10_000, n as f64 * 100.0 * factor)).collect(),
    };
    Fixed(vec![series("eth0", 1.0), series("eth1", 2.0)])
}

fn at(query: &str, seconds: i64) -> Result<Instantly, Fault> {
    Query::parse(query)?.at(&source(), seconds * 1_000, limits())
}

#[test]
fn the_health_check_of_grafana_works() {
    assert_eq!(at("1+1", 5), Ok(Instantly::Scalar(2.0)));
}

#[test]
fn rates_and_sums() {
    let vector = at("rate(octets{ifName='eth1'}[1m])", 500).unwrap();
    assert_eq!(vector, Instantly::Vector(vec![(labels(&[("ifName", "eth1")]), 20.0)]));
    assert_eq!(at("sum(rate(octets[1m]))", 500), Ok(Instantly::Vector(vec![(Labels::default(), 30.0)])));
    let top = at("topk(1, rate(octets[1m])) * 8", 500).unwrap();
    assert_eq!(top, Instantly::Vector(vec![(labels(&[("ifName", "eth1")]), 160.0)]));
    // Five minutes after its last sample a series is gone.
    assert!(matches!(at("octets", 1_299), Ok(Instantly::Vector(found)) if found.len() == 2));
    assert_eq!(at("octets", 1_300), Ok(Instantly::Vector(vec![])));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (query, named) in [
        ("histogram_quantile(0.9, octets)", "histogram_quantile"),
        ("count_values('x', octets)", "count_values"),
        ("holt_winters(octets[5m], 0.5, 0.5)", "holt_winters"),
        ("day_of_week()", "day_of_week"),
        ("octets{ifName='a' or ifName='b'}", "or"),
    ] {
        match at(query, 500) {
            Err(Fault::Bad(why)) => assert!(why.contains(named), "{query}: {why}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    for nonsense in ["", "rate(octets)", "octets[5m] + 1", "sum(", "octets{", "1 > 2", "rate(octets[1m]) and 1"] {
        assert!(matches!(at(nonsense, 500), Err(Fault::Bad(_))), "{nonsense}: {:?}", at(nonsense, 500));
    }
}

#[test]
fn everything_is_bounded() {
    let deep = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for query in [deep("(", ")", 4_000), deep("-", "", 8_000), deep("1+", "", 4_000), "x".repeat(9_000)] {
        assert!(matches!(Query::parse(&query), Err(Fault::TooMuch(_))));
    }
    for query in [deep("(", ")", 140), deep("-", "", 140), deep("1+", "", 140)] {
        assert!(Query::parse(&query).unwrap().at(&source(), 0, limits()).is_ok());
    }
    let query = Query::parse("octets").unwrap();
    let range = |end_ms, step_ms| query.over(&source(), Times { start_ms: 0, end_ms, step_ms }, limits());
    assert!(range(1_000_000, 10_000).is_ok());
    assert!(matches!(range(i64::MAX, 1), Err(Fault::TooMuch(_))));
    assert!(matches!(range(10, 0), Err(Fault::Bad(_))));
    assert!(matches!(range(-10, 1), Err(Fault::Bad(_))));
    let few = |samples, values| Limits { samples, values, ..limits() };
    assert!(matches!(query.at(&source(), 1_000, few(10, 100)), Err(Fault::TooMuch(_))));
    assert!(matches!(query.at(&source(), 1_000, few(1_000, 1)), Err(Fault::TooMuch(_))));
    let late = Limits { deadline: Instant::now() - Duration::from_secs(1), ..limits() };
    assert_eq!(query.at(&source(), 1_000, late), Err(Fault::Timeout));
    let many = Query::parse("sum_over_time(octets[1000d:1ms])").unwrap();
    assert!(matches!(many.at(&source(), 1_000, limits()), Err(Fault::TooMuch(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(
        text in "[a-z(){}\\[\\]0-9+*/,=~!\"'@ :.\\-]{0,60}",
        words in proptest::collection::vec(proptest::sample::select(vec![
            "rate", "(", ")", "octets", "[5m]", "[5m:1m]", "sum", "by", "(ifName)", "topk", "3", ",", "+", "/", "on",
            "group_left", "offset", "1m", "@", "end()", "{ifName=\"eth0\"}", "bool", ">", "and", "-", "label_replace",
            "\"a\"", "quantile_over_time", "0.5", "absent", "clamp", "scalar", "vector", "or",
        ]), 0..14),
    ) {
        for text in [text, words.join(" ")] {
            if let Ok(query) = Query::parse(&text) {
                let _ = query.at(&source(), 500_000, limits());
                let _ = query.over(&source(), Times { start_ms: 0, end_ms: 900_000, step_ms: 60_000 }, limits());
            }
        }
    }
}
