//! Columns and keys of tables. It promises every column whose value is stored, in the table's order,
//! and the shortest unique key that stands on whole columns.

use super::rows_of;
use crate::entry::database::{ColumnForm, ColumnRecord};
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::literal;
use crate::mysql::information::Question;
use crate::mysql::value::{form_of, is_short_year};
use std::collections::{HashMap, HashSet};

mod defaults;
mod options;

pub use defaults::exact_create;

/// The stored columns of a table.
#[derive(Default)]
pub struct StoredColumns {
    /// In the table's order, without generated ones.
    pub columns: Vec<ColumnRecord>,
    /// Names and types of those that this program does not know.
    pub unknown: Vec<(String, String)>,
    /// Where a versioned table keeps its rows' times.
    pub history: History,
    /// Names of the columns with a default, and its text.
    defaults: Vec<(String, String)>,
    /// The column that counts, if it may be NULL.
    null_counter: Option<String>,
    /// Columns whose values a policy of the server hides from some.
    masked: Vec<String>,
    /// Columns that may be NULL and have no default, not even that.
    without_default: Vec<String>,
}

/// The columns that say from when to when a row was alive.
pub enum History {
    /// By time: the names of the two columns.
    ByTime(String, String),
    /// By transaction numbers.
    ByTransaction,
}

impl Default for History {
    /// The columns of a table that names none.
    fn default() -> Self {
        History::ByTime("row_start".into(), "row_end".into())
    }
}

/// A column of times of a row's life.
pub fn history_column(name: &str) -> ColumnRecord {
    ColumnRecord {
        name: name.into(),
        column_type: "timestamp(6)".into(),
        form: ColumnForm::Temporal,
        character_set: String::new(),
    }
}

/// `ER_BAD_FIELD_ERROR`.
const UNKNOWN_COLUMN: u16 = 1054;

/// The stored columns of all tables of the database, by table.
pub fn all(conn: &mut Connection, database: &str) -> Result<HashMap<String, StoredColumns>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, \
         GENERATION_EXPRESSION, COLUMN_DEFAULT, ORDINAL_POSITION, IS_NULLABLE, EXTRA \
         FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA={}",
        literal(database)
    );
    let rows = match rows_of(conn, &sql, database) {
        // A MySQL before 5.7 generates no columns.
        Err(error) if code_of(&error) == Some(UNKNOWN_COLUMN) => {
            rows_of(conn, &sql.replace("GENERATION_EXPRESSION", "''"), database)
        }
        other => other,
    };
    let mut rows = rows?;
    rows.sort_by_key(|row| row.number(8));
    let mut tables: HashMap<String, StoredColumns> = HashMap::new();
    for row in rows {
        let text = |number| row.text(number).unwrap_or_default();
        let table = tables.entry(text(1)).or_default();
        let (name, data_type, expression) = (text(2), text(3), text(6));
        if !expression.is_empty() {
            table.generated(name, &data_type, &expression);
            continue;
        }
        if text(10).contains("MASKING POLICY") {
            table.masked.push(name.clone());
        }
        match row.text(7) {
            Some(default) => table.defaults.push((name.clone(), default)),
            None if text(9) != "YES" => {}
            None if text(10).contains("auto_increment") => table.null_counter = Some(name.clone()),
            None => table.without_default.push(name.clone()),
        }
        let form = form_of(&data_type).unwrap_or_else(|| {
            table.unknown.push((name.clone(), data_type));
            ColumnForm::Bytes
        });
        table.columns.push(ColumnRecord { name, column_type: text(4), form, character_set: text(5) });
    }
    Ok(tables)
}

impl StoredColumns {
    fn generated(&mut self, name: String, data_type: &str, expression: &str) {
        let is_number = data_type.eq_ignore_ascii_case("bigint");
        match (expression, &mut self.history) {
            ("ROW START" | "ROW END", history) if is_number => *history = History::ByTransaction,
            ("ROW START", History::ByTime(start, _)) => *start = name,
            ("ROW END", History::ByTime(_, end)) => *end = name,
            _ => {}
        }
    }
}

/// The unique keys of tables, by table, and the tables whose other keys are disabled.
pub struct UniqueKeys {
    by_table: HashMap<String, Vec<UniqueKey>>,
    disabled: HashSet<String>,
}

struct UniqueKey {
    name: String,
    columns: Vec<String>,
    is_whole: bool,
}

/// The unique keys of all tables of the database.
pub fn unique_keys(conn: &mut Connection, database: &str) -> Result<UniqueKeys> {
    let question = Question {
        from: "STATISTICS",
        columns: "INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE, SEQ_IN_INDEX, NON_UNIQUE, COMMENT",
        bare: None,
        filter: "",
    };
    let mut rows = question.of(conn, database)?;
    rows.sort_by_key(|row| (row.text(2), row.number(6)));
    let mut keys = UniqueKeys { by_table: HashMap::new(), disabled: HashSet::new() };
    for row in rows {
        let text = |number| row.text(number).unwrap_or_default();
        if text(8) == "disabled" {
            keys.disabled.insert(text(1));
        }
        if row.number(7) != Some(0) {
            continue;
        }
        let of_table = keys.by_table.entry(text(1)).or_default();
        if of_table.last().is_none_or(|key| key.name != text(2)) {
            of_table.push(UniqueKey { name: text(2), columns: Vec::new(), is_whole: true });
        }
        let Some(key) = of_table.last_mut() else { continue };
        // A prefix, an expression or a NULL does not tell all rows apart.
        key.is_whole &= row.bytes(4).is_none() && row.bytes(3).is_some() && text(5) != "YES";
        key.columns.push(text(3));
    }
    Ok(keys)
}

impl UniqueKeys {
    /// Whether keys of the table are disabled, which no statement of its own says.
    pub fn are_disabled(&self, table: &str) -> bool {
        self.disabled.contains(table)
    }

    /// Numbers of the columns of the table's primary key, else of its unique key with the fewest
    /// columns; empty if there is none that stands on stored columns, each of which is compared by
    /// all that it holds.
    pub fn shortest(&self, table: &str, columns: &[ColumnRecord]) -> Vec<u16> {
        let number = |name: &String| {
            columns
                .iter()
                .position(|c| c.name.eq_ignore_ascii_case(name) && !is_short_year(c))
                .and_then(|at| u16::try_from(at).ok())
        };
        let keys = self.by_table.get(table).map(Vec::as_slice).unwrap_or_default();
        let whole = keys.iter().filter(|key| key.is_whole);
        let stored = whole.filter_map(|key| {
            let numbers: Option<Vec<u16>> = key.columns.iter().map(number).collect();
            Some((key.name != "PRIMARY", numbers?))
        });
        stored
            .min_by_key(|(is_other, numbers)| (*is_other, numbers.len()))
            .map(|(_, numbers)| numbers)
            .unwrap_or_default()
    }
}
