//! `[[receiver]]` and `[[route]]`: who is told of what.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::{At, Found, quote};
use super::reader::Section;
use super::{secret, suggest};
use crate::alert::Route;
use crate::collect::Target;
use crate::deliver::{ReceiverKind, ReceiverSettings};
use crate::fabric::{DropClass, FindingKind, Secret, Severity};

/// Labels that Selvedge sets on alerts itself.
pub(super) const OWN_LABELS: [&str; 8] =
    ["alertname", "severity", "device", "interface", "link", "class", "direction", "group"];

/// Kinds that have a place in the configuration and no code yet.
const NOT_YET: [&str; 3] = ["pagerduty", "slack", "alertmanager"];

/// All receivers, and the names that exist, be their sections right or wrong.
pub(super) fn read_receivers(root: &mut Section<'_>) -> (Vec<ReceiverSettings>, Vec<Found<String>>) {
    let (mut receivers, mut names): (Vec<ReceiverSettings>, Vec<Found<String>>) = Default::default();
    for mut section in root.sections("receiver", "receivers are written [[receiver]], with two brackets") {
        let context = section.context;
        section.require("name", "write name = \"NAME\", for routes and for people");
        let name = section.name("name", "write a name, in quotes");
        if let Some(name) = &name {
            if let Some(first) = names.iter().find(|known| known.value == name.value) {
                let (line, _) = context.source.place(first.at.span.start);
                context.error(
                    &name.at,
                    format!("there are two receivers with the name {}", quote(&name.value)),
                    format!("the first is on line {line}; give one of them another name"),
                );
            }
            names.push(name.clone());
        }
        section.require("kind", "write kind = \"webhook\"");
        let kind = section.text("kind", "write kind = \"webhook\"").and_then(|kind| read_kind(&section, &kind));
        section.require("url", "write url = \"https://...\", { env = \"NAME\" } or { file = \"PATH\" }");
        let url = secret::secret(&mut section, "url").and_then(|url| read_url(&section, url));
        let mut timeout = Duration::from_secs(10);
        section.duration("timeout", &mut timeout, Duration::from_millis(100)..=Duration::from_secs(120));
        let mut send_resolved = true;
        section.boolean("send_resolved", &mut send_resolved);
        section.finish();
        if let (Some(name), Some(kind), Some(url)) = (name, kind, url) {
            receivers.push(ReceiverSettings { name: name.value, kind, url, timeout, send_resolved });
        }
    }
    (receivers, names)
}

fn read_kind(section: &Section<'_>, kind: &Found<String>) -> Option<ReceiverKind> {
    let word = kind.value.as_str();
    if word == "webhook" {
        return Some(ReceiverKind::Webhook);
    }
    let (what, help) = if NOT_YET.contains(&word) {
        let help = "only \"webhook\" is: it sends Alertmanager's webhook body, which many bridges understand";
        (format!("receivers of the kind \"{word}\" are not available yet"), help.to_owned())
    } else {
        let help = match suggest::nearest(word, ["webhook"].into_iter().chain(NOT_YET)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write kind = \"webhook\"".to_owned(),
        };
        (format!("{} is not a kind of receiver", quote(word)), help)
    };
    section.context.error(&kind.at, what, help);
    None
}

/// A URL may hold a token, so that no word says what it is.
fn read_url(section: &Section<'_>, url: Found<Secret>) -> Option<Secret> {
    let reason = match reqwest::Url::parse(url.value.reveal().trim()) {
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => "the URL is neither http nor https".to_owned(),
        Ok(parsed) if parsed.host_str().is_none_or(str::is_empty) => "the URL has no host".to_owned(),
        Ok(_) => return Some(Secret::new(url.value.reveal().trim())),
        Err(error) => format!("the URL cannot be read: {error}"),
    };
    section.context.error(&url.at, reason, "write it whole, such as \"https://alerts.example/hook\"");
    None
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
