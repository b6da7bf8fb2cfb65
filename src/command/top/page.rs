//! What Enter opens: a link with both ends, a device with its links, an alert with its cause, a group, and the help.

use super::app::{App, Target};
use super::fabric::{Alert, Device, End, Group, Link};
use super::look::{self, Pieces, Tone};
use super::text::{Text, bps, duration, left, percent, speed, wrap};

/// Columns of the names of facts.
const NAMES: usize = 11;
/// Rows of a kind that are listed on one page; a hostile instance may have more.
const LISTED: usize = 2000;

/// A line of a page, and where Enter leads from it.
pub struct Line {
    pub pieces: Pieces,
    pub leads_to: Option<Target>,
}

impl From<Pieces> for Line {
    fn from(pieces: Pieces) -> Self {
        Self { pieces, leads_to: None }
    }
}

/// The page of a group.
pub fn group_target(group: &Group) -> Target {
    Target::Group(group.name.as_str().into(), group.device.as_ref().map_or("", Text::as_str).into())
}

/// What the page on top is called.
pub fn title(target: &Target) -> String {
    match target {
        Target::Link(id) => format!("Link {id}"),
        Target::Device(name) => format!("Device {name}"),
        Target::Alert(_) => "Alert".into(),
        Target::Group(name, _) => format!("Group {name}"),
        Target::Help => "Help".into(),
    }
}

/// The lines of the page on top, made for the width at hand.
pub fn lines(app: &App) -> Vec<Line> {
    let Some(page) = app.pages.last() else { return Vec::new() };
    let frame = &app.fabric.frame;
    let gone = || vec![vec![(Tone::Faint, "It is no longer there. Esc leads back.".to_owned())].into()];
    match &page.target {
        Target::Link(id) => match frame.links.iter().position(|link| link.id.as_str() == id) {
            Some(at) => link(app, at),
            None => gone(),
        },
        Target::Device(name) => match frame.devices.iter().position(|device| device.name.as_str() == name) {
            Some(at) => device(app, at),
            None => vec![
                vec![(Tone::Plain, format!("{name} is not watched: all that is known of it are its links."))].into(),
            ],
        },
        Target::Alert(fingerprint) => {
            match frame.alerts.iter().find(|alert| alert.fingerprint.as_str() == fingerprint) {
                Some(found) => alert(app, found),
                None => gone(),
            }
        }
        target @ Target::Group(..) => match frame.groups.iter().find(|group| group_target(group) == *target) {
            Some(found) => group(app, found),
            None => gone(),
        },
        Target::Help => help(),
    }
}

fn fact(name: &str, tone: Tone, words: impl Into<String>) -> Line {
    vec![(Tone::Faint, left(name, NAMES)), (tone, words.into())].into()
}

fn heading(lines: &mut Vec<Line>, words: &str) {
    lines.push(Vec::new().into());
    lines.push(vec![(Tone::Title, words.to_owned())].into());
}

/// `up for 3 min`
fn lasting(app: &App, state: &str, since: Option<&Text>) -> (Tone, String) {
    let (tone, word) = look::state(state);
    let word = if state == "unknown" { "unknown".to_owned() } else { word };
    match app.age_ms(since.map(Text::as_str)) {
        Some(age) => (tone, format!("{word} for {}", duration(age))),
        None => (tone, word),
    }
}

fn link(app: &App, at: usize) -> Vec<Line> {
    let (link, facts) = (&app.fabric.frame.links[at], &app.fabric.links[at]);
    let (tone, words) = lasting(app, link.state.as_str(), link.since.as_ref());
    let mut lines = vec![fact("state", tone, words)];
    let speeds = look::slower(link).map_or("?".into(), speed);
    lines.push(fact("speed", Tone::Plain, speeds));

    heading(&mut lines, "Load and loss");
    let bars = (usize::from(app.columns) / 5).clamp(4, 30);
    let hour = &link.utilization_1h;
    for (from, to, ratio, lost, hour) in [
        (&link.a, &link.b, link.utilization.a_to_b, link.drops_pps.a_to_b, &hour.a_to_b),
        (&link.b, &link.a, link.utilization.b_to_a, link.drops_pps.b_to_a, &hour.b_to_a),
    ] {
        let (dropped, loss) = look::drops(lost);
        let way = format!("{} → {}", from.device.as_str(), to.device.as_str());
        let pieces: Pieces = vec![
            (Tone::Plain, left(&way, 20)),
            look::load(link, ratio, bars),
            (Tone::Plain, left(&rate(link, from), 13)),
            (dropped, format!("lost {loss}")),
        ];
        lines.push(pieces.into());
        if let Some(hour) = hour {
            let words = [("p50", hour.p50), ("p95", hour.p95), ("p99", hour.p99), ("max", hour.max)]
                .map(|(name, ratio)| format!("{name} {}", ratio.map_or("?".into(), percent)));
            lines.push(vec![(Tone::Faint, format!("  last hour: {}", words.join("  ")))].into());
        }
    }

    heading(&mut lines, "Ends");
    for end in [&link.a, &link.b] {
        lines.extend(end_lines(end));
    }
    let groups = app.fabric.frame.groups.iter();
    let groups: Vec<&Group> = groups
        .filter(|group| link.groups.contains(&group.name) && group.planned.contains(&link.id))
        .take(LISTED)
        .collect();
    heading(&mut lines, "Redundancy");
    if groups.is_empty() {
        lines.push(vec![(Tone::Faint, "in no group".to_owned())].into());
    }
    lines.extend(groups.into_iter().map(|group| Line { pieces: left_of(group), leads_to: Some(group_target(group)) }));
    alerts(app, &facts.alerts, &mut lines);
    lines
}

/// What an end sends; a link that is down has no rate to know.
fn rate(link: &Link, from: &End) -> String {
    match from.out_bps {
        _ if link.state.as_str() == "down" => "–".into(),
        None => "?".into(),
        Some(rate) => bps(rate),
    }
}

fn end_lines(end: &End) -> Vec<Line> {
    let name = format!("{}:{}", end.device.as_str(), end.interface.as_str());
    let leads_to = Some(Target::Device(end.device.as_str().into()));
    if !end.watched {
        let pieces = vec![(Tone::Plain, left(&name, 30)), (Tone::Faint, " not watched".to_owned())];
        return vec![Line { pieces, leads_to }];
    }
    let nominal = match (end.speed_bps, end.speed_source.as_ref().map(Text::as_str)) {
        (None, _) => "speed ?".into(),
        (Some(bits), Some("assumed")) => format!("{} (assumed)", speed(bits)),
        (Some(bits), _) => speed(bits),
    };
    let (tone, status) = look::state(end.oper_status.as_str());
    let first = vec![
        (Tone::Plain, left(&name, 30)),
        (tone, format!(" {}", left(&status, 9))),
        (Tone::Plain, format!(" {nominal}")),
    ];
    let (out, sent) = look::drops(end.out_drops_pps);
    let (into, received) = look::drops(end.in_drops_pps);
    let second = vec![
        (Tone::Faint, "  drops sending ".to_owned()),
        (out, left(&sent, 10)),
        (Tone::Faint, " receiving ".to_owned()),
        (into, received),
    ];
    let mut lines = vec![Line { pieces: first, leads_to }, second.into()];
    if !end.unknown.is_empty() {
        let why = end.unknown.iter().take(8).map(|(name, why)| format!("{}: {}", name.as_str(), why.as_str()));
        let why = why.collect::<Vec<_>>().join(", ");
        lines.push(vec![(Tone::Faint, format!("  not known: {why}"))].into());
    }
    lines
}

fn device(app: &App, at: usize) -> Vec<Line> {
    let device: &Device = &app.fabric.frame.devices[at];
    let facts = &app.fabric.devices[at];
    let (tone, mut words) = lasting(app, device.state.as_str(), device.since.as_ref());
    if let Some(why) = &device.why {
        words = format!("{words} ({})", why.as_str());
    }
    let mut lines = vec![fact("state", tone, words)];
    let said = |text: &Option<Text>| text.as_ref().map_or("?", Text::as_str).to_owned();
    lines.push(fact("address", Tone::Plain, said(&device.address)));
    lines.push(fact("sysDescr", Tone::Plain, said(&device.sys_descr)));
    let uptime = device.sys_uptime_ms.map_or("?".into(), |ms| duration(i64::try_from(ms).unwrap_or(i64::MAX)));
    lines.push(fact("uptime", Tone::Plain, uptime));
    lines.push(fact("interfaces", Tone::Plain, device.interfaces.to_string()));
    if !device.labels.is_empty() {
        let labels = device.labels.iter().take(32).map(|(name, value)| format!("{}={}", name.as_str(), value.as_str()));
        lines.push(fact("labels", Tone::Plain, labels.collect::<Vec<_>>().join(" ")));
    }
    heading(&mut lines, &format!("Links ({})", facts.links.len()));
    let mut links = facts.links.clone();
    links.sort_by_key(|at| app.fabric.links[*at].rank);
    lines.extend(links.into_iter().take(LISTED).map(|at| link_line(app, at)));
    alerts(app, &facts.alerts, &mut lines);
    lines
}

/// A link as one line of a page.
fn link_line(app: &App, at: usize) -> Line {
    let (link, facts) = (&app.fabric.frame.links[at], &app.fabric.links[at]);
    let (tone, word) = look::state(link.state.as_str());
    let names = usize::from(app.columns).saturating_sub(44).clamp(12, 60);
    let bars = if app.columns >= 100 { 10 } else { 0 };
    let (dropped, loss) = look::drops(facts.drops);
    let pieces = vec![
        (tone, left(&word, 5)),
        (Tone::Plain, format!("{} ", left(&look::ends(link), names))),
        look::load(link, link.utilization.a_to_b, bars),
        look::load(link, link.utilization.b_to_a, bars),
        (dropped, loss),
    ];
    Line { pieces, leads_to: Some(Target::Link(link.id.as_str().into())) }
}

fn alerts(app: &App, about: &[usize], lines: &mut Vec<Line>) {
    heading(lines, &format!("Alerts ({})", about.len()));
    if about.is_empty() {
        lines.push(vec![(Tone::Faint, "none".to_owned())].into());
    }
    for alert in about.iter().take(LISTED).map(|at| &app.fabric.frame.alerts[*at]) {
        let (tone, word) = look::urgency(alert);
        let since = app.age_ms(Some(alert.since.as_str())).map_or("?".into(), duration);
        let pieces = vec![
            (tone, left(word, 9)),
            (Tone::Faint, left(&since, 11)),
            (Tone::Plain, alert.words("summary").to_owned()),
        ];
        lines.push(Line { pieces, leads_to: Some(Target::Alert(alert.fingerprint.as_str().into())) });
    }
}

fn alert(app: &App, alert: &Alert) -> Vec<Line> {
    let (tone, word) = look::urgency(alert);
    let since = app.age_ms(Some(alert.since.as_str())).map_or("?".into(), duration);
    let name = alert.label("alertname").unwrap_or("?");
    let mut lines = vec![fact("alert", tone, format!("{name}  {word}"))];
    let columns = usize::from(app.columns).saturating_sub(NAMES + 3);
    for part in ["summary", "cause", "evidence", "action"] {
        for (n, words) in wrap(alert.words(part), columns).into_iter().enumerate() {
            lines.push(fact(if n == 0 { part } else { "" }, Tone::Plain, words));
        }
    }
    lines.push(fact("since", Tone::Plain, format!("{}, {since} ago", alert.since.as_str())));
    if let Some(over) = &alert.resolved_at {
        lines.push(fact("resolved", Tone::Plain, over.as_str()));
    }
    if let Some(why) = &alert.unknown {
        lines.push(fact("now", Tone::Plain, format!("cannot be said: {}", why.as_str())));
    }
    heading(&mut lines, "About");
    if let Some(id) = alert.label("link") {
        let pieces = vec![(Tone::Faint, left("link", NAMES)), (Tone::Plain, id.to_owned())];
        lines.push(Line { pieces, leads_to: Some(Target::Link(id.into())) });
    }
    let group = alert.label("group").and_then(|name| {
        app.fabric.frame.groups.iter().find(|group| {
            group.name.as_str() == name && group.device.as_ref().map(Text::as_str) == alert.label("device")
        })
    });
    if let Some(group) = group {
        let pieces = vec![(Tone::Faint, left("group", NAMES)), (Tone::Plain, group.name.as_str().to_owned())];
        lines.push(Line { pieces, leads_to: Some(group_target(group)) });
    }
    for (name, label) in [("device", "device"), ("peer", "peer_device")] {
        if let Some(device) = alert.label(label) {
            let pieces = vec![(Tone::Faint, left(name, NAMES)), (Tone::Plain, device.to_owned())];
            lines.push(Line { pieces, leads_to: Some(Target::Device(device.into())) });
        }
    }
    if let Some(interface) = alert.label("interface") {
        lines.push(fact("interface", Tone::Plain, interface));
    }
    lines
}

/// `leaf1 uplinks   DEGRADED  1 of 2 left`
pub fn left_of(group: &Group) -> Pieces {
    let (tone, word) = look::state(group.state.as_str());
    vec![(Tone::Plain, left(group.name.as_str(), 30)), (tone, format!(" {}", left(&word, 9))), (tone, remaining(group))]
}

/// `1 of 2 left`, and of how many nothing is known.
pub fn remaining(group: &Group) -> String {
    let left = format!("{} of {} left", group.working.len(), group.planned.len());
    match group.unknown.len() {
        0 => left,
        unknown => format!("{left}, {unknown} unknown"),
    }
}

fn group(app: &App, group: &Group) -> Vec<Line> {
    let (tone, word) = look::state(group.state.as_str());
    let mut lines = vec![
        fact("state", tone, format!("{word}, {}", remaining(group))),
        fact("kind", Tone::Plain, group.kind.as_str()),
    ];
    if let Some(device) = &group.device {
        let pieces = vec![(Tone::Faint, left("device", NAMES)), (Tone::Plain, device.as_str().to_owned())];
        lines.push(Line { pieces, leads_to: Some(Target::Device(device.as_str().into())) });
    }
    heading(&mut lines, &format!("Planned links ({})", group.planned.len()));
    let places: std::collections::HashMap<&Text, usize> =
        app.fabric.frame.links.iter().enumerate().map(|(at, link)| (&link.id, at)).collect();
    lines.extend(group.planned.iter().take(LISTED).map(|id| match places.get(id) {
        Some(at) => link_line(app, *at),
        None => vec![(Tone::Faint, format!("?    {} (not seen now)", id.as_str()))].into(),
    }));
    lines
}

fn help() -> Vec<Line> {
    const KEYS: [(&str, &str); 12] = [
        ("Tab, 1 to 4", "links, alerts, devices, groups"),
        ("arrows, j k", "up and down; PgUp PgDn g G for more"),
        ("Enter", "open: both ends, cause and evidence, what belongs to it"),
        ("Esc", "back; in a list, forget the filter"),
        ("s", "links by: attention, utilisation, drops, name"),
        ("/", "filter: words that occur in the names, and conditions:"),
        ("", "is:down is:up is:unknown is:drops is:busy is:trouble (links)"),
        ("", "is:firing is:critical (alerts), is:lost is:degraded (groups)"),
        ("Space", "pause and go on; nothing changes meanwhile"),
        ("?", "this"),
        ("q, Ctrl-C", "quit"),
        ("", ""),
    ];
    const MARKS: [(&str, &str); 4] = [
        ("?", "not known, which is never the same as 0"),
        ("–", "nothing to measure: the link is down"),
        ("!  !!", "a direction is at 80 %, at 95 % of its capacity"),
        ("lost, drops", "packets per second: discards and errors of both ends"),
    ];
    let line = |(name, words): &(&str, &str)| {
        Line::from(vec![(Tone::Title, left(name, 13)), (Tone::Plain, (*words).to_owned())])
    };
    KEYS.iter().chain(&MARKS).map(line).collect()
}
