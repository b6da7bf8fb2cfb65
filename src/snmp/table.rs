//! Reads columns of tables row by row (RFC 3416 §4.2.3), without input or output.
//!
//! A [`TableWalk`] says what to ask next and is told the response; it hands out rows as soon as every column
//! has passed them. All cells of a row come from one PDU, together with the scalars (sysUpTime) of that PDU,
//! unless one row does not fit into a PDU.
//!
//! Every round asks each column for what follows the same row, the *frontier*. The columns that have holes
//! run ahead in what they answer; the frontier moves to the least of the columns' last rows, all rows up to
//! it are complete, and what was told beyond it is asked again. So nothing is kept between two rounds but
//! the frontier: memory does not grow with the table, no row is patched together from different moments,
//! and since the frontier only moves forward, no device can keep a walk running in circles.

mod column;
mod grid;
mod holes;
mod pace;
mod row;

use std::sync::Arc;

pub use self::column::ColumnEnd;
pub use self::grid::{Cells, Fit, Grid, Span};
pub use self::holes::Holes;
pub use self::pace::Pace;
pub use self::row::Row;

use self::column::Column;
use self::row::Cell;
use super::message::ErrorStatus;
use super::oid::{Index, IndexRef, Oid};
use super::session::{Request, RequestError, Response};

/// What a walk reads: shared by all devices that are read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// Scalar instances that are read again in each PDU; each must end in `.0`.
    pub scalars: Vec<Oid>,
    /// Columns whose rows have the same index.
    pub columns: Vec<Oid>,
}

/// How far a walk may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows handed out.
    pub rows: usize,
    /// Requests made.
    pub requests: usize,
    /// Size of a reply that is aimed at, bytes.
    pub reply_size: usize,
}

impl Default for Limits {
    /// 1,400 bytes pass every usual path unfragmented.
    fn default() -> Self {
        Self { rows: 100_000, requests: 100_000, reply_size: 1_400 }
    }
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every column ended; [`TableWalk::column_end`] says how each did.
    Complete,
    /// [`Limits::rows`] was reached.
    RowLimit,
    /// [`Limits::requests`] was reached.
    RequestLimit,
    /// A request failed, and asking for less did not help.
    Failed(RequestError),
}

/// Whether there is more to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ask for the next request.
    More,
    /// It is over.
    Done(WalkEnd),
}

/// A walk over one device's table.
#[derive(Debug)]
pub struct TableWalk {
    plan: Arc<TablePlan>,
    limits: Limits,
    pace: Pace,
    columns: Vec<Column>,
    /// The last row that was handed out or proven to be nobody's; empty before the first.
    frontier: Index,
    /// The request that waits for its answer: whom it asks, and by what names.
    asked: Vec<usize>,
    names: Vec<Oid>,
    repetitions: usize,
    waiting: bool,
    /// Ask with GetNext for once: GetBulk was refused for a single column.
    without_bulk: bool,
    /// The walk's first GetBulk was not answered.
    bulk_timed_out: bool,
    /// What this round's earlier PDUs held; empty where the round has one PDU.
    bytes: Vec<u8>,
    scalars: Vec<Option<Cell>>,
    pdus: usize,
    /// Room for one row.
    cells: Vec<Option<Cell>>,
    rows: usize,
    requests: usize,
    /// The size of a request that failed: too large, if a smaller one is answered.
    suspect: Option<usize>,
    /// Requests that failed one after another, and whether any was answered.
    failures: usize,
    answered: bool,
    end: Option<WalkEnd>,
}

/// Requests in a row that may fail before a walk that was once answered gives up.
const MOST_FAILURES: usize = 3;

/// Bytes of a reply besides bindings: message header, community, security parameters.
const REPLY_OVERHEAD: usize = 80;

impl TableWalk {
    /// A walk from the first row.
    pub fn new(plan: Arc<TablePlan>, limits: Limits, pace: Pace) -> Self {
        let columns: Vec<Column> = plan.columns.iter().map(|_| Column::default()).collect();
        Self {
            end: columns.is_empty().then_some(WalkEnd::Complete),
            scalars: vec![None; plan.scalars.len()],
            cells: vec![None; columns.len()],
            frontier: IndexRef::EMPTY.to_owned(),
            asked: Vec::new(),
            // What precedes a scalar instance is its object's name.
            names: plan.scalars.iter().map(|scalar| scalar.parent().unwrap_or_else(|| scalar.clone())).collect(),
            repetitions: 0,
            waiting: false,
            without_bulk: false,
            bulk_timed_out: false,
            bytes: Vec::new(),
            pdus: 0,
            rows: 0,
            requests: 0,
            suspect: None,
            failures: 0,
            answered: false,
            plan,
            limits,
            pace,
            columns,
        }
    }

    /// What to ask now; none where it is over. Asking twice without a response gives the same.
    pub fn request(&mut self) -> Option<Request<'_>> {
        if self.end.is_some() {
            return None;
        }
        if !self.waiting {
            self.plan_request();
        }
        let scalars = u16::try_from(self.plan.scalars.len()).unwrap_or(u16::MAX);
        if self.asks_next() {
            return Some(Request::GetNext(&self.names));
        }
        Some(Request::GetBulk {
            non_repeaters: scalars,
            max_repetitions: u16::try_from(self.repetitions).unwrap_or(u16::MAX),
            names: &self.names,
        })
    }

    /// The response to that request; `row` is called for each row that is thereby complete, in order of
    /// the index.
    pub fn response(&mut self, response: &Response<'_>, row: impl FnMut(Row<'_>)) -> Progress {
        if let Some(end) = self.end {
            return Progress::Done(end);
        }
        if !std::mem::take(&mut self.waiting) {
            return Progress::More;
        }
        (self.answered, self.failures) = (true, 0);
        if response.error_status != ErrorStatus::NO_ERROR {
            self.refused(response);
            return self.finish_round(&[], row);
        }
        if !self.take_in(response) {
            self.ask_less(true);
        }
        self.finish_round(response.varbinds.bytes(), row)
    }

    /// That request failed.
    pub fn failed(&mut self, error: RequestError) -> Progress {
        if let Some(end) = self.end {
            return Progress::Done(end);
        }
        if !std::mem::take(&mut self.waiting) {
            return Progress::More;
        }
        self.failures += 1;
        let asked = self.asked.len() * self.repetitions;
        let may_be_size = matches!(error, RequestError::Timeout | RequestError::Undecodable(_));
        if may_be_size && !self.pace.bulk_works && !self.asks_next() {
            // Some agents are silent about what they do not know. If GetNext is answered, a smaller GetBulk
            // is tried once more.
            (self.without_bulk, self.bulk_timed_out) = (true, !self.answered);
            return self.more_or_done();
        }
        if self.answered && may_be_size && self.failures < MOST_FAILURES {
            // It answered before: this was too much, or was lost.
            self.pace.perhaps_too_much(asked);
            self.suspect = self.pace.doubts(asked).then_some(asked);
            return self.more_or_done();
        }
        if may_be_size {
            // It may be dead; if it is not, the next walk asks for less.
            self.pace.perhaps_too_much(asked);
        }
        self.done(WalkEnd::Failed(error))
    }

    /// How a column of the plan ended.
    pub fn column_end(&self, column: usize) -> ColumnEnd {
        self.columns.get(column).map_or(ColumnEnd::Open, |column| column.end)
    }

    /// What was learned about the device.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Rows handed out so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Requests made so far.
    pub fn requests(&self) -> usize {
        self.requests
    }

    fn asks_next(&self) -> bool {
        self.without_bulk || self.pace.bulk_refused
    }

    fn done(&mut self, end: WalkEnd) -> Progress {
        self.end = Some(end);
        Progress::Done(end)
    }

    fn more_or_done(&mut self) -> Progress {
        if self.requests >= self.limits.requests {
            return self.done(WalkEnd::RequestLimit);
        }
        Progress::More
    }

    /// Choose columns and repetitions for the next request of the round.
    fn plan_request(&mut self) {
        let wanted = |column: &Column| column.end == ColumnEnd::Open && !column.told && column.ahead.is_none();
        let left = self.columns.iter().filter(|column| wanted(column)).count().max(1);
        let mut budget = self.pace.cells(self.guess());
        if self.asks_next() {
            budget = budget.min(left);
        }
        self.asked.clear();
        let chosen = self.columns.iter().enumerate().filter(|(_, column)| wanted(column)).map(|(at, _)| at);
        self.asked.extend(chosen.take(budget));
        self.repetitions = if self.asks_next() { 1 } else { (budget / self.asked.len().max(1)).max(1) };

        let Self { plan, asked, names, columns, frontier, .. } = self;
        names.truncate(plan.scalars.len());
        asked.retain(|at| match plan.columns[*at].join(frontier.as_ref()) {
            Ok(name) => {
                names.push(name);
                true
            }
            // The frontier is another column's, whose name is shorter: this one can have nothing behind it.
            Err(_) => {
                columns[*at].end = ColumnEnd::Complete;
                false
            }
        });
        self.waiting = true;
        self.requests += 1;
    }

    /// Cells that should fit into a reply, by the length of their names.
    fn guess(&self) -> usize {
        let names: usize = self.plan.columns.iter().map(|column| column.as_bytes().len()).sum();
        let cell = names / self.plan.columns.len().max(1) + 16;
        self.limits.reply_size.saturating_sub(REPLY_OVERHEAD) / cell
    }

    /// A response without error: note each cell in its column. False where no column was told anything.
    fn take_in(&mut self, response: &Response<'_>) -> bool {
        let list = response.varbinds.bytes();
        let base = self.bytes.len();
        let mut varbinds = response.varbinds.iter();
        for (at, scalar) in self.plan.scalars.iter().enumerate() {
            let Some(Ok(found)) = varbinds.next_raw() else { continue };
            if self.pdus == 0 {
                let same = found.name == scalar.as_ref();
                self.scalars[at] = same.then(|| Cell::new(list, base, &[], found.value));
            }
        }
        let (mut given, mut cut, mut cells_at) = (0, false, list.len());
        while given < self.asked.len() * self.repetitions {
            let Some(next) = varbinds.next_raw() else { break };
            let Some(at) = self.asked.get(given % self.asked.len().max(1)) else { break };
            match next {
                Ok(found) => {
                    if given == 0 {
                        let end = super::ber::range_within(list, found.value).end;
                        cells_at = end;
                    }
                    self.columns[*at].take(found, &self.plan.columns[*at], &self.frontier, list, base);
                }
                Err(_) if varbinds.is_broken() => {
                    // The frame is broken: what follows the last whole cell is not there.
                    cut = true;
                    break;
                }
                // A cell that cannot be read is a hole.
                Err(_) => self.columns[*at].unreadable = true,
            }
            given += 1;
        }
        for at in self.asked.iter().take(given) {
            self.columns[*at].settle();
        }
        self.learn(given, cut, response.size, list.len() - cells_at);
        if given > 0 {
            self.pdus += 1;
        }
        given > 0
    }

    /// What an answer of so many cells says about how to ask.
    fn learn(&mut self, given: usize, cut: bool, size: usize, cells_size: usize) {
        let asked = self.asked.len() * self.repetitions;
        if given == 0 {
            return;
        }
        if !self.asks_next() {
            self.pace.bulk_works = true;
        } else if self.pace.bulk_refused {
            self.pace.answered_next();
        } else if !self.pace.bulk_works {
            // Silence may have been about the size: a small one will tell.
            self.pace.bulk_refused = !std::mem::take(&mut self.bulk_timed_out);
            self.pace.perhaps_too_much(4 * asked);
        }
        self.without_bulk = false;
        if let Some(more) = self.suspect.take() {
            self.pace.too_much(more);
        } else if cut {
            self.pace.too_much(asked);
        } else if given >= asked {
            // (Less is what the device cuts its answers to: asking for more does no harm.)
            // The first cell marks where cells begin; it is as long as the others, about.
            let cell = cells_size.checked_div(given - 1).unwrap_or(0).max(8);
            let fixed = size.saturating_sub(cells_size + cell);
            self.pace.answered(asked, self.limits.reply_size.saturating_sub(fixed) / cell);
        }
    }

    /// A response with an error.
    fn refused(&mut self, response: &Response<'_>) {
        let blamed = usize::try_from(response.error_index)
            .ok()
            .and_then(|index| index.checked_sub(self.plan.scalars.len() + 1))
            .and_then(|place| self.asked.get(place % self.asked.len().max(1)).copied());
        match (response.error_status, blamed) {
            (ErrorStatus::TOO_BIG, _) => self.ask_less(true),
            // Version 1 says so at the end of everything.
            (ErrorStatus::NO_SUCH_NAME, Some(column)) => self.columns[column].end = ColumnEnd::Complete,
            (ErrorStatus::NO_SUCH_NAME, None) if self.asked.len() == 1 => {
                self.columns[self.asked[0]].end = ColumnEnd::Complete;
            }
            // An error of one cell takes the whole answer along: find out which.
            (_, Some(column)) if self.repetitions == 1 && self.asks_next() => {
                self.columns[column].skip();
            }
            _ => self.ask_less(false),
        }
    }

    /// The same question was too much: fewer repetitions, then fewer columns, then GetNext, then not at all.
    fn ask_less(&mut self, by_size: bool) {
        let asked = self.asked.len() * self.repetitions;
        match self.asked[..] {
            [column] if asked == 1 && self.asks_next() => {
                self.columns[column].skip();
                self.without_bulk = false;
            }
            [_] if asked == 1 => self.without_bulk = true,
            _ if by_size => self.pace.too_much(asked),
            _ => self.pace.perhaps_too_much(asked.max(2)),
        }
    }

    /// Where every column has told what follows the frontier, move it and hand out what lies before it.
    fn finish_round(&mut self, list: &[u8], mut row: impl FnMut(Row<'_>)) -> Progress {
        let open = |column: &&Column| column.end == ColumnEnd::Open;
        if self.columns.iter().filter(open).any(|column| !column.told && column.ahead.is_none()) {
            self.bytes.extend_from_slice(list);
            return self.more_or_done();
        }
        let kept = std::mem::take(&mut self.bytes);
        let joined;
        let bytes = if kept.is_empty() {
            list
        } else {
            joined = [&kept[..], list].concat();
            &joined
        };

        let last = self.columns.iter().filter(open).filter_map(|column| column.cells.last());
        let last = last.map(|cell| cell.index(bytes)).min();
        // A column that would not tell may tell of the row after the next.
        let skipped = self.columns.iter().any(|column| column.skipped);
        let firsts = self.columns.iter().filter(|_| skipped).filter_map(|column| column.cells.first());
        let last = firsts.map(|cell| cell.index(bytes)).chain(last).min();
        let ahead = self.columns.iter().filter_map(|column| column.ahead.as_ref()).min().cloned();
        let ahead = ahead.as_ref().map(Index::as_ref);
        let complete =
            |index: IndexRef<'_>| last.is_none_or(|last| index <= last) && ahead.is_none_or(|ahead| index < ahead);
        let mut frontier = last.filter(|last| complete(*last));
        let mut limited = false;
        loop {
            let heads = self.columns.iter().filter_map(|column| column.cells.get(column.given));
            let Some(index) = heads.map(|cell| cell.index(bytes)).min().filter(|index| complete(*index)) else {
                break;
            };
            if self.rows >= self.limits.rows {
                limited = true;
                break;
            }
            for (column, cell) in self.columns.iter_mut().zip(&mut self.cells) {
                let head = column.cells.get(column.given).filter(|head| head.index(bytes) == index);
                *cell = head.cloned();
                column.given += usize::from(cell.is_some());
            }
            self.rows += 1;
            frontier = frontier.max(Some(index));
            let (cells, scalars) = (&self.cells, &self.scalars);
            row(Row { index, bytes, cells, scalars, spread: self.pdus > 1 });
        }
        self.begin_round(bytes, ahead, frontier.map(IndexRef::to_owned));
        match self.columns.iter().any(|column| column.end == ColumnEnd::Open) {
            _ if limited => self.done(WalkEnd::RowLimit),
            true => self.more_or_done(),
            false => self.done(WalkEnd::Complete),
        }
    }

    /// Forget the round, but for where the columns stand.
    fn begin_round(&mut self, bytes: &[u8], ahead: Option<IndexRef<'_>>, frontier: Option<Index>) {
        let reached = |index: &Index| {
            self.columns
                .iter()
                .any(|column| column.cells.last().is_some_and(|cell| cell.index(bytes) >= index.as_ref()))
        };
        let met = ahead.is_some_and(|ahead| reached(&ahead.to_owned()));
        for column in &mut self.columns {
            if let Some(first_left) = column.cells.get(column.given) {
                // It told of rows that are not complete yet: there is more of it, whatever it told behind.
                column.end = ColumnEnd::Open;
                column.ahead = (column.given == 0).then(|| first_left.index(bytes).to_owned());
            }
            if met {
                // Now those that were not asked have to be, together with the others.
                column.ahead = None;
            }
            column.cells.clear();
            (column.given, column.told, column.skipped) = (0, false, false);
        }
        if !self.columns.iter().any(|column| column.end == ColumnEnd::Open && column.ahead.is_none()) {
            self.columns.iter_mut().for_each(|column| column.ahead = None);
        }
        if let Some(frontier) = frontier {
            self.frontier = frontier;
        }
        self.scalars.fill(None);
        self.pdus = 0;
    }
}

#[cfg(test)]
mod tests;
