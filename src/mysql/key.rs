//! Rows by their key, inside statements. It promises literals that compare with their columns as the
//! columns' own values do, so that "behind this row" and "one of these rows" mean exactly that.

use super::identifier::quote;
use crate::entry::database::{ColumnForm, TableRecord};
use std::fmt::Write;

/// The key's columns: name and number among the stored columns.
pub fn columns(record: &TableRecord) -> impl Iterator<Item = (&str, usize)> {
    let columns = &record.columns;
    record.key.iter().filter_map(|&number| {
        let number = usize::from(number);
        columns.get(number).map(|column| (column.name.as_str(), number))
    })
}

/// The hint that keeps reading by the primary key from becoming reading and sorting everything; empty
/// if the key is another.
pub fn index_hint(record: &TableRecord) -> &'static str {
    match record.create.contains("\n  PRIMARY KEY (") {
        true => " FORCE INDEX (PRIMARY)",
        false => "",
    }
}

/// `k1 >= x AND (k1 > x OR (k1 = x AND (k2 > y …)))`: rows behind the row with these key cells. Each
/// name stands behind `place`, which is empty or ends with a dot.
pub fn behind(record: &TableRecord, place: &str, cells: &[Vec<u8>]) -> String {
    let pairs: Vec<(String, String)> = columns(record)
        .zip(cells)
        .map(|((name, number), cell)| (format!("{place}{}", quote(name)), literal(record, number, cell)))
        .collect();
    let mut condition = String::new();
    for (at, (name, value)) in pairs.iter().enumerate() {
        let is_last = at + 1 == pairs.len();
        match is_last {
            true => _ = write!(condition, "{name} > {value}"),
            false => {
                if at == 0 {
                    _ = write!(condition, "{name} >= {value} AND ");
                }
                _ = write!(condition, "({name} > {value} OR ({name} = {value} AND ");
            }
        }
    }
    condition.push_str(&")".repeat(2 * pairs.len().saturating_sub(1)));
    condition
}

/// Rows with one of these keys. Without any it is never true.
pub fn among(record: &TableRecord, place: &str, keys: &[Vec<Vec<u8>>]) -> String {
    let names: Vec<String> = columns(record).map(|(name, _)| format!("{place}{}", quote(name))).collect();
    if names.is_empty() || keys.is_empty() {
        return "FALSE".into();
    }
    let one = |cells: &Vec<Vec<u8>>| {
        let values: Vec<String> =
            columns(record).zip(cells).map(|((_, number), cell)| literal(record, number, cell)).collect();
        if names.len() == 1 { values.join(",") } else { format!("({})", values.join(",")) }
    };
    let values: Vec<String> = keys.iter().map(one).collect();
    let left = if names.len() == 1 { names.join(",") } else { format!("({})", names.join(",")) };
    format!("{left} IN ({})", values.join(","))
}

/// A cell as a literal that compares with its column as the column's own values do.
pub fn literal(record: &TableRecord, column: usize, cell: &[u8]) -> String {
    let column = record.columns.get(column);
    let form = column.map_or(ColumnForm::Bytes, |column| column.form);
    let text = || String::from_utf8_lossy(cell).into_owned();
    let digits = || {
        cell.iter().fold(String::new(), |mut out, byte| {
            _ = write!(out, "{byte:02x}");
            out
        })
    };
    match form {
        ColumnForm::Number | ColumnForm::Float | ColumnForm::Member => text(),
        ColumnForm::Temporal => format!("'{}'", text()),
        ColumnForm::Literal => format!("CONVERT(X'{}' USING utf8mb4)", digits()),
        ColumnForm::Text => {
            let set = column.map_or("", |column| column.character_set.as_str());
            match set.is_empty() {
                true => format!("X'{}'", digits()),
                false => format!("_{set} X'{}'", digits()),
            }
        }
        ColumnForm::Bytes | ColumnForm::Geometry => format!("X'{}'", digits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::ColumnRecord;

    fn table(key: &[u16]) -> TableRecord {
        let column = |name: &str, form, character_set: &str| ColumnRecord {
            name: name.into(),
            form,
            character_set: character_set.into(),
            ..ColumnRecord::default()
        };
        let columns = vec![column("i`d", ColumnForm::Number, ""), column("n", ColumnForm::Text, "latin1")];
        TableRecord { name: "t".into(), columns, key: key.to_vec(), ..TableRecord::default() }
    }

    #[test]
    fn rows_are_named_by_one_column_or_by_several() {
        let keys = [vec![b"7".to_vec()], vec![b"-8".to_vec()]];
        assert_eq!(among(&table(&[0]), "t.", &keys), "t.`i``d` IN (7,-8)");
        let keys = [vec![b"a'".to_vec(), b"7".to_vec()]];
        assert_eq!(among(&table(&[1, 0]), "", &keys), "(`n`,`i``d`) IN ((_latin1 X'6127',7))");
        assert_eq!(among(&table(&[0]), "", &[]), "FALSE");
        assert_eq!(among(&table(&[]), "", &keys), "FALSE");
    }

    #[test]
    fn behind_a_row_stands_what_its_key_comes_before() {
        assert_eq!(behind(&table(&[0]), "t.", &[b"7".to_vec()]), "t.`i``d` > 7");
    }
}
