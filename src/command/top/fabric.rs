//! One `state` event, made ready to be looked at: what `/api/events` says, and what of it needs attention first.
//!
//! The order is the page's, so that both show the same on top.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::text::{Text, natural_key};

/// From here on a direction is busy: the threshold of the warning.
pub const BUSY: f64 = 0.80;
/// From here on it is as good as full: the threshold of the critical alert.
pub const FULL: f64 = 0.95;

/// Alerts that are looked at of one link or port; with names that are told apart there are never so many.
const MOST_ALERTS: usize = 64;

/// The data of an event. What is not there is empty or unknown; what is of another kind makes the event unreadable.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Frame {
    pub taken_at: Text,
    pub devices: Vec<Device>,
    pub links: Vec<Link>,
    pub groups: Vec<Group>,
    pub alerts: Vec<Alert>,
    pub status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    pub targets: Option<Targets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Targets {
    pub total: Option<u64>,
    pub answered: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Device {
    pub name: Text,
    pub address: Option<Text>,
    pub state: Text,
    pub why: Option<Text>,
    pub since: Option<Text>,
    #[serde(rename = "sysDescr")]
    pub sys_descr: Option<Text>,
    #[serde(rename = "sysUpTime_ms")]
    pub sys_uptime_ms: Option<u64>,
    pub interfaces: u64,
    pub labels: BTreeMap<Text, Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Link {
    pub id: Text,
    pub a: End,
    pub b: End,
    pub state: Text,
    pub since: Option<Text>,
    pub groups: Vec<Text>,
    pub utilization: BothWays,
    pub utilization_1h: HourBothWays,
    pub drops_pps: BothWays,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct End {
    pub device: Text,
    pub interface: Text,
    pub watched: bool,
    pub oper_status: Text,
    pub speed_bps: Option<f64>,
    pub speed_source: Option<Text>,
    pub out_bps: Option<f64>,
    pub out_drops_pps: Option<f64>,
    pub in_drops_pps: Option<f64>,
    pub unknown: BTreeMap<Text, Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BothWays {
    pub a_to_b: Option<f64>,
    pub b_to_a: Option<f64>,
}

impl BothWays {
    /// The larger of two readings, of which either may be unknown.
    pub fn worse(&self) -> Option<f64> {
        match (self.a_to_b, self.b_to_a) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        }
    }
}

/// The last hour of both directions; an instance of another version may not tell it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HourBothWays {
    pub a_to_b: Option<Hour>,
    pub b_to_a: Option<Hour>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hour {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Group {
    pub name: Text,
    pub kind: Text,
    pub device: Option<Text>,
    pub state: Text,
    pub planned: Vec<Text>,
    pub working: Vec<Text>,
    pub unknown: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alert {
    pub fingerprint: Text,
    pub labels: BTreeMap<Text, Text>,
    pub annotations: BTreeMap<Text, Text>,
    pub state: Text,
    pub since: Text,
    pub resolved_at: Option<Text>,
    pub unknown: Option<Text>,
}

impl Alert {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(&Text::new(name)).map(Text::as_str)
    }

    /// A sentence for people; empty where the stream has none.
    pub fn words(&self, name: &str) -> &str {
        self.annotations.get(&Text::new(name)).map_or("", Text::as_str)
    }

    pub fn severity(&self) -> Severity {
        match self.label("severity") {
            Some("critical") => Severity::Critical,
            Some("warning") => Severity::Warning,
            _ => Severity::Info,
        }
    }

    pub fn is(&self, state: &str) -> bool {
        self.state.as_str() == state
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Critical,
    Warning,
    Info,
}

/// How much a thing needs attention; the first most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Critical,
    Down,
    Warning,
    Drops,
    Busy,
    Unknown,
    Calm,
}

/// What is known of a link beside what the stream says.
#[derive(Debug)]
pub struct LinkFacts {
    pub rank: Rank,
    /// The worse direction's utilisation; none where neither is known, and of a link that is down.
    pub worst: Option<f64>,
    /// The worse direction's loss.
    pub drops: Option<f64>,
    /// Indexes of the alerts about it or one of its ends that are not resolved.
    pub alerts: Vec<usize>,
    key: String,
    names: String,
}

#[derive(Debug)]
pub struct DeviceFacts {
    pub rank: Rank,
    /// Indexes of links.
    pub links: Vec<usize>,
    /// Indexes of alerts that are not resolved.
    pub alerts: Vec<usize>,
    key: String,
    names: String,
}

/// An event with its indexes.
#[derive(Debug)]
pub struct Fabric {
    pub frame: Frame,
    pub links: Vec<LinkFacts>,
    pub devices: Vec<DeviceFacts>,
    /// Milliseconds since 1970, by the clock of the instance.
    pub taken_at_ms: Option<i64>,
}

/// In which order links are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Attention,
    Utilization,
    Drops,
    Name,
}

impl Sort {
    pub const fn next(self) -> Self {
        match self {
            Self::Attention => Self::Utilization,
            Self::Utilization => Self::Drops,
            Self::Drops => Self::Name,
            Self::Name => Self::Attention,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Utilization => "utilisation",
            Self::Drops => "drops",
            Self::Name => "name",
        }
    }
}

/// Milliseconds since 1970 of an RFC 3339 time.
pub fn time_ms(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

impl Fabric {
    /// # Errors
    /// Why the data of an event is no state of a fabric.
    pub fn read(data: &str) -> Result<Self, serde_json::Error> {
        Ok(Self::new(serde_json::from_str(data)?))
    }

    pub fn new(frame: Frame) -> Self {
        let mut of_link: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut of_end: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        let mut of_device: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, alert) in frame.alerts.iter().enumerate().filter(|(_, alert)| !alert.is("resolved")) {
            let (link, device, interface) = (alert.label("link"), alert.label("device"), alert.label("interface"));
            match (link, device, interface) {
                (Some(link), ..) => of_link.entry(link).or_default().push(at),
                (None, Some(device), Some(interface)) => of_end.entry((device, interface)).or_default().push(at),
                _ => {}
            }
            for device in device.into_iter().chain(alert.label("peer_device")) {
                of_device.entry(device).or_default().push(at);
            }
        }
        let mut links_of: HashMap<&str, Vec<usize>> = HashMap::new();
        let links = frame.links.iter().enumerate().map(|(at, link)| {
            let mut alerts: Vec<usize> =
                of_link.get(link.id.as_str()).into_iter().flatten().take(MOST_ALERTS).copied().collect();
            for end in [&link.a, &link.b] {
                let of_end = of_end.get(&(end.device.as_str(), end.interface.as_str()));
                alerts.extend(of_end.into_iter().flatten().take(MOST_ALERTS));
                links_of.entry(end.device.as_str()).or_default().push(at);
                of_device.entry(end.device.as_str()).or_default().extend(&alerts);
            }
            alerts.sort_unstable();
            alerts.dedup();
            let down = link.state.as_str() == "down";
            let worst = if down { None } else { link.utilization.worse() };
            let drops = link.drops_pps.worse();
            let firing = |severity| {
                alerts.iter().any(|at| frame.alerts[*at].is("firing") && frame.alerts[*at].severity() == severity)
            };
            let rank = if firing(Severity::Critical) {
                Rank::Critical
            } else if down {
                Rank::Down
            } else if firing(Severity::Warning) || worst.is_some_and(|worst| worst >= FULL) {
                Rank::Warning
            } else if drops.is_some_and(|drops| drops > 0.0) {
                Rank::Drops
            } else if worst.is_some_and(|worst| worst >= BUSY) {
                Rank::Busy
            } else if link.state.as_str() == "unknown" {
                Rank::Unknown
            } else {
                Rank::Calm
            };
            let names =
                link.groups.iter().fold(link.id.as_str().to_owned(), |names, group| names + "\n" + group.as_str());
            LinkFacts { rank, worst, drops, alerts, key: natural_key(link.id.as_str()), names: names.to_lowercase() }
        });
        let links: Vec<LinkFacts> = links.collect();
        let devices = frame.devices.iter().map(|device| {
            let mut alerts = of_device.get(device.name.as_str()).cloned().unwrap_or_default();
            alerts.sort_unstable();
            alerts.dedup();
            let mut links = links_of.get(device.name.as_str()).cloned().unwrap_or_default();
            // A cable from a device to itself is one link.
            links.dedup();
            let worst = alerts.iter().map(|at| &frame.alerts[*at]).filter(|alert| alert.is("firing"));
            let rank = match (device.state.as_str(), worst.map(Alert::severity).min()) {
                ("unreachable", _) => Rank::Critical,
                (_, Some(Severity::Critical)) => Rank::Down,
                (_, Some(Severity::Warning)) => Rank::Warning,
                ("unknown", _) => Rank::Unknown,
                _ => Rank::Calm,
            };
            let said = [&device.address, &device.sys_descr].into_iter().flatten().map(Text::as_str);
            let mut names: Vec<String> = said.map(str::to_owned).collect();
            names.push(device.name.as_str().to_owned());
            names.extend(device.labels.iter().map(|(name, value)| format!("{}={}", name.as_str(), value.as_str())));
            let names = names.join("\n").to_lowercase();
            DeviceFacts { rank, links, alerts, key: natural_key(device.name.as_str()), names }
        });
        let devices = devices.collect();
        let taken_at_ms = time_ms(frame.taken_at.as_str());
        Self { links, devices, taken_at_ms, frame }
    }

    /// Indexes of the links that a filter lets through, in order.
    pub fn links_by(&self, sort: Sort, filter: &Filter) -> Vec<usize> {
        let lets = |at: &usize| {
            let (link, facts) = (&self.frame.links[*at], &self.links[*at]);
            filter.says(&facts.names)
                && filter.conditions.iter().all(|condition| match condition.as_str() {
                    "drops" => facts.drops.is_some_and(|drops| drops > 0.0),
                    "busy" => facts.worst.is_some_and(|worst| worst >= BUSY),
                    "trouble" => facts.rank < Rank::Unknown,
                    state => link.state.as_str() == state,
                })
        };
        let mut shown: Vec<usize> = (0..self.links.len()).filter(lets).collect();
        // The largest first; what is not known last.
        let largest = |value: Option<f64>| -value.unwrap_or(-1.0);
        let calm = |at: usize| {
            let link = &self.frame.links[at];
            (self.links[at].rank, !(link.a.watched && link.b.watched), &self.links[at].key)
        };
        shown.sort_by(|one, other| {
            let (one, other) = (*one, *other);
            match sort {
                Sort::Attention => calm(one).cmp(&calm(other)),
                Sort::Utilization => largest(self.links[one].worst).total_cmp(&largest(self.links[other].worst)),
                Sort::Drops => largest(self.links[one].drops).total_cmp(&largest(self.links[other].drops)),
                Sort::Name => std::cmp::Ordering::Equal,
            }
            .then_with(|| self.links[one].key.cmp(&self.links[other].key))
        });
        shown
    }

    /// The same of alerts: those that fire first, the most urgent and newest of them on top.
    pub fn alerts_by(&self, filter: &Filter) -> Vec<usize> {
        let alert = |at: usize| &self.frame.alerts[at];
        let lets = |at: &usize| {
            let alert = alert(*at);
            let words = alert.labels.values().chain(alert.annotations.values()).map(Text::as_str);
            let names = words.collect::<Vec<_>>().join("\n").to_lowercase();
            let is = |condition: &String| alert.is(condition) || alert.label("severity") == Some(condition);
            filter.says(&names) && filter.conditions.iter().all(is)
        };
        let mut shown: Vec<usize> = (0..self.frame.alerts.len()).filter(lets).collect();
        let place = |at: usize| match alert(at).state.as_str() {
            "firing" => (0, alert(at).severity()),
            "pending" => (1, alert(at).severity()),
            // What is over is in the order of time alone.
            _ => (2, Severity::Info),
        };
        shown.sort_by(|one, other| {
            place(*one).cmp(&place(*other)).then_with(|| alert(*other).since.cmp(&alert(*one).since))
        });
        shown
    }

    /// The same of devices.
    pub fn devices_by(&self, filter: &Filter) -> Vec<usize> {
        let lets = |at: &usize| {
            let state = self.frame.devices[*at].state.as_str();
            filter.says(&self.devices[*at].names) && filter.conditions.iter().all(|condition| condition == state)
        };
        let mut shown: Vec<usize> = (0..self.devices.len()).filter(lets).collect();
        shown.sort_by_key(|at| (self.devices[*at].rank, &self.devices[*at].key));
        shown
    }

    /// The same of groups.
    pub fn groups_by(&self, filter: &Filter) -> Vec<usize> {
        let group = |at: usize| &self.frame.groups[at];
        let lets = |at: &usize| {
            let group = group(*at);
            let names =
                group.planned.iter().fold(group.name.as_str().to_owned(), |names, link| names + "\n" + link.as_str());
            filter.says(&names.to_lowercase())
                && filter.conditions.iter().all(|condition| condition == group.state.as_str())
        };
        let mut shown: Vec<usize> = (0..self.frame.groups.len()).filter(lets).collect();
        let order =
            |at: usize| ["lost", "degraded", "unknown", "ok"].iter().position(|s| *s == group(at).state.as_str());
        shown.sort_by_cached_key(|at| (order(*at).unwrap_or(4), natural_key(group(*at).name.as_str())));
        shown
    }
}

/// What was typed, and what it lets through: words that all occur, and conditions (`is:down`), as on the page.
#[derive(Debug, Default)]
pub struct Filter {
    words: Vec<String>,
    conditions: Vec<String>,
}

impl Filter {
    pub fn new(text: &str) -> Self {
        let mut filter = Self::default();
        for part in text.to_lowercase().split_whitespace() {
            match part.strip_prefix("is:") {
                Some(condition) => filter.conditions.push(condition.to_owned()),
                None => filter.words.push(part.to_owned()),
            }
        }
        filter
    }

    fn says(&self, lower: &str) -> bool {
        self.words.iter().all(|word| lower.contains(word.as_str()))
    }
}
