//! `[[export]]`: which databases get what is measured.

use std::time::Duration;

use super::context::{Found, quote};
use super::reader::Section;
use super::receivers::{is_kind, read_ca, read_headers, read_url};
use super::secret;
use crate::export::{ExportKind, ExportSettings, Precision};
use crate::fabric::Secret;

const KINDS: [&str; 2] = ["influxdb2", "prometheus"];
const KINDS_HELP: &str = "write kind = \"influxdb2\" or \"prometheus\" (remote write)";
const URL_HELP: &str = "write url = \"http://localhost:8086\", for Prometheus \"http://localhost:9090/api/v1/write\"";
/// The longest name: a folder has it.
const LONGEST_NAME: usize = 64;
/// Names of tags and labels that are set by Selvedge itself.
const OWN_TAGS: [&str; 17] = [
    "alertname",
    "a_device",
    "a_interface",
    "b_device",
    "b_interface",
    "class",
    "device",
    "direction",
    "group",
    "ifAlias",
    "ifDescr",
    "ifIndex",
    "ifName",
    "link",
    "sensor",
    "severity",
    "time",
];

/// All exports.
pub(super) fn read_exports(root: &mut Section<'_>) -> Vec<ExportSettings> {
    let (mut exports, mut names): (Vec<ExportSettings>, Vec<Found<String>>) = Default::default();
    for mut section in root.sections("export", "exports are written [[export]], with two brackets") {
        let context = section.context;
        section.require("name", "write name = \"NAME\", for people and for the folder of what waits");
        let name = section.name("name", "write a name, in quotes").filter(|name| fit_for_a_folder(&section, name));
        if let Some(name) = &name {
            context.take_name(&mut names, name, "exports");
        }
        section.require("kind", KINDS_HELP);
        let kind =
            section.text("kind", KINDS_HELP).filter(|word| is_kind(&section, word, "export", &KINDS, KINDS_HELP));
        section.hint("tag", "did you mean `tags`?");
        section.hint("labels", "did you mean `tags`? They are labels in Prometheus");
        section.hint("database", "InfluxDB 3 calls a bucket a database: write bucket = \"NAME\"");
        section.hint("username", "write the user into the URL, or headers = { Authorization = { env = \"NAME\" } }");
        section.require("url", URL_HELP);
        let url = secret::secret(&mut section, "url").and_then(|url| read_url(&section, url));
        let mut export = ExportSettings::new("", ExportKind::Prometheus, Secret::new(""));
        let wanted = section.has("token");
        export.token = secret::secret(&mut section, "token").map(|token| token.value);
        let tokenless = wanted && export.token.is_none();
        export.headers = read_headers(&mut section);
        export.ca = read_ca(&mut section);
        section.duration("timeout", &mut export.timeout, Duration::from_millis(100)..=Duration::from_secs(120));
        section.duration("interval", &mut export.interval, Duration::ZERO..=Duration::from_secs(86_400));
        let (mut batch, mut replay) = (export.batch as u32, export.replay_pps);
        section.count("batch", &mut batch, 1..=100_000);
        section.count("replay_pps", &mut replay, 100..=100_000_000);
        (export.batch, export.replay_pps) = (batch as usize, replay);
        section.size("spool", &mut export.spool_bytes, 1 << 20);
        export.tags = read_tags(&mut section);
        let kind = read_kind(&mut section, kind.as_ref().map(|kind| kind.value.as_str()));
        section.finish();
        if let (Some(name), Some(kind), Some(url), false) = (name, kind, url, tokenless) {
            exports.push(ExportSettings { name: name.value, kind, url, ..export });
        }
    }
    exports
}

fn fit_for_a_folder(section: &Section<'_>, name: &Found<String>) -> bool {
    let fit = name.value.len() <= LONGEST_NAME
        && !name.value.starts_with('.')
        && name.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !fit {
        let what = format!("{} cannot be the name of a folder", quote(&name.value));
        section.context.error(&name.at, what, "write up to 64 letters, digits, - and _");
    }
    fit
}

fn read_kind(section: &mut Section<'_>, word: Option<&str>) -> Option<ExportKind> {
    match word {
        Some("influxdb2") => {
            section.require("bucket", "write bucket = \"NAME\"; of InfluxDB 3 it is the database");
            let bucket = section.name("bucket", "write the name of a bucket, in quotes");
            let org = section.text("org", "write the name of an organisation, in quotes");
            let mut precision = Precision::default();
            let help = "write precision = \"s\", \"ms\", \"us\" or \"ns\"";
            if let Some(found) = section.text("precision", help) {
                match Precision::ALL.into_iter().find(|one| one.as_str() == found.value) {
                    Some(one) => precision = one,
                    None => {
                        section.context.error(&found.at, format!("{} is not a precision", quote(&found.value)), help)
                    }
                }
            }
            let org = org.map_or(String::new(), |org| org.value);
            Some(ExportKind::InfluxDb2 { org, bucket: bucket?.value, precision })
        }
        Some("prometheus") => Some(ExportKind::Prometheus),
        _ => {
            for key in ["bucket", "org", "precision"] {
                section.has(key);
            }
            None
        }
    }
}

/// Names that are fit for tags and labels both.
fn read_tags(section: &mut Section<'_>) -> Vec<(String, String)> {
    let context = section.context;
    let mut tags = Vec::new();
    for (name, value) in section.text_map("tags", "write tags = { site = \"paris\" }, with texts as values") {
        let text = name.value.as_str();
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let (what, help) = if !starts || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            ("is not fit for a tag", "write a letter, then letters, digits and _")
        } else if OWN_TAGS.contains(&text) {
            ("is set by Selvedge itself", "choose another name")
        } else {
            tags.push((name.value, value.value));
            continue;
        };
        context.error(&name.at, format!("{} {what}", quote(text)), help);
    }
    tags
}

#[cfg(test)]
mod tests {
    use crate::config;
    use crate::export::{ExportKind, Precision};

    fn load(text: &str) -> Result<Vec<crate::export::ExportSettings>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("selvedge.toml");
        std::fs::write(&file, text).unwrap();
        match config::load(Some(&file)) {
            Ok(loaded) => Ok(loaded.settings.exports),
            Err(errors) => Err(errors
                .problems
                .iter()
                .filter(|problem| problem.severity == config::Severity::Error)
                .map(|problem| format!("{}: {}; {}", problem.key, problem.what, problem.help))
                .collect::<Vec<_>>()
                .join("\n")),
        }
    }

    #[test]
    fn reads_both_kinds() {
        let text = r#"
            [[export]]
            name = "influx"
            kind = "influxdb2"
            url = "http://localhost:8086"
            org = "net"
            bucket = "fabric"
            token = "T0KEN"
            precision = "ms"
            interval = "30s"
            spool = "64MiB"
            tags = { site = "paris" }
            [[export]]
            name = "prom"
            kind = "prometheus"
            url = "http://localhost:9090/api/v1/write"
        "#;
        let exports = load(text).unwrap();
        let kind = ExportKind::InfluxDb2 { org: "net".into(), bucket: "fabric".into(), precision: Precision::Millis };
        assert_eq!((&*exports[0].name, &exports[0].kind), ("influx", &kind));
        assert_eq!((exports[0].interval.as_secs(), exports[0].spool_bytes), (30, 64 << 20));
        assert_eq!(exports[0].tags, [("site".to_owned(), "paris".to_owned())]);
        assert!(!format!("{exports:?}").contains("T0KEN"), "no secret is printed");
        assert_eq!(
            (&exports[1].kind, exports[1].batch, exports[1].spool_bytes),
            (&ExportKind::Prometheus, 5_000, 1 << 30)
        );
    }

    #[test]
    fn every_slip_is_named() {
        let slips = |text: &str| load(&format!("[[export]]\n{text}")).unwrap_err();
        let of = "name = \"a\"\nkind = \"influxdb2\"\nurl = \"http://h\"\n";
        assert_eq!(
            slips(of),
            "export[0].bucket: `bucket` is missing; write bucket = \"NAME\"; of InfluxDB 3 it is the database"
        );
        let of = format!("{of}bucket = \"b\"\n");
        for (text, said) in [
            ("precision = \"m\"", "\"m\" is not a precision"),
            ("tags = { device = \"x\" }", "\"device\" is set by Selvedge itself"),
            ("tags = { \"a b\" = \"x\" }", "\"a b\" is not fit for a tag"),
            ("spool = 7", "7 bytes is less than"),
            ("labels = { a = \"b\" }", "did you mean `tags`"),
            ("token = { env = \"SELVEDGE_NOT_SET\" }", "SELVEDGE_NOT_SET"),
        ] {
            let slips = slips(&format!("{of}{text}"));
            assert!(slips.contains(said), "{text}: {slips}");
        }
        let slips = slips("name = \"../x\"\nkind = \"influx\"\nurl = \"localhost\"");
        for said in ["cannot be the name of a folder", "\"influx\" is not a kind of export", "the URL"] {
            assert!(slips.contains(said), "{slips}");
        }
    }
}
