//! Views, triggers, routines and events in a file of SQL. It promises the statement byte for byte
//! under its own settings, past a client that drops comments, carriage returns and NUL bytes and that
//! knows one character set: what the client would change goes as a string that the server runs.

use super::put;
use crate::entry::database::{DatabaseRecord, ObjectRecord, SchemaObject, ServerRecord};
use crate::error::Result;
use crate::mysql::identifier::quote;
use crate::mysql::schema::opening;
use crate::mysql::value::{LiteralFormat, session_settings, sql_literal};
use std::io::Write;

/// What the server that the file is for understands.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    pub is_mariadb: bool,
    /// 101119 for 10.11.19.
    pub version: u32,
    /// Whether EXECUTE IMMEDIATE takes every statement.
    pub runs_immediately: bool,
}

impl Dialect {
    pub fn of(server: &ServerRecord) -> Dialect {
        let is_mariadb = server.vendor == "MariaDB";
        let version = version_number(&server.version);
        Dialect { is_mariadb, version, runs_immediately: is_mariadb && version >= 100_602 }
    }

    pub fn vendor(&self) -> &'static str {
        if self.is_mariadb { "MariaDB" } else { "MySQL" }
    }
}

/// `10.11.19-MariaDB-…` is 101119; what is no version is 0.
fn version_number(version: &str) -> u32 {
    let numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    numbers.take(3).zip([10_000, 100, 1]).map(|(part, weight)| part.min(99) * weight).sum()
}

/// Writes one object.
pub fn write(
    out: &mut impl Write,
    dialect: &Dialect,
    database: &DatabaseRecord,
    object: &ObjectRecord,
) -> Result<()> {
    let setting = |name: &str| object.environment.iter().find(|s| s.name == name).map(|s| s.value.as_str());
    put(out, b"\n")?;
    if !object.problem.is_empty() {
        return dead(out, object);
    }
    // The server notes the database's collation beside the object.
    let collation = setting("collation_database").filter(|c| *c != database.collation && is_word(c));
    if let Some(collation) = collation {
        put(out, format!("ALTER DATABASE {} COLLATE {collation};\n", quote(&database.name)).as_bytes())?;
    }
    let is_event = object.kind == SchemaObject::Event;
    if is_event {
        // One whose time is over would be dropped as soon as it is made.
        put(out, b"SET SESSION timestamp=1;\n")?;
    }
    if let Some(opening) = opening(object) {
        put(out, format!("{opening};\n").as_bytes())?;
    }
    for statement in &object.statements {
        // Any other may run a view from a string, and no program.
        let is_odd_view = object.kind == SchemaObject::View && std::str::from_utf8(statement).is_err();
        if dialect.runs_immediately && !passes_client(statement, setting("character_set_client")) {
            from_string(out, statement, object, "EXECUTE IMMEDIATE @coffer_statement;\n")?;
        } else if is_odd_view {
            from_string(
                out,
                statement,
                object,
                "PREPARE coffer FROM @coffer_statement;\nEXECUTE coffer;\nDEALLOCATE PREPARE coffer;\n",
            )?;
        } else {
            put(out, environment(object).as_bytes())?;
            delimited(out, statement)?;
        }
    }
    if is_event {
        put(out, b"SET SESSION timestamp=DEFAULT;\n")?;
    }
    put(out, back(dialect).as_bytes())?;
    if collation.is_some() {
        put(
            out,
            format!("ALTER DATABASE {} COLLATE {};\n", quote(&database.name), database.collation).as_bytes(),
        )?;
    }
    Ok(())
}

/// A view that the server could not open where it lived, and can make nowhere: it is named, and kept
/// as a comment.
fn dead(out: &mut impl Write, object: &ObjectRecord) -> Result<()> {
    let mut text =
        format!("{} {} is dead: {}\n", object.kind.word(), quote(&object.name), object.problem).into_bytes();
    for statement in &object.statements {
        text.extend_from_slice(statement);
        text.push(b'\n');
    }
    for line in text.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        put(out, &[b"-- ", line, b"\n"].concat())?;
    }
    Ok(())
}

/// Whether a client hands the statement to the server as it is.
fn passes_client(statement: &[u8], character_set: Option<&str>) -> bool {
    let is_utf8 =
        character_set.is_none_or(|set| set.starts_with("utf8")) && std::str::from_utf8(statement).is_ok();
    let holds = |word: &[u8]| statement.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    let changed: [&[u8]; 7] = [b"--", b"#", b"/*", b"\r", b"\0", b"delimiter", b"\\"];
    (is_utf8 || statement.is_ascii()) && !changed.iter().any(|word| holds(word))
}

/// The statement as it is, up to a delimiter that is not in it.
fn delimited(out: &mut impl Write, statement: &[u8]) -> Result<()> {
    let is_free = |mark: &&str| !statement.windows(mark.len()).any(|w| w == mark.as_bytes());
    let mark = [";;", "$$", "//", "@@@@", "~~~~~~"].into_iter().find(is_free).unwrap_or(";;;;;;;;");
    put(out, format!("DELIMITER {mark}\n").as_bytes())?;
    put(out, statement)?;
    // On a line of its own, should the statement end in a comment.
    put(out, format!("\n{mark}\nDELIMITER ;\n").as_bytes())
}

/// The statement as a string that the server runs, whatever its bytes.
fn from_string(out: &mut impl Write, statement: &[u8], object: &ObjectRecord, run: &str) -> Result<()> {
    let mut text = b"SET @coffer_statement=".to_vec();
    let format =
        if std::str::from_utf8(statement).is_ok() { LiteralFormat::Text } else { LiteralFormat::Bytes };
    let mut string = Vec::new();
    sql_literal(Some(statement), format, &mut string);
    // The bytes, not the characters: what they mean is said by character_set_client.
    let bare = string.strip_prefix(b"_utf8mb4").unwrap_or(&string);
    if bare.starts_with(b"'") {
        text.extend_from_slice(b"_binary");
    }
    text.extend_from_slice(bare);
    text.extend_from_slice(b";\n");
    put(out, &text)?;
    put(out, environment(object).as_bytes())?;
    put(out, run.as_bytes())
}

/// The settings of the object.
fn environment(object: &ObjectRecord) -> String {
    const KNOWN: [&str; 4] = ["character_set_client", "collation_connection", "sql_mode", "time_zone"];
    let known = object.environment.iter().filter(|s| KNOWN.contains(&s.name.as_str()));
    let pairs: Vec<String> =
        known.map(|s| format!("{}='{}'", s.name, s.value.replace(['\'', '\\'], ""))).collect();
    if pairs.is_empty() { String::new() } else { format!("SET {};\n", pairs.join(", ")) }
}

/// The settings of the file again.
fn back(dialect: &Dialect) -> String {
    let settings = session_settings(dialect.is_mariadb, dialect.version);
    let pairs = settings.iter().filter(|(name, _)| matches!(*name, "sql_mode" | "time_zone"));
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    format!("SET NAMES utf8mb4;\nSET {};\n", pairs.join(", "))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_number("10.11.19-MariaDB-0+deb12u1"), 101_119);
        assert_eq!(version_number("8.0.36"), 80_036);
        assert_eq!(version_number("what"), 0);
    }

    #[test]
    fn what_a_client_changes_does_not_pass_it() {
        assert!(passes_client(b"begin select 'caf'; end", Some("sjis")));
        assert!(passes_client("caf\u{e9}".as_bytes(), Some("utf8mb3")));
        assert!(!passes_client("caf\u{e9}".as_bytes(), Some("latin1")));
        for changed in ["-- x", "# x", "/* x */", "a\r\nb", "a\0", "Delimiter x", "'\\''"] {
            assert!(!passes_client(changed.as_bytes(), Some("utf8mb4")), "{changed}");
        }
    }

    #[test]
    fn the_mark_is_not_in_the_statement() {
        let mut out = Vec::new();
        delimited(&mut out, b"begin ;; end").expect("memory");
        assert_eq!(out, b"DELIMITER $$\nbegin ;; end\n$$\nDELIMITER ;\n");
    }
}
