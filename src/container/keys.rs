//! Key table and prologue of an open container (`format-spec/container.md`, Key-table frame). It
//! promises that a change leaves a whole copy at any instant, and that a table which someone put back
//! is told from one that was changed a moment ago.

use super::header::{Header, KeyFrame};
use super::root::CommitRoot;
use super::{Access, Base, Container};
use crate::crypto::Keyring;
use crate::error::{Error, Result};
use crate::storage::Storage;
use std::sync::Arc;

impl Container {
    /// Writes a new key table into every copy. A commit should follow, so that the root names it.
    pub fn write_keys(&mut self, keys: KeyFrame) -> Result<()> {
        self.ensure_writable()?;
        let storage = self.base.storage.clone();
        self.header.write_keys(&*storage, keys).inspect_err(|_| self.base.poison())
    }

    /// The same for a table with other secrets: from here on `keyring` opens and seals. It must have
    /// the keys of every epoch that the last two commits use.
    pub fn change_keys(&mut self, keys: KeyFrame, keyring: Keyring) -> Result<()> {
        self.write_keys(keys)?;
        let old = &self.base;
        let base = Base::new(old.storage.clone(), old.geometry, old.container, keyring, &old.name);
        self.base = Arc::new(base);
        Ok(())
    }

    /// Ends a change of the key table that was cut short: no copy of the older table stays, in which a
    /// password that was removed still opens.
    pub(super) fn end_change(&mut self) -> Result<()> {
        let storage = self.base.storage.clone();
        self.header.end_change(&*storage).inspect_err(|_| self.base.poison())
    }

    /// Writes every copy of prologue and key table anew, for those that are rotten.
    pub fn rewrite_header(&mut self) -> Result<()> {
        self.ensure_writable()?;
        let base = self.base.clone();
        self.header.write_new(&*base.storage).map_err(|e| {
            base.poison();
            base.io("prologue not written", e)
        })?;
        self.write_keys(self.header.keys.clone())?;
        self.header.rotten.clear();
        Ok(())
    }
}

/// The header zone as it is under the lock. Unlocking takes long, and another process may have changed
/// the key table meanwhile: a writer must build upon the newest, a reader must not take it for a forgery.
pub(super) fn header_of_now(
    storage: &dyn Storage,
    read: Header,
    root: &CommitRoot,
    access: Access,
) -> Result<Header> {
    let keys = &read.keys;
    let agrees = keys.sequence == root.key_table_sequence && keys.hash() == root.key_table_hash;
    match access == Access::Read && agrees {
        true => Ok(read),
        false => Header::read(storage),
    }
}

/// Prologue and key table must be those the root knows, or a newer key table.
pub(super) fn check_header(header: &Header, root: &CommitRoot, name: &str) -> Result<()> {
    if *blake3::hash(&header.prologue.encode()).as_bytes() != root.prologue_hash {
        return Err(Error::damaged(format!(
            "{name}: the prologue is not the one this container was made with"
        )));
    }
    let keys = &header.keys;
    let older = keys.sequence < root.key_table_sequence;
    let other = keys.sequence == root.key_table_sequence && keys.hash() != root.key_table_hash;
    match older || other {
        true => Err(Error::damaged(format!(
            "{name}: the key table was replaced by {}",
            if older { "an older one" } else { "another" }
        ))
        .hint("someone may have put a removed password back; restore the file from a copy")),
        false => Ok(()),
    }
}
