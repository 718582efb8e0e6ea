//! The proof that a row is in a snapshot. A table's rows stand in the snapshot in the order of its key,
//! and the live server gives them in the same order: so rows that are looked for in order are found by
//! going through the snapshot once. It promises that a row counts as found only if every one of its
//! stored bytes, as their 128-bit hash, stands in the snapshot, read from the container and proven.

use super::count::Key;
use super::table::OldTable;
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::answer::each_row;
use crate::mysql::connection::Connection;
use crate::mysql::stream::{Chunks, RowSource};
use crate::operations::databases::RowSum;
use crate::progress::Progress;
use crate::rows::{RowReader, row_hash};

/// Rows between two looks at whether to stop.
const LOOK_ROWS: u64 = 4096;

/// The stored rows of a table, walked once.
pub struct Stored<'a> {
    record: &'a TableRecord,
    reader: RowReader<Chunks<'a>>,
    sum: RowSum,
    rows: u64,
}

impl<'a> Stored<'a> {
    /// Before the first row.
    pub fn new(source: &'a dyn RowSource, record: &'a TableRecord) -> Result<Stored<'a>> {
        let reader = RowReader::new(source.chunks(record)?, record.columns.len());
        Ok(Stored { record, reader, sum: RowSum::default(), rows: 0 })
    }

    /// Goes on to the row with this hash; false: no row behind those that were found before has it.
    pub fn find(&mut self, hash: u128, progress: &Progress) -> Result<bool> {
        while let Some(next) = self.next(progress)? {
            if next == hash {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads to the end and holds all rows against the table's count and checksum.
    ///
    /// Errors: [`Kind::Damaged`].
    pub fn finish(mut self, progress: &Progress) -> Result<()> {
        while self.next(progress)?.is_some() {}
        self.sum.check(self.record)
    }

    fn next(&mut self, progress: &Progress) -> Result<Option<u128>> {
        if self.reader.next_row()?.is_none() {
            return Ok(None);
        }
        let hash = self.reader.row_hash();
        self.sum.add(hash);
        self.rows += 1;
        if self.rows.is_multiple_of(LOOK_ROWS) {
            progress.check()?;
        }
        Ok(Some(hash))
    }
}

/// An old row as the live server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// Its key.
    pub key: Key,
    /// The hash of its bytes, as a snapshot sums them up.
    pub hash: u128,
}

/// Those of the rows `keys` that are old, in the order of the key; locked until the transaction's end
/// if `locks`. The session is one of [`super::count::as_stored`].
pub fn read_old(conn: &mut Connection, table: &OldTable, keys: &[Key], locks: bool) -> Result<Vec<LiveRow>> {
    let mut rows = Vec::with_capacity(keys.len());
    if keys.is_empty() {
        return Ok(rows);
    }
    let mut scratch = Vec::new();
    each_row(conn, &table.rows(keys, locks), &table.row_formats(), &mut |cells| {
        let cell = |number: &u16| cells.get(usize::from(*number)).copied().flatten().unwrap_or_default();
        let key = table.record.key.iter().map(|number| cell(number).to_vec()).collect();
        rows.push(LiveRow { key, hash: row_hash(cells.iter().copied(), &mut scratch) });
        Ok(())
    })?;
    Ok(rows)
}

/// The error for a row that the snapshot has not as it is.
pub fn not_proven(table: &OldTable, row: &LiveRow, snapshot: &str) -> Error {
    Error::new(
        Kind::Failed,
        format!(
            "{}: the row with {} is not in snapshot {} as it is now: it was changed or added since",
            table.place(),
            table.key_words(&row.key),
            snapshot.get(..8).unwrap_or(snapshot)
        ),
    )
    .hint("it was not removed; --backup makes a snapshot of now first, or run coffer backup")
}

/// Looks whether the snapshot's table is made as the live one, so that their rows can be compared.
///
/// Errors: [`Kind::Failed`].
pub fn check_same(table: &OldTable, stored: &TableRecord) -> Result<()> {
    match stored.columns == table.record.columns && stored.key == table.record.key {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Failed,
            format!("{}: its columns or its key were changed since the snapshot", table.place()),
        )
        .hint("nothing was removed; --backup makes a snapshot of now first, or run coffer backup")),
    }
}
