//! Taking one snapshot into another container, a batch at a time. It promises bounded memory, that
//! chunks which are there already are not read, and that a failure of the source is told from one
//! of the destination.

use super::renaming::{Pairs, Renaming, Twin};
use super::walk::{Piece, Walk};
use crate::chunk_store::{ChunkStore, Writing};
use crate::crypto::ObjectKind;
use crate::entry::{ChunkRef, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::progress::Progress;
use crate::snapshot::SnapshotRecord;
use std::collections::HashSet;

/// Bytes that the pieces of a full batch stand for.
const BATCH_BYTES: u64 = 16 << 20;
/// Packed bytes that a chunk counts for at the least.
const CHUNK_BYTES: u64 = 1024;
/// Pieces in a full batch.
const BATCH_PIECES: usize = 8192;

/// Why a snapshot was not taken over.
pub enum Stopped {
    /// The source cannot give it whole.
    Source {
        /// The entry that is touched; `None`: the list of files itself.
        path: Option<EntryPath>,
        /// What is wrong.
        error: Error,
    },
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Failed(error)
    }
}

/// A failure to read the source: damage costs the snapshot, anything else the whole copy.
pub fn of_source(error: Error, path: Option<EntryPath>) -> Stopped {
    match error.kind() {
        Kind::Damaged => Stopped::Source { path, error },
        Kind::Interrupted => Stopped::Failed(error),
        _ => Stopped::Failed(Error::new(Kind::Source, "the source cannot be read").because(error)),
    }
}

/// One snapshot on its way.
pub struct Transfer<'a> {
    source: &'a ChunkStore,
    record: SnapshotRecord,
    walk: Walk<'a>,
    /// In another family everything gets other names.
    renaming: Option<Renaming>,
}

impl<'a> Transfer<'a> {
    /// A transfer of `record` from `source`; `before` is a snapshot of `source` that is there
    /// already. With `renaming` into another family.
    pub fn new(
        source: &'a ChunkStore,
        record: &SnapshotRecord,
        before: Option<&SnapshotRecord>,
        renaming: Option<Renaming>,
    ) -> std::result::Result<Transfer<'a>, Stopped> {
        let walk = Walk::new(source, record, before, renaming.is_none()).map_err(|e| of_source(e, None))?;
        Ok(Transfer { source, record: record.clone(), walk, renaming })
    }

    /// Goes on until the snapshot is there, which gives true, or `most_bytes` were written. `pairs` is
    /// the snapshot before as it lies there, if names differ.
    pub fn fill(
        &mut self,
        writing: &mut Writing,
        mut pairs: Option<Pairs>,
        most_bytes: u64,
        progress: &Progress,
    ) -> std::result::Result<bool, Stopped> {
        loop {
            progress.check()?;
            let pieces = self.gather(pairs.as_mut())?;
            if pieces.is_empty() {
                return Ok(true);
            }
            let bytes = match self.renaming.is_some() {
                true => self.send_renamed(pieces, writing)?,
                false => self.send(&pieces, writing)?,
            };
            progress.advance(0, bytes);
            // Small chunks take memory for their names until they are committed.
            let written = writing.statistics();
            if written.new_packed_bytes >= most_bytes || written.new_chunk_count > most_bytes / CHUNK_BYTES {
                return Ok(false);
            }
        }
    }

    fn gather(&mut self, mut pairs: Option<&mut Pairs>) -> std::result::Result<Vec<Piece>, Stopped> {
        let (mut pieces, mut bytes) = (Vec::new(), 0u64);
        let (walk, renaming) = (&mut self.walk, &mut self.renaming);
        if let Some(renaming) = renaming {
            renaming.forget_surplus();
        }
        while bytes < BATCH_BYTES && pieces.len() < BATCH_PIECES {
            let mut twin = match (&mut *renaming, &mut pairs) {
                (Some(renaming), Some(pairs)) => Some(Twin { known: &mut renaming.known, pairs }),
                _ => None,
            };
            let next = walk.next(twin.as_mut());
            match next.map_err(|error| of_source(error, walk.path().cloned()))? {
                Some(piece) => {
                    bytes = bytes.saturating_add(piece.weight());
                    pieces.push(piece);
                }
                None => break,
            }
        }
        Ok(pieces)
    }

    /// Puts what is missing, by the same names.
    fn send(&mut self, pieces: &[Piece], writing: &mut Writing) -> std::result::Result<u64, Stopped> {
        let chunks = chunks_of(pieces);
        let held = writing.held(&chunks)?;
        let mut seen = HashSet::new();
        let missing: Vec<_> = chunks
            .into_iter()
            .zip(held)
            .filter(|((_, chunk), held)| !held && seen.insert(chunk.id))
            .map(|(chunk, _)| chunk)
            .collect();
        self.put_missing(&missing, pieces, writing)?;
        Ok(missing.iter().map(|(_, chunk)| u64::from(chunk.length)).sum())
    }

    /// Puts what is missing by its names there, and writes entries with those.
    fn send_renamed(
        &mut self,
        pieces: Vec<Piece>,
        writing: &mut Writing,
    ) -> std::result::Result<u64, Stopped> {
        let mut seen = HashSet::new();
        let known = self.renaming.as_ref().map(|renaming| &renaming.known);
        let is_known = |chunk: &ChunkRef| known.is_some_and(|known| known.contains_key(&chunk.id));
        let unknown: Vec<_> = chunks_of(&pieces)
            .into_iter()
            .filter(|(_, chunk)| !is_known(chunk) && seen.insert(chunk.id))
            .collect();
        let names = self.put_missing(&unknown, &pieces, writing)?;
        if let Some(renaming) = &mut self.renaming {
            renaming.known.extend(unknown.iter().map(|(_, chunk)| chunk.id).zip(names));
            pieces.into_iter().try_for_each(|piece| renaming.take(piece, writing))?;
        }
        Ok(unknown.iter().map(|(_, chunk)| u64::from(chunk.length)).sum())
    }

    /// Takes chunks out of the source and puts them; their names there.
    fn put_missing(
        &self,
        chunks: &[(ObjectKind, ChunkRef)],
        pieces: &[Piece],
        writing: &mut Writing,
    ) -> std::result::Result<Vec<ChunkRef>, Stopped> {
        let mut names = Vec::with_capacity(chunks.len());
        for (taken, (_, chunk)) in writing.take_from(self.source, chunks).into_iter().zip(chunks) {
            let taken = taken.map_err(|error| of_source(error, self.owner(pieces, chunk)))?;
            names.push(taken.chunk);
            writing.put_taken(taken)?;
        }
        Ok(names)
    }

    /// The path of the entry that `chunk` belongs to.
    fn owner(&self, pieces: &[Piece], chunk: &ChunkRef) -> Option<EntryPath> {
        let at = pieces.iter().position(|piece| matches!(piece, Piece::Chunk(_, c) if c.id == chunk.id))?;
        let later = pieces[at..].iter().find_map(|piece| match piece {
            Piece::Entry(entry) => Some(entry.path.clone()),
            _ => None,
        });
        later.or_else(|| self.walk.path().cloned())
    }

    /// The record as it stands there: everything of the snapshot itself stays.
    pub fn finish(self, origin: ContainerId, writing: &mut Writing) -> Result<SnapshotRecord> {
        let mut record = self.record;
        record.origin = record.origin.or(Some(origin));
        record.generation = writing.generation();
        if let Some(renaming) = self.renaming {
            (record.manifest, record.manifest_bytes) = renaming.finish(writing)?;
        }
        Ok(record)
    }
}

fn chunks_of(pieces: &[Piece]) -> Vec<(ObjectKind, ChunkRef)> {
    let chunk = |piece: &Piece| match piece {
        Piece::Chunk(kind, chunk) => Some((*kind, *chunk)),
        _ => None,
    };
    pieces.iter().filter_map(chunk).collect()
}
