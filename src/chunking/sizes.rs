//! How long chunks are. It promises that every [`Sizes`] given here obeys the rules of
//! `format-spec/chunking.md` (Sizes); the measurements behind the numbers stand there too.

use crate::limits::MAX_CHUNK_BYTES;

/// The smallest chunk length that a cutter accepts as `min`: the width of its window in bytes.
pub(super) const WINDOW_BYTES: u32 = 64;

/// Bounds and aim of chunk lengths, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// No chunk but the last of a stream is shorter; at least 64.
    pub min: u32,
    /// The typical length, a power of two, `min <= average <= max`.
    pub average: u32,
    /// No chunk is longer; at most [`MAX_CHUNK_BYTES`].
    pub max: u32,
}

impl Sizes {
    /// For SQL dumps.
    pub const DUMP: Sizes = Sizes::around(16 << 10);
    /// For large values of a table.
    pub const VALUE: Sizes = Sizes::around(128 << 10);
    /// For attachment files.
    pub const ATTACHMENT: Sizes = Sizes::around(256 << 10);
    /// For manifests.
    pub const MANIFEST: Sizes = Sizes::around(8 << 10);

    /// Half of `average` up to three times it: the ratio all streams share.
    const fn around(average: u32) -> Sizes {
        let sizes = Sizes { min: average / 2, average, max: average * 3 };
        assert!(sizes.is_valid());
        sizes
    }

    /// Whether the rules of the specification hold.
    pub(super) const fn is_valid(self) -> bool {
        self.average.is_power_of_two()
            && self.average >= 256
            && self.min >= WINDOW_BYTES
            && self.min <= self.average
            && self.average <= self.max
            && self.max as usize <= MAX_CHUNK_BYTES
    }
}
