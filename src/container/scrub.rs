//! Checking without a key: the slot map says which segments are live and what their checksum
//! tables hash to (`format-spec/container.md`, Slot map). It promises to tell a torn free slot from
//! damage, and to need nothing but the file.

use super::checksums::{ChecksumTable, TableHash};
use super::geometry::Geometry;
use super::header::Header;
use super::layout::{MAP_CLOSING, MAP_FREE, MAP_PART_ENTRIES};
use super::lock::{self, Pin};
use super::reading::read_segment_parts;
use super::root::Location;
use super::segment::{self, Health};
use super::slot_map::{self, MapEntry};
use super::{Base, State};
use crate::error::{Error, Result};
use crate::ids::ContainerId;
use crate::storage::Storage;
use std::collections::BTreeMap;

/// The live segments of the newest commit, as the clear parts of the file tell.
#[derive(Clone, Debug)]
pub struct LiveSegments {
    /// Generation of the commit.
    pub generation: u64,
    /// Slot and hash of its checksum table.
    pub hashes: BTreeMap<u32, TableHash>,
    /// Slots of the segments that closed the commit: its metadata is there.
    pub closing: Vec<u32>,
}

impl LiveSegments {
    /// What the newest commit holds live, pinned as any reader pins it; not pinned where there are no
    /// locks. `name` is the container's, for errors.
    pub fn pinned<'a>(
        storage: &'a dyn Storage,
        header: &Header,
        name: &str,
    ) -> Result<(LiveSegments, Option<Pin<&'a dyn Storage>>)> {
        let newest = || LiveSegments::read(storage, header).map_err(|e| e.at(name));
        lock::pinned(storage, name, newest, |live| live.generation)
    }

    /// Reads superblock and slot map without any key.
    pub fn read(storage: &dyn Storage, header: &Header) -> Result<LiveSegments> {
        let (slots, _) = header.superblocks(storage);
        let newest = slots.into_iter().flatten().map(|(block, _)| block).max_by_key(|b| b.generation);
        let block = newest.ok_or_else(|| {
            Error::damaged("no superblock survives")
                .hint("open the container with its key to find the last commit")
        })?;
        let (g, id) = (&header.geometry, &header.prologue.container);
        let entries = read_map(storage, g, id, block.generation, block.slot_count, &block.slot_map)?;
        let closing: BTreeMap<u32, TableHash> = block.closing.into_iter().collect();
        let mut hashes = BTreeMap::new();
        for (slot, entry) in entries.into_iter().enumerate().filter(|(_, e)| *e != MAP_FREE) {
            let slot = slot as u32;
            let hash = match entry == MAP_CLOSING {
                true => *closing
                    .get(&slot)
                    .ok_or_else(|| Error::damaged(format!("slot map: no hash for slot {slot}")))?,
                false => entry,
            };
            hashes.insert(slot, hash);
        }
        let closing = closing.into_keys().filter(|slot| hashes.contains_key(slot)).collect();
        Ok(LiveSegments { generation: block.generation, hashes, closing })
    }
}

fn read_map(
    storage: &dyn Storage,
    g: &Geometry,
    container: &ContainerId,
    generation: u64,
    slots: u32,
    parts: &[[Location; 2]],
) -> Result<Vec<MapEntry>> {
    let slots = slots as usize;
    if parts.len() != slot_map::part_count(slots) {
        return Err(Error::damaged("slot map: wrong number of parts"));
    }
    let mut entries = Vec::new();
    for (index, copies) in parts.iter().enumerate() {
        let first = index * MAP_PART_ENTRIES;
        let length = slot_map::part_bytes(first, slots);
        let part = copies.iter().find_map(|location| {
            let bytes = read_clear(storage, g, container, location, length, |bytes| {
                slot_map::decode(bytes, container, generation, first, slots).is_some()
            })?;
            slot_map::decode(&bytes, container, generation, first, slots)
        });
        entries.extend(part.ok_or_else(|| Error::damaged("slot map: both copies are damaged"))?);
    }
    Ok(entries)
}

/// Reads clear bytes; if they are not `whole`, once more from the mended segment.
fn read_clear(
    storage: &dyn Storage,
    g: &Geometry,
    container: &ContainerId,
    location: &Location,
    length: usize,
    whole: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let range = segment::object_range(g, location.offset, length as u32)?;
    let mut bytes = vec![0; length];
    let offset = g.slot_offset(location.slot);
    if storage.read_at(offset + range.start as u64, &mut bytes).is_ok() && whole(&bytes) {
        return Some(bytes);
    }
    let mut all = vec![0; g.segment_bytes];
    read_segment_parts(storage, g, location.slot, &mut all);
    segment::mend(g, container, None, None, &mut all);
    Some(all[range].to_vec())
}

/// Table hashes of the segments that `state` reaches, as slot map and superblock say.
pub fn known_hashes(base: &Base, state: &State) -> BTreeMap<u32, TableHash> {
    let root = &state.root;
    let map = read_map(
        &*base.storage,
        &base.geometry,
        &base.container,
        root.generation,
        root.slot_count,
        &root.slot_map,
    );
    let entries = map.unwrap_or_default().into_iter().enumerate();
    let known = entries.filter(|(_, entry)| *entry != MAP_CLOSING && *entry != MAP_FREE);
    known.map(|(slot, entry)| (slot as u32, entry)).chain(state.closing.iter().copied()).collect()
}

/// Hash of the checksum table of the segment `id` in `slot`: from `known`, else from the segment.
pub fn hash_of(
    base: &Base,
    known: &BTreeMap<u32, TableHash>,
    slot: u32,
    id: crate::ids::SegmentId,
) -> Result<TableHash> {
    known.get(&slot).copied().map_or_else(|| Ok(table_of(base, slot, id)?.hash), Ok)
}

fn table_of(base: &Base, slot: u32, id: crate::ids::SegmentId) -> Result<ChecksumTable> {
    let g = &base.geometry;
    for range in [g.first_table(), g.second_table()] {
        let mut copy = vec![0; range.len()];
        if base.storage.read_at(g.slot_offset(slot) + range.start as u64, &mut copy).is_ok()
            && let Some(table) = ChecksumTable::decode(g, &base.container, &id, &copy)
        {
            return Ok(table);
        }
    }
    Err(Error::damaged(format!("{}: both checksum tables of slot {slot} are damaged", base.name()))
        .hint("coffer repair writes the segment anew from what survives"))
}

/// Checks one live segment without a key.
pub fn check(
    storage: &dyn Storage,
    header: &Header,
    slot: u32,
    hash: TableHash,
    buffer: &mut Vec<u8>,
) -> Health {
    let g = &header.geometry;
    buffer.resize(g.segment_bytes, 0);
    read_segment_parts(storage, g, slot, buffer);
    segment::mend(g, &header.prologue.container, None, Some(hash), buffer)
}
