//! What becomes of routines, told before anything is touched. It promises to name the functions that
//! the server will not make, and the grants that go with routines that are replaced.

use super::choose::Part;
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::Result;
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::identifier::literal;

/// Functions that do not say how they depend on data, which nobody may make on a server with a binary
/// log and without trust.
pub fn undeclared_functions(part: &Part, server: &str) -> Option<String> {
    const DECLARED: [&str; 3] = ["\n    DETERMINISTIC\n", "\n    NO SQL\n", "\n    READS SQL DATA\n"];
    let is_undeclared = |object: &&ObjectRecord| {
        let text =
            object.statements.first().map_or(String::new(), |s| String::from_utf8_lossy(s).into_owned());
        object.kind == SchemaObject::Function && !DECLARED.iter().any(|words| text.contains(words))
    };
    let named: Vec<String> = part
        .objects
        .iter()
        .copied()
        .filter(is_undeclared)
        .map(|object| format!("`{}`.`{}`", part.database.name, object.name))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "{server} makes no function that is declared neither DETERMINISTIC nor NO SQL nor READS SQL DATA; \
             SET GLOBAL log_bin_trust_function_creators=1 lets it make: {}",
            named.join(", ")
        )
    })
}

/// Grants on single routines of `database`, which the server takes away with the routines that are
/// replaced. Without the right to read them, nothing is said.
pub fn routine_grants(conn: &mut Connection, database: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT Db, User, Host, Routine_name FROM mysql.procs_priv WHERE Db={} ORDER BY 4, 2, 3",
        literal(database)
    );
    let rows = match conn.rows(&sql) {
        Ok(rows) => rows,
        Err(error) if code_of(&error).is_some() => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = |row: &Cells, number| row.text(number).unwrap_or_default();
    let named: Vec<String> = rows
        .iter()
        .map(|row| format!("'{}'@'{}' on `{}`", text(row, 1), text(row, 2), text(row, 3)))
        .collect();
    Ok((!named.is_empty()).then(|| {
        format!(
            "grants on single routines of `{database}` go with the routines that are replaced, grant them \
             again: {}",
            named.join(", ")
        )
    }))
}
