//! Changing settings of a container: checked first, then committed like everything else.

use super::keys::commit;
use super::session::{Session, least_bytes};
use crate::chunk_store::Settings;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use rayon::ThreadPool;
use std::sync::Arc;

/// Checks whether `max_bytes` can be the longest that the container may become.
///
/// [`Kind::Usage`] if it is less than the container already is, or than any can be.
pub fn check_max_bytes(session: &Session, max_bytes: Option<u64>) -> Result<()> {
    let container = session.store.container();
    let least = least_bytes(&container.base().geometry).max(container.file_bytes());
    match max_bytes {
        Some(bytes) if bytes < least => {
            Err(Error::new(Kind::Usage, format!("maximum size of {bytes} bytes"))
                .hint(format!("the least that this container can have now is {least} bytes")))
        }
        _ => Ok(()),
    }
}

/// Changes settings: `change` gets them as they are. Nothing is written if it changes nothing.
///
/// [`Kind::Usage`] if the new ones make no sense.
pub fn change(
    session: &mut Session,
    time: Timestamp,
    pool: Arc<ThreadPool>,
    change: impl FnOnce(&mut Settings),
) -> Result<()> {
    let before = session.store.contents().settings.clone();
    let mut settings = before.clone();
    change(&mut settings);
    if settings.max_bytes != before.max_bytes {
        check_max_bytes(session, settings.max_bytes)?;
    }
    if let Some(policy) = settings.retention.as_ref().filter(|_| settings.retention != before.retention) {
        policy.check()?;
    }
    match settings == before {
        true => Ok(()),
        false => commit(session, settings, time, pool),
    }
}
