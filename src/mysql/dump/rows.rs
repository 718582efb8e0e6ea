//! Rows from a connection to chunks. It promises exactly the rows that the server sends, in their
//! order, through the binary protocol (the text protocol loses digits of FLOAT), memory for a few
//! rows, and an error, never an end, where the stream breaks off.

use super::long;
use super::place::{Rising, Unordered};
use super::table::Table;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::stream::TableStream;
use crate::mysql::value::{CellFormat, cell};
use crate::progress::Progress;
use crate::rows::{ChunkSink, RowSummary, RowWriter};
use mysql::prelude::Queryable;
use mysql::{Row, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Rows between two looks at whether to stop.
const LOOK_ROWS: u64 = 256;

/// Whether to go on: asked between rows by every thread.
pub struct Watch<'a> {
    /// The operation's progress, which carries the user's wish to stop.
    pub progress: &'a Progress,
    /// Set once another thread failed.
    pub stop: AtomicBool,
    /// When it has taken too long.
    until: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Nothing failed yet.
    pub fn new(progress: &'a Progress) -> Watch<'a> {
        Watch { progress, stop: AtomicBool::new(false), until: None }
    }

    /// A watch of its own over work that must not take longer than `most`.
    pub fn at_most(&self, most: Duration) -> Watch<'a> {
        Watch { until: Some(Instant::now() + most), ..Watch::new(self.progress) }
    }

    /// Whether the work takes too long.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Fails if the work is to stop.
    pub fn check(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Interrupted, "another connection failed")),
            false if self.is_over() => Err(Error::new(Kind::Interrupted, "reading takes too long")),
            false => self.progress.check(),
        }
    }
}

/// Turns rows of one table into chunks; may be fed by several statements.
pub struct RowFeed {
    table: Table,
    formats: Vec<CellFormat>,
    key: Vec<u16>,
    writer: RowWriter,
    buffer: Vec<u8>,
    /// Where rows are read as they stand: what shows that their order is that of the key.
    rising: Option<Rising>,
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
            table: table.clone(),
            formats,
            buffer: Vec::new(),
            rising: None,
            last: Vec::new(),
            rows: 0,
        }
    }

    /// From here on a row that does not stand behind the one before ends the reading, with an error that
    /// [`Unordered`] caused. Keys are one whole number.
    pub fn expect_rising(&mut self) {
        self.rising = self.key.first().map(|&column| Rising::new(usize::from(column)));
    }

    /// Runs `sql`, a statement of the table's, and takes its rows: all of the answer, or those up to
    /// the first with long cells, behind which the next statement begins.
    ///
    /// Errors: [`Kind::Database`], those of `out`, and [`Kind::Interrupted`]. After one that is not
    /// the server's, the connection is in the middle of an answer and must be dropped.
    pub fn take(
        &mut self,
        conn: &mut Connection,
        sql: &str,
        out: &mut dyn ChunkSink,
        watch: &Watch,
    ) -> Result<Took> {
        let before = self.rows;
        // What an expression says of the database is worked out once, for all sessions.
        conn.enter(&self.table.database)?;
        let statement = match conn.raw().prep(sql) {
            Ok(statement) => statement,
            Err(cause) => return Err(conn.failed(sql, cause)),
        };
        let taken = self.take_all(conn, &statement, out, watch);
        match taken {
            Ok(long) => {
                conn.raw().close(statement).map_err(|cause| conn.failed(sql, cause))?;
                if let Some(row) = &long {
                    self.long_row(conn, row, out)?;
                    watch.check()?;
                }
                Ok(Took { rows: self.rows - before, is_cut: long.is_some() })
            }
            Err(Broken::Server(cause)) => Err(conn.failed(sql, cause)),
            Err(Broken::Own(error)) => Err(error),
            Err(Broken::Order) => {
                conn.raw().close(statement).map_err(|cause| conn.failed(sql, cause))?;
                Err(Error::new(Kind::Database, self.table.name()).because(Unordered))
            }
        }
    }

    /// Takes rows; ends at the first that has long cells, and returns it.
    fn take_all(
        &mut self,
        conn: &mut Connection,
        statement: &mysql::Statement,
        out: &mut dyn ChunkSink,
        watch: &Watch,
    ) -> std::result::Result<Option<Row>, Broken> {
        let mut result = conn.raw().exec_iter(statement, ())?;
        let mut last = None;
        while let Some(row) = result.next() {
            let row = row?;
            let mut answer = match self.check(&row) {
                // The rows behind it are few, and come again.
                Ok(true) => return Ok(Some(row)),
                Ok(false) if self.rising.as_mut().is_some_and(|rising| !rising.takes(&row)) => {
                    return Err(Broken::Order);
                }
                Ok(false) => self.row(&row, out),
                Err(error) => Err(error),
            };
            last = Some(row);
            if answer.is_ok() && self.rows.is_multiple_of(LOOK_ROWS) {
                answer = watch.check();
            }
            if let Err(error) = answer {
                // Dropped, it would read the rest of the answer, however long.
                std::mem::forget(result);
                return Err(Broken::Own(error));
            }
        }
        if let Some(row) = last {
            self.note_key(&row).map_err(Broken::Own)?;
        }
        Ok(None)
    }

    /// Whether a row has long cells.
    fn check(&self, row: &Row) -> Result<bool> {
        if row.len() != self.formats.len() + self.table.long.len() {
            return Err(Error::new(Kind::Database, "a row has another number of cells than was asked for"));
        }
        for number in self.formats.len()..row.len() {
            if long::length(row, number)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn row(&mut self, row: &Row, out: &mut dyn ChunkSink) -> Result<()> {
        for number in 0..self.formats.len() {
            self.cell(row, number, out)?;
        }
        self.writer.end_row(out)?;
        self.rows += 1;
        Ok(())
    }

    /// A row some cells of which are fetched in pieces.
    fn long_row(&mut self, conn: &mut Connection, row: &Row, out: &mut dyn ChunkSink) -> Result<()> {
        self.note_key(row)?;
        for number in 0..self.formats.len() {
            let place = self.table.long.iter().position(|&column| column == number);
            let length = match place {
                Some(place) => long::length(row, self.formats.len() + place)?,
                None => 0,
            };
            if length == 0 {
                self.cell(row, number, out)?;
                continue;
            }
            let mut pieces = long::Pieces::new(conn, &self.table, number, &self.last, length);
            self.writer.long_cell(length, &mut || pieces.next(), out)?;
        }
        self.writer.end_row(out)?;
        self.rows += 1;
        Ok(())
    }

    fn cell(&mut self, row: &Row, number: usize, out: &mut dyn ChunkSink) -> Result<()> {
        let value = row.as_ref(number).unwrap_or(&Value::NULL);
        match (self.formats.get(number), value) {
            // Large values are not copied.
            (Some(CellFormat::Raw), Value::Bytes(bytes)) => self.writer.cell(Some(bytes), out),
            (format, _) => {
                self.buffer.clear();
                let is_some = cell(value, format.copied().unwrap_or(CellFormat::Raw), &mut self.buffer)?;
                self.writer.cell(is_some.then_some(&self.buffer[..]), out)
            }
        }
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

    /// Gives back memory, before a time without rows.
    pub fn rest(&mut self) {
        self.writer.rest();
        self.buffer = Vec::new();
    }

    /// Ends the rows.
    pub fn finish(self, out: &mut dyn ChunkSink) -> Result<RowSummary> {
        self.writer.finish(out)
    }
}

/// What one statement gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Rows that were taken.
    pub rows: u64,
    /// Whether the last of them was not the last of the answer.
    pub is_cut: bool,
}

/// Where reading rows broke off.
enum Broken {
    Server(mysql::Error),
    Own(Error),
    /// At a row that should stand elsewhere; the answer is read to its end.
    Order,
}

impl From<mysql::Error> for Broken {
    fn from(cause: mysql::Error) -> Broken {
        Broken::Server(cause)
    }
}

/// A stream whose chunks can be kept in memory for a while, so that a slow sink keeps nobody waiting
/// whom the reading of rows keeps waiting.
pub struct Buffered<'s> {
    stream: Box<dyn TableStream + 's>,
    /// Chunks; of groups also the hash that they end with.
    chunks: Vec<(Vec<u8>, Option<u64>)>,
    is_held: bool,
    bytes: usize,
    /// Bytes that all streams of the dump together may still keep.
    budget: Arc<AtomicUsize>,
}

impl<'s> Buffered<'s> {
    /// A stream that keeps nothing yet.
    pub fn new(stream: Box<dyn TableStream + 's>, budget: Arc<AtomicUsize>) -> Buffered<'s> {
        Buffered { stream, chunks: Vec::new(), is_held: false, bytes: 0, budget }
    }

    /// From here on chunks are kept, as long as there is room.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// Hands over what was kept; chunks go straight on again.
    pub fn flush(&mut self) -> Result<()> {
        self.is_held = false;
        self.give_out()
    }

    /// Hands everything over, before a time without rows.
    pub fn rest(&mut self) -> Result<()> {
        self.flush()?;
        self.stream.rest()
    }

    fn give_out(&mut self) -> Result<()> {
        for (chunk, end) in std::mem::take(&mut self.chunks) {
            match end {
                Some(end) => self.stream.group(&chunk, end)?,
                None => self.stream.chunk(&[&chunk])?,
            }
        }
        self.give_back();
        Ok(())
    }

    /// Keeps a chunk, if that is wanted and there is room; else what was kept goes before it.
    fn keep(&mut self, parts: &[&[u8]], end: Option<u64>) -> Result<bool> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let claim = |left: usize| left.checked_sub(length);
        if self.is_held && self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok() {
            self.bytes += length;
            self.chunks.push((parts.concat(), end));
            return Ok(true);
        }
        self.give_out().map(|()| false)
    }

    /// The stream, after everything was handed over.
    pub fn into_stream(mut self) -> Result<Box<dyn TableStream + 's>> {
        self.flush()?;
        Ok(self.stream)
    }

    fn give_back(&mut self) {
        self.budget.fetch_add(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl ChunkSink for Buffered<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        match self.keep(parts, None)? {
            true => Ok(()),
            false => self.stream.chunk(parts),
        }
    }

    fn group(&mut self, group: &[u8], end: u64) -> Result<()> {
        match self.keep(&[group], Some(end))? {
            true => Ok(()),
            false => self.stream.group(group, end),
        }
    }
}
