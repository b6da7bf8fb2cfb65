//! Real databases from Debian: killed, started again, and asked for every sample.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::*;

/// One that is killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

#[derive(Clone, Copy)]
enum Program {
    VictoriaMetrics,
    Prometheus,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::VictoriaMetrics => "victoria-metrics",
            Self::Prometheus => "prometheus",
        }
    }

    /// There is such a program; else it is said.
    fn is_here(self) -> bool {
        if Command::new(self.name()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
            return true;
        }
        eprintln!("LEFT OUT: {} is not installed (Debian: {0})", self.name());
        assert!(std::env::var_os("CI").is_none(), "needed in CI");
        false
    }

    fn start(self, folder: &Path, port: u16) -> Server {
        let mut command = Command::new(self.name());
        let listen = format!("127.0.0.1:{port}");
        match self {
            Self::VictoriaMetrics => command
                .arg(format!("-httpListenAddr={listen}"))
                .arg(format!("-storageDataPath={}", folder.join("data").display()))
                .args(["-dedup.minScrapeInterval=1ms", "-retentionPeriod=1", "-search.latencyOffset=0s"]),
            Self::Prometheus => {
                let config = folder.join("prometheus.yml");
                std::fs::write(&config, "global: {}\n").unwrap();
                command
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--web.listen-address={listen}"))
                    .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
                    .arg("--web.enable-remote-write-receiver")
            }
        };
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Server { child, port };
        let ready = if matches!(self, Self::Prometheus) { "/-/ready" } else { "/health" };
        eventually("the database is there", || server.get(ready, &[]).is_some());
        server
    }
}

impl Server {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
            let mut url = reqwest::Url::parse(&format!("{}{path}", self.url())).unwrap();
            url.query_pairs_mut().extend_pairs(query);
            let answer = client.get(url).send().await.ok()?;
            if answer.status().is_success() { answer.text().await.ok() } else { None }
        })
    }

    /// Stop as it is stopped by an operator, or as by a fault.
    fn end(mut self, kindly: bool) {
        if kindly {
            let pid = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        } else {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
    }

    /// Every raw sample of a metric: interface, value, and when, in milliseconds. None of them twice.
    fn samples(&self, program: Program, metric: &str) -> BTreeSet<(String, u64, i64)> {
        let mut all: Vec<(String, u64, i64)> = Vec::new();
        let mut add = |labels: &Value, value: f64, at_ms: i64| {
            all.push((labels["ifName"].as_str().unwrap().to_owned(), value as u64, at_ms));
        };
        match program {
            Program::VictoriaMetrics => {
                self.get("/internal/force_flush", &[]);
                let text = self.get("/api/v1/export", &[("match[]", metric)]).unwrap();
                for series in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
                    let (values, times) =
                        (series["values"].as_array().unwrap(), series["timestamps"].as_array().unwrap());
                    for (value, at) in values.iter().zip(times) {
                        add(&series["metric"], value.as_f64().unwrap(), at.as_i64().unwrap());
                    }
                }
            }
            Program::Prometheus => {
                let text = self.get("/api/v1/query", &[("query", &format!("{metric}[1h]"))]).unwrap();
                let answer: Value = serde_json::from_str(&text).unwrap();
                for series in answer["data"]["result"].as_array().unwrap() {
                    for pair in series["values"].as_array().unwrap() {
                        let at_ms = (pair[0].as_f64().unwrap() * 1e3).round() as i64;
                        add(&series["metric"], pair[1].as_str().unwrap().parse().unwrap(), at_ms);
                    }
                }
            }
        }
        let set: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(set.len(), all.len(), "no sample is there twice");
        set
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const LOOKS: u64 = 600;
const INTERFACES: usize = 8;

/// Look at a device for a while, stop the database amid it, lose our own process (its threads, not its files), and ask.
fn every_sample_is_found_again(program: Program, settings: impl Fn(&str) -> ExportSettings, metric: &str) {
    if !program.is_here() {
        return;
    }
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let server = program.start(folder.path(), port);
    let settings = settings(&server.url());
    // Of milliseconds, as the databases have them; all of it in the past, and not far.
    let begin = Timestamp::from_micros((now().as_micros() / 1_000_000 - 120) * 1_000_000);
    let exports = start(spool.path(), settings.clone(), hurried());
    offer(&exports, begin, 0..LOOKS / 3, INTERFACES);
    eventually("the first third is there", || report(&exports).points_waiting == 0 && report(&exports).points_sent > 0);
    // VictoriaMetrics keeps what it took in memory for some seconds: a fault of its own would lose it there.
    server.end(matches!(program, Program::VictoriaMetrics));
    offer(&exports, begin, LOOKS / 3..LOOKS * 2 / 3, INTERFACES);
    eventually("it is said to be away", || report(&exports).state == "waiting");
    eventually("it waits on disk", || report(&exports).spool_bytes > 0);
    exports.stop();
    let server = program.start(folder.path(), port);
    let exports = start(spool.path(), settings, hurried());
    offer(&exports, begin, LOOKS * 2 / 3..LOOKS, INTERFACES);
    exports.stop();
    let mut wanted = BTreeSet::new();
    for (interface, number) in expected(0..LOOKS, INTERFACES) {
        wanted.insert((interface, number, at(begin, number).as_millis()));
    }
    let mut found = BTreeSet::new();
    eventually("every sample is there", || {
        found = server.samples(program, metric);
        found.len() >= wanted.len()
    });
    assert!(found == wanted, "{} found, {} wanted", found.len(), wanted.len());
    let last = report(&exports);
    assert_eq!((last.points_refused, last.points_dropped, last.points_evicted), (0, 0, 0), "{last:?}");
}

#[test]
fn victoria_metrics_by_influx_has_every_sample_once() {
    every_sample_is_found_again(Program::VictoriaMetrics, influx, "selvedge_interface_ifHCInOctets");
}

#[test]
fn victoria_metrics_by_remote_write_has_every_sample_once() {
    let settings = |url: &str| remote_write(&format!("{url}/api/v1/write"));
    every_sample_is_found_again(Program::VictoriaMetrics, settings, "ifHCInOctets");
}

#[test]
fn prometheus_by_remote_write_has_every_sample_once() {
    let settings = |url: &str| remote_write(&format!("{url}/api/v1/write"));
    every_sample_is_found_again(Program::Prometheus, settings, "ifHCInOctets");
}

/// The crate `influxdb2` writes beside us: what the server stored of both is the same, tag for tag.
#[test]
fn an_independent_client_stores_the_same() {
    use influxdb2::models::DataPoint;
    if !Program::VictoriaMetrics.is_here() {
        return;
    }
    let (folder, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Program::VictoriaMetrics.start(folder.path(), free_port());
    let kind = ExportKind::InfluxDb2 { org: "o".into(), bucket: "b".into(), precision: Precision::Nanos };
    let tags = vec![("writer".to_owned(), "ours".to_owned())];
    let exports = start(spool.path(), ExportSettings { kind, tags, ..influx(&server.url()) }, hurried());
    let at = Timestamp::from_micros((now().as_micros() / 1_000 - 60_000) * 1_000);
    let mut states = look("leaf 1,a=b", 1, 1_234_567);
    // Without what the client cannot write: a line's end, a backslash.
    let info =
        InterfaceInfo { if_alias: "to spine1, rack=7 \u{201e}\u{fc}ber\u{201c}".into(), ..(*states[0].info).clone() };
    states[0].info = Arc::new(info);
    states[0].utilization_in = Rate::Known(0.123_456);
    exports.offer(&states[0].id.device, at, true, states.clone());
    exports.stop();
    let point = DataPoint::builder("selvedge_interface")
        .tag("writer", "theirs")
        .tag("device", "leaf 1,a=b")
        .tag("ifName", "et-0")
        .tag("ifAlias", &*states[0].info.if_alias)
        .field("ifOperStatus", 1_i64)
        .field("ifHCInOctets", 1_234_567_i64)
        .field("utilization_in", 0.123_456)
        .timestamp(at.as_micros() * 1_000)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = influxdb2::Client::new(server.url(), "o", "token");
    runtime.block_on(client.write("b", tokio_stream::iter([point]))).unwrap();
    let stored = |writer: &str| -> Vec<Value> {
        server.get("/internal/force_flush", &[]);
        let text = server
            .get("/api/v1/export", &[("match[]", &format!("{{writer=\"{writer}\",device!=\"\"}}"))])
            .unwrap_or_default();
        let mut series: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for one in &mut series {
            one["metric"].as_object_mut().unwrap().remove("writer");
        }
        series.sort_by_key(|one| one["metric"]["__name__"].to_string());
        series
    };
    eventually("both are there", || stored("ours").len() >= 3 && stored("theirs").len() >= 3);
    assert_eq!(stored("ours"), stored("theirs"));
}
