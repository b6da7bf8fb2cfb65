//! The names of the kernel's functions: /proc/kallsyms, whose addresses are zeros without CAP_SYSLOG (or as
//! `kernel.kptr_restrict` says).

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No line is longer.
const LONGEST: usize = 4_096;
/// Places that are remembered; a kernel has some hundred where it drops packets.
const MOST: usize = 16_384;

/// What was looked up.
pub(super) struct Symbols {
    path: PathBuf,
    known: HashMap<u64, Option<Arc<str>>>,
}

impl Symbols {
    pub fn new(root: &Path) -> Self {
        Self { path: root.join("proc/kallsyms"), known: HashMap::new() }
    }

    /// The file is long, and is read only when a place is new.
    pub fn learn(&mut self, places: impl Iterator<Item = u64>) {
        let new: BTreeSet<u64> = places.filter(|place| !self.known.contains_key(place)).collect();
        if new.is_empty() || self.known.len() >= MOST {
            return;
        }
        let found = File::open(&self.path).map(|file| resolve(BufReader::new(file), &new)).unwrap_or_default();
        self.known.extend(new.into_iter().map(|place| (place, found.get(&place).cloned())));
    }

    /// The function at a place.
    pub fn name(&self, place: u64) -> Option<Arc<str>> {
        self.known.get(&place).cloned().flatten()
    }
}

/// For each place the nearest function that begins at or before it: `name+0x1f`.
fn resolve(mut lines: impl BufRead, places: &BTreeSet<u64>) -> HashMap<u64, Arc<str>> {
    // The best so far: where it begins, and its name.
    let mut best: HashMap<u64, (u64, String)> = HashMap::new();
    let Some(highest) = places.last().copied() else { return HashMap::new() };
    let mut line = Vec::new();
    loop {
        line.clear();
        match std::io::Read::take(&mut lines, LONGEST as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let Ok(text) = std::str::from_utf8(&line) else { continue };
        let mut words = text.split_ascii_whitespace();
        let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let Ok(address) = u64::from_str_radix(address, 16) else { continue };
        if address == 0 || address > highest || !matches!(kind, "t" | "T" | "w" | "W") {
            continue;
        }
        // It counts for the first place behind it; those behind that one take it from there.
        let Some(place) = places.range(address..).next() else { continue };
        match best.get_mut(place) {
            Some((begins, _)) if *begins >= address => {}
            Some(entry) => {
                entry.0 = address;
                name.clone_into(&mut entry.1);
            }
            None => drop(best.insert(*place, (address, name.to_owned()))),
        }
    }
    let mut last: Option<(u64, String)> = None;
    for place in places {
        match (best.get(place), &last) {
            (Some(own), _) => last = Some(own.clone()),
            (None, Some(before)) => drop(best.insert(*place, before.clone())),
            (None, None) => {}
        }
    }
    let shown = |(place, (begins, name)): (u64, (u64, String))| (place, format!("{name}+{:#x}", place - begins).into());
    best.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_function_before_a_place() {
        let text = "0000000000001000 T start\n0000000000003000 t late\t[module]\n0000000000002000 T middle\n\
                    0000000000002800 d data\nnonsense\n0000000000009000 T beyond\n";
        let places = BTreeSet::from([0x900, 0x1010, 0x2fff, 0x3000, 0x8000]);
        let found = resolve(text.as_bytes(), &places);
        let name = |place: u64| found.get(&place).map(|name| &**name);
        assert_eq!(name(0x900), None);
        assert_eq!(name(0x1010), Some("start+0x10"));
        assert_eq!(name(0x2fff), Some("middle+0xfff"));
        assert_eq!(name(0x3000), Some("late+0x0"));
        assert_eq!(name(0x8000), Some("late+0x5000"));
        let hidden = "0000000000000000 T start\n0000000000000000 T middle\n";
        assert!(resolve(hidden.as_bytes(), &places).is_empty());
    }
}
