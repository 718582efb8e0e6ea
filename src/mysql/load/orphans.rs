//! Foreign keys that the rows break. It promises to look at the staged rows and to change nothing: the
//! rows are those of the source, so what is found here was so there.

use super::definition::{ForeignKey, foreign_key};
use super::stage::Staged;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{literal, qualified, quote};
use crate::mysql::information::Question;
use std::collections::{BTreeMap, HashSet};

/// A sentence for each key that points to a table that is not there, or that some row breaks.
pub fn find(conn: &mut Connection, staged: &Staged, staging: &str, target: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (table, definition) in &staged.definitions {
        for key in definition.foreign_keys.iter().filter_map(|words| foreign_key(words)) {
            // Keys into other databases are the server's to judge.
            let [parent] = key.table[..] else { continue };
            let name = format!(
                "table `{target}`.`{table}`: its foreign key ({}) to {parent}",
                key.columns.join(", ")
            );
            if !staged.made.iter().any(|made| quote(made) == parent) {
                found.push(format!("{name} points to a table that was not restored with it"));
            } else {
                match has_rows(conn, &query(staging, table, parent, &key))? {
                    Ok(false) => {}
                    Ok(true) => found.push(format!("{name} has rows without a partner, as in the source")),
                    Err(cause) => found.push(format!("{name} does not fit that table: {cause}")),
                }
            }
        }
    }
    Ok(found)
}

/// Columns with those that they point to.
type Pairs = Vec<(String, String)>;

/// A sentence for each foreign key of a table that was not restored, into one of `tables` of `target`
/// (names in lower case), that some row breaks now: its partner is not in what was restored.
pub fn outside(conn: &mut Connection, target: &str, tables: &HashSet<String>) -> Result<Vec<String>> {
    let question = Question {
        from: "KEY_COLUMN_USAGE",
        columns: "CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, ORDINAL_POSITION",
        bare: None,
        filter: &format!("REFERENCED_TABLE_SCHEMA={}", literal(target)),
    };
    let mut rows = question.everywhere(conn)?;
    rows.sort_by_key(|row| (row.text(0), row.text(1), row.text(2), row.number(6)));
    let mut keys: BTreeMap<[String; 3], (String, Pairs)> = BTreeMap::new();
    for row in rows {
        let [database, table, key, column, parent, other] =
            std::array::from_fn(|cell| row.text(cell).unwrap_or_default());
        let is_restored = database == target && tables.contains(&table.to_lowercase());
        if !is_restored && tables.contains(&parent.to_lowercase()) {
            keys.entry([database, table, key])
                .or_insert_with(|| (parent, Vec::new()))
                .1
                .push((column, other));
        }
    }
    let mut found = Vec::new();
    for ([database, table, key], (parent, columns)) in keys {
        let join: Vec<String> =
            columns.iter().map(|(c, p)| format!("c.{}=p.{}", quote(c), quote(p))).collect();
        let given: Vec<String> = columns.iter().map(|(c, _)| format!("c.{} IS NOT NULL", quote(c))).collect();
        let query = format!(
            "SELECT 1 FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {}) LIMIT 1",
            qualified(&database, &table),
            given.join(" AND "),
            qualified(target, &parent),
            join.join(" AND ")
        );
        let what = match has_rows(conn, &query)? {
            Ok(false) => continue,
            Ok(true) => "have no partner in".to_owned(),
            Err(cause) => format!("do not fit ({cause})"),
        };
        found.push(format!(
            "table `{database}`.`{table}`, which was not restored: rows of its foreign key `{key}` {what} the \
             restored `{target}`.`{parent}`"
        ));
    }
    Ok(found)
}

/// Whether there is any row; inside: what the server says where columns or their types are not those of
/// the key, which a table has that was made while keys were not checked.
fn has_rows(conn: &mut Connection, query: &str) -> Result<std::result::Result<bool, String>> {
    // An unknown column, an illegal mix of collations (of two, three or more), a column without a right.
    const MISFITS: [u16; 5] = [1054, 1143, 1267, 1270, 1271];
    match conn.rows(query) {
        Ok(rows) => Ok(Ok(!rows.is_empty())),
        Err(error) if code_of(&error).is_some_and(|code| MISFITS.contains(&code)) => {
            Ok(Err(std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)))
        }
        Err(error) => Err(error),
    }
}

/// A row that has all columns of the key and no partner.
fn query(staging: &str, table: &str, parent: &str, key: &ForeignKey) -> String {
    let join: Vec<String> = key
        .columns
        .iter()
        .zip(&key.others)
        .map(|(column, other)| format!("c.{column} = p.{other}"))
        .collect();
    let given: Vec<String> = key.columns.iter().map(|column| format!("c.{column} IS NOT NULL")).collect();
    format!(
        "SELECT 1 FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {}.{parent} p WHERE {}) LIMIT 1",
        qualified(staging, table),
        given.join(" AND "),
        quote(staging),
        join.join(" AND ")
    )
}
