//! SMIv2 modules that the operator put into a folder: names in place of object identifiers (RFC 2578).
//!
//! Nothing that is shipped needs one. A module that is broken is told with its file and line, and the others are read.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use mib_rs::types::{DiagnosticConfig, ResolverStrictness, Severity as Weight};
use mib_rs::{Loader, Mib};

use super::context::quote;
use super::problem::{Problem, Severity};
use crate::snmp::Oid;

/// A folder with more modules than this is somebody's whole collection: of it only the modules that are named are read.
const READ_ALL_UP_TO: usize = 200;
/// No module is longer, bytes; the longest known has 3 MB.
const LONGEST: u64 = 16 << 20;
/// What is wrong with modules is told up to so many problems.
const MOST_PROBLEMS: usize = 50;

/// The modules of a folder.
pub struct Mibs {
    /// For people.
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// All of them, where they are few.
    all: OnceCell<Option<Mib>>,
}

/// Why a name could not be resolved: what is wrong, and what to do about it.
type Why = (String, Option<String>);

impl fmt::Debug for Mibs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mibs").field("folder", &self.folder).field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl Mibs {
    /// There are none.
    pub fn none() -> Self {
        Self::of(Path::new(""), Vec::new())
    }

    /// Those of a folder.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn in_folder(folder: &Path) -> std::io::Result<Self> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() && path.extension().is_none_or(|end| end != "toml") {
                files.push(path);
            }
        }
        files.sort();
        Ok(Self::of(folder, files))
    }

    pub(super) fn of(folder: &Path, files: Vec<PathBuf>) -> Self {
        let short = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() <= LONGEST);
        let files = files.into_iter().filter(short).collect();
        Self { folder: folder.to_owned(), files, all: OnceCell::new() }
    }

    /// There is nothing to look a name up in.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn load(&self, module: Option<&str>) -> Result<Mib, String> {
        let source = mib_rs::source::files(&self.files).map_err(|error| error.to_string())?;
        let loader = Loader::new()
            .source(source)
            .resolver_strictness(ResolverStrictness::Permissive)
            .diagnostic_config(DiagnosticConfig { fail_at: Weight::Fatal, ..DiagnosticConfig::default() })
            .parallelism(1);
        let loader = match module {
            Some(module) => loader.modules([module]),
            None => loader,
        };
        loader.load().map_err(|error| error.to_string())
    }

    fn all(&self) -> Option<&Mib> {
        let few = !self.files.is_empty() && self.files.len() <= READ_ALL_UP_TO;
        self.all.get_or_init(|| few.then(|| self.load(None).ok()).flatten()).as_ref()
    }

    /// What is wrong with the modules, by file and line.
    pub(super) fn broken(&self) -> Vec<Problem> {
        let Some(mib) = self.all() else { return Vec::new() };
        let report = mib.diagnostic_report();
        let mut problems = Vec::new();
        let mut told = HashSet::new();
        for entry in report.iter() {
            let diagnostic = entry.diagnostic();
            if !diagnostic.severity.at_least(Weight::Error) {
                continue;
            }
            let place = entry.byte_positions().ok().flatten();
            let file = entry.range().ok().flatten().map(|(source, _)| PathBuf::from(source.label()));
            let file = file.unwrap_or_else(|| self.folder.clone());
            // What follows on the same line follows from it.
            let line = place.as_ref().map(|(from, _)| from.line() as usize + 1);
            if !told.insert((file.clone(), line)) {
                continue;
            }
            if problems.len() == MOST_PROBLEMS {
                break;
            }
            problems.push(Problem {
                severity: Severity::Error,
                file,
                line,
                column: place.map(|(from, _)| from.column() as usize + 1),
                key: diagnostic.module.clone().unwrap_or_default(),
                what: format!("this MIB module is broken: {}", diagnostic.message),
                help: "names out of it may not be known; repair it, or remove it from the folder".into(),
                snippet: None,
            });
        }
        problems
    }

    /// The object that a name stands for: `MODULE::descriptor`, with or without an instance behind it.
    ///
    /// # Errors
    /// What is wrong with the name, and what to do about it, where that is known.
    fn resolve(&self, name: &str) -> Result<Oid, Why> {
        let Some((module, _)) = name.split_once("::") else {
            let what = format!("{} does not say of which module it is", quote(name));
            return Err((what, Some(format!("write MODULE::{name}; several modules may have that name"))));
        };
        if self.files.is_empty() {
            let what = format!("{} is a name, and there is no MIB module to find it in", quote(name));
            return Err((what, None));
        }
        let one;
        let mib = match self.all() {
            Some(mib) => mib,
            None => {
                one = self.load(Some(module)).map_err(|_| self.missing(module))?;
                &one
            }
        };
        if mib.module(module).is_none() {
            return Err(self.missing(module));
        }
        let oid = mib.resolve_oid(name).map_err(|_| (format!("{module} has no object {}", quote(name)), None))?;
        let arcs: Vec<u32> = oid.to_string().split('.').filter_map(|arc| arc.parse().ok()).collect();
        Oid::from_arcs(&arcs).map_err(|_| (format!("{} is no object that can be asked for", quote(name)), None))
    }

    fn missing(&self, module: &str) -> Why {
        let what = format!("there is no module {} in {}", quote(module), self.folder.display());
        (what, Some("put its file there (and those of the modules that it imports)".into()))
    }

    /// The name of an object: the longest known beginning of its identifier, with the rest behind it.
    pub fn name(&self, oid: &Oid) -> Option<String> {
        let arcs: Vec<u32> = oid.arcs().collect();
        let mib = self.all()?;
        let query = mib.resolve_oid(&oid.to_string()).ok()?;
        let node = mib.lookup_oid(&query);
        let known = node.oid().to_string();
        let rest = arcs.get(known.split('.').count()..)?;
        let module = node.module()?;
        // A mere branch is no name for a value.
        node.object()?;
        let rest: String = rest.iter().map(|arc| format!(".{arc}")).collect();
        Some(format!("{}::{}{rest}", module.name(), node.name()))
    }
}

/// Read an object identifier: numbers with dots between them, or a name.
///
/// # Errors
/// What is wrong with it, and what to do about it, where that is known.
pub fn oid(text: &str, mibs: &Mibs) -> Result<Oid, Why> {
    let numbers = text.strip_prefix('.').unwrap_or(text);
    if !numbers.starts_with(|first: char| first.is_ascii_digit()) {
        return mibs.resolve(text);
    }
    let arcs: Option<Vec<u32>> = numbers.split('.').map(|arc| arc.parse().ok()).collect();
    arcs.filter(|arcs| arcs.len() >= 2)
        .and_then(|arcs| Oid::from_arcs(&arcs).ok())
        .ok_or_else(|| (format!("{} is no object identifier", quote(text)), None))
}

#[cfg(test)]
mod tests;
