//! Restore: a snapshot, or part of it, into a folder. It promises that nothing is written outside
//! the folder, that every byte is proven before it is written, that what an earlier run finished is
//! proven and kept, and that what cannot be restored is named while the rest is restored.

mod before;
mod content;
mod script;
mod script_names;
mod space;

use crate::attachments::compare::Difference;
use crate::attachments::problem::Problem;
use crate::attachments::restore::{Outcome, RestoreOptions, Target};
use crate::chunk_store::ChunkStore;
use crate::entry::database::database_path;
use crate::entry::{Content, Entry, EntryKind, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::operations::databases::{self, Databases, StoredRows};
use crate::operations::select::{Chosen, Selection};
use crate::progress::Progress;
use crate::snapshot::{ManifestReader, SnapshotRecord};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use content::chunk_kind;
pub use script::Script;
use script_names::ScriptNames;
pub use space::Need;

/// Data bytes of files that are written side by side.
const BATCH_BYTES: u64 = 64 << 20;
/// Files that are written side by side.
const BATCH_FILES: usize = 2048;

/// What to restore, and how.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// Which entries.
    pub selection: Selection,
    /// The folder.
    pub target: PathBuf,
    /// Existing files and owners.
    pub options: RestoreOptions,
    /// Whether everything is read back and compared afterwards.
    pub compare: bool,
    /// Whether to bring everything to the medium at the end.
    pub sync: bool,
}

/// What a restore did.
#[derive(Debug, Default)]
pub struct RestoreReport {
    /// Entries written.
    pub restored: u64,
    /// Bytes of those.
    pub restored_bytes: u64,
    /// Entries that stood there already, proven equal.
    pub already_there: u64,
    /// Entries compared after the restore; `None`: not asked.
    pub compared: Option<u64>,
    /// What differs after the restore.
    pub differences: Vec<(EntryPath, Difference)>,
    /// Contents that differ after the restore.
    pub wrong_contents: Vec<EntryPath>,
    /// Entries that are damaged in the container, with the reason.
    pub damaged: Vec<(EntryPath, String)>,
    /// The SQL files that live databases became.
    pub scripts: Vec<Script>,
    /// What a person should know of those.
    pub notes: Vec<String>,
    /// Entries that had another owner or group than they come to have, because owners were left aside.
    pub other_owners: u64,
    /// What could not be restored for other reasons.
    pub problems: Vec<Problem>,
}

/// Entries of `record` that `selection` means, in order; hard links whose first name is not meant
/// come as files with its content.
fn chosen<'a>(
    store: &'a ChunkStore,
    record: &SnapshotRecord,
    selection: &'a Selection,
    wanted: &'a HashSet<EntryPath>,
) -> Result<impl Iterator<Item = Result<Entry>> + use<'a>> {
    let mut firsts: HashMap<EntryPath, Entry> = HashMap::new();
    let reader = ManifestReader::new(store, &record.manifest)?;
    Ok(reader.filter_map(move |entry| {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        match selection.of(&entry.path) {
            // The server goes with every one of its databases.
            Chosen::No if matches!(entry.kind, EntryKind::Server(_)) => Some(Ok(entry)),
            Chosen::No => {
                if wanted.contains(&entry.path) {
                    firsts.insert(entry.path.clone(), entry);
                }
                None
            }
            Chosen::OnTheWay => {
                let is_frame = matches!(entry.kind, EntryKind::Folder | EntryKind::Database(_));
                is_frame.then_some(Ok(entry))
            }
            Chosen::Yes => {
                if let EntryKind::HardLink(first) = &entry.kind
                    && let Some(other) = firsts.get_mut(first)
                {
                    // The first chosen name becomes the file, the next ones links to it.
                    let path = entry.path.clone();
                    entry = Entry { path: path.clone(), ..other.clone() };
                    other.kind = match &other.kind {
                        EntryKind::File(_) => EntryKind::HardLink(path),
                        kind => kind.clone(),
                    };
                }
                Some(Ok(entry))
            }
        }
    }))
}

/// The first names, outside the selection, of hard links inside it; and what SQL files are called.
///
/// Errors: [`Kind::NotFound`] for a selected path that is not there.
fn survey(
    store: &ChunkStore,
    record: &SnapshotRecord,
    selection: &Selection,
) -> Result<(HashSet<EntryPath>, ScriptNames)> {
    let (mut wanted, mut names) = (HashSet::new(), ScriptNames::default());
    let mut seen = vec![false; selection.paths.len()];
    for entry in ManifestReader::new(store, &record.manifest)? {
        // The restore itself will meet an error and name it.
        let Ok(entry) = entry else { return Ok((wanted, names.settled())) };
        names.note(&entry);
        if selection.of(&entry.path) != Chosen::Yes {
            continue;
        }
        for (path, seen) in selection.paths.iter().zip(&mut seen) {
            *seen |= entry.path.starts_with(&path.0);
        }
        if let EntryKind::HardLink(first) = &entry.kind
            && selection.of(first) != Chosen::Yes
        {
            wanted.insert(first.clone());
        }
    }
    match selection.unmatched(&seen).first() {
        Some(path) => Err(Error::new(Kind::NotFound, format!("{path}: not in this snapshot"))
            .hint("coffer ls CONTAINER SNAPSHOT lists what is")),
        None => Ok((wanted, names.settled())),
    }
}

/// Tells, without writing, what a restore would need: entries, bytes, space.
pub fn need(store: &ChunkStore, record: &SnapshotRecord, plan: &RestorePlan) -> Result<Need> {
    let (wanted, _) = survey(store, record, &plan.selection)?;
    need_with(store, record, plan, &wanted)
}

/// The same once [`survey`] has been made.
fn need_with(
    store: &ChunkStore,
    record: &SnapshotRecord,
    plan: &RestorePlan,
    wanted: &HashSet<EntryPath>,
) -> Result<Need> {
    let target =
        plan.target.exists().then(|| Target::open_existing(&plan.target, plan.options)).transpose()?;
    space::need(chosen(store, record, &plan.selection, wanted)?, &plan.target, target.as_ref())
}

/// Restores.
///
/// Errors stop everything: no space, a failing medium, interruption. Damage and single files that
/// cannot be written are in the report.
pub fn restore(
    store: &ChunkStore,
    record: &SnapshotRecord,
    plan: &RestorePlan,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<RestoreReport> {
    let (wanted, names) = survey(store, record, &plan.selection)?;
    let need = need_with(store, record, plan, &wanted)?;
    need.check(&plan.target)?;
    progress.expect(need.entries, need.data_bytes);
    let target = Target::open(&plan.target, plan.options)?;
    let run = Run { store, target: &target, progress, report: Mutex::default() };
    let mut other_owners = 0;
    let entries = chosen(store, record, &plan.selection, &wanted)?.inspect(|entry| {
        other_owners += u64::from(entry.as_ref().is_ok_and(|e| plan.options.leaves_owner(&e.metadata)));
    });
    let databases = pool.install(|| run.entries(entries))?;
    run.scripts(&databases, &names, &StoredRows::new(store, pool.clone()))?;
    let mut report = run.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.other_owners = other_owners;
    report.problems.extend(target.finish(plan.sync)?);
    if plan.compare {
        let target = Target::open_existing(&plan.target, plan.options)?;
        let entries = chosen(store, record, &plan.selection, &wanted)?;
        pool.install(|| compare_all(store, &target, entries, progress, &mut report))?;
    }
    Ok(report)
}

struct Run<'a> {
    store: &'a ChunkStore,
    target: &'a Target,
    progress: &'a Progress,
    report: Mutex<RestoreReport>,
}

impl Run<'_> {
    /// Restores everything but live databases, which it returns.
    fn entries(&self, entries: impl Iterator<Item = Result<Entry>>) -> Result<Databases> {
        let mut databases = Databases::default();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            self.progress.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.flush(&mut batch)?;
                    self.damaged(&EntryPath(b"(manifest)".to_vec()), error)?;
                    return Ok(databases);
                }
            };
            match &entry.kind {
                EntryKind::File(content) | EntryKind::Dump(content) => {
                    bytes = content.data_bytes().unwrap_or(0).saturating_add(bytes);
                    batch.push(entry);
                }
                EntryKind::Folder => {
                    let outcome = self.target.create_folder(&entry)?;
                    self.count(outcome, 0);
                }
                _ if databases::is_of_database(&entry) => databases.add(entry)?,
                _ => {
                    // A hard link needs its first name, which may still wait.
                    self.flush(&mut batch)?;
                    let outcome = self.target.create_other(&entry)?;
                    self.count(outcome, 0);
                }
            }
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_FILES {
                self.flush(&mut batch)?;
                bytes = 0;
            }
        }
        self.flush(&mut batch)?;
        Ok(databases)
    }

    /// Writes each live database as an SQL file.
    fn scripts(&self, databases: &Databases, names: &ScriptNames, rows: &StoredRows) -> Result<()> {
        let server = databases.server.clone().unwrap_or_default();
        for database in databases.databases.values() {
            let needed = before::needed(databases, database);
            match script::write(rows, self.target, &server, (database, &needed), names, self.progress) {
                Ok(Some(written)) => {
                    self.count(written.outcome, written.script.bytes);
                    let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.notes.extend(written.notes);
                    report.scripts.push(written.script);
                }
                Ok(None) => self.count(Outcome::Failed, 0),
                Err(error) if error.kind() == Kind::Damaged => {
                    self.damaged(&names.of(&database_path(&database.record.name)), error)?;
                }
                Err(error) => return Err(error),
            }
        }
        if databases.users.is_empty() {
            return Ok(());
        }
        match script::write_users(self.target, &server, &databases.users, &names.of_users())? {
            Some((outcome, written)) => {
                self.count(outcome, written.bytes);
                self.report.lock().unwrap_or_else(PoisonError::into_inner).scripts.push(written);
            }
            None => self.count(Outcome::Failed, 0),
        }
        Ok(())
    }

    fn flush(&self, batch: &mut Vec<Entry>) -> Result<()> {
        batch.par_iter().with_max_len(4).try_for_each(|entry| self.file(entry))?;
        batch.clear();
        Ok(())
    }

    fn file(&self, entry: &Entry) -> Result<()> {
        let Some(content) = entry.kind.content() else { return Ok(()) };
        if self.stands_proven(entry, content)? {
            self.count(Outcome::Done, 0);
            return Ok(());
        }
        let Some(writer) = self.target.begin_file(entry)? else {
            self.count(Outcome::Failed, 0);
            return Ok(());
        };
        match content::write(self.store, entry, content, &writer, self.progress) {
            Ok(()) => {
                let outcome = writer.finish()?;
                self.count(outcome, content.size);
                Ok(())
            }
            Err(error) if error.kind() == Kind::Damaged => self.damaged(&entry.path, error),
            Err(error) => Err(error),
        }
    }

    /// Whether an earlier run finished this file: it looks finished, and its bytes prove it.
    fn stands_proven(&self, entry: &Entry, content: &Content) -> Result<bool> {
        if !self.target.entry_is_done(entry)? {
            return Ok(false);
        }
        let Ok(file) = self.target.open_for_reading(&entry.path) else { return Ok(false) };
        match content::matches(self.store, entry, content, &file, self.progress) {
            Err(error) if error.kind() == Kind::Damaged => Ok(false),
            other => other,
        }
    }

    fn count(&self, outcome: Outcome, bytes: u64) {
        self.progress.advance(1, 0);
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Written => {
                report.restored += 1;
                report.restored_bytes += bytes;
            }
            Outcome::Done => report.already_there += 1,
            // A problem of the target's says so.
            Outcome::Kept | Outcome::Failed => {}
        }
    }

    fn damaged(&self, path: &EntryPath, error: Error) -> Result<()> {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.damaged.push((path.clone(), error.to_string()));
        Ok(())
    }
}

/// Holds what stands in the target against the snapshot, bytes included.
fn compare_all(
    store: &ChunkStore,
    target: &Target,
    entries: impl Iterator<Item = Result<Entry>>,
    progress: &Progress,
    report: &mut RestoreReport,
) -> Result<()> {
    let known: HashSet<EntryPath> = report.damaged.iter().map(|(path, _)| path.clone()).collect();
    let mut compared = 0;
    for entry in entries {
        progress.check()?;
        let Ok(entry) = entry else { break };
        if known.contains(&entry.path) || databases::is_of_database(&entry) {
            continue;
        }
        compared += 1;
        match target.compare(&entry) {
            Ok(differences) => {
                report.differences.extend(differences.into_iter().map(|d| (entry.path.clone(), d)));
            }
            Err(problem) => report.problems.push(problem),
        }
        let Some(content) = entry.kind.content() else { continue };
        match target.open_for_reading(&entry.path) {
            Ok(file) => {
                let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
                if !content::matches(store, &entry, content, &file, progress)? {
                    report.wrong_contents.push(entry.path.clone());
                }
            }
            Err(problem) => report.problems.push(problem),
        }
    }
    for script in &report.scripts {
        compared += 1;
        match target.open_for_reading(&script.path).map(|file| script.matches(file)) {
            Ok(Ok(true)) => {}
            Ok(_) => report.wrong_contents.push(script.path.clone()),
            Err(problem) => report.problems.push(problem),
        }
    }
    report.compared = Some(compared);
    Ok(())
}
