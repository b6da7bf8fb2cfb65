//! The task that empties one queue: several requests at once, patience with a database that cannot, none with a bad line.
//!
//! ```text
//!            taken                          cannot now                         refuses us
//!  Sending ---------> Sending    Sending -----------------> Probing   any ------------------> Held
//!                                Probing --taken--> Sending            Held --every minute, one request--> Probing
//! ```
//! Probing: one request at a time, after a pause that doubles. Samples for Prometheus leave one request after the other, as it
//! takes no older sample after a newer one.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::batch::{Batch, Format};
use super::post::{Answer, Post};
use super::queue::{Queue, Taken};
use super::stats::ExportStats;

/// Requests at once: InfluxDB 3 holds each answer back until its log is on disk, once a second.
pub(super) const IN_FLIGHT: usize = 8;
/// Of a batch so many points are set aside one by one; then the rest of what is refused goes as a whole.
const MOST_REFUSED: usize = 100;
/// The file of points that were set aside grows to this size, bytes.
const SET_ASIDE_BYTES: u64 = 1 << 20;
/// A server that refuses every point of every batch is taken at its word after this time: until then it is thought that the
/// settings are wrong, not all of the points.
const BELIEVED_AFTER: Duration = Duration::from_secs(600);

/// How long is waited for what; tests are in a hurry.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After the first failure; it doubles from there.
    pub first_pause: Duration,
    /// At most.
    pub longest_pause: Duration,
    /// After a refusal that more of the same would not change.
    pub held_pause: Duration,
    /// What waits in memory for so long is written to disk.
    pub spill_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            held_pause: Duration::from_secs(60),
            spill_after: Duration::from_secs(2),
        }
    }
}

/// What became of a batch.
enum Outcome {
    /// So many points of it, that are not counted yet, were taken; or some at all.
    Done {
        taken: u32,
        any_taken: bool,
    },
    /// The rest of it; none: all of it.
    Later(Option<Batch>, String, Option<Duration>),
    Held(Option<Batch>, String),
}

/// All that one task needs.
pub(super) struct Sender {
    pub post: Arc<Post>,
    pub queue: Arc<Queue>,
    pub stats: Arc<ExportStats>,
    pub patience: Patience,
    pub replay_pps: u32,
    pub set_aside: PathBuf,
}

impl Sender {
    /// Run until told to stop: then what waits is given until the deadline.
    pub async fn run(self, mut stop: watch::Receiver<Option<Instant>>) {
        let this = Arc::new(self);
        let most = if this.post.format() == Format::Series { 1 } else { IN_FLIGHT };
        let mut flying: JoinSet<(u64, Outcome)> = JoinSet::new();
        let (mut failing, mut pause) = (false, this.patience.first_pause);
        let (mut not_before, mut replay_at) = (Instant::now(), Instant::now());
        let mut refused_since: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let deadline = *stop.borrow();
            if let Some(deadline) = deadline
                && (now >= deadline || failing || (flying.is_empty() && this.queue.is_empty()))
            {
                // What is on its way is sent again by the next process, if it was not taken.
                flying.shutdown().await;
                return;
            }
            let limit = if failing { 1 } else { most };
            while flying.len() < limit && now >= not_before.max(replay_at) {
                let Some(Taken { sequence, batch, replayed }) = this.queue.take(now) else { break };
                if replayed {
                    let span = Duration::from_secs_f64(f64::from(batch.points) / f64::from(this.replay_pps.max(1)));
                    replay_at = replay_at.max(now) + span;
                }
                let believed = refused_since.is_some_and(|since| now.duration_since(since) >= BELIEVED_AFTER);
                let sender = Arc::clone(&this);
                flying.spawn(async move { (sequence, sender.deliver(&batch, believed).await) });
            }
            let wake_at = if flying.len() < limit { not_before.max(replay_at).max(now) } else { now };
            let ended = tokio::select! {
                ended = flying.join_next(), if !flying.is_empty() => ended,
                () = this.queue.filled.notified(), if wake_at <= now => None,
                () = tokio::time::sleep_until(wake_at.into()), if wake_at > now => None,
                // The queue may have been filled from disk that failed before: looked at again.
                () = tokio::time::sleep(Duration::from_secs(1)) => None,
                _ = stop.changed() => None,
            };
            let Some(Ok((sequence, outcome))) = ended else { continue };
            let now = Instant::now();
            match outcome {
                Outcome::Done { taken, any_taken } => {
                    this.queue.done(sequence, now);
                    // In this order: what is counted as sent does not wait any more.
                    this.stats.sent.fetch_add(u64::from(taken), Relaxed);
                    if any_taken {
                        refused_since = None;
                    }
                    (failing, pause, not_before) = (false, this.patience.first_pause, now);
                    if this.stats.set_failure(None) {
                        tracing::info!(export = this.stats.name, "the database takes points again");
                    }
                }
                Outcome::Later(rest, why, asked) => {
                    this.queue.give_back(sequence, rest);
                    this.fails(why, false);
                    // Requests that were sent at once fail at once: that is one failure.
                    if !failing || now >= not_before {
                        let own = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
                        let wish = asked.map(|asked| asked.min(5 * this.patience.longest_pause));
                        not_before = now + wish.map_or(own, |wish| wish.max(this.patience.first_pause));
                        pause = (pause * 2).min(this.patience.longest_pause);
                    }
                    failing = true;
                }
                Outcome::Held(rest, why) => {
                    this.queue.give_back(sequence, rest);
                    this.fails(why, true);
                    refused_since.get_or_insert(now);
                    (failing, not_before) = (true, now + this.patience.held_pause);
                }
            }
        }
    }

    fn fails(&self, why: String, held: bool) {
        self.stats.failed_attempts.fetch_add(1, Relaxed);
        if self.stats.set_failure(Some((why.clone(), held))) {
            let what =
                if held { "refuses us; nothing is lost, what comes waits" } else { "does not take points; they wait" };
            tracing::warn!(export = self.stats.name, "the database {what}: {why}");
        }
    }

    /// Send a batch; where the server refuses it, halve it until only what is bad is left.
    async fn deliver(&self, batch: &Batch, believed: bool) -> Outcome {
        let format = self.post.format();
        let why = match self.ask(batch.body.clone()).await {
            Answer::Taken => return Outcome::Done { taken: batch.points, any_taken: true },
            Answer::Later(why, asked) => return Outcome::Later(None, why, asked),
            Answer::RefusesUs(why) => return Outcome::Held(None, why),
            Answer::RefusesBody(why) => why,
        };
        let Ok(parts) = format.parts(batch) else {
            self.stats.damaged.fetch_add(1, Relaxed);
            return Outcome::Done { taken: 0, any_taken: false };
        };
        if let [part] = &*parts {
            self.set_aside(format, std::slice::from_ref(part), &why);
            return Outcome::Done { taken: 0, any_taken: false };
        }
        self.stats.failed_attempts.fetch_add(1, Relaxed);
        // Ranges still to be sent, the first one on top; refused ones wait for the judgement on the whole.
        let middle = parts.len() / 2;
        let mut open = vec![middle..parts.len(), 0..middle];
        let (mut refused, mut any_taken) = (Vec::new(), false);
        let mut single = 0;
        while let Some(range) = open.pop() {
            let own = &parts[range.clone()];
            match self.ask(format.pack(&own.concat(), own.len()).body).await {
                Answer::Taken => {
                    any_taken = true;
                    self.stats.sent.fetch_add(own.len() as u64, Relaxed);
                }
                Answer::RefusesBody(_) if own.len() > 1 && single < MOST_REFUSED => {
                    let middle = range.start + own.len() / 2;
                    open.extend([middle..range.end, range.start..middle]);
                }
                Answer::RefusesBody(why) => {
                    single += 1;
                    refused.push((range, why));
                }
                answer => {
                    // What was refused before is refused for good only if anything was taken.
                    let mut left: Vec<Vec<u8>> = if any_taken {
                        for (range, why) in refused {
                            self.set_aside(format, &parts[range], &why);
                        }
                        Vec::new()
                    } else {
                        refused.into_iter().flat_map(|(range, _)| parts[range].to_vec()).collect()
                    };
                    left.extend_from_slice(own);
                    left.extend(open.into_iter().rev().flat_map(|range| parts[range].to_vec()));
                    let rest = Some(format.pack(&left.concat(), left.len()));
                    return match answer {
                        Answer::RefusesUs(why) => Outcome::Held(rest, why),
                        Answer::Later(why, asked) => Outcome::Later(rest, why, asked),
                        // Both are dealt with above.
                        Answer::Taken | Answer::RefusesBody(_) => Outcome::Later(rest, String::new(), None),
                    };
                }
            }
        }
        // All of it refused: more likely the settings are wrong than every point. Remote write has its rule: never again.
        if !any_taken && format == Format::Lines && !believed {
            return Outcome::Held(None, format!("it refuses every point: {why}"));
        }
        for (range, why) in refused {
            self.set_aside(format, &parts[range], &why);
        }
        Outcome::Done { taken: 0, any_taken }
    }

    async fn ask(&self, body: Vec<u8>) -> Answer {
        self.stats.requests.fetch_add(1, Relaxed);
        self.post.send(body).await
    }

    /// Points that the server does not want: named, counted, and kept for people to look at.
    fn set_aside(&self, format: Format, parts: &[Vec<u8>], why: &str) {
        self.stats.refused.fetch_add(parts.len() as u64, Relaxed);
        let Some(first) = parts.first() else { return };
        let named: String = format.describe(first).chars().take(400).collect();
        let others = if parts.len() > 1 { format!(" and {} more", parts.len() - 1) } else { String::new() };
        tracing::warn!(export = self.stats.name, "the database {why}; set aside: {named}{others}");
        self.stats.set_last_refused(format!("{named}{others} ({why})"));
        let room = std::fs::metadata(&self.set_aside).map_or(0, |file| file.len()) < SET_ASIDE_BYTES;
        if room {
            let text: String = parts.iter().map(|part| format!("{} # {why}\n", format.describe(part))).collect();
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.set_aside);
            // It is for people only; the count is kept.
            let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
        }
    }
}
