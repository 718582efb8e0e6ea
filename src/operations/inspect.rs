//! Looking into snapshots: list, find, compare, statistics. Reads manifests as streams.

use crate::chunk_store::ChunkStore;
use crate::entry::{Content, Entry, EntryPath};
use crate::error::Result;
use crate::ids::{ChunkId, SnapshotId};
use crate::retention::Policy;
use crate::snapshot::{Catalog, ChunkRefs, ManifestReader, SnapshotRecord};
use std::collections::HashMap;

/// The entries of `record` at or below `path`; all without one.
pub fn list<'a>(
    store: &'a ChunkStore,
    record: &SnapshotRecord,
    path: Option<EntryPath>,
) -> Result<impl Iterator<Item = Result<Entry>> + use<'a>> {
    let wanted = move |entry: &Result<Entry>| match (entry, &path) {
        (Ok(entry), Some(path)) => entry.path.starts_with(&path.0),
        _ => true,
    };
    Ok(ManifestReader::new(store, &record.manifest)?.filter(wanted))
}

/// How an entry differs between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// Other bytes, or another kind of thing.
    Content,
    /// The same bytes with other metadata.
    Metadata,
}

impl Change {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Content => "content",
            Change::Metadata => "metadata",
        }
    }
}

/// One difference between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// What changed.
    pub change: Change,
    /// The entry.
    pub path: EntryPath,
    /// Its size in the first and the second, where it has one there.
    pub bytes: (Option<u64>, Option<u64>),
}

/// Walks two snapshots side by side and hands every difference to `found`.
pub fn diff(
    store: &ChunkStore,
    first: &SnapshotRecord,
    second: &SnapshotRecord,
    mut found: impl FnMut(DiffLine),
) -> Result<()> {
    let mut old = ManifestReader::new(store, &first.manifest)?;
    let mut new = ManifestReader::new(store, &second.manifest)?;
    let (mut a, mut b) = (old.next().transpose()?, new.next().transpose()?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let (before, after) = (
            if order.is_le() { std::mem::replace(&mut a, old.next().transpose()?) } else { None },
            if order.is_ge() { std::mem::replace(&mut b, new.next().transpose()?) } else { None },
        );
        if let Some(line) = compare(before, after) {
            found(line);
        }
    }
}

fn compare(before: Option<Entry>, after: Option<Entry>) -> Option<DiffLine> {
    let size = |e: &Option<Entry>| e.as_ref().and_then(|e| e.kind.content()).map(|c| c.size);
    let bytes = (size(&before), size(&after));
    let (change, path) = match (before, after) {
        (Some(old), None) => (Change::Removed, old.path),
        (None, Some(new)) => (Change::Added, new.path),
        (Some(old), Some(new)) if old.kind != new.kind => (Change::Content, new.path),
        (Some(old), Some(new)) => {
            // Inode and attribute-change time differ between equal files; only what a restore
            // gives back counts.
            let shown = |e: &Entry| {
                let m = &e.metadata;
                (m.mode, m.uid, m.gid, m.modified, m.attributes.clone())
            };
            if shown(&old) == shown(&new) {
                return None;
            }
            (Change::Metadata, new.path)
        }
        (None, None) => return None,
    };
    Some(DiffLine { change, path, bytes })
}

/// Numbers of a whole container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Snapshots.
    pub snapshots: u64,
    /// Bytes that restoring every snapshot in full would write.
    pub restored_bytes: u64,
    /// Plaintext bytes of the distinct chunks that snapshots name.
    pub unique_bytes: u64,
    /// Bytes those take, compressed and sealed.
    pub stored_bytes: u64,
    /// Distinct chunks that snapshots name.
    pub chunks: u64,
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes of free segments in it: the reserve, and what waits to be used again.
    pub free_bytes: u64,
    /// The limit, if there is one.
    pub max_bytes: Option<u64>,
    /// What is kept when somebody prunes, if that was said.
    pub retention: Option<Policy>,
    /// Per snapshot, oldest first: id and stored bytes that it alone holds.
    pub alone: Vec<(SnapshotId, u64)>,
}

struct Use {
    length: u32,
    first: u32,
    shared: bool,
}

/// Adds everything up. Takes about 50 bytes of memory a distinct chunk.
pub fn statistics(store: &ChunkStore) -> Result<Statistics> {
    let catalog = Catalog::read(store)?;
    let mut uses: HashMap<ChunkId, Use> = HashMap::new();
    let mut out = Statistics { snapshots: catalog.snapshots.len() as u64, ..Statistics::default() };
    for (number, record) in catalog.snapshots.iter().enumerate() {
        out.restored_bytes = out.restored_bytes.saturating_add(record.restored_bytes());
        for entry in ManifestReader::new(store, &record.manifest)? {
            if let Some(content) = entry?.kind.content() {
                count(store, content, number as u32, &mut uses)?;
            }
        }
    }
    let mut alone = vec![0u64; catalog.snapshots.len()];
    for (id, usage) in &uses {
        let stored = store.locate(id)?.first().map_or(0, |copy| u64::from(copy.length));
        out.unique_bytes += u64::from(usage.length);
        out.stored_bytes += stored;
        if !usage.shared {
            alone[usage.first as usize] += stored;
        }
    }
    out.chunks = uses.len() as u64;
    out.alone = catalog.snapshots.iter().map(|s| s.id).zip(alone).collect();
    let state = store.container().state();
    let size = store.container().base().geometry.segment_bytes as u64;
    out.free_bytes = state.table.iter().filter(|r| !r.live).count() as u64 * size;
    out.file_bytes = store.container().file_bytes();
    out.max_bytes = store.contents().settings.max_bytes;
    out.retention = store.contents().settings.retention.clone();
    Ok(out)
}

fn count(store: &ChunkStore, content: &Content, number: u32, uses: &mut HashMap<ChunkId, Use>) -> Result<()> {
    for chunk in ChunkRefs::of_length(store, &content.chunks, content.data_bytes().unwrap_or(0))? {
        let chunk = chunk?;
        let usage =
            uses.entry(chunk.id).or_insert(Use { length: chunk.length, first: number, shared: false });
        usage.shared |= usage.first != number;
    }
    Ok(())
}
