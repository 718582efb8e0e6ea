//! The slot map: which slots are live and the hash of each one's checksum table, in clear, so
//! that a scrub without a key can tell damage from a torn free slot (`format-spec/container.md`,
//! Slot map). Each part proves itself by a check.

use super::layout::{
    CHECK_BYTES, MAP_ENTRY_BYTES, MAP_HEAD_BYTES, MAP_PART_ENTRIES, SLOT_MAP_MAGIC, array, put, u32_at,
    u64_at,
};
use crate::ids::ContainerId;

/// An entry: [`super::layout::MAP_FREE`], [`super::layout::MAP_CLOSING`] or a checksum-table hash.
pub type MapEntry = [u8; MAP_ENTRY_BYTES];

const CHECK_AT: usize = MAP_HEAD_BYTES - CHECK_BYTES;

/// Length of the part that begins at slot `first` of `slots`, in bytes.
pub fn part_bytes(first: usize, slots: usize) -> usize {
    MAP_HEAD_BYTES + slots.saturating_sub(first).min(MAP_PART_ENTRIES) * MAP_ENTRY_BYTES
}

/// Parts of a map of `slots` slots.
pub fn part_count(slots: usize) -> usize {
    slots.div_ceil(MAP_PART_ENTRIES)
}

fn check(part: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&part[..CHECK_AT]).update(&part[MAP_HEAD_BYTES..]);
    *hasher.finalize().as_bytes()
}

/// The parts of a map.
pub fn encode(container: &ContainerId, generation: u64, entries: &[MapEntry]) -> Vec<Vec<u8>> {
    let part = |(index, entries): (usize, &[MapEntry])| {
        let mut out = vec![0; MAP_HEAD_BYTES];
        put(&mut out, 0, &SLOT_MAP_MAGIC);
        put(&mut out, 8, &container.0);
        put(&mut out, 24, &generation.to_le_bytes());
        put(&mut out, 32, &((index * MAP_PART_ENTRIES) as u32).to_le_bytes());
        put(&mut out, 36, &(entries.len() as u32).to_le_bytes());
        entries.iter().for_each(|entry| out.extend_from_slice(entry));
        let check = check(&out);
        put(&mut out, CHECK_AT, &check);
        out
    };
    entries.chunks(MAP_PART_ENTRIES).enumerate().map(part).collect()
}

/// Reads one part, which may be anything, of the map of `slots` slots at `generation`.
pub fn decode(
    part: &[u8],
    container: &ContainerId,
    generation: u64,
    first: usize,
    slots: usize,
) -> Option<Vec<MapEntry>> {
    let whole = part.len() == part_bytes(first, slots)
        && part.starts_with(&SLOT_MAP_MAGIC)
        && array::<16>(part, 8) == container.0
        && u64_at(part, 24) == generation
        && u32_at(part, 32) as usize == first
        && check(part) == array::<CHECK_BYTES>(part, CHECK_AT);
    whole.then(|| part[MAP_HEAD_BYTES..].chunks_exact(MAP_ENTRY_BYTES).map(|e| array(e, 0)).collect())
}
