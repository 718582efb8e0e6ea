//! How much space a restore needs, told before anything is written.

use crate::attachments::restore::Target;
use crate::entry::{Entry, EntryKind};
use crate::error::{Error, Kind, Result};
use std::path::Path;

/// Space that file systems give out at a time, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// What a restore needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Entries that are meant.
    pub entries: u64,
    /// Bytes of their contents, holes aside.
    pub data_bytes: u64,
    /// Space that must be free, what is already there taken into account.
    pub space_bytes: u64,
}

impl Need {
    /// Fails with [`Kind::Full`] if the target's file system has less space.
    pub fn check(&self, target: &Path) -> Result<()> {
        let Some(free) = free_bytes(target) else { return Ok(()) };
        if free >= self.space_bytes {
            return Ok(());
        }
        let message = format!("{}: {} bytes are needed, {free} are free", target.display(), self.space_bytes);
        Err(Error::new(Kind::Full, message).hint("nothing was written; free space or choose another folder"))
    }
}

/// Free space where `target` is or will be; `None` if that cannot be told.
fn free_bytes(target: &Path) -> Option<u64> {
    let absolute = std::path::absolute(target).ok()?;
    let there = absolute.ancestors().find(|p| p.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Adds up what `entries` need; what stands finished in `there` needs nothing.
pub fn need(
    entries: impl Iterator<Item = Result<Entry>>,
    root: &Path,
    there: Option<&Target>,
) -> Result<Need> {
    let mut need = Need::default();
    // Each file is written beside the one it replaces, so the highest water mark counts.
    let mut level: i128 = 0;
    let mut highest: i128 = 0;
    for entry in entries {
        // A damaged manifest is met, and named, by the restore itself.
        let Ok(entry) = entry else { break };
        need.entries += 1;
        let bytes = match &entry.kind {
            EntryKind::File(content) | EntryKind::Dump(content) => {
                content.data_bytes().unwrap_or(content.size)
            }
            EntryKind::Folder => BLOCK_BYTES,
            // As SQL text rows are longer than in their groups; how much is known only afterwards.
            EntryKind::Table(table) => table.content.size.saturating_add(table.content.size / 2),
            _ => 0,
        };
        if entry.kind.content().is_some() {
            need.data_bytes = need.data_bytes.saturating_add(bytes);
        }
        if let Some(target) = there
            && (entry.kind.content().is_some() && target.entry_is_done(&entry)?)
        {
            continue;
        }
        level += i128::from(bytes.div_ceil(BLOCK_BYTES)) * i128::from(BLOCK_BYTES);
        highest = highest.max(level);
        if there.is_some() {
            level -= i128::from(allocated(root, &entry));
        }
    }
    need.space_bytes = u64::try_from(highest).unwrap_or(u64::MAX);
    Ok(need)
}

/// Space of what stands at the entry's place; a guess for reckoning only, so links do no harm.
fn allocated(root: &Path, entry: &Entry) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let path = root.join(std::ffi::OsStr::from_bytes(&entry.path.0));
    path.symlink_metadata().map_or(0, |m| m.blocks().saturating_mul(512))
}
