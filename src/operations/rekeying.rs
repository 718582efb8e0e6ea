//! Rotation of keys: a new epoch, from the first commit on the only one that seals, then every segment
//! of an older one written anew (`format-spec/crypto.md`, Changing). It promises that the container opens
//! at every instant, that it grows by few segments however large it is, that it can be interrupted
//! and goes on where it stood, and that old secrets go only when neither of the last two commits
//! needs them.

use super::keys::{commit_nothing, table};
use super::session::Session;
use crate::chunk_store::{IndexEntry, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::container::header::KeyFrame;
use crate::crypto::{Credential, Entropy, KeyTable, Keyring, Secrets};
use crate::error::{Error, Kind, Result};
use crate::ids::SegmentId;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most bytes of segments that one commit writes anew.
const BATCH_BYTES: usize = 256 << 20;
/// Share of the segments that one commit writes anew at the most: the file grows by about twice that.
const BATCH_SHARE: usize = 32;

/// What a rotation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationReport {
    /// The epoch that is current.
    pub epoch: u32,
    /// Segments of older epochs that were written anew.
    pub moved_segments: u64,
    /// Chunks written anew.
    pub moved_chunks: u64,
    /// Segments of older epochs that cannot be read in full and stay as they are.
    pub left: Vec<u32>,
    /// Whether no old epoch is left, its secret included.
    pub is_finished: bool,
}

/// Whether a rotation was begun and not ended: secrets of older epochs are still kept.
pub fn is_pending(session: &Session) -> bool {
    session.secrets.epochs().count() > 1
}

/// The live segments that are sealed in an older epoch.
pub fn old_segments(session: &Session) -> BTreeSet<u32> {
    let current = session.secrets.current_epoch();
    let table = session.store.container().state().table.iter().enumerate();
    let old = table.filter(|(_, r)| r.live && r.id != SegmentId::ZERO && r.epoch != current);
    old.map(|(slot, _)| slot as u32).collect()
}

/// Begins a new epoch in which everything is sealed from now on. Key slots that none of `credentials`
/// opens are removed if `drops_others`; their numbers are returned.
///
/// Errors: [`Kind::WrongKey`] if there are such slots and they are not to go; nothing is changed then.
pub fn start(
    session: &mut Session,
    credentials: &[Credential],
    drops_others: bool,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u32>> {
    let id = session.store.container().base().container;
    let mut table = table(session)?;
    let mut secrets = session.secrets.clone();
    table.authenticate(&secrets, &id)?;
    let others = table.unopened(id, credentials)?;
    if !others.is_empty() && !drops_others {
        let names = others.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::new(Kind::WrongKey, format!("nothing that was given opens key slot {names}"))
            .hint("give those passwords and key files, too, or say --drop-others to remove these slots"));
    }
    for number in &others {
        table.remove(*number, &secrets, id)?;
    }
    table.rotate(&mut secrets, id, credentials, entropy)?;
    install(session, &table, secrets)?;
    commit_nothing(session, time, pool)?;
    Ok(others)
}

/// Writes a key table with other secrets; the session goes on with those.
fn install(session: &mut Session, table: &KeyTable, secrets: Secrets) -> Result<()> {
    let header = session.store.container().header();
    let keyring = Keyring::derive(&secrets, header.prologue.container, header.prologue.family);
    let keys = KeyFrame::of(table.encode());
    session.store.container_mut().change_keys(keys, keyring)?;
    session.secrets = secrets;
    session.is_encrypted = table.is_encrypted();
    Ok(())
}

/// Writes the segments of older epochs anew, some in each commit; then forgets the old secrets.
pub fn go_on(
    session: &mut Session,
    time: Timestamp,
    pool: &Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
    progress: &Progress,
) -> Result<RotationReport> {
    if !session.store.container().header().rotten.is_empty() {
        // With the old secrets go all copies of the table that hold them.
        session.store.container_mut().rewrite_header()?;
    }
    let mut report = RotationReport { epoch: session.secrets.current_epoch(), ..Default::default() };
    let segment = session.store.container().base().geometry.segment_bytes;
    let old = old_segments(session);
    progress.expect(old.len() as u64, (old.len() * segment) as u64);
    let live = session.store.live_slots().len();
    let mut most = (BATCH_BYTES / segment).min(live / BATCH_SHARE).max(2);
    let mut is_tight = false;
    loop {
        let mut old = old_segments(session);
        old.retain(|slot| !report.left.contains(slot));
        if old.is_empty() {
            break;
        }
        let slots: Vec<u32> = old.into_iter().take(most).collect();
        match reseal(session, &slots, time, pool, progress, &mut report, is_tight) {
            Err(error) if error.kind() == Kind::Full && most > 1 => most /= 2,
            // What a commit frees can be written only after the next: one segment at a time, on the
            // reserve, a file at its limit is sealed anew, too.
            Err(error) if error.kind() == Kind::Full && !is_tight => {
                is_tight = true;
                settle(session, time, pool)?;
            }
            Ok(()) if is_tight => settle(session, time, pool)?,
            other => other?,
        }
    }
    if report.left.is_empty() && is_pending(session) {
        forget(session, time, pool, entropy)?;
    }
    report.is_finished = !is_pending(session);
    Ok(report)
}

/// One commit that writes `slots` anew and frees them.
fn reseal(
    session: &mut Session,
    slots: &[u32],
    time: Timestamp,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
    report: &mut RotationReport,
    is_tight: bool,
) -> Result<()> {
    let store = &mut session.store;
    let (catalog, ledger) = (Catalog::read(store)?, Ledger::read(store)?);
    let settings = store.contents().settings.clone();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time, read_back: true };
    let mut writing = store.begin(pool.clone(), WritingOptions { commit, level: 3 })?;
    if is_tight {
        writing.commit().live_on_reserve();
    }
    let table = &store.container().state().table;
    let epoch = store.container().base().keyring().epoch();
    // The copies of older epochs go: they do not count.
    let counts = |copy: &IndexEntry| table.get(copy.location.slot as usize).is_some_and(|r| r.epoch == epoch);
    let (mut moved_segments, mut moved_chunks, mut left) = (0, 0, Vec::new());
    for slot in slots {
        progress.check()?;
        match store.salvage(*slot, true) {
            Ok(salvage) if salvage.is_listed && salvage.lost.is_empty() => {
                moved_chunks += writing.place_salvage(salvage.chunks, &counts)?;
                writing.retire(*slot);
                moved_segments += 1;
            }
            _ => left.push(*slot),
        }
    }
    if moved_segments > 0 {
        let committed = writing.finish(&catalog.encode(), &ledger.encode(), settings)?;
        store.install(committed);
    }
    progress
        .advance(slots.len() as u64, (slots.len() * store.container().base().geometry.segment_bytes) as u64);
    report.moved_segments += moved_segments;
    report.moved_chunks += moved_chunks;
    report.left.extend(left);
    Ok(())
}

/// A commit that changes nothing, after which slots freed before may be written.
fn settle(session: &mut Session, time: Timestamp, pool: &Arc<ThreadPool>) -> Result<()> {
    let store = &mut session.store;
    let (catalog, ledger) = (Catalog::read(store)?, Ledger::read(store)?);
    let settings = store.contents().settings.clone();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time, read_back: true };
    let mut writing = store.begin(pool.clone(), WritingOptions { commit, level: 3 })?;
    writing.commit().live_on_reserve();
    let committed = writing.finish(&catalog.encode(), &ledger.encode(), settings)?;
    store.install(committed);
    Ok(())
}

/// Takes the secrets of older epochs out of every copy of the key table.
fn forget(
    session: &mut Session,
    time: Timestamp,
    pool: &Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<()> {
    // From here on the commit before the last one, too, is sealed in the current epoch alone.
    commit_nothing(session, time, pool.clone())?;
    let mut table = table(session)?;
    let mut secrets = session.secrets.clone();
    let id = session.store.container().base().container;
    table.forget_old_epochs(&mut secrets, id, entropy)?;
    install(session, &table, secrets)?;
    commit_nothing(session, time, pool.clone())
}
