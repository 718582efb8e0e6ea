//! What the previous snapshot has of a table, so that a group of rows that did not change is named again
//! and one that changed a little is stored as a patch (`format-spec/rows.md`, Outlines, Patches). It
//! promises that nothing is named that the container does not hold (and, where that is asked for, that
//! cannot be read), and that whatever is wrong with what is stored only makes more be stored anew.

use crate::chunk_store::ChunkStore;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkRef, Content, EntryKind, EntryPath};
use crate::rows::{OutlineLine, RowPatch, StoredGroup, diff, parse_outline};
use crate::snapshot::{ChunkRefs, ManifestReader, SnapshotRecord};
use std::collections::BTreeMap;

/// The tables of the previous snapshot.
pub struct EarlierTables<'a> {
    store: &'a ChunkStore,
    /// Whether what is held is read before it is named.
    prove: bool,
    /// Content, and chunks of the outline.
    tables: BTreeMap<EntryPath, (Content, u32)>,
}

/// One of them.
pub struct Earlier<'a> {
    store: &'a ChunkStore,
    prove: bool,
    groups: Vec<EarlierGroup>,
    refs: Vec<ChunkRef>,
    /// Numbers of the groups by the first bytes of their digests, and by their ends.
    by_digest: Vec<(u64, u32)>,
    by_end: Vec<(u64, u32)>,
    /// The group behind the one that was met last.
    next: usize,
}

struct EarlierGroup {
    line: OutlineLine,
    /// Its first chunk.
    start: usize,
}

/// A group that need not be stored: its chunks, and how many of them belong to a patch.
pub struct Same {
    /// The chunks.
    pub refs: Vec<ChunkRef>,
    /// How many belong to the patch.
    pub patch: u32,
}

impl<'a> EarlierTables<'a> {
    /// The tables of `record`. What cannot be read counts as not there.
    pub fn read(store: &'a ChunkStore, record: Option<&SnapshotRecord>, prove: bool) -> EarlierTables<'a> {
        let mut tables = BTreeMap::new();
        let reader = record.and_then(|record| ManifestReader::new(store, &record.manifest).ok());
        for entry in reader.into_iter().flatten().map_while(Result::ok) {
            if let EntryKind::Table(table) = entry.kind {
                tables.insert(entry.path, (table.content, table.outline));
            }
        }
        EarlierTables { store, prove, tables }
    }

    /// The table at `path`, if it was there and its outline can be read.
    pub fn table(&self, path: &EntryPath) -> Option<Earlier<'a>> {
        let (content, outline) = self.tables.get(path)?;
        let refs = ChunkRefs::of_length(self.store, &content.chunks, content.size).ok()?;
        let mut refs: Vec<ChunkRef> = refs.collect::<Result<_, _>>().ok()?;
        let lines = refs.split_off(refs.len().checked_sub(*outline as usize)?);
        let mut groups = Vec::new();
        let mut start = 0usize;
        for chunk in &lines {
            let chunk = self.store.get(ObjectKind::Database, chunk).ok()?;
            for line in parse_outline(&chunk).ok()? {
                groups.push(EarlierGroup { line, start });
                start = start.checked_add(line.patch as usize)?.checked_add(line.base as usize)?;
            }
        }
        if start != refs.len() {
            return None;
        }
        let numbered = |key: fn(&OutlineLine) -> u64| {
            let mut sorted: Vec<(u64, u32)> =
                groups.iter().zip(0..).map(|(group, number)| (key(&group.line), number)).collect();
            sorted.sort_unstable();
            sorted
        };
        let (by_digest, by_end) = (numbered(|line| prefix(&line.digest)), numbered(|line| line.end));
        let (store, prove) = (self.store, self.prove);
        Some(Earlier { store, prove, groups, refs, by_digest, by_end, next: 0 })
    }
}

fn prefix(digest: &[u8; 32]) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The groups with this key, those from `next` on first.
fn found(sorted: &[(u64, u32)], key: u64, next: usize) -> impl Iterator<Item = usize> {
    let of_key = |from: usize| {
        let rest = sorted.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == key).map(|&(_, number)| number as usize)
    };
    let ahead = sorted.partition_point(|&(other, number)| (other, number as usize) < (key, next));
    let first = sorted.partition_point(|&(other, _)| other < key);
    of_key(ahead).chain(of_key(first))
}

impl Earlier<'_> {
    /// The group with this digest, if all of it is held.
    pub fn same(&mut self, digest: &[u8; 32]) -> Option<Same> {
        let is_it = |number: &usize| self.groups.get(*number).is_some_and(|g| g.line.digest == *digest);
        let number = found(&self.by_digest, prefix(digest), self.next).find(is_it)?;
        self.next = number + 1;
        let group = &self.groups[number];
        let chunks = group.line.patch as usize + group.line.base as usize;
        let refs = self.refs.get(group.start..group.start + chunks)?;
        let same = Same { refs: refs.to_vec(), patch: group.line.patch };
        same.refs.iter().all(|chunk| self.is_held(chunk)).then_some(same)
    }

    /// A patch that makes the new group, whose last row has the hash `end`, of a stored one; and the
    /// chunks of that.
    pub fn patch(&mut self, end: u64, new: StoredGroup) -> Option<(RowPatch, Vec<ChunkRef>)> {
        let by_end = found(&self.by_end, end, self.next).next();
        // One that ends elsewhere began where the last one ended: rows came behind it, or its end went.
        let number = by_end.unwrap_or(self.next);
        let group = self.groups.get(number)?;
        let start = group.start + group.line.patch as usize;
        let refs = self.refs.get(start..start + group.line.base as usize)?.to_vec();
        self.next = number + usize::from(by_end.is_some());
        let (chunk, values) = refs.split_last()?;
        if !values.iter().all(|chunk| self.is_held(chunk)) {
            return None;
        }
        let bytes = self.store.get(ObjectKind::Database, chunk).ok()?;
        let patch = diff(StoredGroup { group: &bytes, values }, new)?;
        Some((patch, refs))
    }

    fn is_held(&self, chunk: &ChunkRef) -> bool {
        match self.prove {
            true => self.store.get(ObjectKind::Database, chunk).is_ok(),
            false => self.store.locate(&chunk.id).is_ok_and(|copies| !copies.is_empty()),
        }
    }
}
