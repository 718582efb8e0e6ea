//! Rows read back. It promises that they were read through the same expressions and became the same
//! bytes as those of a dump: equal counts and checksums mean equal rows.

use super::table::{Sent, Task};
use crate::entry::database::TableRecord;
use crate::error::{Error, Result};
use crate::mysql::answer::each_row;
use crate::mysql::connection::Connection;
use crate::mysql::dump::sum_of_long;
use crate::mysql::value::{CellFormat, select_expression};
use crate::progress::Progress;

/// Rows between two looks at whether to stop.
const ROWS_BETWEEN: u64 = 4096;

/// Number and checksum of the rows that the server has; long ones are read in pieces, if they can be.
pub fn read_back(
    connection: &mut Connection,
    task: &Task,
    has_long: bool,
    progress: &Progress,
) -> Result<Sent> {
    let columns: Vec<String> = task.table.columns.iter().map(select_expression).collect();
    let history = if task.table.has_history { " FOR SYSTEM_TIME ALL" } else { "" };
    let sql = format!("SELECT {} FROM {}{history}", columns.join(","), task.place());
    let formats: Vec<CellFormat> = task.table.columns.iter().map(CellFormat::of).collect();
    connection.execute("SET SESSION character_set_results=NULL")?;
    let long = match has_long {
        true => sum_of_long(connection, task.staging, task.table, progress),
        false => Ok(None),
    };
    let read = match long {
        Ok(Some(summary)) => {
            Ok(Sent { rows: summary.rows, checksum: Some(summary.checksum), has_long: true })
        }
        Ok(None) => sum(connection, &sql, &formats, progress),
        Err(error) => Err(error),
    };
    connection.execute("SET SESSION character_set_results=utf8mb4")?;
    read.map_err(|error| error.at(task.name()))
}

fn sum(connection: &mut Connection, sql: &str, formats: &[CellFormat], progress: &Progress) -> Result<Sent> {
    let (mut rows, mut checksum, mut scratch) = (0u64, 0u128, Vec::new());
    each_row(connection, sql, formats, &mut |cells| {
        checksum = checksum.wrapping_add(crate::rows::row_hash(cells.iter().copied(), &mut scratch));
        rows += 1;
        if rows.is_multiple_of(ROWS_BETWEEN) { progress.check() } else { Ok(()) }
    })?;
    Ok(Sent { rows, checksum: Some(checksum), has_long: false })
}

/// Compares what was read back with what must be there.
///
/// Errors: [`crate::error::Kind::Damaged`], naming the table and both numbers.
pub fn compare(table: &TableRecord, sent: &Sent, read: &Sent) -> Result<()> {
    let (rows, checksum) = match sent.checksum {
        Some(checksum) => (sent.rows, checksum),
        None => (table.rows, u128::from_le_bytes(table.checksum)),
    };
    let what = if sent.checksum.is_some() { "changed rows" } else { "snapshot" };
    if sent.checksum.is_none() && sent.rows != rows {
        return Err(Error::damaged(format!(
            "table `{}`: the snapshot states {rows} rows and holds {}",
            table.name, sent.rows
        )));
    }
    if read.rows != rows {
        return Err(Error::damaged(format!(
            "table `{}`: the server has {} rows, the {what} {rows}",
            table.name, read.rows
        ))
        .hint("the live database was not touched"));
    }
    if read.checksum != Some(checksum) {
        return Err(Error::damaged(format!(
            "table `{}`: the server's {rows} rows are not those of the {what}",
            table.name
        ))
        .hint("the live database was not touched; the server changed values on their way in"));
    }
    Ok(())
}
