//! Kernel locks (`format-spec/container.md`, Locks): one byte for the writer, one for every pinned
//! generation. They promise one writer, that what a reader reaches is never overwritten, and
//! that a dead process holds nothing.

use super::Base;
use crate::error::{Error, Kind, Result};
use crate::storage::{Lock, Storage};
use std::ops::Deref;

/// Byte of the writer lock.
pub const WRITER_BYTE: u64 = 1 << 62;
/// First byte of the generation locks.
pub const PIN_BYTE: u64 = WRITER_BYTE + 1;
/// Number of generation bytes: generation g uses byte g modulo this.
pub const PIN_COUNT: u64 = 1 << 16;

/// A held generation lock; released when dropped.
pub struct Pin<S: Deref<Target: Storage>> {
    storage: S,
    byte: u64,
}

impl<S: Deref<Target: Storage>> Drop for Pin<S> {
    fn drop(&mut self) {
        self.storage.unlock(self.byte);
    }
}

/// Takes the writer lock or fails at once. It ends with the open file.
pub fn take_writer(base: &Base) -> Result<()> {
    match base.storage.lock(WRITER_BYTE, true).map_err(|e| base.io("writer lock not taken", e))? {
        Lock::Acquired => Ok(()),
        Lock::Busy => Err(Error::new(Kind::Busy, format!("{}: another coffer is writing", base.name()))
            .hint("wait for it, or give --lock-wait SECONDS")),
        Lock::Unsupported => {
            Err(Error::new(Kind::Destination, format!("{}: this file system has no locks", base.name()))
                .hint("keep the container on a local disk; it can still be read here"))
        }
    }
}

/// Finds the newest state and pins it: locks its generation, finds again, and retries if it is no longer
/// among the newest two. No pin: there are no locks here.
///
/// Errors: those of `newest`; [`Kind::Destination`] if a lock fails, [`Kind::Busy`] if commits outrun it.
pub fn pinned<T, S: Deref<Target: Storage> + Clone>(
    storage: S,
    name: &str,
    newest: impl Fn() -> Result<T>,
    generation_of: impl Fn(&T) -> u64,
) -> Result<(T, Option<Pin<S>>)> {
    for _ in 0..100 {
        let found = newest()?;
        let generation = generation_of(&found);
        let byte = PIN_BYTE + generation % PIN_COUNT;
        let failed = |e| Error::io(Kind::Destination, format!("{name}: generation lock not taken"), e);
        match storage.lock(byte, false).map_err(failed)? {
            Lock::Acquired => {}
            Lock::Busy => continue,
            Lock::Unsupported => return Ok((found, None)),
        }
        let pin = Pin { storage: storage.clone(), byte };
        if generation_of(&newest()?) <= generation + 1 {
            return Ok((found, Some(pin)));
        }
    }
    Err(Error::new(Kind::Busy, format!("{name}: commits follow too fast to read one")))
}

/// The oldest generation that some reader pins, if older than `current`.
pub fn oldest_pinned(base: &Base, current: u64) -> Result<Option<u64>> {
    let bytes =
        base.storage.locked_by_others(PIN_BYTE, PIN_COUNT).map_err(|e| base.io("locks not read", e))?;
    let generation = |byte: u64| {
        let behind = (current + PIN_COUNT - (byte - PIN_BYTE)) % PIN_COUNT;
        current.saturating_sub(behind)
    };
    Ok(bytes.into_iter().map(generation).min())
}
