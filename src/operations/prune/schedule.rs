//! The commits of a prune, one after the other: what each moves, gives up and cuts off
//! (`format-spec/container.md`, Space). It promises that each finds the slots it writes without growing
//! the file, and leaves enough for the next; pure decisions, tried out on a [`Forecast`].

use super::forecast::{Change, Forecast, Weighed};
use crate::chunk_store::{ChunkStore, Move};
use crate::container::commit::trial::{self, Segments};
use crate::error::{Kind, Result};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Most chunks that one commit moves: bounds memory.
const BATCH_CHUNKS: usize = 200_000;
/// Most segments' worth of chunks that one commit moves.
const BATCH_SEGMENTS: usize = 64;
/// Commits without progress after which a wish is given up: freed slots are usable one commit later.
const PATIENCE: u32 = 2;

/// One commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Segments to be emptied; those without a list of offsets were written by an earlier step.
    pub moves: Vec<Move>,
    /// What changes besides.
    pub change: Change,
    /// Segments that it writes at the most.
    pub segments: usize,
    /// Whether the file has to grow for it.
    pub grows: bool,
}

/// What a prune wants.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Segments to be emptied, in this order.
    pub victims: Vec<u32>,
    /// Offsets of the live chunks in each.
    pub live: BTreeMap<u32, Vec<u32>>,
    /// Segments without live chunks.
    pub dead: Vec<u32>,
    /// Slots below which everything should end up.
    pub below: Option<u32>,
    /// Fewest slots that are worth cutting off.
    pub least_cut: u32,
    /// Whether there is a commit to make even if no space is to be won.
    pub must_commit: bool,
}

/// Steps in the making.
pub struct Schedule<'a> {
    store: &'a ChunkStore,
    forecast: Forecast<'a>,
    queue: VecDeque<u32>,
    live: BTreeMap<u32, Vec<u32>>,
    dead: Vec<u32>,
    below: Option<u32>,
    merged: bool,
    steps: Vec<Step>,
}

/// The steps, and what the container will be after them.
pub struct Scheduled<'a> {
    /// The commits.
    pub steps: Vec<Step>,
    /// The container to come.
    pub forecast: Forecast<'a>,
}

/// Decides the commits that fulfil `wishes`.
pub fn schedule<'a>(store: &'a ChunkStore, forecast: Forecast<'a>, wishes: Wishes) -> Result<Scheduled<'a>> {
    let mut forecast = forecast;
    wishes.below.into_iter().for_each(|below| forecast.remember_from(below));
    let mut schedule = Schedule {
        store,
        forecast,
        queue: wishes.victims.into(),
        live: wishes.live,
        dead: wishes.dead,
        below: wishes.below,
        merged: false,
        steps: Vec::new(),
    };
    let mut idle = 0;
    let mut must_commit = wishes.must_commit;
    if must_commit {
        schedule.grow_if_needed()?;
    }
    while must_commit || (schedule.is_unfinished() && idle <= PATIENCE) {
        let brings = match schedule.work(idle < PATIENCE)? {
            Some((step, segments)) => schedule.push(step, segments),
            None => false,
        };
        idle = if brings { 0 } else { idle + 1 };
        if !brings && !schedule.settle(None)? {
            break;
        }
        must_commit = false;
    }
    schedule.cut(wishes.least_cut.max(1), usize::from(wishes.must_commit))?;
    Ok(Scheduled { steps: schedule.steps, forecast: schedule.forecast })
}

impl Schedule<'_> {
    fn is_unfinished(&self) -> bool {
        let is_high =
            |below| !self.forecast.remembered().is_empty() || self.forecast.highest_index_slot() >= below;
        !self.queue.is_empty() || !self.dead.is_empty() || self.below.is_some_and(is_high)
    }

    fn push(&mut self, step: Step, segments: Segments) -> bool {
        let fits = self.forecast.commit(&step.change, segments);
        if fits {
            self.steps.push(step);
        }
        fits
    }

    /// A commit that changes nothing, after which slots freed before may be written.
    fn settle(&mut self, cut_to: Option<u32>) -> Result<bool> {
        let kept_runs = self.forecast.run_count();
        let segments = self.forecast.try_commit(&[], kept_runs)?;
        let change = Change { retired: Vec::new(), kept_runs, cut_to };
        let step = Step { change, segments: segments.chunks.len(), ..Step::default() };
        Ok(self.push(step, segments))
    }

    /// Where not a slot is left that a commit could write, the file grows for the one that must be made.
    fn grow_if_needed(&mut self) -> Result<()> {
        let kept_runs = self.forecast.run_count();
        let segments = self.forecast.try_commit(&[], kept_runs)?;
        let missing = segments.chunks.len().saturating_sub(self.forecast.usable().count());
        if missing > 0 {
            self.forecast.grow(missing);
            let change = Change { kept_runs, ..Change::default() };
            let step = Step { change, segments: segments.chunks.len(), grows: true, ..Step::default() };
            self.push(step, segments);
        }
        Ok(())
    }

    /// The next commit that brings something; `strict`: nothing is moved to where it would have to be
    /// moved away from again.
    fn work(&mut self, strict: bool) -> Result<Option<(Step, Segments)>> {
        let usable: Vec<u32> = self.forecast.usable().collect();
        let runs = self.forecast.run_count();
        let least = self.forecast.try_commit(&[], runs)?.chunks.len();
        let low = match (self.below, strict) {
            (Some(below), true) => usable.iter().filter(|slot| **slot < below).count(),
            _ => usable.len(),
        };
        // As many as one empty commit needs are left for the next.
        let most = usable.len().saturating_sub(least).min(low);
        let kept_runs = self.runs_to_keep(most)?;
        let (moves, segments) = self.batch(most, kept_runs, strict)?;
        let (retired, waiting): (Vec<u32>, Vec<u32>) =
            self.dead.iter().partition(|slot| !self.forecast.is_index(**slot, kept_runs));
        let is_high = self.below.is_some_and(|below| self.forecast.highest_index_slot() >= below);
        let lowers_index = kept_runs == 0 && runs > 0 && (!self.merged || (is_high && strict));
        if moves.is_empty() && retired.is_empty() && !lowers_index && !self.steps.is_empty() {
            return Ok(None);
        }
        self.dead = waiting;
        self.merged |= kept_runs == 0;
        let gone: HashSet<u32> = moves.iter().map(|m| m.slot).collect();
        self.queue.retain(|slot| !gone.contains(slot));
        self.live.retain(|slot, _| !gone.contains(slot));
        let retired = retired.into_iter().chain(gone).collect();
        let change = Change { retired, kept_runs, cut_to: None };
        Ok(Some((Step { moves, change, segments: segments.chunks.len(), grows: false }, segments)))
    }

    /// How many index runs the next commit leaves as they are: none once, if there is room to write the
    /// index anew, later only the large first one, else all.
    fn runs_to_keep(&mut self, most: usize) -> Result<usize> {
        let runs = self.forecast.run_count();
        let g = &self.store.container().base().geometry;
        let is_small = self.forecast.entries_from(0) * 256 < trial::capacity(g);
        let is_high = self.below.is_some_and(|below| self.forecast.highest_index_slot() >= below);
        let first = if self.merged && !is_small && !is_high { 1 } else { 0 };
        for kept in first..runs.min(2) {
            if self.forecast.try_commit(&[], kept)?.chunks.len() <= most {
                return Ok(kept);
            }
        }
        Ok(runs)
    }

    /// As many of the next segments to be emptied as `most` slots can take.
    fn batch(&mut self, most: usize, kept_runs: usize, strict: bool) -> Result<(Vec<Move>, Segments)> {
        let mut chosen = self.weigh(most, kept_runs, strict)?;
        loop {
            let segments = self.forecast.try_commit(&chosen, kept_runs)?;
            if chosen.is_empty() || segments.chunks.len() <= most {
                return Ok((chosen.into_iter().map(|(m, _)| m).collect(), segments));
            }
            chosen.truncate(chosen.len() * 3 / 4);
        }
    }

    /// Segments to be emptied with their chunks, until they fill `most` slots.
    fn weigh(&mut self, most: usize, kept_runs: usize, strict: bool) -> Result<Vec<(Move, Weighed)>> {
        let g = &self.store.container().base().geometry;
        let room = trial::capacity(g) * most.min(BATCH_SEGMENTS) as u64;
        let (mut chosen, mut bytes, mut chunks) = (Vec::new(), 0, 0);
        let mut lost = Vec::new();
        let waiting = self.queue.iter().copied().filter(|slot| !self.forecast.is_index(*slot, kept_runs));
        let made = match (self.below, self.queue.is_empty() && strict) {
            (Some(_), true) => self.forecast.remembered(),
            _ => Vec::new(),
        };
        let made = made.into_iter().filter(|slot| !self.forecast.is_index(*slot, kept_runs));
        for slot in waiting.chain(made) {
            if bytes >= room || chunks >= BATCH_CHUNKS {
                break;
            }
            let wanted = Move { slot, live: self.live.get(&slot).cloned() };
            let weighed = match wanted.live {
                None => self.forecast.weigh_made(slot),
                Some(_) => match self.store.weigh(&wanted) {
                    Ok(weighed) => weighed,
                    Err(error) if error.kind() == Kind::Damaged => {
                        lost.push(slot);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            bytes += weighed.iter().map(|(_, w)| u64::from(w.sealed_length)).sum::<u64>();
            chunks += weighed.len();
            chosen.push((wanted, weighed));
        }
        // What cannot be read is left as it is.
        self.queue.retain(|slot| !lost.contains(slot));
        Ok(chosen)
    }

    /// Cuts the end of the file off, if that is worth it.
    fn cut(&mut self, least_cut: u32, least_steps: usize) -> Result<()> {
        for _ in 0..=2 * PATIENCE {
            let Some(slots) = self.slots_needed()? else { break };
            if slots + least_cut > self.forecast.slot_count() {
                break;
            }
            if self.forecast.can_cut_to(slots) {
                self.settle(Some(slots))?;
                return Ok(());
            }
            if !self.settle(None)? {
                break;
            }
        }
        self.drop_trailing(least_steps);
        Ok(())
    }

    /// Slots that the file needs after one more commit: up to its last live segment, and the reserve.
    fn slots_needed(&self) -> Result<Option<u32>> {
        let mut after = self.forecast.clone();
        let kept_runs = after.run_count();
        let segments = after.try_commit(&[], kept_runs)?;
        let change = Change { kept_runs, ..Change::default() };
        let fits = after.commit(&change, segments);
        let (live, highest) = after.live();
        Ok(fits.then(|| (highest + 1).max(live + after.reserve())))
    }

    /// Takes back the commits at the end that only waited for something that did not come.
    fn drop_trailing(&mut self, least: usize) {
        let brings = |step: &Step| {
            !step.moves.is_empty() || !step.change.retired.is_empty() || step.change.cut_to.is_some()
        };
        let last = self.steps.iter().rposition(brings).map_or(0, |last| last + 1);
        self.steps.truncate(last.max(least));
    }
}
