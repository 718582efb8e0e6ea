//! Defaults as they are. `SHOW CREATE TABLE` of MariaDB speaks three-byte UTF-8 and shortens FLOAT:
//! this module promises that a default it mangles is put right from `DEFAULT(column)`, and that what
//! cannot be asked for (members of ENUM and SET) is named.

use super::StoredColumns;
use super::options::with_hidden_options;
use crate::entry::database::{ColumnForm, ColumnRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;

/// What follows it in a table of this engine says how far its rows have counted.
const ARCHIVE: &[u8] = b" ENGINE=ARCHIVE AUTO_INCREMENT=";

/// The statement of `table`, which notes call `what`, as text from the bytes of `SHOW CREATE TABLE`.
///
/// Errors: [`Kind::Source`] for a statement that is no text even so.
pub fn exact_create(
    conn: &mut Connection,
    table: &str,
    what: &str,
    mut create: Vec<u8>,
    stored: &StoredColumns,
    notes: &mut Vec<String>,
) -> Result<String> {
    for column in &stored.columns {
        let is_member = column.form == ColumnForm::Member && column.column_type.contains('?');
        if is_member && !matches!(column.character_set.as_str(), "" | "latin1" | "ascii" | "utf8mb3" | "utf8")
        {
            notes.push(format!(
                "{what}: column `{}` has a member that the server shows with a question mark; if it is another \
                 character in truth, it is lost",
                column.name
            ));
        }
        let default = stored.defaults.iter().find(|(name, _)| *name == column.name).map(|(_, text)| text);
        if !conn.is_mariadb() || !default.is_some_and(|text| is_mangled(column, text)) {
            continue;
        }
        match exact_default(conn, table, column, &create)? {
            Some(exact) => create = replace_default(&create, &column.name, &exact),
            None => notes.push(format!(
                "{what}: the server may show the default of column `{}` in part only",
                column.name
            )),
        }
    }
    if create.windows(ARCHIVE.len()).any(|w| w == ARCHIVE) {
        create = without_counter(&create);
    }
    create = with_hidden_options(create);
    if let Some(counter) = &stored.null_counter {
        create = with_null_counter(&create, counter);
    }
    for column in &stored.masked {
        notes.push(format!(
            "{what}: column `{column}` has a masking policy, which is not carried: the snapshot holds what the \
             server shows of it to the user who backs up, which may be masks"
        ));
    }
    // MySQL says so of every TEXT.
    for column in stored.without_default.iter().filter(|_| conn.is_mariadb()) {
        notes.push(format!(
            "{what}: column `{column}` may be NULL and has no default, which no statement makes again: it \
             will have the default NULL"
        ));
    }
    let create = String::from_utf8(create).or_else(|bytes| String::from_utf8(with_digits(bytes.as_bytes())));
    create
        .map_err(|_| Error::new(Kind::Source, format!("{what}: its definition holds bytes that are no text")))
}

/// `create` with the literals in digits that are no UTF-8 and say which other character set they are in:
/// MySQL shows those of expressions so (`_latin1'…'`), byte for byte, and shows them so again of a table
/// that was made with digits.
fn with_digits(create: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(create.len());
    let mut at = 0;
    while let Some(&byte) = create.get(at) {
        let end = match byte {
            b'\'' => string_end(create, at),
            b'`' => create[at + 1..].iter().position(|&b| b == b'`').map_or(create.len(), |n| at + n + 2),
            _ => at + 1,
        };
        let token = &create[at..end.min(create.len())];
        at += token.len();
        match token.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'")) {
            Some(inner) if std::str::from_utf8(inner).is_err() && ends_with_introducer(&out) => {
                out.extend_from_slice(b" ");
                out.extend_from_slice(&in_digits(inner));
            }
            _ => out.extend_from_slice(token),
        }
    }
    out
}

/// Whether `text` ends with a word like `_latin1`.
fn ends_with_introducer(text: &[u8]) -> bool {
    let is_of_word = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
    let word = text.iter().rev().take_while(is_of_word).count();
    word > 1 && text.get(text.len() - word) == Some(&b'_')
}

/// Whether `text`, a constant default as `information_schema` tells it, may not be what it was. Those of
/// TEXT and BLOB are expressions to a MariaDB, which `SHOW CREATE TABLE` tells whole; as digits they would
/// be other ones.
fn is_mangled(column: &ColumnRecord, text: &str) -> bool {
    let kind = column.column_type.split(' ').next().unwrap_or_default();
    let is_string = text.starts_with('\'') && !kind.ends_with("text") && !kind.ends_with("blob");
    match column.form {
        ColumnForm::Float => text.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'-'),
        ColumnForm::Text => is_string && (text.contains('?') || !text.is_ascii()),
        ColumnForm::Bytes => is_string && text.bytes().any(|b| matches!(b, b'?' | b'\\' | ..=0x1f | 0x7f..)),
        _ => false,
    }
}

/// The default as a literal. It is asked for with a row of the table if there is one: without, the
/// server tells NULL for a column that is NOT NULL; then the bytes of `create` serve for a binary
/// string, which alone comes whole.
fn exact_default(
    conn: &mut Connection,
    table: &str,
    column: &ColumnRecord,
    create: &[u8],
) -> Result<Option<Vec<u8>>> {
    let default = format!("DEFAULT(t.{})", quote(&column.name));
    let expression = match column.form {
        ColumnForm::Float => format!("CAST({default} AS DOUBLE)"),
        _ => format!("HEX({default})"),
    };
    let sql =
        format!("SELECT {expression} FROM (SELECT 1) AS one LEFT JOIN {} AS t ON TRUE LIMIT 1", quote(table));
    let rows = conn.rows(&sql)?;
    let exact = rows.first().and_then(|row| row.bytes(0));
    Ok(match (exact, column.form) {
        (Some(exact), ColumnForm::Float) => Some(exact.to_vec()),
        (Some(exact), _) => Some([b"x'", exact, b"'"].concat()),
        (None, ColumnForm::Bytes) => shown_bytes(create, &column.name),
        (None, _) => None,
    })
}

/// The default between quotes in `create`, as hexadecimal digits.
fn shown_bytes(create: &[u8], column: &str) -> Option<Vec<u8>> {
    let (from, to) = default_of(create, column)?;
    let inner = create[from..to].strip_prefix(b"'")?.strip_suffix(b"'")?;
    Some(in_digits(inner))
}

/// What stands between the quotes of a literal, as one in hexadecimal digits.
fn in_digits(inner: &[u8]) -> Vec<u8> {
    let mut bytes = inner.iter();
    let mut out = b"x'".to_vec();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => 0,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'b') => 8,
                Some(b'Z') => 0x1a,
                Some(&other) => other,
                None => byte,
            },
            // A quote stands twice.
            b'\'' => bytes.next().copied().unwrap_or(byte),
            plain => plain,
        };
        out.extend_from_slice(format!("{byte:02X}").as_bytes());
    }
    out.push(b'\'');
    out
}

/// `create` with another default in the line of `column`.
fn replace_default(create: &[u8], column: &str, exact: &[u8]) -> Vec<u8> {
    match default_of(create, column) {
        Some((from, to)) => [&create[..from], exact, &create[to..]].concat(),
        None => create.to_vec(),
    }
}

/// `create` of an ARCHIVE table without the next number, which the rows give it again: told before, the
/// engine takes every row below it for a second one.
fn without_counter(create: &[u8]) -> Vec<u8> {
    let Some(at) = create.windows(ARCHIVE.len()).rposition(|w| w == ARCHIVE) else { return create.to_vec() };
    let (head, tail) = (at + b" ENGINE=ARCHIVE".len(), at + ARCHIVE.len());
    let digits = create[tail..].iter().take_while(|b| b.is_ascii_digit()).count();
    [&create[..head], &create[tail + digits..]].concat()
}

/// `create` with a counting column that takes NULL for a value: only said behind the word that makes it
/// count is it heard, and the server tells it by saying nothing.
fn with_null_counter(create: &[u8], column: &str) -> Vec<u8> {
    const WORD: &[u8] = b" AUTO_INCREMENT";
    let start = format!("\n  {} ", quote(column)).into_bytes();
    let line = create.windows(start.len()).position(|w| w == start).map(|at| at + start.len());
    let word = line.and_then(|line| Some(line + word_in(&create[line..], WORD)? + WORD.len()));
    match word {
        Some(at) => [&create[..at], b" NULL", &create[at..]].concat(),
        None => create.to_vec(),
    }
}

/// Where the default of `column` begins and ends in `create`.
fn default_of(create: &[u8], column: &str) -> Option<(usize, usize)> {
    let start = format!("\n  {} ", quote(column)).into_bytes();
    let line = create.windows(start.len()).position(|w| w == start)? + start.len();
    let (from, to) = default_in(&create[line..])?;
    Some((line + from, line + to))
}

/// Where the value after DEFAULT begins and ends, in the rest of a column's line.
fn default_in(line: &[u8]) -> Option<(usize, usize)> {
    const WORD: &[u8] = b" DEFAULT ";
    let from = word_in(line, WORD)? + WORD.len();
    Some((from, value_end(line, from)))
}

/// Where `word` begins outside of strings, in the rest of a column's line.
fn word_in(line: &[u8], word: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < line.len() && line[at] != b'\n' {
        if line[at..].starts_with(word) {
            return Some(at);
        }
        at = if line[at] == b'\'' { string_end(line, at) } else { at + 1 };
    }
    None
}

fn value_end(line: &[u8], from: usize) -> usize {
    match line.get(from) {
        Some(b'\'') => string_end(line, from),
        _ => line[from..]
            .iter()
            .position(|b| matches!(b, b' ' | b',' | b'\n'))
            .map_or(line.len(), |n| from + n),
    }
}

/// Behind the string that opens at `at`.
fn string_end(line: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = line.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' if line.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_may_be_null_says_so() {
        let create = b"CREATE TABLE `t` (\n  `a` int(11) COMMENT ' AUTO_INCREMENT',\n  `b` int(11) AUTO_INCREMENT COMMENT 'c',\n";
        let expected = "CREATE TABLE `t` (\n  `a` int(11) COMMENT ' AUTO_INCREMENT',\n  `b` int(11) AUTO_INCREMENT NULL COMMENT 'c',\n";
        assert_eq!(String::from_utf8_lossy(&with_null_counter(create, "b")), expected);
        assert_eq!(with_null_counter(create, "c"), create);
        let archive = b"CREATE TABLE `t` (\n) ENGINE=ARCHIVE AUTO_INCREMENT=25 DEFAULT CHARSET=latin1";
        assert_eq!(without_counter(archive), b"CREATE TABLE `t` (\n) ENGINE=ARCHIVE DEFAULT CHARSET=latin1");
    }

    #[test]
    fn literals_that_are_no_text_become_digits() {
        let create = b"CREATE TABLE `_x'\xff'` (\n  `a` text COMMENT '\xc3\x85''\\'',\n  `b` int AS (_latin1'\xc5\\'\\\\\\0''' <> _utf8mb4'\xc3\x85') '\xff'";
        let expected = b"CREATE TABLE `_x'\xff'` (\n  `a` text COMMENT '\xc3\x85''\\'',\n  `b` int AS (_latin1 x'C5275C0027' <> _utf8mb4'\xc3\x85') '\xff'";
        assert_eq!(with_digits(create), expected);
        assert_eq!(with_digits(b"a_'\xff"), b"a_'\xff");
    }

    #[test]
    fn the_default_of_the_right_column_is_replaced() {
        let create = b"CREATE TABLE `t` (\n  `a` enum(' DEFAULT ','it''s') DEFAULT '?''x\\'' COMMENT 'c',\n  `b` float DEFAULT 1,\n";
        let changed = replace_default(create, "a", b"x'41'");
        assert_eq!(
            String::from_utf8_lossy(&changed),
            "CREATE TABLE `t` (\n  `a` enum(' DEFAULT ','it''s') DEFAULT x'41' COMMENT 'c',\n  `b` float DEFAULT 1,\n"
        );
        let changed = replace_default(&changed, "b", b"16777216");
        assert!(changed.ends_with(b"`b` float DEFAULT 16777216,\n"));
        assert_eq!(replace_default(create, "c", b"x"), create);
        let shown = b"CREATE TABLE `t` (\n  `v` varbinary(9) NOT NULL DEFAULT '\xff\\0\\\\''a',\n";
        assert_eq!(shown_bytes(shown, "v").as_deref(), Some(b"x'FF005C2761'".as_slice()));
    }
}
