//! Every magic, offset and version of the file, in one place. It promises that the fixed-size
//! structures (prologue, superblock, key-table frame, segment header, checksum-table head) are
//! encoded exactly as `format-spec/container.md` says; `tests/spec` compares the two.

use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, FamilyId, SegmentId};
use crate::limits::{MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, SECTOR_BYTES};

/// The format version this program reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// Of a segment's sectors, at most one in so many is parity: then the longest chunk still fits in the
/// smallest segment, and the code always works in its high-rate form.
pub const PARITY_SHARE: usize = 8;

/// First bytes of a container.
pub const PROLOGUE_MAGIC: [u8; 8] = *b"\x89COFFER\n";
/// First bytes of a superblock.
pub const SUPERBLOCK_MAGIC: [u8; 8] = *b"COFFERSB";
/// First bytes of a framed key table.
pub const KEY_TABLE_MAGIC: [u8; 8] = *b"COFFERKT";
/// First bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"COFFERSG";
/// First bytes of a checksum table.
pub const CHECKSUM_MAGIC: [u8; 8] = *b"COFFERCT";
/// First bytes of a part of the slot map.
pub const SLOT_MAP_MAGIC: [u8; 8] = *b"COFFERSM";

/// Length of one half of the header zone in bytes; the second half repeats the first.
pub const HALF_BYTES: u64 = 128 << 10;
/// Length of the header zone in bytes; slot 0 begins here.
pub const HEADER_BYTES: u64 = 2 * HALF_BYTES;
/// Offset of the prologue in a half.
pub const PROLOGUE_OFFSET: u64 = 0;
/// Offset of superblock 0 in a half.
pub const SUPERBLOCK_0_OFFSET: u64 = PROLOGUE_OFFSET + SECTOR_BYTES as u64;
/// Offset of superblock 1 in a half.
pub const SUPERBLOCK_1_OFFSET: u64 = SUPERBLOCK_0_OFFSET + SECTOR_BYTES as u64;
/// Offset of the framed key table in a half.
pub const KEY_TABLE_OFFSET: u64 = SUPERBLOCK_1_OFFSET + 2 * SECTOR_BYTES as u64;
/// Length of the framed key table in bytes, padding included.
pub const KEY_TABLE_BYTES: usize = 64 << 10;
const _: () = assert!(KEY_TABLE_OFFSET + KEY_TABLE_BYTES as u64 <= HALF_BYTES);
const _: () = assert!(HEADER_BYTES.is_multiple_of(SECTOR_BYTES as u64));

/// Length of the check at the end of prologue and superblock in bytes.
pub const CHECK_BYTES: usize = 32;
/// Offset of that check.
pub const CHECK_OFFSET: usize = SECTOR_BYTES - CHECK_BYTES;

// Prologue: offsets, each the previous plus its size.
/// Prologue: format version, u32.
pub const PROLOGUE_VERSION: usize = 8;
/// Prologue: binary logarithm of the segment size, u8.
pub const PROLOGUE_SEGMENT_LOG2: usize = PROLOGUE_VERSION + 4;
/// Prologue: parity sectors in a segment, u16, after one zero byte.
pub const PROLOGUE_PARITY: usize = PROLOGUE_SEGMENT_LOG2 + 2;
/// Prologue: container id, 16 bytes.
pub const PROLOGUE_CONTAINER: usize = PROLOGUE_PARITY + 2;
/// Prologue: family id, 16 bytes.
pub const PROLOGUE_FAMILY: usize = PROLOGUE_CONTAINER + 16;
/// Prologue: incompatible feature bits, u64.
pub const PROLOGUE_INCOMPATIBLE: usize = PROLOGUE_FAMILY + 16;
/// Prologue: read-compatible feature bits, u64.
pub const PROLOGUE_READ_COMPATIBLE: usize = PROLOGUE_INCOMPATIBLE + 8;
/// Prologue: compatible feature bits, u64.
pub const PROLOGUE_COMPATIBLE: usize = PROLOGUE_READ_COMPATIBLE + 8;
/// Prologue: first reserved byte; reserved to the check, zero.
pub const PROLOGUE_RESERVED: usize = PROLOGUE_COMPATIBLE + 8;
const _: () = assert!(PROLOGUE_RESERVED == 72);

// Superblock: offsets.
/// Superblock: container id, 16 bytes.
pub const SUPERBLOCK_CONTAINER: usize = 8;
/// Superblock: generation, u64.
pub const SUPERBLOCK_GENERATION: usize = SUPERBLOCK_CONTAINER + 16;
/// Superblock: epoch of the sealed root pointer, u32.
pub const SUPERBLOCK_EPOCH: usize = SUPERBLOCK_GENERATION + 8;
/// Superblock: number of slots, u32.
pub const SUPERBLOCK_SLOTS: usize = SUPERBLOCK_EPOCH + 4;
/// Superblock: number of slot-map parts, u32.
pub const SUPERBLOCK_MAP_COUNT: usize = SUPERBLOCK_SLOTS + 4;
/// Superblock: number of closing segments, u32.
pub const SUPERBLOCK_CLOSING_COUNT: usize = SUPERBLOCK_MAP_COUNT + 4;
/// Superblock: the sealed root pointer.
pub const SUPERBLOCK_POINTER: usize = SUPERBLOCK_CLOSING_COUNT + 4;
/// Plaintext length of the root pointer: two locations, a length, root hash, hash of the clear part.
pub const ROOT_POINTER_BYTES: usize = 8 + 8 + 4 + 32 + 32;
/// Superblock: slot-map parts, 16 bytes each.
pub const SUPERBLOCK_MAP: usize = SUPERBLOCK_POINTER + 12 + ROOT_POINTER_BYTES + 16;
/// Most parts of a slot map.
pub const MAX_MAP_PARTS: usize = 96;
/// Length of one reference to a slot-map part in bytes: two locations.
pub const MAP_PART_BYTES: usize = 16;
/// Superblock: closing segments, 20 bytes each: slot u32, checksum-table hash.
pub const SUPERBLOCK_CLOSING: usize = SUPERBLOCK_MAP + MAX_MAP_PARTS * MAP_PART_BYTES;
/// Most closing segments.
pub const MAX_CLOSING: usize = 32;
/// Length of one closing record in bytes.
pub const CLOSING_BYTES: usize = 20;
/// Superblock: first reserved byte; reserved to the check, zero.
pub const SUPERBLOCK_RESERVED: usize = SUPERBLOCK_CLOSING + MAX_CLOSING * CLOSING_BYTES;
const _: () = assert!(SUPERBLOCK_POINTER == 48 && SUPERBLOCK_MAP == 160);
const _: () = assert!(SUPERBLOCK_RESERVED <= CHECK_OFFSET);

// Key-table frame: offsets.
/// Key-table frame: sequence of the table, u64.
pub const KEY_FRAME_SEQUENCE: usize = 8;
/// Key-table frame: length of the table in bytes, u32, then four zero bytes.
pub const KEY_FRAME_LENGTH: usize = KEY_FRAME_SEQUENCE + 8;
/// Key-table frame: check over everything else in the frame up to the table's end.
pub const KEY_FRAME_CHECK: usize = KEY_FRAME_LENGTH + 8;
/// Key-table frame: the table.
pub const KEY_FRAME_TABLE: usize = KEY_FRAME_CHECK + CHECK_BYTES;
/// Longest key table in bytes.
pub const MAX_KEY_TABLE_BYTES: usize = KEY_TABLE_BYTES - KEY_FRAME_TABLE;

// Segment header sector: offsets.
/// Segment header: format version, u32.
pub const SEGMENT_VERSION: usize = 8;
/// Segment header: epoch, u32.
pub const SEGMENT_EPOCH: usize = SEGMENT_VERSION + 4;
/// Segment header: container id, 16 bytes.
pub const SEGMENT_CONTAINER: usize = SEGMENT_EPOCH + 4;
/// Segment header: segment id, 16 bytes.
pub const SEGMENT_ID: usize = SEGMENT_CONTAINER + 16;
/// Segment header: first reserved byte; reserved to the sector's end, zero.
pub const SEGMENT_RESERVED: usize = SEGMENT_ID + 16;

// Checksum table: offsets.
/// Checksum table: hash of container id, segment id and entries, 16 bytes; after 8 zero bytes.
pub const CHECKSUM_HASH: usize = 16;
/// Checksum table: the entries, 8 bytes each.
pub const CHECKSUM_ENTRIES: usize = CHECKSUM_HASH + 16;
/// Length of one checksum in bytes.
pub const CHECKSUM_BYTES: usize = 8;

/// Plaintext length of a segment's trailer in bytes.
pub const TRAILER_BYTES: usize = 24;

/// Entries in one part of the slot map; the last part may hold fewer.
pub const MAP_PART_ENTRIES: usize = 15_000;
/// Length of one slot-map entry in bytes.
pub const MAP_ENTRY_BYTES: usize = 16;
/// Head of a slot-map part: magic, container id, generation u64, first slot u32, count u32, check.
pub const MAP_HEAD_BYTES: usize = 8 + 16 + 8 + 4 + 4 + CHECK_BYTES;
/// Slot-map entry of a free slot.
pub const MAP_FREE: [u8; MAP_ENTRY_BYTES] = [0; MAP_ENTRY_BYTES];
/// Slot-map entry of a live slot whose hash stands in the superblock.
pub const MAP_CLOSING: [u8; MAP_ENTRY_BYTES] = [0xff; MAP_ENTRY_BYTES];

/// Longest payload of one part of a stream in bytes.
pub const PART_BYTES: usize = 240 << 10;

/// The bytes at `at`, as an array.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The little-endian u32 at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The little-endian u64 at `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// Writes `value` at `at`.
pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Puts the check over everything before it into the last bytes of `sector`.
pub(super) fn put_check(sector: &mut [u8; SECTOR_BYTES]) {
    let check = *blake3::hash(&sector[..CHECK_OFFSET]).as_bytes();
    put(sector, CHECK_OFFSET, &check);
}

/// Whether the check of `sector` holds.
pub(super) fn check_holds(sector: &[u8; SECTOR_BYTES]) -> bool {
    blake3::hash(&sector[..CHECK_OFFSET]) == array::<CHECK_BYTES>(sector, CHECK_OFFSET)
}

/// The immutable first sector of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prologue {
    /// Size of a segment in bytes: a power of two, 1 MiB to 64 MiB.
    pub segment_bytes: usize,
    /// Parity sectors in each segment.
    pub parity_sectors: u16,
    /// This container.
    pub container: ContainerId,
    /// This container and its copies.
    pub family: FamilyId,
    /// Unknown bits here: only reading is allowed.
    pub read_compatible: u64,
    /// Unknown bits here: no matter.
    pub compatible: u64,
}

impl Prologue {
    /// The sector.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut s = [0; SECTOR_BYTES];
        put(&mut s, 0, &PROLOGUE_MAGIC);
        put(&mut s, PROLOGUE_VERSION, &FORMAT_VERSION.to_le_bytes());
        s[PROLOGUE_SEGMENT_LOG2] = self.segment_bytes.trailing_zeros() as u8;
        put(&mut s, PROLOGUE_PARITY, &self.parity_sectors.to_le_bytes());
        put(&mut s, PROLOGUE_CONTAINER, &self.container.0);
        put(&mut s, PROLOGUE_FAMILY, &self.family.0);
        put(&mut s, PROLOGUE_READ_COMPATIBLE, &self.read_compatible.to_le_bytes());
        put(&mut s, PROLOGUE_COMPATIBLE, &self.compatible.to_le_bytes());
        put_check(&mut s);
        s
    }

    /// Reads a sector that may be anything.
    ///
    /// Errors: [`Kind::NotAContainer`] without magic, [`Kind::Damaged`] when the check fails,
    /// [`Kind::FutureVersion`] for a version or incompatible feature that is not known here.
    pub fn decode(sector: &[u8; SECTOR_BYTES]) -> Result<Prologue> {
        if array::<8>(sector, 0) != PROLOGUE_MAGIC {
            return Err(Error::new(Kind::NotAContainer, "no container begins here"));
        }
        if !check_holds(sector) {
            return Err(Error::damaged("prologue: check fails"));
        }
        let version = u32_at(sector, PROLOGUE_VERSION);
        if version != FORMAT_VERSION || u64_at(sector, PROLOGUE_INCOMPATIBLE) != 0 {
            let what = format!(
                "format version {version}, features {:#x}: this program knows version {FORMAT_VERSION}",
                u64_at(sector, PROLOGUE_INCOMPATIBLE)
            );
            return Err(Error::new(Kind::FutureVersion, what).hint("use a newer coffer to read this file"));
        }
        let log2 = u32::from(sector[PROLOGUE_SEGMENT_LOG2]);
        let segment_bytes = 1usize.checked_shl(log2).unwrap_or(0);
        let prologue = Prologue {
            segment_bytes,
            parity_sectors: u16::from_le_bytes(array(sector, PROLOGUE_PARITY)),
            container: ContainerId(array(sector, PROLOGUE_CONTAINER)),
            family: FamilyId(array(sector, PROLOGUE_FAMILY)),
            read_compatible: u64_at(sector, PROLOGUE_READ_COMPATIBLE),
            compatible: u64_at(sector, PROLOGUE_COMPATIBLE),
        };
        let reserved = sector[PROLOGUE_SEGMENT_LOG2 + 1] != 0
            || sector[PROLOGUE_RESERVED..CHECK_OFFSET].iter().any(|&b| b != 0);
        let sizes = (MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&segment_bytes)
            && usize::from(prologue.parity_sectors) <= segment_bytes / SECTOR_BYTES / PARITY_SHARE;
        match sizes && !reserved {
            true => Ok(prologue),
            false => Err(Error::damaged("prologue: sizes out of bounds or reserved bytes set")),
        }
    }
}

/// The first sector of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Epoch whose keys seal the segment's objects.
    pub epoch: u32,
    /// The container it belongs to.
    pub container: ContainerId,
    /// Its name.
    pub id: SegmentId,
}

impl SegmentHeader {
    /// The sector.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut s = [0; SECTOR_BYTES];
        put(&mut s, 0, &SEGMENT_MAGIC);
        put(&mut s, SEGMENT_VERSION, &FORMAT_VERSION.to_le_bytes());
        put(&mut s, SEGMENT_EPOCH, &self.epoch.to_le_bytes());
        put(&mut s, SEGMENT_CONTAINER, &self.container.0);
        put(&mut s, SEGMENT_ID, &self.id.0);
        s
    }

    /// Reads a sector that may be anything; `None` unless every byte is as written.
    pub fn decode(sector: &[u8]) -> Option<SegmentHeader> {
        let header = SegmentHeader {
            epoch: u32_at(sector, SEGMENT_EPOCH),
            container: ContainerId(array(sector, SEGMENT_CONTAINER)),
            id: SegmentId(array(sector, SEGMENT_ID)),
        };
        (sector[..SECTOR_BYTES] == header.encode()).then_some(header)
    }
}
