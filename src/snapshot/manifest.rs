//! The manifest: the entry stream of one snapshot, cut into chunks (`format-spec/manifest.md`,
//! Manifest). Writing and reading hold one batch at a time; the reader insists on the order and on
//! paths that can be restored.

use super::chunk_list::{ChunkRefs, ListWriter};
use crate::chunk_store::{ChunkStore, Writing};
use crate::chunking::{Cutter, Sizes};
use crate::codec;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkList, Entry, EntryPath};
use crate::error::{Error, Result};
use crate::limits::{MAX_ENTRY_BYTES, MAX_PATH_BYTES};

/// Bytes gathered before they are cut and put.
const BATCH_BYTES: usize = 2 << 20;
/// Length of the head of an entry: its length, u32.
const LENGTH_BYTES: usize = 4;

/// Writes a manifest.
pub struct ManifestWriter {
    cutter: Cutter,
    pending: Vec<u8>,
    chunks: ListWriter,
    bytes: u64,
    last: Option<EntryPath>,
}

impl ManifestWriter {
    /// A writer whose cutter uses `key` ([`crate::crypto::Keyring::cutter_key`]).
    pub fn new(key: &[u8; 32]) -> ManifestWriter {
        ManifestWriter {
            cutter: Cutter::new(key, Sizes::MANIFEST),
            pending: Vec::new(),
            chunks: ListWriter::default(),
            bytes: 0,
            last: None,
        }
    }

    /// Adds the next entry; paths must rise.
    pub fn push(&mut self, entry: &Entry, writing: &mut Writing) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            return Err(Error::new(
                crate::error::Kind::Failed,
                format!("{}: out of order in the manifest", entry.path),
            ));
        }
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; LENGTH_BYTES]);
        codec::encode_into(entry, &mut self.pending);
        let length = self.pending.len() - start - LENGTH_BYTES;
        if length > MAX_ENTRY_BYTES || entry.path.0.len() > MAX_PATH_BYTES {
            return Err(Error::new(
                crate::error::Kind::Failed,
                format!("{}: its entry is too long", entry.path),
            ));
        }
        self.pending[start..start + LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
        self.last = Some(entry.path.clone());
        match self.pending.len() >= BATCH_BYTES {
            true => self.cut(false, writing),
            false => Ok(()),
        }
    }

    fn cut(&mut self, last: bool, writing: &mut Writing) -> Result<()> {
        let mut slices = Vec::new();
        let mut at = 0;
        while let Some(length) = self.cutter.cut(&self.pending[at..], last) {
            slices.push(&self.pending[at..at + length]);
            at += length;
        }
        for chunk in writing.put_batch(ObjectKind::Manifest, &slices)? {
            self.chunks.push(chunk, writing)?;
        }
        self.bytes += at as u64;
        self.pending.drain(..at);
        Ok(())
    }

    /// Ends the stream: its chunks, and its length in bytes.
    pub fn finish(mut self, writing: &mut Writing) -> Result<(ChunkList, u64)> {
        self.cut(true, writing)?;
        Ok((self.chunks.finish(writing)?, self.bytes))
    }
}

/// Reads a manifest, entry by entry. After an error it ends.
pub struct ManifestReader<'a> {
    store: &'a ChunkStore,
    chunks: ChunkRefs<'a>,
    buffer: Vec<u8>,
    at: usize,
    last: Option<EntryPath>,
    failed: bool,
}

impl<'a> ManifestReader<'a> {
    /// Starts reading the manifest that `list` holds.
    pub fn new(store: &'a ChunkStore, list: &ChunkList) -> Result<ManifestReader<'a>> {
        let chunks = ChunkRefs::new(store, list)?;
        Ok(ManifestReader { store, chunks, buffer: Vec::new(), at: 0, last: None, failed: false })
    }

    /// Makes `count` bytes available at `self.at`; false at the end of the stream.
    fn fill(&mut self, count: usize) -> Result<bool> {
        while self.buffer.len() - self.at < count {
            self.buffer.drain(..self.at);
            self.at = 0;
            let Some(chunk) = self.chunks.next() else { return Ok(false) };
            self.buffer.extend_from_slice(&self.store.get(ObjectKind::Manifest, &chunk?)?);
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<Option<Entry>> {
        if !self.fill(LENGTH_BYTES)? {
            return match self.buffer.len() == self.at {
                true => Ok(None),
                false => Err(Error::damaged("manifest: ends inside an entry")),
            };
        }
        let head = &self.buffer[self.at..self.at + LENGTH_BYTES];
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > MAX_ENTRY_BYTES {
            return Err(Error::damaged(format!("manifest: entry of {length} bytes")));
        }
        if !self.fill(LENGTH_BYTES + length)? {
            return Err(Error::damaged("manifest: ends inside an entry"));
        }
        let start = self.at + LENGTH_BYTES;
        let entry: Entry = codec::decode(&self.buffer[start..start + length], "manifest entry")?;
        self.at = start + length;
        self.check(&entry)?;
        self.last = Some(entry.path.clone());
        Ok(Some(entry))
    }

    fn check(&self, entry: &Entry) -> Result<()> {
        let ordered = self.last.as_ref().is_none_or(|last| *last < entry.path);
        if !ordered || !entry.path.is_valid() || entry.path.0.len() > MAX_PATH_BYTES {
            return Err(Error::damaged(format!("manifest: {} is out of order or no path", entry.path)));
        }
        match entry.kind.content() {
            Some(content) if content.data_bytes().is_none() => {
                Err(Error::damaged(format!("manifest: the holes of {} do not fit", entry.path)))
            }
            _ => Ok(()),
        }
    }
}

impl Iterator for ManifestReader<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}
