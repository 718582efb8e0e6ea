//! Cells in, chunks out (`format-spec/rows.md`, Cutting). It promises memory for one group whatever
//! the table's size, and never a copy of a large value.

use super::column::{ColumnBuffer, marker};
use super::group;
use super::{
    GROUP_VALUE_BYTES, LARGE_CELL_BYTES, MAX_CELL_BYTES, MAX_GROUP_ROWS, VALUE_TAG, hash_of, varint,
};
use crate::chunking::{Cutter, Sizes};
use crate::error::{Error, Kind, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// How heavy groups are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSizes {
    /// A lighter group is not ended by a hash.
    pub min: u64,
    /// What lies between two ends by a hash, on average.
    pub mean: u64,
    /// A group ends behind the row that makes it as heavy.
    pub max: u64,
}

impl Default for GroupSizes {
    /// What was measured best (`format-spec/rows.md`, Cutting).
    fn default() -> Self {
        GroupSizes { min: 32 << 10, mean: 128 << 10, max: 384 << 10 }
    }
}

/// Once the small cells of a row reach this many bytes, all but the smallest count as large, so that
/// a group always fits in a chunk.
const MAX_ROW_BYTES: usize = 128 << 10;
/// What a cell of an overlong row may still have.
const SMALLEST_CELL_BYTES: usize = 32;
/// Bytes of a key's cell that count.
const KEY_CELL_BYTES: usize = 255;

/// Takes chunks, in order.
pub trait ChunkSink {
    /// The next chunk: these parts, joined.
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()>;

    /// The next chunk, which is a group; `end` is the hash of the row that it ends with
    /// (`format-spec/rows.md`, Cutting).
    fn group(&mut self, group: &[u8], end: u64) -> Result<()> {
        _ = end;
        self.chunk(&[group])
    }
}

/// What a table's rows are, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSummary {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the rows' hashes modulo 2^128.
    pub checksum: u128,
    /// Canonical bytes of all rows.
    pub bytes: u64,
    /// Key cells of the first row.
    pub first_key: Vec<u8>,
    /// Key cells of the last row.
    pub last_key: Vec<u8>,
}

/// Writes rows.
pub struct RowWriter {
    columns: Vec<ColumnBuffer>,
    is_key: Vec<bool>,
    has_key: bool,
    sizes: GroupSizes,
    seed: u64,
    cutter: Cutter,
    /// Number of the next cell.
    column: usize,
    /// Canonical bytes of the row since the last large cell, and the hash of what came before.
    row: Vec<u8>,
    long_row: Option<Box<Xxh3>>,
    row_bytes: u64,
    large_bytes: u64,
    inline_bytes: usize,
    key: Vec<u8>,
    group_rows: u32,
    group_bytes: u64,
    value_bytes: u64,
    /// The hash of the last row.
    end: u64,
    group: Vec<u8>,
    numbers: Vec<i64>,
    summary: RowSummary,
}

impl RowWriter {
    /// A writer of rows of `columns` cells, ordered by those of `key`, cut under `cutter_key`.
    pub fn new(columns: usize, key: &[u16], cutter_key: &[u8; 32]) -> RowWriter {
        let is_key: Vec<bool> = (0..columns).map(|c| key.contains(&(c as u16))).collect();
        let seed = blake3::keyed_hash(cutter_key, b"rows");
        let seed = seed.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        RowWriter {
            columns: (0..columns).map(|_| ColumnBuffer::default()).collect(),
            has_key: is_key.contains(&true),
            is_key,
            sizes: GroupSizes::default(),
            seed,
            cutter: Cutter::new(cutter_key, Sizes::VALUE),
            column: 0,
            row: Vec::new(),
            long_row: None,
            row_bytes: 0,
            large_bytes: 0,
            inline_bytes: 0,
            key: Vec::new(),
            group_rows: 0,
            group_bytes: 0,
            value_bytes: 0,
            end: 0,
            group: Vec::new(),
            numbers: Vec::new(),
            summary: RowSummary::default(),
        }
    }

    /// The same with groups of other sizes: for measuring.
    pub fn with_sizes(self, sizes: GroupSizes) -> RowWriter {
        RowWriter { sizes, ..self }
    }

    /// The next cell of the row; `None`: NULL. A row has as many as there are columns.
    #[inline]
    pub fn cell(&mut self, cell: Option<&[u8]>, out: &mut dyn ChunkSink) -> Result<()> {
        let at = self.column;
        self.column += 1;
        let Some(bytes) = cell else {
            self.columns[at].push(0, &[]);
            self.row.push(0);
            if self.is_key[at] {
                self.key.push(0);
            }
            return Ok(());
        };
        varint::push(bytes.len() as u64 + 1, &mut self.row);
        if self.is_key[at] {
            let kept = &bytes[..bytes.len().min(KEY_CELL_BYTES)];
            varint::push(kept.len() as u64 + 1, &mut self.key);
            self.key.extend_from_slice(kept);
        }
        let most = match self.inline_bytes < MAX_ROW_BYTES {
            true => LARGE_CELL_BYTES,
            false => SMALLEST_CELL_BYTES,
        };
        if bytes.len() >= most {
            return self.large_cell(at, bytes, out);
        }
        self.columns[at].push(marker(bytes.len(), false), bytes);
        self.inline_bytes += bytes.len();
        self.row.extend_from_slice(bytes);
        Ok(())
    }

    fn large_cell(&mut self, at: usize, bytes: &[u8], out: &mut dyn ChunkSink) -> Result<()> {
        self.columns[at].push(marker(bytes.len(), true), &[]);
        let hash = self.long_row.get_or_insert_default();
        hash.update(&self.row);
        hash.update(bytes);
        self.row_bytes += (self.row.len() + bytes.len()) as u64;
        self.row.clear();
        self.large_bytes += bytes.len() as u64;
        self.value_bytes += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(length) = self.cutter.cut(rest, true) {
            out.chunk(&[&[VALUE_TAG], &rest[..length]])?;
            rest = &rest[length..];
        }
        Ok(())
    }

    /// The next cell of the row: one of `length` bytes, at least [`LARGE_CELL_BYTES`], that comes in
    /// pieces and is no part of the key. The chunks are those of [`RowWriter::cell`].
    ///
    /// Errors: those of `next` and `out`, and [`crate::error::Kind::Failed`] if the pieces have another
    /// length; the writer is of no use afterwards.
    pub fn long_cell(
        &mut self,
        length: u64,
        next: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
        out: &mut dyn ChunkSink,
    ) -> Result<()> {
        let at = self.column;
        self.column += 1;
        debug_assert!(!self.is_key[at] && length >= LARGE_CELL_BYTES as u64, "a long cell of no key");
        if length > MAX_CELL_BYTES {
            return Err(Error::new(Kind::Failed, "a cell of more than 1 GiB, which no server gives back"));
        }
        varint::push(length + 1, &mut self.row);
        self.columns[at].push(marker(length as usize, true), &[]);
        let hash = self.long_row.get_or_insert_default();
        hash.update(&self.row);
        self.row_bytes += self.row.len() as u64 + length;
        self.row.clear();
        self.large_bytes += length;
        self.value_bytes += length;
        let (mut came, mut waiting) = (0u64, Vec::new());
        while let Some(piece) = next()? {
            came += piece.len() as u64;
            hash.update(&piece);
            // What was not yet cut is less than a chunk.
            let mut bytes = std::mem::take(&mut waiting);
            bytes.extend_from_slice(&piece);
            drop(piece);
            let mut start = 0;
            while let Some(cut) = self.cutter.cut(&bytes[start..], came >= length) {
                out.chunk(&[&[VALUE_TAG], &bytes[start..start + cut]])?;
                start += cut;
            }
            waiting.extend_from_slice(&bytes[start..]);
        }
        match came == length {
            true => Ok(()),
            false => Err(Error::new(Kind::Failed, "a long cell has another length than was said")),
        }
    }

    /// Ends the row.
    pub fn end_row(&mut self, out: &mut dyn ChunkSink) -> Result<()> {
        debug_assert_eq!(self.column, self.columns.len(), "a row has as many cells as columns");
        let hash = match self.long_row.take() {
            None => hash_of(&self.row),
            Some(mut hash) => {
                hash.update(&self.row);
                hash.digest128()
            }
        };
        let bytes = self.row_bytes + self.row.len() as u64;
        // Large values do not count here: they are not in the group.
        let weight = bytes - self.large_bytes + self.columns.len() as u64;
        self.summary.bytes += bytes;
        self.summary.rows += 1;
        self.summary.checksum = self.summary.checksum.wrapping_add(hash);
        self.group_rows += 1;
        self.group_bytes += weight;
        self.end = match self.has_key {
            true => xxh3_64_with_seed(&self.key, self.seed),
            false => xxh3_64_with_seed(&hash.to_le_bytes(), self.seed),
        };
        self.note_key();
        (self.column, self.inline_bytes) = (0, 0);
        (self.row_bytes, self.large_bytes) = (0, 0);
        self.row.clear();
        let by_hash = self.group_bytes >= self.sizes.min && is_end(self.end, weight, self.sizes.mean);
        let is_full = self.group_bytes >= self.sizes.max || self.group_rows == MAX_GROUP_ROWS;
        match by_hash || is_full || self.value_bytes >= GROUP_VALUE_BYTES {
            true => self.end_group(out),
            false => Ok(()),
        }
    }

    fn note_key(&mut self) {
        if self.summary.rows == 1 {
            self.summary.first_key.clone_from(&self.key);
        }
        std::mem::swap(&mut self.summary.last_key, &mut self.key);
        self.key.clear();
    }

    fn end_group(&mut self, out: &mut dyn ChunkSink) -> Result<()> {
        if self.group_rows == 0 {
            return Ok(());
        }
        group::encode(self.group_rows, &mut self.columns, &mut self.numbers, &mut self.group);
        (self.group_rows, self.group_bytes, self.value_bytes) = (0, 0, 0);
        out.group(&self.group, self.end)
    }

    /// Gives back memory, before a time without rows.
    pub fn rest(&mut self) {
        self.columns.iter_mut().for_each(ColumnBuffer::shrink);
        self.group = Vec::new();
        self.numbers = Vec::new();
    }

    /// Ends the last group, between two rows.
    pub fn finish(mut self, out: &mut dyn ChunkSink) -> Result<RowSummary> {
        self.end_group(out)?;
        Ok(self.summary)
    }
}

/// Whether a hash ends a group behind a row of `weight` bytes: the chance is proportional to the
/// weight, so that groups have the same size in tables of short and of long rows.
fn is_end(hash: u64, weight: u64, mean: u64) -> bool {
    u128::from(hash) * u128::from(mean) < u128::from(weight) << 64
}
