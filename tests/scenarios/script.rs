//! What happens, one JSON object a line.
//!
//! Lines without a time build the network; the others change it at second `t`, and it stays so:
//!
//! ```text
//! {"about": "what this shows"}
//! {"until": 300}                                      how long it goes, in seconds
//! {"evidence": true}                                  let alerts.jsonl hold what they rest on
//! {"device": "leaf1", "ports": ["spine1", "host"], "speed": "10 Gbit/s", "every": 10}
//! {"cable": ["leaf1:spine1", "spine1:leaf1"]}
//! {"t": 60, "cut": "leaf1:spine1"}                    both ends go down; "mend" brings them up
//! {"t": 60, "port": "leaf1:host", "is": "down"}       one end alone, as the next poll reads it
//! {"t": 60, "port": "leaf1:spine1", "sends": "9 Gbit/s", "loses": {"ifOutDiscards": 100}}
//! {"t": 60, "device": "leaf1", "answers": false}
//! ```
//!
//! `#` in a name stands for a number from 1 to `times`: one line builds 48 devices or cables. A line with `t` and `again`
//! happens `times` times, every `again` seconds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// One line. What is not written stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// For the reader.
    pub about: Option<String>,
    /// What alerts rest on is written too.
    pub evidence: Option<bool>,
    /// When it ends.
    pub until: Option<f64>,
    /// When it happens, in seconds.
    pub t: Option<f64>,
    pub times: Option<u32>,
    pub again: Option<f64>,

    pub device: Option<String>,
    /// The device's ports.
    pub ports: Option<Vec<String>>,
    /// Ports that bundle others: `{"ae0": ["p1", "p2"]}`.
    pub bundles: Option<BTreeMap<String, Vec<String>>>,
    /// How often it is polled, in seconds.
    pub every: Option<f64>,
    /// It refreshes its counters only this often, in seconds.
    pub caches: Option<f64>,
    /// Its octet counters have 32 bits.
    pub narrow: Option<bool>,
    pub labels: Option<BTreeMap<String, String>>,
    pub answers: Option<bool>,
    /// It starts anew: its uptime and its counters begin at 0.
    pub restarts: Option<bool>,
    /// How long it takes to be polled, in seconds: what falls into it is left out.
    pub poll_takes: Option<f64>,
    /// How fast its sysUpTime runs; 1 is right.
    pub uptime_runs: Option<f64>,
    /// Its ifIndexes are others from now on.
    pub renumbers: Option<bool>,

    /// Two ends that hear each other.
    pub cable: Option<[String; 2]>,
    pub cut: Option<String>,
    pub mend: Option<String>,

    pub port: Option<String>,
    pub speed: Option<String>,
    pub is: Option<String>,
    pub admin: Option<String>,
    /// A trap tells so at once; it is not lost.
    pub trap: Option<bool>,
    /// What it sends: the far end receives it.
    pub sends: Option<String>,
    /// What it receives, where no cable brings it.
    pub receives: Option<String>,
    /// Packets per second that are counted so, by the counter's name.
    pub loses: Option<BTreeMap<String, f64>>,
    /// All its counters begin at 0, and nothing else tells of it.
    pub resets: Option<bool>,
    /// Its counter stands here now.
    pub counts: Option<BTreeMap<String, u64>>,
    /// The light its optic receives.
    pub receives_dbm: Option<f64>,
    /// Its row is missing in the aggregation table.
    pub leaves_bundle: Option<bool>,

    /// Labels of a silence, which lasts `for` seconds.
    pub silence: Option<BTreeMap<String, String>>,
    pub r#for: Option<f64>,
}

pub fn read(path: &Path) -> Vec<Line> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line: Result<Line, _> = serde_json::from_str(text);
        let line = line.unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), number + 1));
        let times = line.times.unwrap_or(1);
        for n in 0..times {
            let mut one: Line = match text.contains('#') {
                true => serde_json::from_str(&text.replace('#', &(n + 1).to_string())).unwrap(),
                false => line.clone(),
            };
            if let (Some(t), Some(again)) = (one.t, one.again) {
                one.t = Some(t + again * f64::from(n));
            }
            lines.push(one);
        }
    }
    lines
}

/// `9.5 Gbit/s`
pub fn bps(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, "bit/s"));
    let scale = match unit {
        "bit/s" => 1.0,
        "kbit/s" => 1e3,
        "Mbit/s" => 1e6,
        "Gbit/s" => 1e9,
        _ => panic!("{text}: not a rate"),
    };
    number.parse::<f64>().unwrap_or_else(|_| panic!("{text}: not a rate")) * scale
}
