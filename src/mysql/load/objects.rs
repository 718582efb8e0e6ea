//! Objects other than tables. It promises that each is made under the settings it was made under
//! before, from the bytes that the server gave, in the current database; that one that cannot be made
//! costs no other; and that it is named.

use super::session::{said, tolerate};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{literal, quote};
use crate::mysql::schema::opening;
use std::fmt::Write;

/// Settings that are set for each object, in this order: the character set of the client sets others,
/// and a server does not know its time zones when they are told in UCS-2.
const SETTINGS: [&str; 4] = ["sql_mode", "time_zone", "character_set_client", "collation_connection"];

/// `ER_UNKNOWN_COLLATION`.
const UNKNOWN_COLLATION: u16 = 1273;

/// Makes an object with `statement` in place of its first, replacing one of its name.
///
/// Errors: that of the server. The session's settings are those of the object afterwards.
pub fn make(
    conn: &mut Connection,
    object: &ObjectRecord,
    statement: &[u8],
    more: Option<String>,
) -> Result<()> {
    tolerate(remove(conn, object))?;
    if let Some(opening) = opening(object) {
        tolerate(conn.execute(&opening))?;
    }
    for name in SETTINGS {
        if let Some(setting) = object.environment.iter().find(|s| s.name == name) {
            match conn.execute(&format!("SET SESSION {name}={}", literal(&setting.value))) {
                // Named before; what the client's character set brings stays.
                Err(error) if code_of(&error) == Some(UNKNOWN_COLLATION) => {}
                other => drop(other?),
            }
        }
    }
    if object.kind == SchemaObject::Event {
        // An event whose time is over would be dropped as soon as it is made.
        tolerate(conn.execute("SET SESSION timestamp=1"))?;
    }
    send(conn, statement)?;
    for follow in object.statements.iter().skip(1) {
        send(conn, follow)?;
    }
    match more {
        Some(sql) => conn.execute(&sql).map(drop),
        None => Ok(()),
    }
}

/// The collation that the database must have when the object is made, if it matters and is not its `own`.
pub fn other_collation<'a>(object: &'a ObjectRecord, own: &str) -> Option<&'a str> {
    let other = object.environment.iter().find(|s| s.name == "collation_database")?.value.as_str();
    let is_word = other.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_word && ![other, own].contains(&"") && other != own).then_some(other)
}

/// The session as it was before objects were made.
pub fn reset(conn: &mut Connection) -> Result<()> {
    // First, and alone: values of the same statement would still be told in the old one.
    conn.execute("SET NAMES utf8mb4")?;
    let mode = crate::mysql::value::LOAD_SQL_MODE;
    conn.execute(&format!("SET SESSION sql_mode='{mode}', time_zone='+00:00', timestamp=DEFAULT")).map(drop)
}

/// Runs a statement of any bytes in the character set of the session's client.
fn send(conn: &mut Connection, statement: &[u8]) -> Result<()> {
    if let Ok(text) = std::str::from_utf8(statement) {
        return conn.execute(text).map(drop);
    }
    let mut digits = String::with_capacity(statement.len() * 2);
    for byte in statement {
        let _ = write!(digits, "{byte:02x}");
    }
    // As bytes: in the client's character set, literals in others would be no text.
    conn.execute(&format!("SET @coffer_statement = x'{digits}'"))?;
    let answer = match conn.is_mariadb() {
        true => conn.execute("EXECUTE IMMEDIATE @coffer_statement"),
        false => prepared(conn),
    };
    conn.execute("SET @coffer_statement = NULL")?;
    answer.map(drop)
}

/// The way of servers that do not execute at once; they take views, but no programs.
fn prepared(conn: &mut Connection) -> Result<u64> {
    conn.execute("PREPARE coffer FROM @coffer_statement")?;
    let answer = conn.execute("EXECUTE coffer");
    conn.execute("DEALLOCATE PREPARE coffer")?;
    answer
}

/// Drops the object of this kind and name from the current database, if there is one.
pub fn remove(conn: &mut Connection, object: &ObjectRecord) -> Result<u64> {
    let word = match object.kind {
        SchemaObject::Sequence => "SEQUENCE",
        SchemaObject::View => "VIEW",
        SchemaObject::Trigger => "TRIGGER",
        SchemaObject::Procedure => "PROCEDURE",
        SchemaObject::Function => "FUNCTION",
        SchemaObject::Package => "PACKAGE",
        SchemaObject::PackageBody => "PACKAGE BODY",
        SchemaObject::Event => "EVENT",
        SchemaObject::User => "USER",
        SchemaObject::Library => "LIBRARY",
    };
    let sql = format!("DROP {word} IF EXISTS {}", quote(&object.name));
    if !matches!(object.kind, SchemaObject::Package | SchemaObject::PackageBody) {
        return conn.execute(&sql);
    }
    // Packages are words of one mode alone.
    conn.execute("SET SESSION sql_mode=ORACLE")?;
    let dropped = conn.execute(&sql);
    conn.execute(&format!("SET SESSION sql_mode='{}'", crate::mysql::value::LOAD_SQL_MODE))?;
    dropped
}

/// Why an object could not be made, naming it; an error that is not the object's goes on as one.
pub fn not_made(database: &str, object: &ObjectRecord, error: Error) -> Result<String> {
    match code_of(&error) {
        None => Err(error),
        Some(_) => Ok(format!(
            "{} `{database}`.`{}` could not be made: {}",
            object.kind.word(),
            object.name,
            said(&error)
        )),
    }
}
