//! Which slots a commit may write (`format-spec/container.md`, Space). It promises that a slot that
//! the last two generations or a pinned one reach is never handed out, and that the file never
//! grows past its limit.

use super::super::root::SegmentRecord;
use super::super::writer::Written;
use super::super::{Base, State, lock};
use crate::error::{Error, Kind, Result};
use std::collections::HashSet;
use std::ops::Range;

/// Bytes by which the file grows at a time while a commit is being written.
const GROWTH_BYTES: usize = 32 << 20;

/// Slots that the commit after one with chunks must be able to write: two for its metadata, one for its
/// chunks.
const LEAST_NEXT: usize = 3;

/// Slots that the commit after one on the reserve must be able to write, so that a prune can begin.
const LEAST_ON_RESERVE: usize = 2;

/// The segment table in the making.
pub struct Slots {
    records: Vec<SegmentRecord>,
    /// Slots that the file has room for.
    allocated: usize,
    most: usize,
    free_before: usize,
    protected: u64,
    /// The parent's generation: what was free at it is usable for the commit after this one.
    parent: u64,
    /// The oldest generation that a reader pins, if it keeps slots from being reused.
    held: Option<u64>,
    cursor: usize,
    /// Whether the file is not to grow, whatever its limit says.
    stays: bool,
}

impl Slots {
    /// Starts from the table of `parent`.
    pub fn new(base: &Base, parent: &State, max_bytes: Option<u64>) -> Result<Slots> {
        let current = parent.root.generation;
        let pinned = lock::oldest_pinned(base, current)?;
        let before = current.saturating_sub(1);
        let length = base.storage.len().map_err(|e| base.io("length not read", e))?;
        let allocated = base.geometry.slots_in(length) as usize;
        let mut records = parent.table.clone();
        let needed = parent.table.iter().rposition(|r| r.live).map_or(0, |last| last + 1);
        if allocated < needed {
            return Err(Error::damaged(format!("{}: cut off within its live segments", base.name()))
                .hint("coffer verify says what is lost; restore the file from a copy"));
        }
        if allocated < parent.table.len() {
            // Only free slots were cut off: they are given their room again, or given up.
            let (from, to) =
                (base.geometry.file_bytes(needed as u32), base.geometry.file_bytes(parent.root.slot_count));
            match base.storage.allocate(from, to - from) {
                Ok(()) => {}
                Err(e) => match base.io("no room to grow", e) {
                    error if error.kind() == Kind::Full => records.truncate(allocated),
                    error => return Err(error),
                },
            }
        }
        let allocated = allocated.max(records.len());
        Ok(Slots {
            free_before: parent.table.iter().filter(|r| !r.live).count(),
            records,
            allocated,
            most: max_bytes.map_or(usize::MAX, |bytes| base.geometry.slots_in(bytes) as usize),
            protected: pinned.unwrap_or(before).min(before),
            parent: current,
            held: pinned.filter(|p| *p < before),
            cursor: 1,
            stays: false,
        })
    }

    /// Takes the lowest slot that may be written, growing the file if there is none.
    pub fn take(&mut self, base: &Base, record: SegmentRecord) -> Result<u32> {
        let slot = match self.records[self.cursor..].iter().position(|r| self.is_usable(r)) {
            Some(ahead) => {
                // It may be a hole: its blocks are asked for now, so that writing cannot meet a full disk.
                let slot = self.cursor + ahead;
                give_blocks(base, slot..slot + 1)?;
                slot
            }
            None => {
                self.grow(base)?;
                self.records.len() - 1
            }
        };
        self.cursor = slot + 1;
        self.records[slot] = record;
        Ok(slot as u32)
    }

    /// Whether nothing that is protected reaches a slot: it may be overwritten, punched or cut off.
    fn is_usable(&self, record: &SegmentRecord) -> bool {
        !record.live && record.generation <= self.protected
    }

    /// Slots that may still be taken without growing the file.
    pub fn usable_count(&self) -> usize {
        self.records.iter().skip(self.cursor).filter(|r| self.is_usable(r)).count()
    }

    /// The oldest generation that a reader pins, if it keeps slots from being reused.
    pub fn held_generation(&self) -> Option<u64> {
        self.held
    }

    /// From now on the file does not grow.
    pub fn stay_within(&mut self) {
        self.most = self.records.len();
        self.stays = true;
    }

    /// Gives up free slots at the end of the file, down to `count` slots, as far as they are usable.
    /// What this commit may overwrite it may cut off as well, at any moment.
    pub fn cut(&mut self, count: usize) {
        let is_cut = |slots: &Slots| {
            slots.records.len() > count.max(2) && slots.records.last().is_some_and(|r| slots.is_usable(r))
        };
        while is_cut(self) {
            self.records.pop();
        }
        self.most = self.most.min(self.records.len());
    }

    fn grow(&mut self, base: &Base) -> Result<()> {
        if self.records.len() >= self.most {
            return Err(self.no_more(base));
        }
        if self.records.len() >= self.allocated {
            let step = (GROWTH_BYTES / base.geometry.segment_bytes).clamp(1, self.most - self.records.len());
            if self.allocate(base, step).is_err() {
                self.allocate(base, 1)?;
            }
        }
        self.records.push(SegmentRecord::free(0));
        Ok(())
    }

    /// Why no slot can be had: no other may be written over, and the file may not grow.
    pub fn no_more(&self, base: &Base) -> Error {
        let (name, limit) = (base.name(), base.geometry.file_bytes(self.most as u32));
        let (message, hint) = match self.stays {
            true => (
                format!(
                    "{name}: no room is left in it for another commit, and this one must not make it longer"
                ),
                "free space on the disk, or raise the limit, and run the command again; \
                 earlier snapshots are intact",
            ),
            false => (
                format!("{name}: its limit of {limit} bytes is reached"),
                "raise the limit: coffer set CONTAINER --max-size SIZE; earlier snapshots are intact",
            ),
        };
        match self.held {
            Some(held) => Error::new(
                Kind::Busy,
                format!("{message}, and a reader of commit {held} keeps old segments from being reused"),
            )
            .hint("wait until that reader has ended; earlier snapshots are intact"),
            None => Error::new(Kind::Full, message).hint(hint),
        }
    }

    fn allocate(&mut self, base: &Base, count: usize) -> Result<()> {
        let offset = base.geometry.file_bytes(self.allocated as u32);
        let length = (count * base.geometry.segment_bytes) as u64;
        base.storage.allocate(offset, length).map_err(|e| {
            base.io("no room to grow", e).hint("free space on the disk; earlier snapshots are intact")
        })?;
        self.allocated += count;
        Ok(())
    }

    /// Slots of the table, slot 0 included.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Slots that nothing of this commit uses.
    pub fn free_count(&self) -> usize {
        self.records.iter().filter(|r| !r.live).count()
    }

    /// Slots that the next commit may write: those that this one frees do not help it.
    fn left_for_next(&self) -> usize {
        self.records.iter().filter(|r| !r.live && r.generation <= self.parent).count()
    }

    /// Whether the next commit will find slots to write.
    pub fn leaves_next(&self) -> bool {
        self.left_for_next() >= LEAST_NEXT
    }

    /// Whether the next commit will find slots for metadata, as one has to that gives space back.
    pub fn leaves_reserve(&self) -> bool {
        self.left_for_next() >= LEAST_ON_RESERVE
    }

    /// Grows the file until `spare` slots are free, and enough of them for the next commit.
    pub fn keep_free(&mut self, base: &Base, spare: usize) -> Result<()> {
        while self.free_count() < spare || !self.leaves_next() {
            self.grow(base)?;
        }
        let mut runs: Vec<Range<usize>> = Vec::new();
        for slot in (1..self.records.len()).filter(|slot| !self.records[*slot].live).take(spare) {
            match runs.last_mut() {
                Some(run) if run.end == slot => run.end = slot + 1,
                _ => runs.push(slot..slot + 1),
            }
        }
        runs.into_iter().try_for_each(|run| give_blocks(base, run))
    }

    /// Whether fewer slots are free than when the commit began.
    pub fn has_less_free(&self) -> bool {
        self.free_count() < self.free_before
    }

    /// The table.
    pub fn records(&self) -> &[SegmentRecord] {
        &self.records
    }

    /// Counts one more chunk copy in `slot`.
    pub fn count_chunk(&mut self, slot: u32) {
        self.records[slot as usize].chunk_count += 1;
    }

    /// Takes the chunks of a slot for moved, so that [`Slots::settle`] frees it.
    pub fn retire(&mut self, slot: u32) {
        self.records[slot as usize].chunk_count = 0;
    }

    /// Enters what was written and frees older segments that hold no chunk and that `keeps` does
    /// not name.
    pub fn settle(&mut self, written: &[Written], keeps: impl Iterator<Item = u32>, generation: u64) {
        written.iter().for_each(|w| self.records[w.slot as usize].directory_tag = w.directory_tag);
        let keeps: HashSet<u32> = keeps.collect();
        for (slot, record) in self.records.iter_mut().enumerate().skip(1) {
            let idle = record.live && record.chunk_count == 0 && record.generation < generation;
            if idle && !keeps.contains(&(slot as u32)) {
                *record = SegmentRecord::free(generation);
            }
        }
    }

    /// Makes the file exactly as long as the table says.
    pub fn cut_to_size(&mut self, base: &Base) -> Result<()> {
        let length = base.geometry.file_bytes(self.records.len() as u32);
        let now = base.storage.len().map_err(|e| base.io("length not read", e))?;
        // Growth that failed part of the way, or a crash, may have left any length.
        if now != length {
            base.storage.set_len(length).map_err(|e| base.io("length not set", e))?;
        }
        self.allocated = self.records.len();
        Ok(())
    }
}

/// Sees to it that slots are no holes, so that writing them cannot meet a full disk.
fn give_blocks(base: &Base, slots: Range<usize>) -> Result<()> {
    let offset = base.geometry.slot_offset(slots.start as u32);
    let length = (slots.len() * base.geometry.segment_bytes) as u64;
    base.storage.allocate(offset, length).map_err(|e| {
        base.io("no room for a segment", e).hint("free space on the disk; earlier snapshots are intact")
    })
}
