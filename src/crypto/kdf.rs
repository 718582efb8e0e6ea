//! From a password to a key: Argon2id with bounded cost. It promises that parameters read from a
//! file are checked before they cost anything, that memory which cannot be had is an error, and
//! that the working memory is wiped. Implements `format-spec/crypto.md`, Passwords.

use crate::codec::{Decode, Encode};
use crate::crypto::derivation::Key;
use crate::error::{Error, Kind, Result};
use crate::limits::{MAX_KDF_LANES, MAX_KDF_MEMORY_KIB, MAX_KDF_PASSES};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

/// What one guess at a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KdfCost {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory, at least 1.
    pub passes: u32,
    /// Lanes that may run side by side, at least 1.
    pub lanes: u32,
}

impl KdfCost {
    /// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106.
    pub const DEFAULT: KdfCost = KdfCost { memory_kib: 64 << 10, passes: 3, lanes: 4 };
    /// 512 MiB, 4 passes, 4 lanes.
    pub const STRONG: KdfCost = KdfCost { memory_kib: 512 << 10, passes: 4, lanes: 4 };
    /// The least that Argon2id allows. For tests and vectors only: it protects nothing.
    pub const TEST: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
    /// What stands in a key slot that needs no stretching.
    pub(super) const NONE: KdfCost = KdfCost { memory_kib: 0, passes: 0, lanes: 0 };

    /// Checks the bounds of [`crate::limits`]; `kind` is the class of the failure.
    pub(super) fn check(&self, kind: Kind) -> Result<()> {
        let lanes = (1..=MAX_KDF_LANES).contains(&self.lanes);
        let passes = (1..=MAX_KDF_PASSES).contains(&self.passes);
        let memory = (8..=MAX_KDF_MEMORY_KIB).contains(&self.memory_kib) && self.memory_kib / 8 >= self.lanes;
        if lanes && passes && memory {
            return Ok(());
        }
        Err(Error::new(
            kind,
            format!(
                "password cost of {} KiB, {} passes, {} lanes is out of bounds",
                self.memory_kib, self.passes, self.lanes
            ),
        ))
    }
}

/// Argon2id version 0x13 of `password` with `salt`: 32 bytes.
pub(super) fn stretch(password: &[u8], salt: &[u8; 32], cost: &KdfCost) -> Result<Key> {
    cost.check(Kind::Damaged)?;
    let refused = |cause: argon2::Error| {
        Error::new(Kind::Failed, "the password cannot be stretched").because(cause.to_string())
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let mut memory = WorkingMemory::new(params.block_count())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, key.as_mut_slice(), &mut memory.0[..])
        .map_err(refused)?;
    Ok(key)
}

/// Argon2's blocks, wiped on drop.
struct WorkingMemory(Vec<Block>);

impl WorkingMemory {
    fn new(blocks: usize) -> Result<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).map_err(|cause| {
            Error::new(Kind::Failed, format!("no memory to stretch the password: {blocks} KiB"))
                .because(cause)
        })?;
        memory.resize(blocks, Block::default());
        Ok(WorkingMemory(memory))
    }
}

impl Drop for WorkingMemory {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_matters() {
        let base = stretch(b"tooth", &[1; 32], &KdfCost::TEST).unwrap();
        assert_eq!(base, stretch(b"tooth", &[1; 32], &KdfCost::TEST).unwrap());
        assert_ne!(base, stretch(b"Tooth", &[1; 32], &KdfCost::TEST).unwrap());
        assert_ne!(base, stretch(b"tooth", &[2; 32], &KdfCost::TEST).unwrap());
        let dearer = KdfCost { passes: 2, ..KdfCost::TEST };
        assert_ne!(base, stretch(b"tooth", &[1; 32], &dearer).unwrap());
    }

    #[test]
    fn bounds_hold_before_any_work() {
        let bad = [
            KdfCost { memory_kib: 7, ..KdfCost::TEST },
            KdfCost { memory_kib: u32::MAX, ..KdfCost::TEST },
            KdfCost { passes: 0, ..KdfCost::TEST },
            KdfCost { passes: u32::MAX, ..KdfCost::TEST },
            KdfCost { lanes: 0, ..KdfCost::TEST },
            KdfCost { lanes: 2, ..KdfCost::TEST },
            KdfCost { memory_kib: MAX_KDF_MEMORY_KIB, passes: 1, lanes: MAX_KDF_LANES + 1 },
        ];
        for cost in bad {
            let error = stretch(b"x", &[0; 32], &cost).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "{cost:?}");
        }
        for cost in [KdfCost::DEFAULT, KdfCost::STRONG, KdfCost::TEST] {
            cost.check(Kind::Usage).unwrap();
        }
    }
}
