//! Values: what a cell's bytes are for each type, how a column is selected so that nothing of it is
//! lost, and the way from the binary protocol to canonical bytes (`format-spec/rows.md`, Cells). It
//! promises that equal values give equal bytes, that no two values that a server tells apart give
//! the same, and that a value of another kind than the column's is an error, never a guess.

mod literal;
mod loading;
mod momentary;
mod number;
mod zoned;

pub use literal::{LiteralFormat, long_literal, sql_literal};
pub use loading::{
    LOAD_SQL_MODE, LoadColumn, is_null_when_empty, load_column, moved_counter, session_settings,
    setting_statement,
};
pub use momentary::{is_momentary, momentary_statements};
pub use zoned::{is_zoned, zoned_statements};

use super::identifier::quote;
use crate::entry::database::{ColumnForm, ColumnRecord};
use crate::error::{Error, Kind, Result};
use mysql::Value;

/// What the cells of a column of `data_type` are (`information_schema.COLUMNS.DATA_TYPE`, in any
/// case); `None`: a type this program does not know, whose bytes are kept as they come
/// ([`ColumnForm::Bytes`]).
pub fn form_of(data_type: &str) -> Option<ColumnForm> {
    Some(match data_type.to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal" | "numeric" => {
            ColumnForm::Number
        }
        "float" | "double" | "real" => ColumnForm::Float,
        "bit" | "enum" | "set" => ColumnForm::Member,
        "date" | "datetime" | "timestamp" | "time" | "year" => ColumnForm::Temporal,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnForm::Text,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
            ColumnForm::Bytes
        }
        // MariaDB's JSON is a LONGTEXT by another name; MySQL's is a type of its own.
        "json" | "uuid" | "inet4" | "inet6" => ColumnForm::Literal,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => ColumnForm::Geometry,
        _ => return None,
    })
}

/// What to write for `column` between SELECT and FROM.
pub fn select_expression(column: &ColumnRecord) -> String {
    match column.form {
        // The index tells the empty member from the value that was refused. `+0` would be a double,
        // and a signed number for SET: neither holds 64 members.
        ColumnForm::Member => format!("CAST({} AS UNSIGNED)", quote(&column.name)),
        // Two digits stand for two years; the date behind them tells which. Its 1900 is the zero year.
        _ if is_short_year(column) => format!("IF(YEAR({0})=1900,0,YEAR({0}))", quote(&column.name)),
        _ => quote(&column.name),
    }
}

/// Whether `column` is a YEAR(2): it says, and is compared by, the last two digits of what it holds.
pub fn is_short_year(column: &ColumnRecord) -> bool {
    column.column_type.to_ascii_lowercase().starts_with("year(2)")
}

/// How the values of a column become bytes: made once a column, used for each cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFormat {
    /// Bytes as they come.
    Raw,
    /// Digits: from an integer, or a DECIMAL's text as it comes.
    Number,
    /// The shortest text of a double.
    Float,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD hh:mm:ss` and this many digits of the second.
    DateTime(u8),
    /// `[-]hh:mm:ss` and this many digits of the second.
    Time(u8),
    /// `YYYY`.
    Year,
}

impl CellFormat {
    /// The format for `column`.
    pub fn of(column: &ColumnRecord) -> CellFormat {
        match column.form {
            ColumnForm::Number | ColumnForm::Member => CellFormat::Number,
            ColumnForm::Float => CellFormat::Float,
            ColumnForm::Temporal => temporal(&column.column_type),
            _ => CellFormat::Raw,
        }
    }
}

/// `time(3)` has three digits of the second, `datetime` none.
fn temporal(column_type: &str) -> CellFormat {
    let lower = column_type.to_ascii_lowercase();
    let (name, rest) = lower.split_at(lower.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(lower.len()));
    let digits =
        || rest.strip_prefix('(').and_then(|r| r.bytes().next()).map_or(0, |b| b.wrapping_sub(b'0').min(6));
    match name {
        "date" => CellFormat::Date,
        "time" => CellFormat::Time(digits()),
        "year" => CellFormat::Year,
        _ => CellFormat::DateTime(digits()),
    }
}

/// Appends the canonical bytes of `value` to `out`; `false`, and nothing appended: it is NULL. The
/// value comes from the binary protocol, under `character_set_results = NULL` and in UTC.
///
/// Errors: [`Kind::Database`] for a value that no column of this format has.
pub fn cell(value: &Value, format: CellFormat, out: &mut Vec<u8>) -> Result<bool> {
    match (format, value) {
        (_, Value::NULL) => return Ok(false),
        (CellFormat::Raw | CellFormat::Number, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (CellFormat::Number, Value::Int(number)) => number::signed(*number, out),
        (CellFormat::Number, Value::UInt(number)) => number::unsigned(*number, out),
        (CellFormat::Float, Value::Float(number)) => {
            return number::float(f64::from(*number), out).map(|()| true);
        }
        (CellFormat::Float, Value::Double(number)) => return number::float(*number, out).map(|()| true),
        (CellFormat::Year, Value::Int(year)) if (0..=9999).contains(year) => {
            number::padded(*year as u64, 4, out)
        }
        (CellFormat::Year, Value::UInt(year)) if *year <= 9999 => number::padded(*year, 4, out),
        (CellFormat::Date, Value::Date(year, month, day, 0, 0, 0, 0)) => date(*year, *month, *day, out),
        (CellFormat::DateTime(digits), Value::Date(year, month, day, hour, minute, second, micros)) => {
            date(*year, *month, *day, out);
            out.push(b' ');
            clock(u64::from(*hour), *minute, *second, out);
            fraction(*micros, digits, out);
        }
        (CellFormat::Time(digits), Value::Time(is_negative, days, hours, minute, second, micros)) => {
            if *is_negative {
                out.push(b'-');
            }
            clock(u64::from(*days) * 24 + u64::from(*hours), *minute, *second, out);
            fraction(*micros, digits, out);
        }
        _ => return Err(unexpected(value, format)),
    }
    Ok(true)
}

fn date(year: u16, month: u8, day: u8, out: &mut Vec<u8>) {
    if year <= 9999 && month < 100 && day < 100 {
        let ([y0, y1], [y2, y3]) = (two((year / 100) as u8), two((year % 100) as u8));
        let ([m0, m1], [d0, d1]) = (two(month), two(day));
        out.extend_from_slice(&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]);
        return;
    }
    number::padded(u64::from(year), 4, out);
    out.push(b'-');
    number::padded(u64::from(month), 2, out);
    out.push(b'-');
    number::padded(u64::from(day), 2, out);
}

fn clock(hours: u64, minute: u8, second: u8, out: &mut Vec<u8>) {
    if hours < 100 && minute < 100 && second < 100 {
        let ([h0, h1], [m0, m1], [s0, s1]) = (two(hours as u8), two(minute), two(second));
        out.extend_from_slice(&[h0, h1, b':', m0, m1, b':', s0, s1]);
        return;
    }
    number::padded(hours, 2, out);
    out.push(b':');
    number::padded(u64::from(minute), 2, out);
    out.push(b':');
    number::padded(u64::from(second), 2, out);
}

/// Two digits of a number below 100.
fn two(number: u8) -> [u8; 2] {
    [b'0' + number / 10, b'0' + number % 10]
}

/// The first `digits` of six; the server keeps zeros in the rest.
fn fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    if digits > 0 {
        out.push(b'.');
        let at = out.len();
        number::padded(u64::from(micros), 6, out);
        out.truncate(at + usize::from(digits));
    }
}

fn unexpected(value: &Value, format: CellFormat) -> Error {
    let kind = match value {
        Value::NULL => "NULL",
        Value::Bytes(_) => "text",
        Value::Int(_) | Value::UInt(_) => "an integer",
        Value::Float(_) | Value::Double(_) => "a float",
        Value::Date(..) => "a date",
        Value::Time(..) => "a time",
    };
    Error::new(Kind::Database, format!("the server sends {kind} for a column of the format {format:?}"))
        .hint("was the table changed, or was the statement not a prepared one?")
}

#[cfg(test)]
mod tests;
