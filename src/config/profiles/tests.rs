//! The shipped profiles, what is said of bad ones, and any text at all.

use proptest::prelude::*;

use super::super::load;
use super::*;
use crate::mib::ether_like;
use crate::mib::interfaces::{LOSSES, PAIRS};

fn read(text: &str) -> (Option<Profile>, String) {
    let (profile, problems) = parse("test", Path::new("mibs/test.toml"), Origin::Shipped, text, &Mibs::none());
    (profile, problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_shipped_profiles_are_sound_and_read_their_own_vendor_s_objects() {
    for (name, text) in SHIPPED {
        let (profile, said) = read(text);
        let profile = profile.unwrap_or_else(|| panic!("{name}: {said}"));
        assert_eq!(said, "", "{name}");
        assert!(!profile.description.is_empty() && !profile.objects.is_empty(), "{name}");
        for object in &profile.objects {
            let (module, descriptor) = object.name.split_once("::").expect("MODULE::descriptor");
            assert!(
                module.contains('-') && descriptor.starts_with(|c: char| c.is_ascii_lowercase()),
                "{}",
                object.name
            );
            // SONiC answers with a part of Cisco's MIB.
            let own = profile.prefixes.iter().any(|prefix| object.oid.starts_with(prefix));
            assert!(own || name == "sonic", "{} is not under {name}'s prefix", object.name);
            assert!(object.counter.is_drops(), "{}", object.name);
        }
        // No object is counted twice: not the same rows of one column.
        let mut seen = std::collections::HashSet::new();
        for object in &profile.objects {
            assert!(seen.insert((object.oid.to_string(), object.index.to_string())), "{} is read twice", object.name);
        }
    }
    assert_eq!(shipped().0.len(), SHIPPED.len());
}

#[test]
fn every_shipped_file_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mibs");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "standard")
        .collect();
    files.sort();
    assert_eq!(files, SHIPPED.map(|(name, _)| name));
}

#[test]
fn what_is_said_to_be_read_of_every_device_is_what_is_compiled_in() {
    let (profile, said) = read(include_str!("../../../mibs/standard.toml"));
    assert_eq!(said, "");
    let told: Vec<_> = profile
        .unwrap()
        .objects
        .into_iter()
        .map(|object| {
            let name = object.name.split_once("::").unwrap().1.to_owned();
            (name, object.oid.to_string(), object.counter, object.width)
        })
        .collect();
    let pairs = |wide: bool| {
        PAIRS.map(|pair| match wide {
            true => (pair.wide, pair.counter, CounterWidth::Bits64),
            false => (pair.narrow, pair.counter, CounterWidth::Bits32),
        })
    };
    let single =
        LOSSES.into_iter().chain(ether_like::COUNTERS).map(|object| (object.column, object.counter, object.width));
    let mut compiled: Vec<_> = pairs(true)
        .into_iter()
        .chain(pairs(false))
        .chain(single)
        .map(|(column, counter, width)| (column.name.to_owned(), column.object_id().to_string(), counter, width))
        .collect();
    let mut told = told;
    told.sort_by(|one, other| one.1.cmp(&other.1));
    compiled.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(told, compiled);
}

const BAD: &str = r#"
name = "mine"
match = ["1.3.6.1.4.1.99999", "1.x"]

[[counter]]
object = "TEST-MIB::drops"
class = "conjestion"
direction = "out"

[[counter]]
object = "TEST-MIB::a"
oid = "1.3.6.1.4.1.99999.1"
index = "_.queue"
class = "corruption"
direction = "sideways"
scale = 0
width = 48

[[counter]]
object = "TEST-MIB::b"
oid = "1.3.6.1.4.1.99999.2"
counter = "ifInErors"
unit = "octets"

[[counter]]
oid = "1.3.6.1.4.1.99999.3"
class = "noroute"
direction = "out"

[[counter]]
object = "TEST-MIB::c"
oid = "1.3.6.1.4.1.99999.4"
class = "policy"
counters = "x"
"#;

#[test]
fn everything_wrong_is_told_with_its_place() {
    let (profile, said) = read(BAD);
    assert!(profile.is_none());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/profile.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(golden).unwrap());
}

#[test]
fn a_profile_for_nothing_or_of_nothing_is_none() {
    for (text, what) in [
        ("", "for which devices is it?"),
        ("match = [\"1.3.6.1.4.1.9\"]", "it reads nothing"),
        (
            "sys_descr = [\"\"]\n[[counter]]\noid = \"1.3.9\"\nclass = \"policy\"\ndirection = \"in\"",
            "which every sysDescr contains",
        ),
        ("match = 1.3", "expected an array of strings"),
        ("match = [", "this is not TOML"),
    ] {
        let (profile, said) = read(text);
        assert!(profile.is_none() && said.contains(what), "{text}: {said}");
    }
}

const MINE: &str = "match = [\"1.3.6.1.4.1.9.1\"]\n[[counter]]\nobject = \"MY-MIB::drops\"\noid = \"1.3.6.1.4.1.9.7.1.2\"\nclass = \"policy\"\ndirection = \"in\"\n";

#[test]
fn the_operator_s_profiles_lie_beside_the_shipped_ones_or_over_them() {
    let house = tempfile::tempdir().unwrap();
    let file = house.path().join("selvedge.toml");
    std::fs::write(&file, "").unwrap();
    let loaded = || load(Some(&file)).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded().settings.snmp.profiles, shipped());

    std::fs::create_dir(house.path().join("mibs")).unwrap();
    std::fs::write(house.path().join("mibs/mine.toml"), MINE).unwrap();
    let profiles = loaded().settings.snmp.profiles;
    assert_eq!(profiles.0.len(), SHIPPED.len() + 1);
    let chosen = profiles.choose("1.3.6.1.4.1.9.1.5", "").unwrap();
    assert_eq!(
        (chosen.profile.name.as_str(), chosen.why.as_str()),
        ("mine", "sysObjectID begins with 1.3.6.1.4.1.9.1")
    );
    assert!(chosen.profile.origin.to_string().ends_with("mibs/mine.toml"));

    // One with the name of a shipped one replaces it; a bad one is told, and the shipped one stays.
    std::fs::rename(house.path().join("mibs/mine.toml"), house.path().join("mibs/cisco.toml")).unwrap();
    assert_eq!(loaded().settings.snmp.profiles.0.len(), SHIPPED.len());
    assert!(loaded().settings.snmp.profiles.choose("1.3.6.1.4.1.9.12", "").is_none(), "Cisco's is the operator's now");
    std::fs::write(house.path().join("mibs/cisco.toml"), MINE.replace("policy", "police")).unwrap();
    let told = loaded();
    assert_eq!(told.settings.snmp.profiles, shipped());
    let problem = told.warnings.iter().find(|problem| problem.severity == Severity::Error).unwrap();
    assert!(problem.file.ends_with("mibs/cisco.toml"), "{problem}");
    assert_eq!((problem.line, problem.key.as_str()), (Some(5), "counter[0].class"));

    // A folder that is named must be there.
    std::fs::write(&file, "[snmp]\nmibs = \"nowhere\"").unwrap();
    let errors = load(Some(&file)).unwrap_err().to_string();
    assert!(errors.contains("is no folder") && errors.contains("snmp.mibs"), "{errors}");
}

#[test]
fn a_new_profile_is_seen_while_running() {
    let house = tempfile::tempdir().unwrap();
    let file = house.path().join("selvedge.toml");
    std::fs::write(&file, "").unwrap();
    std::fs::create_dir(house.path().join("mibs")).unwrap();
    let loaded = load(Some(&file)).unwrap();
    let mut watch = super::super::Watch::new(Some(&file), &loaded);
    assert!(watch.poll().is_none());
    std::fs::write(house.path().join("mibs/mine.toml"), MINE).unwrap();
    assert!(watch.poll().is_none(), "not settled yet");
    let new = watch.poll().expect("seen").unwrap();
    assert_eq!(new.settings.snmp.profiles.0.len(), SHIPPED.len() + 1);
    assert!(watch.poll().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_is_a_profile_or_is_told_why_not(
        text in ".{0,300}",
        at in 0..BAD.len(),
        with in "[\\[\\]\"=.a-z0-9 \n]{0,6}",
    ) {
        let mut bent = BAD.to_owned();
        if bent.is_char_boundary(at) {
            bent.replace_range(at..at, &with);
        }
        for text in [text, bent] {
            let (profile, said) = read(&text);
            prop_assert!(profile.is_some() || !said.is_empty());
        }
    }
}
