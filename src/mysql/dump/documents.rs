//! What the text of a JSON document does not tell. A MySQL keeps dates, times, bytes and decimals that an
//! expression put into a document as what they are, and shows them as strings and numbers: this module
//! promises that a table that has such documents is named.

use super::table::Table;
use crate::entry::database::ColumnRecord;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::quote;

/// What a person should know of the documents of `table`: those that are others once they went through
/// text. Decimals that are doubles of the same value then count as the same.
pub fn note(conn: &mut Connection, table: &Table) -> Result<Option<String>> {
    if conn.is_mariadb() {
        return Ok(None);
    }
    let is_document = |column: &&ColumnRecord| column.column_type.eq_ignore_ascii_case("json");
    let documents = table.record.columns.iter().filter(is_document).map(|column| quote(&column.name));
    let mut changed = Vec::new();
    for column in documents {
        let again = format!("CAST(CAST({column} AS CHAR CHARACTER SET utf8mb4) AS JSON)");
        let sql = format!("SELECT COUNT(*) FROM {} WHERE {column} <> {again}", table.name());
        match conn.rows(&sql) {
            Ok(rows) => match rows.first().and_then(|row| row.number(0)) {
                Some(0) | None => {}
                Some(rows) => changed.push(format!("{column} in {rows} rows")),
            },
            // What the rows are does not depend on it.
            Err(error) if code_of(&error).is_some() => {}
            Err(error) => return Err(error),
        }
    }
    Ok((!changed.is_empty()).then(|| {
        format!(
            "table {}: dates, times, bytes or long decimals that expressions put into JSON are carried as the \
             text they are shown as, and are strings or doubles after a restore: {}",
            table.name(),
            changed.join(", ")
        )
    }))
}
