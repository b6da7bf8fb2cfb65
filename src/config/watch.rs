//! Live reload: notices that the configuration, a secret's file or a file of targets is another than the one
//! read, and reads all again. Errors leave the old settings in force.
//!
//! It compares what the file system says of each file (no inotify: one `stat` a file and second is cheap,
//! works on every file system and follows Kubernetes' swapped symlinks). A file that is being written is left
//! alone until it looks the same twice, so that a half-written file is not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::discovery::LastGood;
use super::{Errors, Loaded, glob};

/// What tells one content of a path from another; follows symlinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    /// Device, inode and change time in nanoseconds: a new file under the old name, or an old time put back.
    identity: (u64, u64, i128),
}

impl Stamp {
    /// None where there is no such file, or none that may be looked at.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt as _;
            let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
            (metadata.dev(), metadata.ino(), changed)
        };
        #[cfg(not(unix))]
        let identity = (0, 0, 0);
        Some(Self { size: metadata.len(), modified: metadata.modified().ok(), identity })
    }
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// The files that settings were made of, as they were just before they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    stamps: Stamps,
    patterns: Vec<PathBuf>,
}

impl Files {
    /// A file was read, or was missing.
    pub(super) fn read(&mut self, path: &Path, stamp: Option<Stamp>) {
        self.stamps.insert(path.to_owned(), stamp);
    }

    /// A pattern was expanded; its matches are read one by one.
    pub(super) fn pattern(&mut self, pattern: &Path) {
        if !self.patterns.iter().any(|known| known == pattern) {
            self.patterns.push(pattern.to_owned());
        }
    }

    /// All of them, missing ones too.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.stamps.keys().map(PathBuf::as_path)
    }

    fn now(&self) -> Stamps {
        let matches = self.patterns.iter().flat_map(|pattern| glob::expand(pattern).0);
        matches.chain(self.stamps.keys().cloned()).map(|path| (Stamp::of(&path), path)).map(|(s, p)| (p, s)).collect()
    }
}

/// Watches the files of one configuration. Reads files: not for an asynchronous task's own thread.
#[derive(Debug)]
pub struct Watch {
    path: Option<PathBuf>,
    files: Files,
    last_good: LastGood,
    /// A change that was seen once, and is acted on if it is still the same the next time.
    unsettled: Option<Stamps>,
}

impl Watch {
    /// Watch what `loaded` was made of; `path` is what [`super::load`] was given.
    pub fn new(path: Option<&Path>, loaded: &Loaded) -> Self {
        Self {
            path: path.map(Path::to_owned),
            files: loaded.files.clone(),
            last_good: loaded.last_good.clone(),
            unsettled: None,
        }
    }

    /// Look once; to be called about every second. None while nothing changed.
    ///
    /// # Errors
    /// Everything that is wrong with the new files; the old settings stay good. Told once for each change.
    pub fn poll(&mut self) -> Option<Result<Loaded, Errors>> {
        let now = self.files.now();
        if now == self.files.stamps {
            self.unsettled = None;
            return None;
        }
        if self.unsettled.as_ref() != Some(&now) {
            self.unsettled = Some(now);
            return None;
        }
        Some(self.reload())
    }

    /// Read all files now, changed or not: what SIGHUP asks for.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn reload(&mut self) -> Result<Loaded, Errors> {
        self.unsettled = None;
        let env = |name: &str| std::env::var_os(name);
        let result = super::load_with(self.path.as_deref(), &env, &self.last_good);
        match &result {
            Ok(loaded) => {
                self.files = loaded.files.clone();
                self.last_good = loaded.last_good.clone();
            }
            Err(errors) => self.files = errors.files.clone(),
        }
        result
    }
}
