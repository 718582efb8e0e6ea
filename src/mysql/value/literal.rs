//! Cells as SQL literals. It promises that a literal gives the cell's bytes back under
//! [`super::LOAD_SQL_MODE`] whatever the connection's character set, in both servers, and that no
//! cell, not even a forged one, ends its literal early. What a person can read stays readable: text
//! in UTF-8 as text, the rest as hexadecimal digits.

use crate::entry::database::{ColumnForm, ColumnRecord};
use crate::error::Result;

/// Longer values that are no text go as escaped bytes: digits would double their length, and a value
/// that the server took in one packet should fit into one again.
const RAW_FROM_BYTES: usize = 1 << 20;
/// Bytes of a long cell that are escaped at once.
const PART_BYTES: usize = 256 << 10;
/// Character sets in which a byte below 128 is that character, and nothing else.
const ASCII_WITHIN: [&str; 34] = [
    "ascii", "latin1", "latin2", "latin5", "latin7", "utf8", "utf8mb3", "utf8mb4", "cp1250", "cp1251",
    "cp1256", "cp1257", "cp850", "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "macce", "macroman",
    "keybcs2", "geostd8", "hp8", "armscii8", "tis620", "dec8", "ujis", "euckr", "gb2312", "eucjpms",
    "gb18030", "gbk", "big5",
];

/// How the cells of a column are written: made once a column, used for each cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralFormat {
    /// A number, bare.
    Number,
    /// A double, bare, with an exponent so that it is no DECIMAL.
    Float,
    /// Between quotes, as it is.
    Quoted,
    /// UTF-8, which the server shall take for a value.
    Utf8,
    /// Text of a column in UTF-8.
    Text,
    /// Text of a column whose character set contains ASCII.
    AsciiText,
    /// Anything.
    Bytes,
}

impl LiteralFormat {
    /// The format for `column`.
    pub fn of(column: &ColumnRecord) -> LiteralFormat {
        match column.form {
            ColumnForm::Number | ColumnForm::Member => LiteralFormat::Number,
            ColumnForm::Float => LiteralFormat::Float,
            ColumnForm::Temporal => LiteralFormat::Quoted,
            ColumnForm::Literal => LiteralFormat::Utf8,
            ColumnForm::Geometry | ColumnForm::Bytes => LiteralFormat::Bytes,
            ColumnForm::Text => match column.character_set.as_str() {
                "utf8mb4" | "utf8mb3" | "utf8" => LiteralFormat::Text,
                other if ASCII_WITHIN.contains(&other) => LiteralFormat::AsciiText,
                _ => LiteralFormat::Bytes,
            },
        }
    }
}

/// Appends the literal of a cell of this format to `out`; `None` is NULL.
pub fn sql_literal(cell: Option<&[u8]>, format: LiteralFormat, out: &mut Vec<u8>) {
    let Some(cell) = cell else { return out.extend_from_slice(b"NULL") };
    let is_number = || !cell.is_empty() && cell.iter().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'.' | b'e'));
    match format {
        LiteralFormat::Number if is_number() => out.extend_from_slice(cell),
        LiteralFormat::Float if is_number() => {
            out.extend_from_slice(cell);
            if !cell.contains(&b'e') {
                out.extend_from_slice(b"e0");
            }
        }
        _ => match introducer(cell, format) {
            Some(word) => {
                out.extend_from_slice(word);
                out.push(b'\'');
                escaped(cell, out);
                out.push(b'\'');
            }
            None => digits(cell, out),
        },
    }
}

/// Gives the literal of a cell of at least 1 MiB to `put` in parts; false: the cell is shorter, or
/// its literal is no string, and nothing was given.
pub fn long_literal(
    cell: &[u8],
    format: LiteralFormat,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    let is_bare = matches!(format, LiteralFormat::Number | LiteralFormat::Float);
    let Some(word) = introducer(cell, format).filter(|_| cell.len() >= RAW_FROM_BYTES && !is_bare) else {
        return Ok(false);
    };
    put(word)?;
    put(b"'")?;
    let mut out = Vec::new();
    for part in cell.chunks(PART_BYTES) {
        out.clear();
        escaped(part, &mut out);
        put(&out)?;
    }
    put(b"'").map(|()| true)
}

/// What stands before the quotes of a cell's literal; `None`: it is written in digits.
fn introducer(cell: &[u8], format: LiteralFormat) -> Option<&'static [u8]> {
    let is_utf8 = || std::str::from_utf8(cell).is_ok();
    Some(match format {
        LiteralFormat::Text if cell.is_ascii() => b"",
        LiteralFormat::Text | LiteralFormat::Utf8 if is_utf8() => b"_utf8mb4",
        LiteralFormat::AsciiText | LiteralFormat::Quoted if cell.is_ascii() => b"",
        // A person can read it, or it is very long.
        _ if cell.len() >= RAW_FROM_BYTES || cell.iter().all(|b| matches!(b, 0x20..0x7f)) => b"_binary",
        _ => return None,
    })
}

/// A binary string in hexadecimal digits.
fn digits(cell: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(cell.len() * 2 + 3);
    out.extend_from_slice(b"x'");
    for byte in cell {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'\'');
}

/// What stands between quotes, with everything escaped that a server or a client between could take
/// for something else: clients drop carriage returns and stop at NUL.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\'' | b'\\' | b'\n' | b'\r' | 0 | 0x1a)) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(match rest[at] {
            b'\n' => b'n',
            b'\r' => b'r',
            0 => b'0',
            0x1a => b'Z',
            other => other,
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
