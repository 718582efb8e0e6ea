//! Doing what was planned: one commit a step. It promises that whatever is not done when it stops is
//! found and done by the next prune.

use super::PrunePlan;
use super::schedule::Step;
use crate::chunk_store::{ChunkStore, Move, Writing, WritingOptions};
use crate::container::commit::CommitOptions;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use std::collections::HashSet;
use std::sync::Arc;

/// What a prune did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Snapshots removed.
    pub removed_count: u64,
    /// Bytes on disk, seals included, that nothing refers to any more.
    pub freed_bytes: u64,
    /// Length of the file before.
    pub file_bytes_before: u64,
    /// Length of the file now.
    pub file_bytes_after: u64,
    /// Packed bytes of chunks that were written anew.
    pub moved_bytes: u64,
    /// Bytes that were written in all.
    pub written_bytes: u64,
    /// Bytes inside the file whose blocks were given back to the file system.
    pub punched_bytes: u64,
    /// Commits that were made.
    pub commits: u64,
    /// The oldest commit that a reader holds on to, if that kept space from being given back; the next
    /// prune gives it back.
    pub held_generation: Option<u64>,
    /// Segments that were to be emptied and are damaged: they stay as they are.
    pub damaged_slots: Vec<u32>,
}

impl PruneReport {
    /// Bytes written for each byte freed.
    pub fn write_amplification(&self) -> f64 {
        self.written_bytes as f64 / self.freed_bytes.max(1) as f64
    }
}

/// Does what `plan` says. Stops between commits when `progress` is told to.
///
/// Errors: [`Kind::Failed`] if the container has another state than the plan was made for,
/// [`Kind::Busy`] if a reader leaves not even room for removing the snapshots.
pub fn apply(
    store: &mut ChunkStore,
    plan: PrunePlan,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<PruneReport> {
    if store.container().state().root.generation != plan.generation {
        return Err(Error::new(Kind::Failed, "prune: the container changed after this was planned"));
    }
    let mut report = PruneReport {
        removed_count: plan.removed.len() as u64,
        freed_bytes: plan.freed_bytes,
        file_bytes_before: plan.file_bytes_before,
        ..PruneReport::default()
    };
    let gone: Vec<SnapshotId> = plan.removed.iter().map(|s| s.id).collect();
    let mut catalog = Catalog::read(store)?;
    catalog.remove(&gone)?;
    let catalog = catalog.encode();
    progress.expect(plan.steps.len() as u64, plan.written_bytes);
    for (number, step) in plan.steps.iter().enumerate() {
        progress.check()?;
        let run = Run { plan: &plan, catalog: &catalog, is_first: number == 0 };
        run.commit(store, step, &pool, &mut report)?;
        progress.advance(1, step.segments as u64 * store.container().base().geometry.segment_bytes as u64);
        if report.held_generation.is_some() {
            break;
        }
    }
    if plan.options.shrink && plan.has_work() {
        report.punched_bytes = store.container().punch_free(plan.reserve)?;
    }
    report.file_bytes_after = store.container().file_bytes();
    Ok(report)
}

struct Run<'a> {
    plan: &'a PrunePlan,
    catalog: &'a [u8],
    is_first: bool,
}

impl Run<'_> {
    fn commit(
        &self,
        store: &mut ChunkStore,
        step: &Step,
        pool: &Arc<ThreadPool>,
        report: &mut PruneReport,
    ) -> Result<()> {
        let settings = store.contents().settings.clone();
        let max_bytes = settings.max_bytes;
        let commit = CommitOptions { max_bytes, time: self.plan.options.time, read_back: false };
        let ledger = Ledger::read(store)?.encode();
        let mut writing = store.begin(pool.clone(), WritingOptions { commit, level: 3 })?;
        let is_cramped = writing.commit().usable_slots() < step.segments;
        let is_hindered = is_cramped || step.change.cut_to.is_some();
        report.held_generation = writing.commit().held_generation().filter(|_| is_hindered);
        match (report.held_generation, self.is_first) {
            (Some(_), false) => return Ok(()),
            (Some(_), true) => remove_only(store, step, &mut writing)?,
            (None, _) => self.change(store, step, &mut writing, report)?,
        }
        let committed = writing.finish(self.catalog, &ledger, settings)?;
        store.install(committed);
        report.commits += 1;
        report.written_bytes += written(store);
        Ok(())
    }

    /// All that a step is about.
    fn change(
        &self,
        store: &ChunkStore,
        step: &Step,
        writing: &mut Writing,
        report: &mut PruneReport,
    ) -> Result<()> {
        if !step.grows {
            writing.commit().give_back();
        }
        writing.keep_runs(step.change.kept_runs);
        let moves: Vec<Move> = step.moves.iter().filter(|m| self.is_there(store, m)).cloned().collect();
        // What is moved is given up by the moving, unless it cannot be read.
        let moved = writing.move_live(&moves)?;
        report.moved_bytes += moved.bytes;
        report.damaged_slots.extend(moved.skipped);
        give_up(step, &HashSet::new(), writing);
        if let Some(slots) = step.change.cut_to {
            writing.commit().cut_to(slots);
        }
        Ok(())
    }

    /// Whether a segment that an earlier step wrote, as far as was foretold, is one indeed.
    fn is_there(&self, store: &ChunkStore, wanted: &Move) -> bool {
        let record = store.container().state().table.get(wanted.slot as usize);
        wanted.live.is_some()
            || record.is_some_and(|r| r.live && r.chunk_count > 0 && r.generation > self.plan.generation)
    }
}

/// Beside a reader that leaves too few slots: the snapshots go, and segments that are dead as a whole.
fn remove_only(store: &ChunkStore, step: &Step, writing: &mut Writing) -> Result<()> {
    let runs = store.contents().runs.len();
    writing.keep_runs(runs);
    give_up(step, &store.index_slots(0..runs)?, writing);
    Ok(())
}

/// Gives up the segments without live chunks, but for `spared`.
fn give_up(step: &Step, spared: &HashSet<u32>, writing: &mut Writing) {
    let moved: HashSet<u32> = step.moves.iter().map(|m| m.slot).collect();
    let dead = step.change.retired.iter().filter(|slot| !moved.contains(slot) && !spared.contains(slot));
    dead.for_each(|slot| writing.retire(*slot));
}

/// Bytes of the segments that the newest commit wrote.
fn written(store: &ChunkStore) -> u64 {
    let state = store.container().state();
    let new = state.table.iter().filter(|r| r.live && r.generation == state.root.generation).count();
    new as u64 * store.container().base().geometry.segment_bytes as u64
}
