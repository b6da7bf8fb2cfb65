//! `kill -9` at random moments, again and again: nothing accepted is lost, nothing acknowledged is repeated.
//!
//! The process that is killed is this test binary itself, started anew with [`CHILD`] set.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use selvedge::fabric::Severity::Critical;
use selvedge::fabric::Subject;

use super::receiver::{Manner, Receiver};
use super::{start, webhook, word};

const CHILD: &str = "SELVEDGE_KILL_TEST";
const KILLS: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_and_repeats_nothing() {
    let data = tempfile::tempdir().unwrap();
    // Slow enough that most kills find a notification on its way or an acknowledgement not yet written.
    let receiver = Receiver::start([], Manner::Slow(Duration::from_millis(1))).await;
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut accepted = 0;
    // How many requests had come before each kill.
    let mut kills = Vec::new();
    for round in 0..KILLS {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let life = Duration::from_micros(chance % 60_000);
        if round % 8 == 5 {
            receiver.down().await;
        }
        let (data, url) = (data.path().to_owned(), receiver.url());
        let reached = tokio::task::spawn_blocking(move || live_and_die(&data, &url, life)).await.unwrap();
        assert!(reached >= accepted, "after the restart it knows less than before: {reached} < {accepted}");
        accepted = reached;
        if round % 8 == 5 {
            receiver.up().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        kills.push(receiver.requests().len());
    }
    // Let it finish in peace.
    let (book, deliverer) = start(data.path(), vec![webhook("oncall", &receiver.url())], vec![]);
    deliverer.stop(Duration::from_secs(20)).await;
    drop(book);

    let requests = receiver.requests();
    // The number of a notification stands in its key: fingerprint-number-time.
    let number = |key: &str| key.split('-').nth(1).unwrap().parse::<u64>().unwrap();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut highest = 0;
    let mut repeated = 0;
    for (position, request) in requests.iter().enumerate() {
        if let Some(before) = seen.insert(&request.key, position) {
            repeated += 1;
            assert_eq!(before + 1, position, "repeated, and not the last one before a kill");
            assert!(kills.contains(&position), "repeated without a kill in between");
            assert_eq!(requests[before].body, request.body);
        } else {
            assert_eq!(number(&request.key), highest + 1, "none is left out, and all come in order");
            highest += 1;
        }
    }
    assert!(highest >= accepted, "accepted {accepted}, heard of {highest}");
    assert!(accepted > KILLS, "it got to do something: {accepted}");
    println!(
        "{KILLS} kills, {accepted} accepted, {highest} heard, {repeated} acknowledged just before a kill and repeated"
    );
}

/// The same for another child, beside the tasks.
pub async fn live_and_die_as(
    test: &'static str,
    variable: &'static str,
    data: &Path,
    url: &str,
    life: Duration,
) -> u64 {
    let (data, url) = (data.to_owned(), url.to_owned());
    tokio::task::spawn_blocking(move || child_of(test, variable, &data, &url, life)).await.unwrap()
}

fn live_and_die(data: &Path, url: &str, life: Duration) -> u64 {
    child_of("kill::child", CHILD, data, url, life)
}

/// Start a child, let it live for a while after its first word, kill it; what it said last was accepted.
fn child_of(test: &str, variable: &str, data: &Path, url: &str, life: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(variable, data)
        .env("SELVEDGE_KILL_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let accepted = |line: String| line.strip_prefix("accepted ").and_then(|number| number.parse::<u64>().ok());
    let Some(mut last) = lines.by_ref().find_map(accepted) else {
        let output = child.wait_with_output().unwrap();
        panic!("the child said nothing: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        // The last line may be cut short by the kill; a shorter number is smaller, and so still true.
        last = accepted(line).map_or(last, |number| last.max(number));
    }
    last
}

/// Not a test: what is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by loses_nothing_and_repeats_nothing"]
async fn child() {
    let Some(data) = std::env::var_os(CHILD) else { return };
    let url = std::env::var("SELVEDGE_KILL_URL").unwrap();
    let (mut book, deliverer) = start(Path::new(&data), vec![webhook("oncall", &url)], vec![]);
    let mut sequence = book.alerts().map(|alert| alert.sequence).max().unwrap_or(0);
    println!("\naccepted {sequence}");
    loop {
        // A few at a time. Each word turns a device over, so that every step is told: no number is left out.
        for _ in 0..=sequence % 3 {
            let name = format!("device{}", sequence % 50);
            let fires = book
                .alerts()
                .any(|alert| alert.is_active() && alert.key().subject == Subject::Device(name.as_str().into()));
            let steps = word(&mut book, &name, (!fires).then_some(Critical));
            sequence = steps[0].sequence;
            deliverer.submit(steps);
        }
        tokio::task::block_in_place(|| deliverer.settle());
        println!("accepted {sequence}");
    }
}
