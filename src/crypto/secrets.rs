//! The random secrets from which every key derives. They promise to wipe themselves and never to
//! print. Implements `format-spec/crypto.md`, Secrets.

use crate::codec::{self, Decode, Encode};
use crate::crypto::Entropy;
use crate::error::{Error, Kind, Result};
use crate::limits::MAX_EPOCHS;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Number of a container's first epoch.
const FIRST_EPOCH: u32 = 1;

/// The family secret, one secret per epoch, and the key that wraps them in the key table. There is
/// always at least one epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    table_key: [u8; 32],
    family: [u8; 32],
    epochs: BTreeMap<u32, [u8; 32]>,
}

impl Secrets {
    /// New secrets of a new family, with one epoch.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self> {
        let mut family = Zeroizing::new([0; 32]);
        entropy.fill(family.as_mut_slice())?;
        Self::with_family(*family, entropy)
    }

    /// New secrets for a copy that shares the family of `self`: same family secret, own epoch.
    pub fn generate_copy(&self, entropy: &mut dyn Entropy) -> Result<Self> {
        Self::with_family(self.family, entropy)
    }

    fn with_family(family: [u8; 32], entropy: &mut dyn Entropy) -> Result<Self> {
        let mut secrets = Secrets { table_key: [0; 32], family, epochs: BTreeMap::new() };
        secrets.renew_table_key(entropy)?;
        secrets.add(FIRST_EPOCH, entropy)?;
        Ok(secrets)
    }

    /// Begins a new epoch and returns its number. At most [`MAX_EPOCHS`] exist. Only
    /// [`crate::crypto::KeyTable::rotate`] also stores it.
    pub fn start_epoch(&mut self, entropy: &mut dyn Entropy) -> Result<u32> {
        let next = self.current_epoch().checked_add(1);
        match next {
            Some(next) if self.epochs.len() < MAX_EPOCHS => self.add(next, entropy).map(|()| next),
            _ => Err(Error::new(Kind::Failed, format!("the container already has {MAX_EPOCHS} epochs"))
                .hint("copy it into a new container")),
        }
    }

    /// Forgets every epoch but the current one: what was sealed in them can no longer be opened.
    pub(super) fn keep_current_epoch(&mut self) {
        let current = self.current_epoch();
        self.epochs.retain(|number, secret| {
            let is_kept = *number == current;
            if !is_kept {
                secret.zeroize();
            }
            is_kept
        });
    }

    pub(super) fn renew_table_key(&mut self, entropy: &mut dyn Entropy) -> Result<()> {
        entropy.fill(&mut self.table_key)
    }

    fn add(&mut self, epoch: u32, entropy: &mut dyn Entropy) -> Result<()> {
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(secret.as_mut_slice())?;
        self.epochs.insert(epoch, *secret);
        Ok(())
    }

    /// The highest epoch: the one that new objects are sealed in.
    pub fn current_epoch(&self) -> u32 {
        self.epochs.keys().next_back().copied().unwrap_or(FIRST_EPOCH)
    }

    /// The numbers of all epochs, ascending.
    pub fn epochs(&self) -> impl Iterator<Item = u32> + '_ {
        self.epochs.keys().copied()
    }

    pub(super) fn table_key(&self) -> &[u8; 32] {
        &self.table_key
    }

    pub(super) fn family(&self) -> &[u8; 32] {
        &self.family
    }

    pub(super) fn by_epoch(&self) -> impl Iterator<Item = (u32, &[u8; 32])> {
        self.epochs.iter().map(|(number, secret)| (*number, secret))
    }

    /// The bytes that the key table seals under the table key.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(40 + 36 * self.epochs.len()));
        codec::encode_into(&self.family, &mut out);
        codec::encode_into(&(self.epochs.len() as u64), &mut out);
        for epoch in &self.epochs {
            codec::encode_into(&epoch, &mut out);
        }
        out
    }

    /// The secrets in `bytes`; epochs must ascend, and there are 1 to [`MAX_EPOCHS`] of them.
    pub(super) fn decode(bytes: &[u8], table_key: [u8; 32]) -> Result<Self> {
        let mut stored: StoredSecrets = codec::decode(bytes, "secrets")?;
        let ascend = stored.epochs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let epochs = stored.epochs.iter().copied().collect();
        let secrets = Secrets { table_key, family: stored.family, epochs };
        stored.family.zeroize();
        stored.epochs.iter_mut().for_each(|(_, secret)| secret.zeroize());
        if !ascend || secrets.epochs.is_empty() || secrets.epochs.len() > MAX_EPOCHS {
            return Err(Error::damaged("secrets: epochs are missing, out of order or too many"));
        }
        Ok(secrets)
    }
}

#[derive(Encode, Decode)]
struct StoredSecrets {
    family: [u8; 32],
    epochs: Vec<(u32, [u8; 32])>,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.table_key.zeroize();
        self.family.zeroize();
        self.epochs.values_mut().for_each(Zeroize::zeroize);
    }
}

impl ZeroizeOnDrop for Secrets {}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} epochs)", self.epochs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;

    #[test]
    fn encoding_round_trips_and_rejects_disorder() {
        let entropy = &mut SeededEntropy::new(7);
        let mut secrets = Secrets::generate(entropy).unwrap();
        assert_eq!(secrets.start_epoch(entropy).unwrap(), 2);
        let bytes = secrets.encode();
        assert_eq!(bytes.len(), 32 + 8 + 2 * 36);
        assert!(Secrets::decode(&bytes, secrets.table_key).unwrap() == secrets);
        let mut swapped = bytes.clone();
        swapped[40] = 3;
        assert!(Secrets::decode(&swapped, [0; 32]).is_err(), "epochs out of order");
        assert!(Secrets::decode(&bytes[..bytes.len() - 1], [0; 32]).is_err());
        let none = [&bytes[..32], &[0; 8]].concat();
        assert!(Secrets::decode(&none, [0; 32]).is_err(), "no epoch");
    }

    #[test]
    fn epochs_are_bounded() {
        let entropy = &mut SeededEntropy::new(8);
        let mut secrets = Secrets::generate(entropy).unwrap();
        for _ in 1..MAX_EPOCHS {
            secrets.start_epoch(entropy).unwrap();
        }
        assert!(secrets.start_epoch(entropy).is_err());
        assert_eq!(secrets.epochs().count(), MAX_EPOCHS);
        assert!(Secrets::decode(&secrets.encode(), secrets.table_key).unwrap() == secrets);
    }

    #[test]
    fn copies_share_only_the_family() {
        let entropy = &mut SeededEntropy::new(9);
        let secrets = Secrets::generate(entropy).unwrap();
        let copy = secrets.generate_copy(entropy).unwrap();
        assert_eq!(secrets.family, copy.family);
        assert_ne!(secrets.epochs, copy.epochs);
    }

    #[test]
    fn debug_shows_nothing_secret() {
        let secrets = Secrets::generate(&mut SeededEntropy::new(1)).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(1 epochs)");
    }
}
