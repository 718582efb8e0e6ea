//! Parity: Reed–Solomon over the sectors of a segment (`format-spec/container.md`, Parity). It
//! promises that as many sectors as there are parity sectors can be lost and come back, once the
//! checksums have said which; it never guesses.

use super::geometry::Geometry;
use crate::limits::SECTOR_BYTES;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

fn bytes_of(segment: &[u8], sector: usize) -> &[u8] {
    &segment[sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES]
}

/// Fills the parity sectors of a segment whose other sectors (tables aside) are complete.
pub fn write_parity(g: &Geometry, segment: &mut [u8]) {
    if g.parity_sectors == 0 {
        return;
    }
    let data_count = g.covered_count() - g.parity_sectors;
    // Shard counts and size come from the geometry, which the code supports for every legal prologue.
    let mut encoder = ReedSolomonEncoder::new(data_count, g.parity_sectors, SECTOR_BYTES)
        .expect("geometry is within the code's limits");
    for sector in g.covered().take(data_count) {
        encoder.add_original_shard(bytes_of(segment, sector)).expect("shards are sectors");
    }
    let result = encoder.encode().expect("all shards were added");
    let parity = g.parity();
    for (target, shard) in segment[parity].chunks_exact_mut(SECTOR_BYTES).zip(result.recovery_iter()) {
        target.copy_from_slice(shard);
    }
}

/// Rebuilds the covered sectors at positions `bad` (rising). False if they are too many.
///
/// Parity sectors among `bad` are computed anew.
pub fn heal(g: &Geometry, segment: &mut [u8], bad: &[usize]) -> bool {
    if bad.len() > g.parity_sectors {
        return false;
    }
    let covered: Vec<usize> = g.covered().collect();
    let data_count = covered.len() - g.parity_sectors;
    if bad.first().is_some_and(|&first| first < data_count) {
        let Some(restored) = decode(g, segment, &covered, bad) else { return false };
        for (position, bytes) in restored {
            let at = covered[position] * SECTOR_BYTES;
            segment[at..at + SECTOR_BYTES].copy_from_slice(&bytes);
        }
    }
    write_parity(g, segment);
    true
}

fn decode(g: &Geometry, segment: &[u8], covered: &[usize], bad: &[usize]) -> Option<Vec<(usize, Vec<u8>)>> {
    let data_count = covered.len() - g.parity_sectors;
    let mut decoder = ReedSolomonDecoder::new(data_count, g.parity_sectors, SECTOR_BYTES).ok()?;
    for (position, &sector) in covered.iter().enumerate() {
        if bad.binary_search(&position).is_ok() {
            continue;
        }
        match position.checked_sub(data_count) {
            None => decoder.add_original_shard(position, bytes_of(segment, sector)).ok()?,
            Some(parity) => decoder.add_recovery_shard(parity, bytes_of(segment, sector)).ok()?,
        }
    }
    let result = decoder.decode().ok()?;
    Some(result.restored_original_iter().map(|(position, bytes)| (position, bytes.to_vec())).collect())
}
