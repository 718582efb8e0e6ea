//! The container as commits will leave it, followed on lengths alone: which slots are live, since when,
//! and which chunks the segments hold that this prune writes (`format-spec/container.md`, Space). It
//! promises never to foretell fewer segments, or lower ones, than the real commits take.

use crate::chunk_store::{ChunkStore, Move, metadata_estimate};
use crate::codec;
use crate::container::commit::Stream;
use crate::container::commit::trial::{self, Segments, Trial, Weight};
use crate::container::geometry::Geometry;
use crate::container::layout::PART_BYTES;
use crate::container::root::CommitRoot;
use crate::crypto::SEAL_OVERHEAD;
use crate::error::Result;
use crate::ids::ChunkId;
use std::collections::{HashMap, HashSet};

/// Lengths that metadata has besides its bytes: the head of a payload and the seal.
const PACKED_OVERHEAD: usize = 5 + SEAL_OVERHEAD;
/// Index entries in a page, and their length; length of a page's line in the fence.
const PAGE: (u64, usize, usize) = (341, 48, 84);
/// Length of a part's line in a stream.
const PART_LINE: usize = 52;

#[derive(Clone, Copy)]
struct Slot {
    live: bool,
    since: u64,
    holds_chunks: bool,
}

#[derive(Clone)]
struct Run {
    count: u64,
    slots: HashSet<u32>,
}

/// Chunks of one segment with their ids.
pub type Weighed = Vec<(ChunkId, Weight)>;

/// One commit to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Slots that are given up: of segments without a live chunk, and of those that are moved.
    pub retired: Vec<u32>,
    /// Index runs that stay as they are.
    pub kept_runs: usize,
    /// Slots that the file is cut to.
    pub cut_to: Option<u32>,
}

/// The container to come.
#[derive(Clone)]
pub struct Forecast<'a> {
    store: &'a ChunkStore,
    geometry: Geometry,
    root: &'a CommitRoot,
    slots: Vec<Slot>,
    generation: u64,
    runs: Vec<Run>,
    catalog_bytes: usize,
    ledger_bytes: usize,
    contents_bytes: usize,
    /// Chunks of the segments written since, from slot `remembered_from` on.
    made: HashMap<u32, Vec<Weight>>,
    remembered_from: u32,
    /// Where the copies of metadata chunks lie, as far as that was asked.
    copies: HashMap<u64, Vec<u32>>,
    /// Segments written since.
    pub written: u64,
}

impl<'a> Forecast<'a> {
    /// The container as it is, about to get a catalog and ledger of these lengths.
    pub fn new(store: &'a ChunkStore, catalog_bytes: usize, ledger_bytes: usize) -> Result<Forecast<'a>> {
        let state = store.container().state();
        let slot = |r: &crate::container::root::SegmentRecord| Slot {
            live: r.live,
            since: r.generation,
            holds_chunks: r.chunk_count > 0,
        };
        let contents = store.contents();
        let run = |number: usize| {
            Ok(Run { count: contents.runs[number].count, slots: store.index_slots(number..number + 1)? })
        };
        Ok(Forecast {
            store,
            geometry: store.container().base().geometry,
            root: &state.root,
            slots: state.table.iter().map(slot).collect(),
            generation: state.root.generation,
            runs: (0..contents.runs.len()).map(run).collect::<Result<_>>()?,
            catalog_bytes,
            ledger_bytes,
            contents_bytes: codec::encode(contents).len() + 1024,
            made: HashMap::new(),
            remembered_from: u32::MAX,
            copies: HashMap::new(),
            written: 0,
        })
    }

    /// From now on the chunks of segments written to slot `first` or above are remembered.
    pub fn remember_from(&mut self, first: u32) {
        self.remembered_from = first;
    }

    /// Slots of the table.
    pub fn slot_count(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Runs of the index.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Index entries in the runs from `kept` on.
    pub fn entries_from(&self, kept: usize) -> u64 {
        self.runs[kept.min(self.runs.len())..].iter().map(|run| run.count).sum()
    }

    /// Slots that the next commit may write, rising.
    pub fn usable(&self) -> impl Iterator<Item = u32> + '_ {
        let protected = self.generation.saturating_sub(1);
        let is_usable = move |(_, s): &(usize, &Slot)| !s.live && s.since <= protected;
        self.slots.iter().enumerate().filter(is_usable).map(|(slot, _)| slot as u32)
    }

    /// Live slots, slot 0 included, and the highest of them.
    pub fn live(&self) -> (u32, u32) {
        let live = || self.slots.iter().enumerate().filter(|(_, s)| s.live).map(|(slot, _)| slot as u32);
        (live().count() as u32, live().max().unwrap_or(0))
    }

    /// Whether every slot from `first` on may be cut off by the next commit.
    pub fn can_cut_to(&self, first: u32) -> bool {
        let free = self.slots.iter().skip(first as usize).filter(|s| !s.live).count();
        free == self.slots.len().saturating_sub(first as usize)
            && self.usable().filter(|slot| *slot >= first).count() == free
    }

    /// Whether a part of the first `kept` runs lies in `slot`.
    pub fn is_index(&self, slot: u32, kept: usize) -> bool {
        self.runs.iter().take(kept).any(|run| run.slots.contains(&slot))
    }

    /// The highest slot that any run lies in.
    pub fn highest_index_slot(&self) -> u32 {
        self.runs.iter().flat_map(|run| run.slots.iter().copied()).max().unwrap_or(0)
    }

    /// Segments with chunks that were written since and are remembered, by slot.
    pub fn remembered(&self) -> Vec<u32> {
        let mut slots: Vec<u32> = self.made.keys().copied().collect();
        slots.sort_unstable();
        slots
    }

    /// Slots that must stay free at the end: the reserve, for metadata of a commit without chunks.
    pub fn reserve(&self) -> u32 {
        let sizes = self.objects(0, self.runs.len());
        trial::reserve_slots(&self.geometry, sizes.into_iter().sum()) as u32
    }

    /// Sealed lengths of all metadata of a commit with `new` moved chunks, in order of writing.
    fn objects(&self, new: u64, kept: usize) -> Vec<usize> {
        let stream = |bytes: usize| {
            let parts = trial::stream_sizes(bytes).into_iter();
            parts.map(|sealed| sealed - SEAL_OVERHEAD + PACKED_OVERHEAD)
        };
        let entries = 2 * new + self.entries_from(kept);
        let mut sizes = Vec::new();
        let mut contents = self.contents_bytes;
        if entries > 0 {
            let pages = entries.div_ceil(PAGE.0) as usize;
            sizes.resize(pages, PAGE.0 as usize * PAGE.1 + PACKED_OVERHEAD);
            sizes.extend(stream(8 + pages * PAGE.2));
            sizes.extend(stream((entries as usize * 2).next_multiple_of(32).max(32)));
            contents += 64 + PART_LINE * (sizes.len() - pages);
        }
        sizes.extend(stream(self.catalog_bytes));
        sizes.extend(stream(self.ledger_bytes));
        contents += PART_LINE * 2 * (2 + (self.catalog_bytes + self.ledger_bytes) / PART_BYTES);
        sizes.extend(trial::closing_sizes(self.root, self.slots.len(), contents));
        sizes
    }

    /// The segments of a commit that moves `batch`.
    pub fn try_commit(&mut self, batch: &[(Move, Weighed)], kept: usize) -> Result<Segments> {
        let mut trial = Trial::new(&self.geometry);
        let leaving: HashSet<u32> = batch.iter().map(|(one, _)| one.slot).collect();
        let mut seen = HashSet::new();
        for (id, weight) in batch.iter().flat_map(|(_, chunks)| chunks) {
            if seen.insert(weight.id) {
                let stream = match weight.stream {
                    Stream::Metadata if self.stays_elsewhere(id, weight, &leaving)? => Stream::MetadataCopy,
                    stream => stream,
                };
                trial.put_chunk(stream, *weight)?;
            }
        }
        let new = seen.len() as u64;
        let entries = 2 * new + self.entries_from(kept);
        let estimate = metadata_estimate(self.catalog_bytes, self.ledger_bytes, entries, self.slots.len());
        trial.finish(estimate, &self.objects(new, kept))
    }

    fn stays_elsewhere(&mut self, id: &ChunkId, weight: &Weight, leaving: &HashSet<u32>) -> Result<bool> {
        if !self.copies.contains_key(&weight.id) {
            let copies = self.store.locate(id)?;
            self.copies.insert(weight.id, copies.iter().map(|copy| copy.location.slot).collect());
        }
        Ok(self.copies[&weight.id].iter().any(|slot| !leaving.contains(slot)))
    }

    /// The chunks that a segment written since holds.
    pub fn weigh_made(&self, slot: u32) -> Weighed {
        let id = |weight: &Weight| {
            let mut id = ChunkId::ZERO;
            id.0[..8].copy_from_slice(&weight.id.to_le_bytes());
            id
        };
        self.made.get(&slot).into_iter().flatten().map(|weight| (id(weight), *weight)).collect()
    }

    /// Adds free slots at the end.
    pub fn grow(&mut self, count: usize) {
        let fresh = Slot { live: false, since: 0, holds_chunks: false };
        self.slots.resize(self.slots.len() + count, fresh);
    }

    /// Takes a commit into account whose segments were tried. False, and nothing changed, if the usable
    /// slots do not suffice.
    pub fn commit(&mut self, change: &Change, segments: Segments) -> bool {
        let taken: Vec<u32> = self.usable().take(segments.chunks.len()).collect();
        if taken.len() < segments.chunks.len() {
            return false;
        }
        self.generation += 1;
        self.written += taken.len() as u64;
        let retired: HashSet<u32> = change.retired.iter().copied().collect();
        self.copies.values_mut().for_each(|slots| slots.retain(|slot| !retired.contains(slot)));
        for slot in &retired {
            self.made.remove(slot);
            self.slots[*slot as usize].holds_chunks = false;
        }
        let new: usize = segments.chunks.iter().map(Vec::len).sum();
        self.settle_index(change.kept_runs, new as u64, &taken[segments.first_closing..]);
        for (slot, chunks) in taken.into_iter().zip(segments.chunks) {
            let holds_chunks = !chunks.is_empty();
            self.slots[slot as usize] = Slot { live: true, since: self.generation, holds_chunks };
            for weight in chunks.iter().filter(|w| w.stream == Stream::Metadata) {
                self.copies.entry(weight.id).or_default().push(slot);
            }
            if holds_chunks && slot >= self.remembered_from {
                self.made.insert(slot, chunks);
            }
        }
        self.settle();
        if let Some(count) = change.cut_to {
            self.slots.truncate(count as usize);
        }
        true
    }

    fn settle_index(&mut self, kept: usize, new: u64, closing: &[u32]) {
        let count = new + self.entries_from(kept);
        self.runs.truncate(kept);
        if count > 0 {
            self.runs.push(Run { count, slots: closing.iter().copied().collect() });
        }
    }

    /// Frees older segments without chunks in which no run lies.
    fn settle(&mut self) {
        let generation = self.generation;
        let index: HashSet<u32> = self.runs.iter().flat_map(|run| run.slots.iter().copied()).collect();
        for (number, slot) in self.slots.iter_mut().enumerate().skip(1) {
            let is_idle = slot.live && !slot.holds_chunks && slot.since < generation;
            if is_idle && !index.contains(&(number as u32)) {
                *slot = Slot { live: false, since: generation, holds_chunks: false };
            }
        }
    }
}
