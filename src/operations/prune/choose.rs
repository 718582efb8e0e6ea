//! Which segments a prune empties (`format-spec/container.md`, Space): pure arithmetic on what is live
//! in each. It promises bounded writing: a segment is cleaned for the free part it holds, and one is moved
//! down for the length that the file loses.

use crate::chunk_store::SlotUse;
use crate::container::commit::trial;
use crate::container::geometry::Geometry;
use crate::container::root::SegmentRecord;
use std::collections::HashSet;

/// Of a segment's bytes, how many are written at best, in per cent: what packing leaves at its end.
const PACKING: u64 = 97;

/// The segments that hold chunks, as one prune sees them.
pub struct Segments<'a> {
    /// The geometry.
    pub geometry: &'a Geometry,
    /// The segment table.
    pub table: &'a [SegmentRecord],
    /// What is live in each slot.
    pub uses: &'a [SlotUse],
    /// The present generation.
    pub generation: u64,
}

/// A segment that holds live chunks.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    slot: u32,
    bytes: u64,
    score: f64,
}

impl Segments<'_> {
    fn with_chunks(&self) -> impl Iterator<Item = (u32, &SegmentRecord, SlotUse)> {
        let held = self.table.iter().zip(self.uses).enumerate().skip(1);
        held.filter(|(_, (r, _))| r.live && r.chunk_count > 0).map(|(slot, (r, u))| (slot as u32, r, *u))
    }

    /// Slots of segments without a live chunk.
    pub fn dead(&self) -> Vec<u32> {
        self.with_chunks().filter(|(_, _, u)| u.chunk_count == 0).map(|(slot, _, _)| slot).collect()
    }

    /// Segments of which at most `below` per cent are live, best first: (1 - u) · age / (1 + u), ties by
    /// slot.
    fn candidates(&self, below: u64) -> Vec<Candidate> {
        let capacity = trial::capacity(self.geometry);
        let candidate = |(slot, record, held): (u32, &SegmentRecord, SlotUse)| {
            let live = (held.bytes as f64 / capacity as f64).min(1.0);
            let age = self.generation.saturating_sub(record.generation) + 1;
            Candidate { slot, bytes: held.bytes, score: (1.0 - live) * age as f64 / (1.0 + live) }
        };
        let wanted = |(_, _, u): &(u32, &SegmentRecord, SlotUse)| {
            u.chunk_count > 0 && u.bytes.saturating_mul(100) <= capacity * below
        };
        let mut all: Vec<Candidate> = self.with_chunks().filter(wanted).map(candidate).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.slot.cmp(&b.slot)));
        all
    }

    /// Segments to be cleaned: those of which at most `below` per cent are live, at most `most` of them,
    /// if emptying them wins `least` segments. Small winnings are left to add up, since what a night leaves
    /// half empty would else be written again every night.
    pub fn to_clean(&self, below: u64, most: usize, least: u32) -> Vec<u32> {
        let mut chosen = self.candidates(below);
        chosen.truncate(most);
        let bytes = chosen.iter().map(|c| c.bytes).sum();
        match self.packed(bytes) + u64::from(least) < chosen.len() as u64 {
            true => chosen.into_iter().map(|c| c.slot).collect(),
            false => Vec::new(),
        }
    }

    fn packed(&self, bytes: u64) -> u64 {
        bytes.div_ceil(trial::capacity(self.geometry) * PACKING / 100)
    }

    /// The least number of slots once `cleaned` is emptied, with `others` slots for metadata, index and
    /// reserve.
    pub fn least_slots(&self, cleaned: &HashSet<u32>, others: u32) -> u32 {
        let mut stay = 1;
        let mut bytes = 0;
        for (slot, _, held) in self.with_chunks().filter(|(_, _, u)| u.chunk_count > 0) {
            match cleaned.contains(&slot) {
                true => bytes += held.bytes,
                false => stay += 1,
            }
        }
        let packed = if bytes == 0 { 0 } else { self.packed(bytes) + 1 };
        stay + packed as u32 + others
    }

    /// Segments with live chunks from slot `below` on, `cleaned` aside.
    pub fn above(&self, below: u32, cleaned: &HashSet<u32>) -> Vec<u32> {
        let high = self.with_chunks().filter(|(slot, _, u)| *slot >= below && u.chunk_count > 0);
        high.map(|(slot, _, _)| slot).filter(|slot| !cleaned.contains(slot)).collect()
    }
}
