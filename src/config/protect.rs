//! `[[shared_risk]]` and `[[protect]]`: what could be lost at once, and who must reach whom in spite of it.

use toml::de::DeValue;

use super::context::{At, Found, quote};
use super::reader::Section;
use super::sections::read_ports;
use crate::collect::{HostSettings, Target};
use crate::topology::{Protect, Selector, Settings, SharedRisk, Survive};

const SELECTOR_HELP: &str = "write \"label:KEY\" (devices with one value are one end), \"KEY=VALUE\" (each device is an end), or a device's name";
const SURVIVE_HELP: &str = "write survive = \"any single device, link or shared risk\", or some of the three";

/// Both kinds of sections. Labels that no target has are told: nobody would be protected.
pub(super) fn read(root: &mut Section<'_>, settings: &mut Settings, targets: &[Target], host: &HostSettings) {
    let mut names: Vec<Found<String>> = Vec::new();
    for mut section in root.sections("shared_risk", "write [[shared_risk]], with two brackets") {
        let context = section.context;
        section.require("name", "write name = \"duct-7\", for people and for `selvedge audit --without risk:duct-7`");
        let name = section.name("name", "write a name, in quotes");
        if let Some(name) = &name {
            context.take_name(&mut names, name, "shared risks");
        }
        let links = if section.has("links") { read_ports(&mut section).unwrap_or_default() } else { Vec::new() };
        let devices = section.texts("devices", "write devices = [\"leaf1\", \"leaf2\"]");
        let devices: Vec<_> = devices.into_iter().map(|found| found.value.into()).collect();
        if links.is_empty() && devices.is_empty() && !section.has("links") && !section.has("devices") {
            context.error(
                &section.at,
                "nothing shares this risk",
                "write links = [\"leaf1:eth1\", \"leaf2:eth1\"], devices = [\"leaf1\"], or both",
            );
        }
        section.finish();
        if let Some(name) = name {
            settings.shared_risks.push(SharedRisk { name: name.value, links, devices });
        }
    }
    for mut section in root.sections("protect", "write [[protect]], with two brackets") {
        let mut end = |key: &'static str| {
            section.require(key, SELECTOR_HELP);
            let found = section.name(key, SELECTOR_HELP)?;
            match found.value.parse::<Selector>() {
                Ok(selector) => {
                    warn_of_nobody(&section, &found.at, &selector, targets, host);
                    Some(selector)
                }
                Err(why) => {
                    section.context.error(
                        &found.at,
                        format!("{} selects nothing: {why}", quote(&found.value)),
                        SELECTOR_HELP,
                    );
                    None
                }
            }
        };
        let (from, to) = (end("from"), end("to"));
        let survive = read_survive(&mut section);
        section.finish();
        if let (Some(from), Some(to), Some(survive)) = (from, to, survive) {
            settings.protect.push(Protect { from, to, survive });
        }
    }
}

fn warn_of_nobody(section: &Section<'_>, at: &At, selector: &Selector, targets: &[Target], host: &HostSettings) {
    let labels = || targets.iter().map(|target| &target.labels).chain([&host.labels]);
    let (found, what) = match selector {
        Selector::Label(key) => (labels().any(|labels| labels.contains_key(key)), format!("the label {}", quote(key))),
        Selector::Value(key, value) => (
            labels().any(|labels| labels.get(key) == Some(value)),
            format!("the label {}", quote(&format!("{key}={value}"))),
        ),
        // Devices are named by themselves: whether there is one is known when it has answered.
        Selector::Device(_) => return,
    };
    if !found {
        section.context.warn(
            at,
            format!("no target has {what}"),
            "give targets labels = { KEY = \"VALUE\" }, else nothing is protected by this",
        );
    }
}

/// Without the key, everything.
fn read_survive(section: &mut Section<'_>) -> Option<Survive> {
    let all = Survive { device: true, link: true, shared_risk: true };
    let Some(found) = section.value("survive") else { return Some(all) };
    let DeValue::String(text) = found.value else {
        section.context.error(
            &found.at,
            format!("expected a string, found {}", super::reader::kind(found.value)),
            SURVIVE_HELP,
        );
        return None;
    };
    match survive(text) {
        Some(survive) => Some(survive),
        None => {
            section.context.error(&found.at, format!("{} names no parts", quote(text)), SURVIVE_HELP);
            None
        }
    }
}

/// `any single device, link or shared risk`
fn survive(text: &str) -> Option<Survive> {
    let text = text.trim().to_lowercase();
    let rest = text.strip_prefix("any single ").or_else(|| text.strip_prefix("any "))?;
    let mut survive = Survive { device: false, link: false, shared_risk: false };
    for part in
        rest.replace(" or ", ",").replace(" and ", ",").split(',').map(str::trim).filter(|part| !part.is_empty())
    {
        match part {
            "device" => survive.device = true,
            "link" => survive.link = true,
            "shared risk" | "risk" => survive.shared_risk = true,
            _ => return None,
        }
    }
    (survive.device || survive.link || survive.shared_risk).then_some(survive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survival_is_said_in_words() {
        let read = |text| survive(text).map(|s| (s.device, s.link, s.shared_risk));
        assert_eq!(read("any single device, link or shared risk"), Some((true, true, true)));
        assert_eq!(read("Any single link"), Some((false, true, false)));
        assert_eq!(read("any device or risk"), Some((true, false, true)));
        for text in ["", "any single", "any single thing", "all", "device"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
