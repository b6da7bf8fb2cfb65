//! A disk that is full while alerts fire, and then is not.
//!
//! The disk is a tmpfs of a few megabytes in a mount namespace of its own, which needs root. This test binary is
//! started anew in there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use selvedge::deliver::Store;
use selvedge::fabric::Severity::Critical;

use super::receiver::Receiver;
use super::{eventually, start, webhook, word};

const CHILD: &str = "SELVEDGE_DISK_TEST";

#[test]
fn a_full_disk_stops_no_alert() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=12m selvedge-test "$0" || exit 77; exec "$@""#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["disk::child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, folder.path())
        .output();
    let shown = |output: &std::process::Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    match output {
        Ok(output) if output.status.success() => print!("{}", shown(&output)),
        // Once it got as far as to run, nothing but success will do.
        Ok(output) if shown(&output).contains("running 1 test") => panic!("{}", shown(&output)),
        Ok(output) => left_out(&format!("no mount namespace to be had (root is needed): {}", shown(&output))),
        Err(error) => left_out(&format!("unshare (util-linux) does not run: {error}")),
    }
}

fn left_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {why}");
    eprintln!("LEFT OUT: {why}");
}

/// Not a test by itself: needs the small disk.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_full_disk_stops_no_alert"]
async fn child() {
    let Some(disk) = std::env::var_os(CHILD) else { return };
    let disk = Path::new(&disk);
    let receiver = Receiver::well().await;
    let (mut book, deliverer) = start(disk, vec![webhook("oncall", &receiver.url())], vec![]);
    let stats = deliverer.stats();
    deliverer.submit(word(&mut book, "before", Some(Critical)));
    eventually("heard", || receiver.heard() == ["firing before"]).await;

    fill(disk);
    let mut expected = vec!["firing before".to_owned()];
    let mut full_at = None;
    for number in 0..2_000 {
        let device = format!("leaf{number}");
        deliverer.submit(word(&mut book, &device, Some(Critical)));
        deliverer.submit(word(&mut book, &device, None));
        expected.extend([format!("firing {device}"), format!("resolved {device}")]);
        tokio::task::block_in_place(|| deliverer.settle());
        if full_at.is_none() && stats.store_failing() {
            full_at = Some(number);
        }
        // Enough after the disk is full.
        if full_at.is_some_and(|at| number >= at + 100) {
            break;
        }
    }
    let full_at = full_at.expect("the disk became full");
    eventually("all heard, full disk or not", || receiver.heard() == expected).await;
    assert!(stats.store_failing() && stats.unsaved() > 0 && stats.store_errors() > 0);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(stats.store_failing(), "the probe sees that the disk is still full");
    deliverer.submit(word(&mut book, "during", Some(Critical)));
    expected.push("firing during".to_owned());
    eventually("heard", || receiver.heard() == expected).await;

    fs::remove_file(disk.join("filler")).unwrap();
    eventually("written down", || !stats.store_failing()).await;
    assert_eq!(stats.unsaved(), 0);
    deliverer.stop(Duration::from_secs(2)).await;

    let saved = Store::open(disk).unwrap().load().unwrap();
    assert_eq!(saved.sequence, expected.len() as u64);
    assert_eq!(saved.alerts.iter().filter(|alert| alert.is_active()).count(), 2);
    let (_, deliverer) = start(disk, vec![webhook("oncall", &receiver.url())], vec![]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    deliverer.stop(Duration::from_secs(2)).await;
    assert_eq!(receiver.heard(), expected, "nothing acknowledged is repeated");
    println!("the disk was full after {full_at} alerts; {} notifications all the same", expected.len());
}

/// Leave next to nothing.
fn fill(disk: &Path) {
    let mut filler = File::create(disk.join("filler")).unwrap();
    let block = [1; 16 << 10];
    while filler.write_all(&block).is_ok() {}
}
