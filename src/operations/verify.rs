//! Verify: quick, scrub, full (`format-spec/container.md`, Verification). It promises to read each
//! segment once however many snapshots share it, to tell what is lost from what parity mends, and
//! to name every snapshot and file that a loss touches.

use super::losses::{self, Suspects};
use crate::chunk_store::{ChunkStore, SegmentReport};
use crate::container::header::Header;
use crate::container::root::Location;
use crate::container::scrub::{self, LiveSegments};
use crate::container::segment::Health;
use crate::error::{Kind, Result};
use crate::ids::ChunkId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Level};
use crate::storage::Storage;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use super::losses::Affected;

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The object: a header copy, a segment, a chunk, an index run.
    pub object: String,
    /// What is wrong.
    pub reason: String,
    /// Whether parity or a second copy makes good for it.
    pub is_mendable: bool,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Generation that was looked at.
    pub generation: u64,
    /// Segments that were read whole.
    pub segments: u64,
    /// Bytes of those.
    pub read_bytes: u64,
    /// Chunk copies that were opened and named again.
    pub chunks: u64,
    /// Snapshots whose manifests were read.
    pub snapshots: u64,
    /// What is damaged.
    pub damaged: Vec<Damage>,
    /// What that touches.
    pub affected: Vec<Affected>,
    /// Slots of segments that were read and are not wholly as they were written.
    pub unproven: Vec<u32>,
}

impl VerifyReport {
    fn add(&mut self, object: impl Into<String>, reason: impl Into<String>, is_mendable: bool) {
        self.damaged.push(Damage { object: object.into(), reason: reason.into(), is_mendable });
    }

    /// Whether something is beyond mending.
    pub fn has_losses(&self) -> bool {
        !self.affected.is_empty() || self.damaged.iter().any(|d| !d.is_mendable)
    }
}

/// Scrub: every live sector against its checksum. Needs no key, so it can run where none must be.
pub fn scrub(
    storage: &dyn Storage,
    name: &str,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<VerifyReport> {
    let header = Header::read(storage).map_err(|e| e.at(name))?;
    let mut report = VerifyReport::default();
    note_header(storage, &header, &mut report);
    let (live, _pin) = LiveSegments::pinned(storage, &header, name)?;
    report.generation = live.generation;
    let size = header.geometry.segment_bytes as u64;
    progress.expect(live.hashes.len() as u64, live.hashes.len() as u64 * size);
    let slots: Vec<_> = live.hashes.into_iter().collect();
    let check = |buffer: &mut Vec<u8>, (slot, hash): &(u32, _)| {
        progress.check()?;
        let health = scrub::check(storage, &header, *slot, *hash, buffer);
        progress.advance(1, size);
        Ok((*slot, health))
    };
    let found: Vec<Result<(u32, Health)>> =
        pool.install(|| slots.par_iter().with_max_len(4).map_init(Vec::new, check).collect());
    for result in found {
        let (slot, health) = result?;
        report.segments += 1;
        report.read_bytes += size;
        note_health(slot, &health, &mut report);
    }
    Ok(report)
}

fn note_header(storage: &dyn Storage, header: &Header, report: &mut VerifyReport) {
    for rotten in &header.rotten {
        report.add(rotten.clone(), "is not as it was written", true);
    }
    let (_, rotten) = header.superblocks(storage);
    if rotten > 0 {
        report.add("superblock", format!("{rotten} of 4 copies are not as they were written"), rotten < 4);
    }
}

fn note_health(slot: u32, health: &Health, report: &mut VerifyReport) {
    let object = format!("segment in slot {slot}");
    match health {
        Health::Whole => {}
        Health::Healed(sectors) => {
            report.add(object, format!("{sectors} bad sectors, which parity mends"), true)
        }
        Health::Dead(Some(sectors)) => {
            report.add(object, format!("{sectors} bad sectors, more than parity can mend"), false);
        }
        Health::Dead(None) => report.add(object, "both checksum tables are damaged", false),
    }
}

/// Quick or full verification of an open container.
pub fn verify(
    store: &ChunkStore,
    level: Level,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<VerifyReport> {
    let slots = match level {
        Level::Full => store.live_slots(),
        Level::Quick | Level::Scrub => Vec::new(),
    };
    verify_slots(store, &slots, pool, progress)
}

/// Quick verification, and every piece of data in the segments in `slots`.
pub fn verify_slots(
    store: &ChunkStore,
    slots: &[u32],
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<VerifyReport> {
    let mut report =
        VerifyReport { generation: store.container().state().root.generation, ..Default::default() };
    note_header(&**store.container().base().storage(), store.container().header(), &mut report);
    if store.container().has_fallen_back() {
        report.add("newest commit", "cannot be opened; its predecessor was", false);
    }
    let suspects = segments(store, slots, pool, progress, &mut report)?;
    for (number, failure) in store.check_index() {
        report.add(format!("index run {number}"), failure.to_string(), true);
    }
    manifests(store, &suspects, progress, &mut report)?;
    for slot in store.container().healed_slots() {
        let object = format!("segment in slot {slot}");
        if !report.damaged.iter().any(|d| d.object == object) {
            report.add(object, "bad sectors, which parity mends", true);
        }
    }
    Ok(report)
}

fn segments(
    store: &ChunkStore,
    slots: &[u32],
    pool: &Arc<ThreadPool>,
    progress: &Progress,
    report: &mut VerifyReport,
) -> Result<Suspects> {
    let size = store.container().base().geometry.segment_bytes as u64;
    progress.expect(slots.len() as u64, slots.len() as u64 * size);
    let check = |slot: &u32| {
        progress.check()?;
        let checked = store.check_segment(*slot);
        progress.advance(1, size);
        Ok((*slot, checked))
    };
    let found: Vec<Result<(u32, Result<SegmentReport>)>> =
        pool.install(|| slots.par_iter().with_max_len(1).map(check).collect());
    let mut suspects = Suspects::default();
    let mut faults = HashMap::new();
    for result in found {
        let (slot, checked) = result?;
        report.segments += 1;
        report.read_bytes += size;
        match checked {
            Ok(segment) => note_segment(segment, &mut suspects, &mut faults, report),
            Err(error) => {
                report.unproven.push(slot);
                report.add(format!("segment in slot {slot}"), error.to_string(), false);
                suspects.unlisted.insert(slot);
            }
        }
    }
    for (id, (bad, reason)) in faults {
        let copies = store.locate(&id)?;
        let whole = copies
            .iter()
            .any(|c| !bad.contains(&c.location) && !suspects.unlisted.contains(&c.location.slot));
        report.add(format!("chunk {id}"), reason, whole);
        suspects.bad.extend(bad);
    }
    Ok(suspects)
}

fn note_segment(
    segment: SegmentReport,
    suspects: &mut Suspects,
    faults: &mut HashMap<ChunkId, (Vec<Location>, String)>,
    report: &mut VerifyReport,
) {
    note_health(segment.slot, &segment.health, report);
    report.chunks += segment.chunk_count;
    let is_whole = matches!(segment.health, Health::Whole) && segment.faults.is_empty();
    if !is_whole || segment.directory_lost || !segment.lost_objects.is_empty() {
        report.unproven.push(segment.slot);
    }
    if segment.directory_lost {
        report.add(format!("directory of the segment in slot {}", segment.slot), "cannot be opened", false);
        suspects.unlisted.insert(segment.slot);
    }
    for fault in segment.faults {
        let (places, _) = faults.entry(fault.id).or_insert_with(|| (Vec::new(), fault.reason));
        places.push(fault.location);
    }
    for object in segment.lost_objects {
        report.add(format!("{object} in slot {}", segment.slot), "one copy cannot be opened", true);
    }
}

/// Reads every manifest and holds what it names against what is there.
fn manifests(
    store: &ChunkStore,
    suspects: &Suspects,
    progress: &Progress,
    report: &mut VerifyReport,
) -> Result<()> {
    let catalog = match Catalog::read(store) {
        Ok(catalog) => catalog,
        Err(error) if error.kind() == Kind::Damaged => {
            report.add("catalog", error.to_string(), false);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let losses = losses::find(store, suspects, &catalog, progress)?;
    report.snapshots = catalog.snapshots.len() as u64;
    report.affected = losses.affected;
    let known: HashSet<String> = report.damaged.iter().map(|d| d.object.clone()).collect();
    for (id, lost) in losses.chunks {
        let object = format!("chunk {id}");
        if !known.contains(&object) {
            report.add(object, lost.reason, false);
        }
    }
    report.damaged.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(())
}
