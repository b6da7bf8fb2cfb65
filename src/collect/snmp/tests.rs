//! The poller against an agent of our own whose answers the test may change at any moment, to lie as devices do.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::*;
use crate::collect::Target;
use crate::fabric::{Counter, CounterWidth, DeviceId, InterfacePoll, Labels, Reading, Sample, Secret};
use crate::snmp::message::{self, Body, Message, PduHeader, PduKind};
use crate::snmp::{Credentials, Oid, Value, VarBind, Version};

#[derive(Clone)]
enum Kept {
    Integer(i64),
    Text(String),
    Counter32(u32),
    Counter64(u64),
    Ticks(u32),
}

impl Kept {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::OctetString(text.as_bytes()),
            Self::Counter32(number) => Value::Counter32(*number),
            Self::Counter64(number) => Value::Counter64(*number),
            Self::Ticks(number) => Value::TimeTicks(*number),
        }
    }
}

type Objects = BTreeMap<Vec<u32>, Kept>;

/// An agent whose objects are the test's to change.
struct Liar {
    address: SocketAddr,
    objects: Arc<Mutex<Objects>>,
    /// Answer each request twice, and once more from another port.
    babbles: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn arcs(text: &str) -> Vec<u32> {
    text.split('.').map(|arc| arc.parse().unwrap()).collect()
}

impl Liar {
    async fn start(objects: Objects) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let objects = Arc::new(Mutex::new(objects));
        let babbles = Arc::new(AtomicBool::new(false));
        let (answers, twice) = (objects.clone(), babbles.clone());
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let answer = {
                    let mut objects = answers.lock().unwrap();
                    if let Some(Kept::Ticks(uptime)) = objects.get_mut(&arcs("1.3.6.1.2.1.1.3.0")) {
                        // Its clock runs, from wherever the test put it.
                        *uptime += 1;
                    }
                    answer(&buffer[..length], &objects)
                };
                let Some(answer) = answer else { continue };
                socket.send_to(&answer, from).await.unwrap();
                if twice.load(Ordering::Relaxed) {
                    socket.send_to(&answer, from).await.unwrap();
                    other.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, objects, babbles, task }
    }

    fn change(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.objects.lock().unwrap());
    }
}

fn answer(datagram: &[u8], objects: &Objects) -> Option<Vec<u8>> {
    const ROOM: usize = 1_400;
    let Ok(Message::Community(request)) = message::decode(datagram) else { return None };
    let Body::Pdu(pdu) = request.body else { return None };
    let names: Vec<Vec<u32>> = pdu.varbinds.iter().flatten().map(|varbind| varbind.name.arcs().collect()).collect();
    let next =
        |name: &Vec<u32>| objects.range((std::ops::Bound::Excluded(name.clone()), std::ops::Bound::Unbounded)).next();
    let mut told: Vec<(Vec<u32>, Option<&Kept>)> = Vec::new();
    match pdu.header.kind {
        PduKind::Get => told.extend(names.iter().map(|name| (name.clone(), objects.get(name)))),
        PduKind::GetNext | PduKind::GetBulk => {
            let is_bulk = pdu.header.kind == PduKind::GetBulk;
            let once = if is_bulk { pdu.header.error_status as usize } else { names.len() }.min(names.len());
            let mut at: Vec<Vec<u32>> = names.clone();
            for name in &names[..once] {
                told.push(next(name).map_or((name.clone(), None), |(name, kept)| (name.clone(), Some(kept))));
            }
            'repetitions: for _ in 0..if is_bulk { pdu.header.error_index } else { 0 } {
                for name in &mut at[once..] {
                    let found = next(name).map_or((name.clone(), None), |(name, kept)| (name.clone(), Some(kept)));
                    name.clone_from(&found.0);
                    told.push(found);
                    if told.len() * 24 > ROOM {
                        break 'repetitions;
                    }
                }
            }
        }
        _ => return None,
    }
    let missing = if pdu.header.kind == PduKind::Get { Value::NoSuchInstance } else { Value::EndOfMibView };
    let names: Vec<Oid> = told.iter().map(|(name, _)| Oid::from_arcs(name).unwrap()).collect();
    let varbinds = names
        .iter()
        .zip(&told)
        .map(|(name, (_, kept))| VarBind { name: name.as_ref(), value: kept.map_or(missing, Kept::value) });
    let header =
        PduHeader { kind: PduKind::Response, request_id: pdu.header.request_id, error_status: 0, error_index: 0 };
    let mut out = Vec::new();
    message::encode_community(Version::V2c, request.community, header, varbinds, &mut out);
    Some(out)
}

/// A device with these ports: `(ifIndex, ifName, octets in)`.
fn device(name: &str, ports: &[(u32, &str, u64)]) -> Objects {
    let mut objects = Objects::from([
        (arcs("1.3.6.1.2.1.1.1.0"), Kept::Text("a liar".into())),
        (arcs("1.3.6.1.2.1.1.3.0"), Kept::Ticks(1_000_000)),
        (arcs("1.3.6.1.2.1.1.5.0"), Kept::Text(name.into())),
    ]);
    for (index, name, octets) in ports {
        put(&mut objects, *index, name, *octets);
    }
    objects
}

fn put(objects: &mut Objects, index: u32, name: &str, octets: u64) {
    let mut set = |column: &str, kept| _ = objects.insert(arcs(&format!("{column}.{index}")), kept);
    set("1.3.6.1.2.1.2.2.1.2", Kept::Text(format!("port {name}")));
    set("1.3.6.1.2.1.2.2.1.3", Kept::Integer(6));
    set("1.3.6.1.2.1.2.2.1.7", Kept::Integer(1));
    set("1.3.6.1.2.1.2.2.1.8", Kept::Integer(1));
    set("1.3.6.1.2.1.2.2.1.10", Kept::Counter32(octets as u32));
    set("1.3.6.1.2.1.31.1.1.1.1", Kept::Text(name.into()));
    set("1.3.6.1.2.1.31.1.1.1.6", Kept::Counter64(octets));
    set("1.3.6.1.2.1.31.1.1.1.15", Kept::Integer(10_000));
}

struct Watch {
    poller: Poller,
    samples: mpsc::UnboundedReceiver<Sample>,
}

async fn watch(agents: &[&Liar]) -> Watch {
    let (to_samples, samples) = mpsc::unbounded_channel();
    let sink: crate::collect::SampleSink = Arc::new(move |sample| _ = to_samples.send(sample));
    let poller = Poller::start(HashMap::new(), sink, Arc::new(|_| {})).unwrap();
    let target = |agent: &&Liar| Target {
        address: agent.address.to_string(),
        credentials: Arc::new(Credentials::Community(Secret::new("public"))),
        auth: "test".into(),
        labels: Labels::new(),
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(500),
        retries: 1,
    };
    poller.reconfigure(agents.iter().map(target).collect()).await;
    Watch { poller, samples }
}

impl Watch {
    async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Sample) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(&self.samples.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(8), found).await;
        found.unwrap_or_else(|_| panic!("no {what}: {:?}", self.poller.stats().counters().collect::<Vec<_>>()))
    }

    fn counted(&self, name: &str) -> u64 {
        self.poller.stats().counters().find(|(counter, _)| *counter == name).unwrap().1
    }
}

fn row<'s>(sample: &'s Sample, name: &str) -> Option<&'s InterfacePoll> {
    match &sample.reading {
        Reading::Poll(rows) => rows.iter().find(|row| &*row.if_name == name),
        _ => None,
    }
}

#[tokio::test]
async fn a_renumbered_interface_never_has_another_s_counters() {
    const NORTH: u64 = 1_000_000_000_000;
    const SOUTH: u64 = 5;
    let agent = Liar::start(device("moves", &[(1, "north", NORTH), (2, "south", SOUTH)])).await;
    let mut watch = watch(&[&agent]).await;
    watch.wait("poll", |sample| row(sample, "south").map(|_| ())).await;

    // The device swaps its numbers, and says nothing of it: no uptime falls, no table change is told.
    agent.change(|objects| {
        put(objects, 1, "south", SOUTH);
        put(objects, 2, "north", NORTH);
    });
    // Both are polled again after that, and at no time one as the other.
    let mut again = 0;
    watch
        .wait("polls of both under their names", |sample| {
            for (name, octets) in [("north", NORTH), ("south", SOUTH)] {
                if let Some(row) = row(sample, name) {
                    assert_eq!(row.counters.get(Counter::InOctets), Some(octets), "{name} has the other's counter");
                }
            }
            let indexes: Option<Vec<u32>> = match &sample.reading {
                Reading::Inventory(inventory) => Some(inventory.iter().map(|info| info.if_index).collect()),
                _ => None,
            };
            if indexes.is_some() {
                again = 0;
            }
            again += usize::from(row(sample, "north").is_some() && row(sample, "south").is_some());
            (again >= 5).then_some(())
        })
        .await;
    assert!(watch.counted("rows_refused") >= 1);
    assert!(watch.counted("inventories") >= 2);
}

#[tokio::test]
async fn counters_of_64_bits_that_stand_at_zero_are_read_in_32() {
    let agent = Liar::start(device("narrow", &[(1, "p1", 77)])).await;
    agent.change(|objects| _ = objects.insert(arcs("1.3.6.1.2.1.31.1.1.1.6.1"), Kept::Counter64(0)));
    let mut watch = watch(&[&agent]).await;
    let counters = watch.wait("poll", |sample| row(sample, "p1").map(|row| row.counters)).await;
    assert_eq!(counters.get(Counter::InOctets), Some(77));
    assert_eq!(counters.width(Counter::InOctets), CounterWidth::Bits32);
    assert_eq!(counters.get(Counter::OutOctets), None, "what the device does not count is not zero");
}

#[tokio::test]
async fn answers_from_elsewhere_and_answers_to_nothing_are_counted() {
    let agent = Liar::start(device("babbler", &[(1, "p1", 77)])).await;
    agent.babbles.store(true, Ordering::Relaxed);
    let mut watch = watch(&[&agent]).await;
    for _ in 0..5 {
        watch.wait("poll", |sample| row(sample, "p1").map(|_| ())).await;
    }
    assert!(watch.counted("stray") >= 5, "from another port");
    assert!(watch.counted("late") >= 5, "doubled");
    assert_eq!(watch.counted("timeouts"), 0);
    assert_eq!(watch.counted("polls_odd"), 0, "a device that does as it should is no riddle");
}

#[tokio::test]
async fn a_new_interface_is_found_by_the_poll_that_meets_it() {
    let agent = Liar::start(device("grows", &[(1, "p1", 77)])).await;
    let mut watch = watch(&[&agent]).await;
    watch.wait("poll", |sample| row(sample, "p1").map(|_| ())).await;
    agent.change(|objects| put(objects, 9, "p9", 99));
    watch.wait("poll of the new one", |sample| row(sample, "p9").map(|_| ())).await;
    agent.change(|objects| objects.retain(|oid, _| oid.last() != Some(&9)));
    watch
        .wait("inventory without it", |sample| match &sample.reading {
            Reading::Inventory(inventory) => (inventory.len() == 1).then_some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn who_a_device_is_told_again_does_not_turn_its_clock_back() {
    let agent = Liar::start(device("steady", &[(1, "p1", 7)])).await;
    let mut watch = watch(&[&agent]).await;
    // While it is discovered, what was read of it first is told more than once, with polls in between.
    let (mut newest, mut polls, mut told) = (0, 0, 0);
    watch
        .wait("polls", |sample| {
            let uptime = sample.device_uptime.map_or(newest, |uptime| uptime.0);
            assert!(uptime >= newest, "back from {newest} by {sample:?}");
            newest = uptime;
            polls += usize::from(row(sample, "p1").is_some());
            told += usize::from(matches!(sample.reading, Reading::Identity(_)));
            (polls >= 3 && told >= 2).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_restart_makes_everything_be_read_anew() {
    let agent = Liar::start(device("restarts", &[(1, "p1", 77)])).await;
    let mut watch = watch(&[&agent]).await;
    watch.wait("poll", |sample| row(sample, "p1").map(|_| ())).await;
    let before = watch.counted("inventories");
    agent.change(|objects| _ = objects.insert(arcs("1.3.6.1.2.1.1.3.0"), Kept::Ticks(5)));
    watch.wait("inventory", |sample| matches!(sample.reading, Reading::Inventory(_)).then_some(())).await;
    assert!(watch.counted("inventories") > before);
}

#[tokio::test]
async fn neighbors_are_heard_and_a_change_of_them_is_noticed() {
    let agent = Liar::start(device("hears", &[(4, "uplink", 77)])).await;
    let hear = |objects: &mut Objects, row: u32, name: &str| {
        let mut set =
            |column: u32, kept| _ = objects.insert(arcs(&format!("1.0.8802.1.1.2.1.4.1.1.{column}.0.4.{row}")), kept);
        set(4, Kept::Integer(7));
        set(5, Kept::Text(format!("chassis {name}")));
        set(6, Kept::Integer(5));
        set(7, Kept::Text("downlink".into()));
        set(9, Kept::Text(name.into()));
        objects.insert(arcs("1.0.8802.1.1.2.1.2.1.0"), Kept::Ticks(row));
    };
    agent.change(|objects| hear(objects, 1, "spine1"));
    let mut watch = watch(&[&agent]).await;
    let heard = |sample: &Sample| match &sample.reading {
        Reading::Neighbors(neighbors) => Some(
            neighbors.iter().map(|neighbor| format!("{} {}", neighbor.local, neighbor.sys_name)).collect::<Vec<_>>(),
        ),
        _ => None,
    };
    assert_eq!(watch.wait("neighbours", heard).await, ["uplink spine1"]);
    watch.wait("poll", |sample| row(sample, "uplink").map(|_| ())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    agent.change(|objects| hear(objects, 2, "spine2"));
    // Long before their turn: the scalar in the poll tells.
    assert_eq!(watch.wait("new neighbours", heard).await, ["uplink spine1", "uplink spine2"]);
}

#[tokio::test]
async fn what_only_some_ports_have_costs_one_walk_and_no_more() {
    const FCS_ERRORS: &str = "1.3.6.1.2.1.10.7.2.1.3";
    let agent = Liar::start(device("mixed", &[(1, "lo", 1), (2, "e1", 2), (3, "e2", 3), (9, "vlan7", 9)])).await;
    let frames = |objects: &mut Objects, port: u32, count| {
        objects.insert(arcs(&format!("{FCS_ERRORS}.{port}")), Kept::Counter32(count));
    };
    agent.change(|objects| {
        frames(objects, 2, 22);
        frames(objects, 3, 33);
    });
    let mut watch = watch(&[&agent]).await;
    let all = ["lo", "e1", "e2", "vlan7"];
    let told = |sample: &Sample| {
        let rows: Vec<_> = all.iter().filter_map(|name| row(sample, name)).collect();
        let of = |row: &&InterfacePoll| (row.counters.get(Counter::InOctets), row.counters.get(Counter::FcsErrors));
        (rows.len() == all.len()).then(|| rows.iter().map(of).collect::<Vec<_>>())
    };
    for _ in 0..10 {
        let rows = watch.wait("poll", told).await;
        assert_eq!(rows, [(Some(1), None), (Some(2), Some(22)), (Some(3), Some(33)), (Some(9), None)]);
    }
    assert_eq!(watch.counted("polls_odd"), 1, "it is learned by the first poll");
    // A port that counts them no more is noticed, and its neighbour is never taken for it.
    agent.change(|objects| _ = objects.remove(&arcs(&format!("{FCS_ERRORS}.2"))));
    let gone = |sample: &Sample| told(sample).filter(|rows| rows[1].1.is_none());
    for _ in 0..10 {
        let rows = watch.wait("poll", gone).await;
        assert_eq!(rows, [(Some(1), None), (Some(2), None), (Some(3), Some(33)), (Some(9), None)]);
    }
    assert_eq!(watch.counted("polls_odd"), 2);
}

#[tokio::test]
async fn a_device_without_interfaces_is_still_a_device() {
    let agent = Liar::start(device("bare", &[])).await;
    let mut watch = watch(&[&agent]).await;
    let polled = watch
        .wait("empty poll", |sample| match &sample.reading {
            Reading::Poll(rows) => Some((sample.device.clone(), rows.len())),
            Reading::Unreachable(reason) => panic!("{reason:?}"),
            _ => None,
        })
        .await;
    assert_eq!(polled, (DeviceId::from("bare"), 0));
}
