//! What a copy would move: the plan of it, without writing anything. Within a family it is known by
//! names alone; into another family it is what the snapshot before does not have.

use super::transfer::{Stopped, of_source};
use super::walk::{Piece, Walk};
use super::{CopyPlan, LeftOut, check_apart, chosen, is_family, nearest};
use crate::chunk_store::ChunkStore;
use crate::crypto::ObjectKind;
use crate::entry::ChunkRef;
use crate::error::Result;
use crate::ids::{ChunkId, SnapshotId};
use crate::progress::Progress;
use crate::snapshot::{Catalog, SnapshotRecord};
use std::collections::HashSet;

/// Most chunks that are counted once each; beyond, one may be counted again with every snapshot.
const MAX_COUNTED: usize = 8 << 20;

/// What a copy would move.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    /// Whether both containers are of one family; if not, what is told is the most it can be.
    pub is_family: bool,
    /// Snapshots that are not there.
    pub snapshots: Vec<SnapshotRecord>,
    /// Snapshots that are there already.
    pub present: Vec<SnapshotId>,
    /// Snapshots whose lists cannot be read.
    pub left_out: Vec<LeftOut>,
    /// Chunks that are not there.
    pub chunks: u64,
    /// Plaintext bytes of those.
    pub plain_bytes: u64,
    /// Bytes of those on disk, seals included.
    pub sealed_bytes: u64,
}

/// Reckons what [`super::copy`] would move.
pub fn missing(
    source: &ChunkStore,
    destination: &ChunkStore,
    plan: &CopyPlan,
    progress: &Progress,
) -> Result<Missing> {
    check_apart(source, destination)?;
    let (theirs, mut there) = (Catalog::read(source)?, Catalog::read(destination)?);
    let mut missing = Missing { is_family: is_family(source, destination), ..Missing::default() };
    let mut counted = HashSet::new();
    for record in chosen(&theirs, plan)? {
        if there.find(&record.id).is_some() {
            missing.present.push(record.id);
            continue;
        }
        let before = nearest(&theirs, &there, record);
        let mut counting = Counting { source, destination, counted: &mut counted, missing: &mut missing };
        match counting.snapshot(record, before, progress) {
            Ok(()) => {
                missing.snapshots.push(record.clone());
                there.snapshots.push(record.clone());
            }
            Err(Stopped::Failed(error)) => return Err(error),
            Err(Stopped::Source { path, error }) => {
                missing.left_out.push(LeftOut { snapshot: record.id, path, reason: error.to_string() });
            }
        }
    }
    Ok(missing)
}

struct Counting<'a> {
    source: &'a ChunkStore,
    destination: &'a ChunkStore,
    counted: &'a mut HashSet<ChunkId>,
    missing: &'a mut Missing,
}

impl Counting<'_> {
    fn snapshot(
        &mut self,
        record: &SnapshotRecord,
        before: Option<&SnapshotRecord>,
        progress: &Progress,
    ) -> std::result::Result<(), Stopped> {
        // Walked through as it lies, whatever the family: the names there are not asked for.
        let mut walk = Walk::new(self.source, record, before, true).map_err(|e| of_source(e, None))?;
        loop {
            let piece = walk.next(None);
            match piece.map_err(|error| of_source(error, walk.path().cloned()))? {
                Some(Piece::Chunk(kind, chunk)) => self.chunk(kind, &chunk)?,
                Some(Piece::Entry(_)) => progress.check()?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    fn chunk(&mut self, kind: ObjectKind, chunk: &ChunkRef) -> Result<()> {
        let is_there = self.missing.is_family && !self.destination.locate(&chunk.id)?.is_empty();
        let is_new = !self.counted.contains(&chunk.id);
        if is_there || !is_new {
            return Ok(());
        }
        if self.counted.len() < MAX_COUNTED {
            self.counted.insert(chunk.id);
        }
        // Metadata is written twice.
        let copies = if matches!(kind, ObjectKind::List | ObjectKind::Manifest) { 2 } else { 1 };
        let length = self.source.locate(&chunk.id)?.first().map_or(0, |entry| u64::from(entry.length));
        self.missing.chunks += 1;
        self.missing.plain_bytes += u64::from(chunk.length);
        self.missing.sealed_bytes += copies * length;
        Ok(())
    }
}
