//! Backup: sources in, one snapshot out. It promises that a snapshot is committed whole or not at
//! all, that what could not be read is named and makes the snapshot partial, and that equal input,
//! keys and clock give equal bytes with any number of threads.

mod batch;
mod database;
mod dump;
mod earlier;
mod emptied;
pub mod figures;
mod judge;
mod previous;
mod reading;
mod room;
mod table;

pub use room::{Droppable, backup_making_room};

use crate::attachments::exclude::Excludes;
use crate::attachments::problem::Problem;
use crate::chunk_store::{ChunkStore, Writing, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::entry::{ChunkRef, Content, Entry, EntryKind, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::progress::Progress;
use crate::snapshot::{
    Catalog, Counts, Ledger, LedgerEntry, ListWriter, ManifestWriter, SnapshotRecord, SourceKind,
    SourceRecord,
};
use batch::{BUFFER_BYTES, Batch, Piece};
use crossbeam_channel::{Sender, bounded};
pub use database::Dumper;
use emptied::Held;
use figures::Figures;
use rayon::ThreadPool;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Batches between reading and storing.
const BATCHES: usize = 3;

/// One source of a backup.
#[derive(Clone, Debug)]
pub enum Source {
    /// A dump file, kept under `name`.
    DumpFile {
        /// Name in the snapshot.
        name: Vec<u8>,
        /// The file.
        path: PathBuf,
    },
    /// A command whose output is the dump.
    DumpCommand {
        /// Name in the snapshot.
        name: Vec<u8>,
        /// The command, for a shell.
        command: String,
    },
    /// Standard input.
    StandardInput {
        /// Name in the snapshot.
        name: Vec<u8>,
    },
    /// Live databases of one server, all as of one instant.
    Databases(Arc<dyn Dumper>),
    /// A folder.
    Attachments {
        /// Name in the snapshot.
        label: Vec<u8>,
        /// The folder.
        root: PathBuf,
    },
}

impl Source {
    /// What the catalog keeps of it: a record each, and for live databases one a name.
    fn records(&self) -> Vec<SourceRecord> {
        match self {
            Source::Databases(dumper) => dumper.records(),
            _ => vec![self.record()],
        }
    }

    fn record(&self) -> SourceRecord {
        use std::os::unix::ffi::OsStrExt;
        let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
        let (kind, name, origin) = match self {
            Source::DumpFile { name, path } => (SourceKind::DumpFile, name, bytes(path)),
            Source::DumpCommand { name, command } => {
                (SourceKind::DumpCommand, name, command.clone().into_bytes())
            }
            Source::StandardInput { name } => (SourceKind::StandardInput, name, Vec::new()),
            Source::Attachments { label, root } => (SourceKind::Attachments, label, bytes(root)),
            Source::Databases(_) => (SourceKind::Database, &Vec::new(), Vec::new()),
        };
        SourceRecord { kind, name: name.clone(), origin }
    }

    /// Database sources before folders, each by name.
    fn order(&self) -> (bool, Vec<u8>) {
        let record = self.record();
        (record.kind == SourceKind::Attachments, record.name)
    }
}

/// What to back up, and how.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// The sources.
    pub sources: Vec<Source>,
    /// What to leave out of folders.
    pub excludes: Excludes,
    /// Tags of the snapshot.
    pub tags: Vec<String>,
    /// Name of this machine.
    pub host: String,
    /// Time of the snapshot.
    pub time: Timestamp,
    /// zstd level, 1 to 22.
    pub level: i32,
    /// Whether unchanged files are read, too, and chunks that are held are proven before they are
    /// named again.
    pub read_all: bool,
    /// Whether data segments are read back past the cache before success is reported.
    pub read_back: bool,
    /// Verifications since the last commit, for the ledger.
    pub verifications: Vec<LedgerEntry>,
}

impl BackupPlan {
    /// A backup of all of `sources` with one tag, as this program makes one by itself: packed at the usual
    /// level, what is unchanged not read, what was written read back.
    pub fn usual(sources: Vec<Source>, tag: &str, host: String, time: Timestamp) -> BackupPlan {
        BackupPlan {
            sources,
            excludes: Excludes::none(),
            tags: vec![tag.into()],
            host,
            time,
            level: 2,
            read_all: false,
            read_back: true,
            verifications: Vec::new(),
        }
    }
}

/// What a backup did.
#[derive(Debug)]
pub struct BackupReport {
    /// The snapshot.
    pub record: SnapshotRecord,
    /// What could not be read or changed meanwhile.
    pub problems: Vec<Problem>,
    /// What of a database is not in the snapshot, one sentence each.
    pub losses: Vec<String>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// Longest time that writers of a database had to wait for the backup; `None`: no live database.
    pub stall: Option<Duration>,
    /// Length of the container before and after, in bytes.
    pub file_bytes: (u64, u64),
    /// Snapshots that were dropped to make room.
    pub dropped: Vec<SnapshotId>,
    /// What each source holds.
    pub figures: Figures,
}

impl BackupPlan {
    /// Checks names and puts sources in order: equal names are a usage error.
    fn arrange(&mut self) -> Result<()> {
        if self.sources.is_empty() {
            return Err(Error::new(Kind::Usage, "nothing to back up")
                .hint("name a source: --dump FILE, --dump-command CMD or --attachments DIR"));
        }
        self.sources.sort_by_key(Source::order);
        self.tags.sort();
        self.tags.dedup();
        for pair in self.sources.windows(2) {
            if pair[0].order() == pair[1].order() {
                let name = String::from_utf8_lossy(&pair[0].order().1).into_owned();
                return Err(Error::new(Kind::Usage, format!("two sources are called `{name}`"))
                    .hint("give one another name: --attachments LABEL=DIR, --dump-name NAME"));
            }
        }
        Ok(())
    }
}

/// Makes a snapshot. Nothing of it is visible before it is durable. Under a limit room is made by
/// cleaning; no snapshot is dropped.
pub fn backup(
    store: &mut ChunkStore,
    plan: BackupPlan,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<BackupReport> {
    backup_making_room(store, plan, &|_, _| Vec::new(), pool, progress)
}

/// One attempt, in the room that there is.
fn attempt(
    store: &mut ChunkStore,
    mut plan: BackupPlan,
    pool: Arc<ThreadPool>,
    progress: &Progress,
) -> Result<BackupReport> {
    plan.arrange()?;
    let before = store.container().file_bytes();
    let mut catalog = Catalog::read(store)?;
    let mut ledger = Ledger::read(store)?;
    plan.verifications.iter().for_each(|entry| ledger.add(*entry));
    let is_distrusted = ledger.has_unproven_damage();
    plan.read_all |= is_distrusted;
    let settings = store.contents().settings.clone();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time: plan.time, read_back: plan.read_back };
    let mut writing = store.begin(pool, WritingOptions { commit, level: plan.level })?;
    if plan.read_all {
        writing.prove_held_chunks();
    }
    let sources: Vec<SourceRecord> = plan.sources.iter().flat_map(Source::records).collect();
    let mut storing = Storing::new(&store.container().base().keyring().cutter_key());
    {
        let previous = catalog.parent_for(&sources);
        run(&plan, store, previous, progress, &mut storing, &mut writing)?;
    }
    let (figures, counts) = (&storing.figures, &storing.counts);
    let held = Held { sources: &sources, host: &plan.host, figures, counts };
    let emptied = emptied::problems(&held, &catalog, &storing.problems, store);
    storing.problems.extend(emptied);
    let record = storing.finish(&plan, sources, store, &mut writing)?;
    let (problems, mut notes) = (std::mem::take(&mut storing.problems), std::mem::take(&mut storing.notes));
    if is_distrusted {
        notes.push(
            "the last verification found damage, so everything was read and what the container held was \
             proven: run coffer verify again"
                .into(),
        );
    }
    catalog.snapshots.push(record.clone());
    progress.check()?;
    let committed = writing.finish(&catalog.encode(), &ledger.encode(), settings)?;
    store.install(committed);
    let (losses, stall) = (std::mem::take(&mut storing.losses), storing.stall);
    let file_bytes = (before, store.container().file_bytes());
    let figures = std::mem::take(&mut storing.figures);
    Ok(BackupReport { record, problems, losses, notes, stall, file_bytes, dropped: Vec::new(), figures })
}

/// Reads on one thread and stores on this one.
fn run(
    plan: &BackupPlan,
    store: &ChunkStore,
    previous: Option<&SnapshotRecord>,
    progress: &Progress,
    storing: &mut Storing,
    writing: &mut Writing,
) -> Result<()> {
    let (out, batches) = bounded::<Result<Batch>>(BATCHES);
    let (give_back, buffers) = bounded(BATCHES + 2);
    std::thread::scope(|scope| {
        let ends = reading::Ends { out: out.clone(), buffers };
        drop(out);
        scope.spawn(move || {
            if let Err(error) = reading::read_all(plan, store, previous, progress, &ends) {
                let _ = ends.out.send(Err(error));
            }
        });
        // Returning drops the receiver, which ends the reading thread.
        let batches = batches;
        for batch in &batches {
            storing.store(batch?, writing, &give_back)?;
        }
        Ok(())
    })
}

/// The storing side: puts chunks, completes entries, writes the manifest.
struct Storing {
    manifest: Option<ManifestWriter>,
    /// Entries of the database, which sort behind the attachments.
    database: BTreeMap<EntryPath, Entry>,
    /// The contents that are being read, by stream, with their lengths.
    contents: BTreeMap<u64, (ListWriter, u64)>,
    counts: Counts,
    problems: Vec<Problem>,
    notes: Vec<String>,
    losses: Vec<String>,
    stall: Option<Duration>,
    figures: Figures,
}

impl Storing {
    fn new(key: &[u8; 32]) -> Storing {
        Storing {
            manifest: Some(ManifestWriter::new(key)),
            database: BTreeMap::new(),
            contents: BTreeMap::new(),
            counts: Counts::default(),
            problems: Vec::new(),
            notes: Vec::new(),
            losses: Vec::new(),
            stall: None,
            figures: Figures::default(),
        }
    }

    fn store(&mut self, batch: Batch, writing: &mut Writing, give_back: &Sender<Vec<u8>>) -> Result<()> {
        let slices: Vec<&[u8]> = batch.chunks.iter().map(|range| &batch.buffer[range.clone()]).collect();
        let refs: Vec<ChunkRef> = writing.put_batch(batch.kind, &slices)?;
        let mut refs = refs.into_iter();
        for piece in batch.pieces {
            match piece {
                Piece::Chunks(count) => {
                    let (list, bytes) = self.contents.entry(batch.stream).or_default();
                    for chunk in refs.by_ref().take(count) {
                        *bytes += u64::from(chunk.length);
                        list.push(chunk, writing)?;
                    }
                }
                Piece::Held(refs) => {
                    let (list, bytes) = self.contents.entry(batch.stream).or_default();
                    for chunk in refs {
                        *bytes += u64::from(chunk.length);
                        writing.count_taken(u64::from(chunk.length), None);
                        list.push(chunk, writing)?;
                    }
                }
                Piece::End(entry) => self.end(batch.stream, *entry, writing)?,
                Piece::GiveUp => _ = self.contents.remove(&batch.stream),
                Piece::Whole(entry) => self.entry(*entry, writing)?,
                Piece::Problem(problem) => self.problems.push(problem),
                Piece::Note(note) => self.notes.push(note),
                Piece::Loss(loss) => self.losses.push(loss),
                Piece::Stall(stall) => self.stall = Some(stall),
            }
        }
        if batch.buffer.len() == BUFFER_BYTES {
            // If nobody wants it, it is freed.
            let _ = give_back.try_send(batch.buffer);
        }
        Ok(())
    }

    fn end(&mut self, stream: u64, mut entry: Entry, writing: &mut Writing) -> Result<()> {
        let (list, bytes) = self.contents.remove(&stream).unwrap_or_default();
        let chunks = list.finish(writing)?;
        match &mut entry.kind {
            EntryKind::Dump(content) => content.chunks = chunks,
            EntryKind::Table(table) => {
                table.content = Content { size: bytes, holes: Vec::new(), chunks };
            }
            EntryKind::File(content) => {
                content.chunks = chunks;
                self.counts.files_read += 1;
            }
            _ => return Err(Error::new(Kind::Failed, format!("{}: content for what has none", entry.path))),
        }
        self.entry(entry, writing)
    }

    fn entry(&mut self, entry: Entry, writing: &mut Writing) -> Result<()> {
        self.figures.count(&entry);
        match &entry.kind {
            EntryKind::Dump(_)
            | EntryKind::Server(_)
            | EntryKind::Database(_)
            | EntryKind::Table(_)
            | EntryKind::Object(_) => return self.database_entry(entry),
            EntryKind::File(content) => {
                self.counts.files += 1;
                self.counts.attachment_bytes += content.size;
            }
            EntryKind::Folder => self.counts.folders += 1,
            _ => self.counts.others += 1,
        }
        match &mut self.manifest {
            Some(manifest) => manifest.push(&entry, writing),
            None => Err(Error::new(Kind::Failed, "manifest: already ended")),
        }
    }

    /// Keeps an entry of the database side: those are few, and come in the order they are done.
    fn database_entry(&mut self, entry: Entry) -> Result<()> {
        if !matches!(entry.kind, EntryKind::Server(_) | EntryKind::Database(_)) {
            self.counts.dumps += 1;
        }
        self.counts.database_bytes += entry.kind.content().map_or(0, |content| content.size);
        match self.database.insert(entry.path.clone(), entry) {
            None => Ok(()),
            Some(twin) => Err(Error::new(Kind::Usage, format!("two sources are called `{}`", twin.path))
                .hint("give the dump another name: --dump-name NAME")),
        }
    }

    fn finish(
        &mut self,
        plan: &BackupPlan,
        sources: Vec<SourceRecord>,
        store: &ChunkStore,
        writing: &mut Writing,
    ) -> Result<SnapshotRecord> {
        let folders = plan.sources.iter().filter_map(|source| match source {
            Source::Attachments { label, .. } => Some(label),
            _ => None,
        });
        folders.for_each(|label| self.figures.is_read(label));
        let mut manifest =
            self.manifest.take().ok_or_else(|| Error::new(Kind::Failed, "manifest: already ended"))?;
        for entry in std::mem::take(&mut self.database).values() {
            manifest.push(entry, writing)?;
        }
        let (manifest, manifest_bytes) = manifest.finish(writing)?;
        let statistics = writing.statistics();
        self.counts.new_bytes = statistics.new_plain_bytes;
        self.counts.added_bytes = statistics.new_packed_bytes;
        self.counts.problems = (self.problems.len() + self.losses.len()) as u64;
        let mut record = SnapshotRecord {
            id: SnapshotId::ZERO,
            generation: store.container().state().root.generation + 1,
            time: plan.time,
            host: plan.host.clone(),
            tags: plan.tags.clone(),
            sources,
            counts: self.counts,
            manifest,
            manifest_bytes,
            origin: None,
        };
        record.seal_id(store.container().base().keyring());
        Ok(record)
    }
}
