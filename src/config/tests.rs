//! The whole configuration against whole files: good ones, bad ones with what they say, and any bytes at all.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::deliver::ReceiverKind;
use crate::fabric::Secret;
use crate::snmp::{AuthProtocol, PrivProtocol};

mod sources;

const GOOD: &str = r#"
[web]
listen = "127.0.0.1:9751"

[history]
path = "data"
retention = "4h"
retention_5m = "5d"
max_bytes = "4GiB"

[snmp]
interval = "5s"
timeout = "500ms"
retries = 1

[snmp.auth.lab]
version = "2c"
community = "public"

[snmp.auth.core]
version = "3"
user = "selvedge"
context = "vrf"
auth = { protocol = "SHA-256", password = { env = "AUTH" } }
priv = { protocol = "AES-256-C", password = { file = "priv.txt" } }

[[snmp.target]]
address = "10.99.0.1"
auth = "lab"
labels = { role = "spine" }

[[snmp.target]]
address = "[2001:db8::1]:1161"
auth = "core"
interval = "1s"
timeout = "1s"
retries = 0

[[snmp.targets_from]]
file = "targets/*.json"
auth = "lab"
labels = { site = "paris", role = "edge" }

[traps]
listen = "0.0.0.0:1162"

[host]
enabled = false
interval = "2s"
lldp = false
labels = { rack = "7" }

[interfaces]
default_speed = false
tolerance = 0.1
stale_after_intervals = 4

[[interface]]
device = "edge*"
name = "et-0/0/1"
speed = "2.5G"

[[interface]]
device = "edge1"
name = "*"
speed = 100_000_000

[detect.link]
enabled = false
for = "1s"
keep_firing_for = "2s"
edge_ports = false

[detect.flapping]
suppress = 4
half_life = "10m"

[detect.speed]
accept_after = "1d"

[detect.saturation]
burst_discards_pps = 3
warning = 0.5
critical = 1
hysteresis = 0.1
for = "3s"

[detect.forecast]
threshold = 0.7
within = "60d"
minimum_history = "21d"
every = "6h"

[detect.drops]
congestion_warning = 1e-3
corruption_critical = 1e-2
minimum_pps = 2

[detect.redundancy]
enabled = false

[detect.device]
for = "30s"
clock_tolerance = 0.05
overrun_for = "2m"

[detect.optics]
received_warning_dbm = -12
received_critical_dbm = -14.4
temperature_critical_c = 80
for = "1m"

[redundancy]
forget_after = "30d"
edge_after = "5m"

[[shared_risk]]
name = "feed-b"
links = ["edge1:et-0/0/2"]
devices = ["leaf1", "leaf2"]

[[protect]]
from = "label:site"
to = "role=spine"
survive = "any single device or link"

[[redundancy.group]]
name = "paris-london"
links = ["edge1:et-0/0/1", { device = "10.0.0.1:161", interface = "1:2" }]
shared_risk = ["duct-7"]

[[receiver]]
name = "oncall"
kind = "webhook"
url = "https://alerts.example/hook?token=hush"
timeout = "3s"
send_resolved = false

[[route]]
receiver = "oncall"
match = { severity = "critical", role = "spine" }
"#;

const TARGETS: &str = r#"[
  {"targets": ["10.0.0.2", "leaf2.example:1161"], "labels": {"role": "leaf", "__meta_x": "y"}},
  {"targets": ["10.0.0.3"], "labels": {"__param_auth": "core"}}
]"#;

fn env(name: &str) -> Option<OsString> {
    match name {
        "AUTH" => Some("auth-password".into()),
        "EMPTY" => Some("".into()),
        _ => None,
    }
}

/// A folder with a good configuration, readable secrets and targets.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new(text: &str) -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        house.write("selvedge.toml", text);
        house.write("priv.txt", "priv-password\n");
        house.write("targets/a.json", TARGETS);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(house.path("priv.txt"), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As careful tools write: a new file under the old name.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, path).unwrap();
    }

    fn load(&self) -> Result<Loaded, Errors> {
        self.load_after(&discovery::LastGood::new())
    }

    fn load_after(&self, last_good: &discovery::LastGood) -> Result<Loaded, Errors> {
        load_with(Some(&self.path("selvedge.toml")), &env, last_good)
    }

    /// Text with the folder's own name taken out.
    fn plain(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn errors(&self) -> String {
        self.plain(self.load().expect_err("there must be errors"))
    }

    fn warnings(&self) -> String {
        let loaded = self.load().unwrap_or_else(|errors| panic!("{errors}"));
        self.plain(loaded.warnings.iter().map(Problem::to_string).collect::<String>())
    }
}

/// Compares what `tests/config/NAME.toml` says with `NAME.txt` beside it; `BLESS=1` writes the latter anew.
#[track_caller]
fn assert_golden(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let said = House::new(&std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap()).errors();
    let golden = folder.join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &said).unwrap();
    }
    let want = std::fs::read_to_string(&golden).unwrap();
    assert!(said == want, "\n--- said\n{said}\n--- wanted\n{want}");
    assert!(!said.contains("hush"), "a secret is shown");
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let house = House::new(GOOD);
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    let Settings {
        web,
        history,
        snmp,
        targets,
        traps,
        host,
        aggregate,
        detect,
        topology,
        receivers,
        routes,
        exports,
        alerts,
    } = loaded.settings;
    assert_eq!(exports, [], "they have tests of their own");
    assert_eq!(alerts, crate::alert::Settings::default());
    let secs = Duration::from_secs;

    assert_eq!(web.listen, "127.0.0.1:9751".parse().unwrap());
    assert_eq!(
        history,
        crate::history::Settings {
            enabled: true,
            path: house.path("data"),
            retention: secs(14_400),
            retention_5m: secs(5 * 86_400),
            retention_1h: secs(400 * 86_400),
            max_bytes: 4 << 30
        }
    );
    assert_eq!((snmp.interval, snmp.timeout, snmp.retries), (secs(5), Duration::from_millis(500), 1));

    let lab = Credentials::Community(crate::fabric::Secret::new("public"));
    let core = Credentials::User(crate::snmp::User {
        name: "selvedge".into(),
        auth: Some((AuthProtocol::Sha256, crate::fabric::Secret::new("auth-password"))),
        privacy: Some((PrivProtocol::Aes256Reeder, crate::fabric::Secret::new("priv-password"))),
        context: "vrf".into(),
    });
    assert_eq!(*snmp.auths["lab"], lab);
    assert_eq!(*snmp.auths["core"], core);

    let seen: Vec<_> = targets
        .iter()
        .map(|target| {
            let labels: Vec<_> = target.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let pace = (target.interval.as_secs(), target.timeout.as_millis(), target.retries);
            (target.address.as_str(), target.auth.as_str(), labels.join(" "), pace)
        })
        .collect();
    let (slow, quick) = ((5, 500, 1), (1, 1000, 0));
    assert_eq!(
        seen,
        [
            ("10.99.0.1:161", "lab", "role=spine".into(), slow),
            ("[2001:db8::1]:1161", "core", String::new(), quick),
            ("10.0.0.2:161", "lab", "role=leaf site=paris".into(), slow),
            ("leaf2.example:1161", "lab", "role=leaf site=paris".into(), slow),
            ("10.0.0.3:161", "core", "role=edge site=paris".into(), slow),
        ]
    );
    assert_eq!(*targets[4].credentials, core);

    assert_eq!(traps, Some(TrapSettings { listen: "0.0.0.0:1162".parse().unwrap() }));
    assert_eq!((host.enabled, host.interval, host.lldp, &*host.labels["rack"]), (false, secs(2), false, "7"));
    assert_eq!(aggregate.default_speed_bps, None);
    assert_eq!((aggregate.tolerance, aggregate.stale_after_intervals), (0.1, 4.0));
    let speeds: Vec<_> = aggregate.speed_overrides.iter().map(|o| (&*o.device, &*o.interface, o.speed_bps)).collect();
    assert_eq!(speeds, [("edge*", "et-0/0/1", 2_500_000_000), ("edge1", "*", 100_000_000)]);

    let link = &detect.link;
    assert_eq!(
        (link.enabled, link.pending_for, link.keep_firing_for, link.edge_ports),
        (false, secs(1), secs(2), false)
    );
    assert_eq!((detect.flapping.suppress, detect.flapping.half_life), (4.0, secs(600)));
    assert_eq!(detect.speed.accept_after, secs(86_400));
    let saturation = &detect.saturation;
    assert_eq!(saturation.burst_discards_pps, 3.0);
    assert_eq!((saturation.warning, saturation.critical, saturation.hysteresis), (0.5, 1.0, 0.1));
    assert_eq!((saturation.pending_for, saturation.keep_firing_for), (secs(3), secs(30)));
    let forecast = &detect.forecast;
    assert_eq!((forecast.threshold, forecast.within, forecast.every), (0.7, secs(60 * 86_400), secs(6 * 3_600)));
    assert_eq!((forecast.enabled, forecast.minimum_history), (true, secs(21 * 86_400)));
    let drops = &detect.drops;
    assert_eq!((drops.congestion_warning, drops.congestion_critical), (1e-3, 1e-2));
    assert_eq!((drops.corruption_warning, drops.corruption_critical, drops.minimum_pps), (1e-5, 1e-2, 2.0));
    assert!(!detect.redundancy.enabled && detect.device.enabled);
    assert_eq!((detect.device.pending_for, detect.device.overrun_for), (secs(30), secs(120)));
    assert_eq!(detect.device.clock_tolerance, 0.05);
    let optics = &detect.optics;
    assert_eq!((optics.received_warning_dbm, optics.received_critical_dbm), (-12.0, -14.4));
    assert_eq!((optics.temperature_warning_c, optics.temperature_critical_c), (70.0, 80.0));
    assert_eq!((optics.enabled, optics.pending_for), (true, secs(60)));

    assert_eq!((topology.forget_after, topology.edge_after), (secs(30 * 86_400), secs(300)));
    let group = &topology.groups[0];
    assert_eq!((&*group.name, &*group.shared_risk), ("paris-london", &["duct-7".to_owned()][..]));
    assert_eq!(group.links[0], crate::fabric::InterfaceId::new("edge1", "et-0/0/1"));
    assert_eq!(group.links[1], crate::fabric::InterfaceId::new("10.0.0.1:161", "1:2"));

    assert_eq!(&*receivers[0].name, "oncall");
    let ReceiverKind::Webhook { url, hmac } = &receivers[0].kind else { panic!("{:?}", receivers[0]) };
    assert_eq!((url.reveal(), hmac), ("https://alerts.example/hook?token=hush", &None));
    assert_eq!((receivers[0].timeout, receivers[0].send_resolved), (secs(3), false));
    assert_eq!(routes[0].receiver, "oncall");
    assert_eq!(routes[0].matchers["severity"], "critical");
}

#[test]
fn an_empty_file_is_the_defaults() {
    let house = House::new("");
    let settings = house.load().unwrap().settings;
    let history = crate::history::Settings { path: house.path("data"), ..Default::default() };
    assert_eq!(settings, Settings { history, ..Default::default() });
    assert!(house.warnings().contains("no receiver is configured"));
}

#[test]
fn a_named_file_must_be_there() {
    let errors = load(Some(Path::new("/nowhere/selvedge.toml"))).unwrap_err().to_string();
    assert_eq!(
        errors,
        "error: there is no such file\n --> /nowhere/selvedge.toml\n  = help: name the right one by --config FILE; \
         without it Selvedge watches this host with defaults\n"
    );
    let folder = tempfile::tempdir().unwrap();
    assert!(load(Some(folder.path())).unwrap_err().to_string().contains("cannot be read"));
    let path = folder.path().join("x.toml");
    std::fs::write(&path, b"[web]\nlisten = \"\xff\"").unwrap();
    assert!(load(Some(&path)).unwrap_err().to_string().contains("x.toml:2:11"));
}

#[test]
fn all_errors_are_told_at_once_in_the_order_of_the_file() {
    assert_golden("slips");
}

#[test]
fn every_kind_of_receiver_is_read() {
    let house = House::new(
        r#"
[[receiver]]
name = "hook"
kind = "webhook"
url = "https://hook.example/"
hmac = { file = "key.txt" }
headers = { X-Team = "net", Authorization = { file = "key.txt" } }
ca = "ca.pem"

[[receiver]]
name = "pager"
kind = "pagerduty"
routing_key = "hush"
send_resolved = false

[[receiver]]
name = "chat"
kind = "slack"
url = "https://hooks.slack.example/hush"

[[receiver]]
name = "am"
kind = "alertmanager"
urls = ["http://a:9093", { file = "url.txt" }]
resend_every = "30s"
"#,
    );
    house.write("key.txt", "hush\n");
    house.write("url.txt", "http://b:9093\n");
    house.write("ca.pem", include_str!("../../tests/deliver_alerts/tls/ca.pem"));
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    let hush = Secret::new("hush");
    let [hook, pager, chat, am] = &loaded.settings.receivers[..] else { panic!() };
    let kind = ReceiverKind::Webhook { url: Secret::new("https://hook.example/"), hmac: Some(hush.clone()) };
    assert_eq!(hook.kind, kind);
    assert_eq!(hook.headers, [("authorization".to_owned(), hush.clone()), ("x-team".to_owned(), Secret::new("net"))]);
    assert!(hook.ca.is_some());
    let url = Secret::new("https://events.pagerduty.com/v2/enqueue");
    assert_eq!(pager.kind, ReceiverKind::PagerDuty { url, routing_key: hush });
    assert!(!pager.send_resolved);
    assert_eq!(chat.kind, ReceiverKind::Slack { url: Secret::new("https://hooks.slack.example/hush") });
    let urls = ["http://a:9093", "http://b:9093"].map(Secret::new).to_vec();
    assert_eq!(am.kind, ReceiverKind::Alertmanager { urls, resend_every: Duration::from_secs(30) });
    assert!(!format!("{:?}", loaded.settings.receivers).contains("hush"));
}

#[test]
fn broken_text_is_told_a_line_at_a_time() {
    assert_golden("broken");
    assert_golden("torn");
}

#[test]
fn warnings_do_not_stop_anything() {
    let house =
        House::new(&format!("{GOOD}\n[snmp.auth.spare]\nversion = \"2c\"\ncommunity = {{ file = \"open.txt\" }}\n"));
    house.write("open.txt", "hush");
    let said = house.warnings();
    assert!(said.contains("no target uses [snmp.auth.spare]"), "{said}");
    #[cfg(unix)]
    assert!(said.contains("every user of this machine can read this secret"), "{said}");
    assert_eq!(said.matches("warning:").count(), 2, "{said}");

    let said = House::new("[host]\nenabled = false").warnings();
    assert!(said.contains("nothing is watched") && said.contains("no receiver is configured"), "{said}");
}

#[test]
fn secrets_come_from_files_and_the_environment() {
    let secret = |source: &str, file: &str| {
        let house = House::new(&format!("snmp.auth.a = {{ version = \"2c\", community = {source} }}"));
        house.write("c.txt", file);
        match house.load() {
            Ok(loaded) => match &*loaded.settings.snmp.auths["a"] {
                Credentials::Community(secret) => secret.reveal().to_owned(),
                Credentials::User(_) => unreachable!(),
            },
            Err(errors) => {
                let errors = errors.problems.into_iter().filter(|problem| problem.severity == Severity::Error);
                errors.map(|problem| problem.what).collect::<Vec<_>>().join("; ")
            }
        }
    };
    assert_eq!(secret("\"plain\"", ""), "plain");
    assert_eq!(secret("{ env = \"AUTH\" }", ""), "auth-password");
    assert_eq!(secret("{ file = \"c.txt\" }", "one\n"), "one");
    assert_eq!(secret("{ file = \"c.txt\" }", "one\r\n"), "one");
    assert_eq!(secret("{ file = \"c.txt\" }", "two\n\n"), "two\n");
    assert_eq!(secret("{ file = \"c.txt\" }", "\n"), "the secret is empty");
    assert_eq!(secret("{ env = \"EMPTY\" }", ""), "the environment variable EMPTY is empty");
    assert_eq!(secret("{ env = \"NONE\" }", ""), "the environment variable NONE is not set");
    assert!(secret("{ file = \"c.txt\" }", &"x".repeat(100_000)).contains("longer than any secret"));
    assert!(secret("{ file = \".\" }", "").contains("cannot be read"));
    assert_eq!(secret("{}", ""), "a secret needs either `env` or `file`");
    assert_eq!(secret("7", ""), "expected a secret, found a whole number");
}

#[test]
fn files_of_targets_are_told_by_entry_and_do_not_stop_the_rest() {
    let house = House::new(GOOD);
    house.write(
        "targets/b.json",
        "[{\"targets\": [\"10.0.0.9\", 7, \"a b\"], \"labels\": {\"x\": 1}}, {\"target\": []}]",
    );
    house.write("targets/c.json", "[{\"targets\": [\"10.0.0.8\"]},\n oops]");
    house.write("targets/d.json", "[{\"targets\": [\"10.0.0.7\"], \"labels\": {\"__param_auth\": \"cores\"}}]");
    house.write("targets/e.json", "[{\"targets\": [\"10.0.0.2:161\", \"10.99.0.1\", \"10.0.0.6\"]}]");
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    let said: Vec<_> = loaded
        .warnings
        .iter()
        .map(|problem| {
            let file = house.plain(problem.file.display());
            let place = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
            house.plain(format!("{file}{place} {} {} ({})", problem.key, problem.what, problem.help))
        })
        .collect();
    let form = "write [{\"targets\": [\"10.0.0.1\"], \"labels\": {\"role\": \"leaf\"}}]";
    assert_eq!(
        said,
        [
            "targets/b.json [0].labels.x expected a string (labels are texts)".to_owned(),
            format!("targets/b.json [0].targets[1] expected an address in quotes ({form})"),
            "targets/b.json [0].targets[2] \"a b\" holds blanks, or is too long (write HOST or HOST:PORT)".into(),
            format!("targets/b.json [1].targets expected an array of addresses ({form})"),
            "targets/c.json:2  not JSON: expected value (it must be a JSON array)".into(),
            "targets/d.json [0].targets[0] there is no [snmp.auth.cores] (did you mean \"core\"?)".into(),
            "targets/e.json [0].targets[0] \"10.0.0.2:161\" is a target already; this entry is left out (it is named \
             first at targets/a.json [0].targets[0])"
                .into(),
            "targets/e.json [0].targets[1] \"10.99.0.1:161\" is a target already; this entry is left out (it is named \
             first at selvedge.toml:28)"
                .into(),
        ]
    );
    let last: Vec<_> = loaded.settings.targets[5..].iter().map(|target| &*target.address).collect();
    assert_eq!(last, ["10.0.0.9:161", "10.0.0.6:161"]);
}

#[test]
fn a_file_that_goes_bad_keeps_its_last_good_targets() {
    let house = House::new(GOOD);
    let first = house.load().unwrap();
    house.write("targets/a.json", "[");
    let second = house.load_after(&first.last_good).unwrap();
    assert_eq!(second.settings, first.settings);
    assert_eq!(second.warnings[0].severity, Severity::Error);
    // A file that is gone is meant to be gone.
    std::fs::remove_file(house.path("targets/a.json")).unwrap();
    let third = house.load_after(&second.last_good).unwrap();
    assert_eq!(third.settings.targets.len(), 2);
    assert!(third.last_good.is_empty());
}

#[test]
fn the_watch_sees_every_file_and_waits_for_it_to_settle() {
    let text = GOOD.replace("{ env = \"AUTH\" }", "{ file = \"auth.txt\" }");
    let house = House::new(&text);
    house.write("auth.txt", "auth-password");
    let path = house.path("selvedge.toml");
    let loaded = load(Some(&path)).unwrap_or_else(|errors| panic!("{errors}"));
    let mut watch = Watch::new(Some(&path), &loaded);
    let mut settings = loaded.settings;
    assert!(watch.poll().is_none());

    let changed = |watch: &mut Watch, settings: &mut Settings| {
        assert!(watch.poll().is_none(), "not settled yet");
        let new = watch.poll().expect("seen").map(|loaded| loaded.settings);
        assert!(watch.poll().is_none(), "told once");
        new.map(|new| std::mem::replace(settings, new) != *settings)
    };
    // A secret of the same length: settings differ, though they print alike.
    let before = format!("{settings:?}");
    house.write("auth.txt", "auth-passw0rd");
    assert!(changed(&mut watch, &mut settings).unwrap());
    assert_eq!(before, format!("{settings:?}"));
    // A new file of targets, and one less.
    house.write("targets/b.json", "[{\"targets\": [\"10.1.1.1\"]}]");
    assert!(changed(&mut watch, &mut settings).unwrap());
    assert_eq!(settings.targets.last().unwrap().address, "10.1.1.1:161");
    std::fs::remove_file(house.path("targets/b.json")).unwrap();
    assert!(changed(&mut watch, &mut settings).unwrap());
    // Rewritten with the same content: read again, and nothing differs.
    house.write("selvedge.toml", &text);
    assert!(!changed(&mut watch, &mut settings).unwrap());
    // A bad file leaves all as it was, and its repair is seen.
    house.write("selvedge.toml", &text.replace("\"5s\"", "5s"));
    assert!(changed(&mut watch, &mut settings).unwrap_err().to_string().contains("a text without quotes"));
    std::fs::remove_file(&path).unwrap();
    assert!(changed(&mut watch, &mut settings).unwrap_err().to_string().contains("no such file"));
    house.write("selvedge.toml", &text.replace("\"5s\"", "\"6s\""));
    assert!(changed(&mut watch, &mut settings).unwrap());
    assert_eq!(settings.snmp.interval, Duration::from_secs(6));
    // On demand all is read, changed or not.
    assert!(watch.reload().is_ok_and(|loaded| loaded.settings == settings));
}

/// Kubernetes mounts `..data -> ..2026_1` and swaps that symlink.
#[cfg(unix)]
#[test]
fn the_watch_follows_swapped_symlinks() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, interval) in [("..1", "1s"), ("..2", "2s")] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("selvedge.toml"), format!("[snmp]\ninterval = \"{interval}\"")).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/selvedge.toml", at("selvedge.toml")).unwrap();
    let path = at("selvedge.toml");
    let loaded = load(Some(&path)).unwrap();
    let mut watch = Watch::new(Some(&path), &loaded);
    symlink("..2", at("..fresh")).unwrap();
    std::fs::rename(at("..fresh"), at("..data")).unwrap();
    assert!(watch.poll().is_none());
    assert_eq!(watch.poll().unwrap().unwrap().settings.snmp.interval, Duration::from_secs(2));
}

#[test]
fn many_targets_load_in_linear_time() {
    use std::fmt::Write as _;
    let mut text = "[snmp.auth.lab]\nversion = \"2c\"\ncommunity = \"c\"\n".to_owned();
    for host in 0..8_000 {
        let _ = write!(text, "[[snmp.target]]\naddress = \"h{host}\"\nauth = \"lab\"\nlabels = {{ a = \"b\" }}\n");
    }
    let house = House::new(&text);
    let start = Instant::now();
    assert_eq!(house.load().unwrap().settings.targets.len(), 8_000);
    // A debug build on a busy machine; a quadratic step would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // As many errors are told in part.
    let house = House::new(&text.replace("labels", "lables"));
    let errors = house.load().unwrap_err();
    assert_eq!(errors.problems.len(), 1_001);
    assert_eq!(errors.problems.last().unwrap().what, "7001 more problems are not shown");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Good files with pieces cut out or replaced: an answer with a place, and no panic.
    #[test]
    fn a_mutilated_file_is_answered(cuts in prop::collection::vec((0_usize..3_000, 0_usize..40, 0_usize..12), 1..6)) {
        const PIECES: [&str; 12] =
            ["", "\"", "=", "[", "]", "{", "\n", "\"\"\"", "7", "é", "[[snmp.target]]\n", "community = \"hush\"\n"];
        let mut text = GOOD.replace("public", "hush");
        for (at, length, piece) in cuts {
            let at = at % (text.len() + 1);
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, PIECES[piece]);
            }
        }
        let context = Context::new(Path::new("selvedge.toml"), text.clone(), Files::default(), &env);
        if let Err(errors) = read(context, discovery::LastGood::new()) {
            prop_assert!(errors.problems.iter().any(|problem| problem.severity == Severity::Error));
            for problem in &errors.problems {
                prop_assert!(!problem.what.is_empty());
                let lines = text.matches('\n').count() + 1;
                prop_assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)));
                let _ = (problem.to_string(), problem.coloured());
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in "([\\[\\]{}\"'=.,# \n\t\\\\]|[a-z0-9_-]|snmp|auth|target|true|\\PC){0,80}") {
        let context = Context::new(Path::new("selvedge.toml"), text, Files::default(), &env);
        if let Err(errors) = read(context, discovery::LastGood::new()) {
            let _ = errors.to_string();
        }
    }

    #[test]
    fn any_json_of_targets_is_answered(text in "([\\[\\]{}\",: ]|targets|labels|__param_auth|[a-z0-9.]|\\PC){0,80}") {
        let house = House::new("[snmp.auth.lab]\nversion = \"2c\"\ncommunity = \"c\"\n[[snmp.targets_from]]\nfile = \"t.json\"\nauth = \"lab\"");
        house.write("t.json", &text);
        prop_assert!(house.load().is_ok());
    }
}

#[test]
fn maintenance_and_circuits() {
    let house = House::new(
        r#"
        [web]
        changes = "never"
        [alerts]
        hold = "2s"
        restart_grace = "0s"
        [[interface]]
        device = "edge*"
        name = "et-0/0/1"
        circuit = "C-4711"
        [[redundancy.group]]
        name = "paris-london"
        circuit = "C-47"
        links = ["edge1:et-0/0/1", "edge2:et-0/0/1"]
        [[maintenance]]
        name = "once"
        circuit = "C-4711"
        start = "2027-03-27T22:00"
        end = "2027-03-28T04:00"
        zone = "Europe/Berlin"
        [[maintenance]]
        name = "again"
        match = { role = "spine*" }
        device = "spine1"
        start = "2027-01-05T02:00"
        duration = "2h"
        repeat = "FREQ=WEEKLY;BYDAY=TU"
        [[receiver]]
        name = "oncall"
        kind = "slack"
        url = "http://127.0.0.1/x"
        "#,
    );
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    let Settings { web, alerts, aggregate, .. } = loaded.settings;
    assert_eq!(web.changes, crate::web::Changes::Never);
    assert_eq!((alerts.hold, alerts.restart_grace), (Duration::from_secs(2), Duration::ZERO));
    assert_eq!((alerts.circuits[0].device.as_str(), &*alerts.circuits[0].name), ("edge*", "C-4711"));
    assert_eq!(alerts.group_circuits, [("paris-london".to_owned(), "C-47".into())]);
    assert!(aggregate.speed_overrides.is_empty());
    let [once, again] = alerts.maintenance.as_slice() else { panic!("{:?}", alerts.maintenance) };
    assert_eq!(once.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["circuit=C-4711"]);
    assert_eq!(once.duration, Duration::from_secs(5 * 3_600), "the clock leaps over one of the six hours");
    let matchers: Vec<_> = again.matchers.iter().map(ToString::to_string).collect();
    assert_eq!(
        (matchers.as_slice(), again.duration),
        (&["role=~spine*".to_owned(), "device=spine1".to_owned()][..], Duration::from_secs(7_200))
    );
    assert!(again.repeat.is_some());
}

#[test]
fn what_is_wrong_with_a_window_is_said() {
    let head = "[[maintenance]]\nname = \"w\"\n";
    for (text, words) in [
        ("start = \"2027-03-27T22:00\"\nduration = \"2h\"\n", "it is meant for every alert"),
        ("device = \"*\"\nstart = \"2027-03-27T22:00\"\nduration = \"2h\"\n", "it is meant for every alert"),
        ("device = \"a\"\nduration = \"2h\"\n", "`start` is missing"),
        ("device = \"a\"\nstart = \"2027-03-27T22:00\"\n", "it is not said when it ends"),
        ("device = \"a\"\nstart = \"2027-03-27T22:00Z\"\nduration = \"2h\"\n", "is not a day and a time of day"),
        ("device = \"a\"\nstart = \"2027-03-27T22:00\"\nend = \"2027-03-27T21:00\"\n", "it ends before it starts"),
        ("device = \"a\"\nstart = \"2027-03-27T22:00\"\nend = \"2027-05-27T21:00\"\n", "longer than 31 days"),
        (
            "device = \"a\"\nstart = \"2027-03-27T22:00\"\nend = \"2027-03-28T21:00\"\nduration = \"2h\"\n",
            "both `end` and `duration`",
        ),
        ("device = \"a\"\nstart = \"2027-03-27T22:00\"\nduration = \"2h\"\nzone = \"Mars\"\n", "is not a time zone"),
        (
            "device = \"a\"\nstart = \"2027-03-27T22:00\"\nduration = \"2h\"\nrepeat = \"FREQ=YEARLY\"\n",
            "FREQ=YEARLY is not known",
        ),
        ("device = \"spine.*\"\nstart = \"2027-03-27T22:00\"\nduration = \"2h\"\n", "looks like a regular expression"),
        ("device = \"a\"\nstart = \"2027-03-27T22:00\"\nduration = \"2h\"\nrrule = \"x\"\n", "did you mean `repeat`?"),
    ] {
        let errors = House::new(&format!("{head}{text}")).errors();
        assert!(errors.contains(words), "{text}\n{errors}");
    }
}
