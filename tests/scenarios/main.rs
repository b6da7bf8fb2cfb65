//! Scenarios: what happens in a network, and what people hear of it.
//!
//! Each folder here is a case: `input.jsonl` tells what happens (see `script.rs`), `selvedge.toml`, where there is one, how
//! Selvedge is configured, and `alerts.jsonl` what the alert book does, one step a line. The rooms are those of `selvedge
//! run`, driven in virtual time. `BLESS=1 cargo test --test scenarios` writes `alerts.jsonl` anew: read the difference
//! before you commit it.

mod script;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use selvedge::aggregate::Table;
use selvedge::alert::{Book, Change, Comparison, Gate, Matcher, Silence, Silences, Tell, Transition};
use selvedge::config::Settings;
use selvedge::detect::Detectors;
use selvedge::fabric::{DeviceId, Timestamp};
use selvedge::run::pipeline::Pipeline;
use selvedge::topology::Topology;
use serde_json::{Value, json};

use script::Line;
use world::World;

/// 2026-11-24T05:30:00Z, a Tuesday: second 0 of all scenarios.
const START: Timestamp = Timestamp::from_secs(1_795_498_200);
/// As the core's thread does it.
const TICK: Duration = Duration::from_millis(100);

#[test]
fn what_people_hear() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let only = std::env::var("CASE").ok();
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("input.jsonl").exists())
        .filter(|path| only.as_deref().is_none_or(|only| path.ends_with(only)))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let mut failed = Vec::new();
    for case in cases {
        let is = run(&case);
        let golden = case.join("alerts.jsonl");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&golden, &is).unwrap();
            continue;
        }
        let was = fs::read_to_string(&golden).unwrap_or_default();
        if was != is {
            failed.push(format!("{}:\n{}", case.display(), difference(&was, &is)));
        }
    }
    assert!(failed.is_empty(), "{}\n\nBLESS=1 writes the new alerts; read the difference first", failed.join("\n"));
}

/// Where two texts part.
fn difference(was: &str, is: &str) -> String {
    let (mut was, mut is) = (was.lines(), is.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (was.next(), is.next()) {
            (None, None) => return String::new(),
            (one, other) if one == other => {}
            (one, other) => {
                let or = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("  alerts.jsonl:{number}\n    expected {}\n    got      {}", or(one), or(other));
            }
        }
    }
}

fn run(case: &Path) -> String {
    let config = case.join("selvedge.toml");
    let settings = match config.exists() {
        true => selvedge::config::load(Some(&config)).unwrap_or_else(|errors| panic!("{errors:?}")).settings,
        false => Settings::default(),
    };
    let script = script::read(&case.join("input.jsonl"));
    let (table, _reader) = Table::new(settings.aggregate.clone());
    let gate = Gate::new(settings.alerts.clone(), Silences::default());
    let (topology, detectors) = (Topology::new(settings.topology, None), Detectors::new(settings.detect));
    let mut pipeline = Pipeline::new(table, topology, detectors, Book::new(), gate);

    assert!(script.first().is_some_and(|line| line.about.is_some()), "the first line says what it is `about`");
    let evidence = script.iter().any(|line| line.evidence == Some(true));
    let until = script.iter().find_map(|line| line.until).expect("a line with `until`");
    let mut world = World::new(START);
    for line in script.iter().filter(|line| line.t.is_none()) {
        world.build(line);
    }
    let mut events: Vec<&Line> = script.iter().filter(|line| line.t.is_some()).collect();
    events.sort_by(|one, other| one.t.partial_cmp(&other.t).unwrap());
    let mut events = events.into_iter().peekable();
    let mut out = String::new();
    let end = START + Duration::from_secs_f64(until);
    let mut now = START;
    while now <= end {
        while let Some(line) = events.next_if(|line| START + Duration::from_secs_f64(line.t.unwrap()) <= now) {
            match &line.silence {
                Some(_) => silence(&mut pipeline, now, line),
                None => world.happens(now, line),
            }
        }
        for sample in world.samples(now) {
            let steps = pipeline.take(sample.taken_at.max(now), &sample);
            write(&mut out, &steps, evidence);
            ask(&mut pipeline, &mut world, now);
        }
        let (steps, _) = pipeline.pass(now);
        write(&mut out, &steps, evidence);
        ask(&mut pipeline, &mut world, now);
        now = now + TICK;
    }
    out
}

/// Whom the gate wants to hear is asked at once, as the poller does it.
fn ask(pipeline: &mut Pipeline, world: &mut World, now: Timestamp) {
    let asked: Vec<DeviceId> = pipeline.gate.asks();
    asked.iter().for_each(|device| world.ask(now, device));
}

fn silence(pipeline: &mut Pipeline, now: Timestamp, line: &Line) {
    let matchers = line.silence.iter().flatten();
    let matchers = matchers.map(|(label, value)| Matcher::new(label, Comparison::Is, value).unwrap()).collect();
    let span = Duration::from_secs_f64(line.r#for.expect("a silence has a `for`, in seconds"));
    let silence = Silence {
        id: "silence".to_owned(),
        matchers,
        starts_at: now,
        ends_at: now + span,
        created_at: now,
        created_by: "somebody".to_owned(),
        comment: "known".to_owned(),
    };
    pipeline.gate.silences_mut().add(now, silence).unwrap();
}

/// One line for each step of an alert. How alerts stand with each other is in the step that comes with it, and left out where
/// it alone changed.
fn write(out: &mut String, steps: &[Transition], evidence: bool) {
    for step in steps {
        let state = match step.change {
            Change::Pending => "pending".to_owned(),
            Change::Fired => "firing".to_owned(),
            Change::Severity { from } => format!("firing, was {}", from.as_str()),
            Change::Resolved => "resolved".to_owned(),
            Change::Withdrawn => "over before it was told".to_owned(),
            Change::Released => "firing, not held any more".to_owned(),
            Change::Standing | Change::Forgotten => continue,
        };
        let alert = &step.alert;
        let told = match step.tell {
            Some(Tell::Began) => json!("began"),
            Some(Tell::Worse) => json!("worse"),
            Some(Tell::Over) => json!("over"),
            None => alert.standing.quiet.map_or(Value::Null, |quiet| json!(quiet)),
        };
        let seconds = step.at.since(START).as_millis() as f64 / 1e3;
        let mut line = format!(
            r#"{{"t":{seconds},"state":"{state}","told":{told},"name":"{}","subject":{},"severity":"{}","summary":{}"#,
            alert.key().kind.as_str(),
            json!(alert.key().subject.to_string()),
            alert.severity().as_str(),
            json!(alert.finding.evidence.summary),
        );
        if step.tell == Some(Tell::Began) {
            line += &format!(r#","cause":{}"#, json!(alert.finding.evidence.cause));
        }
        if evidence {
            line += &format!(r#","evidence":{}"#, json!(alert.finding.evidence.evidence));
        }
        if !alert.standing.explained_by.is_empty() {
            let names: Vec<&str> = alert.standing.explained_by.iter().map(|one| &*one.name).collect();
            line += &format!(r#","explained_by":{}"#, json!(names));
        }
        out.push_str(&line);
        out.push_str("}\n");
    }
}
