//! A database read into memory, as a snapshot would keep it: what tests of restores load. It promises
//! the entries and chunks that the formats describe, read through the same expressions as a dump's.

#![allow(dead_code)]

use coffer::entry::database::{DatabaseRecord, ServerRecord, TableRecord};
use coffer::error::{Error, Result};
use coffer::mysql::connection::Connection;
use coffer::mysql::identifier::qualified;
use coffer::mysql::load::{DatabaseEntries, LoadSource};
use coffer::mysql::schema::{SchemaOptions, read_database, read_users};
use coffer::mysql::stream::{Chunks, RowSource};
use coffer::mysql::value::{CellFormat, cell, select_expression};
use coffer::rows::{ChunkSink, RowWriter};
use mysql::prelude::Queryable;
use std::collections::HashMap;
use std::sync::Mutex;

/// What is run with a table.
pub type Before = Box<dyn Fn(&TableRecord) + Sync + Send>;

/// Databases in memory.
#[derive(Default)]
pub struct Snapshot {
    pub source: LoadSource,
    /// Chunks by the table's statement and checksum, which tell it from others.
    chunks: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Tables whose chunks break off, or end early, after so many chunks.
    pub broken: Mutex<HashMap<String, usize>>,
    /// What is run before the chunks of a table are given.
    pub before: Option<Before>,
}

#[derive(Default)]
struct Collect(Vec<Vec<u8>>);

impl ChunkSink for Collect {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.0.push(parts.concat());
        Ok(())
    }
}

fn key(table: &TableRecord) -> Vec<u8> {
    // Also where a test gives it the words of an older server.
    let create = table.create.replace("utf8mb3", "utf8");
    [table.name.as_bytes(), &[0], create.as_bytes(), &table.checksum].concat()
}

impl Snapshot {
    /// Reads whole databases.
    pub fn of(conn: &mut Connection, databases: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let vendor = if conn.is_mariadb() { "MariaDB" } else { "MySQL" };
        snapshot.source.server = ServerRecord { vendor: vendor.into(), ..ServerRecord::default() };
        for name in databases {
            let schema = read_database(conn, name, &SchemaOptions::default()).expect("schema");
            assert!(schema.losses.is_empty(), "{:?}", schema.losses);
            let mut tables = Vec::new();
            for table in schema.tables {
                tables.push(snapshot.read(conn, &schema.database, table));
            }
            let entries = DatabaseEntries { record: schema.database, tables, objects: schema.objects };
            snapshot.source.databases.push(entries);
        }
        snapshot
    }

    /// Adds the server's users.
    pub fn with_users(mut self, conn: &mut Connection) -> Snapshot {
        self.source.users = read_users(conn).expect("users");
        self
    }

    fn read(
        &mut self,
        conn: &mut Connection,
        database: &DatabaseRecord,
        mut table: TableRecord,
    ) -> TableRecord {
        if table.columns.is_empty() {
            return table;
        }
        let columns: Vec<String> = table.columns.iter().map(select_expression).collect();
        let history = if table.has_history { " FOR SYSTEM_TIME ALL" } else { "" };
        let place = qualified(&database.name, &table.name);
        let sql = format!("SELECT {} FROM {place}{history}", columns.join(","));
        let formats: Vec<CellFormat> = table.columns.iter().map(CellFormat::of).collect();
        conn.execute("SET SESSION character_set_results=NULL").expect("set");
        let mut writer = RowWriter::new(table.columns.len(), &[], &[9; 32]);
        let mut out = Collect::default();
        let mut bytes = Vec::new();
        for row in conn.raw().exec_iter(&sql, ()).expect("rows") {
            let row = row.expect("row");
            for (number, format) in formats.iter().enumerate() {
                bytes.clear();
                let value = row.as_ref(number).expect("cell");
                let is_value = cell(value, *format, &mut bytes).expect("value");
                writer.cell(is_value.then_some(&bytes[..]), &mut out).expect("cell");
            }
            writer.end_row(&mut out).expect("row");
        }
        conn.execute("SET SESSION character_set_results=utf8mb4").expect("set");
        let summary = writer.finish(&mut out).expect("end");
        table.rows = summary.rows;
        table.checksum = summary.checksum.to_le_bytes();
        table.content.size = summary.bytes;
        self.chunks.insert(key(&table), out.0);
        table
    }

    /// The record of a table, to be changed by a test.
    pub fn table(&mut self, name: &str) -> &mut TableRecord {
        let mut tables = self.source.databases.iter_mut().flat_map(|d| &mut d.tables);
        tables.find(|t| t.name == name).expect("a table of that name")
    }

    /// Lets the chunks of a table fail after `count` chunks.
    pub fn break_after(&self, table: &str, count: usize) {
        self.broken.lock().unwrap().insert(table.to_owned(), count);
    }
}

impl RowSource for Snapshot {
    fn chunks<'a>(&'a self, table: &'a TableRecord) -> Result<Chunks<'a>> {
        if let Some(before) = &self.before {
            before(table);
        }
        let chunks = self.chunks.get(&key(table)).ok_or_else(|| Error::damaged("no chunks of that table"))?;
        let most = self.broken.lock().unwrap().get(&table.name).copied();
        Ok(Box::new(chunks.iter().enumerate().map(move |(number, chunk)| match most {
            Some(most) if number >= most => Err(Error::damaged("a chunk is lost")),
            _ => Ok(chunk.clone()),
        })))
    }
}
