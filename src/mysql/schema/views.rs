//! Views. It promises each view's statement, dead ones included, in an order in which views come
//! after those they stand on.

use super::names::mentions;
use super::order::after_needs;
use super::tables::{Listed, ListedKind};
use super::{Schema, environment, loss, one_row};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{literal, quote};

/// Reads each listed view.
pub fn read(conn: &mut Connection, listed: &[Listed], schema: &mut Schema) -> Result<()> {
    let mut views = Vec::new();
    for view in listed.iter().filter(|t| t.kind == ListedKind::View) {
        let what = format!("view `{}`.`{}`", schema.database.name, view.name);
        match read_as_made(conn, &schema.database.name, &view.name) {
            Ok(record) => {
                let problem = &record.problem;
                if !problem.is_empty() {
                    schema.notes.push(format!("{what} is dead ({problem}); its definition is carried"));
                }
                views.push(record);
            }
            Err(error) => loss(what, error, schema)?,
        }
    }
    let mentioned = |a: usize, b: usize| {
        let statement: &[u8] =
            views.get(a).and_then(|v: &ObjectRecord| v.statements.first()).map_or(&[], |s| s);
        views.get(b).is_some_and(|b| mentions(statement, &b.name).next().is_some())
    };
    let needs: Vec<Vec<bool>> =
        (0..views.len()).map(|a| (0..views.len()).map(|b| mentioned(a, b)).collect()).collect();
    let order = after_needs(views.len(), |a, b| needs[a][b]);
    for (place, number) in order.into_iter().enumerate() {
        let order = u32::try_from(place).unwrap_or(u32::MAX);
        schema.objects.push(ObjectRecord { order, ..std::mem::take(&mut views[number]) });
    }
    Ok(())
}

/// A view, and what is against it: of one that does not open, what it says where the session's collation
/// is that under which it was made, since numbers become text of that.
fn read_as_made(conn: &mut Connection, database: &str, name: &str) -> Result<ObjectRecord> {
    let first = read_one(conn, name);
    match &first {
        Ok(record) if record.problem.is_empty() => return first,
        Err(error) if code_of(error).is_none() => return first,
        _ => {}
    }
    let sql = format!(
        "SELECT COLLATION_CONNECTION FROM information_schema.VIEWS WHERE TABLE_SCHEMA={} AND TABLE_NAME={}",
        literal(database),
        literal(name)
    );
    let rows = conn.rows(&sql).unwrap_or_default();
    let own = rows.first().and_then(|row| row.text(0)).filter(|text| !text.is_empty());
    let (Some(own), Some(before)) = (own, conn.value("SELECT @@collation_connection")?) else { return first };
    let set = |collation: &str| format!("SET SESSION collation_connection={}", literal(collation));
    if conn.execute(&set(&own)).is_err() {
        return first;
    }
    let second = read_one(conn, name);
    // Nothing else: the session reads statements as bytes.
    conn.execute(&set(&before))?;
    match second {
        Ok(record) if record.problem.is_empty() || first.is_err() => Ok(record),
        _ => first,
    }
}

fn read_one(conn: &mut Connection, name: &str) -> Result<ObjectRecord> {
    let record = statement(conn, name)?;
    let problem = match why_dead(conn, name)? {
        Some((VIEW_INVALID, _)) if has_sound_query(conn, &record)? => String::new(),
        Some((_, said)) => said,
        None => String::new(),
    };
    Ok(ObjectRecord { problem, ..record })
}

/// Whether the query of a view can be prepared: a MySQL calls a view invalid as soon as one of its tables
/// is altered while its definer is gone. Such a one can be made as it was.
fn has_sound_query(conn: &mut Connection, view: &ObjectRecord) -> Result<bool> {
    let Some(query) = view.statements.first().and_then(|statement| query_of(statement, &view.name)) else {
        return Ok(false);
    };
    conn.execute(&format!("SET @coffer_statement = {}", literal(query)))?;
    let is_sound = match conn.execute("PREPARE coffer_view FROM @coffer_statement") {
        Ok(_) => conn.execute("DEALLOCATE PREPARE coffer_view").map(|_| true)?,
        Err(error) if code_of(&error).is_some() => false,
        Err(error) => return Err(error),
    };
    conn.execute("SET @coffer_statement = NULL")?;
    Ok(is_sound)
}

/// What stands behind AS in the statement of the view `name`, without its CHECK OPTION.
fn query_of<'a>(statement: &'a [u8], name: &str) -> Option<&'a str> {
    let head = format!(" VIEW {} ", quote(name));
    let (_, mut rest) = std::str::from_utf8(statement).ok()?.split_once(head.as_str())?;
    if let Some(columns) = rest.strip_prefix('(') {
        rest = columns;
        while let Some(column) = rest.trim_start_matches([',', ' ']).strip_prefix('`') {
            rest = quoted(column, '`')?.1;
        }
        rest = rest.strip_prefix(") ")?;
    }
    let query = rest.strip_prefix("AS ")?;
    let options = [" WITH CASCADED CHECK OPTION", " WITH LOCAL CHECK OPTION"];
    Some(options.iter().find_map(|option| query.strip_suffix(option)).unwrap_or(query))
}

fn statement(conn: &mut Connection, name: &str) -> Result<ObjectRecord> {
    let row = one_row(conn, &format!("SHOW CREATE VIEW {}", quote(name)))?;
    let statement = row.bytes(1).filter(|s| !s.is_empty());
    let statement =
        statement.ok_or_else(|| Error::new(Kind::Database, "its definition is hidden from this user"))?;
    Ok(ObjectRecord {
        kind: SchemaObject::View,
        name: name.into(),
        definer: definer(statement),
        statements: vec![statement.to_vec()],
        environment: environment(&[
            ("character_set_client", row.text(2)),
            ("collation_connection", row.text(3)),
            ("sql_mode", Some(String::new())),
        ]),
        ..ObjectRecord::default()
    })
}

/// What servers say where it is the user who may not: run a function, see a database, table or column.
/// The view lives.
const NOT_ALLOWED: [u16; 4] = [1370, 1044, 1142, 1143];

/// `ER_VIEW_INVALID`: something that the view names is not there, or its definer may not or is not.
const VIEW_INVALID: u16 = 1356;

/// What the server says against a view that it cannot open, and its number for that.
fn why_dead(conn: &mut Connection, name: &str) -> Result<Option<(u16, String)>> {
    // Opens the view and reads nothing.
    match conn.rows(&format!("SHOW FIELDS FROM {}", quote(name))) {
        Ok(_) => Ok(None),
        Err(error) if code_of(&error).is_some_and(|code| NOT_ALLOWED.contains(&code)) => Ok(None),
        Err(error) => match code_of(&error) {
            Some(code) => Ok(Some((code, said(&error)))),
            None => Err(error),
        },
    }
}

fn said(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// `user@host` from ``DEFINER=`user`@`host` ``; double quotes do as well.
pub fn definer(statement: &[u8]) -> String {
    let text = String::from_utf8_lossy(statement);
    let Some(at) = text.find("DEFINER=") else { return String::new() };
    let mut rest = &text[at + "DEFINER=".len()..];
    let mut parts = Vec::new();
    while let Some(mark) = rest.chars().next().filter(|c| matches!(c, '`' | '"')) {
        let Some((part, after)) = quoted(&rest[1..], mark) else { break };
        parts.push(part);
        rest = after.strip_prefix('@').unwrap_or("");
    }
    parts.join("@")
}

/// A name up to its closing quote, and what follows.
fn quoted(inner: &str, mark: char) -> Option<(String, &str)> {
    let mut from = 0;
    loop {
        let at = from + inner.get(from..)?.find(mark)?;
        let after = &inner[at + 1..];
        if !after.starts_with(mark) {
            let twice: String = [mark, mark].iter().collect();
            return Some((inner[..at].replace(&twice, &mark.to_string()), after));
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_views_are_found() {
        let statement = "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW `v``1` (`a``)`,`b`) AS select 1 AS `a`";
        assert_eq!(query_of(statement.as_bytes(), "v`1"), Some("select 1 AS `a`"));
        assert_eq!(query_of(b"CREATE VIEW `v` AS select 2 WITH LOCAL CHECK OPTION", "v"), Some("select 2"));
        assert_eq!(query_of(b"CREATE VIEW `v` (`a", "v"), None);
    }

    #[test]
    fn definers_are_found() {
        assert_eq!(definer(b"CREATE DEFINER=`a``b`@`%` VIEW `x`"), "a`b@%");
        assert_eq!(definer(b"CREATE DEFINER=\"a\"@\"%\" PACKAGE \"x\""), "a@%");
        assert_eq!(definer(b"CREATE ALGORITHM=MERGE DEFINER=`role` VIEW"), "role");
        assert_eq!(definer(b"CREATE VIEW DEFINER=`a"), "");
    }
}
