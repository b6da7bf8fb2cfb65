//! The lab as tests use it: a fabric of network namespaces (see the script `lab` beside this file), Selvedge running in
//! its management namespace, a real HTTP receiver for alerts, and all of it gone when the value is dropped.
//!
//! Needs root and Debian's snmpd, lldpd, nftables and iproute2. Where one is missing a test says that it was left out and
//! why; with `CI` set that is a failure.

#![allow(dead_code)] // each test file uses its part of this

pub mod browser;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/lab");
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Say that a test was left out, or fail where nothing may be.
pub fn left_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: {why}");
    eprintln!("LEFT OUT: {why}");
}

/// A built fabric. Dropping it stops every process in it and removes it.
pub struct Lab {
    id: String,
    pub scratch: tempfile::TempDir,
}

impl Lab {
    /// Build one; none where this machine cannot.
    pub fn up(spines: u32, leaves: u32, hosts: u32) -> Option<Self> {
        let id = format!("t{}x{}", std::process::id() % 1_000_000, NEXT.fetch_add(1, Ordering::Relaxed));
        let built = Command::new(SCRIPT)
            .args(["up", &spines.to_string(), &leaves.to_string(), &hosts.to_string()])
            .env("LAB_ID", &id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(read_errors)
            .expect("bash runs");
        if let Err(why) = built {
            left_out(&why);
            return None;
        }
        Some(Self { id, scratch: tempfile::tempdir().expect("a temporary folder") })
    }

    /// Run one of the script's commands: `cut leaf1 spine1`.
    pub fn run(&self, command: &str) -> String {
        let output = Command::new(SCRIPT)
            .args(command.split_whitespace())
            .env("LAB_ID", &self.id)
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "lab {command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command that will run on a node.
    pub fn command_on(&self, node: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-{node}", self.id)]).arg(program);
        command
    }

    /// Do something with this thread's sockets in the management namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                enter(&format!("/run/netns/{}-mgmt", self.id));
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// GET a path of the Selvedge that runs here.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let text = self.get_text(path)?;
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}: {text}"))
    }

    /// The same, as text.
    pub fn get_text(&self, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:9750{path}");
        self.within(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let response = client().get(&url).send().await.map_err(|error| error.to_string())?;
                response.text().await.map_err(|error| error.to_string())
            })
        })
    }

    /// Start Selvedge in the management namespace, with its working directory in `scratch`.
    pub fn selvedge(&self, config: &str) -> Selvedge {
        std::fs::write(self.scratch.path().join("selvedge.toml"), config).unwrap();
        let log = self.scratch.path().join("selvedge.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = self
            .command_on("mgmt", env!("CARGO_BIN_EXE_selvedge"))
            .arg("run")
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("selvedge starts");
        Selvedge { child, log }
    }

    /// A configuration that polls the lab's switches, half by v2c and half by v3, and tells `receiver`.
    pub fn config(&self, switches: u32, extra: &str) -> String {
        let mut text = String::from(
            r#"
[snmp]
interval = "1s"
[snmp.auth.lab]
version = "2c"
community = "public"
[snmp.auth.core]
version = "3"
user = "selvedge"
auth = { protocol = "SHA", password = "authpass123" }
priv = { protocol = "AES", password = "privpass123" }
[traps]
listen = "0.0.0.0:162"
[host]
enabled = false
[[receiver]]
name = "oncall"
kind = "webhook"
url = "http://127.0.0.1:9999/alerts"
"#,
        );
        for n in 1..=switches {
            // Spines are spoken to by v2c, leaves (the later half) by v3, as is how they send their traps.
            let auth = if n <= switches / 2 { "lab" } else { "core" };
            text += &format!("[[snmp.target]]\naddress = \"10.99.0.{n}\"\nauth = \"{auth}\"\n");
        }
        text + extra
    }

    /// Start the alert receiver in the management namespace, on 127.0.0.1:9999.
    pub fn receiver(&self) -> Receiver {
        Receiver::start(format!("/run/netns/{}-mgmt", self.id))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = Command::new(SCRIPT).arg("down").env("LAB_ID", &self.id).stdin(Stdio::null()).status();
        assert!(
            down.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "lab {} was not removed",
            self.id
        );
    }
}

fn read_errors(child: Child) -> std::io::Result<Result<(), String>> {
    // The agents the script leaves behind keep its output open, so wait for the script and not for the end of it.
    let mut child = child;
    let status = child.wait()?;
    if status.success() {
        return Ok(Ok(()));
    }
    let mut text = String::new();
    for line in BufReader::new(child.stderr.take().expect("piped")).lines() {
        text += &line?;
    }
    Ok(Err(text))
}

/// Put this thread into a network namespace; sockets it makes belong there.
fn enter(namespace: &str) {
    let file = File::open(namespace).expect("the namespace exists");
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&file),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .expect("root may enter it");
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build().unwrap()
}

/// A running Selvedge.
pub struct Selvedge {
    child: Child,
    log: PathBuf,
}

impl Selvedge {
    /// Its process id (`ip netns exec` replaces itself by it).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Send it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ask it to stop; panics if it does not within ten seconds or not cleanly.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        let status = wait_for("selvedge stops", Duration::from_secs(10), || self.child.try_wait().unwrap());
        assert!(status.success(), "selvedge stopped with {status}: {}", self.log());
    }

    /// End it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// CPU seconds used and resident bytes, from /proc.
    pub fn cost(&self) -> (f64, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.trim().trim_end_matches("kB").trim().parse().unwrap();
        (ticks as f64 / 100.0, kib * 1024)
    }
}

impl Drop for Selvedge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what selvedge printed ---\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One alert as the receiver got it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub status: String,
    pub labels: Value,
    pub annotations: Value,
    pub fingerprint: String,
    pub idempotency_key: String,
}

impl Heard {
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }
}

/// An HTTP receiver that keeps what it is told, and can be made to refuse.
pub struct Receiver {
    heard: Arc<Mutex<Vec<Heard>>>,
    refuse: Arc<AtomicBool>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Receiver {
    fn start(namespace: String) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let refuse = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (keep, refusing) = (heard.clone(), refuse.clone());
        let thread = std::thread::spawn(move || {
            enter(&namespace);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let app = axum::Router::new().route(
                    "/alerts",
                    axum::routing::post(move |headers: axum::http::HeaderMap, axum::Json(body): axum::Json<Value>| {
                        let (keep, refusing) = (keep.clone(), refusing.clone());
                        async move {
                            if refusing.load(Ordering::Relaxed) {
                                return axum::http::StatusCode::SERVICE_UNAVAILABLE;
                            }
                            assert_eq!(body["version"], "4");
                            for alert in body["alerts"].as_array().expect("alerts") {
                                keep.lock().unwrap().push(Heard {
                                    at: Instant::now(),
                                    status: alert["status"].as_str().unwrap().to_owned(),
                                    labels: alert["labels"].clone(),
                                    annotations: alert["annotations"].clone(),
                                    fingerprint: alert["fingerprint"].as_str().unwrap().to_owned(),
                                    idempotency_key: headers
                                        .get("idempotency-key")
                                        .and_then(|key| key.to_str().ok())
                                        .unwrap_or_default()
                                        .to_owned(),
                                });
                            }
                            axum::http::StatusCode::OK
                        }
                    }),
                );
                let listener = tokio::net::TcpListener::bind("127.0.0.1:9999").await.unwrap();
                ready.send(()).unwrap();
                let _ = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) }).await;
            });
        });
        is_ready.recv_timeout(Duration::from_secs(10)).expect("the receiver listens");
        Self { heard, refuse, stop: Some(stop), thread: Some(thread) }
    }

    /// All that was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Answer 503 from now on, or stop doing so.
    pub fn refuse(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::Relaxed);
    }

    /// Wait until an alert of this name and status has been heard since the `from`th.
    pub fn wait(&self, from: usize, alertname: &str, status: &str, within: Duration) -> Heard {
        wait_for(&format!("{alertname} {status}"), within, || {
            self.heard().into_iter().skip(from).find(|h| h.label("alertname") == alertname && h.status == status)
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The connection is kept alive by the sender, so the thread is left to end with the process.
        drop(self.stop.take());
        drop(self.thread.take());
    }
}

/// Ask again and again until there is an answer; panics when there is none in time.
pub fn wait_for<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain until: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where tests leave what people may want to look at: screenshots.
pub fn artefacts() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("artefacts");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
