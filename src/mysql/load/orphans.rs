//! Foreign keys that the rows break. It promises to look at the staged rows and to change nothing: the
//! rows are those of the source, so what is found here was so there.

use super::definition::{ForeignKey, foreign_key};
use super::stage::Staged;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::{qualified, quote};

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
            } else if !conn.rows(&query(staging, table, parent, &key))?.is_empty() {
                found.push(format!("{name} has rows without a partner, as in the source"));
            }
        }
    }
    Ok(found)
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
