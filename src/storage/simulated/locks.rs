//! The lock table of a simulated disk. It promises the rules of open-file-description locks: an
//! open file never conflicts with itself, and closing it releases what it holds.

use super::super::Lock;
use std::collections::BTreeMap;

/// Who holds which byte.
#[derive(Default)]
pub(super) struct Locks(BTreeMap<u64, Vec<Holder>>);

struct Holder {
    open_file: u64,
    exclusive: bool,
}

impl Locks {
    /// Takes or changes a lock unless another open file's lock conflicts.
    pub(super) fn take(&mut self, open_file: u64, byte: u64, exclusive: bool) -> Lock {
        let holders = self.0.entry(byte).or_default();
        if holders.iter().any(|other| other.open_file != open_file && (exclusive || other.exclusive)) {
            return Lock::Busy;
        }
        holders.retain(|holder| holder.open_file != open_file);
        holders.push(Holder { open_file, exclusive });
        Lock::Acquired
    }

    /// Gives one lock back.
    pub(super) fn release(&mut self, open_file: u64, byte: u64) {
        if let Some(holders) = self.0.get_mut(&byte) {
            holders.retain(|holder| holder.open_file != open_file);
        }
    }

    /// Gives back all that a closed file held.
    pub(super) fn close(&mut self, open_file: u64) {
        self.0.values_mut().for_each(|holders| holders.retain(|holder| holder.open_file != open_file));
    }

    /// The bytes in `first..end` that others hold.
    pub(super) fn held_by_others(&self, open_file: u64, first: u64, end: u64) -> Vec<u64> {
        let held = self.0.range(first..end.max(first));
        let foreign = held.filter(|(_, holders)| holders.iter().any(|holder| holder.open_file != open_file));
        foreign.map(|(byte, _)| *byte).collect()
    }
}
