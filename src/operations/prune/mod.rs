//! Prune: removes snapshots. Planned first, which is free and writes nothing, then applied.
//!
//! This version takes snapshots out of the catalog in one commit; segments stay as they are.

use crate::chunk_store::{ChunkStore, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::error::Result;
use crate::ids::{ChunkId, SnapshotId};
use crate::progress::Progress;
use crate::snapshot::{Catalog, ChunkRefs, Ledger, ManifestReader, SnapshotRecord};
use rayon::ThreadPool;
use std::collections::HashSet;
use std::sync::Arc;

/// Wishes of one prune.
#[derive(Clone, Copy, Debug)]
pub struct PruneOptions {
    /// Time of its commit.
    pub time: Timestamp,
}

/// What a prune would do.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The snapshots it removes.
    pub victims: Vec<SnapshotId>,
    /// Sealed bytes that nothing names any more.
    pub freed_bytes: u64,
    /// Length of the file before.
    pub file_bytes_before: u64,
    /// Length of the file after.
    pub file_bytes_after: u64,
    time: Timestamp,
}

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Sealed bytes that nothing names any more.
    pub freed_bytes: u64,
    /// Length of the file before.
    pub file_bytes_before: u64,
    /// Length of the file after.
    pub file_bytes_after: u64,
}

/// Tells what removing `victims` would free.
pub fn plan(
    store: &ChunkStore,
    victims: &[SnapshotId],
    options: &PruneOptions,
    progress: &Progress,
) -> Result<PrunePlan> {
    let catalog = Catalog::read(store)?;
    catalog.clone().remove(victims)?;
    let mut freed_bytes = 0;
    if !victims.is_empty() {
        let (gone, stay): (Vec<_>, Vec<_>) = catalog.snapshots.iter().partition(|s| victims.contains(&s.id));
        let live = chunks(store, &stay, progress)?;
        for id in chunks(store, &gone, progress)?.difference(&live) {
            freed_bytes += store.locate(id)?.first().map_or(0, |copy| u64::from(copy.length));
        }
    }
    let file_bytes_before = store.container().file_bytes();
    let victims = victims.to_vec();
    let file_bytes_after = file_bytes_before;
    Ok(PrunePlan { victims, freed_bytes, file_bytes_before, file_bytes_after, time: options.time })
}

fn chunks(store: &ChunkStore, records: &[&SnapshotRecord], progress: &Progress) -> Result<HashSet<ChunkId>> {
    let mut found = HashSet::new();
    for record in records {
        progress.check()?;
        for entry in ManifestReader::new(store, &record.manifest)? {
            let Some(content) = entry?.kind.content().cloned() else { continue };
            for chunk in ChunkRefs::of_length(store, &content.chunks, content.data_bytes().unwrap_or(0))? {
                found.insert(chunk?.id);
            }
        }
    }
    Ok(found)
}

/// Does what `plan` says. Nothing of it is visible before it is durable.
pub fn apply(
    store: &mut ChunkStore,
    plan: PrunePlan,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<PruneReport> {
    let report = PruneReport {
        freed_bytes: plan.freed_bytes,
        file_bytes_before: plan.file_bytes_before,
        file_bytes_after: plan.file_bytes_after,
    };
    if plan.victims.is_empty() {
        return Ok(report);
    }
    progress.check()?;
    let mut catalog = Catalog::read(store)?;
    catalog.remove(&plan.victims)?;
    let ledger = Ledger::read(store)?.encode();
    let settings = store.contents().settings.clone();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time: plan.time, read_back: false };
    let writing = store.begin(pool, WritingOptions { commit, level: 3 })?;
    let committed = writing.finish(&catalog.encode(), &ledger, settings)?;
    store.install(committed);
    Ok(PruneReport { file_bytes_after: store.container().file_bytes(), ..report })
}
