//! Cells in, chunks out (`format-spec/rows.md`, Cutting). It promises memory for one group whatever
//! the table's size, and never a copy of a large value.

use super::group;
use super::pending::PendingRows;
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
    /// The group's rows, the last of which may not be whole.
    rows: PendingRows,
    /// Of each column whether it is of the key.
    is_key: Vec<bool>,
    has_key: bool,
    sizes: GroupSizes,
    seed: u64,
    cutter: Cutter,
    /// Number of the next cell.
    column: usize,
    /// The hash of the row to behind its last large cell, and where in the row the bytes behind that begin.
    long_row: Option<(Box<Xxh3>, usize)>,
    large_bytes: u64,
    inline_bytes: usize,
    key: Vec<u8>,
    group_bytes: u64,
    value_bytes: u64,
    /// The hash of the last row.
    end: u64,
    group: Vec<u8>,
    summary: RowSummary,
}

impl RowWriter {
    /// A writer of rows of `columns` cells, ordered by those of `key`, cut under `cutter_key`.
    pub fn new(columns: usize, key: &[u16], cutter_key: &[u8; 32]) -> RowWriter {
        let is_key: Vec<bool> = (0..columns).map(|c| key.contains(&(c as u16))).collect();
        let seed = blake3::keyed_hash(cutter_key, b"rows");
        let seed = seed.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        RowWriter {
            rows: PendingRows::default(),
            has_key: is_key.contains(&true),
            is_key,
            sizes: GroupSizes::default(),
            seed,
            cutter: Cutter::new(cutter_key, Sizes::VALUE),
            column: 0,
            long_row: None,
            large_bytes: 0,
            inline_bytes: 0,
            key: Vec::new(),
            group_bytes: 0,
            value_bytes: 0,
            end: 0,
            group: Vec::new(),
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
            self.rows.push_null();
            if self.is_key[at] {
                self.key.push(0);
            }
            return Ok(());
        };
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
            return self.large_cell(bytes, out);
        }
        self.rows.push(bytes);
        self.inline_bytes += bytes.len();
        Ok(())
    }

    fn large_cell(&mut self, bytes: &[u8], out: &mut dyn ChunkSink) -> Result<()> {
        let mut hash = self.begin_large(bytes.len() as u64);
        hash.update(bytes);
        self.long_row = Some((hash, self.rows.row().len()));
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
        let mut hash = self.begin_large(length);
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
        self.long_row = Some((hash, self.rows.row().len()));
        match came == length {
            true => Ok(()),
            false => Err(Error::new(Kind::Failed, "a long cell has another length than was said")),
        }
    }

    /// Begins a large cell; the row's hash to behind its number, which goes on with its bytes.
    fn begin_large(&mut self, length: u64) -> Box<Xxh3> {
        self.rows.push_large(length);
        let (mut hash, from) = self.long_row.take().unwrap_or_default();
        hash.update(&self.rows.row()[from..]);
        self.large_bytes += length;
        self.value_bytes += length;
        hash
    }

    /// Ends the row.
    pub fn end_row(&mut self, out: &mut dyn ChunkSink) -> Result<()> {
        debug_assert_eq!(self.column, self.is_key.len(), "a row has as many cells as columns");
        let row = self.rows.row();
        let hash = match self.long_row.take() {
            None => hash_of(row),
            Some((mut hash, from)) => {
                hash.update(&row[from..]);
                hash.digest128()
            }
        };
        let small_bytes = row.len() as u64;
        // Large values do not count here: they are not in the group.
        let weight = small_bytes + self.is_key.len() as u64;
        self.summary.bytes += small_bytes + self.large_bytes;
        self.summary.rows += 1;
        self.summary.checksum = self.summary.checksum.wrapping_add(hash);
        self.rows.end_row();
        self.group_bytes += weight;
        self.end = match self.has_key {
            true => xxh3_64_with_seed(&self.key, self.seed),
            false => xxh3_64_with_seed(&hash.to_le_bytes(), self.seed),
        };
        self.note_key();
        (self.column, self.inline_bytes) = (0, 0);
        self.large_bytes = 0;
        let by_hash = self.group_bytes >= self.sizes.min && is_end(self.end, weight, self.sizes.mean);
        let is_full = self.group_bytes >= self.sizes.max || self.rows.count() == MAX_GROUP_ROWS as usize;
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
        if self.rows.count() == 0 {
            return Ok(());
        }
        group::encode(&mut self.rows, self.is_key.len(), &mut self.group);
        (self.group_bytes, self.value_bytes) = (0, 0);
        out.group(&self.group, self.end)
    }

    /// Gives back memory, before a time without rows.
    pub fn rest(&mut self) {
        self.rows.shrink();
        self.group = Vec::new();
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
