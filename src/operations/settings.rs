//! Changing settings of a container: checked first, then committed like everything else.

use super::keys::commit;
use super::prune::{self, PruneOptions, PrunePlan};
use super::session::{Session, least_bytes};
use crate::chunk_store::Settings;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use rayon::ThreadPool;
use std::sync::Arc;

/// Checks whether `max_bytes` can be the longest that the container may become.
///
/// [`Kind::Usage`] if it is less than any can be, or than what the container holds needs.
pub fn check_max_bytes(session: &Session, max_bytes: Option<u64>) -> Result<()> {
    let least = least_bytes(&session.store.container().base().geometry);
    match max_bytes {
        Some(bytes) if bytes < least => {
            Err(Error::new(Kind::Usage, format!("maximum size of {bytes} bytes"))
                .hint(format!("the least that this container can have is {least} bytes")))
        }
        Some(bytes) => shrinking(session, bytes, Timestamp::default(), &Progress::default()).map(|_| ()),
        None => Ok(()),
    }
}

/// What makes the file no longer than `bytes`, if it is now.
fn shrinking(
    session: &Session,
    bytes: u64,
    time: Timestamp,
    progress: &Progress,
) -> Result<Option<PrunePlan>> {
    if session.store.container().file_bytes() <= bytes {
        return Ok(None);
    }
    let options = PruneOptions { time, max_bytes: Some(bytes), ..PruneOptions::default() };
    prune::plan(&session.store, &[], &options, progress).map(Some)
}

/// Shrinks a file that is longer than `bytes`.
///
/// [`Kind::Busy`] if a reader holds on to segments at its end.
fn shrink(session: &mut Session, bytes: u64, time: Timestamp, pool: &Arc<ThreadPool>) -> Result<()> {
    let progress = Progress::default();
    let Some(plan) = shrinking(session, bytes, time, &progress)? else { return Ok(()) };
    let report = prune::apply(&mut session.store, plan, pool.clone(), &progress)?;
    if report.file_bytes_after <= bytes {
        return Ok(());
    }
    let held = report.held_generation.map_or_else(String::new, |g| format!(" of commit {g}"));
    Err(Error::new(
        Kind::Busy,
        format!("the file is {} bytes long: a reader{held} keeps its end", report.file_bytes_after),
    )
    .hint("wait until that reader has ended, then set the size again"))
}

/// Changes settings: `change` gets them as they are. Nothing is written if it changes nothing; a file
/// that is longer than a new limit is shrunk first.
///
/// [`Kind::Usage`] if the new ones make no sense, [`Kind::Busy`] if a reader holds on to segments at the
/// end of a file that is too long.
pub fn change(
    session: &mut Session,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    change: impl FnOnce(&mut Settings),
) -> Result<()> {
    let before = session.store.contents().settings.clone();
    let mut settings = before.clone();
    change(&mut settings);
    if let Some(policy) = settings.retention.as_ref().filter(|_| settings.retention != before.retention) {
        policy.check()?;
    }
    if settings.max_bytes != before.max_bytes {
        check_max_bytes(session, settings.max_bytes)?;
        if let Some(bytes) = settings.max_bytes {
            shrink(session, bytes, time, &pool)?;
        }
    }
    match settings == before {
        true => Ok(()),
        false => commit(session, settings, time, pool),
    }
}
