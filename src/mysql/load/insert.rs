//! Rows by prepared INSERT, for servers that allow no LOAD DATA LOCAL. It promises that the cells mean
//! the same as there, and a clear error for a row that the server's packet limit keeps out.

use super::table::{Rows, Task, failed};
use super::unexpected;
use crate::entry::database::ColumnForm;
use crate::error::{Error, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use crate::progress::Progress;
use mysql::prelude::Queryable;
use mysql::{Params, Statement, Value};

/// Most parameters of a statement, by the protocol.
const MAX_PARAMETERS: usize = 65_535;
/// Rows of a statement, if they are small.
const ROWS: usize = 500;
/// Bytes of a statement after which it is sent, if the server takes so much.
const STATEMENT_BYTES: u64 = 1 << 20;

/// Loads rows until their end or their pause.
pub fn load(connection: &mut Connection, task: &Task, rows: &mut Rows, progress: &Progress) -> Result<()> {
    let columns = task.table.columns.len().max(1);
    let empty = task.null_when_empty(connection.is_mariadb());
    let size = match empty.contains(&true) {
        true => 1,
        false => (MAX_PARAMETERS / columns).clamp(1, ROWS),
    };
    let mut batch = Batch::prepare(connection, task, size)?;
    // The cells are bytes: nothing shall take them for text of any character set.
    connection.execute("SET SESSION character_set_client=binary, collation_connection=binary")?;
    let most = (task.max_packet_bytes / 2).min(STATEMENT_BYTES);
    loop {
        let mut bytes = 0u64;
        let mut values = std::mem::take(&mut batch.row);
        let is_more = rows.next(&mut |cells| {
            values.extend(cells.map(|cell| {
                bytes += cell.map_or(1, |cell| cell.len() as u64 + 9);
                cell.map_or(Value::NULL, |cell| Value::Bytes(cell.to_vec()))
            }));
        })?;
        batch.row = values;
        if !is_more {
            break;
        }
        if bytes >= task.max_packet_bytes {
            return Err(too_long(task, bytes));
        }
        if batch.bytes + bytes > most {
            batch.send(connection, task)?;
        }
        batch.take_row(bytes);
        // Before the next row is read: two long ones are too much.
        if batch.rows == batch.size || batch.bytes > most {
            batch.send(connection, task)?;
        }
        progress.check()?;
        progress.advance(0, bytes);
    }
    batch.send(connection, task)?;
    connection.execute(
        "SET SESSION character_set_client=utf8mb4, character_set_connection=utf8mb4, character_set_results=utf8mb4",
    )?;
    Ok(())
}

/// Rows that wait for their statement.
struct Batch {
    /// Rows of the statement for many.
    size: usize,
    many: Statement,
    one: Statement,
    row: Vec<Value>,
    waiting: Vec<Value>,
    rows: usize,
    bytes: u64,
}

impl Batch {
    fn prepare(connection: &mut Connection, task: &Task, size: usize) -> Result<Batch> {
        let mut prepare = |rows: usize| {
            let sql = statement(task, rows, connection.is_mariadb());
            connection.raw().prep(&sql).map_err(|cause| connection.failed(&sql, cause))
        };
        let (many, one) = (prepare(size)?, prepare(1)?);
        Ok(Batch { size, many, one, row: Vec::new(), waiting: Vec::new(), rows: 0, bytes: 0 })
    }

    fn take_row(&mut self, bytes: u64) {
        self.waiting.append(&mut self.row);
        self.rows += 1;
        self.bytes += bytes;
    }

    /// Sends all rows that wait: a full batch at once, else one by one.
    fn send(&mut self, connection: &mut Connection, task: &Task) -> Result<()> {
        let is_full = self.rows == self.size;
        let (statement, rows) = if is_full { (&self.many, 1) } else { (&self.one, self.rows) };
        let mut values = std::mem::take(&mut self.waiting);
        let each = values.len() / rows.max(1);
        for _ in 0..rows {
            let rest = values.split_off(each.min(values.len()));
            let parameters = Params::Positional(std::mem::replace(&mut values, rest));
            let answer = connection.raw().exec_drop(statement, parameters);
            answer.map_err(|cause| failed(connection, task, cause))?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn statement(task: &Task, rows: usize, is_mariadb: bool) -> String {
    let columns = &task.table.columns;
    let names: Vec<String> = columns.iter().map(|c| quote(&c.name)).collect();
    let empty = task.null_when_empty(is_mariadb);
    let values: Vec<&str> = columns
        .iter()
        .zip(&empty)
        .map(|(c, &is_empty)| match c.form {
            _ if is_empty => "NULLIF(?,'')",
            ColumnForm::Literal => "CONVERT(? USING utf8mb4)",
            ColumnForm::Member => "CAST(? AS UNSIGNED)",
            _ => "?",
        })
        .collect();
    if empty.contains(&true) {
        // A statement of one row of VALUES would not take the NULL.
        return format!("INSERT INTO {} ({}) SELECT {}", task.place(), names.join(","), values.join(","));
    }
    let row = format!("({})", values.join(","));
    let all = vec![row; rows].join(",");
    format!("INSERT INTO {} ({}) VALUES {all}", task.place(), names.join(","))
}

fn too_long(task: &Task, bytes: u64) -> Error {
    let limit = task.max_packet_bytes;
    unexpected(format!(
        "{}: a row of {bytes} bytes is longer than the server takes (max_allowed_packet is {limit})",
        task.name()
    ))
    .hint(format!("SET GLOBAL max_allowed_packet={}, or allow local_infile", bytes.next_power_of_two()))
}
