//! Putting chunks: name, look up, pack, place; then the index and the commit. It promises that a
//! batch gives the same bytes whatever the number of threads: naming and packing are pure functions
//! mapped in parallel and collected in order, everything else happens in order.

use super::index::IndexEntry;
use super::run::{RunReader, RunRef, RunWriter};
use super::salvage::Packed;
use super::{ChunkStore, Contents};
use crate::codec;
use crate::container::State;
use crate::container::commit::{Commit, CommitOptions, Stream};
use crate::container::layout::PART_BYTES;
use crate::container::root::{PartRef, StreamRef};
use crate::crypto::{Keyring, ObjectKind};
use crate::entry::ChunkRef;
use crate::error::{Kind, Result};
use crate::ids::ChunkId;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// Most runs an index keeps.
const MAX_RUNS: usize = 8;
/// zstd level of metadata.
const METADATA_LEVEL: i32 = 3;

/// Wishes of one writing.
#[derive(Clone, Copy, Debug)]
pub struct WritingOptions {
    /// Time, limit and read-back of the commit.
    pub commit: CommitOptions,
    /// zstd level of data, 1 to 22.
    pub level: i32,
}

/// What was put, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteStatistics {
    /// Chunks put, known ones included.
    pub chunk_count: u64,
    /// Plaintext bytes of those.
    pub plain_bytes: u64,
    /// Chunks that were not known.
    pub new_chunk_count: u64,
    /// Plaintext bytes of new chunks.
    pub new_plain_bytes: u64,
    /// Packed bytes of new chunks.
    pub new_packed_bytes: u64,
}

/// A finished commit, to be published with [`ChunkStore::install`].
pub struct Committed {
    /// The container's new state.
    pub state: State,
    /// What its root says of chunks.
    pub contents: Contents,
}

/// A commit in the making.
pub struct Writing<'a> {
    store: &'a ChunkStore,
    commit: Commit,
    pool: Arc<ThreadPool>,
    level: i32,
    new: HashSet<ChunkId>,
    /// Slots whose chunks were moved; nothing of the index may point there any more.
    retired: HashSet<u32>,
    /// Whether the index is made from the directories instead of the old runs.
    rebuild: bool,
    /// How many runs of the index stay as they are; `None`: as their sizes say.
    keep_runs: Option<usize>,
    /// Whether chunks that are held already are read before they are trusted.
    prove: bool,
    statistics: WriteStatistics,
}

/// Where a run's pages and streams go.
pub trait MetadataSink {
    /// Writes one packed object in two copies.
    fn put_part(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<PartRef>;
    /// Writes a stream of packed objects.
    fn put_stream(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<StreamRef>;
}

impl ChunkStore {
    /// Begins a commit.
    pub fn begin(&self, pool: Arc<ThreadPool>, options: WritingOptions) -> Result<Writing<'_>> {
        Ok(Writing {
            store: self,
            commit: self.container().begin(pool.clone(), options.commit)?,
            pool,
            level: options.level,
            new: HashSet::new(),
            retired: HashSet::new(),
            rebuild: false,
            keep_runs: None,
            prove: false,
            statistics: WriteStatistics::default(),
        })
    }
}

/// Most bytes of metadata, one copy, that ends a writing: catalog and ledger of these lengths, a run of
/// so many index entries, and what every commit of so many slots ends with.
pub fn metadata_estimate(catalog: usize, ledger: usize, entries: u64, slots: usize) -> usize {
    catalog + ledger + entries as usize * 52 + (slots + 16) * 72 + 8192
}

/// Whether a whole copy of the chunk is held.
fn is_readable(store: &ChunkStore, kind: ObjectKind, chunk: &ChunkRef) -> Result<bool> {
    match store.get(kind, chunk) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::Damaged => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_held(
    store: &ChunkStore,
    new: &HashSet<ChunkId>,
    prove: bool,
    kind: ObjectKind,
    chunk: &ChunkRef,
) -> Result<bool> {
    match (new.contains(&chunk.id), prove) {
        (true, _) => Ok(true),
        (false, true) => is_readable(store, kind, chunk),
        (false, false) => Ok(!store.locate(&chunk.id)?.is_empty()),
    }
}

impl<'a> Writing<'a> {
    /// What was committed before.
    pub fn committed(&self) -> &'a ChunkStore {
        self.store
    }
}

impl Writing<'_> {
    /// Puts chunks of one kind and names them, in order.
    pub fn put_batch(&mut self, kind: ObjectKind, plain: &[&[u8]]) -> Result<Vec<ChunkRef>> {
        let keyring = self.store.container().base().keyring();
        let refs: Vec<ChunkRef> =
            self.pool.install(|| plain.par_iter().with_max_len(8).map(|p| name(keyring, kind, p)).collect());
        let mut fresh = Vec::new();
        let (store, prove) = (self.store, self.prove);
        let proven: Vec<Result<bool>> = match prove {
            true => self.pool.install(|| {
                refs.par_iter().with_max_len(8).map(|chunk| is_readable(store, kind, chunk)).collect()
            }),
            false => Vec::new(),
        };
        let mut proven = proven.into_iter();
        for (chunk, plain) in refs.iter().zip(plain) {
            self.statistics.chunk_count += 1;
            self.statistics.plain_bytes += plain.len() as u64;
            let is_held = match proven.next() {
                Some(readable) => readable?,
                None => !store.locate(&chunk.id)?.is_empty(),
            };
            if !self.new.contains(&chunk.id) && !is_held {
                self.new.insert(chunk.id);
                fresh.push((chunk.id, *plain));
            }
        }
        self.put_fresh(kind, &fresh)?;
        Ok(refs)
    }

    /// From now on a chunk counts as held only if it can be read: one that is lost is stored anew,
    /// which makes the earlier snapshots that name it whole again.
    pub fn prove_held_chunks(&mut self) {
        self.prove = true;
    }

    fn put_fresh(&mut self, kind: ObjectKind, fresh: &[(ChunkId, &[u8])]) -> Result<()> {
        let packers = &self.store.packers;
        let level = if stream_of(kind) == Stream::Metadata { METADATA_LEVEL } else { self.level };
        let payloads: Vec<Result<Vec<u8>>> = self.pool.install(|| {
            fresh.par_iter().with_max_len(1).map(|(_, plain)| packers.pack(level, plain)).collect()
        });
        for ((id, plain), payload) in fresh.iter().zip(payloads) {
            let payload = payload?;
            self.statistics.new_chunk_count += 1;
            self.statistics.new_plain_bytes += plain.len() as u64;
            self.statistics.new_packed_bytes += payload.len() as u64;
            self.put_packed(stream_of(kind), kind, *id, payload)?;
        }
        Ok(())
    }

    /// Places a chunk that is packed already.
    pub(super) fn put_packed(
        &mut self,
        stream: Stream,
        kind: ObjectKind,
        id: ChunkId,
        payload: Vec<u8>,
    ) -> Result<()> {
        self.commit.put_chunk(stream, kind, id, payload)
    }

    /// The store below.
    pub(super) fn store(&self) -> &ChunkStore {
        self.store
    }

    /// The commit below.
    pub fn commit(&mut self) -> &mut Commit {
        &mut self.commit
    }

    /// The threads that do the work.
    pub(super) fn pool(&self) -> &Arc<ThreadPool> {
        &self.pool
    }

    /// For each chunk, whether it need not be stored: put in this commit, or held (and readable, where
    /// that is to be proven).
    pub fn held(&self, chunks: &[(ObjectKind, ChunkRef)]) -> Result<Vec<bool>> {
        let (store, prove, new) = (self.store, self.prove, &self.new);
        let is_held = |(kind, chunk): &(ObjectKind, ChunkRef)| is_held(store, new, prove, *kind, chunk);
        self.pool.install(|| chunks.par_iter().with_max_len(64).map(is_held).collect())
    }

    /// The same of one.
    pub(super) fn is_held(&self, kind: ObjectKind, chunk: &ChunkRef) -> Result<bool> {
        is_held(self.store, &self.new, self.prove, kind, chunk)
    }

    /// Counts a chunk that comes packed; `None`: it was held already.
    pub fn count_taken(&mut self, plain_bytes: u64, packed_bytes: Option<u64>) {
        self.statistics.chunk_count += 1;
        self.statistics.plain_bytes += plain_bytes;
        if let Some(packed_bytes) = packed_bytes {
            self.statistics.new_chunk_count += 1;
            self.statistics.new_plain_bytes += plain_bytes;
            self.statistics.new_packed_bytes += packed_bytes;
        }
    }

    /// Notes a chunk that moves; false if it was put in this commit already.
    pub(super) fn note_moved(&mut self, id: ChunkId) -> bool {
        self.new.insert(id)
    }

    /// Names and places a chunk whose stored copies are lost, unless this commit has it already;
    /// whether it was placed.
    pub fn put_lost(&mut self, kind: ObjectKind, plain: &[u8]) -> Result<bool> {
        let id = self.store.container().base().keyring().chunk_id(kind, plain);
        let payload = self.store.packers.pack(self.level, plain)?;
        self.place(Packed { kind, id, payload })
    }

    /// Gives up a slot: the caller has seen that no chunk that is needed is lost with it.
    pub fn retire(&mut self, slot: u32) {
        self.commit.retire(slot);
        self.retired.insert(slot);
    }

    /// Keeps the first `count` runs of the index as they are and merges the rest. No slot that is
    /// retired may hold a part of a run that stays.
    pub fn keep_runs(&mut self, count: usize) {
        self.keep_runs = Some(count);
    }

    /// Makes the index anew from the directories of all live segments.
    pub fn rebuild_index(&mut self) {
        self.rebuild = true;
    }

    /// What was put so far.
    pub fn statistics(&self) -> WriteStatistics {
        self.statistics
    }

    /// Ends the chunks, writes `catalog` and `ledger` and the index, and commits.
    pub fn finish(mut self, catalog: &[u8], ledger: &[u8], settings: super::Settings) -> Result<Committed> {
        // Index pages were lost on the way: the directories know what they knew.
        let runs = self.store.contents().runs.len();
        self.rebuild |= self.store.index.is_rebuilt()
            || (0..runs).any(|number| self.store.index.fence(self.store, number).is_err());
        let kept = self.kept_runs();
        let merged = &self.store.contents().runs[kept..];
        let known =
            if self.rebuild { self.store.chunk_count() } else { merged.iter().map(|r| r.count).sum() };
        let entries = self.new.len() as u64 * 2 + known;
        let slots = self.store.container().state().table.len();
        let estimate = metadata_estimate(catalog.len(), ledger.len(), entries, slots);
        self.commit.close_chunks(estimate)?;
        let mut runs = self.store.contents().runs[..kept].to_vec();
        let keeps = self.store.index_slots(0..kept)?;
        runs.extend(self.write_run(kept, entries)?);
        let contents = Contents {
            runs,
            catalog: self.put_stream(ObjectKind::Catalog, catalog)?,
            ledger: self.put_stream(ObjectKind::Ledger, ledger)?,
            settings,
        };
        let state = self.commit.finish(codec::encode(&contents), keeps.into_iter())?;
        Ok(Committed { state, contents })
    }

    /// How many runs stay: all but the last, as long as those are not much larger than what is added,
    /// so that sizes stay geometric; and so few that [`MAX_RUNS`] is kept. Where segments are given up,
    /// none, since parts of runs may lie in them.
    fn kept_runs(&self) -> usize {
        let runs = &self.store.contents().runs;
        if self.rebuild {
            return 0;
        }
        if let Some(kept) = self.keep_runs {
            return kept.min(runs.len());
        }
        if !self.retired.is_empty() {
            return 0;
        }
        let mut total = self.new.len() as u64;
        let mut first = runs.len();
        while first > 0 && (runs[first - 1].count <= total * 2 || first >= MAX_RUNS) {
            first -= 1;
            total += runs[first].count;
        }
        first
    }

    /// Merges the new entries with the runs from `kept` on into one run.
    fn write_run(&mut self, kept: usize, most: u64) -> Result<Option<RunRef>> {
        let store = self.store;
        let mut new = self.new_entries();
        if self.rebuild {
            let listed = store.entries_of_directories().into_iter();
            new.extend(listed.filter(|e| !self.retired.contains(&e.location.slot)));
        }
        new.sort_unstable();
        let mut new = new.into_iter().peekable();
        let mut old = Vec::new();
        let merged = if self.rebuild { 0..0 } else { kept..store.contents().runs.len() };
        for number in merged {
            old.push(RunReader::new(store, store.index.fence(store, number)?.to_vec())?);
        }
        let mut writer = RunWriter::new(most);
        loop {
            let oldest =
                (0..old.len()).filter(|&i| old[i].peek().is_some()).min_by_key(|&i| old[i].peek().copied());
            let from_old = oldest.and_then(|i| old[i].peek().copied().map(|entry| (i, entry)));
            match (from_old, new.peek()) {
                (None, None) => break,
                (Some((i, entry)), other) if other.is_none_or(|o| entry < *o) => {
                    old[i].advance()?;
                    if self.still_counts(&entry) {
                        writer.push(entry, self)?;
                    }
                }
                _ => match new.next() {
                    Some(entry) => writer.push(entry, self)?,
                    None => break,
                },
            }
        }
        writer.finish(self)
    }

    /// Whether an older entry's chunk lies where it says, after this commit too.
    fn still_counts(&self, entry: &IndexEntry) -> bool {
        entry.is_current(&self.store.container().state().table)
            && !self.retired.contains(&entry.location.slot)
    }

    fn new_entries(&mut self) -> Vec<IndexEntry> {
        let placed = self.commit.take_placed();
        let records = self.commit.records();
        let entry = |p: crate::container::commit::PlacedChunk| {
            let id = records[p.location.slot as usize].id;
            let segment = [id.0[0], id.0[1], id.0[2], id.0[3]];
            IndexEntry { id: p.id, location: p.location, length: p.length, segment }
        };
        placed.into_iter().map(entry).collect()
    }
}

impl MetadataSink for Writing<'_> {
    fn put_part(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<PartRef> {
        let payload = self.store.packers.pack(METADATA_LEVEL, bytes)?;
        self.commit.put_part(kind, payload)
    }

    fn put_stream(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<StreamRef> {
        let parts: Result<Vec<PartRef>> =
            bytes.chunks(PART_BYTES).map(|part| self.put_part(kind, part)).collect();
        Ok(StreamRef { bytes: bytes.len() as u64, parts: parts? })
    }
}

/// The stream that chunks of this kind go to.
pub(super) fn stream_of(kind: ObjectKind) -> Stream {
    match kind {
        ObjectKind::Database => Stream::Database,
        ObjectKind::Attachment => Stream::Attachments,
        _ => Stream::Metadata,
    }
}

fn name(keyring: &Keyring, kind: ObjectKind, plain: &[u8]) -> ChunkRef {
    ChunkRef { id: keyring.chunk_id(kind, plain), length: plain.len() as u32 }
}
