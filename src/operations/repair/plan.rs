//! What a repair knows before it writes: which segments are damaged, and for each what can be read of
//! it and whether anything that is needed would be lost with it. It promises to count a copy only
//! outside of every damaged segment.

use super::super::losses::{Losses, Suspects};
use super::super::session::Session;
use super::RepairReport;
use crate::chunk_store::{ChunkStore, IndexEntry, Packed, SegmentReport, copies_of};
use crate::container::root::Location;
use crate::container::segment::Health;
use crate::crypto::ObjectKind;
use crate::error::Result;
use crate::ids::ChunkId;
use crate::progress::Progress;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What looking at everything found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    header_copies: Vec<String>,
    superblock_copies: usize,
    pub(super) index_runs: Vec<usize>,
    is_newest_lost: bool,
    outdated: Vec<u32>,
    damaged: BTreeMap<u32, Damaged>,
}

/// A damaged segment.
#[derive(Clone, Debug)]
struct Damaged {
    bad: Vec<Location>,
    /// Whether its own directory says what it holds.
    by_directory: bool,
}

/// What is to be done with one damaged segment.
pub(super) struct Step {
    /// Chunks to be written anew.
    pub write: Vec<Packed>,
    /// Whether nothing is lost with the segment once they are.
    pub is_dropped: bool,
    /// Whether all that it holds can be read.
    pub is_readable: bool,
}

/// Looks at every live segment, the index and the header zone. Writes nothing.
pub fn survey(session: &Session, pool: &Arc<ThreadPool>, progress: &Progress) -> Result<Survey> {
    let store = &session.store;
    let container = store.container();
    let mut survey = Survey {
        header_copies: container.header().rotten.clone(),
        superblock_copies: container.header().superblocks(&**container.base().storage()).1,
        index_runs: store.check_index().into_iter().map(|(number, _)| number).collect(),
        is_newest_lost: container.has_fallen_back(),
        ..Survey::default()
    };
    let slots = store.live_slots();
    let size = container.base().geometry.segment_bytes as u64;
    progress.expect(slots.len() as u64, slots.len() as u64 * size);
    let check = |slot: &u32| {
        progress.check()?;
        let checked = store.check_segment(*slot);
        progress.advance(1, size);
        Ok((*slot, checked.ok()))
    };
    let found: Vec<Result<(u32, Option<SegmentReport>)>> =
        pool.install(|| slots.par_iter().with_max_len(1).map(check).collect());
    for result in found {
        let (slot, report) = result?;
        let is_whole = |r: &SegmentReport| {
            r.health == Health::Whole && r.faults.is_empty() && !r.directory_lost && r.lost_objects.is_empty()
        };
        if report.as_ref().is_some_and(is_whole) {
            continue;
        }
        let by_directory = report.as_ref().is_some_and(|r| !r.directory_lost);
        let bad = report.map_or(Vec::new(), |r| r.faults.into_iter().map(|f| f.location).collect());
        survey.damaged.insert(slot, Damaged { bad, by_directory });
    }
    // What only the commit before reaches: its root is read to be held against what is known.
    container.ancestry();
    survey.outdated = container.healed_slots();
    survey.outdated.retain(|slot| !survey.damaged.contains_key(slot));
    Ok(survey)
}

impl Survey {
    /// A report of what is damaged, nothing of it mended yet.
    pub(super) fn report(&self) -> RepairReport {
        RepairReport {
            header_copies: self.header_copies.clone(),
            superblock_copies: self.superblock_copies,
            index_runs: self.index_runs.clone(),
            is_newest_lost: self.is_newest_lost,
            outdated: self.outdated.clone(),
            ..RepairReport::default()
        }
    }

    /// The damaged segments.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.damaged.keys().copied()
    }

    /// Copies that are not believed.
    pub(super) fn suspects(&self) -> Suspects {
        let mut suspects = Suspects::default();
        for (slot, damaged) in &self.damaged {
            suspects.bad.extend(&damaged.bad);
            if !damaged.by_directory {
                suspects.unlisted.insert(*slot);
            }
        }
        suspects
    }

    /// Takes note that a segment was given up: its slot is free, or holds another.
    pub(super) fn forget(&mut self, slot: u32) {
        self.damaged.remove(&slot);
    }

    fn is_good(&self, copy: &IndexEntry) -> bool {
        !self.damaged.contains_key(&copy.location.slot)
    }

    /// What to do with the damaged segment in `slot`, `losses` being what nobody can give back.
    pub(super) fn step(&self, store: &ChunkStore, losses: &Losses, slot: u32) -> Step {
        let by_directory = self.damaged.get(&slot).is_some_and(|d| d.by_directory);
        let Ok(salvage) = store.salvage(slot, by_directory) else {
            // The medium gives nothing of it. Without any loss nobody needs it.
            let is_dropped = losses.affected.is_empty();
            return Step { write: Vec::new(), is_dropped, is_readable: false };
        };
        let whole = |id: &ChunkId| {
            let copies = store.locate(id).unwrap_or_default();
            copies.iter().filter(|copy| self.is_good(copy)).count()
        };
        let is_short = |chunk: &Packed| whole(&chunk.id) < copies_of(chunk.kind);
        // Were the index read in full, it would name all that a segment without directory holds.
        let is_complete = salvage.is_listed || self.index_runs.is_empty();
        let is_dropped = match is_complete {
            // What a list that breaks off names is not known.
            true => {
                let is_needed = |(_, id): &(_, ChunkId)| losses.chunks.contains_key(id);
                salvage.lost.is_empty() || (losses.is_complete() && !salvage.lost.iter().any(is_needed))
            }
            false => losses.affected.is_empty(),
        };
        let twins = salvage.lost.iter().filter(|(_, id)| whole(id) == 1);
        let twins: Vec<Packed> = twins.filter_map(|(kind, id)| twin(store, *kind, *id)).collect();
        let is_readable = is_complete && salvage.lost.is_empty();
        let write = salvage.chunks.into_iter().filter(is_short).chain(twins).collect();
        Step { write, is_dropped, is_readable }
    }
}

/// The other copy of a piece of metadata, one of whose two copies is lost.
fn twin(store: &ChunkStore, kind: Option<ObjectKind>, id: ChunkId) -> Option<Packed> {
    let kinds = kind.map_or(vec![ObjectKind::Manifest, ObjectKind::List], |kind| vec![kind]);
    let twice = kinds.into_iter().filter(|kind| copies_of(*kind) > 1);
    twice.filter_map(|kind| store.take(kind, id).ok()).next()
}
