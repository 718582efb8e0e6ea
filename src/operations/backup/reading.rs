//! The reading thread: sources in, cut batches out. Database sources come first, attachments
//! second, so that a file the database names exists or is missing for a reason.

use super::batch::{Batch, Batcher, Piece};
use super::database;
use super::dump;
use super::earlier::EarlierTables;
use super::previous::Previous;
use super::{BackupPlan, Source};
use crate::attachments::file::{Change, Handle};
use crate::attachments::links::HardLinks;
use crate::attachments::problem::{Problem, ProblemKind};
use crate::attachments::walk::{self, Found, Walk};
use crate::chunk_store::ChunkStore;
use crate::chunking::Sizes;
use crate::crypto::ObjectKind;
use crate::entry::{Content, Entry, EntryKind, EntryPath};
use crate::error::Result;
use crate::progress::Progress;
use crate::snapshot::SnapshotRecord;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashSet;

/// The two ends of the channel pair that joins reading and storing.
pub struct Ends {
    /// Full batches.
    pub out: Sender<Result<Batch>>,
    /// Buffers to use again.
    pub buffers: Receiver<Vec<u8>>,
}

/// Reads everything `plan` names. An error of a whole source is returned; those of single files are
/// pieces.
pub fn read_all(
    plan: &BackupPlan,
    store: &ChunkStore,
    previous: Option<&SnapshotRecord>,
    progress: &Progress,
    ends: &Ends,
) -> Result<()> {
    let keyring = store.container().base().keyring();
    let key = keyring.cutter_key();
    let batcher = |kind, sizes| Batcher::new(kind, &key, sizes, ends.out.clone(), ends.buffers.clone());
    for source in &plan.sources {
        if let Source::Databases(dumper) = source {
            let earlier = EarlierTables::read(store, previous, plan.read_all);
            database::read(&**dumper, keyring, &earlier, progress, &ends.out)?;
        }
    }
    let record = previous.filter(|_| !plan.read_all);
    let mut dumps = batcher(ObjectKind::Database, Sizes::DUMP);
    let mut before = Previous::new(store, record);
    for source in
        plan.sources.iter().filter(|s| !matches!(s, Source::Attachments { .. } | Source::Databases(_)))
    {
        dump::read(source, plan, &mut before, progress, &mut dumps)?;
    }
    dumps.finish()?;
    let mut files = FileReader {
        batcher: batcher(ObjectKind::Attachment, Sizes::ATTACHMENT),
        previous: Previous::new(store, record),
        progress,
        lost: HashSet::new(),
    };
    let links = HardLinks::new();
    for source in plan.sources.iter() {
        if let Source::Attachments { label, root } = source {
            let source = walk::Source { label: label.clone(), root: root.clone() };
            files.walk(Walk::new(&source, plan.excludes.clone(), &links)?)?;
        }
    }
    if let Some(failure) = files.previous.failure.take() {
        let note =
            format!("previous snapshot cannot be read to its end, so files were read again: {failure}");
        files.batcher.say(Piece::Note(note))?;
    }
    files.batcher.finish()
}

struct FileReader<'a> {
    batcher: Batcher,
    previous: Previous<'a>,
    progress: &'a Progress,
    /// Files that are not in the backup, so that no hard link to them is.
    lost: HashSet<EntryPath>,
}

impl FileReader<'_> {
    fn walk(&mut self, walk: Walk) -> Result<()> {
        for found in walk {
            self.progress.check()?;
            match found {
                Found::Problem(problem) => self.batcher.say(Piece::Problem(problem))?,
                Found::Entry(entry, Some(handle)) => self.file(entry, &handle)?,
                Found::Entry(entry, None) => self.other(entry)?,
            }
        }
        Ok(())
    }

    fn other(&mut self, entry: Entry) -> Result<()> {
        if let EntryKind::HardLink(first) = &entry.kind
            && self.lost.contains(first)
        {
            let problem = Problem::new(&entry.path, ProblemKind::Unreadable);
            return self.batcher.say(Piece::Problem(problem));
        }
        self.progress.advance(1, 0);
        self.batcher.say(Piece::Whole(Box::new(entry)))
    }

    fn file(&mut self, mut entry: Entry, handle: &Handle) -> Result<()> {
        if let Some(content) = self.previous.content_of(&entry) {
            self.progress.advance(1, content.size);
            entry.kind = EntryKind::File(content);
            return self.batcher.say(Piece::Whole(Box::new(entry)));
        }
        match self.read(&mut entry, handle)? {
            None => self.batcher.say(Piece::End(Box::new(entry))),
            Some(problem) => {
                self.lost.insert(entry.path);
                self.batcher.say(Piece::GiveUp)?;
                self.batcher.say(Piece::Problem(problem))
            }
        }
    }

    /// Reads a file's content; a problem if the file is lost to this backup.
    fn read(&mut self, entry: &mut Entry, handle: &Handle) -> Result<Option<Problem>> {
        let mut file = match handle.open() {
            Ok(file) => file,
            Err(problem) => return Ok(Some(problem)),
        };
        let (metadata, incomplete) = file.metadata();
        entry.metadata = metadata;
        let progress = self.progress;
        let read = self.batcher.content(|buffer| {
            progress.check().map_err(|_| std::io::Error::from(std::io::ErrorKind::Interrupted))?;
            let bytes = file.read(buffer)?;
            progress.advance(0, bytes as u64);
            Ok(bytes)
        })?;
        self.progress.check()?;
        let end = read.and_then(|_| file.finish());
        let end = match end {
            Ok(end) => end,
            Err(error) => return Ok(Some(Problem::io(&entry.path, ProblemKind::Unreadable, error))),
        };
        for problem in incomplete.into_iter().chain(end.problem()) {
            self.batcher.say(Piece::Problem(problem))?;
        }
        if end.change != Change::Same {
            // So that the next backup reads it again, whatever its times say then.
            entry.metadata.inode = 0;
        }
        entry.kind = EntryKind::File(Content { size: end.size, holes: end.holes, ..Content::default() });
        self.progress.advance(1, 0);
        Ok(None)
    }
}
