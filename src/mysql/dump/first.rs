//! First readings: tables without snapshots, read while others write. They promise that no statement
//! keeps a table's writers waiting for longer than a chunk takes, and what is needed to prove later
//! that nothing changed, or that there are only new rows behind the last one.

use super::attempt::Work;
use super::place::may_stand_in_order;
use super::rows::Watch;
use super::status::Status;
use super::step::{Step, Stop, at_table};
use super::table::Table;
use super::taking::Draft;
use crate::mysql::connection::Connection;
use std::time::{Duration, Instant};

/// Bytes of a chunk of rows, about.
const CHUNK_BYTES: u64 = 8 << 20;
/// Bytes of a chunk of rows of a table that is read as it stands.
const PLACE_CHUNK_BYTES: u64 = 16 << 20;
/// Fewest rows of a chunk.
const FEWEST_ROWS: u64 = 16;
/// Times that a table is begun again because a long row changed while it was read.
const TRIES: u32 = 3;

/// A table that was read without a lock.
pub struct First<'s> {
    /// The table with its rows.
    pub draft: Draft<'s>,
    /// What the server said before the first row was read.
    pub before: Status,
    /// How long it took.
    pub took: Duration,
    /// Whether a fence stood around it from before the first row.
    pub is_fenced: bool,
}

/// What is left to do for a table under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: no row changed.
    Nothing,
    /// Rows behind the last one.
    End,
    /// All rows.
    All,
}

impl<'s> First<'s> {
    /// Reads a table in chunks.
    pub fn read(work: &Work<'_, 's>, conn: &mut Connection, table: Table, before: Status) -> Step<First<'s>> {
        let began = Instant::now();
        let mut in_place = may_stand_in_order(&table, &before);
        let mut tries = 0;
        loop {
            match First::read_once(work, conn, table.clone(), before.clone(), (began, in_place)) {
                // A row with long cells was changed between two of their pieces, or the table does not
                // stand in the order of its key.
                Err(Stop::Changed(_)) if tries < TRIES => (tries, in_place) = (tries + 1, false),
                other => return other,
            }
        }
    }

    fn read_once(
        work: &Work<'_, 's>,
        conn: &mut Connection,
        table: Table,
        before: Status,
        (began, in_place): (Instant, bool),
    ) -> Step<First<'s>> {
        let mut draft = Draft::begin(table, work)?;
        let rows = match in_place {
            true => place_rows(&draft.table, &before, work.plan.limits.chunk_rows),
            false => chunk_rows(&draft.table, &before, work.plan.limits.chunk_rows),
        };
        if in_place {
            draft.feed.expect_rising();
        }
        loop {
            let table = &draft.table;
            let last = Some(draft.feed.last.as_slice()).filter(|last| !last.is_empty());
            let sql = match in_place || table.record.key.is_empty() {
                true => table.select_from(draft.feed.rows, rows),
                false => table.select_after(last, Some(rows)),
            };
            // In memory first: no slow sink keeps the table's writers waiting.
            if !draft.table.is_heavy() {
                draft.out.hold();
            }
            let taken = draft.feed.take(conn, &sql, &mut draft.out, work.watch);
            let taken = taken.map_err(|error| at_table(error, &draft.table.name()))?;
            draft.out.flush()?;
            if taken.rows < rows && !taken.is_cut {
                draft.rest()?;
                return Ok(First { draft, before, took: began.elapsed(), is_fenced: false });
            }
        }
    }

    /// What is left to do, given what the server says now.
    pub fn left(&self, now: Option<&Status>) -> Left {
        let Some(now) = now else { return Left::All };
        if self.before.proves(now, self.draft.feed.rows) {
            return Left::Nothing;
        }
        let is_proven = self.is_fenced && self.before.is_same_table(now) || self.before.only_grew(now);
        match is_proven && self.draft.table.can_grow() && now.rows.is_some() {
            true => Left::End,
            false => Left::All,
        }
    }

    /// Whether there are more rows than before it was read: a fence around a table whose rows are only
    /// changed would fall at once.
    pub fn has_grown(&self, now: Option<&Status>) -> bool {
        now.is_some_and(|now| now.rows > self.before.rows)
    }

    /// Reads the rows behind the last one; whether they are all that was missing of `rows`.
    pub fn read_end(&mut self, conn: &mut Connection, rows: u64, watch: &Watch) -> Step<bool> {
        let draft = &mut self.draft;
        draft.out.hold();
        draft.read_behind(conn, watch)?;
        Ok(draft.feed.rows == rows)
    }
}

fn chunk_rows(table: &Table, status: &Status, most: u64) -> u64 {
    // Behind a row with long cells the rest of a chunk is read twice.
    let fewest = if table.long.is_empty() { FEWEST_ROWS } else { 1 };
    rows_of(table, status, CHUNK_BYTES).clamp(fewest, most.max(fewest))
}

/// A row that stands in its place costs a tenth of one that an index finds.
fn place_rows(table: &Table, status: &Status, most: u64) -> u64 {
    rows_of(table, status, PLACE_CHUNK_BYTES).clamp(1, 10 * most.max(FEWEST_ROWS))
}

/// How many rows of a table take `bytes` bytes, about.
fn rows_of(table: &Table, status: &Status, bytes: u64) -> u64 {
    bytes / (table.record.server_bytes / status.rows.unwrap_or(0).max(1)).max(1)
}
