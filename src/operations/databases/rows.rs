//! The rows of stored tables. It promises bounded memory whatever the table's size: a few chunks are
//! fetched side by side, and no more.

use crate::chunk_store::ChunkStore;
use crate::crypto::ObjectKind;
use crate::entry::ChunkRef;
use crate::entry::database::TableRecord;
use crate::error::{Error, Result};
use crate::mysql::stream::{Chunks, RowSource};
use crate::progress::Progress;
use crate::rows::RowReader;
use crate::snapshot::ChunkRefs;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of chunks fetched side by side for one table.
const FETCH_BYTES: u64 = 2 << 20;

/// The rows of the tables of one store.
pub struct StoredRows<'a> {
    store: &'a ChunkStore,
    pool: Arc<ThreadPool>,
}

impl<'a> StoredRows<'a> {
    /// Rows that are fetched by the threads of `pool`.
    pub fn new(store: &'a ChunkStore, pool: Arc<ThreadPool>) -> StoredRows<'a> {
        StoredRows { store, pool }
    }
}

impl RowSource for StoredRows<'_> {
    fn chunks<'s>(&'s self, table: &'s TableRecord) -> Result<Chunks<'s>> {
        let content = &table.content;
        let refs = ChunkRefs::of_length(self.store, &content.chunks, content.size)?;
        let fetched = VecDeque::new();
        Ok(Box::new(Fetch { store: self.store, pool: &self.pool, refs, fetched, failed: false }))
    }
}

struct Fetch<'a> {
    store: &'a ChunkStore,
    pool: &'a ThreadPool,
    refs: ChunkRefs<'a>,
    fetched: VecDeque<Result<Vec<u8>>>,
    failed: bool,
}

impl Fetch<'_> {
    fn fetch(&mut self) -> Result<()> {
        let mut wanted: Vec<ChunkRef> = Vec::new();
        let mut bytes = 0;
        while bytes < FETCH_BYTES
            && let Some(chunk) = self.refs.next()
        {
            let chunk = chunk?;
            bytes += u64::from(chunk.length);
            wanted.push(chunk);
        }
        let store = self.store;
        let get = |chunk: &ChunkRef| store.get(ObjectKind::Database, chunk);
        let fetched: Vec<Result<Vec<u8>>> =
            self.pool.install(|| wanted.par_iter().with_max_len(8).map(get).collect());
        self.fetched = fetched.into();
        Ok(())
    }
}

impl Iterator for Fetch<'_> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.fetched.is_empty()
            && let Err(error) = self.fetch()
        {
            self.failed = true;
            return Some(Err(error));
        }
        let next = self.fetched.pop_front();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Number and checksum of rows, while they are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowSum {
    rows: u64,
    checksum: u128,
}

impl RowSum {
    /// Adds a row by its hash ([`RowReader::row_hash`]).
    pub fn add(&mut self, hash: u128) {
        self.rows += 1;
        self.checksum = self.checksum.wrapping_add(hash);
    }

    /// Holds the sum against the table's entry.
    ///
    /// Errors: [`crate::error::Kind::Damaged`].
    pub fn check(&self, table: &TableRecord) -> Result<()> {
        match self.rows == table.rows && self.checksum.to_le_bytes() == table.checksum {
            true => Ok(()),
            false => Err(Error::damaged(format!(
                "table {}: {} rows with checksum {:032x}, expected {} with {:032x}",
                table.name,
                self.rows,
                self.checksum,
                table.rows,
                u128::from_le_bytes(table.checksum)
            ))),
        }
    }
}

/// Reads all rows of a table and holds their number and checksum against its entry.
///
/// Errors: [`crate::error::Kind::Damaged`].
pub fn check_rows(source: &dyn RowSource, table: &TableRecord, progress: &Progress) -> Result<()> {
    let mut reader = RowReader::new(source.chunks(table)?, table.columns.len());
    let mut sum = RowSum::default();
    while reader.next_row()?.is_some() {
        sum.add(reader.row_hash());
        progress.check()?;
    }
    sum.check(table)
}
