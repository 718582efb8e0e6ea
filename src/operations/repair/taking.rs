//! Lost chunks from elsewhere: from another container, or from the files they were once cut from. It
//! promises to take nothing by place or name of a file: only bytes whose computed name is that of a
//! chunk that is lost.

use super::super::losses::{Affected, Losses};
use crate::chunk_store::{ChunkStore, Packed, Writing};
use crate::chunking::{Cutter, Sizes};
use crate::crypto::ObjectKind;
use crate::entry::{Entry, EntryKind, EntryPath};
use crate::error::{Kind, Result};
use crate::ids::ChunkId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, ManifestReader, SnapshotRecord, SourceKind};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Bytes asked of a file at once; more than the longest chunk.
const READ_BYTES: usize = 4 << 20;

/// Where lost chunks may be taken from.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a> {
    /// Another container, open. Of the same family it is asked by name; of another one, all its data
    /// is read and named anew.
    pub copy: Option<&'a ChunkStore>,
    /// Whether to read the dump files and attachments that snapshots were made from, where they still
    /// stand.
    pub is_live: bool,
}

impl Sources<'_> {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        self.copy.is_some() || self.is_live
    }
}

/// The lost chunks that `sources` would give back.
pub(super) fn takable(
    store: &ChunkStore,
    losses: &Losses,
    catalog: &Catalog,
    sources: &Sources,
    progress: &Progress,
) -> Result<BTreeSet<ChunkId>> {
    let mut found = BTreeSet::new();
    let mut see = |given: Given| {
        found.insert(given.id(store));
        Ok(())
    };
    give(store, losses, catalog, sources, progress, &mut see)?;
    Ok(found)
}

/// Writes what `sources` give back; the number of chunks.
pub(super) fn take(
    writing: &mut Writing,
    losses: &Losses,
    catalog: &Catalog,
    sources: &Sources,
    progress: &Progress,
) -> Result<u64> {
    let store = writing.committed();
    let mut taken = 0;
    let mut write = |given: Given| {
        taken += u64::from(match given {
            Given::Packed(chunk) => writing.place(chunk)?,
            Given::Plain(kind, bytes) => writing.put_lost(kind, bytes)?,
        });
        Ok(())
    };
    give(store, losses, catalog, sources, progress, &mut write)?;
    Ok(taken)
}

/// A chunk that was lost.
enum Given<'a> {
    Packed(Packed),
    Plain(ObjectKind, &'a [u8]),
}

impl Given<'_> {
    fn id(&self, store: &ChunkStore) -> ChunkId {
        match self {
            Given::Packed(chunk) => chunk.id,
            Given::Plain(kind, bytes) => store.container().base().keyring().chunk_id(*kind, bytes),
        }
    }
}

type Receive<'a> = dyn FnMut(Given) -> Result<()> + 'a;

fn give(
    store: &ChunkStore,
    losses: &Losses,
    catalog: &Catalog,
    sources: &Sources,
    progress: &Progress,
    receive: &mut Receive,
) -> Result<()> {
    if losses.chunks.is_empty() {
        return Ok(());
    }
    let mut wanted = losses.chunks.keys().copied().collect();
    if let Some(copy) = sources.copy {
        match is_family(store, copy) {
            true => by_name(losses, copy, &mut wanted, progress, receive)?,
            false => by_reading(store, copy, &mut wanted, progress, receive)?,
        }
    }
    if sources.is_live && !wanted.is_empty() {
        Live { store, wanted: &mut wanted, progress, read: HashSet::new() }.give(losses, catalog, receive)?;
    }
    Ok(())
}

/// Whether both containers give a chunk the same name.
fn is_family(a: &ChunkStore, b: &ChunkStore) -> bool {
    let named =
        |store: &ChunkStore| store.container().base().keyring().chunk_id(ObjectKind::Manifest, b"family");
    named(a) == named(b)
}

fn by_name(
    losses: &Losses,
    copy: &ChunkStore,
    wanted: &mut BTreeSet<ChunkId>,
    progress: &Progress,
    receive: &mut Receive,
) -> Result<()> {
    for (id, lost) in &losses.chunks {
        progress.check()?;
        match copy.take(lost.kind, *id) {
            Ok(chunk) => {
                receive(Given::Packed(chunk))?;
                wanted.remove(id);
            }
            Err(error) if error.kind() == Kind::Damaged => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Names every chunk of a container of another family as this one would.
fn by_reading(
    store: &ChunkStore,
    copy: &ChunkStore,
    wanted: &mut BTreeSet<ChunkId>,
    progress: &Progress,
    receive: &mut Receive,
) -> Result<()> {
    let keyring = store.container().base().keyring();
    for slot in copy.live_slots() {
        progress.check()?;
        let chunks = copy.salvage(slot, true).map_or(Vec::new(), |salvage| salvage.chunks);
        for mut chunk in chunks {
            chunk.id = copy.renamed(&chunk, keyring)?;
            if wanted.remove(&chunk.id) {
                receive(Given::Packed(chunk))?;
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(())
}

/// The files that affected entries were made from.
struct Live<'a> {
    store: &'a ChunkStore,
    wanted: &'a mut BTreeSet<ChunkId>,
    progress: &'a Progress,
    read: HashSet<PathBuf>,
}

impl Live<'_> {
    fn give(&mut self, losses: &Losses, catalog: &Catalog, receive: &mut Receive) -> Result<()> {
        // The newest first: its files are the likeliest to stand as they were.
        for record in catalog.snapshots.iter().rev() {
            let own = |a: &&Affected| a.snapshot == record.id;
            let paths: HashSet<&EntryPath> =
                losses.affected.iter().filter(own).filter_map(|a| a.path.as_ref()).collect();
            if paths.is_empty() {
                continue;
            }
            // A manifest that breaks off gives the entries before that.
            let entries = ManifestReader::new(self.store, &record.manifest).into_iter().flatten();
            for entry in entries.map_while(Result::ok).filter(|entry| paths.contains(&entry.path)) {
                self.progress.check()?;
                let Some(path) = origin(record, &entry).filter(|path| self.read.insert(path.clone())) else {
                    continue;
                };
                self.file(&entry, &path, receive)?;
                if self.wanted.is_empty() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Cuts the file as a backup would, the holes it had then left out; one that cannot be read, or
    /// is another by now, gives what it gives.
    fn file(&mut self, entry: &Entry, path: &PathBuf, receive: &mut Receive) -> Result<()> {
        let Some(content) = entry.kind.content() else { return Ok(()) };
        // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let Some(mut file) = opened.ok().filter(|f| f.metadata().is_ok_and(|m| m.is_file())) else {
            return Ok(());
        };
        let (kind, sizes) = match entry.kind {
            EntryKind::Dump(_) => (ObjectKind::Database, Sizes::DUMP),
            _ => (ObjectKind::Attachment, Sizes::ATTACHMENT),
        };
        let keyring = self.store.container().base().keyring();
        let cutter = Cutter::new(&keyring.cutter_key(), sizes);
        let ends = content.holes.iter().map(|hole| hole.offset).chain([u64::MAX]);
        let starts = content.holes.iter().map(|hole| hole.offset.saturating_add(hole.length));
        let mut pending = Vec::new();
        for (start, end) in [0].into_iter().chain(starts).zip(ends) {
            if file.seek(SeekFrom::Start(start)).is_err() {
                break;
            }
            let mut piece = file.by_ref().take(end.saturating_sub(start));
            loop {
                self.progress.check()?;
                let read = piece.by_ref().take(READ_BYTES as u64).read_to_end(&mut pending);
                if !matches!(read, Ok(1..)) {
                    break;
                }
                self.cut(&cutter, kind, &mut pending, false, receive)?;
            }
        }
        self.cut(&cutter, kind, &mut pending, true, receive)
    }

    fn cut(
        &mut self,
        cutter: &Cutter,
        kind: ObjectKind,
        pending: &mut Vec<u8>,
        last: bool,
        receive: &mut Receive,
    ) -> Result<()> {
        let keyring = self.store.container().base().keyring();
        let mut at = 0;
        while let Some(length) = cutter.cut(&pending[at..], last) {
            let plain = &pending[at..at + length];
            if self.wanted.remove(&keyring.chunk_id(kind, plain)) {
                receive(Given::Plain(kind, plain))?;
            }
            at += length;
        }
        pending.drain(..at);
        Ok(())
    }
}

/// The file that an entry was made from, as its snapshot recorded it.
fn origin(record: &SnapshotRecord, entry: &Entry) -> Option<PathBuf> {
    let mut components = entry.path.0.splitn(3, |byte| *byte == b'/').skip(1);
    let (name, rest) = (components.next()?, components.next());
    let kind = match entry.kind {
        EntryKind::Dump(_) => SourceKind::DumpFile,
        _ => SourceKind::Attachments,
    };
    let source = record.sources.iter().find(|source| source.kind == kind && source.name == name)?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&source.origin));
    Some(rest.map_or(path.clone(), |rest| path.join(std::ffi::OsStr::from_bytes(rest))))
}
