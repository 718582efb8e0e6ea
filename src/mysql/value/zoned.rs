//! Stored columns that a server computes from TIMESTAMP: what such a one holds depends on the time zone
//! of the session that wrote the row, and rows are loaded in UTC. This module promises the statements
//! that compute them again in the server's own zone, which is that of the programs that write, as long as
//! they choose none.

use crate::entry::database::TableRecord;
use crate::mysql::identifier::quote;

/// Whether a stored column of `table` is computed from a TIMESTAMP, by way of other columns or not.
pub fn is_zoned(table: &TableRecord) -> bool {
    let times = table.columns.iter().filter(|column| column.column_type.starts_with("timestamp"));
    let names: Vec<String> = times.map(|column| quote(&column.name)).collect();
    let mut computed = table.create.split(" GENERATED ALWAYS AS (").skip(1);
    let mentions = |text: &str| names.iter().any(|name| text.contains(name));
    table.create.contains(" STORED")
        && computed.any(|rest| mentions(rest.split("\n  `").next().unwrap_or(rest)))
}

/// The statements for the table that `place` names, of which the last sets UTC again; none for a table
/// that has no such column. The rows are copied inside the server: an UPDATE that changes nothing else
/// computes nothing on a MariaDB.
pub fn zoned_statements(table: &TableRecord, place: &str) -> Vec<String> {
    if !is_zoned(table) {
        return Vec::new();
    }
    vec![
        "SET SESSION time_zone=@@GLOBAL.time_zone".into(),
        format!("ALTER TABLE {place} FORCE, ALGORITHM=COPY"),
        "SET SESSION time_zone='+00:00'".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::ColumnRecord;

    fn table(create: &str) -> TableRecord {
        let column = |(name, kind): (&str, &str)| ColumnRecord {
            name: name.into(),
            column_type: kind.into(),
            ..ColumnRecord::default()
        };
        let columns = [("a", "int(11)"), ("t`s", "timestamp(3)"), ("d", "datetime")].map(column).to_vec();
        TableRecord { create: create.into(), columns, ..TableRecord::default() }
    }

    #[test]
    fn what_a_zone_decides_is_computed_again() {
        let create = "CREATE TABLE `t` (\n  `t``s` timestamp(3) NULL,\n  `g` date GENERATED ALWAYS AS (cast(`t``s` as date)) STORED\n)";
        let statements = zoned_statements(&table(create), "`x`.`t`");
        assert_eq!(statements[1], "ALTER TABLE `x`.`t` FORCE, ALGORITHM=COPY");
        assert_eq!((statements.len(), statements[2].as_str()), (3, "SET SESSION time_zone='+00:00'"));
        for other in [create.replace("STORED", "VIRTUAL"), create.replace("cast(`t``s`", "cast(`d`")] {
            assert!(zoned_statements(&table(&other), "`t`").is_empty(), "{other}");
        }
    }
}
