//! The page as a person meets it: the real binary, a real fabric or a simulated one, and a real browser.
//!
//! Whatever a test does, no script may fail, no file be missing, and nothing be asked of another host. The pictures that
//! are left among the artefacts are for people to look at.

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::browser::{Browser, Screen};
use lab::{Lab, left_out, wait_for};
use serde_json::json;

/// What the table of links shows of one link.
#[derive(Debug)]
struct Row {
    id: String,
    state: String,
    /// Percent in either direction; none where the page shows that it is unknown.
    a_to_b: Option<f64>,
    b_to_a: Option<f64>,
}

impl Row {
    /// The busier direction.
    fn percent(&self) -> Option<f64> {
        Some(self.a_to_b?.max(self.b_to_a?))
    }
}

fn rows(browser: &Browser) -> Vec<Row> {
    let script = r#"
        const shown = (cell) => (cell.querySelector(".num") ?? cell).textContent;
        const end = (element) => `${element.querySelector("b").textContent}:${element.querySelector("i").textContent}`;
        return [...document.querySelectorAll("table.links tbody tr[role=row]")].map((row) => ({
            id: [...row.querySelectorAll(".c-name .end")].map(end).join(" - "),
            state: row.querySelector(".c-state .word").textContent,
            a_to_b: shown(row.querySelector(".c-ab")),
            b_to_a: shown(row.querySelector(".c-ba")),
        }));"#;
    let rows = browser.run(script, json!([]));
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect(key).to_owned();
    rows.as_array()
        .expect("rows")
        .iter()
        .map(|row| Row {
            id: text(row, "id"),
            state: text(row, "state"),
            a_to_b: percent(&text(row, "a_to_b")),
            b_to_a: percent(&text(row, "b_to_a")),
        })
        .collect()
}

/// `4.2 %`, `<0.1 %`; anything else says why it is unknown.
fn percent(text: &str) -> Option<f64> {
    text.strip_suffix(" %")?.trim_start_matches('<').parse().ok()
}

fn row(browser: &Browser, id: &str) -> Row {
    rows(browser).into_iter().find(|row| row.id == id).unwrap_or_else(|| panic!("no row of {id}"))
}

/// The names of the alerts that the page shows as firing.
fn firing(browser: &Browser) -> BTreeSet<String> {
    texts(browser, ".alertspanel .alert.firing .sub")
}

fn texts(browser: &Browser, selector: &str) -> BTreeSet<String> {
    let script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)";
    let found = browser.run(script, json!([selector]));
    found.as_array().expect("texts").iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

/// Whether anything is drawn on a canvas. It is copied first, since the browser would warn of reading a shown one.
const DRAWN: &str = r#"
    const drawn = (canvas) => {
        if (canvas.width === 0 || canvas.height === 0) return false;
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return copy.getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
    };"#;

/// The drawing in words, once it is drawn: something is on its canvas.
fn drawing(browser: &Browser) -> Option<String> {
    let script = r#"
        const box = document.querySelector(".topologypanel [role=img]");
        return box && [...box.querySelectorAll("canvas")].some(drawn) ? box.getAttribute("aria-label") : null;"#;
    browser.run(&format!("{DRAWN}{script}"), json!([])).as_str().map(str::to_owned)
}

/// Mark the page, so that a reload would be seen.
fn mark(browser: &Browser) {
    browser.run("window.untouched = true", json!([]));
}

fn is_same_page(browser: &Browser) -> bool {
    browser.run("return window.untouched === true", json!([])) == true
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Nothing went wrong in the browser, and only `host` was asked.
fn is_clean(browser: &Browser, host: &str) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    assert_eq!(browser.hosts(), BTreeSet::from([host.to_owned()]));
}

#[test]
fn a_fabric_is_drawn_its_load_rises_and_a_cut_cable_is_seen() {
    let Some(lab) = Lab::up(2, 2, 1) else { return };
    if Command::new("iperf3").arg("--version").output().is_err() {
        return left_out("iperf3 is missing (apt-get install iperf3)");
    }
    // Lines of 100 Mbit/s, so that little traffic is much of them.
    let slow = "[[interface]]\ndevice = \"*\"\nname = \"*\"\nspeed = \"100M\"\n";
    let selvedge = lab.selvedge(&lab.config(4, slow));
    let Some(browser) = Browser::open(Some(&lab)) else { return };
    wait_for("the page is served", seconds(10), || lab.get("/api/status").ok());

    browser.go("http://127.0.0.1:9750/");
    mark(&browser);
    let calm = |row: &Row| row.state == "up" && row.percent().is_some_and(|percent| percent < 5.0);
    wait_for("six calm links are shown", seconds(30), || {
        let rows = rows(&browser);
        (rows.len() == 6 && rows.iter().all(calm)).then_some(())
    });
    assert_eq!(
        texts(&browser, "table.devices td.c-name"),
        ["leaf1", "leaf2", "spine1", "spine2"].map(String::from).into()
    );
    let words = wait_for("the topology is drawn", seconds(10), || drawing(&browser));
    assert!(words.contains("6 devices and 6 links: 6 up, 0 down, 0 unknown"), "{words}");
    assert!(words.contains("spine1, spine2; leaf1, leaf2; h1-1, h2-1"), "{words}");
    assert_eq!(firing(&browser), BTreeSet::new());
    browser.screenshot("lab-calm");

    // One flow takes one of leaf1's two ways up.
    let server = quiet(lab.command_on("h2-1", "iperf3").args(["-s", "-1"]));
    std::thread::sleep(Duration::from_millis(300));
    let client = quiet(lab.command_on("h1-1", "iperf3").args(["-c", "10.77.2.6", "-t", "60", "-b", "45M"]));
    let started = Instant::now();
    let (way, ways) = ("h1-1:leaf1 - leaf1:h1-1", ["leaf1:spine1 - spine1:leaf1", "leaf1:spine2 - spine2:leaf1"]);
    wait_for("the load is shown", seconds(20), || {
        let up = ways.iter().filter(|&way| row(&browser, way).a_to_b.is_some_and(|percent| percent > 30.0)).count();
        let host = row(&browser, way);
        (up == 1 && host.a_to_b? > 30.0 && host.b_to_a? < 30.0).then_some(())
    });
    println!("load to page: {:.1} s", started.elapsed().as_secs_f64());
    std::thread::sleep(seconds(4));
    let rate = row(&browser, way).a_to_b.expect("a rate");
    assert!((35.0..60.0).contains(&rate), "45 Mbit/s of 100 are shown as {rate} %");
    browser.screenshot("lab-loaded");
    browser.prefer("dark");
    browser.screenshot("lab-loaded-dark");
    browser.prefer("light");
    for mut process in [client, server] {
        let _ = process.kill();
        let _ = process.wait();
    }

    lab.run("cut leaf1 spine1");
    let cut = Instant::now();
    wait_for("the alert is shown", seconds(10), || firing(&browser).contains("LinkDown").then_some(()));
    wait_for("the link is shown as down", seconds(2), || (row(&browser, ways[0]).state == "down").then_some(()));
    println!("cut to page: {:.3} s", cut.elapsed().as_secs_f64());
    wait_for("the lost redundancy is shown", seconds(10), || {
        firing(&browser).contains("RedundancyDegraded").then_some(())
    });
    assert_eq!(row(&browser, ways[0]).percent(), None, "nothing passes it, whatever the agents last counted");
    let words = drawing(&browser).expect("still drawn");
    assert!(words.contains("5 up, 1 down") && words.contains(&format!("Down: {}.", ways[0])), "{words}");
    assert_eq!(rows(&browser)[0].id, ways[0], "what is down stands first");
    assert!(is_same_page(&browser), "all of it without a reload");
    browser.screenshot("lab-cut");
    browser.prefer("dark");
    browser.screenshot("lab-cut-dark");
    browser.prefer("light");
    browser.look_with(Screen::PHONE);
    wait_for("it fits a phone", seconds(5), || fits(&browser).then_some(()));
    assert_eq!(row(&browser, ways[0]).state, "down");
    browser.screenshot("lab-cut-phone");

    is_clean(&browser, "127.0.0.1:9750");
    selvedge.stop();
}

#[test]
fn the_demo_shows_its_story_in_every_view() {
    let demo = Process::start(&["demo", "--listen", "127.0.77.1:0", "--address", "127.0.77.11", "--port", "1177"]);
    let Some(browser) = Browser::open(None) else { return };
    let page = wait_for("the demo says where its page is", seconds(10), || {
        demo.printed().split_once("the page: ")?.1.split_whitespace().next().map(str::to_owned)
    });
    let host = page.trim_start_matches("http://").trim_end_matches('/').to_owned();

    browser.go(&page);
    wait_for("devices and links are shown", seconds(20), || {
        let rows = rows(&browser);
        let known = rows.iter().filter(|row| row.state == "up" && row.percent().is_some()).count();
        (known > 0 && known == rows.len() && texts(&browser, "table.devices td.c-name").contains("leaf1")).then_some(())
    });
    wait_for("the fabric is drawn", seconds(10), || drawing(&browser));
    // The story's first trouble: leaf1's hosts send three times as much.
    wait_for("the busy link is told", seconds(40), || firing(&browser).contains("Saturation").then_some(()));
    let busiest =
        rows(&browser).into_iter().max_by_key(|row| row.percent().map(|percent| percent as u32)).expect("links");
    assert!(busiest.percent() > Some(80.0), "{busiest:?}");
    browser.screenshot("demo");

    // Everything that can be looked at; each view has its heading, and says what it is about.
    for (name, path, says) in [
        ("link", format!("#/link/{}", escaped(&busiest.id)), "Redundancy"),
        ("device", "#/device/leaf1".into(), "Identity"),
        ("interface", "#/interface/leaf1/Ethernet1".into(), "Counters"),
        ("alerts", "#/alerts".into(), "Saturation"),
        ("about", "#/about".into(), env!("CARGO_PKG_VERSION")),
        ("filtered", "#/?q=leaf2".into(), "leaf2"),
        ("nothing", "#/device/no%20such%20device".into(), "no such device"),
    ] {
        browser.go(&format!("{page}{path}"));
        wait_for(&format!("the view {name} says {says}"), seconds(5), || browser.text().contains(says).then_some(()));
        if matches!(name, "link" | "interface") {
            wait_for(&format!("the history of the {name} is drawn"), seconds(5), || curves(&browser).then_some(()));
        }
        browser.screenshot(&format!("demo-{name}"));
        browser.look_with(Screen::PHONE);
        wait_for(&format!("the view {name} fits a phone"), seconds(5), || fits(&browser).then_some(()));
        browser.screenshot(&format!("demo-{name}-phone"));
        browser.look_with(Screen::DESKTOP);
    }
    is_clean(&browser, &host);
}

#[test]
fn the_page_says_that_selvedge_is_gone_and_recovers_by_itself() {
    // It must come back where it was, so the port is chosen beforehand.
    let free = std::net::TcpListener::bind("127.0.77.2:0").and_then(|listener| listener.local_addr()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("selvedge.toml");
    let data = scratch.path().join("data");
    fs::write(&config, format!("[web]\nlisten = \"{free}\"\n[history]\npath = {data:?}\n")).unwrap();
    let start = || Process::start(&["run", "--config", config.to_str().unwrap()]);

    let mut selvedge = start();
    let Some(browser) = Browser::open(None) else { return };
    wait_for("the page is served", seconds(10), || std::net::TcpStream::connect(free).ok());
    browser.go(&format!("http://{free}/"));
    mark(&browser);
    // This machine alone, watched without any configuration of it.
    wait_for("this machine is shown", seconds(10), || {
        (texts(&browser, "table.devices td.c-name").len() == 1).then_some(())
    });
    wait_for("its interfaces are shown", seconds(10), || {
        texts(&browser, "table.interfaces td.c-name b").contains("lo").then_some(())
    });
    is_clean(&browser, &free.to_string());
    browser.screenshot("host");
    let pulse = || texts(&browser, ".pulse [role=status]").into_iter().next().unwrap_or_default();
    assert_eq!(pulse(), "live");

    selvedge.end();
    wait_for("the page says so", seconds(10), || browser.text().contains("Selvedge does not answer").then_some(()));
    assert_ne!(pulse(), "live");
    assert!(texts(&browser, "table.interfaces td.c-name b").contains("lo"), "what was last known is still there");
    browser.screenshot("host-gone");

    selvedge = start();
    wait_for("the page is back", seconds(20), || (pulse() == "live").then_some(()));
    assert!(!browser.text().contains("Selvedge does not answer"));
    assert!(is_same_page(&browser), "without a reload");
    // While nobody answered the browser noted that, and nothing else.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.source == "network"), "{complaints:#?}");
    assert_eq!(browser.hosts(), BTreeSet::from([free.to_string()]));
    drop(browser);
    selvedge.end();
}

/// Nothing is wider than the screen.
fn fits(browser: &Browser) -> bool {
    browser.run("return document.documentElement.scrollWidth <= innerWidth", json!([])) == true
}

/// There are charts, each is drawn, and none says that nothing is known.
fn curves(browser: &Browser) -> bool {
    let script = r#"
        const charts = [...document.querySelectorAll(".uplot canvas")];
        return charts.length > 0 && charts.every(drawn) && !document.body.innerText.includes("nothing is known");"#;
    browser.run(&format!("{DRAWN}{script}"), json!([])) == true
}

/// As one segment of an address (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Selvedge on this machine itself; ends with the value.
struct Process {
    child: Child,
    output: fs::File,
    /// Where it puts what is temporary: it is killed, and cannot clean up after itself.
    _scratch: tempfile::TempDir,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let output = tempfile::tempfile().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(arguments)
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output.try_clone().unwrap())
            .spawn()
            .expect("selvedge starts");
        Self { child, output, _scratch: scratch }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it printed so far.
    fn printed(&self) -> String {
        let mut text = vec![0; self.output.metadata().unwrap().len() as usize];
        std::os::unix::fs::FileExt::read_exact_at(&self.output, &mut text, 0).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what selvedge printed ---\n{}", self.printed());
        }
        self.end();
    }
}
