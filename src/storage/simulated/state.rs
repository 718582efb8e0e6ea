//! The inside of a simulated disk: cache, medium, limits, faults. It promises the order of a real
//! system: an operation is counted, may fail, takes effect in the cache, and waits for a sync.

use super::change::{Change, SECTOR_BYTES};
use super::crash::{Event, Log, Medium};
use super::faults::{Faults, Operation};
use super::image::Image;
use super::locks::Locks;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct State {
    /// What reads see.
    pub(super) cache: Image,
    pub(super) medium: Medium,
    pub(super) operations: u64,
    pub(super) log: Option<Log>,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    pub(super) length_limit: Option<u64>,
    pub(super) failed_sync_keeps: bool,
    /// Whether the cache may differ from the medium without anything pending.
    stale: bool,
    pub(super) bad_sectors: BTreeSet<u64>,
    pub(super) locks: Locks,
    pub(super) locks_unsupported: bool,
    pub(super) open_files: u64,
}

impl State {
    pub(super) fn new(image: Image) -> Self {
        let medium = Medium { durable: image.clone(), pending: Vec::new() };
        State { cache: image, medium, ..State::default() }
    }

    pub(super) fn read(&mut self, offset: u64, end: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.faults.check(Operation::Read)?;
        if end > self.cache.len && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sectors = offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        if self.bad_sectors.range(sectors).next().is_some() {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.cache.read(offset, buffer);
        Ok(())
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let whole = bytes.len() as u64;
        let (written, outcome) = match self.faults.check(Operation::Write) {
            // A failed write may have done nothing, half or everything: each in turn.
            Err(error) => ([0, whole / 2, whole][(self.operations % 3) as usize], Err(error)),
            Ok(()) => self.room(offset, whole),
        };
        if written == 0 {
            self.follow(Event::Nothing);
            return outcome;
        }
        self.cache.write(offset, &bytes[..written as usize]);
        self.cache.len = self.cache.len.max(offset + written);
        // A drive gives a bad sector that is overwritten whole another place.
        for sector in offset.div_ceil(SECTOR_BYTES)..(offset + written) / SECTOR_BYTES {
            self.bad_sectors.remove(&sector);
        }
        let change = Change::written(&self.cache, offset, written);
        self.follow(Event::Changed(Arc::new(change)));
        outcome
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        let outcome = self.faults.check(Operation::Resize).and_then(|()| match self.length_limit {
            Some(limit) if len > limit.max(self.cache.len) => Err(too_large()),
            _ => Ok(()),
        });
        if outcome.is_err() {
            self.follow(Event::Nothing);
            return outcome;
        }
        let old = self.cache.len;
        self.cache.cut(len);
        let change = match old.checked_sub(len) {
            Some(lost) => Change::cleared(&self.cache, len, lost),
            None => Change::length(&self.cache),
        };
        self.follow(Event::Changed(Arc::new(change)));
        Ok(())
    }

    pub(super) fn allocate(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let (given, outcome) = match self.faults.check(Operation::Resize) {
            Err(error) => (0, Err(error)),
            Ok(()) => self.room(offset, length),
        };
        if given == 0 {
            self.follow(Event::Nothing);
            return outcome;
        }
        self.cache.allocate(offset, given);
        self.cache.len = self.cache.len.max(offset + given);
        self.follow(Event::Changed(Arc::new(Change::allocated(&self.cache, offset, given))));
        outcome
    }

    pub(super) fn punch(&mut self, offset: u64, end: u64) -> io::Result<()> {
        let end = end.min(self.cache.len);
        let outcome = self.faults.check(Operation::Punch);
        if outcome.is_err() || offset >= end {
            self.follow(Event::Nothing);
            return outcome;
        }
        self.cache.clear(offset, end - offset);
        let change = Change::cleared(&self.cache, offset, end - offset);
        self.follow(Event::Changed(Arc::new(change)));
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        let outcome = self.faults.check(Operation::Sync);
        let event = match &outcome {
            Ok(()) => Event::Synced,
            Err(_) if self.failed_sync_keeps => Event::Nothing,
            Err(_) => {
                self.stale = true;
                Event::Dropped
            }
        };
        self.follow(event);
        outcome
    }

    /// Shows what the medium holds where a failed sync had left the cache ahead of it.
    pub(super) fn drop_cache(&mut self, offset: u64, end: u64) {
        let (from, to) = (offset, end.min(self.cache.len));
        if !self.stale || from >= to {
            return;
        }
        let mut truth = self.medium.durable.clone();
        self.medium.pending.iter().for_each(|change| change.apply_content(&mut truth));
        let mut bytes = vec![0; (to - from) as usize];
        truth.read(from, &mut bytes);
        self.cache.write(from, &bytes);
    }

    /// Changes the medium and the cache behind the caller's back; not an operation.
    pub(super) fn corrupt(&mut self, offset: u64, length: u64, change: impl Fn(&mut [u8])) {
        for image in [&mut self.cache, &mut self.medium.durable] {
            let mut bytes = vec![0; length.min(image.len.saturating_sub(offset)) as usize];
            if !bytes.is_empty() {
                image.read(offset, &mut bytes);
                change(&mut bytes);
                image.write(offset, &bytes);
            }
        }
    }

    /// How much of a range may be written, and the failure if that is not all.
    fn room(&self, offset: u64, length: u64) -> (u64, io::Result<()>) {
        let allowed = match self.length_limit {
            Some(limit) => length.min(limit.max(self.cache.len).saturating_sub(offset)),
            None => length,
        };
        let Some(capacity) = self.capacity else {
            return (allowed, if allowed < length { Err(too_large()) } else { Ok(()) });
        };
        let free = capacity.saturating_sub(self.cache.allocated_bytes());
        let fitting = self.cache.fitting(offset, allowed, free);
        match () {
            () if fitting < allowed => (fitting, Err(io::Error::from_raw_os_error(libc::ENOSPC))),
            () if allowed < length => (allowed, Err(too_large())),
            () => (length, Ok(())),
        }
    }

    /// Counts and records an operation and brings the medium up to it.
    fn follow(&mut self, event: Event) {
        self.operations += 1;
        self.medium.follow(&event);
        if let Some(log) = &mut self.log {
            log.events.push(event);
        }
    }
}

fn too_large() -> io::Error {
    io::Error::from_raw_os_error(libc::EFBIG)
}
