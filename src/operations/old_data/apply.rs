//! Old rows go, batch by batch. It promises that each batch is read again under a lock and removed
//! only as far as every row of it is one that the snapshot has; that the server's answer to each
//! statement is held against what was expected; and that an error leaves whole batches gone or there.

use super::count::{self, Key, WINDOW_ROWS, Window};
use super::pace::{Pace, Pacing, sleep};
use super::proof::{self, LiveRow, Stored};
use super::report::TableOutcome;
use super::table::OldTable;
use super::{Fitted, Journal};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::literal;
use crate::mysql::stream::RowSource;
use crate::progress::Progress;
use std::time::{Duration, Instant};

/// How often a batch whose lock is not to be had is tried again.
const TRIES: u32 = 60;
/// `ER_LOCK_WAIT_TIMEOUT` and `ER_LOCK_DEADLOCK`.
const NO_LOCK: [u16; 2] = [1205, 1213];

/// What is removed, and with what it is proven.
pub struct Removal<'a> {
    /// The tables.
    pub fitted: &'a Fitted,
    /// The same tables in the snapshot.
    pub stored: &'a [TableRecord],
    /// The snapshot's rows.
    pub source: &'a dyn RowSource,
    /// Its id.
    pub snapshot: &'a str,
    /// How fast.
    pub pacing: Pacing,
    /// How far it is, and whether it is to stop.
    pub progress: &'a Progress,
}

/// Looks whether every old row is in the snapshot, and whether the snapshot's tables are whole.
///
/// Errors: [`Kind::Failed`], naming the first row that is not; [`Kind::Damaged`].
pub fn prove(removal: &Removal, conn: &mut Connection) -> Result<()> {
    count::as_stored(conn)?;
    for (table, record) in removal.fitted.tables.iter().zip(removal.stored) {
        let mut stored = Stored::new(removal.source, record)?;
        let mut last = None;
        loop {
            removal.progress.check()?;
            let window = count::window(conn, table, last.as_ref(), WINDOW_ROWS)?;
            for keys in window.old.chunks(500) {
                removal.find_all(table, &proof::read_old(conn, table, keys, false)?, &mut stored)?;
            }
            removal.progress.advance(window.counts.rows, 0);
            if window.last.is_none() {
                break;
            }
            last = window.last;
        }
        stored.finish(removal.progress).map_err(|error| {
            error.hint("nothing was removed: the snapshot is damaged; coffer verify tells what else is")
        })?;
    }
    Ok(())
}

/// Removes the old rows and counts them in `outcomes`, which [`super::plan`] made; the journal is kept
/// up to date.
///
/// Errors: [`Kind::Busy`] while another removal from the database runs; those of [`prove`]; and
/// [`Kind::Database`]. What was removed before stays removed, and running it again goes on.
pub fn apply(
    removal: &Removal,
    conn: &mut Connection,
    journal: &mut Journal,
    outcomes: &mut [TableOutcome],
) -> Result<()> {
    alone(conn, &removal.fitted.database)?;
    count::as_stored(conn)?;
    // Somebody who holds a lock is waited for shortly, and many times: those behind must not wait.
    conn.execute("SET SESSION lock_wait_timeout=1, innodb_lock_wait_timeout=1, autocommit=1")?;
    for ((table, record), outcome) in removal.fitted.tables.iter().zip(removal.stored).zip(outcomes) {
        let began = Instant::now();
        let mut one = One { removal, table, conn, pace: Pace::new(removal.pacing), journal, outcome };
        let result = one.run(record);
        let pace = one.pace;
        outcome.longest_batch_ms = millis(pace.longest);
        outcome.paused_ms = millis(pace.paused);
        outcome.ms = millis(began.elapsed());
        result?;
        journal.write(true)?;
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Keeps two removals from one database apart, as long as the connection lives.
fn alone(conn: &mut Connection, database: &str) -> Result<()> {
    let hash = xxhash_rust::xxh3::xxh3_64(database.as_bytes());
    let name = literal(&format!("coffer remove-old-data {hash:016x}"));
    // A removal that was killed lets go when its server notices.
    match conn.value(&format!("SELECT GET_LOCK({name}, 20)"))?.as_deref() {
        Some("1") => Ok(()),
        _ => Err(Error::new(
            Kind::Busy,
            format!("database `{database}`: another removal of old data from it is running"),
        )),
    }
}

impl Removal<'_> {
    /// Finds all rows in the snapshot.
    fn find_all(&self, table: &OldTable, rows: &[LiveRow], stored: &mut Stored) -> Result<()> {
        for row in rows {
            if !stored.find(row.hash, self.progress)? {
                return Err(proof::not_proven(table, row, self.snapshot));
            }
        }
        Ok(())
    }
}

/// One table.
struct One<'a, 'c> {
    removal: &'a Removal<'a>,
    table: &'a OldTable,
    conn: &'c mut Connection,
    pace: Pace,
    journal: &'c mut Journal,
    outcome: &'c mut TableOutcome,
}

impl<'a> One<'a, '_> {
    fn run(&mut self, record: &TableRecord) -> Result<()> {
        let mut stored = Stored::new(self.removal.source, record)?;
        let mut last: Option<Key> = None;
        loop {
            self.removal.progress.check()?;
            let began = Instant::now();
            let window: Window = count::window(self.conn, self.table, last.as_ref(), self.pace.rows())?;
            if !window.old.is_empty() {
                let expected = proof::read_old(self.conn, self.table, &window.old, false)?;
                self.removal.find_all(self.table, &expected, &mut stored)?;
                let removed = self.batch(&expected)?;
                self.outcome.deleted += removed;
                self.outcome.batches += 1;
                self.journal.add(&self.table.record.name, removed);
                self.journal.write(false)?;
            }
            self.removal.progress.advance(window.counts.rows, 0);
            let Some(key) = window.last else { return Ok(()) };
            last = Some(key);
            match window.old.is_empty() {
                true => sleep(self.pace.share_of(began.elapsed()), self.removal.progress)?,
                false => self.pace.rest(self.conn, began.elapsed(), self.removal.progress)?,
            }
        }
    }

    /// The tables whose rows belong to rows of this one and can be found by them.
    fn children(&self) -> Vec<&'a OldTable> {
        let (removal, name) = (self.removal, &self.table.record.name);
        let is_child =
            |child: &&OldTable| child.parent.as_ref().is_some_and(|p| p.has_index && p.record.name == *name);
        removal.fitted.tables.iter().filter(is_child).collect()
    }

    /// Removes a batch; how many rows went. A lock that is not to be had is tried again.
    fn batch(&mut self, expected: &[LiveRow]) -> Result<u64> {
        for turn in 0..TRIES {
            match self.locked(expected) {
                Err(error) if code_of(&error).is_some_and(|code| NO_LOCK.contains(&code)) => {
                    sleep(Duration::from_millis(100 + 20 * u64::from(turn)), self.removal.progress)?;
                }
                other => return other,
            }
        }
        Err(Error::new(
            Kind::Database,
            format!("{}: others hold its rows without end, so they cannot be removed", self.table.place()),
        )
        .hint("run it again when fewer people work; it goes on where it stopped"))
    }

    fn locked(&mut self, expected: &[LiveRow]) -> Result<u64> {
        let is_transactional = self.table.is_transactional(&self.children());
        let begin = match is_transactional {
            true => "START TRANSACTION".to_owned(),
            false => self.table.lock(&self.children()),
        };
        self.conn.execute(&begin)?;
        let removed = self.remove(expected, is_transactional);
        let end = match (is_transactional, removed.is_ok()) {
            (false, _) => "UNLOCK TABLES",
            (true, true) => "COMMIT",
            (true, false) => "ROLLBACK",
        };
        let ended = self.conn.execute(end);
        removed.and_then(|removed| ended.map(|_| removed))
    }

    fn remove(&mut self, expected: &[LiveRow], is_transactional: bool) -> Result<u64> {
        let keys: Vec<Key> = expected.iter().map(|row| row.key.clone()).collect();
        let now = proof::read_old(self.conn, self.table, &keys, is_transactional)?;
        let mut proven = expected.iter();
        for row in &now {
            // What others removed meanwhile is gone; what they changed is not proven.
            if !proven.any(|expected| expected == row) {
                return Err(proof::not_proven(self.table, row, self.removal.snapshot));
            }
        }
        let keys: Vec<Key> = now.into_iter().map(|row| row.key).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        for child in self.children() {
            let Some(parent) = &child.parent else { continue };
            let sql = child.of_parent(parent, &keys, is_transactional);
            let left = self.conn.value(&sql)?.unwrap_or_default();
            if left != "0" {
                return Err(Error::new(
                    Kind::Failed,
                    format!(
                        "{}: {left} rows came meanwhile that belong to old rows of {}",
                        child.place(),
                        self.table.place()
                    ),
                )
                .hint("nothing of this batch was removed; make a new snapshot and run it again: --backup"));
            }
        }
        let removed = self.conn.execute(&self.table.delete(&keys))?;
        match removed == keys.len() as u64 {
            true => Ok(removed),
            false => Err(Error::new(
                Kind::Database,
                format!("{}: {removed} rows were removed, {} were meant", self.table.place(), keys.len()),
            )),
        }
    }
}
