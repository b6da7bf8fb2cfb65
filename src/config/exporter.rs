//! `[snmp] auths_from`: the `auths` of snmp_exporter's configuration, so that who comes from there keeps them.
//!
//! The file's `modules` are not read: what is asked of a device follows from the device.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::context::{At, Context, quote};
use super::problem::Severity;
use super::reader::Section;
use super::snmp::{AUTH_PROTOCOLS, Auths, PRIV_PROTOCOLS, SHORTEST_PASSWORD, protocol};
use super::watch::Stamp;
use super::yaml;
use crate::fabric::Secret;
use crate::snmp::{Credentials, User};

/// No such file is longer, bytes: the one that comes with snmp_exporter has one MiB, nearly all of it modules.
const LONGEST: u64 = 64 << 20;

/// What is wrong with an entry, and what to do. Never what it holds.
type Wrong = (String, &'static str);

/// All files that are named, in their order; a name that is known already is left as it is.
pub(super) fn read(snmp: &mut Section<'_>, auths: &mut Auths) {
    let context = snmp.context;
    for found in snmp.texts("auths_from", "write auths_from = [\"snmp.yml\"]") {
        let path = context.folder.join(&found.value);
        match read_file(context, &path, &found.at) {
            Some(entries) => entries.iter().for_each(|entry| add(context, &path, &found.at, auths, entry)),
            None => continue,
        }
    }
}

fn read_file(context: &Context<'_>, path: &Path, at: &At) -> Option<Map<String, Value>> {
    context.files.borrow_mut().read(path, Stamp::of(path));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    let help = "name a configuration of snmp_exporter; paths are relative to this file";
    match read {
        Err(error) => {
            context.error(at, format!("{} cannot be read: {error}", path.display()), help);
            return None;
        }
        Ok(_) if bytes.len() as u64 > LONGEST => {
            context.error(at, format!("{} is longer than {} MiB", path.display(), LONGEST >> 20), help);
            return None;
        }
        Ok(_) => {}
    }
    match yaml::yaml(&bytes) {
        Err(error) => {
            let what = error.reason;
            context.other(Severity::Error, path, error.place, "", what, help.to_owned());
            None
        }
        Ok(Value::Object(mut file)) => match file.remove("auths") {
            Some(Value::Object(entries)) => Some(entries),
            _ => {
                let help = "files of snmp_exporter before 0.23 have none; write [snmp.auth.NAME] here instead";
                context.error(at, format!("{} has no `auths`", path.display()), help);
                None
            }
        },
        Ok(_) => {
            context.error(at, format!("{} has no `auths`", path.display()), help);
            None
        }
    }
}

fn add(context: &Context<'_>, path: &Path, at: &At, auths: &mut Auths, (name, entry): (&String, &Value)) {
    let credentials = read_entry(entry);
    let key = format!("auths.{}", name.escape_debug());
    if let Err((what, help)) = &credentials {
        context.other(Severity::Warning, path, None, &key, what.clone(), (*help).to_owned());
    }
    if !auths.add(name, at.clone(), credentials.ok().map(Arc::new)) {
        let what = format!("{} is known already; this entry is left out", quote(name));
        context.other(Severity::Warning, path, None, &key, what, "give one of the two another name".to_owned());
    }
}

fn read_entry(entry: &Value) -> Result<Credentials, Wrong> {
    let Value::Object(entry) = entry else {
        return Err(("it is no table of keys".into(), "see snmp_exporter's documentation of `auths`"));
    };
    // Numbers and texts are easily taken for one another in YAML.
    let text = |key: &str| match entry.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match text("version").as_deref() {
        // snmp_exporter's default.
        None | Some("2") => Ok(Credentials::Community(Secret::new(text("community").as_deref().unwrap_or("public")))),
        Some("3") => read_user(&text).map(Credentials::User),
        Some("1") => Err((
            "SNMP version 1 is not supported: it has no 64-bit counters".into(),
            "nearly every device speaks version 2 or 3",
        )),
        Some(other) => Err((format!("{} is not a version of SNMP", quote(other)), "write 2 or 3")),
    }
}

fn read_user(text: &dyn Fn(&str) -> Option<String>) -> Result<User, Wrong> {
    let level = text("security_level").unwrap_or_else(|| "noAuthNoPriv".into());
    let (auth, privacy) = match level.as_str() {
        "noAuthNoPriv" => (false, false),
        "authNoPriv" => (true, false),
        "authPriv" => (true, true),
        other => {
            let help = "write noAuthNoPriv, authNoPriv or authPriv";
            return Err((format!("{} is not a security level", quote(other)), help));
        }
    };
    let name = text("username").filter(|name| name.len() <= 32);
    let name = name.ok_or_else(|| ("it has no `username` of 1 to 32 bytes".to_owned(), "add it"))?;
    let auth = match auth {
        true => Some(pair(text, &AUTH_PROTOCOLS, ("auth_protocol", "MD5"), "password")?),
        false => None,
    };
    let privacy = match privacy {
        true => Some(pair(text, &PRIV_PROTOCOLS, ("priv_protocol", "DES"), "priv_password")?),
        false => None,
    };
    Ok(User { name, auth, privacy, context: text("context_name").unwrap_or_default() })
}

/// A protocol, which has a default there, with its password.
fn pair<P: Copy>(
    text: &dyn Fn(&str) -> Option<String>,
    known: &[(&str, P)],
    (key, default): (&str, &str),
    password: &str,
) -> Result<(P, Secret), Wrong> {
    let word = text(key).unwrap_or_else(|| default.into());
    let protocol = protocol(known, &word)
        .ok_or_else(|| (format!("{} is not a protocol for `{key}`", quote(&word)), "correct its name"))?;
    match text(password) {
        None => Err((format!("`{password}` is missing"), "add it")),
        Some(short) if short.chars().count() < SHORTEST_PASSWORD => Err((
            format!("`{password}` has fewer than {SHORTEST_PASSWORD} characters (RFC 3414, 11.2)"),
            "agents refuse shorter ones",
        )),
        Some(password) => Ok((protocol, Secret::new(password))),
    }
}
