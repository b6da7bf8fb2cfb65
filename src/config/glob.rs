//! Files by pattern: `*` stands for any run of characters of a name and `?` for one, in any part of a path.

use std::io;
use std::path::{Component, Path, PathBuf};

/// More files than this are left out, and told.
const MOST: usize = 10_000;

/// The files a pattern matches, sorted; and the folders that could not be listed. A pattern without wildcard
/// matches itself, be there a file or not. As in a shell, `*` does not match a leading dot.
pub(super) fn expand(pattern: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    let mut paths = vec![PathBuf::new()];
    let mut errors = Vec::new();
    let parts: Vec<Component<'_>> = pattern.components().collect();
    for (index, part) in parts.iter().enumerate() {
        let name = part.as_os_str();
        let Some(wild) = name.to_str().filter(|name| name.contains(['*', '?'])) else {
            for path in &mut paths {
                path.push(name);
            }
            continue;
        };
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for folder in paths {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
            let entries = match std::fs::read_dir(listed) {
                Ok(entries) => entries,
                // No such folder yet: nothing matches.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    errors.push((folder, error));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(text) = name.to_str() else { continue };
                if matches(wild, text) && (wild.starts_with('.') || !text.starts_with('.')) {
                    let path = folder.join(text);
                    if last != path.is_dir() {
                        next.push(path);
                    }
                }
            }
        }
        next.sort();
        if next.len() > MOST {
            errors.push((pattern.to_owned(), io::Error::other(format!("more than {MOST} files match"))));
            next.truncate(MOST);
        }
        paths = next;
    }
    (paths, errors)
}

/// Does the name fit? In time proportional to the product of both lengths at worst.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(char) if *char == '?' || *char == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, fits) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", true),
            ("*.json", "a.jsonx", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "aéc", true),
            ("?", "", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }

    #[test]
    fn folders_are_walked_and_dots_are_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["east/a.json", "west/b.json", "west/.c.json", "west/d.txt", ".git/e.json"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "[]").unwrap();
        }
        std::fs::create_dir(folder.path().join("west/f.json")).unwrap();
        let list = |pattern: &str| {
            let (paths, errors) = expand(&folder.path().join(pattern));
            assert!(errors.is_empty());
            paths.iter().map(|path| path.strip_prefix(&folder).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list("*/*.json"), ["east/a.json", "west/b.json"]);
        assert_eq!(list("west/?.json"), ["west/b.json"]);
        assert_eq!(list("west/.*.json"), ["west/.c.json"]);
        assert_eq!(list("north/*.json"), [""; 0]);
        assert_eq!(list("north/x.json"), ["north/x.json"]);
    }
}
