//! Numbers that look random and follow from a seed alone (SplitMix64). For invented data only; no
//! secret is ever made here.

/// A sequence of numbers that belongs to a seed and a place.
pub(super) struct Random(u64);

impl Random {
    /// The sequence of `place` (such as table and row) under `seed`.
    pub(super) fn new(seed: u64, place: &[u64]) -> Self {
        let fold = |state: u64, &part: &u64| Random(state ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next();
        Random(place.iter().fold(seed, fold))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// One of `choices`, which is not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Appends `count` bytes.
    pub(super) fn extend(&mut self, out: &mut Vec<u8>, count: usize) {
        let end = out.len() + count;
        while out.len() < end {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(end);
    }
}
