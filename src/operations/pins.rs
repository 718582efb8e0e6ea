//! Pins: snapshots that nothing removes until they are let go (`format-spec/manifest.md`, Pins). It
//! promises that a change is committed whole, and that what changes nothing writes nothing.

use super::keys::commit_catalog;
use super::session::Session;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::snapshot::{Catalog, Pin};
use rayon::ThreadPool;
use std::sync::Arc;

/// Longest reason in bytes.
const MAX_REASON_BYTES: usize = 1000;

/// Pins `snapshots` in the catalog; those that are pinned already keep their time and, unless there is
/// a new one, their reason. The ids that changed.
///
/// [`Kind::NotFound`] if one does not exist, [`Kind::Usage`] for an endless reason.
pub fn pin(
    catalog: &mut Catalog,
    snapshots: &[SnapshotId],
    reason: &str,
    time: Timestamp,
) -> Result<Vec<SnapshotId>> {
    if reason.len() > MAX_REASON_BYTES {
        return Err(Error::new(Kind::Usage, format!("reason of {} bytes", reason.len()))
            .hint(format!("write at most {MAX_REASON_BYTES} bytes")));
    }
    let mut changed = Vec::new();
    for id in snapshots {
        if !catalog.snapshots.iter().any(|s| s.id == *id) {
            return Err(Error::new(Kind::NotFound, format!("no snapshot {id}")));
        }
        match catalog.pins.iter_mut().find(|pin| pin.snapshot == *id) {
            Some(pin) if reason.is_empty() || pin.reason == reason => continue,
            Some(pin) => pin.reason = reason.into(),
            None => catalog.pins.push(Pin { snapshot: *id, time, reason: reason.into() }),
        }
        changed.push(*id);
    }
    Ok(changed)
}

/// Lets `snapshots` go. The ids that were pinned.
pub fn unpin(catalog: &mut Catalog, snapshots: &[SnapshotId]) -> Vec<SnapshotId> {
    let is_named = |pin: &&Pin| snapshots.contains(&pin.snapshot);
    let changed: Vec<SnapshotId> = catalog.pins.iter().filter(is_named).map(|pin| pin.snapshot).collect();
    catalog.pins.retain(|pin| !snapshots.contains(&pin.snapshot));
    changed
}

/// Commits a catalog whose pins were changed.
pub fn commit(
    session: &mut Session,
    catalog: &Catalog,
    time: Timestamp,
    pool: Arc<ThreadPool>,
) -> Result<()> {
    let settings = session.store.contents().settings.clone();
    commit_catalog(session, catalog, settings, time, pool)
}
