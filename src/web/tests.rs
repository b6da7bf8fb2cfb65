//! The server on a port of loopback, asked as browsers, scripts and Prometheus ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Edit, Probe, Server, Settings, WebState};
use crate::aggregate::Basis;
use crate::aggregate::algebra::Clock;
use crate::alert::{Alert, Book, Mutes};
use crate::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, DeviceHealth, DeviceIdentity, DeviceState, EndState, Evidence,
    Finding, FindingKey, FindingKind, GroupKind, GroupState, InterfaceId, InterfaceInfo, InterfacePoll, InterfaceState,
    LinkEnd, LinkHealth, LinkId, LinkState, OperStatus, Percentiles, Rate, Rates, Reading, Sample, Severity, Snapshot,
    Spread, Subject, Timestamp, Unknown, UnreachableReason, Uptime, UtilizationSpread, Verdict,
};
use crate::history::History;
use crate::telemetry::Registry;
use crate::topology::Outline;
use crate::topology::headroom::{After, Basis as Loads, Headroom, Method, Worst};
use crate::topology::ledger::{Device, PartName, Scene};

const T0: i64 = 1_795_478_400;

struct World {
    address: SocketAddr,
    client: reqwest::Client,
    snapshot: Arc<Mutex<Arc<Snapshot>>>,
    alerts: Arc<Mutex<Arc<Vec<Alert>>>>,
    healthy: Arc<AtomicBool>,
    status_calls: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn world() -> World {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let history =
        History::start(&crate::history::Settings { path: folder.path().into(), ..Default::default() }).unwrap();
    for second in 0..100u64 {
        let mut counters = Counters::default();
        counters.set(Counter::InOctets, second * 125, CounterWidth::Bits64);
        history.offer(Sample {
            device: "leaf1".into(),
            taken_at: Timestamp::from_secs(T0 + second as i64),
            device_uptime: None,
            reading: Reading::Poll(vec![InterfacePoll {
                if_name: "spine1".into(),
                oper_status: OperStatus::Up,
                admin_status: AdminStatus::Up,
                discontinuity: None,
                counters,
            }]),
        });
    }
    while history.stats().appended < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let snapshot = Arc::new(Mutex::new(Arc::new(snapshot())));
    let alerts = Arc::new(Mutex::new(Arc::new(alerts())));
    let mutes = Arc::new(Mutex::new(Mutes::default()));
    let healthy = Arc::new(AtomicBool::new(true));
    let status_calls = Arc::new(AtomicU64::new(0));
    let registry = Registry::new();
    registry.counter("selvedge_polls_total", "Polls.", vec![]).add(42);
    crate::telemetry::process(&registry);
    let state = WebState {
        snapshot: {
            let it = snapshot.clone();
            Arc::new(move || it.lock().unwrap().clone())
        },
        spread: Arc::new(|_| Some(spread())),
        basis: Arc::new(|_| {
            let seconds = Duration::from_secs;
            Some(Basis { span: seconds(10), uncertainty: seconds(0), unseen: seconds(3), clock: Clock::Device })
        }),
        alerts: {
            let it = alerts.clone();
            Arc::new(move || it.lock().unwrap().clone())
        },
        mutes: {
            let it = mutes.clone();
            Arc::new(move || Arc::new(it.lock().unwrap().clone()))
        },
        edit: {
            let it = mutes.clone();
            Arc::new(move |edit| {
                let (silences, now) = (&mut it.lock().unwrap().silences, super::silences::now());
                match edit {
                    Edit::Silence(silence) => silences.add(now, silence.clone()).map(|()| silence),
                    Edit::End(id) => silences.end(now, &id).cloned(),
                }
            })
        },
        scene: {
            let it = snapshot.clone();
            Arc::new(move || {
                let snapshot = it.lock().unwrap().clone();
                let named = |state: &DeviceState| Device {
                    name: state.id.clone(),
                    labels: state.identity.labels.clone(),
                    tier: Some(u32::from(state.id.as_str() == "spine1") + 1),
                };
                let outline = Outline { devices: snapshot.devices.iter().map(named).collect(), ..Outline::default() };
                let mut scene = Scene::new(snapshot.taken_at, &snapshot.links, &snapshot.groups, &outline);
                for link in &mut scene.links {
                    link.b.watched = true;
                }
                Arc::new(scene)
            })
        },
        headroom: Arc::new(|| Arc::new(headroom())),
        history: Some(history),
        host: Arc::new(|| json!({ "losses": [] })),
        status: {
            let calls = status_calls.clone();
            Arc::new(move || json!({ "version": "0.1.0", "calls": calls.fetch_add(1, Ordering::Relaxed) }))
        },
        telemetry: Arc::new(move || registry.render()),
        health: {
            let healthy = healthy.clone();
            Arc::new(move || match healthy.load(Ordering::Relaxed) {
                true => Probe::default(),
                false => Probe { reasons: vec!["the core has not moved for 6 s".into()] },
            })
        },
        readiness: Arc::new(Probe::default),
    };
    let server = Server::bind(&Settings { listen: ([127, 0, 0, 1], 0).into(), ..Settings::default() }).await.unwrap();
    let address = server.local_addr();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(server.serve(state, stopped));
    let client = reqwest::Client::new();
    World { address, client, snapshot, alerts, healthy, status_calls, stop, serving, _folder: folder }
}

impl World {
    async fn ask(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.ask(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        response.json().await.unwrap()
    }

    async fn refused(&self, path: &str) -> (u16, String) {
        let response = self.ask(path).await;
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["error"].as_str().unwrap().to_owned())
    }

    /// One request with its head written by hand; the whole answer as text.
    async fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Nothing was looked at, but one link.
fn headroom() -> Headroom {
    let (a, b) = (InterfaceId::new("leaf1", "spine1"), InterfaceId::new("spine1", "leaf1"));
    let after = After {
        link: LinkId::new(&a, &b),
        from: "leaf1".into(),
        to: "spine1".into(),
        before_bps: 4e9,
        after_bps: 13.1e9,
        capacity_bps: 10e9,
        within_bps: 0.0,
        method: Method::Split,
        basis: Loads::Now,
    };
    let without = PartName::Device { name: "spine2".into() };
    Headroom { links: vec![Worst { without, utilization: 1.31, after }], ..Headroom::default() }
}

fn spread() -> UtilizationSpread {
    let hour =
        Percentiles { covered: Duration::from_secs(3_600), mean: 0.2, p50: 0.1, p95: 0.5, p99: 0.9, max: 0.98765 };
    let sent = Spread { hour: Some(hour), ..Spread::default() };
    UtilizationSpread { sent, ..UtilizationSpread::default() }
}

fn snapshot() -> Snapshot {
    let device = |name: &str, health, why| DeviceState {
        id: name.into(),
        identity: Arc::new(DeviceIdentity {
            address: Some(([10, 99, 0, 1], 161).into()),
            sys_descr: "a <b>switch</b>".into(),
            sys_object_id: "1.3.6.1.4.1.8072".into(),
            labels: BTreeMap::from([("role".into(), "leaf".into())]),
            ..DeviceIdentity::default()
        }),
        health,
        unreachable: why,
        health_since: Some(Timestamp::from_secs(T0)),
        uptime: Some(Uptime(500)),
        answered_at: None,
        interfaces: 1,
    };
    let mut counters = Counters::default();
    counters.set(Counter::InOctets, u64::MAX, CounterWidth::Bits64);
    counters.set(Counter::InDiscards, 3, CounterWidth::Bits32);
    let mut rates = Rates::default();
    for counter in Counter::ALL {
        rates[counter] = Rate::Unknown(Unknown::Missing);
    }
    rates[Counter::InOctets] = Rate::Known(125.0);
    rates[Counter::InDiscards] = Rate::Unknown(Unknown::Discontinuity);
    let interface = InterfaceState {
        id: InterfaceId::new("leaf1", "spine1"),
        info: Arc::new(InterfaceInfo {
            if_name: "spine1".into(),
            if_index: 3,
            if_alias: "to \"spine1\"\n".into(),
            ..InterfaceInfo::default()
        }),
        speed_bps: Some(10_000_000_000),
        speed_source: None,
        oper_status: OperStatus::LowerLayerDown,
        admin_status: AdminStatus::Up,
        oper_changed_at: None,
        seen_up: true,
        polled_at: None,
        counters,
        rates,
        utilization_in: Rate::Known(0.25),
        utilization_out: Rate::Unknown(Unknown::Stale),
    };
    let end = |device: &str, port: &str, watched, out_bps| EndState {
        end: LinkEnd { interface: InterfaceId::new(device, port), watched },
        oper_status: OperStatus::Up,
        speed_bps: Some(10_000_000_000),
        speed_source: None,
        out_bps,
        utilization_out: out_bps.map(|bps| bps / 1e10),
        out_drops_pps: Rate::Known(2.0),
        in_drops_pps: Rate::Unknown(Unknown::Stale),
    };
    let (a, b) = (
        end("leaf1", "spine1", true, Rate::Known(4.2e9)),
        end("spine1", "leaf1", false, Rate::Unknown(Unknown::Missing)),
    );
    let link = LinkId::new(&a.end.interface, &b.end.interface);
    Snapshot {
        losses: Vec::new(),
        taken_at: Timestamp::from_secs(T0),
        devices: vec![
            device("leaf1", DeviceHealth::Ok, None),
            device("spine1", DeviceHealth::Unreachable, Some(UnreachableReason::Timeout)),
        ],
        interfaces: vec![interface],
        links: vec![LinkState {
            id: link.clone(),
            a,
            b,
            health: LinkHealth::Up,
            since: Timestamp::from_secs(T0),
            heard_at: None,
            groups: vec!["leaf1 uplinks".into()],
            stands_by: false,
        }],
        groups: vec![GroupState {
            name: "leaf1 uplinks".into(),
            kind: GroupKind::Uplinks,
            device: Some("leaf1".into()),
            planned: vec![link.clone(), LinkId::new(&InterfaceId::new("leaf1", "x"), &InterfaceId::new("spine2", "y"))],
            working: vec![link],
            unknown: vec![],
            reasons: vec![],
        }],
        sensors: vec![],
    }
}

fn alerts() -> Vec<Alert> {
    let mut book = Book::new();
    let key =
        FindingKey { kind: FindingKind::DeviceUnreachable, subject: Subject::Device("spine1".into()), direction: None };
    let finding = Finding {
        key: key.clone(),
        severity: Severity::Critical,
        class: None,
        evidence: Evidence { summary: "spine1 does not answer".into(), ..Evidence::default() },
        observed_at: Timestamp::from_secs(T0),
        pending_for: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
    };
    book.observe(Timestamp::from_secs(T0), &key, Verdict::Present(Box::new(finding)));
    book.alerts().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_in_its_shape() {
    let world = world().await;
    let devices = world.json("/api/devices").await;
    assert_eq!(
        devices[1],
        json!({
            "name": "spine1", "address": "10.99.0.1:161", "state": "unreachable",
            "why": "no answer (dead, filtered, or the wrong community)", "since": "2026-11-24T00:00:00.000Z",
            "sysDescr": "a <b>switch</b>", "sysObjectID": "1.3.6.1.4.1.8072", "sysUpTime_ms": 5000,
            "interfaces": 1, "labels": { "role": "leaf" },
        })
    );
    let interface = &world.json("/api/interfaces").await[0];
    assert_eq!(interface["counters"], json!({ "ifHCInOctets": u64::MAX, "ifInDiscards": 3 }));
    assert_eq!(interface["rates"]["in_bps"], 1000.0);
    assert_eq!(interface["rates"]["in_drops_pps"], Value::Null);
    assert_eq!(interface["ifOperStatus"], "lowerLayerDown");
    assert_eq!(interface["utilization"], json!({ "in": 0.25, "out": null }));
    assert_eq!(interface["unknown"]["utilization_out"], "stale");
    let basis = json!({ "span_s": 10.0, "uncertainty_s": 0.0, "unseen_cache_s": 3.0, "clock": "device" });
    assert_eq!(interface["rates_basis"], basis);
    let hour = json!({ "mean": 0.2, "p50": 0.1, "p95": 0.5, "p99": 0.9, "max": 0.9877, "covered_s": 3600 });
    assert_eq!(interface["utilization_spread"]["out"], json!({ "1m": null, "1h": hour, "24h": null }));
    assert_eq!(interface["unknown"]["ifInDiscards"], "discontinuity");
    assert_eq!(interface["unknown"]["ifOutDiscards"], "missing");
    assert_eq!(interface["unknown"].get("ifHCInOctets"), None);
    let link = &world.json("/api/links").await[0];
    assert_eq!(link["id"], "leaf1:spine1 - spine1:leaf1");
    assert_eq!(link["a"]["device"], "leaf1");
    assert_eq!(link["a"]["oper_status"], "up");
    assert_eq!(link["a"]["unknown"], json!({ "in_drops_pps": "stale" }));
    assert_eq!(link["b"].get("unknown"), None);
    assert_eq!(link["utilization"], json!({ "a_to_b": 0.42, "b_to_a": null }));
    let p99 = |way: &str| link["utilization_1h"][way]["p99"].clone();
    assert_eq!(
        (p99("a_to_b"), link["b"]["watched"].as_bool()),
        (json!(0.9), Some(false)),
        "of the end that is watched"
    );
    let worst = &link["headroom"];
    assert_eq!((&worst["utilization"], &worst["without"]["name"]), (&json!(1.31), &json!("spine2")));
    assert_eq!((&worst["after"]["method"], &worst["after"]["after_bps"]), (&json!("split"), &json!(13.1e9)));
    assert_eq!(link["drops_pps"], json!({ "a_to_b": 2.0, "b_to_a": null }));
    assert_eq!((&link["state"], &link["heard_at"]), (&json!("up"), &Value::Null));
    let groups = world.json("/api/groups").await;
    assert_eq!((&groups[0]["state"], &groups[0]["kind"]), (&json!("degraded"), &json!("uplinks")));
    assert_eq!(groups[0]["planned"].as_array().unwrap().len(), 2);
    let audit = world.json("/api/audit").await;
    // One link of two works; leaf1 hangs on it, as planned.
    assert_eq!((&audit["findings"], &audit["what_if"]), (&json!(1), &Value::Null));
    assert_eq!((&audit["groups"][0]["name"], &audit["groups"][0]["state"]), (&groups[0]["name"], &json!("critical")));
    let (device, link) = (&audit["points"][0], &audit["points"][1]);
    assert_eq!(
        (&device["kind"], &device["name"], &device["planned"]),
        (&json!("device"), &json!("spine1"), &json!(true))
    );
    assert_eq!((&link["name"], &link["told_by"]), (&json!("leaf1:spine1 - spine1:leaf1"), &json!("spine1")));
    assert_eq!(
        audit["ways"],
        json!([{ "name": "leaf1", "to": "the rest of the fabric", "by_links": 1, "by_devices": 1 }])
    );
    let audit = world.json("/api/audit?without=link:leaf1:spine1&ways=no").await;
    assert_eq!(audit["what_if"]["without"], json!(["link:leaf1:spine1"]));
    assert_eq!(audit["what_if"]["cut_off"][0]["name"], "leaf1");
    assert_eq!(audit["what_if"]["groups"][0]["state"], "lost");
    assert_eq!(audit["ways"], json!([]));
    let scene = world.json("/api/audit/snapshot").await;
    assert_eq!(scene["links"][0]["health"], "up");
    let alerts = world.json("/api/alerts").await;
    assert_eq!(alerts[0]["labels"]["alertname"], "DeviceUnreachable");
    assert_eq!(alerts[0]["labels"]["role"], "leaf", "the operator's labels of the device");
    assert_eq!(alerts[0]["annotations"]["summary"], "spine1 does not answer");
    assert_eq!((&alerts[0]["state"], &alerts[0]["since"]), (&json!("firing"), &json!("2026-11-24T00:00:00.000Z")));
    assert_eq!(world.json("/api/status").await["version"], "0.1.0");

    let history =
        world.json(&format!("/api/history?device=leaf1&interface=spine1&from={T0}&to={}&step=10", T0 + 110)).await;
    assert_eq!((&history["device"], &history["step_s"]), (&json!("leaf1"), &json!(10)));
    assert_eq!(history["t"][10], T0 + 100);
    assert_eq!((&history["in_bps"][0], &history["in_bps"][10]), (&json!(1000.0), &Value::Null));
    assert_eq!(history["out_drops_pps"].as_array().unwrap().len(), 11);
    let lately = world.json("/api/history?device=leaf1&interface=spine1").await;
    assert!((600..=602).contains(&lately["t"].as_array().unwrap().len()));

    let metrics = world.ask("/metrics").await;
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let metrics = metrics.text().await.unwrap();
    for line in [
        "ifHCInOctets{device=\"leaf1\",ifName=\"spine1\",ifAlias=\"to \\\"spine1\\\"\\n\",ifDescr=\"\",ifIndex=\"3\"} 18446744073709551615\n",
        "selvedge_alerts{state=\"firing\",severity=\"critical\"} 1\n",
        "selvedge_device_up{device=\"spine1\"} 0\n",
        "selvedge_group_working{group=\"leaf1 uplinks\",device=\"leaf1\"} 1\n",
        "ifIndex=\"3\",direction=\"out\",quantile=\"0.99\"} 0.9\n",
        "selvedge_polls_total 42\n",
        "\nprocess_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    assert_eq!(world.json("/healthz").await, json!({ "status": "ok", "reasons": [] }));
    assert_eq!(world.json("/readyz").await, json!({ "status": "ready", "reasons": [] }));
    world.healthy.store(false, Ordering::Relaxed);
    let failing = world.ask("/healthz").await;
    assert_eq!(failing.status(), 503);
    let body: Value = failing.json().await.unwrap();
    assert_eq!(body, json!({ "status": "failing", "reasons": ["the core has not moved for 6 s"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_and_nonsense_is_refused() {
    let world = world().await;
    for (path, count) in [
        ("/api/devices?state=ok", 1),
        ("/api/devices?device=spine1&state=ok", 0),
        ("/api/interfaces?device=leaf1&interface=spine1&state=lowerLayerDown", 1),
        ("/api/interfaces?state=up", 0),
        ("/api/links?device=spine1", 1),
        ("/api/links?state=down", 0),
        ("/api/groups?device=leaf1&state=degraded", 1),
        ("/api/alerts?device=spine1&state=firing", 1),
        ("/api/alerts?device=leaf%201", 0),
    ] {
        assert_eq!(world.json(path).await.as_array().unwrap().len(), count, "{path}");
    }
    for (path, status, part) in [
        ("/api/devices?colour=red", 400, "unknown key \"colour\": there are device, state"),
        ("/api/devices?state=broken", 400, "one of ok, unreachable, unknown"),
        ("/api/devices?state=ok&state=ok", 400, "`state` is given twice"),
        ("/api/audit?device=leaf1", 400, "there are without, ways"),
        ("/api/audit?without=leaf9", 400, "there is no device \"leaf9\""),
        ("/api/audit?without=leaf1&without=risk:duct", 400, "there is no shared risk \"duct\""),
        ("/api/audit?without=", 400, "is empty"),
        ("/api/audit?ways=perhaps", 400, "is yes or no"),
        ("/api/audit/snapshot?device=leaf1", 400, "nothing can be asked here"),
        ("/api/events?device=leaf1", 400, "nothing can be asked here"),
        ("/api/history?device=leaf1", 400, "`interface` is missing"),
        ("/api/history?device=leaf1&interface=x&from=now", 400, "not a whole number"),
        ("/api/history?device=leaf1&interface=x&step=0", 400, "at least one second"),
        ("/api/history?device=leaf1&interface=x&step=-9223372036854775808", 400, "at least one second"),
        ("/api/history?device=leaf1&interface=x&from=5&to=5", 400, "`to` must be after `from`"),
        ("/api/history?device=leaf1&interface=x&from=-9223372036854775808&to=9223372036854775807", 400, "not a time"),
        ("/api/history?device=leaf1&interface=x&from=0&to=1000000&step=1", 400, "at most 11000"),
        ("/api/nothing", 404, "no such route"),
        ("/assets/../Cargo.toml", 404, "no such route"),
        ("/wp-admin", 404, "no such route"),
    ] {
        let (got, error) = world.refused(path).await;
        assert!(got == status && error.contains(part), "{path}: {got} {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_its_types_and_nothing_from_elsewhere() {
    let world = world().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/topology.js", "text/javascript; charset=utf-8"),
    ] {
        let response = world.ask(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'; "));
        let request = world.client.get(format!("http://{}{path}", world.address));
        let again = request.header("if-none-match", &headers["etag"]).send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(again.text().await.unwrap(), "");
    }
}

/// What Grafana's stock Prometheus data source asks, as it asks it.
#[tokio::test(flavor = "multi_thread")]
async fn grafana_finds_a_prometheus() {
    let world = world().await;
    let post = async |path: &str, form: &str| {
        let form_type = "application/x-www-form-urlencoded";
        let request = world.client.post(format!("http://{}{path}", world.address)).header("content-type", form_type);
        let response = request.body(form.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    // Its health check, in both forms.
    let two = json!({ "status": "success", "data": { "resultType": "scalar", "result": [4, "2"] } });
    assert_eq!(post("/api/v1/query", "query=1%2B1&time=4").await, (200, two.clone()));
    assert_eq!(world.json("/api/v1/query?query=1%2B1&time=4").await, two);

    let (at, start) = (T0 + 90, T0 + 60);
    let rate = "sum+by+(device)+(rate(ifHCInOctets%7BifName%3D%22spine1%22%7D%5B30s%5D))*8";
    let range = format!("query={rate}&start={start}&end={at}.000&step=15");
    let (status, answer) = post("/api/v1/query_range", &range).await;
    let values = json!([[start, "1000"], [start + 15, "1000"], [at, "1000"]]);
    let result = json!([{ "metric": { "device": "leaf1" }, "values": values }]);
    assert_eq!((status, &answer["data"]["result"]), (200, &result));
    let vector = world.json(&format!("/api/v1/query?query=ifOperStatus&time={at}")).await;
    let found = &vector["data"]["result"];
    assert_eq!(found.as_array().unwrap().len(), 1, "{vector}");
    assert_eq!(found[0]["value"], json!([at, "1"]));
    let labels = found[0]["metric"].as_object().unwrap();
    assert_eq!((&labels["__name__"], &labels["device"]), (&json!("ifOperStatus"), &json!("leaf1")));
    assert!(labels.contains_key("ifIndex"), "what the snapshot knows of it: {labels:?}");

    let names = world.json("/api/v1/label/__name__/values").await;
    assert!(names["data"].as_array().unwrap().contains(&json!("ifHCInOctets")));
    assert_eq!(world.json("/api/v1/label/device/values?match[]=ifHCInOctets").await["data"], json!(["leaf1"]));
    assert_eq!(post("/api/v1/labels", "").await.1["data"][0], "__name__");
    let series =
        post("/api/v1/series", "match[]=ifHCInOctets&match[]=%7BifName%3D~%22sp.*%22,__name__%3D~%22ifHCIn.*%22%7D");
    assert!(series.await.1["data"].as_array().unwrap().len() > 1);
    assert_eq!(world.json("/api/v1/metadata?metric=ifHCInOctets").await["data"]["ifHCInOctets"][0]["type"], "counter");
    assert_eq!(world.json("/api/v1/rules").await["data"]["groups"], json!([]));
    assert_eq!(post("/api/v1/query_exemplars", "query=ifHCInOctets").await.1["data"], json!([]));
    assert_eq!(world.json("/api/v1/status/buildinfo").await["data"]["version"], "2.42.0");

    for (form, why) in [
        ("query=histogram_quantile(0.9,ifHCInOctets)", "histogram_quantile"),
        ("query=sum(", "unclosed"),
        ("query=ifHCInOctets&time=yesterday", "yesterday"),
        ("time=1", "query"),
    ] {
        let (status, answer) = post("/api/v1/query", form).await;
        let error = answer["error"].as_str().unwrap();
        assert_eq!((status, &answer["status"], &answer["errorType"]), (400, &json!("error"), &json!("bad_data")));
        assert!(error.contains(why), "{form}: {error}");
    }
    let (status, _) = post("/api/v1/query_range", "query=1&start=0&end=100000&step=1").await;
    assert_eq!(status, 422);
    // Questions only.
    let (status, _) = post("/api/v1/metadata", "").await;
    assert_eq!(status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_and_other_methods_are_refused() {
    let world = world().await;
    let ask = async |host: &str| {
        let head = format!("GET /healthz HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        world.raw(&head).await.split_whitespace().nth(1).unwrap().to_owned()
    };
    for good in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9750", "[::1]", "[::1]:9750"] {
        assert_eq!(ask(&format!("host: {good}\r\n")).await, "200", "{good}");
    }
    for bad in
        ["evil.example", "evil.example:9750", "127.0.0.2", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1:x"]
    {
        let status = ask(&format!("host: {bad}\r\n")).await;
        assert!(status == "403" || status == "400", "{bad}: {status}");
    }
    assert!(["400", "403"].contains(&&*ask("").await));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer =
            world.raw(&format!("{method} /api/devices HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.to_lowercase().contains("allow: get, head"), "{answer}");
    }
    let head = world.raw("HEAD /api/devices HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    // Garbage is answered or cut off, and the server lives.
    for garbage in
        ["\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET\r\n\r\n", &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20))]
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let _ = stream.write_all(garbage.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap();
    }
    assert_eq!(ask("host: localhost\r\n").await, "200");
}

/// Read events until `count` have come or `within` is over: their data.
async fn listen(response: &mut reqwest::Response, count: usize, within: Duration) -> Vec<Value> {
    let mut text = String::new();
    let mut events = Vec::new();
    let deadline = Instant::now() + within;
    while events.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(Ok(Some(chunk))) = tokio::time::timeout(left, response.chunk()).await else { break };
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.strip_prefix("event: state\ndata: ") {
                events.push(serde_json::from_str(data).unwrap());
            }
            text = rest.to_owned();
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_at_once_then_when_something_changed() {
    let world = world().await;
    assert_eq!(world.status_calls.load(Ordering::Relaxed), 0, "nobody listens, nothing is made");
    let begun = Instant::now();
    let mut response = world.ask("/api/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = listen(&mut response, 1, Duration::from_secs(5)).await.remove(0);
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(first["taken_at"], "2026-11-24T00:00:00.000Z");
    for (key, path) in
        [("devices", "/api/devices"), ("links", "/api/links"), ("groups", "/api/groups"), ("alerts", "/api/alerts")]
    {
        assert_eq!(first[key], world.json(path).await, "{key}");
    }
    assert_eq!(first["status"]["version"], "0.1.0");
    // Nothing changes but the time: nothing is said.
    {
        let mut snapshot = world.snapshot.lock().unwrap();
        *snapshot = Arc::new(Snapshot { taken_at: Timestamp::from_secs(T0 + 1), ..(**snapshot).clone() });
    }
    assert!(listen(&mut response, 1, Duration::from_millis(1500)).await.is_empty());
    // A number changes: within about a second.
    {
        let mut snapshot = world.snapshot.lock().unwrap();
        let mut changed = (**snapshot).clone();
        changed.links[0].a.utilization_out = Rate::Known(0.9);
        *snapshot = Arc::new(changed);
    }
    let second = listen(&mut response, 1, Duration::from_secs(5)).await.remove(0);
    assert_eq!(second["links"][0]["utilization"]["a_to_b"], 0.9);
    // An alert goes: at once. Measured right after a frame, when the next look at all is a second away.
    let begun = Instant::now();
    *world.alerts.lock().unwrap() = Arc::new(Vec::new());
    let third = listen(&mut response, 1, Duration::from_secs(5)).await.remove(0);
    assert_eq!(third["alerts"], json!([]));
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    // One who comes later is told at once too.
    let mut other = world.ask("/api/events").await;
    let begun = Instant::now();
    assert_eq!(listen(&mut other, 1, Duration::from_secs(5)).await.len(), 1);
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    // The end: listeners are sent away and the server is gone.
    world.stop.send(true).unwrap();
    let begun = Instant::now();
    while response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
    world.serving.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_bounded_and_their_seats_are_given_back() {
    let world = world().await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        listeners.push(world.ask("/api/events").await);
    }
    let (status, error) = world.refused("/api/events").await;
    assert!(status == 503 && error.contains("64"), "{status} {error}");
    listeners.truncate(10);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let response = world.ask("/api/events").await;
        if response.status() == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "no seat came free");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_those_who_hold_a_connection_open() {
    let world = world().await;
    let mut half = TcpStream::connect(world.address).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    world.stop.send(true).unwrap();
    world.serving.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_key_to_change() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = Server::bind(&Settings { listen, ..Settings::default() }).await.unwrap();
    let listen = first.local_addr();
    let Err(error) = Server::bind(&Settings { listen, ..Settings::default() }).await else { panic!("bound twice") };
    let text = error.to_string();
    assert!(text.contains(&listen.to_string()) && text.contains("`[web] listen`"), "{text}");
    assert!(!text.contains("os error"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silences_are_made_listed_and_ended_and_only_from_here() {
    let world = world().await;
    let url = format!("http://{}/api/silences", world.address);
    let send = async |body: Value| {
        let response = world.client.post(&url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let wish = json!({"matchers": ["device=spine1", "alertname=~Device*"], "duration_s": 3600, "author": "ada", "comment": "new fans"});
    let (status, made) = send(wish.clone()).await;
    assert_eq!((status, &made["state"], &made["created_by"]), (201, &json!("active"), &json!("ada")), "{made}");
    let listed = world.json("/api/silences").await;
    assert_eq!(listed["silences"], json!([made]));
    assert_eq!((&listed["may_change"], &listed["maintenance"]), (&json!(true), &json!([])));

    for (change, words) in [
        (json!({"matchers": []}), "every alert"),
        (json!({"matchers": ["device"]}), "no condition"),
        (json!({"comment": ""}), "who makes it and why"),
        (json!({"duration_s": null}), "say when it ends"),
        (json!({"ends_at": "2020-01-01T00:00:00Z", "duration_s": null}), "ends before it starts"),
        (json!({"matcher": []}), "unknown field"),
    ] {
        let mut wrong = wish.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, answer) = send(wrong).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(words), "{answer}");
    }
    // A page of somebody else's, by each of the ways that browsers leave open; and what is too long.
    let plain =
        world.client.post(&url).header("content-type", "text/plain").body(wish.to_string()).send().await.unwrap();
    assert_eq!(plain.status(), 415);
    let foreign = world.client.post(&url).header("origin", "http://evil.example").json(&wish).send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let proxied = world.client.post(&url).header("x-forwarded-for", "10.0.0.7").json(&wish).send().await.unwrap();
    assert_eq!(proxied.status(), 403);
    let long = json!({"matchers": ["device=x"], "duration_s": 60, "author": "ada", "comment": "x".repeat(100_000)});
    assert_eq!(world.client.post(&url).json(&long).send().await.unwrap().status(), 413);
    assert_eq!(world.client.put(&url).json(&wish).send().await.unwrap().status(), 405);

    let end = async |id: &str| {
        let request = world.client.delete(format!("{url}/{id}")).header("content-type", "application/json");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(end("nope").await, 404);
    let id = made["id"].as_str().unwrap();
    assert_eq!((end(id).await, end(id).await), (200, 400));
    assert_eq!(world.json("/api/silences").await["silences"][0]["state"], "expired");
}
