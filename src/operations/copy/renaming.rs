//! Names in another family: every chunk gets the name that its bytes have there, and lists and
//! manifests are written anew with those (`format-spec/manifest.md`, Copies). It promises bounded
//! memory for what is known of names, and that an unchanged file of a snapshot that was copied
//! before is recognised without reading its bytes.

use super::walk::{Piece, Seeker};
use crate::chunk_store::{ChunkStore, Writing};
use crate::entry::{ChunkList, ChunkRef, Content, Entry};
use crate::error::{Error, Kind, Result};
use crate::ids::ChunkId;
use crate::snapshot::{ChunkRefs, ListWriter, ManifestWriter, SnapshotRecord};
use std::collections::HashMap;

/// Most names that are kept, about 50 MB: those of a dump of 30 GB.
const MAX_KNOWN: usize = 1 << 19;

/// Names there, by the names here.
pub type Known = HashMap<ChunkId, ChunkRef>;

/// A manifest being written anew.
pub struct Renaming {
    /// What is known of names.
    pub known: Known,
    list: ListWriter,
    /// Lists of the contents of the entry to come.
    contents: Vec<ChunkList>,
    manifest: ManifestWriter,
}

impl Renaming {
    /// A manifest for `destination`, whose cutter decides where its chunks end.
    pub fn new(destination: &ChunkStore) -> Renaming {
        let key = destination.container().base().keyring().cutter_key();
        Renaming {
            known: Known::new(),
            list: ListWriter::default(),
            contents: Vec::new(),
            manifest: ManifestWriter::new(&key),
        }
    }

    /// Keeps memory bounded: names that are forgotten are found again by reading.
    pub fn forget_surplus(&mut self) {
        if self.known.len() > MAX_KNOWN {
            self.known = Known::new();
        }
    }

    /// Takes the next piece of the snapshot; the names of its chunks must be known.
    pub fn take(&mut self, piece: Piece, writing: &mut Writing) -> Result<()> {
        match piece {
            Piece::Chunk(_, chunk) => match self.known.get(&chunk.id) {
                Some(name) => self.list.push(*name, writing),
                None => Err(Error::new(Kind::Failed, format!("chunk {}: has no new name", chunk.id))),
            },
            Piece::EndContent => {
                self.contents.push(std::mem::take(&mut self.list).finish(writing)?);
                Ok(())
            }
            Piece::Known(list) => {
                self.contents.push(list);
                Ok(())
            }
            Piece::Entry(entry) => self.entry(*entry, writing),
        }
    }

    fn entry(&mut self, mut entry: Entry, writing: &mut Writing) -> Result<()> {
        let mut lists = self.contents.drain(..);
        for content in entry.kind.contents_mut() {
            content.chunks = lists
                .next()
                .ok_or_else(|| Error::new(Kind::Failed, format!("{}: a content is missing", entry.path)))?;
        }
        drop(lists);
        self.manifest.push(&entry, writing)
    }

    /// Ends the manifest: its chunks, and its length in bytes.
    pub fn finish(self, writing: &mut Writing) -> Result<(ChunkList, u64)> {
        self.manifest.finish(writing)
    }
}

/// A snapshot that is in both containers, to learn names from.
pub struct Pairs<'a> {
    source: &'a ChunkStore,
    destination: &'a ChunkStore,
    there: Seeker<'a>,
}

impl<'a> Pairs<'a> {
    /// Learns from `record`, which lies in `destination`.
    pub fn new(
        source: &'a ChunkStore,
        destination: &'a ChunkStore,
        record: Option<&SnapshotRecord>,
    ) -> Pairs<'a> {
        Pairs { source, destination, there: Seeker::new(destination, record) }
    }
}

/// What is known while one snapshot is walked through.
pub struct Twin<'l, 'a> {
    /// Names.
    pub known: &'l mut Known,
    /// The snapshot before.
    pub pairs: &'l mut Pairs<'a>,
}

impl Twin<'_, '_> {
    /// The chunks there of content number `number` of `entry`, which is `now` here, if the snapshot
    /// before has the same; `before` is what that has here. If not, the names of `before` are learned.
    pub fn content(
        &mut self,
        entry: &Entry,
        number: usize,
        now: &Content,
        before: &Content,
    ) -> Option<ChunkList> {
        let there = self.pairs.there.content(entry, number)?;
        if there.size != before.size || there.holes != before.holes {
            return None;
        }
        let there = there.chunks.clone();
        if now == before {
            return Some(there);
        }
        // What cannot be read is not learned: that costs time and nothing else.
        let _ = self.learn(&before.chunks, &there);
        None
    }

    fn learn(&mut self, here: &ChunkList, there: &ChunkList) -> Result<()> {
        let here = ChunkRefs::new(self.pairs.source, here)?;
        let there = ChunkRefs::new(self.pairs.destination, there)?;
        for (here, there) in here.zip(there).take(MAX_KNOWN) {
            let (here, there) = (here?, there?);
            if here.length != there.length {
                break;
            }
            self.known.insert(here.id, there);
        }
        Ok(())
    }
}
