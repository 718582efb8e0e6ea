//! Taking chunks over from another store: opened, authenticated and named again there, sealed for a
//! place here, never recompressed (`format-spec/manifest.md`, Copies). It promises that nothing is
//! taken over whose id was not computed again, and that a chunk which is here already is not put twice.

use super::ChunkStore;
use super::writing::{Writing, stream_of};
use crate::crypto::{Keyring, ObjectKind};
use crate::entry::ChunkRef;
use crate::error::{Error, Result};
use crate::limits::MAX_CHUNK_BYTES;
use rayon::ThreadPool;
use rayon::prelude::*;

/// A chunk out of a store, still packed.
pub struct TakenChunk {
    kind: ObjectKind,
    /// Its name where it goes, and its length.
    pub chunk: ChunkRef,
    payload: Vec<u8>,
}

impl ChunkStore {
    /// Takes chunks out, in order, each proven by its id here and named by `keyring`, that of the
    /// store it goes to. Within a family both names are equal.
    ///
    /// Each fails by itself: [`crate::error::Kind::Damaged`] if no copy of it is whole.
    pub fn take_out(
        &self,
        chunks: &[(ObjectKind, ChunkRef)],
        keyring: &Keyring,
        pool: &ThreadPool,
    ) -> Vec<Result<TakenChunk>> {
        let take = |(kind, chunk): &(ObjectKind, ChunkRef)| self.take_one(*kind, chunk, keyring);
        pool.install(|| chunks.par_iter().with_max_len(8).map(take).collect())
    }

    fn take_one(&self, kind: ObjectKind, chunk: &ChunkRef, keyring: &Keyring) -> Result<TakenChunk> {
        let own = self.container().base().keyring();
        let mut last = None;
        for entry in self.locate(&chunk.id)? {
            let taken = self.container().read(kind, entry.location, entry.length).and_then(|payload| {
                let names = |plain: &[u8]| {
                    let id = own.chunk_id(kind, plain);
                    let whole = id == chunk.id && plain.len() == chunk.length as usize;
                    whole.then(|| if keyring.is_of_family(own) { id } else { keyring.chunk_id(kind, plain) })
                };
                match self.packers.look_at(&payload, MAX_CHUNK_BYTES, names)? {
                    Some(id) => Ok((ChunkRef { id, ..*chunk }, payload.to_vec())),
                    None => {
                        Err(Error::damaged(format!("chunk {}: the bytes stored for it are others", chunk.id)))
                    }
                }
            });
            match taken {
                Ok((chunk, payload)) => return Ok(TakenChunk { kind, chunk, payload }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::damaged(format!("chunk {} is not in the index", chunk.id))))
    }
}

impl Writing<'_> {
    /// Puts a chunk that was taken out of another store; false if it is here already.
    pub fn put_taken(&mut self, taken: TakenChunk) -> Result<bool> {
        let TakenChunk { kind, chunk, payload } = taken;
        let is_new = !self.is_held(kind, &chunk)? && self.note_moved(chunk.id);
        self.count_taken(u64::from(chunk.length), is_new.then_some(payload.len() as u64));
        if is_new {
            self.put_packed(stream_of(kind), kind, chunk.id, payload)?;
        }
        Ok(is_new)
    }

    /// The generation that this commit will be.
    pub fn generation(&self) -> u64 {
        self.store().container().state().root.generation + 1
    }

    /// Takes chunks out of `source` with the threads of this writing; see [`ChunkStore::take_out`].
    pub fn take_from(
        &self,
        source: &ChunkStore,
        chunks: &[(ObjectKind, ChunkRef)],
    ) -> Vec<Result<TakenChunk>> {
        source.take_out(chunks, self.store().container().base().keyring(), self.pool())
    }
}
