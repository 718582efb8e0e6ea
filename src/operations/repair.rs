//! Repair: damage that parity or a second copy makes good for is written anew. It promises never to
//! reduce what restores: healed segments are written to new places and committed before the old
//! ones are given up, and segments with real losses stay as they are, for a better day.

use super::keys::commit_nothing;
use super::session::Session;
use crate::chunk_store::{SegmentReport, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::container::segment::Health;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::Arc;

/// What a repair would do, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Header copies that are not as they were written.
    pub header_copies: Vec<String>,
    /// Superblock copies, of four, that are not as they were written.
    pub superblock_copies: usize,
    /// Segments that are healed by writing them anew.
    pub healed: Vec<u32>,
    /// Index runs that cannot be read and are rebuilt from the directories.
    pub index_runs: Vec<usize>,
    /// Segments with losses that parity cannot make good for: left as they are.
    pub beyond: Vec<u32>,
    /// Whether the newest commit is damaged beyond use and stays: its predecessor was looked at.
    pub is_newest_lost: bool,
    /// Whether such a one was given up before, by [`adopt`].
    pub gives_up_newest: bool,
    /// Chunks written anew.
    pub moved_chunks: u64,
}

impl RepairReport {
    /// Whether there is anything to write.
    pub fn has_work(&self) -> bool {
        !self.header_copies.is_empty()
            || self.superblock_copies > 0
            || !self.healed.is_empty()
            || !self.index_runs.is_empty()
    }
}

/// Looks for damage and sorts it into what can be healed and what cannot. Writes nothing.
pub fn plan(session: &Session, pool: &Arc<ThreadPool>, progress: &Progress) -> Result<RepairReport> {
    let store = &session.store;
    let container = store.container();
    let mut report = RepairReport { header_copies: container.header().rotten.clone(), ..Default::default() };
    report.is_newest_lost = container.has_fallen_back();
    report.superblock_copies = container.header().superblocks(&**container.base().storage()).1;
    report.index_runs = store.check_index().into_iter().map(|(number, _)| number).collect();
    let slots = store.live_slots();
    progress.expect(slots.len() as u64, slots.len() as u64 * container.base().geometry.segment_bytes as u64);
    let check = |slot: &u32| {
        progress.check()?;
        let checked = store.check_segment(*slot);
        progress.advance(1, container.base().geometry.segment_bytes as u64);
        Ok((*slot, checked.ok()))
    };
    let found: Vec<Result<(u32, Option<SegmentReport>)>> =
        pool.install(|| slots.par_iter().with_max_len(1).map(check).collect());
    for result in found {
        match result? {
            (_, Some(s)) if s.health == Health::Whole && is_readable(&s) => {}
            (slot, Some(s)) if is_readable(&s) && matches!(s.health, Health::Healed(_)) => {
                report.healed.push(slot)
            }
            // The sectors are bad, yet all it holds can be read: moving it heals it.
            (slot, Some(s)) if is_readable(&s) => report.healed.push(slot),
            (slot, _) => report.beyond.push(slot),
        }
    }
    Ok(report)
}

fn is_readable(segment: &SegmentReport) -> bool {
    segment.faults.is_empty() && !segment.directory_lost
}

/// Gives up a newest commit that is damaged beyond use and goes on from the one that was opened:
/// commits it anew until no superblock names a later one. Killed in between, it can be run again.
pub fn adopt(session: &mut Session, time: Timestamp, pool: &Arc<ThreadPool>) -> Result<()> {
    session.store.container_mut().adopt_state();
    loop {
        commit_nothing(session, time, pool.clone())?;
        let container = session.store.container();
        let (slots, _) = container.header().superblocks(&**container.base().storage());
        let newest = slots.iter().flatten().map(|(block, _)| block.generation).max();
        if newest.is_none_or(|newest| newest <= container.state().root.generation) {
            return Ok(());
        }
        // The slots hold neighbouring generations; a later one than the next but one is no commit's.
        if newest.is_some_and(|newest| newest > container.state().root.generation + 2) {
            return Err(Error::damaged(format!(
                "{}: a superblock names a commit far ahead",
                container.base().name()
            ))
            .hint("restore the file from a copy"));
        }
    }
}

/// Writes what [`plan`] found: header copies, then healed segments and the index in one commit.
pub fn repair(
    session: &mut Session,
    mut report: RepairReport,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<RepairReport> {
    if !report.has_work() {
        return Ok(report);
    }
    if !report.header_copies.is_empty() {
        session.store.container_mut().rewrite_header()?;
    }
    let store = &mut session.store;
    let (catalog, ledger) = (Catalog::read(store)?.encode(), Ledger::read(store)?.encode());
    let settings = store.contents().settings.clone();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time, read_back: true };
    let mut writing = store.begin(pool.clone(), WritingOptions { commit, level: 3 })?;
    for slot in &report.healed {
        progress.check()?;
        report.moved_chunks += writing.move_segment(*slot)?;
    }
    if !report.index_runs.is_empty() {
        writing.rebuild_index();
    }
    let committed = writing.finish(&catalog, &ledger, settings)?;
    store.install(committed);
    // A second commit writes the other superblock slot.
    if report.superblock_copies > 0 {
        commit_nothing(session, time, pool)?;
    }
    Ok(report)
}
