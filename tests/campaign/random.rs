//! What tests draw from: numbers that follow from a seed, the seed of a run, and how much of a campaign
//! is run. It promises that equal seeds give equal draws.
//!
//! Usable from other test programs by `#[path = "…/tests/campaign/random.rs"] mod random;`.

#![allow(dead_code)]

/// SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether one in `odds` came.
    pub fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    /// One of them; there must be one.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// `short` in continuous integration, `full` when COFFER_CAMPAIGN=full.
pub fn scale(short: u64, full: u64) -> u64 {
    match std::env::var("COFFER_CAMPAIGN").as_deref() {
        Ok("full") => full,
        _ => short,
    }
}

/// The seed of this run: COFFER_SEED, or always the same.
pub fn seed() -> u64 {
    std::env::var("COFFER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_801)
}
