//! The head of a routine's or event's statement, which servers write in UTF-8 before a body in
//! another character set. It promises a statement in one character set: that of the object's client.

use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;

/// `statement` with its head in the character set `client`.
///
/// Errors: [`Kind::Source`] for a head that has no form there.
pub fn in_one_character_set(
    conn: &mut Connection,
    statement: &[u8],
    record: &ObjectRecord,
    client: &str,
) -> Result<Vec<u8>> {
    if statement.is_ascii() || client.starts_with("utf8") {
        return Ok(statement.to_vec());
    }
    let name = after_name(statement, &record.name);
    let pieces = match record.kind {
        SchemaObject::Event => std::iter::once(0..before_body(statement)).collect(),
        // A trigger's text is the author's, from its first word on; a view's is all of one kind.
        SchemaObject::Trigger | SchemaObject::View => Vec::new(),
        _ => vec![0..name, comment(statement, name)],
    };
    let mut out = Vec::with_capacity(statement.len());
    let mut at = 0;
    for piece in pieces {
        out.extend_from_slice(&statement[at..piece.start]);
        out.extend_from_slice(&converted(conn, &statement[piece.clone()], client)?);
        at = piece.end;
    }
    out.extend_from_slice(&statement[at..]);
    Ok(out)
}

/// UTF-8 in the character set `client`, if it comes back from there as it was.
fn converted(conn: &mut Connection, text: &[u8], client: &str) -> Result<Vec<u8>> {
    if text.is_ascii() {
        return Ok(text.to_vec());
    }
    let digits: String = text.iter().map(|b| format!("{b:02x}")).collect();
    let there = format!("CONVERT(CONVERT(x'{digits}' USING utf8mb4) USING {client})");
    let rows = conn.rows(&format!("SELECT CAST({there} AS BINARY), HEX(CONVERT({there} USING utf8mb4))"))?;
    let exact = rows.first().filter(|row| row.text(1).is_some_and(|back| back.eq_ignore_ascii_case(&digits)));
    exact.and_then(|row| row.bytes(0)).map(<[u8]>::to_vec).ok_or_else(|| {
        Error::new(
            Kind::Source,
            format!("its name or comment has no form in {client}, the character set of its text"),
        )
    })
}

/// `statement` with its comment as it stands where a backslash is a character like others: servers write
/// it with backslashes doubled whatever the `sql_mode` is.
pub fn with_plain_comment(statement: &[u8], record: &ObjectRecord, sql_mode: &str) -> Vec<u8> {
    let is_own = matches!(record.kind, SchemaObject::Trigger | SchemaObject::View);
    if is_own || !has_plain_backslashes(sql_mode) {
        return statement.to_vec();
    }
    let place = match record.kind {
        SchemaObject::Event => event_comment(statement),
        _ => comment(statement, after_name(statement, &record.name)),
    };
    let mut out = statement[..place.start].to_vec();
    let mut bytes = statement[place.clone()].iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'0') => 0,
                Some(b'Z') => 26,
                Some(&other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    out.extend_from_slice(&statement[place.end..]);
    out
}

fn has_plain_backslashes(sql_mode: &str) -> bool {
    sql_mode.split(',').any(|word| word == "NO_BACKSLASH_ESCAPES")
}

/// The statement that opens the table of a trigger, to be run before the settings of the trigger where
/// that is needed: MariaDB (10.11) reads the comments of a table's partitions in the `sql_mode` of whoever
/// opens the table, and cannot read one with a quote in it where a backslash escapes nothing.
pub fn opening(trigger: &ObjectRecord) -> Option<String> {
    let mode = trigger.environment.iter().find(|setting| setting.name == "sql_mode");
    let is_needed =
        trigger.kind == SchemaObject::Trigger && mode.is_some_and(|m| has_plain_backslashes(&m.value));
    is_needed.then(|| format!("DO (SELECT COUNT(*) FROM {} WHERE FALSE)", quote(&trigger.parent)))
}

/// The comment of an event, which stands last before its body.
fn event_comment(statement: &[u8]) -> std::ops::Range<usize> {
    const WORD: &[u8] = b" COMMENT '";
    let end = before_body(statement);
    let mut quote: Option<u8> = None;
    let mut skip = false;
    for (at, &byte) in statement[..end].iter().enumerate() {
        match quote {
            _ if skip => skip = false,
            Some(b'\'') if byte == b'\\' => skip = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if statement[at..].starts_with(WORD) => {
                return at + WORD.len()..end.saturating_sub(1).max(at + WORD.len());
            }
            None if matches!(byte, b'\'' | b'"' | b'`') => quote = Some(byte),
            None => {}
        }
    }
    end..end
}

/// The comment of a routine, quotes included, which stands between its parameters and its body.
fn comment(statement: &[u8], from: usize) -> std::ops::Range<usize> {
    const WORD: &[u8] = b"\n    COMMENT '";
    let Some(at) = statement[from..].windows(WORD.len()).position(|w| w == WORD) else { return from..from };
    let start = from + at + WORD.len();
    let mut end = start;
    while let Some(&byte) = statement.get(end) {
        match byte {
            b'\\' => end += 1,
            b'\'' if statement.get(end + 1) == Some(&b'\'') => end += 1,
            b'\'' => break,
            _ => {}
        }
        end += 1;
    }
    start..end.min(statement.len())
}

/// Behind the first place where the name stands between quotes.
fn after_name(statement: &[u8], name: &str) -> usize {
    let find = |quoted: String| {
        let quoted = quoted.into_bytes();
        statement.windows(quoted.len()).position(|w| w == quoted).map(|at| at + quoted.len())
    };
    find(quote(name)).or_else(|| find(format!("\"{}\"", name.replace('"', "\"\"")))).unwrap_or(0)
}

/// Before the ` DO ` that stands outside of quotes.
fn before_body(statement: &[u8]) -> usize {
    let mut quote: Option<u8> = None;
    let mut skip = false;
    for (at, &byte) in statement.iter().enumerate() {
        match quote {
            _ if skip => skip = false,
            Some(b'\'') if byte == b'\\' => skip = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'\'' | b'"' | b'`') => quote = Some(byte),
            None if statement[at..].starts_with(b" DO ") => return at,
            None => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_where_bodies_begin() {
        let statement =
            b"CREATE DEFINER=`a` EVENT ` DO ` ON SCHEDULE EVERY '1' DAY COMMENT 'it\\'s DO ' DO x";
        assert_eq!(&statement[before_body(statement)..], b" DO x");
        assert_eq!(before_body(b"CREATE EVENT"), 0);
        assert_eq!(after_name(b"CREATE DEFINER=`p`@`x` PROCEDURE `p`()", "p"), 18);
        assert_eq!(after_name(b"x \"q\"\"\"()", "q\""), 7);
    }
}
