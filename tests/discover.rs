//! `selvedge discover` on a real fabric: lldpd's neighbours and management addresses, snmpd by v2c and v3.

mod lab;

use std::time::Duration;

use lab::{Lab, wait_for};
use serde_json::Value;

/// Run it with these arguments; gives the report, and the exit status.
fn discover(lab: &Lab, arguments: &str) -> (Value, Option<i32>) {
    let output = lab
        .command_on("mgmt", env!("CARGO_BIN_EXE_selvedge"))
        .args(["discover", "--format", "json"])
        .args(arguments.split_whitespace())
        .current_dir(lab.scratch.path())
        .output()
        .expect("selvedge runs");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

fn names(report: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        report["devices"].as_array().unwrap().iter().map(|device| device["sysName"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn one_seed_finds_the_four_switches_and_a_dead_one_is_told() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    std::fs::write(lab.scratch.path().join("selvedge.toml"), lab.config(1, "")).unwrap();
    let arguments = "10.99.0.3 --auth core --auth lab --timeout 1 --retries 1 --output targets/discovered.json";
    // Neighbours are announced every two seconds. Hosts are heard and have no agent.
    wait_for("all four switches are found, and both hosts heard of", Duration::from_secs(30), || {
        let (report, _) = discover(&lab, arguments);
        let mut unfound: Vec<&str> =
            report["not_found"].as_array().unwrap().iter().filter_map(|missed| missed["name"].as_str()).collect();
        unfound.sort_unstable();
        (names(&report) == ["leaf1", "leaf2", "spine1", "spine2"] && unfound == ["h1-1", "h2-1"]).then_some(())
    });
    let file = lab.scratch.path().join("targets/discovered.json");
    let written = std::fs::read_to_string(&file).unwrap();
    let targets: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(targets.as_array().unwrap().len(), 4);
    assert!(targets.as_array().unwrap().iter().all(|group| group["labels"]["__param_auth"] == "core"), "{targets}");

    let (report, status) = discover(&lab, arguments);
    assert_eq!((&report["written"], status), (&Value::Bool(false), Some(0)));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);

    lab.run("kill spine2");
    let (report, status) = discover(&lab, arguments);
    assert_eq!(status, Some(0), "the seed answers");
    assert_eq!(report["gone"][0]["target"], "10.99.0.2:161");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "kept without --prune");
    let (report, _) = discover(&lab, &format!("{arguments} --prune"));
    assert_eq!(report["targets"].as_array().unwrap().len(), 3);
    let (_, status) = discover(&lab, "10.99.0.2 --auth lab --timeout 0.5 --retries 0");
    assert_eq!(status, Some(1), "a seed that does not answer");
}
