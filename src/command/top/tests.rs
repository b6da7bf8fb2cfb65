//! Screens as they are seen, and that nothing that is typed or sent makes the program fall.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::app::{App, Connection, Key, Tab};
use super::fabric::{Fabric, Filter, Sort};
use super::look::Look;
use super::screen;

fn fabric(value: Value) -> Fabric {
    Fabric::read(&value.to_string()).unwrap()
}

fn end(device: &str, interface: &str, oper: &str, out_bps: Value, out_drops: Value) -> Value {
    json!({"device": device, "interface": interface, "watched": true, "oper_status": oper, "speed_bps": 10_000_000_000_u64,
        "speed_source": "stated", "out_bps": out_bps, "out_drops_pps": out_drops, "in_drops_pps": 0.0})
}

fn link(a: &str, b: &str, state: &str, ways: [Value; 2], drops: [Value; 2]) -> Value {
    let oper = if state == "down" { "down" } else { "up" };
    json!({"id": format!("{a}:{b} - {b}:{a}"), "a": end(a, b, oper, json!(4.2e9), drops[0].clone()),
        "b": end(b, a, oper, json!(1.2e9), drops[1].clone()), "state": state, "since": "2026-11-24T08:00:00Z",
        "heard_at": null, "groups": [format!("{a} uplinks")], "utilization": {"a_to_b": ways[0], "b_to_a": ways[1]},
        "utilization_1h": {"a_to_b": {"p50": 0.12, "p95": 0.4, "p99": 0.93, "max": 0.99}, "b_to_a": null},
        "drops_pps": {"a_to_b": drops[0], "b_to_a": drops[1]}})
}

/// A small fabric with one of everything.
fn example() -> Value {
    let nothing = [json!(0.0), json!(0.0)];
    json!({
        "taken_at": "2026-11-24T08:10:00Z",
        "devices": [
            {"name": "leaf1", "address": "10.0.0.1", "state": "ok", "why": null, "since": "2026-11-24T07:00:00Z",
             "sysDescr": "a switch", "sysUpTime_ms": 86_400_000, "interfaces": 4, "labels": {"role": "leaf"}},
            {"name": "spine1", "address": "10.0.0.9", "state": "unreachable", "why": "no answer", "since": null,
             "sysDescr": "", "sysUpTime_ms": null, "interfaces": 2, "labels": {}},
        ],
        "links": [
            link("leaf1", "spine2", "up", [json!(0.42), json!(0.12)], nothing.clone()),
            link("leaf2", "spine2", "up", [json!(0.85), json!(0.97)], nothing.clone()),
            link("leaf10", "spine1", "unknown", [Value::Null, Value::Null], [Value::Null, Value::Null]),
            link("leaf3", "spine2", "up", [json!(0.3), json!(0.0)], [json!(12.0), json!(0.0)]),
            link("leaf1", "spine1", "down", [Value::Null, Value::Null], nothing),
        ],
        "groups": [
            {"name": "leaf1 uplinks", "kind": "uplinks", "device": "leaf1", "state": "degraded",
             "planned": ["leaf1:spine1 - spine1:leaf1", "leaf1:spine2 - spine2:leaf1"],
             "working": ["leaf1:spine2 - spine2:leaf1"], "unknown": []},
        ],
        "alerts": [
            {"fingerprint": "a1", "state": "firing", "since": "2026-11-24T08:00:00Z", "resolved_at": null, "unknown": null,
             "labels": {"alertname": "LinkDown", "severity": "critical", "link": "leaf1:spine1 - spine1:leaf1",
                        "device": "leaf1", "interface": "spine1", "peer_device": "spine1"},
             "annotations": {"summary": "leaf1 spine1 is down", "cause": "both ends say that they have no carrier",
                             "evidence": "ifOperStatus down at both ends", "action": "look at the cable"}},
            {"fingerprint": "a2", "state": "resolved", "since": "2026-11-24T07:00:00Z", "unknown": null,
             "labels": {"alertname": "Saturation", "severity": "warning", "device": "leaf2"},
             "annotations": {"summary": "leaf2 was near its limit"}},
        ],
        "status": {"targets": {"total": 3, "answered": 2}},
    })
}

fn app(value: Value) -> App {
    App::new("127.0.0.1:9750".into(), fabric(value), 0)
}

fn type_in(app: &mut App, text: &str) {
    text.chars().for_each(|c| app.press(Key::Char(c)));
}

fn screen(app: &mut App, columns: u16, rows: u16) -> String {
    app.resize(columns, rows);
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let look = Look { color: false };
    terminal.draw(|frame| screen::draw(app, look, frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..rows {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..columns {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line += symbol;
            }
            skip = super::text::width(symbol).max(skip).saturating_sub(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Compare with `screens/NAME.txt`; `BLESS=1` writes it anew.
#[track_caller]
fn assert_golden(name: &str, said: &str) {
    let golden = format!("{}/src/command/top/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(&golden).unwrap_or_default(), "{golden}");
}

#[test]
fn links_are_seen_at_every_width() {
    let mut app = app(example());
    assert_golden("links-80", &screen(&mut app, 80, 24));
    assert_golden("links-160", &screen(&mut app, 160, 12));
    assert_golden("links-40", &screen(&mut app, 40, 9));
    assert_golden("links-plain", &screen::plain(&app));
}

#[test]
fn every_list_and_page_is_seen() {
    let mut app = app(example());
    for (key, name) in [('2', "alerts"), ('3', "devices"), ('4', "groups"), ('?', "help")] {
        app.press(Key::Char(key));
        assert_golden(name, &screen(&mut app, 80, 24));
    }
    app.press(Key::Char('1'));
    app.press(Key::Enter);
    assert_golden("link", &screen(&mut app, 80, 30));
    app.press(Key::Enter);
    assert_golden("device", &screen(&mut app, 80, 24));
    app.press(Key::Char('2'));
    app.press(Key::Enter);
    assert_golden("alert", &screen(&mut app, 60, 20));
    app.press(Key::Char('4'));
    app.press(Key::Enter);
    assert_golden("group", &screen(&mut app, 80, 12));
}

#[test]
fn a_lost_connection_greys_the_last_state_and_says_how_old_it_is() {
    let mut app = app(example());
    app.lost("it ended".into());
    app.tick(12_500);
    assert_golden("lost", &screen(&mut app, 80, 10));
    app.update(fabric(example()));
    assert_eq!(app.connection, Connection::Live);
    assert!(screen(&mut app, 80, 10).contains("live"));
}

fn ids(app: &App, filter: &str) -> Vec<String> {
    let shown = app.fabric.links_by(app.sort, &Filter::new(filter));
    shown.into_iter().map(|at| app.fabric.frame.links[at].a.device.as_str().to_owned()).collect()
}

#[test]
fn links_are_ordered_and_filtered_as_asked() {
    let mut app = app(example());
    assert_eq!(ids(&app, ""), ["leaf1", "leaf2", "leaf3", "leaf10", "leaf1"]);
    app.press(Key::Char('s'));
    assert_eq!(
        (app.sort, ids(&app, "")),
        (Sort::Utilization, ["leaf2", "leaf1", "leaf3", "leaf1", "leaf10"].map(String::from).into())
    );
    app.press(Key::Char('s'));
    assert_eq!(ids(&app, "")[0], "leaf3");
    app.press(Key::Char('s'));
    assert_eq!(ids(&app, ""), ["leaf1", "leaf1", "leaf2", "leaf3", "leaf10"]);
    for (filter, found) in [
        ("is:down", vec!["leaf1"]),
        ("is:busy", vec!["leaf2"]),
        ("is:drops", vec!["leaf3"]),
        ("is:trouble", vec!["leaf1", "leaf2", "leaf3"]),
        ("is:unknown", vec!["leaf10"]),
        ("SPINE2 leaf1", vec!["leaf1"]),
        ("leaf3 uplinks", vec!["leaf3"]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(ids(&app, filter), found, "{filter}");
    }
}

#[test]
fn a_selection_stays_with_its_link_when_the_order_changes_and_a_pause_holds_everything() {
    let mut app = app(example());
    app.press(Key::Down);
    let selected = |app: &App| app.shown()[app.selected(&app.shown())];
    assert_eq!(selected(&app), 1);
    let mut later = example();
    later["links"][1] = link("leaf2", "spine2", "up", [json!(0.1), json!(0.1)], [json!(0.0), json!(0.0)]);
    app.press(Key::Char(' '));
    app.update(fabric(later));
    assert!(screen(&mut app, 80, 24).contains("PAUSED"));
    assert_eq!(app.fabric.links[1].worst, Some(0.97));
    app.press(Key::Char(' '));
    assert_eq!((app.fabric.links[1].worst, selected(&app)), (Some(0.1), 1));
}

#[test]
fn what_is_typed_into_the_filter_is_no_command() {
    let mut app = app(example());
    type_in(&mut app, "/q?s1 j");
    assert_eq!((app.place().filter.as_str(), app.quit, app.tab), ("q?s1 j", false, Tab::Links));
    app.press(Key::Esc);
    assert_eq!((app.place().filter.as_str(), app.typing), ("", false));
    type_in(&mut app, "/is:down");
    app.press(Key::Enter);
    assert_golden("filtered", &screen(&mut app, 80, 8));
    app.press(Key::Char('q'));
    assert!(app.quit);
}

#[test]
fn names_with_controls_and_wide_characters_stay_in_their_columns() {
    let mut value = example();
    value["links"] = json!([link(
        "東京\u{1b}[31m",
        "e\u{301}\u{202e}x\n",
        "up",
        [json!(0.5), json!(1e300)],
        [json!(1e300), Value::Null]
    )]);
    assert_golden("hostile", &screen(&mut app(value), 80, 6));
}

#[test]
fn colours_follow_the_thresholds_and_are_gone_where_none_are_wanted_or_all_is_old() {
    use ratatui::style::{Color, Modifier};
    let mut app = app(example());
    let drawn = |app: &mut App, color: bool| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        app.resize(80, 24);
        terminal.draw(|frame| screen::draw(app, Look { color }, frame.area(), frame.buffer_mut())).unwrap();
        terminal.backend().buffer().clone()
    };
    let plain = drawn(&mut app, false);
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let buffer = drawn(&mut app, true);
    let bars = |row: u16| {
        (0..80).filter(|x| buffer[(*x, row)].symbol() == "█").map(|x| buffer[(x, row)].fg).collect::<Vec<_>>()
    };
    // leaf2 - spine2: 85 % and 97 %; leaf3 - spine2: 30 %.
    assert_eq!((bars(4).first(), bars(4).last()), (Some(&Color::Yellow), Some(&Color::Red)));
    assert_eq!(bars(5).first(), Some(&Color::Reset));
    app.lost("gone".into());
    let old = drawn(&mut app, true);
    let words = (3..8).flat_map(|y| (0..80).map(move |x| (x, y))).filter(|at| old[*at].symbol() != " ");
    assert!(words.into_iter().all(|at| old[at].fg == Color::DarkGray && old[at].modifier.contains(Modifier::DIM)));
}

#[test]
fn an_address_is_shown_without_its_password() {
    let feed = |url: &str| super::Feed::new(url.parse().unwrap());
    let behind = feed("http://me:hidden@monitor:8080/selvedge/").map_err(drop).unwrap();
    assert_eq!((behind.host().as_str(), behind.events.path()), ("monitor:8080", "/selvedge/api/events"));
    assert!(!behind.shown.as_str().contains("hidden"));
    assert!(feed("ftp://me:hidden@monitor").is_err_and(|why| why.contains("http://") && !why.contains("hidden")));
}

#[test]
fn ten_thousand_links_are_no_burden() {
    let nothing = [json!(0.0), json!(0.0)];
    let mut value = example();
    value["links"] = (0..10_000)
        .map(|n| link(&format!("leaf{n}"), "spine1", "up", [json!(0.5), json!(0.2)], nothing.clone()))
        .collect();
    let mut app = app(value);
    let began = std::time::Instant::now();
    app.press(Key::Bottom);
    assert!(screen(&mut app, 160, 50).contains("leaf9999:spine1"));
    // A debug build on a busy machine needs a second; what is quadratic takes minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "leaf1",
            "leaf2",
            "spine1",
            "down",
            "up",
            "firing",
            "critical",
            "2026-11-24T08:00:00Z",
            "日本",
            "\u{1b}[2J"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), (-2.0..2.0f64).prop_map(|n| json!(n)), any::<f64>().prop_map(|n| json!(n))]
}

prop_compose! {
    fn any_link()(a in any_text(), b in any_text(), state in any_text(), ways in [any_number(), any_number()],
                  drops in [any_number(), any_number()]) -> Value {
        link(&a, &b, &state, ways, drops)
    }
}

prop_compose! {
    fn any_state()(links in prop::collection::vec(any_link(), 0..6), words in prop::collection::vec(any_text(), 8)) -> Value {
        let mut state = example();
        let w = |n: usize| words[n].clone();
        state["links"] = json!(links);
        state["taken_at"] = json!(w(0));
        state["devices"][0] = json!({"name": w(1), "state": w(2), "since": w(3), "sysUpTime_ms": u64::MAX, "labels": {"x": w(4)}});
        state["groups"][0] = json!({"name": w(1), "device": w(2), "state": w(3), "planned": words, "working": [w(5)]});
        state["alerts"][0] = json!({"fingerprint": w(6), "state": w(7), "since": w(0), "labels": {"link": w(1), "device": w(2),
            "severity": w(3)}, "annotations": {"summary": w(4), "cause": w(5), "evidence": w(6)}});
        state
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    let keys = vec![
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Top,
        Key::Bottom,
        Key::Enter,
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Clear,
    ];
    prop_oneof![
        prop::sample::select(keys),
        prop::sample::select("jkgG/?s 1234qis:down日".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        any::<char>().prop_map(Key::Char),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_state_and_no_key_makes_it_fall(
        states in prop::collection::vec(any_state(), 1..3),
        keys in prop::collection::vec((any_key(), 0u16..100, 0u16..40), 0..30),
    ) {
        let mut app = app(states[0].clone());
        for (n, (key, columns, rows)) in keys.into_iter().enumerate() {
            app.press(key);
            app.tick(n as u64 * 700);
            if n % 5 == 4 {
                app.update(fabric(states[n % states.len()].clone()));
            }
            if n % 11 == 10 {
                app.lost("gone".into());
            }
            if columns > 0 && rows > 0 {
                screen(&mut app, columns, rows);
            }
        }
        let text = screen::plain(&app);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn text_that_is_no_state_is_refused(text in any::<String>()) {
        let _ = Fabric::read(&text);
    }
}
