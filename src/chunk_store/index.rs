//! The index: chunk id to location (`format-spec/manifest.md`, Index). Derived, never the truth: an
//! entry counts only while the segment it names is the one in that slot, and if a page is lost
//! the directories answer instead. Memory: filters and fences of the runs that were asked, and a
//! bounded cache of pages.

use super::ChunkStore;
use super::filter::Filter;
use super::run::{PageRef, RunRef, decode_page};
use crate::codec::{self, Decode, Encode};
use crate::container::root::{Location, SegmentRecord};
use crate::crypto::ObjectKind;
use crate::error::{Error, Kind, Result};
use crate::ids::{ChunkId, SegmentId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Pages kept decrypted: 2,048 of 16 KiB.
const CACHED_PAGES: usize = 2048;
/// Longest fence that is read: 1 GiB of entries would need less.
const MAX_FENCE_BYTES: usize = codec::LIMIT_BYTES;
/// Longest filter that is read: enough for 500 million chunks.
const MAX_FILTER_BYTES: usize = 1 << 30;

/// One line of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct IndexEntry {
    /// The chunk.
    pub id: ChunkId,
    /// Where it lies.
    pub location: Location,
    /// Its length on disk in bytes.
    pub length: u32,
    /// First four bytes of the id of the segment it lies in.
    pub segment: [u8; 4],
}

/// Length of one encoded entry in bytes.
pub const ENTRY_BYTES: usize = 48;

impl IndexEntry {
    /// Whether the slot still holds the segment that this entry means.
    pub fn is_current(&self, table: &[SegmentRecord]) -> bool {
        table
            .get(self.location.slot as usize)
            .is_some_and(|r| r.live && r.id != SegmentId::ZERO && r.id.0[..4] == self.segment)
    }
}

/// The runs and what of them is in memory.
pub struct Index {
    runs: Vec<Run>,
    cache: Mutex<PageCache>,
    rebuilt: OnceLock<HashMap<ChunkId, Vec<IndexEntry>>>,
}

struct Run {
    reference: RunRef,
    fence: OnceLock<Vec<PageRef>>,
    filter: OnceLock<Filter>,
}

#[derive(Default)]
struct PageCache {
    pages: HashMap<(usize, usize), Arc<Vec<IndexEntry>>>,
    order: VecDeque<(usize, usize)>,
}

impl Index {
    /// An index over `runs`; nothing is read yet.
    pub fn new(runs: &[RunRef]) -> Index {
        let run = |r: &RunRef| Run { reference: r.clone(), fence: OnceLock::new(), filter: OnceLock::new() };
        Index { runs: runs.iter().map(run).collect(), cache: Mutex::default(), rebuilt: OnceLock::new() }
    }

    /// Every current entry for `id`.
    pub fn find(&self, store: &ChunkStore, id: &ChunkId) -> Result<Vec<IndexEntry>> {
        if let Some(rebuilt) = self.rebuilt.get() {
            return Ok(rebuilt.get(id).cloned().unwrap_or_default());
        }
        match self.find_in_runs(store, id) {
            Err(error) if error.kind() == Kind::Damaged => {
                let rebuilt = self.rebuild(store)?;
                Ok(rebuilt.get(id).cloned().unwrap_or_default())
            }
            other => other,
        }
    }

    fn find_in_runs(&self, store: &ChunkStore, id: &ChunkId) -> Result<Vec<IndexEntry>> {
        let mut found: Vec<IndexEntry> = Vec::new();
        for number in 0..self.runs.len() {
            if !self.filter(store, number)?.may_contain(id) {
                continue;
            }
            let fence = self.fence(store, number)?;
            let first = fence.partition_point(|p| p.first < *id).saturating_sub(1);
            for (page, _) in fence.iter().enumerate().skip(first).take_while(|(_, p)| p.first <= *id) {
                let entries = self.page(store, number, page)?;
                let start = entries.partition_point(|e| e.id < *id);
                found.extend(entries[start..].iter().take_while(|e| e.id == *id));
            }
        }
        found.retain(|e| e.is_current(&store.container.state().table));
        Ok(found)
    }

    /// The pages of run `number`.
    pub fn fence(&self, store: &ChunkStore, number: usize) -> Result<&[PageRef]> {
        let run = &self.runs[number];
        if let Some(fence) = run.fence.get() {
            return Ok(fence);
        }
        let bytes = store.read_stream(ObjectKind::IndexFence, &run.reference.fence, MAX_FENCE_BYTES)?;
        let fence: Vec<PageRef> = codec::decode(&bytes, "index fence")?;
        match fence.is_sorted_by_key(|p| p.first) {
            true => Ok(run.fence.get_or_init(|| fence)),
            false => Err(Error::damaged("index fence: not sorted")),
        }
    }

    fn filter(&self, store: &ChunkStore, number: usize) -> Result<&Filter> {
        let run = &self.runs[number];
        if let Some(filter) = run.filter.get() {
            return Ok(filter);
        }
        // The stated length is bounded by the file's; what is read, by what is stated.
        let stated = run.reference.filter.bytes.min(MAX_FILTER_BYTES as u64) as usize;
        let bytes = store.read_stream(ObjectKind::IndexFilter, &run.reference.filter, stated)?;
        let filter = Filter::from_bytes(bytes).ok_or_else(|| Error::damaged("index filter: odd length"))?;
        Ok(run.filter.get_or_init(|| filter))
    }

    fn page(&self, store: &ChunkStore, number: usize, page: usize) -> Result<Arc<Vec<IndexEntry>>> {
        let key = (number, page);
        if let Some(entries) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).pages.get(&key) {
            return Ok(entries.clone());
        }
        let part = &self.fence(store, number)?[page].part;
        let entries = Arc::new(decode_page(&store.read_part(ObjectKind::IndexPage, part)?)?);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.pages.insert(key, entries.clone()).is_none() {
            cache.order.push_back(key);
        }
        if cache.order.len() > CACHED_PAGES
            && let Some(oldest) = cache.order.pop_front()
        {
            cache.pages.remove(&oldest);
        }
        Ok(entries)
    }

    /// Reads every run in full; the failures, with the number of their run.
    pub fn check(&self, store: &ChunkStore) -> Vec<(usize, Error)> {
        (0..self.runs.len())
            .filter_map(|number| Some((number, self.check_run(store, number).err()?)))
            .collect()
    }

    fn check_run(&self, store: &ChunkStore, number: usize) -> Result<()> {
        let filter = self.filter(store, number)?;
        let mut last = None;
        let mut count = 0;
        for page in self.fence(store, number)? {
            let entries = decode_page(&store.read_part(ObjectKind::IndexPage, &page.part)?)?;
            count += entries.len() as u64;
            let sorted = entries.is_sorted() && entries.first().map(|e| e.id) == Some(page.first);
            let known = entries.iter().all(|e| filter.may_contain(&e.id));
            if !sorted || !known || last.is_some_and(|l| l > entries[0]) {
                return Err(Error::damaged(format!("index run {number}: out of order")));
            }
            last = entries.last().copied();
        }
        match count == self.runs[number].reference.count {
            true => Ok(()),
            false => {
                Err(Error::damaged(format!("index run {number}: {count} entries, not as many as stated")))
            }
        }
    }

    /// The current entries that lie in `slots`, from every page that can be read.
    pub fn entries_in(&self, store: &ChunkStore, slots: &HashSet<u32>) -> Vec<IndexEntry> {
        let table = &store.container.state().table;
        let mut out = Vec::new();
        for number in 0..self.runs.len() {
            for page in self.fence(store, number).unwrap_or_default() {
                let bytes = store.read_part(ObjectKind::IndexPage, &page.part);
                let entries = bytes.and_then(|bytes| decode_page(&bytes)).unwrap_or_default();
                let wanted = |e: &IndexEntry| slots.contains(&e.location.slot) && e.is_current(table);
                out.extend(entries.into_iter().filter(wanted));
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Reads every live segment's directory: slow, and right when index pages are lost.
    fn rebuild(&self, store: &ChunkStore) -> Result<&HashMap<ChunkId, Vec<IndexEntry>>> {
        let mut map: HashMap<ChunkId, Vec<IndexEntry>> = HashMap::new();
        for entry in store.entries_of_directories() {
            map.entry(entry.id).or_default().push(entry);
        }
        Ok(self.rebuilt.get_or_init(|| map))
    }

    /// Whether index pages were lost and the directories answer.
    pub fn is_rebuilt(&self) -> bool {
        self.rebuilt.get().is_some()
    }
}
