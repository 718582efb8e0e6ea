//! The commit root and what hangs from it (`format-spec/container.md`, Commit root). It promises
//! that everything a reader needs is reachable from the root by location and hash, so that the
//! root's hash authenticates a whole state.

use super::geometry::Geometry;
use super::layout::{MAP_PART_ENTRIES, MAX_MAP_PARTS};
use super::segment::{DirectoryEntry, object_range};
use crate::clock::Timestamp;
use crate::codec::{self, Decode, Encode};
use crate::crypto::{Keyring, ObjectKind};
use crate::error::{Error, Result};
use crate::ids::{RootHash, SegmentId};

/// Where a sealed object lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Location {
    /// Slot of the segment.
    pub slot: u32,
    /// Offset in the segment in bytes.
    pub offset: u32,
}

/// One sealed metadata object in its two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartRef {
    /// Length on disk in bytes, seal included.
    pub length: u32,
    /// Hash of the payload.
    pub hash: [u8; 32],
    /// The copies.
    pub copies: [Location; 2],
}

/// A stream of metadata stored in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct StreamRef {
    /// Length of the whole in bytes.
    pub bytes: u64,
    /// The parts, in order.
    pub parts: Vec<PartRef>,
}

impl StreamRef {
    /// The slots its copies lie in.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().flat_map(|p| p.copies.iter().map(|l| l.slot))
    }
}

/// One line of the segment table: what a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SegmentRecord {
    /// Whether anything in it is reachable.
    pub live: bool,
    /// Live: the generation that wrote it. Free: the first generation that does not reach it.
    pub generation: u64,
    /// Epoch of its keys.
    pub epoch: u32,
    /// Its id; zero in slot 0 and in a free one.
    pub id: SegmentId,
    /// Authentication tag of its directory; zero for a segment that was open when the table was written.
    pub directory_tag: [u8; 16],
    /// Chunk copies it holds.
    pub chunk_count: u32,
}

impl SegmentRecord {
    /// A slot that nothing reached before `generation`.
    pub fn free(generation: u64) -> Self {
        SegmentRecord {
            live: false,
            generation,
            epoch: 0,
            id: SegmentId::ZERO,
            directory_tag: [0; 16],
            chunk_count: 0,
        }
    }

    /// Whether a directory that ends with `tag` may be this segment's: another one belongs to a write
    /// that was abandoned or came from elsewhere.
    pub fn names_directory(&self, tag: Option<[u8; 16]>) -> bool {
        self.directory_tag == [0; 16] || tag == Some(self.directory_tag)
    }
}

/// The top of the authenticated tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommitRoot {
    /// Number of this commit, from 1.
    pub generation: u64,
    /// Hash of the previous root; zero for the first.
    pub parent: RootHash,
    /// When it was committed.
    pub time: Timestamp,
    /// Hash (BLAKE3) of the prologue sector.
    pub prologue_hash: [u8; 32],
    /// Sequence of the key table at this commit.
    pub key_table_sequence: u64,
    /// Hash (BLAKE3) of that key table.
    pub key_table_hash: [u8; 32],
    /// Slots of the file, slot 0 included.
    pub slot_count: u32,
    /// The segment table: one [`SegmentRecord`] a slot.
    pub segment_table: StreamRef,
    /// The slot map's parts, each in two copies, as the superblock also says.
    pub slot_map: Vec<[Location; 2]>,
    /// Hash of what the closing segments list, commit roots aside ([`closing_hash`]).
    pub closing: [u8; 32],
    /// What the chunk store keeps: opaque here (`format-spec/manifest.md`, Contents).
    pub contents: Vec<u8>,
}

impl CommitRoot {
    /// Reads a root's payload and checks what can be checked without reading more.
    pub fn decode(payload: &[u8], g: &Geometry) -> Result<CommitRoot> {
        let root: CommitRoot = codec::decode(payload, "commit root")?;
        let bytes = u64::from(root.slot_count) * SEGMENT_RECORD_BYTES as u64;
        let sound = (1..=u64::MAX / 2).contains(&root.generation)
            && (2..=MAX_SLOTS).contains(&root.slot_count)
            && root.segment_table.bytes == bytes
            && stream_is_sound(&root.segment_table, g, root.slot_count);
        match sound {
            true => Ok(root),
            false => Err(Error::damaged("commit root: generation or segment table out of bounds")),
        }
    }
}

/// The hash that binds a commit's closing segments to its root: they hold the root, so the segment
/// table cannot name their directories. `listed` are their slots, rising, each with its directory.
pub fn closing_hash(keyring: &Keyring, listed: &[(u32, Vec<DirectoryEntry>)]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for (slot, entries) in listed {
        codec::encode_into(slot, &mut bytes);
        let others = entries.iter().filter(|e| e.kind != ObjectKind::CommitRoot as u8);
        codec::encode_into(&others.copied().collect::<Vec<_>>(), &mut bytes);
    }
    keyring.content_hash(ObjectKind::Directory, &bytes)
}
/// Most slots: what the slot map can hold.
const MAX_SLOTS: u32 = (MAX_MAP_PARTS * MAP_PART_ENTRIES) as u32;

/// Length of one encoded [`SegmentRecord`].
pub const SEGMENT_RECORD_BYTES: usize = 1 + 8 + 4 + 16 + 16 + 4;

/// Whether every part of `stream` lies inside the file and its length can be true.
pub fn stream_is_sound(stream: &StreamRef, g: &Geometry, slots: u32) -> bool {
    let capacity = stream.parts.len() as u64 * super::layout::PART_BYTES as u64;
    stream.bytes <= capacity && stream.parts.iter().all(|part| part_is_sound(part, g, slots))
}

/// Whether both copies of `part` lie inside the file.
pub fn part_is_sound(part: &PartRef, g: &Geometry, slots: u32) -> bool {
    part.copies
        .iter()
        .all(|l| (1..slots).contains(&l.slot) && object_range(g, l.offset, part.length).is_some())
}

/// Encodes the segment table.
pub fn encode_table(records: &[SegmentRecord]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len() * SEGMENT_RECORD_BYTES);
    records.iter().for_each(|record| codec::encode_into(record, &mut out));
    out
}

/// Decodes the segment table.
pub fn decode_table(bytes: &[u8]) -> Result<Vec<SegmentRecord>> {
    bytes.chunks(SEGMENT_RECORD_BYTES).map(|line| codec::decode(line, "segment table")).collect()
}
