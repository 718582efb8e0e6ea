//! What the server says of a table without snapshots, and whether that proves that no row of it
//! changed. It promises the strong rule: equal times alone prove nothing.

use super::table::Name;
use crate::error::Result;
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::information::Question;
use std::collections::BTreeMap;

/// A change may come this many seconds after the time that the server notes for it.
const MARGIN_SECONDS: i64 = 2;

/// What the server says of a table at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    engine: String,
    updated: Option<String>,
    /// Seconds since the last update, when this was read.
    age: Option<i64>,
    created: Option<String>,
    /// Number of rows: exact for MyISAM.
    pub rows: Option<u64>,
    data_bytes: Option<u64>,
    /// Bytes free between rows: 0 means that new rows go behind the others.
    pub free_bytes: Option<u64>,
    checksum: Option<String>,
    /// Rows changed since the server's start, where it counts them.
    pub changes: Option<u64>,
}

impl Status {
    /// Whether no row changed between this, read before the rows, and `later`; `rows` were read
    /// between the two.
    pub fn proves(&self, later: &Status, rows: u64) -> bool {
        let same = |a: &Status, b: &Status| {
            (&a.engine, &a.updated, &a.created, a.rows, a.data_bytes, a.free_bytes, &a.checksum)
                == (&b.engine, &b.updated, &b.created, b.rows, b.data_bytes, b.free_bytes, &b.checksum)
        };
        self.is_kept_in_place()
            && self.updated.is_some()
            && self.age.is_some_and(|age| age >= MARGIN_SECONDS)
            && same(self, later)
            && later.rows == Some(rows)
    }

    /// Whether rows were added since and nothing else happened: every change made one row more.
    pub fn only_grew(&self, later: &Status) -> bool {
        let growth = |a: Option<u64>, b: Option<u64>| b?.checked_sub(a?);
        self.is_same_table(later)
            && growth(self.changes, later.changes).is_some()
            && growth(self.changes, later.changes) == growth(self.rows, later.rows)
    }

    /// Forgets what proves anything: the server's times and counts are not to be trusted.
    pub fn distrust(&mut self) {
        (self.updated, self.created, self.changes) = (None, None, None);
    }

    /// Whether `later` is of the same table, not of one made anew.
    pub fn is_same_table(&self, later: &Status) -> bool {
        self.created.is_some() && self.created == later.created && self.engine == later.engine
    }

    /// Whether the engine reads rows one behind the other as they stand in a file of their own.
    pub fn is_kept_in_place(&self) -> bool {
        matches!(self.engine.as_str(), "MyISAM" | "Aria")
    }

    /// Whether new rows go behind the others, so that a lock for readers lets them in.
    pub fn takes_rows_while_read(&self) -> bool {
        self.engine == "MyISAM" && self.free_bytes == Some(0)
    }
}

/// The tables of `databases`. Rows changed are there if the server counts them (`counts`), and if
/// none changed while this was read.
pub fn read(conn: &mut Connection, databases: &[String], counts: bool) -> Result<BTreeMap<Name, Status>> {
    let before = if counts { changes(conn)? } else { BTreeMap::new() };
    let mut statuses = BTreeMap::new();
    for database in databases {
        let question = Question {
            from: "TABLES",
            columns: "ENGINE, UPDATE_TIME, TIMESTAMPDIFF(SECOND, UPDATE_TIME, NOW()), CREATE_TIME, TABLE_ROWS, \
                      DATA_LENGTH, DATA_FREE, CHECKSUM",
            bare: Some("ENGINE, NULL, NULL, NULL, NULL, NULL, NULL, NULL"),
            filter: "TABLE_TYPE<>'VIEW'",
        };
        for row in question.of(conn, database)? {
            statuses.insert((database.clone(), row.text(1).unwrap_or_default()), of(&row));
        }
    }
    if counts {
        let after = changes(conn)?;
        for (name, status) in &mut statuses {
            let (was, is) = (before.get(name).copied().unwrap_or(0), after.get(name).copied().unwrap_or(0));
            status.changes = (was == is).then_some(is);
        }
    }
    Ok(statuses)
}

fn of(row: &Cells) -> Status {
    Status {
        engine: row.text(2).unwrap_or_default(),
        updated: row.text(3),
        age: row.text(4).and_then(|text| text.parse().ok()),
        created: row.text(5),
        rows: row.number(6),
        data_bytes: row.number(7),
        free_bytes: row.number(8),
        checksum: row.text(9),
        changes: None,
    }
}

fn changes(conn: &mut Connection) -> Result<BTreeMap<Name, u64>> {
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, ROWS_CHANGED FROM information_schema.TABLE_STATISTICS";
    match conn.rows(sql) {
        Ok(rows) => {
            Ok(rows.iter().filter_map(|row| Some(((row.text(0)?, row.text(1)?), row.number(2)?))).collect())
        }
        // A fork without these statistics.
        Err(error) if code_of(&error).is_some() => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Status {
        Status {
            engine: "MyISAM".into(),
            updated: Some("2026-01-01 00:00:00".into()),
            age: Some(2),
            created: Some("2025-01-01 00:00:00".into()),
            rows: Some(7),
            data_bytes: Some(70),
            free_bytes: Some(0),
            checksum: None,
            changes: Some(3),
        }
    }

    #[test]
    fn only_everything_together_proves_that_nothing_changed() {
        let before = quiet();
        assert!(before.proves(&Status { age: Some(9), ..quiet() }, 7));
        assert!(!before.proves(&quiet(), 6), "other rows were read");
        assert!(!Status { age: Some(1), ..quiet() }.proves(&quiet(), 7), "too young");
        assert!(!Status { updated: None, ..quiet() }.proves(&Status { updated: None, ..quiet() }, 7));
        let memory = Status { engine: "MEMORY".into(), ..quiet() };
        assert!(!memory.proves(&memory, 7));
        let later = [
            Status { updated: Some("2026-01-01 00:00:01".into()), ..quiet() },
            Status { created: Some("2026-01-01 00:00:01".into()), ..quiet() },
            Status { rows: Some(8), ..quiet() },
            Status { data_bytes: Some(71), ..quiet() },
            Status { free_bytes: Some(1), ..quiet() },
            Status { checksum: Some("1".into()), ..quiet() },
            Status { engine: "Aria".into(), ..quiet() },
        ];
        assert!(later.iter().all(|later| !before.proves(later, 7)));
    }

    #[test]
    fn growth_is_proven_by_one_row_for_each_change() {
        let later = |changes, rows| Status { changes: Some(changes), rows: Some(rows), ..quiet() };
        assert!(quiet().only_grew(&later(5, 9)) && quiet().only_grew(&later(3, 7)));
        assert!(!quiet().only_grew(&later(6, 9)), "a row was changed, too");
        assert!(!quiet().only_grew(&later(5, 8)) && !quiet().only_grew(&later(2, 6)));
        assert!(!quiet().only_grew(&Status { changes: None, ..later(5, 9) }));
        assert!(!quiet().only_grew(&Status { created: None, ..later(5, 9) }));
    }
}
