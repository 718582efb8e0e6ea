//! Writing segments anew: every object is opened, authenticated and sealed for its new place, never
//! copied verbatim and never recompressed. It promises to take over all that is wanted of a segment
//! or to leave the segment as it is.

use super::ChunkStore;
use super::salvage::Packed;
use super::segments::is_chunk;
use super::writing::{Writing, stream_of};
use crate::container::commit::Stream;
use crate::container::commit::trial::Weight;
use crate::container::segment::{self, DirectoryEntry};
use crate::crypto::{ObjectKind, Place};
use crate::error::{Error, Kind, Result};
use crate::ids::ChunkId;
use crate::limits::MAX_CHUNK_BYTES;
use rayon::prelude::*;
use std::collections::HashSet;

/// Segments that are read and opened at once.
const READ_AHEAD: usize = 8;

/// A segment to be emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its slot.
    pub slot: u32,
    /// Offsets of the chunks that are wanted, rising; `None`: all.
    pub live: Option<Vec<u32>>,
}

impl Move {
    fn wants(&self, entry: &DirectoryEntry) -> bool {
        is_chunk(entry.kind)
            && self.live.as_ref().is_none_or(|live| live.binary_search(&entry.offset).is_ok())
    }
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Chunks, each counted once.
    pub chunk_count: u64,
    /// Their packed bytes.
    pub bytes: u64,
    /// Segments that stay as they are, since not all that is wanted of them can be read.
    pub skipped: Vec<u32>,
}

impl Writing<'_> {
    /// Moves every chunk of the live segment in `slot` into segments of this commit and frees the
    /// slot with it. Returns the chunks moved.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if any chunk cannot be read; nothing is moved then.
    pub fn move_segment(&mut self, slot: u32) -> Result<u64> {
        let taken = self.store().take_segment(&Move { slot, live: None })?;
        let count = taken.len() as u64;
        for chunk in taken {
            // A metadata chunk's second copy, in another segment, goes its own way: once is enough
            // for both, since metadata is written twice.
            if self.note_moved(chunk.id) {
                self.put_packed(stream_of(chunk.kind), chunk.kind, chunk.id, chunk.payload)?;
            }
        }
        self.retire(slot);
        Ok(count)
    }

    /// Moves what is wanted of several live segments into segments of this commit, in order, and frees
    /// their slots with it. Of a metadata chunk whose other copy stays, one copy is written.
    pub fn move_live(&mut self, moves: &[Move]) -> Result<Moved> {
        let leaving: HashSet<u32> = moves.iter().map(|m| m.slot).collect();
        let mut moved = Moved::default();
        for group in moves.chunks(READ_AHEAD) {
            let store = self.store();
            let taken: Vec<Result<Vec<Packed>>> = self
                .pool()
                .install(|| group.par_iter().with_max_len(1).map(|m| store.take_segment(m)).collect());
            for (one, taken) in group.iter().zip(taken) {
                match taken {
                    Ok(taken) => {
                        self.put_live(taken, &leaving, &mut moved)?;
                        self.retire(one.slot);
                    }
                    Err(error) if error.kind() == Kind::Damaged => moved.skipped.push(one.slot),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(moved)
    }

    fn put_live(&mut self, taken: Vec<Packed>, leaving: &HashSet<u32>, moved: &mut Moved) -> Result<()> {
        for chunk in taken {
            if self.note_moved(chunk.id) {
                moved.chunk_count += 1;
                moved.bytes += chunk.payload.len() as u64;
                let stream = match stream_of(chunk.kind) {
                    Stream::Metadata if self.store().stays_elsewhere(&chunk.id, leaving)? => {
                        Stream::MetadataCopy
                    }
                    stream => stream,
                };
                self.put_packed(stream, chunk.kind, chunk.id, chunk.payload)?;
            }
        }
        Ok(())
    }
}

impl ChunkStore {
    fn stays_elsewhere(&self, id: &ChunkId, leaving: &HashSet<u32>) -> Result<bool> {
        Ok(self.locate(id)?.iter().any(|copy| !leaving.contains(&copy.location.slot)))
    }

    fn take_segment(&self, wanted: &Move) -> Result<Vec<Packed>> {
        let slot = wanted.slot;
        let header = self.header_of(slot);
        let base = self.container().base();
        let (bytes, _) = base.read_mended(slot, Some(header.id))?;
        let (_, entries) = segment::open_directory(&base.geometry, base.keyring(), &header, &bytes)?;
        let mut taken = Vec::new();
        for entry in entries.iter().filter(|e| wanted.wants(e)) {
            let kind = ObjectKind::try_from(entry.kind)?;
            let range = segment::object_range(&base.geometry, entry.offset, entry.length)
                .ok_or_else(|| Error::damaged(format!("slot {slot}: chunk out of place")))?;
            let mut sealed = bytes[range].to_vec();
            let place = Place { kind, epoch: header.epoch, segment: header.id, offset: entry.offset };
            let payload = base.keyring().open(&place, &mut sealed)?.to_vec();
            let name = |plain: &[u8]| base.keyring().chunk_id(kind, plain);
            let id = self.packers.look_at(&payload, MAX_CHUNK_BYTES, name)?;
            if id.0 != entry.content {
                return Err(Error::damaged(format!(
                    "slot {slot}: a chunk is not the one its directory names"
                )));
            }
            taken.push(Packed { kind, id, payload });
        }
        match wanted.live.as_ref().is_none_or(|live| live.len() == taken.len()) {
            true => Ok(taken),
            false => Err(Error::damaged(format!("slot {slot}: its directory lists less than the index"))),
        }
    }

    /// The chunks that `wanted` would move, with their lengths, by rising offset.
    ///
    /// Errors: [`Kind::Damaged`] if the segment's directory cannot be read, or lists other chunks.
    pub fn weigh(&self, wanted: &Move) -> Result<Vec<(ChunkId, Weight)>> {
        let entries = self.container().base().read_directory(&self.header_of(wanted.slot), wanted.slot)?;
        let mut weights = Vec::new();
        for entry in entries.iter().filter(|e| wanted.wants(e)) {
            let stream = stream_of(ObjectKind::try_from(entry.kind)?);
            let mut head = [0; 8];
            head.copy_from_slice(&entry.content[..8]);
            let weight = Weight { stream, sealed_length: entry.length, id: u64::from_le_bytes(head) };
            weights.push((ChunkId(entry.content), weight));
        }
        match wanted.live.as_ref().is_none_or(|live| live.len() == weights.len()) {
            true => Ok(weights),
            false => {
                Err(Error::damaged(format!("slot {}: its directory lists less than the index", wanted.slot)))
            }
        }
    }
}
