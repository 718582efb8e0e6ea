//! Where things lie in a segment, as arithmetic on its size (`format-spec/container.md`, Segments).
//! It promises that the regions tile the segment exactly.

use super::layout::{CHECKSUM_BYTES, CHECKSUM_ENTRIES, HEADER_BYTES, Prologue, TRAILER_BYTES};
use crate::crypto::SEAL_OVERHEAD;
use crate::limits::SECTOR_BYTES;
use std::ops::Range;

/// The shape of a container's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Size of a segment in bytes.
    pub segment_bytes: usize,
    /// Sectors of one copy of the checksum table.
    pub table_sectors: usize,
    /// Parity sectors.
    pub parity_sectors: usize,
}

impl Geometry {
    /// The geometry that `prologue` states.
    pub fn of(prologue: &Prologue) -> Geometry {
        let sectors = prologue.segment_bytes / SECTOR_BYTES;
        let fits = |t: &usize| CHECKSUM_ENTRIES + (sectors - 2 * t) * CHECKSUM_BYTES <= t * SECTOR_BYTES;
        let table_sectors = (1..sectors / 4).find(fits).unwrap_or(sectors / 4);
        Geometry {
            segment_bytes: prologue.segment_bytes,
            table_sectors,
            parity_sectors: usize::from(prologue.parity_sectors),
        }
    }

    /// Offset of slot `slot` in the file.
    pub fn slot_offset(&self, slot: u32) -> u64 {
        HEADER_BYTES + u64::from(slot) * self.segment_bytes as u64
    }

    /// Length of a file of `slots` slots.
    pub fn file_bytes(&self, slots: u32) -> u64 {
        self.slot_offset(slots)
    }

    /// Whole slots in a file of `bytes` bytes, slot 0 included.
    pub fn slots_in(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.saturating_sub(HEADER_BYTES) / self.segment_bytes as u64).unwrap_or(u32::MAX)
    }

    /// All sectors of a segment.
    pub fn sectors(&self) -> usize {
        self.segment_bytes / SECTOR_BYTES
    }

    /// Bytes of the first checksum table.
    pub fn first_table(&self) -> Range<usize> {
        SECTOR_BYTES..(1 + self.table_sectors) * SECTOR_BYTES
    }

    /// Bytes of the second checksum table: the segment's end.
    pub fn second_table(&self) -> Range<usize> {
        self.segment_bytes - self.table_sectors * SECTOR_BYTES..self.segment_bytes
    }

    /// Bytes of the parity sectors, before the second table.
    pub fn parity(&self) -> Range<usize> {
        let end = self.second_table().start;
        end - self.parity_sectors * SECTOR_BYTES..end
    }

    /// Bytes where objects, directory and padding lie: between first table and trailer.
    pub fn objects(&self) -> Range<usize> {
        self.first_table().end..self.trailer().start
    }

    /// Bytes of the sealed trailer: the last before the parity.
    pub fn trailer(&self) -> Range<usize> {
        let end = self.parity().start;
        end - TRAILER_BYTES - SEAL_OVERHEAD..end
    }

    /// Sectors that the checksum tables cover, in order: all but the tables themselves.
    pub fn covered(&self) -> impl Iterator<Item = usize> + use<> {
        let (t, n) = (self.table_sectors, self.sectors());
        std::iter::once(0).chain(1 + t..n - t)
    }

    /// Number of covered sectors.
    pub fn covered_count(&self) -> usize {
        self.sectors() - 2 * self.table_sectors
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ids::{ContainerId, FamilyId};

    pub(crate) fn prologue(segment_bytes: usize, parity_sectors: u16) -> Prologue {
        Prologue {
            segment_bytes,
            parity_sectors,
            container: ContainerId([1; 16]),
            family: FamilyId([2; 16]),
            read_compatible: 0,
            compatible: 0,
        }
    }

    #[test]
    fn regions_tile_segments_of_every_size() {
        for (log2, tables) in [(20, 1), (21, 2), (22, 2), (23, 4), (24, 8), (25, 16), (26, 32)] {
            let g = Geometry::of(&prologue(1 << log2, 32));
            assert_eq!(g.table_sectors, tables, "2^{log2}");
            assert_eq!(g.objects().end, g.trailer().start);
            assert_eq!(g.trailer().end, g.parity().start);
            assert_eq!(g.parity().end, g.second_table().start);
            assert_eq!(g.covered().count(), g.covered_count());
            assert!(CHECKSUM_ENTRIES + g.covered_count() * CHECKSUM_BYTES <= tables * SECTOR_BYTES);
        }
    }

    #[test]
    fn four_mebibytes_have_988_data_sectors() {
        let g = Geometry::of(&prologue(4 << 20, 32));
        assert_eq!(g.covered_count() - g.parity_sectors, 988);
    }
}
