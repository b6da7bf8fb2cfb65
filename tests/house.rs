//! The house keeps its walls: who may import whom, where `unsafe` may live, and that the pure rooms stay pure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const WORDS: &[&str] = &["fabric"];
const PURE: &[&str] = &["snmp", "mib", "aggregate", "topology", "detect", "alert"];

/// What each shell room may see of ours beside the words, the pure rooms and itself.
const SHELL: &[(&str, &[&str])] = &[
    ("collect", &["telemetry"]),
    ("deliver", &["http", "telemetry"]),
    ("export", &["http", "telemetry", "history"]),
    ("history", &["telemetry"]),
    ("web", &["telemetry", "history", "export"]),
    // System calls are everybody's, collectors are not.
    ("simulate", &["telemetry", "collect::sys"]),
    // The settings of every room are filled here, so it may name them all.
    ("config", &["collect", "deliver", "export", "history", "web", "http", "telemetry"]),
    ("http", &[]),
    ("telemetry", &[]),
];

/// Inputs and outputs that a pure room never touches.
const IMPURE: &[&str] = &[
    "tokio",
    "std::net::UdpSocket",
    "std::net::Tcp",
    "std::fs",
    "tracing",
    "SystemTime",
    "Instant::now",
    "reqwest",
    "axum",
    "fjall",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            if !entry.ends_with("page") {
                sources(&entry, found);
            }
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

/// Every source file: its room, its path within `src`, and its code without comments and without its tests.
fn rooms() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "the walk found the house");
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
            let room = inside.split(['/', '.']).next().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text
                .split("#[cfg(test)]\nmod ")
                .next()
                .unwrap()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            (room, inside, code.join("\n"))
        })
        .filter(|(_, inside, _)| !inside.contains("tests"))
        .collect()
}

/// The rooms that a piece of code names: `crate::room`, also inside `use crate::{a, b::c}`. The system calls are told
/// apart from the rest of their room.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            rooms.push(word);
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect());
        }
    }
    rooms
        .into_iter()
        .map(|word| {
            let word = word.trim();
            let calls = word == "collect::sys" || word.starts_with("collect::sys::");
            if calls { "collect::sys" } else { word.split("::").next().unwrap().trim() }.to_owned()
        })
        .filter(|w| !w.is_empty())
        .collect()
}

#[test]
fn rooms_import_only_what_is_upstream() {
    let shell: BTreeMap<_, _> = SHELL.iter().copied().collect();
    let mut trespasses = Vec::new();
    for (room, file, code) in rooms() {
        let allowed: Vec<&str> = match room.as_str() {
            r if WORDS.contains(&r) => vec![],
            r if PURE.contains(&r) => [WORDS, PURE].concat(),
            "lib" | "main" | "run" | "command" => continue,
            r => {
                let extra =
                    shell.get(r).unwrap_or_else(|| panic!("{file}: a room that nobody drew: add it to the house"));
                [WORDS, PURE, extra].concat()
            }
        };
        for name in named(&code) {
            if name.split("::").next() != Some(&room) && !allowed.contains(&name.as_str()) {
                trespasses.push(format!("{file} names crate::{name}"));
            }
        }
    }
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

#[test]
fn pure_rooms_touch_no_world() {
    let mut touches = Vec::new();
    for (room, file, code) in rooms() {
        if WORDS.contains(&room.as_str()) || PURE.contains(&room.as_str()) {
            touches
                .extend(IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{file} names {word}")));
        }
    }
    assert!(touches.is_empty(), "{}", touches.join("\n"));
}

#[test]
fn unsafe_lives_in_one_room() {
    for (_, file, code) in rooms() {
        let uses = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        assert!(!uses || file.starts_with("collect/sys"), "{file} holds unsafe code");
    }
}

#[test]
fn the_walk_reads_grouped_imports() {
    assert_eq!(named("use crate::{fabric::{A, B}, snmp};\ncrate::alert::X"), ["fabric", "snmp", "alert"]);
    assert_eq!(named("use crate::collect::sys::wait;\nuse crate::collect::system;"), ["collect::sys", "collect"]);
}
