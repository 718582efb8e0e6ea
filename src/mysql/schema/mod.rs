//! Definitions: everything that makes a database, read from a server. It promises bytes as the
//! server keeps them (bodies in their own character set, beside the settings they were made under),
//! an order in which they can be made again, and a name for everything that cannot be carried: an
//! object that exists and cannot be read is never left out in silence.
//!
//! # How bytes are kept
//!
//! Definitions of tables, sequences, databases and users are UTF-8. The statements of views,
//! triggers, routines and events are bytes in the character set `character_set_client` of their
//! environment, as the server keeps them: with that variable set, sending them makes the same
//! object, literals without a Unicode mapping included.

mod columns;
mod fingerprint;
mod making;
mod names;
mod objects;
mod order;
mod programs;
mod reference;
mod tables;
mod users;
mod views;

pub use fingerprint::{Fingerprint, definitions_fingerprint, table_fingerprint};
pub use making::{drop_stand_ins, make_dead_views, make_object};
pub use names::{mentions, names_database};
pub(in crate::mysql) use order::after_needs;
pub(in crate::mysql) use programs::opening;
pub use tables::is_definition_only;
pub use users::read_users;

use super::connection::{Cells, Connection};
use super::identifier::{literal, quote};
use crate::entry::database::{DatabaseRecord, ObjectRecord, Setting, TableRecord};
use crate::error::{Error, Kind, Result};

/// Databases that belong to the server itself.
const SYSTEM_DATABASES: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// What of a database is read.
pub struct SchemaOptions<'a> {
    /// Whether a table, view or sequence of this name is wanted. A trigger follows its table.
    pub wants: &'a dyn Fn(&str) -> bool,
    /// Procedures, functions and packages.
    pub routines: bool,
    /// Events.
    pub events: bool,
}

impl Default for SchemaOptions<'_> {
    /// Everything.
    fn default() -> Self {
        SchemaOptions { wants: &|_| true, routines: true, events: true }
    }
}

/// What makes a database, without rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The database.
    pub database: DatabaseRecord,
    /// The tables by name; content, counts and checksums are still empty.
    pub tables: Vec<TableRecord>,
    /// Everything else, in an order in which it can be made once the tables exist.
    pub objects: Vec<ObjectRecord>,
    /// What is carried in part or with a condition, one sentence each, naming the object.
    pub notes: Vec<String>,
    /// What exists and could not be read, one sentence each, naming the object: it is in no other
    /// field (of a table that the server cannot open, the definition is), and a snapshot of this is
    /// partial.
    pub losses: Vec<String>,
}

/// The databases that the user sees, without those of the server itself, sorted.
pub fn list_databases(conn: &mut Connection) -> Result<Vec<String>> {
    let rows = conn.rows("SHOW DATABASES")?;
    let mut names: Vec<String> =
        rows.iter().filter_map(|row| row.text(0)).filter(|n| !is_system(n)).collect();
    names.sort();
    Ok(names)
}

/// Whether a database is the server's own.
pub fn is_system(name: &str) -> bool {
    SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(name))
}

/// Everything that makes the database `name`, in one pass over the server. The connection's current
/// database is `name` afterwards.
///
/// Errors: [`Kind::NotFound`] without such a database, [`Kind::Database`] if the server fails. A
/// single object that cannot be read is no error: see [`Schema::losses`].
pub fn read_database(conn: &mut Connection, name: &str, options: &SchemaOptions) -> Result<Schema> {
    let exists = conn.rows("SHOW DATABASES")?.iter().any(|row| row.text(0).as_deref() == Some(name));
    if !exists {
        return Err(Error::new(Kind::NotFound, format!("{}: no database `{name}`", conn.name())).hint(
            "names are compared letter by letter; a database without any right of the user is not shown",
        ));
    }
    conn.enter(name)?;
    // Bytes as the server keeps them; names come in UTF-8 all the same.
    conn.execute("SET SESSION character_set_results=NULL")?;
    let read = read_all(conn, name, options);
    conn.execute("SET SESSION character_set_results=utf8mb4")?;
    read
}

fn read_all(conn: &mut Connection, name: &str, options: &SchemaOptions) -> Result<Schema> {
    let mut schema = Schema { database: database(conn, name)?, ..Schema::default() };
    // The words of a MySQL, in a comment since no server takes them there.
    if schema.database.create.ends_with("/* READ ONLY = 1 */") {
        schema.notes.push(format!(
            "database `{name}` is read only; a restored one is not, until ALTER DATABASE … READ ONLY=1"
        ));
    }
    let listed = tables::list(conn, name, options, &mut schema)?;
    tables::read(conn, name, &listed, &mut schema)?;
    histograms(conn, name, &mut schema)?;
    reference::systems(conn, name, &mut schema)?;
    objects::sequences(conn, &listed, &mut schema)?;
    views::read(conn, &listed, &mut schema)?;
    programs::triggers(conn, name, options, &mut schema)?;
    if options.routines {
        programs::libraries(conn, name, &mut schema)?;
        programs::routines(conn, name, &mut schema)?;
    }
    if options.events {
        programs::events(conn, name, &mut schema)?;
    }
    Ok(schema)
}

fn database(conn: &mut Connection, name: &str) -> Result<DatabaseRecord> {
    let create = one_row(conn, &format!("SHOW CREATE DATABASE {}", quote(name)))?;
    let sets = conn.rows(&format!(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
         FROM information_schema.SCHEMATA WHERE SCHEMA_NAME={}",
        literal(name)
    ))?;
    let sets =
        sets.iter().find(|row| row.text(0).as_deref() == Some(name)).cloned().unwrap_or(Cells(Vec::new()));
    Ok(DatabaseRecord {
        name: name.into(),
        create: create.text(1).unwrap_or_default(),
        character_set: sets.text(1).unwrap_or_default(),
        collation: sets.text(2).unwrap_or_default(),
    })
}

/// Notes the statistics of columns that a person had a MySQL make: no statement of the table tells them.
fn histograms(conn: &mut Connection, name: &str, schema: &mut Schema) -> Result<()> {
    if conn.is_mariadb() {
        return Ok(());
    }
    let sql = format!(
        "SELECT SCHEMA_NAME, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME={}",
        literal(name)
    );
    let mut rows = match rows_of(conn, &sql, name) {
        // A MySQL before 8.0 makes none.
        Err(error) if super::connection::code_of(&error).is_some() => return Ok(()),
        rows => rows?,
    };
    rows.retain(|row| row.text(1).is_some_and(|table| schema.tables.iter().any(|known| known.name == table)));
    let mut named: Vec<String> = rows
        .iter()
        .map(|row| format!("`{}` ON `{}`", row.text(1).unwrap_or_default(), row.text(2).unwrap_or_default()))
        .collect();
    named.sort();
    if !named.is_empty() {
        schema.notes.push(format!(
            "histograms of `{name}` are not carried, ANALYZE TABLE … UPDATE HISTOGRAM makes them again: {}",
            named.join(", ")
        ));
    }
    Ok(())
}

/// The only row of an answer.
fn one_row(conn: &mut Connection, sql: &str) -> Result<Cells> {
    let rows = conn.rows(sql)?;
    rows.into_iter()
        .next()
        .ok_or_else(|| Error::new(Kind::Database, format!("{}: `{sql}`: no answer", conn.name())))
}

/// Rows of `information_schema` whose first column is exactly `schema`: the server compares names
/// without regard to case there.
fn rows_of(conn: &mut Connection, sql: &str, schema: &str) -> Result<Vec<Cells>> {
    let mut rows = conn.rows(sql)?;
    rows.retain(|row| row.bytes(0) == Some(schema.as_bytes()));
    Ok(rows)
}

/// The settings an object was made under, sorted by name.
fn environment(pairs: &[(&str, Option<String>)]) -> Vec<Setting> {
    let present = pairs.iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let mut settings: Vec<Setting> =
        present.map(|(name, value)| Setting { name: (*name).into(), value }).collect();
    settings.sort();
    settings
}

/// Why an object could not be read, for [`Schema::losses`]; an error that is not the object's (the
/// connection is gone) goes on as one.
fn loss(what: String, error: Error, schema: &mut Schema) -> Result<()> {
    if super::connection::code_of(&error).is_none() {
        return Err(error);
    }
    let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    schema.losses.push(format!("{what} is not in the snapshot: {cause}"));
    Ok(())
}
