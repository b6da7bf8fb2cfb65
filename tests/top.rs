//! `selvedge top` as a person meets it: the real binary in a real terminal (tmux), on a simulated fabric.

mod lab;

use std::fs::{self, File};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use lab::{left_out, wait_for};

const SELVEDGE: &str = env!("CARGO_BIN_EXE_selvedge");

/// A simulated fabric, watched; stopped when dropped.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start(scratch: &tempfile::TempDir, address: &str) -> Self {
        let log = scratch.path().join("demo.log");
        let file = File::create(&log).unwrap();
        let child = Command::new(SELVEDGE)
            .args(["demo", "--listen", "127.0.0.1:0", "--address", address, "--port", "11691"])
            .env("NO_COLOR", "1")
            // Killed, it cleans up nothing; this folder goes with the test.
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("selvedge starts");
        let mut demo = Self { child, url: String::new() };
        demo.url = wait_for("the demo says where its page is", Duration::from_secs(10), || {
            let text = fs::read_to_string(&log).unwrap();
            let url = text.split("the page: ").nth(1)?.split_whitespace().next()?.to_owned();
            text.contains(" links found in ").then_some(url)
        });
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal of its own server.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// A shell that says `ready` and obeys; none where tmux is missing.
    fn open(scratch: &tempfile::TempDir) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            left_out("tmux is missing (apt-get install tmux)");
            return None;
        }
        let tmux = Self { socket: scratch.path().join("tmux").display().to_string() };
        let made = tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "24", "PS1='ready$ ' sh"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(tmux)
    }

    fn run(&self, args: &[&str]) -> Output {
        // A terminal of UTF-8, whatever the locale of whoever runs the tests.
        Command::new("tmux").args(["-u", "-S", &self.socket]).args(args).env("LC_ALL", "C.UTF-8").output().unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    #[track_caller]
    fn shows(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        wait_for(what, Duration::from_secs(10), || Some(self.screen()).filter(|screen| is(screen)))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn links_are_seen_filtered_and_opened_and_the_terminal_is_given_back() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(tmux) = Tmux::open(&scratch) else { return };
    let mut demo = Demo::start(&scratch, "127.0.91.1");
    tmux.keys(&[&format!("{SELVEDGE} top --url {}", demo.url), "Enter"]);
    tmux.shows("the links", |screen| {
        screen.contains("[1 Links") && screen.contains("leaf1:Ethernet1 ⇄ spine1:Ethernet1")
    });

    tmux.keys(&["/", "leaf3 spine2"]);
    let screen =
        tmux.shows("the filtered links", |screen| screen.contains("leaf3 spine2") && !screen.contains("leaf1:"));
    assert!(screen.contains("leaf3:Ethernet2 ⇄ spine2:Ethernet3"), "{screen}");
    tmux.keys(&["Enter", "Enter"]);
    tmux.shows("the link's page", |screen| screen.contains("Load and loss") && screen.contains("leaf3 → spine2"));
    tmux.keys(&["Escape"]);
    tmux.shows("the list again", |screen| screen.contains("1 shown"));
    tmux.keys(&["?"]);
    tmux.shows("the help", |screen| screen.contains("never the same as 0"));
    tmux.keys(&["3"]);
    tmux.shows("the devices", |screen| screen.contains("[3 Devices") && screen.contains("127.0.91.1"));
    tmux.run(&["resize-window", "-x", "20", "-y", "3"]);
    tmux.run(&["resize-window", "-x", "100", "-y", "24"]);
    tmux.shows("the devices after a resize", |screen| screen.contains("127.0.91.1"));

    tmux.keys(&["q"]);
    // The alternate screen is left and what is typed is seen again.
    tmux.shows("the shell again", |screen| screen.trim_end().ends_with("ready$"));
    tmux.keys(&["echo $((40 + 2)) back", "Enter"]);
    tmux.shows("the shell obeys", |screen| screen.contains("42 back") && screen.contains("echo"));

    let _ = demo.child.kill();
    let _ = demo.child.wait();
}

#[test]
fn a_lost_instance_is_said_to_be_lost_and_a_signal_gives_the_terminal_back() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(tmux) = Tmux::open(&scratch) else { return };
    let demo = Demo::start(&scratch, "127.0.92.1");
    // The shell says its own number; what it becomes keeps it.
    tmux.keys(&[
        &format!("sh -c 'echo $$ > {}/pid; exec {SELVEDGE} top --url {}'", scratch.path().display(), demo.url),
        "Enter",
    ]);
    tmux.shows("the links", |screen| screen.contains("[1 Links") && screen.contains(" live "));
    drop(demo);
    let screen = tmux.shows("the loss", |screen| screen.contains("not connected, last update "));
    assert!(screen.contains("leaf1:Ethernet1 ⇄ spine1:Ethernet1"), "the last state stays: {screen}");
    let pid = fs::read_to_string(scratch.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    tmux.shows("the shell again", |screen| screen.trim_end().ends_with("ready$"));
}

#[test]
fn what_is_no_terminal_gets_the_links_once() {
    let scratch = tempfile::tempdir().unwrap();
    let demo = Demo::start(&scratch, "127.0.93.1");
    let top = |args: &[&str]| Command::new(SELVEDGE).arg("top").args(args).stdin(Stdio::null()).output().unwrap();
    let text = top(&["--url", &demo.url]);
    let said = String::from_utf8(text.stdout).unwrap();
    assert!(text.status.success() && said.contains("leaf1:Ethernet1 ⇄ spine1:Ethernet1"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    let json = top(&["--url", &demo.url, "--format", "json"]);
    let state: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json.status.success() && state["links"].as_array().is_some_and(|links| !links.is_empty()), "{state}");
    let url = demo.url.clone();
    drop(demo);
    let gone = top(&["--url", &url]);
    let said = String::from_utf8(gone.stderr).unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(said.contains(&url) && said.contains("is `selvedge run` running there?"), "{said}");
}
