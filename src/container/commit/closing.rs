//! The end of a commit: metadata into its closing segments (`format-spec/container.md`, Commit). It
//! promises two copies of every object, a segment table that names every segment of the commit, and
//! the reserve of free slots; nothing is published here.

use super::super::checksums::TableHash;
use super::super::layout::{MAP_CLOSING, MAP_FREE};
use super::super::rooms::{Room, Rooms};
use super::super::root::{self, CommitRoot, Location};
use super::super::segment::{Assembled, Placed, assemble, directory_of};
use super::super::superblock::RootPointer;
use super::super::writer::Written;
use super::super::{scrub, slot_map};
use super::{Commit, Growth, PlacedChunk, Stream, bins, clone_placed, trial};
use crate::crypto::{ObjectKind, SEAL_OVERHEAD};
use crate::error::{Error, Kind, Result};
use crate::ids::{ChunkId, SegmentId};
use rayon::prelude::*;

/// The segments that take metadata at the end of a commit.
pub(super) struct Closing {
    rooms: Rooms,
    segments: Vec<Option<OpenSegment>>,
}

/// A segment that takes objects still.
pub(super) struct OpenSegment {
    pub(super) slot: u32,
    pub(super) id: SegmentId,
    pub(super) objects: Vec<Placed>,
}

impl Commit {
    /// Places every chunk that is still pending and opens the closing segments. `metadata_bytes`
    /// estimates what [`Commit::put_part`] will still be given, one copy.
    pub fn close_chunks(&mut self, metadata_bytes: usize) -> Result<()> {
        let metadata = self.streams[Stream::Metadata as usize].drain();
        let data: Vec<Placed> = [Stream::Database, Stream::Attachments, Stream::MetadataCopy]
            .into_iter()
            .flat_map(|s| self.streams[s as usize].drain())
            .collect();
        let end = bins::ending(&self.base.geometry, data, bins::total_bytes(&metadata) + metadata_bytes)?;
        for (room, objects) in end.full {
            let is_metadata = objects.iter().any(|o| o.kind.is_some_and(is_metadata));
            let slot = self.write_full(room, objects)?;
            if is_metadata {
                self.metadata_slots.push(slot);
            }
        }
        let chosen = end.chosen;
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

    pub(super) fn put_copies(&mut self, object: Placed, is_chunk: bool) -> Result<[Location; 2]> {
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

    /// Opens the rooms that table, slot map and root will need, so that the table can name them.
    pub(super) fn reserve_closing(&mut self, contents: &[u8]) -> Result<()> {
        loop {
            self.keep_reserve()?;
            let sizes = trial::closing_sizes(&self.parent.root, self.slots.count(), contents.len());
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
    /// or leaves as much free as it found may live on the reserve, as long as a prune can follow it;
    /// one that gives space back always does: that is what the reserve is for.
    fn keep_reserve(&mut self) -> Result<()> {
        let leaves_reserve = self.slots.leaves_reserve();
        match self.growth {
            Growth::GivesBack => return Ok(()),
            Growth::OnReserve if leaves_reserve => return Ok(()),
            Growth::OnReserve => return Err(self.slots.no_more(&self.base)),
            Growth::Free => {}
        }
        let spare = self.reserve_slots();
        match self.slots.keep_free(&self.base, spare) {
            Err(_) if self.generation() > 1 && !self.has_chunks && leaves_reserve => Ok(()),
            Err(_) if self.generation() > 1 && !self.slots.has_less_free() && self.slots.leaves_next() => {
                Ok(())
            }
            other => other,
        }
    }

    fn reserve_slots(&self) -> usize {
        let sizes = trial::closing_sizes(&self.parent.root, self.slots.count(), 4096);
        trial::reserve_slots(&self.base.geometry, self.metadata_bytes + sizes.into_iter().sum::<usize>())
    }

    pub(super) fn put_root(
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
        let known = scrub::known_hashes(&self.base, &self.parent);
        for (slot, record) in self.slots.records().iter().enumerate().filter(|(_, r)| r.live) {
            entries[slot] = match record.generation == self.generation() || slot == 0 {
                true => MAP_CLOSING,
                false => scrub::hash_of(&self.base, &known, slot as u32, record.id).unwrap_or(LOST),
            };
        }
        written.iter().for_each(|w| entries[w.slot as usize] = w.table_hash);
        entries[0] = MAP_FREE;
        Ok(entries)
    }

    pub(super) fn write_closing(&mut self) -> Result<Vec<(u32, Assembled)>> {
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
}

/// Stands for the table hash of a segment whose tables are lost; no table has it.
const LOST: TableHash = [0xfe; 16];

/// Whether objects of this kind are metadata.
fn is_metadata(kind: ObjectKind) -> bool {
    !matches!(kind, ObjectKind::Database | ObjectKind::Attachment)
}
