//! What a server's collations hold equal, as it says itself: which of the characters, and pairs of
//! letters, have the same weight. It promises to say so of the columns as they stand on the server that
//! is loaded, or to fail.

use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Cells, Connection};
use crate::mysql::identifier::{literal, quote};

/// The last code point that is asked for, and one: behind it no script is.
const END_OF_CODES: u32 = 0x34000;
/// The letters and digits whose pairs are asked for.
const PAIRED: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
/// Character sets of more than a byte a character that are understood.
const UNICODE: [&str; 3] = ["utf8", "utf8mb3", "utf8mb4"];

/// A collation of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collation {
    /// The characters of its character set: in UTF-8 by code point, else by their byte.
    pub characters: Vec<Weighed>,
    /// Pairs of two plain letters or digits, with their weight.
    pub pairs: Vec<([u8; 2], Vec<u8>)>,
    /// Whether spaces at the end make no difference.
    pub is_padded: bool,
}

/// A character and what it weighs: equal weights are equal to the collation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Its code point, or its byte.
    pub code: u32,
    /// The character; `None`: the byte means none.
    pub character: Option<char>,
    /// Its weight; empty: it makes no difference.
    pub weight: Vec<u8>,
}

/// The collations of a table's columns.
pub trait Collations {
    /// Character set and collation of the column; `None`: it has none.
    fn of_column(&mut self, column: &str) -> Result<Option<(String, String)>>;

    /// What the collation holds equal: a long answer, for whoever asks to keep.
    fn weights(&mut self, character_set: &str, collation: &str) -> Result<Collation>;
}

/// Those of a table that stands in the staging database.
pub struct Staged<'a> {
    /// The connection.
    pub conn: &'a mut Connection,
    /// The staging database.
    pub staging: &'a str,
    /// The table.
    pub table: &'a str,
}

impl Collations for Staged<'_> {
    fn of_column(&mut self, column: &str) -> Result<Option<(String, String)>> {
        let sql = format!(
            "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA={} AND TABLE_NAME={} AND COLUMN_NAME={}",
            literal(self.staging),
            literal(self.table),
            literal(column)
        );
        let rows = self.conn.rows(&sql)?;
        Ok(rows.first().and_then(|row| row.text(0).zip(row.text(1))))
    }

    fn weights(&mut self, character_set: &str, collation: &str) -> Result<Collation> {
        ask(self.conn, character_set, collation)
    }
}

fn ask(conn: &mut Connection, set: &str, collation: &str) -> Result<Collation> {
    let is_unicode = UNICODE.contains(&set);
    let in_set = |text: &str| format!("CONVERT({text} USING {}) COLLATE {}", quote(set), quote(collation));
    let padded = format!("SELECT {0}={1}", in_set("'a'"), in_set("'a '"));
    let is_padded = conn.value(&padded)?.as_deref() == Some("1");
    if is_unicode && collation.ends_with("_bin") {
        return Ok(Collation { is_padded, ..exact() });
    }
    let (end, character) = match (is_unicode, set) {
        (true, "utf8mb4") => (END_OF_CODES, in_set("CHAR(n USING utf32)")),
        (true, _) => (0x10000, in_set("CHAR(n USING ucs2)")),
        _ => (0x100, format!("CHAR(n USING {}) COLLATE {}", quote(set), quote(collation))),
    };
    let unicode =
        if is_unicode { "NULL".to_owned() } else { format!("HEX(CONVERT({character} USING utf8mb4))") };
    let sql = format!(
        "SELECT n, HEX(WEIGHT_STRING({character})), {unicode} FROM ({}) codes \
         WHERE n < {end} AND n NOT BETWEEN 55296 AND 57343",
        numbers(if is_unicode { 5 } else { 2 })
    );
    let rows = conn.rows(&sql)?;
    let characters: Vec<Weighed> = rows.iter().filter_map(|row| weighed(row, is_unicode)).collect();
    let pairs = pairs(conn, &in_set)?;
    if characters.len() < 0x80 || pairs.len() < PAIRED.len() * PAIRED.len() {
        return Err(Error::new(
            Kind::Database,
            format!("{}: does not say what the collation {collation} holds equal", conn.name()),
        ));
    }
    Ok(Collation { characters, pairs, is_padded })
}

fn pairs(conn: &mut Connection, in_set: &dyn Fn(&str) -> String) -> Result<Vec<([u8; 2], Vec<u8>)>> {
    let each: Vec<String> = PAIRED.chars().map(|c| format!("SELECT '{c}' c")).collect();
    let each = each.join(" UNION ALL ");
    let sql = format!(
        "SELECT CONCAT(a.c, b.c), HEX(WEIGHT_STRING({})) FROM ({each}) a, ({each}) b",
        in_set("CONCAT(a.c, b.c)")
    );
    let pair = |row: &Cells| Some((row.bytes(0)?.try_into().ok()?, row.bytes(1).and_then(from_hex)?));
    Ok(conn.rows(&sql)?.iter().filter_map(pair).collect())
}

fn weighed(row: &Cells, is_unicode: bool) -> Option<Weighed> {
    let code = u32::try_from(row.number(0)?).ok()?;
    let weight = from_hex(row.bytes(1)?)?;
    let told = || {
        let text = String::from_utf8(from_hex(row.bytes(2)?)?).ok()?;
        text.chars().next().filter(|c| *c != '?' || code == u32::from('?'))
    };
    let character = if is_unicode { char::from_u32(code) } else { told() };
    Some(Weighed { code, character, weight })
}

/// A query for the numbers below 16 to the power of `digits`, as `n`.
fn numbers(digits: usize) -> String {
    let each: Vec<String> = (0..16).map(|d| format!("SELECT {d} d")).collect();
    let each = each.join(" UNION ALL ");
    // The fifth counts planes, of which four have scripts.
    let from: Vec<String> = (0..digits)
        .map(|at| format!("(SELECT d FROM ({each}) d{at} WHERE d < {}) t{at}", if at < 4 { 16 } else { 4 }))
        .collect();
    let sum: Vec<String> = (0..digits).map(|at| format!("t{at}.d*{}", 1u32 << (4 * at))).collect();
    format!("SELECT {} n FROM {}", sum.join("+"), from.join(","))
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    text.chunks(2).map(|two| Some((digit(two.first()?)? * 16 + digit(two.get(1)?)?) as u8)).collect()
}

/// A collation of UTF-8 that holds nothing equal but what is the same.
pub fn exact() -> Collation {
    let weighed = |code: u32| {
        let character = char::from_u32(code)?;
        Some(Weighed { code, character: Some(character), weight: code.to_be_bytes()[1..].to_vec() })
    };
    Collation { characters: (0..END_OF_CODES).filter_map(weighed).collect(), ..Collation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_collation_has_every_character_once() {
        let all = exact();
        let weights: std::collections::HashSet<&[u8]> =
            all.characters.iter().map(|c| &c.weight[..]).collect();
        assert_eq!(weights.len(), all.characters.len());
        assert_eq!(all.characters.len(), 0x34000 - 0x800);
    }

    #[test]
    fn hex_is_read_or_refused() {
        assert_eq!(from_hex(b"0a2B"), Some(vec![0x0a, 0x2b]));
        assert_eq!(from_hex(b""), Some(Vec::new()));
        assert_eq!((from_hex(b"0"), from_hex(b"0g")), (None, None));
    }
}
