//! What stands around the tables: which database is meant, how long rows are, what would happen to
//! other rows, and what the user may do. It promises that what cannot be seen for lack of a right is
//! not taken for absent.

use super::Question;
use super::fit::Fitted;
use super::table::OldTable;
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::{literal, quote};
use crate::mysql::privileges::{Privileges, Scope};
use crate::mysql::schema::list_databases;
use crate::operations::profile::old::OldDataRule;
use std::collections::BTreeMap;

/// The database that is meant: the one that was named, else the only one with all tables.
///
/// Errors: [`Kind::Usage`] if there is none or more than one.
pub fn choose(conn: &mut Connection, question: &Question, rules: &[OldDataRule]) -> Result<String> {
    let databases = list_databases(conn)?;
    if let Some(name) = &question.database {
        return match databases.contains(name) {
            true => Ok(name.clone()),
            false => Err(Error::new(Kind::Usage, format!("{} has no database `{name}`", conn.name()))
                .hint("SHOW DATABASES lists them; upper and lower case may count")),
        };
    }
    let needed: Vec<&OldDataRule> = rules.iter().filter(|rule| !rule.optional).collect();
    let mut found = Vec::new();
    for database in &databases {
        let tables = tables(conn, database)?;
        let has = |rule: &&OldDataRule| tables.contains(&rule.table.to_lowercase());
        if !tables.is_empty() && needed.iter().all(has) {
            found.push(database.clone());
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let names: Vec<&str> = needed.iter().map(|rule| rule.table.as_str()).collect();
            Err(Error::new(
                Kind::Usage,
                format!(
                    "profile {}: no database of {} has {}",
                    question.profile.name,
                    conn.name(),
                    names.join(", ")
                ),
            )
            .hint(
                "name the database with --database to learn which table it lacks, or the tables with --table",
            ))
        }
        _ => Err(Error::new(
            Kind::Usage,
            format!("{} databases have these tables: {}", found.len(), found.join(", ")),
        )
        .hint("name the one that is meant with --database")),
    }
}

/// Names of the tables of a database, in lower case.
fn tables(conn: &mut Connection, database: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, LOWER(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
        literal(database)
    );
    let rows = conn.rows(&sql)?;
    let own = rows.iter().filter(|row| row.bytes(0) == Some(database.as_bytes()));
    Ok(own.filter_map(|row| row.text(1)).collect())
}

/// Bytes of a row on average, by table, as the server estimates them.
pub fn sizes(conn: &mut Connection, database: &str) -> Result<BTreeMap<String, u64>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
        literal(database)
    );
    let rows = conn.rows(&sql)?;
    let own = rows.iter().filter(|row| row.bytes(0) == Some(database.as_bytes()));
    Ok(own.filter_map(|row| Some((row.text(1)?, row.number(2)?))).collect())
}

/// Whether an index of the table begins with `column`.
pub fn has_index(table: &TableRecord, column: &str) -> bool {
    let begins = format!("({}", quote(column));
    let is_key = |line: &str| line.contains("KEY ") && line.contains(&begins);
    table.create.lines().map(str::trim_start).any(is_key)
}

/// Triggers and foreign keys by which removing a row would change others.
///
/// Errors: [`Kind::Usage`], naming it.
pub fn check_side_effects(conn: &mut Connection, fitted: &Fitted) -> Result<()> {
    for table in &fitted.tables {
        check_triggers(conn, table)?;
        check_references(conn, fitted, table)?;
    }
    Ok(())
}

fn check_triggers(conn: &mut Connection, table: &OldTable) -> Result<()> {
    let rows = conn.rows(&format!(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_MANIPULATION='DELETE' \
         AND EVENT_OBJECT_SCHEMA={} AND EVENT_OBJECT_TABLE={}",
        literal(&table.database),
        literal(&table.record.name)
    ))?;
    match rows.first() {
        Some(row) => Err(Error::new(
            Kind::Usage,
            format!(
                "{}: the trigger `{}` runs when rows are removed, and may change others",
                table.place(),
                row.text(0).unwrap_or_default()
            ),
        )
        .hint("nothing was touched; leave the table out with --table")),
        None => Ok(()),
    }
}

fn check_references(conn: &mut Connection, fitted: &Fitted, table: &OldTable) -> Result<()> {
    let rows = conn.rows(&format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
         WHERE UNIQUE_CONSTRAINT_SCHEMA={} AND REFERENCED_TABLE_NAME={}",
        literal(&fitted.database),
        literal(&table.record.name)
    ))?;
    for row in rows {
        let text = |at| row.text(at).unwrap_or_default();
        let is_child = |child: &OldTable| {
            let parent = child.parent.as_ref().map(|parent| parent.record.name.as_str());
            parent == Some(&table.record.name) && child.record.name == text(1)
        };
        if text(0) != fitted.database || !fitted.tables.iter().any(is_child) {
            let (database, other, key) = (text(0), text(1), text(2));
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "{}: rows of `{database}`.`{other}` point to it (foreign key `{key}`)",
                    table.place()
                ),
            )
            .hint(
                "nothing was touched; leave the table out with --table, or write a rule for the other one",
            ));
        }
    }
    Ok(())
}

/// Rights that are missing, with the statements that grant them; without those of `apply`, what only
/// looks needs.
pub fn missing_rights(conn: &mut Connection, fitted: &Fitted, is_apply: bool) -> Result<Vec<String>> {
    let held = Privileges::read(conn)?;
    let has_plain = fitted.tables.iter().any(|table| !table.is_transactional(&[]));
    let mut missing = Vec::new();
    let mut need = |right: &str, scopes: Vec<Scope>| {
        if !scopes.iter().any(|scope| held.holds(right, scope)) {
            let on = scopes.first().map(Scope::quoted).unwrap_or_default();
            missing.push(format!("GRANT {right} ON {on} TO {}", held.account.quoted()));
        }
    };
    let database = || Scope::Database(fitted.database.clone());
    for table in &fitted.tables {
        let own = || Scope::Table(fitted.database.clone(), table.record.name.clone());
        // Without it there seem to be no triggers.
        need("TRIGGER", vec![own(), database()]);
        if is_apply {
            need("DELETE", vec![own(), database()]);
        }
    }
    if is_apply && has_plain {
        need("LOCK TABLES", vec![database()]);
    }
    Ok(missing)
}
