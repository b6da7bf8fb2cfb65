//! `[snmp]`: who is polled, how often, and what proves to them who we are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::context::{At, Context, Found, quote};
use super::reader::Section;
use super::{SnmpSettings, discovery, exporter, profiles, secret, suggest, units};
use crate::collect::Target;
use crate::fabric::{Labels, Secret};
use crate::snmp::{AuthProtocol, Credentials, PrivProtocol, User};

/// The standard port of agents.
pub(super) const PORT: u16 = 161;

/// RFC 3414, 11.2: passwords have at least this many characters.
pub(super) const SHORTEST_PASSWORD: usize = 8;

pub(super) const AUTH_PROTOCOLS: [(&str, AuthProtocol); 7] = [
    ("MD5", AuthProtocol::Md5),
    ("SHA", AuthProtocol::Sha1),
    ("SHA-1", AuthProtocol::Sha1),
    ("SHA-224", AuthProtocol::Sha224),
    ("SHA-256", AuthProtocol::Sha256),
    ("SHA-384", AuthProtocol::Sha384),
    ("SHA-512", AuthProtocol::Sha512),
];

pub(super) const PRIV_PROTOCOLS: [(&str, PrivProtocol); 7] = [
    ("DES", PrivProtocol::Des),
    ("AES", PrivProtocol::Aes128),
    ("AES-128", PrivProtocol::Aes128),
    ("AES-192", PrivProtocol::Aes192),
    ("AES-256", PrivProtocol::Aes256),
    ("AES-192-C", PrivProtocol::Aes192Reeder),
    ("AES-256-C", PrivProtocol::Aes256Reeder),
];

/// The auth sections by name. One that is wrong is there without credentials: whoever names it is not told
/// that it does not exist.
pub(super) struct Auths {
    by_name: BTreeMap<String, (At, Option<Arc<Credentials>>)>,
    used: BTreeSet<String>,
}

impl Auths {
    /// One more, of another file. False if the name is taken.
    pub fn add(&mut self, name: &str, at: At, credentials: Option<Arc<Credentials>>) -> bool {
        let free = !self.by_name.contains_key(name);
        if free {
            // Whoever brings a file of many does not promise to use them all.
            self.used.insert(name.to_owned());
            self.by_name.insert(name.to_owned(), (at, credentials));
        }
        free
    }

    /// Look one up for use; the error is half a sentence and what to do.
    pub fn find(&mut self, name: &str) -> Result<Option<Arc<Credentials>>, (String, String)> {
        if let Some((_, credentials)) = self.by_name.get(name) {
            if !self.used.contains(name) {
                self.used.insert(name.to_owned());
            }
            return Ok(credentials.clone());
        }
        Err((format!("there is no [snmp.auth.{}]", name.escape_debug()), self.known(name)))
    }

    /// What to write instead of a name that leads nowhere.
    fn known(&self, name: &str) -> String {
        let names = self.by_name.keys().map(String::as_str);
        match suggest::nearest(name, names.clone()) {
            Some(near) => format!("did you mean {}?", quote(near)),
            None if self.by_name.is_empty() => "add a section [snmp.auth.NAME] with `version` and `community`".into(),
            None => format!("known are {}", names.map(quote).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// All targets so far, with what is needed to refuse the same one twice.
#[derive(Default)]
pub(super) struct Targets {
    pub list: Vec<Target>,
    /// Where each address was first named.
    pub named: HashMap<String, String>,
}

/// What a section says of the pace of polling; where it says nothing, a wider one may.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    retries: Option<u32>,
}

impl Pace {
    pub fn read(section: &mut Section<'_>) -> Self {
        // What is wrong is told, and taken as not said.
        let (mut interval, mut timeout, mut retries) = (Duration::ZERO, Duration::ZERO, u32::MAX);
        section.duration("interval", &mut interval, Duration::from_millis(100)..=Duration::from_secs(86_400));
        section.duration("timeout", &mut timeout, Duration::from_millis(10)..=Duration::from_secs(60));
        section.count("retries", &mut retries, 0..=10);
        Self {
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            retries: Some(retries).filter(|retries| *retries != u32::MAX),
        }
    }

    /// What this says, else what a wider section says.
    pub fn or(self, wider: Self) -> Self {
        Self {
            interval: self.interval.or(wider.interval),
            timeout: self.timeout.or(wider.timeout),
            retries: self.retries.or(wider.retries),
        }
    }

    fn is_silent(self) -> bool {
        self.interval.is_none() && self.timeout.is_none() && self.retries.is_none()
    }
}

/// `[[snmp.group]]`: the pace of all targets that have these labels.
pub(super) struct Group {
    matchers: BTreeMap<String, String>,
    pace: Pace,
}

/// The paces that are wider than a single target's: from the groups, then from `[snmp]`.
pub(super) struct Paces {
    groups: Vec<Group>,
    all: SnmpSettings,
}

impl Paces {
    /// A target: what it says itself, what the groups say that its labels put it into (the first one first), what
    /// the section says that named many of them, and what `[snmp]` says.
    pub fn target(
        &self,
        (address, auth): (String, String),
        credentials: Arc<Credentials>,
        labels: Labels,
        own: Pace,
        section: Pace,
    ) -> Target {
        let belongs = |group: &&Group| group.matchers.iter().all(|(name, value)| labels.get(name) == Some(value));
        let pace = self.groups.iter().filter(belongs).fold(own, |pace, group| pace.or(group.pace)).or(section);
        Target {
            address,
            credentials,
            auth,
            labels,
            interval: pace.interval.unwrap_or(self.all.interval),
            timeout: pace.timeout.unwrap_or(self.all.timeout),
            retries: pace.retries.unwrap_or(self.all.retries),
        }
    }
}

/// The whole section; the default where there is none. `data` is the folder for what is kept.
pub(super) fn read(
    section: Option<Section<'_>>,
    context: &Context<'_>,
    data: &Path,
    last_good: &mut discovery::LastGood,
) -> (SnmpSettings, Vec<Target>) {
    let mut settings = SnmpSettings::default();
    let Some(mut snmp) = section else {
        (settings.profiles, settings.mibs) = profiles::read(context, None);
        return (settings, Vec::new());
    };
    snmp.hint("profiles", "profiles and MIB modules lie in one folder: mibs = \"DIR\"");
    let folder = snmp.name("mibs", "write the path of a folder, in quotes");
    (settings.profiles, settings.mibs) = profiles::read(context, folder);
    snmp.hint("community", "communities stand in a section of their own: [snmp.auth.NAME]");
    snmp.hint("targets", "each target is a table of its own: [[snmp.target]]");
    let pace = Pace::read(&mut snmp);
    settings.interval = pace.interval.unwrap_or(settings.interval);
    settings.timeout = pace.timeout.unwrap_or(settings.timeout);
    settings.retries = pace.retries.unwrap_or(settings.retries);

    let mut auths = read_auths(&mut snmp);
    exporter::read(&mut snmp, &mut auths);
    let groups = snmp.sections("group", "groups are written [[snmp.group]], with two brackets");
    let groups = groups.into_iter().filter_map(read_group).collect();
    let paces = Paces { groups, all: settings.clone() };
    let mut targets = Targets::default();
    for section in snmp.sections("target", "targets are written [[snmp.target]], with two brackets") {
        read_target(section, &paces, &mut auths, &mut targets);
    }
    for section in snmp.sections("targets_from", "write [[snmp.targets_from]], with two brackets") {
        let http = discovery::read(section, data, &paces, &mut auths, &mut targets, last_good);
        settings.targets_over_http.extend(http);
    }
    for (name, (at, credentials)) in &auths.by_name {
        if credentials.is_none() || auths.used.contains(name) {
            continue;
        }
        snmp.context.warn(at, format!("no target uses [snmp.auth.{}]", name.escape_debug()), "");
    }
    snmp.finish();
    settings.auths = auths.by_name.into_iter().filter_map(|(name, (_, auth))| Some((name, auth?))).collect();
    (settings, targets.list)
}

fn read_group(mut section: Section<'_>) -> Option<Group> {
    let context = section.context;
    let help = "write match = { role = \"spine\" }: the labels that a target must have";
    section.hint("labels", "did you mean `match`?");
    let given = section.require("match", help);
    let at = section.at.clone();
    let matchers: BTreeMap<_, _> =
        section.text_map("match", help).into_iter().map(|(name, value)| (name.value, value.value)).collect();
    let pace = Pace::read(&mut section);
    section.finish();
    if given && matchers.is_empty() {
        context.error(&at, "`match` names no label", help);
    } else if pace.is_silent() {
        context.warn(&at, "this group says nothing", "add `interval`, `timeout` or `retries`");
    }
    (!matchers.is_empty()).then_some(Group { matchers, pace })
}

fn read_target(mut section: Section<'_>, paces: &Paces, auths: &mut Auths, targets: &mut Targets) {
    let context = section.context;
    let elsewhere = "it belongs to [snmp.auth.NAME]; here write auth = \"NAME\"";
    for key in ["community", "version", "user", "password", "priv"] {
        section.hint(key, elsewhere);
    }
    section.hint("port", "write the port behind the address: address = \"10.99.0.1:1161\"");
    section.hint("host", "did you mean `address`?");
    section.hint("name", "a device is known by its sysName; for a name of your own use labels = { name = \"...\" }");

    section.require("address", "write address = \"HOST\" or address = \"HOST:PORT\"");
    let address = section.name("address", "write the host name or address of the device, in quotes");
    let address = address.and_then(|found| match units::host_port(&found.value, PORT) {
        Ok(address) => Some(Found { value: address, at: found.at }),
        Err(reason) => {
            context.error(
                &found.at,
                format!("{} {reason}", quote(&found.value)),
                "write HOST or HOST:PORT, such as \"10.99.0.1\", \"leaf1.example:1161\" or \"[2001:db8::1]:161\"",
            );
            None
        }
    });
    let known = auths.known("");
    section.require("auth", format!("write auth = \"NAME\" after a section [snmp.auth.NAME]; {known}"));
    let auth = section.name("auth", "write the NAME of a section [snmp.auth.NAME], in quotes");
    let credentials = auth.as_ref().and_then(|found| match auths.find(&found.value) {
        Ok(credentials) => credentials,
        Err((what, help)) => {
            context.error(&found.at, what, help);
            None
        }
    });
    let labels = read_labels(&mut section);
    let pace = Pace::read(&mut section);
    section.finish();

    let Some(address) = address else { return };
    let (line, _) = context.source.place(address.at.span.start);
    let place = format!("{}:{line}", context.file.display());
    if let Some(first) = targets.named.get(&address.value) {
        context.error(
            &address.at,
            format!("{} is a target already", quote(&address.value)),
            format!("it is named first at {first}; remove one of the two"),
        );
        return;
    }
    targets.named.insert(address.value.clone(), place);
    let (Some(auth), Some(credentials)) = (auth, credentials) else { return };
    let named = (address.value, auth.value);
    targets.list.push(paces.target(named, credentials, labels, pace, Pace::default()));
}

/// `labels = { role = "spine" }`
pub(super) fn read_labels(section: &mut Section<'_>) -> Labels {
    let context = section.context;
    let mut labels = Labels::new();
    for (name, value) in section.text_map("labels", "write labels = { role = \"spine\" }, with texts as values") {
        match check_label(&name.value) {
            Ok(()) => _ = labels.insert(name.value, value.value),
            Err((what, help)) => context.error(&name.at, what, help),
        }
    }
    labels
}

/// Is it a label's name (Prometheus' rule), and free? The error is what is wrong, and what to do.
pub(super) fn check_label(name: &str) -> Result<(), (String, &'static str)> {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|char| char.is_ascii_alphabetic() || char == '_');
    if !begins || !chars.all(|char| char.is_ascii_alphanumeric() || char == '_') {
        return Err((
            format!("{} is not a label's name", quote(name)),
            "a label's name has letters, digits and _, and does not begin with a digit",
        ));
    }
    if name.starts_with("__") {
        return Err((format!("the label {} is reserved", quote(name)), "names that begin with __ are internal"));
    }
    if super::receivers::OWN_LABELS.contains(&name) {
        return Err((
            format!("the label {} is Selvedge's own", quote(name)),
            "Selvedge sets it on every alert; choose another name",
        ));
    }
    Ok(())
}

fn read_auths(snmp: &mut Section<'_>) -> Auths {
    let mut auths = Auths { by_name: BTreeMap::new(), used: BTreeSet::new() };
    let help = "an auth section is written [snmp.auth.NAME]";
    let Some(sections) = snmp.section("auth", help) else { return auths };
    for (name, section) in sections.named_sections(help) {
        let credentials = read_auth(section);
        auths.by_name.insert(name.value, (name.at, credentials.map(Arc::new)));
    }
    auths
}

fn read_auth(mut section: Section<'_>) -> Option<Credentials> {
    let context = section.context;
    section.require("version", "write version = \"2c\" with a community, or version = \"3\" with a user");
    let version = section.text("version", "write version = \"2c\" or version = \"3\", in quotes")?;
    match version.value.as_str() {
        "2c" | "2" => {
            for key in ["user", "auth", "priv", "context"] {
                section.hint(key, "it belongs to version = \"3\"");
            }
            section.require("community", "write community = \"...\", { env = \"NAME\" } or { file = \"PATH\" }");
            let community = secret::secret(&mut section, "community");
            section.finish();
            Some(Credentials::Community(community?.value))
        }
        "3" => {
            section.hint("community", "it belongs to version = \"2c\"; version 3 has `user`, `auth` and `priv`");
            section.hint("password", "write auth = { protocol = \"SHA\", password = ... }");
            let user = read_user(&mut section);
            section.finish();
            user.map(Credentials::User)
        }
        "1" => {
            context.error(
                &version.at,
                "SNMP version 1 is not supported: it has no 64-bit counters",
                "nearly every device speaks version \"2c\" or \"3\"",
            );
            None
        }
        other => {
            context.error(&version.at, format!("{} is not a version of SNMP", quote(other)), "write \"2c\" or \"3\"");
            None
        }
    }
}

fn read_user(section: &mut Section<'_>) -> Option<User> {
    let context = section.context;
    section.require("user", "write user = \"NAME\"");
    let user = section.name("user", "write the user's name, in quotes").filter(|found| {
        // RFC 3414: usmUserSecurityName is SnmpAdminString (SIZE (1..32)).
        let fits = found.value.len() <= 32;
        if !fits {
            context.error(&found.at, "a user's name has at most 32 bytes", "");
        }
        fits
    });
    let context_name = section.text("context", "write the context's name, in quotes");
    let auth = read_protocol(section, "auth", &AUTH_PROTOCOLS, "auth = { protocol = \"SHA-256\", password = ... }");
    let privacy = read_protocol(section, "priv", &PRIV_PROTOCOLS, "priv = { protocol = \"AES\", password = ... }");
    if let (Protocol::Given(at, _), Protocol::Absent) = (&privacy, &auth) {
        context.error(
            at,
            "privacy without authentication is not possible in SNMPv3",
            "add auth = { protocol = \"SHA-256\", password = ... }, or remove `priv`",
        );
        return None;
    }
    Some(User {
        name: user?.value,
        auth: auth.resolved()?,
        privacy: privacy.resolved()?,
        context: context_name.map(|found| found.value).unwrap_or_default(),
    })
}

enum Protocol<P> {
    Absent,
    /// None where it is wrong.
    Given(At, Option<(P, Secret)>),
}

impl<P> Protocol<P> {
    /// None where it is wrong.
    #[allow(clippy::option_option)] // absent and wrong are two things
    fn resolved(self) -> Option<Option<(P, Secret)>> {
        match self {
            Self::Absent => Some(None),
            Self::Given(_, pair) => pair.map(Some),
        }
    }
}

fn read_protocol<P: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    known: &[(&str, P)],
    example: &str,
) -> Protocol<P> {
    let help = format!("write {example}");
    if !section.has(key) {
        return Protocol::Absent;
    }
    let Some(mut table) = section.section(key, &help) else {
        return Protocol::Given(section.at.clone(), None);
    };
    let context = table.context;
    let names = known.iter().map(|(name, _)| *name);
    let list = names.clone().collect::<Vec<_>>().join(", ");
    table.require("protocol", format!("write protocol = \"...\", one of {list}"));
    let protocol = table.name("protocol", "write the protocol's name, in quotes").and_then(|found| {
        let hit = protocol(known, &found.value);
        if hit.is_none() {
            let help = match suggest::nearest(&found.value, names) {
                Some(near) => format!("did you mean \"{near}\"? Known are {list}"),
                None => format!("known are {list}"),
            };
            context.error(&found.at, format!("{} is not a protocol for `{key}`", quote(&found.value)), help);
        }
        hit
    });
    table.require("password", "write password = { env = \"NAME\" } or { file = \"PATH\" }");
    let password = secret::secret(&mut table, "password").filter(|found| long_enough(context, found));
    let at = table.at.clone();
    table.finish();
    Protocol::Given(at, protocol.zip(password.map(|found| found.value)))
}

/// SHA256, sha-256 and SHA-256 are the same word.
pub(super) fn protocol<P: Copy>(known: &[(&str, P)], word: &str) -> Option<P> {
    let fold = |name: &str| name.replace(['-', '_'], "").to_ascii_uppercase();
    known.iter().find(|(name, _)| fold(name) == fold(word)).map(|(_, protocol)| *protocol)
}

fn long_enough(context: &Context<'_>, found: &Found<Secret>) -> bool {
    let fits = found.value.reveal().chars().count() >= SHORTEST_PASSWORD;
    if !fits {
        context.error(
            &found.at,
            format!("a password of SNMPv3 has at least {SHORTEST_PASSWORD} characters (RFC 3414, 11.2)"),
            "agents refuse shorter ones; set a longer one on the device and here",
        );
    }
    fits
}
