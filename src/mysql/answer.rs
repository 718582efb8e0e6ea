//! Large answers, row by row, as canonical cells. It promises the binary protocol (the text protocol
//! loses digits of FLOAT), the bytes that a dump makes of the same values, and memory for one row.

use super::connection::Connection;
use super::value::{CellFormat, cell};
use crate::error::Result;
use mysql::Value;
use mysql::prelude::Queryable;
use std::ops::Range;

/// Takes the cells of one row; `None`: NULL.
pub type TakeRow<'t> = dyn FnMut(&[Option<&[u8]>]) -> Result<()> + 't;

/// Runs `sql`, whose columns have these formats, and gives each row's cells (`None`: NULL) to `take`.
/// Text comes as it is stored only under `character_set_results=NULL`.
///
/// Errors: [`crate::error::Kind::Database`], and those of `take`, after which the rest of the answer is
/// read and left.
pub fn each_row(
    conn: &mut Connection,
    sql: &str,
    formats: &[CellFormat],
    take: &mut TakeRow<'_>,
) -> Result<()> {
    let statement = match conn.raw().prep(sql) {
        Ok(statement) => statement,
        Err(cause) => return Err(conn.failed(sql, cause)),
    };
    match rows(conn, &statement, formats, take) {
        Ok(answer) => {
            conn.raw().close(statement).map_err(|cause| conn.failed(sql, cause))?;
            answer
        }
        Err(cause) => Err(conn.failed(sql, cause)),
    }
}

/// What the server says on the outside, what `take` says on the inside.
fn rows(
    conn: &mut Connection,
    statement: &mysql::Statement,
    formats: &[CellFormat],
    take: &mut TakeRow<'_>,
) -> std::result::Result<Result<()>, mysql::Error> {
    let (mut bytes, mut places): (Vec<u8>, Vec<Place>) = Default::default();
    for row in conn.raw().exec_iter(statement, ())? {
        let row = row?;
        bytes.clear();
        places.clear();
        for (number, format) in formats.iter().enumerate() {
            let start = bytes.len();
            let value = row.as_ref(number).unwrap_or(&Value::NULL);
            // What is as it was sent may be long, and is not copied.
            if let (CellFormat::Raw, Value::Bytes(_)) = (format, value) {
                places.push(Place::Sent(number));
                continue;
            }
            match cell(value, *format, &mut bytes) {
                Ok(true) => places.push(Place::Made(start..bytes.len())),
                Ok(false) => places.push(Place::Null),
                Err(error) => return Ok(Err(error)),
            }
        }
        let cell = |place: &Place| match place {
            Place::Null => None,
            Place::Made(range) => bytes.get(range.clone()),
            Place::Sent(number) => match row.as_ref(*number) {
                Some(Value::Bytes(bytes)) => Some(&bytes[..]),
                _ => None,
            },
        };
        let cells: Vec<Option<&[u8]>> = places.iter().map(cell).collect();
        if let Err(error) = take(&cells) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// Where a cell's bytes stand.
enum Place {
    Null,
    /// Among those that were put together.
    Made(Range<usize>),
    /// In what the server sent for the cell of this number.
    Sent(usize),
}
