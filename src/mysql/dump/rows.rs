//! Rows from a connection to chunks. It promises exactly the rows that the server sends, in their
//! order, through the binary protocol (the text protocol loses digits of FLOAT), memory for a few
//! rows, and an error, never an end, where the stream breaks off.

use super::table::Table;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::value::{CellFormat, cell};
use crate::progress::Progress;
use crate::rows::{ChunkSink, RowSummary, RowWriter};
use mysql::prelude::Queryable;
use mysql::{Row, Value};
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows between two looks at whether to stop.
const LOOK_ROWS: u64 = 256;

/// Whether to go on: asked between rows by every thread.
pub struct Watch<'a> {
    /// The operation's progress, which carries the user's wish to stop.
    pub progress: &'a Progress,
    /// Set once another thread failed.
    pub stop: AtomicBool,
}

impl<'a> Watch<'a> {
    /// Nothing failed yet.
    pub fn new(progress: &'a Progress) -> Watch<'a> {
        Watch { progress, stop: AtomicBool::new(false) }
    }

    /// Fails if the work is to stop.
    pub fn check(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Interrupted, "another connection failed")),
            false => self.progress.check(),
        }
    }
}

/// Turns rows of one table into chunks; may be fed by several statements.
pub struct RowFeed {
    formats: Vec<CellFormat>,
    key: Vec<u16>,
    writer: RowWriter,
    buffer: Vec<u8>,
    /// Key cells of the last row.
    pub last: Vec<Vec<u8>>,
    /// Rows so far.
    pub rows: u64,
}

impl RowFeed {
    /// A feed without rows.
    pub fn new(table: &Table, cutter_key: &[u8; 32]) -> RowFeed {
        let formats = table.formats();
        RowFeed {
            writer: RowWriter::new(formats.len(), &table.record.key, cutter_key),
            key: table.record.key.clone(),
            formats,
            buffer: Vec::new(),
            last: Vec::new(),
            rows: 0,
        }
    }

    /// Runs `sql` and takes its rows; their number.
    ///
    /// Errors: [`Kind::Database`], those of `out`, and [`Kind::Interrupted`]. After one that is not
    /// the server's, the connection is in the middle of an answer and must be dropped.
    pub fn take(
        &mut self,
        conn: &mut Connection,
        sql: &str,
        out: &mut dyn ChunkSink,
        watch: &Watch,
    ) -> Result<u64> {
        let before = self.rows;
        let statement = match conn.raw().prep(sql) {
            Ok(statement) => statement,
            Err(cause) => return Err(conn.failed(sql, cause)),
        };
        let taken = self.take_all(conn, &statement, out, watch);
        match taken {
            Ok(()) => {
                conn.raw().close(statement).map_err(|cause| conn.failed(sql, cause))?;
                Ok(self.rows - before)
            }
            Err(Broken::Server(cause)) => Err(conn.failed(sql, cause)),
            Err(Broken::Own(error)) => Err(error),
        }
    }

    fn take_all(
        &mut self,
        conn: &mut Connection,
        statement: &mysql::Statement,
        out: &mut dyn ChunkSink,
        watch: &Watch,
    ) -> std::result::Result<(), Broken> {
        let mut result = conn.raw().exec_iter(statement, ())?;
        let mut answer = Ok(());
        while let Some(row) = result.next() {
            let row = row?;
            answer = self.row(&row, out);
            if answer.is_ok() && self.rows.is_multiple_of(LOOK_ROWS) {
                answer = watch.check();
            }
            if answer.is_err() {
                // Dropped, it would read the rest of the answer, however long.
                std::mem::forget(result);
                break;
            }
        }
        answer.map_err(Broken::Own)
    }

    fn row(&mut self, row: &Row, out: &mut dyn ChunkSink) -> Result<()> {
        if row.len() != self.formats.len() {
            return Err(Error::new(Kind::Database, "a row has another number of cells than was asked for"));
        }
        for (number, format) in self.formats.iter().enumerate() {
            let value = row.as_ref(number).unwrap_or(&Value::NULL);
            match (format, value) {
                // Large values are not copied.
                (CellFormat::Raw, Value::Bytes(bytes)) => self.writer.cell(Some(bytes), out)?,
                _ => {
                    self.buffer.clear();
                    let is_some = cell(value, *format, &mut self.buffer)?;
                    self.writer.cell(is_some.then_some(&self.buffer[..]), out)?;
                }
            }
        }
        self.writer.end_row(out)?;
        self.rows += 1;
        self.note_key(row)
    }

    fn note_key(&mut self, row: &Row) -> Result<()> {
        self.last.resize(self.key.len(), Vec::new());
        for (kept, &number) in self.last.iter_mut().zip(&self.key) {
            let number = usize::from(number);
            kept.clear();
            if let (Some(value), Some(&format)) = (row.as_ref(number), self.formats.get(number)) {
                cell(value, format, kept)?;
            }
        }
        Ok(())
    }

    /// Ends the rows.
    pub fn finish(self, out: &mut dyn ChunkSink) -> Result<RowSummary> {
        self.writer.finish(out)
    }
}

/// Where reading rows broke off.
enum Broken {
    Server(mysql::Error),
    Own(Error),
}

impl From<mysql::Error> for Broken {
    fn from(cause: mysql::Error) -> Broken {
        Broken::Server(cause)
    }
}

/// Chunks that wait in memory, up to a bound, for a sink that must not slow down whoever reads.
pub struct Waiting<'a> {
    sink: &'a mut dyn ChunkSink,
    chunks: Vec<Vec<u8>>,
    bytes: usize,
    most_bytes: usize,
}

impl<'a> Waiting<'a> {
    /// Chunks for `sink`, of which at most `most_bytes` wait.
    pub fn new(sink: &'a mut dyn ChunkSink, most_bytes: usize) -> Waiting<'a> {
        Waiting { sink, chunks: Vec::new(), bytes: 0, most_bytes }
    }

    /// Hands over what waits.
    pub fn flush(&mut self) -> Result<()> {
        for chunk in self.chunks.drain(..) {
            self.sink.chunk(&[&chunk])?;
        }
        self.bytes = 0;
        Ok(())
    }
}

impl ChunkSink for Waiting<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.bytes.saturating_add(length) > self.most_bytes {
            self.flush()?;
            return self.sink.chunk(parts);
        }
        self.bytes += length;
        self.chunks.push(parts.concat());
        Ok(())
    }
}
