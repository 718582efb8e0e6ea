//! Fingerprints of definitions, for the guard against changes of tables while they are read. They
//! promise to differ after every change of a table's definition and after a table was made anew, and
//! to be the same after changes of rows.

use super::one_row;
use crate::error::Result;
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::identifier::qualified;
use crate::mysql::information::Question;
use std::collections::BTreeMap;

/// When each table was made, and by what engine.
const TABLES: Question = Question {
    from: "TABLES",
    columns: "CREATE_TIME, ENGINE",
    bare: Some("NULL, ENGINE"),
    filter: "TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED')",
};

/// The hash of a table's definition and time of creation.
pub type Fingerprint = [u8; 32];

/// The fingerprints of all tables of `database` (views and sequences are not among them), by name. A
/// table that the server cannot open has the fingerprint of its error.
pub fn definitions_fingerprint(
    conn: &mut Connection,
    database: &str,
) -> Result<BTreeMap<String, Fingerprint>> {
    enter(conn, database)?;
    let mut fingerprints = BTreeMap::new();
    for row in TABLES.of(conn, database)? {
        let name = row.text(1).unwrap_or_default();
        let fingerprint = hash(conn, database, &name, created(&row))?;
        fingerprints.insert(name, fingerprint);
    }
    Ok(fingerprints)
}

/// The fingerprint of one table; `None`: there is no such table.
pub fn table_fingerprint(conn: &mut Connection, database: &str, table: &str) -> Result<Option<Fingerprint>> {
    enter(conn, database)?;
    let rows = TABLES.of_table(conn, database, table)?;
    let is_it =
        |row: &&Cells| row.bytes(0) == Some(database.as_bytes()) && row.bytes(1) == Some(table.as_bytes());
    match rows.iter().find(is_it) {
        Some(row) => hash(conn, database, table, created(row)).map(Some),
        None => Ok(None),
    }
}

/// Enters the database, if it is there: a server shows a definition that calls `DATABASE()` with what that
/// was in the session that used the table first.
fn enter(conn: &mut Connection, database: &str) -> Result<()> {
    match conn.enter(database) {
        Err(error) if code_of(&error).is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Engines that know when a table was made. What others say changes while nobody touches the table: the
/// time at which its file was touched last (ARCHIVE), one that is known only after the table's keys were
/// asked for (Mroonga), one that another server tells (SPIDER). Rows of those are read under the lock,
/// where no table is made anew.
const DATED: [&str; 3] = ["InnoDB", "MyISAM", "Aria"];

/// When the table was made, where the server knows.
fn created(row: &Cells) -> Option<&[u8]> {
    let engine = row.text(3).unwrap_or_default();
    row.bytes(2).filter(|_| DATED.iter().any(|dated| dated.eq_ignore_ascii_case(&engine)))
}

fn hash(conn: &mut Connection, database: &str, table: &str, created: Option<&[u8]>) -> Result<Fingerprint> {
    let mut hasher = blake3::Hasher::new();
    match one_row(conn, &format!("SHOW CREATE TABLE {}", qualified(database, table))) {
        Ok(row) => hasher.update(&without_counter(row.bytes(1).unwrap_or_default())),
        Err(error) => match code_of(&error) {
            Some(code) => hasher.update(&code.to_le_bytes()),
            None => return Err(error),
        },
    };
    hasher.update(&[0]);
    hasher.update(created.unwrap_or_default());
    Ok(*hasher.finalize().as_bytes())
}

/// The statement without the AUTO_INCREMENT value, which moves with every row.
fn without_counter(create: &[u8]) -> Vec<u8> {
    const COUNTER: &[u8] = b" AUTO_INCREMENT=";
    let options = create.windows(10).rposition(|w| w == b"\n) ENGINE=").unwrap_or(0);
    let Some(at) = create[options..].windows(COUNTER.len()).position(|w| w == COUNTER) else {
        return create.to_vec();
    };
    let (head, tail) = create.split_at(options + at);
    let digits = tail[COUNTER.len()..].iter().take_while(|b| b.is_ascii_digit()).count();
    [head, &tail[COUNTER.len() + digits..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_no_part_of_the_definition() {
        let create = |counter: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int DEFAULT ' AUTO_INCREMENT=1'\n) ENGINE=InnoDB{counter} DEFAULT CHARSET=x"
            )
        };
        let plain = without_counter(create("").as_bytes());
        assert_eq!(without_counter(create(" AUTO_INCREMENT=77").as_bytes()), plain);
        assert_eq!(plain, create("").into_bytes());
    }
}
