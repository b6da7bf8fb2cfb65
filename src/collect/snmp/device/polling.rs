//! A poll of a device: states and counters of all its interfaces, and what they tell besides.

use std::time::Duration;

use super::Device;
use crate::collect::clock;
use crate::collect::snmp::stats::{add, count};
use crate::collect::snmp::vendor;
use crate::collect::snmp::walks::cut_columns;
use crate::fabric::{Reading, Timestamp, UnreachableReason, Uptime};
use crate::mib::{lldp, value};
use crate::snmp::table::WalkEnd;
use crate::snmp::{Limits, Progress, TableWalk};

/// Least time between two looks that somebody wished for: a storm of traps is two looks a second.
pub(super) const LOOKS_APART: Duration = Duration::from_millis(500);

impl Device {
    /// Read the table once. Each answer is passed on as it comes, with its own time and its own sysUpTime.
    pub(super) async fn poll(&mut self) {
        let (Some(client), Some(table_plan)) = (&mut self.client, &self.table_plan) else { return };
        let stats = &self.shared.stats;
        let begun = clock::now();
        count(&stats.polls);
        if let Some(ticks) = self.ticks.as_mut().filter(|ticks| ticks.next() <= begun) {
            ticks.begin();
        }
        self.look.served(begun, LOOKS_APART);

        if let Some(reader) = &mut self.vendor {
            self.pace = vendor::walk(client, reader, self.plan.interfaces(), self.pace).await;
        }
        let columns = table_plan.columns.len();
        let standard = self.plan.columns().len();
        // More rows than the inventory had are new ones; a table without end is none of ours.
        let limits = Limits { rows: 2 * self.plan.interfaces() + 1_000, ..Limits::default() };
        let mut walk = TableWalk::new(table_plan.clone(), limits, self.pace);
        let mut seen = Seen::default();
        // The answer before this one, where it held only the beginning of a row.
        let mut begun_at = None;
        let end = loop {
            let mut polls = Vec::new();
            let mut uptime = None;
            let mut received_at = None;
            let progress = client
                .step(&mut walk, |row, at| {
                    let taken_at = if row.is_spread() { begun_at.unwrap_or(at) } else { at };
                    received_at.get_or_insert(taken_at);
                    if uptime.is_none() {
                        uptime = row.scalar(0).as_ref().and_then(value::unsigned).map(Uptime);
                        seen.changes = (1..=self.scalars.len())
                            .map(|at| row.scalar(at).as_ref().and_then(value::unsigned))
                            .collect();
                    }
                    let Some(index) = row.index().single() else { return };
                    let cells: Vec<_> = (0..columns).map(|column| row.get(column)).collect();
                    match self.plan.read(index, &cells) {
                        Ok(mut poll) => {
                            if let (Some(reader), Some(own)) = (&mut self.vendor, cells.get(standard..)) {
                                reader.read(index, own, &mut poll.counters);
                            }
                            seen.rows += 1;
                            polls.push(poll);
                        }
                        Err(_) => seen.refused += 1,
                    }
                })
                .await;
            match received_at {
                Some(taken_at) => {
                    seen.uptime = uptime.map(|uptime| (taken_at, uptime)).or(seen.uptime);
                    seen.answers += 1;
                    self.shared.emit(&self.id, taken_at, uptime, Reading::Poll(polls));
                    begun_at = None;
                }
                None => begun_at = begun_at.or(Some(clock::now())),
            }
            match progress {
                Progress::More => {}
                Progress::Done(end) => break end,
            }
        };
        self.pace = walk.pace();
        let cut = cut_columns(&walk, columns);
        add(&stats.columns_cut, cut);
        add(&stats.rows, seen.rows);
        add(&stats.rows_refused, seen.refused);

        let now = clock::now();
        if let Some(ticks) = &mut self.ticks {
            add(&stats.polls_skipped, ticks.pass(now) as usize);
        }
        if self.confirm_until > begun {
            self.look.want(self.confirm_until);
        }
        match end {
            WalkEnd::Failed(error) if seen.answers == 0 => {
                count(&stats.polls_failed);
                return self.unanswered(&error).await;
            }
            WalkEnd::Complete => {}
            _ => count(&stats.polls_truncated),
        }
        if seen.answers == 0 && cut > 0 {
            // It answers, and shows us nothing any more.
            return self.failed(UnreachableReason::Authentication);
        }
        if seen.answers == 0 {
            // It answers, and has no interface at all to tell of.
            self.shared.emit(&self.id, now, None, Reading::Poll(Vec::new()));
        }
        let complete = end == WalkEnd::Complete;
        self.notice(now, &seen, complete);
    }

    /// What a poll told besides counters: that the inventory or the neighbours are to be read anew.
    fn notice(&mut self, now: Timestamp, seen: &Seen, complete: bool) {
        let restarted = match (self.last_uptime, seen.uptime) {
            (Some((before_at, before)), Some((at, uptime))) => fell(before, uptime, at.since(before_at)),
            _ => false,
        };
        self.last_uptime = seen.uptime.or(self.last_uptime);
        let changed = |at: usize| {
            let (before, now) = (self.last_changes.get(at).copied().flatten(), seen.changes.get(at).copied().flatten());
            before.is_some() && now.is_some() && before != now
        };
        let mut interfaces_changed = false;
        for (_, column) in self.scalars.iter().enumerate().filter(|(at, _)| changed(*at)) {
            if *column == lldp::REM_TABLES_LAST_CHANGE {
                self.neighbors_at = now;
            } else {
                interfaces_changed = true;
            }
        }
        if !seen.changes.is_empty() {
            self.last_changes = seen.changes.clone();
        }
        if restarted {
            self.neighbors_at = now;
        }
        let rows_moved = seen.refused > 0 || (complete && seen.rows != self.plan.interfaces());
        if (restarted || interfaces_changed || rows_moved) && now >= self.inventory_asked_at + self.inventory_again {
            self.inventory_asked_at = now;
            self.inventory_at = now;
        }
    }
}

/// What a poll saw, over all of its answers.
#[derive(Default)]
struct Seen {
    answers: usize,
    rows: usize,
    refused: usize,
    uptime: Option<(Timestamp, Uptime)>,
    changes: Vec<Option<u32>>,
}

/// The agent started anew between two readings: its uptime fell, and not because it passed its end (497 days).
fn fell(before: Uptime, now: Uptime, elapsed: Duration) -> bool {
    /// Clocks differ, answers are late: this much either way is no reset.
    const SLACK: Duration = Duration::from_secs(60);
    now.0 < before.0 && now.wrapping_since(before) > elapsed + SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_that_fell_is_a_restart_unless_it_passed_its_end() {
        let ten = Duration::from_secs(10);
        assert!(fell(Uptime(100_000), Uptime(500), ten));
        assert!(!fell(Uptime(100_000), Uptime(101_000), ten));
        assert!(!fell(Uptime(u32::MAX - 499), Uptime(500), ten), "its end, 497 days");
        assert!(fell(Uptime(u32::MAX / 2), Uptime(500), ten));
        assert!(!fell(Uptime(u32::MAX - 499), Uptime(500), Duration::from_secs(3_600)));
    }
}
