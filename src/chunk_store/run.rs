//! One sorted run of the index: pages, a fence over them, a filter (`format-spec/manifest.md`,
//! Index). It promises sorted order, bounded pages, and that merging runs takes the memory of a
//! page each.

use super::ChunkStore;
use super::filter::Filter;
use super::index::{ENTRY_BYTES, IndexEntry};
use super::writing::MetadataSink;
use crate::codec::{self, Decode, Encode};
use crate::container::root::{PartRef, StreamRef};
use crate::crypto::ObjectKind;
use crate::error::{Error, Result};
use crate::ids::ChunkId;

/// Entries in a full page: a page is at most 16 KiB.
pub const PAGE_ENTRIES: usize = 16384 / ENTRY_BYTES;

/// A run, as the contents name it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunRef {
    /// Entries in it.
    pub count: u64,
    /// Its pages: a stream of [`PageRef`]s.
    pub fence: StreamRef,
    /// Its filter.
    pub filter: StreamRef,
}

/// One page of a run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PageRef {
    /// Id of its first entry.
    pub first: ChunkId,
    /// Where it lies.
    pub part: PartRef,
}

/// Reads a page's entries.
pub fn decode_page(bytes: &[u8]) -> Result<Vec<IndexEntry>> {
    if bytes.is_empty()
        || bytes.len() > PAGE_ENTRIES * ENTRY_BYTES
        || !bytes.len().is_multiple_of(ENTRY_BYTES)
    {
        return Err(Error::damaged(format!("index page of {} bytes", bytes.len())));
    }
    bytes.chunks_exact(ENTRY_BYTES).map(|line| codec::decode(line, "index entry")).collect()
}

/// Writes a run from entries that arrive sorted.
pub struct RunWriter {
    page: Vec<IndexEntry>,
    pages: Vec<PageRef>,
    filter: Filter,
    count: u64,
}

impl RunWriter {
    /// A run of at most `most` entries.
    pub fn new(most: u64) -> RunWriter {
        RunWriter { page: Vec::new(), pages: Vec::new(), filter: Filter::for_count(most), count: 0 }
    }

    /// Adds the next entry.
    pub fn push(&mut self, entry: IndexEntry, sink: &mut dyn MetadataSink) -> Result<()> {
        self.filter.insert(&entry.id);
        self.count += 1;
        self.page.push(entry);
        match self.page.len() == PAGE_ENTRIES {
            true => self.end_page(sink),
            false => Ok(()),
        }
    }

    fn end_page(&mut self, sink: &mut dyn MetadataSink) -> Result<()> {
        let Some(first) = self.page.first().map(|e| e.id) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(self.page.len() * ENTRY_BYTES);
        self.page.drain(..).for_each(|entry| codec::encode_into(&entry, &mut bytes));
        self.pages.push(PageRef { first, part: sink.put_part(ObjectKind::IndexPage, &bytes)? });
        Ok(())
    }

    /// Ends the run; `None` if it is empty.
    pub fn finish(mut self, sink: &mut dyn MetadataSink) -> Result<Option<RunRef>> {
        self.end_page(sink)?;
        if self.count == 0 {
            return Ok(None);
        }
        let fence = sink.put_stream(ObjectKind::IndexFence, &codec::encode(&self.pages))?;
        let filter = sink.put_stream(ObjectKind::IndexFilter, self.filter.bytes())?;
        Ok(Some(RunRef { count: self.count, fence, filter }))
    }
}

/// The entries of a run in order, a page at a time.
pub struct RunReader<'a> {
    store: &'a ChunkStore,
    pages: std::vec::IntoIter<PageRef>,
    entries: std::vec::IntoIter<IndexEntry>,
    next: Option<IndexEntry>,
}

impl<'a> RunReader<'a> {
    /// Starts reading the run behind `pages`.
    pub fn new(store: &'a ChunkStore, pages: Vec<PageRef>) -> Result<RunReader<'a>> {
        let mut reader =
            RunReader { store, pages: pages.into_iter(), entries: Vec::new().into_iter(), next: None };
        reader.advance()?;
        Ok(reader)
    }

    /// The entry that [`RunReader::advance`] would leave behind.
    pub fn peek(&self) -> Option<&IndexEntry> {
        self.next.as_ref()
    }

    /// Goes on to the next entry.
    pub fn advance(&mut self) -> Result<()> {
        loop {
            self.next = self.entries.next();
            if self.next.is_some() {
                return Ok(());
            }
            let Some(page) = self.pages.next() else { return Ok(()) };
            self.entries =
                decode_page(&self.store.read_part(ObjectKind::IndexPage, &page.part)?)?.into_iter();
        }
    }
}
