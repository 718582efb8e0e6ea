//! One table: its rows into the staging database. It promises that what it says was sent was sent
//! whole, in one transaction, and that a load that failed on the way is an error.

use super::session::said;
use super::{RowChange, infile, insert};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::stream::Chunks;
use crate::mysql::value::load_column;
use crate::progress::Progress;
use crate::rows::RowReader;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Rows.
    pub rows: u64,
    /// The sum of their hashes, where rows were changed on the way.
    pub checksum: Option<u128>,
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

    /// The number of the AUTO_INCREMENT column.
    fn counter(&self) -> Option<usize> {
        let name = super::definition::counter(&self.table.create)?;
        self.table.columns.iter().position(|column| quote(&column.name) == name)
    }

    /// The columns' places in a statement, and the assignments that some need.
    pub fn columns(&self) -> (String, String) {
        let mut columns: Vec<_> =
            self.table.columns.iter().enumerate().map(|(n, c)| load_column(c, n)).collect();
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

/// Rows on their way: those of a table, changed if somebody asked for it.
pub struct Rows<'a> {
    reader: RowReader<Chunks<'a>>,
    change: Option<RowChange<'a>>,
    changed: Vec<Option<Vec<u8>>>,
    scratch: Vec<u8>,
    sent: Sent,
}

impl<'a> Rows<'a> {
    /// The rows of `chunks`.
    pub fn new(chunks: Chunks<'a>, columns: usize, change: Option<RowChange<'a>>) -> Rows<'a> {
        let sent = Sent { rows: 0, checksum: change.as_ref().map(|_| 0) };
        Rows {
            reader: RowReader::new(chunks, columns),
            change,
            changed: Vec::new(),
            scratch: Vec::new(),
            sent,
        }
    }

    /// Gives the cells of the next row to `take`; false at the end.
    pub fn next<'s>(&'s mut self, take: &mut dyn FnMut(&mut Cells<'_, 's>)) -> Result<bool> {
        let Some(change) = &mut self.change else {
            let Some(row) = self.reader.next_row()? else { return Ok(false) };
            self.sent.rows += 1;
            take(&mut row.cells());
            return Ok(true);
        };
        loop {
            let Some(row) = self.reader.next_row()? else { return Ok(false) };
            self.changed.clear();
            self.changed.extend(row.cells().map(|cell| cell.map(<[u8]>::to_vec)));
            if change(&mut self.changed)? {
                break;
            }
        }
        let hash = crate::rows::row_hash(self.changed.iter().map(Option::as_deref), &mut self.scratch);
        self.sent.rows += 1;
        self.sent.checksum = self.sent.checksum.map(|sum| sum.wrapping_add(hash));
        take(&mut self.changed.iter().map(Option::as_deref));
        Ok(true)
    }

    /// What was given so far.
    pub fn sent(&self) -> Sent {
        self.sent
    }
}

/// Loads the rows. After an error the connection may be in the middle of something: drop it.
pub fn load(connection: &mut Connection, task: &Task, rows: Rows, progress: &Progress) -> Result<Sent> {
    let is_myisam = ["MyISAM", "Aria"].iter().any(|engine| engine.eq_ignore_ascii_case(&task.table.engine));
    if is_myisam {
        connection.execute(&format!("ALTER TABLE {} DISABLE KEYS", task.place()))?;
    }
    // An empty InnoDB table, one transaction and no checks: the server sorts and builds the indexes in
    // bulk.
    connection.execute("START TRANSACTION")?;
    let sent = match task.has_infile {
        true => infile::load(connection, task, rows, progress)?,
        false => insert::load(connection, task, rows, progress)?,
    };
    connection.execute("COMMIT")?;
    if is_myisam {
        connection.execute(&format!("ALTER TABLE {} ENABLE KEYS", task.place()))?;
    }
    Ok(sent)
}

/// What servers say when there is no room: disk full, table full.
const FULL: [u16; 2] = [1021, 1114];

/// The error of a statement for this table that failed.
pub fn failed(connection: &Connection, task: &Task, cause: mysql::Error) -> Error {
    let error = connection.failed(&format!("loading {}", quote(&task.table.name)), cause);
    let said = said(&error);
    let is_full = code_of(&error).is_some_and(|code| FULL.contains(&code)) || said.contains("No space left");
    let kind = if is_full { Kind::Full } else { Kind::Database };
    Error::new(kind, format!("{}: {} could not be loaded: {said}", connection.name(), task.name())).hint(
        match kind {
            Kind::Full => "the live database was not touched; make room on the server and restore again",
            _ => "the live database was not touched",
        },
    )
}
