//! Changing key slots of an open container: the new table is written copy by copy, then a commit
//! names it (`format-spec/crypto.md`, Key table).

use super::session::Session;
use crate::chunk_store::{Settings, WritingOptions};
use crate::clock::Timestamp;
use crate::container::commit::CommitOptions;
use crate::container::header::KeyFrame;
use crate::crypto::{Entropy, KeyTable, NewSlot, Secrets};
use crate::error::Result;
use crate::ids::ContainerId;
use crate::snapshot::{Catalog, Ledger};
use rayon::ThreadPool;
use std::sync::Arc;

/// The key table of an open container.
pub fn table(session: &Session) -> Result<KeyTable> {
    KeyTable::decode(&session.store.container().header().keys.table)
}

/// Adds a slot; returns its number.
pub fn add(
    session: &mut Session,
    slot: &NewSlot,
    pool: Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<u32> {
    let time = slot.created;
    alter(session, time, pool, |table, secrets, id| table.add(secrets, id, slot, entropy))
}

/// Replaces what opens slot `number`.
pub fn change(
    session: &mut Session,
    number: u32,
    slot: &NewSlot,
    pool: Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<()> {
    let time = slot.created;
    alter(session, time, pool, |table, secrets, id| table.change(number, secrets, id, slot, entropy))
}

/// Removes slot `number`; the last one stays.
pub fn remove(session: &mut Session, number: u32, time: Timestamp, pool: Arc<ThreadPool>) -> Result<()> {
    alter(session, time, pool, |table, secrets, id| table.remove(number, secrets, id))
}

fn alter<T>(
    session: &mut Session,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    change: impl FnOnce(&mut KeyTable, &Secrets, ContainerId) -> Result<T>,
) -> Result<T> {
    let mut table = table(session)?;
    let id = session.store.container().base().container;
    table.authenticate(&session.secrets, &id)?;
    let result = change(&mut table, &session.secrets, id)?;
    let keys = KeyFrame::of(table.encode());
    session.store.container_mut().write_keys(keys)?;
    session.is_encrypted = table.is_encrypted();
    commit_nothing(session, time, pool)?;
    Ok(result)
}

/// A commit that changes no snapshot, so that the root names the present header zone.
pub fn commit_nothing(session: &mut Session, time: Timestamp, pool: Arc<ThreadPool>) -> Result<()> {
    let settings = session.store.contents().settings.clone();
    commit(session, settings, time, pool)
}

/// A commit that changes nothing but `settings`.
pub(super) fn commit(
    session: &mut Session,
    settings: Settings,
    time: Timestamp,
    pool: Arc<ThreadPool>,
) -> Result<()> {
    let catalog = Catalog::read(&session.store)?;
    commit_catalog(session, &catalog, settings, time, pool)
}

/// A commit of `catalog` and `settings` that writes no chunk.
pub(super) fn commit_catalog(
    session: &mut Session,
    catalog: &Catalog,
    settings: Settings,
    time: Timestamp,
    pool: Arc<ThreadPool>,
) -> Result<()> {
    let store = &mut session.store;
    let ledger = Ledger::read(store)?.encode();
    let commit = CommitOptions { max_bytes: settings.max_bytes, time, read_back: false };
    let writing = store.begin(pool, WritingOptions { commit, level: 3 })?;
    let committed = writing.finish(&catalog.encode(), &ledger, settings)?;
    store.install(committed);
    Ok(())
}
