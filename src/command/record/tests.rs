use super::*;
use crate::fabric::Secret;
use crate::snmp::Credentials;

fn masked(text: &str) -> String {
    let mut lines = Lines::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.splitn(3, '|').collect();
        let oid = fields[0].split('.').map(|arc| arc.parse().unwrap()).collect();
        let tag: u8 = fields[1].trim_end_matches('x').parse().unwrap();
        let value = match (tag, fields[1].ends_with('x')) {
            (_, true) => Recorded::Octets(
                (0..fields[2].len() / 2)
                    .map(|at| u8::from_str_radix(&fields[2][at * 2..at * 2 + 2], 16).unwrap())
                    .collect(),
            ),
            (4, false) => Recorded::Octets(fields[2].as_bytes().to_vec()),
            _ => Recorded::Plain(fields[2].to_owned()),
        };
        lines.insert(oid, Line { tag, value });
    }
    let lines = Mask::new(&Credentials::Community(Secret::new("hush-hush"))).apply(lines);
    let mut out = Vec::new();
    write(&mut out, &lines).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn values_are_written_so_that_they_can_be_read_again() {
    let name = Oid::literal(&[1, 3, 6, 1]);
    let cases: [(Value<'_>, &str); 12] = [
        (Value::Integer(-5), "2|-5"),
        (Value::OctetString(b"plain | text"), "4|plain | text"),
        (Value::OctetString(b""), "4|"),
        (Value::OctetString(b" kept "), "4x|206b65707420"),
        (Value::OctetString(&[0, 255]), "4x|00ff"),
        (Value::OctetString("caf\u{e9}".as_bytes()), "4x|636166c3a9"),
        (Value::Oid(name.as_ref()), "6|1.3.6.1"),
        (Value::IpAddress([10, 0, 0, 1].into()), "64|10.0.0.1"),
        (Value::Counter64(u64::MAX), "70|18446744073709551615"),
        (Value::TimeTicks(7), "67|7"),
        (Value::Opaque(&[0x9f, 0x78]), "68x|9f78"),
        (Value::Null, "5|"),
    ];
    for (value, line) in cases {
        let mut out = Vec::new();
        write(&mut out, &Lines::from([(vec![1, 3], recorded(value).unwrap())])).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("1.3|{line}\n"));
    }
    assert_eq!(recorded(Value::NoSuchObject), None);
}

#[test]
fn addresses_stay_the_same_in_each_place() {
    let text = masked(
        "1.3.6.1.2.1.1.1.0|4|Router 192.0.2.7 (00:1b:21:aa:bb:cc), see 192.0.2.7:80.
         1.3.6.1.2.1.2.2.1.6.1|4x|001b21aabbcc
         1.3.6.1.2.1.4.20.1.1.192.0.2.7|64|192.0.2.7
         1.3.6.1.2.1.4.20.1.2.192.0.2.7|2|1
         1.3.6.1.2.1.4.20.1.3.192.0.2.7|64|255.255.255.0
         1.0.8802.1.1.2.1.4.2.1.3.0.5.1.1.4.192.0.2.7|2|2
         1.0.8802.1.1.2.1.4.1.1.5.0.5.1|4x|001b21aabbcc
         1.0.8802.1.1.2.1.4.1.1.5.0.6.1|4x|01c0000207",
    );
    // In the order of the lines: the neighbour's address is met first.
    assert_eq!(
        text,
        "1.0.8802.1.1.2.1.4.1.1.5.0.5.1|4x|020000000001\n\
         1.0.8802.1.1.2.1.4.1.1.5.0.6.1|4x|010a000001\n\
         1.0.8802.1.1.2.1.4.2.1.3.0.5.1.1.4.10.0.0.1|2|2\n\
         1.3.6.1.2.1.1.1.0|4|Router 10.0.0.1 (02:00:00:00:00:01), see 10.0.0.1:80.\n\
         1.3.6.1.2.1.2.2.1.6.1|4x|020000000001\n\
         1.3.6.1.2.1.4.20.1.1.10.0.0.1|64|10.0.0.1\n\
         1.3.6.1.2.1.4.20.1.2.10.0.0.1|2|1\n\
         1.3.6.1.2.1.4.20.1.3.10.0.0.1|64|255.255.255.0\n"
    );
}

#[test]
fn secrets_and_serials_go() {
    let text = masked(
        "1.3.6.1.2.1.1.4.0|4|Jane Doe
         1.3.6.1.2.1.1.5.0|4|spine1
         1.3.6.1.2.1.1.6.0|4|Rack 7
         1.3.6.1.2.1.31.1.1.1.18.1|4|to leaf1, community hush-hush
         1.3.6.1.2.1.47.1.1.1.1.11.1|4|ABC123
         1.3.6.1.2.1.47.1.1.1.1.11.2|4|
         1.3.6.1.2.1.47.1.1.1.1.11.3|4|ABC123
         1.3.6.1.4.1.9.9.1|4|any word
         1.3.6.1.4.1.9.9.2|65|12
         1.3.6.1.6.3.18.1.1.1.2.1|4|hush-hush
         1.3.6.1.2.1.25.4.2.1.5.1|4|--password=x",
    );
    assert_eq!(
        text,
        "1.3.6.1.2.1.1.4.0|4|contact-1\n\
         1.3.6.1.2.1.1.5.0|4|spine1\n\
         1.3.6.1.2.1.1.6.0|4|location-2\n\
         1.3.6.1.2.1.31.1.1.1.18.1|4|to leaf1, community community\n\
         1.3.6.1.2.1.47.1.1.1.1.11.1|4|serial-3\n\
         1.3.6.1.2.1.47.1.1.1.1.11.2|4|\n\
         1.3.6.1.2.1.47.1.1.1.1.11.3|4|serial-3\n\
         1.3.6.1.4.1.9.9.1|4|xxxxxxxx\n\
         1.3.6.1.4.1.9.9.2|65|12\n"
    );
}

#[test]
fn names_are_not_mistaken_for_addresses() {
    let names = "Ethernet1/1|ge-0/0/1.0|de:ad|eth0|1.2.3|Port: 5|feed-face|abc def".split('|');
    for name in names {
        let line = format!("1.3.6.1.2.1.31.1.1.1.1.1|4|{name}");
        assert_eq!(masked(&line), line + "\n");
    }
}

#[test]
fn nobody_sees_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.snmprec");
    std::fs::write(&path, "before").unwrap();
    let failed = replace(&path, |out| {
        out.write_all(b"half")?;
        Err(io::Error::other("disk full"))
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    replace(&path, |out| out.write_all(b"whole")).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn any_value_can_be_masked_and_written(
        oid in proptest::collection::vec(proptest::prelude::any::<u32>(), 2..20),
        root in 0usize..6,
        octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        const ROOTS: [&[u32]; 6] = [
            &[1, 3, 6, 1, 2, 1, 4, 20, 1, 1],
            &[1, 3, 6, 1, 2, 1, 4, 34, 1, 3],
            &[1, 0, 8802, 1, 1, 2, 1, 3, 8, 1],
            &[1, 0, 8802, 1, 1, 2, 1, 4, 2, 1],
            &[1, 3, 6, 1, 4, 1],
            &[1, 3],
        ];
        let oid: Vec<u32> = ROOTS[root].iter().copied().chain(oid).collect();
        let lines = Lines::from([(oid, Line { tag: 4, value: Recorded::Octets(octets) })]);
        let masked = Mask::new(&Credentials::Community(Secret::new("hush-hush"))).apply(lines);
        let mut out = Vec::new();
        write(&mut out, &masked).unwrap();
        let lines = out.iter().filter(|octet| **octet == b'\n').count();
        proptest::prop_assert_eq!(lines, masked.len());
    }
}
