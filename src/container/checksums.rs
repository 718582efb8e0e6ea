//! Checksum tables: what lets damage be found without a key (`format-spec/container.md`, Checksum
//! tables). They promise to locate every changed sector of a segment, and to prove themselves
//! by a hash, so that a rotten table is never believed. They authenticate nothing: keys do.

use super::geometry::Geometry;
use super::layout::{
    CHECKSUM_BYTES, CHECKSUM_ENTRIES, CHECKSUM_HASH, CHECKSUM_MAGIC, SegmentHeader, array, put,
};
use crate::ids::{ContainerId, SegmentId};
use crate::limits::SECTOR_BYTES;
use std::ops::Range;

/// The hash that names a checksum table: first 16 bytes of BLAKE3.
pub type TableHash = [u8; 16];

/// A checksum table that proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumTable {
    /// Hash of ids and entries.
    pub hash: TableHash,
    entries: Vec<u8>,
}

fn sector_checksum(sector: &[u8]) -> [u8; CHECKSUM_BYTES] {
    xxhash_rust::xxh3::xxh3_64(sector).to_le_bytes()
}

fn table_hash(container: &ContainerId, segment: &SegmentId, entries: &[u8]) -> TableHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&container.0).update(&segment.0).update(entries);
    array(hasher.finalize().as_bytes(), 0)
}

fn sector(index: usize) -> Range<usize> {
    index * SECTOR_BYTES..(index + 1) * SECTOR_BYTES
}

/// Computes the table of a complete segment and writes both copies into it.
pub fn write_tables(g: &Geometry, header: &SegmentHeader, segment: &mut [u8]) -> TableHash {
    let entries: Vec<u8> = g.covered().flat_map(|s| sector_checksum(&segment[sector(s)])).collect();
    let hash = table_hash(&header.container, &header.id, &entries);
    for table in [g.first_table(), g.second_table()] {
        let table = &mut segment[table];
        table.fill(0);
        put(table, 0, &CHECKSUM_MAGIC);
        put(table, CHECKSUM_HASH, &hash);
        put(table, CHECKSUM_ENTRIES, &entries);
    }
    hash
}

impl ChecksumTable {
    /// Reads one copy, which may be anything. The segment's header may be lost, so the segment id
    /// is a guess of the caller's; the hash tells whether it was right.
    pub fn decode(g: &Geometry, container: &ContainerId, id: &SegmentId, copy: &[u8]) -> Option<Self> {
        let length = g.covered_count() * CHECKSUM_BYTES;
        let entries = copy.get(CHECKSUM_ENTRIES..CHECKSUM_ENTRIES + length)?;
        let hash = table_hash(container, id, entries);
        let zeros = copy[CHECKSUM_MAGIC.len()..CHECKSUM_HASH].iter().all(|&b| b == 0)
            && copy[CHECKSUM_ENTRIES + length..].iter().all(|&b| b == 0);
        let whole = copy.starts_with(&CHECKSUM_MAGIC) && array(copy, CHECKSUM_HASH) == hash && zeros;
        whole.then(|| ChecksumTable { hash, entries: entries.to_vec() })
    }

    /// Takes the entries of one copy without proof, for when the id that would prove them is lost.
    pub fn unproven(g: &Geometry, copy: &[u8]) -> Self {
        let entries = CHECKSUM_ENTRIES..CHECKSUM_ENTRIES + g.covered_count() * CHECKSUM_BYTES;
        ChecksumTable { hash: array(copy, CHECKSUM_HASH), entries: copy[entries].to_vec() }
    }

    /// Positions, among the covered sectors, of those whose bytes are not as they were written.
    pub fn bad_sectors(&self, g: &Geometry, segment: &[u8]) -> Vec<usize> {
        let stored = self.entries.chunks_exact(CHECKSUM_BYTES);
        g.covered()
            .zip(stored)
            .enumerate()
            .filter(|(_, (s, stored))| sector_checksum(&segment[sector(*s)]) != **stored)
            .map(|(position, _)| position)
            .collect()
    }
}
