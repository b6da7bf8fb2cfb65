//! `selvedge run` and `selvedge drops` in a network namespace of their own, where packets go to a port on which nobody listens.
//! Needs root, util-linux and iproute2.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SELVEDGE: &str = env!("CARGO_BIN_EXE_selvedge");
const LISTEN: u16 = 9750;

/// A process in a namespace that goes with it.
struct Stage(Child);

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    /// None where there are no namespaces to be had.
    fn up(line: &str, folder: &Path) -> Option<Self> {
        let able = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).output();
        if !able.is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "nothing may be left out in CI: no network namespace");
            eprintln!("LEFT OUT: no network namespace (needs root, util-linux and iproute2)");
            return None;
        }
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c", &format!("ip link set lo up && exec {line}")])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare runs");
        Some(Self(child))
    }

    fn bash(&self, script: &str) -> String {
        let output = Command::new("nsenter")
            .args(["--net", "--target", &self.0.id().to_string(), "bash", "-c", script])
            .stderr(Stdio::null())
            .output()
            .expect("nsenter runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn lose(&self, packets: u32) {
        self.bash(&format!("for ((i = 0; i < {packets}; i++)); do echo x >/dev/udp/127.0.0.1/9; done"));
    }

    fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1:{LISTEN}\\r\\nConnection: close\\r\\n\\r\\n");
        let answer = self.bash(&format!("exec 3<>/dev/tcp/127.0.0.1/{LISTEN} && printf '{request}' >&3 && cat <&3"));
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    fn until<T>(&self, what: &str, mut done: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = done(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: {} {}", self.get("/api/host"), self.get("/api/alerts"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[test]
fn run_tells_where_and_why_this_machine_loses_packets() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[web]\nlisten = \"127.0.0.1:{LISTEN}\"\n[history]\npath = \"data\"\n");
    std::fs::write(folder.path().join("selvedge.toml"), config).unwrap();
    let Some(stage) = Stage::up(&format!("{SELVEDGE} run"), folder.path()) else { return };
    stage.until("it traces", |stage| (json(&stage.get("/api/host"))["reasons"]["state"] == "running").then_some(()));
    // The first look is what later ones are compared with.
    std::thread::sleep(Duration::from_millis(1_500));
    stage.lose(2_000);
    let alert = stage.until("an alert", |stage| {
        let alerts = json(&stage.get("/api/alerts"));
        alerts.as_array()?.iter().find(|alert| alert["labels"]["alertname"] == "DropsHost").cloned()
    });
    assert_eq!((&alert["labels"]["class"], &alert["labels"]["severity"]), (&"noroute".into(), &"warning".into()));
    let evidence = alert["annotations"]["evidence"].as_str().unwrap();
    assert!(evidence.contains("place socket, cause no_listener") && evidence.contains("NO_SOCKET"), "{evidence}");

    let loss = stage.until("all of them", |stage| {
        let host = json(&stage.get("/api/host"));
        let loss = host["losses"].as_array()?.iter().find(|loss| loss["namespace"].is_null()).cloned()?;
        (loss["packets"] == 2_000).then_some(loss)
    });
    assert_eq!(
        (&loss["cause"], &loss["place"], &loss["class"]),
        (&"no_listener".into(), &"socket".into(), &"noroute".into())
    );
    assert_eq!(loss["counted"], 2_000);
    let metrics = stage.get("/metrics");
    let series =
        metrics.lines().filter(|line| line.starts_with("selvedge_host_drops_total") && line.contains("netns=\"\""));
    let total: f64 = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert!(total >= 2_000.0, "{total}: {metrics}");
}

#[test]
fn drops_reports_for_scripts_and_says_by_its_status_whether_any_were_lost() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{SELVEDGE} drops --interval 3s --format json >told; echo $? >status");
    let Some(stage) = Stage::up(&format!("sh -c '{line}'"), folder.path()) else { return };
    std::thread::sleep(Duration::from_millis(1_500));
    stage.lose(50);
    let status = stage.until("its end", |_| {
        std::fs::read_to_string(folder.path().join("status")).ok().filter(|text| !text.is_empty())
    });
    assert_eq!(status, "1\n");
    let told = json(&std::fs::read_to_string(folder.path().join("told")).unwrap());
    let loss = told["losses"].as_array().unwrap().iter().find(|loss| loss["namespace"].is_null()).unwrap();
    assert_eq!(
        (&loss["cause"], loss["packets"].as_u64(), loss["counted"].as_u64()),
        (&"no_listener".into(), Some(50), Some(50))
    );
    assert_eq!(told["untraced"], Value::Null);
}
