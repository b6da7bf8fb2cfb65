//! A real browser as tests use it: headless Chromium, driven through chromedriver by WebDriver (W3C Recommendation,
//! JSON over HTTP), with Chromium's own protocol where WebDriver has no word for it. Both are gone, with all they
//! started, when the value is dropped.
//!
//! Needs Debian's chromium and chromium-driver. In the lab it runs in the management namespace, where nothing but the lab
//! can be reached; outside of it, name resolution is off and addresses other than loopback lead nowhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use super::{Lab, artefacts, client, left_out, wait_for};

const DRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
/// Names the processes of one browser: whatever they start inherits it.
const MARK: &str = "SELVEDGE_TEST_BROWSER";
/// A browser that starts on a machine that also compiles takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a person would scroll through; a picture need not be taller.
const TALLEST: f64 = 4000.0;

/// What is looked with.
#[derive(Clone, Copy)]
pub struct Screen {
    width: u32,
    height: u32,
    phone: bool,
}

impl Screen {
    pub const DESKTOP: Self = Self { width: 1400, height: 1000, phone: false };
    pub const PHONE: Self = Self { width: 375, height: 812, phone: true };
}

/// What the browser itself complained of: an error of a script, a file that was not there, a policy that was broken.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// `SEVERE` or `WARNING`.
    pub level: String,
    /// `javascript`, `network`, `security`, `console-api` …
    pub source: String,
    pub message: String,
}

/// A browser with one tab.
pub struct Browser<'lab> {
    lab: Option<&'lab Lab>,
    driver: Child,
    /// Base address of the session, once there is one.
    session: String,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    screen: Cell<Screen>,
    complaints: RefCell<Vec<Complaint>>,
    requests: RefCell<Vec<reqwest::Url>>,
    /// Profile, home and temporary files of all its processes.
    home: tempfile::TempDir,
}

impl<'lab> Browser<'lab> {
    /// Start one, in a lab's management namespace or on this machine's loopback; none where there is no Chromium.
    pub fn open(lab: Option<&'lab Lab>) -> Option<Self> {
        for (program, package) in [(DRIVER, "chromium-driver"), (CHROMIUM, "chromium")] {
            if !Path::new(program).exists() {
                left_out(&format!("{program} is missing (apt-get install {package})"));
                return None;
            }
        }
        let home = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(home.path().join("driver.log")).unwrap();
        let mut command = lab.map_or_else(|| Command::new(DRIVER), |lab| lab.command_on("mgmt", DRIVER));
        let driver = command
            .arg("--port=0")
            .env(MARK, home.path())
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("chromedriver starts");
        let mut browser = Self {
            lab,
            driver,
            session: String::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            client: client(),
            screen: Cell::new(Screen::DESKTOP),
            complaints: RefCell::default(),
            requests: RefCell::default(),
            home,
        };
        let port = wait_for("chromedriver listens", PATIENCE, || {
            let log = browser.log();
            log.split_once("successfully on port ")?.1.split_once('.')?.0.parse::<u16>().ok()
        });
        let base = format!("http://127.0.0.1:{port}/session");
        let made = browser.ask(&base, &capabilities(browser.home.path())).unwrap();
        browser.session = format!("{base}/{}", made["sessionId"].as_str().expect("a session id"));
        browser.look_with(Screen::DESKTOP);
        Some(browser)
    }

    /// Change what is looked with.
    pub fn look_with(&self, screen: Screen) {
        self.screen.set(screen);
        let Screen { width, height, phone } = screen;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.protocol("Emulation.setDeviceMetricsOverride", metrics);
        self.protocol("Emulation.setTouchEmulationEnabled", json!({ "enabled": phone }));
    }

    /// Prefer `light` or `dark`, as the reader's system would say.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.protocol("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Go to an address; returns when the page has loaded.
    pub fn go(&self, url: &str) {
        self.command("url", json!({ "url": url }));
    }

    /// Run the body of a function in the page; its value.
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        self.command("execute/sync", json!({ "script": script, "args": arguments }))
    }

    /// The text that is seen.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText", json!([])).as_str().unwrap_or_default().to_owned()
    }

    /// A picture of the whole page, not only of what is in sight, among the artefacts.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        let path = artefacts().join(format!("{name}.png"));
        fs::write(&path, self.picture().unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap();
        path
    }

    fn picture(&self) -> Result<Vec<u8>, String> {
        let size = self.try_protocol("Page.getLayoutMetrics", json!({}))?;
        let Screen { width, .. } = self.screen.get();
        let height = size["cssContentSize"]["height"].as_f64().unwrap_or_default().clamp(1.0, TALLEST);
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.try_protocol("Page.captureScreenshot", options)?;
        Ok(decode_base64(picture["data"].as_str().unwrap_or_default()))
    }

    /// Everything the browser complained of so far.
    pub fn complaints(&self) -> Vec<Complaint> {
        for entry in self.drain("browser") {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            if matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")) {
                let complaint = Complaint { level: text("level"), source: text("source"), message: text("message") };
                self.complaints.borrow_mut().push(complaint);
            }
        }
        self.complaints.borrow().clone()
    }

    /// Every request that the page has made so far.
    pub fn requests(&self) -> Vec<reqwest::Url> {
        for entry in self.drain("performance") {
            // One JSON text within another.
            let text = entry["message"].as_str().unwrap_or_default();
            let event: Value = serde_json::from_str(text).unwrap_or_default();
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" || event["method"] == "Network.webSocketCreated" {
                let params = &event["params"];
                let url =
                    params["request"]["url"].as_str().or(params["url"].as_str()).expect("a request has an address");
                self.requests.borrow_mut().push(url.parse().expect("an address"));
            }
        }
        self.requests.borrow().clone()
    }

    /// The hosts, with their ports, that the page asked for anything. What stands in the page or belongs to the browser,
    /// such as the empty tab that it opens with, asks nobody.
    pub fn hosts(&self) -> BTreeSet<String> {
        let own = ["data", "blob", "about", "chrome", "chrome-untrusted"];
        let asks = |url: &&reqwest::Url| !own.contains(&url.scheme());
        let name = |url: &reqwest::Url| {
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
        };
        self.requests().iter().filter(asks).map(name).collect()
    }

    fn drain(&self, log: &str) -> Vec<Value> {
        self.command("se/log", json!({ "type": log })).as_array().cloned().unwrap_or_default()
    }

    fn protocol(&self, method: &str, params: Value) {
        self.try_protocol(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    fn try_protocol(&self, method: &str, params: Value) -> Result<Value, String> {
        let url = format!("{}/goog/cdp/execute", self.session);
        self.ask(&url, &json!({ "cmd": method, "params": params }))
    }

    fn command(&self, command: &str, body: Value) -> Value {
        let url = format!("{}/{command}", self.session);
        self.ask(&url, &body).unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    fn ask(&self, url: &str, body: &Value) -> Result<Value, String> {
        let (runtime, client) = (&self.runtime, &self.client);
        let talk = async move {
            let request = client.post(url).timeout(PATIENCE).json(body);
            let answer = request.send().await.map_err(|error| error.to_string())?;
            answer.json::<Value>().await.map_err(|error| error.to_string())
        };
        let mut answer = match self.lab {
            Some(lab) => lab.within(|| runtime.block_on(talk)),
            None => runtime.block_on(talk),
        }?;
        let value = answer["value"].take();
        // An error is an object that says so (WebDriver, 6.6).
        match (value["error"].as_str(), value["message"].as_str()) {
            (Some(error), Some(message)) => Err(format!("{error}: {}", message.lines().next().unwrap_or_default())),
            _ => Ok(value),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("driver.log")).unwrap_or_default()
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what chromedriver printed ---\n{}", self.log());
            if !self.session.is_empty() {
                // What was seen says more than what was asserted.
                if let Ok(picture) = self.picture() {
                    let test = std::thread::current().name().unwrap_or("a-test").replace("::", "-");
                    let path = artefacts().join(format!("failed-{test}.png"));
                    let _ = fs::write(&path, picture);
                    eprintln!("what the page looked like: {}", path.display());
                }
            }
        }
        // Nothing of the profile is kept, so nothing needs to be closed with care.
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
        // The crash handlers leave the group; they end when their browser does, and are not waited for long.
        let deadline = Instant::now() + Duration::from_secs(5);
        while let left @ [_, ..] = &processes_of(self.home.path())[..] {
            for &pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            assert!(Instant::now() < deadline || std::thread::panicking(), "the browser left {left:?} behind");
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn capabilities(home: &Path) -> Value {
    let profile = format!("--user-data-dir={}", home.join("profile").display());
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": {
            "binary": CHROMIUM,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*", profile,
            ],
        },
    } } })
}

/// The living processes of the browser with this home: those that inherited the mark from its driver.
fn processes_of(home: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", home.display());
    let marked = |pid: &i32| -> io::Result<bool> {
        let environment = fs::read(format!("/proc/{pid}/environ"))?;
        Ok(environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()))
    };
    let numbers = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ended meanwhile is no longer there to be read.
    numbers.filter(|pid| marked(pid).unwrap_or(false)).filter_map(Pid::from_raw).collect()
}

/// RFC 4648, section 4. Padding and what is not of the alphabet is passed over.
fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
