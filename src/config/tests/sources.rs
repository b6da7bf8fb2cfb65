//! Targets and credentials out of other tools' files and servers, and paces by group.

use std::sync::Mutex;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use super::*;

const AUTHS: &str = r#"
auths:
  public_v2:
    community: public
    security_level: noAuthNoPriv
    auth_protocol: MD5
    priv_protocol: DES
    version: 2
  bare: {}
  numeric: {version: 2, community: 12345678}
  core:
    version: 3
    username: selvedge
    security_level: authPriv
    auth_protocol: SHA256
    password: hush-auth-password
    priv_protocol: AES256C
    priv_password: hush-priv-password
    context_name: vrf
  named: {version: 3, username: guest}
  old: {version: 1, community: hush}
  short: {version: 3, username: u, security_level: authNoPriv, password: hush}
  odd: {version: 3, username: u, security_level: authNoPriv, auth_protocol: ROT13, password: hush-hush-hush}
modules:
  if_mib: {walk: [1.3.6.1.2.1.2]}
"#;

fn targets(loaded: &Loaded) -> Vec<(&str, &str, u64)> {
    let targets = loaded.settings.targets.iter();
    targets.map(|target| (&*target.address, &*target.auth, target.interval.as_secs())).collect()
}

#[test]
fn the_auths_of_snmp_exporter_serve() {
    let house = House::new(
        r#"
[snmp]
auths_from = ["snmp.yml"]
[snmp.auth.bare]
version = "2c"
community = "mine"
[[snmp.target]]
address = "10.0.0.1"
auth = "public_v2"
[[snmp.targets_from]]
file = "targets/*.yml"
"#,
    );
    house.write("snmp.yml", AUTHS);
    house.write("targets/b.yml", "- targets: [10.0.0.2]\n  labels: {__param_auth: core, __param_module: if_mib}\n");
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(targets(&loaded), [("10.0.0.1:161", "public_v2", 10), ("10.0.0.2:161", "core", 10)]);
    let auths = &loaded.settings.snmp.auths;
    let community = |text| Credentials::Community(Secret::new(text));
    assert_eq!(*auths["public_v2"], community("public"));
    assert_eq!(*auths["numeric"], community("12345678"));
    assert_eq!(*auths["bare"], community("mine"), "our own file is believed first");
    let core = Credentials::User(crate::snmp::User {
        name: "selvedge".into(),
        auth: Some((AuthProtocol::Sha256, Secret::new("hush-auth-password"))),
        privacy: Some((PrivProtocol::Aes256Reeder, Secret::new("hush-priv-password"))),
        context: "vrf".into(),
    });
    assert_eq!(*auths["core"], core);
    let guest = crate::snmp::User { name: "guest".into(), auth: None, privacy: None, context: String::new() };
    assert_eq!(*auths["named"], Credentials::User(guest));
    assert_eq!(auths.keys().collect::<Vec<_>>(), ["bare", "core", "named", "numeric", "public_v2"]);

    let warnings = house.warnings();
    for said in [
        "auths.old: SNMP version 1 is not supported",
        "auths.short: `password` has fewer than 8 characters",
        "auths.odd: \"ROT13\" is not a protocol for `auth_protocol`",
        "auths.bare: \"bare\" is known already",
    ] {
        assert!(warnings.contains(said.split_once(": ").unwrap().1), "{said} is not in {warnings}");
    }
    assert!(!warnings.contains("hush"), "{warnings}");
}

#[test]
fn a_target_with_an_auth_that_cannot_be_used_is_no_error_twice() {
    let house = House::new(
        "[snmp]\nauths_from = [\"snmp.yml\", \"none.yml\"]\n[[snmp.target]]\naddress = \"10.0.0.1\"\nauth = \"old\"\n",
    );
    house.write("snmp.yml", AUTHS);
    let errors = house.errors();
    assert!(errors.contains("none.yml cannot be read"), "{errors}");
    assert!(!errors.contains("there is no [snmp.auth.old]"), "{errors}");

    house.write("none.yml", "auths: [\n");
    let errors = house.warnings();
    assert!(errors.contains("none.yml") && errors.contains("not YAML"), "{errors}");
    house.write("none.yml", "modules: {}\n");
    assert!(house.errors().contains("has no `auths`"));
}

#[test]
fn groups_set_the_pace_of_targets_that_do_not() {
    let house = House::new(
        r#"
[snmp]
interval = "30s"
[snmp.auth.lab]
version = "2c"
community = "public"
[[snmp.group]]
match = { role = "spine" }
interval = "1s"
retries = 5
[[snmp.group]]
match = { role = "spine", site = "paris" }
interval = "2s"
timeout = "700ms"
[[snmp.target]]
address = "own"
auth = "lab"
interval = "3s"
labels = { role = "spine" }
[[snmp.target]]
address = "both"
auth = "lab"
labels = { role = "spine", site = "paris" }
[[snmp.target]]
address = "none"
auth = "lab"
[[snmp.targets_from]]
file = "targets/*.json"
auth = "lab"
interval = "4s"
"#,
    );
    house.write("targets/a.json", r#"[{"targets": ["a"], "labels": {"role": "spine"}}, {"targets": ["b"]}]"#);
    let loaded = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        targets(&loaded),
        [
            ("own:161", "lab", 3),
            ("both:161", "lab", 1),
            ("none:161", "lab", 30),
            ("a:161", "lab", 1),
            ("b:161", "lab", 4)
        ]
    );
    let both = &loaded.settings.targets[1];
    assert_eq!((both.timeout, both.retries), (Duration::from_millis(700), 5));

    let house = House::new("[[snmp.group]]\ninterval = \"1s\"\n[[snmp.group]]\nmatch = {}\n");
    let errors = house.errors();
    assert!(errors.contains("`match` is missing") && errors.contains("`match` names no label"), "{errors}");
}

#[test]
fn http_and_file_do_not_mix() {
    let house = House::new(
        "[[snmp.targets_from]]\nfile = \"a.json\"\nhttp = \"http://127.0.0.1/\"\n[[snmp.targets_from]]\nfile = \"b\"\nrefresh = \"5s\"\n\
         [[snmp.targets_from]]\nhttp = \"ftp://hush@x/\"\n[[snmp.targets_from]]\n",
    );
    let errors = house.errors();
    for said in
        ["`file` and `http` together", "`refresh` belongs to `http`", "neither http nor https", "`file` is missing"]
    {
        assert!(errors.contains(said), "{said} is not in {errors}");
    }
}

/// A source of targets that answers what it is told to.
async fn source(answer: &'static Mutex<(StatusCode, String)>) -> String {
    let reply = move |headers: HeaderMap| async move {
        if headers.get("authorization").is_none_or(|value| value != "Bearer hush") {
            return (StatusCode::UNAUTHORIZED, String::new());
        }
        answer.lock().unwrap().clone()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:hush@{}/targets?token=hush", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/targets", get(reply))).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_over_http_come_stay_and_go() {
    static ANSWER: Mutex<(StatusCode, String)> = Mutex::new((StatusCode::OK, String::new()));
    let say = |status, text: &str| *ANSWER.lock().unwrap() = (status, text.to_owned());
    say(StatusCode::OK, r#"[{"targets": ["10.0.0.1"], "labels": {"role": "leaf", "__meta_x": "y"}}]"#);
    let url = source(&ANSWER).await;
    let url = url.replace("user:hush@", "");
    let house = House::new(&format!(
        "[snmp.auth.lab]\nversion = \"2c\"\ncommunity = \"public\"\n[[snmp.targets_from]]\nhttp = \"{url}\"\nauth = \"lab\"\n\
         refresh = \"1s\"\nheaders = {{ Authorization = \"Bearer hush\" }}\n",
    ));
    let path = house.path("selvedge.toml");
    let first = house.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(targets(&first), []);
    let warnings = house.warnings();
    assert!(warnings.contains("has not been asked yet") && !warnings.contains("hush"), "{warnings}");

    let mut watch = Watch::new(Some(&path), &first);
    let mut fetching = Fetching::default();
    fetching.reconfigure(&first.settings.snmp.targets_over_http);
    let mut next = async || {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(Instant::now() < until, "nothing changed");
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(result) = watch.poll() {
                return result.unwrap_or_else(|errors| panic!("{errors}"));
            }
        }
    };
    assert_eq!(targets(&next().await), [("10.0.0.1:161", "lab", 10)]);

    // Neither an error nor nonsense changes anything; the next good answer does.
    say(StatusCode::INTERNAL_SERVER_ERROR, "[]");
    let urls = &first.settings.snmp.targets_over_http;
    assert!(urls[0].ask().await.unwrap_err().contains("500"));
    say(StatusCode::OK, "{\"hush\": 1}");
    assert_eq!(urls[0].ask().await.unwrap_err(), "its answer is not a JSON array of groups");
    say(StatusCode::OK, "<html>hush");
    let why = urls[0].ask().await.unwrap_err();
    assert!(why.starts_with("its answer is not JSON") && !why.contains("hush"), "{why}");
    assert_eq!(targets(&house.load().unwrap()), [("10.0.0.1:161", "lab", 10)]);
    say(StatusCode::OK, r#"[{"targets": ["10.0.0.2", "10.0.0.3"]}]"#);
    assert_eq!(targets(&next().await).len(), 2);

    // A bad entry is told under the URL's name, without its secrets.
    say(StatusCode::OK, r#"[{"targets": [7]}]"#);
    let loaded = next().await;
    assert_eq!(targets(&loaded).len(), 2, "those that were good last");
    let told: String = loaded.warnings.iter().map(Problem::to_string).collect();
    assert!(told.contains("/targets") && told.contains("[0].targets[0]") && !told.contains("hush"), "{told}");
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    let shown = |url: &str| fetch::shown(&Secret::new(url));
    assert_eq!(shown("https://user:hush@x.example:8443/a/b?token=hush#hush"), "https://x.example:8443/a/b");
    assert_eq!(shown("hush"), "an unreadable URL");
}
