//! A sink that keeps what a dump gives in memory, and gives rows back.

#![allow(dead_code)]

use coffer::entry::database::{ObjectRecord, ServerRecord, TableRecord};
use coffer::entry::{Entry, EntryKind};
use coffer::error::Result;
use coffer::mysql::dump::{DumpPlan, DumpReport, dump};
use coffer::mysql::options::ServerOptions;
use coffer::mysql::stream::{DumpSink, TableStream};
use coffer::progress::Progress;
use coffer::rows::{ChunkSink, RowReader};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A row: a cell is NULL or bytes.
pub type KeptRow = Vec<Option<Vec<u8>>>;

/// A table's record with its chunks.
pub type KeptTable = (TableRecord, Vec<Vec<u8>>);

/// What a dump gave.
#[derive(Default)]
pub struct Kept {
    /// Tables by path.
    pub tables: Mutex<BTreeMap<String, KeptTable>>,
    /// Other entries by path.
    pub entries: Mutex<BTreeMap<String, Entry>>,
    /// Notes, and whether something is lost.
    pub notes: Mutex<Vec<(String, bool)>>,
    /// Streams that were begun, and that were ended.
    pub begun: AtomicU64,
    pub ended: AtomicU64,
}

/// Dumps with `plan`.
pub fn take(plan: &DumpPlan) -> Result<(Kept, DumpReport)> {
    let kept = Kept::default();
    let report = dump(plan, &kept, &Progress::default())?;
    kept.check();
    Ok((kept, report))
}

/// A plan for the databases named.
pub fn plan(server: ServerOptions, databases: &[&str]) -> DumpPlan {
    let databases = Some(databases.iter().map(|name| (*name).to_owned()).collect());
    DumpPlan { server, databases, cutter_key: [7; 32], ..DumpPlan::default() }
}

impl Kept {
    /// The rows of a table; each is proven against the table's count and checksum.
    #[track_caller]
    pub fn rows(&self, path: &str) -> Vec<KeptRow> {
        let tables = self.tables.lock().expect("tables");
        let (record, chunks) = tables.get(path).unwrap_or_else(|| panic!("no table {path}"));
        let mut reader = RowReader::new(chunks.iter().cloned().map(Ok), record.columns.len());
        let (mut rows, mut sum) = (Vec::new(), 0u128);
        if !record.columns.is_empty() {
            while let Some(row) = reader.next_row().expect("rows") {
                rows.push(row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect());
                sum = sum.wrapping_add(reader.row_hash());
            }
        }
        assert_eq!(rows.len() as u64, record.rows, "{path}: rows");
        assert_eq!(sum.to_le_bytes(), record.checksum, "{path}: checksum");
        rows
    }

    /// Rows as text, for messages.
    #[track_caller]
    pub fn text(&self, path: &str) -> Vec<Vec<String>> {
        let cell = |cell: &Option<Vec<u8>>| match cell {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "NULL".into(),
        };
        self.rows(path).iter().map(|row| row.iter().map(cell).collect()).collect()
    }

    /// The sum of a column of numbers.
    #[track_caller]
    pub fn sum(&self, path: &str, column: usize) -> i64 {
        self.text(path).iter().map(|row| row[column].parse::<i64>().expect("a number")).sum()
    }

    /// The record of the server.
    pub fn server(&self) -> ServerRecord {
        match &self.entries.lock().expect("entries").get("database/@server").expect("server").kind {
            EntryKind::Server(record) => (**record).clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The objects.
    pub fn objects(&self) -> Vec<ObjectRecord> {
        let entries = self.entries.lock().expect("entries");
        let object = |entry: &Entry| match &entry.kind {
            EntryKind::Object(object) => Some((**object).clone()),
            _ => None,
        };
        entries.values().filter_map(object).collect()
    }

    /// Proves every table.
    fn check(&self) {
        let paths: Vec<String> = self.tables.lock().expect("tables").keys().cloned().collect();
        for path in paths {
            self.rows(&path);
        }
    }
}

impl DumpSink for Kept {
    fn table(&self, _: &coffer::entry::EntryPath) -> Result<Box<dyn TableStream + '_>> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Stream { kept: self, chunks: Vec::new() }))
    }

    fn entry(&self, entry: Entry) -> Result<()> {
        let before = self.entries.lock().expect("entries").insert(entry.path.to_string(), entry);
        assert!(before.is_none(), "an entry comes twice: {before:?}");
        Ok(())
    }

    fn note(&self, note: String, is_loss: bool) -> Result<()> {
        self.notes.lock().expect("notes").push((note, is_loss));
        Ok(())
    }
}

struct Stream<'a> {
    kept: &'a Kept,
    chunks: Vec<Vec<u8>>,
}

impl ChunkSink for Stream<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.chunks.push(parts.concat());
        Ok(())
    }
}

impl TableStream for Stream<'_> {
    fn finish(self: Box<Self>, entry: Entry) -> Result<()> {
        self.kept.ended.fetch_add(1, Ordering::Relaxed);
        let EntryKind::Table(record) = entry.kind else { panic!("no table: {entry:?}") };
        let mut tables = self.kept.tables.lock().expect("tables");
        let before = tables.insert(entry.path.to_string(), (*record, self.chunks));
        assert!(before.is_none(), "{} comes twice", entry.path);
        Ok(())
    }
}
