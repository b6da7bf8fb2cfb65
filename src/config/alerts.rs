//! `[alerts]` and `[[maintenance]]`: who hears of what when, and who does not.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::context::{Found, quote};
use super::reader::Section;
use crate::alert::{self, Comparison, LONGEST_WINDOW, Maintenance, Matcher, Recurrence};

/// More windows than this are a slip of what wrote them.
const MOST_WINDOWS: usize = 10_000;

/// `[alerts]` and `[[maintenance]]`
pub(super) fn read_alerts(root: &mut Section<'_>) -> alert::Settings {
    let mut settings = alert::Settings::default();
    if let Some(mut section) = root.section("alerts", "write [alerts]") {
        section.duration("hold", &mut settings.hold, Duration::ZERO..=Duration::from_secs(300));
        section.duration("restart_grace", &mut settings.restart_grace, Duration::ZERO..=Duration::from_secs(3_600));
        section.finish();
    }
    let mut names = Vec::new();
    for mut section in root.sections("maintenance", "windows are written [[maintenance]], with two brackets") {
        section.require("name", "write name = \"NAME\", for people");
        let name = section.name("name", "write a name, in quotes");
        if let Some(name) = &name {
            section.context.take_name(&mut names, name, "maintenance windows");
        }
        let window = read_window(&mut section, name.as_ref());
        let at = section.at.clone();
        let context = section.context;
        section.finish();
        if settings.maintenance.len() >= MOST_WINDOWS {
            context.error(&at, format!("there are more than {MOST_WINDOWS} windows"), "remove those that are over");
            break;
        }
        settings.maintenance.extend(window);
    }
    settings
}

fn read_window(section: &mut Section<'_>, name: Option<&Found<String>>) -> Option<Maintenance> {
    let context = section.context;
    let matchers = read_matchers(section);
    let zone = read_zone(section);
    let moment = "write a day and a time of day, such as start = \"2027-03-06T22:00\"";
    section.require("start", moment);
    let start = read_moment(section, "start", moment);
    let end = read_moment(section, "end", "write a day and a time of day, such as end = \"2027-03-07T04:00\"");
    let mut duration = Duration::ZERO;
    let lasts = section.has("duration");
    section.duration("duration", &mut duration, Duration::from_secs(60)..=LONGEST_WINDOW);
    section.hint("rrule", "did you mean `repeat`?");
    section.hint("timezone", "did you mean `zone`?");
    let help = "write it as in calendars: \"FREQ=WEEKLY;BYDAY=TU\" or \"FREQ=MONTHLY;BYDAY=1SU\"";
    let repeat = match section.name("repeat", help) {
        None => None,
        Some(text) => match text.value.parse::<Recurrence>() {
            Ok(rule) => Some(rule),
            Err(why) => {
                context.error(&text.at, why, help);
                return None;
            }
        },
    };
    let (start, zone) = (start?, zone?);
    match (&end, lasts) {
        (Some(end), false) => {
            let span = |moment: DateTime| zone.to_timestamp(moment).ok();
            let (from, to) = (span(start.value)?, span(end.value)?);
            duration = Duration::try_from(to.duration_since(from)).unwrap_or_default();
            if duration.is_zero() {
                context.error(&end.at, "it ends before it starts", "let `end` be after `start`");
                return None;
            }
            if duration > LONGEST_WINDOW {
                let help = "a longer one is a state; take the devices off the list, or silence what is known";
                context.error(&end.at, "it is longer than 31 days", help);
                return None;
            }
        }
        (Some(end), true) => {
            context.error(&end.at, "both `end` and `duration` are given", "write one of them");
            return None;
        }
        (None, true) if duration.is_zero() => return None,
        (None, true) => {}
        (None, false) => {
            let help = "write duration = \"2h\", or end = \"2027-03-07T04:00\"";
            context.error(&section.at.clone(), "it is not said when it ends", help);
            return None;
        }
    }
    Some(Maintenance { name: name?.value.clone(), matchers: matchers?, start: start.value, duration, zone, repeat })
}

/// What the window is about: `device`, `link` and `circuit` by themselves, other labels in `match`.
fn read_matchers(section: &mut Section<'_>) -> Option<Vec<Matcher>> {
    let context = section.context;
    let help =
        "name a device, a link, a circuit, or labels: match = { role = \"spine\" }; * stands for any run of characters";
    let mut pairs = section.text_map("match", help);
    for key in ["device", "link", "circuit"] {
        if let Some(value) = section.name(key, help) {
            pairs.push((Found { value: key.to_owned(), at: value.at.clone() }, value));
        }
    }
    let mut matchers = Vec::new();
    for (label, value) in &pairs {
        let comparison = if value.value.contains(['*', '?']) { Comparison::Like } else { Comparison::Is };
        match Matcher::new(&label.value, comparison, &value.value) {
            Ok(matcher) => matchers.push(matcher),
            Err(why) => context.error(&value.at, why, help),
        }
    }
    if matchers.len() < pairs.len() {
        return None;
    }
    if matchers.iter().all(Matcher::matches_nothing_named) {
        context.error(&section.at.clone(), "it is meant for every alert", help);
        return None;
    }
    Some(matchers)
}

fn read_zone(section: &mut Section<'_>) -> Option<TimeZone> {
    let help = "write a name such as zone = \"Europe/Berlin\"; without one it is UTC";
    let Some(found) = section.name("zone", help) else { return (!section.has("zone")).then_some(TimeZone::UTC) };
    match TimeZone::get(&found.value) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let what = format!("{} is not a time zone of this machine", quote(&found.value));
            section.context.error(&found.at, what, help);
            None
        }
    }
}

fn read_moment(section: &mut Section<'_>, key: &'static str, help: &str) -> Option<Found<DateTime>> {
    let found = section.name(key, help)?;
    // A zone behind it would be taken for nothing in silence.
    let bare = !found.value.contains(['Z', 'z', '+', '[']);
    match found.value.parse::<DateTime>().ok().filter(|_| bare) {
        Some(value) => Some(Found { value, at: found.at }),
        None => {
            let what = format!("{} is not a day and a time of day", quote(&found.value));
            section.context.error(&found.at, what, format!("{help}; the zone stands in `zone`"));
            None
        }
    }
}
