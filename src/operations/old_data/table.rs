//! A table with old rows, and the statements that read and remove them. It promises that a row without
//! a date (NULL, a year of 0 or 1, a month or day of 0) is never old, and that every statement names
//! its rows by their keys.

use crate::entry::database::TableRecord;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::key;
use crate::mysql::value::{CellFormat, select_expression};
use jiff::civil::Date;

/// Where old ends, as literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// For dates as the practice's clock shows them.
    pub local: String,
    /// For a TIMESTAMP, in a session in UTC.
    pub utc: String,
}

impl Cutoff {
    /// The beginning of `day`; for TIMESTAMP columns in the server's time zone.
    pub fn of(conn: &mut Connection, day: Date) -> Result<Cutoff> {
        let local = format!("'{day} 00:00:00'");
        conn.execute("SET SESSION time_zone=@@GLOBAL.time_zone")?;
        let seconds = conn.value(&format!("SELECT FLOOR(UNIX_TIMESTAMP({local}))"));
        conn.execute("SET SESSION time_zone='+00:00'")?;
        let utc = match seconds?.and_then(|seconds| seconds.parse::<i64>().ok()) {
            Some(seconds) if seconds > 0 => conn.value(&format!("SELECT FROM_UNIXTIME({seconds})"))?,
            _ => None,
        };
        // Before 1970 there is no TIMESTAMP, and what the server cannot tell is not old.
        let utc = utc.map_or("'1970-01-01 00:00:00'".into(), |text| format!("'{text}'"));
        Ok(Cutoff { local, utc })
    }
}

/// The table that a table's rows belong to.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The table.
    pub record: TableRecord,
    /// The column of the table itself that names the row.
    pub key: String,
    /// The parent's key.
    pub parent_key: String,
    /// Whether an index leads from a row of the parent to those that belong to it.
    pub has_index: bool,
}

/// A table with old rows.
#[derive(Clone, Debug)]
pub struct OldTable {
    /// Its database.
    pub database: String,
    /// The table, without rows.
    pub record: TableRecord,
    /// The column that tells the age: its own, or its parent's.
    pub date: String,
    /// Where old ends, as a literal for that column.
    pub bound: String,
    /// The table that has the date; `None`: itself.
    pub parent: Option<Parent>,
    /// Bytes of a row on average, as the server estimates them.
    pub row_bytes: u64,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has no date.
    Dateless,
    /// It is not old.
    Young,
    /// It is old.
    Old,
    /// The row that it belongs to is not there.
    Orphan,
}

impl Standing {
    /// From the number that [`OldTable::scan`] gives.
    pub fn of(cell: Option<&[u8]>) -> Standing {
        match cell {
            Some(b"2") => Standing::Old,
            Some(b"1") => Standing::Young,
            Some(b"3") => Standing::Orphan,
            _ => Standing::Dateless,
        }
    }
}

impl OldTable {
    /// The table inside statements, and in messages.
    pub fn place(&self) -> String {
        qualified(&self.database, &self.record.name)
    }

    /// What tells the age, for people.
    pub fn dated(&self) -> String {
        match &self.parent {
            None => self.date.clone(),
            Some(parent) => format!("{}.{} by {}", parent.record.name, self.date, parent.key),
        }
    }

    /// The statement that reads at most `limit` rows behind the row `last`: the key's cells, and what
    /// each row is.
    pub fn scan(&self, last: Option<&[Vec<u8>]>, limit: u64) -> String {
        let mut columns = self.key_expressions();
        columns.push(match &self.parent {
            None => self.standing(),
            Some(parent) => format!(
                "IFNULL((SELECT {} FROM {} WHERE {}),3)",
                self.standing(),
                self.parent_place(parent),
                self.meeting(parent)
            ),
        });
        let behind = last.map_or(String::new(), |cells| {
            format!(" WHERE {}", key::behind(&self.record, &format!("{}.", self.place()), cells))
        });
        format!(
            "SELECT {} FROM {}{}{behind} ORDER BY {} LIMIT {limit}",
            columns.join(","),
            self.place(),
            key::index_hint(&self.record),
            self.order()
        )
    }

    /// How the cells of [`OldTable::scan`] become bytes.
    pub fn scan_formats(&self) -> Vec<CellFormat> {
        let columns = key::columns(&self.record).filter_map(|(_, number)| self.record.columns.get(number));
        columns.map(CellFormat::of).chain([CellFormat::Number]).collect()
    }

    /// The statement that reads those of the rows `keys` that are old, in the order of the key; locked
    /// until the transaction's end if `locks`.
    pub fn rows(&self, keys: &[Vec<Vec<u8>>], locks: bool) -> String {
        let columns: Vec<String> = self.record.columns.iter().map(select_expression).collect();
        let is_old = match &self.parent {
            None => self.old(),
            Some(parent) => format!(
                "EXISTS (SELECT 1 FROM {} WHERE {} AND {}{})",
                self.parent_place(parent),
                self.meeting(parent),
                self.old(),
                if locks { " LOCK IN SHARE MODE" } else { "" }
            ),
        };
        format!(
            "SELECT {} FROM {} WHERE {} AND {is_old} ORDER BY {}{}",
            columns.join(","),
            self.place(),
            self.among(keys),
            self.order(),
            if locks { " FOR UPDATE" } else { "" }
        )
    }

    /// How the cells of [`OldTable::rows`] become bytes.
    pub fn row_formats(&self) -> Vec<CellFormat> {
        self.record.columns.iter().map(CellFormat::of).collect()
    }

    /// The statement that removes the rows `keys`.
    pub fn delete(&self, keys: &[Vec<Vec<u8>>]) -> String {
        format!("DELETE FROM {} WHERE {}", self.place(), self.among(keys))
    }

    /// The statement that locks the table for writing, and for reading its parent and `children`.
    pub fn lock(&self, children: &[&OldTable]) -> String {
        let mut locks = vec![format!("{} WRITE", self.place())];
        locks.extend(self.parent.as_ref().map(|parent| format!("{} READ", self.parent_place(parent))));
        locks.extend(children.iter().map(|child| format!("{} READ", child.place())));
        format!("LOCK TABLES {}", locks.join(", "))
    }

    /// The statement that counts the rows of this table that belong to the rows `keys` of its parent.
    pub fn of_parent(&self, parent: &Parent, keys: &[Vec<Vec<u8>>], locks: bool) -> String {
        let values: Vec<String> = keys
            .iter()
            .filter_map(|cells| cells.first())
            .map(|cell| {
                key::literal(
                    &parent.record,
                    usize::from(parent.record.key.first().copied().unwrap_or(0)),
                    cell,
                )
            })
            .collect();
        let mode = if locks { " LOCK IN SHARE MODE" } else { "" };
        let column = format!("{}.{}", self.place(), quote(&parent.key));
        format!("SELECT COUNT(*) FROM {} WHERE {column} IN ({}){mode}", self.place(), values.join(","))
    }

    /// Whether a transaction covers everything that removing a row touches.
    pub fn is_transactional(&self, children: &[&OldTable]) -> bool {
        let parent = self.parent.as_ref().map(|parent| &parent.record);
        let mut records = [&self.record].into_iter().chain(parent).chain(children.iter().map(|c| &c.record));
        records.all(|record| record.engine.eq_ignore_ascii_case("InnoDB"))
    }

    /// A row's key for people: cells that are numbers, and nothing of others.
    pub fn key_words(&self, cells: &[Vec<u8>]) -> String {
        let one = |((name, number), cell): ((&str, usize), &Vec<u8>)| {
            let is_number = matches!(
                self.record.columns.get(number).map(|column| column.form),
                Some(crate::entry::database::ColumnForm::Number)
            );
            let shown = if is_number { String::from_utf8_lossy(cell).into_owned() } else { "…".into() };
            format!("{name} {shown}")
        };
        key::columns(&self.record).zip(cells).map(one).collect::<Vec<_>>().join(", ")
    }

    fn among(&self, keys: &[Vec<Vec<u8>>]) -> String {
        key::among(&self.record, &format!("{}.", self.place()), keys)
    }

    fn order(&self) -> String {
        let names = key::columns(&self.record).map(|(name, _)| format!("{}.{}", self.place(), quote(name)));
        names.collect::<Vec<_>>().join(",")
    }

    fn key_expressions(&self) -> Vec<String> {
        let columns = key::columns(&self.record).filter_map(|(_, number)| self.record.columns.get(number));
        columns.map(select_expression).collect()
    }

    fn parent_place(&self, parent: &Parent) -> String {
        qualified(&self.database, &parent.record.name)
    }

    /// The condition under which a row of the parent is the one that this row belongs to.
    fn meeting(&self, parent: &Parent) -> String {
        let (own, other) = (self.place(), self.parent_place(parent));
        format!("{other}.{}={own}.{}", quote(&parent.parent_key), quote(&parent.key))
    }

    fn date_place(&self) -> String {
        let place = self.parent.as_ref().map_or_else(|| self.place(), |parent| self.parent_place(parent));
        format!("{place}.{}", quote(&self.date))
    }

    fn old(&self) -> String {
        let date = self.date_place();
        format!("(YEAR({date})>1 AND MONTH({date})>0 AND DAYOFMONTH({date})>0 AND {date}<{})", self.bound)
    }

    fn standing(&self) -> String {
        let date = self.date_place();
        format!(
            "CASE WHEN {} THEN 2 WHEN YEAR({date})>1 AND MONTH({date})>0 AND DAYOFMONTH({date})>0 THEN 1 ELSE 0 END",
            self.old()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::{ColumnForm, ColumnRecord};

    fn record(name: &str, columns: &[(&str, ColumnForm)]) -> TableRecord {
        let column = |(name, form): &(&str, ColumnForm)| ColumnRecord {
            name: (*name).into(),
            form: *form,
            ..ColumnRecord::default()
        };
        let columns = columns.iter().map(column).collect();
        TableRecord {
            name: name.into(),
            engine: "MyISAM".into(),
            columns,
            key: vec![0],
            ..TableRecord::default()
        }
    }

    fn child() -> OldTable {
        let log = record("log", &[("n", ColumnForm::Number), ("at", ColumnForm::Temporal)]);
        OldTable {
            database: "d".into(),
            record: record("hash", &[("h", ColumnForm::Number), ("n", ColumnForm::Number)]),
            date: "at".into(),
            bound: "'2023-01-01 00:00:00'".into(),
            parent: Some(Parent { record: log, key: "n".into(), parent_key: "n".into(), has_index: true }),
            row_bytes: 10,
        }
    }

    #[test]
    fn a_row_is_as_old_as_the_one_that_it_belongs_to() {
        let (child, keys) = (child(), [vec![b"7".to_vec()], vec![b"9".to_vec()]]);
        assert_eq!(
            child.rows(&keys, false),
            "SELECT `h`,`n` FROM `d`.`hash` WHERE `d`.`hash`.`h` IN (7,9) AND EXISTS (SELECT 1 FROM `d`.`log` \
             WHERE `d`.`log`.`n`=`d`.`hash`.`n` AND (YEAR(`d`.`log`.`at`)>1 AND MONTH(`d`.`log`.`at`)>0 AND \
             DAYOFMONTH(`d`.`log`.`at`)>0 AND `d`.`log`.`at`<'2023-01-01 00:00:00')) ORDER BY `d`.`hash`.`h`"
        );
        assert_eq!(child.lock(&[]), "LOCK TABLES `d`.`hash` WRITE, `d`.`log` READ");
        assert_eq!(child.delete(&keys), "DELETE FROM `d`.`hash` WHERE `d`.`hash`.`h` IN (7,9)");
        assert!(
            child
                .scan(Some(&keys[0]), 50)
                .ends_with("WHERE `d`.`hash`.`h` > 7 ORDER BY `d`.`hash`.`h` LIMIT 50")
        );
        assert!(!child.is_transactional(&[]));
        assert_eq!((child.dated(), child.key_words(&keys[0])), ("log.at by n".into(), "h 7".into()));
    }
}
