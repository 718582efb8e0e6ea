//! Writing: one commit from its first segment to its superblock (`format-spec/container.md`,
//! Commit). It promises that only segments which no protected generation reaches are overwritten,
//! that everything is synced and the metadata read back before the superblock is written, and that
//! a commit that does not finish leaves no trace: dropped, it cuts the file back to its old length.

use super::checksums::TableHash;
use super::layout::{PART_BYTES, SegmentHeader};
use super::rooms::Room;
use super::root::{Location, PartRef, SegmentRecord, StreamRef};
use super::segment::{Assembled, DIRECTORY_ENTRY_BYTES, Placed, Plan};
use super::superblock::{RootPointer, Superblock};
use super::writer::{SegmentWriter, Written};
use super::{Base, Container, Header, State};
use crate::clock::Timestamp;
use crate::crypto::ObjectKind;
use crate::error::{Error, Kind, Result};
use crate::ids::{ChunkId, SegmentId};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::Arc;

mod bins;
mod closing;
mod slots;
pub mod trial;

use bins::Bins;
use closing::{Closing, OpenSegment};
use slots::Slots;

/// The segment streams: data that dies together lives together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Chunks of databases and dumps.
    Database,
    /// Chunks of attachments.
    Attachments,
    /// Chunks of manifests, written twice.
    Metadata,
    /// One copy of such a chunk, whose other copy stays where it is.
    MetadataCopy,
}

impl Stream {
    /// Whether its chunks are metadata, which is read back before a commit is published.
    fn is_metadata(self) -> bool {
        matches!(self, Stream::Metadata | Stream::MetadataCopy)
    }
}

/// Where a chunk went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedChunk {
    /// Its id.
    pub id: ChunkId,
    /// Where it lies.
    pub location: Location,
    /// Its length on disk.
    pub length: u32,
}

/// Where a commit finds slots to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// The file grows as is needed, and the reserve stays.
    Free,
    /// On the reserve, as long as a commit that gives space back can follow.
    OnReserve,
    /// On the reserve, all of it: it gives space back.
    GivesBack,
}

/// Limits and wishes of one commit.
#[derive(Clone, Copy, Debug)]
pub struct CommitOptions {
    /// Longest the file may become in bytes.
    pub max_bytes: Option<u64>,
    /// Its time.
    pub time: Timestamp,
    /// Whether data segments, like metadata always, are read back past the page cache before success is reported.
    pub read_back: bool,
}

/// A commit being written.
pub struct Commit {
    base: Arc<Base>,
    parent: Arc<State>,
    keys: (u64, [u8; 32]),
    prologue_hash: [u8; 32],
    options: CommitOptions,
    slots: Slots,
    sequence: u32,
    streams: [Bins<Placed>; 4],
    closing: Option<Closing>,
    writer: Option<SegmentWriter>,
    pool: Arc<ThreadPool>,
    placed: Vec<PlacedChunk>,
    metadata_bytes: usize,
    /// Slots of segments with metadata that were written before the end.
    metadata_slots: Vec<u32>,
    has_chunks: bool,
    growth: Growth,
    /// Slots that the file is cut to, as far as free ones end it.
    cut_to: Option<u32>,
    published: bool,
}

impl Container {
    /// Begins a commit on top of the current state; segments are assembled by `pool`.
    pub fn begin(&self, pool: Arc<ThreadPool>, options: CommitOptions) -> Result<Commit> {
        self.ensure_writable()?;
        if self.fallen_back {
            return Err(Error::damaged(format!(
                "{}: the newest commit is damaged, so nothing is written over it",
                self.base.name
            ))
            .hint("restore the file from a copy, or go on from the commit before: coffer repair --adopt"));
        }
        let base = self.base.clone();
        Ok(Commit {
            keys: (self.header.keys.sequence, self.header.keys.hash()),
            prologue_hash: *blake3::hash(&self.header.prologue.encode()).as_bytes(),
            slots: Slots::new(&base, &self.state, options.max_bytes)?,
            sequence: 0,
            streams: Bins::of_streams(&base.geometry),
            closing: None,
            writer: Some(SegmentWriter::start(base.clone(), pool.clone())?),
            pool,
            placed: Vec::new(),
            metadata_bytes: 0,
            metadata_slots: Vec::new(),
            has_chunks: false,
            growth: Growth::Free,
            cut_to: None,
            published: false,
            parent: self.state.clone(),
            base,
            options,
        })
    }
}

impl Commit {
    /// Adds a chunk's payload to a stream. Full segments are written on the way.
    pub fn put_chunk(
        &mut self,
        stream: Stream,
        kind: ObjectKind,
        id: ChunkId,
        payload: Vec<u8>,
    ) -> Result<()> {
        self.has_chunks = true;
        let chunk = Placed { kind: Some(kind), offset: 0, content: id.0, payload };
        let full = self.streams[stream as usize].put(chunk)?;
        if let Some((room, objects)) = full {
            if stream == Stream::Metadata {
                let copy = objects.iter().map(clone_placed).collect();
                let slot = self.write_full(room, copy)?;
                self.metadata_slots.push(slot);
            }
            let slot = self.write_full(room, objects)?;
            if stream.is_metadata() {
                self.metadata_slots.push(slot);
            }
        }
        Ok(())
    }

    fn write_full(&mut self, room: Room, objects: Vec<Placed>) -> Result<u32> {
        let segment = self.open_segment(objects.len() as u32)?;
        self.note_placed(segment.slot, &objects);
        self.submit(segment.slot, segment.id, room, objects)?;
        Ok(segment.slot)
    }

    fn note_placed(&mut self, slot: u32, objects: &[Placed]) {
        self.placed.extend(objects.iter().map(|o| PlacedChunk {
            id: ChunkId(o.content),
            location: Location { slot, offset: o.offset },
            length: o.sealed_length() as u32,
        }));
    }

    fn open_segment(&mut self, chunk_count: u32) -> Result<OpenSegment> {
        let id = self.base.keyring.segment_id(&self.parent.hash, self.sequence);
        self.sequence += 1;
        let record = SegmentRecord {
            live: true,
            generation: self.generation(),
            epoch: self.base.keyring.epoch(),
            id,
            directory_tag: [0; 16],
            chunk_count,
        };
        let slot = self.slots.take(&self.base, record)?;
        Ok(OpenSegment { slot, id, objects: Vec::new() })
    }

    fn generation(&self) -> u64 {
        self.parent.root.generation + 1
    }

    fn plan(&self, id: SegmentId, room: &Room, objects: Vec<Placed>) -> Plan {
        let header = SegmentHeader { epoch: self.base.keyring.epoch(), container: self.base.container, id };
        Plan { header, generation: self.generation(), objects, directory_offset: room.directory_offset() }
    }

    fn submit(&mut self, slot: u32, id: SegmentId, room: Room, objects: Vec<Placed>) -> Result<()> {
        let plan = self.plan(id, &room, objects);
        match &mut self.writer {
            Some(writer) => writer.submit(slot, plan),
            None => Err(Error::new(Kind::Failed, "commit: already closing")),
        }
    }

    /// The chunks that were placed since the last call.
    pub fn take_placed(&mut self) -> Vec<PlacedChunk> {
        std::mem::take(&mut self.placed)
    }

    /// Gives up an older slot whose chunks this commit wrote elsewhere.
    pub fn retire(&mut self, slot: u32) {
        self.slots.retire(slot);
    }

    /// Makes this a commit that gives space back: it lives on free slots alone, the reserve included,
    /// and never grows the file.
    pub fn give_back(&mut self) {
        self.growth = Growth::GivesBack;
        self.slots.stay_within();
    }

    /// Makes this a commit that lives on free slots alone, the reserve included, and never grows the
    /// file, but leaves enough of them for a prune.
    pub fn live_on_reserve(&mut self) {
        self.growth = Growth::OnReserve;
        self.slots.stay_within();
    }

    /// Cuts the file to `slots` slots, as far as it ends with slots that this commit might overwrite.
    pub fn cut_to(&mut self, slots: u32) {
        self.cut_to = Some(slots);
    }

    /// Slots that this commit may still write, rising, without growing the file.
    pub fn usable_slots(&self) -> usize {
        self.slots.usable_count()
    }

    /// The oldest generation that a reader holds on to, if that keeps slots from this commit.
    pub fn held_generation(&self) -> Option<u64> {
        self.slots.held_generation()
    }

    /// The segment table in the making.
    pub fn records(&self) -> &[SegmentRecord] {
        self.slots.records()
    }

    /// Writes one metadata object in two copies; [`Commit::close_chunks`] must have been called.
    pub fn put_part(&mut self, kind: ObjectKind, payload: Vec<u8>) -> Result<PartRef> {
        let hash = self.base.keyring.content_hash(kind, &payload);
        let object = Placed { kind: Some(kind), offset: 0, content: hash, payload };
        let length = object.sealed_length() as u32;
        // The index needs no reserve: what it says can be had from the directories.
        if !matches!(kind, ObjectKind::IndexPage | ObjectKind::IndexFence | ObjectKind::IndexFilter) {
            self.metadata_bytes += object.sealed_length();
        }
        Ok(PartRef { length, hash, copies: self.put_copies(object, false)? })
    }

    /// Writes a stream of metadata in parts.
    pub fn put_stream(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<StreamRef> {
        let parts = bytes.chunks(PART_BYTES).map(|part| self.put_part(kind, part.to_vec()));
        Ok(StreamRef { bytes: bytes.len() as u64, parts: parts.collect::<Result<_>>()? })
    }

    /// Commits: `contents` is the chunk store's part of the root, `keeps` the slots of older
    /// metadata that it still names. After success the returned state is durable.
    pub fn finish(mut self, contents: Vec<u8>, keeps: impl Iterator<Item = u32>) -> Result<State> {
        if self.closing.is_none() {
            self.close_chunks(0)?;
        }
        let writer = self.writer.take().ok_or_else(|| Error::new(Kind::Failed, "commit: already closing"))?;
        let written = writer.finish()?;
        self.slots.settle(&written, keeps, self.generation());
        if let Some(slots) = self.cut_to {
            self.slots.cut(slots as usize);
        }
        self.reserve_closing(&contents)?;
        let (root, pointer, slot_map) = self.put_root(contents, &written)?;
        let closing = self.write_closing()?;
        self.sync_and_check(&written, &closing)?;
        let closing: Vec<_> = closing.iter().map(|(slot, segment)| (*slot, segment.table_hash)).collect();
        self.publish(&pointer, slot_map, &closing)?;
        let table = self.slots.records().to_vec();
        Ok(State { root, hash: pointer.hash, pointer, closing, table })
    }

    /// Syncs, then reads the metadata back past the page cache and compares.
    fn sync_and_check(&mut self, written: &[Written], closing: &[(u32, Assembled)]) -> Result<()> {
        self.slots.cut_to_size(&self.base)?;
        self.sync()?;
        for (slot, segment) in closing {
            let offset = self.base.geometry.slot_offset(*slot);
            self.base.storage.drop_cache(offset, segment.bytes.len() as u64);
            if self.base.read_segment(*slot)? != segment.bytes {
                self.base.poison();
                return Err(Error::new(
                    Kind::Destination,
                    format!("{}: slot {slot} reads back other bytes than were written", self.base.name),
                )
                .hint("the medium is failing: nothing was committed; use another disk"));
            }
        }
        let this = &*self;
        let wanted = |w: &&Written| this.options.read_back || this.metadata_slots.contains(&w.slot);
        this.pool.install(|| written.par_iter().filter(wanted).try_for_each(|w| this.read_back(w)))
    }

    fn read_back(&self, written: &Written) -> Result<()> {
        let g = &self.base.geometry;
        self.base.storage.drop_cache(g.slot_offset(written.slot), g.segment_bytes as u64);
        let mut bytes = self.base.read_segment(written.slot)?;
        let id = self.slots.records()[written.slot as usize].id;
        match super::segment::mend(g, &self.base.container, Some(id), Some(written.table_hash), &mut bytes) {
            super::segment::Health::Whole => Ok(()),
            _ => Err(Error::new(
                Kind::Destination,
                format!("{}: slot {} reads back damaged", self.base.name, written.slot),
            )
            .hint("the medium is failing: nothing was committed; use another disk")),
        }
    }

    fn sync(&self) -> Result<()> {
        self.base.storage.sync().map_err(|e| {
            self.base.poison();
            self.base.io("not synced", e)
        })
    }

    fn publish(
        &mut self,
        pointer: &RootPointer,
        slot_map: Vec<[Location; 2]>,
        closing: &[(u32, TableHash)],
    ) -> Result<()> {
        let block = Superblock {
            container: self.base.container,
            generation: self.generation(),
            epoch: self.base.keyring.epoch(),
            slot_count: self.slots.count() as u32,
            slot_map,
            closing: closing.to_vec(),
        };
        let sector = block.encode(pointer, &self.base.keyring)?;
        self.published = true;
        Header::write_superblock(&*self.base.storage, block.generation, &sector).map_err(|e| {
            self.base.poison();
            self.base.io("superblock not written", e)
        })?;
        self.sync()
    }
}

impl Drop for Commit {
    /// An unfinished commit gives its space back; failing that, the next commit reuses it.
    fn drop(&mut self) {
        if !self.published {
            if let Some(writer) = self.writer.take() {
                let _ = writer.finish();
            }
            let _ = self.base.storage.set_len(self.base.geometry.file_bytes(self.parent.root.slot_count));
        }
    }
}

fn clone_placed(object: &Placed) -> Placed {
    Placed { payload: object.payload.clone(), ..*object }
}
