//! Taking chunks out of segments that may be damaged, and putting chunks in that were taken elsewhere.
//! It promises that whatever it hands out is the chunk it says, and that a chunk counts as held only
//! where the caller says so.

use super::ChunkStore;
use super::index::IndexEntry;
use super::segments::is_chunk;
use super::writing::{Writing, stream_of};
use crate::container::segment;
use crate::crypto::{Keyring, ObjectKind, Place};
use crate::error::{Error, Result};
use crate::ids::ChunkId;
use crate::limits::MAX_CHUNK_BYTES;
use std::collections::HashSet;

/// A chunk taken out of a segment, still packed.
pub struct Packed {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id, computed again.
    pub id: ChunkId,
    /// Codec, length and packed bytes.
    pub payload: Vec<u8>,
}

impl Packed {
    /// Copies that a whole container holds of a chunk of this kind, at least.
    fn copies(&self) -> usize {
        copies_of(self.kind)
    }
}

/// Copies that a whole container holds of a chunk of this kind, at least: two of metadata.
pub fn copies_of(kind: ObjectKind) -> usize {
    match kind {
        ObjectKind::Database | ObjectKind::Attachment => 1,
        _ => 2,
    }
}

/// What of a segment can be read, whatever its state.
pub struct Salvage {
    /// The chunks that open, in the order they are listed.
    pub chunks: Vec<Packed>,
    /// Chunks that it listed and that do not open; the index does not know of which kind they are.
    pub lost: Vec<(Option<ObjectKind>, ChunkId)>,
    /// Whether its own directory told what it holds; else the index did, as far as it could be read.
    pub is_listed: bool,
}

impl Writing<'_> {
    /// Places a chunk that is packed already, unless this commit has it; whether it was placed.
    pub fn place(&mut self, chunk: Packed) -> Result<bool> {
        let is_new = self.note_moved(chunk.id);
        if is_new {
            self.put_packed(stream_of(chunk.kind), chunk.kind, chunk.id, chunk.payload)?;
        }
        Ok(is_new)
    }

    /// Places those chunks of a segment that have fewer copies than they should among the index
    /// entries that `counts`. Returns how many were placed.
    pub fn place_salvage(
        &mut self,
        salvage: Vec<Packed>,
        counts: &dyn Fn(&IndexEntry) -> bool,
    ) -> Result<u64> {
        let mut placed = 0;
        for chunk in salvage {
            let held = self.store().locate(&chunk.id)?.into_iter().filter(|e| counts(e)).count();
            if held < chunk.copies() {
                placed += u64::from(self.place(chunk)?);
            }
        }
        Ok(placed)
    }
}

impl ChunkStore {
    /// Takes out of the live segment in `slot` what can be read, mended in memory where parity
    /// allows. `by_directory`: whether its own directory is this state's and may say what it holds.
    ///
    /// Errors: if the medium gives nothing of it.
    pub fn salvage(&self, slot: u32, by_directory: bool) -> Result<Salvage> {
        let header = self.header_of(slot);
        let base = self.container().base();
        let (bytes, _) = base.read_mended(slot, Some(header.id))?;
        let directory = segment::open_directory(&base.geometry, base.keyring(), &header, &bytes);
        let listed: Option<Vec<Listed>> = directory.ok().filter(|_| by_directory).map(|(_, entries)| {
            let chunks = entries.iter().filter(|e| is_chunk(e.kind));
            chunks
                .map(|e| (ObjectKind::try_from(e.kind).ok(), ChunkId(e.content), e.offset, e.length))
                .collect()
        });
        let is_listed = listed.is_some();
        let listed = listed.unwrap_or_else(|| {
            let entries = self.index.entries_in(self, &HashSet::from([slot]));
            entries.iter().map(|e| (None, e.id, e.location.offset, e.length)).collect()
        });
        let mut salvage = Salvage { chunks: Vec::new(), lost: Vec::new(), is_listed };
        for (kind, id, offset, length) in listed {
            let kinds = kind.map_or(CHUNK_KINDS.to_vec(), |kind| vec![kind]);
            let open = |kind: ObjectKind| {
                let range = segment::object_range(&base.geometry, offset, length)?;
                let place = Place { kind, epoch: header.epoch, segment: header.id, offset };
                let mut sealed = bytes[range].to_vec();
                let payload = base.keyring().open(&place, &mut sealed).ok()?.to_vec();
                self.proven(kind, id, payload).ok()
            };
            match kinds.into_iter().find_map(open) {
                Some(taken) => salvage.chunks.push(taken),
                None => salvage.lost.push((kind, id)),
            }
        }
        Ok(salvage)
    }

    /// A whole copy of the chunk `id`, packed as it is stored.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if there is none.
    pub fn take(&self, kind: ObjectKind, id: ChunkId) -> Result<Packed> {
        let mut last = None;
        for entry in self.locate(&id)? {
            let read = self.container().read(kind, entry.location, entry.length);
            match read.and_then(|payload| self.proven(kind, id, payload.to_vec())) {
                Ok(taken) => return Ok(taken),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::damaged(format!("chunk {id} is not in the index"))))
    }

    /// The same chunk under the name that the container with `keyring` gives it.
    pub fn renamed(&self, chunk: &Packed, keyring: &Keyring) -> Result<ChunkId> {
        let named = |plain: &[u8]| keyring.chunk_id(chunk.kind, plain);
        self.packers.look_at(&chunk.payload, MAX_CHUNK_BYTES, named)
    }

    fn proven(&self, kind: ObjectKind, id: ChunkId, payload: Vec<u8>) -> Result<Packed> {
        let keyring = self.container().base().keyring();
        let named = |plain: &[u8]| keyring.chunk_id(kind, plain);
        match self.packers.look_at(&payload, MAX_CHUNK_BYTES, named)? == id {
            true => Ok(Packed { kind, id, payload }),
            false => Err(Error::damaged(format!("chunk {id}: the bytes stored for it are others"))),
        }
    }
}

/// Kind, if it is known, id, offset and length of a chunk in its segment.
type Listed = (Option<ObjectKind>, ChunkId, u32, u32);

/// The kinds of chunks.
const CHUNK_KINDS: [ObjectKind; 4] =
    [ObjectKind::Database, ObjectKind::Attachment, ObjectKind::Manifest, ObjectKind::List];
