//! Prune: removes snapshots and gives their space back (`format-spec/container.md`, Space). It promises
//! to tell beforehand what it frees and how long the file will be, to write only on free slots so that
//! it works on a full disk, that it can be stopped or die at any instant, and that a manifest which
//! cannot be read stops it before anything is written.

mod apply;
mod choose;
mod forecast;
mod liveness;
mod schedule;

pub use apply::{PruneReport, apply};

use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::container::commit::trial;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger, SnapshotRecord};
use choose::Segments;
use forecast::Forecast;
use liveness::Liveness;
use schedule::{Scheduled, Step, Wishes, schedule};
use std::collections::HashSet;

/// Cleaning must win this part of the file's slots, and so must cutting off a free end.
const WORTH_CLEANING: u32 = 32;
/// Moving segments down must shorten the file by this part: less is filled again by the next nights.
const WORTH_MOVING: u32 = 8;
/// Fewest slots that are worth cutting off.
const LEAST_CUT: u32 = 2;

/// Wishes of one prune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// Time of its commits.
    pub time: Timestamp,
    /// The file shall become no longer than this, in bytes.
    pub max_bytes: Option<u64>,
    /// So many bytes shall be free for chunks afterwards, under the container's limit and besides the
    /// reserve.
    pub free_bytes: u64,
    /// Segments of which at most so many per cent are live are cleaned.
    pub clean_below: u8,
    /// Whether the file gives what is free at its end, and its holes, back to the file system.
    pub shrink: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        let time = Timestamp::default();
        PruneOptions { time, max_bytes: None, free_bytes: 0, clean_below: 65, shrink: true }
    }
}

/// What a prune will do.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// Snapshots that are removed, in commit order.
    pub removed: Vec<SnapshotRecord>,
    /// Snapshots that stay.
    pub kept_count: u64,
    /// Bytes on disk, seals included, that nothing refers to any more.
    pub freed_bytes: u64,
    /// Bytes on disk of all chunks that stay referenced.
    pub live_bytes: u64,
    /// Length of the file before.
    pub file_bytes_before: u64,
    /// Length of the file afterwards; exact unless a reader keeps old segments.
    pub file_bytes_after: u64,
    /// Bytes that will be free for chunks under the container's limit, besides the reserve; `None`:
    /// there is no limit.
    pub free_bytes_after: Option<u64>,
    /// Bytes that are written, at the most.
    pub written_bytes: u64,
    /// The commit that this is a plan for.
    generation: u64,
    reserve: usize,
    options: PruneOptions,
    steps: Vec<Step>,
}

impl PrunePlan {
    /// Whether there is anything to do.
    pub fn has_work(&self) -> bool {
        !self.steps.is_empty()
    }
}

/// Plans the removal of `victims` and the giving back of space. Writes nothing.
///
/// Errors: [`Kind::NotFound`] for a victim that is not there, [`Kind::Usage`] for one that is
/// pinned, [`Kind::Damaged`] if not everything that
/// stays can be read, [`Kind::Usage`] if `options` ask for less than what stays needs.
pub fn plan(
    store: &ChunkStore,
    victims: &[SnapshotId],
    options: &PruneOptions,
    progress: &Progress,
) -> Result<PrunePlan> {
    let catalog = Catalog::read(store)?;
    let ids: HashSet<SnapshotId> = victims.iter().copied().collect();
    let (leaving, staying): (Vec<_>, Vec<_>) = catalog.snapshots.iter().partition(|s| ids.contains(&s.id));
    let liveness = liveness::mark(store, &staying, &leaving, progress)?;
    let mut remaining = catalog.clone();
    remaining.remove(victims)?;
    let ledger = Ledger::read(store)?.encode().len();
    let planner = Planner {
        store,
        options,
        forecast: Forecast::new(store, remaining.encode().len(), ledger)?,
        liveness: &liveness,
        must_commit: !leaving.is_empty(),
    };
    let Scheduled { steps, forecast } = planner.plan()?;
    let g = &store.container().base().geometry;
    let before = store.container().file_bytes();
    Ok(PrunePlan {
        removed: leaving.into_iter().cloned().collect(),
        kept_count: remaining.snapshots.len() as u64,
        freed_bytes: liveness.freed_bytes,
        live_bytes: liveness.marks.bytes,
        file_bytes_before: before,
        file_bytes_after: g.file_bytes(forecast.slot_count()),
        free_bytes_after: free_in(store, &forecast),
        written_bytes: steps.iter().map(|s| s.segments as u64).sum::<u64>() * g.segment_bytes as u64,
        generation: store.container().state().root.generation,
        reserve: forecast.reserve() as usize,
        options: options.clone(),
        steps,
    })
}

/// Bytes free for chunks under the container's limit, besides the reserve; `None`: there is no limit.
pub fn free_bytes(store: &ChunkStore) -> Result<Option<u64>> {
    if store.contents().settings.max_bytes.is_none() {
        return Ok(None);
    }
    let lengths = (store.contents().catalog.bytes as usize, store.contents().ledger.bytes as usize);
    Ok(free_in(store, &Forecast::new(store, lengths.0, lengths.1)?))
}

fn free_in(store: &ChunkStore, forecast: &Forecast) -> Option<u64> {
    let g = &store.container().base().geometry;
    let most = g.slots_in(store.contents().settings.max_bytes?);
    let free = most.saturating_sub(forecast.live().0 + forecast.reserve());
    Some(u64::from(free) * trial::capacity(g))
}

struct Planner<'a> {
    store: &'a ChunkStore,
    options: &'a PruneOptions,
    forecast: Forecast<'a>,
    liveness: &'a Liveness,
    must_commit: bool,
}

impl<'a> Planner<'a> {
    /// As little as the thresholds ask for; if that does not reach what is asked for, more and more
    /// segments, the best first.
    fn plan(&self) -> Result<Scheduled<'a>> {
        let below = u64::from(self.options.clean_below.min(100));
        let usual = self.segments().to_clean(below, usize::MAX, self.worth(WORTH_CLEANING, 1));
        let mut best = self.attempt(&usual)?;
        let mut most = usual.len().max(8);
        let mut is_last = false;
        while !self.is_enough(&best.forecast) && !is_last {
            let cleaned = self.segments().to_clean(99, most, 1);
            is_last = cleaned.len() < most;
            let scheduled = self.attempt(&cleaned)?;
            if self.is_better(&scheduled.forecast, &best.forecast) {
                best = scheduled;
            }
            most *= 2;
        }
        self.allow(best)
    }

    /// That part of the slots, `least` at the least.
    fn worth(&self, part: u32, least: u32) -> u32 {
        least.max(self.forecast.slot_count() / part)
    }

    fn is_better(&self, one: &Forecast, other: &Forecast) -> bool {
        let rank = |f: &Forecast| match self.options.max_bytes {
            Some(_) => f.slot_count(),
            None => f.live().0 + f.reserve(),
        };
        rank(one) < rank(other)
    }

    fn segments(&self) -> Segments<'_> {
        let state = self.store.container().state();
        Segments {
            geometry: &self.store.container().base().geometry,
            table: &state.table,
            uses: &self.liveness.marks.slots,
            generation: state.root.generation,
        }
    }

    /// The steps that empty `cleaned` and, if the file can shrink by enough, move what lies high.
    fn attempt(&self, cleaned: &[u32]) -> Result<Scheduled<'a>> {
        let length = self.forecast.slot_count();
        let (least_cut, least_move) = match self.options.max_bytes {
            Some(_) => (1, 1),
            None => (self.worth(WORTH_CLEANING, LEAST_CUT), self.worth(WORTH_MOVING, LEAST_CUT)),
        };
        let mut wishes = Wishes {
            victims: cleaned.to_vec(),
            dead: self.segments().dead(),
            least_cut: if self.options.shrink { least_cut } else { u32::MAX / 2 },
            must_commit: self.must_commit,
            ..Wishes::default()
        };
        let cleaned: HashSet<u32> = cleaned.iter().copied().collect();
        let below = self.segments().least_slots(&cleaned, self.others()?);
        if self.options.shrink && below + least_move <= length {
            wishes.below = Some(below);
            wishes.victims.extend(self.segments().above(below, &cleaned));
        }
        let scheduled = self.schedule(wishes.clone())?;
        let is_shorter = scheduled.forecast.slot_count() + least_cut <= length;
        if wishes.below.is_none() || is_shorter {
            return Ok(scheduled);
        }
        // Moving down would not pay: it is left alone.
        wishes.victims.truncate(cleaned.len());
        wishes.below = None;
        self.schedule(wishes)
    }

    fn schedule(&self, mut wishes: Wishes) -> Result<Scheduled<'a>> {
        let slots: HashSet<u32> = wishes.victims.iter().copied().collect();
        wishes.live = self.liveness.marks.offsets_in(self.store, &slots)?;
        schedule(self.store, self.forecast.clone(), wishes)
    }

    /// Slots for what is not chunks: the index, a commit's metadata, the reserve.
    fn others(&self) -> Result<u32> {
        let mut forecast = self.forecast.clone();
        let index = forecast.try_commit(&[], 0)?.chunks.len();
        Ok(index as u32 + 1 + forecast.reserve())
    }

    fn is_enough(&self, forecast: &Forecast) -> bool {
        let g = &self.store.container().base().geometry;
        let is_short = self.options.max_bytes.is_none_or(|max| g.file_bytes(forecast.slot_count()) <= max);
        is_short && free_in(self.store, forecast).is_none_or(|free| free >= self.options.free_bytes)
    }

    /// Space that was wished for and does not come is no error; a length that cannot be had is.
    fn allow(&self, scheduled: Scheduled<'a>) -> Result<Scheduled<'a>> {
        let g = &self.store.container().base().geometry;
        let least = g.file_bytes(scheduled.forecast.slot_count());
        match self.options.max_bytes {
            Some(max) if least > max => Err(Error::new(
                Kind::Usage,
                format!(
                    "{}: cannot become as short as {max} bytes: what stays needs {least} bytes, its reserve \
                     included",
                    self.store.container().base().name()
                ),
            )
            .hint("remove snapshots first (coffer prune), or choose a larger size")),
            _ => Ok(scheduled),
        }
    }
}
