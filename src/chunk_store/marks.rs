//! Marking: which chunk copies are reachable, one bit for each line of the index, set by merging
//! sorted ids with the sorted runs (`format-spec/manifest.md`, Index). It promises bounded memory at
//! any number of chunks, and that an index page that cannot be read is an error, never "not there".

use super::ChunkStore;
use super::index::IndexEntry;
use super::run::{PAGE_ENTRIES, decode_page};
use crate::crypto::ObjectKind;
use crate::error::{Error, Result};
use crate::ids::ChunkId;
use std::collections::{BTreeMap, HashSet};

/// Ids gathered before they are looked up together: 32 MiB of prefixes.
const PENDING_IDS: usize = 2 << 20;

/// What is reachable in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotUse {
    /// Reachable chunk copies.
    pub chunk_count: u32,
    /// Their bytes on disk.
    pub bytes: u64,
}

/// The bits, and what they add up to.
#[derive(Clone)]
pub struct Marks {
    /// Per run: a bit for each place of each page.
    runs: Vec<Vec<u64>>,
    /// Per slot.
    pub slots: Vec<SlotUse>,
    /// Bytes on disk of all marked copies.
    pub bytes: u64,
    /// Ids that no line of the index names.
    pub missing: u64,
    pending: Vec<u128>,
}

/// The first half of an id: enough to tell any two apart, and a mark too many only keeps a chunk.
fn prefix(id: &ChunkId) -> u128 {
    let mut head = [0; 16];
    head.copy_from_slice(&id.0[..16]);
    u128::from_be_bytes(head)
}

impl Marks {
    /// Nothing marked.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if a run's fence cannot be read.
    pub fn new(store: &ChunkStore) -> Result<Marks> {
        let mut runs = Vec::new();
        for number in 0..store.contents().runs.len() {
            let places = store.index.fence(store, number)?.len() * PAGE_ENTRIES;
            runs.push(vec![0; places.div_ceil(64)]);
        }
        let slots = vec![SlotUse::default(); store.container().state().table.len()];
        Ok(Marks { runs, slots, bytes: 0, missing: 0, pending: Vec::new() })
    }

    /// Marks every copy of `id`, at the latest at the next [`Marks::flush`].
    pub fn mark(&mut self, store: &ChunkStore, id: &ChunkId) -> Result<()> {
        self.pending.push(prefix(id));
        if self.pending.len() < PENDING_IDS {
            return Ok(());
        }
        self.pending.sort_unstable();
        self.pending.dedup();
        // Snapshots share most of what they name.
        match self.pending.len() > PENDING_IDS / 2 {
            true => self.flush(store),
            false => Ok(()),
        }
    }

    /// Looks up and marks what was named so far.
    pub fn flush(&mut self, store: &ChunkStore) -> Result<()> {
        let mut ids = std::mem::take(&mut self.pending);
        ids.sort_unstable();
        ids.dedup();
        let mut found = vec![false; ids.len()];
        for run in 0..self.runs.len() {
            self.merge(store, run, &ids, &mut found)?;
        }
        self.missing += found.iter().filter(|f| !**f).count() as u64;
        ids.clear();
        self.pending = ids;
        Ok(())
    }

    fn merge(&mut self, store: &ChunkStore, run: usize, ids: &[u128], found: &mut [bool]) -> Result<()> {
        let table = &store.container().state().table;
        let fence = store.index.fence(store, run)?;
        let mut at = 0;
        for (number, page) in fence.iter().enumerate() {
            let first = prefix(&page.first);
            at += ids[at..].partition_point(|id| *id < first);
            let next = fence.get(number + 1).map_or(u128::MAX, |page| prefix(&page.first));
            if ids.get(at).is_none_or(|id| *id > next) {
                continue;
            }
            let entries = decode_page(&store.read_part(ObjectKind::IndexPage, &page.part)?)?;
            let mut here = at;
            for (index, entry) in entries.iter().enumerate() {
                let id = prefix(&entry.id);
                here += ids[here..].partition_point(|other| *other < id);
                if ids.get(here) == Some(&id) && entry.is_current(table) {
                    found[here] = true;
                    self.set(run, number * PAGE_ENTRIES + index, entry);
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, run: usize, place: usize, entry: &IndexEntry) {
        let (word, bit) = (place / 64, 1 << (place % 64));
        if self.runs[run][word] & bit == 0 {
            self.runs[run][word] |= bit;
            self.bytes += u64::from(entry.length);
            if let Some(slot) = self.slots.get_mut(entry.location.slot as usize) {
                slot.chunk_count += 1;
                slot.bytes += u64::from(entry.length);
            }
        }
    }

    fn is_set(&self, run: usize, place: usize) -> bool {
        self.runs[run].get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    /// Offsets of the marked copies in each of `slots`, rising.
    pub fn offsets_in(&self, store: &ChunkStore, slots: &HashSet<u32>) -> Result<BTreeMap<u32, Vec<u32>>> {
        let mut out: BTreeMap<u32, Vec<u32>> = slots.iter().map(|slot| (*slot, Vec::new())).collect();
        if !slots.is_empty() {
            self.each_current(store, |is_marked, entry| {
                if let (true, Some(offsets)) = (is_marked, out.get_mut(&entry.location.slot)) {
                    offsets.push(entry.location.offset);
                }
            })?;
        }
        out.values_mut().for_each(|offsets| offsets.sort_unstable());
        Ok(out)
    }

    /// Fails if ids are missing although the index does not list every chunk copy that the segments
    /// hold: then what is missing may be there.
    pub fn prove_missing(&self, store: &ChunkStore) -> Result<()> {
        if self.missing == 0 {
            return Ok(());
        }
        let mut listed = 0u64;
        self.each_current(store, |_, _| listed += 1)?;
        match listed == store.chunk_count() {
            true => Ok(()),
            false => Err(Error::damaged(format!(
                "index: {} chunks that snapshots name are not listed, and it does not list all that is held",
                self.missing
            ))
            .hint("mend the container first: coffer repair")),
        }
    }

    fn each_current(&self, store: &ChunkStore, mut visit: impl FnMut(bool, &IndexEntry)) -> Result<()> {
        let table = &store.container().state().table;
        for run in 0..self.runs.len() {
            for (number, page) in store.index.fence(store, run)?.iter().enumerate() {
                let entries = decode_page(&store.read_part(ObjectKind::IndexPage, &page.part)?)?;
                for (index, entry) in entries.iter().enumerate().filter(|(_, e)| e.is_current(table)) {
                    visit(self.is_set(run, number * PAGE_ENTRIES + index), entry);
                }
            }
        }
        Ok(())
    }
}
