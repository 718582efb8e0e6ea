//! Rows of the past that lived for no time: changed twice within one microsecond, or while a statement's
//! clock stood still. A server takes no such row as history (`row_start` has to be less than `row_end`);
//! this module promises statements after which the row is there all the same: it is made, and deleted,
//! at its instant. They delete every living row of the table, so they come before all others.

use super::{LiteralFormat, sql_literal};
use crate::entry::database::TableRecord;
use crate::mysql::identifier::quote;

/// Whether a row of `table` is such a one.
pub fn is_momentary<'a>(table: &TableRecord, cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> bool {
    if !table.has_history {
        return false;
    }
    let mut last = [None, None];
    for cell in cells {
        last = [last[1], cell];
    }
    last[0].is_some() && last[0] == last[1]
}

/// The statements that put such a row into `place`, the table's name in statements.
pub fn momentary_statements(table: &TableRecord, place: &str, cells: &[Option<&[u8]>]) -> Vec<Vec<u8>> {
    let stored = table.columns.len().saturating_sub(2);
    let names: Vec<String> = table.columns.iter().take(stored).map(|column| quote(&column.name)).collect();
    let mut insert = format!("INSERT INTO {place} ({}) VALUES (", names.join(",")).into_bytes();
    for (number, (column, cell)) in table.columns.iter().zip(cells).take(stored).enumerate() {
        if number > 0 {
            insert.push(b',');
        }
        sql_literal(*cell, LiteralFormat::of(column), &mut insert);
    }
    insert.push(b')');
    let mut clock = b"SET SESSION timestamp=UNIX_TIMESTAMP(".to_vec();
    sql_literal(cells.last().copied().flatten(), LiteralFormat::Quoted, &mut clock);
    clock.push(b')');
    let delete = format!("DELETE FROM {place}").into_bytes();
    vec![clock, insert, delete, b"SET SESSION timestamp=DEFAULT".to_vec()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::{ColumnForm, ColumnRecord};

    #[test]
    fn a_row_that_lived_for_no_time_is_made_and_deleted_at_its_instant() {
        let column = |name: &str, form| ColumnRecord { name: name.into(), form, ..ColumnRecord::default() };
        let columns = vec![
            column("a`", ColumnForm::Number),
            column("row_start", ColumnForm::Temporal),
            column("row_end", ColumnForm::Temporal),
        ];
        let table = TableRecord { columns, has_history: true, ..TableRecord::default() };
        let instant: Option<&[u8]> = Some(b"2001-09-09 01:46:40.500001");
        let row = [Some(&b"7"[..]), instant, instant];
        assert!(is_momentary(&table, row));
        assert!(!is_momentary(&table, [row[0], instant, Some(&b"2001-09-09 01:46:40.500002"[..])]));
        assert!(!is_momentary(&TableRecord::default(), row));
        let text: Vec<String> = momentary_statements(&table, "`t`", &row)
            .iter()
            .map(|s| String::from_utf8_lossy(s).into_owned())
            .collect();
        assert_eq!(text[0], "SET SESSION timestamp=UNIX_TIMESTAMP('2001-09-09 01:46:40.500001')");
        assert_eq!(text[1], "INSERT INTO `t` (`a```) VALUES (7)");
        assert_eq!(text[2], "DELETE FROM `t`");
    }
}
