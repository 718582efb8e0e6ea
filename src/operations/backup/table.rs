//! The chunks of one table on their way to the storing side, without what the previous snapshot has of
//! them. It promises memory for a batch and for the large values of a group that may become a patch.

use super::batch::{Batch, Piece};
use super::earlier::Earlier;
use crate::crypto::{Keyring, ObjectKind};
use crate::entry::{ChunkRef, Entry, EntryKind};
use crate::error::Result;
use crate::mysql::stream::TableStream;
use crate::rows::{ChunkSink, GROUP_VALUE_BYTES, OutlineLine, OutlineWriter, StoredGroup};
use crossbeam_channel::Sender;
use std::ops::Range;

/// Bytes of a table that travel at once.
const BATCH_BYTES: usize = 4 << 20;

/// Takes the chunks of a table.
pub struct TableBatcher<'a> {
    out: Sender<Result<Batch>>,
    keyring: &'a Keyring,
    earlier: Option<Earlier<'a>>,
    batch: Batch,
    /// Chunks since the last piece.
    run: usize,
    is_open: bool,
    /// Of the values before the next group: digest, number, and what is kept back of them.
    digest: blake3::Hasher,
    value_count: u32,
    values: Vec<u8>,
    kept: Vec<Range<usize>>,
    outline: OutlineWriter,
    lines: Vec<Vec<u8>>,
}

fn empty(stream: u64) -> Batch {
    Batch::empty(ObjectKind::Database, stream, Vec::new())
}

impl<'a> TableBatcher<'a> {
    /// A batcher for the stream of this number, beside what is stored of its table.
    pub fn new(
        out: Sender<Result<Batch>>,
        stream: u64,
        keyring: &'a Keyring,
        earlier: Option<Earlier<'a>>,
    ) -> TableBatcher<'a> {
        TableBatcher {
            out,
            keyring,
            earlier,
            batch: empty(stream),
            run: 0,
            is_open: true,
            digest: blake3::Hasher::new(),
            value_count: 0,
            values: Vec::new(),
            kept: Vec::new(),
            outline: OutlineWriter::default(),
            lines: Vec::new(),
        }
    }

    fn send(&mut self, last: Option<Piece>) -> Result<()> {
        self.end_run();
        let next = empty(self.batch.stream);
        let mut full = std::mem::replace(&mut self.batch, next);
        full.pieces.extend(last);
        super::database::send(&self.out, full)
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            self.batch.pieces.push(Piece::Chunks(std::mem::take(&mut self.run)));
        }
    }

    fn put(&mut self, parts: &[&[u8]]) -> Result<()> {
        if self.batch.buffer.capacity() == 0 {
            self.batch.buffer.reserve_exact(BATCH_BYTES);
        }
        let start = self.batch.buffer.len();
        parts.iter().for_each(|part| self.batch.buffer.extend_from_slice(part));
        self.batch.chunks.push(start..self.batch.buffer.len());
        self.run += 1;
        match self.batch.buffer.len() >= BATCH_BYTES {
            true => self.send(None),
            false => Ok(()),
        }
    }

    /// Names chunks that are held.
    fn name(&mut self, refs: Vec<ChunkRef>) -> Result<()> {
        self.end_run();
        self.batch.pieces.push(Piece::Held(refs));
        match self.batch.pieces.len() > 8192 {
            true => self.send(None),
            false => Ok(()),
        }
    }

    /// Puts the values that were kept back, or those of these numbers.
    fn put_values(&mut self, only: Option<&[usize]>) -> Result<()> {
        let (values, kept) = (std::mem::take(&mut self.values), std::mem::take(&mut self.kept));
        let all: Vec<usize> = (0..kept.len()).collect();
        for &number in only.unwrap_or(&all) {
            if let Some(value) = kept.get(number) {
                self.put(&[&values[value.clone()]])?;
            }
        }
        Ok(())
    }

    /// Whether the values of the group are still here.
    fn has_values(&self) -> bool {
        self.kept.len() == self.value_count as usize
    }

    /// Stores a group by what is stored of it; its line, or `None`: it must be stored whole.
    fn reuse(&mut self, group: &[u8], digest: [u8; 32], end: u64) -> Result<Option<OutlineLine>> {
        if !self.has_values() {
            return Ok(None);
        }
        let Some(earlier) = &mut self.earlier else { return Ok(None) };
        if let Some(same) = earlier.same(&digest) {
            let line = OutlineLine {
                digest,
                end,
                patch: same.patch,
                base: (same.refs.len() as u32).saturating_sub(same.patch),
            };
            self.put_values(Some(&[]))?;
            self.name(same.refs)?;
            return Ok(Some(line));
        }
        let reference = |range: &Range<usize>| {
            let bytes = &self.values[range.clone()];
            let id = self.keyring.chunk_id(ObjectKind::Database, bytes);
            ChunkRef { id, length: bytes.len() as u32 }
        };
        let values: Vec<ChunkRef> = self.kept.iter().map(reference).collect();
        let Some((patch, base)) = earlier.patch(end, StoredGroup { group, values: &values }) else {
            return Ok(None);
        };
        let line = OutlineLine { digest, end, patch: patch.values.len() as u32 + 1, base: base.len() as u32 };
        self.put_values(Some(&patch.values))?;
        self.put(&[&patch.chunk])?;
        self.name(base)?;
        Ok(Some(line))
    }
}

/// Adds a chunk of these parts to a digest.
fn digest(hasher: &mut blake3::Hasher, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    hasher.update(&(length as u32).to_le_bytes());
    parts.iter().for_each(|part| _ = hasher.update(part));
}

impl ChunkSink for TableBatcher<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        digest(&mut self.digest, parts);
        let is_kept =
            self.earlier.is_some() && self.has_values() && (self.values.len() as u64) < GROUP_VALUE_BYTES;
        self.value_count += 1;
        if !is_kept {
            self.put_values(None)?;
            return self.put(parts);
        }
        let start = self.values.len();
        parts.iter().for_each(|part| self.values.extend_from_slice(part));
        self.kept.push(start..self.values.len());
        Ok(())
    }

    fn group(&mut self, group: &[u8], end: u64) -> Result<()> {
        digest(&mut self.digest, &[group]);
        let digest = *self.digest.finalize().as_bytes();
        self.digest.reset();
        let line = match self.reuse(group, digest, end)? {
            Some(line) => line,
            None => {
                self.put_values(None)?;
                self.put(&[group])?;
                OutlineLine { digest, end, patch: 0, base: self.value_count + 1 }
            }
        };
        self.value_count = 0;
        self.lines.extend(self.outline.push(&line));
        Ok(())
    }
}

impl TableStream for TableBatcher<'_> {
    fn rest(&mut self) -> Result<()> {
        self.send(None)
    }

    fn finish(mut self: Box<Self>, mut entry: Entry) -> Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(self.outline.finish());
        for line in &lines {
            self.put(&[line])?;
        }
        if let EntryKind::Table(table) = &mut entry.kind {
            table.outline = lines.len() as u32;
        }
        self.is_open = false;
        self.send(Some(Piece::End(Box::new(entry))))
    }
}

impl Drop for TableBatcher<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let mut batch = empty(self.batch.stream);
            batch.pieces.push(Piece::GiveUp);
            let _ = self.out.send(Ok(batch));
        }
    }
}
