//! `[[receiver]]` and `[[route]]`: who is told of what.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use super::context::{At, Found, quote};
use super::reader::Section;
use super::watch::Stamp;
use super::{secret, suggest, units};
use crate::alert::Route;
use crate::collect::Target;
use crate::deliver::{Pace, ReceiverKind, ReceiverSettings};
use crate::fabric::{DropClass, FindingKind, Secret, Severity};
use crate::http::Authority;

/// Labels that Selvedge sets on alerts itself.
pub(super) const OWN_LABELS: [&str; 9] =
    ["alertname", "severity", "device", "interface", "link", "class", "direction", "group", "circuit"];

/// The kinds of receivers.
const KINDS: [&str; 4] = ["webhook", "pagerduty", "slack", "alertmanager"];
const KINDS_HELP: &str = "write kind = \"webhook\", \"pagerduty\", \"slack\" or \"alertmanager\"";

/// Headers that are ours to set.
const OWN_HEADERS: [&str; 6] =
    ["content-type", "content-length", "host", "transfer-encoding", "idempotency-key", "x-selvedge-signature"];

/// Of certificates, bytes: the whole of a system's store is smaller.
const LONGEST_CA: u64 = 1 << 20;

/// All receivers, and the names that exist, be their sections right or wrong.
pub(super) fn read_receivers(root: &mut Section<'_>) -> (Vec<ReceiverSettings>, Vec<Found<String>>) {
    let (mut receivers, mut names): (Vec<ReceiverSettings>, Vec<Found<String>>) = Default::default();
    for mut section in root.sections("receiver", "receivers are written [[receiver]], with two brackets") {
        let context = section.context;
        section.require("name", "write name = \"NAME\", for routes and for people");
        let name = section.name("name", "write a name, in quotes");
        if let Some(name) = &name {
            context.take_name(&mut names, name, "receivers");
        }
        section.require("kind", KINDS_HELP);
        let word =
            section.text("kind", KINDS_HELP).filter(|word| is_kind(&section, word, "receiver", &KINDS, KINDS_HELP));
        let kind = read_kind(&mut section, word.as_ref().map(|word| word.value.as_str()));
        let mut receiver = ReceiverSettings::new("", ReceiverKind::Slack { url: Secret::new("") });
        let timeouts = Duration::from_millis(100)..=Duration::from_secs(120);
        section.duration("timeout", &mut receiver.timeout, timeouts);
        let word = word.map_or(String::new(), |word| word.value);
        if word == "alertmanager" {
            section.hint("send_resolved", "Alertmanager must hear of every end; its own receivers have send_resolved");
        } else {
            section.boolean("send_resolved", &mut receiver.send_resolved);
        }
        if !matches!(word.as_str(), "pagerduty" | "slack") {
            receiver.headers = read_headers(&mut section);
        }
        receiver.ca = read_ca(&mut section);
        receiver.pace = read_pace(&mut section, &word);
        section.finish();
        if let (Some(name), Some(kind)) = (name, kind) {
            receivers.push(ReceiverSettings { name: name.value, kind, ..receiver });
        }
    }
    (receivers, names)
}

/// How often it is spoken to.
fn read_pace(section: &mut Section<'_>, word: &str) -> Pace {
    let context = section.context;
    let mut pace = Pace { group_interval: Duration::from_secs(300), ..Pace::default() };
    if matches!(word, "pagerduty" | "alertmanager") {
        section.hint("group_by", "it joins alerts itself, by its own configuration");
        section.hint("group_interval", "it joins alerts itself, by its own configuration");
    } else {
        let labels = section.texts("group_by", "write group_by = [\"device\"]");
        pace.group_by = labels.into_iter().map(|label| label.value).collect();
        section.duration("group_interval", &mut pace.group_interval, Duration::ZERO..=Duration::from_secs(86_400));
    }
    if word == "alertmanager" {
        section.hint("repeat_interval", "Alertmanager repeats by its own configuration; see `resend_every`");
    } else if section.has("repeat_interval") {
        let mut every = Duration::from_secs(4 * 3_600);
        section.duration("repeat_interval", &mut every, Duration::from_secs(60)..=Duration::from_secs(30 * 86_400));
        pace.repeat_interval = Some(every);
    }
    let help = "write how many and in how long, such as rate_limit = \"20/10m\"";
    if let Some(found) = section.text("rate_limit", help) {
        let parts = found.value.split_once('/');
        let parts = parts.and_then(|(most, per)| Some((most.trim().parse().ok()?, units::duration(per).ok()?)));
        let seconds = Duration::from_secs(1)..=Duration::from_secs(86_400);
        match parts.filter(|(most, per)| (1..=10_000).contains(most) && seconds.contains(per)) {
            Some(limit) => pace.rate_limit = Some(limit),
            None => context.error(&found.at, format!("{} is not a rate", quote(&found.value)), help),
        }
    }
    pace
}

/// Is it one of the kinds that there are of `what`?
pub(super) fn is_kind(section: &Section<'_>, word: &Found<String>, what: &str, kinds: &[&str], list: &str) -> bool {
    let known = kinds.contains(&word.value.as_str());
    if !known {
        let help = match suggest::nearest(&word.value, kinds.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => list.to_owned(),
        };
        section.context.error(&word.at, format!("{} is not a kind of {what}", quote(&word.value)), help);
    }
    known
}

/// What is asked for depends on the kind; where that is not known, nothing is missed and no key is unknown.
fn read_kind(section: &mut Section<'_>, word: Option<&str>) -> Option<ReceiverKind> {
    match word {
        Some("webhook") => {
            let hmac = section.has("hmac");
            let key = secret::secret(section, "hmac").map(|key| key.value);
            let url = required_url(section)?;
            // One that is asked for and cannot be had is not left out in silence.
            (hmac == key.is_some()).then_some(ReceiverKind::Webhook { url, hmac: key })
        }
        Some("pagerduty") => {
            section.require("routing_key", "write routing_key = \"...\", { env = \"NAME\" } or { file = \"PATH\" }");
            let routing_key = secret::secret(section, "routing_key").map(|key| key.value);
            let url = match section.has("url") {
                true => secret::secret(section, "url").and_then(|url| read_url(section, url)),
                false => Some(Secret::new(ReceiverKind::PAGERDUTY_URL)),
            };
            Some(ReceiverKind::PagerDuty { url: url?, routing_key: routing_key? })
        }
        Some("slack") => Some(ReceiverKind::Slack { url: required_url(section)? }),
        Some("alertmanager") => {
            section.hint("url", "write urls = [\"http://alertmanager:9093\"], with every member of the cluster");
            let help = "write urls = [\"http://alertmanager:9093\"], with every member of the cluster";
            let mut resend_every = Duration::from_secs(60);
            section.duration("resend_every", &mut resend_every, Duration::from_secs(1)..=Duration::from_secs(600));
            if !section.require("urls", help) {
                return None;
            }
            let context = section.context;
            let place = section.spanned("urls").map(|(_, at)| at);
            let given = section.array("urls", "an array of URLs", help);
            let count = given.len();
            let read = |(value, at)| read_url(section, secret::from_value(context, value, at)?);
            let urls: Vec<Secret> = given.into_iter().filter_map(read).collect();
            if let (0, Some(at), Some((value, _))) = (count, place, section.spanned("urls"))
                && value.get_ref().is_array()
            {
                context.error(&at, "there is no URL in it", help);
            }
            (count > 0 && urls.len() == count).then_some(ReceiverKind::Alertmanager { urls, resend_every })
        }
        _ => {
            for key in ["url", "urls", "hmac", "routing_key", "resend_every"] {
                section.has(key);
            }
            let _ = secret::secret(section, "url").and_then(|url| read_url(section, url));
            None
        }
    }
}

fn required_url(section: &mut Section<'_>) -> Option<Secret> {
    section.require("url", "write url = \"https://...\", { env = \"NAME\" } or { file = \"PATH\" }");
    secret::secret(section, "url").and_then(|url| read_url(section, url))
}

/// A URL may hold a token, so that no word says what it is.
pub(super) fn read_url(section: &Section<'_>, url: Found<Secret>) -> Option<Secret> {
    let reason = match reqwest::Url::parse(url.value.reveal().trim()) {
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => "the URL is neither http nor https".to_owned(),
        Ok(parsed) if parsed.host_str().is_none_or(str::is_empty) => "the URL has no host".to_owned(),
        Ok(_) => return Some(Secret::new(url.value.reveal().trim())),
        Err(error) => format!("the URL cannot be read: {error}"),
    };
    section.context.error(&url.at, reason, "write it whole, such as \"https://alerts.example/hook\"");
    None
}

/// Headers, of which a value may hold a token.
pub(super) fn read_headers(section: &mut Section<'_>) -> Vec<(String, Secret)> {
    let context = section.context;
    let mut headers = Vec::new();
    for (name, value, at) in section.value_map("headers", "write headers = { X-Team = \"net\" }") {
        let lower = name.value.to_ascii_lowercase();
        if HeaderName::from_bytes(lower.as_bytes()).is_err() {
            context.error(
                &at,
                format!("{} is not the name of a header", quote(&name.value)),
                "write letters, digits and -",
            );
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            context.error(&at, format!("{} is set by Selvedge itself", quote(&name.value)), "leave it out");
        } else if let Some(value) = secret::from_value(context, value, at.clone()) {
            if HeaderValue::from_str(value.value.reveal()).is_ok() {
                headers.push((lower, value.value));
            } else {
                context.error(
                    &at,
                    "the value is not fit for a header",
                    "write it on one line, without control characters",
                );
            }
        }
    }
    headers
}

/// The certificates that are believed, read now: a wrong file is told at once, and a new one is noticed.
pub(super) fn read_ca(section: &mut Section<'_>) -> Option<Authority> {
    let context = section.context;
    let file = section.name("ca", "write the path of a file of certificates in PEM, in quotes")?;
    let path = context.folder.join(&file.value);
    let stamp = Stamp::of(&path);
    context.files.borrow_mut().read(&path, stamp);
    let mut pem = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST_CA + 1).read_to_end(&mut pem));
    let authority = match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if pem.len() as u64 > LONGEST_CA => Err("is longer than certificates are".to_owned()),
        Ok(_) => Authority::new(&pem).map_err(|reason| format!("cannot be used: {reason}")),
    };
    match authority {
        Ok(authority) => Some(authority),
        Err(reason) => {
            let help = "name a file of certificates in PEM; paths are relative to the configuration file";
            context.error(&file.at, format!("the file {} {reason}", path.display()), help);
            None
        }
    }
}

/// All routes, and a word on receivers that no route reaches.
pub(super) fn read_routes(root: &mut Section<'_>, receivers: &[Found<String>], targets: &[Target]) -> Vec<Route> {
    let mut routes = Vec::new();
    let (mut reached, mut astray) = (BTreeSet::new(), false);
    let sections = root.sections("route", "routes are written [[route]], with two brackets");
    let any = !sections.is_empty();
    for mut section in sections {
        let context = section.context;
        section.hint("matchers", "did you mean `match`?");
        section.require("receiver", "write receiver = \"NAME\", the name of a [[receiver]]");
        let receiver = section.name("receiver", "write the name of a [[receiver]], in quotes").filter(|found| {
            let known = receivers.iter().map(|name| name.value.as_str());
            let exists = known.clone().any(|name| name == found.value);
            if !exists {
                let help = match suggest::nearest(&found.value, known.clone()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None if receivers.is_empty() => "add a [[receiver]] with that name".to_owned(),
                    None => format!("known are {}", known.map(quote).collect::<Vec<_>>().join(", ")),
                };
                context.error(&found.at, format!("there is no receiver {}", quote(&found.value)), help);
            }
            exists
        });
        astray |= receiver.is_none();
        let pairs = section.text_map("match", "write match = { severity = \"critical\" }");
        for (name, value) in &pairs {
            check_matcher(&section, name, value, targets);
        }
        section.finish();
        if let Some(receiver) = receiver {
            reached.insert(receiver.value.clone());
            let matchers = pairs.into_iter().map(|(name, value)| (name.value, value.value)).collect();
            routes.push(Route { receiver: receiver.value, matchers });
        }
    }
    for name in receivers.iter().filter(|name| any && !astray && !reached.contains(&name.value)) {
        root.context.warn(
            &name.at,
            format!("no route leads to the receiver {}", quote(&name.value)),
            "as there are routes, it hears nothing; add a [[route]] for it",
        );
    }
    routes
}

/// A matcher that can never match is a slip.
fn check_matcher(section: &Section<'_>, name: &Found<String>, value: &Found<String>, targets: &[Target]) {
    let context = section.context;
    let one_of = |at: &At, known: &[&str]| {
        if !known.contains(&value.value.as_str()) {
            let help = match suggest::nearest(&value.value, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it is one of {}", known.join(", ")),
            };
            context.error(at, format!("no alert has {} = {}", name.value, quote(&value.value)), help);
        }
    };
    match name.value.as_str() {
        "severity" => one_of(&value.at, &[Severity::Info, Severity::Warning, Severity::Critical].map(Severity::as_str)),
        "alertname" => one_of(&value.at, &FindingKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>()),
        "class" => {
            use DropClass::{Congestion, Corruption, Host, NoRoute, Policy};
            one_of(&value.at, &[Congestion, Corruption, Policy, NoRoute, Host].map(DropClass::as_str));
        }
        "direction" => one_of(&value.at, &["in", "out"]),
        own if OWN_LABELS.contains(&own) => {}
        label if targets.iter().any(|target| target.labels.contains_key(label)) => {}
        label => {
            let help = match suggest::nearest(label, OWN_LABELS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("alerts have {}, and the labels of their target", OWN_LABELS.join(", ")),
            };
            context.warn(&name.at, format!("no target has the label {}", quote(label)), help);
        }
    }
}
