//! What the databases hold: tables, engines, sizes, and what was changed lately.

use super::unknown;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{literal, quote};
use crate::mysql::information::Question;
use std::collections::BTreeMap;

/// A table counts as changing if it was changed within this many seconds.
const LATELY_SECONDS: u64 = 3600;
/// From this size on a table counts as large.
pub const LARGE_BYTES: u64 = 32 << 20;
/// `ER_BAD_DB_ERROR`.
const UNKNOWN_DATABASE: u16 = 1049;

/// Databases of the servers' own.
const OWN: &str = "'mysql','information_schema','performance_schema','sys'";

/// How many tables of an engine there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCount {
    /// Tables.
    pub tables: u64,
    /// Bytes of rows and indexes.
    pub bytes: u64,
}

/// What a database holds.
#[derive(Clone, Debug, Default)]
pub struct DatabaseSurvey {
    /// Its name.
    pub name: String,
    /// Its tables by engine, in lower case.
    pub engines: BTreeMap<String, EngineCount>,
    /// Views.
    pub views: u64,
    /// Tables that the server cannot open.
    pub unreadable: Vec<String>,
    /// Row bytes of tables without transactions that changed lately, or whose engine does not tell.
    pub changing_bytes: u64,
    /// Names and row bytes of those of them that are large and only worth tailing.
    pub large_changing: Vec<(String, u64)>,
    /// Names, engines and row bytes of the tables, for questions about rows.
    pub tables: Vec<(String, String, u64)>,
}

impl DatabaseSurvey {
    /// Whether there are tables of engines without transactions.
    pub fn has_plain_tables(&self) -> bool {
        self.engines.keys().any(|engine| is_plain(engine))
    }
}

/// Whether an engine's tables change under a reader's snapshot.
fn is_plain(engine: &str) -> bool {
    !matches!(engine, "innodb" | "rocksdb" | "sequence")
}

/// Refuses a database that the server has not. One that this user may not see is not refused here: the
/// missing rights say more.
pub fn check_known(connection: &mut Connection, database: &str) -> Result<()> {
    match connection.rows(&format!("SHOW CREATE DATABASE {}", quote(database))) {
        Err(error) if code_of(&error) == Some(UNKNOWN_DATABASE) => Err(unknown(database, connection.name())),
        // Access denied.
        Err(error) if code_of(&error) == Some(1044) => Ok(()),
        other => other.map(drop),
    }
}

/// Looks at the databases; none named: at all but the server's own.
pub fn survey(connection: &mut Connection, databases: &[String]) -> Result<Vec<DatabaseSurvey>> {
    let named: Vec<String> = databases.iter().map(|name| literal(name)).collect();
    let which = |column: &str| match databases.is_empty() {
        true => format!("{column} NOT IN ({OWN})"),
        false => format!("{column} IN ({})", named.join(",")),
    };
    let sql = format!(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE {} ORDER BY 1",
        which("SCHEMA_NAME")
    );
    let mut found: BTreeMap<String, DatabaseSurvey> = BTreeMap::new();
    for cells in connection.rows(&sql)? {
        let name = cells.text(0).unwrap_or_default();
        found.insert(name.clone(), DatabaseSurvey { name, ..DatabaseSurvey::default() });
    }
    let question = Question {
        from: "TABLES",
        columns: "TABLE_TYPE, ENGINE, DATA_LENGTH, INDEX_LENGTH, TIMESTAMPDIFF(SECOND, UPDATE_TIME, NOW())",
        bare: Some("TABLE_TYPE, ENGINE, 0, 0, NULL"),
        filter: &which("TABLE_SCHEMA"),
    };
    for cells in question.everywhere(connection)? {
        let text = |number| cells.text(number).unwrap_or_default();
        let survey =
            found.entry(text(0)).or_insert_with(|| DatabaseSurvey { name: text(0), ..Default::default() });
        match (text(2).as_str(), cells.text(3)) {
            ("VIEW" | "SYSTEM VIEW", _) => survey.views += 1,
            (_, None) => survey.unreadable.push(text(1)),
            (_, Some(engine)) => {
                let age = cells.text(6).and_then(|age| age.parse::<i64>().ok());
                let (rows, indexes) = (cells.number(4).unwrap_or(0), cells.number(5).unwrap_or(0));
                survey.table(text(1), engine.to_lowercase(), rows, indexes, age);
            }
        }
    }
    Ok(found.into_values().collect())
}

impl DatabaseSurvey {
    fn table(&mut self, name: String, engine: String, rows: u64, indexes: u64, age: Option<i64>) {
        let count = self.engines.entry(engine.clone()).or_default();
        count.tables += 1;
        count.bytes = count.bytes.saturating_add(rows).saturating_add(indexes);
        // A clock that was set back makes changes of the future: they count as well.
        let is_old = age.is_some_and(|age| age > LATELY_SECONDS.cast_signed());
        if is_plain(&engine) && !is_old {
            self.changing_bytes = self.changing_bytes.saturating_add(rows);
            if rows >= LARGE_BYTES && engine == "myisam" {
                self.large_changing.push((name.clone(), rows));
            }
        }
        self.tables.push((name, engine, rows));
    }
}
