//! 10,000 steps of alerts through every fault at once: receivers that fail, hang, reset and ask for patience, and our own
//! `kill -9` at random points. What is promised, and checked to the letter:
//!
//! - every step that was accepted (on the disk before [`settle`] returned) is acknowledged by every receiver;
//! - a notification is acknowledged a second time only where a kill fell between its acknowledgement and the note of it:
//!   then it is the one that was out at the kill, at most one a kill and receiver, with the same key and the same content;
//! - each receiver hears the steps of each alert in their order.
//!
//! [`settle`]: selvedge::deliver::Deliverer::settle

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use selvedge::alert::Route;
use selvedge::deliver::{Pace, ReceiverSettings};
use selvedge::fabric::Severity::Critical;

use super::receiver::{Manner, Receiver, Request};
use super::{start, webhook, word};

const CHILD: &str = "SELVEDGE_STORM_TEST";
const STEPS: u64 = 10_000;
const DEVICES: u64 = 400;
/// Among the answers of the receivers that misbehave; each of these costs a pause.
const FAULTS: usize = 8;

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// One hears of every fifth device, the other of all.
fn routes() -> Vec<Route> {
    let route = |receiver: &str, role: &[&str]| Route {
        receiver: receiver.into(),
        matchers: role.iter().map(|role| ("role".to_owned(), (*role).to_owned())).collect(),
    };
    vec![route("single", &["spine"]), route("grouped", &[])]
}

fn device(sequence: u64) -> String {
    let number = sequence % DEVICES;
    format!("{}{number}", if number.is_multiple_of(5) { "spine" } else { "leaf" })
}

/// Both receivers: one is told of each alert by itself, the other by groups of whatever waits.
fn settings(single: &str, grouped: &str) -> Vec<ReceiverSettings> {
    let pace = Pace { group_by: vec!["role".into()], group_interval: Duration::from_millis(50), ..Pace::default() };
    vec![webhook("single", single), ReceiverSettings { pace, ..webhook("grouped", grouped) }]
}

fn faults(seed: u64) -> Vec<Manner> {
    let mut state = seed;
    let mut script = Vec::new();
    for _ in 0..FAULTS {
        let calm = usize::try_from(random(&mut state) % 120).unwrap();
        script.extend(std::iter::repeat_n(Manner::Answer(200, ""), calm));
        script.push(match random(&mut state) % 5 {
            0 => Manner::Answer(503, ""),
            1 => Manner::Hang,
            2 => Manner::Reset,
            3 => Manner::Answer(429, "Retry-After: 1\r\n"),
            _ => Manner::Answer(500, ""),
        });
    }
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_ten_thousand_steps_is_lost_or_acknowledged_twice() {
    let began = Instant::now();
    // A kill takes nothing from memory that is a file system: no need to wait for a disk ten thousand times.
    let shared = Path::new("/dev/shm");
    let data = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let single = Receiver::start(faults(0x5eed), Manner::Answer(200, "")).await;
    let grouped = Receiver::start(faults(0xf00d), Manner::Answer(200, "")).await;
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut accepted, mut kills) = (0, 0);
    // How many requests each had been sent at each kill.
    let mut cuts: [HashSet<usize>; 2] = Default::default();
    while accepted < STEPS {
        let life = Duration::from_millis(random(&mut chance) % 1_500);
        let (path, urls) = (data.path().to_owned(), [single.url(), grouped.url()]);
        let reached = super::kill::live_and_die_as("storm::child", CHILD, &path, &urls.join(" "), life).await;
        assert!(reached >= accepted, "after the restart it knows less than before: {reached} < {accepted}");
        accepted = reached;
        kills += 1;
        // What was written into a socket before the kill is still read.
        tokio::time::sleep(Duration::from_millis(30)).await;
        for (cut, receiver) in cuts.iter_mut().zip([&single, &grouped]) {
            cut.insert(receiver.requests().len());
        }
    }
    println!("accepted after {:.1} s", began.elapsed().as_secs_f64());
    let (book, deliverer) = start(data.path(), settings(&single.url(), &grouped.url()), routes());
    let waiting = || deliverer.stats().receivers().iter().map(|one| one.waiting()).sum::<u64>();
    // The first look at the outbox is the clerk's: it is known when something is out.
    deliverer.settle();
    super::eventually_within(Duration::from_secs(40), "all is told", || waiting() == 0).await;
    deliverer.stop(Duration::from_secs(5)).await;
    drop(book);

    for (receiver, cuts, share) in [(&single, &cuts[0], 5), (&grouped, &cuts[1], 1)] {
        let requests = receiver.requests();
        let repeated = check(&requests, cuts, accepted / share);
        let faults = requests.iter().filter(|request| !request.acknowledged).count();
        println!(
            "{} requests, {faults} faults met, {repeated} acknowledged just before a kill and repeated",
            requests.len()
        );
    }
    println!("{accepted} steps, {kills} kills, {:.1} s", began.elapsed().as_secs_f64());
}

/// Hold what a receiver was sent against the promise; how many were acknowledged twice.
fn check(requests: &[Request], cuts: &HashSet<usize>, accepted: u64) -> usize {
    let mut acknowledged: HashMap<&str, usize> = HashMap::new();
    let mut last_of: HashMap<String, (u64, String)> = HashMap::new();
    let mut steps = 0;
    let mut repeated = 0;
    for (position, request) in requests.iter().enumerate() {
        if !request.acknowledged {
            continue;
        }
        if let Some(before) = acknowledged.insert(&request.key, position) {
            repeated += 1;
            assert_eq!(requests[before].body["alerts"], request.body["alerts"], "the same key is the same content");
            assert!((before + 1..=position).any(|cut| cuts.contains(&cut)), "repeated without a kill in between");
            let between = &requests[before + 1..position];
            assert!(
                between.iter().all(|other| other.key == request.key),
                "repeated, and not the last one before a kill"
            );
            continue;
        }
        for alert in request.body["alerts"].as_array().unwrap() {
            let device = alert["labels"]["device"].as_str().unwrap().to_owned();
            let status = alert["status"].as_str().unwrap().to_owned();
            let (count, before) = last_of.entry(device).or_insert((0, "resolved".into()));
            assert_ne!(*before, status, "a step is left out or out of its order");
            (*count, *before) = (*count + 1, status);
            steps += 1;
        }
    }
    // Of the last batch a kill may have come after it was written and before it was said to be.
    assert!(steps + 1 >= accepted, "accepted {accepted}, acknowledged {steps}");
    assert!(steps <= accepted + DEVICES, "{steps} of {accepted}");
    repeated
}

/// Not a test: what is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by none_of_ten_thousand_steps_is_lost_or_acknowledged_twice"]
async fn child() {
    let Some(data) = std::env::var_os(CHILD) else { return };
    let urls = std::env::var("SELVEDGE_KILL_URL").unwrap();
    let (single, grouped) = urls.split_once(' ').unwrap();
    let (mut book, deliverer) = start(Path::new(&data), settings(single, grouped), routes());
    let mut sequence = book.alerts().map(|alert| alert.sequence).max().unwrap_or(0);
    println!("\naccepted {sequence}");
    while sequence < STEPS + DEVICES {
        // Each word turns a device over, so that every step is told.
        for _ in 0..=sequence % 250 {
            let name = device(sequence);
            let key = super::key_of(&name);
            let fires = book.get(&key).is_some_and(|alert| alert.is_active());
            let steps = word(&mut book, &name, (!fires).then_some(Critical));
            sequence = steps[0].sequence;
            deliverer.submit(steps);
        }
        tokio::task::block_in_place(|| deliverer.settle());
        println!("accepted {sequence}");
    }
    std::future::pending::<()>().await;
}
