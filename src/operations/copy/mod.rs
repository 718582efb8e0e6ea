//! Copy: snapshots into another container (`format-spec/manifest.md`, Copies). It promises that only
//! what is missing there is read and written, sealed anew and never recompressed; that every
//! snapshot is there whole or not at all, oldest first, so that an interrupted copy keeps what it
//! has and goes on when run again; that a snapshot which the source cannot give whole is named and
//! left out; and that nothing ever happens to the source, which others may write to meanwhile.

mod export;
mod missing;
mod renaming;
mod transfer;
mod walk;

#[cfg(test)]
mod tests;

pub use export::{ExportPlan, export};
pub use missing::{Missing, missing};

use super::verify::{self, VerifyReport};
use crate::chunk_store::{ChunkStore, Committed, WriteStatistics, Writing, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::entry::EntryPath;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger, LedgerEntry, Level, SnapshotRecord};
use rayon::ThreadPool;
use renaming::{Pairs, Renaming};
use std::collections::HashSet;
use std::sync::Arc;
use transfer::{Stopped, Transfer};

/// Packed bytes after which a commit is made within a snapshot, so that an interruption costs no more.
pub const COMMIT_BYTES: u64 = 1 << 30;
/// zstd level of what is written anew: lists and manifests have their own.
const LEVEL: i32 = 3;

/// What to copy, and how.
#[derive(Clone, Debug)]
pub struct CopyPlan {
    /// The snapshots; `None`: all.
    pub snapshots: Option<Vec<SnapshotId>>,
    /// Time of the commits.
    pub time: Timestamp,
    /// How to verify the destination afterwards; `None`: only what was written is read back.
    pub verify: Option<Level>,
    /// Whether to verify even if nothing came since the last verification.
    pub verify_anyway: bool,
    /// Verifications of the destination that its ledger does not know yet.
    pub verifications: Vec<LedgerEntry>,
    /// Packed bytes in a commit before the snapshot is whole: [`COMMIT_BYTES`].
    pub commit_bytes: u64,
}

/// A snapshot that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The first entry that is touched; `None`: the list of files itself.
    pub path: Option<EntryPath>,
    /// What is wrong.
    pub reason: String,
}

/// What was copied. After a failure it tells what is there all the same.
#[derive(Clone, Debug, Default)]
pub struct CopyReport {
    /// Whether both containers are of one family.
    pub is_family: bool,
    /// Snapshots that were copied, as they stand there now.
    pub copied: Vec<SnapshotRecord>,
    /// Snapshots that were there already.
    pub present: Vec<SnapshotId>,
    /// Snapshots that the source cannot give whole.
    pub left_out: Vec<LeftOut>,
    /// What was put; chunks that were not looked at are not counted.
    pub statistics: WriteStatistics,
    /// Length of the destination before and after, in bytes.
    pub file_bytes: (u64, u64),
    /// What the verification afterwards found.
    pub verified: Option<VerifyReport>,
}

/// Whether both containers name chunks alike.
pub fn is_family(source: &ChunkStore, destination: &ChunkStore) -> bool {
    source.container().base().keyring().is_of_family(destination.container().base().keyring())
}

/// Refuses to copy a container into itself or into a byte copy of itself.
pub fn check_apart(source: &ChunkStore, destination: &ChunkStore) -> Result<()> {
    let (from, to) = (source.container().base(), destination.container().base());
    match from.container == to.container {
        true => Err(Error::new(
            Kind::Usage,
            format!("{} is {} itself, or a copy of its bytes", to.name(), from.name()),
        )
        .hint("make another container: coffer init FILE --copy-of CONTAINER")),
        false => Ok(()),
    }
}

/// Copies snapshots of `source` into `destination`, oldest first, and verifies it.
///
/// What `report` says was copied is there even if this fails: [`Kind::Full`] if the destination is.
pub fn copy(
    source: &ChunkStore,
    destination: &mut ChunkStore,
    plan: &CopyPlan,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
    report: &mut CopyReport,
) -> Result<()> {
    check_apart(source, destination)?;
    report.is_family = is_family(source, destination);
    report.file_bytes = (destination.container().file_bytes(), destination.container().file_bytes());
    let catalog = Catalog::read(source)?;
    let chosen = chosen(&catalog, plan)?;
    let mut place = Place::new(destination, plan, pool)?;
    progress.expect(chosen.len() as u64, 0);
    for record in chosen {
        if place.catalog.find(&record.id).is_some() {
            report.present.push(record.id);
        } else {
            match place.bring(source, &catalog, record, progress, report) {
                Ok(()) => {}
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Source { path, error }) => {
                    let reason = error.to_string();
                    report.left_out.push(LeftOut { snapshot: record.id, path, reason });
                }
            }
        }
        progress.advance(1, 0);
    }
    place.verify(progress, report)
}

/// The records that `plan` chooses, in commit order.
fn chosen<'a>(catalog: &'a Catalog, plan: &CopyPlan) -> Result<Vec<&'a SnapshotRecord>> {
    let Some(ids) = &plan.snapshots else { return Ok(catalog.snapshots.iter().collect()) };
    if let Some(unknown) = ids.iter().find(|id| catalog.find(id).is_none()) {
        return Err(Error::new(Kind::NotFound, format!("no snapshot `{unknown}`")));
    }
    Ok(catalog.snapshots.iter().filter(|record| ids.contains(&record.id)).collect())
}

/// The snapshot that is in both and most like `record`: of the same sources if there is one, the
/// last before it if there is one.
fn nearest<'a>(source: &'a Catalog, there: &Catalog, record: &SnapshotRecord) -> Option<&'a SnapshotRecord> {
    let at = source.snapshots.iter().position(|s| s.id == record.id)?;
    let (earlier, later) = source.snapshots.split_at(at);
    let names = |s: &SnapshotRecord| s.sources.iter().map(|s| (s.kind, s.name.clone())).collect::<Vec<_>>();
    let same = names(record);
    let held: HashSet<_> = there.snapshots.iter().map(|s| s.id).collect();
    let in_both: Vec<_> =
        earlier.iter().rev().chain(later.iter().skip(1)).filter(|s| held.contains(&s.id)).collect();
    in_both.iter().find(|s| names(s) == same).or(in_both.first()).copied()
}

/// Where a snapshot goes in the catalog `there`: before those that the source holds behind it, so that
/// the latest is the latest in whatever order snapshots come.
fn position(there: &Catalog, source: &Catalog, id: &SnapshotId) -> usize {
    let behind: HashSet<_> =
        source.snapshots.iter().rev().take_while(|s| s.id != *id).map(|s| s.id).collect();
    there.snapshots.iter().position(|s| behind.contains(&s.id)).unwrap_or(there.snapshots.len())
}

/// The destination while it is written to.
struct Place<'p> {
    store: &'p mut ChunkStore,
    plan: &'p CopyPlan,
    pool: &'p Arc<ThreadPool>,
    catalog: Catalog,
    ledger: Ledger,
}

impl<'p> Place<'p> {
    fn new(store: &'p mut ChunkStore, plan: &'p CopyPlan, pool: &'p Arc<ThreadPool>) -> Result<Place<'p>> {
        let (catalog, mut ledger) = (Catalog::read(store)?, Ledger::read(store)?);
        plan.verifications.iter().for_each(|entry| ledger.add(*entry));
        Ok(Place { store, plan, pool, catalog, ledger })
    }

    fn options(&self) -> WritingOptions {
        let max_bytes = self.store.contents().settings.max_bytes;
        let commit = CommitOptions { max_bytes, time: self.plan.time, read_back: true };
        WritingOptions { commit, level: LEVEL }
    }

    /// Brings one snapshot here, in as many commits as it takes.
    fn bring(
        &mut self,
        source: &ChunkStore,
        theirs: &Catalog,
        record: &SnapshotRecord,
        progress: &Progress,
        report: &mut CopyReport,
    ) -> std::result::Result<(), Stopped> {
        // Where damage was found, nothing that is there is taken for granted.
        let is_distrusted = self.ledger.has_unproven_damage();
        let before = nearest(theirs, &self.catalog, record).filter(|_| !is_distrusted).cloned();
        let renaming = (!report.is_family).then(|| Renaming::new(self.store));
        let mut transfer = Transfer::new(source, record, before.as_ref(), renaming)?;
        loop {
            let mut writing = self.store.begin(self.pool.clone(), self.options())?;
            if is_distrusted {
                writing.prove_held_chunks();
            }
            let twin = before.as_ref().and_then(|before| self.catalog.find(&before.id));
            let pairs = (!report.is_family).then(|| Pairs::new(source, self.store, twin));
            let is_whole = transfer.fill(&mut writing, pairs, self.plan.commit_bytes, progress)?;
            if !is_whole {
                add(&mut report.statistics, &writing.statistics());
                let committed = self.end(writing, &self.catalog)?;
                self.store.install(committed);
                continue;
            }
            let record = transfer.finish(source.container().base().container, &mut writing)?;
            let statistics = writing.statistics();
            let mut catalog = self.catalog.clone();
            catalog.snapshots.insert(position(&catalog, theirs, &record.id), record.clone());
            progress.check()?;
            let committed = self.end(writing, &catalog)?;
            self.store.install(committed);
            self.catalog = catalog;
            add(&mut report.statistics, &statistics);
            report.copied.push(record);
            report.file_bytes.1 = self.store.container().file_bytes();
            return Ok(());
        }
    }

    fn end(&self, writing: Writing, catalog: &Catalog) -> Result<Committed> {
        writing.finish(&catalog.encode(), &self.ledger.encode(), self.store.contents().settings.clone())
    }

    /// Whether copies came since the last verification, by this run or by one that was interrupted.
    fn has_unverified(&self) -> bool {
        let verified = self.ledger.entries.iter().map(|entry| entry.generation).max().unwrap_or(0);
        self.catalog.snapshots.iter().any(|s| s.origin.is_some() && s.generation > verified)
    }

    /// A commit that changes nothing but the ledger.
    fn commit_nothing(&mut self) -> Result<()> {
        let writing = self.store.begin(self.pool.clone(), self.options())?;
        let committed = self.end(writing, &self.catalog)?;
        self.store.install(committed);
        Ok(())
    }

    /// An earlier copy that was killed may have left a torn superblock: commits write the older of
    /// both anew, so that it does not pass for rot.
    fn renew_superblocks(&mut self) -> Result<()> {
        for _ in 0..2 {
            let container = self.store.container();
            if container.header().superblocks(&**container.base().storage()).1 > 0 {
                self.commit_nothing()?;
            }
        }
        Ok(())
    }

    /// Verifies the whole destination and enters the outcome in its ledger.
    fn verify(&mut self, progress: &Progress, report: &mut CopyReport) -> Result<()> {
        let Some(level) = self.plan.verify.filter(|_| self.plan.verify_anyway || self.has_unverified())
        else {
            return Ok(());
        };
        self.renew_superblocks()?;
        let base = self.store.container().base();
        let found = match level {
            Level::Scrub => verify::scrub(&**base.storage(), base.name(), self.pool, progress)?,
            _ => verify::verify(self.store, level, self.pool, progress)?,
        };
        self.ledger.add(LedgerEntry {
            time: self.plan.time,
            level,
            generation: found.generation,
            segments: found.segments,
            damaged: found.damaged.len() as u64,
        });
        report.verified = Some(found);
        self.commit_nothing()?;
        report.file_bytes.1 = self.store.container().file_bytes();
        Ok(())
    }
}

fn add(sum: &mut WriteStatistics, more: &WriteStatistics) {
    sum.chunk_count += more.chunk_count;
    sum.plain_bytes += more.plain_bytes;
    sum.new_chunk_count += more.new_chunk_count;
    sum.new_plain_bytes += more.new_plain_bytes;
    sum.new_packed_bytes += more.new_packed_bytes;
}
