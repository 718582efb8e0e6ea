//! Repair: damage is made good for by parity, by second copies, by a copy of the container and by what
//! the live sources still hold. It promises never to reduce what restores: everything is written to
//! new places and committed before a damaged segment is given up, and a segment that alone held
//! something that is needed stays as it is, for a better day. Killed at any instant, it can be run again.

mod plan;
mod taking;

pub use plan::{Survey, survey};
pub use taking::Sources;

use super::keys::commit_nothing;
use super::losses::{self, Losses};
use super::session::Session;
use crate::chunk_store::{ChunkStore, Writing, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use std::sync::Arc;

/// Bytes of damaged segments that one commit writes anew.
const BATCH_BYTES: usize = 64 << 20;

/// What a repair would do, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Header copies that were not as they were written.
    pub header_copies: Vec<String>,
    /// Superblock copies, of four, that were not as they were written.
    pub superblock_copies: usize,
    /// Bytes by which a file that was cut off within its live segments was made longer again.
    pub restored_bytes: u64,
    /// Segments all of which could be read and was written anew.
    pub healed: Vec<u32>,
    /// Segments that could not be read in full, given up: nothing that is needed was only there.
    pub dropped: Vec<u32>,
    /// Segments that alone held something that is lost: left as they are.
    pub beyond: Vec<u32>,
    /// Damaged segments that only the commit before reaches: they go with the next.
    pub outdated: Vec<u32>,
    /// Index runs that could not be read and were rebuilt from the directories.
    pub index_runs: Vec<usize>,
    /// Whether the newest commit is damaged beyond use and stays: its predecessor was looked at.
    pub is_newest_lost: bool,
    /// Whether such a one was given up before, by [`adopt`].
    pub gives_up_newest: bool,
    /// Chunks written anew out of damaged segments.
    pub moved_chunks: u64,
    /// Lost chunks that another container or a live source gave back.
    pub taken_chunks: u64,
    /// What remains lost.
    pub losses: Losses,
}

impl RepairReport {
    /// Whether anything was, or would be, written.
    pub fn has_work(&self) -> bool {
        !self.header_copies.is_empty()
            || self.superblock_copies > 0
            || self.restored_bytes > 0
            || !self.healed.is_empty()
            || !self.dropped.is_empty()
            || !self.outdated.is_empty()
            || !self.index_runs.is_empty()
            || self.moved_chunks > 0
            || self.taken_chunks > 0
    }

    /// Whether something is still damaged that no repair could make good for.
    pub fn has_losses(&self) -> bool {
        self.is_newest_lost || !self.beyond.is_empty() || !self.losses.affected.is_empty()
    }
}

/// What a repair of what `survey` found would do. Writes nothing.
pub fn plan(
    session: &Session,
    survey: &Survey,
    sources: &Sources,
    progress: &Progress,
) -> Result<RepairReport> {
    let store = &session.store;
    let mut report = survey.report();
    let catalog = catalog_of(store)?;
    let losses = losses::find(store, &survey.suspects(), &catalog, progress)?;
    let takable = taking::takable(store, &losses, &catalog, sources, progress)?;
    report.taken_chunks = takable.len() as u64;
    report.restored_bytes = store.container().missing_bytes()?;
    report.losses = losses.without(&takable);
    for slot in survey.slots() {
        let step = survey.step(store, &report.losses, slot);
        report.moved_chunks += step.write.len() as u64;
        note(&mut report, slot, &step);
    }
    Ok(report)
}

fn note(report: &mut RepairReport, slot: u32, step: &plan::Step) {
    match (step.is_dropped, step.is_readable) {
        (true, true) => report.healed.push(slot),
        (true, false) => report.dropped.push(slot),
        (false, _) => report.beyond.push(slot),
    }
}

/// Mends what `survey` found: header copies, then what others can give back, then damaged segments
/// in batches, a commit each, then the index.
pub fn repair(
    session: &mut Session,
    mut survey: Survey,
    sources: &Sources,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<RepairReport> {
    let mut report = survey.report();
    if !report.header_copies.is_empty() {
        session.store.container_mut().rewrite_header()?;
    }
    report.restored_bytes = session.store.container().restore_length()?;
    let mut mending = Mending { session, time, pool, progress, commits: 0 };
    mending.take(&survey, sources, &mut report)?;
    let taken = mending.commits;
    let losses = mending.segments(&mut survey, &mut report)?;
    if mending.commits == 0 && !report.index_runs.is_empty() {
        mending.commit(|writing, _| {
            writing.rebuild_index();
            Ok(true)
        })?;
    }
    // Both superblock slots are written by two commits; one leaves the commit before behind.
    let is_one_due = report.restored_bytes > 0 || !report.outdated.is_empty();
    let least = if report.superblock_copies > 0 { 2 } else { usize::from(is_one_due) };
    while mending.commits < least {
        commit_nothing(mending.session, time, mending.pool.clone())?;
        mending.commits += 1;
    }
    let is_as_before = mending.commits == taken;
    let store = &session.store;
    report.losses = match is_as_before {
        true => losses,
        false => losses::find(store, &survey.suspects(), &catalog_of(store)?, progress)?,
    };
    Ok(report)
}

/// A repair under way.
struct Mending<'a> {
    session: &'a mut Session,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    progress: &'a Progress,
    commits: usize,
}

impl Mending<'_> {
    /// One commit of what `write` writes; none if it returns false.
    fn commit(&mut self, write: impl FnOnce(&mut Writing, &Catalog) -> Result<bool>) -> Result<bool> {
        let store = &mut self.session.store;
        let (catalog, ledger) = (catalog_of(store)?, Ledger::read(store).unwrap_or_default());
        let settings = store.contents().settings.clone();
        let commit = CommitOptions { max_bytes: settings.max_bytes, time: self.time, read_back: true };
        let mut writing = store.begin(self.pool.clone(), WritingOptions { commit, level: 3 })?;
        if !write(&mut writing, &catalog)? {
            return Ok(false);
        }
        self.progress.check()?;
        let committed = writing.finish(&catalog.encode(), &ledger.encode(), settings)?;
        store.install(committed);
        self.commits += 1;
        Ok(true)
    }

    /// Takes lost chunks from elsewhere until nobody has more: what a manifest or a list names is known
    /// only once it is back.
    fn take(&mut self, survey: &Survey, sources: &Sources, report: &mut RepairReport) -> Result<()> {
        let progress = self.progress;
        while sources.is_any() {
            let store = &self.session.store;
            let catalog = catalog_of(store)?;
            let losses = losses::find(store, &survey.suspects(), &catalog, progress)?;
            let mut taken = 0;
            let rebuild = !survey.index_runs.is_empty();
            let wrote = !losses.chunks.is_empty()
                && self.commit(|writing, catalog| {
                    taken = taking::take(writing, &losses, catalog, sources, progress)?;
                    if rebuild {
                        writing.rebuild_index();
                    }
                    Ok(taken > 0)
                })?;
            report.taken_chunks += taken;
            if !wrote {
                break;
            }
        }
        Ok(())
    }

    /// Empties damaged segments, some in each commit, and gives up those that nothing needs. Returns
    /// what was lost before.
    fn segments(&mut self, survey: &mut Survey, report: &mut RepairReport) -> Result<Losses> {
        let store = &self.session.store;
        let losses = losses::find(store, &survey.suspects(), &catalog_of(store)?, self.progress)?;
        let batch = (BATCH_BYTES / store.container().base().geometry.segment_bytes).max(2);
        let slots: Vec<u32> = survey.slots().collect();
        for slots in slots.chunks(batch) {
            let mut dropped = Vec::new();
            let progress = self.progress;
            self.commit(|writing, _| {
                let mut writes = false;
                for slot in slots {
                    progress.check()?;
                    let step = survey.step(writing.committed(), &losses, *slot);
                    note(report, *slot, &step);
                    writes |= step.is_dropped || !step.write.is_empty();
                    for chunk in step.write {
                        report.moved_chunks += u64::from(writing.place(chunk)?);
                    }
                    if step.is_dropped {
                        writing.retire(*slot);
                        dropped.push(*slot);
                    }
                }
                if !survey.index_runs.is_empty() {
                    writing.rebuild_index();
                }
                Ok(writes)
            })?;
            // The slots may hold new segments from here on.
            dropped.iter().for_each(|slot| survey.forget(*slot));
        }
        Ok(losses)
    }
}

/// Goes back to the commit before if the newest one has lost its catalog: without that it holds
/// nothing. [`adopt`] then gives it up. Nothing is written here.
pub fn step_back(session: Session) -> Result<Session> {
    match Catalog::read(&session.store) {
        Err(error) if error.kind() == Kind::Damaged && !session.store.container().has_fallen_back() => {}
        _ => return Ok(session),
    }
    let container = session.store.into_container().step_back()?;
    let before = Session { store: ChunkStore::open(container)?, ..session };
    Catalog::read(&before.store)?;
    Ok(before)
}

/// The catalog, without which nothing can be repaired.
fn catalog_of(store: &ChunkStore) -> Result<Catalog> {
    Catalog::read(store).map_err(|error| match error.kind() {
        Kind::Damaged => error
            .hint("coffer repair --adopt goes on from the commit before; or restore the file from a copy"),
        _ => error,
    })
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
