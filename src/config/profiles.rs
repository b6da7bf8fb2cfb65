//! Profiles out of `mibs/*.toml`: the shipped ones, which are built in, and the operator's beside or over them.
//!
//! A file of the operator's with the name of a shipped one replaces it. A bad file does not stop the rest: it is told, and what
//! it would have replaced stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use toml::de::DeTable;

use super::context::{At, Context, Found, quote};
use super::mibs::Mibs;
use super::problem::{Problem, Severity};
use super::reader::Section;
use super::watch::{Files, Stamp};
use super::{explain_syntax, glob, read_text, suggest};
use crate::fabric::{Counter, CounterWidth, Direction, DropClass};
use crate::mib::profile::{IndexForm, OBJECTS_MAX, Object, Origin, Profile, Profiles};
use crate::snmp::Oid;

/// Where the operator's profiles and MIB modules are looked for, beside the configuration.
pub(super) const FOLDER: &str = "mibs";

/// No profile is longer, bytes.
const LONGEST: usize = 1 << 20;

/// `mibs/` of this repository, all but `standard.toml`: that tells what is read anyhow.
const SHIPPED: [(&str, &str); 8] = [
    ("arista", include_str!("../../mibs/arista.toml")),
    ("cisco", include_str!("../../mibs/cisco.toml")),
    ("cumulus", include_str!("../../mibs/cumulus.toml")),
    ("huawei", include_str!("../../mibs/huawei.toml")),
    ("juniper", include_str!("../../mibs/juniper.toml")),
    ("mellanox", include_str!("../../mibs/mellanox.toml")),
    ("nokia", include_str!("../../mibs/nokia.toml")),
    ("sonic", include_str!("../../mibs/sonic.toml")),
];

/// The profiles that are built in.
pub(super) fn shipped() -> Arc<Profiles> {
    static PROFILES: OnceLock<Arc<Profiles>> = OnceLock::new();
    let read = || {
        // A test reads each of them without a word of complaint.
        let profiles = SHIPPED
            .into_iter()
            .filter_map(|(name, text)| parse(name, Path::new(name), Origin::Shipped, text, &Mibs::none()).0);
        Arc::new(Profiles(profiles.map(Arc::new).collect()))
    };
    Arc::clone(PROFILES.get_or_init(read))
}

/// `[snmp] mibs`, or the folder of that name beside the configuration, if it is there: all profiles, and what MIB modules
/// there are.
pub(super) fn read(context: &Context<'_>, named: Option<Found<String>>) -> (Arc<Profiles>, Option<PathBuf>) {
    let folder = context.folder.join(named.as_ref().map_or(FOLDER, |found| found.value.as_str()));
    // One that comes later is noticed.
    let pattern = folder.join("*");
    context.files.borrow_mut().pattern(&pattern);
    if !folder.is_dir() {
        if let Some(found) = named {
            let what = format!("{} is no folder", folder.display());
            context.error(&found.at, what, "make it, or name another; the path is relative to the configuration file");
        }
        return (shipped(), None);
    }
    let (paths, errors) = glob::expand(&pattern);
    for (folder, error) in errors {
        let what = format!("it cannot be listed: {error}");
        context.other(Severity::Warning, &folder, None, "", what, "its profiles and MIB modules are not used".into());
    }
    for path in &paths {
        context.files.borrow_mut().read(path, Stamp::of(path));
    }
    let (files, modules): (Vec<PathBuf>, Vec<PathBuf>) = paths
        .into_iter()
        .filter(|path| path.is_file())
        .partition(|path| path.extension().is_some_and(|end| end == "toml"));
    let mibs = Mibs::of(&folder, modules);
    context.adopt(mibs.broken());
    let mut profiles = shipped().0.clone();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let origin = Origin::File(path.display().to_string());
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(why) => {
                let (what, help, place) = why.explain();
                context.other(Severity::Error, &path, place, "", what, help);
                continue;
            }
        };
        let (profile, problems) = parse(&name, &path, origin, &text, &mibs);
        context.adopt(problems);
        let Some(profile) = profile.map(Arc::new) else { continue };
        profiles.retain(|known| known.name != name);
        profiles.push(profile);
    }
    (Arc::new(Profiles(profiles)), Some(folder))
}

/// Read one file; without a profile where anything is wrong with it.
pub(super) fn parse(
    name: &str,
    path: &Path,
    origin: Origin,
    text: &str,
    mibs: &Mibs,
) -> (Option<Profile>, Vec<Problem>) {
    let context = Context::new(path, text.to_owned(), Files::default(), &|_| None);
    if text.len() > LONGEST {
        let what = format!("a profile of more than {LONGEST} bytes");
        context.other(Severity::Error, path, None, "", what, "leave out what is not read".into());
        return (None, context.finish().0);
    }
    let mut profile = None;
    let (table, errors) = DeTable::parse_recoverable(context.source.text());
    let mut readable = true;
    for error in &errors {
        let (what, help, local) = explain_syntax(error.message());
        readable &= local;
        let end = context.source.text().len();
        context.broken(error.span().unwrap_or(end..end), what, help);
    }
    if readable {
        profile = Some(resolve(&context, table.get_ref(), name, origin, mibs));
    }
    let problems = context.finish().0;
    let sound = problems.iter().all(|problem| problem.severity != Severity::Error);
    (profile.filter(|_| sound), problems)
}

fn resolve<'a>(context: &'a Context<'a>, table: &'a DeTable<'a>, name: &str, origin: Origin, mibs: &Mibs) -> Profile {
    let mut root = Section::root(context, table);
    root.hint("name", "a profile has the name of its file");
    root.hint("object", "each object is a table of its own: [[counter]]");
    root.hint("objects", "each object is a table of its own: [[counter]]");
    root.hint("sysObjectID", "write match = [\"1.3.6.1.4.1....\"]");
    root.hint("sysDescr", "write sys_descr = [\"a part of it\"]");
    let description = root.text("description", "write what it is for, in quotes").map(|found| found.value);
    let help = "write match = [\"1.3.6.1.4.1.N\"], what the device's sysObjectID begins with";
    let prefixes = root.texts("match", help).into_iter().filter_map(|found| oid(context, &found, help, mibs)).collect();
    let descriptions = root.texts("sys_descr", "write sys_descr = [\"a part of the device's sysDescr\"]");
    for found in descriptions.iter().filter(|found| found.value.trim().is_empty()) {
        context.error(&found.at, "it is empty, which every sysDescr contains", "write a part of the device's sysDescr");
    }
    if !root.has("match") && !root.has("sys_descr") && !context.is_broken() {
        let at = At { span: 0..0, key: "match".into() };
        context.error(&at, "`match` is missing: for which devices is it?", help);
    }
    let sections = root.sections("counter", "write [[counter]], with two brackets");
    if sections.len() > OBJECTS_MAX {
        let at = sections[OBJECTS_MAX].at.clone();
        context.error(&at, format!("more than {OBJECTS_MAX} objects"), "every one of them is asked for in every poll");
    }
    let objects: Vec<Object> =
        sections.into_iter().take(OBJECTS_MAX).filter_map(|section| read_counter(section, mibs)).collect();
    if !root.has("counter") && !context.is_broken() {
        let at = At { span: 0..0, key: "counter".into() };
        context.error(&at, "it reads nothing", "add a [[counter]] with object, oid, class and direction");
    }
    root.finish();
    Profile {
        name: name.to_owned(),
        description: description.unwrap_or_default(),
        origin,
        prefixes,
        descriptions: descriptions.into_iter().map(|found| found.value).collect(),
        objects,
    }
}

fn read_counter(mut section: Section<'_>, mibs: &Mibs) -> Option<Object> {
    let context = section.context;
    section.hint("name", "did you mean `object`?");
    section.hint("type", "write width = 32 or width = 64, if the device's answers do not tell");
    let help = "write object = \"MODULE::descriptor\"";
    let object = section.name("object", help);
    let written = section.name("oid", "write the column's object identifier, \"1.3.6.1.4.1....\"");
    if object.is_none() && !section.has("object") && !section.has("oid") {
        section.require("object", format!("{help}, and oid = \"1.3.6.1.4.1....\" unless the module is in the folder"));
    }
    let found = match (&written, &object) {
        (Some(written), _) => {
            oid(context, written, "write numbers with dots between them, or MODULE::descriptor", mibs)
        }
        (None, Some(object)) => oid(
            context,
            object,
            "write its number beside it, oid = \"1.3.6.1.4.1....\", or put its MIB module into the folder",
            mibs,
        ),
        (None, None) => None,
    };
    let index = match section.name("index", "write index = \"ifIndex\", or for a table by queue \"ifIndex._\"") {
        None => IndexForm::parse("ifIndex").ok(),
        Some(found) => IndexForm::parse(&found.value)
            .map_err(|error| {
                let help =
                    "parts with dots between them: ifIndex, _ for any number, 1-8 for some, * at the end for the rest";
                context.error(&found.at, format!("{} {error}", quote(&found.value)), help);
            })
            .ok(),
    };
    let counter = read_meaning(&mut section);
    read_unit(&mut section, counter);
    let (mut scale, mut rank, mut width) = (1, 1, 64);
    section.count("scale", &mut scale, 1..=1_000_000);
    section.count("rank", &mut rank, 1..=100);
    let before = width;
    section.count("width", &mut width, 32..=64);
    if !matches!(width, 32 | 64) {
        let at = section.spanned("width").map(|(_, at)| at)?;
        context.error(
            &at,
            format!("a counter of {width} bits"),
            "write 32 or 64, as the MIB says: Counter32, Counter64",
        );
        width = before;
    }
    section.finish();
    let oid = found?;
    let name = object.map_or_else(|| oid.to_string(), |object| object.value);
    let width = if width == 32 { CounterWidth::Bits32 } else { CounterWidth::Bits64 };
    Some(Object { name, oid, index: index?, counter: counter?, width, scale, rank })
}

/// What is counted: `class` and `direction`, or `counter`.
fn read_meaning(section: &mut Section<'_>) -> Option<Counter> {
    let context = section.context;
    let classes = [DropClass::Congestion, DropClass::Policy, DropClass::NoRoute];
    let listed = classes.map(DropClass::as_str).join(", ");
    let help = format!("write one of {listed}");
    let class = section.name("class", &help);
    let direction = section.name("direction", "write direction = \"in\" or \"out\"");
    if let Some(found) = section.name("counter", "write the name of a standard counter, such as \"ifInErrors\"") {
        if let Some(class) = class {
            let help = "either a class of drops, or a standard counter that this object stands in for; remove one";
            context.error(&class.at, "`class` and `counter` both", help);
        }
        let names = || Counter::ALL.into_iter().filter(|counter| !counter.is_drops());
        let known = names().find(|counter| counter.as_str() == found.value);
        if known.is_none() {
            let near = suggest::nearest(&found.value, names().map(Counter::as_str));
            let all = || names().map(Counter::as_str).collect::<Vec<_>>().join(", ");
            let help =
                near.map_or_else(|| format!("known are {}", all()), |near| format!("did you mean {}?", quote(near)));
            context.error(&found.at, format!("there is no counter {}", quote(&found.value)), help);
        }
        return known;
    }
    if class.is_none() && !section.has("class") {
        section.require(
            "class",
            format!("{help}, and direction = \"in\" or \"out\"; or counter = \"ifInErrors\" and the like"),
        );
        return None;
    }
    if direction.is_none() {
        section.require("direction", "write direction = \"in\" or \"out\"");
    }
    let way = direction.and_then(|found| match found.value.as_str() {
        "in" => Some((Direction::In, found.at)),
        "out" => Some((Direction::Out, found.at)),
        other => {
            context.error(&found.at, format!("{} is no direction", quote(other)), "write \"in\" or \"out\"");
            None
        }
    });
    let class = class.and_then(|found| match classes.into_iter().find(|class| class.as_str() == found.value) {
        None if found.value == DropClass::Corruption.as_str() => {
            let help = "damage is what the error counters count: write counter = \"ifInErrors\" or one of dot3Stats...";
            context.error(&found.at, "corruption is no class of drops here", help);
            None
        }
        None if found.value == DropClass::Host.as_str() => {
            context.error(&found.at, "drops inside of a host belong to no interface", help.clone());
            None
        }
        None => {
            context.error(&found.at, format!("{} is no class of drops", quote(&found.value)), help.clone());
            None
        }
        class => class,
    });
    let (class, (direction, at)) = class.zip(way)?;
    let counter = Counter::drops(class, direction);
    if counter.is_none() {
        context.error(&at, format!("{} is counted on the way in only", class.as_str()), "write direction = \"in\"");
    }
    counter
}

/// The unit must be that of the counter; where the device has another, `scale` says how many it stands for.
fn read_unit(section: &mut Section<'_>, counter: Option<Counter>) {
    let context = section.context;
    let Some(found) = section.name("unit", "write unit = \"packets\" or \"octets\"") else {
        return;
    };
    let octets = matches!(counter, Some(Counter::InOctets | Counter::OutOctets));
    let what = match (found.value.as_str(), counter) {
        ("packets", _) if !octets => return,
        ("octets", _) if octets => return,
        ("packets" | "octets", None) => return,
        ("octets", _) => "octets tell no number of packets",
        ("packets", _) => "this counter counts octets",
        _ => "it is no unit",
    };
    let help =
        if octets { "write unit = \"octets\"" } else { "read an object that counts packets; unit = \"packets\"" };
    context.error(&found.at, what, help);
}

/// An object identifier in numbers, or by name.
fn oid(context: &Context<'_>, found: &Found<String>, help: &str, mibs: &Mibs) -> Option<Oid> {
    match super::mibs::oid(&found.value, mibs) {
        Ok(oid) => Some(oid),
        Err((what, hint)) => {
            context.error(&found.at, what, hint.unwrap_or_else(|| help.to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests;
