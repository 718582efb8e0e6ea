//! Cells that are too long for one answer. It promises memory for a piece of a cell however long the
//! cell is, and an error, never a mixture, where the row changed between two pieces.
//!
//! The statement that reads rows asks for the length of such a cell instead of its bytes; behind the
//! row the cell is fetched in pieces by the row's key. That needs a key, and rows that stand still (a
//! snapshot, a lock, or the proof that follows a first reading).

use super::table::Table;
use crate::entry::database::{ColumnForm, ColumnRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use mysql::{Row, Value};

/// Cells of more bytes than this are fetched in pieces.
pub const LONG_CELL_BYTES: u64 = 24 << 20;
/// Bytes of a piece: what the protocol sends in one packet, with the little that surrounds it.
const PIECE_BYTES: u64 = (16 << 20) - (64 << 10);
/// Pieces of a cell at most: for each, the server reads the whole cell.
const PIECES: u64 = 32;

/// The row was another when a later piece of it was read.
#[derive(Debug)]
pub struct Torn;

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row changed while it was read")
    }
}

impl std::error::Error for Torn {}

/// Whether cells of `column` may be so long: of the other types none can.
fn may_be_long(column: &ColumnRecord) -> bool {
    let lower = column.column_type.to_ascii_lowercase();
    let is_large = ["longblob", "longtext"].iter().any(|name| lower.starts_with(name));
    is_large && matches!(column.form, ColumnForm::Bytes | ColumnForm::Text)
}

/// Numbers of the columns whose long cells can be fetched in pieces; none without a primary key.
pub fn columns(table: &TableRecord) -> Vec<usize> {
    let is_key = |number: usize| table.key.iter().any(|&key| usize::from(key) == number);
    // A float in a condition is not the float in the column.
    let is_sure = |&number: &u16| {
        let column = table.columns.get(usize::from(number));
        column.is_some_and(|column| column.form != ColumnForm::Float)
    };
    // By another key the server might sort the whole table for each chunk.
    let is_primary = table.create.contains("\n  PRIMARY KEY (");
    if table.key.is_empty() || !is_primary || table.has_history || !table.key.iter().all(is_sure) {
        return Vec::new();
    }
    let numbered = table.columns.iter().enumerate();
    numbered.filter(|(number, column)| may_be_long(column) && !is_key(*number)).map(|(n, _)| n).collect()
}

/// What to write between SELECT and FROM for a column of which long cells are fetched apart, and, at
/// the end of the list, for the length of those.
pub fn expressions(column: &ColumnRecord) -> (String, String) {
    let name = quote(&column.name);
    (
        format!("IF(LENGTH({name})>{LONG_CELL_BYTES},NULL,{name})"),
        format!("IF(LENGTH({name})>{LONG_CELL_BYTES},LENGTH({name}),0)"),
    )
}

/// The length of the long cell in a row's cell of this number; 0: it is none.
pub fn length(row: &Row, number: usize) -> Result<u64> {
    match row.as_ref(number) {
        Some(Value::UInt(length)) => Ok(*length),
        Some(Value::Int(length)) => Ok(u64::try_from(*length).unwrap_or(0)),
        Some(Value::NULL) => Ok(0),
        _ => Err(Error::new(Kind::Database, "the server sends no number for a length")),
    }
}

/// A long cell, piece by piece.
pub struct Pieces<'a> {
    conn: &'a mut Connection,
    table: &'a Table,
    column: usize,
    /// The key cells of its row.
    key: &'a [Vec<u8>],
    length: u64,
    at: u64,
}

impl<'a> Pieces<'a> {
    /// The cell of `column` of the row with these key cells.
    pub fn new(
        conn: &'a mut Connection,
        table: &'a Table,
        column: usize,
        key: &'a [Vec<u8>],
        length: u64,
    ) -> Pieces<'a> {
        Pieces { conn, table, column, key, length, at: 0 }
    }

    /// The next piece, never an empty one; `None` at the end.
    ///
    /// Errors: those of the server, and [`Torn`].
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.at >= self.length {
            return Ok(None);
        }
        let bytes = PIECE_BYTES.max(self.length.div_ceil(PIECES)).min(self.length - self.at);
        let sql = self.table.select_piece(self.column, self.key, self.at, bytes);
        let mut rows = self.conn.rows(&sql)?;
        let piece = rows.pop().filter(|_| rows.is_empty()).and_then(|mut row| row.0.pop()).flatten();
        match piece {
            Some(piece) if piece.len() as u64 == bytes => {
                self.at += bytes;
                Ok(Some(piece))
            }
            _ => Err(Error::new(Kind::Database, "the server").because(Torn)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(column_type: &str, form: ColumnForm) -> ColumnRecord {
        ColumnRecord { name: "c`".into(), column_type: column_type.into(), form, ..ColumnRecord::default() }
    }

    #[test]
    fn only_cells_that_can_be_found_again_are_fetched_in_pieces() {
        let columns_of = |key: &[u16], has_history| {
            columns(&TableRecord {
                columns: vec![
                    column("int(11)", ColumnForm::Number),
                    column("LONGBLOB /*M!100301 COMPRESSED*/", ColumnForm::Bytes),
                    column("mediumblob", ColumnForm::Bytes),
                    column("longtext", ColumnForm::Text),
                    column("longtext", ColumnForm::Literal),
                    column("float", ColumnForm::Float),
                ],
                key: key.to_vec(),
                has_history,
                create: "CREATE TABLE `t` (\n  PRIMARY KEY (`c```)\n)".into(),
                ..TableRecord::default()
            })
        };
        assert_eq!(columns_of(&[0], false), [1, 3]);
        assert_eq!(columns_of(&[0, 1], false), [3]);
        assert!(columns_of(&[], false).is_empty() && columns_of(&[0], true).is_empty());
        assert!(columns_of(&[0, 5], false).is_empty());
    }
}
