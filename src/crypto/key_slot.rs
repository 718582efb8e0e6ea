//! One key slot: the table key, wrapped for one credential. It promises that only the credential
//! it was made for opens it, in its own table and under its own number: a commitment is checked
//! first, since AES-GCM-SIV alone does not commit to its key. Implements
//! `format-spec/crypto.md`, Key slots.

use crate::clock::Timestamp;
use crate::codec::{Decode, Encode};
use crate::crypto::Entropy;
use crate::crypto::credential::{Credential, SlotKind, slot_secret};
use crate::crypto::derivation::{Key, derive};
use crate::crypto::kdf::KdfCost;
use crate::crypto::object::SEAL_OVERHEAD;
use crate::crypto::sealed_box;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use std::fmt;
use zeroize::Zeroizing;

/// Longest label in bytes.
pub(super) const MAX_LABEL_BYTES: usize = 64;
/// Length of the wrapped table key.
const WRAPPED_BYTES: usize = 32 + SEAL_OVERHEAD;

/// What a new key slot is made from.
#[derive(Clone, Debug)]
pub struct NewSlot {
    /// What will open it; `None` makes a clear slot, that is, no encryption.
    pub credential: Option<Credential>,
    /// A name for people, at most 64 bytes, no control characters.
    pub label: String,
    /// What a guess costs; used for passwords only.
    pub cost: KdfCost,
    /// The time of making.
    pub created: Timestamp,
}

/// One slot of a key table, as stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeySlot {
    number: u32,
    kind: SlotKind,
    label: String,
    created: Timestamp,
    cost: KdfCost,
    salt: [u8; 32],
    commitment: [u8; 32],
    wrapped: [u8; WRAPPED_BYTES],
}

impl KeySlot {
    /// Wraps `table_key` for the credential in `new`, with a fresh salt.
    pub(super) fn create(
        new: &NewSlot,
        number: u32,
        table_key: &[u8; 32],
        container: &ContainerId,
        entropy: &mut dyn Entropy,
    ) -> Result<KeySlot> {
        new.check()?;
        let kind = new.credential.as_ref().map_or(SlotKind::Clear, Credential::kind);
        let mut slot = KeySlot {
            number,
            kind,
            label: new.label.clone(),
            created: new.created,
            cost: if kind == SlotKind::Password { new.cost } else { KdfCost::NONE },
            salt: [0; 32],
            commitment: [0; 32],
            wrapped: [0; WRAPPED_BYTES],
        };
        slot.wrap(new.credential.as_ref(), table_key, container, entropy)?;
        Ok(slot)
    }

    /// Wraps another table key for the credential that already opens this slot.
    pub(super) fn wrap(
        &mut self,
        credential: Option<&Credential>,
        table_key: &[u8; 32],
        container: &ContainerId,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        entropy.fill(&mut self.salt)?;
        let keys = self.keys(credential, container)?;
        self.commitment = *keys.commitment;
        let sealed = sealed_box::seal(&keys.wrapping, table_key, entropy)?;
        self.wrapped.copy_from_slice(&sealed);
        Ok(())
    }

    /// The table key, or `None` if this slot is for another credential.
    /// [`Kind::Damaged`] if it is for this credential and yet does not open.
    pub(super) fn unwrap(
        &self,
        credential: Option<&Credential>,
        container: &ContainerId,
    ) -> Result<Option<Key>> {
        if credential.map_or(SlotKind::Clear, Credential::kind) != self.kind {
            return Ok(None);
        }
        let keys = self.keys(credential, container)?;
        // blake3::Hash compares in constant time.
        if blake3::Hash::from_bytes(*keys.commitment) != self.commitment {
            return Ok(None);
        }
        let opened = sealed_box::open(&keys.wrapping, &self.wrapped)
            .and_then(|plain| Some(Zeroizing::new(<[u8; 32]>::try_from(plain.as_slice()).ok()?)));
        match opened {
            Some(key) => Ok(Some(key)),
            None => Err(Error::damaged(format!("{self}: the wrapped key does not authenticate"))),
        }
    }

    fn keys(&self, credential: Option<&Credential>, container: &ContainerId) -> Result<SlotKeys> {
        let secret = slot_secret(credential, &self.salt, &self.cost).map_err(|e| e.at(self))?;
        let key = |purpose| {
            let context: [&[u8]; 3] =
                [&container.0, &self.number.to_le_bytes(), &self.kind.number().to_le_bytes()];
            derive(&secret, Some(&self.salt), purpose, &context)
        };
        Ok(SlotKeys { wrapping: key("slot-wrap"), commitment: key("slot-commitment") })
    }

    /// Checks what a table read from a file claims, before anything is computed from it.
    pub(super) fn check(&self) -> Result<()> {
        check_label(&self.label, Kind::Damaged).map_err(|e| e.at(self))?;
        match self.kind {
            SlotKind::Password => self.cost.check(Kind::Damaged).map_err(|e| e.at(self)),
            _ if self.cost != KdfCost::NONE => {
                Err(Error::damaged(format!("{self}: a password cost where none belongs")))
            }
            _ => Ok(()),
        }
    }

    /// The number by which commands name this slot; never used twice in one container.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How it is opened.
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Its name for people. Not authenticated until the table is unlocked.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When it was made. Not authenticated until the table is unlocked.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What a guess costs; `None` for slots that are not opened with a password.
    pub fn cost(&self) -> Option<KdfCost> {
        (self.kind == SlotKind::Password).then_some(self.cost)
    }
}

struct SlotKeys {
    wrapping: Key,
    commitment: Key,
}

impl NewSlot {
    fn check(&self) -> Result<()> {
        check_label(&self.label, Kind::Usage)?;
        match &self.credential {
            Some(Credential::Password(password)) if password.is_empty() => {
                Err(Error::new(Kind::Usage, "the password is empty"))
            }
            Some(Credential::Password(_)) => self.cost.check(Kind::Usage),
            _ => Ok(()),
        }
    }
}

fn check_label(label: &str, kind: Kind) -> Result<()> {
    if label.len() > MAX_LABEL_BYTES || label.chars().any(char::is_control) {
        return Err(Error::new(
            kind,
            format!("a label has at most {MAX_LABEL_BYTES} bytes, none of control"),
        ));
    }
    Ok(())
}

impl fmt::Display for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key slot {}", self.number)
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySlot({}, {}, {:?})", self.number, self.kind, self.label)
    }
}
