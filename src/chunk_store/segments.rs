//! Looking at whole segments: what their directories list and whether it opens. It promises to read
//! each segment once, to heal in memory what parity can, and to name every chunk that is lost.

use super::ChunkStore;
use super::index::IndexEntry;
use crate::container::checksums::TableHash;
use crate::container::layout::SegmentHeader;
use crate::container::root::{Location, SegmentRecord};
use crate::container::scrub;
use crate::container::segment::{self, DirectoryEntry, Health, Trailer};
use crate::crypto::{ObjectKind, Place};
use crate::error::Result;
use crate::ids::{ChunkId, SegmentId};
use crate::limits::MAX_CHUNK_BYTES;
use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

/// A chunk copy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFault {
    /// The chunk.
    pub id: ChunkId,
    /// Where the copy lies.
    pub location: Location,
    /// What is wrong with it.
    pub reason: String,
}

/// What checking one segment found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The slot.
    pub slot: u32,
    /// State of its sectors.
    pub health: Health,
    /// Chunk copies that were opened, unpacked and named again.
    pub chunk_count: u64,
    /// Plaintext bytes of those.
    pub plain_bytes: u64,
    /// Metadata objects that were opened.
    pub object_count: u64,
    /// Chunk copies that are lost.
    pub faults: Vec<ChunkFault>,
    /// Whether the directory is lost, so that its chunks cannot be named from here.
    pub directory_lost: bool,
    /// Metadata objects that are lost, by kind.
    pub lost_objects: Vec<String>,
}

pub(super) fn is_chunk(kind: u8) -> bool {
    kind >= ObjectKind::Database as u8 && kind <= ObjectKind::List as u8
}

impl ChunkStore {
    /// Slots of the live segments, slot 0 aside.
    pub fn live_slots(&self) -> Vec<u32> {
        let table = &self.container().state().table;
        let live = table.iter().enumerate().filter(|(_, r)| r.live && r.id != SegmentId::ZERO);
        live.map(|(slot, _)| slot as u32).collect()
    }

    /// Slots and ids of the live segments, slot 0 aside.
    pub fn live_segments(&self) -> Vec<(u32, SegmentId)> {
        self.live_slots().into_iter().map(|slot| (slot, self.record(slot).id)).collect()
    }

    fn record(&self, slot: u32) -> &SegmentRecord {
        &self.container().state().table[slot as usize]
    }

    /// Hashes that the live segments' checksum tables must have, as far as that is known.
    fn table_hashes(&self) -> &BTreeMap<u32, TableHash> {
        let read = || scrub::known_hashes(self.container().base(), self.container().state());
        self.table_hashes.get_or_init(read)
    }

    /// Header of the live segment in `slot`, as the segment table knows it.
    pub(super) fn header_of(&self, slot: u32) -> SegmentHeader {
        let record = self.record(slot);
        SegmentHeader { epoch: record.epoch, container: self.container().base().container, id: record.id }
    }

    /// Reads and mends a live segment, then opens, unpacks and re-names all it holds.
    pub fn check_segment(&self, slot: u32) -> Result<SegmentReport> {
        let idle = self.segments.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = idle.unwrap_or_else(|| vec![0; self.container().base().geometry.segment_bytes]);
        let report = self.check_segment_in(slot, &mut bytes);
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        report
    }

    fn check_segment_in(&self, slot: u32, bytes: &mut [u8]) -> Result<SegmentReport> {
        let header = self.header_of(slot);
        let expected = self.table_hashes().get(&slot).copied();
        let health = self.container().base().read_mended_into(slot, Some(header.id), expected, bytes)?;
        let mut report = SegmentReport {
            slot,
            health,
            chunk_count: 0,
            plain_bytes: 0,
            object_count: 0,
            faults: Vec::new(),
            directory_lost: false,
            lost_objects: Vec::new(),
        };
        let base = self.container().base();
        match segment::open_directory(&base.geometry, base.keyring(), &header, bytes) {
            Err(_) => report.directory_lost = true,
            // Whole, but of a write that this state does not know: nothing in it counts.
            Ok((trailer, _)) if self.is_another_write(slot, &trailer, bytes, &report.health) => {
                report.directory_lost = true;
                report.health = Health::Dead(None);
            }
            Ok((_, entries)) => {
                entries.iter().for_each(|e| self.check_object(&header, e, bytes, &mut report));
            }
        }
        Ok(report)
    }

    /// Whether a segment of the right id comes from an abandoned commit, or from a copy of the file
    /// that was written on: another directory than the table names, or checksum tables that agree with
    /// themselves but not with the slot map.
    fn is_another_write(&self, slot: u32, trailer: &Trailer, bytes: &[u8], health: &Health) -> bool {
        let record = self.record(slot);
        let base = self.container().base();
        let consistent = || {
            let mut trial = bytes.to_vec();
            let alone = segment::mend(&base.geometry, &base.container, Some(record.id), None, &mut trial);
            !matches!(alone, Health::Dead(_))
        };
        !record.names_directory(trailer.directory_tag(bytes))
            || (*health == Health::Dead(None) && consistent())
    }

    fn check_object(
        &self,
        header: &SegmentHeader,
        entry: &DirectoryEntry,
        bytes: &mut [u8],
        report: &mut SegmentReport,
    ) {
        let Ok(kind) = ObjectKind::try_from(entry.kind) else { return };
        let result = self.open_entry(header, kind, entry, bytes);
        let location = Location { slot: report.slot, offset: entry.offset };
        match (result, is_chunk(entry.kind)) {
            (Ok(plain_bytes), true) => {
                report.chunk_count += 1;
                report.plain_bytes += plain_bytes as u64;
            }
            (Ok(_), false) => report.object_count += 1,
            (Err(error), true) => {
                let (id, reason) = (ChunkId(entry.content), error.to_string());
                report.faults.push(ChunkFault { id, location, reason });
            }
            (Err(_), false) => report.lost_objects.push(kind.name().into()),
        }
    }

    /// Opens one object of a segment's bytes, in place; for a chunk, unpacks it and computes its id again.
    fn open_entry(
        &self,
        header: &SegmentHeader,
        kind: ObjectKind,
        entry: &DirectoryEntry,
        bytes: &mut [u8],
    ) -> Result<usize> {
        let base = self.container().base();
        let damaged = || crate::error::Error::damaged("bytes differ from what the directory says");
        let range = segment::object_range(&base.geometry, entry.offset, entry.length).ok_or_else(damaged)?;
        let place = Place { kind, epoch: header.epoch, segment: header.id, offset: entry.offset };
        let payload = base.keyring().open(&place, &mut bytes[range])?;
        if !is_chunk(entry.kind) {
            let named = match kind {
                ObjectKind::CommitRoot => base.keyring().root_hash(payload).0,
                _ => base.keyring().content_hash(kind, payload),
            };
            return if named == entry.content { Ok(payload.len()) } else { Err(damaged()) };
        }
        let named = |plain: &[u8]| (base.keyring().chunk_id(kind, plain), plain.len());
        let (id, length) = self.packers.look_at(payload, MAX_CHUNK_BYTES, named)?;
        if id.0 == entry.content { Ok(length) } else { Err(damaged()) }
    }

    /// Index entries of all live segments: from their directories, and for a segment whose directory is
    /// lost from what can still be read of the index, since its chunks may be whole.
    pub(super) fn entries_of_directories(&self) -> Vec<IndexEntry> {
        let mut out = Vec::new();
        let mut unlisted = HashSet::new();
        for slot in self.live_slots() {
            match self.listed_in(slot) {
                Ok(entries) => out.extend(entries),
                Err(_) => {
                    unlisted.insert(slot);
                }
            }
        }
        if !unlisted.is_empty() {
            out.extend(self.index.entries_in(self, &unlisted));
        }
        out
    }

    /// Index entries of the chunks that the directory of the segment in `slot` lists.
    fn listed_in(&self, slot: u32) -> Result<Vec<IndexEntry>> {
        let header = self.header_of(slot);
        let base = self.container().base();
        let (bytes, _) = base.read_mended(slot, Some(header.id))?;
        let (_, entries) = segment::open_directory(&base.geometry, base.keyring(), &header, &bytes)?;
        let chunks = entries.iter().filter(|e| is_chunk(e.kind));
        let entry = |e: &DirectoryEntry| IndexEntry {
            id: ChunkId(e.content),
            location: Location { slot, offset: e.offset },
            length: e.length,
            segment: [header.id.0[0], header.id.0[1], header.id.0[2], header.id.0[3]],
        };
        Ok(chunks.map(entry).collect())
    }
}
