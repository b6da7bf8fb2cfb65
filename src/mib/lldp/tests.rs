use super::*;
use crate::mib::fixture::Recording;
use crate::mib::interfaces::inventory;

fn ports(text: &str) -> LocalPorts {
    let recording = Recording::parse(text);
    LocalPorts::join(&recording.local_ports(), &inventory(&recording.interface_rows()))
}

fn interface(ports: &LocalPorts, number: u32) -> Option<&str> {
    ports.interface(number).map(|name| &**name)
}

/// Three ports whose ifIndexes are 501 to 503.
const PORTS: &str = "
    1.3.6.1.2.1.2.2.1.2.501|4|Slot 0 Port 1
    1.3.6.1.2.1.2.2.1.2.502|4|Slot 0 Port 2
    1.3.6.1.2.1.2.2.1.2.503|4|Slot 0 Port 3
    1.3.6.1.2.1.2.2.1.6.501|4x|02005e000001
    1.3.6.1.2.1.2.2.1.6.502|4x|02005e000002
    1.3.6.1.2.1.2.2.1.6.503|4x|02005e000003
    1.3.6.1.2.1.31.1.1.1.1.501|4|0/1
    1.3.6.1.2.1.31.1.1.1.1.502|4|0/2
    1.3.6.1.2.1.31.1.1.1.1.503|4|0/3
    1.3.6.1.2.1.31.1.1.1.18.502|4|to spine1
";

fn local(number: u32, subtype: Option<u8>, id: &str, descr: &str) -> String {
    let mut text = String::new();
    if let Some(subtype) = subtype {
        text += &format!("1.0.8802.1.1.2.1.3.7.1.2.{number}|2|{subtype}\n");
    }
    let tag = if id.len() == 12 { "4x" } else { "4" };
    text + &format!("1.0.8802.1.1.2.1.3.7.1.3.{number}|{tag}|{id}\n1.0.8802.1.1.2.1.3.7.1.4.{number}|4|{descr}\n")
}

#[test]
fn a_port_is_found_by_any_of_its_words() {
    let cases = [
        (Some(5), "0/2", ""),
        (None, "0/2", ""),
        (Some(7), "0/2", ""),
        (Some(5), "Slot 0 Port 2", ""),
        (Some(1), "to spine1", ""),
        (Some(3), "02005e000002", ""),
        (None, "02005e000002", ""),
        (Some(7), "1002", "Slot 0 Port 2"),
        (Some(5), "unheard of", "0/2"),
        (Some(6), "circuit", "to spine1"),
    ];
    for (subtype, id, descr) in cases {
        let ports = ports(&(PORTS.to_owned() + &local(2, subtype, id, descr)));
        assert_eq!(interface(&ports, 2), Some("0/2"), "{subtype:?} {id:?} {descr:?}");
        assert_eq!(ports.ids().len(), 1);
        assert_eq!(&*ports.ids()[0].0, "0/2");
    }
}

#[test]
fn digits_are_an_index_and_not_a_name() {
    // Interface 501 is called `502` here: that the local id is `502` too is a coincidence.
    let text = PORTS.replace("4|0/1", "4|502") + &local(17, Some(7), "502", "");
    assert_eq!(interface(&ports(&text), 17), Some("0/2"));
    // Words show on another port that ids of digits are not indexes here.
    let text = text + &local(18, Some(7), "501", "0/3");
    assert_eq!(interface(&ports(&text), 17), None);
}

#[test]
fn without_words_the_number_is_the_if_index() {
    let none = ports(PORTS);
    assert_eq!(interface(&none, 502), Some("0/2"));
    assert_eq!(interface(&none, 2), None);
    let meaningless = ports(&(PORTS.to_owned() + &local(502, Some(7), "port-002", "uplink")));
    assert_eq!(interface(&meaningless, 502), Some("0/2"));
}

#[test]
fn numbers_that_words_show_to_be_no_indexes_do_not_count() {
    // Numbers run 502, 503, 504 for the ports 501, 502 and something that is no interface.
    let text = PORTS.to_owned()
        + &local(502, Some(5), "0/1", "")
        + &local(503, Some(5), "0/2", "")
        + &local(501, Some(5), "mgmt", "");
    let ports = ports(&text);
    assert_eq!(interface(&ports, 502), Some("0/1"));
    assert_eq!(interface(&ports, 503), Some("0/2"));
    assert_eq!(interface(&ports, 501), None);
}

#[test]
fn a_word_that_fits_two_interfaces_fits_none() {
    let text = PORTS.replace("02005e000003", "02005e000001") + &local(9, Some(3), "02005e000001", "");
    assert_eq!(interface(&ports(&text), 9), None);
}

fn remote(time_mark: u32, port: u32, row: u32, chassis: &str, port_id: &str, sys_name: &str) -> String {
    let at = format!("{time_mark}.{port}.{row}");
    format!(
        "1.0.8802.1.1.2.1.4.1.1.4.{at}|2|4\n1.0.8802.1.1.2.1.4.1.1.5.{at}|4x|{chassis}\n\
         1.0.8802.1.1.2.1.4.1.1.6.{at}|2|5\n1.0.8802.1.1.2.1.4.1.1.7.{at}|4|{port_id}\n\
         1.0.8802.1.1.2.1.4.1.1.9.{at}|4|{sys_name}\n"
    )
}

fn heard(text: &str) -> (Vec<Neighbor>, usize) {
    let recording = Recording::parse(text);
    let ports = LocalPorts::join(&recording.local_ports(), &inventory(&recording.interface_rows()));
    let (rows, addresses) = recording.remotes();
    neighbors(&rows, &addresses, &ports)
}

#[test]
fn a_neighbor_with_its_addresses() {
    let text = PORTS.to_owned()
        + &remote(77, 502, 3, "02005e0000aa", "leaf1", "spine1")
        + "1.0.8802.1.1.2.1.4.2.1.3.77.502.3.1.4.10.99.0.1|2|2\n"
        + "1.0.8802.1.1.2.1.4.2.1.3.77.502.3.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1|2|2\n"
        + "1.0.8802.1.1.2.1.4.2.1.3.77.502.3.6.6.2.0.94.0.0.1|2|2\n";
    let (neighbors, unusable) = heard(&text);
    assert_eq!(unusable, 0);
    assert_eq!(
        neighbors,
        [Neighbor {
            local: "0/2".into(),
            chassis_id: ChassisId { subtype: 4, value: vec![2, 0, 0x5e, 0, 0, 0xaa] },
            port_id: PortId { subtype: 5, value: b"leaf1".to_vec() },
            port_descr: String::new(),
            sys_name: "spine1".into(),
            management_addresses: vec!["10.99.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        }]
    );
}

#[test]
fn a_device_that_is_heard_on_two_ports_is_one() {
    let text = remote(77, 501, 1, "02005e0000aa", "leaf1", "old")
        + &remote(99, 502, 1, "02005e0000aa", "leaf2", "spine1")
        + &remote(99, 999, 1, "02005e0000bb", "p", "no port of ours")
        + "1.0.8802.1.1.2.1.4.2.1.3.77.501.1.1.4.10.99.0.1|2|2\n"
        + "1.0.8802.1.1.2.1.4.2.1.3.99.502.1.1.4.10.99.0.1|2|2\n"
        + "1.0.8802.1.1.2.1.4.2.1.3.99.502.1.1.4.10.99.0.2|2|2\n";
    let (rows, addresses) = Recording::parse(&text).remotes();
    let devices = devices_heard(&rows, &addresses);
    let told: Vec<_> = devices.iter().map(|device| (device.sys_name.as_str(), device.addresses.len())).collect();
    assert_eq!(told, [("spine1", 2), ("no port of ours", 0)]);
}

#[test]
fn of_two_rows_of_one_neighbor_the_later_counts() {
    let text = PORTS.to_owned()
        + &remote(77, 502, 3, "02005e0000aa", "leaf1", "old")
        + &remote(99, 502, 3, "02005e0000aa", "leaf1", "new")
        + &remote(99, 502, 4, "02005e0000bb", "leaf1", "another");
    let names: Vec<_> = heard(&text).0.into_iter().map(|neighbor| neighbor.sys_name).collect();
    assert_eq!(names, ["new", "another"]);
}

#[test]
fn rows_that_cannot_be_used_are_counted() {
    let text = PORTS.to_owned()
        + &remote(1, 7, 1, "02005e0000aa", "leaf1", "no such port")
        + &remote(1, 501, 2, "", "leaf1", "no chassis");
    assert_eq!(heard(&text), (Vec::new(), 2));
}

#[test]
fn indexes_that_are_no_indexes() {
    assert_eq!(RemoteIndex::parse(&[1, 2]), None);
    assert_eq!(remote_address(&[1, 2, 3, 1, 4, 10, 0, 0]), None);
    assert_eq!(remote_address(&[1, 2, 3, 1, 4, 10, 0, 0, 256]), None);
    assert_eq!(remote_address(&[1, 2]), None);
    assert_eq!(local_address(&[1, 4, 0, 0, 0, 0]), None, "unspecified");
    assert_eq!(local_address(&[1, 5, 10, 0, 0, 1, 0]), Some("10.0.0.1".parse().unwrap()), "a closing NUL");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn any_index_is_read_or_refused(index in proptest::collection::vec(proptest::prelude::any::<u32>(), 0..24)) {
        let _ = (RemoteIndex::parse(&index), remote_address(&index), local_address(&index));
    }

    /// Whatever ports and interfaces a device claims to have.
    #[test]
    fn a_port_has_an_interface_of_the_device_or_none(
        names in proptest::collection::vec("(a|b|1|2|)", 1..6),
        claims in proptest::collection::btree_map(0u32..8, ("(a|b|1|2|)", 0u8..9), 0..6),
    ) {
        let inventory: Vec<Arc<InterfaceInfo>> = names
            .iter()
            .enumerate()
            .map(|(at, name)| Arc::new(InterfaceInfo {
                if_name: format!("{name}#{at}").into(),
                if_index: at as u32,
                if_descr: name.clone(),
                ..InterfaceInfo::default()
            }))
            .collect();
        let ports: BTreeMap<u32, LocalPort> = claims
            .into_iter()
            .map(|(number, (id, subtype))| (number, LocalPort { subtype, id: id.into_bytes(), descr: String::new() }))
            .collect();
        let joined = LocalPorts::join(&ports, &inventory);
        for number in ports.keys() {
            if let Some(name) = joined.interface(*number) {
                proptest::prop_assert!(inventory.iter().any(|info| info.if_name == *name));
            }
        }
    }
}
