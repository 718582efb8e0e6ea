//! Connections for loading. It promises that nothing a session checks or helps with changes a row or
//! refuses one that existed, as far as the server lets a session decide it.

use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::literal;
use crate::mysql::options::ServerOptions;
use crate::mysql::value::LOAD_SQL_MODE;
use std::time::{Duration, Instant};

/// How long a restore waits for the lock of one that was killed: its server may still notice.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// What servers may or may not have. Rows that break a CHECK existed and exist again; rows of the past
/// are told by us; tables need what they had, whatever the server asks of new ones.
const OPTIONAL: [&str; 13] = [
    "check_constraint_checks=0",
    "system_versioning_insert_history=1",
    "system_versioning_alter_history=KEEP",
    "innodb_strict_mode=0",
    "explicit_defaults_for_timestamp=1",
    // `utf8` is what it was on the older server that says so.
    "old_mode=UTF8_IS_UTF8MB3",
    "sql_require_primary_key=0",
    "sql_generate_invisible_primary_key=0",
    "sql_safe_updates=0",
    "restrict_fk_on_non_standard_key=0",
    "myisam_sort_buffer_size=134217728",
    "aria_sort_buffer_size=268435456",
    "net_buffer_length=1048576",
];

/// A connection for loading.
pub fn open(options: &ServerOptions) -> Result<Connection> {
    let mut connection = Connection::open(options)?;
    connection.execute(&format!(
        "SET SESSION sql_mode='{LOAD_SQL_MODE}', foreign_key_checks=0, unique_checks=0, autocommit=1, \
         lock_wait_timeout=60"
    ))?;
    for setting in OPTIONAL {
        tolerate(connection.execute(&format!("SET SESSION {setting}")))?;
    }
    Ok(connection)
}

/// What the server refused is no matter; whether it still answers is.
pub fn tolerate(result: Result<u64>) -> Result<()> {
    match result {
        Err(error) if code_of(&error).is_none() => Err(error),
        _ => Ok(()),
    }
}

/// What the server said in an error, without the statement.
pub fn said(error: &Error) -> String {
    std::error::Error::source(error).unwrap_or(error).to_string()
}

/// Holds the lock that keeps two restores of `database` apart, for as long as the connection lives.
///
/// Errors: [`Kind::Busy`].
pub fn lock(connection: &mut Connection, database: &str) -> Result<()> {
    let name = literal(&super::names::lock(database));
    let began = Instant::now();
    loop {
        if connection.value(&format!("SELECT GET_LOCK({name}, 1)"))?.as_deref() == Some("1") {
            return Ok(());
        }
        if began.elapsed() > LOCK_PATIENCE {
            return Err(Error::new(
                Kind::Busy,
                format!("database `{database}`: another restore into it is running"),
            ));
        }
    }
}
