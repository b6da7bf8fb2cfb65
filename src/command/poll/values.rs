//! `selvedge poll --get` and `--walk`: single objects and subtrees, with their names and types, as snmpget and snmpwalk show them.
//!
//! Names are those of the MIB modules in the operator's folder, of IF-MIB and the others that are compiled in, and of the shipped
//! profiles; numbers always do.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::collect::Target;
use crate::collect::snmp::Client;
use crate::command::Format;
use crate::command::device::{self, ProgressLine, Vendors};
use crate::config::mibs::{self, Mibs};
use crate::mib::{COMPILED, value};
use crate::snmp::table::{ColumnEnd, WalkEnd};
use crate::snmp::{Access, Got, Limits, Oid, Pace, Progress, TablePlan, TableWalk, Value};

/// A value as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    oid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    value: serde_json::Value,
}

/// Names and numbers of objects.
struct Names<'a> {
    vendors: &'a Vendors,
    mibs: Mibs,
}

impl Names<'_> {
    fn oid(&self, text: &str) -> Result<Oid, String> {
        let (bare, rest) = match text.split_once("::") {
            Some((_, name)) => (name.split('.').next().unwrap_or(name), name),
            None => (text.split('.').next().unwrap_or(text), text),
        };
        // Compiled in, by descriptor; a name of a module that is somebody else's stays his.
        let standard = !text.contains("::") || self.mibs.is_empty();
        if let Some(column) =
            COMPILED.iter().flat_map(|table| table.iter()).find(|column| standard && column.name == bare)
        {
            let tail = rest.get(bare.len()..).unwrap_or_default();
            // Scalars are compiled in with their instance.
            let tail = if column.oid.last() == Some(&0) && tail == ".0" { "" } else { tail };
            return mibs::oid(&format!("{}{tail}", column.object_id()), &self.mibs).map_err(|(what, _)| what);
        }
        let object = |text: &str| {
            let mut objects = self.vendors.profiles.0.iter().flat_map(|profile| &profile.objects);
            objects.find(|object| object.name == text).map(|object| object.oid.clone())
        };
        let (name, tail) = text.split_once('.').map_or((text, ""), |(name, _)| (name, &text[name.len()..]));
        if let Some(oid) = object(name) {
            return mibs::oid(&format!("{oid}{tail}"), &self.mibs).map_err(|(what, _)| what);
        }
        mibs::oid(text, &self.mibs).map_err(|(what, help)| match help {
            Some(help) => format!("{what}; {help}"),
            None => format!("{what}; write its number, or put its MIB module into the folder [snmp] mibs"),
        })
    }

    fn name(&self, oid: &Oid) -> Option<String> {
        let arcs: Vec<u32> = oid.arcs().collect();
        let behind = |known: &[u32]| arcs[known.len()..].iter().map(|arc| format!(".{arc}")).collect::<String>();
        let compiled = COMPILED.iter().flat_map(|table| table.iter()).find(|column| arcs.starts_with(column.oid));
        if let Some(column) = compiled {
            let zero = if column.oid.last() == Some(&0) { ".0" } else { "" };
            return Some(format!("{}{zero}{}", column.name, behind(column.oid)));
        }
        self.mibs.name(oid).or_else(|| {
            let mut objects = self.vendors.profiles.0.iter().flat_map(|profile| &profile.objects);
            let object = objects.find(|object| oid.starts_with(&object.oid))?;
            Some(format!("{}{}", object.name, behind(&object.oid.arcs().collect::<Vec<_>>())))
        })
    }

    fn shown(&self, oid: &Oid, value: Value<'_>) -> Shown {
        let (kind, value) = typed(value);
        Shown { oid: oid.to_string(), name: self.name(oid), kind, value }
    }
}

/// The type of the wire, and the value as JSON has it.
fn typed(value: Value<'_>) -> (&'static str, serde_json::Value) {
    match value {
        Value::Integer(number) => ("INTEGER", json!(number)),
        Value::OctetString(octets) => {
            // Text where it is one, else the octets themselves.
            let text = std::str::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control));
            text.map_or_else(|| ("OCTET STRING (hex)", json!(hex(octets))), |text| ("OCTET STRING", json!(text)))
        }
        Value::Null => ("NULL", json!(null)),
        Value::Oid(oid) => ("OBJECT IDENTIFIER", json!(oid.to_string())),
        Value::IpAddress(address) => ("IpAddress", json!(address.to_string())),
        Value::Counter32(number) => ("Counter32", json!(number)),
        Value::Gauge32(number) => ("Gauge32", json!(number)),
        Value::TimeTicks(number) => ("TimeTicks", json!(number)),
        Value::Opaque(octets) => ("Opaque (hex)", json!(hex(octets))),
        Value::Counter64(number) => ("Counter64", json!(number)),
        Value::NoSuchObject => ("noSuchObject", json!(null)),
        Value::NoSuchInstance => ("noSuchInstance", json!(null)),
        Value::EndOfMibView => ("endOfMibView", json!(null)),
        Value::Unsupported { content, .. } => ("unknown type (hex)", json!(hex(content))),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

/// Ask for single instances and whole subtrees.
pub(super) async fn values(
    get: &[String],
    walk: &[String],
    limit: usize,
    format: Format,
    vendors: &Vendors,
    target: &Target,
    (client, access): (&mut Client, Access),
) -> Result<(), String> {
    let mibs = vendors.folder.as_deref().map_or_else(|| Ok(Mibs::none()), Mibs::in_folder);
    let mibs = mibs.map_err(|error| format!("the folder of MIB modules cannot be listed: {error}"))?;
    let names = Names { vendors, mibs };
    let wanted = get.iter().map(|text| names.oid(text)).collect::<Result<Vec<_>, _>>()?;
    let roots = walk.iter().map(|text| names.oid(text)).collect::<Result<Vec<_>, _>>()?;
    let mut shown: Vec<Shown> = Vec::new();
    let mut missing = Vec::new();
    if !wanted.is_empty() {
        let mut got: Vec<Option<Shown>> = wanted.iter().map(|_| None).collect();
        let asked = client.get(wanted.clone(), |place, what, _| {
            if let (Got::Value(value), Some(slot)) = (what, got.get_mut(place)) {
                *slot = Some(names.shown(&wanted[place], value));
            }
        });
        if let Err(error) = asked.await {
            return Err(device::explain(error, target, client, access).await);
        }
        for (text, shown_one) in get.iter().zip(got) {
            match shown_one {
                Some(one) if !one.kind.starts_with("noSuch") => shown.push(one),
                _ => missing.push(format!(
                    "{text}: the device has no such instance (a scalar ends in .0, a column in its index)"
                )),
            }
        }
    }
    let mut line = ProgressLine::new();
    for (text, root) in walk.iter().zip(&roots) {
        let before = shown.len();
        let plan = TablePlan { scalars: Vec::new(), columns: vec![root.clone()] };
        let limits = Limits { rows: limit.saturating_sub(before), requests: limit + 16, ..Limits::default() };
        let mut table = TableWalk::new(Arc::new(plan), limits, Pace::default());
        let end = loop {
            let progress = client
                .step(&mut table, |row, _| {
                    if let (Some(value), Ok(oid)) = (row.get(0), root.join(row.index())) {
                        shown.push(names.shown(&oid, value));
                    }
                })
                .await;
            line.stage(text, shown.len() - before);
            match progress {
                Progress::More => {}
                Progress::Done(end) => break end,
            }
        };
        line.clear();
        match end {
            WalkEnd::Failed(error) => return Err(device::explain(error, target, client, access).await),
            WalkEnd::RowLimit | WalkEnd::RequestLimit => {
                missing.push(format!("{text}: there is more; the first {limit} are shown (--limit)"));
            }
            WalkEnd::Complete if table.column_end(0) != ColumnEnd::Complete => {
                missing.push(format!("{text}: the device repeats itself or has no answer for a part"));
            }
            WalkEnd::Complete if shown.len() == before => missing.push(format!("{text}: the device has nothing there")),
            WalkEnd::Complete => {}
        }
    }
    print(&shown, format)?;
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n       ")) }
}

fn print(shown: &[Shown], format: Format) -> Result<(), String> {
    use std::io::Write as _;
    let text = match format {
        Format::Json => serde_json::to_string(shown).map_err(|error| error.to_string())? + "\n",
        Format::Human => shown
            .iter()
            .map(|one| {
                let value = match &one.value {
                    // What a device sends must not move a terminal's cursor.
                    serde_json::Value::String(text) => value::clean(text.as_bytes()),
                    serde_json::Value::Null => String::new(),
                    other => other.to_string(),
                };
                format!("{} = {}: {value}\n", one.name.as_deref().unwrap_or(&one.oid), one.kind)
            })
            .collect(),
    };
    // A reader that has seen enough (`| head`) is not an error.
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("writing: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SnmpSettings;

    #[test]
    fn names_and_numbers() {
        let vendors = Vendors { profiles: SnmpSettings::default().profiles, folder: None };
        let names = Names { vendors: &vendors, mibs: Mibs::none() };
        let of = |text: &str| names.oid(text).map(|oid| oid.to_string());
        for (text, oid) in [
            ("1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.5.0"),
            (".1.3.6.1.2.1.1", "1.3.6.1.2.1.1"),
            ("ifName", "1.3.6.1.2.1.31.1.1.1.1"),
            ("IF-MIB::ifHCInOctets.7", "1.3.6.1.2.1.31.1.1.1.6.7"),
            ("ifInOctets.3", "1.3.6.1.2.1.2.2.1.10.3"),
            ("sysName.0", "1.3.6.1.2.1.1.5.0"),
            ("sysName", "1.3.6.1.2.1.1.5.0"),
            ("dot3StatsFCSErrors.1", "1.3.6.1.2.1.10.7.2.1.3.1"),
            ("CISCO-QUEUE-MIB::cQStatsDiscards.1.2", "1.3.6.1.4.1.9.9.37.1.2.1.4.1.2"),
        ] {
            assert_eq!(of(text).as_deref(), Ok(oid), "{text}");
        }
        for text in ["", "nothing", "1", "1.x", "NO-MIB::thing", "ifName.x"] {
            assert!(of(text).is_err(), "{text}");
        }
        let name = |text: &str| names.name(&names.oid(text).unwrap());
        assert_eq!(name("1.3.6.1.2.1.31.1.1.1.1.9").as_deref(), Some("ifName.9"));
        assert_eq!(name("1.3.6.1.2.1.1.5.0").as_deref(), Some("sysName.0"));
        assert_eq!(name("1.3.6.1.4.1.9.9.37.1.2.1.4.1.2").as_deref(), Some("CISCO-QUEUE-MIB::cQStatsDiscards.1.2"));
        assert_eq!(name("1.3.6.1.4.1.99999.1"), None);
    }

    #[test]
    fn values_have_their_types() {
        assert_eq!(typed(Value::OctetString(b"eth0")), ("OCTET STRING", json!("eth0")));
        assert_eq!(typed(Value::OctetString(b"\x1b[2J")), ("OCTET STRING (hex)", json!("1b 5b 32 4a")));
        assert_eq!(typed(Value::Counter64(u64::MAX)), ("Counter64", json!(u64::MAX)));
        assert_eq!(typed(Value::NoSuchObject), ("noSuchObject", json!(null)));
    }
}
