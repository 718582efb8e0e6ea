//! A table that is to be read, and the statements that read it. It promises every stored column, in
//! the order of the record, and rows in the order of the key.

use super::long;
use crate::entry::database::{ColumnForm, TableRecord};
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::key;
use crate::mysql::schema::Fingerprint;
use crate::mysql::value::{CellFormat, select_expression};

/// Values of a table of fewer bytes than this need no care for memory.
const HEAVY_TABLE_BYTES: u64 = 16 << 20;

/// Database and name of a table.
pub type Name = (String, String);

/// A table that is to be read.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its database.
    pub database: String,
    /// Its record, without rows.
    pub record: TableRecord,
    /// Its definition, when the record was read.
    pub fingerprint: Fingerprint,
    /// Numbers of the columns of which long cells are fetched in pieces.
    pub long: Vec<usize>,
}

impl Table {
    /// What it is found by.
    pub fn key(&self) -> Name {
        (self.database.clone(), self.record.name.clone())
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        qualified(&self.database, &self.record.name)
    }

    /// Whether a snapshot holds its rows.
    pub fn is_transactional(&self) -> bool {
        self.record.engine.eq_ignore_ascii_case("InnoDB")
    }

    /// The same table, of which long cells are fetched in pieces, if it may have such cells.
    pub fn in_pieces(mut self) -> Table {
        self.long = long::columns(&self.record);
        self
    }

    /// Whether it has rows that can be read.
    pub fn has_rows(&self) -> bool {
        !self.record.columns.is_empty()
    }

    /// Whether its values may be so large that only one such table is read at a time.
    pub fn is_heavy(&self) -> bool {
        let is_large = |column_type: &str| {
            let lower = column_type.to_ascii_lowercase();
            ["longblob", "longtext", "mediumblob", "mediumtext", "json"].iter().any(|t| lower.starts_with(t))
        };
        self.record.server_bytes >= HEAVY_TABLE_BYTES
            && self.record.columns.iter().any(|column| is_large(&column.column_type))
    }

    /// Whether new rows come behind all others in the order of its key: one whole number.
    pub fn can_grow(&self) -> bool {
        let is_number = |number: u16| {
            let column = self.record.columns.get(usize::from(number));
            column.is_some_and(|c| c.form == ColumnForm::Number && c.column_type.contains("int"))
        };
        !self.record.has_history && matches!(self.record.key[..], [key] if is_number(key))
    }

    /// How the cells of its columns become bytes.
    pub fn formats(&self) -> Vec<CellFormat> {
        self.record.columns.iter().map(CellFormat::of).collect()
    }

    /// The statement that reads at most `limit` rows behind the row with these key cells; from the
    /// first row without them.
    pub fn select_after(&self, last: Option<&[Vec<u8>]>, limit: Option<u64>) -> String {
        let condition =
            last.map_or(String::new(), |cells| format!(" WHERE {}", key::behind(&self.record, "", cells)));
        let limit = limit.map_or(String::new(), |rows| format!(" LIMIT {rows}"));
        self.statement(&condition, &limit)
    }

    /// The statement that reads at most `limit` rows from row number `offset` on as they stand in the
    /// table.
    pub fn select_from(&self, offset: u64, limit: u64) -> String {
        let from = format!("{} USE INDEX ()", self.source());
        format!("SELECT {} FROM {from} LIMIT {limit} OFFSET {offset}", self.selected())
    }

    /// The statement that reads `bytes` bytes from byte `at` on of one cell: that of `column` in the row
    /// with these key cells.
    pub fn select_piece(&self, column: usize, key: &[Vec<u8>], at: u64, bytes: u64) -> String {
        let name = self.record.columns.get(column).map_or_else(String::new, |column| quote(&column.name));
        // As a binary string: of text it would count characters.
        format!(
            "SELECT SUBSTRING(CONVERT({name} USING binary),{},{bytes}) FROM {}{} WHERE {}",
            at + 1,
            self.name(),
            key::index_hint(&self.record),
            key::among(&self.record, "", &[key.to_vec()])
        )
    }

    fn statement(&self, condition: &str, limit: &str) -> String {
        let is_part = !condition.is_empty() || !limit.is_empty() && !self.record.key.is_empty();
        let index = if is_part { key::index_hint(&self.record) } else { "" };
        let keys: Vec<String> = key::columns(&self.record).map(|(name, _)| quote(name)).collect();
        let order = if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(",")) };
        format!("SELECT {} FROM {}{index}{condition}{order}{limit}", self.selected(), self.source())
    }

    /// The expressions of all columns, and of long ones their lengths.
    fn selected(&self) -> String {
        let mut columns: Vec<String> = self.record.columns.iter().map(select_expression).collect();
        for &number in &self.long {
            if let (Some(column), Some(word)) = (self.record.columns.get(number), columns.get_mut(number)) {
                let (cell, length) = long::expressions(column);
                *word = cell;
                columns.push(length);
            }
        }
        columns.join(",")
    }

    /// The table with all its rows, former ones too.
    fn source(&self) -> String {
        let history = if self.record.has_history { " FOR SYSTEM_TIME ALL" } else { "" };
        format!("{}{history}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::ColumnRecord;

    fn table(key: &[u16]) -> Table {
        let column = |name: &str, form, character_set: &str| ColumnRecord {
            name: name.into(),
            form,
            character_set: character_set.into(),
            ..ColumnRecord::default()
        };
        let columns = vec![
            column("i`d", ColumnForm::Number, ""),
            column("n", ColumnForm::Text, "latin1"),
            column("m", ColumnForm::Member, ""),
        ];
        let record = TableRecord { name: "t".into(), columns, key: key.to_vec(), ..TableRecord::default() };
        Table { database: "d".into(), record, fingerprint: Fingerprint::default(), long: Vec::new() }
    }

    #[test]
    fn rows_behind_a_key_of_several_columns() {
        let sql = table(&[1, 0]).select_after(Some(&[b"a'".to_vec(), b"-7".to_vec()]), Some(3));
        assert_eq!(
            sql,
            "SELECT `i``d`,`n`,CAST(`m` AS UNSIGNED) FROM `d`.`t` WHERE `n` >= _latin1 X'6127' AND \
             (`n` > _latin1 X'6127' OR (`n` = _latin1 X'6127' AND `i``d` > -7)) ORDER BY `n`,`i``d` LIMIT 3"
        );
    }

    #[test]
    fn a_table_without_key_is_read_as_it_stands() {
        assert!(table(&[]).select_after(None, None).ends_with("FROM `d`.`t`"));
        assert!(table(&[]).select_from(40, 20).ends_with("FROM `d`.`t` USE INDEX () LIMIT 20 OFFSET 40"));
        assert!(!table(&[0]).select_from(40, 20).contains("ORDER BY"));
    }
}
