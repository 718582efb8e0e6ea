//! What is lost: every chunk that a snapshot names and no whole copy is left of, with the entries that
//! name it. It promises to look at what snapshots share once, and to end on lists that name each other
//! over and over.

use crate::chunk_store::ChunkStore;
use crate::container::root::Location;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkList, ChunkRef, Entry, EntryPath};
use crate::error::{Kind, Result};
use crate::ids::{ChunkId, SnapshotId};
use crate::limits::MAX_LIST_DEPTH;
use crate::progress::Progress;
use crate::snapshot::{Catalog, ManifestReader, SnapshotRecord, read_list};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Copies that are not believed, because a check of their segments found fault with them.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    /// Copies that do not open.
    pub bad: HashSet<Location>,
    /// Segments whose directories are lost: their chunks must be tried one by one.
    pub unlisted: HashSet<u32>,
}

/// A file, or a whole manifest, that a loss touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The entry; `None`: the manifest itself, from some entry on.
    pub path: Option<EntryPath>,
}

/// A chunk that is named and of which no whole copy is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostChunk {
    /// What it holds.
    pub kind: ObjectKind,
    /// Length of its plaintext in bytes.
    pub length: u32,
    /// What is wrong with its last copy.
    pub reason: String,
    /// Who names it, as positions in [`Losses::affected`].
    pub users: Vec<usize>,
}

/// All that is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The chunks.
    pub chunks: BTreeMap<ChunkId, LostChunk>,
    /// What that touches.
    pub affected: Vec<Affected>,
}

impl Losses {
    /// Whether every list of files can be read to its end, so that all that is named is known.
    pub fn is_complete(&self) -> bool {
        self.affected.iter().all(|affected| affected.path.is_some())
    }

    /// What would remain if the chunks in `found` came back.
    pub fn without(mut self, found: &BTreeSet<ChunkId>) -> Losses {
        let touched: HashSet<usize> = self.chunks.values().flat_map(|lost| lost.users.clone()).collect();
        self.chunks.retain(|id, _| !found.contains(id));
        let still: HashSet<usize> = self.chunks.values().flat_map(|lost| lost.users.clone()).collect();
        let mut places = Vec::new();
        let mut affected = Vec::new();
        for (place, one) in self.affected.into_iter().enumerate() {
            places.push(affected.len());
            if still.contains(&place) || !touched.contains(&place) {
                affected.push(one);
            }
        }
        for lost in self.chunks.values_mut() {
            lost.users.iter_mut().for_each(|user| *user = places[*user]);
        }
        Losses { chunks: self.chunks, affected }
    }
}

/// Reads the manifest of every snapshot and looks for all that it names.
pub fn find(
    store: &ChunkStore,
    suspects: &Suspects,
    catalog: &Catalog,
    progress: &Progress,
) -> Result<Losses> {
    let mut walk = Walk {
        store,
        suspects,
        progress,
        losses: Losses::default(),
        met: Vec::new(),
        whole: HashSet::new(),
        lists: HashMap::new(),
        broken: HashSet::new(),
    };
    for record in &catalog.snapshots {
        progress.check()?;
        walk.snapshot(record)?;
    }
    Ok(walk.losses)
}

struct Walk<'a> {
    store: &'a ChunkStore,
    suspects: &'a Suspects,
    progress: &'a Progress,
    losses: Losses,
    /// Lost chunks that the content being looked at names.
    met: Vec<ChunkId>,
    /// First bytes of the hashes of chunk lists whose chunks are all there.
    whole: HashSet<u64>,
    /// Bytes below list chunks that are whole with all they name.
    lists: HashMap<(ObjectKind, u8, ChunkId), u64>,
    /// List chunks of the content being looked at that are not.
    broken: HashSet<(u8, ChunkId)>,
}

impl Walk<'_> {
    fn snapshot(&mut self, record: &SnapshotRecord) -> Result<()> {
        let listed = self.content(ObjectKind::Manifest, &record.manifest)?;
        let mut failed = listed.is_none();
        self.note(record.id, None, !failed);
        let entries = match ManifestReader::new(self.store, &record.manifest) {
            Ok(entries) => entries,
            Err(error) if error.kind() == Kind::Damaged && failed => return Ok(()),
            Err(error) if error.kind() == Kind::Damaged => {
                self.note(record.id, None, false);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            self.progress.check()?;
            match entry {
                Ok(entry) => {
                    let is_whole = self.is_whole(&entry)?;
                    self.note(record.id, Some(entry.path), is_whole);
                }
                Err(error) if error.kind() == Kind::Damaged => {
                    self.note(record.id, None, failed);
                    failed = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the look at one content.
    fn note(&mut self, snapshot: SnapshotId, path: Option<EntryPath>, is_whole: bool) {
        self.broken.clear();
        let met = std::mem::take(&mut self.met);
        if is_whole {
            return;
        }
        let user = self.losses.affected.len();
        self.losses.affected.push(Affected { snapshot, path });
        for id in met {
            if let Some(lost) = self.losses.chunks.get_mut(&id)
                && lost.users.last() != Some(&user)
            {
                lost.users.push(user);
            }
        }
    }

    fn is_whole(&mut self, entry: &Entry) -> Result<bool> {
        let Some(content) = entry.kind.content() else { return Ok(true) };
        let hash = blake3::hash(&crate::codec::encode(&content.chunks));
        let mut key = [0; 8];
        key.copy_from_slice(&hash.as_bytes()[..8]);
        let key = u64::from_le_bytes(key);
        if self.whole.contains(&key) {
            return Ok(true);
        }
        let bytes = self.content(super::restore::chunk_kind(entry), &content.chunks)?;
        let whole = bytes.is_some() && bytes == content.data_bytes();
        if whole {
            self.whole.insert(key);
        }
        Ok(whole)
    }

    /// Length of a content in bytes; `None` if anything of it is lost.
    fn content(&mut self, kind: ObjectKind, list: &ChunkList) -> Result<Option<u64>> {
        match list.depth > MAX_LIST_DEPTH {
            true => Ok(None),
            false => self.chunks(kind, list.depth, &list.chunks),
        }
    }

    fn chunks(&mut self, kind: ObjectKind, depth: u8, chunks: &[ChunkRef]) -> Result<Option<u64>> {
        let mut length = Some(0u64);
        for chunk in chunks {
            self.progress.check()?;
            let bytes = match depth {
                0 => {
                    self.is_there(kind, chunk)?.then_some(u64::from(chunk.length)).filter(|bytes| *bytes > 0)
                }
                _ => self.list(kind, depth, chunk)?,
            };
            length = length.zip(bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
        }
        Ok(length)
    }

    fn list(&mut self, kind: ObjectKind, depth: u8, list: &ChunkRef) -> Result<Option<u64>> {
        if let Some(bytes) = self.lists.get(&(kind, depth, list.id)) {
            return Ok(Some(*bytes));
        }
        if self.broken.contains(&(depth, list.id)) {
            return Ok(None);
        }
        let bytes = match self.is_there(ObjectKind::List, list)? {
            false => None,
            true => match read_list(self.store, list) {
                Ok(chunks) => self.chunks(kind, depth - 1, &chunks)?,
                Err(error) if error.kind() == Kind::Damaged => None,
                Err(error) => return Err(error),
            },
        };
        match bytes {
            Some(bytes) => self.lists.insert((kind, depth, list.id), bytes).map_or((), drop),
            None => drop(self.broken.insert((depth, list.id))),
        }
        Ok(bytes)
    }

    fn is_there(&mut self, kind: ObjectKind, chunk: &ChunkRef) -> Result<bool> {
        if self.losses.chunks.contains_key(&chunk.id) {
            self.met.push(chunk.id);
            return Ok(false);
        }
        let is_good =
            |l: &Location| !self.suspects.bad.contains(l) && !self.suspects.unlisted.contains(&l.slot);
        if self.store.locate(&chunk.id)?.iter().any(|copy| is_good(&copy.location)) {
            return Ok(true);
        }
        match self.store.get(kind, chunk) {
            // The directory of its segment is lost, but the index knows where it lies.
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::Damaged => {
                let lost =
                    LostChunk { kind, length: chunk.length, reason: error.to_string(), users: Vec::new() };
                self.losses.chunks.insert(chunk.id, lost);
                self.met.push(chunk.id);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
