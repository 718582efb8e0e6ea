//! JSON documents of a MySQL, proven. It promises that documents count as equal only if everything in
//! them is the same and every number has the same value as a double: a MySQL takes numbers with a
//! fraction from text only so, though a document that an expression made may hold decimals.

use super::table::{Rows, Sent, Task};
use crate::entry::database::{ColumnRecord, TableRecord};
use crate::error::Result;
use crate::mysql::answer::each_row;
use crate::mysql::connection::Connection;
use crate::mysql::value::{CellFormat, select_expression};
use crate::progress::Progress;

/// Rows between two looks at whether to stop.
const ROWS_BETWEEN: u64 = 4096;

/// Whether the table has documents.
pub fn has_documents(table: &TableRecord) -> bool {
    table.columns.iter().any(is_document)
}

fn is_document(column: &ColumnRecord) -> bool {
    column.column_type.eq_ignore_ascii_case("json")
}

/// Whether the rows that the server has are those of `rows`, which stand at their beginning, but for
/// decimals in documents.
pub fn agree(conn: &mut Connection, task: &Task, mut rows: Rows, progress: &Progress) -> Result<bool> {
    let table = task.table;
    let columns: Vec<String> = table.columns.iter().map(select_expression).collect();
    let formats: Vec<CellFormat> = table.columns.iter().map(CellFormat::of).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(","), task.place());
    let mut there = Sum::new(table);
    conn.execute("SET SESSION character_set_results=NULL")?;
    let read = each_row(conn, &sql, &formats, &mut |cells| {
        there.add(cells.iter().copied());
        if there.sent.rows.is_multiple_of(ROWS_BETWEEN) { progress.check() } else { Ok(()) }
    });
    conn.execute("SET SESSION character_set_results=utf8mb4")?;
    read?;
    let mut coming = Sum::new(table);
    while rows.next(&mut |cells| coming.add(cells))? || rows.is_paused() {
        if coming.sent.rows.is_multiple_of(ROWS_BETWEEN) {
            progress.check()?;
        }
    }
    Ok((there.sent.rows, there.sent.checksum) == (coming.sent.rows, coming.sent.checksum))
}

/// Number and checksum of rows with documents in one form.
struct Sum {
    is_document: Vec<bool>,
    sent: Sent,
    scratch: Vec<u8>,
}

impl Sum {
    fn new(table: &TableRecord) -> Sum {
        let is_document = table.columns.iter().map(is_document).collect();
        Sum { is_document, sent: Sent { rows: 0, checksum: Some(0), has_long: false }, scratch: Vec::new() }
    }

    fn add<'c>(&mut self, cells: impl Iterator<Item = Option<&'c [u8]>>) {
        let plain = |(cell, is_document): (Option<&'c [u8]>, &bool)| match is_document {
            true => cell.map(in_one_form),
            false => cell.map(<[u8]>::to_vec),
        };
        let cells: Vec<Option<Vec<u8>>> = cells.zip(&self.is_document).map(plain).collect();
        let hash = crate::rows::row_hash(cells.iter().map(Option::as_deref), &mut self.scratch);
        self.sent.checksum = self.sent.checksum.map(|sum| sum.wrapping_add(hash));
        self.sent.rows += 1;
    }
}

/// The document with each number that is no whole one of 64 bits as the double's own digits.
fn in_one_form(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len());
    let mut at = 0;
    while let Some(&byte) = document.get(at) {
        let rest = document.get(at..).unwrap_or_default();
        let length = match byte {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => rest.iter().take_while(|b| is_of_number(**b)).count(),
            _ => 1,
        };
        let token = rest.get(..length).unwrap_or(rest);
        match byte {
            b'-' | b'0'..=b'9' => out.extend_from_slice(&number(token)),
            _ => out.extend_from_slice(token),
        }
        at += length.max(1);
    }
    out
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = true;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

fn number(token: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(token) else { return token.to_vec() };
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return token.to_vec();
    }
    text.parse::<f64>().map_or_else(|_| token.to_vec(), |value| format!("{value:e}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_value_have_one_form_and_nothing_else_changes() {
        let same = |a: &str, b: &str| in_one_form(a.as_bytes()) == in_one_form(b.as_bytes());
        assert!(same("[1.5000, 0.10, 1e3]", "[1.5, 0.1, 1000.0]"));
        assert!(same("12345678901234567890123.0", "1.2345678901234568e22"));
        assert!(!same("[1.5]", "[1.50001]") && !same("18446744073709551615", "18446744073709551614"));
        assert!(!same("1", "1.5") && !same("0.0", "-0.0"));
        for text in [r#"{"1.50": "2.50 \" 3.50", "\\": -7}"#, "\"1.500", "[true, null]", "-", ""] {
            assert_eq!(in_one_form(text.as_bytes()), text.as_bytes(), "{text}");
        }
    }
}
