//! Kernel locks (`format-spec/container.md`, Locks): one byte for the writer, one for every pinned
//! generation. They promise one writer, that what a reader reaches is never overwritten, and
//! that a dead process holds nothing.

use super::Base;
use super::recovery::Found;
use crate::error::{Error, Kind, Result};
use crate::storage::{Lock, Storage};
use std::sync::Arc;

/// Byte of the writer lock.
pub const WRITER_BYTE: u64 = 1 << 62;
/// First byte of the generation locks.
pub const PIN_BYTE: u64 = WRITER_BYTE + 1;
/// Number of generation bytes: generation g uses byte g modulo this.
pub const PIN_COUNT: u64 = 1 << 16;

/// A held generation lock; released when dropped.
pub struct Pin {
    storage: Arc<dyn Storage>,
    byte: u64,
}

impl Drop for Pin {
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

/// Opens the newest state and pins it: locks its generation, reads again, and retries if it is no
/// longer among the newest two.
pub fn pinned(
    base: &Arc<Base>,
    notes: &mut Vec<String>,
    newest: impl Fn() -> Result<Found>,
) -> Result<(Found, Option<Pin>)> {
    for _ in 0..100 {
        let found = newest()?;
        let generation = found.state.root.generation;
        let byte = PIN_BYTE + generation % PIN_COUNT;
        match base.storage.lock(byte, false).map_err(|e| base.io("generation lock not taken", e))? {
            Lock::Acquired => {}
            Lock::Busy => continue,
            Lock::Unsupported => {
                notes.push(
                    "this file system has no locks: a backup running now could disturb this reading".into(),
                );
                return Ok((found, None));
            }
        }
        let pin = Pin { storage: base.storage.clone(), byte };
        if newest()?.state.root.generation <= generation + 1 {
            return Ok((found, Some(pin)));
        }
    }
    Err(Error::new(Kind::Busy, format!("{}: commits follow too fast to read one", base.name())))
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
