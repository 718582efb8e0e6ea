//! What lies in clear: prologue, key-table frame, superblocks, slot map, segment headers, checksum
//! tables (`format-spec/container.md`).

use super::{Section, hex, number, read, sector};
use crate::container::checksums::ChecksumTable;
use crate::container::header::Header;
use crate::container::layout::{
    CHECK_BYTES, CHECK_OFFSET, CHECKSUM_HASH, CLOSING_BYTES, HALF_BYTES, KEY_FRAME_CHECK, KEY_FRAME_LENGTH,
    KEY_FRAME_SEQUENCE, KEY_FRAME_TABLE, KEY_TABLE_BYTES, KEY_TABLE_OFFSET, MAP_PART_BYTES, MAX_CLOSING,
    MAX_MAP_PARTS, PROLOGUE_COMPATIBLE, PROLOGUE_CONTAINER, PROLOGUE_FAMILY, PROLOGUE_INCOMPATIBLE,
    PROLOGUE_OFFSET, PROLOGUE_PARITY, PROLOGUE_READ_COMPATIBLE, PROLOGUE_SEGMENT_LOG2, PROLOGUE_VERSION,
    Prologue, ROOT_POINTER_BYTES, SEGMENT_CONTAINER, SEGMENT_EPOCH, SEGMENT_ID, SEGMENT_VERSION,
    SUPERBLOCK_0_OFFSET, SUPERBLOCK_1_OFFSET, SUPERBLOCK_CLOSING, SUPERBLOCK_CLOSING_COUNT,
    SUPERBLOCK_CONTAINER, SUPERBLOCK_EPOCH, SUPERBLOCK_GENERATION, SUPERBLOCK_MAP, SUPERBLOCK_MAP_COUNT,
    SUPERBLOCK_POINTER, SUPERBLOCK_SLOTS, SegmentHeader,
};
use crate::container::scrub::LiveSegments;
use crate::crypto::{KeyTable, SEAL_OVERHEAD};
use crate::storage::Storage;

fn check(section: &mut Section, sector: &[u8]) {
    let holds = blake3::hash(&sector[..CHECK_OFFSET]).as_bytes()[..] == sector[CHECK_OFFSET..];
    section.add(CHECK_OFFSET, CHECK_BYTES, "check", if holds { "holds" } else { "fails" });
}

pub(super) fn prologue(storage: &dyn Storage, name: &str, base: u64) -> Section {
    let at = base + PROLOGUE_OFFSET;
    let s = sector(storage, at);
    let mut section = Section::new(format!("prologue, {name}"), "container.md, Prologue", at);
    section.hex(&s, 0, 8, "magic");
    section.number(&s, PROLOGUE_VERSION, 4, "format version");
    section.number(&s, PROLOGUE_SEGMENT_LOG2, 1, "binary logarithm of the segment size");
    section.number(&s, PROLOGUE_PARITY, 2, "parity sectors in a segment");
    section.hex(&s, PROLOGUE_CONTAINER, 16, "container id");
    section.hex(&s, PROLOGUE_FAMILY, 16, "family id");
    section.hex(&s, PROLOGUE_INCOMPATIBLE, 8, "incompatible feature bits");
    section.hex(&s, PROLOGUE_READ_COMPATIBLE, 8, "read-compatible feature bits");
    section.hex(&s, PROLOGUE_COMPATIBLE, 8, "compatible feature bits");
    check(&mut section, &s);
    let verdict = Prologue::decode(&s).map_or_else(|e| e.to_string(), |_| "whole".into());
    section.add(0, s.len(), "verdict", verdict);
    section
}

pub(super) fn key_frame(storage: &dyn Storage, name: &str, base: u64) -> Section {
    let at = base + KEY_TABLE_OFFSET;
    let (frame, _) = read(storage, at, KEY_TABLE_BYTES);
    let mut section = Section::new(format!("key-table frame, {name}"), "container.md, Key-table frame", at);
    section.hex(&frame, 0, 8, "magic");
    section.number(&frame, KEY_FRAME_SEQUENCE, 8, "sequence");
    section.number(&frame, KEY_FRAME_LENGTH, 4, "length of the table");
    let length = number(&frame[KEY_FRAME_LENGTH..KEY_FRAME_LENGTH + 4]) as usize;
    let table = frame.get(KEY_FRAME_TABLE..KEY_FRAME_TABLE.saturating_add(length));
    let holds = table.is_some_and(|table| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&frame[..KEY_FRAME_CHECK]).update(table);
        hasher.finalize().as_bytes()[..] == frame[KEY_FRAME_CHECK..KEY_FRAME_TABLE]
    });
    section.add(KEY_FRAME_CHECK, CHECK_BYTES, "check", if holds { "holds" } else { "fails" });
    if let Some(table) = table.filter(|_| holds) {
        match KeyTable::decode(table) {
            Ok(keys) => keys.slots().iter().for_each(|slot| {
                let value = format!("{:?} \"{}\"", slot.kind(), slot.label().escape_default());
                section.add(KEY_FRAME_TABLE, length, format!("key slot {}", slot.number()), value);
            }),
            Err(error) => section.add(KEY_FRAME_TABLE, length, "key table", error.to_string()),
        }
    }
    section
}

pub(super) fn superblocks(storage: &dyn Storage) -> Vec<Section> {
    let mut sections = Vec::new();
    for (slot, offset) in [SUPERBLOCK_0_OFFSET, SUPERBLOCK_1_OFFSET].into_iter().enumerate() {
        for (copy, base) in [("first", 0), ("second", HALF_BYTES)] {
            sections.push(superblock(storage, base + offset, format!("superblock {slot}, {copy} copy")));
        }
    }
    sections
}

fn superblock(storage: &dyn Storage, at: u64, title: String) -> Section {
    let s = sector(storage, at);
    let mut section = Section::new(title, "container.md, Superblock", at);
    section.hex(&s, 0, 8, "magic");
    section.hex(&s, SUPERBLOCK_CONTAINER, 16, "container id");
    section.number(&s, SUPERBLOCK_GENERATION, 8, "generation");
    section.number(&s, SUPERBLOCK_EPOCH, 4, "epoch");
    section.number(&s, SUPERBLOCK_SLOTS, 4, "slots");
    section.number(&s, SUPERBLOCK_MAP_COUNT, 4, "slot-map parts");
    section.number(&s, SUPERBLOCK_CLOSING_COUNT, 4, "closing segments");
    section.add(SUPERBLOCK_POINTER, ROOT_POINTER_BYTES + SEAL_OVERHEAD, "root pointer", "sealed");
    let count = |at: usize, most: usize| (number(&s[at..at + 4]) as usize).min(most);
    for part in 0..count(SUPERBLOCK_MAP_COUNT, MAX_MAP_PARTS) {
        let at = SUPERBLOCK_MAP + part * MAP_PART_BYTES;
        let value = format!("{} and {}", location(&s[at..]), location(&s[at + 8..]));
        section.add(at, MAP_PART_BYTES, format!("slot-map part {part}"), value);
    }
    for closing in 0..count(SUPERBLOCK_CLOSING_COUNT, MAX_CLOSING) {
        let at = SUPERBLOCK_CLOSING + closing * CLOSING_BYTES;
        let value = format!("slot {}, table hash {}", number(&s[at..at + 4]), hex(&s[at + 4..at + 20]));
        section.add(at, CLOSING_BYTES, format!("closing segment {closing}"), value);
    }
    check(&mut section, &s);
    section
}

fn location(bytes: &[u8]) -> String {
    format!("slot {} byte {}", number(&bytes[..4]), number(&bytes[4..8]))
}

pub(super) fn slot_map(storage: &dyn Storage, header: &Header, most: usize) -> Section {
    let mut section = Section::new("slot map", "container.md, Slot map", 0);
    match LiveSegments::read(storage, header) {
        Err(error) => section.add(0, 0, "verdict", error.to_string()),
        Ok(live) => {
            section.add(24, 8, "generation", live.generation.to_string());
            section.add(0, 0, "live slots", live.hashes.len().to_string());
            for (slot, hash) in live.hashes.iter().take(most) {
                section.add(0, 16, format!("slot {slot}"), hex(hash));
            }
            section.left_out(live.hashes.len(), most);
        }
    }
    section
}

/// The headers of all slots, a line each.
pub(super) fn segments(storage: &dyn Storage, header: &Header, most: usize) -> Section {
    let g = &header.geometry;
    let mut section = Section::new("segment headers", "container.md, Segment header", g.slot_offset(1));
    let slots = storage.len().map_or(0, |bytes| g.slots_in(bytes)) as usize;
    for slot in (1..slots).take(most) {
        let s = sector(storage, g.slot_offset(slot as u32));
        let value = match SegmentHeader::decode(&s) {
            Some(h) if h.container == header.prologue.container => format!("id {}, epoch {}", h.id, h.epoch),
            Some(h) => format!("of container {}", h.container),
            None if s.iter().all(|&b| b == 0) => "never written".into(),
            None => "no header".into(),
        };
        let at = (slot - 1) * g.segment_bytes;
        section.add(at, g.segment_bytes, format!("slot {slot}"), value);
    }
    section.left_out(slots.saturating_sub(1), most);
    section
}

pub(super) fn segment_header(storage: &dyn Storage, header: &Header, slot: u32) -> Section {
    let at = header.geometry.slot_offset(slot);
    let s = sector(storage, at);
    let mut section =
        Section::new(format!("segment header of slot {slot}"), "container.md, Segment header", at);
    section.hex(&s, 0, 8, "magic");
    section.number(&s, SEGMENT_VERSION, 4, "format version");
    section.number(&s, SEGMENT_EPOCH, 4, "epoch");
    section.hex(&s, SEGMENT_CONTAINER, 16, "container id");
    section.hex(&s, SEGMENT_ID, 16, "segment id");
    let verdict = if SegmentHeader::decode(&s).is_some() { "whole" } else { "no header" };
    section.add(0, s.len(), "verdict", verdict);
    section
}

/// Both checksum tables of a segment and the sectors they call bad.
pub(super) fn checksum_tables(storage: &dyn Storage, header: &Header, slot: u32) -> Vec<Section> {
    let g = &header.geometry;
    let (bytes, _) = read(storage, g.slot_offset(slot), g.segment_bytes);
    let id = SegmentHeader::decode(&bytes).map(|h| h.id);
    let one = |(name, range): (&str, std::ops::Range<usize>)| {
        let at = g.slot_offset(slot) + range.start as u64;
        let copy = &bytes[range];
        let mut section =
            Section::new(format!("checksum table, {name} copy"), "container.md, Checksum tables", at);
        section.hex(copy, 0, 8, "magic");
        section.hex(copy, CHECKSUM_HASH, 16, "table hash");
        let table = id.and_then(|id| ChecksumTable::decode(g, &header.prologue.container, &id, copy));
        let verdict = match table.map(|table| table.bad_sectors(g, &bytes)) {
            None => "does not prove itself".to_owned(),
            Some(bad) if bad.is_empty() => "whole, and so are all sectors".to_owned(),
            Some(bad) => format!("whole; {} bad sectors, the first at position {}", bad.len(), bad[0]),
        };
        section.add(0, copy.len(), "verdict", verdict);
        section
    };
    [("first", g.first_table()), ("second", g.second_table())].map(one).into()
}
