//! Tables that do not follow the others out of the staging database: some engines take none into another
//! database. It promises that each that can be moved is moved, and that the others are named.

use super::journal::{self, Switch};
use super::session::said;
use super::switch::{Outcome, fold};
use crate::error::{Error, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::qualified;
use std::collections::HashSet;

/// Words of servers for what they do with no table of the kind: `ER_NOT_SUPPORTED_YET` (Mroonga),
/// `ER_TRG_IN_WRONG_SCHEMA`, `ER_ILLEGAL_HA`, `ER_CHECK_NOT_IMPLEMENTED`.
const REFUSED: [u16; 4] = [1235, 1435, 1031, 1178];

/// Whether the error says that a table is none to be moved, now or ever.
pub fn is_refused(error: &Error) -> bool {
    code_of(error).is_some_and(|code| REFUSED.contains(&code))
}

/// Moves each table that can be moved: some engines take none into another database. What stays is named,
/// and goes with the staging database.
pub fn one_by_one(
    conn: &mut Connection,
    switch: &Switch,
    staging: &str,
    outcome: &mut Outcome,
) -> Result<()> {
    conn.execute("SET SESSION lock_wait_timeout=60")?;
    let waiting: HashSet<String> = journal::tables(conn, staging)?.iter().map(|name| fold(name)).collect();
    for table in switch.new_tables.iter().filter(|table| waiting.contains(&fold(table))) {
        let (from, to) = (qualified(staging, table), qualified(&switch.target, table));
        match conn.execute(&format!("RENAME TABLE {from} TO {to}")) {
            Err(error) if is_refused(&error) => {
                let name = format!("`{}`.`{table}`", switch.target);
                outcome.not_made.push(format!(
                    "table {name} was loaded and could not be moved to its place: {}; a restore into a folder has it",
                    said(&error)
                ));
                outcome.unmoved.push(table.clone());
            }
            other => drop(other?),
        }
    }
    Ok(())
}
