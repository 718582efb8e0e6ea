//! Rows read back. It promises that they were read through the same expressions and became the same
//! bytes as those of a dump: equal counts and checksums mean equal rows.

use super::table::{Sent, Task};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::dump::sum_of_long;
use crate::mysql::fault::Fault;
use crate::mysql::value::{CellFormat, cell, select_expression};
use crate::progress::Progress;
use mysql::Value;
use mysql::prelude::Queryable;
use std::ops::Range;

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

/// Where a cell's bytes stand.
enum Read {
    Null,
    /// A place among those that were put together.
    Bytes(Range<usize>),
    /// What the server sent for the cell of this number.
    Whole(usize),
}

fn sum(connection: &mut Connection, sql: &str, formats: &[CellFormat], progress: &Progress) -> Result<Sent> {
    let name = connection.name().to_owned();
    let failed = |cause| {
        Error::new(Kind::Database, format!("{name}: rows could not be read back")).because(Fault(cause))
    };
    let statement = connection.raw().prep(sql).map_err(&failed)?;
    let (mut rows, mut checksum) = (0u64, 0u128);
    let (mut bytes, mut cells, mut scratch): (Vec<u8>, Vec<Read>, _) = Default::default();
    for row in connection.raw().exec_iter(&statement, ()).map_err(&failed)? {
        let row = row.map_err(&failed)?;
        bytes.clear();
        cells.clear();
        for (number, format) in formats.iter().enumerate() {
            let start = bytes.len();
            let value = row.as_ref(number).unwrap_or(&Value::NULL);
            cells.push(match (format, value) {
                // Large values are not copied.
                (CellFormat::Raw, Value::Bytes(_)) => Read::Whole(number),
                _ => match cell(value, *format, &mut bytes)? {
                    true => Read::Bytes(start..bytes.len()),
                    false => Read::Null,
                },
            });
        }
        let parts = cells.iter().map(|cell| match cell {
            Read::Null => None,
            Read::Bytes(range) => bytes.get(range.clone()),
            Read::Whole(number) => match row.as_ref(*number) {
                Some(Value::Bytes(bytes)) => Some(&bytes[..]),
                _ => None,
            },
        });
        checksum = checksum.wrapping_add(crate::rows::row_hash(parts, &mut scratch));
        rows += 1;
        if rows.is_multiple_of(ROWS_BETWEEN) {
            progress.check()?;
        }
    }
    connection.raw().close(statement).map_err(&failed)?;
    Ok(Sent { rows, checksum: Some(checksum), has_long: false })
}

/// Compares what was read back with what must be there.
///
/// Errors: [`Kind::Damaged`], naming the table and both numbers.
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
