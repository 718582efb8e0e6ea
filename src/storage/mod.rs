//! The bytes under a container: positioned reads and writes, sync and kernel locks behind one
//! trait, [`Storage`]; a real file, [`FileStorage`], and a [`SimulatedDisk`] that loses power.
//!
//! It promises what a commit (`format-spec/container.md`, Commit) is built on: a write is whole or an
//! error, [`Storage::sync`] returns `Ok` only for bytes that the medium reported as kept, and locks
//! die with their holder. It retries nothing but interrupted calls: after a failed write or sync
//! the caller must stop writing.

mod file;
mod kernel;
mod lock;
pub mod place;
mod simulated;
pub mod state_file;

pub use file::{FileStorage, sync_folder_of};
pub use simulated::{CrashPoint, CrashPoints, Fault, FaultError, Operation, SimulatedDisk};

use std::io;

/// The outcome of asking for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Lock {
    /// The lock is ours until it is unlocked or the storage is dropped.
    Acquired,
    /// Another open file holds a conflicting lock.
    Busy,
    /// The file system or system offers no such locks.
    Unsupported,
}

/// One container's bytes. All offsets and lengths are in bytes; a range that ends above
/// `i64::MAX` is refused with [`io::ErrorKind::InvalidInput`].
///
/// Every method takes `&self` and may be called from several threads at once; two writes to
/// overlapping ranges at the same time leave either order.
pub trait Storage: Send + Sync {
    /// Fills `buffer` from `offset`; [`io::ErrorKind::UnexpectedEof`] if the range passes the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file where needed (a gap reads as zeros).
    ///
    /// On failure any part may have been written. Durable only after [`Storage::sync`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// The current length.
    fn len(&self) -> io::Result<u64>;

    /// Whether the length is zero.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or grows it with a hole of zeros that takes no blocks.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Gives the range real blocks, so that writing it later cannot meet a full disk, and grows the
    /// file to its end. What was in the range stays, the rest reads as zeros.
    ///
    /// [`io::ErrorKind::StorageFull`] comes here, early; some blocks may have been given and the
    /// file may have grown part of the way. Where the file system cannot allocate, the file is
    /// only grown, and a full disk shows at the write.
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Makes every earlier write, length and hole durable (`fsync`; `F_FULLFSYNC` on macOS).
    ///
    /// After a failure no later success speaks for bytes written before it.
    fn sync(&self) -> io::Result<()>;

    /// Frees the blocks of a range, which then reads as zeros; the length stays.
    ///
    /// `Ok` without effect where holes are unsupported: only for bytes nobody will read.
    fn punch(&self, offset: u64, length: u64) -> io::Result<()>;

    /// A hint: begin writing the range to the medium. Promises nothing.
    fn start_writeback(&self, offset: u64, length: u64);

    /// A hint: forget the cached bytes of a synced range, so that the next read asks the medium.
    fn drop_cache(&self, offset: u64, length: u64);

    /// Asks, without waiting, for a lock on one byte (which need not exist), shared or exclusive.
    ///
    /// The lock belongs to this open file: not to the process, and gone when the file is closed,
    /// even by `kill -9`. Asking again changes a lock already held. An exclusive lock needs a
    /// writable storage.
    fn lock(&self, byte: u64, exclusive: bool) -> io::Result<Lock>;

    /// Gives a lock back; nothing happens if it is not held.
    fn unlock(&self, byte: u64);

    /// The bytes of the range on which other open files hold locks of either kind, ascending.
    ///
    /// [`io::ErrorKind::Unsupported`] where locks are: no answer is never "nobody".
    fn locked_by_others(&self, first: u64, count: u64) -> io::Result<Vec<u64>>;
}

/// The end of a range, or [`io::ErrorKind::InvalidInput`] if it lies above `i64::MAX`.
fn range_end(offset: u64, length: u64) -> io::Result<u64> {
    match offset.checked_add(length) {
        Some(end) if end <= i64::MAX as u64 => Ok(end),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a range of {length} bytes at {offset} passes the largest offset"),
        )),
    }
}

#[cfg(test)]
mod tests;
