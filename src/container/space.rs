//! Space inside the file that nobody needs (`format-spec/container.md`, Space). It promises to touch
//! nothing that one of the last two generations or a pinned one reaches, and to leave the reserve its
//! blocks.

use super::{Container, lock};
use crate::error::Result;

impl Container {
    /// Gives the blocks of free slots back to the file system where it can, but for the lowest `keep`
    /// of them, the reserve. Returns the bytes given back.
    pub fn punch_free(&self, keep: usize) -> Result<u64> {
        self.ensure_writable()?;
        let current = self.state.root.generation;
        let before = current.saturating_sub(1);
        let protected = lock::oldest_pinned(&self.base, current)?.unwrap_or(before).min(before);
        let g = &self.base.geometry;
        let free = self.state.table.iter().enumerate().filter(|(_, record)| !record.live).skip(keep);
        let mut bytes = 0;
        for (slot, _) in free.filter(|(_, record)| record.generation <= protected) {
            let length = g.segment_bytes as u64;
            let punched = self.base.storage.punch(g.slot_offset(slot as u32), length);
            punched.map_err(|e| self.base.io(format_args!("slot {slot} not given back"), e))?;
            bytes += length;
        }
        Ok(bytes)
    }
}
