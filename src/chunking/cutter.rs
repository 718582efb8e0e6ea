//! "Cutter 1" (`format-spec/chunking.md`, Cutting): Gear hashing with two thresholds. Its cut
//! points are pinned for ever by `format-spec/vectors/chunking.txt`: moving one would silently
//! store every container's data anew.

use super::gear::GearTable;
use super::sizes::{Sizes, WINDOW_BYTES};

/// How many bits harder before the average length, and easier after it, a cut is.
const NORMALISATION: u32 = 2;

/// Finds where a stream is cut. Shared freely between threads.
#[derive(Debug)]
pub struct Cutter {
    table: GearTable,
    sizes: Sizes,
    /// Before the average length, a cut needs a hash below this.
    strict: u64,
    /// From the average length on, a cut needs a hash below this.
    lenient: u64,
}

impl Cutter {
    /// A cutter for one family (`key`) and one kind of stream (`sizes`).
    ///
    /// # Panics
    /// If `sizes` break their own rules; they are constants, never read from a file.
    pub fn new(key: &[u8; 32], sizes: Sizes) -> Cutter {
        assert!(sizes.is_valid(), "chunk sizes break the specification's rules: {sizes:?}");
        let bits = sizes.average.trailing_zeros();
        Cutter {
            table: GearTable::from_key(key),
            sizes,
            strict: 1 << (64 - (bits + NORMALISATION)),
            lenient: 1 << (64 - (bits - NORMALISATION)),
        }
    }

    /// The bounds this cutter keeps.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The length of the first chunk of `bytes`, which start at a chunk boundary; `last` says
    /// that the stream ends with them.
    ///
    /// `None` if more bytes are needed (fewer than `max`, and not the last) or none are left.
    pub fn cut(&self, bytes: &[u8], last: bool) -> Option<usize> {
        let Sizes { min, average, max } = self.sizes;
        let (min, average, max) = (min as usize, average as usize, max as usize);
        if bytes.is_empty() || (bytes.len() < max && !last) {
            return None;
        }
        let bytes = &bytes[..bytes.len().min(max)];
        if bytes.len() <= min {
            return Some(bytes.len());
        }
        // The first test, at length `min`, already sees a full window.
        let start = min - WINDOW_BYTES as usize;
        let hash = bytes[start..min - 1].iter().fold(0, |hash, &byte| self.table.roll(hash, byte));
        let middle = bytes.len().min(average - 1);
        let (hash, found) = self.scan(hash, &bytes[min - 1..middle], self.strict);
        if let Some(tested) = found {
            return Some(min + tested);
        }
        let (_, found) = self.scan(hash, &bytes[middle..], self.lenient);
        Some(found.map_or(bytes.len(), |tested| middle + 1 + tested))
    }

    /// Rolls over `bytes` until a hash is below `threshold`: the hash reached, and the number of
    /// bytes before the one that hit.
    #[inline(always)]
    fn scan(&self, mut hash: u64, bytes: &[u8], threshold: u64) -> (u64, Option<usize>) {
        let (steps, rest) = bytes.as_chunks::<8>();
        for (step, eight) in steps.iter().enumerate() {
            for (at, &byte) in eight.iter().enumerate() {
                hash = self.table.roll(hash, byte);
                if hash < threshold {
                    return (hash, Some(step * 8 + at));
                }
            }
        }
        for (at, &byte) in rest.iter().enumerate() {
            hash = self.table.roll(hash, byte);
            if hash < threshold {
                return (hash, Some(steps.len() * 8 + at));
            }
        }
        (hash, None)
    }
}
