//! Rows read back. It promises that they were read through the same expressions and became the same
//! bytes as those of a dump: equal counts and checksums mean equal rows.

use super::table::{Sent, Task};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::value::{CellFormat, cell, select_expression};
use crate::progress::Progress;
use mysql::prelude::Queryable;
use std::ops::Range;

/// Rows between two looks at whether to stop.
const ROWS_BETWEEN: u64 = 4096;

/// Number and checksum of the rows that the server has.
pub fn read_back(connection: &mut Connection, task: &Task, progress: &Progress) -> Result<Sent> {
    let columns: Vec<String> = task.table.columns.iter().map(select_expression).collect();
    let history = if task.table.has_history { " FOR SYSTEM_TIME ALL" } else { "" };
    let sql = format!("SELECT {} FROM {}{history}", columns.join(","), task.place());
    let formats: Vec<CellFormat> = task.table.columns.iter().map(CellFormat::of).collect();
    connection.execute("SET SESSION character_set_results=NULL")?;
    let read = sum(connection, &sql, &formats, progress);
    connection.execute("SET SESSION character_set_results=utf8mb4")?;
    read.map_err(|error| error.at(task.name()))
}

fn sum(connection: &mut Connection, sql: &str, formats: &[CellFormat], progress: &Progress) -> Result<Sent> {
    let name = connection.name().to_owned();
    let failed =
        |cause| Error::new(Kind::Database, format!("{name}: rows could not be read back")).because(cause);
    let statement = connection.raw().prep(sql).map_err(&failed)?;
    let (mut rows, mut checksum) = (0u64, 0u128);
    let (mut bytes, mut cells, mut scratch): (Vec<u8>, Vec<Option<Range<usize>>>, _) = Default::default();
    for row in connection.raw().exec_iter(&statement, ()).map_err(&failed)? {
        let row = row.map_err(&failed)?;
        bytes.clear();
        cells.clear();
        for (number, format) in formats.iter().enumerate() {
            let start = bytes.len();
            let value = row.as_ref(number).unwrap_or(&mysql::Value::NULL);
            let is_value = cell(value, *format, &mut bytes)?;
            cells.push(is_value.then_some(start..bytes.len()));
        }
        let parts = cells.iter().map(|cell| cell.clone().and_then(|range| bytes.get(range)));
        checksum = checksum.wrapping_add(crate::rows::row_hash(parts, &mut scratch));
        rows += 1;
        if rows.is_multiple_of(ROWS_BETWEEN) {
            progress.check()?;
        }
    }
    connection.raw().close(statement).map_err(&failed)?;
    Ok(Sent { rows, checksum: Some(checksum) })
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
