//! Room for a backup under the container's limit (`format-spec/container.md`, Space): what earlier nights
//! tell of the need, what may be dropped for it, and trying again. It promises that nothing is dropped
//! that the policy keeps, no more snapshots than are needed, and that the removal is committed before
//! the backup goes on.

use super::{BackupPlan, BackupReport, Source, attempt};
use crate::chunk_store::ChunkStore;
use crate::container::commit::trial;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::prune::{self, PruneOptions, PrunePlan};
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use std::sync::Arc;

/// Segments that a night takes besides its chunks.
const NIGHT_SEGMENTS: u64 = 2;
/// How often a backup is begun anew with more room.
const ATTEMPTS: u32 = 12;

/// The snapshots that a policy would drop, in the order in which they may go.
pub type Droppable<'a> = &'a dyn Fn(&Catalog, &Ledger) -> Vec<SnapshotId>;

/// Makes a snapshot. In a container with a limit room is made for it first: by cleaning, and by
/// dropping as many of the snapshots that `droppable` names as are needed. If the need turns out to be
/// greater, the backup is begun anew with more room, as long as its sources can be read again.
///
/// Errors: [`Kind::Full`], saying what is missing and what could be dropped, with every snapshot that
/// the policy keeps still there.
pub fn backup_making_room(
    store: &mut ChunkStore,
    plan: BackupPlan,
    droppable: Droppable,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<BackupReport> {
    let before = store.container().file_bytes();
    let mut room = Room { store, plan: &plan, droppable, pool: &pool, progress, dropped: Vec::new() };
    if room.store.contents().settings.max_bytes.is_some() {
        let need = room.usual_need()?;
        room.make(need, false)?;
    }
    for _ in 0..ATTEMPTS {
        let free = prune::free_bytes(room.store)?;
        match (attempt(room.store, plan.clone(), pool.clone(), progress), free) {
            (Ok(report), _) => {
                let file_bytes = (before, report.file_bytes.1);
                return Ok(BackupReport { dropped: room.dropped, file_bytes, ..report });
            }
            (Err(error), Some(free)) if error.kind() == Kind::Full => {
                let is_read_again = !plan.sources.iter().any(|s| matches!(s, Source::StandardInput { .. }));
                let more = free + free / 2 + 4 * room.segment();
                if !is_read_again || !room.make(more, true)? {
                    return Err(room.explain(error, free));
                }
            }
            (Err(error), _) => return Err(error),
        }
    }
    Err(Error::new(Kind::Full, "backup: more and more room was made, and it never sufficed"))
}

struct Room<'a> {
    store: &'a mut ChunkStore,
    plan: &'a BackupPlan,
    droppable: Droppable<'a>,
    pool: &'a Arc<ThreadPool>,
    progress: &'a Progress,
    dropped: Vec<SnapshotId>,
}

impl Room<'_> {
    fn segment(&self) -> u64 {
        trial::capacity(&self.store.container().base().geometry)
    }

    /// What the largest of the last nights of these sources added, and a quarter more.
    fn usual_need(&self) -> Result<u64> {
        let catalog = Catalog::read(self.store)?;
        let mut names: Vec<_> = self.plan.sources.iter().map(Source::order).collect();
        names.sort();
        let is_alike = |s: &&crate::snapshot::SnapshotRecord| {
            s.sources.len() == names.len()
                && s.sources.iter().zip(&names).all(|(source, name)| source.name == name.1)
        };
        // The first of all added everything; it says nothing of a night.
        let nights = catalog.snapshots.iter().skip(1).rev().filter(is_alike).take(7);
        let added = nights.map(|s| s.counts.added_bytes).max();
        Ok(added.map_or(0, |added| added.saturating_add(added / 4) + NIGHT_SEGMENTS * self.segment()))
    }

    /// Sees to `need` free bytes, if that can be had; `at_most`: else to as much as can be had. Whether
    /// there is more room than before.
    fn make(&mut self, need: u64, at_most: bool) -> Result<bool> {
        let Some(free) = prune::free_bytes(self.store)? else { return Ok(false) };
        if free >= need {
            return Ok(false);
        }
        let droppable = (self.droppable)(&Catalog::read(self.store)?, &Ledger::read(self.store)?);
        let plan = self.fewest(&droppable, need)?;
        let reached = plan.free_bytes_after.unwrap_or(0);
        if reached < need && (!at_most || reached < free + self.segment()) {
            return Ok(false);
        }
        let ids: Vec<SnapshotId> = plan.removed.iter().map(|s| s.id).collect();
        prune::apply(self.store, plan, self.pool.clone(), self.progress)?;
        self.dropped.extend(ids);
        Ok(true)
    }

    /// The plan that drops the fewest of `droppable`, in their order, for `need` free bytes; all of them
    /// if that is not enough.
    fn fewest(&self, droppable: &[SnapshotId], need: u64) -> Result<PrunePlan> {
        let time = self.plan.time;
        let options = PruneOptions { time, free_bytes: need, shrink: false, ..PruneOptions::default() };
        let try_with = |count: usize| prune::plan(self.store, &droppable[..count], &options, self.progress);
        let is_enough = |plan: &PrunePlan| plan.free_bytes_after.is_none_or(|free| free >= need);
        let mut plan = try_with(0)?;
        let (mut too_few, mut count) = (0, 1.min(droppable.len()));
        while !is_enough(&plan) && too_few < droppable.len() {
            plan = try_with(count)?;
            if is_enough(&plan) {
                break;
            }
            (too_few, count) = (count, (2 * count).min(droppable.len()));
        }
        while is_enough(&plan) && too_few + 1 < plan.removed.len() {
            let middle = usize::midpoint(too_few, plan.removed.len());
            let fewer = try_with(middle)?;
            match is_enough(&fewer) {
                true => plan = fewer,
                false => too_few = middle,
            }
        }
        Ok(plan)
    }

    fn explain(&self, error: Error, free: u64) -> Error {
        if is_of_system(&error) {
            return match error.remedy() {
                Some(_) => error,
                None => error.hint("make room on the disk; earlier snapshots are intact"),
            };
        }
        let named = Catalog::read(self.store)
            .and_then(|catalog| Ok((self.droppable)(&catalog, &Ledger::read(self.store)?).len()));
        let could = match named {
            Ok(0) => "; the policy lets no snapshot go".to_owned(),
            Ok(count) => format!("; {count} snapshots that the policy lets go are not enough"),
            Err(_) => String::new(),
        };
        let name = self.store.container().base().name();
        Error::new(
            Kind::Full,
            format!("{name}: the backup needs more than the {free} bytes that are free under the limit"),
        )
        .hint(format!("raise the limit (coffer set --max-size SIZE) or keep fewer snapshots{could}"))
        .because(error)
    }
}

/// Whether the system refused to write, and not the container's own limit.
fn is_of_system(error: &Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .any(|cause| cause.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_grow_is_not_taken_for_the_limit_of_the_container() {
        let refused = Error::io(Kind::Failed, "c: no room to grow", std::io::ErrorKind::FileTooLarge.into());
        assert_eq!((refused.kind(), is_of_system(&refused)), (Kind::Full, true));
        assert!(refused.remedy().is_some_and(|hint| hint.contains("FAT32") && hint.contains("--max-size")));
        let own = Error::new(Kind::Full, "c: its limit of 5 bytes is reached");
        assert!(!is_of_system(&own));
    }
}
