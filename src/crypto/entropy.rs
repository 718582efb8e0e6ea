//! Where random bytes come from: the system for real containers, a seed for tests and the demo.
//! It promises that a failing system source is an error and never a weak key.

use crate::error::{Error, Kind, Result};

/// A source of bytes for secrets, salts and ids.
pub trait Entropy {
    /// Fills `bytes` entirely, or fails and leaves them unfit for use.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes)
            .map_err(|cause| Error::new(Kind::Failed, "the system gives no random bytes").because(cause))
    }
}

/// A reproducible stream from a seed (BLAKE3's extendable output). Never for real secrets.
pub struct SeededEntropy(blake3::OutputReader);

impl SeededEntropy {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("coffer/v1/seeded-entropy");
        hasher.update(&seed.to_le_bytes());
        SeededEntropy(hasher.finalize_xof())
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.0.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(source: &mut dyn Entropy) -> [u8; 32] {
        let mut bytes = [0; 32];
        source.fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn seeds_repeat_and_the_system_does_not() {
        let mut one = SeededEntropy::new(1);
        let first = draw(&mut one);
        assert_ne!(first, draw(&mut one), "the stream moves on");
        assert_eq!(first, draw(&mut SeededEntropy::new(1)));
        assert_ne!(first, draw(&mut SeededEntropy::new(2)));
        assert_ne!(draw(&mut SystemEntropy), draw(&mut SystemEntropy));
    }
}
