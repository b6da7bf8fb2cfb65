use super::*;

const GOOD: &str = r#"ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS
    MODULE-IDENTITY, OBJECT-TYPE, Counter64, Integer32, enterprises FROM SNMPv2-SMI;

acme MODULE-IDENTITY
    LAST-UPDATED "202601010000Z"
    ORGANIZATION "Acme"
    CONTACT-INFO "Acme"
    DESCRIPTION "Acme."
    ::= { enterprises 99999 }

acmeTable OBJECT-TYPE
    SYNTAX SEQUENCE OF AcmeEntry
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION "Ports."
    ::= { acme 1 }

acmeEntry OBJECT-TYPE
    SYNTAX AcmeEntry
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION "A port."
    INDEX { acmePort }
    ::= { acmeTable 1 }

AcmeEntry ::= SEQUENCE { acmePort Integer32, acmeDrops Counter64 }

acmePort OBJECT-TYPE
    SYNTAX Integer32 (1..100)
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION "Its number."
    ::= { acmeEntry 1 }

acmeDrops OBJECT-TYPE
    SYNTAX Counter64
    MAX-ACCESS read-only
    STATUS current
    DESCRIPTION "Dropped."
    ::= { acmeEntry 2 }
END
"#;

const BROKEN: &str = "BENT-MIB DEFINITIONS ::= BEGIN\nIMPORTS enterprises, OBJECT-TYPE FROM SNMPv2-SMI;\n\nbent OBJECT-TYPE\n    SYNTAX ::= { enterprises 88888\nEND\n";

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Mibs) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mibs = Mibs::in_folder(folder.path()).unwrap();
    (folder, mibs)
}

#[test]
fn names_stand_for_numbers_and_back() {
    let (_folder, mibs) = folder(&[("ACME-MIB.txt", GOOD), ("profile.toml", "")]);
    assert!(mibs.broken().is_empty(), "{:?}", mibs.broken());
    let of = |text: &str| oid(text, &mibs).map(|oid| oid.to_string());
    assert_eq!(of("ACME-MIB::acmeDrops").as_deref(), Ok("1.3.6.1.4.1.99999.1.1.2"));
    assert_eq!(of("ACME-MIB::acmeDrops.7").as_deref(), Ok("1.3.6.1.4.1.99999.1.1.2.7"));
    assert_eq!(of("1.3.6.1").as_deref(), Ok("1.3.6.1"));
    assert_eq!(of(".1.3.6.1").as_deref(), Ok("1.3.6.1"));
    let why = |text: &str| of(text).unwrap_err().0;
    assert_eq!(
        why("ACME-MIB::nothing"),
        "ACME-MIB has no object \"nothing\"".replace("\"nothing\"", "\"ACME-MIB::nothing\"")
    );
    assert!(why("ELSE-MIB::x").starts_with("there is no module \"ELSE-MIB\" in "), "{}", why("ELSE-MIB::x"));
    assert_eq!(why("acmeDrops"), "\"acmeDrops\" does not say of which module it is");
    assert_eq!(why("1.2.x"), "\"1.2.x\" is no object identifier");
    assert!(why("").contains("does not say"));
    let name = |text: &str| mibs.name(&oid(text, &mibs).unwrap());
    assert_eq!(name("1.3.6.1.4.1.99999.1.1.2.7").as_deref(), Some("ACME-MIB::acmeDrops.7"));
    assert_eq!(name("1.3.6.1.4.1.77777.1"), None);
}

#[test]
fn a_broken_module_is_told_with_file_and_line_and_stops_no_other() {
    let (folder, mibs) = folder(&[("ACME-MIB", GOOD), ("BENT-MIB", BROKEN)]);
    let told = mibs.broken();
    assert!(!told.is_empty());
    for problem in &told {
        assert_eq!((problem.severity, &problem.file), (Severity::Error, &folder.path().join("BENT-MIB")), "{problem}");
        assert!(problem.line.is_some_and(|line| (1..=7).contains(&line)), "{problem}");
    }
    assert_eq!(oid("ACME-MIB::acmeDrops", &mibs).map(|oid| oid.to_string()).as_deref(), Ok("1.3.6.1.4.1.99999.1.1.2"));
}

#[test]
fn a_profile_may_use_names_and_check_names_what_is_broken() {
    let house = tempfile::tempdir().unwrap();
    let mibs = house.path().join("vendors");
    std::fs::create_dir(&mibs).unwrap();
    std::fs::write(mibs.join("ACME-MIB"), GOOD).unwrap();
    std::fs::write(mibs.join("BENT-MIB"), BROKEN).unwrap();
    let profile = "match = [\"ACME-MIB::acme\"]\n[[counter]]\nobject = \"ACME-MIB::acmeDrops\"\nclass = \"policy\"\ndirection = \"in\"\n";
    std::fs::write(mibs.join("acme.toml"), profile).unwrap();
    let file = house.path().join("selvedge.toml");
    std::fs::write(&file, "[snmp]\nmibs = \"vendors\"\n").unwrap();
    let loaded = crate::config::load(Some(&file)).unwrap_or_else(|errors| panic!("{errors}"));
    let chosen = loaded.settings.snmp.profiles.choose("1.3.6.1.4.1.99999.5", "").unwrap();
    assert_eq!(chosen.profile.objects[0].oid.to_string(), "1.3.6.1.4.1.99999.1.1.2");
    let broken: Vec<_> = loaded.warnings.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(!broken.is_empty() && broken.iter().all(|problem| problem.file.ends_with("BENT-MIB")), "{broken:?}");

    std::fs::write(mibs.join("acme.toml"), profile.replace("acmeDrops", "acmeDrips")).unwrap();
    let loaded = crate::config::load(Some(&file)).unwrap();
    let problem = loaded.warnings.iter().find(|problem| problem.file.ends_with("acme.toml")).unwrap();
    assert_eq!((problem.line, problem.key.as_str()), (Some(3), "counter[0].object"));
    assert!(problem.what.contains("ACME-MIB has no object"), "{problem}");
}
