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
use crate::mysql::schema::table_fingerprint;
use crate::mysql::stream::TableStream;
use crate::rows::RowSummary;
use std::sync::Arc;

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
        let feed = RowFeed::new(&table, &work.plan.cutter_key);
        Ok(Draft { table, feed, out: Buffered::new(work.sink.table()?, Arc::clone(&work.budget)) })
    }

    /// Reads all rows with one statement.
    pub fn read(&mut self, conn: &mut Connection, watch: &Watch) -> Step<()> {
        if !self.table.has_rows() {
            return Ok(());
        }
        let sql = self.table.select();
        let taken = self.feed.take(conn, &sql, &mut self.out, watch);
        taken.map(drop).map_err(|error| at_table(error, &self.table.name()))
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

/// Fails if the table is not defined as it was when the catalog was read.
pub fn unchanged(conn: &mut Connection, table: &Table) -> Step<()> {
    match table_fingerprint(conn, &table.database, &table.record.name)? {
        Some(print) if print == table.fingerprint => Ok(()),
        _ => Err(Stop::Changed(table.name())),
    }
}
