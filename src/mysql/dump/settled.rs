//! Tables made anew while they are read. It promises that a table which was rebuilt after its snapshot
//! is noticed although it is defined as before: servers tell the time of creation in whole seconds, so
//! that a table made anew within one has the definition and the time of the old, and its rows, newer
//! than the snapshot, cannot be seen.

use super::rows::Watch;
use super::step::Step;
use super::table::Table;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::literal;
use crate::mysql::information::Question;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often it is looked whether the second is over.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks after which a time of creation is taken for one of a clock that was set back.
const LOOKS: u32 = 15;

/// A second in which none of the tables was made: one made since then was made anew.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    since: String,
    /// Tables whose times say nothing: they lie in the future.
    undated: BTreeSet<(String, String)>,
}

impl Settled {
    /// Waits, a second at most, until the second is over in which the last of `tables` was made.
    pub fn wait(conn: &mut Connection, tables: &[Table], watch: &Watch) -> Step<Settled> {
        let mut looks = 0;
        loop {
            let since = conn.value("SELECT NOW()")?.unwrap_or_default();
            let databases: BTreeSet<&str> = tables.iter().map(|table| table.database.as_str()).collect();
            let mut undated = BTreeSet::new();
            for database in databases {
                let names = made_since(conn, database, &since, None)?;
                undated.extend(names.into_iter().map(|name| (database.to_owned(), name)));
            }
            undated.retain(|(database, name)| {
                tables.iter().any(|table| table.database == *database && table.record.name == *name)
            });
            looks += 1;
            if undated.is_empty() || looks >= LOOKS {
                return Ok(Settled { since, undated });
            }
            watch.check()?;
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether `table` was made anew since.
    pub fn is_new(&self, conn: &mut Connection, table: &Table) -> Step<bool> {
        if self.undated.contains(&(table.database.clone(), table.record.name.clone())) {
            return Ok(false);
        }
        Ok(!made_since(conn, &table.database, &self.since, Some(&table.record.name))?.is_empty())
    }
}

/// Names of the tables of `database` that were made at `since` or later.
fn made_since(conn: &mut Connection, database: &str, since: &str, table: Option<&str>) -> Step<Vec<String>> {
    let columns = format!("CREATE_TIME >= {}", literal(since));
    let question = Question { from: "TABLES", columns: &columns, bare: Some("NULL"), filter: "" };
    let rows = match table {
        Some(table) => question.of_table(conn, database, table)?,
        None => question.of(conn, database)?,
    };
    Ok(rows.iter().filter(|row| row.number(2) == Some(1)).filter_map(|row| row.text(1)).collect())
}
