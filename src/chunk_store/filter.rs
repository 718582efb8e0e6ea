//! The filter of an index run: tells, for most chunks that a run does not hold, that it does not,
//! without reading a page. A split-block Bloom filter as in Apache Parquet's format
//! (`format-spec/manifest.md`, Filter), keyed by the ids themselves, which are uniform. It promises
//! no false "absent".

use crate::ids::ChunkId;

const BLOCK_BYTES: usize = 32;
const BITS_PER_CHUNK: u64 = 16;
const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A filter over chunk ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<u8>);

impl Filter {
    /// An empty filter for `count` chunks: 16 bits each, in whole blocks of 32 bytes, one at least.
    pub fn for_count(count: u64) -> Filter {
        Filter(vec![0; Self::bytes_for(count)])
    }

    /// Length of a filter for `count` chunks.
    pub fn bytes_for(count: u64) -> usize {
        (count * BITS_PER_CHUNK).div_ceil(BLOCK_BYTES as u64 * 8).max(1) as usize * BLOCK_BYTES
    }

    /// Takes stored bytes; `None` unless they are whole blocks.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Filter> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(BLOCK_BYTES)).then_some(Filter(bytes))
    }

    /// The bytes as stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bits(&self, id: &ChunkId) -> impl Iterator<Item = (usize, u8)> + use<> {
        let mut low = [0; 4];
        low.copy_from_slice(&id.0[..4]);
        let mut high = [0; 4];
        high.copy_from_slice(&id.0[4..8]);
        let (key, place) = (u32::from_le_bytes(low), u64::from(u32::from_le_bytes(high)));
        let block = ((place * (self.0.len() / BLOCK_BYTES) as u64) >> 32) as usize;
        SALT.iter().enumerate().map(move |(word, salt)| {
            let bit = key.wrapping_mul(*salt) >> 27;
            (block * BLOCK_BYTES + word * 4 + (bit / 8) as usize, 1 << (bit % 8))
        })
    }

    /// Adds an id.
    pub fn insert(&mut self, id: &ChunkId) {
        self.bits(id).for_each(|(byte, mask)| self.0[byte] |= mask);
    }

    /// False only if the id was never added.
    pub fn may_contain(&self, id: &ChunkId) -> bool {
        self.bits(id).all(|(byte, mask)| self.0[byte] & mask != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ChunkId {
        ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    #[test]
    fn knows_all_it_was_given_and_little_else() {
        let mut filter = Filter::for_count(10_000);
        (0..10_000).for_each(|n| filter.insert(&id(n)));
        assert!((0..10_000).all(|n| filter.may_contain(&id(n))));
        let wrong = (10_000..110_000).filter(|n| filter.may_contain(&id(*n))).count();
        assert!(wrong < 300, "{wrong} of 100000");
    }
}
