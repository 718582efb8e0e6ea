//! Writing a segment anew: every object is opened, authenticated and sealed for its new place, never
//! copied verbatim and never recompressed. It promises to take over all of a segment or nothing.

use super::ChunkStore;
use super::index::IndexEntry;
use super::segments::is_chunk;
use super::writing::Writing;
use crate::container::segment;
use crate::crypto::{ObjectKind, Place};
use crate::error::{Error, Result};
use crate::ids::ChunkId;
use crate::limits::MAX_CHUNK_BYTES;

/// A chunk taken out of a segment, still packed.
struct Taken {
    kind: ObjectKind,
    id: ChunkId,
    payload: Vec<u8>,
}

impl Writing<'_> {
    /// Moves every chunk of the live segment in `slot` into segments of this commit and frees the
    /// slot with it. The index is then rebuilt from the directories. Returns the chunks moved.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if any chunk cannot be read; nothing is moved then.
    pub fn move_segment(&mut self, slot: u32) -> Result<u64> {
        let taken = self.store().take_segment(slot)?;
        let count = taken.len() as u64;
        for chunk in taken {
            // A metadata chunk's second copy, in another segment, goes its own way: once is enough
            // for both, since metadata is written twice.
            if self.note_moved(chunk.id) {
                self.put_packed(chunk.kind, chunk.id, chunk.payload)?;
            }
        }
        self.retire(slot);
        Ok(count)
    }
}

impl ChunkStore {
    fn take_segment(&self, slot: u32) -> Result<Vec<Taken>> {
        let header = self.header_of(slot);
        let base = self.container().base();
        let (bytes, _) = base.read_mended(slot, Some(header.id))?;
        let (_, entries) = segment::open_directory(&base.geometry, base.keyring(), &header, &bytes)?;
        let mut taken = Vec::new();
        for entry in entries.iter().filter(|e| is_chunk(e.kind)) {
            let kind = ObjectKind::try_from(entry.kind)?;
            let range = segment::object_range(&base.geometry, entry.offset, entry.length)
                .ok_or_else(|| Error::damaged(format!("slot {slot}: chunk out of place")))?;
            let mut sealed = bytes[range].to_vec();
            let place = Place { kind, epoch: header.epoch, segment: header.id, offset: entry.offset };
            let payload = base.keyring().open(&place, &mut sealed)?.to_vec();
            let plain = self.packers.unpack(&payload, MAX_CHUNK_BYTES)?;
            let id = base.keyring().chunk_id(kind, &plain);
            if id.0 != entry.content {
                return Err(Error::damaged(format!(
                    "slot {slot}: a chunk is not the one its directory names"
                )));
            }
            taken.push(Taken { kind, id, payload });
        }
        Ok(taken)
    }

    /// Index entries of all live segments but those in `without`.
    pub(super) fn entries_without(&self, without: &std::collections::HashSet<u32>) -> Vec<IndexEntry> {
        let mut entries = self.entries_of_directories();
        entries.retain(|e| !without.contains(&e.location.slot));
        entries
    }
}
