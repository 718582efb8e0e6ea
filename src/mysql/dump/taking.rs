//! Tables on their way into the sink. It promises that no table counts as taken before the whole dump
//! is proven: streams stay open until then, and one that is dropped is given up.

use super::attempt::Work;
use super::plan::DumpReport;
use super::rows::{Buffered, RowFeed, Watch};
use super::step::{Step, Stop, at_table};
use super::table::Table;
use crate::entry::database::{TableRecord, table_path};
use crate::entry::{Entry, EntryKind, Metadata};
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::literal;
use crate::mysql::schema::table_fingerprint;
use crate::mysql::stream::TableStream;
use crate::rows::{ChunkSink, RowSummary};
use std::sync::Arc;

/// Bytes of a chunk of rows, about.
const CHUNK_BYTES: u64 = 8 << 20;
/// Most rows of a chunk.
const MOST_ROWS: u64 = 20_000;

/// A table whose rows are being read.
pub struct Draft<'s> {
    /// The table.
    pub table: Table,
    /// Its rows so far.
    pub feed: RowFeed,
    /// Where its chunks go.
    pub out: Buffered<'s>,
}

impl<'s> Draft<'s> {
    /// Begins a table.
    pub fn begin(table: Table, work: &Work<'_, 's>) -> Result<Draft<'s>> {
        let table = if work.one_instant { table.in_pieces() } else { table };
        let feed = RowFeed::new(&table, &work.plan.cutter_key);
        let stream = work.sink.table(&table_path(&table.database, &table.record.name))?;
        Ok(Draft { table, feed, out: Buffered::new(stream, Arc::clone(&work.budget)) })
    }

    /// Keeps as little as can be in memory until more rows come.
    pub fn rest(&mut self) -> Result<()> {
        self.feed.rest();
        self.out.rest()
    }

    /// Reads all rows: with one statement, or in chunks where long cells are fetched apart.
    pub fn read(&mut self, conn: &mut Connection, watch: &Watch) -> Step<()> {
        match self.table.has_rows() {
            true => self.read_behind(conn, watch),
            false => Ok(()),
        }
    }

    /// Reads all rows behind the last one.
    pub fn read_behind(&mut self, conn: &mut Connection, watch: &Watch) -> Step<()> {
        read_behind(&mut self.feed, &self.table, conn, &mut self.out, watch)
    }

    /// Ends the rows.
    pub fn end(mut self, watch: &Watch) -> Result<Taken<'s>> {
        let summary = self.feed.finish(&mut self.out)?;
        let stream = self.out.into_stream()?;
        watch.progress.advance(1, self.table.record.server_bytes);
        Ok(Taken { table: self.table, stream, summary })
    }
}

/// A table whose rows are all read.
pub struct Taken<'s> {
    /// The table.
    pub table: Table,
    stream: Box<dyn TableStream + 's>,
    summary: RowSummary,
}

impl Taken<'_> {
    /// Hands the table over; `latest` is its record as of the end of the dump (its counter may have
    /// moved).
    pub fn finish(self, latest: Option<&TableRecord>, report: &mut DumpReport) -> Result<()> {
        let Taken { table, stream, summary } = self;
        report.tables += 1;
        report.rows += summary.rows;
        report.bytes += summary.bytes;
        let create = latest.map_or_else(|| table.record.create.clone(), |record| record.create.clone());
        let record = TableRecord {
            create,
            rows: summary.rows,
            checksum: summary.checksum.to_le_bytes(),
            first_key: if table.record.key.is_empty() { Vec::new() } else { summary.first_key },
            last_key: if table.record.key.is_empty() { Vec::new() } else { summary.last_key },
            ..table.record
        };
        let path = table_path(&table.database, &record.name);
        stream.finish(Entry { path, kind: EntryKind::Table(Box::new(record)), metadata: Metadata::default() })
    }
}

/// Reads all rows of `table` behind the last one of `feed`.
pub fn read_behind(
    feed: &mut RowFeed,
    table: &Table,
    conn: &mut Connection,
    out: &mut dyn ChunkSink,
    watch: &Watch,
) -> Step<()> {
    let chunk = match table.long.is_empty() {
        true => None,
        false => Some(rows_of_chunk(conn, table)?),
    };
    loop {
        let last = Some(feed.last.as_slice()).filter(|last| !last.is_empty());
        let sql = table.select_after(last, chunk);
        let taken = feed.take(conn, &sql, out, watch).map_err(|error| at_table(error, &table.name()))?;
        if !taken.is_cut && chunk.is_none_or(|rows| taken.rows < rows) {
            return Ok(());
        }
    }
}

/// How many rows of a table with long cells are read at a time: about 8 MiB.
fn rows_of_chunk(conn: &mut Connection, table: &Table) -> Result<u64> {
    let sql = format!(
        "SELECT AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA={} AND TABLE_NAME={}",
        literal(&table.database),
        literal(&table.record.name)
    );
    let bytes = conn.rows(&sql)?.first().and_then(|row| row.number(0)).unwrap_or(0);
    Ok((CHUNK_BYTES / bytes.max(1)).clamp(1, MOST_ROWS))
}

/// Fails if the table is not defined as it was when the catalog was read.
pub fn unchanged(conn: &mut Connection, table: &Table) -> Step<()> {
    match table_fingerprint(conn, &table.database, &table.record.name)? {
        Some(print) if print == table.fingerprint => Ok(()),
        _ => Err(Stop::Changed(table.name())),
    }
}
