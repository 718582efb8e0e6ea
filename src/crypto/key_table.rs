//! The key table: every way into a container. It promises that nothing in it is believed before
//! its MAC holds, that a clear slot is never used when a credential is offered, that the last slot
//! cannot be removed, and that damage is told from a wrong password by a checksum over the whole.
//! Implements `format-spec/crypto.md`, Key table.
//!
//! The secrets are sealed once, under a random table key; each slot wraps that table key. So a slot
//! can be added, changed or removed by whoever opened any one of them, and the table stays small.

use crate::codec::{self, Decode, Encode};
use crate::crypto::credential::{Credential, SlotKind};
use crate::crypto::derivation::{Key, derive};
use crate::crypto::key_slot::{KeySlot, NewSlot};
use crate::crypto::{Entropy, Secrets, sealed_box};
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::limits::MAX_KEY_SLOTS;
use std::fmt;

/// Longest encoded table in bytes.
pub const MAX_KEY_TABLE_BYTES: usize = 60 << 10;
/// Version of the table's own layout.
const VERSION: u32 = 1;
/// Length of the checksum behind the table.
const CHECKSUM_BYTES: usize = 16;

/// The key slots of a container and its sealed secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyTable {
    body: Body,
    mac: [u8; 32],
}

/// What the MAC covers.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
struct Body {
    version: u32,
    sequence: u64,
    next_number: u32,
    slots: Vec<KeySlot>,
    sealed_secrets: Vec<u8>,
}

impl KeyTable {
    /// The table of a new container, with one slot.
    pub fn create(
        secrets: &Secrets,
        container: ContainerId,
        first: &NewSlot,
        entropy: &mut dyn Entropy,
    ) -> Result<KeyTable> {
        let body = Body {
            version: VERSION,
            sequence: 1,
            next_number: 2,
            slots: vec![KeySlot::create(first, 1, secrets.table_key(), &container, entropy)?],
            sealed_secrets: seal_secrets(secrets, &container, entropy)?,
        };
        let mac = body.mac(secrets, &container);
        Ok(KeyTable { body, mac })
    }

    /// The bytes that a container stores: at most [`MAX_KEY_TABLE_BYTES`].
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = codec::encode(&self.body);
        bytes.extend_from_slice(&self.mac);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(&checksum.as_bytes()[..CHECKSUM_BYTES]);
        bytes
    }

    /// The table in `bytes`, checked against its checksum and every bound, but not authenticated:
    /// that is [`KeyTable::unlock`]'s part.
    pub fn decode(bytes: &[u8]) -> Result<KeyTable> {
        let (covered, checksum) = bytes
            .split_at_checked(bytes.len().wrapping_sub(CHECKSUM_BYTES))
            .filter(|_| bytes.len() <= MAX_KEY_TABLE_BYTES)
            .ok_or_else(|| Error::damaged(format!("key table: {} bytes cannot be one", bytes.len())))?;
        if blake3::hash(covered).as_bytes()[..CHECKSUM_BYTES] != *checksum {
            return Err(Error::damaged("key table: its checksum does not match"));
        }
        let (body, mac): (Body, [u8; 32]) = codec::decode(covered, "key table")?;
        body.check()?;
        Ok(KeyTable { body, mac })
    }

    /// The secrets and the number of the slot that gave them.
    ///
    /// With credentials, clear slots are never tried: a table that has only clear slots is
    /// [`Kind::NotEncrypted`]. Without, only they are. [`Kind::WrongKey`] if nothing fits;
    /// [`Kind::Damaged`] if something fits but the table does not authenticate.
    pub fn unlock(&self, container: ContainerId, credentials: &[Credential]) -> Result<(Secrets, u32)> {
        if !credentials.is_empty() && self.body.slots.iter().all(|slot| slot.kind() == SlotKind::Clear) {
            return Err(Error::new(
                Kind::NotEncrypted,
                "the container is not encrypted, yet a key was given",
            )
            .hint("if this is the container you expect, give no password or key file"));
        }
        let offers: Vec<Option<&Credential>> =
            if credentials.is_empty() { vec![None] } else { credentials.iter().map(Some).collect() };
        for slot in &self.body.slots {
            for offer in &offers {
                if let Some(table_key) = slot.unwrap(*offer, &container)? {
                    let secrets = open_secrets(&table_key, &self.body.sealed_secrets, &container)?;
                    self.authenticate(&secrets, &container)?;
                    return Ok((secrets, slot.number()));
                }
            }
        }
        Err(self.nothing_fits(credentials))
    }

    fn nothing_fits(&self, credentials: &[Credential]) -> Error {
        if credentials.is_empty() {
            return Error::new(Kind::WrongKey, "the container is encrypted and no key was given")
                .hint("give a password, a key file or the recovery code");
        }
        Error::new(Kind::WrongKey, "no key slot opens with what was given")
            .hint("`coffer key list` shows the slots; is caps lock on?")
    }

    /// Adds a slot and returns its number. A clear slot is refused: it would end the encryption.
    pub fn add(
        &mut self,
        secrets: &Secrets,
        container: ContainerId,
        new: &NewSlot,
        entropy: &mut dyn Entropy,
    ) -> Result<u32> {
        self.authenticate(secrets, &container)?;
        new.check_keeps_encryption()?;
        if self.body.slots.len() >= MAX_KEY_SLOTS {
            return Err(Error::new(Kind::Usage, format!("the container has its {MAX_KEY_SLOTS} key slots"))
                .hint("remove one first"));
        }
        let number = self.body.next_number;
        let next_number = number
            .checked_add(1)
            .ok_or_else(|| Error::new(Kind::Failed, "the numbers for key slots are used up"))?;
        let slot = KeySlot::create(new, number, secrets.table_key(), &container, entropy)?;
        let mut body = Body { next_number, ..self.body.clone() };
        body.slots.push(slot);
        self.replace(body, secrets, &container)?;
        Ok(number)
    }

    /// Gives slot `number` another credential, label, cost and time.
    pub fn change(
        &mut self,
        number: u32,
        secrets: &Secrets,
        container: ContainerId,
        new: &NewSlot,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        self.authenticate(secrets, &container)?;
        new.check_keeps_encryption()?;
        let index = self.index_of(number)?;
        let mut body = self.body.clone();
        body.slots[index] = KeySlot::create(new, number, secrets.table_key(), &container, entropy)?;
        self.replace(body, secrets, &container)
    }

    /// Removes slot `number`; the last one is refused. Whoever held its credential *and* an older
    /// copy of the file can still read both: [`KeyTable::rotate`] keeps them out of what follows.
    pub fn remove(&mut self, number: u32, secrets: &Secrets, container: ContainerId) -> Result<()> {
        self.authenticate(secrets, &container)?;
        let index = self.index_of(number)?;
        if self.body.slots.len() == 1 {
            return Err(Error::new(Kind::Usage, format!("key slot {number} is the last one"))
                .hint("add another first: without a slot the container could never be opened again"));
        }
        let mut body = self.body.clone();
        body.slots.remove(index);
        self.replace(body, secrets, &container)
    }

    /// Begins a new epoch under a new table key and returns the epoch's number; `secrets` then holds
    /// it. Every slot is wrapped anew, so each needs a credential that opens it; slots without are
    /// named in a [`Kind::WrongKey`] failure, and nothing is changed.
    pub fn rotate(
        &mut self,
        secrets: &mut Secrets,
        container: ContainerId,
        credentials: &[Credential],
        entropy: &mut dyn Entropy,
    ) -> Result<u32> {
        self.authenticate(secrets, &container)?;
        let mut rotated = secrets.clone();
        let epoch = rotated.start_epoch(entropy)?;
        rotated.renew_table_key(entropy)?;
        let mut body = self.body.clone();
        let mut unopened = Vec::new();
        for slot in &mut body.slots {
            match opener(slot, &container, credentials)? {
                Some(offer) => slot.wrap(offer, rotated.table_key(), &container, entropy)?,
                None => unopened.push(slot.number().to_string()),
            }
        }
        if !unopened.is_empty() {
            let names = unopened.join(", ");
            return Err(Error::new(Kind::WrongKey, format!("rotation needs the keys of slots {names} too"))
                .hint("give all passwords and key files, or remove those slots first"));
        }
        body.sealed_secrets = seal_secrets(&rotated, &container, entropy)?;
        self.replace(body, &rotated, &container)?;
        *secrets = rotated;
        Ok(epoch)
    }

    /// The slots that none of `credentials` opens: [`KeyTable::rotate`] could not keep them.
    pub fn unopened(&self, container: ContainerId, credentials: &[Credential]) -> Result<Vec<u32>> {
        let mut unopened = Vec::new();
        for slot in &self.body.slots {
            if opener(slot, &container, credentials)?.is_none() {
                unopened.push(slot.number());
            }
        }
        Ok(unopened)
    }

    /// Ends a rotation: drops the secret of every epoch but the current one, also from `secrets`. For
    /// a container in which nothing that is still needed is sealed in another.
    pub fn forget_old_epochs(
        &mut self,
        secrets: &mut Secrets,
        container: ContainerId,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        self.authenticate(secrets, &container)?;
        let mut reduced = secrets.clone();
        reduced.keep_current_epoch();
        let mut body = self.body.clone();
        body.sealed_secrets = seal_secrets(&reduced, &container, entropy)?;
        self.replace(body, &reduced, &container)?;
        *secrets = reduced;
        Ok(())
    }

    /// Grows by one with every change; of two tables of a container the higher is newer.
    pub fn sequence(&self) -> u64 {
        self.body.sequence
    }

    /// The slots, by number. Not authenticated until the table is unlocked.
    pub fn slots(&self) -> &[KeySlot] {
        &self.body.slots
    }

    /// Whether no slot is clear, so that a credential is needed.
    pub fn is_encrypted(&self) -> bool {
        self.body.slots.iter().all(|slot| slot.kind() != SlotKind::Clear)
    }

    /// Checks the MAC over the whole table with secrets that were unlocked from it.
    pub fn authenticate(&self, secrets: &Secrets, container: &ContainerId) -> Result<()> {
        // blake3::Hash compares in constant time.
        if blake3::Hash::from_bytes(self.body.mac(secrets, container)) != self.mac {
            return Err(Error::damaged("key table: does not authenticate")
                .hint("the secrets opened, but the table was changed by something that lacks them"));
        }
        Ok(())
    }

    fn index_of(&self, number: u32) -> Result<usize> {
        self.body.slots.iter().position(|slot| slot.number() == number).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("there is no key slot {number}"))
                .hint("`coffer key list` shows the slots")
        })
    }

    fn replace(&mut self, mut body: Body, secrets: &Secrets, container: &ContainerId) -> Result<()> {
        body.sequence = body
            .sequence
            .checked_add(1)
            .ok_or_else(|| Error::new(Kind::Failed, "the numbers for key tables are used up"))?;
        self.mac = body.mac(secrets, container);
        self.body = body;
        Ok(())
    }
}

impl Body {
    fn mac(&self, secrets: &Secrets, container: &ContainerId) -> [u8; 32] {
        let key = derive(&secrets.encode(), None, "key-table", &[&container.0]);
        *blake3::keyed_hash(&key, &codec::encode(self)).as_bytes()
    }

    fn check(&self) -> Result<()> {
        if self.version != VERSION {
            return Err(Error::new(
                Kind::FutureVersion,
                format!("key table: version {} is unknown", self.version),
            ));
        }
        if self.slots.is_empty() || self.slots.len() > MAX_KEY_SLOTS {
            return Err(Error::damaged(format!("key table: {} slots", self.slots.len())));
        }
        let numbers: Vec<u32> =
            self.slots.iter().map(KeySlot::number).chain(std::iter::once(self.next_number)).collect();
        if numbers[0] == 0 || numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Error::damaged("key table: slot numbers are out of order"));
        }
        self.slots.iter().try_for_each(KeySlot::check)
    }
}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTable(sequence {}, {:?})", self.body.sequence, self.body.slots)
    }
}

impl NewSlot {
    fn check_keeps_encryption(&self) -> Result<()> {
        match self.credential {
            Some(_) => Ok(()),
            None => {
                Err(Error::new(Kind::Usage, "a key slot needs a password, a key file or a recovery code")
                    .hint("an unencrypted container is made by `coffer init --no-encryption`"))
            }
        }
    }
}

/// The offer that opens `slot`: a credential, or nothing for a clear slot; `None` if none does.
fn opener<'a>(
    slot: &KeySlot,
    container: &ContainerId,
    credentials: &'a [Credential],
) -> Result<Option<Option<&'a Credential>>> {
    for offer in std::iter::once(None).chain(credentials.iter().map(Some)) {
        if slot.unwrap(offer, container)?.is_some() {
            return Ok(Some(offer));
        }
    }
    Ok(None)
}

fn secrets_key(table_key: &[u8; 32], container: &ContainerId) -> Key {
    derive(table_key, None, "table-secrets", &[&container.0])
}

fn seal_secrets(secrets: &Secrets, container: &ContainerId, entropy: &mut dyn Entropy) -> Result<Vec<u8>> {
    sealed_box::seal(&secrets_key(secrets.table_key(), container), &secrets.encode(), entropy)
}

fn open_secrets(table_key: &[u8; 32], sealed: &[u8], container: &ContainerId) -> Result<Secrets> {
    let bytes = sealed_box::open(&secrets_key(table_key, container), sealed)
        .ok_or_else(|| Error::damaged("key table: the sealed secrets do not authenticate"))?;
    Secrets::decode(&bytes, *table_key)
}

#[cfg(test)]
mod tests;
