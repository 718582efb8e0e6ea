//! Writing: one commit from its first segment to its superblock (`format-spec/container.md`,
//! Commit). It promises that only segments which no protected generation reaches are overwritten,
//! that everything is synced and the metadata read back before the superblock is written, and that
//! a commit that does not finish leaves no trace: dropped, it cuts the file back to its old length.

use super::checksums::TableHash;
use super::layout::{MAP_CLOSING, MAP_FREE, PART_BYTES, SegmentHeader};
use super::rooms::{Room, Rooms};
use super::root::{self, CommitRoot, Location, PartRef, SEGMENT_RECORD_BYTES, SegmentRecord, StreamRef};
use super::segment::{Assembled, Placed, Plan, assemble, directory_of};
use super::superblock::{RootPointer, Superblock};
use super::writer::{SegmentWriter, Written};
use super::{Base, Container, Header, State, slot_map};
use crate::clock::Timestamp;
use crate::crypto::{ObjectKind, SEAL_OVERHEAD};
use crate::error::{Error, Kind, Result};
use crate::ids::{ChunkId, SegmentId};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::Arc;

mod bins;
mod slots;

use bins::Bins;
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
    streams: [Bins; 3],
    closing: Option<Closing>,
    writer: Option<SegmentWriter>,
    pool: Arc<ThreadPool>,
    placed: Vec<PlacedChunk>,
    metadata_bytes: usize,
    /// Slots of segments with metadata that were written before the end.
    metadata_slots: Vec<u32>,
    has_chunks: bool,
    published: bool,
}

/// The segments that take metadata at the end of a commit.
struct Closing {
    rooms: Rooms,
    segments: Vec<Option<OpenSegment>>,
}

struct OpenSegment {
    slot: u32,
    id: SegmentId,
    objects: Vec<Placed>,
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
            streams: [
                Bins::several(&base.geometry),
                Bins::several(&base.geometry),
                Bins::one(&base.geometry),
            ],
            closing: None,
            writer: Some(SegmentWriter::start(base.clone(), pool.clone())?),
            pool,
            placed: Vec::new(),
            metadata_bytes: 0,
            metadata_slots: Vec::new(),
            has_chunks: false,
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
            if stream == Stream::Metadata {
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

    /// Places every chunk that is still pending and opens the closing segments. `metadata_bytes`
    /// estimates what [`Commit::put_part`] will still be given, one copy.
    pub fn close_chunks(&mut self, metadata_bytes: usize) -> Result<()> {
        let metadata = self.streams[Stream::Metadata as usize].drain();
        let data: Vec<Placed> = [Stream::Database, Stream::Attachments]
            .into_iter()
            .flat_map(|s| self.streams[s as usize].drain())
            .collect();
        let overhead = super::segment::DIRECTORY_ENTRY_BYTES;
        let total = |objects: &[Placed]| objects.iter().map(|o| o.sealed_length() + overhead).sum::<usize>();
        let need = total(&data) + 2 * (total(&metadata) + metadata_bytes);
        let mut rooms = bins::pack(&self.base.geometry, data)?;
        let shared = rooms.len() <= 1 && need <= Room::new(&self.base.geometry).free();
        // The emptiest rooms take the metadata; the rest are full enough.
        rooms.sort_by_key(|(room, _)| room.free());
        let mut pick = || rooms.pop().unwrap_or_else(|| (Room::new(&self.base.geometry), Vec::new()));
        let chosen = if shared { vec![pick()] } else { vec![pick(), pick()] };
        for (room, objects) in rooms {
            self.write_full(room, objects)?;
        }
        self.open_closing(chosen)?;
        for object in metadata {
            self.put_copies(object, true)?;
        }
        Ok(())
    }

    fn open_closing(&mut self, chosen: Vec<(Room, Vec<Placed>)>) -> Result<()> {
        let g = self.base.geometry;
        let rooms = match chosen[..] {
            [(room, _)] => Rooms::shared(&g, room),
            [(first, _), (second, _), ..] => Rooms::apart(&g, first, second),
            [] => Rooms::shared(&g, Room::new(&g)),
        };
        let mut segments = Vec::new();
        for (_, objects) in chosen {
            let mut segment = self.open_segment(objects.len() as u32)?;
            self.note_placed(segment.slot, &objects);
            segment.objects = objects;
            segments.push(Some(segment));
        }
        self.closing = Some(Closing { rooms, segments });
        Ok(())
    }

    /// The chunks that were placed since the last call.
    pub fn take_placed(&mut self) -> Vec<PlacedChunk> {
        std::mem::take(&mut self.placed)
    }

    /// Gives up an older slot whose chunks this commit wrote elsewhere.
    pub fn retire(&mut self, slot: u32) {
        self.slots.retire(slot);
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
        self.metadata_bytes += object.sealed_length();
        Ok(PartRef { length, hash, copies: self.put_copies(object, false)? })
    }

    /// Writes a stream of metadata in parts.
    pub fn put_stream(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<StreamRef> {
        let parts = bytes.chunks(PART_BYTES).map(|part| self.put_part(kind, part.to_vec()));
        Ok(StreamRef { bytes: bytes.len() as u64, parts: parts.collect::<Result<_>>()? })
    }

    fn put_copies(&mut self, object: Placed, is_chunk: bool) -> Result<[Location; 2]> {
        let mut closing = self
            .closing
            .take()
            .ok_or_else(|| Error::new(Kind::Failed, "commit: metadata before its chunks"))?;
        let spots = closing.rooms.place(object.sealed_length());
        while closing.segments.len() < closing.rooms.count() {
            closing.segments.push(Some(self.open_segment(0)?));
        }
        let mut locations = [Location::default(); 2];
        for (copy, (index, offset)) in spots.into_iter().enumerate() {
            let Some(segment) = &mut closing.segments[index] else {
                return Err(Error::new(Kind::Failed, "commit: metadata placed in a written segment"));
            };
            locations[copy] = Location { slot: segment.slot, offset };
            segment.objects.push(Placed { offset, ..clone_placed(&object) });
            if is_chunk {
                self.slots.count_chunk(segment.slot);
                let (id, length) = (ChunkId(object.content), object.sealed_length() as u32);
                self.placed.push(PlacedChunk { id, location: locations[copy], length });
            }
        }
        let current = spots.map(|(index, _)| index);
        for index in 0..closing.segments.len() {
            // Rooms are left behind in rising order; those opened ahead of need come after them.
            if self.writer.is_some()
                && !current.contains(&index)
                && let Some(segment) = closing.segments[index].take()
            {
                let room = *closing.rooms.room(index);
                self.metadata_slots.push(segment.slot);
                self.submit(segment.slot, segment.id, room, segment.objects)?;
            }
        }
        self.closing = Some(closing);
        Ok(locations)
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
        self.reserve_closing(&contents)?;
        let (root, pointer, slot_map) = self.put_root(contents, &written)?;
        let closing = self.write_closing()?;
        self.sync_and_check(&written, &closing)?;
        let closing: Vec<_> = closing.iter().map(|(slot, segment)| (*slot, segment.table_hash)).collect();
        self.publish(&pointer, slot_map, &closing)?;
        let table = self.slots.records().to_vec();
        Ok(State { root, hash: pointer.hash, pointer, closing, table })
    }

    /// Opens the rooms that table, slot map and root will need, so that the table can name them.
    fn reserve_closing(&mut self, contents: &[u8]) -> Result<()> {
        loop {
            self.keep_reserve()?;
            let sizes = self.closing_sizes(self.slots.count(), contents.len());
            let mut closing =
                self.closing.take().ok_or_else(|| Error::new(Kind::Failed, "commit: not closing"))?;
            let needed = closing.rooms.count_after(sizes.into_iter());
            let settled = closing.segments.len() >= needed;
            while closing.segments.len() < needed {
                closing.segments.push(Some(self.open_segment(0)?));
            }
            self.closing = Some(closing);
            if settled {
                return Ok(());
            }
        }
    }

    /// Grows the file until the reserve is free. Where it cannot grow, a commit that adds no chunks
    /// or leaves as much free as it found may live on the reserve: that is what it is for.
    fn keep_reserve(&mut self) -> Result<()> {
        let spare = self.reserve_slots();
        match self.slots.keep_free(&self.base, spare) {
            Err(_) if self.generation() > 1 && (!self.has_chunks || !self.slots.has_less_free()) => Ok(()),
            other => other,
        }
    }

    /// Free slots that every commit leaves, so that pruning works on a full disk: room for three
    /// commits' metadata in both copies, and two segments.
    fn reserve_slots(&self) -> usize {
        let capacity = Room::new(&self.base.geometry).free();
        let sizes = self.closing_sizes(self.slots.count(), 4096).into_iter().sum::<usize>();
        3 * (2 * (self.metadata_bytes + sizes)).div_ceil(capacity).max(1) + 2
    }

    fn closing_sizes(&self, slots: usize, contents: usize) -> Vec<usize> {
        let table = slots * SEGMENT_RECORD_BYTES;
        let table_parts =
            (0..table).step_by(PART_BYTES).map(|at| (table - at).min(PART_BYTES) + SEAL_OVERHEAD);
        let map = (0..slot_map::part_count(slots))
            .map(|part| slot_map::part_bytes(part * super::layout::MAP_PART_ENTRIES, slots));
        let mut sizes: Vec<usize> = table_parts.collect();
        let root = CommitRoot {
            segment_table: StreamRef { bytes: 0, parts: vec![dummy_part(); sizes.len()] },
            slot_map: vec![Default::default(); slot_map::part_count(slots)],
            contents: vec![0; contents],
            ..self.parent.root.clone()
        };
        sizes.extend(map);
        sizes.push(crate::codec::encode(&root).len() + SEAL_OVERHEAD);
        sizes
    }

    fn put_root(
        &mut self,
        contents: Vec<u8>,
        written: &[Written],
    ) -> Result<(CommitRoot, RootPointer, Vec<[Location; 2]>)> {
        let table = root::encode_table(self.slots.records());
        let segment_table = self.put_stream(ObjectKind::SegmentTable, &table)?;
        let mut slot_map = Vec::new();
        for part in slot_map::encode(&self.base.container, self.generation(), &self.map_entries(written)?) {
            slot_map.push(
                self.put_copies(Placed { kind: None, offset: 0, content: [0; 32], payload: part }, false)?,
            );
        }
        let root = CommitRoot {
            generation: self.generation(),
            parent: self.parent.hash,
            time: self.options.time,
            prologue_hash: self.prologue_hash,
            key_table_sequence: self.keys.0,
            key_table_hash: self.keys.1,
            slot_count: self.slots.count() as u32,
            segment_table,
            slot_map: slot_map.clone(),
            closing: self.closing_hash(),
            contents,
        };
        let payload = crate::codec::encode(&root);
        let hash = self.base.keyring.root_hash(&payload);
        let length = (payload.len() + SEAL_OVERHEAD) as u32;
        let object = Placed { kind: Some(ObjectKind::CommitRoot), offset: 0, content: hash.0, payload };
        let copies = self.put_copies(object, false)?;
        // The table names every segment of the commit only if no room was opened after it was written.
        match root::encode_table(self.slots.records()) == table {
            true => Ok((root, RootPointer { copies, length, hash }, slot_map)),
            false => Err(Error::new(Kind::Failed, "commit: its end took more segments than were reserved")),
        }
    }

    /// What binds the closing segments to the root; nothing but the root is placed after it.
    fn closing_hash(&self) -> [u8; 32] {
        let open = self.closing.iter().flat_map(|closing| closing.segments.iter().flatten());
        let mut listed: Vec<_> = open.map(|s| (s.slot, directory_of(&s.objects))).collect();
        listed.sort_by_key(|(slot, _)| *slot);
        root::closing_hash(&self.base.keyring, &listed)
    }

    /// The slot map: hashes of live segments, from this commit or from the map of the parent.
    fn map_entries(&self, written: &[Written]) -> Result<Vec<slot_map::MapEntry>> {
        let mut entries = vec![MAP_FREE; self.slots.count()];
        let before = super::scrub::live_hashes(&self.base, &self.parent)?;
        for (slot, record) in self.slots.records().iter().enumerate().filter(|(_, r)| r.live) {
            entries[slot] = match record.generation == self.generation() || slot == 0 {
                true => MAP_CLOSING,
                false => before.get(&(slot as u32)).copied().unwrap_or(MAP_CLOSING),
            };
        }
        written.iter().for_each(|w| entries[w.slot as usize] = w.table_hash);
        entries[0] = MAP_FREE;
        Ok(entries)
    }

    fn write_closing(&mut self) -> Result<Vec<(u32, Assembled)>> {
        let closing = self.closing.take().ok_or_else(|| Error::new(Kind::Failed, "commit: not closing"))?;
        let rooms = closing.rooms;
        let mut plans = Vec::new();
        for (index, segment) in closing.segments.into_iter().enumerate() {
            if let Some(segment) = segment {
                let room = match index < rooms.count() {
                    true => *rooms.room(index),
                    false => Room::new(&self.base.geometry),
                };
                plans.push((segment.slot, self.plan(segment.id, &room, segment.objects)));
            }
        }
        let (g, keyring) = (&self.base.geometry, &self.base.keyring);
        let assembled: Vec<(u32, Assembled)> = self.pool.install(|| {
            plans.into_par_iter().map(|(slot, plan)| (slot, assemble(g, keyring, plan))).collect()
        });
        for (slot, segment) in &assembled {
            self.base.write_segment(*slot, &segment.bytes)?;
        }
        Ok(assembled)
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

fn dummy_part() -> PartRef {
    PartRef { length: 0, hash: [0; 32], copies: Default::default() }
}
