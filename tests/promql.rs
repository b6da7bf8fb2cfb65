//! Our PromQL against Prometheus itself: the same samples in both, the same questions to both, the same numbers from both.
//!
//! Needs Debian's prometheus. Where it is missing the test says that it was left out, and where `CI` is set it fails instead.
//!
//! Two things are kept apart on purpose. Windows are open on the left here (as in Prometheus 3) and closed in Debian's
//! Prometheus 2, so that no sample and no step of a subquery lies on the edge of a window. And there are always samples
//! that moved, so that the history leaves none out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, InterfaceId, InterfacePoll, OperStatus, Reading, Sample, Timestamp,
    Uptime,
};
use selvedge::history::promql::{Fault, Instantly, Labels, Limits, Query, Times};
use selvedge::history::{self, History};

const DEVICES: [&str; 2] = ["leaf1", "spine1"];
const INTERFACES: [(&str, &str); 3] = [("eth0", "to spine"), ("eth1", "to \"host\" 7"), ("lo", "")];
const POLLS: i64 = 700;
const COUNTERS: [Counter; 4] = [Counter::InOctets, Counter::OutOctets, Counter::InErrors, Counter::DropsCongestionOut];

/// Two hours and a half, fifteen seconds apart: some of it is in blocks and some is not.
const INTERVAL_MS: i64 = 15_000;

/// A generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len() as u64) as usize]
    }
}

fn labels_of(id: &InterfaceId) -> Vec<(&'static str, String)> {
    let at = INTERFACES.iter().position(|(name, _)| *name == &*id.if_name).unwrap();
    vec![("ifAlias", INTERFACES[at].1.to_owned()), ("ifIndex", (at + 1).to_string())]
}

/// Fill both: the history, and a file for promtool.
fn fill(start_ms: i64, history: &History) -> String {
    let mut dice = Dice(11);
    let mut families: BTreeMap<&str, String> = BTreeMap::new();
    let mut sums = [[[0u64; 4]; 3]; 2];
    for n in 0..POLLS {
        for (d, device) in DEVICES.iter().enumerate() {
            // Off the second always, so that no sample lies on the edge of a window.
            let at_ms = start_ms + n * INTERVAL_MS + 1 + dice.roll(900) as i64;
            // A device that is away for a quarter of an hour, and another that misses a poll now and then.
            if d == 1 && ((200..260).contains(&n) || dice.roll(20) == 0) {
                continue;
            }
            let mut polls = Vec::new();
            for (i, (if_name, _)) in INTERFACES.iter().enumerate() {
                let mut counters = Counters::default();
                for (c, counter) in COUNTERS.iter().enumerate() {
                    let sum = &mut sums[d][i][c];
                    *sum += match (i, c) {
                        (0, 0) => 1 + dice.roll(100_000_000),
                        (0, 2) => dice.roll(2),
                        (2, _) => 0,
                        _ => dice.roll(5) * dice.roll(1_000),
                    };
                    // The device starts anew.
                    if n == 420 && d == 0 {
                        *sum = dice.roll(100);
                    }
                    if i == 2 && c > 1 {
                        continue;
                    }
                    counters.set(*counter, *sum, CounterWidth::Bits64);
                    let (name, kind) = match counter {
                        Counter::DropsCongestionOut => {
                            ("selvedge_interface_dropped_packets_total", ",class=\"congestion\",direction=\"out\"")
                        }
                        other => (other.as_str(), ""),
                    };
                    sample(families.entry(name).or_default(), name, d, i, kind, *sum as f64, at_ms);
                }
                let oper_status = if n / 90 % 2 == 1 && i == 1 { OperStatus::Down } else { OperStatus::Up };
                sample(
                    families.entry("ifOperStatus").or_default(),
                    "ifOperStatus",
                    d,
                    i,
                    "",
                    oper_status.value().into(),
                    at_ms,
                );
                sample(families.entry("ifAdminStatus").or_default(), "ifAdminStatus", d, i, "", 1.0, at_ms);
                polls.push(InterfacePoll {
                    if_name: (*if_name).into(),
                    oper_status,
                    admin_status: AdminStatus::Up,
                    discontinuity: None,
                    counters,
                });
            }
            let taken_at = Timestamp::from_micros(at_ms * 1_000);
            let device_uptime = Some(Uptime((n * 1_500) as u32));
            // The queue is bounded, and we are faster than any network.
            while history.stats().appended + 200 < (n as u64) {
                std::thread::sleep(Duration::from_millis(1));
            }
            history.offer(Sample { device: (*device).into(), taken_at, device_uptime, reading: Reading::Poll(polls) });
        }
    }
    let mut text = String::new();
    for (name, lines) in families {
        let _ = write!(text, "# TYPE {name} gauge\n{lines}");
    }
    text + "# EOF\n"
}

fn sample(out: &mut String, name: &str, device: usize, interface: usize, kind: &str, value: f64, at_ms: i64) {
    let (device, (if_name, alias)) = (DEVICES[device], INTERFACES[interface]);
    let alias = alias.replace('"', "\\\"");
    let alias = if alias.is_empty() { String::new() } else { format!(",ifAlias=\"{alias}\"") };
    let index = interface + 1;
    let _ = writeln!(
        out,
        "{name}{{device=\"{device}\",ifName=\"{if_name}\",ifIndex=\"{index}\"{alias}{kind}}} {value} {}.{:03}",
        at_ms / 1_000,
        at_ms % 1_000
    );
}

/// The other side, killed when it is no longer needed.
struct Prometheus {
    child: Child,
    url: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(folder: &Path, openmetrics: &str) -> Self {
        let (input, data, config) = (folder.join("in.om"), folder.join("tsdb"), folder.join("prometheus.yml"));
        std::fs::write(&input, openmetrics).unwrap();
        std::fs::write(&config, "").unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&input, &data])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=10y")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // No TLS here, but the client wants to know of one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::new();
        let prometheus = Self { child, url: format!("http://127.0.0.1:{port}"), client, runtime };
        let deadline = Instant::now() + Duration::from_secs(60);
        while prometheus.get("/-/ready", &[]).is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "Prometheus did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        prometheus
    }

    fn get(&self, path: &str, pairs: &[(&str, String)]) -> Option<(u16, String)> {
        let encode = |text: &str| {
            text.bytes().fold(String::new(), |mut out, byte| {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => out.push(byte.into()),
                    _ => write!(out, "%{byte:02X}").unwrap(),
                }
                out
            })
        };
        let query: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let url = format!("{}{path}?{}", self.url, query.join("&"));
        self.runtime.block_on(async {
            let response = self.client.get(url).send().await.ok()?;
            Some((response.status().as_u16(), response.text().await.ok()?))
        })
    }

    /// What it says to a query over a range, or at one moment; none where it refuses.
    fn ask(&self, query: &str, times: Times) -> Result<Points, String> {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
        let mut pairs = vec![("query", query.to_owned())];
        let path = if times.start_ms == times.end_ms {
            pairs.push(("time", seconds(times.start_ms)));
            "/api/v1/query"
        } else {
            pairs.push(("start", seconds(times.start_ms)));
            pairs.push(("end", seconds(times.end_ms)));
            pairs.push(("step", seconds(times.step_ms)));
            "/api/v1/query_range"
        };
        let (status, body) = self.get(path, &pairs).unwrap();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        if status != 200 {
            return Err(json["error"].as_str().unwrap_or_default().to_owned());
        }
        let point = |pair: &serde_json::Value| {
            let value = pair[1].as_str().unwrap();
            let value = value.replace("+Inf", "inf").replace("-Inf", "-inf").parse().unwrap();
            ((pair[0].as_f64().unwrap() * 1e3).round() as i64, value)
        };
        let data = &json["data"];
        if data["resultType"] == "scalar" {
            return Ok(BTreeMap::from([(String::new(), vec![point(&data["result"])])]));
        }
        let series = data["result"].as_array().unwrap().iter().map(|series| {
            let labels = series["metric"].as_object().unwrap();
            let labels: BTreeMap<&str, &str> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let points = match series.get("values") {
                Some(values) => values.as_array().unwrap().iter().map(point).collect(),
                None => vec![point(&series["value"])],
            };
            (named(labels.into_iter()), points)
        });
        Ok(series.collect())
    }
}

type Points = BTreeMap<String, Vec<(i64, f64)>>;

fn named<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    labels.map(|(name, value)| format!("{name}={value:?} ")).collect()
}

fn ours(history: &History, query: &str, times: Times) -> Result<Points, Fault> {
    let limits = Limits { samples: 10_000_000, values: 10_000_000, deadline: Instant::now() + Duration::from_secs(60) };
    let name = |labels: &Labels| named(labels.iter());
    let query = Query::parse(query)?;
    history.ask(&labels_of, |source| {
        if times.start_ms != times.end_ms {
            let series = query.over(source, times, limits)?;
            return Ok(series.into_iter().map(|(labels, points)| (name(&labels), points)).collect());
        }
        Ok(match query.at(source, times.start_ms, limits)? {
            Instantly::Scalar(value) => BTreeMap::from([(String::new(), vec![(times.start_ms, value)])]),
            Instantly::Vector(series) => {
                series.into_iter().map(|(labels, value)| (name(&labels), vec![(times.start_ms, value)])).collect()
            }
            Instantly::Matrix(series) => series.into_iter().map(|(labels, points)| (name(&labels), points)).collect(),
            Instantly::Text(_) => BTreeMap::new(),
        })
    })
}

fn equal(one: f64, other: f64) -> bool {
    (one.is_nan() && other.is_nan()) || one == other || (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

const QUERIES: &[&str] = &[
    "1+1",
    "-3 ^ 2",
    "7 % 4 - 2 * 3 / 4",
    "1 > bool 2",
    "vector(1)",
    "time()",
    "ifHCInOctets",
    "-ifHCInOctets",
    "ifHCInOctets{device=\"leaf1\"}",
    "{device=\"leaf1\",ifName=~\"eth.*\",__name__=~\"ifHC.*\"}",
    "ifHCInOctets{ifAlias!=\"\"}",
    "ifHCInOctets{ifAlias=~\"to .*\",device!~\"spine.*\"}",
    "ifHCInOctets offset 10m",
    "ifHCInOctets offset -3m",
    "ifHCInOctets @ end()",
    "ifHCInOctets[2m]",
    "rate(ifHCInOctets[1m])",
    "rate(ifHCInOctets[5m]) * 8",
    "rate(ifHCInOctets[20m] offset 5m)",
    "rate(ifHCInOctets[5m] @ start())",
    "rate({__name__=~\"ifHC(In|Out)Octets\",ifName=\"eth0\"}[5m])",
    "increase(ifInErrors[10m])",
    "increase(selvedge_interface_dropped_packets_total{class=\"congestion\"}[15m])",
    "irate(ifHCInOctets[2m])",
    "delta(ifOperStatus[30m])",
    "idelta(ifHCOutOctets[2m])",
    "deriv(ifHCInOctets[10m])",
    "predict_linear(ifHCInOctets[10m], 3600)",
    "avg_over_time(ifOperStatus[30m])",
    "min_over_time(ifHCInOctets[10m])",
    "max_over_time(ifHCInOctets[10m])",
    "sum_over_time(ifOperStatus[10m])",
    "count_over_time(ifHCInOctets[10m])",
    "last_over_time(ifHCInOctets[10m])",
    "present_over_time(ifHCInOctets[10m])",
    "quantile_over_time(0.95, ifHCInOctets[10m])",
    "stddev_over_time(ifInErrors[20m])",
    "stdvar_over_time(ifInErrors[20m])",
    "changes(ifOperStatus[1h])",
    "resets(ifHCInOctets[1h])",
    "sum(rate(ifHCInOctets[5m]))",
    "sum by (device) (rate(ifHCInOctets[5m]))",
    "sum without (ifName, ifAlias, ifIndex) (rate(ifHCInOctets[5m]))",
    "avg by (ifName) (ifHCInOctets)",
    "min(ifHCInOctets) by (device)",
    "max(ifHCInOctets) by (device)",
    "count by (device) (ifOperStatus == 1)",
    "group by (ifName) (ifHCInOctets)",
    "stddev(ifHCInOctets)",
    "stdvar by (device) (ifInErrors)",
    "topk(2, rate(ifHCInOctets[5m]))",
    "topk by (device) (1, rate(ifHCInOctets[5m]))",
    "bottomk(3, ifHCInOctets)",
    "quantile(0.9, rate(ifHCInOctets[5m]))",
    "quantile by (device) (0.5, ifHCInOctets)",
    "ifHCInOctets + ifHCOutOctets",
    "rate(ifHCInOctets[5m]) / on(device, ifName) rate(ifHCOutOctets[5m])",
    "ifHCInOctets - ignoring(ifAlias, ifIndex) ifHCOutOctets",
    "ifHCInOctets / on(device) group_left sum by (device) (ifHCInOctets)",
    "ifHCInOctets * on(device, ifName) group_left(ifAlias) ifOperStatus",
    "sum by (device) (ifHCInOctets) * on(device) group_right ifOperStatus",
    "ifHCInOctets > 1e9",
    "ifHCInOctets > bool 1e9",
    "1e9 < ifHCInOctets",
    "ifOperStatus == 2",
    "ifOperStatus != bool ifAdminStatus",
    "ifHCInOctets > ifHCOutOctets",
    "ifHCInOctets > on(device, ifName) ifHCOutOctets",
    "ifHCInOctets and on(device, ifName) (ifOperStatus == 2)",
    "ifHCInOctets unless on(device, ifName) (ifOperStatus == 2)",
    "ifHCInOctets{ifName=\"eth0\"} or ifHCOutOctets",
    "ifInErrors or on(device) vector(1)",
    "sum(ifHCInOctets) or vector(0)",
    "abs(ifHCInOctets - 1e9)",
    "ceil(ifHCInOctets / 1000)",
    "floor(ifHCInOctets / 1000)",
    "round(ifHCInOctets / 7)",
    "round(ifHCInOctets / 7, 0.25)",
    "clamp(ifHCInOctets, 1e6, 1e9)",
    "clamp_min(ifHCInOctets, 1e9)",
    "clamp_max(ifHCInOctets, 1e9)",
    "sqrt(ifHCInOctets)",
    "ln(ifHCInOctets)",
    "log2(ifHCInOctets)",
    "log10(ifHCInOctets)",
    "sgn(ifHCInOctets - 1e9)",
    "scalar(ifHCInOctets{device=\"leaf1\",ifName=\"eth0\"})",
    "scalar(ifHCInOctets)",
    "timestamp(ifHCInOctets)",
    "timestamp(-ifHCInOctets)",
    "label_replace(ifHCInOctets, \"port\", \"p$1\", \"ifName\", \"eth(.*)\")",
    "label_replace(ifHCInOctets, \"ifAlias\", \"\", \"ifAlias\", \".*\")",
    "label_join(ifHCInOctets, \"end\", \":\", \"device\", \"ifName\")",
    "absent(ifHCInOctets)",
    "absent(ifNothing{device=\"leaf1\",ifName=~\"x\"})",
    "absent_over_time(ifHCInOctets{device=\"spine1\"}[5m])",
    "sort(ifHCInOctets)",
    "sort_desc(ifHCInOctets)",
    "ifNothing",
    "max_over_time(rate(ifHCInOctets[5m])[30m:1m])",
    "avg_over_time(sum by (device) (rate(ifHCInOctets[5m]))[20m:])",
    "sum_over_time((ifOperStatus == 2)[20m:2m] offset 5m)",
    // Both refuse these.
    "ifHCInOctets * on(device) ifOperStatus",
    "ifHCInOctets + on(device) group_left ifOperStatus",
    "label_replace(ifHCInOctets, \"ifName\", \"x\", \"ifName\", \".*\")",
    "rate({__name__=~\"ifHC.*|ifIn.*\",ifAlias=\"no\"}[5m])",
    "abs({__name__=~\"ifHC.*\"})",
    "1 > 2",
    "rate(ifHCInOctets)",
    "sum(",
];

/// A query out of parts that fit.
fn random_query(dice: &mut Dice) -> String {
    let metric = dice.pick(&["ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifOperStatus"]);
    let matchers =
        dice.pick(&["", "{device=\"leaf1\"}", "{ifName!=\"lo\"}", "{ifName=~\"eth[01]\"}", "{ifAlias=\"\"}"]);
    let offset = dice.pick(&["", "", " offset 7m", " offset -2m", " @ end()"]);
    let range = dice.pick(&["40s", "1m", "3m", "10m", "47m"]);
    let function = dice.pick(&[
        "rate",
        "irate",
        "increase",
        "delta",
        "idelta",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
        "changes",
        "resets",
        "deriv",
    ]);
    let mut query = match dice.roll(3) {
        0 => format!("{metric}{matchers}{offset}"),
        _ => format!("{function}({metric}{matchers}[{range}]{offset})"),
    };
    for _ in 0..dice.roll(3) {
        query = match dice.roll(5) {
            0 => {
                let op = dice.pick(&["sum", "avg", "min", "max", "count", "group", "stddev"]);
                let by = dice.pick(&["", "by (device)", "by (ifName)", "without (ifName)", "by (device, ifName)"]);
                format!("{op} {by} ({query})")
            }
            1 => format!("{}({query})", dice.pick(&["abs", "ceil", "floor", "round", "-", "sqrt"])),
            2 => format!("({query}) {} {}", dice.pick(&["+", "*", "/", "-", ">", "> bool"]), dice.roll(9) + 1),
            3 => format!("topk(7, {query}) or bottomk(7, {query})"),
            _ => {
                let op = dice.pick(&["+", "/", "and on(device)", "unless on(ifName)", "or", "> bool", "<"]);
                format!("({query}) {op} ({query})")
            }
        };
    }
    query
}

#[test]
fn prometheus_says_the_same() {
    let installed = ["prometheus", "promtool"].iter().all(|program| Path::new("/usr/bin").join(program).exists());
    assert!(
        installed || std::env::var_os("CI").is_none(),
        "nothing may be left out in CI: prometheus is not installed"
    );
    if !installed {
        eprintln!("LEFT OUT: prometheus is not installed (Debian: prometheus)");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let settings = history::Settings { path: folder.path().join("data"), ..history::Settings::default() };
    let history = History::start(&settings).unwrap();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let start_ms = (now_s - now_s % 3_600 - 4 * 3_600) * 1_000;
    let openmetrics = fill(start_ms, &history);
    let offered = openmetrics.lines().filter(|line| line.starts_with("ifAdminStatus")).count() as u64 / 3;
    let deadline = Instant::now() + Duration::from_secs(60);
    while history.stats().appended < offered {
        assert!(Instant::now() < deadline, "{:?} of {offered}", history.stats());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(history.stats().sealed > 0, "some of it is in blocks");
    let prometheus = Prometheus::start(folder.path(), &openmetrics);

    let at = |minutes: i64| start_ms + minutes * 60_000 + 7_000;
    let moments = [(12, 0, 1_000), (101, 0, 1_000), (3, 179, 75_000), (40, 90, 30_000), (174, 185, 15_000)];
    let mut dice = Dice(5);
    let random: Vec<String> = (0..150).map(|_| random_query(&mut dice)).collect();
    let (mut compared, mut refused, mut values, mut wrong) = (0, 0, 0, Vec::new());
    for query in QUERIES.iter().copied().chain(random.iter().map(String::as_str)) {
        for (from, to, step_ms) in moments {
            let to = if to == 0 { from } else { to };
            let times = Times { start_ms: at(from), end_ms: at(to), step_ms };
            let (theirs, ours) = (prometheus.ask(query, times), ours(&history, query, times));
            compared += 1;
            match (theirs, ours) {
                (Err(_), Err(_)) => refused += 1,
                (Ok(theirs), Ok(ours)) => {
                    let same = theirs.len() == ours.len()
                        && theirs.iter().zip(&ours).all(|((one, a), (other, b))| {
                            one == other
                                && a.len() == b.len()
                                && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && equal(a.1, b.1))
                        });
                    values += theirs.values().map(Vec::len).sum::<usize>();
                    if !same {
                        wrong.push(format!("{query} {times:?}\n  theirs {theirs:?}\n  ours   {ours:?}"));
                    }
                }
                (theirs, ours) => wrong.push(format!("{query} {times:?}\n  theirs {theirs:?}\n  ours   {ours:?}")),
            }
        }
    }
    let shorten = |text: &String| text.lines().map(|line| line.chars().take(500).collect()).collect::<Vec<String>>();
    let shown: Vec<String> = wrong.iter().take(12).map(|text| shorten(text).join("\n")).collect();
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), shown.join("\n"));
    assert!(values > 50_000 && refused < compared / 5, "{values} values, {refused} refused");
    eprintln!("{compared} questions, {values} values, {refused} refused by both");
    history.stop();
}
