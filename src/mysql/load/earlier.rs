//! What an earlier run of the same restore loaded and proved, read back once more by the run that goes on
//! with it. It promises that nothing is called compared that this run did not read from the server, and a
//! sentence for each table that no longer holds what was proven.

use super::choose::Part;
use super::session::said;
use super::table::{Sent, Task};
use super::{TableReport, proof, stage};
use crate::entry::database::TableRecord;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::progress::Progress;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// A table that was proven: its name, rows and checksum.
pub type Proven = (String, u64, u128);

/// Tables as this run found them.
#[derive(Debug, Default)]
pub struct Found {
    /// Each table that was proven.
    pub tables: Vec<TableReport>,
    /// One sentence for each that holds something else now, or cannot be read.
    pub differing: Vec<String>,
}

/// Reads those tables of `part` back that were `proven`, from `database`.
///
/// Errors: those of the connection, and a wish to stop; a table that cannot be read is no error.
pub fn compare(
    conn: &mut Connection,
    database: &str,
    part: &Part,
    proven: &[Proven],
    progress: &Progress,
) -> Result<Found> {
    let mut found = Found::default();
    for (name, rows, checksum) in proven {
        let Some(table) = part.tables.iter().find(|table| table.name == *name) else { continue };
        let place = format!("table `{}`.`{name}`", part.target);
        let differing = match read(conn, database, table, progress) {
            Ok(read) if (read.rows, read.checksum) == (*rows, Some(*checksum)) => None,
            Ok(read) if read.rows != *rows => {
                Some(format!("{place} has {} rows now, {rows} when an earlier run compared it", read.rows))
            }
            Ok(_) => Some(format!("{place} has other values now than when an earlier run compared it")),
            Err(error) if code_of(&error).is_none() => return Err(error),
            Err(error) => Some(format!(
                "{place}, which an earlier run loaded and compared, cannot be read back now: {}",
                said(&error)
            )),
        };
        found.tables.push(TableReport {
            table: name.clone(),
            rows: *rows,
            checksum: *checksum,
            is_earlier: true,
            is_compared: differing.is_none(),
            ..TableReport::default()
        });
        found.differing.extend(differing);
        progress.advance(1, 0);
    }
    Ok(found)
}

/// Number and checksum of the rows of `table` as it stands in `database`.
pub fn read(conn: &mut Connection, database: &str, table: &TableRecord, progress: &Progress) -> Result<Sent> {
    progress.check()?;
    let (has_infile, max_packet_bytes) = stage::limits(conn)?;
    let (long, is_refused) = (Mutex::new(()), AtomicBool::new(false));
    let task =
        Task { table, staging: database, has_infile, max_packet_bytes, long: &long, is_refused: &is_refused };
    proof::read_back(conn, &task, true, progress)
}
