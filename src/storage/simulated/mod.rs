//! A disk that lives in memory and fails like a real one, for tests and fuzz targets. It promises
//! the semantics of [`super::FileStorage`] while nothing fails, the same failures for the same
//! orders and seeds, and crash images that only a real crash could leave: a container that survives
//! every one of them survives the power cut (`format-spec/container.md`, Commit).
//!
//! Reads see the cache: the medium plus everything not yet synced. Rot is planted with
//! [`SimulatedDisk::corrupt`]; stale, swapped and misdirected sectors are rot of known content.

mod change;
mod crash;
mod faults;
mod image;
mod locks;
mod random;
mod state;

pub use crash::{CrashPoint, CrashPoints};
pub use faults::{Fault, FaultError, Operation};

use super::{Lock, Storage, range_end};
use change::SECTOR_BYTES;
use crash::Log;
use image::Image;
use state::State;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open file on a simulated disk. Clones are the same open file (they share locks, as after
/// `dup`); [`SimulatedDisk::reopen`] opens another on the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    file: Arc<OpenFile>,
}

/// What locks belong to.
struct OpenFile {
    disk: Arc<Mutex<State>>,
    number: u64,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        lock_state(&self.disk).locks.close(self.number);
    }
}

/// A test that panicked elsewhere must not hide behind a second panic here.
fn lock_state(disk: &Mutex<State>) -> MutexGuard<'_, State> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        SimulatedDisk::new()
    }
}

impl SimulatedDisk {
    /// An empty file on a disk without limits or faults.
    pub fn new() -> Self {
        SimulatedDisk::from_image(Image::default())
    }

    /// A file of these bytes, all durable.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        SimulatedDisk::from_image(Image::from_bytes(&bytes))
    }

    fn from_image(image: Image) -> Self {
        let disk = Arc::new(Mutex::new(State::new(image)));
        SimulatedDisk { file: Arc::new(OpenFile { disk, number: 0 }) }
    }

    /// Another open file on the same disk, as another process would have: its locks conflict.
    pub fn reopen(&self) -> Self {
        let number = {
            let mut state = self.state();
            state.open_files += 1;
            state.open_files
        };
        SimulatedDisk { file: Arc::new(OpenFile { disk: self.file.disk.clone(), number }) }
    }

    /// What reads see now; also what a killed process leaves to the next.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().cache.to_vec()
    }

    /// What the medium is sure to hold: nothing unsynced.
    pub fn durable_bytes(&self) -> Vec<u8> {
        self.state().medium.durable.to_vec()
    }

    /// Bytes in allocated 4096-byte blocks: what counts against the capacity.
    pub fn allocated_bytes(&self) -> u64 {
        self.state().cache.allocated_bytes()
    }

    /// How many writes, resizes, punches and syncs there were, failed ones included; reads and
    /// hints do not count. To be noted at each acknowledgement and compared with
    /// [`CrashPoint::operation`]: what was acknowledged at or before a crash point must survive it.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Begins to keep every operation with its bytes, for [`SimulatedDisk::crash_points`].
    pub fn record(&self) {
        let mut state = self.state();
        let log = Log { first: state.operations, medium: state.medium.clone(), events: Vec::new() };
        state.log = Some(log);
    }

    /// Every moment since [`SimulatedDisk::record`] at which the power could have failed; only the
    /// present one if nothing was recorded.
    pub fn crash_points(&self) -> CrashPoints {
        let state = self.state();
        let now = || Log { first: state.operations, medium: state.medium.clone(), events: Vec::new() };
        CrashPoints::new(state.log.clone().unwrap_or_else(now))
    }

    /// A fresh disk, without limits or faults, as a power loss now may leave it; seeds as in
    /// [`CrashPoint::image`].
    pub fn crash(&self, seed: u64) -> SimulatedDisk {
        let image = self.state().medium.crash(seed);
        SimulatedDisk::from_image(image)
    }

    /// Orders the `nth` operation of a class from now on (the first is 1) to fail.
    ///
    /// A write that fails has changed nothing, half or all of its range. For failing syncs see
    /// [`SimulatedDisk::set_failed_sync_keeps`].
    pub fn fail_at(&self, nth: u64, class: Operation, fault: Fault) {
        self.state().faults.arm(nth, class, fault);
    }

    /// Whether an ordered failure has happened: a loop over `nth` ends when it has not.
    pub fn fault_fired(&self) -> bool {
        self.state().faults.fired()
    }

    /// Forgets all ordered failures.
    pub fn clear_faults(&self) {
        self.state().faults = Default::default();
    }

    /// Whether what waited for a sync that failed may still be synced later.
    ///
    /// By default it may not, as on Linux: the cache keeps showing it, later syncs succeed, the
    /// medium never gets it, and [`Storage::drop_cache`] shows the truth.
    pub fn set_failed_sync_keeps(&self, keeps: bool) {
        self.state().failed_sync_keeps = keeps;
    }

    /// Limits the disk's blocks, in bytes: writes into holes or beyond the end and allocations fail
    /// with [`io::ErrorKind::StorageFull`] where they pass it, after doing the part that fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Limits the file's length, as a resource limit does: [`io::ErrorKind::FileTooLarge`].
    pub fn set_length_limit(&self, bytes: Option<u64>) {
        self.state().length_limit = bytes;
    }

    /// Changes bytes of the medium unnoticed, as rot does; the part beyond the end is left out.
    ///
    /// `change` is applied to the medium and to the cache, each up to its own length. Unsynced
    /// writes to the same 512-byte sectors undo it when they are synced. It is no operation: crash
    /// points of a recording that began earlier do not show it.
    pub fn corrupt(&self, offset: u64, length: u64, change: impl Fn(&mut [u8])) {
        self.state().corrupt(offset, length, change);
    }

    /// Makes every 512-byte sector of the range unreadable (EIO) until it is overwritten whole.
    pub fn make_unreadable(&self, offset: u64, length: u64) {
        let sectors = offset / SECTOR_BYTES..offset.saturating_add(length).div_ceil(SECTOR_BYTES);
        self.state().bad_sectors.extend(sectors);
    }

    /// Whether locks exist here, as they do by default; without, asking gives [`Lock::Unsupported`].
    pub fn set_locks_supported(&self, supported: bool) {
        self.state().locks_unsupported = !supported;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock_state(&self.file.disk)
    }
}

impl Storage for SimulatedDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = range_end(offset, buffer.len() as u64)?;
        self.state().read(offset, end, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        range_end(offset, bytes.len() as u64)?;
        self.state().write(offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state().cache.len)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        range_end(bytes, 0)?;
        self.state().set_len(bytes)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        range_end(offset, length)?;
        self.state().allocate(offset, length)
    }

    fn sync(&self) -> io::Result<()> {
        self.state().sync()
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = range_end(offset, length)?;
        self.state().punch(offset, end)
    }

    fn start_writeback(&self, _: u64, _: u64) {}

    fn drop_cache(&self, offset: u64, length: u64) {
        self.state().drop_cache(offset, offset.saturating_add(length));
    }

    fn lock(&self, byte: u64, exclusive: bool) -> io::Result<Lock> {
        range_end(byte, 1)?;
        let mut state = self.state();
        if state.locks_unsupported {
            return Ok(Lock::Unsupported);
        }
        Ok(state.locks.take(self.file.number, byte, exclusive))
    }

    fn unlock(&self, byte: u64) {
        self.state().locks.release(self.file.number, byte);
    }

    fn locked_by_others(&self, first: u64, count: u64) -> io::Result<Vec<u64>> {
        let end = range_end(first, count)?;
        let state = self.state();
        if state.locks_unsupported {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(state.locks.held_by_others(self.file.number, first, end))
    }
}

#[cfg(test)]
mod tests;
