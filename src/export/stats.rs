//! What each export counts of itself, for `/metrics`, `/api/status` and the page.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Counters of one export.
#[derive(Debug, Default)]
pub struct ExportStats {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) sent: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) failed_attempts: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) spool_bytes: AtomicU64,
    words: Mutex<Words>,
}

#[derive(Debug, Default)]
struct Words {
    failure: Option<String>,
    held: bool,
    spool: Option<String>,
    last_refused: Option<String>,
}

/// How an export does. Never holds an address or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: &'static str,
    /// `sending`; `waiting` while the database is away; `held` while it refuses us.
    pub state: &'static str,
    /// Why it does not take what it is sent.
    pub failure: Option<String>,
    /// Points that the database took.
    pub points_sent: u64,
    /// Points that wait, in memory and on disk.
    pub points_waiting: u64,
    /// Points that it refused, one by one, and that were set aside.
    pub points_refused: u64,
    /// Points lost because neither memory nor disk had room.
    pub points_dropped: u64,
    /// Points lost because the spool reached its bound: the oldest.
    pub points_evicted: u64,
    /// Records of the spool that were damaged and left out.
    pub records_damaged: u64,
    /// Attempts that failed and are repeated.
    pub failed_attempts: u64,
    /// What waits on disk, bytes.
    pub spool_bytes: u64,
    /// Why nothing can be written to disk; none while it can.
    pub spool_failure: Option<String>,
    /// The last point that was refused, and the server's words.
    pub last_refused: Option<String>,
}

impl ExportStats {
    pub(super) fn new(name: &str, kind: &'static str) -> Self {
        Self { name: name.to_owned(), kind, ..Self::default() }
    }

    fn words<T>(&self, act: impl FnOnce(&mut Words) -> T) -> T {
        act(&mut self.words.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It takes what it is sent (none), or why not; `held` where it refuses us. True when that is news.
    pub(super) fn set_failure(&self, failure: Option<(String, bool)>) -> bool {
        self.words(|words| {
            let (failure, held) = failure.map_or((None, false), |(why, held)| (Some(why), held));
            let news = words.failure.is_some() != failure.is_some() || words.held != held;
            (words.failure, words.held) = (failure, held);
            news
        })
    }

    pub(super) fn set_spool_failure(&self, failure: Option<String>) -> bool {
        self.words(|words| {
            let news = words.spool.is_some() != failure.is_some();
            words.spool = failure;
            news
        })
    }

    pub(super) fn set_last_refused(&self, text: String) {
        self.words(|words| words.last_refused = Some(text));
    }

    /// How it does.
    pub fn report(&self) -> ExportReport {
        let (failure, held, spool_failure, last_refused) =
            self.words(|words| (words.failure.clone(), words.held, words.spool.clone(), words.last_refused.clone()));
        ExportReport {
            name: self.name.clone(),
            kind: self.kind,
            state: match (&failure, held) {
                (None, _) => "sending",
                (Some(_), false) => "waiting",
                (Some(_), true) => "held",
            },
            failure,
            points_sent: self.sent.load(Relaxed),
            points_waiting: self.waiting.load(Relaxed),
            points_refused: self.refused.load(Relaxed),
            points_dropped: self.dropped.load(Relaxed),
            points_evicted: self.evicted.load(Relaxed),
            records_damaged: self.damaged.load(Relaxed),
            failed_attempts: self.failed_attempts.load(Relaxed),
            spool_bytes: self.spool_bytes.load(Relaxed),
            spool_failure,
            last_refused,
        }
    }
}
