use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::fabric::Secret;
use crate::simulate::{Fabric, Place, Plan, Simulation};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// A fabric of 2 spines and 3 leaves from this address on, at a port that is free.
async fn fabric(address: Ipv4Addr) -> (Simulation, u16) {
    let port = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap().port();
    let place = Place { address, port, community: Secret::new("public") };
    let plan = Plan { spines: 2, leaves: 3, hosts: 2, ..Plan::default() };
    (Simulation::start(Fabric::new(plan), &place, None).await.unwrap(), port)
}

/// What is reported of it, or what is wrong.
async fn run_on(line: &str) -> Result<Value, String> {
    let args = Cli::try_parse_from(std::iter::once("discover").chain(line.split_whitespace())).unwrap().args;
    let voices = voices(&args)?;
    let (report, silent) = discover(&args, &args.seeds, voices).await?;
    if silent.is_empty() { Ok(serde_json::to_value(report).unwrap()) } else { Err(silent.join("; ")) }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn names(targets: &Value) -> Vec<&str> {
    targets.as_array().unwrap().iter().map(|group| group["labels"]["sysName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_fabric_is_found_from_one_seed_and_a_second_time_nothing_is_written() {
    let (simulation, port) = fabric(Ipv4Addr::new(127, 0, 141, 1)).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("selvedge.toml");
    // The wrong one is tried first, and once: from then on the one that worked for the neighbour is.
    let text = "[snmp]\ntimeout = \"200ms\"\nretries = 0\n[snmp.auth.a]\nversion = \"2c\"\ncommunity = \"wrong\"\n\
                [snmp.auth.b]\nversion = \"2c\"\ncommunity = \"public\"\n";
    std::fs::write(&config, text).unwrap();
    let file = folder.path().join("targets/discovered.json");
    let line = format!("127.0.141.3:{port} --config {} --output {}", config.display(), file.display());
    run_on(&line).await.unwrap();
    let found = read(&file);
    assert_eq!(names(&found), ["leaf1", "leaf2", "leaf3", "spine1", "spine2"]);
    let leaf =
        json!({ "targets": [format!("127.0.141.3:{port}")], "labels": { "__param_auth": "b", "sysName": "leaf1" } });
    assert_eq!(found[0], leaf);
    // What was written is what the configuration reads.
    std::fs::write(&config, format!("{text}[[snmp.targets_from]]\nfile = \"targets/*.json\"\n")).unwrap();
    let loaded = config::load(Some(&config)).unwrap();
    assert_eq!(loaded.settings.targets.len(), 5, "{:?}", loaded.warnings);

    let before = std::fs::metadata(&file).unwrap();
    run_on(&line).await.unwrap();
    let after = std::fs::metadata(&file).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "nothing changed");
    drop(simulation);
}

#[tokio::test]
async fn what_people_wrote_stays_and_the_dead_go_only_when_asked_to() {
    let (simulation, port) = fabric(Ipv4Addr::new(127, 0, 142, 1)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.json");
    let ours = json!([
        { "targets": [format!("127.0.142.1:{port}"), format!("127.0.142.99:{port}")], "labels": { "role": "spine", "site": "x" } },
        // It answers under this name no more, and is no neighbour of anybody: another's credentials are for it.
        { "targets": [format!("127.0.142.98:{port}")], "labels": { "__param_auth": "theirs" } },
    ]);
    std::fs::write(&file, ours.to_string()).unwrap();
    let line = format!("127.0.142.1:{port} --community public --timeout 0.2 --retries 0 --output {}", file.display());
    let report = run_on(&line).await.unwrap();
    assert_eq!(report["added"].as_array().unwrap().len(), 4, "{report}");
    assert_eq!(report["gone"][0]["target"], format!("127.0.142.99:{port}"));
    let merged = read(&file);
    assert_eq!(merged[0], ours[0], "kept as it was, the dead one too");
    assert_eq!(merged[1], ours[1]);
    assert_eq!(merged.as_array().unwrap().len(), 2 + 4);

    // As long as a seed is silent nothing is removed: it may be us who are cut off.
    let wrong = run_on(&format!("127.0.142.77:{port} {line} --prune")).await.unwrap_err();
    assert!(wrong.contains("127.0.142.77"), "{wrong}");
    assert_eq!(read(&file), merged);
    run_on(&format!("{line} --prune")).await.unwrap();
    let pruned = read(&file);
    assert_eq!(pruned[0]["targets"], json!([format!("127.0.142.1:{port}")]));
    assert_eq!(pruned[1], ours[1], "not asked, so nothing is known of it");
    drop(simulation);
}

#[tokio::test]
async fn the_allow_list_and_the_count_bound_it() {
    let (simulation, port) = fabric(Ipv4Addr::new(127, 0, 143, 1)).await;
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    let line = format!("127.0.143.1:{port} --community public --timeout 1 --output");
    // The seed (spine1), and of its leaves (.3, .4, .5) the first.
    let report = run_on(&format!("{line} {} --allow 127.0.143.2/31", one.display())).await.unwrap();
    let reasons: Vec<(&str, &str)> = report["not_found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|missed| (missed["name"].as_str().unwrap(), missed["reason"].as_str().unwrap()))
        .filter(|(name, _)| name.starts_with("leaf"))
        .collect();
    let outside = "outside of what is allowed (--allow)";
    assert_eq!(reasons, [("leaf2", outside), ("leaf3", outside)]);
    assert_eq!(names(&read(&one)), ["leaf1", "spine1", "spine2"]);
    run_on(&format!("{line} {} --max-devices 2", two.display())).await.unwrap();
    assert_eq!(read(&two).as_array().unwrap().len(), 2);
    drop(simulation);
}

#[tokio::test]
async fn a_seed_that_is_silent_and_a_file_that_is_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.json");
    let port = UdpSocket::bind("127.0.144.1:0").unwrap().local_addr().unwrap().port();
    let line = format!("127.0.144.1:{port} --community public --timeout 0.1 --retries 0 --output {}", file.display());
    let why = run_on(&line).await.unwrap_err();
    assert!(why.contains(UnreachableReason::Refused.as_str()), "{why}");
    assert!(!file.exists(), "nothing was found, so nothing is written");
    for wrong in ["{}", "[{\"targets\": \"10.0.0.1\"}]", "[1]", "- targets: []"] {
        std::fs::write(&file, wrong).unwrap();
        let why = run_on(&line).await.unwrap_err();
        assert!(why.contains("targets.json"), "{why}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), wrong);
    }
}
