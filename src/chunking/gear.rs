//! The Gear table: one 64-bit number for each byte value, all drawn from the key
//! (`format-spec/chunking.md`, Gear table). It promises to be wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// What is hashed, under the key, to give the table; it names the version of the algorithm.
const TABLE_LABEL: &[u8] = b"coffer/v1/cutter 1/gear table";

/// 256 numbers that turn bytes into a rolling hash.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct GearTable(Box<[u64; 256]>);

impl GearTable {
    /// The table of `key`: 2048 bytes of keyed BLAKE3 output, read as little-endian numbers.
    pub fn from_key(key: &[u8; 32]) -> GearTable {
        let mut output = blake3::Hasher::new_keyed(key).update(TABLE_LABEL).finalize_xof();
        let mut table = Box::new([0u64; 256]);
        for entry in table.iter_mut() {
            let mut bytes = [0u8; 8];
            output.fill(&mut bytes);
            *entry = u64::from_le_bytes(bytes);
            bytes.zeroize();
        }
        GearTable(table)
    }

    /// The hash after `byte`, if it was `hash` before.
    #[inline(always)]
    pub(super) fn roll(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.0[byte as usize])
    }

    /// The numbers, for the vectors.
    #[cfg(test)]
    pub(super) fn entries(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

impl std::fmt::Debug for GearTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GearTable(secret)")
    }
}
