use std::collections::HashMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn chassis(n: u32) -> ChassisId {
    ChassisId { subtype: 4, value: n.to_be_bytes().to_vec() }
}

fn at(n: u32) -> IpAddr {
    IpAddr::from([10, 0, (n >> 8) as u8, n as u8])
}

fn place(n: u32) -> SocketAddr {
    SocketAddr::new(at(n), 1161)
}

fn heard(n: u32, addresses: &[u32]) -> HeardDevice {
    let addresses = addresses.iter().map(|&n| at(n)).collect();
    HeardDevice { chassis_id: chassis(n), sys_name: format!("sw{n}"), addresses }
}

fn answer(n: u32, hears: Vec<HeardDevice>) -> Answer {
    Answer { sys_name: format!("sw{n}"), chassis_id: Some(chassis(n)), credentials: 0, heard: hears }
}

fn crawl(max_devices: usize) -> Crawl {
    Crawl::new(Settings { allow: vec!["10.0.0.0/24".parse().unwrap()], max_devices })
}

#[test]
fn follows_what_is_allowed_and_tells_of_the_rest() {
    let mut crawl = crawl(10);
    crawl.offer(place(1), Some(3));
    let seed = crawl.next_ask().unwrap();
    assert_eq!((seed.address, seed.likely), (place(1), Some(3)));
    assert_eq!(crawl.next_ask(), None);
    let neighbours = vec![heard(2, &[2]), heard(3, &[0x103]), heard(4, &[]), heard(5, &[0x105, 5])];
    crawl.answered(&seed, Answer { credentials: 7, ..answer(1, neighbours) });

    let two = crawl.next_ask().unwrap();
    assert_eq!((two.address, two.likely), (place(2), Some(7)), "the port and the credentials of who told of it");
    let five = crawl.next_ask().unwrap();
    assert_eq!(five.address, place(5), "the address that is allowed");
    crawl.failed(&two, UnreachableReason::Timeout);
    crawl.answered(&five, answer(5, vec![heard(1, &[1, 9])]));
    assert_eq!(crawl.next_ask(), None, "the seed is known by its chassis id, whatever its address");

    let names: Vec<&str> = crawl.devices().iter().map(|device| device.sys_name.as_str()).collect();
    assert_eq!(names, ["sw1", "sw5"]);
    assert_eq!(crawl.devices()[1].heard_from, Some(0));
    let unfound: Vec<(String, Why)> = crawl.unfound().into_iter().map(|unfound| (unfound.name, unfound.why)).collect();
    let why = [
        ("sw2".to_owned(), Why::Silent(UnreachableReason::Timeout)),
        ("sw3".to_owned(), Why::NotAllowed),
        ("sw4".to_owned(), Why::NoAddress),
    ];
    assert_eq!(unfound, why);
}

#[test]
fn one_device_with_two_addresses_is_one() {
    let mut crawl = crawl(10);
    crawl.offer(place(1), None);
    crawl.offer(place(2), None);
    let (one, two) = (crawl.next_ask().unwrap(), crawl.next_ask().unwrap());
    crawl.answered(&one, answer(1, Vec::new()));
    crawl.answered(&two, answer(1, Vec::new()));
    assert_eq!(crawl.devices().len(), 1);
    assert_eq!(crawl.devices()[0].also, [place(2)]);
    assert_eq!(crawl.outcome(&place(2)), Some(Outcome::Device(0)));

    // Without a chassis id the name tells; with two of them the name is but a name.
    for (chassis_id, devices) in [(None, 1), (Some(chassis(9)), 2)] {
        let n = if devices == 1 { 3 } else { 4 };
        crawl.offer(place(n), None);
        let ask = crawl.next_ask().unwrap();
        crawl.answered(&ask, Answer { chassis_id, ..answer(1, Vec::new()) });
        assert_eq!(crawl.devices().len(), devices);
    }
}

#[test]
fn who_answers_for_another_is_found_and_the_other_is_not() {
    let mut crawl = crawl(10);
    crawl.offer(place(1), None);
    let seed = crawl.next_ask().unwrap();
    crawl.answered(&seed, answer(1, vec![heard(2, &[2, 3])]));
    let ask = crawl.next_ask().unwrap();
    crawl.answered(&ask, answer(8, Vec::new()));
    let again = crawl.next_ask().unwrap();
    assert_eq!(again.address, place(3), "its other address");
    crawl.failed(&again, UnreachableReason::Refused);
    assert_eq!(crawl.next_ask(), None);
    assert_eq!(crawl.devices().len(), 2);
    let unfound = crawl.unfound();
    assert_eq!(unfound.len(), 1);
    assert_eq!((unfound[0].name.as_str(), &unfound[0].why), ("sw2", &Why::Another(1)));
}

#[test]
fn no_more_devices_than_may_be() {
    let mut crawl = crawl(2);
    crawl.offer(place(1), None);
    let seed = crawl.next_ask().unwrap();
    crawl.answered(&seed, answer(1, (2..6).map(|n| heard(n, &[n])).collect()));
    let ask = crawl.next_ask().unwrap();
    assert_eq!(crawl.next_ask(), None, "one is found and one is asked");
    crawl.answered(&ask, answer(2, Vec::new()));
    assert_eq!(crawl.next_ask(), None);
    assert_eq!(crawl.unfound().iter().map(|unfound| &unfound.why).collect::<Vec<_>>(), [&Why::TooMany; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Against the plain closure: whatever the graph, whoever is silent and however answers are ordered, those
    /// found are those that can be reached over allowed devices that answer, each asked once.
    #[test]
    fn finds_what_can_be_reached(
        edges in prop::collection::vec((0u32..24, 0u32..24), 0..80),
        silent in prop::collection::hash_set(1u32..24, 0..6),
        outside in prop::collection::hash_set(1u32..24, 0..6),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let address = |n: u32| if outside.contains(&n) { n + 0x100 } else { n };
        let mut hears: HashMap<u32, Vec<u32>> = HashMap::new();
        for (a, b) in edges {
            hears.entry(a).or_default().push(b);
            hears.entry(b).or_default().push(a);
        }
        let (mut reached, mut open) = (std::collections::BTreeSet::from([0]), vec![0]);
        while let Some(n) = open.pop() {
            for &m in hears.get(&n).into_iter().flatten() {
                if !silent.contains(&m) && !outside.contains(&m) && reached.insert(m) {
                    open.push(m);
                }
            }
        }
        let mut crawl = crawl(100);
        crawl.offer(place(0), None);
        let (mut out, mut asked, mut turns) = (Vec::new(), Vec::new(), turns.iter().cycle());
        loop {
            while let Some(ask) = crawl.next_ask() {
                asked.push(ask.address);
                out.push(ask);
            }
            if out.is_empty() {
                break;
            }
            let ask = out.swap_remove(turns.next().unwrap().index(out.len()));
            let n = (0..24).find(|&n| place(n) == ask.address).unwrap();
            if silent.contains(&n) {
                crawl.failed(&ask, UnreachableReason::Timeout);
            } else {
                let heard = hears.get(&n).into_iter().flatten().map(|&m| heard(m, &[address(m)])).collect();
                crawl.answered(&ask, answer(n, heard));
            }
        }
        let mut found: Vec<SocketAddr> = crawl.devices().iter().map(|device| device.address).collect();
        found.sort();
        let mut expected: Vec<SocketAddr> = reached.iter().map(|&n| place(n)).collect();
        expected.sort();
        prop_assert_eq!(found, expected);
        let once: std::collections::HashSet<_> = asked.iter().collect();
        prop_assert_eq!(once.len(), asked.len());
    }
}
