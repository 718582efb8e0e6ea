//! One table: its rows into the staging database. It promises that what it says was sent was sent
//! whole, in one transaction or, with long rows, two, and that a load that failed on the way is an error.

use super::session::said;
use super::{RowChange, infile, insert};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::stream::Chunks;
use crate::mysql::value::{
    is_momentary, is_null_when_empty, load_column, momentary_statements, moved_counter, zoned_statements,
};
use crate::progress::Progress;
use crate::rows::RowReader;
use mysql::prelude::Queryable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Rows.
    pub rows: u64,
    /// The sum of their hashes, where rows were changed on the way.
    pub checksum: Option<u128>,
    /// Whether there were long ones.
    pub has_long: bool,
}

/// A table to load.
pub struct Task<'a> {
    /// The table.
    pub table: &'a TableRecord,
    /// The database that it is loaded into.
    pub staging: &'a str,
    /// Whether the server takes LOAD DATA LOCAL.
    pub has_infile: bool,
    /// Longest statement the server takes.
    pub max_packet_bytes: u64,
    /// Held while long rows are sent or read back: memory is for one of them.
    pub long: &'a Mutex<()>,
    /// Set where the server lives and does not take the table's rows as they are.
    pub is_refused: &'a AtomicBool,
}

impl Task<'_> {
    /// The table's name in messages.
    pub fn name(&self) -> String {
        format!("table `{}`", self.table.name)
    }

    /// The table inside statements.
    pub fn place(&self) -> String {
        qualified(self.staging, &self.table.name)
    }

    /// Whether the average row is long.
    fn has_mostly_long(&self) -> bool {
        self.table.content.size / self.table.rows.max(1) > LONG_ROW_BYTES as u64
    }

    /// The number of the AUTO_INCREMENT column.
    fn counter(&self) -> Option<usize> {
        let name = super::definition::counter(&self.table.create)?;
        self.table.columns.iter().position(|column| quote(&column.name) == name)
    }

    /// By column, whether an empty cell goes as NULL.
    pub fn null_when_empty(&self, is_mariadb: bool) -> Vec<bool> {
        let create = &self.table.create;
        self.table.columns.iter().map(|column| is_mariadb && is_null_when_empty(create, column)).collect()
    }

    /// The columns' places in a statement, and the assignments that some need.
    pub fn columns(&self, is_mariadb: bool) -> (String, String) {
        let mut columns: Vec<_> =
            self.table.columns.iter().enumerate().map(|(n, c)| load_column(c, n)).collect();
        let null_when_empty = self.null_when_empty(is_mariadb);
        for (number, column) in
            columns.iter_mut().enumerate().filter(|(n, _)| null_when_empty.get(*n) == Some(&true))
        {
            column.set = Some(format!("{} = NULLIF(@v{number},'')", column.target));
            column.target = format!("@v{number}");
        }
        let has_sets = columns.iter().any(|column| column.set.is_some());
        if let Some(counter) = self.counter().filter(|_| has_sets)
            && let Some(column) = columns.get_mut(counter).filter(|column| column.set.is_none())
        {
            // Beside a SET clause the server forgets that the file gave this column a value, and takes
            // 0 for the wish to have the next number.
            let variable = format!("@v{counter}");
            column.set = Some(format!("{} = {variable}", column.target));
            column.target = variable;
        }
        let targets: Vec<&str> = columns.iter().map(|c| c.target.as_str()).collect();
        let sets: Vec<&str> = columns.iter().filter_map(|c| c.set.as_deref()).collect();
        (targets.join(","), sets.join(","))
    }
}

/// The cells of a row; `None`: NULL.
pub type Cells<'i, 's> = dyn Iterator<Item = Option<&'s [u8]>> + 'i;

/// Rows of more bytes than this are not loaded in bulk, and not into two tables at once.
const LONG_ROW_BYTES: usize = 4 << 20;

/// Which rows of a table go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that lived for no time ([`is_momentary`]).
    Momentary,
    /// All others.
    Lasting,
}

/// Rows on their way: those of a table, changed if somebody asked for it.
pub struct Rows<'a> {
    table: &'a TableRecord,
    which: Which,
    reader: RowReader<Chunks<'a>>,
    change: Option<RowChange<'a>>,
    changed: Vec<Option<Vec<u8>>>,
    scratch: Vec<u8>,
    sent: Sent,
    is_paused: bool,
}

impl<'a> Rows<'a> {
    /// The rows of `chunks`.
    pub fn new(
        chunks: Chunks<'a>,
        table: &'a TableRecord,
        which: Which,
        change: Option<RowChange<'a>>,
    ) -> Rows<'a> {
        let sent = Sent { rows: 0, checksum: change.as_ref().map(|_| 0), has_long: false };
        Rows {
            table,
            which,
            reader: RowReader::new(chunks, table.columns.len()),
            change,
            changed: Vec::new(),
            scratch: Vec::new(),
            sent,
            is_paused: false,
        }
    }

    /// Gives the cells of the next row to `take`; false at the end, or at a pause.
    pub fn next<'s>(&'s mut self, take: &mut dyn FnMut(&mut Cells<'_, 's>)) -> Result<bool> {
        if !std::mem::take(&mut self.is_paused) {
            if !self.read()? {
                return Ok(false);
            }
            if !self.sent.has_long && self.length() > LONG_ROW_BYTES {
                (self.sent.has_long, self.is_paused) = (true, true);
                return Ok(false);
            }
        }
        self.sent.rows += 1;
        if self.change.is_none() {
            take(&mut self.reader.row().cells());
            return Ok(true);
        }
        let hash = crate::rows::row_hash(self.changed.iter().map(Option::as_deref), &mut self.scratch);
        self.sent.checksum = self.sent.checksum.map(|sum| sum.wrapping_add(hash));
        take(&mut self.changed.iter().map(Option::as_deref));
        Ok(true)
    }

    /// Reads the next row that is to be sent, and changes it; false at the end.
    fn read(&mut self) -> Result<bool> {
        loop {
            let Some(row) = self.reader.next_row()? else { return Ok(false) };
            let is_momentary = self.table.has_history && is_momentary(self.table, row.cells());
            if is_momentary != (self.which == Which::Momentary) {
                continue;
            }
            let Some(change) = &mut self.change else { return Ok(true) };
            self.changed.clear();
            self.changed.extend(row.cells().map(|cell| cell.map(<[u8]>::to_vec)));
            if change(&mut self.changed)? {
                return Ok(true);
            }
        }
    }

    /// Bytes of the row that was read last.
    fn length(&self) -> usize {
        match &self.change {
            None => self.reader.row().cells().flatten().map(<[u8]>::len).sum(),
            Some(_) => self.changed.iter().flatten().map(Vec::len).sum(),
        }
    }

    /// Whether the rows paused, once: the next one is the first that is long.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// What was given so far.
    pub fn sent(&self) -> Sent {
        self.sent
    }
}

impl Sent {
    /// Both together.
    pub fn and(self, other: Sent) -> Sent {
        let checksum = self.checksum.zip(other.checksum).map(|(a, b)| a.wrapping_add(b));
        Sent { rows: self.rows + other.rows, checksum, has_long: self.has_long || other.has_long }
    }
}

/// Loads rows that lived for no time, before all others. After an error drop the connection.
pub fn load_momentary(
    connection: &mut Connection,
    task: &Task,
    mut rows: Rows,
    progress: &Progress,
) -> Result<Sent> {
    loop {
        let mut statements = Vec::new();
        let is_more = rows.next(&mut |cells| {
            let cells: Vec<Option<&[u8]>> = cells.collect();
            statements = momentary_statements(task.table, &task.place(), &cells);
        })?;
        if !is_more && !rows.is_paused() {
            return Ok(rows.sent());
        }
        for statement in statements {
            let text = String::from_utf8_lossy(&statement);
            connection.raw().query_drop(text.as_ref()).map_err(|cause| failed(connection, task, cause))?;
        }
        progress.check()?;
    }
}

/// Loads the rows. After an error the connection may be in the middle of something: drop it.
pub fn load(connection: &mut Connection, task: &Task, mut rows: Rows, progress: &Progress) -> Result<Sent> {
    let is_myisam = ["MyISAM", "Aria"].iter().any(|engine| engine.eq_ignore_ascii_case(&task.table.engine));
    if is_myisam {
        connection.execute(&format!("ALTER TABLE {} DISABLE KEYS", task.place()))?;
    }
    let begin = if is_plain(&task.table.engine) { "DO 0" } else { "START TRANSACTION" };
    // An empty InnoDB table, one transaction and no checks: the server sorts and builds the indexes in
    // bulk.
    connection.execute(begin)?;
    let hold = || task.long.lock().unwrap_or_else(PoisonError::into_inner);
    // Where most rows are long, not even the first is read beside another's.
    let mut one = task.has_mostly_long().then(hold);
    send(connection, task, &mut rows, progress)?;
    if rows.is_paused() {
        one = one.or_else(|| Some(hold()));
        // In bulk, all pages of a value stay pinned until it is whole: a value of tens of MB fills
        // the buffer pool, and MariaDB waits for a free page for ever. A table with rows, and one
        // whose keys are checked, is not loaded in bulk.
        connection.execute("COMMIT")?;
        connection.execute("SET SESSION unique_checks=1")?;
        connection.execute(begin)?;
        send(connection, task, &mut rows, progress)?;
        connection.execute("COMMIT")?;
        connection.execute("SET SESSION unique_checks=0")?;
    } else {
        connection.execute("COMMIT")?;
    }
    drop(one);
    for statement in zoned_statements(task.table, &task.place()) {
        connection.execute(&statement)?;
    }
    if let Some(next) = moved_counter(&task.table.create) {
        connection.execute(&format!("ALTER TABLE {} AUTO_INCREMENT={next}", task.place()))?;
    }
    if is_myisam {
        connection.execute(&format!("ALTER TABLE {} ENABLE KEYS", task.place()))?;
    }
    Ok(rows.sent())
}

/// Whether an engine has no transactions: a MySQL with GTIDs takes no second statement for such a table
/// inside of one.
fn is_plain(engine: &str) -> bool {
    let plain = ["MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MRG_MyISAM"];
    plain.iter().any(|name| name.eq_ignore_ascii_case(engine))
}

/// Sends rows until their end or their pause.
fn send(connection: &mut Connection, task: &Task, rows: &mut Rows, progress: &Progress) -> Result<()> {
    match task.has_infile {
        true => infile::load(connection, task, rows, progress),
        false => insert::load(connection, task, rows, progress),
    }
}

/// What servers say when there is no room: disk full, table full.
const FULL: [u16; 2] = [1021, 1114];

/// The error of a statement for this table that failed.
pub fn failed(connection: &Connection, task: &Task, cause: mysql::Error) -> Error {
    let error = connection.failed(&format!("loading {}", quote(&task.table.name)), cause);
    let said = said(&error);
    let is_full = code_of(&error).is_some_and(|code| FULL.contains(&code)) || said.contains("No space left");
    let kind = if is_full { Kind::Full } else { Kind::Database };
    task.is_refused.store(!is_full && code_of(&error).is_some(), Ordering::Relaxed);
    Error::new(kind, format!("{}: {} could not be loaded: {said}", connection.name(), task.name())).hint(
        match kind {
            Kind::Full => "the live database was not touched; make room on the server and restore again",
            _ => "the live database was not touched",
        },
    )
}
