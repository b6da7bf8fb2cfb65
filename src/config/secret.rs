//! Secrets: as a plain string, `{ env = "NAME" }` or `{ file = "PATH" }`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::context::{At, Context, Found};
use super::problem::Severity;
use super::reader::{Section, as_section, kind};
use super::watch::Stamp;
use crate::fabric::Secret;

/// No password is longer, bytes; what is longer is another file.
const LONGEST: u64 = 64 * 1024;

const HELP: &str = "write a string, { env = \"NAME\" } or { file = \"PATH\" }";

/// The secret under a key, resolved; what is wrong with it is reported.
pub(super) fn secret(section: &mut Section<'_>, key: &'static str) -> Option<Found<Secret>> {
    let (value, at) = section.spanned(key)?;
    from_value(section.context, value, at)
}

/// The secret that a value is, wherever it stands.
pub(super) fn from_value<'a>(
    context: &'a Context<'a>,
    value: &'a Spanned<DeValue<'a>>,
    at: At,
) -> Option<Found<Secret>> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.as_ref().to_owned(),
        DeValue::Table(_) => {
            let mut source = as_section(context, value, at.clone(), HELP)?;
            let env = source.name("env", "name the environment variable that holds the secret");
            let file = source.name("file", "name the file that holds the secret");
            let given = (source.has("env"), source.has("file"));
            let text = match (env, file) {
                (Some(env), None) => from_env(&source, &env),
                (None, Some(file)) => from_file(&source, &file),
                _ => {
                    if given.0 == given.1 {
                        context.error(&source.at, "a secret needs either `env` or `file`", HELP);
                    }
                    None
                }
            };
            source.finish();
            text?
        }
        other => {
            context.error(&at, format!("expected a secret, found {}", kind(other)), HELP);
            return None;
        }
    };
    if text.is_empty() {
        context.error(&at, "the secret is empty", HELP);
        return None;
    }
    Some(Found { value: Secret::new(text), at })
}

fn from_env(source: &Section<'_>, name: &Found<String>) -> Option<String> {
    let shown = name.value.escape_debug();
    match (source.context.env)(&name.value).map(|value| value.into_string()) {
        Some(Ok(text)) if !text.is_empty() => return Some(text),
        Some(Ok(_)) => source.context.error(
            &name.at,
            format!("the environment variable {shown} is empty"),
            format!("set {shown} to the secret before starting Selvedge"),
        ),
        Some(Err(_)) => source.context.error(
            &name.at,
            format!("the environment variable {shown} is not UTF-8"),
            "SNMP and HTTP secrets are text; set it to text",
        ),
        None => source.context.error(
            &name.at,
            format!("the environment variable {shown} is not set"),
            format!("set {shown} before starting Selvedge, or use {{ file = \"PATH\" }}"),
        ),
    }
    None
}

fn from_file(source: &Section<'_>, name: &Found<String>) -> Option<String> {
    let context = source.context;
    let path = context.folder.join(&name.value);
    let stamp = Stamp::of(&path);
    context.files.borrow_mut().read(&path, stamp);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    let shown = path.display();
    if let Err(error) = read {
        context.error(
            &name.at,
            format!("the secret's file {shown} cannot be read: {error}"),
            "paths are relative to the configuration file; the file must be readable by the user that runs Selvedge",
        );
        return None;
    }
    if bytes.len() as u64 > LONGEST {
        context.error(&name.at, format!("the secret's file {shown} is longer than any secret"), "name another file");
        return None;
    }
    let Ok(mut text) = String::from_utf8(bytes) else {
        context.error(
            &name.at,
            format!("the secret's file {shown} is not UTF-8 text"),
            "the file must hold the secret alone, as text",
        );
        return None;
    };
    // One line break at the end is the editor's, not the secret's.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if readable_by_all(&path) {
        context.other(
            Severity::Warning,
            &path,
            None,
            &name.at.key,
            "every user of this machine can read this secret".into(),
            format!("chmod o-r {shown}"),
        );
    }
    Some(text)
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_path: &Path) -> bool {
    false
}
